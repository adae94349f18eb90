//! The settings that are set once: where snapshots go, how the window looks.

use egui::vec2;

use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Sheet, Shell};
use super::theme::CONTROL_HEIGHT;
use super::widgets;
use crate::phrases::Language;
use crate::settings::{self, CameraSettings, Settings, SnapshotFormat, Theme};

const FORMATS: [(SnapshotFormat, &str, &str); 2] = [
    (SnapshotFormat::Jpeg, "JPEG", "Small files; the quality is set in the inspector"),
    (SnapshotFormat::Png, "PNG", "Every pixel as it came; several times larger"),
];

const THEMES: [(Theme, &str); 3] = [(Theme::Dark, "Dark"), (Theme::Light, "Light"), (Theme::System, "As the system")];

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    let mut open = shell.sheet == Some(Sheet::Preferences);
    widgets::sheet(ctx, "Settings", 480.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        folder(pane, shell, ui);
        let (settings, camera) = (&mut shell.settings, &mut pane.settings);
        let system_language = shell.system_language;
        widgets::row(ui, "Snapshots as", "The kind of file", |ui, _| {
            for (format, label, help) in FORMATS {
                if widgets::chip(ui, label, settings.snapshot.format == format, help).clicked() {
                    settings.snapshot.format = format;
                }
            }
        });
        widgets::row(ui, "Theme", "Dark or light", |ui, _| {
            for (theme, label) in THEMES {
                if widgets::chip(ui, label, settings.window.theme == theme, "How the window looks").clicked() {
                    settings.window.theme = theme;
                }
            }
        });
        scale(settings, ui);
        new_cameras(settings, camera, ui);
        language(settings, system_language, ui);
        ui.add_space(4.0);
        let (default, default_camera) = (settings.with_defaults(), camera.with_defaults());
        let all_default = default == *settings && default_camera == *camera;
        ui.add_enabled_ui(!all_default, |ui| {
            if widgets::button(
                ui,
                "Restore all defaults",
                false,
                "Every setting but which cameras there are, as after the installation",
            )
            .clicked()
            {
                (*settings, *camera) = (default, default_camera);
            }
        });
    });
    if !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::Preferences);
    }
}

fn folder(pane: &mut Pane, shell: &mut Shell, ui: &mut egui::Ui) {
    const HELP: &str = "The folder that snapshots are saved in. It is made when the first one is saved.";
    let is_chosen = shell.settings.snapshot.folder.is_some();
    let default = Settings::default().snapshot_folder().display().to_string();
    widgets::row(ui, "Snapshot folder", HELP, |ui, width| {
        let mut text =
            shell.settings.snapshot.folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default();
        let field = vec2((width - 90.0).max(60.0), CONTROL_HEIGHT);
        let edit = egui::TextEdit::singleline(&mut text)
            .hint_text(default.clone())
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(field.x - 12.0);
        let response = ui.add_sized(field, edit).accessible_name("Snapshot folder").on_hover_text(HELP);
        if response.changed() {
            shell.settings.snapshot.folder = Some(text.trim()).filter(|text| !text.is_empty()).map(Into::into);
        }
        if widgets::button(ui, "Browse…", false, "Choose the folder").clicked() {
            pane.browse(shell, Purpose::SnapshotFolder);
        }
        if widgets::reset(ui, "Snapshot folder", &default, is_chosen) {
            shell.settings.snapshot.folder = None;
        }
    });
}

fn language(settings: &mut Settings, of_system: Language, ui: &mut egui::Ui) {
    const HELP: &str = "In which the check-up and its report speak";
    widgets::row(ui, "Language", HELP, |ui, _| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            let system = (format!("As the system ({})", of_system.name()), None);
            let others = Language::ALL.map(|language| (language.name().to_owned(), Some(language)));
            for (label, language) in std::iter::once(system).chain(others) {
                if widgets::chip(ui, &label, settings.language == language, HELP).clicked() {
                    settings.language = language;
                }
            }
        });
    });
}

/// What a camera starts with that is shown for the first time.
fn new_cameras(settings: &mut Settings, camera: &CameraSettings, ui: &mut egui::Ui) {
    const HELP: &str =
        "What a camera starts with that is shown for the first time: format, rate, recovery and the like";
    let as_this = camera.for_new_cameras();
    widgets::row(ui, "New cameras", HELP, |ui, _| {
        let is_as_this = settings.new_camera == as_this;
        let help = "Every camera that is shown for the first time starts with the settings of this one";
        if widgets::chip(ui, "As this camera", is_as_this, help).clicked() {
            settings.new_camera = as_this;
        }
        let default = CameraSettings::default();
        let help = "Every camera that is shown for the first time starts with the program's own settings";
        if widgets::chip(ui, "Defaults", settings.new_camera == default, help).clicked() {
            settings.new_camera = default;
        }
    });
}

/// In steps by chips: a slider would move away under the pointer while it changes the size of everything.
fn scale(settings: &mut Settings, ui: &mut egui::Ui) {
    let tunable = &settings::SCALE;
    widgets::row(ui, tunable.label, tunable.help, |ui, _| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            for percent in [75.0, 100.0, 125.0, 150.0, 200.0] {
                let is_chosen = ((tunable.get)(settings) - percent).abs() < 0.5;
                if widgets::chip(ui, &format!("{percent} %"), is_chosen, tunable.help).clicked() {
                    (tunable.set)(settings, percent);
                }
            }
        });
    });
}
