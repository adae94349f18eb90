//! What the judges look for in the facts: one place for each question that several of them ask.

use crate::checkup::action::Action;
use crate::checkup::catalogue::{Fix, Judgement};
use crate::checkup::facts::{Experiment, Facts, PastFault, SourceKind, StreamFacts};
use crate::control::Control;
use crate::criteria;
use crate::device::capabilities::{SignalInput, SignalLack};
use crate::device::holders::Role;
use crate::device::{Device, DeviceKind, Holder, System};
use crate::fault::{Fault, FaultKind};
use crate::frame::Size;
use crate::network::{PacketEvidence, StepOutcome};
use crate::phrases::{Message, number};

/// What was going on when a fault came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultStage {
    /// Looking for the camera.
    Presence,
    /// Asking whether it may be opened.
    Access,
    Opening,
    /// It had begun, and ended.
    Stream,
}

impl Facts {
    /// The faults that keep the picture away, in the order in which they would stand in its way.
    pub(super) fn faults(&self) -> impl Iterator<Item = (FaultStage, &Fault)> {
        let presence = self.presence.as_ref().and_then(|presence| presence.fault.as_ref());
        let access = self.access.as_ref().and_then(|access| access.fault.as_ref());
        let opening = self.opening.as_ref().and_then(|opening| opening.fault.as_ref());
        let stream = self.stream.as_ref().and_then(|stream| stream.ended.as_ref());
        [
            (FaultStage::Presence, presence),
            (FaultStage::Access, access),
            (FaultStage::Opening, opening),
            (FaultStage::Stream, stream),
        ]
        .into_iter()
        .filter_map(|(place, fault)| Some((place, fault?)))
    }

    /// The first of them.
    pub(super) fn first_fault(&self) -> Option<(FaultStage, &Fault)> {
        self.faults().next()
    }

    /// The first of one of these kinds.
    pub(super) fn fault_of(&self, kinds: &[FaultKind]) -> Option<(FaultStage, &Fault)> {
        self.faults().find(|(_, fault)| kinds.contains(&fault.kind))
    }

    /// The first with one of these numbers, also of what did not end the stream.
    pub(super) fn fault_with_code(&self, codes: &[i64]) -> Option<(FaultStage, &Fault)> {
        let last = self.stream.as_ref().and_then(|stream| stream.last_fault.as_ref());
        let last = last.map(|fault| (FaultStage::Stream, fault));
        self.faults().chain(last).find(|(_, fault)| fault.code.is_some_and(|code| codes.contains(&code)))
    }

    /// The driver was asked what it can do, and that call had not come back in time.
    pub(super) fn hung_when_asked(&self) -> Option<&Fault> {
        self.unanswered.as_ref().filter(|fault| fault.kind == FaultKind::Hung)
    }

    /// It is not there any more.
    pub(in crate::checkup) fn has_gone(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.has_gone == Some(true))
    }

    /// Whose numbers its faults have. The simulated camera answers as Linux does, everywhere; so do the systems that are
    /// not known.
    pub(super) fn system(&self) -> System {
        match self.system {
            _ if self.source.kind == SourceKind::Simulated => System::Linux,
            System::Other => System::Linux,
            system => system,
        }
    }

    pub(super) fn is_network(&self) -> bool {
        self.source.kind == SourceKind::Network
    }

    /// A camera at this computer, real or simulated: none of the network, and no file.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.source.kind, SourceKind::Device | SourceKind::Simulated)
    }

    pub(super) fn device(&self) -> Option<&Device> {
        self.presence.as_ref().and_then(|presence| presence.device.as_ref())
    }

    /// What a command names it by: its path, else its name.
    pub(super) fn path(&self) -> &str {
        self.device().map_or(self.source.name.as_str(), |device| device.path.as_str())
    }

    /// Who is likeliest in the way: another program, else one of ours, else a server.
    pub(super) fn holder(&self, role: Role) -> Option<&Holder> {
        self.holders.iter().flatten().find(|holder| holder.role == role)
    }

    /// Frames came, and nothing ended the stream.
    pub(in crate::checkup) fn is_streaming(&self) -> bool {
        self.first_fault().is_none() && self.stream.as_ref().is_some_and(|stream| stream.n_good > 0)
    }

    /// The facts as they were when that fault came: the stream had begun, and ended with it.
    pub(in crate::checkup) fn when(&self, past: &PastFault) -> Self {
        let mut then = Self { past: None, ..self.clone() };
        let stream = then.stream.get_or_insert_default();
        (stream.ended, stream.packets) = (Some(past.fault.clone()), None);
        then
    }

    /// The lines of the kernel's log of the last minutes that hold one of these, newest last.
    pub(super) fn kernel_says(&self, words: &[&str]) -> Vec<&str> {
        let lines = self.kernel.iter().flatten().filter(|line| line.secs_ago <= RECENT_SECS);
        let lines = lines.map(|line| line.text.as_str());
        lines.filter(|line| words.iter().any(|word| line.contains(word))).collect()
    }

    /// Where the kernel has given up a USB controller, however long ago (F47).
    pub(super) fn dead_controller(&self) -> Option<&str> {
        let mut lines = self.kernel.iter().flatten().rev().map(|line| line.text.as_str());
        lines.find(|line| ["assume dead", "HC died"].iter().any(|word| line.contains(word)))
    }

    /// The computer woke up so shortly before that the camera may still suffer from it.
    pub(super) fn has_just_resumed(&self) -> bool {
        let secs_ago = self.computer.as_ref().and_then(|computer| computer.resumed_secs_ago);
        secs_ago.is_some_and(|secs| secs < JUST_RESUMED_SECS)
    }

    /// The experiment of that name has made things better.
    pub(super) fn is_helped_by(&self, id: &str) -> bool {
        self.experiments.iter().any(|tried| tried.id == id && tried.has_helped())
    }

    /// The rate that was wanted and the one at which the camera makes frames, where that is clearly less.
    pub(super) fn shortfall(&self) -> Option<Shortfall> {
        // A clock that jumps says nothing of rates.
        let tells = |stream: &&StreamFacts| stream.secs >= criteria::LEAST_RATE_SECS && stream.n_back == 0;
        let stream = self.stream.as_ref().filter(tells).filter(|_| self.source.kind != SourceKind::File)?;
        let made = stream.made_fps.or(stream.fps)?;
        let agreed = self.agreed_fps();
        let wanted = self.wanted_fps()?;
        // What a network camera announces may be meant for another time of the day.
        let is_short = if self.is_local() { criteria::is_too_slow } else { criteria::is_clearly_too_slow };
        is_short(made, wanted).then_some(Shortfall { wanted, agreed, made })
    }

    /// Frames came as evenly as a camera makes them, but for those that nobody asked for in time.
    pub(super) fn comes_evenly(&self) -> bool {
        /// Two intervals are equal by chance.
        const LEAST: u64 = 8;
        let enough = self.stream.as_ref().filter(|stream| stream.n_good >= LEAST && stream.n_late < stream.n_good);
        enough.and_then(|stream| stream.interval_ms).is_some_and(|[half, most, _]| criteria::comes_evenly(half, most))
    }

    /// The rate that was counted is the camera's: the computer had time for each frame, or they came evenly all the same. Where nobody
    /// counts them, those that a busy computer has missed are not known.
    pub(in crate::checkup) fn is_rate_of_camera(&self) -> bool {
        let is_uncounted = self.stream.as_ref().is_some_and(|stream| stream.is_counted == Some(false));
        match () {
            () if is_uncounted => !self.is_saturated() && !self.is_computer_busy(),
            () => !self.is_computer_busy() || self.comes_evenly(),
        }
    }

    /// [`Self::shortfall`], where it is the camera's.
    pub(super) fn camera_shortfall(&self) -> Option<Shortfall> {
        self.shortfall().filter(|_| self.is_rate_of_camera())
    }

    /// A virtual camera has nobody who could agree: what it says of its rate is what a reader has asked for last.
    fn agreed_fps(&self) -> Option<f64> {
        let of_stream = self.stream.as_ref().and_then(|stream| stream.agreed_fps);
        of_stream.or_else(|| self.opening.as_ref()?.got.fps).filter(|_| !is_virtual(self))
    }

    /// The rate that should come: what was asked for, of whom hears that; else what was agreed. What was never agreed cannot be missed.
    pub(in crate::checkup) fn wanted_fps(&self) -> Option<f64> {
        let is_heard = |fps: &f64| self.is_local() && (!is_virtual(self) || *fps > USUAL_FPS);
        let asked = self.source.asked.fps.filter(is_heard);
        asked.or_else(|| self.agreed_fps()).filter(|fps| *fps > 0.0)
    }

    /// The size that came last, else the one that was agreed on.
    pub(super) fn size(&self) -> Option<Size> {
        let came = self.stream.as_ref().and_then(|stream| stream.sizes.last().copied());
        came.or_else(|| self.opening.as_ref()?.got.size)
    }

    /// Advice to ask for less, with a button where there is something less.
    pub(super) fn smaller_size(&self) -> Fix {
        const SMALL: Size = Size { width: 640, height: 480 };
        let fix = Fix::new("smaller-size");
        if self.size().is_some_and(|size| size.width > SMALL.width) { fix.does(Action::UseSize(SMALL)) } else { fix }
    }

    /// What the packets of a stream over RTP have shown.
    pub(in crate::checkup) fn packets(&self) -> Option<&PacketEvidence> {
        self.stream.as_ref()?.packets.as_ref()
    }

    /// A network camera has given pictures to the connection test, which left it before the stream was opened.
    pub(in crate::checkup) fn has_served_once(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| {
            conversation.finding.is_none()
                && !conversation.steps.is_empty()
                && conversation.steps.iter().all(|step| step.outcome != StepOutcome::Bad)
        })
    }

    /// Mean brightness of the pictures, 0 to 255.
    pub(super) fn mean(&self) -> Option<f64> {
        let seen = self.picture.as_ref().filter(|seen| seen.n_pictures > 0)?;
        Some(seen.luma.mean)
    }

    /// Of all frames, the share that is missing; 0 to 1. `None` where that is no more than chance.
    pub(super) fn missing_share(&self) -> Option<f64> {
        let stream = self.stream.as_ref()?;
        share(stream.n_lost, stream.n_good + stream.n_lost + stream.n_late + stream.n_damaged)
    }

    /// The same, where this computer had time for them. While others have the processors, drivers have no time either. What is missing of
    /// pictures over HTTP was damaged.
    pub(super) fn lost_share(&self) -> Option<f64> {
        self.missing_share().filter(|_| self.is_over_http() || !(self.is_saturated() || self.is_computer_busy()))
    }

    /// Where nothing is lost on the way: what is damaged was so when it was sent.
    pub(super) fn is_over_http(&self) -> bool {
        self.source.kind == SourceKind::Network && self.source.name.starts_with("http")
    }

    /// The share that came damaged.
    pub(super) fn damaged_share(&self) -> Option<f64> {
        let stream = self.stream.as_ref()?;
        share(stream.n_damaged, stream.n_good + stream.n_damaged)
    }

    /// All processors were at work all the time, or in demand for most of it, so that frames may be lost because of it.
    pub(in crate::checkup) fn is_saturated(&self) -> bool {
        self.computer.as_ref().is_some_and(|computer| {
            criteria::is_cpu_busy(computer.cpu_percent)
                || computer.cpu_pressure_percent.is_some_and(criteria::is_under_pressure)
        })
    }

    /// The computer has no time left, or the capture process has none on its core. Where timers ring in time, whoever keeps
    /// the processors busy stands back for those that wait; but not where the capture process itself has waited.
    pub(super) fn is_computer_busy(&self) -> bool {
        self.computer.as_ref().is_some_and(|computer| {
            self.is_saturated() && computer.timer_late_ms.is_none_or(criteria::is_timer_late)
                || computer.worker_waited_percent.is_some_and(criteria::has_waited_long)
                || self.is_worker_busy()
        })
    }

    /// It took long to open while others had the processors.
    pub(in crate::checkup) fn was_saturated_when_opened(&self) -> bool {
        let percent = self.opening.as_ref().and_then(|opening| opening.cpu_percent);
        percent.is_some_and(criteria::is_cpu_busy) || self.is_saturated()
    }

    /// Nothing came, and that may be for want of this computer's time: for whoever fetches frames, or for what makes them here. A call
    /// that is known to sit in the kernel does not wait for a processor.
    pub(in crate::checkup) fn may_silence_be_ours(&self) -> bool {
        use FaultKind::{Hung, NoFirstFrame, OpenTimeout, Stall};
        let Some(computer) = &self.computer else { return false };
        let sits_in_kernel = self.opening.as_ref().is_some_and(|opening| opening.kernel_function.is_some());
        let is_silence = |fault: &Fault| {
            matches!(fault.kind, NoFirstFrame | Stall | Hung | OpenTimeout)
                && fault.code.is_none_or(|code| code == EAGAIN)
        };
        let is_silent = self.first_fault().is_some_and(|(_, fault)| is_silence(fault));
        is_silent
            && !sits_in_kernel
            && match computer.worker_waited_percent {
                // At work, or waiting for a processor: not for the camera.
                Some(waited) if !is_without_line(self) => {
                    criteria::has_only_waited(waited + computer.worker_ran_percent.unwrap_or_default())
                        && (self.is_saturated() || criteria::has_waited_long(waited))
                }
                _ => self.is_computer_busy(),
            }
    }

    /// The capture process uses up its processor.
    pub(super) fn is_worker_busy(&self) -> bool {
        let percent = self.computer.as_ref().and_then(|computer| computer.worker_cpu_percent);
        percent.is_some_and(criteria::is_cpu_busy)
    }
}

impl Experiment {
    /// Whether it went clearly better.
    #[must_use]
    pub fn has_helped(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        let streams = after.fault.is_none() && after.fps.is_some_and(|fps| fps > 0.0);
        let both = |a: Option<f64>, b: Option<f64>, is_better: fn(f64, f64) -> bool| {
            a.zip(b).is_some_and(|(before, after)| is_better(before, after))
        };
        let came_alive = before.first_frame_ms.is_none() && after.first_frame_ms.is_some();
        let revived = before.fault.is_some();
        let is_faster = both(before.fps, after.fps, criteria::is_clearly_too_slow);
        let was_damaged = criteria::is_more_than_chance(before.n_damaged) && after.n_damaged == 0;
        let is_calmer = before.banding.is_some_and(|bands| criteria::is_calmer(bands, after.banding.unwrap_or(0.0)));
        let is_better_lit = both(before.mean, after.mean, criteria::is_better_lit);
        streams && (came_alive || revived || is_faster || was_damaged || is_calmer || is_better_lit)
    }
}

/// Fewer frames come than were wanted.
#[derive(Clone, Copy, Debug)]
pub struct Shortfall {
    pub wanted: f64,
    /// What the device agreed to.
    pub agreed: Option<f64>,
    pub made: f64,
}

impl Shortfall {
    /// It is no border case.
    pub fn is_clear(&self) -> bool {
        criteria::is_clearly_too_slow(self.made, self.wanted)
    }

    /// For what came and what was wanted.
    pub fn evidence(&self) -> Message {
        Message::new("evidence.rate").with("fps", number(self.made, 1)).with("wanted", number(self.wanted, 1))
    }
}

/// The rate that is asked for unless somebody sets another, and some more for how rates are counted.
pub const USUAL_FPS: f64 = 30.5;
/// What the kernel said before that was of another trouble.
const RECENT_SECS: f64 = 300.0;
const JUST_RESUMED_SECS: f64 = 60.0;
/// No frame yet.
const EAGAIN: i64 = 11;

fn share(n: u64, of: u64) -> Option<f64> {
    criteria::is_lossy(n, of).then(|| criteria::share_of(n, of))
}

/// As it stood while it streamed, else before.
pub fn control(facts: &Facts, id: u32) -> Option<&Control> {
    let streaming = facts.stream.iter().flat_map(|stream| &stream.controls);
    let before = facts.abilities.iter().flat_map(|abilities| &abilities.controls);
    streaming.chain(before).find(|control| control.id == id)
}

pub fn is_virtual(facts: &Facts) -> bool {
    facts.device().is_some_and(|device| device.kind == DeviceKind::Virtual)
}

/// A device without a plug at this computer: what its driver gives has not come over a line that could disturb it.
pub fn is_without_line(facts: &Facts) -> bool {
    let is_linux = facts.system() == System::Linux;
    facts.device().is_some_and(|device| match device.kind {
        DeviceKind::Virtual | DeviceKind::Test | DeviceKind::RawSensor => true,
        DeviceKind::Camera | DeviceKind::Infrared => is_linux && device.usb.is_none() && device.driver.is_some(),
    })
}

/// The input whose signal the driver cannot turn into pictures, and why.
pub fn lacking_input(facts: &Facts) -> Option<(&SignalInput, SignalLack)> {
    let input = facts.abilities.as_ref()?.input.as_ref()?;
    Some((input, input.lack?))
}

pub fn value(facts: &Facts, id: u32) -> Option<i64> {
    control(facts, id)?.value
}

/// The buffers that the driver has, as far as it tells. What was asked for is another number.
pub fn n_buffers(facts: &Facts) -> Option<u32> {
    let opening = facts.opening.as_ref().filter(|_| facts.source.kind == SourceKind::Device)?;
    opening.got.n_buffers
}

/// The only buffer is with us while the camera writes: F56.
pub fn has_one_buffer(facts: &Facts) -> bool {
    n_buffers(facts) == Some(1)
}

/// What the capture process says that has no time to start: F55.
pub const LATE_WORKER: &str = "the capture process has not started";

/// A Windows result as a fault has it.
pub fn hresult(code: u32) -> i64 {
    i64::from(code.cast_signed())
}

impl Judgement {
    /// What the driver, the system or the camera said, in its own words, with its number.
    #[must_use]
    pub(super) fn quoting(self, fault: &Fault) -> Self {
        self.quoting_words(&fault.to_string())
    }

    /// The same of any other text.
    #[must_use]
    pub(super) fn quoting_words(self, words: &str) -> Self {
        self.with_evidence(Message::new("evidence.said").with("words", words))
    }

    /// Another title and reason than the entry's: `title.<slug>.<kind>`.
    #[must_use]
    pub(super) fn titled(mut self, kind: &str) -> Self {
        self.title.key = format!("{}.{kind}", self.title.key).into();
        self.because(kind)
    }

    /// For several fixes that have neither values nor buttons.
    #[must_use]
    pub(super) fn fixes(mut self, names: &[&str]) -> Self {
        self.fixes.extend(names.iter().map(|name| Fix::new(name)));
        self
    }

    /// The fault's own advice, where it is made for this very case.
    #[must_use]
    pub(super) fn advised(self, fault: &Fault) -> Self {
        self.fix(Fix::new("said").with("words", fault.advice.as_str()))
    }
}
