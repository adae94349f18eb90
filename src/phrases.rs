//! What is said to people, in their language.
//!
//! Judgements hold [`Said`]: a key and values. The words are data in `assets/phrases/`, one file for each language, so that
//! they can be translated without touching code. What a language lacks is said in English.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A sentence before it has words: what it says, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// `because.busy-linux`
    pub key: Cow<'static, str>,
    /// What stands in the words' `{places}`.
    #[serde(default)]
    pub values: Vec<(Cow<'static, str>, Value)>,
}

/// What stands in one place of a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// With so many places behind the decimal mark, which differs by language.
    Number { value: f64, decimals: u8 },
    /// Itself to be said in the language.
    Said(Box<Said>),
    /// A name, an address, another's words: the same in every language.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Said> for Value {
    fn from(said: Said) -> Self {
        Self::Said(Box::new(said))
    }
}

/// Without decimals.
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number { value, decimals: 0 }
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        f64::from(value).into()
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        (value as f64).into()
    }
}

/// A number with so many decimals.
#[must_use]
pub fn number(value: f64, decimals: u8) -> Value {
    Value::Number { value, decimals }
}

impl Said {
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), values: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, place: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((Cow::Borrowed(place), value.into()));
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    English,
    Polish,
    Vietnamese,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::Polish, Self::Vietnamese];

    /// ISO 639-1
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Polish => "pl",
            Self::Vietnamese => "vi",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::English => include_str!("../assets/phrases/en.json"),
            Self::Polish => include_str!("../assets/phrases/pl.json"),
            Self::Vietnamese => include_str!("../assets/phrases/vi.json"),
        }
    }

    fn decimal_mark(self) -> char {
        match self {
            Self::English => '.',
            Self::Polish | Self::Vietnamese => ',',
        }
    }

    fn table(self) -> &'static BTreeMap<String, String> {
        static TABLES: [OnceLock<BTreeMap<String, String>>; 3] = [const { OnceLock::new() }; 3];
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let index = Self::ALL.iter().position(|language| *language == self).unwrap_or_default();
        // The files are part of the program, and a test reads them.
        TABLES
            .get(index)
            .map_or(&NONE, |table| table.get_or_init(|| serde_json::from_str(self.text()).unwrap_or_default()))
    }

    /// The words of a sentence.
    #[must_use]
    pub fn say(self, said: &Said) -> String {
        let words = self.table().get(&*said.key).or_else(|| Self::English.table().get(&*said.key));
        let mut text = words.map_or_else(|| said.key.to_string(), Clone::clone);
        for (place, value) in &said.values {
            text = text.replace(&format!("{{{place}}}"), &self.value(value));
        }
        text
    }

    fn value(self, value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Said(said) => self.say(said),
            Value::Number { value, decimals } => {
                let text = format!("{value:.*}", usize::from(*decimals));
                if self.decimal_mark() == '.' { text } else { text.replace('.', &self.decimal_mark().to_string()) }
            }
        }
    }
}
