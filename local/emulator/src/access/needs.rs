//! Which actions on which resources a call needs, by the Service Authorization Reference.

use super::{Asked, FROM_ADDRESS};
use crate::Shared;
use serde_json::Value;

/// Of an operation of DynamoDB or its streams. `stream_of` tells the ARN of a table's stream, which an iterator only implies.
pub(crate) fn dynamodb(
    shared: &Shared,
    operation: &str,
    body: &[u8],
    stream_of: impl Fn(&str) -> Option<String>,
) -> Vec<Asked> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| request[key].as_str();
    let action = format!("dynamodb:{operation}");
    let table = |name: &str| table_arn(shared, name);
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request["RequestItems"].as_object();
            tables.into_iter().flatten().map(|(name, _)| Asked::new(&action, table(name))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = request["TransactItems"].as_array();
            let parts = items.into_iter().flatten().filter_map(Value::as_object).flatten();
            parts.map(|(kind, part)| Asked::new(item_action(kind), table(table_name(part)))).collect()
        }
        "DescribeStream" | "GetShardIterator" => {
            vec![Asked::new(action, text("StreamArn").unwrap_or("*"))]
        }
        "GetRecords" => {
            let iterator = text("ShardIterator").unwrap_or_default();
            let decoded = dynoxide::actions::get_shard_iterator::decode_shard_iterator(iterator);
            let stream = decoded.and_then(|(table, ..)| stream_of(&table));
            vec![Asked::new(action, stream.unwrap_or_else(|| "*".to_owned()))]
        }
        "ListStreams" => {
            let of = text("TableName").unwrap_or("*");
            vec![Asked::new(action, format!("{}/stream/*", table(of)))]
        }
        _ => match (text("TableName"), text("IndexName")) {
            (Some(name), Some(index)) => vec![Asked::new(action, format!("{}/index/{index}", table(name)))],
            (Some(name), None) => vec![Asked::new(action, table(name))],
            // Whatever names no table is allowed to those only who may do it on all.
            (None, _) => vec![Asked::new(action, "*")],
        },
    }
}

fn table_name(part: &Value) -> &str {
    part["TableName"].as_str().unwrap_or_default()
}

fn item_action(kind: &str) -> String {
    let operation = match kind {
        "ConditionCheck" => "ConditionCheckItem",
        "Delete" => "DeleteItem",
        "Get" => "GetItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        other => other,
    };
    format!("dynamodb:{operation}")
}

/// A table may be called by its ARN.
fn table_arn(shared: &Shared, name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { shared.arn("dynamodb", &format!("table/{name}")) }
}

/// Of an operation of SQS. Batches need the action of one message.
pub(crate) fn sqs(shared: &Shared, operation: &str, body: &[u8]) -> Asked {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = match (request["QueueUrl"].as_str(), request["QueueName"].as_str()) {
        (Some(url), _) => url.rsplit('/').next(),
        (None, name) => name,
    };
    let action = operation.strip_suffix("Batch").unwrap_or(operation);
    let arn = |text: &str| request[text].as_str().map(str::to_owned);
    let resource = name
        .map(|name| shared.arn("sqs", name))
        .or_else(|| arn("SourceArn"))
        .unwrap_or_else(|| if operation == "ListQueues" { shared.arn("sqs", "*") } else { "*".to_owned() });
    Asked::new(format!("sqs:{action}"), resource)
}

/// Of sending an e-mail: the sender's identity, and the configuration set where there is one.
pub(crate) fn email(
    shared: &Shared,
    operation: &str,
    from: &str,
    identity: &str,
    configuration_set: Option<&str>,
) -> Vec<Asked> {
    let resources = [
        Some(format!("identity/{identity}")),
        configuration_set.map(|set| format!("configuration-set/{set}")),
    ];
    let asked = |resource: String| Asked {
        context: vec![(FROM_ADDRESS, from.to_owned())],
        ..Asked::new(format!("ses:{operation}"), shared.arn("ses", &resource))
    };
    resources.into_iter().flatten().map(asked).collect()
}

/// Of an operation of SNS.
pub(crate) fn notification(operation: &str, topic: Option<&str>) -> Asked {
    Asked::new(format!("sns:{operation}"), topic.unwrap_or("*"))
}

/// Of invoking a function, by its name or its ARN.
pub(crate) fn invocation(shared: &Shared, function: &str) -> Asked {
    let named = if function.starts_with("arn:") {
        function.to_owned()
    } else {
        shared.arn("lambda", &format!("function:{function}"))
    };
    Asked::new("lambda:InvokeFunction", named)
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn object(action: &str, bucket: &str, key: &str) -> Asked {
    Asked::new(action, format!("{}/{key}", bucket_arn(bucket)))
}

/// Of an operation of S3 on what its path names. What its body or other headers name is asked for when those are read.
pub(crate) fn s3_operation(operation: &str, bucket: &str, key: Option<&str>, of_version: bool) -> Vec<Asked> {
    let Some(key) = key else {
        let action = match operation {
            "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
            "ListObjectVersions" => "ListBucketVersions",
            "ListMultipartUploads" => "ListBucketMultipartUploads",
            "ListBuckets" => return vec![Asked::new("s3:ListAllMyBuckets", "*")],
            "DeleteObjects" => return Vec::new(),
            other => other,
        };
        return vec![Asked::new(format!("s3:{action}"), bucket_arn(bucket))];
    };
    let action = match (operation, of_version) {
        ("GetObject" | "HeadObject", false) => "GetObject",
        ("GetObject" | "HeadObject", true) => "GetObjectVersion",
        ("DeleteObject", true) => "DeleteObjectVersion",
        (
            "CompleteMultipartUpload"
            | "CopyObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy",
            _,
        ) => "PutObject",
        ("ListParts", _) => "ListMultipartUploadParts",
        (other, _) => other,
    };
    vec![object(&format!("s3:{action}"), bucket, key)]
}

/// What a copy reads.
pub(crate) fn s3_copied(bucket: &str, key: &str, of_version: bool) -> Vec<Asked> {
    s3_operation("GetObject", bucket, Some(key), of_version)
}

/// What one entry of `DeleteObjects` deletes.
pub(crate) fn s3_deleted(bucket: &str, key: &str, of_version: bool) -> Vec<Asked> {
    s3_operation("DeleteObject", bucket, Some(key), of_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/T";

    fn asked_of_dynamodb(operation: &str, body: &Value) -> Vec<(String, String)> {
        let shared = Shared::for_tests(crate::Clock::default());
        let stream = |table: &str| Some(format!("arn:{table}:stream"));
        pairs(dynamodb(&shared, operation, body.to_string().as_bytes(), stream))
    }

    fn pairs(asked: Vec<Asked>) -> Vec<(String, String)> {
        asked.into_iter().map(|one| (one.action, one.resource)).collect()
    }

    fn pair(action: &str, resource: impl Into<String>) -> (String, String) {
        (action.to_owned(), resource.into())
    }

    #[test]
    fn a_transaction_needs_the_action_of_each_item_and_a_batch_its_own() {
        let items = json!({"TransactItems": [
            {"Put": {"TableName": "T"}}, {"ConditionCheck": {"TableName": "T"}}, {"Delete": {"TableName": "T"}}]});
        let expected = ["PutItem", "ConditionCheckItem", "DeleteItem"];
        let expected = expected.map(|name| pair(&format!("dynamodb:{name}"), TABLE));
        assert_eq!(asked_of_dynamodb("TransactWriteItems", &items), expected);
        let batch = json!({"RequestItems": {"T": [{"PutRequest": {}}, {"DeleteRequest": {}}]}});
        assert_eq!(asked_of_dynamodb("BatchWriteItem", &batch), [pair("dynamodb:BatchWriteItem", TABLE)]);
    }

    #[test]
    fn a_query_on_an_index_needs_the_index_and_not_the_table() {
        let query = json!({"TableName": TABLE, "IndexName": "work"});
        assert_eq!(
            asked_of_dynamodb("Query", &query),
            [pair("dynamodb:Query", format!("{TABLE}/index/work"))]
        );
        assert_eq!(asked_of_dynamodb("Query", &json!({"TableName": "T"})), [pair("dynamodb:Query", TABLE)]);
    }

    #[test]
    fn an_iterator_is_of_its_tables_stream() {
        let iterator = dynoxide::actions::get_shard_iterator::encode_shard_iterator("T", "shard", 1);
        let asked = asked_of_dynamodb("GetRecords", &json!({"ShardIterator": iterator}));
        assert_eq!(asked, [pair("dynamodb:GetRecords", "arn:T:stream")]);
        assert_eq!(asked_of_dynamodb("GetRecords", &json!({})), [pair("dynamodb:GetRecords", "*")]);
        assert_eq!(
            asked_of_dynamodb("ExecuteStatement", &json!({})),
            [pair("dynamodb:ExecuteStatement", "*")]
        );
    }

    #[test]
    fn a_batch_of_messages_needs_the_action_of_one() {
        let shared = Shared::for_tests(crate::Clock::default());
        let body = json!({"QueueUrl": "http://localhost:1/123456789012/Q"}).to_string();
        let asked = sqs(&shared, "SendMessageBatch", body.as_bytes());
        assert_eq!(asked, Asked::new("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:Q"));
    }

    #[test]
    fn operations_of_s3_have_actions_of_other_names() {
        let of = |operation, key, version| pairs(s3_operation(operation, "b", key, version));
        assert_eq!(of("HeadObject", Some("k/l"), false), [pair("s3:GetObject", "arn:aws:s3:::b/k/l")]);
        assert_eq!(of("GetObject", Some("k"), true), [pair("s3:GetObjectVersion", "arn:aws:s3:::b/k")]);
        assert_eq!(of("UploadPart", Some("k"), false), [pair("s3:PutObject", "arn:aws:s3:::b/k")]);
        assert_eq!(of("ListObjectsV2", None, false), [pair("s3:ListBucket", "arn:aws:s3:::b")]);
        assert_eq!(of("ListBuckets", None, false), [pair("s3:ListAllMyBuckets", "*")]);
        // What is deleted stands in the body.
        assert!(of("DeleteObjects", None, false).is_empty());
    }
}
