//! How long a check-up takes to its verdict, and how often that is the right one.

use std::time::Duration;

use camclinic::checkup::{self, Checkup, CheckupRequest};
use camclinic::network::KnownLogins;
use camclinic::settings::{CameraSettings, TrustedCertificates};
use camclinic::source::SourceSpec;
use crossbeam_channel::never;

use crate::server::Server;
use crate::table::{Scale, Times, print, print_skipped};

fn check_up(source: &str) -> Checkup {
    let request = CheckupRequest {
        spec: SourceSpec::parse(source).unwrap(),
        settings: CameraSettings::default(),
        trusted: TrustedCertificates::default(),
        logins: KnownLogins::default(),
        live: None,
        folder: std::env::temp_dir(),
        records: None,
        watch: None,
        with_experiments: false,
    };
    checkup::run(&request, &never(), &mut |_| {})
}

/// Each of them so often; `expected` is the verdict's name, `-` for none.
fn measure(what: &str, bar: &str, most: Duration, n: usize, cases: &[(String, &str)]) {
    let (mut times, mut n_right, mut wrong) = (Vec::new(), 0, Vec::new());
    for (source, expected) in cases.iter().cycle().take(cases.len() * n) {
        let checkup = check_up(source);
        times.push(checkup.took);
        let said = checkup.verdict().map_or("-", |verdict| verdict.entry.slug);
        n_right += usize::from(said == *expected);
        if said != *expected {
            wrong.push(format!("{expected} → {said}"));
        }
    }
    let times = Times::new(times);
    let measured = format!("{}, {n_right} right {}", times.in_words(), wrong.join(", "));
    print(what, &measured, bar, times.len(), times.at(0.5) <= most.as_secs_f64());
}

fn sims(cases: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    cases.iter().map(|(fault, expected)| (format!("sim:{fault}"), *expected)).collect()
}

pub fn local(scale: Scale) {
    let cases = sims(&[
        ("", "-"),
        ("open-busy", "busy-linux"),
        ("open-denied", "node-permission"),
        ("open-missing", "no-camera"),
        ("stall", "no-picture"),
        ("unplug@1500ms", "unplugged"),
        ("slow=10", "rate-untrue"),
        ("blur", "out-of-focus"),
        ("frozen@1s", "frozen"),
        ("black", "black"),
    ]);
    measure("check-up of a simulated camera", "median ≤ 3 s", Duration::from_secs(3), scale.of(10), &cases);
}

pub fn hung(scale: Scale) {
    let cases = sims(&[("open-hang", "open-hangs"), ("hang@1500ms", "read-hangs")]);
    measure("check-up of a driver that hangs", "median ≤ 12 s", Duration::from_secs(12), scale.of(10), &cases);
}

pub fn network(scale: Scale) {
    let what = "check-up of a network camera";
    let Some(server) = Server::start("--size 1280x720 --login digest --key-on-play") else {
        return print_skipped(what, "there is no GStreamer server");
    };
    let wrong_path = server.url("admin:admin@").replace("/cam", "/none");
    let cases = [
        (server.url("admin:admin@"), "-"),
        (server.url("admin:wrong@"), "login-refused"),
        (wrong_path, "wrong-path"),
        ("rtsp://127.0.0.1:9/cam".to_owned(), "refused"),
    ];
    measure(what, "median ≤ 8 s", Duration::from_secs(8), scale.of(10), &cases);
}
