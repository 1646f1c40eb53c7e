//! Decisions, from an arithmetic code of them (RFC 6386, 7).

/// Bits that are taken in at once, where so many are left.
const FILL: i32 = 56;

/// A partition of the file, read decision by decision.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    /// The number that was read so far, less what decisions took away; `ahead` bits of it are not wanted yet.
    value: u64,
    ahead: i32,
    /// The interval that is left, less 1: 127 to 254.
    range: u32,
    rest: &'a [u8],
    ends_early: bool,
}

/// Of an interval (less 1) after a decision: by how many bits to widen it, and what it is then.
static SHIFTS: [u8; 256] = shifts();
static WIDENED: [u8; 256] = widened();

const fn shifts() -> [u8; 256] {
    let mut shifts = [0; 256];
    let mut range = 0;
    while range < 127 {
        shifts[range] = (range as u8 + 1).leading_zeros() as u8;
        range += 1;
    }
    shifts
}

const fn widened() -> [u8; 256] {
    let shifts = shifts();
    let mut widened = [0; 256];
    let mut range = 0;
    while range < 255 {
        widened[range] = (((range + 1) << shifts[range]) - 1) as u8;
        range += 1;
    }
    widened
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { value: 0, ahead: -8, range: 254, rest: bytes, ends_early: false }
    }

    /// Whether more was read than there is.
    pub(super) fn ends_early(&self) -> bool {
        self.ends_early
    }

    /// A decision that is no with this probability, in 256ths.
    #[inline(always)]
    pub(super) fn decision(&mut self, probability: u8) -> bool {
        if self.ahead < 0 {
            self.fill();
        }
        let split = (self.range * u32::from(probability)) >> 8;
        let is_yes = (self.value >> self.ahead) as u32 > split;
        // The two ways apart, without a choice between values: the processor foretells the way, and goes on with its range.
        if is_yes {
            self.value -= u64::from(split + 1) << self.ahead;
            self.widen(self.range - split - 1);
            std::hint::black_box(());
        } else {
            self.widen(split);
            std::hint::black_box(());
        }
        is_yes
    }

    #[inline(always)]
    fn widen(&mut self, range: u32) {
        let range = usize::from(range as u8);
        self.range = u32::from(WIDENED[range]);
        self.ahead -= i32::from(SHIFTS[range]);
    }

    /// The value or its negative, both as likely.
    #[inline(always)]
    pub(super) fn with_sign(&mut self, value: i32) -> i32 {
        if self.ahead < 0 {
            self.fill();
        }
        let split = self.range >> 1;
        // All bits of a one where the sign is there: nobody can foretell it.
        let mask = (split.wrapping_sub((self.value >> self.ahead) as u32) as i32) >> 31;
        self.value -= u64::from((split + 1) & mask as u32) << self.ahead;
        self.ahead -= 1;
        self.range = self.range.wrapping_add(mask as u32) | 1;
        (value ^ mask) - mask
    }

    #[inline(always)]
    fn fill(&mut self) {
        if let Some(bytes) = self.rest.first_chunk() {
            self.value = (self.value << FILL) | (u64::from_be_bytes(*bytes) >> (64 - FILL));
            self.rest = &self.rest[FILL as usize / 8..];
            self.ahead += FILL;
            return;
        }
        let (byte, rest) = last(self.rest);
        self.ends_early |= byte.is_none();
        self.value = (self.value << 8) | u64::from(byte.unwrap_or(0));
        self.ahead += 8;
        self.rest = rest;
    }

    pub(super) fn flag(&mut self) -> bool {
        self.decision(128)
    }

    /// A number of so many bits.
    pub(super) fn number(&mut self, bits: u32) -> u8 {
        (0..bits).fold(0, |number, _| (number << 1) | u8::from(self.flag()))
    }

    /// A number with its sign, where there is one; else 0.
    pub(super) fn signed(&mut self, bits: u32) -> i32 {
        if !self.flag() {
            return 0;
        }
        let size = i32::from(self.number(bits));
        if self.flag() { -size } else { size }
    }
}

#[cold]
fn last(bytes: &[u8]) -> (Option<u8>, &[u8]) {
    bytes.split_first().map_or((None, bytes), |(&byte, rest)| (Some(byte), rest))
}
