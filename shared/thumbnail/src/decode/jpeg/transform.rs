//! From coefficients to samples: the inverse cosine transform in the file's own 8 × 8, or of its lowest coefficients
//! alone, which gives 4 × 4, 2 × 2 or 1 sample for a block: the picture shrunk, without its fine detail ever existing.

/// Fractional bits of the constants, and of what goes between the two passes.
const CONSTANT_BITS: i32 = 13;
const PASS_BITS: i32 = 2;

const fn fixed(value: f64) -> i32 {
    (value * (1 << CONSTANT_BITS) as f64 + 0.5) as i32
}

/// Where the coefficient of each number is in its block, row by row (T.81, figure 5).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Samples of a block's side after decoding: the scale in eighths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scale {
    Eighth,
    Quarter,
    Half,
    Full,
}

impl Scale {
    pub(super) const ALL: [Self; 4] = [Self::Eighth, Self::Quarter, Self::Half, Self::Full];

    pub(super) fn side(self) -> usize {
        match self {
            Self::Eighth => 1,
            Self::Quarter => 2,
            Self::Half => 4,
            Self::Full => 8,
        }
    }

    /// One more than the number of the last coefficient that counts.
    pub(super) fn coefficients(self) -> u32 {
        match self {
            Self::Eighth => 1,
            Self::Quarter => 5,
            Self::Half => 25,
            Self::Full => 64,
        }
    }
}

/// Whether the coefficient at this place counts among the lowest `side` × `side`.
#[inline(always)]
pub(super) fn is_low(place: usize, side: usize) -> bool {
    place % 8 < side && place / 8 < side
}

/// A block's samples, of `side` × `side` (1 is another matter), into rows of `stride`.
pub(super) fn samples(coefficients: &[i32; 64], side: usize, to: &mut [u8], stride: usize) {
    match side {
        2 => two(coefficients, to, stride),
        4 => four(coefficients, to, stride),
        _ => eight(coefficients, to, stride),
    }
}

fn two(c: &[i32; 64], to: &mut [u8], stride: usize) {
    let (top, bottom) = ((c[0] + c[8], c[1] + c[9]), (c[0] - c[8], c[1] - c[9]));
    for (row, (even, odd)) in [top, bottom].into_iter().enumerate() {
        to[row * stride] = sample(even + odd, 3);
        to[row * stride + 1] = sample(even - odd, 3);
    }
}

fn sample(value: i32, bits: i32) -> u8 {
    (((value + (1 << (bits - 1))) >> bits) + 128).clamp(0, 255) as u8
}

fn four(c: &[i32; 64], to: &mut [u8], stride: usize) {
    let rows: [[i32; 4]; 4] = std::array::from_fn(|row| std::array::from_fn(|column| c[row * 8 + column]));
    let columns = transposed(four_rows(rows, CONSTANT_BITS - PASS_BITS));
    let rows = transposed(four_rows(columns, CONSTANT_BITS + PASS_BITS + 3));
    for (y, row) in rows.iter().enumerate() {
        let to = &mut to[y * stride..y * stride + 4];
        for (to, value) in to.iter_mut().zip(row) {
            *to = (value + 128).clamp(0, 255) as u8;
        }
    }
}

/// Four transforms side by side: of each column of `rows`, √2 times too large, and divided by `2^bits`.
#[inline(always)]
fn four_rows(rows: [[i32; 4]; 4], bits: i32) -> [[i32; 4]; 4] {
    const LARGE: i32 = fixed(1.306_562_965);
    const SMALL: i32 = fixed(0.541_196_1);
    let mut out = [[0; 4]; 4];
    for lane in 0..4 {
        let [a, b, c, d] = rows.map(|row| row[lane]);
        let half = 1 << (bits - 1);
        let (even0, even1) = ((a.wrapping_add(c)) << CONSTANT_BITS, (a.wrapping_sub(c)) << CONSTANT_BITS);
        let odd0 = b.wrapping_mul(LARGE).wrapping_add(d.wrapping_mul(SMALL));
        let odd1 = b.wrapping_mul(SMALL).wrapping_sub(d.wrapping_mul(LARGE));
        out[0][lane] = even0.wrapping_add(odd0).wrapping_add(half) >> bits;
        out[1][lane] = even1.wrapping_add(odd1).wrapping_add(half) >> bits;
        out[2][lane] = even1.wrapping_sub(odd1).wrapping_add(half) >> bits;
        out[3][lane] = even0.wrapping_sub(odd0).wrapping_add(half) >> bits;
    }
    out
}

fn transposed<const N: usize>(rows: [[i32; N]; N]) -> [[i32; N]; N] {
    std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]))
}

fn eight(c: &[i32; 64], to: &mut [u8], stride: usize) {
    let rows: [[i32; 8]; 8] = std::array::from_fn(|row| std::array::from_fn(|column| c[row * 8 + column]));
    let columns = transposed(eight_rows(rows, CONSTANT_BITS - PASS_BITS));
    let rows = transposed(eight_rows(columns, CONSTANT_BITS + PASS_BITS + 3));
    for (y, row) in rows.iter().enumerate() {
        let to = &mut to[y * stride..y * stride + 8];
        for (to, value) in to.iter_mut().zip(row) {
            *to = (value + 128).clamp(0, 255) as u8;
        }
    }
}

/// Eight transforms side by side, after Loeffler, Ligtenberg and Moschytz: of each column of `rows`, √8 times too
/// large, and divided by `2^bits`.
#[inline(always)]
fn eight_rows(rows: [[i32; 8]; 8], bits: i32) -> [[i32; 8]; 8] {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let column = eight_values(rows.map(|row| row[lane]), bits);
        for (row, value) in out.iter_mut().zip(column) {
            row[lane] = value;
        }
    }
    out
}

#[inline(always)]
fn eight_values(c: [i32; 8], bits: i32) -> [i32; 8] {
    let times = |value: i32, constant: i32| value.wrapping_mul(constant);
    // Even part.
    let rotated = times(c[2].wrapping_add(c[6]), fixed(0.541_196_1));
    let e2 = rotated.wrapping_sub(times(c[6], fixed(1.847_759_065)));
    let e3 = rotated.wrapping_add(times(c[2], fixed(0.765_366_865)));
    let (e0, e1) = (c[0].wrapping_add(c[4]) << CONSTANT_BITS, c[0].wrapping_sub(c[4]) << CONSTANT_BITS);
    let even = [e0.wrapping_add(e3), e1.wrapping_add(e2), e1.wrapping_sub(e2), e0.wrapping_sub(e3)];
    // Odd part.
    let (o0, o1, o2, o3) = (c[7], c[5], c[3], c[1]);
    let all = times(o0.wrapping_add(o2).wrapping_add(o1).wrapping_add(o3), fixed(1.175_875_602));
    let z1 = times(o0.wrapping_add(o3), -fixed(0.899_976_223));
    let z2 = times(o1.wrapping_add(o2), -fixed(2.562_915_447));
    let z3 = times(o0.wrapping_add(o2), -fixed(1.961_570_56)).wrapping_add(all);
    let z4 = times(o1.wrapping_add(o3), -fixed(0.390_180_644)).wrapping_add(all);
    let odd = [
        times(o3, fixed(1.501_321_11)).wrapping_add(z1).wrapping_add(z4),
        times(o2, fixed(3.072_711_026)).wrapping_add(z2).wrapping_add(z3),
        times(o1, fixed(2.053_119_869)).wrapping_add(z2).wrapping_add(z4),
        times(o0, fixed(0.298_631_336)).wrapping_add(z1).wrapping_add(z3),
    ];
    let half = 1 << (bits - 1);
    std::array::from_fn(|n| {
        let sum = if n < 4 { even[n].wrapping_add(odd[n]) } else { even[7 - n].wrapping_sub(odd[7 - n]) };
        sum.wrapping_add(half) >> bits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    /// The definition (T.81, A.3.3), for any side.
    fn exactly(coefficients: &[i32; 64], side: usize, x: usize, y: usize) -> f64 {
        let basis = |u: usize, x: usize| {
            let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            scale * ((2 * x + 1) as f64 * u as f64 * PI / (2 * side) as f64).cos()
        };
        let places = (0..side).flat_map(|v| (0..side).map(move |u| (u, v)));
        places.map(|(u, v)| f64::from(coefficients[v * 8 + u]) * basis(u, x) * basis(v, y)).sum::<f64>() / 4.0
    }

    proptest! {
        #[test]
        fn samples_are_those_of_the_definition(values in prop::collection::vec(-300_i32..300, 64), kind in 1..4) {
            let side = 1_usize << kind;
            let coefficients: [i32; 64] = values.try_into().unwrap();
            let mut actual = [0; 64];
            samples(&coefficients, side, &mut actual, 8);
            for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
                let exact = (exactly(&coefficients, side, x, y) + 128.0).clamp(0.0, 255.0);
                prop_assert!((f64::from(actual[y * 8 + x]) - exact).abs() < 1.1, "{side}: {x}, {y}: {exact}");
            }
        }
    }
}
