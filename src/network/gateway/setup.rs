//! SETUP and PLAY (RFC 2326, 10.4 and 10.5), over the transport that is wanted.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::packets::{PacketSource, Udp};
use crate::fault::FaultKind;
use crate::network::ConnectionFinding;
use crate::network::rtsp::{RtspClient, RtspRequest, RtspResponse, refusal};
use crate::network::sdp::SessionDescription;
use crate::settings::Transport;

/// What was agreed on with the camera.
pub struct Agreed {
    pub media: PacketSource,
    /// In the camera's words.
    pub transport: String,
}

/// Why the stream was not started.
pub enum NotSetUp {
    Refused(ConnectionFinding),
    /// The camera wants the other transport, TCP or UDP.
    OtherTransport(ConnectionFinding),
}

impl NotSetUp {
    pub fn finding(self) -> ConnectionFinding {
        match self {
            Self::Refused(finding) | Self::OtherTransport(finding) => finding,
        }
    }
}

impl From<ConnectionFinding> for NotSetUp {
    fn from(finding: ConnectionFinding) -> Self {
        Self::Refused(finding)
    }
}

/// Starts the stream over the transport of the settings.
pub fn play(
    client: &mut RtspClient,
    description: &SessionDescription,
    transport: Transport,
    deadline: Instant,
) -> Result<PacketSource, ConnectionFinding> {
    let played = match play_over(client, description, transport == Transport::Udp, deadline) {
        Err(NotSetUp::OtherTransport(_)) if transport == Transport::Auto => {
            play_over(client, description, true, deadline)
        }
        tried => tried,
    };
    played.map(|agreed| agreed.media).map_err(NotSetUp::finding)
}

/// Starts it over this transport.
pub fn play_over(
    client: &mut RtspClient,
    description: &SessionDescription,
    is_over_udp: bool,
    deadline: Instant,
) -> Result<Agreed, NotSetUp> {
    let control = &description.video.control;
    let agreed = if is_over_udp { over_udp(client, control, deadline) } else { over_tcp(client, control, deadline) };
    if let Err(NotSetUp::OtherTransport(_)) = &agreed {
        client.tear_down(&description.url, deadline);
    }
    let agreed = agreed?;
    // Without a Range (RFC 2326, 10.5 leaves it open): a live stream has none, and GStreamer's server, which winds to its
    // beginning otherwise, loses the first packets of one in forty by it, and all that would have followed.
    let answer = client.ask(&RtspRequest::new("PLAY", &description.url, &[]), deadline)?;
    refusal("PLAY", &answer, client.login()).map_or(Ok(agreed), |finding| Err(finding.into()))
}

const UNSUPPORTED_TRANSPORT: i64 = 461;

fn over_tcp(client: &mut RtspClient, control: &str, deadline: Instant) -> Result<Agreed, NotSetUp> {
    let transport = setup(client, control, "RTP/AVP/TCP;unicast;interleaved=0-1", deadline)?;
    if let Some(group) = group_of(&transport) {
        let message = format!("the camera was asked for TCP, and answers SETUP with the multicast group {group}");
        let finding = ConnectionFinding::new("F100", FaultKind::ProtocolTrouble, message);
        return Err(NotSetUp::OtherTransport(finding.with_advice(MULTICAST_ADVICE)));
    }
    let channel = parameter(&transport, "interleaved").and_then(|channels| first_number(channels)?.try_into().ok());
    if channel.is_none() && is_udp(&transport) {
        let message =
            format!("the camera was asked for TCP, and answers SETUP with UDP: {}", client.login().mask(&transport));
        let finding = ConnectionFinding::new("F86", FaultKind::ProtocolTrouble, message);
        return Err(NotSetUp::OtherTransport(finding.with_advice("Choose UDP as the transport, or “auto”.")));
    }
    Ok(Agreed { media: PacketSource::Tcp { channel: channel.unwrap_or(0) }, transport })
}

fn over_udp(client: &mut RtspClient, control: &str, deadline: Instant) -> Result<Agreed, NotSetUp> {
    let broken = |error: std::io::Error| {
        let message = format!("this computer has no two free ports for packets over UDP: {error}");
        NotSetUp::from(ConnectionFinding::new("F87", FaultKind::UdpBlocked, message))
    };
    let (local, camera) = {
        let connection = client.connection();
        (connection.local().map_err(broken)?.ip(), connection.peer().map_err(broken)?.ip())
    };
    let mut udp = Udp::bind(local, camera).map_err(broken)?;
    let port = udp.port().map_err(broken)?;
    let asked = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
    let transport = setup(client, control, &asked, deadline)?;
    if transport.to_ascii_uppercase().starts_with("RTP/AVP/TCP") {
        let message = "the camera was asked for UDP, and answers SETUP with TCP";
        let finding = ConnectionFinding::new("F86", FaultKind::ProtocolTrouble, message);
        return Err(NotSetUp::OtherTransport(finding.with_advice("Choose TCP as the transport, or “auto”.")));
    }
    if let Some(group) = group_of(&transport) {
        let joined = Udp::join(group, local, camera).map_err(|error| {
            let message = format!("the multicast group {group} of the camera cannot be joined: {error}");
            NotSetUp::from(ConnectionFinding::new("F100", FaultKind::UdpBlocked, message).with_advice(MULTICAST_ADVICE))
        })?;
        return Ok(Agreed { media: PacketSource::Udp(joined), transport });
    }
    let ports = parameter(&transport, "server_port").and_then(|ports| {
        let rtp = first_number(ports)?;
        let rtcp = ports.split('-').nth(1).and_then(|port| port.trim().parse().ok()).unwrap_or(rtp.saturating_add(1));
        Some((rtp, rtcp))
    });
    udp.on_agreed(ports);
    Ok(Agreed { media: PacketSource::Udp(udp), transport })
}

/// Against a camera that sends to a group, and whose packets do not come.
pub const MULTICAST_ADVICE: &str = "Switch multicast off in the camera's settings, or choose another stream of it; switches and routers must pass multicast on (IGMP).";

/// The group to which the camera sends, and the port, where it does not send to this computer alone (RFC 2326, 12.39).
fn group_of(transport: &str) -> Option<SocketAddr> {
    let group: IpAddr = parameter(transport, "destination")?.parse().ok()?;
    let port = parameter(transport, "port").or_else(|| parameter(transport, "client_port")).and_then(first_number)?;
    group.is_multicast().then(|| SocketAddr::new(group, port))
}

/// What the camera answers to a transport.
fn setup(client: &mut RtspClient, control: &str, transport: &str, deadline: Instant) -> Result<String, NotSetUp> {
    let answer = client.ask(&RtspRequest::new("SETUP", control, &[("Transport", transport)]), deadline)?;
    match refusal("SETUP", &answer, client.login()) {
        Some(finding) if finding.fault.code == Some(UNSUPPORTED_TRANSPORT) => Err(NotSetUp::OtherTransport(finding)),
        Some(finding) => Err(finding.into()),
        None => Ok(transport_of(&answer)),
    }
}

fn transport_of(answer: &RtspResponse) -> String {
    answer.header(&rtsp_types::headers::TRANSPORT).map_or_else(String::new, |value| value.as_str().to_owned())
}

fn is_udp(transport: &str) -> bool {
    let profile = transport.split(';').next().unwrap_or_default().to_ascii_uppercase();
    !profile.contains("TCP") && (profile.contains("UDP") || parameter(transport, "server_port").is_some())
}

/// `client_port=1-2` among others, as `1-2`.
fn parameter<'a>(transport: &'a str, name: &str) -> Option<&'a str> {
    // Of several offers the first one holds.
    let offer = transport.split(',').next()?;
    offer.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn first_number(range: &str) -> Option<u16> {
    range.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_is_read() {
        let agreed = "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=10.0.0.7;ssrc=00AB";
        assert_eq!(parameter(agreed, "server_port"), Some("6970-6971"));
        assert_eq!(parameter(agreed, "SOURCE"), Some("10.0.0.7"));
        assert_eq!(parameter(agreed, "interleaved"), None);
        for (transport, expected) in [
            (agreed, None),
            ("RTP/AVP;multicast;destination=239.7.1.2;port=5600-5601;ttl=1", Some("239.7.1.2:5600")),
            ("RTP/AVP/UDP;multicast;destination=ff15::7;client_port=5600", Some("[ff15::7]:5600")),
            ("RTP/AVP;unicast;destination=10.0.0.7;client_port=5600-5601", None),
            ("RTP/AVP;multicast;destination=239.7.1.2", None),
        ] {
            assert_eq!(group_of(transport).map(|group| group.to_string()).as_deref(), expected, "{transport}");
        }
        assert_eq!(parameter("RTP/AVP/TCP;interleaved=2-3,x;interleaved=4-5", "interleaved"), Some("2-3"));
        assert_eq!((first_number("2-3"), first_number("7"), first_number("x")), (Some(2), Some(7), None));
        for (transport, expected) in [
            (agreed, true),
            ("rtp/avp/udp;unicast", true),
            ("RTP/AVP/TCP;unicast;server_port=1-2", false),
            ("RTP/AVP;unicast", false),
            ("", false),
        ] {
            assert_eq!(is_udp(transport), expected, "{transport}");
        }
    }
}
