use std::fs;
use std::time::SystemTime;

use super::super::clip_file::ClipFile;
use super::super::index::ClipReader;
use super::super::testing::{CodedCamera, create, head, push, unfinished};
use super::*;
use crate::packet::Packet;

/// Where its fragments end, and how many pictures are whole then.
fn fragments(whole: &[u8]) -> Vec<(usize, usize)> {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, whole).unwrap();
    let walked = walk::walk(&file).unwrap().unwrap();
    walked.fragments.iter().map(|fragment| (usize::try_from(fragment.end).unwrap(), fragment.n_pictures)).collect()
}

fn repaired(folder: &Path, bytes: &[u8]) -> io::Result<Repaired> {
    let path = folder.join("clip.recording.mp4");
    let _ = fs::remove_file(folder.join("clip.mp4"));
    fs::write(&path, bytes).unwrap();
    repair(&path)
}

/// The first `n_pictures` are there and no more, as they were.
#[track_caller]
fn check(folder: &Path, bytes: &[u8], packets: &[Packet], n_pictures: usize, about: &str) {
    let got = repaired(folder, bytes).unwrap();
    let Repaired::Closed(closed) = got else {
        assert_eq!(n_pictures, 0, "{about}: {got:?}");
        return;
    };
    assert_eq!(closed.n_pictures, n_pictures, "{about}");
    let reader = ClipReader::open(&closed.path).unwrap();
    assert!(reader.is_closed(), "{about}");
    assert_eq!(reader.pictures().len(), n_pictures, "{about}");
    for (picture, packet) in reader.pictures().iter().zip(packets) {
        assert_eq!(reader.read(picture).unwrap(), *packet.bytes, "{about}");
    }
}

const CODECS: [VideoCodec; 3] = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Jpeg];

#[test]
fn whatever_is_cut_off_the_whole_fragments_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for codec in CODECS {
        let (packets, whole) = unfinished(codec, 150, 1);
        let fragments = fragments(&whole);
        assert_eq!(fragments.last(), Some(&(whole.len(), packets.len())));
        for _ in 0..100 {
            let n_bytes = random.usize(..=whole.len());
            let n_kept =
                fragments.iter().rev().find(|(end, _)| *end <= n_bytes).map_or(0, |(_, n_pictures)| *n_pictures);
            check(folder.path(), &whole[..n_bytes], &packets, n_kept, &format!("{codec:?}, cut at {n_bytes}"));
            // The length has reached the disk, and the bytes have not.
            let zeroed = [&whole[..n_bytes], &vec![0; whole.len() - n_bytes]].concat();
            let got = repaired(folder.path(), &zeroed).unwrap();
            let n_got = if let Repaired::Closed(closed) = got { closed.n_pictures } else { 0 };
            // A few zeros at the end of a picture may be its own.
            assert!((n_kept..=n_kept + 13).contains(&n_got), "{codec:?}, zeros from {n_bytes}: {n_got}, not {n_kept}");
        }
    }
}

/// Blocks that were not synced are lost, each for itself: what is before the first is there.
#[test]
fn lost_blocks_cost_what_is_behind_them() {
    const BLOCK: usize = 4_096;
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    for codec in CODECS {
        let (packets, whole) = unfinished(codec, 150, 2);
        let fragments = fragments(&whole);
        // The last 2.6 s, from the end of a block on: what was synced has its blocks.
        let synced = fragments[fragments.len() - 6].0.next_multiple_of(BLOCK);
        for _ in 0..50 {
            let mut bytes = whole.clone();
            let mut first_lost = whole.len();
            for at in (synced..whole.len()).step_by(BLOCK) {
                if random.u32(..3) == 0 {
                    let end = (at + BLOCK).min(whole.len());
                    bytes[at..end].fill(0);
                    first_lost = first_lost.min(at);
                }
            }
            let n_kept =
                fragments.iter().rev().find(|(end, _)| *end <= first_lost).map_or(0, |(_, n_pictures)| *n_pictures);
            let least = if first_lost == whole.len() { packets.len() } else { n_kept };
            check(folder.path(), &bytes, &packets, least, &format!("{codec:?}, lost at {first_lost}"));
        }
    }
}

/// Closing is stopped behind each of its writes.
#[test]
fn a_clip_that_was_being_closed_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    for codec in CODECS {
        let (packets, whole) = unfinished(codec, 60, 3);
        check(folder.path(), &whole, &packets, 60, "not begun");
        let closed = fs::read(folder.path().join("clip.mp4")).unwrap();
        for n_bytes in [whole.len() + 1, whole.len() + 100, closed.len() - 1, closed.len()] {
            check(folder.path(), &[&whole, &closed[whole.len()..n_bytes]].concat(), &packets, 60, "in the table");
            // The head has reached the disk before the table.
            check(folder.path(), &closed[..n_bytes], &packets, 60, "turned");
        }
        assert_eq!(fs::read(folder.path().join("clip.mp4")).unwrap(), closed);
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let got = repaired(folder.path(), bytes).map_or_else(|error| error.to_string(), |got| format!("{got:?}"));
        assert!(got.contains(expected), "{got}");
        assert_eq!(fs::read(folder.path().join("clip.recording.mp4")).unwrap(), bytes);
    }
    let (_, whole) = unfinished(VideoCodec::H264, 20, 4);
    check(b"", "Empty");
    check(&[0; 9_000], "Empty");
    check(&whole[..73], "Empty");
    check(&whole[..500], "Empty");
    check(&[&[0; 9_000], &whole[9_000..]].concat(), "Nothing");
    check(&[&whole[..80], &[0; 20], &whole[100..]].concat(), "Nothing");
    check(b"hello", "not recorded by Camclinic");
    check(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2avc1mp41\0\0\0\x08free", "not recorded by Camclinic");
    let folder = tempfile::tempdir().unwrap();
    let why = |path: &Path| repair(path).map_or_else(|error| error.kind(), |got| panic!("{got:?}"));
    assert_eq!(why(&folder.path().join("a.mp4")), io::ErrorKind::InvalidInput);
    assert_eq!(why(&folder.path().join("a.recording.mp4")), io::ErrorKind::NotFound);
    fs::create_dir(folder.path().join("b.recording.mp4")).unwrap();
    assert_eq!(why(&folder.path().join("b.recording.mp4")), io::ErrorKind::IsADirectory);
    let (clip, path) = create(folder.path(), VideoCodec::H264);
    assert_eq!(why(&path), io::ErrorKind::WouldBlock, "it is being recorded");
    drop(clip);
    assert_eq!(repair(&path).unwrap(), Repaired::Empty);
}

/// With copies of the heads, with none, and with copies of which something is wrong.
#[test]
fn copies_of_heads_tell_what_the_heads_do() {
    let samples = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        let walked = walk::walk(&file).unwrap().unwrap();
        (walked.samples, walked.fragments)
    };
    let mut random = fastrand::Rng::with_seed(8);
    for codec in CODECS {
        let (packets, whole) = unfinished(codec, 1_500, 8);
        let place = |bytes: &[u8]| u64::from_be_bytes(bytes[..8].try_into().unwrap());
        let last = place(&whole[64..]);
        let before = place(&whole[at(last) + 24..]);
        assert!(before > 0 && last > before, "there are several: {last} {before}");
        let without = [&whole[..64], &[0; 8], &whole[72..]].concat();
        let expected = samples(&without);
        assert_eq!(expected.0.pictures.len(), packets.len());
        let (by_copies, fragments) = samples(&whole);
        assert_eq!(by_copies, expected.0, "{codec:?}");
        assert!(fragments.len() < expected.1.len(), "the copies themselves were not looked at");
        assert_eq!(fragments.last(), expected.1.last());
        // It is cut off behind them; they are cut off; something else is in their place.
        let is_prefix = |bytes: &[u8]| expected.0.pictures.starts_with(&samples(bytes).0.pictures);
        for n_bytes in [at(last) + 1, at(last) + 200, at(last) + 20_000, at(before) + 100] {
            assert!(is_prefix(&whole[..n_bytes.min(whole.len())]), "{codec:?}, cut at {n_bytes}");
        }
        for _ in 0..300 {
            let mut bytes = whole.clone();
            let place = random.choice([64, at(before), at(last)]).unwrap() + random.usize(..600);
            for byte in bytes.iter_mut().skip(place).take(random.usize(1..20)) {
                *byte = random.choice([0, 0xff, 1, *byte ^ 0x10]).unwrap();
            }
            drop(repaired(tempfile::tempdir().unwrap().path(), &bytes));
        }
        let mut pointing = whole.clone();
        for to in [1, last - 1, before, last + 8, u64::MAX, 72] {
            pointing[64..72].copy_from_slice(&to.to_be_bytes());
            assert_eq!(samples(&pointing).0, expected.0, "{codec:?}, pointing to {to}");
        }
    }
}

fn at(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

/// Damage anywhere, in the heads above all.
#[test]
fn damaged_files_are_no_more_than_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for codec in CODECS {
        let (_, whole) = unfinished(codec, 60, 5);
        repaired(folder.path(), &whole).unwrap();
        let closed = fs::read(folder.path().join("clip.mp4")).unwrap();
        let ends: Vec<usize> = fragments(&whole).iter().map(|(end, _)| *end).chain([72, whole.len()]).collect();
        for n in 0..300 {
            let mut bytes = if n % 2 == 0 { whole.clone() } else { closed.clone() };
            for _ in 0..random.u32(1..4) {
                let around = ends[random.usize(..ends.len())] + random.usize(..700);
                let at = if random.bool() { around } else { random.usize(..bytes.len()) };
                let n_changed = random.usize(1..9);
                for byte in bytes.iter_mut().skip(at).take(n_changed) {
                    let any = random.u8(..);
                    *byte = *random.choice(&[0, 1, 0xff, 0x7f, *byte ^ 1, any]).unwrap();
                }
            }
            let path = folder.path().join("x.mp4");
            fs::write(&path, &bytes).unwrap();
            if let Ok(reader) = ClipReader::open(&path) {
                let _ = reader.notes();
                for picture in reader.pictures() {
                    let _ = reader.read(picture);
                }
                let _ = super::super::index::cut(
                    &path,
                    std::time::Duration::ZERO,
                    std::time::Duration::MAX,
                    &folder.path().join("y.mp4"),
                );
                let _ = fs::remove_file(folder.path().join("y.mp4"));
            }
            drop(repaired(folder.path(), &bytes));
        }
    }
}

#[test]
fn noise_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = unfinished(VideoCodec::H264, 20, 6);
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..300 {
        let noise: Vec<u8> = (0..random.usize(..3_000)).map(|_| random.u8(..)).collect();
        drop(repaired(folder.path(), &noise));
        drop(repaired(folder.path(), &[&whole[..72], &noise].concat()));
    }
}

/// The time is printed: see it with `--nocapture`.
#[test]
fn a_hundred_long_clips_are_repaired_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut camera = CodedCamera::new(VideoCodec::H264, 7);
    let mut clip =
        ClipFile::create(&folder.path().join("0.recording.mp4"), &head(VideoCodec::H264), SystemTime::now()).unwrap();
    camera.n_bytes = 1_500;
    for number in 0..5 * 60 * 25 {
        push(&mut clip, &camera.picture(number));
    }
    drop(clip);
    for number in 1..100 {
        fs::copy(folder.path().join("0.recording.mp4"), folder.path().join(format!("{number}.recording.mp4"))).unwrap();
    }
    let began = std::time::Instant::now();
    for number in 0..100 {
        let got = repair(&folder.path().join(format!("{number}.recording.mp4"))).unwrap();
        assert!(matches!(got, Repaired::Closed(closed) if closed.n_pictures > 7_450));
    }
    println!("100 clips of 5 min in {:?}", began.elapsed());
}
