//! A program as Lambda runs it, from its start to its first answers.

use crate::Error;
use crate::aws::{self, Tls};
use crate::functions::{Program, VARIABLES};
use crate::runtime_api::RuntimeApi;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// How a program reaches AWS.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    Https(&'a Tls),
    /// With the certificates that it trusts on AWS, of which it then uses none.
    Http,
}

impl Way<'_> {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Https(_) => "https",
            Self::Http => "http",
        }
    }
}

/// Dropping it ends the program.
pub(crate) struct Environment {
    child: Child,
    runtime_api: RuntimeApi,
    function: String,
    log: PathBuf,
}

impl Environment {
    /// Starts a program, where `wrapper` is what goes before its own command line.
    pub(crate) async fn start(
        program: &Program,
        wrapper: &[String],
        way: Way<'_>,
        directory: &Path,
    ) -> Result<Self, Error> {
        let runtime_api = RuntimeApi::start().await?;
        let log = directory.join("log");
        let output = std::fs::File::create(&log)?;
        let words = wrapper.iter().map(PathBuf::from).chain(program.command.iter().cloned());
        let words: Vec<PathBuf> = words.collect();
        let (executable, arguments) = words.split_first().ok_or("a program without a command")?;
        let mut command = Command::new(executable);
        command.args(arguments).env_clear().envs(VARIABLES).current_dir(directory);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("AWS_LAMBDA_RUNTIME_API", runtime_api.address().to_string());
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
            ("AWS_SESSION_TOKEN", "not-a-token"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("TZ", "UTC"),
        ] {
            command.env(name, value);
        }
        match way {
            Way::Https(tls) => {
                let address = tls.start(&program.function).await?;
                command.env("AWS_ENDPOINT_URL", format!("https://localhost:{}", address.port()));
                command.env("AWS_CA_BUNDLE", &tls.bundle).env("NODE_EXTRA_CA_CERTS", &tls.bundle);
            }
            Way::Http => {
                let address = aws::start_plain(&program.function).await?;
                command.env("AWS_ENDPOINT_URL", format!("http://localhost:{}", address.port()));
            }
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let child = command.spawn().map_err(|error| format!("{}: {error}", executable.display()))?;
        Ok(Self { child, runtime_api, function: program.function.clone(), log })
    }

    pub(crate) fn pid(&self) -> Result<u32, Error> {
        self.child.id().ok_or_else(|| "it has ended".into())
    }

    /// Waits for the end of its initialisation.
    pub(crate) async fn is_ready(&mut self) -> Result<(), Error> {
        self.until_idle().await.map(drop)
    }

    /// Has an event answered, and as the sample event should be.
    pub(crate) async fn invoke(&mut self, event: &Bytes) -> Result<(), Error> {
        self.runtime_api.invoke(event)?;
        let answer = self.until_idle().await?;
        if is_success(&answer) {
            return Ok(());
        }
        Err(self.said(&format!("answered {}", String::from_utf8_lossy(&answer))))
    }

    async fn until_idle(&mut self) -> Result<Bytes, Error> {
        let ended = tokio::select! {
            answer = self.runtime_api.is_idle() => match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error.to_string(),
            },
            status = self.child.wait() => format!("ended: {status:?}"),
        };
        Err(self.said(&ended))
    }

    fn said(&self, problem: &str) -> Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        format!("{}: {problem}\n{log}", self.function).into()
    }
}

/// Whether nothing of the event failed: an HTTP status below 400, and no message of a batch left over.
fn is_success(answer: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(answer) else { return false };
    answer["statusCode"].as_u64().is_none_or(|status| status < 400)
        && answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty)
}
