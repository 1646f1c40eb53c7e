//! A message: what its sender said, and where it stands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sigv4::hex;

/// The value of a message attribute, as the JSON protocol writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

impl Attribute {
    pub(crate) fn string(value: &str) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.to_owned()), binary_value: None }
    }

    /// The value's bytes and whether it is binary; `None` when it has no valid one.
    pub(super) fn bytes(&self) -> Option<(Vec<u8>, bool)> {
        if self.data_type.starts_with("Binary") {
            return Some((STANDARD.decode(self.binary_value.as_ref()?).ok()?, true));
        }
        Some((self.string_value.as_ref()?.clone().into_bytes(), false))
    }
}

pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// What the sender said. It never changes, so it is shared and written once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) body_md5: String,
    #[serde(default)]
    pub(super) attributes: Attributes,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    pub(super) sender: String,
    /// `AWSTraceHeader`, the one system attribute that a sender sets.
    pub(super) trace: Option<String>,
    /// Milliseconds since the epoch.
    pub(super) sent_at: i64,
    /// The queue this came from when it is a dead letter.
    pub(super) dead_letter_source: Option<String>,
}

/// A message in a queue. Its place in the order is `sequence`; times are in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) sequence: u64,
    pub(super) content: Arc<Content>,
    /// When it is (or was) visible.
    pub(super) due: i64,
    /// Received and not yet timed out.
    pub(super) in_flight: bool,
    pub(super) receive_count: u32,
    pub(super) first_received: Option<i64>,
    /// Names the last receive; only its handle deletes the message.
    pub(super) receipt: u64,
}

/// The decoded receipt handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) sequence: u64,
    pub(super) receipt: u64,
}

impl Receipt {
    /// An opaque text that only `queue` takes.
    pub(super) fn encode(self, queue: &str) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.receipt.to_be_bytes());
        bytes[16..].copy_from_slice(&seal(queue));
        STANDARD.encode(bytes)
    }

    pub(super) fn decode(handle: &str, queue: &str) -> Option<Self> {
        let bytes: [u8; 24] = STANDARD.decode(handle).ok()?.try_into().ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        (words[2] == seal(queue)).then_some(())?;
        Some(Self { sequence: u64::from_be_bytes(words[0]), receipt: u64::from_be_bytes(words[1]) })
    }
}

fn seal(queue: &str) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(queue).into();
    let (words, _) = digest.as_chunks::<8>();
    words[0]
}

pub(super) fn body_md5(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The digest that SDKs compare: names in order, each with type and value, all with their lengths.
/// `None` without attributes.
pub(super) fn attributes_md5<'a>(
    attributes: impl Iterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut md5 = Md5::new();
    let mut some = false;
    for (name, attribute) in attributes {
        some = true;
        let (value, binary) = attribute.bytes().unwrap_or_default();
        part(&mut md5, name.as_bytes());
        part(&mut md5, attribute.data_type.as_bytes());
        md5.update([if binary { 2 } else { 1 }]);
        part(&mut md5, &value);
    }
    some.then(|| hex(&md5.finalize()))
}

fn part(md5: &mut Md5, bytes: &[u8]) {
    md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    md5.update(bytes);
}

/// What a message weighs against the size limits, in bytes.
pub(super) fn size(body: &str, attributes: &Attributes) -> usize {
    let weigh = |(name, attribute): (&String, &Attribute)| {
        name.len() + attribute.data_type.len() + attribute.bytes().map_or(0, |(value, _)| value.len())
    };
    body.len() + attributes.iter().map(weigh).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_the_sdks_compute() {
        assert_eq!(body_md5("hello"), "5d41402abc4b2a76b9719d911017c592");
        let attributes = Attributes::from([("k".to_owned(), Attribute::string("v"))]);
        // length 1, "k", length 6, "String", 1, length 1, "v"
        let bytes = [&[0, 0, 0, 1, b'k', 0, 0, 0, 6][..], b"String", &[1, 0, 0, 0, 1, b'v']].concat();
        assert_eq!(attributes_md5(attributes.iter()), Some(hex(&Md5::digest(bytes))));
        assert_eq!(attributes_md5(Attributes::new().iter()), None);
    }

    #[test]
    fn a_receipt_is_good_for_its_queue_only() {
        let receipt = Receipt { sequence: 7, receipt: u64::MAX };
        let handle = receipt.encode("a");
        assert_eq!(Receipt::decode(&handle, "a"), Some(receipt));
        assert_eq!(Receipt::decode(&handle, "b"), None);
        assert_eq!(Receipt::decode("garbage", "a"), None);
    }
}
