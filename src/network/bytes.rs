//! What came from a camera and waits: bytes, and packets. Both are bounded, and taking from them costs no more than putting in.

use std::collections::VecDeque;

/// Bytes that are put in at the end and taken out at the beginning. Each is moved once at most, however small the pieces are.
#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    bytes: Vec<u8>,
    /// Those before have been taken out.
    start: usize,
}

impl ByteQueue {
    pub fn push(&mut self, bytes: &[u8]) {
        // What moves is less than what was taken out since the last time.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// Takes so many out, or all.
    pub fn skip(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// The first of them, which stay.
    pub fn begin(&self, n: usize) -> &[u8] {
        let rest = self.rest();
        rest.get(..n).unwrap_or(rest)
    }
}

/// What a packet costs beside its bytes: without it a flood of empty ones would cost nothing.
const PACKET_OVERHEAD: usize = 64;

/// Packets that wait, in order.
#[derive(Debug)]
pub(super) struct PacketQueue<T> {
    packets: VecDeque<T>,
    n_bytes: usize,
}

impl<T> Default for PacketQueue<T> {
    fn default() -> Self {
        Self { packets: VecDeque::new(), n_bytes: 0 }
    }
}

impl<T: AsRef<[u8]>> PacketQueue<T> {
    pub fn push(&mut self, packet: T) {
        self.n_bytes += cost(&packet);
        self.packets.push_back(packet);
    }

    pub fn pop(&mut self) -> Option<T> {
        let packet = self.packets.pop_front()?;
        self.n_bytes -= cost(&packet);
        Some(packet)
    }

    /// What they cost in memory.
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub fn len(&self) -> usize {
        self.packets.len()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn cost(packet: &impl AsRef<[u8]>) -> usize {
    packet.as_ref().len() + PACKET_OVERHEAD
}

/// Finds the blank line behind a head (RFC 9112, section 2.1; RFC 2326, section 4). Some cameras end their lines with a line feed
/// only. Looks at each byte twice at most, however small the pieces are in which the head comes.
#[derive(Debug, Default)]
pub(super) struct HeadSearch {
    /// No blank line ends before.
    pub at: usize,
}

impl HeadSearch {
    /// The length of the head, with its blank line, once that has come. `bytes` is all that has come of it.
    pub fn length(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(n) = bytes.get(self.at..)?.iter().position(|byte| *byte == b'\n') {
            let feed = self.at + n;
            let found = match bytes.get(feed + 1..).unwrap_or_default() {
                [b'\n', ..] => Some(feed + 2),
                [b'\r', b'\n', ..] => Some(feed + 3),
                [] | [b'\r'] => {
                    self.at = feed;
                    return None;
                }
                _ => None,
            };
            self.at = feed + 1;
            if found.is_some() {
                self.at = 0;
                return found;
            }
        }
        self.at = bytes.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_head(bytes: &[u8], expected: Option<usize>) {
        assert_eq!(HeadSearch::default().length(bytes), expected, "{}", bytes.escape_ascii());
        let mut search = HeadSearch::default();
        let by_byte = (0..=bytes.len()).find_map(|n| search.length(&bytes[..n]));
        assert_eq!(by_byte, expected, "{} byte by byte", bytes.escape_ascii());
    }

    #[test]
    fn a_head_ends_with_a_blank_line() {
        check_head(b"", None);
        check_head(b"a\r\n", None);
        check_head(b"a\r\n\r\nb", Some(5));
        check_head(b"a\n\nb", Some(3));
        check_head(b"a\n\r\nb", Some(4));
        check_head(b"a\r\nb\r\n\r\n", Some(8));
        check_head(b"a\n\rb\n\n", Some(6));
        check_head(b"\n\n", Some(2));
    }

    #[test]
    fn what_is_put_in_comes_out_and_is_moved_once() {
        let mut queue = ByteQueue::default();
        let (mut expected, mut got, mut random) = (Vec::new(), Vec::new(), fastrand::Rng::with_seed(1));
        let mut n_moved = 0;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..9)).map(|_| random.u8(..)).collect();
            let (len, start) = (queue.len(), queue.start);
            queue.push(&bytes);
            n_moved += if queue.start < start { len } else { 0 };
            expected.extend(bytes);
            let n = random.usize(..9).min(queue.len());
            got.extend_from_slice(queue.begin(n));
            queue.skip(n);
        }
        got.extend_from_slice(queue.rest());
        assert_eq!(got, expected);
        assert!(n_moved <= expected.len(), "{n_moved} of {}", expected.len());
    }

    #[test]
    fn empty_packets_cost_memory_too() {
        let mut queue = PacketQueue::default();
        for _ in 0..1_000 {
            queue.push(Vec::<u8>::new());
        }
        assert!(queue.n_bytes() >= 64_000);
        while queue.pop().is_some() {}
        assert_eq!((queue.n_bytes(), queue.len()), (0, 0));
    }
}
