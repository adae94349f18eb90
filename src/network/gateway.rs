//! Passes the stream of a camera on to a player in this process, over loopback.
//!
//! ```text
//!   camera ══ requests, packets (login, TLS, status codes) ══ gateway ── rtsp://127.0.0.1:PORT/TOKEN ──► FFmpeg
//! ```
//!
//! The player never talks to the camera, and never learns the password: the conversation with the camera is ended here, on
//! the connection on which the login was accepted, and another one begins. So every refusal is known by its status code, a
//! certificate is judged once, TCP and UDP look the same to the player, lost packets are counted, and nothing is played
//! before the first key frame, without which a decoder would paint grey.
//!
//! While nobody looks, key pictures are passed on alone, each with as many behind it as the decoder needs to hand it out; all
//! pictures are counted.
//!
//! Only one client is served, only from this computer, and only one that knows the token.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};

use super::bytes::PacketQueue;
use super::rtp::{Meter, RtpPacket};
use super::rtsp::{PacketHalf, RequestHalf, RtspClient, RtspRequest};
use super::rtsp_stream::{lost, nothing_came};
use super::sdp::{Codec, SessionDescription, VideoFormat};
use super::video::{FoundVideo, VideoFinder};
use super::{ConnectionFinding, PacketEvidence};
use crate::fault::{Fault, FaultKind};
use crate::latest::{Latest, Reader};
use crate::lock::Lock;
use crate::packet::PacketSink;
use crate::settings::Transport;

pub(crate) mod packets;
mod player;
pub(crate) mod setup;
mod tap;

pub use packets::PictureCount;
use packets::{KeyFrameGate, PacketSource};
use player::{PlayerConnection, PlayerServer};
use tap::PacketTap;

/// How long a camera may take to answer a request that keeps its session alive.
const KEEP_ALIVE_DEADLINE: Duration = Duration::from_secs(5);
/// The same where its packets have stopped: a camera that is there answers soon.
const QUICK_ANSWER: Duration = Duration::from_millis(250);
/// How often such a request is sent, at the most and at the least, whatever time-out the camera names (RFC 2326, 12.37).
const LEAST_KEEP_ALIVE: Duration = Duration::from_millis(500);
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a packet is waited for before it is looked whether the stream is still wanted.
const READ_SLICE: Duration = Duration::from_secs(1);
/// So much of the packets is kept until the player is ready: more than a second of the fastest camera.
const MAX_HELD_BYTES: usize = 16 << 20;
/// How long dropping the gateway waits until the session has been ended.
const TEARDOWN_DEADLINE: Duration = Duration::from_secs(1);

/// A stream that is being passed on. Dropping it ends the session with the camera.
pub struct Gateway {
    url: String,
    found: FoundVideo,
    shared: Arc<GatewayState>,
    /// Dropped to end it.
    end: Option<Sender<()>>,
    /// Disconnected when the session has been ended.
    ended: Receiver<()>,
    /// To find out whether the camera answers.
    questions: Sender<Sender<bool>>,
}

#[derive(Default)]
struct GatewayState {
    /// Why the stream has ended.
    fault: Lock<Option<Fault>>,
    n_lost: AtomicU64,
    missing_sets: Lock<Option<&'static str>>,
    reported_rate: Lock<Option<f64>>,
    evidence: Lock<PacketEvidence>,
    /// What has come of the question whether it answers.
    is_answering: Lock<Option<bool>>,
    /// So many pictures pass from each key picture on; 0: all.
    of_key: AtomicU32,
    pictures: Latest<PictureCount>,
    /// The connection to the player, to be ended.
    player: Lock<Option<TcpStream>>,
}

impl GatewayState {
    fn end(&self, fault: Option<Fault>) {
        let mut known = self.fault.lock();
        *known = known.take().or(fault);
        drop(known);
        if let Some(player) = &*self.player.lock() {
            // It may be gone already.
            let _ = player.shutdown(Shutdown::Both);
        }
    }
}

impl Gateway {
    /// Starts the stream, waits for its first key frame for `patience` at most, and opens the port for the player. What comes is put
    /// into `packets` besides.
    ///
    /// Threads: `gateway` keeps the session alive and ends it, `gateway-stream` passes packets on, `gateway-player` answers
    /// the player, `gateway-replies` reads the camera's answers while packets come over UDP. All end with the gateway, or when `cancel`
    /// is disconnected.
    ///
    /// # Errors
    /// The camera refuses, sends nothing, or no key frame (F86, F87, F90, F91, F92).
    pub fn start(
        mut client: RtspClient,
        description: &SessionDescription,
        transport: Transport,
        answer_deadline: Instant,
        patience: Duration,
        packets: PacketSink,
        cancel: &Receiver<()>,
    ) -> Result<Self, Fault> {
        let mut media =
            setup::play(&mut client, description, transport, answer_deadline).map_err(|finding| finding.fault)?;
        let mut finder = VideoFinder::new(description, media.channel());
        let (found, gate, meter, first) = first_key_frame(&mut client, &mut media, &mut finder, patience)?;
        let local = PlayerServer::open(description, &found).map_err(|error| no_resources("port", &error))?;

        let shared = Arc::new(GatewayState::default());
        let (end, end_rx) = bounded(0);
        let (ended_tx, ended) = bounded(0);
        let (ready, player) = bounded(1);
        let (stream_alive, stream_ended) = bounded(0);
        let (questions, asked) = bounded(1);
        let session_secs = client.session().map(|(_, life)| life.as_secs_f64());
        let mut tap = PacketTap::new(&found.format, packets);
        let (requests, packets) = client.split();
        let url = local.url();
        let gateway = Self { url, found, shared: Arc::clone(&shared), end: Some(end), ended, questions };

        let known = Arc::clone(&shared);
        let is_over = end_rx.clone();
        spawn("gateway-player", move || {
            local.serve(&ready, &is_over, |player| {
                *known.player.lock() = Some(player);
            });
        })?;
        let mut held = PacketQueue::default();
        for packet in first {
            tap.take(&packet, Instant::now());
            held.push(packet);
        }
        let shared_by_stream = Arc::clone(&shared);
        let passing =
            PacketForwarder { media, finder, gate, meter, session_secs, tap, held, player, shared: shared_by_stream };
        spawn("gateway-stream", move || {
            let fault = passing.run(packets);
            shared.end(Some(fault));
            drop(stream_alive);
        })?;
        let (cancel, shared) = (cancel.clone(), Arc::clone(&gateway.shared));
        let url = description.url.clone();
        spawn("gateway", move || {
            keep_alive(requests, &url, [&end_rx, &cancel, &stream_ended], &asked);
            shared.end(None);
            drop(ended_tx);
        })?;
        Ok(gateway)
    }

    /// Where the player finds the stream.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What comes, which may not be what was announced.
    #[must_use]
    pub fn found(&self) -> &FoundVideo {
        &self.found
    }

    /// The parameter sets without which nothing can be decoded, where the camera has never sent them.
    #[must_use]
    pub fn missing_sets(&self) -> Option<&'static str> {
        *self.shared.missing_sets.lock()
    }

    /// See [`VideoFinder::reported_rate`].
    #[must_use]
    pub fn reported_rate(&self) -> Option<f64> {
        *self.shared.reported_rate.lock()
    }

    /// What its packets have shown so far.
    #[must_use]
    pub fn evidence(&self) -> PacketEvidence {
        let is_answering = *self.shared.is_answering.lock();
        let evidence = *self.shared.evidence.lock();
        PacketEvidence { is_answering, ..evidence }
    }

    /// Finds out whether the camera of a stream that has stopped answers, once. Waits for `patience` at most.
    pub fn find_out_whether_it_answers(&self, patience: Duration) {
        if self.shared.is_answering.lock().is_some() {
            return;
        }
        let (reply, answer) = bounded(1);
        let is_answering = self.questions.try_send(reply).is_ok() && answer.recv_timeout(patience) == Ok(true);
        *self.shared.is_answering.lock() = Some(is_answering);
    }

    /// Why the stream has ended, if it has by itself.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.shared.fault.lock().clone()
    }

    /// How many pictures are passed on from each key picture on, that one among them; `None`: all, from the next key picture on.
    pub fn set_of_key(&self, of_key: Option<u32>) {
        self.shared.of_key.store(of_key.unwrap_or_default(), Ordering::Relaxed);
    }

    /// A reader of the count of pictures, published with each picture.
    #[must_use]
    pub fn pictures(&self) -> Reader<PictureCount> {
        self.shared.pictures.reader()
    }

    /// Packets that did not arrive.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.shared.n_lost.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end = None;
        let _ = self.ended.recv_timeout(TEARDOWN_DEADLINE);
    }
}

fn no_resources(what: &str, error: &std::io::Error) -> Fault {
    Fault::new(FaultKind::NoResources, format!("the system gives no {what}: {error}"))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| no_resources("thread", &error))
}

/// What a stream begins with: its packets from the first key frame on, and what has seen them all.
type Beginning = (FoundVideo, KeyFrameGate, Meter, Vec<Vec<u8>>);

/// Waits for the first key frame.
fn first_key_frame(
    client: &mut RtspClient,
    media: &mut PacketSource,
    finder: &mut VideoFinder,
    patience: Duration,
) -> Result<Beginning, Fault> {
    let deadline = Instant::now() + patience;
    let mut seen = None;
    let mut n_packets = 0_u64;
    while Instant::now() < deadline {
        let (channel, packets) = match media {
            PacketSource::Tcp { .. } => {
                let Some(data) = client.next_data(deadline)? else { continue };
                (data.channel, vec![data.payload])
            }
            PacketSource::Udp(udp) => (0, udp.next(deadline)),
        };
        let mut first: Option<Vec<Vec<u8>>> = None;
        for packet in packets {
            for packet in finder.take(channel, packet).map_err(|finding| finding.fault)? {
                n_packets += 1;
                let Some(found) = finder.found() else { continue };
                playable(&found.format)?;
                too_large(&packet, found.format.codec)?;
                let (gate, meter) =
                    seen.get_or_insert_with(|| (KeyFrameGate::of(&found.format), Meter::of(&found.format)));
                let now = Instant::now();
                meter.take(&packet, now);
                let passed = gate.pass(packet, now);
                // Of those that were held until it was clear what they are more than one may pass.
                match (&mut first, passed) {
                    (Some(first), Some(passed)) => first.extend(passed),
                    (None, passed) => first = passed,
                    (Some(_), None) => {}
                }
            }
        }
        if let Some(first) = first
            && let (Some((gate, meter)), Some(found)) = (seen.take(), finder.found())
        {
            return Ok((found.clone(), gate, meter, first));
        }
    }
    Err(if n_packets == 0 {
        nothing_came(finder, Some(media), patience).fault
    } else if let Some(lost) =
        seen.and_then(|(gate, _)| lost(gate.n_lost(), n_packets, matches!(media, PacketSource::Udp(_))))
    {
        lost.fault
    } else {
        let secs = patience.as_secs_f64();
        let message = format!(
            "{n_packets} packets came within {secs:.0} s, and no key frame among them, with which a picture begins"
        );
        Fault::new(FaultKind::NoFirstFrame, message).with_advice(
            "In the camera's settings, choose a key frame (I-frame) each one or two seconds, and no “smart” codec.",
        )
    })
}

fn playable(format: &VideoFormat) -> Result<(), Fault> {
    if format.codec.is_playable() {
        return Ok(());
    }
    let encoding = if format.encoding.is_empty() { "unknown" } else { &format.encoding };
    let message = format!("the camera sends its picture as {encoding}, which cannot be decoded");
    Err(Fault::new(FaultKind::CodecMissing, message))
}

/// JPEGs over RTP have a size of 2040 pixels a side at most (RFC 2435, 3.1.5). Cameras with larger ones write 0, and their size elsewhere.
fn too_large(packet: &[u8], codec: Codec) -> Result<(), Fault> {
    let is_too_large = codec == Codec::Jpeg && RtpPacket::parse(packet).is_some_and(|packet| packet.is_large_jpeg());
    if is_too_large { Err(large_jpeg().fault) } else { Ok(()) }
}

/// The finding about such a camera.
pub(super) fn large_jpeg() -> ConnectionFinding {
    let message = "the camera sends JPEGs of more than 2040 pixels a side over RTP, which has no room for such a size";
    ConnectionFinding::new("F91", FaultKind::CodecMissing, message)
        .with_advice("Choose a smaller size in the camera's settings, or H.264.")
}

/// Passes packets on, on the thread `gateway-stream`.
struct PacketForwarder {
    media: PacketSource,
    finder: VideoFinder,
    gate: KeyFrameGate,
    meter: Meter,
    session_secs: Option<f64>,
    tap: PacketTap,
    /// Until the player is ready.
    held: PacketQueue<Vec<u8>>,
    player: Receiver<PlayerConnection>,
    shared: Arc<GatewayState>,
}

impl PacketForwarder {
    /// Runs until the stream or the player has ended, and says why.
    fn run(mut self, mut packets: PacketHalf) -> Fault {
        let mut receives = None;
        if let PacketSource::Udp(_) = self.media {
            // The answers that come on the connection meanwhile have to be read.
            let (alive, gone) = bounded::<Fault>(1);
            let receive = move || {
                let fault = loop {
                    if let Err(fault) = packets.next(Instant::now() + READ_SLICE) {
                        break fault;
                    }
                };
                let _ = alive.send(fault);
            };
            if let Err(fault) = spawn("gateway-replies", receive) {
                return fault;
            }
            receives = Some(gone);
            let fault = self.pass_all(None, receives.as_ref());
            self.tap.flush();
            return fault;
        }
        let fault = self.pass_all(Some(&mut packets), receives.as_ref());
        self.tap.flush();
        fault
    }

    fn pass_all(&mut self, mut packets: Option<&mut PacketHalf>, gone: Option<&Receiver<Fault>>) -> Fault {
        let mut player: Option<PlayerConnection> = None;
        let mut counted = PictureCount::default();
        loop {
            let (channel, arrived) = match (&mut self.media, packets.as_deref_mut()) {
                (PacketSource::Tcp { .. }, Some(packets)) => match packets.next(Instant::now() + READ_SLICE) {
                    Ok(Some(data)) => (data.channel, vec![data.payload]),
                    Ok(None) => (0, Vec::new()),
                    Err(fault) => return fault,
                },
                (PacketSource::Udp(udp), _) => {
                    if let Some(Ok(fault)) = gone.map(Receiver::try_recv) {
                        return fault;
                    }
                    (0, udp.next(Instant::now() + READ_SLICE))
                }
                (PacketSource::Tcp { .. }, None) => (0, Vec::new()),
            };
            let of_key = self.shared.of_key.load(Ordering::Relaxed);
            self.gate.set_of_key(Some(of_key).filter(|of_key| *of_key > 0));
            for packet in arrived.into_iter().flat_map(|packet| self.finder.take(channel, packet).unwrap_or_default()) {
                let now = Instant::now();
                self.tap.take(&packet, now);
                self.meter.take(&packet, now);
                let passed = self.gate.pass(packet, now).into_iter().flatten();
                passed.for_each(|packet| self.held.push(packet));
            }
            self.shared.n_lost.store(self.gate.n_lost(), Ordering::Relaxed);
            *self.shared.reported_rate.lock() = self.finder.reported_rate();
            *self.shared.missing_sets.lock() = self.gate.missing_sets();
            let (is_over_udp, session_secs) = (matches!(self.media, PacketSource::Udp(_)), self.session_secs);
            let evidence =
                PacketEvidence { is_over_udp, session_secs, ..self.meter.evidence(self.finder.reported_rate()) };
            *self.shared.evidence.lock() = evidence;
            if self.gate.count() != counted {
                counted = self.gate.count();
                self.shared.pictures.publish(counted);
            }
            if player.is_none() {
                player = self.player.try_recv().ok();
            }
            match &player {
                None if self.held.n_bytes() > MAX_HELD_BYTES => {
                    // The player has not come. What follows cannot be decoded without these: it waits for the next key frame.
                    self.held.clear();
                    self.gate.close();
                }
                None => {}
                Some(player) => {
                    while let Some(packet) = self.held.pop() {
                        if let Err(error) = player.send(&packet) {
                            let message = format!("the pictures are not decoded as fast as they come: {error}");
                            return Fault::new(FaultKind::Backlog, message);
                        }
                    }
                }
            }
        }
    }
}

/// Keeps the session alive until one of these is disconnected, and finds out whether the camera answers when it is `asked`. Dropping
/// `requests` then ends it.
fn keep_alive(mut requests: RequestHalf, url: &str, ends: [&Receiver<()>; 3], asked: &Receiver<Sender<bool>>) {
    let period = requests.session().map_or(LONGEST_KEEP_ALIVE, |(_, timeout)| timeout / 2);
    let period = period.clamp(LEAST_KEEP_ALIVE, LONGEST_KEEP_ALIVE);
    let [end, cancel, stream_ended] = ends;
    let mut method = requests.method_of_life();
    let mut is_allowed = true;
    let mut due_at = Instant::now() + period;
    loop {
        let due = if is_allowed { at(due_at) } else { never() };
        select! {
            recv(end) -> _ => break,
            recv(cancel) -> _ => break,
            recv(stream_ended) -> _ => break,
            recv(asked) -> question => {
                let Ok(reply) = question else { break };
                let answer = requests.request(&RtspRequest::new(method, url, &[]), Instant::now() + QUICK_ANSWER);
                // Whoever asked may not have waited.
                let _ = reply.try_send(answer.is_ok());
                continue;
            }
            recv(due) -> _ => {}
        }
        let now = Instant::now();
        due_at = now + period;
        match requests.request(&RtspRequest::new(method, url, &[]), now + period.min(KEEP_ALIVE_DEADLINE)) {
            // Not every camera knows what it says that it knows; OPTIONS is known to all.
            Ok(answer) if !answer.status().is_success() && method != OPTIONS => (method, due_at) = (OPTIONS, now),
            // Whatever else is refused, a login is not sent again and again.
            Err(fault) if fault.kind == FaultKind::LoginRefused => is_allowed = false,
            // Many cameras take it for a sign of life and do not answer. `gateway-stream` finds out when the stream has ended.
            Ok(_) | Err(_) => {}
        }
    }
}

const OPTIONS: &str = "OPTIONS";
