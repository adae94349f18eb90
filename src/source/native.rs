use crate::fault::{Fault, FaultKind};
use crate::source::{OpenRequest, Source, SourceSpec};
pub(super) fn open(spec: &SourceSpec, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let _ = (spec, request);
    Err(Fault::new(FaultKind::Missing, "not yet"))
}
