use crate::backend::Backend;
use crate::fault::{Fault, FaultKind};
use crate::source::{OpenRequest, Source, SourceSpec};
pub(super) fn open(backend: Backend, spec: &SourceSpec, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let _ = (backend, spec, request);
    Err(Fault::new(FaultKind::Missing, "not yet"))
}
