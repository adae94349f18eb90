//! Looking into the picture: zoom, tools, pause, comparison.

use std::sync::Arc;
use std::time::Instant;

use camclinic::codec;
use camclinic::frame::{Frame, Image, Size};
use camclinic::secrets::Passwords;
use camclinic::ui::prompt::Purpose;
use camclinic::ui::viewer::view::{PictureView, Zoom};
use camclinic::ui::window::Window;
use egui::accesskit::Role;
use egui::{Key, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

use super::ui::{carry_out, click, frame, harness, press, requests, status, window};

type Shown = Harness<'static, Window>;

fn view(harness: &Shown) -> PictureView {
    harness.state().panes[0].viewer.view
}

fn middle(harness: &Shown) -> Pos2 {
    harness.get_by_label("Live picture").rect().center()
}

fn scroll(harness: &mut Shown, lines: f32) {
    let place = middle(harness);
    harness.hover_at(place);
    harness.step();
    harness.input_mut().events.push(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: vec2(0.0, lines),
        source: egui::MouseWheelSource::Wheel,
        phase: egui::TouchPhase::Move,
        modifiers: egui::Modifiers::NONE,
    });
    harness.run();
}

fn click_with(harness: &mut Shown, place: Pos2, button: egui::PointerButton, n_clicks: usize) {
    harness.hover_at(place);
    harness.step();
    for pressed in [true, false].into_iter().cycle().take(2 * n_clicks) {
        let modifiers = egui::Modifiers::NONE;
        harness.input_mut().events.push(egui::Event::PointerButton { pos: place, button, pressed, modifiers });
    }
    harness.run();
}

fn open_menu(harness: &mut Shown) {
    // Not where two compared pictures meet.
    let place = middle(harness) - vec2(120.0, 60.0);
    click_with(harness, place, egui::PointerButton::Secondary, 1);
}

/// Another picture comes.
fn new_frame(harness: &mut Shown, number: u64, value: u8) {
    let size = Size::new(1280, 720).unwrap();
    let image = Image::new(size, vec![value; size.n_bytes()]).unwrap();
    let now = Instant::now();
    let frame = Frame { number, image, ..(*frame(now)).clone() };
    harness.state_mut().panes[0].frame = Some(Arc::new(frame));
    harness.run();
}

#[test]
fn the_wheel_zooms_and_a_double_click_shows_all_again() {
    let mut harness = harness(window(status()));
    assert!(view(&harness).is_plain());
    scroll(&mut harness, 6.0);
    let Zoom::Scale(scale) = view(&harness).zoom else { panic!("{:?}", view(&harness)) };
    harness.get_by_label("Where the part that is seen is in the picture");
    // Pictures that come change nothing of it.
    new_frame(&mut harness, 2_000, 90);
    assert_eq!(view(&harness).zoom, Zoom::Scale(scale));
    let place = middle(&harness);
    click_with(&mut harness, place, egui::PointerButton::Primary, 2);
    assert!(view(&harness).is_plain() && !harness.state().shell.picture_only);
    assert!(harness.query_by_label("Where the part that is seen is in the picture").is_none());
    // Then it hides the panels.
    click_with(&mut harness, place, egui::PointerButton::Primary, 2);
    assert!(harness.state().shell.picture_only);
}

#[test]
fn keys_zoom_and_pause() {
    let mut harness = harness(window(status()));
    for key in [Key::Z, Key::Num1] {
        press(&mut harness, key);
        assert_eq!(view(&harness).zoom, Zoom::Scale(1.0));
        press(&mut harness, key);
        assert!(view(&harness).is_plain());
    }
    press(&mut harness, Key::P);
    harness.get_by_label("Paused picture");
    harness.get_by_label_contains("the camera goes on");
    let number = |harness: &Shown| harness.state().panes[0].viewer.shown().unwrap().number;
    let held = number(&harness);
    new_frame(&mut harness, 2_000, 90);
    assert_eq!(number(&harness), held);
    press(&mut harness, Key::P);
    assert_eq!(number(&harness), 2_000);
    harness.get_by_label("Live picture");
}

#[test]
fn the_menu_has_all_of_it() {
    let mut harness = harness(window(status()));
    open_menu(&mut harness);
    for label in [
        "Fit",
        "Fill",
        "One to one",
        "Turn by 90°",
        "Mirror",
        "Pause the picture",
        "Copy picture",
        "Copy state as text",
        "Picture only",
        "Full screen",
    ] {
        harness.get_by_label(label);
    }
    click(&mut harness, "Turn by 90°");
    assert!(!view(&harness).is_plain());
    open_menu(&mut harness);
    click(&mut harness, "Copy state as text");
    let copied = harness.output().platform_output.commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    });
    if let Some(copied) = copied {
        assert!(copied.contains("Excellent 100") && copied.contains("Camclinic"), "{copied}");
    }
    harness.get_by_label("The state was copied.");
}

#[test]
fn tools_tell_what_they_see() {
    #[track_caller]
    fn check(tool: &str, value: u8, says: &str) {
        let mut harness = harness(window(status()));
        open_menu(&mut harness);
        click(&mut harness, "Show");
        harness.get_by_role_and_label(Role::CheckBox, tool).click();
        harness.run();
        press(&mut harness, Key::Escape);
        new_frame(&mut harness, 2_000, value);
        // Looks have a pause between them.
        let deadline = Instant::now() + std::time::Duration::from_secs(30);
        while harness.query_by_label_contains(says).is_none() {
            assert!(Instant::now() < deadline, "{tool} never says “{says}”");
            std::thread::sleep(std::time::Duration::from_millis(20));
            harness.state_mut().shell.now = Instant::now();
            harness.run();
        }
    }
    check("Histogram", 0, "black 100.0 % · white 0.0 %");
    check("Histogram", 255, "black 0.0 % · white 100.0 %");
    check("Waveform", 100, "Waveform: brightness from left to right");
    check("Focus peaking", 100, "Focus ");
}

#[test]
fn a_picture_is_compared_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size::new(1280, 720).unwrap();
    let image = Image::new(size, vec![60; size.n_bytes()]).unwrap();
    let (png, jpeg) = (folder.path().join("before.png"), folder.path().join("before.jpg"));
    std::fs::write(&png, codec::encode_png(&image).unwrap()).unwrap();
    std::fs::write(&jpeg, codec::encode_jpeg(&image, 90).unwrap()).unwrap();
    let nonsense = folder.path().join("letter.txt");
    std::fs::write(&nonsense, "Dear camera").unwrap();
    let mut harness = harness(window(status()));
    let load = |harness: &mut Shown, path: &std::path::Path| {
        let path = path.to_str().unwrap();
        harness.state_mut().with_selected(|pane, shell| pane.picked(shell, Purpose::ComparedPicture, path).unwrap());
        carry_out(harness, &Passwords::default());
        harness.run();
    };
    for path in [&png, &jpeg] {
        load(&mut harness, path);
        harness.get_by_label_contains(&format!("left: {}", path.file_name().unwrap().to_str().unwrap()));
        harness.get_by_label("Where the two pictures meet");
    }
    open_menu(&mut harness);
    click(&mut harness, "Compare");
    click(&mut harness, "End the comparison");
    assert!(harness.query_by_label("Where the two pictures meet").is_none());
    load(&mut harness, &nonsense);
    harness.get_by_label_contains("letter.txt cannot be shown");
    load(&mut harness, &folder.path().join("missing.png"));
    harness.get_by_label_contains("missing.png cannot be shown");
}

#[test]
fn snapshots_are_taken_by_themselves() {
    let mut harness = harness(window(status()));
    open_menu(&mut harness);
    click(&mut harness, "Snapshots by themselves");
    click(&mut harness, "each 5 seconds");
    let mut take = |secs: u64| {
        let window = harness.state_mut();
        window.shell.now += std::time::Duration::from_secs(secs);
        let now = window.shell.now;
        window.panes[0].status_at = now;
        window.with_selected(camclinic::ui::pane::Pane::take_due_snapshot);
        requests(&mut harness).iter().filter(|request| request.starts_with("Snapshot(")).count()
    };
    assert_eq!((take(0), take(2), take(4), take(1)), (1, 0, 1, 0));
}
