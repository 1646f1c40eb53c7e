//! Whatever comes in: a right thumbnail or a typed refusal, soon, and never a panic.

use crate::common::*;
use jpeg_encoder::ColorType;
use proptest::prelude::*;
use thumbnail::{Limits, Output, Refused};

const SIZES: [u32; 2] = [160, 48];

fn refusal(bytes: &[u8]) -> Refused {
    make(bytes, &SIZES).expect_err("refused")
}

/// The place of the frame header's height in a JPEG.
fn frame_height(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2]).unwrap() + 5
}

fn claiming(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let at = frame_height(&jpeg);
    jpeg[at..at + 2].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn what_is_no_picture_is_said_to_be_none() {
    assert_eq!(refusal(b""), Refused::Empty);
    for bytes in
        [&b"just text, named .jpg"[..], b"PK\x03\x04\x14\0", b"<!DOCTYPE html><html></html>", b"\0", b"GIF"]
    {
        assert_eq!(refusal(bytes), Refused::Unknown);
    }
    let known = "this is not a picture we know: JPEG, PNG, WebP, GIF and AVIF are";
    assert_eq!(refusal(b"hello").to_string(), known);
}

#[test]
fn what_people_take_for_pictures_is_named() {
    for (bytes, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "HEIC"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version=\"1.0\"?><svg xmlns=\"x\"/>", "SVG"),
        (b" <svg onload=\"x\"/>", "SVG"),
        (b"II*\0\x08\0\0\0", "TIFF"),
    ] {
        let reason = refusal(bytes).to_string();
        assert!(reason.contains(name), "{reason}");
    }
}

#[test]
fn headers_that_lie_are_refused_unread() {
    let refused = refusal(&claiming(jpeg(64, 64), 65_500, 65_500)).to_string();
    assert_eq!(refused, "the picture has 4291 megapixels, more than 100");
    assert_eq!(refusal(&claiming(jpeg(64, 64), 0, 64)), Refused::NoPixels);
    assert_eq!(refusal(&claiming(jpeg(64, 64), 9_000, 9_000)), Refused::Damaged("it ends early".into()));

    let mut progressive = Jpeg::new(64, 64, ColorType::Rgb, quarters(64, 64));
    progressive.is_progressive = true;
    assert_eq!(
        refusal(&claiming(progressive.encode(), 9_000, 9_000)),
        Refused::Damaged("it ends early".into())
    );
}

#[test]
fn a_png_bomb_is_refused_by_its_header() {
    let mut bomb = png(8, 8, png::ColorType::Grayscale, png::BitDepth::One, &[0; 8]);
    bomb[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    // The header's checksum must be right, or that is what it fails for.
    let checksum = crc32(&bomb[12..29]).to_be_bytes();
    bomb[29..33].copy_from_slice(&checksum);
    assert_eq!(refusal(&bomb), Refused::TooManyPixels { megapixels: 3600, maximum: 100 });
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_gif_with_a_huge_canvas_is_refused() {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 65_535, 65_535, &RED).unwrap();
    let frame = gif::Frame { width: 1, height: 1, buffer: vec![0].into(), ..gif::Frame::default() };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    assert!(matches!(refusal(&bytes), Refused::TooManyPixels { .. }));
}

#[test]
fn limits_are_the_callers() {
    let few_pixels = Limits { pixels: 1_000, ..Limits::default() };
    assert!(matches!(
        thumbnail::make(&jpeg(64, 64), &SIZES, Output::Jpeg, &few_pixels),
        Err(Refused::TooManyPixels { .. })
    ));
    let short = Limits { side: 50, ..Limits::default() };
    assert!(matches!(
        thumbnail::make(&jpeg(64, 64), &SIZES, Output::Jpeg, &short),
        Err(Refused::TooLong { .. })
    ));
    let little = Limits { memory: 100, ..Limits::default() };
    assert!(matches!(
        thumbnail::make(&jpeg(64, 64), &SIZES, Output::Jpeg, &little),
        Err(Refused::TooMuchMemory { .. })
    ));
}

#[test]
fn truncated_files_are_damaged() {
    // Of noise, so that pixels are most of the file.
    let noise = pixels(64, 64, |x, y| {
        [0, 8, 16].map(|bits| ((x * 64 + y).wrapping_mul(2_654_435_761) >> bits) as u8)
    });
    let png = png(64, 64, png::ColorType::Rgb, png::BitDepth::Eight, &noise);
    for whole in [jpeg(300, 200), png] {
        for part in 1..10 {
            let refused = refusal(&whole[..whole.len() * part / 10]);
            assert!(matches!(refused, Refused::Damaged(_)), "{refused}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0_usize..5) {
        let starts: [&[u8]; 5] =
            [b"", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1A\n", b"RIFF\xFF\0\0\0WEBPVP8L", b"GIF89a"];
        let bytes = [starts[kind], &bytes].concat();
        let _ = make(&bytes, &SIZES);
    }
}
