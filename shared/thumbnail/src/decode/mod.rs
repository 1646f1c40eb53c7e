//! From a file to pixels: one module for each format. Each reads the header first, checks it against the limits, and
//! only then takes memory.

mod gif;
mod jpeg;
mod png;
mod webp;

use crate::orientation::Orientation;
use crate::raster::Raster;
use crate::{Format, Limits, Refused};

/// A picture as its file stores it, and what is needed to show it.
pub(crate) struct Decoded {
    pub(crate) raster: Raster,
    pub(crate) orientation: Orientation,
    /// An ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
}

pub(crate) fn decode(format: Format, bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    match format {
        Format::Jpeg => jpeg::decode(bytes, limits),
        Format::Png => png::decode(bytes, limits),
        Format::WebP => webp::decode(bytes, limits),
        Format::Gif => gif::decode(bytes, limits),
    }
}
