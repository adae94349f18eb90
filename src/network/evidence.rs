//! What the packets of a stream have shown since it began, as plain numbers, and what that means: one judgement for the connection
//! test, which looks for a second or two, and for the check-up, whose stream goes on.

use serde::{Deserialize, Serialize};

use super::ConnectionFinding;
use super::rtp::ContentCounts;
use super::rtsp_stream::lost;
use crate::criteria;
use crate::fault::FaultKind;

/// Counts of the packets of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacketEvidence {
    /// From the first packet to the newest.
    pub secs: f64,
    pub is_over_udp: bool,
    pub n_received: u64,
    /// That did not arrive.
    pub n_lost: u64,
    /// Units of pictures that have a beginning and no end, although no packet is missing.
    pub n_cut: u64,
    /// How often the sender began to count anew.
    pub n_restarts: u64,
    /// How often its clock jumped.
    pub n_clock_jumps: u64,
    /// It jumped a little, once: a longer look tells whether that was chance.
    pub may_jump: bool,
    pub has_one_stamp: bool,
    /// How often its packets were held up on their way: none for a good while, then those of that while at once; and for how long at most.
    pub n_held_up: u64,
    pub held_up_secs: f64,
    /// By how much later pictures arrive than at the beginning, where the camera's own reports tell its clock.
    pub delay_growth_ms: Option<f64>,
    /// The same if its clock were right, of which it has not reported yet.
    pub unreported_growth_ms: Option<f64>,
    pub n_size_changes: u64,
    pub contents: ContentCounts,
    /// How long a session lives of which nobody hears, as the camera says.
    pub session_secs: Option<f64>,
    /// When its packets had stopped, the camera answered, or did not.
    pub is_answering: Option<bool>,
}

impl PacketEvidence {
    /// What has come since then, of the same stream: of one that has begun anew all of it. Its age stays what it is.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        if self.n_received < before.n_received {
            return *self;
        }
        Self {
            n_received: self.n_received - before.n_received,
            n_lost: self.n_lost.saturating_sub(before.n_lost),
            n_cut: self.n_cut.saturating_sub(before.n_cut),
            n_restarts: self.n_restarts.saturating_sub(before.n_restarts),
            n_clock_jumps: self.n_clock_jumps.saturating_sub(before.n_clock_jumps),
            n_held_up: self.n_held_up.saturating_sub(before.n_held_up),
            n_size_changes: self.n_size_changes.saturating_sub(before.n_size_changes),
            contents: self.contents.since(&before.contents),
            ..*self
        }
    }

    /// What a technician should know although the stream runs, if there is something.
    #[must_use]
    pub fn judge(&self) -> Option<ConnectionFinding> {
        let contents = &self.contents;
        let trouble = |entry, message: String, advice: &str, confidence| {
            let kind = if entry == "F88" { FaultKind::BadFrame } else { FaultKind::ProtocolTrouble };
            Some(ConnectionFinding::new(entry, kind, message).with_advice(advice).unsure(confidence))
        };
        if self.n_cut > 1 {
            let message = format!("{} pictures have a part without an end, although no packet is missing", self.n_cut);
            return trouble("F88", message, LEAVES_OUT, 0.9);
        }
        if let Some(lost) = lost(self.n_lost, self.n_received, self.is_over_udp) {
            return Some(lost);
        }
        if self.n_held_up > 1 {
            let message = format!(
                "nothing came for up to {:.1} s, {} times, and then all of that time at once: the pictures are held up on their way",
                self.held_up_secs, self.n_held_up
            );
            let advice = "Connect the camera by cable, or bring it nearer to its access point; lower its bit rate.";
            return trouble("F88", message, advice, 0.75);
        }
        if self.n_restarts > 0 {
            let message = format!("the camera began its stream anew {} times while it was watched", self.n_restarts);
            return trouble("F96", message, "Check the camera's power and network; update its firmware.", 0.7);
        }
        if self.has_one_stamp {
            let message = "all pictures have the same time stamp: when each was taken is not known".to_owned();
            let advice = "Restart the camera; choose another profile or H.264 in its settings; update its firmware.";
            return trouble("F98", message, advice, 0.7);
        }
        if self.n_clock_jumps > 0 {
            let message = format!("the camera's clock jumped {} times while it was watched", self.n_clock_jumps);
            let advice = "Switch “+” or “smart” off in the camera's settings; have it set its clock less often.";
            return trouble("F98", message, advice, 0.8);
        }
        if let Some(ms) = self.delay_growth_ms.filter(|ms| criteria::is_age_growing(*ms)) {
            let message =
                format!("by the camera's own clock its pictures came {ms:.0} ms later in the end than at first");
            let advice = "Lower the bit rate, connect the camera by cable, close other viewers; then connect again.";
            return trouble("F93", message, advice, 0.75);
        }
        if self.n_size_changes > 0 {
            let message =
                format!("the size of the pictures changed {} times while they were watched", self.n_size_changes);
            return trouble("F97", message, CHANGES, 0.8);
        }
        if contents.n_set_changes > 0 {
            let message = format!(
                "the camera changed the way in which it codes its pictures {} times while they were watched",
                contents.n_set_changes
            );
            return trouble("F97", message, CHANGES, 0.75);
        }
        if criteria::is_lossy(contents.n_left_out, contents.n_pictures + contents.n_left_out) {
            let message = format!(
                "by their numbers {} pictures were made and never sent, although no packet is missing",
                contents.n_left_out
            );
            return trouble("F88", message, LEAVES_OUT, 0.8);
        }
        None
    }

    /// The stream ended when a session does of which the camera has heard nothing (F89).
    #[must_use]
    pub fn has_ended_with_session(&self) -> bool {
        self.session_secs.is_some_and(|life| criteria::is_life_of_session(self.secs, life))
    }

    /// Whether a longer look would tell more.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        let may_be_one = criteria::may_be_one_picture_coded(self.contents.n_unchanged, self.bytes_of_detail())
            && !self.is_one_picture();
        may_be_one
            || self.may_jump
            || self.n_held_up == 1
            || self.unreported_growth_ms.is_some_and(criteria::is_age_growing)
    }

    /// The share of pictures with bytes that no coder writes, or without their first part, 0 to 1, where that is no accident.
    #[must_use]
    pub fn spoilt_share(&self) -> Option<f64> {
        let ContentCounts { n_spoilt, n_headless, n_pictures, .. } = self.contents;
        let n = n_spoilt.max(n_headless);
        criteria::is_lossy(n, n_pictures).then(|| criteria::share_of(n, n_pictures))
    }

    /// The camera sends what it has sent before, and nothing else (F65).
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let ContentCounts { n_pictures, n_new, n_keys_again, .. } = self.contents;
        criteria::is_same_again(n_new, n_keys_again, n_pictures, self.secs)
    }

    /// Its coder is given the same picture again and again, as far as that shows without the picture (F65).
    #[must_use]
    pub fn is_one_picture(&self) -> bool {
        let ContentCounts { n_keys, n_unchanged, .. } = self.contents;
        criteria::is_one_picture_coded(n_keys, n_unchanged, self.bytes_of_detail())
    }

    /// Of key pictures, for each macroblock.
    fn bytes_of_detail(&self) -> f64 {
        criteria::share_of(self.contents.key_bytes, self.contents.key_macroblocks)
    }

    /// Each picture comes twice (F72).
    #[must_use]
    pub fn is_doubled(&self) -> bool {
        criteria::is_each_twice(self.contents.n_turns, self.contents.n_pictures)
    }
}

const LEAVES_OUT: &str =
    "The camera itself leaves them out: lower its bit rate, close other viewers, update its firmware.";
const CHANGES: &str =
    "Look whether somebody else sets the camera just now, or whether it changes between day and night.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packets_show_is_named() {
        #[track_caller]
        fn check(change: impl Fn(&mut PacketEvidence), expected: Option<&str>) {
            let mut evidence = PacketEvidence { secs: 4.0, n_received: 600, ..PacketEvidence::default() };
            evidence.contents.n_pictures = 100;
            change(&mut evidence);
            assert_eq!(evidence.judge().map(|finding| finding.entry), expected, "{evidence:?}");
        }
        check(|_| (), None);
        check(|evidence| evidence.n_lost = 1, None);
        check(|evidence| evidence.n_lost = 12, Some("F88"));
        check(|evidence| evidence.n_cut = 2, Some("F88"));
        check(|evidence| evidence.n_restarts = 1, Some("F96"));
        check(|evidence| evidence.n_clock_jumps = 1, Some("F98"));
        check(|evidence| evidence.may_jump = true, None);
        check(|evidence| evidence.has_one_stamp = true, Some("F98"));
        check(|evidence| evidence.n_size_changes = 1, Some("F97"));
        check(|evidence| evidence.n_held_up = 1, None);
        check(|evidence| evidence.n_held_up = 2, Some("F88"));
        check(|evidence| evidence.delay_growth_ms = Some(250.0), None);
        check(|evidence| evidence.delay_growth_ms = Some(900.0), Some("F93"));
        check(|evidence| evidence.unreported_growth_ms = Some(900.0), None);
        check(|evidence| evidence.contents.n_set_changes = 1, Some("F97"));
        check(|evidence| evidence.contents.n_left_out = 2, None);
        check(|evidence| evidence.contents.n_left_out = 5, Some("F88"));
        let before = PacketEvidence { n_received: 500, n_lost: 9, n_clock_jumps: 2, ..PacketEvidence::default() };
        let now = PacketEvidence { n_received: 900, n_lost: 9, n_clock_jumps: 3, ..before };
        assert_eq!(now.since(&before).judge().map(|finding| finding.entry), Some("F98"));
        assert_eq!(before.since(&before).judge(), None);
        assert_eq!(before.since(&now), before, "it has begun anew");
        // What is lost on the way may be where a picture was cut or changed.
        check(|evidence| (evidence.n_lost, evidence.n_restarts) = (12, 1), Some("F88"));
    }
}
