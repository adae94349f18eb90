//! The systems' numbers at a camera call, and what they mean: one row for each.
//!
//! Only tables: whoever has a number asks here, on any system.

use crate::fault::{Fault, FaultKind};

/// At which call a number came. The same number means different things at different calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opening the node.
    Open,
    /// Agreeing on a format, getting buffers, starting (`S_FMT`, `S_PARM`, `REQBUFS`, `STREAMON`).
    Start,
    /// Reading pictures (`QBUF`, `DQBUF`).
    Read,
    /// Reading or setting a control.
    Control,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMeaning {
    /// The system's name of it: `EBUSY`.
    pub name: &'static str,
    pub kind: FaultKind,
    /// Follows the camera's name: “… is in use by another program”.
    pub what: &'static str,
    /// Empty where the kind's own advice says it all.
    pub advice: &'static str,
}

impl ErrorMeaning {
    /// The fault of a camera that is called `shown`.
    #[must_use]
    pub fn fault(&self, shown: &str, code: impl Into<i64>) -> Fault {
        let fault = Fault::new(self.kind, format!("{shown} {}", self.what)).with_code(code);
        if self.advice.is_empty() { fault } else { fault.with_advice(self.advice) }
    }
}

const fn row(name: &'static str, kind: FaultKind, what: &'static str, advice: &'static str) -> ErrorMeaning {
    ErrorMeaning { name, kind, what, advice }
}

const CABLE: &str = "Use another cable or port, without a hub: such errors come from the line, not from the program.";
const BANDWIDTH: &str = "Choose MJPEG, a smaller size or rate, or plug one of the cameras into another USB controller: the bus has no room for one more stream.";
const EIO: &str =
    "Unplug the camera and plug it in again; if that does not help, choose MJPEG or a smaller size, or another port.";
const DEFAULTS: &str = "Choose “device default” for format, size and rate; unplug the camera and plug it in again.";
const FIRMWARE: &str = "Unplug the camera and plug it in again; if that does not help, update its firmware.";
const LIBCAMERA: &str = "This camera needs libcamera to set up its parts: open it through PipeWire or libcamera.";

/// A Linux error number (`errno-base.h`, `errno.h`) at a V4L2 call. `None` where the number says nothing by itself.
#[must_use]
pub fn errno(code: i32, call: Call) -> Option<ErrorMeaning> {
    use Call::{Control, Open, Read, Start};
    use FaultKind::{
        Busy, Denied, FormatRefused, Missing, NoResources, NotACamera, OpenFailed, ReadFailed, Stall, Unplugged,
    };
    let (gone, went) = if call == Open { (Missing, "is gone") } else { (Unplugged, "was unplugged") };
    Some(match (code, call) {
        (1, Open) => row(
            "EPERM",
            Denied,
            "is kept from this program by a container or sandbox",
            "Give the container or sandbox that this program runs in access to the device.",
        ),
        (2 | 20, Open) => row("ENOENT", Missing, "does not exist", ""),
        (5, Start) => {
            row("EIO", OpenFailed, "refuses to start, or its port has no transfer mode that is fast enough", EIO)
        }
        (5, Read) => row("EIO", ReadFailed, "lost its signal", CABLE),
        (5, Control) => row("EIO", ReadFailed, "refuses the control: its firmware knows no such request", FIRMWARE),
        (6, Open) => row("ENXIO", Missing, "has no device behind its node", ""),
        (11, Read) => row("EAGAIN", Stall, "has no picture yet", ""),
        (12, Open | Start) => row(
            "ENOMEM",
            NoResources,
            "finds no memory for its buffers",
            "Close other programs, or choose a smaller size or fewer buffers.",
        ),
        (13, Open) => row("EACCES", Denied, "may not be opened by this user", ""),
        (13, Control) => {
            row("EACCES", FormatRefused, "holds this control itself", "Switch its automatic mode off first.")
        }
        (16, Open | Start | Read) => row("EBUSY", Busy, "is in use by another program", ""),
        (16, Control) => row("EBUSY", ReadFailed, "is not ready for the control yet", "Try again in a moment."),
        (19, _) => row("ENODEV", gone, went, ""),
        (22, Start) => row("EINVAL", OpenFailed, "does not take what was asked of it", DEFAULTS),
        (23 | 24, Open) => {
            row("EMFILE", NoResources, "cannot be opened: too many files are open", "Close other programs.")
        }
        (25, _) => row("ENOTTY", NotACamera, "is no camera", ""),
        (28, Start) => row("ENOSPC", NoResources, "finds no room on its USB bus", BANDWIDTH),
        (32, Start) => row("EPIPE", FormatRefused, "has parts that are not set up for each other", LIBCAMERA),
        (32, Control) => row("EPIPE", ReadFailed, "refuses the control", FIRMWARE),
        (66, Control) => row("EREMOTE", ReadFailed, "has too little power for the control", CABLE),
        (67, Start) => row("ENOLINK", FormatRefused, "has parts that are not connected to each other", LIBCAMERA),
        (71, Start | Read | Control) => row("EPROTO", ReadFailed, "has errors on its USB line", CABLE),
        (75, Start | Read) => row("EOVERFLOW", ReadFailed, "sends more than its USB line was promised", CABLE),
        (84, Start | Read) => row("EILSEQ", ReadFailed, "has errors on its USB line", CABLE),
        (108, _) => row("ESHUTDOWN", gone, "is gone, or its USB controller is", ""),
        (110, Open) => row("ETIMEDOUT", OpenFailed, "does not answer", FIRMWARE),
        (110, _) => row("ETIMEDOUT", ReadFailed, "does not answer a request", FIRMWARE),
        (113, _) => row(
            "EHOSTUNREACH",
            ReadFailed,
            "is suspended by the power saving of its port",
            "Switch USB power saving off for this camera (power/control = on), or unplug it and plug it in again.",
        ),
        _ => return None,
    })
}

/// Any of the numbers that come in a signed one: Linux' errors are positive, Windows' results negative, with AVFoundation's
/// errors in a range of their own.
#[must_use]
pub fn of(code: i64, call: Call) -> Option<ErrorMeaning> {
    let code = i32::try_from(code).ok()?;
    match code {
        1.. => errno(code, call),
        -11_999..=-11_800 => av_error(code),
        _ => hresult(code.cast_unsigned()),
    }
}

/// The last number with a meaning on a line of a library's log, and that meaning: a Windows result as OpenCV prints it
/// (`Error: -1072875772`) or as Microsoft does (`0xC00D3704`), a Linux error after `errno`, AVFoundation's own.
#[must_use]
pub fn in_log(line: &str) -> Option<(i64, ErrorMeaning)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut words = line.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    let mut before = "";
    let mut last = None;
    for word in &mut words {
        let number = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).map_or_else(
            || word.parse::<i64>().ok(),
            |digits| u32::from_str_radix(digits, 16).ok().map(|code| i64::from(code.cast_signed())),
        );
        // A small positive number may be anything.
        if let Some(code) = number.filter(|code| *code < 0 || before.eq_ignore_ascii_case("errno")) {
            last = of(code, Call::Start).map(|meaning| (code, meaning)).or(last);
        }
        before = word;
    }
    last
}

const PRIVACY: &str = "Open Settings > Privacy & security > Camera, and switch on “Camera access”, “Let apps access your camera” and “Let desktop apps access your camera”. If they are on, look whether security software shields the camera.";
const CLOSE: &str = "Close the other program. If there is none, another camera may fill the USB controller: choose a smaller size, or plug it into another port.";
const REPLUG: &str = "Plug the camera in again, into another port if this comes back: it comes back by itself.";
const CODEC: &str = "Choose another format, or “device default”. Editions of Windows whose name ends with N need the Media Feature Pack.";

/// A Windows result (`winerror.h`, `mferror.h`, `vfwmsgs.h`, `nserror.h`) at a camera call, of Media Foundation or DirectShow.
#[must_use]
pub fn hresult(code: u32) -> Option<ErrorMeaning> {
    use FaultKind::{
        Busy, Denied, FormatRefused, Missing, NoFirstFrame, NoResources, OpenFailed, OpenTimeout, Unplugged,
    };
    Some(match code {
        0x8007_0005 => row("E_ACCESSDENIED", Denied, "is kept from this program by the privacy settings", PRIVACY),
        0xC00D_3704 => {
            row("MF_E_HW_MFT_FAILED_START_STREAMING", Busy, "could not start: most often another program has it", CLOSE)
        }
        0xC00D_3EA2 => {
            row("MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED", Unplugged, "was unplugged, or its USB port fails", REPLUG)
        }
        0xC00D_3EA3 => row("MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED", Busy, "was taken over by another program", ""),
        0xC00D_ABE0 => row("MF_E_NO_CAPTURE_DEVICES_AVAILABLE", Missing, "is not there: the system has no camera", ""),
        0xC00D_3E85 => row("MF_E_SHUTDOWN", Unplugged, "was closed by the system", REPLUG),
        0xC00D_36B2 => row("MF_E_INVALIDREQUEST", OpenFailed, "is not ready yet", "Try again in a moment."),
        0xC00D_36B4 => row("MF_E_INVALIDMEDIATYPE", FormatRefused, "does not have this format", ""),
        0xC00D_5212 => {
            row("MF_E_TOPO_CODEC_NOT_FOUND", FormatRefused, "has a format for which the system has no decoder", CODEC)
        }
        0xC00D_36D5 => row("MF_E_NOT_FOUND", Missing, "is not on the system's list", ""),
        0xC00D_36E6 => row("MF_E_ATTRIBUTENOTFOUND", Missing, "does not tell what it is", ""),
        0xC00D_36B3 => row("MF_E_INVALIDSTREAMNUMBER", Missing, "has no such stream", ""),
        0x8000_000A => row("E_PENDING", NoFirstFrame, "gave no picture within 10 s", ""),
        0x8007_05AA => row(
            "ERROR_NO_SYSTEM_RESOURCES",
            NoResources,
            "finds no room on its USB bus, or another program has it",
            BANDWIDTH,
        ),
        0x8007_000E => row("E_OUTOFMEMORY", NoResources, "finds no memory", ""),
        0x8007_001F => {
            row("ERROR_GEN_FAILURE", Busy, "does not start: another program has it, or it fails itself", CLOSE)
        }
        0x8007_048F => row("ERROR_DEVICE_NOT_CONNECTED", Unplugged, "is not connected", ""),
        0x8007_0651 => row("ERROR_DEVICE_REMOVED", Unplugged, "was removed", ""),
        0x8007_00AA => row("ERROR_BUSY", Busy, "is in use by another program", ""),
        0x8007_0020 => row("ERROR_SHARING_VIOLATION", Busy, "is in use by another program", ""),
        0x8007_0006 => row("ERROR_INVALID_HANDLE", Unplugged, "went away while it was being opened", REPLUG),
        0x8007_0057 => row("E_INVALIDARG", FormatRefused, "does not take what was asked of it", ""),
        0x8007_0102 => row("WAIT_TIMEOUT", OpenTimeout, "did not answer its driver in time", ""),
        0xC00D_1B64 => row("NS_E_VIDEODEVICE_BUSY", Busy, "is in use by another program", ""),
        0x8004_0217 => row("VFW_E_CANNOT_CONNECT", FormatRefused, "has no format that DirectShow can connect", CODEC),
        0x8004_022E => row("VFW_E_TIMEOUT", NoFirstFrame, "did not start in time", ""),
        0x8004_0275 => row("VFW_E_NO_CAPTURE_HARDWARE", Missing, "is not there: the system has no camera", ""),
        0x8004_0227 => row("VFW_E_WRONG_STATE", NoFirstFrame, "did not get into its running state", ""),
        0xA00F_4243 => row("CameraReservedByAnotherApp", Busy, "is in use by another program", ""),
        0xA00F_4244 => row("NoCamerasAreAttached", Missing, "is not there: the system has no camera", ""),
        _ => return None,
    })
}

/// A problem code of Windows' Device Manager (`cfg.h`, `CM_PROB_*`). 0 is none.
#[must_use]
pub fn device_problem(code: u32) -> Option<ErrorMeaning> {
    use FaultKind::{Denied, Missing, OpenFailed};
    const DRIVER: &str =
        "In the Device Manager choose “Update driver”, pick from the list, and take “USB Video Device”.";
    const RESTART: &str = "Restart the computer.";
    Some(match code {
        10 => row(
            "CM_PROB_FAILED_START",
            OpenFailed,
            "could not be started by its driver",
            "Unplug the camera and plug it in again; then restart the service “Windows Camera Frame Server”.",
        ),
        14 => row("CM_PROB_NEED_RESTART", OpenFailed, "waits for a restart of the computer", RESTART),
        22 => row(
            "CM_PROB_DISABLED",
            Denied,
            "is disabled in the Device Manager",
            "Enable it in the Device Manager, or with the camera key of the laptop.",
        ),
        24 => row("CM_PROB_DEVICE_NOT_THERE", Missing, "is not there, or not all of its drivers are", ""),
        28 => row("CM_PROB_FAILED_INSTALL", OpenFailed, "has no driver", DRIVER),
        31 => row("CM_PROB_FAILED_ADD", OpenFailed, "has a driver that could not be loaded", DRIVER),
        37 => row("CM_PROB_FAILED_DRIVER_ENTRY", OpenFailed, "has a driver that failed to begin", DRIVER),
        39 => row("CM_PROB_DRIVER_FAILED_LOAD", OpenFailed, "has a driver that is damaged or missing", DRIVER),
        43 => row(
            "CM_PROB_FAILED_POST_START",
            OpenFailed,
            "has reported a failure of its own",
            "Take the power from camera and hub, plug it into another port; then update its firmware.",
        ),
        45 => row("CM_PROB_PHANTOM", Missing, "is unplugged", ""),
        47 => {
            row("CM_PROB_HELD_FOR_EJECT", Missing, "is about to be removed", "Unplug the camera and plug it in again.")
        }
        48 => row("CM_PROB_DRIVER_BLOCKED", OpenFailed, "has a driver that Windows blocks", DRIVER),
        52 => row("CM_PROB_UNSIGNED_DRIVER", OpenFailed, "has a driver without a valid signature", DRIVER),
        _ => return None,
    })
}

/// An error of AVFoundation (`AVError.h`).
#[must_use]
pub fn av_error(code: i32) -> Option<ErrorMeaning> {
    use FaultKind::{Busy, Denied, NoResources, ReadFailed, Stall, Unplugged};
    Some(match code {
        -11804 => row("AVErrorDeviceAlreadyUsedByAnotherSession", Busy, "is in use by another session", ""),
        -11805 => row("AVErrorNoDataCaptured", Stall, "gave no picture", ""),
        -11807 => row("AVErrorDiskFull", NoResources, "cannot be recorded: the disk is full", "Make room on the disk."),
        -11808 => row("AVErrorDeviceWasDisconnected", Unplugged, "was unplugged", ""),
        -11814 => row("AVErrorDeviceNotConnected", Unplugged, "is not connected", ""),
        -11815 => row("AVErrorDeviceInUseByAnotherApplication", Busy, "is in use by another program", ""),
        -11817 => {
            row("AVErrorDeviceLockedForConfigurationByAnotherProcess", Busy, "is being set up by another program", "")
        }
        -11818 => row(
            "AVErrorSessionWasInterrupted",
            Stall,
            "was interrupted by the system",
            "Close other programs that use the camera.",
        ),
        -11819 => row(
            "AVErrorMediaServicesWereReset",
            ReadFailed,
            "lost the system's media service",
            "Try again in a moment.",
        ),
        -11852 => row(
            "AVErrorApplicationIsNotAuthorizedToUseDevice",
            Denied,
            "is kept from this program by the privacy settings",
            TCC,
        ),
        _ => return None,
    })
}

const TCC: &str = "Open System Settings > Privacy & Security > Camera and allow this program, or the terminal that started it; then start it again.";

/// What macOS has decided about this program and cameras (`AVAuthorizationStatus`). `None` where it may use them.
#[must_use]
pub fn authorization(status: i64) -> Option<ErrorMeaning> {
    use FaultKind::Denied;
    match status {
        0 => Some(row(
            "notDetermined",
            Denied,
            "waits for your answer: the system asks whether this program may use cameras",
            "Answer the system's question with “Allow”.",
        )),
        1 => Some(row(
            "restricted",
            Denied,
            "is kept from all programs by a profile or by Screen Time",
            "Ask whoever manages this computer.",
        )),
        2 => Some(row("denied", Denied, "is kept from this program by the privacy settings", TCC)),
        _ => None,
    }
}

/// The words of a system's error. Its number at the end is left to [`Fault::code`].
#[must_use]
pub fn without_code(text: &str) -> &str {
    match text.rsplit_once(" (os error ").or_else(|| text.rsplit_once(" (0x")) {
        Some((start, end)) if end.ends_with(')') => start,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Call::{Control, Open, Read, Start};
    use FaultKind as Kind;

    #[track_caller]
    fn check(meaning: Option<ErrorMeaning>, name: &str, kind: FaultKind) {
        let meaning = meaning.unwrap();
        assert_eq!((meaning.name, meaning.kind), (name, kind));
        let fault = meaning.fault("/dev/video0", 7);
        assert!(fault.message.starts_with("/dev/video0 ") && !fault.message.ends_with('.'), "{fault}");
        assert!(fault.advice.ends_with('.') && fault.code == Some(7), "{}", fault.advice);
    }

    #[test]
    fn errno_rows() {
        check(errno(1, Open), "EPERM", Kind::Denied);
        check(errno(2, Open), "ENOENT", Kind::Missing);
        check(errno(5, Start), "EIO", Kind::OpenFailed);
        check(errno(5, Read), "EIO", Kind::ReadFailed);
        check(errno(5, Control), "EIO", Kind::ReadFailed);
        check(errno(6, Open), "ENXIO", Kind::Missing);
        check(errno(11, Read), "EAGAIN", Kind::Stall);
        check(errno(12, Start), "ENOMEM", Kind::NoResources);
        check(errno(13, Open), "EACCES", Kind::Denied);
        check(errno(13, Control), "EACCES", Kind::FormatRefused);
        check(errno(16, Start), "EBUSY", Kind::Busy);
        check(errno(16, Control), "EBUSY", Kind::ReadFailed);
        check(errno(19, Open), "ENODEV", Kind::Missing);
        check(errno(19, Read), "ENODEV", Kind::Unplugged);
        check(errno(20, Open), "ENOENT", Kind::Missing);
        check(errno(22, Start), "EINVAL", Kind::OpenFailed);
        check(errno(24, Open), "EMFILE", Kind::NoResources);
        check(errno(25, Open), "ENOTTY", Kind::NotACamera);
        check(errno(28, Start), "ENOSPC", Kind::NoResources);
        check(errno(32, Start), "EPIPE", Kind::FormatRefused);
        check(errno(32, Control), "EPIPE", Kind::ReadFailed);
        check(errno(66, Control), "EREMOTE", Kind::ReadFailed);
        check(errno(67, Start), "ENOLINK", Kind::FormatRefused);
        check(errno(71, Read), "EPROTO", Kind::ReadFailed);
        check(errno(75, Read), "EOVERFLOW", Kind::ReadFailed);
        check(errno(84, Read), "EILSEQ", Kind::ReadFailed);
        check(errno(108, Read), "ESHUTDOWN", Kind::Unplugged);
        check(errno(110, Open), "ETIMEDOUT", Kind::OpenFailed);
        check(errno(110, Control), "ETIMEDOUT", Kind::ReadFailed);
        check(errno(113, Start), "EHOSTUNREACH", Kind::ReadFailed);
        // A full disk has the same number as a full bus, and no camera call.
        assert_eq!((errno(28, Read), errno(0, Open), errno(9999, Read)), (None, None, None));
    }

    /// As OpenCV prints the number.
    #[track_caller]
    fn check_hresult(decimal: i32, name: &str, kind: FaultKind) {
        check(hresult(decimal.cast_unsigned()), name, kind);
    }

    #[test]
    fn hresult_rows() {
        check_hresult(-2_147_024_891, "E_ACCESSDENIED", Kind::Denied);
        check_hresult(-1_072_875_772, "MF_E_HW_MFT_FAILED_START_STREAMING", Kind::Busy);
        check_hresult(-1_072_873_822, "MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED", Kind::Unplugged);
        check_hresult(-1_072_873_821, "MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED", Kind::Busy);
        check_hresult(-1_072_845_856, "MF_E_NO_CAPTURE_DEVICES_AVAILABLE", Kind::Missing);
        check_hresult(-1_072_873_851, "MF_E_SHUTDOWN", Kind::Unplugged);
        check_hresult(-1_072_875_854, "MF_E_INVALIDREQUEST", Kind::OpenFailed);
        check_hresult(-1_072_875_852, "MF_E_INVALIDMEDIATYPE", Kind::FormatRefused);
        check_hresult(-1_072_868_846, "MF_E_TOPO_CODEC_NOT_FOUND", Kind::FormatRefused);
        check_hresult(-1_072_875_819, "MF_E_NOT_FOUND", Kind::Missing);
        check_hresult(-1_072_875_802, "MF_E_ATTRIBUTENOTFOUND", Kind::Missing);
        check_hresult(-1_072_875_853, "MF_E_INVALIDSTREAMNUMBER", Kind::Missing);
        check_hresult(-2_147_483_638, "E_PENDING", Kind::NoFirstFrame);
        check_hresult(-2_147_023_446, "ERROR_NO_SYSTEM_RESOURCES", Kind::NoResources);
        check_hresult(-2_147_024_882, "E_OUTOFMEMORY", Kind::NoResources);
        check_hresult(-2_147_024_865, "ERROR_GEN_FAILURE", Kind::Busy);
        check_hresult(-2_147_023_729, "ERROR_DEVICE_NOT_CONNECTED", Kind::Unplugged);
        check_hresult(-2_147_023_279, "ERROR_DEVICE_REMOVED", Kind::Unplugged);
        check_hresult(-2_147_024_726, "ERROR_BUSY", Kind::Busy);
        check_hresult(-2_147_024_864, "ERROR_SHARING_VIOLATION", Kind::Busy);
        check_hresult(-2_147_024_890, "ERROR_INVALID_HANDLE", Kind::Unplugged);
        check_hresult(-2_147_024_809, "E_INVALIDARG", Kind::FormatRefused);
        check_hresult(-2_147_024_638, "WAIT_TIMEOUT", Kind::OpenTimeout);
        check_hresult(-1_072_882_844, "NS_E_VIDEODEVICE_BUSY", Kind::Busy);
        check_hresult(-2_147_220_969, "VFW_E_CANNOT_CONNECT", Kind::FormatRefused);
        check_hresult(-2_147_220_946, "VFW_E_TIMEOUT", Kind::NoFirstFrame);
        check_hresult(-2_147_220_875, "VFW_E_NO_CAPTURE_HARDWARE", Kind::Missing);
        check_hresult(-2_147_220_953, "VFW_E_WRONG_STATE", Kind::NoFirstFrame);
        check(hresult(0xA00F_4243), "CameraReservedByAnotherApp", Kind::Busy);
        check(hresult(0xA00F_4244), "NoCamerasAreAttached", Kind::Missing);
        assert_eq!((hresult(0), hresult(0x8000_4005)), (None, None));
    }

    #[track_caller]
    fn check_log(line: &str, expected: Option<(i64, &str)>) {
        assert_eq!(in_log(line).map(|(code, meaning)| (code, meaning.name)), expected, "{line}");
    }

    #[test]
    fn numbers_are_found_in_what_libraries_log() {
        let preempted = Some((-1_072_873_821, "MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED"));
        check_log(
            "[ WARN:0@3.1] global cap_msmf.cpp:1795 videoio(MSMF): can't grab frame. Error: -1072873821",
            preempted,
        );
        check_log("[ WARN:1] videoio(MSMF): OnReadSample() is called with error status: -1072873821", preempted);
        check_log("[ERROR] ActivateObject failed (0x80070005)", Some((-2_147_024_891, "E_ACCESSDENIED")));
        check_log("VIDIOC_REQBUFS: errno=16 (Device or resource busy)", Some((16, "EBUSY")));
        check_log("OpenCV: error -11852", Some((-11_852, "AVErrorApplicationIsNotAuthorizedToUseDevice")));
        check_log("a -1072873821 b -5 c", preempted);
        check_log("cap_msmf.cpp (16) 28 0x10 -7 --", None);
        check_log("errno", None);
        check_log("", None);
    }

    #[test]
    fn a_number_belongs_to_its_system() {
        check(of(28, Start), "ENOSPC", Kind::NoResources);
        check(of(-2_147_024_891, Open), "E_ACCESSDENIED", Kind::Denied);
        check(of(-11_815, Read), "AVErrorDeviceInUseByAnotherApplication", Kind::Busy);
        assert_eq!((of(0, Open), of(i64::MAX, Open), of(i64::MIN, Open)), (None, None, None));
    }

    #[test]
    fn device_problem_rows() {
        check(device_problem(10), "CM_PROB_FAILED_START", Kind::OpenFailed);
        check(device_problem(14), "CM_PROB_NEED_RESTART", Kind::OpenFailed);
        check(device_problem(22), "CM_PROB_DISABLED", Kind::Denied);
        check(device_problem(24), "CM_PROB_DEVICE_NOT_THERE", Kind::Missing);
        check(device_problem(28), "CM_PROB_FAILED_INSTALL", Kind::OpenFailed);
        check(device_problem(31), "CM_PROB_FAILED_ADD", Kind::OpenFailed);
        check(device_problem(37), "CM_PROB_FAILED_DRIVER_ENTRY", Kind::OpenFailed);
        check(device_problem(39), "CM_PROB_DRIVER_FAILED_LOAD", Kind::OpenFailed);
        check(device_problem(43), "CM_PROB_FAILED_POST_START", Kind::OpenFailed);
        check(device_problem(45), "CM_PROB_PHANTOM", Kind::Missing);
        check(device_problem(47), "CM_PROB_HELD_FOR_EJECT", Kind::Missing);
        check(device_problem(48), "CM_PROB_DRIVER_BLOCKED", Kind::OpenFailed);
        check(device_problem(52), "CM_PROB_UNSIGNED_DRIVER", Kind::OpenFailed);
        assert_eq!(device_problem(0), None);
    }

    #[test]
    fn av_error_rows() {
        check(av_error(-11804), "AVErrorDeviceAlreadyUsedByAnotherSession", Kind::Busy);
        check(av_error(-11805), "AVErrorNoDataCaptured", Kind::Stall);
        check(av_error(-11807), "AVErrorDiskFull", Kind::NoResources);
        check(av_error(-11808), "AVErrorDeviceWasDisconnected", Kind::Unplugged);
        check(av_error(-11814), "AVErrorDeviceNotConnected", Kind::Unplugged);
        check(av_error(-11815), "AVErrorDeviceInUseByAnotherApplication", Kind::Busy);
        check(av_error(-11817), "AVErrorDeviceLockedForConfigurationByAnotherProcess", Kind::Busy);
        check(av_error(-11818), "AVErrorSessionWasInterrupted", Kind::Stall);
        check(av_error(-11819), "AVErrorMediaServicesWereReset", Kind::ReadFailed);
        check(av_error(-11852), "AVErrorApplicationIsNotAuthorizedToUseDevice", Kind::Denied);
        assert_eq!(av_error(0), None);
    }

    #[test]
    fn authorization_rows() {
        check(authorization(0), "notDetermined", Kind::Denied);
        check(authorization(1), "restricted", Kind::Denied);
        check(authorization(2), "denied", Kind::Denied);
        assert_eq!(authorization(3), None);
    }

    #[test]
    fn a_number_is_not_said_twice() {
        assert_eq!(without_code("No such device (os error 19)"), "No such device");
        assert_eq!(without_code("MFT failed (0xC00D3704)"), "MFT failed");
        assert_eq!(without_code("Failed to Fufill"), "Failed to Fufill");
        assert_eq!(without_code("a (os error 5) in the middle"), "a (os error 5) in the middle");
    }
}
