//! Recording while something fails: the camera, or the disk of the clips.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::clips::{ClipKind, RetentionLimits, audit, list};
use camclinic::recorder::index::ClipReader;
use camclinic::recorder::storage::StorageState;
use camclinic::recorder::{RecorderNews, RecordingMode, RecordingPlan};
use camclinic::settings::Isolation;

use crate::cameras::{side_by_side, streams, wait};
use crate::film;
use crate::machine;
use crate::recording::Recorded;
use crate::server::Server;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

const N_LANES: usize = 5;
const BEFORE: Duration = Duration::from_secs(10);
/// A picture that came as pixels has been coded so soon.
const CODED_WITHIN: Duration = Duration::from_secs(2);
/// Only what hangs takes so long.
const FAR: Duration = Duration::from_secs(30);

/// What ends the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// As the line of the simulated camera has it.
    Simulated(&'static str),
    WorkerKilled,
    ServerGone,
}

const FAULTS: [(&str, Fault); 6] = [
    ("hang", Fault::Simulated("hang")),
    ("crash", Fault::Simulated("crash")),
    ("worker killed", Fault::WorkerKilled),
    ("unplugged", Fault::Simulated("unplug")),
    ("RTSP server gone", Fault::ServerGone),
    ("stall", Fault::Simulated("stall")),
];

/// What was found of one of them.
struct FaultClip {
    /// The last packet before it is in the clip.
    has_last: bool,
    /// It begins ten seconds before, or with the first packet.
    has_before: bool,
    /// From the moment at which it was noticed.
    on_disk: Duration,
}

pub fn clips_of_faults(scale: Scale) {
    let what = "faults: last picture before it in the clip";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let n_each = scale.of(200).div_ceil(FAULTS.len());
    let mut all = Vec::new();
    for (name, fault) in FAULTS {
        let found = side_by_side(n_each, N_LANES, |nth| clip_of_fault(fault, nth));
        let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else {
            print_skipped(&format!("  {name}"), "there is no GStreamer server");
            continue;
        };
        let times = Times::new(found.iter().map(|clip| clip.on_disk));
        let n_whole = found.iter().filter(|clip| clip.has_last && clip.has_before).count();
        let measured = format!("{n_whole} of {}; on the disk {}", found.len(), times.in_words());
        print_plain(&format!("  {name}"), &measured, found.len());
        all.extend(found);
    }
    let n = all.len();
    let count = |is_so: fn(&FaultClip) -> bool| all.iter().filter(|clip| is_so(clip)).count();
    let (n_last, n_before) = (count(|clip| clip.has_last), count(|clip| clip.has_before));
    let percent = 100.0 * n_last as f64 / n.max(1) as f64;
    print(what, &format!("{percent:.1} %"), "100 %", n, n_last == n && n > 0);
    print("  ten seconds before it, or all", &format!("{n_before} of {n}"), "all", n, n_before == n);
    let times = Times::new(all.iter().map(|clip| clip.on_disk));
    print("  clip on the disk, once it is noticed", &times.in_words(), "≤ 1 s", n, times.at(1.0) <= 1.0);
}

/// `None` without a server.
fn clip_of_fault(fault: Fault, nth: usize) -> Option<FaultClip> {
    // At any moment of the recorder's and the supervisor's rounds. Some cameras have been there for longer than the ring goes back.
    let is_long = nth.is_multiple_of(5);
    let at = Duration::from_millis(if is_long { 13_000 } else { 5_000 } + 137 * (nth as u64 % 20));
    let mut server = None;
    let source = match fault {
        Fault::Simulated(name) => format!("sim:320x240@30,seed={nth},{name}@{}ms+3s", at.as_millis()),
        Fault::WorkerKilled => format!("sim:320x240@30,seed={nth}"),
        Fault::ServerGone => {
            server = Some(Server::start("--size 320x240 --key-on-play")?);
            server.as_ref()?.url("")
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let plan = RecordingPlan { before: BEFORE, ..RecordingPlan::new(RecordingMode::Faults) };
    let Recorded { camera, recorder } = Recorded::start(&source, Isolation::On, folder.path(), plan);
    let (status, _) = wait(&camera, "streaming", streams);
    match fault {
        Fault::Simulated(_) => {}
        Fault::WorkerKilled => {
            thread::sleep(at);
            machine::kill(machine::worker_of(&status.source).expect("a camera that streams has a worker"));
        }
        Fault::ServerGone => {
            thread::sleep(at);
            server.as_mut()?.kill();
        }
    }
    let ring = camera.packets();
    let (_, noticed) = wait(&camera, "at fault", |status| !streams(status));
    // The last picture that was seen before it. On a busy computer it may still have to be coded.
    let shown = camera.frames().current().map(|frame| frame.taken_at).filter(|taken_at| *taken_at <= noticed);
    let (kept, last, seen) = loop {
        let kept = ring.take_from(0, usize::MAX).packets;
        let last = kept.iter().rfind(|packet| packet.taken_at <= noticed).expect("packets had come").clone();
        let seen = shown.is_none_or(|taken_at| taken_at <= last.taken_at + Duration::from_millis(50));
        if seen || noticed.elapsed() > CODED_WITHIN {
            break (kept, last, seen);
        }
        thread::sleep(Duration::from_millis(5));
    };
    let first = kept.iter().find(|packet| packet.is_key).expect("the ring begins with a key packet").clone();
    let holds = |reader: &ClipReader, bytes: &[u8]| {
        let alike = reader.pictures().iter().rev().filter(|picture| picture.len as usize == bytes.len());
        alike.take(50).any(|picture| reader.read(picture).is_ok_and(|read| read == bytes))
    };
    let deadline = noticed + FAR;
    let (mut has_last, mut has_before) = (false, false);
    while !has_last && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
        let Some(clip) = list(folder.path()).ok().and_then(|listing| listing.clips.into_iter().next()) else {
            continue;
        };
        let Ok(reader) = ClipReader::open(&clip.path) else { continue };
        has_last = clip.kind() == ClipKind::Fault && seen && holds(&reader, &last.bytes);
        let begins = reader.pictures().first().and_then(|picture| reader.read(picture).ok());
        let wanted = noticed.checked_sub(BEFORE).unwrap_or(noticed);
        has_before = begins.is_some_and(|bytes| {
            let number = kept.iter().position(|packet| *packet.bytes == *bytes);
            number.is_some_and(|number| number == 0 || kept[number].taken_at <= wanted.max(first.taken_at))
        });
    }
    let on_disk = noticed.elapsed();
    drop((recorder, camera));
    Some(FaultClip { has_last, has_before, on_disk })
}

// ---- the disk

/// A file system of its own, below a folder. Taken away when this is dropped.
struct Mounted {
    place: tempfile::TempDir,
    path: PathBuf,
    is_frozen: bool,
}

fn run(words: &[&str]) -> bool {
    let quiet = || std::process::Stdio::null();
    Command::new(words[0])
        .args(&words[1..])
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok_and(|status| status.success())
}

impl Mounted {
    fn with(mount: impl Fn(&Path, &str) -> bool) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = mount(place.path(), path.to_str()?);
        mounted.then_some(Self { place, path, is_frozen: false })
    }

    /// `None`: only the administrator may do this.
    fn ext4(mb: u64) -> Option<Self> {
        Self::with(|place, path| {
            let image = place.join("image");
            fs::File::create(&image).and_then(|file| file.set_len(mb << 20)).unwrap();
            let image = image.to_str().unwrap_or_default();
            run(&["mkfs.ext4", "-q", "-F", image]) && run(&["mount", "-o", "loop", image, path])
        })
    }

    fn tmpfs(mb: u64) -> Option<Self> {
        Self::with(|_, path| run(&["mount", "-t", "tmpfs", "-o", &format!("size={mb}m"), "tmpfs", path]))
    }

    fn clips(&self) -> PathBuf {
        self.path.join("clips")
    }

    /// Nothing can be written, and whoever tries waits.
    fn freeze(&mut self, is_frozen: bool) -> bool {
        self.is_frozen = is_frozen;
        run(&["fsfreeze", if is_frozen { "-f" } else { "-u" }, self.path.to_str().unwrap_or_default()])
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_frozen {
            self.freeze(false);
        }
        run(&["umount", "-l", self.path.to_str().unwrap_or_default()]);
        let _ = &self.place;
    }
}

/// A disk that does not answer for ten seconds: less than what is kept, and more.
pub fn stalled_disk(scale: Scale) {
    const STALL: Duration = Duration::from_secs(10);
    let what = "disk stalls 10 s: pictures the view lost";
    let n = scale.of(5);
    let (mut n_late, mut n_wrong, mut n_lost) = (0, 0, Vec::new());
    for nth in 0..n {
        let Some(mut disk) = Mounted::ext4(64) else { return print_skipped(what, "only root may mount and freeze") };
        let before = if nth % 2 == 0 { Duration::from_secs(3) } else { Duration::from_secs(15) };
        let plan = RecordingPlan { before, limits: SMALL_DISK, ..RecordingPlan::new(RecordingMode::Continuous) };
        let recorded = Recorded::start("sim:320x240@30", Isolation::On, &disk.clips(), plan);
        writes(&recorded, "it is being written", |news| news.recording.pictures > 60);
        let (status, _) = wait(&recorded.camera, "streaming", streams);
        let began = Instant::now();
        assert!(disk.freeze(true));
        let mut worst_age = 0.0_f64;
        while began.elapsed() < STALL {
            thread::sleep(Duration::from_millis(50));
            let status = recorded.camera.status().current().unwrap();
            worst_age = worst_age.max(status.last_frame_age_secs.unwrap_or(f64::INFINITY));
        }
        let told = recorded.recorder.news(Instant::now());
        assert!(told.recording.trouble.is_some(), "the disk is told: {told:?}");
        let after = recorded.camera.status().current().unwrap();
        assert!(disk.freeze(false));
        let due = (began.elapsed().as_secs_f64() - 0.5) * 30.0;
        let n_shown = after.frames - status.frames;
        let n_dropped = after.dropped - status.dropped;
        let is_late = (n_shown as f64) < due || n_dropped > 0 || worst_age > 0.5;
        if is_late {
            eprintln!(
                "  shown {n_shown} of {due:.0}, dropped {n_dropped} ({:?}), oldest {worst_age:.2} s",
                after.drops
            );
        }
        n_late += usize::from(is_late);
        thread::sleep(Duration::from_secs(2));
        let (recording, n_packets) = recorded.stop();
        let kept: u64 =
            list(&disk.clips()).unwrap().clips.iter().filter_map(|clip| clip.about()).map(|about| about.pictures).sum();
        n_lost.push(recording.lost);
        n_wrong += usize::from(kept + recording.lost != n_packets);
        if kept + recording.lost != n_packets {
            eprintln!("  kept {kept} + lost {} is not {n_packets}", recording.lost);
        }
    }
    print(what, &n_late.to_string(), "0", n, n_late == 0);
    let measured = format!("{n_wrong} wrong; lost {n_lost:?} with 3 and 15 s kept");
    print("  what the recording lost is counted", &measured, "0 wrong", n, n_wrong == 0);
}

/// Small enough for a disk of 64 MB.
const SMALL_DISK: RetentionLimits = RetentionLimits {
    max_age: jiff::SignedDuration::from_hours(24),
    max_bytes: 20 << 30,
    max_protected_bytes: 5 << 30,
    min_free_bytes: 2 << 20,
    min_free_secs: 0.0,
    least_free_bytes: 1 << 20,
};

/// Waits until it stands so, and returns for how long.
fn writes(recorded: &Recorded, what: &str, is_so: impl Fn(&RecorderNews) -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let news = recorded.recorder.news(Instant::now());
        if is_so(&news) {
            return began.elapsed();
        }
        assert!(began.elapsed() < FAR, "never so: {what}: {news:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn full_disk(scale: Scale) {
    let what = "disk full: told, and nothing more is written";
    let Some(disk) = Mounted::tmpfs(64) else { return print_skipped(what, "only root may mount") };
    let plan = RecordingPlan { limits: SMALL_DISK, ..RecordingPlan::new(RecordingMode::Continuous) };
    let recorded = Recorded::start("sim:320x240@30", Isolation::On, &disk.clips(), plan);
    let n = scale.of(20);
    let (mut stopped, mut resumed) = (Vec::new(), Vec::new());
    for nth in 0..n {
        writes(&recorded, "it is being written", |news| news.recording.is_writing && news.recording.trouble.is_none());
        thread::sleep(Duration::from_millis(2_000 + 137 * (nth as u64 % 10)));
        let ballast = disk.path.join("ballast");
        fill(&ballast);
        let is_told =
            |news: &RecorderNews| news.storage.state == StorageState::Full && news.recording.trouble.is_some();
        stopped.push(writes(&recorded, "it is told that the disk is full", is_told));
        thread::sleep(Duration::from_millis(500 + 71 * (nth as u64 % 10)));
        fs::remove_file(&ballast).unwrap();
        resumed.push(writes(&recorded, "it goes on", |news| {
            news.recording.is_writing && news.recording.trouble.is_none()
        }));
    }
    let (stopped, resumed) = (Times::new(stopped), Times::new(resumed));
    print(what, &stopped.in_words(), "≤ 2 s", n, stopped.at(1.0) <= 2.0);
    print("  room again: it goes on", &resumed.in_words(), "≤ 5 s", n, resumed.at(1.0) <= 5.0);
    // What was left is closed by itself within a second or two.
    thread::sleep(Duration::from_secs(3));
    let (recording, n_packets) = recorded.stop();
    let deadline = Instant::now() + FAR;
    let are_closed = || audit(&disk.clips(), &mut |_, _| true).unwrap().is_empty();
    while !are_closed() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    let clips = list(&disk.clips()).unwrap().clips;
    let mut n_damaged = audit(&disk.clips(), &mut |_, _| true).unwrap().len();
    n_damaged += clips.iter().filter(|clip| film::plays(&clip.path).is_none()).count();
    print("  damaged files", &format!("{n_damaged} of {}", clips.len()), "0", n, n_damaged == 0 && clips.len() >= n);
    let kept: u64 = clips.iter().filter_map(|clip| clip.about()).map(|about| about.pictures).sum();
    let measured = format!("{kept} kept, {} lost of {n_packets}", recording.lost);
    print_plain("  pictures", &measured, n);
}

/// Until there is no room.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for n_bytes in [1 << 20, 64 << 10, 4 << 10] {
        while file.write_all(&vec![1; n_bytes]).is_ok() {}
    }
}
