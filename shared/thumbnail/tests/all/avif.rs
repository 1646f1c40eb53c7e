//! AVIF files of every kind come out right, and what is not shown says so.

use crate::common::*;
use std::path::Path;
use thumbnail::{Format, Limits, Output, Picture, Refused};

const UPRIGHT: [[u8; 3]; 4] = [RED, GREEN, BLUE, GREY];

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    std::fs::read(folder.join(format!("{name}.avif"))).unwrap()
}

fn picture(name: &str) -> Picture {
    make(&file(name), &[64]).unwrap_or_else(|refused| panic!("{name}: {refused}"))
}

/// The file with the byte behind the first `mark` set.
fn with(mut file: Vec<u8>, mark: &[u8], value: u8) -> Vec<u8> {
    let at = file.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len();
    file[at] = value;
    file
}

#[test]
fn samples_of_every_depth_sampling_and_range() {
    for name in ["avif-420", "avif-422-12", "avif-444-10-limited", "avif-gbr", "avif-sequence"] {
        let picture = picture(name);
        assert_eq!((picture.width, picture.height, picture.format), (96, 64, Format::Avif), "{name}");
        assert_quarters(&picture.thumbnails[0], UPRIGHT);
    }
    let grey = |luma: u8| [luma; 3];
    let lumas = [grey(87), grey(130), grey(52), grey(128)];
    assert_quarters(&picture("avif-400").thumbnails[0], lumas);
}

#[test]
fn every_turn_comes_out_upright() {
    // As the stored quarters are turned to the left, and then exchanged.
    let turned = [
        [RED, GREEN, BLUE, GREY],
        [GREEN, GREY, RED, BLUE],
        [GREY, BLUE, GREEN, RED],
        [BLUE, RED, GREY, GREEN],
    ];
    for (quarters, [a, b, c, d]) in (0..).zip(turned) {
        for (axis, expected) in [(0, [c, d, a, b]), (1, [b, a, d, c])] {
            let file = with(with(file("avif-turned"), b"irot", quarters), b"imir", axis);
            let picture = make(&file, &[64]).unwrap();
            let upright = if quarters % 2 == 0 { (96, 64) } else { (64, 96) };
            assert_eq!((picture.width, picture.height), upright);
            assert_quarters(&picture.thumbnails[0], expected);
        }
    }
}

#[test]
fn only_what_is_inside_a_crop_is_shown() {
    let picture = picture("avif-cropped");
    assert_eq!((picture.width, picture.height), (48, 32));
    assert_quarters(&picture.thumbnails[0], [GREY; 4]);
}

#[test]
fn alpha_is_shown_on_white_and_kept_in_webp() {
    let white = [255; 3];
    let half = GREEN.map(|value| value / 2 + 127);
    for name in ["alpha", "alpha-multiplied"] {
        assert_quarters(&picture(name).thumbnails[0], [white, half, BLUE, GREY]);
    }
    assert_quarters(&picture("alpha-grey").thumbnails[0], [white, [192; 3], [52; 3], GREY]);
    let made = thumbnail::make(&file("alpha"), &[64], Output::WebP, &Limits::default()).unwrap();
    let (rgba, _, _) = webpx::decode_rgba(&made.thumbnails[0].bytes).unwrap();
    assert_eq!((rgba[3], rgba[rgba.len() - 1]), (0, 255));
}

#[test]
fn wider_colours_are_converted_to_srgb() {
    // Display P3's red and green are purer: the same numbers are more than sRGB can show.
    let thumbnail = &picture("avif-display-p3").thumbnails[0];
    assert_near(pixel(thumbnail, 16, 10), [239, 0, 0]);
    assert_near(pixel(thumbnail, 16, 32), BLUE.map(|value| value.saturating_add(5)));
    assert_near(pixel(&picture("avif-bt2020").thumbnails[0], 48, 32), GREY);
}

#[test]
fn what_is_not_shown_says_what_it_is() {
    let reason = |bytes: &[u8]| make(bytes, &[64]).unwrap_err().to_string();
    assert!(reason(&file("avif-tiles")).contains("put together of tiles"));
    assert!(reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").contains("HEIC"));
    assert!(reason(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic").contains("HEIC"));
    let film = b"\0\0\0\x18ftypavis\0\0\0\0avifavis\0\0\0\x08moov";
    assert!(reason(film).contains("film"), "{}", reason(film));
}

#[test]
fn a_brand_for_pictures_of_any_codec_is_no_obstacle() {
    let mut file = file("avif-420");
    file[8..12].copy_from_slice(b"mif1");
    assert_quarters(&make(&file, &[64]).unwrap().thumbnails[0], UPRIGHT);
}

/// The container may say what it likes: the stream must agree, and is refused before there is memory for it.
#[test]
fn dimensions_that_disagree_are_refused() {
    let sides = |width: u32, height: u32| {
        let mut file = file("avif-420");
        let at = file.windows(4).position(|window| window == b"ispe").unwrap() + 8;
        file[at..at + 4].copy_from_slice(&width.to_be_bytes());
        file[at + 4..at + 8].copy_from_slice(&height.to_be_bytes());
        make(&file, &[64]).unwrap_err()
    };
    assert!(matches!(sides(65_500, 65_500), Refused::TooManyPixels { .. }));
    assert!(matches!(sides(9_000, 9_000), Refused::TooMuchMemory { .. }));
    assert_eq!(sides(0, 64), Refused::NoPixels);
    for (width, height) in [(95, 64), (96, 63), (1, 1), (97, 64), (64, 96)] {
        assert!(matches!(sides(width, height), Refused::Damaged(_)));
    }
}

#[test]
fn a_file_that_ends_early_is_damaged() {
    for name in ["avif-420", "alpha", "avif-sequence"] {
        let whole = file(name);
        // The sequence has a second picture, which is not needed.
        let last = if name == "avif-sequence" { whole.len() * 3 / 4 } else { whole.len() - 1 };
        for length in 32..last {
            let made = make(&whole[..length], &[64]);
            assert!(made.is_err() || name == "avif-sequence", "{name} of {length}");
        }
    }
}
