//! Samples foretold from those around them (RFC 6386, 12).

use super::modes::Mode;
use super::transform::{SPAN, STRIDE};

/// A small block, with the sample before it above, those above it and to its right, and a sample to the left of each row.
pub(super) const SMALL: usize = 1 + STRIDE + SPAN;

/// Foretells a small block in its surroundings.
#[inline]
pub(super) fn small(mode: Mode, samples: &mut [u8; SMALL]) {
    let rows = match mode {
        Mode::Mean => {
            let sum: u32 = (1..=4).map(|at| u32::from(samples[at]) + u32::from(samples[at * STRIDE])).sum();
            [[((sum + 4) >> 3) as u8; 4]; 4]
        }
        Mode::Gradient => {
            let corner = i16::from(samples[0]);
            let above: [i16; 4] = std::array::from_fn(|x| i16::from(samples[1 + x]));
            std::array::from_fn(|y| {
                let left = i16::from(samples[(1 + y) * STRIDE]) - corner;
                above.map(|above| (above + left).clamp(0, 255) as u8)
            })
        }
        _ => sloped(mode, around(samples)),
    };
    for (y, row) in rows.iter().enumerate() {
        samples[1 + (1 + y) * STRIDE..][..4].copy_from_slice(row);
    }
}

/// The samples around a small block: from below along the left, the corner, and above to the right; both ends twice, since
/// means of three go over them.
type Around = [u8; 15];

#[inline(always)]
fn around(samples: &[u8; SMALL]) -> Around {
    std::array::from_fn(|at| match at {
        0 => samples[4 * STRIDE],
        1..=4 => samples[(5 - at) * STRIDE],
        5..=13 => samples[at - 5],
        _ => samples[8],
    })
}

#[inline(always)]
fn sloped(mode: Mode, around: Around) -> [[u8; 4]; 4] {
    let value = |at: usize| u16::from(around[at]);
    let twos: [u8; 14] = std::array::from_fn(|at| ((value(at) + value(at + 1) + 1) >> 1) as u8);
    let threes: [u8; 13] =
        std::array::from_fn(|at| ((value(at) + 2 * value(at + 1) + value(at + 2) + 2) >> 2) as u8);
    let two = |from: usize| -> [u8; 4] { std::array::from_fn(|x| twos[from + x]) };
    let three = |from: usize| -> [u8; 4] { std::array::from_fn(|x| threes[from + x]) };
    match mode {
        Mode::Down => [three(5); 4],
        Mode::Across => [[threes[3]; 4], [threes[2]; 4], [threes[1]; 4], [threes[0]; 4]],
        Mode::RightDown => [three(4), three(3), three(2), three(1)],
        Mode::LeftDown => [three(6), three(7), three(8), three(9)],
        Mode::VerticalRight => {
            let [a, b, c, _] = two(5);
            let [d, e, f, _] = three(4);
            [two(5), three(4), [threes[3], a, b, c], [threes[2], d, e, f]]
        }
        Mode::VerticalLeft => {
            let ([_, a, b, c], [_, d, e, f]) = (two(6), three(6));
            [two(6), three(6), [a, b, c, threes[10]], [d, e, f, threes[11]]]
        }
        Mode::HorizontalDown => {
            let row = |at: usize| [twos[at], threes[at], twos[at + 1], threes[at + 1]];
            [[twos[4], threes[4], threes[5], threes[6]], row(3), row(2), row(1)]
        }
        _ => {
            let last = around[0];
            [
                [twos[3], threes[2], twos[2], threes[1]],
                [twos[2], threes[1], twos[1], threes[0]],
                [twos[1], threes[0], last, last],
                [last; 4],
            ]
        }
    }
}

/// Foretells a block of `SIDE`² samples, whose first row in `samples` is what is above it, at `from` and with the corner
/// before it. `has` says whether there is a picture above and to the left.
#[inline(always)]
pub(super) fn whole<const SIDE: usize>(mode: Mode, samples: &mut [u8], from: usize, has: (bool, bool)) {
    let (above, rows) = samples.split_at_mut(STRIDE);
    let above = &above[from - 1..from + SIDE];
    let (corner, above) = (i16::from(above[0]), &above[1..]);
    let rows = rows.chunks_exact_mut(STRIDE).take(SIDE);
    match mode {
        Mode::Down => rows.for_each(|row| row[from..from + SIDE].copy_from_slice(above)),
        Mode::Across => rows.for_each(|row| {
            let left = row[from - 1];
            row[from..from + SIDE].fill(left);
        }),
        Mode::Gradient => rows.for_each(|row| {
            let row = &mut row[from - 1..from + SIDE];
            let left = i16::from(row[0]) - corner;
            for (to, &above) in row[1..].iter_mut().zip(above) {
                *to = (i16::from(above) + left).clamp(0, 255) as u8;
            }
        }),
        _ => {
            let above: u32 = above.iter().map(|&sample| u32::from(sample)).sum();
            let left: u32 =
                samples[STRIDE..].chunks_exact(STRIDE).take(SIDE).map(|row| u32::from(row[from - 1])).sum();
            let side = SIDE as u32;
            let mean = match has {
                (true, true) => (above + left + side) / (2 * side),
                (true, false) => (above + side / 2) / side,
                (false, true) => (left + side / 2) / side,
                (false, false) => 128,
            };
            let rows = samples[STRIDE..].chunks_exact_mut(STRIDE).take(SIDE);
            rows.for_each(|row| row[from..from + SIDE].fill(mean as u8));
        }
    }
}
