//! Everything that reads bytes from outside, as functions of bytes alone: for fuzzers (`tests/fuzz`), and for the test below, which
//! gives each of them a few thousand damaged messages. A target fails by panicking, or by not coming back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::codec;
use crate::frame::{PixelFormat, Size};
use crate::network::gateway::packets::KeyFrameGate;
use crate::network::login::{KnownLogins, Login};
use crate::network::rtp::{Depacketiser, Meter, RtpPacket};
use crate::network::sdp::Codec;
use crate::network::video::VideoFinder;
use crate::network::{Certificate, ConnectionParameters, jpeg, sdp, sps};
use crate::packet::VideoCodec;
use crate::report::masking::{Masker, Masking};
use crate::settings::{NetworkOptions, Settings};
use crate::source::SourceSpec;
use crate::source::isolated::protocol;

/// Its name, that of its folder below `tests/fuzz/seeds`, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("address", address),
    ("certificate", |bytes| drop(Certificate::read(bytes))),
    ("events", |bytes| each_message::<protocol::SentEvent>(bytes)),
    ("http", |bytes| conversation("http", bytes)),
    ("jpeg", jpeg),
    ("login", login),
    ("masking", masking),
    ("packets", packets),
    ("requests", |bytes| each_message::<protocol::WorkerRequest>(bytes)),
    ("rtsp", |bytes| conversation("rtsp", bytes)),
    ("sdp", description),
    ("settings", settings),
    ("source", |bytes| drop(SourceSpec::parse(&text(bytes)).map(|spec| spec.to_string()))),
    ("sps", |bytes| {
        let _ = (sps::h264_size(bytes), sps::h265_size(bytes));
    }),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is shown of an address is one again, and says nothing of its password.
fn address(bytes: &[u8]) {
    let Ok(address) = Address::parse(&text(bytes)) else { return };
    let shown = address.to_string();
    let again = Address::parse(&shown);
    assert!(again.is_ok(), "{shown:?} is shown, and is no address: {again:?}");
    drop((address.with_login(), address.mask_in(&text(bytes)), address.without_password()));
}

fn description(bytes: &[u8]) {
    let Ok(asked) = Address::parse("rtsp://192.168.1.64/stream") else { return };
    for base in [None, Some("rtsp://192.168.1.64/stream/"), Some("rtsp://elsewhere/")] {
        drop(sdp::read(bytes, base, &asked));
    }
}

fn jpeg(bytes: &[u8]) {
    let mut splitter = jpeg::JpegSplitter::default();
    for part in bytes.chunks(1_000) {
        splitter.push(part);
        while let Some(picture) = splitter.next() {
            let _ = jpeg::size(&picture);
        }
    }
    if jpeg::size(bytes).is_none_or(|size| size.n_bytes() < 1 << 20) {
        let size = Size { width: 64, height: 64 };
        drop(codec::decode(PixelFormat::MJPG, size, bytes));
        drop(codec::Coded::read(PixelFormat::MJPG, size, 0, bytes).map(|coded| coded.decode()));
    }
}

fn login(bytes: &[u8]) {
    let Ok(address) = Address::parse("rtsp://anna:secret@camera/1") else { return };
    let mut login = Login::new(&address, &KnownLogins::default());
    let challenge = text(bytes);
    for (was_sent, is_again) in [(false, false), (true, false), (true, true)] {
        drop(login.asked(Some(&challenge), was_sent, is_again, &challenge));
        drop(login.authorization("DESCRIBE", "rtsp://camera/1", bytes));
        assert!(!login.mask(&challenge).contains("secret") || !challenge.contains("secret"));
    }
}

fn masking(bytes: &[u8]) {
    let text = text(bytes);
    let mut masker = Masker::new(Masking::default(), &["secret".to_owned()]);
    assert!(!masker.text(&text).contains("secret"), "{text:?}");
    if let Ok(mut json) = serde_json::from_slice(bytes) {
        masker.json(&mut json);
    }
}

/// Each packet is as long as the byte before it says.
fn packets(bytes: &[u8]) {
    const CODECS: [Codec; 5] = [Codec::H264, Codec::H265, Codec::Jpeg, Codec::Mpeg4, Codec::Vp8];
    let Some((chosen, mut rest)) = bytes.split_first() else { return };
    let codec = CODECS.get(usize::from(*chosen) % CODECS.len()).copied().unwrap_or(Codec::H264);
    let mut gate = KeyFrameGate::new(codec);
    gate.set_of_key((chosen & 0x80 != 0).then_some(3));
    let mut meter = Meter::new(codec, 90_000);
    let described =
        Address::parse("rtsp://camera/1").ok().and_then(|asked| sdp::read(b"m=video 0 RTP/AVP 96", None, &asked).ok());
    let mut finder = described.map(|described| VideoFinder::new(&described, 0));
    let video = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Jpeg];
    let video = video.get(usize::from(*chosen) % CODECS.len()).copied().unwrap_or(VideoCodec::H264);
    let mut depacketiser = Depacketiser::new(video, &[], None);
    let began = Instant::now();
    let mut n_packets = 0;
    while let Some((length, more)) = rest.split_first() {
        let (packet, behind) = more.split_at_checked(usize::from(*length)).unwrap_or((more, &[]));
        rest = behind;
        n_packets += 1;
        let now = began + Duration::from_millis(n_packets * 7);
        if let Some(packet) = RtpPacket::parse(packet) {
            drop(depacketiser.take(&packet, now));
            let _ = (packet.is_key(codec), packet.size(codec));
        }
        let _ = meter.take(packet, now);
        let _ = finder.as_mut().map(|finder| finder.take(*chosen & 3, packet.to_vec()));
        drop(gate.pass(packet.to_vec(), now));
    }
    drop(depacketiser.flush());
    let _ = (meter.fps(), meter.jitter_ms(), meter.loss_percent(), meter.key_frame_secs(), meter.delay_growth_ms(None));
}

fn each_message<T: serde::de::DeserializeOwned>(mut bytes: &[u8]) {
    let mut line = Vec::new();
    while !matches!(protocol::read::<T>(&mut bytes, &mut line), protocol::ReadLine::End { .. }) {}
}

fn settings(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("settings.json");
    if std::fs::write(&path, bytes).is_ok() {
        let loaded = Settings::load(&path);
        // What was read can be written, and is read again without a word.
        assert!(loaded.settings.save(&path).is_ok());
        let again = Settings::load(&path);
        assert!(again.notices.is_empty(), "{:?}", again.notices);
        assert_eq!(loaded.settings, again.settings);
    }
}

/// A server that says this to whatever it is asked, and closes the connection.
fn conversation(scheme: &str, bytes: &[u8]) {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { return };
    let Ok(here) = listener.local_addr() else { return };
    let Ok(address) = Address::parse(&format!("{scheme}://anna:secret@{here}/stream")) else { return };
    let answer = bytes.to_vec();
    let server = thread::Builder::new().name("server".to_owned()).spawn(move || {
        let Ok((mut client, _)) = listener.accept() else { return };
        // Nobody else is answered.
        drop(listener);
        let _ = client.read(&mut [0; 1_024]);
        let _ = client.write_all(&answer);
        let _ = client.shutdown(Shutdown::Write);
        while client.read(&mut [0; 1_024]).is_ok_and(|n| n > 0) {}
    });
    let deadline = Duration::from_secs(2);
    let parameters = ConnectionParameters {
        address,
        network: NetworkOptions::default(),
        step_deadline: deadline,
        deadline: Instant::now() + deadline,
        cancel: crossbeam_channel::never(),
        logins: KnownLogins::default(),
    };
    drop(crate::network::open_stream(&parameters, &mut |step| assert!(!step.detail.contains("secret"))));
    drop(server.map(thread::JoinHandle::join));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Cut, doubled, mixed with others, and with some bytes changed: most of it still looks like a message.
    fn damaged(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = seeds[random.usize(..seeds.len())].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..=bytes.len());
            let end = random.usize(at..=bytes.len().min(at + 40));
            match random.u8(..7) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part.repeat(random.usize(1..4)));
                }
                3 => {
                    let other = &seeds[random.usize(..seeds.len())];
                    let from = random.usize(..=other.len());
                    bytes.splice(at..end, other[from..other.len().min(from + 40)].iter().copied());
                }
                4 => drop(bytes.splice(at..end, *b"\xe2\x80\xae\x1b[31m")),
                5 => drop(
                    bytes.splice(at..at, [0, 0xff, b'\n', b'=', b'@', b'%', b'$'].into_iter().take(random.usize(..8))),
                ),
                _ => bytes[at..end].iter_mut().for_each(|byte| *byte = random.u8(..)),
            }
        }
        bytes
    }

    #[test]
    fn damaged_bytes_are_no_more_than_an_error() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
        std::thread::scope(|scope| {
            for (name, read) in TARGETS {
                let files = fs::read_dir(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
                let seeds: Vec<Vec<u8>> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
                assert!(!seeds.is_empty(), "{name} has no seeds");
                let n = if ["http", "rtsp", "settings"].contains(name) { 200 } else { 3_000 };
                scope.spawn(move || {
                    for seed in &seeds {
                        read(seed);
                    }
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..n {
                        let bytes = damaged(&seeds, &mut random);
                        let shown = String::from_utf8_lossy(&bytes).into_owned();
                        let result = std::panic::catch_unwind(|| read(&bytes));
                        assert!(result.is_ok(), "{name}, seed {seed}: {shown:?}");
                    }
                });
            }
        });
    }
}
