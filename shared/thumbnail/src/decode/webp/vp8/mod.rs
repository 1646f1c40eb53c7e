//! The key frames of VP8 (RFC 6386), which lossy WebP is made of, row by row of blocks of 16 × 16: a picture that is shrunk
//! by much is never in memory as a whole, and the filter of blocks' edges, which is for large pictures, is left out.
//!
//! | module | is |
//! |---|---|
//! | `bits` | the arithmetic code that all is in |
//! | `header` | what a frame says before its blocks |
//! | `modes`, `predict` | how samples are foretold from their neighbours |
//! | `residuals`, `transform` | what they differ by |
//! | `constants` | the format's tables |

mod bits;
mod constants;
mod header;
mod modes;
mod predict;
mod residuals;
#[cfg(test)]
mod tests;
mod transform;

use crate::Refused;
use header::Header;
use modes::{Luma, Mode, Modes};
use residuals::{Content, Edge, Reader, Residuals};
use transform::{SPAN, STRIDE};

/// Samples on a block's side, of luma and of each chroma.
pub(super) const SIDE: usize = 16;
const CHROMA_SIDE: usize = SIDE / 2;
/// What is outside of the picture: above, and to the left.
const ABOVE: u8 = 127;
const LEFT: u8 = 129;
/// Where in a row of [`Workspace`] a block begins; both chromas are in one.
const LUMA_FROM: usize = 8;
const CHROMA_FROM: [usize; 2] = [8, 24];

pub(super) struct Decoder<'a> {
    header: Header<'a>,
    reader: Reader,
    /// Of each column of blocks, what the block above leaves.
    columns: Vec<Column>,
    /// Which row of blocks is next.
    row: usize,
    workspace: Workspace,
    residuals: Residuals,
    luma: Plane,
    chroma: [Plane; 2],
}

#[derive(Clone, Default)]
struct Column {
    modes: [Mode; 4],
    edge: Edge,
}

/// A row of blocks, and the last samples of the row above with one block more to the right.
struct Plane {
    stride: usize,
    samples: Vec<u8>,
    above: Vec<u8>,
}

/// One block with the row above it and what is to its left; of luma also what is to the right of that row.
struct Workspace {
    luma: [u8; (1 + SIDE) * STRIDE],
    chroma: [u8; (1 + CHROMA_SIDE) * STRIDE],
}

/// The samples of a row of blocks, from one row to the next `stride` apart; those beyond the picture are of no use.
pub(super) struct Rows<'a> {
    pub(super) luma: &'a [u8],
    pub(super) chroma: [&'a [u8]; 2],
    pub(super) strides: [usize; 2],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Result<Self, Refused> {
        let header = Header::read(frame)?;
        let blocks = (header.width as usize).div_ceil(SIDE);
        Ok(Self {
            reader: Reader::new(&header.probabilities),
            columns: vec![Column::default(); blocks],
            row: 0,
            workspace: Workspace { luma: [0; (1 + SIDE) * STRIDE], chroma: [0; (1 + CHROMA_SIDE) * STRIDE] },
            residuals: Residuals::new(),
            luma: Plane::new(blocks, SIDE),
            chroma: [(); 2].map(|()| Plane::new(blocks, CHROMA_SIDE)),
            header,
        })
    }

    pub(super) fn dimensions(&self) -> (u32, u32) {
        (self.header.width, self.header.height)
    }

    /// Bytes that decoding a picture of this width takes.
    pub(super) fn memory(width: u32) -> u64 {
        let blocks = u64::from(width.div_ceil(SIDE as u32));
        // A row of blocks and one of samples.
        blocks * (SIDE * (SIDE + 1) * 3 / 2 + size_of::<Column>()) as u64
    }

    /// The next row of blocks.
    pub(super) fn row(&mut self) -> Result<Rows<'_>, Refused> {
        let partition = self.row % self.header.coefficients.len();
        let mut left = Column::default();
        self.workspace.begin_row(self.row);
        for column in 0..self.columns.len() {
            self.block(column, partition, &mut left);
        }
        if self.header.modes.ends_early() || self.header.coefficients[partition].ends_early() {
            return Err(Refused::ends_early());
        }
        self.luma.end_row();
        self.chroma.iter_mut().for_each(Plane::end_row);
        self.row += 1;
        let [u, v] = &self.chroma;
        Ok(Rows {
            luma: &self.luma.samples,
            chroma: [&u.samples, &v.samples],
            strides: [self.luma.stride, u.stride],
        })
    }

    fn block(&mut self, column: usize, partition: usize, left: &mut Column) {
        let Header { segment_probabilities, skip_probability, .. } = self.header;
        let above = &mut self.columns[column];
        let modes = modes::read(
            &mut self.header.modes,
            segment_probabilities,
            skip_probability,
            &mut above.modes,
            &mut left.modes,
        );
        let has_means = matches!(modes.luma, Luma::Whole(_));
        if modes.is_skipped {
            above.edge.clear(has_means);
            left.edge.clear(has_means);
        } else {
            let bits = &mut self.header.coefficients[partition];
            let steps = &self.header.steps[modes.segment];
            let edges = (&mut above.edge, &mut left.edge);
            self.reader.read(bits, steps, has_means, edges, &mut self.residuals);
        }
        let is_first = column == 0;
        self.workspace.begin(&self.luma, &self.chroma, column);
        self.workspace.make(&modes, (self.row > 0, !is_first), &mut self.residuals);
        self.workspace.end(&mut self.luma, &mut self.chroma, column);
    }
}

impl Plane {
    fn new(blocks: usize, side: usize) -> Self {
        let stride = blocks * side;
        Self { stride, samples: vec![0; stride * side], above: vec![ABOVE; stride + SIDE] }
    }

    fn end_row(&mut self) {
        let last = &self.samples[self.samples.len() - self.stride..];
        self.above[..self.stride].copy_from_slice(last);
        // To the right of the last block.
        let end = last[self.stride - 1];
        self.above[self.stride..].fill(end);
    }
}

impl Workspace {
    /// What is to the left of the first block: as if there were one.
    fn begin_row(&mut self, row: usize) {
        let corner = if row == 0 { ABOVE } else { LEFT };
        for (at, luma) in self.luma.chunks_exact_mut(STRIDE).enumerate() {
            luma[LUMA_FROM + SIDE - 1] = if at == 0 { corner } else { LEFT };
        }
        for (at, chroma) in self.chroma.chunks_exact_mut(STRIDE).enumerate() {
            for from in CHROMA_FROM {
                chroma[from + CHROMA_SIDE - 1] = if at == 0 { corner } else { LEFT };
            }
        }
    }

    /// The last samples of the block before become those to the left, and what is above comes in.
    fn begin(&mut self, luma: &Plane, chroma: &[Plane; 2], column: usize) {
        for row in self.luma.chunks_exact_mut(STRIDE) {
            row[LUMA_FROM - 1] = row[LUMA_FROM + SIDE - 1];
        }
        for row in self.chroma.chunks_exact_mut(STRIDE) {
            for from in CHROMA_FROM {
                row[from - 1] = row[from + CHROMA_SIDE - 1];
            }
        }
        let above = &luma.above[column * SIDE..][..SIDE + 4];
        self.luma[LUMA_FROM..][..SIDE + 4].copy_from_slice(above);
        for (plane, from) in chroma.iter().zip(CHROMA_FROM) {
            let above = &plane.above[column * CHROMA_SIDE..][..CHROMA_SIDE];
            self.chroma[from..][..CHROMA_SIDE].copy_from_slice(above);
        }
    }

    fn make(&mut self, modes: &Modes, has: (bool, bool), residuals: &mut Residuals) {
        let (luma, chroma) = residuals.content.split_at(SIDE);
        let (luma_blocks, chroma_blocks) = residuals.coefficients.split_at_mut(SIDE);
        match &modes.luma {
            Luma::Whole(mode) => {
                predict::whole::<SIDE>(*mode, &mut self.luma, LUMA_FROM, has);
                if modes.is_skipped {
                    return self.make_chroma(modes, has, chroma, chroma_blocks);
                }
                for (at, (&content, block)) in luma.iter().zip(luma_blocks).enumerate() {
                    add(&mut self.luma, small(at % 4, at / 4, LUMA_FROM), content, block);
                }
            }
            Luma::Small(small_modes) => {
                // The samples to the right of the row above stand for those to the right of others, too.
                let right: [u8; 4] = std::array::from_fn(|x| self.luma[LUMA_FROM + SIDE + x]);
                for y in [4, 8, 12] {
                    self.luma[y * STRIDE + LUMA_FROM + SIDE..][..4].copy_from_slice(&right);
                }
                let blocks = luma.iter().zip(luma_blocks).zip(small_modes);
                for (at, ((&content, block), &mode)) in blocks.enumerate() {
                    let place = small(at % 4, at / 4, LUMA_FROM);
                    if let Some(samples) = self.luma[place - STRIDE - 1..].first_chunk_mut() {
                        predict::small(mode, samples);
                    }
                    if !modes.is_skipped {
                        add(&mut self.luma, place, content, block);
                    }
                }
            }
        }
        self.make_chroma(modes, has, chroma, chroma_blocks);
    }

    fn make_chroma(
        &mut self,
        modes: &Modes,
        has: (bool, bool),
        content: &[Content],
        blocks: &mut [[i16; 16]],
    ) {
        for (plane, from) in CHROMA_FROM.into_iter().enumerate() {
            predict::whole::<CHROMA_SIDE>(modes.chroma, &mut self.chroma, from, has);
            if modes.is_skipped {
                continue;
            }
            for at in 0..4 {
                let place = small(at % 2, at / 2, from);
                add(&mut self.chroma, place, content[4 * plane + at], &mut blocks[4 * plane + at]);
            }
        }
    }

    /// Takes the block to its place in its row.
    fn end(&self, luma: &mut Plane, chroma: &mut [Plane; 2], column: usize) {
        copy::<SIDE>(&self.luma, LUMA_FROM, luma, column);
        for (plane, from) in chroma.iter_mut().zip(CHROMA_FROM) {
            copy::<CHROMA_SIDE>(&self.chroma, from, plane, column);
        }
    }
}

/// Where a small block begins.
fn small(x: usize, y: usize, from: usize) -> usize {
    (1 + 4 * y) * STRIDE + from + 4 * x
}

/// Adds a small block's coefficients, and makes them zero for the next one.
#[inline(never)]
fn add(samples: &mut [u8], place: usize, content: Content, block: &mut [i16; 16]) {
    let Some(samples) = samples[place..].first_chunk_mut::<SPAN>() else { return };
    match content {
        Content::Nothing => return,
        Content::Mean => transform::add_mean(samples, block[0]),
        Content::All => transform::add(samples, block),
    }
    *block = [0; 16];
}

fn copy<const SIDE: usize>(block: &[u8], from: usize, plane: &mut Plane, column: usize) {
    let rows = block.chunks_exact(STRIDE).skip(1);
    for (row, to) in rows.zip(plane.samples.chunks_exact_mut(plane.stride)) {
        to[column * SIDE..][..SIDE].copy_from_slice(&row[from..][..SIDE]);
    }
}
