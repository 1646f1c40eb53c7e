//! `docs/SEMANTICS.md` and the tests prove each other: a rule without a test is a claim, and a test without a rule is a
//! behaviour that nobody wrote down.

use crate::inventory::Inventory;
use std::collections::{BTreeMap, BTreeSet};

const HEADER: [&str; 3] = ["rule", "document", "test"];
/// The comment that names the modules of which every test has a row.
const MODULES: &str = "<!-- every test of these modules has a row:";

/// Everything that is wrong with the document, one line each; nothing when it holds.
fn mistakes(document: &str, tests: &Inventory) -> Vec<String> {
    let mut told = Vec::new();
    let mut named = BTreeSet::new();
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in rows(document, &mut told) {
        let mut tell = |what: String| told.push(format!("line {number}: {what}"));
        let [rule, source, names] = cells(line)[..] else {
            tell("a row has three cells".to_owned());
            continue;
        };
        if rule.is_empty() || source.is_empty() {
            tell("a rule and its document must be named".to_owned());
        }
        if let Some(other) = rules.insert(rule, number) {
            tell(format!("the rule stands in line {other} already"));
        }
        let Some(names) = quoted(names) else {
            tell("the last cell is a list of names like `package path::of::test`".to_owned());
            continue;
        };
        for name in names {
            match tests.get(name) {
                None => tell(format!("there is no test `{name}`")),
                Some(true) => tell(format!("`{name}` is ignored, so it proves nothing")),
                Some(false) => {}
            }
            named.insert(name);
        }
    }
    told.extend(unproven(document, tests, &named));
    told
}

/// The rows of all tables with their line numbers. A table that has not the one header is told.
fn rows<'a>(document: &'a str, told: &mut Vec<String>) -> Vec<(usize, &'a str)> {
    let mut rows = Vec::new();
    let mut in_table = 0;
    for (number, line) in (1..).zip(document.lines()) {
        if !line.starts_with('|') {
            in_table = 0;
            continue;
        }
        in_table += 1;
        match in_table {
            1 if cells(line) != HEADER => {
                told.push(format!("line {number}: a table begins with | rule | document | test |"))
            }
            1 => {}
            2 if cells(line).iter().all(|cell| cell.contains("---")) => {}
            2 => told.push(format!("line {number}: the header wants a line of dashes below it")),
            _ => rows.push((number, line)),
        }
    }
    rows
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap_or_default();
    inner.split('|').map(str::trim).collect()
}

/// The names in a cell: each in backticks, with commas between them. `None` if it is anything else.
fn quoted(cell: &str) -> Option<Vec<&str>> {
    let names = cell.split(", ").map(|name| name.strip_prefix('`')?.strip_suffix('`'));
    names.collect::<Option<Vec<_>>>().filter(|names| names.iter().all(|name| !name.contains('`')))
}

/// Tests of the modules that the document is about and that no row names.
fn unproven(document: &str, tests: &Inventory, named: &BTreeSet<&str>) -> Vec<String> {
    let Some((modules, _)) = document.split_once(MODULES).and_then(|(_, rest)| rest.split_once("-->")) else {
        return vec![format!("no comment {MODULES:?} names the modules that the document is about")];
    };
    let mut told = Vec::new();
    for module in modules.split(',').map(str::trim) {
        let prefix = format!("{module}::");
        let mut of_module = tests.keys().filter(|name| name.starts_with(&prefix)).peekable();
        if of_module.peek().is_none() {
            told.push(format!("the module `{module}` has no tests"));
        }
        let missing = of_module.filter(|name| !named.contains(name.as_str()));
        told.extend(missing.map(|name| format!("`{name}` has no row")));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    #[test]
    fn every_rule_has_its_test_and_every_test_its_rule() {
        let root = end_to_end::workspace();
        let document = std::fs::read_to_string(root.join("docs/SEMANTICS.md")).unwrap();
        let mistakes = mistakes(&document, &inventory::of_workspace(&root));
        assert!(mistakes.is_empty(), "docs/SEMANTICS.md:\n{}", mistakes.join("\n"));
    }

    const SOUND: &str = "# Rules
<!-- every test of these modules has a row: p a, p b -->

| rule | document | test |
|---|---|---|
| One | Guide | `p a::one` |
| Two | Guide | `p b::two`, `p b::three` |

| rule | document | test |
|---|---|---|
";

    fn tests() -> Inventory {
        let names = [
            ("p a::one", false),
            ("p b::two", false),
            ("p b::three", false),
            ("p c::other", false),
            ("p c::slow", true),
        ];
        names.map(|(name, ignored)| (name.to_owned(), ignored)).into()
    }

    #[test]
    fn a_sound_document_has_no_mistakes() {
        assert_eq!(mistakes(SOUND, &tests()), Vec::<String>::new());
        let elsewhere = SOUND.replace("`p a::one`", "`p a::one`, `p c::other`");
        assert_eq!(mistakes(&elsewhere, &tests()), Vec::<String>::new());
    }

    /// One change to the sound document, and what must be said about it.
    #[test]
    fn every_seeded_mistake_is_told() {
        for (from, to, told) in [
            (
                "`p a::one`",
                "`p a::won`",
                &["line 6: there is no test `p a::won`", "`p a::one` has no row"][..],
            ),
            ("`p a::one`", "`a::one`", &["line 6: there is no test `a::one`", "`p a::one` has no row"]),
            (
                "`p a::one`",
                "`p a::one`, `p c::slow`",
                &["line 6: `p c::slow` is ignored, so it proves nothing"],
            ),
            (", `p b::three`", "", &["`p b::three` has no row"]),
            (
                "| Guide | `p a::one` |",
                "| `p a::one` |",
                &["line 6: a row has three cells", "`p a::one` has no row"],
            ),
            ("| One |", "|  |", &["line 6: a rule and its document must be named"]),
            ("| Two | Guide |", "| Two | |", &["line 7: a rule and its document must be named"]),
            ("| Two |", "| One |", &["line 7: the rule stands in line 6 already"]),
            (
                "`p a::one`",
                "p a::one",
                &[
                    "line 6: the last cell is a list of names like `package path::of::test`",
                    "`p a::one` has no row",
                ],
            ),
            (
                "| `p a::one` |",
                "|  |",
                &[
                    "line 6: the last cell is a list of names like `package path::of::test`",
                    "`p a::one` has no row",
                ],
            ),
            (
                "| rule | document | test |",
                "| rule | source | test |",
                &[
                    "line 4: a table begins with | rule | document | test |",
                    "line 9: a table begins with | rule | document | test |",
                ],
            ),
            ("p a, p b", "p a, p d", &["the module `p d` has no tests"]),
            (
                "every test of these",
                "each test of these",
                &[
                    "no comment \"<!-- every test of these modules has a row:\" names the modules that the document is about",
                ],
            ),
        ] {
            let document = SOUND.replace(from, to);
            assert_ne!(document, SOUND, "{from}");
            assert_eq!(mistakes(&document, &tests()), told, "{from} -> {to}");
        }
        let headless = SOUND.replacen("|---|---|---|\n", "", 1);
        assert_eq!(
            mistakes(&headless, &tests()),
            ["line 5: the header wants a line of dashes below it", "`p a::one` has no row",]
        );
    }
}
