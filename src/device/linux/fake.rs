//! Folders laid out as those of a Linux system, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::sysfs::list_in;
use super::system_files::SystemFiles;
use crate::device::Device;

/// A folder laid out as `/sys`: each node is a folder of its parent and a link in the class.
pub struct FakeSysfs {
    pub root: tempfile::TempDir,
}

impl FakeSysfs {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["class", "bus/usb/drivers/uvcvideo", "udev"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    /// `parent` is a path below the root, `usb1/1-1/1-1:1.0`; its folder gets the files of a USB device.
    pub fn node(&self, number: u32, parent: &str, index: u32, serial: Option<&str>) {
        let parent = self.root.path().join(parent);
        let node = parent.join(format!("video4linux/video{number}"));
        let bus = self.root.path().join("bus/usb");
        fs::create_dir_all(&node).unwrap();
        let file = |path: PathBuf, text: &str| fs::write(path, format!("{text}\n")).unwrap();
        file(node.join("name"), "Some Camera");
        file(node.join("index"), &index.to_string());
        file(node.join("dev"), &format!("81:{number}"));
        let _ = symlink(&parent, node.join("device"));
        let _ = symlink(&bus, parent.join("subsystem"));
        let _ = symlink(bus.join("drivers/uvcvideo"), parent.join("driver"));
        let usb = parent.parent().unwrap();
        file(usb.join("idVendor"), "046d");
        file(usb.join("idProduct"), "082d");
        if let Some(serial) = serial {
            file(usb.join("serial"), serial);
        }
        symlink(&node, self.root.path().join("class").join(format!("video{number}"))).unwrap();
    }

    pub fn udev_says(&self, number: u32, capabilities: &str) {
        let text = format!("S:v4l/by-id/x\nE:ID_V4L_VERSION=2\nE:ID_V4L_CAPABILITIES={capabilities}\n");
        fs::write(self.root.path().join(format!("udev/c81:{number}")), text).unwrap();
    }

    pub fn list(&self) -> Vec<Device> {
        list_in(&self.root.path().join("class"), Path::new("/dev"), &self.root.path().join("udev"))
    }

    #[track_caller]
    pub fn check(&self, expected: &[(&str, &str)]) {
        let devices = self.list();
        let got = devices.iter().map(|d| (d.identity.as_str(), d.path.as_str())).collect::<Vec<_>>();
        assert_eq!(got, expected);
    }
}

/// A folder laid out as the root of a system.
pub struct FakeRoot {
    pub root: tempfile::TempDir,
    pub snap: Option<String>,
}

impl FakeRoot {
    pub fn new() -> Self {
        let system = Self { root: tempfile::tempdir().unwrap(), snap: None };
        let system = system.with("etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n");
        system.with(
            "proc/self/status",
            "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t4 1000\n",
        )
    }

    pub fn with(self, file: &str, text: &str) -> Self {
        let path = self.root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn files(&self) -> SystemFiles {
        SystemFiles { root: self.root.path().to_owned(), snap: self.snap.clone() }
    }

    /// As the camera's USB device, with its first interface.
    pub fn plugged_in(self, driver: Option<&str>) -> Self {
        let usb = "sys/devices/pci0/usb1/1-1";
        let interface = format!("{usb}/1-1:1.0");
        let usb_files = [("idVendor", "046d"), ("idProduct", "082d"), ("product", "HD Pro C920"), ("serial", "A7")];
        let system = usb_files.iter().fold(self, |system, (file, text)| system.with(&format!("{usb}/{file}"), text));
        let system = system
            .with(&format!("{interface}/bInterfaceClass"), "0e\n")
            .with(&format!("{interface}/bInterfaceSubClass"), "01\n");
        let at = |path: &str| system.root.path().join(path);
        if let Some(driver) = driver {
            fs::create_dir_all(at("drivers").join(driver)).unwrap();
            symlink(at("drivers").join(driver), at(&interface).join("driver")).unwrap();
        }
        let list = at("sys/bus/usb/devices");
        fs::create_dir_all(&list).unwrap();
        symlink(at(usb), list.join("1-1")).unwrap();
        symlink(at(&interface), list.join("1-1:1.0")).unwrap();
        system
    }
}
