//! Whose a thing is.

use crate::hex;
use crate::limits;
use crate::validate::Invalid;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// The subject of a caller's token. Every key of an owner's things is derived from it, never from input.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// Takes a token's `sub`. Control characters are refused: they have no place in a key.
    pub fn new(subject: &str) -> Result<Self, Invalid> {
        if subject.is_empty() || subject.len() > limits::OWNER_BYTES || subject.chars().any(char::is_control)
        {
            return Err(Invalid::new("sub", "must be 1 to 128 bytes without control characters"));
        }
        Ok(Self(subject.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What logs show in place of the owner: 12 hexadecimal digits of its SHA-256.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        hex::encode(&digest[..6])
    }

    /// The owner as part of an object key: no slash, nothing to escape.
    pub fn to_key_segment(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// The reverse of [`Self::to_key_segment`].
    pub fn from_key_segment(segment: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(segment).ok()?;
        Self::new(std::str::from_utf8(&bytes).ok()?).ok()
    }

    /// Which of the [`limits::SHARDS`] partitions this owner's due work and activity go to.
    pub fn shard(&self) -> u32 {
        let digest = Sha256::digest(self.0.as_bytes());
        u32::from(digest[31]) % limits::SHARDS
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A subject may be an address: debug output shows its hash, like the logs.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_segment_leads_back_to_its_owner() {
        let owner = Owner::new("auth0|a/b c+d é").unwrap();
        assert!(!owner.to_key_segment().contains('/'));
        assert_eq!(Owner::from_key_segment(&owner.to_key_segment()), Some(owner));
    }

    #[test]
    fn empty_long_and_control_subjects_are_refused() {
        for subject in ["", "a\nb", &"x".repeat(129)] {
            assert!(Owner::new(subject).is_err());
        }
    }
}
