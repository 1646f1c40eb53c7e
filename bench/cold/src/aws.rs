//! AWS for one run: an HTTPS endpoint with a certificate of its own, which answers what [`answers`] says.

use crate::Error;
use crate::answers;
use crate::http_server::{self, Body};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What functions trust on AWS: the authority is added to them, so that the reading of certificates costs what it does there.
const AMAZON_ROOTS: &str = include_str!("../../../shared/src/amazon_roots.pem");

/// A certificate authority, and how to serve in its name.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    /// For `AWS_CA_BUNDLE`.
    pub(crate) bundle: PathBuf,
}

impl Tls {
    pub(crate) fn new(directory: &Path) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        // Of another name than what it signs, which OpenSSL would take for its own issuer.
        params.distinguished_name.push(DnType::CommonName, "an authority for measurements");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "*.localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let bundle = directory.join("authorities.pem");
        std::fs::write(&bundle, format!("{AMAZON_ROOTS}\n{}", authority.pem()))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), bundle })
    }

    /// Answers the requests of `function`.
    pub(crate) async fn start(&self, function: &str) -> Result<SocketAddr, Error> {
        http_server::start_tls(self.acceptor.clone(), answering(function)).await
    }
}

/// The same without TLS.
pub(crate) async fn start_plain(function: &str) -> Result<SocketAddr, Error> {
    http_server::start(answering(function)).await
}

fn answering(
    function: &str,
) -> impl Fn(Request<Incoming>) -> std::pin::Pin<Box<dyn Future<Output = Response<Body>> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    let function: Arc<str> = function.into();
    move |request| {
        let function = function.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            answers::answer(&function, &parts, &body)
        })
    }
}
