//! The sessions of the store, for whoever serves them.

use super::Runtime;
use crate::{
    error::Result,
    store::{Append, Page, Paged, Place, Session, SessionTail, StoredMessage},
};

impl Runtime {
    /// Stores messages at the end of a session, durably when this returns; where each of them is.
    ///
    /// # Errors
    /// Those of [`crate::store::SessionStore::append_messages`].
    pub async fn append_messages(&self, append: Append) -> Result<Vec<Place>> {
        self.inner.store.append_messages(append).await
    }

    /// Whether sessions may grow; asked before the work.
    ///
    /// # Errors
    /// Those of [`crate::store::SessionStore::sessions_may_grow`].
    pub async fn sessions_may_grow(&self) -> Result<()> {
        self.inner.store.sessions_may_grow().await
    }

    /// A session.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn session(&self, id: &str) -> Result<Option<Session>> {
        self.inner.store.session(id).await
    }

    /// Sessions, in the order in which they were made.
    ///
    /// # Errors
    /// Those of [`crate::store::SessionStore::sessions`].
    pub async fn sessions(&self, page: Page) -> Result<Paged<Session>> {
        self.inner.store.sessions(page).await
    }

    /// Messages of a session.
    ///
    /// # Errors
    /// Those of [`crate::store::SessionStore::history`].
    pub async fn history(&self, session: &str, page: Page) -> Result<Paged<StoredMessage>> {
        self.inner.store.history(session, page).await
    }

    /// A session and the messages with which a request goes on with it; see
    /// [`crate::store::SessionStore::session_tail`].
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn session_tail(&self, id: &str, limit: Option<u64>) -> Result<Option<SessionTail>> {
        self.inner.store.session_tail(id, limit).await
    }

    /// Drops a session with its messages and parameters; whether there was one.
    ///
    /// # Errors
    /// Those of [`crate::store::Store`].
    pub async fn drop_session(&self, id: &str) -> Result<bool> {
        self.inner.store.delete_session(id).await
    }
}
