//! What a key frame says before its blocks (RFC 6386, 9 and 19.2).

use super::bits::Bits;
use super::constants::{AC_STEPS, DC_STEPS, DEFAULTS, KEPT};
use super::residuals::Probabilities;
use crate::Refused;

const SEGMENTS: usize = 4;

pub(super) struct Header<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The rest of the first partition: the modes of blocks.
    pub(super) modes: Bits<'a>,
    /// The other partitions: coefficients, in turns of a row of blocks.
    pub(super) coefficients: Vec<Bits<'a>>,
    /// Of a block's segment, where blocks tell it.
    pub(super) segment_probabilities: Option<[u8; 3]>,
    /// Of a block being without coefficients, where blocks tell it.
    pub(super) skip_probability: Option<u8>,
    /// By segment.
    pub(super) steps: [Steps; SEGMENTS],
    pub(super) probabilities: Probabilities,
}

/// Quantisation steps, each of the first coefficient and of others.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) luma: [i32; 2],
    /// Of the first coefficients of a block's luma, as a block of their own.
    pub(super) means: [i32; 2],
    pub(super) chroma: [i32; 2],
}

/// By how much segments differ from the whole.
struct Segments {
    is_absolute: bool,
    indices: [i32; SEGMENTS],
}

impl<'a> Header<'a> {
    pub(super) fn read(frame: &'a [u8]) -> Result<Self, Refused> {
        let (tag, rest) = frame.split_first_chunk::<10>().ok_or_else(Refused::ends_early)?;
        let first = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]);
        let (is_key, profile, is_shown) = (first & 1 == 0, first >> 1 & 7, first >> 4 & 1 == 1);
        if !is_key || profile > 3 || !is_shown || tag[3..6] != [0x9D, 0x01, 0x2A] {
            return Err(Refused::damaged("no key frame of VP8"));
        }
        let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
        let (width, height) = (side(tag[6], tag[7]), side(tag[8], tag[9]));
        let (first, rest) = rest.split_at_checked((first >> 5) as usize).ok_or_else(Refused::ends_early)?;
        let mut bits = Bits::new(first);
        // Colour space and clamping: always the same.
        bits.number(2);
        let (segments, segment_probabilities) = segments(&mut bits);
        pass_filter(&mut bits);
        let partitions = 1 << bits.number(2);
        let coefficients = partition(rest, partitions)?;
        let steps = steps(&mut bits, segments.as_ref());
        // Whether what follows would be kept for further frames.
        bits.flag();
        let probabilities = probabilities(&mut bits);
        let skip_probability = bits.flag().then(|| bits.number(8));
        Ok(Self {
            width,
            height,
            modes: bits,
            coefficients,
            segment_probabilities,
            skip_probability,
            steps,
            probabilities,
        })
    }
}

fn segments(bits: &mut Bits<'_>) -> (Option<Segments>, Option<[u8; 3]>) {
    if !bits.flag() {
        return (None, None);
    }
    let has_map = bits.flag();
    let mut segments = Segments { is_absolute: true, indices: [0; SEGMENTS] };
    if bits.flag() {
        segments.is_absolute = bits.flag();
        segments.indices = std::array::from_fn(|_| bits.signed(7));
        // Strengths of the filter.
        for _ in 0..SEGMENTS {
            bits.signed(6);
        }
    }
    let map = has_map.then(|| std::array::from_fn(|_| if bits.flag() { bits.number(8) } else { 255 }));
    (Some(segments), map)
}

/// Passes over what is for the filter of edges, which is not for small pictures.
fn pass_filter(bits: &mut Bits<'_>) {
    // Kind, level and sharpness.
    bits.number(1);
    bits.number(6);
    bits.number(3);
    if bits.flag() && bits.flag() {
        // Four frames that may be referred to, and four modes.
        for _ in 0..8 {
            bits.signed(6);
        }
    }
}

/// Partitions, by their sizes before them; the last is what is left.
fn partition(bytes: &[u8], count: usize) -> Result<Vec<Bits<'_>>, Refused> {
    let (sizes, mut rest) = bytes.split_at_checked(3 * (count - 1)).ok_or_else(Refused::ends_early)?;
    let mut partitions = Vec::with_capacity(count);
    for size in sizes.chunks_exact(3) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], 0]) as usize;
        let (partition, after) = rest.split_at(size.min(rest.len()));
        partitions.push(Bits::new(partition));
        rest = after;
    }
    if rest.is_empty() {
        return Err(Refused::ends_early());
    }
    partitions.push(Bits::new(rest));
    Ok(partitions)
}

fn steps(bits: &mut Bits<'_>, segments: Option<&Segments>) -> [Steps; SEGMENTS] {
    let base = i32::from(bits.number(7));
    let [luma_dc, means_dc, means_ac, chroma_dc, chroma_ac] = std::array::from_fn(|_| bits.signed(4));
    let dc = |index: i32, last: i32| i32::from(DC_STEPS[index.clamp(0, last) as usize]);
    let ac = |index: i32| i32::from(AC_STEPS[index.clamp(0, 127) as usize]);
    std::array::from_fn(|segment| {
        let index = match segments {
            None => base,
            Some(Segments { is_absolute: true, indices }) => indices[segment],
            Some(Segments { is_absolute: false, indices }) => base + indices[segment],
        };
        Steps {
            luma: [dc(index + luma_dc, 127), ac(index)],
            means: [2 * dc(index + means_dc, 127), (ac(index + means_ac) * 155 / 100).max(8)],
            chroma: [dc(index + chroma_dc, 117), ac(index + chroma_ac)],
        }
    })
}

fn probabilities(bits: &mut Bits<'_>) -> Probabilities {
    let mut probabilities = DEFAULTS;
    let all = probabilities.as_flattened_mut().as_flattened_mut().as_flattened_mut();
    for (probability, &kept) in all.iter_mut().zip(KEPT.as_flattened().as_flattened().as_flattened()) {
        if bits.decision(kept) {
            *probability = bits.number(8);
        }
    }
    probabilities
}
