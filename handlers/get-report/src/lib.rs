//! Reads an owner's stored report.
#![forbid(unsafe_code)]

mod get_report;
#[cfg(test)]
mod tests;

pub use get_report::GetReport;
