//! WebP, lossy and lossless; of an animation its first frame. libwebp decodes it, and shrinks on its way; but of a lossy
//! picture that is shrunk by much the planes are decoded here, where they can be shrunk each for itself.

mod container;
mod vp8;

use super::Decoded;
use crate::matrix::Matrix;
use crate::orientation::Orientation;
use crate::raster::{self, Layout, Plane, Raster};
use crate::reduce::{self, Reduction, times_255};
use crate::resize::fit;
use crate::{Limits, Refused};
use container::{Container, Frame};
use webpx::{BitstreamFormat, Decoder, DecoderConfig, ImageInfo};

/// Pixels left on the long side for each pixel of the largest thumbnail.
const MARGIN: u32 = 2;
/// Shrunk by this much, blocks are too small for their edges to show unless they are smoothed.
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
        None => match planes(&container, &still, size, limits) {
            Some(raster) => raster?,
            None => whole(decoder, &still, size, limits)?,
        },
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

/// Of a lossy picture without alpha that is shrunk by enough.
fn planes(
    container: &Container<'_>,
    still: &ImageInfo,
    size: u32,
    limits: &Limits,
) -> Option<Result<Raster, Refused>> {
    let factor = reduce::factor(still.width.max(still.height), size);
    let is_for_planes = factor >= UNSMOOTHED && still.format == BitstreamFormat::Lossy && !still.has_alpha;
    let frame = container.lossy().filter(|_| is_for_planes)?;
    Some(reduced(frame, still, size, limits))
}

fn reduced(frame: &[u8], still: &ImageInfo, size: u32, limits: &Limits) -> Result<Raster, Refused> {
    let (width, height) = (still.width, still.height);
    // A sample of chroma is for two pixels across and down.
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let chroma_factor = |factor: u32| factor.div_ceil(2);
    let memory = |factor| {
        let chroma = reduce::memory(chroma_width, chroma_height, 1, chroma_factor(factor));
        vp8::Decoder::memory(width) + reduce::memory(width, height, 1, factor) + 2 * chroma
    };
    let factor = reduce::affordable_factor(width.max(height), size, limits, memory)?;
    let chroma_factor = chroma_factor(factor);
    let mut decoder = vp8::Decoder::new(frame)?;
    if decoder.dimensions() != (width, height) {
        return Err(Refused::damaged("its headers differ"));
    }
    let plane = |width, height, factor| Reduction::new(Layout::Grey, width, height, factor);
    let mut luma = plane(width, height, factor);
    let mut chroma = [(); 2].map(|()| plane(chroma_width, chroma_height, chroma_factor));
    let (luma_row, chroma_row) = (width as usize, chroma_width as usize);
    for top in (0..height as usize).step_by(vp8::SIDE) {
        let rows = decoder.row()?;
        let left = height as usize - top;
        let [stride, chroma_stride] = rows.strides;
        rows.luma.chunks_exact(stride).take(left).for_each(|row| luma.push(&row[..luma_row]));
        for (chroma, samples) in chroma.iter_mut().zip(rows.chroma) {
            let rows = samples.chunks_exact(chroma_stride).take(left.div_ceil(2));
            rows.for_each(|row| chroma.push(&row[..chroma_row]));
        }
    }
    let extent = |share: u32| (f64::from(width) / f64::from(share), f64::from(height) / f64::from(share));
    let finished = |reduction: Reduction, share: u32| {
        let planes = reduction.finish().planes.into_iter();
        planes.map(move |plane| Plane { extent: extent(share), ..plane })
    };
    let mut planes: Vec<Plane> = finished(luma, factor).collect();
    planes.extend(chroma.into_iter().flat_map(|chroma| finished(chroma, 2 * chroma_factor)));
    Ok(Raster { layout: Layout::Yuv { matrix: Matrix::BT_601_NARROW, has_alpha: false }, planes })
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
        reduce::sharpen(layout, &mut samples, width);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::Colours;
    use crate::resize;
    use webpx::{EncoderConfig, Unstoppable};

    /// Soft shades in all directions.
    fn picture(width: u32, height: u32) -> Vec<u8> {
        let shade = |at: u32, side: u32| (200 * at / side) as u8;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        pixels
            .flat_map(|(x, y)| [shade(x, width) + 20, shade(y, height) + 30, 230 - shade(x, width)])
            .collect()
    }

    fn thumbnail(raster: &Raster, still: &ImageInfo) -> Vec<u8> {
        let small = resize::shrink(raster, fit(still.width, still.height, SIZE));
        Colours::new(small.layout, None).finished(small).unwrap().pixels
    }

    const SIZE: u32 = 20;

    #[test]
    fn planes_look_as_colours_of_libwebp_do() {
        let limits = Limits::default();
        for (width, height) in [(301, 199), (128, 257), (1000, 750), (400, 1), (1, 300), (123, 2), (61, 121)]
        {
            let encoder = EncoderConfig::new().quality(90.0);
            let file = encoder.encode_rgb(&picture(width, height), width, height, Unstoppable).unwrap();
            let container = Container::read(&file).unwrap();
            let decoder = Decoder::new(&file).unwrap();
            let still = decoder.info().clone();
            let planes = planes(&container, &still, SIZE, &limits).unwrap().unwrap();
            let colours = whole(decoder, &still, SIZE, &limits).unwrap();
            let (ours, theirs) = (thumbnail(&planes, &still), thumbnail(&colours, &still));
            let worst = ours.iter().zip(&theirs).map(|(&a, &b)| a.abs_diff(b)).max();
            // libwebp stretches chroma by half a pixel, where a side is odd.
            assert!(worst.is_some_and(|worst| worst <= 8), "{width} × {height}: {worst:?}");
        }
    }

    #[test]
    fn planes_are_for_lossy_pictures_without_alpha_that_shrink_by_much() {
        let has_planes = |file: &[u8], size: u32| {
            let still = Decoder::new(file).unwrap().info().clone();
            planes(&Container::read(file).unwrap(), &still, size, &Limits::default()).is_some()
        };
        let lossy = EncoderConfig::new().encode_rgb(&picture(120, 90), 120, 90, Unstoppable).unwrap();
        assert!(has_planes(&lossy, 20) && !has_planes(&lossy, 21));
        let lossless = EncoderConfig::new_lossless();
        let lossless = lossless.encode_rgb(&picture(120, 90), 120, 90, Unstoppable).unwrap();
        assert!(!has_planes(&lossless, 20));
        let rgba = picture(120, 120);
        let clear = EncoderConfig::new().encode_rgba(&rgba, 120, 90, Unstoppable).unwrap();
        assert!(!has_planes(&clear, 20));
    }
}
