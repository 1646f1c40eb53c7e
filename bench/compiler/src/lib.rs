//! How `sam build` compiles what is deployed, for builds that are measured.
#![forbid(unsafe_code)]

mod assembler;

pub use assembler::Assembler;
use std::process::Command;

/// The Cargo profile that `sam build` takes.
pub const PROFILE: &str = "release";

/// Has Cargo compile for the least of Lambda's processors of this architecture, as `cargo lambda` does.
pub fn set_processor(cargo: &mut Command) {
    let processor = if cfg!(target_arch = "aarch64") { "neoverse-n1" } else { "haswell" };
    cargo.env("RUSTFLAGS", format!("-Ctarget-cpu={processor}"));
}
