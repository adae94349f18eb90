//! The characters of a clock, drawn with round strokes at any size.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "positions in a picture of at most 16384 pixels a side are exact in every type used here"
)]

use super::canvas::{Mask, squared_distance_to_line};

/// A piece of a glyph. Coordinates are shares of the glyph's box, from its left and its top.
enum Stroke {
    Line([f32; 4]),
    /// Centre, radii, and the angles of both ends in degrees, clockwise from the right.
    Arc([f32; 4], [f32; 2]),
}

use Stroke::{Arc, Line};

/// A glyph: its width against the height of a digit, and its strokes.
struct Glyph {
    character: char,
    width: f32,
    strokes: &'static [Stroke],
}

const DIGIT: f32 = 0.46;

const GLYPHS: [Glyph; 13] = [
    Glyph {
        character: '0',
        width: DIGIT,
        strokes: &[
            Arc([0.5, 0.3, 0.5, 0.3], [180.0, 360.0]),
            Line([1.0, 0.3, 1.0, 0.7]),
            Arc([0.5, 0.7, 0.5, 0.3], [0.0, 180.0]),
            Line([0.0, 0.7, 0.0, 0.3]),
        ],
    },
    Glyph { character: '1', width: DIGIT, strokes: &[Line([0.1, 0.22, 0.58, 0.0]), Line([0.58, 0.0, 0.58, 1.0])] },
    Glyph {
        character: '2',
        width: DIGIT,
        strokes: &[
            Arc([0.5, 0.28, 0.47, 0.28], [190.0, 395.0]),
            Line([0.885, 0.44, 0.0, 1.0]),
            Line([0.0, 1.0, 1.0, 1.0]),
        ],
    },
    Glyph {
        character: '3',
        width: DIGIT,
        strokes: &[
            Arc([0.48, 0.24, 0.45, 0.24], [200.0, 450.0]),
            Line([0.36, 0.48, 0.5, 0.48]),
            Arc([0.48, 0.74, 0.52, 0.26], [270.0, 518.0]),
        ],
    },
    Glyph {
        character: '4',
        width: DIGIT,
        strokes: &[Line([0.72, 0.0, 0.0, 0.7]), Line([0.0, 0.7, 1.05, 0.7]), Line([0.72, 0.0, 0.72, 1.0])],
    },
    Glyph {
        character: '5',
        width: DIGIT,
        strokes: &[
            Line([0.92, 0.0, 0.12, 0.0]),
            Line([0.12, 0.0, 0.06, 0.46]),
            Arc([0.47, 0.67, 0.53, 0.33], [220.0, 508.0]),
        ],
    },
    Glyph {
        character: '6',
        width: DIGIT,
        strokes: &[Arc([0.5, 0.69, 0.5, 0.31], [0.0, 360.0]), Arc([0.86, 0.69, 0.86, 0.69], [180.0, 260.0])],
    },
    Glyph { character: '7', width: DIGIT, strokes: &[Line([0.0, 0.0, 1.0, 0.0]), Line([1.0, 0.0, 0.34, 1.0])] },
    Glyph {
        character: '8',
        width: DIGIT,
        strokes: &[Arc([0.5, 0.24, 0.44, 0.24], [0.0, 360.0]), Arc([0.5, 0.74, 0.5, 0.26], [0.0, 360.0])],
    },
    Glyph {
        character: '9',
        width: DIGIT,
        strokes: &[Arc([0.5, 0.31, 0.5, 0.31], [0.0, 360.0]), Arc([0.14, 0.31, 0.86, 0.69], [0.0, 80.0])],
    },
    Glyph { character: ':', width: 0.06, strokes: &[Line([0.5, 0.28, 0.5, 0.3]), Line([0.5, 0.86, 0.5, 0.88])] },
    Glyph { character: '.', width: 0.06, strokes: &[Line([0.5, 0.98, 0.5, 1.0])] },
    Glyph {
        character: '#',
        width: 0.56,
        strokes: &[
            Line([0.36, 0.0, 0.2, 1.0]),
            Line([0.82, 0.0, 0.66, 1.0]),
            Line([0.06, 0.32, 1.0, 0.32]),
            Line([0.0, 0.68, 0.94, 0.68]),
        ],
    },
];

/// Half the width of a stroke, the gap between two glyphs and the two blanks, against the height of a digit.
const HALF_STROKE: f32 = 0.085;
const GAP: f32 = 0.13;
const SPACE: f32 = 0.34;
const THIN_SPACE: f32 = 0.12;

impl Stroke {
    /// As straight lines in shares of the box; the steps of an arc are too short to be seen.
    fn lines(&self) -> Vec<[f32; 4]> {
        match self {
            Line(ends) => vec![*ends],
            Arc([x, y, rx, ry], [from, to]) => {
                let n_steps = 24;
                let point = |step: u32| {
                    let angle = (from + (to - from) * step as f32 / n_steps as f32).to_radians();
                    (x + rx * angle.cos(), y + ry * angle.sin())
                };
                (0..n_steps)
                    .map(|step| {
                        let ((x0, y0), (x1, y1)) = (point(step), point(step + 1));
                        [x0, y0, x1, y1]
                    })
                    .collect()
            }
        }
    }
}

/// The glyphs, ready for one height.
pub struct Font {
    /// Height of a digit in pixels.
    height: f32,
    masks: Vec<(char, f32, Mask)>,
}

impl Font {
    /// Digits of that many pixels' height.
    pub fn new(height: f32) -> Self {
        let masks =
            GLYPHS.iter().map(|glyph| (glyph.character, advance(glyph) * height, mask(glyph, height))).collect();
        Self { height, masks }
    }

    /// Width of a text in pixels. Characters that have no glyph have no width.
    pub fn width(&self, text: &str) -> f32 {
        text.chars().map(|character| self.advance(character)).sum::<f32>() - GAP * self.height
    }

    pub fn height(&self) -> f32 {
        self.height
    }

    /// Calls `stamp` with each glyph and the place of its upper left corner, for a text whose upper left corner is given.
    pub fn place(&self, text: &str, left: f32, top: f32, mut stamp: impl FnMut(&Mask, i64, i64)) {
        let mut x = left;
        for character in text.chars() {
            if let Some((_, _, mask)) = self.masks.iter().find(|(known, ..)| *known == character) {
                let margin = i64::from(mask.margin);
                stamp(mask, x.round() as i64 - margin, top.round() as i64 - margin);
            }
            x += self.advance(character);
        }
    }

    fn advance(&self, character: char) -> f32 {
        match character {
            ' ' => SPACE * self.height,
            '\u{2009}' => THIN_SPACE * self.height,
            _ => self.masks.iter().find(|(known, ..)| *known == character).map_or(0.0, |(_, advance, _)| *advance),
        }
    }
}

fn advance(glyph: &Glyph) -> f32 {
    glyph.width + 2.0 * HALF_STROKE + GAP
}

fn mask(glyph: &Glyph, height: f32) -> Mask {
    let half_stroke = HALF_STROKE * height;
    let (scale_x, scale_y) = (glyph.width * height, height - 2.0 * half_stroke);
    let lines: Vec<[f32; 4]> = glyph
        .strokes
        .iter()
        .flat_map(Stroke::lines)
        .map(|[x0, y0, x1, y1]| [x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y].map(|at| at + half_stroke))
        .collect();
    let width = (glyph.width * height + 2.0 * half_stroke).ceil() as usize;
    Mask::draw(width, height.ceil() as usize, half_stroke, |x, y| {
        lines.iter().map(|line| squared_distance_to_line(x, y, *line)).fold(f32::MAX, f32::min).sqrt()
    })
}
