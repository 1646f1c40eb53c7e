//! The three CRCs of S3, as the AWS SDK asks for them.
//!
//! `aws-smithy-checksums` takes them from the crate whose name this one has, which knows a hundred more and keeps tables of each:
//! 0.7 MB of every function that talks to S3. Here each comes from a crate of its own. What is public is what the SDK calls,
//! with its names; should it call more one day, nothing compiles.
#![forbid(unsafe_code)]

/// Which CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// S3's `CRC32C`.
    Crc32Iscsi,
    /// S3's `CRC32`.
    Crc32IsoHdlc,
    /// S3's `CRC64NVME`.
    Crc64Nvme,
}

/// The CRC of bytes that come one after another.
#[derive(Clone, Debug)]
pub struct Digest(State);

#[derive(Clone)]
enum State {
    Crc32Iscsi(u32),
    Crc32IsoHdlc(crc32fast::Hasher),
    Crc64Nvme(crc64fast_nvme::Digest),
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Crc32Iscsi(_) => "Crc32Iscsi",
            Self::Crc32IsoHdlc(_) => "Crc32IsoHdlc",
            Self::Crc64Nvme(_) => "Crc64Nvme",
        })
    }
}

impl Digest {
    /// Of no bytes yet.
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32Iscsi => State::Crc32Iscsi(0),
            CrcAlgorithm::Crc32IsoHdlc => State::Crc32IsoHdlc(crc32fast::Hasher::new()),
            CrcAlgorithm::Crc64Nvme => State::Crc64Nvme(crc64fast_nvme::Digest::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc32Iscsi(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
            State::Crc32IsoHdlc(hasher) => hasher.update(bytes),
            State::Crc64Nvme(digest) => digest.write(bytes),
        }
    }

    /// The CRC of all of them, in the lowest bits.
    pub fn finalize(&self) -> u64 {
        match &self.0 {
            State::Crc32Iscsi(crc) => u64::from(*crc),
            State::Crc32IsoHdlc(hasher) => u64::from(hasher.clone().finalize()),
            State::Crc64Nvme(digest) => digest.sum64(),
        }
    }
}

/// The CRC of `bytes`.
pub fn checksum(algorithm: CrcAlgorithm, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(algorithm);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use CrcAlgorithm::{Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme};

    /// The values by which the catalogue of parametrised CRC algorithms identifies each.
    #[test]
    fn check_values_are_those_of_the_catalogue() {
        assert_eq!(checksum(Crc32Iscsi, b"123456789"), 0xe306_9283);
        assert_eq!(checksum(Crc32IsoHdlc, b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!([Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme].map(|algorithm| checksum(algorithm, b"")), [0; 3]);
    }

    #[test]
    fn it_does_not_matter_how_bytes_come() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| ((at * at) >> 3) as u8).collect();
        for algorithm in [Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme] {
            for piece in [1, 7, 64, 1000, 9999] {
                let mut digest = Digest::new(algorithm);
                bytes.chunks(piece).for_each(|part| digest.update(part));
                assert_eq!(
                    digest.finalize(),
                    checksum(algorithm, &bytes),
                    "{algorithm:?} in pieces of {piece}"
                );
            }
        }
    }
}
