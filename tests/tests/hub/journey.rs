//! The way that works: a pull with the program or over HTTP, a model that then embeds, and its end.

use serde_json::{Value, json};
use tabagent_tests::hub::{Hub as Remote, Repository};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::process::until;
use tabagent_tests::server::{self, START_DEADLINE, Server};
use tabagent_tests::{http, process};

use super::{embedder, files, fixture, large};

fn flags(remote: &Remote) -> Vec<String> {
    remote.flags().to_vec()
}

/// Runs the program with the flags of the hub.
fn tabagent(data: &tempfile::TempDir, remote: &Remote, arguments: &[&str]) -> process::Output {
    let mut command = server::command(data, arguments);
    command.args(flags(remote)).env("HF_HOME", data.path().join("hf")).env_remove("HF_TOKEN");
    process::run(command, START_DEADLINE)
}

fn serve(data: tempfile::TempDir, remote: &Remote) -> Server {
    let flags = flags(remote);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let home = data.path().join("hf").display().to_string();
    Server::start_in(data, &flags, &[("HF_HOME", home.as_str()), ("HF_TOKEN", "")])
}

/// Asserts that a model embeds as its reference says.
fn assert_embeds(server: &Server, id: &str) {
    let text = std::fs::read_to_string(fixture("bert-mean").join("reference.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let texts = reference["texts"].as_array().unwrap();
    let at = texts.iter().position(|text| !text.as_str().unwrap().is_empty()).unwrap();
    let response =
        server.post("/v1/embeddings", &json!({ "model": id, "input": texts[at], "truncate": true }));
    assert_eq!(response.status, 200, "{}", response.text());
    let body = response.json();
    let given = body["data"][0]["embedding"].as_array().unwrap();
    let wanted = reference["cases"][0]["vectors"][at].as_array().unwrap();
    for (given, wanted) in given.iter().zip(wanted) {
        assert!((given.as_f64().unwrap() - wanted.as_f64().unwrap()).abs() < 1e-4);
    }
}

#[test]
fn a_model_is_pulled_with_the_program_listed_served_and_removed() {
    let remote = Remote::start();
    remote.put("owner/name", embedder().with("pytorch_model.bin", "not wanted").with("train.py", "nor this"));
    let data = tempfile::tempdir().unwrap();

    let pulled = tabagent(&data, &remote, &["pull", "owner/name"]);
    assert!(pulled.success, "{}", pulled.shown());
    assert_eq!(pulled.stdout, "owner/name\n");
    assert!(pulled.stderr.contains("variant `model`: the only one"), "{}", pulled.stderr);
    let folder = data.path().join("models/owner/name");
    assert_eq!(
        files(&folder),
        [
            "1_Pooling/config.json",
            "2_Normalize/config.json",
            "config.json",
            "config_sentence_transformers.json",
            "modules.json",
            "onnx/model.onnx",
            "sentence_bert_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ]
    );
    // Nothing is fetched for what is there.
    let served = remote.served();
    assert!(tabagent(&data, &remote, &["pull", "owner/name", "--json"]).success);
    assert_eq!(remote.served(), served);

    let listed = tabagent(&data, &remote, &["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["id"] == "owner/name").unwrap();
    assert_eq!((&row["kind"], &row["problem"]), (&json!("embedding"), &Value::Null));
    assert_eq!(row["commit"].as_str().unwrap().len(), 40);

    let mut server = serve(data, &remote);
    assert_embeds(&server, "owner/name");
    // A server that may have it in memory is asked to delete it, whichever data folder it has.
    let elsewhere = tempfile::tempdir().unwrap();
    let models = server.data.path().join("models");
    for arguments in
        [&["rm", "owner/name"][..], &["rm", "owner/name", "--models-dir", models.to_str().unwrap()]]
    {
        let data = if arguments.len() == 2 { &server.data } else { &elsewhere };
        let refused = process::run(server::command(data, arguments), START_DEADLINE);
        assert!(
            !refused.success && refused.stderr.contains("`tabagent rm owner/name --url URL`"),
            "{}",
            refused.shown()
        );
    }
    server.signal("TERM");
    server.wait();

    let removed = process::run(server::command(&server.data, &["rm", "owner/name"]), START_DEADLINE);
    assert!(removed.success, "{}", removed.shown());
    assert!(!folder.exists() && !server.data.path().join("models/owner").exists());
    let again = process::run(server::command(&server.data, &["rm", "owner/name"]), START_DEADLINE);
    assert!(!again.success && again.stderr.contains("there is no model `owner/name`"), "{}", again.shown());
    let embedded = process::run(server::command(&server.data, &["rm", "tabagent-chat"]), START_DEADLINE);
    assert!(!embedded.success && embedded.stderr.contains("inside the program"), "{}", embedded.shown());
}

#[test]
fn the_commands_ask_a_server_where_one_is_named() {
    let remote = Remote::start();
    remote.put("owner/name", embedder());
    let server = serve(tempfile::tempdir().unwrap(), &remote);
    let (elsewhere, url) = (tempfile::tempdir().unwrap(), server.url());
    let run = |arguments: &[&str]| {
        let mut command = server::command(&elsewhere, arguments);
        command.args(["--url", &url]);
        process::run(command, START_DEADLINE)
    };
    let pulled = run(&["pull", "owner/name", "--json"]);
    assert!(pulled.success, "{}", pulled.shown());
    let last: Value = serde_json::from_str(pulled.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["state"], &last["model"]), (&json!("completed"), &json!("owner/name")));
    assert_embeds(&server, "owner/name");
    let listed = run(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["id"] == "owner/name").unwrap();
    assert_eq!((&row["loaded"], &row["downloaded"]), (&json!(true), &json!(true)));
    let unknown = run(&["pull", "owner/nothing"]);
    assert!(
        !unknown.success && unknown.stderr.contains("has no repository `owner/nothing`"),
        "{}",
        unknown.shown()
    );
    let double = run(&["list", "--models-dir", "elsewhere"]);
    assert!(!double.success && double.stderr.contains("--models-dir is not for --url"), "{}", double.shown());
    let removed = run(&["rm", "owner/name"]);
    assert!(removed.success, "{}", removed.shown());
    assert_eq!(server.get("/v1/models/owner/name").status, 404);
    let again = run(&["rm", "owner/name"]);
    assert!(!again.success && again.stderr.contains("there is no model `owner/name`"), "{}", again.shown());
}

#[test]
fn a_delete_that_cannot_be_leaves_what_serves() {
    let remote = Remote::start();
    remote.put("owner/name", embedder());
    let data = tempfile::tempdir().unwrap();
    assert!(tabagent(&data, &remote, &["pull", "owner/name"]).success);
    let server = serve(data, &remote);
    let load = json!({ "model_id": "owner/name", "pinned": true });
    assert_eq!(server.post("/v1/models/load", &load).status, 200);
    let as_before = |what: &str| {
        let loaded = server.get("/v1/models/loaded").json();
        let model = &loaded["data"][0];
        assert!(model["state"] == "ready" && model["pinned"] == true, "{what}: {loaded}");
    };
    let delete = || http::exchange(server.address, "DELETE", "/v1/delete?model_id=owner/name", &[], b"");

    let models = server.data.path().join("models");
    let second = Server::start(&["--models-dir", models.to_str().unwrap()]);
    let refused = delete();
    assert!(refused.status == 500 && refused.text().contains("another server"), "{}", refused.text());
    as_before("beside another server");
    drop(second);

    remote.put("owner/name", large(60, 4 << 20));
    remote.behave(|behaviour| behaviour.speed = Some(100_000));
    let job = server.post("/v1/pull", &json!({ "model": "owner/name" })).json();
    let job = format!("/v1/pull/{}", job["id"].as_str().unwrap());
    until("something of it has come", || server.get(&job).json()["bytes"].as_u64() > Some(0));
    assert_problem(&delete(), 429, "resource-limit-exceeded");
    as_before("while it is pulled");
    let paused = server.post(&format!("{job}/pause"), &json!({}));
    assert_eq!(paused.status, 200, "{}", paused.text());

    // It goes with what has come of the other pull.
    let listed = server.get("/v1/models/registered").json();
    let row = listed["data"].as_array().unwrap().iter().find(|row| row["id"] == "owner/name").unwrap();
    assert!(row["interrupted_bytes"].is_u64(), "{row}");
    assert_eq!(delete().status, 200);
    assert!(!models.join(".pull/owner--name").exists() && !models.join("owner").exists());
    assert_problem(&delete(), 404, "model-not-found");
}

#[test]
fn a_model_that_is_pulled_anew_beside_a_server_is_served_as_it_is_then() {
    let remote = Remote::start();
    remote.put("owner/name", embedder());
    let data = tempfile::tempdir().unwrap();
    assert!(tabagent(&data, &remote, &["pull", "owner/name"]).success);
    let server = serve(data, &remote);
    let load = json!({ "model_id": "owner/name", "keep_alive": "3h", "pinned": true });
    assert_eq!(server.post("/v1/models/load", &load).status, 200);
    let input = json!({ "model": "owner/name", "input": "hello" });
    let before = server.post("/v1/embeddings", &input).json();

    remote.put("owner/name", Repository::of_folder(&fixture("bert-cls")));
    assert!(tabagent(&server.data, &remote, &["pull", "owner/name"]).success);
    until("the newer one is served", || {
        let now = server.post("/v1/embeddings", &input);
        assert_eq!(now.status, 200, "{}", now.text());
        now.json()["data"] != before["data"]
    });
    let loaded = server.get("/v1/models/loaded").json();
    let model = &loaded["data"][0];
    assert_eq!((&model["keep_alive"], &model["pinned"]), (&json!("3h"), &json!(true)), "{loaded}");
}

#[test]
fn a_model_is_pulled_over_http_as_a_stream_and_as_a_job_and_deleted() {
    let remote = Remote::start();
    remote.put("owner/one", embedder());
    remote.put("owner/two", embedder());
    let server = serve(tempfile::tempdir().unwrap(), &remote);

    let mut connection = server.connect();
    let body = json!({ "model": "owner/one", "stream": true }).to_string();
    let headers = [("content-type", "application/json")];
    connection.send(&http::request("POST", "/v1/pull", &headers, body.as_bytes()));
    let (head, events) = connection.receive_events();
    assert_eq!(head.status, 202);
    let events: Vec<Value> = events.map(|data| serde_json::from_str(&data).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!(
        (&last["state"], &last["percent"], &last["variant"]),
        (&json!("completed"), &json!(100.0), &json!("model"))
    );
    assert_eq!(last["bytes"], last["total"]);
    assert_embeds(&server, "owner/one");

    let response = server.post("/v1/pull", &json!({ "model": "owner/two" }));
    assert_eq!(response.status, 202, "{}", response.text());
    let id = response.json()["id"].as_str().unwrap().to_owned();
    let job = loop {
        let job = server.get(&format!("/v1/pull/{id}")).json();
        if !["queued", "running"].contains(&job["state"].as_str().unwrap()) {
            break job;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert_eq!(job["state"], "completed", "{job}");
    let registered = server.get("/v1/models/registered").json();
    let two = registered["data"].as_array().unwrap().iter().find(|model| model["id"] == "owner/two").unwrap();
    assert_eq!(
        (&two["downloaded"], &two["variants"], &two["commit"]),
        (&json!(true), &json!(["model"]), &job["commit"])
    );

    let deleted = server.send("DELETE", "/v1/delete?model_id=owner%2Fone", &[], b"");
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (200, &json!(true)));
    let gone = server.post("/v1/embeddings", &json!({ "model": "owner/one", "input": "a" }));
    assert_problem(&gone, 404, "model-not-found");
    assert!(!server.data.path().join("models/owner/one").exists());
    assert_embeds(&server, "owner/two");
}

#[test]
fn a_stream_of_a_pull_that_fails_ends_with_why() {
    let remote = Remote::start();
    remote.put("owner/torch", Repository::default().with("config.json", "{}").with("pytorch_model.bin", "x"));
    let server = serve(tempfile::tempdir().unwrap(), &remote);
    for (model, code, says) in [
        ("nobody/nothing", "repository_not_found", "the hub has no repository `nobody/nothing`"),
        ("owner/torch", "invalid_value", "has no ONNX file"),
        ("owner/torch@v2", "invalid_value", "no such revision"),
    ] {
        let mut connection = server.connect();
        let body = json!({ "model": model, "stream": true }).to_string();
        connection.send(&http::request(
            "POST",
            "/v1/pull",
            &[("content-type", "application/json")],
            body.as_bytes(),
        ));
        let last: Value = serde_json::from_str(&connection.receive_events().1.last().unwrap()).unwrap();
        assert_eq!((&last["state"], &last["error"]["code"]), (&json!("failed"), &json!(code)), "{last}");
        assert!(last["error"]["message"].as_str().unwrap().contains(says), "{last}");
    }
    let data = tempfile::tempdir().unwrap();
    let failed = tabagent(&data, &remote, &["pull", "nobody/nothing"]);
    assert!(
        !failed.success && failed.stderr.contains("the hub has no repository `nobody/nothing`"),
        "{}",
        failed.shown()
    );
}
