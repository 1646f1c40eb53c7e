//! Where decoded blocks go: a canvas of samples for each component.

use super::frame::{Component, Frame};
use super::transform::{Scale, samples};
use super::units::Place;
use crate::raster::Plane;
use crate::sharpen::sharpened;

pub(super) struct Store {
    pub(super) scale: Scale,
    pub(super) canvases: Vec<Canvas>,
}

impl Store {
    pub(super) fn new(frame: &Frame, scale: Scale) -> Self {
        let canvases =
            frame.components.iter().map(|component| Canvas::new(frame, component, scale)).collect();
        Self { scale, canvases }
    }

    /// Bytes that the canvases take.
    pub(super) fn memory(frame: &Frame, scale: Scale) -> u64 {
        let side = scale.side() as u64;
        let bytes_per_block = if scale == Scale::Eighth { 2 } else { side * side };
        frame.all_blocks() * bytes_per_block
    }

    /// The components, cut to what holds pixels.
    pub(super) fn into_planes(self, frame: &Frame) -> Vec<Plane> {
        let (horizontal, vertical) = frame.sampling();
        let eighths = f64::from(u32::try_from(self.scale.side()).unwrap_or(8)) / 8.0;
        let extent = |side: u32, factor: u32, most: u32| {
            f64::from(side) * f64::from(factor) / f64::from(most) * eighths
        };
        frame
            .components
            .iter()
            .zip(self.canvases)
            .map(|(component, canvas)| {
                let width = extent(frame.width, component.horizontal, horizontal);
                let height = extent(frame.height, component.vertical, vertical);
                canvas.into_plane(width, height)
            })
            .collect()
    }
}

/// A component's samples. At an eighth, a block's only sample is its mean, kept times eight until it is known what is
/// around it.
pub(super) struct Canvas {
    stride: usize,
    rows: usize,
    samples: Vec<u8>,
    means: Vec<i16>,
}

impl Canvas {
    fn new(frame: &Frame, component: &Component, scale: Scale) -> Self {
        let blocks = frame.blocks(component);
        let (stride, rows) =
            (blocks.in_row as usize * scale.side(), blocks.in_column as usize * scale.side());
        let (samples, means) = if scale == Scale::Eighth { (0, stride * rows) } else { (stride * rows, 0) };
        Self { stride, rows, samples: vec![0; samples], means: vec![0; means] }
    }

    #[inline(always)]
    pub(super) fn put_mean(&mut self, place: Place, dc: i32) {
        self.means[place.row as usize * self.stride + place.column as usize] = dc as i16;
    }

    #[inline(always)]
    pub(super) fn put_flat<const SIDE: usize>(&mut self, place: Place, dc: i32) {
        let value = (((dc + 4) >> 3) + 128).clamp(0, 255) as u8;
        let stride = self.stride;
        for row in self.rows_at::<SIDE>(place).chunks_mut(stride).take(SIDE) {
            row[..SIDE].fill(value);
        }
    }

    #[inline(always)]
    pub(super) fn put<const SIDE: usize>(&mut self, place: Place, coefficients: &[i32; 64]) {
        let stride = self.stride;
        samples(coefficients, SIDE, self.rows_at::<SIDE>(place), stride);
    }

    #[inline(always)]
    fn rows_at<const SIDE: usize>(&mut self, place: Place) -> &mut [u8] {
        let at = place.row as usize * SIDE * self.stride + place.column as usize * SIDE;
        &mut self.samples[at..]
    }

    fn into_plane(mut self, width: f64, height: f64) -> Plane {
        // The sides were checked: these are small and positive.
        let (whole_width, whole_height) = (width.ceil() as usize, height.ceil() as usize);
        let (whole_width, whole_height) = (whole_width.min(self.stride), whole_height.min(self.rows));
        let samples = if self.means.is_empty() {
            for row in 1..whole_height {
                let from = row * self.stride;
                self.samples.copy_within(from..from + whole_width, row * whole_width);
            }
            self.samples.truncate(whole_width * whole_height);
            self.samples
        } else {
            sharpened::<1, 8, i16>(&self.means, self.stride, whole_width, whole_height, 128)
        };
        Plane {
            width: whole_width as u32,
            height: whole_height as u32,
            extent: (width, height),
            channels: 1,
            samples,
        }
    }
}
