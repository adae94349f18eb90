//! What a decoder has to know before the first picture (ISO/IEC 14496-15, 5.4 and 8.4).

use std::io;

use shiguredo_mp4::bitstream::h264::{H264SampleEntryConfig, build_avc1_box};
use shiguredo_mp4::bitstream::h265::{H265ConstantFrameRate, H265SampleEntryConfig, build_hvc1_box};
use shiguredo_mp4::bitstream::{h264, h265};
use shiguredo_mp4::boxes::{SampleEntry, UnknownBox, VisualSampleEntryFields};
use shiguredo_mp4::{BoxSize, BoxType, Decode, Encode};

use super::{TrackHead, wrong};
use crate::frame::Size;
use crate::packet::{ParameterSets, VideoCodec};

/// As `QuickTime` names it; FFmpeg, GStreamer and VLC read it too.
const JPEG: BoxType = BoxType::Normal(*b"jpeg");

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;

/// What must stay the same in a file. Other parameters may change from picture to picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetsKind {
    profile: u8,
    tier: u8,
    chroma_format: u8,
    bit_depths: (u8, u8),
    size: (u16, u16),
}

/// `None` where there are none, they are damaged, or the codec has none.
#[must_use]
pub fn sets_kind(codec: VideoCodec, sets: &ParameterSets) -> Option<SetsKind> {
    let sps = sets.sps.first()?;
    match codec {
        VideoCodec::Jpeg => None,
        VideoCodec::H264 => h264::parse_sps(sps).ok().map(|sps| SetsKind {
            profile: sps.profile_level_id.profile_idc,
            tier: 0,
            chroma_format: sps.chroma_format_idc,
            bit_depths: (sps.bit_depth_luma_minus8, sps.bit_depth_chroma_minus8),
            size: (sps.width, sps.height),
        }),
        VideoCodec::H265 => h265::parse_sps(sps).ok().map(|sps| SetsKind {
            profile: sps.general_profile_idc,
            tier: sps.general_tier_flag,
            chroma_format: sps.chroma_format_idc,
            bit_depths: (sps.bit_depth_luma_minus8, sps.bit_depth_chroma_minus8),
            size: (sps.width, sps.height),
        }),
    }
}

pub fn build(track: &TrackHead) -> io::Result<(SampleEntry, Size)> {
    let sets = &track.sets;
    let of = |visual: &VisualSampleEntryFields| Size { width: visual.width.into(), height: visual.height.into() };
    match track.codec {
        VideoCodec::H264 => {
            let config = H264SampleEntryConfig { length_size: h264::LengthSize::FourBytes };
            let entry = build_avc1_box(&sets.sps, &sets.pps, &config).map_err(|error| damaged(track.codec, &error))?;
            let size = of(&entry.visual);
            Ok((SampleEntry::Avc1(entry), size))
        }
        VideoCodec::H265 => {
            let config = H265SampleEntryConfig {
                length_size: h265::LengthSize::FourBytes,
                avg_frame_rate: H265SampleEntryConfig::AVG_FRAME_RATE_UNSPECIFIED,
                constant_frame_rate: H265ConstantFrameRate::Unknown,
            };
            let entry = build_hvc1_box(&sets.vps, &sets.sps, &sets.pps, &config)
                .map_err(|error| damaged(track.codec, &error))?;
            let size = of(&entry.visual);
            Ok((SampleEntry::Hvc1(entry), size))
        }
        VideoCodec::Jpeg => {
            let side =
                |side: u32| u16::try_from(side).map_err(|_| wrong(format!("a JPEG cannot be {side} pixels long")));
            let visual = VisualSampleEntryFields {
                data_reference_index: VisualSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
                width: side(track.size.width)?,
                height: side(track.size.height)?,
                horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
                vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
                frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
                compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
                depth: VisualSampleEntryFields::DEFAULT_DEPTH,
            };
            let payload = visual.encode_to_vec().map_err(wrong)?;
            let box_size = BoxSize::U32(u32::try_from(payload.len() + 8).map_err(wrong)?);
            Ok((SampleEntry::Unknown(UnknownBox { box_type: JPEG, box_size, payload }), of(&visual)))
        }
    }
}

fn damaged(codec: VideoCodec, why: &shiguredo_mp4::Error) -> io::Error {
    wrong(format!("the camera's parameter sets of {} are missing or damaged ({})", codec.name(), why.reason))
}

/// `None` where it is no entry of ours.
pub fn read(entry: &SampleEntry) -> Option<TrackHead> {
    let (codec, visual, sets) = match entry {
        SampleEntry::Avc1(entry) => {
            let sets = ParameterSets {
                vps: Vec::new(),
                sps: entry.avcc_box.sps_list.clone(),
                pps: entry.avcc_box.pps_list.clone(),
            };
            (VideoCodec::H264, entry.visual.clone(), sets)
        }
        SampleEntry::Hvc1(entry) => {
            let of = |kind: u8| {
                let arrays = entry.hvcc_box.nalu_arrays.iter().filter(|array| array.nal_unit_type.get() == kind);
                arrays.flat_map(|array| array.nalus.clone()).collect::<Vec<_>>()
            };
            (VideoCodec::H265, entry.visual.clone(), ParameterSets { vps: of(VPS), sps: of(SPS), pps: of(PPS) })
        }
        SampleEntry::Unknown(entry) if entry.box_type == JPEG => {
            (VideoCodec::Jpeg, VisualSampleEntryFields::decode(&entry.payload).ok()?.0, ParameterSets::default())
        }
        _ => return None,
    };
    let size = Size { width: visual.width.into(), height: visual.height.into() };
    Some(TrackHead { codec, size, sets })
}
