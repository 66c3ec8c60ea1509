//! Models in memory: who stays, who leaves, and what requests see of it. The real binary with the fixtures.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::http::{Events, Response, exchange, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::process::{self, until};
use tabagent_tests::server::{START_DEADLINE, Server, command};
use tabagent_tests::workspace;

/// Three of a kind.
const MODELS: [&str; 3] = ["bert-cls", "bert-mean", "xlmr-mean"];
const CLIENTS: usize = 16;
const CHANGES: usize = 200;

fn server(arguments: &[&str]) -> Server {
    let fixtures = workspace::root().join("tabagent-runtime/tests/fixtures");
    Server::start(&[&["--models-dir", fixtures.to_str().unwrap()], arguments].concat())
}

fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn post(address: SocketAddr, target: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json")];
    exchange(address, "POST", target, &headers, body.to_string().as_bytes())
}

fn embed(address: SocketAddr, model: &str) -> Response {
    post(address, "/v1/embeddings", &json!({ "model": model, "input": "a river", "truncate": true }))
}

/// Ids of the models in memory.
fn loaded(address: SocketAddr) -> Vec<String> {
    let list = ok(exchange(address, "GET", "/v1/models/loaded", &[], b""));
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["model_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether a response is a refusal that says that there is no room now, and when to try again.
fn is_overload(response: &Response) -> bool {
    let overload = response.status == 429 || response.status == 503;
    overload && response.header("retry-after").is_some()
}

#[test]
fn models_come_and_go_under_load() {
    let server = server(&["--max-loaded", "2", "--keep-alive", "forever"]);
    let expected: Vec<Value> =
        MODELS.iter().map(|model| ok(embed(server.address, model))["data"].clone()).collect();
    // What the first clients bring is the server's own: threads, their memory, tables that grow once.
    storm(&server, CHANGES, &expected);
    ok(server.post("/v1/models/unload", &json!({})));
    let before = server.metric("process_resident_memory_bytes");

    let (answers, overloads) = storm(&server, CHANGES, &expected);
    let evictions = server.metric("tabagent_model_evictions_total{reason=\"room\"}");
    println!("{answers} answers, {overloads} overloads, {evictions} evictions");
    assert!(answers > CHANGES && overloads * 10 < answers, "{answers} answers, {overloads} overloads");

    ok(server.post("/v1/models/unload", &json!({})));
    assert!(loaded(server.address).is_empty());
    let mut after = 0;
    until("memory is back within 5 % of where it began", || {
        after = server.metric("process_resident_memory_bytes");
        after as f64 <= before as f64 * 1.05
    });
    println!("memory: {before} bytes before, {after} after");
}

/// Clients use models at random while two of them bring models and take them away, so often in all. How many were answered,
/// and how many were told to come again.
fn storm(server: &Server, until: usize, expected: &[Value]) -> (usize, usize) {
    let (changes, answers, overloads, over) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let address = server.address;
            let (changes, answers, overloads, over) = (&changes, &answers, &overloads, &over);
            scope.spawn(move || {
                let mut random = ChaCha8Rng::seed_from_u64(client as u64);
                while !over.load(Relaxed) {
                    let at = random.next_u32() as usize % MODELS.len();
                    // Two of the clients bring models and take them away, the others use them.
                    let response = match (client, random.next_u32() % 2) {
                        (0 | 1, kind) => {
                            over.fetch_or(changes.fetch_add(1, Relaxed) + 1 >= until, Relaxed);
                            let target = if kind == 0 { "/v1/models/load" } else { "/v1/models/unload" };
                            post(address, target, &json!({ "model_id": MODELS[at] }))
                        }
                        _ => {
                            let response = embed(address, MODELS[at]);
                            if response.status == 200 {
                                answers.fetch_add(1, Relaxed);
                                assert_eq!(response.json()["data"], expected[at], "{}", MODELS[at]);
                            }
                            response
                        }
                    };
                    match response.status {
                        200 => {}
                        _ if is_overload(&response) => _ = overloads.fetch_add(1, Relaxed),
                        _ => panic!("{}: {}", MODELS[at], response.text()),
                    }
                    let models = loaded(address).into_iter().filter(|id| MODELS.contains(&&**id)).count();
                    assert!(models <= 2, "{models} models where two may be");
                }
            });
        }
    });
    (answers.load(Relaxed), overloads.load(Relaxed))
}

/// Copies a model of the fixtures.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_damaged_model_cools_down_until_its_files_change() {
    let models = tempfile::tempdir().unwrap();
    let fixture = workspace::root().join("tabagent-runtime/tests/fixtures/bert-mean");
    copy(&fixture, &models.path().join("m"));
    let graph = models.path().join("m/onnx/model.onnx");
    let whole = std::fs::read(&graph).unwrap();
    std::fs::write(&graph, &whole[..whole.len() / 2]).unwrap();
    let server = Server::start(&["--models-dir", models.path().to_str().unwrap()]);

    let first =
        assert_problem(&server.post("/v1/models/load", &json!({ "model_id": "m" })), 422, "model-corrupted");
    assert!(!first["detail"].as_str().unwrap().contains("is again in"), "{first}");
    let second = assert_problem(&embed(server.address, "m"), 422, "model-corrupted");
    assert!(second["detail"].as_str().unwrap().contains("is again in"), "{second}");
    assert_eq!(server.metric("tabagent_model_loads_total{outcome=\"failed\"}"), 1);
    // Others are served all the while.
    ok(embed(server.address, "tabagent-embed"));
    std::fs::write(&graph, &whole).unwrap();
    ok(embed(server.address, "m"));
}

#[test]
fn a_model_leaves_once_its_time_is_over() {
    let server = server(&["--keep-alive", "forever"]);
    let load = ok(server.post("/v1/models/load", &json!({ "model_id": "bert-cls", "keep_alive": 0 })));
    assert_eq!((&load["keep_alive"], &load["status"]), (&json!("0"), &json!("loaded")));
    // It was loaded for whoever comes, and leaves after the first one.
    assert_eq!(loaded(server.address), ["bert-cls"]);
    ok(embed(server.address, "bert-cls"));
    until("bert-cls has left", || loaded(server.address).is_empty());

    ok(embed(server.address, "bert-mean"));
    let short = json!({ "model_id": "bert-mean", "keep_alive": "50ms" });
    assert_eq!(ok(server.post("/v1/models/load", &short))["status"], "already_loaded");
    until("bert-mean has left", || loaded(server.address).is_empty());
    assert_eq!(server.metric("tabagent_model_evictions_total{reason=\"idle\"}"), 2);

    // One that was used and is kept for no time stays for whoever asked for that, and leaves after the next one.
    ok(embed(server.address, "bert-mean"));
    let none = json!({ "model_id": "bert-mean", "keep_alive": 0 });
    assert_eq!(ok(server.post("/v1/models/load", &none))["state"], "ready");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(loaded(server.address), ["bert-mean"]);
    ok(embed(server.address, "bert-mean"));
    until("bert-mean has left again", || loaded(server.address).is_empty());

    // One that is pinned stays.
    let pinned = json!({ "model_id": "bert-mean", "keep_alive": 0, "pinned": true });
    assert_eq!(ok(server.post("/v1/models/load", &pinned))["expires"], Value::Null);
    ok(embed(server.address, "bert-mean"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(loaded(server.address), ["bert-mean"]);
}

#[test]
fn what_a_model_did_counts_after_it_has_left() {
    let server = server(&[]);
    let chat = json!({ "model": "tabagent-chat", "prompt": "Hello", "max_tokens": 4 });
    ok(server.post("/v1/completions", &chat));
    ok(embed(server.address, "bert-mean"));
    let stats = ok(server.get("/v1/stats"));
    assert!(stats["requests"] == 1 && stats["last"]["model"] == "tabagent-chat", "{stats}");
    let embedded = "tabagent_model_requests_total{model=\"bert-mean\"}";
    assert_eq!(server.metric(embedded), 1);
    ok(server.post("/v1/models/unload", &json!({})));
    assert_eq!(ok(server.get("/v1/stats")), stats);
    ok(server.post("/v1/completions", &chat));
    ok(embed(server.address, "bert-mean"));
    assert_eq!(ok(server.get("/v1/stats"))["requests"], 2);
    assert_eq!(server.metric(embedded), 2);
}

#[test]
fn a_load_that_cannot_be_leaves_what_serves() {
    let server = server(&[]);
    ok(server.post("/v1/load", &json!({ "model_id": "tabagent-chat", "pinned": true })));
    let there = ok(server.get("/v1/models/loaded"))["data"][0].clone();
    for wish in [
        json!({ "model_id": "tabagent-chat", "variant": "nonsense" }),
        json!({ "model_id": "tabagent-chat", "device": "cuda" }),
        json!({ "model_id": "tabagent-chat", "context_length": 100_000_000 }),
    ] {
        let refused = server.post("/v1/load", &wish);
        assert_eq!(refused.status, 400, "{wish}: {}", refused.text());
        let now = &ok(server.get("/v1/models/loaded"))["data"][0];
        assert!(now["pinned"] == true && now["load_seconds"] == there["load_seconds"], "{wish}: {now}");
    }
    // What it is already is no reason to load it again.
    for wish in [
        json!({ "model_id": "tabagent-chat", "device": "cpu" }),
        json!({ "model_id": "tabagent-chat", "context_length": there["context_length"] }),
    ] {
        let answer = ok(server.post("/v1/load", &wish));
        assert_eq!(
            (&answer["status"], &answer["state"]),
            (&json!("already_loaded"), &json!("ready")),
            "{wish}"
        );
    }
}

#[test]
fn a_model_that_is_deleted_under_requests_is_not_found_and_never_damaged() {
    let models = tempfile::tempdir().unwrap();
    copy(&workspace::root().join("tabagent-runtime/tests/fixtures/bert-mean"), &models.path().join("m"));
    let server = Server::start(&["--models-dir", models.path().to_str().unwrap()]);
    ok(server.post("/v1/models/select", &json!({ "model_id": "m" })));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let response = embed(server.address, "m");
                    if response.status != 200 {
                        assert_problem(&response, 404, "model-not-found");
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        let deleted = server.send("DELETE", "/v1/delete?model_id=m", &[], b"");
        over.store(true, Relaxed);
        assert_eq!(deleted.status, 200, "{}", deleted.text());
    });
    assert_problem(&embed(server.address, "m"), 404, "model-not-found");
    assert!(!loaded(server.address).contains(&"m".to_owned()));
    // It was chosen to serve requests that name none: the server's own does again.
    assert_eq!(server.get("/ready").status, 200);
    ok(server.post("/v1/embeddings", &json!({ "input": "hello" })));
}

#[test]
fn a_pinned_model_is_in_the_way_until_it_is_not() {
    let server = server(&["--max-loaded", "1"]);
    ok(server.post("/v1/load", &json!({ "model_id": "bert-cls", "pinned": true })));
    let refused = assert_problem(&embed(server.address, "bert-mean"), 429, "resource-limit-exceeded");
    assert!(refused["detail"].as_str().unwrap().contains("1 of 1"), "{refused}");
    // Another kind has room of its own.
    let rank = json!({ "model": "bert-cross", "query": "a", "documents": ["b"] });
    ok(server.post("/v1/rerank", &rank));
    ok(server.post("/v1/load", &json!({ "model_id": "bert-cls", "pinned": false })));
    ok(embed(server.address, "bert-mean"));
    assert_eq!(loaded(server.address), ["bert-cross", "bert-mean"]);
}

#[test]
fn too_little_memory_is_told_with_the_numbers() {
    let server = server(&["--memory-limit", "1MiB"]);
    let refused = assert_problem(&embed(server.address, "bert-mean"), 503, "out-of-memory");
    assert!(refused["detail"].as_str().unwrap().contains("1048576 are available"), "{refused}");
    let fits = ok(server.post("/v1/resources/compatibility", &json!({ "model_id": "bert-mean" })));
    assert_eq!((&fits["compatible"], &fits["variant"]), (&json!(false), &Value::Null), "{fits}");
    assert_eq!(ok(server.get("/v1/resources"))["memory"]["models_limit_bytes"], 1 << 20);
}

#[test]
fn without_autoload_a_model_is_loaded_first() {
    let server = server(&["--autoload", "no"]);
    let refused = assert_problem(&embed(server.address, "bert-mean"), 503, "model-not-loaded");
    assert!(refused["detail"].as_str().unwrap().contains("--autoload"), "{refused}");
    ok(server.post("/v1/load", &json!({ "model_id": "bert-mean" })));
    ok(embed(server.address, "bert-mean"));
}

/// A stream of some hundred tokens that has begun.
fn stream(server: &Server) -> Events {
    let body = json!({
        "model": "tabagent-chat", "prompt": "The server", "max_tokens": 900, "ignore_eos": true, "temperature": 1,
        "n": 8, "stream": true,
    });
    let mut connection = server.connect();
    let headers = [("content-type", "application/json")];
    connection.send(&request("POST", "/v1/completions", &headers, body.to_string().as_bytes()));
    let (head, mut events) = connection.receive_events();
    assert_eq!(head.status, 200);
    events.next().unwrap();
    events
}

#[test]
fn an_unload_waits_for_what_runs_or_ends_it_by_force() {
    let server = server(&[]);
    let events = stream(&server);
    assert_eq!(ok(server.get("/v1/resources/loaded-models"))["data"][0]["busy"], true);
    let left = ok(server.post("/v1/unload", &json!({ "model_id": "tabagent-chat" })));
    assert_eq!((left, loaded(server.address)), (json!({ "unloaded": ["tabagent-chat"] }), Vec::new()));
    let told: Vec<String> = events.collect();
    assert_eq!(told.last().unwrap(), "[DONE]");
    assert!(!told.iter().any(|event| event.contains("\"error\"")), "{told:?}");

    let events = stream(&server);
    ok(server.post("/v1/unload", &json!({ "model_id": "tabagent-chat", "force": true })));
    let told: Vec<String> = events.collect();
    let error = told.iter().find(|event| event.contains("\"error\"")).expect("the stream ends with an error");
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["code"], "model_not_loaded", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("unloaded"), "{error}");
    // Whoever comes afterwards has it loaded.
    ok(server.post("/v1/completions", &json!({ "prompt": "Hello", "max_tokens": 1 })));
}

#[test]
fn chosen_models_outlive_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let fixtures = workspace::root().join("tabagent-runtime/tests/fixtures");
    let start = || {
        let environment = [("TABAGENT_DATA_DIR", data.path().to_str().unwrap())];
        let arguments = ["--models-dir", fixtures.to_str().unwrap()];
        Server::start_in(tempfile::tempdir().unwrap(), &arguments, &environment)
    };
    let mut first = start();
    ok(first.post("/v1/models/select", &json!({ "model_id": "bert-mean" })));
    ok(first.post("/v1/models/select", &json!({ "model_id": "bert-cross" })));
    ok(first.post("/v1/models/select", &json!({ "model_id": "decoders/llama-gqa" })));
    first.signal("KILL");
    first.wait();
    let second = start();
    let input = json!({ "input": "hello" });
    assert_eq!(ok(second.post("/v1/embeddings", &input))["model"], "bert-mean");
    let rank = json!({ "query": "a", "documents": ["b"] });
    assert_eq!(ok(second.post("/v1/rerank", &rank))["model"], "bert-cross");
    let prompt = json!({ "prompt": "Hello", "max_tokens": 1 });
    assert_eq!(ok(second.post("/v1/completions", &prompt))["model"], "decoders/llama-gqa");
    ok(second.post("/v1/models/select", &json!({ "kind": "embedding" })));
    assert_eq!(ok(second.post("/v1/embeddings", &input))["model"], "tabagent-embed");
}

#[test]
fn the_commands_ask_the_server() {
    let fixtures = workspace::root().join("tabagent-runtime/tests/fixtures");
    let server = Server::start(&["--models-dir", fixtures.to_str().unwrap(), "--api-key", "a-key"]);
    let data = tempfile::tempdir().unwrap();
    let url = server.url();
    let run = |arguments: &[&str]| {
        let mut command = command(&data, arguments);
        command.args(["--url", &url]).env("TABAGENT_API_KEY", "a-key");
        process::run(command, START_DEADLINE)
    };
    let load = run(&["load", "bert-mean", "--keep-alive", "2h", "--pin"]);
    assert!(load.success && load.stderr.contains("bert-mean (model) is in memory"), "{}", load.shown());
    let list = run(&["ps"]);
    let row = list.stdout.lines().find(|line| line.starts_with("bert-mean")).unwrap();
    assert!(row.contains("ready") && row.contains("pinned"), "{row}");
    let list: Value = serde_json::from_str(&run(&["ps", "--json"]).stdout).unwrap();
    assert_eq!(list["data"][0]["keep_alive"], "2h");
    let unknown = run(&["load", "nobody/nothing"]);
    assert!(!unknown.success && unknown.stderr.contains("there is no model"), "{}", unknown.shown());
    let unload = run(&["unload", "bert-mean"]);
    assert!(unload.success && unload.stderr.contains("no longer in memory: bert-mean"), "{}", unload.shown());
    drop(server);
    let nobody = run(&["ps"]);
    assert!(!nobody.success && nobody.stderr.contains("--url"), "{}", nobody.shown());
}
