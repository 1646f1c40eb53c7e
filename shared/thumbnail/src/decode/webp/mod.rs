//! WebP, lossy and lossless; of an animation its first frame. libwebp decodes it: it shrinks on its way, and of a
//! picture that is shrunk by much it need not smooth the edges of blocks.

mod container;

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::{self, Layout, Raster};
use crate::reduce::{self, Reduction, times_255};
use crate::resize::fit;
use crate::{Limits, Refused};
use container::{Container, Frame};
use webpx::{BitstreamFormat, Decoder, DecoderConfig, ImageInfo};

/// Pixels left on the long side for each pixel of the largest thumbnail.
const MARGIN: u32 = 2;
/// Shrunk by this much, blocks are too small for their edges to show.
const UNSMOOTHED: u32 = 3;
/// Bytes a pixel that libwebp holds of a whole lossless picture, and of the alpha of a lossy one.
const LOSSLESS_BYTES: u64 = 4;
const ALPHA_BYTES: u64 = 1;
const RGBA: usize = 4;

pub(crate) fn decode(bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    let container = Container::read(bytes)?;
    let decoder = Decoder::new(&container.still).map_err(refused)?;
    let still = decoder.info().clone();
    limits.check_dimensions(still.width, still.height)?;
    let (width, height) = container.canvas.unwrap_or((still.width, still.height));
    limits.check_dimensions(width, height)?;
    let raster = match container.frame.filter(|frame| !frame.is_whole(&still, (width, height))) {
        None => whole(decoder, &still, size, limits)?,
        Some(frame) => on_canvas(decoder, &still, frame, (width, height), size, limits)?,
    };
    Ok(Decoded {
        width,
        height,
        raster,
        orientation: Orientation::from_exif(container.exif),
        profile: container.profile.filter(|profile| profile.len() <= limits.chunk).map(<[u8]>::to_vec),
    })
}

fn whole(decoder: Decoder<'_>, still: &ImageInfo, size: u32, limits: &Limits) -> Result<Raster, Refused> {
    let (width, height) = fit(still.width, still.height, size.saturating_mul(MARGIN));
    limits.check_memory(working_memory(still) + raster::bytes(width, height, RGBA) as u64)?;
    let is_shrunk = still.width.max(still.height) / width.max(height) >= UNSMOOTHED;
    let mut config = unlimited().bypass_filtering(is_shrunk);
    let is_scaled = (width, height) != (still.width, still.height);
    if is_scaled {
        config = config.scale(width, height);
    }
    let decoder = decoder.config(config);
    let (layout, mut samples) = if still.has_alpha {
        (Layout::Rgba, multiplied(decoder.decode_rgba_raw().map_err(refused)?.0))
    } else {
        (Layout::Rgb, decoder.decode_rgb_raw().map_err(refused)?.0)
    };
    if is_scaled {
        // libwebp scales by means.
        samples = reduce::sharpened(layout, &samples, width, height);
    }
    Ok(Raster::interleaved(layout, width, height, samples))
}

/// Without limits of its own: those of here are checked by then.
fn unlimited() -> DecoderConfig {
    DecoderConfig::new().limits(webpx::Limits::none())
}

/// Colours multiplied by their alpha.
fn multiplied(mut rgba: Vec<u8>) -> Vec<u8> {
    for pixel in rgba.chunks_exact_mut(RGBA) {
        let alpha = u16::from(pixel[3]);
        pixel[..3].iter_mut().for_each(|value| *value = times_255(u16::from(*value), alpha));
    }
    rgba
}

/// The frame at its place on a transparent canvas; what lies outside is cut off.
fn on_canvas(
    decoder: Decoder<'_>,
    still: &ImageInfo,
    frame: Frame,
    (width, height): (u32, u32),
    size: u32,
    limits: &Limits,
) -> Result<Raster, Refused> {
    let frame_bytes = working_memory(still) + raster::bytes(still.width, still.height, RGBA) as u64;
    let memory = |factor| frame_bytes + reduce::memory(width, height, RGBA, factor);
    let factor = reduce::affordable_factor(width.max(height), size, limits, memory)?;
    let (samples, _, _) = decoder.config(unlimited()).decode_rgba_raw().map_err(refused)?;
    let mut reduction = Reduction::new(Layout::Rgba, width, height, factor);
    let stride = raster::bytes(still.width, 1, RGBA);
    let empty = vec![0; raster::bytes(width, 1, RGBA)];
    let mut row = empty.clone();
    let left = raster::bytes(frame.left, 1, RGBA).min(row.len());
    let visible = stride.min(row.len() - left);
    for y in 0..height {
        let from = y.checked_sub(frame.top).filter(|&from| from < still.height);
        let Some(from) = from.map(|from| from as usize * stride) else {
            reduction.push(&empty);
            continue;
        };
        row[left..left + visible].copy_from_slice(&samples[from..from + visible]);
        reduction.push(&row);
    }
    Ok(reduction.finish())
}

/// Bytes that libwebp takes besides its output.
fn working_memory(still: &ImageInfo) -> u64 {
    let bytes = match (still.format, still.has_alpha) {
        (BitstreamFormat::Lossy, false) => 0,
        (BitstreamFormat::Lossy, true) => ALPHA_BYTES,
        _ => LOSSLESS_BYTES,
    };
    u64::from(still.width) * u64::from(still.height) * bytes
}

fn refused(error: webpx::At<webpx::Error>) -> Refused {
    Refused::damaged(error.error())
}
