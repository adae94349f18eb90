//! The registry, read only: who may use cameras, and who does. What it means is in `consent.rs`.

use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_64KEY, REG_DWORD, REG_QWORD, REG_SZ, RegCloseKey,
    RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW,
};

use super::consent::{ConsentStore, RegistryKey, RegistryValue};
use super::device_property::{DeviceProperty, decode};

/// The store has three levels; deeper is nothing that anybody here asks for.
const MAX_DEPTH: usize = 4;
/// More programs than ever used a camera of one computer.
const MAX_ENTRIES: u32 = 4_096;
/// `MAX_PATH` and what a long path may add; the registry's own limits are 255 for a key and 16383 for a value.
const MAX_NAME: usize = 512;
const MAX_DATA: usize = 2_048;

const WEBCAM: &str = r"Software\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore\webcam";
const POLICY: &str = r"Software\Policies\Microsoft\Windows\AppPrivacy";

/// What is not there, or may not be read, is empty.
pub fn consent() -> ConsentStore {
    let read = |root, path| OpenKey::at(root, path).map(|key| key.read(MAX_DEPTH)).unwrap_or_default();
    ConsentStore {
        machine: read(HKEY_LOCAL_MACHINE, WEBCAM),
        user: read(HKEY_CURRENT_USER, WEBCAM),
        policy: read(HKEY_LOCAL_MACHINE, POLICY),
    }
}

/// A key that is open for reading, and closed when it is dropped.
struct OpenKey(HKEY);

impl Drop for OpenKey {
    fn drop(&mut self) {
        // SAFETY: the key is ours, and nobody uses it after this.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            RegCloseKey(self.0);
        }
    }
}

impl OpenKey {
    fn at(parent: HKEY, path: &str) -> Option<Self> {
        let path = path.encode_utf16().chain([0]).collect::<Vec<_>>();
        let mut key = ptr::null_mut();
        // SAFETY: the path ends with a zero; it and `key` live through the call. `parent` is open, or one that always is.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe { RegOpenKeyExW(parent, path.as_ptr(), 0, KEY_READ | KEY_WOW64_64KEY, &raw mut key) };
        (result == ERROR_SUCCESS).then_some(Self(key))
    }

    fn read(&self, depth: usize) -> RegistryKey {
        let values = (0..MAX_ENTRIES).map_while(|number| self.value(number)).flatten().collect();
        let below = |name: String| {
            let key = Self::at(self.0, &name)?;
            Some((name, key.read(depth.checked_sub(1)?)))
        };
        RegistryKey { values, keys: (0..MAX_ENTRIES).map_while(|number| self.key(number)).filter_map(below).collect() }
    }

    /// `None` after the last one.
    fn key(&self, number: u32) -> Option<String> {
        let mut name = [0_u16; MAX_NAME];
        let mut n_units = MAX_NAME as u32;
        // SAFETY: the buffer is as long as is said, and lives through the call; nothing else is asked for.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe {
            let (none, no_class, no_time) = (ptr::null(), ptr::null_mut(), ptr::null_mut());
            let name = name.as_mut_ptr();
            RegEnumKeyExW(self.0, number, name, &raw mut n_units, none, no_class, ptr::null_mut(), no_time)
        };
        (result == ERROR_SUCCESS).then(|| String::from_utf16_lossy(name.get(..n_units as usize).unwrap_or_default()))
    }

    /// `None` after the last one; `Some(None)` for one of another type, or one that is too long.
    fn value(&self, number: u32) -> Option<Option<(String, RegistryValue)>> {
        let (mut name, mut data) = ([0_u16; MAX_NAME], [0_u8; MAX_DATA]);
        let (mut n_units, mut n_bytes, mut kind) = (MAX_NAME as u32, MAX_DATA as u32, 0);
        // SAFETY: both buffers are as long as is said, and live through the call.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe {
            let (none, name, data) = (ptr::null(), name.as_mut_ptr(), data.as_mut_ptr());
            RegEnumValueW(self.0, number, name, &raw mut n_units, none, &raw mut kind, data, &raw mut n_bytes)
        };
        match result {
            ERROR_SUCCESS => {}
            ERROR_MORE_DATA => return Some(None),
            _ => return None,
        }
        let name = String::from_utf16_lossy(name.get(..n_units as usize).unwrap_or_default());
        let data = data.get(..n_bytes as usize).unwrap_or_default();
        let value = match kind {
            REG_DWORD => data.try_into().ok().map(|bytes| RegistryValue::Number(u32::from_le_bytes(bytes).into())),
            REG_QWORD => data.try_into().ok().map(|bytes| RegistryValue::Number(u64::from_le_bytes(bytes))),
            // `DEVPROP_TYPE_STRING` has the same bytes.
            REG_SZ => match decode(0x12, data) {
                Some(DeviceProperty::Text(text)) => Some(RegistryValue::Text(text)),
                _ => None,
            },
            _ => None,
        };
        Some(value.map(|value| (name, value)))
    }
}
