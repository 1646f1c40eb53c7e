//! How alike a thumbnail and its reference look: SSIMULACRA2, 100 for the same picture.

use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};
use std::io::{BufReader, Cursor, Error, Result};
use std::path::Path;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

const WHITE: u8 = 255;

/// `None` when they differ in their dimensions.
pub(crate) fn score(thumbnail: &Path, reference: &Path) -> Result<Option<f64>> {
    let (thumbnail, reference) = (read(thumbnail)?, read(reference)?);
    if (thumbnail.width(), thumbnail.height()) != (reference.width(), reference.height()) {
        return Ok(None);
    }
    compute_frame_ssimulacra2(reference, thumbnail).map(Some).map_err(Error::other)
}

fn read(path: &Path) -> Result<Rgb> {
    let bytes = std::fs::read(path)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => png(&bytes),
        Some("webp") => webp(&bytes),
        _ => jpeg(bytes),
    }
}

fn png(bytes: &[u8]) -> Result<Rgb> {
    let mut reader = png::Decoder::new(BufReader::new(Cursor::new(bytes))).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let info = reader.next_frame(&mut pixels)?;
    rgb(&pixels, info.width as usize, info.height as usize)
}

fn webp(bytes: &[u8]) -> Result<Rgb> {
    let (pixels, width, height) = webpx::decode_rgba(bytes).map_err(Error::other)?;
    let on_white = |pixel: &[u8]| {
        let alpha = u32::from(pixel[3]);
        [0, 1, 2].map(|channel| {
            let sum = u32::from(pixel[channel]) * alpha + u32::from(WHITE) * (255 - alpha);
            ((sum + 127) / 255) as u8
        })
    };
    rgb(&pixels.chunks_exact(4).flat_map(on_white).collect::<Vec<_>>(), width as usize, height as usize)
}

fn jpeg(bytes: Vec<u8>) -> Result<Rgb> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(Cursor::new(bytes), options);
    let pixels = decoder.decode().map_err(Error::other)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::other("a JPEG without dimensions"))?;
    rgb(&pixels, width, height)
}

fn rgb(pixels: &[u8], width: usize, height: usize) -> Result<Rgb> {
    let values =
        pixels.chunks_exact(3).map(|pixel| [0, 1, 2].map(|channel| f32::from(pixel[channel]) / 255.0));
    let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
    Rgb::new(values.collect(), width, height, transfer, primaries).map_err(Error::other)
}
