//! How fast, how large and how old the pictures are (F50 to F57, F66).

use super::signs::{
    LATE_WORKER, Shortfall, USUAL_FPS, has_one_buffer, hresult, is_virtual, is_without_line, n_buffers, value,
};
use crate::backend::Backend;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical, warning};
use crate::checkup::facts::{Facts, SourceKind, StreamFacts};
use crate::control::{AUTO_EXPOSURE, ControlSetting, EXPOSURE_PRIORITY, EXPOSURE_TIME};
use crate::criteria;
use crate::device::{DeviceKind, System};
use crate::fault::{Fault, FaultKind};
use crate::frame::{PixelFormat, Size};
use crate::phrases::{Message, number};

pub const ENTRIES: &[CatalogueEntry] = &[
    warning("F50", "uncompressed-slow", Layer::Rate, uncompressed_slow),
    warning("F51", "low-light", Layer::Rate, low_light),
    warning("F52", "rate-untrue", Layer::Rate, rate_untrue),
    warning("F53", "other-size", Layer::Rate, other_size),
    critical("F54", "format-refused", Layer::Open, format_refused),
    warning("F55", "computer-slow", Layer::Computer, computer_slow),
    warning("F56", "one-buffer", Layer::Rate, one_buffer),
    warning("F57", "directshow-slow", Layer::Rate, directshow_slow),
    warning("F66", "late-frames", Layer::Rate, late_frames),
];

/// Of the frames that this computer missed: so many leave no other explanation.
const MANY_LATE: f64 = 0.1;
/// Of the frames that a camera with one buffer loses while the program has that: every second one, and a fifth at least.
const MANY_GAPS: f64 = 0.2;

fn stream(facts: &Facts) -> Option<&StreamFacts> {
    facts.stream.as_ref().filter(|stream| stream.n_good > 0)
}

fn format(facts: &Facts) -> Option<PixelFormat> {
    facts.opening.as_ref().and_then(|opening| opening.got.format).or(facts.source.asked.format)
}

/// The fastest rate that the device offers for a size in formats that do, or do not, compress.
fn best_rate(facts: &Facts, size: Size, is_compressed: bool) -> Option<f64> {
    let formats = facts.abilities.as_ref()?.formats.iter().filter(|format| format.is_compressed == is_compressed);
    let sizes = formats.flat_map(|format| &format.sizes);
    let rates = sizes.filter(|offered| offered.width == size.width && offered.height == size.height);
    rates.flat_map(|offered| offered.rates.iter().copied()).max_by(f64::total_cmp)
}

fn uncompressed_slow(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "uncompressed-slow";
    let stream = stream(facts).filter(|_| facts.is_local() && facts.source.kind != SourceKind::Simulated)?;
    let (format, size) = (format(facts)?, facts.size()?);
    let made = stream.made_fps.or(stream.fps)?;
    let agreed = stream.agreed_fps.or_else(|| facts.opening.as_ref()?.got.fps);
    let packed = best_rate(facts, size, true);
    // The device itself keeps to the rate of its format: what it agreed to is what comes.
    let keeps_to_it = agreed.is_none_or(|agreed| !criteria::is_clearly_too_slow(made, agreed));
    let wanted = facts.source.asked.fps.or(packed)?;
    let is_slow = criteria::is_clearly_too_slow(made, wanted) && keeps_to_it && facts.is_rate_of_camera();
    let is_usb2 = facts
        .device()
        .and_then(|device| device.usb.as_ref()?.kbits_per_second)
        .is_none_or(|speed| speed <= criteria::HIGH_SPEED_KBITS);
    let needed = criteria::uncompressed_bits(format, size)? * wanted / 1e6;
    if !is_slow || !is_usb2 || is_without_line(facts) || !criteria::is_too_much_for_usb2(needed) {
        return None;
    }
    let is_cured = facts.is_helped_by("other-format");
    let offers_more = packed.is_some_and(|rate| rate > made * 1.5);
    let confidence = match () {
        () if is_cured => 0.96,
        () if offers_more => 0.88,
        () => 0.6,
    };
    let judgement = Judgement::new(SLUG, confidence)
        .with("format", format.to_string())
        .with("size", size.to_string())
        .with("fps", number(made, 1))
        .with_evidence(Message::new("evidence.needed").with("mbits", needed).with("wanted", number(wanted, 1)));
    let judgement = match packed {
        Some(rate) => judgement.with_evidence(Message::new("evidence.packed-rate").with("fps", number(rate, 1))),
        None => judgement,
    };
    Some(
        judgement
            .fix(Fix::new("use-mjpg").does(Action::UseFormat(PixelFormat::MJPG)))
            .fix(facts.smaller_size())
            .fixes(&["fast-port"]),
    )
}

/// What light, or its lack, has to do with the rate: 0 for nothing, 1 for certainly all of it.
fn is_for_light(facts: &Facts, short: Shortfall) -> f64 {
    if is_virtual(facts) {
        return 0.0;
    }
    // `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_SHUTTER_PRIORITY` leave the time to the user.
    let is_manual = matches!(value(facts, AUTO_EXPOSURE), Some(1 | 2));
    let may_fall = value(facts, EXPOSURE_PRIORITY).map(|value| value != 0);
    // In units of 100 µs.
    let exposure_ms = value(facts, EXPOSURE_TIME).map(|value| value as f64 / 10.0);
    let is_long = exposure_ms.map(|ms| criteria::is_too_slow(criteria::fps_of_ms(ms), short.wanted));
    let is_dim = facts.mean().map(criteria::is_dim);
    let has_gaps = facts.missing_share().is_some();
    match (is_long, may_fall, is_dim) {
        _ if facts.is_helped_by("exposure-priority") => 0.97,
        _ if has_gaps || is_manual && is_long != Some(true) => 0.0,
        // An exposure that is longer than a frame explains the rate, whoever set it, and whatever the computer has no time for.
        _ if is_long != Some(true) && !facts.is_rate_of_camera() => 0.0,
        (Some(true), Some(true), Some(true)) => 0.93,
        (Some(true), Some(true), None) | (Some(true), _, Some(true)) => 0.88,
        (Some(true), ..) | (None, Some(true), Some(true)) => 0.8,
        // It explains more than the dark alone (F68).
        (None, None, Some(true)) if criteria::is_whole_part(short.made, short.wanted) => 0.75,
        (None, None, Some(true)) => 0.6,
        (Some(false), _, Some(true)) => 0.3,
        _ => 0.0,
    }
}

fn low_light(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "low-light";
    let short = facts.shortfall()?;
    let certainty = is_for_light(facts, short);
    if certainty <= 0.0 {
        return None;
    }
    // A picture that is bright enough is worth some of the rate.
    let confidence = if short.is_clear() { certainty } else { certainty.min(0.45) };
    let mut judgement =
        Judgement::new(SLUG, confidence).with("fps", number(short.made, 1)).with("wanted", number(short.wanted, 1));
    if let Some(time) = value(facts, EXPOSURE_TIME) {
        let (ms, frame) = (number(time as f64 / 10.0, 1), number(1_000.0 / short.wanted, 1));
        judgement = judgement.with_evidence(Message::new("evidence.exposure").with("ms", ms).with("frame", frame));
    } else {
        judgement = judgement.because("dim");
    }
    if let Some(mean) = facts.mean() {
        judgement = judgement.with_evidence(Message::new("evidence.mean").with("mean", mean));
    }
    judgement = judgement.fixes(&["more-light"]);
    if value(facts, EXPOSURE_PRIORITY) == Some(1) {
        let off = ControlSetting { id: EXPOSURE_PRIORITY, value: 0 };
        judgement = judgement.fix(Fix::new("exposure-priority-off").does(Action::SetControl(off)));
    }
    Some(judgement.fixes(&["exposure-by-hand"]))
}

fn rate_untrue(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "rate-untrue";
    // Late ones count as made: they are no reason, unless the count itself is in doubt.
    let is_counted = stream(facts).is_some_and(|stream| stream.n_late == 0) || facts.comes_evenly();
    let short = facts.camera_shortfall().filter(|_| is_counted)?;
    if facts.missing_share().is_some() || has_one_buffer(facts) {
        return None;
    }
    let is_explained = is_for_light(facts, short) >= 0.5
        || uncompressed_slow(facts).is_some_and(|judgement| judgement.confidence >= 0.5)
        || directshow_slow(facts).is_some();
    // It never agreed to more: then it is slower than was asked, and says so. A virtual camera has nobody who could agree.
    let is_fed = is_virtual(facts);
    let is_honest = is_fed || short.agreed.is_some_and(|agreed| !criteria::is_too_slow(short.made, agreed));
    let confidence = match () {
        () if is_explained => 0.3,
        () if !short.is_clear() => 0.4,
        // 30 is asked of every camera; who asks for more wants it.
        () if is_honest && short.wanted <= USUAL_FPS => 0.45,
        () if is_honest => 0.6,
        () => 0.75,
    };
    let judgement = Judgement::new(SLUG, confidence)
        .with("fps", number(short.made, 1))
        .with("wanted", number(short.wanted, 1))
        .with_evidence(Message::new("evidence.no-gaps"));
    let judgement = match () {
        () if is_fed => judgement.titled("fed"),
        () if is_honest => judgement.titled("asked"),
        () => judgement,
    };
    let judgement = match facts.size().filter(|_| is_honest) {
        Some(size) => judgement.with_evidence(Message::new("evidence.size").with("size", size.to_string())),
        None => judgement,
    };
    let mjpg = Fix::new("use-mjpg").does(Action::UseFormat(PixelFormat::MJPG));
    let true_rate = Fix::new("use-rate").with("fps", number(short.made, 0)).does(Action::UseRate(short.made.round()));
    if is_fed {
        return Some(judgement.fixes(&["feeder-rate"]).fix(true_rate));
    }
    let judgement = judgement.fixes(&["more-light"]);
    Some(if facts.is_local() {
        judgement.fix(mjpg).fixes(&["smaller-size"]).fix(true_rate)
    } else {
        judgement.fixes(&["camera-rate", "close-viewers"])
    })
}

fn other_size(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "other-size";
    if let Some(judgement) = other_size_than_addressed(facts) {
        return Some(judgement);
    }
    let stream = stream(facts).filter(|_| facts.is_local())?;
    let came = *stream.sizes.last()?;
    let asked = facts.source.asked.size;
    let agreed = facts.opening.as_ref().and_then(|opening| opening.got.size);
    let (confidence, kind, wanted) = match (stream.sizes.as_slice(), asked, agreed) {
        ([first, .., _], ..) => (0.85, Some("changed"), *first),
        (_, Some(asked), _) if asked != came => (0.85, None, asked),
        (_, None, Some(agreed)) if agreed != came => (0.75, Some("agreed"), agreed),
        _ => return None,
    };
    let judgement = Judgement::new(SLUG, confidence).with("size", came.to_string()).with("wanted", wanted.to_string());
    let judgement = match kind {
        Some(kind) => judgement.titled(kind),
        None => judgement,
    };
    let take = Fix::new("use-size").with("size", came.to_string()).does(Action::UseSize(came));
    Some(match kind {
        Some("changed") => judgement.fixes(&["close-camera-programs"]).fix(take),
        _ => judgement.fixes(&["offered-size"]).fix(take),
    })
}

/// The address asks for a size, and another comes from the first picture on.
fn other_size_than_addressed(facts: &Facts) -> Option<Judgement> {
    let wanted = facts.source.size_in_address?;
    let [came] = stream(facts)?.sizes.as_slice() else { return None };
    // Coders fill up to whole blocks of 16, and cameras turn pictures.
    let is_near = |a: u32, b: u32| a.abs_diff(b) <= 16;
    let is_same = |width, height| is_near(came.width, width) && is_near(came.height, height);
    if is_same(wanted.width, wanted.height) || is_same(wanted.height, wanted.width) {
        return None;
    }
    let judgement =
        Judgement::new("other-size", 0.65).with("size", came.to_string()).with("wanted", wanted.to_string());
    let address = Fix::new("edit-address").does(Action::EditAddress);
    Some(judgement.because("address").fix(address).fixes(&["camera-path"]))
}

fn format_refused(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "format-refused";
    use FaultKind::{BackendMissing, FormatRefused, OpenFailed, Unreadable};
    const EINVAL: i64 = 22;
    let refused = facts.fault_of(&[FormatRefused, BackendMissing, Unreadable]);
    let invalid = facts.fault_with_code(&[EINVAL]).filter(|(_, fault)| fault.kind == OpenFailed);
    let (_, fault) = refused.or(invalid)?;
    let defaults = Fix::new("device-defaults").does(Action::UseDeviceDefaults);
    if fault.kind == Unreadable {
        return Some(Judgement::new(SLUG, 0.95).titled("file").quoting(fault).fixes(&["check-file", "convert-file"]));
    }
    if fault.kind == BackendMissing {
        return Some(backend_missing(facts, fault));
    }
    // Whether a decoder lacks, or the device has no such format, the number tells (F54).
    let lacks_decoder = [0xC00D_5212, 0x8004_0217].map(hresult).contains(&fault.code.unwrap_or(0));
    // One that no format suits is F08 or F09.
    let is_raw = facts.device().is_some_and(|device| device.kind == DeviceKind::RawSensor);
    let confidence = match refused {
        _ if is_raw => 0.4,
        Some(_) => 0.9,
        None => 0.75,
    };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault);
    if lacks_decoder {
        return Some(judgement.titled("decoder").fix(defaults).fixes(&["media-feature-pack", "other-backend"]));
    }
    let asked = facts.source.asked;
    let words = [asked.format.map(|format| format.to_string()), asked.size.map(|size| size.to_string())];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let judgement = match words.as_str() {
        "" => judgement,
        words => judgement.with_evidence(Message::new("evidence.asked").with("words", words)),
    };
    Some(judgement.fix(defaults).fixes(&["other-backend", "replug"]))
}

fn backend_missing(facts: &Facts, fault: &Fault) -> Judgement {
    let judgement = Judgement::new("format-refused", 0.95).titled("backend").quoting(fault).advised(fault);
    let backend = match facts.system {
        System::Linux => Backend::V4l2,
        System::Windows => Backend::Msmf,
        System::Macos => Backend::AvFoundation,
        System::Other => Backend::Native,
    };
    if facts.source.kind != SourceKind::Device || facts.source.backend == Some(backend) {
        return judgement;
    }
    judgement.fix(Fix::new("use-backend").with("backend", backend.label()).does(Action::UseBackend(backend)))
}

fn computer_slow(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "computer-slow";
    let late_worker = facts.faults().find(|(_, fault)| fault.message.contains(LATE_WORKER));
    let computer = facts.computer.clone().unwrap_or_default();
    let busiest = |mut judgement: Judgement| {
        if computer.cpu_percent > 0.0 {
            judgement = judgement.with_evidence(Message::new("evidence.cpu").with("percent", computer.cpu_percent));
        }
        if let Some(percent) = computer.worker_waited_percent.filter(|percent| criteria::has_waited_long(*percent)) {
            judgement = judgement.with_evidence(Message::new("evidence.waited").with("percent", percent));
        }
        if let Some((program, percent)) = computer.busiest.as_ref().filter(|(_, percent)| *percent >= 25.0) {
            let said = Message::new("evidence.busiest").with("program", program.as_str()).with("percent", *percent);
            judgement =
                judgement.with_evidence(said).fix(Fix::new("close-program-for-time").with("program", program.as_str()));
        }
        judgement
    };
    if let Some((_, fault)) = late_worker {
        return Some(
            busiest(Judgement::new(SLUG, 0.8).titled("start").quoting(fault))
                .fixes(&["close-programs", "virus-scanner"]),
        );
    }
    let silence = facts.first_fault().filter(|_| facts.may_silence_be_ours());
    if let Some((_, fault)) = silence {
        let judgement = busiest(Judgement::new(SLUG, 0.7).titled("silent").quoting(fault));
        return Some(judgement.fixes(&["close-programs", "virus-scanner"]));
    }
    let stream = stream(facts).filter(|_| facts.source.kind != SourceKind::File)?;
    let n_all = stream.n_good + stream.n_lost + stream.n_late;
    let late = criteria::share_of(stream.n_late, n_all);
    let has_late = criteria::is_late(stream.n_late, n_all);
    let decode = stream.decode_ms.zip(facts.wanted_fps().or(stream.made_fps));
    // It takes longer than a picture may, and all the time that there is between two that come.
    let fills_time =
        |ms: f64| stream.fps.is_none_or(|fps| !criteria::is_clearly_too_slow(fps, criteria::fps_of_ms(ms)));
    let is_slow_decoder = decode.is_some_and(|(ms, fps)| fps > 0.0 && ms > 1_000.0 / fps && fills_time(ms));
    let is_busy = facts.is_computer_busy();
    let is_short = facts.shortfall().is_some() || criteria::is_lossy(stream.n_lost, n_all);
    let is_starved = has_late && late >= MANY_LATE;
    // A few that are late while others are at work say nothing of the camera, nor of this computer.
    let confidence = match () {
        () if has_late && (facts.is_worker_busy() || is_slow_decoder && !is_busy) => 0.93,
        () if is_starved && (is_busy || is_slow_decoder) => 0.93,
        () if is_slow_decoder && is_short => 0.88,
        () if is_starved => 0.75,
        () if has_late => 0.45,
        () if is_busy && is_short && !facts.comes_evenly() => 0.45,
        () if facts.is_saturated() && facts.missing_share().is_some() => 0.45,
        () => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence).with("percent", number(late * 100.0, 1));
    if !has_late {
        judgement = judgement.because("short");
    }
    if let Some((ms, fps)) = decode {
        judgement = judgement.with_evidence(
            Message::new("evidence.decode").with("ms", number(ms, 1)).with("frame", number(1_000.0 / fps.max(0.1), 1)),
        );
    }
    Some(busiest(judgement).fix(facts.smaller_size()).fixes(&["lower-rate", "close-programs"]))
}

fn one_buffer(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "one-buffer";
    let n = n_buffers(facts).filter(|n| *n <= 2)?;
    let stream = stream(facts)?;
    let n_all = stream.n_good + stream.n_lost;
    let lost = criteria::share_of(stream.n_lost, n_all);
    let has_gaps = lost > MANY_GAPS && facts.lost_share().is_some();
    if !has_gaps && facts.camera_shortfall().is_none() {
        return None;
    }
    // Two are enough for most cameras.
    let confidence = match (n, has_gaps) {
        (0 | 1, true) => 0.92,
        (0 | 1, false) => 0.75,
        (_, true) => 0.7,
        (_, false) => 0.3,
    };
    let judgement = Judgement::new(SLUG, confidence);
    let judgement = if n == 2 { judgement.titled("few") } else { judgement };
    let judgement = judgement.with_evidence(Message::new("evidence.lost").with("percent", number(lost * 100.0, 1)));
    Some(judgement.fix(Fix::new("use-buffers").with("n", 4_u32).does(Action::UseBuffers(4))))
}

fn directshow_slow(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "directshow-slow";
    /// More pixels than a full HD picture (F57).
    const LARGE: u64 = 1_920 * 1_080;
    /// It gives 0.7 to 10 frames a second of these.
    const SLOW_FPS: f64 = 12.0;
    let opening = facts.opening.as_ref().filter(|opening| opening.backend == Some(Backend::DirectShow))?;
    let (short, size) = (facts.camera_shortfall()?, facts.size()?);
    let n_pixels = u64::from(size.width) * u64::from(size.height);
    if n_pixels < LARGE || short.made > SLOW_FPS {
        return None;
    }
    let confidence = if facts.is_helped_by("other-backend") { 0.95 } else { 0.8 };
    let mut judgement =
        Judgement::new(SLUG, confidence).with("fps", number(short.made, 1)).with("size", size.to_string());
    if let Some(format) = opening.got.format {
        judgement = judgement.with_evidence(Message::new("evidence.format").with("format", format.to_string()));
    }
    let other = Fix::new("use-backend").with("backend", Backend::Msmf.label()).does(Action::UseBackend(Backend::Msmf));
    Some(
        judgement
            .fix(Fix::new("use-mjpg").does(Action::UseFormat(PixelFormat::MJPG)))
            .fix(other)
            .fixes(&["smaller-size"]),
    )
}

fn late_frames(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "late-frames";
    let stream = stream(facts).filter(|_| facts.is_local())?;
    let age = stream.age_ms?;
    if !criteria::is_old(age, stream.fps) {
        return None;
    }
    let growth = stream.age_growth_ms.unwrap_or(0.0);
    // A computer without time gets to each frame late: by less than this.
    let is_certain = match () {
        () if facts.is_computer_busy() => false,
        () if facts.is_saturated() => criteria::is_old(age / 2.0, stream.fps),
        () => true,
    };
    let confidence = if is_certain { 0.85 } else { 0.45 };
    let mut judgement = Judgement::new(SLUG, confidence).with("secs", number(age / 1e3, 1));
    if criteria::is_age_growing(growth) {
        judgement = judgement.because("growing").with_evidence(Message::new("evidence.growth").with("ms", growth));
    }
    let fewer = Fix::new("use-buffers").with("n", 2_u32).does(Action::UseBuffers(2));
    let restart = Fix::new("restart-stream").does(Action::RestartStream);
    Some(judgement.fix(restart).fix(fewer).fixes(&["lower-rate", "other-backend"]))
}
