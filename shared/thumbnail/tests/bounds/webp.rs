//! Hostile WebPs.

use crate::files::{Ending, List, noise};
use webpx::{EncoderConfig, Unstoppable};

pub(crate) fn add(list: &mut List) {
    list.add("a lossless WebP that says 16,384²", Ending::Refused("megapixels"), || {
        riff(&chunk(b"VP8L", &[0x2F, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0, 0]))
    });
    list.add("a lossy WebP that says 16,383²", Ending::Refused("megapixels"), || {
        riff(&chunk(b"VP8 ", b"\x10\0\0\x9D\x01\x2A\xFF\x3F\xFF\x3F\0\0\0\0"))
    });
    list.add("a lossy WebP that says 0 × 0", Ending::Refused(""), || {
        riff(&chunk(b"VP8 ", b"\x10\0\0\x9D\x01\x2A\0\0\0\0\0\0\0\0"))
    });
    list.add("a WebP with a canvas of 16,777,216²", Ending::Refused(""), || {
        riff(&[chunk(b"VP8X", &[0x02, 0, 0, 0, 255, 255, 255, 255, 255, 255]), frame(64, 64)].concat())
    });
    list.add("a WebP of half a million frames", Ending::Made, || {
        let still = frame(16, 16);
        riff(&[extended(0x02, 16, 16), still.repeat(25_000_000 / still.len().max(50))].concat())
    });
    list.add("a lossless WebP bomb", Ending::Either, || flat(4_000, 2_500, true));
    list.add("a lossless WebP bomb of 16 megapixels", Ending::Refused("memory"), || flat(4_096, 4_096, true));
    list.add("a lossy WebP bomb", Ending::Made, || flat(9_000, 9_000, false));
    list.add("a lossy WebP of noise with alpha", Ending::Made, || {
        let config = EncoderConfig::new().quality(50.0).method(0);
        config.encode_rgba(&noise(2_000 * 2_000 * 4), 2_000, 2_000, Unstoppable).unwrap()
    });
    list.add("a WebP of a million empty chunks", Ending::Refused(""), || {
        riff(&[extended(0, 64, 64), chunk(b"JUNK", &[]).repeat(1_000_000)].concat())
    });
    list.add("a WebP with 20 MB of profile", Ending::Made, || {
        riff(&[extended(0x20, 64, 64), chunk(b"ICCP", &vec![7; 20_000_000]), body(64, 64)].concat())
    });
    list.add("a WebP in a WebP", Ending::Refused(""), || riff(&chunk(b"VP8 ", &riff(&body(64, 64)))));
    list.add_cuts("a lossy WebP", || riff(&body(300, 200)));
    list.add_cuts("a lossless WebP", || {
        EncoderConfig::new_lossless().encode_rgb(&noise(100 * 100 * 3), 100, 100, Unstoppable).unwrap()
    });
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&name[..], &size, body, if body.len() % 2 == 1 { &[0] } else { &[] }].concat()
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    let size = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &size[..], b"WEBP", chunks].concat()
}

fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes();
    let sides = [&side(width)[..3], &side(height)[..3]].concat();
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &sides].concat())
}

/// The chunk of a lossy picture.
fn body(width: u32, height: u32) -> Vec<u8> {
    let pixels = noise((width * height * 3) as usize);
    EncoderConfig::new().encode_rgb(&pixels, width, height, Unstoppable).unwrap().split_off(12)
}

/// An animation's frame.
fn frame(width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes();
    let place = [&[0; 6][..], &side(width)[..3], &side(height)[..3], &[10, 0, 0, 0]].concat();
    chunk(b"ANMF", &[place, body(width, height)].concat())
}

fn flat(width: u32, height: u32, is_lossless: bool) -> Vec<u8> {
    let pixels = [90, 120, 60].repeat((width * height) as usize);
    let config = EncoderConfig::new().method(0).lossless(is_lossless);
    config.encode_rgb(&pixels, width, height, Unstoppable).unwrap()
}
