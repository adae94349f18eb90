//! Who looks on: sessions, and what each of them gets.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::encoder::Quality;
use crate::lock::Lock;
use crate::settings::CameraId;

/// Those who look on at once.
pub const MAX_VIEWERS: usize = 64;
/// Sessions of one name.
const MAX_PER_USER: usize = 2;
/// A session that was made and is not used ends.
const UNUSED_FOR: Duration = Duration::from_mins(1);
/// The rate is measured over so long.
const RATE_WINDOW: Duration = Duration::from_secs(2);
const MAX_NAME_CHARS: usize = 60;

/// Why somebody cannot look on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerRefusal {
    /// So many look on already.
    Full,
    /// Of this name.
    TwiceThere,
}

/// What a viewer is told of, and others are told of him.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewerStatus {
    pub id: u64,
    pub address: IpAddr,
    /// As he calls himself.
    pub user: String,
    pub camera: Option<u32>,
    pub quality: Quality,
    pub fps: f64,
    pub since_secs: f64,
    /// Pictures that he got.
    pub frames: u64,
}

struct Viewer {
    address: IpAddr,
    user: String,
    /// Of the page that he has open: when that connects again, it is the same one.
    tab: String,
    camera: Option<CameraId>,
    quality: Quality,
    since: Instant,
    used_at: Instant,
    /// Of the last pictures.
    sent: VecDeque<Instant>,
    n_sent: u64,
    /// Somebody is connected; a session alone is not.
    is_connected: bool,
    /// Told when he has to go.
    gone: watch::Sender<bool>,
}

/// What is told about those who come and go.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewerNews {
    Came(ViewerStatus),
    Went(ViewerStatus),
}

type Listener = dyn Fn(ViewerNews) + Send + Sync;

struct Registry {
    viewers: BTreeMap<u64, Viewer>,
    next: u64,
}

/// All who look on.
#[derive(Clone)]
pub struct Viewers {
    registry: Arc<Lock<Registry>>,
    listener: Arc<Listener>,
}

/// A place among those who look on, which is free again when this is dropped.
pub struct Seat {
    pub id: u64,
    /// True once he has to go: his page has connected anew.
    pub gone: watch::Receiver<bool>,
    viewers: Viewers,
}

/// Who wants to look on.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub address: IpAddr,
    pub user: String,
    pub tab: String,
    pub camera: Option<CameraId>,
    pub quality: Quality,
}

impl Viewers {
    /// `listener` is told of those who come and go; it must not block.
    #[must_use]
    pub fn new(listener: impl Fn(ViewerNews) + Send + Sync + 'static) -> Self {
        let registry = Registry { viewers: BTreeMap::new(), next: 1 };
        Self { registry: Arc::new(Lock::new(registry)), listener: Arc::new(listener) }
    }

    /// A session for somebody who will connect.
    ///
    /// # Errors
    /// There is no room.
    pub fn invite(&self, newcomer: Newcomer, now: Instant) -> Result<u64, ViewerRefusal> {
        self.add(newcomer, false, now).map(|(id, _)| id)
    }

    /// A seat for somebody who is connected. The same page is not counted twice: its earlier connection has to go.
    ///
    /// # Errors
    /// There is no room.
    pub fn seat(&self, newcomer: Newcomer, now: Instant) -> Result<Seat, ViewerRefusal> {
        let (id, gone) = self.add(newcomer, true, now)?;
        self.tell(id, now, ViewerNews::Came);
        Ok(Seat { id, gone, viewers: self.clone() })
    }

    fn add(
        &self,
        newcomer: Newcomer,
        is_connected: bool,
        now: Instant,
    ) -> Result<(u64, watch::Receiver<bool>), ViewerRefusal> {
        let Newcomer { address, user, tab, camera, quality } = newcomer;
        let user: String = user.chars().filter(|letter| !letter.is_control()).take(MAX_NAME_CHARS).collect();
        let mut registry = self.registry.lock();
        let is_unused =
            |viewer: &Viewer| !viewer.is_connected && now.saturating_duration_since(viewer.used_at) > UNUSED_FOR;
        registry.viewers.retain(|_, viewer| !is_unused(viewer));
        let is_same = |viewer: &Viewer| !tab.is_empty() && viewer.tab == tab && viewer.address == address;
        for viewer in registry.viewers.values().filter(|viewer| is_same(viewer)) {
            viewer.gone.send_replace(true);
        }
        registry.viewers.retain(|_, viewer| viewer.is_connected || !is_same(viewer));
        let stay = |viewer: &&Viewer| !*viewer.gone.borrow();
        if registry.viewers.values().filter(stay).count() >= MAX_VIEWERS {
            return Err(ViewerRefusal::Full);
        }
        let of_user = registry.viewers.values().filter(stay).filter(|viewer| viewer.user == user).count();
        if !user.is_empty() && of_user >= MAX_PER_USER {
            return Err(ViewerRefusal::TwiceThere);
        }
        let id = registry.next;
        registry.next += 1;
        let (gone, told) = watch::channel(false);
        let sent = VecDeque::new();
        let viewer = Viewer {
            address,
            user,
            tab,
            camera,
            quality,
            since: now,
            used_at: now,
            sent,
            n_sent: 0,
            is_connected,
            gone,
        };
        registry.viewers.insert(id, viewer);
        Ok((id, told))
    }

    /// Everybody who is connected.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<ViewerStatus> {
        let registry = self.registry.lock();
        let connected = registry.viewers.iter().filter(|(_, viewer)| viewer.is_connected);
        connected.map(|(id, viewer)| viewer.status(*id, now)).collect()
    }

    fn tell(&self, id: u64, now: Instant, news: fn(ViewerStatus) -> ViewerNews) {
        let status = self.registry.lock().viewers.get(&id).map(|viewer| viewer.status(id, now));
        if let Some(status) = status {
            (self.listener)(news(status));
        }
    }
}

impl Viewer {
    fn status(&self, id: u64, now: Instant) -> ViewerStatus {
        let recent = self.sent.iter().filter(|at| now.saturating_duration_since(**at) <= RATE_WINDOW).count();
        let secs = now.saturating_duration_since(self.since).min(RATE_WINDOW).as_secs_f64();
        ViewerStatus {
            id,
            address: self.address,
            user: self.user.clone(),
            camera: self.camera.map(|camera| camera.0),
            quality: self.quality,
            fps: if secs > 0.1 { recent as f64 / secs } else { 0.0 },
            since_secs: crate::status::round_secs(now.saturating_duration_since(self.since)),
            frames: self.n_sent,
        }
    }
}

impl Seat {
    /// A picture went to him.
    pub fn sent(&self, camera: CameraId, quality: Quality, now: Instant) {
        let mut registry = self.viewers.registry.lock();
        if let Some(viewer) = registry.viewers.get_mut(&self.id) {
            (viewer.camera, viewer.quality) = (Some(camera), quality);
            viewer.n_sent += 1;
            viewer.sent.push_back(now);
            while viewer.sent.front().is_some_and(|at| now.saturating_duration_since(*at) > RATE_WINDOW) {
                viewer.sent.pop_front();
            }
        }
    }

    /// Whether he has to go.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.viewers.tell(self.id, Instant::now(), ViewerNews::Went);
        self.viewers.registry.lock().viewers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newcomer(user: &str, tab: &str) -> Newcomer {
        Newcomer {
            address: IpAddr::from([192, 0, 2, 7]),
            user: user.to_owned(),
            tab: tab.to_owned(),
            camera: None,
            quality: Quality::Low,
        }
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let now = Instant::now();
        let told = Arc::new(Lock::new(Vec::new()));
        let hear = Arc::clone(&told);
        let viewers = Viewers::new(move |news| hear.lock().push(news));
        let seats: Vec<_> = (0..MAX_VIEWERS).map(|_| viewers.seat(newcomer("", ""), now).unwrap()).collect();
        assert_eq!(viewers.seat(newcomer("", ""), now).err(), Some(ViewerRefusal::Full));
        drop(seats);
        assert!(viewers.all(now).is_empty());
        assert_eq!(told.lock().len(), 2 * MAX_VIEWERS);
        let _seat = viewers.seat(newcomer("", ""), now).unwrap();
    }

    #[test]
    fn one_name_has_two_places() {
        let now = Instant::now();
        let viewers = Viewers::new(|_| {});
        viewers.invite(newcomer("me", ""), now).unwrap();
        let _seat = viewers.seat(newcomer("me", ""), now).unwrap();
        assert_eq!(viewers.invite(newcomer("me", ""), now), Err(ViewerRefusal::TwiceThere));
        viewers.invite(newcomer("you", ""), now).unwrap();
        // One that nobody used is free again.
        viewers.invite(newcomer("me", ""), now + Duration::from_secs(61)).unwrap();
    }

    #[test]
    fn a_page_that_connects_again_takes_the_place_of_itself() {
        let now = Instant::now();
        let viewers = Viewers::new(|_| {});
        let old = viewers.seat(newcomer("me", "tab 1"), now).unwrap();
        let other = viewers.seat(newcomer("me", "tab 2"), now).unwrap();
        let new = viewers.seat(newcomer("me", "tab 1"), now).unwrap();
        assert!(old.is_gone() && !other.is_gone() && !new.is_gone());
        for n in 0..20_u32 {
            new.sent(CameraId(3), Quality::High, now + Duration::from_millis(100) * n);
        }
        drop((old, other));
        let all = viewers.all(now + Duration::from_secs(2));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].id, all[0].camera, all[0].fps, all[0].frames), (new.id, Some(3), 10.0, 20));
    }
}
