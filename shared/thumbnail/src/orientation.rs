//! Which way up a picture is (EXIF tag 0x0112), and turning it upright.

use crate::raster::Finished;

const ORIENTATION_TAG: u16 = 0x0112;
const ENTRY_BYTES: usize = 12;

/// An EXIF orientation, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orientation(u8);

impl Orientation {
    pub(crate) const UPRIGHT: Self = Self(1);

    /// From EXIF data, with or without its `Exif` prefix. What cannot be read says nothing about the pixels, so the
    /// picture then counts as upright.
    pub(crate) fn from_exif(exif: Option<&[u8]>) -> Self {
        exif.and_then(read).filter(|value| (1..=8).contains(value)).map_or(Self::UPRIGHT, Self)
    }

    /// From quarter turns to the left, and after them perhaps the exchange of top and bottom (0) or of left and right (1):
    /// ISO/IEC 23008-12, `irot` and `imir`.
    pub(crate) fn from_turn(quarters: u8, exchange: Option<u8>) -> Self {
        const TURNED: [u8; 4] = [1, 8, 3, 6];
        const TOP_AND_BOTTOM: [u8; 4] = [4, 5, 2, 7];
        const LEFT_AND_RIGHT: [u8; 4] = [2, 7, 4, 5];
        let orientations = match exchange.map(|axis| axis & 1) {
            None => TURNED,
            Some(0) => TOP_AND_BOTTOM,
            Some(_) => LEFT_AND_RIGHT,
        };
        Self(orientations[usize::from(quarters & 3)])
    }

    fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// The dimensions after turning upright.
    pub(crate) fn upright(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// The picture turned upright.
    pub(crate) fn apply(self, stored: Finished) -> Finished {
        if self == Self::UPRIGHT {
            return stored;
        }
        let pixels = match stored.channels {
            1 => self.turned::<1>(&stored),
            3 => self.turned::<3>(&stored),
            _ => self.turned::<4>(&stored),
        };
        let (width, height) = self.upright(stored.width, stored.height);
        Finished { width, height, channels: stored.channels, pixels }
    }

    /// The pixels of an upright row are stored at equal distances.
    fn turned<const CHANNELS: usize>(self, stored: &Finished) -> Vec<u8> {
        let (pixels, _) = stored.pixels.as_chunks::<CHANNELS>();
        let (width, height) = self.upright(stored.width, stored.height);
        let place = |x, y| {
            let (from_x, from_y) = self.stored_at(x, y, stored);
            from_y as usize * stored.width as usize + from_x as usize
        };
        let mut turned = Vec::with_capacity(pixels.len());
        for y in 0..height {
            let (first, last) = (place(0, y), place(width - 1, y));
            let distance = first.abs_diff(last) / (width as usize - 1).max(1);
            let row = pixels[first.min(last)..=first.max(last)].iter().step_by(distance.max(1));
            if first <= last { turned.extend(row) } else { turned.extend(row.rev()) }
        }
        turned.into_flattened()
    }

    /// Where the upright pixel (x, y) is stored.
    fn stored_at(self, x: u32, y: u32, stored: &Finished) -> (u32, u32) {
        let (right, bottom) = (stored.width - 1, stored.height - 1);
        match self.0 {
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => (x, y),
        }
    }
}

/// Looks the tag up in the first directory of a TIFF structure.
fn read(exif: &[u8]) -> Option<u8> {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let is_big_endian = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let entries = usize::from(u16_at(directory)?);
    let first = directory.checked_add(2)?;
    let entry =
        (0..entries).map(|n| first + n * ENTRY_BYTES).find(|&at| u16_at(at) == Some(ORIENTATION_TAG))?;
    u8::try_from(u16_at(entry + 8)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_pixel_comes_to_its_place() {
        for (width, height) in [(3, 2), (1, 4), (4, 1), (1, 1)] {
            let pixels: Vec<u8> = (0..width * height * 3).map(|n| n as u8).collect();
            let stored = Finished { width, height, channels: 3, pixels };
            for orientation in (1..=8).map(Orientation) {
                let turned = orientation.apply(stored.clone());
                assert_eq!((turned.width, turned.height), orientation.upright(width, height));
                for (x, y) in (0..turned.height).flat_map(|y| (0..turned.width).map(move |x| (x, y))) {
                    let (from_x, from_y) = orientation.stored_at(x, y, &stored);
                    let pixel =
                        |picture: &Finished, x, y| picture.pixels[3 * (y * picture.width + x) as usize];
                    assert_eq!(
                        pixel(&turned, x, y),
                        pixel(&stored, from_x, from_y),
                        "{orientation:?}: {x}, {y}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_exif_makes_the_reader_panic(exif in prop::collection::vec(any::<u8>(), 0..64), big in any::<bool>()) {
            let mut tiff = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
            tiff.extend(exif);
            Orientation::from_exif(Some(&tiff));
        }
    }
}
