//! The controls of the scripted camera, and what they do to its picture: with their defaults, nothing.
//!
//! They are forgotten when the camera is closed, as by a camera that is unplugged.

use std::collections::VecDeque;

use crate::control::{
    self, AUTO_EXPOSURE, BRIGHTNESS, CONTRAST, Control, ControlKind, ControlSetting, ControlsUpdate, EXPOSURE_TIME,
    GAIN, MenuItem, POWER_LINE_FREQUENCY, Refusal, SATURATION, UpdateCause, differences, in_order,
};
use crate::frame::Image;

/// `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_APERTURE_PRIORITY`, as webcams have them.
const MANUAL: i64 = 1;
const AUTOMATIC: i64 = 3;
/// In 0.1 ms: with this time and without gain the picture is as it is drawn.
const NORMAL_EXPOSURE: i64 = 333;
const NORMAL_CONTRAST: i64 = 32;
const NORMAL_SATURATION: i64 = 64;
/// By so much gain the picture is twice as bright.
const GAIN_OF_TWO: f64 = 64.0;

pub struct SimulatedControls {
    list: Vec<Control>,
    updates: VecDeque<ControlsUpdate>,
}

impl SimulatedControls {
    pub fn new() -> Self {
        let range = |min, max| ControlKind::Integer { min, max, step: 1 };
        let menu = |items: &[(i64, &str)]| {
            let items = items.iter().map(|(value, name)| MenuItem { value: *value, name: (*name).to_owned() });
            ControlKind::Menu { items: items.collect() }
        };
        let exposure = menu(&[(MANUAL, "Manual Mode"), (AUTOMATIC, "Aperture Priority Mode")]);
        let mains = menu(&[(0, "Disabled"), (1, "50 Hz"), (2, "60 Hz")]);
        let list = [
            (BRIGHTNESS, "Brightness", range(-64, 64), 0),
            (CONTRAST, "Contrast", range(0, 95), NORMAL_CONTRAST),
            (SATURATION, "Saturation", range(0, 128), NORMAL_SATURATION),
            (GAIN, "Gain", range(0, 128), 0),
            (POWER_LINE_FREQUENCY, "Power Line Frequency", mains, 0),
            (AUTO_EXPOSURE, "Auto Exposure", exposure, AUTOMATIC),
            (EXPOSURE_TIME, "Exposure Time, Absolute", range(1, 2_000), NORMAL_EXPOSURE),
        ]
        .map(|(id, name, kind, default)| Control {
            id,
            name: name.to_owned(),
            kind,
            value: Some(default),
            default,
            held: None,
            is_read_only: false,
            is_volatile: false,
        });
        let mut controls = Self { list: list.to_vec(), updates: VecDeque::new() };
        controls.hold();
        controls.updates = ControlsUpdate::in_pieces(UpdateCause::Listed, &controls.list, Vec::new()).into();
        controls
    }

    pub fn update(&mut self) -> Option<ControlsUpdate> {
        self.updates.pop_front()
    }

    pub fn set(&mut self, wanted: &[ControlSetting]) {
        let before = self.list.clone();
        let mut refused = Vec::new();
        for ControlSetting { id, value } in in_order(wanted) {
            if let Some(control) = self.list.iter_mut().find(|control| control.id == id) {
                match &control.held {
                    Some(why) => refused.push(Refusal { id, why: why.clone() }),
                    None => control.value = Some(control.fit(value)),
                }
            }
            self.hold();
        }
        self.updates.extend(ControlsUpdate::in_pieces(UpdateCause::Set, &differences(&before, &self.list), refused));
    }

    fn value(&self, id: u32) -> Option<i64> {
        self.list.iter().find(|control| control.id == id)?.value
    }

    fn hold(&mut self) {
        let held: Vec<_> =
            self.list.iter().map(|control| control::held_by(control.id, false, |id| self.value(id))).collect();
        for (control, held) in self.list.iter_mut().zip(held) {
            control.held = held;
        }
    }

    pub fn tone(&self) -> ImageAdjustment {
        let value = |id| self.value(id).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let ratio = |value: i64, normal: i64| value as f64 / normal as f64;
        let exposure = if value(AUTO_EXPOSURE) == MANUAL { ratio(value(EXPOSURE_TIME), NORMAL_EXPOSURE) } else { 1.0 };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (gain, brightness) = (value(GAIN) as f64, value(BRIGHTNESS) as f64);
        ImageAdjustment {
            light: exposure * (1.0 + gain / GAIN_OF_TWO),
            contrast: ratio(value(CONTRAST), NORMAL_CONTRAST),
            brightness,
            saturation: ratio(value(SATURATION), NORMAL_SATURATION),
            mains_hz: match value(POWER_LINE_FREQUENCY) {
                1 => Some(50.0),
                2 => Some(60.0),
                _ => None,
            },
        }
    }
}

/// What the controls make of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageAdjustment {
    /// How much of the usual light the sensor gets, times its gain.
    light: f64,
    contrast: f64,
    brightness: f64,
    saturation: f64,
    /// The lamps that the exposure times suit.
    mains_hz: Option<f64>,
}

impl Default for ImageAdjustment {
    fn default() -> Self {
        Self { light: 1.0, contrast: 1.0, brightness: 0.0, saturation: 1.0, mains_hz: None }
    }
}

impl ImageAdjustment {
    /// Whether lamps on such mains leave no bands.
    pub fn suits_mains(&self, mains_hz: f64) -> bool {
        self.mains_hz.is_some_and(|suited| (suited - mains_hz).abs() < 1.0)
    }

    pub fn apply(&self, pixels: &mut [u8]) {
        if (Self { mains_hz: None, ..*self }) == Self::default() {
            return;
        }
        let mut table = [0_u8; 256];
        for (value, entry) in (0_u8..=u8::MAX).zip(&mut table) {
            *entry = byte((f64::from(value) * self.light - 128.0) * self.contrast + 128.0 + self.brightness);
        }
        for value in pixels.iter_mut() {
            *value = table.get(usize::from(*value)).copied().unwrap_or_default();
        }
        if (self.saturation - 1.0).abs() > f64::EPSILON {
            for pixel in pixels.as_chunks_mut::<{ Image::BYTES_PER_PIXEL }>().0 {
                let [b, g, r] = pixel.map(f64::from);
                let grey = 0.114 * b + 0.587 * g + 0.299 * r;
                *pixel = [b, g, r].map(|value| byte(grey + (value - grey) * self.saturation));
            }
        }
    }
}

fn byte(value: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let byte = value.round() as u8;
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[(u32, i64)]) -> (SimulatedControls, Vec<ControlsUpdate>) {
        let mut controls = SimulatedControls::new();
        while controls.update().is_some() {}
        let wanted: Vec<_> = settings.iter().map(|(id, value)| ControlSetting { id: *id, value: *value }).collect();
        controls.set(&wanted);
        let updates = std::iter::from_fn(|| controls.update()).collect();
        (controls, updates)
    }

    /// What one colour becomes.
    #[track_caller]
    fn check(settings: &[(u32, i64)], expected: [u8; 3]) {
        let mut pixel = [50, 100, 200];
        set(settings).0.tone().apply(&mut pixel);
        assert_eq!(pixel, expected, "{settings:?}");
    }

    #[test]
    fn each_control_does_what_its_name_says() {
        check(&[], [50, 100, 200]);
        check(&[(BRIGHTNESS, 30)], [80, 130, 230]);
        check(&[(BRIGHTNESS, 9_000)], [114, 164, 255]);
        check(&[(CONTRAST, 64)], [0, 72, 255]);
        check(&[(CONTRAST, 0)], [128; 3]);
        check(&[(SATURATION, 0)], [124; 3]);
        check(&[(GAIN, 64)], [100, 200, 255]);
        // The time counts once the automatic is off, in whatever order both are set.
        check(&[(EXPOSURE_TIME, 33)], [50, 100, 200]);
        check(&[(EXPOSURE_TIME, 666), (AUTO_EXPOSURE, MANUAL)], [100, 200, 255]);
        check(&[(POWER_LINE_FREQUENCY, 1)], [50, 100, 200]);
    }

    #[test]
    fn the_automatic_holds_the_exposure_time() {
        let (controls, updates) = set(&[(EXPOSURE_TIME, 33)]);
        assert_eq!(
            updates.iter().flat_map(|update| &update.refused).map(|refusal| refusal.id).collect::<Vec<_>>(),
            [EXPOSURE_TIME]
        );
        assert_eq!(controls.value(EXPOSURE_TIME), Some(NORMAL_EXPOSURE));
        let (controls, updates) = set(&[(AUTO_EXPOSURE, MANUAL)]);
        let time = controls.list.iter().find(|control| control.id == EXPOSURE_TIME).unwrap();
        assert!(time.can_be_set());
        // That it can be set now is an update as well.
        assert!(updates.iter().flat_map(|update| &update.changed).any(|control| control == time));
    }

    #[test]
    fn the_right_mains_frequency_takes_the_bands_away() {
        let (controls, _) = set(&[(POWER_LINE_FREQUENCY, 2)]);
        assert!(controls.tone().suits_mains(60.0) && !controls.tone().suits_mains(50.0));
        assert!(!ImageAdjustment::default().suits_mains(50.0));
    }
}
