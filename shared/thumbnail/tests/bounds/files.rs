//! The hostile files: each made when it is tried, for some are large.

use crate::{jpeg, media, png, webp};

/// What must come of a file.
#[derive(Debug)]
pub(crate) enum Ending {
    Made,
    /// For a reason that holds these words.
    Refused(&'static str),
    /// A decoder may take it or not.
    Either,
}

pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) ending: Ending,
    pub(crate) bytes: Vec<u8>,
}

type Maker = Box<dyn Fn() -> Vec<u8>>;

/// Those whose names are meant.
pub(crate) fn all(is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = Hostile> {
    let mut list = List::default();
    no_pictures(&mut list);
    jpeg::add(&mut list);
    png::add(&mut list);
    media::add_gif(&mut list);
    webp::add(&mut list);
    media::add_avif(&mut list);
    list.0.into_iter().filter(move |(name, ..)| is_meant(name)).map(|(name, ending, make)| Hostile {
        name,
        ending,
        bytes: make(),
    })
}

#[derive(Default)]
pub(crate) struct List(Vec<(String, Ending, Maker)>);

impl List {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        ending: Ending,
        make: impl Fn() -> Vec<u8> + 'static,
    ) {
        self.0.push((name.into(), ending, Box::new(make)));
    }

    /// The file cut short at some places.
    pub(crate) fn add_cuts(&mut self, name: &str, whole: impl Fn() -> Vec<u8> + Clone + 'static) {
        for part in 1..10 {
            let whole = whole.clone();
            self.add(format!("{name} cut to {part} tenths"), Ending::Refused(""), move || {
                let mut bytes = whole();
                bytes.truncate(bytes.len() * part / 10);
                bytes
            });
        }
    }
}

/// Bytes without a pattern, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn no_pictures(list: &mut List) {
    const UNKNOWN: Ending = Ending::Refused("not a picture we know");
    list.add("empty", Ending::Refused("the file is empty"), Vec::new);
    list.add("one byte", UNKNOWN, || vec![0xFF]);
    list.add("noise of 1 MB", UNKNOWN, || noise(1_000_000));
    list.add("zeros of 25 MB", UNKNOWN, || vec![0; 25_000_000]);
    list.add("a zip", UNKNOWN, || [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &noise(5000)].concat());
    list.add("a gzip", UNKNOWN, || [&b"\x1F\x8B\x08\0"[..], &noise(5000)].concat());
    list.add("a page", UNKNOWN, || b"<!DOCTYPE html><html><script>alert(1)</script></html>".to_vec());
    list.add("a program", UNKNOWN, || [&b"\x7FELF\x02\x01\x01"[..], &noise(5000)].concat());
    list.add("a document", Ending::Refused("PDF"), || b"%PDF-1.7\n1 0 obj".to_vec());
    list.add("a drawing that reads files", Ending::Refused("SVG"), || {
        b"<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><svg>&x;</svg>"
            .to_vec()
    });
    list.add("a drawing of a billion laughs", Ending::Refused("SVG"), || {
        let mut text = "<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a0 \"ha\">".to_owned();
        for level in 1..20 {
            let inner = format!("&a{};", level - 1).repeat(10);
            text.push_str(&format!("<!ENTITY a{level} \"{inner}\">"));
        }
        // Within the bytes that are looked at.
        text.replace_range(200.., "]><svg>&a9;</svg>");
        text.into_bytes()
    });
    list.add("a film", Ending::Refused("video"), || b"\0\0\0\x14ftypisom\0\0\0\0mp42".to_vec());
    list.add("a HEIC picture", Ending::Refused("HEIC"), || b"\0\0\0\x14ftypheic\0\0\0\0mif1".to_vec());
}
