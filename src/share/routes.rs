//! What is answered at which address. Nothing here changes a camera, a file or a setting.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Extension, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Denial, Question, RequestKind};
use super::encoder::{Encoders, Quality, reason};
use super::metrics::{self, CameraMetrics};
use super::page::WebPage;
use super::records::CameraRecords;
use super::server::Peer;
use super::viewers::{Newcomer, ViewerRefusal, Viewers};
use super::{SharedCamera, clips, socket, video};
use crate::event::{Event, Level};
use crate::latest::Reader;
use crate::lock::Lock;
use crate::logging::EventLog;
use crate::status::{State as CameraState, Status};

/// Of one request, all together.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// Of what somebody says of himself.
const MAX_BODY_BYTES: usize = 4 << 10;
/// Events that are told without being asked for more, and at most.
const N_EVENTS: usize = 20;
const MAX_EVENTS: usize = 1_000;
/// Of the score, in minutes.
const HISTORY_MINUTES: f64 = 10.0;

/// What all answers are made of.
#[derive(Clone)]
pub struct ShareContext {
    pub cameras: Reader<Vec<SharedCamera>>,
    pub log: EventLog,
    pub encoders: Encoders,
    pub viewers: Viewers,
    pub access: Arc<Lock<Access>>,
    /// Where clips are; `None`: nothing is recorded.
    pub clips: Option<PathBuf>,
    pub page: Arc<WebPage>,
    pub records: Arc<CameraRecords>,
}

impl ShareContext {
    pub fn all(&self) -> Vec<SharedCamera> {
        self.cameras.current().map(|cameras| (*cameras).clone()).unwrap_or_default()
    }

    /// That one; without a number the first.
    pub fn camera(&self, id: Option<u32>) -> Option<SharedCamera> {
        let cameras = self.cameras.current()?;
        cameras.iter().find(|camera| id.is_none_or(|id| camera.id.0 == id)).cloned()
    }

    /// The newest verdict on a camera.
    pub fn verdict(&self, camera: &SharedCamera) -> Option<Value> {
        self.records.verdict(camera.id)
    }

    /// Events of a camera and of the whole program behind that number, the newest so many, oldest first.
    pub fn events(&self, camera: &SharedCamera, since: u64, n: usize) -> Vec<Arc<Event>> {
        let is_its = |event: &Arc<Event>| event.camera.is_none_or(|id| id == camera.id);
        let mut events: Vec<_> = self.log.since(since).into_iter().filter(is_its).collect();
        let n_old = events.len().saturating_sub(n);
        events.drain(..n_old);
        events
    }
}

/// Under which link somebody asks: an extension of each request that was let in.
#[derive(Clone, Copy)]
pub struct Asker {
    pub generation: u64,
}

/// The camera that the address names; without a number the first.
pub struct Chosen(pub SharedCamera);

impl FromRequestParts<ShareContext> for Chosen {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &ShareContext) -> Result<Self, Response> {
        let path = Option::<Path<BTreeMap<String, String>>>::from_request_parts(parts, shared).await;
        let id = match path.ok().flatten().and_then(|path| path.0.get("camera").cloned()) {
            None => None,
            Some(id) => Some(id.parse().map_err(|_| no_camera())?),
        };
        shared.camera(id).map(Self).ok_or_else(no_camera)
    }
}

fn no_camera() -> Response {
    refused(StatusCode::NOT_FOUND, "There is no such camera. /api/v1/cameras lists them.")
}

/// Why there is nothing, for people and programs.
pub fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

pub fn no_seat(refusal: ViewerRefusal) -> Response {
    match refusal {
        ViewerRefusal::Full => {
            let why = "Too many look on already. Try again in a few seconds.";
            with_retry(refused(StatusCode::SERVICE_UNAVAILABLE, why), 5)
        }
        ViewerRefusal::TwiceThere => {
            refused(StatusCode::CONFLICT, "Somebody of this name looks on twice already. Close one of the two.")
        }
    }
}

fn with_retry(mut response: Response, secs: u16) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, secs.into());
    response
}

/// All addresses.
pub fn router(shared: ShareContext) -> Router {
    let of_camera = Router::new()
        .route("/health", get(health))
        .route("/stats", get(stats))
        .route("/capture", get(video::capture))
        .route("/stream", get(video::stream))
        .route("/api/v1/status", get(status))
        .route("/api/v1/history", get(history))
        .route("/api/v1/events", get(events))
        .route("/api/v1/health/", get(health))
        .route("/api/v1/health", get(health))
        .route("/api/v1/stream/video", get(video::stream))
        .route("/api/v1/stream/video/status", get(video_status));
    let router = Router::new()
        .route("/", get(page))
        .route("/ws", get(socket::connect))
        .route("/sessions", post(session).get(sessions))
        .route("/api/v1/cameras", get(cameras))
        .route("/api/v1/clips", get(clips::list))
        .route("/api/v1/clips/{clip}", get(clips::clip))
        .route("/metrics", get(metrics))
        .merge(of_camera.clone())
        .nest("/cameras/{camera}", of_camera)
        .fallback(async || refused(StatusCode::NOT_FOUND, "There is nothing here. The page is at /."));
    guarded(router, shared)
}

/// Only the numbers of the cameras.
pub fn numbers(shared: ShareContext) -> Router {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(async || "Camclinic. The metrics are at /metrics.\n"))
        .fallback(async || refused(StatusCode::NOT_FOUND, "The metrics are at /metrics."));
    guarded(router, shared)
}

fn guarded(router: Router<ShareContext>, shared: ShareContext) -> Router {
    router
        .method_not_allowed_fallback(async || {
            refused(StatusCode::METHOD_NOT_ALLOWED, "This can only be looked at: GET.")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

// ---- who may ask

/// Lets in whoever may look, and says in each answer what browsers may do with it.
async fn guard(State(shared): State<ShareContext>, mut request: Request, next: Next) -> Response {
    let is_allowed =
        request.headers().get(header::ORIGIN).is_some_and(|origin| Some(origin) == shared.page.allow_origin.as_ref());
    let response = match admit(&shared, &request) {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(denied) => *denied,
    };
    secured(response, &shared.page, is_allowed)
}

fn admit(shared: &ShareContext, request: &Request) -> Result<Asker, Box<Response>> {
    let no = |status, why: &str| Box::new(refused(status, why));
    let heads = request.headers();
    let n_bytes: usize = heads.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if n_bytes + request.uri().to_string().len() > MAX_HEAD_BYTES {
        return Err(no(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of this request is too long."));
    }
    let one = |name: &str| {
        let mut values = heads.get_all(name).iter();
        let first = values.next();
        // Two of them are an attempt to be taken for somebody else.
        if values.next().is_some() { Err(()) } else { Ok(first.and_then(|value| value.to_str().ok())) }
    };
    let bad = |()| no(StatusCode::BAD_REQUEST, "A head of this request stands there twice.");
    let host = one("host").map_err(bad)?;
    // The whole address may stand in the first line.
    let host = request.uri().authority().map(Authority::as_str).or(host);
    let path = request.uri().path();
    let token = token(request).map_err(bad)?;
    let peer = request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip());
    let Some(peer) = peer else { return Err(no(StatusCode::INTERNAL_SERVER_ERROR, "Nobody asks.")) };
    let is_page = path == "/" && matches!(*request.method(), Method::GET | Method::HEAD);
    let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let question = Question {
        peer,
        host,
        origin: one("origin").map_err(bad)?,
        allow_origin: shared.page.allow_origin.as_ref().and_then(|origin| origin.to_str().ok()),
        site: one("sec-fetch-site").map_err(bad)?,
        is_page,
        is_navigation: one("sec-fetch-mode").map_err(bad)? == Some("navigate"),
        token: token.as_deref(),
        asked: match last {
            "capture" => RequestKind::Picture,
            "stream" | "video" | "ws" => RequestKind::Stream,
            _ => RequestKind::Usual,
        },
    };
    let mut access = shared.access.lock();
    let generation = access.generation();
    access.ask(&question, Instant::now()).map(|()| Asker { generation }).map_err(|denial| Box::new(denied(denial)))
}

/// What somebody shows: in the cookie of our page, in a head, or in the address, for programs that know nothing else.
fn token(request: &Request) -> Result<Option<String>, ()> {
    let heads = request.headers();
    let bearer = heads.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        return Ok(Some(token.to_owned()));
    }
    let query = request.uri().query().unwrap_or_default();
    let mut given = query.split('&').filter_map(|pair| pair.strip_prefix("token="));
    if let Some(token) = given.next() {
        return if given.next().is_some() { Err(()) } else { Ok(Some(token.to_owned())) };
    }
    let cookies = heads.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut named = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().strip_prefix(COOKIE));
    Ok(named.next().map(str::to_owned))
}

const COOKIE: &str = "camclinic_token=";

fn denied(denial: Denial) -> Response {
    match denial {
        Denial::WrongHost => refused(
            StatusCode::MISDIRECTED_REQUEST,
            "Ask by the number of this computer, as in http://127.0.0.1:8001/, or by its own name.",
        ),
        Denial::CrossSite => refused(StatusCode::FORBIDDEN, "Pages of others get no answer."),
        Denial::NoToken => {
            refused(StatusCode::UNAUTHORIZED, "Open the link that you were given: its token is missing.")
        }
        Denial::WrongToken => {
            refused(StatusCode::UNAUTHORIZED, "This link does not work any more, or never did. Ask for a new one.")
        }
        Denial::Ended => refused(StatusCode::GONE, "This link has ended. Ask for a new one."),
        Denial::TooOften => with_retry(refused(StatusCode::TOO_MANY_REQUESTS, "That is too often. Wait a moment."), 1),
    }
}

/// `is_allowed`: a page asks that may show it too.
fn secured(mut response: Response, page: &WebPage, is_allowed: bool) -> Response {
    let heads = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            if is_allowed { "cross-origin" } else { "same-origin" },
        ),
    ];
    for (name, value) in fixed {
        heads.insert(name, HeaderValue::from_static(value));
    }
    heads.insert(header::CONTENT_SECURITY_POLICY, page.policy.clone());
    match &page.allow_origin {
        // It knows no other sites.
        None => drop(heads.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"))),
        Some(origin) => {
            heads.insert(header::VARY, HeaderValue::from_static("Origin"));
            if is_allowed {
                heads.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            }
        }
    }
    response
}

// ---- answers

async fn page(State(shared): State<ShareContext>) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], shared.page.html).into_response()
}

async fn metrics(State(shared): State<ShareContext>) -> Response {
    let now = Instant::now();
    let all = shared.all();
    let samples = all.iter().filter_map(|camera| {
        let status = camera.status.current()?;
        let totals = shared.records.totals(camera.id, status.frames > 0, now);
        let recorder = camera.recorder.as_ref().map(|recorder| recorder.news(now));
        Some(CameraMetrics { source: status.source.clone(), status, totals, recorder })
    });
    let text = metrics::render(&samples.collect::<Vec<_>>());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// `healthy`, `degraded` or `critical`, as scripts know it.
fn health_word(status: Option<&Status>) -> &'static str {
    match status {
        Some(status) if status.is_healthy => "healthy",
        Some(status) if status.state == CameraState::Failed => "critical",
        _ => "degraded",
    }
}

#[derive(Debug, Deserialize)]
struct HealthQuery {
    #[serde(default)]
    strict: String,
}

async fn health(
    State(shared): State<ShareContext>,
    camera: Result<Chosen, Response>,
    Query(query): Query<HealthQuery>,
) -> Response {
    let camera = match camera {
        Ok(Chosen(camera)) => Some(camera),
        // The window is open, and no camera is chosen yet.
        Err(_) if shared.all().is_empty() => None,
        Err(none) => return none,
    };
    let status = camera.as_ref().and_then(|camera| camera.status.current());
    let status = status.as_deref();
    let word = health_word(status);
    let why = if camera.is_none() { Some("There is no camera yet.".to_owned()) } else { status.and_then(reason) };
    let told = json!({
        "status": word,
        "has_cached_frame": status.is_some_and(|status| status.has_cached_frame),
        "health_score": status.and_then(|status| status.health_score),
        "state": status.map_or("opening", |status| status.state.slug()),
        "reason": why,
        "verdict": camera.as_ref().and_then(|camera| shared.verdict(camera)),
        "timestamp": crate::event::now(),
    });
    let is_strict = video::is_set(&query.strict);
    let code = if is_strict && word != "healthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(told)).into_response()
}

/// The nine keys that scripts know, and what else there is.
async fn stats(State(shared): State<ShareContext>, Chosen(camera): Chosen) -> Response {
    let Some(status) = camera.status.current() else { return no_camera() };
    let now = Instant::now();
    let viewers: Vec<_> = shared.viewers.all(now);
    let told = json!({
        "camera_index": status.camera_index.unwrap_or(0),
        "is_opened": status.is_opened,
        "consecutive_failures": status.consecutive_failures,
        "has_cached_frame": status.has_cached_frame,
        "is_healthy": status.is_healthy,
        "fps": status.fps,
        "width": status.width,
        "height": status.height,
        "backend": opencv_number(&status.backend),
        "backend_name": status.backend,
        "state": status.state,
        "health_score": status.health_score,
        "viewers": viewers,
        "pictures_coded": shared.encoders.n_coded(),
    });
    Json(told).into_response()
}

/// As OpenCV numbers its backends (`videoio.hpp`, `VideoCaptureAPIs`); 0 of those that it has not.
fn opencv_number(backend: &str) -> f64 {
    match backend {
        "dshow" => 700.0,
        "msmf" => 1400.0,
        "v4l2" | "v4l2-opencv" => 200.0,
        "ffmpeg" => 1900.0,
        "gstreamer" => 1800.0,
        "avfoundation" => 1200.0,
        _ => 0.0,
    }
}

async fn status(Chosen(camera): Chosen) -> Response {
    camera.status.current().map_or_else(no_camera, |status| Json((*status).clone()).into_response())
}

async fn video_status(State(shared): State<ShareContext>, Chosen(camera): Chosen) -> Response {
    let Some(status) = camera.status.current() else { return no_camera() };
    let word = match status.state {
        CameraState::Streaming => "running",
        CameraState::Failed => "error",
        _ => "not_initialized",
    };
    let n_viewers = shared.viewers.all(Instant::now()).len();
    let told = json!({
        "camera": { "status": word, "connected": status.is_capturing, "reason": reason(&status) },
        "resolution": [status.width, status.height],
        "fps": status.fps,
        "viewers": n_viewers,
    });
    Json(told).into_response()
}

async fn cameras(State(shared): State<ShareContext>) -> Response {
    let told: Vec<_> = shared.all().iter().map(|camera| camera_told(&shared, camera)).collect();
    Json(json!({ "cameras": told })).into_response()
}

/// What the page shows of a camera.
pub fn camera_told(shared: &ShareContext, camera: &SharedCamera) -> Value {
    let status = camera.status.current();
    let status = status.as_deref();
    json!({
        "id": camera.id,
        "name": status.map(|status| status.called().to_string()),
        "state": status.map_or("opening", |status| status.state.slug()),
        "score": status.and_then(|status| status.health_score),
        "grade": status.and_then(|status| status.grade),
        "fps": status.map(|status| status.fps),
        "width": status.map(|status| status.width),
        "height": status.map(|status| status.height),
        "reason": status.and_then(reason),
        "advice": status.filter(|status| status.state != CameraState::Streaming)
            .and_then(|status| status.last_fault.as_ref()).map(|fault| fault.advice.to_string()),
        "next_try_secs": status.and_then(|status| status.next_try_secs),
        "picture_faults": status.map(|status| &status.picture_faults),
        "verdict": shared.verdict(camera),
    })
}

#[derive(Debug, Deserialize)]
struct HistoryQuery {
    minutes: Option<f64>,
}

async fn history(
    State(shared): State<ShareContext>,
    Chosen(camera): Chosen,
    Query(query): Query<HistoryQuery>,
) -> Response {
    let minutes = query.minutes.unwrap_or(HISTORY_MINUTES);
    let Ok(span) = Duration::try_from_secs_f64(minutes * 60.0) else {
        return refused(StatusCode::BAD_REQUEST, "minutes is how long ago it may have been.");
    };
    let now = Instant::now();
    let history = camera.history.current();
    let samples = history.as_deref().map(|history| history.samples.as_slice()).unwrap_or_default();
    let ago = |at: &Instant| now.saturating_duration_since(*at);
    let told: Vec<_> = samples
        .iter()
        .filter(|(at, _)| ago(at) <= span)
        .map(|(at, score)| json!([crate::status::round_secs(ago(at)), score]))
        .collect();
    let is_mark = |event: &Arc<Event>| matches!(event.level, Level::Good | Level::Warning | Level::Error);
    let marks: Vec<_> = shared
        .events(&camera, 0, MAX_EVENTS)
        .iter()
        .filter(|event| is_mark(event) && ago(&event.instant) <= span)
        .map(|event| json!([crate::status::round_secs(ago(&event.instant)), event.level, event.message]))
        .collect();
    Json(json!({ "minutes": minutes, "seconds_ago_and_score": told, "seconds_ago_level_and_event": marks }))
        .into_response()
}

#[derive(Debug, Deserialize)]
struct EventsQuery {
    #[serde(default)]
    since: u64,
    n: Option<usize>,
}

async fn events(
    State(shared): State<ShareContext>,
    Chosen(camera): Chosen,
    Query(query): Query<EventsQuery>,
) -> Response {
    let n = query.n.unwrap_or(N_EVENTS).min(MAX_EVENTS);
    let told: Vec<_> = shared.events(&camera, query.since, n).iter().map(|event| event_told(event)).collect();
    Json(json!({ "events": told })).into_response()
}

pub fn event_told(event: &Event) -> Value {
    json!({
        "id": event.id,
        "at": event.at,
        "camera": event.camera,
        "level": event.level,
        "name": event.name,
        "message": event.message,
    })
}

// ---- sessions

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SessionWish {
    user: String,
    /// Of the page that will connect: it takes this very place.
    tab: String,
    quality: Quality,
    camera: Option<u32>,
}

/// A place for somebody who will connect; and the cookie that lets his browser in.
async fn session(
    State(shared): State<ShareContext>,
    Extension(Peer(peer)): Extension<Peer>,
    heads: HeaderMap,
    body: Option<Json<SessionWish>>,
) -> Response {
    let Json(wish) = body.unwrap_or_default();
    let Some(camera) = shared.camera(wish.camera) else { return no_camera() };
    let newcomer =
        Newcomer { address: peer.ip(), user: wish.user, tab: wish.tab, camera: Some(camera.id), quality: wish.quality };
    let now = Instant::now();
    let id = match shared.viewers.invite(newcomer, now) {
        Ok(id) => id,
        Err(refusal) => return no_seat(refusal),
    };
    let left = shared.access.lock().left(now);
    let told = json!({
        "id": id,
        "camera": camera.id,
        "qualities": Quality::ALL,
        "ends_in_secs": left.map(crate::status::round_secs),
    });
    let mut response = (StatusCode::CREATED, Json(told)).into_response();
    let bearer = heads.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if let (Some(token), Some(left)) = (bearer, left)
        && let Ok(cookie) = HeaderValue::from_str(&format!(
            "{COOKIE}{token}; Max-Age={}; Path=/; HttpOnly; SameSite=Strict",
            left.as_secs()
        ))
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn sessions(State(shared): State<ShareContext>) -> Response {
    Json(json!({ "viewers": shared.viewers.all(Instant::now()) })).into_response()
}
