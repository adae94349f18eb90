//! Power cuts: what a recorder writes and syncs is logged by strace; then the disk is made as it may be when the power fails behind any
//! of these calls. What was not synced is there or not, each block of a file for itself; names that were not synced are there up to any
//! moment, in each folder for itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use camclinic::clips::{ClipFolder, ClipState, Defect, DefectKind, SidecarState, audit, list};
use camclinic::logging::EventLog;
use camclinic::recorder::index::ClipReader;
use camclinic::recorder::repair::repair_all;
use camclinic::recorder::{Recorder, RecordingMode, RecordingPlan};
use camclinic::settings::{CameraId, CameraSettings, Isolation};

use crate::cameras::{side_by_side, start_with};
use crate::ends::quick_folder;
use crate::film;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

/// The argument with which this program runs itself to be logged.
pub const RECORD: &str = "record-for-log";
const RECORDED: Duration = Duration::from_secs(50);
const PART: Duration = Duration::from_secs(4);
const BLOCK: usize = 4_096;
/// Longer strings are cut in the log: what is missing is in the files at the end.
const N_LOGGED: usize = 16_384;
/// The head of the first clip is on the disk by then.
const SETTLED_SECS: f64 = 1.0;

/// What is logged: a camera, recorded in short parts.
pub fn record(folder: &Path) {
    let log = EventLog::new();
    let id = CameraId(1);
    let settings = CameraSettings { isolation: Isolation::Off, ..CameraSettings::default() };
    let camera = start_with("sim:320x240@30", &settings, log.of_camera(id));
    let folder = ClipFolder::open(folder, None, camclinic::event::now()).unwrap();
    let plan = RecordingPlan { part: PART, ..RecordingPlan::new(RecordingMode::Continuous) };
    let recorder = Recorder::start(&camera, id, folder, plan, &log).unwrap();
    thread::sleep(RECORDED);
    drop(recorder);
}

type FileNumber = usize;

/// A call that changes the disk. Paths and names are below the folder, which has none.
#[derive(Debug)]
enum DiskOp {
    Name { folder: PathBuf, change: NameChange },
    Write { file: FileNumber, at: usize, bytes: Vec<u8> },
    Cut { file: FileNumber, len: usize },
    Sync { file: FileNumber },
    SyncFolder { folder: PathBuf },
}

#[derive(Debug)]
enum NameChange {
    File(String, FileNumber),
    Folder(String),
    Rename(String, String),
    Gone(String),
}

struct DiskLog {
    /// When, in seconds of the wall clock, and what.
    ops: Vec<(f64, DiskOp)>,
}

pub fn power_cuts(scale: Scale) {
    let what = "power cut: video lost";
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("clips");
    fs::create_dir(&root).unwrap();
    let trace = place.path().join("trace");
    let Some(()) = traced(&root, &trace) else { return print_skipped(what, "there is no strace, or it may not trace") };
    let log = DiskLog::read(&trace, &root);
    let listing = list(&root).unwrap();
    assert!(audit(&root, &mut |_, _| true).unwrap().is_empty(), "all is whole at the end");
    let starts: Vec<f64> = listing.clips.iter().map(|clip| secs_of(clip.name.started.at())).collect();
    let began = *starts.first().expect("a clip was recorded");
    let n_syncs = log.ops.iter().filter(|(_, op)| matches!(op, DiskOp::Sync { .. })).count();
    print_plain(
        "  logged calls; of them syncs of files; clips",
        &format!("{}; {n_syncs}; {}", log.ops.len(), listing.clips.len()),
        1,
    );
    let first =
        log.ops.iter().position(|(at, _)| *at >= began + SETTLED_SECS).expect("it was recorded for long enough");
    let n = scale.of(1_000);
    let cuts = side_by_side(n, 2, |nth| {
        let mut random = fastrand::Rng::with_seed(nth as u64);
        cut_once(&log, random.usize(first..log.ops.len()), &starts, &mut random)
    });
    let lost = Times::of_secs(cuts.iter().map(|cut| cut.lost_secs));
    print(what, &lost.in_words(), "≤ 2.6 s", n, lost.at(1.0) <= 2.6);
    let sum = |of: fn(&PowerCut) -> usize| cuts.iter().map(of).sum::<usize>();
    let (n_closed, n_changed) = (sum(|cut| cut.n_closed), sum(|cut| cut.n_changed));
    let measured = format!("{n_changed} of {n_closed} differ");
    print("  closed clips, equal to their SHA-256", &measured, "0", n, n_changed == 0 && n_closed > 0);
    let n_unplayable = sum(|cut| cut.n_unplayable);
    print("  clips that do not play after the repair", &n_unplayable.to_string(), "0", n, n_unplayable == 0);
}

fn secs_of(at: jiff::Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn traced(root: &Path, trace: &Path) -> Option<()> {
    const CALLS: &str =
        "trace=openat,write,lseek,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-qq",
        "-ttt",
        "-y",
        "-xx",
        "-s",
        &N_LOGGED.to_string(),
        "-e",
        "signal=none",
        "-e",
        CALLS,
        "-o",
    ]);
    strace.arg(trace).arg(std::env::current_exe().ok()?).arg(RECORD).arg(root);
    strace.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?.success().then_some(())
}

/// One line of strace: `pid  seconds call(arguments) = result`.
struct TracedCall {
    at: f64,
    name: String,
    arguments: Vec<String>,
    result: String,
}

impl TracedCall {
    /// Calls that were interrupted by those of other threads are put together, at the time of their end.
    fn all(text: &str) -> Vec<Self> {
        let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let Some((at, call)) = rest.trim_start().split_once(' ') else { continue };
            let Ok(at) = at.parse() else { continue };
            if let Some((begin, _)) = call.split_once(" <unfinished ...>") {
                begun.insert(pid, begin);
                continue;
            }
            let whole = match call.split_once(" resumed>") {
                Some((_, end)) => format!("{}{end}", begun.remove(pid).unwrap_or_default()),
                None => call.to_owned(),
            };
            let Some((name, rest)) = whole.split_once('(') else { continue };
            let Some((arguments, result)) = rest.rsplit_once(" = ") else { continue };
            let arguments = arguments.trim_end().trim_end_matches(')').split(", ").map(str::to_owned).collect();
            calls.push(Self { at, name: name.to_owned(), arguments, result: result.to_owned() });
        }
        calls
    }

    /// `"\\x2f\\x61"...`, or the same without its quotes.
    fn bytes_of(text: &str) -> Vec<u8> {
        let text = text.trim_end_matches("...").trim_matches('"');
        text.split("\\x").skip(1).filter_map(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok()).collect()
    }

    fn path(&self, nth: usize) -> Option<PathBuf> {
        let bytes = Self::bytes_of(self.arguments.get(nth)?);
        Some(PathBuf::from(String::from_utf8(bytes).ok()?))
    }

    /// Of a file that is named as `12</place>`.
    fn descriptor(text: &str) -> Option<(u32, PathBuf)> {
        let (number, rest) = text.split_once('<')?;
        let place = rest.split_once('>')?.0;
        let bytes = if place.contains("\\x") { Self::bytes_of(place) } else { place.as_bytes().to_vec() };
        Some((number.parse().ok()?, PathBuf::from(String::from_utf8(bytes).ok()?)))
    }

    fn number(&self, nth: usize) -> Option<usize> {
        self.arguments.get(nth)?.parse().ok()
    }
}

/// Puts the log together.
#[derive(Default)]
struct LogReader {
    root: PathBuf,
    ops: Vec<(f64, DiskOp)>,
    /// Files by their place at this moment.
    files: BTreeMap<PathBuf, FileNumber>,
    n_files: usize,
    /// Of open ones: which, and where it is written next.
    open: BTreeMap<u32, (FileNumber, usize)>,
}

impl LogReader {
    fn below(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }

    fn name(&mut self, at: f64, place: &Path, change: impl FnOnce(String) -> NameChange) {
        let folder = place.parent().unwrap_or(Path::new("")).to_owned();
        let change = change(place.file_name().unwrap_or_default().to_string_lossy().into_owned());
        self.ops.push((at, DiskOp::Name { folder, change }));
    }

    fn take(&mut self, call: &TracedCall) -> Option<()> {
        let at = call.at;
        if call.result.starts_with('-') {
            return None;
        }
        let descriptor = TracedCall::descriptor(call.arguments.first()?);
        // The same number may since have been given to something else.
        let open = descriptor.as_ref().filter(|(_, place)| place.starts_with(&self.root)).map(|(number, _)| *number);
        match call.name.as_str() {
            "openat" => {
                let (number, _) = TracedCall::descriptor(&call.result)?;
                self.open.remove(&number);
                let place = self.below(&call.path(1)?)?;
                if !self.files.contains_key(&place) && call.arguments.get(2)?.contains("O_CREAT") {
                    let file = self.n_files;
                    self.n_files += 1;
                    self.files.insert(place.clone(), file);
                    self.name(at, &place, |name| NameChange::File(name, file));
                }
                self.open.insert(number, (*self.files.get(&place)?, 0));
            }
            "lseek" => self.open.get_mut(&open?)?.1 = call.result.parse().ok()?,
            "write" => {
                let n_written = call.result.parse().ok()?;
                let mut bytes = TracedCall::bytes_of(call.arguments.get(1)?);
                bytes.truncate(n_written);
                let n_missing = n_written - bytes.len();
                let (file, place) = self.open.get_mut(&open?)?;
                let (file, from) = (*file, std::mem::replace(place, *place + n_written));
                self.ops.push((at, DiskOp::Write { file, at: from, bytes }));
                if n_missing > 0 {
                    // Filled in when the whole file is known.
                    let from = from + n_written - n_missing;
                    self.ops.push((at, DiskOp::Write { file, at: from, bytes: vec![0; n_missing] }));
                }
            }
            "ftruncate" => {
                let file = self.open.get(&open?)?.0;
                self.ops.push((at, DiskOp::Cut { file, len: call.number(1)? }));
            }
            "fsync" | "fdatasync" => {
                let (number, place) = descriptor?;
                let below = self.below(&place)?;
                let op = match self.open.get(&number) {
                    Some((file, _)) => DiskOp::Sync { file: *file },
                    None => DiskOp::SyncFolder { folder: below },
                };
                self.ops.push((at, op));
            }
            "rename" | "renameat" | "renameat2" => {
                let nth = usize::from(call.name != "rename");
                let (from, to) = (self.below(&call.path(nth)?)?, self.below(&call.path(2 * nth + 1)?)?);
                let file = self.files.remove(&from)?;
                self.files.insert(to.clone(), file);
                assert_eq!(from.parent(), to.parent(), "no file moves to another folder");
                let from = from.file_name()?.to_string_lossy().into_owned();
                self.name(at, &to, |to| NameChange::Rename(from, to));
            }
            "unlink" | "unlinkat" => {
                let place = self.below(&call.path(usize::from(call.name != "unlink"))?)?;
                self.files.remove(&place);
                self.name(at, &place, NameChange::Gone);
            }
            "mkdir" | "mkdirat" => {
                let place = self.below(&call.path(usize::from(call.name != "mkdir"))?)?;
                self.name(at, &place, NameChange::Folder);
            }
            _ => {}
        }
        Some(())
    }
}

impl DiskLog {
    fn read(trace: &Path, root: &Path) -> Self {
        let text = fs::read_to_string(trace).unwrap();
        let mut reader = LogReader { root: root.to_owned(), ..LogReader::default() };
        for call in TracedCall::all(&text) {
            let _ = reader.take(&call);
        }
        let LogReader { mut ops, files, .. } = reader;
        // What the log has cut off is never written over.
        let whole: BTreeMap<FileNumber, Vec<u8>> =
            files.iter().filter_map(|(place, file)| Some((*file, fs::read(root.join(place)).ok()?))).collect();
        let mut cut_off = None;
        for (_, op) in &mut ops {
            let DiskOp::Write { file, at, bytes } = op else { continue };
            if cut_off == Some((*file, *at)) {
                let n_bytes = bytes.len();
                bytes.copy_from_slice(&whole[file][*at..*at + n_bytes]);
            }
            cut_off = (bytes.len() == N_LOGGED).then_some((*file, *at + bytes.len()));
        }
        Self { ops }
    }
}

struct PowerCut {
    lost_secs: f64,
    n_closed: usize,
    n_changed: usize,
    n_unplayable: usize,
}

/// The power fails behind so many calls. `starts`: when each clip begins.
fn cut_once(log: &DiskLog, n_ops: usize, starts: &[f64], random: &mut fastrand::Rng) -> PowerCut {
    let place = quick_folder();
    let root = place.path().join("clips");
    let done = &log.ops[..n_ops];
    let began = starts[0];
    let at = done.last().map_or(began, |(at, _)| *at);
    make_disk(done, &root, random);
    let folder = ClipFolder::open(&root, None, camclinic::event::now()).unwrap();
    repair_all(&folder, &EventLog::new());
    let listing = list(&root).unwrap();
    let mut kept_until = began;
    let (mut n_closed, mut n_unplayable) = (0, 0);
    for clip in &listing.clips {
        let duration = ClipReader::open(&clip.path).map(|reader| reader.duration()).unwrap_or_default();
        kept_until = (secs_of(clip.name.started.at()) + duration.as_secs_f64()).max(kept_until);
        n_closed += usize::from(clip.about().is_some_and(|about| about.state == SidecarState::Closed));
        let plays = clip.state == ClipState::Closed && (random.u8(..20) > 0 || film::plays(&clip.path).is_some());
        n_unplayable += usize::from(!plays);
    }
    let defects = audit(&root, &mut |_, _| true).unwrap();
    let is_change = |defect: &&Defect| !matches!(defect.kind, DefectKind::Missing | DefectKind::Extra);
    let n_changed = defects.iter().filter(is_change).count();
    if n_changed + n_unplayable > 0 {
        eprintln!("  behind {n_ops} calls: {defects:?}");
    }
    // One that is missing takes with it what is behind it.
    let is_missing = |start: &&f64| {
        **start < at && !listing.clips.iter().any(|clip| (secs_of(clip.name.started.at()) - **start).abs() < 0.0005)
    };
    let first_missing = starts.iter().find(is_missing).copied().unwrap_or(f64::INFINITY);
    let lost_secs = (at - kept_until.min(first_missing)).max(0.0);
    PowerCut { lost_secs, n_closed, n_changed, n_unplayable }
}

/// As the disk may be.
fn make_disk(done: &[(f64, DiskOp)], root: &Path, random: &mut fastrand::Rng) {
    fs::create_dir_all(root).unwrap();
    let mut names: BTreeMap<&Path, (usize, Vec<&NameChange>)> = BTreeMap::new();
    let mut contents: BTreeMap<FileNumber, (usize, Vec<&DiskOp>)> = BTreeMap::new();
    for (_, op) in done {
        match op {
            DiskOp::Name { folder, change } => names.entry(folder.as_path()).or_default().1.push(change),
            DiskOp::SyncFolder { folder } => {
                let (n_sure, changes) = names.entry(folder.as_path()).or_default();
                *n_sure = changes.len();
            }
            DiskOp::Write { file, .. } | DiskOp::Cut { file, .. } => contents.entry(*file).or_default().1.push(op),
            DiskOp::Sync { file } => {
                let (n_sure, ops) = contents.entry(*file).or_default();
                *n_sure = ops.len();
            }
        }
    }
    // Sorted, so that a folder comes before what is in it.
    for (folder, (n_sure, changes)) in names {
        let folder = root.join(folder);
        if !folder.is_dir() {
            continue;
        }
        let mut files: BTreeMap<&str, FileNumber> = BTreeMap::new();
        for change in changes.iter().take(random.usize(n_sure..=changes.len())) {
            match change {
                NameChange::File(name, file) => {
                    files.insert(name, *file);
                }
                NameChange::Folder(name) => fs::create_dir(folder.join(name)).unwrap(),
                NameChange::Rename(from, to) => {
                    if let Some(file) = files.remove(from.as_str()) {
                        files.insert(to, file);
                    }
                }
                NameChange::Gone(name) => {
                    files.remove(name.as_str());
                }
            }
        }
        for (name, file) in files {
            let bytes = contents.get(&file).map(|(n_sure, ops)| content(*n_sure, ops, random)).unwrap_or_default();
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// What a file may have in it. The first calls are sure.
fn content(n_sure: usize, ops: &[&DiskOp], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (sure, unsure) = ops.split_at(n_sure);
    for op in sure {
        apply(&mut bytes, op, |_| true);
    }
    // Its length at any moment since; of each block what it was at any.
    let n_lengths = random.usize(..=unsure.len());
    let share = *random.choice(&[0.0, 0.3, 0.7, 1.0]).unwrap();
    let mut versions: BTreeMap<usize, usize> = BTreeMap::new();
    let mut len = bytes.len();
    for (nth, op) in unsure.iter().enumerate() {
        apply(&mut bytes, op, |block| {
            let version = || if random.f64() < share { unsure.len() } else { random.usize(..=unsure.len()) };
            nth < *versions.entry(block).or_insert_with(version)
        });
        if nth < n_lengths {
            len = match op {
                DiskOp::Cut { len, .. } => *len,
                DiskOp::Write { at, bytes, .. } => len.max(at + bytes.len()),
                _ => len,
            };
        }
    }
    bytes.resize(len, 0);
    bytes
}

fn apply(content: &mut Vec<u8>, op: &DiskOp, mut is_kept: impl FnMut(usize) -> bool) {
    match op {
        DiskOp::Cut { len, .. } => content.truncate(*len),
        DiskOp::Write { at, bytes, .. } => {
            let end = at + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            let mut from = *at;
            while from < end {
                let to = ((from / BLOCK + 1) * BLOCK).min(end);
                if is_kept(from / BLOCK) {
                    content[from..to].copy_from_slice(&bytes[from - at..to - at]);
                }
                from = to;
            }
        }
        _ => {}
    }
}
