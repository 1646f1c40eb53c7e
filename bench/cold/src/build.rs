//! Makes what is measured: the handlers, their packages, and the twins.

use crate::Error;
use local::build::variables_of_this_package;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The executables of these functions, as `sam build` makes them where the profile is `release`.
pub(crate) fn handlers(
    workspace: &Path,
    profile: &str,
    functions: &[String],
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut command = compiler::build(profile);
    for name in variables_of_this_package() {
        command.env_remove(name);
    }
    command.args(["--workspace", "--message-format=json"]);
    for function in functions {
        command.args(["--bin", function]);
    }
    let output = run(command.current_dir(workspace))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executables = messages.filter_map(|message| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    });
    executables.filter(|(name, _)| functions.contains(name)).map(|built| fresh(workspace, built)).collect()
}

/// A copy, as Lambda makes one of a package. Starts of a file that was there for long were up to half as dear again as those of
/// one that was just written; why is the kernel's secret, and all functions should be measured alike.
fn fresh(workspace: &Path, (name, executable): (String, PathBuf)) -> Result<(String, PathBuf), Error> {
    let place = workspace.join("target/bench-cold/functions").join(&name);
    std::fs::create_dir_all(&place)?;
    let copy = place.join("bootstrap");
    // Written over, it would be the same file still.
    if copy.try_exists()? {
        std::fs::remove_file(&copy)?;
    }
    std::fs::copy(&executable, &copy)?;
    Ok((name, copy))
}

/// The sizes of the executables' packages, in bytes, as `packaging/zip` makes them.
pub(crate) fn zips(
    workspace: &Path,
    executables: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, u64>, Error> {
    let build = tempfile::tempdir()?;
    let mut template = String::new();
    for (name, executable) in executables {
        let directory = build.path().join(name);
        std::fs::create_dir(&directory)?;
        std::fs::copy(executable, directory.join("bootstrap"))?;
        template.push_str(&format!("CodeUri: {name}\n"));
    }
    std::fs::write(build.path().join("template.yaml"), template)?;
    run(Command::new("python3").arg(workspace.join("packaging/zip")).arg(build.path()))?;
    let size = |name: &String| {
        let zip = build.path().join(name).with_extension("zip");
        Ok((name.clone(), std::fs::metadata(zip)?.len()))
    };
    executables.keys().map(size).collect()
}

/// The command of `save-note` in Python, with boto3 beside it.
pub(crate) fn python_twin(workspace: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = run(Command::new(workspace.join(".ci/python/install")).arg("boto3"))?;
    let environment = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    Ok(vec![environment.join("bin/python"), workspace.join("bench/cold/twins/save_note.py")])
}

/// The command of `save-note` in JavaScript, bundled with the AWS SDK as AWS recommends.
pub(crate) fn node_twin(workspace: &Path) -> Result<Vec<PathBuf>, Error> {
    let place = workspace.join("target/bench-cold");
    std::fs::create_dir_all(&place)?;
    for name in ["package.json", "package-lock.json", "save_note.mjs"] {
        std::fs::copy(workspace.join("bench/cold/twins").join(name), place.join(name))?;
    }
    let npm = |arguments: &[&str]| run(Command::new("npm").args(arguments).current_dir(&place));
    npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    npm(&["run", "build"])?;
    Ok(vec![PathBuf::from("node"), place.join("bundle.mjs")])
}

fn run(command: &mut Command) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{program} ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stdout)).into())
}
