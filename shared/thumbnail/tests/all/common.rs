//! Pictures made on the spot, and a look at what came out.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::borrow::Cow;
use thumbnail::{Limits, Output, Picture, Refused, Thumbnail};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

pub(crate) const RED: [u8; 3] = [220, 30, 30];
pub(crate) const GREEN: [u8; 3] = [30, 200, 30];
pub(crate) const BLUE: [u8; 3] = [30, 30, 220];
pub(crate) const GREY: [u8; 3] = [128, 128, 128];

pub(crate) fn make(bytes: &[u8], sizes: &[u32]) -> Result<Picture, Refused> {
    thumbnail::make(bytes, sizes, Output::Jpeg, &Limits::default())
}

/// Four quarters of different colours: top left red, top right green, bottom left blue, bottom right grey.
pub(crate) fn quarters(width: u32, height: u32) -> Vec<u8> {
    pixels(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => GREY,
    })
}

pub(crate) fn pixels<const N: usize>(
    width: u32,
    height: u32,
    colour: impl Fn(u32, u32) -> [u8; N],
) -> Vec<u8> {
    let at = |index: u32| colour(index % width, index / width);
    (0..width * height).flat_map(at).collect()
}

pub(crate) struct Jpeg {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) colours: ColorType,
    pub(crate) pixels: Vec<u8>,
    pub(crate) sampling: SamplingFactor,
    pub(crate) is_progressive: bool,
    pub(crate) exif: Option<Vec<u8>>,
    pub(crate) profile: Option<Vec<u8>>,
}

impl Jpeg {
    pub(crate) fn new(width: u32, height: u32, colours: ColorType, pixels: Vec<u8>) -> Self {
        let sampling = SamplingFactor::F_1_1;
        Self { width, height, colours, pixels, sampling, is_progressive: false, exif: None, profile: None }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.is_progressive);
        if let Some(exif) = self.exif {
            encoder.add_exif_metadata(&exif).unwrap();
        }
        if let Some(profile) = self.profile {
            encoder.add_icc_profile(&profile).unwrap();
        }
        let side = |side: u32| u16::try_from(side).unwrap();
        encoder.encode(&self.pixels, side(self.width), side(self.height), self.colours).unwrap();
        bytes
    }
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    Jpeg::new(width, height, ColorType::Rgb, quarters(width, height)).encode()
}

/// EXIF data of one directory with the orientation, and a text that must not come out again.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    tiff.extend(b"\0\0\0\0GPS 48.2 N 16.3 E");
    tiff
}

pub(crate) struct Png<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) colours: png::ColorType,
    pub(crate) depth: png::BitDepth,
    pub(crate) palette: &'a [u8],
    pub(crate) transparency: &'a [u8],
}

impl Png<'_> {
    pub(crate) fn encode(&self, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(self.colours);
        encoder.set_depth(self.depth);
        if !self.palette.is_empty() {
            encoder.set_palette(Cow::Borrowed(self.palette));
        }
        if !self.transparency.is_empty() {
            encoder.set_trns(Cow::Borrowed(self.transparency));
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    }
}

pub(crate) fn png(
    width: u32,
    height: u32,
    colours: png::ColorType,
    depth: png::BitDepth,
    data: &[u8],
) -> Vec<u8> {
    Png { width, height, colours, depth, palette: &[], transparency: &[] }.encode(data)
}

/// The colour of a thumbnail's pixel.
pub(crate) fn pixel(thumbnail: &Thumbnail, x: u32, y: u32) -> [u8; 3] {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&thumbnail.bytes), options);
    let pixels = decoder.decode().unwrap();
    assert_eq!(decoder.dimensions(), Some((thumbnail.width as usize, thumbnail.height as usize)));
    let at = (y * thumbnail.width + x) as usize * 3;
    [pixels[at], pixels[at + 1], pixels[at + 2]]
}

pub(crate) fn assert_near(actual: [u8; 3], expected: [u8; 3]) {
    let is_near = actual.iter().zip(expected).all(|(a, e)| a.abs_diff(e) <= 12);
    assert!(is_near, "{actual:?} is not near {expected:?}");
}

/// The four quarters' colours, in reading order.
pub(crate) fn assert_quarters(thumbnail: &Thumbnail, expected: [[u8; 3]; 4]) {
    let (width, height) = (thumbnail.width, thumbnail.height);
    let places = [(1, 1), (3, 1), (1, 3), (3, 3)];
    for ((x, y), expected) in places.into_iter().zip(expected) {
        assert_near(pixel(thumbnail, width * x / 4, height * y / 4), expected);
    }
}
