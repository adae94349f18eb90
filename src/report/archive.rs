//! The zip of a report: packed in memory, and written whole or not at all.

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::MAX_BYTES;
use crate::clips::zip_time;
use crate::disk::{FileAccess, write_advice, write_whole};

pub(super) fn pack(contents: &[(&str, &[u8])], at: Timestamp, zone: &TimeZone) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("The report could not be packed: {error}");
    let time = zip_time(at.to_zoned(zone.clone()).datetime());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in contents {
        let is_packed = Path::new(name).extension().is_some_and(|ending| ending == "jpg" || ending == "mp4");
        let method = if is_packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).last_modified_time(time);
        zip.start_file(*name, options).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))?;
    }
    let bytes = zip.finish().map_err(|error| failed(&error))?.into_inner();
    if bytes.len() > MAX_BYTES {
        return Err(failed(&format!("it has {} MB, which is too much to be sent", bytes.len() >> 20)));
    }
    Ok(bytes)
}

pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Renaming would put a file in the place of whatever is there.
    if let Ok(there) = fs::metadata(path)
        && !there.is_file()
    {
        let what = if there.is_dir() { "this is a folder, a file name is missing" } else { "this is no file" };
        return Err(format!("The report was not saved: {what}: {shown}"));
    }
    match fs::metadata(folder) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(format!("The report was not saved: this is no folder: {}", folder.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("The report was not saved: there is no such folder: {}", folder.display()));
        }
        // Whatever it is, writing says it as well.
        Err(_) => {}
    }
    write_whole(path, bytes, FileAccess::Private).map_err(|error| {
        let advice = write_advice(&error);
        format!("The report was not saved: {error}. {advice} {shown}")
    })
}
