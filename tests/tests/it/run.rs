//! `tabagent run`: a conversation on a terminal, and one answer in a pipe.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tabagent_tests::server::{START_DEADLINE, Server, command, run};
use tabagent_tests::{process, workspace};

#[test]
fn a_person_chats_on_a_terminal() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command
        .arg(workspace::root().join("scripts/clients/terminal.py"))
        .arg(workspace::tabagent())
        .arg(data.path());
    let output = process::run(command, Duration::from_secs(5 * 60));
    assert!(output.success, "{}", output.shown());
}

#[test]
fn one_answer_is_that_of_the_api_and_nothing_else_is_written() {
    let output =
        run(&["run", "tabagent-chat", "Who", "are", "you?", "--temperature", "0", "--system", "Be kind."]);
    assert!(output.success, "{}", output.shown());
    let server = Server::start(&[]);
    let answer = server.post(
        "/v1/chat/completions",
        &json!({
            "temperature": 0,
            "messages": [{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "Who are you?" }],
        }),
    );
    let answer = answer.json();
    assert_eq!(output.stdout.trim_end(), answer["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(output.stderr, "");
}

#[test]
fn a_session_is_that_of_the_server() {
    let data = tempfile::tempdir().unwrap();
    let ask = |question: &str| {
        let arguments = ["run", "tabagent-chat", question, "--temperature", "0", "--session", "s"];
        process::run(command(&data, &arguments), START_DEADLINE)
    };
    let answer = |question: &str| {
        let output = ask(question);
        assert!(output.success, "{}", output.shown());
        assert_eq!(output.stderr, "");
        output.stdout.trim_end().to_owned()
    };
    let first = answer("Who are you?");
    let second = answer("And what can you do?");
    let folder = data.path().to_str().unwrap();
    let server = Server::start_in(tempfile::tempdir().unwrap(), &[], &[("TABAGENT_DATA_DIR", folder)]);
    let history = server.get("/v1/sessions/s/history").json();
    let said: Vec<&str> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["Who are you?", &first, "And what can you do?", &second]);
    let messages = ["user", "assistant", "user"].iter().zip(&said);
    let messages: Vec<_> = messages.map(|(role, text)| json!({ "role": role, "content": text })).collect();
    let whole =
        server.post("/v1/chat/completions", &json!({ "temperature": 0, "messages": messages })).json();
    assert_eq!(whole["choices"][0]["message"]["content"], second);

    // Not beside a server, whose store it is.
    let refused = ask("And?");
    assert!(!refused.success && refused.stderr.contains("is used by another server"), "{}", refused.shown());
}

#[test]
fn a_session_that_is_too_long_goes_on_with_its_last_messages() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let server = Server::start_in(tempfile::tempdir().unwrap(), &[], &[("TABAGENT_DATA_DIR", folder)]);
    for role in ["user", "assistant", "user", "assistant"] {
        let message = json!({ "role": role, "content": "many words of a long story ".repeat(60) });
        assert_eq!(server.post("/v1/sessions/s/messages", &message).status, 201);
    }
    drop(server);
    let ask = |more: &[&str]| {
        let arguments = ["run", "tabagent-chat", "Who are you?", "--temperature", "0", "--session", "s"];
        process::run(command(&data, &[&arguments[..], more].concat()), START_DEADLINE)
    };
    let output = ask(&[]);
    assert!(!output.success && output.stderr.contains("history_limit"), "{}", output.shown());
    let output = ask(&["--history-limit", "0"]);
    assert!(output.success, "{}", output.shown());
    let alone = ["run", "tabagent-chat", "Who are you?", "--temperature", "0"];
    assert_eq!(output.stdout, run(&alone).stdout);
}

#[test]
fn what_cannot_be_answered_is_said() {
    for (arguments, words) in [
        (&["run", "nobody/nothing", "hello"][..], "nobody/nothing"),
        (&["run", "tabagent-embed", "hello"], "choose a chat model"),
        (&["run"], "stdin holds no question"),
        (&["run", "--temperature", "hot"], "`hot` is no value of temperature"),
        (&["run", "tabagent-chat", "hello", "--temperature", "3"], "temperature"),
        (&["run", "tabagent-chat", "hello", "--session", "../secrets"], "--session"),
    ] {
        let output = run(arguments);
        assert_eq!((output.code, &*output.stdout), (Some(1), ""), "{}", output.shown());
        assert!(output.stderr.contains(words), "{}", output.shown());
    }
}
