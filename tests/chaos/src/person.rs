//! Someone who calls the API, and calls again until there is an answer.

use crate::cloud::Cloud;
use end_to_end::{Answer, Caller};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one thing is tried.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Person {
    cloud: Arc<Cloud>,
    pub(crate) subject: String,
    /// The token, and in which life of the host it was given out.
    caller: Option<(u64, Caller)>,
}

/// The answer to a call that was repeated until it had one.
pub(crate) struct Said {
    pub(crate) answer: Answer,
    /// An earlier attempt may have done what was asked for: its answer was lost or told of a failure inside.
    pub(crate) may_be_done: bool,
}

impl Said {
    pub(crate) fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }
}

impl Person {
    pub(crate) fn new(cloud: Arc<Cloud>, subject: String) -> Self {
        Self { cloud, subject, caller: None }
    }

    /// Asks until an answer says what happened: not a lost one, not a failure of the service.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Said {
        let started = Instant::now();
        let mut pause = PAUSE;
        let mut may_be_done = false;
        loop {
            let caller = self.caller().await;
            let result = caller.try_send(method, target, headers, body).await;
            match result {
                Ok(answer) if answer.status == 401 => self.caller = None,
                // Also a throttle: it may have met the repetition of a write whose own answer was lost.
                Ok(answer) if answer.status == 429 || answer.status.is_server_error() => may_be_done = true,
                Ok(answer) => return Said { answer, may_be_done },
                Err(_) => may_be_done = true,
            }
            assert!(started.elapsed() < PATIENCE, "{method} {target}: no answer");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], &Value::Null).await.answer
    }

    /// Uploads as told until it is acknowledged. `false`: the host that the URL led to is gone; the object may be there
    /// or not.
    pub(crate) async fn upload(&mut self, upload: &Value, content: &[u8]) -> bool {
        let life = self.cloud.running().await.life;
        let started = Instant::now();
        loop {
            let caller = self.caller().await;
            if self.cloud.running().await.life != life {
                return false;
            }
            match caller.try_upload(upload, content.to_vec()).await {
                Ok(answer) if answer.status == 200 => return true,
                Ok(answer) if !answer.status.is_server_error() => {
                    panic!("the upload was refused: {}", String::from_utf8_lossy(&answer.body))
                }
                _ => {}
            }
            assert!(started.elapsed() < PATIENCE, "no answer to an upload");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// With a token of the host that runs now.
    async fn caller(&mut self) -> Caller {
        loop {
            let running = self.cloud.running().await;
            if let Some((life, caller)) = &self.caller
                && *life == running.life
            {
                return caller.clone();
            }
            let email = format!("{}@example.com", self.subject);
            let target = format!("/_local/token?sub={}&email={email}", self.subject);
            if let Ok(answer) = running.api.try_send("GET", &target, &[], "").await
                && answer.status == 200
            {
                let token = String::from_utf8_lossy(&answer.body).into_owned();
                let caller = Caller { api: running.api, subject: self.subject.clone(), token };
                self.caller = Some((running.life, caller));
                continue;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
