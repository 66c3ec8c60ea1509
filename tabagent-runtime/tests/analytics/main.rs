//! The same numbers as ranx, trec_eval, scipy and scikit-learn, from reference outputs that a committed script made
//! (`tools/make_analytics.py`), and what holds whatever the numbers are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod cancel;
mod clustering;
mod diversity;
mod ranking;

use std::{fs, path::Path, sync::OnceLock};

use serde::Deserialize;
use tabagent_runtime::{Metric, analytics::Matrix};

/// How far a number may be from its reference.
const CLOSE: f64 = 1e-6;

/// What the script wrote.
#[derive(Deserialize)]
struct Reference {
    rankings: Vec<ranking::Rankings>,
    similarity: ranking::Similarity,
    pairs: ranking::Pairs,
    clustering: Vec<clustering::Clustering>,
    diversity: diversity::Diversity,
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analytics.json");
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    })
}

fn matrix(rows: &[Vec<f32>]) -> Matrix {
    Matrix::new("rows", rows).unwrap()
}

fn metric(name: &str) -> Metric {
    serde_json::from_value(name.into()).unwrap()
}

#[track_caller]
fn assert_close(found: f64, wanted: f64, what: &str) {
    assert!(
        (found - wanted).abs() <= CLOSE * wanted.abs().max(1.0),
        "{what}: {found} where {wanted} is right"
    );
}
