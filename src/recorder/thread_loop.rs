//! The thread that records one camera. It alone waits for the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::clip_file::{DiskCall, Push};
use super::full_disk::{DiskEffect, DiskInput, FullDisk};
use super::part::{ClipPart, RecordedCamera};
use super::repair::repair_aside;
use super::rotation::{Rotation, TimeLapse};
use super::storage::{StorageMeter, is_full};
use super::triggers::{FaultTriggers, Trigger, TriggerEffect, TriggerSettings};
use super::{RecorderNews, RecordingMode, RecordingPlan, RecordingStatus};
use crate::camera::{Camera, StatusReader};
use crate::clips::{ClipFolder, ClipKind, ClipReason, FolderTrouble, Tended, Tending};
use crate::criteria;
use crate::disk::free_bytes;
use crate::event::{self, Level};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::packet::ring::PacketRing;
use crate::packet::{Packet, TakePackets};
use crate::settings::CameraId;
use crate::status::{AlertName, Drops, PictureFaultKind, State, Status};

/// Between two looks at all there is.
const SLICE: Duration = Duration::from_millis(100);
/// How often it is told how this stands, how often the folder is looked after, and how often the share of damage is judged.
const NEWS_PERIOD: Duration = Duration::from_millis(250);
const TEND_PERIOD: Duration = Duration::from_secs(1);
const DAMAGE_PERIOD: Duration = Duration::from_secs(5);
/// So long after an alert no fault has been told.
const ALERT_AFTER: Duration = Duration::from_secs(1);
/// The same where pictures have stopped: that a call hangs is told once it has for a while.
const LONGEST_UNTIL_CAUSE: Duration = Duration::from_secs(15);
/// Bytes that are taken out of the ring at a time.
const MAX_BATCH: usize = 4 << 20;
/// A camera that changes its size again and again gets a new clip this often at most.
const LEAST_PART: Duration = Duration::from_secs(1);
/// A disk that failed, other than by being full, is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Whether pictures come, as far as the recording has acted on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PictureFlow {
    Away,
    Live,
    /// They have stopped, and no fault was told yet.
    StoppedUntold,
}

pub struct RecorderThread {
    camera: RecordedCamera,
    statuses: StatusReader,
    ring: PacketRing,
    frames: Reader<Frame>,
    folder: ClipFolder,
    plan: RecordingPlan,
    log: EventLog,
    id: CameraId,
    /// The last event of the log that was looked at.
    last_event: u64,
    /// Each asks for a clip of what is kept; disconnected when it is to end.
    orders: Receiver<()>,
    out: Latest<RecorderNews>,

    tending: Tending,
    triggers: FaultTriggers,
    rotation: Rotation,
    lapse: Option<TimeLapse>,
    disk: FullDisk,
    meter: StorageMeter,

    part: Option<ClipPart>,
    /// The last one before a fault, which is to stand beside the clip.
    picture: Option<Arc<Frame>>,
    /// One was left unclosed, for want of room or because the disk failed.
    has_left: bool,
    /// Why a clip is to be begun, with the next key packet from the cursor on.
    wanted: Option<ClipReason>,
    /// The number of the next packet to be looked at.
    cursor: u64,
    /// The clip ends here for now.
    until: Option<Instant>,
    awaits_key: bool,

    flow: PictureFlow,
    good_since: Option<Instant>,
    /// Why there is no picture, or was none last.
    cause: String,
    fault: Option<Fault>,
    picture_faults: BTreeSet<PictureFaultKind>,
    /// Since when they have been, and whether they were acted on.
    alerts: BTreeMap<AlertName, (Instant, bool)>,
    /// Damaged pictures and all, as of the last look.
    damage: Option<(Instant, u64, u64)>,

    status: RecordingStatus,
    /// Pictures lost since the disk's figures were told.
    n_lost_untold: u64,
    told_at: Option<Instant>,
    tended_at: Option<Instant>,
    retry_at: Option<Instant>,
}

impl RecorderThread {
    pub fn new(
        camera: &Camera,
        id: CameraId,
        folder: ClipFolder,
        plan: RecordingPlan,
        log: &EventLog,
        orders: Receiver<()>,
        out: Latest<RecorderNews>,
    ) -> Self {
        let (statuses, ring) = (camera.status(), camera.packets());
        let (source, name) = statuses.current().map_or_else(Default::default, |status| {
            let status: &Status = &status;
            (status.source.clone(), status.called().clone())
        });
        let lapse = match plan.mode {
            RecordingMode::TimeLapse(period) => Some(TimeLapse::new(period)),
            RecordingMode::Faults | RecordingMode::Continuous => None,
        };
        let settings = TriggerSettings { before: plan.before, ..TriggerSettings::default() };
        let status = RecordingStatus { mode: plan.mode.slug(), ..RecordingStatus::default() };
        Self {
            camera: RecordedCamera { source, name },
            statuses,
            ring,
            frames: camera.frames(),
            tending: Tending::new(folder.clone(), plan.limits),
            folder,
            triggers: FaultTriggers::new(settings),
            rotation: Rotation::new(plan.part, plan.place, plan.n_cameras),
            lapse,
            disk: FullDisk::new(plan.limits.least_free_bytes),
            meter: StorageMeter::new(Instant::now()),
            plan,
            log: log.of_camera(id),
            id,
            last_event: log.since(0).last().map_or(0, |event| event.id),
            orders,
            out,
            part: None,
            picture: None,
            has_left: false,
            wanted: None,
            cursor: 0,
            until: None,
            awaits_key: true,
            flow: PictureFlow::Away,
            good_since: None,
            cause: String::new(),
            fault: None,
            picture_faults: BTreeSet::new(),
            alerts: BTreeMap::new(),
            damage: None,
            status,
            n_lost_untold: 0,
            told_at: None,
            tended_at: None,
            retry_at: None,
        }
    }

    pub fn run(mut self) {
        if let Some(reason) = self.reason_of_all() {
            self.want(reason, 0);
        }
        loop {
            // A fragment is half a second long: who looks at each packet as it comes only wakes up more often.
            let order = self.orders.recv_timeout(SLICE);
            let is_over = order == Err(RecvTimeoutError::Disconnected);
            let now = Instant::now();
            self.follow_status(now);
            if order.is_ok() {
                self.trigger(&Trigger::Manual, now);
            }
            self.note_events();
            self.write(now);
            self.tend(now);
            if is_over {
                break;
            }
            self.tell(now);
        }
        let effects = self.triggers.on_stop();
        self.carry_out(effects);
        self.close();
        self.told_at = None;
        self.tell(Instant::now());
    }

    /// Of a clip that is written whatever happens.
    fn reason_of_all(&self) -> Option<ClipReason> {
        match self.plan.mode {
            RecordingMode::Faults => None,
            RecordingMode::Continuous => Some(ClipReason::new(ClipKind::Continuous, "")),
            RecordingMode::TimeLapse(_) => Some(ClipReason::new(ClipKind::TimeLapse, "")),
        }
    }

    // ---- when

    fn follow_status(&mut self, now: Instant) {
        if let Some(fresh) = self.statuses.take_fresh() {
            let status = fresh.value;
            self.camera = RecordedCamera { source: status.source.clone(), name: status.called().clone() };
            let is_live = status.state == State::Streaming;
            if !is_live && let Some(fault) = &status.last_fault {
                self.cause = fault.message.to_string();
            }
            self.flow = match (self.flow, status.state) {
                (_, State::Streaming) => PictureFlow::Live,
                (PictureFlow::Away, _) | (_, State::Idle) => PictureFlow::Away,
                _ => PictureFlow::StoppedUntold,
            };
            if let Some(fault) = status.last_fault.as_ref().filter(|_| self.flow == PictureFlow::StoppedUntold) {
                self.flow = PictureFlow::Away;
                self.trigger(&Trigger::Fault(fault.kind), now);
                self.fault = Some(fault.clone());
                if let Some(part) = &mut self.part {
                    part.on_fault(fault);
                }
            }
            let picture_faults: BTreeSet<_> = status.picture_faults.iter().map(|found| found.kind).collect();
            for kind in picture_faults.difference(&self.picture_faults.clone()) {
                self.trigger(&Trigger::Picture(*kind), now);
            }
            self.follow_alerts(&status, now);
            if self.is_damaged(status.drops, status.frames, now) {
                self.trigger(&Trigger::Damage, now);
            }
            let is_good = is_live && picture_faults.is_empty();
            self.good_since = if is_good { self.good_since.or(Some(now)) } else { None };
            self.picture_faults = picture_faults;
        }
        if self.plan.mode == RecordingMode::Faults {
            let effects = self.triggers.on_pictures(self.good_since, now);
            self.carry_out(effects);
        }
    }

    /// An alert follows a fault, which says more: it is a cause of its own only where none came.
    fn follow_alerts(&mut self, status: &Status, now: Instant) {
        self.alerts.retain(|name, _| status.alerts.iter().any(|alert| alert.name == *name));
        for alert in &status.alerts {
            let (since, is_done) = self.alerts.entry(alert.name).or_insert((now, false));
            let is_untold = self.flow == PictureFlow::StoppedUntold;
            let after = if is_untold { LONGEST_UNTIL_CAUSE } else { ALERT_AFTER };
            if now.saturating_duration_since(*since) >= after && !std::mem::replace(is_done, true) {
                self.trigger(&Trigger::Alert(alert.name), now);
            }
        }
    }

    /// Whether too many pictures of the last seconds were damaged.
    fn is_damaged(&mut self, drops: Drops, n_frames: u64, now: Instant) -> bool {
        let (n_damaged, n) = (drops.damaged + drops.concealed, n_frames + drops.damaged);
        let Some((at, n_damaged_before, n_before)) = self.damage else {
            self.damage = Some((now, n_damaged, n));
            return false;
        };
        if now.saturating_duration_since(at) < DAMAGE_PERIOD {
            return false;
        }
        self.damage = Some((now, n_damaged, n));
        criteria::is_lossy(n_damaged.saturating_sub(n_damaged_before), n.saturating_sub(n_before))
    }

    fn trigger(&mut self, trigger: &Trigger, now: Instant) {
        // Where pictures come as pixels, the recording has less of them than came.
        let picture = if self.ring.are_made_of_pictures() { self.frames.current() } else { None };
        // What is written all the time has it already.
        if self.plan.mode == RecordingMode::Faults {
            let effects = self.triggers.on_trigger(trigger, now);
            self.carry_out(effects);
        }
        let is_written = self.part.is_some() || self.wanted.is_some();
        let has_picture = self.picture.is_some() || self.part.as_ref().is_some_and(ClipPart::has_picture);
        if is_written && !has_picture && self.lapse.is_none() {
            self.picture = picture;
        }
    }

    fn carry_out(&mut self, effects: Vec<TriggerEffect>) {
        for effect in effects {
            match effect {
                TriggerEffect::Begin { reason, from } => {
                    let number = self.ring.number_at(from);
                    self.until = None;
                    self.want(reason, number);
                }
                TriggerEffect::NextPart { reason } => {
                    self.close();
                    self.want(reason, self.cursor);
                }
                TriggerEffect::End => {
                    self.write(Instant::now());
                    self.close();
                    (self.wanted, self.until, self.picture) = (None, None, None);
                }
                TriggerEffect::Rest { until } => self.until = Some(until),
                TriggerEffect::GoOn => self.until = None,
                TriggerEffect::Join(_) => {}
                TriggerEffect::Limited { reason, max_per_hour } => {
                    let message = format!(
                        "This hour has {max_per_hour} clips of “{reason}” already: further ones are counted, and not written."
                    );
                    self.log(Level::Warning, message);
                }
                TriggerEffect::LeftOut { reason, n } => {
                    self.log(Level::Info, format!("{n} times “{reason}” was not written; from now on it is again."));
                }
            }
        }
    }

    // ---- what

    fn want(&mut self, reason: ClipReason, from: u64) {
        self.wanted = Some(reason);
        self.cursor = from;
        self.awaits_key = true;
    }

    fn note_events(&mut self) {
        let events = self.log.since(self.last_event);
        self.last_event = events.last().map_or(self.last_event, |event| event.id);
        if let Some(part) = &mut self.part {
            events.iter().filter(|event| event.camera == Some(self.id)).for_each(|event| part.add_event(event));
        }
    }

    /// Writes what has come, and behind it the picture of the fault: to code that takes its time.
    fn write(&mut self, now: Instant) {
        self.write_packets(now);
        if let Some(part) = &mut self.part
            && let Some(picture) = self.picture.take()
            && let Err(error) = part.add_picture(&picture)
        {
            let message = format!("The picture of the fault was not saved beside the clip: {error}.");
            self.log(Level::Warning, message);
        }
    }

    fn write_packets(&mut self, now: Instant) {
        if self.disk.is_stopped() {
            let effects = self.disk.step(DiskInput::KeyPicture, now);
            self.on_disk(effects);
        }
        if self.part.is_none() && self.wanted.is_none() {
            self.cursor = self.ring.end();
            return;
        }
        if self.disk.is_stopped() || self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        let waits = self.ring.kept_from(self.cursor);
        self.meter.on_queue(waits.n_bytes as u64, waits.span, std::mem::take(&mut self.n_lost_untold), now);
        loop {
            let taken = self.ring.take_from(self.cursor, MAX_BATCH);
            let n_missed = taken.n_missed();
            if n_missed > 0 && self.part.is_some() {
                self.lose(n_missed);
            }
            self.cursor = self.cursor.max(taken.next - taken.packets.len() as u64);
            if taken.packets.is_empty() {
                break;
            }
            for packet in &taken.packets {
                if self.until.is_some_and(|until| packet.taken_at > until) {
                    return self.tick(now);
                }
                self.cursor += 1;
                self.write_one(packet, now);
                if self.disk.is_stopped() || self.retry_at.is_some() {
                    return;
                }
            }
        }
        self.tick(now);
    }

    fn tick(&mut self, now: Instant) {
        if let Some(part) = &mut self.part {
            let ticked = part.tick(now);
            let calls = part.calls();
            self.measure(calls, now);
            if let Err(error) = ticked {
                self.on_error(&error, now);
            }
        }
    }

    fn write_one(&mut self, packet: &Arc<Packet>, now: Instant) {
        if self.lapse.as_mut().is_some_and(|lapse| !lapse.takes(packet.is_key, packet.taken_at)) {
            return;
        }
        if self.awaits_key && !packet.is_key {
            if self.part.is_some() {
                self.lose(1);
            }
            return;
        }
        let n_bytes = packet.bytes.len() as u64;
        let part_bytes = self.part.as_ref().map_or(0, ClipPart::n_bytes);
        let is_divided = self.part.is_some() && self.reason_of_all().is_some();
        if is_divided && packet.is_key && self.rotation.is_due(true, n_bytes, part_bytes, packet.taken_at) {
            self.end_part_for_next();
        }
        if self.part.is_none() && !self.begin(packet, now) {
            return;
        }
        let Some(part) = &mut self.part else { return };
        let pushed = part.push(packet, &self.cause);
        let is_soon = packet.taken_at < part.began + LEAST_PART;
        let calls = part.calls();
        self.measure(calls, now);
        match pushed {
            Ok(Push::Taken) => {
                self.awaits_key = false;
                self.status.pictures += 1;
                self.status.bytes += n_bytes;
                // Of a time lapse those between are not wanted.
                if self.lapse.is_none() {
                    let n_lost = self.part.as_mut().map_or(0, |part| part.add_lost_before(packet));
                    self.status.lost = self.status.lost.saturating_add(n_lost);
                }
            }
            // Those of the other size are left out meanwhile: a camera that changes it with each picture fills no folder with files.
            Ok(Push::NeedsNewPart) if is_soon => self.lose(1),
            Ok(Push::NeedsNewPart) => {
                self.end_part_for_next();
                if packet.is_key {
                    self.write_one(packet, now);
                } else {
                    self.lose(1);
                }
            }
            Err(error) => {
                self.lose(1);
                self.on_error(&error, now);
            }
        }
    }

    /// The next one, for the same reason, begins with the next key packet.
    fn end_part_for_next(&mut self) {
        let reason = self.part.as_ref().map(|part| part.reason.clone());
        self.close();
        self.wanted = self.wanted.take().or(reason);
        self.awaits_key = true;
    }

    fn begin(&mut self, packet: &Packet, now: Instant) -> bool {
        let Some(reason) = self.wanted.clone() else { return false };
        match ClipPart::begin(&self.folder, &self.camera, &reason, packet) {
            Ok(mut part) => {
                if let Some(fault) = self.fault.as_ref().filter(|_| reason.kind() == ClipKind::Fault) {
                    part.on_fault(fault);
                }
                // What has led to it is in the log already.
                let (before, began) = (self.log.since(0), part.began);
                let before = before.iter().filter(|event| event.id <= self.last_event && event.instant >= began);
                before.filter(|event| event.camera == Some(self.id)).for_each(|event| part.add_event(event));
                self.status.trouble = None;
                self.rotation.on_part(packet.taken_at);
                self.part = Some(part);
                self.wanted = None;
                true
            }
            Err(trouble) => {
                let message = trouble.sentence(self.folder.path());
                self.give_up_for_now(message, now);
                false
            }
        }
    }

    fn close(&mut self) {
        let Some(mut part) = self.part.take() else { return };
        let closed = part.close();
        let calls = part.calls();
        self.measure(calls, Instant::now());
        match closed {
            Ok(path) => {
                self.status.clips += 1;
                self.status.last_clip = Some(path.display().to_string());
                let sidecar = &part.sidecar;
                let message = format!("A clip of {:.0} s was saved: {}", sidecar.secs(), path.display());
                self.log(Level::Info, message);
                self.tending.on_change();
            }
            // Not one picture: the file is gone.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => part.forget(),
            Err(error) => {
                self.meter.on_error(&error);
                self.leave(part);
                let message = format!("A clip could not be closed: {error}. It is closed when the disk takes it.");
                self.log(Level::Warning, message);
            }
        }
    }

    /// What is written plays already; it is closed later.
    fn leave(&mut self, part: ClipPart) {
        part.leave();
        self.has_left = true;
    }

    fn lose(&mut self, n: u64) {
        self.status.lost += n;
        self.n_lost_untold += n;
        if let Some(part) = &mut self.part {
            part.add_lost(n);
        }
    }

    // ---- the disk

    fn measure(&mut self, calls: Vec<DiskCall>, now: Instant) {
        for call in calls {
            match call {
                DiskCall::Write { n_bytes, took } => self.meter.on_write(n_bytes, took, now),
                DiskCall::Sync { took } => self.meter.on_sync(took, now),
            }
        }
    }

    fn on_error(&mut self, error: &std::io::Error, now: Instant) {
        self.meter.on_error(error);
        self.awaits_key = true;
        if is_full(error) {
            let effects = self.disk.step(DiskInput::WriteFailed, now);
            return self.on_disk(effects);
        }
        if let Some(part) = self.part.take() {
            self.wanted = Some(part.reason.clone());
            self.leave(part);
        }
        let trouble = FolderTrouble::of(error).sentence(self.folder.path());
        self.give_up_for_now(trouble, now);
    }

    fn give_up_for_now(&mut self, trouble: String, now: Instant) {
        self.retry_at = Some(now + RETRY);
        if self.status.trouble.as_ref() != Some(&trouble) {
            self.log(Level::Error, trouble.clone());
        }
        self.status.trouble = Some(trouble);
    }

    fn on_disk(&mut self, effects: Vec<DiskEffect>) {
        for effect in effects {
            let now = Instant::now();
            let answer = match effect {
                DiskEffect::FreeAClip => {
                    let tended = self.tending.free_one(event::now(), now);
                    let freed = tended.freed_bytes;
                    self.tell_tended(tended);
                    DiskInput::Freed(freed)
                }
                DiskEffect::WriteAgain => match self.part.as_mut().map(|part| part.tick(now)) {
                    Some(Err(_)) => DiskInput::WriteFailed,
                    Some(Ok(())) | None => DiskInput::Written,
                },
                DiskEffect::Stop => {
                    if let Some(part) = self.part.take() {
                        self.wanted = Some(part.reason.clone());
                        self.leave(part);
                    }
                    let trouble = FolderTrouble::Full.sentence(self.folder.path());
                    self.log(Level::Error, trouble.clone());
                    self.status.trouble = Some(trouble);
                    continue;
                }
                DiskEffect::Look => DiskInput::Free(free_bytes(self.folder.path()).ok()),
                DiskEffect::Resume => {
                    self.status.trouble = None;
                    self.awaits_key = true;
                    self.log(Level::Good, "There is room on the disk again: recording goes on.".to_owned());
                    continue;
                }
            };
            let more = self.disk.step(answer, Instant::now());
            self.on_disk(more);
        }
    }

    fn tend(&mut self, now: Instant) {
        if self.tended_at.is_some_and(|at| now.saturating_duration_since(at) < TEND_PERIOD) {
            return;
        }
        self.tended_at = Some(now);
        let rate = self.meter.bytes_per_sec(now);
        let tended = self.tending.tend(rate, event::now(), now);
        let free = tended.free_bytes;
        self.meter.on_free(free);
        self.tell_tended(tended);
        self.disk.set_rate(rate);
        let effects = self.disk.step(DiskInput::Free(free), now);
        self.on_disk(effects);
        if self.has_left && !self.disk.is_stopped() && self.retry_at.is_none() {
            self.has_left = false;
            repair_aside(&self.folder, &self.log);
        }
    }

    fn tell_tended(&self, tended: Tended) {
        tended.deleted.into_iter().for_each(|message| self.log(Level::Info, message));
        tended.notices.into_iter().for_each(|message| self.log(Level::Warning, message));
    }

    fn log(&self, level: Level, message: String) {
        self.log.add(&self.camera.source, level, "recording", message);
    }

    fn tell(&mut self, now: Instant) {
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < NEWS_PERIOD) {
            return;
        }
        self.told_at = Some(now);
        let part = self.part.as_ref();
        self.status.is_writing = part.is_some();
        self.status.reason = part.map(|part| part.reason.to_string());
        self.status.secs = part.map_or(0.0, |part| now.saturating_duration_since(part.began).as_secs_f64());
        let storage = self.meter.health(self.disk.is_stopped(), now);
        self.out.publish(RecorderNews::new(now, self.status.clone(), storage, self.ring.kept()));
    }
}
