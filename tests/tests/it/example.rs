//! The example crate: what stands below it, and the program that mounts it, over a real socket.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tabagent_tests::http::exchange;
use tabagent_tests::problem::assert_problem;
use tabagent_tests::{process, workspace};

#[test]
fn nothing_of_the_runtime_stands_below_a_crate_outside_the_server() {
    let names = dependencies("notes-api", &["--edges", "all"]);
    assert!(
        names.iter().any(|name| name == "tabagent-api") && names.iter().any(|name| name == "axum"),
        "{names:?}"
    );
    for unwanted in ["tabagent-runtime", "ort", "ort-sys", "tokenizers", "libloading", "ureq"] {
        assert!(!names.iter().any(|name| name == unwanted), "{unwanted} is in {names:?}");
    }
}

/// The packages below a package of the workspace, as `cargo tree` lists them.
pub(crate) fn dependencies(package: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = workspace::cargo();
    command
        .args(["tree", "--offline", "--package", package, "--prefix", "none", "--format", "{lib} {p}"])
        .args(arguments)
        .current_dir(workspace::root());
    let output = process::run(command, Duration::from_secs(120));
    assert!(output.success, "{}", output.shown());
    let mut names: Vec<String> =
        output.stdout.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn the_program_serves_its_routes_and_nothing_else() {
    let mut command = workspace::cargo();
    command
        .args(["run", "--offline", "--quiet", "--package", "notes-api", "--target-dir"])
        .arg(workspace::target())
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // Cargo replaces itself with the program on Unix, so that the child is the program.
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let outcome = std::panic::catch_unwind(|| {
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        let note = json!({ "title": "first", "text": "bread, salt" });
        let headers = [("content-type", "application/json")];
        let kept = exchange(address, "POST", "/v1/notes", &headers, note.to_string().as_bytes());
        assert_eq!((kept.status, kept.json()), (201, note.clone()));
        let again = exchange(address, "POST", "/v1/notes", &headers, note.to_string().as_bytes());
        let body = assert_problem(&again, 409, "keep-note-title-taken");
        assert_eq!(again.header("x-should-retry"), Some("false"));
        assert!(body["detail"].as_str().unwrap().contains("`first`"), "{body}");
        assert_eq!(exchange(address, "GET", "/v1/notes/first", &[], b"").json(), note);
        assert_problem(&exchange(address, "GET", "/v1/notes/second", &[], b""), 404, "read-note-not-found");
        assert_problem(&exchange(address, "GET", "/v1/models", &[], b""), 404, "api-route-not-found");
        let document: Value = exchange(address, "GET", "/openapi.json", &[], b"").json();
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/v1/notes", "/v1/notes/{title}"]);
        let examples =
            &document["paths"]["/v1/notes"]["post"]["requestBody"]["content"]["application/json"]["examples"];
        assert_eq!(
            examples["a_note"]["value"],
            json!({ "title": "shopping", "text": "bread" }),
            "{examples}"
        );
        assert_eq!(exchange(address, "GET", "/problems/keep-note-full", &[], b"").status, 200);
    });
    child.kill().unwrap();
    child.wait().unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
