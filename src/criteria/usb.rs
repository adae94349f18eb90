//! What a USB connection can carry.

use crate::frame::{PixelFormat, Size};

/// Thousands of bits a second of USB 1 full speed and USB 2 high speed.
pub const FULL_SPEED_KBITS: u32 = 12_000;
pub const HIGH_SPEED_KBITS: u32 = 480_000;
/// What a camera gets of high speed at most, in isochronous transfers of 3 × 1024 bytes a microframe (USB 2.0, 5.6.3).
const HIGH_SPEED_VIDEO_KBITS: f64 = 196_608.0;
/// The same of faster links, as a share: protocol and other transfers take the rest.
const FAST_VIDEO_SHARE: f64 = 0.8;
/// Millions of bits a second: cameras that need more than this without compression run slower over USB 2 (F50).
const UNCOMPRESSED_MBITS: f64 = 350.0;
/// Of the bus: what is left is too little for a stream (F40).
const FULL_BUS_PERCENT: f64 = 80.0;
/// Within an hour: once may have been a hand, so often is the plug (F46).
const MANY_REPLUGS: u32 = 3;

/// Bits of a picture that nothing compresses. `None` of compressed formats, whose size nobody knows beforehand.
#[must_use]
pub fn uncompressed_bits(format: PixelFormat, size: Size) -> Option<f64> {
    let bits_per_pixel = match format.to_string().as_str() {
        "YUYV" | "YUY2" | "UYVY" | "YVYU" | "VYUY" | "RGBP" => 16.0,
        "NV12" | "NV21" | "YU12" | "YV12" | "I420" => 12.0,
        "BGR3" | "RGB3" => 24.0,
        "GREY" => 8.0,
        _ => return None,
    };
    Some(f64::from(size.width) * f64::from(size.height) * bits_per_pixel)
}

/// F50: so many millions of bits a second are more than USB 2 carries.
#[must_use]
pub fn is_too_much_for_usb2(megabits: f64) -> bool {
    megabits >= UNCOMPRESSED_MBITS
}

/// What video can use of a link of this speed, in thousands of bits a second.
#[must_use]
pub fn video_kbits(link_kbits: u32) -> f64 {
    let link = f64::from(link_kbits);
    if link_kbits <= HIGH_SPEED_KBITS {
        link * HIGH_SPEED_VIDEO_KBITS / f64::from(HIGH_SPEED_KBITS)
    } else {
        link * FAST_VIDEO_SHARE
    }
}

/// F40: other devices have taken so much of the bus.
#[must_use]
pub fn is_bus_full(percent: f64) -> bool {
    percent >= FULL_BUS_PERCENT
}

/// F46: the camera came and went so often within the last hour.
#[must_use]
pub fn is_loose_plug(n_replugs: u32) -> bool {
    n_replugs >= MANY_REPLUGS
}
