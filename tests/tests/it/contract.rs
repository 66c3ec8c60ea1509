//! The routes, held to the contract; the document, held to the specification, and the server, held to the document, by
//! programs that others wrote.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use tabagent_tests::server::{Server, run};
use tabagent_tests::{process, python, workspace};

/// Longest run of a checker, with the installation of its environment.
const DEADLINE: Duration = Duration::from_secs(20 * 60);

/// Method, path, and the path that it is an alias of.
type Mounted = (String, String, Option<String>);

/// The rows of the tables in a part of the contract, each of which says what its route does.
fn rows(part: &str) -> Vec<Mounted> {
    let mut rows = Vec::new();
    for line in part.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [method, path, alias_of, what] = cells[..] else { panic!("not four columns: {line}") };
        if path.starts_with('/') {
            assert!(!what.is_empty(), "nothing is said of {method} {path}");
            let alias_of = (!alias_of.is_empty()).then(|| alias_of.to_owned());
            rows.push((method.to_owned(), path.to_owned(), alias_of));
        }
    }
    rows
}

#[test]
fn the_routes_are_those_of_the_contract() {
    let page = fs::read_to_string(workspace::root().join("tabagent-api/docs/routes.md")).unwrap();
    let (contract, further) = page.split_once("\n## Further routes\n").unwrap();
    let (contract, further) = (rows(contract), rows(further));
    let aliases = contract.iter().filter(|(_, _, alias_of)| alias_of.is_some()).count();
    assert_eq!((contract.len() - aliases, aliases), (34, 4));

    let written: BTreeSet<Mounted> = contract.iter().chain(&further).cloned().collect();
    assert_eq!(written.len(), contract.len() + further.len(), "a route is written twice");
    let listed = run(&["routes", "--json"]);
    assert!(listed.success, "{}", listed.shown());
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mounted: BTreeSet<Mounted> = listed
        .iter()
        .map(|row| (text(&row["method"]).unwrap(), text(&row["path"]).unwrap(), text(&row["alias_of"])))
        .collect();
    let missing: Vec<_> = written.difference(&mounted).collect();
    assert!(missing.is_empty(), "written and not mounted: {missing:?}");
    let unwritten: Vec<_> = mounted.difference(&written).collect();
    assert!(unwritten.is_empty(), "mounted and not written in tabagent-api/docs/routes.md: {unwritten:?}");
}

#[test]
fn the_document_keeps_the_specification() {
    let printed = run(&["openapi"]);
    assert!(printed.success, "{}", printed.shown());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), printed.stdout).unwrap();
    // The environment is made first, so that its failure is told as such.
    python::environment("contract");
    let mut command = python::script("check_openapi.sh");
    command.arg(file.path());
    let output = process::run(command, DEADLINE);
    assert!(output.success && output.stdout.contains("OK"), "{}", output.shown());
}

/// All checks and all phases of schemathesis, on every route of a running server.
fn schemathesis(server: &Server) {
    python::environment("contract");
    let mut command = python::script("schemathesis.sh");
    command.arg(server.url()).args(&server.key).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = process::run(command, DEADLINE);
    assert!(output.success, "{}", output.shown());
    for phase in ["✅ Examples", "✅ Coverage", "✅ Fuzzing", "✅ Stateful", "No issues found"] {
        assert!(output.stdout.contains(phase), "`{phase}` is missing: {}", output.shown());
    }
    let document = server.get("/openapi.json").json();
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    let tested = format!("Selected: {operations}/{operations}\n  Tested: {operations}\n");
    assert!(output.stdout.contains(&tested), "not every operation was tested: {}", output.shown());
}

/// A server that asks no hub: what is pulled here are words that nobody meant.
fn offline(arguments: &[&str]) -> Server {
    Server::start_in(tempfile::tempdir().unwrap(), arguments, &[("HF_HUB_OFFLINE", "1")])
}

#[test]
fn schemathesis_finds_no_failure() {
    schemathesis(&offline(&[]));
}

#[test]
fn schemathesis_finds_no_failure_with_an_api_key() {
    schemathesis(&offline(&["--api-key", "sk-schemathesis"]));
}
