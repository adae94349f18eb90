//! Recording a camera from the window: the button, the folder, and how it stands.

use std::fmt;
use std::path::PathBuf;

use super::background::{Task, WindowHandle};
use super::pane::Pane;
use super::shell::Shell;
use super::text::file_size;
use crate::logging::EventLog;
use crate::recorder::{RecorderNews, default_folder, open_folder};
use crate::settings::CameraId;
use crate::status::State;

/// Of one pane.
#[derive(Default)]
pub struct RecordingState {
    /// Somebody wants it.
    pub is_wanted: bool,
    /// As the recorder told it last.
    pub news: Option<RecorderNews>,
}

impl Pane {
    /// Begins to record the camera, or ends it.
    pub fn toggle_recording(&mut self, shell: &mut Shell) {
        self.recording.is_wanted = !self.recording.is_wanted;
        if !self.recording.is_wanted || shell.clip_folder.is_some() {
            return;
        }
        if let Some(path) = default_folder() {
            return shell.run(OpenClipFolder { pane: self.id(), path, log: shell.events.clone() });
        }
        self.recording.is_wanted = false;
        shell.fail("recording", "There is no folder for videos: set HOME, and start Camclinic again.".to_owned());
    }

    /// For the status line; `None` while nobody wants to record.
    #[must_use]
    pub fn recording_words(&self) -> Option<String> {
        if !self.recording.is_wanted {
            return None;
        }
        let Some(news) = &self.recording.news else { return Some("recording begins".to_owned()) };
        let recording = &news.recording;
        if recording.trouble.is_some() {
            return Some("NOT recording".to_owned());
        }
        let is_live = self.status.as_ref().is_some_and(|status| status.state == State::Streaming);
        if !recording.is_writing || !is_live {
            return Some("recording waits for pictures".to_owned());
        }
        let lost = if recording.lost > 0 { format!(", {} lost", recording.lost) } else { String::new() };
        let size = file_size(usize::try_from(recording.bytes).unwrap_or(usize::MAX));
        Some(format!("recording, {size}{lost}"))
    }
}

/// Looks at the folder for clips, which may be on a disk that takes its time.
struct OpenClipFolder {
    pane: CameraId,
    path: PathBuf,
    log: EventLog,
}

impl fmt::Debug for OpenClipFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenClipFolder").field("pane", &self.pane).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Task for OpenClipFolder {
    fn thread_name(&self) -> &'static str {
        "open-clips"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        match open_folder(&self.path, None, &self.log) {
            Ok(folder) => window.deliver(move |window| window.shell.clip_folder = Some(folder)),
            Err(why) => window.deliver_to_pane(self.pane, move |pane, shell| {
                pane.recording.is_wanted = false;
                shell.fail("recording", why);
            }),
        }
    }
}
