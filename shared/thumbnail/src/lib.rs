//! Pictures in, upright thumbnails out: bounded, and safe against any input.
//!
//! [`make`] recognises a picture by its content, checks its header against [`Limits`] before any memory is taken on
//! the header's word, decodes it once, and returns thumbnails of every size asked for: upright, in sRGB, without
//! metadata, never larger than the picture. What it cannot or will not take is [`Refused`], for a reason that the
//! picture's owner can read. Where panics unwind, one in a decoder ends as a refusal too - but not every one: what goes wrong
//! inside the AV1 decoder can end the process, and libwebp is written in C. Who takes pictures from strangers calls [`make`] in
//! a process that has nothing to lose, as the function of thumbnails does.
//!
//! | module | is |
//! |---|---|
//! | `format` | what a file is, by its first bytes |
//! | `decode` | one module for each format: header, limits, pixels, as few as will do |
//! | `raster` | pixels in memory, in whatever channels the file has |
//! | `reduce` | shrinking by a whole factor while rows are decoded |
//! | `matrix` | from luma and colour differences to colours |
//! | `sharpen` | what means of squares lose, given back |
//! | `inks` | what a screen shows for cyan, magenta, yellow and black |
//! | `resize`, `colour`, `orientation`, `encode` | the steps from there to a thumbnail |
//! | `placeholder` | what to show before it |
#![forbid(unsafe_code)]

mod colour;
mod decode;
mod encode;
mod format;
mod inks;
mod limits;
mod matrix;
mod orientation;
mod placeholder;
mod raster;
mod reduce;
mod refused;
mod resample;
mod resize;
mod sharpen;

pub use encode::Output;
pub use format::Format;
pub use limits::Limits;
pub use refused::Refused;

use colour::Colours;
use decode::Decoded;
use raster::Raster;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A picture, and its thumbnails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Picture {
    /// Pixels, upright.
    pub width: u32,
    pub height: u32,
    pub format: Format,
    /// What to show until a thumbnail is there: a [ThumbHash](https://evanw.github.io/thumbhash/), in base64.
    pub placeholder: String,
    /// In the order in which their sizes were asked for.
    pub thumbnails: Vec<Thumbnail>,
}

/// One thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Thumbnail {
    /// The size asked for: the limit of the long side.
    pub size: u32,
    /// Pixels.
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
}

/// Makes a thumbnail of each of `sizes`, which limit the long side in pixels.
///
/// # Errors
/// When `bytes` are no picture that this crate reads, are damaged, or go beyond `limits`.
pub fn make(bytes: &[u8], sizes: &[u32], output: Output, limits: &Limits) -> Result<Picture, Refused> {
    // Nothing outlives a panic: all that the closure builds is its own.
    catch_unwind(AssertUnwindSafe(|| make_unguarded(bytes, sizes, output, limits)))
        .unwrap_or(Err(Refused::DecoderFailed))
}

fn make_unguarded(bytes: &[u8], sizes: &[u32], output: Output, limits: &Limits) -> Result<Picture, Refused> {
    let format = Format::recognise(bytes)?;
    let largest = sizes.iter().copied().max().unwrap_or(1).max(1);
    let decoded = decode::decode(format, bytes, largest, &limits.beside(bytes.len()))?;
    let (width, height) = decoded.orientation.upright(decoded.width, decoded.height);
    let (thumbnails, placeholder) = thumbnails(decoded, sizes, output)?;
    Ok(Picture { width, height, format, placeholder, thumbnails })
}

/// Largest first, so that a smaller one can be made of a larger one; and the placeholder of the smallest. Encoding takes
/// memory of its own, so that the picture is gone by then.
fn thumbnails(decoded: Decoded, sizes: &[u32], output: Output) -> Result<(Vec<Thumbnail>, String), Refused> {
    let Decoded { width, height, raster, orientation, profile } = decoded;
    let largest = sizes.iter().copied().max().unwrap_or(1);
    let (raster, profile) = inks::as_colours(raster, profile, largest)?;
    let colours = Colours::new(raster.layout, profile.as_deref());
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sizes[index]));
    let mut rasters = vec![raster];
    for &index in &order {
        let size = sizes[index];
        let small = resize::shrink(source_for(&rasters, size), resize::fit(width, height, size));
        rasters.push(small);
    }
    let tiny = resize::fit(width, height, placeholder::SIDE);
    let tiny = resize::shrink(source_for(&rasters, placeholder::SIDE), tiny);
    rasters.remove(0);
    let finished = |raster: Raster| Ok::<_, Refused>(orientation.apply(colours.finished(raster)?));
    let placeholder = placeholder::hash(finished(tiny)?);
    let mut made: Vec<(usize, Thumbnail)> = Vec::with_capacity(sizes.len());
    for (index, small) in order.into_iter().zip(rasters) {
        let upright = finished(small)?;
        let (size, width, height) = (sizes[index], upright.width, upright.height);
        made.push((index, Thumbnail { size, width, height, bytes: output.encode(upright)? }));
    }
    made.sort_by_key(|(index, _)| *index);
    Ok((made.into_iter().map(|(_, thumbnail)| thumbnail).collect(), placeholder))
}

/// The smallest raster so far that still has twice the pixels wanted on a side: from less, a second resampling would
/// show. Where there is none, the picture itself.
fn source_for(rasters: &[Raster], size: u32) -> &Raster {
    let has_twice = |raster: &&Raster| raster.long_side() >= size.saturating_mul(2);
    rasters[1..].iter().rev().find(has_twice).unwrap_or(&rasters[0])
}
