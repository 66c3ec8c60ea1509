//! Every rule has a file, a folder of failing programs and a section in the docs, and there is none without a rule.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names_in(folder: &Path, keep: impl Fn(&Path) -> bool) -> BTreeSet<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| keep(path))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Ids of the route's rules, from the files, which a unit test of the macro crate holds against the list of rules.
fn rule_files() -> BTreeSet<String> {
    names_in(&root().join("tabagent-macros/src/rules"), |path| !path.ends_with("mod.rs"))
        .into_iter()
        .map(|name| name.replace('_', "-"))
        .collect()
}

/// Ids that the derives report, as string literals in their source.
fn derive_rules() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for folder in ["problem", "schema"] {
        for file in std::fs::read_dir(root().join("tabagent-macros/src").join(folder)).unwrap() {
            let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for literal in source.split('"').skip(1).step_by(2) {
                let is_id = literal.starts_with(&format!("{folder}-"))
                    && literal.chars().all(|character| character.is_ascii_lowercase() || character == '-');
                if is_id {
                    ids.insert(literal.to_owned());
                }
            }
        }
    }
    ids
}

fn all_rules() -> BTreeSet<String> {
    rule_files().into_iter().chain(derive_rules()).collect()
}

#[test]
fn every_rule_has_its_folder_and_every_folder_its_rule() {
    assert_eq!(names_in(&root().join("ui-tests/cases"), Path::is_dir), all_rules());
}

#[test]
fn every_rule_has_its_section_and_every_section_its_rule() {
    let docs = std::fs::read_to_string(root().join("tabagent-macros/docs/rules.md")).unwrap();
    let sections: BTreeSet<String> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(sections, all_rules());
}

/// At least this many programs that do not compile.
const LEAST: usize = 45;

#[test]
fn every_program_shows_the_rule_of_its_folder() {
    let mut programs = 0;
    for folder in std::fs::read_dir(root().join("ui-tests/cases")).unwrap() {
        let folder = folder.unwrap().path();
        let id = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut in_folder = 0;
        for program in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if program.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            in_folder += 1;
            let message = std::fs::read_to_string(program.with_extension("stderr")).unwrap();
            // The compiler itself words a duplicate in one crate and a handler in an impl; the name that it shows is ours.
            let said = message.contains(&format!("[route::{id}]"))
                || message.contains(&format!("[{id}]"))
                || (id == "route-duplicate" && message.contains("route_already_registered__"))
                || (id == "handler-has-self" && message.contains("handler_has_self__move__"))
                || id == "schema-duplicate";
            assert!(said, "{} does not show its rule:\n{message}", program.display());
        }
        assert!(in_folder > 0, "{id} has no program");
        programs += in_folder;
    }
    assert!(programs >= LEAST, "{programs} programs");
}
