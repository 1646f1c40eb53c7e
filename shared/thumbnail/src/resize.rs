//! Shrinking. It happens in the file's own channels and gamma: colours are converted on the small picture.

use crate::Refused;
use crate::raster::{self, Plane, Raster};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// The picture in these dimensions, all of its planes alike.
pub(crate) fn shrink(source: &Raster, (width, height): (u32, u32)) -> Result<Raster, Refused> {
    let mut resizer = Resizer::new();
    let planes = source.planes.iter().map(|plane| {
        let samples = match plane.channels {
            1 => resample::<U8>(&mut resizer, plane, width, height),
            2 => resample::<U8x2>(&mut resizer, plane, width, height),
            3 => resample::<U8x3>(&mut resizer, plane, width, height),
            _ => resample::<U8x4>(&mut resizer, plane, width, height),
        }?;
        let extent = (f64::from(width), f64::from(height));
        Ok(Plane { width, height, extent, channels: plane.channels, samples })
    });
    Ok(Raster { layout: source.layout, planes: planes.collect::<Result<_, Refused>>()? })
}

fn resample<P: PixelTrait>(
    resizer: &mut Resizer,
    source: &Plane,
    width: u32,
    height: u32,
) -> Result<Vec<u8>, Refused> {
    let mut samples = vec![0; raster::bytes(width, height, source.channels)];
    let from = TypedImageRef::<P>::from_buffer(source.width, source.height, &source.samples)
        .map_err(Refused::damaged)?;
    let mut to = TypedImage::<P>::from_buffer(width, height, &mut samples).map_err(Refused::damaged)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(0.0, 0.0, source.extent.0, source.extent.1)
        // Colours are multiplied by their alpha already.
        .use_alpha(false);
    resizer.resize_typed(&from, &mut to, &options).map_err(Refused::damaged)?;
    Ok(samples)
}

/// The largest dimensions of the same shape whose long side is at most `size`; never larger than they are.
pub(crate) fn fit(width: u32, height: u32, size: u32) -> (u32, u32) {
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
