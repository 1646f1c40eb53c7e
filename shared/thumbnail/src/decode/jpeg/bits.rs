//! Coded data as bits.

use crate::Refused;

/// Bytes that are freed of stuffing at a time.
const CHUNK: usize = 4096;
/// Zero bytes that may be read past the end: what is looked at ahead, and a little damage at the last block.
const GRACE: usize = 64;

/// Reads the bits of one scan. What each look at them changes is apart from the rest, and no call but inlined ones
/// borrows it: so it lives in registers.
pub(super) struct Bits<'a> {
    source: Source<'a>,
    /// Of the source's chunk, the next byte.
    next: usize,
    /// The next bits, from the highest.
    window: u64,
    /// Bits in `window` that are real.
    count: u32,
}

/// Coded bytes. Stuffed zero bytes are taken out in chunks, so that no look at the bits tests for them; markers stop it,
/// and zeros follow.
struct Source<'a> {
    /// From here on, as in the file.
    raw: &'a [u8],
    at: usize,
    chunk: Vec<u8>,
    /// Zero bytes put after the end.
    padding: usize,
}

impl<'a> Bits<'a> {
    /// Of the scan whose coded data begins `raw`.
    pub(super) fn new(raw: &'a [u8]) -> Self {
        let source = Source { raw, at: 0, chunk: Vec::with_capacity(CHUNK + 16), padding: 0 };
        Self { source, next: 0, window: 0, count: 0 }
    }

    /// Makes at least 56 bits available.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        let eight = match self.source.chunk.get(self.next..).and_then(|rest| rest.first_chunk()) {
            Some(&eight) => eight,
            None => {
                let eight = self.source.refill(self.next);
                self.next = 0;
                eight
            }
        };
        self.window |= u64::from_be_bytes(eight) >> self.count;
        self.next += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    #[inline(always)]
    pub(super) fn available(&self) -> u32 {
        self.count
    }

    /// The next `count` bits, 1 to 16.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.window >> (64 - count)) as usize
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.window <<= count;
        self.count -= count;
    }

    #[inline(always)]
    pub(super) fn take_bits(&mut self, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        let bits = (self.window >> (64 - count)) as u32;
        self.skip(count);
        bits
    }

    /// A value of `size` bits, of which the lower half is negative (T.81, F.2.2.1).
    #[inline(always)]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        extended(self.take_bits(size), size)
    }

    /// Goes on after the restart marker that comes next; where another marker does, zeros go on.
    #[inline(always)]
    pub(super) fn restart(&mut self) {
        self.source.restart();
        (self.next, self.window, self.count) = (0, 0, 0);
    }

    /// Whether more was read than there is.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), Refused> {
        if self.source.padding > GRACE { Err(Refused::ends_early()) } else { Ok(()) }
    }
}

impl Source<'_> {
    /// Drops the chunk's first `used` bytes for new ones, and returns the first eight.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, used: usize) -> [u8; 8] {
        self.chunk.drain(..used.min(self.chunk.len()));
        while self.chunk.len() < CHUNK && self.unstuff() {}
        if self.chunk.len() < 8 {
            self.padding += 8 - self.chunk.len();
            self.chunk.resize(8, 0);
        }
        std::array::from_fn(|n| self.chunk[n])
    }

    /// Takes bytes up to the next stuffed one. `false` at a marker, and at the end of the file.
    fn unstuff(&mut self) -> bool {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        let rest = &rest[..rest.len().min(CHUNK)];
        let Some(plain) = memchr::memchr(0xFF, rest) else {
            self.chunk.extend_from_slice(rest);
            self.at += rest.len();
            return !rest.is_empty();
        };
        self.chunk.extend_from_slice(&rest[..plain]);
        self.at += plain;
        if self.raw.get(self.at + 1) != Some(&0) {
            return false;
        }
        self.chunk.push(0xFF);
        self.at += 2;
        true
    }

    #[inline(never)]
    fn restart(&mut self) {
        self.chunk.clear();
        while let Some(found) = memchr::memchr(0xFF, self.raw.get(self.at..).unwrap_or_default()) {
            match self.raw.get(self.at + found + 1) {
                Some(0 | 0xFF) => self.at += found + 1,
                Some(0xD0..=0xD7) => {
                    self.at += found + 2;
                    // What was looked at ahead of the marker is no damage.
                    self.padding = if self.padding > GRACE { self.padding } else { 0 };
                    return;
                }
                _ => return,
            }
        }
    }
}

#[inline(always)]
pub(super) fn extended(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if size != 0 && bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffing_is_taken_out_and_markers_stop() {
        let mut bits = Bits::new(&[0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD0, 0x56, 0xFF, 0xD9]);
        bits.fill();
        assert_eq!((bits.take_bits(8), bits.take_bits(12), bits.take_bits(4)), (0x12, 0xFF3, 4));
        assert_eq!(bits.take_bits(8), 0);
        bits.restart();
        bits.fill();
        assert_eq!(bits.take_bits(8), 0x56);
        assert!(bits.check().is_ok());
        for _ in 0..40 {
            bits.fill();
            bits.take_bits(16);
        }
        assert!(bits.check().is_err());
    }

    #[test]
    fn small_values_are_negative() {
        assert_eq!([0, 1, 2, 3].map(|bits| extended(bits, 2)), [-3, -2, 2, 3]);
        assert_eq!(extended(0, 0), 0);
    }
}
