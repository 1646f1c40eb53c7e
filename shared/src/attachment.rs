//! Attachments: files that hang on a note.

use crate::hex;
use crate::limits;
use crate::note::Id;
use crate::owner::Owner;
use crate::timestamp::Timestamp;
use crate::validate::{self, Invalid};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// Where an attachment is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The upload has not been seen, or not been checked yet.
    Pending,
    /// Checked; thumbnails exist if it is a picture.
    Ready,
    /// It will not become ready; `reason` says why.
    Failed,
}

/// An attachment as the table holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub id: Id,
    pub note_id: Id,
    /// For people; never a key or a path.
    pub filename: String,
    /// As declared; `ready` means that the content agrees.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Base64 of the content's SHA-256, where the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    pub status: Status,
    /// Why it failed, for its owner to read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Pixels, upright; only pictures have them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// What to show until a thumbnail is there: a ThumbHash in base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub placeholder: Option<String>,
    #[serde(default)]
    pub thumbnails: Vec<Thumbnail>,
    /// What the thumbnails are files of.
    #[serde(default)]
    pub thumbnail_format: ThumbnailFormat,
    /// Where the thumbnails are. `None` of those that were made before there were sets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thumbnail_set: Option<ThumbnailSet>,
    pub created_at: Timestamp,
    /// When it became ready or failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub processed_at: Option<Timestamp>,
}

/// One thumbnail: its nominal size (the long side's limit) and its real dimensions in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    pub size: u32,
    pub width: u32,
    pub height: u32,
}

/// What thumbnails are files of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThumbnailFormat {
    /// Half the bytes, and keeps transparency.
    #[default]
    WebP,
    /// For what cannot read WebP.
    Jpeg,
}

impl ThumbnailFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::WebP => "image/webp",
            Self::Jpeg => "image/jpeg",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::WebP => "webp",
            Self::Jpeg => "jpg",
        }
    }
}

/// Orders the uploads to one key: hexadecimal digits, of which S3 says to fill up the shorter with zeros on the right and to
/// compare as text.
#[derive(Clone, Debug)]
pub struct Sequencer(String);

impl Sequencer {
    /// As an event has it.
    pub fn new(text: &str) -> Self {
        Self(text.chars().filter(char::is_ascii_alphanumeric).collect())
    }

    /// In the form that compares as text. They have up to 32 digits today; twice that leaves room.
    pub fn padded(&self) -> String {
        format!("{:0<64}", self.0)
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sequencer {}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.padded().cmp(&other.padded())
    }
}

/// The thumbnails of one upload, by the order of its event and the checksum of its content: no other upload's can come to
/// lie over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThumbnailSet(String);

impl ThumbnailSet {
    /// Of the content that was found on an event.
    pub fn new(sequencer: &Sequencer, content: &[u8]) -> Self {
        const BYTES: usize = 16;
        let digest = Sha256::digest(content);
        Self(format!("{}-{}", sequencer.0, hex::encode(&digest[..BYTES])))
    }

    pub fn sequencer(&self) -> Sequencer {
        Sequencer::new(self.0.split('-').next().unwrap_or_default())
    }
}

/// A picture that was checked, as its attachment shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Pixels, upright.
    pub width: u32,
    pub height: u32,
    pub placeholder: String,
    pub thumbnails: Vec<Thumbnail>,
    pub set: ThumbnailSet,
}

/// The body of `POST /notes/{id}/attachments`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object that announces a file")]
pub struct NewAttachment {
    pub filename: String,
    pub content_type: String,
    #[serde(deserialize_with = "whole_number")]
    pub size: u64,
    #[serde(default)]
    pub sha256: Option<String>,
    #[serde(default)]
    pub thumbnail_format: ThumbnailFormat,
}

/// Reads a number without a fraction. JSON has one kind of number, so that `3.0` is one too (JSON Schema 2020-12,
/// validation, 6.1.1), and some clients write it so.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // Up to this, a float holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = serde_json::Number::deserialize(deserializer)?;
    let from_float = || number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..=EXACT).contains(value));
    number
        .as_u64()
        .or_else(|| from_float().map(|value| value as u64))
        .ok_or_else(|| D::Error::custom(format_args!("{number} is not a number of bytes")))
}

impl NewAttachment {
    /// Checks every field; reports all that is wrong at once.
    pub fn checked(self) -> Result<Self, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let mut keep = |result: Result<String, Invalid>| {
            result.unwrap_or_else(|invalid| {
                wrong.push(invalid);
                String::new()
            })
        };
        let filename = keep(filename(&self.filename));
        let content_type = keep(content_type(&self.content_type));
        let sha256 = self.sha256.as_deref().map(|text| keep(sha256(text)));
        if self.size == 0 || self.size > limits::ATTACHMENT_BYTES {
            wrong.push(Invalid::new("size", format!("must be 1 to {} bytes", limits::ATTACHMENT_BYTES)));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self { filename, content_type, sha256, ..self })
    }

    /// A pending attachment of `note_id`.
    pub fn into_attachment(self, note_id: Id, now: Timestamp) -> Attachment {
        Attachment {
            id: Id::new(now),
            note_id,
            filename: self.filename,
            content_type: self.content_type,
            size: self.size,
            sha256: self.sha256,
            status: Status::Pending,
            reason: None,
            width: None,
            height: None,
            placeholder: None,
            thumbnails: Vec::new(),
            thumbnail_format: self.thumbnail_format,
            thumbnail_set: None,
            created_at: now,
            processed_at: None,
        }
    }
}

fn filename(text: &str) -> Result<String, Invalid> {
    let name = validate::line("filename", text, limits::FILENAME_CHARACTERS)?;
    if name.contains(['/', '\\']) {
        return Err(Invalid::new("filename", "must be a name without directories"));
    }
    // No system takes these as a file's name.
    if name.chars().all(|c| c == '.' || c.is_whitespace()) {
        return Err(Invalid::new("filename", "must hold something besides dots and spaces"));
    }
    Ok(name)
}

/// Takes `type/subtype` (RFC 6838, 4.2), without parameters.
fn content_type(text: &str) -> Result<String, Invalid> {
    let is_token = |part: &str| {
        (1..=127).contains(&part.len())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(text.to_ascii_lowercase()),
        _ => Err(Invalid::new("content_type", "must be a media type like image/jpeg")),
    }
}

/// Takes a SHA-256 in base64 (as S3 wants it) or in hexadecimal (as people have it); returns base64.
fn sha256(text: &str) -> Result<String, Invalid> {
    let invalid = || Invalid::new("sha256", "must be a SHA-256 in base64 or hexadecimal");
    // Said beforehand, because `from_str_radix` takes a plus sign.
    let bytes = if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        (0..32)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| invalid())?
    } else {
        BASE64_STANDARD.decode(text).map_err(|_| invalid())?
    };
    if bytes.len() != 32 {
        return Err(invalid());
    }
    Ok(BASE64_STANDARD.encode(bytes))
}

impl Attachment {
    /// Whether the owner says that this is a picture, by type or by name; then it must prove to be one.
    pub fn claims_to_be_a_picture(&self) -> bool {
        const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "gif", "webp", "avif", "heic", "heif"];
        let extension = self.filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        self.content_type.starts_with("image/")
            || extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
    }
}

/// Where an attachment's objects are: derived from ids alone, so that either leads to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectKey {
    pub owner: Owner,
    pub note_id: Id,
    pub attachment_id: Id,
}

impl ObjectKey {
    /// The key of the upload, in the uploads bucket.
    pub fn upload(&self) -> String {
        format!("uploads/{}/{}/{}", self.owner.to_key_segment(), self.note_id, self.attachment_id)
    }

    /// What the keys of all its thumbnails begin with, in the thumbnails bucket.
    pub fn thumbnails(&self) -> String {
        let owner = self.owner.to_key_segment();
        format!("thumbnails/{owner}/{}/{}/", self.note_id, self.attachment_id)
    }

    /// The key of one thumbnail.
    pub fn thumbnail(&self, set: &ThumbnailSet, format: ThumbnailFormat, size: u32) -> String {
        format!("{}{}/{size}.{}", self.thumbnails(), set.0, format.extension())
    }

    /// The key of a thumbnail that was made before there were sets.
    pub fn thumbnail_without_set(&self, size: u32) -> String {
        format!("{}{size}.jpg", self.thumbnails())
    }

    /// Whether no upload that is still to be dealt with can need the thumbnail of a key: it is not of the set that the
    /// attachment shows, nor of an upload after the `latest` that was dealt with.
    pub fn is_superseded(&self, thumbnail: &str, shown: &Attachment, latest: &Sequencer) -> bool {
        let Some(place) = thumbnail.strip_prefix(&self.thumbnails()) else { return false };
        match place.split_once('/') {
            Some((set, _)) => {
                let set = ThumbnailSet(set.to_owned());
                shown.thumbnail_set.as_ref() != Some(&set) && set.sequencer() <= *latest
            }
            None => shown.thumbnail_set.is_some() || shown.thumbnails.is_empty(),
        }
    }

    /// Reads the key of an upload; `None` for any other key.
    pub fn parse_upload(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let (prefix, owner, note_id, attachment_id) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if prefix != "uploads" || parts.next().is_some() {
            return None;
        }
        Some(Self {
            owner: Owner::from_key_segment(owner)?,
            note_id: Id::parse(note_id)?,
            attachment_id: Id::parse(attachment_id)?,
        })
    }
}

/// The long sides of the thumbnails that a picture gets, in pixels.
pub const THUMBNAIL_SIZES: [u32; 3] = [160, 480, 1280];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn new(filename: &str, content_type: &str) -> NewAttachment {
        NewAttachment {
            filename: filename.into(),
            content_type: content_type.into(),
            size: 1,
            sha256: None,
            thumbnail_format: ThumbnailFormat::default(),
        }
    }

    #[test]
    fn wrong_fields_are_named() {
        let wrong = NewAttachment { size: 0, sha256: Some("zz".into()), ..new("../x", "jpeg") }
            .checked()
            .unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|invalid| invalid.field.as_str()).collect();
        assert_eq!(fields, ["filename", "content_type", "sha256", "size"]);
    }

    #[test]
    fn both_spellings_of_a_checksum_mean_the_same() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let base64 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(sha256(hex).unwrap(), base64);
        assert_eq!(sha256(base64).unwrap(), base64);
        assert!(sha256(&"+f".repeat(32)).is_err(), "no signs in hexadecimal");
    }

    #[test]
    fn a_size_is_a_whole_number_however_it_is_written() {
        let read = |size: &str| {
            let body = format!(r#"{{"filename":"a","content_type":"a/b","size":{size}}}"#);
            serde_json::from_str::<NewAttachment>(&body).ok().map(|new| new.size)
        };
        for (size, bytes) in [("3", 3), ("3.0", 3), ("3e2", 300), ("0", 0)] {
            assert_eq!(read(size), Some(bytes), "{size}");
        }
        for none in ["-1", "3.5", "1e300", "\"3\"", "null", "true"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_name_is_one_that_a_file_can_have() {
        for name in ["..", ".", " . ", "a/b", "a\\b", "a\n", "", &"x".repeat(256)] {
            assert!(new(name, "a/b").checked().is_err(), "{name:?}");
        }
        assert_eq!(new(" .profile ", "a/b").checked().unwrap().filename, ".profile");
    }

    #[test]
    fn a_picture_is_claimed_by_type_or_name() {
        let claims = |filename, content_type| {
            let note = Id::new(Timestamp::from_millis(0));
            new(filename, content_type)
                .into_attachment(note, Timestamp::from_millis(0))
                .claims_to_be_a_picture()
        };
        assert!(claims("a.txt", "image/png") && claims("a.JPG", "text/plain"));
        assert!(!claims("a.txt", "text/plain"));
    }

    #[test]
    fn sequencers_compare_as_if_they_were_of_one_length() {
        let ordered = ["", "0A", "0A1", "0AFF00", "0B"].map(Sequencer::new);
        assert!(ordered.is_sorted() && Sequencer::new("0A") == Sequencer::new("0A00"));
        assert_eq!(ThumbnailSet::new(&Sequencer::new("0A1/../"), b"x").sequencer(), ordered[2]);
    }

    #[test]
    fn only_what_can_never_be_shown_is_superseded() {
        let key = ObjectKey {
            owner: Owner::new("anna").unwrap(),
            note_id: Id::new(Timestamp::from_millis(5)),
            attachment_id: Id::new(Timestamp::from_millis(6)),
        };
        let set = |sequencer, content| ThumbnailSet::new(&Sequencer::new(sequencer), content);
        let mut shown = new("a", "b/c").into_attachment(key.note_id, Timestamp::from_millis(0));
        let is_superseded =
            |shown: &Attachment, thumbnail: &str| key.is_superseded(thumbnail, shown, &Sequencer::new("0B"));
        let of = |set: &ThumbnailSet| key.thumbnail(set, ThumbnailFormat::WebP, 160);
        assert!(is_superseded(&shown, &of(&set("0B", b"one"))), "nothing is shown");
        shown.thumbnail_set = Some(set("0B", b"one"));
        for (thumbnail, expected) in [
            (of(&set("0B", b"one")), false),
            (of(&set("0B", b"two")), true),
            (of(&set("0A", b"one")), true),
            (of(&set("0C", b"two")), false),
            (key.thumbnail_without_set(160), true),
            ("thumbnails/of/another/160.jpg".to_owned(), false),
        ] {
            assert_eq!(is_superseded(&shown, &thumbnail), expected, "{thumbnail}");
        }
        shown.thumbnail_set = None;
        shown.thumbnails = vec![Thumbnail { size: 160, width: 1, height: 1 }];
        assert!(!is_superseded(&shown, &key.thumbnail_without_set(160)));
    }

    proptest! {
        #[test]
        fn an_upload_key_leads_back(subject in "\\PC{1,30}") {
            let key = ObjectKey {
                owner: Owner::new(&subject).unwrap(),
                note_id: Id::new(Timestamp::from_millis(5)),
                attachment_id: Id::new(Timestamp::from_millis(6)),
            };
            prop_assert_eq!(ObjectKey::parse_upload(&key.upload()), Some(key));
        }

        #[test]
        fn no_key_makes_the_parser_panic(key in "\\PC{0,80}") {
            let parsed = ObjectKey::parse_upload(&key);
            prop_assert!(parsed.is_none() || key.starts_with("uploads/"));
        }
    }
}
