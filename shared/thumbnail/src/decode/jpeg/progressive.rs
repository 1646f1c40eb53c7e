//! Progressive files: coefficients come band by band and bit by bit. At an eighth only the first is wanted, and the
//! scans of all others are jumped over; otherwise only those of the scale are kept.

use super::bits::Bits;
use super::frame::Frame;
use super::huffman::{Ac, Table, coefficient};
use super::store::Store;
use super::tables::{Scan, Steps, Tables};
use super::transform::{Scale, ZIGZAG, is_low};
use super::units::Units;
use crate::Refused;

/// All that is kept of a picture until its last scan.
pub(super) struct Coefficients {
    scale: Scale,
    components: Vec<Kept>,
}

/// What is kept of one component's blocks.
struct Kept {
    blocks_in_row: usize,
    /// The last coefficient that must be known.
    reach: u32,
    /// A block's lowest `side` × `side` coefficients, row by row.
    values: Vec<i16>,
    /// Which coefficients of a block are not zero, by their number; without it, refining bits could not be told apart.
    /// Empty at an eighth.
    known: Vec<u64>,
    /// Of the component's first scan.
    steps: Option<Steps>,
    /// Bits of the mean that are still to come; nothing has come yet.
    missing: Option<u32>,
}

impl Coefficients {
    /// Bytes that they take.
    pub(super) fn memory(frame: &Frame, scale: Scale) -> u64 {
        let side = scale.side() as u64;
        let bytes_for_known = if scale == Scale::Eighth { 0 } else { 8 };
        frame.all_blocks() * (side * side * 2 + bytes_for_known)
    }

    /// `reaches`: the last coefficient of each component that must be known.
    pub(super) fn new(frame: &Frame, scale: Scale, reaches: Vec<u32>) -> Self {
        let components = frame.components.iter().zip(reaches).map(|(component, reach)| {
            let blocks = frame.blocks(component);
            let count = blocks.in_row as usize * blocks.in_column as usize;
            Kept {
                blocks_in_row: blocks.in_row as usize,
                reach,
                values: vec![0; count * scale.side() * scale.side()],
                known: vec![0; if scale == Scale::Eighth { 0 } else { count }],
                steps: None,
                missing: None,
            }
        });
        Self { scale, components: components.collect() }
    }

    /// Whether later scans can add nothing.
    pub(super) fn is_complete(&self) -> bool {
        self.scale == Scale::Eighth && self.components.iter().all(|kept| kept.missing == Some(0))
    }

    /// Takes a scan in, unless nothing of it is wanted.
    pub(super) fn scan(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
        data: &[u8],
    ) -> Result<(), Refused> {
        if scan.members.iter().all(|member| scan.first > self.components[member.component].reach) {
            return Ok(());
        }
        for member in &scan.members {
            let kept = &mut self.components[member.component];
            if kept.steps.is_none() {
                kept.steps = Some(tables.steps(frame.components[member.component].quantisation)?);
            }
        }
        match (scan.first, scan.high) {
            (0, _) => self.means(frame, scan, tables, data),
            (_, 0) => self.first_bits(frame, scan, tables, data),
            _ => self.refining_bits(frame, scan, tables, data),
        }
    }

    /// The first coefficients: their upper bits, or one more bit of each.
    fn means(&mut self, frame: &Frame, scan: &Scan, tables: &Tables, data: &[u8]) -> Result<(), Refused> {
        let is_first = scan.high == 0;
        let is_due = |kept: &Kept| kept.missing == (if is_first { None } else { Some(scan.high) });
        if !scan.members.iter().all(|member| is_due(&self.components[member.component])) {
            return Err(Refused::damaged("a scan comes twice, or out of its order"));
        }
        let mut bits = Bits::new(data);
        let units = Units::of(frame, scan);
        let size = self.scale.side() * self.scale.side();
        let mut channels = Vec::with_capacity(scan.members.len());
        for member in &scan.members {
            self.components[member.component].missing = Some(scan.low);
            channels.push((if is_first { Some(tables.dc(member.dc)?) } else { None }, 0_i32));
        }
        for row in 0..units.rows {
            for column in 0..units.in_row {
                if units.restarts_at(row, column, tables.restart_interval) {
                    bits.restart();
                    channels.iter_mut().for_each(|(_, prediction)| *prediction = 0);
                }
                for ((table, prediction), member) in channels.iter_mut().zip(&units.members) {
                    let kept = &mut self.components[member.component];
                    for place in member.places(row, column) {
                        let block = place.row as usize * kept.blocks_in_row + place.column as usize;
                        bits.fill();
                        let value = &mut kept.values[block * size];
                        if let Some(table) = table {
                            *prediction = prediction.wrapping_add(table.difference(&mut bits));
                            *value = (*prediction << scan.low) as i16;
                        } else {
                            *value |= (bits.take_bits(1) << scan.low) as i16;
                        }
                    }
                }
            }
            bits.check()?;
        }
        Ok(())
    }

    /// The upper bits of a band.
    fn first_bits(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
        data: &[u8],
    ) -> Result<(), Refused> {
        let table = tables.ac(scan.members[0].ac)?;
        self.each_block(frame, scan, tables, data, |bits, block, ended| match ended.checked_sub(1) {
            Some(left) => left,
            None => block.first_bits(bits, table, scan),
        })
    }

    /// One more bit of what is known of a band, and what becomes known by it.
    fn refining_bits(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
        data: &[u8],
    ) -> Result<(), Refused> {
        let table = tables.ac(scan.members[0].ac)?;
        self.each_block(frame, scan, tables, data, |bits, block, ended| match ended.checked_sub(1) {
            Some(left) => {
                block.refine(bits, scan.first, scan, u32::MAX);
                left
            }
            None => block.refining_bits(bits, table, scan),
        })
    }

    /// Goes over the blocks of a scan of one component. `visit` is told how many blocks from this one on have no bits of
    /// their own, and returns that of the next.
    fn each_block(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
        data: &[u8],
        mut visit: impl FnMut(&mut Bits<'_>, &mut Block<'_>, u32) -> u32,
    ) -> Result<(), Refused> {
        let mut bits = Bits::new(data);
        let units = Units::of(frame, scan);
        let side = self.scale.side();
        let kept = &mut self.components[scan.members[0].component];
        let mut ended = 0;
        for row in 0..units.rows {
            for column in 0..units.in_row {
                if units.restarts_at(row, column, tables.restart_interval) {
                    bits.restart();
                    ended = 0;
                }
                let number = row as usize * kept.blocks_in_row + column as usize;
                let mut block = Block {
                    side,
                    values: &mut kept.values[number * side * side..(number + 1) * side * side],
                    known: &mut kept.known[number],
                };
                ended = visit(&mut bits, &mut block, ended);
            }
            bits.check()?;
        }
        Ok(())
    }

    /// The samples.
    pub(super) fn into_store(self, frame: &Frame) -> Result<Store, Refused> {
        let mut store = Store::new(frame, self.scale);
        let missing = || Refused::damaged("a colour component is missing");
        for (canvas, kept) in store.canvases.iter_mut().zip(self.components) {
            let steps = kept.steps.filter(|_| kept.missing.is_some()).ok_or_else(missing)?;
            match self.scale {
                Scale::Eighth => kept.draw::<1>(&steps, canvas),
                Scale::Quarter => kept.draw::<2>(&steps, canvas),
                Scale::Half => kept.draw::<4>(&steps, canvas),
                Scale::Full => kept.draw::<8>(&steps, canvas),
            }
        }
        Ok(store)
    }
}

impl Kept {
    fn draw<const SIDE: usize>(self, steps: &Steps, canvas: &mut super::store::Canvas) {
        for (number, values) in self.values.chunks_exact(SIDE * SIDE).enumerate() {
            let (row, column) = (number / self.blocks_in_row, number % self.blocks_in_row);
            let place = super::units::Place { row: row as u32, column: column as u32 };
            let value =
                |at: usize, place: usize| (i32::from(values[at]) * steps[place]).clamp(-32_767, 32_767);
            if SIDE == 1 {
                canvas.put_mean(place, value(0, 0));
                continue;
            }
            let mut coefficients = [0; 64];
            for y in 0..SIDE {
                for x in 0..SIDE {
                    coefficients[y * 8 + x] = value(y * SIDE + x, y * 8 + x);
                }
            }
            canvas.put::<SIDE>(place, &coefficients);
        }
    }
}

/// One block while a scan goes over it.
struct Block<'a> {
    side: usize,
    values: &'a mut [i16],
    known: &'a mut u64,
}

impl Block<'_> {
    /// Returns how many blocks after this one have no bits in this scan.
    fn first_bits(&mut self, bits: &mut Bits<'_>, table: &Table, scan: &Scan) -> u32 {
        let mut next = scan.first;
        while next <= scan.last {
            bits.fill();
            match coefficient(bits, table) {
                Ac::End { run } => return (1 << run) + bits.take_bits(run) - 1,
                Ac::Value { run, value } => {
                    next += run;
                    if value != 0 && next <= scan.last {
                        self.set(next, value << scan.low);
                    }
                    next += 1;
                }
            }
        }
        0
    }

    /// Returns as [`Self::first_bits`].
    fn refining_bits(&mut self, bits: &mut Bits<'_>, table: &Table, scan: &Scan) -> u32 {
        let mut next = scan.first;
        while next <= scan.last {
            bits.fill();
            let symbol = table.symbol(bits);
            let (run, size) = (u32::from(symbol >> 4), symbol & 15);
            if size == 0 && run != 15 {
                let ended = (1 << run) + bits.take_bits(run);
                self.refine(bits, next, scan, u32::MAX);
                return ended - 1;
            }
            let is_positive = size != 0 && bits.take_bits(1) != 0;
            next = self.refine(bits, next, scan, run);
            if size != 0 && next <= scan.last {
                self.set(next, if is_positive { 1 << scan.low } else { -(1 << scan.low) });
            }
            next += 1;
        }
        0
    }

    /// Takes a bit for each known coefficient from number `next` on, until `zeros` unknown ones were passed and another
    /// is met; returns its number.
    fn refine(&mut self, bits: &mut Bits<'_>, mut next: u32, scan: &Scan, mut zeros: u32) -> u32 {
        while next <= scan.last {
            if *self.known & 1 << next != 0 {
                if bits.available() < 1 {
                    bits.fill();
                }
                if bits.take_bits(1) != 0 {
                    self.add(next, 1 << scan.low);
                }
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            next += 1;
        }
        next
    }

    fn set(&mut self, number: u32, value: i32) {
        *self.known |= 1 << number;
        if let Some(kept) = self.value(number) {
            *kept = value as i16;
        }
    }

    /// Makes a known coefficient larger, away from zero.
    fn add(&mut self, number: u32, bit: i16) {
        if let Some(kept) = self.value(number)
            && *kept & bit == 0
        {
            *kept = if *kept < 0 { kept.wrapping_sub(bit) } else { kept.wrapping_add(bit) };
        }
    }

    fn value(&mut self, number: u32) -> Option<&mut i16> {
        let place = usize::from(ZIGZAG[number as usize]);
        let at = place / 8 * self.side + place % 8;
        is_low(place, self.side).then(|| &mut self.values[at])
    }
}
