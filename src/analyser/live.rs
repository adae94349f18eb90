//! What is wrong with a live picture, while it is: when each fault begins and when it ends. Pure.
//!
//! A fault is told once it has shown for half a second, and is over with the first picture that does not show it. Torn pictures
//! come among whole ones: their share is told when it is no accident any more, and is over when so many whole ones in a row are
//! no accident.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::criteria::{self, PictureChange, PictureFault, PictureFaultKind};
use crate::picture::{EqualRun, FrameCoding, PictureTraits, TearCount};

/// What passes sooner was one bad picture. Less than the time between two looks, which are not exactly half a second apart.
const BEGINS_AFTER: Duration = Duration::from_millis(450);
/// The share of torn pictures is that of so much time: a few of a hundred show in it.
const TEAR_WINDOW: Duration = Duration::from_secs(20);
/// Without a picture for so long, or for so many times the last pause between two of them, nothing is known of it any more.
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
    /// When the last picture that shows it was taken.
    last: Instant,
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
    pub fn update(&mut self, traits: &PictureTraits, taken_at: Instant) -> Vec<PictureChange> {
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
        let is_dead = traits.is_uniform || traits.is_same || self.coding != FrameCoding::Intra;
        let is_still = criteria::is_still(&run, self.coding) && !is_black && !is_green && !traits.is_uniform;
        let mut changes = Vec::new();
        for (kind, shows, since, share) in [
            (PictureFaultKind::Black, is_black && is_dead, first_equal, 1.0),
            (PictureFaultKind::Covered, is_black && !is_dead, taken_at, 1.0),
            (PictureFaultKind::Green, is_green, taken_at, traits.green),
            (PictureFaultKind::Frozen, is_still, first_equal, 1.0),
        ] {
            if shows {
                changes.extend(self.show(PictureFault { kind, since, share }, taken_at));
            } else {
                changes.extend(self.end(kind));
            }
        }
        changes
    }

    /// A picture that follows one that was looked at, and was not compared with any. It can only end what is not to be seen in it:
    /// light that blinks may be dark in each picture that is looked at.
    pub fn follow(&mut self, traits: &PictureTraits) -> Vec<PictureChange> {
        let mut changes = Vec::new();
        if !criteria::is_black(&traits.light) {
            changes.extend(self.end(PictureFaultKind::Black));
            changes.extend(self.end(PictureFaultKind::Covered));
        }
        if !criteria::is_green(traits.green) {
            changes.extend(self.end(PictureFaultKind::Green));
        }
        changes
    }

    /// What was found in pictures that followed each other without a gap; the last one was taken then.
    pub fn count_tears(&mut self, count: TearCount, taken_at: Instant) -> Vec<PictureChange> {
        if count.n_judged == 0 {
            return Vec::new();
        }
        self.tears.push_back((taken_at, count));
        let is_old = |(at, _): &(Instant, TearCount)| taken_at.saturating_duration_since(*at) > TEAR_WINDOW;
        while self.tears.front().is_some_and(is_old) {
            self.tears.pop_front();
        }
        if let Some(fault) = self.torn() {
            return self.show(fault, taken_at).into_iter().collect();
        }
        let change = self.end(PictureFaultKind::Torn);
        if change.is_some() {
            // They are not to begin it anew.
            self.tears.clear();
        }
        change.into_iter().collect()
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

    /// No picture has come since: after some time nothing is known any more.
    pub fn on_silence(&mut self, now: Instant) -> Vec<PictureChange> {
        let patience = LEAST_SILENCE.max(self.pause * SILENT_PAUSES);
        if self.last_at.is_none_or(|last| now.saturating_duration_since(last) < patience) {
            return Vec::new();
        }
        (self.last_at, self.equal) = (None, None);
        self.tears.clear();
        PictureFaultKind::ALL.into_iter().filter_map(|kind| self.end(kind)).collect()
    }

    fn show(&mut self, fault: PictureFault, taken_at: Instant) -> Option<PictureChange> {
        let at = self.spells.iter().position(|spell| spell.fault.kind == fault.kind);
        let at = at.unwrap_or_else(|| {
            self.spells.push(Spell { fault, last: taken_at, is_told: false });
            self.spells.len() - 1
        });
        let spell = self.spells.get_mut(at)?;
        (spell.last, spell.fault.share) = (taken_at, fault.share);
        let lasted = taken_at.saturating_duration_since(spell.fault.since);
        if spell.is_told || lasted < BEGINS_AFTER {
            return None;
        }
        spell.is_told = true;
        Some(PictureChange::Began(spell.fault))
    }

    fn end(&mut self, kind: PictureFaultKind) -> Option<PictureChange> {
        let at = self.spells.iter().position(|spell| spell.fault.kind == kind)?;
        let Spell { fault, last, is_told } = self.spells.swap_remove(at);
        is_told.then(|| PictureChange::Ended(fault, last.saturating_duration_since(fault.since)))
    }
}
