//! Pictures as a camera would send them, whose bytes are noise.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::clip_file::{ClipFile, Push, TrackHead};
use crate::frame::Size;
use crate::packet::{Packet, ParameterSets, VideoCodec};

pub const HD: Size = Size { width: 1920, height: 1080 };

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

pub fn sets(codec: VideoCodec) -> ParameterSets {
    let of = |hex: &str| vec![bytes(hex)];
    match codec {
        VideoCodec::Jpeg => ParameterSets::default(),
        VideoCodec::H264 => ParameterSets {
            vps: Vec::new(),
            sps: of("67640028acd940780227e5c044000003000400000300c83c60c658"),
            pps: of("68ebe3cb22c0"),
        },
        VideoCodec::H265 => ParameterSets {
            vps: of("40010c01ffff01600000030090000003000003007895981209"),
            sps: of("420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84"),
            pps: of("4401c172b46240"),
        },
    }
}

pub fn head(codec: VideoCodec) -> TrackHead {
    TrackHead { codec, size: HD, sets: sets(codec) }
}

/// A camera that sends 25 pictures a second and a key picture each second.
pub struct CodedCamera {
    pub began: Instant,
    pub random: fastrand::Rng,
    pub n_bytes: usize,
    sets: Arc<ParameterSets>,
    codec: VideoCodec,
}

impl CodedCamera {
    pub fn new(codec: VideoCodec, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { began: Instant::now(), random, n_bytes: 3_000, sets: Arc::new(sets(codec)), codec }
    }

    pub fn at(&self, number: u32) -> Instant {
        self.began + Duration::from_millis(40) * number
    }

    pub fn picture(&mut self, number: u32) -> Packet {
        let is_key = self.codec == VideoCodec::Jpeg || number.is_multiple_of(25);
        let noise: Vec<u8> = (0..self.random.usize(1..self.n_bytes)).map(|_| self.random.u8(1..)).collect();
        let unit = |first: &[u8]| {
            let len = u32::try_from(first.len() + noise.len()).unwrap();
            [&len.to_be_bytes(), first, &noise].concat()
        };
        let bytes = match (self.codec, is_key) {
            (VideoCodec::Jpeg, _) => [&[0xff, 0xd8], noise.as_slice(), &[0xff, 0xd9]].concat(),
            (VideoCodec::H264, true) => unit(&[0x65]),
            (VideoCodec::H264, false) => unit(&[0x41]),
            (VideoCodec::H265, true) => unit(&[0x26, 1]),
            (VideoCodec::H265, false) => unit(&[2, 1]),
        };
        Packet {
            codec: self.codec,
            is_key,
            is_damaged: false,
            is_made_here: false,
            n_lost_before: 0,
            stamp: Some(Duration::from_millis(40) * number + Duration::from_hours(7)),
            taken_at: self.at(number),
            taken_at_wall: SystemTime::UNIX_EPOCH,
            sets: Arc::clone(&self.sets),
            size: Some(HD),
            bytes: bytes.into(),
        }
    }
}

pub fn create(folder: &Path, codec: VideoCodec) -> (ClipFile, PathBuf) {
    let path = folder.join("clip.recording.mp4");
    (ClipFile::create(&path, &head(codec), SystemTime::now()).unwrap(), path)
}

pub fn push(clip: &mut ClipFile, packet: &Packet) {
    assert_eq!(clip.push(packet).unwrap(), Push::Taken);
}

/// An unfinished file of so many pictures, with a note: its pictures, and its bytes.
pub fn unfinished(codec: VideoCodec, n_pictures: u32, seed: u64) -> (Vec<Packet>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut clip, path) = create(folder.path(), codec);
    let mut camera = CodedCamera::new(codec, seed);
    let packets: Vec<Packet> = (0..n_pictures).map(|number| camera.picture(number)).collect();
    for (number, packet) in (0..).zip(&packets) {
        push(&mut clip, packet);
        if number == 30 {
            clip.note(camera.at(10), camera.at(60), "A note.");
        }
    }
    clip.tick(camera.at(n_pictures + 50)).unwrap();
    (packets, fs::read(path).unwrap())
}
