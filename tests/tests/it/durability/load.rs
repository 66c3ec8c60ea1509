//! Clients that write all at the same time until the server is gone, and what each was told.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};
use tabagent_tests::http::exchange_until_killed;

use super::DOCUMENTS;

/// Clients of a kind, where the kind has several.
pub(super) const WRITERS: usize = 2;

/// Sentences of a document: some fifteen chunks.
const SENTENCES: usize = 200;

/// A server, and the number of the round in which it is killed: names hold it, so that rounds do not meet.
#[derive(Clone, Copy)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) round: u64,
    pub(super) writer: usize,
}

/// A document as one client knows it.
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) name: String,
    /// Contents that were ever sent, counted from 0.
    pub(super) versions: u32,
    /// The content that was acknowledged last; none where that was the end of the document, or nothing.
    pub(super) known: Option<u32>,
    /// What was sent and not answered: a content, or the end.
    pub(super) unanswered: Option<Option<u32>>,
}

impl Kept {
    /// A word that is in each sentence of one content of one document, and nowhere else.
    pub(super) fn word(&self, version: u32) -> String {
        format!("word{}v{version}", self.name)
    }

    /// A content of several chunks.
    pub(super) fn text(&self, version: u32) -> String {
        let word = self.word(version);
        (0..SENTENCES)
            .map(|number| format!("Sentence {number} of this text has the word {word}.\n\n"))
            .collect::<String>()
            + &word
    }

    /// Nothing yet.
    pub(super) fn new(name: String) -> Self {
        Self { id: format!("d{name}"), name, versions: 0, known: None, unanswered: None }
    }

    pub(super) fn body(&self, version: u32) -> Value {
        json!({ "id": self.id, "text": self.text(version), "metadata": { "name": self.name } })
    }
}

/// Conversations of a round as their clients know them.
pub(super) struct Said {
    /// For each client the places of its messages in the one session.
    pub(super) messages: Vec<Vec<u64>>,
    /// Responses that were told, with whether their end was acknowledged; none where it was asked for alone.
    pub(super) responses: Vec<(Value, Option<bool>)>,
    /// How many sessions were begun and ended.
    pub(super) ended: usize,
    /// How often the index was made anew.
    pub(super) indexed: usize,
}

impl Client {
    fn random(&self, kind: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.round * 100 + self.writer as u64 * 10 + kind)
    }

    fn send(&self, method: &str, target: &str, body: &Value) -> Option<(u16, Value)> {
        exchange_until_killed(self.address, method, target, body)
    }

    /// The name of a document, or of a session, of this client.
    fn name(&self, number: usize) -> String {
        format!("{}x{}x{number}", self.round, self.writer)
    }

    /// Keeps documents, replaces some, and deletes some.
    pub(super) fn documents(&self) -> Vec<Kept> {
        let mut random = self.random(0);
        let mut all: Vec<Kept> = Vec::new();
        loop {
            let living: Vec<usize> = (0..all.len()).filter(|at| all[*at].known.is_some()).collect();
            let choice = random.next_u32() % 10;
            let at = match living.get(random.next_u32() as usize % living.len().max(1)) {
                Some(at) if choice >= 6 => *at,
                _ => {
                    all.push(Kept::new(self.name(all.len())));
                    all.len() - 1
                }
            };
            let kept = &mut all[at];
            let ends = choice >= 8 && kept.known.is_some();
            let (answer, becomes) = if ends {
                kept.unanswered = Some(None);
                (self.send("DELETE", &format!("{DOCUMENTS}/{}", kept.id), &Value::Null), None)
            } else {
                let version = kept.versions;
                kept.versions += 1;
                kept.unanswered = Some(Some(version));
                (self.send("POST", DOCUMENTS, &kept.body(version)), Some(version))
            };
            let Some((status, told)) = answer else { return all };
            assert_eq!(status, 200, "{told}");
            (kept.known, kept.unanswered) = (becomes, None);
        }
    }

    pub(super) fn session(&self) -> String {
        format!("messages-{}", self.round)
    }

    /// A message by its number.
    pub(super) fn message(&self, number: usize) -> Value {
        let id = format!("{}-{number}", self.writer);
        let content = format!("{id} says {}", "something ".repeat(100));
        json!({ "id": id, "role": "user", "content": content })
    }

    /// Writes messages to the session that all clients of a round share: their places.
    pub(super) fn messages(&self) -> Vec<u64> {
        let mut places = Vec::new();
        loop {
            let target = format!("/v1/sessions/{}/messages", self.session());
            let Some((status, stored)) = self.send("POST", &target, &self.message(places.len())) else {
                return places;
            };
            assert_eq!(status, 201, "{stored}");
            places.push(stored["index"].as_u64().unwrap());
        }
    }

    /// Has responses in a session, and deletes every third one: those that were told, and whether their end was.
    pub(super) fn responses(&self) -> Vec<(Value, Option<bool>)> {
        let mut told: Vec<(Value, Option<bool>)> = Vec::new();
        loop {
            let body = json!({
                "input": format!("question {}", told.len()), "session_id": format!("responses-{}", self.round),
                "max_output_tokens": 1, "history_limit": 4,
            });
            let Some((status, response)) = self.send("POST", "/v1/responses", &body) else { return told };
            assert_eq!(status, 200, "{response}");
            let target = format!("/v1/responses/{}", response["id"].as_str().unwrap());
            told.push((response, Some(false)));
            if told.len().is_multiple_of(3) {
                let at = told.len() - 1;
                told[at].1 = None;
                let Some((status, gone)) = self.send("DELETE", &target, &Value::Null) else { return told };
                assert_eq!(status, 200, "{gone}");
                told[at].1 = Some(true);
            }
        }
    }

    pub(super) fn ended_session(&self, number: usize) -> String {
        format!("ended-{}", self.name(number))
    }

    /// Begins sessions and deletes each: how many were.
    pub(super) fn sessions(&self) -> usize {
        let mut ended = 0;
        loop {
            let session = format!("/v1/sessions/{}", self.ended_session(ended));
            let message = self.message(0);
            let Some((status, stored)) = self.send("POST", &format!("{session}/messages"), &message) else {
                return ended;
            };
            assert_eq!(status, 201, "{stored}");
            let Some((status, gone)) = self.send("DELETE", &session, &Value::Null) else { return ended };
            assert_eq!(status, 200, "{gone}");
            ended += 1;
        }
    }

    /// Has all documents indexed anew, and single ones in between.
    pub(super) fn index(&self) -> usize {
        let mut random = self.random(1);
        let mut begun = 0;
        loop {
            let one = json!({ "document_id": format!("d{}", self.name(0)) });
            let body = if begun % 3 == 2 { json!({}) } else { one };
            let Some((status, told)) = self.send("POST", "/v1/rag/reindex", &body) else { return begun };
            // The one is not there yet, or not any more.
            assert!(status == 202 || status == 404 && body != json!({}), "{told}");
            begun += 1;
            std::thread::sleep(Duration::from_millis(u64::from(random.next_u32() % 100)));
        }
    }
}
