//! A device's controls, read and set on a thread of their own: a camera that answers slowly, or not at all, delays its
//! pictures no further.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::control::{Cause, Control, ControlNews, Refusal, Setting, add_setting, differences, in_order};
use crate::device::{ControlPort, Device};

/// How often it is looked whether another program has changed something.
const PERIOD: Duration = Duration::from_secs(1);
/// Orders that wait for a camera that does not answer; more are dropped.
const MAX_ORDERS: usize = 64;
const MAX_NEWS: usize = 16;

/// The controls of a device that is open elsewhere. Dropping it ends the thread as soon as the driver's call returns, and
/// does not wait for that.
pub struct Controls {
    path: PathBuf,
    thread: Option<Ends>,
}

/// Our ends of the thread's channels.
struct Ends {
    orders: Sender<Vec<Setting>>,
    news: Receiver<ControlNews>,
}

impl Controls {
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self { path: PathBuf::from(&device.path), thread: None }
    }

    /// What is new. Never waits. The device is asked from the first call on, which is therefore to come after the first
    /// picture: each question costs a camera time that it needs to start.
    pub fn news(&mut self) -> Option<ControlNews> {
        let ends = match &mut self.thread {
            Some(ends) => ends,
            none => {
                let path = self.path.clone();
                none.insert(start(move || ControlPort::open(&path)))
            }
        };
        ends.news.try_recv().ok()
    }

    /// Has these set, in this order but with those first that hold others. Never waits.
    pub fn set(&mut self, settings: &[Setting]) {
        if let Some(ends) = &self.thread {
            let _ = ends.orders.try_send(settings.to_vec());
        }
    }
}

/// The calls on a device, each of which may take long.
trait Port {
    fn read(&mut self) -> io::Result<Vec<Control>>;
    fn set(&mut self, setting: Setting) -> Result<(), String>;
}

impl Port for ControlPort {
    fn read(&mut self) -> io::Result<Vec<Control>> {
        Self::read(self)
    }

    fn set(&mut self, setting: Setting) -> Result<(), String> {
        Self::set(self, setting)
    }
}

fn start<P: Port>(open: impl FnOnce() -> io::Result<P> + Send + 'static) -> Ends {
    let (orders, orders_rx) = bounded(MAX_ORDERS);
    let (news_tx, news) = bounded(MAX_NEWS);
    let run = move || {
        // A device without controls, or one that is gone: then there is nothing to show.
        if let Ok(mut port) = open() {
            serve(&mut port, &orders_rx, &news_tx, PERIOD);
        }
    };
    // Without a thread there are no controls.
    let _ = thread::Builder::new().name("controls".to_owned()).spawn(run);
    Ends { orders, news }
}

/// Until nobody listens, or the device has gone.
fn serve(port: &mut impl Port, orders: &Receiver<Vec<Setting>>, news: &Sender<ControlNews>, period: Duration) {
    let Some(mut known) = first_list(port, orders, period) else { return };
    let tell = |cause, changed: &[Control], refused| {
        ControlNews::in_pieces(cause, changed, refused).into_iter().all(|piece| news.send(piece).is_ok())
    };
    if !tell(Cause::Listed, &known, Vec::new()) {
        return;
    }
    loop {
        let (cause, refused) = match orders.recv_timeout(period) {
            Ok(first) => {
                let mut wanted = Vec::new();
                first.into_iter().chain(orders.try_iter().flatten()).for_each(|one| add_setting(&mut wanted, one));
                let refuse = |setting: Setting| Some(Refusal { id: setting.id, why: port.set(setting).err()? });
                (Cause::Set, in_order(&wanted).into_iter().filter_map(refuse).collect())
            }
            Err(RecvTimeoutError::Timeout) => (Cause::Foreign, Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = match port.read() {
            Ok(now) => now,
            Err(error) if is_gone(&error) => return,
            // Nothing is known anew; what was refused is told all the same.
            Err(_) => Vec::new(),
        };
        let now = now.into_iter().map(|control| answered(control, &known)).collect::<Vec<_>>();
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

/// A camera that does not answer now may do so later. `None` when it has gone, or nobody listens any more.
fn first_list(port: &mut impl Port, orders: &Receiver<Vec<Setting>>, period: Duration) -> Option<Vec<Control>> {
    loop {
        match port.read() {
            Ok(list) => return Some(list),
            Err(error) if is_gone(&error) => return None,
            Err(_) => {}
        }
        // What is wanted before there is a list cannot be fitted to anything.
        while orders.try_recv().is_ok() {}
        match orders.recv_timeout(period) {
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// It does not come back under this handle, or never had controls.
fn is_gone(error: &io::Error) -> bool {
    // ENODEV, ENOTTY
    matches!(error.raw_os_error(), Some(19 | 25)) || error.kind() == io::ErrorKind::NotFound
}

/// One that did not answer this time is as it was.
fn answered(control: Control, known: &[Control]) -> Control {
    let before = || known.iter().find(|old| old.id == control.id)?.value;
    let value = control.value.or_else(before);
    Control { value, ..control }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::control::{AUTO_FOCUS, BRIGHTNESS, FOCUS, Kind};

    /// Another program can reach it as well. Fails with these numbers first, from the last one on.
    #[derive(Clone)]
    struct Shared(Arc<Mutex<Vec<Control>>>, Arc<Mutex<Vec<i32>>>);

    impl Shared {
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
            let range = Kind::Integer { min: 0, max: 9, step: 1 };
            let list =
                vec![control(BRIGHTNESS, range.clone()), control(FOCUS, range), control(AUTO_FOCUS, Kind::Boolean)];
            Self(Arc::new(Mutex::new(list)), Arc::default())
        }

        fn change(&self, id: u32, value: i64) {
            self.0.lock().unwrap().iter_mut().find(|control| control.id == id).unwrap().value = Some(value);
        }
    }

    impl Port for Shared {
        fn read(&mut self) -> io::Result<Vec<Control>> {
            match self.1.lock().unwrap().pop() {
                Some(code) => Err(io::Error::from_raw_os_error(code)),
                None => Ok(self.0.lock().unwrap().clone()),
            }
        }

        fn set(&mut self, setting: Setting) -> Result<(), String> {
            let is_auto = self.0.lock().unwrap().iter().any(|c| c.id == AUTO_FOCUS && c.value == Some(1));
            if setting.id == FOCUS && is_auto {
                return Err("held".to_owned());
            }
            self.change(setting.id, setting.value);
            Ok(())
        }
    }

    fn values(news: &ControlNews) -> Vec<(u32, i64)> {
        news.changed.iter().map(|control| (control.id, control.value.unwrap())).collect()
    }

    #[test]
    fn a_camera_that_does_not_answer_now_and_then_keeps_its_controls() {
        const EIO: i32 = 5;
        const ENODEV: i32 = 19;
        let device = Shared::new();
        let (orders, orders_rx) = bounded(8);
        let (news_tx, news) = bounded(8);
        let mut port = device.clone();
        *device.1.lock().unwrap() = vec![EIO, EIO];
        let serving = thread::Builder::new()
            .name("controls".into())
            .spawn(move || serve(&mut port, &orders_rx, &news_tx, Duration::from_millis(5)))
            .unwrap();
        let hear = || news.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((hear().cause, device.1.lock().unwrap().len()), (Cause::Listed, 0));
        // What it does not tell this time is as it was: no news.
        *device.1.lock().unwrap() = vec![EIO];
        let value = device.0.lock().unwrap()[0].value.take();
        while !device.1.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        device.change(FOCUS, 3);
        assert_eq!(values(&hear()), [(FOCUS, 3)]);
        device.0.lock().unwrap()[0].value = value;
        device.change(FOCUS, 4);
        assert_eq!(values(&hear()), [(FOCUS, 4)]);
        // It is gone, and the thread with it, although somebody listens.
        *device.1.lock().unwrap() = vec![ENODEV];
        serving.join().unwrap();
        drop(orders);
    }

    #[test]
    fn what_we_set_is_told_from_what_others_set() {
        let device = Shared::new();
        let (orders, orders_rx) = bounded(8);
        let (news_tx, news) = bounded(8);
        let mut port = device.clone();
        let serving = thread::Builder::new()
            .name("controls".into())
            .spawn(move || serve(&mut port, &orders_rx, &news_tx, Duration::from_millis(5)))
            .unwrap();
        let hear = || news.recv_timeout(Duration::from_secs(20)).unwrap();
        let listed = hear();
        assert_eq!((listed.cause, listed.changed.len(), listed.is_last), (Cause::Listed, 3, true));
        orders.send(vec![Setting { id: FOCUS, value: 5 }]).unwrap();
        let refused = hear();
        assert_eq!((refused.cause, refused.refused[0].id, refused.changed.len()), (Cause::Set, FOCUS, 0));
        // The automatic goes off first, whatever the order.
        orders.send(vec![Setting { id: FOCUS, value: 5 }, Setting { id: AUTO_FOCUS, value: 0 }]).unwrap();
        let set = hear();
        assert_eq!((set.cause, values(&set)), (Cause::Set, vec![(FOCUS, 5), (AUTO_FOCUS, 0)]));
        device.change(BRIGHTNESS, 7);
        let foreign = hear();
        assert_eq!((foreign.cause, values(&foreign)), (Cause::Foreign, vec![(BRIGHTNESS, 7)]));
        drop(orders);
        serving.join().unwrap();
    }
}
