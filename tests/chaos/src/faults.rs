//! What the data services do wrong.

use end_to_end::Api;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Throttles, failures and lost answers of every service, and deliveries that are repeated, late and out of order as far
/// as AWS may have it so. Each happens now and then, and once for certain: no run passes for want of what it must survive.
/// Rare enough that no message uses up its receives by them alone: what is parked in the end must be poison.
pub(crate) fn all() -> Vec<Value> {
    let mut faults = Vec::new();
    for (fault, probability) in refusals().into_iter().chain(disturbances()) {
        for (name, value) in [("probability", json!(probability)), ("count", json!(1))] {
            let mut fault = fault.clone();
            fault[name] = value;
            faults.push(fault);
        }
    }
    faults
}

/// The names by which [`fired`] counts them.
pub(crate) fn kinds() -> BTreeSet<String> {
    all().iter().map(name).collect()
}

/// Errors in answer to calls, each with its probability.
fn refusals() -> Vec<(Value, f64)> {
    let mut faults = Vec::new();
    let mut add = |service: &str, error: &str, status: u16, probability: f64, after: bool| {
        let fault = json!({ "service": service, "error": error, "status": status, "after": after });
        faults.push((fault, probability));
    };
    for (service, throttle, failure) in [
        ("dynamodb", ("ProvisionedThroughputExceededException", 400), ("InternalServerError", 500)),
        ("streams", ("LimitExceededException", 400), ("InternalServerError", 500)),
        ("s3", ("SlowDown", 503), ("InternalError", 500)),
        ("sqs", ("RequestThrottled", 400), ("ServiceUnavailable", 503)),
        ("ses", ("Throttling", 400), ("ServiceUnavailable", 503)),
    ] {
        add(service, throttle.0, throttle.1, 0.02, false);
        add(service, failure.0, failure.1, 0.01, false);
        // Done, and nobody is told.
        add(service, failure.0, failure.1, 0.01, true);
    }
    faults
}

/// Deliveries, each with the probability that it is disturbed so.
fn disturbances() -> Vec<(Value, f64)> {
    let all = [
        // At the same time as the first, and some time after it.
        ("sqs", "twice", 0.05, 0),
        ("sqs", "twice", 0.05, 30_000),
        ("sqs", "late", 0.05, 20_000),
        ("sqs", "out_of_order", 0.3, 0),
        ("s3", "twice", 0.1, 0),
        ("s3", "twice", 0.1, 60_000),
        ("s3", "late", 0.2, 40_000),
        ("streams", "twice", 0.1, 0),
    ];
    all.map(|(service, delivery, probability, delay_ms)| {
        (json!({ "service": service, "delivery": delivery, "delay_ms": delay_ms }), probability)
    })
    .to_vec()
}

pub(crate) async fn inject(api: &Api, faults: &[Value]) {
    for fault in faults {
        api.fault(fault.clone()).await;
    }
}

/// How often faults fired, by service and kind.
pub(crate) async fn fired(api: &Api) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    // A host that is just being killed does not tell.
    let Ok(answer) = api.try_send("GET", "/_local/faults", &[], "").await else { return counts };
    for entry in answer.json().as_array().into_iter().flatten() {
        *counts.entry(name(&entry["fault"])).or_default() += entry["fired"].as_u64().unwrap_or_default();
    }
    counts
}

fn name(fault: &Value) -> String {
    let service = fault["service"].as_str().unwrap_or_default();
    format!("{service}: {}", kind(service, fault))
}

fn kind(service: &str, fault: &Value) -> &'static str {
    match fault["delivery"].as_str() {
        // The reader of a shard goes back to the checkpoint before.
        Some("twice") if service == "streams" => return "checkpoint lost",
        Some("twice") => return "delivered twice",
        Some("late") => return "delivered late",
        Some(_) => return "delivered out of order",
        None => {}
    }
    match (fault["after"].as_bool(), fault["status"].as_u64(), fault["error"].as_str()) {
        (Some(true), ..) => "answer lost",
        (_, Some(400), _) | (_, _, Some("SlowDown")) => "throttled",
        _ => "failed",
    }
}
