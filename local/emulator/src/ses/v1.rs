//! The Query protocol of SES, version 2010-12-01.

use super::message::Draft;
use super::{Destination, Envelope, Result, Ses};
use crate::access::Asked;
use crate::wire::{Form, ServiceError, element};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use std::collections::BTreeMap;

impl Ses {
    /// Carries out an operation; the content of its result element.
    ///
    /// # Errors
    /// SES's own.
    pub(crate) fn query(&self, operation: &str, form: &Form) -> Result<String> {
        let mut xml = String::new();
        match operation {
            "SendEmail" => element(&mut xml, "MessageId", &self.send_email(form)?),
            "SendRawEmail" => element(&mut xml, "MessageId", &self.send_raw_email(form)?),
            "VerifyEmailIdentity" | "VerifyEmailAddress" => {
                self.add_identity(super::message::bare_address(form.require("EmailAddress")?)?)?;
            }
            "VerifyDomainIdentity" => {
                self.add_identity(form.require("Domain")?)?;
                element(&mut xml, "VerificationToken", &token());
            }
            "VerifyDomainDkim" => {
                self.add_identity(form.require("Domain")?)?;
                xml = format!("<DkimTokens><member>{}</member></DkimTokens>", token());
            }
            "DeleteIdentity" => self.remove_identity(form.require("Identity")?)?,
            "GetIdentityVerificationAttributes" => xml = self.verification(form)?,
            "ListIdentities" => xml = self.list_identities(form)?,
            "GetSendQuota" => xml = self.quota()?,
            "CreateConfigurationSet" => self.create_set(form.require("ConfigurationSet.Name")?)?,
            "DeleteConfigurationSet" => {
                self.remove_configuration_set(form.require("ConfigurationSetName")?)?
            }
            "CreateConfigurationSetEventDestination" => self.create_destination(form)?,
            "UpdateConfigurationSetEventDestination" => {
                self.save_destination(form.require("ConfigurationSetName")?, &read_destination(form)?)?;
            }
            "DescribeConfigurationSet" => xml = self.describe_set(form.require("ConfigurationSetName")?)?,
            "SetIdentityFeedbackForwardingEnabled" | "SetIdentityNotificationTopic" => {}
            _ => return Err(ServiceError::unknown_operation("ses", operation)),
        }
        Ok(xml)
    }

    /// What an operation needs the right to.
    pub(crate) fn needed_by_query(&self, operation: &str, form: &Form) -> Vec<Asked> {
        let set = form.get("ConfigurationSetName");
        match operation {
            "SendEmail" => self.needed_to_send(operation, form.get("Source").unwrap_or_default(), set),
            "SendRawEmail" => {
                let raw = raw_message(form).unwrap_or_default();
                let from = form.get("Source").map(str::to_owned).or_else(|| super::message::sender(&raw));
                self.needed_to_send(operation, &from.unwrap_or_default(), set)
            }
            _ => vec![Asked::new(format!("ses:{operation}"), "*")],
        }
    }

    fn send_email(&self, form: &Form) -> Result<String> {
        let list = |name: &str| form.members(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let text = |name: &str| form.get(name).map(str::to_owned);
        let draft = Draft {
            from: form.require("Source")?.to_owned(),
            to: list("Destination.ToAddresses"),
            cc: list("Destination.CcAddresses"),
            bcc: list("Destination.BccAddresses"),
            reply_to: list("ReplyToAddresses"),
            subject: form.require("Message.Subject.Data")?.to_owned(),
            text: text("Message.Body.Text.Data"),
            html: text("Message.Body.Html.Data"),
            headers: Vec::new(),
        };
        super::message::check_recipients(&draft.recipients())?;
        self.send_draft(&draft, envelope(form))
    }

    fn send_raw_email(&self, form: &Form) -> Result<String> {
        let raw = raw_message(form)?;
        let recipients = form.members("Destinations").into_iter().map(str::to_owned).collect();
        self.send(&raw, Envelope { source: form.get("Source"), recipients, ..envelope(form) })
    }

    fn verification(&self, form: &Form) -> Result<String> {
        let mut xml = "<VerificationAttributes>".to_owned();
        for identity in form.members("Identities") {
            if self.has_identity(identity)? {
                xml.push_str("<entry>");
                element(&mut xml, "key", identity);
                xml.push_str("<value><VerificationStatus>Success</VerificationStatus></value></entry>");
            }
        }
        xml.push_str("</VerificationAttributes>");
        Ok(xml)
    }

    fn list_identities(&self, form: &Form) -> Result<String> {
        let wanted = |name: &String| match form.get("IdentityType") {
            Some("EmailAddress") => name.contains('@'),
            Some("Domain") => !name.contains('@'),
            _ => true,
        };
        let mut xml = "<Identities>".to_owned();
        for name in self.identities()?.iter().filter(|name| wanted(name)) {
            element(&mut xml, "member", name);
        }
        xml.push_str("</Identities>");
        Ok(xml)
    }

    fn quota(&self) -> Result<String> {
        let sent = self.mailbox.sent_since(self.shared.clock.now() - TimeDelta::days(1))?;
        Ok(format!(
            "<Max24HourSend>50000.0</Max24HourSend><MaxSendRate>14.0</MaxSendRate>\
             <SentLast24Hours>{sent}.0</SentLast24Hours>"
        ))
    }

    fn create_set(&self, name: &str) -> Result {
        if self.add_configuration_set(name)? {
            return Ok(());
        }
        let message = format!("Configuration set <{name}> already exists.");
        Err(ServiceError::sender("ConfigurationSetAlreadyExists", message))
    }

    fn create_destination(&self, form: &Form) -> Result {
        let set = form.require("ConfigurationSetName")?;
        let destination = read_destination(form)?;
        if self.destinations(set)?.iter().any(|known| known.name == destination.name) {
            let message = format!("Event destination <{}> already exists.", destination.name);
            return Err(ServiceError::sender("EventDestinationAlreadyExists", message));
        }
        self.save_destination(set, &destination)
    }

    fn describe_set(&self, name: &str) -> Result<String> {
        let destinations = self.destinations(name)?;
        let mut xml = "<ConfigurationSet>".to_owned();
        element(&mut xml, "Name", name);
        xml.push_str("</ConfigurationSet><EventDestinations>");
        for destination in destinations {
            xml.push_str("<member>");
            element(&mut xml, "Name", &destination.name);
            element(&mut xml, "Enabled", if destination.enabled { "true" } else { "false" });
            xml.push_str("<MatchingEventTypes>");
            destination.events.iter().for_each(|event| element(&mut xml, "member", event));
            xml.push_str("</MatchingEventTypes><SNSDestination>");
            element(&mut xml, "TopicARN", &destination.topic);
            xml.push_str("</SNSDestination></member>");
        }
        xml.push_str("</EventDestinations>");
        Ok(xml)
    }
}

fn raw_message(form: &Form) -> Result<Vec<u8>> {
    // Padding and line breaks differ between SDKs; what is not Base64 at all is refused.
    let data: String = form.require("RawMessage.Data")?.split_ascii_whitespace().collect();
    STANDARD
        .decode(data)
        .map_err(|_| ServiceError::sender("InvalidParameterValue", "RawMessage.Data is not Base64."))
}

fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn envelope(form: &Form) -> Envelope<'_> {
    let tags = (1..=50).map_while(|n| {
        let name = form.get(&format!("Tags.member.{n}.Name"))?;
        Some((name.to_owned(), vec![form.get(&format!("Tags.member.{n}.Value"))?.to_owned()]))
    });
    let tags: BTreeMap<_, _> = tags.collect();
    Envelope { configuration_set: form.get("ConfigurationSetName"), tags, ..Envelope::default() }
}

fn read_destination(form: &Form) -> Result<Destination> {
    let events = form.members("EventDestination.MatchingEventTypes");
    let topic = form.get("EventDestination.SNSDestination.TopicARN").ok_or_else(|| {
        ServiceError::sender("InvalidParameterValue", "Only event destinations of SNS are implemented here.")
    })?;
    Ok(Destination {
        name: form.require("EventDestination.Name")?.to_owned(),
        enabled: form.get("EventDestination.Enabled") == Some("true"),
        events: events.into_iter().map(str::to_lowercase).collect(),
        topic: topic.to_owned(),
    })
}
