//! Which scans of a progressive file a scale can do without.

use super::frame::Frame;
use super::segments::{START_OF_SCAN, Segment};
use super::tables::Scan;
use super::transform::Scale;
use crate::{Limits, Refused};

/// For each component, the last coefficient that must be known. Bits that refine a band are laid out by which of its
/// coefficients are not zero: so where one scan refines coefficients that are wanted and others that are not, the
/// others must be read too.
pub(super) fn reaches(
    frame: &Frame,
    scale: Scale,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<u32>, Refused> {
    let wanted = scale.coefficients() - 1;
    if matches!(scale, Scale::Eighth | Scale::Full) {
        return Ok(vec![wanted; frame.components.len()]);
    }
    let refining: Vec<Scan> =
        scans(frame, bytes, limits)?.into_iter().filter(|scan| scan.high != 0).collect();
    let reach = |component: usize| {
        let of_it = |scan: &&Scan| scan.members.iter().any(|member| member.component == component);
        // Bands may overlap: each round, the reach grows by at least one or is found.
        (0..64).fold(wanted, |reach, _| {
            let read = refining.iter().filter(of_it).filter(|scan| scan.first <= reach);
            read.map(|scan| scan.last).max().unwrap_or(reach).max(reach)
        })
    };
    Ok((0..frame.components.len()).map(reach).collect())
}

fn scans(frame: &Frame, bytes: &[u8], limits: &Limits) -> Result<Vec<Scan>, Refused> {
    let mut scans = Vec::new();
    let mut at = 2;
    while let Some(segment) = Segment::next(bytes, at)? {
        at = segment.end;
        if segment.marker == START_OF_SCAN {
            scans.push(Scan::read(segment.body, frame)?);
        }
        limits.check_scans(scans.len())?;
    }
    Ok(scans)
}
