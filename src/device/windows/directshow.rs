//! The cameras of `DirectShow`, and what they can do. Asks their drivers, which may hang.

use windows::Win32::Foundation::SIZE;
use windows::Win32::Media::DirectShow::{
    IAMStreamConfig, IAMVideoControl, IBaseFilter, ICreateDevEnum, IPin, PINDIR_OUTPUT, VIDEO_STREAM_CONFIG_CAPS,
};
use windows::Win32::Media::MediaFoundation::{
    AM_MEDIA_TYPE, CLSID_SystemDeviceEnum, CLSID_VideoInputDeviceCategory, MEDIATYPE_Video,
};
use windows::Win32::System::Com::StructuredStorage::IPropertyBag;
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, CoCreateInstance, CoInitializeEx,
    CoTaskMemFree, CoUninitialize, IBindCtx, IErrorLog, IMoniker,
};
use windows::Win32::System::Variant::{VARIANT, VT_BSTR};
use windows::core::{Interface, PCWSTR, w};

use super::cameras::ListedCamera;
use super::media_types::Offer;

/// More cameras, pins and media types than any computer, camera and pin has.
const MAX_CAMERAS: usize = 256;
const MAX_PINS: usize = 64;
const MAX_OFFERS: i32 = 4_096;
/// More rates than any camera has for one size, and more bytes than any media type.
const MAX_RATES: usize = 256;
const MAX_BLOCK: usize = 4_096;

/// The use of COM on one thread, which is given back when it is dropped.
pub struct Com(());

impl Com {
    /// `None` on a thread that is used in another way already, and may be used so.
    ///
    /// In the way in which nokhwa uses it, which prepares only the first thread that asks it for anything.
    pub fn start() -> Option<Self> {
        // SAFETY: no requirement but that each success is given back on the same thread; the guard can leave no other.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe { CoInitializeEx(None, COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE) };
        result.is_ok().then_some(Self(()))
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        // SAFETY: this thread has prepared it, and all that was made with it is gone: nothing outlives the calls below.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            CoUninitialize();
        }
    }
}

/// In the order in which `DirectShow` counts them, which is OpenCV's. Needs [`Com`].
pub fn list() -> Vec<ListedCamera> {
    monikers().iter().map(describe).collect()
}

/// The camera of that path, as [`list`] has it. `None` where there is none, or its driver does not start.
///
/// A camera may be bound several times, also while a program streams from it.
pub fn bind(path: &str) -> Option<IBaseFilter> {
    let moniker = monikers().into_iter().find(|moniker| describe(moniker).path.eq_ignore_ascii_case(path))?;
    // SAFETY: the moniker is valid, and the call has no context.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe { moniker.BindToObject(None::<&IBindCtx>, None::<&IMoniker>) }.ok()
}

/// What a camera offers.
pub fn offers(filter: &IBaseFilter) -> Vec<Offer> {
    let rates = filter.cast::<IAMVideoControl>().ok();
    let offers = pins(filter).into_iter().filter_map(|pin| Some((pin.cast::<IAMStreamConfig>().ok()?, pin)));
    offers.flat_map(|(config, pin)| offers_of(&config, &pin, rates.as_ref())).collect()
}

fn monikers() -> Vec<IMoniker> {
    let mut all = None;
    // SAFETY: both class and category are the system's; `all` lives through the call. It stays empty where there is no
    // camera.
    #[expect(unsafe_code, reason = "calls into the system")]
    let is_made = unsafe {
        CoCreateInstance::<_, ICreateDevEnum>(&CLSID_SystemDeviceEnum, None, CLSCTX_INPROC_SERVER)
            .and_then(|system| system.CreateClassEnumerator(&CLSID_VideoInputDeviceCategory, &raw mut all, 0))
    };
    let Some(all) = all.filter(|_| is_made.is_ok()) else { return Vec::new() };
    let one = |_| {
        let mut one = [None];
        // SAFETY: there is room for the one that is asked for.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe { all.Next(&mut one, None) };
        let [moniker] = one;
        moniker.filter(|_| result.is_ok())
    };
    (0..MAX_CAMERAS).map_while(one).collect()
}

fn describe(moniker: &IMoniker) -> ListedCamera {
    // SAFETY: the moniker is valid, and the calls have no context. The text is the caller's to free, once.
    #[expect(unsafe_code, reason = "calls into the system")]
    let (bag, display_name) = unsafe {
        let bag = moniker.BindToStorage::<_, _, IPropertyBag>(None::<&IBindCtx>, None::<&IMoniker>).ok();
        let name = moniker.GetDisplayName(None::<&IBindCtx>, None::<&IMoniker>);
        let text = name.map(|name| {
            let text = if name.is_null() { String::new() } else { String::from_utf16_lossy(name.as_wide()) };
            CoTaskMemFree(Some(name.as_ptr().cast_const().cast()));
            text
        });
        (bag, text.unwrap_or_default())
    };
    let read = |name| bag.as_ref().and_then(|bag| property(bag, name)).filter(|text| !text.is_empty());
    ListedCamera {
        name: read(w!("FriendlyName")).unwrap_or_default(),
        path: read(w!("DevicePath")).unwrap_or(display_name),
    }
}

fn property(bag: &IPropertyBag, name: PCWSTR) -> Option<String> {
    let mut value = VARIANT::default();
    // SAFETY: the name ends with a zero, and `value` is an empty one that lives through the call.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe { bag.Read(name, &raw mut value, None::<&IErrorLog>) }.ok()?;
    if value.vt() != VT_BSTR {
        return None;
    }
    // SAFETY: that type says that the value is a text, which lives as long as it.
    #[expect(unsafe_code, reason = "calls into the system")]
    let text = unsafe { &*value.Anonymous.Anonymous.Anonymous.bstrVal };
    Some(text.to_string())
}

fn pins(filter: &IBaseFilter) -> Vec<IPin> {
    // SAFETY: the filter is valid.
    #[expect(unsafe_code, reason = "calls into the system")]
    let Ok(all) = (unsafe { filter.EnumPins() }) else { return Vec::new() };
    let one = |_| {
        let mut one = [None];
        // SAFETY: there is room for the one that is asked for.
        #[expect(unsafe_code, reason = "calls into the system")]
        let result = unsafe { all.Next(&mut one, None) };
        let [pin] = one;
        pin.filter(|_| result.is_ok())
    };
    // SAFETY: the pin is valid.
    #[expect(unsafe_code, reason = "calls into the system")]
    let gives = |pin: &IPin| unsafe { pin.QueryDirection() }.is_ok_and(|direction| direction == PINDIR_OUTPUT);
    (0..MAX_PINS).map_while(one).filter(gives).collect()
}

fn offers_of(config: &IAMStreamConfig, pin: &IPin, rates: Option<&IAMVideoControl>) -> Vec<Offer> {
    let (mut n_offers, mut n_bytes) = (0, 0);
    // SAFETY: both numbers live through the call.
    #[expect(unsafe_code, reason = "calls into the system")]
    let is_told = unsafe { config.GetNumberOfCapabilities(&raw mut n_offers, &raw mut n_bytes) }.is_ok();
    let is_video = usize::try_from(n_bytes).is_ok_and(|n_bytes| n_bytes == size_of::<VIDEO_STREAM_CONFIG_CAPS>());
    if !is_told || !is_video {
        return Vec::new();
    }
    (0..n_offers.min(MAX_OFFERS)).filter_map(|number| one_offer(config, number, pin, rates)).collect()
}

fn one_offer(config: &IAMStreamConfig, number: i32, pin: &IPin, rates: Option<&IAMVideoControl>) -> Option<Offer> {
    let mut caps = VIDEO_STREAM_CONFIG_CAPS::default();
    let mut media_type = std::ptr::null_mut::<AM_MEDIA_TYPE>();
    // SAFETY: `caps` is of the size that the driver has told, and both live through the call. The media type, if there is
    // one, is ours until `free` takes it, and its block is as long as it says.
    #[expect(unsafe_code, reason = "calls into the system")]
    let (is_video, mut offer) = unsafe {
        config.GetStreamCaps(number, &raw mut media_type, (&raw mut caps).cast()).ok()?;
        let read = media_type.as_ref()?;
        let n_bytes = usize::try_from(read.cbFormat).unwrap_or_default();
        let block = if read.pbFormat.is_null() || n_bytes > MAX_BLOCK {
            Vec::new()
        } else {
            std::slice::from_raw_parts(read.pbFormat, n_bytes).to_vec()
        };
        let offer = Offer {
            subtype: read.subtype.to_u128(),
            kind: read.formattype.to_u128(),
            block,
            shortest: caps.MinFrameInterval,
            longest: caps.MaxFrameInterval,
            times: Vec::new(),
        };
        let is_video = read.majortype == MEDIATYPE_Video;
        free(media_type);
        (is_video, offer)
    };
    offer.times = rates.map(|rates| times(rates, pin, number, caps.MaxOutputSize)).unwrap_or_default();
    is_video.then_some(offer)
}

/// The very times of a picture that can be had at a size.
fn times(rates: &IAMVideoControl, pin: &IPin, number: i32, size: SIZE) -> Vec<i64> {
    let (mut n_times, mut list) = (0, std::ptr::null_mut());
    // SAFETY: both live through the call. The list, if there is one, has so many numbers, and is ours to free, once.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe {
        let is_told = rates.GetFrameRateList(pin, number, size, &raw mut n_times, &raw mut list).is_ok();
        if list.is_null() {
            return Vec::new();
        }
        let n_times = usize::try_from(n_times).unwrap_or_default().min(MAX_RATES);
        let times = if is_told { std::slice::from_raw_parts(list, n_times).to_vec() } else { Vec::new() };
        CoTaskMemFree(Some(list.cast_const().cast()));
        times
    }
}

/// `DeleteMediaType` of the system's samples, which no library has.
///
/// # Safety
/// `media_type` was made by the system for its caller, and nobody uses it afterwards.
#[expect(unsafe_code, reason = "frees what the system has made")]
unsafe fn free(media_type: *mut AM_MEDIA_TYPE) {
    // SAFETY: as above. Taking the object out drops it.
    unsafe {
        let read = &mut *media_type;
        drop(std::mem::ManuallyDrop::take(&mut read.pUnk));
        if !read.pbFormat.is_null() {
            CoTaskMemFree(Some(read.pbFormat.cast_const().cast()));
        }
        CoTaskMemFree(Some(media_type.cast_const().cast()));
    }
}
