//! Which clips there are: a walk of two levels of folders, and a look into each sidecar. Links are not followed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::name::{ClipFileName, ClipKind, ClipName, ClipPaths, FileRole, is_camera_folder};
use super::sidecar::{Sidecar, SidecarState};
use crate::disk::open_regular;
use crate::foreign::Foreign;

/// More files than that are not looked at: fifty days of clips of a minute each.
const MAX_FILES: usize = 200_000;
/// Of what is not ours; a list of more is read by nobody.
const MAX_OTHERS: usize = 1_000;
/// What is being written bears such a name.
const TEMPORARY: &str = ".camclinic-";

/// How far a clip's file has got, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClipState {
    Closed,
    /// It is being recorded, or is to be repaired: see [`Clip::is_being_recorded`].
    Unfinished,
}

/// What is known from beside a clip.
#[derive(Clone, Debug, PartialEq)]
pub enum SidecarRead {
    Read(Box<Sidecar>),
    Missing,
    /// With what is wrong with it.
    Damaged(String),
}

/// A clip in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    pub name: ClipName,
    pub camera_folder: String,
    pub path: PathBuf,
    pub sidecar_path: PathBuf,
    /// The last picture before a fault, where there is one.
    pub picture: Option<PathBuf>,
    pub state: ClipState,
    /// Of its file.
    pub bytes: u64,
    /// Of the picture's.
    pub picture_bytes: u64,
    pub sidecar: SidecarRead,
}

impl Clip {
    #[must_use]
    pub fn about(&self) -> Option<&Sidecar> {
        match &self.sidecar {
            SidecarRead::Read(sidecar) => Some(sidecar),
            SidecarRead::Missing | SidecarRead::Damaged(_) => None,
        }
    }

    /// The files that go with it.
    pub fn beside(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.sidecar_path), self.picture.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Of its file and its picture.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.picture_bytes)
    }

    /// What the camera is called; without a sidecar as its folder is named.
    #[must_use]
    pub fn camera(&self) -> Foreign {
        let told = self.about().map(|about| &about.camera).filter(|camera| !camera.is_empty());
        told.cloned().unwrap_or_else(|| {
            let name = self.camera_folder.rsplit_once('-').map_or("", |(name, _)| name);
            name.into()
        })
    }

    /// As it was made: by its name, which nobody but the recorder gives.
    #[must_use]
    pub fn kind(&self) -> ClipKind {
        self.name.reason.kind()
    }

    /// See [`Sidecar::is_kept`].
    #[must_use]
    pub fn is_protected(&self) -> bool {
        let kind = self.kind();
        self.about().map_or_else(|| kind.is_evidence(), |about| about.is_kept(kind))
    }

    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.kind() == ClipKind::Recovered || self.about().is_some_and(|about| about.state == SidecarState::Recovered)
    }

    /// How long it lasts, where that is known.
    #[must_use]
    pub fn secs(&self) -> Option<f64> {
        self.about().map(Sidecar::secs).filter(|secs| *secs > 0.0)
    }

    /// Whether a program holds it. Asks the disk.
    #[must_use]
    pub fn is_being_recorded(&self) -> bool {
        self.state == ClipState::Unfinished && open_regular(&self.path).is_ok_and(|file| file.try_lock().is_err())
    }
}

/// What there is in a folder of clips.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipListing {
    /// The one that began first, first.
    pub clips: Vec<Clip>,
    /// Sidecars whose clip is gone.
    pub without_clip: Vec<PathBuf>,
    /// What else is where clips are. Nobody touches it.
    pub others: Vec<PathBuf>,
    /// Folders and files that could not be read, with the reason.
    pub unread: Vec<(PathBuf, String)>,
    /// There is more.
    pub is_cut: bool,
}

/// Lists a folder, whether or not it has a marker: a stick that somebody was sent has none.
///
/// # Errors
/// The folder itself cannot be read.
pub fn list(root: &Path) -> io::Result<ClipListing> {
    let mut listing = ClipListing::default();
    let mut n_left = MAX_FILES;
    for camera in entries(root)? {
        let Some(name) = plain_name(&camera) else { continue };
        if !camera.file_type().is_ok_and(|kind| kind.is_dir()) || !is_camera_folder(&name) {
            continue;
        }
        for day in listing.read(&camera.path()) {
            let is_day = plain_name(&day).is_some_and(|name| name.parse::<Date>().is_ok() && name.len() == 10);
            if is_day && day.file_type().is_ok_and(|kind| kind.is_dir()) {
                listing.read_day(root, &name, &day, &mut n_left);
            } else {
                listing.add_other(&day.path());
            }
        }
    }
    listing.clips.sort_by(|a, b| (a.name.started.at(), &a.path).cmp(&(b.name.started.at(), &b.path)));
    Ok(listing)
}

impl ClipListing {
    fn read_day(&mut self, root: &Path, camera_folder: &str, day: &DirEntry, n_left: &mut usize) {
        let mut files = self.read(&day.path());
        if files.len() > *n_left {
            self.is_cut = true;
            files.truncate(*n_left);
        }
        *n_left -= files.len();
        let mut sidecars = Vec::new();
        let mut pictures = HashMap::new();
        let first_clip = self.clips.len();
        for file in files {
            let parsed = plain_name(&file).and_then(|name| ClipFileName::parse(&name));
            let in_place = parsed.filter(|parsed| day.file_name() == OsString::from(parsed.name.day()));
            let Some(ClipFileName { name, role }) = in_place.filter(|_| is_file(file.file_type())) else {
                self.add_other(&file.path());
                continue;
            };
            if role == FileRole::Sidecar {
                sidecars.push(name);
                continue;
            }
            let bytes = match file.metadata() {
                Ok(about) => about.len(),
                // It was closed or deleted since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.unread.push((file.path(), error.to_string()));
                    continue;
                }
            };
            if role == FileRole::Picture {
                pictures.insert(name, (file.path(), bytes));
                continue;
            }
            let state = if role == FileRole::Closed { ClipState::Closed } else { ClipState::Unfinished };
            let sidecar_path = ClipPaths::new(root, camera_folder, &name).sidecar;
            let sidecar = match Sidecar::read(&sidecar_path) {
                Ok(sidecar) => SidecarRead::Read(Box::new(sidecar)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => SidecarRead::Missing,
                Err(error) => SidecarRead::Damaged(Foreign::from(error.to_string()).into()),
            };
            let camera_folder = camera_folder.to_owned();
            self.clips.push(Clip {
                name,
                camera_folder,
                path: file.path(),
                sidecar_path,
                picture: None,
                state,
                bytes,
                picture_bytes: 0,
                sidecar,
            });
        }
        for clip in self.clips.get_mut(first_clip..).unwrap_or_default() {
            if let Some((path, bytes)) = pictures.remove(&clip.name) {
                (clip.picture, clip.picture_bytes) = (Some(path), bytes);
            }
        }
        for (path, _) in pictures.values() {
            self.add_other(path);
        }
        let clips: HashSet<_> =
            self.clips.get(first_clip..).unwrap_or_default().iter().map(|clip| &clip.name).collect();
        let alone = sidecars.iter().filter(|name| !clips.contains(name));
        self.without_clip.extend(alone.map(|name| ClipPaths::new(root, camera_folder, name).sidecar));
    }

    fn read(&mut self, folder: &Path) -> Vec<DirEntry> {
        entries(folder).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                self.unread.push((folder.to_owned(), error.to_string()));
            }
            Vec::new()
        })
    }

    fn add_other(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(TEMPORARY) {
            return;
        }
        if self.others.len() < MAX_OTHERS {
            self.others.push(path.to_owned());
        } else {
            self.is_cut = true;
        }
    }
}

fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    // One more than is looked at, so that the cut is told.
    let mut entries = fs::read_dir(folder)?.take(MAX_FILES + 1).collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn plain_name(entry: &DirEntry) -> Option<String> {
    entry.file_name().into_string().ok()
}

fn is_file(kind: io::Result<FileType>) -> bool {
    kind.is_ok_and(|kind| kind.is_file())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clips::sample::{add_clip, add_picture};

    #[test]
    fn clips_are_listed_and_the_rest_is_told() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let first = add_clip(root, "Yard", "2026-11-20T10:00:00Z", ClipKind::Continuous, 10);
        let second = add_clip(root, "C920", "2026-11-20T11:00:00Z", ClipKind::Fault, 20);
        let third = add_clip(root, "C920", "2026-11-21T11:00:00Z", ClipKind::TimeLapse, 30);
        let unfinished = add_clip(root, "Yard", "2026-11-22T11:00:00Z", ClipKind::Manual, 40);
        fs::rename(&unfinished.closed, &unfinished.unfinished).unwrap();
        let bare = add_clip(root, "Yard", "2026-11-23T11:00:00Z", ClipKind::Fault, 50);
        fs::write(&bare.sidecar, "{").unwrap();
        let none = add_clip(root, "Yard", "2026-11-24T11:00:00Z", ClipKind::Fault, 60);
        fs::remove_file(&none.sidecar).unwrap();
        let gone = add_clip(root, "Yard", "2026-11-25T11:00:00Z", ClipKind::Fault, 60);
        fs::remove_file(&gone.closed).unwrap();
        // Whose name belongs to another day; what others put there; what lies elsewhere.
        let misplaced = first.closed.with_file_name(second.closed.file_name().unwrap()).with_extension("mp4");
        fs::write(&misplaced, "copy").unwrap();
        let misplaced_day = third.closed.with_file_name("2026-11-20_12-00-00.000+0000_fault.mp4");
        fs::write(&misplaced_day, "x").unwrap();
        let foreign = first.closed.with_file_name("holiday.mp4");
        fs::write(&foreign, "mine").unwrap();
        fs::write(first.closed.with_file_name(".camclinic-aB3xY9"), "being written").unwrap();
        add_picture(&second, b"a picture");
        fs::write(&gone.picture, "of no clip").unwrap();
        fs::write(root.join("notes.txt"), "mine").unwrap();
        fs::create_dir_all(root.join("holidays/2026-11-20")).unwrap();
        fs::copy(&first.closed, root.join("holidays/2026-11-20").join(first.closed.file_name().unwrap())).unwrap();
        let listing = list(root).unwrap();
        let listed: Vec<_> = listing.clips.iter().map(|clip| clip.path.clone()).collect();
        let copy = misplaced.clone();
        assert_eq!(
            listed,
            [
                first.closed.clone(),
                second.closed.clone(),
                copy,
                third.closed,
                unfinished.unfinished,
                bare.closed,
                none.closed
            ]
        );
        assert_eq!(listing.without_clip, [gone.sidecar]);
        let mut others = listing.others.clone();
        others.sort();
        let mut expected = vec![misplaced_day, foreign, gone.picture];
        expected.sort();
        assert_eq!(others, expected);
        let clip = |n: usize| &listing.clips[n];
        assert!(clip(1).is_protected() && !clip(0).is_protected() && clip(4).is_protected());
        assert_eq!(clip(0).secs(), Some(300.0));
        assert_eq!((clip(1).picture.as_ref(), clip(1).all_bytes()), (Some(&second.picture), 29));
        assert_eq!(clip(0).picture, None);
        assert_eq!(clip(2).sidecar, SidecarRead::Missing);
        assert!(matches!(clip(5).sidecar, SidecarRead::Damaged(_)));
        assert_eq!((clip(5).camera(), clip(5).bytes), ("Yard".into(), 50));
        assert_eq!(clip(4).state, ClipState::Unfinished);
        assert!(!clip(4).is_being_recorded());
        let held = fs::File::open(&clip(4).path).unwrap();
        held.lock().unwrap();
        assert!(clip(4).is_being_recorded());
        assert!(list(&root.join("none")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let paths = add_clip(elsewhere.path(), "Yard", "2026-11-20T10:00:00Z", ClipKind::Continuous, 10);
        let camera = paths.closed.ancestors().nth(2).unwrap();
        let link = |to: &Path, name: &Path| std::os::unix::fs::symlink(to, place.path().join(name)).unwrap();
        link(camera, Path::new(camera.file_name().unwrap()));
        let other = Path::new("C920-1a2b3c4d");
        fs::create_dir(place.path().join(other)).unwrap();
        link(&camera.join("2026-11-20"), &other.join("2026-11-20"));
        fs::create_dir(place.path().join(other).join("2026-11-21")).unwrap();
        link(&paths.closed, &other.join("2026-11-21/2026-11-21_10-00-00.000+0000_continuous.mp4"));
        let listing = list(place.path()).unwrap();
        assert_eq!((listing.clips.len(), listing.others.len()), (0, 2));
    }

    #[test]
    fn a_thousand_clips_are_listed_at_once() {
        let place = tempfile::tempdir().unwrap();
        for n in 0..1_000_usize {
            let started = format!("2026-11-{:02}T{:02}:{:02}:{:02}Z", 1 + n % 10, n / 60, n % 60, n % 7);
            let paths = add_clip(place.path(), ["Yard", "C920"][n % 2], &started, ClipKind::Fault, 10);
            let mut sidecar = Sidecar::read(&paths.sidecar).unwrap();
            for k in 0..20 {
                let message = format!("No picture for 7.3 s: the camera was unplugged, number {k}").into();
                let event = crate::clips::ClipEvent {
                    at: sidecar.started.at(),
                    level: crate::event::Level::Warning,
                    name: "stall".into(),
                    message,
                };
                sidecar.add_event(event);
            }
            sidecar.write(&paths.sidecar).unwrap();
        }
        let began = Instant::now();
        let listing = list(place.path()).unwrap();
        let took = began.elapsed();
        assert_eq!(listing.clips.len(), 1_000);
        println!("1 000 clips: {took:?}");
    }
}
