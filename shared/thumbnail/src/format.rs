//! What a file is, by its content and never by its name.

use crate::Refused;

/// Bytes in which text formats are looked for.
const TEXT_PROBE: usize = 1024;

/// Its codec, HEVC, is under patents that nobody can license for software like this.
pub(crate) const HEIC: &str = "a HEIC picture, as phones take them unless they are set to JPEG";

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Avif,
}

impl Format {
    pub(crate) fn recognise(bytes: &[u8]) -> Result<Self, Refused> {
        match bytes {
            [] => Err(Refused::Empty),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => iso_media(bytes),
            _ => Err(unsupported(bytes).map_or(Refused::Unknown, Refused::Unsupported)),
        }
    }
}

/// Formats that people take for pictures: they deserve to be told which one it is.
fn unsupported(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("a PDF document"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("a TIFF or raw camera picture"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("a BMP picture"),
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some("a JPEG XL picture"),
        [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', ..] => Some("a JPEG 2000 picture"),
        _ => is_svg(bytes).then_some("an SVG drawing"),
    }
}

/// By the brands that a file names, of which the first that says what is in it counts: some files begin with one for
/// pictures of any codec.
fn iso_media(bytes: &[u8]) -> Result<Format, Refused> {
    const BRANDS: usize = 32;
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let header = &bytes[..bytes.len().min(length)];
    let brands = || header.get(8..).unwrap_or_default().chunks_exact(4).take(BRANDS);
    for brand in brands() {
        match brand {
            b"avif" | b"avis" => return Ok(Format::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => {
                return Err(Refused::Unsupported(HEIC));
            }
            b"isom" | b"iso2" | b"mp41" | b"mp42" | b"qt  " => return Err(Refused::Unsupported("a video")),
            _ => {}
        }
    }
    let is_picture = brands().any(|brand| matches!(brand, b"mif1" | b"msf1"));
    Err(if is_picture { Refused::Unsupported(HEIC) } else { Refused::Unknown })
}

/// Whether the first element is `<svg`, or a later one where an XML declaration, comments or a DOCTYPE go before.
fn is_svg(bytes: &[u8]) -> bool {
    let probe = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_PROBE)]);
    let text = probe.trim_start_matches('\u{FEFF}').trim_start();
    text.starts_with("<svg")
        || ((text.starts_with("<?xml") || text.starts_with("<!--") || text.starts_with("<!DOCTYPE svg"))
            && text.contains("<svg"))
}
