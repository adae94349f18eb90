//! Recording a camera from the window: what is kept of it, where, what that costs, and how it stands.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Label, RichText, Ui, vec2};

use super::background::{Task, WindowHandle};
use super::inspector::{note, remark};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Sheet, Shell};
use super::text::{self, file_size};
use super::theme::{CONTROL_HEIGHT, Palette};
use super::widgets;
use super::window::Window;
use crate::clips::ClipFolder;
use crate::logging::EventLog;
use crate::packet::ring::KeptPackets;
use crate::recorder::triggers::TriggerSettings;
use crate::recorder::{RecorderNews, RecordingMode, open_folder};
use crate::settings::{self, RecordingMethod, RecordingSettings, Settings, secs};
use crate::status::State;

pub const TITLE: &str = "Recording";

/// A folder that could not be used may be there again: its disk was connected.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);
const SECS_OF_A_DAY: f64 = 86_400.0;

/// Of one pane.
#[derive(Default)]
pub struct RecordingState {
    /// Somebody has pressed *Record*.
    pub is_wanted: bool,
    /// A clip is to be written of what is kept.
    pub saves_kept: bool,
    /// As the recorder told it last.
    pub news: Option<RecorderNews>,
}

/// Where clips go, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClipFolderState {
    #[default]
    Unknown,
    Asked,
    Open(ClipFolder),
    Failed {
        why: String,
        at: Instant,
    },
}

impl ClipFolderState {
    fn is_to_be_opened(&self, now: Instant) -> bool {
        match self {
            Self::Unknown => true,
            Self::Asked | Self::Open(_) => false,
            Self::Failed { at, .. } => now.saturating_duration_since(*at) >= TRY_AGAIN_AFTER,
        }
    }
}

impl Pane {
    /// Begins to record the camera, or ends it.
    pub fn toggle_recording(&mut self, shell: &mut Shell) {
        self.recording.is_wanted = !self.recording.is_wanted;
        // Whoever asks wants an answer now.
        if self.recording.is_wanted && matches!(shell.clip_folder, ClipFolderState::Failed { .. }) {
            shell.clip_folder = ClipFolderState::Unknown;
        }
    }

    /// What is to be recorded of it. What somebody asked for comes before what is done by itself.
    #[must_use]
    pub fn recording_mode(&self) -> Option<RecordingMode> {
        let RecordingSettings { watches_for_faults, method, time_lapse_secs, .. } = self.settings.recording;
        match method {
            _ if !self.recording.is_wanted => watches_for_faults.then_some(RecordingMode::Faults),
            RecordingMethod::Continuous => Some(RecordingMode::Continuous),
            RecordingMethod::TimeLapse => Some(RecordingMode::TimeLapse(secs(time_lapse_secs))),
        }
    }

    /// Whether a clip can be written of what is kept: pictures are, and they are in no other clip.
    #[must_use]
    fn can_save_kept(&self) -> bool {
        let has_some = self.recording.news.as_ref().is_some_and(|news| news.kept.n_packets > 0);
        has_some && self.recording_mode() == Some(RecordingMode::Faults)
    }

    /// For the status line; `None` while nothing is to be recorded.
    #[must_use]
    pub fn recording_words(&self, shell: &Shell) -> Option<String> {
        let watches = self.recording_mode()? == RecordingMode::Faults;
        if matches!(shell.clip_folder, ClipFolderState::Failed { .. }) {
            return Some("NOT recording".to_owned());
        }
        let Some(news) = &self.recording.news else { return Some("recording begins".to_owned()) };
        let recording = &news.recording;
        if recording.trouble.is_some() {
            return Some("NOT recording".to_owned());
        }
        if watches && !recording.is_writing {
            return Some(format!("watching for faults, {}", last_seconds(&news.kept)));
        }
        let is_live = self.status.as_ref().is_some_and(|status| status.state == State::Streaming);
        if !watches && (!recording.is_writing || !is_live) {
            return Some("recording waits for pictures".to_owned());
        }
        let lost = if recording.lost > 0 { format!(", {} lost", recording.lost) } else { String::new() };
        let size = file_size(usize::try_from(recording.bytes).unwrap_or(usize::MAX));
        let what = recording.reason.as_deref().filter(|_| watches).map_or_else(String::new, |why| format!(" {why}"));
        Some(format!("recording{what}, {size}{lost}"))
    }

    /// What a tile says of it.
    #[must_use]
    pub fn recording_mark(&self) -> &'static str {
        let is_writing = self.recording.news.as_ref().is_some_and(|news| news.recording.is_writing);
        if self.recording.is_wanted || is_writing { "REC · " } else { "" }
    }
}

fn last_seconds(kept: &KeptPackets) -> String {
    format!("the last {:.1} s are kept", kept.span.as_secs_f64())
}

/// What stands beside the title.
#[must_use]
pub fn aside(pane: &Pane, shell: &Shell) -> String {
    match pane.recording_mode() {
        None => String::new(),
        Some(_) if matches!(shell.clip_folder, ClipFolderState::Failed { .. }) => "⚠ not recording".to_owned(),
        Some(RecordingMode::Faults) => "watching for faults".to_owned(),
        Some(RecordingMode::Continuous | RecordingMode::TimeLapse(_)) => "recording".to_owned(),
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    const WATCH: &str = "Keeps the last seconds in memory, and writes a clip of each fault: what was before it, the fault, and 5 s of good pictures. It begins with Camclinic from then on";
    let recording = &mut pane.settings.recording;
    widgets::row(ui, "By itself", WATCH, |ui, _| {
        if widgets::chip(ui, "Watch for faults", recording.watches_for_faults, WATCH).clicked() {
            recording.watches_for_faults = !recording.watches_for_faults;
        }
    });
    widgets::number_row(ui, &settings::BEFORE_FAULT, &mut pane.settings);
    widgets::row(ui, "In memory", "What a clip would have from before this moment", |ui, _| {
        let label = format!("Save the last {:.0} s", pane.settings.recording.before_secs);
        ui.add_enabled_ui(pane.can_save_kept(), |ui| {
            let help =
                "Writes a clip of what is kept, and of the next seconds. While all is recorded it is there anyway";
            if widgets::button(ui, &label, false, help).clicked() {
                pane.recording.saves_kept = true;
            }
        });
    });
    let news = pane.recording.news.as_ref();
    let kept = news.map(|news| news.kept).unwrap_or_default();
    note(
        ui,
        &match news {
            Some(_) => format!("{} ({}).", text::capitalised(&last_seconds(&kept)), file_size(kept.n_bytes)),
            None => "Nothing is kept: neither is it watched for faults nor recorded.".to_owned(),
        },
    );
    let recording = &mut pane.settings.recording;
    widgets::row(ui, "Record", "What the button Record does", |ui, _| {
        for (method, label, help) in [
            (RecordingMethod::Continuous, "All the time", "Each picture, in clips of five minutes"),
            (RecordingMethod::TimeLapse, "Time lapse", "A picture now and then: for what changes slowly"),
        ] {
            if widgets::chip(ui, label, recording.method == method, help).clicked() {
                recording.method = method;
            }
        }
    });
    if recording.method == RecordingMethod::TimeLapse {
        widgets::number_row(ui, &settings::TIME_LAPSE, &mut pane.settings);
    }
    note(ui, &cost(&kept, &pane.settings.recording));
    let failed = match &shell.clip_folder {
        ClipFolderState::Failed { why, .. } => Some(why.clone()),
        ClipFolderState::Unknown | ClipFolderState::Asked | ClipFolderState::Open(_) => None,
    };
    let trouble = failed.or_else(|| pane.recording.news.as_ref().and_then(|news| news.recording.trouble.clone()));
    if let Some(trouble) = trouble.filter(|_| pane.recording_mode().is_some()) {
        remark(ui, &format!("⚠ {trouble}"), Palette::of(ui).warning);
    }
    if let Some(news) = pane.recording.news.as_ref().filter(|news| news.recording.is_writing) {
        note(ui, &news.storage.to_string());
    }
    widgets::row(ui, "Clips", "What was recorded, and how long it is kept", |ui, _| {
        if widgets::button(ui, "Folder and limits…", false, "Where clips go, and when they are deleted").clicked() {
            shell.sheet = Some(Sheet::ClipLimits);
        }
    });
}

/// What each way to record takes of the disk, at the rate of this camera.
fn cost(kept: &KeptPackets, recording: &RecordingSettings) -> String {
    let (Some(rate), Some(key)) = (kept.bytes_per_sec(), kept.bytes_per_key()) else {
        return "What it costs is told here once the camera is watched or recorded.".to_owned();
    };
    let a_day = |bytes_per_sec: f64| {
        let gb = bytes_per_sec * SECS_OF_A_DAY / 1e9;
        if gb >= 10.0 { format!("{gb:.0} GB a day") } else { format!("{gb:.1} GB a day") }
    };
    let behind = TriggerSettings::default().after.as_secs_f64();
    let clip = rate * (recording.before_secs + behind) / 1e6;
    format!(
        "This camera sends {:.2} MB/s: {} all the time, {} as a time lapse; a clip of a fault has {clip:.1} MB or more.",
        rate / 1e6,
        a_day(rate),
        a_day(key / recording.time_lapse_secs.max(1.0)),
    )
}

// ---- the folder

/// Has the folder looked at once something is to be recorded.
pub(super) fn open_wanted_folder(window: &mut Window) {
    let is_wanted = window.panes.iter().any(|pane| pane.recording_mode().is_some());
    let shell = &mut window.shell;
    if !is_wanted || !shell.clip_folder.is_to_be_opened(shell.now) {
        return;
    }
    let Some(path) = shell.settings.clip_folder() else {
        let why = "There is no folder for videos: choose a folder for clips in the settings.".to_owned();
        return hear_folder(window, Err(why), None);
    };
    shell.clip_folder = ClipFolderState::Asked;
    let id = shell.settings.clips.folder_id.clone();
    let asked_for = shell.settings.clips.folder.clone();
    shell.run(OpenClipFolder { path, id, asked_for, log: shell.events.clone() });
}

/// What came of it. `asked_for` is the folder that was chosen then.
fn hear_folder(window: &mut Window, result: Result<ClipFolder, String>, asked_for: Option<PathBuf>) {
    let shell = &mut window.shell;
    if shell.settings.clips.folder != asked_for {
        // Somebody has chosen another one meanwhile.
        return;
    }
    match result {
        Ok(folder) => {
            // A chosen one is expected to be the same the next time; the system's own is made anew where it is gone.
            shell.settings.clips.folder_id = asked_for.map(|_| folder.id().to_owned());
            shell.clip_folder = ClipFolderState::Open(folder);
            shell.last_folder_trouble = None;
        }
        Err(why) => {
            // Whoever pressed Record is told, and may press it again.
            let was_asked = window.panes.iter().any(|pane| pane.recording.is_wanted);
            window.panes.iter_mut().for_each(|pane| pane.recording.is_wanted = false);
            if was_asked || shell.last_folder_trouble.as_ref() != Some(&why) {
                shell.fail("recording", why.clone());
            }
            shell.last_folder_trouble = Some(why.clone());
            shell.clip_folder = ClipFolderState::Failed { why, at: shell.now };
        }
    }
}

/// Looks at the folder for clips, which may be on a disk that takes its time.
struct OpenClipFolder {
    path: PathBuf,
    /// The mark that is expected in it.
    id: Option<String>,
    asked_for: Option<PathBuf>,
    log: EventLog,
}

impl fmt::Debug for OpenClipFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenClipFolder").field("path", &self.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Task for OpenClipFolder {
    fn thread_name(&self) -> &'static str {
        "open-clips"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { path, id, asked_for, log } = *self;
        let result = open_folder(&path, id.as_deref(), &log);
        window.deliver(move |window| hear_folder(window, result, asked_for));
    }
}

impl Shell {
    /// From now on clips go there; `None` is the system's folder for videos.
    pub fn choose_clip_folder(&mut self, folder: Option<PathBuf>) {
        if self.settings.clips.folder != folder {
            self.settings.choose_clip_folder(folder);
            self.clip_folder = ClipFolderState::Unknown;
        }
    }
}

/// The sheet with the folder and the limits.
pub fn draw_limits(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    const HELP: &str =
        "The folder that clips are kept in, in one folder for each camera and day. Nothing else in it is touched";
    let was_open = shell.sheet == Some(Sheet::ClipLimits);
    let mut open = was_open;
    widgets::sheet(ctx, "Folder and limits of clips", 520.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        let chosen = shell.settings.clips.folder.clone();
        let default = Settings::default().clip_folder().unwrap_or_default().display().to_string();
        widgets::row(ui, "Clip folder", HELP, |ui, width| {
            let shown = chosen.as_ref().map_or_else(|| default.clone(), |folder| folder.display().to_string());
            ui.allocate_ui(vec2((width - 98.0).max(60.0), CONTROL_HEIGHT), |ui| {
                ui.add(Label::new(RichText::new(&shown).color(Palette::of(ui).text)).truncate()).on_hover_text(&shown);
            });
            if widgets::button(ui, "Browse…", false, "Choose the folder").clicked() {
                pane.browse(shell, Purpose::ClipFolder);
            }
            if widgets::reset(ui, "Clip folder", &default, chosen.is_some()) {
                shell.choose_clip_folder(None);
            }
        });
        for tunable in [&settings::CLIP_AGE, &settings::CLIP_SIZE, &settings::CLIP_ROOM] {
            widgets::number_row(ui, tunable, &mut shell.settings);
        }
        let words = "Clips of faults, and those that you protect, go by the size alone, and last. On a full disk recording stops, and goes on by itself when there is room.";
        ui.add(Label::new(RichText::new(words).color(Palette::of(ui).text_weak)).wrap());
        let words = "People who are in the picture have to know that they are recorded. No sound is recorded.";
        ui.add(Label::new(RichText::new(words).color(Palette::of(ui).text_weak)).wrap());
    });
    if was_open && !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::ClipLimits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_told_at_the_rate_of_the_camera() {
        #[track_caller]
        fn check(kept: KeptPackets, says: &[&str]) {
            let told = cost(&kept, &RecordingSettings::default());
            for words in says {
                assert!(told.contains(words), "{words}: {told}");
            }
        }
        // Pictures of 100 kB, 30 a second, for 10 s; each is a key picture, or each thirtieth is, of 200 kB.
        let jpeg = KeptPackets {
            span: Duration::from_secs(10),
            n_bytes: 30_000_000,
            n_packets: 300,
            n_keys: 300,
            n_key_bytes: 30_000_000,
        };
        check(jpeg, &["3.00 MB/s", "259 GB a day all the time", "0.9 GB a day as a time lapse", "45.0 MB or more"]);
        let h264 = KeptPackets { n_bytes: 5_000_000, n_keys: 10, n_key_bytes: 2_000_000, ..jpeg };
        check(h264, &["0.50 MB/s", "43 GB a day all the time", "1.7 GB a day as a time lapse", "7.5 MB or more"]);
        check(KeptPackets { span: Duration::from_millis(500), ..jpeg }, &["once the camera is watched"]);
        check(KeptPackets::default(), &["once the camera is watched"]);
    }

    #[test]
    fn a_folder_that_failed_is_tried_again_later() {
        let now = Instant::now();
        let failed = ClipFolderState::Failed { why: String::new(), at: now };
        assert!(ClipFolderState::Unknown.is_to_be_opened(now));
        assert!(!ClipFolderState::Asked.is_to_be_opened(now));
        assert!(!failed.is_to_be_opened(now + Duration::from_secs(59)));
        assert!(failed.is_to_be_opened(now + TRY_AGAIN_AFTER));
    }
}
