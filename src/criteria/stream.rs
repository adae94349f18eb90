//! How frames come: rate, evenness, loss, age.

/// A rate counted over less than this many seconds says nothing.
pub const LEAST_RATE_SECS: f64 = 1.0;
/// Opening takes less than a second with common cameras; one that takes longer than this makes everybody wait (F31).
pub const OPEN_SLOW_MS: u64 = 3_000;
/// A camera says what it can do within some tenths of a second, also one that has to wake up (F43).
pub const SLOW_ANSWER_MS: u64 = 1_500;
/// Two rates that differ by less are the same: over two seconds at 15 a second one frame more or less is 3 %.
pub(super) const RATE_TOLERANCE_PERCENT: f64 = 5.0;
/// Cameras keep to a tenth of the rate that they agree to (F52).
pub(super) const TOO_SLOW_PERCENT: f64 = 10.0;
/// Beyond this share of frames that are missing it is no accident.
pub(super) const LOSS_PERCENT: f64 = 1.0;
const MAX_LOST_PACKETS_PERCENT: f64 = 0.1;
/// With less than three quarters of the rate something is wrong in any case, be it the light, the format or the computer.
const CLEARLY_TOO_SLOW_PERCENT: f64 = 25.0;
/// F51.
const WHOLE_PART_TOLERANCE: f64 = 0.05;
/// A frame or two are lost anywhere, most of all at the start.
const LEAST_LOST: u64 = 3;
/// Beyond this share of frames that nobody asked for in time the computer is too slow (F55); below, it was busy for a moment.
const LATE_PERCENT: f64 = 3.0;
/// Of the usual interval: what 95 of 100 frames keep within where a camera makes them at its own pace.
const EVEN_FACTOR: f64 = 1.3;
/// So many frames wait in the queue of a driver that works as it should (V4L2 has four buffers), or so much time (F66).
const QUEUED_FRAMES: f64 = 6.0;
const LEAST_AGE_MS: f64 = 400.0;
/// In a watch of a few seconds: a queue that fills while nobody empties it fast enough.
const AGE_GROWTH_MS: f64 = 300.0;

/// A session that ends so near to its life has ended because of it (F89): seconds.
const NEAR_LIFE_SECS: f64 = 1.2;
/// So many coded pictures, over so many seconds, tell whether anything is new in them (F65).
const LEAST_CODED: u64 = 20;
const LEAST_CODED_SECS: f64 = 3.0;
/// So many key pictures are two spans between them; and so many bytes for each of their macroblocks are no smooth picture.
const LEAST_KEYS: u64 = 3;
const DETAILED_BYTES: f64 = 20.0;
/// One pause may be an accident of the network (F88).
const LEAST_PAUSES: u32 = 2;
/// So many in turn that are new and are not: each comes twice (F72).
const LEAST_IN_TURN: u64 = 20;
const TURNS: f64 = 0.9;

/// Faults of one kind: twice within an hour is no accident, neither is ten times within a day.
const OFTEN: u32 = 2;
const LATELY_SECS: f64 = 3_600.0;
const VERY_OFTEN: u32 = 10;

fn is_below(fps: f64, wanted: f64, percent: f64) -> bool {
    wanted > 0.0 && fps < wanted * (1.0 - percent / 100.0)
}

/// A fault that is over has come so often, and so lately, that it will come again.
#[must_use]
pub fn comes_again(n: u32, last_secs_ago: f64) -> bool {
    (n >= OFTEN && last_secs_ago <= LATELY_SECS) || n >= VERY_OFTEN
}

/// F88: more packets are lost than chance loses, in percent.
#[must_use]
pub fn is_loss_of_packets(percent: f64) -> bool {
    percent > MAX_LOST_PACKETS_PERCENT
}

/// F89: a stream of this age ended with its session, which lives for so long unless the camera hears of its viewer. In seconds.
#[must_use]
pub fn is_life_of_session(age_secs: f64, life_secs: f64) -> bool {
    (age_secs - life_secs).abs() < NEAR_LIFE_SECS
}

/// F65: of so many coded pictures one is new, and key pictures came again byte for byte: a sensor's noise makes each another.
#[must_use]
pub fn is_same_again(n_new: u64, n_keys_again: u64, n_pictures: u64, secs: f64) -> bool {
    n_new <= 1 && n_keys_again > 0 && n_pictures >= LEAST_CODED && secs >= LEAST_CODED_SECS
}

/// F65: of late each key picture is full of detail, as sensors and scenes make it, and between them nothing changes, not by a bit: a sensor's
/// noise would. A scene that a camera has smoothed until nothing is left of its noise has less to say in its key pictures too.
#[must_use]
pub fn is_one_picture_coded(n_keys: u64, n_unchanged: u64, bytes_a_macroblock: f64) -> bool {
    n_keys >= LEAST_KEYS && may_be_one_picture_coded(n_unchanged, bytes_a_macroblock)
}

/// The same of a stream of which too few key pictures have come.
#[must_use]
pub fn may_be_one_picture_coded(n_unchanged: u64, bytes_a_macroblock: f64) -> bool {
    n_unchanged >= LEAST_CODED && bytes_a_macroblock >= DETAILED_BYTES
}

/// F72: of so many coded pictures, a new one and one that is not come in turn.
#[must_use]
pub fn is_each_twice(n_turns: u64, n_pictures: u64) -> bool {
    n_pictures >= LEAST_IN_TURN && share_of(n_turns, n_pictures) >= TURNS
}

/// Fewer frames a second come than was wanted or agreed.
#[must_use]
pub fn is_too_slow(fps: f64, wanted: f64) -> bool {
    is_below(fps, wanted, TOO_SLOW_PERCENT)
}

/// So many fewer that it is no border case.
#[must_use]
pub fn is_clearly_too_slow(fps: f64, wanted: f64) -> bool {
    is_below(fps, wanted, CLEARLY_TOO_SLOW_PERCENT)
}

/// F88: pictures stay away so often that it is no accident.
#[must_use]
pub fn is_more_than_a_pause(n: u32) -> bool {
    n >= LEAST_PAUSES
}

/// F51: a half, a third, down to a sixth of what was wanted: an exposure that is longer than the time for a frame takes whole ones more.
#[must_use]
pub fn is_whole_part(fps: f64, wanted: f64) -> bool {
    (2..=6).map(|part| wanted / f64::from(part)).any(|part| (fps - part).abs() <= part * WHOLE_PART_TOLERANCE)
}

/// Of two streams of one camera: this one gives as many frames as the other, as far as that can be counted.
#[must_use]
pub fn is_as_fast(fps: f64, other: f64) -> bool {
    fps > 0.0 && !is_below(fps, other, RATE_TOLERANCE_PERCENT)
}

/// The rate that is possible where each frame takes this long.
#[must_use]
pub fn fps_of_ms(ms: f64) -> f64 {
    if ms > 0.0 { 1_000.0 / ms } else { f64::INFINITY }
}

/// Half and 95 of 100 intervals, in milliseconds: a computer without time takes frames when it gets to them; a camera that
/// makes fewer makes them at its own pace.
#[must_use]
pub fn comes_evenly(half: f64, most: f64) -> bool {
    most < EVEN_FACTOR * half
}

/// A part of a whole, 0 to 1.
#[must_use]
pub fn share_of(n: u64, of: u64) -> f64 {
    n as f64 / of.max(1) as f64
}

/// Of a short watch: so many lost or damaged frames are no accident, however many came.
#[must_use]
pub fn is_more_than_chance(n: u64) -> bool {
    n >= LEAST_LOST
}

/// So many of all frames are missing, or came damaged, that it is no accident.
#[must_use]
pub fn is_lossy(n: u64, of: u64) -> bool {
    n >= LEAST_LOST && share_of(n, of) >= LOSS_PERCENT / 100.0
}

/// So many of all frames came and went before anybody asked for them that this computer has no time for the camera.
#[must_use]
pub fn is_late(n: u64, of: u64) -> bool {
    n >= LEAST_LOST && share_of(n, of) >= LATE_PERCENT / 100.0
}

/// Frames of this age, in milliseconds, have waited for longer than in a driver's usual queue.
#[must_use]
pub fn is_old(age_ms: f64, fps: Option<f64>) -> bool {
    let frame_ms = fps.filter(|fps| *fps > 0.0).map_or(0.0, |fps| 1_000.0 / fps);
    age_ms >= LEAST_AGE_MS.max(frame_ms * QUEUED_FRAMES)
}

/// By so much older, in milliseconds, were frames at the end of the watch than at its beginning (F66, F93).
#[must_use]
pub fn is_age_growing(ms: f64) -> bool {
    ms > AGE_GROWTH_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_one_answer() {
        #[track_caller]
        fn check(fps: f64, wanted: f64, expected: [bool; 3]) {
            let got = [!is_as_fast(fps, wanted), is_too_slow(fps, wanted), is_clearly_too_slow(fps, wanted)];
            assert_eq!(got, expected, "{fps} of {wanted}");
        }
        check(30.0, 30.0, [false, false, false]);
        check(28.6, 30.0, [false, false, false]);
        check(28.0, 30.0, [true, false, false]);
        check(26.9, 30.0, [true, true, false]);
        check(22.0, 30.0, [true, true, true]);
        check(0.0, 30.0, [true, true, true]);
        check(29.97, 0.0, [false, false, false]);
    }

    #[test]
    fn long_exposures_take_whole_frames() {
        #[track_caller]
        fn check(fps: f64, wanted: f64, expected: bool) {
            assert_eq!(is_whole_part(fps, wanted), expected, "{fps} of {wanted}");
        }
        check(15.0, 30.0, true);
        check(9.8, 30.0, true);
        check(5.0, 25.0, true);
        check(30.0, 30.0, false);
        check(12.5, 30.0, false);
        check(22.0, 30.0, false);
        check(1.0, 30.0, false);
    }

    #[test]
    fn one_lost_frame_is_an_accident() {
        #[track_caller]
        fn check(n: u64, of: u64, lossy: bool, late: bool) {
            assert_eq!((is_lossy(n, of), is_late(n, of)), (lossy, late), "{n} of {of}");
        }
        check(0, 0, false, false);
        check(2, 10, false, false);
        check(3, 100, true, true);
        check(3, 290, true, false);
        check(3, 310, false, false);
        check(20, 100, true, true);
    }

    #[test]
    fn a_slow_cameras_frames_may_be_older() {
        #[track_caller]
        fn check(age_ms: f64, fps: Option<f64>, expected: bool) {
            assert_eq!(is_old(age_ms, fps), expected, "{age_ms} at {fps:?}");
        }
        check(399.0, Some(30.0), false);
        check(401.0, Some(30.0), true);
        check(401.0, None, true);
        check(800.0, Some(5.0), false);
        check(1_300.0, Some(5.0), true);
    }
}
