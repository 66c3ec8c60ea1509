//! What the server keeps: responses and parameters over kills, one server a folder, failures that say the way out.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tabagent_tests::http::Response;
use tabagent_tests::server::{Server, command};
use tabagent_tests::{process, server};

/// A server whose data lies in this folder, which outlives it.
fn start(folder: &Path) -> Server {
    let folder = folder.to_str().unwrap();
    Server::start_in(tempfile::tempdir().unwrap(), &[], &[("TABAGENT_DATA_DIR", folder)])
}

/// What a server says that cannot start with the data in this folder; `doctor` says the same.
fn refused(folder: &Path) -> String {
    let data = tempfile::tempdir().unwrap();
    let mut command = command(&data, &["serve", "--port", "0"]);
    command.env("TABAGENT_DATA_DIR", folder);
    let output = process::run(command, server::START_DEADLINE);
    assert!(!output.success, "it starts: {}", output.shown());
    let mut doctor = tabagent_tests::server::command(&data, &["doctor", "--port", "0", "--json"]);
    doctor.env("TABAGENT_DATA_DIR", folder);
    let examined = process::run(doctor, server::START_DEADLINE);
    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "data folder").unwrap();
    assert!(!examined.success && check["state"] == "failed", "{}", examined.shown());
    let told = check["detail"].as_str().unwrap().split(" (").next().unwrap();
    assert!(output.stderr.contains(told), "{told}: {}", output.stderr);
    output.stderr
}

fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

#[test]
fn responses_and_parameters_outlive_a_kill_and_hold_afterwards() {
    let data = tempfile::tempdir().unwrap();
    let mut first = start(data.path());
    ok(first.post("/v1/params", &json!({ "temperature": 0, "max_tokens": 3 })));
    ok(first.post("/v1/params", &json!({ "model": "tabagent-chat", "max_tokens": 2 })));
    let asked = ok(first.post("/v1/responses", &json!({ "input": "Who are you?" })));
    first.signal("KILL");
    first.wait();

    let second = start(data.path());
    let id = asked["id"].as_str().unwrap();
    assert_eq!(ok(second.get(&format!("/v1/responses/{id}"))), asked);
    let params = ok(second.get("/v1/params?model=tabagent-chat"));
    assert_eq!(
        (&params["params"]["max_tokens"], &params["params"]["temperature"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(
        (&params["in_force"]["max_tokens"], &params["in_force"]["temperature"]),
        (&json!(2), &json!(0.0))
    );

    // A model's over the server's, a request's over both; the response says what was in force.
    assert_eq!(asked["usage"]["output_tokens"], 2);
    assert_eq!((&asked["temperature"], &asked["status"]), (&json!(0.0), &json!("incomplete")));
    let on = ok(second
        .post("/v1/responses", &json!({ "input": "Go on.", "previous_response_id": id, "temperature": 1 })));
    assert_eq!((&on["temperature"], &on["usage"]["output_tokens"]), (&json!(1.0), &json!(2)));
    let chat = json!({ "messages": [{ "role": "user", "content": "Who are you?" }] });
    assert_eq!(ok(second.post("/v1/chat/completions", &chat))["usage"]["completion_tokens"], 2);
    let longer = json!({ "messages": chat["messages"], "max_tokens": 4 });
    assert_eq!(ok(second.post("/v1/chat/completions", &longer))["usage"]["completion_tokens"], 4);

    // Without the first one the conversation cannot go on.
    ok(second.send("DELETE", &format!("/v1/responses/{id}"), &[], b""));
    let body = json!({ "input": "And?", "previous_response_id": on["id"] });
    let gone = second.post("/v1/responses", &body);
    assert_eq!(gone.status, 400);
    assert_eq!(gone.json()["error"]["code"], "previous_response_not_found");
    assert!(gone.json()["detail"].as_str().unwrap().contains(id), "{}", gone.text());
}

#[test]
fn one_server_uses_a_folder() {
    let data = tempfile::tempdir().unwrap();
    let _first = start(data.path());
    let said = refused(data.path());
    assert!(said.contains("used by another server") && said.contains("--data-dir"), "{said}");
}

#[test]
fn a_damaged_store_is_told_at_the_start_and_left_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tabagent.sqlite");
    fs::write(&file, "this is no database".repeat(500)).unwrap();
    let said = refused(data.path());
    assert!(said.contains("tabagent.sqlite is damaged; restore it from a backup"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "this is no database".repeat(500));
}

#[test]
fn a_folder_in_place_of_the_store_is_told() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("tabagent.sqlite")).unwrap();
    let said = refused(data.path());
    assert!(said.contains("tabagent.sqlite cannot be written"), "{said}");
}

#[test]
fn a_response_that_breaks_off_is_told_and_not_kept() {
    let server = Server::start(&["--generation-deadline", "1ms"]);
    let body = json!({ "input": "Tell me everything about this server.", "stream": true });
    let response = server.post("/v1/responses", &body);
    assert_eq!(response.status, 200);
    let text = response.text();
    let data: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let [.., failed, error] = &data[..] else { panic!("{text}") };
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed")),
        "{text}"
    );
    assert_eq!(failed["response"]["error"]["message"], error["error"]["message"]);
    assert_eq!(error["error"]["code"], "generation_timeout", "{text}");
    let id = failed["response"]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}")).status, 404);
}
