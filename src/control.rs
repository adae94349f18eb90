//! What can be set on a camera while it streams: brightness, exposure, focus. Words only: how a control is read and set is
//! the business of `device` and `source`.
//!
//! Controls have the numbers that V4L2 gives them (`v4l2-controls.h`), on every system: what is known of one is in one
//! table, in `control/known.rs`.

use serde::{Deserialize, Serialize};

use self::json::ControlJson;
pub use self::known::*;

mod json;
mod known;

/// No device has more controls that anybody would look at.
pub const MAX_CONTROLS: usize = 256;
/// Menus of drivers have gaps, but none has so many places.
pub const MAX_ITEMS: u32 = 64;

/// One control of a device as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ControlJson", into = "ControlJson")]
pub struct Control {
    pub id: u32,
    /// As the device calls it.
    pub name: String,
    pub kind: ControlKind,
    /// 0 or 1 of a boolean, the item's value of a menu; `None` where there is none, or the device does not tell.
    pub value: Option<i64>,
    pub default: i64,
    /// Why it cannot be set now, as a sentence: most often because the device sets it itself.
    pub held: Option<String>,
    pub is_read_only: bool,
    /// The device changes it by itself.
    pub is_volatile: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlKind {
    Integer {
        min: i64,
        max: i64,
        step: i64,
    },
    Boolean,
    Menu {
        items: Vec<MenuItem>,
    },
    /// Does something once; has no value.
    Button,
    /// Switches that are the bits of one number. Neither this nor what follows is set by this program: no common camera has it.
    Bitmask {
        mask: i64,
    },
    /// More than 32 bits.
    Integer64 {
        min: i64,
        max: i64,
        step: i64,
    },
    Text {
        max_chars: i64,
    },
    /// Numbers in so many rows and columns.
    Table {
        sizes: Vec<u32>,
    },
    /// What only its maker's own program knows.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuItem {
    pub value: i64,
    pub name: String,
}

/// A value that a control is to have, or had when it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSetting {
    pub id: u32,
    pub value: i64,
}

/// The controls of the camera that is shown, for whoever shows them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceControls {
    /// As the status names the source.
    pub source: String,
    /// Names the camera itself, not its number: its identity, where the system tells it. Without a password.
    pub camera: String,
    pub list: Vec<Control>,
}

/// What has changed about a device's controls, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlsUpdate {
    pub cause: UpdateCause,
    /// Each as it stands now. A long list comes in pieces.
    pub changed: Vec<Control>,
    /// Whether no piece of it is still to come.
    pub is_last: bool,
    /// What could not be set, with the reason.
    pub refused: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateCause {
    /// The device was opened; these are all that it has.
    Listed,
    /// This program has set something.
    Set,
    /// Another program has, or the device itself.
    Foreign,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub id: u32,
    pub why: String,
}

/// Adds a value to a list of those that are to be set: of several for one control only the last one counts, in its place.
pub fn add_setting(settings: &mut Vec<ControlSetting>, setting: ControlSetting) {
    settings.retain(|other| other.id != setting.id);
    settings.push(setting);
}

impl Control {
    /// A short name for people, where the device's own may be long.
    #[must_use]
    pub fn label(&self) -> &str {
        label(self.id).unwrap_or(&self.name)
    }

    #[must_use]
    pub fn can_be_set(&self) -> bool {
        self.held.is_none() && self.is_ever_set()
    }

    /// Whether it can be set once nothing holds it.
    #[must_use]
    pub fn is_ever_set(&self) -> bool {
        let is_known = matches!(
            self.kind,
            ControlKind::Integer { .. } | ControlKind::Boolean | ControlKind::Menu { .. } | ControlKind::Button
        );
        is_known && !self.is_read_only
    }

    /// Also of what has no value to compare.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.value.is_none_or(|value| value == self.default)
    }

    /// The possible value nearest to the wanted one.
    #[must_use]
    pub fn fit(&self, wanted: i64) -> i64 {
        let current = self.value.unwrap_or(self.default);
        match &self.kind {
            ControlKind::Integer { min, max, step } => {
                let (min, max, wanted) = (i128::from(*min), i128::from(*max), i128::from(wanted));
                let step = i128::from((*step).max(1));
                let steps = (wanted.clamp(min, max.max(min)) - min + step / 2) / step;
                let best = min + steps * step;
                i64::try_from(if best > max { best - step } else { best }).unwrap_or(current)
            }
            ControlKind::Boolean => i64::from(wanted != 0),
            ControlKind::Menu { items } if items.iter().any(|item| item.value == wanted) => wanted,
            ControlKind::Button => 0,
            _ => current,
        }
    }

    /// A value of it for people.
    #[must_use]
    pub fn spelled(&self, value: i64) -> String {
        match &self.kind {
            ControlKind::Integer { .. } => {
                #[expect(clippy::cast_precision_loss, reason = "controls of this kind have at most 32 bits")]
                let number = if self.id == EXPOSURE_TIME {
                    format!("{:.1}", value as f64 * scale(self.id))
                } else {
                    value.to_string()
                };
                let unit = unit(self.id);
                if unit.is_empty() { number } else { format!("{number} {unit}") }
            }
            // Whether something stands before the lens is no switch that is on or off.
            ControlKind::Boolean if self.id == PRIVACY => {
                if value == 0 { "Shutter open" } else { "Shutter closed" }.to_owned()
            }
            ControlKind::Boolean => if value == 0 { "off" } else { "on" }.to_owned(),
            ControlKind::Menu { items } => items
                .iter()
                .find(|item| item.value == value)
                .map_or_else(|| value.to_string(), |item| item.name.clone()),
            ControlKind::Button => "pressed".to_owned(),
            ControlKind::Bitmask { .. } => format!("0x{value:x}"),
            _ => value.to_string(),
        }
    }

    /// What stands in its place where it cannot be set.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (&self.kind, self.value) {
            (ControlKind::Bitmask { .. }, Some(value)) => format!("Bits {}", self.spelled(value)),
            (_, Some(value)) => self.spelled(value),
            (ControlKind::Bitmask { mask }, None) => format!("Bits of 0x{mask:x}"),
            (ControlKind::Integer64 { .. }, None) => "A 64-bit number".to_owned(),
            (ControlKind::Text { max_chars }, None) => format!("A text of up to {max_chars} characters"),
            (ControlKind::Table { sizes }, None) if sizes.as_slice() == [1] => "A table of one number".to_owned(),
            (ControlKind::Table { sizes }, None) => {
                let sizes = sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" × ");
                format!("A table of {sizes} numbers")
            }
            (ControlKind::Other, None) => "Not a simple value".to_owned(),
            (_, None) => "Not told by the camera".to_owned(),
        }
    }
}

/// Those of `after` that are not in `before` as they are.
#[must_use]
pub fn differences(before: &[Control], after: &[Control]) -> Vec<Control> {
    after.iter().filter(|control| !before.contains(control)).cloned().collect()
}

impl ControlsUpdate {
    /// So many go into one message between two processes, whatever texts they have.
    const PIECE: usize = 4;

    /// An update in pieces; none when there is nothing to tell.
    #[must_use]
    pub fn in_pieces(cause: UpdateCause, changed: &[Control], refused: Vec<Refusal>) -> Vec<Self> {
        let mut pieces: Vec<_> = changed
            .chunks(Self::PIECE)
            .map(|chunk| Self { cause, changed: chunk.to_vec(), is_last: false, refused: Vec::new() })
            .collect();
        if pieces.is_empty() && !refused.is_empty() {
            pieces.push(Self { cause, changed: Vec::new(), is_last: false, refused: Vec::new() });
        }
        if let Some(last) = pieces.last_mut() {
            last.is_last = true;
            last.refused = refused;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: ControlKind) -> Control {
        let name = "X".to_owned();
        Control { id: 1, name, kind, value: Some(5), default: 0, held: None, is_read_only: false, is_volatile: false }
    }

    #[track_caller]
    fn check_fit(range: (i64, i64, i64), wanted: i64, expected: i64) {
        let (min, max, step) = range;
        assert_eq!(control(ControlKind::Integer { min, max, step }).fit(wanted), expected, "{wanted} in {range:?}");
    }

    #[test]
    fn a_value_is_fitted_to_range_and_step() {
        check_fit((0, 255, 1), 300, 255);
        check_fit((0, 255, 1), -1, 0);
        check_fit((-64, 64, 1), -3, -3);
        check_fit((0, 250, 10), 14, 10);
        check_fit((0, 250, 10), 15, 20);
        check_fit((5, 252, 10), 252, 245);
        check_fit((3, 3, 1), 9, 3);
        check_fit((i64::MIN, i64::MAX, 1), 7, 7);
        check_fit((i64::MIN, i64::MAX, i64::MAX), i64::MAX, i64::MAX - 1);
        assert_eq!(control(ControlKind::Boolean).fit(77), 1);
        let items = vec![MenuItem { value: 2, name: "two".into() }];
        assert_eq!(control(ControlKind::Menu { items: items.clone() }).fit(2), 2);
        assert_eq!(control(ControlKind::Menu { items }).fit(3), 5);
    }

    #[test]
    fn values_are_spelled_in_their_unit() {
        let range = || ControlKind::Integer { min: 0, max: 5_000, step: 1 };
        let spelled = |id, kind, value| Control { id, ..control(kind) }.spelled(value);
        assert_eq!(spelled(EXPOSURE_TIME, range(), 157), "15.7 ms");
        assert_eq!(spelled(WHITE_BALANCE, range(), 4_600), "4600 K");
        assert_eq!(spelled(BRIGHTNESS, range(), -3), "-3");
        assert_eq!(spelled(1, ControlKind::Boolean, 1), "on");
        let items = vec![MenuItem { value: 2, name: "60 Hz".into() }];
        assert_eq!(spelled(POWER_LINE_FREQUENCY, ControlKind::Menu { items: items.clone() }, 2), "60 Hz");
        assert_eq!(spelled(POWER_LINE_FREQUENCY, ControlKind::Menu { items }, 7), "7");
    }

    #[track_caller]
    fn check_words(kind: ControlKind, value: Option<i64>, expected: &str) {
        let control = Control { value, ..control(kind) };
        assert_eq!(control.in_words(), expected);
        assert!(!control.can_be_set());
    }

    #[test]
    fn what_this_program_does_not_set_is_described() {
        check_words(ControlKind::Bitmask { mask: 0x8000_2000 }, Some(0x8000_2000), "Bits 0x80002000");
        check_words(ControlKind::Bitmask { mask: 7 }, None, "Bits of 0x7");
        check_words(ControlKind::Integer64 { min: 0, max: i64::MAX, step: 1 }, None, "A 64-bit number");
        check_words(ControlKind::Text { max_chars: 32 }, None, "A text of up to 32 characters");
        check_words(ControlKind::Table { sizes: vec![8, 16] }, None, "A table of 8 × 16 numbers");
        check_words(ControlKind::Table { sizes: vec![1] }, None, "A table of one number");
        check_words(ControlKind::Other, None, "Not a simple value");
        let reported = |id, value| {
            let control = Control { id, value, is_read_only: true, ..control(ControlKind::Boolean) };
            assert!(!control.can_be_set());
            control.in_words()
        };
        assert_eq!(reported(PRIVACY, Some(1)), "Shutter closed");
        assert_eq!(reported(PRIVACY, Some(0)), "Shutter open");
        assert_eq!(reported(1, None), "Not told by the camera");
    }

    #[test]
    fn an_update_comes_in_pieces_of_which_the_last_says_so() {
        let list = vec![control(ControlKind::Boolean); 9];
        let pieces = ControlsUpdate::in_pieces(UpdateCause::Listed, &list, Vec::new());
        assert_eq!(pieces.iter().map(|piece| piece.changed.len()).collect::<Vec<_>>(), [4, 4, 1]);
        assert_eq!(pieces.iter().map(|piece| piece.is_last).collect::<Vec<_>>(), [false, false, true]);
        assert!(ControlsUpdate::in_pieces(UpdateCause::Foreign, &[], Vec::new()).is_empty());
        let refused = vec![Refusal { id: 1, why: "no".into() }];
        let pieces = ControlsUpdate::in_pieces(UpdateCause::Set, &[], refused.clone());
        assert_eq!((pieces.len(), &pieces[0].refused), (1, &refused));
    }
}
