//! Which queues hold what failed.

use super::{DeadLetterError, DeadLetters, Services, causes, sqs_error};
use crate::app::{self, name_of};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::{StreamExt, TryStreamExt};
use std::collections::BTreeSet;

/// Queues that are asked for their redrive policy at most.
const MOST_QUEUES: usize = 1_000;
/// Queues asked at once.
const AT_ONCE: usize = 8;

/// The queues that `wanted` names, each by its name or by a part of it that no other has; without any, every queue
/// that another one's redrive policy or `known` names.
///
/// # Errors
/// When a name fits no queue or several, or SQS cannot be asked.
pub(super) async fn queues(
    services: &Services,
    wanted: &[String],
    known: &[String],
) -> Result<Vec<DeadLetters>, DeadLetterError> {
    let client = &services.sqs;
    if wanted.is_empty() {
        let mut names = redrive_targets(client).await?;
        names.extend(known.iter().cloned());
        return open_all(services, names).await;
    }
    let mut names = BTreeSet::new();
    for name in wanted {
        match DeadLetters::open(services.clone(), name).await {
            Ok(found) => _ = names.insert(found.queue),
            Err(DeadLetterError::NoQueue { .. }) => _ = names.insert(by_part(client, name, known).await?),
            Err(error) => return Err(error),
        }
    }
    open_all(services, names).await
}

async fn open_all(services: &Services, names: BTreeSet<String>) -> Result<Vec<DeadLetters>, DeadLetterError> {
    futures_util::stream::iter(names)
        .map(|name| async move { DeadLetters::open(services.clone(), &name).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// A queue's name from a part of it: stacks put something before and behind the name that a template gives.
async fn by_part(client: &Client, part: &str, known: &[String]) -> Result<String, DeadLetterError> {
    let mut names = redrive_targets(client).await?;
    names.extend(known.iter().cloned());
    let fitting: Vec<&String> = names.iter().filter(|name| name.contains(part)).collect();
    match fitting[..] {
        [one] => Ok(one.clone()),
        _ => {
            let known = if names.is_empty() {
                "no queue".to_owned()
            } else {
                names.into_iter().collect::<Vec<_>>().join(", ")
            };
            Err(DeadLetterError::NoQueue { queue: part.to_owned(), known: Some(known) })
        }
    }
}

/// The names of the queues that others leave their dead letters in.
async fn redrive_targets(client: &Client) -> Result<BTreeSet<String>, DeadLetterError> {
    let mut pages = client.list_queues().max_results(1_000).into_paginator().send();
    let mut urls = Vec::new();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| DeadLetterError::Sqs { queue: "list".to_owned(), problem: causes(&error) })?;
        urls.extend(page.queue_urls.unwrap_or_default());
        if urls.len() >= MOST_QUEUES {
            break;
        }
    }
    futures_util::stream::iter(urls)
        .map(|url| async move { redrive_target(client, &url).await })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|target| async move { Ok(target) })
        .try_collect()
        .await
}

async fn redrive_target(client: &Client, url: &str) -> Result<Option<String>, DeadLetterError> {
    let request =
        client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::RedrivePolicy);
    let name = url.rsplit('/').next().unwrap_or(url);
    let attributes = match request.send().await {
        Ok(output) => output.attributes.unwrap_or_default(),
        // It was deleted since it was listed.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => {
            return Ok(None);
        }
        Err(error) => return Err(sqs_error(name, &error)),
    };
    let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
    Ok(policy.and_then(|policy| app::redrive_target(policy)).map(|arn| name_of(&arn).to_owned()))
}
