//! The frames of a check-up, of a camera that it has opened or of one that streams in this program, and all that is measured of
//! them. Judges nothing. A camera that streams is not disturbed.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use super::Live;
use super::facts::{StreamFacts, StreamSummary};
use super::sampler::PictureSampler;
use super::status::StreamStatus;
use crate::analyser::coding_of;
use crate::backend::Backend;
use crate::control::{Control, ControlSetting};
use crate::criteria;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::{Image, Size};
use crate::network::PacketEvidence;
use crate::picture::{FrameCoding, PictureTraits};
use crate::probe::measure::{FrameRead, StreamMeasurement};
use crate::probe::{Probe, ProbeEvent};
use crate::settings::secs;
use crate::source::reader::{Pace, ReadResult};
use crate::source::{Grabbed, OpenRequest, SourceSpec};
use crate::status::{Drops, Got, State, Status};

/// How often a wait looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(50);
/// Frames that are thrown away first: what exposure and decoder make of them says nothing of the camera.
const N_WARM_UP: u32 = 5;
/// No camera changes its size more often than anybody would read.
const MAX_SIZES: usize = 16;

/// Frames flow where the newest one is not older than this, or than a stall of a slow camera takes to be one.
const FLOWING: Duration = Duration::from_millis(300);
/// As the engine's shortest; and of a network camera, whose pictures may be held up on their way.
const STALL: Duration = Duration::from_secs(1);
pub(super) const NETWORK_PAUSE: Duration = Duration::from_secs(3);

enum StreamOrigin {
    /// Opened for the check-up.
    Probe(Box<Probe>),
    /// It streams in this program, which had counted so many drops before, and so much of its packets.
    Live(Box<Live>, Drops, Box<PacketEvidence>),
}

/// A stream under observation. Dropping it has the camera closed, if it was opened here.
pub struct CheckupStream {
    origin: StreamOrigin,
    spec: SourceSpec,
    /// How equal pictures are to be taken.
    pub coding: FrameCoding,
    began: Instant,
    pub opened_at: Option<Instant>,
    /// The device itself, without the start of a process for it.
    pub took_to_open: Option<Duration>,
    pub first_at: Option<Instant>,
    pub last_at: Option<Instant>,
    pace: Pace,
    /// What the camera says of its rate is believed before its frames show it.
    believes_rate: bool,
    pub backend: Option<Backend>,
    pub got: Got,
    pub measured: StreamMeasurement,
    pub sampler: PictureSampler,
    /// Of the newest frame.
    pub image: Option<Image>,
    before: Option<Image>,
    /// When the first of those came that it is equal to, byte for byte; `None` where the one before was another.
    pub same_since: Option<Instant>,
    pub controls: Vec<Control>,
    pub packets: Option<PacketEvidence>,
    sizes: Vec<Size>,
    n_pauses: u32,
    longest_pause: Duration,
    /// How often each picture came.
    runs: Vec<u32>,
    /// How old each frame was when it was there, and what the call for it took beyond waiting.
    ages_ms: Vec<f64>,
    decodes_ms: Vec<f64>,
    /// Why nothing more comes.
    pub ended: Option<Fault>,
    /// What the engine would say of it.
    engine: Option<StreamStatus>,
    /// The same, at the end of the last watch.
    pub status: Option<Status>,
}

impl CheckupStream {
    /// Begins to open the camera.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(request: OpenRequest) -> Result<Self, String> {
        let spec = request.spec.clone();
        let probe = Probe::start(request, N_WARM_UP)?;
        Ok(Self::new(StreamOrigin::Probe(Box::new(probe)), &spec))
    }

    /// Has the status told, as the engine would tell it, from the opening on.
    pub(super) fn with_status(self, engine: StreamStatus) -> Self {
        Self { engine: Some(engine), ..self }
    }

    /// Watches one that streams.
    #[must_use]
    pub fn live(live: Live, spec: &SourceSpec) -> Self {
        let status = live.status.current();
        let drops = status.as_ref().map(|status| status.drops).unwrap_or_default();
        let evidence = live.evidence.current().map(|evidence| *evidence).unwrap_or_default();
        let mut stream = Self::new(StreamOrigin::Live(Box::new(live), drops, Box::new(evidence)), spec);
        if let Some(status) = status {
            stream.backend = Backend::ALL.into_iter().find(|backend| backend.slug() == status.backend);
            stream.on_opened(status.got.clone());
            stream.opened_at = status.is_opened.then_some(stream.began);
        }
        stream
    }

    fn new(origin: StreamOrigin, spec: &SourceSpec) -> Self {
        let coding = coding_of(spec, None, &Got::default());
        Self {
            origin,
            spec: spec.clone(),
            coding,
            began: Instant::now(),
            opened_at: None,
            took_to_open: None,
            first_at: None,
            last_at: None,
            pace: Pace::default(),
            believes_rate: !spec.is_network(),
            backend: None,
            got: Got::default(),
            measured: StreamMeasurement::new(0, coding),
            sampler: PictureSampler::new(coding),
            image: None,
            before: None,
            same_since: None,
            controls: Vec::new(),
            packets: None,
            sizes: Vec::new(),
            n_pauses: 0,
            longest_pause: Duration::ZERO,
            runs: Vec::new(),
            ages_ms: Vec::new(),
            decodes_ms: Vec::new(),
            ended: None,
            engine: None,
            status: None,
        }
    }

    fn on_opened(&mut self, got: Got) {
        self.measured.on_opened(&got);
        let coding = coding_of(&self.spec, None, &got);
        self.got = got;
        if std::mem::replace(&mut self.coding, coding) != coding {
            self.begin_anew();
        }
    }

    /// Takes what comes until then, until it is enough, until nothing more comes, or until nobody wants it any more.
    pub fn watch(&mut self, until: Instant, cancel: &Receiver<()>, mut is_enough: impl FnMut(&Self) -> bool) {
        if let Some(engine) = &mut self.engine {
            engine.on_pause();
        }
        while self.ended.is_none() && !is_enough(self) && Instant::now() < until {
            if matches!(cancel.try_recv(), Err(TryRecvError::Disconnected)) {
                break;
            }
            self.step(until.min(Instant::now() + POLL));
        }
        self.status = self.engine.as_mut().map(|engine| engine.status(Instant::now()));
    }

    /// Takes one piece of news, if there is one until then.
    fn step(&mut self, until: Instant) {
        match &mut self.origin {
            StreamOrigin::Probe(probe) => {
                let Some(news) = probe.next(until) else { return };
                if let Some(engine) = &mut self.engine {
                    engine.on_event(&news, Instant::now());
                }
                match news {
                    ProbeEvent::Opened { got, backend, took } => {
                        self.took_to_open = Some(took);
                        (self.opened_at, self.backend) = (Some(Instant::now()), Some(backend));
                        self.on_opened(got);
                    }
                    ProbeEvent::Frame(taken) => {
                        if let Some(changed) = &taken.changed {
                            self.measured.on_opened(changed);
                            self.got = changed.clone();
                        }
                        self.take(*taken);
                    }
                    ProbeEvent::Controls(news) => {
                        for control in news.changed {
                            match self.controls.iter_mut().find(|known| known.id == control.id) {
                                Some(known) => *known = control,
                                None => self.controls.push(control),
                            }
                        }
                    }
                    ProbeEvent::Evidence(packets) => self.packets = Some(packets),
                    ProbeEvent::WarmedUp => {}
                    ProbeEvent::Ended(fault) => self.ended = Some(fault),
                }
            }
            StreamOrigin::Live(live, _, before) => {
                let asked_at = Instant::now();
                let fresh = live.frames.wait_fresh(until);
                let status = live.status.current();
                let controls = live.controls.current();
                self.packets = live.evidence.current().map(|evidence| evidence.since(before));
                let Some(fresh) = fresh else {
                    // The engine says why, in its own time.
                    if let Some(status) = status.filter(|status| status.state != State::Streaming) {
                        let none = || Fault::new(FaultKind::Stall, "the stream was stopped".to_owned());
                        self.ended = Some(status.last_fault.clone().unwrap_or_else(none));
                    }
                    return;
                };
                if let Some(controls) = controls {
                    self.controls.clone_from(&controls.list);
                }
                let frame = fresh.value;
                // What this check-up has not looked at in time was not lost by the camera.
                let sequence = frame.sequence.filter(|_| fresh.n_skipped == 0);
                let now = Instant::now();
                let decode =
                    status.and_then(|status| status.latency_ms).map_or(Duration::ZERO, |ms| secs(ms / 1_000.0));
                self.take(ReadResult {
                    asked_at,
                    grabbed_at: now.checked_sub(decode).unwrap_or(now),
                    ended_at: now,
                    grabbed: Some(Grabbed::new(frame.taken_at, sequence)),
                    picture: Ok(frame.image.clone()),
                    changed: None,
                });
            }
        }
    }

    fn take(&mut self, taken: ReadResult<Image>) {
        let ReadResult { asked_at, grabbed_at, ended_at, grabbed, picture: image, .. } = taken;
        let picture = image.map(|image| {
            let look = PictureTraits::of(&image, self.before.as_ref());
            self.same_since = self.same_since.or(self.last_at).filter(|_| look.is_same);
            match self.runs.last_mut().filter(|_| look.is_same) {
                Some(run) => *run += 1,
                None => self.runs.push(1),
            }
            let taken_at = grabbed.map_or(ended_at, |grabbed| grabbed.taken_at);
            self.sampler.show(&image, taken_at);
            self.first_at.get_or_insert(ended_at);
            let pause = self.last_at.map_or(Duration::ZERO, |last| ended_at.saturating_duration_since(last));
            if pause >= self.stall_deadline(STALL) {
                self.n_pauses += 1;
                self.longest_pause = self.longest_pause.max(pause);
            }
            self.last_at = Some(ended_at);
            self.pace.on_frame(ended_at);
            if self.sizes.last() != Some(&image.size()) && self.sizes.len() < MAX_SIZES {
                self.sizes.push(image.size());
            }
            self.before = Some(image.clone());
            self.image = Some(image);
            look
        });
        if let (Ok(_), Some(grabbed)) = (&picture, grabbed) {
            let millis = |since: Instant| ended_at.saturating_duration_since(since).as_secs_f64() * 1_000.0;
            self.ages_ms.push(millis(grabbed.taken_at));
            self.decodes_ms.push(millis(grabbed_at));
        }
        let is_over = self.measured.is_silent();
        self.measured.add(FrameRead { asked_at, ended_at, grabbed, picture, rows: None });
        if !is_over && self.measured.is_silent() {
            self.ended.clone_from(&self.measured.last_fault);
        }
    }

    /// Whether it streams in this program, so that it must not be disturbed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.origin, StreamOrigin::Live(..))
    }

    /// Since its first packet; else since its first picture.
    #[must_use]
    pub fn age(&self) -> Duration {
        let of_packets = self.packets.map_or(Duration::ZERO, |packets| secs(packets.secs));
        of_packets.max(self.first_at.map_or(Duration::ZERO, |at| at.elapsed()))
    }

    /// What the device took to open, else until now.
    #[must_use]
    pub fn open_ms(&self, now: Instant) -> u64 {
        let took = self.took_to_open.unwrap_or_else(|| now.saturating_duration_since(self.began));
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }

    #[must_use]
    pub fn ms_to(&self, moment: Option<Instant>) -> Option<u64> {
        let ms = moment?.saturating_duration_since(self.began).as_millis();
        u64::try_from(ms).ok()
    }

    /// Has controls set, of a camera that was opened here.
    pub fn set_controls(&self, wanted: Vec<ControlSetting>) {
        if let StreamOrigin::Probe(probe) = &self.origin {
            probe.set_controls(wanted);
        }
    }

    /// Has the stream stopped and started, of a camera that was opened here.
    pub fn restart(&self) {
        if let StreamOrigin::Probe(probe) = &self.origin {
            probe.restart();
        }
    }

    /// Measures anew from here on.
    pub fn begin_anew(&mut self) {
        let mut measured = StreamMeasurement::new(0, self.coding);
        measured.on_opened(&self.got);
        (self.measured, self.sampler) = (measured, PictureSampler::new(self.coding));
        self.sizes.clear();
        (self.n_pauses, self.longest_pause) = (0, Duration::ZERO);
        self.runs.clear();
        self.ages_ms.clear();
        self.decodes_ms.clear();
        if let StreamOrigin::Live(live, drops, evidence) = &mut self.origin {
            *drops = live.status.current().map_or(*drops, |status| status.drops);
            if let Some(current) = live.evidence.current() {
                **evidence = *current;
            }
        }
    }

    /// Of one that streams in this program: the frames that came damaged since, and those of them that were shown all the same.
    fn damaged_live(&self) -> (u64, u64) {
        let StreamOrigin::Live(live, before, _) = &self.origin else { return (0, 0) };
        let now = live.status.current().map_or(*before, |status| status.drops);
        (now.damaged.saturating_sub(before.damaged), now.concealed.saturating_sub(before.concealed))
    }

    /// What was measured so far.
    #[must_use]
    pub fn facts(&self) -> StreamFacts {
        let measured = &self.measured;
        let jitter = measured.jitter();
        let interval_ms = match (jitter.p50, jitter.p95, jitter.p99) {
            (Some(half), Some(most), Some(nearly_all)) => Some([half, most, nearly_all]),
            _ => None,
        };
        let rates = measured.rates();
        // What was not shown is a gap in the count of those that were.
        let (n_unshown, n_concealed) = self.damaged_live();
        StreamFacts {
            secs: measured.watched_secs(),
            n_good: measured.n_good.saturating_sub(n_concealed),
            n_lost: measured.lost.camera.saturating_sub(n_unshown),
            n_late: measured.lost.late,
            is_counted: measured.is_counted,
            n_damaged: measured.lost.damaged + n_unshown + n_concealed,
            n_failed: measured.n_failed.saturating_sub(measured.lost.damaged),
            fps: rates.map(|(came, _)| came),
            made_fps: rates.map(|(_, made)| made),
            agreed_fps: measured.agreed_fps,
            interval_ms,
            decode_ms: median(&self.decodes_ms),
            sizes: self.sizes.clone(),
            times_each: self.runs.get(1..self.runs.len().max(2) - 1).and_then(criteria::times_each),
            ended: self.ended.clone().or_else(|| self.stall(Instant::now())),
            last_fault: measured.last_fault.clone(),
            n_pauses: self.n_pauses,
            longest_pause_secs: self.longest_pause.as_secs_f64(),
            n_back: u64::from(measured.n_back),
            // A clock that jumps says nothing of ages.
            age_ms: median(&self.ages_ms).filter(|_| measured.n_back == 0),
            age_growth_ms: self.age_growth_ms().filter(|_| measured.n_back == 0),
            controls: self.controls.clone(),
            packets: self.packets,
        }
    }

    /// Whether frames come as they did: the newest one is not older than a few periods.
    #[must_use]
    pub fn is_flowing(&self, now: Instant) -> bool {
        self.last_at.is_some_and(|at| now.saturating_duration_since(at) < self.stall_deadline(FLOWING))
    }

    fn stall_deadline(&self, least: Duration) -> Duration {
        self.pace.stall_deadline(least, self.measured.agreed_fps.filter(|_| self.believes_rate))
    }

    #[must_use]
    pub fn has_paused_once(&self) -> bool {
        self.n_pauses == 1
    }

    #[must_use]
    pub fn has_stalled(&self) -> bool {
        self.stall(Instant::now()).is_some()
    }

    /// Frames came, and have stayed away for longer than a stall takes to be one.
    fn stall(&self, now: Instant) -> Option<Fault> {
        let quiet = now.saturating_duration_since(self.last_at?);
        if quiet < self.stall_deadline(if self.spec.is_network() { NETWORK_PAUSE } else { STALL }) {
            return None;
        }
        let told = self.measured.last_fault.clone().filter(|fault| fault.kind.class() != FaultClass::Quality);
        let silent = || Fault::new(FaultKind::Stall, format!("no frame for {:.1} s", quiet.as_secs_f64()));
        Some(told.unwrap_or_else(silent))
    }

    /// How much older the last fifth of the frames was than the first, by their medians.
    fn age_growth_ms(&self) -> Option<f64> {
        let fifth = self.ages_ms.len() / 5;
        let first = median(self.ages_ms.get(..fifth)?)?;
        let last = median(self.ages_ms.get(self.ages_ms.len() - fifth..)?)?;
        Some(last - first)
    }

    /// The stream in few numbers.
    #[must_use]
    pub fn summary(&self, cpu_percent: Option<f64>) -> StreamSummary {
        let stream = self.facts();
        let seen = self.sampler.seen();
        let has_picture = seen.n_pictures > 0;
        StreamSummary {
            backend: self.backend,
            open_ms: self.opened_at.map(|at| self.open_ms(at)),
            first_frame_ms: self.ms_to(self.first_at),
            fps: stream.fps,
            jitter_ms: stream.interval_ms.map(|[half, most, _]| most - half),
            n_lost: stream.n_lost + stream.n_late,
            n_damaged: stream.n_damaged,
            got: self.got.clone(),
            cpu_percent,
            fault: self.ended.clone().or_else(|| stream.last_fault.filter(|_| stream.n_good == 0)),
            mean: has_picture.then_some(seen.luma.mean),
            bgr: has_picture.then_some(seen.colour.bgr),
            banding: seen.bands.as_ref().filter(|bands| bands.mains_hz.is_some()).map(|bands| bands.percent),
        }
    }

    /// Has the camera closed, if it was opened here, and waits for that within reason: whether it has been.
    #[must_use]
    pub fn close(self) -> bool {
        match self.origin {
            StreamOrigin::Probe(probe) => probe.close(),
            StreamOrigin::Live(..) => true,
        }
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
