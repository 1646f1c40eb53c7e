//! The public keys that tokens are verified with: the local issuer's, and those that other issuers publish.

use crate::identity::Identity;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Limited};
use https_client::Roots;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// As long as API Gateway keeps an issuer's keys.
const KEEP: Duration = Duration::from_secs(2 * 60 * 60);
/// An unknown key id asks the issuer again, but not more often than this.
const ASK_AGAIN: Duration = Duration::from_secs(30);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const DOCUMENT_LIMIT: usize = 256 * 1024;

pub(super) type PublicKey = RsaPublicKeyComponents<Vec<u8>>;

/// Whether `signature` of `message` is by `key` (RS256).
pub(super) fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

/// Keys by issuer.
pub(super) struct Keys {
    local: Arc<Identity>,
    /// Only issuers that the template names come here, so there are few.
    others: Mutex<HashMap<String, Published>>,
}

#[derive(Clone)]
struct Published {
    by_id: Arc<HashMap<String, PublicKey>>,
    fetched: Instant,
}

impl Keys {
    pub(super) fn new(local: Arc<Identity>) -> Self {
        Self { local, others: Mutex::default() }
    }

    /// The key `id` of `issuer`, if the issuer publishes it.
    pub(super) async fn get(&self, issuer: &str, id: &str) -> Option<PublicKey> {
        if issuer.trim_end_matches('/') == self.local.issuer() {
            return (id == self.local.key_id()).then(|| copy(self.local.public_key()));
        }
        // One request at a time, so that a burst of tokens asks the issuer once.
        let mut others = self.others.lock().await;
        if let Some(published) = others.get(issuer) {
            let age = published.fetched.elapsed();
            match published.by_id.get(id) {
                Some(key) if age < KEEP => return Some(copy(key)),
                None if age < ASK_AGAIN => return None,
                _ => {}
            }
        }
        let by_id = match fetch_keys(issuer).await {
            Ok(keys) => Arc::new(keys),
            Err(error) => {
                tracing::warn!(issuer, %error, "the issuer's keys cannot be had");
                // What is known stays; an issuer that is down is not asked for every token.
                others.get(issuer).map(|published| published.by_id.clone()).unwrap_or_default()
            }
        };
        let key = by_id.get(id).map(copy);
        others.insert(issuer.to_owned(), Published { by_id, fetched: Instant::now() });
        key
    }
}

fn copy(key: &PublicKey) -> PublicKey {
    PublicKey { n: key.n.clone(), e: key.e.clone() }
}

/// Why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Transport(String),
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is not what it should be: {error}")]
    Document { url: String, error: serde_json::Error },
    #[error("the discovery document is that of {0}")]
    OtherIssuer(String),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// Its id and key, if it is one that RS256 signatures may be made with.
    fn public_key(self) -> Option<(String, PublicKey)> {
        let fits = self.kty == "RSA"
            && self.alg.is_none_or(|alg| alg == "RS256")
            && self.r#use.is_none_or(|r#use| r#use == "sig");
        if !fits {
            return None;
        }
        let n = URL_SAFE_NO_PAD.decode(self.n?).ok()?;
        let e = URL_SAFE_NO_PAD.decode(self.e?).ok()?;
        Some((self.kid?, PublicKey { n, e }))
    }
}

async fn fetch_keys(issuer: &str) -> Result<HashMap<String, PublicKey>, FetchError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let discovery: Discovery = fetch(&url).await?;
    if discovery.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
        return Err(FetchError::OtherIssuer(discovery.issuer));
    }
    let set: KeySet = fetch(&discovery.jwks_uri).await?;
    Ok(set.keys.into_iter().filter_map(Jwk::public_key).collect())
}

async fn fetch<T: DeserializeOwned>(url: &str) -> Result<T, FetchError> {
    let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch_bytes(url)).await;
    let body = fetched.map_err(|_| FetchError::Transport(format!("{url} does not answer")))??;
    serde_json::from_slice(&body).map_err(|error| FetchError::Document { url: url.to_owned(), error })
}

async fn fetch_bytes(url: &str) -> Result<bytes::Bytes, FetchError> {
    let transport = |error: &dyn std::fmt::Display| FetchError::Transport(format!("{url}: {error}"));
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).map_err(|error| transport(&error))?;
    // Made when needed: most hosts never ask another issuer.
    let connector =
        https_client::connector(&Roots::System, FETCH_TIMEOUT).map_err(|error| transport(&error))?;
    let response = connector.call(request).await.map_err(|error| transport(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() });
    }
    let body = Limited::new(response.into_body(), DOCUMENT_LIMIT).collect().await;
    Ok(body.map_err(|error| transport(&error))?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::identity;
    use axum::{Json, Router, routing::get};
    use emulator::Clock;

    #[tokio::test]
    async fn another_issuers_keys_are_found_by_discovery_and_kept() {
        let other = identity(Clock::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (jwks, uri) = (other.jwks(), format!("{issuer}/keys"));
        let discovery = serde_json::json!({"issuer": issuer, "jwks_uri": uri});
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(|| async { Json(discovery) }))
            .route("/keys", get(|| async { Json(jwks) }));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let keys = Keys::new(Arc::new(identity(Clock::default())));
        assert!(keys.get(&issuer, "unknown").await.is_none());
        assert!(keys.get(&issuer, other.key_id()).await.is_some());
        server.abort();
        assert!(server.await.is_err());
        assert!(keys.get(&issuer, other.key_id()).await.is_some());
    }

    #[test]
    fn only_rsa_signature_keys_count() {
        let jwk = |json: serde_json::Value| serde_json::from_value::<Jwk>(json).unwrap().public_key();
        let rsa = serde_json::json!({"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"});
        assert!(jwk(rsa.clone()).is_some());
        for (name, value) in [("kty", "EC"), ("alg", "RS512"), ("use", "enc"), ("n", "not base64!")] {
            let mut other = rsa.clone();
            other[name] = value.into();
            assert!(jwk(other).is_none(), "{name}");
        }
    }
}
