//! What is said: to the terminal, and to a Markdown file.

use crate::candidate::{Job, NAMES, OURS, PILLOW, SHARP};
use crate::corpus::{Picture, classes};
use crate::figures::Figures;
use crate::goals::{Bound, Goal, some};
use console::style;
use std::fmt::Write;

/// What stands where nothing could be measured.
const NOTHING: &str = "–";

/// A row's name, and the pictures it is of.
type Row = (String, Vec<usize>);

fn by_picture(pictures: &[Picture]) -> Vec<Row> {
    (0..pictures.len()).map(|picture| (pictures[picture].name.clone(), vec![picture])).collect()
}

fn by_class(pictures: &[Picture]) -> Vec<Row> {
    let mut rows: Vec<Row> = classes(pictures)
        .into_iter()
        .map(|class| (class.to_owned(), some(pictures, |picture| picture.class == class)))
        .collect();
    rows.push(("all".to_owned(), some(pictures, |_| true)));
    rows
}

pub(crate) fn print(figures: &Figures, pictures: &[Picture], goals: &[Goal]) {
    let mut class = "";
    println!("{}", style(format!("{:34}{}", "CPU ms", HEADINGS)).dim());
    for (picture, row) in by_picture(pictures).iter().enumerate() {
        if pictures[picture].class != class {
            class = &pictures[picture].class;
            println!("{}", style(class).bold());
        }
        print_row(figures, row);
    }
    println!("{}", style("by class").bold());
    by_class(pictures).iter().for_each(|row| print_row(figures, row));
    println!();
    for goal in goals {
        let (bound, seen) = (bound(goal), seen(goal));
        let mark = match goal.holds() {
            Some(true) => style("holds  ").green(),
            Some(false) => style("missed ").red(),
            None => style("unseen ").dim(),
        };
        println!("{mark}{seen:>10}  {bound:>10}  {}", goal.what);
    }
}

const HEADINGS: &str = "   ours  sharp Pillow   vips | × sharp Pillow webp | MB ours sharp | kB ours sharp | looks ours  sharp Pillow   vips";

fn print_row(figures: &Figures, (name, pictures): &Row) {
    let cells = |value: &dyn Fn(usize) -> String, candidates: &[usize], width: usize| {
        candidates.iter().fold(String::new(), |mut line, &candidate| {
            // Writing into a String cannot fail.
            let _infallible = write!(line, "{:>width$}", value(candidate));
            line
        })
    };
    let every = [0, 1, 2, 3];
    let name: String = name.chars().take(32).collect();
    let ratio = figures.ratio(SHARP, pictures, Job::Jpeg);
    let ratios = format!("{:>7}", number(ratio, 2));
    let is_slower = ratio.is_some_and(|ratio| ratio < 1.0);
    println!(
        "  {name:32}{} | {}{:>7}{:>5} |{} |{} |    {}",
        cells(&|candidate| cpu(figures, candidate, pictures, Job::Jpeg), &every, 7),
        if is_slower { style(ratios).red() } else { style(ratios) },
        number(figures.ratio(PILLOW, pictures, Job::Jpeg), 2),
        number(figures.ratio(SHARP, pictures, Job::WebP), 2),
        cells(&|candidate| megabytes(figures, candidate, pictures), &[OURS, SHARP], 7),
        cells(&|candidate| kilobytes(figures, candidate, pictures, Job::Jpeg), &[OURS, SHARP], 7),
        cells(&|candidate| number(figures.looks(candidate, pictures, Job::Jpeg), 1), &every, 7),
    );
}

fn cpu(figures: &Figures, candidate: usize, pictures: &[usize], job: Job) -> String {
    number(figures.cpu(candidate, pictures, job).map(|cpu| cpu.as_secs_f64() * 1e3), 1)
}

fn megabytes(figures: &Figures, candidate: usize, pictures: &[usize]) -> String {
    number(figures.peak(candidate, pictures).map(|kilobytes| kilobytes / 1024.0), 0)
}

fn kilobytes(figures: &Figures, candidate: usize, pictures: &[usize], job: Job) -> String {
    number(figures.bytes(candidate, pictures, job).map(|bytes| bytes as f64 / 1e3), 0)
}

fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.places$}"))
}

fn bound(goal: &Goal) -> String {
    match goal.bound {
        Bound::AtLeast(least) => format!("≥ {least}{}", goal.unit),
        Bound::AtMost(most) => format!("≤ {most}{}", goal.unit),
    }
}

fn seen(goal: &Goal) -> String {
    goal.seen.map_or_else(|| NOTHING.to_owned(), |seen| format!("{seen:.2}{}", goal.unit))
}

/// What decoded AVIF.
pub(crate) fn decoder(has_assembler: bool) -> &'static str {
    if has_assembler {
        "AVIF was decoded with the decoder's assembler, as on arm64."
    } else {
        "**AVIF was decoded without the decoder's assembler**, unlike on arm64: there was no nasm to build it."
    }
}

/// The section's tables: goals, classes, and each picture.
pub(crate) fn markdown(figures: &Figures, pictures: &[Picture], goals: &[Goal]) -> String {
    let mut text = "| | goal | seen | |\n|---|---|---|---|\n".to_owned();
    for goal in goals {
        let verdict = goal.holds().map_or(NOTHING, |holds| if holds { "holds" } else { "**missed**" });
        let _infallible = writeln!(text, "| {} | {} | {} | {verdict} |", goal.what, bound(goal), seen(goal));
    }
    text.push('\n');
    text.push_str(&times(figures, &by_class(pictures), "class"));
    text.push('\n');
    text.push_str(&looks(figures, &by_class(pictures)));
    text.push_str("\n<details><summary>Each picture</summary>\n\n");
    text.push_str(&times(figures, &by_picture(pictures), "picture"));
    text.push('\n');
    text.push_str(&looks(figures, &by_picture(pictures)));
    text.push_str("\n</details>\n");
    text
}

fn times(figures: &Figures, rows: &[Row], of: &str) -> String {
    let mut text = format!(
        "| {of} | CPU ms, JPEG out: {} | against sharp | against Pillow | WebP out: against sharp | three sizes: ours | sharp | ratio |\n|---{}|\n",
        NAMES.join(" | "),
        "|---".repeat(NAMES.len() + 6),
    );
    for (name, pictures) in rows {
        let ratio = |peer: usize, job: Job| number(figures.ratio(peer, pictures, job), 2);
        let cpu = |candidate: usize, job: Job| cpu(figures, candidate, pictures, job);
        let jpeg: Vec<String> = (0..NAMES.len()).map(|candidate| cpu(candidate, Job::Jpeg)).collect();
        let _infallible = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            jpeg.join(" | "),
            ratio(SHARP, Job::Jpeg),
            ratio(PILLOW, Job::Jpeg),
            ratio(SHARP, Job::WebP),
            cpu(OURS, Job::ThreeSizes),
            cpu(SHARP, Job::ThreeSizes),
            ratio(SHARP, Job::ThreeSizes),
        );
    }
    text
}

fn looks(figures: &Figures, rows: &[Row]) -> String {
    let names = NAMES.join(" | ");
    let mut text = format!(
        "| peak MB, kB, SSIMULACRA2 | MB: {names} | kB of JPEG: {names} | kB of WebP: {names} | JPEG looks: {names} | WebP looks: {names} |\n|---{}|\n",
        "|---".repeat(5 * NAMES.len()),
    );
    let each = |value: &dyn Fn(usize) -> String| (0..NAMES.len()).map(value).collect::<Vec<_>>().join(" | ");
    for (name, pictures) in rows {
        let _infallible = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            each(&|candidate| megabytes(figures, candidate, pictures)),
            each(&|candidate| kilobytes(figures, candidate, pictures, Job::Jpeg)),
            each(&|candidate| kilobytes(figures, candidate, pictures, Job::WebP)),
            each(&|candidate| number(figures.looks(candidate, pictures, Job::Jpeg), 1)),
            each(&|candidate| number(figures.looks(candidate, pictures, Job::WebP), 1)),
        );
    }
    text
}
