//! What is read of the committed documents, against what independent readers find in them (`tools/make_documents.py`).

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::{Abandoned, MediaType, Parsed, parse};
use crate::compute::AbandonOnDrop;

/// What others find in a document.
#[derive(Deserialize)]
struct Reference {
    title: Option<String>,
    /// All words, in order; those of each page where there are pages.
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    pages: Vec<Vec<String>>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents")
}

fn references() -> BTreeMap<String, Reference> {
    serde_json::from_slice(&fs::read(folder().join("reference.json")).unwrap()).unwrap()
}

fn read(name: &str) -> Parsed {
    let content = fs::read(folder().join(name)).unwrap();
    let kind = MediaType::of(None, Some(name), &content).unwrap();
    let guard = AbandonOnDrop::default();
    parse("file", &content, &kind, None, &guard.flag()).unwrap()
}

/// The words of a text; what stands between the cells of a table is ours.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| *word != "|").collect()
}

#[test]
fn the_words_of_every_kind_are_those_that_others_read() {
    let references = references();
    assert_eq!(references.len(), 5);
    for (name, reference) in references {
        let parsed = read(&name);
        assert_eq!(parsed.title, reference.title, "{name}");
        // Blocks are the text: nothing of it is outside of them, and they follow each other.
        let blocks = parsed.blocks.iter().map(|block| &parsed.text[block.start..block.end]);
        let of_blocks: Vec<&str> = blocks.flat_map(words).collect();
        assert_eq!(of_blocks, words(&parsed.text), "{name}");
        assert!(parsed.blocks.windows(2).all(|pair| pair[0].end <= pair[1].start), "{name}");
        if reference.pages.is_empty() {
            assert_eq!(of_blocks, reference.words, "{name}");
        } else {
            assert_eq!(parsed.pages.map(|pages| pages as usize), Some(reference.pages.len()), "{name}");
        }
        for (expected, number) in reference.pages.iter().zip(1..) {
            let of_page = parsed.blocks.iter().filter(|block| block.page == Some(number));
            let found: Vec<&str> =
                of_page.flat_map(|block| words(&parsed.text[block.start..block.end])).collect();
            assert_eq!(&found, expected, "page {number} of {name}");
        }
    }
}

#[test]
fn nothing_is_read_on_that_nobody_waits_for() {
    let guard = AbandonOnDrop::default();
    let flag = guard.flag();
    drop(guard);
    let markup = [MediaType::Html { charset: None }, MediaType::Markdown { charset: None }];
    for kind in markup {
        let outcome = parse("data", b"<p a b>text</p>", &kind, None, &flag);
        assert_eq!(outcome.unwrap_err().to_string(), Abandoned::error().to_string());
    }
}
