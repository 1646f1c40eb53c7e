//! Reads, lists and searches notes.
#![forbid(unsafe_code)]

mod get_notes;
#[cfg(test)]
mod query_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
mod versions;

pub use get_notes::GetNotes;
