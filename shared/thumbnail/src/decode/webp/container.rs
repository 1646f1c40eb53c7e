//! The RIFF container of a WebP file: <https://developers.google.com/speed/webp/docs/riff_container>.

use crate::Refused;
use std::borrow::Cow;
use webpx::ImageInfo;

/// Chunks before the first frame, at most.
const MOST_CHUNKS: usize = 1000;

/// What a file says around its pixels.
pub(super) struct Container<'a> {
    /// A file of one picture: this one, or of an animation its first frame.
    pub(super) still: Cow<'a, [u8]>,
    /// Of an animation.
    pub(super) frame: Option<Frame>,
    pub(super) canvas: Option<(u32, u32)>,
    pub(super) exif: Option<&'a [u8]>,
    pub(super) profile: Option<&'a [u8]>,
}

/// Where a frame is on its canvas, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: u32,
    pub(super) top: u32,
}

impl Frame {
    pub(super) fn is_whole(self, still: &ImageInfo, canvas: (u32, u32)) -> bool {
        (self.left, self.top) == (0, 0) && (still.width, still.height) == canvas
    }
}

impl<'a> Container<'a> {
    /// Reads what begins with a RIFF header.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut container =
            Self { still: Cow::Borrowed(bytes), frame: None, canvas: None, exif: None, profile: None };
        let mut rest = bytes.get(12..).unwrap_or_default();
        for _ in 0..MOST_CHUNKS {
            let Some((name, body, after)) = chunk(rest) else { break };
            match name {
                b"ICCP" => container.profile = container.profile.or(Some(body)),
                b"EXIF" => container.exif = container.exif.or(Some(body)),
                b"ANMF" if container.frame.is_none() => container.take_frame(bytes, body)?,
                _ => {}
            }
            rest = after;
        }
        Ok(container)
    }

    /// The lossy picture itself.
    pub(super) fn lossy(&self) -> Option<&[u8]> {
        let mut rest = self.still.get(12..)?;
        for _ in 0..MOST_CHUNKS {
            let (name, body, after) = chunk(rest)?;
            if name == b"VP8 " {
                return Some(body);
            }
            rest = after;
        }
        None
    }

    fn take_frame(&mut self, bytes: &[u8], body: &[u8]) -> Result<(), Refused> {
        let (place, chunks) = body.split_at_checked(16).ok_or_else(Refused::ends_early)?;
        // VP8X is the first chunk of a file that has frames.
        let canvas = bytes.get(24..30).ok_or_else(Refused::ends_early)?;
        self.canvas = Some((u24(canvas) + 1, u24(&canvas[3..]) + 1));
        self.frame = Some(Frame { left: 2 * u24(place), top: 2 * u24(&place[3..]) });
        self.still = Cow::Owned(still(chunks, &place[6..12]));
        Ok(())
    }
}

/// A file of a frame's chunks. `sides` are as ANMF has them, which is as VP8X has them.
fn still(chunks: &[u8], sides: &[u8]) -> Vec<u8> {
    const HAS_ALPHA: u8 = 0x10;
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    if chunks.starts_with(b"ALPH") {
        file.extend(b"VP8X\x0A\0\0\0");
        file.extend([HAS_ALPHA, 0, 0, 0]);
        file.extend(sides);
    }
    file.extend(chunks);
    let size = u32::try_from(file.len() - 8).unwrap_or(u32::MAX);
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// The first chunk, and what comes after it.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let body = rest.get(..size)?;
    // Chunks begin at even places.
    Some((name, body, rest.get(size + size % 2..).unwrap_or_default()))
}

fn u24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}
