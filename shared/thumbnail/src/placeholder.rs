//! What to show until a thumbnail is there.

use crate::raster::Finished;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Pixels of the long side that a hash is made of. The few waves that it keeps need no more.
pub(crate) const SIDE: u32 = 32;

/// A ThumbHash, in base64: about 25 bytes that unfold to a blurred picture of the right shape.
pub(crate) fn hash(picture: Finished) -> String {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let rgba: Vec<u8> = match picture.channels {
        1 => picture.pixels.iter().flat_map(|&grey| [grey, grey, grey, 255]).collect(),
        3 => picture.pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
        _ => picture.pixels,
    };
    BASE64_STANDARD.encode(thumbhash::rgba_to_thumb_hash(width, height, &rgba))
}
