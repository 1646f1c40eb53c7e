//! The thumbnail crate beside sharp, libvips and Pillow, all doing the same job: decode, turn upright, convert to sRGB,
//! fit, drop metadata, encode at quality 80 or a little more; one thread each, in turns.
//!
//! | module | is |
//! |---|---|
//! | `corpus` | the pictures |
//! | `candidate` | a process that makes thumbnails: ours or a peer |
//! | `ours` | the program of ours and the function, and how they are built |
//! | `judge` | how alike thumbnail and reference look |
//! | `figures` | what was measured |
//! | `goals`, `report` | what is said about it |
#![forbid(unsafe_code)]

mod candidate;
mod corpus;
mod figures;
mod goals;
mod judge;
mod ours;
mod report;

use candidate::{Candidate, Job};
use clap::Parser;
use console::style;
use corpus::Picture;
use figures::Figures;
use indicatif::{ProgressBar, ProgressStyle};
use ours::Ours;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo run --release -p bench-thumbnails`
#[derive(Parser)]
struct Arguments {
    /// Times that each candidate makes each thumbnail; the quickest counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only pictures whose class or file name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// Writes the tables into this file, in place of the section of the same name.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Where peers and pictures are.
    #[arg(long, default_value = "target/thumbnails")]
    directory: PathBuf,
}

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    eprintln!("{}", style("building ours (minutes, the first time)").dim());
    let ours = Ours::build()?;
    eprintln!("{}", style("peers and pictures (minutes, the first time)").dim());
    let installed = Command::new(Path::new(PEERS).join("install.sh")).arg(&arguments.directory).status()?;
    if !installed.success() {
        return Err(Error::other("peers or pictures could not be installed"));
    }
    let directory = arguments.directory.canonicalize()?;
    let pictures = corpus::read(&directory.join("pictures"), arguments.only.as_deref())?;
    let candidates = Candidate::all(ours.program, &directory);
    let figures = measure(&candidates, &pictures, arguments.rounds.max(1), &directory)?;
    let goals = goals::all(&figures, &pictures, ours.function_bytes);
    let decoder = report::decoder(ours.has_assembler);
    report::print(&figures, &pictures, &goals);
    println!("\n{decoder}");
    match arguments.write {
        Some(path) => {
            let tables = report::markdown(&figures, &pictures, &goals);
            section::write(&path, "Thumbnails", &format!("{tables}\n{decoder}\n"))
        }
        None => Ok(()),
    }
}

/// Fresh processes first, one for each thumbnail: memory, and the looks of what is made. Then lasting processes in
/// rounds: in each, every candidate makes every thumbnail, one after the other for the same picture.
fn measure(
    candidates: &[Candidate],
    pictures: &[Picture],
    rounds: usize,
    directory: &Path,
) -> Result<Figures> {
    let mut figures = Figures::new(candidates.len(), pictures.len());
    let bar = bar(pictures.len() * (1 + rounds));
    for (number, picture) in pictures.iter().enumerate() {
        bar.set_message(format!("memory and looks: {}", picture.name));
        for (candidate, figures) in candidates.iter().zip(figures.of_picture(number)) {
            fresh(candidate, picture, &directory.join("made"), figures)?;
        }
        bar.inc(1);
    }
    let mut running = candidates.iter().map(Candidate::start).collect::<Result<Vec<_>>>()?;
    for round in 0..rounds {
        for (number, picture) in pictures.iter().enumerate() {
            bar.set_message(format!("time: {}", picture.name));
            for job in Job::ALL {
                for turn in 0..candidates.len() {
                    let candidate = (turn + round) % candidates.len();
                    if candidates[candidate].does(job) {
                        let answer = running[candidate].ask(job, &picture.path, None)?;
                        figures.seen(candidate, number, job, answer);
                    }
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(figures)
}

fn fresh(candidate: &Candidate, picture: &Picture, made: &Path, figures: &mut figures::Fresh) -> Result<()> {
    let directory = made.join(candidate.name).join(&picture.name);
    std::fs::create_dir_all(&directory)?;
    for job in [Job::Jpeg, Job::WebP] {
        let Some(answer) = candidate.start()?.ask(job, &picture.path, Some(&directory))? else { continue };
        if job == Job::Jpeg {
            figures.process = Some(answer);
        }
        let thumbnail = directory.join(format!("{}.{}", candidate::SIZE, job.extension()));
        figures.looks[job as usize] = judge::score(&thumbnail, &picture.reference)?;
    }
    Ok(())
}

fn bar(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} {elapsed} {msg}");
    ProgressBar::new(length as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
