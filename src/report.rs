//! The support bundle: one zip with everything that somebody needs who cannot see the camera.
//!
//! `report.html` is for people, `report.json` for programs, `snapshot.jpg` is the picture, and `clip.mp4`, where somebody wants it,
//! the newest clip of a fault. Names of people and computers,
//! serial numbers and addresses are masked unless somebody wants to show them; passwords and other secrets always are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::checkup::facts::{Facts, KernelLine};
use crate::codec;
use crate::frame::{Image, Size};
use crate::phrases::{Language, Message};

mod archive;
mod clip;
mod document;
pub(crate) mod masking;
mod material;
mod page;
mod patterns;
mod plot;

pub use clip::{MAX_CLIP_BYTES, read as read_clip};
use masking::Masker;
pub use masking::{MaskedKind, Masking};
pub use material::{ComputerInfo, LogLine, Material, Point, Secrets};

/// No zip is larger.
pub const MAX_BYTES: usize = 20 << 20;
/// All members together before they are packed: what cannot be packed at all still fits, with room for the zip's own.
const MAX_UNPACKED: usize = MAX_BYTES - (1 << 16);
/// Of the log, the history and the kernel's messages, as JSON. Each stands in two members.
const MAX_LOG_BYTES: usize = 3 << 20;
const MAX_HISTORY_BYTES: usize = 2 << 20;
const MAX_KERNEL_BYTES: usize = 1 << 19;
/// It stands in two members as well, in one of them a third longer.
const MAX_SNAPSHOT_BYTES: usize = 3 << 20;
/// One of so many parts of that is as good as nothing.
const MAX_SHARE: usize = 1 << 10;
/// Tried in turn until the picture is small enough.
const QUALITIES_PERCENT: [u32; 4] = [90, 70, 40, 15];

/// What was left out so that a report stays small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Cut {
    n_log_lines: usize,
    n_samples: usize,
    n_kernel_lines: usize,
    is_without_snapshot: bool,
}

/// What is left of the material once it is cut.
struct TrimmedMaterial<'a> {
    material: &'a Material,
    log: &'a [LogLine],
    history: &'a [Point],
    /// Oldest first.
    kernel: Vec<KernelLine>,
    snapshot: Option<(Size, Vec<u8>)>,
    cut: Cut,
}

impl TrimmedMaterial<'_> {
    /// With the messages of the kernel that are left.
    fn facts(&self) -> Facts {
        let facts = &self.material.checkup.facts;
        Facts { kernel: facts.kernel.as_ref().map(|_| self.kernel.clone()), ..facts.clone() }
    }

    /// The kernel's messages with the time at which each was said.
    fn kernel(&self) -> impl Iterator<Item = (Timestamp, &str)> {
        self.kernel.iter().filter_map(|line| {
            let ago = SignedDuration::try_from_secs_f64(line.secs_ago).ok()?;
            Some((self.material.began.checked_sub(ago).ok()?, line.text.as_str()))
        })
    }
}

/// A report that is ready to be looked at and saved. It holds nothing that is masked.
#[derive(Clone, Debug)]
pub struct Report {
    html: String,
    json: String,
    snapshot: Option<Vec<u8>>,
    clip: Option<Arc<[u8]>>,
    /// There is one, and it is too large.
    is_without_clip: bool,
    n_masked: BTreeMap<MaskedKind, usize>,
    n_secrets: usize,
    cut: Cut,
    at: Timestamp,
    zone: TimeZone,
}

impl Report {
    /// Makes a report. Pure; takes up to a second of a long history, so not for the window's thread.
    #[must_use]
    pub fn build(material: &Material, masking: &Masking) -> Self {
        let snapshot = material.snapshot.as_ref().and_then(|image| Some((image.size(), small_jpeg(image)?)));
        let mut share = 1;
        loop {
            let report = Self::build_within(material, masking, snapshot.clone(), share);
            let n_bytes: usize = report.members().iter().map(|(_, n_bytes)| n_bytes).sum();
            // Whoever gathers the rest bounds it: what is too much now will not be less without any log.
            if n_bytes <= MAX_UNPACKED || share > MAX_SHARE {
                return report;
            }
            share *= 4;
        }
    }

    /// With so small a share of what log and history may take.
    fn build_within(material: &Material, masking: &Masking, snapshot: Option<(Size, Vec<u8>)>, share: usize) -> Self {
        let mut cut = Cut { is_without_snapshot: material.snapshot.is_some() && snapshot.is_none(), ..Cut::default() };
        let mut kernel = material.checkup.facts.kernel.clone().unwrap_or_default();
        kernel.sort_by(|a, b| b.secs_ago.total_cmp(&a.secs_ago));
        cut.n_kernel_lines = n_too_many(&kernel, MAX_KERNEL_BYTES / share);
        kernel.drain(..cut.n_kernel_lines);
        cut.n_log_lines = n_too_many(&material.log, MAX_LOG_BYTES / share);
        cut.n_samples = n_too_many(&material.history, MAX_HISTORY_BYTES / share);
        let kept = TrimmedMaterial {
            material,
            log: material.log.get(cut.n_log_lines..).unwrap_or_default(),
            history: material.history.get(cut.n_samples..).unwrap_or_default(),
            kernel,
            snapshot,
            cut,
        };
        let mut masker = Masker::new(masking.clone(), &material.secrets.0);
        let computer = &material.computer;
        for (kind, name) in [(MaskedKind::Host, &computer.host), (MaskedKind::Users, &computer.user)] {
            if let Some(name) = name {
                masker.name(kind, name);
            }
        }
        if let Some(home) = &computer.home {
            masker.name(MaskedKind::Home, &home.display().to_string());
        }
        // Once to learn the names, and once to mask them.
        let _ = document::write(&kept, &mut masker);
        let json = document::write(&kept, &mut masker);
        let html = page::write(&kept, &mut masker);
        let (n_masked, n_secrets) = masker.counts();
        let snapshot = kept.snapshot.map(|(_, jpeg)| jpeg);
        let zone = material.zone.clone();
        let (clip, is_without_clip, at) = (None, false, material.at);
        Self { html, json, snapshot, clip, is_without_clip, n_masked, n_secrets, cut, at, zone }
    }

    /// With a clip, as [`read_clip`] gives it, where it finds room.
    #[must_use]
    pub fn with_clip(mut self, clip: Option<Vec<u8>>) -> Self {
        let n_bytes: usize = self.members().iter().map(|(_, n_bytes)| n_bytes).sum();
        self.clip = clip.filter(|clip| n_bytes.saturating_add(clip.len()) <= MAX_UNPACKED).map(Arc::from);
        self.is_without_clip = self.clip.is_none();
        self
    }

    /// `report.html`
    #[must_use]
    pub fn html(&self) -> &str {
        &self.html
    }

    /// `report.json`
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What is in the zip: names, and sizes in bytes before they are packed.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, usize)> {
        self.contents().into_iter().map(|(name, bytes)| (name, bytes.len())).collect()
    }

    fn contents(&self) -> Vec<(&'static str, &[u8])> {
        let mut contents = vec![(HTML, self.html.as_bytes()), (JSON, self.json.as_bytes())];
        contents.extend(self.snapshot.as_deref().map(|jpeg| (SNAPSHOT, jpeg)));
        contents.extend(self.clip.as_deref().map(|clip| (CLIP, clip)));
        contents
    }

    /// What is masked and what was cut, a line each.
    #[must_use]
    pub fn summary(&self, language: Language) -> Vec<String> {
        let word = |key| language.word(key);
        let mut lines: Vec<_> = self.n_masked.iter().map(|(kind, n)| format!("{}: {n}", word(kind.key()))).collect();
        if self.n_secrets > 0 {
            lines.push(format!("{}: {}", word("report.mask.secrets"), self.n_secrets));
        }
        lines.extend(self.cut.said().iter().map(|said| language.say(said)));
        if self.is_without_clip {
            lines.push(word("report.cut-clip"));
        }
        lines
    }

    /// The bytes of the zip.
    ///
    /// # Errors
    /// A sentence. None is known for what fits in memory.
    pub fn zip(&self) -> Result<Vec<u8>, String> {
        archive::pack(&self.contents(), self.at, &self.zone)
    }

    /// Writes the zip, whole or not at all, and leaves nothing else behind. Waits for the disk.
    ///
    /// # Errors
    /// A sentence for the user: no such folder, no right, no room.
    pub fn save(&self, path: &Path) -> Result<(), String> {
        archive::save(path, &self.zip()?)
    }
}

const HTML: &str = "report.html";
const JSON: &str = "report.json";
const SNAPSHOT: &str = "snapshot.jpg";
const CLIP: &str = "clip.mp4";

impl Cut {
    /// In sentences; empty when everything is there.
    fn said(self) -> Vec<Message> {
        let counted = [
            ("report.cut-log", self.n_log_lines),
            ("report.cut-history", self.n_samples),
            ("report.cut-kernel", self.n_kernel_lines),
        ];
        let mut said: Vec<_> =
            counted.into_iter().filter(|(_, n)| *n > 0).map(|(key, n)| Message::new(key).with("n", n as f64)).collect();
        said.extend(self.is_without_snapshot.then(|| Message::new("report.cut-snapshot")));
        said
    }
}

/// How many of the oldest do not fit, as lines of JSON.
fn n_too_many(items: &[impl Serialize], max_bytes: usize) -> usize {
    let mut n_bytes = 0;
    let newest = items.iter().rev().take_while(|item| {
        n_bytes += serde_json::to_vec(item).map_or(usize::MAX / 2, |line| line.len() + 1);
        n_bytes <= max_bytes
    });
    items.len() - newest.count()
}

/// `None` when no quality makes it small enough.
fn small_jpeg(image: &Image) -> Option<Vec<u8>> {
    QUALITIES_PERCENT
        .into_iter()
        .filter_map(|quality| codec::encode_jpeg(image, quality).ok())
        .find(|jpeg| jpeg.len() <= MAX_SNAPSHOT_BYTES)
}

/// `21 November 2026` would need a language; `2026-11-21 16:04:05` needs none.
fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
