//! Greets, hands out the contract, and answers what no route takes.
#![forbid(unsafe_code)]

#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod contract_text_tests;
mod hello;
mod methods;
#[cfg(test)]
mod tests;

pub use hello::Hello;
