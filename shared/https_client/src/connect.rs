//! Makes connections, each within its time.

use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection was not there in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct ConnectTimedOut(Duration);

/// A connection to the host of a URI, with TLS where its scheme says so.
#[derive(Clone)]
pub(crate) struct Connect {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Connect {
    pub(crate) fn new(tls: ClientConfig, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // A request may leave in several writes, none of which should wait for an acknowledgement of the one before.
        tcp.set_nodelay(true);
        Self { https: HttpsConnector::from((tcp, tls)), timeout }
    }
}

impl Service<http::Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.https.call(uri));
        let timeout = self.timeout;
        Box::pin(async move { connecting.await.map_err(|_| ConnectTimedOut(timeout))? })
    }
}
