//! The REST-JSON protocol of SES v2, as far as sending goes.

use super::message::Draft;
use super::{Envelope, Result, Ses};
use crate::access::Asked;
use crate::wire::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct SendInput {
    from_email_address: Option<String>,
    destination: Recipients,
    reply_to_addresses: Vec<String>,
    content: Content,
    configuration_set_name: Option<String>,
    email_tags: Vec<Named>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Recipients {
    to_addresses: Vec<String>,
    cc_addresses: Vec<String>,
    bcc_addresses: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Content {
    simple: Option<Simple>,
    raw: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Simple {
    subject: Text,
    body: Bodies,
    headers: Vec<Named>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Bodies {
    text: Option<Text>,
    html: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Text {
    data: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Named {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NameInput {
    email_identity: Option<String>,
    configuration_set_name: Option<String>,
}

/// The operation that a method and path stand for.
pub(crate) fn operation(method: &Method, path: &str) -> &'static str {
    let rest = path.strip_prefix("/v2/email/").unwrap_or_default();
    match (method.as_str(), rest.split('/').next().unwrap_or_default(), rest.contains('/')) {
        ("POST", "outbound-emails", false) => "SendEmail",
        ("POST", "identities", false) => "CreateEmailIdentity",
        ("GET", "identities", false) => "ListEmailIdentities",
        ("GET", "identities", true) => "GetEmailIdentity",
        ("DELETE", "identities", true) => "DeleteEmailIdentity",
        ("POST", "configuration-sets", false) => "CreateConfigurationSet",
        ("GET", "account", false) => "GetAccount",
        _ => "Unknown",
    }
}

impl Ses {
    /// What an operation needs the right to. Content of one's own making is a raw e-mail, as in the older API.
    pub(crate) fn needed_by_v2(&self, operation: &str, body: &[u8]) -> Vec<Asked> {
        if operation != "SendEmail" {
            return vec![Asked::new(format!("ses:{operation}"), "*")];
        }
        let input: SendInput = serde_json::from_slice(body).unwrap_or_default();
        let raw = input.content.raw.and_then(|raw| STANDARD.decode(raw.data).ok());
        let action = if raw.is_some() { "SendRawEmail" } else { operation };
        let from = input.from_email_address.or_else(|| super::message::sender(&raw?));
        self.needed_to_send(action, &from.unwrap_or_default(), input.configuration_set_name.as_deref())
    }

    /// Carries out an operation; its JSON result.
    ///
    /// # Errors
    /// SES's own, under v2's names.
    pub(crate) fn v2(&self, operation: &str, path: &str, body: &[u8]) -> Result<String> {
        self.v2_dispatch(operation, path, body).map_err(|error| match error.code.as_ref() {
            "InvalidParameterValue" | "InvalidConfigurationSet" => {
                ServiceError { code: "BadRequestException".into(), ..error }
            }
            "ConfigurationSetDoesNotExist" => {
                ServiceError { code: "NotFoundException".into(), status: 404, ..error }
            }
            _ => error,
        })
    }

    fn v2_dispatch(&self, operation: &str, path: &str, body: &[u8]) -> Result<String> {
        let subject = path.rsplit('/').next().unwrap_or_default();
        let subject = percent_encoding::percent_decode_str(subject).decode_utf8_lossy();
        let verified = json!({
            "IdentityType": if subject.contains('@') { "EMAIL_ADDRESS" } else { "DOMAIN" },
            "VerifiedForSendingStatus": true, "VerificationStatus": "SUCCESS",
        });
        match operation {
            "SendEmail" => Ok(json!({ "MessageId": self.send_v2(read(body)?)? }).to_string()),
            "CreateEmailIdentity" => {
                let name = read::<NameInput>(body)?.email_identity.unwrap_or_default();
                if !self.add_identity(&name)? {
                    let message = format!("Email identity {name} already exist.");
                    return Err(ServiceError::sender("AlreadyExistsException", message));
                }
                Ok(verified.to_string())
            }
            "GetEmailIdentity" if self.has_identity(&subject)? => Ok(verified.to_string()),
            "GetEmailIdentity" => Err(ServiceError {
                status: 404,
                code: "NotFoundException".into(),
                message: format!("Email identity {subject} does not exist."),
            }),
            "ListEmailIdentities" => {
                let entry = |name: &String| json!({ "IdentityName": name, "SendingEnabled": true });
                Ok(json!({ "EmailIdentities": self.identities()?.iter().map(entry).collect::<Vec<_>>() })
                    .to_string())
            }
            "DeleteEmailIdentity" => self.remove_identity(&subject).map(|()| "{}".to_owned()),
            "CreateConfigurationSet" => {
                let name = read::<NameInput>(body)?.configuration_set_name.unwrap_or_default();
                self.add_configuration_set(&name).map(|_| "{}".to_owned())
            }
            "GetAccount" => {
                Ok(json!({ "ProductionAccessEnabled": true, "SendingEnabled": true }).to_string())
            }
            _ => Err(ServiceError::unknown_operation("sesv2", path)),
        }
    }

    fn send_v2(&self, input: SendInput) -> Result<String> {
        let tags = input.email_tags.into_iter().map(|tag| (tag.name, vec![tag.value])).collect();
        let set = input.configuration_set_name.as_deref();
        let envelope = Envelope { configuration_set: set, tags, ..Envelope::default() };
        let Recipients { to_addresses: to, cc_addresses: cc, bcc_addresses: bcc } = input.destination;
        if let Some(raw) = input.content.raw {
            let raw = STANDARD.decode(raw.data).map_err(|_| bad_request("The raw message is not Base64."))?;
            let recipients = to.into_iter().chain(cc).chain(bcc).collect();
            return self.send(
                &raw,
                Envelope { source: input.from_email_address.as_deref(), recipients, ..envelope },
            );
        }
        let simple =
            input.content.simple.ok_or_else(|| bad_request("Only simple and raw content is implemented."))?;
        let draft = Draft {
            from: input.from_email_address.ok_or_else(|| bad_request("FromEmailAddress is required."))?,
            to,
            cc,
            bcc,
            reply_to: input.reply_to_addresses,
            subject: simple.subject.data,
            text: simple.body.text.map(|text| text.data),
            html: simple.body.html.map(|html| html.data),
            headers: simple.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        };
        super::message::check_recipients(&draft.recipients())?;
        self.send_draft(&draft, envelope)
    }
}

fn bad_request(message: &str) -> ServiceError {
    ServiceError::sender("BadRequestException", message)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| bad_request(&error.to_string()))
}
