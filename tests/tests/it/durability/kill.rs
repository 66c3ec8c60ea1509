//! A server that is killed at random moments while messages, responses, documents and their ends come from many clients and the
//! index is made anew: what was acknowledged is there once, what was deleted stays away, and the index agrees with the store.
//!
//! `TABAGENT_TEST_KILLS=100 cargo test -p tabagent-tests --test it durability::kill -- --nocapture` kills more often than every
//! run of the tests does, and says how much was written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::server::Server;

use super::load::{Client, Kept, Said, WRITERS};
use super::{DATABASE, DOCUMENTS, assert_found, assert_gone, assert_whole, history, ok, pages, start};

/// How often it is killed where nobody says otherwise.
const KILLS: u64 = 20;
/// Documents that are there before, so that an index takes its time, and the log is folded into the file.
const BEFORE: usize = 60;
/// Longest time between the first write and the kill, in milliseconds.
const MOMENT: u64 = 2000;

/// Longest time in which an index that is built does not grow: what another one left is dropped first.
const PATIENCE: Duration = Duration::from_secs(180);

/// Lets clients write until the server is killed at this moment.
fn killed(server: &mut Server, round: u64, moment: Duration) -> (Vec<Kept>, Said) {
    let client = |writer| Client { address: server.address, round, writer };
    let clients: Vec<Client> = (0..WRITERS).map(client).collect();
    std::thread::scope(|scope| {
        let documents: Vec<_> = clients.iter().map(|client| scope.spawn(|| client.documents())).collect();
        let messages: Vec<_> = clients.iter().map(|client| scope.spawn(|| client.messages())).collect();
        let responses = scope.spawn(|| clients[0].responses());
        let sessions = scope.spawn(|| clients[0].sessions());
        let index = scope.spawn(|| clients[0].index());
        std::thread::sleep(moment);
        server.signal("KILL");
        server.wait();
        let said = Said {
            messages: messages.into_iter().map(|one| one.join().unwrap()).collect(),
            responses: responses.join().unwrap(),
            ended: sessions.join().unwrap(),
            indexed: index.join().unwrap(),
        };
        (documents.into_iter().flat_map(|one| one.join().unwrap()).collect(), said)
    })
}

/// What stands under the id of a document: which of its contents.
fn there(server: &Server, kept: &Kept) -> Option<u32> {
    let shown = server.get(&format!("{DOCUMENTS}/{}?include=text", kept.id));
    if shown.status == 404 {
        return None;
    }
    let text = ok(shown)["text"].clone();
    let version = (0..kept.versions).find(|version| kept.text(*version) == text);
    assert!(version.is_some(), "{} has a text that nobody sent: {text}", kept.id);
    version
}

/// A document is as it was acknowledged. What was not answered was done or not, and a client that does it again has it done.
fn settle(server: &Server, kept: &mut Kept) {
    let found = there(server, kept);
    let Some(wanted) = kept.unanswered.take() else {
        assert_eq!(found, kept.known, "{}", kept.id);
        return;
    };
    assert!(
        found == kept.known || found == wanted,
        "{}: {found:?} and not {:?} or {wanted:?}",
        kept.id,
        kept.known
    );
    match wanted {
        Some(version) => {
            let done = ok(server.post(DOCUMENTS, &kept.body(version)));
            assert_eq!(done["outcome"] == "unchanged", found == wanted, "{done}");
        }
        None => {
            let status = server.send("DELETE", &format!("{DOCUMENTS}/{}", kept.id), &[], b"").status;
            assert_eq!(status == 404, found.is_none(), "{}: {status}", kept.id);
        }
    }
    kept.known = wanted;
}

fn assert_document(server: &Server, kept: &Kept) {
    let words = |versions: &mut dyn Iterator<Item = u32>| -> Vec<String> {
        versions.map(|version| kept.word(version)).collect()
    };
    match kept.known {
        Some(version) => {
            assert_found(server, &kept.id, &kept.text(version), &kept.word(version));
            for word in words(&mut (0..kept.versions).filter(|other| *other != version)) {
                let found = super::results(server, &word, "keyword", &json!({}));
                assert!(found.is_empty(), "{word} was replaced");
            }
        }
        None => assert_gone(server, &kept.id, &words(&mut (0..kept.versions))),
    }
}

/// Conversations are as they were acknowledged; sessions that there are now, with their numbers of messages.
fn assert_said(server: &Server, round: u64, said: &Said) -> BTreeMap<String, usize> {
    let client = |writer| Client { address: server.address, round, writer };
    let session = client(0).session();
    for (writer, places) in said.messages.iter().enumerate() {
        // A client that had no answer sends its message again.
        let target = format!("/v1/sessions/{session}/messages");
        ok(server.post(&target, &client(writer).message(places.len())));
    }
    let kept = history(server, &session);
    let expected: usize = said.messages.iter().map(|places| places.len() + 1).sum();
    assert_eq!(kept.len(), expected, "round {round}: messages are gone, or there twice");
    let at = |id: &Value| kept.iter().position(|message| message["id"] == *id).unwrap();
    for (writer, places) in said.messages.iter().enumerate() {
        for (number, place) in places.iter().enumerate() {
            let message = client(writer).message(number);
            let found = &kept[usize::try_from(*place).unwrap()];
            assert_eq!((&found["id"], &found["content"]), (&message["id"], &message["content"]));
            assert_eq!((&found["index"], at(&message["id"]) as u64), (&json!(place), *place));
        }
    }
    let mut sessions = BTreeMap::from([(session, expected)]);

    for (response, ended) in &said.responses {
        let target = format!("/v1/responses/{}", response["id"].as_str().unwrap());
        let found = server.get(&target);
        match ended {
            Some(false) => assert_eq!(&ok(found), response),
            Some(true) => assert_eq!(found.status, 404, "{target} comes back"),
            None => assert!(found.status == 404 || &ok(found) == response, "{target}"),
        }
    }
    let talk = format!("responses-{round}");
    let told = said.responses.len();
    let turns = match server.get(&format!("/v1/sessions/{talk}")).status {
        404 => Vec::new(),
        _ => history(server, &talk),
    };
    assert!(
        turns.len() == told * 2 || turns.len() == told * 2 + 2,
        "round {round}: {told} answers, {turns:?}"
    );
    for (number, turn) in turns.chunks(2).enumerate() {
        assert_eq!(turn[0]["content"], format!("question {number}"));
        assert_eq!(turn[1]["role"], "assistant");
    }
    sessions.extend((!turns.is_empty()).then_some((talk, turns.len())));

    for number in 0..said.ended {
        let session = client(0).ended_session(number);
        assert_eq!(server.get(&format!("/v1/sessions/{session}")).status, 404, "{session} comes back");
    }
    // The one that was under way is deleted now, whether it was begun, ended, or neither.
    let last = format!("/v1/sessions/{}", client(0).ended_session(said.ended));
    assert!(matches!(server.send("DELETE", &last, &[], b"").status, 200 | 404));
    sessions
}

/// The lists have what there is, each once.
fn assert_lists(server: &Server, documents: &[Kept], sessions: &BTreeMap<String, usize>) {
    let listed = pages(server, DOCUMENTS);
    let ids: BTreeSet<&str> = listed.iter().map(|document| document["id"].as_str().unwrap()).collect();
    let living: BTreeSet<&str> =
        documents.iter().filter(|kept| kept.known.is_some()).map(|kept| kept.id.as_str()).collect();
    assert_eq!((ids, listed.len()), (living.clone(), living.len()));
    let index = ok(server.get(DOCUMENTS))["index"].clone();
    if !living.is_empty() {
        let serving = &index["serving"];
        assert_eq!(
            (&serving["indexed"], &serving["documents"]),
            (&json!(living.len()), &json!(living.len()))
        );
    }
    let listed: BTreeMap<String, usize> = pages(server, "/v1/sessions")
        .iter()
        .map(|session| {
            let messages = usize::try_from(session["messages"].as_u64().unwrap()).unwrap();
            (session["id"].as_str().unwrap().to_owned(), messages)
        })
        .collect();
    assert_eq!(&listed, sessions);
}

/// Waits until the index that was begun is whole, as long as it grows.
fn index_is_whole(server: &Server) {
    let (mut last, mut since) = (Value::Null, Instant::now());
    loop {
        let index = ok(server.get(&format!("{DOCUMENTS}?limit=1")))["index"].clone();
        if index["state"] == "current" {
            return;
        }
        if index != last {
            (last, since) = (index, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "the index does not grow any more: {last}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_was_acknowledged_is_there_once_and_the_index_agrees_after_a_kill() {
    let kills = std::env::var("TABAGENT_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(23);
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let mut sessions: BTreeMap<String, usize> = BTreeMap::new();
    let mut documents: Vec<Kept> = (0..BEFORE).map(|number| Kept::new(format!("before{number}"))).collect();
    for kept in &mut documents {
        ok(server.post(DOCUMENTS, &kept.body(0)));
        (kept.versions, kept.known) = (1, Some(0));
    }
    let (mut messages, mut responses, mut ends, mut indexed) = (0, 0, 0, 0);
    for round in 0..kills {
        let moment = Duration::from_millis(random.next_u64() % MOMENT);
        let (mut kept, said) = killed(&mut server, round, moment);
        assert_whole(folder.path());
        server = start(folder.path());
        kept.iter_mut().for_each(|kept| settle(&server, kept));
        sessions.extend(assert_said(&server, round, &said));
        kept.iter().for_each(|kept| assert_document(&server, kept));
        messages += said.messages.iter().map(Vec::len).sum::<usize>();
        responses += said.responses.len();
        ends += said.ended;
        indexed += said.indexed;
        documents.extend(kept);
        assert_lists(&server, &documents, &sessions);
    }
    // What was begun of the last index is done by the last server, and it is as the one before.
    index_is_whole(&server);
    documents.iter().for_each(|kept| assert_document(&server, kept));
    assert_lists(&server, &documents, &sessions);
    let written: u32 = documents.iter().map(|kept| kept.versions).sum();
    let size = std::fs::metadata(folder.path().join(DATABASE)).unwrap().len();
    println!(
        "{kills} kills: {written} documents written, {} of them there; {messages} messages, {responses} responses, {ends} \
         sessions ended, {indexed} times indexed anew; the file has {size} bytes",
        documents.iter().filter(|kept| kept.known.is_some()).count()
    );
    // Four megabytes are what SQLite's log holds before it is folded into the file.
    assert!(kills < KILLS || (written > 80 && messages > 200 && size > 4 << 20), "that is no load");
}
