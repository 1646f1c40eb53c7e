//! From luma and colour differences to red, green and blue (ITU-T H.273, 8.3).

const BITS: i32 = 16;

/// What red, green and blue are of the three samples of a pixel, in steps of 1 / 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    weights: [[i32; 3]; 3],
    /// The value of the first sample that is black.
    black: u8,
    /// The value of the second and third samples that is no colour.
    pub(crate) zero: u8,
}

impl Matrix {
    pub(crate) const BT_601: Self = Self::of_luma(0.299, 0.114);
    /// Luma from 16 to 235, and the others from 16 to 240.
    pub(crate) const BT_601_NARROW: Self = Self::BT_601.narrow();
    pub(crate) const BT_709: Self = Self::of_luma(0.2126, 0.0722);
    pub(crate) const BT_2020: Self = Self::of_luma(0.2627, 0.0593);
    pub(crate) const FCC: Self = Self::of_luma(0.30, 0.11);
    pub(crate) const SMPTE_240: Self = Self::of_luma(0.212, 0.087);
    /// Green, blue and red themselves.
    pub(crate) const GBR: Self = Self { weights: [[0, 0, ONE], [ONE, 0, 0], [0, ONE, 0]], black: 0, zero: 0 };
    pub(crate) const YCGCO: Self =
        Self { weights: [[ONE, -ONE, ONE], [ONE, ONE, 0], [ONE, -ONE, -ONE]], black: 0, zero: 128 };

    /// By the shares that red and blue have in luma.
    const fn of_luma(red: f64, blue: f64) -> Self {
        let green = 1.0 - red - blue;
        let (of_red, of_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        let greens = [ONE, fixed(-of_blue * blue / green), fixed(-of_red * red / green)];
        Self { weights: [[ONE, 0, fixed(of_red)], greens, [ONE, fixed(of_blue), 0]], black: 0, zero: 128 }
    }

    /// The same of samples that keep clear of both ends of their range.
    const fn narrow(mut self) -> Self {
        let mut colour = 0;
        while colour < 3 {
            let [luma, second, third] = self.weights[colour];
            self.weights[colour] = [luma * 255 / 219, second * 255 / 224, third * 255 / 224];
            colour += 1;
        }
        Self { black: 16, ..self }
    }

    #[inline(always)]
    pub(crate) fn rgb(&self, samples: [u8; 3]) -> [u8; 3] {
        let [first, second, third] = samples.map(i32::from);
        let first = first - i32::from(self.black);
        let (second, third) = (second - i32::from(self.zero), third - i32::from(self.zero));
        self.weights.map(|[a, b, c]| {
            let sum = a * first + b * second + c * third + (ONE >> 1);
            (sum >> BITS).clamp(0, 255) as u8
        })
    }
}

const ONE: i32 = 1 << BITS;

const fn fixed(value: f64) -> i32 {
    let scaled = value * ONE as f64;
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_stay_and_primaries_come_back() {
        for matrix in
            [Matrix::BT_601, Matrix::BT_709, Matrix::BT_2020, Matrix::FCC, Matrix::SMPTE_240, Matrix::YCGCO]
        {
            for grey in [0, 1, 128, 255] {
                assert_eq!(matrix.rgb([grey, 128, 128]), [grey; 3]);
            }
        }
        for (luma, grey) in [(0, 0), (16, 0), (126, 128), (235, 255), (255, 255)] {
            assert_eq!(Matrix::BT_601_NARROW.rgb([luma, 128, 128]), [grey; 3]);
        }
        // Pure red: by 0.299 of luma's range, and by the most of the third difference.
        assert_eq!(Matrix::BT_601_NARROW.rgb([81, 90, 240]), [254, 0, 0]);
        // Pure red in BT.709: luma 0.2126, and the most of the third difference.
        assert_eq!(Matrix::BT_709.rgb([54, 99, 255]), [254, 0, 0]);
        assert_eq!(Matrix::GBR.rgb([1, 2, 3]), [3, 1, 2]);
        assert_eq!(Matrix::YCGCO.rgb([100, 138, 133]), [95, 110, 85]);
    }
}
