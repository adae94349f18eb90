//! The controls of a V4L2 device, on a handle of their own: a node may be opened several times, and setting controls does
//! not disturb whoever streams from it.
//!
//! Left out are controls that no panel could show: arrays, texts, bit masks and 64-bit numbers.
#![expect(unsafe_code, reason = "four ioctls, each with a structure without pointers")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use super::O_NONBLOCK;
use crate::control::{self, Control, Kind, MAX_CONTROLS, MenuItem, Setting};
use crate::device::without_code;

// From videodev2.h.
const NEXT_CONTROL: u32 = 0x8000_0000;
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
const TYPE_INTEGER_MENU: u32 = 9;
/// Menus have a hole here and there, but none has so many places.
const MAX_PLACES: u32 = 64;

/// `struct v4l2_query_ext_ctrl`
#[repr(C)]
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
struct QueryMenu {
    id: u32,
    index: u32,
    name: [u8; 32],
    reserved: u32,
}

/// `struct v4l2_control`
#[repr(C)]
struct Value {
    id: u32,
    value: i32,
}

const _: () = assert!(size_of::<Query>() == 232 && size_of::<QueryMenu>() == 44 && size_of::<Value>() == 8);

const VIDIOC_QUERY_EXT_CTRL: Opcode = opcode::read_write::<Query>(b'V', 103);
const VIDIOC_QUERYMENU: Opcode = opcode::read_write::<QueryMenu>(b'V', 37);
const VIDIOC_G_CTRL: Opcode = opcode::read_write::<Value>(b'V', 27);
const VIDIOC_S_CTRL: Opcode = opcode::read_write::<Value>(b'V', 28);

/// An open node, from which nobody streams.
pub struct ControlPort {
    node: File,
    /// Items never change, and each costs a call.
    menus: BTreeMap<u32, Vec<MenuItem>>,
}

impl ControlPort {
    pub fn open(path: &Path) -> io::Result<Self> {
        let node = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path)?;
        Ok(Self { node, menus: BTreeMap::new() })
    }

    /// All controls with their values. Those that do not answer are left out.
    pub fn read(&mut self) -> io::Result<Vec<Control>> {
        let mut rows = Vec::new();
        let mut last = 0;
        while rows.len() < MAX_CONTROLS {
            let query = match self.query(last | NEXT_CONTROL) {
                Ok(query) => query,
                // EINVAL: there are no more.
                Err(error) if rows.is_empty() && error.kind() != io::ErrorKind::InvalidInput => return Err(error),
                Err(_) => break,
            };
            // A driver that goes round in circles.
            if query.id <= last {
                break;
            }
            last = query.id;
            rows.extend(self.row(&query));
        }
        let values: BTreeMap<u32, i64> = rows.iter().map(|(control, _)| (control.id, control.value)).collect();
        let finish = |(control, flags): (Control, u32)| {
            let held = control::held_by(control.id, flags & FLAG_INACTIVE != 0, |id| values.get(&id).copied());
            let grabbed = || "The driver holds it while the camera is in use".to_owned();
            Control { held: held.or_else(|| (flags & FLAG_GRABBED != 0).then(grabbed)), ..control }.checked()
        };
        Ok(rows.into_iter().filter_map(finish).collect())
    }

    /// One control with its flags, if it can be shown and answers.
    fn row(&mut self, query: &Query) -> Option<(Control, u32)> {
        if query.flags & FLAG_DISABLED != 0 {
            return None;
        }
        let kind = match query.kind {
            TYPE_INTEGER => {
                let step = i64::try_from(query.step).unwrap_or(i64::MAX);
                Kind::Integer { min: query.minimum, max: query.maximum, step }
            }
            TYPE_BOOLEAN => Kind::Boolean,
            TYPE_MENU | TYPE_INTEGER_MENU => Kind::Menu { items: self.items(query) },
            TYPE_BUTTON => Kind::Button,
            _ => return None,
        };
        let value = if matches!(kind, Kind::Button) {
            0
        } else if query.flags & FLAG_WRITE_ONLY != 0 || query.elems > 1 {
            return None;
        } else {
            self.value(query.id).ok()?
        };
        let control = Control {
            id: query.id,
            name: text(&query.name),
            kind,
            value,
            default: query.default_value,
            held: None,
            is_read_only: query.flags & FLAG_READ_ONLY != 0,
            is_volatile: query.flags & FLAG_VOLATILE != 0,
        };
        Some((control, query.flags))
    }

    fn items(&mut self, query: &Query) -> Vec<MenuItem> {
        if let Some(items) = self.menus.get(&query.id) {
            return items.clone();
        }
        let first = u32::try_from(query.minimum).unwrap_or(0);
        let last = u32::try_from(query.maximum).unwrap_or(0).min(first.saturating_add(MAX_PLACES));
        let mut items = Vec::new();
        for index in first..=last {
            // EINVAL where the device does not have this item.
            let Ok(name) = self.item(query.id, index) else { continue };
            let name = match name.first_chunk() {
                Some(number) if query.kind == TYPE_INTEGER_MENU => i64::from_ne_bytes(*number).to_string(),
                _ => text(&name),
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
    pub fn set(&mut self, setting: Setting) -> Result<(), String> {
        let value = i32::try_from(setting.value).map_err(|_| "the value is too large".to_owned())?;
        let mut arg = Value { id: setting.id, value };
        // SAFETY: the number is made of the type that the kernel expects (videodev2.h), which has no pointers.
        let done = unsafe { ioctl(&self.node, Updater::<VIDIOC_S_CTRL, _>::new(&mut arg)) };
        done.map_err(|error| why_refused(&error.into()))
    }

    fn query(&self, id: u32) -> io::Result<Query> {
        let mut query = Query {
            id,
            kind: 0,
            name: [0; 32],
            minimum: 0,
            maximum: 0,
            step: 0,
            default_value: 0,
            flags: 0,
            elem_size: 0,
            elems: 0,
            n_dims: 0,
            dims: [0; 4],
            reserved: [0; 32],
        };
        // SAFETY: as in `set`.
        unsafe { ioctl(&self.node, Updater::<VIDIOC_QUERY_EXT_CTRL, _>::new(&mut query)) }?;
        Ok(query)
    }

    fn item(&self, id: u32, index: u32) -> io::Result<[u8; 32]> {
        let mut item = QueryMenu { id, index, name: [0; 32], reserved: 0 };
        // SAFETY: as in `set`.
        unsafe { ioctl(&self.node, Updater::<VIDIOC_QUERYMENU, _>::new(&mut item)) }?;
        Ok(item.name)
    }

    fn value(&self, id: u32) -> io::Result<i64> {
        let mut value = Value { id, value: 0 };
        // SAFETY: as in `set`.
        unsafe { ioctl(&self.node, Updater::<VIDIOC_G_CTRL, _>::new(&mut value)) }?;
        Ok(i64::from(value.value))
    }
}

/// A C string, in whatever encoding.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
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
            let numbers = [VIDIOC_QUERY_EXT_CTRL, VIDIOC_QUERYMENU, VIDIOC_G_CTRL, VIDIOC_S_CTRL];
            assert_eq!(numbers.map(|n| n as u64), [0xc0e8_5667, 0xc02c_5625, 0xc008_561b, 0xc008_561c]);
        }
    }

    #[test]
    fn names_in_any_encoding_are_read() {
        assert_eq!(text(b"Gain\0rest"), "Gain");
        assert_eq!(text(b"Belichtung \xfc\0"), "Belichtung \u{fffd}");
        assert_eq!(text(&[b'x'; 32]), "x".repeat(32));
    }

    #[test]
    fn what_is_no_camera_has_no_controls() {
        let mut port = ControlPort::open(Path::new("/dev/null")).unwrap();
        assert!(port.read().is_err());
        assert!(port.set(Setting { id: control::BRIGHTNESS, value: 1 }).is_err());
        assert!(ControlPort::open(Path::new("/dev/no-such-camera")).is_err());
    }
}
