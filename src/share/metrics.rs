//! The numbers of the cameras for Prometheus, in its text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::sync::Arc;

use crate::recorder::RecorderNews;
use crate::recorder::storage::{CallTimes, StorageHealth, StorageState};
use crate::status::{AlertName, State, Status};
use crate::uptime::UptimeTotals;

/// One camera at one moment.
#[derive(Clone)]
pub struct CameraMetrics {
    pub source: String,
    pub status: Arc<Status>,
    pub totals: UptimeTotals,
    /// Where it is recorded.
    pub recorder: Option<RecorderNews>,
}

impl CameraMetrics {
    /// A value of its recording or of the disk that it goes to.
    fn recorded(&self, value: impl FnOnce(&RecorderNews) -> Option<f64>) -> Vec<(Labels, f64)> {
        maybe(self.recorder.as_ref().and_then(value))
    }

    /// How long calls to that disk took, in seconds.
    fn calls(&self, times: impl FnOnce(&StorageHealth) -> Option<CallTimes>) -> Vec<(Labels, f64)> {
        let times = self.recorder.as_ref().and_then(|news| times(&news.storage));
        let of = |times: CallTimes| [("median", times.p50), ("p95", times.p95), ("longest", times.max)];
        let labelled = |(which, ms)| (vec![("which", String::from(which))], ms / 1_000.0);
        times.map(of).into_iter().flatten().map(labelled).collect()
    }
}

type Labels = Vec<(&'static str, String)>;

/// A metric: name, type, help, and its values of a camera.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&CameraMetrics) -> Vec<(Labels, f64)>,
}

const fn family(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&CameraMetrics) -> Vec<(Labels, f64)>,
) -> Family {
    Family { name, kind, help, values }
}

fn one(value: f64) -> Vec<(Labels, f64)> {
    vec![(Vec::new(), value)]
}

fn maybe(value: Option<f64>) -> Vec<(Labels, f64)> {
    value.map(one).unwrap_or_default()
}

const STORAGE_STATES: [StorageState; 4] =
    [StorageState::Good, StorageState::Slow, StorageState::Full, StorageState::Gone];

/// Everything that is served. The names stay: dashboards know them.
const FAMILIES: &[Family] = &[
    family("camera_info", "gauge", "What the camera is; always 1.", |sample| {
        let status = &sample.status;
        vec![(vec![("name", status.name.to_string()), ("backend", status.backend.clone())], 1.0)]
    }),
    family("camera_up", "gauge", "Whether a live picture comes.", |sample| {
        one(f64::from(u8::from(sample.status.is_capturing)))
    }),
    family("camera_healthy", "gauge", "Whether a live picture comes and the score is good.", |sample| {
        one(f64::from(u8::from(sample.status.is_healthy)))
    }),
    family("camera_state", "gauge", "1 for the state in which the camera is, 0 for the others.", |sample| {
        let of = |state: State| f64::from(u8::from(sample.status.state == state));
        State::ALL.iter().map(|state| (vec![("state", state.slug().to_owned())], of(*state))).collect()
    }),
    family("camera_health_score", "gauge", "Health score, 0 to 100.", |sample| {
        maybe(sample.status.health_score.map(f64::from))
    }),
    family("camera_frames_per_second", "gauge", "Good frames a second, over the last two seconds.", |sample| {
        one(sample.status.fps)
    }),
    family("camera_width_pixels", "gauge", "Width of the picture.", |sample| one(f64::from(sample.status.width))),
    family("camera_height_pixels", "gauge", "Height of the picture.", |sample| one(f64::from(sample.status.height))),
    family("camera_frames_total", "counter", "Good frames.", |sample| one(sample.status.frames as f64)),
    family(
        "camera_frames_dropped_total",
        "counter",
        "Frames that the camera made and nobody saw, by place.",
        |sample| {
            let drops = sample.status.drops;
            let place = |name: &str, n: u64| (vec![("place", name.to_owned())], n as f64);
            vec![place("camera", drops.camera), place("damaged", drops.damaged)]
        },
    ),
    family("camera_last_frame_age_seconds", "gauge", "Age of the newest good frame.", |sample| {
        maybe(sample.status.last_frame_age_secs)
    }),
    family(
        "camera_latency_seconds",
        "gauge",
        "From the driver's hand-over to the decoded picture, smoothed.",
        |sample| maybe(sample.status.latency_ms.map(|ms| ms / 1_000.0)),
    ),
    family("camera_consecutive_failures", "gauge", "Failures since the last good frame.", |sample| {
        one(f64::from(sample.status.consecutive_failures))
    }),
    family("camera_recovery_attempts", "gauge", "Reconnections since the last good frame.", |sample| {
        one(f64::from(sample.status.recovery_attempts))
    }),
    family(
        "camera_outage_seconds",
        "gauge",
        "How long there has been no live picture; 0 while there is one.",
        |sample| one(sample.status.outage_secs.unwrap_or(0.0)),
    ),
    family("camera_outages_total", "counter", "Times without a live picture that something failed in.", |sample| {
        one(f64::from(sample.totals.outages))
    }),
    family("camera_recoveries_total", "counter", "Outages that have ended.", |sample| {
        one(f64::from(sample.totals.recoveries))
    }),
    family("camera_down_seconds_total", "counter", "All outages together, the one that goes on included.", |sample| {
        one(sample.totals.outage_secs)
    }),
    family("camera_alert", "gauge", "1 while the alert stands open.", |sample| {
        let alerts = [AlertName::CameraIssue, AlertName::CameraCritical];
        let is_open = |name| sample.status.alerts.iter().any(|alert| alert.name == name);
        let one = |name: AlertName| (vec![("alert", name.as_str().to_owned())], f64::from(u8::from(is_open(name))));
        alerts.into_iter().map(one).collect()
    }),
    family("camera_fault", "gauge", "1 for the kind of the last fault, while there is one.", |sample| {
        let fault = sample.status.last_fault.iter();
        fault.map(|fault| (vec![("kind", fault.kind.slug().to_owned())], 1.0)).collect()
    }),
    family("camera_reboot_advised", "gauge", "Whether a restart of the computer is what is left.", |sample| {
        one(f64::from(u8::from(sample.status.should_reboot)))
    }),
    family("recording_up", "gauge", "Whether a clip is being written.", |sample| {
        sample.recorded(|news| Some(f64::from(u8::from(news.recording.is_writing))))
    }),
    family("recording_trouble", "gauge", "Whether something is not written that should be.", |sample| {
        sample.recorded(|news| Some(f64::from(u8::from(news.recording.trouble.is_some()))))
    }),
    family("recording_clips_total", "counter", "Clips that were closed.", |sample| {
        sample.recorded(|news| Some(news.recording.clips as f64))
    }),
    family("recording_pictures_total", "counter", "Pictures that were recorded.", |sample| {
        sample.recorded(|news| Some(news.recording.pictures as f64))
    }),
    family("recording_pictures_lost_total", "counter", "Pictures that were to be recorded and are not.", |sample| {
        sample.recorded(|news| Some(news.recording.lost as f64))
    }),
    family("storage_state", "gauge", "1 for the state of the disk of the clips, 0 for the others.", |sample| {
        let Some(news) = &sample.recorder else { return Vec::new() };
        let is = |state: StorageState| f64::from(u8::from(news.storage.state == state));
        let name = |state: StorageState| serde_json::to_value(state).ok()?.as_str().map(str::to_owned);
        STORAGE_STATES.iter().filter_map(|state| Some((vec![("state", name(*state)?)], is(*state)))).collect()
    }),
    family("storage_free_bytes", "gauge", "Room on the disk of the clips.", |sample| {
        sample.recorded(|news| news.storage.free_bytes.map(|bytes| bytes as f64))
    }),
    family("storage_left_seconds", "gauge", "Until that disk is full at the rate of the last minute.", |sample| {
        sample.recorded(|news| news.storage.hours_left.map(|hours| hours * 3_600.0))
    }),
    family("storage_written_bytes_per_second", "gauge", "What is written to it, over the last minute.", |sample| {
        sample.recorded(|news| Some(news.storage.mb_per_sec * 1e6))
    }),
    family("storage_write_seconds", "gauge", "How long writing to it took in the last minute.", |sample| {
        sample.calls(|storage| storage.write_ms)
    }),
    family("storage_sync_seconds", "gauge", "How long it took to have all of it on the disk.", |sample| {
        sample.calls(|storage| storage.sync_ms)
    }),
    family("storage_queue_bytes", "gauge", "What waits to be written.", |sample| {
        sample.recorded(|news| Some(news.storage.queue_bytes as f64))
    }),
    family("storage_queue_seconds", "gauge", "The same as time of recording.", |sample| {
        sample.recorded(|news| Some(news.storage.queue_secs))
    }),
    family("storage_pictures_dropped_total", "counter", "Pictures for which the disk was too slow.", |sample| {
        sample.recorded(|news| Some(news.storage.dropped as f64))
    }),
];

/// All of it.
pub fn render(samples: &[CameraMetrics]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# HELP camclinic_build_info Which Camclinic this is; always 1.\n# TYPE camclinic_build_info gauge\n\
         camclinic_build_info{{version=\"{version}\"}} 1\n"
    );
    for Family { name, kind, help, values } in FAMILIES {
        text += &format!("# HELP camclinic_{name} {help}\n# TYPE camclinic_{name} {kind}\n");
        for sample in samples {
            for (labels, value) in values(sample) {
                text += &format!("camclinic_{name}{{source=\"{}\"", escaped(&sample.source));
                for (label, value) in labels {
                    text += &format!(",{label}=\"{}\"", escaped(&value));
                }
                text += &format!("}} {value}\n");
            }
        }
    }
    text
}

/// As the format wants the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
