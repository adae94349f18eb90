//! Whether all clips in a folder are as they were written: by their sidecars, or, of an archive, by its manifest.
//!
//! A clip that is gone together with its sidecar is not missed: that is how clips are deleted. An archive misses it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::copies::{CopyManifest, CopyProgress, MANIFEST};
use super::digest::{FileDigest, digest_file};
use super::listing::{Clip, ClipState, SidecarRead, list};
use super::retention::amount;
use super::sidecar::{SidecarState, is_sealed};
use crate::disk::read_regular;
use crate::foreign::Foreign;

const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// Folders within folders of an archive that are looked into.
const MAX_DEPTH: usize = 8;
const MAX_EXTRA: usize = 1_000;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefectKind {
    /// Its sidecar is there, or the manifest names it.
    Missing,
    /// It is no clip.
    Extra,
    Truncated {
        bytes: u64,
        expected: u64,
    },
    TooLong {
        bytes: u64,
        expected: u64,
    },
    /// Of the right size, with another content.
    Changed,
    WithoutSidecar,
    SidecarDamaged(String),
    SidecarChanged,
    /// The sidecar was not finished, so that nothing tells what the clip should be.
    Unverified,
    /// No program is recording it.
    Unfinished,
    Unreadable(String),
    ManifestDamaged,
    /// There is too much in the folder.
    NotLookedAt,
}

/// A file with something wrong. It is displayed as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    pub path: PathBuf,
    pub kind: DefectKind,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "nothing tells whether the clip is whole, and it is never deleted by itself";
        match &self.kind {
            DefectKind::Missing => f.write_str("This is missing: somebody has deleted or moved it."),
            DefectKind::Extra => f.write_str("This is no clip. It is left alone."),
            DefectKind::Truncated { bytes, expected } => {
                write!(f, "This is cut short: {} of {} are left.", amount(*bytes), amount(*expected))
            }
            DefectKind::TooLong { bytes, expected } => {
                write!(f, "Something was added to this: it has {} in place of {}.", amount(*bytes), amount(*expected))
            }
            DefectKind::Changed => f.write_str(
                "The content of this is not as it was recorded: the disk has damaged it, or somebody has changed it.",
            ),
            DefectKind::WithoutSidecar => write!(f, "The .json of this clip's name is missing: {unknown}."),
            DefectKind::SidecarDamaged(why) => {
                write!(f, "The .json of this clip's name cannot be read ({why}): {unknown}.")
            }
            DefectKind::SidecarChanged => f.write_str(
                "The .json of this clip's name is not as it was written: the disk has damaged it, or somebody has \
                 changed it.",
            ),
            DefectKind::Unverified => f.write_str(
                "The program ended while this clip was closed: nothing tells whether it is whole. The next recording \
                 into the folder puts it right.",
            ),
            DefectKind::Unfinished => f.write_str(
                "This was not closed: the program ended while it was recorded. The next recording into the folder \
                 repairs it.",
            ),
            DefectKind::Unreadable(why) => write!(f, "This cannot be read: {why}. Look at the disk."),
            DefectKind::ManifestDamaged => f.write_str(
                "The manifest is not as it was written: the disk has damaged it, or somebody has changed it.",
            ),
            DefectKind::NotLookedAt => f.write_str("There are too many files in this folder: not all were looked at."),
        }?;
        write!(f, " {}", self.path.display())
    }
}

/// Looks at every clip, each to its end. `progress` is told the bytes that are done and those in all, and ends it with
/// `false`.
///
/// # Errors
/// The folder itself cannot be read.
pub fn audit(root: &Path, progress: CopyProgress<'_>) -> io::Result<Vec<Defect>> {
    let mut defects =
        if root.join(MANIFEST).is_file() { audit_archive(root, progress)? } else { audit_folder(root, progress)? };
    defects.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(defects)
}

fn audit_folder(root: &Path, progress: CopyProgress<'_>) -> io::Result<Vec<Defect>> {
    let listing = list(root)?;
    let mut defects = Vec::new();
    let mut add = |path: &Path, kind| defects.push(Defect { path: path.to_owned(), kind });
    let all_bytes = listing.clips.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
    let mut done_bytes = 0_u64;
    for clip in &listing.clips {
        if !progress(done_bytes, all_bytes) {
            break;
        }
        for kind in defects_of(clip) {
            // Closed or deleted since it was listed.
            if clip.path.symlink_metadata().is_ok() {
                add(&clip.path, kind);
            }
        }
        let picture = clip.about().and_then(|about| about.picture.as_ref());
        if let Some(picture) = picture.filter(|_| clip.path.symlink_metadata().is_ok()) {
            let path = clip.sidecar_path.with_extension("png");
            if let Some(kind) = difference(&path, picture.digest.bytes, &picture.digest.sha256) {
                add(&path, kind);
            }
        }
        done_bytes = done_bytes.saturating_add(clip.bytes);
    }
    for sidecar in listing.without_clip.iter().filter(|sidecar| sidecar.exists()) {
        let clip = sidecar.with_extension("mp4");
        if !clip.exists() {
            add(&clip, DefectKind::Missing);
        }
    }
    listing.others.iter().for_each(|path| add(path, DefectKind::Extra));
    listing.unread.iter().for_each(|(path, why)| add(path, DefectKind::Unreadable(why.clone())));
    if listing.is_cut {
        add(root, DefectKind::NotLookedAt);
    }
    Ok(defects)
}

fn defects_of(clip: &Clip) -> Vec<DefectKind> {
    let mut kinds = Vec::new();
    if clip.state == ClipState::Unfinished {
        kinds.extend((!clip.is_being_recorded()).then_some(DefectKind::Unfinished));
        return kinds;
    }
    let about = match &clip.sidecar {
        SidecarRead::Missing => return vec![DefectKind::WithoutSidecar],
        SidecarRead::Damaged(why) => return vec![DefectKind::SidecarDamaged(why.clone())],
        SidecarRead::Read(about) => about,
    };
    kinds.extend(about.is_altered.then_some(DefectKind::SidecarChanged));
    if about.state == SidecarState::Recording || about.sha256.is_empty() {
        kinds.push(DefectKind::Unverified);
        return kinds;
    }
    kinds.extend(difference(&clip.path, about.bytes, &about.sha256));
    kinds
}

fn audit_archive(root: &Path, progress: CopyProgress<'_>) -> io::Result<Vec<Defect>> {
    let path = root.join(MANIFEST);
    let bytes = read_regular(&path, MAX_MANIFEST_BYTES)?;
    let mut defects = Vec::new();
    let mut add = |path: &Path, kind| defects.push(Defect { path: path.to_owned(), kind });
    let manifest: CopyManifest = serde_json::from_slice(&bytes).unwrap_or_default();
    if !is_sealed(&bytes) {
        add(&path, DefectKind::ManifestDamaged);
    }
    let all_bytes = manifest.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    let mut done_bytes = 0_u64;
    let mut named = BTreeSet::from([path]);
    for file in &manifest.files {
        if !progress(done_bytes, all_bytes) {
            return Ok(defects);
        }
        // Whatever it names, nothing outside is read.
        let is_within = Path::new(&file.path).components().all(|part| matches!(part, Component::Normal(_)));
        let path = root.join(if is_within { file.path.as_str() } else { MANIFEST });
        if !is_within {
            add(&path, DefectKind::ManifestDamaged);
            continue;
        }
        if let Some(kind) = difference(&path, file.bytes, &file.sha256) {
            add(&path, kind);
        }
        named.insert(path);
        done_bytes = done_bytes.saturating_add(file.bytes);
    }
    let mut extra = Vec::new();
    find_extra(root, &named, MAX_DEPTH, &mut extra);
    for path in &extra {
        add(path, DefectKind::Extra);
    }
    if extra.len() >= MAX_EXTRA {
        add(root, DefectKind::NotLookedAt);
    }
    Ok(defects)
}

fn find_extra(folder: &Path, named: &BTreeSet<PathBuf>, depth: usize, extra: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if extra.len() >= MAX_EXTRA {
            return;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
            find_extra(&path, named, depth - 1, extra);
        } else if !named.contains(&path) {
            extra.push(path);
        }
    }
}

fn difference(path: &Path, expected: u64, sha256: &str) -> Option<DefectKind> {
    match digest_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(DefectKind::Missing),
        Err(error) => Some(DefectKind::Unreadable(Foreign::from(error.to_string()).into())),
        Ok(FileDigest { bytes, .. }) if bytes < expected => Some(DefectKind::Truncated { bytes, expected }),
        Ok(FileDigest { bytes, .. }) if bytes > expected => Some(DefectKind::TooLong { bytes, expected }),
        Ok(digest) => (digest.sha256 != sha256).then_some(DefectKind::Changed),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::sample::{add_clip, add_picture};
    use super::super::{ClipChoice, ClipKind, Sidecar, archive};
    use super::*;

    fn told(root: &Path) -> Vec<String> {
        audit(root, &mut |_, _| true).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_injury_is_found_and_told() {
        #[track_caller]
        fn check(injure: impl Fn(&super::super::ClipPaths), says: &[&str]) {
            let place = tempfile::tempdir().unwrap();
            add_clip(place.path(), "C920", "2026-11-20T10:00:00Z", ClipKind::Continuous, 5_000);
            let paths = add_clip(place.path(), "Yard", "2026-11-20T10:00:00Z", ClipKind::Fault, 5_000);
            assert_eq!(told(place.path()), [""; 0]);
            injure(&paths);
            let told = told(place.path());
            let are_right = told.len() == says.len() && told.iter().zip(says).all(|(told, says)| told.contains(says));
            assert!(are_right, "{told:?}");
        }
        let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
        let bytes = |path: &Path| fs::read(path).unwrap();
        check(|clip| fs::remove_file(&clip.closed).unwrap(), &["is missing"]);
        check(|clip| fs::remove_file(&clip.sidecar).unwrap(), &[".json of this clip's name is missing"]);
        check(|clip| write(&clip.closed, &bytes(&clip.closed)[..4_000]), &["4 kB of 5 kB are left"]);
        check(|clip| write(&clip.closed, b""), &["0 kB of 5 kB"]);
        check(|clip| write(&clip.closed, &[bytes(&clip.closed), vec![0]].concat()), &["was added"]);
        check(|clip| write(&clip.sidecar, b"{"), &["cannot be read"]);
        check(|clip| fs::rename(&clip.closed, &clip.unfinished).unwrap(), &["was not closed"]);
        check(|clip| write(&clip.closed.with_file_name("mine.mp4"), b""), &["no clip"]);
        check(|clip| write(&clip.closed.with_file_name(".camclinic-aB3xY9"), b""), &[]);
        check(|clip| add_picture(clip, b"a picture"), &[]);
        let changed = |clip: &super::super::ClipPaths| {
            add_picture(clip, b"a picture");
            write(&clip.picture, b"a pictuRe");
        };
        check(changed, &["not as it was recorded"]);
        let gone = |clip: &super::super::ClipPaths| {
            add_picture(clip, b"a picture");
            fs::remove_file(&clip.picture).unwrap();
        };
        check(gone, &["is missing"]);
        let recording = |clip: &super::super::ClipPaths| {
            let sidecar = Sidecar::read(&clip.sidecar).unwrap();
            Sidecar { state: SidecarState::Recording, sha256: String::new(), ..sidecar }.write(&clip.sidecar).unwrap();
        };
        check(recording, &["ended while this clip was closed"]);
        let place = tempfile::tempdir().unwrap();
        assert!(audit(&place.path().join("none"), &mut |_, _| true).is_err());
    }

    #[test]
    fn each_flipped_bit_is_found() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let place = tempfile::tempdir().unwrap();
        let paths = add_clip(place.path(), "Yard", "2026-11-20T10:00:00Z", ClipKind::Fault, 20_000);
        for _ in 0..300 {
            let path = random.choice([&paths.closed, &paths.sidecar]).unwrap();
            let whole = fs::read(path).unwrap();
            let mut flipped = whole.clone();
            flipped[random.usize(..whole.len())] ^= 1 << random.u8(..8);
            fs::write(path, &flipped).unwrap();
            assert!(!told(place.path()).is_empty(), "{}", path.display());
            fs::write(path, &whole).unwrap();
        }
        assert!(told(place.path()).is_empty());
    }

    #[test]
    fn an_archive_misses_what_is_gone() {
        #[track_caller]
        fn check(injure: impl Fn(&Path, &Path), says: &str) {
            let (place, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            add_clip(place.path(), "Yard", "2026-11-20T10:00:00Z", ClipKind::Fault, 5_000);
            let (all, now) = (ClipChoice::default(), Timestamp::UNIX_EPOCH);
            let done = archive(place.path(), &all, "x", to.path(), now, &mut |_, _| true).unwrap();
            assert_eq!(told(&done.path), [""; 0]);
            let clip = list(&done.path).unwrap().clips.remove(0).path;
            injure(&done.path, &clip);
            let told = told(&done.path).join("\n");
            assert!(told.contains(says), "{told}");
        }
        check(|_, clip| fs::remove_dir_all(clip.parent().unwrap()).unwrap(), "is missing");
        check(|_, clip| fs::write(clip, "x").unwrap(), "cut short");
        check(|_, clip| fs::write(clip, vec![9; 5_000]).unwrap(), "not as it was recorded");
        check(|_, clip| fs::write(clip.with_extension("json"), "x").unwrap(), "cut short");
        check(|root, _| fs::write(root.join("a"), "x").unwrap(), "no clip");
        check(|root, _| fs::remove_file(root.join("events.txt")).unwrap(), "is missing");
        check(|root, _| fs::write(root.join(MANIFEST), "{").unwrap(), "manifest is not as");
        let outside = r#"{"files":[{"path":"../../etc/passwd"},{"path":"/etc/passwd"}]}"#;
        check(|root, _| fs::write(root.join(MANIFEST), outside).unwrap(), "manifest is not as");
    }
}
