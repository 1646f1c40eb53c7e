//! Carries the SDK's requests, and says of failures whether they pass.

use crate::connect::{Connect, ConnectTimedOut};
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;

/// Of requests that do not say by whom they are.
const APPLICATION: HeaderValue = HeaderValue::from_static(concat!("notes/", env!("CARGO_PKG_VERSION")));

/// Requests over one pool of connections.
#[derive(Debug)]
pub(crate) struct Connector(Client<Connect, SdkBody>);

impl Connector {
    pub(crate) fn new(connect: Connect) -> Self {
        // With a timer, connections that nobody uses any more are closed.
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connect))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        request.headers_mut().entry(USER_AGENT).or_insert(APPLICATION);
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answering = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await.map_err(connector_error)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// By which the SDK has a connection closed that a passing failure came over.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// An error as the SDK's retries know them: what is of time or transport passes, what is of the request stays.
fn connector_error(error: legacy::Error) -> ConnectorError {
    if source::<ConnectTimedOut>(&error).is_some() {
        return ConnectorError::timeout(error.into());
    }
    if error.is_connect() {
        return ConnectorError::io(error.into());
    }
    match source::<hyper::Error>(&error) {
        Some(cause) if cause.is_timeout() => ConnectorError::timeout(error.into()),
        Some(cause) if cause.is_user() => ConnectorError::user(error.into()),
        // The server closed before its answer was whole. S3 does.
        Some(cause) if cause.is_incomplete_message() => {
            ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
        }
        Some(cause) if cause.is_closed() || cause.is_canceled() => ConnectorError::io(error.into()),
        _ if source::<std::io::Error>(&error).is_some() => ConnectorError::io(error.into()),
        _ => ConnectorError::other(error.into(), None),
    }
}

/// The first error of a kind in the chain of causes.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Roots, connector};
    use aws_smithy_runtime_api::client::http::SharedHttpConnector;
    use rustls::pki_types::PrivateKeyDer;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    fn plain() -> SharedHttpConnector {
        connector(&Roots::System, SOON).unwrap()
    }

    fn request(url: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("note"));
        request.set_uri(url).unwrap();
        request
    }

    async fn ask(connector: &SharedHttpConnector, url: &str) -> Result<String, ConnectorError> {
        let answer = connector.call(request(url)).await?;
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    /// Answers requests of this length until the other side has enough; how many there were.
    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, body: &str) -> usize {
        let (mut seen, mut requests) = (Vec::new(), 0);
        while let Ok(1..) = stream.read_buf(&mut seen).await {
            if seen.ends_with(b"note") {
                assert!(String::from_utf8_lossy(&seen).contains("\r\nuser-agent: notes/"), "{seen:?}");
                seen.clear();
                requests += 1;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        requests
    }

    /// To one request, and then closes.
    async fn say(listener: &TcpListener, bytes: &[u8]) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"note") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream.write_all(bytes).await.unwrap();
    }

    #[tokio::test]
    async fn requests_share_a_connection() {
        let (listener, port) = listener().await;
        let server = tokio::spawn(async move { answer(listener.accept().await.unwrap().0, "done").await });
        let connector = plain();
        for _ in 0..3 {
            assert_eq!(ask(&connector, &format!("http://127.0.0.1:{port}/")).await.unwrap(), "done");
        }
        drop(connector);
        assert_eq!(server.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_connection_that_failed_is_not_used_again() {
        let (listener, port) = listener().await;
        let server = tokio::spawn(async move {
            for body in ["first", "second"] {
                answer(listener.accept().await.unwrap().0, body).await;
            }
        });
        let (connector, url) = (plain(), format!("http://127.0.0.1:{port}/"));
        let mut first = request(&url);
        let capture = CaptureSmithyConnection::new();
        first.add_extension(capture.clone());
        let answer = connector.call(first).await.unwrap();
        capture.get().unwrap().poison();
        http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
        assert_eq!(ask(&connector, &url).await.unwrap(), "second");
        server.abort();
    }

    #[tokio::test]
    async fn tls_takes_the_roots_it_is_given_and_no_others() {
        let (listener, port) = listener().await;
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key)
                .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let server = tokio::spawn(async move {
            loop {
                // Who does not trust the certificate ends the handshake.
                if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
                    answer(stream, "secret").await;
                }
            }
        });
        let url = format!("https://localhost:{port}/");
        let distrusting = ask(&plain(), &url).await.unwrap_err();
        assert!(distrusting.is_io(), "{distrusting:?}");
        let trusting = connector(&Roots::Pem(own.cert.pem().into_bytes().into()), SOON).unwrap();
        assert_eq!(ask(&trusting, &url).await.unwrap(), "secret");
        server.abort();
    }

    #[tokio::test]
    async fn a_handshake_that_never_ends_is_a_timeout() {
        let (_listener, port) = listener().await;
        let impatient = connector(&Roots::System, Duration::from_millis(1)).unwrap();
        let error = ask(&impatient, &format!("https://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }

    #[tokio::test]
    async fn nobody_there_passes() {
        let (listener, port) = listener().await;
        drop(listener);
        let error = ask(&plain(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_passes() {
        let (listener, port) = listener().await;
        let server = tokio::spawn(async move { say(&listener, b"HTTP/1.1 200 ").await });
        let error = ask(&plain(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(error.is_io() || error.as_other() == Some(ErrorKind::TransientError), "{error:?}");
        server.abort();
    }

    #[tokio::test]
    async fn what_is_no_http_at_all_stays() {
        let (listener, port) = listener().await;
        let server = tokio::spawn(async move { say(&listener, b"SSH-2.0\r\n\r\n").await });
        let error = ask(&plain(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(error.is_other() && error.as_other().is_none(), "{error:?}");
        server.abort();
    }
}
