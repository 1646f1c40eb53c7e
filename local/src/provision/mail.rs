//! SNS topics and their subscriptions; SES identities, configuration sets and event destinations.

use super::ProvisionError;
use crate::app::{App, ConfigurationSet, EventDestination, Subscription, Topic};
use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::operation::list_identities::ListIdentitiesError;
use aws_sdk_ses::types as ses;

/// Identities of one page, and pages that are read: an account has 10 000 identities at most.
const PAGE: i32 = 1_000;
const MOST_PAGES: usize = 10;

pub(super) async fn topics(app: &App, client: &aws_sdk_sns::Client) -> Result<(), ProvisionError> {
    for topic in &app.topics {
        create_topic(topic, client).await?;
    }
    for subscription in &app.subscriptions {
        subscribe(subscription, client).await?;
    }
    Ok(())
}

async fn create_topic(topic: &Topic, client: &aws_sdk_sns::Client) -> Result<(), ProvisionError> {
    let what = format!("topic {}", topic.name);
    // Does nothing to one that is there.
    let output = client.create_topic().name(&topic.name).send().await.map_err(ProvisionError::sdk(&what))?;
    match output.topic_arn {
        Some(arn) if arn != topic.arn => {
            let problem =
                format!("the endpoint calls it {arn}, the template {}: region or account differ", topic.arn);
            Err(ProvisionError::new(what, problem))
        }
        _ => Ok(()),
    }
}

async fn subscribe(subscription: &Subscription, client: &aws_sdk_sns::Client) -> Result<(), ProvisionError> {
    let what = format!("subscription of {}", subscription.endpoint);
    let raw = subscription.raw_message_delivery.to_string();
    let request = client
        .subscribe()
        .topic_arn(&subscription.topic_arn)
        .protocol(&subscription.protocol)
        .endpoint(&subscription.endpoint)
        .attributes("RawMessageDelivery", raw);
    request.send().await.map_err(ProvisionError::sdk(&what))?;
    Ok(())
}

/// Gives what the endpoint does not know how to do, each as a sentence.
pub(super) async fn identities(
    app: &App,
    client: &aws_sdk_ses::Client,
) -> Result<Vec<String>, ProvisionError> {
    for identity in &app.identities {
        verify(identity, client).await?;
    }
    let mut lacking = Vec::new();
    for set in &app.configuration_sets {
        configuration_set(set, client).await?;
        for destination in &set.destinations {
            if event_destination(set, destination, client).await? == Made::Unknown {
                let events = destination.event_types.join(" and ");
                lacking
                    .push(format!("it has no event destinations, so nobody is told of {events} of e-mails"));
            }
        }
    }
    Ok(lacking)
}

/// Whether an endpoint did as it was asked, or does not know the operation at all.
#[derive(PartialEq, Eq)]
enum Made {
    Now,
    Unknown,
}

/// Asks for the identity unless it was asked for: in the cloud each time is an e-mail to its owner.
async fn verify(identity: &str, client: &aws_sdk_ses::Client) -> Result<(), ProvisionError> {
    let what = format!("identity {identity}");
    if is_known(identity, client).await.map_err(ProvisionError::sdk(&what))? {
        return Ok(());
    }
    if identity.contains('@') {
        let request = client.verify_email_identity().email_address(identity);
        request.send().await.map_err(ProvisionError::sdk(&what))?;
    } else {
        let request = client.verify_domain_identity().domain(identity);
        request.send().await.map_err(ProvisionError::sdk(&what))?;
    }
    Ok(())
}

/// Whether the identity was asked for, verified or not. By the list of all: asked for the status of one that they do not
/// know, endpoints differ.
async fn is_known(
    identity: &str,
    client: &aws_sdk_ses::Client,
) -> Result<bool, SdkError<ListIdentitiesError>> {
    let mut after = None;
    for _ in 0..MOST_PAGES {
        let page = client.list_identities().max_items(PAGE).set_next_token(after).send().await?;
        if page.identities().iter().any(|known| known == identity) {
            return Ok(true);
        }
        after = page.next_token.filter(|token| !token.is_empty());
        if after.is_none() {
            break;
        }
    }
    Ok(false)
}

async fn configuration_set(
    set: &ConfigurationSet,
    client: &aws_sdk_ses::Client,
) -> Result<(), ProvisionError> {
    let what = format!("configuration set {}", set.name);
    let body = ses::ConfigurationSet::builder().name(&set.name).build();
    let body = body.map_err(|error| ProvisionError::new(&what, error.to_string()))?;
    match client.create_configuration_set().configuration_set(body).send().await {
        Err(error)
            if !error
                .as_service_error()
                .is_some_and(|error| error.is_configuration_set_already_exists_exception()) =>
        {
            Err(ProvisionError::sdk(&what)(error))
        }
        _ => Ok(()),
    }
}

async fn event_destination(
    set: &ConfigurationSet,
    destination: &EventDestination,
    client: &aws_sdk_ses::Client,
) -> Result<Made, ProvisionError> {
    let what = format!("event destination {} of {}", destination.name, set.name);
    let wrong = |error: aws_sdk_ses::error::BuildError| ProvisionError::new(&what, error.to_string());
    let topic = ses::SnsDestination::builder().topic_arn(&destination.topic_arn).build().map_err(wrong)?;
    let types = destination.event_types.iter().map(|event| ses::EventType::from(event.as_str()));
    let body = ses::EventDestination::builder()
        .name(&destination.name)
        .enabled(true)
        .set_matching_event_types(Some(types.collect()))
        .sns_destination(topic)
        .build()
        .map_err(wrong)?;
    let create = client.create_configuration_set_event_destination().configuration_set_name(&set.name);
    match create.event_destination(body.clone()).send().await {
        Ok(_) => Ok(Made::Now),
        // How a service of the query protocol says that it has no such operation.
        Err(error) if error.code() == Some("InvalidAction") => Ok(Made::Unknown),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_event_destination_already_exists_exception()) =>
        {
            let update =
                client.update_configuration_set_event_destination().configuration_set_name(&set.name);
            update.event_destination(body).send().await.map_err(ProvisionError::sdk(&what))?;
            Ok(Made::Now)
        }
        Err(error) => Err(ProvisionError::sdk(&what)(error)),
    }
}
