//! Texts in groups, recommendations and evaluations over HTTP, by the embedded model.

use serde_json::{Value, json};
use tabagent_tests::http::Response;
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;

const CATS: [&str; 8] = [
    "The cat sleeps on the sofa all afternoon.",
    "A kitten drinks milk and then sleeps.",
    "Cats purr when their fur is stroked.",
    "My cat hunts mice in the garden.",
    "The kitten plays with the tail of the old cat.",
    "Most cats hide when a dog barks.",
    "A cat washes its fur with its tongue.",
    "The vet says that our cat eats too much.",
];
const TRAINS: [&str; 8] = [
    "The train to the city leaves from platform two.",
    "Passengers wait at the railway station for the express train.",
    "The railway company bought new locomotives.",
    "A freight train carries coal along the railway line.",
    "Tickets for the night train are sold at the station.",
    "The train was late because of snow on the rails.",
    "The express train stops at every large station.",
    "Engineers repaired the railway bridge over the river.",
];

fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// Cats and trains in turn.
fn mixed() -> Vec<&'static str> {
    CATS.iter().zip(TRAINS).flat_map(|(cat, train)| [*cat, train]).collect()
}

#[test]
fn two_topics_are_told_apart() {
    let server = Server::start(&[]);
    let wanted: Vec<i64> = (0..16).map(|at| at % 2).collect();
    // With nothing but the algorithm said: also the number of clusters is found.
    for algorithm in ["kmeans", "hierarchical", "dbscan", "hdbscan"] {
        let found = ok(server.post("/v1/cluster", &json!({ "texts": mixed(), "algorithm": algorithm })));
        assert_eq!(found["labels"], json!(wanted), "{algorithm}: {found}");
        assert_eq!((&found["sizes"], &found["noise"]), (&json!([8, 8]), &json!(0)));
        assert!(found["silhouette"].as_f64().unwrap() > 0.0, "{found}");
        for (cluster, topic) in [CATS, TRAINS].iter().enumerate() {
            let text = found["centroids"][cluster]["text"].as_str().unwrap();
            assert!(topic.contains(&text), "{algorithm}: {text} stands for {topic:?}");
        }
    }
}

#[test]
fn what_is_recommended_found_and_evaluated_is_of_the_topic() {
    let server = Server::start(&[]);
    let indexes = |answer: &Value| -> Vec<u64> {
        answer["results"].as_array().unwrap().iter().map(|result| result["index"].as_u64().unwrap()).collect()
    };
    let body = json!({ "liked": ["Cats like to sleep.", "Kittens play with cats."], "disliked": ["Trains stop at stations."],
        "candidates": mixed(), "top_n": 6 });
    let cats = indexes(&ok(server.post("/v1/recommend", &body)));
    assert!(cats.len() == 6 && cats.iter().all(|index| index % 2 == 0), "{cats:?}");

    let search = json!({ "query": "train station railway", "documents": mixed(), "k": 5 });
    let trains = indexes(&ok(server.post("/v1/semantic-search", &search)));
    assert!(trains.len() == 5 && trains.iter().all(|index| index % 2 == 1), "{trains:?}");

    let relevant = |rest: u64| (0..16).filter(|index| index % 2 == rest).collect::<Vec<u64>>();
    let evaluation = ok(server.post(
        "/v1/evaluate-embeddings",
        &json!({ "queries": ["cats and kittens", "train station railway"], "documents": mixed(),
            "relevance": [relevant(0), relevant(1)], "k": [5] }),
    ));
    let metrics = &evaluation["ranking"]["metrics"];
    assert_eq!((&metrics["precision@5"], &metrics["mrr"]), (&json!(1.0), &json!(1.0)), "{evaluation}");
}

#[test]
fn without_documents_the_kept_ones_are_searched() {
    let server = Server::start(&[]);
    let search = |body: &Value| ok(server.post("/v1/semantic-search", body));
    let empty = search(&json!({ "query": "train station railway" }));
    assert_eq!((&empty["results"], &empty["model"]), (&json!([]), &Value::Null), "{empty}");
    for (topic, texts) in [("cats", CATS), ("trains", TRAINS)] {
        for (at, text) in texts.iter().enumerate() {
            let document =
                json!({ "id": format!("{topic}-{at}"), "text": text, "metadata": { "topic": topic } });
            let kept = server.post("/v1/rag/documents", &document);
            assert!((200..300).contains(&kept.status), "{}", kept.text());
        }
    }
    let query = "train station railway";
    let kept = search(&json!({ "query": query, "k": 5 }));
    // The same vectors as those of documents in the request.
    let given = search(&json!({ "query": query, "documents": mixed(), "k": 5 }));
    let scores = |answer: &Value| -> Vec<(String, f64)> {
        let results = answer["results"].as_array().unwrap().iter();
        results
            .map(|result| {
                (result["document"]["text"].as_str().unwrap().to_owned(), result["score"].as_f64().unwrap())
            })
            .collect()
    };
    let (from_store, from_request) = (scores(&kept), scores(&given));
    assert_eq!(from_store.len(), 5);
    for ((text, score), (other, same)) in from_store.iter().zip(&from_request) {
        assert!(text == other && (score - same).abs() < 1e-5, "{from_store:?} and {from_request:?}");
    }
    for (field, value) in [("model", "tabagent-embed"), ("metric", "cosine")] {
        assert_eq!(kept[field], value, "{kept}");
    }
    let read = json!(given["usage"]["prompt_tokens"]);
    assert!(
        kept["usage"]["prompt_tokens"].as_u64().unwrap() < read.as_u64().unwrap(),
        "the query alone is read"
    );

    let least = from_store[2].1;
    let near = search(&json!({ "query": query, "score_threshold": least - 1e-9 }));
    assert_eq!(scores(&near), from_store[..3]);
    // A filter is a part of the search.
    let cats = search(&json!({ "query": query, "filters": { "topic": "cats" }, "k": 8 }));
    let of_cats = cats["results"].as_array().unwrap();
    let all = of_cats.iter().all(|result| result["passage"]["metadata"]["topic"] == "cats");
    assert!(of_cats.len() == 8 && all, "{cats}");
    for (field, value) in [("metric", json!("dot")), ("dimensions", json!(8)), ("model", json!("other"))] {
        let mut body = json!({ "query": query });
        body[field] = value;
        let problem = assert_problem(&server.post("/v1/semantic-search", &body), 400, "inference-invalid");
        assert_eq!(problem["error"]["param"], field);
    }
}

#[test]
fn a_text_that_is_too_long_is_named_by_its_field() {
    let fixtures = tabagent_tests::workspace::root().join("tabagent-runtime/tests/fixtures");
    let server = Server::start(&["--models-dir", fixtures.to_str().unwrap()]);
    let long = "word ".repeat(2000);
    for (route, mut body, field) in [
        ("cluster", json!({ "texts": ["short", long] }), "texts[1]"),
        (
            "recommend",
            json!({ "liked": ["short"], "disliked": [long], "candidates": ["short"] }),
            "disliked[0]",
        ),
        ("semantic-search", json!({ "query": long, "documents": ["short"] }), "query"),
        (
            "evaluate-embeddings",
            json!({ "queries": ["short"], "documents": ["short", long], "relevance": [[0]] }),
            "documents[1]",
        ),
    ] {
        body["model"] = json!("bert-cls");
        let problem =
            assert_problem(&server.post(&format!("/v1/{route}"), &body), 400, "context-length-exceeded");
        assert_eq!(problem["error"]["param"], field);
        body["truncate"] = json!(true);
        let answer = ok(server.post(&format!("/v1/{route}"), &body));
        let truncated = if route == "evaluate-embeddings" { &answer["ranking"] } else { &answer };
        assert_eq!(truncated["truncated"], 1, "{answer}");
    }
}
