//! A device's controls, read once a second and set on a thread of their own, so that a camera that answers slowly, or not at
//! all, delays no picture. Which values are wanted, and what to do when one is refused, is decided elsewhere.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::control::{
    Control, ControlSetting, ControlsUpdate, Refusal, UpdateCause, add_setting, differences, in_order,
};
use crate::device::{ControlPort, Device};

/// How often the controls are read, to see what another program or the camera itself has changed.
const PERIOD: Duration = Duration::from_secs(1);
/// Settings that wait for a camera that does not answer, and updates that wait to be taken. More settings are dropped; the
/// thread waits with more updates.
const MAX_WAITING_SETTINGS: usize = 64;
const MAX_WAITING_UPDATES: usize = 16;

/// The controls of a device that is open elsewhere. Dropping it ends the thread as soon as the driver's call returns, and
/// does not wait for that.
pub struct ControlPoller {
    path: PathBuf,
    /// `None` until the first question.
    channels: Option<Channels>,
}

/// Our ends of the thread's channels.
struct Channels {
    settings: Sender<Vec<ControlSetting>>,
    updates: Receiver<ControlsUpdate>,
}

impl ControlPoller {
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self { path: PathBuf::from(&device.path), channels: None }
    }

    /// What has changed. Never waits. The device is asked from the first call on, which is therefore to come after the first
    /// picture: each question costs a camera time that it needs to start.
    pub fn update(&mut self) -> Option<ControlsUpdate> {
        let channels = match &mut self.channels {
            Some(channels) => channels,
            none => {
                let path = self.path.clone();
                none.insert(start(move || ControlPort::open(&path)))
            }
        };
        channels.updates.try_recv().ok()
    }

    /// Has these set, in this order but with those first that hold others. Never waits.
    pub fn set(&mut self, settings: &[ControlSetting]) {
        if let Some(channels) = &self.channels {
            let _ = channels.settings.try_send(settings.to_vec());
        }
    }
}

/// The calls on a device, each of which may take long.
trait ControlAccess {
    fn read(&mut self) -> io::Result<Vec<Control>>;
    fn set(&mut self, setting: ControlSetting) -> Result<(), String>;
}

impl ControlAccess for ControlPort {
    fn read(&mut self) -> io::Result<Vec<Control>> {
        Self::read(self)
    }

    fn set(&mut self, setting: ControlSetting) -> Result<(), String> {
        Self::set(self, setting)
    }
}

fn start<P: ControlAccess>(open: impl FnOnce() -> io::Result<P> + Send + 'static) -> Channels {
    let (settings, settings_rx) = bounded(MAX_WAITING_SETTINGS);
    let (updates_tx, updates) = bounded(MAX_WAITING_UPDATES);
    let run = move || {
        // A device without controls, or one that is gone: then there is nothing to show.
        if let Ok(mut port) = open() {
            serve(&mut port, &settings_rx, &updates_tx, PERIOD);
        }
    };
    // Without a thread there are no controls.
    let _ = thread::Builder::new().name("controls".to_owned()).spawn(run);
    Channels { settings, updates }
}

/// Until nobody takes the updates any more, or the device has gone.
fn serve(
    port: &mut impl ControlAccess,
    settings: &Receiver<Vec<ControlSetting>>,
    updates: &Sender<ControlsUpdate>,
    period: Duration,
) {
    let Some(mut known) = first_list(port, settings, period) else { return };
    let tell = |cause, changed: &[Control], refused| {
        ControlsUpdate::in_pieces(cause, changed, refused).into_iter().all(|piece| updates.send(piece).is_ok())
    };
    if !tell(UpdateCause::Listed, &known, Vec::new()) {
        return;
    }
    loop {
        let (cause, refused) = match settings.recv_timeout(period) {
            Ok(first) => {
                let mut wanted = Vec::new();
                first.into_iter().chain(settings.try_iter().flatten()).for_each(|one| add_setting(&mut wanted, one));
                let refuse = |setting: ControlSetting| Some(Refusal { id: setting.id, why: port.set(setting).err()? });
                (UpdateCause::Set, in_order(&wanted).into_iter().filter_map(refuse).collect())
            }
            Err(RecvTimeoutError::Timeout) => (UpdateCause::Foreign, Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = match port.read() {
            Ok(now) => now,
            Err(error) if is_gone(&error) => return,
            // No value is known to have changed; what was refused is told all the same.
            Err(_) => Vec::new(),
        };
        let now = now.into_iter().map(|control| with_last_value(control, &known)).collect::<Vec<_>>();
        if !tell(cause, &differences(&known, &now), refused) {
            return;
        }
        for control in now {
            match known.iter_mut().find(|old| old.id == control.id) {
                Some(old) => *old = control,
                None => known.push(control),
            }
        }
    }
}

/// A camera that does not answer now may do so later. `None` when it has gone, or nobody takes the updates any more.
fn first_list(
    port: &mut impl ControlAccess,
    settings: &Receiver<Vec<ControlSetting>>,
    period: Duration,
) -> Option<Vec<Control>> {
    loop {
        match port.read() {
            Ok(list) => return Some(list),
            Err(error) if is_gone(&error) => return None,
            Err(_) => {}
        }
        // What is wanted before there is a list cannot be fitted to anything.
        while settings.try_recv().is_ok() {}
        match settings.recv_timeout(period) {
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Whether the device does not come back under this handle, or never had controls.
fn is_gone(error: &io::Error) -> bool {
    // ENODEV, ENOTTY
    matches!(error.raw_os_error(), Some(19 | 25)) || error.kind() == io::ErrorKind::NotFound
}

/// One whose value the camera did not tell this time has the value that it had before.
fn with_last_value(control: Control, known: &[Control]) -> Control {
    let before = || known.iter().find(|old| old.id == control.id)?.value;
    let value = control.value.or_else(before);
    Control { value, ..control }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::control::{AUTO_FOCUS, BRIGHTNESS, ControlKind, FOCUS};

    /// Clones are the same device, as another program has it. It first fails with these errors, from the last one on.
    #[derive(Clone)]
    struct FakeDevice(Arc<Mutex<Vec<Control>>>, Arc<Mutex<Vec<i32>>>);

    impl FakeDevice {
        fn new() -> Self {
            let control = |id, kind| Control {
                id,
                name: format!("{id:x}"),
                kind,
                value: Some(1),
                default: 1,
                held: None,
                is_read_only: false,
                is_volatile: false,
            };
            let range = ControlKind::Integer { min: 0, max: 9, step: 1 };
            let list = vec![
                control(BRIGHTNESS, range.clone()),
                control(FOCUS, range),
                control(AUTO_FOCUS, ControlKind::Boolean),
            ];
            Self(Arc::new(Mutex::new(list)), Arc::default())
        }

        fn change(&self, id: u32, value: i64) {
            self.0.lock().unwrap().iter_mut().find(|control| control.id == id).unwrap().value = Some(value);
        }
    }

    impl ControlAccess for FakeDevice {
        fn read(&mut self) -> io::Result<Vec<Control>> {
            match self.1.lock().unwrap().pop() {
                Some(code) => Err(io::Error::from_raw_os_error(code)),
                None => Ok(self.0.lock().unwrap().clone()),
            }
        }

        fn set(&mut self, setting: ControlSetting) -> Result<(), String> {
            let is_auto = self.0.lock().unwrap().iter().any(|c| c.id == AUTO_FOCUS && c.value == Some(1));
            if setting.id == FOCUS && is_auto {
                return Err("held".to_owned());
            }
            self.change(setting.id, setting.value);
            Ok(())
        }
    }

    fn values(update: &ControlsUpdate) -> Vec<(u32, i64)> {
        update.changed.iter().map(|control| (control.id, control.value.unwrap())).collect()
    }

    #[test]
    fn a_camera_that_does_not_answer_now_and_then_keeps_its_controls() {
        const EIO: i32 = 5;
        const ENODEV: i32 = 19;
        let device = FakeDevice::new();
        let (settings, settings_rx) = bounded(8);
        let (updates_tx, updates) = bounded(8);
        let mut port = device.clone();
        *device.1.lock().unwrap() = vec![EIO, EIO];
        let serving = thread::Builder::new()
            .name("controls".into())
            .spawn(move || serve(&mut port, &settings_rx, &updates_tx, Duration::from_millis(5)))
            .unwrap();
        let receive = || updates.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((receive().cause, device.1.lock().unwrap().len()), (UpdateCause::Listed, 0));
        // A value that it does not tell this time is as it was: no update.
        *device.1.lock().unwrap() = vec![EIO];
        let value = device.0.lock().unwrap()[0].value.take();
        while !device.1.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        device.change(FOCUS, 3);
        assert_eq!(values(&receive()), [(FOCUS, 3)]);
        device.0.lock().unwrap()[0].value = value;
        device.change(FOCUS, 4);
        assert_eq!(values(&receive()), [(FOCUS, 4)]);
        // It is gone, and the thread with it, although somebody waits for updates.
        *device.1.lock().unwrap() = vec![ENODEV];
        serving.join().unwrap();
        drop(settings);
    }

    #[test]
    fn what_we_set_is_told_from_what_others_set() {
        let device = FakeDevice::new();
        let (settings, settings_rx) = bounded(8);
        let (updates_tx, updates) = bounded(8);
        let mut port = device.clone();
        let serving = thread::Builder::new()
            .name("controls".into())
            .spawn(move || serve(&mut port, &settings_rx, &updates_tx, Duration::from_millis(5)))
            .unwrap();
        let receive = || updates.recv_timeout(Duration::from_secs(20)).unwrap();
        let listed = receive();
        assert_eq!((listed.cause, listed.changed.len(), listed.is_last), (UpdateCause::Listed, 3, true));
        settings.send(vec![ControlSetting { id: FOCUS, value: 5 }]).unwrap();
        let refused = receive();
        assert_eq!((refused.cause, refused.refused[0].id, refused.changed.len()), (UpdateCause::Set, FOCUS, 0));
        // The automatic goes off first, whatever the order.
        settings
            .send(vec![ControlSetting { id: FOCUS, value: 5 }, ControlSetting { id: AUTO_FOCUS, value: 0 }])
            .unwrap();
        let set = receive();
        assert_eq!((set.cause, values(&set)), (UpdateCause::Set, vec![(FOCUS, 5), (AUTO_FOCUS, 0)]));
        device.change(BRIGHTNESS, 7);
        let foreign = receive();
        assert_eq!((foreign.cause, values(&foreign)), (UpdateCause::Foreign, vec![(BRIGHTNESS, 7)]));
        drop(settings);
        serving.join().unwrap();
    }
}
