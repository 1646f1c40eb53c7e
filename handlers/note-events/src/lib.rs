//! Turns changes of notes into activity, e-mail jobs, earlier versions, the search index and the removal of objects.
#![forbid(unsafe_code)]

mod derived;
#[cfg(test)]
mod derived_tests;
mod effects;
mod event;
mod index;
#[cfg(test)]
mod index_tests;
mod note_events;
mod record;
#[cfg(test)]
mod tests;

pub use event::{Answer, Event};
pub use note_events::NoteEvents;
