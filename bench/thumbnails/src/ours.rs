//! The program of ours, and the function that does the same when deployed.

use compiler::Assembler;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "bench-thumbnails-ours";
const FUNCTION: &str = "thumbnails";

pub(crate) struct Ours {
    pub(crate) program: PathBuf,
    /// Whether AVIF is decoded with the decoder's assembler.
    pub(crate) has_assembler: bool,
    /// How large the function's program is, which on x86-64 has that assembler only where one asks for it.
    pub(crate) function_bytes: u64,
}

impl Ours {
    pub(crate) fn build() -> Result<Self> {
        let this = std::env::current_exe()?;
        let target =
            this.ancestors().nth(2).ok_or_else(|| Error::other("a program outside of Cargo's target"))?;
        let assembler = Assembler::find();
        let mut ours = cargo(target, &["--package", PACKAGE]);
        assembler.add_to(&mut ours);
        finish(ours, PACKAGE)?;
        finish(cargo(target, &["--workspace", "--bin", FUNCTION]), FUNCTION)?;
        let built = target.join(compiler::PROFILE);
        Ok(Self {
            program: built.join(PACKAGE),
            has_assembler: assembler.is_there(),
            function_bytes: std::fs::metadata(built.join(FUNCTION))?.len(),
        })
    }
}

/// Cargo, to build `what` as it is deployed.
fn cargo(target: &Path, what: &[&str]) -> Command {
    let mut cargo = compiler::build(compiler::PROFILE);
    cargo.arg("--quiet").args(what).arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

fn finish(mut cargo: Command, what: &str) -> Result<()> {
    if cargo.status()?.success() {
        return Ok(());
    }
    Err(Error::other(format!("{what} could not be built")))
}
