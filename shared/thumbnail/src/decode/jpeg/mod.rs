//! JPEG: baseline and progressive; grey, colour, and four inks.

mod header;

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{Inks, Layout, Raster};
use crate::{Limits, Refused};
use header::Header;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    let header = Header::read(bytes)?;
    let (width, height) = (header.frame.width, header.frame.height);
    limits.check_dimensions(width, height)?;
    limits.check_memory(header.memory())?;
    header.check_completeness(bytes)?;
    let layout = layout(&header)?;
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(limits, layout));
    let pixels = decoder.decode().map_err(Refused::damaged)?;
    if decoder.dimensions() != Some((width as usize, height as usize))
        || pixels.len() != crate::raster::bytes(width, height, layout.channels())
    {
        return Err(Refused::damaged("its header contradicts itself"));
    }
    Ok(Decoded {
        raster: Raster { width, height, layout, pixels },
        orientation: Orientation::from_exif(decoder.exif().map(Vec::as_slice)),
        profile: decoder.icc_profile().filter(|profile| profile.len() <= limits.chunk),
    })
}

fn layout(header: &Header) -> Result<Layout, Refused> {
    match header.frame.components.len() {
        1 => Ok(Layout::Grey),
        3 => Ok(Layout::Rgb),
        4 => Ok(Layout::Cmyk(Inks {
            is_ycck: header.adobe_transform == Some(2),
            is_inverted: header.adobe_transform.is_some(),
        })),
        count => Err(Refused::damaged(format_args!("it has {count} colour components"))),
    }
}

/// Not strict: cameras write many small faults that every viewer forgives.
fn options(limits: &Limits, layout: Layout) -> DecoderOptions {
    let colours = match layout {
        Layout::Grey | Layout::GreyAlpha => ColorSpace::Luma,
        Layout::Rgb | Layout::Rgba => ColorSpace::RGB,
        // As they are: inks are converted on the small picture, by their profile.
        Layout::Cmyk(Inks { is_ycck: true, .. }) => ColorSpace::YCCK,
        Layout::Cmyk(_) => ColorSpace::CMYK,
    };
    let side = limits.side as usize;
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_max_scans(limits.scans)
        .jpeg_set_out_colorspace(colours)
}
