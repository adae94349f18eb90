//! Carries out what [`Retention`] decides: the only code that deletes clips. It asks the disk, so that it has a thread
//! for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::folder::ClipFolder;
use super::listing::{Clip, ClipState};
use super::name::{ClipFileName, FileRole, is_camera_folder};
use super::retention::{ClipDeletion, DeletionCause, RetainedClip, Retention, RetentionLimits, amount};
use super::sidecar::Sidecar;
use crate::disk::free_bytes;

/// Other programs may record into the folder as well.
const LISTED_FOR: Duration = Duration::from_mins(10);

/// What came of it. Each sentence is an event of the log.
#[derive(Debug, Default)]
pub struct Tended {
    /// `None`: the system does not tell.
    pub free_bytes: Option<u64>,
    pub freed_bytes: u64,
    pub deleted: Vec<String>,
    /// To be told as warnings.
    pub notices: Vec<String>,
}

/// Keeps a folder within its limits.
#[derive(Debug)]
pub struct Tending {
    folder: ClipFolder,
    retention: Retention,
    clips: Vec<Clip>,
    listed_at: Option<Instant>,
    /// Could not be deleted: not tried again before the next listing.
    stuck: BTreeSet<PathBuf>,
    is_trouble_told: bool,
}

impl Tending {
    #[must_use]
    pub fn new(folder: ClipFolder, limits: RetentionLimits) -> Self {
        Self {
            folder,
            retention: Retention::new(limits),
            clips: Vec::new(),
            listed_at: None,
            stuck: BTreeSet::new(),
            is_trouble_told: false,
        }
    }

    /// The limits from now on, as somebody has changed them.
    pub fn set_limits(&mut self, limits: RetentionLimits) {
        self.retention.limits = limits;
    }

    /// A clip was closed, or protected: the folder is listed anew.
    pub fn on_change(&mut self) {
        self.listed_at = None;
    }

    /// Deletes what is to go. Each second and before each new part; without need it is one call to the system.
    /// `bytes_per_sec` is what is being written.
    pub fn tend(&mut self, bytes_per_sec: f64, now: Timestamp, at: Instant) -> Tended {
        let mut tended = Tended { free_bytes: free_bytes(self.folder.path()).ok(), ..Tended::default() };
        if !self.list(LISTED_FOR, at, &mut tended) {
            return tended;
        }
        let plan = self.retention.plan(&self.retained(), tended.free_bytes, bytes_per_sec, now);
        tended.notices.extend(plan.notices.iter().map(ToString::to_string));
        if plan.deletions.is_empty() {
            return tended;
        }
        // Another program may have deleted some meanwhile, or somebody protected one.
        let Some(_lock) = self.folder.lock() else { return tended };
        if !self.list(Duration::ZERO, at, &mut tended) {
            return tended;
        }
        let free_now = free_bytes(self.folder.path()).ok();
        let plan = self.retention.plan(&self.retained(), free_now, bytes_per_sec, now);
        self.carry_out(&plan.deletions, &mut tended);
        tended.free_bytes = free_bytes(self.folder.path()).ok();
        tended
    }

    /// Deletes one clip of a disk that is full. Nothing may be left that can go.
    pub fn free_one(&mut self, now: Timestamp, at: Instant) -> Tended {
        let mut tended = Tended::default();
        if let Some(_lock) = self.folder.lock()
            && self.list(Duration::ZERO, at, &mut tended)
            && let Some(index) = Retention::next_to_go(&self.retained(), now)
        {
            let least = self.retention.limits.least_free_bytes;
            self.carry_out(&[ClipDeletion { index, cause: DeletionCause::Room(least) }], &mut tended);
        }
        tended.free_bytes = free_bytes(self.folder.path()).ok();
        tended
    }

    /// Whether the list is there and not older than that.
    fn list(&mut self, max_age: Duration, at: Instant, tended: &mut Tended) -> bool {
        let is_fresh = |listed: Instant| at.saturating_duration_since(listed) < max_age;
        if self.listed_at.is_some_and(is_fresh) {
            return true;
        }
        // Without the marker it is not our folder, and nothing in it is ours.
        let listing = self.folder.check().map_err(|trouble| trouble.sentence(self.folder.path())).and_then(|()| {
            let shown = self.folder.path().display();
            self.folder.list().map_err(|error| format!("The clips cannot be listed: {error}. {shown}"))
        });
        match listing {
            Ok(listing) => {
                if self.listed_at.is_none_or(|listed| at.saturating_duration_since(listed) >= LISTED_FOR) {
                    self.stuck.clear();
                }
                self.clips = listing.clips;
                self.listed_at = Some(at);
                self.is_trouble_told = false;
                true
            }
            Err(sentence) => {
                if !self.is_trouble_told {
                    tended.notices.push(sentence);
                }
                self.is_trouble_told = true;
                self.listed_at = None;
                false
            }
        }
    }

    fn retained(&self) -> Vec<RetainedClip> {
        let retained = |clip: &Clip| {
            let retained = RetainedClip::from(clip);
            RetainedClip { can_go: retained.can_go && !self.stuck.contains(&clip.path), ..retained }
        };
        self.clips.iter().map(retained).collect()
    }

    fn carry_out(&mut self, deletions: &[ClipDeletion], tended: &mut Tended) {
        let mut gone = BTreeSet::new();
        for ClipDeletion { index, cause } in deletions {
            let Some(clip) = self.clips.get(*index) else { continue };
            let shown = clip.path.display();
            match delete(self.folder.path(), clip, *cause) {
                Ok(()) => {
                    tended.freed_bytes = tended.freed_bytes.saturating_add(clip.all_bytes());
                    let size = amount(clip.all_bytes());
                    tended.deleted.push(format!("A clip of {size} was deleted, because {cause}: {shown}"));
                    gone.insert(*index);
                }
                Err(error) => {
                    tended.notices.push(format!("A clip that is to go could not be deleted: {error}. {shown}"));
                    self.stuck.insert(clip.path.clone());
                }
            }
        }
        let mut index = 0;
        self.clips.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
    }
}

/// Deletes a clip because somebody wants it gone, whatever it shows.
///
/// # Errors
/// As the system says, or it is not a closed clip in its place.
pub fn delete_by_hand(root: &Path, clip: &Clip) -> io::Result<()> {
    if is_there(root, clip)? { remove(root, clip) } else { Ok(()) }
}

/// Deletes a clip and what stands beside it, once more looked at.
fn delete(root: &Path, clip: &Clip, cause: DeletionCause) -> io::Result<()> {
    if !is_there(root, clip)? {
        return Ok(());
    }
    let about = Sidecar::read(&clip.sidecar_path)?;
    if about.is_altered || about.is_kept(clip.kind()) && !matches!(cause, DeletionCause::ProtectedSize(_)) {
        return refused("somebody has protected it");
    }
    remove(root, clip)
}

fn refused<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why.to_owned()))
}

/// Whether a closed clip still is in its place; `false` where nothing is.
fn is_there(root: &Path, clip: &Clip) -> io::Result<bool> {
    match clip.path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
        Ok(about) if !about.is_file() => return refused("it is no file"),
        Ok(_) => {}
    }
    let day = clip.path.parent().unwrap_or(root);
    let camera = day.parent().unwrap_or(root);
    let file = clip.path.file_name().and_then(|name| ClipFileName::parse(name.to_str()?));
    let is_closed = file.is_some_and(|file| file.role == FileRole::Closed && file.name == clip.name);
    let is_in_place = camera.parent() == Some(root)
        && is_camera_folder(&clip.camera_folder)
        && camera.file_name().is_some_and(|name| name == clip.camera_folder.as_str())
        && day.file_name().is_some_and(|name| name == clip.name.day().as_str());
    let are_folders = [camera, day].iter().all(|folder| folder.symlink_metadata().is_ok_and(|about| about.is_dir()));
    if clip.state != ClipState::Closed || !is_closed || !is_in_place || !are_folders {
        return refused("it is not where clips are");
    }
    Ok(true)
}

fn remove(root: &Path, clip: &Clip) -> io::Result<()> {
    // In this order: a sidecar without its clip is told, and a clip without its sidecar would stay for ever.
    fs::remove_file(&clip.path)?;
    if let Some(picture) = &clip.picture {
        fs::remove_file(picture)?;
    }
    match fs::remove_file(&clip.sidecar_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    let day = clip.path.parent().unwrap_or(root);
    let camera = day.parent().unwrap_or(root);
    // Not where something is left.
    let _ = fs::remove_dir(day).and_then(|()| fs::remove_dir(camera));
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::sample::{add_clip, add_picture};
    use super::super::{ClipKind, list, set_protected};
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn left(root: &Path) -> Vec<String> {
        let time = |clip: &Clip| clip.name.started.local().strftime("%d-%H").to_string();
        list(root).unwrap().clips.iter().map(|clip| format!("{} {}", time(clip), clip.camera())).collect()
    }

    #[test]
    fn old_clips_go_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let folder = ClipFolder::open(root, None, now()).unwrap();
        let add = |camera: &str, at: &str, kind| add_clip(root, camera, at, kind, 1_000);
        let old = add("Yard", "2026-11-05T10:00:00Z", ClipKind::Continuous);
        add("Yard", "2026-11-06T10:00:00Z", ClipKind::Fault);
        let kept = add("Yard", "2026-11-07T10:00:00Z", ClipKind::Continuous);
        set_protected(&kept.sidecar, true).unwrap();
        let bare = add("Yard", "2026-11-08T10:00:00Z", ClipKind::Continuous);
        fs::remove_file(&bare.sidecar).unwrap();
        let altered = add("Yard", "2026-11-09T10:00:00Z", ClipKind::Continuous);
        let text = fs::read_to_string(&altered.sidecar).unwrap();
        fs::write(&altered.sidecar, text.replace("Yard", "Hard")).unwrap();
        let recorded = add("Yard", "2026-11-10T10:00:00Z", ClipKind::Continuous);
        fs::rename(&recorded.closed, &recorded.unfinished).unwrap();
        let foreign = old.closed.with_file_name("mine.mp4");
        fs::write(&foreign, "mine").unwrap();
        let only = add("C920", "2026-11-05T10:00:00Z", ClipKind::Continuous);
        add("C920", "2026-11-17T10:00:00Z", ClipKind::Continuous);
        let limits = RetentionLimits { min_free_bytes: 0, least_free_bytes: 0, ..RetentionLimits::default() };
        let mut tending = Tending::new(folder, limits);
        let at = Instant::now();
        let tended = tending.tend(0.0, now(), at);
        assert_eq!((tended.deleted.len(), tended.notices.len(), tended.freed_bytes), (2, 0, 2_000), "{tended:?}");
        assert!(tended.deleted[0].contains("because it is older than 7 days"), "{tended:?}");
        assert!(!old.closed.exists() && !old.sidecar.exists() && foreign.exists());
        assert!(!only.closed.parent().unwrap().exists());
        let expected = ["06-10 Yard", "07-10 Yard", "08-10 Yard", "09-10 Hard", "10-10 Yard", "17-10 C920"];
        assert_eq!(left(root), expected);
        // Nothing is left to do, and a clip that comes meanwhile is seen when it is told of.
        assert!(tending.tend(0.0, now(), at).deleted.is_empty());
        add("C920", "2026-11-04T10:00:00Z", ClipKind::Continuous);
        assert!(tending.tend(0.0, now(), at).deleted.is_empty());
        tending.on_change();
        assert_eq!(tending.tend(0.0, now(), at).deleted.len(), 1);
        // A full disk has the oldest rolling clip deleted, and then nothing more.
        assert_eq!(tending.free_one(now(), at).freed_bytes, 1_000);
        assert_eq!(tending.free_one(now(), at).freed_bytes, 0);
        assert_eq!(left(root), expected[..5]);
    }

    #[test]
    fn nothing_is_deleted_without_the_marker_or_beside_another_program() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let folder = ClipFolder::open(root, None, now()).unwrap();
        add_clip(root, "Yard", "2026-11-05T10:00:00Z", ClipKind::Continuous, 10);
        add_clip(root, "Yard", "2026-11-17T10:00:00Z", ClipKind::Continuous, 10);
        let at = Instant::now();
        let mut tending = Tending::new(folder.clone(), RetentionLimits::default());
        let held = folder.lock().unwrap();
        assert!(tending.tend(0.0, now(), at).deleted.is_empty());
        drop(held);
        fs::rename(root.join(".camclinic"), root.join("away")).unwrap();
        tending.on_change();
        let tended = tending.tend(0.0, now(), at);
        assert!(tended.deleted.is_empty() && tended.notices[0].contains("not connected"), "{tended:?}");
        assert!(tending.tend(0.0, now(), at).notices.is_empty());
        assert_eq!(tending.free_one(now(), at).freed_bytes, 0);
        fs::rename(root.join("away"), root.join(".camclinic")).unwrap();
        assert_eq!(tending.tend(0.0, now(), at).deleted.len(), 1);
    }

    #[test]
    fn a_clip_that_was_protected_meanwhile_stays() {
        let place = tempfile::tempdir().unwrap();
        let paths = add_clip(place.path(), "Yard", "2026-11-05T10:00:00Z", ClipKind::Continuous, 10);
        add_picture(&paths, b"a picture");
        let clip = list(place.path()).unwrap().clips.remove(0);
        let age = DeletionCause::Age(SignedDuration::ZERO);
        set_protected(&paths.sidecar, true).unwrap();
        assert!(delete(place.path(), &clip, age).unwrap_err().to_string().contains("protected"));
        set_protected(&paths.sidecar, false).unwrap();
        assert!(delete(&place.path().join("x"), &clip, age).is_err());
        delete(place.path(), &clip, age).unwrap();
        delete(place.path(), &clip, age).unwrap();
        assert!(!paths.closed.exists() && !paths.picture.exists());
    }

    #[test]
    fn somebody_may_delete_any_closed_clip_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let protected = add_clip(root, "Yard", "2026-11-05T10:00:00Z", ClipKind::Fault, 10);
        let bare = add_clip(root, "Yard", "2026-11-06T10:00:00Z", ClipKind::Continuous, 10);
        fs::remove_file(&bare.sidecar).unwrap();
        let recorded = add_clip(root, "Yard", "2026-11-07T10:00:00Z", ClipKind::Continuous, 10);
        fs::rename(&recorded.closed, &recorded.unfinished).unwrap();
        let clips = list(root).unwrap().clips;
        assert!(delete_by_hand(&root.join("x"), &clips[0]).is_err());
        let deleted: Vec<_> = clips.iter().map(|clip| delete_by_hand(root, clip).is_ok()).collect();
        assert_eq!(deleted, [true, true, false]);
        assert!(delete_by_hand(root, &clips[0]).is_ok(), "it is gone");
        assert!(!protected.closed.exists() && !protected.sidecar.exists() && recorded.unfinished.exists());
    }
}
