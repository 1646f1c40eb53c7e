//! The Lambda Runtime API of one environment: hands out events one by one, and takes the answers.

use crate::Error;
use crate::http_server::{self, Body, text};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Nothing of what is measured takes so long, not even under valgrind.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the environment does.
enum Turn {
    /// It asks for an event.
    Asks(oneshot::Sender<Bytes>),
    Answers(Bytes),
    Fails(Bytes),
}

pub(crate) struct RuntimeApi {
    address: SocketAddr,
    turns: mpsc::UnboundedReceiver<Turn>,
    waiting: Option<oneshot::Sender<Bytes>>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self, Error> {
        let (sender, turns) = mpsc::unbounded_channel();
        let address = http_server::start(move |request| serve(request, sender.clone())).await?;
        Ok(Self { address, turns, waiting: None })
    }

    /// As `AWS_LAMBDA_RUNTIME_API` has it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the environment asks for an event, and returns what it answered to the last one.
    pub(crate) async fn is_idle(&mut self) -> Result<Bytes, Error> {
        let mut answer = Bytes::new();
        loop {
            let turn = tokio::time::timeout(PATIENCE, self.turns.recv()).await;
            match turn.map_err(|_| "it neither answers nor asks for an event")? {
                Some(Turn::Answers(body)) => answer = body,
                Some(Turn::Asks(event)) => {
                    self.waiting = Some(event);
                    return Ok(answer);
                }
                Some(Turn::Fails(body)) => {
                    return Err(format!("it failed: {}", String::from_utf8_lossy(&body)).into());
                }
                None => return Err("the Runtime API is gone".into()),
            }
        }
    }

    /// Gives it the event that it asked for.
    pub(crate) fn invoke(&mut self, event: &Bytes) -> Result<(), Error> {
        let waiting = self.waiting.take().ok_or("it did not ask for an event")?;
        waiting.send(event.clone()).map_err(|_| "it is gone".into())
    }
}

async fn serve(request: Request<Incoming>, turns: mpsc::UnboundedSender<Turn>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        let (sender, event) = oneshot::channel();
        let is_heard = turns.send(Turn::Asks(sender)).is_ok();
        return match event.await {
            Ok(event) if is_heard => invocation(event),
            _ => text(StatusCode::GONE, ""),
        };
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let turn = if path.ends_with("/response") { Turn::Answers(body) } else { Turn::Fails(body) };
    // When nobody listens any more the environment is about to be ended.
    let _ended = turns.send(turn);
    text(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn invocation(event: Bytes) -> Response<Body> {
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
    let mut response = Response::new(Full::new(event));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:measured:live".to_owned(),
        ),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1".to_owned()),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
