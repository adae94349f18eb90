//! `report.json`: the contract of `camclinic checkup --json`, and with it all that the judgement rests on.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::TrimmedMaterial;
use super::masking::{MaskedKind, Masker};
use crate::checkup::json::contract;
use crate::foreign::for_terminal;

/// The members of the contract, in the order in which somebody reads them.
const KEYS: [&str; 9] =
    ["verdict", "findings", "checks", "status", "slow", "experiments", "backends", "took_ms", "was_cancelled"];

pub(super) fn write(kept: &TrimmedMaterial<'_>, masker: &mut Masker) -> String {
    let material = kept.material;
    let computer = &material.computer;
    let about = json!({
        "made": material.at,
        "began": material.began,
        "zone": material.zone.iana_name(),
        "camclinic": env!("CARGO_PKG_VERSION"),
        "language": material.language,
        "masked": MaskedKind::ALL.into_iter().filter(|kind| masker.hides(*kind)).map(MaskedKind::stem).collect::<Vec<_>>(),
        "cut": kept.cut,
    });
    let checkup = masker.checkup(&material.checkup);
    let mut contract = contract(&checkup, material.compared.as_ref(), material.language);
    // Its sentences are masked by now; all else is not.
    if let Some(verdict) = contract.get_mut("verdict") {
        actions(verdict, masker);
    }
    contract.get_mut("findings").and_then(Json::as_array_mut).into_iter().flatten().for_each(|it| actions(it, masker));
    for key in ["status", "experiments", "backends"] {
        contract.get_mut(key).into_iter().for_each(|value| masker.json(value));
    }
    let mut members = vec![("report", about)];
    members.extend(KEYS.into_iter().filter_map(|key| Some((key, contract.get_mut(key).map(Json::take)?))));
    let system = json!({
        "host": computer.host,
        "user": computer.user,
        "home": computer.home,
        "system": computer.system,
        "kernel": computer.kernel,
    });
    members.push(("computer", masked(system, masker)));
    if let Some(news) = &material.recorder {
        members.push(("recording", masked(&news.recording, masker)));
        members.push(("storage", masked(&news.storage, masker)));
    }
    members.push(("facts", masked(kept.facts(), masker)));
    let kernel: Vec<_> = kept.kernel().map(|(at, text)| json!({"at": at, "text": text})).collect();
    members.push(("kernel", masked(kernel, masker)));
    members.push(("events", masked(kept.log, masker)));
    // Numbers and times alone.
    members.push(("history", to_json(kept.history)));
    let lines = members.iter().map(|(key, value)| format!("\"{key}\": {}", spread(value)));
    // JSON escapes what steers a terminal, and not what turns the direction of writing.
    for_terminal(&format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))).into_owned()
}

fn to_json(value: impl Serialize) -> Json {
    // Plain data: none of it fails to be written.
    serde_json::to_value(value).unwrap_or_default()
}

fn masked(value: impl Serialize, masker: &mut Masker) -> Json {
    let mut value = to_json(value);
    masker.json(&mut value);
    value
}

fn actions(finding: &mut Json, masker: &mut Masker) {
    for fix in finding.get_mut("fixes").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(action) = fix.get_mut("action") {
            masker.json(action);
        }
    }
}

/// A list with an item a line, so that people can read it too; everything else on one line.
fn spread(value: &Json) -> String {
    match value {
        Json::Array(items) if !items.is_empty() => {
            let lines: Vec<_> = items.iter().map(ToString::to_string).collect();
            format!("[\n  {}\n]", lines.join(",\n  "))
        }
        other => other.to_string(),
    }
}
