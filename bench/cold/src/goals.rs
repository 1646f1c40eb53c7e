//! What is aimed at, and what the gate lets pass. All of them are figures of `save-note` with a note to create.

use crate::phases::Phases;
use crate::table::{Cell, Table};

/// In which direction a figure is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

/// As deployed: in millions of instructions.
pub(crate) const INSTRUCTIONS: Phases<Bound> =
    Phases { init: AtMost(5.0), first: AtMost(0.8), warm: AtMost(0.6) };
/// In MB of a million bytes, as Lambda counts a package's.
pub(crate) const BINARY: Bound = AtMost(6.0);
pub(crate) const ZIP: Bound = AtMost(2.5);
/// In MB of 2^20 bytes, as Lambda counts memory.
pub(crate) const MEMORY: Bound = AtMost(10.0);
/// How many times as much CPU the twins need from their start until the first answer…
pub(crate) const COLD_AGAINST_PYTHON: Bound = AtLeast(50.0);
pub(crate) const COLD_AGAINST_NODE: Bound = AtLeast(30.0);
/// … and for each answer after that.
pub(crate) const WARM_AGAINST_PYTHON: Bound = AtLeast(5.0);
pub(crate) const WARM_AGAINST_NODE: Bound = AtLeast(8.0);

/// What `.ci/run` measures: the executable that its tests have built, unoptimised, because an optimised one would take
/// minutes. In millions of instructions, a twentieth over what was seen when they were last set; runs differ by a thousandth.
/// An optimised function executes about a quarter of them in init and an eighth with a request. What is to be caught is dearer
/// than a twentieth: the system's root certificates, another TLS library's entropy, a client that is made for each request.
pub(crate) const GATE: Phases<Bound> = Phases { init: AtMost(17.4), first: AtMost(4.7), warm: AtMost(4.7) };
/// The same without TLS: no certificate is used, so that what is read of them is seen by itself.
pub(crate) const GATE_INIT_WITHOUT_TLS: Bound = AtMost(9.4);

impl Bound {
    pub(crate) fn holds(self, figure: f64) -> bool {
        match self {
            AtMost(limit) => figure <= limit,
            AtLeast(limit) => figure >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            AtMost(limit) => format!("≤ {limit}"),
            AtLeast(limit) => format!("≥ {limit}"),
        }
    }
}

/// Figures beside their bounds.
pub(crate) struct Verdicts {
    table: Table,
    hold: bool,
}

impl Verdicts {
    pub(crate) fn new(titles: [&str; 4]) -> Self {
        Self { table: Table::new(&titles), hold: true }
    }

    pub(crate) fn add(&mut self, name: &str, figure: f64, bound: Bound) {
        let holds = bound.holds(figure);
        self.hold &= holds;
        let verdict = Cell::verdict(holds, if holds { "met" } else { "**missed**" });
        self.table.row(vec![
            Cell::plain(name),
            Cell::plain(format!("{figure:.2}")),
            Cell::plain(bound.text()),
            verdict,
        ]);
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Whether all of them hold.
    pub(crate) fn hold(&self) -> bool {
        self.hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_beyond_its_bound_is_enough() {
        let mut verdicts = Verdicts::new(["", "seen", "goal", ""]);
        verdicts.add("small enough", 1.0, AtMost(1.0));
        verdicts.add("large enough", 1.0, AtLeast(1.0));
        assert!(verdicts.hold());
        verdicts.add("too large", 1.01, AtMost(1.0));
        verdicts.add("small enough", 1.0, AtMost(1.0));
        assert!(!verdicts.hold());
        let mut verdicts = Verdicts::new(["", "seen", "goal", ""]);
        verdicts.add("too small", 0.99, AtLeast(1.0));
        assert!(!verdicts.hold());
    }
}
