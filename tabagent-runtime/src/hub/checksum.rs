//! What the hub states about the content of a file, and whether a file has it.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Bytes of one read.
const CHUNK: usize = 1 << 20;

/// The identity of a content, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Checksum {
    /// SHA-256 of the bytes: files in Git LFS.
    Sha256(String),
    /// SHA-1 of Git's blob object, whose header is `blob SIZE\0` (git-hash-object(1)): all others.
    GitBlob(String),
}

impl Checksum {
    /// `None` where `text` is not the hexadecimal number that it should be.
    pub(crate) fn sha256(text: &str) -> Option<Self> {
        hexadecimal(text, 64).map(Self::Sha256)
    }

    /// As [`Checksum::sha256`].
    pub(crate) fn git_blob(text: &str) -> Option<Self> {
        hexadecimal(text, 40).map(Self::GitBlob)
    }

    /// The number alone, which is also the name of the content in Hugging Face's cache.
    pub(crate) fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// Whether an `etag` of the hub states this content. One of another form states nothing.
    pub(crate) fn is_etag(&self, etag: &str) -> Option<bool> {
        let etag = etag.trim().trim_start_matches("W/").trim_matches('"');
        let stated = Self::sha256(etag).or_else(|| Self::git_blob(etag))?;
        (std::mem::discriminant(&stated) == std::mem::discriminant(self)).then_some(stated == *self)
    }

    /// The checksum of this kind that a file has. `go_on` is asked now and then; `None` where it says no.
    pub(crate) fn of_file(&self, path: &Path, go_on: impl Fn() -> bool) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        match self {
            Self::Sha256(_) => Ok(digest(Sha256::new(), &mut file, go_on)?.map(Self::Sha256)),
            Self::GitBlob(_) => {
                let size = file.metadata()?.len();
                let hash = Sha1::new_with_prefix(format!("blob {size}\0"));
                Ok(digest(hash, &mut file, go_on)?.map(Self::GitBlob))
            }
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "SHA-256 {digits}"),
            Self::GitBlob(digits) => write!(f, "Git blob {digits}"),
        }
    }
}

fn hexadecimal(text: &str, length: usize) -> Option<String> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| text.to_ascii_lowercase())
}

fn digest<D: Digest>(mut hash: D, file: &mut File, go_on: impl Fn() -> bool) -> io::Result<Option<String>> {
    let mut buffer = vec![0; CHUNK];
    loop {
        if !go_on() {
            return Ok(None);
        }
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        // FIPS 180-2, appendix B.1; `printf abc | git hash-object --stdin`.
        for stated in [
            Checksum::sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap(),
            Checksum::git_blob("f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f").unwrap(),
        ] {
            assert_eq!(stated.of_file(file.path(), || true).unwrap().as_ref(), Some(&stated));
            assert_eq!(stated.of_file(file.path(), || false).unwrap(), None);
            assert_eq!(stated.is_etag(&format!("W/\"{}\"", stated.digits().to_uppercase())), Some(true));
            assert_eq!(stated.is_etag("\"0123-abc\""), None);
        }
    }
}
