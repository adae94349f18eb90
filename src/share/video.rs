//! Single pictures, and pictures one after the other (`multipart/x-mixed-replace`), as browsers, VLC and scripts take them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::time::timeout;

use super::SharedCamera;
use super::encoder::{Quality, QualityPreset, QualityWatch, SharedPicture, encode};
use super::routes::{Asker, Chosen, ShareContext, refused};
use super::server::Peer;
use super::viewers::{Newcomer, Seat};
use crate::frame::Size;

/// A picture is waited for so long: somebody has to code it first.
const PICTURE_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether somebody may go on looking.
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// Narrower pictures show nothing.
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=Size::MAX_SIDE;

#[derive(Debug, Deserialize)]
pub struct CaptureQuery {
    quality: Option<Quality>,
    width: Option<u32>,
    /// 503 in place of a picture that is not live.
    #[serde(default)]
    strict: String,
}

/// The newest picture.
pub async fn capture(
    State(shared): State<ShareContext>,
    Chosen(camera): Chosen,
    Query(query): Query<CaptureQuery>,
) -> Response {
    let quality = query.quality.unwrap_or(Quality::High);
    let Some(picture) = newest(&shared, &camera, quality).await else {
        let why = camera.status.current().and_then(|status| super::encoder::reason(&status));
        let why = why.unwrap_or_else(|| "There is no picture yet.".to_owned());
        return refused(StatusCode::SERVICE_UNAVAILABLE, &why);
    };
    let status = camera.status.current();
    let state = status.as_ref().map_or("opening", |status| status.state.slug());
    if is_set(&query.strict) && !picture.is_live {
        let why = status.and_then(|status| super::encoder::reason(&status)).unwrap_or_default();
        return refused(StatusCode::SERVICE_UNAVAILABLE, &why);
    }
    let mut jpeg = picture.jpeg.clone();
    if let Some(width) = query.width.filter(|_| picture.is_live) {
        if !WIDTHS.contains(&width) {
            return refused(StatusCode::BAD_REQUEST, "width is a number of pixels, from 16 on.");
        }
        let preset = QualityPreset { width, ..quality.preset() };
        let frame = camera.frames.current();
        let narrow = move || frame.and_then(|frame| encode(frame.image.clone(), preset).ok());
        if let Ok(Some(narrow)) = tokio::task::spawn_blocking(narrow).await {
            jpeg = narrow.into();
        }
    }
    let mut response = ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response();
    let heads = response.headers_mut();
    heads.insert("x-frame", picture.number.into());
    heads.insert("x-state", header::HeaderValue::from_static(state));
    if let Some((taken_at, _)) = picture.taken_at {
        heads.insert("x-age-ms", age_ms(taken_at).into());
    }
    response
}

/// Whether a switch of an address is on: `?strict`, `?strict=1`.
pub fn is_set(value: &str) -> bool {
    !["", "0", "false", "no"].contains(&value)
}

pub fn age_ms(taken_at: Instant) -> u64 {
    u64::try_from(taken_at.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn newest(shared: &ShareContext, camera: &SharedCamera, quality: Quality) -> Option<Arc<SharedPicture>> {
    let mut watching = shared.encoders.watch(camera, quality).ok()?;
    let picture = timeout(PICTURE_WITHIN, watching.pictures.wait_for(Option::is_some)).await.ok()?.ok()?;
    picture.clone()
}

#[derive(Debug, Deserialize)]
pub struct StreamQuery {
    #[serde(default)]
    quality: Quality,
    fps: Option<f64>,
    #[serde(default)]
    user: String,
}

const BOUNDARY: &str = "camclinic";
/// Browsers show a part when the head of the next one comes: it goes out with each part. Its length must not stand there, as nobody
/// knows it yet.
const NEXT_PART: &[u8] = b"\r\n--camclinic\r\nContent-Type: image/jpeg\r\n\r\n";

/// What a stream goes on with.
struct PictureStream {
    shared: ShareContext,
    camera: SharedCamera,
    quality: Quality,
    watching: QualityWatch,
    seat: Seat,
    generation: u64,
    /// Of the picture that went out last.
    version: u64,
    /// No sooner.
    next_at: Instant,
    period: Duration,
    has_begun: bool,
}

/// Pictures one after the other, the newest each time.
pub async fn stream(
    State(shared): State<ShareContext>,
    Chosen(camera): Chosen,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(Asker { generation }): Extension<Asker>,
    Query(query): Query<StreamQuery>,
) -> Response {
    let quality = query.quality;
    let fps = query.fps.unwrap_or(f64::INFINITY);
    if fps.is_nan() || fps < 0.01 {
        return refused(StatusCode::BAD_REQUEST, "fps is a number of pictures a second, from 0.01 on.");
    }
    let newcomer =
        Newcomer { address: peer.ip(), user: query.user, tab: String::new(), camera: Some(camera.id), quality };
    let seat = match shared.viewers.seat(newcomer, Instant::now()) {
        Ok(seat) => seat,
        Err(refusal) => return super::routes::no_seat(refusal),
    };
    let Ok(watching) = shared.encoders.watch(&camera, quality) else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "The system gives no thread. Close other programs.");
    };
    let period = Duration::try_from_secs_f64(1.0 / fps).unwrap_or_default();
    let state = PictureStream {
        shared,
        camera,
        quality,
        watching,
        seat,
        generation,
        version: 0,
        next_at: Instant::now(),
        period,
        has_begun: false,
    };
    let parts = stream::unfold(state, |mut state| async {
        let part = state.next().await?;
        Some((Ok::<_, Infallible>(part), state))
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response()
}

impl PictureStream {
    /// `None` when he may look no longer.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::time::sleep_until(self.next_at.into()).await;
        let version = self.version;
        let picture = loop {
            if self.seat.is_gone() || !self.shared.access.lock().still_holds(self.generation, Instant::now()) {
                return None;
            }
            let is_new = |picture: &Option<Arc<SharedPicture>>| {
                picture.as_ref().is_some_and(|picture| picture.version > version)
            };
            match timeout(LOOK_PERIOD, self.watching.pictures.wait_for(is_new)).await {
                Ok(Ok(picture)) => break picture.clone()?,
                // Nobody codes any more: the program ends.
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        };
        let now = Instant::now();
        self.version = picture.version;
        self.next_at = (self.next_at + self.period).max(now);
        self.seat.sent(self.camera.id, self.quality, now);
        let first = if self.has_begun { &[][..] } else { NEXT_PART.strip_prefix(b"\r\n").unwrap_or_default() };
        self.has_begun = true;
        Some([first, &picture.jpeg, NEXT_PART].concat().into())
    }
}

/// Milliseconds since 1970, of a picture.
pub fn wall_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
