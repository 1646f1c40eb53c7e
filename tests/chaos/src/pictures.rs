//! What is uploaded: small pictures made on the spot, files that only pretend, and files that do not.

use crate::model::Attachment;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A file and what must become of it.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: Vec<u8>,
    pub(crate) becomes: Attachment,
}

pub(crate) fn file(chances: &mut fastrand::Rng) -> File {
    match chances.u8(0..10) {
        0..4 => picture(chances, ImageFormat::Jpeg, "photo.jpg", "image/jpeg"),
        4..7 => picture(chances, ImageFormat::Png, "drawing.png", "image/png"),
        7 => hostile("photo.jpg", "image/jpeg", b"<script>alert(1)</script>".to_vec()),
        8 if chances.bool() => hostile("huge.png", "image/png", bomb()),
        8 => hostile("cut.png", "image/png", cut(chances)),
        _ => File {
            name: "list.txt",
            content_type: "text/plain",
            content: b"milk, bread".to_vec(),
            becomes: Attachment::File,
        },
    }
}

fn picture(
    chances: &mut fastrand::Rng,
    format: ImageFormat,
    name: &'static str,
    content_type: &'static str,
) -> File {
    File { name, content_type, content: encoded(chances, format), becomes: Attachment::Picture }
}

fn hostile(name: &'static str, content_type: &'static str, content: Vec<u8>) -> File {
    File { name, content_type, content, becomes: Attachment::Hostile }
}

/// A gradient of a colour and size of its own.
fn encoded(chances: &mut fastrand::Rng, format: ImageFormat) -> Vec<u8> {
    let (width, height) = (chances.u32(16..400), chances.u32(16..400));
    let blue = chances.u8(..);
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let share = |at: u32, of: u32| u8::try_from(at * 255 / of).unwrap_or(u8::MAX);
        Rgb([share(x, width), share(y, height), blue])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("a small picture can be encoded");
    bytes.into_inner()
}

/// The beginning of a PNG that would have 3.6 thousand million pixels.
fn bomb() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend([0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0]);
    png.extend([0, 0, 0, 0]);
    png
}

/// A PNG that ends in its header.
fn cut(chances: &mut fastrand::Rng) -> Vec<u8> {
    let mut png = encoded(chances, ImageFormat::Png);
    png.truncate(30);
    png
}
