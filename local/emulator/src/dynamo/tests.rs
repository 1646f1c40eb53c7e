//! The store through the wire's JSON.

use super::*;
use crate::{Clock, Shared};
use chrono::TimeDelta;
use serde_json::{Value, json};

struct Fixture {
    dynamo: Dynamo,
    clock: Clock,
    directory: crate::sql::tests::Scratch,
}

impl Fixture {
    fn new() -> Self {
        let directory = crate::sql::tests::Scratch::new();
        let clock = Clock::default();
        let dynamo = Dynamo::open(directory.path(), Shared::for_tests(clock.clone())).unwrap();
        let fixture = Self { dynamo, clock, directory };
        fixture.call(
            "CreateTable",
            &json!({"TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}}),
        );
        fixture
    }

    fn reopen(self) -> Self {
        let Self { dynamo, clock, directory } = self;
        drop(dynamo);
        let dynamo = Dynamo::open(directory.path(), Shared::for_tests(clock.clone())).unwrap();
        Self { dynamo, clock, directory }
    }

    fn call(&self, operation: &str, request: &Value) -> Value {
        let answer = self.dynamo.dispatch(operation, request.to_string().as_bytes());
        serde_json::from_slice(&answer.unwrap()).unwrap()
    }

    fn put(&self, key: &str, value: &str) {
        self.call("PutItem", &json!({"TableName": "notes", "Item": {"pk": {"S": key}, "v": {"S": value}}}));
    }

    fn stream(&self) -> String {
        self.call("DescribeTable", &json!({"TableName": "notes"}))["Table"]["LatestStreamArn"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn records(&self) -> Vec<Value> {
        let stream = self.stream();
        let described = self.call("DescribeStream", &json!({"StreamArn": stream}));
        let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
        let iterator = self.call(
            "GetShardIterator",
            &json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}),
        );
        let read = self.call("GetRecords", &json!({"ShardIterator": iterator["ShardIterator"]}));
        read["Records"].as_array().unwrap().clone()
    }
}

#[test]
fn arns_carry_the_configured_region_and_account() {
    let fixture = Fixture::new();
    assert!(fixture.stream().starts_with("arn:aws:dynamodb:us-east-1:123456789012:table/notes/stream/"));
    fixture.put("a", "arn:aws:dynamodb:dynoxide:000000000000:table/t");
    let records = fixture.records();
    assert_eq!(records[0]["awsRegion"], "us-east-1");
    assert_eq!(
        records[0]["dynamodb"]["NewImage"]["v"]["S"],
        "arn:aws:dynamodb:dynoxide:000000000000:table/t"
    );
}

#[test]
fn a_write_that_changes_nothing_makes_no_record() {
    let fixture = Fixture::new();
    for value in ["1", "1", "2", "2"] {
        fixture.put("a", value);
    }
    let names: Vec<_> = fixture.records().iter().map(|record| record["eventName"].clone()).collect();
    assert_eq!(names, ["INSERT", "MODIFY"]);
}

#[test]
fn records_are_trimmed_after_a_day_and_sequence_numbers_never_go_back() {
    let fixture = Fixture::new();
    fixture.put("a", "1");
    let sequence = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
    fixture.clock.advance(TimeDelta::hours(23));
    fixture.dynamo.trim_streams();
    fixture.put("b", "1");
    let last = sequence(fixture.records().last().unwrap());
    assert_eq!(fixture.records().len(), 2);
    fixture.clock.advance(TimeDelta::hours(25));
    fixture.dynamo.trim_streams();
    assert!(fixture.records().is_empty());
    fixture.clock.advance(TimeDelta::days(-30));
    let fixture = fixture.reopen();
    fixture.put("c", "1");
    assert!(sequence(&fixture.records()[0]) > last);
}

#[test]
fn expired_items_go_on_this_clock_and_say_who_removed_them() {
    let fixture = Fixture::new();
    let specification = json!({"Enabled": true, "AttributeName": "exp"});
    fixture
        .call("UpdateTimeToLive", &json!({"TableName": "notes", "TimeToLiveSpecification": specification}));
    let expires = (fixture.clock.now() + TimeDelta::hours(1)).timestamp().to_string();
    fixture
        .call("PutItem", &json!({"TableName": "notes", "Item": {"pk": {"S": "a"}, "exp": {"N": expires}}}));
    assert_eq!(fixture.dynamo.sweep_ttl(), 0);
    fixture.clock.advance(TimeDelta::hours(2));
    assert_eq!(fixture.dynamo.sweep_ttl(), 1);
    let records = fixture.records();
    assert_eq!(records[1]["userIdentity"]["PrincipalId"], "dynamodb.amazonaws.com");
}

/// By other names than most: of keys, of the attribute; with both parts of a key, and nothing of a time that is no number.
#[test]
fn what_has_not_expired_stays_whatever_its_attributes_are() {
    let fixture = Fixture::new();
    let (table, attribute) = ("more.notes", "it's \u{fc}ber.time");
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let named = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    fixture.call(
        "CreateTable",
        &json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [named("owner"), named("at")], "KeySchema": [key("owner", "HASH"), key("at", "RANGE")]}),
    );
    let specification = json!({"Enabled": true, "AttributeName": attribute});
    fixture.call("UpdateTimeToLive", &json!({"TableName": table, "TimeToLiveSpecification": specification}));
    let now = fixture.clock.now().timestamp();
    let items = [
        ("past", json!({"N": (now - 1).to_string()})),
        ("long past", json!({"N": "1"})),
        ("future", json!({"N": (now + 60).to_string()})),
        ("text", json!({"S": "1"})),
        ("before time began", json!({"N": "-1"})),
        ("a fraction", json!({"N": "0.5"})),
        ("far off", json!({"N": "1E+20"})),
        ("list", json!({"L": [{"N": "1"}]})),
    ];
    for (at, expires) in items {
        let mut item = json!({"owner": {"S": "anna"}, "at": {"S": at}});
        item[attribute] = expires;
        fixture.call("PutItem", &json!({"TableName": table, "Item": item}));
    }
    let without = json!({"owner": {"S": "anna"}, "at": {"S": "never"}});
    fixture.call("PutItem", &json!({"TableName": table, "Item": without}));
    assert_eq!(fixture.dynamo.sweep_ttl(), 2);
    let left = fixture.call("Scan", &json!({"TableName": table}));
    let mut left: Vec<_> =
        left["Items"].as_array().unwrap().iter().map(|item| item["at"]["S"].as_str().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["a fraction", "before time began", "far off", "future", "list", "never", "text"]);
    fixture.clock.advance(TimeDelta::minutes(2));
    assert_eq!(fixture.dynamo.sweep_ttl(), 1);
}

#[test]
fn a_repeated_transaction_is_carried_out_once() {
    let fixture = Fixture::new();
    let update = json!({"TableName": "notes", "Key": {"pk": {"S": "n"}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}});
    let request = json!({"ClientRequestToken": "token", "TransactItems": [{"Update": update}]});
    fixture.call("TransactWriteItems", &request);
    fixture.call("TransactWriteItems", &request);
    let item = fixture.call("GetItem", &json!({"TableName": "notes", "Key": {"pk": {"S": "n"}}}));
    assert_eq!(item["Item"]["n"]["N"], "1");
}
