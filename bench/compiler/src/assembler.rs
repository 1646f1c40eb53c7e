//! Builds of the thumbnail crate with its AV1 decoder's assembler, as on arm64, which is what is deployed unless one says
//! otherwise. There it is always in it; for x86-64 it is the feature `nasm`, and takes nasm to build.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const UNPACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/debian.sh");
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/nasm");

/// What this machine can build with.
pub struct Assembler {
    nasm: Option<PathBuf>,
}

impl Assembler {
    /// Looks for the machine's nasm, or else fetches that of a Debian package.
    pub fn find() -> Self {
        Self { nasm: if cfg!(target_arch = "x86_64") { nasm() } else { None } }
    }

    pub fn is_there(&self) -> bool {
        self.nasm.is_some() || cfg!(target_arch = "aarch64")
    }

    /// Has Cargo build with it.
    pub fn add_to(&self, cargo: &mut Command) {
        if let Some(nasm) = &self.nasm {
            cargo.args(["--features", "nasm"]).env("NASM", nasm);
        }
    }
}

fn nasm() -> Option<PathBuf> {
    let of_machine = PathBuf::from("nasm");
    let of_package = Path::new(UNPACKED).join("usr/bin/nasm");
    if runs(&of_machine) {
        return Some(of_machine);
    }
    if !runs(&of_package) {
        // It may fail as it likes: what counts is whether there is a nasm then.
        let _unpacked = Command::new(UNPACK).args([UNPACKED, "nasm"]).status();
    }
    runs(&of_package).then_some(of_package)
}

fn runs(nasm: &Path) -> bool {
    let said = Command::new(nasm).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    said.is_ok_and(|status| status.success())
}
