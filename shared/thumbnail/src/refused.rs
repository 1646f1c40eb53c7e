//! Why a picture is not taken, in words for its owner.

/// Longest detail that is passed on from a decoder.
const DETAIL_CHARACTERS: usize = 120;

/// Why there are no thumbnails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("the file is empty")]
    Empty,
    #[error("this is not a picture we know: JPEG, PNG, WebP, GIF and AVIF are")]
    Unknown,
    #[error("this is {0}, which we cannot show; common JPEG, PNG, WebP, GIF and AVIF pictures we can")]
    Unsupported(&'static str),
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// A decoder panicked.
    #[error("the picture is damaged in a way that its decoder did not expect")]
    DecoderFailed,
    #[error("the picture has no pixels")]
    NoPixels,
    #[error("the picture has {megapixels} megapixels, more than {maximum}")]
    TooManyPixels { megapixels: u64, maximum: u64 },
    #[error("the picture is {width} × {height} pixels; no side may have more than {maximum}")]
    TooLong { width: u32, height: u32, maximum: u32 },
    #[error("the picture would take {megabytes} MB of memory to decode, more than {maximum}")]
    TooMuchMemory { megabytes: u64, maximum: u64 },
    #[error("the picture unpacks to {megabytes} MB, more than {maximum}")]
    UnpacksToTooMuch { megabytes: u64, maximum: u64 },
    #[error("the picture comes in more than {maximum} passes")]
    TooManyScans { maximum: usize },
}

impl Refused {
    /// With what a decoder said, cut to one short line.
    pub(crate) fn damaged(detail: impl std::fmt::Display) -> Self {
        let detail = detail.to_string();
        let line = detail.lines().next().unwrap_or_default();
        let printable = line.trim_matches('"').chars().filter(|c| !c.is_control()).take(DETAIL_CHARACTERS);
        Self::Damaged(printable.collect())
    }

    pub(crate) fn ends_early() -> Self {
        Self::Damaged("it ends early".to_owned())
    }
}
