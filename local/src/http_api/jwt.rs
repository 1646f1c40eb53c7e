//! The JWT authorizer, with API Gateway's rules: RS256 only, the issuer's keys, issuer, audience, times and scopes.

use super::keys::{Keys, verifies};
use crate::app::JwtAuthorizer;
use crate::identity::Identity;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emulator::Clock;
use lru::LruCache;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens of so many callers are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("is not zero");
/// Longer than what fits into a request's headers.
const LONGEST: usize = 10 * 1024;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, or one that is not good: 401.
    Unauthorized,
    /// A good token without a scope that the route wants: 403.
    Forbidden,
}

/// The claims of a verified token.
pub type Claims = Map<String, Value>;

/// Verifies tokens. Remembers those whose signature was good, because that is the costly part; everything that may
/// change with time or route is checked on each use.
pub struct Verifier {
    keys: Keys,
    clock: Clock,
    verified: Mutex<LruCache<[u8; 32], Arc<Claims>>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood: there are none.
    crit: Option<Value>,
}

impl Verifier {
    /// Knows the local issuer's key; asks any other issuer over the network when a template names one.
    pub fn new(local: Arc<Identity>, clock: Clock) -> Self {
        Self { keys: Keys::new(local), clock, verified: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// The claims of `token` if `authorizer` lets it in.
    pub async fn verify(&self, token: &str, authorizer: &JwtAuthorizer) -> Result<Arc<Claims>, Denied> {
        if token.len() > LONGEST {
            return Err(Denied::Unauthorized);
        }
        let fingerprint = fingerprint(token);
        let remembered = self.cache().get(&fingerprint).cloned();
        let claims = match remembered {
            Some(claims) => claims,
            None => {
                let claims = self.signed_claims(token, authorizer).await.ok_or(Denied::Unauthorized)?;
                let claims = Arc::new(claims);
                self.cache().put(fingerprint, claims.clone());
                claims
            }
        };
        self.admit(&claims, authorizer)?;
        Ok(claims)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Arc<Claims>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The claims, if `token` says it is the authorizer's issuer's and that issuer's key has signed it.
    async fn signed_claims(&self, token: &str, authorizer: &JwtAuthorizer) -> Option<Claims> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        // Decided before any key is looked at: `none` and HS256 with the public key as secret end here.
        if header.alg != "RS256" || header.crit.is_some() {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&decode(payload)?).ok()?;
        // Whoever is not the issuer must not make us ask it for keys.
        if !is_issuer(&claims, authorizer) {
            return None;
        }
        let signature = decode(signature)?;
        let key = self.keys.get(&authorizer.issuer, &header.kid).await?;
        verifies(&key, message.as_bytes(), &signature).then_some(claims)
    }

    fn admit(&self, claims: &Claims, authorizer: &JwtAuthorizer) -> Result<(), Denied> {
        let now = self.clock.now_millis() as f64 / 1e3;
        let good =
            is_issuer(claims, authorizer) && is_audience(claims, authorizer) && is_in_time(claims, now);
        if !good {
            return Err(Denied::Unauthorized);
        }
        if authorizer.scopes.is_empty()
            || scopes(claims).any(|scope| authorizer.scopes.iter().any(|s| s == scope))
        {
            return Ok(());
        }
        Err(Denied::Forbidden)
    }
}

/// The scopes that a token carries, in `scope` or `scp`, as text or as a list.
pub(super) fn scopes(claims: &Claims) -> impl Iterator<Item = &str> {
    let values = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    values.flat_map(|value| {
        let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        value.as_str().into_iter().flat_map(str::split_whitespace).chain(list)
    })
}

fn fingerprint(token: &str) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn is_issuer(claims: &Claims, authorizer: &JwtAuthorizer) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(authorizer.issuer.as_str())
}

/// `aud` (text or list) has one of the audiences; `client_id` counts only when there is no `aud`.
fn is_audience(claims: &Claims, authorizer: &JwtAuthorizer) -> bool {
    let wanted =
        |value: &Value| value.as_str().is_some_and(|text| authorizer.audience.iter().any(|a| a == text));
    match (claims.get("aud"), claims.get("client_id")) {
        (Some(Value::Array(audiences)), _) => audiences.iter().any(wanted),
        (Some(audience), _) => wanted(audience),
        (None, Some(client)) => wanted(client),
        (None, None) => false,
    }
}

fn is_in_time(claims: &Claims, now: f64) -> bool {
    let expires = claims.get("exp").and_then(Value::as_f64);
    // A second of grace, for clocks that were read in another order.
    let begun = |name: &str| match claims.get(name) {
        None => true,
        Some(value) => value.as_f64().is_some_and(|from| from <= now + 1.0),
    };
    expires.is_some_and(|expires| now < expires) && begun("nbf") && begun("iat")
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
