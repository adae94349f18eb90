//! All that was left unfinished in a folder, by an earlier run or by a disk that was full: first every clip is closed, so that it plays; then it is told beside each
//! what it has, for which each byte of it is read.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Repaired, repair};
use crate::clips::{Clip, ClipFolder, ClipState, Sidecar, SidecarState, digest_file};
use crate::event::Level;
use crate::lock::Lock;
use crate::logging::EventLog;
use crate::recorder::index::ClipReader;

/// Clips that are closed at once: each waits for the disk most of the time.
const N_LANES: usize = 8;

/// A closed clip beside which nothing tells what it has.
struct UntoldClip {
    clip: Clip,
    path: PathBuf,
    bytes: u64,
}

/// [`repair_all`] on a thread of its own, for who cannot wait. Without one the next run does it.
pub fn repair_aside(folder: &ClipFolder, log: &EventLog) {
    let (folder, log) = (folder.clone(), log.clone());
    let _ = thread::Builder::new().name("repair-0".to_owned()).spawn(move || repair_all(&folder, &log));
}

/// Closes what was left unfinished, and tells. What cannot be closed is left as it is.
pub fn repair_all(folder: &ClipFolder, log: &EventLog) {
    let untold = {
        // Whoever has the lock is doing it.
        let Some(_lock) = folder.lock() else { return };
        let Ok(listing) = folder.list() else { return };
        close_all(listing.clips, log)
    };
    let repaired = untold.iter().filter(|untold| untold.clip.state == ClipState::Unfinished);
    let (n_repaired, n_bytes) = repaired.fold((0, 0), |(n, bytes), untold| (n + 1, bytes + untold.bytes));
    if n_repaired > 0 {
        let mb = n_bytes as f64 / 1e6;
        let message = format!("{n_repaired} clips that had been left unfinished were closed ({mb:.1} MB).");
        log.add("", Level::Info, "clip", message);
    }
    for untold in &untold {
        if let Err(error) = tell(folder, untold) {
            warn(&untold.clip, &error, log);
        }
    }
}

fn warn(clip: &Clip, error: &io::Error, log: &EventLog) {
    let message = format!("The clip {} could not be repaired: {error}.", clip.path.display());
    log.add("", Level::Warning, "clip", message);
}

/// Several side by side. Returns those whose sidecars are to be written.
fn close_all(clips: Vec<Clip>, log: &EventLog) -> Vec<UntoldClip> {
    let clips: Vec<Clip> = clips.into_iter().filter(needs_repair).collect();
    let (next, untold) = (AtomicUsize::new(0), Lock::new(Vec::new()));
    let work = || {
        while let Some(clip) = clips.get(next.fetch_add(1, Ordering::Relaxed)) {
            match close(clip) {
                Ok(None) => {}
                Ok(Some(closed)) => untold.lock().push(closed),
                Err(error) => warn(clip, &error, log),
            }
        }
    };
    thread::scope(|scope| {
        for n in 1..N_LANES.min(clips.len()) {
            // Where the system gives no thread, the others do its work.
            let _ = thread::Builder::new().name(format!("repair-{n}")).spawn_scoped(scope, work);
        }
        work();
    });
    let mut untold = std::mem::take(&mut *untold.lock());
    untold.sort_by(|a, b| a.path.cmp(&b.path));
    untold
}

/// Its file is not closed, or the program ended between the file and what stands beside it.
fn needs_repair(clip: &Clip) -> bool {
    let is_untold = |about: &Sidecar| matches!(about.state, SidecarState::Recording | SidecarState::Fragmented);
    clip.state == ClipState::Unfinished || clip.about().is_some_and(is_untold)
}

fn close(clip: &Clip) -> io::Result<Option<UntoldClip>> {
    let untold = |path: PathBuf, bytes: u64| Ok(Some(UntoldClip { clip: clip.clone(), path, bytes }));
    if clip.state == ClipState::Closed {
        return untold(clip.path.clone(), clip.bytes);
    }
    if clip.is_being_recorded() {
        return Ok(None);
    }
    if clip.about().is_none() {
        // Without it nobody would look for what is still to be told, should the program end before that.
        sidecar_of(clip).write(&clip.sidecar_path)?;
    }
    match repair(&clip.path)? {
        Repaired::Nothing => Ok(None),
        Repaired::Empty => {
            fs::remove_file(&clip.path)?;
            let _ = fs::remove_file(&clip.sidecar_path);
            Ok(None)
        }
        Repaired::Closed(closed) => untold(closed.path, closed.n_bytes),
    }
}

/// What stands beside it, or what its name tells.
fn sidecar_of(clip: &Clip) -> Sidecar {
    clip.about().cloned().unwrap_or_else(|| Sidecar {
        state: SidecarState::Recording,
        reason: clip.name.reason.kind(),
        cause: clip.name.reason.cause().into(),
        camera: clip.camera(),
        started: clip.name.started,
        ..Sidecar::default()
    })
}

fn tell(folder: &ClipFolder, untold: &UntoldClip) -> io::Result<()> {
    let UntoldClip { clip, path, .. } = untold;
    let reader = ClipReader::open(path)?;
    let digest = digest_file(path)?;
    let pictures = reader.pictures();
    let lasted = reader.duration();
    let mut sidecar = sidecar_of(clip);
    sidecar.state = SidecarState::Recovered;
    sidecar.codec = Some(reader.track().codec);
    sidecar.size = Some(reader.track().size);
    sidecar.pictures = pictures.len() as u64;
    sidecar.key_pictures = pictures.iter().filter(|picture| picture.is_key).count() as u64;
    sidecar.ended = sidecar.started.later_by_ms(i64::try_from(lasted.as_millis()).unwrap_or(0));
    sidecar.started_monotonic_ns = 0;
    sidecar.ended_monotonic_ns = u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX);
    (sidecar.bytes, sidecar.sha256) = (digest.bytes, digest.sha256);
    // Reading it took long: it may have been deleted meanwhile. Where somebody holds the folder, the next run tells it.
    let Some(_lock) = folder.lock() else { return Ok(()) };
    if path.try_exists()? { sidecar.write(&clip.sidecar_path) } else { Ok(()) }
}
