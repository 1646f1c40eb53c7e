//! Signed texts that go out and come back: cursors and unsubscribe links.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const TAG_BYTES: usize = 16;

/// Keys in the order of their age: the first signs, all verify, so that a key can be rotated without breaking what is
/// out there.
#[derive(Clone)]
pub struct SigningKeys(Vec<Vec<u8>>);

impl SigningKeys {
    /// Reads keys separated by commas. `None` when there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Vec<Vec<u8>> = text
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .map(|key| key.as_bytes().to_vec())
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Signs `payload` for `purpose`; the result is URL-safe. A signature for one purpose is none for another, so the
    /// purpose also binds what a text is about, such as its owner.
    pub fn sign(&self, purpose: &str, payload: &str) -> String {
        let tag = self.0.first().map(|key| tag(key, purpose, payload)).unwrap_or_default();
        let mut bytes = tag;
        bytes.extend_from_slice(payload.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload, if it was signed for `purpose` by one of the keys.
    pub fn verify(&self, purpose: &str, signed: &str) -> Option<String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(signed).ok()?;
        let (claimed, payload) = bytes.split_at_checked(TAG_BYTES)?;
        let payload = std::str::from_utf8(payload).ok()?;
        let genuine =
            self.0.iter().any(|key| mac(key, purpose, payload).verify_truncated_left(claimed).is_ok());
        genuine.then(|| payload.to_owned())
    }
}

fn mac(key: &[u8], purpose: &str, payload: &str) -> Hmac<Sha256> {
    // HMAC takes keys of any length, so this falls back to nothing that can happen.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose.as_bytes());
    mac.update(payload.as_bytes());
    mac
}

fn tag(key: &[u8], purpose: &str, payload: &str) -> Vec<u8> {
    mac(key, purpose, payload).finalize().into_bytes()[..TAG_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rotated_key_still_verifies_and_a_removed_one_does_not() {
        let signed = SigningKeys::parse("old").unwrap().sign("cursor", "x");
        assert_eq!(SigningKeys::parse("new,old").unwrap().verify("cursor", &signed).as_deref(), Some("x"));
        assert_eq!(SigningKeys::parse("new").unwrap().verify("cursor", &signed), None);
    }

    proptest! {
        #[test]
        fn what_nobody_signed_is_refused(text in "\\PC{0,60}|[A-Za-z0-9_=-]{0,80}") {
            prop_assert_eq!(SigningKeys::parse("key").unwrap().verify("purpose", &text), None);
        }

        #[test]
        fn where_the_purpose_ends_is_signed_as_well(text in "[a-z:]{1,20}", cut in 0usize..20, other in 0usize..20) {
            let keys = SigningKeys::parse("key").unwrap();
            let (cut, other) = (cut % (text.len() + 1), other % (text.len() + 1));
            let signed = BASE64_URL_SAFE_NO_PAD.decode(keys.sign(&text[..cut], &text[cut..])).unwrap();
            let moved = [&signed[..TAG_BYTES], &text.as_bytes()[other..]].concat();
            let verified = keys.verify(&text[..other], &BASE64_URL_SAFE_NO_PAD.encode(moved));
            prop_assert_eq!(verified.is_some(), cut == other);
        }

        #[test]
        fn a_text_has_one_spelling(payload in "\\PC{0,40}", at in 0usize..80, to in "[A-Za-z0-9_=-]") {
            let keys = SigningKeys::parse("key").unwrap();
            let signed = keys.sign("purpose", &payload);
            let at = at % signed.len();
            let changed = format!("{}{to}{}", &signed[..at], &signed[at + 1..]);
            prop_assert_eq!(keys.verify("purpose", &changed).is_some(), changed == signed);
            for other in [format!("{signed}{to}"), signed[..at].to_owned(), format!(" {signed}")] {
                prop_assert_eq!(keys.verify("purpose", &other), None);
            }
        }

        #[test]
        fn any_change_is_noticed(payload in "\\PC{0,40}", at in 0usize..80, to in any::<u8>()) {
            let keys = SigningKeys::parse("key").unwrap();
            let signed = keys.sign("purpose", &payload);
            prop_assert_eq!(keys.verify("purpose", &signed), Some(payload));
            prop_assert_eq!(keys.verify("other", &signed), None);
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&signed).unwrap();
            let at = at % bytes.len();
            if bytes[at] != to {
                bytes[at] = to;
                prop_assert_eq!(keys.verify("purpose", &BASE64_URL_SAFE_NO_PAD.encode(bytes)), None);
            }
        }
    }
}
