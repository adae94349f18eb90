//! Copies clips of a time into a folder of their own, with a manifest, and reads each copy back.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::copies::{
    ClipChoice, ClipsCopied, CopyManifest, CopyProgress, EVENTS, MANIFEST, WorkFolder, choose, events_text, relative,
    remark_on,
};
use super::digest::{FileDigest, copy_and_digest, digest_file};
use super::name::file_part;
use super::retention::amount;
use super::sidecar::{set_protected, write_sealed};
use crate::disk::{FileAccess, free_bytes, open_regular, write_advice, write_whole_by};

/// Besides the clips.
const ROOM_BYTES: u64 = 16 << 20;

/// Copies the closed clips of a choice from the folder `root` into the new folder `to/NAME`, whole or not at all. The
/// originals are protected from then on. `progress` is told the bytes that are done and those in all, and ends it with
/// `false`.
///
/// # Errors
/// A sentence: nothing to copy, such a folder is there, no room, a copy that is not as its original.
pub fn archive(
    root: &Path,
    choice: &ClipChoice,
    name: &str,
    to: &Path,
    now: Timestamp,
    progress: CopyProgress<'_>,
) -> Result<ClipsCopied, String> {
    let (clips, mut remarks) = choose(root, choice, "archived")?;
    let target = to.join(file_part(name, "clips"));
    if target.symlink_metadata().is_ok() {
        return Err(format!("Nothing was archived: this is there already. Choose another name. {}", target.display()));
    }
    let failed =
        |error: io::Error| format!("Nothing was archived: {error}. {} {}", write_advice(&error), target.display());
    fs::create_dir_all(to).map_err(failed)?;
    let all_bytes = clips.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
    if let Ok(free) = free_bytes(to)
        && free < all_bytes.saturating_add(ROOM_BYTES)
    {
        return Err(format!(
            "Nothing was archived: the clips have {}, and {} are free. Make room, or choose another disk. {}",
            amount(all_bytes),
            amount(free),
            to.display()
        ));
    }
    let work = WorkFolder::make(to).map_err(failed)?;
    let mut manifest = CopyManifest::new(name, choice, &clips, now);
    let mut done_bytes = 0_u64;
    for clip in &clips {
        if !progress(done_bytes, all_bytes) {
            return Err("Nothing was archived: somebody has stopped it.".to_owned());
        }
        let path = relative(clip, &clip.path);
        let digest = copy(&clip.path, &work.0.join(&path))?;
        remarks.extend(remark_on(clip, &digest));
        manifest.add(path, &digest, Some(clip));
        for from in clip.beside().filter(|path| path.symlink_metadata().is_ok()) {
            let path = relative(clip, from);
            let digest = copy(from, &work.0.join(&path))?;
            manifest.add(path, &digest, None);
        }
        done_bytes = done_bytes.saturating_add(clip.bytes);
    }
    let text = events_text(&clips);
    let events = work.0.join(EVENTS);
    write_whole_by(&events, FileAccess::Usual, |file| io::Write::write_all(file, text.as_bytes())).map_err(failed)?;
    manifest.add(EVENTS.to_owned(), &digest_file(&events).map_err(failed)?, None);
    // The last: where it is, all is.
    write_sealed(&work.0.join(MANIFEST), &manifest).map_err(failed)?;
    fs::rename(&work.0, &target).map_err(failed)?;
    for clip in clips.iter().filter(|clip| clip.about().is_some()) {
        // That of a read-only folder cannot be.
        let _ = set_protected(&clip.sidecar_path, true);
    }
    progress(all_bytes, all_bytes);
    Ok(ClipsCopied { path: target, n_clips: clips.len(), bytes: all_bytes, remarks })
}

/// Copies a file, and reads what has come of it.
fn copy(from: &Path, to: &Path) -> Result<FileDigest, String> {
    let failed = |error: io::Error, path: &Path| {
        format!("Nothing was archived: {error}. {} {}", write_advice(&error), path.display())
    };
    let mut source = open_regular(from).map_err(|error| failed(error, from))?;
    let digest = write_whole_by(to, FileAccess::Usual, |file| copy_and_digest(&mut source, file))
        .map_err(|error| failed(error, to))?;
    let read = digest_file(to).map_err(|error| failed(error, to))?;
    if read == digest {
        return Ok(digest);
    }
    Err(format!(
        "Nothing was archived: the copy is not as its original. The disk is not to be trusted; choose another one. {}",
        to.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::ClipSpan;
    use super::super::list;
    use super::super::sample::{add_clip, add_picture};
    use super::super::{ClipKind, audit};
    use super::*;

    fn span(from: &str, to: &str) -> ClipSpan {
        ClipSpan { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn chosen(span: ClipSpan) -> ClipChoice {
        ClipChoice { these: None, span: Some(span) }
    }

    #[test]
    fn clips_of_a_time_are_copied_and_can_be_checked() {
        let (place, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = place.path();
        add_clip(root, "Yard", "2026-11-20T09:00:00Z", ClipKind::Continuous, 10);
        let first = add_clip(root, "Yard", "2026-11-20T10:00:00Z", ClipKind::Continuous, 300_000);
        let second = add_clip(root, "C920", "2026-11-20T10:10:00Z", ClipKind::Fault, 20);
        add_picture(&first, b"a picture");
        fs::remove_file(&second.sidecar).unwrap();
        let open = add_clip(root, "C920", "2026-11-20T10:11:00Z", ClipKind::Fault, 20);
        fs::rename(&open.closed, &open.unfinished).unwrap();
        add_clip(root, "C920", "2026-11-20T11:00:00Z", ClipKind::Fault, 20);
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        // The first began before it.
        let span = span("2026-11-20T10:03:00Z", "2026-11-20T10:30:00Z");
        let run = |name: &str| archive(root, &chosen(span), name, to.path(), now, &mut |done, all| done <= all);
        let done = run("Case 7: <Yard>").unwrap();
        assert_eq!((done.n_clips, done.bytes), (2, 300_020));
        assert_eq!(done.path, to.path().join("Case_7___Yard"));
        assert_eq!(done.remarks.len(), 2, "{:?}", done.remarks);
        let copied = list(&done.path).unwrap();
        assert_eq!(copied.clips.len(), 2);
        assert_eq!(fs::read(&copied.clips[0].path).unwrap(), fs::read(&first.closed).unwrap());
        assert_eq!(fs::read(copied.clips[0].picture.as_ref().unwrap()).unwrap(), b"a picture");
        let defects = audit(&done.path, &mut |_, _| true).unwrap();
        assert!(defects.is_empty(), "{defects:?}");
        assert!(list(root).unwrap().clips[1].about().unwrap().protected);
        let text = fs::read_to_string(done.path.join(EVENTS)).unwrap();
        assert!(text.contains("Yard  continuous"), "{text}");
        assert!(run("Case 7: <Yard>").unwrap_err().contains("there already"));
        // One that somebody has chosen, and when it was.
        let this = ClipChoice { these: Some([first.closed.clone()].into()), span: None };
        let one = archive(root, &this, "one", to.path(), now, &mut |_, _| true).unwrap();
        assert_eq!((one.n_clips, one.remarks.len()), (1, 0));
        let manifest: CopyManifest = serde_json::from_slice(&fs::read(one.path.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(
            (manifest.from.to_string(), manifest.to.to_string()),
            ("2026-11-20T10:00:00Z".into(), "2026-11-20T10:05:00Z".into())
        );
        // Whole or not at all.
        let stop = archive(root, &chosen(span), "x", to.path(), now, &mut |_, _| false).unwrap_err();
        assert!(stop.contains("stopped"), "{stop}");
        fs::remove_file(&second.closed).unwrap();
        fs::create_dir(&second.closed).unwrap();
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
        let nothing = ClipSpan { from: span.to, to: span.to };
        assert!(
            archive(root, &chosen(nothing), "x", to.path(), now, &mut |_, _| true)
                .unwrap_err()
                .contains("no closed clip")
        );
        let into_file = archive(root, &chosen(span), "x", &first.closed, now, &mut |_, _| true).unwrap_err();
        assert!(into_file.contains("Choose another folder"), "{into_file}");
    }
}
