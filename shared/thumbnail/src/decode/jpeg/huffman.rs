//! Huffman tables: symbols, values of short codes, and whole strings of coefficients that nobody wants.

use super::bits::{Bits, extended};
use crate::Refused;

const LONGEST_CODE: usize = 16;
/// Bits that one look-up sees.
pub(super) const LOOK: u32 = 13;
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
    /// By the next `LOOK` bits, what to pass over; see [`Skip`].
    skips: Vec<Skip>,
}

/// All the whole symbols that are in the next bits: 0 to 3 the bits they take (0: not one fits), 4 whether the last
/// ends the block, from 5 the coefficients they go over, the end of the block counted as one.
pub(super) type Skip = u16;
const ENDS_BLOCK: Skip = 1 << 4;
const COEFFICIENTS_FROM: u32 = 5;

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

    /// By the next `LOOK` bits, what to pass over.
    #[inline(always)]
    pub(super) fn skip(&self, bits: &Bits<'_>) -> Skip {
        self.skips[bits.peek(LOOK) & (LOOKS - 1)]
    }

    /// Makes the table for passing over coefficients. What `n` bits hold is their first symbol, and what the bits after
    /// it hold: so from the shortest to the longest, each entry is one step.
    pub(super) fn prepare_skips(&mut self) {
        if !self.skips.is_empty() {
            return;
        }
        let mut by_length: Vec<Skip> = vec![0; 2 * LOOKS];
        for length in 1..=LOOK {
            for bits in 0..1_usize << length {
                by_length[(1 << length) + bits] = self.skip_of(bits, length, &by_length);
            }
        }
        self.skips = by_length.split_off(LOOKS);
    }

    fn skip_of(&self, bits: usize, length: u32, shorter: &[Skip]) -> Skip {
        let code = self.codes[bits << (LOOK - length)];
        let (run, size) = (code.symbol >> 4, u32::from(code.symbol & 15));
        let taken = u32::from(code.length) + size;
        if code.length == 0 || taken > length {
            return 0;
        }
        let here = taken as Skip | ((Skip::from(run) + 1) << COEFFICIENTS_FROM);
        if size == 0 && run != 15 {
            return taken as Skip | ENDS_BLOCK | 1 << COEFFICIENTS_FROM;
        }
        let left = length - taken;
        let after = if left == 0 { 0 } else { shorter[(1 << left) + (bits & ((1 << left) - 1))] };
        let coefficients = (here >> COEFFICIENTS_FROM) + (after >> COEFFICIENTS_FROM);
        if coefficients > 63 { here } else { here + after }
    }
}

/// Passes over the rest of a block's AC coefficients, of which the next is number `next`.
#[inline(always)]
pub(super) fn pass_over(bits: &mut Bits<'_>, table: &Table, mut next: u32) {
    while next < 64 {
        if bits.available() < 32 {
            bits.fill();
        }
        let skip = table.skip(bits);
        let after = next + u32::from(skip >> COEFFICIENTS_FROM);
        // Symbols after coefficient 63 are the next block's.
        if skip != 0 && after <= 64 {
            bits.skip(u32::from(skip & 15));
            if skip & ENDS_BLOCK != 0 {
                return;
            }
            next = after;
            continue;
        }
        let symbol = table.symbol(bits);
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        bits.skip(size);
        if size == 0 && run != 15 {
            return;
        }
        next += run + 1;
    }
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
