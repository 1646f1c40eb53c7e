//! Moves notes to the trash, or out of it for good.
#![forbid(unsafe_code)]

mod delete_note;
#[cfg(test)]
mod tests;

pub use delete_note::DeleteNote;
