//! The same host and the same handler binaries on data services that are not its own: ministack, of its pinned package,
//! and our own behind HTTPS with a certificate of its own making and one key alone that opens.
//!
//! Another endpoint gives no sign when it has moved something on and follows no clock but the machine's, so these tests
//! look again and again where others wait for `/_local/idle`; always with a bound.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod certificate;
mod dead_letters;
mod encrypted;
mod letter;
mod mail;
mod ministack;
mod smtp;
mod survival;
mod tools;
mod uploads;
