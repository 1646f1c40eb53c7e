//! SNS topics and their subscriptions; SES identities, configuration sets and event destinations.

use super::ProvisionError;
use crate::app::{App, ConfigurationSet, EventDestination, Subscription, Topic};
use aws_sdk_ses::types as ses;

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

pub(super) async fn identities(app: &App, client: &aws_sdk_ses::Client) -> Result<(), ProvisionError> {
    for identity in &app.identities {
        verify(identity, client).await?;
    }
    for set in &app.configuration_sets {
        configuration_set(set, client).await?;
    }
    Ok(())
}

/// Asks for the identity unless it was asked for: in the cloud each time is an e-mail to its owner.
async fn verify(identity: &str, client: &aws_sdk_ses::Client) -> Result<(), ProvisionError> {
    let what = format!("identity {identity}");
    let known = client.get_identity_verification_attributes().identities(identity).send().await;
    // An endpoint that cannot say is asked again: it sends no e-mail either.
    if known.is_ok_and(|known| known.verification_attributes().contains_key(identity)) {
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
            return Err(ProvisionError::sdk(&what)(error));
        }
        _ => {}
    }
    for destination in &set.destinations {
        event_destination(set, destination, client).await?;
    }
    Ok(())
}

async fn event_destination(
    set: &ConfigurationSet,
    destination: &EventDestination,
    client: &aws_sdk_ses::Client,
) -> Result<(), ProvisionError> {
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
        Ok(_) => Ok(()),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_event_destination_already_exists_exception()) =>
        {
            let update =
                client.update_configuration_set_event_destination().configuration_set_name(&set.name);
            update.event_destination(body).send().await.map_err(ProvisionError::sdk(&what))?;
            Ok(())
        }
        Err(error) => Err(ProvisionError::sdk(&what)(error)),
    }
}
