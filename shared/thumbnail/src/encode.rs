//! The JPEG of a thumbnail: pixels and nothing else, so that no metadata of the picture gets into it.

use crate::Refused;
use crate::raster::{Layout, Raster};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const QUALITY: u8 = 80;

/// Takes a grey or RGB raster.
pub(crate) fn jpeg(raster: &Raster) -> Result<Vec<u8>, Refused> {
    let colours = if raster.layout == Layout::Grey { ColorType::Luma } else { ColorType::Rgb };
    let side = |side: u32| u16::try_from(side).map_err(Refused::damaged);
    let (width, height) = (side(raster.width)?, side(raster.height)?);
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    encoder.encode(&raster.pixels, width, height, colours).map_err(Refused::damaged)?;
    Ok(jpeg)
}
