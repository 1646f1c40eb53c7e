//! Buckets and what is configured on them, kept as the XML it came in.

use super::Store;
use super::meta::internal;
use super::notify::{self, Rule};
use crate::sqs::Attributes;
use s3s::dto::{Bucket, CORSConfiguration, CORSRule, NotificationConfiguration, Timestamp};
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3Result, s3_error};
use std::time::{Duration, SystemTime};

pub(super) const CORS: &str = "cors";
pub(super) const NOTIFICATION: &str = "notification";
pub(super) const LIFECYCLE: &str = "lifecycle";
pub(super) const POLICY: &str = "policy";
pub(super) const ENCRYPTION: &str = "encryption";
pub(super) const VERSIONING: &str = "versioning";
pub(super) const PUBLIC_ACCESS: &str = "public-access-block";
pub(super) const OWNERSHIP: &str = "ownership";
pub(super) const TAGGING: &str = "tagging";

pub(super) fn timestamp(millis: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}

impl Store {
    /// Makes a bucket. As in `us-east-1`, making one's own again changes nothing.
    pub(super) fn create_bucket(&self, bucket: &str) -> S3Result {
        let new = self.meta().create_bucket(bucket, self.shared.clock.now_millis())?;
        if new || self.shared.region == "us-east-1" {
            return Ok(());
        }
        Err(s3_error!(BucketAlreadyOwnedByYou, "Your previous request to create the named bucket succeeded"))
    }

    pub(super) fn list_buckets(&self) -> S3Result<Vec<Bucket>> {
        let bucket = |(name, created): (String, i64)| Bucket {
            name: Some(name),
            creation_date: Some(timestamp(created)),
            bucket_region: Some(self.shared.region.clone()),
        };
        Ok(self.meta().buckets()?.into_iter().map(bucket).collect())
    }

    /// Keeps a setting of that kind.
    pub(super) fn put_setting<T: Serialize>(&self, bucket: &str, kind: &str, value: &T) -> S3Result {
        let mut xml = Vec::new();
        value.serialize(&mut Serializer::new(&mut xml)).map_err(|_| s3_error!(MalformedXML))?;
        let xml = String::from_utf8(xml).map_err(|_| s3_error!(MalformedXML))?;
        self.meta().set(bucket, kind, Some(&xml))
    }

    /// The setting of that kind, if there is one.
    pub(super) fn get_setting<T: for<'xml> Deserialize<'xml>>(
        &self,
        bucket: &str,
        kind: &str,
    ) -> S3Result<Option<T>> {
        let meta = self.meta();
        meta.require_bucket(bucket)?;
        let Some(xml) = meta.setting(bucket, kind)? else {
            return Ok(None);
        };
        let value = T::deserialize(&mut Deserializer::new(xml.as_bytes()));
        value.map(Some).map_err(|_| s3_error!(InternalError, "a damaged bucket setting"))
    }

    pub(super) fn cors_rules(&self, bucket: &str) -> S3Result<Option<Vec<CORSRule>>> {
        Ok(self.get_setting::<CORSConfiguration>(bucket, CORS)?.map(|configuration| configuration.cors_rules))
    }

    /// Sets whom to notify of what, and sends each queue the event that shows it works.
    ///
    /// # Errors
    /// `InvalidArgument` when a queue does not exist, `NotImplemented` for other destinations.
    pub(super) fn put_notification(
        &self,
        bucket: &str,
        mut configuration: NotificationConfiguration,
    ) -> S3Result {
        let filled = |list: Option<usize>| list.is_some_and(|count| count > 0);
        if filled(configuration.topic_configurations.as_ref().map(Vec::len))
            || filled(configuration.lambda_function_configurations.as_ref().map(Vec::len))
        {
            return Err(s3_error!(NotImplemented, "only notifications to SQS are implemented here"));
        }
        for queue in configuration.queue_configurations.iter_mut().flatten() {
            if !self.sqs.exists(&queue.queue_arn) {
                return Err(s3_error!(
                    InvalidArgument,
                    "Unable to validate the following destination configurations"
                ));
            }
            queue.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
        }
        let rules: Vec<Rule> = configuration.queue_configurations.iter().flatten().map(Rule::read).collect();
        let json = serde_json::to_string(&rules).map_err(|_| s3_error!(InternalError))?;
        let old = self.meta().setting(bucket, notify::RULES)?;
        self.put_setting(bucket, NOTIFICATION, &configuration)?;
        self.meta().set(bucket, notify::RULES, Some(&json))?;
        // A restart that configures the same again need not say so again.
        if old
            .as_deref()
            .and_then(|old| serde_json::from_str::<Vec<Rule>>(old).ok())
            .is_some_and(|old| old == rules)
        {
            return Ok(());
        }
        for rule in &rules {
            let body = notify::test_event(bucket, self.shared.clock.now());
            self.sqs.deliver("s3", &rule.queue, body, Attributes::new(), None).map_err(|error| {
                tracing::error!(%error, "the test event could not be delivered");
                internal(rusqlite::Error::InvalidQuery)
            })?;
        }
        Ok(())
    }
}
