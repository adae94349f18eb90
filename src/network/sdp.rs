//! What a camera says about its stream (SDP: RFC 8866 as RTSP uses it, RFC 2326 appendix C), reduced to one video. Only the lines are
//! read that are needed for it, `m=` and `a=`: whatever cameras write in the others, nothing depends on it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::address::Address;
use crate::foreign::safe_within;
use crate::frame::Size;

use super::origin::Origin;
use super::sps;

/// The camera's description of its stream, reduced to what is needed to play it.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionDescription {
    /// What PLAY and TEARDOWN name.
    pub url: String,
    pub video: VideoMedia,
    /// All kinds that it has, in its order: `video`, `audio`, `application`.
    pub media: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VideoMedia {
    /// The first that can be decoded, else the first.
    pub format: VideoFormat,
    /// In which packets may come as well.
    pub others: Vec<VideoFormat>,
    /// What SETUP names.
    pub control: String,
    /// From its parameter sets.
    pub size: Option<Size>,
    pub fps: Option<f64>,
    /// The packets are said to be encrypted, each for itself (SRTP, RFC 3711).
    pub is_encrypted: bool,
    /// The lines that say more of it (`a=`), without `a=`.
    pub attributes: Vec<String>,
}

/// How a video is coded in packets of one payload type.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoFormat {
    pub codec: Codec,
    /// As the camera wrote it.
    pub encoding: String,
    pub payload_type: u8,
    /// Ticks of the RTP clock per second.
    pub clock_rate: u32,
    /// What `a=fmtp` says of it.
    pub parameters: String,
    /// SPS, PPS and VPS, if they are announced.
    pub parameter_sets: Vec<Vec<u8>>,
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
    let text = String::from_utf8_lossy(trimmed);
    let (of_session, medias) = sections(&text);
    if !trimmed.starts_with(b"v=") && medias.is_empty() {
        return Err(Unusable::NotSdp(safe_within(trimmed, 60)));
    }
    let media: Vec<String> = medias.iter().map(|media| media.kind.chars().take(20).collect()).collect();
    let videos = medias.iter().filter(|media| media.kind.eq_ignore_ascii_case("video"));
    let videos: Vec<(&MediaSection<'_>, Vec<VideoFormat>)> = videos.map(|media| (media, media.formats())).collect();
    let is_playable = |format: &VideoFormat| format.codec.is_playable();
    let found = videos.iter().find(|(_, formats)| formats.iter().any(is_playable)).or(videos.first());
    let Some((section, formats)) = found else { return Err(Unusable::NoVideo(media)) };
    let mut others = formats.clone();
    let first = others.iter().position(is_playable).unwrap_or(0);
    let format = if others.is_empty() { section.format(DYNAMIC) } else { others.remove(first) };
    let size = format.parameter_sets.iter().find_map(|set| match format.codec {
        Codec::H264 => sps::h264_size(set),
        Codec::H265 => sps::h265_size(set),
        _ => None,
    });
    let url = resolve(value_of(&of_session, "control").unwrap_or("*"));
    let fps = section.value("framerate").and_then(|rate| rate.parse().ok());
    let fps = fps.filter(|rate| (0.01..=1_000.0).contains(rate));
    let control = resolve(section.value("control").unwrap_or("*"));
    let is_encrypted = section.profile.to_ascii_uppercase().contains("SAVP") || section.value("crypto").is_some();
    let attributes = section.attributes.iter().map(|attribute| (*attribute).to_owned()).collect();
    let video = VideoMedia { format, others, control, size, fps, is_encrypted, attributes };
    Ok(SessionDescription { url, video, media })
}

/// The first payload type that has no meaning of its own (RFC 3551, section 6).
const DYNAMIC: u8 = 96;
/// No camera offers more.
const MAX_FORMATS: usize = 16;

/// An `m=` line, and the `a=` lines behind it.
#[derive(Debug, Default)]
struct MediaSection<'a> {
    kind: &'a str,
    /// As in `RTP/AVP`.
    profile: &'a str,
    payload_types: Vec<u8>,
    attributes: Vec<&'a str>,
}

/// The `a=` lines of the whole session, and the media.
fn sections(text: &str) -> (Vec<&str>, Vec<MediaSection<'_>>) {
    let (mut of_session, mut medias) = (Vec::new(), Vec::<MediaSection<'_>>::new());
    for line in text.split(['\r', '\n']).map(str::trim) {
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.split_whitespace();
            let kind = words.next().unwrap_or_default();
            // The port is of no interest, whatever it is.
            let profile = words.find(|word| word.contains('/') && !word.starts_with(|c: char| c.is_ascii_digit()));
            let payload_types = words.filter_map(|word| word.parse().ok()).take(MAX_FORMATS).collect();
            medias.push(MediaSection {
                kind,
                profile: profile.unwrap_or_default(),
                payload_types,
                attributes: Vec::new(),
            });
            if medias.len() == MAX_MEDIA {
                break;
            }
        } else if let Some(attribute) = line.strip_prefix("a=") {
            medias.last_mut().map_or(&mut of_session, |media| &mut media.attributes).push(attribute.trim());
        }
    }
    (of_session, medias)
}

fn value_of<'a>(attributes: &[&'a str], name: &str) -> Option<&'a str> {
    let mut named = attributes.iter().filter_map(|attribute| attribute.split_once(':'));
    named.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl<'a> MediaSection<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        value_of(&self.attributes, name)
    }

    /// Of `a=rtpmap:96 …` and its like.
    fn of_payload(&self, name: &str, payload_type: u8) -> Option<&'a str> {
        let mut values = self.attributes.iter().filter_map(|attribute| {
            let (found, value) = attribute.split_once(':')?;
            let (number, rest) = value.trim().split_once(char::is_whitespace)?;
            found.trim().eq_ignore_ascii_case(name).then(|| (number.parse::<u8>(), rest.trim()))
        });
        values.find(|(number, _)| *number == Ok(payload_type)).map(|(_, rest)| rest)
    }

    fn formats(&self) -> Vec<VideoFormat> {
        self.payload_types.iter().map(|payload_type| self.format(*payload_type)).collect()
    }

    fn format(&self, payload_type: u8) -> VideoFormat {
        let map = self.of_payload("rtpmap", payload_type).unwrap_or(match payload_type {
            26 => "JPEG",
            32 => "MPV",
            33 => "MP2T",
            34 => "H263",
            _ => "",
        });
        let mut parts = map.split('/');
        let encoding: String = parts.next().unwrap_or_default().trim().chars().take(40).collect();
        let clock_rate = parts.next().and_then(|rate| rate.trim().parse().ok()).filter(|rate| *rate > 0);
        let parameters = self.of_payload("fmtp", payload_type).unwrap_or_default().to_owned();
        VideoFormat {
            codec: Codec::of(&encoding),
            encoding,
            payload_type,
            clock_rate: clock_rate.unwrap_or(90_000),
            parameter_sets: parameter_sets(&parameters),
            parameters,
        }
    }
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
        .map(|set| without_start_code(&set).to_vec())
        .filter(|set| !set.is_empty())
        .take(16)
        .collect()
}

/// Some cameras leave in what stands between the units in a file (ITU-T H.264, annex B).
fn without_start_code(set: &[u8]) -> &[u8] {
    set.strip_prefix(&[0, 0, 0, 1]).or_else(|| set.strip_prefix(&[0, 0, 1])).unwrap_or(set)
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
                let VideoMedia { format, control, size, others, is_encrypted, .. } = video;
                let size = size.map_or_else(|| "-".to_owned(), |size| size.to_string());
                let n_sets = format.parameter_sets.len();
                let (codec, number, rate) = (format.codec.name(), format.payload_type, format.clock_rate);
                let others: Vec<_> = others.iter().map(|other| format!("|or {}", other.payload_type)).collect();
                let others = others.concat();
                let secret = if is_encrypted { "|encrypted" } else { "" };
                format!("{codec}|{number}|{rate}|{control}|{url}|{n_sets}|{size}{others}{secret}")
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
        // Ports, bandwidths and half lines of media.
        check("m=video -1 RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video 99999/2 RTP/AVP 26\nb=AS:1536.5\nb=", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video RTP/AVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video", base, "unknown|96|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        check("m=video 0 RTP/AVP 300 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-");
        // Of several types the first that can be decoded, and of several videos the first with one.
        let two = "m=video 0 RTP/AVP 35 96\na=rtpmap:35 H265/90000\na=rtpmap:96 H264/90000";
        check(two, base, "H.265|35|90000|rtsp://cam/1|rtsp://cam/1|0|-|or 96");
        check(&two.replace("H265", "FOO"), base, "H.264|96|90000|rtsp://cam/1|rtsp://cam/1|0|-|or 35");
        check(
            &format!("m=video 0 RTP/AVP 98\na=control:a\n{two}\na=control:b"),
            base,
            "H.265|35|90000|rtsp://cam/1/b|rtsp://cam/1|0|-|or 96",
        );
        check(
            "m=video 0 RTP/AVP 98\na=control:a\nm=video 0 RTP/AVP 99",
            base,
            "unknown|98|90000|rtsp://cam/1/a|rtsp://cam/1|0|-",
        );
        check("m=video 0 RTP/SAVP 26", base, "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-|encrypted");
        check(
            "m=video 0 RTP/AVP 26\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
            base,
            "MJPEG|26|90000|rtsp://cam/1|rtsp://cam/1|0|-|encrypted",
        );
        // Sets as they stand in a file.
        check(
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=AAAAAWdCAB+VqBQBbkA=",
            base,
            "H.264|96|90000|rtsp://cam/1|rtsp://cam/1|1|1280x720",
        );
    }

    #[test]
    fn what_stands_before_the_media_does_not_matter() {
        let check = |begin: &[u8]| {
            let text = [begin, b"m=video 0 RTP/AVP 26\r\na=control:v"].concat();
            let found = read(&text, None, &Address::parse("rtsp://cam/1").unwrap());
            assert_eq!(found.unwrap().video.control, "rtsp://cam/1/v", "{}", begin.escape_ascii());
        };
        check(b"");
        check(b"\xef\xbb\xbfv=0\r\n");
        check(b"o=- 1001 1 IN\nc=IN\ns=Eingang S\xfcd\n");
        check(b"v=0\ro=- 99999999999999999999999 -5 IN IP4 x\rt=0.000 0.000\rthis is no line\rz\r");
        check(b"v=1\r\nv=zero\r\n\r\n");
    }

    #[test]
    fn what_is_no_description_is_told_apart() {
        let read = |text: &[u8]| read(text, None, &Address::parse("rtsp://cam/1").unwrap());
        assert_eq!(read(b" \r\n"), Err(Unusable::Empty));
        assert_eq!(read(b"<html>\n<body>"), Err(Unusable::NotSdp("<html> <body>".into())));
        assert_eq!(read(b"v=zero\r\n"), Err(Unusable::NoVideo(Vec::new())));
    }

    #[test]
    fn base64_is_decoded() {
        assert_eq!(base64("aGFsbG8=").as_deref(), Some(&b"hallo"[..]));
        assert_eq!(base64("aGFsbG8").as_deref(), Some(&b"hallo"[..]));
        assert_eq!(base64("a?").as_deref(), None);
    }
}
