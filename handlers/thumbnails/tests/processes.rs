//! Pictures in processes of their own: the real program, and programs that end as a decoder can end them.
#![forbid(unsafe_code)]
#![cfg(unix)]
// clippy.toml allows it in `#[test]` functions only.
#![allow(clippy::unwrap_used)]

#[path = "../src/pictures.rs"]
mod pictures;

use pictures::{Pictures, Processes};
use shared::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};
use thumbnail::{Limits, Output, Picture};

const SIZES: [u32; 3] = shared::attachment::THUMBNAIL_SIZES;

async fn make(bytes: &[u8], output: Output) -> Result<Result<Picture, String>, Failure> {
    Processes::of(env!("CARGO_BIN_EXE_thumbnails").into()).make(bytes, output).await
}

fn picture(name: &str) -> Vec<u8> {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/thumbnail/tests/pictures");
    fs::read(pictures.join(name)).unwrap()
}

/// A program that ends as its name says.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

#[tokio::test]
async fn thumbnails_are_those_that_this_process_would_make() {
    for (name, output) in [("baseline-444.jpg", Output::WebP), ("avif-420.avif", Output::Jpeg)] {
        let bytes = picture(name);
        let made = make(&bytes, output).await.unwrap().unwrap();
        assert_eq!(made, thumbnail::make(&bytes, &SIZES, output, &Limits::default()).unwrap());
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_in_the_same_words() {
    let words = thumbnail::make(b"just text", &SIZES, Output::WebP, &Limits::default()).unwrap_err();
    assert_eq!(make(b"just text", Output::WebP).await, Ok(Err(words.to_string())));
}

/// Programs of our own, since no file is known that does these things.
#[tokio::test]
async fn the_end_of_a_decoder_is_the_outcome_of_that_file_only() {
    let refused = thumbnail::Refused::DecoderFailed.to_string();
    for name in ["aborts", "faults", "runs-out-of-time", "gives-up"] {
        let made = Processes::of(program(name)).make(&[0; 1 << 20], Output::WebP).await;
        assert_eq!(made, Ok(Err(refused.clone())), "{name}");
    }
}

#[tokio::test]
async fn what_may_go_better_is_tried_again() {
    for program in [program("is-killed"), program("talks-nonsense"), "/nowhere".into()] {
        let failure = Processes::of(program).make(b"GIF89a", Output::WebP).await.unwrap_err();
        assert!(failure.is_passing(), "{failure}");
    }
}

#[tokio::test]
async fn a_decoder_has_no_credentials_to_lose() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "something could be there");
    let bare = Processes::of(program("is-killed-if-it-has-no-environment"));
    assert!(bare.make(b"", Output::WebP).await.unwrap_err().is_passing());
}
