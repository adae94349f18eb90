//! Which findings are news: one line in the log when something begins, one when it is gone.

use std::time::Instant;

use crate::checkup::markers::{MarkerChange, Markers};
use crate::checkup::verdict::findings;
use crate::checkup::{Facts, Finding, LIKELY, Layer};
use crate::event::Level;
use crate::phrases::{Language, Message};

/// The name of these events.
pub const EVENT: &str = "finding";

/// What was found last, by the number of its entry, with the words with which it was told.
#[derive(Default)]
pub struct Tracker {
    open: Vec<(&'static str, String)>,
}

impl Tracker {
    /// Whether the last check-up found it.
    fn has(&self, id: &str) -> bool {
        self.open.iter().any(|(known, _)| *known == id)
    }

    /// What is to be told of the findings as they are now, but for what the live picture has told. Hints are none.
    pub fn update(&mut self, findings: &[Finding], watch: &PictureWatch, language: Language) -> Vec<(Level, String)> {
        let likely = findings
            .iter()
            .filter(|finding| finding.judgement.confidence >= LIKELY && !watch.markers.is_told(finding.entry));
        let now: Vec<_> = likely.map(|finding| (finding, language.say(&finding.judgement.title))).collect();
        let gone = self.open.iter().filter(|(id, _)| !now.iter().any(|(finding, _)| finding.entry.id == *id));
        let gone = gone
            .map(|(_, words)| (Level::Good, language.say(&Message::new("panel.gone").with("finding", words.clone()))));
        let mut news: Vec<_> = gone.collect();
        let begun = now.iter().filter(|(finding, _)| !self.has(finding.entry.id));
        news.extend(begun.map(|(finding, words)| (super::level(finding), words.clone())));
        self.open = now.into_iter().map(|(finding, words)| (finding.entry.id, words)).collect();
        news
    }
}

/// What is found in the live picture between check-ups.
#[derive(Default)]
pub struct PictureWatch {
    markers: Markers,
    /// Whose picture it is.
    source: String,
}

impl PictureWatch {
    /// What is to be told of the picture as it is seen now, but for what a check-up has told.
    pub fn update(
        &mut self,
        facts: &Facts,
        told: &mut Tracker,
        language: Language,
        now: Instant,
    ) -> Vec<(Level, String)> {
        if self.source != facts.source.name {
            *self = Self { source: facts.source.name.clone(), ..Self::default() };
        }
        let mut found = findings(facts);
        found.retain(|finding| finding.entry.layer == Layer::Picture);
        let news = |turn| match turn {
            MarkerChange::Began(finding) if told.has(finding.entry.id) => None,
            MarkerChange::Began(finding) => Some((super::level(&finding), language.say(&finding.judgement.title))),
            MarkerChange::Ended(finding, _) => {
                told.open.retain(|(id, _)| *id != finding.entry.id);
                let words = language.say(&finding.judgement.title);
                Some((Level::Good, language.say(&Message::new("panel.gone").with("finding", words))))
            }
        };
        self.markers.update(&found, now).into_iter().filter_map(news).collect()
    }
}
