//! Cameras through Linux' own interface, V4L2, without a library between: what the driver knows of each picture is not lost.
//!
//! A picture stays in the driver's buffer, as it came, until it is decoded or the next one is grabbed. Nobody else sets anything
//! on the device while it is open here but its controls.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};

use crate::codec::{self, Coded};
use crate::control::{ControlSetting, ControlsUpdate};
use crate::device::capture::{CapturePort, MAX_BUFFERS, StreamFormat, TakenBuffer, monotonic_now};
use crate::device::choices::{BestChoice, DEFAULT_FPS, DEFAULT_SIZE};
use crate::device::codes::{self, Call, without_code};
use crate::device::{self, Capabilities, Device, Usability};
use crate::fault::{Fault, FaultKind};
use crate::frame::{PixelFormat, Size};
use crate::packet::PacketSink;
use crate::source::controls::ControlPoller;
use crate::source::{Grabbed, OpenRequest, Picture, Source, SourceSpec, jpeg_packet};
use crate::status::{Asked, Got};

/// One picture is with us and the camera writes another; the third is for a call that comes late.
const LEAST_BUFFERS: u32 = 3;
const DEFAULT_BUFFERS: u32 = 4;
/// How often a wait looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);
const BREATH: Duration = Duration::from_millis(1);
/// An older stamp is that of a clock that has been set, or of a driver that means something else.
const OLDEST: Duration = Duration::from_secs(10);

pub(super) fn open(spec: &SourceSpec, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let device = match spec {
        SourceSpec::Index(index) => device::named(&index.to_string())?,
        SourceSpec::Device(name) => device::named(name)?,
        SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => {
            return Err(Fault::new(FaultKind::BackendMissing, format!("V4L2 cannot open {spec}")));
        }
    };
    device::check(&device)?;
    let mut port =
        CapturePort::open(Path::new(&device.path)).map_err(|error| why_not_open(&device, &error, Call::Open))?;
    let why_not = |error: &io::Error| why_not_open(&device, error, Call::Start);
    let stream = agree(&port, &device, &request.asked)?;
    let n_wanted = request.asked.n_buffers.unwrap_or(DEFAULT_BUFFERS).clamp(LEAST_BUFFERS, MAX_BUFFERS);
    let n_buffers = port.start(n_wanted).map_err(|error| why_not(&error))?;
    let got = Got { size: Some(stream.size), fps: stream.fps, format: Some(stream.format), n_buffers: Some(n_buffers) };
    Ok(Box::new(V4l2Capture {
        port,
        controls: ControlPoller::of(&device),
        name: device.label(),
        device,
        stream,
        got,
        taken: None,
        jpeg: Vec::new(),
        sequence: Sequence::default(),
        n_wanted,
        has_started: false,
        first_frame_deadline: request.first_frame_deadline,
        frame_deadline: request.frame_deadline,
        packets: request.packets.clone(),
        cancel: request.cancel.clone(),
    }))
}

/// What the device delivers.
#[derive(Clone, Copy, Debug)]
struct AgreedStream {
    format: PixelFormat,
    size: Size,
    line_bytes: usize,
    /// `None` where the driver does not tell.
    fps: Option<f64>,
}

/// Sets what is nearest to what is asked, and tells what came of it.
fn agree(port: &CapturePort, device: &Device, asked: &Asked) -> Result<AgreedStream, Fault> {
    let refused = |error: io::Error| why_not_open(device, &error, Call::Start);
    let offered = Capabilities { formats: port.formats(), ..Capabilities::default() };
    let best = match offered.best(asked, codec::preference) {
        Some(best) => best,
        None if offered.formats.is_empty() => {
            // What it is set to is all that is known of it.
            let now = port.format().map_err(refused)?;
            let format = asked.format.or(now.format).unwrap_or(PixelFormat::YUYV);
            let size = asked.size.or(now.size).unwrap_or(DEFAULT_SIZE);
            BestChoice { format, size, fps: asked.fps.unwrap_or(DEFAULT_FPS) }
        }
        None => {
            let codes = offered.formats.iter().map(|format| format.fourcc.trim().to_owned()).collect::<Vec<_>>();
            return Err(not_shown(device, &codes));
        }
    };
    let StreamFormat { format, size, line_bytes, n_bytes } =
        port.set_format(best.format, best.size).map_err(refused)?;
    let format = match format {
        Some(format) if codec::preference(format).is_some() => format,
        other => return Err(not_shown(device, &[other.map_or_else(|| "?".to_owned(), |format| format.to_string())])),
    };
    let size = size.ok_or_else(|| {
        Fault::new(FaultKind::FormatRefused, format!("{} has no size that a picture can have", device.label()))
    })?;
    // Rows with which the picture would not fit into its buffer are not those that come.
    let line_bytes = if codec::n_bytes(format, size, line_bytes) <= n_bytes { line_bytes } else { 0 };
    Ok(AgreedStream { format, size, line_bytes, fps: port.set_rate(best.fps) })
}

/// All that it gives is something that this program has no decoder for.
fn not_shown(device: &Device, codes: &[String]) -> Fault {
    const NAMED: usize = 6;
    /// Each picture of these is told by what has changed since others, so that it takes a decoder with a memory.
    const STREAMS: [&str; 6] = ["H264", "AVC1", "HEVC", "VP80", "VP90", "MPG4"];
    let named = codes.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if codes.len() > NAMED { " and others" } else { "" };
    let message = format!("{} gives {named}{more} only, which V4L2 here does not show", device.label());
    let fault = Fault::new(FaultKind::FormatRefused, message);
    if codes.iter().any(|code| STREAMS.contains(&code.as_str())) {
        return fault.with_advice("Choose the backend GStreamer, which decodes compressed video.");
    }
    fault.with_advice(
        "Choose another format where the camera, or the program that feeds it, is set up: YUYV and MJPG can be shown anywhere.",
    )
}

fn why_not_open(device: &Device, error: &io::Error, call: Call) -> Fault {
    const EBUSY: i32 = 16;
    let (name, code) = (device.label(), error.raw_os_error());
    let explained = || match call {
        Call::Start => device::start_fault(device, Some(code?)),
        _ => Some(codes::errno(code?, call)?.fault(&name, code?)),
    };
    let fault = match device::examine(device) {
        // That somebody else holds it, or feeds it, explains that refusal alone.
        Usability::Unusable(fault) if code != Some(EBUSY) && fault.kind != FaultKind::Busy => fault,
        _ => explained().unwrap_or_else(|| {
            let kind = match error.kind() {
                io::ErrorKind::Unsupported => FaultKind::NotACamera,
                io::ErrorKind::InvalidData => FaultKind::FormatRefused,
                _ => FaultKind::OpenFailed,
            };
            let why = error.to_string();
            Fault::new(kind, format!("{name} could not be started: {}", without_code(&why)))
        }),
    };
    Fault { code: code.map(i64::from).or(fault.code), ..fault }
}

/// The driver's count, which begins anew at 2^32, as one that goes on.
#[derive(Debug, Default)]
struct Sequence {
    last: Option<u64>,
}

impl Sequence {
    fn next(&mut self, counted: u32) -> u64 {
        let next = match self.last {
            None => u64::from(counted),
            Some(last) => {
                #[expect(clippy::cast_possible_truncation, reason = "its lower half is meant")]
                let step = counted.wrapping_sub(last as u32);
                // One that is behind has begun anew.
                if step <= u32::MAX / 2 { last + u64::from(step) } else { u64::from(counted) }
            }
        };
        self.last = Some(next);
        next
    }
}

/// The moment of a stamp, from how old it is. A driver's stamp may be none, in the future or of another clock: then it is now.
fn moment_of(stamp: Option<Duration>, clock: Duration, now: Instant) -> Instant {
    let age = stamp.and_then(|stamp| clock.checked_sub(stamp)).filter(|age| *age <= OLDEST);
    age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// Dropping it stops the stream and closes the device.
struct V4l2Capture {
    port: CapturePort,
    controls: ControlPoller,
    device: Device,
    name: String,
    stream: AgreedStream,
    got: Got,
    /// What waits to be decoded.
    taken: Option<TakenBuffer>,
    /// A copy of the picture, so that the driver has its buffer back while that is decoded.
    jpeg: Vec<u8>,
    sequence: Sequence,
    n_wanted: u32,
    /// A frame has come since it was started.
    has_started: bool,
    first_frame_deadline: Duration,
    frame_deadline: Duration,
    packets: PacketSink,
    cancel: Receiver<()>,
}

impl Source for V4l2Capture {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.taken = None;
        let began = Instant::now();
        let patience = if self.has_started { self.frame_deadline } else { self.first_frame_deadline };
        let mut has_waited = false;
        loop {
            if let Some(taken) = self.port.take().map_err(|error| self.why_no_frame(&error))? {
                (self.taken, self.has_started) = (Some(taken), true);
                let taken_at = moment_of(taken.stamp, monotonic_now(), Instant::now());
                self.put_packet(taken, taken_at);
                return Ok(Grabbed::new(taken_at, Some(self.sequence.next(taken.sequence))));
            }
            let waited = began.elapsed();
            if matches!(self.cancel.try_recv(), Err(TryRecvError::Disconnected)) {
                return Err(Fault::new(FaultKind::ReadFailed, format!("{} is being closed", self.name)));
            }
            if waited >= patience {
                let seconds = waited.as_secs_f64();
                let message = format!("no picture came from {} for {seconds:.1} s", self.name);
                return Err(Fault::new(FaultKind::Stall, message));
            }
            if std::mem::replace(&mut has_waited, true) {
                // A driver that says that there is something, and gives nothing, is not asked again at once.
                thread::sleep(BREATH);
            }
            self.port.wait(patience.saturating_sub(waited).min(POLL));
        }
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        let picture = self.decode(|coded| Some(coded.decode()));
        picture.unwrap_or_else(|| Err("there is none".to_owned())).map(Picture::Own).map_err(|why| self.bad_frame(&why))
    }

    fn retrieve_into(&mut self, size: Size, room: &mut [u8]) -> Option<Result<(), Fault>> {
        let filled = self.decode(|coded| (coded.size() == size).then(|| coded.decode_into(room)))?;
        Some(filled.map_err(|why| self.bad_frame(&why)))
    }

    fn restart(&mut self) -> Result<(), Fault> {
        (self.taken, self.has_started, self.sequence) = (None, false, Sequence::default());
        match self.port.start(self.n_wanted) {
            Ok(n_buffers) => {
                self.got.n_buffers = Some(n_buffers);
                Ok(())
            }
            Err(error) => Err(why_not_open(&self.device, &error, Call::Start)),
        }
    }

    fn controls(&mut self) -> Option<ControlsUpdate> {
        self.controls.update()
    }

    fn set_controls(&mut self, wanted: &[ControlSetting]) {
        self.controls.set(wanted);
    }
}

impl V4l2Capture {
    /// Has the picture decoded that was taken, and the buffer given back; the picture stays where nothing came of it. `None` where
    /// there is none, or the call does not want it.
    fn decode<T>(&mut self, call: impl FnOnce(&Coded) -> Option<Result<T, String>>) -> Option<Result<T, String>> {
        let taken = self.taken?;
        let AgreedStream { format, size, line_bytes, .. } = self.stream;
        let decoded = if taken.is_damaged {
            Some(Err("its driver has lost a part of it".to_owned()))
        } else if codec::is_jpeg(format) {
            self.jpeg.clear();
            self.jpeg.extend_from_slice(self.port.bytes());
            match Coded::read(format, size, line_bytes, &self.jpeg) {
                Ok(coded) => {
                    self.got.size = Some(coded.size());
                    call(&coded)
                }
                Err(why) => Some(Err(why)),
            }
        } else {
            Coded::read(format, size, line_bytes, self.port.bytes())
                .map_or_else(|why| Some(Err(why)), |coded| call(&coded))
        };
        if decoded.is_some() {
            self.taken = None;
            // What is wrong is told by the next frame.
            let _ = self.port.give_back();
        }
        decoded
    }

    /// The picture as the camera sent it, where it has coded it.
    fn put_packet(&self, taken: TakenBuffer, taken_at: Instant) {
        if self.packets.is_wanted() && codec::is_jpeg(self.stream.format) {
            self.packets.put(jpeg_packet(self.port.bytes(), taken.is_damaged, taken.stamp, taken_at));
        }
    }

    fn bad_frame(&self, why: &str) -> Fault {
        Fault::new(FaultKind::BadFrame, format!("a picture of {} cannot be decoded: {why}", self.name))
    }

    fn why_no_frame(&self, error: &io::Error) -> Fault {
        let (name, code) = (&self.name, error.raw_os_error());
        if let Some((code, meaning)) = code.and_then(|code| Some((code, codes::errno(code, Call::Read)?))) {
            return meaning.fault(name, code);
        }
        let why = error.to_string();
        let fault = Fault::new(FaultKind::ReadFailed, format!("reading from {name} failed: {}", without_code(&why)));
        Fault { code: code.map(i64::from), ..fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_count_goes_on() {
        #[track_caller]
        fn check(counted: &[u32], expected: &[u64]) {
            let mut sequence = Sequence::default();
            let got: Vec<_> = counted.iter().map(|counted| sequence.next(*counted)).collect();
            assert_eq!(got, expected);
        }
        check(&[0, 1, 2, 5], &[0, 1, 2, 5]);
        check(&[u32::MAX - 1, u32::MAX, 0, 2], &[0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0002]);
        // Begun anew, or always the same.
        check(&[900, 0, 1], &[900, 0, 1]);
        check(&[0, 0, 0], &[0, 0, 0]);
    }

    #[test]
    fn only_a_stamp_that_can_be_true_is_believed() {
        #[track_caller]
        fn check(stamp_ms: Option<u64>, age_ms: u64) {
            let (clock, now) = (Duration::from_secs(50), Instant::now());
            let moment = moment_of(stamp_ms.map(Duration::from_millis), clock, now);
            assert_eq!(now - moment, Duration::from_millis(age_ms), "{stamp_ms:?}");
        }
        check(Some(49_980), 20);
        check(Some(50_000), 0);
        check(None, 0);
        check(Some(50_001), 0);
        check(Some(1_700_000_000_000), 0);
        check(Some(30_000), 0);
        check(Some(40_000), 10_000);
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        #[track_caller]
        fn check(codes: &[&str], message: &str, advice: &str) {
            let device = Device { name: "Cam".into(), path: "/dev/video9".into(), ..Device::default() };
            let fault = not_shown(&device, &codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>());
            assert_eq!(fault.kind, FaultKind::FormatRefused);
            assert!(fault.message.contains(message) && fault.advice.contains(advice), "{fault} {}", fault.advice);
        }
        check(&["H264"], "Cam (/dev/video9) gives H264 only", "GStreamer");
        check(&["M420", "HSV3"], "gives M420, HSV3 only", "program that feeds it");
        check(&["A"; 9], "A, A, A and others only", "YUYV");
    }
}
