//! The boxes of an AVIF file: ISO/IEC 14496-12 has the boxes, 23008-12 the items in them, and
//! <https://aomediacodec.github.io/av1-avif/> what they are of AV1. Nothing is kept of them: a box is looked up when it
//! is asked for.

use super::colours::Nclx;
use super::fields::Fields;
use crate::Refused;
use crate::orientation::Orientation;
use std::borrow::Cow;

/// Boxes, items, references or properties that are looked at, at most: a file of one picture has a dozen.
const MOST: usize = 1000;
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0"];

/// The picture of a file, and what is said about it.
pub(super) struct Container<'a> {
    /// AV1, of the colours and of the alpha.
    pub(super) colour: Cow<'a, [u8]>,
    pub(super) alpha: Option<Cow<'a, [u8]>>,
    /// Colours are multiplied by their alpha.
    pub(super) is_multiplied: bool,
    /// Pixels, before `crop`.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) crop: Option<Crop>,
    pub(super) orientation: Orientation,
    pub(super) nclx: Option<Nclx>,
    pub(super) profile: Option<&'a [u8]>,
}

/// The part of a picture that is shown, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crop {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl<'a> Container<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, Refused> {
        let Some(meta) = find(file, b"meta").and_then(|body| body.get(4..)) else {
            let is_film = find(file, b"moov").is_some();
            return Err(if is_film {
                Refused::Unsupported("a film without a still picture")
            } else {
                missing()
            });
        };
        let items = Items { file, meta };
        let id = items.primary().ok_or_else(missing)?;
        match &items.kind(id).ok_or_else(missing)? {
            b"av01" => {}
            b"grid" => return Err(Refused::Unsupported("an AVIF picture put together of tiles")),
            b"hvc1" => return Err(Refused::Unsupported(crate::format::HEIC)),
            _ => return Err(Refused::Unsupported("an AVIF picture derived from others")),
        }
        let (width, height) = items.dimensions(id).ok_or_else(missing)?;
        let alpha = items.alpha_of(id);
        Ok(Self {
            colour: items.data(id).ok_or_else(Refused::ends_early)?,
            alpha: alpha.map(|id| items.data(id).ok_or_else(Refused::ends_early)).transpose()?,
            is_multiplied: alpha.is_some_and(|alpha| items.refers(b"prem", id, alpha)),
            width,
            height,
            crop: items.property(id, b"clap").map(|body| crop(body, width, height)).transpose()?,
            orientation: items.orientation(id),
            nclx: items.colours(id, b"nclx").and_then(Nclx::read),
            profile: items.colours(id, b"prof").or_else(|| items.colours(id, b"rICC")),
        })
    }
}

fn missing() -> Refused {
    Refused::damaged("what describes the picture is missing")
}

/// Boxes one after the other: names and bodies.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = Fields(bytes);
    std::iter::from_fn(move || {
        let size = rest.u32()?;
        let name = rest.name()?;
        let body = match size {
            0 => rest.0.len(),
            1 => usize::try_from(rest.number(8)?).ok()?.checked_sub(16)?,
            size => usize::try_from(size).ok()?.checked_sub(8)?,
        };
        Some((name, rest.take(body)?))
    })
    .take(MOST)
}

fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == name).map(|(_, body)| body)
}

/// The body of a "full box", after its version and flags.
fn versioned(body: &[u8]) -> Option<(u8, u32, Fields<'_>)> {
    let mut fields = Fields(body);
    let version = fields.u8()?;
    let flags = fields.number(3)? as u32;
    Some((version, flags, fields))
}

/// The items of a file: a picture, its alpha, its metadata.
struct Items<'a> {
    file: &'a [u8],
    meta: &'a [u8],
}

impl<'a> Items<'a> {
    fn primary(&self) -> Option<u32> {
        let (version, _, mut fields) = versioned(find(self.meta, b"pitm")?)?;
        item_id(&mut fields, version > 0)
    }

    /// What an item is.
    fn kind(&self, id: u32) -> Option<[u8; 4]> {
        let (version, _, mut fields) = versioned(find(self.meta, b"iinf")?)?;
        fields.take(if version == 0 { 2 } else { 4 })?;
        boxes(fields.0).find_map(|(_, entry)| {
            let (version, _, mut fields) = versioned(entry)?;
            let is_it = version >= 2 && item_id(&mut fields, version > 2)? == id;
            fields.take(2)?;
            if is_it { fields.name() } else { None }
        })
    }

    /// The bytes of an item: one piece of the file, mostly.
    fn data(&self, id: u32) -> Option<Cow<'a, [u8]>> {
        let (source, extents) = self.location(id)?;
        let bytes = match source {
            0 => self.file,
            1 => find(self.meta, b"idat")?,
            _ => return None,
        };
        let part = |&(offset, length): &(u64, u64)| {
            let rest = bytes.get(usize::try_from(offset).ok()?..)?;
            if length == 0 { Some(rest) } else { rest.get(..usize::try_from(length).ok()?) }
        };
        if let [whole] = extents.as_slice() {
            return part(whole).map(Cow::Borrowed);
        }
        let mut joined = Vec::new();
        for extent in &extents {
            let part = part(extent)?;
            // More than the file has is the same bytes time and again.
            if joined.len() + part.len() > bytes.len() {
                return None;
            }
            joined.extend_from_slice(part);
        }
        Some(Cow::Owned(joined))
    }

    /// In what an item is, and its pieces there: offsets and lengths.
    fn location(&self, id: u32) -> Option<(u64, Vec<(u64, u64)>)> {
        let (version, _, mut fields) = versioned(find(self.meta, b"iloc")?)?;
        let sizes = usize::from(fields.u16()?);
        let [offset, length, base, index] = [12, 8, 4, 0].map(|bits| sizes >> bits & 15);
        let index = if version == 0 { 0 } else { index };
        let count = fields.number(if version < 2 { 2 } else { 4 })? as usize;
        for _ in 0..count.min(MOST) {
            let is_it = item_id(&mut fields, version == 2)? == id;
            let source = if version == 0 { 0 } else { fields.number(2)? & 15 };
            // In another file, which there is none of here.
            let is_elsewhere = fields.u16()? != 0;
            let start = number(&mut fields, base)?;
            let pieces = usize::from(fields.u16()?);
            if !is_it {
                fields.take(pieces * (index + offset + length))?;
                continue;
            }
            let piece = |_| {
                fields.take(index)?;
                let at = start.checked_add(number(&mut fields, offset)?)?;
                Some((at, number(&mut fields, length)?))
            };
            let pieces = (0..pieces.min(MOST)).map(piece).collect::<Option<Vec<_>>>()?;
            return (!is_elsewhere).then_some((source, pieces));
        }
        None
    }

    /// Whether one item refers to another.
    fn refers(&self, kind: &[u8; 4], from: u32, to: u32) -> bool {
        self.references(kind).is_some_and(|found| found.contains(&(from, to)))
    }

    fn references(&self, kind: &[u8; 4]) -> Option<Vec<(u32, u32)>> {
        let (version, _, fields) = versioned(find(self.meta, b"iref")?)?;
        let mut found = Vec::new();
        for (_, body) in boxes(fields.0).filter(|(name, _)| name == kind) {
            let mut fields = Fields(body);
            let from = item_id(&mut fields, version > 0)?;
            for _ in 0..fields.u16()?.min(MOST as u16) {
                found.push((from, item_id(&mut fields, version > 0)?));
            }
        }
        Some(found)
    }

    fn alpha_of(&self, id: u32) -> Option<u32> {
        let is_alpha = |item: u32| {
            let kind = self.property(item, b"auxC").and_then(|body| body.get(4..));
            kind.is_some_and(|kind| ALPHA.iter().any(|alpha| kind.starts_with(alpha)))
        };
        let references = self.references(b"auxl")?;
        references.into_iter().find(|&(from, to)| to == id && is_alpha(from)).map(|(from, _)| from)
    }

    /// The first property of an item by this name.
    fn property(&self, id: u32, name: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties(id)?.into_iter().find(|(found, _)| found == name).map(|(_, body)| body)
    }

    /// The properties of an item.
    fn properties(&self, id: u32) -> Option<Vec<([u8; 4], &'a [u8])>> {
        let all = find(self.meta, b"iprp")?;
        let known: Vec<_> = boxes(find(all, b"ipco")?).collect();
        let mut associations = boxes(all).filter(|(name, _)| name == b"ipma");
        let indices = associations.find_map(|(_, body)| property_indices(body, id))?;
        // Index 0 is none.
        Some(indices.into_iter().filter_map(|index| known.get(index.checked_sub(1)?).copied()).collect())
    }

    fn dimensions(&self, id: u32) -> Option<(u32, u32)> {
        let (_, _, mut fields) = versioned(self.property(id, b"ispe")?)?;
        Some((fields.u32()?, fields.u32()?))
    }

    /// What the `colr` of a kind says.
    fn colours(&self, id: u32, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let all = self.properties(id)?.into_iter().filter(|(name, _)| name == b"colr");
        all.filter_map(|(_, body)| body.strip_prefix(kind)).next()
    }

    fn orientation(&self, id: u32) -> Orientation {
        let value = |name| self.property(id, name).and_then(|body| body.first().copied());
        Orientation::from_turn(value(b"irot").unwrap_or(0), value(b"imir"))
    }
}

fn item_id(fields: &mut Fields<'_>, is_long: bool) -> Option<u32> {
    fields.number(if is_long { 4 } else { 2 }).map(|id| id as u32)
}

/// Item locations have numbers of no, four or eight bytes.
fn number(fields: &mut Fields<'_>, bytes: usize) -> Option<u64> {
    if matches!(bytes, 0 | 4 | 8) { fields.number(bytes) } else { None }
}

/// From 1; `None` where the box has nothing on the item.
fn property_indices(body: &[u8], id: u32) -> Option<Vec<usize>> {
    let (version, flags, mut fields) = versioned(body)?;
    for _ in 0..fields.u32()?.min(MOST as u32) {
        let is_it = item_id(&mut fields, version > 0)? == id;
        let count = usize::from(fields.u8()?);
        let size = if flags & 1 == 1 { 2 } else { 1 };
        let indices = fields.take(count * size)?;
        if is_it {
            // The highest bit says that a reader must know the property.
            let index = |index: &[u8]| match index {
                [high, low] => usize::from(high & 0x7F) << 8 | usize::from(*low),
                _ => usize::from(index[0] & 0x7F),
            };
            return Some(indices.chunks_exact(size).map(index).collect());
        }
    }
    None
}

/// Reads a clean aperture: width, height, and how far its middle is from the picture's, as fractions.
fn crop(body: &[u8], width: u32, height: u32) -> Result<Crop, Refused> {
    let mut fields = Fields(body);
    let mut fraction = || {
        let (over, under) = (fields.u32()?.cast_signed(), fields.u32()?.cast_signed());
        (under > 0).then(|| f64::from(over) / f64::from(under))
    };
    let mut fractions = || Some([fraction()?, fraction()?, fraction()?, fraction()?]);
    let read = |[wide, high, right, down]: [f64; 4]| {
        let (left, top) = ((f64::from(width) - wide) / 2.0 + right, (f64::from(height) - high) / 2.0 + down);
        let is_inside = left >= 0.0
            && top >= 0.0
            && wide >= 1.0
            && high >= 1.0
            && left + wide <= width.into()
            && top + high <= height.into();
        // Whole pixels, as the standard demands.
        let crop = Crop { left: left as u32, top: top as u32, width: wide as u32, height: high as u32 };
        is_inside.then_some(crop)
    };
    fractions().and_then(read).ok_or_else(|| Refused::damaged("it is cropped to what it does not have"))
}
