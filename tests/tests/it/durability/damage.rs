//! A file that is damaged: pages of its tables, the end of its log, an index of words that is not that of the chunks. The server
//! says so, or mends it from the store, and answers nothing that is wrong.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};
use tabagent_tests::http::Response;
use tabagent_tests::process;
use tabagent_tests::server::{self, Server};

use super::{DATABASE, DOCUMENTS, QUERY, assert_found, assert_whole, history, ok, start, words_of};

const TOTAL: usize = 60;

fn word(number: usize) -> String {
    format!("word{number}x")
}

fn text(number: usize) -> String {
    let sentence = |at| format!("Sentence {at} of this text has the word {}.", word(number));
    (0..40).map(sentence).collect::<Vec<String>>().join("\n\n")
}

fn content(number: usize) -> String {
    format!("message {number} {}", "says something ".repeat(100))
}

/// Fills a store: documents, messages of two sessions, responses; it is closed in order.
fn filled(folder: &Path) -> Vec<Value> {
    let mut server = start(folder);
    for number in 0..TOTAL {
        ok(server.post(DOCUMENTS, &json!({ "id": format!("d{number}"), "text": text(number) })));
        let session = if number % 2 == 0 { "even" } else { "odd" };
        let message = json!({ "id": format!("m{number}"), "role": "user", "content": content(number) });
        ok(server.post(&format!("/v1/sessions/{session}/messages"), &message));
    }
    let ask = json!({ "input": "Who are you?", "max_output_tokens": 1 });
    let responses = (0..3).map(|_| ok(server.post("/v1/responses", &ask))).collect();
    server.signal("TERM");
    server.wait();
    responses
}

/// Every document is found in every way, and every message is there.
fn assert_all(server: &Server) {
    for number in 0..TOTAL {
        assert_found(server, &format!("d{number}"), &text(number), &word(number));
    }
    let kept: Vec<Value> = ["even", "odd"]
        .iter()
        .flat_map(|session| history(server, session))
        .map(|one| one["id"].clone())
        .collect();
    let expected: Vec<Value> = (0..TOTAL)
        .step_by(2)
        .chain((1..TOTAL).step_by(2))
        .map(|number| json!(format!("m{number}")))
        .collect();
    assert_eq!(kept, expected);
}

/// Writes over a page in the middle of what a table has.
fn damage(file: &Path, table: &str) {
    let connection = Connection::open(file).unwrap();
    let page: u64 =
        connection.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap();
    let pages: Vec<u64> = connection
        .prepare("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path")
        .unwrap()
        .query_map([table], |row| row.get::<_, i64>(0))
        .unwrap()
        .map(|number| number.unwrap().try_into().unwrap())
        .collect();
    drop(connection);
    assert!(pages.len() > 2, "{table} has {} pages", pages.len());
    let begin = usize::try_from((pages[pages.len() / 2] - 1) * page).unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[begin..begin + usize::try_from(page).unwrap()].fill(b'x');
    fs::write(file, bytes).unwrap();
}

/// Whether an answer is one; where it is none it says that the file is damaged, and what to do.
fn answered(response: &Response) -> bool {
    if response.status < 400 {
        return true;
    }
    let problem = response.json();
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(problem["error"]["code"], "configuration_error", "{problem}");
    assert!(detail.contains("tabagent.sqlite is damaged; restore it from a backup"), "{problem}");
    false
}

#[test]
fn damaged_pages_are_told_where_they_are_met_and_the_rest_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let responses = filled(folder.path());
    let file = folder.path().join(DATABASE);
    let whole = fs::read(&file).unwrap();
    for table in ["documents", "chunks", "vectors", "messages", "chunks_fts_data"] {
        fs::write(&file, &whole).unwrap();
        damage(&file, table);
        let data = tempfile::tempdir().unwrap();
        let mut doctor = server::command(&data, &["doctor", "--port", "0"]);
        doctor.env("TABAGENT_DATA_DIR", folder.path());
        let examined = process::run(doctor, server::START_DEADLINE);
        assert!(
            !examined.success && examined.stdout.contains("is damaged; restore it"),
            "{}",
            examined.shown()
        );

        let mut server = start(folder.path());
        let mut failed: Vec<String> = Vec::new();
        // What is answered is right, whatever is damaged.
        for number in 0..TOTAL {
            let shown = server.get(&format!("{DOCUMENTS}/d{number}?include=text,chunks"));
            if answered(&shown) {
                assert_eq!(shown.json()["text"], text(number), "{table}: d{number}");
            } else {
                failed.push(format!("d{number}"));
            }
            let body = json!({ "query": word(number), "mode": "keyword", "k": 1 });
            let found = server.post(QUERY, &body);
            if answered(&found) {
                assert_eq!(found.json()["results"][0]["document_id"], format!("d{number}"), "{table}");
            } else {
                failed.push(word(number));
            }
        }
        let vector = json!({ "query": "anything", "mode": "vector" });
        if !answered(&server.post(QUERY, &vector)) {
            failed.push("vector".to_owned());
        }
        for session in ["even", "odd"] {
            let kept = server.get(&format!("/v1/sessions/{session}/history?limit=1000"));
            if answered(&kept) {
                assert_eq!(kept.json()["data"].as_array().unwrap().len(), TOTAL / 2, "{table}");
            } else {
                failed.push(session.to_owned());
            }
        }
        println!("{table}: {failed:?}");
        // The table is met, unless its index was made anew, and others are not.
        let of_sessions = failed.iter().any(|failed| failed == "even" || failed == "odd");
        let of_documents = failed.iter().any(|failed| failed != "even" && failed != "odd");
        assert_eq!(of_sessions, table == "messages", "{table}: {failed:?}");
        assert!(of_documents == (table != "messages") || table == "chunks_fts_data", "{table}: {failed:?}");
        // All that is not in that table goes on.
        for response in &responses {
            assert_eq!(
                &ok(server.get(&format!("/v1/responses/{}", response["id"].as_str().unwrap()))),
                response
            );
        }
        ok(server.post("/v1/responses", &json!({ "input": "Who are you?", "max_output_tokens": 1 })));
        ok(server.post("/v1/embeddings", &json!({ "input": "a" })));
        if table != "messages" {
            ok(server.post("/v1/sessions/new/messages", &json!({ "role": "user", "content": "kept" })));
            assert_eq!(history(&server, "new")[0]["content"], "kept", "{table}");
        }
        server.signal("TERM");
        server.wait();
    }
    // The backup is as good as it was.
    fs::write(&file, &whole).unwrap();
    let server = start(folder.path());
    assert_all(&server);
}

#[test]
fn a_log_that_was_cut_or_damaged_leaves_what_was_written_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let count = 30;
    for number in 0..count {
        let message = json!({ "id": format!("m{number}"), "role": "user", "content": content(number) });
        ok(server.post("/v1/sessions/s/messages", &message));
        ok(server.post(DOCUMENTS, &json!({ "id": format!("d{number}"), "text": text(number) })));
    }
    server.signal("KILL");
    server.wait();
    let log = folder.path().join(format!("{DATABASE}-wal"));
    let (file, whole) = (fs::read(folder.path().join(DATABASE)).unwrap(), fs::read(&log).unwrap());
    assert!(whole.len() > 100_000, "{} bytes", whole.len());
    let mut before = None;
    for cut in [whole.len(), whole.len() - 1, whole.len() * 2 / 3, whole.len() / 3 + 17, 4096, 31, 0] {
        for damaged in [false, true] {
            let again = tempfile::tempdir().unwrap();
            fs::write(again.path().join(DATABASE), &file).unwrap();
            let mut bytes = whole[..cut].to_vec();
            if damaged {
                // What stands behind is there, and is not what was written.
                bytes.extend(vec![0x5a; whole.len() - cut]);
            }
            fs::write(again.path().join(format!("{DATABASE}-wal")), bytes).unwrap();
            let mut server = start(again.path());
            let found = server.get("/v1/sessions/s/history?limit=1000");
            let kept = if found.status == 404 { Vec::new() } else { history(&server, "s") };
            for (number, message) in kept.iter().enumerate() {
                assert_eq!(
                    (&message["id"], &message["content"]),
                    (&json!(format!("m{number}")), &json!(content(number)))
                );
            }
            // A message and the document behind it were written one after the other.
            let documents = super::pages(&server, DOCUMENTS).len();
            assert!(
                kept.len() == documents || kept.len() == documents + 1,
                "{cut}: {} and {documents}",
                kept.len()
            );
            for number in 0..documents {
                assert_found(&server, &format!("d{number}"), &text(number), &word(number));
            }
            if cut == whole.len() {
                assert_eq!((kept.len(), documents), (count, count));
            }
            assert!(before.is_none_or(|before| kept.len() <= before), "less of the log has more");
            before = Some(kept.len());
            // Writing goes on.
            let message = json!({ "role": "user", "content": "after" });
            assert_eq!(ok(server.post("/v1/sessions/s/messages", &message))["index"], kept.len());
            ok(server.post(DOCUMENTS, &json!({ "id": "after", "text": text(999) })));
            assert_found(&server, "after", &text(999), &word(999));
            server.signal("KILL");
            server.wait();
            assert_whole(again.path());
        }
    }
}

#[test]
fn an_index_of_words_that_is_not_that_of_the_chunks_is_made_anew_from_them() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let file = folder.path().join(DATABASE);
    let whole = fs::read(&file).unwrap();
    for (what, sql) in [
        ("nothing in it", "INSERT INTO chunks_fts (chunks_fts) VALUES ('delete-all')"),
        (
            "a chunk missing",
            "INSERT INTO chunks_fts (chunks_fts, rowid, text, headings)
             SELECT 'delete', number, text, headings FROM chunks ORDER BY number LIMIT 1 OFFSET 7",
        ),
        (
            "a chunk too many",
            "INSERT INTO chunks_fts (rowid, text, headings) VALUES (99999, 'ghost word7x', '')",
        ),
        (
            "another chunk in place of one",
            "INSERT INTO chunks_fts (chunks_fts, rowid, text, headings)
             SELECT 'delete', number, text, headings FROM chunks ORDER BY number LIMIT 1 OFFSET 7;
             INSERT INTO chunks_fts (rowid, text, headings) VALUES (99999, 'ghost word7x', '')",
        ),
        ("a part of its words lost", "DELETE FROM chunks_fts_data WHERE id > 10"),
        ("all of its words lost", "DELETE FROM chunks_fts_data"),
    ] {
        fs::write(&file, &whole).unwrap();
        let connection = words_of(&file);
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        let mut server = start(folder.path());
        println!("{what}");
        assert_all(&server);
        let ghost = json!({ "query": "ghost", "mode": "keyword" });
        assert_eq!(ok(server.post(QUERY, &ghost))["results"], json!([]), "{what}");
        // What comes and goes does so in both.
        ok(server.send("DELETE", &format!("{DOCUMENTS}/d7"), &[], b""));
        ok(server.post(DOCUMENTS, &json!({ "id": "d7", "text": text(7) })));
        assert_all(&server);
        server.signal("TERM");
        server.wait();
        assert_whole(folder.path());
    }
}
