//! The controls of a V4L2 device, on a handle of their own: a node may be opened several times, and setting controls does
//! not disturb whoever streams from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::ioctl::{Opcode, opcode};

use super::query::{ask, open};
use crate::control::{self, Control, ControlKind, ControlSetting, MAX_CONTROLS, MAX_ITEMS, MenuItem};
use crate::device::codes::without_code;
use crate::device::controls::checked;
use crate::foreign::safe_until_zero;

// From videodev2.h.
const NEXT_CONTROL: u32 = 0x8000_0000;
const NEXT_COMPOUND: u32 = 0x4000_0000;
const FLAG_DISABLED: u32 = 0x01;
const FLAG_GRABBED: u32 = 0x02;
const FLAG_READ_ONLY: u32 = 0x04;
const FLAG_INACTIVE: u32 = 0x10;
const FLAG_WRITE_ONLY: u32 = 0x40;
const FLAG_VOLATILE: u32 = 0x80;
const TYPE_INTEGER: u32 = 1;
const TYPE_BOOLEAN: u32 = 2;
const TYPE_MENU: u32 = 3;
const TYPE_BUTTON: u32 = 4;
const TYPE_INTEGER64: u32 = 5;
const TYPE_CLASS: u32 = 6;
const TYPE_TEXT: u32 = 7;
const TYPE_BITMASK: u32 = 8;
const TYPE_INTEGER_MENU: u32 = 9;

/// `struct v4l2_query_ext_ctrl`
#[repr(C)]
#[derive(Default)]
struct Query {
    id: u32,
    kind: u32,
    name: [u8; 32],
    minimum: i64,
    maximum: i64,
    step: u64,
    default_value: i64,
    flags: u32,
    elem_size: u32,
    elems: u32,
    n_dims: u32,
    dims: [u32; 4],
    reserved: [u32; 32],
}

/// `struct v4l2_querymenu`; the name of an integer menu's item is a number in its first eight bytes.
#[repr(C)]
#[derive(Default)]
struct QueryMenu {
    id: u32,
    index: u32,
    name: [u8; 32],
    reserved: u32,
}

/// `struct v4l2_control`
#[repr(C)]
struct ControlValue {
    id: u32,
    value: i32,
}

const QUERY_EXT_CTRL: Opcode = opcode::read_write::<Query>(b'V', 103);
const QUERYMENU: Opcode = opcode::read_write::<QueryMenu>(b'V', 37);
const G_CTRL: Opcode = opcode::read_write::<ControlValue>(b'V', 27);
const S_CTRL: Opcode = opcode::read_write::<ControlValue>(b'V', 28);

/// An open node, from which nobody streams.
pub struct ControlPort {
    node: File,
    /// Those that answered at first. Others are not asked again: the kernel logs each failure.
    ids: Vec<u32>,
    /// Items never change, and each costs a call.
    menus: BTreeMap<u32, Vec<MenuItem>>,
}

impl ControlPort {
    pub fn open(path: &Path) -> io::Result<Self> {
        open(path).map(Self::on)
    }

    pub(super) fn on(node: File) -> Self {
        Self { node, ids: Vec::new(), menus: BTreeMap::new() }
    }

    /// All controls with their values.
    pub fn read(&mut self) -> io::Result<Vec<Control>> {
        let ask_for = |id| {
            let mut query = Query { id, ..Query::default() };
            ask::<QUERY_EXT_CTRL, _>(&self.node, &mut query).map(|()| query)
        };
        let queries = if self.ids.is_empty() { listed(ask_for)? } else { again(&self.ids, ask_for)? };
        if self.ids.is_empty() {
            self.ids = queries.iter().map(|query| query.id).collect();
        }
        let mut rows = Vec::new();
        for query in queries {
            let kind = self.kind(&query);
            let value = self.value(&query, &kind);
            rows.push((described(&query, kind, value), query.flags));
        }
        let values: BTreeMap<u32, i64> =
            rows.iter().filter_map(|(control, _)| Some((control.id, control.value?))).collect();
        let finish = |(control, flags): (Control, u32)| {
            let held = control::held_by(control.id, flags & FLAG_INACTIVE != 0, |id| values.get(&id).copied());
            let grabbed = || "The driver holds it while the camera is in use".to_owned();
            checked(Control { held: held.or_else(|| (flags & FLAG_GRABBED != 0).then(grabbed)), ..control })
        };
        Ok(rows.into_iter().map(finish).collect())
    }

    fn kind(&mut self, query: &Query) -> ControlKind {
        let (min, max) = (query.minimum, query.maximum);
        let step = i64::try_from(query.step).unwrap_or(i64::MAX);
        if query.n_dims > 0 {
            let sizes = query.dims.iter().take(query.n_dims as usize).copied().collect();
            return ControlKind::Table { sizes };
        }
        match query.kind {
            TYPE_INTEGER => ControlKind::Integer { min, max, step },
            TYPE_BOOLEAN => ControlKind::Boolean,
            TYPE_MENU | TYPE_INTEGER_MENU => ControlKind::Menu { items: self.items(query) },
            TYPE_BUTTON => ControlKind::Button,
            TYPE_BITMASK => ControlKind::Bitmask { mask: bits(max) },
            TYPE_INTEGER64 => ControlKind::Integer64 { min, max, step },
            TYPE_TEXT => ControlKind::Text { max_chars: max },
            _ => ControlKind::Other,
        }
    }

    /// `None` also where the camera does not answer: such a control is shown without a value.
    fn value(&self, query: &Query, kind: &ControlKind) -> Option<i64> {
        let has_number = matches!(
            kind,
            ControlKind::Integer { .. } | ControlKind::Boolean | ControlKind::Menu { .. } | ControlKind::Bitmask { .. }
        );
        if !has_number || query.flags & FLAG_WRITE_ONLY != 0 {
            return None;
        }
        let mut value = ControlValue { id: query.id, value: 0 };
        ask::<G_CTRL, _>(&self.node, &mut value).ok()?;
        let value = i64::from(value.value);
        Some(if matches!(kind, ControlKind::Bitmask { .. }) { bits(value) } else { value })
    }

    fn items(&mut self, query: &Query) -> Vec<MenuItem> {
        if let Some(items) = self.menus.get(&query.id) {
            return items.clone();
        }
        let first = u32::try_from(query.minimum).unwrap_or(0);
        let last = u32::try_from(query.maximum).unwrap_or(0).min(first.saturating_add(MAX_ITEMS));
        let mut items = Vec::new();
        for index in first..=last {
            let mut item = QueryMenu { id: query.id, index, ..QueryMenu::default() };
            // EINVAL where the device does not have this item.
            if ask::<QUERYMENU, _>(&self.node, &mut item).is_err() {
                continue;
            }
            let name = match item.name.first_chunk() {
                Some(number) if query.kind == TYPE_INTEGER_MENU => i64::from_ne_bytes(*number).to_string(),
                _ => safe_until_zero(&item.name),
            };
            items.push(MenuItem { value: i64::from(index), name });
        }
        self.menus.insert(query.id, items.clone());
        items
    }

    /// Sets one control. The driver may round the value.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn set(&mut self, setting: ControlSetting) -> Result<(), String> {
        let value = i32::try_from(setting.value).map_err(|_| "the value is too large".to_owned())?;
        let mut wanted = ControlValue { id: setting.id, value };
        ask::<S_CTRL, _>(&self.node, &mut wanted).map_err(|error| why_refused(&error))
    }
}

/// What the driver has, in its order. Headings are left out, and what is disabled, which is to be ignored for good
/// (`vidioc-queryctrl.rst`).
///
/// uvcvideo fails at a control that the camera lists and does not answer for. The common ones behind it are asked for by
/// their numbers then.
fn listed(ask_for: impl Fn(u32) -> io::Result<Query>) -> io::Result<Vec<Query>> {
    let mut queries = Vec::new();
    let mut last = 0;
    while queries.len() < MAX_CONTROLS {
        let next = match ask_for(last | NEXT_CONTROL | NEXT_COMPOUND) {
            Ok(query) => Some(query),
            Err(error) if is_hopeless(&error) => return Err(error),
            Err(_) => control::ids_behind(last).find_map(|id| ask_for(id).ok()),
        };
        // No more, or a driver that goes round in circles.
        let Some(query) = next.filter(|query| query.id > last) else { break };
        last = query.id;
        if query.flags & FLAG_DISABLED == 0 && query.kind != TYPE_CLASS {
            queries.push(query);
        }
    }
    Ok(queries)
}

/// Those of these that answer.
fn again(ids: &[u32], ask_for: impl Fn(u32) -> io::Result<Query>) -> io::Result<Vec<Query>> {
    let mut queries = Vec::new();
    for id in ids {
        match ask_for(*id) {
            Ok(query) => queries.push(query),
            Err(error) if is_hopeless(&error) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(queries)
}

/// No other control will answer either; asking each could take five seconds.
fn is_hopeless(error: &io::Error) -> bool {
    // ENODEV, ENOTTY, ETIMEDOUT
    matches!(error.raw_os_error(), Some(19 | 25 | 110))
}

fn described(query: &Query, kind: ControlKind, value: Option<i64>) -> Control {
    let is_mask = matches!(kind, ControlKind::Bitmask { .. });
    Control {
        id: query.id,
        name: safe_until_zero(&query.name),
        kind,
        value,
        default: if is_mask { bits(query.default_value) } else { query.default_value },
        held: None,
        is_read_only: query.flags & FLAG_READ_ONLY != 0,
        is_volatile: query.flags & FLAG_VOLATILE != 0,
    }
}

/// A mask has 32 bits, of which the highest is no sign.
fn bits(value: i64) -> i64 {
    value & 0xffff_ffff
}

fn why_refused(error: &io::Error) -> String {
    match error.raw_os_error() {
        // EACCES, from uvcvideo for a control that its automatic mode holds.
        Some(13) => "an automatic mode holds it".to_owned(),
        // EBUSY
        Some(16) => "the driver does not change it while the camera is in use".to_owned(),
        // ERANGE, EINVAL
        Some(34 | 22) => "the camera does not take this value".to_owned(),
        // ENODEV
        Some(19) => "the camera is gone".to_owned(),
        // EIO, EPIPE, ETIMEDOUT
        Some(5 | 32 | 110) => "the camera did not answer".to_owned(),
        _ => without_code(&error.to_string()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_calls_are_those_of_videodev2_h() {
        // As the C compiler computes them, for the architectures that number ioctls in the usual way.
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm", target_arch = "riscv64")) {
            let numbers = [QUERY_EXT_CTRL, QUERYMENU, G_CTRL, S_CTRL];
            assert_eq!(numbers, [0xc0e8_5667, 0xc02c_5625, 0xc008_561b, 0xc008_561c]);
        }
    }

    #[track_caller]
    fn check_kind(kind: u32, n_dims: u32, expected: &ControlKind) {
        let query = Query { id: 7, kind, n_dims, dims: [8, 16, 9, 9], minimum: -1, maximum: 4, ..Query::default() };
        let mut port = ControlPort::open(Path::new("/dev/null")).unwrap();
        assert_eq!(&port.kind(&query), expected);
        assert_eq!(port.value(&query, expected), None, "{expected:?}");
    }

    #[test]
    fn controls_of_any_kind_are_borne() {
        check_kind(TYPE_INTEGER, 0, &ControlKind::Integer { min: -1, max: 4, step: 0 });
        check_kind(TYPE_INTEGER, 2, &ControlKind::Table { sizes: vec![8, 16] });
        check_kind(TYPE_INTEGER, u32::MAX, &ControlKind::Table { sizes: vec![8, 16, 9, 9] });
        check_kind(TYPE_MENU, 0, &ControlKind::Menu { items: Vec::new() });
        check_kind(TYPE_BITMASK, 0, &ControlKind::Bitmask { mask: 4 });
        check_kind(TYPE_TEXT, 0, &ControlKind::Text { max_chars: 4 });
        check_kind(0x0106, 0, &ControlKind::Other);
        check_kind(u32::MAX, 0, &ControlKind::Other);
        let mask = Query { default_value: -0x7fff_e000, ..Query::default() };
        assert_eq!(described(&mask, ControlKind::Bitmask { mask: 0 }, None).default, 0x8000_2000);
    }

    /// A driver with these controls, each with the number of its error.
    fn driver(controls: &[(u32, i32)]) -> impl Fn(u32) -> io::Result<Query> {
        move |asked| {
            let id = asked & !(NEXT_CONTROL | NEXT_COMPOUND);
            let is_meant = |of: u32| if asked == id { of == id } else { of > id };
            match controls.iter().find(|(of, _)| is_meant(*of)) {
                Some((of, 0)) => Ok(Query { id: *of, ..Query::default() }),
                Some((_, code)) => Err(io::Error::from_raw_os_error(*code)),
                None => Err(io::Error::from_raw_os_error(22)),
            }
        }
    }

    #[track_caller]
    fn check_listed(controls: &[(u32, i32)], expected: Result<&[u32], i32>) {
        let ids = listed(driver(controls)).map(|queries| queries.iter().map(|query| query.id).collect::<Vec<_>>());
        let ids = ids.map_err(|error| error.raw_os_error().unwrap());
        assert_eq!(ids, expected.map(<[u32]>::to_vec), "{controls:?}");
    }

    #[test]
    fn a_control_that_does_not_answer_hides_no_other() {
        use control::{BRIGHTNESS, CONTRAST, FOCUS, GAIN};
        const EIO: i32 = 5;
        const EINVAL: i32 = 22;
        const ETIMEDOUT: i32 = 110;
        check_listed(&[], Ok(&[]));
        check_listed(&[(BRIGHTNESS, 0), (7_000_000 + BRIGHTNESS, 0)], Ok(&[BRIGHTNESS, 7_000_000 + BRIGHTNESS]));
        check_listed(&[(BRIGHTNESS, EIO), (CONTRAST, 0), (GAIN, EINVAL), (FOCUS, 0)], Ok(&[CONTRAST, FOCUS]));
        check_listed(&[(BRIGHTNESS, 0), (GAIN, EIO)], Ok(&[BRIGHTNESS]));
        check_listed(&[(BRIGHTNESS, 0), (GAIN, ETIMEDOUT), (FOCUS, 0)], Err(ETIMEDOUT));
        let left = again(&[BRIGHTNESS, GAIN, FOCUS], driver(&[(BRIGHTNESS, 0), (GAIN, EIO), (FOCUS, 0)])).unwrap();
        assert_eq!(left.len(), 2);
        // Round and round.
        let circle = |_| Ok(Query { id: BRIGHTNESS, ..Query::default() });
        assert_eq!(listed(circle).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_camera_has_no_controls() {
        let mut port = ControlPort::open(Path::new("/dev/null")).unwrap();
        assert!(port.read().is_err());
        assert!(port.set(ControlSetting { id: control::BRIGHTNESS, value: 1 }).is_err());
        assert!(ControlPort::open(Path::new("/dev/no-such-camera")).is_err());
    }
}
