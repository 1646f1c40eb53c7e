//! How `sam build` compiles what is deployed, for builds that are measured.
#![forbid(unsafe_code)]

mod assembler;

pub use assembler::Assembler;
use std::ffi::OsString;
use std::process::Command;

/// The Cargo profile that `sam build` takes.
pub const PROFILE: &str = "release";

/// `cargo build` by a profile; by that of `sam build`, for the least of Lambda's processors of this architecture, as
/// `cargo lambda` does.
pub fn build(profile: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.args(["build", "--locked", "--profile", profile]);
    if profile == PROFILE {
        let processor = if cfg!(target_arch = "aarch64") { "neoverse-n1" } else { "haswell" };
        cargo.env("RUSTFLAGS", format!("-Ctarget-cpu={processor}"));
    }
    cargo
}
