//! Giving back what means take away.
//!
//! A mean of a square is the picture seen through a square hole, which dulls what is only a few squares large: by
//! 1 − (πf)² / 6 at f cycles a square. Taking a 24th of the differences to the four neighbours away undoes that to second order.

/// Means of squares as samples of the picture itself.
///
/// Rows of `width` pixels of `CHANNELS` values each, `stride` values apart. `UNIT` in a value is one step of a sample;
/// value 0 is sample `zero`.
pub(crate) fn sharpened<const CHANNELS: usize, const UNIT: i32, T: Copy + Into<i32>>(
    means: &[T],
    stride: usize,
    width: usize,
    height: usize,
    zero: i32,
) -> Vec<u8> {
    let length = width * CHANNELS;
    let mut samples = vec![0; length * height];
    for (y, to) in samples.chunks_exact_mut(length.max(1)).enumerate() {
        let row = |y: usize| &means[y * stride..y * stride + length];
        let rows = [row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1))];
        sharpen_row::<CHANNELS, UNIT, T>(rows, zero, to);
    }
    samples
}

/// The same of means that are samples already, in their place.
pub(crate) fn sharpen<const CHANNELS: usize>(samples: &mut [u8], width: usize) {
    let length = (width * CHANNELS).max(1);
    let mut above = samples[..length.min(samples.len())].to_vec();
    let mut here = above.clone();
    for start in (0..samples.len()).step_by(length) {
        let (row, rest) = samples[start..].split_at_mut(length);
        here.copy_from_slice(row);
        sharpen_row::<CHANNELS, 1, u8>([&above, &here, rest.get(..length).unwrap_or(&here)], 0, row);
        std::mem::swap(&mut above, &mut here);
    }
}

/// Of three rows, the middle one.
fn sharpen_row<const CHANNELS: usize, const UNIT: i32, T: Copy + Into<i32>>(
    [above, here, below]: [&[T]; 3],
    zero: i32,
    to: &mut [u8],
) {
    let length = here.len();
    let value = |at: usize, before: usize, after: usize| {
        let around = above[at].into() + below[at].into() + here[before].into() + here[after].into();
        sample::<UNIT>(here[at].into(), around, zero)
    };
    // The middle apart from the ends: a loop without a decision.
    let last = length - CHANNELS;
    for at in 0..CHANNELS {
        to[at] = value(at, at, (at + CHANNELS).min(last + at));
        to[last + at] = value(last + at, (last + at).saturating_sub(CHANNELS).max(at), last + at);
    }
    if length > 2 * CHANNELS {
        let (left, right) = (&here[..length - 2 * CHANNELS], &here[2 * CHANNELS..]);
        let (above, middle) = (&above[CHANNELS..last], &here[CHANNELS..last]);
        let below = &below[CHANNELS..last];
        for (at, to) in to[CHANNELS..last].iter_mut().enumerate() {
            let around = above[at].into() + below[at].into() + left[at].into() + right[at].into();
            *to = sample::<UNIT>(middle[at].into(), around, zero);
        }
    }
}

#[inline(always)]
fn sample<const UNIT: i32>(centre: i32, around: i32, zero: i32) -> u8 {
    const PARTS: i32 = 24;
    let sum = centre * (PARTS + 4) - around + PARTS * UNIT / 2 + zero * PARTS * UNIT;
    (sum.clamp(0, 256 * PARTS * UNIT - 1) as u32 / (PARTS * UNIT) as u32) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_flat_stays_and_edges_gain() {
        assert_eq!(sharpened::<1, 8, i16>(&[80; 6], 3, 3, 2, 128), [138; 6]);
        assert_eq!(sharpened::<1, 8, i16>(&[0, 0, 400, 400], 4, 4, 1, 128), [128, 126, 180, 178]);
        assert_eq!(sharpened::<1, 1, u8>(&[0, 255], 2, 2, 1, 0), [0, 255]);
        assert_eq!(sharpened::<2, 1, u8>(&[10, 20], 2, 1, 1, 0), [10, 20]);
    }

    #[test]
    fn in_place_it_is_the_same() {
        for (width, height) in [(1, 1), (1, 5), (4, 1), (7, 6)] {
            let means: Vec<u8> = (0..3 * width * height).map(|at| (at * at % 251) as u8).collect();
            let mut samples = means.clone();
            sharpen::<3>(&mut samples, width);
            assert_eq!(samples, sharpened::<3, 1, u8>(&means, 3 * width, width, height, 0));
        }
    }
}
