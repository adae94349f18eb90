//! What is known of the controls that many devices have: what they do, their unit, and which hold others.
//!
//! Numbers as in `v4l2-controls.h`, on every system.

use super::ControlSetting;

const USER: u32 = 0x0098_0900;
const CAMERA: u32 = 0x009a_0900;

pub const BRIGHTNESS: u32 = USER;
pub const CONTRAST: u32 = USER + 1;
pub const SATURATION: u32 = USER + 2;
pub const HUE: u32 = USER + 3;
pub const AUTO_WHITE_BALANCE: u32 = USER + 12;
pub const GAMMA: u32 = USER + 16;
/// In a unit of the device's own; [`EXPOSURE_TIME`] is a time.
pub const EXPOSURE: u32 = USER + 17;
pub const AUTO_GAIN: u32 = USER + 18;
pub const GAIN: u32 = USER + 19;
pub const MIRROR: u32 = USER + 20;
pub const FLIP: u32 = USER + 21;
pub const POWER_LINE_FREQUENCY: u32 = USER + 24;
pub const AUTO_HUE: u32 = USER + 25;
pub const WHITE_BALANCE: u32 = USER + 26;
pub const SHARPNESS: u32 = USER + 27;
pub const BACKLIGHT: u32 = USER + 28;
pub const AUTO_EXPOSURE: u32 = CAMERA + 1;
pub const EXPOSURE_TIME: u32 = CAMERA + 2;
pub const EXPOSURE_PRIORITY: u32 = CAMERA + 3;
pub const PAN: u32 = CAMERA + 8;
pub const TILT: u32 = CAMERA + 9;
pub const FOCUS: u32 = CAMERA + 10;
pub const AUTO_FOCUS: u32 = CAMERA + 12;
pub const ZOOM: u32 = CAMERA + 13;
pub const PRIVACY: u32 = CAMERA + 16;
pub const IRIS: u32 = CAMERA + 17;
pub const EXPOSURE_BIAS: u32 = CAMERA + 19;
/// An automatic mode that V4L2 has no number for has that of what it sets, and this; in the part that V4L2 leaves to drivers.
pub const OWN_AUTO: u32 = 0xe000;

/// What is known of a control that many devices have.
struct KnownControl {
    id: u32,
    /// Shorter than what drivers call it, and the same with each of them.
    label: &'static str,
    unit: &'static str,
    help: &'static str,
    /// The control that takes it over, and what then stands in its place.
    automatic: Option<AutomaticMode>,
}

struct AutomaticMode {
    id: u32,
    /// Whether it takes over with this value.
    takes_over: fn(i64) -> bool,
    reason: &'static str,
}

/// A switch that takes over when it is on.
const fn switch(id: u32, reason: &'static str) -> AutomaticMode {
    AutomaticMode { id, takes_over: |value| value != 0, reason }
}

/// `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_SHUTTER_PRIORITY` leave the time to the user.
const fn exposure(reason: &'static str) -> AutomaticMode {
    AutomaticMode { id: AUTO_EXPOSURE, takes_over: |value| !matches!(value, 1 | 2), reason }
}

/// `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_APERTURE_PRIORITY` leave the iris to the user.
const fn iris(reason: &'static str) -> AutomaticMode {
    AutomaticMode { id: AUTO_EXPOSURE, takes_over: |value| !matches!(value, 1 | 3), reason }
}

macro_rules! known {
    ($($id:ident $label:literal $unit:literal $help:literal $automatic:expr;)*) => {
        const KNOWN: &[KnownControl] = &[$(KnownControl { id: $id, label: $label, unit: $unit, help: $help, automatic: $automatic }),*];
    };
}

known! {
    BRIGHTNESS "Brightness" "" "Makes all of the picture lighter or darker. It changes the numbers, not the light: for a dark room, raise exposure or gain first." None;
    CONTRAST "Contrast" "" "How far apart light and dark are. Too much of it loses detail in both." None;
    SATURATION "Saturation" "" "How strong the colours are. The least is black and white on most cameras." None;
    HUE "Hue" "" "Turns all colours round the colour circle. Best left alone." Some(switch(AUTO_HUE, "Automatic hue is on"));
    AUTO_WHITE_BALANCE "Auto white balance" "" "The camera itself finds out which colour the light has. Turn it off when colours wander." None;
    GAMMA "Gamma" "" "How bright the middle tones are; black and white stay." None;
    AUTO_GAIN "Auto gain" "" "The camera itself amplifies the picture in the dark." None;
    GAIN "Gain" "" "Amplifies the picture. Brighter, and with more noise: a longer exposure or more light is better." None;
    MIRROR "Mirror" "" "Swaps left and right." None;
    FLIP "Upside down" "" "Turns the picture upside down." None;
    POWER_LINE_FREQUENCY "Mains frequency" "" "Takes away the bands that lamps make. 50 Hz in most of the world, 60 Hz in North America and parts of Asia and South America." None;
    AUTO_HUE "Auto hue" "" "The camera itself sets the hue." None;
    WHITE_BALANCE "White balance" "K" "The colour of the light: about 2800 K for lamps, 5500 K for the sun. The wrong one gives a yellow or blue picture." Some(switch(AUTO_WHITE_BALANCE, "Automatic white balance is on"));
    SHARPNESS "Sharpness" "" "Stresses edges. Too much of it gives bright seams and noise." None;
    BACKLIGHT "Backlight" "" "Makes a face in front of a window brighter, and the window white." None;
    AUTO_EXPOSURE "Auto exposure" "" "The camera itself sets how long each picture collects light. Turn it to manual when the brightness pumps, or the rate falls in the dark." None;
    EXPOSURE_TIME "Exposure time" "ms" "How long each picture collects light. Longer: brighter, more blur, and a lower rate once it exceeds the time between two pictures (33.3 ms at 30 fps)." Some(exposure("Auto exposure is on"));
    EXPOSURE_PRIORITY "Rate may fall" "" "Whether automatic exposure may lower the rate in the dark. Turn it off when fewer pictures a second come than were asked for." None;
    PAN "Pan" "″" "Looks left or right, in seconds of arc." None;
    TILT "Tilt" "″" "Looks up or down, in seconds of arc." None;
    FOCUS "Focus" "" "The distance at which the picture is sharp." Some(switch(AUTO_FOCUS, "Automatic focus is on"));
    AUTO_FOCUS "Auto focus" "" "The camera itself focuses. Turn it off when it hunts back and forth." None;
    ZOOM "Zoom" "" "Makes what is far away larger." None;
    PRIVACY "Privacy" "" "Shuts the camera off: the picture is black. On some cameras it is a slider in front of the lens, which only a hand can move." None;
    EXPOSURE_BIAS "Exposure bias" "" "Makes what automatic exposure aims at brighter or darker, in thousandths of a stop." None;
    EXPOSURE "Exposure" "" "How long each picture collects light, in a unit of the camera's own. More is brighter." Some(exposure("Auto exposure is on"));
    IRIS "Iris" "" "How much light the lens lets in." Some(iris("Auto exposure is on"));
}

/// Under which heading a control stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlGroup {
    /// What is made of the light.
    Picture,
    /// Lens, shutter and where the camera looks.
    Camera,
    /// What the maker of the device or of its driver has added, and what cameras seldom have.
    Other,
}

impl ControlGroup {
    pub const ALL: [Self; 3] = [Self::Picture, Self::Camera, Self::Other];

    /// Classes of V4L2 have their number in the upper half; in the lower half a driver's own begin with 0x1000.
    #[must_use]
    pub fn of(id: u32) -> Self {
        let is_common = id & 0xffff < 0x1000;
        match id >> 16 {
            0x98 if is_common => Self::Picture,
            0x9a if is_common => Self::Camera,
            _ => Self::Other,
        }
    }

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Picture => "Picture",
            Self::Camera => "Camera",
            Self::Other => "Other",
        }
    }
}

fn known(id: u32) -> Option<&'static KnownControl> {
    KNOWN.iter().find(|known| known.id == id)
}

/// The numbers of common controls that are larger, in their order.
pub fn ids_behind(id: u32) -> impl Iterator<Item = u32> {
    let mut ids: Vec<_> = KNOWN.iter().map(|known| known.id).filter(|known| *known > id).collect();
    ids.sort_unstable();
    ids.into_iter()
}

/// What it does, in plain words; empty for what only its maker knows.
#[must_use]
pub fn help(id: u32) -> &'static str {
    known(id).map_or("", |known| known.help)
}

/// What it is called here; `None` for what only its maker knows.
#[must_use]
pub fn label(id: u32) -> Option<&'static str> {
    known(id).map(|known| known.label)
}

#[must_use]
pub fn unit(id: u32) -> &'static str {
    known(id).map_or("", |known| known.unit)
}

/// The unit of the device's own number (`ext-ctrls-camera.rst` and `control.rst` of the kernel's documentation).
#[must_use]
pub fn device_unit(id: u32) -> Option<&'static str> {
    match id {
        EXPOSURE_TIME => Some("100 µs"),
        PAN | TILT => Some("arc seconds"),
        EXPOSURE_BIAS => Some("0.001 EV"),
        _ => Some(unit(id)).filter(|unit| !unit.is_empty()),
    }
}

/// A value in its unit is so many times as large as the device's number: V4L2 counts exposure times in 100 µs.
#[must_use]
pub fn scale(id: u32) -> f64 {
    if id == EXPOSURE_TIME { 0.1 } else { 1.0 }
}

/// What [`OWN_AUTO`] makes of the number of a common control.
fn own_auto(id: u32) -> Option<u32> {
    (id & 0xf000 == 0).then_some(id | OWN_AUTO)
}

/// Why another control keeps this one from being set, from what is known of both. `is_inactive` is what the driver says;
/// uvcvideo before Linux 6.0 does not say it.
#[must_use]
pub fn held_by(id: u32, is_inactive: bool, value_of: impl Fn(u32) -> Option<i64>) -> Option<String> {
    let automatic = known(id).and_then(|known| known.automatic.as_ref());
    match automatic {
        Some(automatic) if value_of(automatic.id).is_some_and(automatic.takes_over) => {
            Some(automatic.reason.to_owned())
        }
        _ if own_auto(id).and_then(&value_of).is_some_and(|on| on != 0) => Some("Its automatic mode is on".to_owned()),
        _ if is_inactive && id == GAIN && value_of(AUTO_GAIN).is_some_and(|on| on != 0) => {
            Some("Automatic gain is on".to_owned())
        }
        _ => is_inactive.then(|| "Another control holds it; an automatic mode, most likely".to_owned()),
    }
}

/// In the order in which a device takes them: those first that take over others, as an exposure time can be set only when the
/// automatic is off; and without those that are taken over thereby.
#[must_use]
pub fn in_order(settings: &[ControlSetting]) -> Vec<ControlSetting> {
    let automatic_of = |id| known(id).and_then(|known| known.automatic.as_ref());
    let is_own = |id| id & 0xf000 == OWN_AUTO;
    let is_automatic = |id| {
        id == AUTO_GAIN || is_own(id) || KNOWN.iter().any(|known| known.automatic.as_ref().is_some_and(|m| m.id == id))
    };
    let is_taken_over = |setting: &&ControlSetting| {
        let of = |automatic: &AutomaticMode| {
            settings.iter().any(|s| s.id == automatic.id && (automatic.takes_over)(s.value))
        };
        let is_on = |auto| settings.iter().any(|s| s.id == auto && s.value != 0);
        automatic_of(setting.id).is_some_and(of) || own_auto(setting.id).is_some_and(is_on)
    };
    let mut ordered: Vec<_> = settings.iter().filter(|setting| !is_taken_over(setting)).copied().collect();
    ordered.sort_by_key(|setting| !is_automatic(setting.id));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_held(id: u32, is_inactive: bool, values: &[(u32, i64)], expected: Option<&str>) {
        let value_of = |id| values.iter().find(|(other, _)| *other == id).map(|(_, value)| *value);
        assert_eq!(held_by(id, is_inactive, value_of).as_deref(), expected, "{id:x} {is_inactive} {values:?}");
    }

    #[test]
    fn an_automatic_holds_what_it_sets() {
        check_held(EXPOSURE_TIME, false, &[(AUTO_EXPOSURE, 3)], Some("Auto exposure is on"));
        check_held(EXPOSURE_TIME, true, &[(AUTO_EXPOSURE, 0)], Some("Auto exposure is on"));
        check_held(EXPOSURE_TIME, false, &[(AUTO_EXPOSURE, 1)], None);
        check_held(EXPOSURE_TIME, false, &[], None);
        check_held(IRIS, false, &[(AUTO_EXPOSURE, 2)], Some("Auto exposure is on"));
        check_held(IRIS, false, &[(AUTO_EXPOSURE, 3)], None);
        check_held(CONTRAST, false, &[(CONTRAST + OWN_AUTO, 1)], Some("Its automatic mode is on"));
        check_held(CONTRAST, false, &[(CONTRAST + OWN_AUTO, 0)], None);
        check_held(CONTRAST + OWN_AUTO, false, &[(CONTRAST + OWN_AUTO, 1)], None);
        check_held(FOCUS, true, &[(AUTO_FOCUS, 1)], Some("Automatic focus is on"));
        check_held(FOCUS, false, &[(AUTO_FOCUS, 0)], None);
        check_held(WHITE_BALANCE, false, &[(AUTO_WHITE_BALANCE, 1)], Some("Automatic white balance is on"));
        check_held(GAIN, false, &[(AUTO_GAIN, 1)], None);
        check_held(GAIN, true, &[(AUTO_GAIN, 1)], Some("Automatic gain is on"));
        check_held(BRIGHTNESS, true, &[], Some("Another control holds it; an automatic mode, most likely"));
    }

    #[track_caller]
    fn check_order(settings: &[(u32, i64)], expected: &[u32]) {
        let settings: Vec<_> = settings.iter().map(|(id, value)| ControlSetting { id: *id, value: *value }).collect();
        let order: Vec<_> = in_order(&settings).iter().map(|setting| setting.id).collect();
        assert_eq!(order, expected, "{settings:?}");
    }

    #[test]
    fn the_automatic_is_set_before_what_it_holds_and_in_its_place() {
        check_order(
            &[(EXPOSURE_TIME, 1), (BRIGHTNESS, 1), (AUTO_FOCUS, 0), (FOCUS, 1), (AUTO_EXPOSURE, 1)],
            &[AUTO_FOCUS, AUTO_EXPOSURE, EXPOSURE_TIME, BRIGHTNESS, FOCUS],
        );
        check_order(&[(EXPOSURE_TIME, 1), (AUTO_EXPOSURE, 3)], &[AUTO_EXPOSURE]);
        check_order(&[(FOCUS, 1), (AUTO_FOCUS, 1), (BRIGHTNESS, 1)], &[AUTO_FOCUS, BRIGHTNESS]);
        let auto = CONTRAST + OWN_AUTO;
        check_order(&[(CONTRAST, 1), (BRIGHTNESS, 1), (auto, 0)], &[auto, CONTRAST, BRIGHTNESS]);
        check_order(&[(CONTRAST, 1), (auto, 1)], &[auto]);
        check_order(&[], &[]);
    }

    #[test]
    fn controls_stand_under_three_headings() {
        let of = |ids: &[u32]| ids.iter().map(|id| ControlGroup::of(*id)).collect::<Vec<_>>();
        assert_eq!(of(&[BRIGHTNESS, POWER_LINE_FREQUENCY, 0x0098_0fff]), [ControlGroup::Picture; 3]);
        assert_eq!(of(&[EXPOSURE_TIME, PRIVACY]), [ControlGroup::Camera; 2]);
        // Of a driver's own, of codecs, of vivid, of nobody.
        assert_eq!(of(&[0x0098_f900, 0x009a_1000, 0x0099_0900, 0x00f0_f000, 0, u32::MAX]), [ControlGroup::Other; 6]);
    }
}
