//! How the samples of a block are foretold from those around it (RFC 6386, 8 and 11).

use super::bits::Bits;
use super::constants::MODES;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// All are the mean of what is around.
    #[default]
    Mean,
    /// As different from the one above as the ones to the left are.
    Gradient,
    Down,
    Across,
    // Of small blocks only; named by the RFC after the directions of their slopes.
    RightDown,
    VerticalRight,
    LeftDown,
    VerticalLeft,
    HorizontalDown,
    HorizontalUp,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Luma {
    Whole(Mode),
    /// Of each small block, row by row.
    Small([Mode; 16]),
}

/// What the first partition says of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    pub(super) segment: usize,
    pub(super) is_skipped: bool,
    pub(super) luma: Luma,
    pub(super) chroma: Mode,
}

/// Reads the modes of a block, whose neighbours above and to the left had these at its edge.
pub(super) fn read(
    place: &mut Bits<'_>,
    segment_probabilities: Option<[u8; 3]>,
    skip_probability: Option<u8>,
    above: &mut [Mode; 4],
    left: &mut [Mode; 4],
) -> Modes {
    // A copy that nobody else can see, so that it is in registers.
    let mut own = place.clone();
    let bits = &mut own;
    let segment = segment_probabilities.map_or(0, |[first, low, high]| match bits.decision(first) {
        false => usize::from(bits.decision(low)),
        true => 2 + usize::from(bits.decision(high)),
    });
    let is_skipped = skip_probability.is_some_and(|probability| bits.decision(probability));
    let luma = if bits.decision(145) {
        let mode = whole(bits);
        (*above, *left) = ([mode; 4], [mode; 4]);
        Luma::Whole(mode)
    } else {
        let mut modes = [Mode::Mean; 16];
        for (row, left) in modes.chunks_exact_mut(4).zip(left) {
            for (mode, above) in row.iter_mut().zip(above.iter_mut()) {
                *mode = small(bits, &MODES[*above as usize][*left as usize]);
                (*above, *left) = (*mode, *mode);
            }
        }
        Luma::Small(modes)
    };
    let chroma = chroma(bits);
    *place = own;
    Modes { segment, is_skipped, luma, chroma }
}

fn whole(bits: &mut Bits<'_>) -> Mode {
    if bits.decision(156) {
        if bits.flag() { Mode::Gradient } else { Mode::Across }
    } else if bits.decision(163) {
        Mode::Down
    } else {
        Mode::Mean
    }
}

fn chroma(bits: &mut Bits<'_>) -> Mode {
    if !bits.decision(142) {
        Mode::Mean
    } else if !bits.decision(114) {
        Mode::Down
    } else if bits.decision(183) {
        Mode::Gradient
    } else {
        Mode::Across
    }
}

#[inline(always)]
fn small(bits: &mut Bits<'_>, probabilities: &[u8; 9]) -> Mode {
    let mut is = |at: usize| bits.decision(probabilities[at]);
    if !is(0) {
        Mode::Mean
    } else if !is(1) {
        Mode::Gradient
    } else if !is(2) {
        Mode::Down
    } else if !is(3) {
        if !is(4) {
            Mode::Across
        } else if is(5) {
            Mode::VerticalRight
        } else {
            Mode::RightDown
        }
    } else if !is(6) {
        Mode::LeftDown
    } else if !is(7) {
        Mode::VerticalLeft
    } else if is(8) {
        Mode::HorizontalUp
    } else {
        Mode::HorizontalDown
    }
}
