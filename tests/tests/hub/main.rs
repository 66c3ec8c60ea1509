//! Pulling models from a hub on loopback, over real sockets: the way that works, and all that can go wrong on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test target, all of it: clippy exempts only the fns that are marked as tests"
)]

mod faults;
mod hostile;
mod jobs;
mod journey;
mod kill;
mod places;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tabagent_runtime::BackendError;
use tabagent_runtime::device::Device;
use tabagent_runtime::hub::{Hub, HubOptions, Job, JobState};
use tabagent_tests::hub::{Hub as Remote, Repository};
use tabagent_tests::workspace;

/// Longest pull of a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options that know the hub of a test and nothing of this machine.
fn options(remote: &Remote) -> HubOptions {
    HubOptions {
        endpoint: remote.url(),
        token: None,
        allowed_hosts: vec![remote.files.to_string()],
        cache: None,
        offline: false,
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(1),
        connections: 4,
        retries: 3,
    }
}

fn hub(models: &Path, options: HubOptions) -> Hub {
    Hub::new(models.to_owned(), Device::Cpu, options)
}

/// Waits until a pull rests.
fn rest(hub: &Hub, id: &str) -> Job {
    let begun = Instant::now();
    loop {
        let job = hub.job(id).expect("the job is known");
        if job.state.is_over() || job.state == JobState::Paused {
            return job;
        }
        assert!(begun.elapsed() < PATIENCE, "{job:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Pulls, and waits for the end.
fn pull(hub: &Hub, reference: &str) -> Job {
    let job = hub.pull(&reference.parse().unwrap()).unwrap();
    rest(hub, &job.id)
}

/// Pulls what must fail.
fn failure(hub: &Hub, reference: &str) -> BackendError {
    let job = pull(hub, reference);
    assert_eq!(job.state, JobState::Failed, "{job:?}");
    job.error.expect("a failed job has an error")
}

/// Asserts that a setting is at fault, with these words in the reason.
fn assert_setting(error: &BackendError, setting: &str, words: &[&str]) {
    let BackendError::ConfigurationError { setting: found, .. } = error else { panic!("{error:?}") };
    assert_eq!(found, setting, "{error}");
    assert_says(error, words);
}

fn assert_says(error: &BackendError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Files below a folder by their paths, those whose names begin with a dot left out.
fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

fn fixture(name: &str) -> PathBuf {
    workspace::root().join("tabagent-runtime/tests/fixtures").join(name)
}

/// An embedding model that works.
fn embedder() -> Repository {
    Repository::of_folder(&fixture("bert-mean"))
}

/// Bytes of which no two blocks are alike.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut block = vec![0; 64 << 10];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut block);
    let mut bytes = Vec::with_capacity(size + block.len());
    for index in 0_u64.. {
        if bytes.len() >= size {
            break;
        }
        block[..8].copy_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(size);
    bytes
}

/// A repository whose one ONNX file has so many bytes of noise: it is pulled, and never run.
fn large(seed: u64, size: usize) -> Repository {
    Repository::default()
        .with("config.json", r#"{"architectures": ["BertModel"], "model_type": "bert"}"#)
        .with("tokenizer.json", noise(seed + 1, 300_000))
        .with("onnx/model.onnx", noise(seed, size))
}
