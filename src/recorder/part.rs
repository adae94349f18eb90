//! One clip while it is written: its file, and what is to be told beside it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::clip_file::{ClipFile, DiskCall, Push, TrackHead};
use crate::clips::{
    ClipEvent, ClipFolder, ClipGap, ClipKernelLine, ClipName, ClipPaths, ClipPicture, ClipReason, FileDigest,
    FolderTrouble, Sidecar, SidecarState, WallTime, camera_folder, digest_file, identity_hash,
};
use crate::codec;
use crate::device;
use crate::disk::{FileAccess, write_whole};
use crate::event::{self, Event, Level, ToldVerdict};
use crate::fault::Fault;
use crate::foreign::Foreign;
use crate::frame::Frame;
use crate::packet::Packet;
use crate::status::AlertName;

/// A longer time between two pictures, in those before it and at least, is a gap.
const GAP_PERIODS: f64 = 5.0;
const LEAST_GAP: Duration = Duration::from_secs(1);
/// How long a text is shown behind what it tells.
const SHOWN: Duration = Duration::from_secs(5);
/// By more the wall clock has been set.
const CLOCK_STEP: f64 = 1.0;

/// Whose pictures they are.
#[derive(Clone, Debug)]
pub struct RecordedCamera {
    /// As the status names it.
    pub source: String,
    /// What people call it.
    pub name: Foreign,
}

pub struct ClipPart {
    file: ClipFile,
    paths: ClipPaths,
    pub sidecar: Sidecar,
    pub reason: ClipReason,
    pub began: Instant,
    last: Option<(Instant, SystemTime)>,
    /// The usual time between two pictures, in seconds.
    period: Option<f64>,
    sum_of_periods: f64,
    n_periods: u32,
}

/// The moment of a wall clock, with the offset of this computer.
fn wall(at: SystemTime) -> WallTime {
    WallTime::new(Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH), &TimeZone::system())
}

impl ClipPart {
    /// Makes the files of a clip that begins with this picture, which has yet to be pushed.
    ///
    /// # Errors
    /// The folder is not there any more, the disk is full, or nothing can be made of the picture's parameter sets.
    pub fn begin(
        folder: &ClipFolder,
        camera: &RecordedCamera,
        reason: &ClipReason,
        first: &Packet,
    ) -> Result<Self, FolderTrouble> {
        let size = first.size.ok_or_else(|| FolderTrouble::Other("the camera does not tell its size".to_owned()))?;
        let head = TrackHead { codec: first.codec, size, sets: (*first.sets).clone() };
        let started = wall(first.taken_at_wall);
        let name = ClipName { started, reason: reason.clone() };
        let camera_folder = camera_folder(&camera.name, &camera.source);
        let make = |path: &std::path::Path| ClipFile::create(path, &head, first.taken_at_wall);
        let (file, name, paths) = folder.claim(&camera_folder, &name, make)?;
        let sidecar = Sidecar {
            state: SidecarState::Recording,
            reason: reason.kind(),
            cause: reason.cause().into(),
            protected: reason.kind().is_evidence(),
            source: camera.source.as_str().into(),
            camera: camera.name.clone(),
            camera_hash: identity_hash(&camera.source).into(),
            codec: Some(first.codec),
            size: Some(size),
            started: name.started,
            ended: name.started,
            program: format!("Camclinic {}", env!("CARGO_PKG_VERSION")).into(),
            ..Sidecar::default()
        };
        // Should it fail, the clip is still worth having: it tells its cause by its name.
        let _ = sidecar.write(&paths.sidecar);
        let began = first.taken_at;
        let reason = reason.clone();
        Ok(Self { file, paths, sidecar, reason, began, last: None, period: None, sum_of_periods: 0.0, n_periods: 0 })
    }

    /// # Errors
    /// As [`ClipFile::push`].
    pub fn push(&mut self, packet: &Packet, cause: &str) -> io::Result<Push> {
        let pushed = self.file.push(packet)?;
        if pushed == Push::Taken {
            self.note_picture(packet, cause);
        }
        Ok(pushed)
    }

    fn note_picture(&mut self, packet: &Packet, cause: &str) {
        self.sidecar.pictures += 1;
        self.sidecar.key_pictures += u64::from(packet.is_key);
        self.sidecar.damaged_pictures += u64::from(packet.is_damaged);
        if let Some((taken_at, at_wall)) = self.last {
            let passed = packet.taken_at.saturating_duration_since(taken_at);
            let of_wall = signed_secs(at_wall, packet.taken_at_wall);
            self.sidecar.clock_steps += u32::from((of_wall - passed.as_secs_f64()).abs() > CLOCK_STEP);
            let least = self.period.map_or(LEAST_GAP, |period| {
                LEAST_GAP.max(Duration::try_from_secs_f64(period * GAP_PERIODS).unwrap_or(LEAST_GAP))
            });
            if passed > least && self.period.is_some() {
                self.sidecar.add_gap(ClipGap::new(wall(at_wall), passed, cause));
                let text = format!("No picture for {:.1} s: {cause}", passed.as_secs_f64());
                self.file.note(taken_at, packet.taken_at + SHOWN, &text);
            } else {
                self.sum_of_periods += passed.as_secs_f64();
                self.n_periods += 1;
                self.period = Some(self.sum_of_periods / f64::from(self.n_periods));
            }
        }
        self.last = Some((packet.taken_at, packet.taken_at_wall));
    }

    /// Something happened, to be shown over the pictures for some seconds and told beside the clip.
    pub fn add_event(&mut self, event: &Event) {
        self.sidecar.add_event(ClipEvent::from(event));
        if let Some(ToldVerdict { entry, title, confidence }) = ToldVerdict::of(event) {
            (self.sidecar.verdict_id, self.sidecar.verdict) = (Some(entry), Some(title));
            self.sidecar.verdict_confidence = Some(confidence);
        }
        // What ends the pictures is told with the gap, and an alert only says it again.
        let is_alert = AlertName::ALL.iter().any(|alert| event.name == alert.as_str());
        if event.level == Level::Warning && !is_alert {
            self.file.note(event.instant, event.instant + SHOWN, &event.message);
        }
    }

    pub fn on_fault(&mut self, fault: &Fault) {
        self.sidecar.fault.get_or_insert_with(|| fault.clone());
        // It may be the last that can be said.
        let _ = self.sidecar.write(&self.paths.sidecar);
    }

    /// Keeps a picture beside the clip, without loss. The first one stays.
    ///
    /// # Errors
    /// As the disk says. The clip is not touched by it.
    pub fn add_picture(&mut self, frame: &Frame) -> io::Result<()> {
        if self.has_picture() {
            return Ok(());
        }
        let png = codec::encode_png(&frame.image).map_err(io::Error::other)?;
        write_whole(&self.paths.picture, &png, FileAccess::Usual)?;
        self.sidecar.picture = Some(ClipPicture { at: wall(frame.taken_at_wall), digest: FileDigest::of(&png) });
        self.sidecar.write(&self.paths.sidecar)
    }

    #[must_use]
    pub fn has_picture(&self) -> bool {
        self.sidecar.picture.is_some()
    }

    /// Pictures that were to be in it and are not.
    pub fn add_lost(&mut self, n: u64) {
        self.sidecar.lost_pictures.disk += n;
    }

    /// Pictures that were lost before they came here, ahead of one that was just taken; not of the first one. Returns how many.
    pub fn add_lost_before(&mut self, packet: &Packet) -> u64 {
        let n_lost = if self.sidecar.pictures > 1 { packet.n_lost_before } else { 0 };
        let lost = &mut self.sidecar.lost_pictures;
        let place = if packet.is_made_here { &mut lost.coding } else { &mut lost.transfer };
        *place = place.saturating_add(n_lost);
        n_lost
    }

    /// # Errors
    /// As [`ClipFile::tick`].
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        self.file.tick(now)
    }

    /// How the disk took it, since this was asked before.
    pub fn calls(&mut self) -> Vec<DiskCall> {
        self.file.calls()
    }

    pub fn n_bytes(&self) -> u64 {
        self.file.n_bytes()
    }

    /// Closes file and sidecar, and returns where the clip is.
    ///
    /// # Errors
    /// As the disk says: the clip can be closed later, in this run or the next.
    pub fn close(&mut self) -> io::Result<PathBuf> {
        let closed = self.file.close()?;
        let digest = digest_file(&closed.path)?;
        if let Some((taken_at, at_wall)) = self.last {
            // The last picture stays to the end of the clip.
            let stays = closed.duration.saturating_sub(taken_at.saturating_duration_since(self.began));
            self.sidecar.ended = wall(at_wall.checked_add(stays).unwrap_or(at_wall));
            self.sidecar.ended_monotonic_ns = u64::try_from(closed.duration.as_nanos()).unwrap_or(u64::MAX);
        }
        self.add_kernel_lines();
        self.sidecar.fps = self.period.filter(|period| *period > 0.0).map(f64::recip);
        self.sidecar.state = SidecarState::Closed;
        (self.sidecar.bytes, self.sidecar.sha256) = (digest.bytes, digest.sha256);
        self.sidecar.write(&self.paths.sidecar)?;
        Ok(closed.path)
    }

    /// What the kernel said of the device meanwhile, where it is one of this computer and something has failed.
    fn add_kernel_lines(&mut self) {
        if self.sidecar.fault.is_none() {
            return;
        }
        let now = event::now();
        let began = self.sidecar.started.at();
        let lines = device::named(&self.sidecar.source).ok().and_then(|device| device::kernel_log(&device));
        for line in lines.unwrap_or_default() {
            let ago = SignedDuration::try_from_secs_f64(line.secs_ago).unwrap_or_default();
            let at = now.checked_sub(ago).unwrap_or(now);
            if at >= began {
                self.sidecar.add_kernel_line(ClipKernelLine { at, text: line.text.into() });
            }
        }
    }

    /// It has not one picture: nothing of it stays.
    pub fn forget(self) {
        for path in [&self.paths.picture, &self.paths.sidecar] {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Nothing more can be written: what there is waits to be closed by a later run.
    pub fn leave(mut self) {
        self.sidecar.state = SidecarState::Fragmented;
        let _ = self.sidecar.write(&self.paths.sidecar);
    }
}

fn signed_secs(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(later) => later.as_secs_f64(),
        Err(earlier) => -earlier.duration().as_secs_f64(),
    }
}
