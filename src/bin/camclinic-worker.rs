//! The capture process: opens one camera, file or stream for the program that starts it. The only program that is linked
//! with OpenCV. What it does and says is in [`camclinic::source::isolated`].

use std::process::ExitCode;

// The paths that `source/opencv.rs` and `source/network.rs` have in common with its neighbours in the library.
#[cfg(feature = "opencv")]
use camclinic::{address, backend, codec, control, device, fault, frame, latest, network, packet, source, status};

#[cfg(feature = "opencv")]
#[path = "../source/opencv.rs"]
mod opencv;

fn main() -> ExitCode {
    camclinic::source::isolated::serve(|backend, request| {
        #[cfg(feature = "opencv")]
        use backend::Backend;
        #[cfg(feature = "opencv")]
        if !matches!(backend, Backend::V4l2 | Backend::Native | Backend::Simulated) {
            return opencv::open(backend, request);
        }
        request.open_here(backend)
    })
}
