//! The disk of the data folder: full, for reading alone, used by two servers. What is wrong is told, what there is is served,
//! and nothing that was acknowledged is lost once the cause is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tabagent_tests::http::Response;
use tabagent_tests::mounts::Mounts;
use tabagent_tests::process::{self, until};
use tabagent_tests::server::{self, Server};

use super::{DOCUMENTS, assert_found, assert_whole, history, ok, start};

/// A word of a document's own, in each sentence of its text.
fn document(number: usize) -> (String, String) {
    let word = format!("word{number}x");
    let text: Vec<String> =
        (0..60).map(|at| format!("Sentence {at} of this text has the word {word}.")).collect();
    (word, text.join("\n\n"))
}

/// The program in these mounts, with its data in this folder, to its end.
fn run(mounts: &Mounts, folder: &Path, arguments: &[&str]) -> process::Output {
    let data = tempfile::tempdir().unwrap();
    let mut command = server::command_through(&mounts.through(), &data, arguments);
    command.env("TABAGENT_DATA_DIR", folder);
    process::run(command, server::START_DEADLINE)
}

/// A write that is refused says what is wrong and what to do.
fn assert_full(response: &Response) {
    let problem = response.json();
    assert_eq!(
        (response.status, &problem["error"]["code"]),
        (500, &json!("configuration_error")),
        "{problem}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("the disk is full; free some space, then ask again"), "{problem}");
    assert!(detail.contains("tabagent.sqlite"), "{problem}");
}

#[test]
fn a_full_disk_is_told_and_what_was_acknowledged_is_there_when_it_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let Some(mounts) = Mounts::new(&format!("mount -t tmpfs -o size=8m tmpfs '{path}'")) else { return };
    let inside = mounts.path(folder.path());
    let filler = inside.join("filler");
    fs::write(&filler, vec![0; 5 << 20]).unwrap();
    let begin = || {
        let environment = [("TABAGENT_DATA_DIR", folder.path().to_str().unwrap())];
        Server::start_through(&mounts.through(), tempfile::tempdir().unwrap(), &[], &environment)
    };
    let mut server = begin();
    let message =
        |number: usize| json!({ "id": format!("m{number}"), "role": "user", "content": "x".repeat(3000) });
    let response = json!({ "input": "Who are you?", "max_output_tokens": 1 });
    let send = |server: &Server, number: usize| {
        let body = json!({ "id": format!("d{number}"), "text": document(number).1 });
        [
            server.post(DOCUMENTS, &body),
            server.post("/v1/sessions/s/messages", &message(number)),
            server.post("/v1/responses", &response),
        ]
    };
    let (mut documents, mut messages, mut responses) = (Vec::new(), Vec::new(), Vec::new());
    let full = (0..1000).find(|number| {
        let [document, said, answered] = send(&server, *number);
        let refused: Vec<&Response> =
            [&document, &said, &answered].into_iter().filter(|one| one.status >= 400).collect();
        refused.iter().for_each(|one| assert_full(one));
        let all = refused.len() == 3;
        if document.status == 200 {
            documents.push(*number);
        }
        if said.status == 201 {
            messages.push(*number);
        }
        if answered.status == 200 {
            responses.push(answered.json());
        }
        all
    });
    assert!(full.is_some() && documents.len() > 5, "{full:?} {documents:?}");
    let all_there = |server: &Server, documents: &[usize], messages: &[usize]| {
        for number in documents {
            let (word, text) = document(*number);
            assert_found(server, &format!("d{number}"), &text, &word);
        }
        let listed: BTreeSet<String> = super::pages(server, DOCUMENTS)
            .iter()
            .map(|document| document["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(listed, documents.iter().map(|number| format!("d{number}")).collect());
        let kept: Vec<Value> =
            history(server, "s").iter().map(|message| json!([message["id"], message["content"]])).collect();
        let expected: Vec<Value> = messages
            .iter()
            .map(|number| json!([message(*number)["id"], message(*number)["content"]]))
            .collect();
        assert_eq!(kept, expected);
        for response in &responses {
            assert_eq!(
                &ok(server.get(&format!("/v1/responses/{}", response["id"].as_str().unwrap()))),
                response
            );
        }
    };
    // What there is is served, and what keeps nothing is done.
    all_there(&server, &documents, &messages);
    let unstored = json!({ "input": "Who are you?", "max_output_tokens": 1, "store": false });
    ok(server.post("/v1/responses", &unstored));
    ok(server.post("/v1/embeddings", &json!({ "input": "a" })));
    assert_eq!(server.get("/ready").status, 200);

    // Killed on a full disk: the next one serves what there is, or says why it does not start.
    server.signal("KILL");
    server.wait();
    server = begin();
    all_there(&server, &documents, &messages);

    // With room again the same server goes on.
    fs::remove_file(&filler).unwrap();
    let number = full.unwrap();
    let [document, said, answered] = send(&server, number);
    assert_eq!((document.status, said.status, answered.status), (200, 201, 200), "{}", document.text());
    documents.push(number);
    messages.push(number);
    all_there(&server, &documents, &messages);
    server.signal("KILL");
    server.wait();
    assert_whole(&inside);
    all_there(&begin(), &documents, &messages);
}

#[test]
fn a_folder_that_can_only_be_read_is_told_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let (word, text) = document(0);
    ok(server.post(DOCUMENTS, &json!({ "id": "d0", "text": text })));
    ok(server.post("/v1/sessions/s/messages", &json!({ "role": "user", "content": "kept" })));
    // Its last writes are in the log alone.
    server.signal("KILL");
    server.wait();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let before = [read("tabagent.sqlite"), read("tabagent.sqlite-wal")];
    let path = folder.path().display();
    let mount = format!("mount --bind '{path}' '{path}' && mount -o remount,bind,ro '{path}'");
    let Some(mounts) = Mounts::new(&mount) else { return };
    let refused = run(&mounts, folder.path(), &["serve", "--port", "0"]);
    let examined = run(&mounts, folder.path(), &["doctor", "--port", "0"]);
    for (output, said) in [(&refused, &refused.stderr), (&examined, &examined.stdout)] {
        assert!(!output.success, "{}", output.shown());
        for part in [&*path.to_string(), "cannot be written", "make it writable", "--data-dir"] {
            assert!(said.contains(part), "{part}: {}", output.shown());
        }
    }
    assert_eq!([read("tabagent.sqlite"), read("tabagent.sqlite-wal")], before);
    let server = start(folder.path());
    assert_found(&server, "d0", &text, &word);
    assert_eq!(history(&server, "s")[0]["content"], "kept");
}

#[test]
fn of_servers_that_begin_on_one_folder_one_serves_and_the_others_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let data = tempfile::tempdir().unwrap();
        let mut begun: Vec<_> = (0..4)
            .map(|_| {
                let mut command = server::command(&data, &["serve", "--port", "0"]);
                command.env("TABAGENT_DATA_DIR", folder.path());
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        // Three end, each by itself.
        until("one is left", || {
            begun.iter_mut().map(|child| child.try_wait().unwrap()).filter(Option::is_none).count() == 1
        });
        for mut child in begun {
            let serves = child.try_wait().unwrap().is_none();
            if serves {
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let told =
                said.contains("is used by another server; stop that one") && said.contains("--data-dir");
            assert!(serves || told && output.status.code() == Some(1), "{said}");
        }
        // A server that writes is not disturbed by another one that tries.
        let mut server = start(folder.path());
        for number in 0..20 {
            let target = format!("/v1/sessions/s{round}/messages");
            ok(server.post(&target, &json!({ "role": "user", "content": format!("message {number}") })));
            if number % 10 == 5 {
                let mut command = server::command(&data, &["serve", "--port", "0"]);
                command.env("TABAGENT_DATA_DIR", folder.path());
                let output = process::run(command, server::START_DEADLINE);
                assert!(
                    !output.success && output.stderr.contains("used by another server"),
                    "{}",
                    output.shown()
                );
            }
        }
        server.signal("KILL");
        server.wait();
    }
    assert_whole(folder.path());
    let server = start(folder.path());
    for round in 0..3 {
        let kept = history(&server, &format!("s{round}"));
        let said: Vec<&str> = kept.iter().map(|message| message["content"].as_str().unwrap()).collect();
        let expected: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
        assert_eq!(said, expected);
    }
}
