//! The controls of a camera as DirectShow has them: properties with a range, of which some can be left to the camera.
//!
//! Plain data in, controls and calls out; the calls themselves are in `controls.rs`. Numbers and units are those of
//! `ksmedia.h` here, and those of V4L2 in a [`Control`]: what is automatic is a flag of the property here, and a control of
//! its own there.

use super::auto_exposure::AutoExposure;
use crate::control::{
    self, AUTO_EXPOSURE, AUTO_FOCUS, AUTO_GAIN, AUTO_HUE, AUTO_WHITE_BALANCE, BACKLIGHT, BRIGHTNESS, CONTRAST, Control,
    ControlKind, ControlSetting, EXPOSURE, EXPOSURE_PRIORITY, EXPOSURE_TIME, FOCUS, GAIN, GAMMA, HUE, IRIS, MenuItem,
    OWN_AUTO, PAN, POWER_LINE_FREQUENCY, PRIVACY, SATURATION, SHARPNESS, TILT, WHITE_BALANCE, ZOOM,
};
use crate::device::controls::checked;

/// `VideoProcAmp_Flags_Auto`, `VideoProcAmp_Flags_Manual`, and the same of `CameraControl`.
pub const AUTO: i32 = 1;
pub const MANUAL: i32 = 2;

/// The interface that has a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertySet {
    /// `IAMVideoProcAmp`
    Picture,
    /// `IAMCameraControl`
    Camera,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraProperty {
    pub set: PropertySet,
    /// In its set.
    pub number: i32,
}

/// What `GetRange` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyRange {
    pub min: i32,
    pub max: i32,
    pub step: i32,
    pub default: i32,
    /// Whether it can be left to the camera, and whether it can be set by hand.
    pub flags: i32,
}

/// What `Get` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyState {
    pub value: i32,
    pub flags: i32,
}

/// A property that the camera has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyRow {
    pub property: CameraProperty,
    pub range: PropertyRange,
    /// `None` where the camera does not answer.
    pub state: Option<PropertyState>,
}

/// What `Set` is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyWrite {
    pub property: CameraProperty,
    pub value: i32,
    pub flags: i32,
}

/// What the numbers of a property say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PropertyUnit {
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

struct KnownProperty {
    property: CameraProperty,
    id: u32,
    /// Its automatic mode.
    auto: u32,
    unit: PropertyUnit,
}

const fn known(set: PropertySet, number: i32, id: u32, auto: u32, unit: PropertyUnit) -> KnownProperty {
    KnownProperty { property: CameraProperty { set, number }, id, auto, unit }
}

/// For an automatic mode without a number in V4L2.
const fn own(set: PropertySet, number: i32, id: u32, unit: PropertyUnit) -> KnownProperty {
    known(set, number, id, id + OWN_AUTO, unit)
}

/// `KSPROPERTY_VIDCAP_VIDEOPROCAMP` and `KSPROPERTY_VIDCAP_CAMERACONTROL`: the interfaces hand these numbers to the driver,
/// also those that came with USB video and that DirectShow has no names for.
const KNOWN: &[KnownProperty] = &[
    own(PropertySet::Picture, 0, BRIGHTNESS, PropertyUnit::Number),
    own(PropertySet::Picture, 1, CONTRAST, PropertyUnit::Number),
    known(PropertySet::Picture, 2, HUE, AUTO_HUE, PropertyUnit::Number),
    own(PropertySet::Picture, 3, SATURATION, PropertyUnit::Number),
    own(PropertySet::Picture, 4, SHARPNESS, PropertyUnit::Number),
    own(PropertySet::Picture, 5, GAMMA, PropertyUnit::Number),
    known(PropertySet::Picture, 7, WHITE_BALANCE, AUTO_WHITE_BALANCE, PropertyUnit::Number),
    own(PropertySet::Picture, 8, BACKLIGHT, PropertyUnit::Number),
    known(PropertySet::Picture, 9, GAIN, AUTO_GAIN, PropertyUnit::Number),
    own(PropertySet::Picture, 13, POWER_LINE_FREQUENCY, PropertyUnit::Mains),
    own(PropertySet::Camera, 0, PAN, PropertyUnit::Degrees),
    own(PropertySet::Camera, 1, TILT, PropertyUnit::Degrees),
    own(PropertySet::Camera, 3, ZOOM, PropertyUnit::Number),
    known(PropertySet::Camera, EXPOSURE_NUMBER, EXPOSURE_TIME, AUTO_EXPOSURE, PropertyUnit::Exponent),
    known(PropertySet::Camera, IRIS_NUMBER, IRIS, AUTO_EXPOSURE, PropertyUnit::Number),
    known(PropertySet::Camera, 6, FOCUS, AUTO_FOCUS, PropertyUnit::Number),
    own(PropertySet::Camera, 8, PRIVACY, PropertyUnit::Switch),
    own(PropertySet::Camera, 19, EXPOSURE_PRIORITY, PropertyUnit::Switch),
];

pub(super) const EXPOSURE_NUMBER: i32 = 4;
pub(super) const IRIS_NUMBER: i32 = 5;

/// Those that a camera is asked for.
pub fn properties() -> impl Iterator<Item = CameraProperty> {
    KNOWN.iter().map(|known| known.property)
}

/// The controls that these make. A property whose range is impossible for it is left out.
#[must_use]
pub fn controls(rows: &[PropertyRow]) -> Vec<Control> {
    let properties: Vec<_> = rows.iter().filter_map(PropertyControl::of).collect();
    let mut list: Vec<_> = properties.iter().map(PropertyControl::control).collect();
    list.extend(properties.iter().filter_map(PropertyControl::switch));
    list.extend(AutoExposure::of(&properties).map(AutoExposure::control));
    let value_of = |id| list.iter().find(|control: &&Control| control.id == id).and_then(|control| control.value);
    let is_auto = |id| {
        properties.iter().any(|property| property.id == id && property.can_choose() && property.is_auto() == Some(true))
    };
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
pub fn writes(setting: ControlSetting, rows: &[PropertyRow]) -> Result<Vec<PropertyWrite>, String> {
    let properties: Vec<_> = rows.iter().filter_map(PropertyControl::of).collect();
    if let Some(property) = properties.iter().find(|property| property.id == setting.id) {
        // To set it would turn the automatic off, which is not what was asked for.
        if property.is_auto() == Some(true) {
            return Err("an automatic mode holds it".to_owned());
        }
        return property.native(setting.value).map(|value| vec![property.write(value, MANUAL)]);
    }
    if setting.id == AUTO_EXPOSURE {
        let exposure = AutoExposure::of(&properties).ok_or_else(missing)?;
        return exposure.writes(setting.value).ok_or_else(|| "the camera does not take this value".to_owned());
    }
    let switch = properties.iter().find(|property| property.known.auto == setting.id && property.can_choose());
    Ok(switch.ok_or_else(missing)?.turned(setting.value != 0).into_iter().collect())
}

fn missing() -> String {
    "the camera does not have it".to_owned()
}

/// A property as a control.
pub(super) struct PropertyControl<'a> {
    pub(super) row: &'a PropertyRow,
    known: &'static KnownProperty,
    /// Number and unit are those of the table, unless the driver counts in a unit of its own.
    id: u32,
    unit: PropertyUnit,
    /// The range's ends in their order.
    min: i32,
    max: i32,
}

impl<'a> PropertyControl<'a> {
    fn of(row: &'a PropertyRow) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.property == row.property)?;
        let (min, max) = (row.range.min.min(row.range.max), row.range.min.max(row.range.max));
        let (id, unit) = match known.unit {
            // From a millionth of a second to a minute. Some drivers count in a unit of their own.
            PropertyUnit::Exponent if !(-20..0).contains(&min) || max > 6 => (EXPOSURE, PropertyUnit::Number),
            PropertyUnit::Switch if (min, max) != (0, 1) => return None,
            PropertyUnit::Mains if min < 0 || max > 3 || min == max => return None,
            unit => (known.id, unit),
        };
        Some(Self { row, known, id, unit, min, max })
    }

    fn control(&self) -> Control {
        let is_hand = self.row.range.flags & MANUAL != 0 || self.row.range.flags & AUTO == 0;
        let integer = |scale: i64| {
            let step = i64::from(self.step()) * scale;
            ControlKind::Integer { min: i64::from(self.min) * scale, max: i64::from(self.max) * scale, step }
        };
        let kind = match self.unit {
            PropertyUnit::Number => integer(1),
            PropertyUnit::Degrees => integer(ARC_SECONDS),
            PropertyUnit::Exponent => ControlKind::Menu { items: self.times() },
            PropertyUnit::Switch => ControlKind::Boolean,
            PropertyUnit::Mains => ControlKind::Menu {
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
    pub(super) fn is_auto(&self) -> Option<bool> {
        self.row.state.map(|state| self.row.range.flags & AUTO != 0 && state.flags & (AUTO | MANUAL) == AUTO)
    }

    /// Both by the camera and by hand.
    pub(super) fn can_choose(&self) -> bool {
        self.row.range.flags & (AUTO | MANUAL) == AUTO | MANUAL
    }

    fn step(&self) -> i32 {
        self.row.range.step.max(1)
    }

    fn shown(&self, value: i32) -> i64 {
        match self.unit {
            PropertyUnit::Number | PropertyUnit::Switch | PropertyUnit::Mains => value.into(),
            PropertyUnit::Degrees => i64::from(value) * ARC_SECONDS,
            PropertyUnit::Exponent => hundreds_of_microseconds(value),
        }
    }

    /// The other way round, and possible for the camera.
    fn native(&self, value: i64) -> Result<i32, String> {
        let value = match self.unit {
            PropertyUnit::Number | PropertyUnit::Switch | PropertyUnit::Mains => value,
            PropertyUnit::Degrees => value.saturating_add(value.signum() * ARC_SECONDS / 2) / ARC_SECONDS,
            PropertyUnit::Exponent => self.exponent(value).into(),
        };
        let value = i32::try_from(value).map_err(|_| "the value is too large".to_owned())?;
        Ok(self.fitted(value))
    }

    fn fitted(&self, value: i32) -> i32 {
        let (min, max, step) = (self.min.into(), self.max.into(), self.step().into());
        let range = Control { kind: ControlKind::Integer { min, max, step }, ..self.control() };
        i32::try_from(range.fit(value.into())).unwrap_or(value)
    }

    fn write(&self, value: i32, flags: i32) -> PropertyWrite {
        PropertyWrite { property: self.row.property, value, flags }
    }

    /// `None` when it is so already.
    pub(super) fn turned(&self, is_auto: bool) -> Option<PropertyWrite> {
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

pub(super) fn item(value: i64, name: &str) -> MenuItem {
    MenuItem { value, name: name.to_owned() }
}

/// Of 2 to that power of seconds; at least one.
fn hundreds_of_microseconds(exponent: i32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    let time = (2_f64.powi(exponent) * 1e4).round() as i64;
    time.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(set: PropertySet, number: i32, range: [i32; 5], state: Option<(i32, i32)>) -> PropertyRow {
        let [min, max, step, default, flags] = range;
        let state = state.map(|(value, flags)| PropertyState { value, flags });
        PropertyRow {
            property: CameraProperty { set, number },
            range: PropertyRange { min, max, step, default, flags },
            state,
        }
    }

    /// As usbvideo.sys tells of a webcam with automatic everything.
    fn webcam() -> Vec<PropertyRow> {
        vec![
            row(PropertySet::Picture, 0, [0, 255, 1, 128, MANUAL], Some((100, MANUAL))),
            row(PropertySet::Picture, 7, [2_000, 6_500, 10, 4_000, AUTO | MANUAL], Some((4_600, AUTO))),
            row(PropertySet::Picture, 13, [0, 2, 1, 2, MANUAL], Some((1, MANUAL))),
            row(PropertySet::Camera, 0, [-10, 10, 1, 0, MANUAL], Some((-2, MANUAL))),
            row(PropertySet::Camera, 4, [-11, -2, 1, -5, AUTO | MANUAL], Some((-6, AUTO))),
            row(PropertySet::Camera, 6, [0, 250, 5, 0, AUTO | MANUAL], Some((30, MANUAL))),
            row(PropertySet::Camera, 8, [0, 1, 1, 0, MANUAL], Some((1, MANUAL))),
            row(PropertySet::Camera, 19, [0, 1, 1, 0, MANUAL], None),
        ]
    }

    fn find(rows: &[PropertyRow], id: u32) -> Control {
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
        let rows = [row(PropertySet::Camera, 4, [-14, 2, 1, -5, MANUAL], Some((exponent, MANUAL)))];
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
        let rows = [row(PropertySet::Camera, 4, range, Some((range[0], MANUAL)))];
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
    fn check_modes(rows: &[PropertyRow], items: &[i64], value: Option<i64>, default: i64) {
        let control = find(rows, AUTO_EXPOSURE);
        let ControlKind::Menu { items: found } = &control.kind else { panic!("{control:?}") };
        assert_eq!(found.iter().map(|item| item.value).collect::<Vec<_>>(), items);
        assert_eq!((control.value, control.default), (value, default));
    }

    #[test]
    fn time_and_iris_are_automatic_each_or_both() {
        let time = |flags, now| row(PropertySet::Camera, 4, [-11, -2, 1, -5, flags], Some((-6, now)));
        let iris = |flags, now| row(PropertySet::Camera, 5, [0, 100, 1, 50, flags], Some((20, now)));
        let both = AUTO | MANUAL;
        check_modes(&[time(both, AUTO)], &[0, 1], Some(0), 0);
        check_modes(&[time(both, MANUAL), iris(MANUAL, MANUAL)], &[1, 3], Some(1), 3);
        check_modes(&[time(both, AUTO), iris(both, MANUAL)], &[0, 1, 2, 3], Some(3), 0);
        check_modes(&[time(both, AUTO), iris(AUTO, AUTO)], &[0, 2], Some(0), 0);
        check_modes(&[iris(both, MANUAL)], &[0, 1], Some(1), 0);
        check_modes(&[PropertyRow { state: None, ..time(both, AUTO) }], &[0, 1], None, 0);
        assert_eq!(controls(&[time(MANUAL, MANUAL)]).len(), 1);
        let rows = [time(both, AUTO), iris(both, MANUAL)];
        assert_eq!(find(&rows, IRIS).held, None);
        assert_eq!(find(&rows, EXPOSURE_TIME).held.as_deref(), Some("Auto exposure is on"));
        let turned = writes(ControlSetting { id: AUTO_EXPOSURE, value: 2 }, &rows).unwrap();
        assert_eq!(turned.iter().map(|w| (w.property.number, w.flags)).collect::<Vec<_>>(), [(4, MANUAL), (5, AUTO)]);
    }

    #[test]
    fn an_automatic_that_v4l2_has_no_number_for_has_one_too() {
        let rows = [row(PropertySet::Picture, 1, [0, 9, 1, 5, AUTO | MANUAL], Some((3, AUTO)))];
        let auto = find(&rows, CONTRAST + OWN_AUTO);
        assert_eq!((auto.name.as_str(), auto.value), ("Auto contrast", Some(1)));
        assert_eq!(find(&rows, CONTRAST).held.as_deref(), Some("Its automatic mode is on"));
        let off = writes(ControlSetting { id: auto.id, value: 0 }, &rows).unwrap();
        assert_eq!((off[0].value, off[0].flags), (3, MANUAL));
        let only = [row(PropertySet::Picture, 1, [0, 9, 1, 5, AUTO], Some((3, AUTO)))];
        assert_eq!(controls(&only).len(), 1);
        assert_eq!((find(&only, CONTRAST).is_read_only, find(&only, CONTRAST).held), (true, None));
        let gain = [row(PropertySet::Picture, 9, [0, 9, 1, 5, AUTO | MANUAL], Some((3, AUTO)))];
        assert_eq!(find(&gain, GAIN).held.as_deref(), Some("Automatic gain is on"));
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(controls(&[row(PropertySet::Picture, 99, [0, 9, 1, 5, MANUAL], None)]), []);
        assert_eq!(controls(&[row(PropertySet::Camera, 8, [0, 0, 0, 0, MANUAL], Some((0, MANUAL)))]), []);
        assert_eq!(controls(&[row(PropertySet::Camera, 8, [-100, 100, 1, 0, MANUAL], None)]), []);
        assert_eq!(controls(&[row(PropertySet::Picture, 13, [0, 5_000, 1, 0, MANUAL], None)]), []);
        let turned = [row(PropertySet::Picture, 0, [9, -9, 0, 5, 0], Some((3, 0)))];
        assert_eq!(find(&turned, BRIGHTNESS).kind, ControlKind::Integer { min: -9, max: 9, step: 1 });
        assert_eq!(writes(ControlSetting { id: BRIGHTNESS, value: -20 }, &turned).unwrap()[0].value, -9);
        let wide = [row(PropertySet::Picture, 0, [i32::MIN, i32::MAX, i32::MAX, 0, MANUAL], Some((7, MANUAL)))];
        assert!(writes(ControlSetting { id: BRIGHTNESS, value: 7 }, &wide).is_ok());
        let wide = [row(PropertySet::Camera, 0, [i32::MIN, i32::MAX, i32::MIN, 0, MANUAL], Some((7, MANUAL)))];
        assert!(writes(ControlSetting { id: PAN, value: i64::MIN / 2 }, &wide).is_err());
    }
}
