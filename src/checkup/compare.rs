//! Opens one camera through every backend in turn, and says which of them to take. Only for a camera that nobody has open.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::experiments::open_and_watch;
use super::facts::StreamSummary;
use super::{CheckupRequest, is_disconnected};
use crate::backend::Backend;
use crate::criteria;
use crate::settings::Isolation;

/// How long each backend may take, opening included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How each backend did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendComparison {
    /// One for each backend, in the order in which they were tried.
    pub rows: Vec<StreamSummary>,
    /// The one to take; `None` where none gives a picture.
    pub best: Option<Backend>,
}

/// Opens the camera, which nobody may have open, through each backend in turn, always in a process of its own, and watches
/// it for a moment. Each row is told as it is there. Blocks for seconds a backend; disconnecting `cancel` ends it.
pub fn compare(
    request: &CheckupRequest,
    cancel: &Receiver<()>,
    tell: &mut dyn FnMut(&StreamSummary),
) -> BackendComparison {
    let mut compared = BackendComparison::default();
    for backend in request.spec.backends() {
        if is_disconnected(cancel) {
            break;
        }
        let mut opening = request.opening();
        (opening.backend, opening.isolation) = (Some(backend), Isolation::On);
        let mut summary = open_and_watch(opening, Instant::now() + PATIENCE, cancel);
        summary.backend = Some(backend);
        tell(&summary);
        compared.rows.push(summary);
    }
    compared.best = best(&compared.rows);
    compared
}

/// Of those that give as many frames as the best one the one that loses fewest, and of these the one that costs least.
fn best(rows: &[StreamSummary]) -> Option<Backend> {
    let most = rows.iter().filter_map(|row| row.fps).fold(0.0, f64::max);
    let is_good =
        |row: &&StreamSummary| row.fault.is_none() && row.fps.is_some_and(|fps| criteria::is_as_fast(fps, most));
    let cost = |row: &StreamSummary| row.cpu_percent.unwrap_or(f64::MAX);
    rows.iter()
        .filter(is_good)
        .min_by(|a, b| {
            (a.n_lost + a.n_damaged).cmp(&(b.n_lost + b.n_damaged)).then_with(|| cost(a).total_cmp(&cost(b)))
        })
        .and_then(|row| row.backend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, FaultKind};

    /// Rate, losses and cost of each; a negative rate is one that does not start.
    #[track_caller]
    fn check(rows: &[(Backend, f64, u64, f64)], expected: Option<Backend>) {
        let row = |(backend, fps, n_lost, cpu): &(Backend, f64, u64, f64)| StreamSummary {
            backend: Some(*backend),
            fps: (*fps > 0.0).then_some(*fps),
            n_lost: *n_lost,
            cpu_percent: Some(*cpu),
            fault: (*fps < 0.0).then(|| Fault::new(FaultKind::OpenFailed, "test")),
            ..StreamSummary::default()
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        assert_eq!(best(&rows), expected, "{rows:?}");
    }

    #[test]
    fn the_best_backend_gives_most_loses_least_and_costs_little() {
        use Backend::{Gstreamer, Native, V4l2};
        check(&[], None);
        check(&[(V4l2, -1.0, 0, 0.0), (Native, -1.0, 0, 0.0)], None);
        check(&[(V4l2, 30.0, 0, 9.0), (Native, 10.0, 0, 1.0)], Some(V4l2));
        check(&[(V4l2, 29.9, 0, 9.0), (Native, 30.0, 0, 3.0)], Some(Native));
        check(&[(V4l2, 29.9, 0, 9.0), (Native, 30.0, 7, 3.0)], Some(V4l2));
        check(&[(V4l2, -1.0, 0, 0.0), (Gstreamer, 15.0, 2, 50.0)], Some(Gstreamer));
    }
}
