//! The log on the disk: every event as a line of JSON, in files that bear their day and a number.
//!
//! Nothing is ever renamed or rewritten: lines are added at the end of the newest file, and old files are deleted. So any
//! number of processes write one log, and one that is killed leaves a torn line at most, which readers skip.

use std::cmp::Reverse;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::disk::{FileAccess, KeptAges, make_folder, open_regular, open_to_append};
use crate::event::Level;

/// A file takes no more lines when it is larger: an editor still opens it at once.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// The oldest files go when all of them are larger. A camera that fails every minute writes this in about three months.
const MAX_ALL_BYTES: u64 = 32 << 20;
/// Files of days before go.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// No line of this program is longer.
const MAX_LINE_BYTES: usize = 1 << 16;
/// Several processes that find a file not full may all add to it; what is longer than this is not of this program.
const MAX_READ_BYTES: u64 = 2 * MAX_FILE_BYTES;
/// Older files are left unread when so much memory is taken: more than all that is kept takes.
const MAX_COLLECTED_BYTES: usize = 96 << 20;

/// A line of the log that could be read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LogEntry {
    pub at: Timestamp,
    pub source: String,
    pub level: Level,
    pub name: String,
    pub message: String,
    /// The line as it stands in the file, with all that belongs to the event.
    #[serde(skip)]
    pub line: String,
}

/// What orders the files of the log: the day, and the number within it.
type FileKey = (Date, u32);

/// Adds lines to the log in this folder, which is made if need be. Each must end with a line feed.
///
/// # Errors
/// As the system says: no right, no room. Some of the lines may have been written.
pub fn append(folder: &Path, lines: &[u8], now: Timestamp) -> io::Result<()> {
    make_folder(folder, FileAccess::Private)?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let newest = file_keys(folder)?.into_iter().filter(|(date, _)| *date == today).map(|(_, n)| n).max().unwrap_or(1);
    let file = path(folder, (today, newest));
    let is_full = fs::metadata(&file).is_ok_and(|metadata| metadata.len() >= MAX_FILE_BYTES);
    append_lines(&if is_full { path(folder, (today, newest.saturating_add(1))) } else { file }, lines)
}

/// Deletes what is too old or too much. The newest file stays.
///
/// # Errors
/// The folder cannot be read, or a file not be deleted.
pub fn prune(folder: &Path, now: Timestamp) -> io::Result<()> {
    let mut file_keys = match file_keys(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file_keys => file_keys?,
    };
    let today = now.to_zoned(TimeZone::UTC).date();
    // Those that a wrong clock has dated ahead go first.
    file_keys.sort_unstable_by_key(|(date, n)| Reverse((*date <= today, *date, *n)));
    let ages = KeptAges::new(midnight(today), file_keys.iter().map(|(date, _)| midnight(*date)));
    let mut n_bytes = 0;
    for (n, place) in file_keys.into_iter().enumerate() {
        let file = path(folder, place);
        n_bytes += fs::metadata(&file).map_or(0, |metadata| metadata.len());
        if n > 0 && (ages.is_over(midnight(place.0), MAX_AGE) || n_bytes > MAX_ALL_BYTES) {
            delete(&file)?;
        }
    }
    Ok(())
}

/// Reads the log, oldest first. What cannot be read as an event, such as a torn line, is left out; so are the oldest of
/// more than there should be. Empty where there is none.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn read(folder: &Path, since: Timestamp, admits: impl FnMut(&LogEntry) -> bool) -> io::Result<Vec<LogEntry>> {
    read_newest(folder, since, MAX_COLLECTED_BYTES, admits)
}

fn read_newest(
    folder: &Path,
    since: Timestamp,
    max_bytes: usize,
    mut admits: impl FnMut(&LogEntry) -> bool,
) -> io::Result<Vec<LogEntry>> {
    let mut file_keys = match file_keys(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file_keys => file_keys?,
    };
    file_keys.sort_unstable();
    let first = since.to_zoned(TimeZone::UTC).date();
    let (mut by_file, mut n_bytes) = (Vec::new(), 0);
    for place in file_keys.into_iter().rev().filter(|(date, _)| *date >= first) {
        if n_bytes > max_bytes {
            break;
        }
        let mut entries = Vec::new();
        read_lines(&path(folder, place), |line| {
            if let Ok(mut entry) = serde_json::from_str::<LogEntry>(line)
                && entry.at >= since
                && admits(&entry)
            {
                line.clone_into(&mut entry.line);
                n_bytes += size_of::<LogEntry>() + 2 * line.len();
                entries.push(entry);
            }
        })?;
        by_file.push(entries);
    }
    let mut entries: Vec<_> = by_file.into_iter().rev().flatten().collect();
    // Processes hand their lines to the system in their own time.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

/// When a day begins.
fn midnight(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |begin| begin.timestamp())
}

fn path(folder: &Path, (date, n): FileKey) -> PathBuf {
    folder.join(format!("log-{date}-{n:02}.jsonl"))
}

fn file_keys(folder: &Path) -> io::Result<Vec<FileKey>> {
    let mut file_keys = Vec::new();
    for entry in fs::read_dir(folder)? {
        file_keys.extend(entry?.file_name().to_str().and_then(place));
    }
    Ok(file_keys)
}

fn place(name: &str) -> Option<FileKey> {
    let (date, n) = name.strip_prefix("log-")?.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let place = (date.parse().ok()?, n.parse().ok()?);
    // No other spelling of the same.
    (path(Path::new(""), place) == Path::new(name)).then_some(place)
}

/// Adds whole lines to a file in one call, after a line feed of their own where the file ends with a torn line.
///
/// # Errors
/// As the system says. Some of the bytes may have been written.
pub fn append_lines(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = open_to_append(path)?;
    let is_torn = file.metadata()?.len() > 0 && {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        last != *b"\n"
    };
    if is_torn { file.write_all(&[b"\n", lines].concat()) } else { file.write_all(lines) }
}

/// Hands over each line of a file that is text and not absurdly long, as far as the program writes files. A file that is gone has
/// none.
///
/// # Errors
/// The file cannot be read.
pub fn read_lines(path: &Path, mut each: impl FnMut(&str)) -> io::Result<()> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut reader = BufReader::new(file.take(MAX_READ_BYTES));
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    while (&mut reader).take(limit).read_until(b'\n', &mut line)? > 0 {
        if let Ok(text) = str::from_utf8(&line) {
            each(text.trim());
        }
        line.clear();
    }
    Ok(())
}

/// Deletes a file that another process may have deleted already.
///
/// # Errors
/// As the system says.
pub fn delete(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn line(time: &str, message: &str) -> String {
        format!(
            r#"{{"at":"{time}","source":"sim:","level":"error","name":"stall","message":"{message}","rung":"retry"}}"#
        ) + "\n"
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn messages(folder: &Path, since: &str) -> Vec<String> {
        read(folder, at(since), |_| true).unwrap().into_iter().map(|entry| entry.message).collect()
    }

    #[test]
    fn each_day_and_each_full_file_begins_another() {
        let folder = tempfile::tempdir().unwrap();
        let folder = &folder.path().join("deep/er");
        let big = "x".repeat(60_000);
        let n_big = MAX_FILE_BYTES / 60_000 + 1;
        for (time, n) in [("2026-11-20T23:59:59Z", 1), ("2026-11-21T00:00:00Z", n_big), ("2026-11-21T00:00:01Z", 1)] {
            for _ in 0..n {
                append(folder, line(time, &big).as_bytes(), at(time)).unwrap();
            }
        }
        assert_eq!(names(folder), ["log-2026-11-20-01.jsonl", "log-2026-11-21-01.jsonl", "log-2026-11-21-02.jsonl"]);
        assert_eq!(messages(folder, "2026-11-21T00:00:01Z").len(), 1);
        assert_eq!(messages(folder, "2026-11-01T00:00:00Z").len(), usize::try_from(n_big + 2).unwrap());
    }

    #[test]
    fn the_old_goes_and_the_newest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let now = at("2026-11-21T12:00:00Z");
        prune(&folder.join("none"), now).unwrap();
        fs::write(folder.join("log-of-somebody.txt"), "mine").unwrap();
        for name in ["log-2026-10-21-01.jsonl", "log-2026-10-22-01.jsonl", "log-2026-11-21-02.jsonl"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        for n in 10..20 {
            fs::write(folder.join(format!("log-2026-11-{n}-01.jsonl")), vec![b'x'; 4 << 20]).unwrap();
        }
        prune(folder, now).unwrap();
        let left = names(folder);
        assert_eq!(left.first().unwrap(), "log-2026-11-13-01.jsonl", "{left:?}");
        assert_eq!(left.len(), 9, "{left:?}");
        assert!(left.contains(&"log-of-somebody.txt".to_owned()), "{left:?}");
        // Set by a clock that was wrong, or not used for years: all is kept. What is dated ahead goes when it is right.
        prune(folder, at("2036-01-01T00:00:00Z")).unwrap();
        assert_eq!(names(folder), left);
        fs::write(folder.join("log-2036-01-01-01.jsonl"), "x").unwrap();
        prune(folder, at("2036-01-01T00:00:00Z")).unwrap();
        assert_eq!(names(folder).len(), left.len() + 1);
        prune(folder, now).unwrap();
        assert_eq!(names(folder), left);
        // Something new was kept some days ago.
        fs::write(folder.join("log-2036-01-01-01.jsonl"), "x").unwrap();
        prune(folder, at("2036-01-04T00:00:00Z")).unwrap();
        assert_eq!(names(folder), ["log-2036-01-01-01.jsonl", "log-of-somebody.txt"]);
    }

    #[test]
    fn what_is_dated_ahead_is_the_first_to_go_where_there_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for day in ["2026-11-20", "2026-11-21", "2036-01-01"] {
            for n in 1..4 {
                fs::write(folder.join(format!("log-{day}-{n:02}.jsonl")), vec![b'x'; 5 << 20]).unwrap();
            }
        }
        prune(folder, at("2026-11-21T12:00:00Z")).unwrap();
        let left = names(folder);
        assert_eq!(left.len(), 6, "{left:?}");
        assert!(left.iter().all(|name| name.starts_with("log-2026")), "{left:?}");
    }

    #[test]
    fn of_more_than_there_should_be_the_newest_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for day in 10..20 {
            let time = format!("2026-11-{day}T12:00:00Z");
            let lines = line(&time, &format!("{day} {}", "x".repeat(1_000))).repeat(2);
            append(folder.path(), lines.as_bytes(), at(&time)).unwrap();
        }
        let check = |max_bytes: usize, expected: &[&str]| {
            let entries = read_newest(folder.path(), Timestamp::MIN, max_bytes, |_| true).unwrap();
            let days: Vec<_> = entries.iter().map(|entry| entry.message.get(..2).unwrap()).collect();
            assert_eq!(days, expected, "{max_bytes}");
        };
        check(0, &["19", "19"]);
        check(6_000, &["18", "18", "19", "19"]);
        let all: Vec<_> = (10..20).flat_map(|day| [day.to_string(), day.to_string()]).collect();
        check(1 << 20, &all.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn a_torn_line_costs_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let now = at("2026-11-21T12:00:00Z");
        let times = ["2026-11-21T12:00:02Z", "2026-11-21T12:00:01Z"];
        append(folder, line(times[0], "second").as_bytes(), now).unwrap();
        let file = folder.join("log-2026-11-21-01.jsonl");
        for torn in [&b"{\"at\":\"2026-11-21T12:0"[..], b"{}\n\n", b"\xff\xfe\0", &vec![b'['; 3 * MAX_LINE_BYTES]] {
            let mut bytes = fs::read(&file).unwrap();
            bytes.extend(torn);
            fs::write(&file, bytes).unwrap();
            append(folder, line(times[1], "first").as_bytes(), now).unwrap();
        }
        assert_eq!(messages(folder, "2026-11-21T00:00:00Z"), ["first", "first", "first", "first", "second"]);
        let last = read(folder, now, |entry| entry.message == "second").unwrap().pop().unwrap();
        assert_eq!(last.line, line(times[0], "second").trim());
        assert!(messages(&folder.join("none"), "2026-11-21T00:00:00Z").is_empty());
    }

    /// Neither a pipe that nobody writes to nor a file without end holds up whoever reads the log, or writes it.
    #[cfg(unix)]
    #[test]
    fn a_pipe_or_an_endless_file_in_place_of_the_log_holds_up_nobody() {
        #[track_caller]
        fn check(make: impl FnOnce(&Path), error: Option<io::ErrorKind>) {
            let folder = tempfile::tempdir().unwrap();
            let now = at("2026-11-21T12:00:00Z");
            let file = folder.path().join("log-2026-11-21-01.jsonl");
            append(folder.path(), line("2026-11-21T12:00:00Z", "first").as_bytes(), now).unwrap();
            make(&file);
            let got = read(folder.path(), now, |_| true);
            let lines = |entries: Vec<LogEntry>| entries.into_iter().map(|entry| entry.message).collect::<Vec<_>>();
            let expected = error.map_or_else(|| Ok(vec!["first".to_owned()]), Err);
            assert_eq!(got.map(lines).map_err(|error| error.kind()), expected);
            let added = append(folder.path(), line("2026-11-21T12:00:00Z", "second").as_bytes(), now);
            assert_eq!(added.map_err(|error| error.kind()), error.map_or(Ok(()), Err));
        }
        let instead = |file: &Path| fs::remove_file(file).unwrap();
        check(
            |file| {
                instead(file);
                assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
            },
            Some(io::ErrorKind::InvalidInput),
        );
        check(
            |file| {
                instead(file);
                std::os::unix::fs::symlink("/dev/zero", file).unwrap();
            },
            Some(io::ErrorKind::InvalidInput),
        );
        // Made of nothing but holes after its first line.
        check(|file| fs::File::options().append(true).open(file).unwrap().set_len(10 << 30).unwrap(), None);
    }

    #[test]
    fn only_our_own_files_are_of_the_log() {
        #[track_caller]
        fn check(name: &str, expected: bool) {
            assert_eq!(place(name).is_some(), expected, "{name}");
        }
        check("log-2026-11-21-01.jsonl", true);
        check("log-2026-11-21-100.jsonl", true);
        check("log-2026-11-21-1.jsonl", false);
        check("log-2026-13-21-01.jsonl", false);
        check("log-2026-11-21.jsonl", false);
        check("log-2026-11-21-01.jsonl.gz", false);
        check("settings.json", false);
    }
}
