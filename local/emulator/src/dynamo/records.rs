//! Stream records as the Streams API writes them.

use dynoxide::actions::get_records::{GetRecordsResponse, Record, StreamRecord};
use serde::Serialize;

/// The engine's answer to `GetRecords`, corrected: the region, and the identity's members, which begin with a capital
/// here and with a small letter only in Lambda's events.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Records<'a> {
    records: Vec<Corrected<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Corrected<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: String,
    event_version: String,
    event_source: String,
    aws_region: &'a str,
    dynamodb: StreamRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_identity: Option<Identity>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    r#type: String,
    principal_id: String,
}

impl<'a> Records<'a> {
    pub(super) fn of(response: GetRecordsResponse, region: &'a str) -> Self {
        let records = response.records.into_iter().map(|record| Corrected::of(record, region)).collect();
        Self { records, next_shard_iterator: response.next_shard_iterator }
    }
}

impl<'a> Corrected<'a> {
    fn of(record: Record, aws_region: &'a str) -> Self {
        let identity = |identity: dynoxide::actions::get_records::UserIdentity| Identity {
            r#type: identity.identity_type,
            principal_id: identity.principal_id,
        };
        Self {
            event_id: record.event_id,
            event_name: record.event_name,
            event_version: record.event_version,
            event_source: record.event_source,
            aws_region,
            dynamodb: record.dynamodb,
            user_identity: record.user_identity.map(identity),
        }
    }
}
