//! SETUP and PLAY (RFC 2326, 10.4 and 10.5), over the transport that is wanted.

use std::time::Instant;

use super::packets::{PacketSource, Udp};
use super::{ConnectionFinding, no_resources};
use crate::fault::{Fault, FaultKind};
use crate::network::rtsp::{RtspClient, RtspRequest, RtspResponse, refusal};
use crate::network::sdp::SessionDescription;
use crate::settings::Transport;

/// Starts the stream.
pub fn play(
    client: &mut RtspClient,
    description: &SessionDescription,
    transport: Transport,
    deadline: Instant,
) -> Result<PacketSource, Fault> {
    let control = &description.video.control;
    let media = match transport {
        Transport::Tcp => over_tcp(client, control, deadline)?,
        Transport::Udp => over_udp(client, control, deadline)?,
        Transport::Auto => match over_tcp(client, control, deadline) {
            Err(fault) if fault.code == Some(UNSUPPORTED_TRANSPORT) => over_udp(client, control, deadline)?,
            tried => tried?,
        },
    };
    // Without a Range, for the reason that the connection test has (`rtsp_stream.rs`).
    let answer = client.request(&RtspRequest::new("PLAY", &description.url, &[]), deadline)?;
    accepted("PLAY", &answer, client)?;
    Ok(media)
}

const UNSUPPORTED_TRANSPORT: i64 = 461;

fn over_tcp(client: &mut RtspClient, control: &str, deadline: Instant) -> Result<PacketSource, Fault> {
    let answer = setup(client, control, "RTP/AVP/TCP;unicast;interleaved=0-1", deadline)?;
    let agreed = transport_of(&answer);
    let channel = parameter(&agreed, "interleaved").and_then(|channels| first_number(channels)?.try_into().ok());
    Ok(PacketSource::Tcp { channel: channel.unwrap_or(0) })
}

fn over_udp(client: &mut RtspClient, control: &str, deadline: Instant) -> Result<PacketSource, Fault> {
    let broken = |error| no_resources("port for UDP", &error);
    let (local, camera) = {
        let connection = client.connection();
        (connection.local().map_err(broken)?.ip(), connection.peer().map_err(broken)?.ip())
    };
    let mut udp = Udp::bind(local, camera).map_err(broken)?;
    let port = udp.port().map_err(broken)?;
    let asked = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
    let answer = setup(client, control, &asked, deadline)?;
    let agreed = transport_of(&answer);
    if agreed.to_ascii_uppercase().starts_with("RTP/AVP/TCP") {
        let message = "the camera was asked for UDP, and answers SETUP with TCP";
        return Err(Fault::new(FaultKind::ProtocolTrouble, message));
    }
    let ports = parameter(&agreed, "server_port").and_then(|ports| {
        let rtp = first_number(ports)?;
        let rtcp = ports.split('-').nth(1).and_then(|port| port.trim().parse().ok()).unwrap_or(rtp.saturating_add(1));
        Some((rtp, rtcp))
    });
    udp.on_agreed(ports);
    Ok(PacketSource::Udp(udp))
}

fn setup(client: &mut RtspClient, control: &str, transport: &str, deadline: Instant) -> Result<RtspResponse, Fault> {
    let answer = client.request(&RtspRequest::new("SETUP", control, &[("Transport", transport)]), deadline)?;
    accepted("SETUP", &answer, client)?;
    Ok(answer)
}

fn accepted(method: &str, answer: &RtspResponse, client: &RtspClient) -> Result<(), Fault> {
    match refusal(method, answer, client.login()) {
        Some(ConnectionFinding { fault, .. }) => Err(fault),
        None => Ok(()),
    }
}

fn transport_of(answer: &RtspResponse) -> String {
    answer.header(&rtsp_types::headers::TRANSPORT).map_or_else(String::new, |value| value.as_str().to_owned())
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
        assert_eq!(parameter("RTP/AVP/TCP;interleaved=2-3,x;interleaved=4-5", "interleaved"), Some("2-3"));
        assert_eq!((first_number("2-3"), first_number("7"), first_number("x")), (Some(2), Some(7), None));
    }
}
