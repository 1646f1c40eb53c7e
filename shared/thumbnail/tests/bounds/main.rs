//! Hostile files, each in a fresh process: whatever they are, it ends within a second of processor time and 64 MB, in
//! thumbnails or in a typed refusal.
//!
//! `cargo test -p thumbnail --test bounds -- NAME…` tries those whose names contain one of the words;
//! `… -- PATH…` tries files.
#![forbid(unsafe_code)]
// clippy.toml allows it in `#[test]` functions, of which there are none here.
#![allow(clippy::unwrap_used)]

mod files;
mod jpeg;
mod media;
mod png;
mod process;
mod webp;

use files::{Ending, Hostile};
use process::Run;
use std::path::Path;
use std::time::Duration;
use thumbnail::Refused;

const MOST_TIME: Duration = Duration::from_secs(1);
/// Kilobytes, of which the program itself is a part.
const MOST_MEMORY: u64 = 64_000_000 / 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let Some(file) = std::env::var_os(process::FILE) {
        return process::make(Path::new(&file));
    }
    if !cfg!(target_os = "linux") {
        return println!("processes are measured on Linux only");
    }
    let (paths, words): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|word| Path::new(word).is_file());
    for path in &paths {
        println!("{path}: {}", process::run(Path::new(path)));
    }
    if paths.is_empty() {
        hostile(&words);
    }
}

fn hostile(words: &[String]) {
    let is_meant = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut count = 0;
    let mut wrong = Vec::new();
    for Hostile { name, ending, bytes } in files::all(is_meant) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
        std::fs::write(&path, bytes).unwrap();
        let run = process::run(&path);
        println!("{name}: {run}");
        count += 1;
        if let Err(problem) = judge(&run, &ending) {
            wrong.push(format!("{name}: {problem}: {run}"));
        }
    }
    assert!(count > 0 || !words.is_empty(), "something was tried");
    assert!(wrong.is_empty(), "{} of {count} files:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} hostile files, none of them above {MOST_MEMORY} kB or {MOST_TIME:?}");
}

fn judge(run: &Run, ending: &Ending) -> Result<(), String> {
    let Some(outcome) = &run.outcome else { return Err("the process died".to_owned()) };
    if outcome.as_ref().is_err_and(|reason| *reason == Refused::DecoderFailed.to_string()) {
        return Err("a decoder panicked".to_owned());
    }
    match (ending, outcome) {
        (Ending::Refused(words), Err(reason)) if reason.contains(words) => {}
        (Ending::Made, Ok(_)) | (Ending::Either, _) => {}
        _ => return Err(format!("{ending:?} was expected")),
    }
    if run.time > MOST_TIME {
        return Err(format!("longer than {MOST_TIME:?}"));
    }
    if run.memory > MOST_MEMORY {
        return Err(format!("more than {MOST_MEMORY} kB"));
    }
    Ok(())
}
