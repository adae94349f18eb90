//! What copies of clips have in common: which clips, the manifest that goes with them, and what is told of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::FileDigest;
use super::listing::{Clip, ClipState, list};
use super::name::ClipKind;
use super::wall_time::WallTime;
use crate::foreign::Foreign;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const EVENTS: &str = "events.txt";

/// Clips that show something of this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipSpan {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl ClipSpan {
    /// Whether some of a clip lies in it.
    #[must_use]
    pub fn meets(&self, clip: &Clip) -> bool {
        let started = clip.name.started.at();
        let ended = clip.about().map_or(started, |about| about.ended.at().max(started));
        started <= self.to && ended >= self.from
    }
}

/// Which clips are copied: all, but for what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClipChoice {
    /// By their paths.
    pub these: Option<BTreeSet<PathBuf>>,
    pub span: Option<ClipSpan>,
}

impl ClipChoice {
    fn has(&self, clip: &Clip) -> bool {
        self.these.as_ref().is_none_or(|paths| paths.contains(&clip.path))
            && self.span.is_none_or(|span| span.meets(clip))
    }

    /// The time that was chosen, else that of the clips that were.
    fn span(&self, clips: &[Clip]) -> ClipSpan {
        self.span.unwrap_or_else(|| {
            let started = clips.iter().map(|clip| clip.name.started.at()).min().unwrap_or_default();
            let ended = clips.iter().filter_map(|clip| Some(clip.about()?.ended.at())).max().unwrap_or(started);
            ClipSpan { from: started, to: ended.max(started) }
        })
    }

    /// Where a clip is not wholly in the time that was chosen: the part that is, from the clip's beginning on. `None` also where
    /// somebody set the clock meanwhile, as nothing tells then which part it is.
    pub(super) fn part_of(&self, clip: &Clip) -> Option<(Duration, Duration)> {
        let (span, about) = (self.span?, clip.about().filter(|about| about.clock_steps == 0)?);
        let since = |at: Timestamp| Duration::try_from(at.duration_since(about.started.at())).unwrap_or_default();
        let lasts = Duration::try_from_secs_f64(about.secs()).unwrap_or_default();
        let (from, to) = (since(span.from), since(span.to));
        (from > Duration::ZERO || to < lasts).then_some((from, to))
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClipsCopied {
    pub path: PathBuf,
    pub n_clips: usize,
    pub bytes: u64,
    /// In sentences: what was left out, and what is not as it was recorded.
    pub remarks: Vec<String>,
}

/// Called with the bytes that are done and those in all; `false` ends it.
pub(super) type CopyProgress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// The file that goes with copies. Whoever has them can see with it that they are whole.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CopyManifest {
    pub name: Foreign,
    pub program: Foreign,
    pub made: Timestamp,
    pub from: Timestamp,
    pub to: Timestamp,
    pub files: Vec<CopiedFile>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CopiedFile {
    /// From the manifest on, with `/`.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    /// Of clips, what they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<CopiedClip>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CopiedClip {
    pub camera: Foreign,
    pub started: WallTime,
    pub secs: f64,
    pub reason: ClipKind,
    pub cause: Foreign,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Foreign>,
}

impl CopyManifest {
    pub fn new(name: &str, choice: &ClipChoice, clips: &[Clip], now: Timestamp) -> Self {
        let span = choice.span(clips);
        let program = format!("Camclinic {}", env!("CARGO_PKG_VERSION"));
        Self { name: name.into(), program: program.into(), made: now, from: span.from, to: span.to, files: Vec::new() }
    }

    pub fn add(&mut self, path: String, digest: &FileDigest, clip: Option<&Clip>) {
        let about = |clip: &Clip| CopiedClip {
            camera: clip.camera(),
            started: clip.name.started,
            secs: clip.secs().unwrap_or_default(),
            reason: clip.kind(),
            cause: clip.name.reason.cause().into(),
            verdict: clip.about().and_then(|about| about.verdict.clone()),
        };
        let clip = clip.map(about);
        self.files.push(CopiedFile { path, bytes: digest.bytes, sha256: digest.sha256.clone(), clip });
    }
}

/// The closed clips of a choice; of the others a remark. `what` is to be done with them, as in “archived”.
///
/// # Errors
/// A sentence: the folder cannot be read, or there is none.
pub(super) fn choose(root: &Path, choice: &ClipChoice, what: &str) -> Result<(Vec<Clip>, Vec<String>), String> {
    let listing = list(root).map_err(|error| format!("The clips cannot be read: {error}. {}", root.display()))?;
    let meant = listing.clips.into_iter().filter(|clip| choice.has(clip));
    let (closed, unfinished): (Vec<_>, Vec<_>) = meant.partition(|clip| clip.state == ClipState::Closed);
    let remark = |clip: &Clip| format!("Left out, because it is not closed: {}", clip.path.display());
    let remarks = unfinished.iter().map(remark).collect();
    if closed.is_empty() {
        return Err(format!("Nothing was {what}: no closed clip of those that were chosen is in {}", root.display()));
    }
    Ok((closed, remarks))
}

/// A sentence where a clip is not as it was closed.
pub(super) fn remark_on(clip: &Clip, digest: &FileDigest) -> Option<String> {
    let shown = clip.path.display();
    match clip.about() {
        Some(about) if about.sha256.is_empty() => Some(format!("Nothing tells whether this clip is whole: {shown}")),
        Some(about) if about.sha256 != digest.sha256 => {
            Some(format!("This clip is not as it was recorded: it is damaged, or somebody has changed it: {shown}"))
        }
        Some(_) => None,
        None => Some(format!("What stood beside this clip is missing or damaged: {shown}")),
    }
}

/// With the folders of camera and day, and `/` on every system.
pub(super) fn relative(clip: &Clip, file: &Path) -> String {
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    format!("{}/{}/{file}", clip.camera_folder, clip.name.day())
}

/// A folder of ours that vanishes with this, as long as it bears its name.
pub(super) struct WorkFolder(pub PathBuf);

impl WorkFolder {
    pub fn make(to: &Path) -> io::Result<Self> {
        let path = to.join(format!(".camclinic-copies-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What happened, for people.
pub(super) fn events_text(clips: &[Clip]) -> String {
    let mut text = String::new();
    for clip in clips {
        let _ = writeln!(text, "{}  {}  {}", clip.name.started, clip.camera(), clip.name.reason);
        let Some(about) = clip.about() else {
            let _ = writeln!(text, "    nothing more is known\n");
            continue;
        };
        let told = [about.fault.as_ref().map(|fault| &fault.message), about.verdict.as_ref()];
        for sentence in told.into_iter().flatten() {
            let _ = writeln!(text, "    {sentence}");
        }
        let offset = clip.name.started.offset();
        let clock = |at: Timestamp| WallTime::with_offset(at, offset).local().strftime("%H:%M:%S%.3f").to_string();
        let mut lines: Vec<(Timestamp, String)> = Vec::new();
        lines.extend(about.gaps.iter().map(|gap| {
            let why = if gap.cause.is_empty() { String::new() } else { format!(": {}", gap.cause) };
            (gap.at.at(), format!("no picture for {:.1} s{why}", gap.secs))
        }));
        lines.extend(about.events.iter().map(|event| (event.at, format!("{}: {}", event.name, event.message))));
        lines.extend(about.kernel.iter().map(|line| (line.at, format!("kernel: {}", line.text))));
        lines.sort();
        for (at, line) in lines {
            let _ = writeln!(text, "    {}  {line}", clock(at));
        }
        if about.n_left_out > 0 {
            let _ = writeln!(text, "    and {} lines more", about.n_left_out);
        }
        text.push('\n');
    }
    text
}
