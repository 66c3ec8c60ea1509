//! A server that is killed while it writes: what it acknowledged is there, once and in order.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::http::request;
use tabagent_tests::server::Server;

use super::history;

/// How often it is killed.
const KILLS: u64 = 20;
/// Clients that write messages.
const WRITERS: usize = 4;
/// Longest time between a start and a kill.
const MOMENT: u64 = 400;

/// The body of an answer; `None` where the server is gone before it is whole.
fn post(address: SocketAddr, target: &str, body: &Value) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let headers = [("content-type", "application/json"), ("connection", "close")];
    stream.write_all(&request("POST", target, &headers, body.to_string().as_bytes())).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.get("HTTP/1.1 ".len()..)?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

/// A message by its id.
fn message(id: &str) -> Value {
    json!({ "id": id, "role": "user", "content": format!("{id} says {}", "something ".repeat(20)) })
}

/// Writes messages to one session until the server is gone: how many were acknowledged, with their places.
fn write(address: SocketAddr, session: &str, writer: usize) -> Vec<u64> {
    let mut places = Vec::new();
    loop {
        let body = message(&format!("{writer}-{}", places.len()));
        let Some((status, stored)) = post(address, &format!("/v1/sessions/{session}/messages"), &body) else {
            return places;
        };
        assert_eq!(status, 201, "{stored}");
        places.push(stored["index"].as_u64().unwrap());
    }
}

/// Chats in one session until the server is gone: how many answers were told.
fn talk(address: SocketAddr, session: &str) -> usize {
    let mut told = 0;
    loop {
        let body = json!({
            "session_id": session, "max_tokens": 1, "history_limit": 4,
            "messages": [{ "role": "user", "content": format!("question {told}") }],
        });
        let Some((status, answer)) = post(address, "/v1/chat/completions", &body) else { return told };
        assert_eq!(status, 200, "{answer}");
        told += 1;
    }
}

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_after_a_kill() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut server = Server::start(&[]);
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let (together, talked) = (format!("messages-{kill}"), format!("talk-{kill}"));
        let address = server.address;
        let (places, told) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let session = &together;
                    scope.spawn(move || write(address, session, writer))
                })
                .collect();
            let session = &talked;
            let talker = scope.spawn(move || talk(address, session));
            std::thread::sleep(Duration::from_millis(random.next_u64() % MOMENT));
            server.signal("KILL");
            server.wait();
            let places: Vec<Vec<u64>> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
            (places, talker.join().unwrap())
        });
        let data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
        server = Server::start_in(data, &[], &[]);

        // A client that had no answer sends its message again.
        for (writer, places) in places.iter().enumerate() {
            let last = message(&format!("{writer}-{}", places.len()));
            let stored = server.post(&format!("/v1/sessions/{together}/messages"), &last);
            assert_eq!(stored.status, 201, "{}", stored.text());
        }
        let kept = history(&server, &together);
        for (at, found) in kept.iter().enumerate() {
            assert_eq!(found["index"], json!(at), "kill {kill}");
        }
        let expected: usize = places.iter().map(|places| places.len() + 1).sum();
        assert_eq!(kept.len(), expected, "kill {kill}: something is gone, or there twice");
        let at: BTreeMap<&str, u64> = kept
            .iter()
            .map(|found| (found["id"].as_str().unwrap(), found["index"].as_u64().unwrap()))
            .collect();
        for (writer, places) in places.iter().enumerate() {
            let ids = (0..places.len()).map(|number| format!("{writer}-{number}"));
            let found: Vec<u64> = ids.map(|id| at[&*id]).collect();
            assert_eq!(&found, places, "kill {kill}: writer {writer}");
            assert!(found.is_sorted(), "kill {kill}: writer {writer}");
        }

        // Turns are whole, and at most the one is beyond that was under way.
        let turns = match server.get(&format!("/v1/sessions/{talked}")).status {
            404 => Vec::new(),
            _ => history(&server, &talked),
        };
        let beyond = turns.len() / 2 - told;
        assert!(turns.len() % 2 == 0 && beyond <= 1, "kill {kill}: {told} answers, {turns:?}");
        for (number, turn) in turns.chunks(2).enumerate() {
            assert_eq!(turn[0]["content"], format!("question {number}"), "kill {kill}");
            assert_eq!(turn[1]["role"], "assistant", "kill {kill}");
        }
        acknowledged += expected - WRITERS + told;
    }
    assert!(acknowledged > 100, "{acknowledged} writes are no load");
}
