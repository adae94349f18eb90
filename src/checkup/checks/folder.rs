//! Whether pictures can be saved: how much room the folder has, and whether a file can be written there. Nothing stays behind.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{result, with_load};
use crate::checkup::facts;
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::criteria;
use crate::device;
use crate::disk::{disk_of, write_advice};
use crate::fault::{Fault, FaultKind};
use crate::phrases::{Message, number};

/// Bytes of the file that is written: as many as one picture has.
const SAMPLE: usize = 256 << 10;

pub struct FolderCheck;

impl Check for FolderCheck {
    fn id(&self) -> &'static str {
        "folder"
    }

    fn skip(&self, _: &CheckContext) -> Option<Message> {
        None
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(Duration::from_secs(3), context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let folder = look(&context.request.folder);
        let free = folder.free_bytes;
        let result = match (&folder.error, free) {
            (Some(fault), _) => result(self, CheckOutcome::Bad, "bad").with("what", fault.to_string()),
            (None, Some(free)) if free < criteria::NEARLY_FULL_DISK_BYTES => {
                result(self, CheckOutcome::Warning, "full")
            }
            (None, _) if folder.write_ms.is_some_and(|ms| ms >= criteria::SLOW_WRITE_MS) => {
                result(self, CheckOutcome::Warning, "slow")
            }
            (None, _) => result(self, CheckOutcome::Good, "good"),
        };
        let gigabytes = free.map_or(0.0, |free| free as f64 / 1e9);
        let ms = folder.write_ms.unwrap_or_default();
        context.facts.folder = Some(folder);
        result.with("free", number(gigabytes, 1)).with("ms", ms)
    }
}

/// Writes a file there as big as a picture, and deletes it. A folder that does not exist yet is made when it is needed: then
/// the one in which it will be counts.
fn look(wanted: &Path) -> facts::FolderFacts {
    let existing = wanted.ancestors().find(|folder| folder.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let disk = disk_of(wanted);
    let began = Instant::now();
    let written = tempfile::NamedTempFile::new_in(&existing).and_then(|mut file| {
        file.write_all(&vec![0x5a; SAMPLE])?;
        file.as_file().sync_all()
    });
    let free_bytes = disk.map(|disk| disk.free_bytes);
    let error = written.err().map(|error| {
        let why = device::codes::without_code(&error.to_string()).to_owned();
        let message = format!("{} cannot be written to: {why}", wanted.display());
        let fault = Fault::new(FaultKind::NoResources, message).with_advice(write_advice(&error));
        Fault { code: error.raw_os_error().map(i64::from), ..fault }
    });
    let is_full = free_bytes.is_some_and(|free| free < criteria::FULL_DISK_BYTES);
    let full = || {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        Fault::new(FaultKind::NoResources, format!("the disk of {} is full", wanted.display()))
            .with_advice(write_advice(&error))
    };
    facts::FolderFacts {
        path: wanted.display().to_string(),
        free_bytes,
        error: error.or_else(|| is_full.then(full)),
        write_ms: Some(began.elapsed().as_secs_f64() * 1_000.0),
        is_remote: disk.is_some_and(|disk| disk.is_remote),
    }
}
