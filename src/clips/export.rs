//! Packs clips of a time into one zip, with the manifest and what happened as text: for somebody who has no Camclinic. Of the clips
//! that are not wholly of that time the part that is goes in, cut at key pictures.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::copies::{
    ClipChoice, ClipsCopied, CopyManifest, CopyProgress, EVENTS, MANIFEST, WorkFolder, choose, events_text, relative,
    remark_on,
};
use super::digest::{FileDigest, copy_and_digest, digest_file};
use super::listing::{Clip, SidecarRead};
use super::name::{ClipName, ClipPaths};
use super::sidecar::{sealed, set_protected};
use super::wall_time::WallTime;
use crate::disk::{FileAccess, open_regular, write_advice, write_whole_by};
use crate::recorder::index::cut;

/// From this on a member needs the larger fields of zip. A little less than 4 GiB, for what may be added to it.
const LARGE_BYTES: u64 = 0xF000_0000;

/// Packs the closed clips of a choice from the folder `root` into the file `to`, whole or not at all. The originals are
/// protected from then on. `progress` is told the bytes that are done and those in all, and ends it with `false`.
///
/// # Errors
/// A sentence: nothing to export, no room, no right.
pub fn export(
    root: &Path,
    choice: &ClipChoice,
    to: &Path,
    now: Timestamp,
    progress: CopyProgress<'_>,
) -> Result<ClipsCopied, String> {
    let (originals, mut remarks) = choose(root, choice, "exported")?;
    let mut work = None;
    let mut clips = Vec::with_capacity(originals.len());
    for clip in &originals {
        let Some(part) = choice.part_of(clip) else {
            clips.push(clip.clone());
            continue;
        };
        let mut cut_out = || {
            let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let work = match &work {
                Some(work) => work,
                None => &*work.insert(WorkFolder::make(folder)?),
            };
            remarks.extend(remark_on(clip, &digest_file(&clip.path)?));
            cut_out(clip, part, &work.0)
        };
        clips.push(cut_out().unwrap_or_else(|error| {
            remarks.push(format!("Taken whole, because it cannot be cut: {error} {}", clip.path.display()));
            clip.clone()
        }));
    }
    let name = to.file_stem().unwrap_or_default().to_string_lossy();
    let manifest = CopyManifest::new(&name, choice, &clips, now);
    write_whole_by(to, FileAccess::Usual, |file| pack(file, &clips, manifest, &mut remarks, progress)).map_err(
        |error| match error.kind() {
            io::ErrorKind::Interrupted => "Nothing was exported: somebody has stopped it.".to_owned(),
            _ => format!("Nothing was exported: {error}. {} {}", write_advice(&error), to.display()),
        },
    )?;
    for clip in originals.iter().filter(|clip| clip.about().is_some()) {
        // That of a read-only folder cannot be.
        let _ = set_protected(&clip.sidecar_path, true);
    }
    let bytes = clips.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
    Ok(ClipsCopied { path: to.to_owned(), n_clips: clips.len(), bytes, remarks })
}

/// A part of a clip as a clip of its own, in the same place of another folder.
fn cut_out(clip: &Clip, (from, to): (Duration, Duration), root: &Path) -> io::Result<Clip> {
    let raw = root.join("part.mp4");
    let (begin, closed) = cut(&clip.path, from, to, &raw)?;
    let digest = digest_file(&raw)?;
    let about = clip.about().map(|about| about.of_part(&clip.name, begin, &closed, digest)).unwrap_or_default();
    let name = ClipName { started: about.started, reason: clip.name.reason.clone() };
    let paths = ClipPaths::new(root, &clip.camera_folder, &name);
    fs::create_dir_all(paths.closed.parent().unwrap_or(root))?;
    fs::rename(&raw, &paths.closed)?;
    about.write(&paths.sidecar)?;
    let picture = clip.picture.as_ref().filter(|_| about.picture.is_some());
    if let Some(picture) = picture {
        fs::copy(picture, &paths.picture)?;
    }
    Ok(Clip {
        picture: picture.map(|_| paths.picture),
        picture_bytes: if picture.is_some() { clip.picture_bytes } else { 0 },
        name,
        path: paths.closed,
        sidecar_path: paths.sidecar,
        bytes: closed.n_bytes,
        sidecar: SidecarRead::Read(Box::new(about)),
        ..clip.clone()
    })
}

fn pack(
    file: &mut std::fs::File,
    clips: &[Clip],
    mut manifest: CopyManifest,
    remarks: &mut Vec<String>,
    progress: CopyProgress<'_>,
) -> io::Result<()> {
    let all_bytes = clips.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
    let mut done_bytes = 0_u64;
    let mut zip = ZipWriter::new(file);
    for clip in clips {
        if !progress(done_bytes, all_bytes) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // A clip is coded: packing it again saves nothing.
        let options = options(clip.name.started, clip.bytes).compression_method(CompressionMethod::Stored);
        let path = relative(clip, &clip.path);
        zip.start_file(path.as_str(), options)?;
        let digest = copy_and_digest(&mut open_regular(&clip.path)?, &mut zip)?;
        remarks.extend(remark_on(clip, &digest));
        manifest.add(path, &digest, Some(clip));
        for path in clip.beside() {
            let Ok(mut file) = open_regular(path) else { continue };
            let name = relative(clip, path);
            zip.start_file(name.as_str(), self::options(clip.name.started, 0))?;
            let digest = copy_and_digest(&mut file, &mut zip)?;
            manifest.add(name, &digest, None);
        }
        done_bytes = done_bytes.saturating_add(clip.bytes);
    }
    let made = clips
        .first()
        .map_or_else(WallTime::default, |clip| WallTime::with_offset(manifest.made, clip.name.started.offset()));
    let text = events_text(clips);
    manifest.add(EVENTS.to_owned(), &FileDigest::of(text.as_bytes()), None);
    for (name, content) in [(EVENTS, text), (MANIFEST, sealed(&manifest)?)] {
        zip.start_file(name, options(made, 0))?;
        zip.write_all(content.as_bytes())?;
    }
    zip.finish()?;
    progress(all_bytes, all_bytes);
    Ok(())
}

fn options(at: WallTime, bytes: u64) -> SimpleFileOptions {
    SimpleFileOptions::default().last_modified_time(zip_time(at.local())).large_file(bytes >= LARGE_BYTES)
}

/// A time as zip has it; 1980 for a clock that is set to a year before.
pub fn zip_time(local: jiff::civil::DateTime) -> DateTime {
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    DateTime::from_date_and_time(
        u16::try_from(local.year()).unwrap_or_default(),
        part(local.month()),
        part(local.day()),
        part(local.hour()),
        part(local.minute()),
        part(local.second()),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;

    use super::super::ClipKind;
    use super::super::ClipSpan;
    use super::super::digest::digest_bytes;
    use super::super::sample::{add_clip, add_picture};
    use super::*;

    #[test]
    fn a_zip_holds_clips_manifest_and_events() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let first = add_clip(root, "Yard", "2026-11-20T10:00:00Z", ClipKind::Continuous, 300_000);
        let second = add_clip(root, "C920", "1970-01-02T10:10:00Z", ClipKind::Fault, 20);
        add_picture(&second, b"a picture");
        fs::write(&second.closed, "somebody has changed it").unwrap();
        let span = ClipSpan { from: Timestamp::MIN, to: Timestamp::MAX };
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let to = place.path().join("case.zip");
        fs::write(&to, "old").unwrap();
        let choice = ClipChoice { these: None, span: Some(span) };
        let stopped = export(root, &choice, &to, now, &mut |_, _| false).unwrap_err();
        assert!(stopped.contains("stopped") && fs::read(&to).unwrap() == b"old", "{stopped}");
        let done = export(root, &choice, &to, now, &mut |_, _| true).unwrap();
        assert_eq!(done.n_clips, 2);
        assert!(done.remarks.len() == 1 && done.remarks[0].contains("not as it was recorded"), "{:?}", done.remarks);
        let mut zip = zip::ZipArchive::new(File::open(&to).unwrap()).unwrap();
        let mut member = |name: &str| {
            let mut bytes = Vec::new();
            zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        let manifest: CopyManifest = serde_json::from_slice(&member(MANIFEST)).unwrap();
        assert_eq!(manifest.files.len(), 6);
        assert!(manifest.files.iter().any(|file| file.path.ends_with("_fault.png")));
        for file in &manifest.files {
            let bytes = member(&file.path);
            assert_eq!((bytes.len() as u64, digest_bytes(&bytes)), (file.bytes, file.sha256.clone()), "{}", file.path);
        }
        let clip = manifest.files.iter().filter_map(|file| file.clip.as_ref()).next_back().unwrap();
        assert_eq!((clip.camera.as_str(), clip.secs), ("Yard", 300.0));
        assert!(String::from_utf8(member(EVENTS)).unwrap().contains("C920  fault"));
        assert!(first.closed.exists());
        let left = fs::read_dir(root).unwrap().count();
        assert_eq!(left, 3, "two cameras and the zip");
        assert!(export(root, &choice, root, now, &mut |_, _| true).unwrap_err().contains("Choose another name"));
    }
}
