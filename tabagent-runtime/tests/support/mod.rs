//! What the tests of the library share: the real library, archives made of it, and options that touch nothing else.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod server;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tabagent_runtime::library::{self, Artifact, Flavour, LibraryOptions, Limits, Member, Release, Way};

/// The real library of this machine, found or installed the way the server does.
pub(crate) fn real_library() -> PathBuf {
    library::locate(&LibraryOptions::default()).unwrap().path
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tar.gz, stored without compression for speed, with the file under `onnxruntime/lib/`.
pub(crate) fn tar_gz(file: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none()));
    let mut header = tar::Header::new_gnu();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "./onnxruntime/lib/library", file).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// A zip with the file under `onnxruntime/lib/`.
pub(crate) fn zip(file: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("onnxruntime/lib/library", stored).unwrap();
    zip.write_all(file).unwrap();
    zip.finish().unwrap().into_inner()
}

/// The pin of an archive that [`tar_gz`] or [`zip`] made.
pub(crate) fn artifact(sha256: String) -> Artifact {
    Artifact {
        way: Way::Archive,
        version: "1.31.1".to_owned(),
        name: "archive".to_owned(),
        platform_tag: String::new(),
        sha256,
        bytes: None,
        members: vec![Member {
            path: "onnxruntime/lib/library".to_owned(),
            file_name: "libonnxruntime.so.1".to_owned(),
        }],
    }
}

/// Options that see only the given cache and install only the given artefacts.
pub(crate) fn options(cache_dir: &Path, url: &str, artifacts: Vec<Artifact>) -> LibraryOptions {
    LibraryOptions {
        path: None,
        cache_dir: cache_dir.to_owned(),
        search: false,
        releases: vec![Release { flavour: Flavour::Cpu, artifacts }],
        archive_url: url.to_owned(),
        limits: Limits {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(20),
            ..Limits::default()
        },
        ..LibraryOptions::default()
    }
}

/// A model with one operator, `y = identity(x)`, x a float tensor of shape `[n, 3]`, as ONNX's protobuf.
pub(crate) fn identity_model() -> Vec<u8> {
    let value = |name: &str| {
        let dimensions = [field(1, &field(2, b"n")), field(1, &number(1, 3))].concat();
        let tensor = [number(1, 1), field(2, &dimensions)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
    let graph =
        [field(1, &node), field(2, b"graph"), field(11, &value("x")), field(12, &value("y"))].concat();
    [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat()
}

/// A length-delimited protobuf field shorter than 128 bytes.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
}

/// A protobuf number below 128.
fn number(tag: u8, value: u8) -> Vec<u8> {
    vec![tag << 3, value]
}
