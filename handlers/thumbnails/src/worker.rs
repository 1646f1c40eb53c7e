//! The process of one picture: the file comes in on standard input, thumbnails go out on standard output.

use crate::pictures::{JPEG, WEBP, WORKER};
use rustix::process::{Resource, Rlimit, setrlimit};
use shared::attachment::THUMBNAIL_SIZES;
use shared::limits;
use std::io::{self, Read, Write};
use thumbnail::{Limits, Output};

/// Bytes of addresses: the picture and its limits fit in half of them, and the program itself takes the rest.
const ADDRESSES: u64 = 256 << 20;
/// Seconds of processor time, ten times what the worst file that is known takes.
const SECONDS: u64 = 10;

/// What the program's arguments ask for, if they ask for the worker.
pub(crate) fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Output> {
    if arguments.next()? != WORKER {
        return None;
    }
    match arguments.next()?.as_str() {
        WEBP => Some(Output::WebP),
        JPEG => Some(Output::Jpeg),
        _ => None,
    }
}

/// Does the work. An error ends the process with a failure, which its parent sees.
pub(crate) fn run(output: Output) -> io::Result<()> {
    bound(Resource::As, ADDRESSES)?;
    bound(Resource::Cpu, SECONDS)?;
    bound(Resource::Core, 0)?;
    let mut bytes = Vec::new();
    io::stdin().take(limits::ATTACHMENT_BYTES).read_to_end(&mut bytes)?;
    let made = thumbnail::make(&bytes, &THUMBNAIL_SIZES, output, &Limits::default());
    let answer =
        postcard::to_stdvec(&made.map_err(|refused| refused.to_string())).map_err(io::Error::other)?;
    io::stdout().write_all(&answer)
}

fn bound(resource: Resource, most: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}
