//! The local OIDC issuer: what stands in for a user pool, with a key of its own and real signed tokens.

use crate::state::{State, StateError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emulator::Clock;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use rsa::pkcs8::{EncodePrivateKey, LineEnding, SecretDocument};
use rsa::rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};
use std::time::Duration;

const BITS: usize = 2048;
/// Where the key is kept in the host's state.
const KIND: &str = "identity";
const KEY: &str = "private-key";

/// Why there is no issuer, or no token from it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("no signing key could be made: {0}")]
    Generate(#[from] rsa::Error),
    #[error("the signing key cannot be written: {0}")]
    Encode(#[from] rsa::pkcs8::Error),
    #[error("the stored signing key cannot be read: {0}")]
    Key(String),
    #[error("a token could not be signed")]
    Sign,
}

/// An issuer with one RSA key.
pub struct Identity {
    issuer: String,
    clock: Clock,
    key: RsaKeyPair,
    public: RsaPublicKeyComponents<Vec<u8>>,
    key_id: String,
}

impl Identity {
    /// The issuer at `issuer_url`, with the key that `state` holds or a new one.
    pub fn open(state: &State, issuer_url: String, clock: Clock) -> Result<Self, IdentityError> {
        let pem = match state.get::<String>(KIND, KEY)? {
            Some(pem) => pem,
            None => {
                let pem = generate()?;
                state.put(KIND, KEY, &pem)?;
                pem
            }
        };
        let (_, der) =
            SecretDocument::from_pem(&pem).map_err(|error| IdentityError::Key(error.to_string()))?;
        let key = RsaKeyPair::from_pkcs8(der.as_bytes())
            .map_err(|rejected| IdentityError::Key(rejected.to_string()))?;
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let key_id = thumbprint(&public);
        Ok(Self { issuer: issuer_url.trim_end_matches('/').to_owned(), clock, key, public, key_id })
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn public_key(&self) -> &RsaPublicKeyComponents<Vec<u8>> {
        &self.public
    }

    /// An access token for `subject`, valid for `life` from now on the clock.
    pub fn token(
        &self,
        subject: &str,
        email: Option<&str>,
        audience: &str,
        scopes: &[&str],
        life: Duration,
    ) -> Result<String, IdentityError> {
        let now = self.clock.now().timestamp();
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let mut claims = json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": audience,
            "client_id": audience,
            "token_use": "access",
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(life),
            "jti": uuid::Uuid::new_v4().to_string(),
        });
        if let Some(email) = email {
            claims["email"] = json!(email);
            claims["email_verified"] = json!(true);
        }
        if !scopes.is_empty() {
            claims["scope"] = json!(scopes.join(" "));
        }
        self.sign(&claims)
    }

    /// Signs any claims. Tests make bad tokens with it.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, IdentityError> {
        let header = json!({"alg": "RS256", "kid": self.key_id, "typ": "JWT"});
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    /// Signs any header and claims as they are written.
    pub(crate) fn sign_texts(&self, header: &str, claims: &str) -> Result<String, IdentityError> {
        let mut token = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| IdentityError::Sign)?;
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }

    /// What `/.well-known/openid-configuration` under the issuer's URL answers.
    pub fn discovery(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/jwks.json", self.issuer),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "claims_supported": ["iss", "sub", "aud", "exp", "nbf", "iat", "email", "email_verified", "scope"],
        })
    }

    /// The public key as a JSON Web Key Set.
    pub fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.key_id,
            "n": encode(&self.public.n),
            "e": encode(&self.public.e),
        }]})
    }
}

/// A new private key as PKCS#8 PEM.
fn generate() -> Result<String, IdentityError> {
    let key = rsa::PrivateKey::new(&mut Random(SystemRandom::new()), BITS)?;
    Ok(key.to_pkcs8_pem(LineEnding::LF)?.to_string())
}

/// The system's randomness in the form that `rsa` wants.
struct Random(SystemRandom);

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the system has no randomness to give")]
struct NoRandomness;

impl TryRng for Random {
    type Error = NoRandomness;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomness> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomness> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(bytes).map_err(|_| NoRandomness)
    }
}

impl TryCryptoRng for Random {}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key's name: its JWK thumbprint (RFC 7638), so that it says nothing and changes with the key.
fn thumbprint(public: &RsaPublicKeyComponents<Vec<u8>>) -> String {
    let jwk = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&public.e), encode(&public.n));
    encode(ring::digest::digest(&ring::digest::SHA256, jwk.as_bytes()))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use std::sync::OnceLock;

    /// An issuer whose key is made once for all tests: making one is the slow part.
    pub(crate) fn identity(clock: Clock) -> Identity {
        static PEM: OnceLock<String> = OnceLock::new();
        let pem = PEM.get_or_init(|| generate().unwrap());
        with_key(Some(pem), clock)
    }

    /// The same issuer's name, and another key.
    pub(crate) fn impostor(clock: Clock) -> Identity {
        with_key(None, clock)
    }

    fn with_key(pem: Option<&str>, clock: Clock) -> Identity {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        if let Some(pem) = pem {
            state.put(KIND, KEY, pem).unwrap();
        }
        Identity::open(&state, "http://127.0.0.1:3000/_local/identity".into(), clock).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || {
            let state = State::open(directory.path()).unwrap();
            Identity::open(&state, "http://localhost/".into(), Clock::default()).unwrap()
        };
        let (first, second) = (open(), open());
        assert_eq!(first.jwks(), second.jwks());
        assert_eq!(first.discovery()["jwks_uri"], "http://localhost/jwks.json");
    }

    #[test]
    fn a_life_without_end_is_no_overflow() {
        let identity = testing::identity(Clock::default());
        identity.token("ada", None, "notes", &[], Duration::MAX).unwrap();
    }
}
