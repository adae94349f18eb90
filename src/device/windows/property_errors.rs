//! Why a call that reads or sets a property of a camera failed, from its result (`HRESULT`, `winerror.h`).

/// Whether a result of a call says that the camera has gone, and does not come back to whoever held it.
#[must_use]
pub fn is_gone(result: u32) -> bool {
    // ERROR_FILE_NOT_FOUND, _INVALID_HANDLE, _DEV_NOT_EXIST, _NO_SUCH_DEVICE, _DEVICE_NOT_CONNECTED, _DEVICE_REMOVED
    matches!(result, 0x8007_0002 | 0x8007_0006 | 0x8007_0037 | 0x8007_01B1 | 0x8007_048F | 0x8007_0651)
}

/// Why a call that sets a property failed, as a sentence for people. `message` is the system's.
#[must_use]
pub fn why_refused(result: u32, message: &str) -> String {
    match result {
        result if is_gone(result) => "the camera is gone".to_owned(),
        // E_INVALIDARG, ERROR_INVALID_DATA
        0x8007_0057 | 0x8007_000D => "the camera does not take this value".to_owned(),
        // E_PROP_ID_UNSUPPORTED, E_PROP_SET_UNSUPPORTED, E_NOTIMPL, ERROR_INVALID_FUNCTION
        0x8007_0490 | 0x8007_0492 | 0x8000_4001 | 0x8007_0001 => "the driver does not let it be set".to_owned(),
        // E_ACCESSDENIED, ERROR_BUSY, ERROR_SHARING_VIOLATION
        0x8007_0005 | 0x8007_00AA | 0x8007_0020 => {
            "the driver does not change it while the camera is in use".to_owned()
        }
        // ERROR_GEN_FAILURE, ERROR_SEM_TIMEOUT, WAIT_TIMEOUT, ERROR_TIMEOUT
        0x8007_001F | 0x8007_0079 | 0x8007_0102 | 0x8007_05B4 => "the camera did not answer".to_owned(),
        _ if message.trim().is_empty() => format!("the driver says {result:#010X}"),
        _ => message.trim().trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_why(result: u32, message: &str, expected: &str) {
        assert_eq!(why_refused(result, message), expected, "{result:x}");
    }

    #[test]
    fn refusals_are_sentences() {
        check_why(0x8007_048F, "", "the camera is gone");
        check_why(0x8007_0057, "The parameter is incorrect.", "the camera does not take this value");
        check_why(0x8007_0490, "Element not found.", "the driver does not let it be set");
        check_why(0x8007_001F, "", "the camera did not answer");
        check_why(0x8004_0001, " Something else.\r\n", "Something else");
        check_why(0x8004_0001, "", "the driver says 0x80040001");
        assert!(!is_gone(0x8007_0490));
    }
}
