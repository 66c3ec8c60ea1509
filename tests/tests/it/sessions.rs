//! Sessions: conversations that the server remembers, by themselves and through chat and responses.

mod ends;
mod kill;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tabagent_tests::http::{Connection, Response, exchange, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;
use tabagent_tests::workspace;

const CHAT: &str = "/v1/chat/completions";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const QUESTIONS: [&str; 3] = ["Who are you?", "Which route makes embeddings?", "And how do I stop you?"];

fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

/// A chat with greedy answers; `more` are further fields.
fn chat(messages: &[Value], more: &Value) -> Value {
    let mut body = json!({ "messages": messages, "temperature": 0, "max_tokens": 24 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The messages of a session, the oldest first.
fn history(server: &Server, session: &str) -> Vec<Value> {
    let (mut messages, mut after): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let page = ok(server.get(&format!("/v1/sessions/{session}/history?limit=1000{after}")));
        messages.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return messages;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
}

/// Who said what.
fn said(messages: &[Value]) -> Vec<(&str, &str)> {
    let text = |message: &'_ Value, field: &str| message[field].as_str().map(str::to_owned);
    assert!(
        messages.iter().all(|message| text(message, "role").is_some() && text(message, "content").is_some())
    );
    messages
        .iter()
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
        .collect()
}

/// Sends a chat that streams; the data of its events, without the last line.
fn streamed(address: SocketAddr, target: &str, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let mut connection = Connection::open(address);
    connection.send(&request("POST", target, &JSON, body.to_string().as_bytes()));
    let (_, events) = connection.receive_events();
    events.filter(|data| data != "[DONE]").map(|data| serde_json::from_str(&data).unwrap()).collect()
}

#[test]
fn a_conversation_in_a_session_is_that_chat_sent_whole() {
    let mut server = Server::start(&[]);
    let system = json!({ "role": "system", "content": "You are brief." });
    let (mut whole, mut told) = (vec![system.clone()], Vec::new());
    for question in QUESTIONS {
        whole.push(user(question));
        let in_session =
            ok(server.post(CHAT, &chat(&[system.clone(), user(question)], &json!({ "session_id": "s" }))));
        let at_once = ok(server.post(CHAT, &chat(&whole, &json!({}))));
        let answer = &in_session["choices"][0]["message"];
        assert_eq!(answer, &at_once["choices"][0]["message"], "{question}");
        for count in ["prompt_tokens", "completion_tokens"] {
            assert_eq!(in_session["usage"][count], at_once["usage"][count], "{question}");
        }
        // What the turn before read is not read again.
        let cached = in_session["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        assert!(told.is_empty() || cached > 0, "{}", in_session["usage"]);
        let answer = answer["content"].as_str().unwrap().to_owned();
        whole.push(json!({ "role": "assistant", "content": answer }));
        told.extend([("user".to_owned(), question.to_owned()), ("assistant".to_owned(), answer)]);

        // A stream keeps the same.
        let chunks = streamed(
            server.address,
            CHAT,
            &chat(&[system.clone(), user(question)], &json!({ "session_id": "streamed" })),
        );
        assert_eq!(
            chunks.last().unwrap()["choices"][0]["finish_reason"],
            at_once["choices"][0]["finish_reason"]
        );
    }
    let told: Vec<(&str, &str)> = told.iter().map(|(role, text)| (&**role, &**text)).collect();
    let kept = history(&server, "s");
    assert_eq!(said(&kept), told, "what holds for the whole conversation is not kept");
    assert_eq!(said(&history(&server, "streamed")), told);

    // Over a kill as well: it goes on where it was.
    let next = |server: &Server| {
        let body = chat(&[system.clone(), user("Thanks.")], &json!({ "session_id": "s" }));
        ok(server.post(CHAT, &body))["choices"][0]["message"]["content"].clone()
    };
    server.signal("KILL");
    server.wait();
    let data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
    let server = Server::start_in(data, &[], &[]);
    assert_eq!(history(&server, "s"), kept);
    whole.push(user("Thanks."));
    let at_once = ok(server.post(CHAT, &chat(&whole, &json!({}))));
    assert_eq!(next(&server), at_once["choices"][0]["message"]["content"]);
}

#[test]
fn chat_and_responses_go_on_with_one_session() {
    let server = Server::start(&[]);
    let respond = |more: Value| {
        let mut body = json!({ "temperature": 0, "max_output_tokens": 24, "instructions": "You are brief.", "store": false });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let in_chat = chat(
        &[json!({ "role": "system", "content": "You are brief." }), user(QUESTIONS[0])],
        &json!({ "session_id": "s" }),
    );
    ok(server.post(CHAT, &in_chat));
    let first = ok(server
        .post("/v1/responses", &respond(json!({ "input": QUESTIONS[1], "conversation": { "id": "s" } }))));
    assert_eq!(first["conversation"], json!({ "id": "s" }));
    let events = streamed(
        server.address,
        "/v1/responses",
        &respond(json!({ "input": QUESTIONS[2], "session_id": "s" })),
    );
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["conversation"], json!({ "id": "s" }));

    // The same items, sent whole, are the same prompt.
    let kept = history(&server, "s");
    let input: Vec<Value> =
        said(&kept)[..5].iter().map(|(role, text)| json!({ "role": role, "content": text })).collect();
    let whole = ok(server.post("/v1/responses", &respond(json!({ "input": input }))));
    assert_eq!(whole["conversation"], Value::Null);
    assert_eq!(whole["output"][0]["content"], last["output"][0]["content"]);
    assert_eq!(whole["usage"]["input_tokens"], last["usage"]["input_tokens"]);
    let text = |response: &Value| response["output"][0]["content"][0]["text"].as_str().unwrap().to_owned();
    let (first, last) = (text(&first), text(last));
    let told = said(&kept);
    assert_eq!(
        told[2..],
        [("user", QUESTIONS[1]), ("assistant", &*first), ("user", QUESTIONS[2]), ("assistant", &*last)]
    );
    assert_eq!(told[0], ("user", QUESTIONS[0]));
}

#[test]
fn a_response_of_a_session_is_not_continued_without_it() {
    let server = Server::start(&[]);
    ok(server.post(CHAT, &chat(&[user(QUESTIONS[0])], &json!({ "session_id": "s" }))));
    let body = json!({ "input": QUESTIONS[1], "session_id": "s", "max_output_tokens": 8 });
    let first = ok(server.post("/v1/responses", &body));
    // It would lack what the session had before.
    let alone = json!({ "input": QUESTIONS[2], "previous_response_id": first["id"], "max_output_tokens": 8 });
    let refused = assert_problem(&server.post("/v1/responses", &alone), 400, "inference-invalid");
    assert_eq!(refused["error"]["param"], "previous_response_id");
    assert!(refused["detail"].as_str().unwrap().contains("session_id"), "{refused}");
}

#[test]
fn a_message_that_was_posted_is_answered_without_another_one() {
    let server = Server::start(&[]);
    let post = |session: &str, message: &Value| {
        let stored = server.post(&format!("/v1/sessions/{session}/messages"), message);
        assert_eq!(stored.status, 201, "{}", stored.text());
    };
    let system = json!({ "role": "system", "content": "You are brief." });
    let expected = ok(server.post(CHAT, &chat(&[system.clone(), user(QUESTIONS[0])], &json!({}))));
    let expected = expected["choices"][0]["message"]["content"].as_str().unwrap();
    for session in ["whole", "streamed", "response"] {
        post(session, &user(QUESTIONS[0]));
        // What holds for the request alone is no question.
        let body = chat(std::slice::from_ref(&system), &json!({ "session_id": session }));
        let told = match session {
            "whole" => ok(server.post(CHAT, &body))["choices"][0]["message"]["content"].clone(),
            "streamed" => {
                let chunks = streamed(server.address, CHAT, &body);
                let text = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
                json!(text.collect::<String>())
            }
            _ => {
                let body = json!({
                    "input": [], "instructions": "You are brief.", "conversation": session, "temperature": 0, "max_output_tokens": 24,
                });
                ok(server.post("/v1/responses", &body))["output"][0]["content"][0]["text"].clone()
            }
        };
        assert_eq!(told, expected, "{session}");
        assert_eq!(said(&history(&server, session)), [("user", QUESTIONS[0]), ("assistant", expected)]);

        // Now there is nothing to answer, and a message of the assistant is none to be answered either.
        let refused = assert_problem(&server.post(CHAT, &body), 400, "inference-invalid");
        assert_eq!(refused["error"]["param"], "messages");
        let body = json!({ "input": [], "session_id": session });
        let refused = assert_problem(&server.post("/v1/responses", &body), 400, "inference-invalid");
        assert_eq!(refused["error"]["param"], "input");
    }
    let of_nobody = chat(&[], &json!({ "session_id": "nobody" }));
    assert_problem(&server.post(CHAT, &of_nobody), 404, "session-not-found");
    assert_problem(&server.post(CHAT, &chat(&[], &json!({}))), 400, "inference-invalid");

    // Two answers to one question at once: one is kept, the other one is told that it came late.
    post("twice", &user(QUESTIONS[1]));
    let body = chat(&[], &json!({ "session_id": "twice" })).to_string();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || exchange(server.address, "POST", CHAT, &JSON, body.as_bytes()).status;
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
    assert_eq!(history(&server, "twice").len(), 2);
}

#[test]
fn calls_of_tools_and_their_answers_are_kept() {
    let models = workspace::root().join("tests/fixtures/models");
    let server = Server::start(&["--models-dir", models.to_str().unwrap()]);
    let tools = json!([{ "type": "function", "function": { "name": "get_weather" } }]);
    let more = json!({ "model": "recital/one-call", "tools": tools, "session_id": "s", "max_tokens": 200 });
    let answer = ok(server.post(CHAT, &chat(&[user("The weather?")], &more)));
    let call = answer["choices"][0]["message"]["tool_calls"][0].clone();
    assert_eq!(call["function"]["name"], "get_weather", "{answer}");
    let result = json!({ "role": "tool", "content": "sunny", "tool_call_id": call["id"] });
    ok(server.post(CHAT, &chat(&[result], &more)));

    // As a stream, and in responses, whose output refers to a call that the session has.
    let mut streams = more.clone();
    streams["session_id"] = json!("streamed");
    let chunks = streamed(server.address, CHAT, &chat(&[user("The weather?")], &streams));
    let told = chunks.iter().find_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["id"].as_str());
    let output = json!({ "type": "function_call_output", "call_id": told.unwrap(), "output": "sunny" });
    let tools = json!([{ "type": "function", "name": "get_weather" }]);
    let body = json!({ "model": "recital/one-call", "tools": tools, "conversation": "streamed", "input": [output], "temperature": 0 });
    ok(server.post("/v1/responses", &body));

    for session in ["s", "streamed"] {
        let kept = history(&server, session);
        let roles: Vec<&str> = kept.iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "assistant"], "{kept:?}");
        let written = &kept[1]["tool_calls"][0];
        assert_eq!(written["function"], call["function"], "{kept:?}");
        assert_eq!((&kept[1]["content"], &kept[2]["content"]), (&Value::Null, &json!("sunny")));
        assert_eq!(kept[2]["tool_call_id"], written["id"]);
        if session == "s" {
            assert_eq!(written["id"], call["id"]);
        } else {
            assert_eq!(written["id"].as_str(), told);
        }
    }
    let elsewhere = json!({ "model": "recital/one-call", "input": [output], "session_id": "s" });
    let refused = assert_problem(&server.post("/v1/responses", &elsewhere), 400, "inference-invalid");
    assert_eq!(refused["error"]["param"], "input[0].call_id");
}

#[test]
fn what_holds_for_the_whole_session_is_replaced_by_the_request() {
    let server = Server::start(&[]);
    let post = |message: Value| {
        let stored = server.post("/v1/sessions/s/messages", &message);
        assert_eq!(stored.status, 201, "{}", stored.text());
    };
    post(json!({ "role": "system", "content": "You are a long system message of the session." }));
    let ask = |messages: &[Value], more: Value| {
        let tokens = ok(server.post(CHAT, &chat(messages, &more)))["usage"]["prompt_tokens"].clone();
        tokens.as_u64().unwrap()
    };
    let long = json!({ "role": "system", "content": "You are a long system message of the session." });
    let short = json!({ "role": "developer", "content": "Short." });
    let in_session = || json!({ "session_id": "s", "max_tokens": 1 });
    assert_eq!(ask(&[user("Hi")], in_session()), ask(&[long, user("Hi")], json!({})));
    let kept = history(&server, "s");
    assert_eq!(
        said(&kept)[..2],
        [("system", "You are a long system message of the session."), ("user", "Hi")]
    );
    let answer = kept[2]["content"].clone();
    let whole = [short.clone(), user("Hi"), json!({ "role": "assistant", "content": answer }), user("And?")];
    assert_eq!(ask(&[short, user("And?")], in_session()), ask(&whole, json!({})));
    let roles: Vec<Value> = history(&server, "s").iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
}

#[test]
fn parameters_of_a_session_come_between_those_of_the_request_and_of_the_model() {
    let server = Server::start(&[]);
    assert_problem(
        &server.post("/v1/params", &json!({ "session_id": "s", "max_tokens": 3 })),
        404,
        "session-not-found",
    );
    let tokens = |more: Value| {
        let mut body = json!({ "messages": [user("Who are you?")], "temperature": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ok(server.post(CHAT, &body))["usage"]["completion_tokens"].as_u64().unwrap()
    };
    ok(server.post("/v1/params", &json!({ "max_tokens": 5 })));
    ok(server.post("/v1/params", &json!({ "model": "tabagent-chat", "max_tokens": 4 })));
    assert_eq!(tokens(json!({ "session_id": "s" })), 4);
    ok(server.post("/v1/params", &json!({ "session_id": "s", "max_tokens": 3 })));
    assert_eq!(tokens(json!({ "session_id": "s" })), 3);
    assert_eq!(tokens(json!({ "session_id": "s", "max_tokens": 2 })), 2);
    assert_eq!(tokens(json!({ "session_id": "other" })), 4);
    let response = json!({ "input": "Who are you?", "session_id": "s", "store": false });
    assert_eq!(ok(server.post("/v1/responses", &response))["usage"]["output_tokens"], 3);
    let shown = ok(server.get("/v1/params?session_id=s&model=tabagent-chat"));
    assert_eq!((&shown["params"]["max_tokens"], &shown["in_force"]["max_tokens"]), (&json!(3), &json!(3)));
    ok(server.post("/v1/params", &json!({ "session_id": "s", "reset": true })));
    assert_eq!(tokens(json!({ "session_id": "s" })), 4);
}
