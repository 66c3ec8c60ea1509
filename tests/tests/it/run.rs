//! `tabagent run`: a conversation on a terminal, and one answer in a pipe.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tabagent_tests::server::{Server, run};
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
fn what_cannot_be_answered_is_said() {
    for (arguments, words) in [
        (&["run", "nobody/nothing", "hello"][..], "nobody/nothing"),
        (&["run", "tabagent-embed", "hello"], "choose a chat model"),
        (&["run"], "stdin holds no question"),
        (&["run", "--temperature", "hot"], "`hot` is no value of temperature"),
        (&["run", "tabagent-chat", "hello", "--temperature", "3"], "temperature"),
    ] {
        let output = run(arguments);
        assert_eq!((output.code, &*output.stdout), (Some(1), ""), "{}", output.shown());
        assert!(output.stderr.contains(words), "{}", output.shown());
    }
}
