//! Why there is no (good) frame, and what the technician can do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::foreign::Foreign;

/// What recovery may do by itself about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// Nothing will change until somebody acts: never retried on a timer.
    Terminal,
    /// Another program has the device: wait for it to let go, do not hammer.
    Busy,
    /// The device is gone: wait until it is back.
    Plug,
    /// The device is there and delivers nothing.
    Stalled,
    /// A call into the driver does not come back.
    Hung,
    /// The way to the camera is broken: try again with growing pauses.
    Network,
    /// Frames come but are damaged: never a reason to restart the stream.
    Quality,
    /// The computer lacks something: bandwidth, memory, disk.
    Resource,
}

/// One row for each kind: its name in JSON, its class, and the advice that holds unless the place of the fault knows better.
macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $kind:ident $slug:literal $class:ident $advice:literal;)*) => {
        /// What went wrong, as far as the program can tell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum FaultKind {
            $($(#[$doc])* #[serde(rename = $slug)] $kind,)*
        }

        impl FaultKind {
            /// Every kind, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name in JSON and in the log.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            #[must_use]
            pub fn class(self) -> FaultClass {
                match self { $(Self::$kind => FaultClass::$class,)* }
            }

            /// The first thing to try, in plain words.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

fault_kinds! {
    /// There is no such device, node or file.
    Missing "missing" Plug "Check the cable and the name, or choose a camera from the list (camclinic list).";
    /// The system refuses access.
    Denied "denied" Terminal "Allow this program to use the camera: group “video” on Linux, privacy settings on Windows and macOS.";
    /// Another program holds the device.
    Busy "busy" Busy "Close the other program that uses the camera.";
    /// The node exists and is something else.
    NotACamera "not-a-camera" Terminal "Choose a camera from the list (camclinic list).";
    /// The file or address is a camera's in name only.
    Unreadable "unreadable" Terminal "Choose a video file that a player can show, or a camera.";
    /// This build or this system has no such backend.
    BackendMissing "backend-missing" Terminal "Choose another backend, or “auto”.";
    /// The device does not offer what was asked.
    FormatRefused "format-refused" Terminal "Choose another size, rate or format, or “device default”.";
    /// The system could open it no further, and does not say why.
    OpenFailed "open-failed" Stalled "Try another backend; unplug the camera and plug it in again.";
    /// Opening has not come back within its deadline.
    OpenTimeout "open-timeout" Hung "Unplug the camera and plug it in again, into another port if it has a hub.";
    /// It opened, and no first frame came in time.
    NoFirstFrame "no-first-frame" Stalled "Try another size or format; plug the camera into another port.";
    /// Frames came and then stopped.
    Stall "stall" Stalled "Check the cable; plug the camera into another port, without a hub.";
    /// The driver says that a read failed.
    ReadFailed "read-failed" Stalled "Check the cable; plug the camera into another port, without a hub.";
    /// A call into the driver does not return.
    Hung "hung" Hung "Unplug the camera and plug it in again; if that does not help, restart Camclinic.";
    /// The backend died: a panic in it, or the end of its process.
    Crashed "crashed" Hung "Try another backend; update the camera's driver.";
    /// The backend died again and again: starting it once more would only show the same.
    CrashLoop "crash-loop" Terminal "Choose another backend, update the camera's driver, or unplug the camera and plug it in again; then press Recover now.";
    /// The device could not be reset on its bus.
    ResetFailed "reset-failed" Terminal "Unplug the camera and plug it in again.";
    /// The device went away while it was open.
    Unplugged "unplugged" Plug "Plug the camera in again: it comes back by itself.";
    /// A picture came that cannot be decoded.
    BadFrame "bad-frame" Quality "Check the cable; try another format or a smaller size.";
    /// The camera's name is not known on the network, or it is no name (F80).
    NameUnknown "name-unknown" Terminal "Check the name for typing errors, or write the camera's number, as in 192.168.1.64.";
    /// The computer is there, and nothing answers on the port (F81).
    Refused "refused" Network "Check the port (most cameras: 554) and that RTSP is switched on in the camera's own settings.";
    /// The address of a network camera does not answer (F82).
    Unreachable "unreachable" Network "Check the address, the network cable and the camera's power.";
    /// User name or password are not those of the camera (F83).
    LoginRefused "login-refused" Terminal "Check user name and password; the user needs the right to see the live picture. Nothing is tried again until they are changed, as many cameras lock after five attempts.";
    /// The camera answers, and has no such stream (F84).
    WrongPath "wrong-path" Terminal "Check the path in the address: each make has its own.";
    /// The camera knows the user and refuses this stream or this computer (F85).
    Forbidden "forbidden" Terminal "Look in the camera's settings for a list of allowed addresses, or for a lock after too many logins; give the user the right to see the live picture.";
    /// The camera breaks off the conversation, or contradicts itself (F86).
    ProtocolTrouble "protocol-trouble" Network "Choose the other transport (TCP or UDP); restart the camera; update its firmware.";
    /// Packets over UDP do not arrive (F87).
    UdpBlocked "udp-blocked" Network "Choose TCP as the transport, or open the firewall for UDP.";
    /// The camera serves no more viewers at a time (F90).
    SessionLimit "session-limit" Network "Close other programs that watch this camera, or choose its second stream. A viewer that was cut off is forgotten after about a minute.";
    /// The picture comes in a way that this program cannot decode (F91).
    CodecMissing "codec-missing" Terminal "Set the camera to H.264, without “+” or “smart”.";
    /// What came is older each minute, and catches up no more (F93).
    Backlog "backlog" Network "Choose a smaller size or rate, or the camera's second stream; close other programs.";
    /// The encrypted connection's certificate is not to be trusted, or there is no encryption at all (F94).
    Untrusted "untrusted" Terminal "Look at the certificate: trust it if it is the camera's own. Check the clocks of the camera and of this computer.";
    /// It answers, but with no picture stream: a web page, one that ends at once, or none at all (F95).
    NoStream "no-stream" Terminal "Check the address: it shall be that of the stream or of a snapshot, not of the camera's page.";
    /// What answers on this port does not speak the language of the address (F99).
    WrongProtocol "wrong-protocol" Terminal "Check scheme and port: rtsp:// mostly has port 554, http:// has 80, rtsps:// 322 and https:// 443.";
    /// The computer has run out of something that the stream needs.
    NoResources "no-resources" Resource "Close other programs, or choose a smaller size or rate.";
}

/// Why there is no (good) frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// Always `kind.class()`; stands here because the JSON contract has it.
    pub class: FaultClass,
    /// The platform's own number (errno, HRESULT, AVERROR), with which the event can be found in other tools.
    pub code: Option<i64>,
    /// What failed first, the cause next, the path or address last. Never a password.
    pub message: Foreign,
    /// What to do, in plain words.
    pub advice: Foreign,
}

impl Fault {
    /// A fault with the advice that its kind always has.
    pub fn new(kind: FaultKind, message: impl Into<Foreign>) -> Self {
        Self { kind, class: kind.class(), code: None, message: message.into(), advice: kind.advice().into() }
    }

    #[must_use]
    pub fn with_code(mut self, code: impl Into<i64>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<Foreign>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Whether trying again without anybody's help can succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class != FaultClass::Terminal
    }

    /// Whether the open stream is of no more use, so that reading from it again is a waste of time.
    #[must_use]
    pub fn ends_stream(&self) -> bool {
        match self.class {
            FaultClass::Stalled => self.kind == FaultKind::OpenFailed,
            FaultClass::Quality => false,
            FaultClass::Terminal
            | FaultClass::Busy
            | FaultClass::Plug
            | FaultClass::Hung
            | FaultClass::Network
            | FaultClass::Resource => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_advice_is_a_sentence() {
        for (n, kind) in FaultKind::ALL.iter().enumerate() {
            assert!(FaultKind::ALL.iter().skip(n + 1).all(|other| other.slug() != kind.slug()), "{}", kind.slug());
            assert!(kind.advice().ends_with('.'), "{}", kind.slug());
        }
    }

    #[test]
    fn json_is_the_contract() {
        let fault = Fault::new(FaultKind::Busy, "/dev/video0 is in use").with_code(16);
        let json = serde_json::to_value(&fault).unwrap();
        assert_eq!(json["kind"], "busy");
        assert_eq!(json["class"], "busy");
        assert_eq!(json["code"], 16);
        assert_eq!(serde_json::to_value(Fault::new(FaultKind::Stall, "x")).unwrap()["code"], serde_json::Value::Null);
    }
}
