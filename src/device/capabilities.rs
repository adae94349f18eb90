//! What a device says that it can do: formats, sizes, rates, controls.

use serde::{Deserialize, Serialize};

/// All that a device tells about itself when it is asked, without being started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// In the order in which the driver has them.
    pub formats: Vec<Format>,
    pub controls: Vec<Control>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Format {
    /// Four characters: `MJPG`.
    pub fourcc: String,
    /// The driver's words for it.
    pub name: String,
    pub is_compressed: bool,
    /// The system makes it of another format, at the cost of work.
    pub is_emulated: bool,
    /// From small to large.
    pub sizes: Vec<FrameSize>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameSize {
    /// The largest, where any between two can be had.
    pub width: u32,
    pub height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<SizeRange>,
    /// Pictures a second, from fast to slow; the two ends where any between them can be had.
    pub rates: Vec<f64>,
    #[serde(default)]
    pub is_any_rate_between: bool,
}

/// From the smallest to the [`FrameSize`]'s own, in such steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRange {
    pub min_width: u32,
    pub min_height: u32,
    pub step_width: u32,
    pub step_height: u32,
}

/// Something of a device that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The system's number of it.
    pub id: u32,
    pub name: String,
    pub kind: ControlKind,
    pub min: i64,
    pub max: i64,
    pub step: u64,
    pub default: i64,
    /// `None` where it has none, as a button, or the device does not tell.
    pub value: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the values of a menu mean; a value without an item cannot be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<MenuItem>,
    pub flags: Vec<ControlFlag>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlKind {
    #[default]
    Integer,
    Boolean,
    Menu,
    /// Its items are numbers, and so are their names.
    IntegerMenu,
    Button,
    Bitmask,
    Text,
    /// A table of numbers, or what this program does not know.
    Compound,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuItem {
    pub value: i64,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlFlag {
    Disabled,
    /// Not to be changed while it streams.
    Grabbed,
    ReadOnly,
    /// Changing it changes others.
    Update,
    /// Without effect now, most often because an automatic mode sets it.
    Inactive,
    WriteOnly,
    /// The device changes it by itself.
    Volatile,
}

impl Capabilities {
    /// Whether it has grey pictures only, as infrared cameras do.
    #[must_use]
    pub fn is_grey_only(&self) -> bool {
        const GREY: [&str; 7] = ["GREY", "Y8I", "Y10", "Y12", "Y16", "L8", "Y8"];
        !self.formats.is_empty() && self.formats.iter().all(|format| GREY.contains(&format.fourcc.trim()))
    }
}

impl Control {
    #[must_use]
    pub fn is(&self, flag: ControlFlag) -> bool {
        self.flags.contains(&flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fourccs: &[&str], expected: bool) {
        let formats = fourccs.iter().map(|fourcc| Format { fourcc: (*fourcc).into(), ..Format::default() }).collect();
        assert_eq!(Capabilities { formats, controls: Vec::new() }.is_grey_only(), expected, "{fourccs:?}");
    }

    #[test]
    fn an_infrared_camera_has_grey_pictures_only() {
        check(&["GREY"], true);
        check(&["GREY", "Y16 "], true);
        check(&["YUYV", "GREY"], false);
        check(&[], false);
    }

    #[test]
    fn what_is_not_there_is_left_out_of_the_json() {
        let json = serde_json::to_value(Control::default()).unwrap();
        assert_eq!((json.get("unit"), json.get("menu")), (None, None));
        assert_eq!(json["kind"], "integer");
    }
}
