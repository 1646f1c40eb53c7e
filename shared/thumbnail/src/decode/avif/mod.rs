//! AVIF: stills, and of a sequence the picture that stands for it. Planes are shrunk each for itself, and mixed to colours
//! when they are small.
//!
//! | module | is |
//! |---|---|
//! | `container`, `sequence`, `fields` | what a file says before its pixels |
//! | `frame` | the AV1 decoder, and its samples |
//! | `colours` | what samples mean |

mod colours;
mod container;
mod fields;
mod frame;
mod sequence;

use super::Decoded;
use crate::matrix::Matrix;
use crate::raster::{self, Layout, Plane, Raster};
use crate::reduce::{self, Reduction, times_255};
use crate::{Limits, Refused};
use container::{Container, Crop};
use frame::{Component, Expected, Frame, Values};
use sequence::Sequence;

/// Shrunk by this much, blocks are too small for their edges to show.
const UNSMOOTHED: u32 = 6;

pub(crate) fn decode(bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    let container = Container::read(bytes)?;
    let (width, height) = (container.width, container.height);
    limits.check_dimensions(width, height)?;
    let sequence = Sequence::of_a_still(&container.colour)?;
    let nclx = container.nclx.unwrap_or(sequence.nclx);
    let mut still = Still {
        width,
        height,
        crop: container.crop.unwrap_or(Crop { left: 0, top: 0, width, height }),
        matrix: if sequence.has_colours { nclx.matrix()? } else { Matrix::BT_601 },
        alpha: None,
        is_multiplied: container.is_multiplied,
    };
    let is_smoothed = still.crop.width.max(still.crop.height) < size.saturating_mul(UNSMOOTHED);
    if let Some(stream) = &container.alpha {
        still.decode_alpha(stream, is_smoothed, limits)?;
    }
    let factor = still.factor(&sequence, &container.colour, size, limits)?;
    let frame = Frame::decode(&container.colour, sequence, &still.expected(nclx.is_full_range, is_smoothed))?;
    let profile = container.profile.filter(|profile| profile.len() <= limits.chunk);
    Ok(Decoded {
        width: still.crop.width,
        height: still.crop.height,
        raster: still.raster(&frame, factor),
        orientation: container.orientation,
        profile: profile.map(<[u8]>::to_vec).or_else(|| nclx.profile()),
    })
}

/// What is known of a picture before its colours are decoded.
struct Still {
    width: u32,
    height: u32,
    crop: Crop,
    matrix: Matrix,
    /// Of each pixel of the crop.
    alpha: Option<Vec<u8>>,
    is_multiplied: bool,
}

impl Still {
    fn expected(&self, is_full_range: bool, is_smoothed: bool) -> Expected {
        Expected { width: self.width, height: self.height, is_full_range, is_smoothed }
    }

    fn decode_alpha(&mut self, stream: &[u8], is_smoothed: bool, limits: &Limits) -> Result<(), Refused> {
        let sequence = Sequence::of_a_still(stream)?;
        let size = raster::bytes(self.crop.width, self.crop.height, 1);
        let working = Frame::working_memory(stream, self.width, self.height);
        limits.check_memory(Frame::memory(&sequence, self.width, self.height) + working.max(size as u64))?;
        let frame =
            Frame::decode(stream, sequence, &self.expected(sequence.nclx.is_full_range, is_smoothed))?;
        let mut alpha = Vec::with_capacity(size);
        frame.rows(Component::Y, Values::Scaled { zero: 0 }, &self.crop, |row| alpha.extend_from_slice(row));
        self.alpha = Some(alpha);
        Ok(())
    }

    /// The factor to shrink by: what thumbnails leave over, or more where memory is short.
    fn factor(&self, sequence: &Sequence, stream: &[u8], size: u32, limits: &Limits) -> Result<u32, Refused> {
        let alpha = self.alpha.as_ref().map_or(0, Vec::len) as u64;
        let frame = Frame::memory(sequence, self.width, self.height);
        let working = Frame::working_memory(stream, self.width, self.height);
        // The decoder is gone by the time that its frame is shrunk.
        let memory = |factor: u32| {
            let quarters = sequence.quarters() + if alpha > 0 { 4 } else { 0 };
            let shrunk = reduce::size(self.crop.width, self.crop.height, 1, factor) * quarters / 4;
            alpha + frame + working.max(shrunk)
        };
        reduce::affordable_factor(self.crop.width.max(self.crop.height), size, limits, memory)
    }

    fn raster(&self, frame: &Frame, factor: u32) -> Raster {
        let mut planes = vec![self.plane(frame, Component::Y, factor)];
        if frame.has_colours() {
            planes.extend([Component::U, Component::V].map(|component| self.plane(frame, component, factor)));
        }
        let Some(alpha) = &self.alpha else {
            let layout = match planes.len() {
                1 => Layout::Grey,
                _ => Layout::Yuv { matrix: self.matrix, has_alpha: false },
            };
            return Raster { layout, planes };
        };
        planes.resize_with(3, || colourless(self.matrix.zero));
        let mut reduction = Reduction::new(Layout::Grey, self.crop.width, self.crop.height, factor);
        alpha.chunks_exact(self.crop.width as usize).for_each(|row| reduction.push(row));
        planes.extend(reduction.finish().planes);
        Raster { layout: Layout::Yuv { matrix: self.matrix, has_alpha: true }, planes }
    }

    /// One plane of the frame, shrunk, its values multiplied by their alpha.
    fn plane(&self, frame: &Frame, component: Component, factor: u32) -> Plane {
        let (across, down) = frame.pixels_a_sample(component);
        let (width, height) = (self.crop.width.div_ceil(across), self.crop.height.div_ceil(down));
        let zero = if component == Component::Y { 0 } else { self.matrix.zero };
        let factor = (factor / across).max(1);
        let mut reduction = Reduction::new(Layout::Grey, width, height, factor);
        let alpha = self.alpha.as_deref().filter(|_| !self.is_multiplied);
        let mut multiplied = vec![0; width as usize];
        let mut y = 0;
        // Without alpha between them, shrinking and scaling can change places: the mean of samples, scaled, is the mean of
        // scaled samples, but for a step of rounding and for what is outside the range.
        let is_scaled_last = alpha.is_none() && frame.has_bytes();
        let values = if is_scaled_last { Values::Stored } else { Values::Scaled { zero } };
        frame.rows(component, values, &self.crop, |row| {
            if let Some(alpha) = alpha {
                let alphas = self.alphas(alpha, y * down, (across, down));
                for ((to, &value), alpha) in multiplied.iter_mut().zip(row).zip(alphas) {
                    *to = times_alpha(value, alpha, zero);
                }
                reduction.push(&multiplied);
            } else {
                reduction.push(row);
            }
            y += 1;
        });
        let mut plane = reduction.finish().planes.remove(0);
        if is_scaled_last {
            frame.scale(zero, &mut plane.samples);
        }
        let extent = |pixels: u32, share: u32| f64::from(pixels) / f64::from(share * factor);
        plane.extent = (extent(self.crop.width, across), extent(self.crop.height, down));
        plane
    }

    /// The alphas of a row of samples that stand for several pixels each: their means.
    fn alphas<'a>(
        &self,
        alpha: &'a [u8],
        top: u32,
        (across, down): (u32, u32),
    ) -> impl Iterator<Item = u8> + use<'a> {
        let width = self.crop.width as usize;
        let first = &alpha[top as usize * width..][..width];
        let last = &alpha[(top + down - 1).min(self.crop.height - 1) as usize * width..][..width];
        first.chunks(across as usize).zip(last.chunks(across as usize)).map(|(first, last)| {
            let sum: usize = first.iter().chain(last).map(|&alpha| usize::from(alpha)).sum();
            (sum / (2 * first.len())) as u8
        })
    }
}

fn times_alpha(value: u8, alpha: u8, zero: u8) -> u8 {
    let size = times_255(u16::from(value.abs_diff(zero)), u16::from(alpha));
    if value < zero { zero - size } else { zero + size }
}

/// A plane of one sample, for a picture without colours.
fn colourless(zero: u8) -> Plane {
    Plane { width: 1, height: 1, extent: (1.0, 1.0), channels: 1, samples: vec![zero] }
}
