//! From luma and colour differences to red, green and blue (ITU-T H.273, 8.3).

const BITS: i32 = 16;

/// What red, green and blue are of the three samples of a pixel, full range, in steps of 1 / 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    weights: [[i32; 3]; 3],
    /// The value of the second and third samples that is no colour.
    pub(crate) zero: u8,
}

impl Matrix {
    pub(crate) const BT_601: Self = Self::of_luma(0.299, 0.114);
    pub(crate) const BT_709: Self = Self::of_luma(0.2126, 0.0722);
    pub(crate) const BT_2020: Self = Self::of_luma(0.2627, 0.0593);
    pub(crate) const FCC: Self = Self::of_luma(0.30, 0.11);
    pub(crate) const SMPTE_240: Self = Self::of_luma(0.212, 0.087);
    /// Green, blue and red themselves.
    pub(crate) const GBR: Self = Self { weights: [[0, 0, ONE], [ONE, 0, 0], [0, ONE, 0]], zero: 0 };
    pub(crate) const YCGCO: Self =
        Self { weights: [[ONE, -ONE, ONE], [ONE, ONE, 0], [ONE, -ONE, -ONE]], zero: 128 };

    /// By the shares that red and blue have in luma.
    const fn of_luma(red: f64, blue: f64) -> Self {
        let green = 1.0 - red - blue;
        let (of_red, of_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        let greens = [ONE, fixed(-of_blue * blue / green), fixed(-of_red * red / green)];
        Self { weights: [[ONE, 0, fixed(of_red)], greens, [ONE, fixed(of_blue), 0]], zero: 128 }
    }

    #[inline(always)]
    pub(crate) fn rgb(&self, samples: [u8; 3]) -> [u8; 3] {
        let [first, second, third] = samples.map(i32::from);
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
        // Pure red in BT.709: luma 0.2126, and the most of the third difference.
        assert_eq!(Matrix::BT_709.rgb([54, 99, 255]), [254, 0, 0]);
        assert_eq!(Matrix::GBR.rgb([1, 2, 3]), [3, 1, 2]);
        assert_eq!(Matrix::YCGCO.rgb([100, 138, 133]), [95, 110, 85]);
    }
}
