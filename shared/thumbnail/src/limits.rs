//! What a picture may ask for. Everything is checked on its header, before memory is touched.

use crate::Refused;

const MEGA: u64 = 1_000_000;

/// Bounds on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the whole picture.
    pub pixels: u64,
    /// Pixels of one side.
    pub side: u32,
    /// Bytes that decoding may take, with the file itself.
    pub memory: u64,
    /// Bytes of pixels that are unpacked in passing: they cost time and no memory.
    pub unpacked: u64,
    /// Passes over the picture in a progressive JPEG; each costs time and few bytes.
    pub scans: usize,
    /// Bytes of a colour profile or other chunk that is unpacked beside the pixels.
    pub chunk: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pixels: 100 * MEGA,
            side: 65_535,
            memory: 54 * MEGA,
            unpacked: 400 * MEGA,
            scans: 100,
            chunk: 4_000_000,
        }
    }
}

impl Limits {
    /// What is left beside a file of so many bytes.
    pub(crate) fn beside(self, file: usize) -> Self {
        Self { memory: self.memory.saturating_sub(file as u64), ..self }
    }

    /// Checks the dimensions that a header claims.
    pub(crate) fn check_dimensions(&self, width: u32, height: u32) -> Result<(), Refused> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(Refused::NoPixels);
        }
        if pixels > self.pixels {
            let megapixels = pixels.div_ceil(MEGA);
            return Err(Refused::TooManyPixels { megapixels, maximum: self.pixels / MEGA });
        }
        if width.max(height) > self.side {
            return Err(Refused::TooLong { width, height, maximum: self.side });
        }
        Ok(())
    }

    /// Checks what decoding is estimated to take.
    pub(crate) fn check_memory(&self, bytes: u64) -> Result<(), Refused> {
        if bytes > self.memory {
            let megabytes = bytes.div_ceil(MEGA);
            return Err(Refused::TooMuchMemory { megabytes, maximum: self.memory / MEGA });
        }
        Ok(())
    }

    /// Checks how many passes there were.
    pub(crate) fn check_scans(&self, count: usize) -> Result<(), Refused> {
        if count > self.scans { Err(Refused::TooManyScans { maximum: self.scans }) } else { Ok(()) }
    }

    /// Checks what is unpacked in passing.
    pub(crate) fn check_unpacked(&self, bytes: u64) -> Result<(), Refused> {
        if bytes > self.unpacked {
            let megabytes = bytes.div_ceil(MEGA);
            return Err(Refused::UnpacksToTooMuch { megabytes, maximum: self.unpacked / MEGA });
        }
        Ok(())
    }
}
