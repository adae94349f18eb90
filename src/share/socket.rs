//! The page's own connection (WebSocket): a picture for each that is asked for, never an old one, and what happens, as it happens.
//!
//! Messages of the viewer: `{"type":"request_frame","camera":1,"quality":"medium"}`. Without the subprotocol `camclinic.1` each is
//! answered as text, `{"type":"frame","data":BASE64,…}` or `{"type":"no_frame","reason":…}`. With it pictures are binary: the
//! picture's number (8 bytes), its age in ms (4), the camera (2), flags (2; 1: live), all big-endian, then the JPEG; `status` and
//! `event` come unasked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::SharedCamera;
use super::encoder::{Quality, QualityWatch, SharedPicture, reason};
use super::routes::{Asker, ShareContext, camera_told, event_told, no_seat};
use super::server::Peer;
use super::video::{age_ms, wall_ms};
use super::viewers::{Newcomer, Seat};
use crate::settings::CameraId;

const PROTOCOL: &str = "camclinic.1";
/// Of what a viewer may say.
const MAX_MESSAGE: usize = 4 << 10;
/// Statuses and events go out so often at most.
const TELL_PERIOD: Duration = Duration::from_millis(250);
/// A status is told again so often, so that the page knows that it is still connected.
const TOLD_EACH: Duration = Duration::from_secs(1);
/// A picture that does not come is told so soon.
const NO_FRAME_AFTER: Duration = Duration::from_secs(3);
/// Who takes nothing for so long is gone.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// Pictures that one viewer may wait for at once.
const MAX_WISHES: usize = 16;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SocketQuery {
    user: String,
    /// Of the page, the same when it connects again.
    tab: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wish {
    RequestFrame {
        camera: Option<u32>,
        #[serde(default)]
        quality: Quality,
    },
    /// Of another kind.
    #[serde(other)]
    Other,
}

pub async fn connect(
    State(shared): State<ShareContext>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(Asker { generation }): Extension<Asker>,
    Query(query): Query<SocketQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let SocketQuery { user, tab } = query;
    let newcomer = Newcomer { address: peer.ip(), user, tab, camera: None, quality: Quality::default() };
    let seat = match shared.viewers.seat(newcomer, Instant::now()) {
        Ok(seat) => seat,
        Err(refusal) => return no_seat(refusal),
    };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let is_binary = socket.protocol().is_some_and(|protocol| protocol == PROTOCOL);
        let event = shared.log.since(0).last().map_or(0, |event| event.id);
        let watched = BTreeMap::new();
        Conversation { shared, seat, generation, is_binary, watched, told: BTreeMap::new(), event }.run(socket).await;
    })
}

struct Conversation {
    shared: ShareContext,
    seat: Seat,
    generation: u64,
    is_binary: bool,
    /// What he watches, with the version of the picture that he got last.
    watched: BTreeMap<(CameraId, Quality), (QualityWatch, u64)>,
    /// By camera: what was told of it last, and when.
    told: BTreeMap<CameraId, (Value, Instant)>,
    /// The last event that was told.
    event: u64,
}

/// What came of a wish.
struct Granted {
    camera: SharedCamera,
    quality: Quality,
    picture: Option<Arc<SharedPicture>>,
}

/// What happened first.
enum Heard {
    Message(Option<Result<Message, axum::Error>>),
    Granted(Option<Granted>),
    Nothing,
}

impl Conversation {
    async fn run(mut self, mut socket: WebSocket) {
        let mut wishes = FuturesUnordered::new();
        let mut next_tell = Instant::now();
        loop {
            if self.seat.is_gone() || !self.shared.access.lock().still_holds(self.generation, Instant::now()) {
                let _ = timeout(TAKES_WITHIN, socket.send(Message::Close(None))).await;
                return;
            }
            let granted = async { if wishes.is_empty() { std::future::pending().await } else { wishes.next().await } };
            let wait = next_tell.saturating_duration_since(Instant::now());
            let heard = match timeout(wait, select(Box::pin(socket.recv()), Box::pin(granted))).await {
                Ok(Either::Left((message, _))) => Heard::Message(message),
                Ok(Either::Right((granted, _))) => Heard::Granted(granted),
                Err(_) => Heard::Nothing,
            };
            let answer = match heard {
                Heard::Message(Some(Ok(Message::Text(text)))) => match self.wish(&text) {
                    Ok(Some(wish)) if wishes.len() < MAX_WISHES => {
                        wishes.push(wish.boxed());
                        None
                    }
                    Ok(Some(_)) => Some(error("Wait for the pictures that you asked for.")),
                    Ok(None) => None,
                    Err(why) => Some(error(why)),
                },
                Heard::Message(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Heard::Granted(granted) => granted.map(|granted| self.answer(granted)),
                // Pings are answered below us.
                Heard::Message(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_)))) | Heard::Nothing => {
                    None
                }
            };
            let mut answers: Vec<Message> = answer.into_iter().collect();
            if Instant::now() >= next_tell {
                next_tell = Instant::now() + TELL_PERIOD;
                if self.is_binary {
                    answers.extend(self.news());
                }
            }
            for answer in answers {
                if !matches!(timeout(TAKES_WITHIN, socket.send(answer)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }

    /// What a message asks for.
    fn wish(&mut self, text: &str) -> Result<Option<impl Future<Output = Granted> + Send + use<>>, &'static str> {
        let wish: Wish = serde_json::from_str(text).map_err(|_| "This is no message that is understood here.")?;
        let Wish::RequestFrame { camera, quality } = wish else { return Ok(None) };
        let camera = self.shared.camera(camera).ok_or("There is no such camera.")?;
        let key = (camera.id, quality);
        if !self.watched.contains_key(&key) {
            // What was watched of this camera before is not watched any more.
            self.watched.retain(|(id, _), _| *id != camera.id);
            let watching = self.shared.encoders.watch(&camera, quality);
            self.watched.insert(key, (watching.map_err(|_| "The system gives no thread.")?, 0));
        }
        let (watching, version) = self.watched.get(&key).ok_or("There is no such camera.")?;
        let (mut pictures, version) = (watching.pictures.clone(), *version);
        Ok(Some(async move {
            let is_new = |picture: &Option<Arc<SharedPicture>>| {
                picture.as_ref().is_some_and(|picture| picture.version > version)
            };
            let picture = timeout(NO_FRAME_AFTER, pictures.wait_for(is_new)).await;
            let picture = picture.ok().and_then(|picture| picture.ok()?.clone());
            Granted { camera, quality, picture }
        }))
    }

    fn answer(&mut self, granted: Granted) -> Message {
        let Granted { camera, quality, picture } = granted;
        let status = camera.status.current();
        let Some(picture) = picture.filter(|picture| picture.is_live || self.is_binary) else {
            let why = status.as_deref().and_then(reason).unwrap_or_else(|| "There is no picture yet.".to_owned());
            let state = status.map_or("opening", |status| status.state.slug());
            let fields = [("reason", why.into()), ("state", state.into()), ("camera", camera.id.0.into())];
            return told("no_frame", &fields);
        };
        if let Some((_, version)) = self.watched.get_mut(&(camera.id, quality)) {
            *version = picture.version;
        }
        self.seat.sent(camera.id, quality, Instant::now());
        let age = picture.taken_at.map_or(u64::from(u32::MAX), |(at, _)| age_ms(at));
        if self.is_binary {
            let age = u32::try_from(age).unwrap_or(u32::MAX).to_be_bytes();
            let id = u16::try_from(camera.id.0).unwrap_or(u16::MAX).to_be_bytes();
            let flags = u16::from(picture.is_live).to_be_bytes();
            let bytes = [&picture.number.to_be_bytes()[..], &age, &id, &flags, &picture.jpeg].concat();
            return Message::Binary(bytes.into());
        }
        told(
            "frame",
            &[
                ("data", STANDARD.encode(&picture.jpeg).into()),
                ("format", "jpeg".into()),
                ("camera", camera.id.0.into()),
                ("number", picture.number.into()),
                ("age_ms", age.into()),
                ("timestamp", picture.taken_at.map(|(_, at)| wall_ms(at)).into()),
            ],
        )
    }

    /// What has changed since it was told.
    fn news(&mut self) -> Vec<Message> {
        let mut news = Vec::new();
        let now = Instant::now();
        let cameras = self.shared.all();
        let is_gone = |id: &CameraId| !cameras.iter().any(|camera| camera.id == *id);
        for (id, _) in self.told.extract_if(.., |id, _| is_gone(id)) {
            news.push(told("gone", &[("camera", id.0.into())]));
        }
        for camera in &cameras {
            let status = camera_told(&self.shared, camera);
            let is_old = self
                .told
                .get(&camera.id)
                .is_none_or(|(before, at)| *before != status || now.saturating_duration_since(*at) >= TOLD_EACH);
            if is_old {
                news.push(told("status", &[("camera", status.clone())]));
                self.told.insert(camera.id, (status, now));
            }
        }
        for event in self.shared.log.since(self.event) {
            self.event = event.id;
            news.push(told("event", &[("event", event_told(&event))]));
        }
        news
    }
}

fn error(why: &str) -> Message {
    told("error", &[("reason", why.into())])
}

fn told(kind: &str, fields: &[(&str, Value)]) -> Message {
    let mut message = Map::from_iter([("type".to_owned(), kind.into())]);
    message.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Message::Text(Value::Object(message).to_string().into())
}
