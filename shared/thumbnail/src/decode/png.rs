//! PNG, of every depth, as eight bits a channel. Rows are shrunk as they come, those of interlaced pictures too; only where
//! such a picture is not shrunk is it in memory as a whole.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{self, Layout, Raster};
use crate::reduce::{self, Reduction, Sums};
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
    // The library takes such a one, and then panics at its end.
    if reader.info().palette.as_ref().is_some_and(|palette| palette.len() % 3 != 0) {
        return Err(Refused::damaged("its palette ends within a colour"));
    }
    let layout = layout(reader.output_color_type().0)?;
    let is_interlaced = reader.info().interlaced;
    let memory = |factor| {
        let passes = if is_interlaced { interlaced_memory(layout, width, height, factor) } else { 0 };
        passes + reduce::memory(width, height, layout.channels(), factor)
    };
    let factor = reduce::affordable_factor(width.max(height), size, limits, memory)?;
    let raster = match (is_interlaced, factor) {
        (false, _) => rows(&mut reader, height, Reduction::new(layout, width, height, factor))?,
        (true, 1) => interlaced(&mut reader, Reduction::new(layout, width, height, 1))?,
        (true, _) => passes(&mut reader, Sums::new(layout, width, height, factor))?,
    };
    let info = reader.info();
    Ok(Decoded {
        width,
        height,
        orientation: Orientation::from_exif(info.exif_metadata.as_deref()),
        profile: info.icc_profile.as_deref().map(<[u8]>::to_vec),
        raster,
    })
}

type Source<'a> = Reader<Cursor<&'a [u8]>>;

fn rows(reader: &mut Source<'_>, height: u32, mut reduction: Reduction) -> Result<Raster, Refused> {
    for _ in 0..height {
        reduction.push(next_row(reader)?);
    }
    Ok(reduction.finish())
}

fn next_row<'a>(reader: &'a mut Source<'_>) -> Result<&'a [u8], Refused> {
    Ok(reader.next_row().map_err(refused)?.ok_or_else(Refused::ends_early)?.data())
}

fn interlaced(reader: &mut Source<'_>, mut reduction: Reduction) -> Result<Raster, Refused> {
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(Refused::NoPixels)?];
    let frame = reader.next_frame(&mut pixels).map_err(refused)?;
    pixels.chunks_exact(frame.line_size).for_each(|row| reduction.push(row));
    Ok(reduction.finish())
}

/// Bytes that an interlaced picture takes besides the result.
fn interlaced_memory(layout: Layout, width: u32, height: u32, factor: u32) -> u64 {
    if factor == 1 {
        raster::bytes(width, height, layout.channels()) as u64
    } else {
        Sums::memory(layout, width, height, factor)
    }
}

/// The passes of an interlaced picture (PNG specification, 8.2): first column and row, and steps to the next.
const PASSES: [[u32; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/// A sum does not mind the order in which its pixels come, so that no pass has to wait for the others.
fn passes(reader: &mut Source<'_>, mut sums: Sums) -> Result<Raster, Refused> {
    let (width, height) = (reader.info().width, reader.info().height);
    for [left, top, across, down] in PASSES {
        // A pass without columns has no rows.
        let rows = if left < width { top..height } else { 0..0 };
        for y in rows.step_by(down as usize) {
            sums.add(next_row(reader)?, y, left, across);
        }
    }
    Ok(sums.finish())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_come_to_what_the_whole_picture_does() {
        let bytes = include_bytes!("../../tests/pictures/png-interlaced.png");
        let mut reader = png::Decoder::new(Cursor::new(bytes.as_slice())).read_info().unwrap();
        assert!(reader.info().interlaced);
        let (width, height) = (reader.info().width, reader.info().height);
        for size in [width / 4, width / 6, width / 8] {
            let factor = reduce::factor(width.max(height), size);
            assert!(factor > 1);
            let layout = layout(reader.output_color_type().0).unwrap();
            let mut whole = png::Decoder::new(Cursor::new(bytes.as_slice())).read_info().unwrap();
            let expected = interlaced(&mut whole, Reduction::new(layout, width, height, factor)).unwrap();
            let decoded = decode(bytes, size, &Limits::default()).unwrap();
            assert_eq!(decoded.raster.planes[0].samples, expected.planes[0].samples);
        }
        reader.finish().unwrap();
    }
}
