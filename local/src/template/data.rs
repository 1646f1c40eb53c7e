//! Tables, queues and buckets.

use super::catalog::without_effect;
use super::fields::Fields;
use super::notifications::{self, Call};
use super::resources::Named;
use crate::app::{Bucket, CorsRule, Queue, Table};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CAPACITY: std::ops::RangeInclusive<i64> = 1..=40_000;

/// `AWS::DynamoDB::Table`.
pub(super) fn table(named: Named, mut fields: Fields<'_>) -> Table {
    let mut create = Map::from_iter([("TableName".to_owned(), json!(named.name))]);
    let mut used = BTreeSet::new();
    create.insert("BillingMode".to_owned(), billing(&mut fields));
    fields.require("KeySchema");
    create.insert("KeySchema".to_owned(), key_schema(&mut fields, &mut used));
    for kind in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let indexes: Vec<Value> =
            fields.objects(kind).into_iter().map(|index| index_(index, &mut used)).collect();
        if !indexes.is_empty() {
            create.insert(kind.to_owned(), Value::Array(indexes));
        }
    }
    create.insert("AttributeDefinitions".to_owned(), attribute_definitions(&mut fields, &used));
    if let Some(mut stream) = fields.object("StreamSpecification") {
        stream.require("StreamViewType");
        let views = ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"];
        let view = stream.choice("StreamViewType", &views).unwrap_or("NEW_AND_OLD_IMAGES");
        stream.without_effect(&["ResourcePolicy"]);
        stream.finish();
        let stream = json!({"StreamEnabled": true, "StreamViewType": view});
        create.insert("StreamSpecification".to_owned(), stream);
    }
    let ttl_attribute = time_to_live(&mut fields);
    fields.unsupported(&[("ImportSourceSpecification", "tables begin empty")]);
    fields.without_effect(&without_effect::TABLE);
    fields.finish();
    Table { name: named.name, arn: named.arn, create: Value::Object(create), ttl_attribute }
}

/// Every table is on demand here: capacity is nothing a laptop runs out of.
fn billing(fields: &mut Fields<'_>) -> Value {
    let mode = fields.choice("BillingMode", &["PAY_PER_REQUEST", "PROVISIONED"]).unwrap_or("PROVISIONED");
    if mode == "PROVISIONED" {
        fields.require("ProvisionedThroughput");
    }
    if let Some(mut throughput) = fields.object("ProvisionedThroughput") {
        throughput.require("ReadCapacityUnits");
        throughput.require("WriteCapacityUnits");
        throughput.integer("ReadCapacityUnits", CAPACITY);
        throughput.integer("WriteCapacityUnits", CAPACITY);
        throughput.finish();
    }
    json!("PAY_PER_REQUEST")
}

fn key_schema(fields: &mut Fields<'_>, used: &mut BTreeSet<String>) -> Value {
    let mut keys = Vec::new();
    for mut key in fields.objects("KeySchema") {
        let name = key.required_text("AttributeName");
        key.require("KeyType");
        let kind = key.choice("KeyType", &["HASH", "RANGE"]);
        key.finish();
        if let (Some(name), Some(kind)) = (name, kind) {
            used.insert(name.clone());
            keys.push((name, kind));
        }
    }
    let kinds: Vec<&str> = keys.iter().map(|(_, kind)| *kind).collect();
    if !kinds.is_empty() && kinds != ["HASH"] && kinds != ["HASH", "RANGE"] {
        fields.wrong::<()>("KeySchema", "it must have one HASH key, and one RANGE key after it or none");
    }
    keys.iter().map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})).collect()
}

fn index_(mut fields: Fields<'_>, used: &mut BTreeSet<String>) -> Value {
    let name = fields.required_text("IndexName").unwrap_or_default();
    fields.require("KeySchema");
    let keys = key_schema(&mut fields, used);
    fields.require("Projection");
    let mut output = json!({"ProjectionType": "ALL"});
    if let Some(mut projection) = fields.object("Projection") {
        let kind = projection.choice("ProjectionType", &["ALL", "KEYS_ONLY", "INCLUDE"]).unwrap_or("ALL");
        let attributes = projection.texts("NonKeyAttributes");
        projection.finish();
        output = json!({"ProjectionType": kind});
        if kind == "INCLUDE" {
            output["NonKeyAttributes"] = json!(attributes);
        }
    }
    fields.without_effect(&without_effect::INDEX);
    fields.finish();
    json!({"IndexName": name, "KeySchema": keys, "Projection": output})
}

/// DynamoDB wants exactly the attributes that keys use.
fn attribute_definitions(fields: &mut Fields<'_>, used: &BTreeSet<String>) -> Value {
    let key = "AttributeDefinitions";
    fields.require(key);
    let given = fields.has(key);
    let mut definitions = BTreeMap::new();
    for mut attribute in fields.objects(key) {
        let name = attribute.required_text("AttributeName");
        attribute.require("AttributeType");
        let kind = attribute.choice("AttributeType", &["S", "N", "B"]);
        attribute.finish();
        if let (Some(name), Some(kind)) = (name, kind) {
            definitions.insert(name, kind);
        }
    }
    for name in used.iter().filter(|name| given && !definitions.contains_key(*name)) {
        fields.wrong::<()>(key, format_args!("{name} is used as a key and not defined"));
    }
    for name in definitions.keys().filter(|name| !used.contains(*name)) {
        fields.wrong::<()>(key, format_args!("{name} is defined and no key uses it"));
    }
    definitions.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect()
}

fn time_to_live(fields: &mut Fields<'_>) -> Option<String> {
    let mut ttl = fields.object("TimeToLiveSpecification")?;
    ttl.require("Enabled");
    let enabled = ttl.flag("Enabled").unwrap_or_default();
    let attribute = if enabled { ttl.required_text("AttributeName") } else { ttl.text("AttributeName") };
    ttl.finish();
    attribute.filter(|_| enabled)
}

/// `AWS::Serverless::SimpleTable`: one key, `id` unless said otherwise.
pub(super) fn simple_table(named: Named, mut fields: Fields<'_>) -> Table {
    let (mut key, mut kind) = ("id".to_owned(), "S");
    if let Some(mut primary) = fields.object("PrimaryKey") {
        key = primary.required_text("Name").unwrap_or(key);
        kind = match primary.choice("Type", &["String", "Number", "Binary"]) {
            Some("Number") => "N",
            Some("Binary") => "B",
            _ => "S",
        };
        primary.finish();
    }
    fields.without_effect(&without_effect::SIMPLE_TABLE);
    fields.finish();
    let create = json!({
        "TableName": named.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
    });
    Table { name: named.name, arn: named.arn, create, ttl_attribute: None }
}

/// `AWS::SQS::Queue`.
pub(super) fn queue(named: Named, url: String, mut fields: Fields<'_>) -> Queue {
    let mut attributes = BTreeMap::new();
    for (key, range) in [
        ("DelaySeconds", 0..=900),
        ("MaximumMessageSize", 1024..=1_048_576),
        ("MessageRetentionPeriod", 60..=1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0..=20),
        ("VisibilityTimeout", 0..=43_200),
    ] {
        let value = fields.integer(key, range).map(|number| number.to_string());
        attributes.extend(value.map(|value| (key.to_owned(), value)));
    }
    fifo(&named.name, &mut fields, &mut attributes);
    if let Some(redrive) = fields.object("RedrivePolicy") {
        attributes.extend(redrive_policy(redrive).map(|policy| ("RedrivePolicy".to_owned(), policy)));
    }
    let allow = fields.take("RedriveAllowPolicy");
    attributes.extend(allow.map(|policy| ("RedriveAllowPolicy".to_owned(), policy.to_string())));
    fields.without_effect(&without_effect::QUEUE);
    fields.finish();
    Queue { name: named.name, arn: named.arn, url, attributes }
}

fn fifo(name: &str, fields: &mut Fields<'_>, attributes: &mut BTreeMap<String, String>) {
    let fifo = fields.flag("FifoQueue").unwrap_or_default();
    if fifo != name.ends_with(".fifo") {
        fields.wrong::<()>("QueueName", "a FIFO queue's name ends with .fifo, and no other's does");
    }
    let deduplication = fields.flag("ContentBasedDeduplication");
    let scope = fields.choice("DeduplicationScope", &["messageGroup", "queue"]);
    let limit = fields.choice("FifoThroughputLimit", &["perMessageGroupId", "perQueue"]);
    if !fifo {
        for (key, given) in [
            ("ContentBasedDeduplication", deduplication == Some(true)),
            ("DeduplicationScope", scope.is_some()),
            ("FifoThroughputLimit", limit.is_some()),
        ] {
            if given {
                fields.wrong::<()>(key, "only a FIFO queue has it");
            }
        }
        return;
    }
    attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    let values = [
        ("ContentBasedDeduplication", deduplication.map(|flag| flag.to_string())),
        ("DeduplicationScope", scope.map(str::to_owned)),
        ("FifoThroughputLimit", limit.map(str::to_owned)),
    ];
    attributes.extend(values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
}

fn redrive_policy(mut fields: Fields<'_>) -> Option<String> {
    let target = fields.required_text("deadLetterTargetArn");
    fields.require("maxReceiveCount");
    let count = fields.integer("maxReceiveCount", 1..=1000);
    fields.finish();
    Some(json!({"deadLetterTargetArn": target?, "maxReceiveCount": count?}).to_string())
}

/// `AWS::S3::Bucket`.
pub(super) fn bucket(named: Named, mut fields: Fields<'_>) -> (Bucket, Vec<Call>) {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !(3..=63).contains(&named.name.len()) || !named.name.chars().all(valid) {
        let name = &named.name;
        fields.wrong::<()>(
            "BucketName",
            format_args!("{name:?} is no bucket name: 3–63 lower-case letters, digits, dots and hyphens"),
        );
    }
    let mut cors_rules = Vec::new();
    if let Some(mut cors) = fields.object("CorsConfiguration") {
        cors.require("CorsRules");
        cors_rules = cors.objects("CorsRules").into_iter().map(cors_rule).collect();
        cors.finish();
    }
    let configuration = fields.object("NotificationConfiguration");
    let told = configuration.map(|configuration| notifications::of_bucket(&named.name, configuration));
    let (notifications, calls) = told.unwrap_or_default();
    fields.unsupported(&[
        ("ObjectLockConfiguration", "objects are not locked"),
        ("ObjectLockEnabled", "objects are not locked"),
        ("ReplicationConfiguration", "there is one region"),
        ("VersioningConfiguration", "objects have one version"),
        ("WebsiteConfiguration", "buckets serve no websites"),
    ]);
    fields.without_effect(&without_effect::BUCKET);
    fields.finish();
    (Bucket { name: named.name, cors_rules, notifications }, calls)
}

fn cors_rule(mut fields: Fields<'_>) -> CorsRule {
    fields.require("AllowedOrigins");
    fields.require("AllowedMethods");
    let rule = CorsRule {
        allowed_origins: fields.texts("AllowedOrigins"),
        allowed_methods: fields.texts("AllowedMethods"),
        allowed_headers: fields.texts("AllowedHeaders"),
        exposed_headers: fields.texts("ExposedHeaders"),
        max_age: fields.integer("MaxAge", 0..=i64::from(i32::MAX)).and_then(|age| i32::try_from(age).ok()),
    };
    fields.without_effect(&["Id"]);
    fields.finish();
    rule
}
