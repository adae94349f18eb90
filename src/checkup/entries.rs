//! The catalogue of failures: one row for each, with the function that sees it in the facts. One file for each part of it.
//!
//! The numbers that judges compare with are those of [`crate::criteria`].

use super::catalogue::CatalogueEntry;

mod access;
mod busy;
mod network;
mod opening;
mod picture;
mod presence;
mod rate;
mod signs;
mod system;
mod usb;

/// Every failure that can be seen here, in the order of the catalogue.
pub const ENTRIES: &[&[CatalogueEntry]] = &[
    presence::ENTRIES,
    access::ENTRIES,
    busy::ENTRIES,
    opening::ENTRIES,
    usb::ENTRIES,
    rate::ENTRIES,
    picture::ENTRIES,
    system::ENTRIES,
    network::ENTRIES,
];

/// All of them one after the other.
pub fn all() -> impl Iterator<Item = &'static CatalogueEntry> {
    ENTRIES.iter().flat_map(|group| group.iter())
}
