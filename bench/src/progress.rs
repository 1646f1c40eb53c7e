//! How far a long measurement is.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many things, by their name.
pub fn bar(length: u64, things: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("  {{bar:40}} {{pos}}/{{len}} {things} {{elapsed}}"));
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
