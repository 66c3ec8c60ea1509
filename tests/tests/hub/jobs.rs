//! Pulls as jobs: one download for all who ask, pause, resume, cancel, and bounds.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use tabagent_runtime::BackendError;
use tabagent_runtime::hub::{Hub, HubOptions, JobState};
use tabagent_tests::hub::{Fault, Hub as Remote};

use super::{files, hub, large, noise, options, pull, rest};

const SIZE: usize = 4 << 20;

/// A hub that needs a second for the model, and more for less.
fn slow() -> Remote {
    let remote = Remote::start();
    remote.put("o/n", large(10, SIZE));
    remote.behave(|behaviour| behaviour.speed = Some(4 << 20));
    remote
}

/// Waits until something of the ONNX file has come.
fn under_way(remote: &Remote) {
    let small = remote.served().max(400_000);
    for _ in 0..1000 {
        if remote.served() > small + 200_000 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nothing comes");
}

#[test]
fn twenty_who_ask_for_the_same_make_one_download() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let barrier = Barrier::new(20);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
                    assert_eq!(rest(&hub, &job.id).state, JobState::Completed);
                    job.id
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(remote.served(), large(10, SIZE).size(), "each byte once");
}

#[test]
fn a_pull_is_paused_and_goes_on_where_it_was() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
    under_way(&remote);
    let paused = hub.pause(&job.id).unwrap();
    assert_eq!(paused.state, JobState::Paused);
    assert!(paused.bytes > 300_000 && paused.bytes < paused.total, "{paused:?}");
    assert!(files(models.path()).is_empty());
    let resumed = hub.resume(&job.id).unwrap().unwrap();
    assert!(matches!(resumed.state, JobState::Queued | JobState::Running), "{resumed:?}");
    let done = rest(&hub, &job.id);
    assert_eq!((done.state, done.bytes), (JobState::Completed, done.total));
    let size = large(10, SIZE).size();
    assert!(remote.served() <= size + size / 5, "{} of {size}", remote.served());
    assert_eq!(std::fs::read(models.path().join("o/n/onnx/model.onnx")).unwrap(), noise(10, SIZE));
    // What has ended stays as it is.
    assert_eq!(hub.pause(&job.id).unwrap().state, JobState::Completed);
    assert_eq!(hub.cancel(&job.id).unwrap().state, JobState::Completed);
    assert_eq!(hub.resume(&job.id).unwrap().unwrap().state, JobState::Completed);
    assert!(hub.pause("pull_nobody").is_none() && hub.resume("pull_nobody").is_none());
}

#[test]
fn a_pull_that_was_paused_goes_on_when_somebody_asks_for_the_model() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
    under_way(&remote);
    hub.pause(&job.id);
    let again = hub.pull(&"o/n".parse().unwrap()).unwrap();
    assert_eq!(again.id, job.id);
    assert_eq!(rest(&hub, &job.id).state, JobState::Completed);
}

#[test]
fn a_pull_is_cancelled_while_it_runs_and_while_it_rests() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    for rests in [false, true] {
        let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
        under_way(&remote);
        if rests {
            hub.pause(&job.id);
        }
        assert_eq!(hub.cancel(&job.id).unwrap().state, JobState::Cancelled);
        assert!(!models.path().join(".pull/o--n").exists(), "what had come is gone");
        assert!(files(models.path()).is_empty());
    }
    remote.behave(|behaviour| behaviour.speed = None);
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
}

#[test]
fn one_model_is_pulled_one_way_at_a_time_and_not_by_two_processes() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
    under_way(&remote);
    let refused = |error: BackendError| {
        assert!(matches!(&error, BackendError::ResourceLimitExceeded { limit: 1, .. }), "{error:?}");
    };
    refused(hub.pull(&"o/n:model".parse().unwrap()).unwrap_err());
    // Another process is another hub on the same folder: the lock of the system is between them.
    let other = super::hub(models.path(), options(&remote));
    refused(super::failure(&other, "o/n"));
    hub.cancel(&job.id);
}

#[test]
fn pulls_that_wait_are_bounded() {
    let remote = slow();
    for index in 0..16 {
        remote.put(&format!("o/m{index}"), large(10, SIZE));
    }
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let jobs: Vec<_> =
        (0..16).map(|index| hub.pull(&format!("o/m{index}").parse().unwrap()).unwrap()).collect();
    let error = hub.pull(&"o/n".parse().unwrap()).unwrap_err();
    assert!(
        matches!(&error, BackendError::ResourceLimitExceeded { limit: 16, current: 16, .. }),
        "{error:?}"
    );
    under_way(&remote);
    let running = hub.jobs().iter().filter(|job| job.state == JobState::Running).count();
    assert_eq!(running, 2, "the others wait");
    for job in &jobs {
        assert_eq!(hub.cancel(&job.id).unwrap().state, JobState::Cancelled);
    }
    assert!(hub.pull(&"o/n".parse().unwrap()).is_ok());
    hub.close();
}

/// A hub behind an address whose first connection says nothing until something is sent to it, and then breaks: what a pull
/// cannot be stopped in.
fn held(remote: &Remote) -> (String, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (release, released) = std::sync::mpsc::channel();
    let address = remote.address;
    std::thread::spawn(move || {
        let first = listener.accept().unwrap();
        released.recv().ok();
        drop(first);
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(address).unwrap();
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                std::thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).ok();
                    to.shutdown(std::net::Shutdown::Both).ok();
                });
            }
        }
    });
    (endpoint, release)
}

/// A pull that is held, and runs.
fn begin_held(models: &Path, remote: &Remote) -> (Hub, String, std::sync::mpsc::Sender<()>) {
    let (endpoint, release) = held(remote);
    let options = HubOptions { endpoint, stall: Duration::from_secs(30), ..options(remote) };
    let hub = hub(models, options);
    let id = hub.pull(&"o/n".parse().unwrap()).unwrap().id;
    while hub.job(&id).unwrap().state == JobState::Queued {
        std::thread::sleep(Duration::from_millis(5));
    }
    (hub, id, release)
}

#[test]
fn who_resumes_or_pulls_while_a_pause_is_under_way_is_heard() {
    let remote = Remote::start();
    remote.put("o/n", large(10, 100_000));
    for again in [false, true] {
        let models = tempfile::tempdir().unwrap();
        let (hub, id, release) = begin_held(models.path(), &remote);
        assert_eq!(hub.pause(&id).unwrap().state, JobState::Running, "it cannot stop yet");
        let job = if again { hub.pull(&"o/n".parse().unwrap()) } else { hub.resume(&id).unwrap() };
        assert_eq!(job.unwrap().id, id);
        release.send(()).unwrap();
        assert_eq!(rest(&hub, &id).state, JobState::Completed);
    }
}

#[test]
fn a_cancel_that_is_under_way_is_not_taken_back() {
    let remote = Remote::start();
    remote.put("o/n", large(10, 100_000));
    let models = tempfile::tempdir().unwrap();
    let (hub, id, release) = begin_held(models.path(), &remote);
    assert_eq!(hub.cancel(&id).unwrap().state, JobState::Running, "it cannot stop yet");
    hub.pause(&id);
    for refused in [hub.pull(&"o/n".parse().unwrap()), hub.resume(&id).unwrap()] {
        super::assert_says(&refused.unwrap_err(), &[&id, "is being cancelled"]);
    }
    release.send(()).unwrap();
    assert_eq!(rest(&hub, &id).state, JobState::Cancelled);
    assert_eq!(pull(&hub, "o/n").state, JobState::Completed);
}

#[test]
fn a_pull_that_many_pause_and_resume_comes_to_its_end() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let id = hub.pull(&"o/n".parse().unwrap()).unwrap().id;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..20).for_each(|_| drop(hub.pause(&id))));
        scope.spawn(|| {
            for _ in 0..40 {
                hub.resume(&id).unwrap().unwrap();
                std::thread::sleep(Duration::from_millis(7));
            }
        });
    });
    hub.resume(&id).unwrap().unwrap();
    assert_eq!(rest(&hub, &id).state, JobState::Completed);
    assert_eq!(std::fs::read(models.path().join("o/n/onnx/model.onnx")).unwrap(), noise(10, SIZE));
}

#[test]
fn cancelling_a_pull_that_failed_leaves_what_a_newer_one_has() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), HubOptions { retries: 0, ..options(&remote) });
    remote.behave(|behaviour| behaviour.always = Some(Fault::Status(500)));
    let old = pull(&hub, "o/n");
    assert_eq!(old.state, JobState::Failed);
    remote.behave(|behaviour| behaviour.always = None);
    let new = hub.pull(&"o/n".parse().unwrap()).unwrap();
    assert_ne!(new.id, old.id);
    under_way(&remote);
    hub.pause(&new.id);
    super::assert_says(&hub.resume(&old.id).unwrap().unwrap_err(), &[&new.id, "is paused"]);
    assert_eq!(hub.cancel(&old.id).unwrap().state, JobState::Cancelled);
    assert!(models.path().join(".pull/o--n/parts").is_dir());
    hub.resume(&new.id).unwrap().unwrap();
    assert_eq!(rest(&hub, &new.id).state, JobState::Completed);
}

#[test]
fn pulls_that_are_paused_leave_room_for_others_and_have_their_own_bound() {
    let remote = slow();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    let mut paused = Vec::new();
    for index in 0..32 {
        let name = format!("o/m{index}");
        remote.put(&name, large(10, SIZE));
        let job = hub.pull(&name.parse().unwrap()).unwrap();
        assert_eq!(hub.pause(&job.id).unwrap().state, JobState::Paused);
        paused.push(job.id);
    }
    let error = hub.pull(&"o/n".parse().unwrap()).unwrap_err();
    super::assert_says(&error, &["32 pulls are paused", &paused[0], "o/m0", "resume or cancel"]);
    let error = hub.pull(&"o/m3:model".parse().unwrap()).unwrap_err();
    super::assert_says(&error, &["`o/m3` is paused", &paused[3], "cancel"]);
    hub.cancel(&paused[0]);
    let job = hub.pull(&"o/n".parse().unwrap()).unwrap();
    hub.cancel(&job.id);
}

#[test]
fn a_pull_of_what_there_is_not_leaves_nothing() {
    let remote = Remote::start();
    let models = tempfile::tempdir().unwrap();
    super::failure(&hub(models.path(), options(&remote)), "o/n");
    assert!(!models.path().join("o").exists());
    if cfg!(unix) {
        assert_eq!(std::fs::read_dir(models.path().join(".pull")).unwrap().count(), 0);
    }
}
