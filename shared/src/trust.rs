//! The one HTTP client of a function, and whose certificates it takes for AWS's.

use crate::runtime::Error;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use https_client::Roots;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// The roots that AWS's own certificates come from, as Amazon Trust Services publishes them: reading these few, and not the
/// system's 150, saves most of a cold start's instructions before the first request.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// An endpoint of one's own region answers within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// `bundle` is what `AWS_CA_BUNDLE` says, which goes before all else, as with all of AWS's tools; `endpoint` what
/// `AWS_ENDPOINT_URL` does.
fn roots(bundle: Option<PathBuf>, endpoint: Option<&str>) -> Result<Roots, Error> {
    let is_https = |url: &str| url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    match (bundle, endpoint) {
        (Some(path), _) => {
            let pem =
                std::fs::read(&path).map_err(|error| format!("AWS_CA_BUNDLE cannot be read: {error}"))?;
            Ok(Roots::Pem(pem.into()))
        }
        // Whose it is nobody knows.
        (None, Some(url)) if is_https(url) => Ok(Roots::System),
        // AWS itself, or no certificates at all.
        (None, _) => Ok(Roots::Pem(AMAZON_ROOTS.into())),
    }
}

/// Speaks HTTP and HTTPS.
pub(crate) fn http_client(endpoint: Option<&str>) -> Result<SharedHttpClient, Error> {
    let bundle = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let roots = roots(bundle, endpoint)?;
    https_client::client(&roots, CONNECT_TIMEOUT)
        .map_err(|error| format!("the roots of TLS cannot be used: {error}").into())
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
        let amazons = Roots::Pem(AMAZON_ROOTS.into());
        assert_eq!(roots(None, None).unwrap(), amazons);
        assert_eq!(roots(None, Some("http://127.0.0.1:4566")).unwrap(), amazons);
        assert_eq!(roots(None, Some("https://emulator.example.com")).unwrap(), Roots::System);
        assert_eq!(roots(None, Some("HTTPS://emulator.example.com")).unwrap(), Roots::System);
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
    fn a_bundle_goes_before_all_else() {
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/src/amazon_roots.pem");
        for endpoint in [None, Some("https://emulator.example.com")] {
            assert_eq!(roots(Some(this.into()), endpoint).unwrap(), Roots::Pem(AMAZON_ROOTS.into()));
        }
        let missing = roots(Some("/nowhere/ca.pem".into()), None).unwrap_err();
        assert!(missing.to_string().contains("AWS_CA_BUNDLE"), "{missing}");
    }

    #[test]
    fn a_client_can_be_made() {
        http_client(None).unwrap();
    }
}
