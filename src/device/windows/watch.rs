//! Tells when a camera is plugged in or out.

use std::ffi::c_void;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_NOTIFY_ACTION, CM_NOTIFY_EVENT_DATA, CM_NOTIFY_FILTER, CM_NOTIFY_FILTER_0, CM_NOTIFY_FILTER_0_0,
    CM_NOTIFY_FILTER_TYPE_DEVICEINTERFACE, CONFIGRET, CR_SUCCESS, HCMNOTIFICATION, PCM_NOTIFY_CALLBACK,
};
use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::Media::KernelStreaming::{KSCATEGORY_SENSOR_CAMERA, KSCATEGORY_VIDEO, KSCATEGORY_VIDEO_CAMERA};
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW};
use windows_sys::core::{GUID, w};

use crate::lock::Lock;

type Register = unsafe extern "system" fn(
    *const CM_NOTIFY_FILTER,
    *const c_void,
    PCM_NOTIFY_CALLBACK,
    *mut HCMNOTIFICATION,
) -> CONFIGRET;
type Unregister = unsafe extern "system" fn(HCMNOTIFICATION) -> CONFIGRET;

/// Several of the system's threads may call at once.
type ChangeCallback = Lock<Box<dyn Fn() + Send>>;

/// Ends the watch when it is dropped, which waits for a call of the report that is under way: not to be dropped inside it.
pub struct WatchGuard {
    registrations: Vec<Registration>,
    unregister: Unregister,
    changed: *mut ChangeCallback,
}

/// A handle of the system's, which may be used on any thread.
struct Registration(HCMNOTIFICATION);

// SAFETY: the handles may be given back on any thread, and what `changed` points to may be called and dropped on any.
#[expect(unsafe_code, reason = "holds what the system calls")]
unsafe impl Send for WatchGuard {}
// SAFETY: nothing can be done with a shared one.
#[expect(unsafe_code, reason = "holds what the system calls")]
unsafe impl Sync for WatchGuard {}

/// Calls `changed` on a thread of the system's each time an interface of a camera comes or goes: once for each of a camera's
/// interfaces, shortly after one another. It must not block. `None` where the system has no such service (before Windows
/// 8).
pub fn watch(changed: impl Fn() + Send + 'static) -> Option<WatchGuard> {
    // Looked up at run time: a program that is linked with a function that is not there does not start.
    // SAFETY: both names end with a zero. The library stays loaded for good, and with it the functions; their types are
    // those of `cfgmgr32.h`.
    #[expect(unsafe_code, reason = "calls into the system")]
    let (register, unregister) = unsafe {
        let library = LoadLibraryExW(w!("cfgmgr32.dll"), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32);
        if library.is_null() {
            return None;
        }
        let register = GetProcAddress(library, c"CM_Register_Notification".as_ptr().cast())?;
        let unregister = GetProcAddress(library, c"CM_Unregister_Notification".as_ptr().cast())?;
        (mem::transmute::<_, Register>(register), mem::transmute::<_, Unregister>(unregister))
    };
    let changed: Box<ChangeCallback> = Box::new(Lock::new(Box::new(changed)));
    let mut guard = WatchGuard { registrations: Vec::new(), unregister, changed: Box::into_raw(changed) };
    for category in [KSCATEGORY_VIDEO_CAMERA, KSCATEGORY_SENSOR_CAMERA, KSCATEGORY_VIDEO] {
        let filter = filter(category);
        let mut handle = ptr::null_mut();
        // SAFETY: the filter has its size in it and lives through the call. What `changed` points to lives until the guard
        // has taken the registration back.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result =
            unsafe { register(&raw const filter, guard.changed.cast_const().cast(), Some(on_change), &raw mut handle) };
        if result == CR_SUCCESS && !handle.is_null() {
            guard.registrations.push(Registration(handle));
        }
    }
    (!guard.registrations.is_empty()).then_some(guard)
}

fn filter(category: GUID) -> CM_NOTIFY_FILTER {
    CM_NOTIFY_FILTER {
        cbSize: u32::try_from(size_of::<CM_NOTIFY_FILTER>()).unwrap_or_default(),
        FilterType: CM_NOTIFY_FILTER_TYPE_DEVICEINTERFACE,
        u: CM_NOTIFY_FILTER_0 { DeviceInterface: CM_NOTIFY_FILTER_0_0 { ClassGuid: category } },
        ..Default::default()
    }
}

/// Called by the system, on a thread of its own.
#[expect(unsafe_code, reason = "called by the system")]
unsafe extern "system" fn on_change(
    _: HCMNOTIFICATION,
    context: *const c_void,
    _: CM_NOTIFY_ACTION,
    _: *const CM_NOTIFY_EVENT_DATA,
    _: u32,
) -> u32 {
    // SAFETY: the context is the pointer that was registered, and what it points to is dropped after the last call only.
    let changed = unsafe { &*context.cast::<ChangeCallback>() };
    // A panic may not leave a function that the system calls.
    let _ = catch_unwind(AssertUnwindSafe(|| (*changed.lock_inside())()));
    ERROR_SUCCESS
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        // SAFETY: each handle was given to us by the matching call and is given back once. The call waits for a report that
        // is under way, so that nobody uses what `changed` points to, which was made by `Box::into_raw`.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            let mut is_over = true;
            for registration in self.registrations.drain(..) {
                is_over &= (self.unregister)(registration.0) == CR_SUCCESS;
            }
            // Where the system has refused, it may still call.
            if is_over {
                drop(Box::from_raw(self.changed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_when_it_is_dropped() {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<()>(1);
        let guard = watch(move || {
            let _ = sender.try_send(());
        });
        drop(guard);
        // The sender is gone with what the system called.
        assert_eq!(receiver.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    }
}
