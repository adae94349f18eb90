//! How long each part of a frame's way takes: exposure, transfer, camera, decoding, losses, queues. Pure; advice is given by the
//! entries of the catalogue.

use super::facts::{Facts, StreamFacts};
use crate::control::EXPOSURE_TIME;
use crate::criteria;
use crate::phrases::{Message, number};

/// One part of the way of a frame, and how long it takes there.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyShare {
    /// `slow.<part>`
    pub part: Message,
    pub ms: f64,
    /// It alone takes longer than the frame may: the part to mend.
    pub is_too_long: bool,
}

/// The time that each part takes of each frame, the longest first. Empty where there was no stream.
///
/// Parts run beside each other: they do not add up to the interval between frames, and the longest one decides.
#[must_use]
pub fn shares(facts: &Facts) -> Vec<LatencyShare> {
    let Some(stream) = facts.stream.as_ref().filter(|stream| stream.n_good > 1) else { return Vec::new() };
    let wanted = facts.wanted_fps().filter(|fps| *fps > 0.0);
    let mut shares = Vec::new();
    let mut add = |part: Message, ms: f64| {
        let is_too_long = wanted.is_some_and(|wanted| criteria::is_too_slow(criteria::fps_of_ms(ms), wanted));
        shares.push(LatencyShare { part, ms, is_too_long });
    };
    if let Some(ms) = exposure_ms(stream) {
        add(Message::new("slow.exposure"), ms);
    }
    let got = facts.opening.as_ref().map(|opening| &opening.got);
    let size = stream.sizes.last().copied().or_else(|| got.and_then(|got| got.size));
    let link = facts.presence.as_ref().and_then(|presence| presence.device.as_ref()?.usb.as_ref()?.kbits_per_second);
    if let (Some(format), Some(size), Some(kbits)) = (got.and_then(|got| got.format), size, link)
        && let Some(bits) = criteria::uncompressed_bits(format, size)
    {
        let ms = bits / criteria::video_kbits(kbits);
        add(Message::new("slow.transfer").with("format", format.to_string()).with("size", size.to_string()), ms);
    }
    if let Some(made) = stream.made_fps.filter(|made| *made > 0.0) {
        add(Message::new("slow.camera").with("fps", number(made, 1)), 1_000.0 / made);
    }
    if let Some(ms) = stream.decode_ms {
        add(Message::new("slow.decode"), ms);
    }
    let n_all = stream.n_good + stream.n_lost + stream.n_late + stream.n_damaged;
    let interval = stream.fps.filter(|fps| *fps > 0.0).map_or(0.0, |fps| 1_000.0 / fps);
    for (key, n) in [("slow.lost", stream.n_lost), ("slow.late", stream.n_late), ("slow.damaged", stream.n_damaged)] {
        if n > 0 {
            // What each frame would come sooner if none were lost there.
            add(Message::new(key).with("n", n), interval * n as f64 / n_all as f64);
        }
    }
    if let (Some(age), Some(decode)) = (stream.age_ms, stream.decode_ms)
        && age > decode + 1.0
    {
        add(Message::new("slow.queue"), age - decode);
    }
    shares.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    shares
}

/// `V4L2_CID_EXPOSURE_ABSOLUTE` counts 100 µs.
fn exposure_ms(stream: &StreamFacts) -> Option<f64> {
    let control = stream.controls.iter().find(|control| control.id == EXPOSURE_TIME)?;
    control.value.filter(|value| *value > 0).map(|value| value as f64 / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[(&str, f64, bool)]) {
        let facts: Facts = serde_json::from_str(json).unwrap();
        let shares = shares(&facts);
        let got: Vec<_> = shares
            .iter()
            .map(|share| (share.part.key.to_string(), (share.ms * 10.0).round() / 10.0, share.is_too_long))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(key, ms, long)| ((*key).to_owned(), *ms, *long)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn each_part_has_its_share() {
        check("{}", &[]);
        check(
            r#"{"stream":{"n_good":60,"fps":30,"made_fps":30,"agreed_fps":30,"decode_ms":4}}"#,
            &[("slow.camera", 33.3, false), ("slow.decode", 4.0, false)],
        );
        // Low light: the exposure is longer than the frame may take.
        check(
            r#"{"stream":{"n_good":30,"fps":15,"made_fps":15,"agreed_fps":30,"decode_ms":4,"controls":[
                {"id":10094850,"name":"Exposure","kind":"integer","min":1,"max":5000,"step":1,"value":660,"default":250,"flags":[]}]}}"#,
            &[("slow.camera", 66.7, true), ("slow.exposure", 66.0, true), ("slow.decode", 4.0, false)],
        );
        // 1080p YUYV over USB 2 takes 169 ms a frame.
        check(
            r#"{"opening":{"got":{"size":{"width":1920,"height":1080},"format":"YUYV"}},
                "presence":{"device":{"usb":{"port":"1-1","is_behind_hub":false,"kbits_per_second":480000,"speed":null,"version":null}}},
                "stream":{"n_good":10,"fps":5,"made_fps":5,"agreed_fps":30,"decode_ms":9,"age_ms":12,"n_lost":2}}"#,
            &[
                ("slow.camera", 200.0, true),
                ("slow.transfer", 168.8, true),
                ("slow.lost", 33.3, false),
                ("slow.decode", 9.0, false),
                ("slow.queue", 3.0, false),
            ],
        );
    }
}
