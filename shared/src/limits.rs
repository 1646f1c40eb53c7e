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
/// Bytes of a token's subject: it becomes part of object keys.
pub const OWNER_BYTES: usize = 128;

/// Items on a page unless the caller says otherwise, and at most.
pub const PAGE_DEFAULT: usize = 20;
pub const PAGE_MAXIMUM: usize = 100;
/// Queries that one list request makes at most while it looks for items that match a filter.
pub const PAGE_QUERIES: usize = 4;
/// Characters of a search text.
pub const SEARCH_CHARACTERS: usize = 200;
/// Different words of a search text.
pub const SEARCH_WORDS: usize = 10;
/// Characters of the name that `GET /hello` greets.
pub const NAME_CHARACTERS: usize = 100;

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
/// How long the record of a sent e-mail is kept: longer than any queue keeps a job (14 days) and its replays.
pub const EMAIL_RECORD_LIFE: Duration = Duration::from_secs(45 * 24 * 3600);
/// How long a claim on an e-mail job holds: longer than the function that claimed it can run.
pub const EMAIL_CLAIM_LIFE: Duration = Duration::from_secs(60);

/// Replays of a dead letter before it is parked.
pub const REPLAYS: u32 = 3;
