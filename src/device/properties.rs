//! The controls of a camera as DirectShow has them: properties with a range, of which some can be left to the camera.
//!
//! Plain data in, controls and calls out; the calls themselves are in the file of the system. Numbers and units are those of
//! `ksmedia.h` here, and those of V4L2 in a [`Control`]: what is automatic is a flag of the property here, and a control of
//! its own there.

use super::controls::checked;
use crate::control::{
    self, AUTO_EXPOSURE, AUTO_FOCUS, AUTO_GAIN, AUTO_HUE, AUTO_WHITE_BALANCE, BACKLIGHT, BRIGHTNESS, CONTRAST, Control,
    ControlKind, ControlSetting, EXPOSURE, EXPOSURE_PRIORITY, EXPOSURE_TIME, FOCUS, GAIN, GAMMA, HUE, IRIS, MenuItem,
    OWN_AUTO, PAN, POWER_LINE_FREQUENCY, PRIVACY, SATURATION, SHARPNESS, TILT, WHITE_BALANCE, ZOOM,
};

/// `VideoProcAmp_Flags_Auto`, `VideoProcAmp_Flags_Manual`, and the same of `CameraControl`.
pub const AUTO: i32 = 1;
pub const MANUAL: i32 = 2;

/// The interface that has a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `IAMVideoProcAmp`
    Picture,
    /// `IAMCameraControl`
    Camera,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    pub set: Set,
    /// In its set.
    pub number: i32,
}

/// What `GetRange` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub min: i32,
    pub max: i32,
    pub step: i32,
    pub default: i32,
    /// Whether it can be left to the camera, and whether it can be set by hand.
    pub flags: i32,
}

/// What `Get` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub value: i32,
    pub flags: i32,
}

/// A property that the camera has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub property: Property,
    pub range: Range,
    /// `None` where the camera does not answer.
    pub state: Option<State>,
}

/// What `Set` is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    pub property: Property,
    pub value: i32,
    pub flags: i32,
}

/// What the numbers of a property say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The same as in V4L2, or nothing but more and less.
    Number,
    /// V4L2 counts seconds of arc.
    Degrees,
    /// The exponent to 2 of a time in seconds. V4L2 counts 100 µs.
    Exponent,
    Switch,
    /// The same menu as in V4L2.
    Mains,
}

struct Known {
    property: Property,
    id: u32,
    /// Its automatic mode.
    auto: u32,
    meaning: Meaning,
}

const fn known(set: Set, number: i32, id: u32, auto: u32, meaning: Meaning) -> Known {
    Known { property: Property { set, number }, id, auto, meaning }
}

/// For an automatic mode without a number in V4L2.
const fn own(set: Set, number: i32, id: u32, meaning: Meaning) -> Known {
    known(set, number, id, id + OWN_AUTO, meaning)
}

/// `KSPROPERTY_VIDCAP_VIDEOPROCAMP` and `KSPROPERTY_VIDCAP_CAMERACONTROL`: the interfaces hand these numbers to the driver,
/// also those that came with USB video and that DirectShow has no names for.
const KNOWN: &[Known] = &[
    own(Set::Picture, 0, BRIGHTNESS, Meaning::Number),
    own(Set::Picture, 1, CONTRAST, Meaning::Number),
    known(Set::Picture, 2, HUE, AUTO_HUE, Meaning::Number),
    own(Set::Picture, 3, SATURATION, Meaning::Number),
    own(Set::Picture, 4, SHARPNESS, Meaning::Number),
    own(Set::Picture, 5, GAMMA, Meaning::Number),
    known(Set::Picture, 7, WHITE_BALANCE, AUTO_WHITE_BALANCE, Meaning::Number),
    own(Set::Picture, 8, BACKLIGHT, Meaning::Number),
    known(Set::Picture, 9, GAIN, AUTO_GAIN, Meaning::Number),
    own(Set::Picture, 13, POWER_LINE_FREQUENCY, Meaning::Mains),
    own(Set::Camera, 0, PAN, Meaning::Degrees),
    own(Set::Camera, 1, TILT, Meaning::Degrees),
    own(Set::Camera, 3, ZOOM, Meaning::Number),
    known(Set::Camera, EXPOSURE_NUMBER, EXPOSURE_TIME, AUTO_EXPOSURE, Meaning::Exponent),
    known(Set::Camera, IRIS_NUMBER, IRIS, AUTO_EXPOSURE, Meaning::Number),
    known(Set::Camera, 6, FOCUS, AUTO_FOCUS, Meaning::Number),
    own(Set::Camera, 8, PRIVACY, Meaning::Switch),
    own(Set::Camera, 19, EXPOSURE_PRIORITY, Meaning::Switch),
];

const EXPOSURE_NUMBER: i32 = 4;
const IRIS_NUMBER: i32 = 5;

/// Those that a camera is asked for.
pub fn properties() -> impl Iterator<Item = Property> {
    KNOWN.iter().map(|known| known.property)
}

/// What these make. A property whose range is impossible for it is left out.
#[must_use]
pub fn controls(rows: &[Row]) -> Vec<Control> {
    let faces: Vec<_> = rows.iter().filter_map(Face::of).collect();
    let mut list: Vec<_> = faces.iter().map(Face::control).collect();
    list.extend(faces.iter().filter_map(Face::switch));
    list.extend(Exposure::of(&faces).map(Exposure::control));
    let value_of = |id| list.iter().find(|control: &&Control| control.id == id).and_then(|control| control.value);
    let is_auto = |id| faces.iter().any(|face| face.id == id && face.can_choose() && face.is_auto() == Some(true));
    let held: Vec<_> = list.iter().map(|control| control::held_by(control.id, is_auto(control.id), value_of)).collect();
    let mut list: Vec<_> = list.into_iter().zip(held).map(|(control, held)| Control { held, ..control }).collect();
    // V4L2's order.
    list.sort_by_key(|control| control.id);
    list.into_iter().map(checked).collect()
}

/// What is to be called so that a control has that value; nothing where it has it already.
///
/// # Errors
/// A sentence for people.
pub fn writes(setting: ControlSetting, rows: &[Row]) -> Result<Vec<Write>, String> {
    let faces: Vec<_> = rows.iter().filter_map(Face::of).collect();
    if let Some(face) = faces.iter().find(|face| face.id == setting.id) {
        // To set it would turn the automatic off, which is not what was asked for.
        if face.is_auto() == Some(true) {
            return Err("an automatic mode holds it".to_owned());
        }
        return face.native(setting.value).map(|value| vec![face.write(value, MANUAL)]);
    }
    if setting.id == AUTO_EXPOSURE {
        let exposure = Exposure::of(&faces).ok_or_else(missing)?;
        return exposure.writes(setting.value).ok_or_else(|| "the camera does not take this value".to_owned());
    }
    let switch = faces.iter().find(|face| face.known.auto == setting.id && face.can_choose());
    Ok(switch.ok_or_else(missing)?.turned(setting.value != 0).into_iter().collect())
}

fn missing() -> String {
    "the camera does not have it".to_owned()
}

/// A property as a control.
struct Face<'a> {
    row: &'a Row,
    known: &'static Known,
    /// That of the table, unless the camera gives it another meaning.
    id: u32,
    meaning: Meaning,
    /// The right way round.
    min: i32,
    max: i32,
}

impl<'a> Face<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.property == row.property)?;
        let (min, max) = (row.range.min.min(row.range.max), row.range.min.max(row.range.max));
        let (id, meaning) = match known.meaning {
            // From a millionth of a second to a minute. Some drivers count in a unit of their own.
            Meaning::Exponent if !(-20..0).contains(&min) || max > 6 => (EXPOSURE, Meaning::Number),
            Meaning::Switch if (min, max) != (0, 1) => return None,
            Meaning::Mains if min < 0 || max > 3 || min == max => return None,
            meaning => (known.id, meaning),
        };
        Some(Self { row, known, id, meaning, min, max })
    }

    fn control(&self) -> Control {
        let is_hand = self.row.range.flags & MANUAL != 0 || self.row.range.flags & AUTO == 0;
        let integer = |scale: i64| {
            let step = i64::from(self.step()) * scale;
            ControlKind::Integer { min: i64::from(self.min) * scale, max: i64::from(self.max) * scale, step }
        };
        let kind = match self.meaning {
            Meaning::Number => integer(1),
            Meaning::Degrees => integer(ARC_SECONDS),
            Meaning::Exponent => ControlKind::Menu { items: self.times() },
            Meaning::Switch => ControlKind::Boolean,
            Meaning::Mains => ControlKind::Menu {
                items: MAINS
                    .iter()
                    .filter(|(value, _)| (self.min..=self.max).contains(value))
                    .map(|(value, name)| item((*value).into(), name))
                    .collect(),
            },
        };
        Control {
            id: self.id,
            name: self.name(),
            kind,
            value: self.row.state.map(|state| self.shown(state.value)),
            default: self.shown(self.row.range.default),
            held: None,
            is_read_only: !is_hand,
            is_volatile: false,
        }
    }

    /// Its automatic mode, where it is a switch of its own.
    fn switch(&self) -> Option<Control> {
        if !self.can_choose() || self.known.auto == AUTO_EXPOSURE {
            return None;
        }
        let id = self.known.auto;
        let name = control::label(id).map_or_else(|| format!("Auto {}", self.name().to_lowercase()), str::to_owned);
        Some(Control {
            id,
            name,
            kind: ControlKind::Boolean,
            value: self.is_auto().map(i64::from),
            // DirectShow has no default of it; cameras start with what is automatic.
            default: 1,
            held: None,
            is_read_only: false,
            is_volatile: false,
        })
    }

    fn name(&self) -> String {
        control::label(self.id).unwrap_or_default().to_owned()
    }

    /// Whether the camera sets it by itself now.
    fn is_auto(&self) -> Option<bool> {
        self.row.state.map(|state| self.row.range.flags & AUTO != 0 && state.flags & (AUTO | MANUAL) == AUTO)
    }

    /// Both by the camera and by hand.
    fn can_choose(&self) -> bool {
        self.row.range.flags & (AUTO | MANUAL) == AUTO | MANUAL
    }

    fn step(&self) -> i32 {
        self.row.range.step.max(1)
    }

    fn shown(&self, value: i32) -> i64 {
        match self.meaning {
            Meaning::Number | Meaning::Switch | Meaning::Mains => value.into(),
            Meaning::Degrees => i64::from(value) * ARC_SECONDS,
            Meaning::Exponent => hundreds_of_microseconds(value),
        }
    }

    /// The other way round, and possible for the camera.
    fn native(&self, value: i64) -> Result<i32, String> {
        let value = match self.meaning {
            Meaning::Number | Meaning::Switch | Meaning::Mains => value,
            Meaning::Degrees => value.saturating_add(value.signum() * ARC_SECONDS / 2) / ARC_SECONDS,
            Meaning::Exponent => self.exponent(value).into(),
        };
        let value = i32::try_from(value).map_err(|_| "the value is too large".to_owned())?;
        Ok(self.fitted(value))
    }

    fn fitted(&self, value: i32) -> i32 {
        let (min, max, step) = (self.min.into(), self.max.into(), self.step().into());
        let range = Control { kind: ControlKind::Integer { min, max, step }, ..self.control() };
        i32::try_from(range.fit(value.into())).unwrap_or(value)
    }

    fn write(&self, value: i32, flags: i32) -> Write {
        Write { property: self.row.property, value, flags }
    }

    /// `None` when it is so already.
    fn turned(&self, is_auto: bool) -> Option<Write> {
        if self.is_auto() == Some(is_auto) {
            return None;
        }
        let value = self.fitted(self.row.state.map_or(self.row.range.default, |state| state.value));
        Some(self.write(value, if is_auto { AUTO } else { MANUAL }))
    }

    /// From short to long. Of times that are the same in V4L2's unit the longest.
    fn exponents(&self) -> Vec<i32> {
        let step = usize::try_from(self.step()).unwrap_or(1);
        let mut all: Vec<_> = (self.min..=self.max).step_by(step).collect();
        all.reverse();
        all.dedup_by_key(|exponent| hundreds_of_microseconds(*exponent));
        all.reverse();
        all
    }

    fn times(&self) -> Vec<MenuItem> {
        let name = |exponent: i32| {
            let milliseconds = 2_f64.powi(exponent) * 1e3;
            let digits = if milliseconds < 1.0 { 2 } else { 1 };
            match 1_u32.checked_shl(exponent.unsigned_abs()) {
                Some(fraction) if exponent < 0 => format!("1/{fraction} s ({milliseconds:.digits$} ms)"),
                seconds => format!("{} s", seconds.unwrap_or_default()),
            }
        };
        self.exponents().into_iter().map(|exponent| item(hundreds_of_microseconds(exponent), &name(exponent))).collect()
    }

    /// That of the nearest time, on a scale of factors.
    fn exponent(&self, time: i64) -> i32 {
        let wanted = (time.max(1) as f64 / 1e4).log2();
        let distance = |exponent: &i32| (f64::from(*exponent) - wanted).abs();
        self.exponents().into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(self.max)
    }
}

const ARC_SECONDS: i64 = 3_600;

/// `V4L2_CID_POWER_LINE_FREQUENCY`, and what Windows calls them.
const MAINS: [(i32, &str); 4] = [(0, "Off"), (1, "50 Hz"), (2, "60 Hz"), (3, "Auto")];

fn item(value: i64, name: &str) -> MenuItem {
    MenuItem { value, name: name.to_owned() }
}

/// Of 2 to that power of seconds; at least one.
fn hundreds_of_microseconds(exponent: i32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    let time = (2_f64.powi(exponent) * 1e4).round() as i64;
    time.max(1)
}

/// Time and iris together: V4L2 has one menu for what is automatic of both (`v4l2_exposure_auto_type`).
struct Exposure<'a> {
    time: Option<&'a Face<'a>>,
    iris: Option<&'a Face<'a>>,
}

const MODES: [(i64, Modes, &str); 4] = [
    (0, Modes { time: true, iris: true }, "Auto"),
    (1, Modes { time: false, iris: false }, "Manual"),
    (2, Modes { time: false, iris: true }, "Auto iris only"),
    (3, Modes { time: true, iris: false }, "Auto time only"),
];

/// What of both is automatic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Modes {
    time: bool,
    iris: bool,
}

impl<'a> Exposure<'a> {
    /// `None` where nothing of it can be chosen.
    fn of(faces: &'a [Face<'a>]) -> Option<Self> {
        let of = |number| faces.iter().find(|face| face.row.property == Property { set: Set::Camera, number });
        let both = Self { time: of(EXPOSURE_NUMBER), iris: of(IRIS_NUMBER) };
        let can_choose = |face: Option<&Face>| face.is_some_and(Face::can_choose);
        (can_choose(both.time) || can_choose(both.iris)).then_some(both)
    }

    fn is_possible(&self, modes: Modes) -> bool {
        let can_be =
            |face: &Face, is_auto| face.can_choose() || is_auto == (face.row.range.flags & (AUTO | MANUAL) == AUTO);
        match (self.time, self.iris) {
            (Some(time), Some(iris)) => can_be(time, modes.time) && can_be(iris, modes.iris),
            // What the camera does not have goes with what it has.
            (Some(one), None) | (None, Some(one)) => modes.time == modes.iris && can_be(one, modes.time),
            (None, None) => false,
        }
    }

    fn modes(&self) -> Option<Modes> {
        let time = self.time.map(Face::is_auto);
        let iris = self.iris.map(Face::is_auto);
        Some(Modes { time: time.or(iris)??, iris: iris.or(time)?? })
    }

    fn control(self) -> Control {
        let possible = || MODES.iter().filter(|(_, modes, _)| self.is_possible(*modes));
        let now = self.modes();
        Control {
            id: AUTO_EXPOSURE,
            name: control::label(AUTO_EXPOSURE).unwrap_or_default().to_owned(),
            kind: ControlKind::Menu { items: possible().map(|(value, _, name)| item(*value, name)).collect() },
            value: MODES.iter().find(|(_, modes, _)| Some(*modes) == now).map(|(value, ..)| *value),
            // As much as possible, as cameras start.
            default: possible()
                .max_by_key(|(_, modes, _)| (modes.time, modes.iris))
                .map(|(value, ..)| *value)
                .unwrap_or_default(),
            held: None,
            is_read_only: false,
            is_volatile: false,
        }
    }

    /// `None` where the camera does not have that mode.
    fn writes(&self, value: i64) -> Option<Vec<Write>> {
        let (_, modes, _) = MODES.iter().find(|(of, modes, _)| *of == value && self.is_possible(*modes))?;
        let turn = |face: Option<&Face>, is_auto| face.filter(|face| face.can_choose())?.turned(is_auto);
        Some([turn(self.time, modes.time), turn(self.iris, modes.iris)].into_iter().flatten().collect())
    }
}

/// Whether a result of a call says that the camera has gone, and does not come back to whoever held it.
#[must_use]
pub fn is_gone(result: u32) -> bool {
    // ERROR_FILE_NOT_FOUND, _INVALID_HANDLE, _DEV_NOT_EXIST, _NO_SUCH_DEVICE, _DEVICE_NOT_CONNECTED, _DEVICE_REMOVED
    matches!(result, 0x8007_0002 | 0x8007_0006 | 0x8007_0037 | 0x8007_01B1 | 0x8007_048F | 0x8007_0651)
}

/// Why a call that sets a property failed, as a sentence for people. `said` is the system's.
#[must_use]
pub fn why_refused(result: u32, said: &str) -> String {
    match result {
        result if is_gone(result) => "the camera is gone".to_owned(),
        // E_INVALIDARG, ERROR_INVALID_DATA
        0x8007_0057 | 0x8007_000D => "the camera does not take this value".to_owned(),
        // E_PROP_ID_UNSUPPORTED, E_PROP_SET_UNSUPPORTED, E_NOTIMPL, ERROR_INVALID_FUNCTION
        0x8007_0490 | 0x8007_0492 | 0x8000_4001 | 0x8007_0001 => "the driver does not let it be set".to_owned(),
        // E_ACCESSDENIED, ERROR_BUSY, ERROR_SHARING_VIOLATION
        0x8007_0005 | 0x8007_00AA | 0x8007_0020 => {
            "the driver does not change it while the camera is in use".to_owned()
        }
        // ERROR_GEN_FAILURE, ERROR_SEM_TIMEOUT, WAIT_TIMEOUT, ERROR_TIMEOUT
        0x8007_001F | 0x8007_0079 | 0x8007_0102 | 0x8007_05B4 => "the camera did not answer".to_owned(),
        _ if said.trim().is_empty() => format!("the driver says {result:#010X}"),
        _ => said.trim().trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(set: Set, number: i32, range: [i32; 5], state: Option<(i32, i32)>) -> Row {
        let [min, max, step, default, flags] = range;
        let state = state.map(|(value, flags)| State { value, flags });
        Row { property: Property { set, number }, range: Range { min, max, step, default, flags }, state }
    }

    /// As usbvideo.sys tells of a webcam with automatic everything.
    fn webcam() -> Vec<Row> {
        vec![
            row(Set::Picture, 0, [0, 255, 1, 128, MANUAL], Some((100, MANUAL))),
            row(Set::Picture, 7, [2_000, 6_500, 10, 4_000, AUTO | MANUAL], Some((4_600, AUTO))),
            row(Set::Picture, 13, [0, 2, 1, 2, MANUAL], Some((1, MANUAL))),
            row(Set::Camera, 0, [-10, 10, 1, 0, MANUAL], Some((-2, MANUAL))),
            row(Set::Camera, 4, [-11, -2, 1, -5, AUTO | MANUAL], Some((-6, AUTO))),
            row(Set::Camera, 6, [0, 250, 5, 0, AUTO | MANUAL], Some((30, MANUAL))),
            row(Set::Camera, 8, [0, 1, 1, 0, MANUAL], Some((1, MANUAL))),
            row(Set::Camera, 19, [0, 1, 1, 0, MANUAL], None),
        ]
    }

    fn find(rows: &[Row], id: u32) -> Control {
        controls(rows).into_iter().find(|control| control.id == id).unwrap_or_else(|| panic!("no {id:x}"))
    }

    #[track_caller]
    fn check(id: u32, value: Option<i64>, default: i64, held: Option<&str>) {
        let control = find(&webcam(), id);
        assert_eq!((control.value, control.default, control.held.as_deref()), (value, default, held), "{control:?}");
    }

    #[test]
    fn properties_make_controls_in_the_units_of_v4l2() {
        check(BRIGHTNESS, Some(100), 128, None);
        check(WHITE_BALANCE, Some(4_600), 4_000, Some("Automatic white balance is on"));
        check(AUTO_WHITE_BALANCE, Some(1), 1, None);
        check(POWER_LINE_FREQUENCY, Some(1), 2, None);
        check(PAN, Some(-7_200), 0, None);
        check(EXPOSURE_TIME, Some(156), 313, Some("Auto exposure is on"));
        check(AUTO_EXPOSURE, Some(0), 0, None);
        check(FOCUS, Some(30), 0, None);
        check(AUTO_FOCUS, Some(0), 1, None);
        check(PRIVACY, Some(1), 0, None);
        check(EXPOSURE_PRIORITY, None, 0, None);
        let list = controls(&webcam());
        assert_eq!(list.len(), webcam().len() + 3, "{list:?}");
        assert!(list.is_sorted_by_key(|control| control.id));
        assert_eq!(find(&webcam(), PAN).kind, ControlKind::Integer { min: -36_000, max: 36_000, step: 3_600 });
        assert_eq!(find(&webcam(), FOCUS).kind, ControlKind::Integer { min: 0, max: 250, step: 5 });
        assert_eq!(find(&webcam(), POWER_LINE_FREQUENCY).spelled(1), "50 Hz");
    }

    #[track_caller]
    fn check_time(exponent: i32, time: i64, words: &str) {
        let rows = [row(Set::Camera, 4, [-14, 2, 1, -5, MANUAL], Some((exponent, MANUAL)))];
        let control = find(&rows, EXPOSURE_TIME);
        assert_eq!((control.value, control.spelled(time).as_str()), (Some(time), words), "{exponent}");
        assert_eq!(control.fit(time), time);
        let [write] = writes(ControlSetting { id: EXPOSURE_TIME, value: time }, &rows).unwrap()[..] else { panic!() };
        // Two exponents have the time of 100 µs, and the larger one stands for both.
        assert_eq!(write.value, exponent.max(-13));
    }

    #[test]
    fn exposure_times_are_those_that_the_camera_has() {
        check_time(2, 40_000, "4 s");
        check_time(0, 10_000, "1 s");
        check_time(-1, 5_000, "1/2 s (500.0 ms)");
        check_time(-5, 313, "1/32 s (31.2 ms)");
        check_time(-7, 78, "1/128 s (7.8 ms)");
        check_time(-11, 5, "1/2048 s (0.49 ms)");
        check_time(-13, 1, "1/8192 s (0.12 ms)");
        check_time(-14, 1, "1/8192 s (0.12 ms)");
    }

    #[track_caller]
    fn check_unit(range: [i32; 5], expected: u32) {
        let rows = [row(Set::Camera, 4, range, Some((range[0], MANUAL)))];
        assert_eq!(controls(&rows).iter().map(|control| control.id).collect::<Vec<_>>(), [expected], "{range:?}");
    }

    #[test]
    fn exposure_in_a_unit_of_the_driver_s_own_has_no_unit() {
        check_unit([-13, 0, 1, -6, MANUAL], EXPOSURE_TIME);
        check_unit([1, 10_000, 1, 333, MANUAL], EXPOSURE);
        check_unit([0, 5, 1, 0, MANUAL], EXPOSURE);
        check_unit([i32::MIN, i32::MAX, 1, 0, MANUAL], EXPOSURE);
        check_unit([-13, 60, 1, 0, MANUAL], EXPOSURE);
    }

    #[track_caller]
    fn check_writes(id: u32, value: i64, expected: Result<&[(i32, i32, i32)], &str>) {
        let found = writes(ControlSetting { id, value }, &webcam());
        let found = found.map(|list| list.iter().map(|w| (w.property.number, w.value, w.flags)).collect::<Vec<_>>());
        assert_eq!(found, expected.map(<[_]>::to_vec).map_err(str::to_owned), "{id:x} {value}");
    }

    #[test]
    fn a_setting_is_a_value_or_a_flag() {
        check_writes(BRIGHTNESS, 12, Ok(&[(0, 12, MANUAL)]));
        check_writes(BRIGHTNESS, 1_000, Ok(&[(0, 255, MANUAL)]));
        check_writes(BRIGHTNESS, i64::MAX, Err("the value is too large"));
        check_writes(FOCUS, 33, Ok(&[(6, 35, MANUAL)]));
        check_writes(PAN, 7_200, Ok(&[(0, 2, MANUAL)]));
        check_writes(PAN, -9_000, Ok(&[(0, -3, MANUAL)]));
        check_writes(POWER_LINE_FREQUENCY, 2, Ok(&[(13, 2, MANUAL)]));
        // The automatic keeps the value where it is.
        check_writes(AUTO_WHITE_BALANCE, 0, Ok(&[(7, 4_600, MANUAL)]));
        check_writes(AUTO_WHITE_BALANCE, 1, Ok(&[]));
        check_writes(AUTO_FOCUS, 1, Ok(&[(6, 30, AUTO)]));
        check_writes(AUTO_EXPOSURE, 1, Ok(&[(4, -6, MANUAL)]));
        check_writes(AUTO_EXPOSURE, 0, Ok(&[]));
        check_writes(AUTO_EXPOSURE, 3, Err("the camera does not take this value"));
        check_writes(WHITE_BALANCE, 5_000, Err("an automatic mode holds it"));
        check_writes(EXPOSURE_TIME, 5_000, Err("an automatic mode holds it"));
        check_writes(GAIN, 1, Err("the camera does not have it"));
        check_writes(BRIGHTNESS + OWN_AUTO, 1, Err("the camera does not have it"));
    }

    #[track_caller]
    fn check_modes(rows: &[Row], items: &[i64], value: Option<i64>, default: i64) {
        let control = find(rows, AUTO_EXPOSURE);
        let ControlKind::Menu { items: found } = &control.kind else { panic!("{control:?}") };
        assert_eq!(found.iter().map(|item| item.value).collect::<Vec<_>>(), items);
        assert_eq!((control.value, control.default), (value, default));
    }

    #[test]
    fn time_and_iris_are_automatic_each_or_both() {
        let time = |flags, now| row(Set::Camera, 4, [-11, -2, 1, -5, flags], Some((-6, now)));
        let iris = |flags, now| row(Set::Camera, 5, [0, 100, 1, 50, flags], Some((20, now)));
        let both = AUTO | MANUAL;
        check_modes(&[time(both, AUTO)], &[0, 1], Some(0), 0);
        check_modes(&[time(both, MANUAL), iris(MANUAL, MANUAL)], &[1, 3], Some(1), 3);
        check_modes(&[time(both, AUTO), iris(both, MANUAL)], &[0, 1, 2, 3], Some(3), 0);
        check_modes(&[time(both, AUTO), iris(AUTO, AUTO)], &[0, 2], Some(0), 0);
        check_modes(&[iris(both, MANUAL)], &[0, 1], Some(1), 0);
        check_modes(&[Row { state: None, ..time(both, AUTO) }], &[0, 1], None, 0);
        assert_eq!(controls(&[time(MANUAL, MANUAL)]).len(), 1);
        let rows = [time(both, AUTO), iris(both, MANUAL)];
        assert_eq!(find(&rows, IRIS).held, None);
        assert_eq!(find(&rows, EXPOSURE_TIME).held.as_deref(), Some("Auto exposure is on"));
        let turned = writes(ControlSetting { id: AUTO_EXPOSURE, value: 2 }, &rows).unwrap();
        assert_eq!(turned.iter().map(|w| (w.property.number, w.flags)).collect::<Vec<_>>(), [(4, MANUAL), (5, AUTO)]);
    }

    #[test]
    fn an_automatic_that_v4l2_has_no_number_for_has_one_too() {
        let rows = [row(Set::Picture, 1, [0, 9, 1, 5, AUTO | MANUAL], Some((3, AUTO)))];
        let auto = find(&rows, CONTRAST + OWN_AUTO);
        assert_eq!((auto.name.as_str(), auto.value), ("Auto contrast", Some(1)));
        assert_eq!(find(&rows, CONTRAST).held.as_deref(), Some("Its automatic mode is on"));
        let off = writes(ControlSetting { id: auto.id, value: 0 }, &rows).unwrap();
        assert_eq!((off[0].value, off[0].flags), (3, MANUAL));
        let only = [row(Set::Picture, 1, [0, 9, 1, 5, AUTO], Some((3, AUTO)))];
        assert_eq!(controls(&only).len(), 1);
        assert_eq!((find(&only, CONTRAST).is_read_only, find(&only, CONTRAST).held), (true, None));
        let gain = [row(Set::Picture, 9, [0, 9, 1, 5, AUTO | MANUAL], Some((3, AUTO)))];
        assert_eq!(find(&gain, GAIN).held.as_deref(), Some("Automatic gain is on"));
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(controls(&[row(Set::Picture, 99, [0, 9, 1, 5, MANUAL], None)]), []);
        assert_eq!(controls(&[row(Set::Camera, 8, [0, 0, 0, 0, MANUAL], Some((0, MANUAL)))]), []);
        assert_eq!(controls(&[row(Set::Camera, 8, [-100, 100, 1, 0, MANUAL], None)]), []);
        assert_eq!(controls(&[row(Set::Picture, 13, [0, 5_000, 1, 0, MANUAL], None)]), []);
        let turned = [row(Set::Picture, 0, [9, -9, 0, 5, 0], Some((3, 0)))];
        assert_eq!(find(&turned, BRIGHTNESS).kind, ControlKind::Integer { min: -9, max: 9, step: 1 });
        assert_eq!(writes(ControlSetting { id: BRIGHTNESS, value: -20 }, &turned).unwrap()[0].value, -9);
        let wide = [row(Set::Picture, 0, [i32::MIN, i32::MAX, i32::MAX, 0, MANUAL], Some((7, MANUAL)))];
        assert!(writes(ControlSetting { id: BRIGHTNESS, value: 7 }, &wide).is_ok());
        let wide = [row(Set::Camera, 0, [i32::MIN, i32::MAX, i32::MIN, 0, MANUAL], Some((7, MANUAL)))];
        assert!(writes(ControlSetting { id: PAN, value: i64::MIN / 2 }, &wide).is_err());
    }

    #[track_caller]
    fn check_why(result: u32, said: &str, expected: &str) {
        assert_eq!(why_refused(result, said), expected, "{result:x}");
    }

    #[test]
    fn refusals_are_sentences() {
        check_why(0x8007_048F, "", "the camera is gone");
        check_why(0x8007_0057, "The parameter is incorrect.", "the camera does not take this value");
        check_why(0x8007_0490, "Element not found.", "the driver does not let it be set");
        check_why(0x8007_001F, "", "the camera did not answer");
        check_why(0x8004_0001, " Something else.\r\n", "Something else");
        check_why(0x8004_0001, "", "the driver says 0x80040001");
        assert!(!is_gone(0x8007_0490));
    }
}
