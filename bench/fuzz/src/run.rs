//! One target's run: its seeds, its bar, and what libFuzzer tells at its end.

use crate::tool::Tool;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{BufRead, BufReader, Error, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Small pictures of every kind that the tests have.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/thumbnail/tests/pictures");
/// Bytes of a file.
const LONGEST: u64 = 65_536;
/// Megabytes, and seconds for one file: above what limits allow, by what instrumentation costs.
const MEMORY: u64 = 256;
const SECONDS: u64 = 5;

pub(crate) struct Run {
    pub(crate) target: &'static str,
    pub(crate) files: u64,
    pub(crate) seconds: u64,
    /// Branches of the program that some file took.
    pub(crate) edges: u64,
    pub(crate) megabytes: u64,
    /// A file that breaks it.
    pub(crate) breaks: Option<PathBuf>,
}

impl Run {
    /// Runs a target for so many seconds, on from the files that earlier runs found worth keeping.
    pub(crate) fn of(tool: &Tool, target: &'static str, seconds: u64) -> Result<Self> {
        let corpus = tool.directory.join("corpus").join(target);
        let found = tool.directory.join("found").join(target);
        fs::create_dir_all(&found)?;
        plant(&corpus, target)?;
        let mut child = tool
            .command("run", target)
            .arg(&corpus)
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={LONGEST}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-timeout={SECONDS}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg("-print_final_stats=1")
            .stderr(Stdio::piped())
            .spawn()?;
        let mut run = Self { target, files: 0, seconds, edges: 0, megabytes: 0, breaks: None };
        let bar = bar(target);
        let stderr = child.stderr.take().ok_or_else(|| Error::other("no standard error"))?;
        for line in BufReader::new(stderr).lines() {
            run.hear(&line?);
            bar.set_message(format!("{} files, {} edges", run.files, run.edges));
        }
        bar.finish_and_clear();
        if !child.wait()?.success() && run.breaks.is_none() {
            return Err(Error::other(format!("{target} did not run")));
        }
        Ok(run)
    }

    /// Takes in a line of libFuzzer's.
    fn hear(&mut self, line: &str) {
        let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok());
        let after = |label: &str| line.split_once(label).and_then(|(_, rest)| number(rest));
        if let Some(files) = line.strip_prefix('#').and_then(number) {
            self.files = files;
            self.edges = after(" cov: ").unwrap_or(self.edges);
        }
        self.files = after("stat::number_of_executed_units:").unwrap_or(self.files);
        self.megabytes = after("stat::peak_rss_mb:").unwrap_or(self.megabytes);
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.breaks = Some(path.trim().into());
        }
    }
}

/// Puts the seeds of a target where it looks.
fn plant(corpus: &Path, target: &str) -> Result<()> {
    fs::create_dir_all(corpus)?;
    let mut count = 0;
    for file in fs::read_dir(SEEDS)? {
        let path = file?.path();
        let is_meant = path.extension().is_some_and(|extension| extension == target);
        if let Some(name) = path.file_name().filter(|_| is_meant) {
            fs::copy(&path, corpus.join(name))?;
            count += 1;
        }
    }
    if count == 0 { Err(Error::other(format!("there is no seed for {target}"))) } else { Ok(()) }
}

fn bar(target: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {msg}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_prefix(target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Run {
        let mut run = Run { target: "gif", files: 0, seconds: 1, edges: 0, megabytes: 0, breaks: None };
        lines.iter().for_each(|line| run.hear(line));
        run
    }

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let run = heard(&[
            "#3404\tDONE   cov: 2750 ft: 8001 corp: 240/66Kb lim: 65536 exec/s: 55 rss: 41Mb",
            "Done 3404 runs in 61 second(s)",
            "stat::number_of_executed_units: 3405",
            "stat::peak_rss_mb:              41",
        ]);
        assert_eq!((run.files, run.edges, run.megabytes, run.breaks), (3405, 2750, 41, None));
    }

    #[test]
    fn a_file_that_breaks_it_is_named() {
        let run = heard(&["artifact_prefix='/found/'; Test unit written to /found/crash-01"]);
        assert_eq!(run.breaks, Some("/found/crash-01".into()));
    }
}
