//! What the user can set and what outlives the program: of each camera, and of the program itself.
//!
//! Deliberately not here: what is asked of a camera by the command line of one run, which stands in place of its settings
//! and is not saved by a command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::backend::Backend;
use crate::control::ControlSetting;
use crate::foreign::is_invisible;
use crate::phrases::Language;
use crate::status::Asked;

mod file;
mod merge;
mod migration;
mod readable;
mod tunables;

pub use file::{Loaded, Notice, SettingsFile};
pub use tunables::*;

/// The version of the file's layout that this program writes.
pub const VERSION: u32 = 2;

/// More cameras than that are not shown side by side.
pub const MAX_SHOWN: usize = 16;

/// Of a name that the user gives a camera.
pub const MAX_NAME_CHARS: usize = 60;

/// All settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub version: u32,
    /// Cameras that were shown or set up. Their order says nothing.
    pub cameras: Vec<CameraSettings>,
    /// What a camera starts with that is not among them. It has neither a number nor a source.
    pub new_camera: CameraSettings,
    pub shown: ShownCameras,
    pub network: NetworkSettings,
    pub snapshot: SnapshotSettings,
    pub clips: ClipSettings,
    pub window: WindowSettings,
    /// In which the check-up and the report speak; `None` is the system's, else English.
    pub language: Option<Language>,
}

/// The number of a camera in the settings. While the program runs it is never given to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CameraId(pub u32);

impl CameraId {
    /// Of a camera that is not listed in the settings.
    pub const UNLISTED: Self = Self(0);

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_unlisted(&self) -> bool {
        *self == Self::UNLISTED
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One camera: which it is, how it is opened, and what is done when it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraSettings {
    #[serde(skip_serializing_if = "CameraId::is_unlisted")]
    pub id: CameraId,
    /// Given by the user; `None` is the camera's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As a source is typed, without its password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `None` is `auto`.
    pub backend: Option<Backend>,
    /// What `auto` means for this camera, where a comparison of backends has shown it.
    pub best_backend: Option<Backend>,
    pub asked: Asked,
    pub isolation: Isolation,
    /// Pictures thrown away after opening, while exposure and decoder settle.
    pub n_warm_up_frames: u32,
    pub transport: Transport,
    /// Of snapshots that are saved as JPEG.
    pub jpeg_quality_percent: u32,
    pub recovery: RecoverySettings,
    pub recording: RecordingSettings,
    pub control_presets: ControlPresets,
}

/// Which cameras the window shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShownCameras {
    /// In the order of the tiles. Empty takes the first real camera, else the simulated one.
    pub cameras: Vec<CameraId>,
    /// The one that inspector, plot and log are about.
    pub selected: Option<CameraId>,
    /// The selected one fills the window.
    pub is_alone: bool,
}

/// By number, from 1 to [`N_CONTROL_PRESETS`].
pub type ControlPresets = BTreeMap<u8, Vec<ControlSetting>>;

pub const N_CONTROL_PRESETS: u8 = 4;

/// Who paints the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RendererChoice {
    /// OpenGL, unless it is missing or software itself.
    #[default]
    Auto,
    Gl,
    Software,
}

/// Whether a backend runs in a process of its own, where it can neither hang nor kill the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Everything but the simulated camera.
    #[default]
    Auto,
    On,
    /// Only what cannot do without: OpenCV.
    Off,
}

/// When a camera counts as failed, and what is done then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct RecoverySettings {
    /// Whether anything is tried without being asked.
    pub automatic: bool,
    /// Failed reads that are simply tried again, with growing pauses, before the stream is restarted.
    pub n_retries: u32,
    pub base_delay_secs: f64,
    /// Each pause is this many times the one before.
    pub delay_growth: f64,
    /// Failures in a row that close the camera and open it again, where reading on is possible at all.
    pub n_failures_before_reconnect: u32,
    /// Reconnections in a row before recovery rests for `cooldown_secs`, and before the device is reset.
    pub n_recovery_attempts: u32,
    pub cooldown_secs: f64,
    /// Failures in a row from which a reboot is advised, once the recovery attempts are used up.
    pub n_failures_before_reboot_advice: u32,
    pub open_deadline_secs: f64,
    pub first_frame_deadline_secs: f64,
    /// The least time without a frame that counts as a stall; five frame periods where those are longer.
    pub stall_deadline_secs: f64,
    /// Whether a reconnection that did not help may be followed by one with another format than was asked.
    pub may_change_format: bool,
    /// The same with another backend.
    pub may_change_backend: bool,
    /// Whether the device may be reset on its bus without asking each time.
    pub may_reset_device: bool,
}

/// What concerns all network cameras. No password is ever among it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    pub trusted_certificates: TrustedCertificates,
    /// Addresses without passwords, the newest first.
    pub recent: Vec<String>,
}

/// SHA-256 fingerprints, in small hexadecimal digits, of certificates that the user trusts although no authority vouches
/// for them, by `host:port`.
pub type TrustedCertificates = BTreeMap<String, String>;

/// How one network camera is spoken to. No password is ever among it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOptions {
    pub transport: Transport,
    pub trusted_certificates: TrustedCertificates,
}

/// More addresses than that are no list that somebody looks through.
pub const N_RECENT: usize = 12;

impl NetworkSettings {
    /// Puts an address at the head of the list, without its password.
    pub fn remember(&mut self, address: &Address) {
        let text = address.without_password();
        self.recent.retain(|recent| *recent != text);
        self.recent.insert(0, text);
        self.recent.truncate(N_RECENT);
    }

    /// What somebody wrote into the file by hand: no password stays in it, and nothing that is no address.
    fn put_right(&mut self) {
        let read = self.recent.iter().filter_map(|text| Address::parse(text).ok());
        let mut recent: Vec<String> = Vec::new();
        for text in read.map(|address| address.without_password()) {
            if !recent.contains(&text) && recent.len() < N_RECENT {
                recent.push(text);
            }
        }
        self.recent = recent;
    }
}

/// How the packets of an RTSP stream travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Within the RTSP connection: nothing is lost, and no firewall is in the way.
    Tcp,
    /// In packets of their own: lost ones are not sent again, late ones hold nothing up.
    Udp,
    /// TCP, and UDP where the camera refuses that.
    #[default]
    Auto,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotSettings {
    /// `None` is the system's folder for pictures.
    pub folder: Option<PathBuf>,
    pub format: SnapshotFormat,
}

/// What is kept of a camera's pictures. A recording that somebody starts by hand is none of it: it ends with the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordingSettings {
    /// A clip is written of each fault, as long as the program runs.
    pub watches_for_faults: bool,
    /// What such a clip has from before its cause.
    pub before_secs: f64,
    /// What *Record* does.
    pub method: RecordingMethod,
    /// From one picture of a time lapse to the next.
    pub time_lapse_secs: f64,
}

/// How it is recorded what somebody wants to keep whatever happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingMethod {
    /// Each picture.
    #[default]
    Continuous,
    /// A picture now and then.
    TimeLapse,
}

/// Where clips go, and how long they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipSettings {
    /// `None` is the system's folder for videos.
    pub folder: Option<PathBuf>,
    /// The mark in the chosen folder, by which it is told from an empty one where its disk is not connected.
    pub folder_id: Option<String>,
    /// Of those that are not of faults.
    pub max_age_days: u32,
    pub max_gb: f64,
    /// On the disk.
    pub min_free_gb: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotFormat {
    #[default]
    Jpeg,
    Png,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the desktop says.
    System,
    #[default]
    Dark,
    Light,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowSettings {
    pub theme: Theme,
    /// On top of the screen's own scale.
    pub scale_percent: u32,
    /// Titles of the inspector's sections that are folded away.
    pub folded_sections: Vec<String>,
    pub log_shown: bool,
    /// Width and height when it was closed, in points; a window over all of the screen does not count.
    pub size: Option<[u32; 2]>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            cameras: Vec::new(),
            new_camera: CameraSettings::default(),
            shown: ShownCameras::default(),
            network: NetworkSettings::default(),
            snapshot: SnapshotSettings::default(),
            clips: ClipSettings::default(),
            window: WindowSettings::default(),
            language: None,
        }
    }
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            id: CameraId::UNLISTED,
            name: None,
            source: String::new(),
            backend: None,
            best_backend: None,
            asked: Asked { fps: Some(30.0), n_buffers: Some(1), ..Asked::default() },
            isolation: Isolation::Auto,
            n_warm_up_frames: 5,
            transport: Transport::default(),
            jpeg_quality_percent: 85,
            recovery: RecoverySettings::default(),
            recording: RecordingSettings::default(),
            control_presets: ControlPresets::new(),
        }
    }
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self {
            automatic: true,
            n_retries: 3,
            base_delay_secs: 0.1,
            delay_growth: 2.0,
            n_failures_before_reconnect: 5,
            n_recovery_attempts: 5,
            cooldown_secs: 30.0,
            n_failures_before_reboot_advice: 10,
            open_deadline_secs: 5.0,
            first_frame_deadline_secs: 3.0,
            stall_deadline_secs: 1.0,
            may_change_format: false,
            may_change_backend: false,
            may_reset_device: false,
        }
    }
}

impl Default for RecordingSettings {
    fn default() -> Self {
        Self {
            watches_for_faults: false,
            before_secs: 10.0,
            method: RecordingMethod::Continuous,
            time_lapse_secs: 10.0,
        }
    }
}

impl Default for ClipSettings {
    fn default() -> Self {
        Self { folder: None, folder_id: None, max_age_days: 7, max_gb: 20.0, min_free_gb: 1.0 }
    }
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self { theme: Theme::Dark, scale_percent: 100, folded_sections: Vec::new(), log_shown: true, size: None }
    }
}

impl Settings {
    /// What is set for the camera of this source, which is named without its password: as it is listed, else as a new camera
    /// starts. Of several with this source it is the one that the window shows.
    #[must_use]
    pub fn camera(&self, source: &str) -> CameraSettings {
        let listed = self.saved_cameras().chain(&self.cameras).find(|camera| camera.source == source);
        listed.cloned().unwrap_or_else(|| CameraSettings { source: source.to_owned(), ..self.new_camera.clone() })
    }

    /// The camera of this number.
    #[must_use]
    pub fn listed(&self, id: CameraId) -> Option<&CameraSettings> {
        self.cameras.iter().find(|camera| camera.id == id)
    }

    /// Lists a camera: in place of the one of its number, or, without a number, under a new one. Returns its number.
    pub fn put(&mut self, mut camera: CameraSettings) -> CameraId {
        if camera.id.is_unlisted() {
            camera.id = self.free_id();
        }
        let id = camera.id;
        match self.cameras.iter_mut().find(|listed| listed.id == id) {
            Some(listed) => *listed = camera,
            None => self.cameras.push(camera),
        }
        id
    }

    /// The camera to which the user has given this name; capitals do not count.
    #[must_use]
    pub fn called(&self, name: &str) -> Option<&CameraSettings> {
        let name = name.trim().to_lowercase();
        let is_it = |camera: &&CameraSettings| camera.name.as_ref().is_some_and(|given| given.to_lowercase() == name);
        self.cameras.iter().find(is_it)
    }

    fn free_id(&self) -> CameraId {
        self.free_ids().next().unwrap_or_default()
    }

    /// Numbers that no camera of the list has: those above all of theirs, then those between.
    fn free_ids(&self) -> impl Iterator<Item = CameraId> + use<> {
        let taken: BTreeSet<u32> = self.cameras.iter().map(|camera| camera.id.0).collect();
        let most = taken.last().copied().unwrap_or(0);
        let above = most.checked_add(1).into_iter().flat_map(|next| next..=u32::MAX);
        above.chain(1..most).filter(move |id| !taken.contains(id)).map(CameraId)
    }

    /// The defaults, but for which cameras there are.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let cameras = self.cameras.iter().map(CameraSettings::with_defaults).collect();
        Self { cameras, shown: self.shown.clone(), ..Self::default() }
    }

    /// The cameras that a command takes which names none, the first that can be used of them: the one that the window has selected,
    /// then those that it shows.
    pub fn saved_cameras(&self) -> impl Iterator<Item = &CameraSettings> {
        let ids = self.shown.selected.iter().chain(&self.shown.cameras);
        ids.filter_map(|id| self.listed(*id))
    }

    /// The folder for snapshots: the chosen one, else the system's for pictures, else the current one.
    #[must_use]
    pub fn snapshot_folder(&self) -> PathBuf {
        self.snapshot.folder.clone().unwrap_or_else(|| {
            directories::UserDirs::new()
                .and_then(|dirs| dirs.picture_dir().map(Path::to_owned).or_else(|| Some(dirs.home_dir().to_owned())))
                .unwrap_or_else(|| PathBuf::from("."))
                .join("Camclinic")
        })
    }

    /// The folder for clips: the chosen one, else the system's for videos; `None` where the system names none.
    #[must_use]
    pub fn clip_folder(&self) -> Option<PathBuf> {
        self.clips.folder.clone().or_else(|| {
            let folders = directories::UserDirs::new()?;
            Some(folders.video_dir().unwrap_or(folders.home_dir()).join("Camclinic"))
        })
    }

    /// From now on clips go there.
    pub fn choose_clip_folder(&mut self, folder: Option<PathBuf>) {
        self.clips.folder = folder;
        self.clips.folder_id = None;
    }

    /// Brings every number into its range, and takes out what cannot be. Returns what was put right, for the user.
    fn put_right(&mut self) -> Vec<String> {
        let mut notices: Vec<_> = PROGRAM_TUNABLES.iter().filter_map(|tunable| tunable.put_right(self, "")).collect();
        self.new_camera = self.new_camera.for_new_cameras();
        notices.extend(self.new_camera.put_right());
        let mut free = self.free_ids();
        let mut taken = BTreeSet::from([CameraId::UNLISTED]);
        self.cameras.retain(|camera| !camera.source.is_empty());
        for camera in &mut self.cameras {
            // A number that is missing, or there twice.
            if !taken.insert(camera.id) {
                camera.id = free.next().unwrap_or_default();
            }
            notices.extend(camera.put_right());
        }
        self.network.put_right();
        let Self { cameras, shown, new_camera, .. } = self;
        // Each that is there, once.
        let mut there: BTreeSet<_> = cameras.iter().map(|camera| camera.id).collect();
        shown.cameras.retain(|id| there.remove(id));
        shown.cameras.truncate(MAX_SHOWN);
        shown.selected = shown.selected.filter(|id| shown.cameras.contains(id));
        // Of one that is not shown and is as every new camera, nothing is lost.
        cameras.retain(|camera| shown.cameras.contains(&camera.id) || !camera.is_as(new_camera));
        notices
    }
}

impl CameraSettings {
    /// What the camera is called where nothing else is known of it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.source)
    }

    /// The defaults, but for which camera it is.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        Self { id: self.id, name: self.name.clone(), source: self.source.clone(), ..Self::default() }
    }

    /// What other cameras can take over of it.
    #[must_use]
    pub fn for_new_cameras(&self) -> Self {
        Self {
            id: CameraId::UNLISTED,
            name: None,
            source: String::new(),
            best_backend: None,
            control_presets: ControlPresets::new(),
            ..self.clone()
        }
    }

    /// How it is spoken to, if it is a network camera.
    #[must_use]
    pub fn network(&self, trusted_certificates: &TrustedCertificates) -> NetworkOptions {
        NetworkOptions { transport: self.transport, trusted_certificates: trusted_certificates.clone() }
    }

    /// Gives it a name; an empty one takes it away.
    pub fn rename(&mut self, name: &str) {
        let name: String = name.chars().filter(|c| !is_invisible(*c)).collect();
        let name: String = name.trim().chars().take(MAX_NAME_CHARS).collect();
        self.name = Some(name.trim_end().to_owned()).filter(|name| !name.is_empty());
    }

    /// Whether it is as another camera in all but which camera it is.
    fn is_as(&self, other: &Self) -> bool {
        *self == Self { id: self.id, source: self.source.clone(), ..other.clone() }
    }

    /// The name that its notices have. A source that somebody wrote by hand is no part of it: it may hold a password.
    fn named_in_notices(&self) -> String {
        match (&self.name, self.id) {
            (Some(name), _) => name.clone(),
            (None, CameraId::UNLISTED) => "new cameras".to_owned(),
            (None, id) => format!("camera {id}"),
        }
    }

    fn put_right(&mut self) -> Vec<String> {
        if let Ok(address) = Address::parse(&self.source) {
            self.source = address.without_password();
        }
        if let Some(given) = self.name.take() {
            self.rename(&given);
        }
        let name = &self.named_in_notices();
        let mut notices: Vec<_> = CAMERA_TUNABLES.iter().filter_map(|tunable| tunable.put_right(self, name)).collect();
        if self.asked.size.is_some_and(|size| crate::frame::Size::new(size.width, size.height).is_none()) {
            self.asked.size = None;
            notices.push(format!(
                "The picture size of {name} in the settings file is impossible, so the device's default is used."
            ));
        }
        notices
    }
}

/// Names another folder for log and history.
pub const DATA_VARIABLE: &str = "CAMCLINIC_DATA";

/// The folder for log and history: the one that the environment variable [`DATA_VARIABLE`] names, else the system's for
/// what programs note down; `None` where the system names no home folder.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty()) {
        return Some(PathBuf::from(folder));
    }
    let folders = directories::ProjectDirs::from("", "", "camclinic")?;
    Some(folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_owned())
}

/// Seconds from a setting. The ranges exclude what `Duration` cannot hold.
#[must_use]
pub fn secs(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_addresses_are_few_and_hold_no_password() {
        let mut network = NetworkSettings::default();
        for n in 0..20 {
            network.remember(&Address::parse(&format!("rtsp://admin:geheim@cam{n}/1?pwd=geheim")).unwrap());
        }
        network.remember(&Address::parse("rtsp://admin:other@cam15:554/1?pwd=other").unwrap());
        assert_eq!(network.recent.len(), N_RECENT);
        assert_eq!(network.recent[..2], ["rtsp://admin@cam15/1?pwd=", "rtsp://admin@cam19/1?pwd="]);
        assert!(!network.recent.join(" ").contains("geheim"));
    }

    #[test]
    fn a_camera_is_listed_under_a_number_of_its_own() {
        let mut settings = Settings::default();
        settings.new_camera.n_warm_up_frames = 3;
        let first = settings.put(settings.camera("sim:"));
        let second = settings.put(CameraSettings { id: CameraId::UNLISTED, ..settings.camera("sim:") });
        assert_ne!(first, second);
        let mut changed = settings.listed(second).unwrap().clone();
        changed.source = "0".to_owned();
        assert_eq!(settings.put(changed), second);
        assert_eq!(settings.camera("0").id, second);
        assert_eq!(settings.camera("sim:").id, first);
        assert_eq!(settings.camera("1"), CameraSettings { source: "1".into(), ..settings.new_camera.clone() });
    }

    #[test]
    fn a_new_number_is_nobody_elses() {
        #[track_caller]
        fn check(ids: &[u32], free: &[u32]) {
            let camera =
                |id: &u32| CameraSettings { id: CameraId(*id), source: "sim:".to_owned(), ..Default::default() };
            let mut settings = Settings { cameras: ids.iter().map(camera).collect(), ..Settings::default() };
            let found: Vec<_> = settings.free_ids().map(|id| id.0).take(free.len()).collect();
            assert_eq!(found, free, "{ids:?}");
            let n_shown = ids.len() + 1;
            let new = settings.put(settings.camera("sim:64x48"));
            assert_eq!(settings.cameras.len(), n_shown, "{ids:?}: nobody else is replaced");
            assert_eq!(settings.listed(new).unwrap().source, "sim:64x48");
            // Each has another one once the file is put right, and one that is its own is kept.
            settings.new_camera.n_warm_up_frames = 7;
            settings.put_right();
            let right: BTreeSet<_> = settings.cameras.iter().map(|camera| camera.id.0).collect();
            assert_eq!(right.len(), n_shown, "{ids:?}: {right:?}");
            assert!(!right.contains(&0) && ids.iter().all(|id| *id == 0 || right.contains(id)), "{ids:?}: {right:?}");
        }
        const MAX: u32 = u32::MAX;
        check(&[], &[1, 2]);
        check(&[3, 1], &[4, 5]);
        check(&[0, 0, 3, 3], &[4, 5]);
        check(&[MAX], &[1, 2]);
        check(&[MAX, 1, 3], &[2, 4]);
        check(&[MAX, MAX, MAX, 1], &[2, 3]);
        check(&[MAX - 1], &[MAX, 1]);
        check(&[0, 0, MAX, MAX], &[1, 2]);
    }
}
