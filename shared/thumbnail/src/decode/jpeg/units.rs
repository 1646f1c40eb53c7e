//! The order in which a scan's blocks come (T.81, A.2).

use super::frame::Frame;
use super::tables::Scan;

/// A block's place in its component, in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) column: u32,
    pub(super) row: u32,
}

/// The units of a scan: of several components, a few blocks of each; of a single one, one block.
pub(super) struct Units {
    pub(super) rows: u32,
    pub(super) in_row: u32,
    pub(super) members: Vec<UnitMember>,
}

/// A component's blocks in each unit.
#[derive(Clone, Copy)]
pub(super) struct UnitMember {
    pub(super) component: usize,
    horizontal: u32,
    vertical: u32,
}

impl Units {
    pub(super) fn of(frame: &Frame, scan: &Scan) -> Self {
        if let [member] = scan.members.as_slice() {
            let blocks = frame.blocks(&frame.components[member.component]);
            let single = UnitMember { component: member.component, horizontal: 1, vertical: 1 };
            return Self { rows: blocks.used_in_column, in_row: blocks.used_in_row, members: vec![single] };
        }
        let (in_row, rows) = frame.units();
        let members = scan.members.iter().map(|member| {
            let component = &frame.components[member.component];
            let (horizontal, vertical) = (component.horizontal, component.vertical);
            UnitMember { component: member.component, horizontal, vertical }
        });
        Self { rows, in_row, members: members.collect() }
    }

    /// Whether a restart marker goes before this unit.
    #[inline(always)]
    pub(super) fn restarts_at(&self, row: u32, column: u32, interval: u32) -> bool {
        if interval == 0 {
            return false;
        }
        let number = row * self.in_row + column;
        number != 0 && number.is_multiple_of(interval)
    }
}

impl UnitMember {
    #[inline(always)]
    pub(super) fn places(self, row: u32, column: u32) -> impl Iterator<Item = Place> {
        let Self { horizontal, vertical, .. } = self;
        (0..vertical).flat_map(move |y| {
            (0..horizontal).map(move |x| Place { column: column * horizontal + x, row: row * vertical + y })
        })
    }
}
