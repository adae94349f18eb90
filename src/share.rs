//! A colleague looks on: the web page, the pictures and the numbers of the cameras over HTTP, and nothing that changes anything.
//!
//! All that is async lives below here, in one thread (`share`) with a runtime of its own. It reads what the cameras publish: should
//! it hang or end, no camera notices. Pictures are coded by threads that are there while somebody watches ([`encoder`]). Waiting for
//! the end of the thread has a deadline.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use tokio::sync::oneshot;

use self::access::Access;
use self::encoder::Encoders;
use self::page::WebPage;
use self::records::CameraRecords;
use self::routes::ShareContext;
use self::viewers::Viewers;
use crate::camera::{Camera, StatusReader};
use crate::event::{self, Level};
use crate::frame::Frame;
use crate::health::History;
use crate::latest::Reader;
use crate::lock::Lock;
use crate::logging::EventLog;
use crate::network;
use crate::packet::ring::PacketRing;
use crate::recorder::RecorderReader;
use crate::settings::CameraId;

mod access;
mod clips;
pub mod encoder;
mod lettering;
mod metrics;
mod page;
mod records;
mod routes;
mod server;
mod socket;
mod video;
mod viewers;

pub use access::LINK_LIFE;
pub use viewers::{MAX_VIEWERS, ViewerNews, ViewerStatus};

/// Where it is when nothing else is said.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);
/// An address is had, or refused, so soon.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// The thread has to have ended so soon.
const END_WITHIN: Duration = Duration::from_secs(1);
/// Threads that ask the disk and code single pictures.
const MAX_BLOCKING: usize = 4;

/// What is shown of a camera. Cloning it gives readers of the same.
#[derive(Clone)]
pub struct SharedCamera {
    pub id: CameraId,
    pub frames: Reader<Frame>,
    pub status: StatusReader,
    pub history: Reader<History>,
    pub packets: PacketRing,
    /// Where it is recorded.
    pub recorder: Option<RecorderReader>,
}

impl SharedCamera {
    #[must_use]
    pub fn new(id: CameraId, camera: &Camera, recorder: Option<RecorderReader>) -> Self {
        Self {
            id,
            frames: camera.frames(),
            status: camera.status(),
            history: camera.history(),
            packets: camera.packets(),
            recorder,
        }
    }
}

/// What is shared, and where.
pub struct ShareOptions {
    pub address: SocketAddr,
    /// Only who has it may look on; without it whoever reaches the address.
    pub token: Option<String>,
    pub cameras: Reader<Vec<SharedCamera>>,
    /// Whether pictures and page are shared, or the numbers alone.
    pub has_page: bool,
    /// What happens, and where it is told who comes and goes.
    pub log: EventLog,
    /// The folder of clips.
    pub clips: Option<PathBuf>,
    /// Pages of this site may show it too.
    pub allow_origin: Option<String>,
    /// Called when somebody begins or ends to watch a camera; must not block.
    pub on_watched: Arc<dyn Fn() + Send + Sync>,
}

/// The page at work. Dropping it ends it, and all who look on with it; that is waited for a second at most.
pub struct Share {
    pub address: SocketAddr,
    /// Dropped to end it.
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
    access: Arc<Lock<Access>>,
    viewers: Viewers,
    encoders: Encoders,
}

impl Share {
    /// # Errors
    /// A sentence: the address is taken, or is none of this computer's.
    pub fn start(options: ShareOptions) -> Result<Self, String> {
        let ShareOptions { address: asked, token, cameras, has_page, log, clips, allow_origin, on_watched } = options;
        let now = Instant::now();
        let mut access = Access::new(!asked.ip().is_loopback(), now);
        if let Some(token) = &token {
            access.set_link(token, now);
        }
        let access = Arc::new(Lock::new(access));
        let told = log.clone();
        let viewers = Viewers::new(move |news| tell(&told, &news));
        let encoders = Encoders::new(on_watched);
        let shared = ShareContext {
            records: Arc::new(CameraRecords::new(log.clone(), now)),
            cameras,
            log,
            encoders: encoders.clone(),
            viewers: viewers.clone(),
            access: Arc::clone(&access),
            clips,
            page: Arc::new(WebPage::new(allow_origin)),
        };
        let records = Arc::clone(&shared.records);
        let router = if has_page { routes::router(shared) } else { routes::numbers(shared) };
        let (stop, stopped) = oneshot::channel::<()>();
        let (ended_tx, ended) = bounded::<()>(0);
        let (address_tx, address) = bounded(1);
        let run = move || {
            let _ended = ended_tx;
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = match runtime.enable_all().max_blocking_threads(MAX_BLOCKING).build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(address_tx.send(Err(error))),
            };
            runtime.block_on(async move {
                let listener = match server::listen(asked) {
                    Ok(listener) => listener,
                    Err(error) => return drop(address_tx.send(Err(error))),
                };
                let _ = address_tx.send(listener.local_addr());
                tokio::spawn(records::follow(records));
                let serve = std::pin::pin!(server::serve(listener, router));
                futures_util::future::select(serve, stopped).await;
            });
            // Threads that wait for a disk are left behind.
            runtime.shutdown_background();
        };
        let failed = |error: io::Error| cannot(asked, &error);
        thread::Builder::new().name("share".to_owned()).spawn(run).map_err(failed)?;
        let address = address.recv_timeout(BEGIN_WITHIN).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let address = address.map_err(failed)?;
        Ok(Self { address, stop: Some(stop), ended, access, viewers, encoders })
    }

    /// From now on only this link works, for an hour; all who came by the one before have to go.
    pub fn set_link(&self, token: &str) {
        self.access.lock().set_link(token, Instant::now());
    }

    /// How long the link still works.
    #[must_use]
    pub fn link_left(&self) -> Option<Duration> {
        self.access.lock().left(Instant::now())
    }

    #[must_use]
    pub fn viewers(&self) -> Vec<ViewerStatus> {
        self.viewers.all(Instant::now())
    }

    /// What is watched of a camera, at its finest.
    #[must_use]
    pub fn wanted(&self, camera: CameraId) -> Option<encoder::Quality> {
        self.encoders.wanted(camera)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.ended.recv_timeout(END_WITHIN);
    }
}

fn cannot(address: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "Another program has this port: choose another one.",
        io::ErrorKind::AddrNotAvailable => "This is no address of this computer: choose one that it has.",
        io::ErrorKind::PermissionDenied => "The system keeps this port for itself: choose one from 1024 on.",
        _ => "Choose another address.",
    };
    format!("Nothing can be shared at {address}: {error}. {advice}")
}

fn tell(log: &EventLog, news: &ViewerNews) {
    let message = match news {
        ViewerNews::Came(viewer) => format!("{} looks on.", called(viewer)),
        ViewerNews::Went(viewer) => {
            let ViewerStatus { frames, since_secs, .. } = viewer;
            format!("{} has gone, after {frames} pictures in {since_secs:.0} s.", called(viewer))
        }
    };
    log.add("", Level::Info, event::VIEWER, message);
}

fn called(viewer: &ViewerStatus) -> String {
    let address = viewer.address;
    if viewer.user.is_empty() { format!("A viewer at {address}") } else { format!("{} at {address}", viewer.user) }
}

/// A token that nobody guesses.
///
/// # Errors
/// The system has no random numbers.
pub fn new_token() -> io::Result<String> {
    network::token()
}

/// The link to give away: what is behind `#` is never sent by a browser, nor logged by anybody.
#[must_use]
pub fn link(address: SocketAddr, token: Option<&str>) -> String {
    let shown = SocketAddr::new(shown_ip(address.ip()), address.port());
    let token = token.map_or_else(String::new, |token| format!("#t={token}"));
    format!("http://{shown}/{token}")
}

/// By which address others reach this computer, where it listens at all of its addresses.
fn shown_ip(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    // The system chooses as it would for a packet to elsewhere (RFC 5737); none is sent.
    let own = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    own.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |own| own.ip())
}
