//! PNG, of every depth, as eight bits a channel. Rows are shrunk as they come; only an interlaced picture is in memory
//! as a whole.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::Layout;
use crate::reduce::{self, Reduction};
use crate::{Limits, Refused};
use png::{ColorType, DecodingError, Reader, Transformations};
use std::io::Cursor;

/// Deflate unpacks to at most 1032 times its size.
const DEFLATE_RATIO: u64 = 1032;

pub(crate) fn decode(bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: limits.chunk });
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(refused)?;
    let (width, height) = (header.width, header.height);
    limits.check_dimensions(width, height)?;
    limits.check_unpacked(header.raw_bytes() as u64)?;
    if bytes.len() as u64 * DEFLATE_RATIO < header.raw_bytes() as u64 {
        return Err(Refused::ends_early());
    }
    let mut reader = decoder.read_info().map_err(refused)?;
    let layout = layout(reader.output_color_type().0)?;
    let whole =
        if reader.info().interlaced { reader.output_buffer_size().ok_or(Refused::NoPixels)? } else { 0 };
    let memory = |factor| whole as u64 + reduce::memory(width, height, layout.channels(), factor);
    let factor = reduce::affordable_factor(width.max(height), size, limits, memory)?;
    let mut reduction = Reduction::new(layout, width, height, factor);
    if reader.info().interlaced {
        interlaced(&mut reader, whole, &mut reduction)?;
    } else {
        rows(&mut reader, height, &mut reduction)?;
    }
    let info = reader.info();
    Ok(Decoded {
        width,
        height,
        orientation: Orientation::from_exif(info.exif_metadata.as_deref()),
        profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        raster: reduction.finish(),
    })
}

type Source<'a> = Reader<Cursor<&'a [u8]>>;

fn rows(reader: &mut Source<'_>, height: u32, reduction: &mut Reduction) -> Result<(), Refused> {
    for _ in 0..height {
        let row = reader.next_row().map_err(refused)?.ok_or_else(Refused::ends_early)?;
        reduction.push(row.data());
    }
    Ok(())
}

fn interlaced(reader: &mut Source<'_>, size: usize, reduction: &mut Reduction) -> Result<(), Refused> {
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(refused)?;
    pixels.chunks_exact(frame.line_size).for_each(|row| reduction.push(row));
    Ok(())
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
