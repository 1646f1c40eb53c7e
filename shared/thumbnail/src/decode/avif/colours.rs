//! What the samples of an AVIF picture mean, in the code points of ITU-T H.273.

use super::fields::Fields;
use crate::Refused;
use crate::matrix::Matrix;
use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

/// Colours by code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nclx {
    pub(super) primaries: u16,
    pub(super) transfer: u16,
    pub(super) matrix: u16,
    pub(super) is_full_range: bool,
}

impl Nclx {
    /// From a `colr` box, after its kind.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        Some(Self {
            primaries: fields.u16()?,
            transfer: fields.u16()?,
            matrix: fields.u16()?,
            is_full_range: fields.u8()? & 0x80 != 0,
        })
    }

    pub(super) fn matrix(&self) -> Result<Matrix, Refused> {
        match self.matrix {
            0 => Ok(Matrix::GBR),
            1 => Ok(Matrix::BT_709),
            4 => Ok(Matrix::FCC),
            // Of what is not said, what encoders do that do not say it.
            2 | 5 | 6 => Ok(Matrix::BT_601),
            7 => Ok(Matrix::SMPTE_240),
            8 => Ok(Matrix::YCGCO),
            9 => Ok(Matrix::BT_2020),
            _ => Err(Refused::Unsupported("an AVIF picture in the colour system of a film studio")),
        }
    }

    /// A profile that says the same; none where that is sRGB. The curves of television count as that of sRGB, as they do
    /// everywhere. So do those of high dynamic range: it takes tone mapping to do better.
    pub(super) fn profile(&self) -> Option<Vec<u8>> {
        const SRGB: [u16; 2] = [1, 2];
        let curve = match self.transfer {
            4 => TransferCharacteristics::Bt470M,
            5 => TransferCharacteristics::Bt470Bg,
            8 => TransferCharacteristics::Linear,
            _ if SRGB.contains(&self.primaries) => return None,
            _ => TransferCharacteristics::Srgb,
        };
        let primaries = if self.primaries == 2 { 1 } else { u8::try_from(self.primaries).ok()? };
        let profile = ColorProfile::new_from_cicp(CicpProfile {
            color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
            transfer_characteristics: curve,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        });
        profile.encode().ok()
    }
}
