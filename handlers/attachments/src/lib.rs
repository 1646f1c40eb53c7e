//! Hands out upload and download URLs, lists and deletes attachments.
#![forbid(unsafe_code)]

mod attachments;
#[cfg(test)]
mod tests;
mod view;

pub use attachments::Attachments;
