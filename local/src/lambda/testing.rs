//! A function whose process fails in every way that a handler can: `testdata/bootstrap`.

use super::{Lambda, Limits, Options};
use crate::app;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The function, as a test wants it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// How it begins, in the words of `bootstrap`.
    pub(crate) mode: &'static str,
    /// What it does with an event that does not say.
    pub(crate) deed: &'static str,
    pub(crate) timeout: Duration,
    pub(crate) max_environments: usize,
    pub(crate) concurrency: usize,
    /// How long an environment may take to initialise, the first time.
    pub(crate) init: Duration,
}

impl Default for Subject {
    fn default() -> Self {
        let patient = Duration::from_secs(60);
        Self {
            name: "Subject",
            mode: "",
            deed: "",
            timeout: patient,
            max_environments: 1,
            concurrency: 1,
            init: patient,
        }
    }
}

/// The function with its environments.
pub(crate) struct Running {
    pub(crate) lambda: Lambda,
    pub(crate) directory: tempfile::TempDir,
}

impl Subject {
    /// Starts nothing yet: environments start on demand.
    pub(crate) fn run(&self) -> Running {
        self.run_within(Limits { drain: Duration::from_secs(5), starts: 2, ..Limits::default() })
    }

    pub(super) fn run_within(&self, limits: Limits) -> Running {
        let directory = tempfile::tempdir().unwrap();
        let variables = [
            ("MODE", self.mode.to_owned()),
            ("DEED", self.deed.to_owned()),
            ("MARK", directory.path().join("mark").display().to_string()),
        ];
        let function = app::Function {
            name: self.name.into(),
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.name),
            handler: "bootstrap".into(),
            memory_megabytes: 256,
            timeout: self.timeout,
            environment: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            build: app::Build::Prebuilt { bootstrap: PathBuf::new() },
            asynchronous: app::Asynchronous::default(),
            policies: Vec::new(),
        };
        let executable = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lambda/testdata/bootstrap"));
        // A Python that a version manager starts wants its home.
        let home = std::env::var("HOME").unwrap_or_default();
        let options = Options {
            clock: emulator::Clock::default(),
            region: "us-east-1".into(),
            max_environments: self.max_environments,
            concurrency: self.concurrency,
            environment: Arc::new(move |_| BTreeMap::from([("HOME".into(), home.clone())])),
            log: directory.path().join("logs"),
            seed: 1,
        };
        let limits = Limits { init: self.init, ..limits };
        Running { lambda: Lambda::with_limits(vec![(function, executable)], options, limits), directory }
    }
}

/// A way to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) what: &'static str,
    mode: &'static str,
    deed: &'static str,
    /// `errorType` of what the invocation is told; `None` where the function answers, but not with JSON.
    pub(crate) error_type: Option<&'static str>,
}

/// Every way to fail that an event source can be told of.
pub(crate) const FAILURES: [Failure; 13] = [
    failure("an error that the function reports", "", "error", Some("Oops")),
    failure("a timeout", "", "hang", Some("Sandbox.Timedout")),
    failure("an exit with a status", "", "exit", Some("Runtime.ExitError")),
    failure("an exit without one", "", "leave", Some("Runtime.ExitError")),
    failure("a panic that aborts", "", "abort", Some("Runtime.ExitError")),
    failure("a kill", "", "kill", Some("Runtime.ExitError")),
    failure("more memory than the function may have", "", "grow", Some("Runtime.OutOfMemory")),
    failure("a response over 6 MB", "", "large", Some("Function.ResponseSizeTooLarge")),
    failure("a response that is not JSON", "", "text", None),
    failure("an initialisation that reports an error", "init-error", "", Some("Config")),
    failure("an initialisation that exits", "init-exit", "", Some("Runtime.ExitError")),
    failure("an initialisation that hangs", "init-hang", "", Some("Sandbox.Timedout")),
    failure("an initialisation that takes too much memory", "init-grow", "", Some("Runtime.OutOfMemory")),
];

const fn failure(
    what: &'static str,
    mode: &'static str,
    deed: &'static str,
    error_type: Option<&'static str>,
) -> Failure {
    Failure { what, mode, deed, error_type }
}

impl Failure {
    /// A function called `name` that always fails so.
    pub(crate) fn subject(self, name: &'static str) -> Subject {
        let subject = Subject { name, mode: self.mode, deed: self.deed, ..Subject::default() };
        match self.error_type {
            // Only what is about time gets little of it: a busy machine is slow.
            Some("Sandbox.Timedout") => Subject {
                timeout: Duration::from_secs(1),
                init: if self.mode == "init-hang" { Duration::from_millis(100) } else { subject.init },
                ..subject
            },
            _ => subject,
        }
    }
}
