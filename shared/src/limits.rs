//! Every limit of the system, once. The API enforces them with a 4xx that names the field.

use std::time::Duration;

/// Characters of a note's title.
pub const TITLE_CHARACTERS: usize = 200;
/// Bytes of a note's body (Markdown, UTF-8).
pub const BODY_BYTES: usize = 64 * 1024;
/// Tags on one note.
pub const TAGS: usize = 20;
/// Characters of one tag.
pub const TAG_CHARACTERS: usize = 50;
/// Addresses that one note notifies of changes.
pub const NOTIFY_ADDRESSES: usize = 10;
/// Characters of an e-mail address (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const ADDRESS_CHARACTERS: usize = 254;
/// Characters of a note's body shown in lists.
pub const EXCERPT_CHARACTERS: usize = 200;

/// Bytes of a JSON request body: the largest note, escaped, with room for its other fields.
pub const REQUEST_BYTES: usize = 512 * 1024;
/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_CHARACTERS: usize = 255;
/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Entity tags of one `If-Match`.
pub const ENTITY_TAGS: usize = 20;
/// Characters of a problem's `detail` that quotes the caller.
pub const PROBLEM_DETAIL_CHARACTERS: usize = 300;
/// Bytes of a token's subject: it becomes part of object keys.
pub const OWNER_BYTES: usize = 128;

/// Items on a page unless the caller says otherwise, and at most.
pub const PAGE_DEFAULT: usize = 20;
pub const PAGE_MAXIMUM: usize = 100;
/// Times that one list request reads on at most while it looks for items that match a filter or a search.
pub const PAGE_QUERIES: usize = 4;
/// Characters of a search text.
pub const SEARCH_CHARACTERS: usize = 200;
/// Words of a search text that the index is asked for; what these find is compared with all words.
pub const SEARCH_WORDS: usize = 10;
/// Characters from which on a word of a search text also finds words that begin with it.
pub const PREFIX_CHARACTERS: usize = 3;
/// Different words that a note is found by, its title's and its tags' first.
pub const INDEXED_WORDS: usize = 2_000;
/// Characters of a word that count.
pub const WORD_CHARACTERS: usize = 32;
/// Characters of the name that `GET /hello` greets.
pub const NAME_CHARACTERS: usize = 100;

/// Versions of a note that its history goes back: a note of version 60 has none before 11.
pub const VERSIONS: u64 = 50;
/// How long a version is kept after it was replaced.
pub const VERSION_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Attachments of one note.
pub const ATTACHMENTS: usize = 20;
/// Bytes of one attachment.
pub const ATTACHMENT_BYTES: u64 = 25 * 1024 * 1024;
/// Characters of an attachment's file name.
pub const FILENAME_CHARACTERS: usize = 255;
/// How long an upload URL is good for.
pub const UPLOAD_URL_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a download or thumbnail URL is good for.
pub const DOWNLOAD_URL_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long an attachment may stay pending before the nightly cleanup takes it away.
pub const PENDING_UPLOAD_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long a note stays in the trash.
pub const TRASH_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Partitions that due work and a day's activity are spread over.
pub const SHARDS: u32 = 16;

/// How long activity is kept: two reports' worth of late events and a month to look back.
pub const ACTIVITY_LIFE: Duration = Duration::from_secs(35 * 24 * 3600);
/// How long reports are kept.
pub const REPORT_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);
/// Replays of a dead letter before it is parked.
pub const REPLAYS: u32 = 3;
/// How long the template's queues keep a message, dead-letter queues and the parking queue included.
pub const QUEUE_RETENTION: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long DynamoDB keeps a stream record.
pub const STREAM_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// How long a message can go on at most: in its queue and then in the dead-letter queue, both again after each replay,
/// and in the parking queue. With each step its age begins anew, unless SQS itself moves it.
pub const MESSAGE_LIFE: Duration = QUEUE_RETENTION.saturating_mul(2 * (REPLAYS + 1) + 1);

/// How long the record of an e-mail is kept: longer than a job for it can still come. The longest way is that of a stream
/// record that lives out a message's life in the replays queue, of the job that then lives out its own, and of a person
/// who at the end of that sends it round once more.
pub const EMAIL_RECORD_LIFE: Duration = STREAM_RETENTION.saturating_add(MESSAGE_LIFE.saturating_mul(3));
/// How long SES may take to answer for an e-mail.
pub const EMAIL_SEND_TIME: Duration = Duration::from_secs(6);
/// How long the record of a sent e-mail is insisted on, one attempt after the other, and how long one of them may take:
/// the longer DynamoDB is asked, the fewer e-mails go out twice.
pub const EMAIL_RECORD_TIME: Duration = Duration::from_secs(10);
pub const EMAIL_RECORD_ATTEMPT_TIME: Duration = Duration::from_secs(2);
/// What an invocation must have left before SES is called: its end must not fall between an e-mail and its record.
pub const EMAIL_TIME: Duration = EMAIL_SEND_TIME.saturating_add(EMAIL_RECORD_TIME);
/// What an invocation that sends e-mails keeps for its answer.
pub const EMAIL_ANSWER_TIME: Duration = Duration::from_secs(2);
/// How long a claim on an e-mail job holds, and how much of that clocks may differ by: SES must have answered before.
pub const EMAIL_CLAIM_LIFE: Duration = Duration::from_secs(10);
pub const EMAIL_CLOCK_SKEW: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_yaml_ng::Value;

    fn template() -> Value {
        serde_yaml_ng::from_str(include_str!("../../template.yaml")).unwrap()
    }

    fn seconds(properties: &Value, name: &str) -> Duration {
        Duration::from_secs(properties[name].as_u64().unwrap_or_else(|| panic!("{name} is given")))
    }

    /// The properties of each resource of a kind, by name.
    fn resources(kind: &str) -> Vec<(String, Value)> {
        let template = template();
        let all = template["Resources"].as_mapping().unwrap();
        let found = all.iter().filter(|(_, resource)| resource["Type"].as_str() == Some(kind));
        found
            .map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone()))
            .collect()
    }

    fn function(name: &str) -> Value {
        let functions = resources("AWS::Serverless::Function");
        functions.into_iter().find(|(found, _)| found == name).unwrap().1
    }

    #[test]
    fn no_queue_keeps_a_message_for_longer_than_keys_are_counted_for() {
        let queues = resources("AWS::SQS::Queue");
        assert_eq!(queues.len(), 7);
        for (name, queue) in queues {
            assert!(seconds(&queue, "MessageRetentionPeriod") <= QUEUE_RETENTION, "{name}");
        }
    }

    /// How long a message that begins in this queue can go on, by what the template says.
    fn way_from(queue: &str) -> Duration {
        let queues = resources("AWS::SQS::Queue");
        let retention = |name: &str| {
            let (_, queue) = queues.iter().find(|(found, _)| found == name).unwrap();
            seconds(queue, "MessageRetentionPeriod")
        };
        (retention(queue) + retention("DeadLettersQueue")) * (1 + REPLAYS) + retention("ParkingQueue")
    }

    #[test]
    fn an_email_record_outlives_every_job_that_can_still_come() {
        // A stream record on its way round, and once more by hand; then the job that it leads to.
        let records = way_from("ReplaysQueue") * 2;
        assert!(EMAIL_RECORD_LIFE >= STREAM_RETENTION + records + way_from("EmailQueue"));
    }

    #[test]
    fn a_stream_record_is_given_up_while_it_can_still_be_fetched() {
        let age = &function("NoteEventsFunction")["Events"]["Changes"]["Properties"];
        assert!(seconds(age, "MaximumRecordAgeInSeconds") < STREAM_RETENTION);
    }

    /// A second delivery of a job finds either its record or a claim that holds.
    #[test]
    fn a_claim_on_an_email_outlasts_the_attempt_and_ends_before_the_message_comes_again() {
        assert!(EMAIL_SEND_TIME + EMAIL_CLOCK_SKEW < EMAIL_CLAIM_LIFE);
        assert!(EMAIL_CLAIM_LIFE < email_visibility());
    }

    /// So that an e-mail is begun only where its record has its time as well, and that there is time for one at all.
    #[test]
    fn an_email_and_its_record_fit_into_the_functions_time_and_that_into_the_messages() {
        assert!(EMAIL_RECORD_ATTEMPT_TIME * 3 < EMAIL_RECORD_TIME, "or it is insisted on in name only");
        let timeout = seconds(&function("SendEmailFunction"), "Timeout");
        let after_anothers_claim = EMAIL_CLAIM_LIFE + EMAIL_TIME + EMAIL_ANSWER_TIME;
        assert!(after_anothers_claim < timeout, "so that a claim can be waited for");
        assert!(timeout * 6 <= email_visibility(), "as AWS has it, for what a throttled function waits");
    }

    fn email_visibility() -> Duration {
        let queues = resources("AWS::SQS::Queue");
        let (_, queue) = queues.into_iter().find(|(name, _)| name == "EmailQueue").unwrap();
        seconds(&queue, "VisibilityTimeout")
    }

    /// A run that comes again, even replayed from the parking queue, finds the progress of its day.
    #[test]
    fn a_days_progress_and_its_activity_outlive_every_run_for_it() {
        let asynchronous = &function("DailyReportFunction")["EventInvokeConfig"];
        let retries = seconds(asynchronous, "MaximumEventAgeInSeconds");
        assert!(REPORT_LIFE > retries + MESSAGE_LIFE);
        assert!(ACTIVITY_LIFE > Duration::from_secs(24 * 3600) + retries + 2 * QUEUE_RETENTION);
    }
}
