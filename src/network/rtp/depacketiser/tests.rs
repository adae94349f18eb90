use std::time::Duration;

use super::*;

const SPS: &str = "6764001eacd940a03db011000003000100000300320f162d96";
const PPS: &str = "68ce38";

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The units of a picture, each in hexadecimal digits.
fn units(picture: &CodedPicture) -> String {
    let (mut rest, mut units) = (&picture.bytes[..], Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (unit, behind) = behind.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        units.push(unit.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat());
        rest = behind;
    }
    units.join("+")
}

fn packet(number: u16, text: &str) -> RtpPacket<'static> {
    let (head, payload) = text.split_once(' ').unwrap_or((text, ""));
    let (timestamp, flags) = head.split_at(head.find(|c: char| !c.is_ascii_digit()).unwrap_or(head.len()));
    RtpPacket {
        marker: flags.contains('m'),
        payload_type: 96,
        sequence: number,
        timestamp: timestamp.parse().unwrap(),
        ssrc: u32::from(flags.contains('s')),
        extension: None,
        payload: bytes(payload).leak(),
    }
}

/// Packets as `TIMESTAMP[m][s][+N|-N] PAYLOAD`: `m` with the marker, `s` of another sender, `+N` behind N that are missing, `-N` so
/// many behind the newest. Pictures as `[k][d]TIMESTAMP UNIT+UNIT`: key, damaged.
#[track_caller]
fn check(codec: VideoCodec, packets: &[&str], expected: &[&str]) {
    let mut depacketiser = Depacketiser::new(codec, &[], None);
    let (mut pictures, mut number, start) = (Vec::new(), 65_530_u16, Instant::now());
    for text in packets {
        let (head, payload) = text.split_once(' ').unwrap_or((text, ""));
        let (head, step) = head.split_at(head.find(['+', '-']).unwrap_or(head.len()));
        let this = match step.strip_prefix('-') {
            Some(back) => number.wrapping_sub(back.parse().unwrap()),
            None => number.wrapping_add(1).wrapping_add(step.trim_matches('+').parse().unwrap_or(0)),
        };
        if this.wrapping_sub(number) < u16::MAX - 100 {
            number = this;
        }
        pictures.extend(depacketiser.take(&packet(this, &format!("{head} {payload}")), start));
    }
    pictures.extend(depacketiser.flush());
    assert!(depacketiser.flush().is_none());
    let got: Vec<String> = pictures
        .iter()
        .map(|picture| {
            let (key, damaged) = (if picture.is_key { "k" } else { "" }, if picture.is_damaged { "d" } else { "" });
            format!("{key}{damaged}{} {}", picture.rtp_timestamp, units(picture))
        })
        .collect();
    assert_eq!(got, expected, "{packets:#?}");
}

/// Beginnings of slices: I and P, the first of a picture and another.
const I: &str = "658884";
const P: &str = "419a01";

#[test]
fn units_of_h264_are_unpacked() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    check(&["1 6742001eff", "1 68ce", "1 0605", "1m 658884", "2m 419a01"], &["k1 0605+658884", "2 419a01"]);
    // Several in one: STAP-A, STAP-B.
    check(&["1m 18 0002 68ce 0003 658884 0003 654221"], &["k1 658884+654221"]);
    check(&["1m 19 0007 0003 658884 0003 654221"], &["k1 658884+654221"]);
    // In fragments: FU-A, FU-B; one that is begun and ended at once.
    check(&["1 7c85 88", "1 7c05 84", "1m 7c45 01"], &["k1 65888401"]);
    check(&["1 7d85 0001 88", "1 7c05 84", "1m 7c45 01"], &["k1 65888401"]);
    check(&["1m 7cc5 888401"], &["k1 65888401"]);
    // As in a file, alone and within others.
    check(&["1m 00000001 68ce 000001 658884 00000001 654221"], &["k1 658884+654221"]);
    check(&["1 7c87 42001eff", "1 7c07 000001 68ce 0000", "1m 7c47 01 658884"], &["k1 658884"]);
    check(&["1m 658884 00000001 654221 0000"], &["k1 658884+654221"]);
    check(&["1 7c85 000001 658884", "1m 7c45 00000001 654221"], &["k1 658884+654221"]);
    // Nothing, and what only separates.
    check(&["1 ", "1 65", "1 09f0", "1 0000", "1m 18 0000 0003 658884 00"], &["k1 658884"]);
    check(&["1m 658884", "2 ", "2m 419a01 0000"], &["k1 658884", "2 419a01"]);
    check(&["1 658884", "1m 0a", "2m 419a01"], &["k1 658884+0a", "2 419a01"]);
}

#[test]
fn key_pictures_are_told() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    check(&["1m 658884"], &["k1 658884"]);
    check(&["1m 418884"], &["k1 418884"]);
    check(&["1 418884", "1m 414221"], &["k1 418884+414221"]);
    check(&["1 418884", "1m 414681"], &["1 418884+414681"]);
    check(&["1 060601c480", "1m 419a01"], &["k1 060601c480+419a01"]);
    // Whether a slice that is missing needs other pictures is not known; of IDR pictures it is.
    check(&["1 418884", "1m+1 414221"], &["d1 418884+414221"]);
    check(&["1 658884", "1m+1 654221"], &["kd1 658884+654221"]);
}

#[test]
fn what_is_missing_is_told() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    // A whole picture; the end of one and the beginning of the next; the middle of a unit.
    check(&["1m 658884", "3m+1 419a01", "4m 419a02"], &["k1 658884", "d3 419a01", "4 419a02"]);
    check(&["1 658884", "2m+1 419a01", "3m 419a02"], &["kd1 658884", "d2 419a01", "3 419a02"]);
    check(&["1 658884", "1 7c81 46", "1+1 7c01 01", "1m 7c41 02", "2m 419a01"], &["kd1 658884", "2 419a01"]);
    check(&["1 7c85 88", "1m+1 7c45 02", "2m 419a01", "3m 419a02"], &["d2 419a01", "3 419a02"]);
    check(&["1 7c85 88", "2+1 7c01 01", "2m 7c41 02", "3m 419a01"], &["d3 419a01"]);
    // What the camera leaves out: an end, a beginning, both between two fragments of other units.
    check(&["1 7c85 8884", "1m 654221", "2m 419a01"], &["kd1 658884+654221", "2 419a01"]);
    check(&["1m 658884", "2 7c85 88", "3m 419a01"], &["k1 658884", "d3 419a01"]);
    check(&["1 658884", "1m 7c45 01", "2m 419a01"], &["kd1 658884", "2 419a01"]);
    check(&["1 658884", "1 7c85 42", "1m 7c41 01", "2m 419a01"], &["kd1 658884", "2 419a01"]);
    // Lengths over the packet, units that cannot be, ways of packing that are not read.
    check(&["1m 18 0003 658884 0004 654221"], &["kd1 658884"]);
    check(&["1m 658884", "2 1a 0000 01", "2m 419a01"], &["k1 658884", "d2 419a01"]);
    check(&["1m 658884", "2 e59a01", "2 1f01", "2m 419a01"], &["k1 658884", "d2 419a01"]);
    check(&["1m 658884", "2 1c", "2 1900", "2m 419a01"], &["k1 658884", "d2 419a01"]);
    // The first slice of a picture.
    check(&["1m 654221", "2m 419a01"], &["kd1 654221", "2 419a01"]);
}

#[test]
fn what_has_begun_before_us_is_no_loss() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    check(&["1 7c05 88", "1m 7c45 01", "2m 658884"], &["k2 658884"]);
    check(&["1 7c05 88", "1m+1 7c45 01", "2m 658884"], &["kd2 658884"]);
}

#[test]
fn packets_are_counted() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    // Twice, and too late.
    check(
        &["1 658884", "1-0 658884", "1m 654221", "1-1 654222", "2m-0 419a01", "2m 419a01"],
        &["k1 658884+654221", "2 419a01"],
    );
    // The count begins anew, or another sender's.
    check(&["1m 658884", "2m+4000 419a01"], &["k1 658884", "2 419a01"]);
    check(&["1m 658884", "2m-500 419a01"], &["k1 658884", "2 419a01"]);
    check(&["1m 658884", "2ms 419a01"], &["k1 658884", "2 419a01"]);
    check(&["1m 658884", "2 419a01", "2m-500 419a02"], &["k1 658884", "d2 419a01", "2 419a02"]);
    check(&["1m 658884", "2m+2998 419a01"], &["k1 658884", "d2 419a01"]);
}

#[test]
fn a_picture_ends_at_its_marker_or_at_the_next_time_stamp() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H264, packets, expected);
    check(&["1 658884", "2 419a01", "2 414681", "3 419a02"], &["k1 658884", "2 419a01+414681", "3 419a02"]);
    // A marker on what is ahead of a picture.
    check(&["1m 6742001eff", "1m 0605", "1m 658884", "2m 0605", "2m 419a01"], &["k1 0605+658884", "2 0605+419a01"]);
    check(&["1 0605", "2m 658884"], &["k2 0605+658884"]);
    // A marker on each slice is learnt; the first parts are not joined.
    check(
        &["1m 658884", "1m 654221", "2m 419a01", "2m 414681", "3m 419a02", "3m 414682"],
        &["k1 658884", "1 654221", "2 419a01+414681", "3 419a02+414682"],
    );
    check(
        &["1m 658884", "1m 654221", "2m 419a01", "2m 414681", "4m+1 419a02", "4m 414682"],
        &["k1 658884", "1 654221", "d2 419a01+414681", "d4 419a02+414682"],
    );
    // Markers on fragments.
    check(&["1m 7c85 88", "1m 7c05 84", "1m 7c45 01", "2m 419a01"], &["k1 65888401", "2 419a01"]);
    // A time stamp that stands still, and the second field of a picture.
    check(&["1m 658884", "1m 419a01", "1m 419a02"], &["k1 658884", "1 419a01", "1 419a02"]);
    check(&["1m 658884", "1m 654221", "1m 419a01", "1m 414681"], &["k1 658884", "1 654221", "1 419a01+414681"]);
    check(&["1 658884", "1m 419a01", "2m 419a02"], &["k1 658884+419a01", "2 419a02"]);
    // The last one, whole or not.
    check(&["1m 658884", "2 419a01"], &["k1 658884", "d2 419a01"]);
    check(&["1m 658884", "2 5c81 9a01"], &["k1 658884", "d2 419a01"]);
}

#[test]
fn units_of_h265_are_unpacked() {
    let check = |packets: &[&str], expected: &[&str]| check(VideoCodec::H265, packets, expected);
    check(&["1 40010c", "1 4e010501", "1m 2601a8", "2m 0201d0"], &["k1 4e010501+2601a8", "2 0201d0"]);
    check(&["1m 6001 0003 2601a8 0003 26016c"], &["k1 2601a8+26016c"]);
    check(&["1 6201 93 a8", "1 6201 13 01", "1m 6201 53 02"], &["k1 2601a80102"]);
    check(&["1m 00000001 2601a8 000001 26016c"], &["k1 2601a8+26016c"]);
    check(&["1 460150", "1 2601", "1m 2601a8", "2m 4a01", "2m 0201d0"], &["k1 2601a8", "2 4a01+0201d0"]);
    check(&["1 4e0106018080", "1m 0201d0"], &["k1 4e0106018080+0201d0"]);
    // Another layer is passed on.
    check(&["1 2601a8", "1m 0209d0"], &["k1 2601a8+0209d0"]);
    check(&["1 2601a8", "1 6201 81 50", "1m+1 6201 41 02", "2m 0201d0"], &["kd1 2601a8", "2 0201d0"]);
    check(&["1m 2601a8", "2 6401 0000", "2m 0201d0"], &["k1 2601a8", "d2 0201d0"]);
    check(&["1m 2601a8", "2 0200d0", "2 6201", "2m 0201d0"], &["k1 2601a8", "d2 0201d0"]);
    check(&["1m 2601a8", "1m 26016c", "2m 0201d0", "2m 020150"], &["k1 2601a8", "1 26016c", "2 0201d0+020150"]);
}

fn take(depacketiser: &mut Depacketiser, number: u16, text: &str) -> CodedPicture {
    depacketiser.take(&packet(number, text), Instant::now()).pop().unwrap()
}

#[test]
fn sets_and_sizes_go_with_pictures() {
    let announced = [bytes(&format!("00000001{SPS}000001{PPS}")), bytes("0102"), vec![]];
    let mut of = Depacketiser::new(VideoCodec::H264, &announced, None);
    let first = take(&mut of, 1, &format!("1m {I}"));
    assert_eq!(*first.sets, ParameterSets { vps: vec![], sps: vec![bytes(SPS)], pps: vec![bytes(PPS)] });
    assert_eq!(first.size, Some(Size { width: 640, height: 480 }));
    // The same in band, with a zero behind it.
    assert!(of.take(&packet(2, &format!("2 {SPS}00")), Instant::now()).is_empty());
    assert!(Arc::ptr_eq(&take(&mut of, 3, &format!("2m {P}")).sets, &first.sets));
    // A PPS that is new, of an SPS that is not known; the size is that of the PPS that the slices name.
    assert!(of.take(&packet(4, "3 6848e1"), Instant::now()).is_empty());
    let third = take(&mut of, 5, &format!("3m {P}"));
    assert_eq!((third.sets.pps.len(), third.size), (2, first.size));
    assert!(!Arc::ptr_eq(&third.sets, &first.sets));
    // One that cannot be read is not taken.
    assert!(of.take(&packet(6, "4 6764"), Instant::now()).is_empty());
    let fourth = take(&mut of, 7, &format!("4m {P}"));
    assert!(fourth.is_damaged && Arc::ptr_eq(&fourth.sets, &third.sets));
    // Another size under the same number.
    let large = "6764001facd9405005bb011000000300100000030320f1831960";
    assert!(of.take(&packet(8, &format!("5 {large}")), Instant::now()).is_empty());
    let fifth = take(&mut of, 9, &format!("5m {I}"));
    assert_eq!(fifth.size, Some(Size { width: 1_280, height: 720 }));
    assert_eq!(fifth.sets.sps, [bytes(large)]);
}

#[test]
fn a_picture_has_the_time_of_its_first_packet() {
    let (mut of, start) = (Depacketiser::new(VideoCodec::H264, &[], None), Instant::now());
    let at = |ms| start + Duration::from_millis(ms);
    assert!(of.take(&packet(1, &format!("1 {I}")), at(0)).is_empty());
    assert_eq!(of.take(&packet(2, "1m 654221"), at(10)).pop().unwrap().taken_at, at(0));
    assert!(of.take(&packet(3, &format!("2 {P}")), at(40)).is_empty());
    assert_eq!(of.take(&packet(4, &format!("3 {P}")), at(80)).pop().unwrap().taken_at, at(40));
    assert_eq!(of.flush().unwrap().taken_at, at(80));
}

#[test]
fn pictures_without_end_are_dropped() {
    let payload: &'static [u8] = [bytes("419a"), vec![1; 60_000]].concat().leak();
    for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Jpeg] {
        let mut of = Depacketiser::new(codec, &[], None);
        for sequence in 0..=400_u16 {
            let [_, o2, o1, o0] = (u32::from(sequence) * 59_992).to_be_bytes();
            let fragment = |head: &[u8]| -> &'static [u8] { [head, &payload[..59_992]].concat().leak() };
            let payload: &'static [u8] = match codec {
                VideoCodec::Jpeg => fragment(&[0, o2, o1, o0, 1, 50, 80, 60]),
                VideoCodec::H264 => payload,
                VideoCodec::H265 => fragment(&[0x62, 1, if sequence == 0 { 0x81 } else { 1 }, 0xd0]),
            };
            let packet = RtpPacket { sequence, payload, ..packet(0, "1") };
            assert!(of.take(&packet, Instant::now()).is_empty(), "{codec:?}");
        }
        assert!(of.why_none().is_some(), "{codec:?}");
        let next =
            if codec == VideoCodec::Jpeg { "2m 00000000 01325a3c aabb" } else { "2m 00000001 2601a8 000001 419a01" };
        let picture = of.take(&packet(401, next), Instant::now()).pop().unwrap();
        assert_eq!((picture.is_damaged, of.why_none(), of.n_dropped()), (true, None, 1), "{codec:?}");
    }
}
