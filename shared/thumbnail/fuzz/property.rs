//! What must hold of any bytes: right thumbnails, or a refusal that is no decoder's panic.

use thumbnail::{Format, Limits, Output, Refused};

const SIZES: [u32; 2] = [48, 12];
/// Small, so that many files are tried; what bounds cost is measured by `tests/bounds`.
const LIMITS: Limits = Limits {
    pixels: 1_000_000,
    side: 65_535,
    memory: 32_000_000,
    unpacked: 8_000_000,
    scans: 20,
    chunk: 100_000,
};

/// Of a file that begins as one of the format does, whatever else is in it; says whether there are thumbnails.
pub(crate) fn check(format: Format, bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    for &(at, mark) in marks(format) {
        bytes.resize(bytes.len().max(at + mark.len()), 0);
        bytes[at..at + mark.len()].copy_from_slice(mark);
    }
    // Both kinds of thumbnails, by a byte that means little.
    let output = if bytes.last().is_some_and(|byte| byte % 2 == 1) { Output::Jpeg } else { Output::WebP };
    match thumbnail::make(&bytes, &SIZES, output, &LIMITS) {
        Err(refused) => {
            assert_ne!(refused, Refused::DecoderFailed);
            false
        }
        Ok(picture) => {
            assert_eq!(picture.format, format);
            assert!(u64::from(picture.width) * u64::from(picture.height) <= LIMITS.pixels);
            let long_side = picture.width.max(picture.height);
            for (thumbnail, size) in picture.thumbnails.iter().zip(SIZES) {
                assert_eq!(thumbnail.size, size);
                assert_eq!(thumbnail.width.max(thumbnail.height), long_side.min(size));
                assert!(thumbnail.width.min(thumbnail.height) > 0 && !thumbnail.bytes.is_empty());
            }
            assert_eq!(picture.thumbnails.len(), SIZES.len());
            true
        }
    }
}

/// What a file of the format is recognised by, and where.
fn marks(format: Format) -> &'static [(usize, &'static [u8])] {
    match format {
        Format::Jpeg => &[(0, b"\xFF\xD8\xFF")],
        Format::Png => &[(0, b"\x89PNG\r\n\x1A\n")],
        Format::WebP => &[(0, b"RIFF"), (8, b"WEBP")],
        Format::Gif => &[(0, b"GIF89a")],
        Format::Avif => &[(4, b"ftypavif")],
    }
}
