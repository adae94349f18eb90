//! The numbers of the settings, one row for each, and sets of values that fit together.

use super::{CameraSettings, Settings};

/// A number of a camera's settings, or of the program's: how it is shown, and what it may be.
pub struct Tunable<S: 'static = CameraSettings> {
    /// Its path in the settings file, below the camera if it is one of a camera.
    pub key: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    /// What it does, in plain words.
    pub help: &'static str,
    pub min: f64,
    pub max: f64,
    pub step: f64,
    pub get: fn(&S) -> f64,
    pub set: fn(&mut S, f64),
}

/// Rounds to a count; the table's ranges keep it far from the type's limits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u32 first")]
fn count(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// One row for each number. The window's sliders, the check of a loaded file and their help are made from it.
macro_rules! tunables {
    ($(#[$about:meta])* $all:ident of $settings:ty: $($name:ident $key:literal $label:literal $unit:literal $min:literal..=$max:literal step $step:literal $help:literal
        $get:expr, $set:expr;)*) => {
        $(pub const $name: Tunable<$settings> = Tunable {
            key: $key, label: $label, unit: $unit, help: $help, min: $min, max: $max, step: $step, get: $get, set: $set,
        };)*
        $(#[$about])*
        pub const $all: &[&Tunable<$settings>] = &[$(&$name),*];
    };
}

tunables! {
    /// Every number of a camera.
    CAMERA_TUNABLES of CameraSettings:
    FPS "asked.fps" "Rate" "fps" 1.0..=240.0 step 1.0
        "Pictures a second to ask of the camera. It may give fewer: the line below says what was got."
        |s| s.asked.fps.unwrap_or(30.0), |s, v| s.asked.fps = Some(v);
    BUFFERS "asked.n_buffers" "Buffers" "" 1.0..=10.0 step 1.0
        "Pictures that the driver may queue. Fewer: less delay. More: fewer drops when the computer is busy. Only V4L2 obeys."
        |s| f64::from(s.asked.n_buffers.unwrap_or(1)), |s, v| s.asked.n_buffers = Some(count(v));
    WARM_UP "n_warm_up_frames" "Warm-up" "frames" 0.0..=120.0 step 1.0
        "Pictures thrown away after opening, while the exposure settles."
        |s| f64::from(s.n_warm_up_frames), |s, v| s.n_warm_up_frames = count(v);
    JPEG_QUALITY "jpeg_quality_percent" "JPEG quality" "%" 1.0..=100.0 step 1.0
        "Quality of snapshots saved as JPEG. 85 is hard to tell from the original, 95 keeps nearly everything."
        |s| f64::from(s.jpeg_quality_percent), |s, v| s.jpeg_quality_percent = count(v);
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
    BEFORE_FAULT "recording.before_secs" "Before a fault" "s" 1.0..=60.0 step 1.0
        "What is kept in memory, and what a clip of a fault has from before it."
        |s| s.recording.before_secs, |s, v| s.recording.before_secs = v;
    TIME_LAPSE "recording.time_lapse_secs" "A picture each" "s" 1.0..=3600.0 step 1.0
        "From one picture of a time lapse to the next. Of H.264 and H.265 it is the next key picture."
        |s| s.recording.time_lapse_secs, |s, v| s.recording.time_lapse_secs = v;
}

tunables! {
    /// Every number of the program.
    PROGRAM_TUNABLES of Settings:
    SCALE "window.scale_percent" "Scale" "%" 50.0..=300.0 step 10.0
        "Size of everything in the window, on top of the screen's own scale."
        |s| f64::from(s.window.scale_percent), |s, v| s.window.scale_percent = count(v);
    CLIP_AGE "clips.max_age_days" "Keep clips" "days" 1.0..=3650.0 step 1.0
        "Older clips are deleted while something is recorded. Those of faults, and those that you protect, are not."
        |s| f64::from(s.clips.max_age_days), |s, v| s.clips.max_age_days = count(v);
    CLIP_SIZE "clips.max_gb" "All clips" "GB" 1.0..=100_000.0 step 1.0
        "Beyond it the oldest clips are deleted. Those of faults go last, and have a quarter of it."
        |s| s.clips.max_gb, |s, v| s.clips.max_gb = v;
    CLIP_ROOM "clips.min_free_gb" "Leave free" "GB" 1.0..=1000.0 step 1.0
        "What stays free on the disk of the clips, and ten minutes of recording in any case."
        |s| s.clips.min_free_gb, |s, v| s.clips.min_free_gb = v;
}

impl<S: Default> Tunable<S> {
    #[must_use]
    pub fn default_value(&self) -> f64 {
        (self.get)(&S::default())
    }

    /// Whether it stands in *Recovery*.
    #[must_use]
    pub fn is_of_recovery(&self) -> bool {
        self.key.starts_with("recovery.")
    }

    /// Whether it stands in *Recording*; all others of a camera stand in *Source*.
    #[must_use]
    pub fn is_of_recording(&self) -> bool {
        self.key.starts_with("recording.")
    }

    /// Brings the number into its range. Returns a sentence where it was not; `of` says whose number it is, if not the
    /// program's.
    pub(super) fn put_right(&self, settings: &mut S, of: &str) -> Option<String> {
        let value = (self.get)(settings);
        let right = if value.is_finite() { value.clamp(self.min, self.max) } else { self.default_value() };
        #[expect(clippy::float_cmp, reason = "clamp returns its argument unless it lies outside")]
        if right == value {
            return None;
        }
        (self.set)(settings, right);
        let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
        let (key, min, max) = (self.key, self.min, self.max);
        Some(format!("{key}{of} was {value} in the settings file; it can be {min} to {max}, so {right} is used."))
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
    pub fn apply(&self, settings: &mut CameraSettings) {
        for (tunable, value) in self.values {
            (tunable.set)(settings, *value);
        }
    }

    /// Whether the settings are just as this preset would make them.
    #[must_use]
    pub fn is_active(&self, settings: &CameraSettings) -> bool {
        self.values.iter().all(|(tunable, value)| ((tunable.get)(settings) - value).abs() < 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn check<S: Default + Serialize>(tunables: &[&Tunable<S>]) {
        for tunable in tunables {
            let default = tunable.default_value();
            assert!((tunable.min..=tunable.max).contains(&default), "{}", tunable.key);
            let mut settings = S::default();
            (tunable.set)(&mut settings, tunable.max);
            assert!(((tunable.get)(&settings) - tunable.max).abs() < 1e-9, "{}", tunable.key);
            let json = serde_json::to_value(&settings).unwrap();
            let stored = tunable.key.split('.').fold(&json, |value, name| &value[name]).as_f64();
            assert_eq!(stored, Some(tunable.max), "{}", tunable.key);
        }
    }

    #[test]
    fn every_default_lies_in_its_range_and_every_row_reads_what_it_sets() {
        check(CAMERA_TUNABLES);
        check(PROGRAM_TUNABLES);
    }

    #[test]
    fn presets_are_recognised() {
        for preset in &PRESETS {
            let mut settings = CameraSettings::default();
            preset.apply(&mut settings);
            assert!(preset.is_active(&settings));
            assert_eq!(PRESETS.iter().filter(|other| other.is_active(&settings)).count(), 1, "{}", preset.name);
        }
    }
}
