//! What a node's driver answers when it is asked, by the requests of `linux/videodev2.h`.
//!
//! Every call may take seconds, and for ever in a driver that hangs. Nothing that a driver says is trusted: each list has
//! an end, and unknown kinds, empty steps and broken names do no harm.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use super::O_NONBLOCK;
use super::controls::ControlPort;
use crate::device::capabilities::{Capabilities, Format, FrameSize, SignalInput, SignalLack, SizeRange};
use crate::foreign::safe_until_zero;

/// Longer lists than any known driver's: vivid has 83 formats.
const MAX_FORMATS: u32 = 256;
const MAX_SIZES: u32 = 256;
const MAX_RATES: u32 = 64;

const TYPE_CAPTURE: u32 = 1;
pub(super) const TYPE_CAPTURE_MPLANE: u32 = 9;
const CAP_CAPTURE: u32 = 0x1;
const CAP_CAPTURE_MPLANE: u32 = 0x1000;
const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
const DISCRETE: u32 = 1;
const FMT_COMPRESSED: u32 = 0x1;
const FMT_EMULATED: u32 = 0x2;

#[repr(C)]
#[derive(Default)]
struct RawCapability {
    driver: [u8; 16],
    card: [u8; 32],
    bus_info: [u8; 32],
    version: u32,
    capabilities: u32,
    device_caps: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Default)]
struct RawFormat {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    pixel_format: u32,
    mbus_code: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Default)]
struct RawSize {
    index: u32,
    pixel_format: u32,
    kind: u32,
    /// Width and height; or the least, the most and the step of the width, then those of the height.
    numbers: [u32; 6],
    reserved: [u32; 2],
}

#[repr(C)]
#[derive(Default)]
struct RawInterval {
    index: u32,
    pixel_format: u32,
    width: u32,
    height: u32,
    kind: u32,
    /// Numerator and denominator in seconds: of the one; or of the least, the most and the step.
    numbers: [u32; 6],
    reserved: [u32; 2],
}

/// `struct v4l2_input`
#[repr(C)]
#[derive(Default)]
struct RawInput {
    index: u32,
    name: [u8; 32],
    kind: u32,
    audio_set: u32,
    tuner: u32,
    standard: u64,
    status: u32,
    capabilities: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_dv_timings`: what is in it is of no interest here.
#[repr(C)]
struct RawTimings([u32; 33]);

const QUERYCAP: Opcode = opcode::read::<RawCapability>(b'V', 0);
const ENUM_FMT: Opcode = opcode::read_write::<RawFormat>(b'V', 2);
const ENUM_FRAMESIZES: Opcode = opcode::read_write::<RawSize>(b'V', 74);
const ENUM_FRAMEINTERVALS: Opcode = opcode::read_write::<RawInterval>(b'V', 75);
const ENUMINPUT: Opcode = opcode::read_write::<RawInput>(b'V', 26);
const G_INPUT: Opcode = opcode::read::<u32>(b'V', 38);
const QUERY_DV_TIMINGS: Opcode = opcode::read::<RawTimings>(b'V', 99);

// Of `v4l2_input`.
const IN_CAP_DV_TIMINGS: u32 = 0x2;
const IN_ST_NO_POWER: u32 = 0x1;
const IN_ST_NO_SIGNAL: u32 = 0x2;
/// No lock of rows, of pictures, of the standard; no synchronisation, no equaliser, no carrier.
const IN_ST_NO_LOCK: u32 = 0x100 | 0x400 | 0x800 | 0x1_0000 | 0x2_0000 | 0x4_0000;
const IN_ST_NO_ACCESS: u32 = 0x200_0000;

/// Asks the driver, and fills in what it says.
pub(super) fn ask<const REQUEST: Opcode, T>(node: &File, question: &mut T) -> io::Result<()> {
    // SAFETY: each request, here and in the files beside, is made from the size of the structure that it is called with, and
    // the structures are those of `linux/videodev2.h`, without pointers and with any bytes valid, so that the driver writes
    // to our structure and to nothing else.
    #[expect(unsafe_code, reason = "no safe wrapper bears what broken drivers say")]
    unsafe {
        ioctl(node, Updater::<REQUEST, T>::new(question))?;
    }
    Ok(())
}

/// Formats and controls of a node. Blocks as long as its driver does.
pub fn capabilities(path: &Path) -> io::Result<Capabilities> {
    let node = open(path)?;
    let kind = match capture_type(&node) {
        Ok(kind) => Some(kind),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        Err(error) => return Err(error),
    };
    let formats = kind.map(|kind| formats(&node, kind)).unwrap_or_default();
    let input = kind.and_then(|_| input(&node));
    // Its pictures can be had without its controls.
    let controls = ControlPort::on(node).read().unwrap_or_default();
    Ok(Capabilities { formats, controls, input, took_ms: None })
}

/// The number of the queue of its pictures; `Unsupported` for what has none.
pub(super) fn capture_type(node: &File) -> io::Result<u32> {
    let mut capability = RawCapability::default();
    ask::<QUERYCAP, _>(node, &mut capability)?;
    match if capability.capabilities & CAP_DEVICE_CAPS == 0 { capability.capabilities } else { capability.device_caps }
    {
        caps if caps & CAP_CAPTURE != 0 => Ok(TYPE_CAPTURE),
        caps if caps & CAP_CAPTURE_MPLANE != 0 => Ok(TYPE_CAPTURE_MPLANE),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The input that is chosen, where the driver tells.
fn input(node: &File) -> Option<SignalInput> {
    let mut index = 0;
    ask::<G_INPUT, _>(node, &mut index).ok()?;
    let mut input = RawInput { index, ..RawInput::default() };
    ask::<ENUMINPUT, _>(node, &mut input).ok()?;
    let has_timings = input.capabilities & IN_CAP_DV_TIMINGS != 0;
    let asked = has_timings.then(|| ask::<QUERY_DV_TIMINGS, _>(node, &mut RawTimings([0; 33])));
    let refused = asked.and_then(Result::err).and_then(|error| error.raw_os_error());
    Some(SignalInput { name: safe_until_zero(&input.name), lack: lack(input.status, refused) })
}

/// From the input's status, and the number with which the driver refuses to tell the signal's timings.
fn lack(status: u32, refused: Option<i32>) -> Option<SignalLack> {
    const ERANGE: i32 = 34;
    const ENOLCK: i32 = 37;
    const ENOLINK: i32 = 67;
    match refused {
        _ if status & IN_ST_NO_POWER != 0 => Some(SignalLack::NoPower),
        _ if status & IN_ST_NO_ACCESS != 0 => Some(SignalLack::NoAccess),
        Some(ENOLINK) => Some(SignalLack::NoSignal),
        Some(ENOLCK) => Some(SignalLack::NoLock),
        Some(ERANGE) => Some(SignalLack::OutOfRange),
        _ if status & IN_ST_NO_SIGNAL != 0 => Some(SignalLack::NoSignal),
        _ if status & IN_ST_NO_LOCK != 0 => Some(SignalLack::NoLock),
        _ => None,
    }
}

/// No camera is refused to a second program, but one that is being woken or closed is for a moment.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut pauses = [50, 100, 200].map(Duration::from_millis).into_iter();
    loop {
        let node = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path);
        match (node, pauses.next()) {
            (Err(error), Some(pause)) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(pause),
            (node, _) => return node,
        }
    }
}

pub(super) fn formats(node: &File, kind: u32) -> Vec<Format> {
    let mut formats = Vec::new();
    for index in 0..MAX_FORMATS {
        let mut format = RawFormat { index, kind, ..RawFormat::default() };
        if ask::<ENUM_FMT, _>(node, &mut format).is_err() {
            break;
        }
        formats.push(Format {
            fourcc: fourcc(format.pixel_format),
            name: safe_until_zero(&format.description),
            is_compressed: format.flags & FMT_COMPRESSED != 0,
            is_emulated: format.flags & FMT_EMULATED != 0,
            sizes: sizes(node, format.pixel_format),
        });
    }
    formats
}

/// Its four characters; the highest bit means big-endian (`V4L2_PIX_FMT_..._BE`).
fn fourcc(code: u32) -> String {
    let text = safe_until_zero(&(code & 0x7fff_ffff).to_le_bytes());
    if code >> 31 == 0 { text } else { format!("{text}-BE") }
}

fn sizes(node: &File, pixel_format: u32) -> Vec<FrameSize> {
    let mut sizes = Vec::new();
    for index in 0..MAX_SIZES {
        let mut size = RawSize { index, pixel_format, ..RawSize::default() };
        if ask::<ENUM_FRAMESIZES, _>(node, &mut size).is_err() {
            break;
        }
        let Some((width, height, range)) = size_of(&size) else { continue };
        let (rates, is_any_rate_between) = rates(node, pixel_format, width, height);
        sizes.push(FrameSize { width, height, range, rates, is_any_rate_between });
        if size.kind != DISCRETE {
            break;
        }
    }
    sizes.sort_by_key(|size| (u64::from(size.width) * u64::from(size.height), size.width));
    sizes.dedup_by_key(|size| (size.width, size.height));
    sizes
}

fn size_of(size: &RawSize) -> Option<(u32, u32, Option<SizeRange>)> {
    let (width, height, range) = match (size.kind, size.numbers) {
        (DISCRETE, [width, height, ..]) => (width, height, None),
        (_, [min_width, width, step_width, min_height, height, step_height]) => {
            let (step_width, step_height) = (step_width.max(1), step_height.max(1));
            (width, height, Some(SizeRange { min_width, min_height, step_width, step_height }))
        }
    };
    (width > 0 && height > 0).then_some((width, height, range))
}

fn rates(node: &File, pixel_format: u32, width: u32, height: u32) -> (Vec<f64>, bool) {
    let mut rates = Vec::new();
    let mut is_any_between = false;
    for index in 0..MAX_RATES {
        let mut interval = RawInterval { index, pixel_format, width, height, ..RawInterval::default() };
        if ask::<ENUM_FRAMEINTERVALS, _>(node, &mut interval).is_err() {
            break;
        }
        let [numerator, denominator, longest, per, ..] = interval.numbers;
        rates.extend(rate(numerator, denominator));
        if interval.kind != DISCRETE {
            is_any_between = true;
            rates.extend(rate(longest, per));
            break;
        }
    }
    rates.sort_by(|a, b| b.total_cmp(a));
    rates.dedup();
    (rates, is_any_between)
}

/// Pictures a second for the time between two.
pub(super) fn rate(numerator: u32, denominator: u32) -> Option<f64> {
    (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's numbers for these requests, which hold the sizes of its structures (`_IOC`, x86 and ARM).
    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!(QUERYCAP, 0x8068_5600);
        assert_eq!(ENUM_FMT, 0xc040_5602);
        assert_eq!(ENUM_FRAMESIZES, 0xc02c_564a);
        assert_eq!(ENUM_FRAMEINTERVALS, 0xc034_564b);
        assert_eq!((G_INPUT, QUERY_DV_TIMINGS), (0x8004_5626, 0x8084_5663));
        if cfg!(target_pointer_width = "64") {
            assert_eq!(ENUMINPUT, 0xc050_561a);
        }
    }

    #[test]
    fn what_is_no_camera_says_so() {
        assert_eq!(capabilities(Path::new("/dev/null")).unwrap_err().raw_os_error(), Some(25));
        assert_eq!(capabilities(Path::new("/dev/video99999")).unwrap_err().raw_os_error(), Some(2));
    }

    #[track_caller]
    fn check_rate(numerator: u32, denominator: u32, expected: Option<f64>) {
        assert_eq!(rate(numerator, denominator), expected, "{numerator}/{denominator}");
    }

    #[test]
    fn rates_are_turned_round() {
        check_rate(1, 30, Some(30.0));
        check_rate(333_333, 10_000_000, Some(10_000_000.0 / 333_333.0));
        check_rate(0, 30, None);
        check_rate(1, 0, None);
    }

    #[test]
    fn an_input_says_what_it_lacks() {
        #[track_caller]
        fn check(status: u32, refused: Option<i32>, expected: Option<SignalLack>) {
            assert_eq!(lack(status, refused), expected, "{status:x} {refused:?}");
        }
        check(0, None, None);
        check(0x1, Some(67), Some(SignalLack::NoPower));
        check(0x2, None, Some(SignalLack::NoSignal));
        check(0x2, Some(67), Some(SignalLack::NoSignal));
        check(0x100, Some(37), Some(SignalLack::NoLock));
        check(0x100, Some(34), Some(SignalLack::OutOfRange));
        check(0x1_0000, None, Some(SignalLack::NoLock));
        check(0x200_0000, None, Some(SignalLack::NoAccess));
        // Turned, without colour, a recorder's; a driver that has no timings.
        check(0x10 | 0x20 | 0x200 | 0x4 | 0x400_0000, Some(25), None);
    }

    #[test]
    fn fourccs_are_read() {
        assert_eq!(fourcc(u32::from_le_bytes(*b"MJPG")), "MJPG");
        assert_eq!(fourcc(u32::from_le_bytes(*b"Y16 ")), "Y16");
        assert_eq!(fourcc(u32::from_le_bytes(*b"Y16 ") | 1 << 31), "Y16-BE");
        assert_eq!(fourcc(u32::from_le_bytes(*b"\x1b[2J")), "\u{fffd}[2J");
    }

    #[test]
    fn sizes_in_steps_have_a_range() {
        let raw = |kind, numbers| RawSize { kind, numbers, ..RawSize::default() };
        assert_eq!(size_of(&raw(DISCRETE, [640, 480, 0, 0, 0, 0])), Some((640, 480, None)));
        let range = SizeRange { min_width: 48, min_height: 32, step_width: 2, step_height: 1 };
        assert_eq!(size_of(&raw(3, [48, 1920, 2, 32, 1080, 0])), Some((1920, 1080, Some(range))));
        assert_eq!(size_of(&raw(DISCRETE, [0, 480, 0, 0, 0, 0])), None);
        assert_eq!(size_of(&raw(7, [0; 6])), None);
    }
}
