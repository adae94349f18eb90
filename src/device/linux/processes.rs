//! Who has a node open, as `/proc` tells.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use jiff::Timestamp;

use crate::device::holders::{Holder, Role, sort};
use crate::foreign::safe;

const PROC: &str = "/proc";
const PASSWD: &str = "/etc/passwd";
/// `USER_HZ`, in which the kernel tells times: 100 on every architecture that Rust supports (`asm/param.h`).
const TICKS_PER_SECOND: i64 = 100;
const WORKER: &str = "camclinic-worker";
const PROGRAM: &str = "camclinic";

/// All that this user may see: root sees every process, others their own. In the order of the nodes.
pub fn holders_of_each(nodes: &[&Path]) -> Vec<Vec<Holder>> {
    holders_in(Path::new(PROC), Path::new(PASSWD), nodes, std::process::id())
}

pub fn holders(node: &Path) -> Vec<Holder> {
    holders_of_each(&[node]).pop().unwrap_or_default()
}

/// `own` is the number of this process. Each process is looked at once, however many nodes there are.
fn holders_in(proc: &Path, passwd: &Path, nodes: &[&Path], own: u32) -> Vec<Vec<Holder>> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let nodes = nodes.iter().map(|node| (*node, fs::metadata(node).ok())).collect::<Vec<_>>();
    let booted_at = booted_at(proc);
    let mut users = None;
    let mut holders = vec![Vec::new(); nodes.len()];
    for process in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let folder = process.path();
        let held = held(&folder, &nodes);
        if held.is_empty() {
            continue;
        }
        // It has ended in the meantime.
        let Some(stat) = Stat::of(&folder) else { continue };
        let users = users.get_or_insert_with(|| fs::read_to_string(passwd).unwrap_or_default());
        let program = program(&folder, &stat);
        let holder = Holder {
            pid,
            user: uid(&folder).map(|uid| user_name(users, uid)),
            since: booted_at.and_then(|boot| Timestamp::from_second(boot + stat.started / TICKS_PER_SECOND).ok()),
            role: role(proc, pid, &program, &stat, own),
            program,
        };
        for (nth, holders) in holders.iter_mut().enumerate() {
            if held.contains(&nth) {
                holders.push(holder.clone());
            }
        }
    }
    for holders in &mut holders {
        sort(holders);
    }
    holders
}

/// Which of the nodes it has open: by path, or by number on the kernel's list of devices, because in a container the same
/// camera may have another name.
fn held(folder: &Path, nodes: &[(&Path, Option<Metadata>)]) -> Vec<usize> {
    let mut held = Vec::new();
    for fd in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(fd.path()) else { continue };
        // Nothing else is looked at: a file on a server that does not answer would hold us up.
        let opened = target
            .starts_with("/dev")
            .then(|| fs::metadata(fd.path()).ok().filter(|file| file.file_type().is_char_device()))
            .flatten();
        let is_it = |(node, device): &(&Path, Option<Metadata>)| {
            let device = device.as_ref().filter(|device| device.file_type().is_char_device());
            target == *node || device.zip(opened.as_ref()).is_some_and(|(a, b)| a.rdev() == b.rdev())
        };
        held.extend(nodes.iter().enumerate().filter(|(_, node)| is_it(node)).map(|(nth, _)| nth));
    }
    held
}

/// What `proc(5)` has in `/proc/PID/stat`.
struct Stat {
    comm: String,
    parent: u32,
    /// In ticks since the computer was started.
    started: i64,
}

impl Stat {
    fn of(folder: &Path) -> Option<Self> {
        let bytes = fs::read(folder.join("stat")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // The name may itself hold parentheses and blanks.
        let (start, rest) = text.rsplit_once(')')?;
        let (_, comm) = start.split_once('(')?;
        let mut fields = rest.split_whitespace();
        // Fields 3 (state), 4 (parent), and 22.
        let parent = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Self { comm: safe(comm.as_bytes()), parent, started })
    }
}

/// The kernel cuts names after 15 bytes; the first argument most often has the whole.
fn program(folder: &Path, stat: &Stat) -> String {
    let line = fs::read(folder.join("cmdline")).unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = safe(first.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    match stat.comm.as_str() {
        "" => "a program".to_owned(),
        comm if comm.len() >= 15 && name.starts_with(comm) => name,
        comm => comm.to_owned(),
    }
}

fn role(proc: &Path, pid: u32, program: &str, stat: &Stat, own: u32) -> Role {
    if pid == own {
        return Role::Own;
    }
    if program != WORKER {
        return Role::of(program);
    }
    // This process may itself be a capture process, and the other an earlier one of the same program.
    let own_parent = Stat::of(&proc.join(own.to_string()))
        .filter(|own_stat| own_stat.comm != PROGRAM && WORKER.starts_with(&own_stat.comm))
        .map(|own_stat| own_stat.parent);
    if stat.parent == own || own_parent == Some(stat.parent) {
        return Role::Own;
    }
    let parent = Stat::of(&proc.join(stat.parent.to_string()));
    if parent.is_some_and(|parent| parent.comm == PROGRAM) { Role::Program } else { Role::Leftover }
}

/// Seconds since 1970.
fn booted_at(proc: &Path) -> Option<i64> {
    let text = fs::read_to_string(proc.join("stat")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn uid(folder: &Path) -> Option<u32> {
    // The owner of the folder is root for a process that may not be looked into.
    let status = fs::read(folder.join("status")).ok()?;
    let text = String::from_utf8_lossy(&status);
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(super) fn user_name(passwd: &str, uid: u32) -> String {
    let uid = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    });
    name.map_or_else(|| format!("user {uid}"), |name| safe(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use super::*;

    /// A folder laid out as `/proc`.
    struct FakeProc(tempfile::TempDir);

    impl FakeProc {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::write(root.path().join("stat"), "cpu 1 2 3\nbtime 1000000000\nprocesses 5\n").unwrap();
            fs::write(root.path().join("passwd"), "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n").unwrap();
            fs::create_dir(root.path().join("sys")).unwrap();
            Self(root)
        }

        fn process(&self, pid: u32, parent: u32, command: &str, uid: u32, files: &[&str]) {
            let folder = self.0.path().join(pid.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            let name = command.rsplit('/').next().unwrap();
            let comm: String = name.chars().take(15).collect();
            // Started 120 s after the computer.
            let zeros = "0 ".repeat(17);
            fs::write(folder.join("stat"), format!("{pid} ({comm}) S {parent} {zeros}12000 0 0\n")).unwrap();
            fs::write(folder.join("status"), format!("Name:\t{comm}\nUid:\t{uid}\t0\t0\t0\n")).unwrap();
            fs::write(folder.join("cmdline"), format!("{command}\0--secret\0")).unwrap();
            for (n, file) in files.iter().enumerate() {
                symlink(file, folder.join("fd").join(n.to_string())).unwrap();
            }
        }

        fn holders(&self, node: &str, own: u32) -> Vec<Holder> {
            holders_in(self.0.path(), &self.0.path().join("passwd"), &[Path::new(node)], own).remove(0)
        }

        #[track_caller]
        fn check(&self, node: &str, own: u32, expected: &[(u32, Role)]) {
            let holders = self.holders(node, own);
            assert_eq!(holders.iter().map(|h| (h.pid, h.role)).collect::<Vec<_>>(), expected, "{holders:?}");
        }
    }

    #[test]
    fn a_holder_is_named_with_user_and_start() {
        let proc = FakeProc::new();
        proc.process(20, 1, "/usr/bin/cheese", 1000, &["/dev/null", "/dev/video7"]);
        proc.process(21, 1, "/usr/bin/vlc", 0, &["/dev/null", "socket:[1]", "/no/such/file"]);
        let cheese = Holder {
            pid: 20,
            program: "cheese".into(),
            user: Some("anna".into()),
            since: Timestamp::from_second(1_000_000_120).ok(),
            role: Role::Program,
        };
        assert_eq!(proc.holders("/dev/video7", 1), [cheese]);
        assert_eq!(proc.holders("/dev/video8", 1), []);
        assert_eq!(user_name("root:x:0:0", 12), "user 12");
    }

    #[test]
    fn the_same_device_under_another_name_is_found() {
        let proc = FakeProc::new();
        let link = proc.0.path().join("camera");
        symlink("/dev/null", &link).unwrap();
        proc.process(20, 1, "cheese", 1000, &["/dev/null"]);
        proc.process(21, 1, "vlc", 1000, &["/dev/zero"]);
        proc.check(link.to_str().unwrap(), 1, &[(20, Role::Program)]);
    }

    #[test]
    fn servers_come_last_and_our_own_are_known() {
        let proc = FakeProc::new();
        let node = "/dev/video7";
        proc.process(10, 1, "camclinic", 0, &[]);
        proc.process(11, 10, "/opt/camclinic-worker", 0, &[node]);
        proc.process(12, 10, "/opt/camclinic-worker", 0, &[]);
        proc.process(20, 1, "/usr/bin/camclinic-worker", 0, &[node]);
        proc.process(30, 1, "pipewire", 0, &[node]);
        proc.process(31, 1, "/usr/bin/wireplumber", 0, &[node]);
        proc.process(40, 1, "(evil) 1 2", 0, &[node]);
        let (others, own) = ([(40, Role::Program), (20, Role::Leftover)], [(11, Role::Own)]);
        let servers = [(30, Role::Bystander), (31, Role::Bystander)];
        let expected = [&others[..], &own, &servers].concat();
        // As the program itself sees it, and as its present capture process does.
        proc.check(node, 10, &expected);
        proc.check(node, 12, &expected);
        // Another Camclinic is a program like any other.
        proc.check(node, 99, &[(11, Role::Program), (40, Role::Program), (20, Role::Leftover), servers[0], servers[1]]);
    }

    #[test]
    fn what_goes_away_or_makes_no_sense_is_left_out() {
        let proc = FakeProc::new();
        proc.process(20, 1, "cheese", 0, &["/dev/video7"]);
        for (pid, stat) in [(21, &b""[..]), (22, b"22 (x"), (23, b"23 (x) S"), (24, b"\xff\xfe")] {
            proc.process(pid, 1, "x", 0, &["/dev/video7"]);
            fs::write(proc.0.path().join(format!("{pid}/stat")), stat).unwrap();
        }
        proc.process(25, 1, "x", 0, &["/dev/video7"]);
        fs::remove_file(proc.0.path().join("25/stat")).unwrap();
        proc.check("/dev/video7", 1, &[(20, Role::Program)]);
        let nobody = holders_in(Path::new("/no/such/proc"), Path::new("/none"), &[Path::new("/dev/video7")], 1);
        assert_eq!(nobody, [[]]);
    }

    #[test]
    fn many_nodes_are_asked_for_at_once() {
        let proc = FakeProc::new();
        proc.process(20, 1, "cheese", 0, &["/dev/video7", "/dev/video7", "/dev/video9"]);
        proc.process(21, 1, "vlc", 0, &["/dev/video9"]);
        let nodes = ["/dev/video7", "/dev/video8", "/dev/video9"].map(Path::new);
        let found = holders_in(proc.0.path(), &proc.0.path().join("passwd"), &nodes, 1);
        let pids = found.iter().map(|holders| holders.iter().map(|holder| holder.pid).collect::<Vec<_>>());
        assert_eq!(pids.collect::<Vec<_>>(), [vec![20], vec![], vec![20, 21]]);
        assert_eq!(holders_in(proc.0.path(), &proc.0.path().join("passwd"), &[], 1).len(), 0);
    }

    #[test]
    fn a_holder_among_500_processes_is_found_in_time() {
        let proc = FakeProc::new();
        for pid in 1..=500 {
            let files: Vec<_> = (0..20).map(|n| format!("socket:[{n}]")).chain(["/dev/null".to_owned()]).collect();
            let node = if pid == 321 { "/dev/video7" } else { "/dev/zero" };
            let files: Vec<_> = files.iter().map(String::as_str).chain([node]).collect();
            proc.process(pid, 1, "program", 1000, &files);
        }
        // The best of three: other work on the machine is not ours.
        let took = (0..3).map(|_| {
            let start = Instant::now();
            proc.check("/dev/video7", 9_999, &[(321, Role::Program)]);
            start.elapsed()
        });
        let best = took.min().unwrap();
        println!("500 processes with 22 files each: {best:?}");
        assert!(best <= Duration::from_millis(200), "{best:?}");
    }
}
