//! Shrinking by a whole factor while rows arrive, so that a picture is never in memory as a whole: squares of pixels
//! become their mean. What is left has enough pixels for a better filter to make thumbnails of.

use crate::raster::{self, Layout, Plane, Raster};
use crate::resample;
use crate::sharpen;
use crate::{Limits, Refused};

/// Pixels left on the long side for each pixel of the largest thumbnail, at least.
const MARGIN: u32 = 2;
/// Rows that sums of 16 bits can hold.
const LARGEST_FACTOR: u32 = 256;

/// The factor by which a picture of this long side may shrink for thumbnails of at most `size`.
pub(crate) fn factor(long_side: u32, size: u32) -> u32 {
    (long_side / size.max(1).saturating_mul(MARGIN)).clamp(1, LARGEST_FACTOR)
}

/// The same where memory is short: the smallest factor of which `memory` is within the limits, as long as there are enough
/// pixels for thumbnails at all.
pub(crate) fn affordable_factor(
    long_side: u32,
    size: u32,
    limits: &Limits,
    memory: impl Fn(u32) -> u64,
) -> Result<u32, Refused> {
    let wanted = factor(long_side, size);
    let largest = (long_side / size.max(1)).clamp(wanted, LARGEST_FACTOR);
    let is_affordable = |factor: &u32| limits.check_memory(memory(*factor)).is_ok();
    let factor = (wanted..=largest).find(is_affordable).unwrap_or(largest);
    limits.check_memory(memory(factor)).map(|()| factor)
}

/// Bytes of the result.
pub(crate) fn size(width: u32, height: u32, channels: usize, factor: u32) -> u64 {
    raster::bytes(width.div_ceil(factor), height.div_ceil(factor), channels) as u64
}

/// Bytes of the result, of the thumbnails made of it, the largest of which has half its sides, and of the rows in between.
pub(crate) fn memory(width: u32, height: u32, channels: usize, factor: u32) -> u64 {
    size(width, height, channels, factor) * 4 / 3 + size(width, 1, channels, factor) * resample::MEMORY
}

pub(crate) struct Reduction {
    layout: Layout,
    width: u32,
    height: u32,
    factor: usize,
    /// Of the rows since the last one that was finished, how many there are and their sums.
    rows: usize,
    sums: Vec<u16>,
    scratch: Vec<u8>,
    samples: Vec<u8>,
}

impl Reduction {
    /// For rows of `width` pixels, `height` of them, whose colours are not yet multiplied by their alpha.
    pub(crate) fn new(layout: Layout, width: u32, height: u32, factor: u32) -> Self {
        let row = raster::bytes(width, 1, layout.channels());
        let size = raster::bytes(width.div_ceil(factor), height.div_ceil(factor), layout.channels());
        Self {
            layout,
            width,
            height,
            factor: factor as usize,
            rows: 0,
            sums: vec![0; if factor == 1 { 0 } else { row }],
            scratch: vec![0; if layout.has_alpha() { row } else { 0 }],
            samples: Vec::with_capacity(size),
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[u8]) {
        let row = match self.layout {
            Layout::Rgba => multiplied::<4>(row, &mut self.scratch),
            Layout::GreyAlpha => multiplied::<2>(row, &mut self.scratch),
            _ => row,
        };
        if self.factor == 1 {
            self.samples.extend_from_slice(row);
            return;
        }
        for (sum, &value) in self.sums.iter_mut().zip(row) {
            *sum += u16::from(value);
        }
        self.rows += 1;
        if self.rows == self.factor {
            self.finish_row();
        }
    }

    fn finish_row(&mut self) {
        match self.layout.channels() {
            1 => self.means::<1>(),
            2 => self.means::<2>(),
            3 => self.means::<3>(),
            _ => self.means::<4>(),
        }
        self.sums.fill(0);
        self.rows = 0;
    }

    fn means<const CHANNELS: usize>(&mut self) {
        let (pixels, _) = self.sums.as_chunks::<CHANNELS>();
        let squares = pixels.chunks_exact(self.factor);
        let (rest, start) = (squares.remainder(), self.samples.len());
        self.samples.resize(start + squares.len() * CHANNELS, 0);
        let (means, _) = self.samples[start..].as_chunks_mut::<CHANNELS>();
        let mean = Mean::of(self.factor * self.rows);
        // The factors of most pictures have loops of their own, of a length that is known when they are compiled. Those between
        // take a little longer: each would be five kilobytes more to load.
        match self.factor {
            2 => each::<CHANNELS, 2>(mean, pixels, means),
            3 => each::<CHANNELS, 3>(mean, pixels, means),
            4 => each::<CHANNELS, 4>(mean, pixels, means),
            6 => each::<CHANNELS, 6>(mean, pixels, means),
            8 => each::<CHANNELS, 8>(mean, pixels, means),
            _ => means.iter_mut().zip(squares).for_each(|(to, square)| *to = mean.of_sums(square)),
        }
        if !rest.is_empty() {
            let mean = Mean::of(rest.len() * self.rows);
            self.samples.extend_from_slice(&mean.of_sums(rest));
        }
    }

    /// The picture after its last row.
    pub(crate) fn finish(mut self) -> Raster {
        if self.rows > 0 {
            self.finish_row();
        }
        finished(self.layout, self.width, self.height, self.factor as u32, self.samples)
    }
}

/// The mean of each `FACTOR` pixels.
fn each<const CHANNELS: usize, const FACTOR: usize>(
    mean: Mean,
    pixels: &[[u16; CHANNELS]],
    means: &mut [[u8; CHANNELS]],
) {
    let (squares, _) = pixels.as_chunks::<FACTOR>();
    means.iter_mut().zip(squares).for_each(|(to, square)| *to = mean.of_sums(square));
}

/// The means of a picture of these dimensions, as a raster.
fn finished(layout: Layout, width: u32, height: u32, factor: u32, mut samples: Vec<u8>) -> Raster {
    let extent = (f64::from(width) / f64::from(factor), f64::from(height) / f64::from(factor));
    let (width, height) = (width.div_ceil(factor), height.div_ceil(factor));
    if factor > 1 {
        sharpen(layout, &mut samples, width);
    }
    let plane = Plane { width, height, extent, channels: layout.channels(), samples };
    Raster { layout, planes: vec![plane] }
}

/// The same for pixels that come in any order.
pub(crate) struct Sums {
    layout: Layout,
    width: u32,
    height: u32,
    factor: u32,
    /// Of each square and channel.
    sums: Vec<u32>,
    scratch: Vec<u8>,
}

impl Sums {
    pub(crate) fn new(layout: Layout, width: u32, height: u32, factor: u32) -> Self {
        let squares = raster::bytes(width.div_ceil(factor), height.div_ceil(factor), layout.channels());
        let scratch = if layout.has_alpha() { raster::bytes(width, 1, layout.channels()) } else { 0 };
        Self { layout, width, height, factor, sums: vec![0; squares], scratch: vec![0; scratch] }
    }

    /// Bytes that they take.
    pub(crate) fn memory(layout: Layout, width: u32, height: u32, factor: u32) -> u64 {
        size(width, height, layout.channels(), factor) * size_of::<u32>() as u64
    }

    /// Takes pixels of the row `y`, whose colours are not yet multiplied by their alpha: every `step`th from `left` on.
    pub(crate) fn add(&mut self, pixels: &[u8], y: u32, left: u32, step: u32) {
        match self.layout {
            Layout::Rgba => {
                let pixels = multiplied::<4>(pixels, &mut self.scratch[..pixels.len()]);
                add::<4>(&mut self.sums, pixels, (self.width, self.factor), y, left, step);
            }
            Layout::GreyAlpha => {
                let pixels = multiplied::<2>(pixels, &mut self.scratch[..pixels.len()]);
                add::<2>(&mut self.sums, pixels, (self.width, self.factor), y, left, step);
            }
            Layout::Grey => add::<1>(&mut self.sums, pixels, (self.width, self.factor), y, left, step),
            _ => add::<3>(&mut self.sums, pixels, (self.width, self.factor), y, left, step),
        }
    }

    pub(crate) fn finish(self) -> Raster {
        let Self { layout, width, height, factor, sums, .. } = self;
        let channels = layout.channels();
        let row = raster::bytes(width.div_ceil(factor), 1, channels);
        let mut means = Vec::with_capacity(sums.len());
        for (row, top) in sums.chunks(row).zip((0..height).step_by(factor as usize)) {
            let rows = factor.min(height - top);
            let whole = Mean::of((factor * rows) as usize);
            let (inner, last) = row.split_at(row.len() - channels);
            means.extend(inner.iter().map(|&sum| whole.rounded(sum)));
            let columns = width - (width.div_ceil(factor) - 1) * factor;
            let rest = Mean::of((columns * rows) as usize);
            means.extend(last.iter().map(|&sum| rest.rounded(sum)));
        }
        finished(layout, width, height, factor, means)
    }
}

fn add<const CHANNELS: usize>(
    sums: &mut [u32],
    pixels: &[u8],
    (width, factor): (u32, u32),
    y: u32,
    left: u32,
    step: u32,
) {
    let (squares, _) = sums.as_chunks_mut::<CHANNELS>();
    let row = &mut squares[(y / factor * width.div_ceil(factor)) as usize..];
    let (pixels, _) = pixels.as_chunks::<CHANNELS>();
    // The square of a pixel, and where in it the pixel is: counted on, without a division.
    let (mut square, mut at) = ((left / factor) as usize, left % factor);
    for pixel in pixels {
        for (sum, &value) in row[square].iter_mut().zip(pixel) {
            *sum += u32::from(value);
        }
        at += step;
        while at >= factor {
            at -= factor;
            square += 1;
        }
    }
}

/// Division by a number of samples, as a multiplication.
#[derive(Clone, Copy)]
struct Mean {
    half: u32,
    reciprocal: u64,
}

impl Mean {
    /// With a dividend below 2^25 and a divisor of at most 2^16, exact: the reciprocal is too large by less than 1, so that
    /// the quotient is by less than 2^25 / 2^41, which is no more than the distance to the next whole number.
    const BITS: u32 = 41;

    fn of(count: usize) -> Self {
        Self { half: count as u32 / 2, reciprocal: (1 << Self::BITS) / count as u64 + 1 }
    }

    /// Of pixels that are sums themselves.
    #[inline(always)]
    fn of_sums<const CHANNELS: usize>(self, pixels: &[[u16; CHANNELS]]) -> [u8; CHANNELS] {
        let mut sums = [0_u32; CHANNELS];
        for pixel in pixels {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(value);
            }
        }
        sums.map(|sum| self.rounded(sum))
    }

    #[inline(always)]
    fn rounded(self, sum: u32) -> u8 {
        ((u64::from(sum + self.half) * self.reciprocal) >> Self::BITS) as u8
    }
}

/// Means of squares as samples of the picture; see [`sharpen`].
pub(crate) fn sharpen(layout: Layout, means: &mut [u8], width: u32) {
    let width = width as usize;
    match layout.channels() {
        1 => sharpen::sharpen::<1>(means, width),
        2 => sharpen::sharpen::<2>(means, width),
        3 => sharpen::sharpen::<3>(means, width),
        _ => sharpen::sharpen::<4>(means, width),
    }
}

/// The row with its colours multiplied by their alpha, which is the last channel.
fn multiplied<'a, const CHANNELS: usize>(row: &'a [u8], scratch: &'a mut [u8]) -> &'a [u8] {
    let (from, _) = row.as_chunks::<CHANNELS>();
    // Most rows are opaque. All of them at once, which is quicker than to stop at the first that is not.
    if from.iter().fold(255, |least, pixel| least & pixel[CHANNELS - 1]) == 255 {
        return row;
    }
    let (to, _) = scratch.as_chunks_mut::<CHANNELS>();
    for (to, from) in to.iter_mut().zip(from) {
        let alpha = u16::from(from[CHANNELS - 1]);
        let mut factors = [alpha; CHANNELS];
        factors[CHANNELS - 1] = 255;
        *to = std::array::from_fn(|channel| times_255(u16::from(from[channel]), factors[channel]));
    }
    scratch
}

/// `a × b / 255`, rounded, exactly.
#[inline(always)]
pub(crate) fn times_255(a: u16, b: u16) -> u8 {
    let product = a * b + 128;
    ((product + (product >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_is_at_least_twice_the_size() {
        assert_eq!(factor(4000, 320), 6);
        assert_eq!(factor(600, 320), 1);
        assert_eq!(factor(u32::MAX, 1), 256);
    }

    #[test]
    fn more_is_taken_away_where_memory_is_short() {
        let factor = |bytes| {
            let limits = Limits { memory: bytes, ..Limits::default() };
            affordable_factor(4000, 1000, &limits, |factor| memory(4000, 3000, 3, factor))
        };
        assert_eq!([factor(20_000_000), factor(10_000_000), factor(4_000_000)], [Ok(2), Ok(3), Ok(4)]);
        assert_eq!(factor(3_000_000), Err(Refused::TooMuchMemory { megabytes: 4, maximum: 3 }));
    }

    #[test]
    fn multiplying_is_exact() {
        for (a, b) in (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b))) {
            assert_eq!(u32::from(times_255(a, b)), (u32::from(a) * u32::from(b) * 2 + 255) / 510);
        }
    }

    #[test]
    fn divisions_are_exact() {
        for count in (1..=256).flat_map(|side| [side, side * 7 % 256 + 1].map(|other| side * other)) {
            let mean = Mean::of(count);
            let largest = 255 * count as u32;
            let sums = (0..=largest).step_by(1 + largest as usize / 5000).chain([largest]);
            for sum in sums.chain((0..255).map(|value| (2 * value + 1) * count as u32 / 2)) {
                assert_eq!(u32::from(mean.rounded(sum)), (sum + count as u32 / 2) / count as u32);
            }
        }
    }

    #[test]
    fn colours_are_multiplied_by_their_alpha() {
        let mut scratch = [0; 8];
        assert_eq!(
            multiplied::<4>(&[1, 2, 3, 255, 4, 5, 6, 255], &mut scratch),
            [1, 2, 3, 255, 4, 5, 6, 255]
        );
        assert_eq!(
            multiplied::<4>(&[1, 2, 3, 255, 255, 100, 50, 51], &mut scratch),
            [1, 2, 3, 255, 51, 20, 10, 51]
        );
        assert_eq!(multiplied::<2>(&[100, 0, 100, 255], &mut scratch[..4]), [0, 0, 100, 255]);
    }

    proptest! {
        #[test]
        fn the_order_of_pixels_makes_no_difference(
            (width, height, factor) in (1_u32..20, 1_u32..20, 2_u32..6),
            layout in prop::sample::select(vec![Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba]),
            seed in any::<u64>(),
        ) {
            let channels = layout.channels();
            let value = |at: usize| (seed.wrapping_mul(at as u64 * 17 + 7) >> 40) as u8;
            let row = |y: u32| -> Vec<u8> {
                (0..width as usize * channels).map(|x| value(y as usize * 1000 + x)).collect()
            };
            let mut reduction = Reduction::new(layout, width, height, factor);
            (0..height).for_each(|y| reduction.push(&row(y)));
            let mut sums = Sums::new(layout, width, height, factor);
            for (y, left) in (0..height).rev().flat_map(|y| [1, 2, 0].map(|left| (y, left))) {
                let third: Vec<u8> =
                    row(y).chunks(channels).skip(left).step_by(3).flatten().copied().collect();
                sums.add(&third, y, left as u32, 3);
            }
            let (expected, actual) = (reduction.finish(), sums.finish());
            prop_assert_eq!(&actual.planes[0].samples, &expected.planes[0].samples);
            prop_assert_eq!(actual.planes[0].extent, expected.planes[0].extent);
        }

        #[test]
        fn every_square_is_its_mean(width in 1_u32..30, height in 1_u32..20, factor in 1_u32..11, seed in any::<u64>()) {
            let value = |x: u32, y: u32| (seed.wrapping_mul(u64::from(x * 31 + y * 17 + 7)) >> 40) as u8;
            let mut reduction = Reduction::new(Layout::Grey, width, height, factor);
            for y in 0..height {
                reduction.push(&(0..width).map(|x| value(x, y)).collect::<Vec<_>>());
            }
            if reduction.rows > 0 {
                reduction.finish_row();
            }
            let columns = width.div_ceil(factor);
            for (at, &actual) in reduction.samples.iter().enumerate() {
                let (left, top) = (at as u32 % columns * factor, at as u32 / columns * factor);
                let (right, bottom) = ((left + factor).min(width), (top + factor).min(height));
                let values = (top..bottom).flat_map(|y| (left..right).map(move |x| f64::from(value(x, y))));
                let mean = values.sum::<f64>() / f64::from((right - left) * (bottom - top));
                prop_assert!((f64::from(actual) - mean).abs() <= 0.5);
            }
        }
    }
}
