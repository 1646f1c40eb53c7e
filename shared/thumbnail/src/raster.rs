//! Pixels in memory.

use crate::matrix::Matrix;

/// What the samples of a pixel are, eight bits each. Colours are multiplied by their alpha, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// As JFIF has it: ITU-R BT.601, full range.
    YCbCr,
    /// By a matrix of its own, in as many planes; alpha last.
    Yuv {
        matrix: Matrix,
        has_alpha: bool,
    },
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
            Self::Rgb | Self::YCbCr | Self::Yuv { has_alpha: false, .. } => 3,
            Self::Rgba | Self::Cmyk(_) | Self::Yuv { has_alpha: true, .. } => 4,
        }
    }

    pub(crate) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba | Self::Yuv { has_alpha: true, .. })
    }
}

/// A picture on its way to a thumbnail: one plane with all channels, or a plane for each, which may differ in size.
#[derive(Clone, Debug)]
pub(crate) struct Raster {
    pub(crate) layout: Layout,
    pub(crate) planes: Vec<Plane>,
}

impl Raster {
    /// Of interleaved pixels.
    pub(crate) fn interleaved(layout: Layout, width: u32, height: u32, samples: Vec<u8>) -> Self {
        let extent = (f64::from(width), f64::from(height));
        Self { layout, planes: vec![Plane { width, height, extent, channels: layout.channels(), samples }] }
    }

    /// Samples on the long side of the first plane.
    pub(crate) fn long_side(&self) -> u32 {
        self.planes.first().map_or(0, |plane| plane.width.max(plane.height))
    }
}

/// Rows of samples, from the top, without padding.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How much of it the picture covers, from the top left: a shrunk picture need not end where a sample does.
    pub(crate) extent: (f64, f64),
    pub(crate) channels: usize,
    pub(crate) samples: Vec<u8>,
}

impl Plane {
    /// Whether the picture ends where the samples do.
    pub(crate) fn is_covered(&self) -> bool {
        self.extent == (f64::from(self.width), f64::from(self.height))
    }
}

/// A finished picture: grey, RGB or RGBA by its channels, in sRGB, interleaved, colours not multiplied.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
}

/// Bytes of `width` × `height` pixels; dimensions were checked, so that this fits.
pub(crate) fn bytes(width: u32, height: u32, channels: usize) -> usize {
    usize::try_from(width)
        .unwrap_or(usize::MAX)
        .saturating_mul(usize::try_from(height).unwrap_or(usize::MAX))
        .saturating_mul(channels)
}
