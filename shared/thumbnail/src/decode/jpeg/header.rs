//! What a JPEG says about itself before its first coded bit: enough to know what decoding it would take.

use super::frame::Frame;
use super::segments::{APP0, APP1, APP2, APP14, END_OF_IMAGE, START_OF_SCAN, Segment, is_frame};
use crate::Refused;
use crate::raster::{Inks, Layout};
use std::collections::BTreeMap;

const EXIF: &[u8] = b"Exif\0\0";
const PROFILE: &[u8] = b"ICC_PROFILE\0";

#[derive(Clone, Debug)]
pub(super) struct Header<'a> {
    pub(super) frame: Frame,
    pub(super) exif: Option<&'a [u8]>,
    /// Parts of the colour profile, by their number.
    profile: BTreeMap<u8, &'a [u8]>,
    /// Of Adobe's APP14 segment, where there is one.
    adobe_transform: Option<u8>,
    is_jfif: bool,
    /// Where the first scan's coded data begins.
    data: usize,
}

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let (mut exif, mut profile, mut adobe_transform, mut is_jfif) = (None, BTreeMap::new(), None, false);
        let mut frame: Option<Frame> = None;
        let mut at = 2;
        loop {
            let segment = Segment::next(bytes, at)?.ok_or_else(Refused::ends_early)?;
            match segment.marker {
                APP0 => is_jfif |= segment.body.starts_with(b"JFIF\0"),
                APP1 if segment.body.starts_with(EXIF) => exif = exif.or(Some(segment.body)),
                APP2 => profile.extend(profile_part(segment.body)),
                APP14 => adobe_transform = adobe(segment.body).or(adobe_transform),
                START_OF_SCAN => {
                    let frame = frame.ok_or_else(|| Refused::damaged("it does not say how large it is"))?;
                    let data = segment.end;
                    return Ok(Self { frame, exif, profile, adobe_transform, is_jfif, data });
                }
                marker if is_frame(marker) => {
                    if frame.is_some() {
                        return Err(Refused::damaged("it has two frames"));
                    }
                    frame = Some(Frame::read(marker, segment.body)?);
                }
                _ => {}
            }
            at = segment.end;
        }
    }

    /// Refuses what cannot be whole: no end marker after the first scan, or less data than blocks without any detail
    /// need (a bit for each block's brightness and, in sequential files, one for its end).
    pub(super) fn check_completeness(&self, bytes: &[u8]) -> Result<(), Refused> {
        let data = bytes.get(self.data..).unwrap_or_default();
        let bits_per_block = if self.frame.is_progressive { 1 } else { 2 };
        let has_end = memchr::memmem::rfind(data, &[0xFF, END_OF_IMAGE]).is_some();
        if !has_end || data.len() as u64 * 8 < self.frame.all_blocks() * bits_per_block {
            return Err(Refused::ends_early());
        }
        Ok(())
    }

    /// The embedded colour profile, at most `maximum` bytes of it.
    pub(super) fn profile(&self, maximum: usize) -> Option<Vec<u8>> {
        let size: usize = self.profile.values().map(|part| part.len()).sum();
        (1..=maximum).contains(&size).then(|| self.profile.values().copied().flatten().copied().collect())
    }

    /// What the components are, as decoders agree on (libjpeg's rules).
    pub(super) fn layout(&self) -> Layout {
        let components = &self.frame.components;
        match (components.len(), self.adobe_transform) {
            (1, _) => Layout::Grey,
            (4, transform) => {
                Layout::Cmyk(Inks { is_ycck: transform == Some(2), is_inverted: transform.is_some() })
            }
            (_, Some(0)) => Layout::Rgb,
            (_, None) if !self.is_jfif && components.iter().map(|c| c.id).eq(*b"RGB") => Layout::Rgb,
            _ => Layout::YCbCr,
        }
    }
}

fn profile_part(body: &[u8]) -> Option<(u8, &[u8])> {
    let [number, _, part @ ..] = body.strip_prefix(PROFILE)? else { return None };
    Some((*number, part))
}

fn adobe(body: &[u8]) -> Option<u8> {
    body.strip_prefix(b"Adobe")?.get(6).copied()
}
