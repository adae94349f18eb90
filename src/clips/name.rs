//! How files and folders of clips are named, and what a name tells. Pure, but for [`ClipPaths`], which only joins.
//!
//! Names hold what is harmless alone: never an address with a login, a path or a query, in which cameras have their
//! passwords.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use super::digest::digest_bytes;
use super::wall_time::WallTime;

/// Of a camera's name. Windows takes 259 letters for a whole path.
const MAX_NAME_CHARS: usize = 40;
const MAX_NAME_BYTES: usize = 120;
const MAX_CAUSE_CHARS: usize = 40;
/// Of the digest of a camera's identity, in the name of its folder.
const N_HASH_CHARS: usize = 8;
/// The same in the sidecar.
const N_IDENTITY_CHARS: usize = 16;

const CLOSED: &str = ".mp4";
const UNFINISHED: &str = ".recording.mp4";
const SIDECAR: &str = ".json";
const PICTURE: &str = ".png";

/// Why a clip was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClipKind {
    /// A fault of the camera or of its picture has triggered it.
    Fault,
    Alert,
    /// Somebody asked for it.
    Manual,
    Continuous,
    TimeLapse,
    /// It was found unfinished, and nothing tells why it was made.
    Recovered,
    /// A later version of the program knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ClipKind {
    const NAMED: [(Self, &str); 6] = [
        (Self::Fault, "fault"),
        (Self::Alert, "alert"),
        (Self::Manual, "manual"),
        (Self::Continuous, "continuous"),
        (Self::TimeLapse, "time-lapse"),
        (Self::Recovered, "recovered"),
    ];

    /// Whether it is kept by its own limit, behind all others: evidence.
    #[must_use]
    pub fn is_evidence(self) -> bool {
        matches!(self, Self::Fault | Self::Alert | Self::Manual | Self::Unknown)
    }

    #[must_use]
    pub fn slug(self) -> &'static str {
        Self::NAMED.iter().find(|(kind, _)| *kind == self).map_or("unknown", |(_, slug)| slug)
    }
}

/// Why a clip was made, with the cause in one word: `fault-stall`, `fault-black`, `continuous`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClipReason {
    kind: ClipKind,
    /// Empty where there is none.
    cause: String,
}

impl ClipReason {
    /// `cause` becomes one of small letters, digits and `-`.
    #[must_use]
    pub fn new(kind: ClipKind, cause: &str) -> Self {
        let mut word = String::new();
        for letter in cause.chars() {
            let is_plain = letter.is_ascii_alphanumeric();
            if is_plain && word.len() < MAX_CAUSE_CHARS {
                word.push(letter.to_ascii_lowercase());
            } else if !is_plain && !word.is_empty() && !word.ends_with('-') && word.len() + 1 < MAX_CAUSE_CHARS {
                word.push('-');
            }
        }
        word.truncate(word.trim_end_matches('-').len());
        Self { kind, cause: word }
    }

    #[must_use]
    pub fn kind(&self) -> ClipKind {
        self.kind
    }

    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// As it is displayed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !word.is_empty() && word.len() <= 2 * MAX_CAUSE_CHARS && word.bytes().all(is_plain)
        };
        if !is_word(text) {
            return None;
        }
        let known = ClipKind::NAMED.iter().find_map(|(kind, slug)| {
            let rest = text.strip_prefix(slug)?;
            let cause = if rest.is_empty() { rest } else { rest.strip_prefix('-').filter(|cause| is_word(cause))? };
            Some(Self { kind: *kind, cause: cause.to_owned() })
        });
        Some(known.unwrap_or_else(|| Self { kind: ClipKind::Unknown, cause: text.to_owned() }))
    }
}

impl fmt::Display for ClipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.cause.as_str()) {
            (ClipKind::Unknown, "") => f.write_str(self.kind.slug()),
            (ClipKind::Unknown, cause) => f.write_str(cause),
            (kind, "") => f.write_str(kind.slug()),
            (kind, cause) => write!(f, "{}-{cause}", kind.slug()),
        }
    }
}

/// What the names of a clip's files have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClipName {
    pub started: WallTime,
    pub reason: ClipReason,
}

impl ClipName {
    /// The name of the folder of its day.
    #[must_use]
    pub fn day(&self) -> String {
        self.started.local().strftime("%Y-%m-%d").to_string()
    }

    fn parse(stem: &str) -> Option<Self> {
        // 2026-11-20_12-41-06.118+0100_reason: one byte each, as everything in it is ASCII.
        const N_TIME: usize = 28;
        let (time, reason) = stem.split_at_checked(N_TIME)?;
        let number = |range: std::ops::Range<usize>| {
            let digits = time.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i16>().ok())?
        };
        let small = |range| i8::try_from(number(range)?).ok();
        let date = Date::new(number(0..4)?, small(5..7)?, small(8..10)?).ok()?;
        let millis = i32::from(number(20..23)?);
        let clock = Time::new(small(11..13)?, small(14..16)?, small(17..19)?, millis * 1_000_000).ok()?;
        let minutes = i32::from(number(24..26)?) * 60 + i32::from(number(26..28)?);
        let sign = if time.get(23..24)? == "-" { -60 } else { 60 };
        let offset = Offset::from_seconds(sign * minutes).ok()?;
        let at = offset.to_timestamp(DateTime::from_parts(date, clock)).ok()?;
        let name =
            Self { started: WallTime::with_offset(at, offset), reason: ClipReason::parse(reason.strip_prefix('_')?)? };
        // Whatever else is not as we write it is not ours.
        (name.to_string() == stem).then_some(name)
    }
}

impl fmt::Display for ClipName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.started.offset().seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.unsigned_abs() / 60;
        let local = self.started.local().strftime("%Y-%m-%d_%H-%M-%S%.3f");
        write!(f, "{local}{sign}{:02}{:02}_{}", minutes / 60, minutes % 60, self.reason)
    }
}

/// Which of a clip's files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileRole {
    Closed,
    /// It is being recorded, or was when the program ended.
    Unfinished,
    Sidecar,
    /// The last picture before the fault, without loss.
    Picture,
}

/// What the name of a file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFileName {
    pub name: ClipName,
    pub role: FileRole,
}

impl ClipFileName {
    /// `None` for whatever this program does not name so.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let endings = [
            (UNFINISHED, FileRole::Unfinished),
            (CLOSED, FileRole::Closed),
            (SIDECAR, FileRole::Sidecar),
            (PICTURE, FileRole::Picture),
        ];
        endings
            .into_iter()
            .find_map(|(ending, role)| Some((file.strip_suffix(ending)?, role)))
            .and_then(|(stem, role)| Some(Self { name: ClipName::parse(stem)?, role }))
    }
}

/// Where a clip's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipPaths {
    pub unfinished: PathBuf,
    pub closed: PathBuf,
    pub sidecar: PathBuf,
    pub picture: PathBuf,
}

impl ClipPaths {
    #[must_use]
    pub fn new(root: &Path, camera_folder: &str, name: &ClipName) -> Self {
        let folder = root.join(camera_folder).join(name.day());
        let file = |ending| folder.join(format!("{name}{ending}"));
        let (unfinished, closed) = (file(UNFINISHED), file(CLOSED));
        Self { unfinished, closed, sidecar: file(SIDECAR), picture: file(PICTURE) }
    }
}

/// The name of a camera's folder: what it is called, and a hash of what it is, so that two of one name stay apart.
/// `name` is for people, `identity` the device's, or the source as the status names it.
#[must_use]
pub fn camera_folder(name: &str, identity: &str) -> String {
    let hash = identity_digest(identity);
    format!("{}-{}", file_part(name, "camera"), hash.get(..N_HASH_CHARS).unwrap_or_default())
}

/// What people call something, as every file system takes it; `nameless` where nothing is left of it.
#[must_use]
pub fn file_part(name: &str, nameless: &str) -> String {
    let mut shown = String::new();
    let mut n_chars = 0;
    let letters = without_secrets(name).chars();
    for letter in letters.map(|letter| if letter.is_alphanumeric() || "-.".contains(letter) { letter } else { '_' }) {
        if shown.is_empty() && "_.-".contains(letter) {
            continue;
        }
        if n_chars == MAX_NAME_CHARS || shown.len() + letter.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        shown.push(letter);
        n_chars += 1;
    }
    let shown = shown.trim_end_matches(['_', '.', '-']);
    let mask = if is_reserved(shown) { "_" } else { "" };
    format!("{mask}{}", if shown.is_empty() { nameless } else { shown })
}

/// Whether a folder of this name can be a camera's.
pub(super) fn is_camera_folder(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(shown, hash)| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        !shown.is_empty() && !shown.starts_with('.') && hash.len() == N_HASH_CHARS && hash.bytes().all(is_hex)
    })
}

/// By which the clips of one camera are known in sidecars, whatever it is called.
#[must_use]
pub fn identity_hash(identity: &str) -> String {
    identity_digest(identity).get(..N_IDENTITY_CHARS).unwrap_or_default().to_owned()
}

fn identity_digest(identity: &str) -> String {
    // With its password masked or without one, it is the same camera.
    digest_bytes(identity.replace(":***@", "@").as_bytes())
}

/// Of an address host and port alone: cameras have passwords before the `@`, in the path and in the query.
fn without_secrets(name: &str) -> &str {
    let Some((_, rest)) = name.split_once("://") else { return name };
    // A password may hold any sign, so that the last one counts.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?', '#', ';', '&', ' ']).next().unwrap_or_default()
}

/// Names that Windows takes for devices, with whatever ending (Win32, “Naming Files, Paths, and Namespaces”).
fn is_reserved(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = |base: &str| {
        let rest = base.strip_prefix("com").or_else(|| base.strip_prefix("lpt")).unwrap_or_default();
        let mut letters = rest.chars();
        letters.next().is_some_and(|digit| digit.is_ascii_digit() || "¹²³".contains(digit)) && letters.next().is_none()
    };
    ["con", "prn", "aux", "nul", "conin", "conout"].contains(&base.as_str()) || numbered(&base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(folder: &str) -> &str {
        assert!(is_camera_folder(folder), "{folder}");
        &folder[..folder.len() - 9]
    }

    #[test]
    fn whatever_a_camera_is_called_its_folder_can_be_made() {
        let place = tempfile::tempdir().unwrap();
        let check = |name: &str, expected: &str| {
            let folder = camera_folder(name, "id");
            assert_eq!(shown(&folder), expected, "{name:?}");
            std::fs::create_dir_all(place.path().join(&folder)).unwrap();
            assert!(!folder.chars().any(char::is_control) && folder.chars().count() < 60);
        };
        check("HD Pro Webcam C920", "HD_Pro_Webcam_C920");
        check("../../etc/passwd", "etc_passwd");
        check(r"..\..\Windows", "Windows");
        check("..", "camera");
        check("", "camera");
        check("/", "camera");
        check("\u{1b}[2J\u{202e}C920\r\n", "2J_C920");
        check("CON", "_CON");
        check("con.front", "_con.front");
        check("Com1", "_Com1");
        check("COM²", "_COM²");
        check("COM10", "COM10");
        check("CONIN$", "_CONIN");
        check("Hof. ", "Hof");
        check(".hidden", "hidden");
        check("Kamera 摄像头", "Kamera_摄像头");
        check(&"a".repeat(300), &"a".repeat(40));
        check(&"𝒳".repeat(300), &"𝒳".repeat(30));
        check(&"/".repeat(100_000), "camera");
        check("rtsp://admin:s3cret@192.168.1.64:554/user=admin&password=s3cret", "192.168.1.64_554");
        check("rtsp://admin:s3/c@r?et@cam.local/live?token=s3cret", "cam.local");
        check("Yard rtsp://admin:s3cret@cam", "cam");
        check("http://[fe80::1]:8080/s3cret", "fe80__1__8080");
    }

    #[test]
    fn cameras_of_one_name_stay_apart() {
        let distinct = |a: (&str, &str), b: (&str, &str)| camera_folder(a.0, a.1) != camera_folder(b.0, b.1);
        assert!(distinct(("C920", "usb-1"), ("C920", "usb-2")));
        assert!(distinct(("a/b", "usb-1"), ("a:b", "usb-2")));
        assert!(!distinct(("C920", "usb-1"), ("C920", "usb-1")));
        assert!(!distinct(("Yard", "rtsp://me:***@cam/1"), ("Yard", "rtsp://me@cam/1")));
        assert_eq!(identity_hash("rtsp://me:***@cam/1"), identity_hash("rtsp://me@cam/1"));
        assert_eq!(identity_hash("usb-1").len(), 16);
        for no in ["", "C920", "-1a2b3c4d", "C920-1A2B3C4D", "C920-1a2b3c4", "C920-1a2b3c4de", ".x-1a2b3c4d"] {
            assert!(!is_camera_folder(no), "{no}");
        }
    }

    #[test]
    fn a_name_is_read_as_it_was_written() {
        #[track_caller]
        fn check(started: &str, kind: ClipKind, cause: &str, expected: &str) {
            let name = ClipName { started: started.parse().unwrap(), reason: ClipReason::new(kind, cause) };
            assert_eq!(name.to_string(), expected);
            for (ending, role) in [
                (".mp4", FileRole::Closed),
                (".recording.mp4", FileRole::Unfinished),
                (".json", FileRole::Sidecar),
                (".png", FileRole::Picture),
            ] {
                let read = ClipFileName::parse(&format!("{expected}{ending}")).unwrap();
                assert_eq!(read, ClipFileName { name: name.clone(), role }, "{expected}");
            }
            assert!(expected.starts_with(&name.day()));
        }
        let at = "2026-11-20T12:41:06.118+01:00";
        check(at, ClipKind::Continuous, "", "2026-11-20_12-41-06.118+0100_continuous");
        check(at, ClipKind::TimeLapse, "", "2026-11-20_12-41-06.118+0100_time-lapse");
        check(at, ClipKind::Fault, "no-first-frame", "2026-11-20_12-41-06.118+0100_fault-no-first-frame");
        check(at, ClipKind::Alert, "CAMERA_DEAD", "2026-11-20_12-41-06.118+0100_alert-camera-dead");
        check(at, ClipKind::Fault, "../ä:x\0 ", "2026-11-20_12-41-06.118+0100_fault-x");
        check("2026-11-20T23:59:59.999-03:30", ClipKind::Manual, "", "2026-11-20_23-59-59.999-0330_manual");
        check("0000-01-03T00:00:00Z", ClipKind::Recovered, "", "0000-01-03_00-00-00.000+0000_recovered");
        // The hour that comes twice.
        check("2026-10-25T02:30:00+02:00", ClipKind::Manual, "", "2026-10-25_02-30-00.000+0200_manual");
        check("2026-10-25T02:30:00+01:00", ClipKind::Manual, "", "2026-10-25_02-30-00.000+0100_manual");
        let long = ClipReason::new(ClipKind::Fault, &"x ".repeat(10_000)).to_string();
        assert!(long.len() <= 46 && ClipReason::parse(&long).is_some(), "{long}");
    }

    #[test]
    fn names_of_others_are_left_alone() {
        #[track_caller]
        fn check(file: &str, kind: Option<ClipKind>) {
            let read = ClipFileName::parse(file).map(|read| read.name.reason.kind());
            assert_eq!(read, kind, "{file}");
        }
        check("2026-11-20_12-41-06.118+0100_fault.mp4", Some(ClipKind::Fault));
        check("2026-11-20_12-41-06.118+0100_something-new.mp4", Some(ClipKind::Unknown));
        check("2026-11-20_12-41-06.118+0100_faulty.mp4", Some(ClipKind::Unknown));
        for file in [
            "2026-11-20_12-41-06.118+0100_fault (1).mp4",
            "2026-11-20_12-41-06.118+0100_fault.MP4",
            "2026-11-20_12-41-06.118+0100_.mp4",
            "2026-11-20_12-41-06.118+0100.mp4",
            "2026-02-30_12-41-06.118+0100_fault.mp4",
            "2026-11-20_24-41-06.118+0100_fault.mp4",
            "2026-11-20_12-41-60.118+0100_fault.mp4",
            "2026-11-20_12-41-06.118-0000_fault.mp4",
            "2026-11-20_12-41-06.118+0199_fault.mp4",
            "2026-11-20_12-41-06.118+9900_fault.mp4",
            "2026-11-20 12-41-06.118+0100_fault.mp4",
            "2026-11-20_12-41-06.118+0100_fault.recording.json",
            "2026-11-20_12-41-06.118+0100_fault",
            "２026-11-20_12-41-06.118+0100_fault.mp4",
            "-026-11-20_12-41-06.118+0100_fault.mp4",
            "holiday.mp4",
            ".mp4",
            "",
        ] {
            check(file, None);
        }
    }

    #[test]
    fn every_moment_has_a_name_of_its_own() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let at = jiff::Timestamp::from_millisecond(random.i64(-62_000_000_000_000..253_000_000_000_000)).unwrap();
            let started = WallTime::with_offset(at, Offset::from_seconds(random.i32(-90_000..90_000)).unwrap());
            let kinds = [ClipKind::Fault, ClipKind::Alert, ClipKind::TimeLapse, ClipKind::Recovered];
            let cause: String = (0..random.usize(..60)).map(|_| random.char(..)).collect();
            let name = ClipName { started, reason: ClipReason::new(*random.choice(&kinds).unwrap(), &cause) };
            assert_eq!(ClipFileName::parse(&format!("{name}.mp4")).map(|read| read.name), Some(name));
            // And whatever else somebody calls a file.
            let mut letters: Vec<char> = format!("{}.mp4", "2026-11-20_12-41-06.118+0100_fault").chars().collect();
            let place = random.usize(..letters.len());
            letters[place] = random.char(..);
            let file: String = letters.iter().collect();
            if let Some(read) = ClipFileName::parse(&file) {
                assert_eq!(format!("{}.mp4", read.name), file);
            }
            let folder = camera_folder(&cause, &file);
            assert!(is_camera_folder(&folder) && folder.len() <= MAX_NAME_BYTES + 10, "{folder}");
        }
    }
}
