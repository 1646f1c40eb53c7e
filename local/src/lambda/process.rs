//! The process of an execution environment: how it is started, watched and ended.

use super::environment::{Environment, Stop, Watch};
use super::pool::Pool;
use super::{FunctionError, runtime_api};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a process may take to end when it has registered an extension, as on Lambda.
const GRACE: Duration = Duration::from_secs(2);

/// How often the memory of a process is looked at while it works.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// How an environment's life ended.
pub(super) enum End {
    Exited(ExitStatus),
    Stopped(Stop),
    NotStarted(io::Error),
}

impl End {
    pub(super) fn was_asked_for(&self) -> bool {
        matches!(self, Self::Stopped(Stop::Asked))
    }

    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Stopped(Stop::TimedOut))
    }

    /// What the invocation `request_id` is told about it.
    pub(super) fn error(&self, request_id: &str, pool: &Pool) -> FunctionError {
        match self {
            Self::Exited(status) => pool.error("Runtime.ExitError", request_id, &describe(*status)),
            Self::NotStarted(error) => {
                pool.error("Runtime.InvalidEntrypoint", request_id, &error.to_string())
            }
            // The initialisation that an invocation fails with had the function's timeout.
            Self::Stopped(Stop::TimedOut | Stop::InitTimedOut) => {
                let what = format!("Task timed out after {:.2} seconds", pool.timeout().as_secs_f64());
                pool.error("Sandbox.Timedout", request_id, &what)
            }
            Self::Stopped(Stop::OutOfMemory) => {
                pool.error("Runtime.OutOfMemory", request_id, "Runtime exited with error: signal: killed")
            }
            Self::Stopped(Stop::InitError | Stop::Asked) => {
                pool.error("Runtime.ExitError", request_id, "Runtime exited with error: signal: killed")
            }
        }
    }
}

/// Lambda's words for a process that ended by itself.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                4 => "illegal instruction",
                6 => "aborted",
                9 => "killed",
                11 => "segmentation fault",
                15 => "terminated",
                _ => return format!("Runtime exited with error: signal {signal}"),
            };
            format!("Runtime exited with error: signal: {name}")
        }
        (None, None) => "Runtime exited with error".to_owned(),
    }
}

/// Runs `environment` after `pause`, from its start to its burial.
pub(super) async fn run(environment: Arc<Environment>, pause: Duration) {
    let end = match live(&environment, pause).await {
        Ok(end) => end,
        Err(error) => End::NotStarted(error),
    };
    let pool = environment.pool.clone();
    if let End::Exited(status) = &end {
        tracing::warn!(function = %pool.function.name, reason = %describe(*status), "an environment died");
    }
    pool.bury(&environment, &end);
}

async fn live(environment: &Arc<Environment>, pause: Duration) -> io::Result<End> {
    if !pause.is_zero() && !wait(environment, pause).await {
        return Ok(End::Stopped(Stop::Asked));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(runtime_api::serve(listener, environment.clone()));
    let spawned = Process::spawn(environment, address);
    let end = match spawned {
        Ok(process) => Ok(process.supervise(environment).await),
        Err(error) => Err(error),
    };
    // Its connections go with it.
    server.abort();
    end
}

/// Whether the pause passed without being asked to end.
async fn wait(environment: &Environment, pause: Duration) -> bool {
    let until = Instant::now() + pause;
    loop {
        tokio::select! {
            () = sleep_until(until) => return true,
            () = environment.alarmed() => {
                if matches!(environment.watch(), Watch::Stop(_)) {
                    return false;
                }
            }
        }
    }
}

struct Process {
    child: Child,
    output: JoinHandle<()>,
}

impl Process {
    fn spawn(environment: &Environment, address: SocketAddr) -> io::Result<Self> {
        let pool = &environment.pool;
        // One pipe for both streams keeps their lines in order.
        let (reader, writer) = io::pipe()?;
        let executable = pool.executable.canonicalize()?;
        let mut command = Command::new(&executable);
        command
            .env_clear()
            .envs(variables(pool, environment.id, address, &executable))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // Its own group: Ctrl-C is for the host, which lets running invocations end.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = executable.parent() {
            command.current_dir(directory);
        }
        let child = command.spawn()?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let output = tokio::spawn(pool.log.clone().copy(reader));
        environment.started(child.id());
        Ok(Self { child, output })
    }

    /// Watches until the process has ended, by itself or because it must.
    async fn supervise(mut self, environment: &Environment) -> End {
        let end = loop {
            match environment.watch() {
                Watch::Stop(Stop::Asked) => {
                    self.end(environment).await;
                    break End::Stopped(Stop::Asked);
                }
                Watch::Stop(stop) => {
                    self.kill().await;
                    break End::Stopped(stop);
                }
                Watch::Late(late) => environment.pool.time_out(late),
                Watch::Nothing => tokio::select! {
                    status = self.child.wait() => break exited(status),
                    () = environment.alarmed() => {}
                },
                Watch::Until(deadline) => tokio::select! {
                    status = self.child.wait() => break exited(status),
                    () = environment.alarmed() => {}
                    () = sleep_until(deadline.min(Instant::now() + MEMORY_LOOK)) => {
                        if environment.is_out_of_memory() {
                            self.kill().await;
                            break End::Stopped(Stop::OutOfMemory);
                        }
                    }
                },
            }
        };
        // The last words. A process that it left behind may hold the pipe open for ever.
        if timeout(Duration::from_secs(1), &mut self.output).await.is_err() {
            self.output.abort();
        }
        end
    }

    /// Ends it as Lambda does: with notice only if an extension is registered.
    async fn end(&mut self, environment: &Environment) {
        if environment.extensions.any() {
            let deadline = chrono::Utc::now().timestamp_millis() + GRACE.as_millis() as i64;
            environment.extensions.shut_down(deadline);
            self.signal(Signal::TERM);
            let _ = timeout(GRACE, self.child.wait()).await;
        }
        self.kill().await;
    }

    async fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "an environment's process cannot be waited for");
        }
    }

    /// Signals the process and what it started.
    fn signal(&self, signal: Signal) {
        // No id once it was waited for: the number may be another process by now.
        let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
            return;
        };
        if let Err(error) = kill_process_group(pid, signal) {
            tracing::debug!(%error, "an environment's process could not be signalled");
        }
    }
}

fn exited(status: io::Result<ExitStatus>) -> End {
    match status {
        Ok(status) => End::Exited(status),
        Err(error) => End::NotStarted(error),
    }
}

/// The environment of the process: Lambda's defaults, the template's variables, the host's, and what Lambda reserves.
fn variables(pool: &Pool, id: u64, address: SocketAddr, executable: &Path) -> BTreeMap<String, String> {
    let options = &pool.shared.options;
    let mut variables: BTreeMap<String, String> =
        [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "INFO"), ("LANG", "en_US.UTF-8")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    variables.extend(pool.function.environment.clone());
    variables.extend((options.environment)(&pool.function));
    let task_root = executable.parent().unwrap_or(Path::new("/")).display().to_string();
    let date = options.clock.now().format("%Y/%m/%d");
    let reserved = [
        ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", pool.function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", pool.function.memory_megabytes.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", pool.function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("{date}/[$LATEST]{id:032x}")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", initialization(pool).to_owned()),
        ("AWS_REGION", options.region.clone()),
        ("AWS_DEFAULT_REGION", options.region.clone()),
        ("_HANDLER", pool.function.handler.clone()),
        ("LAMBDA_TASK_ROOT", task_root),
        ("TZ", "UTC".to_owned()),
    ];
    variables.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
    if pool.concurrency() > 1 {
        variables.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), pool.concurrency().to_string());
    }
    if let Ok(path) = std::env::var("PATH") {
        variables.entry("PATH".to_owned()).or_insert(path);
    }
    variables
}

/// Lambda's word for the kind of its environments.
fn initialization(pool: &Pool) -> &'static str {
    if pool.concurrency() > 1 { "lambda-managed-instances" } else { "on-demand" }
}
