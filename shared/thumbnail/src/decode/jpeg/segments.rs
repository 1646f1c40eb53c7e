//! The segments that a JPEG file is made of (ITU-T T.81, B.1).

use crate::Refused;

pub(super) const START_OF_IMAGE: u8 = 0xD8;
pub(super) const END_OF_IMAGE: u8 = 0xD9;
pub(super) const START_OF_SCAN: u8 = 0xDA;
pub(super) const QUANTISATION_TABLES: u8 = 0xDB;
pub(super) const HUFFMAN_TABLES: u8 = 0xC4;
pub(super) const RESTART_INTERVAL: u8 = 0xDD;
pub(super) const APP0: u8 = 0xE0;
pub(super) const APP1: u8 = 0xE1;
pub(super) const APP2: u8 = 0xE2;
pub(super) const APP14: u8 = 0xEE;

#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) body: &'a [u8],
    /// Where the next segment, or coded data, begins.
    pub(super) end: usize,
}

impl<'a> Segment<'a> {
    /// The first segment at or after `from`; what lies between segments (coded data too) is skipped, as decoders do.
    /// `None` at the end marker.
    pub(super) fn next(bytes: &'a [u8], from: usize) -> Result<Option<Self>, Refused> {
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            at += memchr::memchr(0xFF, rest).ok_or_else(Refused::ends_early)?;
            match bytes.get(at + 1) {
                None => return Err(Refused::ends_early()),
                Some(0xFF) => at += 1,
                Some(0x00 | 0x01 | 0xD0..=START_OF_IMAGE) => at += 2,
                Some(&END_OF_IMAGE) => return Ok(None),
                Some(&marker) => return Self::of(marker, bytes, at).map(Some),
            }
        }
    }

    fn of(marker: u8, bytes: &'a [u8], at: usize) -> Result<Self, Refused> {
        let length = bytes.get(at + 2..at + 4).ok_or_else(Refused::ends_early)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(Refused::damaged("a segment has no length"));
        }
        let end = at + 2 + length;
        let body = bytes.get(at + 4..end).ok_or_else(Refused::ends_early)?;
        Ok(Self { marker, body, end })
    }
}

/// SOF0 to SOF15, less the three of that range that mean something else.
pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, HUFFMAN_TABLES | 0xC8 | 0xCC)
}
