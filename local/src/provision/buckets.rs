//! S3 buckets, who may use them from a browser, and which queues they tell.

use super::ProvisionError;
use crate::app::{Bucket, BucketNotification, CorsRule};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types as s3;
use std::collections::BTreeSet;

/// The region that must not be named when a bucket is made.
const UNNAMED_REGION: &str = "us-east-1";

pub(super) async fn provision(bucket: &Bucket, client: &Client) -> Result<(), ProvisionError> {
    create(bucket, client).await?;
    if !bucket.cors_rules.is_empty() {
        cors(bucket, client).await?;
    }
    if !bucket.notifications.is_empty() {
        notifications(bucket, client).await?;
    }
    Ok(())
}

fn what(bucket: &Bucket) -> String {
    format!("bucket {}", bucket.name)
}

async fn create(bucket: &Bucket, client: &Client) -> Result<(), ProvisionError> {
    let region = client.config().region().map_or(UNNAMED_REGION, |region| region.as_ref());
    let location = (region != UNNAMED_REGION).then(|| {
        let region = s3::BucketLocationConstraint::from(region);
        s3::CreateBucketConfiguration::builder().location_constraint(region).build()
    });
    let request = client.create_bucket().bucket(&bucket.name).set_create_bucket_configuration(location);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_bucket_already_owned_by_you()) => Ok(()),
        Err(error) => Err(ProvisionError::sdk(&what(bucket))(error)),
    }
}

async fn cors(bucket: &Bucket, client: &Client) -> Result<(), ProvisionError> {
    let wrong = |error: BuildError| ProvisionError::new(what(bucket), error.to_string());
    let rules: Result<Vec<_>, _> = bucket.cors_rules.iter().map(cors_rule).collect();
    let configuration = s3::CorsConfiguration::builder().set_cors_rules(Some(rules.map_err(wrong)?)).build();
    let request = client.put_bucket_cors().bucket(&bucket.name);
    let request = request.cors_configuration(configuration.map_err(wrong)?);
    request.send().await.map_err(ProvisionError::sdk(&what(bucket)))?;
    Ok(())
}

fn cors_rule(rule: &CorsRule) -> Result<s3::CorsRule, BuildError> {
    s3::CorsRule::builder()
        .set_allowed_origins(Some(rule.allowed_origins.clone()))
        .set_allowed_methods(Some(rule.allowed_methods.clone()))
        .set_allowed_headers(Some(rule.allowed_headers.clone()))
        .set_expose_headers(Some(rule.exposed_headers.clone()))
        .set_max_age_seconds(rule.max_age)
        .build()
}

/// Every time notifications are set, S3 sends a test event: they are set only when they changed.
async fn notifications(bucket: &Bucket, client: &Client) -> Result<(), ProvisionError> {
    let what = what(bucket);
    let current = client.get_bucket_notification_configuration().bucket(&bucket.name).send().await;
    let current = current.map_err(ProvisionError::sdk(&what))?;
    let told: BTreeSet<Told> = current.queue_configurations().iter().flat_map(told).collect();
    let wanted: BTreeSet<Told> = bucket.notifications.iter().map(wanted).collect();
    if told == wanted {
        return Ok(());
    }
    let queues: Result<Vec<_>, BuildError> = bucket.notifications.iter().map(queue_configuration).collect();
    let queues = queues.map_err(|error| ProvisionError::new(&what, error.to_string()))?;
    let configuration =
        s3::NotificationConfiguration::builder().set_queue_configurations(Some(queues)).build();
    let request = client.put_bucket_notification_configuration().bucket(&bucket.name);
    let request = request.notification_configuration(configuration);
    request.send().await.map_err(ProvisionError::sdk(&what))?;
    Ok(())
}

fn queue_configuration(notification: &BucketNotification) -> Result<s3::QueueConfiguration, BuildError> {
    let rule = |name, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(s3::FilterRule::builder().name(name).value(value).build())
    };
    let rules: Vec<_> = [
        rule(s3::FilterRuleName::Prefix, &notification.prefix),
        rule(s3::FilterRuleName::Suffix, &notification.suffix),
    ]
    .into_iter()
    .flatten()
    .collect();
    let filter = (!rules.is_empty()).then(|| {
        let key = s3::S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
        s3::NotificationConfigurationFilter::builder().key(key).build()
    });
    s3::QueueConfiguration::builder()
        .queue_arn(&notification.queue_arn)
        .events(s3::Event::from(notification.event.as_str()))
        .set_filter(filter)
        .build()
}

/// Queue, event, prefix and suffix, to compare by.
type Told = (String, String, String, String);

fn wanted(notification: &BucketNotification) -> Told {
    let BucketNotification { event, queue_arn, prefix, suffix } = notification;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (queue_arn.clone(), event.clone(), text(prefix), text(suffix))
}

fn told(configuration: &s3::QueueConfiguration) -> Vec<Told> {
    let rules = configuration.filter().and_then(|filter| filter.key()).map(|key| key.filter_rules());
    let rules = rules.unwrap_or_default();
    let value = |name: &str| {
        // Endpoints write the names with a capital letter, or without.
        let is = |rule: &&s3::FilterRule| rule.name().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name));
        rules.iter().find(is).and_then(|rule| rule.value()).unwrap_or_default().to_owned()
    };
    let (prefix, suffix) = (value("prefix"), value("suffix"));
    let told = |event: &s3::Event| {
        (configuration.queue_arn().to_owned(), event.as_str().to_owned(), prefix.clone(), suffix.clone())
    };
    configuration.events().iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_known_again() {
        let notification = BucketNotification {
            event: "s3:ObjectCreated:*".to_owned(),
            queue_arn: "arn:q".to_owned(),
            prefix: Some("in/".to_owned()),
            suffix: None,
        };
        let configuration = queue_configuration(&notification).unwrap();
        assert_eq!(told(&configuration), [wanted(&notification)]);
    }
}
