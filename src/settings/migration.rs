//! Settings files of older layouts, each made into one of the next.

use serde_json::{Map, Value, json};

/// Layout 0 had no version and the flat names of the camera scripts that Camclinic replaces; each has one place in layout 1.
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

/// What layout 1 had once for all cameras, and layout 2 has for each.
const OF_A_CAMERA: [(&str, &str); 7] = [
    ("backend", "backend"),
    ("asked", "asked"),
    ("isolation", "isolation"),
    ("n_warm_up_frames", "n_warm_up_frames"),
    ("network.transport", "transport"),
    ("snapshot.jpeg_quality_percent", "jpeg_quality_percent"),
    ("recovery", "recovery"),
];

/// What is in the same place in both.
const OF_THE_PROGRAM: [&str; 6] =
    ["network.trusted_certificates", "network.recent", "snapshot.folder", "snapshot.format", "window", "language"];

/// The same settings in the layout of this program. One that is newer than that is left as it is.
pub(super) fn migrate(version: u64, value: Value) -> Value {
    match version {
        0 => migrate(1, from_0(&value)),
        1 => from_1(&value),
        _ => value,
    }
}

fn from_0(old: &Value) -> Value {
    let mut new = json!({});
    for (old_name, path) in LAYOUT_0 {
        put(&mut new, path, old.get(old_name));
    }
    new
}

/// Each camera that is known starts with what all of them had.
fn from_1(old: &Value) -> Value {
    let mut new = json!({ "version": 2 });
    for path in OF_THE_PROGRAM {
        put(&mut new, path, get(old, path));
    }
    let mut common = json!({});
    for (from, to) in OF_A_CAMERA {
        put(&mut common, to, get(old, from));
    }
    let source = old.get("source").and_then(Value::as_str);
    let members = |name: &str| old.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (best_backends, presets) = (members("camera_backends"), members("control_presets"));
    let mut known: Vec<&str> = source.into_iter().collect();
    for name in best_backends.keys().chain(presets.keys()) {
        if !known.contains(&name.as_str()) {
            known.push(name);
        }
    }
    let cameras = known.iter().zip(1..).map(|(name, id)| {
        let mut camera = common.clone();
        put(&mut camera, "id", Some(&json!(id)));
        put(&mut camera, "source", Some(&json!(name)));
        put(&mut camera, "best_backend", best_backends.get(*name));
        put(&mut camera, "control_presets", presets.get(*name));
        camera
    });
    put(&mut new, "cameras", Some(&cameras.collect()));
    if source.is_some() {
        put(&mut new, "shown.cameras", Some(&json!([1])));
    }
    put(&mut new, "new_camera", Some(&common));
    new
}

/// The value at a path of names with dots between them.
fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// Puts a value there, if there is one.
fn put(into: &mut Value, path: &str, value: Option<&Value>) {
    let Some(value) = value else { return };
    let mut place = into;
    for name in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return };
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = value.clone();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::settings::{CameraId, CameraSettings, RecoverySettings, Settings};

    #[test]
    fn a_file_without_a_version_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(
            &path,
            r#"{"max_retries":7,"retry_delay":0.3,"frame_timeout":5.0,"jpeg_quality":70,"source":"sim:@5"}"#,
        )
        .unwrap();
        let settings = Settings::load(&path).settings;
        for camera in [&settings.new_camera, &settings.camera("sim:@5"), &settings.camera("another")] {
            assert_eq!(camera.recovery.n_retries, 7);
            assert!((camera.recovery.base_delay_secs - 0.3).abs() < 1e-9);
            assert!((camera.recovery.first_frame_deadline_secs - 5.0).abs() < 1e-9);
            assert_eq!(camera.jpeg_quality_percent, 70);
        }
        assert_eq!(settings.saved_cameras().next().map(|camera| camera.source.as_str()), Some("sim:@5"));
        assert!(folder.path().join("settings.v0.json").exists());
    }

    /// A random file of layout 1.
    struct Old(fastrand::Rng);

    impl Old {
        fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
            all[self.0.usize(..all.len())]
        }

        /// Puts a value there, or leaves it out.
        fn maybe(&mut self, into: &mut Value, path: &str, value: impl FnOnce(&mut Self) -> Value) {
            if self.0.u8(..4) > 0 {
                let value = value(self);
                put(into, path, Some(&value));
            }
        }

        fn whole(&mut self) -> Value {
            const SOURCES: [&str; 6] =
                ["sim:", "0", "/dev/video0", "usb-046d_C920_7F3E", "rtsp://admin@cam/1", "a.mp4"];
            const BACKENDS: [&str; 4] = ["v4l2", "ffmpeg", "native", "simulated"];
            let mut old = json!({ "version": 1 });
            let root = &mut old;
            self.maybe(root, "source", |old| old.one_of(&SOURCES).into());
            self.maybe(root, "backend", |old| old.one_of(&BACKENDS).into());
            self.maybe(root, "asked.size", |old| json!({ "width": old.0.u32(1..4000), "height": old.0.u32(1..4000) }));
            self.maybe(root, "asked.fps", |old| f64::from(old.0.u32(1..=240)).into());
            self.maybe(root, "asked.n_buffers", |old| old.0.u32(1..=10).into());
            self.maybe(root, "isolation", |old| old.one_of(&["auto", "on", "off"]).into());
            self.maybe(root, "n_warm_up_frames", |old| old.0.u32(..=120).into());
            self.maybe(root, "network.transport", |old| old.one_of(&["tcp", "udp", "auto"]).into());
            self.maybe(root, "network.recent", |_| json!(["rtsp://admin@cam/1", "http://cam/2"]));
            self.maybe(root, "network.trusted_certificates", |old| json!({ "cam:322": old.one_of(&["00ff", "abcd"]) }));
            self.maybe(root, "snapshot.folder", |_| "/tmp/pictures".into());
            self.maybe(root, "snapshot.format", |old| old.one_of(&["jpeg", "png"]).into());
            self.maybe(root, "snapshot.jpeg_quality_percent", |old| old.0.u32(1..=100).into());
            self.maybe(root, "recovery.n_retries", |old| old.0.u32(..=20).into());
            self.maybe(root, "recovery.cooldown_secs", |old| f64::from(old.0.u32(1..=600)).into());
            self.maybe(root, "recovery.may_change_backend", |old| old.0.bool().into());
            self.maybe(root, "window.theme", |old| old.one_of(&["dark", "light", "system"]).into());
            self.maybe(root, "window.folded_sections", |_| json!(["Controls"]));
            self.maybe(root, "language", |old| old.one_of(&["en", "pl", "vi"]).into());
            for source in SOURCES {
                self.maybe(root, "x", |_| Value::Null);
                if self.0.bool() {
                    let mut backends = root["camera_backends"].take();
                    put(&mut backends, &source.replace('.', "-"), Some(&self.one_of(&BACKENDS).into()));
                    root["camera_backends"] = backends;
                }
                if self.0.bool() {
                    let preset =
                        json!({ self.one_of(&["1", "4"]): [{ "id": 9_963_776, "value": self.0.i64(-64..64) }] });
                    let mut presets = root["control_presets"].take();
                    put(&mut presets, &source.replace('.', "-"), Some(&preset));
                    root["control_presets"] = presets;
                }
            }
            root.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            old
        }
    }

    /// What `new` has, where `old` says something, is just that.
    #[track_caller]
    fn check(old: &Value, old_path: &str, new: &Value, new_path: &str, told: &str) {
        fn check_members(old: &Value, new: &Value, told: &str) {
            match old {
                Value::Object(members) => members.iter().for_each(|(name, old)| check_members(old, &new[name], told)),
                _ => assert_eq!(old, new, "{told}"),
            }
        }
        if let Some(wanted) = get(old, old_path) {
            let told = format!("{old_path} → {new_path}, {told}");
            check_members(wanted, get(new, new_path).unwrap_or(&Value::Null), &told);
        }
    }

    #[test]
    fn nothing_of_layout_1_is_lost() {
        let seed = fastrand::u64(..);
        for round in 0..300 {
            let told = format!("seed {seed}, round {round}");
            let old = Old(fastrand::Rng::with_seed(seed.wrapping_add(round))).whole();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.json");
            fs::write(&path, old.to_string()).unwrap();
            let loaded = Settings::load(&path);
            assert!(matches!(loaded.notices.as_slice(), [one] if !one.is_trouble), "{told}: {:?}", loaded.notices);
            // The file as it was is kept, and the new one is as what was loaded.
            assert_eq!(fs::read_to_string(folder.path().join("settings.v1.json")).unwrap(), old.to_string(), "{told}");
            let again = Settings::load(&path);
            assert!(again.notices.is_empty(), "{told}: {:?}", again.notices);
            assert_eq!(again.settings, loaded.settings, "{told}");

            let settings = again.settings;
            let new = serde_json::to_value(&settings).unwrap();
            for path in OF_THE_PROGRAM {
                check(&old, path, &new, path, &told);
            }
            for (from, to) in OF_A_CAMERA {
                check(&old, from, &new, &format!("new_camera.{to}"), &told);
            }
            let source = old.get("source").and_then(Value::as_str);
            assert_eq!(settings.saved_cameras().next().map(|camera| camera.source.as_str()), source, "{told}");
            let of = |name: &str| old[name].as_object().cloned().unwrap_or_default();
            let (backends, presets) = (of("camera_backends"), of("control_presets"));
            for name in source.into_iter().chain(backends.keys().chain(presets.keys()).map(String::as_str)) {
                let camera = serde_json::to_value(settings.camera(name)).unwrap();
                let told = format!("{name}, {told}");
                for (from, to) in OF_A_CAMERA {
                    check(&old, from, &camera, to, &told);
                }
                assert_eq!(camera["best_backend"], backends.get(name).cloned().unwrap_or_default(), "{told}");
                let kept = presets.get(name).cloned().unwrap_or_else(|| json!({}));
                assert_eq!(camera["control_presets"], kept, "{told}");
            }
        }
    }

    /// Whatever camera is named on the command line, what stood in the file for all of them has its effect.
    #[test]
    fn what_was_set_for_all_cameras_is_set_for_new_ones() {
        let old = json!({ "version": 1, "n_warm_up_frames": 2, "recovery": { "n_retries": 9 } });
        let settings: Settings = serde_json::from_value(migrate(1, old)).unwrap();
        let recovery = RecoverySettings { n_retries: 9, ..RecoverySettings::default() };
        let expected = CameraSettings { n_warm_up_frames: 2, recovery, source: "sim:".into(), ..Default::default() };
        assert_eq!(settings.camera("sim:"), expected);
        assert_eq!(settings.camera("sim:").id, CameraId::UNLISTED);
        assert_eq!(settings.network.trusted_certificates, BTreeMap::new());
    }
}
