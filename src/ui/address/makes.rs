//! Where the makers of cameras put their streams.
//!
//! From the makers' own pages and manuals where they publish them, as noted at each; a camera's firmware may differ.

use crate::address::Scheme;

/// One maker's, or one kind of camera's, addresses.
#[derive(Debug)]
pub struct Make {
    pub name: &'static str,
    pub main: StreamPlace,
    /// The smaller stream, or the one picture that is fetched again and again.
    pub sub: Option<StreamPlace>,
    /// What a technician has to know or to switch on first.
    pub note: &'static str,
}

/// Scheme, port and path; without a port it is the scheme's own.
#[derive(Debug)]
pub struct StreamPlace {
    pub scheme: Scheme,
    pub port: Option<u16>,
    pub path: &'static str,
}

const fn rtsp(path: &'static str) -> StreamPlace {
    StreamPlace { scheme: Scheme::Rtsp, port: None, path }
}

const fn rtsp_at(port: u16, path: &'static str) -> StreamPlace {
    StreamPlace { scheme: Scheme::Rtsp, port: Some(port), path }
}

const fn http_at(port: u16, path: &'static str) -> StreamPlace {
    StreamPlace { scheme: Scheme::Http, port: Some(port), path }
}

const fn http(path: &'static str) -> StreamPlace {
    StreamPlace { scheme: Scheme::Http, port: None, path }
}

macro_rules! makes {
    ($($(#[$source:meta])* $name:literal $main:expr, $sub:expr, $note:literal;)*) => {
        /// By name; the general ones at the end.
        pub const MAKES: &[Make] = &[$(Make { name: $name, main: $main, sub: $sub, note: $note }),*];
    };
}

// The comments name where the paths come from.
makes! {
    // support.amcrest.com, "RTSP URL"; CamioCam/rtsp, cameras/paths.csv.
    "Amcrest" rtsp("/cam/realmonitor?channel=1&subtype=0"), Some(rtsp("/cam/realmonitor?channel=1&subtype=1")), "";
    // VAPIX library, "Video streaming": /axis-media/media.amp and its parameters.
    "Axis" rtsp("/axis-media/media.amp"), Some(rtsp("/axis-media/media.amp?resolution=640x360")),
        "The user of the stream is one of the camera's own, often root.";
    // Bosch, "RTSP usage with Bosch VIP devices": inst is the number of the stream.
    "Bosch" rtsp("/rtsp_tunnel?inst=1"), Some(rtsp("/rtsp_tunnel?inst=2")), "";
    // dlink.com, manuals of the DCS series: live1.sdp to live3.sdp.
    "D-Link" rtsp("/live1.sdp"), Some(rtsp("/live2.sdp")), "";
    // dahuawiki.com, "Remote Access/RTSP via VLC".
    "Dahua" rtsp("/cam/realmonitor?channel=1&subtype=0"), Some(rtsp("/cam/realmonitor?channel=1&subtype=1")),
        "At a recorder, channel is the camera's number.";
    // foscam.com, FAQ "RTSP": videoMain and videoSub; older cameras have port 88.
    "Foscam" rtsp("/videoMain"), Some(rtsp("/videoSub")), "Older cameras have port 88.";
    // Hanwha Vision, "How to use RTSP": profile 2 is H.264, profile 3 the mobile one.
    "Hanwha, Wisenet" rtsp("/profile2/media.smp"), Some(rtsp("/profile3/media.smp")),
        "The number is that of the video profile in the camera's settings.";
    // hikvision.com, "How to get the RTSP URL": 101 is the first channel's main stream, 102 its second.
    "Hikvision" rtsp("/Streaming/Channels/101"), Some(rtsp("/Streaming/Channels/102")),
        "At a recorder, 201 is the second camera.";
    // i-pro.com, "RTSP of network cameras": /MediaInput/h264/stream_N.
    "i-PRO, Panasonic" rtsp("/MediaInput/h264/stream_1"), Some(rtsp("/MediaInput/h264/stream_2")), "";
    // support.reolink.com, "Introduction to RTSP".
    "Reolink" rtsp("/h264Preview_01_main"), Some(rtsp("/h264Preview_01_sub")),
        "RTSP has to be switched on in the app: Network, Advanced, Port settings. Battery cameras have none.";
    // tp-link.com, FAQ 2680: stream1 and stream2.
    "TP-Link Tapo, VIGI" rtsp("/stream1"), Some(rtsp("/stream2")),
        "User and password are those of the camera account in the app, not those of the TP-Link account.";
    // help.ui.com, "RTSP streams of UniFi Protect": the app shows the whole address.
    "UniFi Protect" StreamPlace { scheme: Scheme::Rtsps, port: Some(7441), path: "/" }, Some(rtsp_at(7447, "/")),
        "Switch RTSP on in Protect and put the key that it shows behind the slash. The host is the console.";
    // Uniview, "How to play the RTSP stream": /media/videoN.
    "Uniview" rtsp("/media/video1"), Some(rtsp("/media/video2")), "";
    // vivotek.com, FAQ "RTSP streaming": live1sN.sdp; older ones live.sdp.
    "Vivotek" rtsp("/live1s1.sdp"), Some(rtsp("/live1s2.sdp")), "Older cameras have /live.sdp.";
    // The app's own start page names /video and /shot.jpg.
    "Android: IP Webcam" http_at(8080, "/video"), Some(http_at(8080, "/shot.jpg")), "The second is a single picture.";
    // espressif/esp32-camera, example CameraWebServer: the stream has a server of its own on port 81.
    "ESP32-CAM" http_at(81, "/stream"), Some(http("/capture")),
        "One viewer at a time. The second is a single picture.";
    // jacksonliam/mjpg-streamer, README of output_http.
    "mjpg-streamer, OctoPrint" http_at(8080, "/?action=stream"), Some(http_at(8080, "/?action=snapshot")), "";
    // bluenviron/mediamtx, README: port 8554, the path as in its configuration.
    "Raspberry Pi, mediamtx" rtsp_at(8554, "/cam"), None, "The path is the one in mediamtx.yml.";
    // Cameras without a name that speak ONVIF.
    "Other, with ONVIF" rtsp("/onvif1"), Some(rtsp("/onvif2")),
        "Many cameras without a name have these; others /live/ch00_0 or /11.";
    "Other, MJPEG over HTTP" http("/video.mjpg"), Some(http("/snapshot.jpg")), "";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn every_place_is_an_address() {
        for make in MAKES {
            for place in [Some(&make.main), make.sub.as_ref()].into_iter().flatten() {
                let port = place.port.map(|port| format!(":{port}")).unwrap_or_default();
                let text = format!("{}://192.168.1.64{port}{}", place.scheme.name(), place.path);
                let address = Address::parse(&text).unwrap();
                assert_eq!(address.to_string(), text, "{}: written as the address itself is", make.name);
            }
            assert!(make.note.is_empty() || make.note.ends_with('.'), "{}", make.name);
        }
        let names: Vec<_> = MAKES.iter().map(|make| make.name).collect();
        let n_distinct = names.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(n_distinct, names.len());
    }
}
