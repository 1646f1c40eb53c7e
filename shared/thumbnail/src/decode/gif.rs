//! GIF: its first frame, on its canvas. Rows are shrunk as they come; only an interlaced frame is in memory as a whole,
//! a byte for each pixel.

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{self, Layout};
use crate::reduce::{self, Reduction};
use crate::{Limits, Refused};
use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, Frame};

const RGBA: usize = 4;

pub(crate) fn decode(bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).map_err(refused)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    limits.check_dimensions(width, height)?;
    let frame = decoder.next_frame_info().map_err(refused)?.ok_or_else(Refused::ends_early)?.clone();
    limits.check_dimensions(frame.width.into(), frame.height.into())?;
    let whole = if frame.interlaced { decoder.buffer_size() } else { 0 };
    let memory = |factor| whole as u64 + reduce::memory(width, height, RGBA, factor);
    let factor = reduce::affordable_factor(width.max(height), size, limits, memory)?;
    let palette = palette(&decoder, &frame)?;
    let mut canvas = Canvas::new(&frame, palette, width, height, factor);
    if frame.interlaced {
        let mut indices = vec![0; whole];
        decoder.read_into_buffer(&mut indices).map_err(refused)?;
        indices.chunks_exact(decoder.line_length()).for_each(|row| canvas.push(row));
    } else {
        let mut row = vec![0; decoder.line_length()];
        for _ in 0..frame.height {
            if !decoder.fill_buffer(&mut row).map_err(refused)? {
                return Err(Refused::ends_early());
            }
            canvas.push(&row);
        }
    }
    Ok(Decoded { width, height, raster: canvas.finish(), orientation: Orientation::UPRIGHT, profile: None })
}

type Colours = [[u8; RGBA]; 256];

/// The frame's colours; what is transparent, or has no colour, is nothing.
fn palette(decoder: &Decoder<&[u8]>, frame: &Frame<'_>) -> Result<Colours, Refused> {
    let mut colours = [[0; RGBA]; 256];
    let palette = decoder.palette().map_err(refused)?;
    for (colour, rgb) in colours.iter_mut().zip(palette.chunks_exact(3)) {
        *colour = [rgb[0], rgb[1], rgb[2], 255];
    }
    if let Some(transparent) = frame.transparent {
        colours[usize::from(transparent)] = [0; RGBA];
    }
    Ok(colours)
}

/// A transparent canvas with the frame at its place; what lies outside is cut off.
struct Canvas {
    reduction: Reduction,
    colours: Colours,
    left: usize,
    row: Vec<u8>,
    rows: usize,
    height: usize,
}

impl Canvas {
    fn new(frame: &Frame<'_>, colours: Colours, width: u32, height: u32, factor: u32) -> Self {
        let mut canvas = Self {
            reduction: Reduction::new(Layout::Rgba, width, height, factor),
            colours,
            left: usize::from(frame.left),
            row: vec![0; raster::bytes(width, 1, RGBA)],
            rows: 0,
            height: height as usize,
        };
        canvas.push_empty(usize::from(frame.top));
        canvas
    }

    fn push(&mut self, indices: &[u8]) {
        if self.rows == self.height {
            return;
        }
        let pixels = self.row.chunks_exact_mut(RGBA).skip(self.left);
        for (pixel, &index) in pixels.zip(indices) {
            pixel.copy_from_slice(&self.colours[usize::from(index)]);
        }
        self.reduction.push(&self.row);
        self.rows += 1;
    }

    fn push_empty(&mut self, count: usize) {
        let count = count.min(self.height - self.rows);
        if count > 0 {
            let empty = vec![0; self.row.len()];
            (0..count).for_each(|_| self.reduction.push(&empty));
            self.rows += count;
        }
    }

    fn finish(mut self) -> crate::raster::Raster {
        self.push_empty(self.height);
        self.reduction.finish()
    }
}

fn refused(error: DecodingError) -> Refused {
    match error {
        DecodingError::Io(_) => Refused::ends_early(),
        error => Refused::damaged(error),
    }
}
