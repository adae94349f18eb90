//! The one menu that V4L2 has for what is automatic of exposure time and iris (`v4l2_exposure_auto_type`), made of the two
//! properties that DirectShow has.

use super::properties::{
    AUTO, CameraProperty, EXPOSURE_NUMBER, IRIS_NUMBER, MANUAL, PropertyControl, PropertySet, PropertyWrite, item,
};
use crate::control::{self, AUTO_EXPOSURE, Control, ControlKind};

/// Exposure time and iris, as far as the camera has them.
pub(super) struct AutoExposure<'a> {
    time: Option<&'a PropertyControl<'a>>,
    iris: Option<&'a PropertyControl<'a>>,
}

const MODES: [(i64, ExposureModes, &str); 4] = [
    (0, ExposureModes { time: true, iris: true }, "Auto"),
    (1, ExposureModes { time: false, iris: false }, "Manual"),
    (2, ExposureModes { time: false, iris: true }, "Auto iris only"),
    (3, ExposureModes { time: true, iris: false }, "Auto time only"),
];

/// What of both is automatic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ExposureModes {
    time: bool,
    iris: bool,
}

impl<'a> AutoExposure<'a> {
    /// `None` where nothing of it can be chosen.
    pub(super) fn of(properties: &'a [PropertyControl<'a>]) -> Option<Self> {
        let of = |number| {
            properties
                .iter()
                .find(|property| property.row.property == CameraProperty { set: PropertySet::Camera, number })
        };
        let both = Self { time: of(EXPOSURE_NUMBER), iris: of(IRIS_NUMBER) };
        let can_choose = |property: Option<&PropertyControl>| property.is_some_and(PropertyControl::can_choose);
        (can_choose(both.time) || can_choose(both.iris)).then_some(both)
    }

    fn is_possible(&self, modes: ExposureModes) -> bool {
        let can_be = |property: &PropertyControl, is_auto| {
            property.can_choose() || is_auto == (property.row.range.flags & (AUTO | MANUAL) == AUTO)
        };
        match (self.time, self.iris) {
            (Some(time), Some(iris)) => can_be(time, modes.time) && can_be(iris, modes.iris),
            // What the camera does not have goes with what it has.
            (Some(one), None) | (None, Some(one)) => modes.time == modes.iris && can_be(one, modes.time),
            (None, None) => false,
        }
    }

    fn modes(&self) -> Option<ExposureModes> {
        let time = self.time.map(PropertyControl::is_auto);
        let iris = self.iris.map(PropertyControl::is_auto);
        Some(ExposureModes { time: time.or(iris)??, iris: iris.or(time)?? })
    }

    pub(super) fn control(self) -> Control {
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
    pub(super) fn writes(&self, value: i64) -> Option<Vec<PropertyWrite>> {
        let (_, modes, _) = MODES.iter().find(|(of, modes, _)| *of == value && self.is_possible(*modes))?;
        let turn = |property: Option<&PropertyControl>, is_auto| {
            property.filter(|property| property.can_choose())?.turned(is_auto)
        };
        Some([turn(self.time, modes.time), turn(self.iris, modes.iris)].into_iter().flatten().collect())
    }
}
