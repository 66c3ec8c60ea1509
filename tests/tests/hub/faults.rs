//! A network, a hub and a disk that fail: what can be mended is mended, and the rest is told by name.

use std::time::Duration;

use tabagent_runtime::BackendError;
use tabagent_runtime::hub::{HubOptions, JobState};
use tabagent_tests::hub::{Fault, Hub as Remote, Repository};

use super::{assert_says, assert_setting, embedder, failure, files, hub, large, options, pull};

/// A pull of two megabytes that succeeds in spite of the faults; bytes that were served, and its requests for contents.
fn in_spite_of(faults: &[Fault]) -> (u64, usize) {
    let remote = Remote::start();
    let repository = large(1, 2 << 20);
    remote.put("o/n", repository);
    remote.behave(|behaviour| behaviour.faults.extend(faults));
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = pull(&hub, "o/n");
    assert_eq!(job.state, JobState::Completed, "{job:?}");
    assert_eq!((job.bytes, job.bytes_per_second), (job.total, 0.0));
    let there = std::fs::read(models.path().join("o/n/onnx/model.onnx")).unwrap();
    assert_eq!(there, super::noise(1, 2 << 20));
    (remote.served(), remote.file_requests())
}

#[test]
fn what_is_cut_off_is_carried_on_where_it_was_cut() {
    let size = large(1, 2 << 20).size();
    let (served, requests) = in_spite_of(&[Fault::Cut(700_000), Fault::Cut(800_000)]);
    assert_eq!((served, requests), (size, 3), "nothing is fetched twice");
}

#[test]
fn what_stalls_is_carried_on_by_another_connection() {
    let size = large(1, 2 << 20).size();
    let (served, requests) = in_spite_of(&[Fault::Stall(1_000_000)]);
    assert_eq!((served, requests), (size, 2));
}

#[test]
fn a_server_that_fails_or_limits_is_asked_again() {
    in_spite_of(&[Fault::Status(503), Fault::Limited(1), Fault::Status(500)]);
}

#[test]
fn an_address_that_has_expired_is_asked_for_again() {
    in_spite_of(&[Fault::Cut(500_000), Fault::Status(403), Fault::None]);
}

#[test]
fn what_never_gets_better_is_told_and_kept() {
    let remote = Remote::start();
    remote.put("o/n", large(2, 3 << 20));
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), HubOptions { retries: 1, ..options(&remote) });
    for (fault, says) in [
        (Fault::Status(502), "status 502"),
        (Fault::Stall(0), "stalled: nothing arrived for 1 seconds"),
        (Fault::Cut(0), "onnx/model.onnx: the connection broke"),
    ] {
        remote.behave(|behaviour| behaviour.always = Some(fault));
        let error = failure(&hub, "o/n");
        assert_setting(&error, "hub-endpoint", &[says, "what has come is kept"]);
        assert!(files(models.path()).is_empty(), "nothing is half there");
    }
    remote.behave(|behaviour| behaviour.always = Some(Fault::Limited(1)));
    let error = failure(&hub, "o/n");
    assert!(
        matches!(&error, BackendError::ResourceLimitExceeded { retry_after, .. } if *retry_after == Duration::from_secs(1)),
        "{error:?}"
    );
    // A megabyte comes, and stays over a failure.
    remote.behave(|behaviour| {
        behaviour.always = Some(Fault::Status(500));
        behaviour.faults = [Fault::Cut(1 << 20)].into();
    });
    failure(&hub, "o/n");
    let before = remote.served();
    remote.behave(|behaviour| behaviour.always = None);
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(remote.served() - before, 2 << 20, "of the ONNX file only what was missing");
}

#[test]
fn a_hub_that_is_not_there_is_told() {
    let models = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let remote = Remote::start();
    let options = HubOptions { endpoint, retries: 1, ..options(&remote) };
    let error = failure(&hub(models.path(), options.clone()), "o/n");
    assert_setting(&error, "hub-endpoint", &["cannot be reached"]);
    let error = failure(&hub(models.path(), HubOptions { offline: true, ..options }), "o/n");
    assert_setting(&error, "HF_HUB_OFFLINE", &["nothing is pulled"]);
}

#[test]
fn a_wrong_checksum_is_refused_and_leaves_nothing() {
    let remote = Remote::start();
    let wrong = "a".repeat(64);
    let content = super::noise(3, 500_000);
    let repository = embedder().with_stated("onnx/model.onnx", content.clone(), content.len() as u64, &wrong);
    remote.put("o/n", repository);
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let error = failure(&hub, "o/n");
    assert!(matches!(error, BackendError::ModelCorrupted { .. }), "{error:?}");
    assert_says(
        &error,
        &["onnx/model.onnx", "wrong checksum", &wrong, &tabagent_tests::hub::sha256(&content)],
    );
    assert!(files(models.path()).is_empty());
    // So is one that was damaged on the way; the next pull takes what the hub states.
    remote.put("o/n", embedder());
    remote.behave(|behaviour| behaviour.faults.push_back(Fault::Damage));
    assert!(matches!(failure(&hub, "o/n"), BackendError::ModelCorrupted { .. }));
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
}

#[test]
fn what_a_disk_lost_of_an_earlier_pull_is_fetched_again() {
    let remote = Remote::start();
    remote.put("o/n", large(4, 2 << 20));
    remote.behave(|behaviour| {
        behaviour.faults = [Fault::Cut(1 << 20)].into();
        behaviour.always = Some(Fault::Status(500));
    });
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), HubOptions { retries: 0, ..options(&remote) });
    failure(&hub, "o/n");
    remote.behave(|behaviour| behaviour.always = None);
    let parts = models.path().join(".pull/o--n/parts");
    let part = std::fs::read_dir(parts).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.extension().is_some_and(|end| end == "part")).unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[..1000].fill(0);
    std::fs::write(&part, bytes).unwrap();
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(std::fs::read(models.path().join("o/n/onnx/model.onnx")).unwrap(), super::noise(4, 2 << 20));
}

#[test]
fn a_content_that_changes_between_two_pulls_starts_over() {
    let remote = Remote::start();
    remote.put("o/n", large(5, 2 << 20));
    remote.behave(|behaviour| {
        behaviour.faults = [Fault::Cut(1 << 20)].into();
        behaviour.always = Some(Fault::Status(500));
    });
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), HubOptions { retries: 0, ..options(&remote) });
    failure(&hub, "o/n");
    // Another ONNX file of the same size, and the same tokenizer.
    let changed = Repository::default()
        .with("config.json", r#"{"architectures": ["BertModel"], "model_type": "bert"}"#)
        .with("tokenizer.json", super::noise(6, 300_000))
        .with("onnx/model.onnx", super::noise(7, 2 << 20));
    remote.put("o/n", changed);
    remote.behave(|behaviour| behaviour.always = None);
    let before = remote.served();
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
    assert_eq!(remote.served() - before, 2 << 20, "the ONNX file whole, the others not again");
    assert_eq!(std::fs::read(models.path().join("o/n/onnx/model.onnx")).unwrap(), super::noise(7, 2 << 20));
}

#[test]
fn an_etag_that_is_not_what_was_listed_is_told() {
    let remote = Remote::start();
    remote.put("o/n", embedder());
    remote.behave(|behaviour| behaviour.etag = Some("b".repeat(64)));
    let models = tempfile::tempdir().unwrap();
    let error = failure(&hub(models.path(), options(&remote)), "o/n");
    assert!(matches!(error, BackendError::ModelCorrupted { .. }), "{error:?}");
    assert_says(&error, &["onnx/model.onnx", "now states", "changed while it was pulled"]);
    assert!(files(models.path()).is_empty() && remote.file_requests() <= 1);
}

#[test]
fn a_model_that_does_not_fit_on_the_disk_is_refused_with_the_numbers() {
    let remote = Remote::start();
    remote.put("o/n", embedder().with_stated("onnx/model.onnx", "x", 9_000_000_000_000_000, &"c".repeat(64)));
    let models = tempfile::tempdir().unwrap();
    let error = failure(&hub(models.path(), options(&remote)), "o/n");
    assert_setting(&error, "models-dir", &["9000000.00 GB more", "free", "--models-dir"]);
    assert_eq!(remote.file_requests(), 0, "nothing of it is fetched");
    assert!(files(models.path()).is_empty());
}
