//! Packets as a camera sends them, made of a film of FFmpeg's; and what players that did not write a clip make of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use camclinic::frame::Size;
use camclinic::packet::{Packet, ParameterSets, VideoCodec};
use camclinic::recorder::clip_file::TrackHead;

pub const FPS: u32 = 30;

/// Goes round and round.
pub struct Film {
    pub head: TrackHead,
    pictures: Vec<(bool, Arc<[u8]>)>,
    sets: Arc<ParameterSets>,
}

impl Film {
    /// H.264 of so many seconds, with a key picture each so many pictures. `None` where there is no FFmpeg.
    pub fn h264(size: Size, kbit: u32, keys: u32, secs: u32) -> Option<Self> {
        let rate = format!("{kbit}k");
        let keys = keys.to_string();
        let encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-sc_threshold", "0", "-g", &keys];
        let rates = ["-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate, "-x264-params", "aud=1"];
        let stream = made(size, secs, &[&encoder[..], &rates, &["-pix_fmt", "yuv420p", "-f", "h264"]].concat())?;
        let mut sets = ParameterSets::default();
        let mut pictures: Vec<(bool, Vec<u8>)> = Vec::new();
        for unit in units(&stream) {
            match unit.first().map_or(0, |first| first & 31) {
                9 => pictures.push((false, Vec::new())),
                7 => sets.sps = vec![unit.to_vec()],
                8 => sets.pps = vec![unit.to_vec()],
                kind => {
                    let (is_key, bytes) = pictures.last_mut()?;
                    *is_key |= kind == 5;
                    bytes.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
                    bytes.extend_from_slice(unit);
                }
            }
        }
        let head = TrackHead { codec: VideoCodec::H264, size, sets };
        Some(Self::of(head, pictures))
    }

    pub fn jpeg(size: Size, secs: u32) -> Option<Self> {
        let stream = made(size, secs, &["-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p", "-f", "mjpeg"])?;
        let mut pictures = Vec::new();
        let mut rest = stream.as_slice();
        while let Some(end) = rest.windows(2).position(|pair| pair == [0xff, 0xd9]) {
            let (picture, behind) = rest.split_at(end + 2);
            pictures.push((true, picture.to_vec()));
            rest = behind;
        }
        let head = TrackHead { codec: VideoCodec::Jpeg, size, sets: ParameterSets::default() };
        Some(Self::of(head, pictures))
    }

    fn of(head: TrackHead, pictures: Vec<(bool, Vec<u8>)>) -> Self {
        let sets = Arc::new(head.sets.clone());
        let pictures = pictures.into_iter().map(|(is_key, bytes)| (is_key, bytes.into())).collect();
        Self { head, pictures, sets }
    }

    /// As a camera that is that old sends it.
    pub fn packet(&self, number: u32, began: Instant) -> Packet {
        let (is_key, bytes) = &self.pictures[number as usize % self.pictures.len()];
        let at = time_of(number);
        Packet {
            codec: self.head.codec,
            is_key: *is_key,
            is_damaged: false,
            stamp: Some(at),
            taken_at: began + at,
            taken_at_wall: SystemTime::now(),
            sets: Arc::clone(&self.sets),
            size: Some(self.head.size),
            bytes: Arc::clone(bytes),
            is_made_here: false,
            n_lost_before: 0,
        }
    }

    /// As a stream of units with start codes, so often round.
    pub fn annex_b(&self, n_times: usize) -> Vec<u8> {
        const START: [u8; 4] = [0, 0, 0, 1];
        let mut stream = Vec::new();
        for (is_key, bytes) in self.pictures.iter().cycle().take(n_times * self.pictures.len()) {
            stream.extend_from_slice(&[&START[..], &[9, 0xf0]].concat());
            for set in self.head.sets.sps.iter().chain(&self.head.sets.pps).filter(|_| *is_key) {
                stream.extend_from_slice(&[&START[..], set].concat());
            }
            let mut rest = &bytes[..];
            while let Some((len, behind)) = rest.split_first_chunk::<4>() {
                let (unit, behind) = behind.split_at(u32::from_be_bytes(*len) as usize);
                stream.extend_from_slice(&[&START[..], unit].concat());
                rest = behind;
            }
        }
        stream
    }

    pub fn n_pictures(&self) -> usize {
        self.pictures.len()
    }
}

pub fn time_of(number: u32) -> Duration {
    Duration::from_secs(1) * number / FPS
}

/// What FFmpeg writes of a picture that is hard to compress.
fn made(size: Size, secs: u32, arguments: &[&str]) -> Option<Vec<u8>> {
    let input = format!("testsrc2=s={}x{}:r={FPS}:d={secs},noise=alls=12:allf=t", size.width, size.height);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &input]).args(arguments).arg("-");
    let output = ffmpeg.stderr(Stdio::inherit()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// The units between the start codes.
fn units(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(next) = stream.get(at..).and_then(|rest| rest.windows(3).position(|code| code == [0, 0, 1])) {
        starts.push(at + next + 3);
        at += next + 3;
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let trimmed = |(start, end): (&usize, usize)| {
        let unit = &stream[*start..end];
        &unit[..unit.len() - unit.iter().rev().take_while(|byte| **byte == 0).count()]
    };
    starts.iter().zip(ends).map(trimmed).collect()
}

/// Whether FFmpeg opens a clip, as OpenCV has it, and gets a picture; and how many it says that there are. In this process: thousands
/// of files are asked for.
#[cfg(feature = "opencv")]
pub fn plays(path: &Path) -> Option<usize> {
    use ::opencv::prelude::*;
    use ::opencv::videoio::{CAP_FFMPEG, CAP_PROP_FRAME_COUNT, VideoCapture};
    let mut video = VideoCapture::from_file(path.to_str()?, CAP_FFMPEG).ok()?;
    let has_picture = video.is_opened().ok()? && video.grab().ok()?;
    let n = video.get(CAP_PROP_FRAME_COUNT).ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let n = n.max(0.0) as usize;
    has_picture.then_some(n)
}

#[cfg(not(feature = "opencv"))]
pub fn plays(path: &Path) -> Option<usize> {
    n_by_ffprobe(path)
}

/// How many pictures `ffprobe` finds in a file. `None`: it cannot be read.
pub fn n_by_ffprobe(path: &Path) -> Option<usize> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "v", "-count_packets", "-of", "csv=p=0"]);
    let output = ffprobe.args(["-show_entries", "stream=nb_read_packets"]).arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().trim_end_matches(',').parse().ok())?
}

/// How many pictures GStreamer's demultiplexer gets out of each file, -1 after an error. `None` where it is not installed.
pub fn n_by_gstreamer(paths: &[&Path]) -> Option<Vec<i64>> {
    const SCRIPT: &str = r#"
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
for path in sys.argv[1:]:
    pipeline = Gst.parse_launch("filesrc name=file ! qtdemux name=demux demux.video_0 ! fakesink name=sink signal-handoffs=true sync=false")
    pipeline.get_by_name("file").set_property("location", path)
    pictures = []
    pipeline.get_by_name("sink").connect("handoff", lambda sink, buffer, pad: pictures.append(1))
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    print(len(pictures) if message and message.type == Gst.MessageType.EOS else -1)
"#;
    let output = Command::new("/usr/bin/python3").args(["-c", SCRIPT]).args(paths).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().map(|line| line.parse().unwrap_or(-1)).collect())
}
