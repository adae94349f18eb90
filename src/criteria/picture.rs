//! What pictures show: questions about the numbers of [`crate::picture`]. Brightness is 0 to 255, shares are 0 to 1.

use crate::picture::{Alternation, Bars, Darkness, EqualRun, FrameCoding, Gains, LumaStats, NoiseStats, PictureStats};

/// The first pictures after a start may be anything.
pub const LEAST_PICTURES: u32 = 5;

/// Black in video is 16 where limited range is not converted (BT.601), and the sensor's pedestal and noise add a little.
const BLACK_MEAN: f64 = 20.0;
const BLACK_CHANNEL: f64 = 24.0;
/// A sensor under a cap measured 0.8, one in a dark room 3.5 (F60).
const BLACK_STD: f64 = 2.5;
/// Lamps, displays and printed times are brighter than all else by more.
const BLACK_PEAK: f64 = 20.0;
/// Between parts of the picture: below 1 under a cap, above 1.5 in a dark room.
const BLACK_STRUCTURE: f64 = 1.0;

/// F65: equal pictures for a second. A tenth less, as frames that are looked at twice a second are not exactly half a second apart.
pub(super) const STILL_SECS: f64 = 0.9;
/// F65: two key frames of a network camera are a second or two apart; a scene without noise gives equal pictures between them.
const STILL_CODED_SECS: f64 = 5.0;
/// F65: a server that repeats a picture for less may wait for its camera.
const STILL_SERVED_SECS: f64 = 2.0;
/// A driver may hand out one picture twice when the computer is busy, but not more often.
pub const LEAST_EQUAL: u32 = 3;

/// F65: a picture may have frozen in the midst of a look.
const OFTEN_SAME: f64 = 0.3;

/// F61: brightness of all of its ground; how much brighter its letters are; black, also where limited range is not converted; and how
/// many times as strong as green the colour of a coloured one is.
const CARD_STEP: f64 = 2.0;
const CARD_LETTERS: f64 = 60.0;
const CARD_BLACK: f64 = 18.0;
const DEEP_COLOUR: f64 = 3.0;
/// F61: standard deviation of the colour differences: colour bars of 75 % have 57, a drawn film 42.
const BARS_CHROMA: f64 = 50.0;
/// F68: up and down and up again.
const LEAST_TURNS: u32 = 3;
/// F70: a white that is right has 0.85 to 1.25 of red and 0.6 to 1.1 of blue, lamps and skies among it.
const COLD: Gains = Gains { red: 0.75, blue: 1.2 };
const WARM: Gains = Gains { red: 1.35, blue: 0.6 };
/// F61: share of the pictures that are the one before again: a coder changes some bits of it in its key pictures.
const CARD_SAME: f64 = 0.8;

/// F62: less of the height is the edge of something green.
pub(super) const GREEN_HEIGHT: f64 = 0.02;
/// F64: less of the height may be drawn there.
const GREY_HEIGHT: f64 = 0.05;
/// F64: with a server between, which may leave pictures out.
const LEAST_NEIGHBOURS_FPS: f64 = 9.0;
/// F64: more torn pictures than one of a hundred.
pub(super) const TORN_SHARE: f64 = 0.01;
/// One may be the flash of a lamp.
const LEAST_TORN: f64 = 1.9;

/// What happens by chance less often than this is no accident: there are seven thousand looks in an hour.
const CHANCE: f64 = 0.001;

/// F68.
const UNDER_EXPOSED_MEAN: f64 = 40.0;
/// A camera that shows the lamps of a dark room sees what there is.
const UNDER_EXPOSED_PEAK: f64 = 120.0;
const OVER_EXPOSED_SHARE: f64 = 0.25;
const OVER_EXPOSED_MEAN: f64 = 170.0;
const OVER_EXPOSED_MEDIAN: f64 = 200.0;
const BURNT_OUT_SHARE: f64 = 0.3;
/// F51: with less light than this automatic exposure takes its time from the rate.
const DIM_MEAN: f64 = 70.0;

/// What automatic exposure aims at.
const WELL_LIT_MEAN: f64 = 118.0;
const FAR_OFF: f64 = 80.0;
const NEARER: f64 = 0.6;

/// F69: a sharp edge gives 0.5, one that is blurred over a tenth of the picture 0.2 and less.
const BLURRED_FOCUS: f64 = 0.31;
/// F70: mean red and mean blue over mean green.
const GAINS: std::ops::RangeInclusive<f64> = 0.7..=1.4;
/// F70: beside green, what light of 20000 K leaves of red, and of 2000 K of blue, where the camera is set for daylight.
const LEAST_RED_OF_LIGHT: f64 = 0.55;
const LEAST_BLUE_OF_LIGHT: f64 = 0.4;
/// Something is grey in almost any scene, if the white balance is right.
const LEAST_NEUTRAL: f64 = 0.01;
/// F05: mean difference between the channels of a pixel; what an infrared camera sends is grey.
const GREY_DIFFERENCE: f64 = 2.0;
/// F05: every second picture is that much darker, nearly always.
const BLINK_RATIO: f64 = 1.3;
const BLINK_COHERENCE: f64 = 0.8;
/// F71: two bars of this height or width at least, that differ by no more than the second.
const LEAST_BAR: f64 = 0.03;
const UNEQUAL_BARS: f64 = 0.05;
/// F72: of what moves.
const COMBED_SHARE: f64 = 0.06;
/// F72: a picture that comes more often stands still. So many of them, and this share of all, are no accident of a busy computer.
const MOST_TIMES: u32 = 4;
const LEAST_REPEATED: usize = 4;
const REPEATED_SHARE: f64 = 0.6;
/// F73: standard deviations. More is no sensor's noise, but the picture of something.
const NOISE: std::ops::Range<f64> = 12.0..50.0;

/// F60, F61: nothing in it is bright, and no part is brighter than another; with a sensor's noise or without.
#[must_use]
pub fn is_black(light: &Darkness) -> bool {
    light.mean < BLACK_MEAN
        && light.brightest_channel < BLACK_CHANNEL
        && light.std < BLACK_STD
        && light.peak < light.mean + BLACK_PEAK
        && light.structure < BLACK_STRUCTURE
}

/// Brighter, on average, than anything that is black.
#[must_use]
pub fn is_lit(mean: f64) -> bool {
    mean > BLACK_CHANNEL
}

/// Each picture is equal to the one before, to the last bit, or of one colour: no sensor looks.
#[must_use]
pub fn is_dead(stats: &PictureStats) -> bool {
    stats.is_uniform || stats.same.lasts && stats.same.n == stats.n_pictures
}

/// How long pictures of such a source must be equal until they are not those of a scene that stands still; `None` where they
/// may be so for ever.
#[must_use]
pub fn still_secs(coding: FrameCoding) -> Option<f64> {
    match coding {
        FrameCoding::Intra => Some(STILL_SECS),
        FrameCoding::Served => Some(STILL_SERVED_SECS),
        FrameCoding::Inter => Some(STILL_CODED_SECS),
        FrameCoding::Unknown => None,
    }
}

/// F65: the camera gives the same picture again and again.
#[must_use]
pub fn is_still(run: &EqualRun, coding: FrameCoding) -> bool {
    run.n >= LEAST_EQUAL && still_secs(coding).is_some_and(|secs| run.secs >= secs)
}

/// F65: many pictures are the one before again.
#[must_use]
pub fn is_often_same(run: &EqualRun) -> bool {
    run.share >= OFTEN_SAME
}

/// F61: a card in place of a picture: nothing moves, no pixel has noise, most of it is one deep colour or black, and something bright is
/// written on it.
#[must_use]
pub fn is_card(stats: &PictureStats) -> bool {
    let PictureStats { luma, noise, colour, same, .. } = stats;
    let is_without_noise = noise.temporal.unwrap_or(0.0) <= 0.0 && same.share >= CARD_SAME && !stats.is_uniform;
    let is_one_brightness = luma.p50 - luma.p1 <= CARD_STEP && luma.peak - luma.p50 >= CARD_LETTERS;
    let is_deep = colour.gains.is_some_and(|gains| gains.red.max(gains.blue) >= DEEP_COLOUR);
    let is_bars = noise.spatial <= 0.0 && colour.chroma_std >= BARS_CHROMA;
    is_without_noise && (is_one_brightness && (luma.p50 <= CARD_BLACK || is_deep) || is_bars)
}

/// F68: automatic exposure that never settles.
#[must_use]
pub fn is_hunting(n_turns: u32) -> bool {
    n_turns >= LEAST_TURNS
}

/// F70: what is brightest is white in almost any scene, and has the same cast as all of it: as light has it for which a camera is not set.
#[must_use]
pub fn is_cast_of_whites(all: Gains, whites: Gains) -> bool {
    let is_cold = |gains: Gains| gains.red < COLD.red && gains.blue > COLD.blue;
    let is_warm = |gains: Gains| gains.red > WARM.red && gains.blue < WARM.blue;
    is_cold(all) && is_cold(whites) || is_warm(all) && is_warm(whites)
}

/// F62: how much of the height was never filled.
#[must_use]
pub fn is_green(height: f64) -> bool {
    height >= GREEN_HEIGHT
}

/// F64: pictures of this rate are compared with each other; slower, what moves is elsewhere in each of them.
#[must_use]
pub fn are_neighbours(fps: f64) -> bool {
    fps >= LEAST_NEIGHBOURS_FPS
}

/// F64: so many of all pictures are torn that it is no accident.
#[must_use]
pub fn is_torn(share: f64, n_pictures: u32) -> bool {
    share >= TORN_SHARE && share * f64::from(n_pictures) >= LEAST_TORN
}

/// The same of one who looks for hours and meets every accident: were only one picture of a hundred torn, so many would not be
/// found among those that were judged.
#[must_use]
pub fn is_surely_torn(n_torn: u32, n_judged: u32) -> bool {
    // The binomial distribution, from its start.
    let mut term = (1.0 - TORN_SHARE).powf(f64::from(n_judged));
    let mut below = 0.0;
    for n in 0..n_torn {
        below += term;
        term *= f64::from(n_judged.saturating_sub(n)) / f64::from(n + 1) * TORN_SHARE / (1.0 - TORN_SHARE);
    }
    1.0 - below < CHANCE
}

/// The share of looks that found torn pictures was such, and so many have found none since: they are over.
#[must_use]
pub fn is_torn_no_more(share_of_looks: f64, n_whole_looks: usize) -> bool {
    (1.0 - share_of_looks).powf(n_whole_looks as f64) < CHANCE
}

/// F68: dark, and nothing in it is bright. What is black has other causes.
#[must_use]
pub fn is_under_exposed(luma: &LumaStats) -> bool {
    luma.mean < UNDER_EXPOSED_MEAN && luma.peak < UNDER_EXPOSED_PEAK
}

/// F68: bright as a whole, and much of it white.
#[must_use]
pub fn is_over_exposed(luma: &LumaStats) -> bool {
    let is_burnt_out = luma.p50 >= OVER_EXPOSED_MEDIAN || luma.share_white >= BURNT_OUT_SHARE;
    luma.share_white >= OVER_EXPOSED_SHARE && luma.mean >= OVER_EXPOSED_MEAN && is_burnt_out
}

/// F51: too dark for a short exposure.
#[must_use]
pub fn is_dim(mean: f64) -> bool {
    mean < DIM_MEAN
}

/// Mean brightness: it was far from that of a well-lit scene, and has come clearly nearer.
#[must_use]
pub fn is_better_lit(before: f64, after: f64) -> bool {
    let off = |mean: f64| (mean - WELL_LIT_MEAN).abs();
    off(before) > FAR_OFF && off(after) < NEARER * off(before)
}

/// F67: the strength of bands of mains light has halved at least.
#[must_use]
pub fn is_calmer(before: f64, after: f64) -> bool {
    after < before / 2.0
}

/// F69: nothing in the picture is sharp.
#[must_use]
pub fn is_blurred(focus: f64) -> bool {
    focus < BLURRED_FOCUS
}

/// F70: red or blue is off, and nothing is grey.
#[must_use]
pub fn is_colour_cast(gains: Gains, neutral: f64) -> bool {
    !(GAINS.contains(&gains.red) && GAINS.contains(&gains.blue)) && neutral <= LEAST_NEUTRAL
}

/// F70: red and blue are both far above green, as with infrared light that no filter keeps out.
#[must_use]
pub fn is_magenta(gains: Gains) -> bool {
    gains.red.min(gains.blue) > *GAINS.end()
}

/// F70: red or blue has less than any light leaves of it.
#[must_use]
pub fn is_deep_colour(gains: Gains) -> bool {
    gains.red < LEAST_RED_OF_LIGHT || gains.blue < LEAST_BLUE_OF_LIGHT
}

/// F64: so much of the height, from the bottom, has the grey that decoders put where nothing has come.
#[must_use]
pub fn is_grey_fill(height: f64) -> bool {
    height >= GREY_HEIGHT
}

/// F05: the difference is that of [`crate::picture::ColourStats`].
#[must_use]
pub fn is_grey(difference: f64) -> bool {
    difference < GREY_DIFFERENCE
}

/// F05: an infrared lamp that lights every second picture.
#[must_use]
pub fn is_blinking(alternation: &Alternation) -> bool {
    alternation.ratio >= BLINK_RATIO && alternation.coherence >= BLINK_COHERENCE
}

/// F71: the share of height and of width that black bars on both sides take; `None` where there are none.
#[must_use]
pub fn bars(bars: &Bars) -> [Option<f64>; 2] {
    let pair = |a: f64, b: f64| (a.min(b) >= LEAST_BAR && (a - b).abs() <= UNEQUAL_BARS).then_some(a + b);
    [pair(bars.top, bars.bottom), pair(bars.left, bars.right)]
}

/// F72: two interlaced half-pictures are shown as one.
#[must_use]
pub fn is_combed(share: f64) -> bool {
    share > COMBED_SHARE
}

/// F73: the sensor's noise, where it is that of a failing or starved one. What moves is no noise in the one measure, and fine
/// structure none in the other.
#[must_use]
pub fn is_noisy(noise: &NoiseStats) -> Option<f64> {
    let noise = noise.temporal?.min(noise.spatial);
    NOISE.contains(&noise).then_some(noise)
}

/// F61: the noise of a receiver without a signal: as strong as a failing sensor's, or stronger.
#[must_use]
pub fn is_snow(noise: &NoiseStats) -> bool {
    noise.temporal.is_some_and(|temporal| temporal.min(noise.spatial) >= NOISE.start)
}

/// F72: how often each picture came, from the lengths of the runs of equal ones without the first and the last, of which only a part
/// was seen. `None` where most came once, or stood for longer than a camera that doubles its rate.
#[must_use]
pub fn times_each(runs: &[u32]) -> Option<f64> {
    let n_repeated = runs.iter().filter(|n| (2..=MOST_TIMES).contains(*n)).count();
    let is_usual = n_repeated >= LEAST_REPEATED && n_repeated as f64 >= REPEATED_SHARE * runs.len() as f64;
    let (n, sum) = runs.iter().filter(|n| **n > 1).fold((0.0, 0.0), |(n, sum), run| (n + 1.0, sum + f64::from(*run)));
    is_usual.then(|| (sum / n * 10.0_f64).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_come_more_than_once_are_counted() {
        #[track_caller]
        fn check(runs: &[u32], expected: Option<f64>) {
            assert_eq!(times_each(runs), expected, "{runs:?}");
        }
        check(&[2, 2, 2, 2, 2], Some(2.0));
        check(&[3, 3, 3, 3, 3], Some(3.0));
        // Some were lost on the way.
        check(&[2, 1, 2, 2, 1, 2, 2, 1, 2], Some(2.0));
        check(&[2, 2, 2], None);
        check(&[1; 30], None);
        check(&[1, 1, 2, 1, 1, 2, 1, 2, 1, 1, 2, 1, 2, 1], None);
        // It stands still, now and then; what it shows changes once a second.
        check(&[30, 30, 30, 30, 30, 30], None);
        check(&[1, 1, 1, 40, 1, 1, 1, 1, 1], None);
        check(&[], None);
    }

    #[test]
    fn a_card_is_no_scene() {
        /// Brightness of the ground and of the letters, blue over green, noise, share of equal pictures.
        #[track_caller]
        fn check(ground: f64, peak: f64, blue: f64, noise: Option<f64>, same: f64, expected: bool) {
            let mut stats = PictureStats::default();
            (stats.luma.p1, stats.luma.p50, stats.luma.peak) = (ground, ground, peak);
            stats.colour.gains = Some(Gains { red: 1.0, blue });
            (stats.noise.temporal, stats.same.share) = (noise, same);
            assert_eq!(is_card(&stats), expected, "{stats:?}");
        }
        // Blue and black ones, as measured; with a clock that changes one second in ten pictures.
        check(18.0, 254.0, 96.0, None, 0.95, true);
        check(0.0, 255.0, 1.0, Some(0.0), 1.0, true);
        check(0.0, 255.0, 1.0, Some(0.0), 0.9, true);
        // Colour bars; the same that move, and a drawn film that stands.
        let bars = |chroma_std: f64, same: f64| {
            let mut stats = PictureStats::default();
            (stats.luma.p50, stats.luma.peak, stats.colour.chroma_std, stats.same.share) =
                (88.0, 191.0, chroma_std, same);
            is_card(&stats)
        };
        assert_eq!([bars(57.0, 1.0), bars(57.0, 0.2), bars(42.0, 1.0)], [true, false, false]);
        // A lamp at night, with a sensor's noise or with pictures that differ; a covered lens; a grey wall with a window.
        check(3.0, 250.0, 1.0, Some(1.2), 0.9, false);
        check(3.0, 250.0, 1.0, Some(0.0), 0.3, false);
        check(1.0, 5.0, 1.0, None, 1.0, false);
        check(90.0, 250.0, 1.1, Some(0.0), 1.0, false);
    }

    #[test]
    fn whites_have_the_cast_of_all() {
        /// Red and blue of all, then of what is brightest; as measured.
        #[track_caller]
        fn check(red: f64, blue: f64, white_red: f64, white_blue: f64, expected: bool) {
            let (all, white) = (Gains { red, blue }, Gains { red: white_red, blue: white_blue });
            assert_eq!(is_cast_of_whites(all, white), expected, "{all:?} {white:?}");
        }
        check(0.67, 1.36, 0.62, 1.29, true);
        check(1.6, 0.5, 1.5, 0.5, true);
        // A pond; a printer under its own lamp; flowers; an evening.
        check(0.76, 1.16, 0.97, 0.98, false);
        check(1.0, 0.99, 1.22, 0.58, false);
        check(0.84, 0.78, 0.88, 1.08, false);
        check(1.25, 0.72, 1.16, 0.8, false);
    }

    #[test]
    fn black_has_one_definition() {
        #[track_caller]
        fn check(mean: f64, std: f64, peak: f64, structure: f64, brightest_channel: f64, expected: bool) {
            let light = Darkness { mean, std, peak, structure, brightest_channel };
            assert_eq!(is_black(&light), expected, "{light:?}");
        }
        // A shutter; a cap, as measured; video black that was not converted; a cap with a pedestal.
        check(0.0, 0.0, 0.0, 0.0, 0.0, true);
        check(0.9, 0.8, 5.0, 0.1, 1.2, true);
        check(16.0, 0.0, 16.0, 0.0, 16.0, true);
        check(9.0, 1.1, 13.0, 0.2, 10.0, true);
        // A dark room, as measured; one lamp; a dark wall; the blue of a capture card without a signal.
        check(9.1, 3.5, 40.0, 2.0, 10.0, false);
        check(1.5, 2.0, 90.0, 0.9, 2.0, false);
        check(12.0, 2.0, 20.0, 1.6, 13.0, false);
        check(14.0, 0.0, 14.0, 0.0, 120.0, false);
        check(143.0, 40.0, 240.0, 30.0, 150.0, false);
    }

    #[test]
    fn how_long_equal_pictures_are_a_still_scene_depends_on_the_source() {
        use FrameCoding::{Inter, Intra, Served, Unknown};
        #[track_caller]
        fn check(n: u32, secs: f64, coding: FrameCoding, expected: bool) {
            let run = EqualRun { n, secs, ..EqualRun::default() };
            assert_eq!(is_still(&run, coding), expected, "{n} in {secs} s, {coding:?}");
        }
        check(2, 5.0, Intra, false);
        check(3, 0.5, Intra, false);
        check(3, 1.0, Intra, true);
        check(30, 1.9, Served, false);
        check(3, 2.0, Served, true);
        check(30, 1.0, Inter, false);
        check(30, 4.9, Inter, false);
        check(3, 5.0, Inter, true);
        check(900, 30.0, Unknown, false);
    }

    #[test]
    fn who_looks_for_long_must_be_sure() {
        #[track_caller]
        fn check(n_torn: u32, n_judged: u32, expected: bool) {
            assert_eq!(is_surely_torn(n_torn, n_judged), expected, "{n_torn} of {n_judged}");
        }
        check(0, 0, false);
        check(1, 4, false);
        check(2, 4, true);
        check(2, 28, false);
        check(4, 28, true);
        check(5, 100, false);
        check(6, 100, true);
        check(160, 160, true);
        assert!(!is_torn_no_more(0.9, 2) && is_torn_no_more(0.9, 4) && !is_torn_no_more(0.2, 20));
    }

    #[test]
    fn one_torn_picture_may_be_a_flash() {
        #[track_caller]
        fn check(share: f64, n: u32, expected: bool) {
            assert_eq!(is_torn(share, n), expected, "{share} of {n}");
        }
        check(0.05, 20, false);
        check(0.05, 40, true);
        check(0.005, 1_000, false);
        check(1.0, 1, false);
    }
}
