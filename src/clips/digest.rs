//! SHA-256 of a file, read once through a small buffer.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::disk::open_regular;

const BUFFER_BYTES: usize = 1 << 18;

/// What a file has in it, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileDigest {
    pub bytes: u64,
    /// Of SHA-256, as 64 small hexadecimal digits.
    pub sha256: String,
}

impl FileDigest {
    /// Of a short file whose bytes are at hand.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: u64::try_from(bytes.len()).unwrap_or_default(), sha256: digest_bytes(bytes) }
    }
}

/// Reads a regular file to its end.
///
/// # Errors
/// As the system says.
pub fn digest_file(path: &Path) -> io::Result<FileDigest> {
    copy_and_digest(&mut open_regular(path)?, &mut io::sink())
}

/// The same of what is copied on the way.
pub(super) fn copy_and_digest(from: &mut File, to: &mut impl Write) -> io::Result<FileDigest> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut digest = Sha256::new();
    let mut bytes = 0_u64;
    loop {
        let n_read = match from.read(&mut buffer) {
            Ok(0) => return Ok(FileDigest { bytes, sha256: format!("{:x}", digest.finalize()) }),
            Ok(n_read) => n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = buffer.get(..n_read).unwrap_or_default();
        to.write_all(read)?;
        digest.update(read);
        bytes = bytes.saturating_add(u64::try_from(n_read).unwrap_or_default());
    }
}

/// Of a short text.
pub(super) fn digest_bytes(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha_256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let check = |bytes: &[u8], sha256: &str| {
            std::fs::write(&path, bytes).unwrap();
            let expected = FileDigest { bytes: bytes.len() as u64, sha256: sha256.to_owned() };
            assert_eq!(digest_file(&path).unwrap(), expected);
            assert_eq!(digest_bytes(bytes), sha256);
        };
        // FIPS 180-2, appendix B.
        check(b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check(b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(&vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        assert!(digest_file(folder.path()).is_err());
    }
}
