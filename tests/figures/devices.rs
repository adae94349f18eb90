//! How long it takes to say which cameras there are, and who has one.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camclinic::device::{self, Device};

use crate::machine;
use crate::table::{Scale, Times, print, print_skipped};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camclinic");

/// Ends them with the figure.
struct Crowd(Vec<Child>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn holder_named(scale: Scale) {
    let what = "holder named among 500 processes";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let folder = tempfile::tempdir().unwrap();
    let node = fs::canonicalize(folder.path()).unwrap().join("camera");
    fs::write(&node, "").unwrap();
    let waiting = |stdin: Stdio| Command::new("sleep").arg("600").stdin(stdin).stdout(Stdio::null()).spawn().unwrap();
    let crowd = Crowd((0..500).map(|_| waiting(Stdio::null())).collect());
    let holder = Crowd(vec![waiting(File::open(&node).unwrap().into())]);
    let device = Device { path: node.to_string_lossy().into_owned(), ..Device::default() };
    let n = scale.of(100);
    let times = Times::new((0..n).map(|_| {
        let begun = Instant::now();
        let holders = device::holders(&device);
        let took = begun.elapsed();
        let pids = holders.iter().map(|holder| holder.pid).collect::<Vec<_>>();
        assert_eq!(pids, holder.0.iter().map(Child::id).collect::<Vec<_>>());
        took
    }));
    drop(crowd);
    print(what, &times.in_ms(), "max ≤ 200 ms", n, times.at(1.0) <= 0.2);
}

/// In the machine with the lab's cameras, which is emulated: how much slower it is shows in the program's start.
pub fn list_of_eight(scale: Scale) {
    let what = "list --json, 8 devices";
    let Some(lab) = std::env::var_os("CAMCLINIC_LAB") else {
        return print_skipped(what, "CAMCLINIC_LAB is not set, so there are no cameras to list");
    };
    let n = scale.of(20).max(5);
    // Nanoseconds: of starting the program, and of the list.
    let script = format!(
        "timed() {{ s=$(date +%s%N); \"$@\" >/tmp/out; echo $(($(date +%s%N) - s)); }}
         {PROGRAM} list --json >/dev/null
         for i in $(seq {n}); do echo $(timed {PROGRAM} --version) $(timed {PROGRAM} list --json) $(grep -c '\"identity\"' /tmp/out); done"
    );
    let test_drivers = "n_devs=3 node_types=0x1,0x1,0x1 num_inputs=1,1,1 input_types=0,0,0";
    let output = Command::new(lab)
        .args(["-u", "-t", "300", "-v", test_drivers])
        .args(["uvc", "uvc", "uvc", "loop", "loop:empty"].iter().flat_map(|camera| ["--camera", camera]))
        .arg(script)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let rows = said
        .lines()
        .map(|line| line.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect::<Vec<_>>())
        .filter_map(|row| <[u64; 3]>::try_from(row).ok())
        .collect::<Vec<_>>();
    if rows.len() != n || rows.iter().any(|[_, _, n_devices]| *n_devices != 8) {
        let errors = String::from_utf8_lossy(&output.stderr);
        return print_skipped(what, &format!("the machine did not list eight cameras: {said}{errors}"));
    }
    let times = |nth: fn(&[u64; 3]) -> u64| Times::new(rows.iter().map(|row| Duration::from_nanos(nth(row))));
    let (starts, lists) = (times(|row| row[0]), times(|row| row[1]));
    let here = Times::new((0..n).map(|_| {
        let begun = Instant::now();
        let status = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()));
        begun.elapsed()
    }));
    let slowness = starts.at(0.5) / here.at(0.5);
    let there = lists.at(0.95) / slowness;
    let measured = format!("p95 {:.0} ms there, {slowness:.0} x slower: {:.0} ms", lists.at(0.95) * 1e3, there * 1e3);
    print(what, &measured, "p95 ≤ 300 ms", n, there <= 0.3);
}
