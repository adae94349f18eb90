//! The folder of clips: how files are named, what stands beside each, which may be deleted, whether all is as it was
//! written, and copies of some for somebody else. There is no database: the files are the index.
//!
//! Deliberately not here: what is in a clip file, and when one is begun; that is the recorder's, which also cuts the parts that an
//! export takes ([`crate::recorder::index::cut`]).
//!
//! ```text
//! FOLDER/.camclinic                                              the marker, with the folder's id
//! FOLDER/C920-1a2b3c4d/2026-11-20/2026-11-20_12-41-06.118+0100_fault-stall.mp4   (.recording.mp4 until it is closed)
//! FOLDER/C920-1a2b3c4d/2026-11-20/2026-11-20_12-41-06.118+0100_fault-stall.json  the sidecar
//! FOLDER/C920-1a2b3c4d/2026-11-20/2026-11-20_12-41-06.118+0100_fault-stall.png   the last picture before a fault, without loss
//! ```
//!
//! Only what bears such a name in such a place is ever changed or deleted. Links are not followed.

mod archive;
mod audit;
mod copies;
mod digest;
mod export;
mod film;
mod folder;
mod listing;
mod name;
mod retention;
#[cfg(test)]
mod sample;
mod sidecar;
mod tending;
mod wall_time;

pub use archive::archive;
pub use audit::{Defect, DefectKind, audit};
pub use copies::{ClipChoice, ClipSpan, ClipsCopied};
pub use digest::{FileDigest, digest_file};
pub use export::export;
pub(crate) use export::zip_time;
pub use film::Film;
pub use folder::{ClipFolder, FolderTrouble};
pub use listing::{Clip, ClipListing, ClipState, SidecarRead, list};
pub use name::{
    ClipFileName, ClipKind, ClipName, ClipPaths, ClipReason, FileRole, camera_folder, file_part, identity_hash,
};
pub(crate) use retention::whole_bytes;
pub use retention::{
    ClipDeletion, DeletionCause, RetainedClip, Retention, RetentionLimits, RetentionNotice, RetentionPlan,
};
pub use sidecar::{
    ClipEvent, ClipGap, ClipKernelLine, ClipPicture, LostPictures, MAX_EVENTS, MAX_GAPS, MAX_KERNEL_LINES, Sidecar,
    SidecarState, set_protected,
};
pub use tending::{Tended, Tending, delete_by_hand};
pub use wall_time::WallTime;
