//! What is done to clips and their folder, each on a thread of its own: they wait for the disk, and copies take long.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::never;
use egui::{ColorImage, TextureOptions};

use super::{ClipWork, MAX_THUMBNAILS, THUMBNAIL_PIXELS, Thumbnail};
use crate::clips::{
    Clip, ClipChoice, ClipsCopied, Defect, Film, Sidecar, archive, audit, delete_by_hand, export, list, set_protected,
};
use crate::event::{self, Level};
use crate::source::Demand;
use crate::ui::background::{Task, WindowHandle, WindowUpdate};
use crate::ui::player::{ClipPlayer, ClipTimeline};
use crate::ui::report::with_ending;
use crate::ui::shell::{Sheet, Shell};
use crate::ui::text::file_size;
use crate::ui::viewer::color_image_from_bgr;

impl Shell {
    /// Opens the sheet with what there is.
    pub fn open_clips(&mut self) {
        self.sheet = Some(Sheet::Clips);
        self.list_clips();
    }

    /// Has the folder read, or once more when it has been.
    pub fn list_clips(&mut self) {
        self.clips.is_stale = self.clips.is_asked;
        let Some(folder) = self.settings.clip_folder().filter(|_| !self.clips.is_asked) else { return };
        self.clips.is_asked = true;
        self.run(ListClips { folder });
    }

    /// The clips of a folder, or why they cannot be listed.
    pub fn hear_clips(&mut self, folder: PathBuf, listed: Result<Vec<Clip>, String>) {
        self.clips.is_asked = false;
        (self.clips.clips, self.clips.trouble) = match listed {
            Ok(clips) => (clips, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        self.clips.folder = folder;
    }

    /// Copies or looks through clips: the one that is selected, else all that are listed.
    pub fn begin_clip_job(&mut self, job: ClipJob) {
        let choice = ClipChoice { these: Some(self.clips.chosen()), span: None };
        self.run_clip_job(job, choice);
    }

    /// Exports what the player has of its clip.
    pub fn export_part(&mut self, to: PathBuf) {
        if let Some(choice) = self.player.as_ref().map(ClipPlayer::chosen) {
            self.run_clip_job(ClipJob::Export(to), choice);
        }
    }

    fn run_clip_job(&mut self, job: ClipJob, choice: ClipChoice) {
        if let Some(work) = &self.clips.work {
            self.toasts
                .info(format!("{} still goes on: wait for its end, or stop it under Clips.", work.what), self.now);
            return;
        }
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        self.clips.work = Some(ClipWork { what: job.words(), done_bytes: 0, all_bytes: 0, is_stopped });
        self.run(RunClipJob { folder: self.clips.folder.clone(), choice, job, stop });
    }

    fn hear_clip_job(&mut self, result: Result<ClipJobDone, String>) {
        self.clips.work = None;
        match result {
            Ok(ClipJobDone { words, folder, remarks }) => {
                for remark in remarks {
                    self.events.add("", Level::Warning, "clips", remark);
                }
                match folder {
                    Some(folder) => self.toasts.saved(words, folder, self.now),
                    None => self.toasts.info(words, self.now),
                }
            }
            Err(why) => self.fail("clips", why),
        }
        // Copies are protected from then on.
        self.list_clips();
    }
}

#[derive(Debug)]
struct ListClips {
    folder: PathBuf,
}

impl Task for ListClips {
    fn thread_name(&self) -> &'static str {
        "list-clips"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let folder = self.folder;
        let listed = match list(&folder) {
            Ok(listing) => Ok(listing.clips.into_iter().rev().collect()),
            // It is made with the first clip.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(format!("The clips cannot be listed: {error}. {}", folder.display())),
        };
        window.deliver(move |window| window.shell.hear_clips(folder, listed));
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        Some(Box::new(|window| window.shell.clips.is_asked = false))
    }
}

/// Something that is done to one clip, after which the folder is read again.
pub struct ChangeClip {
    pub folder: PathBuf,
    pub clip: Clip,
    pub change: ClipChange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipChange {
    Delete,
    Protect(bool),
}

impl fmt::Debug for ChangeClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeClip")
            .field("change", &self.change)
            .field("clip", &self.clip.path)
            .finish_non_exhaustive()
    }
}

impl Task for ChangeClip {
    fn thread_name(&self) -> &'static str {
        "change-clip"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { folder, clip, change } = *self;
        let result = match change {
            ClipChange::Delete => delete_by_hand(&folder, &clip),
            ClipChange::Protect(is_protected) => set_protected(&clip.sidecar_path, is_protected),
        };
        let what = match change {
            ClipChange::Delete => "was not deleted",
            ClipChange::Protect(_) => "was not changed",
        };
        window.deliver(move |window| {
            if let Err(error) = result {
                window.shell.fail("clips", format!("The clip {what}: {error}. {}", clip.path.display()));
            }
            window.shell.list_clips();
        });
    }
}

/// What takes long with many clips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipJob {
    /// Into this zip.
    Export(PathBuf),
    /// Into this new folder.
    Archive(PathBuf),
    /// Whether each of the folder is as it was written.
    Check,
}

impl ClipJob {
    fn words(&self) -> &'static str {
        match self {
            Self::Export(_) => "Exporting",
            Self::Archive(_) => "Archiving",
            Self::Check => "Checking",
        }
    }
}

struct ClipJobDone {
    words: String,
    /// What can be opened from there.
    folder: Option<PathBuf>,
    remarks: Vec<String>,
}

struct RunClipJob {
    folder: PathBuf,
    choice: ClipChoice,
    job: ClipJob,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for RunClipJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunClipJob").field("job", &self.job).field("choice", &self.choice).finish_non_exhaustive()
    }
}

/// How often it is told how far it has got.
const PROGRESS_PERIOD: Duration = Duration::from_millis(200);

impl Task for RunClipJob {
    fn thread_name(&self) -> &'static str {
        "copy-clips"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { folder, choice, job, stop } = *self;
        let mut told_at: Option<Instant> = None;
        let mut progress = |done_bytes: u64, all_bytes: u64| {
            if told_at.is_none_or(|at| at.elapsed() >= PROGRESS_PERIOD) {
                told_at = Some(Instant::now());
                window.update(move |window| {
                    if let Some(work) = &mut window.shell.clips.work {
                        (work.done_bytes, work.all_bytes) = (done_bytes, all_bytes);
                    }
                });
            }
            !stop.load(Ordering::Relaxed)
        };
        let done = match &job {
            ClipJob::Export(to) => export(&folder, &choice, &with_ending(to), event::now(), &mut progress).map(copied),
            ClipJob::Archive(to) => {
                let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                archive(&folder, &choice, &name, parent, event::now(), &mut progress).map(copied)
            }
            ClipJob::Check => audit(&folder, &mut progress)
                .map_err(|error| format!("The clips could not be checked: {error}. {}", folder.display()))
                .and_then(|defects| {
                    if stop.load(Ordering::Relaxed) {
                        return Err("The check was stopped: not all clips were looked at.".to_owned());
                    }
                    Ok(checked(&defects))
                }),
        };
        window.deliver(move |window| window.shell.hear_clip_job(done));
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        Some(Box::new(|window| window.shell.clips.work = None))
    }
}

/// More are in the log of nobody.
const MAX_REMARKS: usize = 20;

fn checked(defects: &[Defect]) -> ClipJobDone {
    let words = match defects.len() {
        0 => "All clips are as they were written.".to_owned(),
        1 => "One file is not as it should be: the log says which.".to_owned(),
        n => format!("{n} files are not as they should be: the log says which."),
    };
    let remarks = defects.iter().take(MAX_REMARKS).map(ToString::to_string).collect();
    ClipJobDone { words, folder: None, remarks }
}

fn copied(copied: ClipsCopied) -> ClipJobDone {
    let ClipsCopied { path, n_clips, bytes, remarks } = copied;
    let clips = if n_clips == 1 { "One clip was".to_owned() } else { format!("{n_clips} clips were") };
    let size = file_size(usize::try_from(bytes).unwrap_or(usize::MAX));
    let words = format!("{clips} copied and compared, {size}: {}", path.display());
    ClipJobDone { words, folder: path.parent().map(Path::to_owned), remarks }
}

/// Makes the small picture of a clip: the key picture before the trouble.
struct MakeThumbnail {
    clip: Clip,
}

impl fmt::Debug for MakeThumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MakeThumbnail").field(&self.clip.path).finish()
    }
}

impl MakeThumbnail {
    fn make(&self) -> Option<ColorImage> {
        let about = self.clip.about();
        let timeline = ClipTimeline::read(&self.clip.path, about).ok()?;
        let at = timeline.key_before(about.map(Sidecar::trouble_at).unwrap_or_default())?;
        let demand = Demand::Tile(THUMBNAIL_PIXELS);
        let picture = Film::open(&self.clip.path, demand, never()).and_then(|mut film| film.picture_at(at)).ok()?;
        Some(color_image_from_bgr(&picture.for_tile(THUMBNAIL_PIXELS)))
    }
}

impl Task for MakeThumbnail {
    fn thread_name(&self) -> &'static str {
        "clip-thumbnail"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let image = self.make();
        let path = self.clip.path;
        window.deliver(move |window| window.shell.hear_thumbnail(path, image));
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        let path = self.clip.path.clone();
        Some(Box::new(move |window| window.shell.hear_thumbnail(path, None)))
    }
}

impl Shell {
    fn hear_thumbnail(&mut self, path: PathBuf, image: Option<ColorImage>) {
        let thumbnail = match (image, &self.context) {
            (Some(image), Some(context)) => {
                Thumbnail::Made(context.load_texture("thumbnail", image, TextureOptions::LINEAR))
            }
            _ => Thumbnail::Missing,
        };
        self.clips.thumbnails.insert(path, thumbnail);
    }

    /// Has the pictures of these clips made, one after the other.
    pub fn ask_for_thumbnail(&mut self, seen: &[Clip]) {
        let thumbnails = &mut self.clips.thumbnails;
        if thumbnails.values().any(|thumbnail| matches!(thumbnail, Thumbnail::Asked)) {
            return;
        }
        let Some(clip) = seen.iter().find(|clip| !thumbnails.contains_key(&clip.path)) else { return };
        if thumbnails.len() >= MAX_THUMBNAILS {
            thumbnails.retain(|path, _| seen.iter().any(|clip| clip.path == *path));
        }
        thumbnails.insert(clip.path.clone(), Thumbnail::Asked);
        self.run(MakeThumbnail { clip: clip.clone() });
    }
}
