//! The edge to S3: uploads, thumbnails, and the presigned URLs that let browsers reach them.

use crate::attachment::{Attachment, ObjectKey, ThumbnailFormat, ThumbnailSet};
use crate::dynamodb::failure;
use crate::failure::Failure;
use crate::limits;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request that a browser may make without credentials, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Presigned {
    pub method: String,
    pub url: String,
    /// Headers that must be sent exactly so.
    pub headers: BTreeMap<String, String>,
}

/// The S3 client and the two buckets.
#[derive(Clone)]
pub struct Objects {
    client: aws_sdk_s3::Client,
    uploads: String,
    thumbnails: String,
}

impl Objects {
    pub fn new(client: aws_sdk_s3::Client, uploads: String, thumbnails: String) -> Self {
        Self { client, uploads, thumbnails }
    }

    /// A PUT that takes exactly the declared body: its length, type and, if given, checksum are signed.
    pub async fn presign_upload(
        &self,
        key: &ObjectKey,
        attachment: &Attachment,
    ) -> Result<Presigned, Failure> {
        let request = self
            .client
            .put_object()
            .bucket(&self.uploads)
            .key(key.upload())
            .content_type(&attachment.content_type)
            .content_length(i64::try_from(attachment.size).map_err(Failure::permanent)?)
            .set_checksum_sha256(attachment.sha256.clone())
            .presigned(expiring_in(limits::UPLOAD_URL_LIFE)?)
            .await
            .map_err(|error| failure(&error))?;
        // Only what the signature is about: the SDK adds headers of its own, which would tell of our insides.
        let signed = signed_headers(request.uri());
        let headers = request
            .headers()
            .filter(|(name, _)| *name != "host" && signed.iter().any(|signed| signed == name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Presigned { method: request.method().to_owned(), url: request.uri().to_owned(), headers })
    }

    /// A GET of the upload that a browser saves and never shows in our name.
    /// S3 sends no `nosniff` for anybody: of its answers a presigned request sets six headers (S3 API: GetObject), and the
    /// disposition is the one that keeps content from being shown as whatever it is taken for.
    pub async fn presign_download(
        &self,
        key: &ObjectKey,
        attachment: &Attachment,
    ) -> Result<String, Failure> {
        let request = self
            .client
            .get_object()
            .bucket(&self.uploads)
            .key(key.upload())
            .response_content_disposition(content_disposition(&attachment.filename))
            .presigned(expiring_in(limits::DOWNLOAD_URL_LIFE)?)
            .await
            .map_err(|error| failure(&error))?;
        Ok(request.uri().to_owned())
    }

    /// A GET of one thumbnail.
    pub async fn presign_thumbnail(
        &self,
        key: &ObjectKey,
        attachment: &Attachment,
        size: u32,
    ) -> Result<String, Failure> {
        let key = match &attachment.thumbnail_set {
            Some(set) => key.thumbnail(set, attachment.thumbnail_format, size),
            None => key.thumbnail_without_set(size),
        };
        let request = self
            .client
            .get_object()
            .bucket(&self.thumbnails)
            .key(key)
            .presigned(expiring_in(limits::DOWNLOAD_URL_LIFE)?)
            .await
            .map_err(|error| failure(&error))?;
        Ok(request.uri().to_owned())
    }

    /// The bytes of an object in `bucket`; `None` when it is gone. Refuses what is larger than `maximum`.
    pub async fn get(&self, bucket: &str, key: &str, maximum: u64) -> Result<Option<Vec<u8>>, Failure> {
        let result = self.client.get_object().bucket(bucket).key(key).send().await;
        let mut output = match result {
            Ok(output) => output,
            Err(error) => {
                let is_gone = error.as_service_error().is_some_and(|error| error.is_no_such_key());
                return if is_gone { Ok(None) } else { Err(failure(&error)) };
            }
        };
        // The length that S3 tells is not taken for granted: this bounds our memory.
        let told = output.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(usize::try_from(told.min(maximum)).unwrap_or(0));
        while let Some(chunk) = output.body.next().await {
            let chunk = chunk.map_err(Failure::passing)?;
            if (bytes.len() + chunk.len()) as u64 > maximum {
                return Err(Failure::permanent(format!("it has more than {maximum} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// Stores one thumbnail.
    pub async fn put_thumbnail(
        &self,
        key: &ObjectKey,
        set: &ThumbnailSet,
        format: ThumbnailFormat,
        size: u32,
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        self.client
            .put_object()
            .bucket(&self.thumbnails)
            .key(key.thumbnail(set, format, size))
            .content_type(format.content_type())
            // The set is that of one content, so the picture behind the key never changes.
            .cache_control("private, max-age=31536000, immutable")
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }

    /// Removes an attachment's upload and thumbnails; what is not there counts as removed.
    pub async fn remove(&self, key: &ObjectKey) -> Result<(), Failure> {
        self.remove_thumbnails(key, |_| true).await?;
        self.remove_object(&self.uploads, &key.upload()).await
    }

    /// Removes those of an attachment's thumbnails whose keys are `meant`. Of more than S3 lists at once, which is hundreds
    /// of sets, the rest is left to the next time.
    pub async fn remove_thumbnails(
        &self,
        key: &ObjectKey,
        meant: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        let request = self.client.list_objects_v2().bucket(&self.thumbnails).prefix(key.thumbnails());
        let listed = request.send().await.map_err(|error| failure(&error))?;
        for thumbnail in listed.contents().iter().filter_map(|object| object.key()).filter(|key| meant(key)) {
            self.remove_object(&self.thumbnails, thumbnail).await?;
        }
        Ok(())
    }

    async fn remove_object(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let request = self.client.delete_object().bucket(bucket).key(key);
        request.send().await.map_err(|error| failure(&error))?;
        Ok(())
    }
}

/// The names in a presigned URL's `X-Amz-SignedHeaders`.
fn signed_headers(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let list =
        query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-SignedHeaders=")).unwrap_or_default();
    list.split("%3B").map(ToOwned::to_owned).collect()
}

fn expiring_in(life: Duration) -> Result<PresigningConfig, Failure> {
    PresigningConfig::expires_in(life).map_err(Failure::permanent)
}

/// `Content-Disposition` with an ASCII name for old clients and the real one encoded (RFC 6266, RFC 8187).
fn content_disposition(filename: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let ascii: String = filename.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let encoded: String = filename
        .bytes()
        .map(|byte| {
            let c = char::from(byte);
            if c.is_ascii_alphanumeric() || "-_.~".contains(c) {
                c.to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_file_name_can_break_out_of_the_header() {
        let value = content_disposition("a\"; x=\r\nSet-Cookie: é.html");
        assert!(value.is_ascii() && !value.contains(['\r', '\n']));
        assert_eq!(value.matches('"').count(), 2);
        assert!(value.ends_with("%C3%A9.html"));
    }

    proptest! {
        #[test]
        fn every_file_name_comes_back_and_none_ends_its_quotes(name in "\\PC{0,30}|[\"\\\\;\r\n/.%'é \u{0}]{0,20}") {
            let value = content_disposition(&name);
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let rest = value.strip_prefix("attachment; filename=\"").unwrap();
            let (plain, encoded) = rest.split_once("\"; filename*=UTF-8''").unwrap();
            prop_assert!(!plain.contains(['"', '\\', '/', '%', ';']) && !encoded.contains(['"', ';', '\'', ' ']));
            prop_assert_eq!(plain.chars().count(), name.chars().count());
            let form = encoded.replace('+', "%2B");
            let decoded = form_urlencoded::parse(form.as_bytes()).next().map(|(name, _)| name.into_owned());
            prop_assert_eq!(decoded.unwrap_or_default(), name);
        }
    }
}
