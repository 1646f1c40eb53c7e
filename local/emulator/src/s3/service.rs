//! The operations of S3, from `s3s`'s inputs to its outputs.

use super::Store;
use super::blobs::{ALGORITHMS, Promise};
use super::convert::{
    conditions_of, describe, info_of, promise_of, show_checksums, stored_encoding, trailing,
};
use super::list::{Listing, Page, decode_token, encode_token, shown};
use super::meta::{Info, Object as Stored};
use super::objects::{Conditions, Found, WriteCondition};
use super::settings::{
    CORS, ENCRYPTION, LIFECYCLE, NOTIFICATION, OWNERSHIP, POLICY, PUBLIC_ACCESS, TAGGING, VERSIONING,
    timestamp,
};
use s3s::dto::*;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `s3s` calls.
pub(super) struct Service(pub(super) Arc<Store>);

type Answer<T> = S3Result<S3Response<T>>;

fn done<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

fn missing(code: S3ErrorCode, message: &'static str) -> s3s::S3Error {
    s3s::S3Error::with_message(code, message)
}

impl Service {
    fn page(&self, listing: &Listing<'_>, encode: bool) -> S3Result<(Page, Vec<Object>, Vec<CommonPrefix>)> {
        let mut page = self.0.list(listing)?;
        let object = |stored: Stored| Object {
            key: Some(shown(&stored.key, encode)),
            size: i64::try_from(stored.size).ok(),
            e_tag: Some(ETag::Strong(stored.etag)),
            last_modified: Some(timestamp(stored.modified.timestamp_millis())),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        };
        let objects = std::mem::take(&mut page.objects).into_iter().map(object).collect();
        let prefix = |prefix: String| CommonPrefix { prefix: Some(shown(&prefix, encode)) };
        let prefixes = std::mem::take(&mut page.prefixes).into_iter().map(prefix).collect();
        Ok((page, objects, prefixes))
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn create_bucket(&self, r: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.0.create_bucket(&r.input.bucket)?;
        done(CreateBucketOutput { location: Some(format!("/{}", r.input.bucket)) })
    }

    async fn head_bucket(&self, r: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.0.meta().require_bucket(&r.input.bucket)?;
        done(HeadBucketOutput { bucket_region: Some(self.0.shared.region.clone()), ..Default::default() })
    }

    async fn delete_bucket(&self, r: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.0.meta().delete_bucket(&r.input.bucket)?;
        done(DeleteBucketOutput {})
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let owner = Owner { id: Some(self.0.shared.account.clone()), ..Owner::default() };
        done(ListBucketsOutput {
            buckets: Some(self.0.list_buckets()?),
            owner: Some(owner),
            ..ListBucketsOutput::default()
        })
    }

    async fn get_bucket_location(
        &self,
        r: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.0.meta().require_bucket(&r.input.bucket)?;
        let region = self.0.shared.region.clone();
        let location_constraint = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
        done(GetBucketLocationOutput { location_constraint })
    }

    async fn put_object(&self, r: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let promise = promise_of!(r);
        let input = r.input;
        let only_if = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
        let info = info_of!(input);
        let (etag, info) = self.0.put(&input.bucket, &input.key, input.body, promise, info, only_if).await?;
        let mut output = PutObjectOutput { e_tag: Some(etag), ..PutObjectOutput::default() };
        show_checksums!(output, info);
        output.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
        done(output)
    }

    async fn get_object(&self, r: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = r.input;
        let conditions = conditions_of!(input);
        let (found, body) = self.0.read(&input.bucket, &input.key, &conditions, input.range).await?;
        let mut output = describe!(GetObjectOutput, found, input);
        output.body = Some(body);
        done(output)
    }

    async fn head_object(&self, r: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = r.input;
        let found = self.0.find(&input.bucket, &input.key, &conditions_of!(input), input.range)?;
        done(describe!(HeadObjectOutput, found, input))
    }

    async fn delete_object(&self, r: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.0.remove(&r.input.bucket, &r.input.key, r.input.if_match.as_ref())?;
        done(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, r: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete, .. } = r.input;
        if delete.objects.is_empty() || delete.objects.len() > 1000 {
            return Err(s3_error!(MalformedXML, "A request deletes 1 to 1000 objects"));
        }
        self.0.meta().require_bucket(&bucket)?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in delete.objects {
            match self.0.remove(&bucket, &object.key, None) {
                Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    key: Some(object.key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        let deleted = (!delete.quiet.unwrap_or_default()).then_some(deleted);
        let errors = (!errors.is_empty()).then_some(errors);
        done(DeleteObjectsOutput { deleted, errors, ..DeleteObjectsOutput::default() })
    }

    async fn copy_object(&self, r: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = r.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "access points are not implemented here"));
        };
        let conditions = Conditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let replaces = input.metadata_directive.is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        let info = replaces.then(|| info_of!(input));
        let to = (input.bucket.as_str(), input.key.as_str());
        let etag = self.0.copy((from_bucket, from_key), &conditions, to, info).await?;
        let result = CopyObjectResult {
            e_tag: Some(etag),
            last_modified: Some(timestamp(self.0.shared.clock.now_millis())),
            ..CopyObjectResult::default()
        };
        done(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    async fn list_objects_v2(&self, r: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let input = r.input;
        let encode = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let from = input.continuation_token.as_deref().map(decode_token).transpose()?;
        let listing = Listing {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: from.or_else(|| input.start_after.clone()).unwrap_or_default(),
            limit: usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or_default(),
        };
        let limit = i32::try_from(listing.limit.min(1000)).ok();
        let (page, objects, prefixes) = self.page(&listing, encode)?;
        done(ListObjectsV2Output {
            key_count: i32::try_from(objects.len() + prefixes.len()).ok(),
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_deref().map(encode_token),
            continuation_token: input.continuation_token,
            max_keys: limit,
            prefix: Some(shown(input.prefix.as_deref().unwrap_or_default(), encode)),
            delimiter: input.delimiter.as_deref().map(|delimiter| shown(delimiter, encode)),
            start_after: input.start_after.as_deref().map(|after| shown(after, encode)),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsV2Output::default()
        })
    }

    async fn list_objects(&self, r: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        let input = r.input;
        let encode = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let listing = Listing {
            bucket: &input.bucket,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: input.marker.clone().unwrap_or_default(),
            limit: usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or_default(),
        };
        let limit = i32::try_from(listing.limit.min(1000)).ok();
        let (page, objects, prefixes) = self.page(&listing, encode)?;
        done(ListObjectsOutput {
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_deref().map(|next| shown(next, encode)),
            marker: Some(shown(&listing.after, encode)),
            max_keys: limit,
            prefix: Some(shown(input.prefix.as_deref().unwrap_or_default(), encode)),
            delimiter: input.delimiter.as_deref().map(|delimiter| shown(delimiter, encode)),
            encoding_type: input.encoding_type,
            name: Some(input.bucket),
            ..ListObjectsOutput::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        r: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = r.input;
        let info = info_of!(input);
        let upload_id = Some(self.0.create_upload(&input.bucket, &input.key, &info)?);
        done(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id,
            ..CreateMultipartUploadOutput::default()
        })
    }

    async fn upload_part(&self, r: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let promise = promise_of!(r);
        let input = r.input;
        let of = (input.bucket.as_str(), input.key.as_str(), input.upload_id.as_str());
        let (etag, info) = self.0.upload_part(of, input.part_number, input.body, promise).await?;
        let mut output = UploadPartOutput { e_tag: Some(etag), ..UploadPartOutput::default() };
        show_checksums!(output, info);
        done(output)
    }

    async fn list_parts(&self, r: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let input = r.input;
        let parts = {
            let meta = self.0.meta();
            meta.upload(&input.upload_id, &input.bucket, &input.key)?;
            meta.parts(&input.upload_id)?
        };
        let part = |part: &super::meta::Part| Part {
            part_number: Some(part.number),
            size: i64::try_from(part.size).ok(),
            e_tag: Some(ETag::Strong(part.etag.clone())),
            ..Part::default()
        };
        done(ListPartsOutput {
            parts: Some(parts.iter().map(part).collect()),
            is_truncated: Some(false),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        r: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let input = r.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let only_if = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
        let of = (input.bucket.as_str(), input.key.as_str(), input.upload_id.as_str());
        let etag = self.0.complete_upload(of, &parts, &only_if).await?;
        done(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        r: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.0.abort_upload(&r.input.bucket, &r.input.key, &r.input.upload_id)?;
        done(AbortMultipartUploadOutput::default())
    }

    async fn put_bucket_cors(&self, r: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        self.0.put_setting(&r.input.bucket, CORS, &r.input.cors_configuration)?;
        done(PutBucketCorsOutput {})
    }

    async fn get_bucket_cors(&self, r: S3Request<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
        let none = || missing(S3ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist");
        let cors_rules = Some(self.0.cors_rules(&r.input.bucket)?.ok_or_else(none)?);
        done(GetBucketCorsOutput { cors_rules })
    }

    async fn delete_bucket_cors(
        &self,
        r: S3Request<DeleteBucketCorsInput>,
    ) -> Answer<DeleteBucketCorsOutput> {
        self.0.meta().set(&r.input.bucket, CORS, None)?;
        done(DeleteBucketCorsOutput {})
    }

    async fn put_bucket_notification_configuration(
        &self,
        r: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> Answer<PutBucketNotificationConfigurationOutput> {
        self.0.put_notification(&r.input.bucket, r.input.notification_configuration)?;
        done(PutBucketNotificationConfigurationOutput {})
    }

    async fn get_bucket_notification_configuration(
        &self,
        r: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> Answer<GetBucketNotificationConfigurationOutput> {
        let found: Option<NotificationConfiguration> = self.0.get_setting(&r.input.bucket, NOTIFICATION)?;
        let queue_configurations = found.and_then(|found| found.queue_configurations);
        done(GetBucketNotificationConfigurationOutput { queue_configurations, ..Default::default() })
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        r: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        let configuration = r.input.lifecycle_configuration.ok_or_else(|| s3_error!(MalformedXML))?;
        self.0.put_setting(&r.input.bucket, LIFECYCLE, &configuration)?;
        done(PutBucketLifecycleConfigurationOutput::default())
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        r: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        let none = || {
            missing(S3ErrorCode::NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist")
        };
        let found: BucketLifecycleConfiguration =
            self.0.get_setting(&r.input.bucket, LIFECYCLE)?.ok_or_else(none)?;
        done(GetBucketLifecycleConfigurationOutput { rules: Some(found.rules), ..Default::default() })
    }

    async fn put_bucket_policy(&self, r: S3Request<PutBucketPolicyInput>) -> Answer<PutBucketPolicyOutput> {
        self.0.meta().set(&r.input.bucket, POLICY, Some(&r.input.policy))?;
        done(PutBucketPolicyOutput {})
    }

    async fn get_bucket_policy(&self, r: S3Request<GetBucketPolicyInput>) -> Answer<GetBucketPolicyOutput> {
        let none = || missing(S3ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist");
        let meta = self.0.meta();
        meta.require_bucket(&r.input.bucket)?;
        done(GetBucketPolicyOutput { policy: Some(meta.setting(&r.input.bucket, POLICY)?.ok_or_else(none)?) })
    }

    async fn put_bucket_encryption(
        &self,
        r: S3Request<PutBucketEncryptionInput>,
    ) -> Answer<PutBucketEncryptionOutput> {
        self.0.put_setting(&r.input.bucket, ENCRYPTION, &r.input.server_side_encryption_configuration)?;
        done(PutBucketEncryptionOutput {})
    }

    async fn get_bucket_encryption(
        &self,
        r: S3Request<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        let server_side_encryption_configuration = self.0.get_setting(&r.input.bucket, ENCRYPTION)?;
        done(GetBucketEncryptionOutput { server_side_encryption_configuration })
    }

    async fn put_bucket_versioning(
        &self,
        r: S3Request<PutBucketVersioningInput>,
    ) -> Answer<PutBucketVersioningOutput> {
        self.0.put_setting(&r.input.bucket, VERSIONING, &r.input.versioning_configuration)?;
        done(PutBucketVersioningOutput {})
    }

    async fn get_bucket_versioning(
        &self,
        r: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        let found: Option<VersioningConfiguration> = self.0.get_setting(&r.input.bucket, VERSIONING)?;
        let status = found.and_then(|found| found.status);
        done(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
    }

    async fn put_public_access_block(
        &self,
        r: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        self.0.put_setting(&r.input.bucket, PUBLIC_ACCESS, &r.input.public_access_block_configuration)?;
        done(PutPublicAccessBlockOutput {})
    }

    async fn get_public_access_block(
        &self,
        r: S3Request<GetPublicAccessBlockInput>,
    ) -> Answer<GetPublicAccessBlockOutput> {
        let public_access_block_configuration = self.0.get_setting(&r.input.bucket, PUBLIC_ACCESS)?;
        done(GetPublicAccessBlockOutput { public_access_block_configuration })
    }

    async fn put_bucket_ownership_controls(
        &self,
        r: S3Request<PutBucketOwnershipControlsInput>,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        self.0.put_setting(&r.input.bucket, OWNERSHIP, &r.input.ownership_controls)?;
        done(PutBucketOwnershipControlsOutput {})
    }

    async fn get_bucket_ownership_controls(
        &self,
        r: S3Request<GetBucketOwnershipControlsInput>,
    ) -> Answer<GetBucketOwnershipControlsOutput> {
        done(GetBucketOwnershipControlsOutput {
            ownership_controls: self.0.get_setting(&r.input.bucket, OWNERSHIP)?,
        })
    }

    async fn put_bucket_tagging(
        &self,
        r: S3Request<PutBucketTaggingInput>,
    ) -> Answer<PutBucketTaggingOutput> {
        self.0.put_setting(&r.input.bucket, TAGGING, &r.input.tagging)?;
        done(PutBucketTaggingOutput {})
    }

    async fn get_bucket_tagging(
        &self,
        r: S3Request<GetBucketTaggingInput>,
    ) -> Answer<GetBucketTaggingOutput> {
        let none = || missing(S3ErrorCode::NoSuchTagSet, "The TagSet does not exist");
        let found: Tagging = self.0.get_setting(&r.input.bucket, TAGGING)?.ok_or_else(none)?;
        done(GetBucketTaggingOutput { tag_set: found.tag_set })
    }
}
