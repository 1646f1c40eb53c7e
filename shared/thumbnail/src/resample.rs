//! Resampling by Lanczos' filter, with three lobes: what a thumbnail's pixel shows is a weighted sum of all that it covers.

use crate::raster::Plane;
use wide::f32x8;

/// Half the filter's width, in pixels of whichever side has fewer.
const LOBES: f64 = 3.0;
/// Numbers that are reckoned with at once, and rows of the result.
const LANES: usize = 8;
/// Bytes that are in between for each sample of a row: of eight rows as numbers, those again, and the narrower ones made of them.
pub(crate) const MEMORY: u64 = 3 * (LANES * size_of::<f32>()) as u64;
/// Eights of a row that are summed up together: as many as processors hold at once beside a row's own.
const TOGETHER: usize = 4;

/// The samples of `plane`, as far as the picture covers it, in these dimensions.
pub(crate) fn resampled(plane: &Plane, width: u32, height: u32) -> Vec<u8> {
    if (width, height) == (plane.width, plane.height) && plane.is_covered() {
        return plane.samples.clone();
    }
    match plane.channels {
        1 => bands::<1>(plane, width, height),
        2 => bands::<2>(plane, width, height),
        3 => bands::<3>(plane, width, height),
        _ => bands::<4>(plane, width, height),
    }
}

/// Eight rows of the result at a time, first down and then across, so that no more than these are ever in between. They are
/// summed up as rows, and then as columns: so each number has seven neighbours that are reckoned with in the same way.
fn bands<const CHANNELS: usize>(plane: &Plane, width: u32, height: u32) -> Vec<u8> {
    let down = Axis::new(plane.height, plane.extent.1, height);
    let across = Axis::new(plane.width, plane.extent.0, width);
    let from = plane.width as usize * CHANNELS;
    let to = width as usize * CHANNELS;
    let mut rows = vec![f32x8::ZERO; from.div_ceil(LANES) * LANES];
    let mut columns = vec![f32x8::ZERO; rows.len()];
    let mut narrowed = vec![f32x8::ZERO; to.div_ceil(LANES) * LANES];
    let mut samples = vec![0; to * height as usize];
    let mut places = down.places();
    for band in samples.chunks_mut(LANES * to) {
        for (row, (start, weights)) in rows.chunks_exact_mut(from.div_ceil(LANES)).zip(&mut places) {
            blend(&plane.samples[start * from..], from, weights, row);
        }
        turn(&rows, &mut columns);
        for (pixel, (start, weights)) in narrowed.as_chunks_mut().0.iter_mut().zip(across.places()) {
            *pixel = weighed::<CHANNELS>(&columns[start * CHANNELS..], weights);
        }
        turn_back(&narrowed, band, to);
    }
    samples
}

/// What each place of the result takes from along one side of the picture.
struct Axis {
    /// Samples that a place takes from.
    taps: usize,
    /// The first of them, of each place.
    starts: Vec<usize>,
    /// Their weights.
    weights: Vec<f32>,
}

impl Axis {
    /// For `places` that are spread over the first `extent` of `samples`.
    fn new(samples: u32, extent: f64, places: u32) -> Self {
        let samples = samples as usize;
        let scale = extent / f64::from(places);
        let stretch = scale.max(1.0);
        let taps = ((2.0 * LOBES * stretch) as usize + 1).min(samples);
        let mut axis = Self { taps, starts: Vec::new(), weights: Vec::new() };
        for place in 0..places {
            let centre = (f64::from(place) + 0.5) * scale - 0.5;
            let first = (centre - LOBES * stretch).ceil().max(0.0) as usize;
            let start = first.min(samples - taps);
            axis.starts.push(start);
            axis.weights.extend(
                (start..start + taps).map(|sample| lanczos((sample as f64 - centre) / stretch) as f32),
            );
            let weights = axis.weights.rchunks_exact_mut(taps).next().unwrap_or_default();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        axis
    }

    /// Of each place, where its samples begin, and their weights.
    fn places(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.starts.iter().copied().zip(self.weights.chunks_exact(self.taps))
    }
}

/// Lanczos' filter, `at` so many pixels from its middle.
fn lanczos(at: f64) -> f64 {
    let angle = std::f64::consts::PI * at;
    if at == 0.0 {
        return 1.0;
    }
    if at.abs() >= LOBES {
        return 0.0;
    }
    // The sine of the whole angle is that of a third, three times less four times its cube.
    let third = (angle / LOBES).sin();
    LOBES * third * third * (3.0 - 4.0 * third * third) / (angle * angle)
}

/// The weighted sum of as many rows of `length` samples as there are weights.
fn blend(rows: &[u8], length: usize, weights: &[f32], sums: &mut [f32x8]) {
    let rows = || rows.chunks_exact(length).zip(weights);
    let (groups, rest) = sums.split_at_mut(length / (TOGETHER * LANES) * TOGETHER);
    let done = groups.len() * LANES;
    for (index, group) in groups.as_chunks_mut().0.iter_mut().enumerate() {
        *group = rows().fold([f32x8::ZERO; TOGETHER], |sums, (row, &weight)| {
            let (parts, weight) = (row.as_chunks().0, f32x8::splat(weight));
            let parts: &[_; TOGETHER] = &parts.as_chunks().0[index];
            std::array::from_fn(|at| values(&parts[at]).mul_add(weight, sums[at]))
        });
    }
    for (index, to) in rest.iter_mut().enumerate() {
        *to = rows().fold(f32x8::ZERO, |sum, (row, &weight)| {
            let mut samples = [0; LANES];
            let part = &row[done + index * LANES..];
            part.iter().zip(&mut samples).for_each(|(sample, to)| *to = *sample);
            values(&samples).mul_add(f32x8::splat(weight), sum)
        });
    }
}

#[inline(always)]
fn values(samples: &[u8; LANES]) -> f32x8 {
    f32x8::new(samples.map(f32::from))
}

fn bytes(values: f32x8) -> [u8; LANES] {
    let values = values.fast_max(f32x8::ZERO).fast_min(f32x8::splat(255.0));
    values.fast_round_int().to_array().map(|value| value as u8)
}

/// Of eight rows, their columns.
fn turn(rows: &[f32x8], columns: &mut [f32x8]) {
    let length = rows.len() / LANES;
    for (at, columns) in columns.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        *columns = f32x8::transpose(std::array::from_fn(|row| rows[row * length + at]));
    }
}

/// Of columns of up to eight values, the rows of `length` samples.
fn turn_back(columns: &[f32x8], rows: &mut [u8], length: usize) {
    for (at, columns) in columns.as_chunks::<LANES>().0.iter().enumerate() {
        for (row, values) in rows.chunks_exact_mut(length).zip(f32x8::transpose(*columns)) {
            let part = row[at * LANES..].iter_mut();
            part.zip(bytes(values)).for_each(|(sample, byte)| *sample = byte);
        }
    }
}

/// The weighted sum of as many pixels as there are weights.
fn weighed<const CHANNELS: usize>(pixels: &[f32x8], weights: &[f32]) -> [f32x8; CHANNELS] {
    let pixels = pixels.as_chunks::<CHANNELS>().0.iter().zip(weights);
    pixels.fold([f32x8::ZERO; CHANNELS], |mut sums, (pixel, &weight)| {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum = value.mul_add(f32x8::splat(weight), *sum);
        }
        sums
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plane(channels: usize, width: u32, height: u32, samples: Vec<u8>) -> Plane {
        Plane { width, height, extent: (f64::from(width), f64::from(height)), channels, samples }
    }

    /// The same sums, one sample at a time and as exact as can be.
    fn plainly(plane: &Plane, width: u32, height: u32) -> Vec<f64> {
        let weights = |samples: u32, extent: f64, places: u32, place: u32| {
            let scale = extent / f64::from(places);
            let centre = (f64::from(place) + 0.5) * scale;
            let distance = |sample: u32| (f64::from(sample) + 0.5 - centre) / scale.max(1.0);
            let weights: Vec<f64> = (0..samples).map(|sample| sinc(distance(sample))).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect::<Vec<f64>>()
        };
        let mut sums = Vec::new();
        for y in 0..height {
            let down = weights(plane.height, plane.extent.1, height, y);
            for x in 0..width {
                let across = weights(plane.width, plane.extent.0, width, x);
                for channel in 0..plane.channels {
                    let sample = |x: usize, y: usize| {
                        f64::from(plane.samples[(y * plane.width as usize + x) * plane.channels + channel])
                    };
                    let row =
                        |y: usize| across.iter().enumerate().map(move |(x, weight)| weight * sample(x, y));
                    sums.push(down.iter().enumerate().map(|(y, weight)| weight * row(y).sum::<f64>()).sum());
                }
            }
        }
        sums
    }

    /// By its definition.
    fn sinc(at: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
        let angle = std::f64::consts::PI * at;
        if at.abs() < LOBES { sinc(angle) * sinc(angle / LOBES) } else { 0.0 }
    }

    prop_compose! {
        fn any_plane()(channels in 1..=4_usize, width in 1..60_u32, height in 1..60_u32)
            (samples in prop::collection::vec(any::<u8>(), channels * (width * height) as usize),
             cut in (0.0..0.9, 0.0..0.9), channels in Just(channels), width in Just(width), height in Just(height))
            -> Plane {
            let extent = (f64::from(width) - cut.0, f64::from(height) - cut.1);
            Plane { width, height, extent, channels, samples }
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_definition(plane in any_plane(), width in 1..80_u32, height in 1..80_u32) {
            let samples = resampled(&plane, width, height);
            let expected = plainly(&plane, width, height);
            prop_assert_eq!(samples.len(), expected.len());
            for (sample, expected) in samples.iter().zip(expected) {
                prop_assert!((f64::from(*sample) - expected.clamp(0.0, 255.0)).abs() < 0.51);
            }
        }

        #[test]
        fn one_colour_stays(colour: [u8; 4], channels in 1..=4_usize, from in (1..200_u32, 1..200_u32), to in (1..90_u32, 1..90_u32)) {
            let pixels = |(width, height): (u32, u32)| colour[..channels].repeat((width * height) as usize);
            let plane = plane(channels, from.0, from.1, pixels(from));
            prop_assert_eq!(resampled(&plane, to.0, to.1), pixels(to));
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let samples: Vec<u8> = (0..60).collect();
        let mut plane = plane(3, 5, 4, samples.clone());
        assert_eq!(resampled(&plane, 5, 4), samples);
        // What lies beyond the picture's end weighs nothing of its own.
        plane.extent.0 = 4.0;
        assert_ne!(resampled(&plane, 5, 4), samples);
    }
}
