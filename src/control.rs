//! What can be set on a camera while it streams: brightness, exposure, focus.
//!
//! Controls have the numbers that V4L2 gives them (`v4l2-controls.h`), on every system: what is known of one is in one
//! table here. All that a device says of itself is put right by [`Control::checked`] before anybody shows it.

use serde::{Deserialize, Serialize};

/// No device has more that anybody would look at.
pub const MAX_CONTROLS: usize = 256;
const MAX_NAME_CHARS: usize = 40;
const MAX_ITEMS: usize = 64;

const USER: u32 = 0x0098_0900;
const CAMERA: u32 = 0x009a_0900;

pub const BRIGHTNESS: u32 = USER;
pub const CONTRAST: u32 = USER + 1;
pub const SATURATION: u32 = USER + 2;
pub const HUE: u32 = USER + 3;
pub const AUTO_WHITE_BALANCE: u32 = USER + 12;
pub const GAMMA: u32 = USER + 16;
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

/// One control of a device as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub id: u32,
    /// As the device calls it.
    pub name: String,
    pub kind: Kind,
    /// 0 or 1 of a boolean, the item's value of a menu, 0 of a button.
    pub value: i64,
    pub default: i64,
    /// Why it cannot be set now, as a sentence: most often because the device sets it itself.
    pub held: Option<String>,
    pub is_read_only: bool,
    /// The device changes it by itself.
    pub is_volatile: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuItem {
    pub value: i64,
    pub name: String,
}

/// A value that a control is to have, or had when it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub id: u32,
    pub value: i64,
}

/// The controls of the camera that is shown, for whoever shows them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceControls {
    /// As the status names the camera.
    pub source: String,
    pub list: Vec<Control>,
}

/// What is new about a device's controls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlNews {
    pub cause: Cause,
    /// Each as it stands now. A long list comes in pieces.
    pub changed: Vec<Control>,
    /// Whether no piece of it is still to come.
    pub is_last: bool,
    /// What could not be set, with the reason.
    pub refused: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The device was opened; these are all that it has.
    Listed,
    /// We set something.
    Set,
    /// Somebody else did, or the device itself.
    Foreign,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub id: u32,
    pub why: String,
}

/// What is known of a control that many devices have.
struct Known {
    id: u32,
    unit: &'static str,
    help: &'static str,
    /// The control that takes it over, and what then stands in its place.
    master: Option<Master>,
}

struct Master {
    id: u32,
    /// Whether it takes over with this value.
    takes_over: fn(i64) -> bool,
    says: &'static str,
}

/// A switch that takes over when it is on.
const fn switch(id: u32, says: &'static str) -> Option<Master> {
    Some(Master { id, takes_over: |value| value != 0, says })
}

/// `V4L2_EXPOSURE_MANUAL` and `V4L2_EXPOSURE_SHUTTER_PRIORITY` leave the time to the user.
const fn exposure(says: &'static str) -> Option<Master> {
    Some(Master { id: AUTO_EXPOSURE, takes_over: |value| !matches!(value, 1 | 2), says })
}

macro_rules! known {
    ($($id:ident $unit:literal $help:literal $master:expr;)*) => {
        const KNOWN: &[Known] = &[$(Known { id: $id, unit: $unit, help: $help, master: $master }),*];
    };
}

known! {
    BRIGHTNESS "" "Makes all of the picture lighter or darker. It changes the numbers, not the light: for a dark room, raise exposure or gain first." None;
    CONTRAST "" "How far apart light and dark are. Too much of it loses detail in both." None;
    SATURATION "" "How strong the colours are. The least is black and white on most cameras." None;
    HUE "" "Turns all colours round the colour circle. Best left alone." switch(AUTO_HUE, "Automatic hue is on");
    AUTO_WHITE_BALANCE "" "The camera itself finds out which colour the light has. Turn it off when colours wander." None;
    GAMMA "" "How bright the middle tones are; black and white stay." None;
    AUTO_GAIN "" "The camera itself amplifies the picture in the dark." None;
    GAIN "" "Amplifies the picture. Brighter, and with more noise: a longer exposure or more light is better." None;
    MIRROR "" "Swaps left and right." None;
    FLIP "" "Turns the picture upside down." None;
    POWER_LINE_FREQUENCY "" "Takes away the bands that lamps make. 50 Hz in most of the world, 60 Hz in North America and parts of Asia and South America." None;
    AUTO_HUE "" "The camera itself sets the hue." None;
    WHITE_BALANCE "K" "The colour of the light: about 2800 K for lamps, 5500 K for the sun. The wrong one gives a yellow or blue picture." switch(AUTO_WHITE_BALANCE, "Automatic white balance is on");
    SHARPNESS "" "Stresses edges. Too much of it gives bright seams and noise." None;
    BACKLIGHT "" "Makes a face in front of a window brighter, and the window white." None;
    AUTO_EXPOSURE "" "The camera itself sets how long each picture collects light. Turn it to manual when the brightness pumps, or the rate falls in the dark." None;
    EXPOSURE_TIME "ms" "How long each picture collects light. Longer: brighter, more blur, and a lower rate once it exceeds the time between two pictures (33.3 ms at 30 fps)." exposure("Auto exposure is on");
    EXPOSURE_PRIORITY "" "Whether automatic exposure may lower the rate in the dark. Turn it off when fewer pictures a second come than were asked for." None;
    PAN "″" "Looks left or right, in seconds of arc." None;
    TILT "″" "Looks up or down, in seconds of arc." None;
    FOCUS "" "The distance at which the picture is sharp." switch(AUTO_FOCUS, "Automatic focus is on");
    AUTO_FOCUS "" "The camera itself focuses. Turn it off when it hunts back and forth." None;
    ZOOM "" "Makes what is far away larger." None;
    PRIVACY "" "Shuts the camera off: the picture is black. On some cameras it is a slider in front of the lens, which only a hand can move." None;
    IRIS "" "How much light the lens lets in." exposure("Auto exposure is on");
}

fn known(id: u32) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id)
}

/// What it does, in plain words; empty for what only its maker knows.
#[must_use]
pub fn help(id: u32) -> &'static str {
    known(id).map_or("", |known| known.help)
}

#[must_use]
pub fn unit(id: u32) -> &'static str {
    known(id).map_or("", |known| known.unit)
}

/// A value in its unit is so many times as large as the device's number: V4L2 counts exposure times in 100 µs.
#[must_use]
pub fn scale(id: u32) -> f64 {
    if id == EXPOSURE_TIME { 0.1 } else { 1.0 }
}

/// Why another control keeps this one from being set, from what is known of both. `is_inactive` is what the driver says;
/// uvcvideo before Linux 6.0 does not say it.
#[must_use]
pub fn held_by(id: u32, is_inactive: bool, value_of: impl Fn(u32) -> Option<i64>) -> Option<String> {
    let master = known(id).and_then(|known| known.master.as_ref());
    match master {
        Some(master) if value_of(master.id).is_some_and(master.takes_over) => Some(master.says.to_owned()),
        _ if is_inactive && id == GAIN && value_of(AUTO_GAIN).is_some_and(|on| on != 0) => {
            Some("Automatic gain is on".to_owned())
        }
        _ => is_inactive.then(|| "Another control holds it; an automatic mode, most likely".to_owned()),
    }
}

/// In the order in which a device takes them: those first that take over others, as an exposure time can be set only when the
/// automatic is off; and without those that are taken over thereby.
#[must_use]
pub fn in_order(settings: &[Setting]) -> Vec<Setting> {
    let master_of = |id| known(id).and_then(|known| known.master.as_ref());
    let is_master = |id| id == AUTO_GAIN || KNOWN.iter().any(|known| known.master.as_ref().is_some_and(|m| m.id == id));
    let is_taken_over = |setting: &&Setting| {
        let of = |master: &Master| settings.iter().any(|s| s.id == master.id && (master.takes_over)(s.value));
        master_of(setting.id).is_some_and(of)
    };
    let mut ordered: Vec<_> = settings.iter().filter(|setting| !is_taken_over(setting)).copied().collect();
    ordered.sort_by_key(|setting| !is_master(setting.id));
    ordered
}

/// Of several values for one control the last counts, at its place.
pub fn add_setting(settings: &mut Vec<Setting>, setting: Setting) {
    settings.retain(|other| other.id != setting.id);
    settings.push(setting);
}

impl Control {
    #[must_use]
    pub fn can_be_set(&self) -> bool {
        self.held.is_none() && !self.is_read_only
    }

    #[must_use]
    pub fn is_default(&self) -> bool {
        matches!(self.kind, Kind::Button) || self.value == self.default
    }

    /// The possible value nearest to the wanted one.
    #[must_use]
    pub fn fit(&self, wanted: i64) -> i64 {
        match &self.kind {
            Kind::Integer { min, max, step } => {
                let (min, max, wanted) = (i128::from(*min), i128::from(*max), i128::from(wanted));
                let step = i128::from((*step).max(1));
                let steps = (wanted.clamp(min, max.max(min)) - min + step / 2) / step;
                let best = min + steps * step;
                i64::try_from(if best > max { best - step } else { best }).unwrap_or(self.value)
            }
            Kind::Boolean => i64::from(wanted != 0),
            Kind::Menu { items } if items.iter().any(|item| item.value == wanted) => wanted,
            Kind::Menu { .. } => self.value,
            Kind::Button => 0,
        }
    }

    /// A value of it for people.
    #[must_use]
    pub fn spelled(&self, value: i64) -> String {
        match &self.kind {
            Kind::Integer { .. } => {
                #[expect(clippy::cast_precision_loss, reason = "controls have at most 32 bits")]
                let number = if self.id == EXPOSURE_TIME {
                    format!("{:.1}", value as f64 * scale(self.id))
                } else {
                    value.to_string()
                };
                let unit = unit(self.id);
                if unit.is_empty() { number } else { format!("{number} {unit}") }
            }
            Kind::Boolean => if value == 0 { "off" } else { "on" }.to_owned(),
            Kind::Menu { items } => items
                .iter()
                .find(|item| item.value == value)
                .map_or_else(|| value.to_string(), |item| item.name.clone()),
            Kind::Button => "pressed".to_owned(),
        }
    }

    /// What a device says of itself, fit to be shown: no control characters, no endless texts, no impossible ranges.
    /// `None` where nothing is left that could be set.
    #[must_use]
    pub fn checked(self) -> Option<Self> {
        let kind = match self.kind {
            Kind::Integer { min, max, step } if min <= max => Kind::Integer { min, max, step: step.max(1) },
            Kind::Integer { .. } => return None,
            Kind::Menu { items } if items.is_empty() => return None,
            Kind::Menu { items } => Kind::Menu {
                items: items
                    .into_iter()
                    .take(MAX_ITEMS)
                    .map(|item| MenuItem { name: readable(&item.name, || item.value.to_string()), ..item })
                    .collect(),
            },
            kind @ (Kind::Boolean | Kind::Button) => kind,
        };
        let name = readable(&self.name, || format!("Control 0x{:08x}", self.id));
        let held = self.held.map(|why| readable_in(&why, 120)).filter(|why| !why.is_empty());
        Some(Self { name, kind, held, ..self })
    }
}

fn readable(text: &str, otherwise: impl FnOnce() -> String) -> String {
    let text = readable_in(text, MAX_NAME_CHARS);
    if text.is_empty() { otherwise() } else { text }
}

/// At most so many characters, each of which shows as itself. Characters that turn the direction of writing would make
/// the rest of the line unreadable.
fn readable_in(text: &str, n_chars: usize) -> String {
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
    };
    text.chars().filter(is_shown).take(n_chars).collect::<String>().trim().to_owned()
}

/// Those of `after` that are not in `before` as they are.
#[must_use]
pub fn differences(before: &[Control], after: &[Control]) -> Vec<Control> {
    after.iter().filter(|control| !before.contains(control)).cloned().collect()
}

impl ControlNews {
    /// So many go into one message between two processes, whatever texts they have.
    const PIECE: usize = 4;

    /// The same news in pieces; none when there is nothing to tell.
    #[must_use]
    pub fn in_pieces(cause: Cause, changed: &[Control], refused: Vec<Refusal>) -> Vec<Self> {
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

    /// Fit to be shown, whoever sent it.
    #[must_use]
    pub fn checked(self) -> Self {
        let refused = self.refused.into_iter().take(MAX_CONTROLS);
        Self {
            changed: self.changed.into_iter().take(MAX_CONTROLS).filter_map(Control::checked).collect(),
            refused: refused.map(|refusal| Refusal { why: readable_in(&refusal.why, 200), ..refusal }).collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind) -> Control {
        let name = "X".to_owned();
        Control { id: 1, name, kind, value: 5, default: 0, held: None, is_read_only: false, is_volatile: false }
    }

    #[track_caller]
    fn check_fit(range: (i64, i64, i64), wanted: i64, expected: i64) {
        let (min, max, step) = range;
        assert_eq!(control(Kind::Integer { min, max, step }).fit(wanted), expected, "{wanted} in {range:?}");
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
        assert_eq!(control(Kind::Boolean).fit(77), 1);
        let items = vec![MenuItem { value: 2, name: "two".into() }];
        assert_eq!(control(Kind::Menu { items: items.clone() }).fit(2), 2);
        assert_eq!(control(Kind::Menu { items }).fit(3), 5);
    }

    #[test]
    fn values_are_spelled_in_their_unit() {
        let range = || Kind::Integer { min: 0, max: 5_000, step: 1 };
        let spelled = |id, kind, value| Control { id, ..control(kind) }.spelled(value);
        assert_eq!(spelled(EXPOSURE_TIME, range(), 157), "15.7 ms");
        assert_eq!(spelled(WHITE_BALANCE, range(), 4_600), "4600 K");
        assert_eq!(spelled(BRIGHTNESS, range(), -3), "-3");
        assert_eq!(spelled(1, Kind::Boolean, 1), "on");
        let items = vec![MenuItem { value: 2, name: "60 Hz".into() }];
        assert_eq!(spelled(POWER_LINE_FREQUENCY, Kind::Menu { items: items.clone() }, 2), "60 Hz");
        assert_eq!(spelled(POWER_LINE_FREQUENCY, Kind::Menu { items }, 7), "7");
    }

    #[track_caller]
    fn check_name(name: &str, expected: &str) {
        let control = Control { name: name.to_owned(), ..control(Kind::Boolean) };
        assert_eq!(control.checked().unwrap().name, expected, "{name:?}");
    }

    #[test]
    fn what_a_device_says_is_made_fit_to_be_shown() {
        check_name("Brightness", "Brightness");
        check_name("", "Control 0x00000001");
        check_name("\u{1b}[31mRed\u{7}", "[31mRed");
        check_name("a\nb\u{202e}c", "abc");
        check_name(&"x".repeat(10_000), &"x".repeat(MAX_NAME_CHARS));
        assert_eq!(control(Kind::Integer { min: 5, max: 4, step: 1 }).checked(), None);
        assert_eq!(control(Kind::Menu { items: Vec::new() }).checked(), None);
        let zero_step = control(Kind::Integer { min: 0, max: 4, step: 0 }).checked().unwrap();
        assert_eq!(zero_step.kind, Kind::Integer { min: 0, max: 4, step: 1 });
    }

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
        check_held(FOCUS, true, &[(AUTO_FOCUS, 1)], Some("Automatic focus is on"));
        check_held(FOCUS, false, &[(AUTO_FOCUS, 0)], None);
        check_held(WHITE_BALANCE, false, &[(AUTO_WHITE_BALANCE, 1)], Some("Automatic white balance is on"));
        check_held(GAIN, false, &[(AUTO_GAIN, 1)], None);
        check_held(GAIN, true, &[(AUTO_GAIN, 1)], Some("Automatic gain is on"));
        check_held(BRIGHTNESS, true, &[], Some("Another control holds it; an automatic mode, most likely"));
    }

    #[track_caller]
    fn check_order(settings: &[(u32, i64)], expected: &[u32]) {
        let settings: Vec<_> = settings.iter().map(|(id, value)| Setting { id: *id, value: *value }).collect();
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
        check_order(&[], &[]);
    }

    #[test]
    fn news_come_in_pieces_of_which_the_last_says_so() {
        let list = vec![control(Kind::Boolean); 9];
        let pieces = ControlNews::in_pieces(Cause::Listed, &list, Vec::new());
        assert_eq!(pieces.iter().map(|piece| piece.changed.len()).collect::<Vec<_>>(), [4, 4, 1]);
        assert_eq!(pieces.iter().map(|piece| piece.is_last).collect::<Vec<_>>(), [false, false, true]);
        assert!(ControlNews::in_pieces(Cause::Foreign, &[], Vec::new()).is_empty());
        let refused = vec![Refusal { id: 1, why: "no".into() }];
        let pieces = ControlNews::in_pieces(Cause::Set, &[], refused.clone());
        assert_eq!((pieces.len(), &pieces[0].refused), (1, &refused));
    }
}
