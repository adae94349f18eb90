//! What happened, as a subtitle (3GPP TS 26.245): a sample is the length of its text in two bytes, and the text.
//!
//! Behind the texts of a fragment there is an empty one, for the times at which nothing is shown.

use std::collections::VecDeque;
use std::time::Instant;

use crate::recorder::mp4::{ClipSample, EMPTY_TEXT};
use crate::recorder::sample_clock::SampleClock;

/// What is shown on a picture at once.
const MAX_TEXT: usize = 400;
/// More happen within a fragment only where something is wrong with who notes them.
const MAX_WAITING: usize = 64;
/// Shorter is not to be read.
const MIN_SHOWN: u64 = 90_000;

#[derive(Debug)]
struct Note {
    at: Instant,
    until: Instant,
    text: String,
}

#[derive(Debug, Default)]
pub struct Notes {
    waiting: VecDeque<Note>,
    /// The last text that is in the file begins there.
    last: Option<u64>,
}

impl Notes {
    pub fn push(&mut self, at: Instant, until: Instant, text: &str) {
        let end = text.floor_char_boundary(MAX_TEXT);
        let text = text.get(..end).unwrap_or_default().to_owned();
        if !text.is_empty() && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(Note { at, until, text });
        }
    }

    /// Whether some can be written.
    pub fn wait(&self, clock: &SampleClock) -> bool {
        self.waiting.front().is_some_and(|first| clock.at(first.at).is_some())
    }

    /// Those that wait as samples, one without a pause behind the other; their bytes go to the end of the payload. Each is shown from
    /// its moment on, or behind the one before it.
    pub fn take(&mut self, clock: &SampleClock, payload: &mut Vec<u8>) -> Vec<ClipSample> {
        let mut samples: Vec<ClipSample> = Vec::new();
        let mut write = |samples: &mut Vec<ClipSample>, decode: u64, duration: u64, text: &str| {
            let offset = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            let len = u16::try_from(text.len()).unwrap_or(0);
            payload.extend_from_slice(&len.to_be_bytes());
            payload.extend_from_slice(text.as_bytes());
            let duration = u32::try_from(duration).unwrap_or(u32::MAX);
            samples.push(ClipSample { offset, len: u32::from(len) + 2, decode, duration, shift: 0, is_key: true });
        };
        while let Some(note) = self.waiting.front() {
            let (Some(at), Some(until)) = (clock.at(note.at), clock.at(note.until)) else { break };
            let at = self.last.map_or(at, |last| at.max(last.saturating_add(1)));
            if let Some(before) = samples.last_mut() {
                if before.end() < at {
                    let (decode, pause) = (before.end(), at - before.end());
                    write(&mut samples, decode, pause, "");
                } else {
                    before.duration = u32::try_from(at.saturating_sub(before.decode)).unwrap_or(u32::MAX);
                }
            }
            write(&mut samples, at, until.saturating_sub(at).max(MIN_SHOWN), &note.text);
            self.last = Some(at);
            self.waiting.pop_front();
        }
        if let Some(end) = samples.last().map(ClipSample::end) {
            write(&mut samples, end, 1, "");
        }
        samples
    }
}

/// Texts as they were written, in the order of their times, as a closed file has them: each as long as it is shown, and something
/// empty for all the time before, between and behind them, until the pictures end.
pub fn laid_out(written: &[ClipSample], pictures_end: u64) -> Vec<ClipSample> {
    let is_empty = |sample: &&ClipSample| usize::try_from(sample.len) == Ok(EMPTY_TEXT.len());
    let Some(empty) = written.iter().find(is_empty).copied() else { return Vec::new() };
    let mut laid_out: Vec<ClipSample> = Vec::new();
    let mut end = 0;
    for text in written.iter().filter(|text| !is_empty(text)) {
        match laid_out.last_mut() {
            Some(last) if text.decode < end => {
                let Some(duration) = text.decode.checked_sub(last.decode).filter(|duration| *duration > 0) else {
                    continue;
                };
                last.duration = u32::try_from(duration).unwrap_or(u32::MAX);
            }
            _ if text.decode > end => {
                let duration = u32::try_from(text.decode - end).unwrap_or(u32::MAX);
                laid_out.push(ClipSample { decode: end, duration, ..empty });
            }
            _ => {}
        }
        laid_out.push(*text);
        end = text.end();
    }
    // Players show the last text of all for ever.
    if let Some(duration) = pictures_end.checked_sub(end).filter(|duration| *duration > 0 && end > 0) {
        laid_out.push(ClipSample { decode: end, duration: u32::try_from(duration).unwrap_or(u32::MAX), ..empty });
    }
    laid_out
}

/// The text of a sample. What is not as it should be is left out.
#[must_use]
pub fn read_text(sample: &[u8]) -> String {
    let Some((len, text)) = sample.split_first_chunk() else { return String::new() };
    let text = text.get(..usize::from(u16::from_be_bytes(*len))).unwrap_or(text);
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as `at, duration`, an empty text as `at, duration, empty`; all as they lie in a closed file.
    #[test]
    fn texts_of_a_closed_file_leave_no_time_out() {
        #[track_caller]
        fn check(written: &[(u64, u32)], expected: &[(u64, u32, u32)]) {
            let sample =
                |decode, duration, len| ClipSample { offset: 0, len, decode, duration, shift: 0, is_key: true };
            let mut samples: Vec<ClipSample> = written.iter().map(|(at, duration)| sample(*at, *duration, 9)).collect();
            samples.extend(samples.last().copied().map(|last| sample(last.end(), 1, 2)));
            let got: Vec<_> =
                laid_out(&samples, 18).iter().map(|sample| (sample.decode, sample.duration, sample.len)).collect();
            assert_eq!(got, expected, "{written:?}");
        }
        check(&[], &[]);
        check(&[(0, 10)], &[(0, 10, 9), (10, 8, 2)]);
        check(&[(5, 13)], &[(0, 5, 2), (5, 13, 9)]);
        check(&[(5, 10), (20, 3)], &[(0, 5, 2), (5, 10, 9), (15, 5, 2), (20, 3, 9)]);
        check(&[(5, 10), (15, 3)], &[(0, 5, 2), (5, 10, 9), (15, 3, 9)]);
        check(&[(5, 10), (8, 3)], &[(0, 5, 2), (5, 3, 9), (8, 3, 9), (11, 7, 2)]);
        check(&[(5, 10), (5, 3), (2, 1)], &[(0, 5, 2), (5, 10, 9), (15, 3, 2)]);
    }
}
