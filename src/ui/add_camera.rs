//! The choice of a camera that is shown beside the others, from a list or dropped on the window.

use std::io::Read;
use std::path::{Path, PathBuf};

use egui::{Label, RichText, Ui, vec2};

use super::address::Field;
use super::background::{Task, WindowHandle};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Sheet, Shell, WindowRequest};
use super::theme::{self, Palette, SMALL};
use super::widgets;
use crate::address::Address;
use crate::disk::open_regular;
use crate::settings::CameraId;
use crate::source::SourceSpec;

/// Addresses that were opened before. The dialogue for addresses has the rest.
const N_RECENT: usize = 6;

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    let mut open = shell.sheet == Some(Sheet::AddCamera);
    let was_open = open;
    widgets::sheet(ctx, "Add a camera", 460.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        if let Some(chosen) = choices(shell, ui) {
            shell.requests.push(WindowRequest::Add(chosen));
            shell.sheet = None;
        }
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| {
            if widgets::button(ui, "Address…", false, "Type the address of a network camera, or a path").clicked() {
                shell.sheet = None;
                pane.open_address_beside(shell, Field::Whole);
            }
            if widgets::button(ui, "File…", false, "Play a video file as if it were a camera").clicked() {
                shell.sheet = None;
                pane.browse(shell, Purpose::AnotherVideoFile);
            }
        });
    });
    if was_open && !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::AddCamera);
    }
}

/// One button for each camera that is not shown. Returns the one that was pressed.
fn choices(shell: &Shell, ui: &mut Ui) -> Option<SourceSpec> {
    let mut chosen = None;
    let is_shown =
        |spec: &SourceSpec| shell.panes.iter().any(|pane| pane.spec.without_password() == spec.without_password());
    heading(ui, "Of this computer");
    let mut n_listed = 0;
    for camera in &shell.cameras {
        if shell.panes.iter().any(|pane| camera.is(&pane.spec)) {
            continue;
        }
        n_listed += 1;
        if wide_button(ui, &camera.label(), &camera.badge(false).help) {
            chosen = Some(camera.spec());
        }
    }
    if n_listed == 0 {
        let words = if shell.cameras.is_empty() { "No camera is connected." } else { "All of them are shown." };
        ui.add(Label::new(RichText::new(words).size(SMALL).color(Palette::of(ui).text_weak)));
    }
    let recent = shell.settings.network.recent.iter().filter_map(|text| SourceSpec::parse(text).ok());
    let recent: Vec<_> = recent.filter(|spec| !is_shown(spec)).take(N_RECENT).collect();
    if !recent.is_empty() {
        heading(ui, "Opened before");
        for spec in recent {
            if wide_button(ui, &spec.without_password(), "The password is taken from the keyring, if it is there") {
                chosen = Some(spec);
            }
        }
    }
    let simulated = SourceSpec::parse("sim:").ok().filter(|spec| !is_shown(spec));
    if let Some(spec) = simulated {
        heading(ui, "To try things out");
        if wide_button(ui, "Simulated camera · sim:", "A camera without a device") {
            chosen = Some(spec);
        }
    }
    chosen
}

fn heading(ui: &mut Ui, words: &str) {
    let color = Palette::of(ui).text_label;
    ui.label(RichText::new(words).font(theme::semibold(SMALL)).color(color));
}

fn wide_button(ui: &mut Ui, label: &str, help: &str) -> bool {
    let button = egui::Button::new(label).truncate().min_size(vec2(ui.available_width(), theme::CONTROL_HEIGHT));
    let response = ui.add(button);
    if help.is_empty() { response.clicked() } else { response.on_hover_text(help).clicked() }
}

// ---- dropped files

/// More is no file with an address in it.
const MAX_SHORTCUT_BYTES: u64 = 16 << 10;

/// Opens a file that was dropped on the window: as a video, or the camera whose address is in it.
#[derive(Debug)]
pub(super) struct OpenDropped {
    pub file: PathBuf,
    /// The pane that it was dropped on; `None` adds it.
    pub tile: Option<CameraId>,
}

impl Task for OpenDropped {
    fn thread_name(&self) -> &'static str {
        "dropped-file"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { file, tile } = *self;
        let spec = address_in_file(&file).map_or(SourceSpec::File(file), SourceSpec::Url);
        window.update(move |window| match tile {
            Some(pane) => window.choose(pane, spec),
            None => window.add(spec),
        });
    }
}

/// The camera's address in a shortcut, as browsers and desktops make them: `.url`, `.webloc`, `.desktop`.
fn address_in_file(file: &Path) -> Option<Address> {
    let ending = file.extension()?.to_string_lossy().to_lowercase();
    if !["url", "webloc", "desktop"].contains(&ending.as_str()) {
        return None;
    }
    let mut text = String::new();
    open_regular(file).ok()?.take(MAX_SHORTCUT_BYTES).read_to_string(&mut text).ok()?;
    address_in(&text)
}

fn address_in(shortcut: &str) -> Option<Address> {
    shortcut.lines().find_map(|line| {
        let line = line.trim();
        let value = line.strip_prefix("URL=").or_else(|| line.strip_prefix("<string>")?.strip_suffix("</string>"))?;
        Address::parse(value.trim()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_have_addresses() {
        #[track_caller]
        fn check(shortcut: &str, expected: Option<&str>) {
            let address = address_in(shortcut).map(|address| address.without_password());
            assert_eq!(address.as_deref(), expected);
        }
        check("[InternetShortcut]\r\nURL=rtsp://cam/1\r\n", Some("rtsp://cam/1"));
        check("[Desktop Entry]\nType=Link\nURL=http://cam/video\n", Some("http://cam/video"));
        check("<dict>\n <key>URL</key>\n <string>rtsp://cam/2</string>\n</dict>", Some("rtsp://cam/2"));
        check("URL=file:///home/film.mp4", None);
        check("", None);
        assert_eq!(address_in_file(Path::new("/tmp/film.mp4")), None);
        assert_eq!(address_in_file(Path::new("/nonexistent/camera.url")), None);
    }
}
