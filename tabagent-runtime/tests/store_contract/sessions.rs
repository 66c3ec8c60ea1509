//! Sessions: messages that come twice, full ones, deleted ones, pages, and what a request goes on with.

use serde_json::json;
use tabagent_runtime::{
    Append, BackendError, GenerationParams, MessageBody, NewMessage, Page, Paged, Result, StoredResponse,
    store::{MESSAGE_COST, PAGE_BYTES, SESSION_BYTES, SESSION_MESSAGES, Store},
};

use crate::Place;

on_every_store![
    a_message_that_comes_again_is_stored_once,
    an_answer_to_what_is_there_is_not_stored_behind_something_else,
    a_response_is_kept_with_its_turn_or_not_at_all,
    a_session_that_begins_with_a_mistake_is_not_made,
    history_comes_in_pages_both_ways,
    a_page_ends_where_its_messages_are_many_bytes,
    sessions_are_listed_in_pages_in_the_order_of_their_beginnings,
    the_tail_begins_with_a_user_and_keeps_what_holds_for_all,
    a_full_session_is_told_and_takes_again_what_it_has,
    a_session_that_was_deleted_is_not_made_again_by_an_answer,
    sessions_are_counted,
];
on_every_lasting_store![all_sessions_together_are_bounded];

fn message(id: &str, role: &str, text: &str) -> NewMessage {
    let content = json!({ "role": role, "content": text });
    NewMessage {
        id: id.to_owned(),
        body: MessageBody { role: role.to_owned(), content, metadata: json!({}) },
    }
}

fn append(session: &str, messages: Vec<NewMessage>) -> Append {
    Append::of(session, messages)
}

/// Messages of these roles, numbered as their ids are.
async fn filled(store: &dyn Store, session: &str, roles: &[&str]) {
    let messages =
        roles.iter().enumerate().map(|(at, role)| message(&at.to_string(), role, &format!("text {at}")));
    store.append_messages(append(session, messages.collect())).await.unwrap();
}

fn page(limit: u64, newest_first: bool, after: Option<&str>) -> Page {
    Page { after: after.map(str::to_owned), limit, newest_first }
}

/// The ids of a page of a session, and whether there are more.
async fn ids(store: &dyn Store, session: &str, page: Page) -> (Vec<String>, bool) {
    let Paged { data, has_more } = store.history(session, page).await.unwrap();
    (data.into_iter().map(|message| message.id).collect(), has_more)
}

/// The field and the reason of a value that cannot be used.
fn invalid<T: std::fmt::Debug>(outcome: Result<T>) -> (String, String) {
    match outcome {
        Err(BackendError::InvalidInput { field, reason, .. }) => (field, reason),
        other => panic!("not a value that cannot be used: {other:?}"),
    }
}

async fn a_message_that_comes_again_is_stored_once(store: &dyn Store) {
    let first = store.append_messages(append("s", vec![message("a", "user", "Hi")])).await.unwrap();
    store.append_messages(append("s", vec![message("b", "assistant", "Hello")])).await.unwrap();
    let again = store.append_messages(append("s", vec![message("a", "user", "Hi")])).await.unwrap();
    assert_eq!(again, first);
    // Ids are those of one session.
    store.append_messages(append("other", vec![message("a", "user", "Bye")])).await.unwrap();
    let (field, reason) =
        invalid(store.append_messages(append("s", vec![message("a", "user", "Bye")])).await);
    assert!(field == "id" && reason.contains("says something else"), "{field}: {reason}");
    // None of those that come with it is stored.
    let outcome =
        store.append_messages(append("s", vec![message("c", "user", "1"), message("b", "user", "2")])).await;
    assert_eq!(invalid(outcome).0, "id");
    assert_eq!(ids(store, "s", page(10, false, None)).await, (vec!["a".to_owned(), "b".to_owned()], false));
    let session = store.session("s").await.unwrap().unwrap();
    let kept = [message("a", "user", "Hi"), message("b", "assistant", "Hello")];
    assert_eq!((session.messages, session.bytes), (2, kept.iter().map(NewMessage::bytes).sum()));
}

async fn an_answer_to_what_is_there_is_not_stored_behind_something_else(store: &dyn Store) {
    filled(store, "s", &["user"]).await;
    let answer =
        |id: &str| Append { length: Some(1), ..append("s", vec![message(id, "assistant", "It is noon.")]) };
    store.append_messages(answer("a")).await.unwrap();
    let (field, reason) = invalid(store.append_messages(answer("b")).await);
    assert!(field == "session_id" && reason.contains("ask again"), "{field}: {reason}");
    assert_eq!(ids(store, "s", page(10, false, None)).await, (vec!["0".to_owned(), "a".to_owned()], false));
}

async fn a_response_is_kept_with_its_turn_or_not_at_all(store: &dyn Store) {
    filled(store, "s", &["user"]).await;
    let answer = |id: &str| {
        let response = StoredResponse {
            id: format!("resp_{id}"),
            created: 0,
            previous: None,
            input: json!([]),
            response: json!({}),
        };
        let messages = vec![message(id, "assistant", "It is noon.")];
        Append { length: Some(1), response: Some(response), ..append("s", messages) }
    };
    store.append_messages(answer("a")).await.unwrap();
    assert!(store.response("resp_a").await.unwrap().is_some());
    assert_eq!(invalid(store.append_messages(answer("b")).await).0, "session_id");
    assert_eq!(store.response("resp_b").await.unwrap(), None);
    // Where the response cannot be kept, the turn is not either.
    let twice = Append { length: None, ..answer("c") };
    let twice = Append { response: answer("a").response, ..twice };
    store.append_messages(twice).await.unwrap_err();
    assert_eq!(store.session("s").await.unwrap().unwrap().messages, 2);
}

async fn a_session_that_begins_with_a_mistake_is_not_made(store: &dyn Store) {
    let twice = vec![message("a", "user", "1"), message("a", "user", "2")];
    assert_eq!(invalid(store.append_messages(append("s", twice)).await).0, "id");
    assert_eq!(store.session("s").await.unwrap(), None);
}

async fn history_comes_in_pages_both_ways(store: &dyn Store) {
    filled(store, "s", &["user", "assistant", "user", "assistant", "user"]).await;
    filled(store, "other", &["user"]).await;
    for (newest_first, expected) in [(false, ["0", "1", "2", "3", "4"]), (true, ["4", "3", "2", "1", "0"])] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, more) = ids(store, "s", page(2, newest_first, after.as_deref())).await;
            assert!(page.len() == 2 || !more);
            after = page.last().cloned();
            seen.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    assert_eq!(ids(store, "s", page(9, false, Some("4"))).await, (vec![], false));
    let (field, _) = invalid(store.history("s", page(9, false, Some("nobody"))).await);
    assert_eq!(field, "after");
    let nobody = store.history("nobody", page(9, false, None)).await;
    assert!(matches!(nobody, Err(BackendError::SessionNotFound { session }) if session == "nobody"));
}

async fn all_sessions_together_are_bounded(place: &Place) {
    let one = || message("a", "user", "Hi");
    let limit = 3 * (one().bytes() + MESSAGE_COST);
    let store = place.open_with_sessions_limit(limit);
    for session in ["s", "t", "u"] {
        store.sessions_may_grow().await.unwrap();
        store.append_messages(append(session, vec![one()])).await.unwrap();
    }
    let full = async |store: &dyn Store, new: &str| {
        let refused = store.append_messages(append(new, vec![one()])).await;
        assert!(
            matches!(&refused, Err(BackendError::ConfigurationError { setting, reason })
                if setting == "sessions-limit" && reason.contains("delete some")),
            "{refused:?}"
        );
        assert_eq!(store.session(new).await.unwrap(), None);
        store.sessions_may_grow().await.unwrap_err();
        // What is there already takes nothing.
        store.append_messages(append("s", vec![one()])).await.unwrap();
    };
    full(&*store, "v").await;
    drop(store);
    let store = place.open_with_sessions_limit(limit);
    full(&*store, "v").await;
    assert!(store.delete_session("t").await.unwrap());
    store.append_messages(append("v", vec![one()])).await.unwrap();
    full(&*store, "w").await;
}

async fn a_page_ends_where_its_messages_are_many_bytes(store: &dyn Store) {
    let large = "x".repeat(PAGE_BYTES / 2);
    for id in 0..5 {
        let messages = vec![message(&id.to_string(), "user", &large)];
        store.append_messages(append("s", messages)).await.unwrap();
    }
    let two = |first: &str, second: &str| vec![first.to_owned(), second.to_owned()];
    assert_eq!(ids(store, "s", page(9, false, None)).await, (two("0", "1"), true));
    assert_eq!(ids(store, "s", page(9, false, Some("1"))).await, (two("2", "3"), true));
    assert_eq!(ids(store, "s", page(9, false, Some("3"))).await, (vec!["4".to_owned()], false));
    assert_eq!(ids(store, "s", page(2, true, None)).await, (two("4", "3"), true));
}

async fn sessions_are_listed_in_pages_in_the_order_of_their_beginnings(store: &dyn Store) {
    for (number, id) in ["a", "b", "c", "a"].into_iter().enumerate() {
        let messages = vec![message(&number.to_string(), "user", "Hi")];
        store.append_messages(append(id, messages)).await.unwrap();
    }
    let ids = async |page: Page| {
        let Paged { data, has_more } = store.sessions(page).await.unwrap();
        (data.into_iter().map(|session| session.id).collect::<Vec<_>>(), has_more)
    };
    assert_eq!(ids(page(2, true, None)).await, (vec!["c".to_owned(), "b".to_owned()], true));
    assert_eq!(ids(page(2, true, Some("b"))).await, (vec!["a".to_owned()], false));
    assert_eq!(ids(page(9, false, None)).await.0, ["a", "b", "c"]);
    assert_eq!(invalid(store.sessions(page(1, true, Some("d"))).await).0, "after");
}

async fn the_tail_begins_with_a_user_and_keeps_what_holds_for_all(store: &dyn Store) {
    filled(store, "s", &["system", "user", "assistant", "tool", "assistant", "user", "assistant"]).await;
    for (limit, expected) in [
        (None, vec!["0", "1", "2", "3", "4", "5", "6"]),
        (Some(0), vec!["0"]),
        // Never less than the last question and what came of it.
        (Some(1), vec!["0", "5", "6"]),
        (Some(2), vec!["0", "5", "6"]),
        // The answers before it belong to a question that is beyond.
        (Some(5), vec!["0", "5", "6"]),
        (Some(6), vec!["0", "1", "2", "3", "4", "5", "6"]),
        (Some(600), vec!["0", "1", "2", "3", "4", "5", "6"]),
    ] {
        let tail = store.session_tail("s", limit).await.unwrap().unwrap();
        let found: Vec<String> = tail.messages.into_iter().map(|message| message.id).collect();
        assert_eq!(found, expected, "{limit:?}");
    }
    assert_eq!(store.session_tail("nobody", None).await.unwrap(), None);

    // A tool that is called over and over answers a question, however far back that is.
    filled(store, "calls", &["user", "assistant", "user", "assistant", "tool", "assistant", "tool"]).await;
    filled(store, "none", &["assistant", "tool"]).await;
    for (session, limit, expected) in [
        ("calls", 1, vec!["2", "3", "4", "5", "6"]),
        ("calls", 4, vec!["2", "3", "4", "5", "6"]),
        ("calls", 6, vec!["2", "3", "4", "5", "6"]),
        ("calls", 7, vec!["0", "1", "2", "3", "4", "5", "6"]),
        ("calls", 0, vec![]),
        ("none", 2, vec![]),
    ] {
        let tail = store.session_tail(session, Some(limit)).await.unwrap().unwrap();
        let found: Vec<String> = tail.messages.into_iter().map(|message| message.id).collect();
        assert_eq!(found, expected, "{session} {limit}");
    }
}

async fn a_full_session_is_told_and_takes_again_what_it_has(store: &dyn Store) {
    let many = (0..SESSION_MESSAGES).map(|number| message(&number.to_string(), "user", "Hi")).collect();
    store.append_messages(append("many", many)).await.unwrap();
    let (field, reason) =
        invalid(store.append_messages(append("many", vec![message("x", "user", "Hi")])).await);
    assert!(field == "session_id" && reason.contains("begin another one"), "{field}: {reason}");
    store.append_messages(append("many", vec![message("7", "user", "Hi")])).await.unwrap();

    let large = "x".repeat(usize::try_from(SESSION_BYTES / 2).unwrap());
    store.append_messages(append("large", vec![message("a", "user", &large)])).await.unwrap();
    let beyond = store.append_messages(append("large", vec![message("b", "user", &large)])).await;
    assert_eq!(invalid(beyond).0, "session_id");
    store.append_messages(append("large", vec![message("b", "user", "Hi")])).await.unwrap();
}

async fn a_session_that_was_deleted_is_not_made_again_by_an_answer(store: &dyn Store) {
    filled(store, "s", &["user", "assistant"]).await;
    let params = GenerationParams { max_tokens: Some(3), ..GenerationParams::default() };
    assert!(store.put_session_params("s", params).await.unwrap());
    let first = store.session("s").await.unwrap().unwrap();
    assert_eq!(first.params, params);
    assert!(store.delete_session("s").await.unwrap());
    assert!(!store.delete_session("s").await.unwrap());
    assert!(!store.put_session_params("s", params).await.unwrap());
    let late = || Append {
        incarnation: Some(first.incarnation),
        ..append("s", vec![message("9", "user", "And?"), message("10", "assistant", "Yes.")])
    };
    let gone = |outcome| matches!(outcome, Err(BackendError::SessionNotFound { .. }));
    assert!(gone(store.append_messages(late()).await));
    assert_eq!(store.session("s").await.unwrap(), None);
    // One that was begun again under its id is another one, without what the first one had.
    filled(store, "s", &["user"]).await;
    assert!(gone(store.append_messages(late()).await));
    let second = store.session_tail("s", None).await.unwrap().unwrap();
    assert_eq!((second.messages.len(), second.session.params), (1, GenerationParams::default()));
    assert_ne!(second.session.incarnation, first.incarnation);
}

async fn sessions_are_counted(store: &dyn Store) {
    filled(store, "s", &["user", "assistant"]).await;
    filled(store, "other", &["user"]).await;
    let usage = store.usage().await.unwrap();
    let bytes = async |id: &str| store.session(id).await.unwrap().unwrap().bytes;
    assert_eq!((usage.sessions, usage.messages), (2, 3));
    assert_eq!(usage.message_bytes, bytes("s").await + bytes("other").await);
    assert!(store.delete_session("s").await.unwrap());
    let usage = store.usage().await.unwrap();
    assert_eq!((usage.sessions, usage.messages, usage.message_bytes), (1, 1, bytes("other").await));
}
