//! The boxes of a clip file (ISO/IEC 14496-12), as bytes: written, and read again. The only module that knows the crate for them.
//!
//! ```text
//! unfinished:  ftyp  free (whose file it is)  free   moov (no pictures)  moof mdat  moof mdat ...
//! closed:      ftyp  free (whose file it is)  mdat ( moov (no pictures)  moof mdat  moof mdat ... )  moov (all pictures)
//! ```
//!
//! The two differ in 16 bytes, the second `free`, and in the `moov` at the end. Now and then a `free` between two fragments has copies
//! of the heads before it (`mp4/copies.rs`); the second `free` of an unfinished file tells where the last of them lies.

use std::io;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use shiguredo_mp4::boxes::{
    DinfBox, FtabBox, HdlrBox, MdhdBox, MdiaBox, MediaHeader, MfhdBox, MinfBox, MoofBox, MoovBox, MvexBox, MvhdBox,
    NmhdBox, SampleEntry, StyleRecord, TfdtBox, TfhdBox, TkhdBox, TrafBox, TrakBox, TrexBox, TrunBox, Tx3gBox, VmhdBox,
};
use shiguredo_mp4::{Decode, Encode, FixedPointNumber, LanguageCode, Mp4FileTime, SampleFlags};

use crate::frame::Size;
use crate::recorder::sample_clock::TICKS;

mod copies;
mod entry;
mod fragment;
mod table;

pub use copies::{HeadCopies, MAX_COPIES, are_copies, read_copies};
pub use entry::{SetsKind, sets_kind};
pub use fragment::{MAX_MOOF, read_fragment};

/// What a decoder needs to know of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackHead {
    pub codec: crate::packet::VideoCodec,
    pub size: Size,
    pub sets: crate::packet::ParameterSets,
}

/// A picture, or a text, in a file; times in `TICKS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipSample {
    pub offset: u64,
    pub len: u32,
    pub decode: u64,
    pub duration: u32,
    /// It is shown so much later.
    pub shift: i32,
    pub is_key: bool,
}

impl ClipSample {
    #[must_use]
    pub fn end(&self) -> u64 {
        self.decode.saturating_add(u64::from(self.duration))
    }

    #[must_use]
    pub fn shown(&self) -> u64 {
        self.decode.saturating_add_signed(i64::from(self.shift))
    }
}

/// Pictures and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    pub pictures: Vec<ClipSample>,
    pub texts: Vec<ClipSample>,
}

/// More are not written into one file, and not read from one.
pub const MAX_SAMPLES: usize = 1 << 21;
/// Of a `moov` that is read.
pub const MAX_MOOV: u64 = 64 << 20;

/// `ftyp` of both states, and who wrote the file.
const OURS: &[u8; 56] = b"\0\0\0\x24ftypisom\0\0\x02\0isomiso2iso5iso6mp41\0\0\0\x14freeCamclinic\x201\n";
/// Where the file goes on behind the 16 bytes in which the states differ.
pub const PREFIX: u64 = 72;
const N_SWITCH: u64 = 16;
pub const SWITCH_AT: u64 = PREFIX - N_SWITCH;
/// In an unfinished file the place of the last copies of heads stands there, in 8 bytes; 0 before there are any.
pub const COPIES_AT: u64 = PREFIX - 8;

const UNFINISHED: &[u8; 16] = b"\0\0\0\x10free\0\0\0\0\0\0\0\0";

/// A text that shows nothing.
pub const EMPTY_TEXT: &[u8; 2] = &[0, 0];

const VIDEO: u32 = 1;
const TEXT: u32 = 2;

fn wrong(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// The 16 bytes of a closed file whose `mdat` ends there.
#[must_use]
pub fn closed_switch(end: u64) -> [u8; 16] {
    let mut bytes = *b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0";
    if let Some(size) = bytes.last_chunk_mut() {
        *size = end.saturating_sub(SWITCH_AT).to_be_bytes();
    }
    bytes
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Foreign,
    Unfinished {
        /// Where the last copies of heads lie; 0: nowhere.
        copies_at: u64,
    },
    /// The `moov` of a closed file is there, or behind the next box.
    Closed {
        next: u64,
    },
}

#[must_use]
pub fn read_prefix(bytes: &[u8]) -> Prefix {
    let Some(switch) = bytes.strip_prefix(OURS) else { return Prefix::Foreign };
    match BoxHead::read(switch) {
        Some(head) if head.kind == *b"mdat" => Prefix::Closed { next: SWITCH_AT.saturating_add(head.len) },
        Some(head) if head.kind == *b"moov" => Prefix::Closed { next: SWITCH_AT },
        _ => Prefix::Unfinished { copies_at: switch.last_chunk().map_or(0, |at| u64::from_be_bytes(*at)) },
    }
}

/// Length, with the head, and kind of a box. A box without an end is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxHead {
    pub kind: [u8; 4],
    pub len: u64,
    pub n_head: u64,
}

impl BoxHead {
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (short, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (len, n_head) = match u32::from_be_bytes(*short) {
            1 => (u64::from_be_bytes(*rest.first_chunk::<8>()?), 16),
            short => (u64::from(short), 8),
        };
        (len >= n_head).then_some(Self { kind: *kind, len, n_head })
    }
}

/// What does not change in a file: what is in it and since when.
#[derive(Clone, Debug)]
pub struct Head {
    entry: SampleEntry,
    size: Size,
    created: Mp4FileTime,
}

impl Head {
    /// # Errors
    /// The parameter sets are missing or damaged, or the picture is larger than a file can say.
    pub fn new(track: &TrackHead, started: SystemTime) -> io::Result<Self> {
        let (entry, size) = entry::build(track)?;
        let started = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        // 32 bits of seconds since 1904 end in 2040; above, the boxes are written with 64.
        Ok(Self { entry, size, created: Mp4FileTime::from_unix_time(started.min(Duration::from_secs(1 << 36))) })
    }

    /// `None` where it is damaged, or not a clip of ours.
    #[must_use]
    pub fn read(moov: &[u8]) -> Option<Self> {
        Self::of(&MoovBox::decode(moov).ok()?.0)
    }

    fn of(moov: &MoovBox) -> Option<Self> {
        let track = moov.trak_boxes.iter().find(|track| track.tkhd_box.track_id == VIDEO)?;
        let entry = track.mdia_box.minf_box.stbl_box.stsd_box.entries.first()?.clone();
        let size = entry::read(&entry)?.size;
        let is_ours = track.mdia_box.mdhd_box.timescale.get() == TICKS;
        is_ours.then_some(Self { entry, size, created: moov.mvhd_box.creation_time })
    }

    #[must_use]
    pub fn track(&self) -> Option<TrackHead> {
        entry::read(&self.entry)
    }

    /// The beginning of an unfinished file.
    ///
    /// # Errors
    /// As the crate says; none is known.
    pub fn beginning(&self) -> io::Result<Vec<u8>> {
        let mut moov = self.moov(&Samples::default(), true)?;
        let trex = |track_id| TrexBox {
            track_id,
            default_sample_description_index: 1,
            default_sample_duration: 0,
            default_sample_size: 0,
            default_sample_flags: SampleFlags::empty(),
        };
        moov.mvex_box =
            Some(MvexBox { mehd_box: None, trex_boxes: vec![trex(VIDEO), trex(TEXT)], unknown_boxes: Vec::new() });
        let moov = moov.encode_to_vec().map_err(wrong)?;
        Ok([OURS.as_slice(), UNFINISHED, &moov].concat())
    }

    /// The `moov` of a closed file.
    ///
    /// # Errors
    /// As the crate says; none is known.
    pub fn index(&self, samples: &Samples) -> io::Result<Vec<u8>> {
        self.moov(samples, !samples.texts.is_empty())?.encode_to_vec().map_err(wrong)
    }

    /// A whole file but for the bytes of its samples, which follow one after the other, pictures first. `samples` count from there.
    ///
    /// # Errors
    /// As the crate says; none is known.
    pub fn standing_alone(&self, samples: &Samples) -> io::Result<Vec<u8>> {
        let all = || samples.pictures.iter().chain(&samples.texts);
        let n_payload = all().map(|sample| sample.offset.saturating_add(u64::from(sample.len))).max().unwrap_or(0);
        // The length of the `moov` does not depend on where the samples are, but for the width of that.
        let at = |from: u64| {
            let moved = |sample: &ClipSample| ClipSample { offset: sample.offset.saturating_add(from), ..*sample };
            self.index(&Samples {
                pictures: samples.pictures.iter().map(moved).collect(),
                texts: samples.texts.iter().map(moved).collect(),
            })
        };
        let mut from = SWITCH_AT + 16 + u64::try_from(at(1 << 32)?.len()).unwrap_or(u64::MAX);
        if u32::try_from(n_payload.saturating_add(from)).is_ok() {
            from = SWITCH_AT + 16 + u64::try_from(at(0)?.len()).unwrap_or(u64::MAX);
        }
        let mut bytes = [OURS.as_slice(), &at(from)?].concat();
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(b"mdat");
        bytes.extend_from_slice(&n_payload.saturating_add(16).to_be_bytes());
        Ok(bytes)
    }

    fn moov(&self, samples: &Samples, has_text: bool) -> io::Result<MoovBox> {
        let is_text = [Some(false), has_text.then_some(true)];
        let tracks = is_text.into_iter().flatten().map(|is_text| self.track_box(samples, is_text));
        let trak_boxes = tracks.collect::<io::Result<Vec<_>>>()?;
        Ok(MoovBox {
            mvhd_box: MvhdBox {
                creation_time: self.created,
                modification_time: self.created,
                timescale: timescale(),
                duration: trak_boxes.iter().map(|track| track.tkhd_box.duration).max().unwrap_or(0),
                rate: MvhdBox::DEFAULT_RATE,
                volume: MvhdBox::DEFAULT_VOLUME,
                matrix: MvhdBox::DEFAULT_MATRIX,
                next_track_id: TEXT + 1,
            },
            trak_boxes,
            mvex_box: None,
            unknown_boxes: Vec::new(),
        })
    }

    fn track_box(&self, all: &Samples, is_text: bool) -> io::Result<TrakBox> {
        let samples = if is_text { &all.texts } else { &all.pictures };
        let duration =
            samples.last().map_or(0, |last| last.end().saturating_sub(samples.first().map_or(0, |first| first.decode)));
        let side = |side: u32| FixedPointNumber::new(i16::try_from(side).unwrap_or(i16::MAX), 0);
        let (track_id, handler_type, media_header, entry, name) = if is_text {
            (TEXT, HdlrBox::HANDLER_TYPE_TEXT, MediaHeader::Nmhd(NmhdBox), text_entry(), "Events")
        } else {
            (VIDEO, HdlrBox::HANDLER_TYPE_VIDE, MediaHeader::Vmhd(VmhdBox::default()), self.entry.clone(), "Camera")
        };
        Ok(TrakBox {
            tkhd_box: TkhdBox {
                flag_track_enabled: true,
                flag_track_in_movie: true,
                flag_track_in_preview: false,
                flag_track_size_is_aspect_ratio: false,
                creation_time: self.created,
                modification_time: self.created,
                track_id,
                duration,
                layer: if is_text { -1 } else { TkhdBox::DEFAULT_LAYER },
                alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
                volume: TkhdBox::DEFAULT_VIDEO_VOLUME,
                matrix: TkhdBox::DEFAULT_MATRIX,
                width: side(self.size.width),
                height: side(self.size.height),
            },
            edts_box: None,
            mdia_box: MdiaBox {
                mdhd_box: MdhdBox {
                    creation_time: self.created,
                    modification_time: self.created,
                    timescale: timescale(),
                    duration,
                    language: LanguageCode::UNDEFINED,
                },
                hdlr_box: HdlrBox { handler_type, name: format!("{name}\0").into_bytes() },
                minf_box: MinfBox {
                    media_header: Some(media_header),
                    dinf_box: DinfBox::LOCAL_FILE,
                    stbl_box: table::write(entry, samples)?,
                    unknown_boxes: Vec::new(),
                },
                unknown_boxes: Vec::new(),
            },
            unknown_boxes: Vec::new(),
        })
    }
}

/// All samples of a closed file, by its `moov`. Those that reach beyond the file's end are for the caller to find.
#[must_use]
pub fn read_index(moov: &[u8]) -> Option<(Head, Samples)> {
    let moov = MoovBox::decode(moov).ok()?.0;
    let head = Head::of(&moov)?;
    let mut samples = Samples::default();
    for track in &moov.trak_boxes {
        let into = match track.tkhd_box.track_id {
            VIDEO => &mut samples.pictures,
            TEXT => &mut samples.texts,
            _ => continue,
        };
        *into = table::read(&track.mdia_box.minf_box.stbl_box)?;
    }
    Some((head, samples))
}

/// `moof`, and the head of the `mdat`, whose samples follow: texts first. Offsets are given from the beginning of the payload.
///
/// # Errors
/// As the crate says; none is known.
pub fn fragment_head(sequence_number: u32, samples: &Samples) -> io::Result<Vec<u8>> {
    let build = |n_moof: u64| {
        let tracks = [(TEXT, &samples.texts), (VIDEO, &samples.pictures)];
        let traf_boxes = tracks.into_iter().filter_map(|(id, samples)| Some((id, samples.first()?, samples)));
        let traf_boxes = traf_boxes.map(|(track_id, first, samples)| TrafBox {
            tfhd_box: TfhdBox {
                track_id,
                base_data_offset: None,
                sample_description_index: None,
                default_sample_duration: None,
                default_sample_size: None,
                default_sample_flags: None,
                duration_is_empty: false,
                default_base_is_moof: true,
            },
            tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: first.decode }),
            trun_boxes: vec![TrunBox {
                data_offset: i32::try_from(n_moof + 8 + first.offset).ok(),
                first_sample_flags: None,
                samples: samples.iter().map(fragment::trun_sample).collect(),
            }],
            unknown_boxes: Vec::new(),
        });
        MoofBox { mfhd_box: MfhdBox { sequence_number }, traf_boxes: traf_boxes.collect(), unknown_boxes: Vec::new() }
            .encode_to_vec()
            .map_err(wrong)
    };
    let n_moof = u64::try_from(build(0)?.len()).unwrap_or(u64::MAX);
    let mut bytes = build(n_moof)?;
    let ends = samples.texts.iter().chain(&samples.pictures).map(|sample| sample.offset + u64::from(sample.len));
    let n_payload = u32::try_from(ends.max().unwrap_or(0) + 8).map_err(wrong)?;
    bytes.extend_from_slice(&n_payload.to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    Ok(bytes)
}

fn timescale() -> NonZeroU32 {
    NonZeroU32::new(TICKS).unwrap_or(NonZeroU32::MIN)
}

/// White on a dark ground, below (3GPP TS 26.245, 5.16).
fn text_entry() -> SampleEntry {
    SampleEntry::Tx3g(Tx3gBox {
        data_reference_index: Tx3gBox::DEFAULT_DATA_REFERENCE_INDEX,
        display_flags: 0,
        horizontal_justification: 1,
        vertical_justification: -1,
        background_color_rgba: [0, 0, 0, 0xc0],
        default_text_box: shiguredo_mp4::boxes::BoxRecord::default(),
        default_style: StyleRecord { font_id: 1, font_size: 18, text_color_rgba: [0xff; 4], ..StyleRecord::default() },
        ftab_box: FtabBox {
            entries: vec![shiguredo_mp4::boxes::FontRecord { font_id: 1, font_name: b"Sans-Serif".to_vec() }],
        },
        unknown_boxes: Vec::new(),
    })
}
