//! Why a node is not there or may not be opened, from what the system's files say.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::processes::user_name;
use super::{link_name, port_of, read, usb_identity};
use crate::device::codes::{self, Call};
use crate::device::text::{plain, safe};
use crate::device::{Device, Undriven, UsbLink};
use crate::fault::{Fault, FaultKind};

const EPERM: i32 = 1;
const READ_AND_WRITE: u32 = 0o6;

/// The system's files, below a folder of their own in tests.
pub struct Files {
    root: PathBuf,
    /// The name of the snap that this program runs in.
    snap: Option<String>,
}

impl Files {
    pub fn of_this_system() -> Self {
        let snap = std::env::var_os("SNAP_NAME").filter(|_| std::env::var_os("SNAP").is_some());
        Self { root: PathBuf::from("/"), snap: snap.map(|name| safe(name.as_encoded_bytes())) }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read(self.path(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

// ---- no driver

/// Cameras that are plugged in and have no node, because no driver has taken them.
pub fn without_driver(files: &Files) -> Vec<Undriven> {
    let mut entries = fs::read_dir(files.path("sys/bus/usb/devices"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, fs::canonicalize(entry.path()).ok()?)))
        .collect::<Vec<_>>();
    entries.sort();
    entries.iter().filter_map(|(name, folder)| undriven(files, name, folder)).collect()
}

fn undriven(files: &Files, name: &str, folder: &Path) -> Option<Undriven> {
    let (usb, why) = if name.contains(':') {
        let is = |file, value| read(&folder.join(file)).as_deref() == Some(value);
        // The interface that controls a camera; its second one has the pictures.
        if !is("bInterfaceClass", "0e") || !is("bInterfaceSubClass", "01") {
            return None;
        }
        (folder.parent()?, without_node(files, name, folder)?)
    } else {
        // Without authorisation a device has no interfaces. The classes of cameras: video, and that of joined interfaces.
        let class = read(&folder.join("bDeviceClass"))?;
        if read(&folder.join("authorized")).as_deref() != Some("0") || !["0e", "ef"].contains(&class.as_str()) {
            return None;
        }
        let advice = format!(
            "Allow it: echo 1 | sudo tee /sys/bus/usb/devices/{name}/authorized. If USBGuard runs here, let it through there: sudo usbguard list-devices -b."
        );
        (folder, ("is kept off by a policy for USB devices (it is not authorized)".to_owned(), advice))
    };
    let file = |file| read(&usb.join(file));
    let (vendor_id, product_id, serial) = (file("idVendor")?, file("idProduct")?, file("serial"));
    let model = format!("{vendor_id}:{product_id}");
    let shown = file("product").unwrap_or_else(|| "a camera".to_owned());
    let (what, advice) = why;
    let device = Device {
        identity: plain(&usb_identity(&vendor_id, &product_id, serial.as_deref(), name)),
        name: shown.clone(),
        bus: Some(format!("usb {name}")),
        usb: Some(Box::new(UsbLink::new(port_of(name), file("speed").as_deref(), file("version").as_deref()))),
        is_bound_to_port: serial.is_none(),
        vendor_id: Some(vendor_id),
        product_id: Some(product_id),
        serial,
        ..Device::default()
    };
    let message = format!("{shown} (USB device {model} in port {}) is plugged in, but {what}", port_of(name));
    Some(Undriven { device, fault: Fault::new(FaultKind::Missing, message).with_advice(advice) })
}

/// What keeps the driver from an interface, and what to do about it. `None` where it has its driver.
fn without_node(files: &Files, name: &str, folder: &Path) -> Option<(String, String)> {
    let bind = format!("echo {name} | sudo tee /sys/bus/usb/drivers/uvcvideo/bind");
    match link_name(&folder.join("driver")).as_deref() {
        Some("uvcvideo") => return None,
        Some("usbfs") => {
            let advice = format!(
                "End the virtual machine or the program that uses it as a bare USB device; then: {bind}, or plug it in again."
            );
            return Some(("a program or a virtual machine uses it as a bare USB device (usbfs)".to_owned(), advice));
        }
        Some(other) => {
            let advice = format!(
                "Unplug it and plug it in again; or: echo {name} | sudo tee /sys/bus/usb/drivers/{other}/unbind; {bind}"
            );
            return Some((format!("the driver {other} has taken it, which makes no camera of it"), advice));
        }
        None => {}
    }
    if files.path("sys/module/uvcvideo").exists() {
        let advice = format!(
            "Unplug it and plug it in again; or: {bind}. If it stays so, the driver does not bear its description: see sudo dmesg."
        );
        return Some(("no driver has taken it".to_owned(), advice));
    }
    if let Some(list) = blacklist(files) {
        let advice = format!("Take the line with uvcvideo out of {list}; then: sudo modprobe uvcvideo.");
        return Some((format!("its driver, uvcvideo, is kept from being loaded by {list}"), advice));
    }
    let release = files.text("proc/sys/kernel/osrelease");
    let modules = format!("lib/modules/{}/modules.dep", release.trim());
    if files.path(&modules).exists() && !files.text(&modules).contains("/uvcvideo.ko") {
        let advice = format!(
            "Install the rest of this kernel's drivers (Ubuntu: sudo apt install linux-modules-extra-{}), or another kernel.",
            release.trim()
        );
        return Some(("this kernel comes without the driver for USB cameras (uvcvideo)".to_owned(), advice));
    }
    Some(("its driver, uvcvideo, is not loaded".to_owned(), "Load it: sudo modprobe uvcvideo.".to_owned()))
}

/// The file that keeps uvcvideo from being loaded (`modprobe.d(5)`).
fn blacklist(files: &Files) -> Option<String> {
    ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"].iter().find_map(|folder| {
        let mut entries = fs::read_dir(files.path(folder)).ok()?.flatten().collect::<Vec<_>>();
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.into_iter().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // modprobe reads no others.
            if Path::new(&name).extension().is_none_or(|ending| ending != "conf") {
                return None;
            }
            let file = format!("{folder}/{name}");
            let keeps = |line: &str| {
                let words = line.split_whitespace().collect::<Vec<_>>();
                match words.as_slice() {
                    ["blacklist", "uvcvideo"] => true,
                    ["install", "uvcvideo", program, ..] => program.ends_with("/true") || program.ends_with("/false"),
                    _ => false,
                }
            };
            files.text(&file).lines().any(keeps).then(|| format!("/{}", safe(file.as_bytes())))
        })
    })
}

// ---- not there, though the kernel has it

/// Why `/dev` has no node for a camera that the kernel has.
pub fn without_name(files: &Files, path: &Path) -> Option<Fault> {
    let name = path.file_name()?.to_str().filter(|_| path.parent() == Some(Path::new("/dev")))?;
    if !files.path("sys/class/video4linux").join(name).exists() {
        return None;
    }
    let shown = path.display();
    let fault = |what: String| Fault::new(FaultKind::Missing, what).with_code(2);
    Some(match Sandbox::around(files) {
        Some(sandbox) => {
            fault(format!("{shown} is on this computer, but not in the {} that this program runs in", sandbox.word()))
                .with_advice(sandbox.advice(path, None))
        }
        None => fault(format!("the system has a camera for {shown}, but /dev has no node of that name"))
            .with_advice("Unplug the camera and plug it in again; if it stays so, see whether udev runs: systemctl status systemd-udevd."),
    })
}

// ---- denied

/// Whose a node is, and who may do what with it.
#[derive(Clone, Copy)]
pub struct Rights {
    uid: u32,
    gid: u32,
    /// As `chmod` has it.
    mode: u32,
}

impl Rights {
    /// `None` where the system does not even tell this.
    pub fn of(path: &Path) -> Option<Self> {
        let node = fs::metadata(path).ok()?;
        Some(Self { uid: node.uid(), gid: node.gid(), mode: node.mode() })
    }
}

/// Who is asking: this process.
struct Caller {
    uid: u32,
    /// All that it is in, the first of them its own.
    groups: Vec<u32>,
}

impl Caller {
    /// From `/proc/self/status`, by the ids that count for files.
    fn of(files: &Files) -> Option<Self> {
        let status = files.text("proc/self/status");
        let numbers = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).collect::<Vec<_>>())
        };
        let (uids, gids, more) = (numbers("Uid:")?, numbers("Gid:")?, numbers("Groups:").unwrap_or_default());
        let groups = gids.last().copied().into_iter().chain(more).collect();
        Some(Self { uid: *uids.last()?, groups })
    }

    /// Whether these rights let it in.
    fn may(&self, Rights { uid, gid, mode }: Rights) -> bool {
        // The class of its owner, of its group, or of all others counts, and no other (`path_resolution(7)`).
        let shift = match () {
            () if uid == self.uid => 6,
            () if self.groups.contains(&gid) => 3,
            () => 0,
        };
        self.uid == 0 || mode >> shift & READ_AND_WRITE == READ_AND_WRITE
    }
}

/// A name of `/etc/group`, and whether a user is on its list.
fn group_of(files: &Files, gid: u32, user: &str) -> (String, bool) {
    let text = files.text("etc/group");
    let found = text.lines().find_map(|line| {
        let fields = line.split(':').collect::<Vec<_>>();
        let &[name, _, number, members] = fields.as_slice() else { return None };
        (number.parse() == Ok(gid)).then(|| (safe(name.as_bytes()), members.split(',').any(|member| member == user)))
    });
    found.unwrap_or_else(|| (gid.to_string(), false))
}

/// Whether a node's own rights let this process in, whoever else may refuse. `None` where they cannot be read.
pub fn is_allowed(files: &Files, path: &Path) -> Option<bool> {
    Some(Caller::of(files)?.may(Rights::of(path)?))
}

/// What this program runs in, in one word: `snap`, `docker`, the name of a container's manager or of a service.
pub fn confinement(files: &Files) -> Option<String> {
    Some(match Sandbox::around(files)? {
        Sandbox::Flatpak(_) => "flatpak".to_owned(),
        Sandbox::Snap(_) => "snap".to_owned(),
        Sandbox::Docker => "docker".to_owned(),
        Sandbox::Podman => "podman".to_owned(),
        Sandbox::Kubernetes => "kubernetes".to_owned(),
        Sandbox::Other(name) | Sandbox::Service(name) => name,
    })
}

/// Why a node may not be opened.
pub fn denied(files: &Files, path: &Path, code: i32, rights: Option<Rights>) -> Fault {
    let (shown, sandbox) = (path.display(), Sandbox::around(files));
    let (Some(caller), Some(Rights { uid, gid, mode })) = (Caller::of(files), rights) else {
        return kept_by(sandbox, path, None, code);
    };
    let user = match caller.uid {
        0 => "root".to_owned(),
        uid => user_name(&files.text("etc/passwd"), uid),
    };
    let (group, is_listed) = group_of(files, gid, &user);
    let group_may = mode >> 3 & READ_AND_WRITE == READ_AND_WRITE;
    if code == EPERM || caller.may(Rights { uid, gid, mode }) {
        return kept_by(sandbox, path, Some(&group), code);
    }
    let fault = |what: String| Fault::new(FaultKind::Denied, format!("{shown} {what}")).with_code(code);
    if !group_may || gid == 0 {
        let owner = if uid == 0 { "root".to_owned() } else { user_name(&files.text("etc/passwd"), uid) };
        return fault(format!("may be opened by {owner} only, and this program runs as {user}")).with_advice(
            "Have a udev rule give it to the group video (SUBSYSTEM==\"video4linux\", GROUP=\"video\", MODE=\"0660\"), add yourself to that group, and plug the camera in again.",
        );
    }
    if is_listed {
        let what = format!("belongs to the group {group}: {user} is in it, but was added after this session began");
        return fault(what).with_advice(
            "Log out of the whole session and log in again (or restart the computer): a new terminal is not enough.",
        );
    }
    let advice = match sandbox {
        Some(sandbox) => sandbox.advice(path, Some(&group)),
        None => format!(
            "Add yourself to the group: sudo usermod -aG {group} {}; then log out and log in again.",
            if user.starts_with("user ") { "\"$USER\"" } else { &user }
        ),
    };
    fault(format!("belongs to the group {group}, and {user} is not in it")).with_advice(advice)
}

/// The node's own rights would let us in.
fn kept_by(sandbox: Option<Sandbox>, path: &Path, group: Option<&str>, code: i32) -> Fault {
    let shown = path.display();
    let fault = |what: String| Fault::new(FaultKind::Denied, format!("{shown} {what}")).with_code(code);
    match sandbox {
        Some(sandbox) => fault(format!("is kept from this program by the {} it runs in", sandbox.word()))
            .with_advice(sandbox.advice(path, group)),
        // The kernel's words are the same for a list of devices and for a policy; these two write what they refuse.
        None => codes::errno(code, Call::Open).filter(|_| code == EPERM).map_or_else(
            || {
                fault("is kept from this program by a security policy of this system (AppArmor, SELinux)".to_owned())
                    .with_advice("Look for DENIED or avc in the kernel's log (sudo dmesg), and allow this program what it names.")
            },
            |meaning| meaning.fault(&shown.to_string(), code),
        ),
    }
}

/// What keeps a program apart from the rest of the system.
#[derive(Debug, PartialEq, Eq)]
enum Sandbox {
    Flatpak(String),
    Snap(String),
    Docker,
    Podman,
    Kubernetes,
    /// By its manager's name: `lxc`, `systemd-nspawn`.
    Other(String),
    /// A service of systemd, which may have a list of devices of its own.
    Service(String),
}

impl Sandbox {
    fn around(files: &Files) -> Option<Self> {
        if files.path(".flatpak-info").exists() {
            let info = files.text(".flatpak-info");
            let app = info.lines().find_map(|line| line.strip_prefix("name=")).unwrap_or("APP");
            return Some(Self::Flatpak(plain_name(app)));
        }
        if let Some(snap) = &files.snap {
            return Some(Self::Snap(plain_name(snap)));
        }
        let groups = files.text("proc/self/cgroup");
        if groups.contains("kubepods") {
            return Some(Self::Kubernetes);
        }
        if files.path("run/.containerenv").exists() || groups.contains("libpod") {
            return Some(Self::Podman);
        }
        if files.path(".dockerenv").exists() || groups.contains("/docker") {
            return Some(Self::Docker);
        }
        let manager = ["run/host/container-manager", "run/systemd/container"].map(|file| files.text(file));
        if let Some(manager) = manager.iter().map(|name| plain_name(name.trim())).find(|name| !name.is_empty()) {
            return Some(Self::Other(manager));
        }
        let unit = groups.lines().find_map(|line| line.split_once("/system.slice/")?.1.split('/').next());
        // Logins through SSH and on a terminal are sessions; these are not.
        unit.filter(|unit| unit.ends_with(".service")).map(|unit| Self::Service(plain_name(unit)))
    }

    fn word(&self) -> String {
        match self {
            Self::Flatpak(_) => "Flatpak sandbox".to_owned(),
            Self::Snap(_) => "snap".to_owned(),
            Self::Docker => "Docker container".to_owned(),
            Self::Podman => "Podman container".to_owned(),
            Self::Kubernetes => "Kubernetes pod".to_owned(),
            Self::Other(manager) => format!("container ({manager})"),
            Self::Service(unit) => format!("service {unit}"),
        }
    }

    fn advice(&self, path: &Path, group: Option<&str>) -> String {
        let shown = path.display();
        let group = group.unwrap_or("video");
        match self {
            Self::Flatpak(app) => {
                format!("Let it see devices: flatpak override --user --device=all {app}; then start it again.")
            }
            Self::Snap(name) => format!("Connect it: sudo snap connect {name}:camera; then start it again."),
            Self::Docker => {
                format!(
                    "Start the container with --device {shown} --group-add {group}, after the camera was plugged in."
                )
            }
            Self::Podman => format!("Start the container with --device {shown} --group-add keep-groups."),
            Self::Kubernetes => {
                format!(
                    "Give the pod the device {shown}: through a device plug-in, or as a privileged pod that mounts /dev."
                )
            }
            Self::Other(_) => format!("Give the container access to {shown}, in its manager's settings for devices."),
            Self::Service(unit) => format!(
                "Run sudo systemctl edit {unit}, write DeviceAllow=char-video4linux rw and SupplementaryGroups={group} under [Service], and restart it."
            ),
        }
    }
}

/// Fit to stand in a command that is copied.
fn plain_name(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_alphanumeric() || "._@-".contains(c) { c } else { '_' }).collect()
}

// ---- what is no camera

/// What a device is that is no camera, by its path. Follows “is”.
pub fn what_it_is(path: &Path) -> &'static str {
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

// ---- no room on the bus

/// Cameras that have a USB bus' time reserved beside the one of `node`, by their numbers.
pub fn neighbours(sysfs: &Path, node: &Path) -> Vec<u32> {
    let bus = |node: &Path| {
        let device = fs::canonicalize(node.join("device")).ok()?;
        let is_bus = |folder: &&Path| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.strip_prefix("usb")).is_some_and(|number| number.parse::<u32>().is_ok())
        };
        Some((device.ancestors().find(is_bus)?.to_owned(), device.parent()?.to_owned()))
    };
    let Some((own_bus, own)) = bus(node) else { return Vec::new() };
    let mut numbers = fs::read_dir(sysfs)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let is_main = read(&entry.path().join("index")).is_none_or(|index| index == "0");
            is_main && bus(&entry.path()).is_some_and(|(bus, usb)| bus == own_bus && usb != own && has_stream(&usb))
        })
        .filter_map(|entry| super::number_of(&entry.path()))
        .collect::<Vec<_>>();
    numbers.sort_unstable();
    numbers
}

/// A camera that streams has one of its interfaces in a setting other than 0, in which it takes none of the bus' time.
fn has_stream(usb: &Path) -> bool {
    fs::read_dir(usb).into_iter().flatten().flatten().any(|entry| {
        let file = |file| read(&entry.path().join(file));
        file("bInterfaceClass").as_deref() == Some("0e")
            && file("bAlternateSetting").is_some_and(|setting| setting.trim() != "0")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder laid out as the root of a system.
    struct FakeSystem {
        root: tempfile::TempDir,
        snap: Option<String>,
    }

    impl FakeSystem {
        fn new() -> Self {
            let system = Self { root: tempfile::tempdir().unwrap(), snap: None };
            let system = system.with("etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n");
            system.with(
                "proc/self/status",
                "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t4 1000\n",
            )
        }

        fn with(self, file: &str, text: &str) -> Self {
            let path = self.root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn files(&self) -> Files {
            Files { root: self.root.path().to_owned(), snap: self.snap.clone() }
        }

        /// With these members of the group that the node belongs to.
        fn group(self, members: &str) -> Self {
            self.with("etc/group", &format!("root:x:0:\nadm:x:4:anna\nvideo:x:44:{members}\n"))
        }

        /// As the camera's USB device, with its first interface.
        fn plugged_in(self, driver: Option<&str>) -> Self {
            let usb = "sys/devices/pci0/usb1/1-1";
            let interface = format!("{usb}/1-1:1.0");
            let usb_files = [("idVendor", "046d"), ("idProduct", "082d"), ("product", "HD Pro C920"), ("serial", "A7")];
            let system =
                usb_files.iter().fold(self, |system, (file, text)| system.with(&format!("{usb}/{file}"), text));
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

        #[track_caller]
        fn check_undriven(&self, message: &str, advice: &str) {
            let found = without_driver(&self.files());
            let [one] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(one.device.identity, "usb-046d_082d_A7");
            assert_eq!(one.fault.kind, FaultKind::Missing);
            let start = "HD Pro C920 (USB device 046d:082d in port 1-1) is plugged in, but ";
            assert_eq!(one.fault.message.strip_prefix(start), Some(message));
            assert!(one.fault.advice.contains(advice), "{}", one.fault.advice);
        }

        #[track_caller]
        fn check_denied(&self, code: i32, mode: u32, message: &str, advice: &str) {
            let rights = Rights { uid: 0, gid: 44, mode: 0o020_000 | mode };
            let fault = denied(&self.files(), Path::new("/dev/video7"), code, Some(rights));
            assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(i64::from(code))), "{fault}");
            assert_eq!(fault.message.strip_prefix("/dev/video7 "), Some(message));
            assert!(fault.advice.contains(advice), "{}", fault.advice);
        }
    }

    const ALL_MODULES: &str = "kernel/drivers/media/usb/uvc/uvcvideo.ko: kernel/x.ko\n";

    #[test]
    fn a_camera_without_a_driver_says_why() {
        let plugged_in = |driver| FakeSystem::new().plugged_in(driver).with("proc/sys/kernel/osrelease", "6.1.0\n");
        assert_eq!(without_driver(&plugged_in(Some("uvcvideo")).files()).len(), 0);
        plugged_in(None).check_undriven("its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
        plugged_in(None)
            .with("lib/modules/6.1.0/modules.dep", ALL_MODULES)
            .check_undriven("its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
        plugged_in(None).with("lib/modules/6.1.0/modules.dep", "kernel/fs/ext4/ext4.ko:\n").check_undriven(
            "this kernel comes without the driver for USB cameras (uvcvideo)",
            "linux-modules-extra-6.1.0",
        );
        plugged_in(None)
            .with("sys/module/uvcvideo/refcnt", "0")
            .check_undriven("no driver has taken it", "echo 1-1:1.0 | sudo tee /sys/bus/usb/drivers/uvcvideo/bind");
        plugged_in(Some("usbfs")).check_undriven(
            "a program or a virtual machine uses it as a bare USB device (usbfs)",
            "End the virtual machine",
        );
        plugged_in(Some("gspca_main"))
            .check_undriven("the driver gspca_main has taken it, which makes no camera of it", "gspca_main/unbind");
    }

    #[test]
    fn a_driver_that_may_not_be_loaded_is_told_from_one_that_is_not() {
        let check = |file: &str, text: &str, expected: bool| {
            let system = FakeSystem::new().plugged_in(None).with(file, text);
            if expected {
                let message = format!("its driver, uvcvideo, is kept from being loaded by /{file}");
                system.check_undriven(&message, &format!("out of /{file}"));
            } else {
                system.check_undriven("its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
            }
        };
        check("etc/modprobe.d/no-camera.conf", "# off\nblacklist uvcvideo\n", true);
        check("usr/lib/modprobe.d/x.conf", "  install uvcvideo   /bin/false\n", true);
        check("etc/modprobe.d/x.conf", "#blacklist uvcvideo\nblacklist uvcvideo2\n", false);
        check("etc/modprobe.d/x.conf", "install uvcvideo /sbin/modprobe --ignore-install uvcvideo\n", false);
        check("etc/modprobe.d/x.conf.bak", "blacklist uvcvideo\n", false);
    }

    #[test]
    fn what_this_program_runs_in_has_one_word() {
        let check = |system: FakeSystem, expected: Option<&str>| {
            assert_eq!(confinement(&system.files()).as_deref(), expected);
        };
        check(FakeSystem::new(), None);
        check(FakeSystem::new().with(".dockerenv", ""), Some("docker"));
        check(FakeSystem::new().with("run/.containerenv", ""), Some("podman"));
        check(FakeSystem::new().with(".flatpak-info", "[Application]\nname=x.Y\n"), Some("flatpak"));
        check(FakeSystem::new().with("run/systemd/container", "lxc\n"), Some("lxc"));
        check(FakeSystem::new().with("proc/self/cgroup", "0::/system.slice/cam.service\n"), Some("cam.service"));
        check(FakeSystem { snap: Some("camclinic".to_owned()), ..FakeSystem::new() }, Some("snap"));
    }

    #[test]
    fn the_rights_of_a_node_count_by_class() {
        let caller = Caller { uid: 1_000, groups: vec![1_000, 44] };
        let check = |uid, gid, mode: u32, expected| {
            assert_eq!(caller.may(Rights { uid, gid, mode: 0o020_000 | mode }), expected, "{uid} {gid} {mode:o}");
        };
        check(0, 44, 0o660, true);
        check(0, 45, 0o660, false);
        check(0, 45, 0o666, true);
        check(0, 44, 0o606, false);
        check(1_000, 45, 0o600, true);
        check(1_000, 44, 0o060, false);
        check(0, 44, 0o640, false);
        assert!(Caller { uid: 0, groups: vec![0] }.may(Rights { uid: 5, gid: 5, mode: 0 }));
    }

    #[test]
    fn a_device_that_is_not_authorized_is_named() {
        let usb = "sys/devices/pci0/usb1/1-1";
        let system = FakeSystem::new()
            .plugged_in(Some("uvcvideo"))
            .with(&format!("{usb}/bDeviceClass"), "ef\n")
            .with(&format!("{usb}/authorized"), "0\n");
        system.check_undriven(
            "is kept off by a policy for USB devices (it is not authorized)",
            "/sys/bus/usb/devices/1-1/authorized",
        );
        let system = system.with(&format!("{usb}/authorized"), "1\n");
        assert!(without_driver(&system.files()).is_empty());
        // Any other sort of device is none of our business.
        let system = system.with(&format!("{usb}/authorized"), "0\n").with(&format!("{usb}/bDeviceClass"), "09\n");
        assert!(without_driver(&system.files()).is_empty());
    }

    #[test]
    fn a_node_that_the_container_lacks_is_told_from_none() {
        let node = Path::new("/dev/video7");
        assert_eq!(without_name(&FakeSystem::new().files(), node), None);
        let system = FakeSystem::new().with("sys/class/video4linux/video7/name", "Cam");
        assert_eq!(without_name(&system.files(), Path::new("/tmp/video7")), None);
        let fault = without_name(&system.files(), node).unwrap();
        assert!(
            fault.message.ends_with("but /dev has no node of that name") && fault.advice.contains("udev"),
            "{fault}"
        );
        let fault = without_name(&system.with(".dockerenv", "").files(), node).unwrap();
        assert_eq!((fault.kind, fault.code), (FaultKind::Missing, Some(2)));
        assert!(fault.message.contains("not in the Docker container"), "{fault}");
        assert!(fault.advice.contains("--device /dev/video7 --group-add video"), "{}", fault.advice);
    }

    #[test]
    fn a_user_outside_of_the_group_is_told_which() {
        let system = FakeSystem::new().group("berta");
        let message = "belongs to the group video, and anna is not in it";
        system.check_denied(13, 0o660, message, "sudo usermod -aG video anna;");
        let system = system.with("proc/self/cgroup", "0::/system.slice/motion.service\n");
        system.check_denied(13, 0o660, message, "SupplementaryGroups=video");
        let system = system.with(".dockerenv", "");
        system.check_denied(13, 0o660, message, "--group-add video");
        // Whoever is on no list has no name either.
        let system = FakeSystem::new().group("").with("etc/passwd", "");
        system.check_denied(
            13,
            0o660,
            "belongs to the group video, and user 1000 is not in it",
            "-aG video \"$USER\";",
        );
        let system = FakeSystem::new().with("etc/group", "");
        system.check_denied(13, 0o660, "belongs to the group 44, and anna is not in it", "usermod -aG 44 anna");
    }

    #[test]
    fn a_user_who_joined_the_group_since_the_login_is_told_to_log_in_again() {
        let system = FakeSystem::new().group("berta,anna");
        system.check_denied(
            13,
            0o660,
            "belongs to the group video: anna is in it, but was added after this session began",
            "Log out",
        );
    }

    #[test]
    fn a_node_of_its_owner_alone_wants_a_rule() {
        let system = FakeSystem::new().group("anna");
        let message = "may be opened by root only, and this program runs as anna";
        system.check_denied(13, 0o600, message, "udev rule");
        system.check_denied(13, 0o640, message, "udev rule");
    }

    #[test]
    fn who_has_the_rights_and_is_refused_is_in_a_sandbox() {
        let allowed = |status: &str| {
            let system = FakeSystem::new().group("anna");
            system.with("proc/self/status", status)
        };
        let member = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t44\n";
        let root = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n";
        for status in [member, root] {
            let policy = "is kept from this program by a security policy of this system (AppArmor, SELinux)";
            allowed(status).check_denied(13, 0o660, policy, "sudo dmesg");
        }
        let kept = |by: &str| format!("is kept from this program by the {by} it runs in");
        let check = |file: &str, text: &str, by: &str, advice: &str| {
            allowed(root).with(file, text).check_denied(1, 0o660, &kept(by), advice);
        };
        check(".flatpak-info", "[Application]\nname=org.x.Cam;rm\n", "Flatpak sandbox", "--device=all org.x.Cam_rm;");
        check(".dockerenv", "", "Docker container", "--device /dev/video7 --group-add video");
        check("proc/self/cgroup", "0::/docker/af01\n", "Docker container", "--device /dev/video7");
        check("proc/self/cgroup", "0::/kubepods/besteffort/pod1\n", "Kubernetes pod", "Give the pod the device");
        check("run/.containerenv", "", "Podman container", "keep-groups");
        check("run/host/container-manager", "lxc\n", "container (lxc)", "/dev/video7");
        check("run/systemd/container", "systemd-nspawn", "container (systemd-nspawn)", "/dev/video7");
        let unit = "0::/system.slice/motion.service\n";
        check("proc/self/cgroup", unit, "service motion.service", "sudo systemctl edit motion.service");
        let session = "0::/user.slice/user-0.slice/session-1.scope\n";
        let system = allowed(root).with("proc/self/cgroup", session);
        system.check_denied(1, 0o660, "is kept from this program by a container or sandbox", "container or sandbox");
        let mut system = allowed(member);
        system.snap = Some("camclinic".into());
        system.check_denied(13, 0o660, &kept("snap"), "sudo snap connect camclinic:camera");
    }

    #[test]
    fn a_node_of_which_nothing_is_known_is_denied_all_the_same() {
        let fault = denied(&FakeSystem::new().files(), Path::new("/dev/x"), 13, None);
        assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(13)));
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

    #[test]
    fn cameras_that_stream_on_the_same_bus_are_found() {
        let system = FakeSystem::new();
        let class = system.root.path().join("class");
        fs::create_dir_all(&class).unwrap();
        let camera = |number: u32, usb: &str, setting: &str| {
            let interface = system.root.path().join(format!("pci0/{usb}:1.0"));
            let node = interface.join(format!("video4linux/video{number}"));
            fs::create_dir_all(&node).unwrap();
            symlink(&interface, node.join("device")).unwrap();
            symlink(&node, class.join(format!("video{number}"))).unwrap();
            let pictures = system.root.path().join(format!("pci0/{usb}:1.1"));
            fs::create_dir_all(&pictures).unwrap();
            fs::write(pictures.join("bInterfaceClass"), "0e\n").unwrap();
            fs::write(pictures.join("bAlternateSetting"), format!("{setting}\n")).unwrap();
        };
        camera(0, "usb1/1-1/1-1", "11");
        camera(2, "usb1/1-2/1-2.4/1-2.4", " 6");
        camera(4, "usb1/1-3/1-3", " 0");
        camera(6, "usb2/2-1/2-1", "7");
        assert_eq!(neighbours(&class, &class.join("video4")), [0, 2]);
        assert_eq!(neighbours(&class, &class.join("video0")), [2]);
        assert_eq!(neighbours(&class, &class.join("video6")), [0; 0]);
        assert_eq!(neighbours(&class, &class.join("video9")), [0; 0]);
    }
}
