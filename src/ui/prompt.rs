//! A field for a path, typed by hand: where the system has no file dialogue.

use egui::{Label, RichText};

use super::theme::Palette;
use super::widgets;
use super::window::{Window, Wish};

/// What a path is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    VideoFile,
    Snapshot,
    SnapshotFolder,
    Log,
    Report,
}

impl Purpose {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::VideoFile => "Open a video file",
            Self::Snapshot => "Save the picture as",
            Self::SnapshotFolder => "Folder for snapshots",
            Self::Log => "Save the log as",
            Self::Report => "Save the report as",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::VideoFile => "The path of a video file.",
            Self::Snapshot => "The path of the file. It ends in .jpg or .png.",
            Self::SnapshotFolder => "The path of the folder. It is made when the first snapshot is saved.",
            Self::Log => "The path of the file, for example camclinic-log.txt.",
            Self::Report => "The path of the file. It ends in .zip.",
        }
    }

    fn button(self) -> &'static str {
        match self {
            Self::VideoFile => "Open",
            Self::Snapshot | Self::Log | Self::Report => "Save",
            Self::SnapshotFolder => "Use",
        }
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

pub fn draw(window: &mut Window, ctx: &egui::Context) {
    let Some(mut prompt) = window.prompt.take() else { return };
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
        window.wishes.push(Wish::Browse(prompt.purpose));
    } else if accepted {
        match window.picked(prompt.purpose, &prompt.text) {
            Ok(()) => {}
            Err(why) => {
                prompt.remark = why;
                prompt.had_focus = false;
                window.prompt = Some(prompt);
            }
        }
    } else if open {
        window.prompt = Some(prompt);
    } else if prompt.purpose == super::prompt::Purpose::Snapshot {
        window.waiting_frame = None;
    }
}
