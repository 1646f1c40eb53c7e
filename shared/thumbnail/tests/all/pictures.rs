//! Real pictures of every kind come out right.

use crate::common::*;
use jpeg_encoder::{ColorType, SamplingFactor};
use moxcms::ColorProfile;
use thumbnail::Format;

const UPRIGHT: [[u8; 3]; 4] = [RED, GREEN, BLUE, GREY];

#[test]
fn sizes_limit_the_long_side_and_nothing_is_enlarged() {
    let picture = make(&jpeg(600, 300), &[1280, 160, 480]).unwrap();
    assert_eq!((picture.width, picture.height, picture.format), (600, 300, Format::Jpeg));
    let dimensions: Vec<_> = picture.thumbnails.iter().map(|t| (t.size, t.width, t.height)).collect();
    assert_eq!(dimensions, [(1280, 600, 300), (160, 160, 80), (480, 480, 240)]);
    for thumbnail in &picture.thumbnails {
        assert_quarters(thumbnail, UPRIGHT);
    }
}

#[test]
fn every_orientation_comes_out_upright() {
    let expected = [
        [RED, GREEN, BLUE, GREY],
        [GREEN, RED, GREY, BLUE],
        [GREY, BLUE, GREEN, RED],
        [BLUE, GREY, RED, GREEN],
        [RED, BLUE, GREEN, GREY],
        [BLUE, RED, GREY, GREEN],
        [GREY, GREEN, BLUE, RED],
        [GREEN, GREY, RED, BLUE],
    ];
    for (orientation, expected) in (1..=8).zip(expected) {
        let mut jpeg = Jpeg::new(320, 200, ColorType::Rgb, quarters(320, 200));
        jpeg.exif = Some(exif(orientation));
        let picture = make(&jpeg.encode(), &[160]).unwrap();
        let upright = if orientation < 5 { (320, 200) } else { (200, 320) };
        assert_eq!((picture.width, picture.height), upright, "orientation {orientation}");
        assert_quarters(&picture.thumbnails[0], expected);
    }
}

#[test]
fn metadata_does_not_come_out_again() {
    let mut jpeg = Jpeg::new(64, 64, ColorType::Rgb, quarters(64, 64));
    jpeg.exif = Some(exif(1));
    jpeg.profile = Some(ColorProfile::new_srgb().encode().unwrap());
    let bytes = jpeg.encode();
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let thumbnail = &make(&bytes, &[160]).unwrap().thumbnails[0];
    for text in [&b"GPS"[..], b"Exif", b"ICC_PROFILE"] {
        assert!(has(&bytes, text) && !has(&thumbnail.bytes, text));
    }
}

#[test]
fn jpegs_of_every_kind() {
    for sampling in
        [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2]
    {
        for is_progressive in [false, true] {
            let mut jpeg = Jpeg::new(333, 201, ColorType::Rgb, quarters(333, 201));
            jpeg.sampling = sampling;
            jpeg.is_progressive = is_progressive;
            let picture = make(&jpeg.encode(), &[160]).unwrap();
            assert_quarters(&picture.thumbnails[0], UPRIGHT);
            // A thumbnail is itself of another kind: sequential, with a scan for each component.
            let again = make(&picture.thumbnails[0].bytes, &[160]).unwrap();
            assert_quarters(&again.thumbnails[0], UPRIGHT);
        }
    }
}

#[test]
fn a_grey_jpeg_stays_grey() {
    let pixels = pixels(200, 100, |x, _| [if x < 100 { 40 } else { 200 }]);
    let picture = make(&Jpeg::new(200, 100, ColorType::Luma, pixels).encode(), &[100]).unwrap();
    assert_near(pixel(&picture.thumbnails[0], 20, 20), [40; 3]);
    assert_near(pixel(&picture.thumbnails[0], 80, 20), [200; 3]);
}

#[test]
fn inks_become_colours() {
    // Half cyan ink, no other, next to full magenta.
    let inks = pixels(200, 100, |x, _| if x < 100 { [128, 0, 0, 0] } else { [0, 255, 0, 0] });
    for colours in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let picture = make(&Jpeg::new(200, 100, colours, inks.clone()).encode(), &[100]).unwrap();
        assert_near(pixel(&picture.thumbnails[0], 20, 25), [127, 255, 255]);
        assert_near(pixel(&picture.thumbnails[0], 80, 25), [255, 0, 255]);
    }
}

#[test]
fn a_profile_is_converted_to_srgb() {
    let adobe = ColorProfile::new_adobe_rgb().encode().unwrap();
    let mut jpeg = Jpeg::new(64, 64, ColorType::Rgb, pixels(64, 64, |_, _| [100, 180, 60]));
    jpeg.profile = Some(adobe);
    let colour = pixel(&make(&jpeg.encode(), &[64]).unwrap().thumbnails[0], 32, 32);
    // Adobe RGB's green is purer than sRGB's: the same colour has less red there.
    assert!(colour[0] < 70 && colour[1].abs_diff(181) < 8, "{colour:?}");
}

#[test]
fn a_broken_profile_is_left_out() {
    let mut jpeg = Jpeg::new(64, 64, ColorType::Rgb, quarters(64, 64));
    jpeg.profile = Some(vec![7; 500]);
    assert_quarters(&make(&jpeg.encode(), &[64]).unwrap().thumbnails[0], UPRIGHT);
}

#[test]
fn alpha_is_shown_on_white() {
    let pixels = pixels(200, 100, |x, _| if x < 100 { [200, 0, 0, 0] } else { [0, 0, 200, 128] });
    let bytes = png(200, 100, png::ColorType::Rgba, png::BitDepth::Eight, &pixels);
    let thumbnail = &make(&bytes, &[100]).unwrap().thumbnails[0];
    assert_near(pixel(thumbnail, 20, 25), [255; 3]);
    assert_near(pixel(thumbnail, 80, 25), [127, 127, 227]);
}

#[test]
fn pngs_of_every_depth() {
    use png::{BitDepth, ColorType};
    let wide: Vec<u8> = quarters(64, 64).into_iter().flat_map(|value| [value, 0x5A]).collect();
    let picture = make(&png(64, 64, ColorType::Rgb, BitDepth::Sixteen, &wide), &[64]).unwrap();
    assert_quarters(&picture.thumbnails[0], UPRIGHT);

    let palette = [RED, GREEN, BLUE, GREY].concat();
    let indices = pixels(64, 64, |x, y| [u8::from(x >= 32) + 2 * u8::from(y >= 32)]);
    let indexed = |transparency| Png {
        width: 64,
        height: 64,
        colours: ColorType::Indexed,
        depth: BitDepth::Eight,
        palette: &palette,
        transparency,
    };
    assert_quarters(&make(&indexed(&[]).encode(&indices), &[64]).unwrap().thumbnails[0], UPRIGHT);
    let see_through = make(&indexed(&[0]).encode(&indices), &[64]).unwrap();
    assert_quarters(&see_through.thumbnails[0], [[255; 3], GREEN, BLUE, GREY]);

    let bits: Vec<u8> = (0..64).flat_map(|_| [0, 0, 0, 0, 255, 255, 255, 255]).collect();
    let picture = make(&png(64, 64, ColorType::Grayscale, BitDepth::One, &bits), &[64]).unwrap();
    assert_quarters(&picture.thumbnails[0], [[0; 3], [255; 3], [0; 3], [255; 3]]);
}

#[test]
fn a_webp() {
    let mut bytes = Vec::new();
    let mut encoder = image_webp::WebPEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif(6));
    encoder.encode(&quarters(200, 100), 200, 100, image_webp::ColorType::Rgb8).unwrap();
    let picture = make(&bytes, &[160]).unwrap();
    assert_eq!((picture.width, picture.height, picture.format), (100, 200, Format::WebP));
    assert_quarters(&picture.thumbnails[0], [BLUE, RED, GREY, GREEN]);
}

#[test]
fn the_first_frame_of_a_gif_is_at_its_place() {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 100, 50, &[RED, BLUE].concat()).unwrap();
    let frame = |left, top, index| gif::Frame {
        left,
        top,
        width: 50,
        height: 25,
        buffer: vec![index; 50 * 25].into(),
        ..gif::Frame::default()
    };
    encoder.write_frame(&frame(50, 25, 0)).unwrap();
    encoder.write_frame(&frame(0, 0, 1)).unwrap();
    drop(encoder);
    let picture = make(&bytes, &[100]).unwrap();
    assert_eq!((picture.width, picture.height, picture.format), (100, 50, Format::Gif));
    assert_quarters(&picture.thumbnails[0], [[255; 3], [255; 3], [255; 3], RED]);
}
