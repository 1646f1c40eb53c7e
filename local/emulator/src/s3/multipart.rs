//! Uploads in parts.

use super::Store;
use super::blobs::Promise;
use super::meta::{Info, Part};
use super::objects::WriteCondition;
use crate::sigv4::{hex, unhex};
use md5::{Digest, Md5};
use s3s::dto::{CompletedPart, ETag, StreamingBlob};
use s3s::{S3Result, s3_error};

/// Every part but the last.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
const MOST_PARTS: i32 = 10_000;

impl Store {
    /// Begins an upload; its id.
    pub(super) fn create_upload(&self, bucket: &str, key: &str, info: &Info) -> S3Result<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.meta().create_upload(&id, bucket, key, info, self.shared.clock.now_millis())?;
        Ok(id)
    }

    /// Stores a part; its ETag and checksums.
    pub(super) async fn upload_part(
        &self,
        (bucket, key, upload): (&str, &str, &str),
        number: i32,
        body: Option<StreamingBlob>,
        promise: Promise,
    ) -> S3Result<(ETag, Info)> {
        if !(1..=MOST_PARTS).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        self.meta().upload(upload, bucket, key)?;
        let written = self.blobs.write(body, promise).await?;
        let etag = written.etag();
        let info = Info { checksums: written.checksums.clone(), ..Info::default() };
        let part = Part { number, blob: written.name.clone(), size: written.size, etag: etag.clone() };
        let replaced = self.meta().save_part(upload, &part)?;
        written.keep();
        self.blobs.remove(replaced.as_slice());
        Ok((ETag::Strong(etag), info))
    }

    /// Makes the parts one object; its ETag.
    pub(super) async fn complete_upload(
        &self,
        (bucket, key, upload): (&str, &str, &str),
        listed: &[CompletedPart],
        only_if: &WriteCondition,
    ) -> S3Result<ETag> {
        let (info, parts) = {
            let meta = self.meta();
            (meta.upload(upload, bucket, key)?, meta.parts(upload)?)
        };
        let chosen = choose(listed, &parts)?;
        let blobs: Vec<String> = chosen.iter().map(|part| part.blob.clone()).collect();
        let written = self.blobs.concatenate(&blobs).await?;
        let digests: Vec<u8> = chosen.iter().filter_map(|part| unhex(&part.etag)).flatten().collect();
        let etag = format!("{}-{}", hex(&Md5::digest(digests)), chosen.len());
        let info = Info { checksums: written.checksums.clone(), ..info };
        let event = "ObjectCreated:CompleteMultipartUpload";
        self.keep(bucket, key, event, written, &etag, &info, only_if.as_condition())?;
        self.drop_upload(upload, &parts)?;
        Ok(ETag::Strong(etag))
    }

    pub(super) fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> S3Result {
        let parts = {
            let meta = self.meta();
            meta.upload(upload, bucket, key)?;
            meta.parts(upload)?
        };
        self.drop_upload(upload, &parts)
    }

    fn drop_upload(&self, upload: &str, parts: &[Part]) -> S3Result {
        self.meta().delete_upload(upload)?;
        let blobs: Vec<String> = parts.iter().map(|part| part.blob.clone()).collect();
        self.blobs.remove(&blobs);
        Ok(())
    }
}

/// The stored parts that were listed, in the listed order.
fn choose<'a>(listed: &[CompletedPart], parts: &'a [Part]) -> S3Result<Vec<&'a Part>> {
    if listed.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let mut chosen: Vec<&Part> = Vec::with_capacity(listed.len());
    for (index, wanted) in listed.iter().enumerate() {
        let number = wanted.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|last| last.number >= number) {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        let found = parts.binary_search_by_key(&number, |part| part.number).ok().map(|index| &parts[index]);
        let same = |part: &&Part| wanted.e_tag.as_ref().is_none_or(|etag| etag.value() == part.etag);
        let part = found.filter(same).ok_or_else(|| {
            s3_error!(InvalidPart, "One or more of the specified parts could not be found.")
        })?;
        if part.size < SMALLEST_PART && index + 1 < listed.len() {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        chosen.push(part);
    }
    Ok(chosen)
}
