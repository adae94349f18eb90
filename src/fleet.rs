//! All cameras of this run, by their numbers, and what is to be said about several of them together.
//!
//! Deliberately not here: what is done about a camera that fails, which each [`Camera`] decides for itself. One that is hung,
//! dead or crashing is nobody else's trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::camera::{Camera, Command, Wake};
use crate::event::Level;
use crate::lock::{Lock, Locked};
use crate::logging::EventLog;
use crate::network::KnownLogins;
use crate::settings::{CameraId, CameraSettings, TrustedCertificates};
use crate::source::SourceSpec;
use crate::status::{AlertName, State, Status};

/// So long without a picture, though one is wanted, a camera counts as dead. Two reconnections and a re-plug are over by then.
const DEAD_AFTER_SECS: f64 = 10.0;

/// The cameras. Dropping it closes all devices side by side, waiting a second at most.
pub struct Fleet {
    cameras: Vec<(CameraId, Camera)>,
    logins: KnownLogins,
    log: EventLog,
    wake: Wake,
    roll: Arc<Lock<Roll>>,
}

impl Fleet {
    /// `logins` is what this run knows of how cameras want people to log in.
    #[must_use]
    pub fn new(log: EventLog, logins: KnownLogins, wake: Wake) -> Self {
        Self { cameras: Vec::new(), logins, log, wake, roll: Arc::default() }
    }

    /// Starts a camera and opens it; one of that number that was there before is let go. Returns at once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn add(
        &mut self,
        id: CameraId,
        spec: SourceSpec,
        settings: &CameraSettings,
        trusted: &TrustedCertificates,
    ) -> io::Result<&Camera> {
        self.remove(id);
        self.roll().enlist(id);
        let log = self.log.of_camera(id);
        let (roll, told) = (Arc::clone(&self.roll), log.clone());
        let on_status = move |status: &Status| {
            // The lock is held for no more than this.
            let alarms = roll.lock().on_status(id, status);
            for alarm in alarms {
                alarm.write(&told, Some(status));
            }
        };
        let (logins, wake) = (self.logins.clone(), Arc::clone(&self.wake));
        let camera = Camera::start_observed(spec, settings, trusted, logins, log, wake, Arc::new(on_status))?;
        self.cameras.push((id, camera));
        // It has just been pushed; without it there is nothing to return.
        self.cameras.last().map(|(_, camera)| camera).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Lets a camera go. Its device is closed without being waited for.
    pub fn remove(&mut self, id: CameraId) {
        if let Some(position) = self.cameras.iter().position(|(other, _)| *other == id) {
            self.cameras.remove(position).1.let_go();
            let alarm = self.roll().strike_off(id);
            if let Some(alarm) = alarm {
                alarm.write(&self.log, None);
            }
        }
    }

    /// Where all its cameras tell what happens.
    #[must_use]
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    #[must_use]
    pub fn camera(&self, id: CameraId) -> Option<&Camera> {
        self.cameras.iter().find(|(other, _)| *other == id).map(|(_, camera)| camera)
    }

    /// In the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (CameraId, &Camera)> {
        self.cameras.iter().map(|(id, camera)| (*id, camera))
    }

    /// Sends a command to a camera; to one that is gone, nothing.
    pub fn send(&self, id: CameraId, command: Command) {
        if let Some(camera) = self.camera(id) {
            camera.send(command);
        }
    }

    fn roll(&self) -> Locked<'_, Roll> {
        self.roll.lock()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        Camera::close_all(self.cameras.drain(..).map(|(_, camera)| camera).collect());
    }
}

/// How a camera stands, as far as the others are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody wants it.
    Out,
    /// It is being opened: nothing is known yet.
    Unknown,
    Alive,
    Dead,
}

/// Who is there and who is dead. Pure.
#[derive(Debug, Default)]
struct Roll {
    standings: BTreeMap<CameraId, Standing>,
    /// Those whose death was told. One that died while it was alone is told of as soon as another is there.
    told_dead: BTreeSet<CameraId>,
    are_all_told_dead: bool,
}

/// What is told where there are several cameras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alarm {
    CameraDead,
    /// So many are dead, and no other is wanted.
    AllCamerasDead(usize),
}

impl Roll {
    fn enlist(&mut self, id: CameraId) {
        self.standings.insert(id, Standing::Unknown);
    }

    fn strike_off(&mut self, id: CameraId) -> Option<Alarm> {
        self.standings.remove(&id)?;
        self.told_dead.remove(&id);
        self.all_dead(2)
    }

    fn on_status(&mut self, id: CameraId, status: &Status) -> Vec<Alarm> {
        let Some(standing) = self.standings.get_mut(&id) else { return Vec::new() };
        let before = *standing;
        *standing = match status.state {
            State::Idle => Standing::Out,
            State::Opening => Standing::Unknown,
            State::Streaming => Standing::Alive,
            State::Failed => Standing::Dead,
            State::Recovering if status.outage_secs.is_some_and(|secs| secs >= DEAD_AFTER_SECS) => Standing::Dead,
            State::Recovering if before == Standing::Out => Standing::Unknown,
            State::Recovering => before,
        };
        let is_dead = *standing == Standing::Dead;
        let is_out = *standing == Standing::Out && before != Standing::Out;
        if self.standings.values().any(|standing| *standing == Standing::Alive) {
            self.are_all_told_dead = false;
        }
        // Of a single camera its own alerts say enough.
        let are_several = self.standings.len() >= 2;
        if !is_dead {
            self.told_dead.remove(&id);
        }
        if is_dead && are_several && self.told_dead.insert(id) {
            [Some(Alarm::CameraDead), self.all_dead(1)].into_iter().flatten().collect()
        } else if is_out {
            self.all_dead(2).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    /// That no wanted camera is left, once; not of fewer than `least`.
    fn all_dead(&mut self, least: usize) -> Option<Alarm> {
        let wanted: Vec<_> = self.standings.values().filter(|standing| **standing != Standing::Out).collect();
        let are_dead = wanted.len() >= least && wanted.iter().all(|standing| **standing == Standing::Dead);
        if !are_dead || self.are_all_told_dead {
            return None;
        }
        self.are_all_told_dead = true;
        Some(Alarm::AllCamerasDead(wanted.len()))
    }
}

impl Alarm {
    /// Writes it into the log of the camera that has died last, or was the last to be stopped.
    fn write(self, log: &EventLog, status: Option<&Status>) {
        let why = status.and_then(|status| status.last_fault.as_ref());
        let mut details = Map::new();
        if let Some(fault) = why {
            details.insert("fault".to_owned(), Value::from(fault.kind.slug()));
        }
        let (name, message) = match self {
            Self::CameraDead => {
                let why =
                    why.map_or_else(|| "no picture comes".to_owned(), |fault| format!("{fault}. {}", fault.advice));
                let name = status.map_or("A camera", |status| status.called());
                (AlertName::CameraDead, format!("{name} is dead: {why}"))
            }
            Self::AllCamerasDead(n) => {
                details.insert("n_cameras".to_owned(), json!(n));
                (AlertName::AllCamerasDead, format!("No camera delivers a picture any more: all {n} are dead"))
            }
        };
        let source = status.map_or("", |status| &status.source);
        log.add_with(source, Level::Error, name.as_str(), message, details);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::machine::Machine;
    use crate::settings::secs;
    use std::time::Instant;

    /// A camera in this state: `o` opening, `l` live, `r` recovering, `R` for long, `f` failed, `i` idle.
    fn status(letter: char) -> Status {
        let spec = SourceSpec::parse("sim:").unwrap();
        let now = Instant::now();
        let mut machine = Machine::new(spec, CameraSettings::default(), TrustedCertificates::default(), 1, now);
        let (state, outage_secs) = match letter {
            'o' => (State::Opening, None),
            'l' => (State::Streaming, None),
            'r' => (State::Recovering, Some(1.0)),
            'R' => (State::Recovering, Some(DEAD_AFTER_SECS)),
            'f' => (State::Failed, Some(0.1)),
            _ => (State::Idle, None),
        };
        Status { state, outage_secs, ..machine.status(now + secs(1.0)) }
    }

    /// Statuses as they come, `1l 2o`, of `n` cameras; what is told at which of them: `3:dead`, `5:all`.
    #[track_caller]
    fn check(n: u32, statuses: &str, expected: &str) {
        let mut roll = Roll::default();
        (1..=n).for_each(|id| roll.enlist(CameraId(id)));
        let mut told = Vec::new();
        for (nth, word) in statuses.split(' ').enumerate() {
            let (id, letter) = word.split_at(1);
            let alarms = roll.on_status(CameraId(id.parse().unwrap()), &status(letter.chars().next().unwrap()));
            told.extend(alarms.into_iter().map(|alarm| match alarm {
                Alarm::CameraDead => format!("{nth}:dead"),
                Alarm::AllCamerasDead(n) => format!("{nth}:all{n}"),
            }));
        }
        assert_eq!(told.join(" "), expected, "{statuses}");
    }

    #[test]
    fn each_death_is_told_once_and_that_of_all_too() {
        check(1, "1o 1l 1f", "");
        check(2, "1o 2o 1l 2l 1r 1l 1r 1R 1R 2l 2f 2f 1R", "7:dead 10:dead 10:all2");
        // What is not known yet may live; what nobody wants is not asked.
        check(2, "1o 2o 1f 2l", "2:dead");
        check(2, "1o 2o 1f 2r 2R", "2:dead 4:dead 4:all2");
        check(3, "1l 2l 3i 1f 2f", "3:dead 4:dead 4:all2");
        // One that lives again may die again, and all with it.
        check(2, "1f 2f 1o 1l 1f 1R", "0:dead 1:dead 1:all2 4:dead 4:all2");
        // Somebody tries once more in vain.
        check(2, "1f 2f 1o 1f", "0:dead 1:dead 1:all2 3:dead");
        check(2, "1i 2i 1l 1i", "");
        check(2, "1f 2i", "0:dead");
        check(3, "1l 2f 3f 1i 1o 1l 1i", "1:dead 2:dead 3:all2 6:all2");
    }

    #[test]
    fn one_that_died_before_the_others_came_is_told_of_too() {
        let mut roll = Roll::default();
        roll.enlist(CameraId(1));
        assert_eq!(roll.on_status(CameraId(1), &status('f')), []);
        roll.enlist(CameraId(2));
        assert_eq!(roll.on_status(CameraId(1), &status('f')), [Alarm::CameraDead]);
        assert_eq!(roll.on_status(CameraId(1), &status('f')), []);
        assert_eq!(roll.on_status(CameraId(2), &status('f')), [Alarm::CameraDead, Alarm::AllCamerasDead(2)]);
    }

    #[test]
    fn a_camera_that_is_gone_is_not_counted() {
        let mut roll = Roll::default();
        (1..=3).for_each(|id| roll.enlist(CameraId(id)));
        roll.on_status(CameraId(1), &status('l'));
        roll.on_status(CameraId(2), &status('f'));
        assert_eq!(roll.strike_off(CameraId(1)), None);
        assert_eq!(roll.on_status(CameraId(1), &status('f')), []);
        assert_eq!(roll.on_status(CameraId(3), &status('f')), [Alarm::CameraDead, Alarm::AllCamerasDead(2)]);
        roll.enlist(CameraId(4));
        roll.on_status(CameraId(4), &status('l'));
        assert_eq!(roll.strike_off(CameraId(4)), Some(Alarm::AllCamerasDead(2)));
        assert_eq!(roll.strike_off(CameraId(4)), None, "it was told");
    }
}
