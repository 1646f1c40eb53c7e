//! WebP, lossy and lossless; of an animation its first frame.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{Layout, Raster};
use crate::{Limits, Refused};
use image_webp::{DecodingError, WebPDecoder};
use std::io::Cursor;

/// Bytes a pixel that the decoder holds besides its output, at most: a second frame with alpha.
const WORKING_BYTES: u64 = 4;

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?;
    decoder.set_memory_limit(limits.chunk);
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    let size = decoder.output_buffer_size().ok_or(Refused::NoPixels)?;
    limits.check_memory(size as u64 + u64::from(width) * u64::from(height) * WORKING_BYTES)?;
    let layout = if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(refused)?;
    // What hangs beside the pixels and cannot be read takes nothing from them.
    let exif = decoder.exif_metadata().ok().flatten();
    let profile = decoder.icc_profile().ok().flatten();
    Ok(Decoded {
        raster: Raster { width, height, layout, pixels },
        orientation: Orientation::from_exif(exif.as_deref()),
        profile,
    })
}

fn refused(error: DecodingError) -> Refused {
    match error {
        DecodingError::IoError(_) | DecodingError::BitStreamError => Refused::ends_early(),
        error => Refused::damaged(error),
    }
}
