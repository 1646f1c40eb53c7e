//! Topics, subscriptions, and the identities and configuration sets of SES.

use super::catalog::without_effect;
use super::fields::Fields;
use super::resources::Named;
use crate::app::{EventDestination, Subscription, Topic};

const EVENT_TYPES: [&str; 10] = [
    "bounce",
    "click",
    "complaint",
    "delivery",
    "delivery_delay",
    "open",
    "reject",
    "renderingfailure",
    "send",
    "subscription",
];

/// `AWS::SNS::Topic`, with the subscriptions that stand in it.
pub(super) fn topic(named: Named, mut fields: Fields<'_>) -> (Topic, Vec<Subscription>) {
    let mut subscriptions = Vec::new();
    for mut subscription in fields.objects("Subscription") {
        let (protocol, endpoint) = (protocol(&mut subscription), subscription.required_text("Endpoint"));
        subscription.finish();
        if let (Some(protocol), Some(endpoint)) = (protocol, endpoint) {
            let topic_arn = named.arn.clone();
            subscriptions.push(Subscription { topic_arn, protocol, endpoint, raw_message_delivery: false });
        }
    }
    fields.unsupported(&[
        ("ArchivePolicy", "topics keep no messages"),
        ("ContentBasedDeduplication", "there are no FIFO topics"),
        ("FifoTopic", "there are no FIFO topics"),
    ]);
    fields.without_effect(&without_effect::TOPIC);
    fields.finish();
    (Topic { name: named.name, arn: named.arn }, subscriptions)
}

/// `AWS::SNS::Subscription`.
pub(super) fn subscription(mut fields: Fields<'_>) -> Option<Subscription> {
    let topic_arn = fields.required_text("TopicArn");
    let protocol = protocol(&mut fields);
    let endpoint = fields.required_text("Endpoint");
    let raw_message_delivery = fields.flag("RawMessageDelivery").unwrap_or_default();
    fields.unsupported(&[
        ("DeliveryPolicy", "nothing is delivered over HTTP"),
        ("FilterPolicy", "every message goes to every subscriber"),
        ("FilterPolicyScope", "every message goes to every subscriber"),
        ("RedrivePolicy", "a queue in this process cannot be out of reach"),
        ("ReplayPolicy", "topics keep no messages"),
    ]);
    fields.without_effect(&without_effect::SUBSCRIPTION);
    fields.finish();
    Some(Subscription {
        topic_arn: topic_arn?,
        protocol: protocol?,
        endpoint: endpoint?,
        raw_message_delivery,
    })
}

fn protocol(fields: &mut Fields<'_>) -> Option<String> {
    match fields.required_text("Protocol")? {
        protocol if protocol == "sqs" => Some(protocol),
        other => fields.wrong(
            "Protocol",
            format_args!("{other} is not supported by the laptop cloud: subscribe a queue (sqs)"),
        ),
    }
}

/// `AWS::SES::EmailIdentity`: nothing but its name matters here.
pub(super) fn identity(mut fields: Fields<'_>) -> Option<String> {
    let identity = fields.required_text("EmailIdentity");
    fields.without_effect(&without_effect::EMAIL_IDENTITY);
    fields.finish();
    identity
}

/// `AWS::SES::ConfigurationSet`: its destinations are resources of their own.
pub(super) fn configuration_set(mut fields: Fields<'_>) {
    fields.without_effect(&without_effect::CONFIGURATION_SET);
    fields.finish();
}

/// `AWS::SES::ConfigurationSetEventDestination`: the name of its set, and what goes there. `None` when it is off.
pub(super) fn event_destination(id: &str, mut fields: Fields<'_>) -> Option<(String, EventDestination)> {
    let set = fields.required_text("ConfigurationSetName");
    fields.require("EventDestination");
    let destination = fields.object("EventDestination").and_then(|destination| target(id, destination));
    fields.finish();
    Some((set?, destination?))
}

fn target(id: &str, mut fields: Fields<'_>) -> Option<EventDestination> {
    let name = fields.text("Name").unwrap_or_else(|| id.to_owned());
    let enabled = fields.flag("Enabled").unwrap_or_default();
    fields.require("MatchingEventTypes");
    let event_types: Vec<String> =
        fields.texts("MatchingEventTypes").iter().map(|event| event.to_lowercase()).collect();
    for event in event_types.iter().filter(|event| !EVENT_TYPES.contains(&event.as_str())) {
        fields.wrong::<()>("MatchingEventTypes", format_args!("{event:?} is no event type of SES"));
    }
    fields.require("SnsDestination");
    let topic_arn = fields.object("SnsDestination").and_then(|mut sns| {
        let arn = sns.required_text("TopicARN");
        sns.finish();
        arn
    });
    let hint = "send them to a topic (SnsDestination)";
    fields.unsupported(&[
        ("CloudWatchDestination", hint),
        ("EventBridgeDestination", hint),
        ("KinesisFirehoseDestination", hint),
    ]);
    fields.finish();
    enabled.then_some(EventDestination { name, event_types, topic_arn: topic_arn? })
}
