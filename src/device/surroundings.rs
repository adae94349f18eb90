//! What surrounds a camera: the state of its USB port, what the kernel logged about it, how warm the computer is.
//!
//! Plain data, and how it is read from the texts of the kernel; who reads the files is in the system's folder.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::foreign::safe;

/// How a USB camera is connected, beyond what its [`Device`](super::Device) tells. `None` is what the system does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsbState {
    /// The system may put it to sleep.
    pub is_autosuspended: Option<bool>,
    /// It sleeps now, as any camera may while nobody uses it.
    pub is_suspended: Option<bool>,
    /// Milliamperes that it asks for.
    pub max_power_ma: Option<u32>,
    /// How often its port cut the power since the computer was started.
    pub n_over_currents: Option<u32>,
    /// Of the bus's time for streams, percent that are given away.
    pub bandwidth_percent: Option<f64>,
    /// Cameras on the same bus that have time of it reserved, by name.
    pub neighbours: Vec<String>,
    /// The driver's own counts since the stream began: damaged packets of all.
    pub packet_errors: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelLine {
    /// Before it was read.
    pub secs_ago: f64,
    pub text: String,
}

/// How warm the computer is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heat {
    /// Of its hottest part.
    pub celsius: Option<f64>,
    /// The clock of the processors is held down because of heat or weak power.
    pub is_throttled: Option<bool>,
}

/// For how long, since the computer was started, something in it could not go on for want of a processor, or of a disk. `None` where
/// the system does not count that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    pub cpu: Option<Duration>,
    pub disk: Option<Duration>,
}

/// The total of `some avg10=0.00 avg60=0.12 avg300=0.31 total=123456`, in microseconds (`Documentation/accounting/psi.rst`).
#[must_use]
pub fn total_pressure(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse::<u64>().ok().map(Duration::from_micros)
}

/// Of the kernel's log only the last of these lines are kept, and none that is older.
const MAX_LINES: usize = 100;
const MAX_SECS: f64 = 3_600.0;

/// The lines about the device in a port (`1-2`), about its bus, and about USB as a whole, oldest first. `records` are those of
/// `/dev/kmsg`; `now` is the kernel's own clock, in seconds.
#[must_use]
pub fn about(records: &[String], port: &str, now: f64) -> Vec<KernelLine> {
    let lines = records.iter().filter_map(|record| {
        let (at, text) = parse(record)?;
        let secs_ago = (now - at).max(0.0);
        (secs_ago <= MAX_SECS && is_about(text, port)).then(|| KernelLine { secs_ago, text: safe(text.as_bytes()) })
    });
    let lines = lines.collect::<Vec<_>>();
    lines.get(lines.len().saturating_sub(MAX_LINES)..).unwrap_or_default().to_vec()
}

/// `6,1234,5678901234,-;usb 1-2: USB disconnect, device number 7`: priority, number, microseconds, flags; the text
/// (`Documentation/ABI/testing/dev-kmsg`).
fn parse(record: &str) -> Option<(f64, &str)> {
    let (head, text) = record.split_once(';')?;
    let micros = head.split(',').nth(2)?.parse::<u64>().ok()?;
    Some((micros as f64 / 1e6, text.lines().next().unwrap_or_default()))
}

fn is_about(text: &str, port: &str) -> bool {
    let bus = port.split('-').next().unwrap_or_default();
    let names_port = text.match_indices(port).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + port.len()..).and_then(|text| text.chars().next());
        // `1-2` is neither in `11-2` nor in `1-2.4` or `1-21`.
        !before.is_some_and(|c| c.is_ascii_digit() || c == '-')
            && !after.is_some_and(|c| c.is_ascii_digit() || c == '.')
    });
    // A hub tells of its ports: `usb 1-2-port4` of the device 1-2.4, `usb usb1-port2` of 1-2.
    let (hub, nth) = match port.rsplit_once('.') {
        Some((hub, nth)) => (hub.to_owned(), nth),
        None => (format!("usb{bus}"), port.rsplit('-').next().unwrap_or_default()),
    };
    !port.is_empty() && (names_port || text.starts_with(&format!("usb {hub}-port{nth}:")))
        || text.starts_with(&format!("usb usb{bus}"))
        || ["xhci_hcd", "ehci-pci", "ehci_hcd", "uvcvideo"].iter().any(|driver| text.starts_with(driver))
            && !is_of_other_port(text, port)
}

/// `uvcvideo 1-4:1.1: …` is of the port 1-4.
fn is_of_other_port(text: &str, port: &str) -> bool {
    let word = text.split_whitespace().nth(1).unwrap_or_default();
    let place = word.split(':').next().unwrap_or_default();
    let is_place = place.contains('-') && place.chars().all(|c| c.is_ascii_digit() || c == '-' || c == '.');
    is_place && place != port
}

/// When the computer last woke up, in seconds ago, as far as the kernel's log goes back.
#[must_use]
pub fn woke_secs_ago(records: &[String], now: f64) -> Option<f64> {
    let woke =
        |text: &str| text.starts_with("PM: suspend exit") || text.starts_with("PM: hibernation: hibernation exit");
    let mut times = records.iter().rev().filter_map(|record| parse(record)).filter(|(_, text)| woke(text));
    times.next().map(|(at, _)| (now - at).max(0.0))
}

/// How often the device in a port was unplugged within these lines.
#[must_use]
pub fn n_replugs(lines: &[KernelLine]) -> u32 {
    let n = lines.iter().filter(|line| line.text.contains("USB disconnect")).count();
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Percent of a bus's time that is given away, from `/sys/kernel/debug/usb/devices`: `B:  Alloc=488/800 us (61%), …`.
#[must_use]
pub fn allocated_percent(devices: &str, bus: u32) -> Option<f64> {
    let topology = format!("T:  Bus={bus:02} Lev=00");
    let after = devices.lines().skip_while(|line| !line.starts_with(&topology)).skip(1);
    let line = after.take_while(|line| !line.starts_with("T:")).find(|line| line.starts_with("B:"))?;
    let (given, all) = line.split_once("Alloc=")?.1.split_whitespace().next()?.split_once('/')?;
    let (given, all) = (given.trim().parse::<f64>().ok()?, all.trim().parse::<f64>().ok()?);
    (all > 0.0).then(|| given / all * 100.0)
}

/// Damaged packets of all, from uvcvideo's `stats` (`uvc_video_stats_dump`).
#[must_use]
pub fn packet_errors(stats: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let line = stats.lines().find_map(|line| line.trim().strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    Some((number("errors:")?, number("packets:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<String> {
        [
            "6,1,1000000,-;usb 1-2: new high-speed USB device number 7 using xhci_hcd",
            "6,2,2000000,-;usb 1-21: USB disconnect, device number 3",
            "6,3,3000000,-;PM: suspend exit",
            "4,4,3500000,-;uvcvideo 1-2:1.1: Non-zero status (-71) in video completion handler.\n SUBSYSTEM=usb",
            "4,5,3600000,-;uvcvideo 1-4:1.1: Non-zero status (-71) in video completion handler.",
            "6,6,3700000,-;usb 1-2: USB disconnect, device number 7",
            "3,7,3800000,-;xhci_hcd 0000:00:14.0: HC died; cleaning up",
            "6,8,3900000,-;usb 1-2.4: USB disconnect, device number 9",
            "6,9,x,-;usb 1-2: garbage",
            "usb 1-2: garbage",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn the_log_of_a_port_is_told_from_that_of_others() {
        let lines = about(&records(), "1-2", 10.0);
        let texts = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>();
        assert_eq!(
            texts,
            [
                "usb 1-2: new high-speed USB device number 7 using xhci_hcd",
                "uvcvideo 1-2:1.1: Non-zero status (-71) in video completion handler.",
                "usb 1-2: USB disconnect, device number 7",
                "xhci_hcd 0000:00:14.0: HC died; cleaning up",
            ]
        );
        assert!((lines[2].secs_ago - 6.3).abs() < 1e-9);
        assert_eq!(n_replugs(&lines), 1);
        assert_eq!(about(&records(), "1-2", 9_999.0), []);
    }

    #[test]
    fn a_hub_tells_of_its_ports() {
        let check =
            |text: &str, port: &str, expected: bool| assert_eq!(is_about(text, port), expected, "{text} {port}");
        check("usb usb1-port2: over-current condition", "1-2", true);
        check("usb 1-2-port4: over-current condition", "1-2.4", true);
        check("usb 1-2-port4: over-current condition", "1-2.3", false);
        check("usb 1-2-port4: over-current condition", "1-3", false);
        check("usb usb2-port4: over-current condition", "1-2", false);
        check("uvcvideo: Failed to query", "1-2", true);
        check("usb 3-1: USB disconnect", "", false);
    }

    #[test]
    fn a_flood_is_cut() {
        let records = vec!["6,1,1000000,-;usb 1-2: reset high-speed USB device".to_owned(); 5_000];
        assert_eq!(about(&records, "1-2", 2.0).len(), MAX_LINES);
    }

    #[test]
    fn pressure_is_counted() {
        let text =
            "some avg10=61.24 avg60=20.01 avg300=4.80 total=81264123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(total_pressure(text), Some(Duration::from_micros(81_264_123)));
        assert_eq!(total_pressure("full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"), None);
        assert_eq!(total_pressure(""), None);
    }

    #[test]
    fn waking_up_is_seen() {
        assert_eq!(woke_secs_ago(&records(), 5.0), Some(2.0));
        assert_eq!(woke_secs_ago(&[], 5.0), None);
    }

    #[test]
    fn a_bus_has_so_much_given_away() {
        let text = "T:  Bus=01 Lev=00 Prnt=00 Port=00 Cnt=00 Dev#=  1 Spd=480 MxCh=16\n\
                    B:  Alloc=488/800 us (61%), #Int=  1, #Iso=  1\nD:  Ver= 2.00\n\
                    T:  Bus=01 Lev=01 Prnt=01 Port=01 Cnt=01 Dev#=  7 Spd=480 MxCh= 0\n\
                    T:  Bus=02 Lev=00 Prnt=00 Port=00 Cnt=00 Dev#=  1 Spd=5000 MxCh= 8\nD:  Ver= 3.00\n";
        assert_eq!(allocated_percent(text, 1), Some(61.0));
        assert_eq!((allocated_percent(text, 2), allocated_percent("", 1)), (None, None));
    }

    #[test]
    fn the_driver_counts_packets() {
        let stats =
            "frames:  1021\npackets: 204103\nempty:   11\nerrors:  7\ninvalid: 0\npts: 0 early, 0 initial, 1 ok\n";
        assert_eq!(packet_errors(stats), Some((7, 204_103)));
        assert_eq!(packet_errors("frames: x\nerrors: y\n"), None);
    }
}
