//! A server that is killed while it writes: what it acknowledged is there, once and in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::http::exchange_until_killed;
use tabagent_tests::server::Server;

use super::history;

/// How often it is killed.
const KILLS: u64 = 20;
/// Clients that write messages.
const WRITERS: usize = 4;
/// A kill comes after fewer messages than this were acknowledged, and fewer answers than that,
const MESSAGES: u64 = 120;
const ANSWERS: u64 = 6;
/// and fewer microseconds than this, so that it meets every part of a write.
const MOMENT: u64 = 20_000;

/// A message by its id.
fn message(id: &str) -> Value {
    json!({ "id": id, "role": "user", "content": format!("{id} says {}", "something ".repeat(20)) })
}

/// Writes messages to one session until the server is gone: the places of those that were acknowledged, which it counts.
fn write(address: SocketAddr, session: &str, writer: usize, count: &AtomicU64) -> Vec<u64> {
    let mut places = Vec::new();
    loop {
        let body = message(&format!("{writer}-{}", places.len()));
        let Some((status, stored)) =
            exchange_until_killed(address, "POST", &format!("/v1/sessions/{session}/messages"), &body)
        else {
            return places;
        };
        assert_eq!(status, 201, "{stored}");
        places.push(stored["index"].as_u64().unwrap());
        count.fetch_add(1, Relaxed);
    }
}

/// Talks in one session until the server is gone, by responses that are stored and by chat in turns: how many answers were
/// told, which it counts.
fn talk(address: SocketAddr, session: &str, count: &AtomicU64) -> usize {
    let mut told = 0;
    loop {
        let question = format!("question {told}");
        let (target, body) = if told % 2 == 0 {
            let body = json!({ "session_id": session, "input": question, "max_output_tokens": 1, "history_limit": 4 });
            ("/v1/responses", body)
        } else {
            let messages = [json!({ "role": "user", "content": question })];
            let body =
                json!({ "session_id": session, "messages": messages, "max_tokens": 1, "history_limit": 4 });
            ("/v1/chat/completions", body)
        };
        let Some((status, answer)) = exchange_until_killed(address, "POST", target, &body) else {
            return told;
        };
        assert_eq!(status, 200, "{answer}");
        told += 1;
        count.fetch_add(1, Relaxed);
    }
}

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_after_a_kill() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut server = Server::start(&[]);
    let mut responses = 0;
    for kill in 0..KILLS {
        let (together, talked) = (format!("messages-{kill}"), format!("talk-{kill}"));
        let address = server.address;
        let (messages, answers) = (&AtomicU64::new(0), &AtomicU64::new(0));
        let (places, told) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let session = &together;
                    scope.spawn(move || write(address, session, writer, messages))
                })
                .collect();
            let session = &talked;
            let talker = scope.spawn(move || talk(address, session, answers));
            let enough = [(messages, MESSAGES), (answers, ANSWERS)].map(|(count, most)| {
                let wanted = random.next_u64() % most;
                (0..60_000).any(|_| {
                    std::thread::sleep(Duration::from_millis(1));
                    count.load(Relaxed) >= wanted
                })
            });
            std::thread::sleep(Duration::from_micros(random.next_u64() % MOMENT));
            server.signal("KILL");
            server.wait();
            assert_eq!(enough, [true; 2], "{messages:?} messages and {answers:?} answers were acknowledged");
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
            let written = message(found["id"].as_str().unwrap());
            assert_eq!(
                (&found["index"], &found["content"]),
                (&json!(at), &written["content"]),
                "kill {kill}"
            );
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
        let there = [told, told + 1].contains(&(turns.len() / 2));
        assert!(turns.len() % 2 == 0 && there, "kill {kill}: {told} answers, {turns:?}");
        // A response is stored with its turn, or neither is.
        responses += turns.chunks(2).step_by(2).len();
        assert_eq!(server.get("/health").json()["store"]["responses"], responses, "kill {kill}");
        for (number, turn) in turns.chunks(2).enumerate() {
            assert_eq!(turn[0]["content"], format!("question {number}"), "kill {kill}");
            assert_eq!(turn[1]["role"], "assistant", "kill {kill}");
        }
    }
}
