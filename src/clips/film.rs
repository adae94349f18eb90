//! The pictures of a clip, each when it is asked for. They are decoded in a capture process: what is in a file of the clips' folder is
//! anybody's, and neither a decoder that crashes nor one that hangs is the program's.

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::fault::Fault;
use crate::frame::Image;
use crate::settings::{CameraSettings, TrustedCertificates};
use crate::source::{Demand, OpenRequest, Picture, Source, SourceSpec};

/// A place far from a key picture takes its time, on a slow disk and a busy computer too.
const FIND_DEADLINE: Duration = Duration::from_secs(10);

/// An open clip. Not to be used on the window's thread: each call waits for the capture process.
pub struct Film {
    source: Box<dyn Source>,
}

impl Film {
    /// `cancel` is disconnected when nobody waits any more. Pictures are not made smaller than `demand` says.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(path: &Path, demand: Demand, cancel: Receiver<()>) -> Result<Self, Fault> {
        let spec = SourceSpec::File(path.to_owned());
        let request = OpenRequest {
            is_by_order: true,
            first_frame_deadline: FIND_DEADLINE,
            frame_deadline: FIND_DEADLINE,
            demand,
            cancel,
            ..OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default())
        };
        Ok(Self { source: request.open()?.1 })
    }

    /// The first picture that is not shown before that time.
    ///
    /// # Errors
    /// Why there is none. Others may be good, unless [`Fault::ends_stream`].
    pub fn picture_at(&mut self, at: Duration) -> Result<Image, Fault> {
        self.source.seek(at);
        self.source.grab()?;
        self.source.retrieve().and_then(Picture::into_image)
    }
}
