//! GIF: its first frame, on its canvas.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{self, Layout, Raster};
use crate::{Limits, Refused};
use gif::{ColorOutput, DecodeOptions, DecodingError, Frame};

const RGBA: usize = 4;

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, Refused> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let mut decoder = options.read_info(bytes).map_err(refused)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check_dimensions(width, height)?;
    let frame = decoder.next_frame_info().map_err(refused)?.ok_or_else(Refused::ends_early)?.clone();
    let (frame_width, frame_height) = (u32::from(frame.width), u32::from(frame.height));
    limits.check_dimensions(frame_width, frame_height)?;
    let frame_bytes = raster::bytes(frame_width, frame_height, RGBA);
    limits.check_memory((frame_bytes + raster::bytes(width, height, RGBA)) as u64)?;
    let mut pixels = vec![0; frame_bytes];
    decoder.read_into_buffer(&mut pixels).map_err(refused)?;
    let pixels = on_canvas(&frame, pixels, width, height);
    Ok(Decoded {
        raster: Raster { width, height, layout: Layout::Rgba, pixels },
        orientation: Orientation::UPRIGHT,
        profile: None,
    })
}

/// The frame at its place on a transparent canvas; what lies outside is cut off.
fn on_canvas(frame: &Frame<'_>, pixels: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    let is_whole = (frame.left, frame.top) == (0, 0)
        && (u32::from(frame.width), u32::from(frame.height)) == (width, height);
    if is_whole {
        return pixels;
    }
    let stride = raster::bytes(width, 1, RGBA);
    let left = (usize::from(frame.left) * RGBA).min(stride);
    let frame_stride = usize::from(frame.width) * RGBA;
    let visible = frame_stride.min(stride - left);
    let mut canvas = vec![0; raster::bytes(width, height, RGBA)];
    let rows = canvas.chunks_exact_mut(stride).skip(usize::from(frame.top));
    for (row, frame_row) in rows.zip(pixels.chunks_exact(frame_stride)) {
        row[left..left + visible].copy_from_slice(&frame_row[..visible]);
    }
    canvas
}

fn refused(error: DecodingError) -> Refused {
    match error {
        DecodingError::Io(_) => Refused::ends_early(),
        error => Refused::damaged(error),
    }
}
