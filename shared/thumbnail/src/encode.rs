//! The file of a thumbnail: pixels and nothing else, so that no metadata of the picture gets into it.

use crate::Refused;
use crate::raster::Finished;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};
use webpx::{EncoderConfig, Unstoppable};

/// With Huffman tables of its own, as many bytes as 80 with the usual ones.
const JPEG_QUALITY: u8 = 82;
/// How hard libwebp looks for smaller files, 0 to 6. From 3 on it searches, and takes more than twice as long.
const WEBP_METHOD: u8 = 2;
/// Where there is alpha; its packing from 4 on takes half as much memory again.
const WEBP_ALPHA_METHOD: u8 = 3;
/// Without that search, 83 looks better than 80 with it, in an eighth more bytes.
const WEBP_QUALITY: f32 = 83.0;
/// Where so many pixels come to a byte, all of them are smooth, steps between shades show, and a finer file costs little.
const SMOOTH_PIXELS_A_BYTE: u32 = 25;
const WEBP_SMOOTH_QUALITY: f32 = 86.0;
/// Pixels on the long side from which on one pass must do, without a look at blocks of four: they would cost more time
/// than all that comes before. At 80 it still looks better than libwebp's default does, in a sixth more bytes.
const WEBP_LARGE: u32 = 800;
const WEBP_LARGE_METHOD: u8 = 0;
const WEBP_LARGE_QUALITY: f32 = 80.0;

/// What thumbnails are files of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Half the bytes, and keeps transparency.
    WebP,
    /// For what cannot read WebP; transparent pictures come on white.
    Jpeg,
}

impl Output {
    pub(crate) fn encode(self, picture: Finished) -> Result<Vec<u8>, Refused> {
        match self {
            Self::WebP => webp(picture),
            Self::Jpeg => jpeg(picture.on_white()),
        }
    }
}

fn jpeg(picture: Finished) -> Result<Vec<u8>, Refused> {
    let colours = if picture.channels == 1 { ColorType::Luma } else { ColorType::Rgb };
    let side = |side: u32| u16::try_from(side).map_err(Refused::damaged);
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    // The default takes one pixel of four, which shows.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    encoder.encode(&picture.pixels, width, height, colours).map_err(Refused::damaged)?;
    Ok(jpeg)
}

fn webp(picture: Finished) -> Result<Vec<u8>, Refused> {
    if picture.width.max(picture.height) >= WEBP_LARGE {
        return webp_at(&picture, WEBP_LARGE_QUALITY, WEBP_LARGE_METHOD);
    }
    let method = if picture.channels == 4 { WEBP_ALPHA_METHOD } else { WEBP_METHOD };
    let webp = webp_at(&picture, WEBP_QUALITY, method)?;
    let is_smooth = webp.len() as u64 * u64::from(SMOOTH_PIXELS_A_BYTE)
        < u64::from(picture.width) * u64::from(picture.height);
    if is_smooth { webp_at(&picture, WEBP_SMOOTH_QUALITY, method) } else { Ok(webp) }
}

fn webp_at(picture: &Finished, quality: f32, method: u8) -> Result<Vec<u8>, Refused> {
    let Finished { width, height, channels, pixels } = picture;
    let config = EncoderConfig::new().quality(quality).method(method);
    let webp = match channels {
        1 => config.encode_rgb(
            &pixels.iter().flat_map(|&grey| [grey; 3]).collect::<Vec<_>>(),
            *width,
            *height,
            Unstoppable,
        ),
        3 => config.encode_rgb(pixels, *width, *height, Unstoppable),
        _ => {
            let config = config.alpha_compression(!is_restless(pixels));
            config.encode_rgba(pixels, *width, *height, Unstoppable)
        }
    };
    webp.map_err(Refused::damaged)
}

/// Whether alpha changes by more than a shade at every fourth pixel. Of such, packing takes 40 bytes a pixel, and hardly
/// makes it smaller.
fn is_restless(rgba: &[u8]) -> bool {
    const SHADE: u8 = 2;
    let (pixels, _) = rgba.as_chunks::<4>();
    let changes = pixels.windows(2).filter(|pair| pair[0][3].abs_diff(pair[1][3]) > SHADE).count();
    changes > pixels.len() / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_and_smooth_pictures_are_encoded_finely() {
        let picture = |side: u32, shade: fn(usize) -> u8| Finished {
            width: side,
            height: side,
            channels: 1,
            pixels: (0..(side * side) as usize).map(shade).collect(),
        };
        let is_fine = |picture: Finished| {
            let fine = webp_at(&picture, WEBP_SMOOTH_QUALITY, WEBP_METHOD).unwrap();
            fine == webp(picture).unwrap()
        };
        assert!(is_fine(picture(320, |at| (at / 2000) as u8)));
        assert!(!is_fine(picture(320, |at| (at * at / 7) as u8)));
        assert!(!is_fine(picture(WEBP_LARGE, |at| (at / 4000) as u8)));
    }
}
