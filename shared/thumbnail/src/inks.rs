//! Inks as colours.

use crate::matrix::Matrix;
use crate::raster::{Inks, Layout, Plane, Raster};
use crate::reduce::times_255;
use crate::{Refused, colour, resize};
use moxcms::Transform8BitExecutor;

/// Pixels on the long side up to which inks become colours before the picture has its final size. The mean of two inks is
/// not the mean of what they look like, but of many pixels it costs much to know.
const FEW: u32 = 1100;
/// Pixels that are converted at a time.
const PIXELS: usize = 4096;

/// The picture in sRGB where it is stored in inks, by the profile that is then used up. Others stay as they are. Thumbnails
/// will have `size` pixels at most.
pub(crate) fn as_colours(
    raster: Raster,
    profile: Option<Vec<u8>>,
    size: u32,
) -> Result<(Raster, Option<Vec<u8>>), Refused> {
    let Layout::Cmyk(inks) = raster.layout else { return Ok((raster, profile)) };
    let screen = Screen::new(raster.layout, profile.as_deref());
    let mut raster = alike(raster, size);
    let count = raster.planes.first().map_or(0, |plane| plane.samples.len());
    let (mut pixels, mut colours) = (vec![0; 4 * PIXELS], vec![0; 3 * PIXELS]);
    for start in (0..count).step_by(PIXELS) {
        let part = start..count.min(start + PIXELS);
        let (pixels, colours) = (&mut pixels[..4 * part.len()], &mut colours[..3 * part.len()]);
        for (channel, plane) in raster.planes.iter().enumerate() {
            for (pixel, &sample) in pixels.chunks_exact_mut(4).zip(&plane.samples[part.clone()]) {
                pixel[channel] = sample;
            }
        }
        pixels.chunks_exact_mut(4).for_each(|pixel| full_inks(pixel, inks));
        screen.show(pixels, colours)?;
        for (channel, plane) in raster.planes.iter_mut().take(3).enumerate() {
            for (sample, colour) in plane.samples[part.clone()].iter_mut().zip(colours.chunks_exact(3)) {
                *sample = colour[channel];
            }
        }
    }
    raster.planes.truncate(3);
    raster.layout = Layout::Rgb;
    Ok((raster, None))
}

/// The planes in the same dimensions; a large picture in those of its largest thumbnail.
fn alike(raster: Raster, size: u32) -> Raster {
    let Some(Plane { width, height, extent, .. }) = raster.planes.first() else { return raster };
    let are_alike = raster.planes.iter().all(|plane| (plane.width, plane.height) == (*width, *height));
    let is_small = (*width).max(*height) <= FEW;
    if are_alike && is_small {
        return raster;
    }
    // The sides were checked: these are small and positive.
    let whole = (extent.0.max(1.0) as u32, extent.1.max(1.0) as u32);
    resize::shrink(&raster, if is_small { whole } else { resize::fit(whole.0, whole.1, size) })
}

/// What a screen shows for inks.
struct Screen {
    transform: Option<std::sync::Arc<Transform8BitExecutor>>,
    /// Each value of an sRGB channel, with the darkest ink made black.
    darkened: Option<Box<[u8; 256]>>,
}

impl Screen {
    fn new(layout: Layout, profile: Option<&[u8]>) -> Self {
        let transform = profile.and_then(|profile| colour::transform(layout, profile));
        let darkened = transform.as_deref().and_then(black_point_compensation);
        Self { transform, darkened }
    }

    fn show(&self, pixels: &[u8], colours: &mut [u8]) -> Result<(), Refused> {
        let Some(transform) = &self.transform else {
            for (colour, pixel) in colours.chunks_exact_mut(3).zip(pixels.chunks_exact(4)) {
                colour.copy_from_slice(&naive_rgb(pixel));
            }
            return Ok(());
        };
        transform.transform(pixels, colours).map_err(Refused::damaged)?;
        if let Some(darkened) = &self.darkened {
            colours.iter_mut().for_each(|value| *value = darkened[usize::from(*value)]);
        }
        Ok(())
    }
}

/// Paper's black is grey to a screen. Colour engines stretch it to the screen's black, linearly in light (Adobe's "Black
/// Point Compensation"); `moxcms` does not. As they do, the darkest ink counts without its tint.
fn black_point_compensation(transform: &Transform8BitExecutor) -> Option<Box<[u8; 256]>> {
    const ALL_INKS: [u8; 4] = [255; 4];
    let mut darkest = [0; 3];
    transform.transform(&ALL_INKS, &mut darkest).ok()?;
    let [red, green, blue] = darkest.map(light);
    let black = (0.2126 * red + 0.7152 * green + 0.0722 * blue).min(0.5);
    let stretched = |value: u8| ((light(value) - black) / (1.0 - black)).max(0.0);
    Some(Box::new(std::array::from_fn(|value| srgb(stretched(u8::try_from(value).unwrap_or(255))))))
}

/// The light of an sRGB value, 0 to 1 (IEC 61966-2-1).
fn light(value: u8) -> f64 {
    let value = f64::from(value) / 255.0;
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn srgb(light: f64) -> u8 {
    let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}

/// As cyan, magenta, yellow and black, where 255 is full ink.
fn full_inks(pixel: &mut [u8], inks: Inks) {
    if inks.is_ycck {
        // The complement of what the JFIF conversion gives.
        let rgb = Matrix::BT_601.rgb([pixel[0], pixel[1], pixel[2]]);
        pixel[..3].copy_from_slice(&rgb.map(|value| 255 - value));
    }
    if inks.is_inverted {
        pixel.iter_mut().for_each(|value| *value = 255 - *value);
    }
}

/// What a screen shows for inks of which nothing is known.
fn naive_rgb(pixel: &[u8]) -> [u8; 3] {
    let light = |ink: u8| times_255(u16::from(255 - ink), u16::from(255 - pixel[3]));
    [light(pixel[0]), light(pixel[1]), light(pixel[2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Layout = Layout::Cmyk(Inks { is_ycck: false, is_inverted: false });
    const ADOBE: Layout = Layout::Cmyk(Inks { is_ycck: false, is_inverted: true });

    fn plane(width: u32, height: u32, sample: impl Fn(u32) -> u8) -> Plane {
        let extent = (f64::from(width), f64::from(height));
        Plane { width, height, extent, channels: 1, samples: (0..width * height).map(sample).collect() }
    }

    fn colours(raster: &Raster) -> Vec<[u8; 3]> {
        let count = raster.planes[0].samples.len();
        (0..count).map(|at| [0, 1, 2].map(|channel| raster.planes[channel].samples[at])).collect()
    }

    #[test]
    fn every_pixel_is_shown_for_itself() {
        // More than one part of them, and not a whole number of parts.
        let (width, height) = (91, 97);
        let of = |layout: Layout, flip: u8| {
            let planes =
                (0..4).map(|n| plane(width, height, move |at| (at * (3 + n)) as u8 ^ flip)).collect();
            as_colours(Raster { layout, planes }, None, 320).unwrap().0
        };
        let shown = of(PLAIN, 0);
        assert_eq!((shown.layout, shown.planes.len()), (Layout::Rgb, 3));
        let expected = |at: u32| naive_rgb(&[3, 4, 5, 6].map(|n| (at * n) as u8));
        assert_eq!(colours(&shown), (0..width * height).map(expected).collect::<Vec<_>>());
        assert_eq!(colours(&of(ADOBE, 255)), colours(&shown));
    }

    #[test]
    fn inks_that_are_sampled_less_cover_the_same_picture() {
        let mut planes =
            vec![plane(7, 5, |_| 100), plane(4, 3, |_| 50), plane(4, 3, |_| 0), plane(7, 5, |_| 0)];
        planes[1].extent = (3.5, 2.5);
        planes[2].extent = (3.5, 2.5);
        let shown = as_colours(Raster { layout: PLAIN, planes }, None, 320).unwrap().0;
        assert_eq!(colours(&shown), [[155, 205, 255]; 35]);
        assert!(shown.planes.iter().all(|plane| (plane.width, plane.height) == (7, 5)));
    }

    #[test]
    fn large_pictures_have_their_final_size_first() {
        let planes = (0..4).map(|n| plane(FEW + 1, 10, move |_| 20 * n)).collect();
        let shown = as_colours(Raster { layout: PLAIN, planes }, None, 600).unwrap().0;
        assert_eq!((shown.planes[0].width, shown.planes[0].height), (600, 5));
        assert_eq!(colours(&shown)[7], naive_rgb(&[0, 20, 40, 60]));
    }
}
