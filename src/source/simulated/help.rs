//! The documentation of the `sim:` language, printed from its tables.

use super::fault_table::FaultName;
use super::script::with_value;
use super::setting_table::SETTINGS;

/// The width for which the documentation is set.
const HELP_COLUMNS: usize = 100;

const EXAMPLES: [(&str, &str); 7] = [
    ("sim:", "a healthy camera"),
    ("sim:1280x720@30,format=mjpeg", "720p as a USB camera sends it"),
    ("sim:1280x720@30,stall@2s+3s,unplug@10s+5s,black@20s+2s", "three troubles, one after the other"),
    ("sim:open-busy@0s+10s", "another program lets go of it after 10 s"),
    ("sim:format=mjpeg,corrupt=5,drop=2", "a bad cable"),
    ("sim:pattern=chart,blur@5s", "loses its focus after five seconds"),
    ("sim:hang@10s", "one call never returns"),
];

/// The documentation of the language for a terminal, from the tables that the parser uses.
#[must_use]
pub fn help() -> String {
    let mut text = String::new();
    let mut paragraph = |lead: &str, body: &str| {
        text.push_str(&wrapped(lead, body));
    };
    paragraph(
        "",
        "The simulated camera: a camera that misbehaves on command, for trying out and for testing. Write sim: and after \
         it items with commas between them, in any order. sim: alone is a healthy camera.",
    );
    paragraph("", "");
    paragraph("EXAMPLES", "");
    for (line, does) in EXAMPLES {
        paragraph(&format!("  {line:<56}"), does);
    }
    paragraph("", "");
    paragraph("THE CAMERA", "");
    for row in SETTINGS {
        paragraph(&format!("  {:<15} ", row.written), row.does);
        for (name, does) in (row.choices)() {
            paragraph(&format!("{:18}{name:<9} ", ""), does);
        }
    }
    paragraph("", "");
    paragraph("FAULTS", "");
    paragraph(
        "  ",
        "Written NAME[=VALUE]@START[+DURATION]. START counts from the first opening of the camera and goes on when it is \
         opened again; without it the fault is there from the beginning, without DURATION for ever. TIME, START and \
         DURATION are 500ms, 2s or 1m. Faults of opening concern attempts that begin within the window. PERCENT is the \
         share of frames, drawn by the seed. Frames lost to drop=PERCENT, or to a reader who comes too late, leave gaps in \
         the sequence numbers; frames that a stall or slow=FPS keeps from being made do not.",
    );
    paragraph("", "");
    paragraph("  fault           what it does, and with which real cameras it is seen", "");
    for name in FaultName::ALL {
        let row = name.row();
        paragraph(&format!("  {:<15} ", with_value(*name)), row.does);
        paragraph(&format!("{:18}", ""), &format!("Seen with {}", row.means));
    }
    text
}

/// `body` broken at spaces to stand right of `lead`.
fn wrapped(lead: &str, body: &str) -> String {
    let indent = lead.chars().count();
    let mut text = lead.to_owned();
    let mut column = indent;
    for word in body.split_whitespace() {
        let n_chars = word.chars().count();
        if column > indent {
            if column + 1 + n_chars > HELP_COLUMNS {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += n_chars;
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::super::setting_table::{Pattern, WireFormat};
    use super::*;

    #[test]
    fn the_help_has_every_item_and_fits_a_terminal() {
        let help = help();
        for item in SETTINGS.iter().map(|row| row.written) {
            assert!(help.contains(&format!("\n  {item} ")), "{item}");
        }
        for name in FaultName::ALL {
            assert!(help.contains(&format!("\n  {} ", with_value(*name))), "{}", name.as_str());
            let row = name.row();
            assert!(row.does.ends_with('.') && row.means.ends_with('.'), "{}", row.name);
        }
        for choice in Pattern::ALL.iter().map(|p| p.as_str()).chain(WireFormat::ALL.iter().map(|f| f.as_str())) {
            assert!(help.contains(&format!(" {choice} ")), "{choice}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= HELP_COLUMNS && line.trim_end() == line, "{line}");
        }
        for (line, _) in EXAMPLES {
            let script = line.strip_prefix("sim:").unwrap();
            assert_eq!(Script::parse(script).map(|script| script.to_string()), Ok(script.to_owned()));
        }
    }
}
