//! All that a check-up has found out, as plain data.
//!
//! Evidence and judgement are apart: checks fill this in, entries of the catalogue judge it. So what was found on one
//! computer can be kept, sent and judged again on another, of whatever system; and a judgement is tested without a camera.
//! `None` is what nobody has looked at, or what cannot be seen here: it proves nothing.

use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::backend::Backend;
use crate::control::Control;
pub use crate::device::KernelLine;
use crate::device::{Capabilities, Device, Holder, System, UsbState};
use crate::fault::Fault;
use crate::frame::Size;
use crate::network::{self, PacketEvidence, TestStep};
use crate::picture::PictureStats;
use crate::status::{Asked, Got};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Where the camera is plugged in.
    pub system: System,
    pub source: SourceFacts,
    pub computer: Option<ComputerFacts>,
    pub presence: Option<PresenceFacts>,
    pub access: Option<AccessFacts>,
    pub holders: Option<Vec<Holder>>,
    pub usb: Option<UsbState>,
    /// What the kernel said of this device; `None` where it is not for everybody to read.
    pub kernel: Option<Vec<KernelLine>>,
    /// Formats and controls.
    pub abilities: Option<Capabilities>,
    /// Why the driver has not told them.
    pub unanswered: Option<Fault>,
    pub conversation: Option<ConversationFacts>,
    pub opening: Option<OpeningFacts>,
    pub stream: Option<StreamFacts>,
    pub picture: Option<PictureStats>,
    pub time: Option<ClockFacts>,
    pub folder: Option<FolderFacts>,
    /// Faults of this camera that are over, by its log; `None` where nobody has looked.
    pub past: Option<Vec<PastFault>>,
    /// In the order in which they were made.
    pub experiments: Vec<Experiment>,
}

/// A fault that came, and went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastFault {
    /// As it was last.
    pub fault: Fault,
    pub n: u32,
    pub first_secs_ago: f64,
    pub last_secs_ago: f64,
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceFacts {
    pub kind: SourceKind,
    /// As the status names it: without a password.
    pub name: String,
    /// It was streaming already, in this program, and was not disturbed.
    pub is_live: bool,
    /// The backend that was asked for; `None` is `auto`.
    pub backend: Option<Backend>,
    pub asked: Asked,
    /// That its address asks for.
    pub size_in_address: Option<Size>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    #[default]
    Device,
    Simulated,
    File,
    Network,
}

/// What the computer has left for a camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComputerFacts {
    pub n_cores: u32,
    /// Load of all cores together, 0 to 100.
    pub cpu_percent: f64,
    /// How late a timer rings, of 95 in 100 times: a program that waits for frames is late by as much.
    pub timer_late_ms: Option<f64>,
    /// The busiest other program, with its share of one core in percent.
    pub busiest: Option<(String, f64)>,
    /// `camclinic-worker`, in percent of one core, while it streamed.
    pub worker_cpu_percent: Option<f64>,
    /// Its thread that reads the camera: how much of the time it ran, and how much it could have run and was given no processor.
    pub worker_ran_percent: Option<f64>,
    pub worker_waited_percent: Option<f64>,
    /// How much of the time anything here could not go on for want of a processor, or of a disk.
    pub cpu_pressure_percent: Option<f64>,
    pub disk_pressure_percent: Option<f64>,
    pub free_memory_bytes: u64,
    pub total_memory_bytes: u64,
    /// The clock of the processors is held down because of heat or weak power, as far as the system tells.
    pub is_throttled: Option<bool>,
    /// Temperature of the hottest sensor.
    pub celsius: Option<f64>,
    /// The program runs in one of these, which may keep devices from it: `snap`, `flatpak`, `docker`, `podman`, `lxc`, `wsl`, a virtual machine.
    pub confinement: Option<String>,
    /// Seconds since the computer last woke from sleep, where it has slept.
    pub resumed_secs_ago: Option<f64>,
}

/// Whether the camera is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PresenceFacts {
    /// The device as the system lists it; `None` where there is none.
    pub device: Option<Device>,
    /// Why there is no device: no such node, a metadata node, a codec, no driver.
    pub fault: Option<Fault>,
    /// How many cameras the system lists.
    pub n_listed: u32,
    /// Plugged in, and taken by no driver.
    pub undriven: Vec<Fault>,
    /// The camera that this place (number, path) had when it was last used, by its identity, where that was another; and where that
    /// one is now.
    pub was: Option<String>,
    pub was_moved_to: Option<String>,
    /// Its siblings: nodes or interfaces of the same device, by identity.
    pub siblings: Vec<Device>,
    /// The kernel has the node, though this program may not see it in `/dev` (F11).
    pub is_known_to_kernel: Option<bool>,
    /// How often it came and went within the last hour.
    pub n_replugs: Option<u32>,
    /// It was there, and was not any more when something had failed.
    pub has_gone: Option<bool>,
}

/// Whether this program may open it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessFacts {
    pub fault: Option<Fault>,
    /// The node's own rights would allow it: whoever refuses is somebody else (F11).
    pub is_allowed_by_node: Option<bool>,
    /// Security software that is known to keep cameras from programs and runs, by name (F13).
    pub shields: Vec<String>,
}

/// With a network camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationFacts {
    pub steps: Vec<TestStep>,
    pub finding: Option<ConversationFinding>,
    pub measured: network::StreamMeasurements,
}

/// What stands in the way of a network camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversationFinding {
    /// `F83`
    pub entry: String,
    pub fault: Fault,
    pub confidence: f64,
}

/// How the camera was opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpeningFacts {
    pub backend: Option<Backend>,
    /// What the device took to open, without the start of a process for it; or until opening had failed.
    pub open_ms: u64,
    /// From the start of opening to the first good frame; `None` where none came.
    pub first_frame_ms: Option<u64>,
    /// Why there is no stream. Where both this and the first frame are missing, nobody waited for one.
    pub fault: Option<Fault>,
    pub got: Got,
    /// Load of all cores together while it was opened, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// The function of the kernel in which a call waits that does not return.
    pub kernel_function: Option<String>,
    /// Closing took longer than it may.
    pub is_slow_to_close: bool,
}

/// How frames came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamFacts {
    /// From the first frame to the last.
    pub secs: f64,
    pub n_good: u64,
    /// Gaps in the driver's own count.
    pub n_lost: u64,
    /// Gaps while this computer was too busy to ask in time.
    pub n_late: u64,
    /// The driver counts its frames: without that, what is lost leaves no gap.
    pub is_counted: Option<bool>,
    /// Came, and could not be decoded.
    pub n_damaged: u64,
    /// Calls for a frame that failed, damage aside.
    pub n_failed: u64,
    /// Frames a second that came, and that the camera made.
    pub fps: Option<f64>,
    pub made_fps: Option<f64>,
    /// What the device agreed to.
    pub agreed_fps: Option<f64>,
    /// Intervals between frames: half, 95 and 99 of 100 are not longer.
    pub interval_ms: Option<[f64; 3]>,
    /// From the driver's hand-over to the decoded picture, of half of the frames.
    pub decode_ms: Option<f64>,
    /// Every size that came, in order.
    pub sizes: Vec<Size>,
    /// How often each picture came, byte for byte, where nearly all of them came more often than once and none for long.
    pub times_each: Option<f64>,
    /// Why it ended, if it did.
    pub ended: Option<Fault>,
    /// The last damage or failure.
    pub last_fault: Option<Fault>,
    /// How often none came for a second, and for as long as a slow camera's stall takes to be one; and for how long at most.
    pub n_pauses: u32,
    pub longest_pause_secs: f64,
    /// How often a frame's time was before that of the frame before.
    pub n_back: u64,
    /// Frames wait for so long in queues before they are handed out, as far as it can be told.
    pub age_ms: Option<f64>,
    /// How much older frames were at the end than at the beginning.
    pub age_growth_ms: Option<f64>,
    /// Controls as they stood while it streamed.
    pub controls: Vec<Control>,
    /// What its packets have shown, of a network camera that sends such.
    pub packets: Option<PacketEvidence>,
}

/// The clocks of the computer and of the camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockFacts {
    /// The wall clock moved against the steady one while it was watched.
    pub wall_step_secs: Option<f64>,
    /// The camera's clock runs so much fast (or slow), in millionths, over [`Self::drift_secs`].
    pub drift_ppm: Option<f64>,
    pub drift_secs: f64,
    /// The computer's clock shows a time before this program was made, so that certificates seem not yet valid.
    pub is_year_wrong: bool,
}

/// Where pictures and recordings go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderFacts {
    pub path: String,
    pub free_bytes: Option<u64>,
    /// Writing a small file there failed.
    pub error: Option<Fault>,
    /// How long writing that file took.
    pub write_ms: Option<f64>,
    /// The folder is on a network share or an external disk.
    pub is_remote: bool,
}

/// Something that was tried, and undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name in the table of experiments: `other-format`.
    pub id: String,
    /// What was different: `MJPG`, `320x240`, `native`.
    pub with: String,
    /// What the window can do so that the change stays.
    #[serde(default)]
    pub action: Option<Action>,
    pub before: StreamSummary,
    pub after: StreamSummary,
}

/// A stream in few numbers, to be compared with another one of the same camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSummary {
    pub backend: Option<Backend>,
    pub open_ms: Option<u64>,
    pub first_frame_ms: Option<u64>,
    pub fps: Option<f64>,
    /// What 95 of 100 intervals exceed the usual one by, at most.
    pub jitter_ms: Option<f64>,
    pub n_lost: u64,
    pub n_damaged: u64,
    pub got: Got,
    /// Load of the capture process, in percent of one core.
    pub cpu_percent: Option<f64>,
    pub fault: Option<Fault>,
    /// Mean brightness of the pictures, 0 to 255.
    pub mean: Option<f64>,
    /// Their mean colour: blue, green, red.
    pub bgr: Option<[f64; 3]>,
    /// Strength of bands by mains light.
    pub banding: Option<f64>,
}
