//! What requests cost, as the developer guide's "DynamoDB read and write operations" has it.

use super::Dynamo;
use crate::{Clock, Shared};
use serde_json::{Value, json};

/// A table with one index, `by_colour`, that items without a colour are not in.
struct Fixture {
    dynamo: Dynamo,
    _directory: crate::sql::tests::Scratch,
}

impl Fixture {
    fn new() -> Self {
        let directory = crate::sql::tests::Scratch::new();
        let dynamo = Dynamo::open(directory.path(), Shared::for_tests(Clock::default())).unwrap();
        let fixture = Self { dynamo, _directory: directory };
        let keys = |hash: &str| {
            json!([{ "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": "sk", "KeyType": "RANGE" }])
        };
        let names = ["pk", "sk", "colour"].map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
        let index = json!({ "IndexName": "by_colour", "KeySchema": keys("colour"),
            "Projection": { "ProjectionType": "ALL" } });
        fixture.call(
            "CreateTable",
            json!({ "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": names, "KeySchema": keys("pk"),
                "GlobalSecondaryIndexes": [index] }),
        );
        fixture
    }

    fn try_call(&self, operation: &str, mut request: Value) -> (u16, Value) {
        request["TableName"] = "table".into();
        if operation != "CreateTable" {
            request["ReturnConsumedCapacity"] = "TOTAL".into();
        }
        let (status, answer) = self.dynamo.carry_out(operation, request.to_string().as_bytes());
        (status, serde_json::from_slice(&answer).unwrap())
    }

    fn call(&self, operation: &str, request: Value) -> Value {
        let (status, answer) = self.try_call(operation, request);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What a request of one table costs.
    fn units(&self, operation: &str, request: Value) -> f64 {
        let capacity = self.call(operation, request)["ConsumedCapacity"].take();
        let capacity = if capacity.is_array() { &capacity[0] } else { &capacity };
        capacity["CapacityUnits"].as_f64().unwrap_or_else(|| panic!("no units in {capacity}"))
    }

    fn put(&self, sk: &str, bytes: usize) -> f64 {
        self.units("PutItem", json!({ "Item": item(sk, bytes) }))
    }
}

fn key(sk: &str) -> Value {
    json!({ "pk": { "S": "p" }, "sk": { "S": sk } })
}

/// An item of so many bytes: names and values count both.
fn item(sk: &str, bytes: usize) -> Value {
    let mut item = key(sk);
    let rest = bytes - "pkpsk".len() - sk.len() - "v".len();
    item["v"] = json!({ "S": "x".repeat(rest) });
    item
}

fn coloured(sk: &str, bytes: usize, colour: &str) -> Value {
    let mut item = item(sk, bytes - "colour".len() - colour.len());
    item["colour"] = json!({ "S": colour });
    item
}

#[test]
fn a_get_costs_a_unit_for_4_kb_and_half_of_it_when_it_may_lag() {
    let t = Fixture::new();
    t.put("a", 4096);
    t.put("b", 4097);
    for (sk, strong) in [("a", 1.0), ("b", 2.0), ("none", 1.0)] {
        assert_eq!(t.units("GetItem", json!({ "Key": key(sk), "ConsistentRead": true })), strong, "{sk}");
        assert_eq!(t.units("GetItem", json!({ "Key": key(sk) })), strong / 2.0, "{sk}");
    }
    let part = json!({ "Key": key("b"), "ConsistentRead": true, "ProjectionExpression": "sk" });
    assert_eq!(t.units("GetItem", part), 2.0, "the whole item is read");
}

#[test]
fn a_write_costs_a_unit_for_1_kb_of_the_larger_of_before_and_after() {
    let t = Fixture::new();
    assert_eq!((t.put("a", 1024), t.put("b", 1025)), (1.0, 2.0));
    assert_eq!((t.put("a", 3000), t.put("a", 10), t.put("a", 10)), (3.0, 3.0, 1.0));
    let update = |sk: &str| json!({ "Key": key(sk), "UpdateExpression": "SET n = :n", "ExpressionAttributeValues": { ":n": { "N": "1" } } });
    assert_eq!(t.units("UpdateItem", update("b")), 2.0, "the whole item is written");
    assert_eq!(t.units("UpdateItem", update("c")), 1.0);
    assert_eq!(t.units("DeleteItem", json!({ "Key": key("b") })), 2.0);
    assert_eq!(t.units("DeleteItem", json!({ "Key": key("b") })), 1.0, "nothing there costs a unit");
}

#[test]
fn a_query_costs_the_sum_of_what_it_read_and_a_batch_each_item_by_itself() {
    let t = Fixture::new();
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    for name in &names {
        t.put(name, 1000);
    }
    let query =
        json!({ "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": { ":p": { "S": "p" } } });
    let mut strong = query.clone();
    strong["ConsistentRead"] = true.into();
    let mut filtered = strong.clone();
    filtered["FilterExpression"] = "attribute_exists(nothing)".into();
    let none =
        json!({ "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": { ":p": { "S": "q" } } });
    assert_eq!(t.units("Query", query), 1.5);
    assert_eq!(t.units("Query", strong), 3.0);
    assert_eq!(t.units("Query", filtered), 3.0, "what a filter leaves out was read");
    assert_eq!(t.units("Query", none), 0.5);
    let keys: Vec<Value> = names.iter().map(|name| key(name)).collect();
    assert_eq!(t.units("BatchGetItem", json!({ "RequestItems": { "table": { "Keys": keys } } })), 5.0);
    let puts: Vec<Value> =
        names.iter().map(|name| json!({ "PutRequest": { "Item": item(name, 1025) } })).collect();
    assert_eq!(t.units("BatchWriteItem", json!({ "RequestItems": { "table": puts } })), 20.0);
}

#[test]
fn a_transaction_costs_twice() {
    let t = Fixture::new();
    let put = |sk: &str| json!({ "Put": { "TableName": "table", "Item": item(sk, 1025) } });
    assert_eq!(t.units("TransactWriteItems", json!({ "TransactItems": [put("a"), put("b")] })), 8.0);
    let get = json!({ "Get": { "TableName": "table", "Key": key("a") } });
    assert_eq!(t.units("TransactGetItems", json!({ "TransactItems": [get] })), 2.0);
}

#[test]
fn an_index_costs_for_what_it_gets_changes_and_loses() {
    let t = Fixture::new();
    let put = |item| t.units("PutItem", json!({ "Item": item }));
    assert_eq!(put(coloured("a", 1000, "red")), 2.0, "the table's and the index's");
    assert_eq!(put(coloured("a", 1000, "red")), 1.0, "the index has it already");
    assert_eq!(put(coloured("a", 1000, "tan")), 3.0, "the index loses one entry and gets another");
    assert_eq!(put(item("a", 1000)), 2.0, "the index loses it");
    assert_eq!(put(item("a", 900)), 1.0, "the index never hears of it");
}

#[test]
fn a_refused_write_tells_no_units() {
    let t = Fixture::new();
    t.put("a", 10);
    let put = json!({ "Item": item("a", 10), "ConditionExpression": "attribute_not_exists(pk)" });
    let (status, answer) = t.try_call("PutItem", put);
    assert_eq!((status, answer.get("ConsumedCapacity")), (400, None));
}
