//! Tables for a terminal and for Markdown.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Plain,
    Good,
    Bad,
}

pub(crate) struct Cell {
    text: String,
    mood: Mood,
}

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), mood: Mood::Plain }
    }

    /// Whether something holds that should.
    pub(crate) fn verdict(holds: bool, text: impl Into<String>) -> Self {
        Self { text: text.into(), mood: if holds { Mood::Good } else { Mood::Bad } }
    }
}

/// A first column of names, then columns of figures and of words.
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().copied().map(Cell::plain).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
            // Writing into a String cannot fail.
            let _infallible = writeln!(text, "| {} |", cells.join(" | "));
            if number == 0 {
                let _infallible = writeln!(text, "|{}", "---|".repeat(row.len()));
            }
        }
        text
    }

    /// Aligned and coloured; where it is no terminal, `anstream` takes the colours off.
    pub(crate) fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let style = style(cell.mood, number == 0);
                let _infallible = write!(line, "{style}{:<width$}{style:#}  ", cell.text);
            }
            anstream::println!("{}", line.trim_end());
        }
        anstream::println!();
    }
}

fn style(mood: Mood, is_title: bool) -> Style {
    match mood {
        Mood::Plain if is_title => Style::new().bold(),
        Mood::Plain => Style::new(),
        Mood::Good => AnsiColor::Green.on_default(),
        Mood::Bad => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_has_a_line_below_its_titles() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec![Cell::plain("1"), Cell::verdict(true, "met")]);
        assert_eq!(table.markdown(), "| a | b |\n|---|---|\n| 1 | met |\n");
    }
}
