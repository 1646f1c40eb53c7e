//! Idempotency of transactions: what was answered to each `ClientRequestToken` of the last ten minutes.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// AWS's own window.
const REMEMBERED: Duration = Duration::from_secs(600);
/// A bound on memory; far more than a laptop's transactions in ten minutes.
const MOST_TOKENS: usize = 50_000;

/// A token with a digest of what it was used for.
pub(super) struct Claim {
    token: String,
    content: [u8; 32],
}

pub(super) enum Recall {
    Unknown,
    Same(Vec<u8>),
    Different,
}

impl Claim {
    /// The claim of a request whose work is under `content`; `None` without a token (or when the request is so
    /// malformed that carrying it out will say so).
    pub(super) fn read(body: &[u8], content: &str) -> Option<Self> {
        let request: Value = serde_json::from_slice(body).ok()?;
        let token = request.get("ClientRequestToken")?.as_str()?.to_owned();
        let mut digest = Sha256::new();
        digest_value(&mut digest, request.get(content)?);
        Some(Self { token, content: digest.finalize().into() })
    }
}

/// Digests JSON whatever the order of its members: clients keep attributes in maps without one.
fn digest_value(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            digest.update(b"{");
            for (name, value) in members {
                digest_value(digest, &Value::String(name.clone()));
                digest_value(digest, value);
            }
            digest.update(b"}");
        }
        Value::Array(values) => {
            digest.update(b"[");
            values.iter().for_each(|value| digest_value(digest, value));
            digest.update(b"]");
        }
        scalar => digest.update(scalar.to_string()),
    }
}

#[derive(Default)]
pub(super) struct Tokens {
    answers: HashMap<String, (Claim, Vec<u8>)>,
    by_age: VecDeque<(Instant, String)>,
}

impl Tokens {
    pub(super) fn recall(&mut self, claim: &Claim, now: Instant) -> Recall {
        self.forget_before(now);
        match self.answers.get(&claim.token) {
            None => Recall::Unknown,
            Some((known, answer)) if known.content == claim.content => Recall::Same(answer.clone()),
            Some(_) => Recall::Different,
        }
    }

    pub(super) fn remember(&mut self, claim: Claim, answer: Vec<u8>, now: Instant) {
        self.by_age.push_back((now, claim.token.clone()));
        self.answers.insert(claim.token.clone(), (claim, answer));
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some((since, _)) = self.by_age.front() {
            if self.by_age.len() < MOST_TOKENS && now.duration_since(*since) < REMEMBERED {
                return;
            }
            if let Some((_, token)) = self.by_age.pop_front() {
                self.answers.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(json: &str) -> Claim {
        Claim::read(json.as_bytes(), "TransactItems").unwrap()
    }

    #[test]
    fn a_token_recalls_its_answer_whatever_the_order_of_attributes_and_forgets_in_time() {
        let mut tokens = Tokens::default();
        let now = Instant::now();
        let first = claim(r#"{"ClientRequestToken":"t","TransactItems":[{"Put":{"a":1,"b":2}}]}"#);
        assert!(matches!(tokens.recall(&first, now), Recall::Unknown));
        tokens.remember(first, b"{}".to_vec(), now);
        let again = claim(r#"{"TransactItems":[{"Put":{"b":2,"a":1}}],"ClientRequestToken":"t"}"#);
        assert!(matches!(tokens.recall(&again, now), Recall::Same(_)));
        let other = claim(r#"{"TransactItems":[{"Put":{"b":2,"a":3}}],"ClientRequestToken":"t"}"#);
        assert!(matches!(tokens.recall(&other, now), Recall::Different));
        assert!(matches!(tokens.recall(&other, now + REMEMBERED), Recall::Unknown));
    }
}
