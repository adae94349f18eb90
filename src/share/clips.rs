//! Clips of faults, for whoever looks on: the list, and each file, of which browsers ask for parts.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path as InAddress, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::routes::{ShareContext, refused};
use crate::clips::{Clip, ClipState, list as list_clips};
use crate::disk::open_regular;

/// A disk that does not answer holds up nobody else.
const DISK_WITHIN: Duration = Duration::from_secs(5);
const N_LISTED: usize = 20;
const MAX_LISTED: usize = 500;
/// Read at once.
const CHUNK: u64 = 256 << 10;

#[derive(Debug, Deserialize)]
pub struct ClipsQuery {
    n: Option<usize>,
}

/// The closed clips, the newest first.
pub async fn list(State(shared): State<ShareContext>, Query(query): Query<ClipsQuery>) -> Response {
    let n = query.n.unwrap_or(N_LISTED).min(MAX_LISTED);
    match closed(&shared).await {
        Ok(clips) => {
            let told: Vec<_> = clips.iter().take(n).map(told).collect();
            Json(json!({ "clips": told })).into_response()
        }
        Err(refusal) => refusal,
    }
}

fn told(clip: &Clip) -> serde_json::Value {
    json!({
        "id": id(clip),
        "started": clip.name.started,
        "camera": clip.camera(),
        "reason": clip.name.reason.to_string(),
        "secs": clip.secs(),
        "bytes": clip.bytes,
        "cause": clip.about().and_then(|about| about.fault.as_ref()).map(|fault| fault.message.to_string()),
        "codec": clip.about().and_then(|about| about.codec),
    })
}

/// What stands for a clip in an address. It is looked for in the list: no path is made of it.
fn id(clip: &Clip) -> String {
    format!("{}~{}", clip.camera_folder, clip.name)
}

async fn closed(shared: &ShareContext) -> Result<Vec<Clip>, Response> {
    let Some(folder) = shared.clips.clone() else { return Ok(Vec::new()) };
    let listed = on_disk(move || list_clips(&folder)).await;
    match listed {
        Ok(listing) => Ok(listing.clips.into_iter().rev().filter(|clip| clip.state == ClipState::Closed).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(_) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, "The disk of the clips does not answer.")),
    }
}

/// Asks the disk on a thread of its own, and gives up where that takes too long.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match timeout(DISK_WITHIN, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A clip's file, or the part of it that is asked for (RFC 9110, section 14).
pub async fn clip(
    State(shared): State<ShareContext>,
    InAddress(wanted): InAddress<String>,
    heads: HeaderMap,
) -> Response {
    let clips = match closed(&shared).await {
        Ok(clips) => clips,
        Err(refusal) => return refusal,
    };
    let Some(clip) = clips.into_iter().find(|clip| id(clip) == wanted) else {
        return refused(StatusCode::NOT_FOUND, "There is no such clip any more. /api/v1/clips lists them.");
    };
    let path = clip.path.clone();
    let Ok(n_bytes) = on_disk(move || Ok(open_regular(&path)?.metadata()?.len())).await else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "The clip cannot be read.");
    };
    let range = heads.get(header::RANGE).and_then(|range| range.to_str().ok());
    let (code, first, end) = match range.map(|range| part(range, n_bytes)) {
        None | Some(RangeRead::Ignored) => (StatusCode::OK, 0, n_bytes),
        Some(RangeRead::Part(first, end)) => (StatusCode::PARTIAL_CONTENT, first, end),
        Some(RangeRead::Outside) => {
            let mut response = refused(StatusCode::RANGE_NOT_SATISFIABLE, "The clip has no such part.");
            if let Ok(value) = format!("bytes */{n_bytes}").parse() {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return response;
        }
    };
    let name = format!("inline; filename=\"{}.mp4\"", clip.name);
    let mut response = (
        code,
        [
            (header::CONTENT_TYPE, "video/mp4".to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CONTENT_LENGTH, (end - first).to_string()),
            (header::CONTENT_DISPOSITION, name),
        ],
        Body::from_stream(chunks(clip.path, first, end)),
    )
        .into_response();
    if code == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = format!("bytes {first}-{}/{n_bytes}", end.saturating_sub(1)).parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// The bytes from `first` to before `end`, read as they are taken.
fn chunks(path: PathBuf, first: u64, end: u64) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold((path, first), move |(path, at)| async move {
        if at >= end {
            return None;
        }
        let len = (end - at).min(CHUNK);
        let from = path.clone();
        let read = on_disk(move || read_at(&from, at, len)).await;
        let next = match &read {
            // Cut short meanwhile.
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(bytes) => at + bytes.len() as u64,
            Err(_) => end,
        };
        Some((read, (path, next)))
    })
}

fn read_at(path: &Path, at: u64, len: u64) -> io::Result<Bytes> {
    let mut file = open_regular(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeRead {
    /// From the first byte to before the second.
    Part(u64, u64),
    /// What is not understood, and more than one part: all of it goes out.
    Ignored,
    Outside,
}

fn part(range: &str, n_bytes: u64) -> RangeRead {
    let read = || {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| (!text.is_empty()).then(|| text.parse::<u64>().ok());
        Some(match (number(first), number(last)) {
            (None, Some(Some(0))) => RangeRead::Outside,
            (None, Some(Some(n))) => RangeRead::Part(n_bytes.saturating_sub(n), n_bytes),
            (Some(Some(first)), None) => RangeRead::Part(first, n_bytes),
            (Some(Some(first)), Some(Some(last))) if first <= last => {
                RangeRead::Part(first, last.saturating_add(1).min(n_bytes))
            }
            _ => return None,
        })
    };
    match read() {
        None => RangeRead::Ignored,
        Some(RangeRead::Part(first, end)) if first >= n_bytes || first >= end => RangeRead::Outside,
        Some(read) => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_browsers_ask_for_them() {
        use RangeRead::{Ignored, Outside, Part};
        let check = |range: &str, expected| assert_eq!(part(range, 1_000), expected, "{range}");
        check("bytes=0-", Part(0, 1_000));
        check("bytes=0-0", Part(0, 1));
        check("bytes=200-299", Part(200, 300));
        check("bytes=900-5000", Part(900, 1_000));
        check("bytes=-100", Part(900, 1_000));
        check("bytes=-5000", Part(0, 1_000));
        check("bytes=1000-", Outside);
        check("bytes=-0", Outside);
        check("bytes=5-2", Ignored);
        check("bytes=a-b", Ignored);
        check("bytes=0-1,5-9", Ignored);
        check("lines=0-1", Ignored);
        check("bytes=", Ignored);
        check("bytes=99999999999999999999-", Ignored);
    }
}
