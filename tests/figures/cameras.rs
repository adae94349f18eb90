//! Cameras under test: started, waited for, and run side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::Camera;
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::SourceSpec;
use camclinic::status::{State, Status};

/// Long enough for whatever is going to happen at all.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// With the settings that everybody has, but for the isolation.
pub fn start(source: &str, isolation: Isolation) -> Camera {
    start_with(source, &CameraSettings { isolation, ..CameraSettings::default() }, EventLog::new())
}

pub fn start_with(source: &str, settings: &CameraSettings, log: EventLog) -> Camera {
    let spec = SourceSpec::parse(source).unwrap_or_else(|why| panic!("{source}: {why}"));
    Camera::start(spec, settings, &TrustedCertificates::default(), log, Arc::new(|| {})).unwrap()
}

/// The first status like that, and when it came.
pub fn wait(camera: &Camera, what: &str, wanted: impl Fn(&Status) -> bool) -> (Arc<Status>, Instant) {
    let deadline = Instant::now() + PATIENCE;
    let mut statuses = camera.status();
    while let Some(fresh) = statuses.wait_fresh(deadline) {
        if wanted(&fresh.value) {
            return (fresh.value, Instant::now());
        }
    }
    panic!("never {what}: {:#?}", statuses.current());
}

pub fn streams(status: &Status) -> bool {
    status.state == State::Streaming
}

/// Does jobs 0 to `n` on so many threads, and returns what came of them in any order.
pub fn side_by_side<T: Send>(n: usize, n_lanes: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..n_lanes.min(n) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= n {
                        break;
                    }
                    let result = job(nth);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}
