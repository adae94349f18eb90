//! Cameras through nokhwa: V4L2, Media Foundation or AVFoundation without OpenCV between.
//!
//! nokhwa has no time-out anywhere and panics at some devices. Each call is therefore guarded, and its own decoders are
//! not used: what the driver hands out is decoded by [`crate::codec`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, frame_formats};
use nokhwa::{Buffer, Camera, NokhwaError};

use crate::codec;
use crate::control::{ControlSetting, ControlsUpdate};
use crate::device::choices::{DEFAULT_FPS, DEFAULT_SIZE};
use crate::device::codes::{self, Call, ErrorMeaning};
use crate::device::{self, Device, Usability};
use crate::fault::{Fault, FaultKind};
use crate::frame::{PixelFormat, Size};
use crate::packet::PacketSink;
use crate::source::controls::ControlPoller;
use crate::source::{Grabbed, OpenRequest, Picture, Source, SourceSpec, jpeg_packet};
use crate::status::{Asked, Got};

/// No camera is faster. nokhwa reports the rate 30000/1001 as 30000.
const MAX_FPS: u32 = 1000;

pub(super) fn open(spec: &SourceSpec, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let device = match spec {
        SourceSpec::Index(index) => device::named(&index.to_string())?,
        SourceSpec::Device(name) => device::named(name)?,
        SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => {
            return Err(Fault::new(FaultKind::BackendMissing, format!("the native backend cannot open {spec}")));
        }
    };
    #[cfg(target_os = "macos")]
    ask_permission(request)?;
    device::check(&device)?;
    let name = device.label();
    match start(&device, &request.asked) {
        Ok(camera) => {
            let got = got_of(camera.format);
            let controls = ControlPoller::of(&device);
            let packets = request.packets.clone();
            Ok(Box::new(Native { camera, device, name, got, buffer: None, has_started: false, controls, packets }))
        }
        Err(failure) => Err(why_not_open(&failure, &device, &name)),
    }
}

/// Without the user's consent AVFoundation hands out black pictures. The question appears once for each program.
#[cfg(target_os = "macos")]
fn ask_permission(request: &OpenRequest) -> Result<(), Fault> {
    if nokhwa::nokhwa_check() {
        return Ok(());
    }
    let (sender, answer) = std::sync::mpsc::sync_channel(1);
    nokhwa::nokhwa_initialize(move |is_allowed| {
        let _ = sender.try_send(is_allowed);
    });
    match answer.recv_timeout(request.open_deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Fault::new(FaultKind::Denied, "macOS does not let this program use the camera")
            .with_advice("Switch it on in System Settings, Privacy & Security, Camera, and start the program again.")),
        Err(_) => Err(Fault::new(FaultKind::OpenTimeout, "macOS asks whether this program may use the camera")
            .with_advice("Answer the question on the screen.")),
    }
}

/// An open camera and what it was set to.
struct Started {
    /// `None` after a panic.
    camera: Option<Camera>,
    format: CameraFormat,
}

impl Started {
    /// Calls nokhwa. The camera is of no more use after a panic, and is closed.
    fn call<T>(&mut self, call: impl FnOnce(&mut Camera) -> Result<T, NokhwaError>) -> Result<T, NativeError> {
        let Some(camera) = &mut self.camera else {
            return Err(NativeError::Panicked("it crashed before".to_owned()));
        };
        let result = guarded(|| call(camera));
        if let Err(NativeError::Panicked(_)) = result {
            self.close();
        }
        result
    }

    fn close(&mut self) {
        if let Some(camera) = self.camera.take() {
            // nokhwa unwraps here.
            let _ = guarded(|| {
                drop(camera);
                Ok(())
            });
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.close();
    }
}

/// Dropping it closes the device.
struct Native {
    camera: Started,
    device: Device,
    name: String,
    got: Got,
    buffer: Option<Buffer>,
    controls: ControlPoller,
    /// A frame has come since it was started: nokhwa has V4L2 start its stream with the first.
    has_started: bool,
    packets: PacketSink,
}

impl Source for Native {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.buffer = None;
        let call = if self.has_started { Call::Read } else { Call::Start };
        let buffer = self.camera.call(Camera::frame).map_err(|failure| self.why_no_frame(&failure, call))?;
        self.has_started = true;
        let taken_at = Instant::now();
        if self.packets.is_wanted() && buffer.source_frame_format() == FrameFormat::MJPEG {
            // It is as long as the driver's buffer: where one without its end does end, nobody knows.
            let packet = jpeg_packet(buffer.buffer(), false, None, taken_at);
            if !packet.is_damaged {
                self.packets.put(packet);
            }
        }
        self.buffer = Some(buffer);
        Ok(Grabbed::new(taken_at, None))
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        let bad =
            |why: &str| Fault::new(FaultKind::BadFrame, format!("a picture of {} cannot be decoded: {why}", self.name));
        let buffer = self.buffer.take().ok_or_else(|| bad("there is none"))?;
        let resolution = buffer.resolution();
        let size = Size::new(resolution.width(), resolution.height()).ok_or_else(|| bad("it has no size"))?;
        let image = codec::decode(pixel_format(buffer.source_frame_format()), size, buffer.buffer())
            .map_err(|why| bad(&why))?;
        self.got.size = Some(image.size());
        Ok(Picture::Own(image))
    }

    fn restart(&mut self) -> Result<(), Fault> {
        (self.buffer, self.has_started) = (None, false);
        // A stream that has failed may refuse to stop; what counts is that it starts.
        let _ = self.camera.call(Camera::stop_stream);
        self.camera.call(Camera::open_stream).map_err(|failure| self.why_no_frame(&failure, Call::Start))
    }

    fn controls(&mut self) -> Option<ControlsUpdate> {
        self.controls.update()
    }

    fn set_controls(&mut self, wanted: &[ControlSetting]) {
        self.controls.set(wanted);
    }
}

impl Native {
    fn why_no_frame(&self, failure: &NativeError, call: Call) -> Fault {
        let (name, code) = (&self.name, failure.code());
        if matches!(failure, NativeError::Panicked(_)) {
            let message = format!("the native backend crashed while reading {name}: {failure}");
            return Fault { code, ..Fault::new(FaultKind::Crashed, message) };
        }
        if call == Call::Start
            && let Some(fault) = start_fault(&self.device, code)
        {
            return fault;
        }
        if let Some((code, meaning)) = meaning(code, call).or_else(|| meaning(code, Call::Read)) {
            return meaning.fault(name, code);
        }
        let fault = match device::examine(&self.device) {
            Usability::Unusable(fault) if fault.kind == FaultKind::Missing => {
                Fault::new(FaultKind::Unplugged, format!("{name} was unplugged"))
            }
            _ => Fault::new(FaultKind::ReadFailed, format!("reading from {name} failed: {failure}")),
        };
        Fault { code: code.or(fault.code), ..fault }
    }
}

/// By a number that is known; the driver is not asked once more.
fn start_fault(device: &Device, code: Option<i64>) -> Option<Fault> {
    device::start_fault(device, Some(i32::try_from(code?).ok().filter(|code| *code > 0)?))
}

fn meaning(code: Option<i64>, call: Call) -> Option<(i64, ErrorMeaning)> {
    Some((code?, codes::of(code?, call)?))
}

/// Opens the camera, sets the format that is nearest to what is asked, and starts the stream.
fn start(device: &Device, asked: &Asked) -> Result<Started, NativeError> {
    let index = match device.index {
        // Elsewhere nokhwa counts in an order of its own.
        Some(index) if cfg!(target_os = "linux") || device.path == index.to_string() => CameraIndex::Index(index),
        _ => CameraIndex::String(device.path.clone()),
    };
    let open = || {
        guarded(|| {
            let any = RequestedFormat::with_formats(RequestedFormatType::None, frame_formats());
            Camera::new(index.clone(), any)
        })
    };
    // nokhwa compares the rate with the one that held before it set the size, and gives up when the new size has another:
    // the second time both are set already.
    let camera = open().or_else(|failure| if failure.is_rejected_format() { open() } else { Err(failure) })?;
    let format = camera.camera_format();
    let mut started = Started { camera: Some(camera), format };

    let formats = started.call(Camera::compatible_camera_formats)?;
    if let Some(best) = best_of(&formats, asked).filter(|best| *best != format) {
        let encoding = [best.format()];
        let request = RequestedFormat::with_formats(RequestedFormatType::Exact(best), &encoding);
        match started.call(|camera| camera.set_camera_requset(request)) {
            // Some drivers round the rate. nokhwa calls that an error after having set it.
            Err(failure) if failure.is_rejected_format() => {}
            result => {
                result?;
            }
        }
    }
    started.call(Camera::open_stream)?;
    started.format = started.call(|camera| Ok(camera.camera_format()))?;
    Ok(started)
}

/// The format nearest to what is asked: first the encoding, then the size, then the rate.
fn best_of(formats: &[CameraFormat], asked: &Asked) -> Option<CameraFormat> {
    let size = asked.size.unwrap_or(DEFAULT_SIZE);
    let fps = asked.fps.unwrap_or(DEFAULT_FPS);
    let distance = |format: &CameraFormat| {
        let encoding = pixel_format(format.format());
        let is_other = asked.format.is_some_and(|asked| asked != encoding);
        let sides = u64::from(format.width().abs_diff(size.width)) + u64::from(format.height().abs_diff(size.height));
        let rate = (f64::from(format.frame_rate()) - fps).abs();
        let order =
            [FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::RAWBGR, FrameFormat::RAWRGB];
        let preference = order.iter().position(|f| *f == format.format()).unwrap_or(order.len());
        (is_other, sides, rate, preference)
    };
    formats
        .iter()
        .filter(|format| (1..=MAX_FPS).contains(&format.frame_rate()))
        .filter(|format| Size::new(format.width(), format.height()).is_some())
        .min_by(|a, b| {
            let ((other_a, sides_a, rate_a, order_a), (other_b, sides_b, rate_b, order_b)) = (distance(a), distance(b));
            (other_a, sides_a)
                .cmp(&(other_b, sides_b))
                .then_with(|| rate_a.total_cmp(&rate_b))
                .then_with(|| order_a.cmp(&order_b))
        })
        .copied()
}

fn got_of(format: CameraFormat) -> Got {
    Got {
        size: Size::new(format.width(), format.height()),
        fps: Some(format.frame_rate()).filter(|fps| (1..=MAX_FPS).contains(fps)).map(f64::from),
        format: Some(pixel_format(format.format())),
        n_buffers: None,
    }
}

fn pixel_format(format: FrameFormat) -> PixelFormat {
    match format {
        FrameFormat::MJPEG => PixelFormat::MJPG,
        FrameFormat::YUYV => PixelFormat::YUYV,
        FrameFormat::NV12 => PixelFormat::NV12,
        FrameFormat::GRAY => PixelFormat::GREY,
        FrameFormat::RAWRGB => PixelFormat::RGB,
        FrameFormat::RAWBGR => PixelFormat::BGR,
    }
}

// ---- errors

enum NativeError {
    Said(NokhwaError),
    Panicked(String),
}

impl NativeError {
    /// The system's number, which nokhwa keeps in the text only: `… (os error 16)` or `… (0xC00D3704)`.
    fn code(&self) -> Option<i64> {
        match self {
            Self::Said(error) => code_in(&error.to_string()),
            Self::Panicked(_) => None,
        }
    }

    fn is_rejected_format(&self) -> bool {
        matches!(self, Self::Said(NokhwaError::SetPropertyError { error, .. }) if error.contains("ejected"))
    }
}

impl std::fmt::Display for NativeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(error) => f.write_str(device::codes::without_code(&error.to_string())),
            Self::Panicked(message) => f.write_str(message),
        }
    }
}

fn guarded<T>(call: impl FnOnce() -> Result<T, NokhwaError>) -> Result<T, NativeError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(NativeError::Said),
        Err(panic) => Err(NativeError::Panicked(
            panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "it panicked".to_owned()),
        )),
    }
}

fn code_in(text: &str) -> Option<i64> {
    if let Some((_, rest)) = text.rsplit_once("(os error ") {
        return rest.split(')').next()?.parse().ok();
    }
    let (_, rest) = text.rsplit_once("(0x")?;
    let number = u32::from_str_radix(rest.split(')').next()?, 16).ok()?;
    // As an HRESULT is written everywhere else: signed.
    Some(i64::from(number.cast_signed()))
}

/// What nokhwa's own words mean, where the system has given no number.
fn kind_of(error: &NokhwaError) -> FaultKind {
    match error {
        // The device is not in its list.
        NokhwaError::OpenDeviceError(_, why)
            if ["No device", "Not Found", "Device is null"].contains(&why.as_str()) =>
        {
            FaultKind::Missing
        }
        NokhwaError::GetPropertyError { property, .. }
            if property == "CameraFormat" || property.contains("FrameRate") =>
        {
            FaultKind::FormatRefused
        }
        NokhwaError::SetPropertyError { .. } => FaultKind::FormatRefused,
        _ => FaultKind::OpenFailed,
    }
}

fn why_not_open(failure: &NativeError, device: &Device, name: &str) -> Fault {
    let code = failure.code();
    let known = meaning(code, Call::Start).or_else(|| meaning(code, Call::Open));
    let kind = match failure {
        NativeError::Panicked(_) => FaultKind::Crashed,
        NativeError::Said(error) => known.map_or_else(|| kind_of(error), |(_, meaning)| meaning.kind),
    };
    let fault = match device::examine(device) {
        // That somebody else holds it explains a refusal, but not any failure.
        Usability::Unusable(fault) if fault.kind != FaultKind::Busy || kind == FaultKind::Busy => fault,
        _ => start_fault(device, code)
            .or_else(|| known.map(|(code, meaning)| meaning.fault(name, code)))
            .unwrap_or_else(|| Fault::new(kind, format!("the native backend could not start {name}: {failure}"))),
    };
    Fault { code: code.or(fault.code), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_best(asked: Asked, expected: &str) {
        let formats = [
            (FrameFormat::YUYV, 640, 480, 30),
            (FrameFormat::YUYV, 1920, 1080, 5),
            (FrameFormat::YUYV, 320, 240, 30000),
            (FrameFormat::MJPEG, 640, 480, 30),
            (FrameFormat::MJPEG, 640, 480, 15),
            (FrameFormat::MJPEG, 1920, 1080, 30),
            (FrameFormat::GRAY, 0, 0, 30),
        ]
        .map(|(format, width, height, fps)| CameraFormat::new_from(width, height, format, fps));
        let best = best_of(&formats, &asked).unwrap();
        assert_eq!(format!("{} {}@{}", best.format(), best.resolution(), best.frame_rate()), expected, "{asked:?}");
    }

    #[test]
    fn the_format_nearest_to_what_is_asked_is_taken() {
        let size = |width, height| Size::new(width, height);
        check_best(Asked::default(), "MJPEG 640x480@30");
        check_best(Asked { fps: Some(10.0), ..Asked::default() }, "MJPEG 640x480@15");
        check_best(Asked { size: size(1920, 1080), ..Asked::default() }, "MJPEG 1920x1080@30");
        check_best(Asked { size: size(4000, 3000), ..Asked::default() }, "MJPEG 1920x1080@30");
        check_best(Asked { size: size(320, 240), ..Asked::default() }, "MJPEG 640x480@30");
        check_best(
            Asked { size: size(1920, 1080), format: Some(PixelFormat::YUYV), ..Asked::default() },
            "YUYV 1920x1080@5",
        );
        check_best(Asked { format: Some(PixelFormat::NV12), ..Asked::default() }, "MJPEG 640x480@30");
        check_best(Asked { fps: Some(f64::NAN), ..Asked::default() }, "MJPEG 640x480@30");
        assert_eq!(best_of(&[], &Asked::default()), None);
    }

    #[track_caller]
    fn check_code(text: &str, expected: Option<i64>, kind: Option<FaultKind>) {
        let code = code_in(text);
        assert_eq!(code, expected, "{text}");
        assert_eq!(meaning(code, Call::Start).map(|(_, meaning)| meaning.kind), kind, "{text}");
    }

    #[test]
    fn the_systems_numbers_are_found_in_the_text() {
        check_code("V4L2 Error: Device or resource busy (os error 16)", Some(16), Some(FaultKind::Busy));
        check_code("Could not capture frame: No such device (os error 19)", Some(19), Some(FaultKind::Unplugged));
        check_code("No space left on device (os error 28)", Some(28), Some(FaultKind::NoResources));
        check_code("Exec format error (os error 8)", Some(8), None);
        check_code("Hardware MFT failed (0xC00D3704)", Some(-1_072_875_772), Some(FaultKind::Busy));
        check_code("Access is denied. (0x80070005)", Some(-2_147_024_891), Some(FaultKind::Denied));
        check_code("Failed to Fufill", None, None);
        check_code("(os error x)", None, None);
    }

    #[test]
    fn a_panic_is_a_failure_like_others() {
        let failure = guarded::<()>(|| panic!("at device {}", 3)).err().unwrap();
        assert_eq!(failure.to_string(), "at device 3");
        let device = Device { path: "/dev/null-camera".into(), ..Device::default() };
        // What is known of the device comes first.
        let fault = why_not_open(&failure, &device, "x");
        let expected = if cfg!(target_os = "linux") { FaultKind::Missing } else { FaultKind::Crashed };
        assert_eq!(fault.kind, expected, "{fault}");
    }
}
