//! Shrinking. It happens in the file's own channels and gamma: colours are converted on the small picture.

use crate::Refused;
use crate::raster::{self, Layout, Raster};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// The picture with its long side at most `size`; never enlarged.
pub(crate) fn shrink(source: &Raster, size: u32) -> Result<Raster, Refused> {
    let (width, height) = fit(source.width, source.height, size);
    let pixels = match source.layout {
        Layout::Grey => resample::<U8>(source, width, height),
        Layout::GreyAlpha => resample::<U8x2>(source, width, height),
        Layout::Rgb => resample::<U8x3>(source, width, height),
        Layout::Rgba | Layout::Cmyk(_) => resample::<U8x4>(source, width, height),
    }?;
    Ok(Raster { width, height, layout: source.layout, pixels })
}

fn resample<P: PixelTrait>(source: &Raster, width: u32, height: u32) -> Result<Vec<u8>, Refused> {
    let mut pixels = vec![0; raster::bytes(width, height, source.layout.channels())];
    let from = TypedImageRef::<P>::from_buffer(source.width, source.height, &source.pixels)
        .map_err(Refused::damaged)?;
    let mut to = TypedImage::<P>::from_buffer(width, height, &mut pixels).map_err(Refused::damaged)?;
    // Alpha is multiplied in and out again, so that the colour of what is transparent does not bleed.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(source.layout.has_alpha());
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(Refused::damaged)?;
    Ok(pixels)
}

/// The largest dimensions of the same shape whose long side is at most `size`.
fn fit(width: u32, height: u32, size: u32) -> (u32, u32) {
    let long = width.max(height);
    if long <= size {
        return (width, height);
    }
    let scaled = |side: u32| {
        let rounded = (u64::from(side) * u64::from(size) + u64::from(long) / 2) / u64::from(long);
        u32::try_from(rounded).unwrap_or(size).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape_and_never_grow() {
        assert_eq!(fit(4000, 3000, 1280), (1280, 960));
        assert_eq!(fit(3000, 4000, 480), (360, 480));
        assert_eq!(fit(100, 50, 160), (100, 50));
        assert_eq!(fit(65_535, 1, 160), (160, 1));
    }
}
