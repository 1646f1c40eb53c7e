//! What can never succeed: put into every queue, and into the notes table. It must end in the parking queue, whole, and
//! nothing else must.

use crate::{Error, cloud::Cloud};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use std::collections::BTreeSet;

/// What marks poison wherever it goes.
const MARK: &str = "poison";

/// Puts poison everywhere; returns the marks that must be found in the parking queue.
pub(crate) async fn put(cloud: &Cloud, chances: &mut fastrand::Rng) -> Result<BTreeSet<String>, Error> {
    let mut marks = BTreeSet::new();
    let mut mark = || {
        let mark = format!("{MARK}-{:016x}", chances.u64(..));
        marks.insert(mark.clone());
        mark
    };
    let bodies = [
        ("EmailQueue", format!("no JSON: {}", mark())),
        ("EmailQueue", json!({ "key": 1, "to": mark() }).to_string()),
        ("UploadsQueue", json!({ "Event": mark() }).to_string()),
        ("UploadsQueue", json!({ "Records": [{ "eventVersion": "3.0", "eventName": mark() }] }).to_string()),
        ("FeedbackQueue", json!({ "eventType": "Bounce", "bounce": mark() }).to_string()),
        ("ReplaysQueue", json!({ "eventID": mark() }).to_string()),
        ("DeadLettersQueue", format!("nobody's: {}", mark())),
        ("StreamFailuresQueue", json!({ "DDBStreamBatchInfo": mark() }).to_string()),
    ];
    let clients = cloud.clients().await?;
    let api = cloud.api().await;
    for (queue, body) in bodies {
        let name = api.queue_name(queue).await;
        let url = clients.sqs.get_queue_url().queue_name(name).send().await?.queue_url;
        clients.sqs.send_message().set_queue_url(url).message_body(body).send().await?;
    }
    let table = cloud.table_name("NotesTable").await?;
    let keys = [format!("NOTE#{}", mark()), format!("ATTACHMENT#{}", mark())];
    for sk in keys {
        let put = clients.dynamodb.put_item().table_name(&table);
        let put = put.item("pk", AttributeValue::S("OWNER#nobody".to_owned()));
        put.item("sk", AttributeValue::S(sk)).send().await?;
    }
    Ok(marks)
}

/// The marks in a text.
pub(crate) fn marks_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(MARK).filter_map(|(at, _)| text.get(at..at + MARK.len() + 17))
}
