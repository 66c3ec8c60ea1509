//! `tabagent bench`: every kind of model gives its figures, and what cannot be measured is said.

use serde_json::{Value, json};
use tabagent_tests::server::run;

fn report(arguments: &[&str]) -> Value {
    let output = run(&[&["bench", "--rounds", "1", "--json"], arguments].concat());
    assert!(output.success, "{}", output.shown());
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    for row in report["rows"].as_array().unwrap() {
        assert!(row["value"].as_f64().is_some_and(|value| value > 0.0), "{report:#}");
    }
    assert_eq!((&report["device"], &report["rounds"]), (&json!("cpu"), &json!(1)), "{report:#}");
    report
}

#[test]
fn a_decoder_reads_and_writes() {
    let report = report(&["--prompt-tokens", "32", "--tokens", "16", "--streams", "1,2", "--threads", "1"]);
    let units: Vec<&str> =
        report["rows"].as_array().unwrap().iter().map(|row| row["unit"].as_str().unwrap()).collect();
    assert_eq!(units, ["tokens/s", "ms", "tokens/s", "tokens/s", "tokens/s"], "{report:#}");
    assert_eq!((&report["model"], &report["threads"]), (&json!("tabagent-chat"), &json!(1)), "{report:#}");
}

#[test]
fn an_encoder_embeds() {
    let report = report(&["tabagent-embed"]);
    assert_eq!((&report["kind"], report["rows"].as_array().unwrap().len()), (&json!("embedding"), 2));
    let output = run(&["bench", "tabagent-embed", "--rounds", "1"]);
    assert!(output.success && output.stdout.contains("embed 64 texts of 64 tokens"), "{}", output.shown());
}

#[test]
fn what_cannot_be_measured_is_said() {
    for (arguments, code, words) in [
        (&["bench", "nobody/nothing"][..], 1, "nobody/nothing"),
        (&["bench", "--prompt-tokens", "5000"], 1, "the model takes 1024"),
        (&["bench", "--prompt-tokens", "1000", "--tokens", "500"], 1, "room for"),
        (&["bench", "--streams", "300"], 1, "--parallel"),
        (&["bench", "--threads", "100000"], 1, "threads"),
        (&["bench", "--rounds", "0"], 2, "--rounds"),
    ] {
        let output = run(arguments);
        assert_eq!((output.code, &*output.stdout), (Some(code), ""), "{}", output.shown());
        assert!(output.stderr.contains(words), "{}", output.shown());
    }
}
