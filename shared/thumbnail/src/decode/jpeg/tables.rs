//! What a file tells its decoder between scans, and each scan's own header (T.81, B.2.3 and B.2.4).

use super::frame::Frame;
use super::huffman::Table;
use super::segments::{HUFFMAN_TABLES, QUANTISATION_TABLES, RESTART_INTERVAL, Segment};
use super::transform::ZIGZAG;
use crate::Refused;

/// Quantisation steps, row by row.
pub(super) type Steps = [i32; 64];

/// The tables that are in force.
#[derive(Default)]
pub(super) struct Tables {
    quantisation: [Option<Steps>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Units between restart markers; 0 for none.
    pub(super) restart_interval: u32,
}

impl Tables {
    /// Takes a segment in; those of other kinds say nothing here.
    pub(super) fn apply(&mut self, segment: &Segment<'_>) -> Result<(), Refused> {
        match segment.marker {
            QUANTISATION_TABLES => self.quantisation(segment.body),
            HUFFMAN_TABLES => self.huffman(segment.body),
            RESTART_INTERVAL => {
                let [high, low, ..] = segment.body else { return Err(Refused::ends_early()) };
                self.restart_interval = u32::from(u16::from_be_bytes([*high, *low]));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Result<(), Refused> {
        while let [head, rest @ ..] = body {
            let bytes_per_step = if head >> 4 == 0 { 1 } else { 2 };
            let table = self.quantisation.get_mut(usize::from(head & 15)).ok_or_else(no_such_table)?;
            let steps = rest.get(..64 * bytes_per_step).ok_or_else(Refused::ends_early)?;
            let table = table.insert([0; 64]);
            for (step, &place) in steps.chunks_exact(bytes_per_step).zip(&ZIGZAG) {
                table[usize::from(place)] = step.iter().fold(0, |step, &byte| step << 8 | i32::from(byte));
            }
            body = &rest[steps.len()..];
        }
        Ok(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Refused> {
        while let [head, rest @ ..] = body {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(Refused::ends_early)?;
            let size = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(..size).ok_or_else(Refused::ends_early)?;
            let class = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let table = class.get_mut(usize::from(head & 15)).ok_or_else(no_such_table)?;
            *table = Some(Table::new(counts, symbols)?);
            body = &rest[size..];
        }
        Ok(())
    }

    pub(super) fn steps(&self, number: usize) -> Result<Steps, Refused> {
        self.quantisation.get(number).copied().flatten().ok_or_else(no_such_table)
    }

    pub(super) fn dc(&self, number: usize) -> Result<&Table, Refused> {
        self.dc.get(number).and_then(Option::as_ref).ok_or_else(no_such_table)
    }

    pub(super) fn ac(&self, number: usize) -> Result<&Table, Refused> {
        self.ac.get(number).and_then(Option::as_ref).ok_or_else(no_such_table)
    }

    pub(super) fn prepare_skips(&mut self, number: usize) {
        if let Some(Some(table)) = self.ac.get_mut(number) {
            table.prepare_skips();
        }
    }
}

fn no_such_table() -> Refused {
    Refused::damaged("a table that it names is missing")
}

/// A component's part in a scan: its place in the frame, and its Huffman tables.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) component: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

pub(super) struct Scan {
    pub(super) members: Vec<Member>,
    /// First and last coefficient.
    pub(super) first: u32,
    pub(super) last: u32,
    /// Bits that were known before (0 for none), and those still missing after this scan.
    pub(super) high: u32,
    pub(super) low: u32,
}

impl Scan {
    pub(super) fn read(body: &[u8], frame: &Frame) -> Result<Self, Refused> {
        let [count, rest @ ..] = body else { return Err(Refused::ends_early()) };
        let count = usize::from(*count);
        let (members, rest) = rest.split_at_checked(2 * count).ok_or_else(Refused::ends_early)?;
        let [first, last, approximation, ..] = rest else { return Err(Refused::ends_early()) };
        let members = members
            .chunks_exact(2)
            .map(|member| {
                let component = frame.components.iter().position(|component| component.id == member[0])?;
                let (dc, ac) = (usize::from(member[1] >> 4), usize::from(member[1] & 15));
                Some(Member { component, dc, ac })
            })
            .collect::<Option<Vec<_>>>()
            .filter(|members| (1..=frame.components.len()).contains(&members.len()))
            .ok_or_else(|| Refused::damaged("a scan is of no known colour component"))?;
        let scan = Self {
            members,
            first: u32::from(*first),
            last: u32::from(*last),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
        };
        if frame.is_progressive { scan.checked() } else { Ok(scan) }
    }

    /// The rules for progressive scans (T.81, G.1.1.1).
    fn checked(self) -> Result<Self, Refused> {
        let is_right = if self.first == 0 {
            self.last == 0
        } else {
            self.first <= self.last && self.last < 64 && self.members.len() == 1
        };
        let is_a_bit = self.high == 0 || self.high == self.low + 1;
        if is_right && is_a_bit && self.low <= 13 {
            Ok(self)
        } else {
            Err(Refused::damaged("a scan has impossible bounds"))
        }
    }
}
