//! The cameras of one computer with Windows, for tests.

use serde::Deserialize;

use super::cameras::ListedCamera;
use super::pnp_device::{HubPort, PnpDevice};

#[derive(Clone, Deserialize)]
pub struct FakeComputer {
    pub nodes: Vec<PnpDevice>,
    pub media_foundation: Vec<ListedCamera>,
    pub direct_show: Vec<ListedCamera>,
}

impl FakeComputer {
    pub fn new() -> Self {
        serde_json::from_str(include_str!("../../../tests/fixtures/windows/cameras.json")).unwrap()
    }
}

/// What a hub says of a port with a camera in it; `flags` are of the newer structure, which older drivers lack.
pub fn hub_port(speed: u8, version: u16, flags: Option<u8>) -> HubPort {
    let mut basic = vec![4, 0, 0, 0, 18, 1];
    basic.extend(version.to_le_bytes());
    basic.extend([
        0xEF, 2, 1, 64, 0x6D, 0x04, 0x2D, 0x08, 0x11, 0, 0, 2, 1, 1, 1, speed, 0, 7, 0, 4, 0, 0, 0, 1, 0, 0, 0,
    ]);
    let newer = flags.map(|flags| vec![4, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, flags, 0, 0, 0]).unwrap_or_default();
    HubPort { basic, newer }
}
