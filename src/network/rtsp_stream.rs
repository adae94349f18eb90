//! An RTSP session whose packets are measured and not decoded: SETUP, PLAY, packets over TCP or UDP, TEARDOWN.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rtsp_types::headers::TRANSPORT;

use super::ConnectionFinding;
use super::rtsp::{RtspClient, RtspRequest, RtspResponse, refusal};
use super::sdp::SessionDescription;
use crate::fault::FaultKind;

/// How long a socket is read before it is looked whether that was cancelled.
const SLICE: Duration = Duration::from_millis(50);
/// RTP has an even port, RTCP the next one (RFC 3550, section 11); how often a free pair is looked for.
const MAX_PORT_TRIES: usize = 30;
/// The largest UDP datagram.
const MAX_DATAGRAM: usize = 65_535;
/// The session is kept alive by a request each time this part of its time-out is over.
const KEEP_ALIVE_PART: u32 = 2;

/// One stream of a camera.
#[derive(Debug)]
pub struct RtspStream {
    client: RtspClient,
    pub(super) description: SessionDescription,
    way: PacketTransport,
    alive_at: Instant,
}

#[derive(Debug)]
enum PacketTransport {
    None,
    /// The channel of its RTP.
    Tcp(u8),
    Udp {
        rtp: UdpSocket,
        _rtcp: UdpSocket,
        camera: IpAddr,
    },
}

impl RtspStream {
    #[must_use]
    pub fn new(client: RtspClient, description: SessionDescription) -> Self {
        Self { client, description, way: PacketTransport::None, alive_at: Instant::now() }
    }

    #[must_use]
    pub fn is_over_udp(&self) -> bool {
        matches!(self.way, PacketTransport::Udp { .. })
    }

    /// SETUP and PLAY; what was agreed on.
    pub fn set_up(&mut self, is_over_udp: bool, deadline: Instant) -> Result<String, ConnectionFinding> {
        let sockets = if is_over_udp { Some(self.sockets()?) } else { None };
        let transport = match &sockets {
            Some((_, _, port)) => format!("RTP/AVP;unicast;client_port={port}-{}", port + 1),
            None => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
        };
        let control = self.description.video.control.clone();
        let headers = [("Transport", transport.as_str())];
        let response = self.client.ask(&RtspRequest::new("SETUP", &control, &headers), deadline)?;
        if let Some(refusal) = refusal("SETUP", &response, self.client.login()) {
            return Err(refusal);
        }
        let agreed = response.header(&TRANSPORT).map_or("", |value| value.as_str()).to_owned();
        let peer = self.client.connection().peer().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        self.way = match sockets {
            Some((rtp, rtcp, _)) => {
                punch(&rtp, &rtcp, peer, &response);
                PacketTransport::Udp { rtp, _rtcp: rtcp, camera: peer }
            }
            None => {
                PacketTransport::Tcp(parameter(&agreed, "interleaved=").and_then(|n| u8::try_from(n).ok()).unwrap_or(0))
            }
        };
        let url = self.description.url.clone();
        // Without a Range (RFC 2326, 10.5 leaves it open): a live stream has none, and GStreamer's server, which winds to its
        // beginning otherwise, loses the first packets of one in forty by it, and all that would have followed.
        let play = RtspRequest::new("PLAY", &url, &[]);
        let response = self.client.ask(&play, deadline)?;
        if let Some(refusal) = refusal("PLAY", &response, self.client.login()) {
            return Err(refusal);
        }
        self.alive_at = Instant::now();
        Ok(self.client.login().mask(&agreed))
    }

    /// The next packet of the video; `None` if none comes by the deadline.
    pub fn next_packet(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, ConnectionFinding> {
        self.keep_alive()?;
        match &self.way {
            PacketTransport::None => Ok(None),
            PacketTransport::Tcp(channel) => {
                let channel = *channel;
                loop {
                    match self.client.next_piece(deadline)? {
                        Some(data) if data.channel == channel => return Ok(Some(data.payload)),
                        Some(_) => {}
                        None => return Ok(None),
                    }
                }
            }
            PacketTransport::Udp { rtp, camera, .. } => {
                let mut bytes = vec![0; MAX_DATAGRAM];
                loop {
                    self.client.check_wanted()?;
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                    match rtp.recv_from(&mut bytes) {
                        Ok((n, from)) if from.ip().to_canonical() == camera.to_canonical() => {
                            bytes.truncate(n);
                            return Ok(Some(bytes));
                        }
                        // From elsewhere; or an ICMP error about the packets that opened the firewall.
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                        Err(error) => {
                            let message = format!("packets over UDP cannot be read: {error}");
                            return Err(
                                ConnectionFinding::new("F87", FaultKind::UdpBlocked, message).with_os_code(&error)
                            );
                        }
                    }
                }
            }
        }
    }

    fn keep_alive(&mut self) -> Result<(), ConnectionFinding> {
        let Some((_, timeout)) = self.client.session() else { return Ok(()) };
        if self.alive_at.elapsed() < timeout.max(Duration::from_secs(4)) / KEEP_ALIVE_PART {
            return Ok(());
        }
        self.alive_at = Instant::now();
        let url = self.description.url.clone();
        let patience = Duration::from_secs(2);
        // Any answer keeps the session alive.
        self.client.ask(&RtspRequest::new("OPTIONS", &url, &[]), Instant::now() + patience).map(drop)
    }

    /// Ends the session; the connection stays for another.
    pub fn tear_down(&mut self, deadline: Instant) {
        if self.client.session().is_some() {
            let url = self.description.url.clone();
            // A camera that has gone needs no TEARDOWN.
            let _ = self.client.ask(&RtspRequest::new("TEARDOWN", &url, &[]), deadline);
            self.client.forget_waiting();
        }
        self.way = PacketTransport::None;
    }

    /// An even port and the next.
    fn sockets(&self) -> Result<(UdpSocket, UdpSocket, u16), ConnectionFinding> {
        let local = self.client.connection().local().map(|local| local.ip());
        let any: IpAddr = match local {
            Ok(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        for _ in 0..MAX_PORT_TRIES {
            let Ok(first) = UdpSocket::bind(SocketAddr::new(any, 0)) else { continue };
            let Ok(port) = first.local_addr().map(|local| local.port()) else { continue };
            if port % 2 == 1 || port == u16::MAX - 1 {
                continue;
            }
            let Ok(second) = UdpSocket::bind(SocketAddr::new(any, port + 1)) else { continue };
            if first.set_read_timeout(Some(SLICE)).is_ok() {
                return Ok((first, second, port));
            }
        }
        Err(ConnectionFinding::new(
            "F87",
            FaultKind::UdpBlocked,
            "this computer has no two free ports for packets over UDP",
        ))
    }
}

/// Packets from inside open many firewalls for the answers; players do the same.
fn punch(rtp: &UdpSocket, rtcp: &UdpSocket, camera: IpAddr, response: &RtspResponse) {
    let transport = response.header(&TRANSPORT).map_or("", |value| value.as_str());
    let Some(port) = parameter(transport, "server_port=") else { return };
    // An empty packet, and an empty report.
    let _ = rtp.send_to(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (camera, port));
    let _ = rtcp.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 0], (camera, port.saturating_add(1)));
}

/// The first number behind a key of `Transport`.
fn parameter(transport: &str, key: &str) -> Option<u16> {
    let value = transport.split(';').find_map(|part| part.trim().strip_prefix(key))?;
    value.split(['-', ',']).next()?.trim().parse().ok()
}

/// The finding about a camera that agreed to send, and did not.
pub fn nothing_came(is_over_udp: bool, patience: Duration) -> ConnectionFinding {
    let waited = patience.as_secs_f64();
    if is_over_udp {
        let message = format!("the camera agrees to send over UDP, and no packet arrives within {waited:.1} s");
        ConnectionFinding::new("F87", FaultKind::UdpBlocked, message).unsure(0.9)
    } else {
        let message = format!("the camera agrees to send, and no packet arrives within {waited:.1} s");
        ConnectionFinding::new("F86", FaultKind::ProtocolTrouble, message)
            .with_advice("Restart the camera: its encoder does not run. Choose its second stream; update its firmware.")
            .unsure(0.8)
    }
}
