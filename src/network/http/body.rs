//! The body of an HTTP answer, however it ends (RFC 9112, section 6).

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::{N_READ_BYTES, ResponseHead};
use crate::network::bytes::ByteQueue;
use crate::network::connection::Connection;
use crate::network::parsers;

/// A body of an answer that is not wanted is read so far, so that the connection can be used again.
const MAX_UNWANTED_BYTES: u64 = 64 << 10;
/// No line that tells the length of a chunk is longer.
const MAX_CHUNK_LINE: usize = 1_024;
const MAX_UNWANTED: Duration = Duration::from_millis(300);

/// How the body of the answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    /// With what is left of the chunk.
    Chunked(u64),
    Close,
    #[default]
    Over,
}

#[derive(Default)]
pub(super) struct Body {
    pub framing: Framing,
    /// Came with the head or with what was read before.
    pub raw: ByteQueue,
    is_last: bool,
}

impl Body {
    pub fn begin(&mut self, head: &ResponseHead) {
        let is_chunked =
            head.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = head.header("content-length").and_then(|value| value.parse().ok());
        let content_type = head.header("content-type").unwrap_or_default().to_ascii_lowercase();
        self.framing = match length {
            _ if is_chunked => Framing::Chunked(0),
            // Some cameras give a stream the length 0, or that of its first picture.
            Some(length) if !content_type.starts_with("multipart/") => Framing::Length(length),
            _ if matches!(head.status, 204 | 304) => Framing::Over,
            _ => Framing::Close,
        };
        let says = |word: &str| head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case(word));
        self.is_last = says("close") || head.is_old && !says("keep-alive");
    }

    /// Reads what is left of an answer that is not wanted. `false` where the connection cannot be used again.
    pub fn finish(&mut self, connection: &Connection, deadline: Instant) -> bool {
        if self.is_last || self.framing == Framing::Close {
            return false;
        }
        if matches!(self.framing, Framing::Length(length) if length > MAX_UNWANTED_BYTES) {
            return false;
        }
        // Another connection is there sooner than the end of one that says too much of its length.
        let deadline = deadline.min(Instant::now() + MAX_UNWANTED);
        let mut unwanted = Vec::new();
        while unwanted.len() as u64 <= MAX_UNWANTED_BYTES {
            match self.read(connection, &mut unwanted, deadline) {
                Ok(true) => {}
                Ok(false) => return !self.is_last,
                Err(_) => return false,
            }
        }
        false
    }

    /// Appends some of the body; `false` at its end.
    pub fn read(&mut self, connection: &Connection, into: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
        loop {
            match self.framing {
                Framing::Over | Framing::Length(0) => return Ok(false),
                Framing::Chunked(0) => {
                    let n_blank = self.raw.rest().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    self.raw.skip(n_blank);
                    match parsers::chunk_size(self.raw.begin(MAX_CHUNK_LINE)) {
                        Ok(Some((_, 0))) => {
                            // Trailers may follow: the connection is not used again.
                            self.framing = Framing::Over;
                            self.is_last = true;
                            return Ok(false);
                        }
                        Ok(Some((n, size))) => {
                            self.raw.skip(n);
                            self.framing = Framing::Chunked(size);
                            continue;
                        }
                        Ok(None) if self.raw.len() < MAX_CHUNK_LINE => {}
                        _ => return Err(ErrorKind::InvalidData.into()),
                    }
                }
                Framing::Length(left) | Framing::Chunked(left) if self.raw.len() > 0 => {
                    let n = self.raw.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    into.extend_from_slice(self.raw.begin(n));
                    self.raw.skip(n);
                    let left = left.saturating_sub(n as u64);
                    let is_chunked = matches!(self.framing, Framing::Chunked(_));
                    self.framing = if is_chunked { Framing::Chunked(left) } else { Framing::Length(left) };
                    return Ok(true);
                }
                Framing::Close if self.raw.len() > 0 => {
                    into.extend_from_slice(self.raw.rest());
                    self.raw.skip(self.raw.len());
                    return Ok(true);
                }
                Framing::Length(_) | Framing::Chunked(_) | Framing::Close => {}
            }
            let mut read = [0; N_READ_BYTES];
            match connection.read(&mut read, deadline)? {
                0 => {
                    self.framing = Framing::Over;
                    self.is_last = true;
                    return Ok(false);
                }
                n => self.raw.push(read.get(..n).unwrap_or_default()),
            }
        }
    }
}
