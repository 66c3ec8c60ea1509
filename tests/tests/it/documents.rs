//! Documents: every kind comes in, is found, and outlives restarts and kills.

mod command;
mod harm;
mod kill;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tabagent_tests::http::{Connection, Response, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::process::until;
use tabagent_tests::server::Server;
use tabagent_tests::workspace;

const DOCUMENTS: &str = "/v1/rag/documents";
const QUERY: &str = "/v1/rag/query";

fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// Sends a file as a form does.
fn upload(
    server: &Server,
    name: &str,
    media_type: &str,
    content: &[u8],
    fields: &[(&str, &str)],
) -> Response {
    let mut body = Vec::new();
    for (field, value) in fields {
        let head = format!("--edge\r\ncontent-disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    let head = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: {media_type}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    server.send("POST", DOCUMENTS, &[("content-type", "multipart/form-data; boundary=edge")], &body)
}

/// The results of a query.
fn query(server: &Server, body: Value) -> Vec<Value> {
    ok(server.post(QUERY, &body))["results"].as_array().unwrap().clone()
}

/// A PDF of a page for each text.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + page * 2)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    for (page, text) in pages.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 1 0 0 1 50 700 Tm ({text}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            5 + page * 2
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    file_of(&objects)
}

/// A PDF of these objects, numbered from 1; the first is the catalogue.
fn file_of(objects: &[String]) -> Vec<u8> {
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let begin = file.len();
    let size = objects.len() + 1;
    file.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n{}", places.concat()));
    file.push_str(&format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n"));
    file.into_bytes()
}

#[test]
fn every_kind_comes_in_is_found_with_its_place_and_outlives_a_restart() {
    let mut server = Server::start(&[]);
    let markdown =
        "# Guide\n\n## Install\n\nUnpack the archive.\n\n## Remove\n\nDelete the folder named quokka.";
    let html = "<html><head><title>Boats</title></head><body><nav>Menu wombat</nav><h1>Rivers</h1><p>Ferries cross the \
        river at dawn.</p></body></html>";
    let paper = pdf(&["The abstract is about nothing.", "Penguins swim faster than they walk."]);
    let latin = b"Le caf\xe9 ouvre \xe0 huit heures.";
    let sent = [
        upload(
            &server,
            "guide.md",
            "text/markdown",
            markdown.as_bytes(),
            &[("metadata", "{\"kind\": \"manual\"}")],
        ),
        upload(
            &server,
            "boats.html",
            "text/html",
            html.as_bytes(),
            &[("source", "https://example.org/boats")],
        ),
        upload(
            &server,
            "paper.pdf",
            "application/octet-stream",
            &paper,
            &[("id", "paper"), ("title", "On penguins")],
        ),
        upload(&server, "cafe.txt", "text/plain; charset=iso-8859-1", latin, &[]),
    ];
    let ids: Vec<Value> = sent.into_iter().map(|response| ok(response)["document"]["id"].clone()).collect();
    assert_eq!(ids[2], "paper");
    // The same again, under no id: nothing new.
    let again = ok(upload(&server, "other.md", "text/markdown", markdown.as_bytes(), &[]));
    assert_eq!((&again["created"], &again["document"]["id"]), (&json!(false), &ids[0]));
    let found_as_before = |server: &Server| {
        let first = |text: &str| query(server, json!({ "query": text, "k": 1 })).remove(0);
        let install = first("How do I unpack the archive?");
        assert_eq!((&install["document_id"], &install["source"]), (&ids[0], &json!("other.md")));
        assert_eq!(install["headings"], json!(["Guide", "Install"]));
        assert_eq!(install["metadata"]["kind"], "manual");
        let ferry = first("When do ferries cross the river?");
        assert_eq!((&ferry["document_id"], &ferry["title"]), (&ids[1], &json!("Boats")));
        assert_eq!(ferry["source"], "https://example.org/boats");
        let penguins = first("Are penguins fast swimmers?");
        assert_eq!((&penguins["document_id"], &penguins["page"]), (&json!("paper"), &json!(2)));
        let coffee = first("CAFE huit heures");
        assert!(coffee["text"].as_str().unwrap().contains("caf\u{e9} ouvre \u{e0}"));
        assert_eq!(coffee["headings"], json!(["cafe.txt"]), "its name, since it says no title");
        assert!(
            query(server, json!({ "query": "wombat", "mode": "keyword" })).is_empty(),
            "a menu is no text"
        );
        let list = ok(server.get(DOCUMENTS));
        assert_eq!(list["data"].as_array().unwrap().len(), 4);
        assert_eq!(
            (&list["index"]["state"], &list["index"]["serving"]["indexed"]),
            (&json!("current"), &json!(4))
        );
    };
    found_as_before(&server);
    server.signal("KILL");
    server.wait();
    let data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
    let server = Server::start_in(data, &[], &[]);
    found_as_before(&server);
    let gone = server.send("DELETE", &format!("{DOCUMENTS}/paper"), &[], b"");
    assert_eq!(ok(gone)["deleted"], true);
    for mode in ["vector", "keyword", "hybrid"] {
        let results = query(&server, json!({ "query": "penguins swim faster", "mode": mode, "k": 20 }));
        assert!(results.iter().all(|result| result["document_id"] != "paper"), "{mode}");
    }
    assert_problem(&server.get(&format!("{DOCUMENTS}/paper")), 404, "document-not-found");
}

#[test]
fn what_cannot_be_read_is_refused_and_leaves_nothing() {
    let server = Server::start(&[]);
    let mut cut = pdf(&["Text."]);
    cut.truncate(cut.len() / 2);
    for (name, media_type, content) in [
        ("cut.pdf", "application/pdf", cut.as_slice()),
        ("image.png", "image/png", b"\x89PNG\r\n"),
        ("bytes.txt", "text/plain", b"caf\xe9 ouvert"),
        ("blank.html", "text/html", b"<script>only()</script>"),
        ("empty.md", "text/markdown", b""),
    ] {
        let refused = upload(&server, name, media_type, content, &[]);
        assert_problem(&refused, 400, "rag-invalid");
    }
    let list = ok(server.get(DOCUMENTS));
    assert_eq!((&list["data"], &list["index"]["serving"]), (&json!([]), &Value::Null));
    // Nothing was found, so that nobody is asked.
    let answer = ok(server.post(QUERY, &json!({ "query": "anything", "generate": true })));
    assert_eq!((&answer["results"], &answer["answer"]), (&json!([]), &Value::Null));
}

#[test]
fn a_long_document_tells_how_far_it_is_and_ends_with_its_client() {
    let server = Server::start(&[]);
    let long: String = (0..2_000).map(|number| format!("Sentence {number} is about trains.\n\n")).collect();
    let body = json!({ "text": long, "stream": true, "id": "long" }).to_string();
    let json = [("content-type", "application/json")];
    let mut leaves = Connection::open(server.address);
    leaves.send(&request("POST", DOCUMENTS, &json, body.as_bytes()));
    let (_, mut events) = leaves.receive_events();
    events.next().unwrap();
    drop(events);
    let mut stays = Connection::open(server.address);
    stays.send(&request("POST", DOCUMENTS, &json, body.as_bytes()));
    let (head, events) = stays.receive_events();
    assert_eq!(head.status, 200);
    let events: Vec<Value> = events.map(|data| serde_json::from_str(&data).unwrap()).collect();
    let last = events.last().unwrap();
    assert_eq!((&last["stage"], &last["result"]["created"]), (&json!("complete"), &json!(true)));
    let embedding: Vec<u64> = events
        .iter()
        .filter(|event| event["stage"] == "embedding")
        .map(|event| event["done"].as_u64().unwrap())
        .collect();
    // A client that reads slower than the document comes in is told the latest alone.
    assert!(!embedding.is_empty() && embedding.is_sorted(), "{embedding:?}");
    assert_eq!(last["result"]["document"]["chunks"], last["total"]);
}

#[test]
fn an_answer_cites_what_was_found() {
    let server = Server::start(&[]);
    ok(server.post(DOCUMENTS, &json!({ "text": "The server listens on port 8080.", "id": "port" })));
    let body = json!({ "query": "Which port does the server use?", "generate": true, "temperature": 0, "max_tokens": 40 });
    let whole = ok(server.post(QUERY, &body));
    let answer = &whole["answer"];
    assert_eq!((&answer["model"], &answer["results_used"]), (&json!("tabagent-chat"), &json!(1)));
    let text = answer["text"].as_str().unwrap();
    for citation in answer["citations"].as_array().unwrap() {
        assert_eq!((&citation["number"], &citation["document_id"]), (&json!(1), &json!("port")));
        assert!(text.contains("[1]"), "{text}");
    }
    // As a stream it is the same, and the results come first.
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let mut connection = Connection::open(server.address);
    let json = [("content-type", "application/json")];
    connection.send(&request("POST", QUERY, &json, streamed.to_string().as_bytes()));
    let (_, events) = connection.receive_events();
    let events: Vec<Value> = events.map(|data| serde_json::from_str(&data).unwrap()).collect();
    assert_eq!(events[0]["sources"]["results"], whole["results"]);
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!((deltas.as_str(), &events.last().unwrap()["answer"]["text"]), (text, &answer["text"]));
}

#[test]
fn an_answer_is_given_as_many_passages_as_have_room() {
    let server = Server::start(&["--context", "1024"]);
    let words = "the server listens on a port of the machine ".repeat(8);
    for number in 10..30 {
        ok(server.post(DOCUMENTS, &json!({ "text": format!("Passage {number}: {words}") })));
    }
    let answered = |k: u64| {
        let body = json!({ "query": "Which port does the server use?", "k": k, "generate": true, "max_tokens": 512 });
        let answer = ok(server.post(QUERY, &body))["answer"].clone();
        let used = answer["results_used"].as_u64().unwrap();
        (used, answer["usage"]["prompt_tokens"].as_u64().unwrap())
    };
    let (one, two) = (answered(1), answered(2));
    assert_eq!((one.0, two.0), (1, 2));
    // What another passage adds, a few tokens aside, and the room that is kept for the answer.
    let (passage, room) = (two.1 - one.1, 128);
    let (used, prompt) = answered(20);
    assert!(used > 2 && used < 20, "{used} passages of {passage} tokens");
    assert!(
        prompt + room <= 1024 && prompt + passage + room + 8 > 1024,
        "{prompt} of {used} passages of {passage}"
    );
}

/// The models of the runtime's own tests.
fn fixtures() -> PathBuf {
    workspace::root().join("tabagent-runtime/tests/fixtures")
}

/// Waits until the index is whole, and of this model.
fn indexed_by(server: &Server, model: &str) {
    let begun = Instant::now();
    loop {
        let index = ok(server.get(DOCUMENTS))["index"].clone();
        if index["state"] == "current" && index["serving"]["model"] == model {
            assert_eq!(index["serving"]["indexed"], index["serving"]["documents"]);
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{index}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_kill_while_documents_are_embedded_anew_loses_nothing_and_the_next_start_goes_on() {
    let models = fixtures();
    let arguments = ["--models-dir", models.to_str().unwrap()];
    let mut server = Server::start(&arguments);
    for number in 0..60 {
        let text = format!("Document {number} says little. ").repeat(120);
        ok(server.post(DOCUMENTS, &json!({ "id": format!("d{number}"), "text": text })));
    }
    let select = json!({ "model_id": "bert-mean" });
    ok(server.post("/v1/models/select", &select));
    // Killed twice on the way. Whatever serves answers from the first request on.
    for moment in [150, 400] {
        std::thread::sleep(Duration::from_millis(moment));
        server.signal("KILL");
        server.wait();
        let data = std::mem::replace(&mut server.data, tempfile::tempdir().unwrap());
        server = Server::start_in(data, &arguments, &[]);
        let results = query(&server, json!({ "query": "document", "filters": { "document_id": "d7" } }));
        assert!(!results.is_empty() && results.iter().all(|result| result["document_id"] == "d7"));
    }
    indexed_by(&server, "bert-mean");
    // Searches go on with the index before until this one is read into memory.
    until("searches are by the new model", || {
        let found = ok(server.post(QUERY, &json!({ "query": "document", "mode": "vector", "k": 1 })));
        found["model"] == "bert-mean"
    });
    for number in 0..60 {
        let shown = ok(server.get(&format!("{DOCUMENTS}/d{number}?include=text,chunks&chunks_limit=1000")));
        let (text, chunks) = (shown["text"].as_str().unwrap(), shown["chunks"].as_array().unwrap());
        assert_eq!(json!(chunks.len()), shown["document"]["chunks"]);
        assert_eq!((&chunks[0]["start"], &chunks[chunks.len() - 1]["end"]), (&json!(0), &json!(text.len())));
    }
}
