//! What an entry of the catalogue of failures is, and what a judge says: the types of all files in `entries/`.
//!
//! A judge is pure. It says how sure it is, from 0 to 1, and why; look-alikes are told apart there, each by the evidence that
//! the other one cannot have.

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::facts::Facts;
use crate::phrases::{Message, MessageValue};

/// From the computer outwards, and cheap before intrusive: the nearer one explains what is seen behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    Computer,
    Presence,
    Driver,
    Access,
    Holder,
    Usb,
    Network,
    Open,
    Rate,
    Picture,
    Time,
    Folder,
}

/// What a failure means for who wants a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The picture comes, and is not as it should be.
    Warning,
    /// There is no picture, or none that shows anything.
    Critical,
}

/// One failure of the catalogue.
#[derive(Debug)]
pub struct CatalogueEntry {
    /// Its number there: `F20`.
    pub id: &'static str,
    /// Its name in keys of phrases: `busy-linux`.
    pub slug: &'static str,
    pub layer: Layer,
    pub severity: Severity,
    /// `None`: nothing points to it.
    pub judge: fn(&Facts) -> Option<Judgement>,
}

/// A row of the catalogue: without a picture, or with one that shows nothing.
pub const fn critical(
    id: &'static str,
    slug: &'static str,
    layer: Layer,
    judge: fn(&Facts) -> Option<Judgement>,
) -> CatalogueEntry {
    CatalogueEntry { id, slug, layer, severity: Severity::Critical, judge }
}

/// A row of the catalogue: the picture comes, and is not as it should be.
pub const fn warning(
    id: &'static str,
    slug: &'static str,
    layer: Layer,
    judge: fn(&Facts) -> Option<Judgement>,
) -> CatalogueEntry {
    CatalogueEntry { id, slug, layer, severity: Severity::Warning, judge }
}

/// What a judge thinks.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// From 0 to 1. [`CERTAIN`] ends the check-up.
    pub confidence: f64,
    /// `title.<slug>`, unless a judge tells kinds apart.
    pub title: Message,
    /// `because.<slug>`, with a dot and a word behind it where a judge tells kinds apart.
    pub because: Message,
    pub evidence: Vec<Message>,
    /// The likeliest to help and the easiest first.
    pub fixes: Vec<Fix>,
}

/// From here on there is no need to look further.
pub const CERTAIN: f64 = 0.9;
/// Below this it is a hint, never a verdict.
pub const LIKELY: f64 = 0.5;

impl Judgement {
    /// With the sentences that belong to the entry of that slug.
    #[must_use]
    pub fn new(slug: &str, confidence: f64) -> Self {
        Self {
            confidence,
            title: Message::new(format!("title.{slug}")),
            because: Message::new(format!("because.{slug}")),
            evidence: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Another sentence for its reason: `because.<slug>.<kind>`.
    #[must_use]
    pub fn because(mut self, kind: &str) -> Self {
        self.because.key = format!("{}.{kind}", self.because.key).into();
        self
    }

    /// How sure it is, in a word.
    #[must_use]
    pub fn certainty(&self) -> &'static str {
        match self.confidence {
            CERTAIN.. => "card.certain",
            LIKELY.. => "card.likely",
            _ => "card.possible",
        }
    }

    /// A value for both title and reason.
    #[must_use]
    pub fn with(mut self, place: &'static str, value: impl Into<MessageValue>) -> Self {
        let value = value.into();
        self.title = self.title.with(place, value.clone());
        self.because = self.because.with(place, value);
        self
    }

    #[must_use]
    pub fn with_evidence(mut self, evidence: Message) -> Self {
        self.evidence.push(evidence);
        self
    }

    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }
}

/// Something that mends it, or may.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// `fix.close-program`
    pub text: Message,
    /// What the program can do itself, at a press of a button.
    pub action: Option<Action>,
    /// What somebody with more rights can run.
    pub command: Option<String>,
}

impl Fix {
    /// `name` is that of the phrase, without `fix.`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { text: Message::new(format!("fix.{name}")), action: None, command: None }
    }

    #[must_use]
    pub fn with(mut self, place: &'static str, value: impl Into<MessageValue>) -> Self {
        self.text = self.text.with(place, value);
        self
    }

    #[must_use]
    pub fn does(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    #[must_use]
    pub fn runs(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}
