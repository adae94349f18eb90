//! Whose a node is, who may open it, and why this program may not. Only files are read; nothing is opened.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::processes::user_name;
use super::sandbox::Sandbox;
use super::system_files::SystemFiles;
use crate::device::codes::{self, Call};
use crate::fault::{Fault, FaultKind};
use crate::foreign::safe;

const EPERM: i32 = 1;
const READ_AND_WRITE: u32 = 0o6;

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
    fn of(files: &SystemFiles) -> Option<Self> {
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
fn group_of(files: &SystemFiles, gid: u32, user: &str) -> (String, bool) {
    let text = files.text("etc/group");
    let found = text.lines().find_map(|line| {
        let fields = line.split(':').collect::<Vec<_>>();
        let &[name, _, number, members] = fields.as_slice() else { return None };
        (number.parse() == Ok(gid)).then(|| (safe(name.as_bytes()), members.split(',').any(|member| member == user)))
    });
    found.unwrap_or_else(|| (gid.to_string(), false))
}

/// Whether a node's own rights let this process in, whoever else may refuse. `None` where they cannot be read.
pub fn is_allowed(files: &SystemFiles, path: &Path) -> Option<bool> {
    Some(Caller::of(files)?.may(Rights::of(path)?))
}

/// Why a node may not be opened.
pub fn denied(files: &SystemFiles, path: &Path, code: i32, rights: Option<Rights>) -> Fault {
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

#[cfg(test)]
mod tests {
    use super::super::fake::FakeRoot;
    use super::*;

    /// With these members of the group that the node belongs to.
    fn with_members(members: &str) -> FakeRoot {
        FakeRoot::new().with("etc/group", &format!("root:x:0:\nadm:x:4:anna\nvideo:x:44:{members}\n"))
    }

    #[track_caller]
    fn check(system: &FakeRoot, code: i32, mode: u32, message: &str, advice: &str) {
        let rights = Rights { uid: 0, gid: 44, mode: 0o020_000 | mode };
        let fault = denied(&system.files(), Path::new("/dev/video7"), code, Some(rights));
        assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(i64::from(code))), "{fault}");
        assert_eq!(fault.message.strip_prefix("/dev/video7 "), Some(message));
        assert!(fault.advice.contains(advice), "{}", fault.advice);
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
    fn a_user_outside_of_the_group_is_told_which() {
        let system = with_members("berta");
        let message = "belongs to the group video, and anna is not in it";
        check(&system, 13, 0o660, message, "sudo usermod -aG video anna;");
        let system = system.with("proc/self/cgroup", "0::/system.slice/motion.service\n");
        check(&system, 13, 0o660, message, "SupplementaryGroups=video");
        let system = system.with(".dockerenv", "");
        check(&system, 13, 0o660, message, "--group-add video");
        // Whoever is on no list has no name either.
        let system = with_members("").with("etc/passwd", "");
        check(&system, 13, 0o660, "belongs to the group video, and user 1000 is not in it", "-aG video \"$USER\";");
        let system = FakeRoot::new().with("etc/group", "");
        check(&system, 13, 0o660, "belongs to the group 44, and anna is not in it", "usermod -aG 44 anna");
    }

    #[test]
    fn a_user_who_joined_the_group_since_the_login_is_told_to_log_in_again() {
        let system = with_members("berta,anna");
        check(
            &system,
            13,
            0o660,
            "belongs to the group video: anna is in it, but was added after this session began",
            "Log out",
        );
    }

    #[test]
    fn a_node_of_its_owner_alone_wants_a_rule() {
        let system = with_members("anna");
        let message = "may be opened by root only, and this program runs as anna";
        check(&system, 13, 0o600, message, "udev rule");
        check(&system, 13, 0o640, message, "udev rule");
    }

    #[test]
    fn who_has_the_rights_and_is_refused_is_in_a_sandbox() {
        let allowed = |status: &str| {
            let system = with_members("anna");
            system.with("proc/self/status", status)
        };
        let member = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t44\n";
        let root = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\n";
        for status in [member, root] {
            let policy = "is kept from this program by a security policy of this system (AppArmor, SELinux)";
            check(&allowed(status), 13, 0o660, policy, "sudo dmesg");
        }
        let kept = |by: &str| format!("is kept from this program by the {by} it runs in");
        let check_kept = |file: &str, text: &str, by: &str, advice: &str| {
            check(&allowed(root).with(file, text), 1, 0o660, &kept(by), advice);
        };
        check_kept(
            ".flatpak-info",
            "[Application]\nname=org.x.Cam;rm\n",
            "Flatpak sandbox",
            "--device=all org.x.Cam_rm;",
        );
        check_kept(".dockerenv", "", "Docker container", "--device /dev/video7 --group-add video");
        check_kept("proc/self/cgroup", "0::/docker/af01\n", "Docker container", "--device /dev/video7");
        check_kept("proc/self/cgroup", "0::/kubepods/besteffort/pod1\n", "Kubernetes pod", "Give the pod the device");
        check_kept("run/.containerenv", "", "Podman container", "keep-groups");
        check_kept("run/host/container-manager", "lxc\n", "container (lxc)", "/dev/video7");
        check_kept("run/systemd/container", "systemd-nspawn", "container (systemd-nspawn)", "/dev/video7");
        let unit = "0::/system.slice/motion.service\n";
        check_kept("proc/self/cgroup", unit, "service motion.service", "sudo systemctl edit motion.service");
        let session = "0::/user.slice/user-0.slice/session-1.scope\n";
        let system = allowed(root).with("proc/self/cgroup", session);
        check(&system, 1, 0o660, "is kept from this program by a container or sandbox", "container or sandbox");
        let mut system = allowed(member);
        system.snap = Some("camclinic".into());
        check(&system, 13, 0o660, &kept("snap"), "sudo snap connect camclinic:camera");
    }

    #[test]
    fn a_node_of_which_nothing_is_known_is_denied_all_the_same() {
        let fault = denied(&FakeRoot::new().files(), Path::new("/dev/x"), 13, None);
        assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(13)));
    }
}
