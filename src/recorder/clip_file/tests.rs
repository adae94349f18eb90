use super::super::index::ClipReader;
use super::super::testing::{CodedCamera, HD, bytes, create, head, push};
use super::*;

/// A clip of so many pictures, of which some are changed, and what is in it.
fn written(
    codec: VideoCodec,
    n_pictures: u32,
    mut change: impl FnMut(u32, &mut Packet),
) -> (Vec<Packet>, ClipReader, ClosedClip) {
    let folder = tempfile::tempdir().unwrap();
    let (mut clip, _) = create(folder.path(), codec);
    let mut camera = CodedCamera::new(codec, 5);
    let mut packets = Vec::new();
    for number in 0..n_pictures {
        let mut packet = camera.picture(number);
        change(number, &mut packet);
        push(&mut clip, &packet);
        clip.tick(camera.at(number)).unwrap();
        packets.push(packet);
    }
    let closed = clip.close().unwrap();
    assert!(clip.close().is_err() && clip.push(&packets[0]).is_err() && clip.tick(camera.at(0)).is_err(), "closed");
    let reader = ClipReader::open(&closed.path).unwrap();
    (packets, reader, closed)
}

#[test]
fn a_clip_has_what_the_camera_sent() {
    #[track_caller]
    fn check(codec: VideoCodec, n_pictures: u32) {
        let (packets, reader, closed) = written(codec, n_pictures, |_, _| {});
        assert!(reader.is_closed());
        assert_eq!(*reader.track(), head(codec));
        assert_eq!(reader.pictures().len(), packets.len());
        for (number, (picture, packet)) in (0..).zip(reader.pictures().iter().zip(&packets)) {
            assert_eq!(reader.read(picture).unwrap(), *packet.bytes, "picture {number}");
            let got = (picture.decode, picture.duration, picture.shift, picture.is_key);
            assert_eq!(got, (3_600 * number, 3_600, 0, packet.is_key), "picture {number}");
        }
        let n_keys = packets.iter().filter(|packet| packet.is_key).count();
        let duration = Duration::from_millis(40) * n_pictures;
        assert_eq!((closed.n_pictures, closed.n_keys, closed.duration), (packets.len(), n_keys, duration));
        assert_eq!(
            (closed.n_bytes, reader.duration()),
            (closed.path.metadata().map_or(closed.n_bytes, |file| file.len()), duration)
        );
    }
    for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Jpeg] {
        for n_pictures in [1, 2, 12, 13, 14, 100, 1_000] {
            check(codec, n_pictures);
        }
    }
}

#[test]
fn a_gap_makes_the_last_picture_last_and_notes_tell_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut clip, path) = create(folder.path(), VideoCodec::H264);
    let mut camera = CodedCamera::new(VideoCodec::H264, 5);
    for number in (0..50).chain(200..250) {
        push(&mut clip, &camera.picture(number));
    }
    clip.note(camera.at(49), camera.at(200), "No picture for 6 s.");
    clip.note(camera.at(245), camera.at(400), "No picture: the camera was unplugged.");
    clip.tick(camera.at(400)).unwrap();
    let check = |path: &Path, is_closed: bool| {
        let reader = ClipReader::open(path).unwrap();
        assert_eq!(reader.is_closed(), is_closed);
        let pictures = reader.pictures();
        assert_eq!(pictures[49].duration, 151 * 3_600);
        assert_eq!(reader.duration(), Duration::from_secs(16));
        let notes: Vec<_> = reader
            .notes()
            .unwrap()
            .into_iter()
            .map(|note| (note.at.as_millis(), note.until.as_millis(), note.text))
            .collect();
        assert_eq!(
            notes,
            [
                (1_960, 8_000, "No picture for 6 s.".to_owned()),
                (9_800, 16_000, "No picture: the camera was unplugged.".to_owned())
            ]
        );
    };
    check(&path, false);
    check(&clip.close().unwrap().path, true);
}

#[test]
fn a_text_makes_no_clip_longer_than_its_time() {
    #[track_caller]
    fn check(ticked: Option<u32>, expected: u32) {
        let folder = tempfile::tempdir().unwrap();
        let (mut clip, _) = create(folder.path(), VideoCodec::H264);
        let mut camera = CodedCamera::new(VideoCodec::H264, 5);
        for number in 0..50 {
            push(&mut clip, &camera.picture(number));
        }
        clip.note(camera.at(45), camera.at(45 + 125), "The camera was unplugged.");
        if let Some(ticked) = ticked {
            clip.tick(camera.at(ticked)).unwrap();
        }
        let closed = clip.close().unwrap();
        assert_eq!(closed.duration, Duration::from_millis(40) * expected, "{ticked:?}");
        let until = ClipReader::open(&closed.path).unwrap().notes().unwrap()[0].until;
        assert_eq!(until, closed.duration, "{ticked:?}");
    }
    check(None, 50);
    check(Some(49), 50);
    check(Some(100), 100);
    check(Some(300), 170);
}

#[test]
fn an_idle_camera_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut clip, path) = create(folder.path(), VideoCodec::Jpeg);
    let mut camera = CodedCamera::new(VideoCodec::Jpeg, 5);
    let count = || ClipReader::open(&path).map_or(0, |reader| reader.pictures().len());
    clip.tick(camera.at(0)).unwrap();
    push(&mut clip, &camera.picture(0));
    push(&mut clip, &camera.picture(1));
    clip.tick(camera.at(12)).unwrap();
    assert_eq!(count(), 0);
    clip.tick(camera.at(13)).unwrap();
    assert_eq!(count(), 1);
    clip.tick(camera.at(14)).unwrap();
    assert_eq!(count(), 2);
    push(&mut clip, &camera.picture(60));
    clip.tick(camera.at(74)).unwrap();
    assert_eq!(count(), 3);
    let closed = clip.close().unwrap();
    assert_eq!((closed.n_pictures, closed.duration), (3, Duration::from_millis(61 * 40)));
}

#[test]
fn other_parameters_are_in_the_file_and_other_pictures_are_not() {
    const PPS: &str = "68ebe3cb22c1";
    // The picture that has them and each key picture behind it, and no others.
    let (packets, reader, _) = written(VideoCodec::H264, 80, |number, packet| {
        if number >= 40 {
            let mut sets = (*packet.sets).clone();
            sets.pps = vec![bytes(PPS)];
            packet.sets = Arc::new(sets);
        }
        if number == 60 {
            packet.sets = Arc::default();
        }
        if number == 61 {
            packet.sets = Arc::new(ParameterSets { sps: vec![bytes("6764")], ..ParameterSets::default() });
        }
    });
    for (number, (picture, packet)) in reader.pictures().iter().zip(&packets).enumerate() {
        let bytes = reader.read(picture).unwrap();
        assert!(bytes.ends_with(&packet.bytes));
        let has_sets = bytes.len() > packet.bytes.len();
        assert_eq!(has_sets, [40, 50, 75].contains(&number), "picture {number}");
    }
}

#[test]
fn only_other_parameters_may_change_in_a_file() {
    const PPS: &str = "68ebe3cb22c1";
    #[track_caller]
    fn check(change: impl Fn(&mut Packet), expected: Push) {
        let folder = tempfile::tempdir().unwrap();
        let (mut clip, _) = create(folder.path(), VideoCodec::H264);
        let mut camera = CodedCamera::new(VideoCodec::H264, 5);
        push(&mut clip, &camera.picture(0));
        let mut packet = camera.picture(25);
        change(&mut packet);
        assert_eq!(clip.push(&packet).unwrap(), expected);
        push(&mut clip, &camera.picture(26));
        assert_eq!(clip.close().unwrap().n_pictures, if expected == Push::Taken { 3 } else { 2 });
    }
    let with_sps = |hex: &'static str| {
        move |packet: &mut Packet| {
            packet.sets =
                Arc::new(ParameterSets { sps: vec![bytes(hex)], pps: vec![bytes(PPS)], ..ParameterSets::default() });
        }
    };
    check(|_| {}, Push::Taken);
    check(with_sps("67640028acd940780227e5c044000003000400000300c83c60c650"), Push::Taken);
    // 1280x720; the main profile.
    check(with_sps("6764001facd9405005bb011000000300100000030320f1831960"), Push::NeedsNewPart);
    check(with_sps("6742c028d900780227e5c044000003000400000300c83c60c920"), Push::NeedsNewPart);
    check(|packet| packet.codec = VideoCodec::H265, Push::NeedsNewPart);
    check(|packet| packet.bytes = vec![1; (64 << 20) + 1].into(), Push::NeedsNewPart);
}

#[test]
fn a_jpeg_of_another_size_needs_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut clip, _) = create(folder.path(), VideoCodec::Jpeg);
    let mut packet = CodedCamera::new(VideoCodec::Jpeg, 5).picture(0);
    packet.size = Some(Size { width: 640, ..HD });
    assert_eq!(clip.push(&packet).unwrap(), Push::NeedsNewPart);
    packet.size = None;
    assert_eq!(clip.push(&packet).unwrap(), Push::Taken);
}

#[test]
fn files_are_made_new_and_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let create = |name: &str| ClipFile::create(&folder.path().join(name), &head(VideoCodec::H264), SystemTime::now());
    let why = |result: io::Result<ClipFile>| result.map_or_else(|error| error.kind(), |_| panic!("it is there"));
    let mut clip = create("a.recording.mp4").unwrap();
    assert_eq!(why(create("a.recording.mp4")), io::ErrorKind::AlreadyExists);
    assert_eq!(why(create("a.mp4")), io::ErrorKind::InvalidInput);
    assert_eq!(why(create(".recording.mp4")), io::ErrorKind::InvalidInput);
    assert_eq!(why(create("none/a.recording.mp4")), io::ErrorKind::NotFound);
    let locked = File::open(clip.path()).unwrap();
    assert!(matches!(locked.try_lock(), Err(TryLockError::WouldBlock)));
    // Somebody has put something in its place: it is kept, and the clip stays unfinished.
    push(&mut clip, &CodedCamera::new(VideoCodec::H264, 5).picture(0));
    fs::write(folder.path().join("a.mp4"), "x").unwrap();
    assert_eq!(clip.close().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    fs::remove_file(folder.path().join("a.mp4")).unwrap();
    assert_eq!(clip.close().unwrap().n_pictures, 1);
    assert_eq!(why(create("a.recording.mp4")), io::ErrorKind::AlreadyExists);
    // Without a picture there is no clip.
    let mut empty = create("b.recording.mp4").unwrap();
    assert_eq!(empty.close().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let damaged = TrackHead { sets: ParameterSets::default(), ..head(VideoCodec::H264) };
    let error =
        ClipFile::create(&folder.path().join("c.recording.mp4"), &damaged, SystemTime::now()).map(drop).unwrap_err();
    assert!(error.to_string().contains("parameter sets of H.264"), "{error}");
}
