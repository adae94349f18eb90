//! The mode that watches for faults: which moments become clips, and where each begins and ends. Pure.
//!
//! Pictures are kept in a ring all the time. A trouble begins a clip with what the ring has; it ends 5 s after good
//! pictures are back. Another trouble within 10 s belongs to the same clip. One that lasts becomes a clip each minute,
//! and a camera that fails again and again is not let fill the disk: of one cause there are so many clips an hour, and
//! the rest is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::clips::{ClipKind, ClipReason};
use crate::fault::FaultKind;
use crate::status::{AlertName, PictureFaultKind};

const HOUR: Duration = Duration::from_hours(1);
/// Causes that one clip names, and that are remembered; there are fewer kinds of faults.
const MAX_CAUSES: usize = 64;

/// When a clip begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerSettings {
    /// Of what was before.
    pub before: Duration,
    /// Of good pictures behind it.
    pub after: Duration,
    /// Good pictures for less than this are the middle of one trouble.
    pub join_within: Duration,
    /// A trouble that lasts longer is divided.
    pub max_part: Duration,
    /// Clips of one cause in an hour.
    pub max_per_hour: usize,
}

impl Default for TriggerSettings {
    fn default() -> Self {
        Self {
            before: Duration::from_secs(10),
            after: Duration::from_secs(5),
            join_within: Duration::from_secs(10),
            max_part: Duration::from_mins(1),
            max_per_hour: 6,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    Fault(FaultKind),
    /// What pictures show.
    Picture(PictureFaultKind),
    /// More of them are damaged than may be.
    Damage,
    Alert(AlertName),
    /// Somebody wants to keep this.
    Manual,
}

impl Trigger {
    #[must_use]
    pub fn reason(&self) -> ClipReason {
        match self {
            Self::Fault(kind) => ClipReason::new(ClipKind::Fault, kind.slug()),
            Self::Picture(kind) => ClipReason::new(ClipKind::Fault, kind.slug()),
            Self::Damage => ClipReason::new(ClipKind::Fault, "damage"),
            Self::Alert(name) => ClipReason::new(ClipKind::Alert, name.as_str()),
            Self::Manual => ClipReason::new(ClipKind::Manual, ""),
        }
    }
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerEffect {
    /// Begin a clip with the ring's pictures from then on.
    Begin { reason: ClipReason, from: Instant },
    /// The clip gets this cause as well, as an event.
    Join(ClipReason),
    /// What comes after this moment does not belong to the clip, but it is kept open: the ring has it, should the
    /// trouble come again.
    Rest { until: Instant },
    /// The trouble came again: the clip goes on with what the ring has had meanwhile.
    GoOn,
    /// Close the clip; the next begins with the next picture, and has this cause.
    NextPart { reason: ClipReason },
    /// Close the clip.
    End,
    /// To be told: from now on troubles of this cause are counted, and no longer written.
    Limited { reason: ClipReason, max_per_hour: usize },
    /// To be told when clips of this cause are written again, and so many were not.
    LeftOut { reason: ClipReason, n: u64 },
}

#[derive(Clone, Debug)]
enum ClipPhase {
    Idle,
    Recording(OpenClip),
}

#[derive(Clone, Debug)]
struct OpenClip {
    reason: ClipReason,
    /// All causes, the first one too.
    causes: Vec<ClipReason>,
    last_trouble: Instant,
    /// Of the trouble that lasts, with which the current part began.
    part_began: Instant,
    /// The content ends here, while it is waited whether the trouble comes again.
    rests: bool,
}

/// Of one cause.
#[derive(Clone, Debug, Default)]
struct CauseRecord {
    /// Clips and parts of the last hour.
    began: VecDeque<Instant>,
    n_left_out: u64,
    is_limit_told: bool,
}

/// The decisions for one camera.
#[derive(Clone, Debug)]
pub struct FaultTriggers {
    settings: TriggerSettings,
    phase: ClipPhase,
    /// Since when all pictures have been good; `None` while they are not.
    good_since: Option<Instant>,
    records: BTreeMap<String, CauseRecord>,
}

impl FaultTriggers {
    #[must_use]
    pub fn new(settings: TriggerSettings) -> Self {
        let settings = TriggerSettings { max_per_hour: settings.max_per_hour.max(1), ..settings };
        Self { settings, phase: ClipPhase::Idle, good_since: None, records: BTreeMap::new() }
    }

    /// Whether a clip is open.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self.phase, ClipPhase::Recording(_))
    }

    /// A trouble has begun, or somebody has asked.
    #[must_use]
    pub fn on_trigger(&mut self, trigger: &Trigger, now: Instant) -> Vec<TriggerEffect> {
        let reason = trigger.reason();
        let mut effects = self.on_time(now);
        // Asking for a clip says nothing against the pictures.
        if *trigger != Trigger::Manual {
            self.good_since = None;
        }
        if let ClipPhase::Recording(clip) = &mut self.phase {
            clip.last_trouble = now;
            if std::mem::take(&mut clip.rests) {
                clip.part_began = now;
                effects.push(TriggerEffect::GoOn);
            }
            if !clip.causes.contains(&reason) && clip.causes.len() < MAX_CAUSES {
                clip.causes.push(reason.clone());
                effects.push(TriggerEffect::Join(reason));
            }
        } else if self.admits(&reason, now, &mut effects) {
            let from = now.checked_sub(self.settings.before).unwrap_or(now);
            effects.push(TriggerEffect::Begin { reason: reason.clone(), from });
            let causes = vec![reason.clone()];
            let clip = OpenClip { reason, causes, last_trouble: now, part_began: now, rests: false };
            self.phase = ClipPhase::Recording(clip);
        }
        effects
    }

    /// Time passes: at least four times a second. `good_since` is since when pictures have come and all is well; `None`
    /// while not.
    #[must_use]
    pub fn on_pictures(&mut self, good_since: Option<Instant>, now: Instant) -> Vec<TriggerEffect> {
        self.good_since = good_since;
        self.on_time(now)
    }

    /// The recorder stops: what is open is closed.
    #[must_use]
    pub fn on_stop(&mut self) -> Vec<TriggerEffect> {
        match std::mem::replace(&mut self.phase, ClipPhase::Idle) {
            ClipPhase::Idle => Vec::new(),
            ClipPhase::Recording(_) => vec![TriggerEffect::End],
        }
    }

    fn on_time(&mut self, now: Instant) -> Vec<TriggerEffect> {
        let settings = self.settings;
        let mut effects = self.tell_left_out(now);
        let ClipPhase::Recording(clip) = &mut self.phase else { return effects };
        // Good again only behind the trouble.
        let good_since = self.good_since.map(|good| good.max(clip.last_trouble));
        let quiet = good_since.map_or(Duration::ZERO, |good| now.saturating_duration_since(good));
        if let Some(good_since) = good_since
            && quiet >= settings.after
            && !clip.rests
        {
            clip.rests = true;
            effects.push(TriggerEffect::Rest { until: good_since + settings.after });
        }
        if quiet >= settings.join_within.max(settings.after) {
            effects.push(TriggerEffect::End);
            self.phase = ClipPhase::Idle;
            return effects;
        }
        if good_since.is_none() && clip.rests {
            // Pictures are bad again, and nobody has said why yet.
            clip.rests = false;
            clip.part_began = now;
            effects.push(TriggerEffect::GoOn);
        }
        // One that is about to end is not divided, unless troubles keep it from ending.
        let max_part = if good_since.is_some() { settings.max_part + settings.join_within } else { settings.max_part };
        if !clip.rests && now.saturating_duration_since(clip.part_began) >= max_part {
            let reason = clip.reason.clone();
            clip.part_began = now;
            if self.admits(&reason, now, &mut effects) {
                effects.push(TriggerEffect::NextPart { reason });
            } else {
                effects.push(TriggerEffect::End);
                self.phase = ClipPhase::Idle;
            }
        }
        effects
    }

    /// Whether one more clip of this cause may be written now; it is counted either way.
    fn admits(&mut self, reason: &ClipReason, now: Instant, effects: &mut Vec<TriggerEffect>) -> bool {
        if reason.kind() == ClipKind::Manual {
            return true;
        }
        let key = reason.to_string();
        if self.records.len() >= MAX_CAUSES && !self.records.contains_key(&key) {
            return false;
        }
        let max_per_hour = self.settings.max_per_hour;
        let record = self.records.entry(key).or_default();
        record.forget(now);
        if record.began.len() < max_per_hour {
            record.began.push_back(now);
            return true;
        }
        record.n_left_out = record.n_left_out.saturating_add(1);
        if !std::mem::replace(&mut record.is_limit_told, true) {
            effects.push(TriggerEffect::Limited { reason: reason.clone(), max_per_hour });
        }
        false
    }

    /// What was counted, of causes of which clips are written again.
    fn tell_left_out(&mut self, now: Instant) -> Vec<TriggerEffect> {
        let max_per_hour = self.settings.max_per_hour;
        let mut effects = Vec::new();
        for (key, record) in &mut self.records {
            record.forget(now);
            if record.is_limit_told && record.began.len() < max_per_hour {
                let n = std::mem::take(&mut record.n_left_out);
                record.is_limit_told = false;
                if let Some(reason) = ClipReason::parse(key) {
                    effects.push(TriggerEffect::LeftOut { reason, n });
                }
            }
        }
        self.records.retain(|_, record| !record.began.is_empty());
        effects
    }
}

impl CauseRecord {
    fn forget(&mut self, now: Instant) {
        while self.began.front().is_some_and(|began| now.saturating_duration_since(*began) >= HOUR) {
            self.began.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `3 stall` a trouble at that second, `5 good` pictures are good from then on, `7 bad` they are not, `60 end` time
    /// passes until then. What is done: `3 begin stall`.
    fn run(story: &str) -> Vec<String> {
        let began = Instant::now() + HOUR;
        let mut triggers = FaultTriggers::new(TriggerSettings::default());
        let mut good_since = Some(began);
        let mut done = Vec::new();
        let mut ms = 0;
        for step in story.split(',') {
            let (sec, what) = step.trim().split_once(' ').unwrap();
            let end = (sec.parse::<f64>().unwrap() * 1e3).round();
            let tell = |effects: Vec<TriggerEffect>, ms: u64, done: &mut Vec<String>| {
                let secs = ms as f64 / 1e3;
                done.extend(effects.into_iter().map(|effect| match effect {
                    TriggerEffect::Begin { reason, from } => {
                        let from = from.duration_since(began).as_secs_f64() - if from < began { 10.0 } else { 0.0 };
                        format!("{secs} begin {reason} from {from}")
                    }
                    TriggerEffect::Join(reason) => format!("{secs} join {reason}"),
                    TriggerEffect::Rest { until } => {
                        format!("{secs} rest from {}", until.duration_since(began).as_secs_f64())
                    }
                    TriggerEffect::GoOn => format!("{secs} go on"),
                    TriggerEffect::NextPart { reason } => format!("{secs} part {reason}"),
                    TriggerEffect::End => format!("{secs} end"),
                    TriggerEffect::Limited { reason, .. } => format!("{secs} limited {reason}"),
                    TriggerEffect::LeftOut { reason, n } => format!("{secs} left out {n} {reason}"),
                }));
            };
            while (ms as f64) < end {
                ms += 250;
                let now = began + Duration::from_millis(ms);
                tell(triggers.on_pictures(good_since, now), ms, &mut done);
            }
            let now = began + Duration::from_millis(ms);
            let trigger = match what {
                "good" => {
                    good_since = Some(now);
                    continue;
                }
                "bad" => {
                    good_since = None;
                    continue;
                }
                "end" => continue,
                "manual" => Trigger::Manual,
                "damage" => Trigger::Damage,
                "black" => Trigger::Picture(PictureFaultKind::Black),
                "alert" => Trigger::Alert(AlertName::CameraDead),
                _ => Trigger::Fault(FaultKind::Stall),
            };
            if trigger != Trigger::Manual {
                good_since = None;
            }
            tell(triggers.on_trigger(&trigger, now), ms, &mut done);
        }
        done
    }

    #[track_caller]
    fn check(story: &str, expected: &[&str]) {
        assert_eq!(run(story), expected, "{story}");
    }

    #[test]
    fn a_fault_becomes_a_clip() {
        check("100 end", &[]);
        check("100 stall, 107 good, 200 end", &["100 begin fault-stall from 90", "112 rest from 112", "117 end"]);
        check("100 manual, 200 end", &["100 begin manual from 90", "105 rest from 105", "110 end"]);
        check("100 alert, 101 good, 200 end", &["100 begin alert-camera-dead from 90", "106 rest from 106", "111 end"]);
    }

    #[test]
    fn faults_close_to_each_other_are_one_clip() {
        check(
            "100 stall, 103 good, 106 stall, 108 good, 200 end",
            &["100 begin fault-stall from 90", "113 rest from 113", "118 end"],
        );
        check(
            "100 stall, 103 good, 112 damage, 114 good, 200 end",
            &[
                "100 begin fault-stall from 90",
                "108 rest from 108",
                "112 go on",
                "112 join fault-damage",
                "119 rest from 119",
                "124 end",
            ],
        );
        // Nobody says why at first.
        check(
            "100 stall, 103 good, 110 bad, 112 stall, 113 good, 200 end",
            &["100 begin fault-stall from 90", "108 rest from 108", "110.25 go on", "118 rest from 118", "123 end"],
        );
        check(
            "100 stall, 103 good, 113 black, 114 good, 200 end",
            &[
                "100 begin fault-stall from 90",
                "108 rest from 108",
                "113 end",
                "113 begin fault-black from 103",
                "119 rest from 119",
                "124 end",
            ],
        );
        // A key within a fault's clip makes it no second one.
        check(
            "100 stall, 102 manual, 103 good, 200 end",
            &["100 begin fault-stall from 90", "102 join manual", "108 rest from 108", "113 end"],
        );
    }

    #[test]
    fn a_trouble_that_lasts_is_divided_and_limited() {
        let mut expected = vec!["100 begin fault-black from 90".to_owned()];
        expected.extend((1..6).map(|n| format!("{} part fault-black", 100 + 60 * n)));
        expected.extend(["460 limited fault-black", "460 end", "3700 left out 1 fault-black"].map(str::to_owned));
        assert_eq!(run("100 black, 4000 end"), expected);
        // It is told again while it lasts, and then written again.
        let told = run("100 black, 1000 black, 2000 black, 3800 black, 3801 good, 3900 end");
        expected[8] = "3700 left out 3 fault-black".to_owned();
        assert_eq!(told[..9], expected);
        assert_eq!(told[9], "3800 begin fault-black from 3790");
    }

    /// It is never good for long enough to end.
    #[test]
    fn a_trouble_that_comes_and_goes_is_divided_too() {
        let story: Vec<_> = (0..25).map(|n| format!("{} alert, {} good", 100 + 5 * n, 101 + 5 * n)).collect();
        check(
            &format!("{}, 300 end", story.join(", ")),
            &[
                "100 begin alert-camera-dead from 90",
                "160.25 part alert-camera-dead",
                "220.25 part alert-camera-dead",
                "226 rest from 226",
                "231 end",
            ],
        );
        check("100 stall, 158 good, 300 end", &["100 begin fault-stall from 90", "163 rest from 163", "168 end"]);
    }

    #[test]
    fn a_camera_that_flaps_fills_no_disk() {
        use std::fmt::Write as _;
        let mut story = String::new();
        for n in 1..100 {
            write!(story, "{} stall, {} good, ", n * 60, n * 60 + 2).unwrap();
        }
        let told = run(&format!("{story} 5990 damage, 5991 good, 5995 manual, 6100 end"));
        let count = |word: &str| told.iter().filter(|line| line.contains(word)).count();
        assert_eq!(count("begin fault-stall"), 12, "{told:#?}");
        assert_eq!(count("limited"), 2);
        assert!(told.contains(&"3660 left out 54 fault-stall".to_owned()), "{told:#?}");
        // Another cause, and somebody's wish, are not concerned.
        assert_eq!((count("begin fault-damage"), count("join manual")), (1, 1));
        assert_eq!(count("end"), 13);
    }

    #[test]
    fn whatever_happens_clips_begin_and_end_in_turn() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let began = Instant::now() + HOUR;
        let mut triggers = FaultTriggers::new(TriggerSettings::default());
        let (mut now, mut is_open, mut rests) = (began, false, false);
        let mut last_hour = VecDeque::new();
        for _ in 0..200_000 {
            now += Duration::from_millis(random.u64(..3_000));
            let picture = random.choice(PictureFaultKind::ALL).unwrap();
            let fault = random.choice(FaultKind::ALL).unwrap();
            let effects = match random.u8(..12) {
                0 => triggers.on_trigger(&Trigger::Fault(*fault), now),
                1 => triggers.on_trigger(&Trigger::Picture(picture), now),
                2 => triggers.on_trigger(&Trigger::Damage, now),
                3 if random.u8(..50) == 0 => triggers.on_stop(),
                4 => triggers.on_pictures(None, now),
                _ => triggers.on_pictures(now.checked_sub(Duration::from_millis(random.u64(..20_000))), now),
            };
            for effect in effects {
                let mut begins = false;
                match effect {
                    TriggerEffect::Begin { ref from, .. } => {
                        assert!(!is_open && Some(*from) == now.checked_sub(Duration::from_secs(10)));
                        (is_open, rests, begins) = (true, false, true);
                    }
                    TriggerEffect::Join(_) => assert!(is_open),
                    TriggerEffect::Rest { until } => {
                        assert!(is_open && !rests && until <= now);
                        rests = true;
                    }
                    TriggerEffect::GoOn => {
                        assert!(is_open && rests);
                        rests = false;
                    }
                    TriggerEffect::NextPart { .. } => {
                        assert!(is_open && !rests);
                        begins = true;
                    }
                    TriggerEffect::End => {
                        assert!(is_open);
                        (is_open, rests) = (false, false);
                    }
                    TriggerEffect::Limited { .. } | TriggerEffect::LeftOut { .. } => {}
                }
                if begins && let TriggerEffect::Begin { reason, .. } | TriggerEffect::NextPart { reason } = effect {
                    last_hour.push_back((now, reason.clone()));
                    last_hour.retain(|(at, _)| now.duration_since(*at) < HOUR);
                    assert!(last_hour.iter().filter(|(_, other)| *other == reason).count() <= 6);
                }
            }
            assert_eq!(is_open, triggers.is_recording());
            assert!(triggers.records.len() <= MAX_CAUSES);
        }
    }
}
