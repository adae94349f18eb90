//! What a camera says about its stream (SDP: RFC 4566 as RTSP uses it, RFC 2326 appendix C), reduced to its first video.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::address::Address;
use crate::foreign::safe_within;
use crate::frame::Size;

use super::origin::Origin;
use super::parsers::{self, NotUnderstood};
use super::sps;

/// The camera's description of its stream, reduced to what is needed to play it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionDescription {
    /// What PLAY and TEARDOWN name.
    pub url: String,
    pub video: VideoMedia,
    /// All kinds that it has, in its order: `video`, `audio`, `application`.
    pub media: Vec<String>,
    /// As it came.
    pub text: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VideoMedia {
    pub codec: Codec,
    /// As the camera wrote it.
    pub encoding: String,
    pub payload_type: u8,
    /// Ticks of the RTP clock per second.
    pub clock_rate: u32,
    /// What SETUP names.
    pub control: String,
    /// SPS, PPS and VPS, if they are announced.
    pub parameter_sets: Vec<Vec<u8>>,
    /// From these.
    pub size: Option<Size>,
    pub fps: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    H265,
    Jpeg,
    Mpeg4,
    Mpeg2,
    H263,
    Vp8,
    Vp9,
    Av1,
    /// A whole MPEG transport stream.
    TransportStream,
    Other,
}

impl Codec {
    /// Whether its packets show where a picture begins that needs no other.
    #[must_use]
    pub fn shows_keys(self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::Jpeg | Self::Mpeg4)
    }

    /// From `a=rtpmap`, or the static payload types of RFC 3551.
    fn of(encoding: &str) -> Self {
        match encoding.to_ascii_uppercase().as_str() {
            "H264" => Self::H264,
            "H265" | "HEVC" => Self::H265,
            "JPEG" => Self::Jpeg,
            "MP4V-ES" => Self::Mpeg4,
            "MPV" => Self::Mpeg2,
            "H263" | "H263-1998" | "H263-2000" => Self::H263,
            "VP8" => Self::Vp8,
            "VP9" => Self::Vp9,
            "AV1" => Self::Av1,
            "MP2T" => Self::TransportStream,
            _ => Self::Other,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Jpeg => "MJPEG",
            Self::Mpeg4 => "MPEG-4",
            Self::Mpeg2 => "MPEG-2",
            Self::H263 => "H.263",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::TransportStream => "MPEG-TS",
            Self::Other => "unknown",
        }
    }

    /// Whether FFmpeg takes it from RTP and decodes it. AV1 it takes only from version 7 on, and few builds decode it.
    #[must_use]
    pub fn is_playable(self) -> bool {
        !matches!(self, Self::Av1 | Self::Other)
    }
}

/// Why a description is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    Empty,
    /// With the beginning of what it is instead.
    NotSdp(String),
    NoVideo(Vec<String>),
    NotUnderstood(NotUnderstood),
}

/// More kinds of media are not told of.
const MAX_MEDIA: usize = 20;

/// Reads the answer to DESCRIBE. `base` is what control attributes refer to: `Content-Base`, else `Content-Location`, else
/// the URL of the address that was asked (RFC 2326, C.1.1). What they name is asked of that address's origin and of no other.
///
/// # Errors
/// There is no video in it.
pub fn read(text: &[u8], base: Option<&str>, asked: &Address) -> Result<SessionDescription, Unusable> {
    let origin = Origin::of(asked);
    let resolve = |control: &str| match base {
        Some(base) => origin.own(asked, &resolve(base, control)),
        None => origin.own(asked, &resolve(&asked.request_url(), control)),
    };
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Err(Unusable::Empty);
    }
    let beginning = || safe_within(trimmed, 60);
    if !trimmed.starts_with(b"v=") {
        return Err(Unusable::NotSdp(beginning()));
    }
    let session = parsers::session(trimmed).map_err(Unusable::NotUnderstood)?;
    let session = session.ok_or_else(|| Unusable::NotSdp(beginning()))?;
    let media = session.medias.iter().take(MAX_MEDIA);
    let media: Vec<String> = media.map(|media| media.media.chars().take(20).collect()).collect();
    let is_video = |media: &&sdp_types::Media| media.media.eq_ignore_ascii_case("video");
    let Some(found) = session.medias.iter().find(is_video) else { return Err(Unusable::NoVideo(media)) };
    let attribute = |name: &str| {
        let found = found.attributes.iter().find(|attribute| attribute.attribute.eq_ignore_ascii_case(name));
        found.and_then(|attribute| attribute.value.as_deref()).map(str::trim)
    };
    let payload_type = found.fmt.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(96);
    let of_payload = |name: &str| {
        let values = found.attributes.iter().filter(|attribute| attribute.attribute.eq_ignore_ascii_case(name));
        values
            .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
            .find_map(|(number, rest)| (number.parse::<u8>() == Ok(payload_type)).then(|| rest.trim()))
    };
    let (encoding, clock_rate) = match of_payload("rtpmap") {
        Some(map) => {
            let mut parts = map.split('/');
            let encoding: String = parts.next().unwrap_or_default().trim().chars().take(40).collect();
            (
                encoding,
                parts.next().and_then(|rate| rate.trim().parse().ok()).filter(|rate| *rate > 0).unwrap_or(90_000),
            )
        }
        None => match payload_type {
            26 => ("JPEG".to_owned(), 90_000),
            32 => ("MPV".to_owned(), 90_000),
            33 => ("MP2T".to_owned(), 90_000),
            34 => ("H263".to_owned(), 90_000),
            _ => (String::new(), 90_000),
        },
    };
    let codec = Codec::of(&encoding);
    let parameter_sets = of_payload("fmtp").map(parameter_sets).unwrap_or_default();
    let size = parameter_sets.iter().find_map(|set| match codec {
        Codec::H264 => sps::h264_size(set),
        Codec::H265 => sps::h265_size(set),
        _ => None,
    });
    let of_session = session.attributes.iter().find(|attribute| attribute.attribute.eq_ignore_ascii_case("control"));
    let url = resolve(of_session.and_then(|attribute| attribute.value.as_deref()).unwrap_or("*"));
    let fps = attribute("framerate").and_then(|rate| rate.parse().ok()).filter(|rate| (0.01..=1_000.0).contains(rate));
    let control = resolve(attribute("control").unwrap_or("*"));
    let video = VideoMedia { codec, encoding, payload_type, clock_rate, control, parameter_sets, size, fps };
    Ok(SessionDescription { url, video, media, text: text.to_vec() })
}

/// What a control attribute means. Cameras and players put it behind the base with one slash, whatever RFC 3986 says.
fn resolve(base: &str, control: &str) -> String {
    let control = control.trim();
    if control.is_empty() || control == "*" {
        base.to_owned()
    } else if control.contains("://") {
        control.to_owned()
    } else {
        format!("{}/{}", base.trim_end_matches('/'), control.trim_start_matches('/'))
    }
}

/// `sprop-parameter-sets` of H.264 (RFC 6184, 8.1), `sprop-vps`, `-sps` and `-pps` of H.265 (RFC 7798, 7.1).
fn parameter_sets(fmtp: &str) -> Vec<Vec<u8>> {
    fmtp.split(';')
        .filter_map(|part| part.trim().split_once('='))
        .filter(|(key, _)| key.trim().to_ascii_lowercase().starts_with("sprop-"))
        .filter(|(key, _)| !key.contains("max") && !key.contains("interleaving"))
        .flat_map(|(_, value)| value.split(','))
        .filter_map(base64)
        .filter(|set| !set.is_empty())
        .take(16)
        .collect()
}

/// RFC 4648, section 4, as cameras write it: padding may be missing, and bits that mean nothing may be set.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `codec|payload type|clock|control|url|sets|size`.
    #[track_caller]
    fn check(lines: &str, base: &str, expected: &str) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\n{}\r\n", lines.replace('\n', "\r\n"));
        let asked = Address::parse("rtsp://cam/asked").unwrap();
        let got = match read(text.as_bytes(), (!base.is_empty()).then_some(base), &asked) {
            Ok(SessionDescription { url, video, .. }) => {
                let size = video.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
                let n_sets = video.parameter_sets.len();
                let (codec, number, rate) = (video.codec.name(), video.payload_type, video.clock_rate);
                format!("{codec}|{number}|{rate}|{}|{url}|{n_sets}|{size}", video.control)
            }
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(got, expected, "{lines}");
    }

    #[test]
    fn descriptions_of_cameras_are_read() {
        let base = "rtsp://cam/1";
        check(
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:trackID=1",
            base,
            "H.264|96|90000|rtsp://cam/1/trackID=1|rtsp://cam/1|0|-",
        );
        check(
            "a=control:*\nm=audio 0 RTP/AVP 0\na=control:a\nm=video 0 RTP/AVP 97\na=rtpmap:97 h265/90000\na=control:rtsp://cam/x/v",
            "rtsp://cam/1/",
            "H.265|97|90000|rtsp://cam/x/v|rtsp://cam/1/|0|-",
        );
        check("m=video 0 RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video 0 RTP/AVP 96\na=rtpmap:96 FOO/1000", base, "unknown|96|1000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0", base, "H.264|96|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check(
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0IAH5WoFAFuQA==,aM48gA==;profile-level-id=42001F",
            base,
            "H.264|96|90000|rtsp://cam/1|rtsp://cam/1|2|1280x720",
        );
        let video = "m=video 0 RTP/AVP 26\na=control:";
        check(&format!("{video}v"), "", "MJPEG|26|90000|rtsp://cam/asked/v|rtsp://cam/asked|0|-");
        // What other hosts have is not asked for, and nobody else is asked.
        check(&format!("{video}rtsp://evil/v"), base, "MJPEG|26|90000|rtsp://cam/v|rtsp://cam/1|0|-");
        check(&format!("{video}v"), "rtsp://evil:8554/1/", "MJPEG|26|90000|rtsp://cam/1/v|rtsp://cam/1/|0|-");
        check(&format!("a=control:http://evil/x\n{video}*"), base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/x|0|-");
        // Lines that are none, or that nothing needs.
        check("no line\nm=video 0 RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video 0 RTP/AVP 26\nno line\na=control:v", base, "MJPEG|26|90000|rtsp://cam/1/v|rtsp://cam/1|0|-");
        check("==\n=\n\u{e4}\nab=c\nm=video 0 RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("t=soon\nb=AS:much\nm=video 0 RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=audio 0 RTP/AVP 0", base, "NoVideo([\"audio\"])");
        check("", base, "NoVideo([])");
    }

    #[test]
    fn what_is_no_description_is_told_apart() {
        let read = |text: &[u8]| read(text, None, &Address::parse("rtsp://cam/1").unwrap());
        assert_eq!(read(b" \r\n"), Err(Unusable::Empty));
        assert_eq!(read(b"<html>\n<body>"), Err(Unusable::NotSdp("<html> <body>".into())));
        assert!(matches!(read(b"v=zero\r\n"), Err(Unusable::NotSdp(_))));
        assert!(matches!(read(b"v=0\r\nm=video\r\n"), Err(Unusable::NotSdp(_))));
    }

    #[test]
    fn base64_is_decoded() {
        assert_eq!(base64("aGFsbG8=").as_deref(), Some(&b"hallo"[..]));
        assert_eq!(base64("aGFsbG8").as_deref(), Some(&b"hallo"[..]));
        assert_eq!(base64("a?").as_deref(), None);
    }
}
