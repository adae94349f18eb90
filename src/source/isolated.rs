//! Any backend in a process of its own, the worker, behind the same [`Source`].
//!
//! A driver that hangs, crashes or leaks does so there: the process is killed, the device is free again, and the program
//! goes on. The worker alone is linked with OpenCV.
//!
//! ```text
//!   program                                     worker (camclinic-worker)
//!   Isolated ── requests ────────── stdin ────► requests thread ─► main thread ──► Source (driver)
//!      ▲     ◄─ events, heartbeat ─ stdout ──── heartbeat thread        │
//!      │     ◄─ what they print ─── stderr ──── libraries, drivers      │
//!      └──────────────────────── shared memory ◄── pixels ──────────────┘
//! ```
//!
//! Invariants. Every wait for the worker has a deadline and can be cancelled. Every number that it sends is checked. It
//! ends with the program: with the pipe's end, and by the system's own means (parent-death signal, job object). What it is
//! to open, with any password, goes through the pipe and never onto a command line. Time stamps cross as µs on the
//! worker's clock, and are turned into ours with the smallest difference between sending and receiving so far.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate};
use crate::device::controls::checked_update;
use crate::fault::{Fault, FaultKind};
use crate::frame::{Image, Size};
use crate::network::{KnownLogins, PacketEvidence};
use crate::packet::PacketSink;
use crate::source::reader::stall_deadline;
use crate::source::{Demand, Grabbed, OpenRequest, Picture, Source, SourceSpec};
use crate::status::Got;

mod memory;
mod packets;
mod process;
pub(crate) mod protocol;
mod worker;

use std::sync::Arc;

use memory::Memory;
use packets::PacketReader;
pub use process::StuckProcesses;
use process::{ReceiveError, WorkerProcess, shift};
use protocol::{FrameSlot, FrameStamp, OpenParameters, WorkerEvent, WorkerRequest};

/// How long the worker may take to be loaded: two hundred libraries from a cold disk, past a virus scanner.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(30);
/// Sources with a time-out of their own shall come back first, on a busy computer too.
const GRACE: Duration = Duration::from_millis(500);
/// A stream may change its size, but not beyond what a camera of its kind could make: four times the bytes that were agreed, 4K
/// in any case, and never more than 64 megapixels, unless more was asked for.
const MAX_GROWTH: u64 = 4;
const USUAL_PICTURE_BYTES: u64 = 3840 * 2160 * 3;
const MAX_PICTURE_BYTES: u64 = 64 * 1_000_000 * 3;
/// No computer runs so long; what a worker says beyond it is nonsense.
const MAX_CLOCK_US: u64 = 100 * 365 * 24 * 3_600 * 1_000_000;
/// No camera makes more than a frame in a millisecond; and so many besides, as frames may have waited to be read.
const MAX_EARLY_FRAMES: u128 = 1_000;
/// Updates of controls that wait to be taken; no device has so many controls that there would be more.
const MAX_CONTROL_UPDATES: usize = 128;

/// Runs the worker: opens what the program on the other end of the pipes asks for, with `open`, and ends with it.
pub fn serve(open: impl Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>) -> ExitCode {
    worker::serve(open)
}

/// Starts a worker and has it open the source. Comes back within [`START_DEADLINE`] and the request's deadline.
pub(super) fn open(backend: Backend, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let mut process = WorkerProcess::start(request, &environment(backend, request))?;
    match process.receive(Instant::now() + START_DEADLINE, &request.cancel) {
        Ok((WorkerEvent::Hello { version: protocol::VERSION }, _)) => {}
        Ok((WorkerEvent::Hello { .. }, _)) => {
            return Err(Fault::new(
                FaultKind::BackendMissing,
                "the capture process is of another version than this program",
            )
            .with_advice("Camclinic was replaced while it runs: start it again."));
        }
        Ok((event, _)) => return Err(process.protocol_fault(&format!("{event:?} in place of a greeting"))),
        Err(error) => {
            return Err(fault_of(error, || {
                let seconds = START_DEADLINE.as_secs();
                Fault::new(FaultKind::OpenTimeout, format!("the capture process has not started within {seconds} s"))
                    .with_advice("The computer is very busy, or a virus scanner holds the program back: try again.")
            }));
        }
    }
    process.requests.send(&WorkerRequest::Open(Box::new(OpenParameters {
        spec: (&request.spec).into(),
        backend,
        asked: request.asked,
        first_opened_ago_us: micros(request.first_opened.elapsed()),
        open_deadline_us: micros(request.open_deadline),
        first_frame_deadline_us: micros(request.first_frame_deadline),
        frame_deadline_us: micros(request.frame_deadline),
        is_by_order: request.is_by_order,
        network: request.network.clone(),
        logins: request.logins.origins(),
        demand: request.demand,
        packets: request.packets.is_wanted().then(|| room_for_packets(&process, &request.packets)).flatten(),
    })));
    let began = Instant::now();
    let deadline = began + request.open_patience();
    let got = match receive_beside(&mut process, &request.logins, deadline, &request.cancel) {
        Ok((WorkerEvent::Opened { got }, _)) => checked(&got),
        Ok((WorkerEvent::Failed(fault), _)) => {
            return Err(process.explained(checked_fault(fault), &request.spec.to_string()));
        }
        Ok((event, _)) => return Err(process.protocol_fault(&format!("{event:?} in place of an answer"))),
        Err(error) => {
            return Err(fault_of(error, || {
                let waited = began.elapsed().as_secs_f64();
                Fault::new(
                    FaultKind::OpenTimeout,
                    format!("the driver's call to open {} has not come back for {waited:.1} s", request.spec),
                )
            }));
        }
    };
    let sends_packets = process.takes_packets();
    Ok(Box::new(Isolated {
        name: request.spec.to_string(),
        process,
        took_to_open: began.elapsed(),
        frame_deadline: stall_deadline(request.frame_deadline, got.fps).max(own_time_out(backend, request)) + GRACE,
        got,
        asked_size: request.asked.size,
        demand: request.demand,
        first_frame_deadline: request.first_frame_deadline.max(request.frame_deadline) + GRACE,
        restart_deadline: request.open_patience().max(request.first_frame_deadline),
        cancel: request.cancel.clone(),
        logins: request.logins.clone(),
        packets: request.packets.clone(),
        sends_packets,
        memory: None,
        n_memories: 0,
        has_seen_frame: false,
        waits_for_request: false,
        grabbed: None,
        count: FrameCount::default(),
        clock: FrameClock::default(),
        control_updates: VecDeque::new(),
        evidence: None,
    }))
}

/// What each worker's libraries are told, on top of what the program itself was given: time-outs below ours where they
/// have any, and only errors on the standard error output, whose last lines go into the message about its end. Of FFmpeg that is what
/// OpenCV does unasked: with a level of our own (`OPENCV_FFMPEG_LOGLEVEL`) it prints to the other output, and late.
fn environment(backend: Backend, request: &OpenRequest) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        // Media Foundation's reasons are warnings to OpenCV (`cap_msmf.cpp`), and nowhere else.
        ("OPENCV_LOG_LEVEL", if backend == Backend::Msmf { "WARNING" } else { "ERROR" }.to_owned()),
        // With them Media Foundation takes up to half a minute to open (opencv#17687).
        ("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0".to_owned()),
        ("RUST_BACKTRACE", "0".to_owned()),
        // For whoever looks at a list of processes; without a password.
        ("CAMCLINIC_SOURCE", request.spec.to_string()),
    ];
    if let (Backend::Ffmpeg, SourceSpec::Url(address)) = (backend, &request.spec) {
        let options = if address.scheme.is_rtsp() {
            // It hears of nothing but one stream that begins with a key frame: there is nothing to be probed for, and half a
            // second to be lost by it. Its own time-outs, whose name is another in each version, are not needed: the gateway's
            // hold.
            "rtsp_transport;tcp|analyzeduration;0|probesize;32|fpsprobesize;0"
        } else {
            // It opens whatever a camera names in place of a video otherwise: files, lists of files, descriptions that send packets to
            // others.
            "protocol_whitelist;http,tcp,crypto|format_whitelist;hls,applehttp,mov,mpegts,mpeg,matroska,flv,\
             avi,ogg,asf,mpjpeg,mjpeg,h264,hevc,mpegvideo,m4v,aac,mp3,ac3,webvtt"
        };
        variables.push(("OPENCV_FFMPEG_CAPTURE_OPTIONS", options.to_owned()));
    }
    if backend == Backend::V4l2OpenCv {
        // It has 10 s otherwise, and takes whole seconds.
        variables.push(("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", own_time_out(backend, request).as_secs().to_string()));
    }
    variables
}

/// How long the backend itself waits for a frame, where it can be told.
fn own_time_out(backend: Backend, request: &OpenRequest) -> Duration {
    match backend {
        Backend::V4l2OpenCv => {
            let deadline = request.frame_deadline;
            let seconds = deadline.as_secs() + u64::from(deadline.subsec_nanos() > 0);
            Duration::from_secs(seconds.max(1))
        }
        _ => Duration::ZERO,
    }
}

struct Isolated {
    name: String,
    process: WorkerProcess,
    took_to_open: Duration,
    got: Got,
    asked_size: Option<Size>,
    demand: Demand,
    first_frame_deadline: Duration,
    frame_deadline: Duration,
    /// Most backends can only restart a stream by opening the device anew.
    restart_deadline: Duration,
    cancel: crossbeam_channel::Receiver<()>,
    logins: KnownLogins,
    packets: PacketSink,
    /// The worker was told to.
    sends_packets: bool,
    memory: Option<Arc<Memory>>,
    n_memories: u32,
    has_seen_frame: bool,
    /// The worker has told a fault and does nothing until it is told to.
    waits_for_request: bool,
    grabbed: Option<Result<Image, Fault>>,
    count: FrameCount,
    clock: FrameClock,
    control_updates: VecDeque<ControlsUpdate>,
    /// The newest, until it is taken.
    evidence: Option<PacketEvidence>,
}

impl Source for Isolated {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn took_to_open(&self) -> Option<Duration> {
        Some(self.took_to_open)
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.grabbed = None;
        self.ask_for_packets();
        self.resume(&WorkerRequest::Continue);
        let least = if self.has_seen_frame { self.frame_deadline } else { self.first_frame_deadline };
        // A time-lapse film is played at its own pace.
        let patience = stall_deadline(least, self.got.fps);
        let began = Instant::now();
        loop {
            let (event, epoch) = self.receive(began, patience)?;
            let (stamp, picture) = match event {
                WorkerEvent::Frame { stamp, slot } => (stamp, Ok(self.picture(slot)?)),
                WorkerEvent::Damaged { stamp, fault } => {
                    self.waits_for_request = true;
                    (stamp, Err(checked_fault(fault)))
                }
                WorkerEvent::Failed(fault) => {
                    self.waits_for_request = true;
                    return Err(self.process.explained(checked_fault(fault), &self.name));
                }
                WorkerEvent::LeftOut(stamp) => {
                    self.has_seen_frame = true;
                    return Ok(Grabbed { is_left_out: true, ..self.grabbed(stamp, epoch)? });
                }
                WorkerEvent::NeedMemory { n_bytes } => {
                    self.provide_memory(n_bytes)?;
                    continue;
                }
                WorkerEvent::Controls(update) => {
                    self.keep(update)?;
                    continue;
                }
                WorkerEvent::Evidence(evidence) => {
                    self.evidence = Some(*evidence);
                    continue;
                }
                event => return Err(self.process.protocol_fault(&format!("{event:?} in place of a frame"))),
            };
            self.has_seen_frame = true;
            self.grabbed = Some(picture);
            let is_damaged = self.process.has_damage() || stamp.is_damaged;
            return Ok(Grabbed { is_damaged, ..self.grabbed(stamp, epoch)? });
        }
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        let nothing = || Fault::new(FaultKind::ReadFailed, "no frame was grabbed");
        self.grabbed.take().ok_or_else(nothing)?.map(Picture::Own)
    }

    fn restart(&mut self) -> Result<(), Fault> {
        self.grabbed = None;
        self.resume(&WorkerRequest::Restart);
        let began = Instant::now();
        loop {
            match self.receive(began, self.restart_deadline)?.0 {
                WorkerEvent::Restarted => return Ok(()),
                WorkerEvent::Failed(fault) => {
                    self.waits_for_request = true;
                    return Err(self.process.explained(checked_fault(fault), &self.name));
                }
                // It was on its way already.
                WorkerEvent::Frame { slot, .. } => drop(self.picture(slot)?),
                WorkerEvent::LeftOut(_) => {}
                WorkerEvent::Damaged { .. } => self.waits_for_request = true,
                WorkerEvent::Controls(update) => self.keep(update)?,
                WorkerEvent::Evidence(evidence) => self.evidence = Some(*evidence),
                event => return Err(self.process.protocol_fault(&format!("{event:?} in place of a restart"))),
            }
        }
    }

    fn controls(&mut self) -> Option<ControlsUpdate> {
        self.control_updates.pop_front()
    }

    fn evidence(&mut self) -> Option<PacketEvidence> {
        self.evidence.take()
    }

    fn set_controls(&mut self, wanted: &[ControlSetting]) {
        self.process.requests.send(&WorkerRequest::SetControls(wanted.to_vec()));
    }

    fn set_demand(&mut self, demand: Demand) -> bool {
        if demand != self.demand {
            self.demand = demand;
            self.process.requests.send(&WorkerRequest::SetDemand(demand));
        }
        true
    }

    fn seek(&mut self, to: Duration) {
        self.process.requests.send(&WorkerRequest::Seek { to_us: micros(to) });
    }
}

impl Isolated {
    fn keep(&mut self, update: ControlsUpdate) -> Result<(), Fault> {
        if self.control_updates.len() >= MAX_CONTROL_UPDATES {
            return Err(self.process.protocol_fault("more updates of controls than there can be"));
        }
        self.control_updates.push_back(checked_update(update));
        Ok(())
    }

    /// Has packets sent while they are wanted. Without room for them there is a picture all the same.
    fn ask_for_packets(&mut self) {
        let is_wanted = self.packets.is_wanted();
        if is_wanted == self.sends_packets {
            return;
        }
        self.sends_packets = is_wanted;
        if self.process.takes_packets() {
            return self.process.requests.send(&WorkerRequest::WantPackets(is_wanted));
        }
        if let Some(file) = room_for_packets(&self.process, &self.packets) {
            self.process.requests.send(&WorkerRequest::PacketMemory { file });
        }
    }

    fn resume(&mut self, request: &WorkerRequest) {
        if std::mem::take(&mut self.waits_for_request) {
            self.process.requests.send(request);
        }
    }

    fn receive(&mut self, began: Instant, patience: Duration) -> Result<(WorkerEvent, Instant), Fault> {
        let name = &self.name;
        receive_beside(&mut self.process, &self.logins, began + patience, &self.cancel).map_err(|error| {
            fault_of(error, || {
                let waited = began.elapsed().as_secs_f64();
                Fault::new(
                    FaultKind::Hung,
                    format!("no frame for {waited:.1} s, and the driver's call has not come back: {name}"),
                )
            })
        })
    }

    fn picture(&mut self, at: FrameSlot) -> Result<Image, Fault> {
        if let Some(got) = at.got {
            self.got = checked(&got);
        }
        let image = Size::new(at.width, at.height)
            .ok_or_else(|| format!("a picture of {}x{}", at.width, at.height))
            .and_then(|size| match &self.memory {
                Some(memory) if memory.generation == at.generation => memory.take(at.slot, size),
                _ => Err(format!("a picture in memory {}", at.generation)),
            })
            .map_err(|what| self.process.protocol_fault(&what))?;
        if let Some(memory) = &self.memory {
            memory.on_shared();
        }
        Ok(image.made_smaller_from(at.fingerprint))
    }

    fn provide_memory(&mut self, n_bytes: u64) -> Result<(), Fault> {
        if !(1..=largest_picture(self.got.size, self.asked_size)).contains(&n_bytes) {
            return Err(self.process.protocol_fault(&format!("a picture of {n_bytes} bytes")));
        }
        let requests = self.process.requests.clone();
        self.n_memories += 1;
        let generation = self.n_memories;
        let give_back = move |slot| requests.send(&WorkerRequest::ReleaseSlot { generation, slot });
        let memory = Memory::new(generation, n_bytes, give_back).map_err(|error| {
            self.process.requests.send(&WorkerRequest::NoMemory);
            let mb = n_bytes.div_ceil(1 << 20);
            let fault = Fault::new(
                FaultKind::NoResources,
                format!("there is no shared memory for the pictures ({mb} MB each): {error}"),
            )
            .with_advice("Close other programs, so that memory is free, or choose a smaller size. On Windows also make room in the folder for temporary files (TEMP).");
            match error.raw_os_error() {
                Some(code) => fault.with_code(code),
                None => fault,
            }
        })?;
        self.process.requests.send(&WorkerRequest::Memory {
            generation,
            file: memory.path().to_owned(),
            n_slots: memory.n_slots(),
            slot_bytes: memory.slot_bytes(),
        });
        self.memory = Some(memory);
        Ok(())
    }

    /// The frame with its times on our clock. They are never in the future.
    fn grabbed(&mut self, stamp: FrameStamp, epoch: Instant) -> Result<Grabbed, Fault> {
        let now = Instant::now();
        let moment = |us: i64| {
            if us.unsigned_abs() > MAX_CLOCK_US {
                return Err(self.process.protocol_fault(&format!("a frame of {us} µs")));
            }
            Ok(shift(epoch, us).unwrap_or(now).min(now))
        };
        let asked_at = stamp.asked_at_us.map(moment).transpose()?;
        let taken_at = moment(stamp.taken_at_us)?;
        let taken_at = self.clock.moment(stamp.taken_at_us, taken_at);
        let position = stamp.position_us.filter(|us| *us <= MAX_CLOCK_US).map(Duration::from_micros);
        Ok(Grabbed { asked_at, position, ..Grabbed::new(taken_at, self.count.checked(stamp.sequence, now)) })
    }
}

/// The last number that a worker gave a frame, and when it came.
#[derive(Default)]
struct FrameCount(Option<(u64, Instant)>);

impl FrameCount {
    /// `None` for one that is further ahead than any camera can be by then: it says nothing about losses. A driver that
    /// is behind has begun anew.
    fn checked(&mut self, sequence: Option<u64>, now: Instant) -> Option<u64> {
        let sequence = sequence?;
        let (last, at) = self.0.replace((sequence, now)).unwrap_or((sequence, now));
        let n_possible = now.saturating_duration_since(at).as_millis() + MAX_EARLY_FRAMES;
        (u128::from(sequence.saturating_sub(last)) <= n_possible).then_some(sequence)
    }
}

/// The last frame's time, by the worker's clock and by ours. That one is known the better the more messages have come: of a busy
/// computer the first ones were late.
#[derive(Default)]
struct FrameClock(Option<(i64, Instant)>);

impl FrameClock {
    /// The moment of a frame, as well as it is known: not before that of the frame before, unless the worker says so.
    fn moment(&mut self, us: i64, known: Instant) -> Instant {
        let moment = self.0.filter(|(last_us, _)| us >= *last_us).map_or(known, |(_, last)| known.max(last));
        self.0 = Some((us, moment));
        moment
    }
}

/// Shared memory out of which packets are taken from now on. `None` where there is none: pictures come all the same.
fn room_for_packets(process: &WorkerProcess, packets: &PacketSink) -> Option<PathBuf> {
    let reader = PacketReader::new(packets.clone()).ok()?;
    let file = reader.path()?;
    process.take_packets(reader);
    Some(file)
}

/// The next event that is no news of logins, which are kept.
fn receive_beside(
    process: &mut WorkerProcess,
    logins: &KnownLogins,
    deadline: Instant,
    cancel: &crossbeam_channel::Receiver<()>,
) -> Result<(WorkerEvent, Instant), ReceiveError> {
    loop {
        match process.receive(deadline, cancel)? {
            (WorkerEvent::Logins(origins), _) if Instant::now() < deadline => logins.learn(origins),
            (WorkerEvent::Logins(_), _) => return Err(ReceiveError::TimedOut),
            received => return Ok(received),
        }
    }
}

/// In bytes. What was agreed is the word of a worker, too.
fn largest_picture(agreed: Option<Size>, asked: Option<Size>) -> u64 {
    let bytes = |size: Size| size.n_bytes() as u64;
    let grown = agreed.map_or(MAX_PICTURE_BYTES, |size| bytes(size).saturating_mul(MAX_GROWTH));
    grown.clamp(USUAL_PICTURE_BYTES, MAX_PICTURE_BYTES).max(asked.map_or(0, bytes))
}

fn fault_of(error: ReceiveError, overdue: impl FnOnce() -> Fault) -> Fault {
    match error {
        ReceiveError::TimedOut => overdue(),
        ReceiveError::WorkerLost(fault) => fault,
        ReceiveError::Cancelled => Fault::new(FaultKind::ReadFailed, "the camera is being closed"),
    }
}

/// Without numbers that cannot be.
fn checked(got: &Got) -> Got {
    Got {
        size: got.size.and_then(|size| Size::new(size.width, size.height)),
        fps: got.fps.filter(|fps| fps.is_finite() && (0.0..=10_000.0).contains(fps) && *fps > 0.0),
        ..got.clone()
    }
}

/// With the class that its kind has.
fn checked_fault(fault: Fault) -> Fault {
    Fault { class: fault.kind.class(), ..fault }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_goes_on_no_faster_than_a_camera() {
        /// Each frame comes so many ms after the one before.
        #[track_caller]
        fn check(frames: &[(u64, u64)], expected: &[Option<u64>]) {
            let (mut count, mut now) = (FrameCount::default(), Instant::now());
            let checked = frames.iter().map(|(ms, sequence)| {
                now += Duration::from_millis(*ms);
                count.checked(Some(*sequence), now)
            });
            assert_eq!(checked.collect::<Vec<_>>(), expected, "{frames:?}");
        }
        check(&[(0, 0), (33, 1), (33, 5)], &[Some(0), Some(1), Some(5)]);
        check(&[(0, 0), (33, u64::MAX), (33, 5), (33, 1 << 63)], &[Some(0), None, Some(5), None]);
        // After a pause there is more that can have been lost, and behind a number that cannot be all goes on.
        check(&[(0, 0), (60_000, 61_000), (1, 62_001), (0, 63_002)], &[Some(0), Some(61_000), Some(62_001), None]);
        check(&[(0, 0), (1, 1 << 40), (1, (1 << 40) + 1)], &[Some(0), None, Some((1 << 40) + 1)]);
        // A driver's 32 bits, once they are gone through, and one that begins anew.
        check(&[(0, 0xffff_ffff), (33, 0x1_0000_0000)], &[Some(0xffff_ffff), Some(0x1_0000_0000)]);
        check(&[(0, 900), (33, 0), (33, 0)], &[Some(900), Some(0), Some(0)]);
        check(&[(0, u64::MAX), (33, 0)], &[Some(u64::MAX), Some(0)]);
        let mut count = FrameCount::default();
        assert_eq!(count.checked(None, Instant::now()), None);
    }

    #[test]
    fn what_is_learned_of_a_workers_clock_is_no_jump_of_the_cameras() {
        /// Each frame: its time by the worker's clock, and what that was taken for, in ms; and the moment that it gets.
        #[track_caller]
        fn check(frames: &[(i64, u64, u64)]) {
            let (began, mut clock) = (Instant::now(), FrameClock::default());
            for (us, known, expected) in frames {
                let moment = clock.moment(*us * 1_000, began + Duration::from_millis(*known));
                assert_eq!(moment, began + Duration::from_millis(*expected), "{frames:?}");
            }
        }
        check(&[(0, 100, 100), (33, 133, 133), (66, 166, 166)]);
        // The first messages were 80 ms late.
        check(&[(0, 180, 180), (33, 133, 180), (66, 166, 180), (99, 199, 199)]);
        // The camera's own clock was set back.
        check(&[(500, 600, 600), (133, 233, 233), (166, 266, 266)]);
    }

    #[test]
    fn pictures_are_not_larger_than_what_was_agreed_allows() {
        let of = |agreed: Option<(u32, u32)>, asked: Option<(u32, u32)>| {
            let size = |sides: Option<(u32, u32)>| sides.and_then(|(width, height)| Size::new(width, height));
            largest_picture(size(agreed), size(asked))
        };
        assert_eq!(of(None, None), 192_000_000);
        assert_eq!(of(Some((640, 480)), None), 3840 * 2160 * 3, "a stream may change its size");
        assert_eq!(of(Some((3840, 2160)), None), 4 * 3840 * 2160 * 3);
        assert_eq!(of(Some((15_360, 8_640)), None), 192_000_000, "that is what the worker says");
        assert_eq!(of(Some((640, 480)), Some((15_360, 8_640))), 15_360 * 8_640 * 3, "that is what the user asked for");
    }
}
