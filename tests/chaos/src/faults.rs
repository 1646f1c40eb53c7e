//! What the data services do wrong.

use end_to_end::Api;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Throttles, failures and lost answers of every service, and deliveries that are repeated, late and out of order as far
/// as AWS may have it so. Low enough that no message uses up its receives by them alone: what is parked in the end must be
/// poison.
pub(crate) fn all() -> Vec<Value> {
    let mut faults = Vec::new();
    let mut add = |service: &str, error: &str, status: u16, probability: f64, after: bool| {
        faults.push(json!({
            "service": service, "error": error, "status": status, "probability": probability, "after": after,
        }));
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
    for (service, delivery, probability, delay_ms) in [
        // At the same time as the first, and some time after it.
        ("sqs", "twice", 0.05, 0),
        ("sqs", "twice", 0.05, 30_000),
        ("sqs", "late", 0.05, 20_000),
        ("sqs", "out_of_order", 0.3, 0),
        ("s3", "twice", 0.1, 0),
        ("s3", "twice", 0.1, 60_000),
        ("s3", "late", 0.2, 40_000),
        ("streams", "twice", 0.1, 0),
    ] {
        faults.push(json!({
            "service": service, "delivery": delivery, "probability": probability, "delay_ms": delay_ms,
        }));
    }
    faults
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
        let service = entry["fault"]["service"].as_str().unwrap_or_default();
        *counts.entry(format!("{service}: {}", kind(&entry["fault"]))).or_default() +=
            entry["fired"].as_u64().unwrap_or_default();
    }
    counts
}

fn kind(fault: &Value) -> &'static str {
    match fault["delivery"].as_str() {
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
