//! What is known of a camera's controls, and what the user wants of them. Decides; calls nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::control::{
    Control, ControlKind, ControlSetting, ControlsUpdate, MAX_CONTROLS, PRIVACY, UpdateCause, add_setting, in_order,
};
use crate::event::Level;

/// Of a control that changes again and again so many changes are told in such a time: what an automatic mode does without
/// saying so, or a hand on another program's slider, would fill the log.
const MAX_TOLD: usize = 4;
const TOLD_WITHIN: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct ControlBook {
    list: Vec<Control>,
    /// The list of an opening, of which some is still to come.
    incoming: Vec<Control>,
    /// What the user has set since the camera was chosen.
    chosen: Vec<ControlSetting>,
    /// When a control was last changed by others, newest last.
    foreign: BTreeMap<u32, Vec<Instant>>,
}

/// What follows from news.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ControlResponse {
    pub(super) events: Vec<(Level, String)>,
    pub(super) to_set: Vec<ControlSetting>,
}

impl ControlBook {
    pub(super) fn list(&self) -> &[Control] {
        &self.list
    }

    fn find(&self, id: u32) -> Option<&Control> {
        self.list.iter().find(|control| control.id == id)
    }

    /// The user wants these.
    pub(super) fn choose(&mut self, settings: &[ControlSetting]) {
        for setting in settings {
            // A button does something once.
            if !self.find(setting.id).is_some_and(|control| matches!(control.kind, ControlKind::Button)) {
                add_setting(&mut self.chosen, *setting);
            }
        }
    }

    /// `None` while a list is incomplete: nobody is shown half of one.
    pub(super) fn on_news(&mut self, news: ControlsUpdate, now: Instant) -> Option<ControlResponse> {
        if news.cause == UpdateCause::Listed {
            put(&mut self.incoming, news.changed);
            if !news.is_last {
                return None;
            }
            self.list = std::mem::take(&mut self.incoming);
            return Some(self.set_again());
        }
        let mut events = Vec::new();
        for control in &news.changed {
            if news.cause == UpdateCause::Foreign
                && let Some(before) = self.find(control.id)
                && let Some(message) = foreign_change(before, control)
            {
                events.extend(self.told(control.id, message, now).map(|message| (Level::Info, message)));
                // What somebody else wants now is what it is to be.
                self.chosen.retain(|setting| setting.id != control.id);
            }
        }
        for refusal in &news.refused {
            let name = self.find(refusal.id).map_or("A control", |control| &control.name);
            events.push((Level::Warning, format!("{name} could not be set: {}", refusal.why)));
            self.chosen.retain(|setting| setting.id != refusal.id);
        }
        put(&mut self.list, news.changed);
        Some(ControlResponse { events, to_set: Vec::new() })
    }

    /// The message, if it is still to be told.
    fn told(&mut self, id: u32, message: String, now: Instant) -> Option<String> {
        let times = self.foreign.entry(id).or_default();
        times.retain(|at| now.saturating_duration_since(*at) < TOLD_WITHIN);
        times.push(now);
        match times.len() {
            n if n < MAX_TOLD => Some(message),
            MAX_TOLD => Some(format!("{message}. It changes often: further changes are not logged")),
            _ => {
                // The last ones are enough to know that it goes on.
                times.remove(0);
                None
            }
        }
    }

    /// A camera that was unplugged or reset has forgotten what was set.
    fn set_again(&self) -> ControlResponse {
        let differs = |setting: &ControlSetting| {
            self.find(setting.id).is_some_and(|control| control.value != Some(setting.value))
        };
        let mut to_set = in_order(&self.chosen);
        to_set.retain(differs);
        let said = |setting: &ControlSetting| {
            self.find(setting.id).map(|control| format!("{} {}", control.name, control.spelled(setting.value)))
        };
        let names: Vec<_> = to_set.iter().filter_map(said).collect();
        let event = (!names.is_empty()).then(|| (Level::Info, format!("Controls set again: {}", names.join("; "))));
        ControlResponse { events: event.into_iter().collect(), to_set }
    }
}

/// Takes over what is new, each at its place.
fn put(list: &mut Vec<Control>, changed: Vec<Control>) {
    for control in changed {
        if let Some(old) = list.iter_mut().find(|old| old.id == control.id) {
            *old = control;
        } else if list.len() < MAX_CONTROLS {
            list.push(control);
        }
    }
}

/// What another program did. What an automatic mode does, or the device by itself, is no news.
fn foreign_change(before: &Control, after: &Control) -> Option<String> {
    // A number that can only be read is a measurement.
    let is_measured = after.is_read_only && matches!(after.kind, ControlKind::Integer { .. });
    let is_its_own = after.is_volatile || is_measured || before.held.is_some() || after.held.is_some();
    let (old, new) = (before.value?, after.value?);
    if old == new || is_its_own {
        return None;
    }
    let (old, new) = (after.spelled(old), after.spelled(new));
    // A shutter is most often moved by hand.
    let who = if after.is_read_only || after.id == PRIVACY { "The camera reports" } else { "Another program changed" };
    Some(format!("{who} {}: {new}, before {old}", after.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{AUTO_EXPOSURE, BRIGHTNESS, EXPOSURE_TIME, Refusal};

    fn control(id: u32, name: &str, value: i64) -> Control {
        let kind = ControlKind::Integer { min: 0, max: 2_000, step: 1 };
        let name = name.to_owned();
        Control {
            id,
            name,
            kind,
            value: Some(value),
            default: 100,
            held: None,
            is_read_only: false,
            is_volatile: false,
        }
    }

    fn list() -> Vec<Control> {
        vec![
            control(BRIGHTNESS, "Brightness", 100),
            control(EXPOSURE_TIME, "Exposure", 100),
            control(AUTO_EXPOSURE, "Auto exposure", 3),
        ]
    }

    fn news(cause: UpdateCause, changed: Vec<Control>) -> ControlsUpdate {
        ControlsUpdate { cause, changed, is_last: true, refused: Vec::new() }
    }

    fn book() -> ControlBook {
        let mut book = ControlBook::default();
        assert_eq!(book.on_news(news(UpdateCause::Listed, list()), Instant::now()), Some(ControlResponse::default()));
        book
    }

    #[test]
    fn a_list_in_pieces_is_shown_when_it_is_whole() {
        let mut book = book();
        let first = ControlsUpdate { is_last: false, ..news(UpdateCause::Listed, vec![control(1, "One", 1)]) };
        assert_eq!(book.on_news(first, Instant::now()), None);
        assert_eq!(book.list().len(), 3);
        book.on_news(news(UpdateCause::Listed, vec![control(2, "Two", 2)]), Instant::now()).unwrap();
        assert_eq!(book.list().iter().map(|control| control.id).collect::<Vec<_>>(), [1, 2]);
    }

    #[track_caller]
    fn check_foreign(change: impl Fn(&mut Control), expected: Option<&str>) {
        let mut book = book();
        let mut changed = list().remove(0);
        change(&mut changed);
        let events = book.on_news(news(UpdateCause::Foreign, vec![changed.clone()]), Instant::now()).unwrap().events;
        assert_eq!(events.first().map(|(_, message)| message.as_str()), expected);
        assert_eq!(book.list()[0], changed);
        // What we set ourselves is no news, whatever it changes besides.
        let mut book = self::book();
        assert!(book.on_news(news(UpdateCause::Set, vec![changed]), Instant::now()).unwrap().events.is_empty());
    }

    #[test]
    fn changes_by_others_are_told() {
        check_foreign(|control| control.value = Some(150), Some("Another program changed Brightness: 150, before 100"));
        check_foreign(|control| (control.value, control.is_read_only) = (Some(1), true), None);
        check_foreign(
            |control| (control.value, control.is_read_only, control.kind) = (Some(0), true, ControlKind::Boolean),
            Some("The camera reports Brightness: off, before on"),
        );
        check_foreign(|control| control.held = Some("Auto".into()), None);
        check_foreign(|control| (control.value, control.held) = (Some(7), Some("Auto".into())), None);
        check_foreign(|control| (control.value, control.is_volatile) = (Some(7), true), None);
    }

    #[test]
    fn a_shutter_is_moved_by_hand() {
        let shutter = |value| Control { kind: ControlKind::Boolean, ..control(PRIVACY, "Privacy", value) };
        let mut book = ControlBook::default();
        book.on_news(news(UpdateCause::Listed, vec![shutter(0)]), Instant::now());
        let events = book.on_news(news(UpdateCause::Foreign, vec![shutter(1)]), Instant::now()).unwrap().events;
        let message = "The camera reports Privacy: Shutter closed, before Shutter open".to_owned();
        assert_eq!(events, [(Level::Info, message)]);
    }

    #[test]
    fn what_changes_all_the_time_does_not_fill_the_log() {
        let mut book = book();
        let start = Instant::now();
        let mut change = |value, secs| {
            let news = news(UpdateCause::Foreign, vec![control(BRIGHTNESS, "Brightness", value)]);
            book.on_news(news, start + Duration::from_secs(secs)).unwrap().events
        };
        let told = (0..50).map(|n| change(n, n.unsigned_abs())).filter(|events| !events.is_empty()).collect::<Vec<_>>();
        assert_eq!(told.len(), MAX_TOLD);
        assert!(told[MAX_TOLD - 1][0].1.ends_with("further changes are not logged"), "{told:?}");
        assert_eq!(change(7, 80), []);
        // After some peace it is news again.
        assert_eq!(change(8, 141), [(Level::Info, "Another program changed Brightness: 8, before 7".into())]);
    }

    #[test]
    fn what_the_user_set_is_set_again_after_a_reconnection() {
        let mut book = book();
        let setting = |id, value| ControlSetting { id, value };
        book.choose(&[setting(EXPOSURE_TIME, 50), setting(BRIGHTNESS, 100), setting(AUTO_EXPOSURE, 1)]);
        let response = book.on_news(news(UpdateCause::Listed, list()), Instant::now()).unwrap();
        // The automatic first, and only what differs.
        assert_eq!(response.to_set, [setting(AUTO_EXPOSURE, 1), setting(EXPOSURE_TIME, 50)]);
        assert_eq!(response.events, [(Level::Info, "Controls set again: Auto exposure 1; Exposure 5.0 ms".into())]);
    }

    #[test]
    fn what_another_program_set_or_the_camera_refused_is_not_set_again() {
        let mut book = book();
        book.choose(&[ControlSetting { id: BRIGHTNESS, value: 120 }, ControlSetting { id: EXPOSURE_TIME, value: 50 }]);
        book.on_news(news(UpdateCause::Foreign, vec![control(BRIGHTNESS, "Brightness", 130)]), Instant::now());
        let refused = vec![Refusal { id: EXPOSURE_TIME, why: "an automatic mode holds it".into() }];
        let response =
            book.on_news(ControlsUpdate { refused, ..news(UpdateCause::Set, Vec::new()) }, Instant::now()).unwrap();
        let message = "Exposure could not be set: an automatic mode holds it".to_owned();
        assert_eq!(response.events, [(Level::Warning, message)]);
        assert_eq!(book.on_news(news(UpdateCause::Listed, list()), Instant::now()), Some(ControlResponse::default()));
    }

    #[test]
    fn a_button_is_pressed_once() {
        let mut book = ControlBook::default();
        let button = Control { kind: ControlKind::Button, ..control(9, "Reset", 0) };
        book.on_news(news(UpdateCause::Listed, vec![button.clone()]), Instant::now());
        book.choose(&[ControlSetting { id: 9, value: 1 }]);
        assert!(book.on_news(news(UpdateCause::Listed, vec![button]), Instant::now()).unwrap().to_set.is_empty());
    }
}
