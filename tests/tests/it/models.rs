//! Models of the models folder over HTTP: the fixtures, against what sentence-transformers makes of the same texts.

use serde_json::{Value, json};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;
use tabagent_tests::workspace;

fn server() -> Server {
    let fixtures = workspace::root().join("tabagent-runtime/tests/fixtures");
    Server::start(&["--models-dir", fixtures.to_str().unwrap()])
}

/// The first case of a fixture's reference.
fn reference(model: &str) -> Value {
    let file = workspace::root().join("tabagent-runtime/tests/fixtures").join(model).join("reference.json");
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn embeddings_are_those_of_sentence_transformers() {
    let server = server();
    for model in ["bert-cls", "bert-mean", "xlmr-mean"] {
        let reference = reference(model);
        let wanted: Vec<Vec<f64>> =
            reference["cases"][0]["vectors"].as_array().unwrap().iter().map(floats).collect();
        // The API refuses empty texts, which the reference has as well.
        let texts: Vec<(usize, &str)> = reference["texts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
            .collect();
        let input: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
        let response =
            server.post("/v1/embeddings", &json!({ "model": model, "input": input, "truncate": true }));
        assert_eq!(response.status, 200, "{model}: {}", response.text());
        for ((index, text), item) in texts.iter().zip(response.json()["data"].as_array().unwrap()) {
            let vector = floats(&item["embedding"]);
            let worst = vector.iter().zip(&wanted[*index]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-4, "{model}: {worst} for {text:?}");
        }
    }
}

#[test]
fn a_cross_encoder_ranks_as_its_reference_does() {
    let server = server();
    let reference = reference("bert-cross");
    let case = &reference["cases"][0];
    for (pair, (score, logit)) in case["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .zip(floats(&case["scores"]).iter().zip(floats(&case["logits"])))
    {
        let (query, document) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        if query.is_empty() || document.is_empty() {
            continue;
        }
        let mut body =
            json!({ "model": "bert-cross", "query": query, "documents": [document], "truncate": true });
        let answer = server.post("/v1/rerank", &body).json();
        let given = answer["results"][0]["relevance_score"].as_f64().unwrap();
        assert!((given - score).abs() < 1e-4, "{pair}: {given} where {score} is right");
        body["raw_scores"] = json!(true);
        let given =
            server.post("/v1/rerank", &body).json()["results"][0]["relevance_score"].as_f64().unwrap();
        assert!((given - logit).abs() < 1e-4, "{pair}: {given} where {logit} is right");
    }
}

#[test]
fn what_is_longer_than_the_model_takes_is_refused_by_name_or_cut_on_request() {
    let server = server();
    let long = "word ".repeat(2000);
    let embed = json!({ "model": "bert-cls", "input": ["short", long] });
    let problem = assert_problem(&server.post("/v1/embeddings", &embed), 400, "context-length-exceeded");
    assert_eq!(problem["error"]["code"], "context_length_exceeded");
    assert_eq!(problem["error"]["param"], "input[1]");
    let rank = json!({ "model": "bert-cross", "query": "short", "documents": ["short", long] });
    let problem = assert_problem(&server.post("/v1/rerank", &rank), 400, "context-length-exceeded");
    assert_eq!(problem["error"]["param"], "documents[1]");
    let compare = json!({ "model": "bert-cls", "text1": "short", "text2": long });
    assert_problem(&server.post("/v1/similarity", &compare), 400, "context-length-exceeded");

    // A text that is far too long is not even read: tests would take minutes.
    let huge = json!({ "messages": [{ "role": "user", "content": "word ".repeat(800_000) }] });
    let problem = assert_problem(&server.post("/v1/chat/completions", &huge), 400, "context-length-exceeded");
    assert_eq!(problem["error"]["param"], "messages");

    let response = server
        .post("/v1/embeddings", &json!({ "model": "bert-cls", "input": ["short", long], "truncate": true }));
    assert_eq!((response.status, &response.json()["truncated"]), (200, &json!(1)), "{}", response.text());
}

#[test]
fn a_model_of_another_kind_is_refused_by_the_field() {
    let server = server();
    let response = server.post("/v1/embeddings", &json!({ "model": "bert-cross", "input": "hello" }));
    let problem = assert_problem(&response, 400, "inference-invalid");
    assert_eq!(problem["error"]["param"], "model");
}

#[test]
fn a_prompt_is_put_before_the_text_by_its_name() {
    let server = server();
    let embed = |prompt: Option<&str>| {
        let response = server.post(
            "/v1/embeddings",
            &json!({ "model": "e5-prompts", "input": "how to bake", "prompt_name": prompt }),
        );
        assert_eq!(response.status, 200, "{}", response.text());
        floats(&response.json()["data"][0]["embedding"])
    };
    assert_ne!(embed(Some("query")), embed(Some("passage")));
    let response = server
        .post("/v1/embeddings", &json!({ "model": "e5-prompts", "input": "a", "prompt_name": "nothing" }));
    let problem = assert_problem(&response, 400, "inference-invalid");
    assert_eq!(problem["error"]["param"], "prompt_name");
}
