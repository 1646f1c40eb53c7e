//! Huffman tables: symbols, values of short codes, and whole strings of coefficients that nobody wants.

use super::bits::{Bits, extended};
use crate::Refused;

const LONGEST_CODE: usize = 16;
/// Bits that one look-up sees.
const LOOK: u32 = 13;
const LOOKS: usize = 1 << LOOK;

/// A code's length and symbol; length 0 where no code fits.
#[derive(Clone, Copy, Default)]
struct Code {
    length: u8,
    symbol: u8,
}

/// A symbol with its value, whole in the next `SHORT` bits; `bits` 0 where there is none such.
#[derive(Clone, Copy, Default)]
struct Short {
    value: i16,
    run: u8,
    bits: u8,
}

/// Few enough that the table stays in the processor's nearest cache.
const SHORT: u32 = 10;

/// One table, for DC or for AC.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next `LOOK` bits.
    codes: Vec<Code>,
    /// By the next `SHORT` bits.
    shorts: Vec<Short>,
    /// For longer codes: of each length, one more than its last code, left-aligned to 16 bits; and where its symbols are.
    limits: [u32; LONGEST_CODE + 1],
    offsets: [i32; LONGEST_CODE + 1],
    symbols: Vec<u8>,
    /// By the next `SKIP_LOOK` bits, what to pass over; see [`Skip`].
    skips: Vec<Skip>,
}

/// All the symbols whose codes are in the next bits, to be passed over: 0 to 4 the bits they take, with the last one's
/// value, which may go beyond those looked at; from 5 the coefficients they go over, the end of the block counted as one,
/// and `ENDS_BLOCK` where the last is that end. `UNKNOWN` where not one code fits.
pub(super) type Skip = u16;
const COEFFICIENTS_FROM: u32 = 5;
/// Among coefficients: more than any block has, so that one comparison sees these and the block's last coefficient.
const ENDS_BLOCK: u32 = 128;
const UNKNOWN: u32 = 256;
/// Bits that a look at what to pass over sees: two such tables and more fit the processor's nearest cache.
const SKIP_LOOK: u32 = 12;

impl Table {
    /// From a DHT segment's counts of codes of each length, and symbols.
    pub(super) fn new(counts: &[u8; LONGEST_CODE], symbols: &[u8]) -> Result<Self, Refused> {
        let mut table = Self {
            codes: vec![Code::default(); LOOKS],
            shorts: Vec::new(),
            limits: [0; LONGEST_CODE + 1],
            offsets: [0; LONGEST_CODE + 1],
            symbols: symbols.to_vec(),
            skips: Vec::new(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=LONGEST_CODE {
            let count = usize::from(counts[length - 1]);
            table.offsets[length] = index as i32 - code as i32;
            for &symbol in &symbols[index..index + count] {
                table.enter(code, length, symbol)?;
                code += 1;
            }
            index += count;
            table.limits[length] = code << (LONGEST_CODE - length);
            code <<= 1;
        }
        table.shorts = (0..1 << SHORT).map(|bits| table.short_of(bits)).collect();
        Ok(table)
    }

    fn short_of(&self, bits: u32) -> Short {
        let code = self.codes[(bits << (LOOK - SHORT)) as usize];
        let (run, size) = (code.symbol >> 4, u32::from(code.symbol & 15));
        let taken = u32::from(code.length) + size;
        if code.length == 0 || taken > SHORT {
            return Short::default();
        }
        let value = extended((bits >> (SHORT - taken)) & ((1 << size) - 1), size);
        Short { value: value as i16, run, bits: taken as u8 }
    }

    #[inline(always)]
    fn short(&self, bits: &Bits<'_>) -> Short {
        self.shorts[bits.peek(SHORT) & ((1 << SHORT) - 1)]
    }

    fn enter(&mut self, code: u32, length: usize, symbol: u8) -> Result<(), Refused> {
        if code >= 1 << length {
            return Err(Refused::damaged("a Huffman table has too many codes"));
        }
        if length <= LOOK as usize {
            let free = LOOK as usize - length;
            let first = (code as usize) << free;
            self.codes[first..first + (1 << free)].fill(Code { length: length as u8, symbol });
        }
        Ok(())
    }

    /// The next symbol. Needs 16 bits.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        let code = self.codes[bits.peek(LOOK) & (LOOKS - 1)];
        if code.length != 0 {
            bits.skip(u32::from(code.length));
            return code.symbol;
        }
        let (length, symbol) = self.long_symbol(bits.peek(LONGEST_CODE as u32) as u32);
        bits.skip(length);
        symbol
    }

    /// The length and symbol of the code that these 16 bits begin with.
    #[cold]
    #[inline(never)]
    fn long_symbol(&self, next: u32) -> (u32, u8) {
        let length = (LOOK as usize + 1..=LONGEST_CODE).find(|&length| next < self.limits[length]);
        let length = length.unwrap_or(LONGEST_CODE);
        let index = (next >> (LONGEST_CODE - length)) as i32 + self.offsets[length];
        // Bits that are no code: the end of a block does the least damage.
        let symbol =
            usize::try_from(index).ok().and_then(|index| self.symbols.get(index)).copied().unwrap_or(0);
        (length as u32, symbol)
    }

    /// The next DC difference. Needs 32 bits.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> i32 {
        let short = self.short(bits);
        if short.bits != 0 {
            bits.skip(u32::from(short.bits));
            return i32::from(short.value);
        }
        let size = u32::from(self.symbol(bits)) & 15;
        bits.signed(size)
    }

    /// By the next `SKIP_LOOK` bits, what to pass over.
    #[inline(always)]
    fn skip(&self, bits: &Bits<'_>) -> Skip {
        self.skips[bits.peek(SKIP_LOOK) & ((1 << SKIP_LOOK) - 1)]
    }

    /// Makes the table for passing over coefficients. What `n` bits hold is their first symbol, and what the bits after
    /// it hold: so from the shortest to the longest, each entry is one step.
    pub(super) fn prepare_skips(&mut self) {
        if !self.skips.is_empty() {
            return;
        }
        let mut by_length: Vec<Skip> = vec![(UNKNOWN as Skip) << COEFFICIENTS_FROM; 2 << SKIP_LOOK];
        for length in 1..=SKIP_LOOK {
            for bits in 0..1_usize << length {
                by_length[(1 << length) + bits] = self.skip_of(bits, length, &by_length);
            }
        }
        self.skips = by_length.split_off(1 << SKIP_LOOK);
    }

    fn skip_of(&self, bits: usize, length: u32, shorter: &[Skip]) -> Skip {
        let unknown = (UNKNOWN as Skip) << COEFFICIENTS_FROM;
        let code = self.codes[bits << (LOOK - length)];
        if code.length == 0 || u32::from(code.length) > length {
            return unknown;
        }
        let (run, size) = (code.symbol >> 4, u32::from(code.symbol & 15));
        if size == 0 && run != 15 {
            return Skip::from(code.length) | (1 + ENDS_BLOCK as Skip) << COEFFICIENTS_FROM;
        }
        let taken = u32::from(code.length) + size;
        let here = taken as Skip | ((Skip::from(run) + 1) << COEFFICIENTS_FROM);
        let after = match length.checked_sub(taken) {
            Some(left @ 1..) => shorter[(1 << left) + (bits & ((1 << left) - 1))],
            _ => unknown,
        };
        let together = here + after;
        let coefficients = u32::from(together >> COEFFICIENTS_FROM);
        if after == unknown || coefficients & (ENDS_BLOCK - 1) > 63 { here } else { together }
    }
}

/// Passes over the rest of a block's AC coefficients, of which the next is number `next`.
#[inline(always)]
pub(super) fn pass_over(bits: &mut Bits<'_>, table: &Table, mut next: u32) {
    while next < 64 {
        bits.fill();
        // Two looks at most: each takes up to 12 bits and a value of 15, of the 56 that there are.
        for _ in 0..2 {
            let skip = table.skip(bits);
            let coefficients = u32::from(skip >> COEFFICIENTS_FROM);
            let after = next + coefficients;
            if after < 64 {
                bits.skip(u32::from(skip & 31));
                next = after;
                continue;
            }
            // Symbols after coefficient 63 are the next block's.
            if coefficients & UNKNOWN != 0 || next + (coefficients & (ENDS_BLOCK - 1)) > 64 {
                next = pass_over_one(bits, table, next);
                break;
            }
            bits.skip(u32::from(skip & 31));
            return;
        }
    }
}

/// Passes over one symbol, and returns what comes next: 64 at the end of the block.
#[inline(always)]
fn pass_over_one(bits: &mut Bits<'_>, table: &Table, next: u32) -> u32 {
    if bits.available() < 32 {
        bits.fill();
    }
    let symbol = table.symbol(bits);
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    bits.skip(size);
    if size == 0 && run != 15 { 64 } else { next + run + 1 }
}

/// What an AC symbol says.
pub(super) enum Ac {
    /// After a run of zeros, a value.
    Value { run: u32, value: i32 },
    /// No more in this block (and, in progressive files, `2^run` and so many more blocks, as the next bits say).
    End { run: u32 },
}

/// The next AC symbol with its value. Needs 32 bits.
#[inline(always)]
pub(super) fn coefficient(bits: &mut Bits<'_>, table: &Table) -> Ac {
    let short = table.short(bits);
    if short.bits != 0 {
        bits.skip(u32::from(short.bits));
        let (run, value) = (u32::from(short.run), i32::from(short.value));
        // A size of 0 is told by its value, which no other size has.
        return if value == 0 && run != 15 { Ac::End { run } } else { Ac::Value { run, value } };
    }
    let symbol = table.symbol(bits);
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    if size == 0 && run != 15 {
        return Ac::End { run };
    }
    let value = bits.signed(size);
    Ac::Value { run, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table with `counts` codes of each length, as far as they fit, for symbols that `seed` mixes.
    fn table(counts: &[u8; LONGEST_CODE], seed: u8) -> Table {
        let mut free = 1_u32;
        let fitting: [u8; LONGEST_CODE] = std::array::from_fn(|at| {
            // One code of the longest stays free: all ones is none.
            free *= 2;
            let count = u32::from(counts[at]).min(free - 1);
            free -= count;
            count as u8
        });
        let size: usize = fitting.iter().map(|&count| usize::from(count)).sum();
        let symbols: Vec<u8> = (0..size).map(|n| (n as u8).wrapping_mul(seed | 1)).collect();
        let mut table = Table::new(&fitting, &symbols).unwrap();
        table.prepare_skips();
        table
    }

    proptest! {
        #[test]
        fn many_symbols_are_passed_over_as_one_after_the_other(
            counts in prop::array::uniform16(0_u8..4),
            seed in any::<u8>(),
            coded in prop::collection::vec(0_u8..255, 2000),
        ) {
            let table = table(&counts, seed);
            let (mut together, mut singly) = (Bits::new(&coded), Bits::new(&coded));
            for first in [1, 5, 25, 1, 60, 1] {
                pass_over(&mut together, &table, first);
                let mut next = first;
                while next < 64 {
                    next = pass_over_one(&mut singly, &table, next);
                }
                together.fill();
                singly.fill();
                prop_assert_eq!(together.peek(16), singly.peek(16));
            }
        }
    }
}
