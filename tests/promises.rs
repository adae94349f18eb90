//! The invariants on the page of `lib.rs`: each names the tests that keep it, and these exist.

use std::fs;
use std::path::{Path, PathBuf};

/// The paragraphs below the heading, up to the next one.
fn invariants() -> Vec<String> {
    let page = include_str!("../src/lib.rs").lines().take_while(|line| line.starts_with("//!"));
    let page: Vec<_> = page.map(|line| line.trim_start_matches("//!").trim()).collect();
    let page = page.join("\n");
    let (_, below) = page.split_once("# Invariants\n").unwrap();
    let (section, _) = below.split_once("\n# ").unwrap();
    section.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).map(str::to_owned).collect()
}

/// `isolation::name` stands in `tests/isolation.rs`, `camera::machine::name` in `src/camera/machine.rs`.
fn is_test(path: &str) -> bool {
    let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("{}.rs", module.replace("::", "/"));
    let texts = ["tests", "src"].map(|folder| root.join(folder).join(&file)).into_iter().filter_map(read);
    let function = format!("fn {name}(");
    texts.into_iter().any(|text| {
        let before = text.split_once(&function).map(|(before, _)| before.to_owned());
        // Between the two stand other attributes at most.
        before.is_some_and(|before| before.rsplit_once("#[test]").is_some_and(|(_, between)| !between.contains("fn ")))
    })
}

fn read(path: PathBuf) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[test]
fn each_invariant_names_the_tests_that_keep_it() {
    let promised: Vec<_> = invariants().into_iter().filter(|paragraph| paragraph.starts_with("**")).collect();
    assert!(promised.len() >= 7, "{promised:#?}");
    for paragraph in promised {
        let (promise, kept) = paragraph.split_once("Kept by ").unwrap_or((&paragraph, ""));
        let tests: Vec<_> = kept.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test keeps this: {promise}");
        for test in tests {
            assert!(is_test(test), "there is no test {test}, which shall keep this: {promise}");
        }
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    assert!(is_test("promises::what_is_no_test_is_not_taken_for_one"));
    assert!(is_test("isolation::no_worker_outlives_the_program"));
    for path in ["promises::invariants", "promises::gone", "nowhere::gone", "gone", ""] {
        assert!(!is_test(path), "{path}");
    }
}
