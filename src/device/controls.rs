//! What a device says of its controls, checked so that it can be shown: no endless texts, no impossible ranges.
//! [`ControlPort`](super::ControlPort) reads and sets them.

use crate::control::{Control, ControlKind, ControlsUpdate, MAX_CONTROLS, MAX_ITEMS, MenuItem, Refusal};
use crate::foreign::safe_within;

/// V4L2 has room for 31.
const MAX_NAME_CHARS: usize = 40;
const MAX_WHY_CHARS: usize = 120;

/// A menu without items is shown and cannot be set; a range that is the wrong way round is turned.
#[must_use]
pub fn checked(control: Control) -> Control {
    let name = named(&control.name, || format!("Control {:#010x}", control.id));
    let held = control.held.map(|why| safe_within(why.as_bytes(), MAX_WHY_CHARS)).filter(|why| !why.is_empty());
    let is_empty = matches!(&control.kind, ControlKind::Menu { items } if items.is_empty());
    let is_read_only = control.is_read_only || is_empty;
    let kind = match control.kind {
        ControlKind::Integer { min, max, step } => {
            ControlKind::Integer { min: min.min(max), max: min.max(max), step: step.max(1) }
        }
        ControlKind::Menu { items } => ControlKind::Menu {
            items: items
                .into_iter()
                .take(MAX_ITEMS as usize)
                .map(|item| MenuItem { name: named(&item.name, || item.value.to_string()), ..item })
                .collect(),
        },
        // The most that V4L2 has.
        ControlKind::Table { sizes } => ControlKind::Table { sizes: sizes.into_iter().take(4).collect() },
        kind => kind,
    };
    Control { name, kind, held, is_read_only, ..control }
}

/// The same for all controls of an update, whoever sent it.
#[must_use]
pub fn checked_update(update: ControlsUpdate) -> ControlsUpdate {
    let why = |refusal: Refusal| Refusal { why: safe_within(refusal.why.as_bytes(), MAX_WHY_CHARS), ..refusal };
    ControlsUpdate {
        changed: update.changed.into_iter().take(MAX_CONTROLS).map(checked).collect(),
        refused: update.refused.into_iter().take(MAX_CONTROLS).map(why).collect(),
        ..update
    }
}

fn named(text: &str, otherwise: impl FnOnce() -> String) -> String {
    let text = safe_within(text.as_bytes(), MAX_NAME_CHARS);
    if text.is_empty() { otherwise() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: ControlKind) -> Control {
        let name = "X".to_owned();
        Control { id: 1, name, kind, value: Some(5), default: 0, held: None, is_read_only: false, is_volatile: false }
    }

    #[track_caller]
    fn check_name(name: &str, expected: &str) {
        let control = Control { name: name.to_owned(), ..control(ControlKind::Boolean) };
        assert_eq!(checked(control).name, expected, "{name:?}");
    }

    #[test]
    fn names_fit_on_a_row() {
        check_name("Brightness", "Brightness");
        check_name("", "Control 0x00000001");
        check_name(" \n", "Control 0x00000001");
        check_name("\u{1b}[31mRed\u{7}", "\u{fffd}[31mRed\u{fffd}");
        check_name("a\nb\u{202e}c", "a b\u{fffd}c");
        check_name(&"x".repeat(10_000), &format!("{}…", "x".repeat(MAX_NAME_CHARS - 1)));
    }

    #[test]
    fn no_range_is_impossible() {
        let range = |min, max, step| ControlKind::Integer { min, max, step };
        assert_eq!(checked(control(range(0, 4, 0))).kind, range(0, 4, 1));
        assert_eq!(checked(control(range(5, -4, -3))).kind, range(-4, 5, 1));
        let empty = checked(control(ControlKind::Menu { items: Vec::new() }));
        assert!(!empty.can_be_set() && empty.in_words() == "5");
        let items = (0..1_000).map(|value| MenuItem { value, name: String::new() }).collect();
        let ControlKind::Menu { items } = checked(control(ControlKind::Menu { items })).kind else { panic!("no menu") };
        assert_eq!((items.len(), items[3].name.as_str()), (64, "3"));
    }
}
