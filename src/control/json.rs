//! A control as JSON, flat, with units and flags in words: what `camclinic list --json` prints, and what the worker sends.

use serde::{Deserialize, Serialize};

use super::{Control, ControlKind, MenuItem, device_unit};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ControlJson {
    id: u32,
    name: String,
    kind: KindName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<i64>,
    default: Option<i64>,
    value: Option<i64>,
    /// Of the numbers above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// What the values of a menu mean; a value without an item cannot be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    menu: Vec<MenuItem>,
    /// Of a table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sizes: Vec<u32>,
    flags: Vec<Flag>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Integer,
    Boolean,
    Menu,
    Button,
    Bitmask,
    Integer64,
    Text,
    Table,
    #[default]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Flag {
    Held,
    ReadOnly,
    Volatile,
}

impl From<Control> for ControlJson {
    fn from(control: Control) -> Self {
        let Control { id, name, kind, value, default, held, is_read_only, is_volatile } = control;
        let flags = [(held.is_some(), Flag::Held), (is_read_only, Flag::ReadOnly), (is_volatile, Flag::Volatile)];
        let has_default = matches!(
            kind,
            ControlKind::Integer { .. }
                | ControlKind::Boolean
                | ControlKind::Menu { .. }
                | ControlKind::Bitmask { .. }
                | ControlKind::Integer64 { .. }
        );
        let unit = device_unit(id).filter(|_| has_default).map(str::to_owned);
        let default = has_default.then_some(default);
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
        let flat = Self { id, name, default, value, unit, flags, held, ..Self::default() };
        let range = |kind, min, max, step| (kind, Some(min), Some(max), Some(step));
        let (kind, min, max, step) = match kind {
            ControlKind::Integer { min, max, step } => range(KindName::Integer, min, max, step),
            ControlKind::Integer64 { min, max, step } => range(KindName::Integer64, min, max, step),
            ControlKind::Boolean => range(KindName::Boolean, 0, 1, 1),
            ControlKind::Button => (KindName::Button, None, None, None),
            ControlKind::Bitmask { mask } => (KindName::Bitmask, None, Some(mask), None),
            ControlKind::Text { max_chars } => (KindName::Text, None, Some(max_chars), None),
            ControlKind::Other => (KindName::Other, None, None, None),
            ControlKind::Menu { items } => return Self { kind: KindName::Menu, menu: items, ..flat },
            ControlKind::Table { sizes } => return Self { kind: KindName::Table, sizes, ..flat },
        };
        Self { kind, min, max, step, ..flat }
    }
}

impl From<ControlJson> for Control {
    fn from(flat: ControlJson) -> Self {
        let (min, max, step) = (flat.min.unwrap_or(0), flat.max.unwrap_or(0), flat.step.unwrap_or(1));
        let kind = match flat.kind {
            KindName::Integer => ControlKind::Integer { min, max, step },
            KindName::Boolean => ControlKind::Boolean,
            KindName::Menu => ControlKind::Menu { items: flat.menu },
            KindName::Button => ControlKind::Button,
            KindName::Bitmask => ControlKind::Bitmask { mask: max },
            KindName::Integer64 => ControlKind::Integer64 { min, max, step },
            KindName::Text => ControlKind::Text { max_chars: max },
            KindName::Table => ControlKind::Table { sizes: flat.sizes },
            KindName::Other => ControlKind::Other,
        };
        Self {
            id: flat.id,
            name: flat.name,
            kind,
            value: flat.value,
            default: flat.default.unwrap_or(0),
            held: flat.held,
            is_read_only: flat.flags.contains(&Flag::ReadOnly),
            is_volatile: flat.flags.contains(&Flag::Volatile),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BRIGHTNESS, EXPOSURE_TIME};
    use super::*;

    fn control(id: u32, kind: ControlKind) -> Control {
        let name = "X".to_owned();
        Control { id, name, kind, value: None, default: 0, held: None, is_read_only: false, is_volatile: false }
    }

    #[track_caller]
    fn check(control: &Control, expected: &str) {
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(serde_json::to_value(control).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Control>(expected).unwrap(), *control);
    }

    #[test]
    fn a_control_is_flat_and_comes_back_as_it_was() {
        let range = ControlKind::Integer { min: 1, max: 5_000, step: 1 };
        let held = Some("Auto exposure is on".to_owned());
        check(
            &Control { value: Some(157), default: 333, held, is_volatile: true, ..control(EXPOSURE_TIME, range) },
            r#"{"id": 10094850, "name": "X", "kind": "integer", "min": 1, "max": 5000, "step": 1, "default": 333,
                "value": 157, "unit": "100 µs", "flags": ["held", "volatile"], "held": "Auto exposure is on"}"#,
        );
        let items = vec![MenuItem { value: 2, name: "60 Hz".into() }];
        check(
            &Control { value: Some(2), is_read_only: true, ..control(BRIGHTNESS, ControlKind::Menu { items }) },
            r#"{"id": 9963776, "name": "X", "kind": "menu", "default": 0, "value": 2,
                "menu": [{"value": 2, "name": "60 Hz"}], "flags": ["read-only"]}"#,
        );
        check(
            &control(1, ControlKind::Button),
            r#"{"id": 1, "name": "X", "kind": "button", "default": null, "value": null, "flags": []}"#,
        );
        check(
            &control(1, ControlKind::Table { sizes: vec![8, 16] }),
            r#"{"id": 1, "name": "X", "kind": "table", "default": null, "value": null, "sizes": [8, 16], "flags": []}"#,
        );
    }

    #[test]
    fn every_kind_comes_back() {
        let (min, max, step) = (i64::MIN, i64::MAX, i64::MAX);
        for kind in [
            ControlKind::Boolean,
            ControlKind::Bitmask { mask: 0xffff_ffff },
            ControlKind::Integer64 { min, max, step },
            ControlKind::Text { max_chars: 32 },
            ControlKind::Other,
        ] {
            let json = serde_json::to_string(&control(7, kind.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Control>(&json).unwrap().kind, kind, "{json}");
        }
    }
}
