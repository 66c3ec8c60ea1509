//! Responses, the parameters of generation, the models that were chosen, and the counts of what is kept.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tabagent_runtime::{
    GenerationParams, StoredResponse,
    store::{RETENTION, Store},
};

use crate::Place;

on_every_store![
    a_conversation_is_read_from_its_beginning,
    a_response_is_kept_as_it_came_and_once,
    responses_whose_time_is_over_are_dropped_and_the_newest_never,
    responses_are_counted,
];
on_every_lasting_store![
    parameters_are_read_when_the_store_is_opened,
    chosen_models_are_read_when_the_store_is_opened,
    responses_are_there_when_the_store_is_opened_again,
];

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn response(id: &str, created: u64, previous: Option<&str>) -> StoredResponse {
    StoredResponse {
        id: id.to_owned(),
        created,
        previous: previous.map(str::to_owned),
        input: json!([{ "text": "Gr\u{fc}\u{df}e" }]),
        response: json!({ "id": id, "output": [] }),
    }
}

async fn a_conversation_is_read_from_its_beginning(store: &dyn Store) {
    for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("other", Some("a"))] {
        store.put_response(response(id, now(), previous)).await.unwrap();
    }
    let ids = |chain: Vec<StoredResponse>| chain.into_iter().map(|found| found.id).collect::<Vec<_>>();
    assert_eq!(ids(store.response_chain("c").await.unwrap()), ["a", "b", "c"]);
    assert_eq!(ids(store.response_chain("nobody").await.unwrap()), Vec::<String>::new());
    assert!(store.delete_response("a").await.unwrap());
    assert!(!store.delete_response("a").await.unwrap());
    let chain = store.response_chain("c").await.unwrap();
    assert_eq!(chain[0].previous.as_deref(), Some("a"), "the gap is seen");
    assert_eq!(ids(chain), ["b", "c"]);
}

async fn a_response_is_kept_as_it_came_and_once(store: &dyn Store) {
    let kept = response("a", now(), Some("gone"));
    store.put_response(kept.clone()).await.unwrap();
    let other = StoredResponse { input: json!([]), ..kept.clone() };
    store.put_response(other).await.unwrap_err();
    assert_eq!(store.response("a").await.unwrap(), Some(kept));
    assert_eq!(store.response("nobody").await.unwrap(), None);
}

async fn responses_whose_time_is_over_are_dropped_and_the_newest_never(store: &dyn Store) {
    // A day, so that it does not matter when the test runs.
    let (age, day) = (RETENTION.age.as_secs(), 24 * 60 * 60);
    store.put_response(response("young", now() - age + day, None)).await.unwrap();
    store.put_response(response("old", now() - age - day, None)).await.unwrap();
    assert!(store.response("old").await.unwrap().is_some());
    store.put_response(response("new", now(), None)).await.unwrap();
    assert_eq!(store.response("old").await.unwrap(), None);
    assert!(store.response("young").await.unwrap().is_some());
}

async fn responses_are_counted(store: &dyn Store) {
    let mut bytes = 0;
    for number in 0..3 {
        let usage = store.usage().await.unwrap();
        assert_eq!((usage.responses, usage.bytes), (number, bytes));
        let kept = response(&format!("resp_{number}"), now(), None);
        bytes += (kept.input.to_string().len() + kept.response.to_string().len()) as u64;
        store.put_response(kept).await.unwrap();
    }
    assert!(store.delete_response("resp_1").await.unwrap());
    assert_eq!(store.usage().await.unwrap().responses, 2);
}

async fn parameters_are_read_when_the_store_is_opened(place: &Place) {
    let params =
        |max_tokens| GenerationParams { max_tokens: Some(max_tokens), ..GenerationParams::default() };
    let of = |model: &str| Some(model.to_owned());
    let store = place.open();
    assert_eq!(store.params_at_start(), &BTreeMap::new());
    let whole = GenerationParams { temperature: Some(0.1), top_k: Some(7), ..params(1) };
    store.put_params(None, whole).await.unwrap();
    store.put_params(Some("m"), whole).await.unwrap();
    store.put_params(Some("n"), params(2)).await.unwrap();
    // In place of those that there were, not beside them.
    store.put_params(Some("m"), params(3)).await.unwrap();
    drop(store);
    let store = place.open();
    let expected = BTreeMap::from([(None, whole), (of("m"), params(3)), (of("n"), params(2))]);
    assert_eq!(store.params_at_start(), &expected);
}

async fn chosen_models_are_read_when_the_store_is_opened(place: &Place) {
    let store = place.open();
    assert_eq!(store.selected_at_start(), &BTreeMap::new());
    for (kind, model) in [("embedding", Some("a")), ("generation", Some("b")), ("rerank", Some("c"))] {
        store.put_selected(kind, model).await.unwrap();
    }
    store.put_selected("embedding", Some("d")).await.unwrap();
    store.put_selected("rerank", None).await.unwrap();
    store.put_selected("other", None).await.unwrap();
    drop(store);
    let of = |kind: &str, model: &str| (kind.to_owned(), model.to_owned());
    let expected = BTreeMap::from([of("embedding", "d"), of("generation", "b")]);
    assert_eq!(place.open().selected_at_start(), &expected);
}

async fn responses_are_there_when_the_store_is_opened_again(place: &Place) {
    let kept = response("a", now(), None);
    place.open().put_response(kept.clone()).await.unwrap();
    assert_eq!(place.open().response("a").await.unwrap(), Some(kept));
}
