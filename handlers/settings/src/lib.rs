//! E-mail preferences and one-click unsubscribe.
#![forbid(unsafe_code)]

mod page;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::SettingsHandler;
