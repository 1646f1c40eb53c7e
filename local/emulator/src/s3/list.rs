//! Listing keys in order, with prefixes folded at a delimiter.

use super::Store;
use super::meta::Object;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Result, s3_error};

/// Keys in one answer.
const MOST_KEYS: usize = 1000;

/// What S3 leaves as it is when asked to encode keys.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

/// What to list.
pub(super) struct Listing<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// Only what comes after this key.
    pub(super) after: String,
    pub(super) limit: usize,
}

/// Objects and folded prefixes, each in order.
#[derive(Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    pub(super) prefixes: Vec<String>,
    /// Where to go on, when there is more.
    pub(super) next: Option<String>,
}

impl Store {
    pub(super) fn list(&self, listing: &Listing<'_>) -> S3Result<Page> {
        let limit = listing.limit.min(MOST_KEYS);
        let meta = self.meta();
        meta.require_bucket(listing.bucket)?;
        let mut page = Page::default();
        let mut after = listing.after.clone();
        let mut last = String::new();
        while let Some(object) = meta.next_object(listing.bucket, listing.prefix, &after)? {
            let Some(rest) = object.key.strip_prefix(listing.prefix) else {
                break;
            };
            if page.objects.len() + page.prefixes.len() == limit {
                // Nothing was asked for, so there is nothing to go on from.
                page.next = (limit > 0).then_some(last);
                break;
            }
            let delimiter = listing.delimiter.filter(|delimiter| !delimiter.is_empty());
            if let Some((delimiter, at)) =
                delimiter.and_then(|delimiter| Some((delimiter, rest.find(delimiter)?)))
            {
                let prefix = object.key[..listing.prefix.len() + at + delimiter.len()].to_owned();
                // Beyond every key with this prefix.
                after = format!("{prefix}{}", char::MAX);
                page.prefixes.push(prefix);
            } else {
                after.clone_from(&object.key);
                page.objects.push(object);
            }
            last.clone_from(&after);
        }
        Ok(page)
    }
}

/// An opaque continuation token.
pub(super) fn encode_token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

/// # Errors
/// `InvalidArgument` for a token of another's.
pub(super) fn decode_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

/// The key as it goes into the answer.
pub(super) fn shown(key: &str, encode: bool) -> String {
    if encode { utf8_percent_encode(key, ENCODED).to_string() } else { key.to_owned() }
}
