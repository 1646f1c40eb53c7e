//! The bytes of objects: files named by a number of ours, never by a key.

use futures::{Stream, StreamExt, stream};
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use std::collections::{BTreeMap, BTreeSet};
use std::io::SeekFrom;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::sigv4::hex;

/// Bytes read or written at once.
const CHUNK: usize = 256 * 1024;
/// What a single upload may be (5 GiB).
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

pub(super) const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

fn failed(error: std::io::Error) -> S3Error {
    tracing::error!(%error, "a blob could not be read or written");
    s3_error!(InternalError)
}

/// The directory of blobs.
pub(super) struct Blobs {
    directory: PathBuf,
}

/// A blob that was written and is nobody's yet: removed when dropped, unless it is kept.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    /// Base64 by algorithm.
    pub(super) checksums: BTreeMap<String, String>,
    path: Option<PathBuf>,
}

impl Written {
    /// Leaves the blob where it is; its name.
    pub(super) fn keep(mut self) -> String {
        self.path = None;
        std::mem::take(&mut self.name)
    }

    pub(super) fn etag(&self) -> String {
        hex(&self.md5)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What stays is swept at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What an upload promises about its content.
#[derive(Default)]
pub(super) struct Promise {
    pub(super) length: Option<u64>,
    /// Base64.
    pub(super) md5: Option<String>,
    /// Base64 by algorithm.
    pub(super) checksums: BTreeMap<String, String>,
    /// Algorithms whose values come in the trailers.
    pub(super) trailing: Vec<String>,
    pub(super) trailers: Option<TrailingHeaders>,
}

impl Blobs {
    /// Opens the directory and removes what nothing refers to: leftovers of a killed process.
    pub(super) fn open(directory: PathBuf, known: &BTreeSet<String>) -> std::io::Result<Self> {
        std::fs::create_dir_all(&directory)?;
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if !known.contains(entry.file_name().to_string_lossy().as_ref()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a stream to a new blob and checks it against what was promised.
    ///
    /// # Errors
    /// `BadDigest` or `IncompleteBody` when the promise is broken.
    pub(super) async fn write(&self, body: Option<StreamingBlob>, promise: Promise) -> S3Result<Written> {
        let mut algorithms: Vec<&str> =
            promise.checksums.keys().chain(&promise.trailing).map(String::as_str).collect();
        if algorithms.is_empty() {
            // What S3 itself computes of an upload that names none.
            algorithms.push("crc64nvme");
        }
        let mut sink = Sink::create(self, &algorithms).await?;
        if let Some(mut body) = body {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| broken_body(&*error))?;
                sink.write(&chunk).await?;
            }
        }
        let written = sink.finish().await?;
        check(&written, &promise)?;
        Ok(written)
    }

    /// Writes the blobs `parts` to a new one, in order.
    pub(super) async fn concatenate(&self, parts: &[String]) -> S3Result<Written> {
        let mut sink = Sink::create(self, &["crc64nvme"]).await?;
        let mut buffer = vec![0; CHUNK];
        for part in parts {
            let mut file = File::open(self.path(part)).await.map_err(failed)?;
            loop {
                let count = file.read(&mut buffer).await.map_err(failed)?;
                if count == 0 {
                    break;
                }
                sink.write(&buffer[..count]).await?;
            }
        }
        sink.finish().await
    }

    /// A second blob with the same bytes.
    pub(super) async fn copy(&self, from: &str) -> S3Result<Written> {
        self.concatenate(&[from.to_owned()]).await
    }

    /// The bytes of `range`; `None` when the blob has just been removed. It is open once this returns, so that a
    /// removal meanwhile does no harm.
    pub(super) async fn read(&self, name: &str, range: Range<u64>) -> S3Result<Option<StreamingBlob>> {
        let mut file = match File::open(self.path(name)).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
        }
        let length = range.end - range.start;
        if let Ok(length) = usize::try_from(length)
            && length <= CHUNK
        {
            let mut bytes = vec![0; length];
            file.read_exact(&mut bytes).await.map_err(failed)?;
            return Ok(Some(StreamingBlob::from(Body::from(bytes))));
        }
        Ok(Some(StreamingBlob::wrap(chunks(file, length))))
    }

    pub(super) fn remove(&self, names: &[String]) {
        for name in names {
            if let Err(error) = std::fs::remove_file(self.path(name)) {
                tracing::debug!(%error, "a blob was not there to be removed");
            }
        }
    }
}

fn broken_body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> S3Error {
    tracing::debug!(error, "an upload broke off");
    // The stream checks the payload's own hash and the chunks' signatures.
    if error.to_string().contains("Checksum") {
        return S3Error::with_message(
            S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
    }
    if error.to_string().contains("Signature") {
        return s3_error!(SignatureDoesNotMatch);
    }
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

fn chunks(file: File, length: u64) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + Sync {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut bytes = vec![0; want];
        file.read_exact(&mut bytes).await?;
        Ok(Some((bytes::Bytes::from(bytes), (file, left - want as u64))))
    })
}

/// A blob being written.
struct Sink {
    file: File,
    buffer: Vec<u8>,
    md5: Md5,
    hasher: ChecksumHasher,
    written: Written,
}

impl Sink {
    async fn create(blobs: &Blobs, algorithms: &[&str]) -> S3Result<Self> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = blobs.path(&name);
        let file = File::create_new(&path).await.map_err(failed)?;
        let checksums = BTreeMap::new();
        let written = Written { name, size: 0, md5: [0; 16], checksums, path: Some(path) };
        Ok(Self { file, buffer: Vec::new(), md5: Md5::new(), hasher: hasher(algorithms), written })
    }

    async fn write(&mut self, bytes: &[u8]) -> S3Result {
        self.written.size += bytes.len() as u64;
        if self.written.size > LARGEST {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        self.md5.update(bytes);
        self.hasher.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> S3Result {
        self.file.write_all(&self.buffer).await.map_err(failed)?;
        self.buffer.clear();
        Ok(())
    }

    async fn finish(mut self) -> S3Result<Written> {
        self.flush().await?;
        // Hands the last write to the operating system, which keeps it though this process be killed.
        self.file.flush().await.map_err(failed)?;
        self.written.md5 = self.md5.finalize().into();
        self.written.checksums = checksum_map(self.hasher.finalize());
        Ok(self.written)
    }
}

fn hasher(algorithms: &[&str]) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    for algorithm in algorithms {
        match *algorithm {
            "crc32" => hasher.crc32 = Some(Default::default()),
            "crc32c" => hasher.crc32c = Some(Default::default()),
            "crc64nvme" => hasher.crc64nvme = Some(Default::default()),
            "sha1" => hasher.sha1 = Some(Default::default()),
            "sha256" => hasher.sha256 = Some(Default::default()),
            _ => {}
        }
    }
    hasher
}

fn checksum_map(checksum: Checksum) -> BTreeMap<String, String> {
    let values = [
        checksum.checksum_crc32,
        checksum.checksum_crc32c,
        checksum.checksum_crc64nvme,
        checksum.checksum_sha1,
        checksum.checksum_sha256,
    ];
    ALGORITHMS.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect()
}

fn check(written: &Written, promise: &Promise) -> S3Result {
    use base64::Engine;
    if promise.length.is_some_and(|length| length != written.size) {
        return Err(broken_body(&*Box::<dyn std::error::Error + Send + Sync>::from("length")));
    }
    let md5 = base64::engine::general_purpose::STANDARD.encode(written.md5);
    if promise.md5.as_ref().is_some_and(|promised| *promised != md5) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let trailers = promise.trailers.as_ref().and_then(TrailingHeaders::take);
    for (algorithm, computed) in &written.checksums {
        let trailer = || {
            let header = trailers.as_ref()?.get(format!("x-amz-checksum-{algorithm}"))?;
            header.to_str().ok().map(str::to_owned)
        };
        let promised = promise.checksums.get(algorithm).cloned().or_else(trailer);
        if promised.is_some_and(|promised| promised != *computed) {
            let name = algorithm.to_uppercase();
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                name
            ));
        }
    }
    Ok(())
}

/// Where blobs are kept below the state directory.
pub(super) fn directory(state: &Path) -> PathBuf {
    state.join("s3")
}
