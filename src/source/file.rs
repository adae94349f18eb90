//! What can be said about a video file before a backend is asked, which would only say that it does not open.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::device;
use crate::disk::open_regular;
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
    open_regular(path).and_then(|file| file.take(4096).read_to_end(&mut start)).map_err(fault_of)?;
    if is_text(&start) {
        // FFmpeg would paint a text file as a terminal does, and follow the addresses in a play list.
        return unreadable("a text file, not a video");
    }
    Ok(())
}

/// No control characters but those of text, in valid UTF-8 (whose last character may be cut off).
fn is_text(start: &[u8]) -> bool {
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && !valid.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(start: &[u8], expected: bool) {
        assert_eq!(is_text(start), expected, "{:?}", String::from_utf8_lossy(start));
    }

    #[test]
    fn text_is_told_from_video() {
        check_text(b"#EXTM3U\r\n#EXTINF:10,\nhttp://example.org/a.ts\n", true);
        check_text("Grüße\n".as_bytes(), true);
        check_text("Grü".as_bytes().get(..3).unwrap(), true);
        check_text(b"RIFF\x24\x00\x00\x00AVI LIST", false);
        check_text(b"\x00\x00\x00\x20ftypisom", false);
        check_text(b"\xff\xd8\xff\xe0", false);
        check_text(b"YUV4MPEG2 W4 H4\nFRAME\n\x10\x80", false);
        check_text(b"", false);
    }
}
