//! Words in a picture that is not live: whoever sees no page around it must see that.

use font8x8::UnicodeFonts;

use crate::frame::{Image, Size};

/// Of a letter, in dots.
const SIDE: usize = 8;
const WHITE: u8 = 235;
/// Letters are so high at least, as a share of the picture's height.
const SHARE: usize = 30;
const MAX_LINES: usize = 6;

/// Writes lines into the middle of a picture in [`Image`]'s layout, each as large as it fits. What is no letter of ASCII becomes `?`.
pub fn write(pixels: &mut [u8], size: Size, lines: &[String]) {
    let (width, height) = (size.width as usize, size.height as usize);
    let scale = (height / SHARE / SIDE).max(1);
    let per_line = (width / (SIDE * scale)).max(1);
    let wrapped: Vec<String> = lines.iter().flat_map(|line| wrap(line, per_line)).take(MAX_LINES).collect();
    let line_height = SIDE * scale * 3 / 2;
    let mut top = height.saturating_sub(wrapped.len() * line_height) / 2;
    for line in &wrapped {
        let mut left = width.saturating_sub(line.chars().count() * SIDE * scale) / 2;
        for letter in line.chars() {
            draw(pixels, width, (left, top), letter, scale);
            left += SIDE * scale;
        }
        top += line_height;
    }
}

fn draw(pixels: &mut [u8], width: usize, (left, top): (usize, usize), letter: char, scale: usize) {
    let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
    for (row, bits) in glyph.iter().enumerate() {
        for column in (0..SIDE).filter(|column| bits >> column & 1 == 1) {
            for y in top + row * scale..top + (row + 1) * scale {
                for x in (left + column * scale..left + (column + 1) * scale).filter(|x| *x < width) {
                    let at = (y * width + x) * Image::BYTES_PER_PIXEL;
                    if let Some(pixel) = pixels.get_mut(at..at + Image::BYTES_PER_PIXEL) {
                        pixel.fill(WHITE);
                    }
                }
            }
        }
    }
}

/// In lines of so many letters at most, between words where that is possible.
fn wrap(text: &str, max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(max.max(1)) {
            let part: String = part.iter().collect();
            let line = lines.last_mut();
            match line {
                Some(line) if line.is_empty() => *line = part,
                Some(line) if line.chars().count() + 1 + part.chars().count() <= max => {
                    line.push(' ');
                    *line += &part;
                }
                _ => lines.push(part),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped() {
        let check = |text: &str, max: usize, expected: &[&str]| assert_eq!(wrap(text, max), expected, "{text}");
        check("NOT LIVE", 20, &["NOT LIVE"]);
        check("last picture 12:03:04, 7 s ago", 14, &["last picture", "12:03:04, 7 s", "ago"]);
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        check("", 3, &[""]);
    }

    #[test]
    fn any_size_takes_any_words() {
        for (width, height) in [(1, 1), (7, 3), (64, 48), (640, 360), (1_920, 1_080)] {
            let size = Size { width, height };
            let mut pixels = vec![0; size.n_bytes()];
            write(&mut pixels, size, &["NOT LIVE".to_owned(), "摄像头 \u{1b}[2J".repeat(40)]);
            assert!(width < 64 || pixels.contains(&WHITE), "{size}");
        }
    }
}
