//! Files with a few bytes changed, cut out or doubled: the property that `cargo fuzz` looks for a counterexample of, on the
//! same mutations at every run.

#[path = "../../fuzz/property.rs"]
mod property;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::ops::Range;
use std::path::PathBuf;
use thumbnail::Format;

/// Of each file.
const MUTATIONS: u32 = 60;

/// Whole files that are not taken: too large here, coded as we do not read it, or tiled.
const REFUSED: [&str; 3] = ["avif-flat.avif", "arithmetic.jpg", "avif-tiles.avif"];

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    /// Lengths and dimensions at their extremes.
    Fill(prop::sample::Index, usize, u8),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    End(prop::sample::Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<prop::sample::Index>;
        prop_oneof![
            8 => (at(), any::<u8>()).prop_map(|(at, value)| Self::Set(at, value)),
            2 => (at(), 1_usize..5, prop_oneof![Just(0), Just(0x7F), Just(0xFF)])
                .prop_map(|(at, length, value)| Self::Fill(at, length, value)),
            1 => (at(), 1_usize..64).prop_map(|(at, length)| Self::Cut(at, length)),
            1 => (at(), 1_usize..64).prop_map(|(at, length)| Self::Double(at, length)),
            1 => at().prop_map(Self::End),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let range = |at: &prop::sample::Index, length: usize| -> Range<usize> {
            let start = at.index(bytes.len());
            start..bytes.len().min(start + length)
        };
        match self {
            Self::Set(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Self::Fill(at, length, value) => {
                let range = range(at, *length);
                bytes[range].fill(*value);
            }
            Self::Cut(at, length) => drop(bytes.drain(range(at, *length))),
            Self::Double(at, length) => {
                let range = range(at, *length);
                let doubled = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, doubled);
            }
            Self::End(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

/// The files of a kind, in the order of their names.
fn files(extension: &str) -> Vec<PathBuf> {
    let pictures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures");
    let files = std::fs::read_dir(pictures).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == extension)).collect();
    files.sort();
    files
}

fn holds_of_mutations(format: Format, extension: &str) {
    let files = files(extension);
    assert!(!files.is_empty());
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let is_made = property::check(format, &whole);
        assert_eq!(is_made, !REFUSED.iter().any(|name| file.ends_with(name)), "{}", file.display());
        let config = Config { failure_persistence: None, ..Config::with_cases(MUTATIONS) };
        let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
        let held = TestRunner::new_with_rng(config, rng).run(
            &prop::collection::vec(Change::any(), 1..8),
            |changes| {
                let mut bytes = whole.clone();
                changes.iter().for_each(|change| change.apply(&mut bytes));
                property::check(format, &bytes);
                Ok::<_, TestCaseError>(())
            },
        );
        assert!(held.is_ok(), "{}: {}", file.display(), held.unwrap_err());
    }
}

#[test]
fn jpegs() {
    holds_of_mutations(Format::Jpeg, "jpg");
}

#[test]
fn pngs() {
    holds_of_mutations(Format::Png, "png");
}

#[test]
fn webps() {
    holds_of_mutations(Format::WebP, "webp");
}

#[test]
fn gifs() {
    holds_of_mutations(Format::Gif, "gif");
}

#[test]
fn avifs() {
    holds_of_mutations(Format::Avif, "avif");
}
