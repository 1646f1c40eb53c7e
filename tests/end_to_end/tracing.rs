//! One request, followed through everything that it leads to; and what that counts as.

use end_to_end::{Api, Host, needs};
use serde_json::{Value, json};

/// The lines that a function logged, as JSON.
async fn lines(api: &Api, function: &str) -> Vec<Value> {
    let lines = api.get(&format!("/_local/functions/{function}/logs")).await.expect(200);
    let lines = lines.as_array().unwrap().iter().filter_map(Value::as_str);
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// How many lines with this message follow from the request.
async fn followed(api: &Api, function: &str, message: &str, request_id: &str) -> usize {
    let is_one =
        |line: &&Value| line["message"] == message && line["correlation_id"].as_str() == Some(request_id);
    lines(api, function).await.iter().filter(is_one).count()
}

/// The sum of what a function counted.
async fn counted(api: &Api, function: &str, metric: &str) -> u64 {
    let lines = lines(api, function).await;
    let told = lines.iter().filter(|line| {
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        let names = metrics["Metrics"].as_array();
        metrics["Namespace"] == "Notes"
            && names.is_some_and(|names| names.iter().any(|m| m["Name"] == metric))
    });
    told.map(|line| line[metric].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn what_a_request_leads_to_is_found_by_its_id() {
    needs!(Functions);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let body = json!({ "title": "Party", "notify": ["ben@example.com", "cleo@example.com"] });
    let created = anna.post("/notes", body).await;
    let request_id = created.header("apigw-requestid").expect("an id").to_owned();
    let note = created.expect(201)["id"].as_str().unwrap().to_owned();

    let wanted = json!({ "filename": "a.txt", "content_type": "text/plain", "size": 5 });
    let announced = anna.post(&format!("/notes/{note}/attachments"), wanted).await;
    let upload_id = announced.header("apigw-requestid").expect("an id").to_owned();
    anna.upload(&announced.expect(201)["upload"], b"hello".to_vec()).await;
    host.api.idle().await;

    let answered = lines(&host.api, "SaveNoteFunction").await;
    assert!(answered.iter().any(|line| line["message"] == "request" && line["request_id"] == *request_id));
    assert_eq!(followed(&host.api, "NoteEventsFunction", "change", &request_id).await, 1);
    assert_eq!(followed(&host.api, "SendEmailFunction", "sent", &request_id).await, 2);
    assert_eq!(followed(&host.api, "SendEmailFunction", "done", &request_id).await, 2);
    assert_eq!(followed(&host.api, "NoteEventsFunction", "change", &upload_id).await, 1);
    assert_eq!(followed(&host.api, "ThumbnailsFunction", "checked", &upload_id).await, 1);

    assert_eq!(counted(&host.api, "NoteEventsFunction", "Changes").await, 2);
    assert_eq!(counted(&host.api, "SendEmailFunction", "EmailsSent").await, 2);
    assert_eq!(counted(&host.api, "ThumbnailsFunction", "UploadsReady").await, 1);
}
