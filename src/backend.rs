//! The ways to reach a device, and which of them this build has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to reach a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    #[value(name = "dshow")]
    #[serde(rename = "dshow")]
    DirectShow,
    Msmf,
    /// Linux' own interface, without a library between.
    V4l2,
    #[value(name = "v4l2-opencv")]
    #[serde(rename = "v4l2-opencv")]
    V4l2OpenCv,
    Ffmpeg,
    Gstreamer,
    #[value(name = "avfoundation")]
    AvFoundation,
    Native,
    Simulated,
}

impl Backend {
    pub const ALL: [Self; 9] = [
        Self::DirectShow,
        Self::Msmf,
        Self::V4l2,
        Self::V4l2OpenCv,
        Self::Ffmpeg,
        Self::Gstreamer,
        Self::AvFoundation,
        Self::Native,
        Self::Simulated,
    ];

    /// The name on the command line, in settings and in the status.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::DirectShow => "dshow",
            Self::Msmf => "msmf",
            Self::V4l2 => "v4l2",
            Self::V4l2OpenCv => "v4l2-opencv",
            Self::Ffmpeg => "ffmpeg",
            Self::Gstreamer => "gstreamer",
            Self::AvFoundation => "avfoundation",
            Self::Native => "native",
            Self::Simulated => "simulated",
        }
    }

    /// The name as its makers write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::DirectShow => "DirectShow",
            Self::Msmf => "Media Foundation",
            Self::V4l2 => "V4L2",
            Self::V4l2OpenCv => "V4L2 (OpenCV)",
            Self::Ffmpeg => "FFmpeg",
            Self::Gstreamer => "GStreamer",
            Self::AvFoundation => "AVFoundation",
            Self::Native => "Native (nokhwa)",
            Self::Simulated => "Simulated",
        }
    }

    /// The backends that this build has for local cameras, the one that `auto` takes first.
    ///
    /// DirectShow stands before Media Foundation because the latter hangs longer, buffers more and gives worse errors. On Linux our
    /// own stands first: it alone tells what the driver lost, and damage from the bytes.
    #[must_use]
    pub fn for_devices() -> Vec<Self> {
        let through_opencv: &[Self] = if !cfg!(feature = "opencv") {
            &[]
        } else if cfg!(windows) {
            &[Self::DirectShow, Self::Msmf]
        } else if cfg!(target_os = "macos") {
            &[Self::AvFoundation]
        } else {
            &[Self::V4l2OpenCv, Self::Gstreamer]
        };
        let own: &[Self] = if cfg!(target_os = "linux") { &[Self::V4l2] } else { &[] };
        let native: &[Self] = if cfg!(feature = "native") { &[Self::Native] } else { &[] };
        [own, through_opencv, native].concat()
    }

    /// The same for video files and network addresses.
    #[must_use]
    pub fn for_files() -> Vec<Self> {
        if cfg!(feature = "opencv") { vec![Self::Ffmpeg, Self::Gstreamer] } else { Vec::new() }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}
