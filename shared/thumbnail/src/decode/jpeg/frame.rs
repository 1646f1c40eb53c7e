//! The frame header (T.81, B.2.2): how large a picture is, and how its samples are laid out in blocks.

use crate::Refused;

const BLOCK_SIDE: u32 = 8;
const MOST_COMPONENTS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) horizontal: u32,
    pub(super) vertical: u32,
    pub(super) quantisation: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: Vec<Component>,
    pub(super) is_progressive: bool,
}

impl Frame {
    pub(super) fn read(marker: u8, body: &[u8]) -> Result<Self, Refused> {
        let is_progressive = match marker {
            0xC0 | 0xC1 => false,
            0xC2 => true,
            0xC9..=0xCF => return Err(Refused::Unsupported("a JPEG with arithmetic coding")),
            _ => return Err(Refused::Unsupported("a lossless or hierarchical JPEG")),
        };
        let [precision, h1, h2, w1, w2, count, rest @ ..] = body else {
            return Err(Refused::ends_early());
        };
        if *precision != 8 {
            return Err(Refused::Unsupported("a JPEG with more than eight bits a colour"));
        }
        let count = usize::from(*count);
        if !matches!(count, 1 | 3 | 4) {
            return Err(Refused::damaged(format_args!("it has {count} colour components")));
        }
        let rest = rest.get(..3 * count).ok_or_else(Refused::ends_early)?;
        let mut components = rest.chunks_exact(3).map(component).collect::<Result<Vec<_>, _>>()?;
        if let [single] = components.as_mut_slice() {
            // A single component has no sampling, whatever its factors say.
            (single.horizontal, single.vertical) = (1, 1);
        }
        let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
        Ok(Self { width: side(*w1, *w2), height: side(*h1, *h2), components, is_progressive })
    }

    /// The largest sampling factors: the blocks of a unit that all components share.
    pub(super) fn sampling(&self) -> (u32, u32) {
        let most = |factor: fn(&Component) -> u32| self.components.iter().map(factor).max().unwrap_or(1);
        (most(|c| c.horizontal), most(|c| c.vertical))
    }

    /// Units (MCUs) in a row, and rows of them.
    pub(super) fn units(&self) -> (u32, u32) {
        let (horizontal, vertical) = self.sampling();
        (self.width.div_ceil(BLOCK_SIDE * horizontal), self.height.div_ceil(BLOCK_SIDE * vertical))
    }

    /// A component's blocks in a row and in a column: those of whole units, and those that hold pixels.
    pub(super) fn blocks(&self, component: &Component) -> Blocks {
        let (horizontal, vertical) = self.sampling();
        let (units_in_row, rows_of_units) = self.units();
        let samples = |side: u32, factor: u32, most: u32| (side * factor).div_ceil(most).div_ceil(BLOCK_SIDE);
        Blocks {
            in_row: units_in_row * component.horizontal,
            in_column: rows_of_units * component.vertical,
            used_in_row: samples(self.width, component.horizontal, horizontal),
            used_in_column: samples(self.height, component.vertical, vertical),
        }
    }

    /// Blocks of all components.
    pub(super) fn all_blocks(&self) -> u64 {
        let of = |component: &Component| {
            let blocks = self.blocks(component);
            u64::from(blocks.in_row) * u64::from(blocks.in_column)
        };
        self.components.iter().map(of).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) in_row: u32,
    pub(super) in_column: u32,
    pub(super) used_in_row: u32,
    pub(super) used_in_column: u32,
}

fn component(bytes: &[u8]) -> Result<Component, Refused> {
    let (horizontal, vertical) = (u32::from(bytes[1] >> 4), u32::from(bytes[1] & 15));
    let most = MOST_COMPONENTS as u32;
    if horizontal == 0 || horizontal > most || vertical == 0 || vertical > most || bytes[2] > 3 {
        return Err(Refused::damaged("a colour component has impossible sampling"));
    }
    Ok(Component { id: bytes[0], horizontal, vertical, quantisation: usize::from(bytes[2]) })
}
