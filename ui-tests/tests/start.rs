//! Programs that compile and must not start: the app is put together in process, and its message compared.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../cases/schema-duplicate/two_types.rs"]
mod two_types;

use std::path::Path;

/// The message beside a program; `TRYBUILD=overwrite` records it, as it does for programs that do not compile.
fn recorded(program: &str, found: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(program).with_extension("stderr");
    if std::env::var_os("TRYBUILD").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&file, format!("{}\n", found.trim_end())).unwrap();
    }
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn two_types_of_one_schema_name_do_not_start() {
    let errors = tabagent_api::App::of(&["start"]).mount().unwrap_err();
    let message = errors.to_string();
    assert_eq!(recorded("schema-duplicate/two_types.rs", &message).trim_end(), message.trim_end());
    for part in
        ["[route::schema-duplicate]", "`Answer`", "two_types::chat::Answer", "two_types::search::Answer"]
    {
        assert!(message.contains(part), "{part} in {message}");
    }
}
