//! Whether any program has a camera's stream running (`CMIOHardware.h`). Needs no permission.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

/// `CMIOObjectPropertyAddress`
#[repr(C)]
pub struct PropertyAddress {
    pub selector: u32,
    pub scope: u32,
    pub element: u32,
}

/// `kCMIOObjectSystemObject`
pub const SYSTEM: u32 = 1;
/// `kCMIOHardwarePropertyDevices`, `kCMIODevicePropertyDeviceUID`, `kCMIODevicePropertyDeviceIsRunningSomewhere`,
/// `kCMIOObjectPropertyScopeGlobal`
pub const DEVICES: u32 = u32::from_be_bytes(*b"dev#");
const UID: u32 = u32::from_be_bytes(*b"uid ");
const IS_RUNNING: u32 = u32::from_be_bytes(*b"gone");
pub const GLOBAL: u32 = u32::from_be_bytes(*b"glob");
/// `kCFStringEncodingUTF8`
const UTF8: u32 = 0x0800_0100;
/// More cameras than any computer has, and a longer ID than any of them has.
const MAX_CAMERAS: usize = 256;
const MAX_ID: usize = 1_024;

#[expect(unsafe_code, reason = "calls into the system")]
#[link(name = "CoreMediaIO", kind = "framework")]
unsafe extern "C" {
    fn CMIOObjectGetPropertyData(
        object: u32,
        address: *const PropertyAddress,
        n_qualifier: u32,
        qualifier: *const c_void,
        n_bytes: u32,
        n_used: *mut u32,
        data: *mut c_void,
    ) -> i32;
}

#[expect(unsafe_code, reason = "calls into the system")]
#[link(name = "CoreFoundation", kind = "framework")]
unsafe extern "C" {
    fn CFStringGetCString(text: *const c_void, buffer: *mut c_char, n_bytes: isize, encoding: u32) -> u8;
    fn CFRelease(object: *const c_void);
}

/// `None` where the system lists no camera of that unique ID, or does not tell.
pub fn is_running(unique_id: &str) -> Option<bool> {
    let mut all = [0_u32; MAX_CAMERAS];
    let n_bytes = property(SYSTEM, DEVICES, &mut all)?;
    let devices = all.iter().take(n_bytes / size_of::<u32>());
    let device = *devices.into_iter().find(|device| unique_id_of(**device).as_deref() == Some(unique_id))?;
    let mut is_running = [0_u32];
    property(device, IS_RUNNING, &mut is_running).filter(|n_bytes| *n_bytes == size_of::<u32>())?;
    Some(is_running != [0])
}

/// A type that holds whatever bits the system puts there.
trait Plain: Copy {}
impl Plain for u32 {}
impl Plain for *const c_void {}

/// How many bytes there are of it.
fn property<T: Plain>(object: u32, selector: u32, data: &mut [T]) -> Option<usize> {
    let address = PropertyAddress { selector, scope: GLOBAL, element: 0 };
    let n_bytes = u32::try_from(size_of_val(data)).ok()?;
    let mut n_used = 0;
    // SAFETY: the buffer is as long as is said, and any bits are a value of it; it lives through the call with the rest.
    #[expect(unsafe_code, reason = "calls into the system")]
    let status = unsafe {
        let data = data.as_mut_ptr().cast();
        CMIOObjectGetPropertyData(object, &raw const address, 0, ptr::null(), n_bytes, &raw mut n_used, data)
    };
    (status == 0 && n_used <= n_bytes).then_some(n_used as usize)
}

fn unique_id_of(device: u32) -> Option<String> {
    let mut text = [ptr::null::<c_void>()];
    property(device, UID, &mut text).filter(|n_bytes| *n_bytes == size_of::<*const c_void>())?;
    let [text] = text;
    if text.is_null() {
        return None;
    }
    let mut buffer = [0_u8; MAX_ID];
    // SAFETY: the system gives a `CFString` that is ours to release, once; the buffer is as long as is said.
    #[expect(unsafe_code, reason = "calls into the system")]
    let is_read = unsafe {
        let is_read = CFStringGetCString(text, buffer.as_mut_ptr().cast(), MAX_ID as isize, UTF8) != 0;
        CFRelease(text);
        is_read
    };
    let id = CStr::from_bytes_until_nul(&buffer).ok().filter(|_| is_read)?;
    id.to_str().ok().map(str::to_owned)
}
