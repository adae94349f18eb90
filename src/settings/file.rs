//! Reading and writing the settings file.
//!
//! The file is JSON. It is whole at every moment, and what cannot be understood is kept under another name, never
//! overwritten.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{CameraSettings, Settings, VERSION, migration};
use crate::disk::{FileAccess, write_whole};

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

impl Notice {
    fn trouble(text: String) -> Self {
        Self { text, is_trouble: true }
    }
}

impl Loaded {
    fn defaults(trouble: Option<String>) -> Self {
        let notices = trouble.into_iter().map(Notice::trouble).collect();
        Self { settings: Settings::default(), notices }
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
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Loaded::defaults(None),
            Err(error) => {
                let why =
                    format!("The settings could not be read ({error}), so the defaults are in use: {}", path.display());
                return match error.kind() {
                    io::ErrorKind::InvalidData => set_aside(path, &why),
                    _ => Loaded::defaults(Some(why)),
                };
            }
        };
        let damaged = |error| format!("The settings file is damaged ({error}), so the defaults are in use.");
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => {
                Self::from_value(path, value).unwrap_or_else(|error| set_aside(path, &damaged(error)))
            }
            Ok(_) => set_aside(path, "The settings file holds no settings, so the defaults are in use."),
            Err(error) => set_aside(path, &damaged(error)),
        }
    }

    fn from_value(path: &Path, value: Value) -> serde_json::Result<Loaded> {
        let version = value.get("version").and_then(Value::as_u64).unwrap_or(0);
        let mut value = migration::migrate(version, value);
        // Each by itself: what is wrong with one camera is no loss of the others.
        let cameras = value.as_object_mut().and_then(|members| members.remove("cameras"));
        let cameras: Vec<Value> = cameras.map(serde_json::from_value).transpose()?.unwrap_or_default();
        let mut settings: Self = serde_json::from_value(value)?;
        settings.version = VERSION;
        let mut notices = Vec::new();
        let mut copied = None;
        if version != u64::from(VERSION) {
            let (copy, is_kept) = keep_copy(path, &format!("v{version}"));
            copied = is_kept.then_some(());
            notices.push(if version > u64::from(VERSION) {
                Notice::trouble(format!("The settings were written by a newer Camclinic (layout {version}, this one knows {VERSION}); what is understood is used. {copy}"))
            } else {
                let text = format!("The settings of an earlier version were taken over. {copy}");
                Notice { text, is_trouble: !is_kept }
            });
        }
        let mut damaged = Vec::new();
        for camera in cameras {
            let (camera, error) = settings.read_camera(camera);
            damaged.extend(error.map(|error| format!("{} ({error})", camera.label())));
            settings.cameras.push(camera);
        }
        if !damaged.is_empty() {
            let (copy, _) = keep_copy(path, "damaged");
            let whose = damaged.join(", ");
            let text = format!("Settings of these cameras are damaged, so they are as new ones: {whose}. {copy}");
            notices.push(Notice::trouble(text));
        }
        notices.extend(settings.put_right().into_iter().map(Notice::trouble));
        // Were it written later, each start until then would make a copy of its own.
        if version < u64::from(VERSION) && copied.is_some() {
            notices.extend(settings.save(path).err().map(|error| {
                let why = "The settings could not be written in their new layout";
                Notice::trouble(format!("{why} ({error}): {}", path.display()))
            }));
        }
        Ok(Loaded { settings, notices })
    }

    /// A camera from the file. Where it is damaged, what names it is kept, and the rest is that of a new one.
    fn read_camera(&self, value: Value) -> (CameraSettings, Option<serde_json::Error>) {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let (name, source) = (text("name"), text("source"));
        let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok()).unwrap_or_default();
        match serde_json::from_value(value) {
            Ok(camera) => (camera, None),
            Err(error) => {
                let source = source.unwrap_or_default();
                (CameraSettings { id, name, source, ..self.new_camera.clone() }, Some(error))
            }
        }
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be made or written, or the disk is full. The file that was there is still there.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_whole(path, &json, FileAccess::Private)
    }
}

/// Moves the file out of the way, so that the next save cannot destroy it.
fn set_aside(path: &Path, why: &str) -> Loaded {
    let aside = free_name(path, "damaged");
    let notice = match fs::rename(path, &aside) {
        Ok(()) => format!("{why} The old file is kept as {}", aside.display()),
        Err(error) => format!("{why} It could not be renamed ({error}): {}", path.display()),
    };
    Loaded::defaults(Some(notice))
}

/// The first of `name.mark.json`, `name.mark-2.json`… that does not exist.
fn free_name(path: &Path, mark: &str) -> PathBuf {
    let named = |n: u32| {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        path.with_extension(format!("{mark}{number}.json"))
    };
    (1..1000).map(named).find(|candidate| !candidate.exists()).unwrap_or_else(|| named(1000))
}

/// Copies the file as it is now. Returns a sentence about it, and whether there is a copy.
fn keep_copy(path: &Path, mark: &str) -> (String, bool) {
    let copy = free_name(path, mark);
    match fs::copy(path, &copy) {
        Ok(_) => (format!("The file as it was is kept as {}", copy.display()), true),
        Err(error) => (format!("A copy could not be kept ({error})."), false),
    }
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
        for text in [
            "",
            "{",
            "not json",
            "[]",
            "3",
            r#"{"version":1,"recovery":{"n_retries":"many"}}"#,
            r#"{"version":2,"new_camera":{"recovery":{"n_retries":"many"}}}"#,
            r#"{"version":2,"cameras":{}}"#,
            "\u{0}\u{0}",
        ] {
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
        assert_eq!(told, [("Good", 3), ("Front door", 7)]);
        assert_eq!(cameras[1].source, "rtsp://admin@cam/1");
        assert_eq!(loaded.settings.shown.cameras, [CameraId(2), CameraId(1)]);
        assert_eq!(names, ["settings.damaged.json", "settings.json"]);
        assert_eq!(loaded.notices.len(), 1, "{:?}", loaded.notices);
        assert!(loaded.notices[0].text.contains("Front door"), "{:?}", loaded.notices);
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
