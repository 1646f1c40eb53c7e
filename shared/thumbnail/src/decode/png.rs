//! PNG, of every depth, as eight bits a channel.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{Layout, Raster};
use crate::{Limits, Refused};
use png::{ColorType, DecodingError, Transformations};
use std::io::Cursor;

/// Deflate unpacks to at most 1032 times its size.
const DEFLATE_RATIO: u64 = 1032;

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: limits.chunk });
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(refused)?;
    limits.check_dimensions(header.width, header.height)?;
    if bytes.len() as u64 * DEFLATE_RATIO < header.raw_bytes() as u64 {
        return Err(Refused::ends_early());
    }
    let mut reader = decoder.read_info().map_err(refused)?;
    let size = reader.output_buffer_size().ok_or(Refused::NoPixels)?;
    limits.check_memory(size as u64)?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(refused)?;
    pixels.truncate(frame.buffer_size());
    let info = reader.info();
    Ok(Decoded {
        orientation: Orientation::from_exif(info.exif_metadata.as_deref()),
        profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        raster: Raster {
            width: frame.width,
            height: frame.height,
            layout: layout(frame.color_type)?,
            pixels,
        },
    })
}

fn layout(colours: ColorType) -> Result<Layout, Refused> {
    match colours {
        ColorType::Grayscale => Ok(Layout::Grey),
        ColorType::GrayscaleAlpha => Ok(Layout::GreyAlpha),
        ColorType::Rgb => Ok(Layout::Rgb),
        ColorType::Rgba => Ok(Layout::Rgba),
        ColorType::Indexed => Err(Refused::damaged("its palette is missing")),
    }
}

fn refused(error: DecodingError) -> Refused {
    match error {
        DecodingError::IoError(_) => Refused::ends_early(),
        error => Refused::damaged(error),
    }
}
