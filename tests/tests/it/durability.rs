//! What was acknowledged stays, whatever happens to the process, the disk and the file; and what is wrong is told with its way
//! out.

mod damage;
mod disk;
mod kill;
mod load;

use std::fs;
use std::path::Path;

use rusqlite::{Connection, functions::FunctionFlags};
use serde_json::{Value, json};
use tabagent_tests::http::Response;
use tabagent_tests::server::Server;
use tempfile::TempDir;

const DOCUMENTS: &str = "/v1/rag/documents";
const QUERY: &str = "/v1/rag/query";
const DATABASE: &str = "tabagent.sqlite";

fn ok(response: Response) -> Value {
    assert!(matches!(response.status, 200 | 201), "{}", response.text());
    response.json()
}

/// Starts a server whose data lie in a folder that outlives it.
fn start(folder: &Path) -> Server {
    let folder = folder.to_str().unwrap();
    Server::start_in(tempfile::tempdir().unwrap(), &[], &[("TABAGENT_DATA_DIR", folder)])
}

/// All that a list of pages has.
fn pages(server: &Server, target: &str) -> Vec<Value> {
    let (mut all, mut after): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let page = ok(server.get(&format!("{target}?limit=100{after}")));
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return all;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
}

/// The messages of a session, the oldest first.
fn history(server: &Server, session: &str) -> Vec<Value> {
    pages(server, &format!("/v1/sessions/{session}/history"))
}

/// The results of a query, as many as there are.
fn results(server: &Server, query: &str, mode: &str, filters: &Value) -> Vec<Value> {
    let body = json!({ "query": query, "mode": mode, "k": 1000, "filters": filters });
    ok(server.post(QUERY, &body))["results"].as_array().unwrap().clone()
}

/// Asks a document in every way: its text, its chunks, its place in what words find and in what vectors find agree. `word` is in
/// every sentence of it and nowhere else.
fn assert_found(server: &Server, id: &str, text: &str, word: &str) {
    let shown = ok(server.get(&format!("{DOCUMENTS}/{id}?include=text,chunks&chunks_limit=1000")));
    assert_eq!(shown["text"], text, "{id}");
    let chunks: Vec<&str> =
        shown["chunks"].as_array().unwrap().iter().map(|chunk| chunk["text"].as_str().unwrap()).collect();
    assert_eq!(shown["document"]["chunks"], chunks.len(), "{id}");
    for chunk in shown["chunks"].as_array().unwrap() {
        let place = |name: &str| usize::try_from(chunk[name].as_u64().unwrap()).unwrap();
        assert_eq!(chunk["text"], text[place("start")..place("end")], "{id}");
    }
    let mut expected = chunks.clone();
    expected.sort_unstable();
    let own = json!({ "document_id": id });
    for (query, mode, filters) in
        [(word, "keyword", json!({})), ("anything", "vector", own.clone()), (word, "hybrid", own)]
    {
        let found = results(server, query, mode, &filters);
        assert!(found.iter().all(|result| result["document_id"] == id), "{mode}: {id}: {found:?}");
        let mut texts: Vec<&str> = found.iter().map(|result| result["text"].as_str().unwrap()).collect();
        texts.sort_unstable();
        assert_eq!(texts, expected, "{mode} and the chunks of {id}");
    }
}

/// Asks for a document that is gone in every way.
fn assert_gone(server: &Server, id: &str, words: &[String]) {
    assert_eq!(server.get(&format!("{DOCUMENTS}/{id}")).status, 404, "{id}");
    let own = json!({ "document_id": id });
    assert!(results(server, "anything", "vector", &own).is_empty(), "{id} comes back");
    for word in words {
        assert!(results(server, word, "keyword", &json!({})).is_empty(), "{word} of {id} comes back");
    }
}

/// A copy of the store in a folder, with the log beside it: what SQLite does to it when it opens it is not seen by the server.
fn copy_of_store(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        match fs::copy(folder.join(&name), copy.path().join(&name)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    copy
}

/// Opens a store, with what its index of words is made with.
fn words_of(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection
        .create_scalar_function("apart", 1, FunctionFlags::SQLITE_INNOCUOUS, |text| {
            Ok(tabagent_runtime::store::indexed_text(&text.get::<String>(0)?))
        })
        .unwrap();
    connection
}

/// The store is a whole database, no reference in it leads nowhere, and the words of its index are those of the chunks.
fn assert_whole(folder: &Path) {
    let copy = copy_of_store(folder);
    let connection = words_of(&copy.path().join(DATABASE));
    let says = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(says("PRAGMA integrity_check"), "ok");
    connection
        .execute("INSERT INTO chunks_fts (chunks_fts, rank) VALUES ('integrity-check', 1)", [])
        .unwrap();
    let count = |what: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("pragma_foreign_key_check"), 0);
    assert_eq!(count("chunks"), count("vectors"));
    let in_index = "SELECT DISTINCT document FROM chunks JOIN vector_indexes AS i ON i.number = vector_index";
    assert_eq!(
        count("documents"),
        count(&format!("({in_index} WHERE i.state = 'serving')")),
        "documents that the index that serves has not"
    );
    let gaps = "(SELECT 1 FROM messages GROUP BY session HAVING count(*) <> max(position) + 1)";
    assert_eq!(count(gaps), 0, "messages are missing in between");
    let counted =
        "sessions AS s WHERE s.messages <> (SELECT count(*) FROM messages WHERE session = s.incarnation)";
    assert_eq!(count(counted), 0, "sessions whose messages are counted wrong");
}
