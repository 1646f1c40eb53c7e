//! From a file to pixels: one module for each format. Each reads the header first, checks it against the limits, and
//! only then takes memory; and each keeps no more of the picture than thumbnails of the largest size asked for need.

mod avif;
mod gif;
mod jpeg;
mod png;
mod webp;

use crate::orientation::Orientation;
use crate::raster::Raster;
use crate::{Format, Limits, Refused};

/// A picture as its file stores it, perhaps shrunk, and what is needed to show it.
pub(crate) struct Decoded {
    /// Pixels in the file.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) raster: Raster,
    pub(crate) orientation: Orientation,
    /// An ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
}

/// Decodes what thumbnails of at most `size` pixels on the long side need.
pub(crate) fn decode(format: Format, bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    match format {
        Format::Jpeg => jpeg::decode(bytes, size, limits),
        Format::Png => png::decode(bytes, size, limits),
        Format::WebP => webp::decode(bytes, size, limits),
        Format::Gif => gif::decode(bytes, size, limits),
        Format::Avif => avif::decode(bytes, size, limits),
    }
}
