//! What the program can do about a finding by itself, at the press of a button.
//!
//! Data only: the window carries it out. Facts hold it too, as that which an experiment has tried.

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::control::ControlSetting;
use crate::frame::{PixelFormat, Size};
use crate::settings::Transport;

/// What a button can do. Each can be undone in the inspector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Open the camera as soon as its holder lets go.
    WaitUntilFree,
    RestartStream,
    Reconnect,
    /// Ask for this format, size or rate.
    UseFormat(PixelFormat),
    UseSize(Size),
    UseRate(f64),
    /// Leave all of these to the device.
    UseDeviceDefaults,
    UseBackend(Backend),
    UseBuffers(u32),
    /// Over TCP, or over UDP.
    UseTransport(Transport),
    /// Set a control.
    SetControl(ControlSetting),
    /// Set every control to its default.
    ResetControls,
    ResetDevice,
    /// Show another camera, by its identity.
    ChooseDevice(String),
    /// Ask again for user and password, or for the address.
    EditAddress,
    /// Open a page of the system's settings.
    OpenSettings(String),
    ChooseFolder,
}
