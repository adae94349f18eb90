//! Which clips are to be deleted. Pure: given the clips, the room and the time, it says which and why.
//!
//! Rolling clips go by age, by size and for room on the disk: continuous ones first, then time lapses, then what was
//! recovered; of each the oldest. What is protected (faults, alerts, what somebody asked for, what was exported) goes
//! by a limit of its own alone, never by age, and never to make room for what is not. What cannot be judged, because
//! nothing readable stands beside it, stays.

use std::cmp::Reverse;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::listing::{Clip, ClipState};
use super::name::ClipKind;
use crate::disk::KeptAges;
use crate::settings::ClipSettings;

/// Whoever dates a clip further ahead has set the clock wrongly.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Told when so much of the limit is taken, and again only when it was less than the second in between.
const NEARLY_FULL: f64 = 0.8;
const ROOM_AGAIN: f64 = 0.7;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetentionLimits {
    /// Of rolling clips, from their end.
    pub max_age: SignedDuration,
    /// Of all clips together.
    pub max_bytes: u64,
    /// Of those that are protected, within that.
    pub max_protected_bytes: u64,
    /// Is to stay free on the disk, and so many seconds of recording besides, whichever is more.
    pub min_free_bytes: u64,
    pub min_free_secs: f64,
    /// Below this nothing is written. Where the disk is too small or too full of other things for the room that is to
    /// stay free, clips are deleted for this alone.
    pub least_free_bytes: u64,
}

impl Default for RetentionLimits {
    fn default() -> Self {
        Self {
            max_age: SignedDuration::from_hours(24 * 7),
            max_bytes: 20 << 30,
            max_protected_bytes: 5 << 30,
            min_free_bytes: 1 << 30,
            min_free_secs: 600.0,
            least_free_bytes: 64 << 20,
        }
    }
}

/// Of what is protected, so much of all.
const PROTECTED_SHARE: f64 = 0.25;
const GIB: f64 = (1_u64 << 30) as f64;

impl From<&ClipSettings> for RetentionLimits {
    fn from(settings: &ClipSettings) -> Self {
        Self {
            max_age: SignedDuration::from_hours(24 * i64::from(settings.max_age_days)),
            max_bytes: whole_bytes(settings.max_gb * GIB),
            max_protected_bytes: whole_bytes(settings.max_gb * PROTECTED_SHARE * GIB),
            min_free_bytes: whole_bytes(settings.min_free_gb * GIB),
            ..Self::default()
        }
    }
}

impl RetentionLimits {
    /// The room that is to stay free while so much is written each second.
    #[must_use]
    pub fn free_floor(&self, bytes_per_sec: f64) -> u64 {
        self.min_free_bytes.max(whole_bytes(bytes_per_sec * self.min_free_secs))
    }
}

/// What matters of a clip here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetainedClip {
    pub started: Timestamp,
    pub ended: Timestamp,
    pub bytes: u64,
    pub kind: ClipKind,
    pub is_recovered: bool,
    pub is_protected: bool,
    /// Closed, and with a sidecar of ours that can be read.
    pub can_go: bool,
}

impl From<&Clip> for RetainedClip {
    fn from(clip: &Clip) -> Self {
        let started = clip.name.started.at();
        Self {
            started,
            ended: clip.about().map_or(started, |about| about.ended.at().max(started)),
            bytes: clip.all_bytes(),
            kind: clip.kind(),
            is_recovered: clip.is_recovered(),
            is_protected: clip.is_protected(),
            can_go: clip.state == ClipState::Closed && clip.about().is_some_and(|about| !about.is_altered),
        }
    }
}

/// Why a clip goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeletionCause {
    Age(SignedDuration),
    /// All clips are larger than this.
    Size(u64),
    /// Less than this was free on the disk.
    Room(u64),
    /// Those that are protected are larger than this.
    ProtectedSize(u64),
}

/// One clip that is to go, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipDeletion {
    pub index: usize,
    pub cause: DeletionCause,
}

/// What somebody should be told. Each is told once, until it was over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RetentionNotice {
    /// Soon the oldest protected clips will go.
    ProtectedNearlyFull { bytes: u64, max_bytes: u64 },
    /// The system does not say how much room there is.
    FreeUnknown,
    /// The room that is to stay free cannot be had by deleting clips.
    FloorOutOfReach { free_bytes: u64, floor_bytes: u64 },
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetentionPlan {
    /// In this order.
    pub deletions: Vec<ClipDeletion>,
    pub notices: Vec<RetentionNotice>,
}

/// Decides, and remembers what was told.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    pub limits: RetentionLimits,
    is_nearly_full_told: bool,
    is_unknown_told: bool,
    is_out_of_reach_told: bool,
}

impl Retention {
    #[must_use]
    pub fn new(limits: RetentionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// `free_bytes` is `None` where the system does not tell: that is not “enough”, and told. `bytes_per_sec` is what
    /// is being written.
    #[must_use]
    pub fn plan(
        &mut self,
        clips: &[RetainedClip],
        free_bytes: Option<u64>,
        bytes_per_sec: f64,
        now: Timestamp,
    ) -> RetentionPlan {
        let limits = self.limits;
        let mut pass = RetentionPass { clips, is_gone: vec![false; clips.len()], deletions: Vec::new() };
        let mut notices = Vec::new();
        let ages = KeptAges::new(now, clips.iter().map(|clip| clip.ended));
        let sum = |clips: &mut dyn Iterator<Item = &RetainedClip>| {
            clips.fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes))
        };

        // By age, whoever it is among the rolling ones.
        let rolling = order(clips, now, |clip| !clip.is_protected);
        let is_old = |clip: &RetainedClip| ages.is_over(clip.ended, limits.max_age);
        pass.delete(&rolling, DeletionCause::Age(limits.max_age), |clip, _| is_old(clip));

        // What is protected, by its own limit.
        let max_protected = limits.max_protected_bytes.min(limits.max_bytes);
        let protected_bytes = sum(&mut clips.iter().filter(|clip| clip.is_protected));
        let too_many = protected_bytes.saturating_sub(max_protected);
        let mut protected = order(clips, now, |clip| clip.is_protected);
        // The last one is what somebody will want to see, however large it is.
        protected.pop();
        let cause = DeletionCause::ProtectedSize(max_protected);
        let freed_protected = pass.delete(&protected, cause, |_, freed| freed < too_many);
        let share = protected_bytes as f64 / max_protected.max(1) as f64;
        if share >= NEARLY_FULL && !self.is_nearly_full_told {
            let bytes = protected_bytes.saturating_sub(freed_protected);
            notices.push(RetentionNotice::ProtectedNearlyFull { bytes, max_bytes: max_protected });
        }
        self.is_nearly_full_told = share >= if self.is_nearly_full_told { ROOM_AGAIN } else { NEARLY_FULL };

        // By size.
        let too_much = pass.bytes_left().saturating_sub(limits.max_bytes);
        pass.delete(&rolling, DeletionCause::Size(limits.max_bytes), |_, freed| freed < too_much);

        // For room on the disk. What goes anyway counts.
        if let Some(free_bytes) = free_bytes {
            let free_bytes = free_bytes.saturating_add(pass.bytes_gone());
            let floor_bytes = limits.free_floor(bytes_per_sec);
            let most = free_bytes.saturating_add(pass.bytes_that_can_go(&rolling));
            let is_out_of_reach = free_bytes < floor_bytes && most < floor_bytes;
            let target = if is_out_of_reach { limits.least_free_bytes.min(floor_bytes) } else { floor_bytes };
            let missing = target.saturating_sub(free_bytes);
            pass.delete(&rolling, DeletionCause::Room(target), |_, freed| freed < missing);
            if is_out_of_reach && !self.is_out_of_reach_told {
                notices.push(RetentionNotice::FloorOutOfReach { free_bytes, floor_bytes });
            }
            self.is_out_of_reach_told = is_out_of_reach;
        } else if !self.is_unknown_told {
            notices.push(RetentionNotice::FreeUnknown);
        }
        self.is_unknown_told = free_bytes.is_none();
        RetentionPlan { deletions: pass.deletions, notices }
    }

    /// The next of the rolling clips, for a disk that is full in spite of all limits. `None` where nothing may go.
    #[must_use]
    pub fn next_to_go(clips: &[RetainedClip], now: Timestamp) -> Option<usize> {
        let can_go = |index: &usize| clips.get(*index).is_some_and(|clip| clip.can_go);
        order(clips, now, |clip| !clip.is_protected).into_iter().find(can_go)
    }
}

/// In which order clips go, by their places in the list.
fn order(clips: &[RetainedClip], now: Timestamp, is_meant: impl Fn(&RetainedClip) -> bool) -> Vec<usize> {
    let rank = |clip: &RetainedClip| match clip.kind {
        _ if clip.is_protected => 3_u8,
        _ if clip.is_recovered => 2,
        ClipKind::TimeLapse => 1,
        _ => 0,
    };
    let mut meant: Vec<_> = clips.iter().enumerate().filter(|(_, clip)| is_meant(clip)).collect();
    // What a wrong clock has dated ahead would stay for ever.
    let is_ahead = |clip: &RetainedClip| clip.started.duration_since(now) > AHEAD;
    meant.sort_by_key(|(index, clip)| (rank(clip), Reverse(is_ahead(clip)), clip.started, *index));
    meant.into_iter().map(|(index, _)| index).collect()
}

struct RetentionPass<'a> {
    clips: &'a [RetainedClip],
    is_gone: Vec<bool>,
    deletions: Vec<ClipDeletion>,
}

impl RetentionPass<'_> {
    /// Goes through them in order, and deletes each of which `shall_go` says so, given what this has freed so far;
    /// returns that.
    fn delete(&mut self, order: &[usize], cause: DeletionCause, shall_go: impl Fn(&RetainedClip, u64) -> bool) -> u64 {
        let mut freed = 0_u64;
        for &index in order {
            let (Some(clip), Some(is_gone)) = (self.clips.get(index), self.is_gone.get_mut(index)) else { continue };
            if clip.can_go && !*is_gone && shall_go(clip, freed) {
                *is_gone = true;
                freed = freed.saturating_add(clip.bytes);
                self.deletions.push(ClipDeletion { index, cause });
            }
        }
        freed
    }

    fn sum(&self, is_meant: impl Fn(&RetainedClip, bool) -> bool) -> u64 {
        let all = self.clips.iter().zip(&self.is_gone).filter(|(clip, is_gone)| is_meant(clip, **is_gone));
        all.fold(0, |sum, (clip, _)| sum.saturating_add(clip.bytes))
    }

    fn bytes_left(&self) -> u64 {
        self.sum(|_, is_gone| !is_gone)
    }

    fn bytes_gone(&self) -> u64 {
        self.sum(|_, is_gone| is_gone)
    }

    fn bytes_that_can_go(&self, order: &[usize]) -> u64 {
        let left = order.iter().filter(|index| self.is_gone.get(**index).is_some_and(|is_gone| !is_gone));
        let clips = left.filter_map(|index| self.clips.get(*index)).filter(|clip| clip.can_go);
        clips.fold(0, |sum, clip| sum.saturating_add(clip.bytes))
    }
}

/// Bytes, of a number that was calculated.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and 2^62, or NaN, which is 0"
)]
pub(crate) fn whole_bytes(bytes: f64) -> u64 {
    bytes.clamp(0.0, 4.6e18) as u64
}

/// As `1.5 GB`.
pub(super) fn amount(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.0} kB", (bytes / 1e3).ceil()),
    }
}

impl fmt::Display for DeletionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age(max) if max.as_hours() < 48 => write!(f, "it is older than {} h", max.as_hours()),
            Self::Age(max) => write!(f, "it is older than {} days", max.as_hours() / 24),
            Self::Size(max) => write!(f, "all clips together were larger than {}", amount(*max)),
            Self::Room(floor) => write!(f, "less than {} was free on the disk", amount(*floor)),
            Self::ProtectedSize(max) => write!(f, "clips of faults were larger than {}", amount(*max)),
        }
    }
}

impl fmt::Display for RetentionNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtectedNearlyFull { bytes, max_bytes } => write!(
                f,
                "Clips of faults and those that were asked for take {} of the {} that are kept; beyond that the oldest \
                 of them go. Export what you need, or raise the limit.",
                amount(*bytes),
                amount(*max_bytes)
            ),
            Self::FreeUnknown => f.write_str(
                "The system does not say how much room is left on the disk of the clips. Look at the disk or network \
                 share.",
            ),
            Self::FloorOutOfReach { free_bytes, floor_bytes } => write!(
                f,
                "Only {} are free on the disk of the clips, where {} should be, and no more clips may be deleted for \
                 it. Make room on it, or set less room that is to stay free.",
                amount(*free_bytes),
                amount(*floor_bytes)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;
    const LIMITS: RetentionLimits = RetentionLimits {
        max_age: SignedDuration::from_hours(24 * 7),
        max_bytes: 1_000 * MB,
        max_protected_bytes: 300 * MB,
        min_free_bytes: 100 * MB,
        min_free_secs: 600.0,
        least_free_bytes: 10 * MB,
    };

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    /// `c3:200` is a continuous clip of three days ago with 200 MB; `t` time lapse, `r` recovered, `f` fault, `p`
    /// continuous and protected, `u` unfinished, `d` a damaged sidecar. Days ahead are negative.
    fn clip(word: &str) -> RetainedClip {
        let (day, mb) = word[1..].split_once(':').unwrap();
        let started = now() - SignedDuration::from_secs_f64(day.parse::<f64>().unwrap() * 86_400.0);
        let letter = &word[..1];
        RetainedClip {
            started,
            ended: started,
            bytes: mb.parse::<u64>().unwrap() * MB,
            kind: match letter {
                "t" => ClipKind::TimeLapse,
                "f" => ClipKind::Fault,
                _ => ClipKind::Continuous,
            },
            is_recovered: letter == "r",
            is_protected: matches!(letter, "f" | "p"),
            can_go: !matches!(letter, "u" | "d"),
        }
    }

    fn plan(clips: &str, free_mb: u64, mb_per_sec: f64) -> (String, RetentionPlan) {
        let words: Vec<_> = clips.split_whitespace().collect();
        let clips: Vec<_> = words.iter().map(|word| clip(word)).collect();
        let plan = Retention::new(LIMITS).plan(&clips, Some(free_mb * MB), mb_per_sec * MB as f64, now());
        let cause = |deletion: &ClipDeletion| match deletion.cause {
            DeletionCause::Age(_) => "age",
            DeletionCause::Size(_) => "size",
            DeletionCause::Room(_) => "room",
            DeletionCause::ProtectedSize(_) => "protected",
        };
        let told = plan.deletions.iter().map(|deletion| format!("{} {}", words[deletion.index], cause(deletion)));
        (told.collect::<Vec<_>>().join(", "), plan)
    }

    #[test]
    fn clips_go_in_their_order() {
        #[track_caller]
        fn check(clips: &str, free_mb: u64, mb_per_sec: f64, expected: &str) {
            assert_eq!(plan(clips, free_mb, mb_per_sec).0, expected, "{clips}");
        }
        check("", 1_000, 0.0, "");
        check("c1:400 c2:300 f3:300", 1_000, 0.0, "");
        // By age: of rolling clips alone.
        check("c8:1 t9:1 r10:1 f11:1 p12:1 u13:1 d14:1 c4:1", 1_000, 0.0, "c8:1 age, t9:1 age, r10:1 age");
        check("c6.9:1 c7.1:1 c4:1", 1_000, 0.0, "c7.1:1 age");
        // By size: the oldest of a kind, then the next kind.
        check("c1:300 c2:300 t6:300 r6:300", 1_000, 0.0, "c2:300 size");
        check("c1:100 t5:500 t6:500 r6:500", 1_000, 0.0, "c1:100 size, t6:500 size");
        check("r1:400 r2:400 r3:400", 1_000, 0.0, "r3:400 size");
        check("u1:900 c1:50 f1:200", 1_000, 0.0, "c1:50 size");
        // What is protected counts, and stays.
        check("f1:290 c1:400 c2:400", 1_000, 0.0, "c2:400 size");
        check("f1:100 f2:100 p3:100 f4:100 c1:1", 1_000, 0.0, "f4:100 protected");
        check("f1:100 f2:100 p3:250 c1:1", 1_000, 0.0, "p3:250 protected");
        check("f1:400 c1:1", 1_000, 0.0, "");
        check("f1:400 f2:1", 1_000, 0.0, "f2:1 protected");
        // For room.
        check("c1:40 c2:40 t3:40 r4:40 f5:40", 100, 0.0, "");
        check("c1:40 c2:40 t3:40 r4:40 f5:40", 99, 0.0, "c2:40 room");
        check("c1:40 c2:40 t3:40 r4:40 f5:40", 1, 0.0, "c2:40 room, c1:40 room, t3:40 room");
        check("c1:40 c2:40 t3:40", 100, 0.2, "c2:40 room");
        // What goes anyway makes room, too.
        check("c8:50 c4:50", 60, 0.0, "c8:50 age");
        // Out of reach: only what is needed to go on at all.
        check("c1:5 c2:5 f3:200", 20, 0.0, "");
        check("c1:5 c2:5 c3:5 f3:200", 2, 0.0, "c3:5 room, c2:5 room");
        check("f3:200", 0, 0.0, "");
        check("c1:300 c2:300", 0, 1e30, "c2:300 room");
        check("c1:300 c2:300", 1_000, f64::NAN, "");
    }

    #[test]
    fn a_wrong_clock_deletes_nothing_for_its_age() {
        #[track_caller]
        fn check(clips: &str, expected: &str) {
            assert_eq!(plan(clips, 1_000, 0.0).0, expected, "{clips}");
        }
        // Nothing bears the clock out: set years ahead, or used again after a pause.
        check("c3653:1 c3654:1 c0:1", "");
        check("c40:1 c0:1", "");
        check("c40:1 c5:1", "c40:1 age");
        // Dated ahead: first of their kind, but for a step of a few hours.
        check("c-3653:600 c1:300 c2:300", "c-3653:600 size");
        check("c-0.5:600 c1:300 c2:300", "c2:300 size");
        check("c-3653:1 c5:1", "c-3653:1 age");
    }

    #[test]
    fn each_notice_is_told_once_and_again_when_it_was_over() {
        let mut retention = Retention::new(LIMITS);
        let mut check = |clips: &str, free_mb: Option<u64>, expected: &[&str]| {
            let clips: Vec<_> = clips.split_whitespace().map(clip).collect();
            let plan = retention.plan(&clips, free_mb.map(|mb| mb * MB), 0.0, now());
            let told: Vec<_> = plan.notices.iter().map(ToString::to_string).collect();
            let is_right = told.len() == expected.len() && told.iter().zip(expected).all(|(a, b)| a.contains(b));
            assert!(is_right, "{clips:?}: {told:?}");
        };
        check("f1:239", Some(500), &[]);
        check("f1:241", Some(500), &["take 253 MB of the 315 MB"]);
        check("f1:241", Some(500), &[]);
        check("f1:230", Some(500), &[]);
        check("f1:241", Some(500), &[]);
        check("f1:200", Some(500), &[]);
        check("f1:241", Some(500), &["take 253 MB"]);
        check("f1:200", None, &["does not say"]);
        check("f1:200", None, &[]);
        check("f1:200", Some(500), &[]);
        check("f1:200", None, &["does not say"]);
        check("f1:200", Some(50), &["Only 52 MB are free"]);
        check("f1:200", Some(50), &[]);
        check("f1:200 c1:60", Some(50), &[]);
        check("f1:200", Some(50), &["Only 52 MB are free"]);
    }

    #[test]
    fn an_unknown_room_is_not_enough_and_stops_no_other_limit() {
        let clips: Vec<_> = "c8:10 c4:600 c3:600".split(' ').map(clip).collect();
        let plan = Retention::new(LIMITS).plan(&clips, None, 0.0, now());
        assert_eq!(plan.deletions.len(), 2);
        assert_eq!(plan.notices, [RetentionNotice::FreeUnknown]);
    }

    #[test]
    fn whatever_clips_there_are_the_limits_hold() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let clips: Vec<_> = (0..random.usize(..40))
                .map(|_| {
                    let letter = random.choice(["c", "t", "r", "f", "p", "u", "d"]).unwrap();
                    clip(&format!("{letter}{}:{}", random.i32(-2..12), random.u64(..120)))
                })
                .collect();
            let free_mb = random.u64(..300);
            let plan = Retention::new(LIMITS).plan(&clips, Some(free_mb * MB), random.f64() * 1e6, now());
            let mut gone: Vec<_> = plan.deletions.iter().map(|deletion| deletion.index).collect();
            gone.sort_unstable();
            let n_gone = gone.len();
            gone.dedup();
            assert_eq!(gone.len(), n_gone, "none goes twice");
            assert!(gone.iter().all(|index| clips[*index].can_go));
            for deletion in &plan.deletions {
                let is_protected = clips[deletion.index].is_protected;
                assert_eq!(is_protected, matches!(deletion.cause, DeletionCause::ProtectedSize(_)));
            }
            let is_left = |index: &usize| !gone.contains(index);
            let sum = |meant: &dyn Fn(&RetainedClip) -> bool| -> u64 {
                let left = (0..clips.len()).filter(is_left).map(|index| &clips[index]);
                left.filter(|clip| meant(clip)).map(|clip| clip.bytes).sum()
            };
            let n_protected = (0..clips.len()).filter(is_left).filter(|index| clips[*index].is_protected).count();
            assert!(n_protected <= 1 || sum(&|clip| clip.is_protected) <= LIMITS.max_protected_bytes);
            let can_more_go = sum(&|clip| clip.can_go && !clip.is_protected) > 0;
            assert!(sum(&|_| true) <= LIMITS.max_bytes || !can_more_go);
            let freed: u64 = gone.iter().map(|index| clips[*index].bytes).sum();
            assert!(free_mb * MB + freed >= LIMITS.least_free_bytes || !can_more_go);
        }
    }

    #[test]
    fn a_full_disk_gets_the_next_rolling_clip() {
        #[track_caller]
        fn check(clips: &str, expected: Option<usize>) {
            let clips: Vec<_> = clips.split_whitespace().map(clip).collect();
            assert_eq!(Retention::next_to_go(&clips, now()), expected);
        }
        check("", None);
        check("f9:1 u9:1 d9:1 p9:1", None);
        check("f9:1 r9:1 t9:1 c1:1 c2:1", Some(4));
        check("f9:1 r9:1 t9:1", Some(2));
    }
}
