//! Streams that are made and packed here as the standards say, then robbed of packets or spoilt.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;

/// A packet without its number.
#[derive(Clone, Debug)]
struct Sent {
    picture: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// Units of one picture, and what is kept of them.
fn units(codec: VideoCodec, n: u32, random: &mut Rng) -> (Vec<Vec<u8>>, Vec<u8>) {
    let is_key = n.is_multiple_of(10);
    let sets: &[&[u8]] = match codec {
        VideoCodec::H264 => &[&[0x67, 66, 0, 30, 0xff, 1], &[0x68, 0xce]],
        _ => &[&[0x40, 1, 12], &[0x44, 1, 0xc1]],
    };
    let heads: [&[u8]; 3] = match (codec, is_key) {
        (VideoCodec::H264, true) => [&[6, 5, 0xff], &[0x65, 0x88, 0x84], &[0x65, 0x42, 0x21]],
        (VideoCodec::H264, false) => [&[6, 5, 0xff], &[0x41, 0x9a, 1], &[0x41, 0x46, 0x81]],
        (_, true) => [&[0x4e, 1, 5, 0xff], &[0x26, 1, 0xa8], &[0x26, 1, 0x6c]],
        (_, false) => [&[0x4e, 1, 5, 0xff], &[2, 1, 0xd0], &[2, 1, 0x50]],
    };
    let mut units: Vec<Vec<u8>> = if is_key { sets.iter().map(|set| set.to_vec()).collect() } else { Vec::new() };
    let mut kept = Vec::new();
    let n_slices = random.usize(1..5);
    for nth in 0..=n_slices {
        if nth == 0 && random.bool() {
            continue;
        }
        let data = (0..random.usize(1..4_000) >> random.u8(..8)).map(|_| random.u8(1..));
        let unit: Vec<u8> = heads[nth.min(2)].iter().copied().chain(data).collect();
        kept.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
        kept.extend_from_slice(&unit);
        units.push(unit);
    }
    (units, kept)
}

/// RFC 6184 and RFC 7798: alone where they fit, together, in fragments.
fn packed(codec: VideoCodec, units: &[Vec<u8>], random: &mut Rng) -> Vec<Vec<u8>> {
    let is_264 = codec == VideoCodec::H264;
    let (n_header, mtu) = (if is_264 { 1 } else { 2 }, random.usize(20..1_400));
    let (mut payloads, mut rest) = (Vec::new(), units);
    while let Some((unit, behind)) = rest.split_first() {
        let n_together = if random.bool() { random.usize(1..4).min(rest.len()) } else { 1 };
        let together = &rest[..n_together];
        if n_together > 1 && together.iter().map(Vec::len).sum::<usize>() < mtu {
            let mut payload = if is_264 { vec![0x78] } else { vec![0x60, 1] };
            for unit in together {
                payload.extend(u16::try_from(unit.len()).unwrap().to_be_bytes());
                payload.extend_from_slice(unit);
            }
            payloads.push(payload);
            rest = &rest[n_together..];
            continue;
        }
        rest = behind;
        if unit.len() <= mtu {
            payloads.push(unit.clone());
            continue;
        }
        let chunks: Vec<&[u8]> = unit[n_header..].chunks(mtu).collect();
        for (nth, chunk) in chunks.iter().enumerate() {
            let flags = if nth == 0 { 0x80 } else { 0 } | if nth + 1 == chunks.len() { 0x40 } else { 0 };
            let head = if is_264 {
                vec![unit[0] & 0xe0 | 0x1c, flags | unit[0] & 0x1f]
            } else {
                vec![unit[0] & 0x81 | 49 << 1, unit[1], flags | unit[0] >> 1 & 0x3f]
            };
            payloads.push([&head, *chunk].concat());
        }
    }
    payloads
}

/// RFC 2435; without the headers of the file.
fn packed_jpeg(random: &mut Rng) -> (Vec<Vec<u8>>, Vec<u8>) {
    let scan: Vec<u8> = (0..random.usize(4..4_000)).map(|_| random.u8(..0xff)).chain([0xff, 0xd9]).collect();
    let mtu = random.usize(20..1_400);
    let fragment = |(nth, chunk): (usize, &[u8])| {
        let [.., o2, o1, o0] = u32::try_from(nth * mtu).unwrap().to_be_bytes();
        [&[0, o2, o1, o0, 1, 70, 80, 60], chunk].concat()
    };
    (scan.chunks(mtu).enumerate().map(fragment).collect(), scan)
}

/// The packets of so many pictures, and what each picture holds.
fn stream(codec: VideoCodec, n: u32, has_markers: bool, random: &mut Rng) -> (Vec<Sent>, BTreeMap<u32, Vec<u8>>) {
    let (mut packets, mut pictures) = (Vec::new(), BTreeMap::new());
    for picture in 0..n {
        let (payloads, kept) = if codec == VideoCodec::Jpeg {
            packed_jpeg(random)
        } else {
            let (units, kept) = units(codec, picture, random);
            (packed(codec, &units, random), kept)
        };
        let n_payloads = payloads.len();
        pictures.insert(picture, kept);
        packets.extend((1..).zip(payloads).map(|(nth, payload)| {
            let marker = has_markers && nth == n_payloads;
            Sent { picture, marker, payload }
        }));
    }
    (packets, pictures)
}

fn parsed(sent: &Sent, sequence: u16) -> RtpPacket<'_> {
    RtpPacket {
        marker: sent.marker,
        payload_type: 96,
        sequence,
        timestamp: (sent.picture * 3_600).wrapping_sub(9_000),
        ssrc: 7,
        extension: None,
        payload: &sent.payload,
    }
}

/// Sends a stream of which this share is lost, and judges each picture.
fn check(codec: VideoCodec, loss: f64, has_markers: bool, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let context = format!("{codec:?}, {loss} lost, markers: {has_markers}, seed {seed}");
    let (sent, pictures) = stream(codec, 60, has_markers, &mut random);
    let mut depacketiser = Depacketiser::new(codec, &[], None);
    let first = random.u16(..);
    let (mut got, mut gaps) = (Vec::new(), Vec::new());
    let (mut first_seen, mut last) = (None, None::<usize>);
    for (nth, packet) in sent.iter().enumerate() {
        if random.f64() < loss {
            continue;
        }
        if last.is_some_and(|last| last + 1 < nth) {
            gaps.push(packet.picture);
        }
        last = Some(nth);
        first_seen.get_or_insert(packet.picture);
        let sequence = first.wrapping_add(u16::try_from(nth).unwrap());
        got.extend(depacketiser.take(&parsed(packet, sequence), Instant::now()));
        if random.u8(..) == 0 {
            got.extend(depacketiser.take(&parsed(packet, sequence), Instant::now()));
        }
    }
    got.extend(depacketiser.flush());
    let number = |picture: &CodedPicture| picture.rtp_timestamp.wrapping_add(9_000) / 3_600;
    assert!(got.is_sorted_by_key(number), "{context}");
    for picture in &got {
        let kept = &pictures[&number(picture)];
        // Of a JPEG the headers stand before it.
        let is_equal = if codec == VideoCodec::Jpeg { picture.bytes.ends_with(kept) } else { picture.bytes == *kept };
        // What is lost before the first packet, or behind the last where no marker tells that one is missing, nobody can know.
        let is_last = Some(picture) == got.last() && (!has_markers || loss > 0.5);
        let is_at_edge = Some(number(picture)) == first_seen || is_last;
        assert!(is_equal || picture.is_damaged || is_at_edge, "{context}: picture {}", number(picture));
        if codec != VideoCodec::Jpeg && is_equal && !picture.is_damaged {
            assert_eq!(picture.is_key, number(picture) % 10 == 0, "{context}: picture {}", number(picture));
        }
    }
    for gap in gaps {
        let next = got.iter().find(|picture| number(picture) >= gap);
        assert!(next.is_none_or(|picture| picture.is_damaged), "{context}: a gap in or before picture {gap}");
    }
    if loss == 0.0 {
        assert_eq!((got.len(), got.iter().filter(|picture| picture.is_damaged).count()), (60, 0), "{context}");
    }
}

const CODECS: [VideoCodec; 3] = [VideoCodec::Jpeg, VideoCodec::H264, VideoCodec::H265];

#[test]
fn what_is_not_marked_is_as_it_was_sent() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for codec in CODECS {
        for loss in [0.0, 0.005, 0.05, 0.3, 0.9] {
            for n in 0..40 {
                check(codec, loss, n % 4 != 0, seed.wrapping_add(n));
            }
        }
    }
}

#[test]
fn nothing_makes_it_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    for codec in CODECS {
        let (mut n_packets, mut n_pictures, mut sequence) = (0, 0, 0_u16);
        let mut depacketiser = Depacketiser::new(codec, &[vec![0x67; 3], vec![]], None);
        while n_packets < 70_000 {
            if random.u8(..) == 0 {
                let announced: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
                depacketiser = Depacketiser::new(codec, &[announced], Some(Size { width: 4_000, height: 70_000 }));
            }
            let made_for = if random.u8(..8) == 0 { CODECS[random.usize(..3)] } else { codec };
            for mut sent in stream(made_for, 3, true, &mut random).0 {
                n_packets += 1;
                let at = random.usize(..=sent.payload.len());
                match random.u8(..12) {
                    0 => sent.payload.truncate(at),
                    1 => sent.payload.iter_mut().take(12).for_each(|byte| *byte = random.u8(..)),
                    2 => drop(sent.payload.splice(at..at, [0, 0, 0, 1, random.u8(..), random.u8(..)])),
                    3 => sent.payload = (0..random.usize(..30)).map(|_| random.u8(..)).collect(),
                    4 => sent.payload.iter_mut().skip(at).take(3).for_each(|byte| *byte = 0),
                    5 => sent.marker ^= true,
                    6 => sent.picture = random.u32(..6),
                    7 => sequence = sequence.wrapping_add(random.u16(..) >> random.u8(..16)),
                    _ => {}
                }
                sequence = sequence.wrapping_add(1);
                let data: Vec<u8> =
                    (0..random.usize(..40)).map(|_| random.choice([0xff, 0xc0, 0xdb, 0, 9]).unwrap()).collect();
                let extension = (random.u8(..4) == 0).then_some((0xffd8, data.as_slice()));
                for picture in depacketiser.take(&RtpPacket { extension, ..parsed(&sent, sequence) }, Instant::now()) {
                    n_pictures += 1;
                    check_lengths(codec, &picture.bytes);
                }
            }
        }
        assert!(n_pictures > 1_000, "{codec:?}: {n_pictures}");
    }
}

/// Whatever came, what is given out is a file, or units behind their lengths.
fn check_lengths(codec: VideoCodec, bytes: &[u8]) {
    if codec == VideoCodec::Jpeg {
        assert!(bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9]));
        return;
    }
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        assert!(length > 0 && length <= behind.len());
        rest = &behind[length..];
    }
    assert!(rest.is_empty() && !bytes.is_empty());
}
