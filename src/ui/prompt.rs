//! The choice of a file or a folder: in the system's own dialogue, or typed by hand where there is none.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Label, RichText};

use super::background::{Task, WindowHandle};
use super::pane::Pane;
use super::shell::Shell;
use super::theme::Palette;
use super::{clips, report, widgets};
use crate::settings::CameraId;

/// What a path is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    VideoFile,
    /// To be shown beside the others.
    AnotherVideoFile,
    Snapshot,
    /// To be compared with what the camera shows.
    ComparedPicture,
    SnapshotFolder,
    ClipFolder,
    ExportClips,
    /// What the player has of its clip.
    ExportPart,
    ArchiveClips,
    Log,
    Report,
}

impl Purpose {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::VideoFile | Self::AnotherVideoFile => "Open a video file",
            Self::Snapshot => "Save the picture as",
            Self::ComparedPicture => "Compare with a picture",
            Self::SnapshotFolder => "Folder for snapshots",
            Self::ClipFolder => "Folder for clips",
            Self::ExportClips => "Export clips as",
            Self::ExportPart => "Export this clip as",
            Self::ArchiveClips => "Archive clips in a new folder",
            Self::Log => "Save the log as",
            Self::Report => "Save the report as",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::VideoFile | Self::AnotherVideoFile => "The path of a video file.",
            Self::Snapshot => "The path of the file. It ends in .jpg or .png.",
            Self::ComparedPicture => "The path of a JPEG or PNG file, such as an earlier snapshot.",
            Self::SnapshotFolder => "The path of the folder. It is made when the first snapshot is saved.",
            Self::ClipFolder => "The path of the folder. It is made if it is not there.",
            Self::Log => "The path of the file, for example camclinic-log.txt.",
            Self::Report | Self::ExportClips | Self::ExportPart => "The path of the file. It ends in .zip.",
            Self::ArchiveClips => "The path of the new folder: its last part is the name of the archive.",
        }
    }

    fn button(self) -> &'static str {
        match self {
            Self::VideoFile | Self::AnotherVideoFile | Self::ComparedPicture => "Open",
            Self::Snapshot | Self::Log | Self::Report | Self::ExportClips | Self::ExportPart | Self::ArchiveClips => {
                "Save"
            }
            Self::SnapshotFolder | Self::ClipFolder => "Use",
        }
    }
}

/// A system without a dialogue service answers sooner than any person can cancel.
const NO_DIALOGUE: Duration = Duration::from_millis(250);

/// Asks for a path in the system's own dialogue.
pub struct Browse {
    purpose: Purpose,
    /// The one that it is for.
    pane: CameraId,
    /// Where the dialogue begins.
    folder: PathBuf,
    /// The name of the file, unless another one is typed.
    suggestion: String,
}

impl fmt::Debug for Browse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Browse").field(&self.purpose).finish()
    }
}

impl Browse {
    #[must_use]
    pub fn new(purpose: Purpose, pane: &Pane, shell: &Shell) -> Self {
        let folder = shell.settings.snapshot_folder();
        let home = || directories::UserDirs::new().map(|dirs| dirs.home_dir().to_owned()).unwrap_or_default();
        let (folder, suggestion) = match purpose {
            Purpose::Snapshot => (folder, "snapshot.jpg".to_owned()),
            Purpose::Log => (folder, "camclinic-log.txt".to_owned()),
            Purpose::VideoFile | Purpose::AnotherVideoFile => (home(), String::new()),
            Purpose::Report => (folder, report::suggestion(pane)),
            Purpose::ExportPart => (home(), format!("{}.zip", clips::suggestion_for_part(shell))),
            Purpose::ExportClips => (home(), format!("{}.zip", clips::suggestion(shell))),
            Purpose::ArchiveClips => (home(), clips::suggestion(shell)),
            Purpose::SnapshotFolder | Purpose::ComparedPicture => (folder, String::new()),
            Purpose::ClipFolder => (shell.settings.clip_folder().unwrap_or_default(), String::new()),
        };
        Self { purpose, pane: pane.id(), folder, suggestion }
    }

    /// The dialogue. Waits for the user.
    fn ask(&self) -> Option<PathBuf> {
        let mut dialogue = rfd::FileDialog::new().set_title(self.purpose.title());
        // The folder may not exist yet; the dialogues of some systems refuse such a one.
        if let Some(existing) = self.folder.ancestors().find(|folder| folder.is_dir()) {
            dialogue = dialogue.set_directory(existing);
        }
        match self.purpose {
            Purpose::VideoFile | Purpose::AnotherVideoFile => dialogue
                .add_filter("Video", &["mp4", "avi", "mkv", "mov", "webm", "ts", "m4v", "mjpg", "mjpeg"])
                .add_filter("All files", &["*"])
                .pick_file(),
            Purpose::ComparedPicture => dialogue.add_filter("Pictures", &["jpg", "jpeg", "png"]).pick_file(),
            Purpose::Snapshot => {
                dialogue.add_filter("Pictures", &["jpg", "jpeg", "png"]).set_file_name(&self.suggestion).save_file()
            }
            Purpose::Log => dialogue.add_filter("Text", &["txt", "log"]).set_file_name(&self.suggestion).save_file(),
            // The name of a folder is typed as that of a file is.
            Purpose::ArchiveClips => dialogue.set_file_name(&self.suggestion).save_file(),
            Purpose::Report | Purpose::ExportClips | Purpose::ExportPart => {
                dialogue.add_filter("Zip", &["zip"]).set_file_name(&self.suggestion).save_file()
            }
            Purpose::SnapshotFolder | Purpose::ClipFolder => dialogue.pick_folder(),
        }
    }
}

impl Task for Browse {
    fn thread_name(&self) -> &'static str {
        "dialogue"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let asked_at = Instant::now();
        let picked = self.ask();
        let is_missing = picked.is_none() && asked_at.elapsed() < NO_DIALOGUE;
        let Self { purpose, pane, folder, suggestion } = *self;
        window.update_pane(pane, move |pane, shell| match picked {
            Some(path) => {
                if let Err(why) = pane.picked(shell, purpose, &path.to_string_lossy()) {
                    shell.toasts.error(why, shell.now);
                }
            }
            None if is_missing => {
                let path = folder.join(suggestion).display().to_string();
                shell.prompt = Some(Prompt::without_dialogue(purpose, path));
            }
            None => pane.cancelled(purpose),
        });
    }
}

/// The open field.
pub struct Prompt {
    pub purpose: Purpose,
    pub text: String,
    /// What is wrong with what was typed, or why the system's dialogue is not there.
    pub remark: String,
    had_focus: bool,
    can_browse: bool,
}

impl Prompt {
    #[must_use]
    pub fn new(purpose: Purpose, text: String) -> Self {
        Self { purpose, text, remark: String::new(), had_focus: false, can_browse: true }
    }

    /// For a system that offers no dialogue.
    #[must_use]
    pub fn without_dialogue(purpose: Purpose, text: String) -> Self {
        let remark = "This system offers no dialogue for files: type the path here.".to_owned();
        Self { remark, can_browse: false, ..Self::new(purpose, text) }
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    let Some(mut prompt) = shell.prompt.take() else { return };
    let mut open = true;
    let mut accepted = false;
    let mut browse = false;
    widgets::sheet(ctx, prompt.purpose.title(), 520.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        let color = Palette::of(ui).text_weak;
        ui.add(Label::new(RichText::new(prompt.purpose.help()).color(color)).wrap());
        let edit = egui::TextEdit::singleline(&mut prompt.text)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let response = ui.add(edit).accessible_name(prompt.purpose.title());
        if !prompt.had_focus {
            response.request_focus();
            prompt.had_focus = true;
        }
        accepted = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if !prompt.remark.is_empty() {
            let color = Palette::of(ui).warning;
            ui.add(Label::new(RichText::new(format!("⚠ {}", prompt.remark)).color(color)).wrap());
        }
        ui.horizontal_wrapped(|ui| {
            accepted |= widgets::button(ui, prompt.purpose.button(), true, "").clicked();
            if prompt.can_browse {
                browse = widgets::button(ui, "Browse…", false, "Choose in the system's own dialogue").clicked();
            }
        });
    });
    if browse {
        pane.browse(shell, prompt.purpose);
    } else if accepted {
        match pane.picked(shell, prompt.purpose, &prompt.text) {
            Ok(()) => {}
            Err(why) => {
                prompt.remark = why;
                prompt.had_focus = false;
                shell.prompt = Some(prompt);
            }
        }
    } else if open {
        shell.prompt = Some(prompt);
    } else {
        pane.cancelled(prompt.purpose);
    }
}
