//! What an AV1 stream says about itself before its first frame: the sequence header (AV1 specification, 5.5).

use super::colours::Nclx;
use super::fields::Bits;
use crate::Refused;

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// The samples of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    /// Bits: 8, 10 or 12.
    pub(super) depth: u8,
    pub(super) has_colours: bool,
    /// Colour differences have half the width, or height.
    pub(super) halves_width: bool,
    pub(super) halves_height: bool,
    pub(super) nclx: Nclx,
}

impl Sequence {
    /// Of a stream of one picture. What has more frames, or tells of its samples twice, could take many times the memory
    /// that its first header lets expect.
    pub(super) fn of_a_still(stream: &[u8]) -> Result<Self, Refused> {
        let mut headers = Vec::new();
        let mut frames = 0;
        for (kind, body) in units(stream) {
            match kind {
                SEQUENCE_HEADER => headers.push(body),
                FRAME_HEADER | FRAME => frames += 1,
                _ => {}
            }
        }
        match (headers.as_slice(), frames) {
            (&[header], 1) => read(header).ok_or_else(Refused::ends_early),
            (_, 0 | 1) => Err(Refused::ends_early()),
            _ => Err(Refused::Unsupported("an AVIF picture in layers")),
        }
    }

    /// Samples of colour for each pixel, in quarters.
    pub(super) fn quarters(&self) -> u64 {
        match (self.has_colours, self.halves_width, self.halves_height) {
            (false, ..) => 4,
            (_, true, true) => 6,
            (_, true, false) => 8,
            _ => 12,
        }
    }
}

/// The open bitstream units: kinds and bodies. Ends where one cannot be read.
fn units(stream: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (&header, mut after) = rest.split_first()?;
        let (has_extension, has_size) = (header & 4 != 0, header & 2 != 0);
        if has_extension {
            after = after.get(1..)?;
        }
        let size = if has_size { leb128(&mut after)? } else { after.len() };
        let (body, next) = after.split_at_checked(size)?;
        rest = next;
        Some((header >> 3 & 15, body))
    })
}

fn leb128(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for at in 0..8 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn read(header: &[u8]) -> Option<Sequence> {
    let mut bits = Bits::new(header);
    let profile = bits.number(3)?;
    let _is_still = bits.flag()?;
    let is_reduced = bits.flag()?;
    if is_reduced {
        bits.skip(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let (width, height) = (bits.number(4)? as usize + 1, bits.number(4)? as usize + 1);
    bits.skip(width + height)?;
    if !is_reduced && bits.flag()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !is_reduced {
        tools(&mut bits)?;
    }
    bits.skip(3)?;
    colours(&mut bits, profile)
}

fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            exponential(bits)?;
        }
        if bits.flag()? {
            delay = Some(bits.number(5)? as usize + 1);
            bits.skip(42)?;
        }
    }
    let has_display_delays = bits.flag()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?;
        let level = bits.number(5)?;
        bits.skip(usize::from(level > 7))?;
        if let Some(delay) = delay
            && bits.flag()?
        {
            bits.skip(2 * delay + 1)?;
        }
        if has_display_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// A number that begins with as many zeros as it has bits after its first.
fn exponential(bits: &mut Bits<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
    }
    if zeros < 32 { bits.skip(zeros) } else { Some(()) }
}

fn tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let has_order = bits.flag()?;
    if has_order {
        bits.skip(2)?;
    }
    let is_screen_content_possible = bits.flag()? || bits.flag()?;
    if is_screen_content_possible && !bits.flag()? {
        bits.skip(1)?;
    }
    bits.skip(if has_order { 3 } else { 0 })
}

fn colours(bits: &mut Bits<'_>, profile: u32) -> Option<Sequence> {
    const SRGB: [u16; 3] = [1, 13, 0];
    const UNSPECIFIED: u16 = 2;
    let is_deep = bits.flag()?;
    let depth = match is_deep {
        true if profile == 2 && bits.flag()? => 12,
        true => 10,
        false => 8,
    };
    let has_colours = profile == 1 || !bits.flag()?;
    let mut description = [UNSPECIFIED; 3];
    if bits.flag()? {
        for value in &mut description {
            *value = bits.number(8)? as u16;
        }
    }
    let [primaries, transfer, matrix] = description;
    let nclx = |is_full_range| Nclx { primaries, transfer, matrix, is_full_range };
    if has_colours && description == SRGB {
        let nclx = nclx(true);
        return Some(Sequence { depth, has_colours, halves_width: false, halves_height: false, nclx });
    }
    let nclx = nclx(bits.flag()?);
    let (halves_width, halves_height) = match profile {
        _ if !has_colours => (true, true),
        0 => (true, true),
        1 => (false, false),
        _ if depth < 12 => (true, false),
        _ => {
            let halves_width = bits.flag()?;
            (halves_width, halves_width && bits.flag()?)
        }
    };
    Some(Sequence { depth, has_colours, halves_width, halves_height, nclx })
}
