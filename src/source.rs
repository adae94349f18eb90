//! One device opened through one backend.
//!
//! What is deliberately not here: retries, waiting between them, deadlines, knowledge of recovery. A source does what it
//! is told once and says what happened; the supervisor in [`crate::camera`] decides what comes next.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never};
use serde::{Deserialize, Serialize};

use crate::address::{Address, MAX_SOURCE_BYTES};
use crate::backend::Backend;
use crate::codec;
use crate::control::{ControlSetting, ControlsUpdate};
use crate::device::{self, Device};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{Foreign, safe};
use crate::frame::{Image, Size};
use crate::network::{KnownLogins, PacketEvidence, jpeg_size};
use crate::packet::{Packet, PacketSink};
use crate::settings::{CameraId, CameraSettings, Isolation, NetworkOptions, Settings, TrustedCertificates, secs};
use crate::status::{Asked, Got};

pub mod controls;
pub mod file;
pub mod isolated;
#[cfg(feature = "native")]
mod native;
pub mod reader;
pub mod simulated;
#[cfg(target_os = "linux")]
mod v4l2;

pub use isolated::StuckProcesses;

/// What is wanted of a camera's pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Demand {
    /// Each of them, as large as it comes.
    #[default]
    Full,
    /// Each of them, made smaller where it is at least twice as large as that.
    Tile(Size),
    /// As many as checks need: three in turn, twice a second. The others are counted and not decoded.
    Checks,
}

/// A device that is open and delivers pictures. Dropping it closes the device; like every call on it, that may block for ever.
///
/// Lives on the capture thread that opened it, and is never sent to another: some systems bind a camera to its thread.
pub trait Source {
    /// What the device turned out to deliver, as far as it tells.
    fn got(&self) -> Got;

    /// What the device itself took to open, where more than that had to be done for it.
    fn took_to_open(&self) -> Option<Duration> {
        None
    }

    /// Waits for the next frame and takes it, without decoding.
    ///
    /// # Errors
    /// Why there is no frame. The caller may grab again, unless [`Fault::ends_stream`].
    fn grab(&mut self) -> Result<Grabbed, Fault>;

    /// Decodes the frame that was grabbed last. To be called once, and only after a successful `grab`: OpenCV's V4L2
    /// backend hands out the old picture otherwise and calls it a success (`cap_v4l.cpp`, `retrieveFrame`).
    ///
    /// # Errors
    /// The frame is damaged; the next one may be good.
    fn retrieve(&mut self) -> Result<Picture<'_>, Fault>;

    /// The same straight into `room`, which has just the bytes of `size`, so that a copy is saved. `None` where the backend
    /// cannot do that or the picture has another size: then `retrieve` gives it.
    ///
    /// # Errors
    /// As [`Self::retrieve`].
    fn retrieve_into(&mut self, _size: Size, _room: &mut [u8]) -> Option<Result<(), Fault>> {
        None
    }

    /// Stops the stream and starts it, with the device kept open where the backend can: what revives a camera whose
    /// transfers have failed and are not repeated by the driver (uvcvideo after -EPIPE).
    ///
    /// # Errors
    /// The stream could not be started again.
    fn restart(&mut self) -> Result<(), Fault>;

    /// What is new about the device's controls, one piece at a time. Never waits for the device. To be asked after each
    /// `grab`, so that a device is not asked for its controls before its first picture.
    fn controls(&mut self) -> Option<ControlsUpdate> {
        None
    }

    /// What the packets of a network camera have shown since its stream began, now and then. To be asked after each `grab`. Never waits.
    fn evidence(&mut self) -> Option<PacketEvidence> {
        None
    }

    /// Has controls set. Never waits for the device, and never stops the stream: what came of it is told by `controls`.
    fn set_controls(&mut self, _wanted: &[ControlSetting]) {}

    /// What is wanted of the pictures from now on. Returns whether the source itself leaves out what is not wanted, and says so
    /// in [`Grabbed::is_left_out`]; otherwise whoever reads it does. Never waits.
    fn set_demand(&mut self, _demand: Demand) -> bool {
        false
    }

    /// Of a file that is shown by order ([`OpenRequest::is_by_order`]): the next frame is the first one that is not shown before that
    /// time of it. Never waits.
    fn seek(&mut self, _to: Duration) {}
}

/// Decoded pixels, as [`Image`] lays them out: a picture of its own, or still the backend's memory, so that the pixels are
/// copied once only, to where they are wanted.
#[derive(Debug)]
pub enum Picture<'a> {
    Own(Image),
    /// `size.n_bytes()` bytes.
    Lent {
        size: Size,
        pixels: &'a [u8],
    },
}

impl Picture<'_> {
    #[must_use]
    pub fn size(&self) -> Size {
        match self {
            Self::Own(image) => image.size(),
            Self::Lent { size, .. } => *size,
        }
    }

    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        match self {
            Self::Own(image) => image.pixels(),
            Self::Lent { pixels, .. } => pixels,
        }
    }

    /// The picture, no larger than it is wanted.
    ///
    /// # Errors
    /// As [`Self::into_image`].
    pub fn into_image_for(self, demand: Demand) -> Result<Image, Fault> {
        self.into_image().map(|image| match demand {
            Demand::Tile(tile) => image.for_tile(tile),
            Demand::Full | Demand::Checks => image,
        })
    }

    /// # Errors
    /// Lent pixels of another length than the size has.
    pub fn into_image(self) -> Result<Image, Fault> {
        match self {
            Self::Own(image) => Ok(image),
            Self::Lent { size, pixels } => Image::new(size, pixels.to_vec())
                .ok_or_else(|| Fault::new(FaultKind::BadFrame, format!("a picture of another length than {size}"))),
        }
    }
}

/// What a driver has handed out of a camera that sends JPEGs.
#[must_use]
pub fn jpeg_packet(bytes: &[u8], is_damaged: bool, stamp: Option<Duration>, taken_at: Instant) -> Packet {
    let whole = codec::whole_jpeg(bytes);
    Packet::jpeg(whole.unwrap_or(bytes), jpeg_size(bytes), is_damaged || whole.is_none(), stamp, taken_at)
}

/// A frame that has been taken from the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grabbed {
    /// When the driver handed it out.
    pub taken_at: Instant,
    /// The driver's own count, where it has one.
    pub sequence: Option<u64>,
    /// There is no picture to be retrieved, as none is wanted.
    pub is_left_out: bool,
    /// Its decoder has found parts of it, or of the one before, damaged, and has filled them with something.
    pub is_damaged: bool,
    /// When somebody began to ask for it, in whichever process. What came and went before was lost for want of that.
    pub asked_at: Option<Instant>,
    /// Of a file that is shown by order: the time at which it is shown.
    pub position: Option<Duration>,
}

impl Grabbed {
    /// A frame with a picture.
    #[must_use]
    pub fn new(taken_at: Instant, sequence: Option<u64>) -> Self {
        Self { taken_at, sequence, is_left_out: false, is_damaged: false, asked_at: None, position: None }
    }

    /// What is wrong with a picture that is shown all the same.
    #[must_use]
    pub fn damage(&self) -> Option<Fault> {
        let message = "its decoder has found parts of a picture damaged, and has filled them";
        self.is_damaged.then(|| Fault::new(FaultKind::BadFrame, message))
    }
}

/// Which camera, as the user named it.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSpec {
    /// The scripted camera.
    Simulated(simulated::Script),
    /// A device by the system's number.
    Index(u32),
    /// A device by its path (`/dev/video0`, `/dev/v4l/by-id/…`) or by its identity from `camclinic list`.
    Device(String),
    /// A video file.
    File(PathBuf),
    /// A network camera, with whatever password the user gave.
    Url(Address),
}

impl SourceSpec {
    /// Reads what a person types. Nothing is opened and no file is read, so that this never waits.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what can be written instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("no source is given: write sim:, a number, a device path, an address or a video file".into());
        }
        if text.len() > MAX_SOURCE_BYTES {
            return Err(format!(
                "the source is longer than {MAX_SOURCE_BYTES} bytes, which no address, path or script is: shorten it"
            ));
        }
        if let Some(script) = text.strip_prefix("sim:") {
            return simulated::Script::parse(script).map(Self::Simulated);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Index).map_err(|_| format!("{text} is no camera's number"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return if scheme.eq_ignore_ascii_case("file") {
                Ok(Self::File(file::path_of_url(rest)))
            } else {
                Address::parse(text).map(Self::Url)
            };
        }
        if text.starts_with("/dev/") || text.starts_with(r"\\?\") {
            return Ok(Self::Device(text.to_owned()));
        }
        let path = PathBuf::from(text);
        let looks_like_a_path = path.components().count() > 1 || path.extension().is_some() || path.exists();
        Ok(if looks_like_a_path { Self::File(path) } else { Self::Device(text.to_owned()) })
    }

    /// The same source as text that can be saved and typed again, without any password.
    #[must_use]
    pub fn without_password(&self) -> String {
        match self {
            Self::Url(address) => address.without_password(),
            // To the letter.
            Self::Device(name) => name.clone(),
            Self::File(path) => file::text_of(path),
            Self::Simulated(_) | Self::Index(_) => self.to_string(),
        }
    }

    /// The number by which the system lists the device, where it was named so.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Device(path) => path.strip_prefix("/dev/video").and_then(|number| number.parse().ok()),
            Self::Simulated(_) | Self::File(_) | Self::Url(_) => None,
        }
    }

    /// The device that it names, if that is listed now. Asks the system, so it may block: not for the window's thread.
    #[must_use]
    pub fn device(&self) -> Option<Device> {
        match self {
            Self::Index(index) => device::find(&index.to_string()),
            Self::Device(text) => device::named(text).ok().filter(|device| !device.identity.is_empty()),
            Self::Simulated(_) | Self::File(_) | Self::Url(_) => None,
        }
    }

    /// Whether it is spoken to over the network.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Url(_))
    }

    /// When a camera that is away now comes back, where that is known beforehand: by the script of the simulated one.
    #[must_use]
    pub fn returns_at(&self, first_opened: Instant, now: Instant) -> Option<Instant> {
        let Self::Simulated(script) = self else { return None };
        let elapsed = now.saturating_duration_since(first_opened);
        script.away_until(elapsed).and_then(|end| first_opened.checked_add(end))
    }

    /// A name for people, for what is no device that the system lists.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Simulated(_) => "Simulated camera".to_owned(),
            Self::Index(index) => format!("Camera {index}"),
            Self::File(path) => path.file_name().map_or_else(|| self.to_string(), |name| safe(name.as_encoded_bytes())),
            Self::Device(_) | Self::Url(_) => self.to_string(),
        }
    }

    /// What is asked of it: what its own text says stands before the settings.
    #[must_use]
    pub fn asked(&self, settings: Asked) -> Asked {
        match self {
            Self::Simulated(script) => {
                Asked { size: script.size().or(settings.size), fps: script.fps().or(settings.fps), ..settings }
            }
            Self::Index(_) | Self::Device(_) | Self::File(_) | Self::Url(_) => settings,
        }
    }

    /// What is set for it.
    #[must_use]
    pub fn settings(&self, all: &Settings) -> CameraSettings {
        let mut settings = all.camera(&self.without_password());
        // Chosen with other cameras in mind, which a new one need not be like.
        if settings.id == CameraId::UNLISTED {
            settings.backend = settings.backend.filter(|backend| self.backends().contains(backend));
        }
        settings
    }

    /// The backend that the settings want for it; `None` takes the first of [`Self::backends`].
    #[must_use]
    pub fn backend(&self, settings: &CameraSettings) -> Option<Backend> {
        // Found on another system, or by another build.
        let is_possible = |backend: &Backend| self.backends().contains(backend);
        settings.backend.or_else(|| settings.best_backend.filter(is_possible))
    }

    /// The backends that can open it in this build, the one that `auto` takes first.
    #[must_use]
    pub fn backends(&self) -> Vec<Backend> {
        match self {
            Self::Simulated(_) => vec![Backend::Simulated],
            Self::Index(_) | Self::Device(_) => Backend::for_devices(),
            Self::File(_) | Self::Url(_) => Backend::for_files(),
        }
    }
}

impl SourceSpec {
    /// Whether it is a simulated camera that crashes: then it needs a process of its own, as real ones do.
    #[must_use]
    pub fn may_kill_its_process(&self) -> bool {
        matches!(self, Self::Simulated(script) if script.crashes())
    }

    /// A text that may come from a library, with the password masked should it be in there.
    #[must_use]
    pub fn mask_in(&self, text: &str) -> String {
        match self {
            Self::Url(address) => address.mask_in(text),
            Self::Simulated(_) | Self::Index(_) | Self::Device(_) | Self::File(_) => text.to_owned(),
        }
    }
}

impl fmt::Display for SourceSpec {
    /// On one line; never shows a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated(script) => write!(f, "sim:{script}"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Device(name) => Foreign::from(name).fmt(f),
            Self::File(path) => Foreign::from(path.display().to_string()).fmt(f),
            Self::Url(address) => address.fmt(f),
        }
    }
}

/// A network camera sends a key frame, with which pictures begin, each few seconds.
const NETWORK_FIRST_FRAME: Duration = Duration::from_secs(5);
/// The same where none came at first: one that gives a picture in ten seconds.
const SLOW_FIRST_FRAME: Duration = Duration::from_secs(15);

/// Everything needed to open a source, again and again.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    pub spec: SourceSpec,
    /// `None` takes the first of [`SourceSpec::backends`].
    pub backend: Option<Backend>,
    pub asked: Asked,
    /// When the camera was first opened: the clock of the simulated camera's script, which goes on across re-opens.
    pub first_opened: Instant,
    /// How long the supervisor waits for opening, for the first frame and for any other: backends that have time-outs of
    /// their own get these, so that they come back by themselves rather than being left behind.
    pub open_deadline: Duration,
    pub first_frame_deadline: Duration,
    pub frame_deadline: Duration,
    /// A video file is not played at its pace: it gives one frame for each call of [`Source::seek`].
    pub is_by_order: bool,
    pub demand: Demand,
    pub isolation: Isolation,
    pub network: NetworkOptions,
    /// What is known of how the camera wants people to log in. Clones share it.
    pub logins: KnownLogins,
    /// Where what the camera sends goes, besides.
    pub packets: PacketSink,
    /// Disconnected when the source is to be closed: waiting that can be ended ends then. A call into a driver cannot.
    pub cancel: Receiver<()>,
    /// Where worker processes are told of that do not end.
    pub stuck: StuckProcesses,
}

impl OpenRequest {
    /// What the settings say, for a camera that has not been opened before.
    #[must_use]
    pub fn new(spec: SourceSpec, settings: &CameraSettings, trusted: &TrustedCertificates) -> Self {
        let recovery = &settings.recovery;
        let least_first_frame = if spec.is_network() { NETWORK_FIRST_FRAME } else { Duration::ZERO };
        Self {
            asked: spec.asked(settings.asked),
            backend: spec.backend(settings),
            spec,
            first_opened: Instant::now(),
            open_deadline: secs(recovery.open_deadline_secs),
            first_frame_deadline: secs(recovery.first_frame_deadline_secs).max(least_first_frame),
            frame_deadline: secs(recovery.stall_deadline_secs),
            is_by_order: false,
            demand: Demand::Full,
            isolation: settings.isolation,
            network: settings.network(trusted),
            logins: KnownLogins::default(),
            packets: PacketSink::default(),
            cancel: never(),
            stuck: StuckProcesses::default(),
        }
    }

    /// For the first try of recovery (0) or a later one: a backend that is slow to open gets more time, and a network camera of few
    /// pictures.
    #[must_use]
    pub fn for_attempt(self, n_attempts: u32) -> Self {
        if self.spec.is_network() && n_attempts > 1 {
            let first_frame_deadline = self.first_frame_deadline.max(SLOW_FIRST_FRAME);
            return Self { first_frame_deadline, ..self };
        }
        let [first, later] = reader::MSMF_OPEN_FACTORS;
        let factor = match self.backend() {
            Ok(Backend::Msmf) if n_attempts == 0 => first,
            Ok(Backend::Msmf) => later,
            _ => return self,
        };
        Self { open_deadline: self.open_deadline.mul_f64(factor), ..self }
    }

    /// The backend that `open` will use.
    ///
    /// # Errors
    /// The chosen backend cannot open this kind of source, or this build has none for it.
    pub fn backend(&self) -> Result<Backend, Fault> {
        let possible = self.spec.backends();
        let names = || possible.iter().map(|backend| backend.slug()).collect::<Vec<_>>().join(", ");
        match self.backend {
            None => possible.first().copied().ok_or_else(|| {
                Fault::new(
                    FaultKind::BackendMissing,
                    format!("this build of Camclinic has no backend that opens {}", self.spec),
                )
                .with_advice("Install a build with OpenCV, or choose the simulated camera, sim:.")
            }),
            Some(backend) if possible.contains(&backend) => Ok(backend),
            Some(backend) => {
                let message =
                    format!("the backend {} cannot open {} in this build and on this system", backend, self.spec);
                let advice = if possible.is_empty() {
                    "Install a build with OpenCV, or choose the simulated camera, sim:.".to_owned()
                } else {
                    format!("Choose one of: auto, {}.", names())
                };
                Err(Fault::new(FaultKind::BackendMissing, message).with_advice(advice))
            }
        }
    }

    /// Opens the source. May block for ever: to be called on a thread that nobody needs back.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(&self) -> Result<(Backend, Box<dyn Source>), Fault> {
        // What is not there is the reason, whoever could open it if it were.
        match &self.spec {
            SourceSpec::File(path) => file::check(path)?,
            SourceSpec::Index(index) => drop(device::named(&index.to_string())?),
            SourceSpec::Device(name) => drop(device::named(name)?),
            SourceSpec::Simulated(script) => simulated::look(script, self.first_opened.elapsed())?,
            SourceSpec::Url(_) => {}
        }
        let backend = self.backend()?;
        let source = if self.is_isolated(backend) { isolated::open(backend, self) } else { self.open_here(backend) };
        Ok((backend, source?))
    }

    /// Whether the source gets a process of its own. OpenCV always does: this program is not linked with it.
    #[must_use]
    pub fn is_isolated(&self, backend: Backend) -> bool {
        match self.isolation {
            Isolation::On => true,
            Isolation::Auto => backend != Backend::Simulated || self.spec.may_kill_its_process(),
            Isolation::Off => !matches!(backend, Backend::Simulated | Backend::V4l2 | Backend::Native),
        }
    }

    /// How long [`Self::open`] may take by itself, at most.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.backend() {
            Ok(backend) if self.is_isolated(backend) => self.open_patience() + isolated::START_DEADLINE,
            _ => self.open_patience(),
        }
    }

    /// The same without the start of a process: a network camera is open when its first key frame has come.
    #[must_use]
    pub fn open_patience(&self) -> Duration {
        self.open_deadline + if self.spec.is_network() { self.first_frame_deadline } else { Duration::ZERO }
    }

    /// Opens the source in this process, which is not possible with OpenCV.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open_here(&self, backend: Backend) -> Result<Box<dyn Source>, Fault> {
        match (backend, &self.spec) {
            (Backend::Simulated, SourceSpec::Simulated(script)) => simulated::open(script, self),
            #[cfg(target_os = "linux")]
            (Backend::V4l2, spec) => v4l2::open(spec, self),
            #[cfg(feature = "native")]
            (Backend::Native, spec) => native::open(spec, self),
            (backend, spec) => {
                Err(Fault::new(FaultKind::BackendMissing, format!("this build has no backend {backend} for {spec}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match SourceSpec::parse(text) {
            Ok(spec) => {
                let kind = match spec {
                    SourceSpec::Simulated(_) => "sim",
                    SourceSpec::Index(_) => "index",
                    SourceSpec::Device(_) => "device",
                    SourceSpec::File(_) => "file",
                    SourceSpec::Url(_) => "url",
                };
                format!("{kind} {spec}")
            }
            Err(_) => "error".to_owned(),
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn the_best_backend_of_a_camera_is_what_auto_means_for_it() {
        #[track_caller]
        fn check(chosen: Option<Backend>, best_backend: Option<Backend>, expected: Option<Backend>) {
            let settings = CameraSettings { backend: chosen, best_backend, ..CameraSettings::default() };
            let spec = SourceSpec::parse("sim:").unwrap();
            assert_eq!(spec.backend(&settings), expected, "{chosen:?} {best_backend:?}");
            assert_eq!(OpenRequest::new(spec, &settings, &TrustedCertificates::default()).backend, expected);
        }
        let (sim, native) = (Some(Backend::Simulated), Some(Backend::Native));
        check(None, sim, sim);
        check(None, None, None);
        // What is chosen stands before it, and what cannot open this one is left out.
        check(native, sim, native);
        check(None, native, None);
    }

    #[test]
    fn a_new_camera_is_not_opened_through_a_backend_that_cannot() {
        let mut settings = Settings::default();
        settings.new_camera.backend = Some(Backend::Native);
        let spec = SourceSpec::parse("sim:").unwrap();
        assert_eq!(spec.settings(&settings), CameraSettings { source: "sim:".into(), ..CameraSettings::default() });
        // What was chosen for this one is told to be impossible when it is opened.
        settings.put(settings.camera("sim:"));
        assert_eq!(spec.settings(&settings).backend, Some(Backend::Native));
    }

    #[test]
    fn sources_are_told_apart() {
        check("sim:", "sim sim:");
        check("0", "index 0");
        check("/dev/video2", "device /dev/video2");
        check(r"\\?\usb#vid_046d", r"device \\?\usb#vid_046d");
        check("usb-046d_C920_7F3E", "device usb-046d_C920_7F3E");
        check("film.mp4", "file film.mp4");
        check("some/where/film", "file some/where/film");
        check("file:///tmp/film.mp4", "file /tmp/film.mp4");
        check("rtsp://cam/1", "url rtsp://cam/1");
        check("ftp://cam/1", "error");
        check("rtsp://", "error");
        check("99999999999", "error");
        check("", "error");
        check("sim:nonsense", "error");
    }

    #[test]
    fn a_source_has_a_length_that_one_can_have() {
        #[track_caller]
        fn check(start: &str, n_bytes: usize, is_good: bool) {
            let text = format!("{start}{}", "a".repeat(n_bytes));
            let got = SourceSpec::parse(&text).map(drop);
            assert_eq!(got.is_ok(), is_good, "{start}: {:?}", got.err());
        }
        for start in ["http://cam/", "/dev/", "some/where/", "usb-"] {
            check(start, 4_000, true);
            check(start, 4_096, false);
            check(start, 66_000, false);
        }
        let long = SourceSpec::parse(&format!("sim:{}", "stall@1s,".repeat(8_000)));
        assert!(long.is_err_and(|error| error.contains("longer than 4096 bytes")));
    }

    #[test]
    fn a_password_is_never_shown() {
        check("rtsp://admin:geheim@cam:8554/1", "url rtsp://admin:***@cam:8554/1");
        let spec = SourceSpec::parse("rtsp://admin:geheim@cam:8554/1").unwrap();
        assert_eq!(spec.without_password(), "rtsp://admin@cam:8554/1");
        assert!(!format!("{spec}").contains("geheim"));
    }

    #[test]
    fn auto_takes_the_steadier_backend_first() {
        let devices = Backend::for_devices();
        let position = |backend| devices.iter().position(|b| *b == backend);
        if let (Some(dshow), Some(msmf)) = (position(Backend::DirectShow), position(Backend::Msmf)) {
            assert!(dshow < msmf);
        }
        assert_eq!(SourceSpec::parse("sim:").unwrap().backends(), [Backend::Simulated]);
    }
}
