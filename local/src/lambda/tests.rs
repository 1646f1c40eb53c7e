//! The pool against a real process that fails in every way a handler can.

use super::testing::{FAILURES, Running, Subject};
use super::*;
use serde_json::{Value, json};
use std::time::Instant;

const LIMITS: fn() -> Limits =
    || Limits { init: Duration::from_secs(5), drain: Duration::from_secs(5), starts: 2, ..Limits::default() };

struct Fixture {
    lambda: Lambda,
    directory: tempfile::TempDir,
}

fn fixture(mode: &'static str, max_environments: usize, limits: Limits) -> Fixture {
    patient_fixture(mode, max_environments, limits, Duration::from_secs(1))
}

fn patient_fixture(
    mode: &'static str,
    max_environments: usize,
    limits: Limits,
    timeout: Duration,
) -> Fixture {
    let subject = Subject { mode, max_environments, timeout, init: limits.init, ..Subject::default() };
    let Running { lambda, directory } = subject.run_within(limits);
    Fixture { lambda, directory }
}

impl Fixture {
    async fn invoke(&self, event: Value) -> Outcome {
        self.lambda.invoke("Subject", Bytes::from(event.to_string()), Source::Http, 1).await
    }

    async fn answer(&self, event: Value) -> Value {
        match self.invoke(event).await {
            Outcome::Response(response) => serde_json::from_slice(&response).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn error(&self, event: Value) -> FunctionError {
        match self.invoke(event).await {
            Outcome::FunctionError(error) => error,
            other => panic!("{other:?}"),
        }
    }

    fn status(&self) -> FunctionStatus {
        self.lambda.status().remove(0)
    }

    /// Processes started so far.
    fn starts(&self) -> usize {
        std::fs::read_to_string(self.directory.path().join("mark")).unwrap().lines().count()
    }
}

#[tokio::test]
async fn one_environment_serves_one_invocation_after_another() {
    let fixture = fixture("", 4, LIMITS());
    let mut events = fixture.lambda.events();
    let first = fixture.answer(json!({"n": 1})).await;
    let second = fixture.answer(json!({"n": 2})).await;
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(second["echo"], json!({"n": 2}));
    let (cold, warm) = (events.recv().await.unwrap(), events.recv().await.unwrap());
    assert_eq!((cold.cold_start, warm.cold_start), (true, false));
    assert_eq!((cold.result.as_str(), cold.function.as_str()), ("ok", "Subject"));
    let status = fixture.status();
    assert_eq!((status.invocations, status.errors, status.cold_starts), (2, 0, 1));
    assert_eq!(status.pids.len(), 1);
    assert_eq!(fixture.lambda.active(), 0);
    fixture.lambda.shutdown().await;
    assert!(fixture.status().pids.is_empty());
    assert_eq!(fixture.lambda.logs("Subject", 10).len(), 2);
}

#[tokio::test]
async fn concurrent_invocations_share_as_many_environments_as_there_may_be() {
    let fixture = fixture("", 2, LIMITS());
    let answers = futures_join(&fixture, 12).await;
    let pids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer["pid"].to_string()).collect();
    assert!(pids.len() <= 2, "{pids:?}");
    assert_eq!(fixture.status().invocations, 12);
    fixture.lambda.shutdown().await;
}

async fn futures_join(fixture: &Fixture, count: usize) -> Vec<Value> {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..count {
        let lambda = fixture.lambda.clone();
        all.spawn(async move {
            let payload = Bytes::from(json!({"n": n}).to_string());
            match lambda.invoke("Subject", payload, Source::Http, 1).await {
                Outcome::Response(response) => serde_json::from_slice(&response).unwrap(),
                other => panic!("{other:?}"),
            }
        });
    }
    all.join_all().await
}

#[tokio::test]
async fn warmed_environments_are_ready_before_the_first_invocation() {
    let fixture = fixture("", 3, LIMITS());
    fixture.lambda.warm("Subject", 9).await;
    assert_eq!(fixture.status().environments, EnvironmentCounts { idle: 3, busy: 0, starting: 0 });
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_reported_error_ends_the_invocation_and_not_the_environment() {
    let fixture = fixture("", 1, LIMITS());
    let pid = fixture.answer(json!({})).await["pid"].clone();
    assert_eq!(fixture.error(json!({"do": "error"})).await, FunctionError::new("Oops", "it broke"));
    let malformed = fixture.error(json!({"do": "malformed-error"})).await;
    assert_eq!(malformed, FunctionError::new("Custom.Kind", "not json"));
    assert_eq!(fixture.answer(json!({})).await["pid"], pid);
    assert_eq!(fixture.status().errors, 2);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_crash_ends_its_invocation_and_the_next_gets_a_new_environment() {
    let fixture = fixture("", 1, LIMITS());
    let exit = fixture.error(json!({"do": "exit", "status": 3})).await;
    assert_eq!(exit.error_type, "Runtime.ExitError");
    assert!(exit.message.starts_with("RequestId: "), "{}", exit.message);
    assert!(exit.message.ends_with("Error: Runtime exited with error: exit status 3"), "{}", exit.message);
    let quiet = fixture.error(json!({"do": "exit", "status": 0})).await;
    assert!(quiet.message.ends_with("Error: Runtime exited without providing a reason"), "{}", quiet.message);
    let killed = fixture.error(json!({"do": "kill"})).await;
    assert!(killed.message.ends_with("Runtime exited with error: signal: killed"), "{}", killed.message);
    assert_eq!(fixture.answer(json!({"n": 1})).await["echo"], json!({"n": 1}));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn an_idle_environment_that_is_killed_costs_no_invocation() {
    let fixture = fixture("", 1, LIMITS());
    for _ in 0..5 {
        let pid = u32::try_from(fixture.answer(json!({})).await["pid"].as_u64().unwrap()).unwrap();
        let process = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        while fixture.status().pids.contains(&pid) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(fixture.status().errors, 0);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_timeout_kills_the_environment() {
    let fixture = fixture("", 1, LIMITS());
    let before = fixture.answer(json!({})).await["pid"].clone();
    let started = Instant::now();
    let error = fixture.error(json!({"do": "hang"})).await;
    assert_eq!(error.error_type, "Sandbox.Timedout");
    assert!(error.message.ends_with("Error: Task timed out after 1.00 seconds"), "{}", error.message);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_ne!(fixture.answer(json!({})).await["pid"], before);
    assert_eq!((fixture.status().timeouts, fixture.status().errors), (1, 0));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_process_that_ends_before_it_is_ready_fails_the_invocation() {
    let fixture = patient_fixture("init-exit", 1, LIMITS(), Duration::from_secs(30));
    let error = fixture.error(json!({})).await;
    assert!(error.message.ends_with("Runtime exited with error: exit status 7"), "{}", error.message);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_reported_init_error_is_what_the_invocation_fails_with() {
    let fixture = patient_fixture("init-error", 1, LIMITS(), Duration::from_secs(30));
    assert_eq!(fixture.error(json!({})).await, FunctionError::new("Config", "no table"));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn an_init_that_hangs_is_cut_off() {
    let fixture = fixture("init-hang", 1, Limits { init: Duration::from_millis(100), ..LIMITS() });
    let error = fixture.error(json!({})).await;
    assert_eq!(error.error_type, "Sandbox.Timedout");
    assert!(error.message.ends_with("Task timed out after 1.00 seconds"), "{}", error.message);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn the_first_initialisation_that_fails_costs_no_invocation() {
    let fixture = patient_fixture("init-fails-once", 2, LIMITS(), Duration::from_secs(30));
    assert_eq!(fixture.answer(json!({"n": 1})).await["echo"]["n"], 1);
    assert_eq!((fixture.status().errors, fixture.starts()), (0, 2));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn each_further_initialisation_that_fails_costs_one_and_the_next_waits_longer() {
    let fixture = patient_fixture("init-exit", 4, LIMITS(), Duration::from_secs(30));
    let started = Instant::now();
    for number in 0..3 {
        assert_eq!(fixture.error(json!({})).await.error_type, "Runtime.ExitError");
        assert_eq!(fixture.starts(), number + 2);
    }
    // At least half of 100, 200 and 400 milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(350));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_missing_executable_is_an_invalid_entry_point() {
    let fixture = fixture("", 1, LIMITS());
    let options = fixture.lambda.0.shared.options.clone();
    let function = fixture.lambda.0.pools["Subject"].function.clone();
    let missing = Lambda::new(vec![(function, fixture.directory.path().join("missing"))], options);
    match missing.invoke("Subject", Bytes::from_static(b"{}"), Source::Http, 1).await {
        Outcome::FunctionError(error) => assert_eq!(error.error_type, "Runtime.InvalidEntrypoint"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_response_over_six_megabytes_is_an_error_and_one_below_is_not() {
    let fixture = fixture("", 1, LIMITS());
    let error = fixture.error(json!({"do": "large", "bytes": PAYLOAD_LIMIT + 1})).await;
    assert_eq!(error.error_type, "Function.ResponseSizeTooLarge");
    match fixture.invoke(json!({"do": "large", "bytes": PAYLOAD_LIMIT})).await {
        Outcome::Response(response) => assert_eq!(response.len(), PAYLOAD_LIMIT),
        other => panic!("{other:?}"),
    }
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_response_that_is_not_json_is_handed_over_as_it_is() {
    let fixture = fixture("", 1, LIMITS());
    let response = fixture.invoke(json!({"do": "text"})).await;
    assert_eq!(response, Outcome::Response(Bytes::from_static(b"not json {")));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    let fixture = fixture("", 1, LIMITS());
    assert_eq!(fixture.answer(json!({"do": "stale"})).await, json!([400, "InvalidRequestID"]));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_process_has_the_environment_of_lambda_and_nothing_else_of_ours() {
    let fixture = fixture("", 1, LIMITS());
    let variables = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "Subject");
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
    assert_eq!(variables["TZ"], "UTC");
    assert!(variables["LAMBDA_TASK_ROOT"].as_str().unwrap().ends_with("testdata"));
    assert!(variables.get("CARGO_MANIFEST_DIR").is_none());
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn an_event_carries_the_headers_that_runtimes_need() {
    let fixture = fixture("", 1, LIMITS());
    let before = chrono::Utc::now().timestamp_millis();
    let headers = fixture.answer(json!({"do": "headers"})).await;
    let deadline: i64 = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    // The invocation starts when the new process is ready.
    assert!((before..before + 7_000).contains(&deadline), "{before} {deadline}");
    assert!(headers["lambda-runtime-invoked-function-arn"].as_str().unwrap().ends_with(":Subject"));
    assert!(headers["lambda-runtime-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn a_full_queue_throttles() {
    let fixture = fixture("init-hang", 1, Limits { queue: 1, ..LIMITS() });
    let waiting = tokio::spawn({
        let lambda = fixture.lambda.clone();
        async move { lambda.invoke("Subject", Bytes::from_static(b"{}"), Source::Http, 1).await }
    });
    while fixture.status().queued == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.invoke(json!({})).await, Outcome::Throttled);
    assert_eq!(fixture.status().throttles, 1);
    fixture.lambda.shutdown().await;
    assert_eq!(waiting.await.unwrap(), Outcome::Throttled);
}

#[tokio::test]
async fn what_waits_too_long_is_throttled() {
    let fixture = fixture("init-hang", 1, Limits { wait: Duration::ZERO, ..LIMITS() });
    assert_eq!(fixture.invoke(json!({})).await, Outcome::Throttled);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn unused_environments_end() {
    let fixture = fixture("", 1, Limits { idle: Duration::ZERO, ..LIMITS() });
    fixture.lambda.warm("Subject", 1).await;
    fixture.lambda.0.pools["Subject"].until_empty().await;
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn shutdown_lets_a_running_invocation_end_and_takes_no_more() {
    let fixture = fixture("", 1, LIMITS());
    fixture.answer(json!({})).await;
    let running = tokio::spawn({
        let lambda = fixture.lambda.clone();
        async move { lambda.invoke("Subject", Bytes::from_static(b"{\"n\":1}"), Source::Http, 1).await }
    });
    // Until an environment has it: what only waits is given back.
    while fixture.lambda.active() == 0 || fixture.status().queued > 0 {
        tokio::task::yield_now().await;
    }
    fixture.lambda.shutdown().await;
    assert!(matches!(running.await.unwrap(), Outcome::Response(_)));
    assert_eq!(fixture.invoke(json!({})).await, Outcome::Throttled);
}

#[tokio::test]
async fn an_extension_is_told_of_the_end() {
    let fixture = fixture("extension", 1, LIMITS());
    fixture.lambda.warm("Subject", 1).await;
    fixture.lambda.shutdown().await;
    // Both the event and the signal arrive at once, and the signal may be faster.
    let log = fixture.lambda.logs("Subject", 1);
    assert!(log.is_empty() || log == ["told: SHUTDOWN"], "{log:?}");
}

#[tokio::test]
async fn an_unknown_function_is_an_error() {
    let fixture = fixture("", 1, LIMITS());
    match fixture.lambda.invoke("Nobody", Bytes::new(), Source::Http, 1).await {
        Outcome::FunctionError(error) => assert_eq!(error.error_type, "ResourceNotFoundException"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_invocation_ends_however_many_environments_are_killed() {
    // An initialisation after a killed one has the function's timeout, and a busy machine takes its time.
    let fixture = patient_fixture("", 3, LIMITS(), Duration::from_secs(30));
    let mut all = tokio::task::JoinSet::new();
    for n in 0..150 {
        let lambda = fixture.lambda.clone();
        let payload = Bytes::from(json!({"n": n}).to_string());
        all.spawn(async move { lambda.invoke("Subject", payload, Source::Queue, 1).await });
    }
    let mut kills = 0;
    while let Some(outcome) = all.join_next().await {
        match outcome.unwrap() {
            Outcome::Response(_) => {}
            Outcome::FunctionError(error) => assert_eq!(error.error_type, "Runtime.ExitError"),
            Outcome::Throttled => panic!("throttled"),
        }
        if all.len() % 25 == 24 {
            for pid in fixture.status().pids {
                let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
                // It may have ended between the two.
                kills +=
                    usize::from(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok());
            }
        }
    }
    assert!(kills >= 5, "{kills}");
    assert_eq!(fixture.lambda.active(), 0);
    let status = fixture.status();
    assert_eq!(status.invocations, 150);
    // Each kill cost at most what that environment had, or the start that was for somebody.
    assert!(status.errors <= kills as u64, "{} errors, {kills} kills", status.errors);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn more_memory_than_the_function_may_have_ends_the_environment() {
    let fixture = patient_fixture("", 1, LIMITS(), Duration::from_secs(60));
    let before = fixture.answer(json!({})).await["pid"].clone();
    let error = fixture.error(json!({"do": "grow"})).await;
    assert_eq!(error.error_type, "Runtime.OutOfMemory");
    assert!(error.message.ends_with("Error: Runtime exited with error: signal: killed"), "{}", error.message);
    assert_ne!(fixture.answer(json!({})).await["pid"], before);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn every_failure_is_told_in_lambdas_words() {
    for failure in FAILURES {
        let running = failure.subject("Subject").run();
        let outcome = running.lambda.invoke("Subject", Bytes::from_static(b"{}"), Source::Http, 1).await;
        let told = match &outcome {
            Outcome::FunctionError(error) => Some(error.error_type.as_str()),
            Outcome::Response(response) => {
                assert_eq!(response, "not json {");
                None
            }
            Outcome::Throttled => panic!("throttled"),
        };
        assert_eq!(told, failure.error_type, "{}", failure.what);
        running.lambda.shutdown().await;
    }
}

/// One environment at most, which works on three events at a time.
fn concurrent_fixture(timeout: Duration) -> Fixture {
    let subject = Subject { timeout, concurrency: 3, ..Subject::default() };
    let Running { lambda, directory } = subject.run_within(LIMITS());
    Fixture { lambda, directory }
}

#[tokio::test]
async fn an_environment_of_managed_instances_works_on_several_events_at_a_time() {
    let fixture = concurrent_fixture(Duration::from_secs(60));
    // Each is answered when all three have come.
    let meet = || fixture.answer(json!({"do": "meet"}));
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(meet(), meet(), meet());
        assert!(one["pid"] == two["pid"] && two["pid"] == three["pid"]);
    }
    let variables = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(variables["AWS_LAMBDA_MAX_CONCURRENCY"], "3");
    assert_eq!(variables["AWS_LAMBDA_INITIALIZATION_TYPE"], "lambda-managed-instances");
    assert_eq!(fixture.starts(), 1);
    fixture.lambda.shutdown().await;
}

#[tokio::test]
async fn more_events_than_workers_wait_for_one() {
    let fixture = concurrent_fixture(Duration::from_secs(60));
    let answers = (0..20).map(|n| fixture.answer(json!({"n": n})));
    for (n, answer) in futures_util::future::join_all(answers).await.into_iter().enumerate() {
        assert_eq!(answer["echo"]["n"], n);
    }
    assert_eq!((fixture.starts(), fixture.lambda.active()), (1, 0));
}

#[tokio::test]
async fn a_timeout_among_several_is_that_of_one_invocation() {
    let fixture = concurrent_fixture(Duration::from_secs(1));
    let before = fixture.answer(json!({})).await;
    assert_eq!(fixture.error(json!({"do": "hang"})).await.error_type, "Sandbox.Timedout");
    // Its worker hangs on; the two others are those of the same process.
    let (one, two) = tokio::join!(fixture.answer(json!({})), fixture.answer(json!({})));
    assert!(one["pid"] == before["pid"] && two["pid"] == before["pid"]);
    assert_eq!(fixture.status().timeouts, 1);
}

#[tokio::test]
async fn a_crash_ends_all_that_the_process_worked_on() {
    let fixture = concurrent_fixture(Duration::from_secs(60));
    let error = || fixture.error(json!({"do": "meet", "then": "kill"}));
    let (one, two, three) = tokio::join!(error(), error(), error());
    for error in [one, two, three] {
        assert_eq!(error.error_type, "Runtime.ExitError");
    }
    fixture.answer(json!({})).await;
    assert_eq!(fixture.starts(), 2);
}
