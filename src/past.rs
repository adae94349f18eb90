//! How each camera was, in this run of the program and in those before: seconds for the last hour, minutes for a week.
//!
//! Each camera has a folder. Every second adds a line to the file of its hour. When an hour is well over, its minutes are
//! made of it and written whole, and the seconds are deleted: whatever moment the program is killed at, all but the last
//! second is there. Any number of processes may do so at once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::disk::{FileAccess, KeptAges, read_regular, write_whole};
use crate::foreign::{plain, safe_within};
use crate::logging::files::{append_lines, delete, read_lines};

/// Older hours are forgotten.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Seconds stay for this hour and the one before.
const FINE: SignedDuration = SignedDuration::from_hours(2);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Several processes that watch one camera write one file; no more than this comes together in an hour.
const MAX_FILE_BYTES: u64 = 2 << 20;
/// No source is longer.
const MAX_ABOUT_BYTES: u64 = 64 << 10;

const FOLDER: &str = "history";
const ABOUT: &str = "camera.json";
const SECONDS: &str = ".seconds.jsonl";
const MINUTES: &str = ".minutes.jsonl";

/// A second or a minute of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it began.
    pub at: Timestamp,
    /// How long it is: 1 or 60.
    pub secs: u32,
    /// The lowest health score in it.
    pub score: u8,
    pub mean_score: f64,
    /// Good frames a second, on average.
    pub fps: f64,
    /// The share of the time with a live picture, 0 to 1.
    pub live: f64,
}

/// The camera whose history it is: a file in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryOwner {
    /// As the status names it, without secrets.
    pub source: String,
}

impl Sample {
    #[must_use]
    pub fn second(at: Timestamp, score: u8, fps: f64, is_live: bool) -> Self {
        let live = if is_live { 1.0 } else { 0.0 };
        Self { at: whole(at, 1), secs: 1, score, mean_score: f64::from(score), fps, live }
    }

    fn is_sane(&self) -> bool {
        let is_share = |value: f64, most: f64| (0.0..=most).contains(&value);
        [1, 60].contains(&self.secs)
            && self.score <= 100
            && is_share(self.mean_score, 100.0)
            && is_share(self.fps, 100_000.0)
            && is_share(self.live, 1.0)
    }
}

/// Adds a sample to the history of `source`, below the folder for data.
///
/// # Errors
/// As the system says: no right, no room. The sample is lost, and nothing else.
pub fn append(data: &Path, source: &str, sample: Sample) -> io::Result<()> {
    let folder = folder_of(data, source);
    let about = folder.join(ABOUT);
    if !about.exists() {
        write_whole(&about, &line(&HistoryOwner { source: source.to_owned() })?, FileAccess::Private)?;
    }
    let file = folder.join(format!("{}{SECONDS}", hour_name(sample.at)));
    if fs::metadata(&file).is_ok_and(|metadata| metadata.len() >= MAX_FILE_BYTES) {
        return Ok(());
    }
    append_lines(&file, &line(&sample)?)
}

/// The history of `source` since then, oldest first; empty where there is none. Minutes that began before are left out.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn read(data: &Path, source: &str, since: Timestamp) -> io::Result<Vec<Sample>> {
    let folder = folder_of(data, source);
    let mut samples = Vec::new();
    for (hour, files) in hours(&folder)? {
        if hour.checked_add(HOUR).is_ok_and(|end| end <= since) {
            continue;
        }
        let seconds = if files.seconds { read_file(&folder, hour, SECONDS)? } else { BTreeMap::new() };
        // An hour has both when its minutes were made and the program was killed before it deleted the seconds.
        let of_hour = if files.minutes { minutes(read_file(&folder, hour, MINUTES)?, &seconds) } else { seconds };
        samples.extend(of_hour.into_values().filter(|sample| sample.at >= since));
    }
    Ok(samples)
}

/// The cameras that have a history, sorted by name.
///
/// # Errors
/// The folder cannot be read.
pub fn cameras(data: &Path) -> io::Result<Vec<HistoryOwner>> {
    let mut cameras = Vec::new();
    for folder in folders(data)? {
        let about = read_regular(&folder.join(ABOUT), MAX_ABOUT_BYTES).ok();
        let kept: Option<HistoryOwner> = about.and_then(|about| serde_json::from_slice(&about).ok());
        // Only its own folder can name a camera.
        cameras.extend(kept.filter(|kept| folder_of(data, &kept.source) == folder));
    }
    cameras.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(cameras)
}

/// Makes minutes of the seconds of each hour that is well over, and deletes what is too old. Goes through all cameras.
///
/// # Errors
/// A file cannot be read, written or deleted; what comes after it is left for the next time.
pub fn tidy(data: &Path, now: Timestamp) -> io::Result<()> {
    let with_hours = |folder: PathBuf| hours(&folder).map(|hours| (hours, folder));
    let all = folders(data)?.into_iter().map(with_hours).collect::<io::Result<Vec<_>>>()?;
    let ages = KeptAges::new(now, all.iter().flat_map(|(hours, _)| hours.keys().copied()));
    for (hours, folder) in all {
        let mut n_left = 0;
        for (hour, files) in hours {
            let age = now.duration_since(hour);
            n_left += 1;
            if ages.is_over(hour, KEPT + HOUR) {
                delete(&name(&folder, hour, SECONDS))?;
                delete(&name(&folder, hour, MINUTES))?;
                n_left -= 1;
            } else if files.seconds && age >= FINE {
                let known = if files.minutes { read_file(&folder, hour, MINUTES)? } else { BTreeMap::new() };
                let minutes = minutes(known, &read_file(&folder, hour, SECONDS)?);
                let mut bytes = Vec::new();
                for minute in minutes.values() {
                    bytes.extend(line(minute)?);
                }
                write_whole(&name(&folder, hour, MINUTES), &bytes, FileAccess::Private)?;
                delete(&name(&folder, hour, SECONDS))?;
            }
        }
        if n_left == 0 && folder.join(ABOUT).exists() {
            delete(&folder.join(ABOUT))?;
            // Not where somebody has put something of his own.
            let _ = fs::remove_dir(&folder);
        }
    }
    Ok(())
}

/// A name that no file system and no shell takes for anything else, and that no other source has.
fn folder_of(data: &Path, source: &str) -> PathBuf {
    // With its password masked or without one, it is the same camera.
    let source = &source.replace(":***@", "@");
    // FNV-1a: the same in every version of the program.
    let hash = source
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let name: String = plain(source).chars().take(60).collect();
    data.join(FOLDER).join(format!("{name}-{hash:016x}"))
}

fn folders(data: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// Which files an hour has.
#[derive(Clone, Copy, Default)]
struct HistoryFiles {
    seconds: bool,
    minutes: bool,
}

fn hours(folder: &Path) -> io::Result<BTreeMap<Timestamp, HistoryFiles>> {
    let mut hours: BTreeMap<Timestamp, HistoryFiles> = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(hours),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let hour_of = |ending: &str| format!("{}:00:00Z", name.strip_suffix(ending)?).parse().ok();
        if let Some(hour) = hour_of(SECONDS) {
            hours.entry(hour).or_default().seconds = true;
        } else if let Some(hour) = hour_of(MINUTES) {
            hours.entry(hour).or_default().minutes = true;
        }
    }
    Ok(hours)
}

fn hour_name(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H").to_string()
}

fn name(folder: &Path, hour: Timestamp, ending: &str) -> PathBuf {
    folder.join(format!("{}{ending}", hour_name(hour)))
}

/// The samples of a file by their time. Of several with the same, as of two processes that watch one camera, the lowest
/// score counts.
fn read_file(folder: &Path, hour: Timestamp, ending: &str) -> io::Result<BTreeMap<Timestamp, Sample>> {
    let mut samples: BTreeMap<Timestamp, Sample> = BTreeMap::new();
    read_lines(&name(folder, hour, ending), |line| {
        if let Ok(sample) = serde_json::from_str::<Sample>(line)
            && sample.is_sane()
            && whole(sample.at, 3_600) == hour
        {
            let kept = samples.entry(sample.at).or_insert(sample);
            if sample.score < kept.score {
                *kept = sample;
            }
        }
    })?;
    Ok(samples)
}

/// The minutes that are known already, and those that can be made of seconds.
fn minutes(
    mut known: BTreeMap<Timestamp, Sample>,
    seconds: &BTreeMap<Timestamp, Sample>,
) -> BTreeMap<Timestamp, Sample> {
    let mut by_minute: BTreeMap<Timestamp, Vec<&Sample>> = BTreeMap::new();
    for sample in seconds.values() {
        by_minute.entry(whole(sample.at, 60)).or_default().push(sample);
    }
    for (at, of_minute) in by_minute {
        let mean = |value: fn(&Sample) -> f64| {
            let mean = of_minute.iter().map(|sample| value(sample)).sum::<f64>() / of_minute.len() as f64;
            (mean * 1_000.0).round() / 1_000.0
        };
        known.entry(at).or_insert_with(|| Sample {
            at,
            secs: 60,
            score: of_minute.iter().map(|sample| sample.score).min().unwrap_or_default(),
            mean_score: mean(|sample| sample.mean_score),
            fps: mean(|sample| sample.fps),
            live: mean(|sample| sample.live),
        });
    }
    known
}

/// The last whole multiple of so many seconds.
fn whole(at: Timestamp, secs: i64) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(secs)).unwrap_or(at)
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// The cameras of a list as people read them, on one line.
#[must_use]
pub fn list(cameras: &[HistoryOwner]) -> String {
    cameras.iter().map(|kept| safe_within(kept.source.as_bytes(), 80)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Writes seconds from `start` on, with these scores.
    fn write(data: &Path, source: &str, start: &str, scores: &[u8]) {
        for (n, score) in (0..).zip(scores) {
            let at = at(start) + SignedDuration::from_secs(n);
            append(data, source, Sample::second(at, *score, 30.0, *score > 50)).unwrap();
        }
    }

    fn files(data: &Path, source: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder_of(data, source))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn scores(data: &Path, source: &str) -> Vec<u8> {
        read(data, source, Timestamp::UNIX_EPOCH).unwrap().iter().map(|sample| sample.score).collect()
    }

    #[test]
    fn seconds_become_minutes_and_are_forgotten_after_a_week() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        write(data, "sim:", "2026-11-21T09:58:00Z", &[[100; 59].as_slice(), &[40]].concat());
        write(data, "sim:", "2026-11-21T09:59:58Z", &[90, 80, 70]);
        tidy(data, at("2026-11-21T10:59:59Z")).unwrap();
        assert_eq!(files(data, "sim:"), ["2026-11-21T09.seconds.jsonl", "2026-11-21T10.seconds.jsonl", "camera.json"]);
        assert_eq!(scores(data, "sim:").len(), 63);
        tidy(data, at("2026-11-21T11:00:00Z")).unwrap();
        assert_eq!(files(data, "sim:"), ["2026-11-21T09.minutes.jsonl", "2026-11-21T10.seconds.jsonl", "camera.json"]);
        let samples = read(data, "sim:", Timestamp::UNIX_EPOCH).unwrap();
        let minute =
            Sample { at: at("2026-11-21T09:58:00Z"), secs: 60, score: 40, mean_score: 99.0, fps: 30.0, live: 0.983 };
        assert_eq!(samples.first(), Some(&minute));
        assert_eq!(scores(data, "sim:"), [40, 80, 70]);
        assert_eq!(read(data, "sim:", at("2026-11-21T09:58:30Z")).unwrap().len(), 2);
        tidy(data, at("2026-11-28T10:30:00Z")).unwrap();
        assert_eq!(scores(data, "sim:"), [70]);
        tidy(data, at("2026-11-29T12:00:00Z")).unwrap();
        assert!(cameras(data).unwrap().is_empty());
        assert_eq!(fs::read_dir(data.join(FOLDER)).unwrap().count(), 0);
    }

    /// The clock of one run is ten years ahead.
    #[test]
    fn a_clock_that_is_wrong_costs_no_history() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        let check = |tidied_at: &str, expected: &[u8]| {
            tidy(data, at(tidied_at)).unwrap();
            assert_eq!(scores(data, "sim:"), expected, "{tidied_at}");
        };
        write(data, "sim:", "2026-11-21T09:00:00Z", &[90]);
        write(data, "sim:", "2036-01-01T00:00:00Z", &[10]);
        check("2036-01-01T00:00:01Z", &[90, 10]);
        check("2036-01-02T00:00:00Z", &[90, 10]);
        check("2026-11-21T10:00:00Z", &[90, 10]);
        check("2026-11-25T10:00:00Z", &[90]);
        // Two years later there is something new.
        check("2028-11-25T10:00:00Z", &[90]);
        write(data, "sim:", "2028-11-22T09:00:00Z", &[80]);
        check("2028-11-22T10:00:00Z", &[90, 80]);
        check("2028-11-25T10:00:00Z", &[80]);
    }

    #[test]
    fn a_week_of_a_camera_stays_small() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        let now = at("2026-11-20T13:00:00Z");
        // Every second of a few hours of each of ten days.
        for day in 0..10 {
            let start = at("2026-11-11T10:00:00Z") + SignedDuration::from_hours(24 * day);
            let mut bytes = Vec::new();
            for n in 0..3_600 {
                let sample = Sample::second(start + SignedDuration::from_secs(n), 97, 29.97, true);
                bytes.extend(line(&sample).unwrap());
            }
            append(data, "sim:", Sample::second(start, 97, 29.97, true)).unwrap();
            append_lines(&name(&folder_of(data, "sim:"), start, SECONDS), &bytes).unwrap();
        }
        tidy(data, now).unwrap();
        assert_eq!(scores(data, "sim:").len(), 7 * 60);
        let n_bytes: u64 = files(data, "sim:")
            .iter()
            .map(|name| fs::metadata(folder_of(data, "sim:").join(name)).unwrap().len())
            .sum();
        // 24 hours of 7 days, and three hours of seconds besides.
        assert!(n_bytes / 7 * 24 * 7 < 1_500_000, "{n_bytes}");
    }

    #[test]
    fn damage_costs_no_more_than_itself() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        write(data, "sim:", "2026-11-21T09:00:00Z", &[100, 90]);
        let file = name(&folder_of(data, "sim:"), at("2026-11-21T09:00:00Z"), SECONDS);
        for damage in [
            "{\"at\":\"2026-11-",
            "null\n\n\0\0\0\n",
            "{\"at\":\"2026-11-21T09:10:00Z\",\"secs\":1,\"score\":101,\"mean_score\":1,\"fps\":1,\"live\":1}\n",
            "{\"at\":\"2026-11-21T19:10:00Z\",\"secs\":1,\"score\":1,\"mean_score\":1,\"fps\":1,\"live\":1}\n",
            "{\"at\":\"2026-11-21T09:10:00Z\",\"secs\":1,\"score\":1,\"mean_score\":1,\"fps\":-1,\"live\":1}",
        ] {
            append_lines(&file, damage.as_bytes()).unwrap();
        }
        write(data, "sim:", "2026-11-21T09:00:02Z", &[80]);
        assert_eq!(scores(data, "sim:"), [100, 90, 80]);
        // Killed between the two halves of tidying up: the minute is there once.
        let seconds = fs::read(&file).unwrap();
        tidy(data, at("2026-11-21T12:00:00Z")).unwrap();
        fs::write(&file, seconds).unwrap();
        assert_eq!(scores(data, "sim:"), [80]);
        tidy(data, at("2026-11-21T12:00:00Z")).unwrap();
        assert_eq!(scores(data, "sim:"), [80]);
        assert_eq!(files(data, "sim:").len(), 2);
    }

    #[test]
    fn of_two_who_watch_one_camera_the_worse_counts() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        for score in [90, 20, 100] {
            write(data, "/dev/video0", "2026-11-21T09:00:00Z", &[score]);
        }
        assert_eq!(scores(data, "/dev/video0"), [20]);
    }

    #[test]
    fn a_camera_is_the_same_with_and_without_its_masked_password() {
        let data = tempfile::tempdir().unwrap();
        write(data.path(), "rtsp://admin:***@cam/1", "2026-11-21T09:00:00Z", &[90]);
        assert_eq!(scores(data.path(), "rtsp://admin@cam/1"), [90]);
        assert_eq!(cameras(data.path()).unwrap().len(), 1);
    }

    #[test]
    fn every_source_has_a_folder_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        let long = format!("rtsp://{}", "a/".repeat(5_000));
        let sources =
            ["", ".", "..", "../../etc", "/dev/video0", "CON", "a:b|c?*\"<>\n", "sim:", "sim_", "Kamera 摄像头", &long];
        for (score, source) in (1..).zip(sources) {
            write(data, source, "2026-11-21T09:00:00Z", &[score]);
        }
        for (score, source) in (1..).zip(sources) {
            assert_eq!(scores(data, source), [score], "{source}");
            assert_eq!(folder_of(data, source).parent().unwrap(), data.join(FOLDER));
        }
        let mut sorted = sources.to_vec();
        sorted.sort_unstable();
        let found: Vec<_> = cameras(data).unwrap().into_iter().map(|kept| kept.source).collect();
        assert_eq!(found, sorted);
        assert_eq!(fs::read_dir(data).unwrap().count(), 1);
        assert!(cameras(&data.join("none")).unwrap().is_empty());
        assert!(scores(&data.join("none"), "sim:").is_empty());
    }
}
