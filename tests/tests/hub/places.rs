//! Where files come from and where they go: Hugging Face's cache, variants, replacing a model, and what a crash left.

use std::fs;

use tabagent_runtime::BackendError;
use tabagent_runtime::hub::{HubOptions, JobState};
use tabagent_tests::hub::{Hub as Remote, Repository, git_blob, sha256};

use super::{assert_says, embedder, failure, files, hub, noise, options, pull};

/// Repository with several variants.
fn variants() -> Repository {
    Repository::default()
        .with("config.json", r#"{"architectures": ["LlamaForCausalLM"]}"#)
        .with("tokenizer.json", "{}")
        .with("onnx/model.onnx", noise(20, 3000))
        .with("onnx/model.onnx_data", noise(21, 5000))
        .with("onnx/model_q4.onnx", noise(22, 1000))
        .with("onnx/model_fp16.onnx", noise(23, 2000))
}

#[test]
fn one_variant_is_pulled_with_its_weights_and_another_one_replaces_it() {
    let remote = Remote::start();
    remote.put("o/n", variants());
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = pull(&hub, "o/n");
    assert_eq!((job.state, job.variant.as_deref()), (JobState::Completed, Some("model_q4")), "{job:?}");
    assert!(job.reason.unwrap().contains("4-bit weights"));
    let target = models.path().join("o/n");
    assert_eq!(files(&target), ["config.json", "onnx/model_q4.onnx", "tokenizer.json"]);

    // The files beside the ONNX files are taken from what is there.
    let before = remote.served();
    assert_eq!(pull(&hub, "o/n:model").state, JobState::Completed);
    assert_eq!(remote.served() - before, 8000);
    assert_eq!(files(&target), ["config.json", "onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json"]);
    assert_eq!(hub.origin("o/n").unwrap().variant, "model");

    let error = failure(&hub, "o/n:q5");
    assert!(matches!(&error, BackendError::InvalidInput { field, .. } if field == "variant"), "{error:?}");
    assert_says(&error, &["`model` (8.0 kB)", "`model_q4` (1.0 kB)", "`model_fp16` (2.0 kB)"]);
    assert_eq!(hub.origin("o/n").unwrap().variant, "model", "the model that was there stays");
    // Without a name what is there is up to date.
    let before = remote.served();
    assert_eq!(pull(&hub, "o/n").variant.as_deref(), Some("model"));
    assert_eq!(remote.served(), before);
}

#[test]
fn what_lies_in_hugging_faces_cache_is_not_fetched() {
    let remote = Remote::start();
    remote.put("o/n", variants());
    let home = tempfile::tempdir().unwrap();
    let blobs = home.path().join("models--o--n/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let graph = noise(22, 1000);
    fs::write(blobs.join(sha256(&graph)), &graph).unwrap();
    fs::write(blobs.join(git_blob(b"{}")), "{}").unwrap();
    // One that is damaged is not believed.
    let config = br#"{"architectures": ["LlamaForCausalLM"]}"#;
    let mut damaged = config.to_vec();
    damaged[0] = b'[';
    fs::write(blobs.join(git_blob(config)), damaged).unwrap();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), HubOptions { cache: Some(home.path().to_owned()), ..options(&remote) });
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(remote.served(), config.len() as u64);
    assert_eq!(fs::read(models.path().join("o/n/onnx/model_q4.onnx")).unwrap(), graph);
    assert_eq!(fs::read(models.path().join("o/n/config.json")).unwrap(), config);
}

#[test]
fn contents_that_are_the_same_are_fetched_once() {
    let remote = Remote::start();
    let one = noise(30, 100_000);
    remote.put(
        "o/n",
        variants().with("vocab.json", one.clone()).with("merges.txt", one.clone()).with("vocab.txt", ""),
    );
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = pull(&hub, "o/n");
    assert_eq!((job.state, job.bytes), (JobState::Completed, job.total), "{job:?}");
    assert_eq!(job.total - remote.served(), 100_000);
    for name in ["vocab.json", "merges.txt"] {
        assert_eq!(fs::read(models.path().join("o/n").join(name)).unwrap(), one);
    }
    assert_eq!(fs::read(models.path().join("o/n/vocab.txt")).unwrap(), b"");
}

#[test]
fn a_new_commit_replaces_the_model_and_a_damaged_one_is_mended() {
    let remote = Remote::start();
    remote.put("o/n", variants());
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let first = pull(&hub, "o/n").commit.unwrap();
    let graph = models.path().join("o/n/onnx/model_q4.onnx");
    fs::write(&graph, "cut").unwrap();
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(fs::read(&graph).unwrap(), noise(22, 1000));

    remote.put("o/n", variants().with("onnx/model_q4.onnx", noise(24, 1500)));
    let second = pull(&hub, "o/n").commit.unwrap();
    assert_ne!(first, second);
    assert_eq!(fs::read(&graph).unwrap(), noise(24, 1500));
    assert_eq!(pull(&hub, &format!("o/n@{second}")).state, JobState::Completed);
    assert_says(&failure(&hub, &format!("o/n@{first}")), &["no such revision"]);
}

#[test]
fn a_model_that_is_damaged_and_keeps_its_sizes_is_mended() {
    let remote = Remote::start();
    remote.put("o/n", variants());
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    pull(&hub, "o/n");
    let graph = models.path().join("o/n/onnx/model_q4.onnx");
    let mut bytes = noise(22, 1000);
    bytes[500] ^= 1;
    fs::write(&graph, bytes).unwrap();
    let before = remote.served();
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(fs::read(&graph).unwrap(), noise(22, 1000));
    assert_eq!(remote.served() - before, 1000, "what is not damaged is not fetched");
}

#[test]
fn a_file_that_is_empty_now_leaves_what_shares_its_bytes() {
    let remote = Remote::start();
    remote.put("o/n", variants().with("vocab.txt", ""));
    let shared = tempfile::tempdir().unwrap();
    let blob = shared.path().join("blob");
    fs::write(&blob, "a vocabulary").unwrap();
    let models = tempfile::tempdir().unwrap();
    // An earlier pull that did not end had the file from the cache.
    let kept = models.path().join(".pull/o--n/files");
    fs::create_dir_all(&kept).unwrap();
    fs::hard_link(&blob, kept.join("vocab.txt")).unwrap();
    assert_eq!(pull(&hub(models.path(), options(&remote)), "o/n").state, JobState::Completed);
    assert_eq!(fs::read(models.path().join("o/n/vocab.txt")).unwrap(), b"");
    assert_eq!(fs::read(&blob).unwrap(), b"a vocabulary");
}

#[test]
fn a_crash_between_the_two_renames_is_put_right_by_the_next_start() {
    let remote = Remote::start();
    remote.put("o/n", embedder());
    let models = tempfile::tempdir().unwrap();
    assert_eq!(pull(&hub(models.path(), options(&remote)), "o/n").state, JobState::Completed);
    let (target, base) = (models.path().join("o/n"), models.path().join(".pull/o--n"));
    let there = files(&target);
    // The old one was moved aside, and then the process was killed.
    fs::create_dir_all(&base).unwrap();
    fs::rename(&target, base.join("old")).unwrap();
    let hub = hub(models.path(), options(&remote));
    assert_eq!(files(&target), there);
    // The new one was in its place, and the old one not yet deleted; and a model was being deleted.
    fs::create_dir_all(base.join("old/onnx")).unwrap();
    fs::create_dir_all(models.path().join(".pull/.gone-o--m/onnx")).unwrap();
    drop(hub);
    let hub = super::hub(models.path(), options(&remote));
    assert!(!base.join("old").exists() && !models.path().join(".pull/.gone-o--m").exists());
    assert_eq!(files(&target), there);
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
}

#[test]
fn a_model_that_this_runtime_cannot_serve_is_refused_before_its_weights_come() {
    let remote = Remote::start();
    let modules = r#"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Magic", "type": "sentence_transformers.models.Magic"}]"#;
    remote.put("o/n", embedder().with("modules.json", modules));
    let models = tempfile::tempdir().unwrap();
    let error = failure(&hub(models.path(), options(&remote)), "o/n");
    assert!(matches!(&error, BackendError::NotImplemented { .. }), "{error:?}");
    assert_eq!(remote.file_requests(), 0);
}
