//! What Linux tells of a camera's surroundings: `/sys`, `/dev/kmsg`, `/proc`. Only files are read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::sysfs::{port_of, read};
use super::system_files::SystemFiles;
use super::{O_NONBLOCK, SYSFS, list, permissions, sandbox, usb_bus};
use crate::device::surroundings::{self, Heat, KernelLine, Pressure, UsbState, total_pressure};
use crate::device::{Device, NodeState};

/// The kernel gives one record at a time, of at most so many bytes (`CONSOLE_EXT_LOG_MAX`).
const MAX_RECORD: usize = 8_192;
/// More records than the largest buffer that a kernel is built with has room for.
const MAX_RECORDS: usize = 100_000;

/// The folder of the camera's USB device: that of its interface is one below.
fn usb_folder(sysfs: &Path, node: &Path) -> Option<PathBuf> {
    let interface = fs::canonicalize(sysfs.join(node.file_name()?).join("device")).ok()?;
    let usb = interface.parent()?;
    usb.join("idVendor").exists().then(|| usb.to_owned())
}

fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    read(path)?.trim().parse().ok()
}

pub fn usb_state(device: &Device) -> Option<UsbState> {
    usb_state_in(Path::new(SYSFS), Path::new("/sys/kernel/debug"), Path::new(&device.path), &list())
}

fn usb_state_in(sysfs: &Path, debug: &Path, path: &Path, listed: &[Device]) -> Option<UsbState> {
    let usb = usb_folder(sysfs, path)?;
    let power = |file: &str| read(&usb.join("power").join(file));
    let bus = number::<u32>(&usb.join("busnum"));
    let stats = || {
        let interface = fs::canonicalize(sysfs.join(path.file_name()?).join("device")).ok()?;
        let nth = number::<u32>(&interface.join("bInterfaceNumber"))?;
        let folder = format!("usb/uvcvideo/{}-{}-{nth}", bus?, number::<u32>(&usb.join("devnum"))?);
        surroundings::packet_errors(&fs::read_to_string(debug.join(folder).join("stats")).ok()?)
    };
    let neighbours = usb_bus::neighbours(sysfs, &sysfs.join(path.file_name()?));
    let label = |number: &u32| listed.iter().find(|other| other.index == Some(*number)).map(Device::label);
    Some(UsbState {
        is_autosuspended: power("control").map(|control| control == "auto"),
        is_suspended: power("runtime_status").map(|status| status == "suspended"),
        max_power_ma: read(&usb.join("bMaxPower")).and_then(|power| power.trim_end_matches("mA").trim().parse().ok()),
        n_over_currents: over_currents(&usb),
        bandwidth_percent: bus
            .and_then(|bus| surroundings::allocated_percent(&fs::read_to_string(debug.join("usb/devices")).ok()?, bus)),
        neighbours: neighbours
            .iter()
            .map(|number| label(number).unwrap_or_else(|| format!("/dev/video{number}")))
            .collect(),
        packet_errors: stats(),
    })
}

/// The device's link `port` leads to that of its hub.
fn over_currents(usb: &Path) -> Option<u32> {
    number(&fs::canonicalize(usb.join("port")).ok()?.join("over_current_count"))
}

/// The other cameras in the same USB device.
pub fn siblings(device: &Device) -> Vec<Device> {
    siblings_in(Path::new(SYSFS), Path::new(&device.path), list())
}

fn siblings_in(sysfs: &Path, path: &Path, listed: Vec<Device>) -> Vec<Device> {
    let Some(own) = usb_folder(sysfs, path) else { return Vec::new() };
    let is_sibling = |other: &Device| {
        Path::new(&other.path) != path && usb_folder(sysfs, Path::new(&other.path)).as_ref() == Some(&own)
    };
    listed.into_iter().filter(is_sibling).collect()
}

pub fn node_state(text: &str) -> NodeState {
    let path = super::by_path(text).map(|device| PathBuf::from(device.path));
    let Some(path) = path else { return NodeState::default() };
    let is_known = path.file_name().map(|name| Path::new(SYSFS).join(name).exists());
    let is_allowed = match super::may_open(&path) {
        Ok(()) => Some(true),
        Err(_) => permissions::is_allowed(&SystemFiles::of_this_system(), &path),
    };
    NodeState { is_known, is_allowed }
}

pub fn confinement() -> Option<String> {
    sandbox::confinement(&SystemFiles::of_this_system())
}

/// All that is in the kernel's log, oldest first. `None` where this user may not read it (`dmesg_restrict`).
fn kernel_records() -> Option<Vec<String>> {
    let mut log = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open("/dev/kmsg").ok()?;
    let mut buffer = vec![0_u8; MAX_RECORD];
    let mut records = Vec::new();
    while records.len() < MAX_RECORDS {
        match log.read(&mut buffer) {
            Ok(n) if n > 0 => {
                records.push(String::from_utf8_lossy(buffer.get(..n).unwrap_or_default()).into_owned());
            }
            // Overwritten in the meantime: the next one is there.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    Some(records)
}

/// The kernel's own clock, which stands still while the computer sleeps. Who may not read it gets the time since the start,
/// which is the same where it has not slept.
fn kernel_secs() -> Option<f64> {
    let mut head = String::new();
    let list = fs::File::open("/proc/timer_list").and_then(|file| file.take(1_024).read_to_string(&mut head));
    let now = list.ok().and_then(|_| {
        let line = head.lines().find_map(|line| line.strip_prefix("now at "))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
    });
    now.or_else(|| fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok())
}

pub fn kernel_log(device: &Device) -> Option<Vec<KernelLine>> {
    let port = device.usb.as_ref().map_or_else(
        || device.bus.as_deref().and_then(|bus| bus.strip_prefix("usb ")).map(port_of).unwrap_or_default(),
        |usb| usb.port.as_str(),
    );
    Some(surroundings::about(&kernel_records()?, port, kernel_secs()?))
}

pub fn resumed_secs_ago() -> Option<f64> {
    surroundings::woke_secs_ago(&kernel_records()?, kernel_secs()?)
}

pub fn pressure() -> Pressure {
    let total = |what: &str| total_pressure(&fs::read_to_string(Path::new("/proc/pressure").join(what)).ok()?);
    Pressure { cpu: total("cpu"), disk: total("io") }
}

pub fn heat() -> Heat {
    heat_in(Path::new("/sys"))
}

fn heat_in(sys: &Path) -> Heat {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let zones = entries(sys.join("class/thermal"))
        .filter_map(|zone| number::<f64>(&zone.join("temp")))
        // Sensors that are switched off say 0 or worse.
        .map(|millis| millis / 1_000.0)
        .filter(|celsius| (1.0..150.0).contains(celsius));
    // A processor's fan and clock are cooled down by states above 0; those that only pace idle time are of no interest here.
    let mut processors = entries(sys.join("class/thermal"))
        .filter(|device| {
            read(&device.join("type")).is_some_and(|kind| kind == "Processor" || kind.starts_with("cpufreq"))
        })
        .filter_map(|device| number::<u32>(&device.join("cur_state")))
        .peekable();
    let is_throttled = processors.peek().is_some().then(|| processors.any(|state| state > 0));
    Heat { celsius: zones.max_by(f64::total_cmp), is_throttled }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder laid out as `/sys`, with a camera in port 1-2 that has two nodes, and another one in port 1-3.
    fn fake() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        };
        for (port, video, metadata, setting) in [("1-2", 0, 1, "0"), ("1-3", 2, 3, "7")] {
            let usb = format!("devices/usb1/{port}");
            for (file, text) in [
                ("idVendor", "046d"),
                ("busnum", "1"),
                ("devnum", "7"),
                ("bMaxPower", "500mA"),
                ("power/control", "auto"),
            ] {
                write(&format!("{usb}/{file}"), text);
            }
            write(&format!("{usb}/power/runtime_status"), "active");
            write(&format!("{usb}/{port}:1.0/bInterfaceNumber"), "00");
            write(&format!("{usb}/{port}:1.1/bInterfaceClass"), "0e");
            write(&format!("{usb}/{port}:1.1/bAlternateSetting"), setting);
            write(&format!("devices/usb1/1-0:1.0/usb1-port{port}/over_current_count"), "2");
            symlink(
                root.path().join(format!("devices/usb1/1-0:1.0/usb1-port{port}")),
                root.path().join(format!("{usb}/port")),
            )
            .unwrap();
            for (number, index) in [(video, "0"), (metadata, "1")] {
                let node = format!("{usb}/{port}:1.0/video4linux/video{number}");
                write(&format!("{node}/index"), index);
                symlink(root.path().join(format!("{usb}/{port}:1.0")), root.path().join(&node).join("device")).unwrap();
                fs::create_dir_all(root.path().join("class")).unwrap();
                symlink(root.path().join(&node), root.path().join(format!("class/video{number}"))).unwrap();
            }
        }
        write("debug/usb/uvcvideo/1-7-0/stats", "frames:  10\npackets: 200\nempty:   1\nerrors:  3\ninvalid: 0");
        write("debug/usb/devices", "T:  Bus=01 Lev=00 Prnt=00\nB:  Alloc=720/800 us (90%), #Int=  0, #Iso=  1");
        root
    }

    fn device(number: u32) -> Device {
        Device { path: format!("/dev/video{number}"), index: Some(number), name: "Cam".to_owned(), ..Device::default() }
    }

    #[test]
    fn a_port_tells_how_it_stands() {
        let root = fake();
        let listed = [device(0), device(2)];
        let state =
            |path: &str| usb_state_in(&root.path().join("class"), &root.path().join("debug"), Path::new(path), &listed);
        let expected = UsbState {
            is_autosuspended: Some(true),
            is_suspended: Some(false),
            max_power_ma: Some(500),
            n_over_currents: Some(2),
            bandwidth_percent: Some(90.0),
            neighbours: vec!["Cam (/dev/video2)".to_owned()],
            packet_errors: Some((3, 200)),
        };
        assert_eq!(state("/dev/video0"), Some(expected));
        // The other one streams, and has no neighbour that does.
        assert_eq!(state("/dev/video2").unwrap().neighbours, [""; 0]);
        assert_eq!(state("/dev/video9"), None);
    }

    #[test]
    fn nodes_of_one_device_are_siblings() {
        let root = fake();
        let siblings = |path: &str| {
            let listed = vec![device(0), device(2)];
            let found = siblings_in(&root.path().join("class"), Path::new(path), listed);
            found.into_iter().filter_map(|device| device.index).collect::<Vec<_>>()
        };
        assert_eq!(siblings("/dev/video1"), [0]);
        assert_eq!(siblings("/dev/video0"), [0; 0]);
        assert_eq!(siblings("/dev/video9"), [0; 0]);
    }

    #[test]
    fn the_hottest_part_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join("class/thermal").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(heat_in(root.path()), Heat::default());
        write("thermal_zone0/temp", "45000\n");
        write("thermal_zone1/temp", "96500\n");
        write("thermal_zone2/temp", "-273000\n");
        write("cooling_device0/type", "Processor\n");
        write("cooling_device0/cur_state", "0\n");
        assert_eq!(heat_in(root.path()), Heat { celsius: Some(96.5), is_throttled: Some(false) });
        write("cooling_device1/type", "cpufreq-cpu0\n");
        write("cooling_device1/cur_state", "3\n");
        assert_eq!(heat_in(root.path()).is_throttled, Some(true));
    }

    #[test]
    fn the_kernel_s_clock_runs() {
        assert!(kernel_secs().is_some_and(|secs| secs > 0.0));
    }
}
