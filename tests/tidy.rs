//! House rules that the compiler and clippy cannot see.

use std::fs;
use std::path::{Path, PathBuf};

/// Which module lies in which layer, lowest first. A module may use its own layer and those below it.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "words",
        &[
            "address",
            "backend",
            "control",
            "disk",
            "event",
            "fault",
            "foreign",
            "frame",
            "latest",
            "lock",
            "packet",
            "phrases",
            "settings",
            "status",
            "subscriber",
        ],
    ),
    ("decisions", &["codec", "criteria", "health", "picture", "recovery"]),
    ("devices", &["device", "network", "source"]),
    ("engine", &["analyser", "camera", "fleet", "logging", "probe"]),
    ("consumers", &["clips", "past", "recorder", "records", "secrets", "share", "snapshot", "uptime"]),
    ("diagnosis", &["checkup", "report"]),
    ("faces", &["cli", "ui"]),
    ("tests", &["fuzzing"]),
];

/// Only these may mention egui: the core must work without a window.
const WINDOW: [&str; 2] = ["ui", "main"];

fn source_files() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// `source/opencv.rs` belongs to the module `source`.
fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// What comes before the unit tests, without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that a text names.
fn used_modules(code: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest,
        };
        for name in names.split(',').take(if rest.starts_with('{') { usize::MAX } else { 1 }) {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            modules.push(name);
        }
    }
    modules
}

#[test]
fn nobody_knows_a_layer_above_his_own() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        let module = module_of(&file);
        if ["lib", "main", "bin"].contains(&module) {
            continue;
        }
        let Some(own) = layer_of(module) else {
            wrong.push(format!("{file}: {module} is in no layer; add it to LAYERS"));
            continue;
        };
        for used in used_modules(&code(&text)) {
            if layer_of(&used).is_some_and(|layer| layer > own) {
                wrong.push(format!("{file} ({}) uses {used}", LAYERS[own].0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_layer_test_sees_what_is_used() {
    assert_eq!(used_modules("use crate::camera::Camera;\nuse crate::{cli, ui::App};"), ["camera", "cli", "ui"]);
    assert!(layer_of("camera") > layer_of("source"));
}

#[test]
fn only_the_window_mentions_egui() {
    for (file, text) in source_files() {
        if !WINDOW.contains(&module_of(&file)) {
            assert!(!code(&text).contains("egui"), "{file} mentions egui");
        }
    }
}

#[test]
fn only_the_main_program_names_the_window() {
    for (file, text) in source_files() {
        if !WINDOW.contains(&module_of(&file)) {
            assert!(!used_modules(&code(&text)).contains(&"ui".to_owned()), "{file} names ui");
        }
    }
}

/// Types that a file declares, those of its tests left out.
fn types(code: &str) -> impl Iterator<Item = &str> {
    const KINDS: [&str; 5] = ["struct ", "enum ", "union ", "trait ", "type "];
    code.lines().filter_map(|line| {
        let line = line.strip_prefix("pub").map_or(line, |rest| rest.split_once(' ').map_or(rest, |(_, rest)| rest));
        let rest = KINDS.iter().find_map(|kind| line.strip_prefix(kind))?;
        rest.split(|letter: char| !letter.is_alphanumeric()).next()
    })
}

#[test]
fn two_types_never_share_a_name() {
    let sample = "struct A;\npub(super) enum B {\n    type Error = u8;\npub type C<T> = Vec<T>;\n";
    assert_eq!(types(sample).collect::<Vec<_>>(), ["A", "B", "C"]);
    let mut found = std::collections::BTreeMap::<String, Vec<String>>::new();
    // One system's types have the names of another's there: only one of them is compiled.
    for (file, text) in source_files().iter().filter(|(file, _)| !file.starts_with("device/")) {
        for name in types(text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)) {
            found.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn threads_have_names() {
    for (file, text) in source_files() {
        assert!(!code(&text).contains("thread::spawn("), "{file}: use thread::Builder and name the thread");
    }
}

#[test]
fn channels_are_bounded() {
    for (file, text) in source_files() {
        let code = code(&text);
        for unbounded in ["unbounded(", "mpsc::channel("] {
            assert!(!code.contains(unbounded), "{file}: a channel must be bounded");
        }
    }
}

/// Words that the code of only these files may hold.
const OWNERS: &[(&str, &[&str])] = &[
    // Which system it runs on.
    ("target_os", PLATFORM),
    ("cfg(windows", PLATFORM),
    ("cfg!(windows", PLATFORM),
    // The rights of a new file.
    ("cfg(unix", &["disk.rs"]),
    ("cfg!(unix", PLATFORM),
    (
        "windows_sys",
        &[
            "device/windows/process.rs",
            "device/windows/registry.rs",
            "device/windows/setup.rs",
            "device/windows/shared_memory.rs",
            "device/windows/system.rs",
            "device/windows/watch.rs",
        ],
    ),
    ("windows::Win32", &["device/windows/controls.rs", "device/windows/directshow.rs"]),
    (
        "rustix::",
        &[
            "device/linux.rs",
            "device/linux/capture.rs",
            "device/linux/controls.rs",
            "device/linux/process.rs",
            "device/linux/query.rs",
            "device/linux/reset.rs",
            "device/linux/shared_memory.rs",
            "device/linux/start.rs",
            "device/linux/watch.rs",
            "device/macos/shared_memory.rs",
            "device/unix/process.rs",
            // How a file is opened.
            "disk.rs",
        ],
    ),
    // Calls into the system, and memory that another process writes to.
    (
        "unsafe",
        &[
            "device/linux/capture.rs",
            "device/linux/process.rs",
            "device/linux/query.rs",
            "device/linux/reset.rs",
            "device/macos/core_media_io.rs",
            "device/macos/watch.rs",
            "device/windows/controls.rs",
            "device/windows/directshow.rs",
            "device/windows/process.rs",
            "device/windows/registry.rs",
            "device/windows/setup.rs",
            "device/windows/watch.rs",
            "source/isolated/memory.rs",
            "source/isolated/packets.rs",
            // What the graphics driver is called.
            "ui/renderer.rs",
        ],
    ),
    ("memmap2", &["device/linux/capture.rs", "source/isolated/memory.rs", "source/isolated/packets.rs"]),
    // The program is not linked with OpenCV: only the worker is.
    ("opencv::", &["source/opencv.rs", "source/network.rs", "bin/camclinic-worker.rs"]),
    ("mod opencv", &["bin/camclinic-worker.rs"]),
    // Parsers that others wrote may panic at what a camera sends.
    ("Message::parse(", &["network/parsers.rs"]),
    ("Message::<Vec<u8>>::parse(", &[]),
    ("httparse::parse_", &["network/parsers.rs"]),
    ("httparse::Response", &["network/parsers.rs"]),
    ("parse_x509_certificate", &["network/parsers.rs"]),
    ("nokhwa::", &["device/native.rs", "source/native.rs"]),
    // What starts processes must see to their end.
    ("nokhwa_bindings_macos", &["device/macos/system.rs"]),
    (
        "Command::new(",
        &[
            "device/ask.rs",
            "device/macos/system.rs",
            "device/windows/system.rs",
            "source/isolated/process.rs",
            "cli/monitor/hook.rs",
        ],
    ),
    ("process::exit", &[]),
    // What goes there is looked through for what steers a terminal; the prompts of two commands are their own words.
    ("io::stdout()", &["cli.rs", "cli/monitor.rs", "source/isolated/worker.rs"]),
    (
        "io::stderr()",
        &[
            "cli.rs",
            "cli/checkup.rs",
            "cli/recover.rs",
            "cli/test.rs",
            "cli/test/connection.rs",
            "foreign.rs",
            "source/isolated/worker.rs",
        ],
    ),
    // What looks after itself, in place of it.
    ("Mutex<", &["lock.rs"]),
    ("RwLock<", &[]),
    (
        "println!",
        &[
            "camera/machine/stories.rs",
            // Tests that print their seed.
            "network/rtp/depacketiser/generated.rs",
            "recorder/repair/tests.rs",
            "recorder/sample_clock/tests.rs",
        ],
    ),
    // They panic where the clock is set beyond the year 9999: event::now() does not.
    ("Timestamp::now(", &[]),
    ("Zoned::now(", &[]),
];

/// The choice of a system's file, the files, and the backends.
const PLATFORM: &[&str] = &[
    "backend.rs",
    "device.rs",
    "device/macos.rs",
    "device/windows.rs",
    "source.rs",
    "source/native.rs",
    "source/opencv.rs",
];

#[test]
fn what_is_delicate_stays_in_its_files() {
    let files = source_files();
    let mut wrong = Vec::new();
    for (word, owners) in OWNERS {
        for (file, text) in &files {
            // A word of web pages, in the report's.
            let code = code(text).replace("'unsafe-inline'", "");
            if code.contains(word) && !owners.contains(&file.as_str()) {
                wrong.push(format!("{file} holds {word}, which belongs to {owners:?}"));
            }
        }
        for owner in *owners {
            assert!(files.iter().any(|(file, _)| file == owner), "{owner}, which may hold {word}, is gone");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// It opens one source and tells what comes of it: engine and faces are the program's.
#[test]
fn the_worker_knows_devices_and_words_only() {
    let worker = source_files().into_iter().find(|(file, _)| file == "bin/camclinic-worker.rs").unwrap().1;
    let code = code(&worker).replace("camclinic::", "crate::");
    let used = used_modules(&code);
    assert!(used.contains(&"source".to_owned()), "{used:?}");
    for module in used {
        assert!(layer_of(&module) <= layer_of("source") && layer_of(&module).is_some(), "{module}");
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let allowed = ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "assets", "packaging", "src", "target", "tests"];
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
