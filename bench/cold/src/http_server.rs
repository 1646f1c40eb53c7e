//! The least of an HTTP server on loopback, plain or with TLS.

use crate::Error;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) type Body = Full<Bytes>;

/// Serves on a free port until the process ends.
pub(crate) async fn start<F, Fut>(answer: F) -> Result<SocketAddr, Error>
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    listen(move |stream| serve(stream, answer.clone())).await
}

/// The same with TLS.
pub(crate) async fn start_tls<F, Fut>(tls: TlsAcceptor, answer: F) -> Result<SocketAddr, Error>
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    listen(move |stream| {
        let (tls, answer) = (tls.clone(), answer.clone());
        async move {
            // Who is ended while shaking hands has no more to say.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, answer).await;
            }
        }
    })
    .await
}

async fn listen<F, Fut>(connection: F) -> Result<SocketAddr, Error>
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Otherwise a delayed acknowledgement is waited for.
            let _at_worst_slower = stream.set_nodelay(true);
            tokio::spawn(connection(stream));
        }
    });
    Ok(address)
}

async fn serve<S, F, Fut>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    let service = service_fn(|request| {
        let response = answer(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    // Ends with an error whenever the other side is killed, which is how every measurement ends.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
