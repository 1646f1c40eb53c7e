//! One AV1 picture, decoded, and its samples in eight bits.

use super::container::Crop;
use super::sequence::Sequence;
use crate::Refused;
use re_rav1d::dav1d::{Decoder, InloopFilterType, Picture, PixelLayout, Settings};

pub(super) use re_rav1d::dav1d::PlanarImageComponent as Component;

/// Bytes for each pixel that the decoder takes besides the samples, in quarters: what it knows of each block.
const QUARTERS_BESIDE: u64 = 2;

/// What a file says of a stream beside it.
pub(super) struct Expected {
    /// Pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_full_range: bool,
    /// Whether edges of blocks would show.
    pub(super) is_smoothed: bool,
}

/// What of samples is wanted.
#[derive(Clone, Copy)]
pub(super) enum Values {
    /// What is stored, which must be bytes.
    Stored,
    /// Eight bits and full range; a sample of the value `zero` is no colour.
    Scaled { zero: u8 },
}

/// A decoded picture.
pub(super) struct Frame {
    picture: Picture,
    sequence: Sequence,
    is_full_range: bool,
}

impl Frame {
    /// Bytes of its samples.
    pub(super) fn memory(sequence: &Sequence, width: u32, height: u32) -> u64 {
        let bytes = if sequence.depth == 8 { 1 } else { 2 };
        u64::from(width) * u64::from(height) * sequence.quarters() * bytes / 4
    }

    /// Bytes that decoding takes besides them.
    pub(super) fn working_memory(stream: &[u8], width: u32, height: u32) -> u64 {
        u64::from(width) * u64::from(height) * QUARTERS_BESIDE / 4 + stream.len() as u64
    }

    /// Decodes a stream of one picture.
    pub(super) fn decode(stream: &[u8], sequence: Sequence, expected: &Expected) -> Result<Self, Refused> {
        let mut settings = Settings::new();
        // In the thread that asks, one picture at a time.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_apply_grain(false);
        // A frame beyond what the container says is refused before there is memory for it.
        settings.set_frame_size_limit(expected.width.saturating_mul(expected.height));
        if !expected.is_smoothed {
            settings.set_inloop_filters(InloopFilterType::empty());
        }
        let mut decoder = Decoder::with_settings(&settings).map_err(Refused::damaged)?;
        decoder.send_data(stream.to_vec(), None, None, None).map_err(Refused::damaged)?;
        let picture = decoder.get_picture().map_err(Refused::damaged)?;
        let frame = Self { picture, sequence, is_full_range: expected.is_full_range };
        if !frame.is_as_announced(expected) {
            return Err(Refused::damaged("its parts do not fit together"));
        }
        Ok(frame)
    }

    fn is_as_announced(&self, expected: &Expected) -> bool {
        let Sequence { depth, has_colours, halves_width, halves_height, .. } = self.sequence;
        let layout = match (has_colours, halves_width, halves_height) {
            (false, ..) => PixelLayout::I400,
            (_, true, true) => PixelLayout::I420,
            (_, true, false) => PixelLayout::I422,
            _ => PixelLayout::I444,
        };
        (self.picture.width(), self.picture.height()) == (expected.width, expected.height)
            && self.picture.pixel_layout() == layout
            && self.picture.bit_depth() == usize::from(depth)
    }

    pub(super) fn has_colours(&self) -> bool {
        self.sequence.has_colours
    }

    /// How many pixels a sample stands for, across and down.
    pub(super) fn pixels_a_sample(&self, component: Component) -> (u32, u32) {
        let pixels = |halves: bool| if halves && component != Component::Y { 2 } else { 1 };
        (pixels(self.sequence.halves_width), pixels(self.sequence.halves_height))
    }

    /// Whether samples are stored as bytes.
    pub(super) fn has_bytes(&self) -> bool {
        self.sequence.depth == 8
    }

    /// What `rows` does to `Values::Stored` if they are to be scaled.
    pub(super) fn scale(&self, zero: u8, samples: &mut [u8]) {
        let scale = Scale::new(self.sequence.depth, self.is_full_range, zero);
        let scaled: [u8; 256] = std::array::from_fn(|value| scale.one(value as i32));
        samples.iter_mut().for_each(|sample| *sample = scaled[usize::from(*sample)]);
    }

    /// The rows that a part of the picture has of a component, as bytes.
    pub(super) fn rows(
        &self,
        component: Component,
        values: Values,
        part: &Crop,
        mut take: impl FnMut(&[u8]),
    ) {
        let samples = self.picture.plane(component);
        let stride = self.picture.stride(component) as usize;
        let (across, down) = self.pixels_a_sample(component);
        let range = |start: u32, length: u32, share: u32| {
            let start = (start / share) as usize;
            start..start + length.div_ceil(share) as usize
        };
        let (columns, rows) = (range(part.left, part.width, across), range(part.top, part.height, down));
        let zero = match values {
            Values::Stored => return rows.for_each(|y| take(&samples[y * stride..][columns.clone()])),
            Values::Scaled { zero } => zero,
        };
        let scale = Scale::new(self.sequence.depth, self.is_full_range, zero);
        let mut row = vec![0; columns.len()];
        for y in rows {
            let stored = &samples[y * stride..][..stride];
            if self.sequence.depth == 8 {
                let values = stored[columns.clone()].iter().map(|&value| value.into());
                scale.all(values, &mut row);
            } else {
                let (values, _) = stored.as_chunks::<2>();
                let values = values[columns.clone()].iter().map(|&value| u16::from_ne_bytes(value));
                scale.all(values, &mut row);
            }
            take(&row);
        }
    }
}

/// From samples of some depth and range to eight bits and the full range.
struct Scale {
    from: i32,
    to: i32,
    /// In steps of 1 / 65,536.
    factor: i32,
}

impl Scale {
    fn new(depth: u8, is_full_range: bool, zero: u8) -> Self {
        let is_difference = zero > 0;
        const ONE: i64 = 1 << 16;
        let unit = 1_i64 << (depth - 8);
        let (from, steps) = match (is_full_range, is_difference) {
            (true, true) => (128 * unit, 256 * unit - 1),
            (true, false) => (0, 256 * unit - 1),
            (false, true) => (128 * unit, 224 * unit),
            (false, false) => (16 * unit, 219 * unit),
        };
        let factor = (255 * ONE + steps / 2) / steps;
        Self { from: from as i32, to: zero.into(), factor: factor as i32 }
    }

    #[inline(always)]
    fn all(&self, values: impl Iterator<Item = u16>, to: &mut [u8]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to = self.one(value.into());
        }
    }

    #[inline(always)]
    fn one(&self, value: i32) -> u8 {
        let scaled = ((value - self.from) * self.factor + (1 << 15)) >> 16;
        (scaled + self.to).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_scaled_mean_is_the_mean_of_what_is_scaled(values in prop::collection::vec(16_u8..=235, 1..40), zero in 0..2_u8) {
            let scale = Scale::new(8, false, zero * 128);
            let mean = |values: Vec<i32>| f64::from(values.iter().sum::<i32>()) / values.len() as f64;
            let stored = mean(values.iter().map(|&value| value.into()).collect());
            let long_way = mean(values.iter().map(|&value| scale.one(value.into()).into()).collect());
            prop_assert!((f64::from(scale.one(stored.round() as i32)) - long_way).abs() <= 1.6);
        }
    }

    #[test]
    fn samples_of_every_depth_and_range_fill_eight_bits() {
        let eight = |depth, is_full, zero, values: [u16; 3]| {
            let mut to = [0; 3];
            Scale::new(depth, is_full, zero).all(values.into_iter(), &mut to);
            to
        };
        assert_eq!(eight(8, true, 0, [0, 77, 255]), [0, 77, 255]);
        assert_eq!(eight(8, true, 128, [0, 128, 255]), [0, 128, 255]);
        assert_eq!(eight(8, false, 0, [0, 16, 235]), [0, 0, 255]);
        assert_eq!(eight(10, true, 0, [0, 512, 1023]), [0, 128, 255]);
        assert_eq!(eight(10, false, 128, [64, 512, 960]), [1, 128, 255]);
        assert_eq!(eight(12, false, 0, [256, 2016, 3760]), [0, 128, 255]);
    }
}
