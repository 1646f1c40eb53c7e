//! What people do.

use proptest::prelude::*;
use serde_json::{Value, json};

/// How many people there are.
pub(crate) const PEOPLE: usize = 3;
/// What everybody has in common: words, tags, keys. None of them is anybody's.
pub(crate) const WORDS: [&str; 5] = ["alpha", "alphabet", "beta", "gamma", "delta"];
/// What is searched for.
const SEARCHES: [&str; 7] = ["alpha", "alphabet", "alp", "al", "BETA", "gammas", "delta"];
pub(crate) const TAGS: [&str; 3] = ["red", "blue", "green"];
pub(crate) const KEYS: u8 = 3;

/// One request of somebody, some time after the last.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) who: usize,
    pub(crate) pause_millis: u64,
    pub(crate) action: Action,
}

/// Which of the things that there are, by anybody; counted from the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pick {
    Own(usize),
    Others(usize),
    /// What never was.
    Nothing,
}

/// What a conditional request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tag {
    Present,
    Earlier,
    Star,
    Weak,
    Nonsense,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) tag: Option<&'static str>,
    pub(crate) word: Option<&'static str>,
    pub(crate) trash: bool,
}

/// A text of the common words; its owner's name comes in front.
pub(crate) type Words = Vec<&'static str>;

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) title: Words,
    pub(crate) body: Words,
    pub(crate) tags: Vec<&'static str>,
}

/// For each field: absent, null, or a value.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) title: Option<Words>,
    pub(crate) body: Option<Option<Words>>,
    pub(crate) tags: Option<Option<Vec<&'static str>>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Create {
        draft: Draft,
        key: Option<u8>,
    },
    Read {
        note: Pick,
        known: Option<Tag>,
    },
    Change {
        note: Pick,
        patch: Patch,
        expected: Option<Tag>,
    },
    Delete {
        note: Pick,
        permanent: bool,
        expected: Option<Tag>,
    },
    Restore {
        note: Pick,
    },
    List {
        filter: Filter,
        limit: usize,
    },
    /// With a cursor that somebody was given, be it with this filter or another.
    Continue {
        cursor: Pick,
        filter: Option<Filter>,
        limit: usize,
    },
    /// All pages of a listing, one after the other.
    Walk {
        filter: Filter,
        limit: usize,
    },
    Attach {
        note: Pick,
    },
    ListAttachments {
        note: Pick,
    },
    /// An attachment; of its own note unless told otherwise.
    ReadAttachment {
        attachment: Pick,
        of: Option<Pick>,
    },
    Detach {
        attachment: Pick,
        of: Option<Pick>,
    },
    /// All pages of a note's history.
    ListVersions {
        note: Pick,
        limit: usize,
    },
    /// With a cursor of a history that somebody was given; of its own note unless told otherwise.
    ContinueVersions {
        cursor: Pick,
        note: Option<Pick>,
    },
    /// An earlier version, counted from the latest.
    ReadVersion {
        note: Pick,
        version: usize,
    },
    RestoreVersion {
        note: Pick,
        version: usize,
        expected: Option<Tag>,
    },
    WriteSettings {
        settings: Value,
    },
    ReadSettings,
    /// The morning's work: a report with this count.
    StoreReport {
        day: u32,
        created: u64,
    },
    ReadReport {
        day: u32,
    },
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    // Now and then a day goes by, and with it what is remembered of keys.
    let pause = prop_oneof![20 => 1u64..5_000, 1 => Just(25 * 3_600_000)];
    (0..PEOPLE, pause, action()).prop_map(|(who, pause_millis, action)| Step { who, pause_millis, action })
}

fn action() -> impl Strategy<Value = Action> {
    let tag = || prop::option::weighted(0.3, tag());
    let limit = || 1usize..5;
    let of = || prop::option::weighted(0.2, pick());
    prop_oneof![
        6 => (draft(), prop::option::weighted(0.4, 0..KEYS)).prop_map(|(draft, key)| Action::Create { draft, key }),
        2 => (pick(), tag()).prop_map(|(note, known)| Action::Read { note, known }),
        3 => (pick(), patch(), tag()).prop_map(|(note, patch, expected)| Action::Change { note, patch, expected }),
        3 => (pick(), any::<bool>(), tag())
            .prop_map(|(note, permanent, expected)| Action::Delete { note, permanent, expected }),
        2 => pick().prop_map(|note| Action::Restore { note }),
        2 => (filter(), limit()).prop_map(|(filter, limit)| Action::List { filter, limit }),
        2 => (pick(), prop::option::weighted(0.3, filter()), limit())
            .prop_map(|(cursor, filter, limit)| Action::Continue { cursor, filter, limit }),
        2 => (filter(), limit()).prop_map(|(filter, limit)| Action::Walk { filter, limit }),
        3 => pick().prop_map(|note| Action::Attach { note }),
        1 => pick().prop_map(|note| Action::ListAttachments { note }),
        2 => (pick(), of()).prop_map(|(attachment, of)| Action::ReadAttachment { attachment, of }),
        2 => (pick(), of()).prop_map(|(attachment, of)| Action::Detach { attachment, of }),
        2 => (pick(), limit()).prop_map(|(note, limit)| Action::ListVersions { note, limit }),
        1 => (pick(), of()).prop_map(|(cursor, note)| Action::ContinueVersions { cursor, note }),
        2 => (pick(), 0usize..3).prop_map(|(note, version)| Action::ReadVersion { note, version }),
        2 => (pick(), 0usize..3, tag())
            .prop_map(|(note, version, expected)| Action::RestoreVersion { note, version, expected }),
        1 => settings().prop_map(|settings| Action::WriteSettings { settings }),
        1 => Just(Action::ReadSettings),
        1 => (0u32..4, 0u64..100).prop_map(|(day, created)| Action::StoreReport { day, created }),
        1 => (0u32..4).prop_map(|day| Action::ReadReport { day }),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        6 => (0usize..4).prop_map(Pick::Own),
        3 => (0usize..8).prop_map(Pick::Others),
        1 => Just(Pick::Nothing),
    ]
}

fn tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(vec![Tag::Present, Tag::Present, Tag::Earlier, Tag::Star, Tag::Weak, Tag::Nonsense])
}

fn words() -> impl Strategy<Value = Words> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..4)
}

fn tags() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(TAGS.to_vec(), 0..=TAGS.len())
}

fn draft() -> impl Strategy<Value = Draft> {
    (words(), words(), tags()).prop_map(|(title, body, tags)| Draft { title, body, tags })
}

fn patch() -> impl Strategy<Value = Patch> {
    let body = prop::option::of(prop::option::weighted(0.8, words()));
    let tags = prop::option::of(prop::option::weighted(0.8, tags()));
    (prop::option::of(words()), body, tags).prop_map(|(title, body, tags)| Patch { title, body, tags })
}

fn filter() -> impl Strategy<Value = Filter> {
    let tag = prop::option::weighted(0.3, prop::sample::select(TAGS.to_vec()));
    let word = prop::option::weighted(0.3, prop::sample::select(SEARCHES.to_vec()));
    (tag, word, prop::bool::weighted(0.3)).prop_map(|(tag, word, trash)| Filter { tag, word, trash })
}

fn settings() -> impl Strategy<Value = Value> {
    let email = prop::sample::select(vec![Some(json!("me@example.com")), Some(Value::Null), None]);
    let flag = || prop::option::of(any::<bool>());
    (email, flag(), flag()).prop_map(|(email, notifications, daily_report)| {
        let fields = [
            ("email", email),
            ("notifications", notifications.map(Value::Bool)),
            ("daily_report", daily_report.map(Value::Bool)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}
