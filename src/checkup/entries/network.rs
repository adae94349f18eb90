//! What stands in the way of a network camera (F80 to F100). The conversation with it names the entry; without one, the fault
//! of the stream does.

use super::signs::FaultStage;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, Severity};
use crate::checkup::facts::{Facts, SourceKind, StreamFacts};
use crate::criteria;
use crate::fault::{Fault, FaultKind};
use crate::network::{ConnectionFinding, PacketEvidence, StepName, StepOutcome};
use crate::phrases::{Message, number};
use crate::settings::Transport;

/// A row of the table: what it is called, and which kinds of fault stand for it where nobody has talked to the camera.
macro_rules! entries {
    ($($id:literal $slug:literal $severity:ident $fixes:ident $($kind:ident)*;)*) => {
        pub const ENTRIES: &[CatalogueEntry] = &[$(CatalogueEntry {
            id: $id,
            slug: $slug,
            layer: Layer::Network,
            severity: Severity::$severity,
            judge: |facts| judge(facts, $id, $slug, &[$(FaultKind::$kind),*]).map(|judgement| $fixes(judgement, facts)),
        }),*];
    };
}

entries! {
    "F80" "name-unknown" Critical name NameUnknown;
    "F81" "refused" Critical refused Refused;
    "F82" "unreachable" Critical unreachable Unreachable OpenTimeout;
    "F83" "login-refused" Critical login LoginRefused;
    "F84" "wrong-path" Critical path WrongPath;
    "F85" "forbidden" Critical forbidden Forbidden Denied;
    "F86" "protocol-trouble" Critical protocol ProtocolTrouble FormatRefused;
    "F87" "udp-blocked" Critical udp UdpBlocked;
    "F88" "packet-loss" Warning loss BadFrame;
    "F89" "session-timeout" Warning session;
    "F90" "session-limit" Critical limit SessionLimit;
    "F91" "codec-missing" Critical codec CodecMissing OpenFailed;
    "F92" "late-key-frame" Warning key_frame NoFirstFrame;
    "F93" "latency-grows" Warning backlog Backlog;
    "F94" "certificate" Critical certificate Untrusted;
    "F95" "no-stream" Critical no_stream NoStream;
    "F96" "camera-restarts" Critical restarts Stall ReadFailed Unplugged Hung;
    "F97" "size-changes" Warning changes;
    "F98" "camera-clock-jumps" Warning clock;
    "F99" "wrong-protocol" Critical scheme WrongProtocol;
    "F100" "multicast" Critical multicast;
}

fn judge(facts: &Facts, id: &str, slug: &'static str, kinds: &[FaultKind]) -> Option<Judgement> {
    if facts.source.kind != SourceKind::Network || id == "F88" && facts.is_over_http() {
        return None;
    }
    let finding = facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
    let judgement = |confidence: f64, fault: &Fault| {
        Some(Judgement::new(slug, confidence).with("camera", facts.source.name.as_str()).quoting(fault))
    };
    match finding {
        Some(finding) if finding.entry == id => return judgement(finding.confidence, &finding.fault),
        // The camera's own words count for more than what the stream's end looks like.
        Some(_) => return None,
        None => {}
    }
    let is_of_entry = |(place, fault): &(FaultStage, &Fault)| {
        entry_of_end(facts, *place, fault).map_or(kinds.contains(&fault.kind), |of| of == id)
    };
    if let Some((place, fault)) = facts.faults().find(is_of_entry) {
        let confidence = match id {
            _ if may_be_late_here(facts, place, fault) => UNSURE,
            "F96" if lost_packets(facts).is_some() => UNSURE,
            // It does not say so.
            "F90" if fault.kind != FaultKind::SessionLimit => 0.7,
            _ => from_stream(fault),
        };
        return judgement(confidence, fault);
    }
    match facts.packets().and_then(PacketEvidence::judge).filter(|found| found.entry == id) {
        Some(found) => judgement(weighed(facts, &found), &found.fault),
        None => measured(facts, id, slug),
    }
}

/// Confidence of what another cause explains as well.
const UNSURE: f64 = 0.45;

/// Pictures that stay away from a busy computer may be late in it. Where packets stay away, the camera was asked whether it is there.
fn may_be_late_here(facts: &Facts, place: FaultStage, fault: &Fault) -> bool {
    let is_silence = matches!(fault.kind, FaultKind::Hung | FaultKind::Stall | FaultKind::OpenFailed);
    let was_asked = facts.packets().is_some_and(|packets| packets.is_answering.is_some());
    place == FaultStage::Stream && is_silence && !was_asked && facts.is_saturated()
}

/// How sure the packets make of it: what comes too fast for a busy computer is lost in its own queue, if nothing waits for it.
fn weighed(facts: &Facts, found: &ConnectionFinding) -> f64 {
    let is_by_time = |packets: &PacketEvidence| packets.is_over_udp || packets.n_held_up > 1;
    // What comes late may have been read late.
    let may_be_lost_here = facts.is_saturated()
        && (found.entry == "F93" || found.entry == "F88" && facts.packets().is_some_and(is_by_time));
    if may_be_lost_here { found.confidence.min(UNSURE) } else { found.confidence }
}

/// The entry of a fault that means something else at its place. A camera that has just served the connection test and refuses the next
/// viewer is full. One whose pictures came and that is not heard of any more has stopped, or restarts, or ends its sessions; one that
/// still answers has an encoder that does not run.
fn entry_of_end(facts: &Facts, place: FaultStage, fault: &Fault) -> Option<&'static str> {
    use FaultKind::{Forbidden, ProtocolTrouble, Refused, Stall, Unreachable};
    let packets = facts.packets();
    // Its end may come before its first picture.
    let has_begun = place == FaultStage::Opening && packets.is_some_and(|packets| packets.n_received > 0);
    let place = if has_begun { FaultStage::Stream } else { place };
    match (place, fault.kind) {
        (FaultStage::Opening, ProtocolTrouble | Refused | Forbidden) if facts.has_served_once() => Some("F90"),
        (FaultStage::Stream, Unreachable | ProtocolTrouble) => {
            Some(if packets.is_some_and(PacketEvidence::has_ended_with_session) { "F89" } else { "F96" })
        }
        (FaultStage::Stream, Stall) if packets.and_then(|packets| packets.is_answering) == Some(true) => Some("F33"),
        _ => None,
    }
}

/// The share of packets that are lost, where pictures stay away altogether: it may be for want of these.
fn lost_packets(facts: &Facts) -> Option<f64> {
    facts.stream.as_ref()?.ended.as_ref().filter(|fault| fault.kind == FaultKind::Stall)?;
    let of_test = || facts.conversation.as_ref()?.measured.loss_percent;
    let of_stream =
        facts.packets().map(|packets| 100.0 * criteria::share_of(packets.n_lost, packets.n_lost + packets.n_received));
    let percent = of_stream.into_iter().chain(of_test()).fold(0.0, f64::max);
    criteria::is_loss_of_packets(percent).then_some(percent / 100.0)
}

/// How surely a kind of fault stands for its entry.
fn from_stream(fault: &Fault) -> f64 {
    match fault.kind {
        FaultKind::OpenTimeout | FaultKind::NoFirstFrame => 0.6,
        FaultKind::Stall | FaultKind::ReadFailed | FaultKind::Hung | FaultKind::Unplugged | FaultKind::OpenFailed => {
            0.7
        }
        FaultKind::ProtocolTrouble | FaultKind::Unreachable => 0.85,
        _ => 0.95,
    }
}

/// What the stream shows that runs.
fn measured(facts: &Facts, id: &str, slug: &'static str) -> Option<Judgement> {
    /// Ages at which cameras end sessions that nobody has kept alive, in seconds.
    const TIMEOUTS: [f64; 5] = [30.0, 60.0, 120.0, 180.0, 300.0];
    let stream = facts.stream.as_ref()?;
    let judgement = |confidence| Judgement::new(slug, confidence).with("camera", facts.source.name.as_str());
    match id {
        "F88" => {
            let Some(share) = facts.lost_share().or_else(|| lost_packets(facts)) else {
                return pauses(facts, stream, judgement);
            };
            let lost = Message::new("evidence.lost").with("percent", number(share * 100.0, 1));
            Some(judgement(0.75).with_evidence(lost))
        }
        "F89" => {
            let fault = stream.ended.as_ref()?;
            let timeout = TIMEOUTS.into_iter().find(|timeout| (stream.secs - timeout).abs() < 1.5)?;
            Some(judgement(0.55).quoting(fault).with_evidence(Message::new("evidence.session").with("secs", timeout)))
        }
        "F93" => {
            let growth = stream.age_growth_ms.filter(|ms| criteria::is_age_growing(*ms))?;
            Some(judgement(0.7).with_evidence(Message::new("evidence.growth").with("ms", growth)))
        }
        "F97" => {
            let (first, last) = (stream.sizes.first()?, stream.sizes.last().filter(|_| stream.sizes.len() > 1)?);
            let sizes = Message::new("evidence.sizes").with("first", first.to_string()).with("last", last.to_string());
            Some(judgement(0.75).with_evidence(sizes))
        }
        _ => None,
    }
}

/// Again and again none comes for a while, though none is lost.
fn pauses(facts: &Facts, stream: &StreamFacts, judgement: impl Fn(f64) -> Judgement) -> Option<Judgement> {
    if stream.ended.is_some() || !criteria::is_more_than_a_pause(stream.n_pauses) {
        return None;
    }
    let evidence = Message::new("evidence.pauses")
        .with("n", f64::from(stream.n_pauses))
        .with("secs", number(stream.longest_pause_secs, 1));
    let judgement = judgement(if facts.is_saturated() { UNSURE } else { 0.6 });
    Some(judgement.titled("pauses").with_evidence(evidence))
}

fn address() -> Fix {
    Fix::new("edit-address").does(Action::EditAddress)
}

fn transport(transport: Transport) -> Fix {
    match transport {
        Transport::Udp => Fix::new("use-udp").does(Action::UseTransport(transport)),
        Transport::Tcp | Transport::Auto => Fix::new("use-tcp").does(Action::UseTransport(transport)),
    }
}

fn step(facts: &Facts, name: StepName) -> Option<StepOutcome> {
    let steps = &facts.conversation.as_ref()?.steps;
    steps.iter().find(|step| step.name == name).map(|step| step.outcome)
}

fn name(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fix(address()).fixes(&["camera-number", "check-network"])
}

fn refused(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fixes(&["check-port"]).fix(address()).fixes(&["camera-rtsp-on", "close-viewers"])
}

fn unreachable(judgement: Judgement, facts: &Facts) -> Judgement {
    // It is there, and so is the network.
    if step(facts, StepName::Tcp) == Some(StepOutcome::Good) {
        let judgement = judgement.titled("silent");
        return judgement.fixes(&["restart-camera", "check-port", "close-viewers"]).fix(address());
    }
    judgement.fixes(&["camera-power", "same-network", "firewall"]).fix(address())
}

fn login(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fix(address()).fixes(&["camera-user-rights", "wait-lock"])
}

fn path(judgement: Judgement, facts: &Facts) -> Judgement {
    advised(judgement, facts).fix(address()).fixes(&["camera-path"])
}

fn forbidden(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fixes(&["camera-allow-list", "wait-lock", "camera-user-rights"])
}

fn protocol(judgement: Judgement, facts: &Facts) -> Judgement {
    let other = if step(facts, StepName::SetupTcp) == Some(StepOutcome::Bad) { Transport::Udp } else { Transport::Tcp };
    advised(judgement, facts).fix(transport(other)).fixes(&["restart-camera", "update-firmware"])
}

fn udp(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fix(transport(Transport::Tcp)).fixes(&["firewall"])
}

fn loss(judgement: Judgement, facts: &Facts) -> Judgement {
    // Over UDP the way loses packets; over TCP the camera does.
    let is_udp = step(facts, StepName::SetupTcp).is_none_or(|outcome| outcome == StepOutcome::Skipped);
    let judgement = if is_udp { judgement.fix(transport(Transport::Tcp)) } else { judgement };
    advised(judgement, facts).fixes(&["camera-by-cable", "lower-bit-rate"])
}

fn session(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fix(transport(Transport::Tcp)).fixes(&["router-timeout", "update-firmware"])
}

fn limit(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fixes(&["close-viewers", "wait-sessions"]).fix(address()).fixes(&["restart-camera"])
}

fn codec(judgement: Judgement, facts: &Facts) -> Judgement {
    let n_general = judgement.fixes.len();
    let judgement = advised(judgement, facts);
    let is_known = judgement.fixes.len() > n_general;
    let judgement = if is_known { judgement } else { judgement.fixes(&["camera-h264"]) };
    judgement.fix(address())
}

/// The stream is there, and nothing comes of it (F33 of network cameras).
pub(super) fn silent(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "read-hangs";
    let judgement = judge(facts, "F33", SLUG, &[])?.titled("network");
    Some(advised(judgement, facts).fixes(&["restart-camera", "update-firmware"]))
}

fn key_frame(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fixes(&["camera-key-frames", "camera-smart-off"])
}

fn backlog(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fix(Fix::new("reconnect").does(Action::Reconnect)).fixes(&[
        "lower-bit-rate",
        "camera-by-cable",
        "close-programs",
    ])
}

fn certificate(judgement: Judgement, facts: &Facts) -> Judgement {
    let is_clock = facts.time.as_ref().is_some_and(|time| time.is_year_wrong);
    let clock = Fix::new("set-clock").runs("sudo timedatectl set-ntp true");
    let judgement = if is_clock { judgement.because("clock").fix(clock) } else { judgement };
    advised(judgement, facts).fix(address()).fixes(&["camera-ntp"])
}

fn no_stream(judgement: Judgement, facts: &Facts) -> Judgement {
    advised(judgement, facts).fix(address()).fixes(&["camera-path"])
}

fn restarts(judgement: Judgement, _: &Facts) -> Judgement {
    judgement
        .fixes(&["camera-power", "camera-by-cable"])
        .fix(Fix::new("reconnect").does(Action::Reconnect))
        .fixes(&["update-firmware"])
}

fn changes(judgement: Judgement, facts: &Facts) -> Judgement {
    // Without another size it is the way of coding that changes.
    let is_coding =
        facts.packets().is_some_and(|packets| packets.n_size_changes == 0 && packets.contents.n_set_changes > 0);
    let judgement = if is_coding { judgement.titled("coding") } else { judgement };
    judgement.fixes(&["camera-other-user", "camera-day-night"])
}

fn clock(judgement: Judgement, _: &Facts) -> Judgement {
    judgement.fixes(&["camera-smart-off", "camera-ntp"])
}

fn scheme(judgement: Judgement, facts: &Facts) -> Judgement {
    advised(judgement, facts).fix(address()).fixes(&["check-port"])
}

fn multicast(judgement: Judgement, facts: &Facts) -> Judgement {
    advised(judgement, facts).fix(address())
}

/// What the conversation advises, where it knows more than what holds for all of its kind.
fn advised(judgement: Judgement, facts: &Facts) -> Judgement {
    let finding = facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
    let own = finding.map(|finding| &finding.fault).filter(|fault| fault.advice != fault.kind.advice());
    match own {
        Some(fault) => judgement.advised(fault),
        None => judgement,
    }
}
