//! Faults that begin and end on the clock of the simulated camera: how soon they are noticed, and how soon the picture is back.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::Camera;
use camclinic::frame::Frame;
use camclinic::latest::Reader;
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation};

use crate::cameras::{PATIENCE, side_by_side, start, start_with, streams, wait};
use crate::table::{Scale, Times, print};

const FPS: f64 = 30.0;
/// Above it, what happened is told.
const SLOW: Duration = Duration::from_secs(2);
/// Cameras side by side.
const N_LANES: usize = 6;
/// When the first fault begins.
const BEGIN: Duration = Duration::from_secs(2);

fn millis(millis: usize) -> Duration {
    Duration::from_millis(millis as u64)
}

/// `n` durations from the first to the last, in equal steps.
fn spread(nth: usize, n: usize, first: Duration, last: Duration) -> Duration {
    first + (last.saturating_sub(first)).mul_f64(nth as f64 / (n.max(2) - 1) as f64)
}

/// Zero of the camera's own clock, which is told by any frame before the first fault.
fn zero_of_clock(frames: &mut Reader<Frame>) -> Instant {
    let first = frames.wait_fresh(Instant::now() + PATIENCE).expect("no first frame").value;
    let due = first.sequence.expect("a simulated camera counts") as f64 / FPS;
    first.taken_at.checked_sub(Duration::from_secs_f64(due)).expect("the clock is older than the camera")
}

/// When a frame that was taken after `since` was there to be read, counted from `since`.
fn first_after(frames: &mut Reader<Frame>, since: Instant, deadline: Instant) -> Option<Duration> {
    while let Some(fresh) = frames.wait_fresh(deadline) {
        if fresh.value.taken_at >= since {
            return Some(Instant::now().saturating_duration_since(since));
        }
    }
    None
}

pub fn hang(scale: Scale) {
    // The shortest is noticed just so; the longest outlasts the first try to open it again.
    recovery("hang", scale.of(100), 1.5..8.0, true);
}

pub fn crash(scale: Scale) {
    // One crash or two in a row.
    recovery("crash", scale.of(100), 0.1..2.0, true);
    // With the third, the pause before the next try is 2 s by design, so that nothing else can be expected.
    recovery("crash", scale.of(30), 2.5..4.0, false);
}

fn recovery(fault: &str, n: usize, secs: Range<f64>, has_bar: bool) {
    let (shortest, longest) = (Duration::from_secs_f64(secs.start), Duration::from_secs_f64(secs.end));
    let back = side_by_side(n, N_LANES, |nth| {
        // Workers that are all loaded at the same moment would hinder each other.
        if nth < N_LANES {
            thread::sleep(Duration::from_millis(700) * u32::try_from(nth).unwrap());
        }
        let lasts = spread(nth, n, shortest, longest);
        // On a machine so busy that the fault is over before the picture is there, once more.
        let mut tries = (0..5).map(|_| one_recovery(fault, nth, lasts, has_bar));
        tries.find(|outcome| outcome.is_noticed).expect("the fault was noticed").back
    });
    let times = Times::new(back.iter().copied().flatten());
    let share = 100.0 * times.len() as f64 / n as f64;
    let what = format!("{fault} of {:.1} to {:.1} s ends → live", secs.start, secs.end);
    let measured = format!("{}; {share:.0} % back", times.in_words());
    let is_whole = times.len() == n;
    if has_bar {
        print(&what, &measured, "p95 ≤ 2 s, 100 %", n, is_whole && times.at(0.95) <= 2.0);
    } else {
        print(&what, &measured, "100 %", n, is_whole);
    }
}

struct Recovery {
    is_noticed: bool,
    /// From the end of the fault to the picture, if it came back.
    back: Option<Duration>,
}

fn one_recovery(fault: &str, seed: usize, lasts: Duration, tells_why: bool) -> Recovery {
    let source = format!("sim:160x120@{FPS},seed={seed},{fault}@{}s+{}ms", BEGIN.as_secs(), lasts.as_millis());
    let log = EventLog::new();
    let camera =
        start_with(&source, &CameraSettings { isolation: Isolation::On, ..CameraSettings::default() }, log.clone());
    let mut frames = camera.frames();
    let end = zero_of_clock(&mut frames) + BEGIN + lasts;
    let back = first_after(&mut frames, end, end + PATIENCE);
    let is_noticed =
        log.since(0).iter().any(|event| ["hung", "crashed", "no-first-frame"].contains(&event.name.as_str()));
    if back.is_none_or(|back| back > SLOW) && tells_why {
        tell_why(&source, end, back, &log);
    }
    Recovery { is_noticed, back }
}

/// The events of a recovery that took too long, in seconds from the end of the fault.
fn tell_why(source: &str, end: Instant, back: Option<Duration>, log: &EventLog) {
    eprintln!("  {source}: {back:.1?}");
    for event in log.since(0) {
        let at = event.instant.saturating_duration_since(end).as_secs_f64()
            - end.saturating_duration_since(event.instant).as_secs_f64();
        eprintln!("    {at:+6.2} {} {}", event.name, event.message);
    }
}

pub fn stall_noticed(scale: Scale) {
    let n = scale.of(20);
    for (fault, fps, isolation, how) in [
        ("stall", 30, Isolation::Off, "in process"),
        ("stall", 30, Isolation::On, "isolated"),
        ("stall", 2, Isolation::Off, "in process"),
        ("stall", 2, Isolation::On, "isolated"),
        ("hang", 30, Isolation::Off, "in process"),
        ("hang", 30, Isolation::On, "isolated"),
        ("hang", 2, Isolation::On, "isolated"),
    ] {
        let period = 1.0 / f64::from(fps);
        let noticed = side_by_side(n, 10, |nth| {
            // At any moment between two frames, and between two looks of whoever watches.
            let source = format!("sim:160x120@{fps},seed={nth},{fault}@{}ms+4s", 5_000 + 37 * nth);
            let camera = start(&source, isolation);
            wait(&camera, "streaming", streams);
            let (_, at) = wait(&camera, "not streaming", |status| !streams(status));
            let last = camera.frames().current().unwrap().taken_at;
            at.saturating_duration_since(last)
        });
        let times = Times::new(noticed);
        // The first frame that does not come is due one period after the last one that did: before, there is no stall.
        let of_stall = times.at(1.0) - period;
        let bar = (5.0 * period).max(1.0);
        print(
            &format!("{fault} noticed, {fps} fps, {how}"),
            &format!("max {of_stall:.3} s after the frame that did not come"),
            &format!("≤ {bar:.1} s"),
            n,
            of_stall <= bar,
        );
    }
}

pub fn replug(scale: Scale) {
    unplug_and_plug_in("in process", Isolation::Off, scale.of(50), 20);
}

pub fn replug_isolated(scale: Scale) {
    unplug_and_plug_in("isolated", Isolation::On, scale.of(10), 10);
}

fn unplug_and_plug_in(how: &str, isolation: Isolation, n_cameras: usize, n_times: usize) {
    const PERIOD: Duration = Duration::from_secs(4);
    let n = n_cameras * n_times;
    let back = side_by_side(n_cameras, n_cameras, |camera| {
        // It is away for 0.2 to 1.8 s.
        let away = |time: usize| spread((camera * n_times + time) * 7 % n, n, millis(200), millis(1_800));
        let begin = |time: usize| BEGIN + PERIOD * u32::try_from(time).unwrap();
        let unplugs: Vec<String> = (0..n_times)
            .map(|time| format!("unplug@{}ms+{}ms", begin(time).as_millis(), away(time).as_millis()))
            .collect();
        let source = format!("sim:160x120@{FPS},seed={camera},{}", unplugs.join(","));
        let camera: Camera = start(&source, isolation);
        let mut frames = camera.frames();
        let zero = zero_of_clock(&mut frames);
        let of_time = |time| {
            let plugged_in = zero + begin(time) + millis(away(time).as_millis().try_into().unwrap());
            first_after(&mut frames, plugged_in, zero + begin(time) + PERIOD)
        };
        (0..n_times).map(of_time).collect::<Vec<_>>()
    });
    let times = Times::new(back.into_iter().flatten().flatten());
    let share = 100.0 * times.len() as f64 / n as f64;
    print(
        &format!("unplug → re-plug, {how}"),
        &format!("{}; {share:.1} % back", times.in_words()),
        "median ≤ 1.5 s, 100 %",
        n,
        times.len() == n && times.at(0.5) <= 1.5,
    );
}
