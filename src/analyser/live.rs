//! What is wrong with a live picture, while it is: when each fault begins and when it ends. Pure.
//!
//! A fault is told once it has shown for half a second, and is over with the first picture that does not show it. Torn pictures
//! come among whole ones: their share is told when it is no accident any more, and is over when so many whole ones in a row are
//! no accident.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::criteria::{self, PictureFault};
use crate::picture::{EqualRun, FrameCoding, PictureTraits, TearCount};
use crate::status::PictureFaultKind;

/// What passes sooner was one bad picture. Less than the time between two looks, which are not exactly half a second apart.
const BEGINS_AFTER: Duration = Duration::from_millis(450);
/// The share of torn pictures is that of so much time: a few of a hundred show in it.
const TEAR_WINDOW: Duration = Duration::from_secs(20);
/// Without a picture for so long, or for so many times the last pause between two of them, a fault must show anew to be told.
const LEAST_SILENCE: Duration = Duration::from_secs(3);
const SILENT_PAUSES: u32 = 3;

/// The judge of the pictures of one camera.
pub struct LivePicture {
    coding: FrameCoding,
    spells: Vec<Spell>,
    last_at: Option<Instant>,
    pause: Duration,
    /// The first of the pictures that are equal, and how many there are.
    equal: Option<(Instant, u32)>,
    /// Looks at several pictures in a row, oldest first.
    tears: VecDeque<(Instant, TearCount)>,
}

/// A fault that shows, whether it was told or not.
struct Spell {
    fault: PictureFault,
    is_told: bool,
}

impl LivePicture {
    #[must_use]
    pub fn new(coding: FrameCoding) -> Self {
        Self { coding, spells: Vec::new(), last_at: None, pause: Duration::ZERO, equal: None, tears: VecDeque::new() }
    }

    /// What is wrong now, as far as it was told.
    #[must_use]
    pub fn faults(&self) -> Vec<PictureFault> {
        let mut faults: Vec<_> = self.spells.iter().filter(|spell| spell.is_told).map(|spell| spell.fault).collect();
        faults.sort_by_key(|fault| fault.kind);
        faults
    }

    /// A picture that was looked at; whether it is the same as before is against the one that was looked at last.
    pub fn update(&mut self, traits: &PictureTraits, taken_at: Instant) {
        let last_at = self.last_at.replace(taken_at);
        self.pause = last_at.map_or(Duration::ZERO, |last| taken_at.saturating_duration_since(last));
        self.equal = match (last_at, traits.is_same) {
            (Some(last), true) => {
                let (first, n) = self.equal.unwrap_or((last, 1));
                Some((first, n + 1))
            }
            _ => None,
        };
        let run = self.equal.map_or_else(EqualRun::default, |(first, n)| EqualRun {
            n,
            secs: taken_at.saturating_duration_since(first).as_secs_f64(),
            ..EqualRun::default()
        });
        let first_equal = self.equal.map_or(taken_at, |(first, _)| first);
        let is_black = criteria::is_black(&traits.light);
        let is_green = criteria::is_green(traits.green);
        // A coder smooths a sensor's noise away.
        let is_dead = traits.is_uniform || traits.is_same || !self.coding.is_by_itself();
        let is_still = criteria::is_still(&run, self.coding) && !is_black && !is_green && !traits.is_uniform;
        for (kind, shows, since, share) in [
            (PictureFaultKind::Black, is_black && is_dead, first_equal, 1.0),
            (PictureFaultKind::Covered, is_black && !is_dead, taken_at, 1.0),
            (PictureFaultKind::Green, is_green, taken_at, traits.green),
            (PictureFaultKind::Frozen, is_still, first_equal, 1.0),
        ] {
            if shows {
                self.show(PictureFault { kind, since, share }, taken_at);
            } else {
                self.end(kind);
            }
        }
    }

    /// A picture that follows one that was looked at, and was not compared with any. It can only end what is not to be seen in it:
    /// light that blinks may be dark in each picture that is looked at.
    pub fn follow(&mut self, traits: &PictureTraits) {
        if !criteria::is_black(&traits.light) {
            self.end(PictureFaultKind::Black);
            self.end(PictureFaultKind::Covered);
        }
        if !criteria::is_green(traits.green) {
            self.end(PictureFaultKind::Green);
        }
    }

    /// What was found in pictures that followed each other without a gap; the last one was taken then.
    pub fn count_tears(&mut self, count: TearCount, taken_at: Instant) {
        if count.n_judged == 0 {
            return;
        }
        self.tears.push_back((taken_at, count));
        let is_old = |(at, _): &(Instant, TearCount)| taken_at.saturating_duration_since(*at) > TEAR_WINDOW;
        while self.tears.front().is_some_and(is_old) {
            self.tears.pop_front();
        }
        if let Some(fault) = self.torn() {
            self.show(fault, taken_at);
        } else if self.end(PictureFaultKind::Torn) {
            // They are not to begin it anew.
            self.tears.clear();
        }
    }

    /// Torn pictures among whole ones, unless they are an accident or over.
    fn torn(&self) -> Option<PictureFault> {
        let mut sum = TearCount::default();
        self.tears.iter().for_each(|(_, count)| sum.add(*count));
        let share = sum.share()?;
        let n_looks = self.tears.len();
        let mut torn = self.tears.iter().enumerate().filter(|(_, (_, count))| count.n_torn > 0);
        let n_torn_looks = torn.clone().count();
        let (first, (since, _)) = torn.next()?;
        // The flash of a lamp tears two pictures of one look: when it begins and when it ends.
        let (last, _) = torn.next_back()?;
        // Among looks that begin and end with a torn picture their share seems too large.
        let share_of_looks = n_torn_looks as f64 / (last - first + 3) as f64;
        let is_told = self.spells.iter().any(|spell| spell.fault.kind == PictureFaultKind::Torn);
        let shows = is_told || criteria::is_surely_torn(sum.n_torn, sum.n_judged);
        let is_over = criteria::is_torn_no_more(share_of_looks, n_looks - 1 - last);
        (shows && !is_over).then_some(PictureFault { kind: PictureFaultKind::Torn, since: *since, share })
    }

    /// No picture has come since. What was told stands until a picture shows otherwise: a stream that ends proves nothing.
    pub fn on_silence(&mut self, now: Instant) {
        let patience = LEAST_SILENCE.max(self.pause * SILENT_PAUSES);
        if self.last_at.is_some_and(|last| now.saturating_duration_since(last) >= patience) {
            self.spells.retain(|spell| spell.is_told);
            if self.spells.is_empty() {
                (self.last_at, self.equal) = (None, None);
            }
        }
    }

    fn show(&mut self, fault: PictureFault, taken_at: Instant) {
        let known = self.spells.iter().position(|spell| spell.fault.kind == fault.kind);
        let mut spell = known.map_or(Spell { fault, is_told: false }, |at| self.spells.swap_remove(at));
        spell.fault.share = fault.share;
        spell.is_told |= taken_at.saturating_duration_since(spell.fault.since) >= BEGINS_AFTER;
        self.spells.push(spell);
    }

    /// Whether it was told.
    fn end(&mut self, kind: PictureFaultKind) -> bool {
        let at = self.spells.iter().position(|spell| spell.fault.kind == kind);
        at.is_some_and(|at| self.spells.swap_remove(at).is_told)
    }
}
