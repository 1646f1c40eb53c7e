//! What a JPEG says about itself before its first coded bit: enough to know what decoding it would take.

use crate::Refused;

const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const APP14: u8 = 0xEE;
const BLOCK_SIDE: u32 = 8;
/// Bytes of the 64 coefficients of a block.
const BLOCK_BYTES: u64 = 128;

/// A component's sampling factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    horizontal: u8,
    vertical: u8,
}

/// The frame header (SOF).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: Vec<Component>,
    is_progressive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) frame: Frame,
    /// Of Adobe's APP14 segment, where there is one.
    pub(super) adobe_transform: Option<u8>,
    /// The first scan has all components.
    is_interleaved: bool,
    /// Where the first scan's coded data begins.
    data: usize,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let mut adobe_transform = None;
        let mut frame: Option<Frame> = None;
        let mut at = 2;
        loop {
            let segment = Segment::next(bytes, at)?;
            match segment.marker {
                APP14 => adobe_transform = adobe(segment.body).or(adobe_transform),
                START_OF_SCAN => {
                    let frame = frame.ok_or_else(|| Refused::damaged("it does not say how large it is"))?;
                    let in_scan = segment.body.first().map_or(0, |&count| usize::from(count));
                    let is_interleaved = in_scan == frame.components.len();
                    return Ok(Self { frame, adobe_transform, is_interleaved, data: segment.end });
                }
                marker if is_frame(marker) => {
                    if frame.is_some() {
                        return Err(Refused::damaged("it has two frames"));
                    }
                    frame = Some(Frame::read(marker, segment.body)?);
                }
                _ => {}
            }
            at = segment.end;
        }
    }

    /// Bytes that decoding takes: the pixels, and all coefficients where they arrive in several scans.
    pub(super) fn memory(&self) -> u64 {
        let Frame { width, height, components, .. } = &self.frame;
        let pixels = u64::from(*width) * u64::from(*height) * components.len() as u64;
        let keeps_coefficients = self.frame.is_progressive || !self.is_interleaved;
        if keeps_coefficients { pixels + self.frame.blocks() * BLOCK_BYTES } else { pixels }
    }

    /// Refuses what cannot be whole: no end marker after the first scan, or less data than blocks without any detail
    /// need (a bit for each block's brightness and, in sequential files, one for its end).
    pub(super) fn check_completeness(&self, bytes: &[u8]) -> Result<(), Refused> {
        let data = bytes.get(self.data..).unwrap_or_default();
        let bits_per_block = if self.frame.is_progressive { 1 } else { 2 };
        let has_end = data.windows(2).rev().any(|pair| pair == [0xFF, END_OF_IMAGE]);
        if !has_end || data.len() as u64 * 8 < self.frame.blocks() * bits_per_block {
            return Err(Refused::ends_early());
        }
        Ok(())
    }
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Result<Self, Refused> {
        let is_progressive = match marker {
            0xC0 | 0xC1 => false,
            0xC2 => true,
            0xC9..=0xCF => return Err(Refused::Unsupported("a JPEG with arithmetic coding")),
            _ => return Err(Refused::Unsupported("a lossless or hierarchical JPEG")),
        };
        let [precision, h1, h2, w1, w2, count, components @ ..] = body else {
            return Err(Refused::ends_early());
        };
        if *precision != 8 {
            return Err(Refused::Unsupported("a JPEG with more than eight bits a colour"));
        }
        let components: Vec<Component> = components
            .chunks_exact(3)
            .take(usize::from(*count))
            .map(|component| Component { horizontal: component[1] >> 4, vertical: component[1] & 15 })
            .collect();
        if components.len() != usize::from(*count) {
            return Err(Refused::ends_early());
        }
        let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
        Ok(Self { width: side(*w1, *w2), height: side(*h1, *h2), components, is_progressive })
    }

    /// Blocks of all components, rounded down.
    fn blocks(&self) -> u64 {
        let most =
            |factor: fn(&Component) -> u8| self.components.iter().map(factor).max().unwrap_or(1).max(1);
        let (horizontal, vertical) = (most(|c| c.horizontal), most(|c| c.vertical));
        let count = |side: u32, factor: u8, most: u8| {
            u64::from(side.div_ceil(BLOCK_SIDE)) * u64::from(factor) / u64::from(most)
        };
        let of = |c: &Component| {
            count(self.width, c.horizontal, horizontal) * count(self.height, c.vertical, vertical)
        };
        // A single component has no sampling, whatever its factors say.
        if let [_] = self.components.as_slice() {
            return count(self.width, 1, 1) * count(self.height, 1, 1);
        }
        self.components.iter().map(of).sum()
    }
}

struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    /// Where the next segment begins.
    end: usize,
}

impl<'a> Segment<'a> {
    /// The first segment at or after `from`; what lies between segments is skipped, as decoders do.
    fn next(bytes: &'a [u8], from: usize) -> Result<Self, Refused> {
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let [first, second, ..] = rest else {
                return Err(Refused::ends_early());
            };
            match (*first, *second) {
                (0xFF, 0x01 | 0xD0..=START_OF_IMAGE) => at += 2,
                (0xFF, END_OF_IMAGE) => return Err(Refused::ends_early()),
                (0xFF, 0x02..) if *second != 0xFF => return Self::of(*second, rest, at),
                _ => at += 1,
            }
        }
    }

    fn of(marker: u8, rest: &'a [u8], at: usize) -> Result<Self, Refused> {
        let [_, _, high, low, ..] = rest else {
            return Err(Refused::ends_early());
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 2 {
            return Err(Refused::damaged("a segment has no length"));
        }
        let body = rest.get(4..2 + length).ok_or_else(Refused::ends_early)?;
        Ok(Self { marker, body, end: at + 2 + length })
    }
}

/// SOF0 to SOF15, less the three of that range that mean something else.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

fn adobe(body: &[u8]) -> Option<u8> {
    body.strip_prefix(b"Adobe")?.get(6).copied()
}
