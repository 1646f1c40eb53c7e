//! Verification of AWS Signature Version 4 for the JSON and Query services. (S3's own rules are kept by `s3s`.)

use crate::{Credentials, lock};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// How far a signature's time may be from the system's.
const LARGEST_SKEW: TimeDelta = TimeDelta::minutes(15);
/// Signing keys remembered; each environment has its own key, each day makes new ones.
const MOST_KEYS: usize = 512;
/// The header of a temporary key's token.
pub(crate) const SESSION_TOKEN: &str = "x-amz-security-token";
/// More signed headers than any SDK sends.
const MOST_SIGNED_HEADERS: usize = 64;

/// Why a request is not who it says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("Request is missing Authentication Token")]
    MissingToken,
    #[error("Authorization header is incomplete or malformed")]
    Incomplete,
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    #[error("Signature expired or not yet current: the request's time is more than 15 minutes from ours")]
    Skewed,
}

impl Denial {
    /// The code and HTTP status in the JSON protocol.
    pub(crate) fn json_code(self) -> (&'static str, u16) {
        match self {
            Self::MissingToken => ("MissingAuthenticationTokenException", 400),
            Self::Incomplete => ("IncompleteSignatureException", 400),
            Self::UnknownKey => ("UnrecognizedClientException", 400),
            Self::Mismatch | Self::Skewed => ("InvalidSignatureException", 400),
        }
    }

    /// The code and HTTP status in the Query protocol.
    pub(crate) fn query_code(self) -> (&'static str, u16) {
        match self {
            Self::MissingToken => ("MissingAuthenticationToken", 403),
            Self::Incomplete => ("IncompleteSignature", 400),
            Self::UnknownKey => ("InvalidClientTokenId", 403),
            Self::Mismatch | Self::Skewed => ("SignatureDoesNotMatch", 403),
        }
    }
}

/// The parts of an `Authorization` header.
#[derive(Debug, PartialEq)]
pub(crate) struct Authorization<'a> {
    pub(crate) key_id: &'a str,
    date: &'a str,
    region: &'a str,
    pub(crate) service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// # Errors
    /// `MissingToken` without the header, `Incomplete` when it is not SigV4's.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, Denial> {
        let header = headers.get(http::header::AUTHORIZATION).ok_or(Denial::MissingToken)?;
        let header = header.to_str().map_err(|_| Denial::Incomplete)?;
        let fields = header.strip_prefix("AWS4-HMAC-SHA256").ok_or(Denial::Incomplete)?;
        let field =
            |name: &str| fields.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential").ok_or(Denial::Incomplete)?.rsplitn(5, '/');
        let mut part = || scope.next().ok_or(Denial::Incomplete);
        if part()? != "aws4_request" {
            return Err(Denial::Incomplete);
        }
        let (service, region, date, key_id) = (part()?, part()?, part()?, part()?);
        Ok(Self {
            key_id,
            date,
            region,
            service,
            signed_headers: field("SignedHeaders").ok_or(Denial::Incomplete)?,
            signature: field("Signature").ok_or(Denial::Incomplete)?,
        })
    }
}

/// Checks signatures against the known credentials.
pub(crate) struct Verifier {
    credentials: Credentials,
    /// By scope: the secret it was derived from and the signing key.
    keys: Mutex<HashMap<String, (String, [u8; 32])>>,
}

impl Verifier {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, keys: Mutex::default() }
    }

    /// Checks that the holder of a known key signed this very request, at about `now` (the system's time).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn verify(&self, parts: &Parts, body: &[u8], now: DateTime<Utc>) -> Result<(), Denial> {
        let authorization = Authorization::read(&parts.headers)?;
        let key = (self.credentials)(authorization.key_id).ok_or(Denial::UnknownKey)?;
        if key.session_token.is_some() && key.session_token.as_deref() != session_token(&parts.headers) {
            return Err(Denial::UnknownKey);
        }
        let stamp = request_time(&parts.headers)?;
        let time = NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ").map_err(|_| Denial::Incomplete)?;
        if !stamp.starts_with(authorization.date) {
            return Err(Denial::Mismatch);
        }
        if (now - time.and_utc()).abs() > LARGEST_SKEW {
            return Err(Denial::Skewed);
        }
        let canonical = canonical_request(parts, body, authorization.signed_headers)?;
        let scope =
            format!("{}/{}/{}/aws4_request", authorization.date, authorization.region, authorization.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = self.signing_key(&authorization, &scope, key.secret);
        let signature = unhex(authorization.signature).ok_or(Denial::Mismatch)?;
        // Compares in constant time.
        mac(&key, to_sign.as_bytes()).verify_slice(&signature).map_err(|_| Denial::Mismatch)
    }

    fn signing_key(&self, authorization: &Authorization<'_>, scope: &str, secret: String) -> [u8; 32] {
        let id = format!("{}/{scope}", authorization.key_id);
        let mut keys = lock(&self.keys);
        if let Some((from, key)) = keys.get(&id)
            && *from == secret
        {
            return *key;
        }
        let key = derive_key(&secret, authorization.date, authorization.region, authorization.service);
        if keys.len() >= MOST_KEYS {
            keys.clear();
        }
        keys.insert(id, (secret, key));
        key
    }
}

fn session_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_TOKEN)?.to_str().ok()
}

fn request_time(headers: &HeaderMap) -> Result<&str, Denial> {
    let header = headers.get("x-amz-date").ok_or(Denial::Incomplete)?;
    header.to_str().map_err(|_| Denial::Incomplete)
}

fn derive_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let step =
        |key: &[u8], text: &str| -> [u8; 32] { mac(key, text.as_bytes()).finalize().into_bytes().into() };
    let date_key = step(format!("AWS4{secret}").as_bytes(), date);
    step(&step(&step(&date_key, region), service), "aws4_request")
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length; the fallback is never made.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
    mac.update(text);
    mac
}

fn canonical_request(parts: &Parts, body: &[u8], signed_headers: &str) -> Result<String, Denial> {
    let mut names = signed_headers.split(';');
    // A signature that does not cover the host could be sent anywhere.
    if signed_headers.split(';').count() > MOST_SIGNED_HEADERS || !names.any(|name| name == "host") {
        return Err(Denial::Incomplete);
    }
    let mut canonical = String::with_capacity(512);
    canonical.push_str(parts.method.as_str());
    canonical.push('\n');
    encode_into(&mut canonical, parts.uri.path(), true);
    canonical.push('\n');
    canonical_query(&mut canonical, parts.uri.query().unwrap_or_default());
    canonical.push('\n');
    for name in signed_headers.split(';') {
        canonical_header(&mut canonical, parts, name)?;
    }
    // Writing to a string cannot fail.
    let _ = write!(canonical, "\n{signed_headers}\n{}", hex(&Sha256::digest(body)));
    Ok(canonical)
}

fn canonical_header(canonical: &mut String, parts: &Parts, name: &str) -> Result<(), Denial> {
    canonical.push_str(name);
    canonical.push(':');
    let mut values = parts.headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Err(Denial::Mismatch);
    }
    for (index, value) in values.enumerate() {
        if index > 0 {
            canonical.push(',');
        }
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Denial::Incomplete)?;
        for (index, word) in value.split_ascii_whitespace().enumerate() {
            if index > 0 {
                canonical.push(' ');
            }
            canonical.push_str(word);
        }
    }
    canonical.push('\n');
    Ok(())
}

fn canonical_query(canonical: &mut String, query: &str) {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| {
            let (mut encoded_name, mut encoded_value) = (String::new(), String::new());
            encode_into(&mut encoded_name, &name, false);
            encode_into(&mut encoded_value, &value, false);
            (encoded_name, encoded_value)
        })
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            canonical.push('&');
        }
        canonical.push_str(name);
        canonical.push('=');
        canonical.push_str(value);
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters (and `/` in a path).
fn encode_into(out: &mut String, text: &str, path: bool) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (path && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use std::sync::Arc;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn verifier_with(session_token: Option<&str>) -> Verifier {
        let key = Key { session_token: session_token.map(str::to_owned), ..Key::to_everything(SECRET) };
        Verifier::new(Arc::new(move |id| (id == "AKIDEXAMPLE").then(|| key.clone())))
    }

    fn verifier() -> Verifier {
        verifier_with(None)
    }

    /// AWS's own test suite: `get-vanilla-query-order-key-case` and `post-vanilla`.
    fn vector(method: &str, uri: &str, signature: &str) -> Parts {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        http::Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    fn at() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2015-08-30T12:40:00Z").unwrap().to_utc()
    }

    const QUERY: &str = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    const POST: &str = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";

    #[test]
    fn the_published_vectors_verify() {
        let verifier = verifier();
        assert_eq!(
            verifier.verify(&vector("GET", "/?Param2=value2&Param1=value1", QUERY), b"", at()),
            Ok(())
        );
        assert_eq!(verifier.verify(&vector("POST", "/", POST), b"", at()), Ok(()));
        // The second time the key comes from the cache.
        assert_eq!(verifier.verify(&vector("POST", "/", POST), b"", at()), Ok(()));
    }

    #[test]
    fn what_was_not_signed_is_refused() {
        let verifier = verifier();
        assert_eq!(verifier.verify(&vector("POST", "/", POST), b"x", at()), Err(Denial::Mismatch));
        assert_eq!(verifier.verify(&vector("PUT", "/", POST), b"", at()), Err(Denial::Mismatch));
        assert_eq!(verifier.verify(&vector("POST", "/", "zz"), b"", at()), Err(Denial::Mismatch));
        let late = at() + TimeDelta::minutes(30);
        assert_eq!(verifier.verify(&vector("POST", "/", POST), b"", late), Err(Denial::Skewed));
        let mut unsigned = vector("POST", "/", POST);
        unsigned.headers.remove("authorization");
        assert_eq!(verifier.verify(&unsigned, b"", at()), Err(Denial::MissingToken));
        let stranger = Verifier::new(Arc::new(|_| None));
        assert_eq!(stranger.verify(&vector("POST", "/", POST), b"", at()), Err(Denial::UnknownKey));
    }

    #[test]
    fn a_temporary_key_is_nothing_without_its_token() {
        let verifier = verifier_with(Some("token"));
        let with = |token: Option<&'static str>| {
            let mut parts = vector("POST", "/", POST);
            parts.headers.extend(token.map(|token| {
                let name = http::HeaderName::from_static(SESSION_TOKEN);
                (name, http::HeaderValue::from_static(token))
            }));
            verifier.verify(&parts, b"", at())
        };
        assert_eq!(with(None), Err(Denial::UnknownKey));
        assert_eq!(with(Some("another")), Err(Denial::UnknownKey));
        assert_eq!(with(Some("token")), Ok(()));
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 0xab, 0xff])), Some(vec![0, 0xab, 0xff]));
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("zz"), None);
    }
}
