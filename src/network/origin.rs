//! Who is spoken to.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// Scheme, host and port together (RFC 6454, section 4): one server, as far as anybody can know. A login is for one origin, and
/// nothing is fetched from another host than the camera's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    #[must_use]
    pub fn of(address: &Address) -> Self {
        Self { scheme: address.scheme.name().to_owned(), host: address.host.to_ascii_lowercase(), port: address.port() }
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A reference of the camera's that shall be asked of this origin: what names another one is taken as a path here. Cameras
    /// behind a router name themselves by numbers that hold nowhere else, and encrypted ones without their encryption.
    #[must_use]
    pub fn own(&self, asked: &Address, url: &str) -> String {
        let is_own = Address::parse(url)
            .is_ok_and(|address| Self::of(&address) == *self && address.user.is_empty() && address.password.is_none());
        if is_own {
            return url.to_owned();
        }
        let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
        let path = behind.find('/').and_then(|at| behind.get(at..)).unwrap_or_default();
        format!("{}://{}{path}", asked.scheme.name(), asked.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(first: &str, second: &str, is_same: bool) {
        let origin = |text: &str| Origin::of(&Address::parse(text).unwrap());
        assert_eq!(origin(first) == origin(second), is_same, "{first} {second}");
    }

    #[test]
    fn scheme_host_and_port_are_one() {
        check("http://cam/a", "http://admin:geheim@CAM:80/b", true);
        check("http://cam/", "http://cam:81/", false);
        check("http://cam/", "https://cam/", false);
        check("http://cam:443/", "https://cam/", false);
        check("rtsp://cam/", "rtsps://cam/", false);
        check("rtsp://cam/", "http://cam:554/", false);
        check("rtsp://cam/", "rtsp://cam.example/", false);
    }

    #[test]
    fn references_stay_at_the_camera() {
        #[track_caller]
        fn check(asked: &str, url: &str, expected: &str) {
            let asked = Address::parse(asked).unwrap();
            assert_eq!(Origin::of(&asked).own(&asked, url), expected, "{url}");
        }
        check("rtsp://cam/1", "rtsp://cam/1/trackID=1", "rtsp://cam/1/trackID=1");
        check("rtsp://cam/1", "rtsp://CAM:554/1", "rtsp://CAM:554/1");
        check("rtsp://cam/1", "rtsp://other/1/v?a=b", "rtsp://cam/1/v?a=b");
        check("rtsp://cam:8554/1", "rtsp://10.0.0.7:554/v", "rtsp://cam:8554/v");
        check("rtsps://cam/1", "rtsp://cam/v", "rtsps://cam/v");
        check("rtsp://cam/1", "rtsp://admin:geheim@cam/v", "rtsp://cam/v");
        check("rtsp://cam/1", "rtsp://other", "rtsp://cam");
        check("rtsp://cam/1", "rtsp:///v", "rtsp://cam/v");
    }
}
