//! The scripted camera.
use crate::fault::Fault;
use crate::source::{OpenRequest, Source};

/// A parsed `sim:` line.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    text: String,
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(Self { text: text.into() }) } else { Err("not yet".into()) }
    }
}
impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
pub(super) fn open(script: &Script, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let _ = (script, request);
    Err(Fault::new(crate::fault::FaultKind::Missing, "not yet"))
}
