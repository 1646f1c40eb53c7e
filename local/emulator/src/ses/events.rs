//! The events of an accepted mail, in the JSON that SES's event publishing sends.

use super::mailbox::Mail;
use super::message::bare_address;
use crate::Shared;
use chrono::SecondsFormat;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SIMULATOR: &str = "@simulator.amazonses.com";
const MTA: &str = "a8-70.smtp-out.amazonses.com";

pub(super) struct Event {
    /// `Send`, `Delivery`, `Bounce` or `Complaint`.
    pub(super) kind: &'static str,
    pub(super) json: Value,
}

/// What happens to a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Bounced,
    Suppressed,
    Complains,
}

/// AWS's simulator addresses decide, with or without a `+label`; everyone else gets their mail.
fn fate(recipient: &str) -> Fate {
    let address = bare_address(recipient).unwrap_or(recipient).to_lowercase();
    let Some(local) = address.strip_suffix(SIMULATOR) else {
        return Fate::Delivered;
    };
    match local.split('+').next().unwrap_or_default() {
        "bounce" => Fate::Bounced,
        "suppressionlist" => Fate::Suppressed,
        "complaint" => Fate::Complains,
        _ => Fate::Delivered,
    }
}

/// Every event of `mail`, in the order they happen.
pub(super) fn of(
    mail: &Mail,
    headers: &[(String, String)],
    configuration_set: Option<&str>,
    tags: BTreeMap<String, Vec<String>>,
    shared: &Shared,
) -> Vec<Event> {
    let about = about(mail, headers, configuration_set, tags, shared);
    let at = mail.sent_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let whose = |fates: &[Fate]| {
        let bare = |to: &String| bare_address(to).unwrap_or(to).to_owned();
        mail.to.iter().filter(|to| fates.contains(&fate(to))).map(bare).collect::<Vec<String>>()
    };
    let event = |kind: &'static str, name: &str, detail: Value| {
        let mut json = json!({ "eventType": kind, "mail": about });
        json[name] = detail;
        Event { kind, json }
    };
    let mut events = vec![event("Send", "send", json!({}))];
    for (fate, subtype) in [(Fate::Bounced, "General"), (Fate::Suppressed, "Suppressed")] {
        let recipients = whose(&[fate]);
        if !recipients.is_empty() {
            events.push(event("Bounce", "bounce", bounce(&recipients, subtype, &at)));
        }
    }
    let delivered = whose(&[Fate::Delivered, Fate::Complains]);
    if !delivered.is_empty() {
        let detail = json!({
            "timestamp": at, "processingTimeMillis": 1, "recipients": delivered,
            "smtpResponse": "250 2.6.0 Message received", "remoteMtaIp": "127.0.0.1", "reportingMTA": MTA,
        });
        events.push(event("Delivery", "delivery", detail));
    }
    let complaining = whose(&[Fate::Complains]);
    if !complaining.is_empty() {
        events.push(event("Complaint", "complaint", complaint(&complaining, &at)));
    }
    events
}

fn bounce(recipients: &[String], subtype: &str, at: &str) -> Value {
    let bounced = |address: &String| {
        json!({
            "emailAddress": address, "action": "failed", "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        })
    };
    json!({
        "feedbackId": feedback_id(), "bounceType": "Permanent", "bounceSubType": subtype,
        "bouncedRecipients": recipients.iter().map(bounced).collect::<Vec<_>>(),
        "timestamp": at, "reportingMTA": format!("dns; {MTA}"),
    })
}

fn complaint(recipients: &[String], at: &str) -> Value {
    let complained = |address: &String| json!({ "emailAddress": address });
    json!({
        "complainedRecipients": recipients.iter().map(complained).collect::<Vec<_>>(),
        "timestamp": at, "feedbackId": feedback_id(), "complaintSubType": null,
        "userAgent": "Amazon SES Mailbox Simulator", "complaintFeedbackType": "abuse", "arrivalDate": at,
    })
}

fn feedback_id() -> String {
    format!("{}-000000", uuid::Uuid::new_v4())
}

/// The `mail` object that every event carries.
fn about(
    mail: &Mail,
    headers: &[(String, String)],
    configuration_set: Option<&str>,
    mut tags: BTreeMap<String, Vec<String>>,
    shared: &Shared,
) -> Value {
    let source = bare_address(&mail.from).unwrap_or(&mail.from);
    let domain = source.rsplit_once('@').map_or("", |(_, domain)| domain);
    if let Some(set) = configuration_set {
        tags.insert("ses:configuration-set".to_owned(), vec![set.to_owned()]);
    }
    tags.insert("ses:from-domain".to_owned(), vec![domain.to_owned()]);
    tags.insert("ses:source-ip".to_owned(), vec!["127.0.0.1".to_owned()]);
    let named: Vec<_> = headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "timestamp": mail.sent_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "source": mail.from,
        "sourceArn": shared.arn("ses", &format!("identity/{source}")),
        "sendingAccountId": shared.account,
        "messageId": mail.id,
        "destination": mail.to,
        "headersTruncated": false,
        "headers": named,
        "commonHeaders": {
            "from": [mail.from], "to": mail.to, "messageId": mail.id, "subject": mail.subject,
        },
        "tags": tags,
    })
}

/// `name=value, name=value`, as in `X-SES-MESSAGE-TAGS`.
pub(super) fn read_tags(header: &str) -> BTreeMap<String, Vec<String>> {
    let pairs = header.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), vec![value.trim().to_owned()])).collect()
}
