//! What `monitor --metrics` and `serve` give away over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{MonitoredCamera, SharedOverHttp, complain};
use crate::cli::address;
use crate::fleet::Fleet;
use crate::latest::Latest;
use crate::recorder::Recorder;
use crate::share::{self, Share, ShareOptions, SharedCamera};

/// Ends with this.
pub(super) struct Sharing {
    share: Share,
    token: Option<String>,
    is_page: bool,
}

impl Sharing {
    /// # Errors
    /// The address is none, others could reach it and may not, or the system does not give it.
    pub(super) fn start(shared: SharedOverHttp, fleet: &Fleet, monitored: &[MonitoredCamera]) -> Result<Self, String> {
        let cameras = Latest::new();
        let all = monitored.iter().filter_map(|monitored| {
            let recorder = monitored.recorder.as_ref().map(Recorder::reader);
            Some(SharedCamera::new(monitored.id, fleet.camera(monitored.id)?, recorder))
        });
        cameras.publish(all.collect::<Vec<_>>());
        let mut trusted_page = None;
        let (address, clips, token) = match shared {
            SharedOverHttp::Numbers { address, may_be_reached } => {
                (numbers_address(address, may_be_reached)?, None, None)
            }
            SharedOverHttp::Page { address, clips, allow_origin } => {
                trusted_page = allow_origin.map(str::to_owned);
                let token = (!address.ip().is_loopback()).then(share::new_token).transpose();
                let token = token.map_err(|error| format!("There can be no link: {error}."))?;
                (address, clips.map(ToOwned::to_owned), token)
            }
        };
        let is_page = matches!(shared, SharedOverHttp::Page { .. });
        let share = Share::start(ShareOptions {
            address,
            token: token.clone(),
            cameras: cameras.reader(),
            has_page: is_page,
            log: fleet.log().clone(),
            clips,
            allow_origin: trusted_page,
            on_watched: Arc::new(|| {}),
        })?;
        if !is_page {
            complain(&format!("Metrics: http://{}/metrics", share.address));
        }
        Ok(Self { share, token, is_page })
    }

    /// The link to give away.
    pub(super) fn words_for_stdout(&self) -> Option<String> {
        let link = share::link(self.share.address, self.token.as_deref());
        self.is_page.then(|| match self.token {
            None => format!("Look on at {link} (this computer only; see --listen)"),
            Some(_) => format!(
                "Look on at {link}\nWhoever has this link sees the cameras for an hour. What is sent is not encrypted."
            ),
        })
    }
}

fn numbers_address(text: &str, may_be_reached: bool) -> Result<SocketAddr, String> {
    let Some(address) = address(text) else {
        return Err(format!("--metrics takes an address and a port, as in 127.0.0.1:9464, not “{text}”."));
    };
    if address.ip().is_loopback() || may_be_reached {
        return Ok(address);
    }
    Err(format!(
        "Other computers could read the metrics at {address}: choose an address of this computer alone, such as \
         127.0.0.1:{}, or allow it with --metrics-anywhere.",
        address.port()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_address(text: &str, may_be_reached: bool, expected: Result<&str, &str>) {
        match (numbers_address(text, may_be_reached), expected) {
            (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), expected),
            (Err(sentence), Err(says)) => assert!(sentence.contains(says), "{sentence}"),
            (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn only_this_computer_unless_told_otherwise() {
        check_address("127.0.0.1:9464", false, Ok("127.0.0.1:9464"));
        check_address("127.9.9.9:1", false, Ok("127.9.9.9:1"));
        check_address("localhost:0", false, Ok("127.0.0.1:0"));
        check_address("[::1]:80", false, Ok("[::1]:80"));
        check_address("0.0.0.0:9464", false, Err("127.0.0.1:9464, or allow it with --metrics-anywhere"));
        check_address("[::]:9464", false, Err("Other computers"));
        check_address("192.0.2.7:9464", false, Err("Other computers"));
        check_address("0.0.0.0:9464", true, Ok("0.0.0.0:9464"));
        for nonsense in ["", "9464", ":9464", "127.0.0.1", "example.org:80", "127.0.0.1:99999", "localhost"] {
            check_address(nonsense, true, Err("as in 127.0.0.1:9464"));
        }
    }
}
