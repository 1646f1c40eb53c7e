//! By how much samples differ from what was foretold, as coefficients (RFC 6386, 13).

use super::bits::Bits;
use super::header::Steps;
use super::transform;

/// By what a block is of, how far its coefficient is (in [`BANDS`]), how large the last one was, and the decision.
pub(super) type Probabilities = [[[[u8; 11]; 3]; 8]; 4];
/// The same by the coefficient itself, and once more after the last.
type ByCoefficient = [[[u8; 11]; 3]; COEFFICIENTS + 1];

const COEFFICIENTS: usize = 16;
const BANDS: [usize; COEFFICIENTS + 1] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0];
const ZIGZAG: [u8; COEFFICIENTS] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];
/// Small blocks of a block: luma, then each chroma.
const SMALL: usize = 16 + 4 + 4;
/// What the bits of large values add up from, and how likely each is not set.
const LARGE: [(i32, &[u8]); 4] = [
    (11, &[173, 148, 140]),
    (19, &[176, 155, 140, 135]),
    (35, &[180, 157, 141, 134, 130]),
    (67, &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129]),
];

/// What a small block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Content {
    #[default]
    Nothing,
    /// Its first coefficient.
    Mean,
    /// More than that.
    All,
}

/// The coefficients of a block; zero wherever [`Content`] says so.
pub(super) struct Residuals {
    pub(super) content: [Content; SMALL],
    pub(super) coefficients: [[i16; COEFFICIENTS]; SMALL],
}

/// Of a block's edge, for its neighbour: which small blocks have coefficients (1) or none (0).
#[derive(Clone, Copy, Default)]
pub(super) struct Edge {
    means: u8,
    luma: [u8; 4],
    chroma: [[u8; 2]; 2],
}

pub(super) struct Reader {
    /// Luma without its means, means, chroma, luma with its means.
    probabilities: [ByCoefficient; 4],
}

impl Edge {
    /// Of a block without coefficients: none, but what means are foretold from stays where the block has none.
    pub(super) fn clear(&mut self, has_means: bool) {
        *self = Self { means: if has_means { 0 } else { self.means }, ..Self::default() };
    }
}

impl Residuals {
    pub(super) fn new() -> Self {
        Self { content: [Content::Nothing; SMALL], coefficients: [[0; COEFFICIENTS]; SMALL] }
    }
}

impl Reader {
    pub(super) fn new(probabilities: &Probabilities) -> Self {
        Self { probabilities: probabilities.map(|of| BANDS.map(|band| of[band])) }
    }

    /// Reads the coefficients of a block into `residuals`, which are zero.
    pub(super) fn read(
        &self,
        place: &mut Bits<'_>,
        steps: &Steps,
        has_means: bool,
        (above, left): (&mut Edge, &mut Edge),
        residuals: &mut Residuals,
    ) {
        // A copy that nobody else can see, so that it is in registers.
        let mut own = place.clone();
        let bits = &mut own;
        let [luma_rest, means, chroma, luma] = &self.probabilities;
        let (first, luma) = if has_means {
            let mut block = [0; COEFFICIENTS];
            let count = read(bits, means, above.means + left.means, steps.means, 0, &mut block);
            (above.means, left.means) = (u8::from(count > 0), u8::from(count > 0));
            transform::spread(&block, &mut residuals.coefficients);
            (1, luma_rest)
        } else {
            (0, luma)
        };
        let (luma_blocks, chroma_blocks) = residuals.coefficients.split_at_mut(16);
        let (luma_content, chroma_content) = residuals.content.split_at_mut(16);
        for (row, left) in left.luma.iter_mut().enumerate() {
            for (column, above) in above.luma.iter_mut().enumerate() {
                let block = &mut luma_blocks[4 * row + column];
                let count = read(bits, luma, *above + *left, steps.luma, first, block);
                (*above, *left) = (u8::from(count > first), u8::from(count > first));
                luma_content[4 * row + column] = content(count, block);
            }
        }
        let edges = above.chroma.iter_mut().zip(&mut left.chroma);
        for (plane, (above, left)) in edges.enumerate() {
            for (row, left) in left.iter_mut().enumerate() {
                for (column, above) in above.iter_mut().enumerate() {
                    let at = 4 * plane + 2 * row + column;
                    let block = &mut chroma_blocks[at];
                    let count = read(bits, chroma, *above + *left, steps.chroma, 0, block);
                    (*above, *left) = (u8::from(count > 0), u8::from(count > 0));
                    chroma_content[at] = content(count, block);
                }
            }
        }
        *place = own;
    }
}

fn content(count: usize, block: &[i16; COEFFICIENTS]) -> Content {
    match count {
        2.. => Content::All,
        _ if block[0] != 0 => Content::Mean,
        _ => Content::Nothing,
    }
}

/// Reads one small block's coefficients from the one at `first` on; where the last one is, and one more.
#[inline(always)]
fn read(
    bits: &mut Bits<'_>,
    probabilities: &ByCoefficient,
    around: u8,
    steps: [i32; 2],
    first: usize,
    block: &mut [i16; COEFFICIENTS],
) -> usize {
    let mut at = first;
    let mut decisions = &probabilities[at][usize::from(around)];
    while at < COEFFICIENTS {
        if !bits.decision(decisions[0]) {
            return at;
        }
        while !bits.decision(decisions[1]) {
            at += 1;
            if at == COEFFICIENTS {
                return COEFFICIENTS;
            }
            decisions = &probabilities[at][0];
        }
        let next = &probabilities[at + 1];
        let size;
        (size, decisions) =
            if bits.decision(decisions[2]) { (large(bits, decisions), &next[2]) } else { (1, &next[1]) };
        block[usize::from(ZIGZAG[at])] = (bits.with_sign(size) * steps[usize::from(at > 0)]) as i16;
        at += 1;
    }
    COEFFICIENTS
}

/// Of 2 and more.
#[inline(always)]
fn large(bits: &mut Bits<'_>, decisions: &[u8; 11]) -> i32 {
    if !bits.decision(decisions[3]) {
        return if bits.decision(decisions[4]) { 3 + i32::from(bits.decision(decisions[5])) } else { 2 };
    }
    if !bits.decision(decisions[6]) {
        return if bits.decision(decisions[7]) {
            let high = i32::from(bits.decision(165));
            7 + 2 * high + i32::from(bits.decision(145))
        } else {
            5 + i32::from(bits.decision(159))
        };
    }
    let high = usize::from(bits.decision(decisions[8]));
    let low = usize::from(bits.decision(decisions[9 + high]));
    let (least, likely) = LARGE[2 * high + low];
    least + likely.iter().fold(0, |value, &probability| 2 * value + i32::from(bits.decision(probability)))
}
