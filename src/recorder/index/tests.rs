use std::fs;

use super::super::clip_file::RECORDING;
use super::super::repair::{Repaired, repair};
use super::super::testing::unfinished;
use super::*;
use crate::packet::VideoCodec;

/// Seconds of a clip with a key picture each second and a note from 0.4 s to 2.4 s, closed or not: the first picture and the number
/// of those that are copied, and the note's time in what was copied, in milliseconds.
#[test]
fn a_part_begins_and_ends_at_key_pictures() {
    #[track_caller]
    fn check(from: f64, to: f64, expected: Option<(usize, usize)>, note: Option<(u128, u128)>) {
        let folder = tempfile::tempdir().unwrap();
        let (packets, whole) = unfinished(VideoCodec::H264, 110, 1);
        let open = folder.path().join(format!("clip{RECORDING}"));
        fs::write(&open, whole).unwrap();
        let again = folder.path().join(format!("again{RECORDING}"));
        fs::copy(&open, &again).unwrap();
        let Repaired::Closed(closed) = repair(&again).unwrap() else { panic!("it is whole") };
        for (number, path) in [open, closed.path].iter().enumerate() {
            let out = folder.path().join(format!("{number}.mp4"));
            let got = cut(path, Duration::from_secs_f64(from), Duration::from_secs_f64(to), &out);
            let Some((first, n_pictures)) = expected else {
                assert!(got.is_err() && !out.exists(), "{from} to {to}");
                continue;
            };
            let (begin, got) = got.unwrap();
            assert_eq!(begin, Duration::from_millis(40) * u32::try_from(first).unwrap(), "{from} to {to}");
            let reader = ClipReader::open(&out).unwrap();
            assert!(reader.is_closed());
            assert_eq!((got.n_pictures, got.duration), (n_pictures, reader.duration()), "{from} to {to}");
            let times = (0..).map(|number| 3_600 * number);
            for ((picture, packet), decode) in reader.pictures().iter().zip(&packets[first..]).zip(times) {
                assert_eq!(reader.read(picture).unwrap(), *packet.bytes);
                assert_eq!((picture.decode, picture.duration, picture.is_key), (decode, 3_600, packet.is_key));
            }
            let notes: Vec<_> =
                reader.notes().unwrap().iter().map(|note| (note.at.as_millis(), note.until.as_millis())).collect();
            assert_eq!(notes, note.into_iter().collect::<Vec<_>>(), "{from} to {to}");
            assert!(cut(path, Duration::ZERO, Duration::MAX, &out).is_err(), "it is there already");
        }
    }
    check(0.0, 100.0, Some((0, 110)), Some((400, 2_400)));
    check(1.0, 2.0, Some((25, 25)), Some((0, 1_000)));
    check(1.5, 2.5, Some((25, 50)), Some((0, 1_400)));
    check(3.9, 4.0, Some((75, 25)), None);
    check(4.3, 9.0, Some((100, 10)), None);
    check(4.4, 9.0, None, None);
    check(2.0, 2.0, None, None);
    check(2.0, 1.0, None, None);
}
