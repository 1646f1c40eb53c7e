//! What handlers print: appended to one file for each function, bounded in size, and read back from its end.

use super::job::lock;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;

/// A file is put aside (one generation) when it reaches this size.
const ROTATE_BYTES: u64 = 5 * 1024 * 1024;
/// At most so much is read to answer for the last lines.
const TAIL_BYTES: u64 = 1024 * 1024;
/// A longer line is cut into several.
const LINE_BYTES: usize = 256 * 1024;

/// A function's log. Clones share the file.
#[derive(Clone)]
pub(super) struct Log(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Opened with the first line, with its size.
    file: Mutex<Option<(File, u64)>>,
}

impl Log {
    pub(super) fn new(directory: &Path, function: &str) -> Self {
        // A logical id is alphanumeric; a name from elsewhere must not leave the directory.
        let name: String =
            function.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
        let path = directory.join(format!("{name}.log"));
        Self(Arc::new(Inner { path, file: Mutex::new(None) }))
    }

    /// Copies lines until the writers have closed their end.
    pub(super) async fn copy(self, mut from: tokio::net::unix::pipe::Receiver) {
        let mut buffer: Vec<u8> = Vec::with_capacity(8 * 1024);
        loop {
            match from.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => self.append_lines(&mut buffer),
            }
        }
        if !buffer.is_empty() {
            buffer.push(b'\n');
            self.append(&buffer);
        }
    }

    /// Moves whole lines out of `buffer`, so that lines of several environments are not mixed.
    fn append_lines(&self, buffer: &mut Vec<u8>) {
        if let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') {
            self.append(&buffer[..=end]);
            buffer.drain(..=end);
        } else if buffer.len() >= LINE_BYTES {
            buffer.push(b'\n');
            self.append(buffer);
            buffer.clear();
        }
    }

    fn append(&self, lines: &[u8]) {
        if let Err(error) = self.try_append(lines) {
            tracing::warn!(path = %self.0.path.display(), %error, "a handler's output is lost");
        }
    }

    fn try_append(&self, lines: &[u8]) -> io::Result<()> {
        let mut slot = lock(&self.0.file);
        let (mut file, size) = match slot.take() {
            Some(open) => open,
            None => self.open()?,
        };
        file.write_all(lines)?;
        let size = size + lines.len() as u64;
        if size < ROTATE_BYTES {
            *slot = Some((file, size));
            return Ok(());
        }
        drop(file);
        std::fs::rename(&self.0.path, self.previous())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(directory) = self.0.path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.0.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn previous(&self) -> PathBuf {
        self.0.path.with_extension("log.1")
    }

    /// The last `count` lines, oldest first; across the rotation if needed.
    pub(super) fn tail(&self, count: usize) -> Vec<String> {
        let mut text = read_end(&self.previous()).unwrap_or_default();
        text.extend(read_end(&self.0.path).unwrap_or_default());
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
        lines.reverse();
        lines
    }
}

fn read_end(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut text = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_still_read() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(directory.path(), "Hello");
        let mut filler = vec![b'x'; ROTATE_BYTES as usize];
        filler.extend_from_slice(b"\nlast of the first\n");
        log.append(&filler);
        log.append(b"first of the second\n");
        assert_eq!(log.tail(2), ["last of the first", "first of the second"]);
        assert!(directory.path().join("Hello.log.1").exists());
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(directory.path(), "../../evil");
        log.append(b"line\n");
        assert!(directory.path().join("______evil.log").exists());
    }

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(directory.path(), "Hello");
        let mut buffer = b"one\ntw".to_vec();
        log.append_lines(&mut buffer);
        assert_eq!(log.tail(9), ["one"]);
        buffer.extend_from_slice(b"o\n");
        log.append_lines(&mut buffer);
        assert_eq!(log.tail(9), ["one", "two"]);
    }
}
