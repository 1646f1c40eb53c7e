//! SNS as far as SES and queues need it: topics whose messages go to SQS subscriptions.

use crate::sqs::{Attribute, Attributes, Sqs};
use crate::wire::{Form, ServiceError, element};
use crate::{Shared, lock};
use chrono::SecondsFormat;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// Bytes of one message.
const LARGEST_MESSAGE: usize = 262_144;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS topics (arn TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS topic_attributes (
        arn TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS subscriptions (
        arn TEXT PRIMARY KEY, topic TEXT NOT NULL, endpoint TEXT NOT NULL, raw INTEGER NOT NULL,
        UNIQUE (topic, endpoint)
    ) WITHOUT ROWID;";

type Result<T = String> = std::result::Result<T, ServiceError>;

/// Every topic and subscription.
pub(crate) struct Sns {
    store: Mutex<Connection>,
    sqs: Arc<Sqs>,
    shared: Arc<Shared>,
}

struct Subscription {
    arn: String,
    topic: String,
    endpoint: String,
    raw: bool,
}

/// A message for the subscribers of a topic.
#[derive(Default)]
pub(crate) struct Notification<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) message: &'a str,
    pub(crate) attributes: Attributes,
    /// Of FIFO topics.
    pub(crate) group: Option<&'a str>,
}

impl Sns {
    pub(crate) fn open(directory: &Path, shared: Arc<Shared>, sqs: Arc<Sqs>) -> rusqlite::Result<Self> {
        let store = Mutex::new(crate::sql::open(directory, "sns.sqlite", SCHEMA)?);
        Ok(Self { store, sqs, shared })
    }

    /// Carries out an operation of the Query protocol; the content of its result element.
    pub(crate) fn query(&self, operation: &str, form: &Form) -> Result {
        let mut xml = String::new();
        match operation {
            "CreateTopic" => element(&mut xml, "TopicArn", &self.create_topic(form)?),
            "DeleteTopic" => self.delete_topic(form.require("TopicArn")?)?,
            "Subscribe" => element(&mut xml, "SubscriptionArn", &self.subscribe(form)?),
            "Unsubscribe" => self.unsubscribe(form.require("SubscriptionArn")?)?,
            "Publish" => element(&mut xml, "MessageId", &self.publish_form(form)?),
            "ListTopics" => xml = self.list_topics()?,
            "ListSubscriptions" => xml = self.list_subscriptions(None)?,
            "ListSubscriptionsByTopic" => xml = self.list_subscriptions(Some(form.require("TopicArn")?))?,
            "GetTopicAttributes" => xml = self.topic_attributes(form.require("TopicArn")?)?,
            "SetTopicAttributes" => self.set_topic_attribute(form)?,
            "SetSubscriptionAttributes" => self.set_subscription_attribute(form)?,
            "TagResource" | "UntagResource" => {}
            _ => return Err(ServiceError::unknown_operation("sns", operation)),
        }
        Ok(xml)
    }

    /// Whether the topic exists.
    pub(crate) fn exists(&self, topic: &str) -> Result<bool> {
        let store = lock(&self.store);
        let found = store.prepare_cached("SELECT 1 FROM topics WHERE arn = ?1")?.exists([topic])?;
        Ok(found)
    }

    /// Delivers to every subscriber of `topic`; the message id.
    ///
    /// # Errors
    /// When the topic does not exist.
    pub(crate) fn publish(&self, topic: &str, notification: &Notification<'_>) -> Result {
        self.require_topic(topic)?;
        let id = uuid::Uuid::new_v4().to_string();
        for subscription in self.subscriptions(Some(topic))? {
            let group = notification.group.map(str::to_owned);
            let delivered = if subscription.raw {
                let (body, attributes) = (notification.message.to_owned(), notification.attributes.clone());
                self.sqs.deliver("sns", &subscription.endpoint, body, attributes, group)
            } else {
                let body = self.envelope(topic, &id, notification, &subscription);
                self.sqs.deliver("sns", &subscription.endpoint, body, Attributes::new(), group)
            };
            // SNS would retry and drop; a queue that is gone stays gone.
            if let Err(error) = delivered {
                tracing::warn!(topic, queue = subscription.endpoint, %error, "a notification could not be delivered");
            }
        }
        Ok(id)
    }

    fn envelope(&self, topic: &str, id: &str, notification: &Notification<'_>, to: &Subscription) -> String {
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": topic,
            "Message": notification.message,
            "Timestamp": self.shared.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
            "UnsubscribeURL": format!("http://localhost/?Action=Unsubscribe&SubscriptionArn={}", to.arn),
        });
        if let Some(subject) = notification.subject {
            envelope["Subject"] = json!(subject);
        }
        if !notification.attributes.is_empty() {
            let attribute = |(name, attribute): (&String, &Attribute)| {
                let value = attribute.string_value.as_ref().or(attribute.binary_value.as_ref());
                (name.clone(), json!({ "Type": attribute.data_type, "Value": value }))
            };
            envelope["MessageAttributes"] =
                Value::Object(notification.attributes.iter().map(attribute).collect::<Map<_, _>>());
        }
        envelope.to_string()
    }

    fn create_topic(&self, form: &Form) -> Result {
        let name = form.require("Name")?;
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if stem.is_empty() || name.len() > 256 || !stem.bytes().all(valid) {
            return Err(ServiceError::sender("InvalidParameter", "Invalid parameter: Topic Name"));
        }
        let arn = self.shared.arn("sns", name);
        lock(&self.store).execute("INSERT OR IGNORE INTO topics VALUES (?1)", [&arn])?;
        Ok(arn)
    }

    fn delete_topic(&self, arn: &str) -> Result<()> {
        let store = lock(&self.store);
        let transaction = store.unchecked_transaction()?;
        transaction.execute("DELETE FROM subscriptions WHERE topic = ?1", [arn])?;
        transaction.execute("DELETE FROM topic_attributes WHERE arn = ?1", [arn])?;
        transaction.execute("DELETE FROM topics WHERE arn = ?1", [arn])?;
        Ok(transaction.commit()?)
    }

    fn subscribe(&self, form: &Form) -> Result {
        let (topic, protocol) = (form.require("TopicArn")?, form.require("Protocol")?);
        self.require_topic(topic)?;
        if protocol != "sqs" {
            let message =
                format!("Invalid parameter: only the sqs protocol is implemented here, not {protocol}");
            return Err(ServiceError::sender("InvalidParameter", message));
        }
        let endpoint = form.require("Endpoint")?;
        if !self.sqs.exists(endpoint) {
            return Err(ServiceError::sender("InvalidParameter", "Invalid parameter: SQS endpoint ARN"));
        }
        let raw = form.entries("Attributes").get("RawMessageDelivery").is_some_and(|raw| raw == "true");
        let store = lock(&self.store);
        let known: Option<String> = store
            .query_row(
                "SELECT arn FROM subscriptions WHERE topic = ?1 AND endpoint = ?2",
                [topic, endpoint],
                |row| row.get(0),
            )
            .optional()?;
        let arn = known.unwrap_or_else(|| format!("{topic}:{}", uuid::Uuid::new_v4()));
        let values = params![arn, topic, endpoint, raw];
        store.execute("INSERT OR REPLACE INTO subscriptions VALUES (?1, ?2, ?3, ?4)", values)?;
        Ok(arn)
    }

    fn unsubscribe(&self, arn: &str) -> Result<()> {
        lock(&self.store).execute("DELETE FROM subscriptions WHERE arn = ?1", [arn])?;
        Ok(())
    }

    fn publish_form(&self, form: &Form) -> Result {
        let topic = form.get("TopicArn").or_else(|| form.get("TargetArn"));
        let topic =
            topic.ok_or_else(|| ServiceError::sender("InvalidParameter", "Invalid parameter: TopicArn"))?;
        let message = form.require("Message")?;
        if message.is_empty() || message.len() > LARGEST_MESSAGE {
            return Err(ServiceError::sender(
                "InvalidParameter",
                "Invalid parameter: Message too long or empty",
            ));
        }
        let attributes = (1..=100).map_while(|n| {
            let field =
                |name: &str| form.get(&format!("MessageAttributes.entry.{n}.{name}")).map(str::to_owned);
            let (string_value, binary_value) = (field("Value.StringValue"), field("Value.BinaryValue"));
            Some((
                field("Name")?,
                Attribute { data_type: field("Value.DataType")?, string_value, binary_value },
            ))
        });
        self.publish(
            topic,
            &Notification {
                subject: form.get("Subject"),
                message,
                attributes: attributes.collect(),
                group: form.get("MessageGroupId"),
            },
        )
    }

    fn require_topic(&self, arn: &str) -> Result<()> {
        if self.exists(arn)? {
            return Ok(());
        }
        Err(ServiceError { status: 404, code: "NotFound".into(), message: "Topic does not exist".to_owned() })
    }

    fn subscriptions(&self, topic: Option<&str>) -> rusqlite::Result<Vec<Subscription>> {
        let store = lock(&self.store);
        let sql =
            "SELECT arn, topic, endpoint, raw FROM subscriptions WHERE ?1 IS NULL OR topic = ?1 ORDER BY arn";
        let mut statement = store.prepare_cached(sql)?;
        let rows = statement.query_map([topic], |row| {
            Ok(Subscription { arn: row.get(0)?, topic: row.get(1)?, endpoint: row.get(2)?, raw: row.get(3)? })
        })?;
        rows.collect()
    }

    fn list_topics(&self) -> Result {
        let store = lock(&self.store);
        let mut statement = store.prepare_cached("SELECT arn FROM topics ORDER BY arn")?;
        let mut xml = "<Topics>".to_owned();
        for arn in statement.query_map([], |row| row.get::<_, String>(0))? {
            xml.push_str("<member>");
            element(&mut xml, "TopicArn", &arn?);
            xml.push_str("</member>");
        }
        xml.push_str("</Topics>");
        Ok(xml)
    }

    fn list_subscriptions(&self, topic: Option<&str>) -> Result {
        let mut xml = "<Subscriptions>".to_owned();
        for subscription in self.subscriptions(topic)? {
            xml.push_str("<member>");
            element(&mut xml, "SubscriptionArn", &subscription.arn);
            element(&mut xml, "TopicArn", &subscription.topic);
            element(&mut xml, "Protocol", "sqs");
            element(&mut xml, "Endpoint", &subscription.endpoint);
            element(&mut xml, "Owner", &self.shared.account);
            xml.push_str("</member>");
        }
        xml.push_str("</Subscriptions>");
        Ok(xml)
    }

    fn topic_attributes(&self, topic: &str) -> Result {
        self.require_topic(topic)?;
        let count = self.subscriptions(Some(topic))?.len().to_string();
        let store = lock(&self.store);
        let mut statement =
            store.prepare_cached("SELECT name, value FROM topic_attributes WHERE arn = ?1")?;
        let set = statement.query_map([topic], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut attributes = vec![
            ("TopicArn".to_owned(), topic.to_owned()),
            ("Owner".to_owned(), self.shared.account.clone()),
            ("SubscriptionsConfirmed".to_owned(), count),
        ];
        attributes.extend(set.collect::<rusqlite::Result<Vec<(String, String)>>>()?);
        let mut xml = "<Attributes>".to_owned();
        for (name, value) in attributes {
            xml.push_str("<entry>");
            element(&mut xml, "key", &name);
            element(&mut xml, "value", &value);
            xml.push_str("</entry>");
        }
        xml.push_str("</Attributes>");
        Ok(xml)
    }

    fn set_topic_attribute(&self, form: &Form) -> Result<()> {
        let topic = form.require("TopicArn")?;
        self.require_topic(topic)?;
        let values = [topic, form.require("AttributeName")?, form.get("AttributeValue").unwrap_or_default()];
        lock(&self.store).execute("INSERT OR REPLACE INTO topic_attributes VALUES (?1, ?2, ?3)", values)?;
        Ok(())
    }

    fn set_subscription_attribute(&self, form: &Form) -> Result<()> {
        let arn = form.require("SubscriptionArn")?;
        if form.require("AttributeName")? == "RawMessageDelivery" {
            let raw = form.get("AttributeValue") == Some("true");
            lock(&self.store)
                .execute("UPDATE subscriptions SET raw = ?2 WHERE arn = ?1", params![arn, raw])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use crate::sql::tests::Scratch;

    fn form(pairs: &[(&str, &str)]) -> Form {
        Form::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    #[test]
    fn subscribed_queues_get_the_envelope_or_the_raw_message() {
        let directory = Scratch::new();
        let shared = Shared::for_tests(Clock::default());
        let sqs = Arc::new(Sqs::open(directory.path(), shared.clone()).unwrap());
        let sns = Sns::open(directory.path(), shared.clone(), sqs.clone()).unwrap();
        sns.query("CreateTopic", &form(&[("Name", "t")])).unwrap();
        let topic = shared.arn("sns", "t");
        for (queue, raw) in [("wrapped", "false"), ("raw", "true")] {
            sqs.make_queue(queue);
            let queue = shared.arn("sqs", queue);
            let pairs = [
                ("TopicArn", topic.as_str()),
                ("Protocol", "sqs"),
                ("Endpoint", &queue),
                ("Attributes.entry.1.key", "RawMessageDelivery"),
                ("Attributes.entry.1.value", raw),
            ];
            sns.query("Subscribe", &form(&pairs)).unwrap();
        }
        sns.query("Publish", &form(&[("TopicArn", &topic), ("Message", "hello")])).unwrap();
        assert_eq!(sqs.peek("raw", 1)[0].body, "hello");
        let envelope: Value = serde_json::from_str(&sqs.peek("wrapped", 1)[0].body).unwrap();
        assert_eq!((&envelope["Message"], &envelope["TopicArn"]), (&json!("hello"), &json!(topic)));
        assert!(sns.query("Publish", &form(&[("TopicArn", "arn:x"), ("Message", "m")])).is_err());
    }
}
