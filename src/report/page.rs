//! `report.html`: one page that needs nothing else, to be read on a screen and printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};

use super::masking::{MaskedKind, Masker};
use super::plot::{self, MarkerKind, PlotMarker};
use super::{LogLine, TrimmedMaterial, moment};
use crate::checkup::facts::StreamSummary;
use crate::checkup::{CheckOutcome, Checkup, Finding, Severity};
use crate::control;
use crate::event::Level;
use crate::foreign::safe_within;
use crate::phrases::{Language, Message, number};
use crate::recorder::RecorderNews;
use crate::recorder::storage::CallTimes;

const STYLE: &str = include_str!("../../assets/report.css");
/// Of one text: longer ones are in the JSON.
const MAX_CHARS: usize = 2_000;
/// More hide each other in the drawing; the newest are shown.
const MAX_MARKERS: usize = 400;
/// More sizes than that nobody reads; the JSON has them all.
const MAX_FORMAT_ROWS: usize = 200;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);
/// No plot is shorter.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Text that may stand in HTML, in the midst of an element or in an attribute's quotation marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Safe(String);

impl Safe {
    fn escaped(text: &str) -> Self {
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => safe.push_str("&amp;"),
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                '"' => safe.push_str("&quot;"),
                '\'' => safe.push_str("&#39;"),
                c => safe.push(c),
            }
        }
        Self(safe)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn write(kept: &TrimmedMaterial<'_>, masker: &mut Masker) -> String {
    let checkup = masker.checkup(&kept.material.checkup);
    let mut page = Page { html: String::new(), masker, language: kept.material.language };
    page.head(kept);
    page.verdict(&checkup);
    page.picture(kept);
    page.checks(&checkup);
    page.slow(&checkup);
    page.compared(kept);
    page.health(kept);
    page.facts(kept);
    page.kernel(kept);
    page.log(kept);
    page.foot(kept);
    page.html
}

struct Page<'a> {
    html: String,
    masker: &'a mut Masker,
    language: Language,
}

impl Page<'_> {
    /// Our own words.
    fn word(&self, key: &'static str) -> Safe {
        Safe::escaped(&self.language.word(key))
    }

    /// A sentence whose values are masked.
    fn said(&self, said: &Message) -> Safe {
        Safe::escaped(&safe_within(self.language.say(said).as_bytes(), MAX_CHARS))
    }

    /// Whatever comes from a camera, a program or the system.
    fn foreign(&mut self, text: &str) -> Safe {
        Safe::escaped(&safe_within(self.masker.text(text).as_bytes(), MAX_CHARS))
    }

    fn number(&self, value: f64, decimals: u8, unit: &str) -> Safe {
        let value = self.language.value(&number(value, decimals));
        // Kept on one line with its unit.
        Safe::escaped(&if unit.is_empty() { value } else { format!("{value}\u{a0}{unit}") })
    }

    fn ms(&self, value: Option<u64>) -> Safe {
        value.map_or_else(nothing, |ms| self.number(ms as f64, 0, "ms"))
    }

    fn title(&mut self, key: &'static str) {
        let words = self.word(key);
        self.html += &format!("<h2>{}</h2>\n", words.0);
    }

    fn paragraph(&mut self, class: &str, text: &Safe) {
        self.html += &format!("<p class=\"{class}\">{}</p>\n", text.0);
    }

    /// `class` of a row is that of its first cell.
    fn table(&mut self, headings: &[&'static str], rows: &[(&str, Vec<Safe>)]) {
        self.html += "<div class=\"table\"><table>\n";
        if !headings.is_empty() {
            let cells: Vec<_> = headings.iter().map(|key| format!("<th>{}</th>", self.word(key).0)).collect();
            self.html += &format!("<thead><tr>{}</tr></thead>\n", cells.concat());
        }
        self.html += "<tbody>\n";
        for (class, cells) in rows {
            let cells: Vec<_> = cells.iter().map(|cell| format!("<td>{}</td>", cell.0)).collect();
            self.html += &format!("<tr class=\"{class}\">{}</tr>\n", cells.concat());
        }
        self.html += "</tbody></table></div>\n";
    }

    /// Two columns: what, and how it is. What is not known is left out.
    fn pairs(&mut self, pairs: Vec<(&'static str, Option<Safe>)>) {
        let rows: Vec<_> =
            pairs.into_iter().filter_map(|(key, value)| Some(("", vec![self.word(key), value?]))).collect();
        self.table(&[], &rows);
    }

    fn head(&mut self, kept: &TrimmedMaterial<'_>) {
        let material = kept.material;
        let title = self.word("report.title");
        let source = self.foreign(&material.checkup.facts.source.name);
        let made = Message::new("report.made")
            .with("at", moment(material.at, &material.zone))
            .with("version", env!("CARGO_PKG_VERSION"));
        let zone = material.at.to_zoned(material.zone.clone());
        let zone = material.zone.iana_name().map_or_else(|| zone.strftime("UTC%:z").to_string(), str::to_owned);
        let times = Message::new("report.times").with("zone", zone);
        self.html += &format!(
            "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{} · {}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n\
             <header><h1>{} <span>{}</span></h1><p class=\"quiet\">{}. {}</p></header>\n",
            self.language.code(),
            title.0,
            source.0,
            title.0,
            source.0,
            self.said(&made).0,
            self.said(&times).0,
        );
        let masked: Vec<_> = MaskedKind::ALL.into_iter().filter(|kind| self.masker.hides(*kind)).collect();
        let list = masked.iter().map(|kind| self.language.word(kind.key())).collect::<Vec<_>>().join(", ");
        let words = if masked.is_empty() {
            self.language.word("report.masked-none")
        } else {
            format!("{}: {list}. {}", self.language.word("report.masked"), self.language.word("report.masked-how"))
        };
        self.paragraph("quiet", &Safe::escaped(&words));
        let cut: Vec<_> = kept.cut.said().iter().map(|said| self.language.say(said)).collect();
        if !cut.is_empty() {
            let words = format!("{}: {}.", self.language.word("report.cut"), cut.join("; "));
            self.paragraph("notice", &Safe::escaped(&words));
        }
    }

    /// Whoever has only this page learns what else there is.
    fn foot(&mut self, kept: &TrimmedMaterial<'_>) {
        let mut members = vec![(super::HTML, "report.member-html"), (super::JSON, "report.member-json")];
        members.extend(kept.snapshot.is_some().then_some((super::SNAPSHOT, "report.member-jpg")));
        let members: Vec<_> = members.into_iter().map(|(name, key)| format!("{name}: {}", self.word(key).0)).collect();
        self.html += &format!("<footer class=\"quiet\">{}</footer></main></body></html>\n", members.join(" · "));
    }

    fn verdict(&mut self, checkup: &Checkup) {
        if checkup.was_cancelled {
            let words = self.word("card.cancelled");
            self.paragraph("notice", &words);
        }
        let verdict = checkup.verdict();
        if let Some(finding) = verdict {
            self.finding(finding, "h2");
        } else {
            let (class, title, because) = if checkup.is_healthy() {
                ("good", "card.healthy", "card.healthy-because")
            } else {
                ("warning", "card.no-verdict", "card.no-verdict-because")
            };
            let (title, because) = (self.word(title), self.word(because));
            self.html +=
                &format!("<section class=\"card {class}\"><h2>{}</h2><p>{}</p></section>\n", title.0, because.0);
        }
        let others: Vec<_> = checkup.findings.iter().skip(usize::from(verdict.is_some())).collect();
        if !others.is_empty() {
            self.title("card.others");
            for finding in others {
                self.finding(finding, "h3");
            }
        }
    }

    fn finding(&mut self, finding: &Finding, heading: &str) {
        let judgement = &finding.judgement;
        let (class, severity) = match finding.entry.severity {
            Severity::Critical => ("error", "severity.critical"),
            Severity::Warning => ("warning", "severity.warning"),
        };
        let (severity, sure) = (self.word(severity), self.word(judgement.certainty()));
        let title = self.said(&judgement.title);
        self.html += &format!(
            "<section class=\"card {class}\"><p class=\"quiet\">{} · {} · {} {}</p><{heading}>{}</{heading}>\n",
            sure.0, severity.0, finding.entry.id, finding.entry.slug, title.0
        );
        let (because, said) = (self.word("card.because"), self.said(&judgement.because));
        self.html += &format!("<h4>{}</h4><p>{}</p>\n", because.0, said.0);
        self.list("card.proof", "ul", judgement.evidence.iter().map(|said| (self.said(said), None)).collect());
        let fixes = judgement.fixes.iter().map(|fix| {
            // Masked with the rest of the finding.
            (self.said(&fix.text), fix.command.as_deref().map(Safe::escaped))
        });
        self.list("card.fixes", "ol", fixes.collect());
        self.html += "</section>\n";
    }

    fn list(&mut self, heading: &'static str, tag: &str, items: Vec<(Safe, Option<Safe>)>) {
        if items.is_empty() {
            return;
        }
        let heading = self.word(heading);
        self.html += &format!("<h4>{}</h4><{tag}>\n", heading.0);
        for (item, command) in items {
            let command = command.map(|command| format!("<br><code>{}</code>", command.0)).unwrap_or_default();
            self.html += &format!("<li>{}{command}</li>\n", item.0);
        }
        self.html += &format!("</{tag}>\n");
    }

    fn picture(&mut self, kept: &TrimmedMaterial<'_>) {
        self.title("report.snapshot");
        if let Some((size, jpeg)) = &kept.snapshot {
            let caption = self.said(&Message::new("report.snapshot-size").with("size", size.to_string()));
            self.html += &format!(
                "<figure><img alt=\"{}\" src=\"data:image/jpeg;base64,{}\"><figcaption class=\"quiet\">{}</figcaption></figure>\n",
                self.word("report.snapshot").0,
                BASE64.encode(jpeg),
                caption.0
            );
        } else {
            let words = self.word("report.snapshot-none");
            self.paragraph("quiet", &words);
        }
    }

    fn checks(&mut self, checkup: &Checkup) {
        self.title("card.checks");
        let rows: Vec<_> = checkup
            .checks
            .iter()
            .map(|check| {
                let (class, mark, outcome) = match check.outcome {
                    CheckOutcome::Good => ("good", "✓", "outcome.good"),
                    CheckOutcome::Warning => ("warning", "▲", "outcome.warning"),
                    CheckOutcome::Bad => ("error", "■", "outcome.bad"),
                    CheckOutcome::Skipped => ("quiet", "–", "outcome.skipped"),
                };
                let name = self.said(&Message::new(format!("check.{}", check.id)));
                let outcome = Safe(format!("<b>{mark}</b> {}", self.word(outcome).0));
                let took = if check.outcome == CheckOutcome::Skipped && check.took_ms == 0 {
                    nothing()
                } else {
                    self.ms(Some(check.took_ms))
                };
                (class, vec![name, outcome, took, self.said(&check.why)])
            })
            .collect();
        self.table(&["report.check", "report.outcome", "report.time", "report.why"], &rows);
    }

    fn slow(&mut self, checkup: &Checkup) {
        if checkup.slow.is_empty() {
            return;
        }
        self.title("card.slow");
        let rows: Vec<_> = checkup
            .slow
            .iter()
            .map(|share| {
                let (class, note) =
                    if share.is_too_long { ("warning", self.word("card.too-long")) } else { ("", nothing()) };
                (class, vec![self.said(&share.part), self.number(share.ms, 1, "ms"), note])
            })
            .collect();
        self.table(&[], &rows);
    }

    fn compared(&mut self, kept: &TrimmedMaterial<'_>) {
        let Some(compared) = &kept.material.compared else { return };
        self.title("card.compared");
        let mut rows = Vec::new();
        for row in &compared.rows {
            let is_best = row.backend.is_some() && row.backend == compared.best;
            let name = row.backend.map(|backend| backend.label().to_owned()).unwrap_or_default();
            let mut name = Safe::escaped(&name);
            if is_best {
                name.0 += &format!(" <b>({})</b>", self.word("report.best").0);
            }
            let mut cells = vec![name];
            cells.extend(self.brief(row));
            rows.push((if is_best { "good" } else { "" }, cells));
        }
        let headings = [
            "report.backend",
            "report.opening",
            "report.first-frame",
            "report.fps",
            "report.jitter",
            "report.lost",
            "report.damaged",
            "report.format",
            "report.cpu",
            "report.trouble",
        ];
        self.table(&headings, &rows);
    }

    fn brief(&mut self, row: &StreamSummary) -> Vec<Safe> {
        let got = [row.got.size.map(|size| size.to_string()), row.got.format.map(|format| format.to_string())];
        let fault = row.fault.as_ref().map(|fault| self.foreign(&fault.to_string()));
        vec![
            self.ms(row.open_ms),
            self.ms(row.first_frame_ms),
            row.fps.map_or_else(nothing, |fps| self.number(fps, 1, "")),
            row.jitter_ms.map_or_else(nothing, |jitter| self.number(jitter, 1, "ms")),
            self.number(row.n_lost as f64, 0, ""),
            self.number(row.n_damaged as f64, 0, ""),
            Safe::escaped(&got.into_iter().flatten().collect::<Vec<_>>().join(" ")),
            row.cpu_percent.map_or_else(nothing, |cpu| self.number(cpu, 0, "%")),
            fault.unwrap_or_else(nothing),
        ]
    }

    fn health(&mut self, kept: &TrimmedMaterial<'_>) {
        let material = kept.material;
        self.title("report.health");
        if let Some(status) = &material.checkup.status {
            let score = self.word("report.score");
            let reasons: Vec<_> = status.deductions.iter().map(|it| self.foreign(&it.reason).0).collect();
            let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            let number = status.health_score.map_or_else(|| "–".to_owned(), |score| score.to_string());
            self.html += &format!("<p>{} <b>{number}</b>{reasons}</p>\n", score.0);
        }
        let markers = self.markers(kept);
        let spans = [("report.health-hour", HOUR), ("report.health-week", WEEK)];
        let moments: Vec<_> =
            kept.history.iter().map(|point| point.at).chain(markers.iter().map(|marker| marker.at)).collect();
        let mut is_empty = true;
        let mut longest = None;
        for (key, span) in spans {
            let earliest = material.at.checked_sub(span).unwrap_or(Timestamp::MIN);
            let Some(first) = moments.iter().filter(|at| **at >= earliest && **at <= material.at).min() else {
                continue;
            };
            // The week says no more when all of it lies within the hour.
            if longest == Some(*first) {
                continue;
            }
            longest = Some(*first);
            is_empty = false;
            let latest_start = material.at.checked_sub(MINUTE).unwrap_or(*first);
            let range = ((*first).min(latest_start), material.at);
            let points: Vec<_> = kept.history.iter().filter(|point| point.at >= *first).copied().collect();
            let first_marker = markers.partition_point(|marker| marker.at < *first);
            let markers = markers.get(first_marker..).unwrap_or_default();
            let label = self.word(key);
            let svg = plot::draw(&points, markers, range, &material.zone, &label);
            self.html += &format!("<figure><figcaption class=\"quiet\">{}</figcaption>{svg}</figure>\n", label.0);
        }
        if is_empty {
            let words = self.word("report.health-none");
            self.paragraph("quiet", &words);
        } else if !markers.is_empty() {
            let (event, kernel) = (self.word("report.legend-event"), self.word("report.legend-kernel"));
            self.html += &format!("<p class=\"quiet\">● ▲ ■ {} &nbsp; ◆ {}</p>\n", event.0, kernel.0);
        }
    }

    /// What stands on the time axis, oldest first: events of this camera, and what the kernel logged about it.
    fn markers(&mut self, kept: &TrimmedMaterial<'_>) -> Vec<PlotMarker> {
        let material = kept.material;
        let source =
            material.checkup.status.as_ref().map_or(&material.checkup.facts.source.name, |status| &status.source);
        let mut markers = Vec::new();
        for line in kept.log.iter().filter(|line| line.level > Level::Info && line.source == *source) {
            let kind = match line.level {
                Level::Error => MarkerKind::Error,
                Level::Warning => MarkerKind::Warning,
                Level::Good | Level::Info | Level::Debug => MarkerKind::Good,
            };
            let title = format!("{} {}: {}", moment(line.at, &material.zone), line.name, line.message);
            markers.push(PlotMarker { at: line.at, kind, title: self.foreign(&title) });
        }
        for (at, text) in kept.kernel() {
            let title = format!("{} {text}", moment(at, &material.zone));
            markers.push(PlotMarker { at, kind: MarkerKind::Kernel, title: self.foreign(&title) });
        }
        markers.sort_by_key(|marker| marker.at);
        markers.split_off(markers.len().saturating_sub(MAX_MARKERS))
    }

    fn facts(&mut self, kept: &TrimmedMaterial<'_>) {
        let material = kept.material;
        let facts = &kept.facts();
        let computer = &material.computer;
        self.title("report.computer");
        let about = facts.computer.as_ref();
        let host = computer.host.as_ref().map(|host| Safe::escaped(&self.masker.name(MaskedKind::Host, host)));
        let system: Vec<_> = [&computer.system, &computer.kernel].into_iter().flatten().cloned().collect();
        let rows = vec![
            ("report.host", host),
            ("report.system", Some(self.foreign(&system.join(", ")))),
            ("report.cores", about.map(|about| self.number(f64::from(about.n_cores), 0, ""))),
            ("report.cpu", about.map(|about| self.number(about.cpu_percent, 0, "%"))),
            ("report.memory", about.map(|about| self.number(about.free_memory_bytes as f64 / 1e6, 0, "MB"))),
        ];
        self.pairs(rows);

        self.title("report.camera");
        let mut rows = vec![("report.source", Some(self.foreign(&facts.source.name)))];
        if let Some(device) = facts.presence.as_ref().and_then(|presence| presence.device.as_ref()) {
            let serial = device.serial.as_ref().map(|serial| self.masker.name(MaskedKind::Serials, serial));
            let link = device.usb.as_ref().and_then(|usb| usb.speed.clone());
            let bus: Vec<_> = [device.bus.clone(), link].into_iter().flatten().collect();
            rows.extend([
                ("report.name", Some(self.foreign(&device.name))),
                ("report.identity", Some(self.foreign(&device.identity))),
                ("report.path", Some(self.foreign(&device.path))),
                ("report.serial", serial.map(|serial| Safe::escaped(&serial))),
                ("report.driver", device.driver.as_ref().map(|driver| self.foreign(driver))),
                ("report.bus", Some(self.foreign(&bus.join(", ")))),
            ]);
            rows.extend(device.notes.iter().map(|note| ("report.notes", Some(self.foreign(note)))));
        }
        self.pairs(rows);
        self.stream(kept);
        self.formats(kept);
        self.controls(kept);
        self.recording(kept);

        let mut all = serde_json::to_value(facts).unwrap_or_default();
        self.masker.json(&mut all);
        let all = serde_json::to_string_pretty(&all).unwrap_or_default();
        let heading = self.word("report.all-facts");
        self.html +=
            &format!("<details><summary>{}</summary><pre>{}</pre></details>\n", heading.0, Safe::escaped(&all).0);
    }

    /// How it is recorded, and how the disk of the clips does.
    fn recording(&mut self, kept: &TrimmedMaterial<'_>) {
        let Some(RecorderNews { recording, storage, .. }) = &kept.material.recorder else { return };
        self.title("report.recording");
        let trouble = recording.trouble.as_ref().map(|trouble| self.foreign(trouble));
        let times = |times: CallTimes| {
            let said = Message::new("report.times-of-calls");
            said.with("p50", number(times.p50, 1)).with("p95", number(times.p95, 1)).with("max", number(times.max, 1))
        };
        let rows = vec![
            ("report.recording-trouble", trouble),
            ("report.clips", Some(self.number(recording.clips as f64, 0, ""))),
            ("report.clips-lost", Some(self.number(recording.lost as f64, 0, ""))),
            ("report.disk-dropped", Some(self.number(storage.dropped as f64, 0, ""))),
            ("report.disk-free", storage.free_bytes.map(|bytes| self.number(bytes as f64 / 1e9, 1, "GB"))),
            ("report.disk-left", storage.hours_left.map(|hours| self.number(hours, 1, "h"))),
            ("report.disk-rate", Some(self.number(storage.mb_per_sec, 2, "MB/s"))),
            ("report.disk-write", storage.write_ms.map(|ms| self.said(&times(ms)))),
            ("report.disk-sync", storage.sync_ms.map(|ms| self.said(&times(ms)))),
            ("report.disk-queue", Some(self.number(storage.queue_secs, 1, "s"))),
        ];
        self.pairs(rows);
    }

    fn stream(&mut self, kept: &TrimmedMaterial<'_>) {
        let facts = &kept.material.checkup.facts;
        let Some(opening) = &facts.opening else { return };
        self.title("report.stream");
        let format = |size: Option<String>, fps: Option<f64>, format: Option<String>| {
            let fps = fps.map(|fps| format!("{} fps", self.language.value(&number(fps, 1))));
            Safe::escaped(&[size, fps, format].into_iter().flatten().collect::<Vec<_>>().join(" "))
        };
        let asked = &facts.source.asked;
        let asked = format(asked.size.map(|it| it.to_string()), asked.fps, asked.format.map(|it| it.to_string()));
        let got = &opening.got;
        let got = format(got.size.map(|it| it.to_string()), got.fps, got.format.map(|it| it.to_string()));
        let stream = facts.stream.as_ref();
        let fault = opening.fault.as_ref().or_else(|| stream.and_then(|stream| stream.ended.as_ref()));
        let rows = vec![
            ("report.backend", opening.backend.map(|backend| Safe::escaped(&backend.to_string()))),
            ("report.asked", Some(asked)),
            ("report.got", Some(got)),
            ("report.opening", Some(self.ms(Some(opening.open_ms)))),
            ("report.first-frame", opening.first_frame_ms.map(|ms| self.ms(Some(ms)))),
            ("report.fps", stream.and_then(|stream| stream.fps).map(|fps| self.number(fps, 1, ""))),
            ("report.lost", stream.map(|stream| self.number(stream.n_lost as f64, 0, ""))),
            ("report.damaged", stream.map(|stream| self.number(stream.n_damaged as f64, 0, ""))),
            ("report.trouble", fault.map(|fault| self.foreign(&fault.to_string()))),
        ];
        self.pairs(rows);
    }

    fn formats(&mut self, kept: &TrimmedMaterial<'_>) {
        let Some(abilities) = &kept.material.checkup.facts.abilities else { return };
        let mut rows = Vec::new();
        for format in &abilities.formats {
            for size in &format.sizes {
                let rates: Vec<_> =
                    size.rates.iter().take(20).map(|rate| self.language.value(&number(*rate, 0))).collect();
                let name = self.foreign(&format!("{} {}", format.fourcc, format.name));
                let size = Safe::escaped(&format!("{}x{}", size.width, size.height));
                rows.push(("", vec![name, size, Safe::escaped(&rates.join("; "))]));
            }
        }
        rows.truncate(MAX_FORMAT_ROWS);
        if !rows.is_empty() {
            self.title("report.formats");
            self.table(&["report.format", "report.size", "report.rates"], &rows);
        }
    }

    fn controls(&mut self, kept: &TrimmedMaterial<'_>) {
        let facts = &kept.material.checkup.facts;
        let streaming = facts.stream.as_ref().map(|stream| &stream.controls).filter(|controls| !controls.is_empty());
        let Some(controls) = streaming.or(facts.abilities.as_ref().map(|abilities| &abilities.controls)) else {
            return;
        };
        let mut rows = Vec::new();
        for control in controls.iter().take(control::MAX_CONTROLS) {
            let range = match &control.kind {
                control::ControlKind::Integer { min, max, .. } => format!("{min} – {max}"),
                control::ControlKind::Menu { items } => {
                    items.iter().map(|item| format!("{} {}", item.value, item.name)).collect::<Vec<_>>().join(", ")
                }
                _ => String::new(),
            };
            let value = control.value.map(|value| value.to_string()).unwrap_or_default();
            let cells = [control.name.as_str(), &value, &control.default.to_string(), &range];
            rows.push(("", cells.into_iter().map(|cell| self.foreign(cell)).collect()));
        }
        if !rows.is_empty() {
            self.title("report.controls");
            self.table(&["report.name", "report.value", "report.default", "report.range"], &rows);
        }
    }

    fn kernel(&mut self, kept: &TrimmedMaterial<'_>) {
        if kept.kernel.is_empty() {
            return;
        }
        self.title("report.kernel");
        let zone = &kept.material.zone;
        let mut rows = Vec::new();
        for (at, text) in kept.kernel() {
            rows.push(("", vec![Safe::escaped(&moment(at, zone)), self.foreign(text)]));
        }
        self.table(&["report.time", "report.message"], &rows);
    }

    fn log(&mut self, kept: &TrimmedMaterial<'_>) {
        self.title("report.log");
        if kept.log.is_empty() {
            let words = self.word("report.log-none");
            self.paragraph("quiet", &words);
            return;
        }
        let mut rows = Vec::new();
        for LogLine { at, source, level, name, message, .. } in kept.log {
            let (class, level) = match level {
                Level::Debug => ("quiet", "debug"),
                Level::Info => ("", "info"),
                Level::Good => ("good", "good"),
                Level::Warning => ("warning", "warning"),
                Level::Error => ("error", "error"),
            };
            let at = Safe::escaped(&moment(*at, &kept.material.zone));
            let cells = vec![at, Safe::escaped(level), self.foreign(source), self.foreign(name), self.foreign(message)];
            rows.push((class, cells));
        }
        let headings = ["report.time", "report.level", "report.source", "report.event", "report.message"];
        self.table(&headings, &rows);
    }
}

fn nothing() -> Safe {
    Safe(String::new())
}
