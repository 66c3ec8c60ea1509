//! The invariants of ARCHITECTURE.md that a test can hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tabagent_tests::workspace;

use crate::example::dependencies;

/// The Rust files below a folder of the workspace.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((
                    path.strip_prefix(workspace::root()).unwrap().to_owned(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace::root().join(folder), &mut found);
    assert!(found.len() > 3, "{folder} has only {} sources", found.len());
    found
}

/// The words of a text: what stands between characters that no identifier has.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
}

/// Asserts that no source below a folder uses any of these words, comments included.
fn never_says(folder: &str, unwanted: &[&str]) {
    for (path, text) in sources(folder) {
        for (number, line) in text.lines().enumerate() {
            for word in words(line) {
                assert!(!unwanted.contains(&word), "{}:{}: `{word}`: {line}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_runtime_does_not_know_what_serves_it() {
    never_says("tabagent-runtime/src", &["axum", "hyper", "tower", "utoipa", "StatusCode", "tabagent_api"]);
    let below = dependencies("tabagent-runtime", &["--edges", "normal"]);
    // The client that downloads ONNX Runtime speaks HTTP; a server of it would be one of these.
    for unwanted in ["axum", "axum-core", "hyper", "hyper-util", "tower-http", "utoipa", "tabagent-api"] {
        assert!(!below.iter().any(|name| name == unwanted), "{unwanted} is below tabagent-runtime");
    }
}

#[test]
fn the_api_does_not_know_ort() {
    never_says("tabagent-api/src", &["ort", "ort_sys"]);
    let direct = dependencies("tabagent-api", &["--edges", "normal", "--depth", "1"]);
    assert!(direct.iter().any(|name| name == "tabagent-runtime"), "{direct:?}");
    assert!(!direct.iter().any(|name| name.starts_with("ort")), "{direct:?}");
}

#[test]
fn the_framework_does_not_know_the_runtime() {
    never_says("tabagent-api/src/framework", &["tabagent_runtime", "BackendError"]);
    let below = dependencies("tabagent-api", &["--no-default-features", "--edges", "normal"]);
    for unwanted in ["tabagent-runtime", "ort", "ort-sys", "tokenizers", "clap", "ureq"] {
        assert!(!below.iter().any(|name| name == unwanted), "{unwanted} is below the framework");
    }
}

#[test]
fn the_macros_know_tokens_and_patterns_and_nothing_else() {
    let below: BTreeSet<String> =
        dependencies("tabagent-macros", &["--edges", "normal"]).into_iter().collect();
    let patterns = ["regex", "regex-automata", "regex-syntax"];
    let tokens = ["proc-macro2", "quote", "syn", "tabagent-macros", "unicode-ident"];
    let allowed = [&patterns[..], &tokens].concat();
    let others: Vec<&String> = below.iter().filter(|name| !allowed.contains(&&***name)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Modules that bind memory or libraries, each of which allows unsafe code and says why at each block.
const UNSAFE: &[&str] = &[
    "tabagent-runtime/src/generate/decoder/call.rs",
    "tabagent-runtime/src/generate/decoder/shared.rs",
    "tabagent-runtime/src/library/inspect.rs",
    "tabagent-runtime/src/resources/give_back.rs",
];

#[test]
fn unsafe_code_stands_in_the_named_modules_alone() {
    let mut found = BTreeSet::new();
    for folder in ["tabagent-runtime/src", "tabagent-api/src", "examples", "tests"] {
        for (path, text) in sources(folder) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let begins = ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"];
            // This file quotes the words.
            let quoted = path.ends_with("it/invariants.rs");
            if !quoted && code.clone().any(|line| begins.iter().any(|begin| line.contains(begin))) {
                found.insert(path.display().to_string());
            }
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), UNSAFE);
}

/// The modules that write to stdout or stderr: the output of commands, the log, the progress of an install, the harness.
const WRITERS: &[&str] = &[
    "tabagent-api/src/framework/testing/mod.rs",
    "tabagent-api/src/server/logging.rs",
    "tabagent-api/src/server/output.rs",
    "tabagent-runtime/src/library/progress.rs",
];

#[test]
fn stdout_and_stderr_are_written_in_one_place_each() {
    let mut found = BTreeSet::new();
    for folder in ["tabagent-runtime/src", "tabagent-api/src"] {
        for (path, text) in sources(folder) {
            let says = ["println!", "print!", "dbg!", "io::stdout", "io::stderr"];
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.clone().any(|line| says.iter().any(|word| line.contains(word))) {
                found.insert(path.display().to_string());
            }
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), WRITERS);
    // stdout is the output of commands: nothing but its module names it.
    for folder in ["tabagent-runtime/src", "tabagent-api/src"] {
        for (path, text) in sources(folder) {
            let prints = |line: &str| line.contains("println!") && !line.contains("eprintln!");
            let writes = text.contains("io::stdout") || text.lines().any(prints);
            assert!(!writes || path.ends_with("server/output.rs"), "{} writes to stdout", path.display());
        }
    }
}

#[test]
fn routes_are_mounted_by_their_records_alone() {
    for (path, text) in sources("tabagent-api/src/routes") {
        for second in [".route(", "Router::", "routing::"] {
            assert!(!text.contains(second), "{} mounts by hand: {second}", path.display());
        }
    }
}

#[test]
fn every_member_keeps_the_workspaces_lints_and_nothing_is_mocked() {
    let root = fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
    for lint in [
        "unsafe_code = \"deny\"",
        "unwrap_used",
        "expect_used",
        "panic",
        "print_stdout",
        "undocumented_unsafe_blocks",
    ] {
        assert!(root.contains(lint), "the workspace has no lint {lint}");
    }
    let members = root
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .expect("the members stand in one line");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 6 && members.contains(&"examples/notes-api"), "{members:?}");
    for member in members {
        let manifest = fs::read_to_string(workspace::root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} has lints of its own");
        assert!(!manifest.contains("mock"), "{member} mocks something");
    }
}
