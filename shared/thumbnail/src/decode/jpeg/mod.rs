//! JPEG: sequential and progressive; grey, colour, and four inks. A decoder of our own, because a thumbnail needs little
//! of what a file holds: it decodes straight to an eighth, a quarter or a half where that is large enough, and passes
//! over the coefficients that then have no say.
//!
//! | module | is |
//! |---|---|
//! | `segments`, `frame`, `header` | what a file says before its first coded bit |
//! | `tables`, `units` | what a scan is of, and in which order its blocks come |
//! | `bits`, `huffman` | coded data |
//! | `sequential`, `progressive`, `reach` | the two ways in which blocks come |
//! | `transform`, `store` | from coefficients to samples |

mod bits;
mod frame;
mod header;
mod huffman;
mod progressive;
mod reach;
mod segments;
mod sequential;
mod store;
mod tables;
mod transform;
mod units;

#[cfg(test)]
mod tests;

use super::Decoded;
use crate::orientation::Orientation;
use crate::raster::Raster;
use crate::{Limits, Refused};
use frame::Frame;
use header::Header;
use progressive::Coefficients;
use segments::{START_OF_SCAN, Segment};
use store::Store;
use tables::{Scan, Tables};
use transform::Scale;

/// Decoded pixels on the long side for each pixel of the largest thumbnail, at least. From fewer, the file's own pixels
/// make a better one.
const MARGIN: f64 = 1.4;

/// Decodes what thumbnails of at most `size` pixels need.
pub(crate) fn decode(bytes: &[u8], size: u32, limits: &Limits) -> Result<Decoded, Refused> {
    let header = Header::read(bytes)?;
    let frame = &header.frame;
    limits.check_dimensions(frame.width, frame.height)?;
    let scale = scale(frame, size, limits)?;
    header.check_completeness(bytes)?;
    let store = scans(frame, scale, bytes, limits)?;
    Ok(Decoded {
        width: frame.width,
        height: frame.height,
        orientation: Orientation::from_exif(header.exif),
        profile: header.profile(limits.chunk),
        raster: Raster { layout: header.layout(), planes: store.into_planes(frame) },
    })
}

/// The smallest scale that leaves enough pixels. Where memory does not allow it, the largest that it allows: so even
/// the largest progressive file gets its thumbnails, if not quite as sharp ones.
fn scale(frame: &Frame, size: u32, limits: &Limits) -> Result<Scale, Refused> {
    let long = f64::from(frame.width.max(frame.height));
    let is_enough = |scale: &Scale| long * scale.side() as f64 / 8.0 >= f64::from(size) * MARGIN;
    let wanted = Scale::ALL.into_iter().find(is_enough).unwrap_or(Scale::Full);
    let is_affordable = |scale: &Scale| *scale <= wanted && memory(frame, *scale) <= limits.memory;
    match Scale::ALL.into_iter().rev().find(is_affordable) {
        Some(scale) => Ok(scale),
        None => limits.check_memory(memory(frame, Scale::Eighth)).map(|()| Scale::Eighth),
    }
}

fn memory(frame: &Frame, scale: Scale) -> u64 {
    let coefficients = if frame.is_progressive { Coefficients::memory(frame, scale) } else { 0 };
    coefficients + Store::memory(frame, scale)
}

fn scans(frame: &Frame, scale: Scale, bytes: &[u8], limits: &Limits) -> Result<Store, Refused> {
    let mut tables = Tables::default();
    let mut target = Target::new(frame, scale, bytes, limits)?;
    let mut count = 0;
    let mut at = 2;
    while let Some(segment) = Segment::next(bytes, at)? {
        at = segment.end;
        if segment.marker != START_OF_SCAN {
            tables.apply(&segment)?;
            continue;
        }
        count += 1;
        limits.check_scans(count)?;
        let scan = Scan::read(segment.body, frame)?;
        if target.scan(frame, &scan, &mut tables, &bytes[at..])? {
            break;
        }
    }
    target.into_store(frame)
}

/// What scans are decoded into.
enum Target {
    /// With the components that are still to come.
    Sequential {
        store: Store,
        to_come: Vec<bool>,
    },
    Progressive(Coefficients),
}

impl Target {
    fn new(frame: &Frame, scale: Scale, bytes: &[u8], limits: &Limits) -> Result<Self, Refused> {
        if frame.is_progressive {
            let reaches = reach::reaches(frame, scale, bytes, limits)?;
            return Ok(Self::Progressive(Coefficients::new(frame, scale, reaches)));
        }
        Ok(Self::Sequential { store: Store::new(frame, scale), to_come: vec![true; frame.components.len()] })
    }

    /// Takes a scan in. `true`: nothing more is needed.
    fn scan(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &mut Tables,
        data: &[u8],
    ) -> Result<bool, Refused> {
        match self {
            Self::Progressive(coefficients) => {
                coefficients.scan(frame, scan, tables, data)?;
                Ok(coefficients.is_complete())
            }
            Self::Sequential { store, to_come } => {
                if scan.members.iter().any(|member| !to_come[member.component]) {
                    return Err(Refused::damaged("a scan comes twice"));
                }
                scan.members.iter().for_each(|member| tables.prepare_skips(member.ac));
                sequential::scan(frame, scan, tables, data, store)?;
                scan.members.iter().for_each(|member| to_come[member.component] = false);
                Ok(!to_come.contains(&true))
            }
        }
    }

    fn into_store(self, frame: &Frame) -> Result<Store, Refused> {
        match self {
            Self::Progressive(coefficients) => coefficients.into_store(frame),
            Self::Sequential { store, to_come } if !to_come.contains(&true) => Ok(store),
            Self::Sequential { .. } => Err(Refused::damaged("a colour component is missing")),
        }
    }
}
