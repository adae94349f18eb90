//! A clip for tests.

use std::fs;
use std::path::Path;

use super::{
    ClipKind, ClipName, ClipPaths, ClipPicture, ClipReason, FileDigest, Sidecar, SidecarState, WallTime, camera_folder,
    digest_file,
};

/// Writes a closed clip of so many bytes, with its sidecar.
pub fn add_clip(root: &Path, camera: &str, started: &str, kind: ClipKind, bytes: usize) -> ClipPaths {
    let started: WallTime = started.parse().unwrap();
    let name = ClipName { started, reason: ClipReason::new(kind, "") };
    let paths = ClipPaths::new(root, &camera_folder(camera, camera), &name);
    fs::create_dir_all(paths.closed.parent().unwrap()).unwrap();
    let content: Vec<u8> = (0..bytes).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    fs::write(&paths.closed, &content).unwrap();
    let digest = digest_file(&paths.closed).unwrap();
    let sidecar = Sidecar {
        state: SidecarState::Closed,
        reason: kind,
        camera: camera.into(),
        started,
        ended: started.later_by_ms(300_000),
        bytes: digest.bytes,
        sha256: digest.sha256,
        ..Sidecar::default()
    };
    sidecar.write(&paths.sidecar).unwrap();
    paths
}

/// Puts a picture beside it.
pub fn add_picture(paths: &ClipPaths, bytes: &[u8]) {
    fs::write(&paths.picture, bytes).unwrap();
    let mut sidecar = Sidecar::read(&paths.sidecar).unwrap();
    sidecar.picture = Some(ClipPicture { at: sidecar.started, digest: FileDigest::of(bytes) });
    sidecar.write(&paths.sidecar).unwrap();
}
