//! Full-text search: what a text's words are, and which words a search finds.
//!
//! Words are those of Unicode (UAX #29), divided further at whatever is no letter, digit or mark (`don't`, `snake_case`,
//! `example.com` are two words each), with letter case, compatibility forms and accents folded away. A search finds words
//! that it names, and from [`limits::PREFIX_CHARACTERS`] on those that begin so. That many characters are what the index
//! is kept by: everything that begins with them is in one place, in the order in which notes are listed.

use crate::limits;
use crate::note::{Note, Place};
use crate::timestamp::Timestamp;
use caseless::Caseless;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// The combining marks of Latin, Greek and Cyrillic letters. Those of other scripts make other words.
const ACCENTS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Different words, by their prefix.
pub type Words = BTreeMap<String, BTreeSet<String>>;

/// What finds a note: its words, and the place where it is found by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    pub place: Place,
    pub words: Words,
}

impl Indexed {
    pub fn new(deleted_at: Option<Timestamp>, title: &str, tags: &[String], body: &str) -> Self {
        let mut words = Words::new();
        for word in words_of_note(title, tags, body) {
            words.entry(prefix(&word).to_owned()).or_default().insert(word);
        }
        Self { place: Place::of(deleted_at), words }
    }
}

/// What is searched for: notes that hold every one of some words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
}

impl Query {
    pub fn new(text: &str) -> Self {
        Self { words: different(words(text)).collect() }
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The words to ask the index for: the longest, which are likely to be the rarest. What they find is to be compared
    /// with all words anyway.
    pub fn asked(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        words.truncate(limits::SEARCH_WORDS);
        words
    }

    /// Whether the note holds every word. A text without words finds nothing.
    pub fn is_met_by(&self, note: &Note) -> bool {
        let mut missing: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let mut words = words_of_note(&note.title, &note.tags, &note.body);
        !missing.is_empty()
            && words.any(|word| {
                missing.retain(|asked| !finds(asked, &word));
                missing.is_empty()
            })
    }
}

/// Whether a search for the word `asked` finds `word`.
pub fn finds(asked: &str, word: &str) -> bool {
    let is_prefix = || asked.chars().nth(limits::PREFIX_CHARACTERS - 1).is_some();
    word.starts_with(asked) && (word.len() == asked.len() || is_prefix())
}

/// What the index keeps a word by: its first characters, or all where it has no more.
pub fn prefix(word: &str) -> &str {
    let end = word.char_indices().nth(limits::PREFIX_CHARACTERS).map_or(word.len(), |(end, _)| end);
    &word[..end]
}

/// What a note can be found by: the first [`limits::INDEXED_WORDS`] different words of it.
fn words_of_note<'a>(title: &'a str, tags: &'a [String], body: &'a str) -> impl Iterator<Item = String> {
    let texts = std::iter::once(title).chain(tags.iter().map(String::as_str)).chain([body]);
    different(texts.flat_map(words)).take(limits::INDEXED_WORDS)
}

fn different(words: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    words.filter(move |word| seen.insert(word.clone()))
}

/// The words of a text, folded, in their order. Of a long one its first [`limits::WORD_CHARACTERS`].
fn words(text: &str) -> impl Iterator<Item = String> {
    // No word and no folding goes across a space.
    text.split_ascii_whitespace().flat_map(|chunk| {
        if chunk.is_ascii() { split(&chunk.to_ascii_lowercase()) } else { words_of_unicode(chunk) }
    })
}

fn words_of_unicode(chunk: &str) -> Vec<String> {
    fold(chunk).unicode_words().flat_map(split).collect()
}

fn split(word: &str) -> Vec<String> {
    let parts = word.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
    // A mark without a letter before it is none of the word's.
    let parts = parts.map(|part| part.trim_start_matches(is_combining_mark)).filter(|part| !part.is_empty());
    parts.map(|part| part.chars().take(limits::WORD_CHARACTERS).collect()).collect()
}

/// Compatibility caseless matching (Unicode, 3.13, D146), and without accents.
fn fold(text: &str) -> String {
    let folded = text.nfd().default_case_fold().nfkd().default_case_fold().nfkd();
    folded.filter(|c| !ACCENTS.contains(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{Content, Id};
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<String> {
        words(text).collect()
    }

    fn note(title: &str, tags: &[&str], body: &str) -> Note {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let content = Content { title: title.into(), body: body.into(), tags, notify: Vec::new() };
        content.into_note(Id::new(Timestamp::from_millis(0)), Timestamp::from_millis(0))
    }

    #[test]
    fn words_are_folded_and_divided() {
        for (text, expected) in [
            ("Bring the **charts**, and", vec!["bring", "the", "charts", "and"]),
            (
                "don't snake_case https://example.com/a-b?c=3.14",
                vec!["don", "t", "snake", "case", "https", "example", "com", "a", "b", "c", "3", "14"],
            ),
            ("Crème BRÛLÉE don’t", vec!["creme", "brulee", "don", "t"]),
            ("e\u{301}te\u{301} été ÉTÉ", vec!["ete", "ete", "ete"]),
            ("Straße STRASSE ﬁne", vec!["strasse", "strasse", "fine"]),
            ("ΟΔΟΣ οδός İzmir Ёлка", vec!["οδοσ", "οδοσ", "izmir", "елка"]),
            ("京都", vec!["京", "都"]),
            ("क्षेत्र", vec!["क्षेत्र"]),
            ("½ ℀", vec!["1", "2", "a", "c"]),
            ("! — 🎉 ...", vec![]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
        assert_eq!(all(&"x".repeat(limits::WORD_CHARACTERS + 1)), ["x".repeat(limits::WORD_CHARACTERS)]);
    }

    #[test]
    fn a_search_finds_words_and_what_begins_so() {
        for (asked, word, is_found) in [
            ("harbour", "harbour", true),
            ("har", "harbour", true),
            ("ha", "harbour", false),
            ("ha", "ha", true),
            ("harbours", "harbour", false),
            ("été", "étés", true),
            ("京", "京都", false),
        ] {
            assert_eq!(finds(asked, word), is_found, "{asked} {word}");
        }
    }

    #[test]
    fn every_word_must_be_there_in_title_tags_or_body() {
        let note = note("Harbour trip", &["Été"], "Bring the **charts**.");
        for (text, is_met) in [
            ("CHARTS harbour ete", true),
            ("char", true),
            ("charts nothing", false),
            ("!", false),
            ("", false),
        ] {
            assert_eq!(Query::new(text).is_met_by(&note), is_met, "{text}");
        }
    }

    #[test]
    fn of_an_endless_note_the_first_words_count_and_of_an_endless_search_the_longest_are_asked() {
        let body = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        let last = format!("w{}", limits::INDEXED_WORDS - 1);
        let count = |note: &Note| -> usize {
            let indexed = Indexed::new(None, &note.title, &note.tags, &note.body);
            indexed.words.values().map(BTreeSet::len).sum()
        };
        let whole = note("w0", &[], &body(limits::INDEXED_WORDS));
        assert!(Query::new(&last).is_met_by(&whole));
        assert_eq!(count(&whole), limits::INDEXED_WORDS);
        let longer = note("first", &[], &body(limits::INDEXED_WORDS + 9));
        assert!(!Query::new(&last).is_met_by(&longer));
        assert_eq!(count(&longer), limits::INDEXED_WORDS);

        let query = Query::new(&format!("{} extraordinary", body(limits::SEARCH_WORDS)));
        assert_eq!((query.asked().len(), query.asked()[0]), (limits::SEARCH_WORDS, "extraordinary"));
    }

    proptest! {
        /// Folding is done once: what is found is stored as it is asked for.
        #[test]
        fn words_of_words_are_themselves(text in "\\PC{0,40}|[a-zA-Zéßİς'._ ]{0,30}") {
            for word in words(&text) {
                prop_assert!(!word.contains('#'), "{}", word);
                prop_assert_eq!(all(&word), vec![word.clone()], "{}", word);
            }
        }

        #[test]
        fn a_texts_words_are_the_same_whichever_way_they_are_found(text in "[ -~]{0,60}") {
            let slow: Vec<String> = words_of_unicode(&text);
            prop_assert_eq!(all(&text), slow);
        }

        #[test]
        fn a_note_is_found_by_every_beginning_of_its_words(text in "\\PC{0,60}", at in any::<prop::sample::Index>(), length in 1usize..9) {
            let note = note(&text, &[], "");
            let words = all(&text);
            prop_assume!(!words.is_empty());
            let word = &words[at.index(words.len())];
            let asked: String = word.chars().take(length).collect();
            let is_word = words.contains(&asked) || length >= limits::PREFIX_CHARACTERS;
            let indexed = Indexed::new(None, &note.title, &note.tags, &note.body);
            let is_indexed = indexed.words.get(prefix(&asked)).is_some_and(|words| words.iter().any(|word| finds(&asked, word)));
            prop_assert_eq!(is_indexed, is_word);
            prop_assert_eq!(Query { words: vec![asked] }.is_met_by(&note), is_word);
        }
    }
}
