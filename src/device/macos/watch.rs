//! Tells when a camera is plugged in or out (`CMIOHardwareObject.h`).

use std::ffi::c_void;

use super::core_media_io::{DEVICES, GLOBAL, PropertyAddress, SYSTEM};

use crate::lock::Lock;

type PropertyListener = unsafe extern "C" fn(u32, u32, *const PropertyAddress, *mut c_void) -> i32;
type ChangeCallback = Lock<Option<Box<dyn Fn() + Send>>>;

#[expect(unsafe_code, reason = "calls into the system")]
#[link(name = "CoreMediaIO", kind = "framework")]
unsafe extern "C" {
    fn CMIOObjectAddPropertyListener(
        object: u32,
        address: *const PropertyAddress,
        listener: PropertyListener,
        context: *mut c_void,
    ) -> i32;
    fn CMIOObjectRemovePropertyListener(
        object: u32,
        address: *const PropertyAddress,
        listener: PropertyListener,
        context: *mut c_void,
    ) -> i32;
}

static WATCHED: PropertyAddress = PropertyAddress { selector: DEVICES, scope: GLOBAL, element: 0 };

/// Ends the watch when it is dropped, which waits for a call of the report that is under way: not to be dropped inside it.
pub struct WatchGuard {
    /// Never freed: the header does not say that no call comes any more once the listener is removed. It is a few bytes.
    changed: &'static ChangeCallback,
}

/// Calls `changed` on a thread of the system's each time its list of cameras changes. It must not block. `None` where the
/// system refuses.
pub fn watch(changed: impl Fn() + Send + 'static) -> Option<WatchGuard> {
    let changed: Box<dyn Fn() + Send> = Box::new(changed);
    let changed: &'static ChangeCallback = Box::leak(Box::new(Lock::new(Some(changed))));
    let context = std::ptr::from_ref(changed).cast_mut().cast();
    // SAFETY: the address is read within the call, and what the context points to lives for ever.
    #[expect(unsafe_code, reason = "calls into the system")]
    let status = unsafe { CMIOObjectAddPropertyListener(SYSTEM, &raw const WATCHED, on_change, context) };
    (status == 0).then_some(WatchGuard { changed })
}

/// Called by the system, on a thread of its own.
#[expect(unsafe_code, reason = "called by the system")]
unsafe extern "C" fn on_change(_: u32, _: u32, _: *const PropertyAddress, context: *mut c_void) -> i32 {
    // SAFETY: the context is what was registered, which lives for ever and is shared only.
    let changed = unsafe { &*context.cast_const().cast::<ChangeCallback>() };
    if let Some(changed) = changed.lock_inside().as_ref() {
        changed();
    }
    0
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        let context = std::ptr::from_ref(self.changed).cast_mut().cast();
        // SAFETY: as in `watch`; listener and context are those that were registered.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            CMIOObjectRemovePropertyListener(SYSTEM, &raw const WATCHED, on_change, context);
        }
        *self.changed.lock() = None;
    }
}
