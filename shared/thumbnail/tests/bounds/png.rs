//! Hostile PNGs.

use crate::files::{Ending, List, noise};
use miniz_oxide::deflate::compress_to_vec_zlib;

const GREY: u8 = 0;
const RGB: u8 = 2;
const PALETTE: u8 = 3;
const RGBA: u8 = 6;

pub(crate) fn add(list: &mut List) {
    list.add("a PNG that says 60,000² in one bit", Ending::Refused("3600 megapixels"), || {
        file(Header { width: 60_000, height: 60_000, depth: 1, ..Header::GREY }, &[])
    });
    for (width, height, words) in
        [(0, 5, ""), (5, 0, ""), (u32::MAX >> 1, u32::MAX >> 1, "megapixels"), (2_000_000, 1, "no side")]
    {
        list.add(format!("a PNG that says {width} × {height}"), Ending::Refused(words), move || {
            file(Header { width, height, ..Header::GREY }, &[idat(&[0; 6])])
        });
    }
    list.add("a PNG bomb in one bit", Ending::Made, || bomb(9_900, 1, GREY, false));
    list.add("an interlaced PNG bomb in one bit", Ending::Made, || bomb(9_900, 1, GREY, true));
    list.add("a PNG bomb in 64 bits", Ending::Made, || bomb(7_000, 16, RGBA, false));
    list.add("a PNG bomb beyond what may be unpacked", Ending::Refused("unpacks"), || {
        bomb(9_900, 16, RGBA, false)
    });
    list.add("an interlaced PNG bomb", Ending::Made, || bomb(5_000, 8, RGB, true));
    for (name, chunk) in [("profile", profile as fn() -> Vec<u8>), ("text", text), ("unicode text", unicode)]
    {
        list.add(format!("a PNG with a {name} bomb"), Ending::Made, move || with_chunk(&chunk()));
    }
    list.add("a PNG with 20 MB of other chunks", Ending::Made, || {
        with_chunk(&chunk(b"prVt", &vec![7; 1_000_000]).repeat(20))
    });
    list.add("a PNG whose data run over", Ending::Either, || {
        file(Header { width: 8, height: 8, ..Header::GREY }, &[idat(&vec![0; 100_000_000])])
    });
    list.add("a PNG of a hundred thousand empty chunks", Ending::Either, || {
        let header = Header { width: 8, height: 8, ..Header::GREY };
        file(header, &[chunk(b"IDAT", &[]).repeat(100_000), idat(&[0; 72])])
    });
    list.add("a PNG without its palette", Ending::Refused(""), || {
        file(Header { width: 8, height: 8, colours: PALETTE, ..Header::GREY }, &[idat(&[9; 72])])
    });
    list.add("a PNG whose palette ends within a colour", Ending::Refused("palette"), || {
        let palette = [chunk(b"PLTE", &[7; 8]), chunk(b"tRNS", &[0])].concat();
        file(Header { width: 8, height: 8, colours: PALETTE, ..Header::GREY }, &[palette, idat(&[0; 72])])
    });
    list.add("a PNG with a chunk that says 4 GB", Ending::Refused(""), || {
        let header = Header { width: 8, height: 8, ..Header::GREY };
        [file(header, &[]), b"\xFF\xFF\xFF\xF0IDAT".to_vec(), noise(1000)].concat()
    });
    list.add("a PNG with restless alpha", Ending::Made, || {
        let side = 1280_usize;
        let row = |_| [&[0][..], &noise(side * 4)].concat();
        let rows: Vec<u8> = (0..side).flat_map(row).collect();
        let header = Header { width: side as u32, height: side as u32, colours: RGBA, ..Header::GREY };
        file(header, &[idat(&rows)])
    });
    list.add("a PNG that is a page too", Ending::Made, || {
        [picture(), b"<script>alert(1)</script>".to_vec()].concat()
    });
    list.add_cuts("a PNG", picture);
}

#[derive(Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    depth: u8,
    colours: u8,
    is_interlaced: bool,
}

impl Header {
    const GREY: Self = Self { width: 1, height: 1, depth: 8, colours: GREY, is_interlaced: false };
}

/// A file of these chunks.
fn file(header: Header, chunks: &[Vec<u8>]) -> Vec<u8> {
    let sides = [header.width.to_be_bytes(), header.height.to_be_bytes()].concat();
    let rest = [header.depth, header.colours, 0, 0, u8::from(header.is_interlaced)];
    let first = chunk(b"IHDR", &[&sides[..], &rest].concat());
    [&b"\x89PNG\r\n\x1A\n"[..], &first, &chunks.concat(), &chunk(b"IEND", &[])].concat()
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&name[..], body].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let checksum = crc32fast::hash(&named).to_be_bytes();
    [&length[..], &named, &checksum].concat()
}

fn idat(pixels: &[u8]) -> Vec<u8> {
    chunk(b"IDAT", &packed(pixels))
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    const FAST: u8 = 1;
    compress_to_vec_zlib(bytes, FAST)
}

/// A square of zeros.
fn bomb(side: u32, depth: u8, colours: u8, is_interlaced: bool) -> Vec<u8> {
    let channels = match colours {
        RGB => 3,
        RGBA => 4,
        _ => 1,
    };
    let row = 1 + (side as usize * channels * usize::from(depth)).div_ceil(8);
    let header = Header { width: side, height: side, depth, colours, is_interlaced };
    // Interlacing begins more rows.
    let size = row * side as usize + if is_interlaced { 4 * side as usize } else { 0 };
    file(header, &[idat(&vec![0; size])])
}

fn picture() -> Vec<u8> {
    file(
        Header { width: 64, height: 64, ..Header::GREY },
        &[idat(&noise(65 * 64).chunks(65).flat_map(|row| [&[0], &row[1..]].concat()).collect::<Vec<_>>())],
    )
}

/// A picture with something before its pixels.
fn with_chunk(inserted: &[u8]) -> Vec<u8> {
    let picture = picture();
    [&picture[..33], inserted, &picture[33..]].concat()
}

fn profile() -> Vec<u8> {
    chunk(b"iCCP", &[&b"x\0\0"[..], &packed(&vec![0; 200_000_000])].concat())
}

fn text() -> Vec<u8> {
    chunk(b"zTXt", &[&b"x\0\0"[..], &packed(&vec![b'x'; 200_000_000])].concat())
}

fn unicode() -> Vec<u8> {
    chunk(b"iTXt", &[&b"x\0\x01\0\0\0"[..], &packed(&vec![b'x'; 200_000_000])].concat())
}
