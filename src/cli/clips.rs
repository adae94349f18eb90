//! `camclinic clips`: what is in a folder of clips, whether all of it is whole, and copies for somebody else.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::{Exit, complain, say};
use crate::clips::{Clip, ClipChoice, ClipSpan, ClipsCopied, Defect, archive, audit, export, list};
use crate::event;

/// What the command line asks for.
pub(super) struct ClipsOptions<'a> {
    pub folder: &'a Path,
    pub json: bool,
    /// Whether to look into each of them.
    pub check: bool,
    pub export: Option<&'a Path>,
    /// A folder to be made, whose last part is the archive's name.
    pub archive: Option<&'a Path>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

pub(super) fn clips(options: &ClipsOptions) -> Result<Exit, String> {
    let folder = options.folder;
    if !folder.is_dir() {
        return Err(format!(
            "There is no folder {}. Write the folder that `camclinic record --to` got.",
            folder.display()
        ));
    }
    let span = ClipSpan { from: options.from.unwrap_or(Timestamp::MIN), to: options.to.unwrap_or(Timestamp::MAX) };
    let choice = ClipChoice { these: None, span: Some(span) };
    if let Some(to) = options.export {
        return copied(export(folder, &choice, to, event::now(), &mut progress()), options.json);
    }
    if let Some(to) = options.archive {
        let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return copied(archive(folder, &choice, &name, parent, event::now(), &mut progress()), options.json);
    }
    if options.check { check(folder, options.json) } else { show(folder, &span, options.json) }
}

/// Tells on stderr how far it has got, once a second at most.
fn progress() -> impl FnMut(u64, u64) -> bool {
    let mut told_at = Instant::now();
    move |done: u64, all: u64| {
        if told_at.elapsed() >= Duration::from_secs(1) && all > 0 {
            told_at = Instant::now();
            complain(&format!("{} %", done.saturating_mul(100) / all));
        }
        true
    }
}

fn copied(result: Result<ClipsCopied, String>, json: bool) -> Result<Exit, String> {
    let copied = result?;
    let ClipsCopied { path, n_clips, bytes, remarks } = &copied;
    say(&if json {
        let file = path.to_string_lossy();
        json!({ "file": file, "clips": n_clips, "bytes": bytes, "remarks": remarks }).to_string()
    } else {
        let first = format!("{n_clips} clips, {:.1} MB: {}", *bytes as f64 / 1e6, path.display());
        std::iter::once(&first).chain(remarks).map(String::as_str).collect::<Vec<_>>().join("\n")
    });
    Ok(if remarks.is_empty() { Exit::Healthy } else { Exit::Warning })
}

fn check(folder: &Path, json: bool) -> Result<Exit, String> {
    let defects = audit(folder, &mut progress()).map_err(|error| unreadable(folder, &error))?;
    let n_clips = list(folder).map_err(|error| unreadable(folder, &error))?.clips.len();
    let text = if json {
        let defect = |defect: &Defect| json!({ "file": defect.path.to_string_lossy(), "message": defect.to_string() });
        json!({ "clips": n_clips, "defects": defects.iter().map(defect).collect::<Vec<_>>() }).to_string()
    } else if defects.is_empty() {
        format!("{n_clips} clips, all as they were written.")
    } else {
        defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    say(&text);
    Ok(if defects.is_empty() { Exit::Healthy } else { Exit::Critical })
}

fn show(folder: &Path, span: &ClipSpan, json: bool) -> Result<Exit, String> {
    let listing = list(folder).map_err(|error| unreadable(folder, &error))?;
    let clips = listing.clips.iter().filter(|clip| span.meets(clip));
    let text = if json {
        json!({ "clips": clips.map(as_json).collect::<Vec<_>>() }).to_string()
    } else {
        let lines: Vec<_> = clips.map(line).collect();
        if lines.is_empty() { format!("There is no clip in {}.", folder.display()) } else { lines.join("\n") }
    };
    say(&text);
    Ok(Exit::Healthy)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> String {
    format!("The folder {} cannot be read: {error}.", folder.display())
}

fn line(clip: &Clip) -> String {
    let secs = clip.secs().map_or_else(|| "?".to_owned(), |secs| format!("{secs:.1} s"));
    let state = match clip.about() {
        _ if clip.is_being_recorded() => ", being recorded",
        None => ", nothing stands beside it",
        Some(_) if clip.is_recovered() => ", recovered",
        Some(_) => "",
    };
    let picture = if clip.picture.is_some() { ", with a picture" } else { "" };
    format!(
        "{}  {}  {}  {secs}  {:.1} MB{state}{picture}  {}",
        clip.name.started,
        clip.camera(),
        clip.name.reason,
        clip.all_bytes() as f64 / 1e6,
        clip.path.display()
    )
}

fn as_json(clip: &Clip) -> serde_json::Value {
    json!({
        "file": clip.path.to_string_lossy(),
        "started": clip.name.started,
        "camera": clip.camera(),
        "reason": clip.name.reason.to_string(),
        "secs": clip.secs(),
        "bytes": clip.bytes,
        "picture": clip.picture.as_ref().map(|path| path.to_string_lossy()),
        "is_protected": clip.is_protected(),
        "is_being_recorded": clip.is_being_recorded(),
        "about": clip.about(),
    })
}
