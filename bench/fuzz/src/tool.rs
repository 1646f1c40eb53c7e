//! `cargo fuzz`: the version that is used, where it is, and how it builds.

use compiler::Assembler;
use console::style;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = "0.13.1";
pub(crate) const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/thumbnail/fuzz");

pub(crate) struct Tool {
    pub(crate) directory: PathBuf,
    assembler: Assembler,
}

impl Tool {
    /// Installs it into `directory`, unless it is there.
    pub(crate) fn install(directory: &Path) -> Result<Self> {
        let tool = Self { directory: directory.to_owned(), assembler: Assembler::find() };
        let said = Command::new(tool.program()).args(["fuzz", "--version"]).output();
        if said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim_end().ends_with(VERSION)) {
            return Ok(tool);
        }
        eprintln!("{}", style("cargo-fuzz (a minute, the first time)").dim());
        let mut install = Command::new("cargo");
        install.args(["install", "cargo-fuzz", "--locked", "--quiet", "--version", VERSION, "--root"]);
        succeed(install.arg(directory), "cargo-fuzz could not be installed")?;
        Ok(tool)
    }

    fn program(&self) -> PathBuf {
        self.directory.join("bin/cargo-fuzz")
    }

    /// Builds a target. Without sanitizers, which only a nightly compiler has: what is ours has no unsafe code, and
    /// assertions and checks of overflows are on.
    pub(crate) fn build(&self, target: &str) -> Result<()> {
        eprintln!("{}", style(format!("building {target}")).dim());
        succeed(&mut self.command("build", target), &format!("{target} could not be built"))
    }

    /// A command of the tool for a target.
    pub(crate) fn command(&self, name: &str, target: &str) -> Command {
        let mut command = Command::new(self.program());
        command.args(["fuzz", name, "--sanitizer", "none", "--fuzz-dir", FUZZ]);
        self.assembler.add_to(&mut command);
        command.arg(target);
        command.env("CARGO_TARGET_DIR", self.directory.join("build"));
        command
    }
}

fn succeed(command: &mut Command, otherwise: &str) -> Result<()> {
    if command.status()?.success() { Ok(()) } else { Err(Error::other(otherwise)) }
}
