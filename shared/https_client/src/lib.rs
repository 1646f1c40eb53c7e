//! The HTTP client under the AWS SDK, of functions and of the laptop cloud: HTTP/1.1 over TCP or TLS, on connections that are
//! kept.
//!
//! TLS is with ring and not aws-lc, whose entropy from the processor's jitter would be most of a cold start.
#![forbid(unsafe_code)]

mod connect;
mod connector;
mod provider;
mod roots;

pub use roots::{CertificateError, Roots};

use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use std::time::Duration;

/// A client that all services may share. Each new connection, with its TLS handshake, may take `connect_timeout`, whatever an
/// operation's own settings say; answers may take as long as the operation lets them.
///
/// # Errors
/// When the certificates of `roots` are none.
pub fn client(roots: &Roots, connect_timeout: Duration) -> Result<SharedHttpClient, CertificateError> {
    let connector = connector(roots, connect_timeout)?;
    Ok(http_client_fn(move |_settings, _components| connector.clone()))
}

/// The same without an SDK around it, for other requests.
///
/// # Errors
/// When the certificates of `roots` are none.
pub fn connector(roots: &Roots, connect_timeout: Duration) -> Result<SharedHttpConnector, CertificateError> {
    let connect = connect::Connect::new(roots.tls()?, connect_timeout);
    Ok(SharedHttpConnector::new(connector::Connector::new(connect)))
}
