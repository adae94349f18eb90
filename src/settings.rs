//! Every tunable with its unit, range and default; reading, writing and migrating the settings file.
//!
//! The file is JSON. It is written to a neighbour first and then renamed, so that it is whole at every moment; a file
//! that cannot be understood is set aside under another name, never overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::Address;
use crate::backend::Backend;
use crate::control::ControlSetting;
use crate::phrases::Language;
use crate::status::Asked;

/// The version of the file's layout that this program writes.
pub const VERSION: u32 = 1;

/// Everything that the user can set and that outlives the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub version: u32,
    /// The camera to open at the start, without its password; `None` takes the first real one, else `sim:`.
    pub source: Option<String>,
    /// `None` is `auto`.
    pub backend: Option<Backend>,
    /// What `auto` means for a camera, by its source without password, where a comparison has shown it.
    pub camera_backends: BTreeMap<String, Backend>,
    pub asked: Asked,
    pub isolation: Isolation,
    /// Pictures thrown away after opening, while exposure and decoder settle.
    pub n_warm_up_frames: u32,
    pub recovery: RecoverySettings,
    pub network: NetworkSettings,
    pub snapshot: SnapshotSettings,
    pub window: WindowSettings,
    /// In which the check-up and the report speak; `None` is the system's, else English.
    pub language: Option<Language>,
    /// Values of controls that are kept for a camera, by its source without password.
    pub control_presets: BTreeMap<String, ControlPresets>,
}

/// By number, from 1 to [`N_CONTROL_PRESETS`].
pub type ControlPresets = BTreeMap<u8, Vec<ControlSetting>>;

pub const N_CONTROL_PRESETS: u8 = 4;

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

/// What concerns network cameras alone. No password is ever among it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    pub transport: Transport,
    /// SHA-256 fingerprints, in small hexadecimal digits, of certificates that the user trusts although no authority
    /// vouches for them, by `host:port`.
    pub trusted_certificates: BTreeMap<String, String>,
    /// Addresses without passwords, the newest first.
    pub recent: Vec<String>,
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
    #[default]
    Tcp,
    /// In packets of their own: lost ones are not sent again, late ones hold nothing up.
    Udp,
    /// TCP, and UDP where the camera refuses that.
    Auto,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotSettings {
    /// `None` is the system's folder for pictures.
    pub folder: Option<PathBuf>,
    pub format: SnapshotFormat,
    pub jpeg_quality_percent: u32,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            source: None,
            backend: None,
            camera_backends: BTreeMap::new(),
            asked: Asked { fps: Some(30.0), n_buffers: Some(1), ..Asked::default() },
            isolation: Isolation::Auto,
            n_warm_up_frames: 5,
            recovery: RecoverySettings::default(),
            network: NetworkSettings::default(),
            snapshot: SnapshotSettings::default(),
            window: WindowSettings::default(),
            language: None,
            control_presets: BTreeMap::new(),
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

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { folder: None, format: SnapshotFormat::Jpeg, jpeg_quality_percent: 85 }
    }
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self { theme: Theme::Dark, scale_percent: 100, folded_sections: Vec::new(), log_shown: true }
    }
}

/// A number of the settings: how it is shown, and what it may be.
pub struct Tunable {
    /// Its path in the settings file.
    pub key: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    /// What it does, in plain words.
    pub help: &'static str,
    pub min: f64,
    pub max: f64,
    pub step: f64,
    pub get: fn(&Settings) -> f64,
    pub set: fn(&mut Settings, f64),
}

/// Rounds to a count; the table's ranges keep it far from the type's limits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u32 first")]
fn count(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// One row for each number. The window's sliders, the check of a loaded file and the README's table are made from it.
macro_rules! tunables {
    ($($name:ident $key:literal $label:literal $unit:literal $min:literal..=$max:literal step $step:literal $help:literal
        $get:expr, $set:expr;)*) => {
        $(pub const $name: Tunable = Tunable {
            key: $key, label: $label, unit: $unit, help: $help, min: $min, max: $max, step: $step, get: $get, set: $set,
        };)*
        /// Every number of the settings.
        pub const TUNABLES: &[&Tunable] = &[$(&$name),*];
    };
}

tunables! {
    FPS "asked.fps" "Rate" "fps" 1.0..=240.0 step 1.0
        "Pictures a second to ask of the camera. It may give fewer: the line below says what was got."
        |s| s.asked.fps.unwrap_or(30.0), |s, v| s.asked.fps = Some(v);
    BUFFERS "asked.n_buffers" "Buffers" "" 1.0..=10.0 step 1.0
        "Pictures that the driver may queue. Fewer: less delay. More: fewer drops when the computer is busy. Only V4L2 obeys."
        |s| f64::from(s.asked.n_buffers.unwrap_or(1)), |s, v| s.asked.n_buffers = Some(count(v));
    WARM_UP "n_warm_up_frames" "Warm-up" "frames" 0.0..=120.0 step 1.0
        "Pictures thrown away after opening, while the exposure settles."
        |s| f64::from(s.n_warm_up_frames), |s, v| s.n_warm_up_frames = count(v);
    JPEG_QUALITY "snapshot.jpeg_quality_percent" "JPEG quality" "%" 1.0..=100.0 step 1.0
        "Quality of snapshots saved as JPEG. 85 is hard to tell from the original, 95 keeps nearly everything."
        |s| f64::from(s.snapshot.jpeg_quality_percent), |s, v| s.snapshot.jpeg_quality_percent = count(v);
    RETRIES "recovery.n_retries" "Retries" "" 0.0..=20.0 step 1.0
        "Failed reads that are tried again, with a growing pause, before the stream is restarted. After these, the pause grows no further."
        |s| f64::from(s.recovery.n_retries), |s, v| s.recovery.n_retries = count(v);
    BASE_DELAY "recovery.base_delay_secs" "Base delay" "s" 0.01..=10.0 step 0.01
        "Pause before the first retry."
        |s| s.recovery.base_delay_secs, |s, v| s.recovery.base_delay_secs = v;
    GROWTH "recovery.delay_growth" "Delay growth" "×" 1.0..=10.0 step 0.1
        "Each pause is this many times the one before. 1 keeps them equal."
        |s| s.recovery.delay_growth, |s, v| s.recovery.delay_growth = v;
    RECONNECT_AFTER "recovery.n_failures_before_reconnect" "Reconnect after" "failures" 1.0..=100.0 step 1.0
        "Failures in a row after which the camera is closed and opened again. Before that its stream is restarted once, unless this is 1."
        |s| f64::from(s.recovery.n_failures_before_reconnect), |s, v| s.recovery.n_failures_before_reconnect = count(v);
    ATTEMPTS "recovery.n_recovery_attempts" "Reconnections" "" 1.0..=100.0 step 1.0
        "Reconnections in a row before recovery rests for the cooldown, and before the camera is reset where that is allowed."
        |s| f64::from(s.recovery.n_recovery_attempts), |s, v| s.recovery.n_recovery_attempts = count(v);
    COOLDOWN "recovery.cooldown_secs" "Cooldown" "s" 1.0..=600.0 step 1.0
        "Rest after the reconnections are used up. Then they begin again."
        |s| s.recovery.cooldown_secs, |s, v| s.recovery.cooldown_secs = v;
    REBOOT_AFTER "recovery.n_failures_before_reboot_advice" "Advise reboot after" "failures" 1.0..=1000.0 step 1.0
        "Failures in a row from which a restart of the computer is advised. Camclinic never restarts it."
        |s| f64::from(s.recovery.n_failures_before_reboot_advice), |s, v| s.recovery.n_failures_before_reboot_advice = count(v);
    OPEN_DEADLINE "recovery.open_deadline_secs" "Open deadline" "s" 0.5..=120.0 step 0.5
        "How long opening may take. Media Foundation gets three times as long."
        |s| s.recovery.open_deadline_secs, |s, v| s.recovery.open_deadline_secs = v;
    FIRST_FRAME_DEADLINE "recovery.first_frame_deadline_secs" "First frame within" "s" 0.5..=120.0 step 0.5
        "How long the first picture may take once the camera is open."
        |s| s.recovery.first_frame_deadline_secs, |s, v| s.recovery.first_frame_deadline_secs = v;
    STALL_DEADLINE "recovery.stall_deadline_secs" "Stall after" "s" 0.1..=60.0 step 0.1
        "Time without a picture that counts as a stall; five frame periods where those are longer."
        |s| s.recovery.stall_deadline_secs, |s, v| s.recovery.stall_deadline_secs = v;
    SCALE "window.scale_percent" "Scale" "%" 50.0..=300.0 step 10.0
        "Size of everything in the window, on top of the screen's own scale."
        |s| f64::from(s.window.scale_percent), |s, v| s.window.scale_percent = count(v);
}

impl Tunable {
    #[must_use]
    pub fn default_value(&self) -> f64 {
        (self.get)(&Settings::default())
    }
}

/// A named set of values that fit together.
pub struct Preset {
    pub name: &'static str,
    pub help: &'static str,
    values: &'static [(&'static Tunable, f64)],
}

/// The values are the seeds' own advice for each aim.
pub const PRESETS: [Preset; 3] = [
    Preset {
        name: "Low latency",
        help: "The newest picture as soon as possible: 1 buffer, 60 fps, quick retries.",
        values: &[
            (&BUFFERS, 1.0),
            (&FPS, 60.0),
            (&BASE_DELAY, 0.05),
            (&RETRIES, 3.0),
            (&RECONNECT_AFTER, 5.0),
            (&JPEG_QUALITY, 85.0),
        ],
    },
    Preset {
        name: "High stability",
        help: "For a camera that must run for days: 4 buffers, more and slower retries, reconnects later.",
        values: &[
            (&BUFFERS, 4.0),
            (&FPS, 30.0),
            (&BASE_DELAY, 0.2),
            (&RETRIES, 5.0),
            (&RECONNECT_AFTER, 10.0),
            (&JPEG_QUALITY, 85.0),
        ],
    },
    Preset {
        name: "Best picture",
        help: "Snapshots with nearly everything in them: JPEG quality 95, 30 fps.",
        values: &[
            (&BUFFERS, 4.0),
            (&FPS, 30.0),
            (&BASE_DELAY, 0.1),
            (&RETRIES, 3.0),
            (&RECONNECT_AFTER, 5.0),
            (&JPEG_QUALITY, 95.0),
        ],
    },
];

impl Preset {
    pub fn apply(&self, settings: &mut Settings) {
        for (tunable, value) in self.values {
            (tunable.set)(settings, *value);
        }
    }

    /// Whether the settings are just as this preset would make them.
    #[must_use]
    pub fn is_active(&self, settings: &Settings) -> bool {
        self.values.iter().all(|(tunable, value)| ((tunable.get)(settings) - value).abs() < 1e-9)
    }
}

/// What came of reading a settings file.
pub struct Loaded {
    pub settings: Settings,
    /// What the user should know: values put right, a file set aside. Empty when all is well.
    pub notices: Vec<String>,
}

impl Settings {
    /// The settings file of this user; `None` where the system names no home folder.
    #[must_use]
    pub fn default_path() -> Option<PathBuf> {
        Some(directories::ProjectDirs::from("", "", "camclinic")?.config_dir().join("settings.json"))
    }

    /// Reads a settings file. Never fails: what cannot be used is set aside and replaced by the defaults, and a notice says so.
    #[must_use]
    pub fn load(path: &Path) -> Loaded {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Loaded { settings: Self::default(), notices: Vec::new() };
            }
            Err(error) => {
                let why =
                    format!("The settings could not be read ({error}), so the defaults are in use: {}", path.display());
                return match error.kind() {
                    io::ErrorKind::InvalidData => Self::set_aside(path, "damaged", &why),
                    _ => Loaded { settings: Self::default(), notices: vec![why] },
                };
            }
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => Self::from_value(path, value),
            Ok(_) => {
                Self::set_aside(path, "damaged", "The settings file holds no settings, so the defaults are in use.")
            }
            Err(error) => Self::set_aside(
                path,
                "damaged",
                &format!("The settings file is damaged ({error}), so the defaults are in use."),
            ),
        }
    }

    fn from_value(path: &Path, mut value: Value) -> Loaded {
        let version = value.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
        let mut notices = Vec::new();
        match version {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                notices.push(keep_copy(
                    path,
                    &format!("v{newer}"),
                    &format!("The settings were written by a newer Camclinic (layout {newer}, this one knows {VERSION}); what is understood is used."),
                ));
            }
            Some(_) | None => {
                value = migrate(&value);
                notices.push(keep_copy(path, "v0", "The settings are of an older layout and were taken over."));
            }
        }
        match serde_json::from_value::<Self>(value) {
            Ok(mut settings) => {
                settings.version = VERSION;
                notices.extend(settings.put_right());
                Loaded { settings, notices }
            }
            Err(error) => Self::set_aside(
                path,
                "damaged",
                &format!("The settings file is damaged ({error}), so the defaults are in use."),
            ),
        }
    }

    /// Moves the file out of the way, so that the next save cannot destroy it.
    fn set_aside(path: &Path, mark: &str, why: &str) -> Loaded {
        let aside = free_name(path, mark);
        let notice = match fs::rename(path, &aside) {
            Ok(()) => format!("{why} The old file is kept as {}", aside.display()),
            Err(error) => format!("{why} It could not be renamed ({error}): {}", path.display()),
        };
        Loaded { settings: Self::default(), notices: vec![notice] }
    }

    /// Brings every number into its range and says which ones were not.
    fn put_right(&mut self) -> Vec<String> {
        let mut notices = Vec::new();
        for tunable in TUNABLES {
            let value = (tunable.get)(self);
            let right = if value.is_finite() { value.clamp(tunable.min, tunable.max) } else { tunable.default_value() };
            #[expect(clippy::float_cmp, reason = "clamp returns its argument unless it lies outside")]
            if right != value {
                (tunable.set)(self, right);
                notices.push(format!(
                    "{} was {value} in the settings file; it can be {} to {}, so {right} is used.",
                    tunable.key, tunable.min, tunable.max
                ));
            }
        }
        self.network.put_right();
        if let Some(address) = self.source.as_deref().and_then(|source| Address::parse(source).ok()) {
            self.source = Some(address.without_password());
        }
        if self.asked.size.is_some_and(|size| crate::frame::Size::new(size.width, size.height).is_none()) {
            self.asked.size = None;
            notices.push(
                "The picture size in the settings file is impossible, so the device's default is used.".to_owned(),
            );
        }
        notices
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be made or written, or the disk is full. The file that was there is still there.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_whole(path, &json)
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

/// What to do about a file that could not be written, as a sentence.
#[must_use]
pub fn write_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "Choose a folder that you may write to.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk, or choose another folder.",
        _ => "Choose another folder.",
    }
}

/// Writes a file under a temporary name beside its place, flushes it to the disk and renames it.
///
/// # Errors
/// As the system says; nothing is left behind, and a file of that name is untouched.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".camclinic-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // A temporary file is private to its owner; what the user asked for is to be as any file of his.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The first of `name.mark.json`, `name.mark-2.json`… that does not exist.
fn free_name(path: &Path, mark: &str) -> PathBuf {
    let named = |n: u32| {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        path.with_extension(format!("{mark}{number}.json"))
    };
    (1..1000).map(named).find(|candidate| !candidate.exists()).unwrap_or_else(|| named(1000))
}

fn keep_copy(path: &Path, mark: &str, why: &str) -> String {
    let copy = free_name(path, mark);
    match fs::copy(path, &copy) {
        Ok(_) => format!("{why} The file as it was is kept as {}", copy.display()),
        Err(error) => format!("{why} A copy could not be kept ({error})."),
    }
}

/// Layout 0 had no version and the flat names of the camera scripts that Camclinic replaces; each has one place now.
const LAYOUT_0: [(&str, &str); 9] = [
    ("max_retries", "recovery.n_retries"),
    ("retry_delay", "recovery.base_delay_secs"),
    ("max_consecutive_failures", "recovery.n_failures_before_reconnect"),
    ("max_recovery_attempts", "recovery.n_recovery_attempts"),
    ("recovery_cooldown", "recovery.cooldown_secs"),
    ("system_reboot_threshold", "recovery.n_failures_before_reboot_advice"),
    ("frame_timeout", "recovery.first_frame_deadline_secs"),
    ("jpeg_quality", "snapshot.jpeg_quality_percent"),
    ("source", "source"),
];

fn migrate(old: &Value) -> Value {
    let mut new = json!({ "version": VERSION });
    for (old_name, path) in LAYOUT_0 {
        if let Some(value) = old.get(old_name) {
            let names: Vec<_> = path.split('.').collect();
            let nested = names.into_iter().rev().fold(value.clone(), |inner, name| json!({ name: inner }));
            merge(&mut new, nested);
        }
    }
    new
}

/// Adds the members of `from`, going into objects that both have.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;

    /// Writes `text` as a settings file, loads it, and returns what came of it with the names of the files beside it.
    fn load(text: &str) -> (Loaded, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(&path, text).unwrap();
        let loaded = Settings::load(&path);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        (loaded, names)
    }

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
    fn a_password_written_into_the_file_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(
            &path,
            r#"{"version":1,"source":"rtsp://admin:geheim@cam/1","network":{"recent":["rtsp://admin:geheim@cam/1","cam","rtsp://admin@cam/1"]}}"#,
        )
        .unwrap();
        let settings = Settings::load(&path).settings;
        assert_eq!(settings.network.recent, ["rtsp://admin@cam/1"]);
        settings.save(&path).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("geheim"));
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.json");
        let mut settings = Settings::default();
        for tunable in TUNABLES {
            (tunable.set)(&mut settings, tunable.max);
        }
        settings.backend = Some(Backend::Msmf);
        settings.camera_backends.insert("usb-046d_C920_7F3E".to_owned(), Backend::Native);
        settings.asked.format = Some(PixelFormat::MJPG);
        settings.language = Some(Language::Vietnamese);
        let preset = vec![ControlSetting { id: 0x0098_0900, value: -3 }];
        settings.control_presets.entry("usb-046d_C920_7F3E".to_owned()).or_default().insert(2, preset);
        settings.save(&path).unwrap();
        let loaded = Settings::load(&path);
        assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
        assert_eq!(loaded.settings, settings);
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        for text in ["", "{", "not json", "[]", "3", r#"{"version":1,"recovery":{"n_retries":"many"}}"#, "\u{0}\u{0}"] {
            let (loaded, names) = load(text);
            assert_eq!(loaded.settings, Settings::default(), "{text}");
            assert_eq!(names, ["settings.damaged.json"], "{text}");
            assert_eq!(loaded.notices.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_no_news() {
        let loaded = Settings::load(Path::new("/nonexistent/settings.json"));
        assert!(loaded.notices.is_empty());
        assert_eq!(loaded.settings, Settings::default());
    }

    #[test]
    fn a_newer_file_is_copied_before_it_is_used() {
        let (loaded, names) = load(r#"{"version":7,"n_warm_up_frames":9,"unheard_of":true}"#);
        assert_eq!(loaded.settings.n_warm_up_frames, 9);
        assert_eq!(names, ["settings.json", "settings.v7.json"]);
        assert_eq!(loaded.notices.len(), 1);
    }

    #[test]
    fn an_older_file_is_taken_over() {
        let (loaded, names) = load(r#"{"max_retries":7,"retry_delay":0.3,"frame_timeout":5.0,"jpeg_quality":70}"#);
        assert_eq!(loaded.settings.recovery.n_retries, 7);
        assert!((loaded.settings.recovery.base_delay_secs - 0.3).abs() < 1e-9);
        assert!((loaded.settings.recovery.first_frame_deadline_secs - 5.0).abs() < 1e-9);
        assert_eq!(loaded.settings.snapshot.jpeg_quality_percent, 70);
        assert_eq!(names, ["settings.json", "settings.v0.json"]);
    }

    #[test]
    fn numbers_outside_their_range_are_put_right() {
        let (loaded, _) =
            load(r#"{"version":1,"snapshot":{"jpeg_quality_percent":400},"recovery":{"cooldown_secs":-1}}"#);
        assert_eq!(loaded.settings.snapshot.jpeg_quality_percent, 100);
        assert!((loaded.settings.recovery.cooldown_secs - 1.0).abs() < 1e-9);
        assert_eq!(loaded.notices.len(), 2, "{:?}", loaded.notices);
    }

    #[test]
    fn every_default_lies_in_its_range_and_every_row_reads_what_it_sets() {
        for tunable in TUNABLES {
            let default = tunable.default_value();
            assert!((tunable.min..=tunable.max).contains(&default), "{}", tunable.key);
            let mut settings = Settings::default();
            (tunable.set)(&mut settings, tunable.max);
            assert!(((tunable.get)(&settings) - tunable.max).abs() < 1e-9, "{}", tunable.key);
            let json = serde_json::to_value(&settings).unwrap();
            let stored = tunable.key.split('.').fold(&json, |value, name| &value[name]).as_f64();
            assert_eq!(stored, Some(tunable.max), "{}", tunable.key);
        }
    }

    #[test]
    fn presets_are_recognised() {
        for preset in &PRESETS {
            let mut settings = Settings::default();
            preset.apply(&mut settings);
            assert!(preset.is_active(&settings));
            assert_eq!(PRESETS.iter().filter(|other| other.is_active(&settings)).count(), 1, "{}", preset.name);
        }
    }

    #[test]
    fn a_failed_save_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(&path, "old").unwrap();
        assert!(Settings::default().save(&path.join("below/a/file.json")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
