//! A server that is killed while documents come in: what it acknowledged is there once, with all its chunks and vectors, and
//! the index of words agrees with the chunks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rusqlite::{Connection, functions::FunctionFlags};
use serde_json::{Value, json};
use tabagent_tests::http::exchange_until_killed;
use tabagent_tests::server::Server;

use super::{DOCUMENTS, ok, query};

/// How often it is killed.
const KILLS: u64 = 20;
/// Clients that bring documents in.
const WRITERS: usize = 4;
/// Longest time between a start and a kill.
const MOMENT: u64 = 1500;

/// A document with a word of its own, of several chunks.
fn document(kill: u64, writer: usize, number: usize) -> Value {
    let word = format!("word{kill}x{writer}x{number}");
    json!({ "text": format!("{word} is what this one says. {}", "It says little else in all of its sentences. ".repeat(40)) })
}

/// Brings documents in until the server is gone: those that were acknowledged.
fn write(address: SocketAddr, kill: u64, writer: usize) -> Vec<Value> {
    let mut kept = Vec::new();
    while let Some((status, body)) =
        exchange_until_killed(address, "POST", DOCUMENTS, &document(kill, writer, kept.len()))
    {
        assert_eq!(status, 200, "{body}");
        kept.push(body["document"].clone());
    }
    kept
}

/// Every chunk has its vector and is of a document, and words are those of the chunks.
fn is_whole(folder: &Path) {
    let connection = Connection::open(folder.join("tabagent.sqlite")).unwrap();
    connection
        .create_scalar_function("apart", 1, FunctionFlags::SQLITE_INNOCUOUS, |text| {
            Ok(tabagent_runtime::store::indexed_text(&text.get::<String>(0)?))
        })
        .unwrap();
    connection
        .execute("INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('integrity-check', 1)", [])
        .unwrap();
    let count = |what: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("chunks"), count("vectors"));
    assert_eq!(count("documents"), count("(SELECT DISTINCT document FROM chunks)"));
    assert_eq!(count("chunks WHERE number NOT IN (SELECT chunk FROM vectors)"), 0);
    assert_eq!(count("(SELECT sha256 FROM documents GROUP BY sha256 HAVING count(*) > 1)"), 0);
}

#[test]
fn what_was_acknowledged_is_there_once_and_whole_after_a_kill() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut server = Server::start(&[]);
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let address = server.address;
        let kept: Vec<Vec<Value>> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..WRITERS).map(|writer| scope.spawn(move || write(address, kill, writer))).collect();
            std::thread::sleep(Duration::from_millis(random.next_u64() % MOMENT));
            server.signal("KILL");
            server.wait();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
        is_whole(data.path());
        server = Server::start_in(data, &[], &[]);
        for (writer, kept) in kept.iter().enumerate() {
            // A client that had no answer sends its document again, and the last one that it had an answer to as well.
            for number in kept.len().saturating_sub(1)..=kept.len() {
                let sent = ok(server.post(DOCUMENTS, &document(kill, writer, number)));
                assert!(number == kept.len() || sent["document"] == kept[number], "kill {kill}: {sent}");
            }
            for (number, document) in kept.iter().enumerate() {
                let id = document["id"].as_str().unwrap();
                let shown = ok(server.get(&format!("{DOCUMENTS}/{id}")));
                assert_eq!(&shown["document"], document, "kill {kill}");
                let word = format!("word{kill}x{writer}x{number}");
                let found = query(&server, json!({ "query": word, "mode": "keyword", "k": 20 }));
                assert_eq!(found.len(), 1, "kill {kill}: {word}");
                let chunks = json!({ "query": "anything", "mode": "vector", "k": 20, "filters": { "document_id": id } });
                assert_eq!(json!(query(&server, chunks).len()), document["chunks"], "kill {kill}: {id}");
            }
            acknowledged += kept.len();
        }
    }
    assert!(acknowledged > 10, "{acknowledged} documents are no load");
}
