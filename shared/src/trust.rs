//! The one HTTP client of a function, and whose certificates it takes for AWS's.

use crate::runtime::Error;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient, http_client_fn};
use std::env;
use std::path::PathBuf;

/// The roots that AWS's own certificates come from, as Amazon Trust Services publishes them: reading these few, and not the
/// system's 150, saves most of a cold start's instructions before the first request.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// Where trusted root certificates come from.
#[derive(Debug, PartialEq, Eq)]
enum Roots {
    /// [`AMAZON_ROOTS`].
    Amazon,
    /// The machine's own.
    System,
    /// A file in PEM, and nothing else.
    File(PathBuf),
}

impl Roots {
    /// `bundle` is what `AWS_CA_BUNDLE` says, which goes before all else, as with all of AWS's tools; `endpoint` what
    /// `AWS_ENDPOINT_URL` does.
    fn of(bundle: Option<PathBuf>, endpoint: Option<&str>) -> Self {
        let is_https = |url: &str| url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        match (bundle, endpoint) {
            (Some(path), _) => Self::File(path),
            // Whose it is nobody knows.
            (None, Some(url)) if is_https(url) => Self::System,
            // AWS itself, or no certificates at all.
            (None, _) => Self::Amazon,
        }
    }

    fn trust_store(self) -> Result<tls::TrustStore, Error> {
        Ok(match self {
            Self::Amazon => tls::TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::System => tls::TrustStore::default(),
            Self::File(path) => {
                let pem =
                    std::fs::read(&path).map_err(|error| format!("AWS_CA_BUNDLE cannot be read: {error}"))?;
                tls::TrustStore::empty().with_pem_certificate(pem)
            }
        })
    }
}

/// Speaks HTTP and HTTPS. With ring and not aws-lc, whose entropy from the processor's jitter would be most of a cold start.
pub(crate) fn http_client(endpoint: Option<&str>) -> Result<SharedHttpClient, Error> {
    let bundle = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let store = Roots::of(bundle, endpoint).trust_store()?;
    let context = tls::TlsContext::builder().with_trust_store(store).build()?;
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https();
    // Asked for nothing but connections: each service's client would have the certificates read once more, to see whether
    // they can be.
    Ok(http_client_fn(move |settings, components| client.http_connector(settings, components)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest, Sha256};

    #[test]
    fn only_an_https_endpoint_that_is_not_aws_needs_the_machines_roots() {
        let file = || Some(PathBuf::from("/ca.pem"));
        assert_eq!(Roots::of(None, None), Roots::Amazon);
        assert_eq!(Roots::of(None, Some("http://127.0.0.1:4566")), Roots::Amazon);
        assert_eq!(Roots::of(None, Some("https://emulator.example.com")), Roots::System);
        assert_eq!(Roots::of(None, Some("HTTPS://emulator.example.com")), Roots::System);
        assert_eq!(Roots::of(file(), None), Roots::File("/ca.pem".into()));
        assert_eq!(Roots::of(file(), Some("https://emulator.example.com")), Roots::File("/ca.pem".into()));
    }

    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        let published = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        let text = std::str::from_utf8(AMAZON_ROOTS).unwrap();
        let fingerprints: Vec<String> =
            text.split("-----BEGIN CERTIFICATE-----").skip(1).map(fingerprint).collect();
        assert_eq!(fingerprints, published);
    }

    fn fingerprint(pem: &str) -> String {
        let (body, _) = pem.split_once("-----END CERTIFICATE-----").unwrap();
        let der = BASE64_STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap();
        hex::encode(&Sha256::digest(der))
    }

    #[test]
    fn a_client_can_be_made_of_each() {
        for roots in [Roots::Amazon, Roots::System] {
            roots.trust_store().unwrap();
        }
        let missing = Roots::File("/nowhere/ca.pem".into()).trust_store().unwrap_err();
        assert!(missing.to_string().contains("AWS_CA_BUNDLE"), "{missing}");
        http_client(None).unwrap();
    }
}
