//! The support bundle: what is in it, what is not, and how it gets to the disk.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use camclinic::backend::Backend;
use camclinic::checkup::compare::BackendComparison;
use camclinic::checkup::facts::{self, KernelLine, PresenceFacts, StreamSummary};
use camclinic::checkup::slow::LatencyShare;
use camclinic::checkup::{
    Action, CatalogueEntry, CheckOutcome, CheckRun, Checkup, Facts, Finding, Fix, Judgement, Layer, Severity,
};
use camclinic::device::{Device, Holder, holders::Role};
use camclinic::event::Level;
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{Image, Size};
use camclinic::health::History;
use camclinic::logging::{EventLog, files};
use camclinic::packet::ring::KeptPackets;
use camclinic::past::{self, Sample};
use camclinic::phrases::{Language, Message};
use camclinic::recorder::storage::StorageHealth;
use camclinic::recorder::{RecorderNews, RecordingStatus};
use camclinic::report::{ComputerInfo, LogLine, MAX_BYTES, MaskedKind, Masking, Material, Point, Report, Secrets};
use camclinic::source::SourceSpec;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use crate::commands::{camclinic_in, json, stderr, stdout};

const SOURCE: &str = "usb-046d_082d_7F3EA1B2";

/// What must not be found in any member, in any spelling of large and small letters.
const PLANTED: [&str; 14] = [
    "Kassenrechner",
    "anna.maier",
    "bertram",
    "7f3ea1b2",
    "s3cr3t",
    "geheimwort",
    "192.168.77.64",
    "fe80::dead:beef",
    "cam-hinterhof",
    "de:ad:be:ef:00:01",
    "pin=4711",
    "/home/",
    "kundin",
    "nas-keller",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn line(time: &str, level: Level, message: &str) -> LogLine {
    LogLine {
        at: at(time),
        source: SOURCE.to_owned(),
        level,
        name: "stall".to_owned(),
        message: message.to_owned(),
        details: Map::from_iter([("path".to_owned(), json!("/home/kundin/x"))]),
    }
}

static ENTRY: CatalogueEntry = CatalogueEntry {
    id: "F20",
    slug: "busy-linux",
    layer: Layer::Holder,
    severity: Severity::Critical,
    judge: |_| None,
};

fn finding(confidence: f64) -> Finding {
    let fix = Fix::new("none.such")
        .does(Action::ChooseDevice(SOURCE.to_owned()))
        .runs("sudo usermod -aG video anna.maier && echo <done>");
    let judgement = Judgement::new("none.such", confidence)
        .with("program", "<b>zoom</b>")
        .with_evidence(Message::new("why.no-thread").with("error", "<script>alert('x')</script> of anna.maier"))
        .fix(fix);
    Finding { entry: &ENTRY, judgement }
}

/// As a check-up of a camera leaves it that does not work, on a computer full of names.
fn material() -> Material {
    let device = Device {
        identity: SOURCE.to_owned(),
        name: "C920 <img src=x onerror=alert(1)>".to_owned(),
        path: "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_7F3EA1B2-video-index0".to_owned(),
        serial: Some("7F3EA1B2".to_owned()),
        ..Device::default()
    };
    let holder = Holder {
        pid: 4711,
        program: "zoom".to_owned(),
        user: Some("bertram".to_owned()),
        since: None,
        role: Role::Program,
    };
    let facts = Facts {
        source: facts::SourceFacts { name: SOURCE.to_owned(), ..Default::default() },
        presence: Some(PresenceFacts { device: Some(device), ..Default::default() }),
        holders: Some(vec![holder]),
        kernel: Some(vec![
            KernelLine { secs_ago: 90.0, text: "usb 1-2: SerialNumber: 7F3EA1B2".to_owned() },
            KernelLine { secs_ago: 30.0, text: "usb 1-2: USB disconnect on Kassenrechner".to_owned() },
        ]),
        ..Facts::default()
    };
    let checked = |id, outcome, took_ms, why| CheckRun { id, outcome, took_ms, why };
    let checkup = Checkup {
        facts,
        findings: vec![finding(0.95), finding(0.3)],
        checks: vec![
            checked("computer", CheckOutcome::Good, 12, Message::new("outcome.good")),
            checked(
                "holder",
                CheckOutcome::Bad,
                3,
                Message::new("why.no-thread").with("error", "bertram: /home/bertram/x"),
            ),
            checked("open", CheckOutcome::Skipped, 0, Message::new("why.known")),
        ],
        slow: vec![LatencyShare { part: Message::new("report.opening"), ms: 66.7, is_too_long: true }],
        took: Duration::from_millis(321),
        ..Checkup::default()
    };
    let brief = StreamSummary {
        backend: Some(Backend::V4l2),
        fps: Some(29.97),
        fault: Some(Fault::new(FaultKind::Busy, "/home/bertram/zoom holds it")),
        ..StreamSummary::default()
    };
    let now = at("2026-11-21T16:00:00Z");
    let history = (0..600).map(|n| Point {
        at: now - SignedDuration::from_secs(600 - n),
        secs: 1,
        score: if (300..360).contains(&n) { 20 } else { 100 },
        fps: Some(30.0),
        live: Some(1.0),
    });
    Material {
        checkup,
        began: now - SignedDuration::from_secs(5),
        history: history.collect(),
        log: vec![
            line("2026-11-21T15:51:00Z", Level::Warning, "rtsp://bertram:s3cr3t@cam-hinterhof:554/1?pin=4711 is away"),
            line(
                "2026-11-21T15:55:00Z",
                Level::Error,
                "192.168.77.64, fe80::dead:beef and DE:AD:BE:EF:00:01 do not answer",
            ),
            line(
                "2026-11-21T15:55:01Z",
                Level::Info,
                "cam-hinterhof said: password=\"s3cr3t\"; geheimwort; geheimwort%21",
            ),
            line(
                "2026-11-21T15:56:00Z",
                Level::Good,
                r"\\nas-keller\video and C:\Users\Bertram\x by ANNA.MAIER on KASSENRECHNER",
            ),
        ],
        snapshot: Image::new(Size::new(64, 48).unwrap(), vec![90; 64 * 48 * 3]),
        compared: Some(BackendComparison { rows: vec![brief], best: Some(Backend::V4l2) }),
        computer: ComputerInfo {
            host: Some("Kassenrechner".to_owned()),
            user: Some("anna.maier".to_owned()),
            home: Some("/home/anna.maier".into()),
            system: Some("Debian 13".to_owned()),
            kernel: Some("6.12.57".to_owned()),
        },
        recorder: Some(RecorderNews::new(
            Instant::now(),
            RecordingStatus { last_clip: Some("/home/bertram/x.mp4".to_owned()), lost: 4712, ..Default::default() },
            StorageHealth { free_bytes: Some(7_300_000_000), dropped: 3, ..Default::default() },
            KeptPackets::default(),
        )),
        secrets: Secrets(vec!["geheimwort".to_owned()]),
        language: Language::English,
        at: now,
        zone: TimeZone::UTC,
    }
}

/// The members of a zip, unpacked.
fn unpacked(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|n| {
            let mut file = zip.by_index(n).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn report(material: &Material) -> Report {
    Report::build(material, &Masking::default())
}

fn read_json(report: &Report) -> Json {
    serde_json::from_str(report.json()).unwrap()
}

#[test]
fn no_name_and_no_secret_is_in_any_byte() {
    let report = report(&material());
    let members = unpacked(&report.zip().unwrap());
    assert_eq!(
        members.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["report.html", "report.json", "snapshot.jpg"]
    );
    for (name, bytes) in &members {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        for planted in PLANTED {
            let planted = planted.to_lowercase();
            let place =
                text.find(&planted).map(|at| text[at.saturating_sub(80)..].chars().take(160).collect::<String>());
            assert_eq!(place, None, "{planted} in {name}");
        }
    }
    assert_eq!(
        report.members().iter().map(|(_, n)| *n).collect::<Vec<_>>(),
        members.iter().map(|(_, b)| b.len()).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_unmasked_is_there_and_secrets_still_are_not() {
    let mut masking = Masking::default();
    for kind in MaskedKind::ALL {
        masking.set(kind, false);
    }
    let report = Report::build(&material(), &masking);
    for text in [report.html(), report.json()] {
        for shown in ["Kassenrechner", "anna.maier", "bertram", "7F3EA1B2", "192.168.77.64", "cam-hinterhof"] {
            assert!(text.contains(shown), "{shown}");
        }
        for secret in ["s3cr3t", "geheimwort", "pin=4711"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
    assert_eq!(report.summary(Language::English).len(), 1, "{:?}", report.summary(Language::English));
}

#[test]
fn one_name_has_one_number_everywhere() {
    let report = report(&material());
    let json = read_json(&report);
    let user = json["facts"]["holders"][0]["user"].as_str().unwrap();
    let serial = json["facts"]["presence"]["device"]["serial"].as_str().unwrap();
    assert!(user.starts_with("user-") && serial.starts_with("serial-"), "{user} {serial}");
    assert_eq!(json["events"][0]["source"], format!("usb-046d_082d_{serial}"));
    assert_eq!(json["verdict"]["fixes"][0]["action"]["choose-device"], format!("usb-046d_082d_{serial}"));
    assert_eq!(json["kernel"][0]["text"], format!("usb 1-2: SerialNumber: {serial}"));
    assert!(
        json["events"][0]["message"].as_str().unwrap().starts_with(&format!("rtsp://{user}:***@address-")),
        "{json:#}"
    );
    for words in [format!("{user}: ~/x"), format!("usb-046d_082d_{serial}"), format!("SerialNumber: {serial}")] {
        assert!(report.html().contains(&words), "{words}");
    }
    let summary = report.summary(Language::English).join("\n");
    for words in ["host name: 1", "serial numbers: 1", "network addresses: 5", "passwords and other secrets: "] {
        assert!(summary.contains(words), "{words} in {summary}");
    }
}

#[test]
fn the_json_keeps_to_the_contract() {
    let json = read_json(&report(&material()));
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in [
        "verdict", "findings", "checks", "status", "facts", "events", "history", "backends", "slow", "kernel", "report",
    ] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert_eq!(json["verdict"]["id"], "F20");
    assert_eq!(json["findings"].as_array().unwrap().len(), 2);
    assert_eq!(
        json["checks"][2],
        json!({"id": "open", "outcome": "skipped", "took_ms": 0, "why": "Not needed: the cause is known already."})
    );
    assert_eq!(json["history"].as_array().unwrap().len(), 600);
    assert_eq!((&json["recording"]["lost"], &json["storage"]["dropped"]), (&4712.into(), &3.into()));
    assert_eq!(json["kernel"][0]["at"], "2026-11-21T15:58:25Z");
    // The evidence can be judged again.
    let facts: Facts = serde_json::from_value(json["facts"].clone()).unwrap();
    assert_eq!(facts.holders.unwrap()[0].pid, 4711);
}

/// Every tag that is opened is closed, in order; and there is no other tag than ours.
fn check_html(html: &str) {
    const VOID: [&str; 4] = ["meta", "img", "br", "!doctype"];
    let body = html.split_once("</style>").unwrap().1;
    let mut open: Vec<String> = Vec::new();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || "/!".contains(*c)).collect();
        match name.strip_prefix('/') {
            Some("head" | "html") => {}
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "{tag}"),
            None if VOID.contains(&name.as_str()) || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn the_page_is_whole_and_holds_nothing_foreign() {
    for language in Language::ALL {
        let material = Material { language, ..material() };
        let report = report(&material);
        let html = report.html();
        check_html(html);
        assert!(html.contains(&format!("<html lang=\"{}\"", language.code())));
        for foreign in ["<script", "<img src=x", "<b>zoom", "<done>", "http-equiv=\"refresh", "https://"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        for there in [
            "&lt;script&gt;",
            "&lt;img src=x",
            "&lt;done&gt;",
            "data:image/jpeg;base64,",
            "<svg",
            "class=\"kernel\"",
            "class=\"error\"",
        ] {
            assert!(html.contains(there), "{there}");
        }
        for heading in
            ["card.proof", "card.fixes", "card.checks", "card.slow", "card.compared", "report.log", "report.kernel"]
        {
            assert!(html.contains(&language.word(heading)), "{heading}");
        }
    }
}

/// The x of each mark of a class in the first drawing.
fn places(html: &str, class: &str) -> Vec<f64> {
    let svg = html.split("<svg").nth(1).unwrap().split("</svg>").next().unwrap();
    let mark = format!("<g class=\"{class}\"><line x1=\"");
    svg.split(&mark).skip(1).map(|mark| mark.split('"').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn events_and_kernel_messages_stand_on_one_time_axis() {
    let report = report(&material());
    // 34 to 948 is 15:50:00 to 16:00:00: a second is 1.523.
    let of = |secs: f64| 34.0 + 914.0 * secs / 600.0;
    for (class, expected) in [
        ("warning", vec![of(60.0)]),
        ("error", vec![of(300.0)]),
        ("good", vec![of(360.0)]),
        ("kernel", vec![of(505.0), of(565.0)]),
    ] {
        let got = places(report.html(), class);
        assert!(
            got.len() == expected.len() && got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.1),
            "{class}: {got:?} {expected:?}"
        );
    }
    assert_eq!(report.html().matches("<svg").count(), 1, "the week says no more than the hour");
}

#[test]
fn a_healthy_camera_has_no_verdict_and_a_puzzling_one_says_so() {
    let mut material = material();
    material.checkup.findings.clear();
    assert!(report(&material).html().contains("No cause found"));
    material.checkup.checks.retain(|check| check.outcome == CheckOutcome::Good);
    let healthy = report(&material);
    assert!(healthy.html().contains("No trouble found"));
    assert_eq!(read_json(&healthy)["verdict"], Json::Null);
    material.checkup.was_cancelled = true;
    assert!(!report(&material).html().contains("No trouble found"));
}

#[test]
fn a_report_without_anything_is_a_report() {
    let material = Material {
        checkup: Checkup::default(),
        history: Vec::new(),
        log: Vec::new(),
        snapshot: None,
        compared: None,
        computer: ComputerInfo::default(),
        recorder: None,
        secrets: Secrets::default(),
        ..material()
    };
    let report = report(&material);
    check_html(report.html());
    assert!(report.html().contains("No history of this camera."));
    assert_eq!(report.members().len(), 2);
    assert!(report.summary(Language::English).is_empty());
}

#[test]
fn a_clip_goes_with_it_where_it_finds_room() {
    let plain = report(&material());
    let with = plain.clone().with_clip(Some(vec![7; 100_000]));
    assert_eq!(with.members().last(), Some(&("clip.mp4", 100_000)));
    assert_eq!(unpacked(&with.zip().unwrap()).last().unwrap().1, vec![7; 100_000]);
    assert_eq!(with.summary(Language::English), plain.summary(Language::English));
    for none in [Some(vec![7; MAX_BYTES]), None] {
        let without = plain.clone().with_clip(none);
        assert_eq!(without.members(), plain.members());
        let told = without.summary(Language::English);
        assert!(told.last().unwrap().starts_with("the clip, which is too large"), "{told:?}");
    }
}

#[test]
fn the_oldest_goes_when_there_is_too_much() {
    let mut material = material();
    let mut noise = fastrand::Rng::with_seed(7);
    let word = |noise: &mut fastrand::Rng| (0..900).map(|_| noise.alphanumeric()).collect::<String>();
    material.log = (0..20_000).map(|_| line("2026-11-21T15:00:00Z", Level::Debug, &word(&mut noise))).collect();
    material.log.push(line("2026-11-21T15:59:59Z", Level::Error, "the newest"));
    material.history = (0..200_000)
        .map(|n| Point {
            at: material.at - SignedDuration::from_secs(200_000 - n),
            secs: 1,
            score: 50,
            fps: None,
            live: None,
        })
        .collect();
    let kernel = (0..20_000).map(|n| KernelLine { secs_ago: 1.0 + f64::from(n), text: word(&mut noise) });
    material.checkup.facts.kernel = Some(kernel.collect());
    let size = Size::new(3840, 2160).unwrap();
    material.snapshot = Image::new(size, (0..size.n_bytes()).map(|_| noise.u8(..)).collect::<Vec<_>>());
    let report = report(&material);
    let zip = report.zip().unwrap();
    assert!(zip.len() <= MAX_BYTES, "{}", zip.len());
    let json = read_json(&report);
    let events = json["events"].as_array().unwrap();
    let cut = &json["report"]["cut"];
    assert!(events.last().unwrap()["message"] == "the newest" && events.len() > 1_000, "{}", events.len());
    assert_eq!(cut["n_log_lines"].as_u64().unwrap() + events.len() as u64, 20_001);
    let history = json["history"].as_array().unwrap();
    assert_eq!(cut["n_samples"].as_u64().unwrap() + history.len() as u64, 200_000);
    assert_eq!(history.last().unwrap()["at"], "2026-11-21T15:59:59Z");
    assert!(report.html().contains("oldest lines of the log left out"));
    assert!(
        report
            .summary(Language::Polish)
            .iter()
            .any(|line| line.starts_with("pominięto najstarszych wierszy dziennika: "))
    );
}

#[test]
fn this_run_goes_on_where_the_disk_ends() {
    let (now, wall) = (Instant::now(), at("2026-11-21T16:00:00Z"));
    let mut material = material();
    material.history = vec![Point::from(&Sample::second(wall - SignedDuration::from_secs(20), 90, 30.0, true))];
    let mut history = History::default();
    for secs in [30, 10, 0] {
        history.push(now.checked_sub(Duration::from_secs(secs)).unwrap(), 70);
    }
    let log = EventLog::new();
    log.add(SOURCE, Level::Error, "stall", "newer than all");
    let material = material.and_this_run(&log.since(0), &history, now);
    let age = |point: &Point| wall.duration_since(point.at).as_secs();
    let got: Vec<_> = material.history.iter().map(|point| (age(point), point.score, point.fps.is_some())).collect();
    assert_eq!(got, [(20, 90, true), (10, 70, false), (0, 70, false)]);
    assert_eq!((material.log.len(), material.log[4].message.as_str()), (5, "newer than all"));
    let again = material.and_this_run(&log.since(0), &history, now);
    assert_eq!((again.log.len(), again.history.len()), (5, 3));
}

#[test]
fn what_the_disk_has_of_a_camera_is_gathered() {
    let data = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let line = |source: &str, message: &str| {
        format!(
            "{{\"at\":\"{now}\",\"source\":\"{source}\",\"level\":\"error\",\"name\":\"stall\",\"message\":\"{message}\",\"rung\":\"retry\"}}\n"
        )
    };
    for (source, message) in [(SOURCE, "ours"), ("sim:", "another's"), ("", "everybody's")] {
        files::append(data.path(), line(source, message).as_bytes(), now).unwrap();
        past::append(data.path(), source, Sample::second(now, 50, 30.0, true)).unwrap();
    }
    let checkup = || material().checkup;
    let spec = SourceSpec::parse("rtsp://admin:geh%20eim@cam/1").unwrap();
    let gather = |folder: Option<&Path>| Material::gathered(checkup(), None, &spec, now, folder, Language::English);
    let material = gather(Some(data.path()));
    assert_eq!(material.log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["ours", "everybody's"]);
    assert_eq!(material.log[0].details["rung"], "retry");
    assert_eq!(material.history.len(), 1);
    // The first one as a login by Basic has it.
    assert_eq!(material.secrets.0, ["YWRtaW46Z2VoIGVpbQ", "geh%20eim", "geh eim"]);
    assert!(!format!("{material:?}").contains("geh"));
    assert!(gather(None).log.is_empty());
    // A file where the folder should be.
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let material = gather(Some(&file));
    assert_eq!(material.log.len(), 2, "{:?}", material.log);
    assert!(material.log[0].message.starts_with("The log on the disk could not be read"), "{:?}", material.log);
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_cannot_be_saved_is_explained_and_leaves_nothing() {
    let report = report(&material());
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, words: &str| {
        let error = report.save(path).unwrap_err();
        assert!(error.starts_with("The report was not saved") && error.contains(words), "{error}");
    };
    check(folder.path(), "a file name is missing");
    check(&folder.path().join("no/such/report.zip"), "there is no such folder");
    fs::write(folder.path().join("file"), "x").unwrap();
    check(&folder.path().join("file/report.zip"), "folder");
    assert_eq!(names(folder.path()), ["file"]);
    if cfg!(target_os = "linux") {
        check(Path::new("/dev/full"), "this is no file");
        // Whoever may write everything cannot write there either.
        check(Path::new("/proc/camclinic.zip"), "Choose another folder");
        check(Path::new("/sys/camclinic.zip"), "folder");
    }
}

#[test]
fn a_report_on_the_disk_is_the_same() {
    let report = report(&material());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    fs::write(&path, "an older one").unwrap();
    report.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), report.zip().unwrap());
    assert_eq!(names(folder.path()), ["report.zip"]);
}

#[test]
fn the_command_saves_a_report_beside_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    let output =
        camclinic_in(folder.path(), &["checkup", "sim:320x240,black", "--json", "--report", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let answer = json(&output);
    let members = unpacked(&fs::read(&path).unwrap());
    let of_report: Json = serde_json::from_slice(&members[1].1).unwrap();
    for key in ["verdict", "checks", "status", "took_ms"] {
        assert_eq!(of_report[key], answer[key], "{key}");
    }
    check_html(str::from_utf8(&members[0].1).unwrap());
    assert!(members[2].1.starts_with(&[0xff, 0xd8]), "a JPEG");
    let missing = folder.path().join("no/report.zip");
    let output = camclinic_in(folder.path(), &["checkup", "sim:320x240", "--report", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("there is no such folder"), "{}", stderr(&output));
}

/// A file system of 16 KiB in a mount namespace of its own; where the system allows none, the test says so.
#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=16k none \"$1\" && cd \"$1\" || exit 77; \
                  \"$2\" checkup sim: --json --report a.zip --settings s.json >/dev/null; status=$?; ls -A; exit $status";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_camclinic"))
        .output();
    let Some(output) = output.ok().filter(|output| ![Some(77), Some(1)].contains(&output.status.code())) else {
        eprintln!("skipped: this system lets nobody mount a small file system");
        return;
    };
    assert_eq!(output.status.code(), Some(3), "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("Make room on the disk"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "no file, no half of one");
}
