//! One program for all targets: the variable `FUZZ_TARGET` names the one that gets the bytes.

#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = camclinic::fuzzing::TARGETS.iter().find(|(target, _)| *target == name);
        found.map_or_else(|| panic!("FUZZ_TARGET={name:?} is none of the targets"), |(_, read)| *read)
    });
    target(bytes);
});
