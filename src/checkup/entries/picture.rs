//! What is wrong with the picture itself (F05, F15, F60 to F65, F67 to F73).

use super::signs::{control, is_virtual, is_without_line, lacking_input, value};
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical, warning};
use crate::checkup::facts::{Facts, SourceKind};
use crate::control::{
    AUTO_EXPOSURE, AUTO_FOCUS, AUTO_WHITE_BALANCE, ControlKind, ControlSetting, EXPOSURE_TIME, GAIN,
    POWER_LINE_FREQUENCY, PRIVACY, SATURATION,
};
use crate::criteria;
use crate::device::DeviceKind;
use crate::fault::FaultKind;
use crate::frame::PixelFormat;
use crate::network::PacketEvidence;
use crate::phrases::{Message, number};
use crate::picture::{FrameCoding, Gains, PictureStats};

pub const ENTRIES: &[CatalogueEntry] = &[
    warning("F05", "infrared", Layer::Picture, infrared),
    critical("F15", "privacy-shutter", Layer::Access, privacy_shutter),
    critical("F60", "lens-covered", Layer::Picture, lens_covered),
    critical("F60", "shutter", Layer::Picture, shutter),
    critical("F61", "black-signal", Layer::Picture, black_signal),
    critical("F62", "green", Layer::Picture, green),
    warning("F63", "swapped-colours", Layer::Picture, swapped_colours),
    warning("F64", "torn", Layer::Picture, torn),
    critical("F65", "frozen", Layer::Picture, frozen),
    warning("F67", "banding", Layer::Picture, banding),
    warning("F68", "over-exposed", Layer::Picture, over_exposed),
    warning("F68", "under-exposed", Layer::Picture, under_exposed),
    warning("F69", "out-of-focus", Layer::Picture, out_of_focus),
    warning("F70", "white-balance", Layer::Picture, white_balance),
    warning("F71", "black-bars", Layer::Picture, black_bars),
    warning("F72", "combing", Layer::Picture, combing),
    warning("F72", "doubled", Layer::Picture, doubled),
    warning("F73", "noise", Layer::Picture, noise),
];

/// `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_APERTURE_PRIORITY`.
const MANUAL: i64 = 1;
const APERTURE_PRIORITY: i64 = 3;
/// Confidence where all evidence fits.
const SURE: f64 = 0.95;
/// Confidence where something speaks against it without excluding it.
const DOUBTED: f64 = 0.3;

/// Names of what turns the signal of another camera into USB.
const CAPTURE_CARDS: &[&str] = &["hdmi", "capture", "cam link", "live gamer", "sdi", "av to usb", "usb video grabber"];

fn seen(facts: &Facts) -> Option<&PictureStats> {
    facts.picture.as_ref().filter(|seen| seen.n_pictures >= criteria::LEAST_PICTURES)
}

fn is_at_maximum(facts: &Facts, id: u32) -> bool {
    let Some(control) = control(facts, id) else { return false };
    matches!(&control.kind, ControlKind::Integer { min, max, .. } if max > min && control.value == Some(*max))
}

/// A fix at the press of a button, where the camera has that control.
fn setting(facts: &Facts, name: &str, id: u32, value: i64) -> Option<Fix> {
    control(facts, id)?;
    Some(Fix::new(name).does(Action::SetControl(ControlSetting { id, value })))
}

impl Judgement {
    fn maybe(self, fix: Option<Fix>) -> Self {
        fix.into_iter().fold(self, Self::fix)
    }

    fn brightness(self, seen: &PictureStats) -> Self {
        self.with_evidence(Message::new("evidence.mean").with("mean", number(seen.luma.mean, 1)))
    }

    fn noise(self, seen: &PictureStats) -> Self {
        self.with_evidence(
            Message::new("evidence.noise").with("noise", number(seen.noise.temporal.unwrap_or_default(), 1)),
        )
    }

    /// Gain and exposure, where the camera has them as high as they go.
    fn light_wanted(self, facts: &Facts) -> Self {
        let gain = is_at_maximum(facts, GAIN).then(|| Message::new("evidence.gain-maximum"));
        let exposure = is_at_maximum(facts, EXPOSURE_TIME).then(|| Message::new("evidence.exposure-maximum"));
        gain.into_iter().chain(exposure).fold(self, Self::with_evidence)
    }
}

fn is_black(seen: &PictureStats) -> bool {
    criteria::is_black(&seen.darkness())
}

/// A picture came once something was done otherwise.
fn shows_more(facts: &Facts) -> bool {
    let mut tried = facts.experiments.iter().map(|experiment| &experiment.after);
    tried.any(|after| after.fault.is_none() && after.mean.is_some_and(criteria::is_lit))
}

fn capture_card(facts: &Facts) -> Option<&str> {
    let name = facts.device()?.name.as_str();
    CAPTURE_CARDS.iter().any(|part| name.to_lowercase().contains(part)).then_some(name)
}

/// Not a camera whose colours are turned off, or that looks at something grey: that does not blink.
fn infrared(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts)?;
    let blink = seen.alternation.as_ref().filter(|blink| criteria::is_blinking(blink))?;
    // What the device itself tells has its own entry.
    if !criteria::is_grey(seen.colour.difference)
        || facts.device().is_some_and(|device| device.kind == DeviceKind::Infrared)
    {
        return None;
    }
    let has_colour_off = control(facts, SATURATION).is_some_and(|control| match control.kind {
        ControlKind::Integer { min, .. } => control.value == Some(min),
        _ => false,
    });
    let confidence = if has_colour_off { 0.6 } else { 0.85 };
    let judgement = Judgement::new("infrared", confidence).with("ratio", number(blink.ratio, 1));
    let judgement = judgement.with_evidence(Message::new("evidence.grey"));
    let sibling = facts.presence.iter().flat_map(|presence| &presence.siblings).find(|s| s.kind == DeviceKind::Camera);
    Some(match sibling {
        Some(camera) => judgement.fix(
            Fix::new("choose-device")
                .with("camera", camera.name.as_str())
                .does(Action::ChooseDevice(camera.identity.clone())),
        ),
        None => judgement.fixes(&["choose-camera"]),
    })
}

fn privacy_shutter(facts: &Facts) -> Option<Judgement> {
    if value(facts, PRIVACY) != Some(1) {
        return None;
    }
    // Some cameras send a drawing of a crossed-out camera instead of black.
    let picture = seen(facts);
    let confidence = match picture {
        Some(seen) if is_black(seen) || criteria::is_dead(seen) => 0.97,
        Some(_) => DOUBTED,
        None => 0.8,
    };
    let judgement = Judgement::new("privacy-shutter", confidence).with_evidence(Message::new("evidence.privacy-on"));
    let judgement = picture.into_iter().fold(judgement, Judgement::brightness);
    Some(judgement.fixes(&["open-shutter", "shutter-key", "vendor-privacy"]))
}

/// What both kinds of a covered lens have in common. Virtual cameras and files may be black for reasons of their own.
fn covered(facts: &Facts) -> Option<&PictureStats> {
    seen(facts).filter(|seen| is_black(seen) && !is_virtual(facts) && facts.source.kind != SourceKind::File)
}

impl Judgement {
    /// That pictures come, how bright they are, and what to open.
    fn black(self, facts: &Facts, seen: &PictureStats) -> Self {
        let fps = facts.stream.as_ref().and_then(|stream| stream.fps).or(seen.rate);
        let arriving = fps.map(|fps| Message::new("evidence.arriving").with("fps", fps));
        let judgement = arriving.into_iter().fold(self, Self::with_evidence).brightness(seen).light_wanted(facts);
        judgement.fixes(&["open-shutter", "shutter-key"])
    }
}

/// A sensor without light still has its noise: it works, and something covers it. In a dark room some part is brighter.
fn lens_covered(facts: &Facts) -> Option<Judgement> {
    let seen = covered(facts).filter(|seen| !criteria::is_dead(seen))?;
    let is_light_wanted = is_at_maximum(facts, GAIN) || is_at_maximum(facts, EXPOSURE_TIME);
    let confidence = match () {
        () if value(facts, PRIVACY) == Some(1) => DOUBTED,
        () if is_light_wanted => SURE,
        () => 0.88,
    };
    let judgement = Judgement::new("lens-covered", confidence).with("mean", number(seen.luma.mean, 1)).noise(seen);
    Some(judgement.black(facts, seen).fixes(&["more-light"]))
}

/// Black without any noise: what the sensor sees is not sent, as with shutters that the camera's electronics know of.
fn shutter(facts: &Facts) -> Option<Judgement> {
    let seen = covered(facts).filter(|seen| criteria::is_dead(seen))?;
    let has_other_cause = value(facts, PRIVACY) == Some(1) || shows_more(facts) || capture_card(facts).is_some();
    let judgement = Judgement::new("shutter", if has_other_cause { DOUBTED } else { 0.7 });
    let judgement = judgement.with_evidence(Message::new("evidence.no-noise")).black(facts, seen);
    Some(judgement.fixes(&["other-program", "other-backend"]))
}

/// The driver itself says that nothing comes in. Some make pictures all the same: of noise, of bars, of what came last.
fn no_signal(facts: &Facts) -> Option<Judgement> {
    let (input, lack) = lacking_input(facts)?;
    let is_empty = |seen: &PictureStats| {
        criteria::is_dead(seen)
            || is_black(seen)
            || criteria::is_still(&seen.same, FrameCoding::Intra)
            || criteria::is_snow(&seen.noise)
    };
    let confidence = match seen(facts) {
        Some(seen) if is_empty(seen) => SURE,
        // It is wrong, or the signal has come since.
        Some(_) => DOUBTED,
        None => 0.85,
    };
    let lack = Message::new(format!("lack.{}", lack.slug()));
    let judgement = Judgement::new("black-signal", confidence).titled("input");
    let judgement = judgement.with("input", input.name.as_str()).with("lack", lack);
    Some(judgement.fixes(&["check-signal", "copy-protection-off", "other-cable"]))
}

/// A recorder or an encoder that gets no picture sends a card that says so: one colour, and some letters.
fn card(facts: &Facts, seen: &PictureStats) -> Option<Judgement> {
    if facts.source.kind == SourceKind::File || !criteria::is_card(seen) {
        return None;
    }
    let judgement = Judgement::new("black-signal", 0.7).titled("card").with("camera", facts.source.name.as_str());
    Some(judgement.with_evidence(Message::new("evidence.no-noise")).brightness(seen).fixes(&["check-signal"]))
}

fn black_signal(facts: &Facts) -> Option<Judgement> {
    if let Some(judgement) = no_signal(facts) {
        return Some(judgement);
    }
    if let Some(judgement) = seen(facts).filter(|_| !is_virtual(facts)).and_then(|seen| card(facts, seen)) {
        return Some(judgement);
    }
    let seen = seen(facts).filter(|seen| is_black(seen) && criteria::is_dead(seen) && !is_virtual(facts))?;
    let judgement = if shows_more(facts) {
        Judgement::new("black-signal", 0.92).because("elsewhere").fixes(&["other-backend"])
    } else {
        let camera = capture_card(facts)?;
        let judgement = Judgement::new("black-signal", 0.75).because("no-signal").with("camera", camera);
        judgement.fixes(&["check-signal", "copy-protection-off"])
    };
    Some(judgement.with_evidence(Message::new("evidence.no-noise")).brightness(seen))
}

fn green(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts).filter(|seen| criteria::is_green(seen.green.height))?;
    let green = &seen.green;
    // A buffer or two are empty at the start of many streams. Decoders paint green what is missing of coded pictures: F64.
    let is_of_decoder = facts.is_network() && green.pictures < 0.95;
    let confidence = if green.pictures >= 0.1 && !is_of_decoder { SURE } else { 0.45 };
    let judgement = Judgement::new("green", confidence);
    let judgement = if green.height > 0.99 { judgement.because("whole") } else { judgement.because("part") };
    let judgement = judgement
        .with("height", green.height * 100.0)
        .with("pictures", green.pictures * 100.0)
        .with_evidence(Message::new("evidence.green").with("height", green.height * 100.0));
    let judgement = judgement.fix(Fix::new("restart-stream").does(Action::RestartStream));
    Some(judgement.fix(use_mjpg()).fixes(&["other-port", "other-cable"]))
}

fn use_mjpg() -> Fix {
    Fix::new("use-mjpg").does(Action::UseFormat(PixelFormat::MJPG))
}

/// Whether the other picture has this one's red where its blue is.
fn are_exchanged(before: [f64; 3], after: [f64; 3]) -> bool {
    let ([b, _, r], [other_b, _, other_r]) = (before, after);
    let straight = (b - other_b).abs() + (r - other_r).abs();
    let crossed = (b - other_r).abs() + (r - other_b).abs();
    (b - r).abs() >= 5.0 && crossed * 3.0 < straight
}

fn swapped_colours(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts)?;
    let proof = facts.experiments.iter().find(|tried| {
        let colours = tried.before.bgr.zip(tried.after.bgr);
        tried.before.got.format != tried.after.got.format
            && colours.is_some_and(|(before, after)| are_exchanged(before, after))
    });
    let colour = &seen.colour;
    // Brightness taken for colour and colour for brightness: both colour differences go the same way, and little brightness
    // is left.
    let is_misread =
        colour.chroma_correlation > 0.9 && colour.chroma_std > 20.0 && seen.luma.std < 0.8 * colour.chroma_std;
    let [b, g, r] = colour.bgr;
    // What a buffer full of ones becomes, read as YUV.
    let is_magenta = seen.is_uniform && b > 245.0 && r > 245.0 && (110.0..140.0).contains(&g);
    let judgement = match proof {
        Some(tried) => Judgement::new("swapped-colours", SURE).because("exchanged").with("with", tried.with.as_str()),
        None if is_misread => Judgement::new("swapped-colours", 0.8).because("misread"),
        None if is_magenta => Judgement::new("swapped-colours", 0.8).because("magenta"),
        None => return None,
    };
    Some(judgement.fix(use_mjpg()).fixes(&["other-backend"]))
}

/// Pictures that were damaged when they were sent: no line damages those of a driver in this computer.
fn fed_damaged(facts: &Facts) -> Option<Judgement> {
    let all = || facts.fault_of(&[FaultKind::BadFrame]).map(|_| 1.0);
    let share = facts.damaged_share().or_else(all).filter(|_| is_without_line(facts))?;
    let judgement = Judgement::new("torn", 0.85).titled("fed").with("camera", facts.source.name.as_str());
    let judgement = judgement.with_evidence(Message::new("evidence.damaged").with("percent", number(share * 100.0, 1)));
    let told = facts.stream.as_ref().and_then(|stream| stream.last_fault.as_ref());
    let judgement = told.into_iter().fold(judgement, Judgement::quoting);
    Some(judgement.fixes(if is_virtual(facts) { &["feeder-format"] } else { &["smaller-size", "update-driver"] }))
}

/// The network's pictures that came damaged, by their bytes or by what their decoder said.
fn cut(facts: &Facts) -> Option<Judgement> {
    if facts.source.kind != SourceKind::Network {
        return None;
    }
    let fault = facts.faults().map(|(_, fault)| fault).find(|fault| fault.kind == FaultKind::BadFrame);
    // Over HTTP nothing is lost: what is missing in the count was too damaged to be read.
    let share = if facts.is_over_http() { facts.lost_share() } else { None };
    let spoilt = facts.packets().and_then(PacketEvidence::spoilt_share);
    let share = share.or_else(|| facts.damaged_share()).or(spoilt);
    let grey = seen(facts).map(|seen| &seen.grey).filter(|grey| criteria::is_grey_fill(grey.height));
    let judgement = match (share, fault.filter(|_| facts.is_over_http())) {
        (_, Some(fault)) => Judgement::new("torn", 0.9).quoting(fault),
        (None, None) => {
            let tail = Message::new("evidence.tail").with("height", grey?.height * 100.0);
            Judgement::new("torn", 0.7).with_evidence(tail)
        }
        (Some(share), None) => {
            let damaged = Message::new("evidence.damaged").with("percent", number(share * 100.0, 1));
            // Losses explain it.
            let is_explained = facts.lost_share().is_some() && !facts.is_over_http() && spoilt.is_none();
            Judgement::new("torn", if is_explained { 0.4 } else { 0.75 }).with_evidence(damaged)
        }
    };
    let judgement = judgement.titled("cut").with("camera", facts.source.name.as_str());
    Some(judgement.fixes(&["camera-by-cable", "lower-bit-rate", "update-firmware"]))
}

/// The computer had no time to look at each picture that came.
fn leaves_out(facts: &Facts, seen: &PictureStats) -> bool {
    let came = facts.stream.as_ref().and_then(|stream| stream.fps);
    seen.rate.zip(came).is_some_and(|(looked_at, came)| criteria::is_clearly_too_slow(looked_at, came))
}

fn torn(facts: &Facts) -> Option<Judgement> {
    if let Some(damaged) = cut(facts).or_else(|| fed_damaged(facts)) {
        return Some(damaged);
    }
    let seen = seen(facts)?;
    let torn = seen.torn?;
    if !criteria::is_torn(torn, seen.n_pictures) {
        return None;
    }
    let has_tail = seen.tail.pictures >= 0.01;
    let confidence = match () {
        () if has_tail => SURE,
        // What is lost there is seen by the decoder; figures drawn into the picture leap from row to row as well.
        () if seen.is_coded_as_differences || is_virtual(facts) => 0.3,
        () if facts.is_network() && !seen.rate.is_some_and(criteria::are_neighbours) => 0.3,
        // Not each was looked at: what moves is elsewhere in the next one that was.
        () if leaves_out(facts, seen) => 0.3,
        () => 0.85,
    };
    let judgement = Judgement::new("torn", confidence).with("percent", torn * 100.0);
    let judgement = if has_tail {
        judgement.with_evidence(Message::new("evidence.tail").with("height", seen.tail.height * 100.0))
    } else {
        judgement
    };
    let judgement = judgement.fixes(&["smaller-size", "other-cable", "other-port"]);
    Some(judgement.fix(Fix::new("restart-stream").does(Action::RestartStream)))
}

/// Not of one colour, which has other causes; nor of a virtual camera or a file, which may well stand still.
fn frozen(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts)?;
    let is_still_rightly = is_virtual(facts) || facts.source.kind == SourceKind::File;
    // In pictures that are coded against each other it is worth a word, though it may be as it should.
    let least = if facts.is_network() { FrameCoding::Served } else { FrameCoding::Intra };
    let is_still = criteria::is_still(&seen.same, least);
    let is_sent_again = facts.packets().is_some_and(PacketEvidence::is_frozen);
    // What is decoded from it has to be the same as well.
    let is_one_picture =
        facts.packets().is_some_and(PacketEvidence::is_one_picture) && criteria::is_often_same(&seen.same);
    if !(is_still || is_sent_again || is_one_picture) || seen.is_uniform || is_black(seen) || is_still_rightly {
        return None;
    }
    let is_coded = seen.is_coded_as_differences;
    let confidence = match () {
        () if value(facts, PRIVACY) == Some(1) => DOUBTED,
        // A server that gets no picture sends one of its own, again and again.
        () if facts.is_network() && criteria::is_card(seen) => DOUBTED,
        () if is_sent_again => 0.9,
        () if is_one_picture => 0.7,
        // Nothing moves, and nothing changes: the coder may have nothing to send. Beyond two key frames that is unlikely.
        () if is_coded && !criteria::is_still(&seen.same, FrameCoding::Inter) => DOUBTED,
        () if is_coded && seen.same.lasts => 0.6,
        () if is_coded => DOUBTED,
        () if seen.same.lasts => SURE,
        () => 0.7,
    };
    let judgement = Judgement::new("frozen", confidence).with("secs", number(seen.same.secs, 1));
    let judgement = match () {
        () if is_sent_again => judgement.with("camera", facts.source.name.as_str()).because("sent"),
        () if is_one_picture => judgement.with("camera", facts.source.name.as_str()).because("coder"),
        () if is_coded => judgement.because("coded"),
        () if !seen.same.lasts => judgement.because("again"),
        () => judgement,
    };
    let judgement = judgement.with_evidence(Message::new("evidence.same").with("n", seen.same.n));
    let restart = Fix::new("restart-stream").does(Action::RestartStream);
    let reopen = Fix::new("reconnect").does(Action::Reconnect);
    Some(judgement.fix(restart).fix(reopen).fixes(&["replug"]))
}

fn banding(facts: &Facts) -> Option<Judgement> {
    let bands = seen(facts)?.bands.as_ref()?;
    let hz = bands.mains_hz?;
    let evidence = Message::new("evidence.bands").with("coherence", number(bands.coherence, 2)).with("snr", bands.snr);
    let judgement = Judgement::new("banding", SURE)
        .with("hz", hz)
        .with("percent", number(bands.percent, 1))
        .with_evidence(evidence);
    // `V4L2_CID_POWER_LINE_FREQUENCY_50HZ` and `..._60HZ`.
    let wanted = if hz < 55.0 { 1 } else { 2 };
    let is_set = value(facts, POWER_LINE_FREQUENCY) == Some(wanted);
    let set = setting(facts, "mains-frequency", POWER_LINE_FREQUENCY, wanted).filter(|_| !is_set);
    let judgement = judgement.maybe(set.map(|fix| fix.with("hz", hz)));
    Some(judgement.fix(Fix::new("exposure-of-mains").with("pulses", hz * 2.0)).fixes(&["steady-light"]))
}

fn is_exposed_by_hand(facts: &Facts) -> bool {
    value(facts, AUTO_EXPOSURE) == Some(MANUAL)
}

impl Judgement {
    /// Leave the exposure to the camera, which then sees to it.
    fn exposed_by_hand(self, facts: &Facts) -> Self {
        let Some(control) = control(facts, AUTO_EXPOSURE).filter(|_| is_exposed_by_hand(facts)) else { return self };
        // Devices have different automatic modes; what they begin with is one that they have.
        let value = if control.default == MANUAL { APERTURE_PRIORITY } else { control.default };
        let fix = Fix::new("auto-exposure-on").does(Action::SetControl(ControlSetting { id: AUTO_EXPOSURE, value }));
        self.with_evidence(Message::new("evidence.exposure-by-hand")).fix(fix)
    }

    fn reset_controls(self) -> Self {
        self.fix(Fix::new("reset-controls").does(Action::ResetControls))
    }
}

fn over_exposed(facts: &Facts) -> Option<Judgement> {
    if let Some(turns) = seen(facts).map(|seen| seen.n_brightness_turns).filter(|n| criteria::is_hunting(*n)) {
        let judgement = Judgement::new("over-exposed", 0.65).titled("hunting");
        let evidence = Message::new("evidence.brightness-turns").with("n", f64::from(turns));
        return Some(judgement.with_evidence(evidence).fixes(&["exposure-by-hand"]).reset_controls());
    }
    let seen = seen(facts).filter(|seen| !seen.is_uniform)?;
    let luma = &seen.luma;
    if !criteria::is_over_exposed(luma) {
        return None;
    }
    let judgement = Judgement::new("over-exposed", if is_exposed_by_hand(facts) { 0.9 } else { 0.75 });
    let judgement = judgement.with("percent", luma.share_white * 100.0).brightness(seen).exposed_by_hand(facts);
    Some(judgement.reset_controls().fixes(&["less-light"]))
}

/// Lamps in a dark room are bright: a camera that shows them sees what there is.
fn under_exposed(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts).filter(|seen| !is_black(seen) && !seen.is_uniform)?;
    if !criteria::is_under_exposed(&seen.luma) {
        return None;
    }
    let by_hand = is_exposed_by_hand(facts);
    let judgement = Judgement::new("under-exposed", if by_hand { 0.9 } else { 0.7 });
    let judgement = if by_hand { judgement.titled("by-hand") } else { judgement };
    let judgement = judgement.with("mean", seen.luma.mean).brightness(seen).light_wanted(facts);
    let judgement = judgement.with_evidence(Message::new("evidence.structure").with("std", number(seen.structure, 1)));
    Some(judgement.exposed_by_hand(facts).fixes(&["more-light"]).reset_controls())
}

/// Only of what is all out of focus: something in the picture is sharp where the lens is right.
fn out_of_focus(facts: &Facts) -> Option<Judgement> {
    const SHARP: f64 = 0.5;
    let focus = seen(facts)?.focus.filter(|focus| criteria::is_blurred(*focus))?;
    let is_by_hand = value(facts, AUTO_FOCUS) == Some(0);
    let judgement = Judgement::new("out-of-focus", if is_by_hand { 0.8 } else { 0.65 });
    // An edge that takes so many of 320 pixels.
    let judgement = judgement.with("times", number(SHARP / focus.max(0.01), 1));
    let judgement = judgement.maybe(setting(facts, "auto-focus-on", AUTO_FOCUS, 1).filter(|_| is_by_hand));
    Some(judgement.fixes(&["clean-lens", "focus-distance"]))
}

fn white_balance(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts)?;
    let gains = seen.colour.gains?;
    let is_in_whites = seen.colour.white.is_some_and(|white| criteria::is_cast_of_whites(gains, white));
    if !(is_in_whites || criteria::is_colour_cast(gains, seen.colour.neutral))
        || seen.green.height > 0.0
        || criteria::is_card(seen)
    {
        return None;
    }
    let Gains { red, blue } = gains;
    let balance = value(facts, AUTO_WHITE_BALANCE);
    // Light is red or blue, or both without the filter that keeps infrared out; what is green, or has hardly any of the third colour, is
    // the scene: water, stage lights.
    let is_of_light = (red > 1.0 || blue > 1.0) && !criteria::is_deep_colour(gains);
    let confidence = match (balance, is_of_light) {
        (Some(0), _) => 0.8,
        (Some(_), _) | (None, false) => 0.4,
        (None, true) => 0.6,
    };
    let is_magenta = criteria::is_magenta(gains);
    let judgement = Judgement::new("white-balance", confidence);
    let judgement = judgement.because(match () {
        () if is_magenta => "magenta",
        () if red > blue => "red",
        () => "blue",
    });
    let gains = Message::new("evidence.gains").with("red", number(red, 2)).with("blue", number(blue, 2));
    let automatic = setting(facts, "auto-white-balance-on", AUTO_WHITE_BALANCE, 1).filter(|_| balance == Some(0));
    let judgement = if is_magenta { judgement.fixes(&["infrared-filter"]) } else { judgement };
    Some(judgement.with_evidence(gains).maybe(automatic).reset_controls())
}

fn black_bars(facts: &Facts) -> Option<Judgement> {
    let bars = &seen(facts).filter(|seen| !is_black(seen) && !criteria::is_card(seen))?.bars;
    let (kind, share) = match criteria::bars(bars) {
        [Some(share), None] => ("lying", share),
        [None, Some(share)] => ("upright", share),
        [Some(share), Some(_)] => ("around", share),
        [None, None] => return None,
    };
    // The round picture of a lens that sees all around has black on all sides as well.
    let confidence = if kind == "around" { 0.4 } else { 0.65 };
    let judgement = Judgement::new("black-bars", confidence).because(kind).with("percent", share * 100.0);
    Some(judgement.fixes(&["size-of-same-shape"]))
}

fn combing(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts).filter(|seen| criteria::is_combed(seen.combed))?;
    let judgement = Judgement::new("combing", 0.85);
    let judgement = judgement.with_evidence(Message::new("evidence.combed").with("percent", seen.combed * 100.0));
    Some(judgement.fixes(&["progressive", "half-height"]))
}

fn doubled(facts: &Facts) -> Option<Judgement> {
    let is_sent_twice = facts.packets().is_some_and(PacketEvidence::is_doubled);
    let seen = seen(facts)?;
    // Of all that came, where they are coded each by itself; else of those that were looked at.
    let of_all = facts.stream.as_ref().and_then(|stream| stream.times_each).filter(|_| !seen.is_coded_as_differences);
    let times = of_all.or_else(|| (seen.is_doubled || is_sent_twice).then_some(2.0));
    let times = times.filter(|_| !is_black(seen) && !seen.is_uniform)?;
    let fps = seen.rate.or_else(|| facts.stream.as_ref()?.fps)?;
    let half = (fps / times).round().max(1.0);
    // A coder that has nothing to send leaves out pictures as well, though hardly every second one.
    let confidence = if seen.is_coded_as_differences { 0.6 } else { 0.85 };
    let judgement = Judgement::new("doubled", confidence).with("times", times.round());
    let judgement = judgement.with("fps", fps).with("true", half);
    Some(if facts.is_local() {
        judgement.fix(Fix::new("use-rate").with("fps", half).does(Action::UseRate(half)))
    } else {
        judgement.fixes(&["more-light", "camera-rate"])
    })
}

fn noise(facts: &Facts) -> Option<Judgement> {
    let seen = seen(facts)?;
    let noise = criteria::is_noisy(&seen.noise)?;
    let is_gained = is_at_maximum(facts, GAIN);
    let judgement = Judgement::new("noise", if is_gained { 0.9 } else { 0.75 }).with("noise", noise);
    Some(judgement.brightness(seen).light_wanted(facts).fixes(&["more-light", "less-gain", "lower-rate"]))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::checkup::catalogue::LIKELY;
    use crate::checkup::facts;
    use crate::checkup::verdict::{Finding, findings};
    use crate::control::Control;
    use crate::device::capabilities::{SignalInput, SignalLack};
    use crate::picture::{FrameCoding, PictureSeries};
    use crate::source::simulated::pictures;

    /// What a check-up of the simulated camera knows of its pictures after so many.
    fn facts_of(line: &str, n: usize) -> Facts {
        let mut series = PictureSeries::new(FrameCoding::Intra);
        let began = Instant::now();
        for (due, image) in pictures(line).take(n) {
            series.add(&image, began + due);
        }
        let source = facts::SourceFacts { kind: SourceKind::Simulated, ..facts::SourceFacts::default() };
        Facts { source, picture: Some(series.stats()), ..Facts::default() }
    }

    fn told(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|f| format!("{} {:.2}", f.judgement.because.key, f.judgement.confidence)).collect()
    }

    /// The first finding of what the simulated camera shows, and its reason: `slug` or `slug.kind`.
    #[track_caller]
    fn check(line: &str, expected: &str) {
        let facts = facts_of(line, 36);
        let findings = findings(&facts);
        let first = findings.first().map_or("", |first| first.judgement.because.key.trim_start_matches("because."));
        let is_likely = findings.first().is_some_and(|first| first.judgement.confidence >= LIKELY);
        assert!(first == expected && is_likely, "{line}: {:?}\n{:?}", told(&findings), facts.picture);
    }

    #[test]
    fn each_trouble_is_named() {
        for format in ["bgr", "yuyv", "mjpeg"] {
            let check = |line: &str, expected: &str| check(&format!("320x240,format={format},{line}"), expected);
            check("black", "shutter");
            check("cap", "lens-covered");
            check("dark", "under-exposed");
            check("bright", "over-exposed");
            check("green", "green.whole");
            check("frozen", "frozen");
            check("frozen,pattern=still", "frozen");
            check("frozen,pattern=night", "frozen");
            check("infrared", "infrared");
            check("infrared,pattern=still", "infrared");
            check("torn=30", "torn");
            check("torn=30,pattern=still,seed=3", "torn");
            check("flicker=50", "banding");
            check("flicker=50,pattern=still", "banding");
            check("flicker=60,@25", "banding");
            check("flicker=50,@24", "banding");
            check("flicker=50,@15,pattern=night", "banding");
            check("blur", "out-of-focus");
            check("blur,pattern=chart", "out-of-focus");
            check("blur,pattern=still", "out-of-focus");
            check("noise", "noise");
            check("noise,pattern=still", "noise");
            check("cast", "white-balance.red");
            check("cast,pattern=still", "white-balance.red");
            check("comb", "combing");
            check("doubled", "doubled");
            check("doubled,pattern=still", "doubled");
            check("letterbox", "black-bars.lying");
            check("letterbox,pattern=still", "black-bars.lying");
        }
    }

    /// A computer without time looks at one in four: what moves leaps from one to the next.
    #[test]
    fn pictures_between_which_others_came_prove_no_tear() {
        #[track_caller]
        fn check(looked_at: f64, came: f64, is_likely: bool) {
            let mut facts = facts_of("320x240,torn=30", 36);
            facts.picture.as_mut().unwrap().rate = Some(looked_at);
            facts.stream.get_or_insert_default().fps = Some(came);
            let judgement = torn(&facts).unwrap();
            assert_eq!(judgement.confidence >= LIKELY, is_likely, "{looked_at} of {came}: {judgement:?}");
        }
        check(30.0, 30.0, true);
        check(29.0, 30.0, true);
        check(7.5, 30.0, false);
    }

    #[test]
    fn exchanged_colours_are_proved_by_another_format() {
        let summary = |line: &str, format| {
            let picture = facts_of(line, 12).picture.unwrap();
            let got = crate::status::Got { format: Some(format), ..Default::default() };
            facts::StreamSummary { bgr: Some(picture.colour.bgr), got, ..Default::default() }
        };
        for (before, expected) in [("format=yuyv,swapped", Some("exchanged")), ("format=yuyv", None)] {
            let line = |rest: &str| format!("320x240,pattern=still,{rest}");
            let mut facts = facts_of(&line(before), 12);
            facts.experiments.push(facts::Experiment {
                id: "other-format".into(),
                with: "MJPG".into(),
                action: None,
                before: summary(&line(before), PixelFormat::YUYV),
                after: summary(&line("format=mjpeg,swapped"), PixelFormat::MJPG),
            });
            let judgement = swapped_colours(&facts);
            let kind = judgement.as_ref().and_then(|judgement| judgement.because.key.rsplit('.').next());
            assert_eq!(kind, expected, "{before}");
        }
    }

    /// What else is known of the camera tells look-alikes apart.
    #[track_caller]
    fn check_with(line: &str, change: impl Fn(&mut Facts), expected: &str) {
        let mut facts = facts_of(&format!("320x240,{line}"), 36);
        change(&mut facts);
        let findings = findings(&facts);
        let first = findings.first().map_or("", |first| first.judgement.because.key.trim_start_matches("because."));
        assert_eq!(first, expected, "{line}: {:?}", told(&findings));
    }

    fn has(id: u32, value: i64, max: i64) -> impl Fn(&mut Facts) {
        move |facts: &mut Facts| {
            let (kind, name) = (ControlKind::Integer { min: 0, max, step: 1 }, String::new());
            let (held, default) = (None, 3);
            let value = Some(value);
            let control = Control { id, name, kind, value, default, held, is_read_only: false, is_volatile: false };
            facts.abilities.get_or_insert_default().controls.push(control);
        }
    }

    fn named(name: &'static str) -> impl Fn(&mut Facts) {
        move |facts: &mut Facts| {
            let device = crate::device::Device { name: name.to_owned(), ..Default::default() };
            facts.presence.get_or_insert_default().device = Some(device);
        }
    }

    #[test]
    fn what_is_known_of_the_camera_tells_look_alikes_apart() {
        check_with("black", has(PRIVACY, 1, 1), "privacy-shutter");
        check_with("frozen", has(PRIVACY, 1, 1), "privacy-shutter");
        check_with("black", has(PRIVACY, 0, 1), "shutter");
        check_with("cap", has(PRIVACY, 1, 1), "privacy-shutter");
        check_with("black", named("USB HDMI Capture"), "black-signal.no-signal");
        check_with("cap", named("USB HDMI Capture"), "lens-covered");
        check_with("dark", has(AUTO_EXPOSURE, MANUAL, 3), "under-exposed.by-hand");
        check_with("bright", has(AUTO_EXPOSURE, 3, 3), "over-exposed");
        check_with("infrared", has(SATURATION, 0, 100), "infrared");
        check_with("pattern=chart", has(SATURATION, 0, 100), "");
        let tinted = |red: f64, blue: f64| {
            move |facts: &mut Facts| {
                let colour = &mut facts.picture.as_mut().unwrap().colour;
                (colour.gains, colour.neutral) = (Some(Gains { red, blue }), 0.0);
            }
        };
        check_with("pattern=card", tinted(2.5, 1.0), "white-balance.red");
        check_with("pattern=card", tinted(1.6, 1.9), "white-balance.magenta");
        check_with("pattern=card", tinted(1.0, 2.5), "white-balance.blue");
        let is_likely = |red: f64, blue: f64| {
            let mut facts = facts_of("320x240,pattern=card", 36);
            tinted(red, blue)(&mut facts);
            findings(&facts).first().is_some_and(|first| first.judgement.confidence >= LIKELY)
        };
        // A camera that is set for another light, and one that looks into an aquarium.
        assert!(is_likely(0.7, 1.9) && !is_likely(0.3, 1.8) && !is_likely(0.2, 1.2));
        let without = |lack| {
            move |facts: &mut Facts| {
                let input = SignalInput { name: "HDMI".to_owned(), lack };
                facts.abilities.get_or_insert_default().input = Some(input);
            }
        };
        check_with("noise", without(Some(SignalLack::NoSignal)), "black-signal.input");
        check_with("frozen", without(Some(SignalLack::OutOfRange)), "black-signal.input");
        check_with("black", without(Some(SignalLack::NoPower)), "black-signal.input");
        check_with("noise", without(None), "noise");
        let each = |times| move |facts: &mut Facts| facts.stream.get_or_insert_default().times_each = times;
        check_with("pattern=still", each(Some(3.0)), "doubled");
        check_with("pattern=still", each(None), "");
        let is_coded = |facts: &mut Facts| facts.picture.as_mut().unwrap().is_coded_as_differences = true;
        check_with("doubled,pattern=still", is_coded, "doubled");
        check_with("pattern=still", is_coded, "");
    }

    #[test]
    fn healthy_pictures_have_no_verdict() {
        for pattern in ["card", "noise", "gradient", "chart", "still", "night"] {
            for format in ["bgr", "yuyv", "mjpeg"] {
                for seed in 0..20 {
                    // Where no chance is in it, one seed shows what all do.
                    if seed > 0 && !["noise", "still", "night"].contains(&pattern) {
                        continue;
                    }
                    let line = format!("320x240,pattern={pattern},format={format},seed={seed}");
                    let facts = facts_of(&line, 16);
                    let findings = findings(&facts);
                    assert!(findings.is_empty(), "{line}: {:?}\n{:?}", told(&findings), facts.picture);
                }
            }
        }
    }
}
