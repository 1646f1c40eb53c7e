//! Pixels in memory.

/// What the bytes of a pixel are, eight bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// As JPEG stores it.
    Cmyk(Inks),
}

/// How a JPEG stores four inks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inks {
    /// The first three are a colour-difference form of cyan, magenta and yellow.
    pub(crate) is_ycck: bool,
    /// 255 is no ink: Adobe's way, which nearly all files follow.
    pub(crate) is_inverted: bool,
}

impl Layout {
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk(_) => 4,
        }
    }

    pub(crate) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// Rows of pixels, from the top, without padding.
#[derive(Clone, Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) layout: Layout,
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    pub(crate) fn long_side(&self) -> u32 {
        self.width.max(self.height)
    }
}

/// Bytes of `width` × `height` pixels; dimensions were checked, so that this fits.
pub(crate) fn bytes(width: u32, height: u32, channels: usize) -> usize {
    usize::try_from(width)
        .unwrap_or(usize::MAX)
        .saturating_mul(usize::try_from(height).unwrap_or(usize::MAX))
        .saturating_mul(channels)
}
