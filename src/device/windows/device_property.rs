//! Properties of devices, from the bytes in which the system's calls return them.

/// The types that this program asks for (`devpropdef.h`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceProperty {
    Text(String),
    List(Vec<String>),
    Number(u32),
    /// In small letters, without braces.
    Guid(String),
}

/// `kind` is the number of the type. `None` for other types, and where the bytes are none of that type.
#[must_use]
pub fn decode(kind: u32, bytes: &[u8]) -> Option<DeviceProperty> {
    match kind {
        0x12 => Some(DeviceProperty::Text(text(bytes))),
        0x2012 => Some(DeviceProperty::List(texts(bytes))),
        0x07 => Some(DeviceProperty::Number(u32::from_le_bytes(bytes.try_into().ok()?))),
        0x0D => Some(DeviceProperty::Guid(guid(bytes.try_into().ok()?))),
        _ => None,
    }
}

/// UTF-16 up to its first zero.
fn text(bytes: &[u8]) -> String {
    texts(bytes).into_iter().next().unwrap_or_default()
}

/// UTF-16, each text ended by a zero, and all by an empty one.
fn texts(bytes: &[u8]) -> Vec<String> {
    let units = bytes.chunks_exact(2).map(|pair| pair.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
    let units = units.collect::<Vec<u16>>();
    let texts = units.split(|unit| *unit == 0).take_while(|text| !text.is_empty());
    texts.map(String::from_utf16_lossy).collect()
}

/// The first three fields are numbers of the processor's order.
fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let end = u64::from_be_bytes(rest);
    let (first, second, third) =
        (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", end >> 48, end & 0xFFFF_FFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_property(kind: u32, bytes: &[u8], expected: Option<&DeviceProperty>) {
        assert_eq!(decode(kind, bytes).as_ref(), expected, "{kind:#x} {bytes:x?}");
    }

    #[test]
    fn properties_are_read_from_their_bytes() {
        check_property(0x12, b"u\0s\0b\0\0\0", Some(&DeviceProperty::Text("usb".into())));
        check_property(0x12, b"u\0s\0b\0", Some(&DeviceProperty::Text("usb".into())));
        check_property(0x12, b"\xe9\0\x4d\xd8x", Some(&DeviceProperty::Text("\u{e9}\u{fffd}".into())));
        check_property(0x12, b"", Some(&DeviceProperty::Text(String::new())));
        check_property(0x2012, b"A\0\0\0B\0\0\0\0\0C\0", Some(&DeviceProperty::List(vec!["A".into(), "B".into()])));
        check_property(0x2012, b"", Some(&DeviceProperty::List(Vec::new())));
        check_property(0x07, &[22, 0, 0, 0], Some(&DeviceProperty::Number(22)));
        check_property(0x07, &[22, 0, 0], None);
        let camera = [0xb9, 0x7a, 0x3e, 0xca, 0xc3, 0xb4, 0xe6, 0x4a, 0x82, 0x51, 0x57, 0x9e, 0xf9, 0x33, 0x89, 0x0f];
        check_property(0x0D, &camera, Some(&DeviceProperty::Guid("ca3e7ab9-b4c3-4ae6-8251-579ef933890f".into())));
        check_property(0x0D, &camera[..15], None);
        check_property(0x11, &[255], None);
    }
}
