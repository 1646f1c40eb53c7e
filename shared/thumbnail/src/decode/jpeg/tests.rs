//! Every scale of every kind of file against another decoder, and against the definition of what a scale is.

use super::*;
use crate::raster::Plane;
use std::f64::consts::{FRAC_1_SQRT_2, PI};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../tests/pictures/", $name, ".jpg")).as_slice())),*]
    };
}

/// One picture in all of them.
const WIDTH: u32 = 163;
const HEIGHT: u32 = 117;
const FILES: [(&str, &[u8]); 13] = files![
    "baseline-411",
    "baseline-420-restarts",
    "baseline-422-optimised",
    "baseline-440",
    "baseline-444",
    "baseline-grey",
    "baseline-luma-below-chroma",
    "baseline-mixed-sampling",
    "baseline-three-scans",
    "progressive-420",
    "progressive-420-restarts",
    "progressive-444",
    "progressive-grey",
];

fn planes(bytes: &[u8], scale: Scale) -> Vec<Plane> {
    let header = Header::read(bytes).unwrap();
    let store = scans(&header.frame, scale, bytes, &Limits::default());
    store
        .unwrap_or_else(|refused| panic!("{refused}: {:?}, {scale:?}", header.frame))
        .into_planes(&header.frame)
}

/// The components as another decoder has them; where it shrank none, exactly as they are in the file.
fn peer(bytes: &[u8], channels: usize) -> Option<Vec<Vec<f64>>> {
    let colours = if channels == 1 { ColorSpace::Luma } else { ColorSpace::YCbCr };
    let options = DecoderOptions::default().jpeg_set_out_colorspace(colours);
    let pixels = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().ok()?;
    let plane =
        |channel| pixels.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect();
    Some((0..channels).map(plane).collect())
}

#[test]
fn all_of_a_picture_is_as_another_decoder_has_it() {
    for (name, bytes) in FILES {
        let planes = planes(bytes, Scale::Full);
        let Some(expected) = peer(bytes, planes.len()) else {
            assert!(name.contains("mixed") || name.contains("below"), "{name}");
            continue;
        };
        for (plane, expected) in planes.iter().zip(&expected) {
            if (plane.width, plane.height) != (WIDTH, HEIGHT) {
                continue;
            }
            let worst = plane
                .samples
                .iter()
                .zip(expected)
                .map(|(&a, &b)| (f64::from(a) - b).abs())
                .fold(0.0, f64::max);
            assert!(worst <= 2.0, "{name}: {worst}");
        }
    }
}

/// The lowest `side` × `side` coefficients of each whole block, as that many samples, by the definition of the
/// transform (T.81, A.3.3).
fn scaled(samples: &[f64], width: usize, left: usize, top: usize, side: usize) -> Vec<f64> {
    let basis = |u: usize, x: usize, side: usize| {
        let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
        scale * ((2 * x + 1) as f64 * u as f64 * PI / (2 * side) as f64).cos()
    };
    let square = |side: usize| (0..side).flat_map(move |v| (0..side).map(move |u| (u, v)));
    let coefficient = |(u, v)| {
        let of = |(x, y)| (samples[(top + y) * width + left + x] - 128.0) * basis(u, x, 8) * basis(v, y, 8);
        square(8).map(of).sum::<f64>() / 4.0
    };
    let coefficients: Vec<f64> = square(side).map(coefficient).collect();
    let sample = |(x, y)| {
        let of = |(u, v): (usize, usize)| coefficients[v * side + u] * basis(u, x, side) * basis(v, y, side);
        square(side).map(of).sum::<f64>() / 4.0 + 128.0
    };
    square(side).map(sample).collect()
}

#[test]
fn a_smaller_scale_is_what_its_coefficients_say() {
    let (columns, rows) = (WIDTH as usize / 8, HEIGHT as usize / 8);
    for (name, bytes) in FILES.into_iter().filter(|(name, _)| !name.contains("below")) {
        let full = &planes(bytes, Scale::Full)[0];
        let luma: Vec<f64> = full.samples.iter().map(|&sample| f64::from(sample)).collect();
        for scale in [Scale::Quarter, Scale::Half] {
            let (side, plane) = (scale.side(), &planes(bytes, scale)[0]);
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let expected = scaled(&luma, WIDTH as usize, column * 8, row * 8, side);
                for (at, expected) in expected.into_iter().enumerate() {
                    let (x, y) = (column * side + at % side, row * side + at / side);
                    let actual = f64::from(plane.samples[y * plane.width as usize + x]);
                    assert!(
                        (actual - expected).abs() <= 1.6,
                        "{name}, {scale:?}, {x}, {y}: {actual}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn at_an_eighth_samples_are_sharpened_means_of_blocks() {
    let (columns, rows) = (WIDTH as usize / 8, HEIGHT as usize / 8);
    for (name, bytes) in FILES.into_iter().filter(|(name, _)| !name.contains("below")) {
        let full = &planes(bytes, Scale::Full)[0];
        let luma: Vec<f64> = full.samples.iter().map(|&sample| f64::from(sample)).collect();
        let mean = |x: usize, y: usize| scaled(&luma, WIDTH as usize, x * 8, y * 8, 1)[0];
        let eighth = &planes(bytes, Scale::Eighth)[0];
        for (x, y) in (1..rows - 1).flat_map(|y| (1..columns - 1).map(move |x| (x, y))) {
            let around = mean(x - 1, y) + mean(x + 1, y) + mean(x, y - 1) + mean(x, y + 1);
            let expected = (28.0 * mean(x, y) - around) / 24.0;
            let actual = f64::from(eighth.samples[y * eighth.width as usize + x]);
            assert!((actual - expected).abs() <= 1.2, "{name}, {x}, {y}: {actual}, {expected}");
        }
    }
}

#[test]
fn planes_cover_what_the_frame_says() {
    for (name, bytes) in FILES {
        for scale in Scale::ALL {
            for plane in planes(bytes, scale) {
                let covers =
                    |side: u32, extent: f64| f64::from(side) >= extent && f64::from(side) < extent + 1.0;
                assert!(
                    covers(plane.width, plane.extent.0) && covers(plane.height, plane.extent.1),
                    "{name}"
                );
                assert_eq!(plane.samples.len(), (plane.width * plane.height) as usize, "{name}");
            }
        }
    }
}

/// Chroma too is right, in whatever sampling: it is one picture in all files.
#[test]
fn all_files_come_to_the_same_colours() {
    let mean =
        |plane: &Plane| plane.samples.iter().map(|&s| f64::from(s)).sum::<f64>() / plane.samples.len() as f64;
    let means = |bytes, scale| planes(bytes, scale).iter().map(mean).collect::<Vec<_>>();
    let expected = means(FILES[4].1, Scale::Full);
    for ((name, bytes), scale) in FILES.into_iter().flat_map(|file| Scale::ALL.map(|scale| (file, scale))) {
        for (actual, expected) in means(bytes, scale).into_iter().zip(&expected) {
            assert!((actual - expected).abs() < 4.0, "{name}, {scale:?}: {actual}, {expected}");
        }
    }
}

#[test]
fn arithmetic_coding_is_named() {
    let arithmetic = include_bytes!("../../../tests/pictures/arithmetic.jpg");
    let refused = decode(arithmetic, 100, &Limits::default()).err();
    assert_eq!(refused, Some(Refused::Unsupported("a JPEG with arithmetic coding")));
}
