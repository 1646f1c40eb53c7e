//! What the contract's schemas say of a text is what the code says of it: no text is taken by one and refused by the other.

use proptest::prelude::*;
use regex_lite::Regex;
use serde_json::Value;
use shared::attachment::NewAttachment;
use shared::limits;
use shared::note::Content;
use shared::validate;
use std::sync::LazyLock;

static CONTRACT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/openapi.json"))).unwrap());

/// The part of a string's schema that decides about texts.
struct Schema {
    characters: std::ops::RangeInclusive<usize>,
    pattern: Option<Regex>,
}

impl Schema {
    fn at(pointer: &str) -> Self {
        let schema = CONTRACT.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the contract"));
        let number = |name: &str| schema[name].as_u64().and_then(|number| usize::try_from(number).ok());
        Self {
            characters: number("minLength").unwrap_or(0)..=number("maxLength").unwrap_or(usize::MAX),
            pattern: schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap()),
        }
    }

    fn takes(&self, text: &str) -> bool {
        self.characters.contains(&text.chars().count())
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

static NAME: LazyLock<Schema> = LazyLock::new(|| Schema::at("/paths/~1hello/get/parameters/0/schema"));
static TITLE: LazyLock<Schema> = LazyLock::new(|| Schema::at("/components/schemas/Title"));
static TAG: LazyLock<Schema> = LazyLock::new(|| Schema::at("/components/schemas/Tags/items"));
static FILENAME: LazyLock<Schema> =
    LazyLock::new(|| Schema::at("/components/schemas/NewAttachment/properties/filename"));
static CONTENT_TYPE: LazyLock<Schema> =
    LazyLock::new(|| Schema::at("/components/schemas/NewAttachment/properties/content_type"));
static SHA256: LazyLock<Schema> =
    LazyLock::new(|| Schema::at("/components/schemas/NewAttachment/properties/sha256"));

fn attachment() -> NewAttachment {
    NewAttachment {
        filename: "a".into(),
        content_type: "a/b".into(),
        size: 1,
        sha256: None,
        thumbnail_format: Default::default(),
    }
}

/// Texts with every kind of character that a rule tells from the others, some of them as long as a rule allows.
fn texts() -> impl Strategy<Value = String> {
    let characters = "[a-z ./\\\\\u{0}-\u{20}\u{7f}-\u{a0}\u{1680}\u{2000}-\u{200b}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}é]{0,5}";
    let lengths = [limits::NAME_CHARACTERS, limits::TITLE_CHARACTERS, limits::TAG_CHARACTERS, 255];
    let long = (prop::sample::select(lengths.to_vec()), 0usize..3, "[a. é]", "[ .]?")
        .prop_map(|(limit, over, c, end)| format!("{}{end}", c.repeat(limit + over - 1)));
    prop_oneof![4 => characters, 1 => "\\PC{0,10}", 1 => long]
}

proptest! {
    #[test]
    fn lines_are_what_the_contract_says(text in texts()) {
        prop_assert_eq!(NAME.takes(&text), validate::line("name", &text, limits::NAME_CHARACTERS).is_ok());
        let title = Content { title: text.clone(), ..Content::default() };
        prop_assert_eq!(TITLE.takes(&text), title.checked().is_ok());
        let tag = Content { title: "a".into(), tags: vec![text.clone()], ..Content::default() };
        prop_assert_eq!(TAG.takes(&text), tag.checked().is_ok());
    }

    #[test]
    fn file_names_are_what_the_contract_says(text in texts()) {
        let named = NewAttachment { filename: text.clone(), ..attachment() };
        prop_assert_eq!(FILENAME.takes(&text), named.checked().is_ok());
    }

    #[test]
    fn media_types_are_what_the_contract_says(text in "[a-c/+.é-]{0,6}|a{1,130}/[a!]{1,130}|[!-~]{1,4}/[!-~]{1,4}") {
        let typed = NewAttachment { content_type: text.clone(), ..attachment() };
        prop_assert_eq!(CONTENT_TYPE.takes(&text), typed.checked().is_ok());
    }

    #[test]
    fn checksums_are_what_the_contract_says(text in "[A-Za-z0-9+/]{43}=|[0-9a-fA-F]{64}|[0-9a-f+]{64}|[A-Z=]{40,66}") {
        let summed = NewAttachment { sha256: Some(text.clone()), ..attachment() };
        prop_assert_eq!(SHA256.takes(&text), summed.checked().is_ok());
    }
}
