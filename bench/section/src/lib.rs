//! Where figures go: sections of a Markdown file, each between two markers.
#![forbid(unsafe_code)]

use std::path::Path;

/// Puts `table` between the markers of `section` in a Markdown file.
pub fn write(path: &Path, section: &str, table: &str) -> std::io::Result<()> {
    let (begin, end) = (format!("<!-- begin {section} -->"), format!("<!-- end {section} -->"));
    let text = std::fs::read_to_string(path)?;
    let missing = || std::io::Error::other(format!("{} has no section {section}", path.display()));
    let from = text.find(&begin).ok_or_else(missing)? + begin.len();
    let to = text.find(&end).ok_or_else(missing)?;
    std::fs::write(path, format!("{}\n{table}{}", &text[..from], &text[to..]))
}
