//! Recordings that end in the middle, by a kill of the program: what is lost, what plays, and how soon all is closed.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use camclinic::clips::{
    ClipFolder, ClipKind, ClipName, ClipPaths, ClipReason, Sidecar, SidecarState, camera_folder, list,
};
use camclinic::frame::Size;
use camclinic::logging::EventLog;
use camclinic::recorder::clip_file::{ClipFile, DiskCall};
use camclinic::recorder::index::ClipReader;
use camclinic::recorder::repair::{Repaired, repair, repair_all};

use crate::cameras::side_by_side;
use crate::film::{self, FPS, Film, time_of};
use crate::table::{Scale, Times, print, print_plain, print_skipped};

const HD: Size = Size { width: 1280, height: 720 };
/// Long enough for some copies of heads.
const RECORDED_SECS: u32 = 40;
/// The recorder's thread looks around that often where no picture comes.
const LOOK: Duration = Duration::from_millis(100);
/// Where the two states of a clip's head differ.
const HEAD_SWITCH: std::ops::Range<usize> = 56..72;

/// In memory, where there is such a folder.
pub fn quick_folder() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap()
}

// ---- the program is killed

/// What was in the file of a recording at each moment.
struct WriteLog {
    bytes: Vec<u8>,
    /// When it had how many bytes, and what then stood where its head changes.
    writes: Vec<(Duration, usize, [u8; 16])>,
}

impl WriteLog {
    /// As the recorder writes it: with each picture and ten times a second it does what is due.
    fn of(film: &Film) -> Self {
        let folder = quick_folder();
        let path = folder.path().join("clip.recording.mp4");
        let mut clip = ClipFile::create(&path, &film.head, SystemTime::now()).unwrap();
        let began = Instant::now();
        let (mut writes, mut end) = (Vec::new(), 0);
        let mut look = Duration::ZERO;
        for number in 0..RECORDED_SECS * FPS {
            let at = time_of(number);
            let mut steps = Vec::new();
            while look < at {
                steps.push(look);
                look += LOOK;
            }
            for (at, is_picture) in steps.into_iter().map(|at| (at, false)).chain([(at, true)]) {
                if is_picture {
                    let _ = clip.push(&film.packet(number, began)).unwrap();
                }
                clip.tick(began + at).unwrap();
                for call in clip.calls() {
                    if let DiskCall::Write { n_bytes, .. } = call {
                        end += usize::try_from(n_bytes).unwrap();
                    }
                }
                if writes.last().is_none_or(|(_, last, _)| *last != end) && end > 0 {
                    let mut head = [0; HEAD_SWITCH.end];
                    fs::File::open(&path).unwrap().read_exact(&mut head).unwrap();
                    writes.push((at, end, *head.last_chunk().unwrap()));
                }
            }
        }
        Self { bytes: fs::read(path).unwrap(), writes }
    }
}

/// What became of one kill.
struct Killed {
    lost: Duration,
    plays_before: bool,
    plays_after: bool,
}

pub fn killed_recordings(scale: Scale) {
    let films = [
        ("H.264, key picture each 1 s", Film::h264(HD, 4_000, FPS, 10)),
        ("H.264, key picture each 10 s", Film::h264(HD, 4_000, 10 * FPS, 10)),
        ("JPEG", Film::jpeg(Size { width: 640, height: 480 }, 5)),
    ];
    let n = scale.of(10_000) / films.len();
    let mut all = Vec::new();
    for (name, film) in films {
        let Some(film) = film else { return print_skipped("recording killed", "there is no ffmpeg") };
        let log = WriteLog::of(&film);
        let killed = side_by_side(n, 2, |nth| kill_once(&film, &log, nth as u64));
        tell_kills(&format!("  {name}"), &killed, false);
        all.extend(killed);
    }
    tell_kills("recording killed -9: video lost", &all, true);
}

fn tell_kills(what: &str, killed: &[Killed], has_bar: bool) {
    let lost = Times::new(killed.iter().map(|killed| killed.lost));
    let percent = |is_so: fn(&Killed) -> bool| {
        100.0 * killed.iter().filter(|killed| is_so(killed)).count() as f64 / killed.len().max(1) as f64
    };
    let (before, after) = (percent(|killed| killed.plays_before), percent(|killed| killed.plays_after));
    let measured = format!("{}; plays {before:.2} / {after:.2} %", lost.in_words());
    if has_bar {
        let is_reached = lost.at(1.0) <= 0.6 && before >= 99.5 && after >= 100.0;
        print(what, &measured, "≤ 0.6 s; ≥ 99.5 / 100 %", killed.len(), is_reached);
    } else {
        print_plain(what, &measured, killed.len());
    }
}

/// At any moment, half of them in the midst of the next write, at any byte of it.
fn kill_once(film: &Film, log: &WriteLog, seed: u64) -> Killed {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = quick_folder();
    let path = folder.path().join("clip.recording.mp4");
    let nth = random.usize(..log.writes.len() - 1);
    let ((at, end, head), (next_at, next_end, _)) = (log.writes[nth], log.writes[nth + 1]);
    let (end, moment) = if random.bool() {
        (random.usize(end..next_end), next_at)
    } else {
        (end, at + next_at.saturating_sub(at).mul_f64(random.f64()))
    };
    let mut bytes = log.bytes[..end].to_vec();
    bytes[HEAD_SWITCH].copy_from_slice(&head);
    fs::write(&path, &bytes).unwrap();
    let plays_before = film::plays(&path).is_some();
    let Repaired::Closed(closed) = repair(&path).unwrap() else {
        return Killed { lost: Duration::MAX, plays_before, plays_after: false };
    };
    let first_lost = u32::try_from(closed.n_pictures).unwrap();
    let reader = ClipReader::open(&closed.path).unwrap();
    let is_whole = (0..).zip(reader.pictures()).skip(closed.n_pictures.saturating_sub(30)).all(|(number, picture)| {
        reader.read(picture).is_ok_and(|bytes| *bytes == *film.packet(number, Instant::now()).bytes)
    });
    // All of them by FFmpeg's demultiplexer, some by its own tool.
    let mut plays_after = is_whole && film::plays(&closed.path) == Some(closed.n_pictures);
    if seed.is_multiple_of(50) {
        plays_after &= film::n_by_ffprobe(&closed.path) == Some(closed.n_pictures);
    }
    if seed.is_multiple_of(500) {
        plays_after &= film::n_by_gstreamer(&[&closed.path]).is_none_or(|n| n == [i64::from(first_lost)]);
    }
    Killed { lost: moment.saturating_sub(time_of(first_lost)), plays_before, plays_after }
}

/// The real program, which records simulated cameras.
pub fn killed_programs_that_record(scale: Scale) {
    const N_CAMERAS: usize = 6;
    let n = scale.of(50);
    let killed: Vec<Killed> =
        side_by_side(n, 2, |nth| kill_program(nth as u64, N_CAMERAS)).into_iter().flatten().collect();
    tell_kills("real program killed -9 while it records", &killed, true);
}

fn kill_program(seed: u64, n_cameras: usize) -> Vec<Killed> {
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    let mut program = Command::new(env!("CARGO_BIN_EXE_camclinic"));
    program.args((0..n_cameras).fold(vec!["record".to_owned()], |mut words, n| {
        words.push(format!("sim:320x240@30,seed={n}"));
        words
    }));
    program.arg("--settings").arg(folder.path().join("settings.json")).arg("--to").arg(&clips);
    program.env("CAMCLINIC_DATA", folder.path().join("data")).current_dir(folder.path());
    let mut program = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let has_begun =
        || list(&clips).is_ok_and(|listing| listing.clips.iter().filter(|clip| clip.bytes > 0).count() == n_cameras);
    while !has_begun() {
        assert!(Instant::now() < deadline, "nothing is recorded");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(random.u64(500..4_000)));
    let killed_at = SystemTime::now();
    program.kill().unwrap();
    program.wait().unwrap();
    let listing = list(&clips).unwrap();
    let mut killed = Vec::new();
    for clip in &listing.clips {
        let plays_before = film::plays(&clip.path).is_some();
        let Repaired::Closed(closed) = repair(&clip.path).unwrap() else {
            killed.push(Killed { lost: Duration::MAX, plays_before, plays_after: false });
            continue;
        };
        let ended = SystemTime::from(clip.name.started.at()) + closed.duration;
        let plays_after = film::plays(&closed.path) == Some(closed.n_pictures);
        killed.push(Killed { lost: killed_at.duration_since(ended).unwrap_or_default(), plays_before, plays_after });
    }
    killed
}

// ---- they are closed by the next run

const N_UNFINISHED: usize = 100;
const UNFINISHED_SECS: u32 = 300;
/// Of what lies behind it, everything is in the copies; before, the heads alone.
const TAIL_SECS: u32 = 5;

/// 100 clips of 5 min, of 8 Mbit/s. The disk has not read any of it.
pub fn repair_of_many(scale: Scale) {
    let what = "repair of 100 unfinished clips of 5 min";
    let size = Size { width: 1920, height: 1080 };
    let Some(film) = Film::h264(size, 8_000, FPS, 5) else { return print_skipped(what, "there is no ffmpeg") };
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("clip.recording.mp4");
    record_unfinished(&film, &whole);
    let n = scale.of(3);
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for nth in 0..2 * n {
        let root = place.path().join(format!("{nth}"));
        let folder = ClipFolder::open(&root, None, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let paths: Vec<ClipPaths> = (0..N_UNFINISHED).map(|n| unfinished_paths(&root, n)).collect();
        for paths in &paths {
            copy_of_unfinished(&whole, &paths.unfinished);
        }
        let is_cold = nth % 2 == 0;
        if is_cold && !forget(paths.iter().map(|paths| paths.unfinished.as_path())) {
            return print_skipped(what, "there is no dd to make the system forget files");
        }
        let took = time_to_close_all(&folder);
        if is_cold {
            cold.push(took);
        } else {
            warm.push(took);
        }
        let closed: Vec<&ClipPaths> = paths.iter().filter(|paths| paths.closed.exists()).collect();
        assert_eq!(closed.len(), N_UNFINISHED);
        let n_pictures = ClipReader::open(&closed[7].closed).unwrap().pictures().len();
        assert!(n_pictures > ((UNFINISHED_SECS - 1) * FPS) as usize, "{n_pictures}");
        assert_eq!(film::n_by_ffprobe(&closed[7].closed), Some(n_pictures));
        fs::remove_dir_all(&root).unwrap();
    }
    let (cold, warm) = (Times::new(cold), Times::new(warm));
    print(what, &cold.in_words(), "≤ 1 s", n, cold.at(1.0) <= 1.0);
    print_plain("  the same, in the system's memory already", &warm.in_words(), n);
}

fn record_unfinished(film: &Film, path: &Path) {
    let mut clip = ClipFile::create(path, &film.head, SystemTime::now()).unwrap();
    let began = Instant::now();
    for number in 0..UNFINISHED_SECS * FPS {
        let _ = clip.push(&film.packet(number, began)).unwrap();
        clip.tick(began + time_of(number)).unwrap();
    }
}

/// With what stands beside it while it is recorded.
fn unfinished_paths(root: &Path, n: usize) -> ClipPaths {
    let name = ClipName {
        started: format!("2026-11-20T{:02}:{:02}:00Z", n / 12, n % 12 * 5).parse().unwrap(),
        reason: ClipReason::new(ClipKind::Continuous, ""),
    };
    let paths = ClipPaths::new(root, &camera_folder("Yard", "Yard"), &name);
    fs::create_dir_all(paths.closed.parent().unwrap()).unwrap();
    let sidecar = Sidecar { state: SidecarState::Recording, started: name.started, ..Sidecar::default() };
    sidecar.write(&paths.sidecar).unwrap();
    paths
}

/// Without the bytes of pictures, which nobody reads, but for the last seconds: it has holes there.
fn copy_of_unfinished(whole: &Path, to: &Path) {
    let mut from = fs::File::open(whole).unwrap();
    let n_bytes = from.metadata().unwrap().len();
    let tail = n_bytes - n_bytes / u64::from(UNFINISHED_SECS) * u64::from(TAIL_SECS);
    let mut copy = fs::File::create(to).unwrap();
    let mut at = 0;
    while at < n_bytes {
        let mut head = [0; 8];
        read_there(&mut from, at, &mut head);
        let len = u64::from(u32::from_be_bytes(*head.first_chunk().unwrap()));
        let n_copied = if &head[4..] == b"mdat" && at < tail { 8 } else { len };
        let mut bytes = vec![0; usize::try_from(n_copied).unwrap()];
        read_there(&mut from, at, &mut bytes);
        write_there(&mut copy, at, &bytes);
        at += len;
    }
    copy.sync_all().unwrap();
}

fn read_there(file: &mut fs::File, at: u64, bytes: &mut [u8]) {
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(bytes)).unwrap();
}

fn write_there(file: &mut fs::File, at: u64, bytes: &[u8]) {
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).unwrap();
}

/// The system keeps nothing of these files in its memory.
fn forget<'a>(mut files: impl Iterator<Item = &'a Path>) -> bool {
    files.all(|file| {
        let mut dd = Command::new("dd");
        dd.arg(format!("if={}", file.display())).args(["iflag=nocache", "count=0", "status=none"]);
        dd.status().is_ok_and(|status| status.success())
    })
}

/// Until it is told that all are closed. What stands beside them then takes as long as reading all of it, and is not waited for.
fn time_to_close_all(folder: &ClipFolder) -> Duration {
    let log = EventLog::new();
    let (folder, told) = (folder.clone(), log.clone());
    let began = Instant::now();
    thread::Builder::new().name("repair".to_owned()).spawn(move || repair_all(&folder, &told)).unwrap();
    let deadline = began + Duration::from_mins(5);
    while !log.since(0).iter().any(|event| event.message.as_str().contains("left unfinished were closed")) {
        assert!(Instant::now() < deadline, "it came to no end");
        thread::sleep(Duration::from_millis(1));
    }
    began.elapsed()
}
