//! Hostile GIFs and AVIFs.

use crate::files::{Ending, List, noise};
use std::path::Path;

pub(crate) fn add_gif(list: &mut List) {
    list.add("a GIF with a canvas of 65,535²", Ending::Refused("4295 megapixels"), || {
        gif(65_535, 65_535, 1, 1, 1)
    });
    list.add("a GIF with a frame of 65,535²", Ending::Refused("megapixels"), || {
        let mut gif = gif(10, 10, 1, 1, 1);
        let at = gif.iter().position(|&byte| byte == 0x2C).unwrap() + 5;
        gif[at..at + 4].fill(0xFF);
        gif
    });
    list.add("a GIF of 0 × 0", Ending::Refused(""), || gif(0, 0, 1, 1, 1));
    list.add("a GIF of half a million frames", Ending::Made, || gif(16, 16, 16, 16, 500_000));
    list.add("a GIF bomb", Ending::Made, || gif(9_900, 9_900, 9_900, 9_900, 1));
    list.add("an interlaced GIF bomb", Ending::Refused("memory"), || {
        interlaced(gif(9_900, 9_900, 9_900, 9_900, 1))
    });
    list.add("a GIF of 20 MB of comments", Ending::Made, || {
        let picture = gif(16, 16, 16, 16, 1);
        let at = picture.iter().position(|&byte| byte == 0x2C).unwrap();
        let block = [&[255][..], &[b'x'; 255]].concat().repeat(80_000);
        [&picture[..at], b"\x21\xFE", &block, b"\0", &picture[at..]].concat()
    });
    list.add("a GIF with an archive behind", Ending::Made, || {
        [gif(16, 16, 16, 16, 1), b"PK\x03\x04".to_vec(), noise(1000)].concat()
    });
    list.add_cuts("a GIF", || {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 100, 100, &noise(768)).unwrap();
        let buffer = noise(10_000).into();
        encoder
            .write_frame(&gif::Frame { width: 100, height: 100, buffer, ..gif::Frame::default() })
            .unwrap();
        drop(encoder);
        bytes
    });
}

/// A canvas with frames of one colour.
fn gif(width: u16, height: u16, frame_width: u16, frame_height: u16, frames: usize) -> Vec<u8> {
    let mut head = Vec::new();
    let mut encoder = gif::Encoder::new(&mut head, width, height, &[220, 30, 30, 0, 0, 0]).unwrap();
    let buffer = vec![0; usize::from(frame_width) * usize::from(frame_height)].into();
    let frame = gif::Frame { width: frame_width, height: frame_height, buffer, ..gif::Frame::default() };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    // The frame again and again, and the trailer.
    let start = head.iter().position(|&byte| byte == 0x21 || byte == 0x2C).unwrap();
    let end = head.len() - 1;
    [&head[..start], &head[start..end].repeat(frames), &head[end..]].concat()
}

fn interlaced(mut gif: Vec<u8>) -> Vec<u8> {
    let at = gif.iter().position(|&byte| byte == 0x2C).unwrap() + 9;
    gif[at] |= 0x40;
    gif
}

pub(crate) fn add_avif(list: &mut List) {
    for (width, height, words) in [
        (65_500, 65_500, "4291 megapixels"),
        (9_900, 9_900, "memory"),
        (5_000, 4_000, "damaged"),
        (0, 0, "no pixels"),
        (96, 65, "damaged"),
    ] {
        list.add(format!("an AVIF that says {width} × {height}"), Ending::Refused(words), move || {
            with_sides(avif("avif-420"), width, height)
        });
    }
    list.add("an AVIF bomb", Ending::Made, || avif("avif-flat"));
    list.add("an AVIF bomb of 98 megapixels", Ending::Refused("memory"), || {
        with_sides(avif("avif-flat"), 9_900, 9_900)
    });
    list.add("an AVIF whose picture is twice in its item", Ending::Refused("layers"), || {
        let file = avif("avif-420");
        let data = data(&file);
        replaced(&file, &[&file[data..], &file[data..]].concat())
    });
    list.add("an AVIF of noise", Ending::Refused(""), || {
        let file = avif("avif-420");
        let data = data(&file);
        replaced(&file, &[&file[data..data + 20], &noise(1_000_000)].concat())
    });
    list.add("an AVIF whose item has 65,535 pieces", Ending::Refused(""), || {
        with_byte(with_byte(avif("avif-420"), b"iloc", 12, 0xFF), b"iloc", 13, 0xFF)
    });
    list.add("an AVIF of 65,535 items", Ending::Either, || {
        with_byte(with_byte(avif("alpha"), b"iloc", 6, 0xFF), b"iinf", 4, 0xFF)
    });
    list.add("an AVIF of a million boxes", Ending::Refused(""), || {
        let file = avif("avif-420");
        [&file[..32], &b"\0\0\0\x08free".repeat(1_000_000), &file[32..]].concat()
    });
    list.add("an AVIF whose box says 2⁶³ bytes", Ending::Refused(""), || {
        let file = avif("avif-420");
        [&file[..32], b"\0\0\0\x01meta\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", &file[32..]].concat()
    });
    for name in ["avif-420", "alpha", "avif-444-10-limited"] {
        list.add_cuts(&format!("an AVIF ({name})"), move || avif(name));
    }
}

fn avif(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    std::fs::read(folder.join(name).with_extension("avif")).unwrap()
}

fn place(file: &[u8], name: &[u8; 4]) -> usize {
    file.windows(4).position(|window| window == name).unwrap() + 4
}

fn with_byte(mut file: Vec<u8>, name: &[u8; 4], offset: usize, value: u8) -> Vec<u8> {
    let at = place(&file, name) + offset;
    file[at] = value;
    file
}

fn with_sides(mut file: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    let at = place(&file, b"ispe") + 4;
    file[at..at + 4].copy_from_slice(&width.to_be_bytes());
    file[at + 4..at + 8].copy_from_slice(&height.to_be_bytes());
    file
}

fn data(file: &[u8]) -> usize {
    place(file, b"mdat")
}

/// With other data in its only item, whose length is the last number of the item's location.
fn replaced(file: &[u8], with: &[u8]) -> Vec<u8> {
    let mut file = file[..data(file)].to_vec();
    let end = data(&file);
    let length = place(&file, b"iloc") + 18;
    file[length..length + 4].copy_from_slice(&u32::try_from(with.len()).unwrap().to_be_bytes());
    file[end - 8..end - 4].copy_from_slice(&u32::try_from(with.len() + 8).unwrap().to_be_bytes());
    [&file[..], with].concat()
}
