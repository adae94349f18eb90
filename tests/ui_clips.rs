//! Recording in the window: what is set, the list of clips, and the player.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::clips::{Clip, ClipKind, list};
use camclinic::packet::ring::KeptPackets;
use camclinic::recorder::index::ClipReader;
use camclinic::report::read_clip;
use camclinic::secrets::Passwords;
use camclinic::settings::{RecordingMethod, Settings};
use camclinic::source::SourceSpec;
use camclinic::status::Status;
use camclinic::ui::background::WindowHandle;
use camclinic::ui::recording::ClipFolderState;
use camclinic::ui::shell::{Sheet, WindowRequest};
use camclinic::ui::window::Window;
#[cfg(feature = "opencv")]
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use tempfile::TempDir;

use super::commands::{command_in, stderr};
#[cfg(feature = "opencv")]
use super::ui::press;
use super::ui::{carry_out, click, harness, requests, status};

const SOURCE: &str = "sim:320x240@30,stall@6s+2s,seed=5";
/// So long is waited for what comes at once.
const FAR: Duration = Duration::from_mins(1);

/// A folder with one clip, recorded of a camera that stalls for two seconds; made once.
fn recorded() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command_in(folder.path(), &["record", SOURCE, "--faults-only", "--duration", "0.35"]);
        let output = command.arg("--to").arg(folder.path().join("clips")).output().unwrap();
        assert_eq!(list(&folder.path().join("clips")).unwrap().clips.len(), 1, "{}", stderr(&output));
        folder
    });
    folder.path()
}

/// A copy of it, which a test may change.
fn clips_folder(place: &TempDir) -> PathBuf {
    let to = place.path().join("clips");
    for clip in list(&recorded().join("clips")).unwrap().clips {
        for file in [&clip.path, &clip.sidecar_path].into_iter().chain(&clip.picture) {
            let copy = to.join(file.strip_prefix(recorded().join("clips")).unwrap());
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(file, copy).unwrap();
        }
    }
    to
}

/// A window whose camera is the one of the clips, with that folder.
fn window(folder: &Path) -> Window {
    let mut settings = Settings::default();
    settings.choose_clip_folder(Some(folder.to_owned()));
    let mut window = Window::new(SourceSpec::parse(SOURCE).unwrap(), settings, Instant::now());
    window.panes[0].status = Some(Arc::new(Status { source: SOURCE.to_owned(), ..status() }));
    window
}

fn clip_of(folder: &Path) -> Clip {
    list(folder).unwrap().clips.remove(0)
}

/// Lets threads run that go on by themselves, and tells the window what comes of them, until it is so.
struct Stage {
    harness: Harness<'static, Window>,
    handle: (WindowHandle, crossbeam_channel::Receiver<camclinic::ui::background::WindowUpdate>),
}

impl Stage {
    fn new(window: Window) -> Self {
        Self { harness: harness(window), handle: WindowHandle::new(Passwords::default(), Arc::new(|| {})) }
    }

    #[track_caller]
    fn wait(&mut self, what: &str, is_so: impl Fn(&Harness<'static, Window>) -> bool) {
        let deadline = Instant::now() + FAR;
        loop {
            for request in std::mem::take(&mut self.harness.state_mut().shell.requests) {
                if let WindowRequest::Run(task) = request {
                    let handle = self.handle.0.clone();
                    thread::spawn(move || task.run(&handle));
                }
            }
            self.handle.1.try_iter().for_each(|update| update(self.harness.state_mut()));
            self.harness.state_mut().shell.now = Instant::now();
            self.harness.step();
            if is_so(&self.harness) {
                return;
            }
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn has(words: &str) -> impl Fn(&Harness<'static, Window>) -> bool {
    move |harness| harness.query_all_by_label_contains(words).next().is_some()
}

#[test]
fn what_is_recorded_is_set_of_each_camera() {
    let place = tempfile::tempdir().unwrap();
    let mut harness = harness(window(place.path()));
    assert!(requests(&mut harness).is_empty(), "what is off costs nothing");
    // They may lie below what is scrolled into view.
    harness.get_by_label("Watch for faults").click_accesskit();
    harness.run();
    assert!(harness.state().panes[0].settings.recording.watches_for_faults);
    let asked = requests(&mut harness);
    assert!(asked.len() == 1 && asked[0].starts_with("OpenClipFolder"), "{asked:?}");
    harness.get_by_label("Time lapse").click_accesskit();
    harness.run();
    assert_eq!(harness.state().panes[0].settings.recording.method, RecordingMethod::TimeLapse);
    harness.get_by_label("A picture each");
    harness.get_by_label_contains("What it costs is told here");
    harness.get_by_label("Folder and limits…").click_accesskit();
    harness.run();
    assert_eq!(harness.state().shell.sheet, Some(Sheet::ClipLimits));
    for label in ["Keep clips", "All clips", "Leave free"] {
        harness.get_by_label(label);
    }
    click(&mut harness, "Browse…");
    let asked = requests(&mut harness);
    assert_eq!(asked, ["Browse(ClipFolder)"]);
}

#[test]
fn a_folder_is_opened_once_and_known_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("clips");
    let mut harness = harness(window(&folder));
    harness.state_mut().panes[0].settings.recording.watches_for_faults = true;
    harness.run();
    carry_out(&mut harness, &Passwords::default());
    let id = harness.state().shell.settings.clips.folder_id.clone();
    assert!(id.is_some() && matches!(harness.state().shell.clip_folder, ClipFolderState::Open(_)));
    harness.run();
    assert!(requests(&mut harness).is_empty());
    // Its disk is gone: another folder of this name is not taken for it.
    std::fs::remove_file(folder.join(".camclinic")).unwrap();
    harness.state_mut().shell.clip_folder = ClipFolderState::Unknown;
    harness.run();
    carry_out(&mut harness, &Passwords::default());
    harness.run();
    harness.get_by_label_contains("NOT recording");
    let ClipFolderState::Failed { why, .. } = &harness.state().shell.clip_folder else { panic!() };
    assert!(why.contains("not connected"), "{why}");
    assert!(harness.state().panes[0].settings.recording.watches_for_faults, "it is watched again once it is back");
    // Chosen anew it is as good as new.
    harness.state_mut().shell.choose_clip_folder(None);
    harness.state_mut().shell.choose_clip_folder(Some(folder));
    harness.run();
    carry_out(&mut harness, &Passwords::default());
    assert!(matches!(harness.state().shell.clip_folder, ClipFolderState::Open(_)));
}

#[test]
fn what_is_kept_can_be_saved_while_it_is_watched() {
    let place = tempfile::tempdir().unwrap();
    let mut fleet = camclinic::fleet::Fleet::new(
        camclinic::logging::EventLog::new(),
        camclinic::network::KnownLogins::default(),
        Arc::new(|| {}),
    );
    let spec = SourceSpec::parse("sim:160x120@30").unwrap();
    let settings = spec.settings(&Settings::default());
    let id = camclinic::settings::CameraId(1);
    let camera = fleet.add(id, spec, &settings, &camclinic::settings::TrustedCertificates::default()).unwrap();
    let folder = camclinic::clips::ClipFolder::open(place.path(), None, camclinic::event::now()).unwrap();
    let plan = camclinic::recorder::RecordingPlan::new(camclinic::recorder::RecordingMode::Faults);
    let log = camclinic::logging::EventLog::new();
    let recorder = camclinic::recorder::Recorder::start(camera, id, folder, plan, &log).unwrap();
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        let deadline = Instant::now() + FAR;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    wait("nothing is kept", &|| recorder.news(Instant::now()).kept.span >= Duration::from_secs(1));
    let kept: KeptPackets = recorder.news(Instant::now()).kept;
    assert!(kept.bytes_per_sec().is_some() && kept.bytes_per_key().is_some());
    assert!(!recorder.news(Instant::now()).recording.is_writing);
    recorder.save_kept();
    wait("no clip is begun", &|| recorder.news(Instant::now()).recording.is_writing);
    drop(recorder);
    let clip = clip_of(place.path());
    assert_eq!(clip.kind(), ClipKind::Manual);
    assert!(clip.secs().unwrap() >= 0.9, "{clip:?}");
}

#[test]
fn clips_are_listed_kept_and_deleted() {
    let place = tempfile::tempdir().unwrap();
    let folder = clips_folder(&place);
    let mut stage = Stage::new(window(&folder));
    click(&mut stage.harness, "Clips");
    stage.wait("the clip is listed", has("Fault: stall"));
    #[cfg(feature = "opencv")]
    stage.wait("its picture is made", |harness| harness.state().shell.requests.is_empty());
    let harness = &mut stage.harness;
    assert!(harness.get_by_label("Delete…").accesskit_node().is_disabled());
    harness.get_by_label_contains("Fault: stall").click();
    harness.run();
    // One of a fault is protected by what it is, until somebody says otherwise.
    assert!(!harness.get_by_label("Unprotect").accesskit_node().is_disabled());
    click(harness, "By hand");
    harness.get_by_label_contains("No clip fits");
    click(harness, "Faults");
    harness.get_by_label_contains("Fault: stall");
    click(harness, "Export…");
    assert!(requests(harness).contains(&"Browse(ExportClips)".to_owned()));
    let zip = place.path().join("case");
    harness.state_mut().with_selected(|pane, shell| {
        pane.picked(shell, camclinic::ui::prompt::Purpose::ExportClips, zip.to_str().unwrap()).unwrap();
    });
    stage.wait("it is exported", has("One clip was copied and compared"));
    assert!(std::fs::read(place.path().join("case.zip")).unwrap().starts_with(b"PK"));
    let archived = place.path().join("case 7");
    stage.harness.state_mut().with_selected(|pane, shell| {
        pane.picked(shell, camclinic::ui::prompt::Purpose::ArchiveClips, archived.to_str().unwrap()).unwrap();
    });
    stage.wait("it is archived", |_| place.path().join("case_7/manifest.json").exists());
    stage.wait("the end is told", has("case_7"));
    click(&mut stage.harness, "Check all");
    stage.wait("all is good", has("All clips are as they were written."));
    // Nothing goes without being asked.
    click(&mut stage.harness, "Delete…");
    stage.harness.get_by_label_contains("for good? It is protected.");
    click(&mut stage.harness, "Keep it");
    assert_eq!(list(&folder).unwrap().clips.len(), 1);
    click(&mut stage.harness, "Delete…");
    click(&mut stage.harness, "Delete for good");
    stage.wait("it is gone", has("There is no clip yet"));
    assert!(list(&folder).unwrap().clips.is_empty());
}

/// What the clock showed at the moment that the player shows.
#[cfg(feature = "opencv")]
fn position(harness: &Harness<'static, Window>) -> Option<jiff::Timestamp> {
    let shell = &harness.state().shell;
    shell.player.as_ref()?.clock(shell.now)
}

#[cfg(feature = "opencv")]
#[test]
fn a_clip_is_played_and_never_taken_for_live() {
    let place = tempfile::tempdir().unwrap();
    let folder = clips_folder(&place);
    let clip = clip_of(&folder);
    let mut stage = Stage::new(window(&folder));
    stage.harness.state_mut().shell.play_clip(&clip, None);
    stage.wait("a picture is shown", has("Picture of a recording, not live"));
    stage.harness.get_by_label("PLAYBACK");
    stage.harness.get_by_label_contains("not live · ");
    stage.harness.get_by_label_contains("Fault: stall");
    assert!(stage.harness.query_by_label("Live picture").is_none());
    stage.wait("it plays on", |harness| {
        position(harness).is_some_and(|at| at.duration_since(clip.name.started.at()).as_secs_f64() > 0.3)
    });
    stage.harness.get_by_label("Pause").click();
    stage.wait("it stands still", has("Play"));
    // To the outage, as its cause says.
    let gap = clip.about().unwrap().gaps[0].clone();
    let middle = gap.at.later_by_ms(1_000).at();
    stage.harness.state_mut().shell.play_clip(&clip, Some(middle));
    stage.wait("the cause is told", has("No picture for"));
    stage.wait("its picture is shown", has("Picture of a recording, not live"));
    let at = position(&stage.harness).unwrap();
    assert!(at.duration_since(middle).abs().as_secs_f64() < 0.1, "{at} {middle}");
    for (key, secs) in [(Key::ArrowLeft, -1.0), (Key::ArrowRight, 1.0)] {
        let before = position(&stage.harness).unwrap();
        press(&mut stage.harness, key);
        let moved = position(&stage.harness).unwrap().duration_since(before).as_secs_f64();
        assert!((moved - secs).abs() < 0.01, "{key:?}: {moved}");
    }
    // From the outage a step leads to the first picture behind it, and back to the last one before it.
    press(&mut stage.harness, Key::Period);
    let behind = position(&stage.harness).unwrap();
    assert!(behind.duration_since(gap.at.at()).as_secs_f64() >= gap.secs - 0.1, "{behind}");
    press(&mut stage.harness, Key::Comma);
    let before = position(&stage.harness).unwrap();
    assert!(before.duration_since(gap.at.at()).abs().as_secs_f64() < 0.05, "{before}");
    press(&mut stage.harness, Key::Escape);
    assert!(stage.harness.state().shell.player.is_none());
    assert!(stage.harness.query_by_label("PLAYBACK").is_none());
}

#[test]
fn a_file_that_is_no_clip_is_told() {
    let place = tempfile::tempdir().unwrap();
    let folder = clips_folder(&place);
    let clip = clip_of(&folder);
    std::fs::write(&clip.path, vec![b'x'; 100_000]).unwrap();
    let mut stage = Stage::new(window(&folder));
    stage.harness.state_mut().shell.play_clip(&clip, None);
    stage.wait("why it is not shown", has("This clip cannot be shown."));
    stage.harness.get_by_label("PLAYBACK");
    click(&mut stage.harness, "Back to live");
    assert!(stage.harness.state().shell.player.is_none());
}

#[test]
fn a_moment_leads_to_its_clip() {
    let place = tempfile::tempdir().unwrap();
    let folder = clips_folder(&place);
    let clip = clip_of(&folder);
    let mut stage = Stage::new(window(&folder));
    stage.harness.state_mut().shell.list_clips();
    stage.wait("clips are listed", |harness| {
        let about = clip.about().unwrap();
        harness.state().shell.clips.clip_at(SOURCE, about.gaps[0].at.at()).is_some()
    });
    let clips = &stage.harness.state().shell.clips;
    let started = clip.name.started;
    assert!(clips.clip_at(SOURCE, started.later_by_ms(-1).at()).is_none());
    assert!(clips.clip_at("sim:", started.later_by_ms(500).at()).is_none());
    assert_eq!(clips.newest_of_fault(SOURCE).map(|clip| &clip.path), Some(&clip.path));
}

#[test]
fn a_report_takes_a_clip_along_if_somebody_wants_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = clips_folder(&place);
    let mut stage = Stage::new(window(&folder));
    click(&mut stage.harness, "Report…");
    stage.wait("the clip is offered", has("Add the clip of the newest fault ("));
    stage.wait("it is looked through", has("report.html"));
    assert!(stage.harness.query_by_label("clip.mp4").is_none(), "nobody has agreed yet");
    stage.harness.get_by_label_contains("Add the clip of the newest fault (").click_accesskit();
    stage.wait("it is in the preview", has("clip.mp4"));
    stage.harness.get_by_label_contains("Add the clip of the newest fault (").click_accesskit();
    stage.wait("it is left out", |harness| harness.query_by_label("clip.mp4").is_none() && has("report.html")(harness));
}

#[test]
fn a_large_clip_is_cut_around_its_trouble() {
    let clip = clip_of(&recorded().join("clips"));
    let read = |max_bytes: u64| read_clip(&clip.path, clip.about(), max_bytes).unwrap();
    assert_eq!(read(clip.bytes).map(|bytes| bytes.len() as u64), Some(clip.bytes));
    let part = read(clip.bytes - 1).unwrap();
    assert!((part.len() as u64) < clip.bytes);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("part.mp4");
    std::fs::write(&file, part).unwrap();
    let reader = ClipReader::open(&file).unwrap();
    // The time without pictures is in it.
    let longest = reader.pictures().iter().map(|picture| picture.duration / 90_000).max().unwrap();
    assert!(longest >= 1 && !reader.notes().unwrap().is_empty(), "{longest} s");
    assert_eq!(read(100), None);
}
