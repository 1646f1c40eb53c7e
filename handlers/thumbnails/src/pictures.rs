//! Each picture in a process of its own, which is this program again ([`crate::worker`]).
//!
//! Decoders meet whatever strangers upload, and not all of them fail in an orderly way: libwebp is written in C, and what goes
//! wrong inside the AV1 decoder can end its process. So that process has nothing to lose - no credentials, no connection,
//! no other picture - and its end is the outcome of that one file.

use shared::failure::Failure;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use thumbnail::{Output, Picture, Refused};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// What makes this program the process of one picture; the kind of thumbnails follows.
pub(crate) const WORKER: &str = "thumbnails-of-standard-input";
pub(crate) const WEBP: &str = "webp";
pub(crate) const JPEG: &str = "jpeg";
/// Bytes of an answer: thumbnails have a few hundred thousand.
const ANSWER_BYTES: u64 = 16_000_000;
/// Whom the system ends for want of memory.
const KILLED: i32 = 9;

/// Makes thumbnails of the picture in `bytes`.
pub(crate) trait Pictures {
    /// The inner error is for the picture's owner; a failure is ours.
    async fn make(&self, bytes: &[u8], output: Output) -> Result<Result<Picture, String>, Failure>;
}

/// Pictures in processes of their own.
pub(crate) struct Processes {
    program: PathBuf,
}

impl Processes {
    /// Of a program that gives itself to the worker when asked to, as this one does.
    pub(crate) fn of(program: PathBuf) -> Self {
        Self { program }
    }

    fn start(&self, output: Output) -> io::Result<Child> {
        let output = match output {
            Output::WebP => WEBP,
            Output::Jpeg => JPEG,
        };
        Command::new(&self.program)
            .args([WORKER, output])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Whatever a decoder says may quote the file.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

impl Pictures for Processes {
    async fn make(&self, bytes: &[u8], output: Output) -> Result<Result<Picture, String>, Failure> {
        let mut child = self.start(output).map_err(Failure::passing)?;
        let (answer, status) = converse(&mut child, bytes).await.map_err(Failure::passing)?;
        if status.success() {
            return postcard::from_bytes(&answer).map_err(Failure::passing);
        }
        tracing::warn!(code = status.code(), signal = status.signal(), "the process of a picture died");
        if status.signal() == Some(KILLED) {
            return Err(Failure::passing("the process of a picture was killed"));
        }
        Ok(Err(Refused::DecoderFailed.to_string()))
    }
}

/// Gives a process its picture, and waits for its answer and its end.
async fn converse(child: &mut Child, bytes: &[u8]) -> io::Result<(Vec<u8>, ExitStatus)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let give = async move {
        let Some(mut stdin) = stdin else { return };
        // It may die before it has read everything: its end says so better than a broken pipe.
        let _ = stdin.write_all(bytes).await;
    };
    let take = async move {
        let mut answer = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(ANSWER_BYTES).read_to_end(&mut answer).await.map(|_| answer),
            None => Ok(answer),
        }
    };
    let ((), answer) = tokio::join!(give, take);
    Ok((answer?, child.wait().await?))
}
