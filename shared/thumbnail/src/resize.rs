//! Shrinking. It happens in the file's own channels and gamma: colours are converted on the small picture.

use crate::raster::{Plane, Raster};
use crate::resample;

/// The picture in these dimensions, all of its planes alike.
pub(crate) fn shrink(source: &Raster, (width, height): (u32, u32)) -> Raster {
    let planes = source.planes.iter().map(|plane| {
        let samples = resample::resampled(plane, width, height);
        let extent = (f64::from(width), f64::from(height));
        Plane { width, height, extent, channels: plane.channels, samples }
    });
    Raster { layout: source.layout, planes: planes.collect() }
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
