//! Text that comes from devices and other programs, made fit to be shown.
//!
//! A camera's maker, or whoever built a malicious one, chooses its name and serial number. They end on terminals, in
//! logs, in JSON and in the window.

/// How many characters are kept: more than any descriptor holds, less than spoils a line.
const MAX_CHARS: usize = 120;

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

/// Controls, and the formats of Unicode that change what stands around them (UAX #9, zero widths, tags).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
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
