//! What a file is, by its content and never by its name.

use crate::Refused;

/// Bytes in which text formats are looked for.
const TEXT_PROBE: usize = 1024;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
}

impl Format {
    pub(crate) fn recognise(bytes: &[u8]) -> Result<Self, Refused> {
        match bytes {
            [] => Err(Refused::Empty),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            _ => Err(unsupported(bytes).map_or(Refused::Unknown, Refused::Unsupported)),
        }
    }
}

/// Formats that people take for pictures: they deserve to be told which one it is.
fn unsupported(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => iso_media(brand.get(..4)?),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("a PDF document"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("a TIFF or raw camera picture"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("a BMP picture"),
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some("a JPEG XL picture"),
        [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', ..] => Some("a JPEG 2000 picture"),
        _ => is_svg(bytes).then_some("an SVG drawing"),
    }
}

fn iso_media(brand: &[u8]) -> Option<&'static str> {
    match brand {
        b"avif" | b"avis" => Some("an AVIF picture"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
            Some("a HEIC picture")
        }
        b"isom" | b"iso2" | b"mp41" | b"mp42" | b"qt  " => Some("a video"),
        _ => None,
    }
}

/// Whether the first element is `<svg`, or a later one where an XML declaration, comments or a DOCTYPE go before.
fn is_svg(bytes: &[u8]) -> bool {
    let probe = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_PROBE)]);
    let text = probe.trim_start_matches('\u{FEFF}').trim_start();
    text.starts_with("<svg")
        || ((text.starts_with("<?xml") || text.starts_with("<!--") || text.starts_with("<!DOCTYPE svg"))
            && text.contains("<svg"))
}
