//! Creates, changes and restores notes.
#![forbid(unsafe_code)]

mod save_note;
#[cfg(test)]
mod tests;

pub use save_note::SaveNote;
