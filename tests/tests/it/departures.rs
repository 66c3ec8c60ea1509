//! Clients that leave, and answers that are stopped: the work ends with them, and nothing of it stays.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::http::{Connection, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;

const JSON: &str = "application/json";
/// Tokens of an answer that nobody waits for: most of what the model takes.
const LONG: usize = 900;
/// Answers of one request that run side by side.
const SIDE_BY_SIDE: usize = 8;

/// A figure of the embedded decoder.
fn figure(server: &Server, name: &str) -> u64 {
    server.metric(&format!("tabagent_generation_{name}{{model=\"tabagent-chat\"}}"))
}

/// Waits until nothing is generated, nothing waits and every answer is accounted for.
fn settle(server: &Server) {
    for _ in 0..1500 {
        let over = ["ended_total", "cancelled_total", "timeouts_total", "failed_total"];
        let over: u64 = over.iter().map(|name| figure(server, name)).sum();
        if figure(server, "running") + figure(server, "waiting") == 0
            && over == figure(server, "answers_total")
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("something is left behind:\n{}", server.get("/metrics").text());
}

/// A request for answers that go on until they are as long as is asked for.
fn endless(stream: bool, answers: usize) -> Value {
    json!({
        "model": "tabagent-chat", "prompt": "The server", "max_tokens": LONG, "ignore_eos": true, "temperature": 1,
        "n": answers, "stream": stream,
    })
}

fn bytes(body: &Value, id: &str) -> Vec<u8> {
    let headers = [("content-type", JSON), ("x-request-id", id)];
    request("POST", "/v1/completions", &headers, body.to_string().as_bytes())
}

#[test]
fn a_client_that_leaves_ends_the_work() {
    let server = Server::start(&[]);
    for stream in [true, false] {
        let (begun, cancelled) = {
            // The model is loaded by the first request.
            let first = server.post("/v1/completions", &json!({ "prompt": "Hello", "max_tokens": 1 }));
            assert_eq!(first.status, 200, "{}", first.text());
            settle(&server);
            (figure(&server, "output_tokens_total"), figure(&server, "cancelled_total"))
        };
        let mut connection = server.connect();
        connection.send(&bytes(&endless(stream, SIDE_BY_SIDE), "leaves"));
        if stream {
            let (_, mut events) = connection.receive_events();
            events.next().unwrap();
            drop(events);
        } else {
            let is_under_way = (0..15_000).any(|_| {
                std::thread::sleep(Duration::from_millis(2));
                figure(&server, "output_tokens_total") > begun
            });
            assert!(is_under_way, "nothing is generated");
            drop(connection);
        }
        settle(&server);
        let after = figure(&server, "output_tokens_total");
        assert!(after - begun < (LONG * SIDE_BY_SIDE) as u64, "the answers were generated to their ends");
        assert_eq!(figure(&server, "cancelled_total"), cancelled + SIDE_BY_SIDE as u64);
        // It has ended for good.
        for _ in 0..5 {
            assert_eq!(figure(&server, "running"), 0);
            assert_eq!(figure(&server, "output_tokens_total"), after);
        }
        assert_eq!(server.get("/v1/halt").json()["data"], json!([]));
    }
}

#[test]
fn an_answer_that_is_stopped_by_its_id_ends_as_one_that_the_model_ended() {
    let server = Server::start(&[]);
    for (target, body) in [
        ("/v1/completions", endless(true, 2)),
        (
            "/v1/chat/completions",
            json!({
                "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": LONG, "stream": true,
                // Its special tokens do not come, so that it does not end by itself.
                "logit_bias": { "7165": -100, "7166": -100, "7167": -100 },
            }),
        ),
    ] {
        let mut connection = server.connect();
        let headers = [("content-type", JSON), ("x-request-id", "to-be-stopped")];
        connection.send(&request("POST", target, &headers, body.to_string().as_bytes()));
        let (head, mut events) = connection.receive_events();
        assert_eq!(head.header("x-request-id"), Some("to-be-stopped"));
        let first: Value = serde_json::from_str(&events.next().unwrap()).unwrap();
        assert_eq!(first["id"], "to-be-stopped");
        let listed = server.get("/v1/halt").json();
        assert_eq!(listed["data"][0]["request_id"], "to-be-stopped", "{listed}");

        let another = server.post("/v1/generation/stop", &json!({ "request_id": "another" }));
        assert_problem(&another, 404, "generation-not-found");
        let stopped = server.post("/v1/generation/stop", &json!({ "request_id": "to-be-stopped" }));
        assert_eq!(
            (stopped.status, stopped.json()),
            (200, json!({ "stopped": ["to-be-stopped"] })),
            "{}",
            stopped.text()
        );
        // What comes after is at most the turn that was under way: a prompt that was read, and a step of all.
        let answers = if body["n"] == 2 { 2 } else { 1 };
        let told = figure(&server, "output_tokens_total");
        let rest: Vec<String> = events.collect();
        settle(&server);
        assert!(figure(&server, "output_tokens_total") <= told + 1 + answers as u64);
        assert_eq!(rest.last().map(String::as_str), Some("[DONE]"));
        let reasons: Vec<Value> = rest[..rest.len() - 1]
            .iter()
            .map(|data| serde_json::from_str::<Value>(data).unwrap())
            .map(|chunk| chunk["choices"][0]["finish_reason"].clone())
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(reasons, vec![json!("stop"); answers]);
    }
    assert_eq!((figure(&server, "cancelled_total"), figure(&server, "ended_total")), (3, 0));
}

/// Leaves at some moment of a request.
fn leave(address: SocketAddr, random: &mut ChaCha8Rng) {
    let mut below = |most: usize| random.next_u32() as usize % most;
    let stream = below(2) == 0;
    let sent = bytes(&endless(stream, 1 + below(3)), "leaves");
    let mut connection = Connection::open(address);
    match below(6) {
        // Before it has said anything, or all of it.
        0 => {}
        1 => connection.send(&sent[..1 + below(sent.len() - 1)]),
        // Before the head of the response.
        2 => connection.send(&sent),
        // While the answer is generated, which may be waiting to be.
        3 => {
            connection.send(&sent);
            std::thread::sleep(Duration::from_millis(below(30) as u64));
        }
        // Within the answer, where there is a stream.
        _ => {
            connection.send(&bytes(&endless(true, 1), "leaves"));
            let (_, mut events) = connection.receive_events();
            for _ in 0..below(12) {
                events.next();
            }
        }
    }
}

/// So many clients, some of them at once.
fn departures(server: &Server, count: usize, seed: u64) {
    const TOGETHER: usize = 5;
    let address = server.address;
    std::thread::scope(|scope| {
        for thread in 0..TOGETHER {
            let mut random = ChaCha8Rng::seed_from_u64(seed + thread as u64);
            scope.spawn(move || (0..count / TOGETHER).for_each(|_| leave(address, &mut random)));
        }
    });
    settle(server);
    // A connection whose client is gone is closed; this one asks.
    for _ in 0..1500 {
        if server.metric("tabagent_open_connections") == 1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("connections stay open:\n{}", server.get("/metrics").text());
}

#[test]
#[cfg(target_os = "linux")]
fn five_hundred_clients_that_leave_leave_nothing_behind() {
    // Room for what is kept of earlier prompts is bounded, and the first clients fill it.
    let server = Server::start(&["--parallel", "4", "--cache", "8MiB", "--chat-queue", "128"]);
    let question = json!({
        "model": "tabagent-chat", "temperature": 0, "max_tokens": 24,
        "messages": [{ "role": "user", "content": "Who are you?" }],
    });
    let before = server.post("/v1/chat/completions", &question);
    assert_eq!(before.status, 200, "{}", before.text());
    departures(&server, 200, 1);
    let figures =
        |server: &Server| (server.metric("process_resident_memory_bytes"), server.metric("process_open_fds"));
    let (memory, files) = figures(&server);
    departures(&server, 500, 100);
    let (memory_after, files_after) = figures(&server);
    println!("{memory} and then {memory_after} bytes, {files} and then {files_after} files");
    // Sixteen kilobytes that each of them left would show.
    assert!(memory_after < memory + (8 << 20), "{memory} bytes before, {memory_after} after");
    // The connections that ask for the figures come and go as well; one that each client left would show.
    assert!(files_after < files + 8, "{files} files before, {files_after} after");
    assert_eq!(figure(&server, "failed_total"), 0);
    assert!(figure(&server, "cache_bytes") <= 8 << 20);

    // All rows are there: as many answers as there are rows decode together.
    let steps = figure(&server, "batch_rows_count");
    let all = json!({ "prompt": "x", "n": 4, "max_tokens": 20, "ignore_eos": true });
    let response = server.post("/v1/completions", &all);
    assert_eq!(response.status, 200, "{}", response.text());
    settle(&server);
    // Were one missing, the last answer would begin where the first one has ended.
    let taken = figure(&server, "batch_rows_count") - steps;
    assert!(taken < 2 * 19, "{taken} steps");
    let after = server.post("/v1/chat/completions", &question).json();
    assert_eq!(after["choices"], before.json()["choices"]);
}

/// A client that says that it sends nothing more still gets its answer, or is let go; either way nothing stays.
#[test]
fn a_client_that_closes_its_side_leaves_nothing_behind() {
    use std::io::{Read, Write};

    let server = Server::start(&[]);
    let first = server.post("/v1/completions", &json!({ "prompt": "Hello", "max_tokens": 1 }));
    assert_eq!(first.status, 200, "{}", first.text());
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    stream.write_all(&bytes(&endless(true, 1), "half")).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    settle(&server);
    assert_eq!(figure(&server, "failed_total"), 0);
}
