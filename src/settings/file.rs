//! Reading and writing the settings file.
//!
//! The file is JSON. It is whole at every moment, and what cannot be understood is kept under another name, never
//! overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::merge::merge;
use super::readable::{self, ValuePath};
use super::{CameraId, CameraSettings, Settings, VERSION, migration};
use crate::disk::{BYTE_ORDER_MARK, FileAccess, lock_file, read_regular, sweep, write_whole};

/// Many times what hundreds of cameras take.
const MAX_BYTES: u64 = 4 << 20;
/// How long another window may take to read the file, and to write it.
const OTHERS_WRITE_WITHIN: Duration = Duration::from_secs(1);
/// So many files that were set aside have one name with a number.
const MAX_COPIES: u32 = 10_000;
/// File systems take no longer names.
const MAX_NAME_BYTES: usize = 255;
/// More places that are wrong than that are not told one by one, and none that is longer.
const MAX_PLACES: usize = 8;
const MAX_PLACE_CHARS: usize = 80;

/// What came of reading a settings file.
pub struct Loaded {
    pub settings: Settings,
    /// What the user should know: values put right, a file set aside. Empty when all is well.
    pub notices: Vec<Notice>,
}

/// A sentence about the settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    /// Something is not as the user had set it.
    pub is_trouble: bool,
}

/// What a settings file holds.
struct SettingsRead {
    /// `None` where it holds none.
    settings: Option<Settings>,
    notices: Vec<Notice>,
    /// Why no copy could be kept of a file that was not wholly understood: it must not be overwritten.
    unkept: Option<io::Error>,
}

impl Notice {
    fn trouble(text: String) -> Self {
        Self { text, is_trouble: true }
    }
}

impl Settings {
    /// The settings file of this user; `None` where the system names no home folder.
    #[must_use]
    pub fn default_path() -> Option<PathBuf> {
        Some(directories::ProjectDirs::from("", "", "camclinic")?.config_dir().join("settings.json"))
    }

    /// Reads a settings file. Never fails: what cannot be used is kept under another name and replaced by the defaults, and a
    /// notice says so. A file of an older layout is copied, and written anew in this one.
    #[must_use]
    pub fn load(path: &Path) -> Loaded {
        if let Some(folder) = path.parent() {
            sweep(folder);
        }
        let read = Self::read(path).unwrap_or_else(|error| {
            let text = format!(
                "The settings could not be read ({error}), so the defaults are in use, and what is set is not saved: {}",
                path.display()
            );
            SettingsRead { settings: None, notices: vec![Notice::trouble(text)], unkept: None }
        });
        Loaded { settings: read.settings.unwrap_or_default(), notices: read.notices }
    }

    /// The settings, and what the user should know of the file.
    ///
    /// # Errors
    /// The file cannot be read: what it holds is not known, and it must not be overwritten.
    fn read(path: &Path) -> io::Result<SettingsRead> {
        let bytes = match read_regular(path, MAX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(SettingsRead { settings: None, notices: Vec::new(), unkept: None });
            }
            bytes => bytes?,
        };
        let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let why = match serde_json::from_slice::<Value>(json) {
            Ok(value) if value.is_object() => return Ok(Self::from_value(path, &bytes, value)),
            Ok(_) => "The settings file holds no settings, so the defaults are in use.".to_owned(),
            Err(error) => format!("The settings file is damaged ({error}), so the defaults are in use."),
        };
        Ok(set_aside(path, &bytes, &why))
    }

    /// `bytes` are the whole file.
    fn from_value(path: &Path, bytes: &[u8], value: Value) -> SettingsRead {
        let told_version = version(value.get("version"));
        // One that cannot be read is most likely of this layout.
        let version = told_version.unwrap_or(u64::from(VERSION));
        let mut value = migration::migrate(version, value);
        if let Some(members) = value.as_object_mut() {
            members.insert("version".to_owned(), VERSION.into());
        }
        let whose = |number: &str| whose(value.get("cameras")?.get(number.parse::<usize>().ok()?)?, number);
        let places = |lost: Vec<ValuePath>| lost.iter().map(|path| place(path, &whose)).collect::<Vec<_>>();
        let (mut settings, lost) = readable::read::<Self>(value.clone());
        let mut lost = places(lost);
        if told_version.is_none() {
            lost.push("version".to_owned());
        }
        let mark = if version == u64::from(VERSION) {
            (!lost.is_empty()).then(|| "damaged".to_owned())
        } else {
            Some(format!("v{version}"))
        };
        let kept = mark.map(|mark| keep_copy(path, bytes, &mark));
        let is_kept = matches!(kept, Some(Ok(_)));
        let copy = match &kept {
            Some(Ok(copy)) => format!(" The file as it was is kept as {}", copy.display()),
            Some(Err(error)) => format!(" A copy could not be kept ({error})."),
            None => String::new(),
        };
        let mut notices = Vec::new();
        if version > u64::from(VERSION) {
            notices.push(Notice::trouble(format!("The settings were written by a newer Camclinic (layout {version}, this one knows {VERSION}); what is understood is used.{copy}")));
        } else if version < u64::from(VERSION) {
            let text = format!("The settings of an earlier version were taken over.{copy}");
            notices.push(Notice { text, is_trouble: !is_kept });
        }
        if !lost.is_empty() {
            let copy = if notices.is_empty() { copy.as_str() } else { "" };
            let more = lost.len().saturating_sub(MAX_PLACES);
            lost.truncate(MAX_PLACES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let lost = lost.join(", ");
            notices.push(Notice::trouble(format!(
                "In the settings file these have values that cannot be, so the defaults are used for them: {lost}{more}.{copy}"
            )));
        }
        notices.extend(settings.put_right().into_iter().map(Notice::trouble));
        // Were it written later, each start until then would tell the same.
        if version < u64::from(VERSION) && is_kept {
            notices.extend(settings.save(path).err().map(|error| {
                let why = "The settings could not be written in their new layout";
                Notice::trouble(format!("{why} ({error}): {}", path.display()))
            }));
        }
        SettingsRead { settings: Some(settings), notices, unkept: kept.and_then(Result::err) }
    }

    /// Writes the file: whole or not at all, and not where it says the same already.
    ///
    /// # Errors
    /// The folder cannot be made or written, or the disk is full. The file that was there is still there.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        if read_regular(path, MAX_BYTES).is_ok_and(|there| there == json) {
            return Ok(());
        }
        // A link stays one.
        let target = if path.is_symlink() { fs::canonicalize(path).ok() } else { None };
        write_whole(target.as_deref().unwrap_or(path), &json, FileAccess::Private)
    }
}

/// The settings file as one window writes it, which need not be the only one.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    /// The window's settings when they were read, or written last, with the numbers of the file.
    last: Settings,
    /// The number that a camera has in the file, by the one that it has in the window. They differ where two windows have given the
    /// same number to different cameras.
    numbers: BTreeMap<CameraId, CameraId>,
}

impl SettingsFile {
    /// `loaded` is what the window has read from there.
    #[must_use]
    pub fn new(path: PathBuf, loaded: &Settings) -> Self {
        let numbers = loaded.cameras.iter().map(|camera| (camera.id, camera.id)).collect();
        Self { path, last: loaded.clone(), numbers }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what the window has changed since the last time, and leaves what others have changed meanwhile. Returns what the user
    /// should know of the file that was there.
    ///
    /// # Errors
    /// As [`Settings::save`], or what is there cannot be read, or is not wholly understood and could not be kept.
    pub fn save(&mut self, settings: &Settings) -> io::Result<Vec<Notice>> {
        let _between_reading_and_writing = lock_file(&lock_path(&self.path), OTHERS_WRITE_WITHIN);
        let SettingsRead { settings: theirs, notices, unkept } = Settings::read(&self.path)?;
        if let Some(error) = unkept {
            return Err(error);
        }
        let ours = self.numbered(settings, theirs.as_ref());
        match theirs {
            Some(theirs) => merge(&self.last, &ours, &theirs)?.save(&self.path)?,
            None => ours.save(&self.path)?,
        }
        self.last = ours;
        Ok(notices)
    }

    /// The window's settings with the numbers that cameras have in the file.
    fn numbered(&mut self, settings: &Settings, theirs: Option<&Settings>) -> Settings {
        let mut all = settings.clone();
        all.cameras.extend(theirs.into_iter().flat_map(|theirs| theirs.cameras.clone()));
        all.cameras.extend(self.last.cameras.clone());
        let mut free = all.free_ids();
        for camera in &settings.cameras {
            if self.numbers.contains_key(&camera.id) {
                continue;
            }
            let there = theirs.and_then(|theirs| theirs.listed(camera.id));
            let is_other = there.is_some_and(|there| there.source != camera.source);
            let is_taken = is_other || self.numbers.values().any(|taken| *taken == camera.id);
            let number = if is_taken { free.next().unwrap_or_default() } else { camera.id };
            self.numbers.insert(camera.id, number);
        }
        let number = |id: &mut CameraId| *id = self.numbers.get(id).copied().unwrap_or(*id);
        let mut ours = settings.clone();
        ours.cameras.iter_mut().for_each(|camera| number(&mut camera.id));
        ours.shown.cameras.iter_mut().chain(&mut ours.shown.selected).for_each(number);
        ours
    }
}

/// Beside the file, hidden, and never deleted: who has it open might hold another than who opens it next.
fn lock_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.lock"))
}

/// The layout of a file; `None` where it does not tell it in a way that can be read.
fn version(told: Option<&Value>) -> Option<u64> {
    match told {
        None => Some(0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        // 2.0 is 2.
        Some(Value::Number(number)) => number.as_u64().or_else(|| number.as_f64()?.to_string().parse().ok()),
        Some(_) => None,
    }
}

/// What a camera of the file is called, where it says so. Its source may hold a password.
fn whose(camera: &Value, number: &str) -> Option<String> {
    let name = camera.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut named = CameraSettings::default();
    named.rename(name);
    let id = || camera.get("id").and_then(Value::as_u64).map(|id| format!("camera {id}"));
    named.name.or_else(id).or_else(|| Some(format!("the camera after {number} others")))
}

/// Where something stands in the file, for people: as in `asked.fps of Front door`. Words of the file are no harm to a terminal.
fn place(path: &[String], whose: &dyn Fn(&str) -> Option<String>) -> String {
    let shown =
        |path: &[String]| path.join(".").chars().take(MAX_PLACE_CHARS).flat_map(char::escape_debug).collect::<String>();
    match path {
        [] => "all".to_owned(),
        [list, number, member @ ..] if list == "cameras" => match (whose(number), member) {
            (Some(whose), []) => shown(&[whose]),
            (Some(whose), member) => format!("{} of {}", shown(member), shown(&[whose])),
            (None, _) => shown(path),
        },
        path => shown(path),
    }
}

/// Moves the file out of the way, so that the next save cannot destroy it.
fn set_aside(path: &Path, bytes: &[u8], why: &str) -> SettingsRead {
    let moved = keep_copy(path, bytes, "damaged").and_then(|copy| {
        // A link is left, and with it what was copied: the next save replaces that.
        if !path.is_symlink() {
            fs::remove_file(path)?;
        }
        Ok(copy)
    });
    let told = match &moved {
        Ok(aside) => format!("{why} The old file is kept as {}", aside.display()),
        Err(error) => format!("{why} It could not be moved out of the way ({error}): {}", path.display()),
    };
    SettingsRead { settings: None, notices: vec![Notice::trouble(told)], unkept: moved.err() }
}

/// Has a copy of the file as it is, these bytes, beside it: the first of `name.mark.json`, `name.mark-2.json`… that is free, or is
/// that copy already. A name that would become too long is shortened.
fn keep_copy(path: &Path, bytes: &[u8], mark: &str) -> io::Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let named = |n: u32| {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        let ending = format!(".{mark}{number}.json");
        let n_bytes = stem.floor_char_boundary(MAX_NAME_BYTES.saturating_sub(ending.len()));
        path.with_file_name(format!("{}{ending}", stem.get(..n_bytes).unwrap_or_default()))
    };
    for copy in (1..=MAX_COPIES).map(named) {
        match fs::symlink_metadata(&copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_whole(&copy, bytes, FileAccess::Private)?;
                return Ok(copy);
            }
            Err(error) => return Err(error),
            Ok(_) if read_regular(&copy, MAX_BYTES).is_ok_and(|kept| kept == bytes) => return Ok(copy),
            // Something else has this name.
            Ok(_) => {}
        }
    }
    let why = format!("{MAX_COPIES} files that were set aside are there already");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;
    use crate::control::ControlSetting;
    use crate::frame::PixelFormat;
    use crate::phrases::Language;
    use crate::settings::{CAMERA_TUNABLES, CameraId, PROGRAM_TUNABLES, ShownCameras};

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

    fn two_cameras() -> Settings {
        let mut settings = Settings::default();
        for source in ["usb-046d_C920_7F3E", "rtsp://admin@cam/1"] {
            settings.put(settings.camera(source));
        }
        settings.shown = ShownCameras { cameras: vec![CameraId(2), CameraId(1)], selected: None, is_alone: false };
        settings
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.json");
        let mut settings = two_cameras();
        for tunable in PROGRAM_TUNABLES {
            (tunable.set)(&mut settings, tunable.max);
        }
        let camera = &mut settings.cameras[1];
        for tunable in CAMERA_TUNABLES {
            (tunable.set)(camera, tunable.max);
        }
        camera.rename(" Front door ");
        camera.backend = Some(Backend::Ffmpeg);
        camera.asked.format = Some(PixelFormat::MJPG);
        settings.cameras[0].best_backend = Some(Backend::Native);
        settings.cameras[0].control_presets.insert(2, vec![ControlSetting { id: 0x0098_0900, value: -3 }]);
        settings.new_camera.n_warm_up_frames = 9;
        settings.shown.selected = Some(CameraId(1));
        settings.language = Some(Language::Vietnamese);
        settings.save(&path).unwrap();
        let loaded = Settings::load(&path);
        assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
        assert_eq!(loaded.settings, settings);
        assert_eq!(loaded.settings.camera("rtsp://admin@cam/1").label(), "Front door");
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        for text in ["", "{", "not json", "[]", "3", "\u{0}\u{0}"] {
            let (loaded, names) = load(text);
            assert_eq!(loaded.settings, Settings::default(), "{text}");
            assert_eq!(names, ["settings.damaged.json"], "{text}");
            assert_eq!(loaded.notices.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_damaged_camera_costs_no_other() {
        let text = r#"{"version":2,"new_camera":{"n_warm_up_frames":7},"shown":{"cameras":[2,1]},"cameras":[
            {"id":1,"source":"sim:","name":"Good","n_warm_up_frames":3},
            {"id":2,"source":"rtsp://admin:geheim@cam/1","name":"Front door","asked":{"fps":"fast"}},
            {"asked":3}
        ]}"#;
        let (loaded, names) = load(text);
        let cameras = &loaded.settings.cameras;
        let told: Vec<_> = cameras.iter().map(|camera| (camera.label(), camera.n_warm_up_frames)).collect();
        assert_eq!(told, [("Good", 3), ("Front door", 5)]);
        assert_eq!(cameras[1].source, "rtsp://admin@cam/1");
        assert_eq!(loaded.settings.shown.cameras, [CameraId(2), CameraId(1)]);
        assert_eq!(names, ["settings.damaged.json", "settings.json"]);
        assert_eq!(loaded.notices.len(), 1, "{:?}", loaded.notices);
        assert!(loaded.notices[0].text.contains("asked.fps of Front door"), "{:?}", loaded.notices);
        assert!(!loaded.notices[0].text.contains("geheim"), "{:?}", loaded.notices);
    }

    /// Of each, what is told to be wrong; all else is kept, the camera among it.
    #[test]
    fn a_wrong_member_costs_itself_alone() {
        #[track_caller]
        fn check(members: &str, tells: &[&str], copy: &str) {
            let version = if members.contains("\"version\"") { "" } else { r#""version":2,"# };
            let text = format!(
                r#"{{{version}{members},"language":"pl","cameras":[{{"id":1,"source":"rtsp://a:geheim@cam/1","n_warm_up_frames":3}}]}}"#
            );
            let (loaded, names) = load(&text);
            assert_eq!(loaded.settings.language, Some(Language::Polish), "{text}");
            let cameras = &loaded.settings.cameras;
            assert_eq!(cameras.iter().map(|camera| camera.n_warm_up_frames).collect::<Vec<_>>(), [3], "{text}");
            let names: Vec<_> = names.iter().filter(|name| *name != "settings.json").collect();
            assert_eq!(names, if copy.is_empty() { vec![] } else { vec![copy] }, "{text}");
            let told: Vec<_> = loaded.notices.iter().map(|notice| notice.text.as_str()).collect();
            assert_eq!(told.len(), tells.len(), "{text}: {told:?}");
            for (told, tells) in told.iter().zip(tells) {
                assert!(told.contains(tells) && !told.contains("geheim") && !told.contains('\u{1b}'), "{text}: {told}");
            }
        }
        let damaged = "settings.damaged.json";
        check(r#""new_camera":{"backend":"zzz"}"#, &["for them: new_camera.backend. The file"], damaged);
        check(r#""shown":{"cameras":[1,-1]}"#, &["shown.cameras.1"], damaged);
        check(r#""window":{"theme":"neon"},"network":3"#, &["network, window.theme"], damaged);
        check(r#""version":7,"window":{"theme":"neon"}"#, &["newer Camclinic", "window.theme"], "settings.v7.json");
        check(r#""network":{"trusted_certificates":{"\u001b[2J":1}}"#, &["trusted_certificates.\\u{1b}[2J"], damaged);
        // The layout, as hands and other programs write it.
        check(r#""version":"2""#, &[], "");
        check(r#""version":2.0"#, &[], "");
        check(r#""version":" 7 ""#, &["layout 7"], "settings.v7.json");
        check(r#""version":7.0"#, &["layout 7"], "settings.v7.json");
        check(r#""version":"two""#, &["version"], damaged);
        check(r#""version":-1"#, &["version"], damaged);
        check(r#""version":null"#, &["version"], damaged);
        check(r#""version":1e300"#, &["version"], damaged);
        // A number out of its range is told without the address.
        check(r#""version":2,"new_camera":{"n_warm_up_frames":9999}"#, &["n_warm_up_frames of new cameras"], "");
    }

    #[test]
    fn a_file_is_kept_once_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let newer = |n: u32| format!(r#"{{"version":7,"new_camera":{{"n_warm_up_frames":{n}}}}}"#);
        for n in [1, 2, 1, 2] {
            fs::write(&path, newer(n)).unwrap();
            for _ in 0..3 {
                let notices = Settings::load(&path).notices;
                let kept = format!("settings.v7{}.json", if n == 1 { "" } else { "-2" });
                assert!(notices[0].text.ends_with(&kept), "{notices:?}");
                assert_eq!(fs::read_to_string(folder.path().join(kept)).unwrap(), newer(n));
            }
        }
        assert_eq!(files(), 3);
        for _ in 0..3 {
            fs::write(&path, "{").unwrap();
            let _ = Settings::load(&path);
            assert!(!path.exists());
        }
        assert_eq!(files(), 3);
        // However many names are taken.
        for n in 3..1_010 {
            fs::write(folder.path().join(format!("settings.v7-{n}.json")), n.to_string()).unwrap();
        }
        fs::write(&path, newer(3)).unwrap();
        let _ = Settings::load(&path);
        assert_eq!(fs::read_to_string(folder.path().join("settings.v7-1009.json")).unwrap(), "1009");
        assert_eq!(fs::read_to_string(folder.path().join("settings.v7-1010.json")).unwrap(), newer(3));
    }

    /// Loads and saves a damaged file of this name in a folder that `make` has prepared, and tells what is beside it.
    #[track_caller]
    fn check_damaged(name: &str, make: impl FnOnce(&Path), expected: Result<&str, io::ErrorKind>) {
        const DAMAGED: &[u8] = b"{";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, DAMAGED).unwrap();
        make(folder.path());
        let loaded = Settings::load(&path);
        assert_eq!(loaded.notices.len(), 1, "{:?}", loaded.notices);
        let saved = SettingsFile::new(path.clone(), &loaded.settings).save(&loaded.settings);
        match expected {
            Ok(copy) => {
                assert_eq!(fs::read(folder.path().join(copy)).unwrap(), DAMAGED, "{name}");
                assert_ne!(fs::read(&path).unwrap(), DAMAGED, "{name}");
                assert_eq!(saved.map_err(|error| error.kind()), Ok(Vec::new()));
            }
            Err(kind) => {
                assert_eq!(fs::read(&path).unwrap(), DAMAGED, "{name}");
                assert_eq!(saved.map_err(|error| error.kind()), Err(kind));
            }
        }
    }

    #[test]
    fn a_damaged_file_of_whatever_name_is_kept_or_stays() {
        let nothing = |_: &Path| {};
        check_damaged("a.json", nothing, Ok("a.damaged.json"));
        check_damaged("a", nothing, Ok("a.damaged.json"));
        check_damaged("a.b.json", nothing, Ok("a.b.damaged.json"));
        // As long as a name can be.
        check_damaged(&format!("{}.json", "a".repeat(246)), nothing, Ok(&format!("{}.damaged.json", "a".repeat(242))));
        check_damaged(&"a".repeat(255), nothing, Ok(&format!("{}.damaged.json", "a".repeat(242))));
        check_damaged(&format!("a{}", "ä".repeat(127)), nothing, Ok(&format!("a{}.damaged.json", "ä".repeat(120))));
        // Something else has the name.
        check_damaged("a.json", |to| fs::create_dir(to.join("a.damaged.json")).unwrap(), Ok("a.damaged-2.json"));
        check_damaged("a.json", |to| fs::write(to.join("a.damaged.json"), "").unwrap(), Ok("a.damaged-2.json"));
        check_damaged("a.json", |to| fs::write(to.join("a.damaged.json"), "{").unwrap(), Ok("a.damaged.json"));
        let all_taken = |to: &Path| {
            fs::write(to.join("a.damaged.json"), "").unwrap();
            (2..=MAX_COPIES).for_each(|n| fs::write(to.join(format!("a.damaged-{n}.json")), "").unwrap());
        };
        check_damaged("a.json", all_taken, Err(io::ErrorKind::AlreadyExists));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_settings_stays_one() {
        #[track_caller]
        fn check(text: &str, copy: Option<&str>) {
            let folder = tempfile::tempdir().unwrap();
            let (path, target) = (folder.path().join("settings.json"), folder.path().join("elsewhere.json"));
            fs::write(&target, text).unwrap();
            std::os::unix::fs::symlink(&target, &path).unwrap();
            let mut settings = Settings::load(&path).settings;
            let mut file = SettingsFile::new(path.clone(), &settings);
            settings.new_camera.n_warm_up_frames = 9;
            file.save(&settings).unwrap();
            assert_eq!(fs::read_link(&path).unwrap(), target);
            assert_eq!(Settings::load(&target).settings.new_camera.n_warm_up_frames, 9, "{text}");
            let copied = copy.map(|copy| fs::read_to_string(folder.path().join(copy)).unwrap());
            assert_eq!(copied.as_deref(), copy.map(|_| text));
        }
        check(r#"{"version":2}"#, None);
        check("{", Some("settings.damaged.json"));
        check(r#"{"version":7}"#, Some("settings.v7.json"));
    }

    #[test]
    fn a_file_may_begin_with_a_byte_order_mark() {
        let (loaded, names) = load("\u{feff}{\"version\":2,\"new_camera\":{\"n_warm_up_frames\":9}}");
        assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
        assert_eq!(loaded.settings.new_camera.n_warm_up_frames, 9);
        assert_eq!(names, ["settings.json"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_overwritten() {
        #[track_caller]
        fn check(make: impl FnOnce(&Path)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.json");
            make(&path);
            let is_file = path.is_file();
            let loaded = Settings::load(&path);
            assert_eq!(loaded.settings, Settings::default());
            assert!(matches!(loaded.notices.as_slice(), [one] if one.is_trouble), "{:?}", loaded.notices);
            let mut settings = loaded.settings.clone();
            let mut file = SettingsFile::new(path.clone(), &settings);
            settings.new_camera.n_warm_up_frames = 9;
            assert!(file.save(&settings).is_err());
            let is_lock = |entry: &fs::DirEntry| entry.path() == lock_path(&path);
            let n_files =
                fs::read_dir(folder.path()).unwrap().filter(|entry| !is_lock(entry.as_ref().unwrap())).count();
            assert_eq!((path.is_file(), n_files), (is_file, 1));
        }
        check(|path| fs::create_dir(path).unwrap());
        check(|path| fs::File::create(path).unwrap().set_len(10 << 30).unwrap());
        #[cfg(unix)]
        check(|path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()));
        #[cfg(unix)]
        check(|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap());
    }

    /// A window: its settings, and the file as it writes it.
    struct TestWindow(Settings, SettingsFile);

    impl TestWindow {
        fn open(path: &Path) -> Self {
            let settings = Settings::load(path).settings;
            let file = SettingsFile::new(path.to_owned(), &settings);
            Self(settings, file)
        }

        fn save(&mut self) {
            assert_eq!(self.1.save(&self.0).unwrap(), []);
        }

        fn name(&mut self, source: &str, name: &str) {
            let mut camera = self.0.camera(source);
            camera.rename(name);
            let id = self.0.put(camera);
            self.0.shown.cameras = vec![id];
            self.save();
        }
    }

    /// Each writes at once, again and again.
    #[test]
    fn windows_that_save_at_the_same_moment_keep_each_others_changes() {
        const N: u8 = 6;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        std::thread::scope(|scope| {
            for source in 0..N {
                let path = &path;
                scope.spawn(move || {
                    let mut window = TestWindow::open(path);
                    for name in 0..20 {
                        window.name(&source.to_string(), &format!("name {name}"));
                    }
                });
            }
        });
        let cameras = Settings::load(&path).settings.cameras;
        let mut names: Vec<_> = cameras.iter().map(|camera| format!("{} {}", camera.source, camera.label())).collect();
        names.sort();
        assert_eq!(names, (0..N).map(|source| format!("{source} name 19")).collect::<Vec<_>>());
    }

    #[test]
    fn windows_keep_what_other_windows_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let names = || {
            let Settings { cameras, shown, .. } = Settings::load(&path).settings;
            let mut names: Vec<_> =
                cameras.iter().map(|camera| format!("{} {}", camera.source, camera.label())).collect();
            names.sort();
            let shown =
                shown.cameras.iter().map(|id| cameras.iter().find(|camera| camera.id == *id).unwrap().source.clone());
            (names.join(", "), shown.collect::<Vec<_>>().join(" "))
        };
        let told = |names: &str, shown: &str| (names.to_owned(), shown.to_owned());
        let mut first = TestWindow::open(&path);
        first.name("0", "One");
        first.name("1", "Two");
        let mut second = TestWindow::open(&path);
        second.name("1", "Door");
        first.0.window.scale_percent = 150;
        first.save();
        assert_eq!(names(), told("0 One, 1 Door", "1"));
        // Both take the same number for a new camera, and go on with it.
        first.name("2", "A");
        second.name("3", "B");
        assert_eq!(names(), told("0 One, 1 Door, 2 A, 3 B", "3"));
        first.name("2", "A2");
        // What the first shows is as it was before: the second has changed it last.
        assert_eq!(names(), told("0 One, 1 Door, 2 A2, 3 B", "3"));
        second.name("3", "B2");
        second.name("4", "C");
        first.name("5", "D");
        first.name("6", "E");
        second.name("3", "B3");
        first.name("5", "D2");
        assert_eq!(names(), told("0 One, 1 Door, 2 A2, 3 B3, 4 C, 5 D2, 6 E", "5"));
        // The same camera in both is one.
        first.name("7", "");
        second.name("7", "Same");
        let loaded = Settings::load(&path).settings;
        assert_eq!(loaded.window.scale_percent, 150);
        assert_eq!(loaded.cameras.len(), 8);
        // Deleted or spoiled meanwhile, it is there again with all that the window has.
        for spoil in [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "{").unwrap()] {
            spoil(&path);
            second.0.window.scale_percent = 200;
            second.1.save(&second.0).unwrap();
            let loaded = Settings::load(&path).settings;
            assert_eq!(loaded.cameras.len(), second.0.cameras.len());
            assert_eq!(loaded.window.scale_percent, 200);
        }
    }

    #[test]
    fn what_is_there_already_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let mut window = TestWindow::open(&path);
        window.name("0", "One");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        window.save();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
        window.name("0", "Two");
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
    }

    #[test]
    fn a_missing_file_is_no_news() {
        let loaded = Settings::load(Path::new("/nonexistent/settings.json"));
        assert!(loaded.notices.is_empty());
        assert_eq!(loaded.settings, Settings::default());
    }

    #[test]
    fn a_newer_file_is_copied_before_it_is_used() {
        let (loaded, names) = load(r#"{"version":7,"new_camera":{"n_warm_up_frames":9},"unheard_of":true}"#);
        assert_eq!(loaded.settings.new_camera.n_warm_up_frames, 9);
        assert_eq!(names, ["settings.json", "settings.v7.json"]);
        assert_eq!(loaded.notices.len(), 1);
    }

    #[test]
    fn numbers_outside_their_range_are_put_right_and_the_camera_is_named() {
        let (loaded, _) = load(
            r#"{"version":2,"window":{"scale_percent":9000},"new_camera":{"jpeg_quality_percent":400},
                "shown":{"cameras":[1]},
                "cameras":[{"id":1,"source":"sim:","name":"Door","recovery":{"cooldown_secs":-1},"asked":{"size":{"width":0,"height":4}}}]}"#,
        );
        let settings = &loaded.settings;
        assert_eq!(settings.window.scale_percent, 300);
        assert_eq!(settings.new_camera.jpeg_quality_percent, 100);
        assert!((settings.cameras[0].recovery.cooldown_secs - 1.0).abs() < 1e-9);
        assert_eq!(settings.cameras[0].asked.size, None);
        for says in ["scale_percent was", "of new cameras was", "cooldown_secs of Door was", "size of Door"] {
            let n = loaded.notices.iter().filter(|notice| notice.text.contains(says)).count();
            assert_eq!(n, 1, "{says}: {:?}", loaded.notices);
        }
    }

    #[test]
    fn a_password_written_into_the_file_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        for (text, source) in [
            (
                r#"{"version":1,"source":"rtsp://admin:geheim@cam/1","network":{"recent":["rtsp://admin:geheim@cam/1","cam","rtsp://admin@cam/1"]}}"#,
                "rtsp://admin@cam/1",
            ),
            (
                r#"{"version":2,"shown":{"cameras":[4]},"cameras":[{"id":4,"source":"rtsp://admin:geheim@cam/1?pwd=geheim"}],"network":{"recent":["rtsp://admin:geheim@cam/1"]}}"#,
                "rtsp://admin@cam/1?pwd=",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let settings = Settings::load(&path).settings;
            assert_eq!(settings.network.recent, ["rtsp://admin@cam/1"]);
            assert_eq!(settings.saved_cameras().next().map(|camera| camera.source.as_str()), Some(source));
            settings.save(&path).unwrap();
            assert!(!fs::read_to_string(&path).unwrap().contains("geheim"));
        }
    }

    #[test]
    fn a_file_written_by_hand_is_made_whole() {
        let (loaded, _) = load(
            r#"{"version":2,"shown":{"cameras":[3,9,3,1],"selected":9},"cameras":[
                {"source":"sim:"},{"id":3,"source":"/dev/video0","n_warm_up_frames":1},{"id":3,"source":"1","n_warm_up_frames":1},
                {"id":1,"source":"2","name":" \u0007 a very long name that goes on and on and on until nobody reads it any more "}]}"#,
        );
        let Settings { cameras, shown, .. } = loaded.settings;
        let numbered: Vec<_> = cameras.iter().map(|camera| (camera.id.0, camera.source.as_str())).collect();
        assert_eq!(numbered, [(3, "/dev/video0"), (5, "1"), (1, "2")]);
        assert_eq!(shown.cameras, [CameraId(3), CameraId(1)]);
        assert_eq!(shown.selected, None);
        assert_eq!(cameras[2].label(), "a very long name that goes on and on and on until nobody rea");
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
