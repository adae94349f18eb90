//! Which findings are news: one line in the log when something begins, one when it is gone.

use crate::checkup::Finding;
use crate::checkup::entries::LIKELY;
use crate::event::Level;
use crate::phrases::{Language, Said};

/// The name of these events.
pub const EVENT: &str = "finding";

/// What was found last, by the number of its entry, with the words with which it was told.
#[derive(Default)]
pub struct Tracker {
    open: Vec<(&'static str, String)>,
}

impl Tracker {
    /// What is to be told of the findings as they are now. Hints are none.
    pub fn update(&mut self, findings: &[Finding], language: Language) -> Vec<(Level, String)> {
        let likely = findings.iter().filter(|finding| finding.opinion.confidence >= LIKELY);
        let now: Vec<_> = likely.map(|finding| (finding, language.say(&finding.opinion.title))).collect();
        let gone = self.open.iter().filter(|(id, _)| !now.iter().any(|(finding, _)| finding.entry.id == *id));
        let gone =
            gone.map(|(_, words)| (Level::Good, language.say(&Said::new("panel.gone").with("finding", words.clone()))));
        let mut news: Vec<_> = gone.collect();
        let is_known = |id: &str| self.open.iter().any(|(known, _)| *known == id);
        let begun = now.iter().filter(|(finding, _)| !is_known(finding.entry.id));
        news.extend(begun.map(|(finding, words)| (super::level(finding), words.clone())));
        self.open = now.into_iter().map(|(finding, words)| (finding.entry.id, words)).collect();
        news
    }
}
