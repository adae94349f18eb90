//! What sort of camera a device is, and how it is connected: pure, from names and numbers.

use serde::{Deserialize, Serialize};

/// What sort of camera it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    #[default]
    Camera,
    /// For face recognition: small, grey, and flickering with its lamp.
    Infrared,
    /// A program makes its picture.
    Virtual,
    /// A driver for testing programs makes its picture.
    Test,
    /// The sensor behind a processor of its own: its node gives raw data only, or nothing without libcamera.
    RawSensor,
}

/// Kernel drivers of sensors on a camera bus (MIPI CSI-2, parallel), whose pictures libcamera or a vendor's software makes.
const RAW_DRIVERS: &[(&str, &str)] = &[
    ("unicam", "the camera connector of a Raspberry Pi"),
    ("bcm2835-unicam", "the camera connector of a Raspberry Pi"),
    ("rp1-cfe", "the camera connector of a Raspberry Pi"),
    ("bcm2835-isp", "the image processor of a Raspberry Pi"),
    ("pispbe", "the image processor of a Raspberry Pi"),
    ("ipu3-cio2", "an Intel image processor (IPU3)"),
    ("ipu3-imgu", "an Intel image processor (IPU3)"),
    ("intel-ipu6", "an Intel image processor (IPU6)"),
    ("intel_ipu6_isys", "an Intel image processor (IPU6)"),
    ("intel-ipu7", "an Intel image processor (IPU7)"),
    ("intel_ipu7_isys", "an Intel image processor (IPU7)"),
    ("isys", "an Intel image processor (IPU6 or later)"),
    ("atomisp", "an Intel image processor (Atom)"),
    ("rkisp1", "a Rockchip image processor"),
    ("rkcif", "a Rockchip camera interface"),
    ("rockchip-cif", "a Rockchip camera interface"),
    ("sun4i-csi", "an Allwinner camera interface"),
    ("sun6i-csi", "an Allwinner camera interface"),
    ("sun6i-isp", "an Allwinner image processor"),
    ("imx7-csi", "an NXP camera interface"),
    ("imx-media", "an NXP camera interface"),
    ("mxc-isi", "an NXP camera interface"),
    ("qcom-camss", "a Qualcomm camera interface"),
    ("stm32-dcmi", "an ST camera interface"),
    ("stm32-dcmipp", "an ST camera interface"),
    ("omap3isp", "a TI image processor"),
    ("j721e-csi2rx", "a TI camera interface"),
    ("rcar_vin", "a Renesas camera interface"),
    ("tegra-video", "an NVIDIA camera interface"),
];

/// Kernel drivers that code, scale or turn pictures of others.
const CODEC_DRIVERS: &[&str] = &[
    "amphion-vpu",
    "bcm2835-codec",
    "cedrus",
    "coda",
    "exynos-gsc",
    "hantro-vpu",
    "meson-vdec",
    "meson-ge2d",
    "mtk-jpeg",
    "mtk-mdp",
    "mtk-vcodec-dec",
    "mtk-vcodec-enc",
    "mxc-jpeg",
    "pxp",
    "qcom-venus",
    "rkvdec",
    "rockchip-rga",
    "rpi-hevc-dec",
    "rpivid",
    "s5p-jpeg",
    "s5p-mfc",
    "sun8i-di",
    "sun8i-rotate",
    "venus",
    "vicodec",
    "vim2m",
    "visl",
    "wave5",
];

/// Whether a driver of that name makes no pictures, only works on those of others.
#[must_use]
pub fn is_codec(driver: &str) -> bool {
    CODEC_DRIVERS.contains(&driver)
}

impl DeviceKind {
    /// From its name, its driver's name, and whether there is no hardware behind it.
    #[must_use]
    pub fn of(name: &str, driver: Option<&str>, is_virtual: bool) -> Self {
        match driver {
            Some("vivid" | "vimc") => Self::Test,
            Some(driver) if raw_driver(driver).is_some() => Self::RawSensor,
            _ if is_virtual => Self::Virtual,
            _ if is_infrared(name) => Self::Infrared,
            _ => Self::Camera,
        }
    }

    /// One word for lists; `None` for an ordinary camera.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Camera => None,
            Self::Infrared => Some("infrared"),
            Self::Virtual => Some("virtual"),
            Self::Test => Some("test driver"),
            Self::RawSensor => Some("raw sensor"),
        }
    }

    /// What it means for who wants a picture.
    #[must_use]
    pub fn note(self, driver: Option<&str>) -> Option<String> {
        match self {
            Self::Camera => None,
            Self::Infrared => {
                Some("It is an infrared camera, for face recognition: its picture is grey and flickers.".to_owned())
            }
            Self::Virtual => {
                Some("It is a virtual camera: it shows a picture only while another program feeds it.".to_owned())
            }
            Self::Test => Some("It is the kernel's test driver, not a camera.".to_owned()),
            Self::RawSensor => {
                let driver = driver.unwrap_or_default();
                let what = raw_driver(driver).unwrap_or("an image processor");
                Some(format!(
                    "It is behind {what} (driver {driver}), which gives raw data only: the picture comes through libcamera. \
                     Install libcamera with its PipeWire plugin or its V4L2 layer (libcamerify), or the maker's relay (v4l2-relayd), and choose that camera."
                ))
            }
        }
    }
}

fn raw_driver(driver: &str) -> Option<&'static str> {
    // `intel_ipu6_isys.isys` on the auxiliary bus.
    let is =
        |row: &str| driver == row || driver.strip_prefix(row).is_some_and(|rest| rest.starts_with(['.', '_', '-']));
    RAW_DRIVERS.iter().find(|(row, _)| is(row)).map(|(_, what)| *what)
}

/// Whether a maker's name is that of an infrared camera. Their names are often cut after 31 letters.
fn is_infrared(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has_word = lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ir" || word == "infrared");
    has_word || name.ends_with(": Integrated I") || lower.contains("ircamera") || lower.contains("windows hello")
}

/// How a USB device is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsbLink {
    /// Bus, root port, and the port of each hub on the way: `1-2.4`.
    pub port: String,
    pub is_behind_hub: bool,
    /// The rate that device and port have agreed on, in thousands of bits a second.
    pub kbits_per_second: Option<u32>,
    /// The same in words: `USB 2 high speed, 480 Mbit/s`.
    pub speed: Option<String>,
    /// The version of USB that the device says it keeps to: `2.00`.
    pub version: Option<String>,
}

impl UsbLink {
    /// `megabits` as the system writes it: `480`, `1.5`.
    #[must_use]
    pub fn new(port: &str, megabits: Option<&str>, version: Option<&str>) -> Self {
        let kbits_per_second = megabits.and_then(thousands);
        Self {
            port: port.to_owned(),
            is_behind_hub: port.contains('.'),
            kbits_per_second,
            speed: kbits_per_second.map(speed_in_words),
            version: version.map(str::to_owned),
        }
    }

    /// What its speed means for a picture, where it is too low.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let speed = self.speed.as_ref().filter(|_| self.kbits_per_second.is_some_and(|rate| rate <= 12_000))?;
        Some(format!(
            "It is connected as {speed}: too slow for video. Plug it into another port, without a hub, or use another cable."
        ))
    }
}

/// 1500 for `1.5`.
fn thousands(megabits: &str) -> Option<u32> {
    let (whole, tenth) = megabits.split_once('.').unwrap_or((megabits, "0"));
    let tenth: u32 = tenth.parse().ok().filter(|tenth| *tenth < 10)?;
    whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(tenth * 100)
}

fn speed_in_words(kbits: u32) -> String {
    let name = match kbits {
        0..=1_500 => "USB 1 low speed",
        1_501..=12_000 => "USB 1 full speed",
        12_001..=480_000 => "USB 2 high speed",
        480_001..=5_000_000 => "USB 3 SuperSpeed",
        5_000_001..=20_000_000 => "USB 3 SuperSpeed+",
        _ => "USB4",
    };
    match kbits {
        1_500 => format!("{name}, 1.5 Mbit/s"),
        0..1_000_000 => format!("{name}, {} Mbit/s", kbits / 1_000),
        _ => format!("{name}, {} Gbit/s", kbits / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, driver: Option<&str>, is_virtual: bool, expected: DeviceKind) {
        let kind = DeviceKind::of(name, driver, is_virtual);
        assert_eq!(kind, expected, "{name}, {driver:?}");
        assert_eq!(kind.word().is_some(), kind.note(driver).is_some(), "{kind:?}");
    }

    #[test]
    fn the_kind_of_a_camera_is_told_from_its_names() {
        let uvc = Some("uvcvideo");
        check("HD Pro Webcam C920", uvc, false, DeviceKind::Camera);
        check("Integrated Camera: Integrated C", uvc, false, DeviceKind::Camera);
        check("Integrated Camera: Integrated I", uvc, false, DeviceKind::Infrared);
        check("USB2.0 IR UVC HD Webcam", uvc, false, DeviceKind::Infrared);
        check("HP IR Camera: HP IR Camera", uvc, false, DeviceKind::Infrared);
        check("Chicony Infrared", uvc, false, DeviceKind::Infrared);
        check("AIRHUG 01", uvc, false, DeviceKind::Camera);
        check("Mirror Cam", uvc, false, DeviceKind::Camera);
        check("", uvc, false, DeviceKind::Camera);
        check("Dummy video device (0x0000)", None, true, DeviceKind::Virtual);
        check("OBS Virtual Camera IR", None, true, DeviceKind::Virtual);
        check("vivid-000-vid-cap", Some("vivid"), false, DeviceKind::Test);
        check("unicam-image", Some("unicam"), false, DeviceKind::RawSensor);
        check("Intel IPU6 ISYS Capture 0", Some("intel_ipu6_isys.isys"), false, DeviceKind::RawSensor);
        check("rkisp1_mainpath", Some("rkisp1"), false, DeviceKind::RawSensor);
        check("sun6i-csi-capture", Some("sun6i-csi"), false, DeviceKind::RawSensor);
        check("ipu3-cio2 0", Some("ipu3-cio2"), false, DeviceKind::RawSensor);
        check("x", Some("rkisp12"), false, DeviceKind::Camera);
    }

    #[test]
    fn a_raw_sensor_says_what_helps() {
        let note = DeviceKind::RawSensor.note(Some("rkisp1")).unwrap();
        assert!(note.contains("Rockchip") && note.contains("libcamera"), "{note}");
    }

    #[test]
    fn a_driver_is_either_a_camera_s_or_a_codec_s() {
        for (driver, _) in RAW_DRIVERS {
            assert!(!is_codec(driver), "{driver}");
        }
        assert!(is_codec("bcm2835-codec") && !is_codec("uvcvideo"));
    }

    #[track_caller]
    fn check_speed(megabits: &str, expected: Option<&str>, is_slow: bool) {
        let link = UsbLink::new("1-1", Some(megabits), None);
        assert_eq!(link.speed.as_deref(), expected, "{megabits}");
        assert_eq!(link.note().is_some(), is_slow, "{megabits}");
    }

    #[test]
    fn speeds_have_words() {
        check_speed("1.5", Some("USB 1 low speed, 1.5 Mbit/s"), true);
        check_speed("12", Some("USB 1 full speed, 12 Mbit/s"), true);
        check_speed("480", Some("USB 2 high speed, 480 Mbit/s"), false);
        check_speed("5000", Some("USB 3 SuperSpeed, 5 Gbit/s"), false);
        check_speed("10000", Some("USB 3 SuperSpeed+, 10 Gbit/s"), false);
        check_speed("20000", Some("USB 3 SuperSpeed+, 20 Gbit/s"), false);
        check_speed("40000", Some("USB4, 40 Gbit/s"), false);
        check_speed("unknown", None, false);
        check_speed("99999999", None, false);
    }

    #[test]
    fn a_hub_shows_in_the_port() {
        assert!(UsbLink::new("1-2.4", None, None).is_behind_hub);
        assert!(!UsbLink::new("3-1", None, None).is_behind_hub);
    }
}
