//! From coefficients to differences of samples (RFC 6386, 14).

use wide::{i16x8, u8x16};

/// Samples from one row to the next, of a block that is being made.
pub(super) const STRIDE: usize = 32;
/// Samples from the first to the last of a small block.
pub(super) const SPAN: usize = 3 * STRIDE + 4;

/// Spreads the means of small blocks, which are coefficients themselves: each is its block's first.
pub(super) fn spread(block: &[i16; 16], blocks: &mut [[i16; 16]]) {
    let value = |at: usize| i32::from(block[at]);
    let mut columns = [0; 16];
    for x in 0..4 {
        let [a, b] = [value(x) + value(12 + x), value(4 + x) + value(8 + x)];
        let [c, d] = [value(4 + x) - value(8 + x), value(x) - value(12 + x)];
        [columns[x], columns[4 + x], columns[8 + x], columns[12 + x]] = [a + b, c + d, a - b, d - c];
    }
    for (row, blocks) in columns.chunks_exact(4).zip(blocks.chunks_exact_mut(4)) {
        let [a, b] = [row[0] + 3 + row[3], row[1] + row[2]];
        let [c, d] = [row[1] - row[2], row[0] + 3 - row[3]];
        for (block, sum) in blocks.iter_mut().zip([a + b, c + d, a - b, d - c]) {
            block[0] = (sum >> 3) as i16;
        }
    }
}

/// Adds what a block's coefficients say to the samples foretold.
#[inline]
pub(super) fn add(samples: &mut [u8; SPAN], block: &[i16; 16]) {
    let row = |y: usize| i16x8::new(std::array::from_fn(|at| if at < 4 { block[4 * y + at] } else { 0 }));
    let [first, second, third, fourth] = transposed(halves([row(0), row(1), row(2), row(3)]));
    let rows = transposed(halves([first + i16x8::splat(4), second, third, fourth]));
    let sum = |y: usize| {
        let foretold = std::array::from_fn(|at| if at < 4 { i16::from(samples[y * STRIDE + at]) } else { 0 });
        i16x8::new(foretold) + (rows[y] >> 3)
    };
    let upper = u8x16::narrow_i16x8(sum(0), sum(1)).to_array();
    let lower = u8x16::narrow_i16x8(sum(2), sum(3)).to_array();
    for (y, row) in upper.chunks_exact(8).chain(lower.chunks_exact(8)).enumerate() {
        samples[y * STRIDE..y * STRIDE + 4].copy_from_slice(&row[..4]);
    }
}

/// Of four rows of four, the columns.
#[inline(always)]
fn transposed([first, second, third, fourth]: [i16x8; 4]) -> [i16x8; 4] {
    let none = i16x8::ZERO;
    let [first, second, third, fourth, ..] =
        i16x8::transpose([first, second, third, fourth, none, none, none, none]);
    [first, second, third, fourth]
}

/// The same of a block that has its first coefficient only.
#[inline]
pub(super) fn add_mean(samples: &mut [u8; SPAN], first: i16) {
    let difference = first.wrapping_add(4) >> 3;
    for row in samples.chunks_mut(STRIDE) {
        for to in &mut row[..4] {
            *to = (i16::from(*to) + difference).clamp(0, 255) as u8;
        }
    }
}

/// One dimension of the transform, of the four columns in first halves at once.
#[inline(always)]
fn halves([first, second, third, fourth]: [i16x8; 4]) -> [i16x8; 4] {
    let (a, b) = (first + third, first - third);
    let c = times_sine(second) - times_cosine(fourth);
    let d = times_cosine(second) + times_sine(fourth);
    [a + d, b + c, b - c, a - d]
}

/// Times √2 cos(π / 8), in steps of 1 / 65,536.
#[inline(always)]
fn times_cosine(row: i16x8) -> i16x8 {
    row + row.mul_keep_high(i16x8::splat(20_091))
}

/// Times √2 sin(π / 8): 35,468, less 65,536 so that it is a number of 16 bits.
#[inline(always)]
fn times_sine(row: i16x8) -> i16x8 {
    row + row.mul_keep_high(i16x8::splat(35_468_u16 as i16))
}
