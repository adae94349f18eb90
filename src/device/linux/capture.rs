//! Pictures of a V4L2 node, by buffers that its driver maps into this process (`mmap.rst`, `vidioc-*.rst`).
//!
//! The calls and structures are our own, as in the files beside: what libraries have of them waits without a deadline, leaves out
//! the flags of a buffer, or is not there in every build. Every call may block for as long as the driver does, but for
//! [`CapturePort::wait`], which has a deadline, and [`CapturePort::take`], which does not wait.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::time::{ClockId, clock_gettime};

use super::query::{self, TYPE_CAPTURE_MPLANE, ask};
use super::start::{MEMORY_MMAP, request_buffers, stream_off, stream_on};
use crate::device::capabilities::Format;
use crate::frame::{PixelFormat, Size};

/// No driver has more (`VIDEO_MAX_FRAME`), nor more of these for a picture (`VIDEO_MAX_PLANES`).
pub const MAX_BUFFERS: u32 = 32;
const MAX_PLANES: usize = 8;
const FIELD_ANY: u32 = 0;
const FLAG_ERROR: u32 = 0x40;
const FLAG_TIMESTAMP_MASK: u32 = 0xe000;
const FLAG_TIMESTAMP_MONOTONIC: u32 = 0x2000;
const CAP_TIMEPERFRAME: u32 = 0x1000;
const ENOMEM: i32 = 12;

/// `struct v4l2_format`: the union in it holds pointers, and so begins at a multiple of their size.
#[repr(C)]
struct RawStreamFormat {
    kind: u32,
    #[cfg(target_pointer_width = "64")]
    gap: u32,
    /// `struct v4l2_pix_format` or `v4l2_pix_format_mplane`, whose fields are of this size up to the planes' number.
    words: [u32; 50],
}

/// `struct v4l2_streamparm` of a capture device.
#[repr(C)]
#[derive(Default)]
struct RawParameters {
    kind: u32,
    capability: u32,
    mode: u32,
    /// Numerator and denominator of the time for one picture, in seconds.
    period: [u32; 2],
    extended_mode: u32,
    n_read_buffers: u32,
    /// Up to the 200 bytes of the union.
    rest: [[u32; 22]; 2],
}

/// `struct v4l2_buffer`
#[repr(C)]
#[derive(Default)]
struct RawBuffer {
    index: u32,
    kind: u32,
    bytes_used: u32,
    flags: u32,
    field: u32,
    /// Seconds and microseconds.
    timestamp: [isize; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    /// Where to map it from, or the address of its planes.
    offset: usize,
    length: u32,
    reserved: [u32; 2],
}

/// `struct v4l2_plane`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawPlane {
    bytes_used: u32,
    length: u32,
    offset: usize,
    data_offset: u32,
    reserved: [u32; 11],
}

const G_FMT: Opcode = opcode::read_write::<RawStreamFormat>(b'V', 4);
const S_FMT: Opcode = opcode::read_write::<RawStreamFormat>(b'V', 5);
const QUERYBUF: Opcode = opcode::read_write::<RawBuffer>(b'V', 9);
const QBUF: Opcode = opcode::read_write::<RawBuffer>(b'V', 15);
const DQBUF: Opcode = opcode::read_write::<RawBuffer>(b'V', 17);
const G_PARM: Opcode = opcode::read_write::<RawParameters>(b'V', 21);
const S_PARM: Opcode = opcode::read_write::<RawParameters>(b'V', 22);

/// What the driver agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFormat {
    /// `None` for a code that nobody can read.
    pub format: Option<PixelFormat>,
    /// `None` where it cannot be.
    pub size: Option<Size>,
    /// From one row to the next; 0 in compressed formats.
    pub line_bytes: usize,
    /// The most that a picture can have.
    pub n_bytes: usize,
}

/// A buffer that the driver has filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenBuffer {
    /// The driver's count of pictures, from 0 with each start, also of those for which it had no buffer.
    pub sequence: u32,
    /// When the driver got it, by [`monotonic_now`]. `None` where it says so by another clock, or by none that it names.
    pub stamp: Option<Duration>,
    /// The driver itself knows that something is missing in it.
    pub is_damaged: bool,
}

/// The clock of the stamps.
#[must_use]
pub fn monotonic_now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

struct MappedBuffer {
    map: MmapRaw,
    /// The driver has it.
    is_queued: bool,
}

/// The buffer that was taken last, until it is given back.
#[derive(Clone, Copy)]
struct HeldBuffer {
    index: usize,
    from: usize,
    end: usize,
}

/// A node from which this process streams, or is about to. Dropping it stops the stream and closes the node.
pub struct CapturePort {
    buffers: Vec<MappedBuffer>,
    held: Option<HeldBuffer>,
    kind: u32,
    node: File,
}

impl CapturePort {
    /// # Errors
    /// The node does not open, or no pictures come from it (`Unsupported`).
    pub fn open(path: &Path) -> io::Result<Self> {
        let node = query::open(path)?;
        Ok(Self { buffers: Vec::new(), held: None, kind: query::capture_type(&node)?, node })
    }

    /// What the driver has. Empty where it does not tell.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        query::formats(&self.node, self.kind)
    }

    fn is_multi_planar(&self) -> bool {
        self.kind == TYPE_CAPTURE_MPLANE
    }

    fn blank_format(&self) -> RawStreamFormat {
        RawStreamFormat {
            kind: self.kind,
            #[cfg(target_pointer_width = "64")]
            gap: 0,
            words: [0; 50],
        }
    }

    /// What is set now.
    ///
    /// # Errors
    /// As the driver says.
    pub fn format(&self) -> io::Result<StreamFormat> {
        let mut raw = self.blank_format();
        ask::<G_FMT, _>(&self.node, &mut raw)?;
        self.read_format(&raw)
    }

    /// Sets a format. The driver takes what is nearest.
    ///
    /// # Errors
    /// As the driver says, or the picture comes in several buffers.
    pub fn set_format(&self, format: PixelFormat, size: Size) -> io::Result<StreamFormat> {
        let mut raw = self.blank_format();
        // In both structures.
        let [width, height, code, field, ..] = &mut raw.words;
        (*width, *height, *code, *field) = (size.width, size.height, format.to_fourcc(), FIELD_ANY);
        if let (true, Some(n_planes)) = (self.is_multi_planar(), raw.words.get_mut(45)) {
            *n_planes = u32::from_ne_bytes([1, 0, 0, 0]);
        }
        ask::<S_FMT, _>(&self.node, &mut raw)?;
        self.read_format(&raw)
    }

    fn read_format(&self, raw: &RawStreamFormat) -> io::Result<StreamFormat> {
        let [width, height, code, _, line_bytes, n_bytes, line_bytes_of_plane, ..] = raw.words;
        let n_planes = raw.words.get(45).map_or(0, |word| word.to_ne_bytes()[0]);
        if self.is_multi_planar() && n_planes > 1 {
            let why = format!("its pictures come in {n_planes} buffers each, which cannot be put together here");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let line_bytes = if self.is_multi_planar() { line_bytes_of_plane } else { line_bytes };
        let (format, size) = (PixelFormat::from_fourcc(code), Size::new(width, height));
        Ok(StreamFormat { format, size, line_bytes: line_bytes as usize, n_bytes: n_bytes as usize })
    }

    /// Sets a rate, and returns the one that the driver agreed to. `None` where it cannot tell.
    #[must_use]
    pub fn set_rate(&self, fps: f64) -> Option<f64> {
        const UNITS: f64 = 1_000.0;
        let get = || {
            let mut raw = RawParameters { kind: self.kind, ..RawParameters::default() };
            ask::<G_PARM, _>(&self.node, &mut raw).ok().filter(|()| raw.capability & CAP_TIMEPERFRAME != 0)?;
            Some(raw)
        };
        let mut wanted = get()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of u32")]
        let per = (fps.clamp(0.001, 1_000.0) * UNITS).round() as u32;
        // Some drivers compare the fraction with their own.
        let common = gcd(1_000, per);
        wanted.period = [1_000 / common, per / common];
        // What holds is told by the next question, also where this one was refused.
        let answered = ask::<S_PARM, _>(&self.node, &mut wanted).is_ok();
        let [numerator, denominator] = if answered { wanted.period } else { get()?.period };
        query::rate(numerator, denominator).filter(|fps| *fps <= 1_000.0)
    }

    /// Gets buffers and starts the stream; returns how many there are, which may be others than wanted.
    ///
    /// # Errors
    /// As the driver says.
    pub fn start(&mut self, n_buffers: u32) -> io::Result<u32> {
        self.stop();
        let n_buffers = request_buffers(&self.node, self.kind, n_buffers)?;
        for index in 0..n_buffers.min(MAX_BUFFERS) {
            let (buffer, _) = self.call::<QUERYBUF>(index)?;
            let (offset, length) = (buffer.offset as u64, buffer.length as usize);
            let map = MmapOptions::new().offset(offset).len(length).map_raw(&self.node)?;
            self.buffers.push(MappedBuffer { map, is_queued: false });
        }
        if self.buffers.is_empty() {
            return Err(io::Error::from_raw_os_error(ENOMEM));
        }
        self.queue()?;
        stream_on(&self.node, self.kind)?;
        Ok(n_buffers)
    }

    /// Stops the stream and gives the buffers back. What the driver says to it is of no interest: the node can be closed.
    pub fn stop(&mut self) {
        self.held = None;
        if self.buffers.is_empty() {
            return;
        }
        let _ = stream_off(&self.node, self.kind);
        // Drivers do not free what is mapped.
        self.buffers.clear();
        let _ = request_buffers(&self.node, self.kind, 0);
    }

    /// Waits until there is something to be taken, or something is wrong, which taking tells; at most so long. Some drivers call
    /// either the case when it is not.
    pub fn wait(&self, at_most: Duration) {
        let at_most = Timespec::try_from(at_most).ok();
        let _ = poll(&mut [PollFd::new(&self.node, PollFlags::IN)], at_most.as_ref());
    }

    /// Takes the oldest buffer that is filled. `None` where there is none yet. The one before has to be given back.
    ///
    /// # Errors
    /// As the driver says.
    pub fn take(&mut self) -> io::Result<Option<TakenBuffer>> {
        self.give_back()?;
        let (buffer, from) = match self.call::<DQBUF>(0) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let index = buffer.index as usize;
        let Some(mapped) = self.buffers.get_mut(index) else { return Err(io::ErrorKind::InvalidData.into()) };
        mapped.is_queued = false;
        let n_bytes = mapped.map.len();
        self.held = Some(HeldBuffer { index, from, end: (buffer.bytes_used as usize).min(n_bytes) });
        let stamp = Some(buffer.timestamp).filter(|_| buffer.flags & FLAG_TIMESTAMP_MASK == FLAG_TIMESTAMP_MONOTONIC);
        let stamp = stamp.and_then(|[seconds, micros]| {
            Some(Duration::from_secs(seconds.try_into().ok()?) + Duration::from_micros(micros.try_into().ok()?))
        });
        Ok(Some(TakenBuffer { sequence: buffer.sequence, stamp, is_damaged: buffer.flags & FLAG_ERROR != 0 }))
    }

    /// The bytes of the buffer that was taken last, until it is given back.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let Some(held) = self.held else { return &[] };
        let Some(buffer) = self.buffers.get(held.index) else { return &[] };
        // SAFETY: the mapping lives as long as the buffer, which `self` has, and `held` is within its length. The driver does not
        // write to a buffer between DQBUF and QBUF. v4l2loopback may: its bytes are then those of two pictures, each valid by
        // itself, and whoever reads them believes nothing of what they say.
        #[expect(unsafe_code, reason = "memory of the driver")]
        let all = unsafe { std::slice::from_raw_parts(buffer.map.as_ptr(), buffer.map.len()) };
        all.get(held.from..held.end).unwrap_or_default()
    }

    /// Gives the driver its buffer back.
    ///
    /// # Errors
    /// It has none, and takes none.
    pub fn give_back(&mut self) -> io::Result<()> {
        self.held = None;
        self.queue()
    }

    /// Gives the driver all buffers that it does not have. One that it refuses is offered again later: it goes on with the others.
    fn queue(&mut self) -> io::Result<()> {
        let mut refused = None;
        for index in 0..self.buffers.len() {
            if self.buffers.get(index).is_some_and(|buffer| !buffer.is_queued) {
                match self.call::<QBUF>(u32::try_from(index).unwrap_or_default()) {
                    Ok(_) => {
                        if let Some(buffer) = self.buffers.get_mut(index) {
                            buffer.is_queued = true;
                        }
                    }
                    Err(error) => refused = Some(error),
                }
            }
        }
        match refused {
            Some(error) if !self.buffers.iter().any(|buffer| buffer.is_queued) => Err(error),
            _ => Ok(()),
        }
    }

    /// A call about a buffer, and where in it the picture begins. Of one that has planes, what concerns the first is in the buffer
    /// itself afterwards: where it is mapped from, and its lengths.
    fn call<const REQUEST: Opcode>(&self, index: u32) -> io::Result<(RawBuffer, usize)> {
        let mut planes = [RawPlane::default(); MAX_PLANES];
        let mut buffer = RawBuffer { index, kind: self.kind, memory: MEMORY_MMAP, ..RawBuffer::default() };
        if self.is_multi_planar() {
            (buffer.offset, buffer.length) = (planes.as_mut_ptr().expose_provenance(), 1);
        }
        // SAFETY: each request is made from the size of this structure, which is that of `linux/videodev2.h`. The one pointer in it
        // is to planes that outlive the call, and more of them than the length says.
        #[expect(unsafe_code, reason = "no safe wrapper bears what broken drivers say")]
        unsafe {
            ioctl(&self.node, Updater::<REQUEST, _>::new(&mut buffer))?;
        }
        let [plane, ..] = planes;
        if self.is_multi_planar() {
            (buffer.offset, buffer.length, buffer.bytes_used) = (plane.offset, plane.length, plane.bytes_used);
        }
        Ok((buffer, plane.data_offset as usize))
    }
}

impl Drop for CapturePort {
    fn drop(&mut self) {
        self.stop();
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's numbers for these requests, which hold the sizes of its structures (`_IOC`, x86 and ARM).
    #[test]
    fn the_structures_are_the_kernels() {
        if cfg!(target_pointer_width = "64") {
            assert_eq!((G_FMT, S_FMT), (0xc0d0_5604, 0xc0d0_5605));
            assert_eq!((QUERYBUF, QBUF, DQBUF), (0xc058_5609, 0xc058_560f, 0xc058_5611));
            assert_eq!(size_of::<RawPlane>(), 64);
        }
        assert_eq!((G_PARM, S_PARM), (0xc0cc_5615, 0xc0cc_5616));
    }

    #[test]
    fn what_is_no_camera_is_not_opened() {
        let code = |path: &str| CapturePort::open(Path::new(path)).err().and_then(|error| error.raw_os_error());
        assert_eq!((code("/dev/null"), code("/dev/video99999")), (Some(25), Some(2)));
    }

    #[test]
    fn a_rate_is_a_fraction_in_lowest_terms() {
        assert_eq!([gcd(1_000, 30_000), gcd(1_000, 29_970), gcd(1_000, 0), gcd(0, 0)], [1_000, 10, 1_000, 1]);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = monotonic_now();
        assert!(before > Duration::ZERO && monotonic_now() >= before);
    }
}
