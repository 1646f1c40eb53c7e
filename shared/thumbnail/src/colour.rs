//! From the file's own colours to sRGB, on the small picture.

use crate::Refused;
use crate::matrix::Matrix;
use crate::raster::{self, Finished, Layout, Raster};
use crate::reduce::times_255;
use moxcms::{ColorProfile, DataColorSpace, InterpolationMethod, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

/// The conversion that a picture's thumbnails need, built once for all of them.
pub(crate) struct Colours {
    transform: Option<Arc<Transform8BitExecutor>>,
}

impl Colours {
    /// For pixels of `layout` with the profile of their file. A profile that cannot be read, or is for other channels,
    /// is left out, as viewers do.
    pub(crate) fn new(layout: Layout, profile: Option<&[u8]>) -> Self {
        Self { transform: profile.and_then(|profile| transform(layout, profile)) }
    }

    /// A raster whose planes are all of the same dimensions, in sRGB (or plain grey).
    pub(crate) fn finished(&self, raster: Raster) -> Result<Finished, Refused> {
        let layout = raster.layout;
        let Finished { width, height, channels, pixels } = match layout {
            Layout::YCbCr => mixed(&raster, Matrix::BT_601)?,
            Layout::Yuv { matrix, has_alpha: false } => mixed(&raster, matrix)?,
            _ => interleaved(raster),
        };
        let (channels, pixels) = match layout {
            Layout::Grey => (1, pixels),
            Layout::GreyAlpha => without_empty_alpha::<2>(divided::<2>(pixels)),
            Layout::Rgba => without_empty_alpha::<4>(divided::<4>(pixels)),
            Layout::Rgb | Layout::YCbCr | Layout::Yuv { has_alpha: false, .. } => (channels, pixels),
            Layout::Yuv { matrix, has_alpha: true } => {
                without_empty_alpha::<4>(divided::<4>(rgb_by(matrix, pixels)))
            }
            // What `inks` has made colours of.
            Layout::Cmyk(_) => return Err(Refused::DecoderFailed),
        };
        let (channels, pixels) = match &self.transform {
            Some(transform) => self::through(transform.as_ref(), layout, channels, pixels)?,
            // Two channels are for profiles only.
            None if channels == 2 => {
                (4, pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect())
            }
            None => (channels, pixels),
        };
        Ok(Finished { width, height, channels, pixels })
    }
}

pub(crate) fn transform(layout: Layout, profile: &[u8]) -> Option<Arc<Transform8BitExecutor>> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (space, from, to) = match layout {
        Layout::Grey => (DataColorSpace::Gray, moxcms::Layout::Gray, moxcms::Layout::Rgb),
        Layout::GreyAlpha => (DataColorSpace::Gray, moxcms::Layout::GrayAlpha, moxcms::Layout::Rgba),
        Layout::Rgb | Layout::YCbCr | Layout::Yuv { has_alpha: false, .. } => {
            (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb)
        }
        Layout::Rgba | Layout::Yuv { .. } => {
            (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba)
        }
        // Four bytes a pixel, which is all that the name says here.
        Layout::Cmyk(_) => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
    };
    if profile.color_space != space {
        return None;
    }
    let options =
        TransformOptions { interpolation_method: InterpolationMethod::Tetrahedral, ..Default::default() };
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()
}

fn through(
    transform: &Transform8BitExecutor,
    layout: Layout,
    channels: usize,
    pixels: Vec<u8>,
) -> Result<(usize, Vec<u8>), Refused> {
    // The transform was made for the file's channels: alpha that was left out comes back for it.
    let pixels = match (layout, channels) {
        (Layout::Rgba | Layout::Yuv { has_alpha: true, .. }, 3) => {
            pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect()
        }
        (Layout::GreyAlpha, 1) => pixels.iter().flat_map(|&grey| [grey, 255]).collect(),
        _ => pixels,
    };
    let to = if layout.has_alpha() { 4 } else { 3 };
    let mut converted = vec![0; pixels.len() / layout.channels() * to];
    transform.transform(&pixels, &mut converted).map_err(Refused::damaged)?;
    Ok(if to == 4 { without_empty_alpha::<4>(converted) } else { (3, converted) })
}

/// Planes as pixels.
fn interleaved(mut raster: Raster) -> Finished {
    let channels = raster.layout.channels();
    let (width, height) = raster.planes.first().map_or((0, 0), |plane| (plane.width, plane.height));
    if raster.planes.len() == 1 {
        return Finished { width, height, channels, pixels: raster.planes.remove(0).samples };
    }
    let mut pixels = vec![0; raster::bytes(width, height, channels)];
    for (channel, plane) in raster.planes.iter().enumerate() {
        for (pixel, &sample) in pixels.chunks_exact_mut(channels).zip(&plane.samples) {
            pixel[channel] = sample;
        }
    }
    Finished { width, height, channels, pixels }
}

/// Colours divided by their alpha again.
fn divided<const CHANNELS: usize>(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(CHANNELS) {
        let alpha = u32::from(pixel[CHANNELS - 1]);
        if alpha != 0 && alpha != 255 {
            for value in &mut pixel[..CHANNELS - 1] {
                *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8;
            }
        }
    }
    pixels
}

/// Leaves the alpha out, where it says nothing.
fn without_empty_alpha<const CHANNELS: usize>(pixels: Vec<u8>) -> (usize, Vec<u8>) {
    let is_opaque = pixels.chunks_exact(CHANNELS).all(|pixel| pixel[CHANNELS - 1] == 255);
    if !is_opaque {
        return (CHANNELS, pixels);
    }
    let colours = CHANNELS - 1;
    (colours, pixels.chunks_exact(CHANNELS).flat_map(|pixel| &pixel[..colours]).copied().collect())
}

/// Planes of luma and colour differences as colours.
fn mixed(raster: &Raster, matrix: Matrix) -> Result<Finished, Refused> {
    let [first, second, third] = raster.planes.as_slice() else {
        return Err(Refused::DecoderFailed);
    };
    let mut pixels = vec![[0; 3]; first.samples.len()];
    let samples = first.samples.iter().zip(&second.samples).zip(&third.samples);
    for (pixel, ((&first, &second), &third)) in pixels.iter_mut().zip(samples) {
        *pixel = matrix.rgb([first, second, third]);
    }
    Ok(Finished { width: first.width, height: first.height, channels: 3, pixels: pixels.into_flattened() })
}

/// The first three of four channels as colours.
fn rgb_by(matrix: Matrix, mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(4) {
        let rgb = matrix.rgb([pixel[0], pixel[1], pixel[2]]);
        pixel[..3].copy_from_slice(&rgb);
    }
    pixels
}

impl Finished {
    /// Without alpha, on white.
    pub(crate) fn on_white(self) -> Self {
        if self.channels != 4 {
            return self;
        }
        let shown = |pixel: &[u8]| {
            let white = 255 - pixel[3];
            let value = |value: u8| times_255(u16::from(value), u16::from(pixel[3])).saturating_add(white);
            [value(pixel[0]), value(pixel[1]), value(pixel[2])]
        };
        let pixels = self.pixels.chunks_exact(4).flat_map(shown).collect();
        Self { channels: 3, pixels, ..self }
    }
}
