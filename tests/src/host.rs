//! A host started for one test, on free ports, in its own directory.

use crate::api::Api;
use crate::target::Stack;
use local::clients::Clients;
use local::credentials::Keys;
use local::host::REGION;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a host may take to be ready. The handlers are built before the first is started.
const START: Duration = Duration::from_secs(120);
/// The Cargo profile of measurements.
const OPTIMISED: &str = "optimised";

/// How to start a host.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keeps state here, for tests that start a second host on it; otherwise nothing is kept.
    pub data: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
    /// Host and handlers of the profile `optimised`, for measurements.
    pub optimised: bool,
    /// The template's schedules run when the clock reaches them. Otherwise they run when they are told to, so that what
    /// happens does not depend on the hour at which it is tried.
    pub schedules: bool,
}

/// A running host. Dropping it ends it.
pub struct Host {
    child: Child,
    pub api: Api,
    /// The AWS endpoint of the data services.
    pub endpoint: String,
    directory: tempfile::TempDir,
}

impl Host {
    /// Starts a host that keeps nothing.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        assert!(Stack::named().is_none(), "a test that must have a host needs to say so: `needs!(Hosts)`");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ready_file = directory.path().join("ready.json");
        let log = std::fs::File::create(directory.path().join("host.log")).expect("a log file");
        let mut command = Command::new(executable(options.optimised));
        command.current_dir(workspace()).args(["--port", "0", "--ready-file"]).arg(&ready_file);
        match &options.data {
            Some(data) => command.arg("--data").arg(data),
            None => command.arg("--ephemeral"),
        };
        command
            .args(options.optimised.then_some(["--handler-profile", OPTIMISED]).into_iter().flatten())
            .args(&options.arguments)
            .args(schedules(&options))
            .args(by_permissions(&options.arguments))
            .envs(options.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().expect("the host starts");
        let ready = wait_until_ready(&mut child, &ready_file, directory.path()).await;
        let text = |name: &str| ready[name].as_str().expect("a text in the ready file").to_owned();
        Self { child, api: Api::new(text("api")), endpoint: text("endpoint"), directory }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the host said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("host.log")).unwrap_or_default()
    }

    /// Ends the host as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("the host can be killed");
        self.child.wait().expect("the host is gone");
    }

    /// Clients of its data services that may do everything, as a person's own tools.
    pub fn clients(&self) -> Clients {
        Clients::new(&self.endpoint, REGION, Keys::developer().for_sdk()).expect("clients")
    }

    /// Ends the host as Ctrl-C would; returns its exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        signal(self.child.id(), "INT");
        self.child.wait().expect("the host is gone").code()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), "TERM");
            let deadline = Instant::now() + Duration::from_secs(10);
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            if matches!(self.child.try_wait(), Ok(None)) {
                self.child.kill().ok();
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the host said ---\n{}", self.log());
        } else {
            let refused: Vec<String> = refusals(&self.log()).collect();
            assert!(
                refused.is_empty(),
                "functions call what their roles do not allow:\n{}",
                refused.join("\n")
            );
        }
    }
}

fn have(arguments: &[String], name: &str) -> bool {
    arguments.iter().any(|argument| argument == name)
}

/// What keeps the own template's schedules from running by themselves.
fn schedules(options: &Options) -> &'static [&'static str] {
    let are_own = !have(&options.arguments, "--template");
    if are_own && !options.schedules { &["--parameter", "ScheduleState=DISABLED"] } else { &[] }
}

/// What `tests/permissions` starts hosts of the own template with: another one in its place, and a file for each test, in
/// this directory, that says which rights it used.
fn by_permissions(arguments: &[String]) -> Vec<OsString> {
    if have(arguments, "--template") || have(arguments, "--endpoint") {
        return Vec::new();
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed");
    let template = std::env::var_os("TESTS_TEMPLATE").map(|path| ["--template".into(), path]);
    let record = std::env::var_os("TESTS_RECORD_RIGHTS")
        .map(|directory| ["--record-rights".into(), Path::new(&directory).join(test).into_os_string()]);
    template.into_iter().chain(record).flatten().collect()
}

/// The lines that tell of calls which a function's role does not allow.
fn refusals(log: &str) -> impl Iterator<Item = String> {
    let is_refusal =
        |line: &&str| serde_json::from_str::<Value>(line).is_ok_and(|line| line["message"] == "refused");
    log.lines().filter(is_refusal).map(ToOwned::to_owned)
}

/// Runs one of the host's commands as people do, without an AWS account of theirs; what it said and how it ended.
pub fn command(arguments: &[&str]) -> Output {
    let mut command = Command::new(executable(false));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.current_dir(workspace()).args(arguments).stdin(Stdio::null()).output().expect("the command runs")
}

/// Sends a signal to a process that this suite started.
pub fn signal(pid: u32, name: &str) {
    assert!(try_signal(pid, name), "signal {name} to {pid}");
}

/// The same; false when there is no such process any more.
pub fn try_signal(pid: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    let status = kill.arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

async fn wait_until_ready(child: &mut Child, ready_file: &Path, directory: &Path) -> Value {
    let deadline = Instant::now() + START;
    loop {
        if let Ok(text) = std::fs::read_to_string(ready_file) {
            return serde_json::from_str(&text).expect("the ready file is JSON");
        }
        let said = || std::fs::read_to_string(directory.join("host.log")).unwrap_or_default();
        if let Ok(Some(status)) = child.try_wait() {
            panic!("the host ended with {status}:\n{}", said());
        }
        assert!(Instant::now() < deadline, "the host is not ready:\n{}", said());
        // There is no event to wait for between two processes but this file.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The workspace that this suite belongs to.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Builds host and handlers once, as `cargo run` would, and returns the host's executable.
fn executable(optimised: bool) -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        // All binaries in one go: the hosts' own builds then find nothing to do.
        let mut cargo = Command::new(env!("CARGO"));
        for name in local::build::variables_of_this_package() {
            cargo.env_remove(name);
        }
        let output = cargo
            .args(["build", "--workspace", "--bins", "--message-format=json"])
            .args(["--profile", if optimised { OPTIMISED } else { "dev" }])
            .current_dir(workspace())
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the host does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "local")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo tells where the host is")
    })
}
