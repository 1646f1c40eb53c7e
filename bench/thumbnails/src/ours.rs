//! The program of ours, built as it is deployed.

use compiler::Assembler;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "bench-thumbnails-ours";

pub(crate) struct Ours {
    pub(crate) program: PathBuf,
    /// Whether AVIF is decoded with the decoder's assembler.
    pub(crate) has_assembler: bool,
}

impl Ours {
    pub(crate) fn build() -> Result<Self> {
        let this = std::env::current_exe()?;
        let target =
            this.ancestors().nth(2).ok_or_else(|| Error::other("a program outside of Cargo's target"))?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--profile", compiler::PROFILE, "--quiet", "--package", PACKAGE]);
        cargo.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        compiler::set_processor(&mut cargo);
        let assembler = Assembler::find();
        assembler.add_to(&mut cargo);
        if !cargo.status()?.success() {
            return Err(Error::other("ours could not be built"));
        }
        Ok(Self {
            program: target.join(compiler::PROFILE).join(PACKAGE),
            has_assembler: assembler.is_there(),
        })
    }
}
