//! Makes thumbnails as it is asked to by lines; `candidate` of `bench-thumbnails` says which.
#![forbid(unsafe_code)]

use cpu_time::ProcessTime;
use std::io::{BufRead, Error, Result, Write};
use std::path::Path;
use thumbnail::{Limits, Output, Picture};

fn main() -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| format!("error\t{error}"));
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [output, sizes, path, into] = fields[..] else { return Err(Error::other("no such job")) };
    let (output, extension) = if output == "jpeg" { (Output::Jpeg, "jpg") } else { (Output::WebP, "webp") };
    let sizes: Vec<u32> = sizes.split(',').filter_map(|size| size.parse().ok()).collect();
    let before = ProcessTime::try_now()?;
    let bytes = std::fs::read(path)?;
    let made = thumbnail::make(&bytes, &sizes, output, &Limits::default()).map_err(Error::other)?;
    let after = ProcessTime::try_now()?;
    if !into.is_empty() {
        write(&made, extension, Path::new(into))?;
    }
    let taken = after.duration_since(before).as_nanos();
    let bytes: usize = made.thumbnails.iter().map(|thumbnail| thumbnail.bytes.len()).sum();
    Ok(format!("{taken}\t{}\t{}\t{bytes}", after.as_duration().as_nanos(), peak_kilobytes()?))
}

fn write(made: &Picture, extension: &str, into: &Path) -> Result<()> {
    made.thumbnails.iter().try_for_each(|thumbnail| {
        std::fs::write(into.join(format!("{}.{extension}", thumbnail.size)), &thumbnail.bytes)
    })
}

fn peak_kilobytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or_else(|| Error::other("no VmHWM"))
}
