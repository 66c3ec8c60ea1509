//! `kill -9` at ten random moments of a pull of 200 MB, and a disk that takes no more: what came is used, nothing is half there.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::hub::{Hub as Remote, Repository};
use tabagent_tests::server::{self, Server};
use tabagent_tests::{http, process};

use super::{files, fixture, large, noise};

const SIZE: usize = 200_000_000;

fn start(data: &tempfile::TempDir, remote: &Remote) -> Child {
    let mut command = server::command(data, &["pull", "o/n"]);
    command.args(remote.flags()).env("HF_HOME", data.path().join("hf")).env_remove("HF_TOKEN");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_pull_that_is_killed_ten_times_fetches_hardly_more_than_the_model() {
    let remote = Remote::start();
    let repository = large(40, SIZE);
    let size = repository.size();
    remote.put("o/n", repository);
    // Four connections: the whole in some eight seconds.
    remote.behave(|behaviour| behaviour.speed = Some(6_000_000));
    let data = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let models = data.path().join("models");
    for kill in 0..10 {
        let mut child = start(&data, &remote);
        // A moment of the transfer: once so many bytes more have come, wherever in a piece that is.
        let until = remote.served() + 2_000_000 + u64::from(random.next_u32() % 26_000_000) / 2;
        while remote.served() < until {
            assert!(child.try_wait().unwrap().is_none(), "the pull ended before kill {kill}");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 50_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(files(&models).is_empty(), "something is half there after kill {kill}");
    }
    let mut child = start(&data, &remote);
    let code = process::wait(&mut child, Duration::from_secs(120));
    assert_eq!(code, Some(Some(0)), "the last pull");
    assert_eq!(fs::read(models.join("o/n/onnx/model.onnx")).unwrap(), noise(40, SIZE));
    assert!(!models.join(".pull/o--n").exists(), "nothing is left of it");
    let served = remote.served();
    let ratio = served as f64 / size as f64;
    println!("{served} bytes were served for {size}: {ratio:.4}");
    assert!(ratio <= 1.05, "{served} bytes for {size}: {ratio:.4}");
}

#[test]
fn a_server_that_is_killed_while_it_pulls_leaves_a_folder_that_the_next_one_uses() {
    let remote = Remote::start();
    remote.put("o/n", large(42, 8 << 20));
    remote.behave(|behaviour| behaviour.speed = Some(4 << 20));
    let flags = remote.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut data = tempfile::tempdir().unwrap();
    for kill in 0..3_u64 {
        let home = data.path().join("hf").display().to_string();
        let mut server = Server::start_in(data, &flags, &[("HF_HOME", home.as_str()), ("HF_TOKEN", "")]);
        let models = server.get("/v1/models").json();
        assert!(models["data"].as_array().unwrap().iter().all(|model| model["id"] != "o/n"), "{models}");
        assert_eq!(server.post("/v1/pull", &json!({ "model": "o/n" })).status, 202);
        let until = remote.served() + 500_000 + 400_000 * kill;
        while remote.served() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.signal("KILL");
        server.wait();
        data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
        assert!(files(&data.path().join("models")).is_empty());
    }
    remote.behave(|behaviour| behaviour.speed = None);
    let mut child = start(&data, &remote);
    assert_eq!(process::wait(&mut child, Duration::from_secs(60)), Some(Some(0)));
    assert_eq!(fs::read(data.path().join("models/o/n/onnx/model.onnx")).unwrap(), noise(42, 8 << 20));
    assert!(remote.served() < 12 << 20, "{} bytes for eight megabytes", remote.served());
}

/// What a server changes of its data and its models, cut off at any moment.
#[test]
fn a_server_that_is_killed_at_random_moments_leaves_what_the_next_one_accepts() {
    let remote = Remote::start();
    let versions = ["bert-mean", "bert-cls"].map(|name| Repository::of_folder(&fixture(name)));
    let flags = remote.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut data = tempfile::tempdir().unwrap();
    let (answered, asked) = (AtomicU64::new(0), AtomicU64::new(0));
    for kill in 0..15 {
        let home = data.path().join("hf").display().to_string();
        let mut server = Server::start_in(data, &flags, &[("HF_HOME", home.as_str()), ("HF_TOKEN", "")]);
        let models = server.get("/v1/models/registered").json();
        for model in models["data"].as_array().unwrap() {
            assert_eq!(model["problem"], Value::Null, "after kill {kill}: {models}");
        }
        assert_eq!(server.get("/ready").status, 200);
        if models["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["id"] == "o/n" && model["downloaded"] == true)
        {
            let embedded =
                server.post("/v1/embeddings", &json!({ "model": "o/n", "input": "a", "truncate": true }));
            assert_eq!(embedded.status, 200, "after kill {kill}: {}", embedded.text());
        }
        // The number that was answered last at least, or the one that was asked for after it.
        let kept = &server.get("/v1/params").json()["params"]["max_tokens"];
        let (from, to) = (answered.load(Relaxed), asked.load(Relaxed));
        assert!(
            (from..=to).contains(&kept.as_u64().unwrap_or(0)),
            "after kill {kill}: {kept} of {from} to {to}"
        );

        let over = AtomicBool::new(false);
        let address = server.address;
        let send = |method: &str, target: &str, body: &Value| {
            let headers = [("content-type", "application/json"), ("connection", "close")];
            let request = http::request(method, target, &headers, body.to_string().as_bytes());
            status_of(address, &request).ok()
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let number = asked.fetch_add(1, Relaxed) + 1;
                    if send("POST", "/v1/params", &json!({ "max_tokens": number })) == Some(200) {
                        answered.store(number, Relaxed);
                    }
                }
            });
            scope.spawn(|| {
                for turn in kill.. {
                    if over.load(Relaxed) {
                        break;
                    }
                    remote.put("o/n", versions[turn % 2].clone());
                    send("POST", "/v1/pull", &json!({ "model": "o/n", "stream": true }));
                    send("POST", "/v1/models/select", &json!({ "model_id": "o/n" }));
                    if turn % 3 == 0 {
                        send("DELETE", "/v1/delete?model_id=o/n", &Value::Null);
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(u64::from(random.next_u32() % 700)));
            server.signal("KILL");
            server.wait();
            over.store(true, Relaxed);
        });
        data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
    }
}

/// The status of an answer that came whole, from a server that may be gone.
fn status_of(address: SocketAddr, request: &[u8]) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other(answer))
}

/// A limit on the size of files stands for a disk that is full: writing fails in the middle.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_is_told_and_what_came_is_used_later() {
    let remote = Remote::start();
    remote.put("o/n", large(41, 6 << 20));
    let data = tempfile::tempdir().unwrap();
    let mut limited = std::process::Command::new("bash");
    // In units of 1024 bytes; the signal is ignored, so that the write fails as on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 3000; exec \"$@\"", "bash"]);
    limited.arg(tabagent_tests::workspace::tabagent()).args(["pull", "o/n"]).args(remote.flags());
    limited
        .env("TABAGENT_DATA_DIR", data.path())
        .env("HF_HOME", data.path().join("hf"))
        .env_remove("HF_TOKEN");
    let output = process::run(limited, Duration::from_secs(60));
    assert!(!output.success, "{}", output.shown());
    assert!(
        output.stderr.contains("setting `models-dir`") && output.stderr.contains("cannot be written"),
        "{}",
        output.shown()
    );
    assert!(files(&data.path().join("models")).is_empty());
    let mut child = start(&data, &remote);
    assert_eq!(process::wait(&mut child, Duration::from_secs(60)), Some(Some(0)));
    assert_eq!(fs::read(data.path().join("models/o/n/onnx/model.onnx")).unwrap(), noise(41, 6 << 20));
}
