//! Every command: what it prints, and with which code it ends. What is wrong with a camera, and how to get it going again, is
//! decided elsewhere; here it is asked for and printed.
//!
//! Results go to stdout, as text or as JSON alone; progress and errors go to stderr. The exit codes are those of
//! monitoring plugins (<https://www.monitoring-plugins.org/doc/guidelines.html>).

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use self::line_writer::LineWriter;
use self::monitor::{MonitorOptions, SharedOverHttp};
use crate::backend::Backend;
use crate::camera::Camera;
use crate::device;
use crate::event::{self, Level};
use crate::fault::{Fault, FaultClass};
use crate::foreign::for_terminal;
use crate::frame::{Frame, Size};
use crate::latest::Reader;
use crate::lock::Lock;
use crate::logging::EventLog;
use crate::recorder::RecordingMode;
use crate::records::Records;
use crate::secrets;
use crate::settings::{
    CameraId, CameraSettings, DATA_VARIABLE, FPS, Isolation, Loaded, MAX_SHOWN, Notice, RendererChoice, Settings,
    Transport, TrustedCertificates, data_folder, secs,
};
use crate::snapshot::{self, SavedFile, SnapshotTarget};
use crate::source::{OpenRequest, SourceSpec, file, simulated};
use crate::status::{Grade, State, Status};

mod checkup;
mod clips;
mod history;
mod line_writer;
mod list;
mod log;
mod manual;
mod monitor;
mod nagios;
mod recover;
mod status;
mod test;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Healthy = 0,
    Warning = 1,
    /// The camera does not work.
    Critical = 2,
    /// The command could not be carried out: wrong usage, no disk, no display.
    CouldNotRun = 3,
}

/// How long a stream is watched before its status is printed: the rate is measured over two seconds, and a stall is a second
/// long.
const STATUS_WATCH: Duration = Duration::from_millis(2_200);
/// Listing devices asks drivers; one that hangs must not hang us.
const LIST_DEADLINE: Duration = Duration::from_secs(3);
/// How long a message on stderr may take to be written, and the last ones.
const WRITE_DEADLINE: Duration = Duration::from_millis(100);
const LAST_WRITE_DEADLINE: Duration = Duration::from_secs(1);
/// Between two lines of `record`.
const RECORD_INTERVAL: Duration = Duration::from_secs(5);
/// How often a waiting command looks whether it was interrupted.
const POLL: Duration = Duration::from_millis(100);

/// Looks at a camera, finds out why it misbehaves, and gets it going again.
///
/// Without a command it opens the window.
#[derive(Parser, Debug)]
#[command(name = "camclinic", version, disable_help_subcommand = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "SOURCE is sim:… (see `camclinic help sim`), a number or an identity from `camclinic list`, a device path,\n\
    rtsp(s)://…, http(s)://… or a video file. Without it: the saved camera, else the first real one, else sim:\n\n\
    Exit codes: 0 healthy, 1 warning, 2 critical, 3 could not run."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// The cameras to show, side by side. Without one: those that were shown last.
    #[arg(value_name = "SOURCE", value_parser = source_text())]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub shared: SharedOptions,
    /// Who paints the window: OpenGL, or a processor (software); auto takes OpenGL where a graphics processor is behind it.
    #[arg(long, value_enum, default_value_t)]
    pub renderer: RendererChoice,
    /// Open the window, save a picture of it as PNG, and end.
    #[arg(long, value_name = "FILE.png")]
    pub screenshot: Option<PathBuf>,
    /// How long the window runs before the screenshot.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, requires = "screenshot")]
    pub after: Duration,
}

/// What every command understands.
#[derive(clap::Args, Debug)]
pub struct SharedOptions {
    /// How to reach the camera: auto, dshow, msmf, v4l2, v4l2-opencv, ffmpeg, gstreamer, avfoundation, native or simulated.
    #[arg(long, global = true, value_parser = backend)]
    pub backend: Option<BackendChoice>,
    /// Picture size to ask for, as in 1280x720.
    #[arg(long, global = true, value_name = "WxH")]
    pub size: Option<Size>,
    /// Pictures a second to ask for.
    #[arg(long, global = true, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub fps: Option<f64>,
    /// Run the driver in a process of its own, which can neither hang nor crash this one: auto, on or off. Auto does so
    /// for everything but the simulated camera.
    #[arg(long, global = true, value_name = "HOW", hide_possible_values = true)]
    pub isolation: Option<Isolation>,
    /// How the packets of an RTSP stream travel: tcp, udp, or auto (TCP, and UDP where the camera refuses that).
    #[arg(long, global = true, value_name = "HOW", hide_possible_values = true)]
    pub transport: Option<Transport>,
    /// Use this settings file in place of the user's own.
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Tell what happens, on stderr; twice for more.
    #[arg(short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Subcommand, Debug)]
pub enum CliCommand {
    /// List the cameras of this computer.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Open a camera, watch it for two seconds, and tell how it is.
    Status {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        /// Everything that is known, not only the essentials.
        #[arg(long)]
        detailed: bool,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Take a number of frames, measure how they come, and tell what is wrong with them.
    ///
    /// The camera is watched for two seconds at least, however few the frames are: rate, jitter, lost frames and a frozen
    /// picture are judged over all of that time. Nothing is recovered: a stream that breaks off ends the test.
    Test {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        /// How many frames to take, each with its own deadline.
        #[arg(long, value_name = "N", default_value = "5", value_parser = n_tests, allow_negative_numbers = true)]
        num_tests: u32,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Find out what is wrong with a camera: the cause, its proof, and what to do.
    ///
    /// Goes from the computer to the picture, in a few seconds. The exit code is that of the verdict.
    Checkup {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        #[arg(long)]
        json: bool,
        /// Save a report for whoever helps: the verdict, its proof, a picture, the log. Names and numbers that tell who you
        /// are are masked.
        #[arg(long, value_name = "FILE.zip", value_parser = checkup::report_path)]
        report: Option<PathBuf>,
        /// Try nothing out, such as another format, where the cause is not certain.
        #[arg(long)]
        no_experiments: bool,
        /// Open the camera through every backend in turn, and tell which does best.
        #[arg(long)]
        compare: bool,
        /// Watch until something goes wrong, so long at most: for what comes and goes.
        #[arg(long, value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
        watch: Option<Duration>,
    },
    /// Get a camera going again: restart the stream, reconnect, reset the device, until good pictures come.
    Recover {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        /// Reset the device when nothing gentler helps, without asking.
        #[arg(long)]
        reset: bool,
        /// Give up after so long, even if there is something left to try.
        #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = patience, allow_negative_numbers = true)]
        deadline: Duration,
        #[arg(long)]
        json: bool,
    },
    /// Tell what happened, in this run of the program and in those before, newest last.
    Log {
        /// What went wrong (warnings and errors), in the last 24 hours where --since does not say otherwise.
        #[arg(long)]
        recent_errors: bool,
        /// From then on: how long ago, such as 90s, 30m, 1h or 2d, or a moment, such as 2026-11-21T09:30.
        #[arg(long, value_name = "WHEN", value_parser = log::moment, allow_negative_numbers = true)]
        since: Option<Timestamp>,
        /// Events of this camera; a part of its name, of the one that it was given too, is enough.
        #[arg(long, value_name = "CAMERA")]
        camera: Option<String>,
        /// One object a line.
        #[arg(long)]
        json: bool,
    },
    /// Tell how a camera was, in this run of the program and in those before: a line for each hour.
    History {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        /// From then on: how long ago, such as 30m, 1h or 2d, or a moment, such as 2026-11-21T09:30.
        #[arg(long, value_name = "WHEN", value_parser = log::moment, allow_negative_numbers = true)]
        since: Option<Timestamp>,
        /// Every sample: seconds for the last hour, minutes before.
        #[arg(long)]
        json: bool,
        /// The same as a table.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Watch cameras over time: how each is at every interval, what happens when it happens, and a summary at the end, which
    /// Ctrl-C brings too.
    Monitor {
        /// The cameras, all at once.
        #[arg(value_name = "SOURCE", value_parser = source_text())]
        sources: Vec<String>,
        /// End after so long. Without it: when interrupted.
        #[arg(long, value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
        duration: Option<Duration>,
        /// Time between two lines about a camera.
        #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = interval, allow_negative_numbers = true)]
        interval: Duration,
        #[command(flatten)]
        output: OutputOptions,
        /// Run this for each alert, that is issue, critical or recovery, which it gets as JSON on its stdin:
        /// program and arguments, with quotes around what has blanks. There is no shell. It is killed after 10 seconds.
        #[arg(long, value_name = "COMMAND")]
        on_event: Option<String>,
        /// Serve the numbers for Prometheus at ADDRESS, as in 127.0.0.1:9464, under /metrics.
        #[arg(long, value_name = "ADDRESS")]
        metrics: Option<String>,
        /// Let ADDRESS be one that other computers reach. They need no password.
        #[arg(long, requires = "metrics")]
        metrics_anywhere: bool,
        /// Record besides what is around each fault: see record --faults-only.
        #[arg(long, value_name = "FOLDER")]
        record: Option<PathBuf>,
    },
    /// Record cameras: what they send, as they send it, into clips of five minutes. It is watched and told as by monitor.
    Record {
        /// The cameras, all at once.
        #[arg(value_name = "SOURCE", value_parser = source_text())]
        sources: Vec<String>,
        /// Where clips go, in a folder for each camera and day. Old ones are deleted in time.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// End after so long. Without it: when interrupted.
        #[arg(long, value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
        duration: Option<Duration>,
        /// Write only what is around a fault: the ten seconds before it, and until five seconds of good pictures.
        #[arg(long)]
        faults_only: bool,
        /// Write one picture in so many seconds.
        #[arg(long, value_name = "SECONDS", value_parser = interval, conflicts_with = "faults_only")]
        time_lapse: Option<Duration>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// What is in a folder of clips; whether all of it is as it was written; copies for somebody else.
    Clips {
        /// That of record --to. Without it: where the window records.
        folder: Option<PathBuf>,
        #[arg(long)]
        json: bool,
        /// Look into each: is something missing, cut short, changed or unfinished?
        #[arg(long, conflicts_with_all = ["export", "archive"])]
        check: bool,
        /// Put the clips of a time into a zip, with a list of what is in it.
        #[arg(long, value_name = "FILE.zip")]
        export: Option<PathBuf>,
        /// Copy them into a new folder, with the same list.
        #[arg(long, value_name = "FOLDER", conflicts_with = "export")]
        archive: Option<PathBuf>,
        /// From then on: how long ago, such as 30m, 1h or 2d, or a moment, such as 2026-11-21T09:30.
        #[arg(long, value_name = "WHEN", value_parser = log::moment, allow_negative_numbers = true)]
        from: Option<Timestamp>,
        /// Until then.
        #[arg(long, value_name = "WHEN", value_parser = log::moment, allow_negative_numbers = true)]
        to: Option<Timestamp>,
    },
    /// Let a colleague look on: a page with the pictures, at a link that is printed. Nothing can be changed there.
    Serve {
        /// The cameras, all at once.
        #[arg(value_name = "SOURCE", value_parser = source_text())]
        sources: Vec<String>,
        /// Where it is. At an address that other computers reach only who has the link may look on, for an hour; at 0.0.0.0:8001
        /// this computer has it at all of its addresses.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8001", value_parser = listen_address)]
        listen: SocketAddr,
        /// Show the clips of this folder too. Without it: those that the window records.
        #[arg(long, value_name = "FOLDER")]
        clips: Option<PathBuf>,
        /// Pages of this site may show it too, in a frame or with fetch: its scheme and name, without a path.
        #[arg(long, value_name = "ORIGIN", value_parser = origin)]
        allow_origin: Option<String>,
        /// End after so long. Without it: when interrupted.
        #[arg(long, value_name = "MINUTES", value_parser = minutes, allow_negative_numbers = true)]
        duration: Option<Duration>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Save one picture.
    Snapshot {
        #[arg(value_parser = source_text())]
        source: Option<String>,
        /// The file to write; its ending chooses the format.
        #[arg(long, short, value_name = "FILE.(jpg|png)")]
        output: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Asks cameras what they can do, for another run of this program, which does not wait for a driver that hangs.
    #[command(name = device::ask::COMMAND, hide = true)]
    AskDevice { paths: Vec<String> },
    /// Prints what makes a shell complete the command line; for packages, which install it.
    #[command(hide = true)]
    Complete { shell: clap_complete::Shell },
    /// Writes the manual's pages into a folder; for packages, which install them.
    #[command(hide = true)]
    Man { folder: PathBuf },
    /// Explain a command, or the simulated camera: `camclinic help sim`.
    Help { topic: Option<String> },
}

/// In which form a result is printed.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct OutputOptions {
    /// The same as --format json.
    #[arg(long)]
    json: bool,
    /// How to print the result: text for people, json for programs, nagios for monitoring systems (one line, with
    /// performance data).
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        conflicts_with = "json"
    )]
    format: OutputFormat,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OutputFormat {
    #[default]
    Text,
    Json,
    Nagios,
}

impl OutputOptions {
    fn format(self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.format }
    }
}

/// `--backend`: `auto` is a choice too, against the one in the settings.
#[derive(Clone, Copy, Debug)]
pub struct BackendChoice(Option<Backend>);

fn backend(text: &str) -> Result<BackendChoice, String> {
    if text == "auto" {
        return Ok(BackendChoice(None));
    }
    let found = Backend::ALL.into_iter().find(|backend| backend.slug() == text);
    found.map(|backend| BackendChoice(Some(backend))).ok_or_else(|| {
        let names = Backend::ALL.map(Backend::slug).join(", ");
        format!("it can be auto, {names}")
    })
}

fn rate(text: &str) -> Result<f64, String> {
    let range = FPS.min..=FPS.max;
    text.parse().ok().filter(|fps| range.contains(fps)).ok_or_else(|| format!("it can be {} to {}", FPS.min, FPS.max))
}

/// At 30 frames a second the most takes about an hour.
fn n_tests(text: &str) -> Result<u32, String> {
    const MOST: u32 = 100_000;
    let n_tests = text.parse().ok().filter(|n_tests| (1..=MOST).contains(n_tests));
    n_tests.ok_or_else(|| format!("it can be 1 to {MOST} frames"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    seconds_from(0.0, text)
}

/// Less than a second is not enough to open anything.
fn patience(text: &str) -> Result<Duration, String> {
    seconds_from(1.0, text)
}

/// More lines a second than the status has news would say nothing new.
fn interval(text: &str) -> Result<Duration, String> {
    seconds_from(0.1, text)
}

/// From a moment to a year.
fn minutes(text: &str) -> Result<Duration, String> {
    let (shortest, longest) = (0.01, 525_600.0);
    let value = text.parse().ok().filter(|value: &f64| (shortest..=longest).contains(value));
    value.map(|minutes| secs(minutes * 60.0)).ok_or_else(|| format!("it can be {shortest} to {longest} minutes"))
}

/// An address and a port. Host names are not looked up: that may take minutes, and the address might be any.
fn address(text: &str) -> Option<SocketAddr> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    local.or_else(|| text.parse().ok())
}

/// What browsers call the site of a page (RFC 6454): without a path.
fn origin(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
    };
    match host {
        Some(host) if is_host(host) => Ok(lower),
        _ => Err("write a site without a path, such as https://dashboard.example or http://192.0.2.7:8123".to_owned()),
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    address(text).ok_or_else(|| "it can be an address of this computer and a port, such as 127.0.0.1:8001".to_owned())
}

fn seconds_from(shortest: f64, text: &str) -> Result<Duration, String> {
    let longest = 3_600.0;
    let value = text.parse().ok().filter(|value: &f64| (shortest..=longest).contains(value));
    value.map(secs).ok_or_else(|| format!("it can be {shortest} to {longest} seconds"))
}

/// Reads the command line.
///
/// # Errors
/// Nothing to run: help or the version was printed (`Healthy`), or the usage is wrong and the reason was printed.
pub fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        let printed = error.print();
        if !error.use_stderr() {
            note_written(printed.and_then(|()| io::stdout().flush()));
            return Exit::Healthy;
        }
        // A monitoring system shows stdout alone.
        if std::env::args_os().any(|argument| argument == "nagios" || argument == "--format=nagios") {
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default();
            say(&nagios::line(Exit::CouldNotRun, reason.trim_start_matches("error: "), &[]));
        }
        Exit::CouldNotRun
    })
}

/// The settings as they are saved.
pub struct RunSettings {
    pub settings: Settings,
    pub settings_path: Option<PathBuf>,
    pub notices: Vec<Notice>,
}

impl SharedOptions {
    /// Has events printed on stderr, if that was asked for. Whether it was.
    #[must_use]
    pub fn tell(&self, log: &EventLog) -> bool {
        let least = match self.verbose {
            0 => return false,
            1 => Level::Info,
            _ => Level::Debug,
        };
        log.listen(move |event| {
            if event.level >= least {
                mention(format!("{:>12}  {}", event.name, event.message));
            }
        });
        true
    }

    #[must_use]
    pub fn load_settings(&self) -> RunSettings {
        let settings_path = self.settings.clone().or_else(Settings::default_path);
        let Loaded { settings, notices } = settings_path
            .as_deref()
            .map_or_else(|| Loaded { settings: Settings::default(), notices: Vec::new() }, Settings::load);
        RunSettings { settings, settings_path, notices }
    }

    /// The settings of a camera, with what the command line says in their place.
    #[must_use]
    pub fn settings_of(&self, camera: &ChosenSource, saved: &Settings) -> CameraSettings {
        let listed = saved.listed(camera.id).cloned();
        self.instead_of(listed.unwrap_or_else(|| camera.spec.settings(saved)))
    }

    /// The same settings, with what the command line says in their place.
    fn instead_of(&self, mut settings: CameraSettings) -> CameraSettings {
        if let Some(BackendChoice(backend)) = self.backend {
            settings.backend = backend;
        }
        settings.isolation = self.isolation.unwrap_or(settings.isolation);
        settings.transport = self.transport.unwrap_or(settings.transport);
        settings.asked.size = self.size.or(settings.asked.size);
        settings.asked.fps = self.fps.or(settings.asked.fps);
        settings
    }
}

/// What is said when the simulated camera stands in for a real one.
pub const NO_CAMERA: &str =
    "No camera was found, so this is the simulated one. A camera that is plugged in appears in the list.";

/// A camera to open.
#[derive(Clone, Debug)]
pub struct ChosenSource {
    pub spec: SourceSpec,
    /// Under which it is listed in the settings, where it was taken from there.
    pub id: CameraId,
    /// It is the simulated camera, for which nobody has asked, because there is no real one.
    pub is_stand_in: bool,
}

/// A source is text, but for a file, whose name need not be any.
fn source_text() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|word| word.into_string().unwrap_or_else(|path| file::text_of(path.as_ref())))
}

/// The camera to open: the one that was named, else the saved one, else the first real one, else the simulated one.
///
/// # Errors
/// What was named cannot be a source; the sentence says what can.
pub fn choose_source(named: Option<&str>, settings: &Settings) -> Result<ChosenSource, String> {
    let wanted = |spec| ChosenSource { spec, id: CameraId::UNLISTED, is_stand_in: false };
    if let Some(named) = named {
        let spec = SourceSpec::parse(named);
        // A word that could be anything may be what the user calls a camera.
        let called = match &spec {
            Ok(SourceSpec::Device(_) | SourceSpec::File(_)) | Err(_) => settings.called(named),
            Ok(SourceSpec::Simulated(_) | SourceSpec::Index(_) | SourceSpec::Url(_)) => None,
        };
        return called.map_or(spec, |camera| SourceSpec::parse(&camera.source)).map(wanted);
    }
    if let Some(saved) = settings.saved_cameras().find_map(ChosenSource::listed) {
        return Ok(saved);
    }
    let devices = if Backend::for_devices().is_empty() { None } else { device::list_within(LIST_DEADLINE) };
    match devices.and_then(|devices| devices.into_iter().next()) {
        Some(first) => SourceSpec::parse(&first.path).map(wanted),
        None => SourceSpec::parse("sim:").map(|spec| ChosenSource { is_stand_in: true, ..wanted(spec) }),
    }
}

impl ChosenSource {
    /// A camera of the settings. Its source was checked when it was saved; `None` should this version not know it, so that the
    /// program goes on without.
    fn listed(camera: &CameraSettings) -> Option<Self> {
        let spec = SourceSpec::parse(&camera.source).ok()?;
        Some(Self { spec, id: camera.id, is_stand_in: false })
    }
}

/// The cameras that the window opens: those that were named, else those that were shown last, else the first one that there
/// is. Waits a moment at most: the window shall be there within a second.
///
/// # Errors
/// As [`choose_source`]; or there are too many, one stands there twice, or a word is no camera and looks like a mistyped command.
pub fn window_cameras(named: &[String], settings: &Settings) -> Result<Vec<ChosenSource>, String> {
    if named.len() > MAX_SHOWN {
        return Err(format!("The window shows {MAX_SHOWN} cameras at most; {} are named.", named.len()));
    }
    if named.is_empty() {
        let shown = settings.shown.cameras.iter().filter_map(|id| settings.listed(*id));
        let shown: Vec<_> = shown.filter_map(ChosenSource::listed).collect();
        return if shown.is_empty() { choose_source(None, settings).map(|chosen| vec![chosen]) } else { Ok(shown) };
    }
    let mut cameras: Vec<ChosenSource> = Vec::new();
    for name in named {
        let chosen = choose_source(Some(name), settings)?;
        if let SourceSpec::Device(word) = &chosen.spec
            && word.bytes().all(|byte| byte.is_ascii_lowercase())
            && device::find(word).is_none()
        {
            let command = Cli::command();
            let names: Vec<_> =
                command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(clap::Command::get_name).collect();
            return Err(format!("“{word}” is neither a camera nor a command. Commands: {}.", names.join(", ")));
        }
        // With another password it is the same camera.
        let name = chosen.spec.without_password();
        if cameras.iter().any(|known| known.spec.without_password() == name) {
            return Err(named_twice(&chosen.spec));
        }
        cameras.push(chosen);
    }
    Ok(cameras)
}

fn named_twice(spec: &SourceSpec) -> String {
    format!("{spec} is named twice: name each camera once.")
}

/// Runs a command to its end. `interrupted` is set by a signal.
#[must_use]
pub fn run(command: &CliCommand, shared: &SharedOptions, interrupted: &AtomicBool) -> Exit {
    let run = shared.load_settings();
    for notice in &run.notices {
        complain(&notice.text);
    }
    let job = CommandContext { run: &run, shared, interrupted };
    let ended = match command {
        CliCommand::List { json } => list::list(*json),
        CliCommand::Status { source, detailed, output } => job.status(source.as_deref(), *detailed, output.format()),
        CliCommand::Test { source, num_tests, output } => job.test(source.as_deref(), *num_tests, output.format()),
        CliCommand::Checkup { source, json, report, no_experiments, compare, watch } => {
            let options = checkup::CheckupOptions {
                json: *json,
                report: report.as_deref(),
                no_experiments: *no_experiments,
                compare: *compare,
                watch: *watch,
            };
            job.checkup(source.as_deref(), &options)
        }
        CliCommand::Recover { source, reset, deadline, json } => {
            let options = recover::RecoverOptions { may_reset: *reset, deadline: *deadline, json: *json };
            job.recover(source.as_deref(), options)
        }
        CliCommand::Log { recent_errors, since, camera, json } => {
            let (recent_errors, since, json) = (*recent_errors, *since, *json);
            let camera = camera.as_deref().map(|name| log::CameraFilter::new(name, &run.settings));
            let options = log::LogOptions { recent_errors, since, camera, json };
            data_folder().ok_or_else(no_data_folder).and_then(|folder| log::log(&folder, &options, event::now()))
        }
        CliCommand::History { source, since, json, csv } => {
            let format = match (json, csv) {
                (true, _) => history::HistoryFormat::Json,
                (_, true) => history::HistoryFormat::Csv,
                _ => history::HistoryFormat::Text,
            };
            job.history(source.as_deref(), *since, format)
        }
        CliCommand::Monitor { sources, duration, interval, output, on_event, metrics, metrics_anywhere, record } => job
            .monitor(MonitorOptions {
                sources,
                duration: *duration,
                interval: Some(*interval),
                format: output.format(),
                on_event: on_event.as_deref(),
                shared: metrics
                    .as_deref()
                    .map(|address| SharedOverHttp::Numbers { address, may_be_reached: *metrics_anywhere }),
                record: record.as_deref().map(|folder| (folder, RecordingMode::Faults)),
            }),
        CliCommand::Record { sources, to, duration, faults_only, time_lapse, json } => {
            let mode = match time_lapse {
                Some(period) => RecordingMode::TimeLapse(*period),
                None if *faults_only => RecordingMode::Faults,
                None => RecordingMode::Continuous,
            };
            job.monitor(MonitorOptions {
                sources,
                duration: *duration,
                interval: Some(RECORD_INTERVAL),
                format: if *json { OutputFormat::Json } else { OutputFormat::Text },
                on_event: None,
                shared: None,
                record: Some((to, mode)),
            })
        }
        CliCommand::Serve { sources, listen, clips, allow_origin, duration, json } => {
            let folder = clips.clone().or_else(|| run.settings.clip_folder());
            job.monitor(MonitorOptions {
                sources,
                duration: *duration,
                interval: None,
                format: if *json { OutputFormat::Json } else { OutputFormat::Text },
                on_event: None,
                shared: Some(SharedOverHttp::Page {
                    address: *listen,
                    clips: folder.as_deref(),
                    allow_origin: allow_origin.as_deref(),
                }),
                record: None,
            })
        }
        CliCommand::Clips { folder, json, check, export, archive, from, to } => {
            let folder = folder.clone().or_else(|| run.settings.clip_folder());
            folder.ok_or_else(|| "Write the folder of the clips.".to_owned()).and_then(|folder| {
                clips::clips(&clips::ClipsOptions {
                    folder: &folder,
                    json: *json,
                    check: *check,
                    export: export.as_deref(),
                    archive: archive.as_deref(),
                    from: *from,
                    to: *to,
                })
            })
        }
        CliCommand::Snapshot { source, output, json } => job.snapshot(source.as_deref(), output, *json),
        CliCommand::AskDevice { paths } => {
            device::ask::answer(paths, say);
            Ok(Exit::Healthy)
        }
        CliCommand::Complete { shell } => {
            say(&manual::completion(*shell));
            Ok(Exit::Healthy)
        }
        CliCommand::Man { folder } => manual::write(folder).map(|()| Exit::Healthy),
        CliCommand::Help { topic } => help(topic.as_deref()),
    };
    ended.unwrap_or_else(|sentence| {
        complain(&sentence);
        if command.is_for_nagios() {
            say(&nagios::line(Exit::CouldNotRun, &sentence, &[]));
        }
        Exit::CouldNotRun
    })
}

impl CliCommand {
    /// Whether the one line on stdout is all that is looked at.
    fn is_for_nagios(&self) -> bool {
        let (Self::Status { output, .. } | Self::Test { output, .. } | Self::Monitor { output, .. }) = self else {
            return false;
        };
        output.format() == OutputFormat::Nagios
    }
}

/// Keeps log and history of this run, where that is possible; a sentence on stderr says if it is not.
#[must_use]
pub fn keep_records(log: &EventLog) -> Option<Records> {
    let records = data_folder().ok_or_else(no_data_folder).and_then(|folder| {
        Records::start(folder, log, complain).map_err(|error| format!("Log and history are not kept: {error}"))
    });
    records.map_err(|sentence| complain(&sentence)).ok()
}

fn no_data_folder() -> String {
    format!("There is no folder for log and history: the system names no home folder. Name one in {DATA_VARIABLE}.")
}

fn help(topic: Option<&str>) -> Result<Exit, String> {
    let mut command = Cli::command();
    let text = match topic {
        None => command.render_long_help().to_string(),
        Some("sim" | "sim:") => simulated::help(),
        Some(topic) => {
            let names: Vec<_> = command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set())
                .map(|sub| sub.get_name().to_owned())
                .collect();
            let Some(sub) = command.find_subcommand_mut(topic) else {
                return Err(format!("There is no help on “{topic}”: ask for sim, {}.", names.join(", ")));
            };
            sub.render_long_help().to_string()
        }
    };
    say(&text);
    Ok(Exit::Healthy)
}

/// What a command works with.
struct CommandContext<'a> {
    run: &'a RunSettings,
    shared: &'a SharedOptions,
    interrupted: &'a AtomicBool,
}

impl CommandContext<'_> {
    fn status(&self, source: Option<&str>, detailed: bool, format: OutputFormat) -> Result<Exit, String> {
        let spec = self.choose(source)?;
        let patience = self.patience(&spec);
        let camera = self.open(spec)?;
        let status = self.watch(&camera, &patience)?;
        let exit = exit_of(&status);
        say(&match format {
            OutputFormat::Text => status::text(&status, detailed),
            OutputFormat::Json => pretty(status.as_ref()),
            OutputFormat::Nagios => nagios::of_status(exit, &status),
        });
        Ok(exit)
    }

    fn history(
        &self,
        source: Option<&str>,
        since: Option<Timestamp>,
        format: history::HistoryFormat,
    ) -> Result<Exit, String> {
        let data = data_folder().ok_or_else(no_data_folder)?;
        let spec = self.choose(source)?;
        history::history(&data, &spec.to_string(), since.unwrap_or(Timestamp::MIN), format)
    }

    fn choose(&self, named: Option<&str>) -> Result<SourceSpec, String> {
        let chosen = choose_source(named, &self.run.settings)?;
        if chosen.is_stand_in {
            complain(NO_CAMERA);
        }
        Ok(secrets::with_password(chosen.spec, secrets::DEADLINE))
    }

    /// The status after two seconds of pictures, or as soon as it is clear that there will be none.
    fn watch(&self, camera: &Camera, patience: &FirstPictureDeadlines) -> Result<Arc<Status>, String> {
        let mut statuses = camera.status();
        let mut ends_at = None;
        loop {
            self.check_interrupted()?;
            let _ = statuses.wait_fresh(Instant::now() + POLL);
            let Some(status) = statuses.current() else { continue };
            if status.frames > 0 {
                ends_at.get_or_insert_with(|| Instant::now() + STATUS_WATCH);
            }
            let is_over = ends_at.map_or_else(|| patience.is_over(&status), |at| Instant::now() >= at);
            // These do not change within a few seconds: the answer is given at once.
            let is_final = |class| matches!(class, FaultClass::Terminal | FaultClass::Busy | FaultClass::Plug);
            let hopeless = status.state == State::Failed
                || status.last_fault.as_ref().is_some_and(|fault| is_final(fault.class) && status.frames == 0);
            if hopeless || is_over {
                return Ok(status);
            }
        }
    }

    fn snapshot(&self, source: Option<&str>, output: &Path, json: bool) -> Result<Exit, String> {
        // Checked before the camera is opened.
        let format = snapshot::format_of(output)?;
        let spec = self.choose(source)?;
        let name = spec.to_string();
        let settings = self.settings(&spec);
        let patience = self.patience(&spec);
        let camera = self.open(spec)?;
        // From the first picture on.
        let look = camera.packets().look();
        let Some(frame) = self.first_frame(&camera, &patience)? else {
            let status = camera.status().current();
            let why = status.and_then(|status| status.last_fault.clone());
            let (why, advice) = why.map_or_else(
                || ("no picture came in time".to_owned(), String::new()),
                |fault| (fault.to_string(), format!(" {}", fault.advice)),
            );
            complain(&format!("No picture from {name}: {why}.{advice}"));
            return Ok(Exit::Critical);
        };
        let target = SnapshotTarget {
            folder: PathBuf::new(),
            file: Some(output.to_owned()),
            camera: name.clone(),
            format,
            jpeg_quality_percent: settings.jpeg_quality_percent,
        };
        let saved = snapshot::save(&frame, camera.jpegs().as_ref(), &target)?;
        drop((look, camera));
        if json {
            let (file, SavedFile { size, is_as_sent, .. }) = (saved.path.to_string_lossy(), &saved);
            say(&pretty(&json!({
                "source": name, "file": file, "width": size.width, "height": size.height, "is_as_sent": is_as_sent,
            })));
        } else {
            say(&saved.to_string());
        }
        Ok(Exit::Healthy)
    }

    /// `None` when it is clear that none will come.
    fn first_frame(&self, camera: &Camera, patience: &FirstPictureDeadlines) -> Result<Option<Arc<Frame>>, String> {
        let mut frames: Reader<Frame> = camera.frames();
        let statuses = camera.status();
        loop {
            self.check_interrupted()?;
            if let Some(fresh) = frames.wait_fresh(Instant::now() + POLL) {
                return Ok(Some(fresh.value));
            }
            let Some(status) = statuses.current() else { continue };
            let is_final = |fault: &Fault| matches!(fault.class, FaultClass::Busy | FaultClass::Plug);
            let hopeless = status.state == State::Failed || status.last_fault.as_ref().is_some_and(is_final);
            if hopeless || patience.is_over(&status) {
                return Ok(None);
            }
        }
    }

    fn patience(&self, spec: &SourceSpec) -> FirstPictureDeadlines {
        let request = OpenRequest::new(spec.clone(), &self.settings(spec), self.trusted());
        let more = request.first_frame_deadline + Duration::from_secs(1);
        let now = Instant::now();
        FirstPictureDeadlines {
            longest: now + request.patience() + more,
            with_fault: now + request.open_deadline + more,
        }
    }

    /// What is set for a camera, in this run.
    fn settings(&self, spec: &SourceSpec) -> CameraSettings {
        self.shared.instead_of(spec.settings(&self.run.settings))
    }

    fn trusted(&self) -> &TrustedCertificates {
        &self.run.settings.network.trusted_certificates
    }

    fn open(&self, spec: SourceSpec) -> Result<Camera, String> {
        let settings = self.settings(&spec);
        self.open_with(spec, &settings, EventLog::new())
    }

    fn open_with(&self, spec: SourceSpec, settings: &CameraSettings, log: EventLog) -> Result<Camera, String> {
        if !self.shared.tell(&log) && io::stderr().is_terminal() {
            complain(&format!("Opening {spec} …"));
        }
        Camera::start(spec, settings, self.trusted(), log, Arc::new(|| {}))
            .map_err(|error| format!("The system gives no thread: {error}"))
    }

    fn check_interrupted(&self) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) { Err("Interrupted.".to_owned()) } else { Ok(()) }
    }
}

/// How long a command waits for the first picture, one retry included.
struct FirstPictureDeadlines {
    longest: Instant,
    /// The same once there is a fault to tell.
    with_fault: Instant,
}

impl FirstPictureDeadlines {
    fn is_over(&self, status: &Status) -> bool {
        let now = Instant::now();
        now >= self.longest || now >= self.with_fault && status.last_fault.is_some()
    }
}

fn exit_of(status: &Status) -> Exit {
    match (status.state, status.grade) {
        (State::Streaming, Some(Grade::Excellent | Grade::Good)) => Exit::Healthy,
        (State::Streaming, Some(Grade::Warning)) => Exit::Warning,
        _ => Exit::Critical,
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Plain data of ours always serialises; should it not, an empty object is still JSON.
    serde_json::to_string_pretty(value).unwrap_or_else(|_| "{}".to_owned())
}

/// Why a result could not be written to stdout. One for the process, as stdout is.
static UNWRITTEN: Lock<Option<io::Error>> = Lock::new(None);

/// To stdout. What becomes of it is told at the end of the program.
fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    note_written(writeln!(stdout, "{}", for_terminal(text.trim_end())).and_then(|()| stdout.flush()));
}

/// A reader that has gone away is no error.
fn note_written(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        UNWRITTEN.lock().get_or_insert(error);
    }
}

fn unwritable(error: &io::Error) -> String {
    format!("The results cannot be written: {error}. Make room, or write them elsewhere.")
}

/// One for the process, as stderr is. Without a thread lines are written at once.
static STDERR: LazyLock<Option<LineWriter>> = LazyLock::new(|| LineWriter::start("stderr", io::stderr()).ok());

/// To stderr, for messages of a command: waits a moment until it is written, so that what goes to stdout after it comes after
/// it. A reader that has stopped is not waited for again.
pub fn complain(text: &str) {
    mention(text.to_owned());
    if let Some(stderr) = &*STDERR {
        stderr.wait(WRITE_DEADLINE);
    }
}

/// To stderr, for events: may be called where nothing may wait.
fn mention(text: String) {
    match &*STDERR {
        Some(stderr) => stderr.write(text),
        None => drop(writeln!(io::stderr().lock(), "{}", for_terminal(&text))),
    }
}

/// To be called at the end of the program: waits a moment for what was written to stderr last. The exit code is another where
/// results could not be written.
#[must_use]
pub fn finish(exit: Exit) -> Exit {
    let unwritten = UNWRITTEN.lock().take();
    let exit = match &unwritten {
        Some(error) => {
            mention(unwritable(error));
            Exit::CouldNotRun
        }
        None => exit,
    };
    if let Some(stderr) = &*STDERR {
        let n_lost = stderr.take_lost();
        if n_lost > 0 {
            stderr.write(lost(n_lost));
        }
        stderr.wait_at_the_end(LAST_WRITE_DEADLINE);
    }
    exit
}

fn lost(n_lines: u64) -> String {
    format!("{n_lines} lines are lost: whoever reads them is too slow.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(shown: &str, selected: &str, sources: &[&str]) -> Settings {
        let cameras: Vec<_> = (1..)
            .zip(sources)
            .map(|(id, source)| json!({ "id": id, "source": source, "n_warm_up_frames": id }))
            .collect();
        let shown = format!(r#"{{"cameras":{shown},"selected":{selected}}}"#);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        serde_json::from_value(json!({ "version": 2, "shown": shown, "cameras": cameras })).unwrap()
    }

    /// The cameras that the window takes, and the one that a command takes, each as `number source`; settings are looked up by the
    /// number, so that it is told as well.
    #[test]
    fn saved_cameras_are_taken_by_their_number() {
        #[track_caller]
        fn check(settings: &Settings, window: &[&str], command: &str) {
            let told = |camera: &ChosenSource| format!("{} {}", camera.id, camera.spec);
            let chosen = window_cameras(&[], settings).unwrap();
            assert_eq!(chosen.iter().map(told).collect::<Vec<_>>(), window);
            let chosen = choose_source(None, settings).unwrap();
            assert_eq!(told(&chosen), command);
            // Where a command looks it up by its source, it is the same one.
            assert_eq!(chosen.spec.settings(settings).id, chosen.id);
        }
        let twins = ["sim:", "sim:", "sim:64x48"];
        check(&settings("[1,2]", "null", &twins), &["1 sim:", "2 sim:"], "1 sim:");
        check(&settings("[1,2]", "2", &twins), &["1 sim:", "2 sim:"], "2 sim:");
        check(&settings("[3,2]", "3", &twins), &["3 sim:64x48", "2 sim:"], "3 sim:64x48");
        // What this version does not know is left out.
        let unknown = ["sim:nonsense=1", "sim:64x48", "sim:"];
        check(&settings("[1,2]", "1", &unknown), &["2 sim:64x48"], "2 sim:64x48");
        check(&settings("[1,3,2]", "null", &unknown), &["3 sim:", "2 sim:64x48"], "3 sim:");
    }

    #[test]
    fn a_camera_is_named_once_whatever_its_password() {
        #[track_caller]
        fn check(named: &[&str], expected: usize) {
            let named: Vec<_> = named.iter().map(|&name| name.to_owned()).collect();
            let taken = window_cameras(&named, &Settings::default());
            assert_eq!(taken.as_ref().map_or(0, Vec::len), expected, "{named:?}");
            if let Err(why) = taken {
                assert!(why.contains("named twice") && !why.contains("geheim"), "{why}");
            }
        }
        check(&["sim:", "sim:64x48"], 2);
        check(&["sim:", "sim:"], 0);
        check(&["rtsp://a:geheim@cam/1", "rtsp://a:other@cam/1"], 0);
        check(&["rtsp://a:geheim@cam/1", "rtsp://a@cam:554/1"], 0);
        check(&["rtsp://a:geheim@cam/1", "rtsp://b:geheim@cam/1"], 2);
    }
}
