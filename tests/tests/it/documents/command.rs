//! `tabagent ingest`: files and folders come in by the command, once each, and its exit code says whether all did.

use std::fs;

use serde_json::{Value, json};
use tabagent_tests::process::{self, Output};
use tabagent_tests::server::{START_DEADLINE, Server, command};

use super::{DOCUMENTS, ok, pdf, query};

#[test]
fn the_command_brings_in_what_is_below_a_folder_once_and_names_what_it_does_not() {
    let server = Server::start(&["--api-key", "a-key"]);
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("guide/deep")).unwrap();
    fs::create_dir_all(at(".git")).unwrap();
    let paper = pdf(&["The abstract is about nothing.", "Penguins swim faster than they walk."]);
    for (name, content) in [
        ("guide/install.md", &b"# Install\n\nUnpack the archive of the quokka."[..]),
        ("guide/deep/boats.html", b"<html><title>Boats</title><p>Ferries cross the river at dawn.</html>"),
        ("paper.pdf", &paper),
        ("NOTICE", b"A text without an extension says wombat."),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0\0"),
        (".git/config", b"hidden text says kiwi"),
    ] {
        fs::write(at(name), content).unwrap();
    }
    let run = |arguments: &[&str]| -> Output {
        let mut command = command(&data, &["ingest"]);
        command.args(arguments).args(["--url", &server.url()]).env("TABAGENT_API_KEY", "a-key");
        process::run(command, START_DEADLINE)
    };
    let root = folder.path().to_str().unwrap();
    let first = run(&[root, "--metadata", "{\"kind\": \"manual\"}"]);
    assert!(first.success, "{}", first.shown());
    let said = "4 documents with 5 chunks: 4 new, 0 replaced, 0 unchanged; skipped: 1, failed: 0\n";
    assert_eq!(first.stdout, said);
    let skipped = format!("skipped: {root}/image.png: is no text, and no PDF either");
    assert!(first.stderr.contains(&skipped), "{}", first.shown());

    let find = |words: &str| query(&server, json!({ "query": words, "mode": "keyword" }));
    for (words, file) in [
        ("quokka", "guide/install.md"),
        ("ferries", "guide/deep/boats.html"),
        ("penguins", "paper.pdf"),
        ("wombat", "NOTICE"),
    ] {
        let found = find(words);
        let source = at(file).display().to_string();
        assert_eq!((found.len(), &found[0]["source"]), (1, &json!(source)), "{words}");
        assert_eq!(found[0]["metadata"], json!({ "kind": "manual" }));
    }
    assert!(find("kiwi").is_empty());

    // The same again, by another path to it: nothing new, and nothing that was said of it is lost.
    let mut again = command(&data, &["ingest", ".", "--json", "--url", &server.url()]);
    again.env("TABAGENT_API_KEY", "a-key").current_dir(folder.path());
    let again = process::run(again, START_DEADLINE);
    let summary: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&summary["created"], &summary["unchanged"]), (&json!(0), &json!(4)), "{}", again.shown());
    let list = ok(server.get(DOCUMENTS));
    assert_eq!(list["data"].as_array().unwrap().len(), 4);
    assert!(list["data"].as_array().unwrap().iter().all(|document| document["metadata"]["kind"] == "manual"));

    // A file that says something else takes the place of what it said before.
    fs::write(at("NOTICE"), "Now it says numbat.").unwrap();
    let changed = run(&[&at("NOTICE").display().to_string()]);
    assert!(changed.stdout.contains("0 new, 1 replaced, 0 unchanged"), "{}", changed.shown());
    assert_eq!((find("wombat").len(), find("numbat").len()), (0, 1));

    // What fails is told with its reason, by the exit code as well, and keeps nothing else from coming in.
    fs::write(at("cut.pdf"), &paper[..paper.len() / 2]).unwrap();
    fs::write(at("late.txt"), "It came late, says the emu.").unwrap();
    let failed = run(&[root, at("nothing.md").to_str().unwrap(), "--json"]);
    assert_eq!(failed.code, Some(1), "{}", failed.shown());
    let summary: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((&summary["created"], &summary["unchanged"]), (&json!(1), &json!(4)), "{summary}");
    let reasons = summary["failed"].as_array().unwrap();
    assert_eq!(reasons.len(), 2, "{summary}");
    assert!(reasons[0]["reason"].as_str().unwrap().contains("No such file"), "{summary}");
    assert!(reasons[1]["path"].as_str().unwrap().ends_with("cut.pdf"), "{summary}");
    assert!(failed.stderr.contains("cut.pdf: `data`: "), "{}", failed.shown());
    assert_eq!(find("emu").len(), 1);

    // A file that is named is sent, whatever it is, and the server says why it does not take it.
    let image = run(&[at("image.png").to_str().unwrap()]);
    assert!(image.code == Some(1) && image.stderr.contains("image.png: `data`: is no"), "{}", image.shown());
    let wrong = run(&[root, "--metadata", "kind=manual"]);
    assert!(
        !wrong.success && wrong.stderr.contains("--metadata `kind=manual` is no JSON object"),
        "{}",
        wrong.shown()
    );

    let url = server.url();
    drop(server);
    let nobody = process::run(command(&data, &["ingest", root, "--url", &url]), START_DEADLINE);
    assert!(!nobody.success && nobody.stderr.contains("no server answers at"), "{}", nobody.shown());
    assert_eq!(nobody.stderr.lines().count(), 1, "it is told once: {}", nobody.shown());
}
