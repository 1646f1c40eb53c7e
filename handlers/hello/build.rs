//! Turns the contract, `openapi.yaml` at the root, into the JSON that is served, so that no YAML parser is.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let contract = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../openapi.yaml");
    println!("cargo::rerun-if-changed={}", contract.display());
    let contract: serde_json::Value = serde_yaml_ng::from_str(&fs::read_to_string(contract)?)?;
    let json = Path::new(&env::var("OUT_DIR")?).join("openapi.json");
    fs::write(json, serde_json::to_string(&contract)?)?;
    Ok(())
}
