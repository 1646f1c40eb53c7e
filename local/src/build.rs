//! Makes the functions' executables: one `cargo build` for each workspace, with progress, and `make` where the template
//! says so.

use crate::app::{Build, Function};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

/// Why a function has no executable.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{program} cannot be run in {}: {source}", directory.display())]
    Start { program: String, directory: PathBuf, source: std::io::Error },
    #[error("the handlers do not build:\n{0}")]
    Failed(String),
    #[error("function {function}: the workspace at {} has no binary {binary}", workspace.display())]
    NoBinary { function: String, workspace: PathBuf, binary: String },
    #[error("function {function} does not build: make build-{function} in {} ended with {status}:\n{output}", directory.display())]
    Make { function: String, directory: PathBuf, status: ExitStatus, output: String },
    #[error("{}: {source}", path.display())]
    Artifacts { path: PathBuf, source: std::io::Error },
    #[error("function {function}: there is no executable {}: build it first (CodeUri names its directory)", path.display())]
    NoBootstrap { function: String, path: PathBuf },
    #[error("function {function}: {} is not executable: chmod +x it", path.display())]
    NotExecutable { function: String, path: PathBuf },
}

/// Builds what has to be built, and says for each function, by name, where its executable is. What `make` makes goes into
/// a directory for each function under `artifacts`.
///
/// # Errors
/// With the compiler's own diagnostics when something does not compile; otherwise naming the function.
pub async fn build(
    functions: &[Function],
    profile: &str,
    artifacts: &Path,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut executables = BTreeMap::new();
    let mut workspaces: BTreeMap<&Path, Vec<(&str, &str)>> = BTreeMap::new();
    for function in functions {
        match &function.build {
            Build::Prebuilt { bootstrap } => {
                executables.insert(function.name.clone(), prebuilt(&function.name, bootstrap)?);
            }
            Build::Make { directory } => {
                let made = make(&function.name, directory, &artifacts.join(&function.name)).await?;
                executables.insert(function.name.clone(), made);
            }
            Build::Cargo { workspace, binary } => {
                workspaces.entry(workspace).or_default().push((&function.name, binary));
            }
        }
    }
    for (workspace, wanted) in workspaces {
        let binaries: BTreeSet<&str> = wanted.iter().map(|(_, binary)| *binary).collect();
        let built = cargo_build(workspace, &binaries, profile).await?;
        for (function, binary) in wanted {
            let path = built.get(binary).cloned().ok_or_else(|| BuildError::NoBinary {
                function: function.to_owned(),
                workspace: workspace.to_owned(),
                binary: binary.to_owned(),
            })?;
            executables.insert(function.to_owned(), path);
        }
    }
    Ok(executables)
}

fn prebuilt(function: &str, path: &Path) -> Result<PathBuf, BuildError> {
    use std::os::unix::fs::PermissionsExt;
    let (function, missing) = (function.to_owned(), path.to_owned());
    let Ok(metadata) = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        true => Ok(metadata),
        false => Err(std::io::ErrorKind::NotFound.into()),
    }) else {
        return Err(BuildError::NoBootstrap { function, path: missing });
    };
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(BuildError::NotExecutable { function, path: missing });
    }
    // Environments start in a directory of their own.
    std::path::absolute(path).map_err(|_| BuildError::NoBootstrap { function, path: missing })
}

/// Runs a function's own target, as `sam build` does: `make build-<logical id>` beside the code, told by `ARTIFACTS_DIR`
/// where the result belongs.
async fn make(function: &str, directory: &Path, artifacts: &Path) -> Result<PathBuf, BuildError> {
    let artifacts =
        emptied(artifacts).map_err(|source| BuildError::Artifacts { path: artifacts.to_owned(), source })?;
    if !std::io::stderr().is_terminal() {
        eprintln!("      Making {function}");
    }
    let output = Command::new("make")
        .arg(format!("build-{function}"))
        .env("ARTIFACTS_DIR", &artifacts)
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| not_started("make".to_owned(), directory, source))?;
    if output.status.success() {
        return prebuilt(function, &artifacts.join("bootstrap"));
    }
    let output_text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Err(BuildError::Make {
        function: function.to_owned(),
        directory: directory.to_owned(),
        status: output.status,
        output: output_text.concat(),
    })
}

/// An absolute path to `directory`, which is there and empty.
fn emptied(directory: &Path) -> std::io::Result<PathBuf> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(directory)?;
    std::path::absolute(directory)
}

/// Builds binaries of one workspace; the executables by name.
async fn cargo_build(
    workspace: &Path,
    binaries: &BTreeSet<&str>,
    profile: &str,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let progress = Progress::start(workspace, binaries).await;
    let mut command = cargo(workspace);
    // --workspace, so that features resolve as for `cargo run` and `cargo test`, and no dependency is compiled twice.
    command.args(["build", "--workspace", "--profile", profile]).arg(progress.message_format());
    for binary in binaries {
        command.args(["--bin", binary]);
    }
    let mut child = start(command, workspace)?;
    let mut report = Report::default();
    let status = follow(&mut child, &mut report, &progress).await;
    progress.finish();
    match status {
        Ok(status) if status.success() => Ok(report.executables),
        Ok(_) => Err(BuildError::Failed(report.diagnostics)),
        Err(source) => Err(not_started(program(), workspace, source)),
    }
}

fn program() -> String {
    std::env::var("CARGO").ok().filter(|program| !program.is_empty()).unwrap_or_else(|| "cargo".to_owned())
}

fn not_started(program: String, directory: &Path, source: std::io::Error) -> BuildError {
    BuildError::Start { program, directory: directory.to_owned(), source }
}

fn cargo(workspace: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(workspace).stdin(Stdio::null()).kill_on_drop(true);
    for name in variables_of_this_package() {
        command.env_remove(name);
    }
    command
}

/// What `cargo run` and `cargo test` tell this process of its own package. Another cargo must not see it: build scripts
/// that look at such a variable would think that something changed, and all that depends on them is compiled again.
pub fn variables_of_this_package() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_about_this_package))
}

fn is_about_this_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
        || matches!(variable, "CARGO_PRIMARY_PACKAGE" | "CARGO_TARGET_TMPDIR" | "OUT_DIR")
}

fn start(mut command: Command, workspace: &Path) -> Result<Child, BuildError> {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|source| not_started(program(), workspace, source))
}

/// What cargo said.
#[derive(Debug, Default)]
struct Report {
    executables: BTreeMap<String, PathBuf>,
    diagnostics: String,
    packages: BTreeSet<String>,
}

/// Reads cargo's messages and status lines until it ends.
async fn follow(child: &mut Child, report: &mut Report, progress: &Progress) -> std::io::Result<ExitStatus> {
    let mut messages = lines(child.stdout.take());
    let mut status = lines(child.stderr.take());
    while messages.is_some() || status.is_some() {
        tokio::select! {
            line = next(&mut messages), if messages.is_some() => {
                if let Some(message) = line.and_then(|line| serde_json::from_str(&line).ok()) {
                    report.take(&message);
                    progress.finished(report.packages.len());
                }
            }
            line = next(&mut status), if status.is_some() => {
                if let Some(line) = line && !progress.status(&line) {
                    report.complain(&line);
                }
            }
        }
    }
    child.wait().await
}

fn lines<R: AsyncRead + Unpin>(stream: Option<R>) -> Option<Lines<BufReader<R>>> {
    stream.map(|stream| BufReader::new(stream).lines())
}

/// The next line; at the end (or at something that is not text) the stream is put away.
async fn next<R: AsyncRead + Unpin>(stream: &mut Option<Lines<BufReader<R>>>) -> Option<String> {
    let line = stream.as_mut()?.next_line().await.ok().flatten();
    if line.is_none() {
        *stream = None;
    }
    line
}

impl Report {
    fn take(&mut self, message: &Value) {
        match message["reason"].as_str() {
            Some("compiler-artifact") => self.artifact(message),
            // Warnings are for whoever works on the handlers, not for whoever runs them.
            Some("compiler-message") if message["message"]["level"] == "error" => {
                if let Some(rendered) = message["message"]["rendered"].as_str() {
                    self.complain(rendered.trim_end());
                }
            }
            _ => {}
        }
    }

    fn artifact(&mut self, message: &Value) {
        let kind = &message["target"]["kind"];
        if kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "custom-build")) {
            return;
        }
        self.packages.extend(message["package_id"].as_str().map(str::to_owned));
        let name = message["target"]["name"].as_str();
        if let (Some(name), Some(executable)) = (name, message["executable"].as_str()) {
            self.executables.insert(name.to_owned(), PathBuf::from(executable));
        }
    }

    fn complain(&mut self, text: &str) {
        self.diagnostics.push_str(text);
        self.diagnostics.push('\n');
    }
}

/// A bar on a terminal, plain lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    async fn start(workspace: &Path, binaries: &BTreeSet<&str>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let total = package_count(workspace, binaries).await;
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{prefix:>12.cyan.bold} [{bar:27}] {pos}/{len} {wide_msg}",
            None => "{prefix:>12.cyan.bold} {spinner} {wide_msg}",
        };
        // A template that indicatif cannot read would be a typing error here; its own style does, too.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix("Building");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar: Some(bar) }
    }

    fn message_format(&self) -> &'static str {
        match self.bar {
            Some(_) => "--message-format=json-diagnostic-rendered-ansi",
            None => "--message-format=json",
        }
    }

    fn finished(&self, packages: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(packages as u64);
        }
    }

    /// Shows a status line of cargo; whether it was one.
    fn status(&self, line: &str) -> bool {
        const VERBS: [&str; 9] = [
            "Adding",
            "Blocking",
            "Compiling",
            "Downloaded",
            "Downloading",
            "Finished",
            "Fresh",
            "Locking",
            "Updating",
        ];
        let text = line.trim_start();
        let is_status =
            VERBS.iter().any(|verb| text.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' ')));
        if is_status {
            match &self.bar {
                Some(bar) => bar.set_message(text.to_owned()),
                // Not a println!: the standard output belongs to whoever started the host.
                None => eprintln!("{line}"),
            }
        }
        is_status
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many packages go into the binaries. `None` when cargo does not say: then there is no telling how far it is.
async fn package_count(workspace: &Path, binaries: &BTreeSet<&str>) -> Option<u64> {
    // Without the host's triple, packages of other systems would be counted.
    let host = host_triple(workspace).await?;
    let mut command = cargo(workspace);
    command.args(["metadata", "--format-version=1", "--filter-platform", &host]);
    let output = command.stderr(Stdio::null()).output().await.ok()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).ok()?;
    count_packages(&metadata, binaries)
}

async fn host_triple(workspace: &Path) -> Option<String> {
    let output = cargo(workspace).args(["--version", "--verbose"]).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// The packages that own the binaries, and everything that they need to be compiled.
fn count_packages(metadata: &Value, binaries: &BTreeSet<&str>) -> Option<u64> {
    let owns = |package: &&Value| {
        let targets = package["targets"].as_array();
        targets.is_some_and(|targets| targets.iter().any(|target| is_wanted(target, binaries)))
    };
    let owners = metadata["packages"].as_array()?.iter().filter(owns);
    let mut waiting: Vec<&str> = owners.filter_map(|package| package["id"].as_str()).collect();
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let nodes: BTreeMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let mut seen = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        if !seen.insert(package) {
            continue;
        }
        let Some(dependencies) = nodes.get(package).and_then(|node| node["deps"].as_array()) else {
            continue;
        };
        let compiled = dependencies.iter().filter(|dependency| is_compiled(dependency));
        waiting.extend(compiled.filter_map(|dependency| dependency["pkg"].as_str()));
    }
    Some(seen.len() as u64)
}

fn is_wanted(target: &Value, binaries: &BTreeSet<&str>) -> bool {
    let is_binary = target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"));
    is_binary && target["name"].as_str().is_some_and(|name| binaries.contains(name))
}

/// Dependencies that only tests have are not compiled.
fn is_compiled(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Asynchronous;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    fn function(name: &str, build: Build) -> Function {
        Function {
            name: name.to_owned(),
            arn: String::new(),
            handler: "bootstrap".to_owned(),
            memory_megabytes: 128,
            timeout: Duration::from_secs(3),
            environment: BTreeMap::new(),
            build,
            asynchronous: Asynchronous::default(),
            policies: Vec::new(),
        }
    }

    fn workspace(main: &str) -> (tempfile::TempDir, Function) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("src")).unwrap();
        std::fs::write(directory.path().join("src/main.rs"), main).unwrap();
        let manifest = "[workspace]\n[package]\nname = \"one\"\nedition = \"2024\"\n";
        std::fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
        let build = Build::Cargo { workspace: directory.path().to_owned(), binary: "one".to_owned() };
        (directory, function("One", build))
    }

    #[tokio::test]
    async fn a_workspace_is_built() {
        let (_directory, one) = workspace("fn main() {}");
        let built = build(&[one], "dev", Path::new("")).await.unwrap();
        assert!(built["One"].is_file());
    }

    #[tokio::test]
    async fn a_profile_that_the_workspace_lacks_is_told() {
        let (_directory, one) = workspace("fn main() {}");
        let message = build(&[one], "quick", Path::new("")).await.unwrap_err().to_string();
        assert!(message.contains("quick"), "{message}");
    }

    #[tokio::test]
    async fn what_does_not_compile_is_told_in_the_compilers_words() {
        let (_directory, one) = workspace("fn main() { nothing_here() }");
        let message = build(&[one], "dev", Path::new("")).await.unwrap_err().to_string();
        assert!(message.contains("cannot find function `nothing_here`"), "{message}");
        let (_directory, mut one) = workspace("fn main() {}");
        let Build::Cargo { binary, .. } = &mut one.build else { unreachable!() };
        "two".clone_into(binary);
        let message = build(&[one], "dev", Path::new("")).await.unwrap_err().to_string();
        assert!(message.contains("two"), "{message}");
    }

    #[tokio::test]
    async fn a_prebuilt_function_needs_an_executable() {
        let directory = tempfile::tempdir().unwrap();
        let bootstrap = directory.path().join("bootstrap");
        let function = function("F", Build::Prebuilt { bootstrap: bootstrap.clone() });
        let functions = [function];
        assert!(matches!(build(&functions, "dev", Path::new("")).await, Err(BuildError::NoBootstrap { .. })));
        std::fs::write(&bootstrap, "").unwrap();
        assert!(matches!(
            build(&functions, "dev", Path::new("")).await,
            Err(BuildError::NotExecutable { .. })
        ));
        std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(build(&functions, "dev", Path::new("")).await.unwrap()["F"], bootstrap);
    }

    #[tokio::test]
    async fn make_is_told_where_the_executable_belongs() {
        let directory = tempfile::tempdir().unwrap();
        let makefile = "build-Made:\n\tprintf x > \"$(ARTIFACTS_DIR)/bootstrap\"; chmod +x \"$(ARTIFACTS_DIR)/bootstrap\"\n\
            build-Broken:\n\techo not today; false\n\
            build-Empty:\n\ttrue\n";
        std::fs::write(directory.path().join("Makefile"), makefile).unwrap();
        let artifacts = directory.path().join("artifacts");
        let made = async |name: &str| {
            let make = Build::Make { directory: directory.path().to_owned() };
            build(&[function(name, make)], "dev", &artifacts).await
        };
        let path = made("Made").await.unwrap()["Made"].clone();
        assert_eq!(
            (path.clone(), std::fs::read_to_string(path).unwrap().as_str()),
            (artifacts.join("Made/bootstrap"), "x")
        );
        let message = made("Broken").await.unwrap_err().to_string();
        assert!(message.contains("function Broken") && message.contains("not today"), "{message}");
        assert!(matches!(made("Empty").await, Err(BuildError::NoBootstrap { .. })));
    }

    #[test]
    fn only_what_the_binaries_need_is_counted() {
        let metadata = json!({
            "packages": [
                {"id": "a", "targets": [{"name": "one", "kind": ["bin"]}]},
                {"id": "b", "targets": [{"name": "one", "kind": ["lib"]}]},
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [
                    {"pkg": "c", "dep_kinds": [{"kind": null}]},
                    {"pkg": "d", "dep_kinds": [{"kind": "dev"}]},
                ]},
                {"id": "c", "deps": []},
            ]},
        });
        assert_eq!(count_packages(&metadata, &BTreeSet::from(["one"])), Some(2));
    }
}
