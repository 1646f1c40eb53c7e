//! Handlers and hosts that die lose nothing, whoever keeps the data.

use crate::ministack::Ministack;
use crate::smtp::Delivered;
use end_to_end::{Api, Caller, Host, Options, try_signal};
use serde_json::json;
use shared::dynamodb::{Created, Edit, Store};
use shared::email::{EmailJob, Message};
use shared::note::{Content, Id};
use shared::owner::Owner;
use shared::report::Report;
use shared::sqs::{Outgoing, Queues};
use shared::timestamp::Timestamp;
use std::collections::BTreeSet;

/// Notes written, and after how many of them every handler is killed.
const NOTES: usize = 30;
const BETWEEN_KILLS: usize = 10;
/// In place of the template's three minutes, which only the machine's clock would end. Longer than a claim on an e-mail.
const VISIBILITY_SECONDS: u32 = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_handlers_and_a_killed_host_lose_no_note_and_no_e_mail() {
    let ministack = Ministack::start().await;
    let data = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(data.path().to_owned()), ..ministack.options() };
    let host = Host::start_with(options()).await;
    shorten_visibility(&ministack).await;
    let anna = host.api.caller("anna").await;
    let mut acknowledged = settle_in(&ministack, &anna).await;
    let mut killed_senders = 0;
    for number in 0..NOTES {
        acknowledged.extend(create(&anna, format!("Note {number}.")).await);
        if number % BETWEEN_KILLS == BETWEEN_KILLS - 1 {
            killed_senders += kill_handlers(&host.api).await;
        }
    }
    assert!(acknowledged.len() > NOTES / 2, "{acknowledged:?}");
    acknowledged.extend(create(&anna, "Last words.".to_owned()).await);
    host.kill();
    acknowledged.extend(write_while_nobody_listens(&ministack).await);

    let host = Host::start_with(options()).await;
    shorten_visibility(&ministack).await;
    let has_come = |all: &[Delivered], title: &str| all.iter().any(|mail| is_about(mail, title));
    let delivered = ministack
        .post
        .until("an e-mail of each note", |all| acknowledged.iter().all(|title| has_come(all, title)))
        .await;
    let anna = host.api.caller("anna").await;
    let stored = titles(&anna).await;
    assert_eq!(acknowledged.iter().filter(|title| !stored.contains(*title)).count(), 1, "all but the report");
    assert!(host.api.messages("ParkingQueue").await.is_empty());
    // SES takes no key: whoever dies between its answer and the record of it is whom a second e-mail may come of.
    let doubled = delivered.len() - subjects(&delivered).len();
    assert!(doubled <= killed_senders, "{doubled} doubled by {killed_senders} deaths");
    assert_eq!(host.interrupt(), Some(0));
}

/// Two e-mails, one after the other: whoever receives the second asked for it after the first, so that its visibility
/// timeout is the short one. (A receive that waits has the timeout of when it began.)
async fn settle_in(ministack: &Ministack, anna: &Caller) -> BTreeSet<String> {
    let mut titles = BTreeSet::new();
    for title in ["First.", "Second."] {
        titles.extend(create(anna, title.to_owned()).await);
        ministack.post.until(title, |all| all.iter().any(|mail| is_about(mail, title))).await;
    }
    titles
}

/// The title, if the note was acknowledged.
async fn create(anna: &Caller, title: String) -> Option<String> {
    let body = json!({ "title": title, "notify": ["ben@example.com"] });
    let answer = anna.try_send("POST", "/notes", &[], &body).await;
    answer.is_ok_and(|answer| answer.status == 201).then_some(title)
}

/// Kills every handler's process; gives how many of them send e-mails.
async fn kill_handlers(api: &Api) -> usize {
    let functions = api.get("/_local/functions").await.expect(200);
    let mut senders = 0;
    for function in functions.as_array().unwrap() {
        for pid in function["pids"].as_array().into_iter().flatten() {
            // One that has just ended by itself cannot be killed, which is as well.
            try_signal(u32::try_from(pid.as_u64().unwrap()).unwrap(), "KILL");
            senders += usize::from(function["name"] == "SendEmailFunction");
        }
    }
    senders
}

async fn shorten_visibility(ministack: &Ministack) {
    let sqs = ministack.clients().sqs;
    let change = sqs.set_queue_attributes().queue_url(email_queue(ministack).await);
    change.attributes("VisibilityTimeout".into(), VISIBILITY_SECONDS.to_string()).send().await.unwrap();
}

/// The URL of the queue that e-mail jobs go through.
async fn email_queue(ministack: &Ministack) -> String {
    let queues = ministack.clients().sqs.list_queues().send().await.unwrap().queue_urls.unwrap();
    queues.into_iter().find(|url| url.ends_with("-EmailQueue")).unwrap()
}

/// A note in the table and a job in the queue, put there as handlers elsewhere would; gives what the e-mails are about.
async fn write_while_nobody_listens(ministack: &Ministack) -> [String; 2] {
    let clients = ministack.clients();
    let title = "Written in silence.".to_owned();
    let tables = clients.dynamodb.list_tables().send().await.unwrap().table_names.unwrap();
    let table = |suffix| tables.iter().find(|name| name.ends_with(suffix)).unwrap().clone();
    let store = Store::new(clients.dynamodb.clone(), table("-NotesTable"), table("-LedgerTable"));
    let notify = vec!["ben@example.com".to_owned()];
    let content = Content { title: title.clone(), notify, ..Content::default() };
    let (anna, now) = (Owner::new("anna").unwrap(), Timestamp::system());
    let note = content.into_note(Id::new(now), now);
    let edit = Edit { now, by: None, request_id: "silence" };
    assert_eq!(store.create_note(&anna, &note, edit, None).await.unwrap(), Created::Now);

    let job = EmailJob {
        key: "silence".to_owned(),
        to: "anna@example.com".to_owned(),
        message: Message::DailyReport(Report::empty("2026-11-24".parse().unwrap())),
    };
    let url = email_queue(ministack).await;
    let body = serde_json::to_string(&job).unwrap();
    let message = Outgoing { body, ..Outgoing::default() };
    Queues::new(clients.sqs).send(&url, vec![message]).await.unwrap();
    [title, "24 November 2026".to_owned()]
}

fn subject(mail: &Delivered) -> String {
    let message = mail_parser::MessageParser::default().parse(&mail.mime).unwrap();
    message.subject().unwrap().to_owned()
}

fn is_about(mail: &Delivered, title: &str) -> bool {
    subject(mail).contains(title)
}

fn subjects(mail: &[Delivered]) -> BTreeSet<String> {
    mail.iter().map(subject).collect()
}

async fn titles(anna: &Caller) -> BTreeSet<String> {
    let page = anna.get("/notes?limit=100").await.expect(200);
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}
