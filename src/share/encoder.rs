//! Pictures as JPEG for whoever looks on: coded once for each camera and quality, by a thread that is there only while somebody
//! watches that, and a few seconds longer. Of a camera that is not live the last picture goes out dimmed and dated.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::SharedCamera;
use super::lettering;
use crate::codec;
use crate::frame::{Frame, Image, Size};
use crate::lock::Lock;
use crate::settings::CameraId;
use crate::snapshot;
use crate::status::{State, Status};

/// The thread goes on so long after the last one has gone: whoever asks for single pictures gets them at once.
const LINGERS: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody is still there, and how the camera stands.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// A picture that is not live is dated anew so often.
const DATED_EACH: Duration = Duration::from_secs(1);
/// A camera of which there is no picture yet is shown in this size.
const EMPTY: Size = Size { width: 640, height: 360 };

/// What a viewer may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    Low,
    #[default]
    Medium,
    High,
    /// A camera's own JPEGs, untouched; of others as high, and finer.
    Original,
}

/// How a quality is made.
#[derive(Clone, Copy, Debug)]
pub struct QualityPreset {
    /// Pictures at least twice as wide are made smaller.
    pub width: u32,
    pub fps: f64,
    pub jpeg_quality_percent: u32,
}

impl Quality {
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Original];

    #[must_use]
    pub fn preset(self) -> QualityPreset {
        let (width, fps, jpeg_quality_percent) = match self {
            Self::Low => (640, 10.0, 60),
            Self::Medium => (1_280, 15.0, 75),
            Self::High => (Size::MAX_SIDE, 30.0, 85),
            Self::Original => (Size::MAX_SIDE, 60.0, 92),
        };
        QualityPreset { width, fps, jpeg_quality_percent }
    }
}

/// A picture as it goes out.
#[derive(Debug)]
pub struct SharedPicture {
    pub jpeg: axum::body::Bytes,
    /// Grows with each that goes out of this camera and quality.
    pub version: u64,
    /// That of the frame; 0 before the first one.
    pub number: u64,
    pub taken_at: Option<(Instant, SystemTime)>,
    pub is_live: bool,
}

/// Somebody watches a camera in a quality. Its thread may end when all of these are dropped.
pub struct QualityWatch {
    pub pictures: watch::Receiver<Option<Arc<SharedPicture>>>,
    _count: Arc<()>,
}

struct Encoder {
    pictures: watch::Sender<Option<Arc<SharedPicture>>>,
    count: Arc<()>,
}

/// All that are at work.
#[derive(Clone)]
pub struct Encoders {
    running: Arc<Lock<BTreeMap<(CameraId, Quality), Encoder>>>,
    n_coded: Arc<AtomicU64>,
    on_watched: Arc<dyn Fn() + Send + Sync>,
}

impl Encoders {
    /// `on_watched` is called when one begins or ends to work; it must not block.
    pub fn new(on_watched: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { running: Arc::default(), n_coded: Arc::default(), on_watched }
    }

    /// # Errors
    /// The system gives no thread.
    pub fn watch(&self, camera: &SharedCamera, quality: Quality) -> io::Result<QualityWatch> {
        let key = (camera.id, quality);
        let (begun, watched) = {
            let mut running = self.running.lock();
            let is_new = !running.contains_key(&key);
            let encoder =
                running.entry(key).or_insert_with(|| Encoder { pictures: watch::channel(None).0, count: Arc::new(()) });
            let pictures = encoder.pictures.subscribe();
            let watched = QualityWatch { pictures, _count: Arc::clone(&encoder.count) };
            (is_new.then(|| encoder.pictures.clone()), watched)
        };
        if let Some(pictures) = begun {
            let work = EncoderThread { key, camera: camera.clone(), pictures, all: self.clone() };
            let name = format!("share-{quality:?}").to_lowercase();
            // Without it whoever has come meanwhile is told that nothing comes.
            thread::Builder::new().name(name).spawn(move || work.run()).inspect_err(|_| {
                self.running.lock().remove(&key);
            })?;
            (self.on_watched)();
        }
        Ok(watched)
    }

    /// How many pictures were coded since the beginning.
    #[must_use]
    pub fn n_coded(&self) -> u64 {
        self.n_coded.load(Ordering::Relaxed)
    }

    /// Whether somebody watches this camera, and how finely at most.
    #[must_use]
    pub fn wanted(&self, camera: CameraId) -> Option<Quality> {
        let running = self.running.lock();
        running.keys().filter(|(id, _)| *id == camera).map(|(_, quality)| *quality).max()
    }

    /// How many watch a camera in a quality.
    fn n_watching(&self, key: (CameraId, Quality)) -> usize {
        // One is the table's own.
        self.running.lock().get(&key).map_or(0, |encoder| Arc::strong_count(&encoder.count) - 1)
    }

    /// Takes an encoder out that nobody watches; `false` where somebody has come meanwhile.
    fn end(&self, key: (CameraId, Quality)) -> bool {
        let is_idle = {
            let mut running = self.running.lock();
            let is_idle = running.get(&key).is_none_or(|encoder| Arc::strong_count(&encoder.count) == 1);
            if is_idle {
                running.remove(&key);
            }
            is_idle
        };
        if is_idle {
            (self.on_watched)();
        }
        is_idle
    }
}

struct EncoderThread {
    key: (CameraId, Quality),
    camera: SharedCamera,
    pictures: watch::Sender<Option<Arc<SharedPicture>>>,
    all: Encoders,
}

impl EncoderThread {
    fn run(mut self) {
        let quality = self.key.1;
        let period = Duration::from_secs_f64(1.0 / quality.preset().fps);
        let _look = (quality == Quality::Original).then(|| self.camera.packets.look());
        let mut version = 0;
        let mut last: Option<Arc<Frame>> = None;
        let mut watched_at = Instant::now();
        let mut next_at = watched_at;
        let mut dated_at: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if self.all.n_watching(self.key) > 0 {
                watched_at = now;
            } else if now.saturating_duration_since(watched_at) >= LINGERS && self.all.end(self.key) {
                return;
            }
            if now < next_at {
                thread::sleep((next_at - now).min(LOOK_PERIOD));
                continue;
            }
            let fresh = self.camera.frames.wait_fresh(now + LOOK_PERIOD).map(|fresh| fresh.value);
            let now = Instant::now();
            let status = self.camera.status.current();
            let is_live = status.as_ref().is_some_and(|status| status.state == State::Streaming);
            let jpeg = match fresh {
                Some(frame) if is_live => {
                    let jpeg = self.live(&frame);
                    last = Some(frame);
                    dated_at = None;
                    jpeg
                }
                fresh => {
                    last = fresh.or(last);
                    let is_due = dated_at.is_none_or(|at| now.saturating_duration_since(at) >= DATED_EACH);
                    if is_live && last.is_some() || !is_due {
                        continue;
                    }
                    dated_at = Some(now);
                    self.dated(last.as_deref(), status.as_deref(), now)
                }
            };
            // What cannot be coded is larger than a JPEG can be; the next one may not be.
            let Ok(jpeg) = jpeg else { continue };
            version += 1;
            next_at = now + period.mul_f64(0.9);
            self.all.n_coded.fetch_add(1, Ordering::Relaxed);
            self.pictures.send_replace(Some(Arc::new(SharedPicture {
                jpeg: jpeg.into(),
                version,
                number: last.as_ref().map_or(0, |frame| frame.number),
                taken_at: last.as_ref().map(|frame| (frame.taken_at, frame.taken_at_wall)),
                is_live,
            })));
        }
    }

    fn live(&self, frame: &Frame) -> Result<Vec<u8>, String> {
        let quality = self.key.1;
        if quality == Quality::Original
            && let Some(sent) = snapshot::sent_of(frame, &self.camera.packets, Instant::now())
            && let Some(jpeg) = codec::jpeg_of_packet(&sent.bytes)
        {
            return Ok(jpeg.to_vec());
        }
        encode(frame.image.clone(), quality.preset())
    }

    /// The last picture, dimmed, with what is known of the camera written into it.
    fn dated(&self, last: Option<&Frame>, status: Option<&Status>, now: Instant) -> Result<Vec<u8>, String> {
        let mut preset = self.key.1.preset();
        // A dimmed picture has little to keep.
        preset.jpeg_quality_percent = preset.jpeg_quality_percent.min(75);
        let image = last.map_or_else(|| Image::new(EMPTY, vec![0; EMPTY.n_bytes()]), |frame| Some(frame.image.clone()));
        let image = image.ok_or_else(String::new)?.for_tile(tile_of(preset));
        let mut pixels: Vec<u8> = image.pixels().iter().map(|value| value / 3).collect();
        let lines = dated_lines(last, status, now);
        lettering::write(&mut pixels, image.size(), &lines);
        let image = Image::new(image.size(), pixels).ok_or_else(String::new)?;
        codec::encode_jpeg(&image, preset.jpeg_quality_percent)
    }
}

/// The width decides.
fn tile_of(preset: QualityPreset) -> Size {
    Size { width: preset.width, height: 1 }
}

/// Codes a picture as a preset says.
///
/// # Errors
/// It is larger than a JPEG can be.
pub fn encode(image: Image, preset: QualityPreset) -> Result<Vec<u8>, String> {
    codec::encode_jpeg(&image.for_tile(tile_of(preset)), preset.jpeg_quality_percent)
}

/// What is written into a picture that is not live.
fn dated_lines(last: Option<&Frame>, status: Option<&Status>, now: Instant) -> Vec<String> {
    let mut lines = vec![match status.map(|status| status.state) {
        None | Some(State::Opening) => "OPENING".to_owned(),
        Some(State::Idle) => "STOPPED".to_owned(),
        Some(_) => "NOT LIVE".to_owned(),
    }];
    if let Some(frame) = last {
        let clock = Timestamp::try_from(frame.taken_at_wall).unwrap_or_default().to_zoned(TimeZone::system());
        let age = now.saturating_duration_since(frame.taken_at).as_secs();
        lines.push(format!("last picture {}, {age} s ago", clock.strftime("%H:%M:%S")));
    }
    if let Some(why) = status.and_then(reason) {
        lines.push(why);
    }
    lines
}

/// Why there is no live picture, for people.
#[must_use]
pub fn reason(status: &Status) -> Option<String> {
    match status.state {
        State::Streaming => None,
        State::Idle => Some("The camera is stopped.".to_owned()),
        State::Opening if status.last_fault.is_none() => Some("The camera is being opened.".to_owned()),
        _ => status.last_fault.as_ref().map(|fault| fault.message.to_string()),
    }
}
