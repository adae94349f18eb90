//! Picks a face: the window, or a command.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use camclinic::cli::{self, Exit};
use camclinic::{device, foreign};
#[cfg(feature = "gui")]
use camclinic::{logging::EventLog, ui};

fn main() -> ExitCode {
    foreign::tell_panics_cleanly();
    device::process::reuse_freed_memory();
    let exit = match cli::parse() {
        Ok(arguments) => run(&arguments),
        Err(exit) => exit,
    };
    ExitCode::from(cli::finish(exit) as u8)
}

fn run(arguments: &cli::Cli) -> Exit {
    let interrupted = Arc::new(AtomicBool::new(false));
    let on_signal = Arc::clone(&interrupted);
    // SIGINT, SIGTERM and SIGHUP, or Ctrl-C and the console's close button: the camera is released before the end.
    if let Err(error) = ctrlc::set_handler(move || on_signal.store(true, Ordering::Relaxed)) {
        cli::complain(&format!("Signals will end the program without releasing the camera: {error}"));
    }
    match &arguments.command {
        Some(command) => cli::run(command, &arguments.shared, &interrupted),
        None => window(arguments, interrupted),
    }
}

#[cfg(feature = "gui")]
fn window(arguments: &cli::Cli, interrupted: Arc<AtomicBool>) -> Exit {
    let cli::RunSettings { settings, settings_path, notices } = arguments.shared.load_settings();
    let chosen = match cli::window_cameras(&arguments.sources, &settings) {
        Ok(chosen) => chosen,
        Err(sentence) => {
            cli::complain(&sentence);
            return Exit::CouldNotRun;
        }
    };
    let after = arguments.after;
    let screenshot = arguments.screenshot.clone().map(|path| ui::Screenshot { path, after });
    let log = EventLog::new();
    let _ = arguments.shared.tell(&log);
    let records = cli::keep_records(&log);
    let greeting = chosen.iter().any(|camera| camera.is_stand_in).then(|| cli::NO_CAMERA.to_owned());
    let choice = match (arguments.sources.is_empty(), settings.shown.cameras.is_empty()) {
        (false, _) => ui::CameraSelection::Named,
        (true, false) => ui::CameraSelection::Saved,
        (true, true) => ui::CameraSelection::Automatic,
    };
    let cameras = chosen.into_iter().map(|camera| {
        let of_camera = arguments.shared.settings_of(&camera, &settings);
        (camera.spec, of_camera)
    });
    let cameras = cameras.collect();
    let options = ui::Options {
        renderer: arguments.renderer,
        cameras,
        choice,
        settings,
        settings_path,
        notices,
        greeting,
        screenshot,
        log,
        records,
        interrupted,
    };
    match ui::run(options) {
        Ok(()) => Exit::Healthy,
        Err(sentence) => {
            cli::complain(&sentence);
            Exit::CouldNotRun
        }
    }
}

#[cfg(not(feature = "gui"))]
fn window(arguments: &cli::Cli, _interrupted: Arc<AtomicBool>) -> Exit {
    let settings = arguments.shared.load_settings().settings;
    let sentence = match cli::window_cameras(&arguments.sources, &settings) {
        Ok(_) => "This build has no window. Use a command: camclinic help".to_owned(),
        Err(sentence) => sentence,
    };
    cli::complain(&sentence);
    Exit::CouldNotRun
}
