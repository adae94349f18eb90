//! Figures of reliability, each printed beside the bar that it has to reach. No test: machines differ, and it takes minutes.
//!
//! `cargo bench --bench figures` runs them optimised; with `--profile dev` it is quicker to build and near enough. Behind
//! `--`, names choose single figures, and `quick` takes a tenth of the counts. The machine should do nothing else.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a benchmark a panic is the message"
)]

use std::panic;
use std::path::Path;
use std::process::ExitCode;

// The paths that `source/opencv.rs` has in common with its neighbours in the library.
#[cfg(feature = "opencv")]
use camclinic::{address, backend, codec, control, device, fault, frame, latest, network, packet, source, status};

#[cfg(feature = "opencv")]
#[path = "../src/source/opencv.rs"]
#[expect(dead_code, unused_imports, reason = "its unit tests are compiled here, but not run")]
mod opencv;

#[path = "figures/cameras.rs"]
mod cameras;
#[path = "figures/chaos.rs"]
mod chaos;
#[path = "figures/clips_of_faults.rs"]
mod clips_of_faults;
#[path = "figures/cost.rs"]
mod cost;
#[path = "figures/devices.rs"]
mod devices;
#[path = "figures/ends.rs"]
mod ends;
#[path = "figures/film.rs"]
mod film;
#[path = "figures/fleet.rs"]
mod fleet;
#[path = "figures/machine.rs"]
mod machine;
#[path = "figures/outages.rs"]
mod outages;
#[path = "figures/power.rs"]
mod power;
#[path = "figures/recording.rs"]
mod recording;
#[path = "figures/remains.rs"]
mod remains;
#[cfg(feature = "share")]
#[path = "running.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod running;
#[cfg(feature = "share")]
#[path = "served.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod served;
#[path = "streams/server.rs"]
mod server;
#[cfg(feature = "share")]
#[path = "figures/sharing.rs"]
mod sharing;
#[path = "figures/streams.rs"]
mod streams;
#[path = "figures/table.rs"]
mod table;
#[path = "figures/verdicts.rs"]
mod verdicts;

use table::Scale;

type Figure = fn(Scale);

const FIGURES: &[(&str, Figure)] = &[
    ("start", cost::time_to_start),
    ("cpu", cost::cpu_and_age_of_a_file),
    ("age", cost::age_of_a_simulated_camera),
    ("stall", outages::stall_noticed),
    ("hang", outages::hang),
    ("crash", outages::crash),
    ("replug", outages::replug),
    ("replug-isolated", outages::replug_isolated),
    ("kill", remains::killed_workers),
    ("kill-program", chaos::killed_programs),
    ("chaos", chaos::run),
    ("close", remains::closing_hung_cameras),
    ("memory", remains::memory),
    ("memory-isolated", remains::memory_isolated),
    ("cycles", remains::cycles),
    ("faulty", remains::faulty_cameras),
    ("failed", cost::failed_cameras),
    ("holder", devices::holder_named),
    ("list", devices::list_of_eight),
    ("net-first", streams::first_pictures),
    ("net-delay", streams::delay),
    ("net-back", streams::killed_and_back),
    ("net-stall", streams::standing_still),
    ("net-dead", streams::beside_a_dead_one),
    ("net-cpu", streams::cpu),
    ("fleet", fleet::cpu),
    ("fleet-beside", fleet::beside_bad_ones),
    ("fleet-focus", fleet::focus),
    ("verdict", verdicts::local),
    ("verdict-hang", verdicts::hung),
    ("verdict-net", verdicts::network),
    ("rec-kill", ends::killed_recordings),
    ("rec-kill-program", ends::killed_programs_that_record),
    ("rec-power", power::power_cuts),
    ("rec-repair", ends::repair_of_many),
    ("rec-rotate", recording::rotations),
    ("rec-faults", clips_of_faults::clips_of_faults),
    ("rec-cpu", recording::cpu_of_recording),
    ("rec-writer", recording::writer_against_ffmpeg),
    ("rec-stall", clips_of_faults::stalled_disk),
    ("rec-full", clips_of_faults::full_disk),
    ("rec-list", recording::list_of_thousand),
    #[cfg(feature = "share")]
    ("share-captures", sharing::captures),
    #[cfg(feature = "share")]
    ("share-viewers", sharing::viewers),
    #[cfg(feature = "share")]
    ("share-slow", sharing::slow_viewer),
    #[cfg(feature = "share")]
    ("share-idle", sharing::idle),
    #[cfg(feature = "share")]
    ("share-page", sharing::page),
];

fn main() -> ExitCode {
    // As the program does.
    camclinic::device::process::reuse_freed_memory();
    // Cargo adds options of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [record, folder] = words.as_slice()
        && record == power::RECORD
    {
        power::record(Path::new(folder));
        return ExitCode::SUCCESS;
    }
    let scale = Scale { divisor: if words.iter().any(|word| word == "quick") { 10 } else { 1 } };
    let chosen: Vec<&String> = words.iter().filter(|word| *word != "quick").collect();
    if let Some(unknown) = chosen.iter().find(|word| FIGURES.iter().all(|(name, _)| name != **word)) {
        let names: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        eprintln!("There is no figure {unknown}. There are: {}; and quick.", names.join(", "));
        return ExitCode::from(3);
    }
    table::print_head();
    for (name, figure) in FIGURES {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            // The others are worth having.
            if panic::catch_unwind(|| figure(scale)).is_err() {
                table::print_skipped(name, "it came to no end, for the reason above");
            }
        }
    }
    ExitCode::SUCCESS
}
