//! Several cameras in one window, driven by the names that a screen reader speaks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use camclinic::event::{Event, Level};
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{Frame, Image, Size};
use camclinic::secrets::Passwords;
use camclinic::settings::{CameraId, MAX_SHOWN, Settings, Theme};
use camclinic::source::{Demand, SourceSpec};
use camclinic::status::PictureFaultKind;
use camclinic::status::{Grade, State, Status};
use camclinic::ui::pane::Pane;
use camclinic::ui::shell::Sheet;
use camclinic::ui::window::Window;
use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use super::ui::{carry_out, click, failing, picture_fault, press, requests, sized, status};

type Shown = Harness<'static, Window>;

fn frame(size: (u32, u32), age: Duration) -> Arc<Frame> {
    let size = Size { width: size.0, height: size.1 };
    Arc::new(Frame {
        image: Image::new(size, vec![90; size.n_bytes()]).unwrap(),
        number: 7,
        sequence: None,
        taken_at: Instant::now().checked_sub(age).unwrap(),
        taken_at_wall: SystemTime::now(),
    })
}

fn source(number: usize) -> String {
    format!("rtsp://admin@cam{number}/live")
}

/// A window with a camera for each status, called `cam1/live` and so on.
fn window(statuses: Vec<Status>) -> Window {
    let mut window = Window::new(SourceSpec::parse(&source(1)).unwrap(), Settings::default(), Instant::now());
    for number in 2..=statuses.len() {
        let spec = SourceSpec::parse(&source(number)).unwrap();
        let settings = spec.settings(&window.shell.settings);
        window.push(spec, settings);
    }
    for ((pane, status), number) in window.panes.iter_mut().zip(statuses).zip(1..) {
        pane.status = Some(Arc::new(Status { source: source(number), ..status }));
        pane.frame = Some(frame((1280, 720), Duration::ZERO));
    }
    let first = window.panes[0].id();
    window.select(first);
    window
}

fn harness(statuses: Vec<Status>) -> Shown {
    sized(window(statuses), vec2(1440.0, 900.0))
}

fn live(n: usize) -> Vec<Status> {
    vec![status(); n]
}

/// The sources of the panes, in their order, by their numbers.
fn order(window: &Window) -> Vec<usize> {
    let number = |pane: &Pane| pane.name().trim_start_matches("cam").trim_end_matches("/live").parse().unwrap();
    window.panes.iter().map(number).collect()
}

fn selected(window: &Window) -> usize {
    window.panes.iter().position(|pane| pane.id() == window.selected).unwrap() + 1
}

#[track_caller]
fn tile(harness: &Shown, start: &str) -> egui::Rect {
    let mut tiles = harness.get_all_by_role(Role::ListBoxOption);
    let is_it = |label: String| label.starts_with(start);
    tiles.find(|node| node.accesskit_node().label().is_some_and(is_it)).unwrap_or_else(|| panic!("{start}")).rect()
}

#[track_caller]
fn click_at(harness: &mut Shown, place: Pos2, n_clicks: usize) {
    harness.hover_at(place);
    harness.step();
    // Within one step: for two clicks there is little time.
    for pressed in [true, false].into_iter().cycle().take(2 * n_clicks) {
        let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
        harness.input_mut().events.push(egui::Event::PointerButton { pos: place, button, pressed, modifiers });
    }
    harness.step();
    harness.remove_cursor();
    harness.run();
    harness.state_mut().settle();
    harness.run();
}

#[track_caller]
fn press_with(harness: &mut Shown, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run();
}

#[test]
fn each_tile_says_how_its_camera_stands() {
    let refused = Fault::new(FaultKind::LoginRefused, "the camera refuses the login").with_code(401);
    let failed = Status { state: State::Failed, last_fault: Some(refused), outage_secs: Some(75.0), ..failing() };
    let mut shown = harness(vec![
        status(),
        failing(),
        failed,
        Status { state: State::Idle, outage_secs: None, ..status() },
        Status { state: State::Opening, outage_secs: Some(0.4), has_cached_frame: false, ..status() },
        Status {
            health_score: Some(25),
            picture_faults: vec![picture_fault(PictureFaultKind::Frozen, 6.0)],
            ..status()
        },
    ]);
    shown.get_by_label("1. cam1/live, live · 100 · 30.0 fps");
    shown.get_by_label_contains("2. cam2/live, recovering · 3.2 s, The driver reports transfer errors (-71).");
    shown.get_by_label_contains("3. cam3/live, wrong password · 1 min, The camera refuses the login (401).");
    shown.get_by_label("4. cam4/live, stopped, Stopped");
    shown.get_by_label("5. cam5/live, opening · 0.4 s, Opening for 0.4 s");
    shown.get_by_label("6. cam6/live, frozen · 25 · 30.0 fps, The picture stands still.");
    let counts = "6 cameras: 1 live, 1 recovering, 1 wrong password, 1 stopped, 1 opening, 1 frozen · Frame";
    shown.get_by_label_contains(counts);
    // A picture that is old says so, also where the camera is slow by nature.
    shown.state_mut().panes[0].frame = Some(frame((1280, 720), Duration::ZERO));
    shown.run();
    let taken_at = shown.state().panes[0].frame.as_ref().unwrap().taken_at;
    shown.state_mut().shell.now = taken_at + Duration::from_millis(2_300);
    shown.run();
    shown.get_by_label_contains("1. cam1/live, live · 100 · 30.0 fps, picture 2.3 s old");
    // One camera alone is as it always was.
    let alone = harness(live(1));
    assert!(alone.query_by_label_contains("1 cameras").is_none());
    alone.get_by_label("Live picture");
}

#[test]
fn a_click_selects_the_camera_for_everything_else() {
    let mut statuses = live(3);
    statuses[1] = Status { health_score: Some(75), grade: Some(Grade::Good), ..status() };
    let mut harness = harness(statuses);
    harness.get_by_role_and_label(Role::Status, "Excellent 100 · 30.0 fps");
    let place = tile(&harness, "2. ").center();
    click_at(&mut harness, place, 1);
    assert_eq!(selected(harness.state()), 2);
    harness.get_by_role_and_label(Role::Status, "Good 75 · 30.0 fps");
    press(&mut harness, Key::Space);
    assert_eq!(requests(&mut harness), ["Camera(Stop)"]);
    assert!(harness.state().panes[0].commands.is_empty());
    // The next start selects it again.
    let shown = &harness.state().shell.settings.shown;
    assert_eq!((shown.cameras.len(), shown.selected), (3, Some(harness.state().panes[1].id())));
}

#[test]
fn one_camera_is_shown_alone_and_the_others_come_back() {
    #[track_caller]
    fn check_alone(harness: &Shown, number: usize) {
        assert_eq!(selected(harness.state()), number);
        assert!(!harness.state().shows_grid());
        harness.get_by_label("Live picture");
        assert!(harness.query_by_label_contains("1. cam1/live, live").is_none());
    }
    let mut harness = harness(live(4));
    press(&mut harness, Key::Num3);
    check_alone(&harness, 3);
    press(&mut harness, Key::ArrowRight);
    check_alone(&harness, 4);
    press(&mut harness, Key::ArrowRight);
    check_alone(&harness, 4);
    press(&mut harness, Key::Num1);
    check_alone(&harness, 1);
    assert!(harness.state().shell.settings.shown.is_alone);
    press(&mut harness, Key::Escape);
    assert!(harness.state().shows_grid() && !harness.state().shell.settings.shown.is_alone);
    // Esc goes back one step at a time.
    press(&mut harness, Key::Num2);
    press(&mut harness, Key::F);
    press(&mut harness, Key::Escape);
    check_alone(&harness, 2);
    press(&mut harness, Key::Escape);
    press(&mut harness, Key::Enter);
    check_alone(&harness, 2);
    press(&mut harness, Key::Escape);
    let place = tile(&harness, "4. ").center();
    click_at(&mut harness, place, 2);
    check_alone(&harness, 4);
    let place = harness.get_by_label("Live picture").rect().center();
    click_at(&mut harness, place, 2);
    assert!(harness.state().shows_grid());
    // There is no ninth.
    press(&mut harness, Key::Num9);
    assert!(harness.state().shows_grid());
    // Keys that come in one pass count in their order.
    let mut press_all = |keys: &[Key]| {
        for key in keys {
            let key = *key;
            harness.input_mut().events.push(egui::Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers: Modifiers::NONE,
            });
        }
        harness.run();
        (selected(harness.state()), harness.state().shows_grid())
    };
    assert_eq!(press_all(&[Key::Num3, Key::Num1]), (1, false));
    assert!(press_all(&[Key::Num3, Key::Escape]).1);
}

#[test]
fn arrows_go_from_tile_to_tile_and_move_them_with_shift() {
    let mut harness = harness(live(5));
    for (key, expected) in [
        (Key::ArrowRight, 2),
        (Key::ArrowRight, 3),
        (Key::ArrowRight, 3),
        (Key::ArrowDown, 3),
        (Key::ArrowLeft, 2),
        (Key::ArrowDown, 5),
        (Key::ArrowUp, 2),
        (Key::ArrowUp, 2),
    ] {
        press(&mut harness, key);
        assert_eq!(selected(harness.state()), expected, "{key:?}");
    }
    press_with(&mut harness, Modifiers::SHIFT, Key::ArrowLeft);
    assert_eq!(order(harness.state()), [2, 1, 3, 4, 5]);
    assert_eq!(selected(harness.state()), 1, "the tile takes the selection with it");
    press_with(&mut harness, Modifiers::SHIFT, Key::ArrowDown);
    assert_eq!(order(harness.state()), [4, 1, 3, 2, 5]);
    let shown = harness.state().shell.settings.shown.cameras.clone();
    assert_eq!(shown, harness.state().panes.iter().map(Pane::id).collect::<Vec<_>>());
}

#[test]
fn tiles_are_reached_by_tab_and_tell_it() {
    let mut harness = harness(live(3));
    harness.get_by_label_contains("3. cam3/live").focus();
    harness.run();
    assert_eq!(selected(harness.state()), 3, "what has the focus is selected");
    press(&mut harness, Key::ArrowUp);
    assert!(harness.get_by_label_contains("1. cam1/live, live").accesskit_node().is_focused());
    assert_eq!(selected(harness.state()), 1);
    press(&mut harness, Key::Enter);
    assert!(!harness.state().shows_grid());
}

#[test]
fn a_tile_that_is_dragged_onto_another_changes_places_with_it() {
    let mut harness = harness(live(4));
    let (from, to) = (tile(&harness, "1. ").center(), tile(&harness, "4. ").center());
    harness.drag_at(from);
    harness.step();
    for share in [0.2, 0.6, 1.0] {
        harness.hover_at(from + (to - from) * share);
        harness.step();
    }
    harness.drop_at(to);
    harness.run();
    assert_eq!(order(harness.state()), [4, 2, 3, 1]);
    // Beside the tiles it stays where it was.
    harness.drag_at(from);
    harness.step();
    for place in [from + vec2(30.0, 0.0), Pos2::new(1_300.0, 500.0)] {
        harness.hover_at(place);
        harness.step();
    }
    harness.drop_at(Pos2::new(1_300.0, 500.0));
    harness.run();
    assert_eq!(order(harness.state()), [4, 2, 3, 1]);
}

#[test]
fn cameras_are_added_and_removed() {
    let mut harness = harness(live(1));
    assert!(harness.query_by_label("Remove from the grid").is_none());
    click(&mut harness, "Add camera…");
    assert_eq!(harness.state().shell.sheet, Some(Sheet::AddCamera));
    click(&mut harness, "Simulated camera · sim:");
    harness.state_mut().settle();
    harness.run();
    assert!(harness.state().shell.sheet.is_none());
    assert_eq!(harness.state().panes.len(), 2);
    assert_eq!(harness.state().panes[1].spec.to_string(), "sim:");
    assert_eq!(selected(harness.state()), 2, "what was added is selected");
    assert!(harness.state().shows_grid());
    // It is offered no more; an address has its own dialogue.
    click(&mut harness, "Add camera…");
    assert!(harness.query_by_label("Simulated camera · sim:").is_none());
    harness.get_all_by_label("Address…").last().unwrap().click();
    harness.run();
    harness.event(egui::Event::Paste("rtsp://cam9/live".to_owned()));
    harness.run();
    click(&mut harness, "Add");
    harness.state_mut().settle();
    harness.run();
    assert_eq!(harness.state().panes.len(), 3);
    assert!(harness.state().panes[2].awaited.is_none(), "it wants no password as far as is known");
    // Twice the same is once.
    let again = harness.state().panes[0].spec.clone();
    harness.state_mut().add(again);
    harness.run();
    assert_eq!((harness.state().panes.len(), selected(harness.state())), (3, 1));
    harness.get_by_label("This camera is shown already.");
    click(&mut harness, "Remove from the grid");
    harness.state_mut().settle();
    harness.run();
    assert_eq!(harness.state().panes.len(), 2);
    assert_eq!(selected(harness.state()), 1, "the next one is selected");
    let last = harness.state().panes[1].id();
    harness.state_mut().remove(last);
    let last = harness.state().panes[0].id();
    harness.state_mut().remove(last);
    harness.run();
    assert_eq!(harness.state().panes.len(), 1, "one stays");
    assert_eq!(harness.state().shell.settings.shown.cameras, [last]);
}

#[test]
fn there_are_sixteen_at_most() {
    let mut harness = harness(live(MAX_SHOWN));
    harness.state_mut().add(SourceSpec::parse("sim:").unwrap());
    harness.run();
    assert_eq!(harness.state().panes.len(), MAX_SHOWN);
    harness.get_by_label_contains("16 cameras are shown: remove one of them first.");
    assert!(harness.query_by_label("Add another camera").is_none());
}

#[test]
fn an_empty_place_offers_to_add_a_camera() {
    let mut harness = harness(live(3));
    click(&mut harness, "Add another camera");
    assert_eq!(harness.state().shell.sheet, Some(Sheet::AddCamera));
}

#[test]
fn a_camera_has_the_name_that_the_user_gives_it() {
    let mut harness = harness(live(2));
    harness.get_by_role_and_label(Role::TextInput, "Name of the camera").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Name of the camera").type_text("Front door ");
    harness.run();
    harness.get_by_label_contains("1. Front door , live");
    // No key is a command while somebody types.
    assert!(requests(&mut harness).is_empty() && harness.state().shows_grid());
    press(&mut harness, Key::Tab);
    harness.get_by_label("1. Front door, live · 100 · 30.0 fps");
    click(&mut harness, "Snapshot");
    assert!(requests(&mut harness)[0].contains("camera: \"Front door\""));
    harness.state_mut().list_panes();
    assert_eq!(harness.state().shell.settings.camera(&source(1)).label(), "Front door");
    click(&mut harness, "Reset Name of the camera");
    harness.get_by_label("1. cam1/live, live · 100 · 30.0 fps");
}

#[test]
fn the_log_is_that_of_the_selected_camera() {
    let mut window = window(live(2));
    window.panes[0].settings.rename("Front door");
    let event = |id, camera: Option<u32>, message: &str| {
        Arc::new(Event {
            id,
            at: jiff::Timestamp::now(),
            instant: window.shell.now,
            camera: camera.map(CameraId),
            source: String::new(),
            level: Level::Info,
            name: "test".to_owned(),
            message: message.into(),
            details: serde_json::Map::new(),
        })
    };
    let events = [event(1, Some(1), "of one"), event(2, Some(2), "of two"), event(3, None, "of none")];
    window.shell.log.add(events);
    let mut harness = sized(window, vec2(1440.0, 900.0));
    harness.get_by_label_contains("of one");
    harness.get_by_label_contains("of none");
    assert!(harness.query_by_label_contains("of two").is_none());
    let place = tile(&harness, "2. ").center();
    click_at(&mut harness, place, 1);
    harness.get_by_label_contains("of two");
    assert!(harness.query_by_label_contains("of one").is_none());
    click(&mut harness, "every camera");
    harness.get_by_label_contains("test Front door: of one");
    harness.get_by_label_contains("test cam2/live: of two");
}

#[test]
fn only_what_is_seen_is_wanted_of_the_cameras() {
    #[track_caller]
    fn check(window: &Window, is_hidden: bool, expected: &[Demand]) {
        let demands: Vec<_> = window.panes.iter().map(|pane| window.demand(pane, is_hidden, 1.0)).collect();
        assert_eq!(demands, expected);
    }
    let mut harness = harness(live(2));
    // In steps of 64 pixels.
    let size = self::tile(&harness, "1. ").size();
    assert!((513.0..=576.0).contains(&size.x) && (513.0..=576.0).contains(&size.y), "{size:?}");
    let tile = Demand::Tile(Size { width: 576, height: 576 });
    check(harness.state(), false, &[tile, tile]);
    check(harness.state(), true, &[Demand::Checks, Demand::Checks]);
    press(&mut harness, Key::Num2);
    check(harness.state(), false, &[Demand::Checks, Demand::Full]);
    press(&mut harness, Key::Escape);
    // A check-up judges what the camera makes, and so does a snapshot.
    harness.state_mut().with_selected(Pane::check_up);
    harness.run_steps(3);
    check(harness.state(), false, &[tile, Demand::Full]);
    check(harness.state(), true, &[Demand::Checks, Demand::Full]);
    let alone = sized(window(live(1)), vec2(1440.0, 900.0));
    check(alone.state(), false, &[Demand::Full]);
}

#[test]
fn a_snapshot_of_a_tile_waits_for_the_whole_picture() {
    let mut harness = harness(live(2));
    let now = harness.state().shell.now;
    harness.state_mut().panes[0].set_demand(Demand::Tile(Size { width: 512, height: 512 }), now);
    harness.state_mut().panes[0].frame = Some(frame((426, 240), Duration::ZERO));
    press(&mut harness, Key::S);
    assert!(requests(&mut harness).is_empty());
    assert!(harness.state().panes[0].needs_full_size());
    harness.state_mut().with_selected(Pane::serve_snapshots);
    assert!(requests(&mut harness).is_empty());
    harness.state_mut().panes[0].frame = Some(frame((1280, 720), Duration::ZERO));
    harness.state_mut().with_selected(Pane::serve_snapshots);
    assert!(requests(&mut harness)[0].starts_with("Snapshot("));
    assert!(!harness.state().panes[0].needs_full_size());
    // A camera that gives no other for long has to do.
    harness.state_mut().panes[0].frame = Some(frame((426, 240), Duration::ZERO));
    press(&mut harness, Key::S);
    harness.state_mut().shell.now += Duration::from_secs(3);
    harness.state_mut().with_selected(Pane::serve_snapshots);
    assert!(requests(&mut harness)[0].starts_with("Snapshot("));
    // What is asked a name for is kept from the moment of asking, and replaced by the whole picture.
    harness.state_mut().with_selected(Pane::save_snapshot_as);
    harness.state_mut().panes[0].frame = Some(frame((1280, 720), Duration::ZERO));
    harness.state_mut().with_selected(Pane::serve_snapshots);
    let waiting = harness.state().panes[0].waiting_frame.clone().unwrap();
    assert_eq!(waiting.image.size(), Size { width: 1280, height: 720 });
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("not read".to_owned())
    }
}

#[test]
fn what_is_dropped_on_a_tile_opens_there_and_beside_the_tiles_is_added() {
    #[track_caller]
    fn drop_at(harness: &mut Shown, place: Option<Pos2>, file: &Path) {
        harness.input_mut().dropped_files.push(Arc::new(Dropped(file.to_owned())));
        match place {
            Some(place) => harness.hover_at(place),
            None => harness.remove_cursor(),
        }
        harness.run_steps(2);
        harness.state_mut().shell.now += Duration::from_secs(1);
        harness.run();
        carry_out(harness, &Passwords::default());
        harness.run();
    }
    let folder = tempfile::tempdir().unwrap();
    let shortcut = folder.path().join("Door.url");
    std::fs::write(&shortcut, "[InternetShortcut]\r\nURL=http://cam8/video\r\n").unwrap();
    let mut shown = harness(live(2));
    let place = tile(&shown, "2. ").center();
    drop_at(&mut shown, Some(place), Path::new("/tmp/film.mp4"));
    let specs = |harness: &Shown| harness.state().panes.iter().map(|pane| pane.spec.to_string()).collect::<Vec<_>>();
    assert_eq!(specs(&shown), ["rtsp://admin@cam1/live", "/tmp/film.mp4"]);
    drop_at(&mut shown, None, &shortcut);
    assert_eq!(specs(&shown), ["rtsp://admin@cam1/live", "/tmp/film.mp4", "http://cam8/video"]);
    // One picture is one tile.
    let mut alone = harness(live(1));
    drop_at(&mut alone, None, Path::new("/tmp/film.mp4"));
    assert_eq!(specs(&alone), ["/tmp/film.mp4"]);
}

#[test]
fn a_camera_that_is_shown_in_another_tile_is_selected_and_not_opened_twice() {
    let mut harness = harness(live(2));
    let (first, second) = (harness.state().panes[0].id(), harness.state().panes[1].spec.clone());
    harness.state_mut().choose(first, second);
    harness.run();
    assert_eq!(order(harness.state()), [1, 2]);
    assert_eq!(selected(harness.state()), 2);
}

#[test]
fn what_was_shown_is_restored() {
    let mut first = window(live(3));
    first.swap(first.panes[0].id(), first.panes[2].id());
    first.show_alone(first.panes[1].id());
    first.list_panes();
    let settings = first.shell.settings.clone();
    let sources: Vec<_> =
        settings.shown.cameras.iter().map(|id| settings.listed(*id).unwrap().source.clone()).collect();
    let mut again = Window::new(SourceSpec::parse(&sources[0]).unwrap(), settings.clone(), Instant::now());
    for source in &sources[1..] {
        let spec = SourceSpec::parse(source).unwrap();
        again.push(spec.clone(), spec.settings(&settings));
    }
    again.restore();
    assert_eq!(order(&again), [3, 2, 1]);
    assert_eq!(again.panes.iter().map(Pane::id).collect::<Vec<_>>(), settings.shown.cameras);
    assert_eq!(again.selected, CameraId(2));
    assert!(!again.shows_grid());
}

/// At every size, and however many there are: tiles are equal, do not overlap, and lie inside the window.
#[test]
fn tiles_fit() {
    #[track_caller]
    fn check(n: usize, size: (f32, f32), scale_percent: u32, theme: Theme) {
        let mut statuses = live(n);
        statuses[n / 2] = failing();
        let mut window = window(statuses);
        window.shell.settings.window.theme = theme;
        window.shell.settings.window.scale_percent = scale_percent;
        let mut harness = sized(window, vec2(size.0, size.1));
        harness.run();
        let rects: Vec<_> = (1..=n).map(|number| tile(&harness, &format!("{number}. "))).collect();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let width = size.0 * 100.0 / scale_percent as f32;
        for (i, rect) in rects.iter().enumerate() {
            let told = format!("{n} in {size:?} at {scale_percent} %: {rect:?}");
            assert!(rect.left() >= 0.0 && rect.right() <= width + 0.5, "{told}");
            assert!((rect.size() - rects[0].size()).length() < 0.1, "{told}");
            assert!(rect.width() >= 90.0 && rect.height() >= 50.0, "{told}");
            for other in &rects[i + 1..] {
                assert!(!rect.shrink(0.1).intersects(*other), "{told} {other:?}");
            }
        }
    }
    for n in [2, 4, 9, 12, MAX_SHOWN] {
        check(n, (1440.0, 900.0), 100, Theme::Dark);
        check(n, (1024.0, 600.0), 100, Theme::Light);
        check(n, (1440.0, 900.0), 200, Theme::Light);
        check(n, (760.0, 520.0), 100, Theme::Dark);
    }
    check(3, (760.0, 520.0), 200, Theme::Dark);
}
