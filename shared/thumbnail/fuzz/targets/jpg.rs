#![no_main]

#[path = "../property.rs"]
mod property;

use thumbnail::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::check(Format::Jpeg, bytes);
});
