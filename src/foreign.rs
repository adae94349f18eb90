//! Text from outside, made fit to be shown: from cameras, servers, drivers, files and other programs.
//!
//! Whoever built a malicious camera chooses its name and all that it answers. These words end on terminals, in logs, in JSON
//! and in the window. There are two doors. A field that holds such words is a [`Foreign`], which is clean from the moment it is made.
//! Whatever is written to a terminal goes through [`for_terminal`] besides.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// How many characters are kept: more than any descriptor holds, less than spoils a line.
const MAX_CHARS: usize = 120;
/// The same of a sentence: longer than any that somebody reads to its end, shorter than what floods a terminal.
const MAX_SENTENCE_CHARS: usize = 2_000;

/// One line of printable characters, as [`safe`] makes it, of the length of a long sentence at most.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Foreign(String);

impl<T: AsRef<str> + ?Sized> From<&T> for Foreign {
    fn from(text: &T) -> Self {
        Self(safe_within(text.as_ref().as_bytes(), MAX_SENTENCE_CHARS))
    }
}

impl From<String> for Foreign {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Foreign {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Foreign> for String {
    fn from(text: Foreign) -> Self {
        text.0
    }
}

impl Deref for Foreign {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Foreign {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<str> for Foreign {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Foreign {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Lines of our own, in which something steers the terminal or turns the direction of writing after all: that becomes `�`.
#[must_use]
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    let steers = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t');
    if text.contains(steers) {
        Cow::Owned(text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// From now on what a panic says goes to stderr as any other text: a library's words may hold a camera's. With `RUST_BACKTRACE` its
/// origin is told too.
pub fn tell_panics_cleanly() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let words = safe_within(panic.to_string().as_bytes(), MAX_SENTENCE_CHARS);
        let backtrace = Backtrace::capture();
        let origin = match backtrace.status() {
            BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        let _ = writeln!(io::stderr().lock(), "thread {}: {words}{origin}", thread.name().unwrap_or_default());
    }));
}

/// One line of printable characters, 120 at most: what is no UTF-8 and whatever steers a terminal or turns the direction
/// of writing becomes `�`, any white space becomes one space, and a longer text ends with `…`. Empty for an empty text.
#[must_use]
pub fn safe(bytes: &[u8]) -> String {
    safe_within(bytes, MAX_CHARS)
}

/// The same with another limit.
#[must_use]
pub fn safe_within(bytes: &[u8], max_chars: usize) -> String {
    // A character has four bytes at most; one cut in two is beyond the end of what is kept.
    let bytes = bytes.get(..bytes.len().min(16 * max_chars)).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let mut kept = String::new();
    let mut n_chars = 0;
    let mut is_gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            is_gap = n_chars > 0;
            continue;
        }
        // One for the `…`.
        if n_chars + usize::from(is_gap) + 1 >= max_chars {
            kept.push('…');
            break;
        }
        if is_gap {
            kept.push(' ');
            n_chars += 1;
            is_gap = false;
        }
        kept.push(if is_invisible(c) { char::REPLACEMENT_CHARACTER } else { c });
        n_chars += 1;
    }
    kept
}

/// The same up to the first zero, as C has its texts.
#[must_use]
pub fn safe_until_zero(bytes: &[u8]) -> String {
    safe(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// Letters, digits, `-` and `_`: what a shell, a file name and a source's specification take for one plain word.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Controls, line and paragraph separators, and the formats of Unicode that change what stands around them (UAX #9, zero widths, tags).
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(safe(bytes), expected);
    }

    #[test]
    fn what_a_device_says_fits_on_a_line() {
        check(b"", "");
        check(b" \n\t\0", "\u{fffd}");
        check(b"HD Pro Webcam C920\n", "HD Pro Webcam C920");
        check("Kamera für Zürich 摄像头 🎥".as_bytes(), "Kamera für Zürich 摄像头 🎥");
        check(b"a  b\r\n\tc", "a b c");
        check(b"\x1b[2J\x1b]0;owned\x07x", "\u{fffd}[2J\u{fffd}]0;owned\u{fffd}x");
        check("a\u{9b}31mb\u{202e}dcba\u{2066}\u{200b}".as_bytes(), "a�31mb�dcba��");
        check("a\u{2028}b\u{a0}c".as_bytes(), "a b c");
        check(b"caf\xe9 \xff\xfe", "caf\u{fffd} \u{fffd}\u{fffd}");
        check(b"../../etc/passwd", "../../etc/passwd");
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        for unit in ["x", "é", "摄", "🎥", "x ", "\u{1b}"] {
            let shown = safe(unit.repeat(10_000).as_bytes());
            assert!(shown.ends_with('…'), "{unit}: {shown}");
            let n_chars = shown.chars().count();
            assert!((MAX_CHARS - 1..=MAX_CHARS).contains(&n_chars), "{unit}: {n_chars}");
        }
        let fits = "x".repeat(MAX_CHARS - 1);
        assert_eq!(safe(fits.as_bytes()), fits);
        assert_eq!(safe(&[b' '; 10_000]), "");
    }

    #[test]
    fn a_field_of_foreign_text_is_clean_however_it_is_made() {
        const EVIL: &str = "a\u{1b}[31m\u{202e}b\r\nc\u{2066}";
        const SHOWN: &str = "a\u{fffd}[31m\u{fffd}b c\u{fffd}";
        let read: Foreign = serde_json::from_value(serde_json::json!(EVIL)).unwrap();
        for text in [Foreign::from(EVIL), Foreign::from(EVIL.to_owned()), read] {
            assert_eq!(text, SHOWN);
            assert_eq!(format!("{text}|{text:>14}|{text:?}"), format!("{SHOWN}|{SHOWN:>14}|{SHOWN:?}"));
            assert_eq!(serde_json::to_value(&text).unwrap(), SHOWN);
        }
        assert!(Foreign::from("x".repeat(1 << 20)).len() <= MAX_SENTENCE_CHARS + 2);
        assert_eq!(for_terminal("a\n\tb"), "a\n\tb");
        assert_eq!(for_terminal("a\nb\u{1b}\u{9b}\r\u{2028}\u{e0041}"), "a\nb\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_text_of_c_ends_with_its_zero() {
        assert_eq!(safe_until_zero(b"Brightness\0\0rest\xff"), "Brightness");
        assert_eq!(safe_until_zero(b"\0"), "");
        assert_eq!(safe_until_zero(b"no zero"), "no zero");
    }

    #[test]
    fn a_plain_word_steers_nothing() {
        assert_eq!(plain("../../a b\u{1b}[0mÄ$(x)"), "______a_b__0m___x_");
        assert_eq!(plain("usb-046d_082d-port1-1"), "usb-046d_082d-port1-1");
    }
}
