//! Putting, reading, copying and removing objects.

use super::Store;
use super::blobs::{Promise, Written};
use super::meta::{Commit, Condition, Info, NewObject, Object, no_such_key};
use s3s::dto::{ETag, ETagCondition, Range, StreamingBlob, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

/// What a reader makes the answer depend on.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// An object that was found, and which of its bytes are wanted.
pub(super) struct Found {
    pub(super) object: Object,
    pub(super) range: std::ops::Range<u64>,
    /// `bytes 0-9/100` when it is not the whole.
    pub(super) content_range: Option<String>,
}

impl Store {
    /// Stores an upload under `key`; its ETag and checksums.
    pub(super) async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Option<StreamingBlob>,
        promise: Promise,
        mut info: Info,
        only_if: WriteCondition,
    ) -> S3Result<(ETag, Info)> {
        // Before the upload is taken in, so that nobody sends much in vain.
        self.meta().require_bucket(bucket)?;
        check_key(key)?;
        let written = self.blobs.write(body, promise).await?;
        info.checksums.clone_from(&written.checksums);
        let etag = written.etag();
        self.keep(bucket, key, "ObjectCreated:Put", written, &etag, &info, only_if.as_condition())?;
        Ok((ETag::Strong(etag), info))
    }

    /// Makes a written blob the object of `key`.
    #[allow(clippy::too_many_arguments, reason = "each is one fact about the object")]
    pub(super) fn keep(
        &self,
        bucket: &str,
        key: &str,
        event: &'static str,
        written: Written,
        etag: &str,
        info: &Info,
        only_if: Condition<'_>,
    ) -> S3Result {
        let object = NewObject { blob: &written.name, size: written.size, etag, info };
        let commit = Commit { bucket, key, event, object: Some(object), only_if };
        let committed = self.meta().commit(&commit, &self.shared)?;
        written.keep();
        self.settle(&committed);
        Ok(())
    }

    /// # Errors
    /// `NoSuchKey`, `PreconditionFailed`, `NotModified`, `InvalidRange`.
    pub(super) fn find(
        &self,
        bucket: &str,
        key: &str,
        conditions: &Conditions,
        range: Option<Range>,
    ) -> S3Result<Found> {
        let object = {
            let meta = self.meta();
            meta.require_bucket(bucket)?;
            meta.object(bucket, key)?.ok_or_else(no_such_key)?
        };
        conditions.check(&object)?;
        let Some(range) = range else {
            return Ok(Found { range: 0..object.size, content_range: None, object });
        };
        let size = object.size;
        let unsatisfiable = |_| s3_error!(InvalidRange, "The requested range is not satisfiable");
        let range = range.check(size).map_err(unsatisfiable)?;
        let content_range = Some(format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
        Ok(Found { object, range, content_range })
    }

    /// [`find`](Self::find) with the bytes.
    pub(super) async fn read(
        &self,
        bucket: &str,
        key: &str,
        conditions: &Conditions,
        range: Option<Range>,
    ) -> S3Result<(Found, StreamingBlob)> {
        // Between looking up and opening, the object may be overwritten and its old blob removed: look again.
        for _ in 0..8 {
            let found = self.find(bucket, key, conditions, range)?;
            if let Some(body) = self.blobs.read(&found.object.blob, found.range.clone()).await? {
                return Ok((found, body));
            }
        }
        Err(s3_error!(OperationAborted, "A conflicting conditional operation is currently in progress"))
    }

    /// Copies an object; the new one's ETag. `info` replaces the source's own.
    pub(super) async fn copy(
        &self,
        (from_bucket, from_key): (&str, &str),
        conditions: &Conditions,
        (bucket, key): (&str, &str),
        info: Option<Info>,
    ) -> S3Result<ETag> {
        self.meta().require_bucket(bucket)?;
        check_key(key)?;
        let source = self.find(from_bucket, from_key, conditions, None)?.object;
        if info.is_none() && (from_bucket, from_key) == (bucket, key) {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata"
            ));
        }
        let written = self.blobs.copy(&source.blob).await?;
        let info = Info { checksums: source.info.checksums.clone(), ..info.unwrap_or(source.info) };
        let etag = written.etag();
        self.keep(bucket, key, "ObjectCreated:Copy", written, &etag, &info, Condition::Always)?;
        Ok(ETag::Strong(etag))
    }

    /// Removes an object; that there is none is no error.
    pub(super) fn remove(&self, bucket: &str, key: &str, only_if: Option<&ETagCondition>) -> S3Result {
        let only_if = match only_if {
            Some(ETagCondition::ETag(etag)) => Condition::Etag(etag.value()),
            Some(ETagCondition::Any) => Condition::Present,
            None => Condition::Always,
        };
        let commit = Commit { bucket, key, event: "ObjectRemoved:Delete", object: None, only_if };
        let committed = self.meta().commit(&commit, &self.shared)?;
        self.settle(&committed);
        Ok(())
    }
}

fn check_key(key: &str) -> S3Result {
    match key.len() {
        1..=1024 => Ok(()),
        0 => Err(s3_error!(InvalidArgument, "A key must not be empty")),
        _ => Err(s3_error!(KeyTooLongError, "Your key is too long")),
    }
}

/// What a writer makes the write depend on.
#[derive(Default)]
pub(super) struct WriteCondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    pub(super) fn as_condition(&self) -> Condition<'_> {
        match (&self.if_match, &self.if_none_match) {
            (Some(ETagCondition::ETag(etag)), _) => Condition::Etag(etag.value()),
            (Some(ETagCondition::Any), _) => Condition::Present,
            // S3 takes only `*` here.
            (None, Some(_)) => Condition::Absent,
            (None, None) => Condition::Always,
        }
    }
}

impl Conditions {
    fn check(&self, object: &Object) -> S3Result {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        // HTTP dates have no fractions.
        let modified = super::settings::timestamp(object.modified.timestamp() * 1000);
        match &self.if_match {
            Some(condition) if !is(condition) => return Err(failed()),
            None if self.if_unmodified_since.as_ref().is_some_and(|since| modified > *since) => {
                return Err(failed());
            }
            _ => {}
        }
        match &self.if_none_match {
            Some(condition) if is(condition) => Err(not_modified(object)),
            None if self.if_modified_since.as_ref().is_some_and(|since| modified <= *since) => {
                Err(not_modified(object))
            }
            _ => Ok(()),
        }
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified, "Not Modified");
    let etag = http::HeaderValue::try_from(format!("\"{}\"", object.etag));
    error.set_headers(etag.into_iter().map(|etag| (http::header::ETAG, etag)).collect());
    error
}
