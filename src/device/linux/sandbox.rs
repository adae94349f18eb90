//! What keeps this program apart from the rest of the system: a sandbox, a container, or a service with a list of devices. Told
//! from the files that each of them leaves.

use std::path::Path;

use super::system_files::SystemFiles;
use crate::fault::{Fault, FaultKind};

/// What this program runs in.
#[derive(Debug, PartialEq, Eq)]
pub enum Sandbox {
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
    pub fn around(files: &SystemFiles) -> Option<Self> {
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

    /// Follows “the”.
    pub fn word(&self) -> String {
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

    /// How to let it see a node, which belongs to `group`.
    pub fn advice(&self, path: &Path, group: Option<&str>) -> String {
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

/// What this program runs in, in one word: `snap`, `docker`, the name of a container's manager or of a service.
pub fn confinement(files: &SystemFiles) -> Option<String> {
    Some(match Sandbox::around(files)? {
        Sandbox::Flatpak(_) => "flatpak".to_owned(),
        Sandbox::Snap(_) => "snap".to_owned(),
        Sandbox::Docker => "docker".to_owned(),
        Sandbox::Podman => "podman".to_owned(),
        Sandbox::Kubernetes => "kubernetes".to_owned(),
        Sandbox::Other(name) | Sandbox::Service(name) => name,
    })
}

/// Why `/dev` has no node for a camera that the kernel has.
pub fn without_name(files: &SystemFiles, path: &Path) -> Option<Fault> {
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

#[cfg(test)]
mod tests {
    use super::super::fake::FakeRoot;
    use super::*;

    #[test]
    fn what_this_program_runs_in_has_one_word() {
        let check = |system: FakeRoot, expected: Option<&str>| {
            assert_eq!(confinement(&system.files()).as_deref(), expected);
        };
        check(FakeRoot::new(), None);
        check(FakeRoot::new().with(".dockerenv", ""), Some("docker"));
        check(FakeRoot::new().with("run/.containerenv", ""), Some("podman"));
        check(FakeRoot::new().with(".flatpak-info", "[Application]\nname=x.Y\n"), Some("flatpak"));
        check(FakeRoot::new().with("run/systemd/container", "lxc\n"), Some("lxc"));
        check(FakeRoot::new().with("proc/self/cgroup", "0::/system.slice/cam.service\n"), Some("cam.service"));
        check(FakeRoot { snap: Some("camclinic".to_owned()), ..FakeRoot::new() }, Some("snap"));
    }

    #[test]
    fn a_node_that_the_container_lacks_is_told_from_none() {
        let node = Path::new("/dev/video7");
        assert_eq!(without_name(&FakeRoot::new().files(), node), None);
        let system = FakeRoot::new().with("sys/class/video4linux/video7/name", "Cam");
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
}
