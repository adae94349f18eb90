//! The connection test: every step from the address to ten seconds of packets, each with its outcome as it happens.

use std::time::{Duration, Instant};

use super::connector::{Connector, OpenedStream};
use super::gateway::large_jpeg;
use super::gateway::setup::NotSetUp;
use super::http::{HttpStream, HttpStreamKind};
use super::rtp::{Meter, RtpPacket};
use super::rtsp_stream::{self, RtspStream};
use super::sdp::{Codec, VideoFormat};
use super::video::FoundVideo;
use super::{
    ConnectionFinding, ConnectionParameters, ConnectionTestResult, PacketEvidence, StepName, StepOutcome,
    StreamMeasurements, TestStep, jpeg,
};
use crate::address::Scheme;
use crate::fault::FaultKind;
use crate::settings::Transport;

/// A stream that pauses for longer has stopped.
const STALL: Duration = Duration::from_secs(3);
const LAST_LOOK: Duration = Duration::from_millis(50);
/// With a later key frame everybody waits who begins to watch (F92).
const MAX_KEY_FRAME_WAIT: Duration = Duration::from_secs(2);
const MAX_KEY_FRAME_SECS: f64 = 5.0;
/// Against key frames that are rare or never come.
pub const KEY_FRAME_ADVICE: &str = "Set the interval of key frames (I-frames) to one or two seconds in the camera's settings, and switch “+” or “smart” off.";
/// More than the varying delay of a network makes of itself while it is watched (F93).
const MAX_DELAY_GROWTH_MS: f64 = 300.0;
/// With so much it is watched for longer.
const SOME_DELAY_GROWTH_MS: f64 = 60.0;
const LONGER_WATCH: Duration = Duration::from_secs(6);
/// Who sends over TCP sends over UDP as soon.
const OTHER_TRANSPORT: Duration = Duration::from_millis(1_500);
/// A snapshot is asked for no more often.
const SNAPSHOT_PERIOD: Duration = Duration::from_secs(1);

const RTSP_STEPS: [StepName; 13] = [
    StepName::Url,
    StepName::Dns,
    StepName::Tcp,
    StepName::Tls,
    StepName::Options,
    StepName::Describe,
    StepName::Login,
    StepName::SetupTcp,
    StepName::FirstPacket,
    StepName::Codec,
    StepName::KeyFrame,
    StepName::Quality,
    StepName::SetupUdp,
];
const HTTP_STEPS: [StepName; 8] = [
    StepName::Url,
    StepName::Dns,
    StepName::Tcp,
    StepName::Tls,
    StepName::Get,
    StepName::Login,
    StepName::FirstPicture,
    StepName::Quality,
];

/// Tests a network camera, step by step; `watch` is how long packets or pictures are measured. Each step is told when it is
/// over, and those that were not carried out as skipped. Opens one connection in most cases, and ends each session that it has begun.
///
/// Blocks for the sum of its steps: each has [`ConnectionParameters::step_deadline`], to which `watch` comes;
/// [`ConnectionParameters::deadline`] ends all of it, and so does disconnecting [`ConnectionParameters::cancel`], within 100 ms.
pub fn test(
    parameters: &ConnectionParameters,
    watch: Duration,
    on_step: &mut dyn FnMut(TestStep),
) -> ConnectionTestResult {
    let mut steps: Vec<TestStep> = Vec::new();
    let mut keep = |step: TestStep| {
        steps.push(step.clone());
        on_step(step);
    };
    let mut measured = StreamMeasurements::default();
    let mut connector = Connector::new(parameters, &mut keep);
    let outcome = connector.open().and_then(|found| match found {
        OpenedStream::Rtsp { client, description } => {
            let mut media = RtspStream::new(client, description);
            rtsp(&mut connector, &mut media, watch, &mut measured)
        }
        OpenedStream::Http { mut stream } => http(&mut connector, &mut stream, watch, &mut measured),
    });
    let certificate = connector.certificate.take();
    for name in plan(parameters.address.scheme) {
        if !steps.iter().any(|step| step.name == name) {
            let step = TestStep { name, outcome: StepOutcome::Skipped, ms: None, detail: "not tried".into() };
            steps.push(step.clone());
            on_step(step);
        }
    }
    let verdict = outcome.unwrap_or_else(Some).map(|mut finding| {
        finding.fault.message = parameters.address.mask_in(&finding.fault.message).into();
        finding
    });
    ConnectionTestResult { steps, verdict, measured, certificate }
}

/// The steps of a test in the order in which they are carried out.
#[must_use]
pub fn plan(scheme: Scheme) -> Vec<StepName> {
    let steps = if scheme.is_rtsp() { &RTSP_STEPS[..] } else { &HTTP_STEPS[..] };
    let is_had = |name: &StepName| *name != StepName::Tls || scheme.is_encrypted();
    steps.iter().copied().filter(is_had).collect()
}

/// SETUP and what follows. What a technician should know although the stream runs, if there is something.
fn rtsp(
    connector: &mut Connector<'_>,
    media: &mut RtspStream,
    watch: Duration,
    measured: &mut StreamMeasurements,
) -> Result<Option<ConnectionFinding>, ConnectionFinding> {
    let transport = connector.parameters.network.transport;
    let is_encrypted = connector.parameters.address.scheme.is_encrypted();
    let video = media.description.video.clone();
    measured.codec = Some(name_of(&video.format).into());
    measured.resolution = video.size;

    let is_over_udp = transport == Transport::Udp && !is_encrypted;
    let first = if is_over_udp { StepName::SetupUdp } else { StepName::SetupTcp };
    let is_over_udp = match set_up(connector, media, is_over_udp) {
        Ok(detail) => {
            connector.report(first, StepOutcome::Good, detail.1, detail.0);
            is_over_udp
        }
        // The other transport is what the setting leaves open.
        Err((NotSetUp::OtherTransport(finding), started)) if transport == Transport::Auto && !is_encrypted => {
            connector.report(first, StepOutcome::Warning, started, finding.fault.to_string());
            let udp = set_up(connector, media, true);
            let (detail, started) =
                udp.map_err(|(refused, at)| connector.bad(StepName::SetupUdp, at, refused.finding()))?;
            connector.report(StepName::SetupUdp, StepOutcome::Good, started, detail);
            true
        }
        Err((refused, started)) => return Err(connector.bad(first, started, refused.finding())),
    };

    let (begun, first, meter) = connector.step(StepName::FirstPacket, |connector| {
        let begun = Instant::now();
        let (arrived, bytes, meter) = first_packet(media, connector, connector.parameters.step_deadline)?;
        let way = if is_over_udp { "UDP" } else { "TCP" };
        let detail = format!("{} bytes over {way}, {} ms after PLAY", bytes.len(), (arrived - begun).as_millis());
        Ok(((arrived, bytes, meter), detail))
    })?;
    let key_after = (meter.n_keys() > 0).then_some(Duration::ZERO);

    let (format, remark) = match media.found() {
        Some(found) => (found.format.clone(), found.remark.clone()),
        None => (video.format.clone(), String::new()),
    };
    measured.codec = Some(name_of(&format).into());
    let started = Instant::now();
    codec(&format, &first).map_err(|finding| connector.bad(StepName::Codec, started, finding))?;
    if remark.is_empty() {
        connector.report(StepName::Codec, StepOutcome::Good, started, format.codec.name());
    } else {
        let detail = format!("{}; not as agreed: {remark}", format.codec.name());
        connector.report(StepName::Codec, StepOutcome::Warning, started, detail);
    }

    // The time of watching runs already: what it takes to the first key frame is part of it.
    let mut watching = Watching { meter, newest: begun, key_after, begun };
    let mut finding = key_frame(connector, media, &mut watching, format.codec, is_over_udp, watch)?;

    let started = Instant::now();
    let until = (begun + watch).min(connector.parameters.deadline);
    let mut outcome = watching.watch(media, until, |_| false);
    // A delay that grows is told from a clock that is slow by the camera's reports, or by more of it; a clock that jumps by a second jump.
    let is_later = |watching: &Watching, growth: f64| watching.meter.delay_growth_ms(None) > Some(growth);
    let is_unsure =
        watching.meter.may_jump() || media.reported_rate().is_none() && is_later(&watching, SOME_DELAY_GROWTH_MS);
    if outcome.is_ok() && is_unsure {
        let until = (begun + watch.max(LONGER_WATCH)).min(connector.parameters.deadline);
        outcome = watching.watch(media, until, |_| false);
    }
    let meter = &watching.meter;
    measured.resolution = meter.size().or(measured.resolution);
    measured.fps = meter.fps();
    measured.kbit_per_sec = meter.kbit_per_sec();
    measured.loss_percent = meter.loss_percent();
    measured.jitter_ms = meter.jitter_ms();
    measured.key_frame_secs = meter.key_frame_secs();
    measured.delay_growth_ms = meter.delay_growth_ms(media.reported_rate());
    measured.wrong_clock = meter.wrong_clock(media.reported_rate()).map(|rate| (rate, meter.watched().as_secs_f64()));
    outcome.map_err(|finding| connector.bad(StepName::Quality, started, finding))?;
    let mut detail = detail(measured);
    if let Some((rate, _)) = measured.wrong_clock {
        let way = if rate > 1.0 { "slow" } else { "fast" };
        detail += &format!("; the stream's clock runs {way} by {:.0} %", ((rate.recip() - 1.0) * 100.0).abs());
    }
    if media.n_stray() > 0 {
        detail += &format!("; {} bytes between the packets belong to none of them", media.n_stray());
    }
    if let Some(found) = judge(meter, measured, is_over_udp) {
        connector.report(StepName::Quality, StepOutcome::Warning, started, format!("{detail}; {}", found.fault));
        finding = finding.or(Some(found));
    } else {
        let is_odd = measured.wrong_clock.is_some() || media.n_stray() > 0;
        let outcome = if is_odd { StepOutcome::Warning } else { StepOutcome::Good };
        connector.report(StepName::Quality, outcome, started, detail);
    }

    // The other transport, to know what else would work: in a session of its own, and no failure of the camera's.
    media.tear_down(connector.step_deadline());
    if is_over_udp {
        return Ok(finding);
    }
    if is_encrypted {
        let detail = "not tried: over UDP nothing would be encrypted";
        connector.report_ms(StepName::SetupUdp, StepOutcome::Skipped, None, detail);
        return Ok(finding);
    }
    let started = Instant::now();
    let udp = set_up(connector, media, true).map_err(|(refused, _)| refused.finding());
    let udp = udp.and_then(|_| first_packet(media, connector, OTHER_TRANSPORT));
    match udp {
        Ok(_) => connector.report(StepName::SetupUdp, StepOutcome::Good, started, "packets arrive over UDP too"),
        Err(finding) => connector.report(StepName::SetupUdp, StepOutcome::Warning, started, finding.fault.to_string()),
    }
    media.tear_down(connector.step_deadline());
    Ok(finding)
}

fn name_of(format: &VideoFormat) -> &str {
    if format.codec == Codec::Other { &format.encoding } else { format.codec.name() }
}

/// Whether this program can decode what comes.
fn codec(format: &VideoFormat, first: &[u8]) -> Result<(), ConnectionFinding> {
    if format.codec == Codec::Jpeg && RtpPacket::parse(first).is_some_and(|packet| packet.is_large_jpeg()) {
        return Err(large_jpeg());
    }
    if format.codec.is_playable() {
        return Ok(());
    }
    let name = &format.encoding;
    let what = if name.is_empty() { format!("payload type {}", format.payload_type) } else { name.clone() };
    let message = format!("the camera sends {what}, which this program cannot decode");
    Err(ConnectionFinding::new("F91", FaultKind::CodecMissing, message))
}

/// SETUP and PLAY. What was agreed on and when it began, or why not and when that began.
fn set_up(
    connector: &Connector<'_>,
    media: &mut RtspStream,
    is_over_udp: bool,
) -> Result<(String, Instant), (NotSetUp, Instant)> {
    let started = Instant::now();
    let set_up = media.set_up(is_over_udp, connector.step_deadline());
    set_up.map(|detail| (detail, started)).map_err(|refused| (refused, started))
}

/// The time of arrival of the first packet of the video, the packet, and a meter that has taken it.
fn first_packet(
    media: &mut RtspStream,
    connector: &Connector<'_>,
    patience: Duration,
) -> Result<(Instant, Vec<u8>, Meter), ConnectionFinding> {
    let patience = patience.min(connector.parameters.step_deadline);
    let deadline = connector.step_deadline().min(Instant::now() + patience);
    loop {
        let Some(bytes) = media.next_packet(deadline)? else { return Err(media.nothing_came(patience)) };
        let now = Instant::now();
        let Some(FoundVideo { format, .. }) = media.found() else { continue };
        let mut meter = Meter::of(format);
        if meter.take(&bytes, now).is_some() {
            return Ok((now, bytes, meter));
        }
    }
}

struct Watching {
    meter: Meter,
    newest: Instant,
    /// After the first packet.
    key_after: Option<Duration>,
    begun: Instant,
}

impl Watching {
    /// Measures until then, or until it is enough.
    fn watch(
        &mut self,
        media: &mut RtspStream,
        until: Instant,
        mut is_enough: impl FnMut(&Self) -> bool,
    ) -> Result<(), ConnectionFinding> {
        while !is_enough(self) && Instant::now() < until {
            // A program that stood still itself looks first at what has come meanwhile.
            let stalled_at = (self.newest + STALL).max(Instant::now() + LAST_LOOK);
            let next = media.next_packet(until.min(stalled_at));
            match next.map_err(|ended| media.judge_end(ended, self.begun.elapsed()))? {
                Some(bytes) => {
                    let now = Instant::now();
                    if let Some(taken) = self.meter.take(&bytes, now) {
                        self.newest = now;
                        if taken.is_key {
                            self.key_after.get_or_insert(now.saturating_duration_since(self.begun));
                        }
                    }
                }
                None if Instant::now() >= stalled_at => {
                    return Err(media.stopped(STALL.as_secs_f64()));
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn key_frame(
    connector: &mut Connector<'_>,
    media: &mut RtspStream,
    watching: &mut Watching,
    codec: Codec,
    is_over_udp: bool,
    watch: Duration,
) -> Result<Option<ConnectionFinding>, ConnectionFinding> {
    let started = Instant::now();
    if !matches!(codec, Codec::H264 | Codec::H265 | Codec::Jpeg | Codec::Mpeg4) {
        let detail = format!("{} does not show its key frames", codec.name());
        connector.report_ms(StepName::KeyFrame, StepOutcome::Skipped, None, detail);
        return Ok(None);
    }
    let patience = watch.max(connector.parameters.step_deadline);
    let until = (watching.begun + patience).min(connector.parameters.deadline);
    // What a picture needs comes before it or with it, at the latest before the next one that begins anew.
    // Where packets were lost, the sets may be among these.
    let is_complete = |watching: &Watching| {
        let meter = &watching.meter;
        meter.missing_sets().is_none() || meter.n_keys() > 1 && meter.n_lost() == 0
    };
    let watched = watching.watch(media, until, |watching| watching.key_after.is_some() && is_complete(watching));
    watched.map_err(|finding| connector.bad(StepName::KeyFrame, started, finding))?;
    if let Some(missing) = watching.meter.missing_sets().filter(|_| watching.key_after.is_some()) {
        if let Some(lost) = lost(&watching.meter, is_over_udp) {
            return Err(connector.bad(StepName::KeyFrame, started, lost));
        }
        return Err(connector.bad(StepName::KeyFrame, started, without_sets(missing)));
    }
    let late =
        |message: String| ConnectionFinding::new("F92", FaultKind::NoFirstFrame, message).with_advice(KEY_FRAME_ADVICE);
    match watching.key_after {
        Some(after) if after <= MAX_KEY_FRAME_WAIT => {
            let detail = format!("{} ms after the first packet", after.as_millis());
            connector.report(StepName::KeyFrame, StepOutcome::Good, started, detail);
            Ok(None)
        }
        Some(_) if lost(&watching.meter, is_over_udp).is_some() => Ok(None),
        Some(after) => {
            let found = late(format!("the first key frame came {:.1} s after the first packet", after.as_secs_f64()));
            connector.report(StepName::KeyFrame, StepOutcome::Warning, started, found.fault.to_string());
            Ok(Some(found.unsure(0.8)))
        }
        None => {
            let waited = watching.begun.elapsed().as_secs_f64();
            if let Some(lost) = lost(&watching.meter, is_over_udp) {
                return Err(connector.bad(StepName::KeyFrame, started, lost));
            }
            let found =
                late(format!("packets arrive, and no key frame is among them in {waited:.1} s: no picture can begin"));
            Err(connector.bad(StepName::KeyFrame, started, found))
        }
    }
}

/// The finding about pictures that nobody can decode, as their parameter sets are missing.
#[must_use]
pub fn without_sets(missing: &str) -> ConnectionFinding {
    let message = format!(
        "{missing} are missing: the camera neither announces them nor sends them, and without them nothing can be decoded"
    );
    ConnectionFinding::new("F91", FaultKind::OpenFailed, message)
        .with_advice("Restart the camera; choose another profile or size in its settings, or its second stream; update its firmware.")
}

fn lost(meter: &Meter, is_over_udp: bool) -> Option<ConnectionFinding> {
    rtsp_stream::lost(meter.n_lost(), meter.n_received(), is_over_udp)
}

fn judge(meter: &Meter, measured: &StreamMeasurements, is_over_udp: bool) -> Option<ConnectionFinding> {
    let evidence = PacketEvidence { is_over_udp, ..meter.evidence(None) };
    if let Some(found) = evidence.judge() {
        return Some(found);
    }
    if let Some(growth) = measured.delay_growth_ms.filter(|growth| *growth > MAX_DELAY_GROWTH_MS) {
        let message = format!("packets arrive later and later: {growth:.0} ms more at the end than at the beginning");
        return Some(ConnectionFinding::new("F93", FaultKind::Backlog, message).unsure(0.7));
    }
    if let Some(secs) = meter.key_frame_secs().filter(|secs| *secs > MAX_KEY_FRAME_SECS) {
        let message =
            format!("only every {secs:.1} s a key frame: that long nobody sees a picture after an interruption");
        return Some(
            ConnectionFinding::new("F92", FaultKind::NoFirstFrame, message)
                .with_advice(
                    "Set the interval of key frames (I-frames) to one or two seconds in the camera's settings.",
                )
                .unsure(0.7),
        );
    }
    None
}

/// The figures in one line.
fn detail(measured: &StreamMeasurements) -> String {
    let mut parts = Vec::new();
    parts.extend(measured.resolution.map(|size| size.to_string()));
    parts.extend(measured.fps.map(|fps| format!("{fps:.1} fps")));
    parts.extend(measured.kbit_per_sec.map(|rate| format!("{rate:.0} kbit/s")));
    parts.extend(measured.loss_percent.map(|loss| format!("{loss:.1} % lost")));
    parts.extend(measured.jitter_ms.map(|jitter| format!("jitter {jitter:.1} ms")));
    parts.extend(measured.key_frame_secs.map(|secs| format!("a key frame every {secs:.1} s")));
    parts.join(", ")
}

fn http(
    connector: &mut Connector<'_>,
    stream: &mut HttpStream,
    watch: Duration,
    measured: &mut StreamMeasurements,
) -> Result<Option<ConnectionFinding>, ConnectionFinding> {
    if stream.kind() == HttpStreamKind::Video {
        let detail = "a video, which is looked at by playing it".to_owned();
        connector.report(StepName::FirstPicture, StepOutcome::Good, Instant::now(), detail);
        return Ok(None);
    }
    measured.codec = Some("MJPEG".into());
    let picture = connector.step(StepName::FirstPicture, |connector| {
        let picture = stream.picture(connector.step_deadline())?;
        let size = jpeg::size(&picture).map_or_else(String::new, |size| format!("{size}, "));
        let detail = format!("{size}{} KiB", picture.len().div_ceil(1_024));
        Ok((picture, detail))
    })?;
    measured.resolution = jpeg::size(&picture);
    let started = Instant::now();
    let until = (started + watch).min(connector.parameters.deadline);
    let (mut n_pictures, mut n_bytes) = (0_u32, 0_usize);
    let mut newest = started;
    let mut pause = Duration::ZERO;
    loop {
        let now = Instant::now();
        if now >= until {
            break;
        }
        if stream.kind() == HttpStreamKind::Snapshot {
            // Nobody wants more of a snapshot, and cameras are slow at them.
            let wait = SNAPSHOT_PERIOD.saturating_sub(pause).min(until.saturating_duration_since(now));
            if connector.parameters.cancel.recv_timeout(wait) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                break;
            }
        }
        let asked = Instant::now();
        // One that is under way when the time is over is no failure.
        let patience =
            if stream.kind() == HttpStreamKind::Snapshot { connector.parameters.step_deadline } else { STALL };
        let deadline = (newest.max(asked) + patience).min(connector.parameters.deadline);
        match stream.picture(deadline) {
            Ok(picture) => {
                newest = Instant::now();
                pause = newest.saturating_duration_since(asked);
                n_pictures += 1;
                n_bytes += picture.len();
            }
            Err(_) if Instant::now() >= until && newest.elapsed() < STALL => break,
            Err(finding) => return Err(connector.bad(StepName::Quality, started, finding)),
        }
    }
    let watched = newest.saturating_duration_since(started).as_secs_f64();
    if n_pictures > 0 && watched > 0.0 {
        measured.fps = Some(f64::from(n_pictures) / watched);
        measured.kbit_per_sec = Some(n_bytes as f64 * 8.0 / 1_000.0 / watched);
    }
    connector.report(StepName::Quality, StepOutcome::Good, started, detail(measured));
    Ok(None)
}
