//! What can be said about a video file before a backend is asked, which would only say that it does not open.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::device::{self, System};
use crate::disk::{self, BYTE_ORDER_MARK, open_regular};
use crate::fault::{Fault, FaultKind};

/// Whether it can be a video at all: it exists, may be read, and is not empty, a folder or a text.
///
/// # Errors
/// Why it is none.
pub fn check(path: &Path) -> Result<(), Fault> {
    let shown = path.display();
    let fault_of = |error: io::Error| {
        let fault = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Fault::new(FaultKind::Missing, format!("there is no file {shown}"))
                    .with_advice("Check the file's name and folder.")
            }
            io::ErrorKind::PermissionDenied => Fault::new(FaultKind::Denied, format!("{shown} may not be read"))
                .with_advice("Give this user the right to read the file and its folder."),
            _ => {
                let why = error.to_string();
                Fault::new(
                    FaultKind::Unreadable,
                    format!("{shown} cannot be read: {}", device::codes::without_code(&why)),
                )
            }
        };
        match error.raw_os_error() {
            Some(code) => fault.with_code(code),
            None => fault,
        }
    };
    let unreadable = |why: &str| Err(Fault::new(FaultKind::Unreadable, format!("{shown} is {why}")));
    let metadata = fs::metadata(path).map_err(fault_of)?;
    if metadata.is_dir() {
        return unreadable("a folder, not a video file");
    }
    if !metadata.is_file() {
        return unreadable("a pipe, a socket or a device, not a file");
    }
    if metadata.len() == 0 {
        return unreadable("empty");
    }
    let mut start = Vec::new();
    open_regular(path).and_then(|file| file.take(N_START_BYTES).read_to_end(&mut start)).map_err(fault_of)?;
    if is_text(start.get(..N_TEXT_BYTES).unwrap_or(&start)) {
        // FFmpeg would paint a text file as a terminal does.
        return unreadable("a text file, not a video");
    }
    if is_list(&start) {
        return unreadable("a list of addresses or a sound file, not a video");
    }
    Ok(())
}

/// What a path may have in a URL as it is (RFC 3986, 3.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path as text that can be saved and typed again: itself, or a URL where its bytes are no text.
#[must_use]
pub fn text_of(path: &Path) -> String {
    if let Some(text) = path.to_str() {
        return text.to_owned();
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("file://{}", percent_encode(path.as_os_str().as_encoded_bytes(), ESCAPED))
}

/// What stands behind `file://` (RFC 8089). People write blanks and umlauts as they are, and file managers with escapes.
#[must_use]
pub fn path_of_url(rest: &str) -> PathBuf {
    // Of this computer: its name may stand there.
    let path = rest.strip_prefix("localhost/").map_or_else(|| rest.to_owned(), |path| format!("/{path}"));
    let path = disk::path_of_bytes(percent_decode_str(&path).collect());
    // `/C:/film.mp4` on Windows.
    let with_drive = path.to_str().and_then(|path| path.strip_prefix('/')).filter(|path| path.get(1..2) == Some(":"));
    match with_drive {
        Some(path) if System::HERE == System::Windows => path.into(),
        _ => path,
    }
}

/// FFmpeg looks no further to find out what a file is.
const N_START_BYTES: u64 = 1 << 20;
/// A text shows in so many.
const N_TEXT_BYTES: usize = 4_096;
/// One in so many characters of a text may be one that texts do not have.
const ODD_SHARE: usize = 32;
/// With which a list begins that FFmpeg or another player follows to other files and addresses. It looks for one behind
/// an ID3 tag too, which no video has.
const LIST_BEGINNINGS: [&str; 10] =
    ["#extm3u", "#ext-x-", "ffconcat", "concat:", "[playlist]", "[reference]", "<?xml", "<asx", "<smil", "id3"];
/// What FFmpeg looks for in all that stands before the first zero: DASH, IMF and SDP.
const LIST_MARKS: [&str; 3] = ["<mpd", "<compositionplaylist", "c=in ip"];

/// Something that names what is to be played instead, whatever else is in it.
fn is_list(start: &[u8]) -> bool {
    let is_blank = |byte: u8| byte.is_ascii_control() || byte == b' ' || BYTE_ORDER_MARK.contains(&byte);
    let n_blank = start.iter().take_while(|byte| is_blank(**byte)).count();
    let begins_with = |words: &str| {
        let begin = start.get(n_blank..).and_then(|begin| begin.get(..words.len()));
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(words.as_bytes()))
    };
    let text = start.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    LIST_BEGINNINGS.into_iter().any(begins_with) || LIST_MARKS.into_iter().any(|mark| text.contains(mark))
}

/// Hardly any control characters but those of text, in valid UTF-8 (whose last character may be cut off).
fn is_text(start: &[u8]) -> bool {
    // Dark pictures without compression are letters.
    if start.starts_with(b"YUV4MPEG2 ") {
        return false;
    }
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_odd = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}');
    let n_odd = valid.chars().filter(is_odd).count();
    !valid.is_empty() && !valid.contains('\0') && n_odd * ODD_SHARE <= valid.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(start: &[u8], expected: bool) {
        assert_eq!(is_text(start), expected, "{:?}", String::from_utf8_lossy(start));
    }

    #[track_caller]
    fn check_list(start: &[u8], expected: bool) {
        assert_eq!(is_list(start), expected, "{}", start.escape_ascii());
    }

    #[test]
    fn a_path_is_found_again_by_its_text() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(path_of_url(text), Path::new(expected), "{text}");
        }
        check("/tmp/My%20film%25.mp4", "/tmp/My film%.mp4");
        check("/tmp/My film.mp4", "/tmp/My film.mp4");
        check("/tmp/%zz.mp4", "/tmp/%zz.mp4");
        check("localhost/tmp/a.mp4", "/tmp/a.mp4");
        assert_eq!(text_of(Path::new("/tmp/x%20 y.mp4")), "/tmp/x%20 y.mp4");
        // Bytes that no text has.
        let path = disk::path_of_bytes(b"/tmp/lat\xe9in %.mp4".to_vec());
        let text = text_of(&path);
        assert_eq!(path_of_url(text.strip_prefix("file://").unwrap_or(&text)), path, "{text}");
    }

    #[test]
    fn lists_are_told_from_videos() {
        let binary = [0x80; 5_000];
        let binary = binary.as_slice();
        check_list(&[b"#EXTM3U\n".as_slice(), binary].concat(), true);
        check_list(b"#EXTM3U\n#\x01\n/etc/passwd\n", true);
        check_list(b"\xef\xbb\xbf\r\n #extm3u\n\x00", true);
        check_list(b"\x01#EXTM3U\n", true);
        check_list(b"ID3\x04\x00\x00\x00\x00\x00\x02\x00\x00#EXTM3U\n", true);
        check_list(b"ffconcat version 1.0\nfile \x01", true);
        check_list(b"[playlist]\nFile1=\x01", true);
        check_list(b"<?xml version='1.0'?>\x01<MPD/>", true);
        check_list(&[binary, b"<MPD dash:profile"].concat(), true);
        check_list(b"v=0\r\no=\x01\r\nc=IN IP4 0.0.0.0\r\nm=video 5004 RTP/AVP 96\r\n", true);
        check_list(b"\xff\nc=IN IP4 10.0.0.1\n", true);
        for video in [
            &b"\0\0\0\x20ftypisom\0\0\x02\0"[..],
            b"\0\0\0\x08wide\0\0\0\0mdat",
            b"RIFF\x24\x00\x00\x00AVI LIST",
            b"\x1a\x45\xdf\xa3\x01\x00\x00matroska <MPD",
            b"G@\x00\x10\x00\x00\xb0\x0d",
            b"\0\0\x01\xba\x44\0\x04",
            b"IMKH\x01\x01\0\0",
            b"DHAV\xfd\0\0\0",
            b"FLV\x01\x05\x00",
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
            b"OggS\x00\x02",
            b"\0\0\0\x01\x67\x42\x00\x1e",
            b"\0\0\x01\x40\x01\x0c\x01",
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff",
            b"YUV4MPEG2 W4 H4\nFRAME\n\x10\x80",
            b"GIF89a\x40\x00",
            b"DKIF\0\0\x20\0VP80",
            b"",
        ] {
            check_list(video, false);
            check_text(video, false);
        }
    }

    #[test]
    fn text_is_told_from_video() {
        check_text(b"#EXTM3U\r\n#EXTINF:10,\nhttp://example.org/a.ts\n", true);
        check_text("Grüße\n".as_bytes(), true);
        check_text("Grü".as_bytes().get(..3).unwrap(), true);
        check_text(b"RIFF\x24\x00\x00\x00AVI LIST", false);
        check_text(b"\x00\x00\x00\x20ftypisom", false);
        check_text(b"\xff\xd8\xff\xe0", false);
        check_text(&[b"YUV4MPEG2 W64 H64\nFRAME\n".as_slice(), &[b'A'; 4_000]].concat(), false);
        // One odd character makes no video of it.
        check_text(b"import vapoursynth as vs\x01\nvs.core.std.BlankClip().set_output()\n", true);
        check_text(&[b'\x10'; 4_096], false);
        check_text(b"a text\0 with a zero in it, as no editor writes it", false);
    }
}
