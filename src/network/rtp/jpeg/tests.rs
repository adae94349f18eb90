use super::*;

fn packet(offset: u32, kind: u8, q: u8, blocks: (u8, u8), rest: &[u8]) -> Vec<u8> {
    let [_, o2, o1, o0] = offset.to_be_bytes();
    [&[0, o2, o1, o0, kind, q, blocks.0, blocks.1][..], rest].concat()
}

/// The picture of these packets; `None` where one of them cannot be right. Extensions are ONVIF's.
fn assembled(of: &mut JpegAssembly, packets: &[Vec<u8>], extension: &[u8]) -> Option<Assembled> {
    let mut is_whole = true;
    for payload in packets {
        let extension = (!extension.is_empty()).then_some((ONVIF, extension));
        is_whole &= of.push(&RtpPacket {
            marker: false,
            payload_type: 26,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            extension,
            payload,
        });
    }
    of.finish(!is_whole, false)
}

/// The segments of a file and the data behind them.
fn segments(mut file: &[u8]) -> (Vec<(u8, &[u8])>, &[u8]) {
    let mut segments = Vec::new();
    file = file.strip_prefix(&[0xff, 0xd8]).unwrap();
    while let [0xff, kind, high, low, ..] = file {
        let (segment, behind) = file.split_at(2 + usize::from(u16::from_be_bytes([*high, *low])));
        segments.push((*kind, &segment[4..]));
        file = behind;
        if *kind == 0xda {
            break;
        }
    }
    (segments, file)
}

fn of_kind<'a>(segments: &[(u8, &'a [u8])], kind: u8) -> Vec<&'a [u8]> {
    segments.iter().filter(|(of, _)| *of == kind).map(|(_, segment)| *segment).collect()
}

#[test]
fn headers_are_made_of_what_rtp_tells() {
    let mut of = JpegAssembly::new(None);
    let made = assembled(&mut of, &[packet(0, 1, 50, (80, 60), b"data"), packet(4, 1, 50, (80, 60), b"more")], &[]);
    let made = made.unwrap();
    let (found, scan) = segments(&made.bytes);
    assert_eq!(scan, b"datamore\xff\xd9");
    assert_eq!((made.size, jpeg::size(&made.bytes)), (Some(Size { width: 640, height: 480 }), made.size));
    assert!(made.is_key && !made.is_damaged);
    // At quality 50 the tables are those of the standard.
    let tables = of_kind(&found, 0xdb);
    assert_eq!([&tables[0][..5], &tables[1][..5]], [[0, 16, 11, 12, 14], [1, 17, 18, 18, 24]]);
    assert_eq!(of_kind(&found, 0xc0), [[8, 1, 224, 2, 128, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]]);
    assert_eq!(of_kind(&found, 0xda), [[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]]);
    // Each table has as many values as its lengths say.
    let huffman = of_kind(&found, 0xc4);
    assert_eq!(huffman.iter().map(|table| table[0]).collect::<Vec<_>>(), [0, 0x10, 1, 0x11]);
    for table in huffman {
        assert_eq!(table[1..17].iter().map(|n| usize::from(*n)).sum::<usize>(), table.len() - 17);
    }
    // 4:2:2 with restarts.
    let made = assembled(&mut of, &[packet(0, 64, 50, (80, 60), b"\x00\x28\xff\xffdata\xff\xd9")], &[]).unwrap();
    let (found, scan) = segments(&made.bytes);
    assert_eq!((scan, of_kind(&found, 0xdd)), (&b"data\xff\xd9"[..], vec![&[0, 40][..]]));
    assert_eq!(of_kind(&found, 0xc0)[0][7], 0x21);
}

/// The first entries of the tables of a quality, as libjpeg has them.
#[track_caller]
fn check_quality(q: u8, expected: Option<[[u8; 3]; 2]>) {
    let got =
        tables::quantisation(q).map(|made| [0, 64].map(|at| <[u8; 3]>::try_from(&made.bytes[at..at + 3]).unwrap()));
    assert_eq!(got, expected, "{q}");
}

#[test]
fn tables_follow_from_the_quality() {
    check_quality(0, None);
    check_quality(1, Some([[255, 255, 255], [255, 255, 255]]));
    check_quality(25, Some([[32, 22, 24], [34, 36, 36]]));
    check_quality(75, Some([[8, 6, 6], [9, 9, 9]]));
    check_quality(99, Some([[1, 1, 1], [1, 1, 1]]));
    check_quality(100, None);
    check_quality(127, None);
}

#[test]
fn tables_that_are_sent_are_kept_by_their_quality() {
    let tables = |precision: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[0, precision, length[0], length[1]][..], bytes, b"data"].concat()
    };
    let first = |of: &mut JpegAssembly, q, rest: &[u8]| {
        let made = assembled(of, &[packet(0, 1, q, (80, 60), rest)], &[]).map(|made| made.bytes)?;
        let (found, scan) = segments(&made);
        let frame = found.iter().find(|(kind, _)| matches!(kind, 0xc0 | 0xc1)).unwrap();
        assert_eq!(scan, b"data\xff\xd9");
        Some((
            of_kind(&found, 0xdb).iter().map(|table| (table[0], table[1], table.len())).collect::<Vec<_>>(),
            frame.0,
            frame.1[11],
        ))
    };
    let mut of = JpegAssembly::new(None);
    assert_eq!(first(&mut of, 200, &tables(0, &[])), None, "none has come");
    assert_eq!(of.why_none(), Some(NO_TABLES));
    assert_eq!(first(&mut of, 200, &tables(0, &[3; 128])), Some((vec![(0, 3, 65), (1, 3, 65)], 0xc0, 1)));
    assert_eq!(first(&mut of, 201, &tables(0, &[4; 64])), Some((vec![(0, 4, 65)], 0xc0, 0)));
    assert_eq!(first(&mut of, 200, &tables(0, &[])), Some((vec![(0, 3, 65), (1, 3, 65)], 0xc0, 1)));
    assert_eq!(of.why_none(), None);
    assert_eq!(first(&mut of, 255, &tables(0b10, &[5; 192])), Some((vec![(0, 5, 65), (0x11, 5, 129)], 0xc1, 1)));
    assert_eq!(first(&mut of, 255, &tables(0, &[6; 300])), Some((vec![(0, 6, 65), (1, 6, 65)], 0xc0, 1)));
    assert_eq!(first(&mut of, 202, &tables(0, &[7; 20])), None);
    assert_eq!(first(&mut of, 202, &[0, 0, 0, 128, 1]), None);
    assert_eq!(of.why_none(), Some(CUT_HEADER));
}

#[test]
fn large_pictures_need_their_size_from_elsewhere() {
    let large = [packet(0, 1, 50, (0, 0), b"data")];
    let mut of = JpegAssembly::new(None);
    assert!(assembled(&mut of, &large, &[]).is_none());
    assert_eq!(of.why_none(), Some(NO_SIZE));
    let size = Some(Size { width: 2_560, height: 1_440 });
    let made = assembled(&mut JpegAssembly::new(size), &large, &[]).unwrap();
    assert_eq!((made.size, jpeg::size(&made.bytes)), (size, size));
    // ONVIF: the frame header, filled up with 0xff; then tables of all kinds.
    let frame = [0xff, 0xc0, 0, 17, 8, 6, 0, 8, 0, 3, 1, 0x21, 0, 2, 0x11, 1, 3, 0x11, 1];
    let made = assembled(&mut of, &large, &[&frame[..], &[0xff]].concat()).unwrap();
    let (found, _) = segments(&made.bytes);
    let size = Some(Size { width: 2_048, height: 1_536 });
    assert_eq!((made.size, jpeg::size(&made.bytes), of_kind(&found, 0xc0)), (size, size, vec![&frame[4..]]));
    assert_eq!((of_kind(&found, 0xdb).len(), of_kind(&found, 0xc4).len(), of_kind(&found, 0xda).len()), (2, 4, 1));
    let grey =
        [0xff, 0xdb, 0, 4, 0, 9, 0xff, 0xff, 0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0, 0xff, 0xdd, 0, 4, 0, 7];
    let made = assembled(&mut of, &[packet(0, 77, 0, (0, 0), b"\x00\x05\x00\x00data")], &grey).unwrap();
    let (found, scan) = segments(&made.bytes);
    assert_eq!((of_kind(&found, 0xdb), of_kind(&found, 0xda)), (vec![&[0, 9][..]], vec![&[1, 1, 0, 0, 63, 0][..]]));
    assert_eq!(
        (of_kind(&found, 0xdd), of_kind(&found, 0xc4).len(), scan),
        (vec![&[0, 7][..]], 4, &b"data\xff\xd9"[..])
    );
    // Cut off, or none at all.
    assert!(assembled(&mut of, &large, &[0xff, 0xc0, 0, 17, 8]).is_none());
    assert!(assembled(&mut of, &large, &[0, 0, 0, 0]).is_none());
    assert!(assembled(&mut of, &[packet(0, 2, 50, (80, 60), b"data")], &[]).is_none());
    assert_eq!(of.why_none(), Some(UNKNOWN_TYPE));
}

/// Fragments as (offset, data); the data of the picture that they give, and whether it is damaged.
#[track_caller]
fn check(fragments: &[(u32, &[u8])], expected: Option<(&[u8], bool)>) {
    let mut of = JpegAssembly::new(None);
    let packets: Vec<Vec<u8>> = fragments.iter().map(|(at, data)| packet(*at, 1, 50, (8, 8), data)).collect();
    let made = assembled(&mut of, &packets, &[]);
    let got = made.as_ref().map(|made| (segments(&made.bytes).1, made.is_damaged));
    assert_eq!(got, expected, "{fragments:?}");
}

#[test]
fn each_fragment_stands_where_it_says() {
    check(&[(0, b"ab"), (2, b"cd"), (4, b"e\xff\xd9")], Some((b"abcde\xff\xd9", false)));
    check(&[(0, b"ab"), (4, b"e\xff\xd9")], Some((b"ab\xff\xd9", true)));
    check(&[(0, b"ab\xff"), (4, b"\xff\xd9"), (5, b"f")], Some((b"ab\xff\xd9", true)));
    check(&[(0, b"ab"), (1, b"cd")], Some((b"ab\xff\xd9", true)));
    check(&[(2, b"cd"), (4, b"ef")], None);
    check(&[(0, b""), (0, b"ab")], Some((b"ab\xff\xd9", false)));
    check(&[(0, b"ab"), (2, b"")], Some((b"ab\xff\xd9", false)));
    check(&[], None);
}

#[test]
fn a_whole_file_is_passed_on() {
    let mut of = JpegAssembly::new(None);
    let file = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xda\x00\x02data\xff\xd9";
    let made =
        assembled(&mut of, &[packet(0, 1, 50, (80, 60), &file[..9]), packet(9, 1, 50, (80, 60), &file[9..])], &[]);
    assert_eq!(made.map(|made| made.bytes).as_deref(), Some(&file[..]));
}
