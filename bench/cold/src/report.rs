//! What was measured, as tables.

use crate::functions::reason;
use crate::goals::{self, Verdicts};
use crate::phases::Phases;
use crate::table::{Cell, Table};
use std::time::Duration;

/// What a program costs.
pub(crate) struct Cost {
    pub(crate) name: String,
    /// `None` of what is interpreted: callgrind would count the interpreter's compiler as well, and take minutes.
    pub(crate) instructions: Option<Phases<u64>>,
    /// Medians.
    pub(crate) cpu: Phases<Duration>,
    pub(crate) peak_kilobytes: u64,
    pub(crate) size: Option<Size>,
}

/// In bytes.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) binary: u64,
    pub(crate) zip: u64,
}

impl Cost {
    fn cold(&self) -> Duration {
        self.cpu.init + self.cpu.first
    }

    /// Whether any figure is more than twice the other's.
    fn is_dear_beside(&self, other: &Self) -> bool {
        let figures = |cost: &Self| {
            let instructions = cost.instructions.unwrap_or(Phases { init: 0, first: 0, warm: 0 });
            let zip = cost.size.map_or(0, |size| size.zip);
            [instructions.init + instructions.first, instructions.warm, zip]
        };
        figures(self).iter().zip(figures(other)).any(|(mine, others)| *mine > 2 * others)
    }
}

pub(crate) fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

fn mebibytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// One line for each program.
pub(crate) fn functions(costs: &[Cost], measure: &Cost) -> Table {
    let mut table = Table::new(&[
        "function",
        "init, M instructions",
        "first request",
        "warm request",
        "cold CPU ms",
        "warm CPU µs",
        "MB of memory",
        "MB binary",
        "MB zip",
        "more than twice save-note, because",
    ]);
    for cost in costs {
        let count = |of: fn(Phases<u64>) -> u64| {
            Cell::plain(
                cost.instructions.map(|phases| format!("{:.2}", millions(of(phases)))).unwrap_or_default(),
            )
        };
        let size = |of: fn(Size) -> u64| {
            Cell::plain(cost.size.map(|size| format!("{:.2}", millions(of(size)))).unwrap_or_default())
        };
        let because = match (cost.is_dear_beside(measure), reason(&cost.name)) {
            (true, Some(reason)) => Cell::plain(reason),
            (true, None) => Cell::verdict(false, "**nobody says why**"),
            (false, _) => Cell::plain(""),
        };
        table.row(vec![
            Cell::plain(&cost.name),
            count(|phases| phases.init),
            count(|phases| phases.first),
            count(|phases| phases.warm),
            Cell::plain(format!("{:.2}", cost.cold().as_secs_f64() * 1e3)),
            Cell::plain(format!("{:.0}", cost.cpu.warm.as_secs_f64() * 1e6)),
            Cell::plain(format!("{:.1}", mebibytes(cost.peak_kilobytes))),
            size(|size| size.binary),
            size(|size| size.zip),
            because,
        ]);
    }
    table
}

/// The goals, as far as they were measured.
pub(crate) fn goals(save_note: &Cost, python: Option<&Cost>, node: Option<&Cost>) -> Verdicts {
    let mut verdicts = Verdicts::new(["save-note", "seen", "goal", ""]);
    if let Some(instructions) = save_note.instructions {
        let bounds = goals::INSTRUCTIONS;
        verdicts.add("init with its warm-up, M instructions", millions(instructions.init), bounds.init);
        verdicts.add("first request, M instructions", millions(instructions.first), bounds.first);
        verdicts.add("warm request, M instructions", millions(instructions.warm), bounds.warm);
    }
    if let Some(size) = save_note.size {
        verdicts.add("binary, MB", millions(size.binary), goals::BINARY);
        verdicts.add("zip, MB", millions(size.zip), goals::ZIP);
    }
    verdicts.add("memory, MB", mebibytes(save_note.peak_kilobytes), goals::MEMORY);
    let times = |mine: Duration, theirs: Duration| theirs.as_secs_f64() / mine.as_secs_f64().max(1e-9);
    for (twin, name, cold, warm) in [
        (python, "Python", goals::COLD_AGAINST_PYTHON, goals::WARM_AGAINST_PYTHON),
        (node, "Node", goals::COLD_AGAINST_NODE, goals::WARM_AGAINST_NODE),
    ] {
        let Some(twin) = twin else { continue };
        let title = |phase| format!("CPU of {name}, {phase}, in times ours");
        verdicts.add(&title("cold"), times(save_note.cold(), twin.cold()), cold);
        verdicts.add(&title("warm"), times(save_note.cpu.warm, twin.cpu.warm), warm);
    }
    verdicts
}

/// What the gate lets pass.
pub(crate) fn gate(tls: Phases<u64>, init_without_tls: u64) -> Verdicts {
    let mut verdicts = Verdicts::new(["save-note, unoptimised, M instructions", "seen", "limit", ""]);
    verdicts.add("init with its warm-up", millions(tls.init), goals::GATE.init);
    verdicts.add("first request", millions(tls.first), goals::GATE.first);
    verdicts.add("warm request", millions(tls.warm), goals::GATE.warm);
    verdicts.add("init without TLS", millions(init_without_tls), goals::GATE_INIT_WITHOUT_TLS);
    verdicts
}
