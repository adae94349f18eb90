//! The messages between the program and a worker, and how they are written to a pipe and read from it.
//!
//! One JSON text a line. Libraries and drivers may print to the worker's standard output as well: a message therefore begins
//! with the record separator of RFC 7464, and a line without it is no message. Pixels do not go through the pipe (`memory.rs`),
//! and nothing is decided here: neither what is asked for, nor whether the numbers in a message are possible.

use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::packets::PacketMessage;
use crate::address::Address;
use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate};
use crate::fault::Fault;
use crate::network::{Origin, PacketEvidence};
use crate::settings::NetworkOptions;
use crate::source::{Demand, SourceSpec, simulated};
use crate::status::{Asked, Got};

/// Changes with each change of the messages: a program that was replaced while it runs finds a worker of another number.
pub const VERSION: u32 = 11;

const MARK: u8 = 0x1e;
/// No message is longer; whatever is has not come from a worker.
const MAX_LINE: usize = 64 * 1024;

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum WorkerRequest {
    /// The first one.
    Open(Box<OpenParameters>),
    /// Shared memory for the frames: the answer to [`WorkerEvent::NeedMemory`].
    Memory { generation: u32, file: PathBuf, n_slots: u32, slot_bytes: u64 },
    /// There is none: the worker ends.
    NoMemory,
    /// The last reader of a frame is gone: the slot is the worker's again.
    ReleaseSlot { generation: u32, slot: u32 },
    /// After a fault: read again.
    Continue,
    /// After a fault: stop the stream and start it.
    Restart,
    /// Between two frames: have these controls set.
    SetControls(Vec<ControlSetting>),
    /// What is wanted of the pictures from the next frame on.
    SetDemand(Demand),
    /// Of a file that is shown by order: send the first frame that is not shown before that time of it.
    Seek { to_us: u64 },
    /// Shared memory for packets, once: the program wants them from now on.
    PacketMemory { file: PathBuf },
    /// Whether it does.
    WantPackets(bool),
    /// Close the device and end.
    Stop,
}

/// What is to be opened. It may hold a password, which is why it is no argument on a command line.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenParameters {
    pub spec: WireSpec,
    pub backend: Backend,
    pub asked: Asked,
    /// Since the camera was first opened: the clock of the simulated camera's script.
    pub first_opened_ago_us: u64,
    pub open_deadline_us: u64,
    pub first_frame_deadline_us: u64,
    pub frame_deadline_us: u64,
    /// As [`crate::source::OpenRequest::is_by_order`].
    pub is_by_order: bool,
    pub network: NetworkOptions,
    /// Those that have asked for Digest.
    pub logins: Vec<Origin>,
    pub demand: Demand,
    /// Shared memory for packets, where they are wanted from the first one on.
    pub packets: Option<PathBuf>,
}

/// A [`SourceSpec`] without anything masked.
#[derive(Debug, Serialize, Deserialize)]
pub enum WireSpec {
    Simulated(String),
    Index(u32),
    Device(String),
    File(OsString),
    Url(String),
}

impl From<&SourceSpec> for WireSpec {
    fn from(spec: &SourceSpec) -> Self {
        match spec {
            SourceSpec::Simulated(script) => Self::Simulated(script.to_string()),
            SourceSpec::Index(index) => Self::Index(*index),
            SourceSpec::Device(name) => Self::Device(name.clone()),
            SourceSpec::File(path) => Self::File(path.clone().into_os_string()),
            SourceSpec::Url(address) => Self::Url(address.with_login()),
        }
    }
}

impl TryFrom<WireSpec> for SourceSpec {
    type Error = String;

    fn try_from(spec: WireSpec) -> Result<Self, String> {
        Ok(match spec {
            WireSpec::Simulated(script) => Self::Simulated(simulated::Script::parse(&script)?),
            WireSpec::Index(index) => Self::Index(index),
            WireSpec::Device(name) => Self::Device(name),
            WireSpec::File(path) => Self::File(path.into()),
            WireSpec::Url(url) => Self::Url(Address::parse(&url)?),
        })
    }
}

/// From the worker, with the time at which it was sent, in µs on the worker's clock.
#[derive(Debug, Serialize, Deserialize)]
pub struct SentEvent(pub i64, pub WorkerEvent);

#[derive(Debug, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// The first one.
    Hello {
        version: u32,
    },
    Opened {
        got: Got,
    },
    /// Could not open, read or restart. After opening, the worker waits for `Continue` or `Restart`.
    Failed(Fault),
    Restarted,
    /// These have asked for a login by Digest. Sent before the outcome of an opening or a restart.
    Logins(Vec<Origin>),
    /// A frame is to be put somewhere: the worker waits for `Memory`.
    NeedMemory {
        n_bytes: u64,
    },
    Frame {
        stamp: FrameStamp,
        slot: FrameSlot,
    },
    /// A frame came whose picture is not wanted.
    LeftOut(FrameStamp),
    /// A frame came and cannot be decoded. The worker waits as after `Failed`.
    Damaged {
        stamp: FrameStamp,
        fault: Fault,
    },
    /// What the camera has sent, for a recording. Sent at any time.
    Packet(PacketMessage),
    /// What has changed about the device's controls. Sent behind a frame or a fault.
    Controls(ControlsUpdate),
    /// What the packets of a network camera have shown. Sent ahead of a frame or a fault.
    Evidence(Box<PacketEvidence>),
    /// The worker lives, whatever the driver does.
    Heartbeat,
}

/// When the driver handed a frame out and when it was asked for it, in µs on the worker's clock, and its count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FrameStamp {
    pub taken_at_us: i64,
    #[serde(default)]
    pub asked_at_us: Option<i64>,
    /// As [`crate::source::Grabbed::position`].
    #[serde(default)]
    pub position_us: Option<u64>,
    pub sequence: Option<u64>,
    /// As [`crate::source::Grabbed::is_damaged`].
    #[serde(default)]
    pub is_damaged: bool,
}

/// Where a frame lies in the shared memory, and what the device delivers where that has changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct FrameSlot {
    pub generation: u32,
    pub slot: u32,
    pub width: u32,
    pub height: u32,
    pub got: Option<Got>,
    /// Of the picture as the camera made it, where this one was made smaller.
    pub fingerprint: Option<u64>,
}

/// A message as it is written, in one piece.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = vec![MARK];
    serde_json::to_writer(&mut line, message)?;
    line.push(b'\n');
    Ok(line)
}

/// What was read.
#[derive(Debug)]
pub enum ReadLine<T> {
    Message(T),
    /// Something that a library printed.
    Foreign(String),
    /// The other side has ended, or half a message came before its end.
    End {
        is_cut: bool,
    },
    /// It begins like a message and is none, for this reason.
    Malformed(String),
}

/// Reads one line. Blocks until there is one.
pub fn read<T: DeserializeOwned>(input: &mut impl BufRead, line: &mut Vec<u8>) -> ReadLine<T> {
    line.clear();
    if input.by_ref().take(MAX_LINE as u64).read_until(b'\n', line).is_err() {
        return ReadLine::End { is_cut: !line.is_empty() };
    }
    // A library may have printed half a line before the message.
    let text = match line.iter().rposition(|byte| *byte == MARK) {
        Some(mark) => line.get(mark + 1..).unwrap_or_default(),
        None if line.is_empty() => return ReadLine::End { is_cut: false },
        None => return ReadLine::Foreign(String::from_utf8_lossy(line).trim_end().to_owned()),
    };
    if text.last() != Some(&b'\n') {
        return if line.len() >= MAX_LINE {
            ReadLine::Malformed(format!("a message of more than {MAX_LINE} bytes"))
        } else {
            ReadLine::End { is_cut: true }
        };
    }
    match serde_json::from_slice(text) {
        Ok(message) => ReadLine::Message(message),
        Err(error) => ReadLine::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    /// What comes of these bytes, in order, until their end.
    #[track_caller]
    fn check(bytes: &[u8], expected: &[&str]) {
        let (mut input, mut line) = (bytes, Vec::new());
        let mut got = Vec::new();
        loop {
            match read::<SentEvent>(&mut input, &mut line) {
                ReadLine::Message(SentEvent(at, WorkerEvent::Heartbeat)) => got.push(format!("heartbeat {at}")),
                ReadLine::Message(other) => got.push(format!("{other:?}")),
                ReadLine::Foreign(text) => got.push(format!("foreign {text}")),
                ReadLine::Malformed(_) => got.push("malformed".to_owned()),
                ReadLine::End { is_cut } => {
                    got.push(if is_cut { "cut" } else { "end" }.to_owned());
                    break;
                }
            }
        }
        assert_eq!(got, expected, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn messages_are_told_apart_from_other_output() {
        check(b"", &["end"]);
        check(b"\x1e[5,\"Heartbeat\"]\n", &["heartbeat 5", "end"]);
        check(b"Corrupt JPEG data\n\x1e[5,\"Heartbeat\"]\n", &["foreign Corrupt JPEG data", "heartbeat 5", "end"]);
        check(b"no line end\x1e[5,\"Heartbeat\"]\n", &["heartbeat 5", "end"]);
        check(b"\x1e[5,\"Heartbeat\"]", &["cut"]);
        check(b"\x1e[5,\"Be", &["cut"]);
        check(b"\x1e[5,\"Beta\"]\n", &["malformed", "end"]);
        check(b"\x1e[\xff]\n\n\x00\n", &["malformed", "foreign ", "foreign \0", "end"]);
        let mut long = vec![b'x'; MAX_LINE + 10];
        long.splice(0..1, [MARK]);
        assert!(matches!(read::<SentEvent>(&mut long.as_slice(), &mut Vec::new()), ReadLine::Malformed(_)));
    }

    #[test]
    fn the_longest_list_of_controls_fits_into_a_message() {
        use crate::control::{Control, ControlKind, MenuItem, UpdateCause};
        use crate::device::controls::checked;
        // Each is written as four bytes.
        let name = "\u{1f3a5}".repeat(10_000);
        let items = (0..10_000).map(|n| MenuItem { value: i64::MIN + n, name: name.clone() }).collect();
        let kind = ControlKind::Menu { items };
        let (default, held) = (i64::MIN, Some(name.clone()));
        let control = Control {
            id: u32::MAX,
            name,
            kind,
            value: Some(default),
            default,
            held,
            is_read_only: true,
            is_volatile: true,
        };
        let list = vec![checked(control); 9];
        for update in ControlsUpdate::in_pieces(UpdateCause::Listed, &list, Vec::new()) {
            let line = encode(&SentEvent(i64::MIN, WorkerEvent::Controls(update))).unwrap();
            assert!(line.len() < MAX_LINE, "{}", line.len());
        }
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        for text in ["sim:320x240@15,seed=4,stall@2s+3s", "3", "/dev/video0", "a b/ü.mp4", "rtsp://u:p@ss@cam/1"] {
            let spec = SourceSpec::parse(text).unwrap();
            let json = serde_json::to_string(&WireSpec::from(&spec)).unwrap();
            let back: WireSpec = serde_json::from_str(&json).unwrap();
            assert_eq!(SourceSpec::try_from(back), Ok(spec), "{text}");
        }
        let fault = Fault::new(FaultKind::Busy, "held").with_code(16);
        let line = encode(&SentEvent(-4, WorkerEvent::Failed(fault.clone()))).unwrap();
        match read::<SentEvent>(&mut line.as_slice(), &mut Vec::new()) {
            ReadLine::Message(SentEvent(-4, WorkerEvent::Failed(back))) => assert_eq!(back, fault),
            other => panic!("{other:?}"),
        }
    }
}
