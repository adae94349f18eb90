//! The catalogue against evidence: what may be found on some computer, of any system, and the verdict it must give.
//!
//! Each file in `fixtures/evidence` is one case: its name is the slug of the expected verdict and a number, `healthy`
//! where there must be none. Of what a file holds nothing may be unknown to the facts. Each says where it comes from:
//! one that is written by hand follows the document, source or report that it names; its times, people and serial
//! numbers are invented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use camclinic::checkup::facts::{Facts, OpeningFacts, PastFault, PresenceFacts, SourceFacts, SourceKind, StreamFacts};
use camclinic::checkup::verdict::{AT_MOST_ONE, exclude_each_other, findings, verdict};
use camclinic::checkup::{CERTAIN, LIKELY, Severity, entries};
use camclinic::device::{Device, System};
use camclinic::fault::{Fault, FaultClass, FaultKind};
use camclinic::phrases::{Language, Message, MessageValue};
use serde_json::Value;

/// What a case is about, for who reads it.
const ABOUT: &str = "about";
/// Where it comes from: one of the two beginnings below, and more.
const ORIGIN: &str = "origin";
/// On which system, camera or driver.
const RECORDED: &str = "recorded: ";
/// And what it follows.
const WRITTEN: &str = "written by hand: ";

struct Case {
    /// `busy-linux-1`
    name: String,
    origin: String,
    facts: Facts,
}

impl Case {
    fn expected(&self) -> Option<&str> {
        Some(self.name.rsplit_once('-').unwrap().0).filter(|slug| *slug != "healthy")
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/evidence");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        json.as_object_mut().unwrap().remove(ABOUT);
        let origin = json.as_object_mut().unwrap().remove(ORIGIN);
        let origin = origin.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let facts: Facts = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lost = unknown(&json, &serde_json::to_value(&facts).unwrap(), "");
        assert!(lost.is_empty(), "{name}: the facts have no {lost:?}");
        cases.push(Case { name, origin, facts });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The places of what is in `wanted` and not in `got`.
fn unknown(wanted: &Value, got: &Value, place: &str) -> Vec<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted
            .iter()
            .flat_map(|(key, value)| {
                let place = format!("{place}/{key}");
                got.get(key).map_or_else(|| vec![place.clone()], |got| unknown(value, got, &place))
            })
            .collect(),
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            wanted.iter().zip(got).flat_map(|(wanted, got)| unknown(wanted, got, place)).collect()
        }
        (Value::Number(wanted), Value::Number(got)) if wanted.as_f64() == got.as_f64() => Vec::new(),
        _ if wanted == got => Vec::new(),
        _ => vec![place.to_owned()],
    }
}

#[test]
fn each_case_has_its_verdict() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = findings(&case.facts);
        let got = verdict(&found);
        let row = |n: usize| {
            found.get(n).map_or_else(String::new, |finding| {
                format!("{} {} {:.2}", finding.entry.id, finding.entry.slug, finding.judgement.confidence)
            })
        };
        println!("{:30} {:36} {}", case.name, row(0), row(1));
        if got.map(|finding| finding.entry.slug) != case.expected() {
            wrong.push(format!("{}: {} before {}", case.name, row(0), row(1)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An address, a header, or a constant of one: `MF_E_SHUTDOWN`.
fn names_a_source(text: &str) -> bool {
    let is_constant = |word: &str| {
        word.contains('_') && word.chars().all(|c| c == '_' || c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let is_header = |word: &str| Path::new(word).extension().is_some_and(|extension| extension == "h");
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut words = text.split(|c| !is_of_word(c)).map(|word| word.trim_matches('.'));
    text.contains("https://") || words.any(|word| is_header(word) || is_constant(word))
}

#[test]
fn a_source_is_an_address_a_header_or_a_constant() {
    assert!(names_a_source("https://example.org/a") && names_a_source("22 of cfg.h.") && names_a_source("(E_PENDING)"));
    assert!(!names_a_source("Windows, 0xC00D3704: what somebody said."));
}

/// What nobody has seen is marked so. On Windows and macOS, where nothing was recorded so far, each case names a source
/// in which it can be looked up.
#[test]
fn each_case_says_where_it_comes_from() {
    let mut cases_of_serial: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Case { name, origin, facts } in cases() {
        let written = origin.strip_prefix(WRITTEN);
        let said = written.or_else(|| origin.strip_prefix(RECORDED));
        assert!(said.is_some_and(|said| said.chars().count() >= 10), "{name}: {origin:?} is no origin");
        let is_foreign = matches!(facts.system, System::Windows | System::Macos);
        assert!(!is_foreign || written.is_none_or(names_a_source), "{name}: {origin:?} names no source");

        let presence = facts.presence.unwrap_or_default();
        for device in presence.device.iter().chain(&presence.siblings) {
            if let Some(serial) = &device.serial {
                assert!(device.identity.contains(serial.as_str()), "{name}: {} is not of {serial}", device.identity);
                cases_of_serial.entry(serial.clone()).or_default().insert(name.clone());
            }
        }
    }
    // They would all be of one camera, which has every fault there is.
    cases_of_serial.retain(|_, names| names.len() > 1);
    assert!(cases_of_serial.is_empty(), "cases share a serial number: {cases_of_serial:?}");
}

/// Entries that pictures show: they are judged with pictures (`failures.md`, sections 5.7 and 6).
fn is_of_pictures(id: &str) -> bool {
    let number = id.trim_start_matches('F').parse::<u32>();
    number.is_ok_and(|number| matches!(number, 5 | 15 | 60..=65 | 67..=73))
}

/// What no check ever finds out cannot be judged: each field is named where checks are made.
#[test]
fn each_fact_has_a_writer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let facts = fs::read_to_string(root.join("checkup/facts.rs")).unwrap();
    let mut writers = fs::read_to_string(root.join("checkup.rs")).unwrap();
    let mut folders = vec![root.join("checkup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_judge = ["entries", "entries.rs", "facts.rs", "verdict.rs"].iter().any(|name| path.ends_with(name));
            match path.is_dir() {
                _ if is_judge => {}
                true => folders.push(path),
                false => writers += fs::read_to_string(&path).unwrap().split("#[cfg(test)]").next().unwrap(),
            }
        }
    }
    let words: BTreeSet<&str> = writers.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let fields = facts.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
    let fields: Vec<&str> = fields.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
    assert!(fields.len() > 60, "{fields:?}");
    let missing: Vec<_> = fields.iter().filter(|name| !words.contains(**name)).collect();
    assert!(missing.is_empty(), "nobody writes {missing:?}");
}

#[test]
fn each_entry_has_a_case() {
    let shown = cases().iter().filter_map(|case| case.expected().map(str::to_owned)).collect::<BTreeSet<_>>();
    let missing = entries::all().filter(|entry| !shown.contains(entry.slug) && !is_of_pictures(entry.id));
    let missing = missing.map(|entry| entry.slug);
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

/// A certain answer ends the check-up: what would contradict it is not looked at any more.
#[test]
fn no_case_is_certain_of_two_things_that_keep_the_picture_away() {
    for case in cases() {
        let found = findings(&case.facts);
        let certain = found
            .iter()
            .filter(|finding| finding.judgement.confidence >= CERTAIN && finding.entry.severity == Severity::Critical);
        let certain = certain.map(|finding| finding.entry.slug).collect::<Vec<_>>();
        assert!(certain.len() < 2, "{}: {certain:?}", case.name);
    }
}

/// What is known of both cameras, as if they were one: of the first, and where nobody has looked there, of the second.
fn both(a: &Facts, b: &Facts) -> Facts {
    let mut merged = serde_json::to_value(b).unwrap();
    for (name, value) in serde_json::to_value(a).unwrap().as_object().unwrap() {
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            merged[name] = value.clone();
        }
    }
    serde_json::from_value(merged).unwrap()
}

#[test]
fn whatever_is_found_together_does_not_contradict_itself() {
    for slug in AT_MOST_ONE.iter().flat_map(|row| row.iter()) {
        assert!(entries::all().any(|entry| entry.slug == *slug), "no entry is called {slug}");
    }
    let cases = cases();
    for (a, b) in cases.iter().flat_map(|a| cases.iter().map(move |b| (a, b))) {
        let (of_a, of_b) = (&a.facts, &b.facts);
        if of_a.system != of_b.system || of_a.source.kind != of_b.source.kind {
            continue;
        }
        let found = findings(&both(of_a, of_b));
        let likely = found.iter().filter(|finding| finding.judgement.confidence >= LIKELY);
        let likely = likely.map(|finding| finding.entry).collect::<Vec<_>>();
        for (n, entry) in likely.iter().enumerate() {
            let other = likely[..n].iter().find(|other| exclude_each_other(other, entry));
            let slugs = other.map(|other| (other.slug, entry.slug));
            assert_eq!(slugs, None, "{} and {}", a.name, b.name);
        }
    }
}

/// The places of a sentence that stay empty, in what a judge says.
fn empty_places(said: &Message) -> Vec<String> {
    let text = Language::English.say(said);
    let inner = said.values.iter().flat_map(|(_, value)| match value {
        MessageValue::Message(said) => empty_places(said),
        MessageValue::Number { .. } | MessageValue::Text(_) => Vec::new(),
    });
    let own = (text == said.key || text.contains('{')).then(|| format!("{}: {text}", said.key));
    inner.chain(own).collect()
}

#[test]
fn all_that_is_said_has_words() {
    let mut wrong = BTreeSet::new();
    for case in cases() {
        for finding in findings(&case.facts) {
            let judgement = &finding.judgement;
            let fixes = judgement.fixes.iter().map(|fix| &fix.text);
            let all = [&judgement.title, &judgement.because].into_iter().chain(&judgement.evidence).chain(fixes);
            wrong.extend(all.flat_map(empty_places));
            assert!(!judgement.fixes.is_empty(), "{}: {} has no fix", case.name, finding.entry.slug);
            let title = format!("title.{}", finding.entry.slug);
            assert!(judgement.title.key.starts_with(&title), "{} says {}", finding.entry.slug, judgement.title.key);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn numbers_and_names_of_entries_are_unique() {
    let all = entries::all().collect::<Vec<_>>();
    for (n, entry) in all.iter().enumerate() {
        assert!(all.iter().skip(n + 1).all(|other| other.slug != entry.slug), "{}", entry.slug);
        assert!(entry.id.starts_with('F') && !entry.slug.contains('.'), "{}", entry.id);
    }
}

/// The kinds of fault that a source of that kind may have.
fn is_possible(kind: FaultKind, source: SourceKind) -> bool {
    use FaultKind::{
        BackendMissing, Backlog, CodecMissing, Denied, Missing, NoFirstFrame, OpenFailed, OpenTimeout, ReadFailed,
        ResetFailed, Stall, Unreadable,
    };
    let is_of_network = kind.class() == FaultClass::Network
        || matches!(
            kind,
            FaultKind::NameUnknown
                | FaultKind::LoginRefused
                | FaultKind::WrongPath
                | FaultKind::Forbidden
                | FaultKind::Untrusted
                | FaultKind::NoStream
                | FaultKind::WrongProtocol
                | CodecMissing
                | Backlog
        );
    let is_of_backend =
        matches!(
            kind,
            FaultKind::Hung | FaultKind::Crashed | FaultKind::CrashLoop | FaultKind::NoResources | FaultKind::BadFrame
        ) || matches!(kind, BackendMissing | NoFirstFrame | OpenFailed | OpenTimeout | ReadFailed | Stall);
    match source {
        _ if kind == ResetFailed => false,
        SourceKind::Device | SourceKind::Simulated => !is_of_network && kind != Unreadable,
        SourceKind::Network => is_of_network || is_of_backend,
        SourceKind::File => {
            matches!(kind, Missing | Denied | Unreadable) || is_of_backend && kind != FaultKind::BadFrame
        }
    }
}

/// Without a picture there is always a verdict, if only that none comes.
#[test]
fn whatever_keeps_the_picture_away_is_named() {
    let mut unnamed = Vec::new();
    for system in [System::Linux, System::Windows, System::Macos, System::Other] {
        for kind in [SourceKind::Device, SourceKind::Simulated, SourceKind::File, SourceKind::Network] {
            for fault in FaultKind::ALL.iter().filter(|fault| is_possible(**fault, kind)) {
                let source = SourceFacts { kind, ..SourceFacts::default() };
                let fault = Fault::new(*fault, "it fails");
                let opening = OpeningFacts { fault: Some(fault.clone()), ..OpeningFacts::default() };
                let stream =
                    StreamFacts { ended: Some(fault.clone()), n_good: 60, secs: 2.0, ..StreamFacts::default() };
                let at_once = Facts { system, source: source.clone(), opening: Some(opening), ..Facts::default() };
                let opening = Some(OpeningFacts { first_frame_ms: Some(300), ..OpeningFacts::default() });
                let later = Facts { system, source, opening, stream: Some(stream), ..Facts::default() };
                for (when, facts) in [("at once", at_once), ("later", later)] {
                    let found = findings(&facts);
                    if verdict(&found).is_none() {
                        let best = found.first().map(|finding| finding.entry.slug);
                        unnamed.push(format!("{system:?} {kind:?} {:?} {when}: {best:?}", fault.kind));
                    }
                }
            }
        }
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
}

/// Whatever is unusual about a computer is no verdict while the camera does what it should.
#[test]
fn what_is_normal_is_no_verdict() {
    let good = cases().into_iter().filter(|case| case.expected().is_none()).collect::<Vec<_>>();
    assert!(good.len() >= 10, "{}", good.len());
    let oddities: [FactsChange; 6] = [
        |facts| facts.usb.get_or_insert_default().is_autosuspended = Some(true),
        |facts| facts.usb.get_or_insert_default().is_suspended = Some(true),
        |facts| facts.computer.get_or_insert_default().confinement = Some("docker".to_owned()),
        |facts| facts.computer.get_or_insert_default().resumed_secs_ago = Some(20.0),
        |facts| facts.access.get_or_insert_default().shields = vec!["Avast".to_owned()],
        |facts| facts.presence.get_or_insert_with(PresenceFacts::default).n_replugs = Some(1),
    ];
    for case in &good {
        for (n, odd) in oddities.iter().enumerate() {
            let mut facts = case.facts.clone();
            odd(&mut facts);
            let found = findings(&facts);
            let best = found.first().map(|finding| (finding.entry.slug, finding.judgement.confidence));
            assert!(best.is_none_or(|(_, confidence)| confidence < LIKELY), "{} with oddity {n}: {best:?}", case.name);
        }
    }
}

type FactsChange = fn(&mut Facts);

/// Others have the processors: all of them, or those that a container lets this program have.
const LOADS: [FactsChange; 2] = [
    |facts| {
        let computer = facts.computer.get_or_insert_default();
        (computer.cpu_percent, computer.timer_late_ms) = (100.0, Some(40.0));
        computer.busiest = Some(("stress-ng".to_owned(), 190.0));
    },
    |facts| {
        let computer = facts.computer.get_or_insert_default();
        (computer.cpu_percent, computer.timer_late_ms) = (35.0, Some(60.0));
        (computer.cpu_pressure_percent, computer.worker_waited_percent) = (Some(85.0), Some(70.0));
    },
];

/// It is told of itself, and not as the camera's trouble.
const COMPUTER: &str = "computer-slow";

fn verdict_of(facts: &Facts) -> Option<&'static str> {
    verdict(&findings(facts)).map(|found| found.entry.slug)
}

/// What others do with the processors may keep a verdict back, and never makes another of it. That nothing came may be for want of time.
#[test]
fn load_changes_no_verdict() {
    for (case, load) in cases().iter().flat_map(|case| LOADS.iter().map(move |load| (case, load))) {
        let before = verdict_of(&case.facts);
        let mut facts = case.facts.clone();
        load(&mut facts);
        // Nothing came, or not in time: that may be the computer's.
        let may_be_ours = facts.opening.as_ref().is_some_and(|opening| opening.fault.is_some())
            || facts.stream.as_ref().is_some_and(|stream| stream.ended.is_some() || stream.n_late > 0);
        if let Some(stream) = &mut facts.stream {
            stream.n_late += stream.n_good / 20;
            stream.decode_ms = stream.decode_ms.map(|ms| 4.0 * ms);
            stream.interval_ms = stream.interval_ms.map(|[half, most, all]| [half, most + 60.0, all + 120.0]);
        }
        let after = verdict_of(&facts);
        let is_kept_back = after.is_none() || may_be_ours && after == Some(COMPUTER);
        assert!(is_kept_back || after == before, "{}: {before:?} became {after:?}", case.name);
    }
}

/// What load does to the facts of a healthy camera.
const EFFECTS: &[(&str, FactsChange)] = &[
    ("half of the rate, in a dim room", |facts| {
        facts.picture.get_or_insert_default().luma.mean = 60.0;
        slow(facts, 15.0, 30.0, [50.0, 180.0, 260.0]);
    }),
    ("frames that nobody counts, and that come evenly", |facts| {
        slow(facts, 18.0, 25.0, [55.0, 61.0, 64.0]);
        facts.stream.get_or_insert_default().is_counted = Some(false);
    }),
    ("frames that are missing", |facts| {
        let stream = facts.stream.get_or_insert_default();
        (stream.n_good, stream.n_lost) = (40, 15);
    }),
    ("frames that wait", |facts| {
        let stream = facts.stream.get_or_insert_default();
        (stream.age_ms, stream.age_growth_ms) = (Some(1_200.0), Some(400.0));
    }),
    ("no first frame", |facts| silence(facts, FaultKind::NoFirstFrame)),
    ("a call that is late", |facts| silence(facts, FaultKind::Hung)),
    ("an opening that is late", |facts| silence(facts, FaultKind::OpenTimeout)),
    ("no frame for a second", |facts| {
        let stall = Fault::new(FaultKind::Stall, "no frame for 1.3 s");
        facts.stream.get_or_insert_default().ended = Some(stall);
    }),
    ("slow opening and closing", |facts| {
        let opening = facts.opening.get_or_insert_default();
        (opening.open_ms, opening.first_frame_ms, opening.is_slow_to_close) = (6_000, Some(7_000), true);
        facts.abilities.get_or_insert_default().took_ms = Some(2_400);
    }),
    ("slow writing", |facts| facts.folder.get_or_insert_default().write_ms = Some(2_600.0)),
];

/// Of a camera whose exposure does not explain it.
fn slow(facts: &mut Facts, fps: f64, agreed: f64, interval_ms: [f64; 3]) {
    if let Some(abilities) = &mut facts.abilities {
        abilities.controls.clear();
    }
    let stream = facts.stream.get_or_insert_default();
    stream.controls.clear();
    (stream.n_good, stream.secs) = (36, 36.0 / fps);
    (stream.fps, stream.made_fps, stream.agreed_fps) = (Some(fps), Some(fps), Some(agreed));
    stream.interval_ms = Some(interval_ms);
}

fn silence(facts: &mut Facts, kind: FaultKind) {
    let fault = Fault::new(kind, "nothing came");
    facts.opening = Some(OpeningFacts { fault: Some(fault), open_ms: 5_000, ..OpeningFacts::default() });
    (facts.stream, facts.picture) = (None, None);
}

#[test]
fn no_healthy_camera_is_called_sick_on_a_busy_computer() {
    let is_local = |case: &Case| matches!(case.facts.source.kind, SourceKind::Device);
    let healthy: Vec<_> = cases().into_iter().filter(|case| case.expected().is_none() && is_local(case)).collect();
    assert!(healthy.len() >= 8, "{}", healthy.len());
    let mut wrong = Vec::new();
    for ((case, load), (what, effect)) in healthy
        .iter()
        .flat_map(|case| LOADS.iter().map(move |load| (case, load)))
        .flat_map(|both| EFFECTS.iter().map(move |effect| (both, effect)))
    {
        let mut facts = case.facts.clone();
        effect(&mut facts);
        load(&mut facts);
        let got = verdict_of(&facts);
        if got.is_some_and(|slug| slug != COMPUTER) {
            wrong.push(format!("{} with {what}: {got:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of a computer that has other work, and has time for the camera all the same.
#[test]
fn what_had_its_time_is_judged_under_load_too() {
    let device = Device { path: "/dev/video0".to_owned(), ..Device::default() };
    let presence = Some(PresenceFacts { device: Some(device), ..PresenceFacts::default() });
    let mut facts = Facts { system: System::Linux, presence, ..Facts::default() };
    silence(&mut facts, FaultKind::NoFirstFrame);
    LOADS[0](&mut facts);
    // It asks for controls besides, which is another thread's work.
    let computer = facts.computer.as_mut().unwrap();
    (computer.worker_cpu_percent, computer.worker_ran_percent) = (Some(67.0), Some(4.0));
    computer.worker_waited_percent = Some(6.0);
    assert_eq!(verdict_of(&facts), Some("no-picture"));
    silence(&mut facts, FaultKind::OpenTimeout);
    facts.computer.as_mut().unwrap().worker_waited_percent = None;
    assert_eq!(verdict_of(&facts), Some(COMPUTER));
    facts.opening.as_mut().unwrap().kernel_function = Some("uvc_queue_streamon".to_owned());
    assert_eq!(verdict_of(&facts), Some("open-hangs"));
}

/// What is pulled out while a call is on its way is unplugged, whatever that call comes to.
#[test]
fn a_device_that_is_gone_explains_what_its_driver_did() {
    use FaultKind::{Hung, NoFirstFrame, OpenFailed, OpenTimeout, ReadFailed, Stall};
    for kind in [OpenTimeout, Hung, OpenFailed, ReadFailed, NoFirstFrame, Stall] {
        for has_gone in [false, true] {
            let device = Device { path: "/dev/video0".to_owned(), ..Device::default() };
            let presence = PresenceFacts { device: Some(device), has_gone: Some(has_gone), ..PresenceFacts::default() };
            let opening = OpeningFacts { fault: Some(Fault::new(kind, "it fails")), ..OpeningFacts::default() };
            let (presence, opening) = (Some(presence), Some(opening));
            let found = findings(&Facts { system: System::Linux, presence, opening, ..Facts::default() });
            let is_unplugged = verdict(&found).is_some_and(|found| found.entry.slug == "unplugged");
            assert_eq!(is_unplugged, has_gone, "{kind:?}");
        }
    }
}

/// A check-up sees a quiet moment of what comes and goes; the log knows of the others.
#[test]
fn what_comes_again_is_named_though_the_stream_runs() {
    #[track_caller]
    fn check(kind: FaultKind, source: SourceKind, n: u32, last_secs_ago: f64, expected: Option<&str>) {
        let fault = Fault::new(kind, "as the log has it");
        let past = PastFault { fault, n, first_secs_ago: last_secs_ago + 600.0, last_secs_ago };
        let stream = StreamFacts { secs: 2.0, n_good: 60, fps: Some(30.0), ..StreamFacts::default() };
        let source = SourceFacts { kind: source, ..SourceFacts::default() };
        let facts = Facts { source, stream: Some(stream), past: Some(vec![past]), ..Facts::default() };
        let found = findings(&facts);
        let verdict = verdict(&found);
        assert_eq!(verdict.map(|found| found.entry.id), expected, "{kind:?} {n} {last_secs_ago}");
        if let Some(found) = verdict {
            let often = Language::English.say(&found.judgement.evidence[0]);
            assert!(often.contains(&format!("{n} times")), "{often}");
        }
    }
    use SourceKind::{Device, Network};
    check(FaultKind::Stall, Network, 3, 60.0, Some("F96"));
    check(FaultKind::Stall, Network, 1, 60.0, None);
    check(FaultKind::Stall, Network, 3, 7_200.0, None);
    check(FaultKind::Stall, Network, 30, 7_200.0, Some("F96"));
    check(FaultKind::Unplugged, Device, 4, 60.0, Some("F46"));
}
