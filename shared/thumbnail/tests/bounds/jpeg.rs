//! Hostile JPEGs.

use crate::files::{Ending, List, noise};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

pub(crate) fn add(list: &mut List) {
    for is_progressive in [false, true] {
        let kind = if is_progressive { "a progressive JPEG" } else { "a JPEG" };
        for (width, height, ending) in [
            (65_500, 65_500, Ending::Refused("4291 megapixels")),
            (65_500, 1_500, Ending::Refused("ends early")),
            (10_000, 10_000, Ending::Refused("ends early")),
            (1, 65_500, Ending::Refused("")),
            (0, 64, Ending::Refused("no pixels")),
            (64, 0, Ending::Refused("")),
        ] {
            list.add(format!("{kind} that says {width} × {height}"), ending, move || {
                claiming(picture(64, 64, is_progressive), width, height)
            });
        }
        list.add_cuts(kind, move || picture(300, 200, is_progressive));
    }
    list.add("a JPEG of a thousand scans", Ending::Refused("more than 100 passes"), || scans(8, 8, 1000));
    list.add("a JPEG of 98 scans over 99 megapixels", Ending::Either, || scans(9_960, 9_960, 98));
    list.add("a JPEG bomb", Ending::Made, || flat(9_960, 9_960));
    list.add("a JPEG of 64,000 restarts without data", Ending::Refused(""), || {
        let mut jpeg = picture(64, 64, false);
        jpeg.truncate(jpeg.len() - 2);
        jpeg.extend((0..64_000).flat_map(|n: u32| [0xFF, 0xD0 + (n % 8) as u8]));
        claiming(jpeg, 9_000, 9_000)
    });
    list.add("a JPEG with 16 MB of profile", Ending::Made, || {
        let segment = |n: u8| {
            let head = [&b"\xFF\xE2\xFF\xFF"[..], b"ICC_PROFILE\0", &[n, 255]].concat();
            [head, vec![n; 65_519]].concat()
        };
        spliced(&picture(64, 64, false), 2, (1..=255).flat_map(segment).collect())
    });
    list.add("a JPEG with 20 MB of comments", Ending::Made, || {
        let segment = [&b"\xFF\xFE\xFF\xFF"[..], &[b'x'; 65_533]].concat();
        spliced(&picture(64, 64, false), 2, segment.repeat(300))
    });
    list.add("a JPEG that is a page too", Ending::Made, || {
        spliced(&picture(64, 64, false), 2, b"\xFF\xFE\0\x1B<script>alert(1)</script>".to_vec())
    });
    list.add("a JPEG with a zip behind", Ending::Made, || {
        [picture(64, 64, false), b"PK\x03\x04".to_vec(), noise(5000)].concat()
    });
    list.add("a JPEG of noise", Ending::Either, || {
        [&picture(640, 480, false)[..620], &noise(300_000)].concat()
    });
}

fn picture(width: u16, height: u16, is_progressive: bool) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.set_progressive(is_progressive);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let pixels = noise(usize::from(width) * usize::from(height) * 3);
    encoder.encode(&pixels, width, height, ColorType::Rgb).unwrap();
    jpeg
}

/// With other dimensions in its frame header.
fn claiming(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let is_frame = |pair: &[u8]| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2];
    let at = jpeg.windows(2).position(is_frame).unwrap() + 5;
    jpeg[at..at + 2].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    jpeg
}

fn spliced(jpeg: &[u8], at: usize, inserted: Vec<u8>) -> Vec<u8> {
    [&jpeg[..at], &inserted, &jpeg[at..]].concat()
}

/// A grey file of two bits a block.
fn flat(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = head(0xC0, width, height);
    jpeg.extend(b"\xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    jpeg.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\x3F\0");
    jpeg.extend(vec![0; blocks(width, height).div_ceil(4)]);
    jpeg.extend(b"\xFF\xD9");
    jpeg
}

fn blocks(width: u16, height: u16) -> usize {
    usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8)
}

/// The beginning of a grey file, with one code for DC: no difference.
fn head(frame: u8, width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = b"\xFF\xD8\xFF\xDB\0\x43\0".to_vec();
    jpeg.extend([1; 64]);
    jpeg.extend([0xFF, frame, 0, 0x0B, 8]);
    jpeg.extend(height.to_be_bytes());
    jpeg.extend(width.to_be_bytes());
    jpeg.extend(b"\x01\x01\x11\0");
    jpeg.extend(b"\xFF\xC4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    jpeg
}

/// A grey progressive file whose scans say next to nothing of all their blocks: a bit for each block in the first, and
/// runs of 32,767 empty blocks in the others.
fn scans(width: u16, height: u16, count: usize) -> Vec<u8> {
    let mut jpeg = head(0xC2, width, height);
    // A code for AC: a run of 2¹⁴ blocks and more.
    jpeg.extend(b"\xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xE0");
    let blocks = blocks(width, height);
    jpeg.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\0\0");
    jpeg.extend(vec![0; blocks.div_ceil(8)]);
    for scan in 1..count {
        let band = (scan % 63 + 1) as u8;
        jpeg.extend(b"\xFF\xDA\0\x08\x01\x01\0");
        jpeg.extend([band, band, 0]);
        // A zero and fourteen ones for each run.
        let bits = (0..blocks.div_ceil(32_767)).flat_map(|_| std::iter::once(0).chain([1; 14]));
        let bits: Vec<u8> = bits.collect();
        for byte in bits.chunks(8) {
            let byte = byte.iter().fold(0, |byte, bit| byte << 1 | bit) << (8 - byte.len());
            jpeg.push(byte);
            if byte == 0xFF {
                jpeg.push(0);
            }
        }
    }
    jpeg.extend(b"\xFF\xD9");
    jpeg
}
