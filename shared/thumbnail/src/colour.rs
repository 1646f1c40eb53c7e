//! From the file's own colours to sRGB without alpha.

use crate::Refused;
use crate::raster::{Inks, Layout, Raster};
use moxcms::{ColorProfile, DataColorSpace, Transform8BitExecutor, TransformOptions};
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

    /// The picture in sRGB (or plain grey), on white.
    pub(crate) fn flattened(&self, raster: &Raster) -> Result<Raster, Refused> {
        let converted = match (&self.transform, raster.layout) {
            (_, Layout::Cmyk(inks)) => self.inks_flattened(raster, inks)?,
            (Some(transform), layout) => {
                through(transform.as_ref(), raster, &raster.pixels, coloured(layout))?
            }
            (None, _) => raster.clone(),
        };
        Ok(on_white(converted))
    }

    fn inks_flattened(&self, raster: &Raster, inks: Inks) -> Result<Raster, Refused> {
        // From here on, 255 is full ink.
        let pixels: Vec<u8> = raster.pixels.chunks_exact(4).flat_map(|pixel| ink(pixel, inks)).collect();
        match &self.transform {
            Some(transform) => through(transform.as_ref(), raster, &pixels, Layout::Rgb),
            None => {
                let pixels = pixels.chunks_exact(4).flat_map(naive_rgb).collect();
                Ok(Raster { layout: Layout::Rgb, pixels, ..*raster })
            }
        }
    }
}

fn transform(layout: Layout, profile: &[u8]) -> Option<Arc<Transform8BitExecutor>> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (space, from) = match layout {
        Layout::Grey => (DataColorSpace::Gray, moxcms::Layout::Gray),
        Layout::GreyAlpha => (DataColorSpace::Gray, moxcms::Layout::GrayAlpha),
        Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb),
        Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba),
        // Four bytes a pixel, which is all that the name says here.
        Layout::Cmyk(_) => (DataColorSpace::Cmyk, moxcms::Layout::Rgba),
    };
    if profile.color_space != space {
        return None;
    }
    let to = if coloured(layout) == Layout::Rgba { moxcms::Layout::Rgba } else { moxcms::Layout::Rgb };
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default()).ok()
}

/// The layout after conversion to sRGB.
fn coloured(layout: Layout) -> Layout {
    if layout.has_alpha() { Layout::Rgba } else { Layout::Rgb }
}

fn through(
    transform: &Transform8BitExecutor,
    raster: &Raster,
    from: &[u8],
    layout: Layout,
) -> Result<Raster, Refused> {
    let mut pixels = vec![0; crate::raster::bytes(raster.width, raster.height, layout.channels())];
    transform.transform(from, &mut pixels).map_err(Refused::damaged)?;
    Ok(Raster { layout, pixels, ..*raster })
}

/// One pixel as cyan, magenta, yellow and black, where 255 is full ink.
fn ink(pixel: &[u8], inks: Inks) -> [u8; 4] {
    let stored = if inks.is_ycck { ycck_to_cmyk(pixel) } else { [pixel[0], pixel[1], pixel[2], pixel[3]] };
    if inks.is_inverted { stored.map(|value| 255 - value) } else { stored }
}

/// The JFIF conversion to red, green and blue, of which cyan, magenta and yellow are the complement.
fn ycck_to_cmyk(pixel: &[u8]) -> [u8; 4] {
    let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    // A cast from floating point saturates.
    let complement = |value: f32| 255 - value.round() as u8;
    [
        complement(y + 1.402 * cr),
        complement(y - 0.344_136 * cb - 0.714_136 * cr),
        complement(y + 1.772 * cb),
        pixel[3],
    ]
}

/// What a screen shows for inks of which nothing is known.
fn naive_rgb(pixel: &[u8]) -> [u8; 3] {
    let light = |ink: u8| u8::try_from(mul_255(255 - ink, 255 - pixel[3])).unwrap_or(255);
    [light(pixel[0]), light(pixel[1]), light(pixel[2])]
}

fn mul_255(a: u8, b: u8) -> u32 {
    (u32::from(a) * u32::from(b) + 127) / 255
}

fn on_white(raster: Raster) -> Raster {
    let (layout, colours) = match raster.layout {
        Layout::GreyAlpha => (Layout::Grey, 1),
        Layout::Rgba => (Layout::Rgb, 3),
        _ => return raster,
    };
    let mut pixels = Vec::with_capacity(raster.pixels.len() / (colours + 1) * colours);
    for pixel in raster.pixels.chunks_exact(colours + 1) {
        let alpha = pixel[colours];
        let white = u32::from(255 - alpha);
        pixels.extend(
            pixel[..colours].iter().map(|&value| u8::try_from(mul_255(value, alpha) + white).unwrap_or(255)),
        );
    }
    Raster { layout, pixels, ..raster }
}
