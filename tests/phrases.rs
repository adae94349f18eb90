//! What the code says is in every language, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use camclinic::checkup::{CHECKS, entries};
use camclinic::phrases::Language;

type Table = BTreeMap<String, String>;

fn text(language: Language) -> String {
    let path = format!("{}/assets/phrases/{}.json", env!("CARGO_MANIFEST_DIR"), language.code());
    fs::read_to_string(path).unwrap()
}

fn table(language: Language) -> Table {
    serde_json::from_str(&text(language)).unwrap()
}

/// The code of all sources, without unit tests and comments.
fn sources() -> String {
    fn walk(folder: &Path, code: &mut String) {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                walk(&path, code);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    code.push_str(line);
                    code.push('\n');
                }
            }
        }
    }
    let mut code = String::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    code
}

/// What stands between quotation marks on one line.
fn literals(code: &str) -> BTreeSet<&str> {
    let is_name = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    code.lines().flat_map(|line| line.split('"')).filter(is_name).collect()
}

/// The first argument of each call that is a literal.
fn arguments<'a>(code: &'a str, call: &str) -> BTreeSet<&'a str> {
    let rest = code.split(call).skip(1);
    rest.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

/// The literals between one text and the next bracket that closes.
fn listed<'a>(code: &'a str, call: &str) -> BTreeSet<&'a str> {
    let lists = code.split(call).skip(1).filter_map(|rest| rest.split(']').next());
    lists.flat_map(|list| list.split('"').skip(1).step_by(2)).collect()
}

/// The fixed words of texts that keys are put together with: `tried` of `tried.{}`.
fn fixed_words(code: &str) -> BTreeSet<&str> {
    let templates = code.lines().flat_map(|line| line.split('"')).filter(|text| text.contains(".{"));
    templates.flat_map(|text| text.split('.')).filter(|word| !word.contains(['{', '}', ' '])).collect()
}

fn prefix(key: &str) -> &str {
    key.split('.').next().unwrap()
}

/// Keys that the code asks for; `true` where one with something behind a further dot will do.
fn asked_for(code: &str, prefixes: &BTreeSet<&str>) -> Vec<(String, bool)> {
    let mut asked = Vec::new();
    // A whole key: a prefix that is known, a dot, and words.
    for literal in literals(code) {
        let is_file = ["html", "json", "jpg", "zip"].iter().any(|ending| literal.ends_with(&format!(".{ending}")));
        let is_key =
            literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
        if literal.contains('.') && is_key && !is_file && prefixes.contains(prefix(literal)) {
            asked.push((literal.to_owned(), false));
        }
    }
    asked.extend(
        arguments(code, "Message::new(")
            .into_iter()
            .filter(|key| !key.contains('{'))
            .map(|key| (key.to_owned(), false)),
    );
    asked.extend(arguments(code, "Fix::new(").into_iter().map(|name| (format!("fix.{name}"), false)));
    asked.extend(listed(code, ".fixes(&[").into_iter().map(|name| (format!("fix.{name}"), false)));
    asked.extend(CHECKS.iter().map(|check| (format!("check.{}", check.id()), false)));
    // How each check can end: `result(self, CheckOutcome::Good, "good")`.
    for check in code.split("impl Check for ").skip(1) {
        let id = check.split('"').nth(1).unwrap();
        let ends = check.split("result(self, CheckOutcome::").skip(1).filter_map(|call| call.split('"').nth(1));
        asked.extend(ends.map(|word| (format!("check.{id}.{word}"), false)));
    }
    let slugs = arguments(code, "Judgement::new(").into_iter().chain(entries::all().map(|entry| entry.slug));
    asked.extend(slugs.flat_map(|slug| [(format!("title.{slug}"), true), (format!("because.{slug}"), true)]));
    let layers = [
        "computer", "presence", "driver", "access", "holder", "usb", "network", "open", "rate", "picture", "time",
        "folder",
    ];
    asked.extend(layers.into_iter().map(|layer| (format!("layer.{layer}"), false)));
    asked
}

#[test]
fn every_key_that_is_used_has_words() {
    let table = table(Language::English);
    let prefixes: BTreeSet<_> = table.keys().map(|key| prefix(key)).collect();
    let code = sources();
    let asked = asked_for(&code, &prefixes);
    assert!(asked.len() > 100, "the search finds nothing");
    let is_there = |key: &str, may_go_on: bool| {
        table.contains_key(key) || may_go_on && table.keys().any(|other| other.starts_with(&format!("{key}.")))
    };
    let missing: BTreeSet<_> =
        asked.iter().filter(|(key, may_go_on)| !is_there(key, *may_go_on)).map(|(key, _)| key).collect();
    assert!(missing.is_empty(), "en.json lacks {missing:#?}");
}

#[test]
fn all_words_are_used() {
    let table = table(Language::English);
    let code = sources();
    let mut literals = literals(&code);
    literals.extend(fixed_words(&code));
    let prefixes: BTreeSet<_> = table.keys().map(|key| prefix(key)).collect();
    let asked: BTreeSet<_> = asked_for(&code, &prefixes).into_iter().map(|(key, _)| key).collect();
    // A key that is put together: each of its parts stands somewhere.
    let is_used = |key: &str| {
        let (_, name) = key.split_once('.').unwrap_or(("", key));
        asked.contains(key) || literals.contains(name) || name.split('.').all(|part| literals.contains(part))
    };
    let unused: Vec<_> = table.keys().filter(|key| !is_used(key)).collect();
    assert!(unused.is_empty(), "nobody says {unused:#?}");
}

fn places(words: &str) -> BTreeSet<&str> {
    words.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn languages_say_the_same() {
    let english = table(Language::English);
    let mut wrong = Vec::new();
    for language in [Language::Polish, Language::Vietnamese] {
        let table = table(language);
        for (key, words) in &table {
            match english.get(key) {
                None => wrong.push(format!("{}: {key} is not English", language.code())),
                Some(english) if places(english) != places(words) => {
                    wrong.push(format!(
                        "{}: {key} has {:?}, not {:?}",
                        language.code(),
                        places(words),
                        places(english)
                    ));
                }
                Some(_) if words.trim().is_empty() => wrong.push(format!("{}: {key} is empty", language.code())),
                Some(_) => {}
            }
        }
        let missing: Vec<_> = english.keys().filter(|key| !table.contains_key(*key)).collect();
        println!("{}: {} of {} phrases; in English: {missing:?}", language.name(), table.len(), english.len());
        if language == Language::Polish {
            wrong.extend(missing.into_iter().map(|key| format!("pl: {key} is missing")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_sorted_with_a_key_a_line() {
    for language in Language::ALL {
        let text = text(language);
        let keys: Vec<_> =
            text.lines().filter_map(|line| line.trim_start().strip_prefix('"')?.split('"').next()).collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(keys, sorted, "{}", language.code());
        assert_eq!(keys.len(), table(language).len(), "{}", language.code());
    }
}
