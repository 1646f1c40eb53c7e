//! Which tests a package has, by reading its source: modules are followed as the compiler follows them, and what carries
//! a test attribute is a test under the name that `cargo test` prints.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::process::Command;

/// By `package path::to::test`, whether it is ignored.
pub(crate) type Inventory = BTreeMap<String, bool>;

/// Gives a file's text, if there is such a file.
type Files<'a> = &'a dyn Fn(&Path) -> Option<String>;

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

/// Every test of every package of the workspace.
pub(crate) fn of_workspace(root: &Path) -> Inventory {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let mut all = Inventory::new();
    for (package, source) in targets(root) {
        let found = of_target(&package, &source, &read).unwrap_or_else(|mistake| panic!("{mistake}"));
        for (name, ignored) in found {
            // Two targets may have a test of the same name; it runs if either does.
            all.entry(name).and_modify(|both| *both &= ignored).or_insert(ignored);
        }
    }
    all
}

/// Each package's name with the root file of each of its targets that has tests.
fn targets(root: &Path) -> Vec<(String, PathBuf)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).current_dir(root).args(arguments).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut targets = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        for target in package["targets"].as_array().expect("targets") {
            if target["test"] == true {
                targets.push((name.to_owned(), target["src_path"].as_str().expect("a path").into()));
            }
        }
    }
    targets
}

/// The tests of one target, whose root file is `source`.
///
/// # Errors
/// When a file is not there or is not Rust.
fn of_target(package: &str, source: &Path, files: Files<'_>) -> Result<Inventory, String> {
    let mut reader = Reader { package, files, found: Inventory::new() };
    let directory = directory(source);
    reader.file(source, "", directory)?;
    Ok(reader.found)
}

fn directory(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

/// Where the reader is.
struct Place {
    /// `sources::lanes::`, or nothing at the root.
    prefix: String,
    /// What `#[path]` is relative to.
    path_base: PathBuf,
    /// Where the files of child modules are.
    children: PathBuf,
}

struct Reader<'a> {
    package: &'a str,
    files: Files<'a>,
    found: Inventory,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, prefix: &str, children: PathBuf) -> Result<(), String> {
        let text = (self.files)(path).ok_or_else(|| format!("{}: there is no such file", path.display()))?;
        let tokens: TokenStream =
            text.parse().map_err(|error| format!("{}: not Rust: {error}", path.display()))?;
        self.items(tokens, &Place { prefix: prefix.to_owned(), path_base: directory(path), children })
    }

    /// Reads items in their order; attributes are kept until the item that they belong to.
    fn items(&mut self, tokens: TokenStream, place: &Place) -> Result<(), String> {
        let mut tokens = tokens.into_iter().peekable();
        let mut attributes: Vec<TokenStream> = Vec::new();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    attributes.extend(group(&mut tokens, Delimiter::Bracket).map(|group| group.stream()));
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => attributes.clear(),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => attributes.clear(),
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(name) = identifier(&mut tokens) {
                        self.module(&name, &attributes, &mut tokens, place)?;
                    }
                    attributes.clear();
                }
                TokenTree::Ident(word) if word == "fn" => {
                    if let Some(name) = identifier(&mut tokens)
                        && attributes.iter().any(is_test)
                    {
                        let ignored = attributes.iter().any(|attribute| path_of(attribute) == ["ignore"]);
                        self.found.insert(format!("{} {}{name}", self.package, place.prefix), ignored);
                    }
                    attributes.clear();
                }
                // Its tests are tests of the module that it stands in.
                TokenTree::Ident(word) if word == "proptest" => {
                    tokens.next_if(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == '!'));
                    if let Some(body) = group(&mut tokens, Delimiter::Brace) {
                        self.items(body.stream(), place)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A module of its own file or with its items right here.
    fn module(
        &mut self,
        name: &str,
        attributes: &[TokenStream],
        tokens: &mut Tokens,
        place: &Place,
    ) -> Result<(), String> {
        let prefix = format!("{}{name}::", place.prefix);
        let below = place.children.join(name);
        if let Some(body) = group(tokens, Delimiter::Brace) {
            return self.items(body.stream(), &Place { prefix, path_base: below.clone(), children: below });
        }
        if let Some(path) = attributes.iter().find_map(path_attribute) {
            let file = place.path_base.join(path);
            return self.file(&file, &prefix, directory(&file));
        }
        let own = below.join("mod.rs");
        let file = if (self.files)(&own).is_some() { own } else { below.with_extension("rs") };
        self.file(&file, &prefix, below)
    }
}

fn identifier(tokens: &mut Tokens) -> Option<String> {
    match tokens.next_if(|token| matches!(token, TokenTree::Ident(_))) {
        Some(TokenTree::Ident(name)) => Some(name.to_string()),
        _ => None,
    }
}

fn group(tokens: &mut Tokens, delimiter: Delimiter) -> Option<Group> {
    let wanted =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter);
    match tokens.next_if(wanted) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

/// `["tokio", "test"]` of `tokio::test(flavor = "current_thread")`.
fn path_of(attribute: &TokenStream) -> Vec<String> {
    let mut path = Vec::new();
    for token in attribute.clone() {
        match token {
            TokenTree::Ident(part) => path.push(part.to_string()),
            TokenTree::Punct(colon) if colon.as_char() == ':' => {}
            _ => break,
        }
    }
    path
}

fn is_test(attribute: &TokenStream) -> bool {
    path_of(attribute).last().is_some_and(|last| last == "test")
}

/// `x.rs` of `path = "x.rs"`.
fn path_attribute(attribute: &TokenStream) -> Option<String> {
    if path_of(attribute) != ["path"] {
        return None;
    }
    match attribute.clone().into_iter().last() {
        Some(TokenTree::Literal(text)) => Some(text.to_string().trim_matches('"').to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Vec<(String, bool)>, String> {
        let files: BTreeMap<&Path, &str> =
            files.iter().map(|(name, text)| (Path::new(*name), *text)).collect();
        let look = |path: &Path| files.get(path).map(|text| (*text).to_owned());
        of_target("p", Path::new("src/lib.rs"), &look).map(|found| found.into_iter().collect())
    }

    fn names(files: &[(&str, &str)]) -> Vec<String> {
        read(files).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn every_way_to_write_a_test_is_seen() {
        let text = r##"
            #![forbid(unsafe_code)]
            use std::io::{self, Read};
            #[test] fn plain() {}
            #[tokio::test(flavor = "current_thread")]
            #[expect(clippy::panic, reason = "`fn in_text() {}`")]
            pub(crate) async fn asynchronous() -> Result<(), ()> { let nested = || { }; Ok(()) }
            #[test]
            #[ignore = "slow"]
            fn ignored() {}
            mod inner {
                proptest! {
                    #![proptest_config(ProptestConfig::with_cases(9))]
                    /// Words.
                    #[test]
                    fn property(n in 0u32..9, flag: bool) { prop_assert!(flag || n < 9); }
                }
            }
        "##;
        let found = read(&[("src/lib.rs", text)]).unwrap();
        let found: Vec<(&str, bool)> =
            found.iter().map(|(name, ignored)| (name.as_str(), *ignored)).collect();
        let wanted = [
            ("p asynchronous", false),
            ("p ignored", true),
            ("p inner::property", false),
            ("p plain", false),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_only_looks_like_a_test_is_none() {
        let text = r##"
            #[cfg(test)] fn helper() {}
            #[test] const X: u8 = 1; fn after() {}
            // #[test] fn comment() {}
            const TEXT: &str = r#"#[test] fn text() {}"#;
            const POINTER: fn(u8) -> u8 = identity;
            macro_rules! make { ($name:ident) => { #[test] fn $name() {} } }
            fn outer() { #[test] fn unreachable() {} }
        "##;
        assert_eq!(names(&[("src/lib.rs", text)]), Vec::<String>::new());
    }

    #[test]
    fn modules_are_followed_to_their_files() {
        let files = [
            ("src/lib.rs", "mod a; #[cfg(test)] #[path = \"b_tests.rs\"] mod tests; mod c { mod d; }"),
            ("src/a/mod.rs", "pub mod e; #[test] fn in_a() {}"),
            ("src/a/e.rs", "#[test] fn in_e() {} #[path = \"e_tests.rs\"] mod tests; mod f;"),
            ("src/a/e_tests.rs", "#[test] fn beside() {}"),
            ("src/a/e/f.rs", "#[test] fn in_f() {}"),
            ("src/b_tests.rs", "#[test] fn elsewhere() {}"),
            ("src/c/d.rs", "#[test] fn in_d() {}"),
        ];
        let wanted = [
            "a::e::f::in_f",
            "a::e::in_e",
            "a::e::tests::beside",
            "a::in_a",
            "c::d::in_d",
            "tests::elsewhere",
        ];
        assert_eq!(names(&files), wanted.map(|name| format!("p {name}")));
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_told() {
        assert_eq!(read(&[("src/lib.rs", "mod a;")]).unwrap_err(), "src/a.rs: there is no such file");
        assert!(read(&[("src/lib.rs", "fn a() {")]).unwrap_err().starts_with("src/lib.rs: not Rust"));
    }

    /// The reader and the test harness of this very program name the same tests.
    #[test]
    fn the_reader_finds_what_the_harness_lists() {
        let output =
            Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output();
        let listed = String::from_utf8(output.unwrap().stdout).unwrap();
        let mut listed: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
        listed.sort_unstable();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents/main.rs");
        let found = of_target("p", &source, &|path| std::fs::read_to_string(path).ok()).unwrap();
        let found: Vec<&str> = found.keys().map(|name| name.strip_prefix("p ").unwrap()).collect();
        assert_eq!(found, listed);
        assert!(found.len() >= 5);
    }
}
