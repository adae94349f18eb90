//! The check-up against cameras that misbehave, each in its own way: what is said must be what was done to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::Camera;
use camclinic::checkup::{self, Checkup, CheckupRequest, Live};
use camclinic::logging::EventLog;
use camclinic::network::KnownLogins;
use camclinic::phrases::Language;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::SourceSpec;
use camclinic::status::{State, Status};
use crossbeam_channel::{bounded, never};

use super::commands::{camclinic, check_usage, json, stderr, stdout};

/// Cameras that are checked at the same time: most of the time they only wait.
const AT_ONCE: usize = 4;

pub fn request(source: &str) -> CheckupRequest {
    CheckupRequest {
        spec: SourceSpec::parse(source).unwrap(),
        settings: CameraSettings::default(),
        trusted: TrustedCertificates::default(),
        logins: KnownLogins::default(),
        live: None,
        folder: std::env::temp_dir(),
        records: None,
        watch: None,
        with_experiments: false,
    }
}

/// Checks all of them up, a few at a time; in their order.
fn check_all(sources: &[String]) -> Vec<Checkup> {
    let next = AtomicUsize::new(0);
    let done = std::sync::Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for n in 0..AT_ONCE {
            let work = || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(index) else { return };
                    let checkup = checkup::run(&request(source), &never(), &mut |_| {});
                    done.lock().unwrap().insert(index, checkup);
                }
            };
            thread::Builder::new().name(format!("checkup-{n}")).spawn_scoped(scope, work).unwrap();
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// The computer had so much else to do that it may have lost frames: true, and no word about the camera.
fn was_busy(checkup: &Checkup) -> bool {
    checkup.facts.computer.as_ref().is_some_and(|computer| computer.cpu_percent >= 90.0)
}

/// The names of what was found that can be a verdict, what explains most first.
fn slugs(checkup: &Checkup) -> Vec<&'static str> {
    let likely = checkup.findings.iter().filter(|finding| finding.judgement.confidence >= 0.5);
    likely.map(|finding| finding.entry.slug).collect()
}

/// What is done to a camera, and what must be said of it. `|` parts those that mean the same.
const FAULTS: &[(&str, &str)] = &[
    ("open-busy", "busy-linux|busy-windows|busy-macos"),
    ("open-denied", "node-permission|privacy-windows|privacy-macos"),
    ("open-missing", "no-camera"),
    ("open-hang", "open-hangs"),
    ("stall", "no-picture"),
    ("stall@1500ms", "no-picture|read-hangs"),
    ("hang@1500ms", "read-hangs"),
    ("crash@1500ms", "driver-crash"),
    ("unplug@1500ms", "unplugged"),
    ("drop=30", "usb-errors|computer-slow"),
    ("corrupt=30", "usb-errors"),
    ("format=mjpeg,torn=40", "torn"),
    ("format=yuyv,torn=40", "torn"),
    ("slow=10", "rate-untrue"),
    ("late=1s", "late-frames"),
    ("time-back@1500ms+1s", "times-wrong"),
    ("resize=320x240@1500ms", "other-size"),
    ("black", "shutter"),
    ("cap", "lens-covered"),
    ("dark", "under-exposed"),
    ("bright", "over-exposed"),
    ("green", "green"),
    ("frozen@1s", "frozen"),
    ("blur", "out-of-focus"),
    ("noise", "noise"),
    ("flicker=50", "banding"),
    ("flicker=60,@25", "banding"),
    ("infrared", "infrared"),
    ("cast", "white-balance"),
    ("comb", "combing"),
    ("doubled", "doubled"),
    ("letterbox", "black-bars"),
    ("frozen,pattern=still", "frozen"),
    ("cap,format=mjpeg", "lens-covered"),
    ("infrared,pattern=still", "infrared"),
];

#[test]
fn every_simulated_fault_has_its_verdict() {
    let sources: Vec<_> = FAULTS.iter().map(|(fault, _)| format!("sim:{fault}")).collect();
    let mut checkups = check_all(&sources);
    // What a computer that is busy with other tests has kept from being seen shows alone.
    for (checkup, (source, (_, expected))) in checkups.iter_mut().zip(sources.iter().zip(FAULTS)) {
        if slugs(checkup).first().is_none_or(|first| !expected.split('|').any(|right| right == *first)) {
            *checkup = checkup::run(&request(source), &never(), &mut |_| {});
        }
    }
    let (mut n_first, mut n_in_three, mut n_silent, mut wrong) = (0, 0, 0, Vec::new());
    println!("{:<28} {:<24} {:>6} {:>6}  besides", "what was done", "what was said", "sure", "took");
    for ((fault, expected), checkup) in FAULTS.iter().zip(&checkups) {
        let mut found = slugs(checkup);
        if was_busy(checkup) && !expected.contains("computer-slow") {
            found.retain(|slug| *slug != "computer-slow");
        }
        if was_busy(checkup) && found.is_empty() {
            println!("{fault:<28} not judged: the computer has other work");
            n_silent += 1;
            continue;
        }
        let is_right = |slug: &&&str| expected.split('|').any(|right| right == **slug);
        let place = found.iter().position(|slug| is_right(&slug));
        n_first += usize::from(place == Some(0));
        n_in_three += usize::from(place.is_some_and(|place| place < 3));
        let sure = checkup.verdict().map_or(0.0, |verdict| verdict.judgement.confidence);
        let first = found.first().copied().unwrap_or("-");
        let mark = if place == Some(0) { ' ' } else { '!' };
        let took = checkup.took.as_secs_f64();
        println!(
            "{fault:<28} {first:<24} {sure:>6.2} {took:>5.1}s{mark} {}",
            found.get(1..).unwrap_or_default().join(" ")
        );
        if place != Some(0) {
            wrong.push(format!("{fault}: {found:?} in place of {expected}"));
        }
    }
    // What others do with the processors may keep a verdict back.
    assert!(n_silent * 10 <= FAULTS.len(), "{n_silent} were not judged");
    let n = FAULTS.len() - n_silent;
    println!("first {n_first} of {n}, among the first three {n_in_three}");
    assert!(n_first * 100 >= n * 90 && n_in_three * 100 >= n * 99, "{}", wrong.join("\n"));
}

#[test]
fn healthy_cameras_have_no_verdict() {
    let mut sources: Vec<_> = (0..20).map(|seed| format!("sim:seed={seed}")).collect();
    for pattern in ["still", "night", "gradient", "noise", "chart"] {
        sources.push(format!("sim:pattern={pattern}"));
    }
    for more in ["format=yuyv", "format=mjpeg", "1280x720", "@15", "@60", "320x240,format=mjpeg,pattern=still"] {
        sources.push(format!("sim:{more}"));
    }
    let is_wrong = |checkup: &Checkup| match slugs(checkup).as_slice() {
        ["computer-slow"] => !was_busy(checkup),
        found => !found.is_empty(),
    };
    let wrong = sources.iter().zip(check_all(&sources)).filter(|(_, checkup)| is_wrong(checkup));
    // Pictures that this computer has lost beside other tests: once more, alone.
    let wrong: Vec<_> = wrong
        .map(|(source, _)| (source, checkup::run(&request(source), &never(), &mut |_| {})))
        .filter(|(_, checkup)| is_wrong(checkup))
        .map(|(source, checkup)| format!("{source}: {:?} {:#?}", slugs(&checkup), checkup.facts))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A line of the simulated camera that nobody has written, and what must be said of it; empty for a healthy one.
fn drawn(random: &mut fastrand::Rng) -> (String, &'static str) {
    let size = random.choice(["160x120", "320x240", "352x288", "640x360", "640x480", "800x600"]).unwrap();
    let fps = random.u32(8..=30);
    let format = random.choice(["bgr", "yuyv", "mjpeg"]).unwrap();
    let begins = random.u32(300..=1_500);
    let percent = random.u32(25..=70);
    let (fault, expected) = match random.u8(..24) {
        0 => (format!("stall@{begins}ms"), "no-picture|read-hangs"),
        1 => (format!("hang@{begins}ms"), "read-hangs|open-hangs"),
        2 => (format!("crash@{begins}ms"), "driver-crash"),
        3 => (format!("unplug@{begins}ms"), "unplugged"),
        4 => (format!("drop={percent}"), "usb-errors"),
        5 => (format!("corrupt={percent}"), "usb-errors"),
        6 => (format!("slow={}", fps / 3), "rate-untrue"),
        7 => (format!("late={}ms", random.u32(1_000..=2_000)), "late-frames"),
        8 => (format!("time-back@{begins}ms+1s"), "times-wrong"),
        9 => ("black".to_owned(), "shutter"),
        10 => ("cap".to_owned(), "lens-covered"),
        11 => ("green".to_owned(), "green"),
        12 => (format!("frozen@{begins}ms"), "frozen"),
        13 => ("open-denied".to_owned(), "node-permission|privacy-windows|privacy-macos"),
        14 => ("open-busy".to_owned(), "busy-linux|busy-windows|busy-macos"),
        15 => ("open-missing".to_owned(), "no-camera"),
        16 => ("infrared".to_owned(), "infrared"),
        17 => ("doubled".to_owned(), "doubled"),
        _ => (format!("pattern={}", random.choice(["card", "still", "chart"]).unwrap()), ""),
    };
    (format!("sim:{size}@{fps},format={format},seed={},{fault}", random.u32(..1_000)), expected)
}

/// Others in each run. The seed is printed; the same again with the variable of its name.
#[test]
fn cameras_that_nobody_has_seen() {
    const SEED: &str = "CAMCLINIC_SEED";
    const N: usize = 150;
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let cameras: Vec<_> = (0..N).map(|_| drawn(&mut random)).collect();
    let sources: Vec<_> = cameras.iter().map(|(source, _)| source.clone()).collect();
    let (mut n_right, mut n_acceptable, mut n_silent, mut n_sick) = (0, 0, 0, 0);
    let (mut false_alarms, mut wrong) = (Vec::new(), Vec::new());
    for ((source, expected), checkup) in cameras.iter().zip(check_all(&sources)) {
        let mut found = slugs(&checkup);
        if was_busy(&checkup) {
            found.retain(|slug| *slug != "computer-slow");
        }
        if expected.is_empty() {
            false_alarms.extend(found.first().map(|slug| format!("{source}: {slug}")));
            continue;
        }
        n_sick += 1;
        let is_right = |slug: &&str| expected.split('|').any(|right| right == *slug);
        match found.iter().position(is_right) {
            Some(0) => n_right += 1,
            Some(1 | 2) => n_acceptable += 1,
            _ if found.is_empty() => {
                n_silent += 1;
                println!("silent: {source}");
            }
            _ => {
                let sure = checkup.verdict().map_or(0.0, |verdict| verdict.judgement.confidence);
                let line = format!("{source}: {} ({sure:.2}) in place of {expected}", found[0]);
                println!("wrong: {line}");
                wrong.extend((sure > 0.8).then_some(line));
            }
        }
    }
    println!(
        "figure: of {n_sick} sick ones {n_right} right first, {n_acceptable} among the first three, {n_silent} silent; \
         of {} healthy ones {} called sick; {} wrong and sure",
        N - n_sick,
        false_alarms.len(),
        wrong.len()
    );
    assert!(false_alarms.is_empty() && wrong.is_empty(), "{}\n{}", false_alarms.join("\n"), wrong.join("\n"));
    // The computer may have other work, which keeps verdicts back.
    assert!(n_right * 100 >= n_sick * 80, "{n_right} of {n_sick}");
}

/// A stream that runs in this program.
fn live(source: &str) -> (Camera, Arc<Status>) {
    let settings = CameraSettings::default();
    let camera = Camera::start(
        SourceSpec::parse(source).unwrap(),
        &settings,
        &TrustedCertificates::default(),
        EventLog::new(),
        Arc::new(|| {}),
    )
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut statuses = camera.status();
    while let Some(fresh) = statuses.wait_fresh(deadline) {
        if fresh.value.state == State::Streaming {
            return (camera, fresh.value);
        }
    }
    panic!("{source} never streams: {:?}", statuses.current());
}

fn check_up_live(camera: &Camera, source: &str) -> Checkup {
    let live = Live::of(camera);
    let request = CheckupRequest { live: Some(live), with_experiments: true, ..request(source) };
    checkup::run(&request, &never(), &mut |_| {})
}

#[test]
fn a_stream_that_runs_is_not_disturbed() {
    for (source, expected) in [("sim:", None), ("sim:blur", Some("out-of-focus"))] {
        let (camera, before) = live(source);
        let checkup = check_up_live(&camera, source);
        assert_eq!(checkup.verdict().map(|verdict| verdict.entry.slug), expected, "{source}: {:?}", checkup.findings);
        assert!(checkup.facts.experiments.is_empty());
        let after = camera.status().current().unwrap();
        assert_eq!((after.state, after.open_ms), (State::Streaming, before.open_ms));
        assert!(after.frames > before.frames + 30 && after.drops.total() == before.drops.total());
        assert_eq!(checkup.status.unwrap().state, State::Streaming);
    }
}

#[test]
fn damage_of_a_stream_that_runs_is_known() {
    let source = "sim:format=mjpeg,corrupt=40";
    let (camera, _) = live(source);
    let checkup = check_up_live(&camera, source);
    assert_eq!(slugs(&checkup).first(), Some(&"usb-errors"), "{:?}", checkup.findings);
    assert!(checkup.facts.stream.is_some_and(|stream| stream.n_damaged > 0));
}

#[test]
fn a_stream_that_ends_while_it_is_watched_is_told() {
    let source = "sim:unplug@2s";
    let (camera, _) = live(source);
    let checkup = check_up_live(&camera, source);
    assert_eq!(slugs(&checkup).first(), Some(&"unplugged"), "{:?} {:#?}", checkup.findings, checkup.facts.stream);
}

#[test]
fn a_check_up_can_be_ended_at_any_moment() {
    for (source, after) in [("sim:", 100), ("sim:open-hang", 1_000), ("sim:", 1_200), ("sim:stall", 1_500)] {
        let (alive, cancel) = bounded(0);
        let job = request(source);
        let (done, is_done) = bounded(1);
        thread::Builder::new()
            .name("checkup".into())
            .spawn(move || done.send(checkup::run(&job, &cancel, &mut |_| {})).unwrap())
            .unwrap();
        thread::sleep(Duration::from_millis(after));
        drop(alive);
        let began = Instant::now();
        let checkup = is_done.recv_timeout(Duration::from_mins(1)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{source}: {:?}", began.elapsed());
        assert!(checkup.was_cancelled, "{source}");
    }
}

#[test]
fn what_has_helped_is_the_first_advice() {
    // The camera starts in the other format only.
    let mut request = request("sim:format=mjpeg,corrupt=60");
    request.with_experiments = true;
    let checkup = checkup::run(&request, &never(), &mut |_| {});
    assert!(!checkup.facts.experiments.is_empty(), "{:?}", checkup.findings);
    let helped: Vec<_> = checkup.facts.experiments.iter().filter(|tried| tried.has_helped()).collect();
    let fixes = &checkup.verdict().unwrap().judgement.fixes;
    let n_tried = fixes.iter().filter(|fix| fix.text.key.starts_with("fix.tried.")).count();
    assert_eq!(n_tried, helped.len(), "{fixes:?}");
}

#[test]
fn the_json_is_the_contract() {
    let output = camclinic(&["checkup", "sim:", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let got = json(&output);
    assert!(got["verdict"].is_null() && got["findings"].as_array().unwrap().is_empty(), "{got}");
    assert_eq!(got["status"]["state"], "streaming");
    for check in got["checks"].as_array().unwrap() {
        let outcome = check["outcome"].as_str().unwrap();
        assert!(["good", "warning", "bad", "skipped"].contains(&outcome), "{check}");
        assert!(check["id"].is_string() && check["took_ms"].is_u64() && check["why"].is_string(), "{check}");
    }
    let output = camclinic(&["checkup", "sim:open-busy", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{}{}", stdout(&output), stderr(&output));
    let verdict = &json(&output)["verdict"];
    assert!(verdict["confidence"].as_f64().unwrap() > 0.5);
    for key in ["id", "slug", "title", "because"] {
        assert!(verdict[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {verdict}");
    }
    assert!(verdict["id"].as_str().unwrap().starts_with('F'));
    assert!(!verdict["fixes"].as_array().unwrap().is_empty() && verdict["evidence"].is_array());
    assert_eq!(json(&output)["findings"][0], *verdict);
}

#[test]
fn the_exit_code_is_that_of_the_verdict() {
    for (source, code) in [("sim:", 0), ("sim:blur", 1), ("sim:open-denied", 2), ("sim:open-missing", 2)] {
        let output = camclinic(&["checkup", source]);
        assert_eq!(output.status.code(), Some(code), "{source}: {}{}", stdout(&output), stderr(&output));
    }
    check_usage(&["checkup", "sim:", "--report", "report.pdf"], &["zip"]);
    check_usage(&["checkup", "sim:nonsense"], &["nonsense"]);
}

#[test]
fn backends_are_compared() {
    let output = camclinic(&["checkup", "sim:", "--json", "--compare"]);
    let got = json(&output);
    let rows = got["backends"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), got["backends"]["best"].as_str()), (1, Some("simulated")), "{got}");
    assert!((28.0..32.0).contains(&rows[0]["fps"].as_f64().unwrap()), "{got}");
}

#[test]
fn a_folder_that_takes_no_pictures_is_told() {
    let mut request = request("sim:");
    request.folder = Path::new("/proc/nowhere").to_owned();
    let checkup = checkup::run(&request, &never(), &mut |_| {});
    let folder = checkup.facts.folder.as_ref().unwrap();
    assert!(folder.error.is_some(), "{folder:?}");
    assert!(!slugs(&checkup).is_empty(), "{:?}", checkup.findings);
}

#[test]
fn the_simulated_camera_is_checked_in_this_process_where_that_is_wished() {
    let mut request = request("sim:open-denied");
    request.settings.isolation = Isolation::Off;
    let checkup = checkup::run(&request, &never(), &mut |_| {});
    assert!(checkup.verdict().is_some(), "{:?}", checkup.findings);
}

#[test]
fn no_sentence_lacks_its_words() {
    let checkups = check_all(&["sim:open-hang".to_owned(), "sim:blur,slow=12".to_owned()]);
    for language in Language::ALL {
        for finding in checkups.iter().flat_map(|checkup| &checkup.findings) {
            let text = finding.json(language).to_string();
            for key in ["title.", "because.", "fix.", "evidence."] {
                assert!(!text.contains(&format!("\"{key}")), "{text}");
            }
        }
        for check in checkups.iter().flat_map(|checkup| &checkup.checks) {
            let why = language.say(&check.why);
            assert!(!why.starts_with("check."), "{why}");
        }
    }
}
