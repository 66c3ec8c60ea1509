//! What every implementation of [`Store`] does, by its traits alone: each test runs on each of them, and is named
//! `what::the_test::the_implementation`.
//!
//! Another implementation is a fn beside those below, and its name in [`on_every_store`], and in [`on_every_lasting_store`]
//! where it keeps what it has over restarts. What an implementation does beside the traits (files, locks, migrations) is tested
//! where it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test target, all of it: clippy exempts only the fns that are marked as tests"
)]

use tabagent_runtime::store::{SESSIONS_BYTES, SqliteStore, Store};

/// Runs tests that take a [`Store`] which holds nothing on every implementation.
macro_rules! on_every_store {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            on_each!(store; super::$test; sqlite_in_memory, sqlite_in_a_folder);
        }
    )* };
}

/// Runs tests that take a [`Place`] where nothing was kept on every implementation that is more than a process.
macro_rules! on_every_lasting_store {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            on_each!(place; super::$test; sqlite_in_a_folder);
        }
    )* };
}

/// One test on each of the implementations that are named.
macro_rules! on_each {
    (store; $test:path; $($implementation:ident),*) => { $(
        #[tokio::test]
        async fn $implementation() {
            let place = $crate::$implementation();
            let store = place.open();
            $test(&*store).await;
        }
    )* };
    (place; $test:path; $($implementation:ident),*) => { $(
        #[tokio::test]
        async fn $implementation() {
            $test(&$crate::$implementation()).await;
        }
    )* };
}

#[path = "store_contract/documents.rs"]
mod documents;
#[path = "store_contract/responses.rs"]
mod responses;
#[path = "store_contract/sessions.rs"]
mod sessions;

fn sqlite_in_memory() -> Place {
    Place::of(|limit| SqliteStore::in_memory().unwrap().with_sessions_limit(limit))
}

fn sqlite_in_a_folder() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place::of(move |limit| SqliteStore::open(folder.path()).unwrap().with_sessions_limit(limit))
}

/// Where an implementation keeps what it is told; nothing was kept there before.
struct Place(Box<dyn Fn(u64) -> Box<dyn Store>>);

impl Place {
    /// One where a fn opens the store, with a bound of the bytes of all sessions.
    fn of<S: Store + 'static>(open: impl Fn(u64) -> S + 'static) -> Self {
        Self(Box::new(move |limit| Box::new(open(limit))))
    }

    /// Opens the store. One that was opened here before is dropped first.
    fn open(&self) -> Box<dyn Store> {
        self.open_with_sessions_limit(SESSIONS_BYTES)
    }

    /// As [`Place::open`], with another bound of the bytes of all sessions.
    fn open_with_sessions_limit(&self, bytes: u64) -> Box<dyn Store> {
        (self.0)(bytes)
    }
}
