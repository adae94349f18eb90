//! Network cameras as sources: [`crate::network`] holds the conversation, and FFmpeg decodes what comes over RTSP.
//!
//! Part of the worker program alone, as its neighbour `opencv.rs`. JPEGs over HTTP need no FFmpeg.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use opencv::core::{Mat, Vec3b, Vector};
use opencv::prelude::*;
use opencv::videoio;

use super::{bad_frame, first_line, picture_of, to_u32};
use crate::address::Address;
use crate::backend::Backend;
use crate::codec;
use crate::fault::{Fault, FaultKind};
use crate::frame::{PixelFormat, Size};
use crate::latest::{Latest, Reader};
use crate::network::age::Ages;
use crate::network::connection::Connection;
use crate::network::gateway::{Gateway, PictureCount};
use crate::network::http::{self, HttpStreamKind};
use crate::network::jpeg_size;
use crate::network::relay::Relay;
use crate::network::sdp::{Codec, SessionDescription};
use crate::network::test::{KEY_FRAME_ADVICE, without_sets};
use crate::network::{ConnectionParameters, OpenedStream, PacketEvidence, open_stream, step_deadline};
use crate::packet::{Packet, PacketSink};
use crate::source::reader::stall_deadline;
use crate::source::{Demand, Grabbed, OpenRequest, Picture, Source};
use crate::status::Got;

/// The share of the time for opening that FFmpeg gets where it asks by itself.
const SHARE_OF_STEP: f64 = 0.7;
/// The share of the time up to the first picture that the conversation may take, each of its steps within its own.
const SHARE_OF_PATIENCE: f64 = 0.7;
/// FFmpeg has the first key frame before it begins.
const PLAYER_DEADLINE: Duration = Duration::from_secs(3);
/// The share of the time that counts as a stall for which FFmpeg waits for a picture, so that its call returns first.
const SHARE_OF_STALL: f64 = 0.9;
/// Pictures that a decoder keeps back before it hands the first one out, where that is not known, and at most.
const USUALLY_KEPT: u32 = 2;
const MAX_KEPT: u32 = 8;
/// So many pictures are dropped at a time because newer ones wait; then one is shown, so that the picture moves.
const MAX_SKIPPED: u32 = 15;
/// No more pictures are taken for lost between two, and one more.
const MAX_MISSING: f64 = 1_000.0;
/// The longest time from one picture of a video to the next that is waited for.
const LONGEST_STEP: Duration = Duration::from_millis(500);
/// Pictures that are older are dropped if newer ones wait.
const STALE: Duration = Duration::from_millis(100);
/// The rate at which snapshots are asked for at most: each is a request of its own. One a second is what is expected of a camera.
const MAX_SNAPSHOT_FPS: f64 = 5.0;
const EXPECTED_SNAPSHOT_FPS: f64 = 1.0;
/// A snapshot may take so much longer than the first one.
const SNAPSHOT_SPARE: f64 = 1.25;
/// How long a snapshot is waited for where others came before: cameras make them beside their other work.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(10);
/// The same of the next picture of a stream.
const STREAM_PATIENCE: Duration = Duration::from_mins(1);
/// How long pictures behind the first one are waited for to know the pace of a stream, and from which distance on that is a slow one's.
const SECOND_PATIENCE: Duration = Duration::from_millis(3_500);
const SLOW: Duration = Duration::from_millis(200);
/// How often it is told what the packets have shown.
const EVIDENCE_PERIOD: Duration = Duration::from_millis(250);
/// How long it is waited for the answer of a camera whose stream has stopped: less than whoever reads waits for a frame beyond its
/// deadline.
const ANSWER_PATIENCE: Duration = Duration::from_millis(300);
const BUSY_PAUSE: Duration = Duration::from_millis(500);

/// Opens an address. Blocks for the request's deadlines for opening and for the first picture at most.
///
/// # Errors
/// The first step that failed, as the camera said it.
pub fn open(backend: Backend, api: i32, address: &Address, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let settings = PlaySettings { backend, api, address: address.clone(), request: request.clone() };
    let playing = Some(settings.play()?);
    Ok(Box::new(NetworkSource { settings, playing }))
}

struct NetworkSource {
    settings: PlaySettings,
    /// `None` while it is opened anew, and when that has failed.
    playing: Option<Box<dyn OpenedNetworkStream>>,
}

/// A stream that has been opened. The methods are those of [`Source`].
trait OpenedNetworkStream {
    fn got(&self) -> Got;
    fn grab(&mut self) -> Result<Grabbed, Fault>;
    fn retrieve(&mut self) -> Result<Picture<'_>, Fault>;
    fn retrieve_into(&mut self, _size: Size, _room: &mut [u8]) -> Option<Result<(), Fault>> {
        None
    }
    fn evidence(&mut self) -> Option<PacketEvidence> {
        None
    }
    fn set_demand(&mut self, _demand: Demand) -> bool {
        false
    }
}

impl NetworkSource {
    fn playing(&mut self) -> Result<&mut dyn OpenedNetworkStream, Fault> {
        match &mut self.playing {
            Some(playing) => Ok(&mut **playing),
            None => Err(Fault::new(FaultKind::ReadFailed, format!("{} is not open", self.settings.request.spec))),
        }
    }
}

impl Source for NetworkSource {
    fn got(&self) -> Got {
        self.playing.as_ref().map_or_else(Got::default, |playing| playing.got())
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.playing()?.grab()
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        self.playing()?.retrieve()
    }

    fn retrieve_into(&mut self, size: Size, room: &mut [u8]) -> Option<Result<(), Fault>> {
        self.playing.as_mut()?.retrieve_into(size, room)
    }

    fn evidence(&mut self) -> Option<PacketEvidence> {
        self.playing.as_mut()?.evidence()
    }

    fn set_demand(&mut self, demand: Demand) -> bool {
        self.settings.request.demand = demand;
        self.playing.as_mut().is_some_and(|playing| playing.set_demand(demand))
    }

    fn restart(&mut self) -> Result<(), Fault> {
        // First: the camera may serve no second viewer.
        self.playing = None;
        self.playing = Some(self.settings.play_again()?);
        let demand = self.settings.request.demand;
        self.set_demand(demand);
        Ok(())
    }
}

/// All that is needed to open the address, as often as it has to be.
struct PlaySettings {
    backend: Backend,
    api: i32,
    address: Address,
    request: OpenRequest,
}

impl PlaySettings {
    /// A camera that has just given snapshots and is busy for a moment has not reached its limit of viewers.
    fn play_again(&self) -> Result<Box<dyn OpenedNetworkStream>, Fault> {
        let deadline = Instant::now() + self.request.open_deadline;
        loop {
            match self.play() {
                Err(fault)
                    if fault.kind == FaultKind::SessionLimit
                        && !self.address.scheme.is_rtsp()
                        && Instant::now() + BUSY_PAUSE < deadline
                        && self.request.cancel.recv_timeout(BUSY_PAUSE) == Err(RecvTimeoutError::Timeout) => {}
                played => return played,
            }
        }
    }

    fn play(&self) -> Result<Box<dyn OpenedNetworkStream>, Fault> {
        let request = &self.request;
        let over_at = Instant::now() + request.open_patience();
        let parameters = ConnectionParameters {
            address: self.address.clone(),
            network: request.network.clone(),
            logins: request.logins.clone(),
            step_deadline: step_deadline(request.open_deadline),
            // A camera may take its time for each answer.
            deadline: Instant::now() + request.open_patience().mul_f64(SHARE_OF_PATIENCE),
            cancel: request.cancel.clone(),
        };
        match open_stream(&parameters, &mut |_| ())? {
            OpenedStream::Rtsp { client, description } => {
                let gateway = Gateway::start(
                    client,
                    &description,
                    request.network.transport,
                    parameters.deadline,
                    request.first_frame_deadline.min(over_at.saturating_duration_since(Instant::now())),
                    request.packets.clone(),
                    &request.cancel,
                )?;
                Ok(Box::new(RtspPlayback::start(gateway, &description, self)?))
            }
            OpenedStream::Http { stream } if stream.kind() == HttpStreamKind::Video => {
                let address = stream.address().clone();
                drop(stream);
                let relay = Relay::start(&parameters, &address)?;
                Ok(Box::new(VideoPlayback::start(relay, self)?))
            }
            OpenedStream::Http { stream } => Ok(Box::new(HttpPlayback::start(stream, request, parameters.deadline)?)),
        }
    }
}

/// A stream that a gateway passes on to FFmpeg. Dropping it ends the session.
struct RtspPlayback {
    // FFmpeg first: it ends its session with the gateway.
    video: videoio::VideoCapture,
    gateway: Gateway,
    mat: Mat,
    got: Got,
    /// For messages; without a password.
    name: String,
    frame_deadline: Duration,
    ages: Ages,
    last_stamp: Duration,
    /// When its first key picture had come.
    began: Instant,
    /// When the picture was taken that was told of last.
    told_at: Option<Instant>,
    /// Pictures so far, with those that were lost or thrown away.
    n_pictures: u64,
    n_lost: u64,
    /// FFmpeg reads no more once it has waited in vain: what it hands out afterwards is what its decoder has kept.
    over: Option<Fault>,
    /// The time from one picture to the next.
    period: Duration,
    /// Pictures that the decoder has handed out, and the fewest that it has kept back: threads of its own hold one each.
    n_decoded: u64,
    least_kept: Option<u64>,
    pictures: Reader<PictureCount>,
    shows_keys: bool,
    unseen: Unseen,
    evidence_due: Instant,
}

/// While nobody looks, the gateway leaves out all but key pictures, and tells what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unseen {
    /// Everything is decoded.
    No,
    /// So many pictures have been told of, and so many key pictures decoded.
    Yes { n_told: u64, n_keys: u64 },
    /// Everything is wanted again, and comes once more than so many have been passed on.
    Ending { n_told: u64, n_passed: u64 },
}

impl RtspPlayback {
    fn start(gateway: Gateway, description: &SessionDescription, play: &PlaySettings) -> Result<Self, Fault> {
        let PlaySettings { backend, api, request, .. } = play;
        let name = request.spec.to_string();
        let began = Instant::now();
        let mut arrivals = gateway.pictures();
        let pace =
            slow_pace(Instant::now(), |until| arrivals.wait_fresh(until).map(|count| count.value.at.unwrap_or(until)));
        let fps = description.video.fps.or(pace);
        let frame_deadline = stall_deadline(request.frame_deadline, fps);
        let video = if *backend == Backend::Gstreamer {
            // Of our own making: nothing in it was typed by anybody.
            let pipeline = format!(
                "rtspsrc location={} protocols=tcp latency=0 ! decodebin ! videoconvert ! video/x-raw,format=BGR ! \
                 appsink drop=true max-buffers=1 sync=false",
                gateway.url()
            );
            videoio::VideoCapture::from_file(&pipeline, *api)
        } else {
            // A picture that becomes whole bit by bit has the time of a first one: FFmpeg reads no more once it has waited in vain.
            let is_whole = arrivals.current().is_none_or(|count| count.has_whole_key);
            let read = if is_whole { frame_deadline } else { frame_deadline.max(request.first_frame_deadline) };
            let parameters = deadlines(PLAYER_DEADLINE, read);
            videoio::VideoCapture::from_file_with_params(gateway.url(), *api, &parameters)
        };
        let video = match video {
            Ok(video) if video.is_opened().unwrap_or(false) => video,
            Ok(_) | Err(_) => return Err(why_not_played(&gateway, &name)),
        };
        let played = played(&video);
        let codec = gateway.found().format.codec;
        let format = match codec {
            Codec::Jpeg => Some(PixelFormat::MJPG),
            _ => played.format,
        };
        // The rate that FFmpeg makes of a few packets is a guess.
        let got = Got { size: played.size.or(description.video.size), fps, format, n_buffers: None };
        let pictures = gateway.pictures();
        Ok(Self {
            video,
            gateway,
            mat: Mat::default(),
            got,
            name,
            frame_deadline,
            ages: Ages::default(),
            last_stamp: Duration::ZERO,
            began,
            told_at: None,
            n_pictures: 0,
            n_lost: 0,
            over: None,
            period: Duration::ZERO,
            n_decoded: 0,
            least_kept: None,
            pictures,
            shows_keys: codec.shows_keys(),
            unseen: Unseen::No,
            evidence_due: began,
        })
    }

    fn why_no_frame(&mut self, waited: Duration) -> Fault {
        self.evidence_due = Instant::now();
        let name = &self.name;
        let last_at = self.pictures.current().and_then(|count| count.at);
        let silent = self.silence();
        // Of a single picture no pace is known.
        let is_alone = last_at.is_none() && silent >= SECOND_PATIENCE;
        match self.gateway.fault() {
            Some(fault) if fault.kind == FaultKind::Backlog => fault,
            Some(fault) => {
                let ended =
                    Fault::new(FaultKind::Unreachable, format!("the stream of {name} has ended: {}", fault.message));
                Fault { code: fault.code, ..ended }
            }
            // FFmpeg reads no more once it has waited in vain: that no picture has come counts, not how soon it says so.
            None if is_alone || waited.max(silent) >= self.longest_silence() => {
                // Where packets come, it is the decoder that is late.
                if silent >= self.longest_silence() {
                    self.gateway.find_out_whether_it_answers(ANSWER_PATIENCE);
                }
                let secs = waited.max(silent).as_secs_f64();
                Fault::new(FaultKind::Stall, format!("no picture came from {name} for {secs:.1} s"))
            }
            None => why_not_decoded(&self.gateway, name).unwrap_or_else(|| match self.gateway.n_lost() {
                0 => Fault::new(
                    FaultKind::OpenFailed,
                    format!("pictures of {name} come, and the decoder finds none in them any more"),
                )
                .with_advice(
                    "Restart the camera; choose another profile or H.264 in its settings; update its firmware.",
                ),
                n => Fault::new(
                    FaultKind::Stall,
                    format!("pictures of {name} come, and cannot be decoded: {n} of their packets were lost"),
                ),
            }),
        }
    }

    /// For how long no picture has come.
    fn silence(&self) -> Duration {
        self.pictures.current().and_then(|count| count.at).unwrap_or(self.began).elapsed()
    }

    fn longest_silence(&self) -> Duration {
        self.frame_deadline.mul_f64(SHARE_OF_STALL * SHARE_OF_STALL)
    }

    /// When the picture was taken that was grabbed last, and how long after the one before.
    fn on_grabbed(&mut self, now: Instant) -> (Instant, Duration) {
        let Some(stamp) = stamp_of(&self.video) else { return (now, Duration::ZERO) };
        let period = stamp.saturating_sub(self.last_stamp);
        self.last_stamp = stamp;
        if let Some(rate) = self.gateway.reported_rate() {
            self.ages.on_report(rate);
        }
        let newest = self.pictures.current().and_then(|count| count.newest);
        let taken_at = self.ages.taken_at(stamp, newest, now);
        (self.not_before_the_last(taken_at), period)
    }

    /// Not to be taken for a camera whose clock goes back: a picture that is left out is told of as it comes, so before the key
    /// picture ahead of it that the decoder still has; and the first picture that came quicker shows that all were later.
    fn not_before_the_last(&mut self, taken_at: Instant) -> Instant {
        let taken_at = self.told_at.map_or(taken_at, |last| last.max(taken_at));
        self.told_at = Some(taken_at);
        taken_at
    }

    /// Waits for the next picture that the decoder hands out.
    fn grab_one(&mut self, began: Instant) -> Result<(), Fault> {
        if let Some(over) = &self.over {
            self.pictures.wait_fresh(began + self.frame_deadline.mul_f64(SHARE_OF_STALL));
            return Err(over.clone());
        }
        match self.video.grab() {
            // Behind a silence it is what the decoder has kept, and no picture of now.
            Ok(true) if self.silence() < self.longest_silence() => {
                self.n_decoded += 1;
                Ok(())
            }
            Ok(_) => {
                let fault = self.why_no_frame(began.elapsed());
                self.over = Some(fault.clone()).filter(|fault| fault.kind == FaultKind::Stall);
                Err(fault)
            }
            Err(error) => {
                let why = first_line(&error.message);
                Err(Fault::new(FaultKind::ReadFailed, format!("reading from {} failed: {why}", self.name)))
            }
        }
    }

    /// The same while nobody looks: each picture that came is told of, and key pictures are decoded.
    fn grab_unseen(&mut self) -> Result<Grabbed, Fault> {
        let began = Instant::now();
        let deadline = began + self.frame_deadline.mul_f64(SHARE_OF_STALL);
        loop {
            let Some(count) = self.pictures.current().map(|count| *count) else {
                self.wait_for_picture(began, deadline)?;
                continue;
            };
            let n_told = match &mut self.unseen {
                Unseen::No => return self.grab_seen(),
                Unseen::Yes { n_told, n_keys } if count.n_keys > *n_keys => {
                    *n_keys += 1;
                    // It is one of those that are told of.
                    *n_told += 1;
                    return self.grab_key(began, count.key_gap);
                }
                Unseen::Ending { n_passed, .. } if count.n_passed > *n_passed => {
                    self.unseen = Unseen::No;
                    return self.grab_key(began, count.key_gap);
                }
                Unseen::Yes { n_told, .. } | Unseen::Ending { n_told, .. } => n_told,
            };
            if *n_told < count.n_seen {
                *n_told += 1;
                self.count_picture(None);
                let taken_at = self.not_before_the_last(count.at.unwrap_or(began));
                return Ok(Grabbed { is_left_out: true, ..Grabbed::new(taken_at, Some(self.n_pictures)) });
            }
            self.wait_for_picture(began, deadline)?;
        }
    }

    /// `gap` is how long after the picture before it was made, by their time stamps, where that is known.
    fn count_picture(&mut self, gap: Option<Duration>) {
        self.n_pictures += 1;
        let n_lost = self.gateway.n_lost();
        if n_lost > self.n_lost {
            // Packets of one picture, unless more are missing.
            let n_periods = gap.filter(|_| !self.period.is_zero()).map_or(0.0, |gap| gap.div_duration_f64(self.period));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of u64")]
            let n_missing = (n_periods.round().clamp(2.0, MAX_MISSING) as u64) - 1;
            self.n_pictures += n_missing;
            self.n_lost = n_lost;
        }
    }

    fn wait_for_picture(&mut self, began: Instant, deadline: Instant) -> Result<(), Fault> {
        match self.pictures.wait_fresh(deadline) {
            Some(_) if self.gateway.fault().is_none() => Ok(()),
            _ => Err(self.why_no_frame(began.elapsed())),
        }
    }

    /// The next key picture, that lies so far behind the picture before it. What the decoder still has of the others lies closer
    /// together.
    fn grab_key(&mut self, began: Instant, key_gap: Duration) -> Result<Grabbed, Fault> {
        self.count_picture(None);
        let mut n_others = 0;
        loop {
            self.grab_one(began)?;
            let (taken_at, gap) = self.on_grabbed(Instant::now());
            if gap >= key_gap.mul_f64(0.75) || n_others == MAX_KEPT {
                return Ok(Grabbed::new(taken_at, Some(self.n_pictures)));
            }
            n_others += 1;
        }
    }

    fn grab_seen(&mut self) -> Result<Grabbed, Fault> {
        let began = Instant::now();
        let mut n_skipped = 0;
        loop {
            let start = Instant::now();
            self.grab_one(began)?;
            let now = Instant::now();
            let (taken_at, period) = self.on_grabbed(now);
            // Behind a loss it does not tell how far pictures are apart.
            let has_lost = self.gateway.n_lost() > self.n_lost;
            if !period.is_zero() && (!has_lost || self.period.is_zero()) {
                self.period = period;
            }
            let kept = self.pictures.current().map(|count| count.n_passed.saturating_sub(self.n_decoded));
            self.least_kept = self.least_kept.map_or(kept, |least| kept.map(|kept| kept.min(least)));
            if self.ages.backlog(now).is_some() {
                let age = now.saturating_duration_since(taken_at).as_secs_f64();
                let message = format!("the pictures of {} come {age:.1} s late", self.name);
                return Err(Fault::new(FaultKind::Backlog, message));
            }
            // It came sooner than pictures are made, and others wait behind it. Those that are left out here nobody has lost.
            let has_waited = now.saturating_duration_since(start) < period / 2 && kept > self.least_kept;
            if has_waited && now.saturating_duration_since(taken_at) > STALE && n_skipped < MAX_SKIPPED {
                n_skipped += 1;
                continue;
            }
            self.count_picture(Some(period));
            return Ok(Grabbed::new(taken_at, Some(self.n_pictures)));
        }
    }
}

impl OpenedNetworkStream for RtspPlayback {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn evidence(&mut self) -> Option<PacketEvidence> {
        let now = Instant::now();
        if now < self.evidence_due {
            return None;
        }
        self.evidence_due = now + EVIDENCE_PERIOD;
        Some(self.gateway.evidence())
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        if self.unseen == Unseen::No { self.grab_seen() } else { self.grab_unseen() }
    }

    fn set_demand(&mut self, demand: Demand) -> bool {
        let is_unseen = demand == Demand::Checks && self.shows_keys;
        let count = self.pictures.current().map(|count| *count).unwrap_or_default();
        // One more makes sure that the key picture comes out.
        let kept = self.least_kept.map_or(USUALLY_KEPT, |kept| u32::try_from(kept).unwrap_or(u32::MAX));
        self.gateway.set_of_key(is_unseen.then(|| kept.min(MAX_KEPT) + 2));
        self.unseen = match (self.unseen, is_unseen) {
            (Unseen::No, true) => Unseen::Yes { n_told: count.n_seen, n_keys: count.n_keys },
            (Unseen::Ending { n_told, .. }, true) => Unseen::Yes { n_told, n_keys: count.n_keys },
            (Unseen::Yes { n_told, .. }, false) => Unseen::Ending { n_told, n_passed: count.n_passed },
            (unchanged, _) => unchanged,
        };
        is_unseen
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        decoded(&mut self.video, &mut self.mat, &self.name, &mut self.got)
    }

    fn retrieve_into(&mut self, size: Size, room: &mut [u8]) -> Option<Result<(), Fault>> {
        let (rows, columns) = (i32::try_from(size.height).ok()?, i32::try_from(size.width).ok()?);
        let place = room.as_ptr();
        let mut mat = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, room).ok()?;
        match self.video.retrieve_def(&mut mat) {
            // A picture of another size or kind is put elsewhere. It can be had once more.
            Ok(true) if !mat.empty() => (mat.data() == place && mat.rows() == rows).then_some(Ok(())),
            Ok(_) => Some(Err(bad_frame(&self.name, "it is empty"))),
            Err(error) => Some(Err(bad_frame(&self.name, first_line(&error.message)))),
        }
    }
}

/// The rate of a stream whose first picture came then, if it is a slow one: nothing else tells that it has not stopped. `next` waits for
/// the next picture until a moment, and tells when it came. Of two distances the shorter one counts: many cameras take their time
/// behind the first picture.
fn slow_pace(first: Instant, mut next: impl FnMut(Instant) -> Option<Instant>) -> Option<f64> {
    let until = first + SECOND_PATIENCE;
    let gap = |from: Instant, to: Option<Instant>| to.unwrap_or(until).saturating_duration_since(from);
    let second = next(until);
    let mut least = gap(first, second);
    if let Some(second) = second.filter(|_| least > SLOW) {
        least = least.min(next(until).map_or(SECOND_PATIENCE, |third| gap(second, Some(third))));
    }
    (least > SLOW).then(|| least.as_secs_f64().recip())
}

/// How long FFmpeg may take, below the program's own deadline for a frame. They hold only as parameters of opening, and only
/// with the backend named (opencv#20549).
fn deadlines(open: Duration, frame: Duration) -> Vector<i32> {
    let millis = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).max(1);
    let frame = frame.mul_f64(SHARE_OF_STALL);
    Vector::from_iter([
        videoio::CAP_PROP_OPEN_TIMEOUT_MSEC,
        millis(open),
        videoio::CAP_PROP_READ_TIMEOUT_MSEC,
        millis(frame),
    ])
}

/// The time stamp that FFmpeg gives with the picture that was grabbed last.
fn stamp_of(player: &videoio::VideoCapture) -> Option<Duration> {
    let millis = player.get(videoio::CAP_PROP_POS_MSEC).ok()?;
    Duration::try_from_secs_f64(millis / 1_000.0).ok()
}

/// What FFmpeg says that it plays.
fn played(video: &videoio::VideoCapture) -> Got {
    let number = |property| video.get(property).ok().filter(|value| value.is_finite() && *value > 0.0);
    let whole = |property| number(property).and_then(to_u32);
    let sides = whole(videoio::CAP_PROP_FRAME_WIDTH).zip(whole(videoio::CAP_PROP_FRAME_HEIGHT));
    Got {
        size: sides.and_then(|(width, height)| Size::new(width, height)),
        // FFmpeg gives the clock rate of a stream that has no frame rate: 90000.
        fps: number(videoio::CAP_PROP_FPS).filter(|fps| *fps <= 1000.0),
        format: whole(videoio::CAP_PROP_FOURCC).and_then(PixelFormat::from_fourcc),
        n_buffers: None,
    }
}

/// The picture that was grabbed last.
fn decoded<'a>(
    video: &mut videoio::VideoCapture,
    mat: &'a mut Mat,
    name: &str,
    got: &mut Got,
) -> Result<Picture<'a>, Fault> {
    match video.retrieve_def(mat) {
        Ok(true) if !mat.empty() => {}
        Ok(_) => return Err(bad_frame(name, "it is empty")),
        Err(error) => return Err(bad_frame(name, first_line(&error.message))),
    }
    let picture = picture_of(mat).map_err(|why| bad_frame(name, &why))?;
    got.size = Some(picture.size());
    Ok(picture)
}

/// What the packets have shown to be the reason.
fn why_not_decoded(gateway: &Gateway, name: &str) -> Option<Fault> {
    let has_key = gateway.pictures().current().is_none_or(|count| count.n_seen == 0 || count.has_key);
    if !has_key {
        let message = format!("pictures of {name} come, and no key frame is among them: none can be decoded");
        return Some(Fault::new(FaultKind::NoFirstFrame, message).with_advice(KEY_FRAME_ADVICE));
    }
    let fault = without_sets(gateway.missing_sets()?).fault;
    Some(Fault { message: format!("{name} cannot be decoded: {}", fault.message).into(), ..fault })
}

fn why_not_played(gateway: &Gateway, name: &str) -> Fault {
    if let Some(fault) = gateway.fault().or_else(|| why_not_decoded(gateway, name)) {
        return fault;
    }
    let codec = gateway.found().format.codec;
    match codec {
        Codec::H264 | Codec::Jpeg => Fault::new(
            FaultKind::OpenFailed,
            format!("key frames of {name} come, and FFmpeg finds no picture in them ({})", codec.name()),
        )
        .with_advice("Restart the camera; choose another profile or size in its settings."),
        _ => Fault::new(
            FaultKind::CodecMissing,
            format!("{name} sends {}, which the FFmpeg on this computer does not decode", codec.name()),
        ),
    }
}

/// A video over HTTP, of whatever make, that a relay fetches for FFmpeg. Ways other than to the relay are closed to it
/// (`isolated.rs`).
struct VideoPlayback {
    // FFmpeg first: it closes its connections.
    player: videoio::VideoCapture,
    relay: Relay,
    mat: Mat,
    got: Got,
    name: String,
    frame_deadline: Duration,
    n_pictures: u64,
    /// When a picture with the time stamp 0 is due.
    zero: Option<Instant>,
}

impl VideoPlayback {
    fn start(relay: Relay, play: &PlaySettings) -> Result<Self, Fault> {
        let PlaySettings { api, request, .. } = play;
        let name = request.spec.to_string();
        let parameters = deadlines(request.open_deadline.mul_f64(SHARE_OF_STEP), request.frame_deadline);
        let player = videoio::VideoCapture::from_file_with_params(relay.url(), *api, &parameters);
        let player = match player {
            Ok(player) if player.is_opened().unwrap_or(false) => player,
            Ok(_) | Err(_) => {
                if let Some(fault) = relay.fault() {
                    return Err(fault);
                }
                let message = format!("the answer of {name} is called a video, and no picture is found in it");
                return Err(Fault::new(FaultKind::NoStream, message));
            }
        };
        let got = played(&player);
        Ok(Self {
            player,
            relay,
            mat: Mat::default(),
            got,
            name,
            frame_deadline: request.frame_deadline,
            n_pictures: 0,
            zero: None,
        })
    }

    /// Segments come at once, and are shown at their own pace. After a pause in the stamps, or in what came, it begins anew.
    fn wait_until_due(&mut self) {
        let now = Instant::now();
        let stamp = stamp_of(&self.player).unwrap_or_default();
        let due = self.zero.and_then(|zero| zero.checked_add(stamp)).unwrap_or(now);
        let early = due.saturating_duration_since(now);
        if early > LONGEST_STEP || now.saturating_duration_since(due) > LONGEST_STEP {
            self.zero = None;
        } else {
            thread::sleep(early);
        }
        if self.zero.is_none() {
            self.zero = now.checked_sub(stamp);
        }
    }
}

impl OpenedNetworkStream for VideoPlayback {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        let began = Instant::now();
        if self.player.grab().unwrap_or(false) {
            self.n_pictures += 1;
            self.wait_until_due();
            return Ok(Grabbed::new(Instant::now(), Some(self.n_pictures)));
        }
        let waited = began.elapsed();
        let name = &self.name;
        Err(if waited >= self.frame_deadline.mul_f64(SHARE_OF_STALL * SHARE_OF_STALL) {
            Fault::new(FaultKind::Stall, format!("no picture came from {name} for {:.1} s", waited.as_secs_f64()))
        } else {
            let why = self.relay.fault().map_or_else(String::new, |fault| format!(": {}", fault.message));
            Fault::new(FaultKind::Unreachable, format!("the stream of {name} has ended{why}"))
        })
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        decoded(&mut self.player, &mut self.mat, &self.name, &mut self.got)
    }
}

/// JPEGs, as they come or as they are asked for. Dropping it ends the conversation.
struct HttpPlayback {
    arrivals: Reader<Arrival>,
    /// What was grabbed.
    picture: Option<Arc<Arrival>>,
    /// Pictures so far, with those that were damaged.
    n_pictures: u64,
    n_damaged: u64,
    /// A part of the last picture was missing.
    was_torn: bool,
    got: Got,
    name: String,
    frame_deadline: Duration,
    connection: Connection,
    is_over: Arc<AtomicBool>,
}

struct Arrival {
    at: Instant,
    /// Pictures so far that had no end or were none.
    n_damaged: u64,
    /// An error is the last one.
    jpeg: Result<Vec<u8>, Fault>,
}

impl HttpPlayback {
    /// Reads on a thread named `pictures`, so that the newest one is always at hand; it ends with the stream. Waits for a picture
    /// or two behind the first one, to know the pace.
    fn start(stream: http::HttpStream, request: &OpenRequest, deadline: Instant) -> Result<Self, Fault> {
        let asked_fps = request.asked.fps.filter(|fps| *fps > 0.0);
        let fps = (stream.kind() == HttpStreamKind::Snapshot).then(|| {
            let expected = asked_fps.unwrap_or(EXPECTED_SNAPSHOT_FPS).min(EXPECTED_SNAPSHOT_FPS);
            expected.min((stream.answer_took().as_secs_f64() * SNAPSHOT_SPARE).recip())
        });
        let period = Duration::from_secs_f64(asked_fps.unwrap_or(MAX_SNAPSHOT_FPS).min(MAX_SNAPSHOT_FPS).recip());
        let latest = Latest::new();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut early = latest.reader();
        let is_stream = stream.kind() == HttpStreamKind::Pictures;
        let mut http = Self {
            arrivals: latest.reader(),
            picture: None,
            n_pictures: 0,
            n_damaged: 0,
            was_torn: false,
            got: Got { fps, format: Some(PixelFormat::MJPG), ..Got::default() },
            name: request.spec.to_string(),
            frame_deadline: stall_deadline(request.frame_deadline, fps),
            connection: stream.connection().clone(),
            is_over: Arc::clone(&is_over),
        };
        let (patience, packets) = (request.first_frame_deadline, request.packets.clone());
        let spawned = thread::Builder::new()
            .name("pictures".to_owned())
            .spawn(move || read_pictures(stream, period, patience, &latest, &packets, &is_over));
        if let Err(error) = spawned {
            return Err(Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}")));
        }
        if is_stream && let Some(first) = early.wait_fresh(deadline).filter(|first| first.value.jpeg.is_ok()) {
            http.got.fps = slow_pace(first.value.at, |until| {
                early.wait_fresh(until.min(deadline)).filter(|next| next.value.jpeg.is_ok()).map(|next| next.value.at)
            });
            http.frame_deadline = stall_deadline(http.frame_deadline, http.got.fps);
        }
        Ok(http)
    }
}

fn read_pictures(
    mut stream: http::HttpStream,
    period: Duration,
    first_patience: Duration,
    latest: &Latest<Arrival>,
    packets: &PacketSink,
    is_over: &AtomicBool,
) {
    let mut patience = first_patience;
    while !is_over.load(Ordering::Relaxed) {
        let asked_at = Instant::now();
        let jpeg = stream.next_picture(asked_at + patience);
        let is_last = jpeg.is_err();
        if let Ok(jpeg) = jpeg.as_ref()
            && packets.is_wanted()
        {
            packets.put(Packet::jpeg(jpeg, jpeg_size(jpeg), false, None, Instant::now()));
        }
        latest.publish(Arrival { at: Instant::now(), n_damaged: stream.n_damaged(), jpeg });
        if is_last {
            return;
        }
        // What seemed a stream may turn out to be a snapshot.
        if stream.kind() == HttpStreamKind::Snapshot {
            patience = SNAPSHOT_PATIENCE.max(first_patience);
            thread::sleep(period.saturating_sub(asked_at.elapsed()));
        } else {
            // Whoever grabs finds out sooner that it has stopped.
            patience = STREAM_PATIENCE;
        }
    }
}

impl Drop for HttpPlayback {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.connection.close();
    }
}

impl OpenedNetworkStream for HttpPlayback {
    fn got(&self) -> Got {
        self.got.clone()
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        let deadline = Instant::now() + self.frame_deadline.mul_f64(SHARE_OF_STALL);
        let Some(fresh) = self.arrivals.wait_fresh(deadline) else {
            let secs = self.frame_deadline.as_secs_f64();
            return Err(Fault::new(FaultKind::Stall, format!("no picture came from {} for {secs:.1} s", self.name)));
        };
        if let Err(fault) = &fresh.value.jpeg {
            return Err(fault.clone());
        }
        // Those that were not looked at in time nobody has lost.
        self.n_pictures += 1 + fresh.value.n_damaged.saturating_sub(self.n_damaged);
        self.n_damaged = fresh.value.n_damaged;
        let taken_at = fresh.value.at;
        self.picture = Some(fresh.value);
        let is_damaged = std::mem::take(&mut self.was_torn);
        Ok(Grabbed { is_damaged, ..Grabbed::new(taken_at, Some(self.n_pictures)) })
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        let nothing = || Fault::new(FaultKind::ReadFailed, "no frame was grabbed");
        let arrival = self.picture.take().ok_or_else(nothing)?;
        let jpeg = arrival.jpeg.as_ref().map_err(Clone::clone)?;
        let any = Size { width: 1, height: 1 };
        let coded = codec::Coded::read(PixelFormat::MJPG, any, 0, jpeg).map_err(|why| bad_frame(&self.name, &why))?;
        let image = coded.decode().or_else(|_| {
            // What there is of it is shown, and told with the next one.
            self.was_torn = true;
            codec::decode(PixelFormat::MJPG, any, jpeg).map_err(|why| bad_frame(&self.name, &why))
        })?;
        self.got.size = Some(image.size());
        Ok(Picture::Own(image))
    }
}
