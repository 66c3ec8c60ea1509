//! The events of answers with thoughts and calls, which the embedded model does not give reliably.

use serde_json::{Value, json};

use super::*;
use crate::routes::inference::InferenceError;
use crate::routes::responses::request::ResponseRequest;
use crate::routes::responses::response::Begun;

const BOTH: Markup = Markup { thoughts: true, thinking: false, calls: true, leading: false };

/// The answer to these deltas, one token each, and its events.
fn answer(deltas: &[&str], reason: FinishReason) -> (Response, Vec<Value>) {
    let request: ResponseRequest = serde_json::from_value(json!({ "input": "Hello" })).unwrap();
    let begun =
        Begun { id: "resp_1".to_owned(), created: 1, model: "m".to_owned(), temperature: 1.0, top_p: 1.0 };
    let mut answer = Answer::new(Response::begun(begun, request), BOTH, 10);
    answer.begin();
    for delta in deltas {
        answer.take(delta, 1, Vec::new());
    }
    answer.end(reason, deltas.len(), 4);
    answer.tell_end();
    let events = answer.events().iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    (answer.into_response(), events)
}

/// Names of the events, repeated deltas once.
fn names(events: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    names.dedup();
    names
}

#[test]
fn a_thought_a_text_and_two_calls() {
    let call = "<tool_call>{\"name\": \"now\", \"arguments\": {\"zone\": \"UTC\"}}</tool_call>";
    let (response, events) = answer(
        &["<think>", "I must", " look.", "</think>", "\n\n", "One", " moment.", call, "\n", call],
        FinishReason::Stop,
    );
    let item = ["response.output_item.added", "response.content_part.added"];
    let done = ["response.content_part.done", "response.output_item.done"];
    let called = [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ];
    let expected = [
        &["response.created", "response.in_progress"][..],
        &item,
        &["response.reasoning_text.delta", "response.reasoning_text.done"],
        &done,
        &item,
        &["response.output_text.delta", "response.output_text.done"],
        &done,
        &called,
        &called,
        &["response.completed"],
    ];
    assert_eq!(names(&events), expected.concat());
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());

    // What the events tell is what the response has.
    let output = serde_json::to_value(&response.output).unwrap();
    assert_eq!(output[0]["content"], json!([{ "type": "reasoning_text", "text": "I must look." }]));
    assert_eq!(output[1]["content"][0]["text"], "One moment.");
    assert_eq!((&output[2]["name"], &output[2]["arguments"]), (&json!("now"), &json!("{\"zone\": \"UTC\"}")));
    assert_ne!(output[2]["call_id"], output[3]["call_id"]);
    let whole = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    for (at, event) in whole("response.output_item.done").into_iter().enumerate() {
        assert_eq!((&event["output_index"], &event["item"]), (&json!(at), &output[at]));
    }
    for event in events.iter().filter(|event| event.get("item_id").is_some()) {
        let at = usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
        assert_eq!(event["item_id"], output[at]["id"], "{event}");
    }
    assert_eq!(whole("response.completed")[0]["response"], serde_json::to_value(&response).unwrap());

    let usage = response.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (10, 10, 20));
    assert_eq!(usage.input_tokens_details.cached_tokens, 4);
    // The thought, and its marks.
    assert_eq!(usage.output_tokens_details.reasoning_tokens, 4);
}

#[test]
fn nothing_but_a_thought_and_its_marks_is_counted_as_reasoning() {
    let reasoning = |deltas: &[&str]| {
        let (response, _) = answer(deltas, FinishReason::Stop);
        response.usage.unwrap().output_tokens_details.reasoning_tokens
    };
    // A call directly after the thought, in many tokens.
    let call = ["<tool_call>", "{\"name\"", ": \"now\"", "}", "</tool_call>"];
    assert_eq!(reasoning(&[&["<think>", "So", ".", "</think>", "\n\n"][..], &call].concat()), 4);
    assert_eq!(reasoning(&call), 0);
    // Marks in several tokens.
    assert_eq!(reasoning(&["\n", "<", "think", ">", "So", "</", "think", ">", "Yes", "."]), 7);
    assert_eq!(reasoning(&["<", "thanks", ">"]), 0);
    assert_eq!(reasoning(&["Yes", " <think>", "no", "</think>"]), 0);
}

#[test]
fn an_answer_that_is_cut_off_is_incomplete() {
    let (response, events) = answer(&["It is", " a"], FinishReason::Length);
    assert_eq!(names(&events).last(), Some(&"response.incomplete"));
    assert_eq!(response.status, ResponseStatus::Incomplete);
    assert_eq!(response.incomplete_details.unwrap().reason, "max_output_tokens");
    assert_eq!(serde_json::to_value(&response.output).unwrap()[0]["status"], "incomplete");
}

#[test]
fn a_call_that_is_cut_off_is_incomplete() {
    let deltas = ["<tool_call>", "{\"name\": \"now\", \"arguments\": {\"zone\": \"U"];
    let (response, events) = answer(&deltas, FinishReason::Length);
    assert_eq!(names(&events).last(), Some(&"response.incomplete"));
    let output = serde_json::to_value(&response.output).unwrap();
    assert_eq!(output.as_array().unwrap().len(), 1);
    let told = ["type", "status", "name", "arguments"].map(|field| output[0][field].as_str().unwrap());
    assert_eq!(told, ["function_call", "incomplete", "now", "{\"zone\": \"U"]);
}

#[test]
fn arguments_come_as_the_model_writes_them() {
    let deltas = [
        "Well.",
        "\n<tool_call>",
        "\n{\"name\"",
        ": \"now\", \"argu",
        "ments\": {",
        "\"zone\"",
        ": \"UTC\"}",
        "}\n",
        "</tool_call>",
    ];
    let (response, events) = answer(&deltas, FinishReason::Stop);
    let told: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["{", "\"zone\"", ": \"UTC\"}"]);
    let added = events.iter().rfind(|event| event["type"] == "response.output_item.added").unwrap();
    assert_eq!((&added["item"]["name"], &added["item"]["arguments"]), (&json!("now"), &json!("")));
    assert_eq!(added["item"]["status"], "in_progress");
    let output = serde_json::to_value(&response.output).unwrap();
    assert_eq!((&output[1]["id"], &output[1]["call_id"]), (&added["item"]["id"], &added["item"]["call_id"]));
    assert_eq!((&output[1]["arguments"], &output[1]["status"]), (&json!(told.concat()), &json!("completed")));
    // The model ended within one, or somebody stopped it: the response is complete and the call is not.
    let (response, events) = answer(&deltas[..6], FinishReason::Stop);
    assert_eq!(names(&events).last(), Some(&"response.completed"));
    let output = serde_json::to_value(&response.output).unwrap();
    assert_eq!((&output[1]["arguments"], &output[1]["status"]), (&json!("{\"zone\""), &json!("incomplete")));
}

#[test]
fn an_answer_without_text_is_an_empty_message() {
    let (response, events) = answer(&[], FinishReason::Stop);
    let output = serde_json::to_value(&response.output).unwrap();
    assert_eq!(
        (output[0]["type"].as_str(), output[0]["content"][0]["text"].as_str()),
        (Some("message"), Some(""))
    );
    assert!(names(&events).contains(&"response.output_item.done"));
}

#[test]
fn a_failure_is_told_with_its_message() {
    let request: ResponseRequest = serde_json::from_value(json!({ "input": "Hello" })).unwrap();
    let begun =
        Begun { id: "resp_1".to_owned(), created: 1, model: "m".to_owned(), temperature: 1.0, top_p: 1.0 };
    let mut answer = Answer::new(Response::begun(begun, request), BOTH, 10);
    answer.fail(&InferenceError::from(tabagent_runtime::BackendError::GenerationTimeout { seconds: 7.0 }));
    let [ResponseEvent::Failed { response, .. }] = &answer.events()[..] else { panic!("not one failure") };
    let failure = response.error.as_ref().unwrap();
    assert_eq!((response.status, failure.code.as_str()), (ResponseStatus::Failed, "server_error"));
    assert!(failure.message.contains("7 seconds"), "{}", failure.message);
}
