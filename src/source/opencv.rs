//! Cameras and video files through OpenCV's `VideoCapture`; network cameras in the file beside this one.
//!
//! Part of the worker program alone: nothing else is linked with OpenCV.
//!
//! OpenCV says *that* something failed and seldom *why*: the reasons given here are found by looking at the device or
//! the file. It reads time-outs from environment variables, which the worker gets from the program that starts it.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opencv::core::{self, Mat};
use opencv::prelude::*;
use opencv::{imgproc, videoio};

use crate::backend::Backend;
use crate::codec::{self, Coded};
use crate::control::{ControlSetting, ControlsUpdate};
use crate::device::{self, Device, Usability};
use crate::fault::{Fault, FaultKind};
use crate::frame::{Image, PixelFormat, Size};
use crate::source::controls::ControlPoller;
use crate::source::{Grabbed, OpenRequest, Picture, Source, SourceSpec, file, jpeg_packet};
use crate::status::{Asked, Got};

#[path = "network.rs"]
mod network;

/// A failed `grab` that took longer was a time-out of the backend: 1 s in DirectShow and AVFoundation, 10 s in V4L2 and
/// Media Foundation. A driver's error comes at once.
const STALL_AFTER: Duration = Duration::from_millis(900);

/// The buffers that V4L2 is asked for: at most `MAX_V4L_BUFFERS` of `cap_v4l.cpp`. With a single one the camera has none to
/// write to while its picture is with us: measured with uvcvideo, 3 pictures a second come of it where two buffers give 11.
const V4L2_BUFFERS: RangeInclusive<u32> = 2..=10;

/// What V4L2 in OpenCV takes by itself, and what GStreamer is asked for where the user leaves it open.
const DEFAULT_SIZE: Size = Size { width: 640, height: 480 };

/// The rate at which a file is played that does not say its own, or a senseless one.
const DEFAULT_FILE_FPS: f64 = 25.0;

/// Opens a source through one of OpenCV's backends. May block for minutes: V4L2 waits for a camera whose controls hang.
///
/// # Errors
/// Why it cannot be opened; `BackendMissing` when the OpenCV on this system lacks the backend.
pub fn open(backend: Backend, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    if let SourceSpec::Url(address) = &request.spec {
        return network::open(backend, api(backend)?, address, request);
    }
    Ok(Box::new(start(backend, request)?))
}

fn start(backend: Backend, request: &OpenRequest) -> Result<OpenCvCapture, Fault> {
    let api = api(backend)?;
    match &request.spec {
        SourceSpec::Index(index) => open_device(backend, api, &index.to_string(), request),
        SourceSpec::Device(name) => open_device(backend, api, name, request),
        SourceSpec::File(path) => open_file(backend, api, path, request),
        spec @ (SourceSpec::Simulated(_) | SourceSpec::Url(_)) => {
            Err(Fault::new(FaultKind::BackendMissing, format!("OpenCV cannot open {spec}")))
        }
    }
}

/// OpenCV's number for a backend, if the OpenCV on this system has it. It may still be a slot for a plug-in that is not
/// installed: then opening fails.
fn api(backend: Backend) -> Result<i32, Fault> {
    let api = match backend {
        Backend::DirectShow => videoio::CAP_DSHOW,
        Backend::Msmf => videoio::CAP_MSMF,
        Backend::V4l2OpenCv => videoio::CAP_V4L2,
        Backend::Ffmpeg => videoio::CAP_FFMPEG,
        Backend::Gstreamer => videoio::CAP_GSTREAMER,
        Backend::AvFoundation => videoio::CAP_AVFOUNDATION,
        Backend::V4l2 | Backend::Native | Backend::Simulated => videoio::CAP_ANY,
    };
    let is_there = api != videoio::CAP_ANY
        && videoio::VideoCaptureAPIs::try_from(api).and_then(videoio::has_backend).unwrap_or(false);
    if is_there {
        return Ok(api);
    }
    Err(Fault::new(FaultKind::BackendMissing, format!("the OpenCV on this system has no {}", backend.label())))
}

/// An open `VideoCapture`. Dropping it closes the device.
struct OpenCvCapture {
    video: videoio::VideoCapture,
    backend: Backend,
    /// For messages; without a password.
    name: String,
    origin: CaptureOrigin,
    /// To open it again.
    request: OpenRequest,
    got: Got,
    mat: Mat,
    /// The grabbed frame is in `mat` already.
    is_retrieved: bool,
    /// Where pictures come as the camera has coded them.
    jpegs: Option<RawJpegs>,
    /// A frame has come since it was started.
    has_started: bool,
    /// Of a device; OpenCV itself knows neither their ranges nor which there are.
    controls: Option<ControlPoller>,
}

/// What is known of the last one. Each lies in one row of the capture's matrix.
#[derive(Debug, Default)]
struct RawJpegs {
    n_bytes: usize,
    was_cut: bool,
}

impl RawJpegs {
    /// Whether OpenCV has cut the last bytes of a picture off: it gives each the length of the one before where both are the same once
    /// rounded up to four (`cap_v4l.cpp`, `retrieveFrame`). Two in a row are the camera's doing.
    fn is_cut(&mut self, bytes: &[u8]) -> bool {
        let has_same_length = std::mem::replace(&mut self.n_bytes, bytes.len()) == bytes.len();
        let may_be_cut = has_same_length && !bytes.len().is_multiple_of(4) && !self.was_cut;
        self.was_cut = may_be_cut && codec::whole_jpeg(bytes).is_none();
        self.was_cut
    }
}

enum CaptureOrigin {
    Device(Device),
    File(Playback),
}

/// Plays a file at its own pace, round and round.
struct Playback {
    path: PathBuf,
    api: i32,
    period: Duration,
    /// When the next picture is to be shown; `None` before the first.
    due: Option<Instant>,
    /// The first picture was grabbed when the file was opened, to see whether it can be read at all.
    is_first_waiting: bool,
    /// Of the file when it was opened.
    stamp: Option<(u64, SystemTime)>,
    n_grabbed: u64,
    /// The time of the file at which the next picture is shown, where somebody says so.
    sought: Option<Duration>,
    /// OpenCV gives the pictures upside down.
    is_upside_down: bool,
}

impl Source for OpenCvCapture {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        if let CaptureOrigin::File(playback) = &mut self.origin {
            if let Some(to) = playback.sought.take() {
                let position = playback.find(&mut self.video, to)?;
                self.is_retrieved = false;
                return Ok(Grabbed { position, ..Grabbed::new(Instant::now(), Some(playback.n_grabbed)) });
            }
            self.is_retrieved = playback.next(&mut self.video)?;
            return Ok(Grabbed::new(Instant::now(), Some(playback.n_grabbed)));
        }
        self.is_retrieved = false;
        let start = Instant::now();
        let mut is_grabbed = self.try_grab()?;
        if is_grabbed && self.jpegs.is_some() {
            is_grabbed = self.take_jpeg()?;
        }
        if is_grabbed && self.backend == Backend::DirectShow {
            // Here `grab` never waits and never fails; `retrieve` does both (`cap_dshow.cpp`).
            is_grabbed = self.video.retrieve_def(&mut self.mat).unwrap_or(false) && !self.mat.empty();
            self.is_retrieved = is_grabbed;
        }
        if is_grabbed {
            self.has_started = true;
            return Ok(Grabbed::new(Instant::now(), None));
        }
        Err(self.why_no_frame(start.elapsed()))
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        if self.jpegs.is_some() {
            let image = self.decode_jpeg(|jpeg| Some(jpeg.decode()));
            return image.unwrap_or_else(|| Err(bad_frame(&self.name, "there is none"))).map(Picture::Own);
        }
        if !std::mem::take(&mut self.is_retrieved) {
            // OpenCV throws at a picture that it cannot decode: that is one bad picture, not the end of the stream.
            match self.video.retrieve_def(&mut self.mat) {
                Ok(true) if !self.mat.empty() => self.set_upright()?,
                Ok(_) => return Err(bad_frame(&self.name, "it is empty")),
                Err(error) => return Err(bad_frame(&self.name, first_line(&error.message))),
            }
        }
        let name = &self.name;
        let picture = picture_of(&self.mat).map_err(|why| bad_frame(name, &why))?;
        self.got.size = Some(picture.size());
        Ok(picture)
    }

    fn retrieve_into(&mut self, size: Size, room: &mut [u8]) -> Option<Result<(), Fault>> {
        self.jpegs.as_ref()?;
        self.decode_jpeg(|jpeg| (jpeg.size() == size).then(|| jpeg.decode_into(room)))
    }

    fn restart(&mut self) -> Result<(), Fault> {
        (self.is_retrieved, self.has_started) = (false, false);
        if let (CaptureOrigin::Device(_), Backend::V4l2OpenCv) = (&self.origin, self.backend) {
            return self.restart_v4l2();
        }
        // The others have no way to stop a stream but to close it.
        let _ = self.video.release();
        *self = start(self.backend, &self.request)?;
        Ok(())
    }

    fn controls(&mut self) -> Option<ControlsUpdate> {
        self.controls.as_mut()?.update()
    }

    fn set_controls(&mut self, wanted: &[ControlSetting]) {
        if let Some(controls) = &mut self.controls {
            controls.set(wanted);
        }
    }

    fn seek(&mut self, to: Duration) {
        if let CaptureOrigin::File(playback) = &mut self.origin {
            playback.sought = Some(to);
        }
    }
}

impl OpenCvCapture {
    fn new(
        video: videoio::VideoCapture,
        backend: Backend,
        name: String,
        origin: CaptureOrigin,
        request: &OpenRequest,
    ) -> Self {
        let (request, got, mat, jpegs) = (request.clone(), Got::default(), Mat::default(), None);
        let controls = match &origin {
            CaptureOrigin::Device(device) => Some(ControlPoller::of(device)),
            CaptureOrigin::File(_) => None,
        };
        let (is_retrieved, has_started) = (false, false);
        Self { video, backend, name, origin, request, got, mat, is_retrieved, jpegs, has_started, controls }
    }

    /// Has pictures handed out as the camera has coded them, where V4L2 can do that: OpenCV's own decoder fills what is missing of a
    /// picture with the one before, and says nothing.
    fn take_jpegs(&mut self) {
        let codes = self.backend == Backend::V4l2OpenCv && self.got.format.is_some_and(codec::is_jpeg);
        if codes && self.video.set(videoio::CAP_PROP_CONVERT_RGB, 0.0).unwrap_or(false) {
            self.jpegs = Some(RawJpegs::default());
        }
    }

    /// Gets the picture that was grabbed, or the next one, and passes it on as it is. `false`: none came.
    fn take_jpeg(&mut self) -> Result<bool, Fault> {
        loop {
            // Without a byte in it, it is a damaged picture.
            if !self.video.retrieve_def(&mut self.mat).unwrap_or(false) {
                self.mat = Mat::default();
            }
            let bytes = jpeg_in(&self.mat);
            if !self.jpegs.as_mut().is_some_and(|jpegs| jpegs.is_cut(bytes)) {
                break;
            }
            if !self.try_grab()? {
                return Ok(false);
            }
        }
        self.is_retrieved = true;
        let (packets, bytes) = (&self.request.packets, jpeg_in(&self.mat));
        if packets.is_wanted() && !bytes.is_empty() {
            packets.put(jpeg_packet(bytes, false, None, Instant::now()));
        }
        Ok(true)
    }

    /// Has it decoded; it stays where nothing came of it. `None` where there is none, or the call does not want it.
    fn decode_jpeg<T>(&mut self, call: impl FnOnce(&Coded) -> Option<Result<T, String>>) -> Option<Result<T, Fault>> {
        if !self.is_retrieved {
            return None;
        }
        let size = self.got.size.unwrap_or(DEFAULT_SIZE);
        let decoded = match Coded::read(PixelFormat::MJPG, size, 0, jpeg_in(&self.mat)) {
            Ok(jpeg) => {
                self.got.size = Some(jpeg.size());
                call(&jpeg)?
            }
            Err(why) => Err(why),
        };
        self.is_retrieved = false;
        Some(decoded.map_err(|why| bad_frame(&self.name, &why)))
    }

    /// STREAMOFF, new buffers and, with the next read, STREAMON: what V4L2 does whenever it is given a size, also the one
    /// that it has (`cap_v4l.cpp`, `icvSetFrameSize`).
    fn restart_v4l2(&mut self) -> Result<(), Fault> {
        let size = self.got.size.unwrap_or(DEFAULT_SIZE);
        let mut set = |property, value| self.video.set(property, f64::from(value)).unwrap_or(false);
        if set(videoio::CAP_PROP_FRAME_WIDTH, size.width) & set(videoio::CAP_PROP_FRAME_HEIGHT, size.height) {
            return Ok(());
        }
        Err(self.why_no_frame(Duration::ZERO))
    }

    /// Turns what OpenCV has turned the wrong way.
    fn set_upright(&mut self) -> Result<(), Fault> {
        if let CaptureOrigin::File(Playback { is_upside_down: true, .. }) = self.origin {
            let mut turned = Mat::default();
            core::rotate(&self.mat, &mut turned, core::ROTATE_180)
                .map_err(|error| bad_frame(&self.name, first_line(&error.message)))?;
            self.mat = turned;
        }
        Ok(())
    }

    fn try_grab(&mut self) -> Result<bool, Fault> {
        self.video.grab().map_err(|error| {
            let why = first_line(&error.message);
            Fault::new(FaultKind::ReadFailed, format!("reading from {} failed: {why}", self.name))
        })
    }

    fn why_no_frame(&self, waited: Duration) -> Fault {
        let name = &self.name;
        let seconds = waited.as_secs_f64();
        match &self.origin {
            CaptureOrigin::Device(device) => {
                // The node is gone, or refuses with ENODEV: whatever else may be wrong with it does not end a stream.
                if let Usability::Unusable(Fault { kind: FaultKind::Missing, code, .. }) = device::examine(device) {
                    let fault = Fault::new(FaultKind::Unplugged, format!("{name} was unplugged"));
                    return Fault { code, ..fault };
                }
                // Here the first read starts the stream.
                if self.backend == Backend::V4l2OpenCv
                    && !self.has_started
                    && waited < STALL_AFTER
                    && let Some(fault) = device::start_fault(device, None)
                {
                    return fault;
                }
            }
            CaptureOrigin::File(_) => {}
        }
        if waited >= STALL_AFTER {
            Fault::new(FaultKind::Stall, format!("no picture came from {name} for {seconds:.1} s"))
        } else {
            Fault::new(FaultKind::ReadFailed, format!("reading from {name} failed"))
        }
    }

    /// A number of the capture, or `None` where OpenCV has none or a senseless one.
    fn number(&self, property: i32) -> Option<f64> {
        self.video.get(property).ok().filter(|value| value.is_finite() && *value > 0.0)
    }

    fn read_back(&mut self) {
        self.got = Got {
            size: self
                .number(videoio::CAP_PROP_FRAME_WIDTH)
                .and_then(to_u32)
                .zip(self.number(videoio::CAP_PROP_FRAME_HEIGHT).and_then(to_u32))
                .and_then(|(width, height)| Size::new(width, height)),
            // FFmpeg gives the clock rate of a stream that has no frame rate: 90000.
            fps: self.number(videoio::CAP_PROP_FPS).filter(|fps| *fps <= 1000.0),
            // GStreamer knows it only inside of its pipeline, and complains when asked.
            format: (self.backend != Backend::Gstreamer)
                .then(|| self.number(videoio::CAP_PROP_FOURCC).and_then(to_u32).and_then(PixelFormat::from_fourcc))
                .flatten(),
            // The other backends answer with 0 or with a number that they do not use.
            n_buffers: (self.backend == Backend::V4l2OpenCv)
                .then(|| self.number(videoio::CAP_PROP_BUFFERSIZE).and_then(to_u32))
                .flatten(),
        };
    }
}

fn bad_frame(name: &str, why: &str) -> Fault {
    Fault::new(FaultKind::BadFrame, format!("a picture of {name} cannot be decoded: {why}"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of u32")]
fn to_u32(value: f64) -> Option<u32> {
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value.round() as u32)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

// ---- devices

fn open_device(backend: Backend, api: i32, text: &str, request: &OpenRequest) -> Result<OpenCvCapture, Fault> {
    let asked = &request.asked;
    let device = device::named(text)?;
    // OpenCV would only say that it failed.
    device::check(&device)?;
    let name = device.label();
    let opened = match backend {
        Backend::V4l2OpenCv => videoio::VideoCapture::from_file(&device.path, api),
        Backend::Gstreamer => open_pipeline(&device, asked),
        _ => {
            let index =
                device::number(&device, backend).and_then(|index| i32::try_from(index).ok()).ok_or_else(|| {
                    if let Usability::Unusable(fault) = device::examine(&device) {
                        return fault;
                    }
                    Fault::new(
                        FaultKind::BackendMissing,
                        format!("{backend} opens cameras by number, and {name} has none"),
                    )
                    .with_advice("Choose another backend, or write the camera's number.")
                })?;
            videoio::VideoCapture::new(index, api)
        }
    };
    let capture = match opened {
        Ok(capture) if capture.is_opened().unwrap_or(false) => capture,
        Ok(_) => return Err(why_not_open(backend, &device, &name, None)),
        Err(error) => return Err(why_not_open(backend, &device, &name, Some(first_line(&error.message)))),
    };
    let mut opened = OpenCvCapture::new(capture, backend, name, CaptureOrigin::Device(device), request);
    if backend != Backend::Gstreamer {
        configure(&mut opened, asked)?;
    }
    opened.read_back();
    opened.take_jpegs();
    Ok(opened)
}

fn why_not_open(backend: Backend, device: &Device, name: &str, said: Option<&str>) -> Fault {
    if let Some(fault) = device::start_fault(device, None) {
        return fault;
    }
    if let Usability::Unusable(fault) = device::examine(device) {
        return fault;
    }
    let backend = backend.label();
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    Fault::new(FaultKind::OpenFailed, format!("{backend} could not start {name}{said}")).with_advice(
        "Another program may be using the camera: close it. If there is none, try another backend, or unplug the camera \
         and plug it in again.",
    )
}

/// Asks for what was asked, in the order in which it holds: each of these starts the device's negotiation anew, a format
/// decides which sizes there are, and a size which rates. The device may answer with something near.
fn configure(opened: &mut OpenCvCapture, asked: &Asked) -> Result<(), Fault> {
    let mut set = |property, value| opened.video.set(property, value).unwrap_or(false);
    let mut is_whole = true;
    if let Some(format) = asked.format {
        is_whole &= set(videoio::CAP_PROP_FOURCC, f64::from(format.to_fourcc()));
    }
    if let Some(size) = asked.size {
        is_whole &= set(videoio::CAP_PROP_FRAME_WIDTH, f64::from(size.width));
        is_whole &= set(videoio::CAP_PROP_FRAME_HEIGHT, f64::from(size.height));
    }
    if let Some(fps) = asked.fps {
        set(videoio::CAP_PROP_FPS, fps);
    }
    // The other backends have a queue of their own, of a fixed length.
    if let Some(n_buffers) = asked.n_buffers.filter(|_| opened.backend == Backend::V4l2OpenCv) {
        is_whole &=
            set(videoio::CAP_PROP_BUFFERSIZE, f64::from(n_buffers.clamp(*V4L2_BUFFERS.start(), *V4L2_BUFFERS.end())));
    }
    // V4L2 says true to what it merely rounds; false is a device without buffers, from which nothing can be read.
    if is_whole || opened.backend != Backend::V4l2OpenCv {
        return Ok(());
    }
    if let CaptureOrigin::Device(device) = &opened.origin {
        if let Some(fault) = device::start_fault(device, None) {
            return Err(fault);
        }
        if let Usability::Unusable(fault) = device::examine(device)
            && fault.kind != FaultKind::Busy
        {
            return Err(fault);
        }
    }
    Err(Fault::new(FaultKind::FormatRefused, format!("{} does not start with {}", opened.name, in_words(asked))))
}

fn in_words(asked: &Asked) -> String {
    let words = [
        asked.format.map(|format| format.to_string()),
        asked.size.map(|size| size.to_string()),
        asked.fps.map(|fps| format!("{fps} fps")),
        asked.n_buffers.map(|n| format!("{n} buffers")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// GStreamer takes what is asked in its pipeline's text only; a pipeline that the device cannot fill does not start, so
/// that the requests are dropped one after the other.
fn open_pipeline(device: &Device, asked: &Asked) -> opencv::Result<videoio::VideoCapture> {
    // By itself it takes the largest size, however slow.
    let size = asked.size.or(Some(DEFAULT_SIZE));
    let requests = [
        Asked { size, ..*asked },
        Asked { size, fps: None, ..*asked },
        Asked { size, fps: None, format: None, ..*asked },
        Asked::default(),
    ];
    let mut tried = Vec::new();
    let mut last = videoio::VideoCapture::default()?;
    for request in requests {
        let Some(pipeline) = pipeline(device, &request) else { break };
        if tried.contains(&pipeline) {
            continue;
        }
        last = videoio::VideoCapture::from_file(&pipeline, videoio::CAP_GSTREAMER)?;
        if last.is_opened()? || matches!(device::examine(device), Usability::Unusable(_)) {
            break;
        }
        tried.push(pipeline);
    }
    Ok(last)
}

fn pipeline(device: &Device, asked: &Asked) -> Option<String> {
    // The number and not the path, which comes from the user and would be read as part of the pipeline.
    let source = format!("v4l2src device=/dev/video{}", device.index?);
    let size = asked.size.map(|size| format!(",width={},height={}", size.width, size.height));
    // At most what is asked: few cameras have just that rate, and GStreamer takes the highest of those that are left.
    let fps = asked.fps.and_then(to_u32).filter(|fps| *fps > 0).map(|fps| format!(",framerate=[1/10,{fps}/1]"));
    let caps = size.into_iter().chain(fps).collect::<String>();
    let caps = match asked.format {
        Some(PixelFormat::MJPG) => format!("image/jpeg{caps} ! "),
        Some(PixelFormat::YUYV) => format!("video/x-raw,format=YUY2{caps} ! "),
        Some(format @ (PixelFormat::NV12 | PixelFormat::BGR | PixelFormat::RGB | PixelFormat::GREY)) => {
            let name = match format {
                PixelFormat::NV12 => "NV12",
                PixelFormat::BGR => "BGR",
                PixelFormat::RGB => "RGB",
                _ => "GRAY8",
            };
            format!("video/x-raw,format={name}{caps} ! ")
        }
        _ if caps.is_empty() => String::new(),
        _ => format!("video/x-raw{caps};image/jpeg{caps} ! "),
    };
    // One picture in the queue, the newest, and none held back for a clock.
    Some(format!(
        "{source} ! {caps}decodebin ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    ))
}

// ---- files

fn open_file(backend: Backend, api: i32, path: &Path, request: &OpenRequest) -> Result<OpenCvCapture, Fault> {
    // FFmpeg takes what stands before a colon for a protocol, unless the path begins with a slash.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let unreadable = || {
        Fault::new(
            FaultKind::Unreadable,
            format!("{} finds no picture in {}: it is damaged, cut off or no video", backend.label(), path.display()),
        )
    };
    let capture = videoio::VideoCapture::from_file(&path, api).map_err(|_| unreadable())?;
    if !capture.is_opened().unwrap_or(false) {
        return Err(unreadable());
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let playback = Playback {
        path: path.clone(),
        api,
        period: Duration::from_secs_f64(1.0 / DEFAULT_FILE_FPS),
        due: None,
        is_first_waiting: true,
        stamp: stamp(&path),
        n_grabbed: 0,
        sought: None,
        is_upside_down: is_turned_wrongly(&capture),
    };
    let mut opened = OpenCvCapture::new(capture, backend, name, CaptureOrigin::File(playback), request);
    // Only now it is known whether the file holds pictures that can be decoded.
    if !opened.video.read(&mut opened.mat).unwrap_or(false) || opened.mat.empty() {
        return Err(unreadable());
    }
    opened.set_upright()?;
    opened.read_back();
    if let (CaptureOrigin::File(playback), Some(fps)) = (&mut opened.origin, opened.got.fps) {
        playback.period = Duration::from_secs_f64(1.0 / fps);
    }
    Ok(opened)
}

impl Playback {
    /// Waits until the next picture is due and grabs it; whether it has been retrieved as well.
    fn next(&mut self, video: &mut videoio::VideoCapture) -> Result<bool, Fault> {
        let now = Instant::now();
        let due = self.due.unwrap_or(now);
        thread::sleep(due.saturating_duration_since(now));
        // After a pause of the whole program, the pictures that were due meanwhile are not shown all at once.
        let is_late = now.saturating_duration_since(due) > self.period * 5;
        self.due = Some(if is_late { now } else { due } + self.period);

        self.n_grabbed += 1;
        let is_first = std::mem::take(&mut self.is_first_waiting);
        if !is_first && !video.grab().unwrap_or(false) {
            self.begin_anew(video)?;
        }
        Ok(is_first)
    }

    /// Has the first picture grabbed that is not shown before that time; returns when it is shown.
    ///
    /// OpenCV finds a place by counting pictures at the mean rate, and stands before or behind it where pictures did not come
    /// evenly. It is asked for earlier places until it stands before the right one, and the rest is read picture by picture. Near the
    /// end it may then stop too early, as it believes that it has read all; from the beginning on its count is right.
    fn find(&mut self, video: &mut videoio::VideoCapture, to: Duration) -> Result<Option<Duration>, Fault> {
        self.n_grabbed += 1;
        // The first picture was read when the file was opened.
        self.is_first_waiting = false;
        let wanted = (to.as_secs_f64() * 1e3 - NEAR_MS).max(0.0);
        let is_behind = |at: f64| at > wanted + 2.0 * NEAR_MS;
        let mut at = position_ms(video);
        let stood_behind = is_behind(at);
        if !stood_behind {
            // Behind a time without pictures it is the next one, however far it is.
            let n_pictures = if wanted - at > READ_ON_MS { 2 } else { usize::MAX };
            at = read_on(video, wanted, n_pictures);
        }
        if stood_behind || at < wanted {
            let mut places = STEPS_BACK_MS.iter().map(|back| wanted - back).take_while(|place| *place > 0.0);
            let is_found = places.any(|place| {
                let is_there = video.set(videoio::CAP_PROP_POS_MSEC, place).unwrap_or(false);
                is_there && video.grab().unwrap_or(false) && !is_behind(position_ms(video))
            });
            if is_found {
                at = read_on(video, wanted, usize::MAX);
            }
            if !is_found || at < wanted {
                self.begin_anew(video)?;
                at = read_on(video, wanted, usize::MAX);
            }
        }
        if at < wanted {
            let secs = to.as_secs_f64();
            return Err(Fault::new(FaultKind::BadFrame, format!("there is no picture at {secs:.1} s or behind it")));
        }
        Ok(Duration::try_from_secs_f64(at / 1e3).ok())
    }

    /// Grabs the first picture again.
    fn begin_anew(&mut self, video: &mut videoio::VideoCapture) -> Result<(), Fault> {
        let stamp = stamp(&self.path);
        // Some kinds of file cannot be wound back; and what FFmpeg has read ahead of a file outlives its contents.
        let is_same = stamp.is_some() && stamp == self.stamp;
        if is_same && video.set(videoio::CAP_PROP_POS_FRAMES, 0.0).unwrap_or(false) && video.grab().unwrap_or(false) {
            return Ok(());
        }
        file::check(&self.path)?;
        self.stamp = stamp;
        let ended = || Fault::new(FaultKind::Unreadable, format!("{} holds no picture any more", self.path.display()));
        *video = videoio::VideoCapture::from_file(&self.path, self.api).map_err(|_| ended())?;
        if video.grab().unwrap_or(false) { Ok(()) } else { Err(ended()) }
    }
}

/// Times of one picture that are told by different programs differ by less.
const NEAR_MS: f64 = 0.5;
/// Nearer than that it is quicker to read on than to look for a key picture.
const READ_ON_MS: f64 = 1_000.0;
/// Before the place that is looked for. Behind the last of them the file is read from its beginning.
const STEPS_BACK_MS: [f64; 4] = [0.0, 1_000.0, 5_000.0, 30_000.0];

/// When the picture is shown that was grabbed last.
fn position_ms(video: &videoio::VideoCapture) -> f64 {
    video.get(videoio::CAP_PROP_POS_MSEC).ok().filter(|ms| ms.is_finite()).unwrap_or_default()
}

/// Grabs pictures, at most so many, until one is not shown before that time. Returns when the last one is shown.
fn read_on(video: &mut videoio::VideoCapture, wanted_ms: f64, n_pictures: usize) -> f64 {
    let mut at = position_ms(video);
    for _ in 0..n_pictures {
        if at >= wanted_ms || !video.grab().unwrap_or(false) {
            break;
        }
        at = position_ms(video);
    }
    at
}

/// OpenCV 4.6 takes a quarter turn for one in the other direction (opencv#22088).
fn is_turned_wrongly(video: &videoio::VideoCapture) -> bool {
    let angle = video.get(videoio::CAP_PROP_ORIENTATION_META).unwrap_or_default();
    (core::get_version_major(), core::get_version_minor()) == (4, 6) && [90.0, 270.0].contains(&angle)
}

/// Tells whether a file has been written to.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

// ---- pixels

/// The bytes of a picture as it was coded; none where the matrix has something else.
fn jpeg_in(mat: &Mat) -> &[u8] {
    if mat.typ() == core::CV_8UC1 { mat.data_bytes().unwrap_or_default() } else { &[] }
}

/// The pixels where they lie; anything that is not 8-bit BGR, or has gaps between its rows, is converted first.
fn picture_of(mat: &Mat) -> Result<Picture<'_>, String> {
    let said = |error: opencv::Error| first_line(&error.message).to_owned();
    let size = u32::try_from(mat.cols())
        .ok()
        .zip(u32::try_from(mat.rows()).ok())
        .and_then(|(width, height)| Size::new(width, height))
        .ok_or_else(|| format!("its size is {}x{}", mat.cols(), mat.rows()))?;
    let other_length = || format!("it has another length than {size}");
    if mat.typ() == core::CV_8UC3 && mat.is_continuous() {
        let pixels = mat.data_bytes().map_err(said)?;
        return if pixels.len() == size.n_bytes() { Ok(Picture::Lent { size, pixels }) } else { Err(other_length()) };
    }
    let mut eight_bit = Mat::default();
    let mat = match mat.depth() {
        core::CV_8U => mat,
        core::CV_16U => {
            mat.convert_to(&mut eight_bit, core::CV_8U, 1.0 / 256.0, 0.0).map_err(said)?;
            &eight_bit
        }
        depth => return Err(format!("its pixels have OpenCV's depth {depth}")),
    };
    let mut converted = Mat::default();
    let conversion = match mat.channels() {
        3 => None,
        1 => Some(imgproc::COLOR_GRAY2BGR),
        4 => Some(imgproc::COLOR_BGRA2BGR),
        n => return Err(format!("its pixels have {n} channels")),
    };
    let mat = match conversion {
        Some(conversion) => {
            imgproc::cvt_color_def(mat, &mut converted, conversion).map_err(said)?;
            &converted
        }
        None => mat,
    };
    let pixels = if mat.is_continuous() {
        mat.data_bytes().map_err(said)?.to_vec()
    } else {
        mat.try_clone().map_err(said)?.data_bytes().map_err(said)?.to_vec()
    };
    Image::new(size, pixels).map(Picture::Own).ok_or_else(other_length)
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, CV_8UC2, CV_8UC3, CV_8UC4, CV_16UC1, CV_32FC3, Rect, Scalar};

    use super::*;

    #[track_caller]
    fn check_mat(kind: i32, value: [f64; 4], expected: Option<[u8; 3]>) {
        let value = Scalar::new(value[0], value[1], value[2], value[3]);
        let mat = Mat::new_rows_cols_with_default(2, 4, kind, value).unwrap();
        let picture = picture_of(&mat);
        let got = picture.ok().map(|picture| (picture.size(), picture.pixels().to_vec()));
        let size = Size { width: 4, height: 2 };
        assert_eq!(got, expected.map(|pixel| (size, pixel.repeat(8))), "type {kind}");
    }

    #[test]
    fn any_pixels_become_blue_green_red() {
        check_mat(CV_8UC3, [1.0, 2.0, 3.0, 0.0], Some([1, 2, 3]));
        check_mat(CV_8UC4, [1.0, 2.0, 3.0, 4.0], Some([1, 2, 3]));
        check_mat(CV_8UC1, [7.0, 0.0, 0.0, 0.0], Some([7, 7, 7]));
        check_mat(CV_16UC1, [512.0, 0.0, 0.0, 0.0], Some([2, 2, 2]));
        check_mat(CV_8UC2, [1.0, 2.0, 0.0, 0.0], None);
        check_mat(CV_32FC3, [1.0, 2.0, 3.0, 0.0], None);
        assert!(picture_of(&Mat::default()).is_err());
    }

    #[test]
    fn rows_with_gaps_between_them_are_joined() {
        let whole = Mat::new_rows_cols_with_default(4, 4, CV_8UC3, Scalar::new(1.0, 2.0, 3.0, 0.0)).unwrap();
        let part = Mat::roi(&whole, Rect::new(1, 1, 2, 2)).unwrap().try_clone().unwrap();
        assert_eq!(picture_of(&part).unwrap().pixels(), [1, 2, 3].repeat(4));
        let part = Mat::roi(&whole, Rect::new(1, 1, 2, 2)).unwrap();
        assert_eq!(picture_of(&part.clone_pointee()).unwrap().pixels(), [1, 2, 3].repeat(4));
    }

    #[test]
    fn a_picture_that_opencv_has_cut_is_told_from_a_torn_one() {
        /// Pictures in turn, each with its end or without, as so many bytes: which of them are thrown away.
        #[track_caller]
        fn check(pictures: &[(usize, bool)], expected: &[bool]) {
            let pixels = vec![90; 64 * 48 * 3];
            let whole = codec::encode_jpeg(&Image::new(Size { width: 64, height: 48 }, pixels).unwrap(), 80).unwrap();
            let mut jpegs = RawJpegs::default();
            let picture = |n_bytes: usize, has_end: bool| {
                let end = if has_end { whole.len() } else { whole.len() - 1 };
                // What stands behind the end is padding; in a picture that has none it is data.
                [&whole[..end], &vec![0; n_bytes]].concat()
            };
            let pad = 4 - whole.len() % 4;
            let got: Vec<_> = pictures
                .iter()
                .map(|(n_bytes, has_end)| {
                    let n_bytes = pad + n_bytes + usize::from(!has_end);
                    jpegs.is_cut(&picture(n_bytes, *has_end))
                })
                .collect();
            assert_eq!(got, expected, "{pictures:?}");
        }
        check(&[(1, true), (2, true), (2, true)], &[false; 3]);
        check(&[(1, true), (1, false), (1, true)], &[false, true, false]);
        check(&[(1, true), (1, false), (1, false)], &[false, true, false]);
        // Of another length, or of one that is not rounded.
        check(&[(1, true), (2, false)], &[false; 2]);
        check(&[(4, true), (4, false)], &[false; 2]);
    }

    #[test]
    fn a_pipeline_holds_what_is_asked_and_nothing_that_a_user_typed() {
        let device = Device { path: "/dev/video3 ! filesink".into(), index: Some(3), ..Device::default() };
        let asked =
            Asked { size: Size::new(640, 480), fps: Some(30.0), format: Some(PixelFormat::MJPG), n_buffers: Some(1) };
        let text = pipeline(&device, &asked).unwrap();
        assert!(
            text.starts_with("v4l2src device=/dev/video3 ! image/jpeg,width=640,height=480,framerate=[1/10,30/1] ! "),
            "{text}"
        );
        assert!(!text.contains("filesink"));
        assert_eq!(pipeline(&Device::default(), &asked), None);
    }
}
