//! Why a node does not open, or opens and gives no pictures. Opens the node; its driver is asked about what the system does not list,
//! and in `start.rs`.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use super::processes::holders;
use super::sysfs::{is_capture_node, is_virtual, link_name, number_of};
use super::system_files::SystemFiles;
use super::{O_NONBLOCK, SYSFS, UDEV_DATA, list, permissions, query, sandbox, undriven, usb_bus};
use crate::device::codes::{self, Call};
use crate::device::holders::Role;
use crate::device::{Device, DeviceKind, kind, with_what_is_there};
use crate::fault::{Fault, FaultKind};
use crate::foreign::safe;

/// Whoever answers so has never heard of the question.
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;

/// What keeps a node from giving pictures, as far as opening it tells.
pub fn why_not(path: &Path) -> Option<Fault> {
    let shown = path.display();
    let no_camera = |what: &str| Some(Fault::new(FaultKind::NotACamera, format!("{shown} is {what}")));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(fault_of(&error, path)),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return no_camera("a folder, not a camera");
    }
    if !kind.is_char_device() {
        return no_camera("a file, not a camera");
    }
    let node = Path::new(SYSFS).join(path.file_name()?);
    // Opening is no small matter with some devices: a watchdog then restarts the computer.
    if !node.exists() && number_of(path).is_none() {
        return no_camera(what_it_is(path));
    }
    let opened = match fs::OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path) {
        Ok(opened) => opened,
        Err(error) => return Some(fault_of(&error, path)),
    };
    if !node.exists() {
        // The system has it on no list: its driver alone can tell.
        return match query::capture_type(&opened) {
            Ok(_) => None,
            Err(error) if matches!(error.raw_os_error(), None | Some(EINVAL | ENOTTY)) => no_camera(what_it_is(path)),
            Err(error) => Some(fault_of(&error, path)),
        };
    }
    if !is_capture_node(&node, Path::new(UDEV_DATA)) {
        return Some(no_pictures(Path::new(SYSFS), &node, path, &list()));
    }
    if is_virtual(&node) {
        // Not busy: a loopback device has any number of readers, and whoever holds it may well be the one that feeds it.
        let feeder = holders(path).into_iter().find(|holder| holder.role == Role::Program);
        let feeder = feeder.map(|feeder| format!("{} (process {})", feeder.program, feeder.pid));
        return Some(no_virtual_picture(&node, path, feeder.as_deref()));
    }
    busy(path).or_else(|| {
        let driver = link_name(&node.join("device/driver"));
        let kind = DeviceKind::of("", driver.as_deref(), false);
        let note = (kind == DeviceKind::RawSensor).then(|| kind.note(driver.as_deref())).flatten()?;
        Some(
            Fault::new(FaultKind::FormatRefused, format!("{shown} gives a sensor's raw data, which is no picture yet"))
                .with_advice(note),
        )
    })
}

/// Why no picture came from a virtual camera: nobody feeds it, or somebody does in a way that was not understood. v4l2loopback
/// tells the format of what it is fed, as `YUYV:640x480@30` (`v4l2loopback.c`, `attr_show_format`), and nothing where nobody does.
fn no_virtual_picture(node: &Path, path: &Path, feeder: Option<&str>) -> Fault {
    let shown = path.display();
    let format = fs::read(node.join("format")).map(|bytes| safe(bytes.trim_ascii())).unwrap_or_default();
    if let Some((format, _)) = format.split_once(':').filter(|(format, _)| !format.is_empty()) {
        let feeder = feeder.map(|feeder| format!(" by {feeder}")).unwrap_or_default();
        let message = format!("{shown} is a virtual camera, and is fed{feeder} with pictures as {}", format.trim());
        return Fault::new(FaultKind::FormatRefused, format!("{message}, which could not be read")).with_advice(
            "Choose another backend, or another format in the program that makes its picture: YUYV and MJPG can be read by all.",
        );
    }
    let feeds = feeder.map_or_else(
        || "no program feeds it".to_owned(),
        |feeder| format!("{feeder}, which has it open, gives no picture"),
    );
    Fault::new(FaultKind::OpenFailed, format!("{shown} is a virtual camera, and {feeds}"))
        .with_advice("Start the program that makes its picture, or choose another camera.")
}

/// What a node is that gives no pictures, though it is one of a camera or near to it.
fn no_pictures(sysfs: &Path, node: &Path, path: &Path, cameras: &[Device]) -> Fault {
    let shown = path.display();
    let driver = link_name(&node.join("device/driver"));
    let parent = fs::canonicalize(node.join("device")).ok();
    let camera = cameras.iter().find(|device| {
        let node = sysfs.join(Path::new(&device.path).file_name().unwrap_or_default());
        fs::canonicalize(node.join("device")).ok() == parent && parent.is_some()
    });
    let fault = |what: &str| Fault::new(FaultKind::NotACamera, format!("{shown} is {what}"));
    match (driver, camera) {
        (Some(driver), _) if kind::is_codec(&driver) => {
            fault(&format!("a codec ({driver}), which works on the pictures of others"))
        }
        (_, Some(camera)) => fault("a camera's second node, for its metadata: no picture comes from it")
            .with_advice(format!("Choose {} instead.", camera.path)),
        (_, None) => fault("an output or a node for data: no picture comes from it"),
    }
}

/// The errors of opening a node; those of streaming are others.
pub fn fault_of(error: &io::Error, path: &Path) -> Fault {
    const EPERM: i32 = 1;
    const ENOENT: i32 = 2;
    const EACCES: i32 = 13;
    let shown = path.display().to_string();
    let Some(code) = error.raw_os_error() else {
        return Fault::new(FaultKind::OpenFailed, format!("{shown} cannot be opened: {error}"));
    };
    let files = SystemFiles::of_this_system();
    if matches!(code, EPERM | EACCES) {
        return permissions::denied(&files, path, code, permissions::Rights::of(path));
    }
    if let Some(fault) = sandbox::without_name(&files, path).filter(|_| code == ENOENT) {
        return fault;
    }
    let Some(meaning) = codes::errno(code, Call::Open) else {
        let text = error.to_string();
        let message = format!("{shown} cannot be opened: {}", codes::without_code(&text));
        return Fault::new(FaultKind::OpenFailed, message).with_code(code);
    };
    let fault = meaning.fault(&shown, code);
    if fault.kind == FaultKind::Missing { with_what_is_there(fault, &list(), &undriven::list(&files)) } else { fault }
}

/// Why a stream has not started, from the number of the driver's error.
pub fn why_no_start(sysfs: &Path, path: &Path, label: &str, code: i32, devices: &[Device]) -> Option<Fault> {
    const ENOSPC: i32 = 28;
    let fault = codes::errno(code, Call::Start)?.fault(label, code);
    if fault.kind == FaultKind::Busy {
        return Some(match busy(path) {
            Some(named) => named.with_code(code),
            // Only root sees what other users' processes have open.
            None => Fault { message: format!("{label} is in use by a program of another user").into(), ..fault }
                .with_advice(format!("Find it with sudo fuser -v {}, and close it.", path.display())),
        });
    }
    if code != ENOSPC {
        return Some(fault);
    }
    let node = sysfs.join(path.file_name()?);
    let label_of = |number| devices.iter().find(|device| device.index == Some(number)).map(Device::label);
    let others = usb_bus::neighbours(sysfs, &node)
        .into_iter()
        .map(|number| label_of(number).unwrap_or_else(|| format!("/dev/video{number}")))
        .collect::<Vec<_>>();
    if others.is_empty() {
        return Some(fault);
    }
    let verb = if others.len() == 1 { "streams" } else { "stream" };
    let message = format!("{}, on which {} {verb} too", fault.message, others.join(" and "));
    Some(Fault { message: message.into(), ..fault })
}

/// A fault that names the programs that have the node open, when there are such. Sees those of other users only as root.
fn busy(path: &Path) -> Option<Fault> {
    crate::device::holders::busy(&holders(path), &path.display().to_string())
}

/// What a device is that is no camera, by its path. Follows “is”.
fn what_it_is(path: &Path) -> &'static str {
    let text = path.to_string_lossy();
    let begins = |start| text.strip_prefix("/dev/").is_some_and(|name| name.starts_with(start));
    if begins("media") {
        "the plan of a camera's parts (a media controller): no picture comes from it"
    } else if begins("v4l-subdev") {
        "one part of a camera: no picture comes from it"
    } else if begins("vbi") || begins("radio") || begins("swradio") || begins("v4l-touch") {
        "a receiver for something else than pictures"
    } else if begins("bus/usb/") {
        "a whole USB device, not the camera in it"
    } else if begins("snd/") {
        "a microphone or a loudspeaker"
    } else if begins("dri/") || begins("fb") {
        "a graphics card"
    } else {
        "a device, but not a camera"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::fake::FakeSysfs;
    use super::*;

    #[track_caller]
    fn check_why(path: &str, expected: Option<(FaultKind, Option<i64>)>) {
        assert_eq!(why_not(Path::new(path)).map(|fault| (fault.kind, fault.code)), expected, "{path}");
    }

    #[test]
    fn what_is_no_camera_is_named() {
        check_why("/dev/video99999", Some((FaultKind::Missing, Some(2))));
        check_why("/dev/null/video0", Some((FaultKind::Missing, Some(20))));
        check_why("/dev", Some((FaultKind::NotACamera, None)));
        check_why("/dev/null", Some((FaultKind::NotACamera, None)));
        check_why("/etc/passwd", Some((FaultKind::NotACamera, None)));
    }

    #[test]
    fn a_codec_and_a_metadata_node_are_told_apart() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(1, "usb1/1-1/1-1:1.0", 1, Some("A"));
        system.node(10, "soc/codec/fe980000.codec", 0, None);
        system.node(12, "soc/out/fe990000.out", 0, None);
        let driver = system.root.path().join("soc/codec/fe980000.codec/driver");
        fs::remove_file(&driver).unwrap();
        symlink(system.root.path().join("bus/usb/drivers/bcm2835-codec"), driver).unwrap();
        system.udev_says(12, ":video_output:");
        let class = system.root.path().join("class");
        let check = |number: u32, expected: &str, advice: &str| {
            let path = format!("/dev/video{number}");
            let fault = no_pictures(&class, &class.join(format!("video{number}")), Path::new(&path), &system.list());
            assert_eq!((fault.kind, fault.message), (FaultKind::NotACamera, format!("{path} is {expected}").into()));
            assert!(fault.advice.contains(advice), "{}", fault.advice);
        };
        check(1, "a camera's second node, for its metadata: no picture comes from it", "Choose /dev/video0 instead");
        check(10, "a codec (bcm2835-codec), which works on the pictures of others", "camclinic list");
        check(12, "an output or a node for data: no picture comes from it", "camclinic list");
    }

    #[test]
    fn a_virtual_camera_that_is_fed_is_not_called_unfed() {
        let system = FakeSysfs::new();
        system.node(10, "virtual/10", 0, None);
        let node = system.root.path().join("class/video10");
        let check = |format: &str, feeder, kind, expected: &str| {
            fs::write(node.join("format"), format).unwrap();
            let fault = no_virtual_picture(&node, Path::new("/dev/video10"), feeder);
            assert_eq!(fault.kind, kind, "{fault}");
            assert!(fault.message.contains(expected), "{fault}");
        };
        let feeder = Some("obs (process 7)");
        check("", None, FaultKind::OpenFailed, "no program feeds it");
        check("", feeder, FaultKind::OpenFailed, "obs (process 7), which has it open, gives no picture");
        check("BGR4:640x480@30\n", feeder, FaultKind::FormatRefused, "is fed by obs (process 7) with pictures as BGR4");
        check("Y16 :640x480@30\n", None, FaultKind::FormatRefused, "is fed with pictures as Y16, which");
        check("\u{1b}[2J:1x1@1", None, FaultKind::FormatRefused, "as \u{fffd}[2J");
        fs::remove_file(node.join("format")).unwrap();
        assert_eq!(no_virtual_picture(&node, Path::new("/dev/video10"), None).kind, FaultKind::OpenFailed);
    }

    #[test]
    fn a_full_bus_is_explained_with_who_is_on_it() {
        let system = FakeSysfs::new();
        for (number, port) in [(0, 1), (2, 2), (4, 3)] {
            system.node(number, &format!("usb1/1-{port}/1-{port}:1.0"), 0, Some(&number.to_string()));
            let interface = system.root.path().join(format!("usb1/1-{port}/1-{port}:1.1"));
            fs::create_dir_all(&interface).unwrap();
            fs::write(interface.join("bInterfaceClass"), "0e\n").unwrap();
            fs::write(interface.join("bAlternateSetting"), if number == 2 { " 0\n" } else { "11\n" }).unwrap();
        }
        let class = system.root.path().join("class");
        let devices = system.list();
        let why = |node: &str, code| why_no_start(&class, Path::new(node), "Cam", code, &devices).unwrap();
        let fault = why("/dev/video2", 28);
        assert_eq!((fault.kind, fault.code), (FaultKind::NoResources, Some(28)));
        let others = "Some Camera (/dev/video0) and Some Camera (/dev/video4)";
        assert_eq!(fault.message.as_str(), format!("Cam finds no room on its USB bus, on which {others} stream too"));
        assert!(fault.advice.contains("MJPEG") && fault.advice.contains("another USB controller"), "{}", fault.advice);
        assert_eq!(why("/dev/video9", 28).message, "Cam finds no room on its USB bus");
        let fault = why("/dev/video2", 16);
        assert!(fault.message.contains("program of another user") && fault.advice.contains("fuser -v /dev/video2"));
        assert_eq!(why("/dev/video2", 71).message, "Cam has errors on its USB line");
        assert_eq!(why_no_start(&class, Path::new("/dev/video2"), "Cam", 9_999, &devices), None);
    }

    #[test]
    fn whoever_holds_a_node_is_found() {
        let path = fs::canonicalize(tempfile::NamedTempFile::new().unwrap().path().parent().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new_in(path).unwrap();
        assert_eq!(holders(file.path()).iter().map(|holder| holder.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(busy(file.path()).unwrap().message.contains("this program itself"));
        assert!(busy(Path::new("/dev/no-such-node")).is_none());
    }

    #[track_caller]
    fn check_what(path: &str, expected: &str) {
        assert!(what_it_is(Path::new(path)).contains(expected), "{path}: {}", what_it_is(Path::new(path)));
    }

    #[test]
    fn other_devices_are_called_by_their_names() {
        check_what("/dev/media0", "media controller");
        check_what("/dev/v4l-subdev3", "one part of a camera");
        check_what("/dev/vbi0", "receiver");
        check_what("/dev/bus/usb/001/002", "USB device");
        check_what("/dev/snd/pcmC0D0c", "microphone");
        check_what("/dev/dri/card0", "graphics");
        check_what("/dev/null", "not a camera");
        check_what("/home/dev/media0", "not a camera");
    }
}
