//! `camclinic status`: the status as text.

use std::time::Duration;

use crate::status::{RungStatus, Status};

/// The essentials, or everything that is known, a line each.
pub(super) fn text(status: &Status, detailed: bool) -> String {
    let mut lines = vec![format!("{}: {}, {}", status.called(), status.state, status.score_text())];
    if let Some(fault) = &status.last_fault {
        lines.push(format!("  fault    {fault}"));
        lines.push(format!("  to do    {}", fault.advice));
    }
    if status.frames > 0 {
        let fps_got = status.got.fps.map(|fps| format!(" of {fps}")).unwrap_or_default();
        let format = status.got.format.map(|format| format!(" {format}")).unwrap_or_default();
        lines.push(format!(
            "  picture  {}x{}{format}, {:.1}{fps_got} fps through {}",
            status.width, status.height, status.fps, status.backend
        ));
    }
    lines.extend(status.deductions.iter().map(|deduction| format!("  -{:<7} {}", deduction.points, deduction.reason)));
    if detailed {
        let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        let asked = |text: Option<String>| text.unwrap_or_else(|| "device default".to_owned());
        lines.push(format!(
            "  asked    {}, {} fps, {}",
            asked(status.asked.size.map(|size| size.to_string())),
            asked(status.asked.fps.map(|fps| fps.to_string())),
            asked(status.asked.format.map(|format| format.to_string()))
        ));
        lines.push(format!("  open     {}, first picture {}", ms(status.open_ms), ms(status.first_frame_ms)));
        lines.push(format!(
            "  frames   {}, dropped {} (camera {}, damaged {}), damaged and shown {}, warm-up {}",
            status.frames,
            status.dropped,
            status.drops.camera,
            status.drops.damaged,
            status.drops.concealed,
            status.drops.warm_up
        ));
        lines.push(format!(
            "  latency  {}",
            status.latency_ms.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"))
        ));
        lines.push(format!(
            "  failures {} in a row, {} reconnections",
            status.consecutive_failures, status.recovery_attempts
        ));
        let process = if status.is_isolated { "in a process of its own" } else { "in this process" };
        lines.push(format!("  backend  {} {process}", status.backend));
        lines.extend(status.ladder.iter().filter_map(ladder_line));
        if status.abandoned_calls > 0 {
            lines.push(format!("  hung     {} driver calls have not come back", status.abandoned_calls));
        }
        lines.extend(status.stuck_processes.iter().map(|process| {
            let place = process.kernel_function.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
            let waited = process.since_secs;
            format!("  stuck    process {} has been waiting in the kernel{place} for {waited:.0} s", process.pid)
        }));
    }
    if status.should_reboot {
        lines.push("  Everything else has been tried: restarting the computer may help.".to_owned());
    }
    lines.join("\n")
}

/// What a rung of the ladder has done; `None` where it has done nothing.
fn ladder_line(rung: &RungStatus) -> Option<String> {
    if rung.n_tries == 0 && rung.last.is_none() {
        return None;
    }
    let tries = if rung.n_tries == 1 { "1 try".to_owned() } else { format!("{} tries", rung.n_tries) };
    let last = rung.last.as_ref().map(|last| {
        let why = if last.why.is_empty() { String::new() } else { format!(": {}", last.why) };
        let took = Duration::from_millis(last.took_ms).as_secs_f64();
        format!(", the last one {} after {took:.1} s, {:.0} s ago{why}", last.outcome, last.ago_secs)
    });
    Some(format!("  rung     {}: {tries}{}", rung.rung, last.unwrap_or_default()))
}
