//! Turns in a session that do not end well, or not alone: stopped, cut off, deleted, too long, at once.

use serde_json::{Value, json};
use tabagent_tests::http::{exchange, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::server::Server;

use super::{CHAT, JSON, chat, history, ok, said, streamed, user};

#[test]
fn an_answer_that_was_stopped_or_broke_off_is_not_kept_nor_its_question() {
    let server = Server::start(&[]);
    ok(server.post(CHAT, &chat(&[user("Hello")], &json!({ "session_id": "s" }))));
    let kept = history(&server, "s");
    // Its special tokens do not come, so that it does not end by itself.
    let endless = json!({
        "session_id": "s", "max_tokens": 900, "stream": true, "logit_bias": { "7165": -100, "7166": -100, "7167": -100 },
    });
    for stopped in [true, false] {
        let mut connection = server.connect();
        let body = chat(&[user("Tell me all.")], &endless).to_string();
        let headers = [JSON[0], ("x-request-id", "to-be-stopped")];
        connection.send(&request("POST", CHAT, &headers, body.as_bytes()));
        let (_, mut events) = connection.receive_events();
        events.next().unwrap();
        if stopped {
            ok(server.post("/v1/generation/stop", &json!({ "request_id": "to-be-stopped" })));
            assert_eq!(events.last().as_deref(), Some("[DONE]"));
        }
    }
    // The one whose client left ends by itself.
    let over = (0..1500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        server.get("/v1/halt").json()["data"] == json!([])
    });
    assert!(over, "{}", server.get("/v1/halt").text());
    assert_eq!(history(&server, "s"), kept);

    // A deadline: a session that would have begun with it is not there.
    let server = Server::start(&["--generation-deadline", "1ms"]);
    let body = chat(&[user("Hello")], &json!({ "session_id": "s" }));
    assert_problem(&server.post(CHAT, &body), 408, "generation-timeout");
    let response = json!({ "input": "Hello", "session_id": "s", "store": false });
    assert_problem(&server.post("/v1/responses", &response), 408, "generation-timeout");
    assert_problem(&server.get("/v1/sessions/s"), 404, "session-not-found");
}

#[test]
fn a_session_that_is_deleted_is_not_brought_back_by_an_answer() {
    let server = Server::start(&[]);
    ok(server.post(CHAT, &chat(&[user("Hello")], &json!({ "session_id": "s" }))));
    let endless = json!({
        "session_id": "s", "max_tokens": 900, "stream": true, "logit_bias": { "7165": -100, "7166": -100, "7167": -100 },
    });
    let mut connection = server.connect();
    connection.send(&request(
        "POST",
        CHAT,
        &JSON,
        chat(&[user("Tell me all.")], &endless).to_string().as_bytes(),
    ));
    let (_, mut events) = connection.receive_events();
    events.next().unwrap();
    let deleted = ok(server.send("DELETE", "/v1/sessions/s", &[], b""));
    assert_eq!(deleted, json!({ "id": "s", "object": "session.deleted", "deleted": true }));
    let data: Vec<String> = events.collect();
    // The end is not told as if it were kept.
    assert!(!data.iter().any(|data| data.contains("\"finish_reason\":\"")), "{data:?}");
    assert!(data.iter().any(|data| data.contains("session_not_found")), "{data:?}");
    assert_problem(&server.get("/v1/sessions/s"), 404, "session-not-found");
}

#[test]
fn a_response_whose_session_was_deleted_meanwhile_is_not_stored() {
    let server = Server::start(&[]);
    ok(server.post(CHAT, &chat(&[user("Hello")], &json!({ "session_id": "s" }))));
    let mut connection = server.connect();
    let body =
        json!({ "session_id": "s", "input": "Tell me all.", "stream": true, "max_output_tokens": 200 });
    connection.send(&request("POST", "/v1/responses", &JSON, body.to_string().as_bytes()));
    let (_, mut events) = connection.receive_events();
    let created: Value = serde_json::from_str(&events.next().unwrap()).unwrap();
    ok(server.send("DELETE", "/v1/sessions/s", &[], b""));
    let data: Vec<String> = events.collect();
    assert!(data.iter().any(|data| data.contains("\"response.failed\"")), "{data:?}");
    let id = created["response"]["id"].as_str().unwrap();
    assert_problem(&server.get(&format!("/v1/responses/{id}")), 404, "response-not-found");
}

#[test]
fn a_session_that_is_too_long_goes_on_with_its_last_messages() {
    let server = Server::start(&[]);
    let words = "many words of a long story ".repeat(60);
    for _ in 0..4 {
        for role in ["user", "assistant"] {
            let message = json!({ "role": role, "content": words });
            assert_eq!(server.post("/v1/sessions/s/messages", &message).status, 201);
        }
    }
    let problem = assert_problem(
        &server.post(CHAT, &chat(&[user("And?")], &json!({ "session_id": "s" }))),
        400,
        "context-length-exceeded",
    );
    assert_eq!(
        (&problem["error"]["code"], &problem["error"]["param"]),
        (&json!("context_length_exceeded"), &json!("messages"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("history_limit"), "{problem}");
    let response = json!({ "input": "And?", "session_id": "s", "store": false });
    let problem = assert_problem(&server.post("/v1/responses", &response), 400, "context-length-exceeded");
    assert_eq!(
        (&problem["error"]["code"], &problem["error"]["param"]),
        (&json!("context_length_exceeded"), &json!("input"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("history_limit"), "{problem}");

    let short =
        ok(server.post(CHAT, &chat(&[user("And?")], &json!({ "session_id": "s", "history_limit": 2 }))));
    let whole = [user(&words), json!({ "role": "assistant", "content": words }), user("And?")];
    let whole = ok(server.post(CHAT, &chat(&whole, &json!({}))));
    assert_eq!(short["usage"]["prompt_tokens"], whole["usage"]["prompt_tokens"]);
    assert_eq!(short["choices"][0]["message"], whole["choices"][0]["message"]);
    assert_eq!(history(&server, "s").len(), 10);
}

#[test]
fn sessions_that_are_full_together_refuse_until_one_is_deleted() {
    let server = Server::start(&["--sessions-limit", "4KiB"]);
    let message = user(&"many words ".repeat(200));
    assert_eq!(server.post("/v1/sessions/s/messages", &message).status, 201);
    let refused =
        assert_problem(&server.post("/v1/sessions/t/messages", &message), 500, "configuration-error");
    assert!(refused["detail"].as_str().unwrap().contains("--sessions-limit"), "{refused}");
    assert_problem(&server.get("/v1/sessions/t"), 404, "session-not-found");
    // A turn for which there is no room is not kept, nor is its response.
    let response = json!({ "session_id": "t", "input": message["content"], "max_output_tokens": 1 });
    assert_problem(&server.post("/v1/responses", &response), 500, "configuration-error");
    assert_eq!(server.get("/health").json()["store"]["responses"], 0);
    ok(server.send("DELETE", "/v1/sessions/s", &[], b""));
    ok(server.post("/v1/responses", &response));
    assert_eq!(server.get("/health").json()["store"]["responses"], 1);
}

#[test]
fn requests_in_one_session_at_once_add_whole_turns() {
    let server = Server::start(&[]);
    let answers: Vec<(String, String)> = std::thread::scope(|scope| {
        let turns: Vec<_> = (0..12)
            .map(|number| {
                let address = server.address;
                scope.spawn(move || {
                    let question = format!("Question number {number}");
                    let body = chat(
                        &[user(&question)],
                        &json!({ "session_id": "s", "max_tokens": 3, "temperature": 1 }),
                    );
                    let answer = if number % 2 == 0 {
                        let answer = ok(exchange(address, "POST", CHAT, &JSON, body.to_string().as_bytes()));
                        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
                    } else {
                        let chunks = streamed(address, CHAT, &body);
                        chunks
                            .iter()
                            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
                            .collect()
                    };
                    (question, answer)
                })
            })
            .collect();
        turns.into_iter().map(|turn| turn.join().unwrap()).collect()
    });
    let kept = history(&server, "s");
    let told = said(&kept);
    let mut pairs: Vec<(&str, &str)> = told
        .chunks(2)
        .map(|turn| match turn {
            [("user", question), ("assistant", answer)] => (*question, *answer),
            other => panic!("no turn: {other:?}"),
        })
        .collect();
    let mut expected: Vec<(&str, &str)> =
        answers.iter().map(|(question, answer)| (&**question, &**answer)).collect();
    pairs.sort_unstable();
    expected.sort_unstable();
    assert_eq!(pairs, expected);
}
