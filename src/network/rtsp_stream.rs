//! An RTSP session whose packets are measured and not decoded: SETUP, PLAY, packets over TCP or UDP, TEARDOWN.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ConnectionFinding;
use super::connection::stopped;
use super::gateway::packets::PacketSource;
use super::gateway::setup::{self, MULTICAST_ADVICE, NotSetUp};
use super::rtsp::RtspClient;
use super::sdp::SessionDescription;
use super::video::{FoundVideo, VideoFinder};
use crate::criteria;
use crate::fault::FaultKind;

/// How long a socket is read before it is looked whether that was cancelled.
const SLICE: Duration = Duration::from_millis(50);
/// The session is kept alive by a request each time this part of its time-out is over.
const KEEP_ALIVE_PART: u32 = 2;
/// How long a camera whose stream has stopped may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long such a request may take to be sent.
const SEND_DEADLINE: Duration = Duration::from_secs(1);

/// One stream of a camera.
pub struct RtspStream {
    client: RtspClient,
    pub(super) description: SessionDescription,
    media: Option<PacketSource>,
    finder: VideoFinder,
    /// Packets of the video that have come.
    ready: VecDeque<Vec<u8>>,
    alive_at: Instant,
}

impl RtspStream {
    #[must_use]
    pub fn new(client: RtspClient, description: SessionDescription) -> Self {
        let finder = VideoFinder::new(&description, 0);
        Self { client, description, media: None, finder, ready: VecDeque::new(), alive_at: Instant::now() }
    }

    /// SETUP and PLAY; what was agreed on.
    pub fn set_up(&mut self, is_over_udp: bool, deadline: Instant) -> Result<String, NotSetUp> {
        let agreed = setup::play_over(&mut self.client, &self.description, is_over_udp, deadline)?;
        self.finder = VideoFinder::new(&self.description, agreed.media.channel());
        self.media = Some(agreed.media);
        self.alive_at = Instant::now();
        Ok(self.client.login().mask(&agreed.transport))
    }

    /// What comes, once that is known.
    #[must_use]
    pub fn found(&self) -> Option<&FoundVideo> {
        self.finder.found()
    }

    /// See [`VideoFinder::reported_rate`].
    #[must_use]
    pub fn reported_rate(&self) -> Option<f64> {
        self.finder.reported_rate()
    }

    /// Bytes of the camera's that belonged to nothing.
    #[must_use]
    pub fn n_stray(&self) -> u64 {
        self.client.n_stray()
    }

    /// The next packet of the video; `None` if none comes by the deadline.
    pub fn next_packet(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, ConnectionFinding> {
        self.keep_alive()?;
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Ok(Some(packet));
            }
            let (channel, packets) = match &mut self.media {
                None => return Ok(None),
                Some(PacketSource::Tcp { .. }) => match self.client.next_piece(deadline)? {
                    Some(data) => (data.channel, vec![data.payload]),
                    None => return Ok(None),
                },
                Some(PacketSource::Udp(udp)) => {
                    self.client.check_wanted()?;
                    let now = Instant::now();
                    if now >= deadline {
                        return Ok(None);
                    }
                    (0, udp.next(deadline.min(now + SLICE)))
                }
            };
            for packet in packets {
                self.ready.extend(self.finder.take(channel, packet)?);
            }
        }
    }

    fn keep_alive(&mut self) -> Result<(), ConnectionFinding> {
        let Some((_, timeout)) = self.client.session() else { return Ok(()) };
        if self.alive_at.elapsed() < timeout / KEEP_ALIVE_PART {
            return Ok(());
        }
        self.alive_at = Instant::now();
        self.client.send_sign_of_life(&self.description.url, self.alive_at + SEND_DEADLINE)
    }

    /// The finding about a stream that ran, and of which nothing has come for so long. Whether the camera is still there it is asked.
    pub fn stopped(&mut self, secs: f64) -> ConnectionFinding {
        if !self.client.is_answering(&self.description.url, Instant::now() + ANSWER_DEADLINE) {
            return stopped(secs);
        }
        let message =
            format!("the camera answers, and no packet has come of its stream for {secs:.1} s, which ran before");
        ConnectionFinding::new("F33", FaultKind::Stall, message)
            .with_advice("Restart the camera: its encoder has stopped. Choose its second stream; update its firmware.")
            .unsure(0.8)
    }

    /// What a stream that has ended lived for: a session that the camera ended in its time is told by its age (F89).
    pub fn judge_end(&self, ended: ConnectionFinding, age: Duration) -> ConnectionFinding {
        let life = self.client.session().map(|(_, timeout)| timeout).filter(|_| ended.entry == "F96");
        let is_over = |life: &Duration| criteria::is_life_of_session(age.as_secs_f64(), life.as_secs_f64());
        match life.filter(is_over) {
            Some(life) => {
                let message = format!(
                    "{}, {:.0} s after it began: the camera gives a session {} s, and does not take what keeps it alive",
                    ended.fault.message,
                    age.as_secs_f64(),
                    life.as_secs()
                );
                ConnectionFinding::new("F89", FaultKind::Unreachable, message)
                    .with_advice("Update the camera's firmware; choose the other transport, TCP or UDP.")
                    .unsure(0.85)
            }
            None => ended,
        }
    }

    /// Ends the session; the connection stays for another.
    pub fn tear_down(&mut self, deadline: Instant) {
        self.client.tear_down(&self.description.url, deadline);
        self.media = None;
        self.ready.clear();
    }

    /// The finding about a camera that agreed to send, and did not.
    pub fn nothing_came(&self, patience: Duration) -> ConnectionFinding {
        nothing_came(&self.finder, self.media.as_ref(), patience)
    }
}

/// The same, of any stream.
pub fn nothing_came(finder: &VideoFinder, media: Option<&PacketSource>, patience: Duration) -> ConnectionFinding {
    let waited = patience.as_secs_f64();
    if let Some(what) = finder.why_none() {
        let message = format!("the camera agrees to send its video, and within {waited:.1} s only other {what}");
        ConnectionFinding::new("F86", FaultKind::ProtocolTrouble, message)
            .with_advice("Choose the path of a picture stream; restart the camera; update its firmware.")
            .unsure(0.8)
    } else if let Some(PacketSource::Udp(udp)) = media {
        if let Some(group) = udp.group() {
            let message =
                format!("the camera sends to the multicast group {group}, and no packet arrives within {waited:.1} s");
            return ConnectionFinding::new("F100", FaultKind::UdpBlocked, message)
                .with_advice(MULTICAST_ADVICE)
                .unsure(0.9);
        }
        let message = format!("the camera agrees to send over UDP, and no packet arrives within {waited:.1} s");
        ConnectionFinding::new("F87", FaultKind::UdpBlocked, message).unsure(0.9)
    } else {
        let message = format!("the camera agrees to send, and no packet arrives within {waited:.1} s");
        ConnectionFinding::new("F33", FaultKind::NoFirstFrame, message)
            .with_advice("Restart the camera: its encoder does not run. Choose its second stream; update its firmware.")
            .unsure(0.8)
    }
}

/// The finding about packets that were lost on their way, where that is no accident: so many of them, beside so many that came.
pub fn lost(n_lost: u64, n_received: u64, is_over_udp: bool) -> Option<ConnectionFinding> {
    let loss = 100.0 * criteria::share_of(n_lost, n_lost + n_received);
    if !criteria::is_loss_of_packets(loss) || n_lost < 2 {
        return None;
    }
    let message = format!("{n_lost} packets were lost on their way, {loss:.1} %");
    let advice = if is_over_udp {
        "Choose TCP as the transport; connect the camera by cable; lower its bit rate."
    } else {
        "Over TCP the network loses none, so the camera itself drops them: lower its bit rate, close other viewers, update its firmware."
    };
    Some(ConnectionFinding::new("F88", FaultKind::BadFrame, message).with_advice(advice).unsure(0.9))
}
