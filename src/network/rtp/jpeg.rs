//! JPEG in RTP (RFC 2435): the data of a scan in fragments, and in place of its headers a few bytes, of which they are made again here.
//!
//! Behind a fragment that is missing nothing more is taken: a decoder would paint it in the wrong place.

mod tables;

use std::sync::Arc;

use super::RtpPacket;
use super::depacketiser::{Assembled, Assembly, MAX_PICTURE, PacketPlace};
use crate::frame::Size;
use crate::network::jpeg;
use crate::packet::ParameterSets;

/// Which kind of extension of RTP holds headers of a JPEG (ONVIF Streaming Specification, 5.1.4.1).
const ONVIF: u16 = 0xffd8;

const NO_SIZE: &str = "The camera's JPEG pictures are wider or higher than 2040 pixels, and nothing it sends tells how large they are: \
                       choose a smaller picture or another codec";
const NO_TABLES: &str =
    "The camera has not sent the quantisation tables of its JPEG pictures: connect anew, or choose another codec";
const UNKNOWN_TYPE: &str = "The camera's JPEG pictures are of a kind that RTP does not define (RFC 2435): choose another quality or another codec";
const TOO_LARGE: &str = "The camera's pictures are larger than 16 MiB: choose a smaller picture or more compression";
const CUT_HEADER: &str = "The headers of the camera's JPEG pictures are cut off: choose another codec";

/// Two tables, each of 64 entries of two bytes.
const MAX_TABLES: usize = 256;

/// The quantisation tables of one picture, as RTP has them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quantisation {
    /// Bit n: the entries of table n have two bytes.
    precision: u8,
    bytes: Vec<u8>,
}

/// What of the picture has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScanProgress {
    #[default]
    None,
    /// Up to here, in bytes of the scan.
    Whole(usize),
    /// Up to where a fragment is missing.
    Cut,
    /// It cannot be made.
    Refused,
}

#[derive(Debug)]
pub(super) struct JpegAssembly {
    hint: Option<Size>,
    /// The tables that are known by their Q (4.2); 128 at most.
    known: Vec<(u8, Quantisation)>,
    bytes: Vec<u8>,
    progress: ScanProgress,
    size: Option<Size>,
    sets: Arc<ParameterSets>,
    why_none: Option<&'static str>,
}

/// The main header (3.1) and what stands behind it.
struct JpegFragment<'a> {
    offset: usize,
    kind: u8,
    q: u8,
    /// In blocks of eight pixels.
    width: u8,
    height: u8,
    restart_interval: Option<u16>,
    rest: &'a [u8],
}

impl<'a> JpegFragment<'a> {
    fn read(payload: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = payload.split_first_chunk::<8>()?;
        let [_, o2, o1, o0, kind, q, width, height] = *head;
        let mut restart_interval = None;
        if (64..128).contains(&kind) {
            let (head, behind) = rest.split_first_chunk::<4>()?;
            let [high, low, ..] = *head;
            restart_interval = Some(u16::from_be_bytes([high, low]));
            rest = behind;
        }
        let offset = usize::try_from(u32::from_be_bytes([0, o2, o1, o0])).ok()?;
        Some(Self { offset, kind, q, width, height, restart_interval, rest })
    }
}

impl JpegAssembly {
    pub fn new(hint: Option<Size>) -> Self {
        Self {
            hint: hint.filter(|size| size.width > 0 && size.height > 0),
            known: Vec::new(),
            bytes: Vec::new(),
            progress: ScanProgress::None,
            size: None,
            sets: Arc::default(),
            why_none: None,
        }
    }

    /// The first fragment of a picture: its headers are made, and what is left is the beginning of its scan.
    fn begin<'a>(
        &mut self,
        fragment: &JpegFragment<'a>,
        extension: Option<(u16, &[u8])>,
    ) -> Result<&'a [u8], &'static str> {
        let (quantisation, scan) = self.quantisation(fragment)?;
        // Some cameras send the whole file.
        if matches!(scan, [0xff, 0xd8, 0xff, ..]) {
            self.size = jpeg::size(scan);
            self.bytes = Vec::new();
            return Ok(scan);
        }
        let segments = match extension {
            Some((ONVIF, data)) => Segments::read(data),
            _ => Segments::default(),
        };
        let (width, height) = (8 * u16::from(fragment.width), 8 * u16::from(fragment.height));
        self.bytes = vec![0xff, 0xd8];
        self.bytes.extend(tables::JFIF);
        match (segments.quantisation.is_empty(), &quantisation) {
            (false, _) => self.bytes.extend_from_slice(&segments.quantisation),
            (true, Some(quantisation)) => put_quantisation(&mut self.bytes, quantisation),
            (true, None) => return Err(if fragment.q < 128 { UNKNOWN_TYPE } else { NO_TABLES }),
        }
        let components = if let Some(frame) = segments.frame {
            self.bytes.extend_from_slice(frame);
            self.size = jpeg::size(&[&[0xff, 0xd8], frame].concat());
            frame.get(10..).unwrap_or_default().chunks_exact(3).filter_map(|part| part.first().copied()).collect()
        } else {
            let sides = |size: Size| Some((u16::try_from(size.width).ok()?, u16::try_from(size.height).ok()?));
            let told = Some((width, height)).filter(|(width, height)| *width > 0 && *height > 0);
            let (width, height) = told.or_else(|| self.hint.and_then(sides)).ok_or(NO_SIZE)?;
            let sampling = match fragment.kind {
                0 | 64 => 0x21,
                1 | 65 => 0x22,
                _ => return Err(UNKNOWN_TYPE),
            };
            self.size = Some(Size { width: width.into(), height: height.into() });
            // A frame with tables of two bytes is no baseline frame (ITU-T T.81, table B.4).
            let is_wide = quantisation.as_ref().is_some_and(|quantisation| quantisation.precision & 3 > 0);
            let n_tables = quantisation.map_or(1, |quantisation| quantisation.split().count());
            let colour = u8::from(n_tables > 1);
            let ([h1, h0], [w1, w0]) = (height.to_be_bytes(), width.to_be_bytes());
            self.bytes.extend([0xff, if is_wide { 0xc1 } else { 0xc0 }, 0, 17, 8, h1, h0, w1, w0, 3]);
            self.bytes.extend([1, sampling, 0, 2, 0x11, colour, 3, 0x11, colour]);
            vec![1, 2, 3]
        };
        if segments.huffman.is_empty() {
            tables::put_huffman(&mut self.bytes);
        }
        self.bytes.extend_from_slice(&segments.huffman);
        self.bytes.extend_from_slice(&segments.others);
        let restart = fragment.restart_interval.filter(|interval| *interval > 0 && !segments.has_restart);
        if let Some([high, low]) = restart.map(u16::to_be_bytes) {
            self.bytes.extend([0xff, 0xdd, 0, 4, high, low]);
        }
        match segments.scan {
            Some(scan) => self.bytes.extend_from_slice(scan),
            None => put_scan(&mut self.bytes, &components),
        }
        Ok(scan)
    }

    /// The tables of a picture, and what is left behind their header (3.1.8). `None` where they are not known.
    fn quantisation<'a>(
        &mut self,
        fragment: &JpegFragment<'a>,
    ) -> Result<(Option<Quantisation>, &'a [u8]), &'static str> {
        if fragment.q < 128 {
            return Ok((tables::quantisation(fragment.q), fragment.rest));
        }
        let (head, rest) = fragment.rest.split_first_chunk::<4>().ok_or(CUT_HEADER)?;
        let [_, precision, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let known = self.known.iter_mut().find(|(q, _)| *q == fragment.q).map(|(_, known)| known);
        if length == 0 {
            return Ok((known.cloned(), rest));
        }
        let (bytes, rest) = rest.split_at_checked(length).ok_or(CUT_HEADER)?;
        let quantisation = Quantisation { precision, bytes: bytes.get(..MAX_TABLES).unwrap_or(bytes).to_vec() };
        if quantisation.split().next().is_none() {
            return Ok((None, rest));
        }
        match known {
            Some(known) => *known = quantisation.clone(),
            None => self.known.push((fragment.q, quantisation.clone())),
        }
        Ok((Some(quantisation), rest))
    }

    fn refuse(&mut self, why: &'static str) {
        self.why_none = Some(why);
        self.progress = ScanProgress::Refused;
        self.bytes = Vec::new();
    }
}

impl Quantisation {
    /// Table by table, two at most, each with whether its entries have two bytes.
    fn split(&self) -> impl Iterator<Item = (bool, &[u8])> {
        let mut rest = self.bytes.as_slice();
        (0..2).map_while(move |n| {
            let is_wide = self.precision >> n & 1 == 1;
            let (table, behind) = rest.split_at_checked(if is_wide { 128 } else { 64 })?;
            rest = behind;
            Some((is_wide, table))
        })
    }
}

fn put_quantisation(bytes: &mut Vec<u8>, quantisation: &Quantisation) {
    for (number, (is_wide, table)) in (0..).zip(quantisation.split()) {
        bytes.extend([0xff, 0xdb, 0, if is_wide { 131 } else { 67 }, u8::from(is_wide) << 4 | number]);
        bytes.extend_from_slice(table);
    }
}

/// The header of a scan of all components: the first has the tables of brightness, the others those of colour.
fn put_scan(bytes: &mut Vec<u8>, components: &[u8]) {
    let n = u8::try_from(components.len().min(4)).unwrap_or(4);
    bytes.extend([0xff, 0xda, 0, 6 + 2 * n, n]);
    for (nth, component) in components.iter().take(4).enumerate() {
        bytes.extend([*component, if nth == 0 { 0 } else { 0x11 }]);
    }
    bytes.extend([0, 63, 0]);
}

/// The headers of a JPEG that an extension holds, by kind.
#[derive(Debug, Default)]
struct Segments<'a> {
    quantisation: Vec<u8>,
    frame: Option<&'a [u8]>,
    huffman: Vec<u8>,
    /// Of the restart interval, and what Adobe's applications say of the colours.
    others: Vec<u8>,
    has_restart: bool,
    scan: Option<&'a [u8]>,
}

impl<'a> Segments<'a> {
    /// They stand as in a file, between bytes 0xff that fill up. What follows one that is cut off is not read.
    fn read(mut rest: &'a [u8]) -> Self {
        let mut segments = Self::default();
        loop {
            let (kind, length) = match rest {
                [0xff, 0xff | 0xd8, ..] => {
                    rest = rest.get(if rest.get(1) == Some(&0xff) { 1 } else { 2 }..).unwrap_or_default();
                    continue;
                }
                [0xff, kind, high, low, ..] => (*kind, 2 + usize::from(u16::from_be_bytes([*high, *low]))),
                _ => return segments,
            };
            let Some((segment, behind)) = rest.split_at_checked(length.max(4)) else { return segments };
            rest = behind;
            match kind {
                0xc0..=0xc2 => segments.frame = Some(segment),
                0xc4 => segments.huffman.extend_from_slice(segment),
                0xda => segments.scan = Some(segment),
                0xdb => segments.quantisation.extend_from_slice(segment),
                0xdd | 0xee => {
                    segments.has_restart |= kind == 0xdd;
                    segments.others.extend_from_slice(segment);
                }
                _ => {}
            }
        }
    }
}

impl Assembly for JpegAssembly {
    fn place(&self, packet: &RtpPacket<'_>) -> PacketPlace {
        match packet.payload {
            [_, 0, 0, 0, _, ..] => PacketPlace::New,
            [_, _, _, _, _, ..] => PacketPlace::GoesOn,
            _ => PacketPlace::Unknown,
        }
    }

    fn push(&mut self, packet: &RtpPacket<'_>) -> bool {
        if self.progress == ScanProgress::Refused {
            return false;
        }
        let Some(fragment) = JpegFragment::read(packet.payload) else {
            self.lose();
            return false;
        };
        let (scan, before) = if fragment.offset == 0 {
            match self.begin(&fragment, packet.extension) {
                Ok(scan) => (scan, 0),
                Err(why) => {
                    self.refuse(why);
                    return false;
                }
            }
        } else {
            match self.progress {
                ScanProgress::Whole(before) if before == fragment.offset => (fragment.rest, before),
                _ => {
                    self.lose();
                    return false;
                }
            }
        };
        if self.bytes.len() + scan.len() > MAX_PICTURE {
            self.refuse(TOO_LARGE);
            return false;
        }
        self.bytes.extend_from_slice(scan);
        self.progress = ScanProgress::Whole(before + scan.len());
        true
    }

    fn keeps_rests(&self) -> bool {
        false
    }

    fn lose(&mut self) {
        if matches!(self.progress, ScanProgress::Whole(_)) {
            self.progress = ScanProgress::Cut;
        }
    }

    fn may_end(&self) -> bool {
        match self.progress {
            ScanProgress::None => false,
            ScanProgress::Whole(n) => n > 0,
            ScanProgress::Cut | ScanProgress::Refused => true,
        }
    }

    fn close(&mut self) -> bool {
        true
    }

    fn finish(&mut self, is_damaged: bool, _: bool) -> Option<Assembled> {
        let progress = std::mem::take(&mut self.progress);
        let mut bytes = std::mem::take(&mut self.bytes);
        if !matches!(progress, ScanProgress::Whole(1..) | ScanProgress::Cut) {
            return None;
        }
        self.why_none = None;
        if !bytes.ends_with(&[0xff, 0xd9]) {
            // Half a marker at the end would spoil the next.
            while bytes.last() == Some(&0xff) {
                bytes.pop();
            }
            bytes.extend([0xff, 0xd9]);
        }
        Some(Assembled { is_key: true, is_damaged, sets: Arc::clone(&self.sets), size: self.size, bytes })
    }

    fn why_none(&self) -> Option<&'static str> {
        self.why_none
    }
}

#[cfg(test)]
mod tests;
