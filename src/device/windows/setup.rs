//! The plug-and-play manager, through `SetupAPI`: it reads its own records and calls no driver of a camera.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    DIGCF_ALLCLASSES, DIGCF_DEVICEINTERFACE, DIGCF_PRESENT, HDEVINFO, SP_DEVICE_INTERFACE_DATA,
    SP_DEVICE_INTERFACE_DETAIL_DATA_W, SP_DEVINFO_DATA, SPINT_ACTIVE, SetupDiDestroyDeviceInfoList,
    SetupDiEnumDeviceInfo, SetupDiEnumDeviceInterfaces, SetupDiGetClassDevsW, SetupDiGetDeviceInstanceIdW,
    SetupDiGetDeviceInterfaceDetailW, SetupDiGetDevicePropertyW,
};
use windows_sys::Win32::Devices::Properties::{
    DEVPKEY_Device_Address, DEVPKEY_Device_BusReportedDeviceDesc, DEVPKEY_Device_ClassGuid,
    DEVPKEY_Device_CompatibleIds, DEVPKEY_Device_DeviceDesc, DEVPKEY_Device_FriendlyName, DEVPKEY_Device_LocationPaths,
    DEVPKEY_Device_Parent, DEVPKEY_Device_ProblemCode, DEVPKEY_Device_Service,
};
use windows_sys::Win32::Devices::Usb::{
    GUID_DEVINTERFACE_USB_HUB, IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX,
    IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX_V2,
};
use windows_sys::Win32::Foundation::{DEVPROPKEY, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Media::KernelStreaming::{KSCATEGORY_SENSOR_CAMERA, KSCATEGORY_VIDEO, KSCATEGORY_VIDEO_CAMERA};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::core::GUID;

use super::device_property::{DeviceProperty, decode};
use super::pnp_device::{HubPort, PnpDevice};

/// More devices than any computer has, and more interfaces of one category.
const MAX_DEVICES: u32 = 10_000;
/// No property or link is longer: the registry's own limits are smaller.
const MAX_BYTES: u32 = 0x10000;

/// The devices that may be cameras: those with an interface for video, and those that lack it for want of a driver or
/// because they are disabled; besides, the one with the instance `named`, in capitals, whatever it is. `None` where the
/// system refuses.
pub fn nodes(named: Option<&str>) -> Option<Vec<PnpDevice>> {
    // `KSCATEGORY_CAPTURE`, under which DirectShow has its links, also holds microphones.
    let mut links = BTreeMap::<String, Vec<String>>::new();
    for category in [&KSCATEGORY_VIDEO_CAMERA, &KSCATEGORY_SENSOR_CAMERA, &KSCATEGORY_VIDEO] {
        let Some(list) = DeviceList::of(Some(category)) else { continue };
        for (instance, link) in list.interfaces(category) {
            links.entry(instance.to_uppercase()).or_default().push(link);
        }
    }
    let list = DeviceList::of(None)?;
    let with_instance = |device: SP_DEVINFO_DATA| Some((list.instance(&device)?.to_uppercase(), device));
    let devices = list.devices().into_iter().filter_map(with_instance).collect::<BTreeMap<_, _>>();
    let describe = |(key, device): (&String, &SP_DEVINFO_DATA)| {
        let node = PnpDevice {
            instance: list.instance(device)?,
            class: list.guid(device, &DEVPKEY_Device_ClassGuid),
            service: list.text(device, &DEVPKEY_Device_Service),
            compatible_ids: list.texts(device, &DEVPKEY_Device_CompatibleIds),
            links: links.get(key).cloned().unwrap_or_default(),
            ..PnpDevice::default()
        };
        // Most of the hundreds of devices of a computer are done with here.
        (node.is_camera() || named == Some(key)).then(|| PnpDevice {
            parent: list.text(device, &DEVPKEY_Device_Parent),
            friendly_name: list.text(device, &DEVPKEY_Device_FriendlyName),
            description: list.text(device, &DEVPKEY_Device_DeviceDesc),
            bus_name: list.text(device, &DEVPKEY_Device_BusReportedDeviceDesc),
            location_paths: list.texts(device, &DEVPKEY_Device_LocationPaths),
            problem: list.number(device, &DEVPKEY_Device_ProblemCode),
            ..node
        })
    };
    let mut nodes = devices.iter().filter_map(describe).collect::<Vec<_>>();
    if nodes.iter().any(PnpDevice::is_usb) {
        let hubs =
            DeviceList::of(Some(&GUID_DEVINTERFACE_USB_HUB)).map(|list| list.interfaces(&GUID_DEVINTERFACE_USB_HUB));
        let hubs = hubs.into_iter().flatten().map(|(instance, link)| (instance.to_uppercase(), link));
        let hubs = hubs.collect::<BTreeMap<_, _>>();
        for node in nodes.iter_mut().filter(|node| node.is_usb()) {
            let Some(whole) = devices.get(&node.whole()) else { continue };
            let hub = list.text(whole, &DEVPKEY_Device_Parent).to_uppercase();
            let port = list.number(whole, &DEVPKEY_Device_Address);
            node.hub_port = hubs.get(&hub).and_then(|link| hub_port(link, port)).unwrap_or_default();
        }
    }
    Some(nodes)
}

/// What a hub says about one of its ports. Asks the hub's driver, which knows it without asking the device.
fn hub_port(hub: &str, port: u32) -> Option<HubPort> {
    let hub = OpenOptions::new().write(true).open(hub).ok()?;
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    // The structures begin with the port; the answer takes their place.
    let mut basic = numbers(&[port]);
    // It ends with a list of pipes, as long as one makes it.
    basic.resize(35 + 30 * 24, 0);
    // Its length, and which versions of USB one knows of: 1.1, 2 and 3.
    let newer = numbers(&[port, 16, 0b111, 0]);
    Some(HubPort {
        basic: ask(&hub, IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX, basic).unwrap_or_default(),
        newer: ask(&hub, IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX_V2, newer).unwrap_or_default(),
    })
}

fn ask(hub: &File, question: u32, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
    let n_bytes = u32::try_from(buffer.len()).ok()?;
    let mut n_used = 0;
    // SAFETY: the handle is open, the buffer is as long as is said, in both directions, and lives through the call, which
    // comes back when it is done: the hub was not opened for overlapped calls.
    #[expect(unsafe_code, reason = "calls into the system")]
    let is_told = unsafe {
        let (handle, start) = (hub.as_raw_handle(), buffer.as_mut_ptr().cast());
        DeviceIoControl(handle, question, start, n_bytes, start, n_bytes, &raw mut n_used, ptr::null_mut()) != 0
    };
    buffer.truncate(n_used as usize);
    is_told.then_some(buffer)
}

/// A list of devices that the system has made for us, given back when it is dropped.
struct DeviceList(HDEVINFO);

impl Drop for DeviceList {
    fn drop(&mut self) {
        // SAFETY: the list is ours, and nobody uses it after this.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            SetupDiDestroyDeviceInfoList(self.0);
        }
    }
}

impl DeviceList {
    /// Devices that are plugged in: all, or those with an interface of a category.
    fn of(category: Option<&GUID>) -> Option<Self> {
        let (guid, flags) = match category {
            Some(guid) => (ptr::from_ref(guid), DIGCF_DEVICEINTERFACE | DIGCF_PRESENT),
            None => (ptr::null(), DIGCF_ALLCLASSES | DIGCF_PRESENT),
        };
        // SAFETY: the category lives through the call; neither a bus nor a window is named.
        #[expect(unsafe_code, reason = "calls into the system")]
        let list = unsafe { SetupDiGetClassDevsW(guid, ptr::null(), ptr::null_mut(), flags) };
        (list != INVALID_HANDLE_VALUE as HDEVINFO).then_some(Self(list))
    }

    fn devices(&self) -> Vec<SP_DEVINFO_DATA> {
        let one = |number| {
            let mut device = empty_device();
            // SAFETY: `device` has its size in it, as the call wants it, and lives through it.
            #[expect(unsafe_code, reason = "calls into the system")]
            let is_there = unsafe { SetupDiEnumDeviceInfo(self.0, number, &raw mut device) } != 0;
            is_there.then_some(device)
        };
        (0..MAX_DEVICES).map_while(one).collect()
    }

    /// Instance and link of each interface of the list that is switched on.
    fn interfaces(&self, category: &GUID) -> Vec<(String, String)> {
        let one = |number| {
            let mut interface =
                SP_DEVICE_INTERFACE_DATA { cbSize: size(&SP_DEVICE_INTERFACE_DATA::default()), ..Default::default() };
            // SAFETY: `interface` has its size in it, as the call wants it; it and the category live through the call.
            #[expect(unsafe_code, reason = "calls into the system")]
            let is_there =
                unsafe { SetupDiEnumDeviceInterfaces(self.0, ptr::null(), category, number, &raw mut interface) } != 0;
            is_there.then_some(interface)
        };
        let is_on = |interface: &SP_DEVICE_INTERFACE_DATA| interface.Flags & SPINT_ACTIVE != 0;
        (0..MAX_DEVICES).map_while(one).filter(is_on).filter_map(|interface| self.names_of(&interface)).collect()
    }

    fn names_of(&self, interface: &SP_DEVICE_INTERFACE_DATA) -> Option<(String, String)> {
        let mut n_bytes = 0;
        let mut device = empty_device();
        // SAFETY: without a buffer the call tells only how large it has to be.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            SetupDiGetDeviceInterfaceDetailW(self.0, interface, ptr::null_mut(), 0, &raw mut n_bytes, ptr::null_mut());
        }
        if n_bytes == 0 || n_bytes > MAX_BYTES {
            return None;
        }
        // Numbers of 32 bits, for the alignment that the structure wants; it begins with its own fixed size.
        let mut buffer = vec![0_u32; n_bytes.div_ceil(4) as usize];
        *buffer.first_mut()? = size(&SP_DEVICE_INTERFACE_DETAIL_DATA_W::default());
        // SAFETY: the buffer holds `n_bytes` and is aligned as the structure is; `device` has its size in it. All live
        // through the call.
        #[expect(unsafe_code, reason = "calls into the system")]
        let is_read = unsafe {
            let detail = buffer.as_mut_ptr().cast();
            SetupDiGetDeviceInterfaceDetailW(self.0, interface, detail, n_bytes, ptr::null_mut(), &raw mut device) != 0
        };
        let bytes = buffer.iter().flat_map(|number| number.to_le_bytes()).take(n_bytes as usize).collect::<Vec<_>>();
        let link = units(bytes.get(offset_of!(SP_DEVICE_INTERFACE_DETAIL_DATA_W, DevicePath)..)?);
        is_read.then_some((self.instance(&device)?, link))
    }

    fn instance(&self, device: &SP_DEVINFO_DATA) -> Option<String> {
        // `MAX_DEVICE_ID_LEN` is 200.
        let mut buffer = [0_u16; 256];
        // SAFETY: the buffer is as long as is said, and `device` comes from this list.
        #[expect(unsafe_code, reason = "calls into the system")]
        let is_read =
            unsafe { SetupDiGetDeviceInstanceIdW(self.0, device, buffer.as_mut_ptr(), 256, ptr::null_mut()) != 0 };
        let text = buffer.split(|unit| *unit == 0).next().map(String::from_utf16_lossy)?;
        is_read.then_some(text)
    }

    fn property(&self, device: &SP_DEVINFO_DATA, key: &DEVPROPKEY) -> Option<DeviceProperty> {
        let (mut kind, mut n_bytes) = (0, 0);
        // SAFETY: without a buffer the call tells only how large it has to be; the others live through the call.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            let no_buffer = ptr::null_mut();
            SetupDiGetDevicePropertyW(self.0, device, key, &raw mut kind, no_buffer, 0, &raw mut n_bytes, 0);
        }
        if n_bytes == 0 || n_bytes > MAX_BYTES {
            return None;
        }
        let mut buffer = vec![0_u8; n_bytes as usize];
        // SAFETY: the buffer is as long as is said, and lives through the call with all the others.
        #[expect(unsafe_code, reason = "calls into the system")]
        let is_read = unsafe {
            let (start, no_size) = (buffer.as_mut_ptr(), ptr::null_mut());
            SetupDiGetDevicePropertyW(self.0, device, key, &raw mut kind, start, n_bytes, no_size, 0) != 0
        };
        is_read.then(|| decode(kind, &buffer)).flatten()
    }

    fn text(&self, device: &SP_DEVINFO_DATA, key: &DEVPROPKEY) -> String {
        match self.property(device, key) {
            Some(DeviceProperty::Text(text)) => text,
            _ => String::new(),
        }
    }

    fn texts(&self, device: &SP_DEVINFO_DATA, key: &DEVPROPKEY) -> Vec<String> {
        match self.property(device, key) {
            Some(DeviceProperty::List(texts)) => texts,
            _ => Vec::new(),
        }
    }

    fn number(&self, device: &SP_DEVINFO_DATA, key: &DEVPROPKEY) -> u32 {
        match self.property(device, key) {
            Some(DeviceProperty::Number(number)) => number,
            _ => 0,
        }
    }

    fn guid(&self, device: &SP_DEVINFO_DATA, key: &DEVPROPKEY) -> String {
        match self.property(device, key) {
            Some(DeviceProperty::Guid(guid)) => guid,
            _ => String::new(),
        }
    }
}

fn empty_device() -> SP_DEVINFO_DATA {
    SP_DEVINFO_DATA { cbSize: size(&SP_DEVINFO_DATA::default()), ..Default::default() }
}

fn size<T>(value: &T) -> u32 {
    u32::try_from(size_of_val(value)).unwrap_or_default()
}

fn units(bytes: &[u8]) -> String {
    // `DEVPROP_TYPE_STRING`, which is what the bytes are.
    match decode(0x12, bytes) {
        Some(DeviceProperty::Text(text)) => text,
        _ => String::new(),
    }
}
