//! Translation: what is said to people, in their language.
//!
//! Judgements hold [`Message`]: a key and values. The words are data in `assets/phrases/`, one file for each language, so that
//! they can be translated without touching code. What a language lacks is said in English.
//!
//! Sentences are written so that they need no plural: “Klatek: {n}”, not “{n} klatki”.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::foreign::Foreign;
use crate::settings::Settings;

/// A sentence before it is translated: its key in the phrase files, and the values that belong into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `because.busy-linux`
    pub key: Cow<'static, str>,
    /// What stands in the words' `{places}`.
    #[serde(default)]
    pub values: Vec<(Cow<'static, str>, MessageValue)>,
}

/// What stands in one place of a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageValue {
    /// With so many places behind the decimal mark, which differs by language.
    Number { value: f64, decimals: u8 },
    /// Itself to be said in the language.
    Message(Box<Message>),
    /// A name, an address, another's words: the same in every language.
    Text(Foreign),
}

impl From<&str> for MessageValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for MessageValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Message> for MessageValue {
    fn from(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

/// Without decimals.
impl From<f64> for MessageValue {
    fn from(value: f64) -> Self {
        Self::Number { value, decimals: 0 }
    }
}

impl From<u32> for MessageValue {
    fn from(value: u32) -> Self {
        f64::from(value).into()
    }
}

impl From<u64> for MessageValue {
    fn from(value: u64) -> Self {
        (value as f64).into()
    }
}

/// A number with so many decimals.
#[must_use]
pub fn number(value: f64, decimals: u8) -> MessageValue {
    MessageValue::Number { value, decimals }
}

impl Message {
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), values: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, place: &'static str, value: impl Into<MessageValue>) -> Self {
        self.values.push((Cow::Borrowed(place), value.into()));
        self
    }
}

/// Named by its ISO 639-1 code in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "en")]
    English,
    #[serde(rename = "pl")]
    Polish,
    #[serde(rename = "vi")]
    Vietnamese,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::Polish, Self::Vietnamese];

    /// The one that the settings choose, else the system's, else English.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        settings.language.unwrap_or_else(Self::of_system)
    }

    /// The first language of the user that is spoken here. `LC_ALL`, by which scripts ask for plain English, goes first, on
    /// every system; then the desktop's: `LANGUAGE`, `LC_MESSAGES`, `LANG`, or the list in the settings of Windows and macOS.
    #[must_use]
    pub fn of_system() -> Self {
        let forced = std::env::var("LC_ALL").ok().filter(|locale| !locale.is_empty());
        forced
            .into_iter()
            .chain(sys_locale::get_locales())
            .find_map(|locale| Self::of_locale(&locale))
            .unwrap_or(Self::English)
    }

    /// Of a locale as systems name them: `pl_PL.UTF-8`, `vi-VN`, `C`. `None` of a language that is not spoken here.
    fn of_locale(locale: &str) -> Option<Self> {
        let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default().to_ascii_lowercase();
        match language.as_str() {
            "c" | "posix" => Some(Self::English),
            code => Self::ALL.into_iter().find(|language| language.code() == code),
        }
    }

    /// As those who speak it call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Polish => "Polski",
            Self::Vietnamese => "Tiếng Việt",
        }
    }

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

    /// The words of a sentence. A place without a value stays as it is written, as does a key without words.
    #[must_use]
    pub fn say(self, message: &Message) -> String {
        let words = self.table().get(&*message.key).or_else(|| Self::English.table().get(&*message.key));
        let Some(mut rest) = words.map(String::as_str) else { return message.key.to_string() };
        let mut text = String::with_capacity(rest.len());
        // In one pass: what a camera calls itself may look like a place.
        while let Some((before, behind)) = rest.split_once('{') {
            text.push_str(before);
            let place = behind.split_once('}').and_then(|(name, behind)| {
                let (_, value) = message.values.iter().find(|(place, _)| *place == name)?;
                Some((self.value(value), behind))
            });
            if let Some((value, behind)) = place {
                text.push_str(&value);
                rest = behind;
            } else {
                text.push('{');
                rest = behind;
            }
        }
        text.push_str(rest);
        text
    }

    /// One word or sentence without values.
    #[must_use]
    pub fn word(self, key: &'static str) -> String {
        self.say(&Message::new(key))
    }

    /// What stands in a place: numbers as the language writes them.
    #[must_use]
    pub fn value(self, value: &MessageValue) -> String {
        match value {
            MessageValue::Text(text) => text.to_string(),
            MessageValue::Message(message) => self.say(message),
            MessageValue::Number { value, decimals } => {
                let text = format!("{value:.*}", usize::from(*decimals));
                if self.decimal_mark() == '.' { text } else { text.replace('.', &self.decimal_mark().to_string()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_read_as_systems_write_them() {
        #[track_caller]
        fn check(locale: &str, expected: Option<Language>) {
            assert_eq!(Language::of_locale(locale), expected, "{locale}");
        }
        check("pl_PL.UTF-8", Some(Language::Polish));
        check("pl-PL", Some(Language::Polish));
        check("PL", Some(Language::Polish));
        check("vi_VN@cldr", Some(Language::Vietnamese));
        check("en-GB", Some(Language::English));
        check("C", Some(Language::English));
        check("C.UTF-8", Some(Language::English));
        check("POSIX", Some(Language::English));
        check("de_DE.UTF-8", None);
        check("plt_MG", None);
        check("", None);
    }

    #[test]
    fn what_stands_in_a_place_is_not_looked_at() {
        #[track_caller]
        fn check(message: &Message, language: Language, expected: &str) {
            assert_eq!(language.say(message), expected);
        }
        let overrun = || Message::new("why.overrun");
        check(&overrun().with("seconds", number(2.5, 1)), Language::English, "It did not end within 2.5 s.");
        check(&overrun().with("seconds", number(2.5, 1)), Language::Polish, "Nie skończyło się w ciągu 2,5 s.");
        check(&overrun().with("seconds", "{seconds}"), Language::English, "It did not end within {seconds} s.");
        check(&overrun().with("seconds", "{").with("x", "}"), Language::English, "It did not end within { s.");
        check(&overrun().with("second", 1.0), Language::English, "It did not end within {seconds} s.");
        let nested = overrun().with("seconds", Message::new("outcome.good"));
        check(&nested, Language::Polish, "Nie skończyło się w ciągu dobrze s.");
        check(&Message::new("none.such").with("x", 1.0), Language::Polish, "none.such");
    }
}
