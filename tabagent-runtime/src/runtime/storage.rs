//! What the runtime keeps: responses, and the parameters of generation, which are also held in memory.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::Mutex;

use super::Runtime;
use crate::{
    error::{BackendError, Result},
    store::{GenerationParams, ParamsStore, SqliteStore, Store, StoreUsage, StoredResponse},
};

type ParamsByModel = BTreeMap<Option<String>, GenerationParams>;

/// The parameters of generation as they are stored, for requests to read without a wait.
#[derive(Debug, Default)]
pub(super) struct KnownParams {
    known: RwLock<ParamsByModel>,
    /// Held over a change in the store and the same change here.
    change: Mutex<()>,
}

impl KnownParams {
    /// The parameters of a model, and where it has none, those of the server.
    pub(super) fn of(&self, model: &str) -> GenerationParams {
        self.own(Some(model)).or(self.own(None))
    }

    fn own(&self, model: Option<&str>) -> GenerationParams {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&model.map(str::to_owned)).copied().unwrap_or_default()
    }

    fn set(&self, model: Option<String>, params: GenerationParams) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(model, params);
    }
}

/// Opens the store below a folder, or one in memory, and reads the parameters; `sessions_limit` is the most bytes of all
/// sessions. Blocks.
///
/// # Errors
/// Those of [`SqliteStore::open`].
pub(super) fn open(folder: Option<&Path>, sessions_limit: u64) -> Result<(Arc<dyn Store>, KnownParams)> {
    let store =
        folder.map_or_else(SqliteStore::in_memory, SqliteStore::open)?.with_sessions_limit(sessions_limit);
    let known = store.params_at_start().clone();
    Ok((Arc::new(store), KnownParams { known: RwLock::new(known), ..KnownParams::default() }))
}

/// The parameters of the server or of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ParamsInForce {
    /// What is set for it.
    pub own: GenerationParams,
    /// What holds for requests that say nothing: of a model what it lacks is the server's.
    pub in_force: GenerationParams,
}

impl Runtime {
    /// The parameters of generation of a model, or of the server.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`], and [`BackendError::InvalidInput`] where the model generates no text.
    pub async fn params(&self, model: Option<&str>) -> Result<ParamsInForce> {
        self.takes_params(model).await?;
        Ok(self.params_of(model))
    }

    /// Changes the parameters of generation of a model, or of the server, and returns what they are now. They are kept when
    /// this returns. `change` sees what was set before.
    ///
    /// # Errors
    /// As [`Runtime::params`], and those of [`crate::store::ParamsStore::put_params`].
    pub async fn change_params(
        &self,
        model: Option<&str>,
        change: impl FnOnce(&mut GenerationParams) + Send + 'static,
    ) -> Result<ParamsInForce> {
        self.takes_params(model).await?;
        let (runtime, model) = (self.clone(), model.map(str::to_owned));
        // A task of its own: a caller that leaves must not part what is stored from what is known.
        let changed = tokio::spawn(async move {
            let _one_by_one = runtime.inner.params.change.lock().await;
            let mut params = runtime.inner.params.own(model.as_deref());
            change(&mut params);
            runtime.inner.store.put_params(model.as_deref(), params).await?;
            runtime.inner.params.set(model.clone(), params);
            Ok(runtime.params_of(model.as_deref()))
        });
        changed
            .await
            .map_err(|error| BackendError::internal(format!("a change of parameters ended early: {error}")))?
    }

    /// The parameters of generation of a session, and what holds in it for a model, or for models without parameters of their
    /// own.
    ///
    /// # Errors
    /// As [`Runtime::params`], [`BackendError::SessionNotFound`], and those of [`Store`].
    pub async fn session_params(&self, session: &str, model: Option<&str>) -> Result<ParamsInForce> {
        self.takes_params(model).await?;
        let own = self.own_params(session).await?;
        Ok(ParamsInForce { own, in_force: own.or(self.params_of(model).in_force) })
    }

    /// Changes the parameters of generation of a session, and returns them as [`Runtime::session_params`] does. They are kept
    /// when this returns. `change` sees what was set before.
    ///
    /// # Errors
    /// As [`Runtime::session_params`].
    pub async fn change_session_params(
        &self,
        session: &str,
        model: Option<&str>,
        change: impl FnOnce(&mut GenerationParams) + Send,
    ) -> Result<ParamsInForce> {
        self.takes_params(model).await?;
        let _one_by_one = self.inner.params.change.lock().await;
        let mut own = self.own_params(session).await?;
        change(&mut own);
        if !self.inner.store.put_session_params(session, own).await? {
            return Err(BackendError::SessionNotFound { session: session.to_owned() });
        }
        Ok(ParamsInForce { own, in_force: own.or(self.params_of(model).in_force) })
    }

    async fn own_params(&self, session: &str) -> Result<GenerationParams> {
        let found = self.inner.store.session(session).await?;
        let found = found.ok_or_else(|| BackendError::SessionNotFound { session: session.to_owned() })?;
        Ok(found.params)
    }

    fn params_of(&self, model: Option<&str>) -> ParamsInForce {
        let known = &self.inner.params;
        let own = known.own(model);
        ParamsInForce { own, in_force: own.or(known.own(None)) }
    }

    /// Whether a model, where one is named, is one that generates text.
    async fn takes_params(&self, model: Option<&str>) -> Result<()> {
        let Some(model) = model.map(str::to_owned) else { return Ok(()) };
        let inner = Arc::clone(&self.inner);
        let found = tokio::task::spawn_blocking(move || {
            let kind = inner.catalog.get(&model)?.usable()?.kind;
            super::generation::continues(&model, kind)
        });
        found.await.map_err(|error| {
            BackendError::internal(format!("reading the models folder ended early: {error}"))
        })?
    }

    /// Keeps a response, durably when this returns. See [`crate::store`] for how long.
    ///
    /// # Errors
    /// Those of [`Store`].
    pub async fn keep_response(&self, response: StoredResponse) -> Result<()> {
        self.inner.store.put_response(response).await
    }

    /// A response that was kept.
    ///
    /// # Errors
    /// Those of [`Store`].
    pub async fn kept_response(&self, id: &str) -> Result<Option<StoredResponse>> {
        self.inner.store.response(id).await
    }

    /// A response that was kept and those that it continues; see [`crate::store::ResponseStore::response_chain`].
    ///
    /// # Errors
    /// Those of [`Store`].
    pub async fn kept_conversation(&self, id: &str) -> Result<Vec<StoredResponse>> {
        self.inner.store.response_chain(id).await
    }

    /// What is kept.
    ///
    /// # Errors
    /// Those of [`Store`].
    pub async fn store_usage(&self) -> Result<StoreUsage> {
        self.inner.store.usage().await
    }

    /// Drops a response; whether there was one.
    ///
    /// # Errors
    /// Those of [`Store`].
    pub async fn drop_response(&self, id: &str) -> Result<bool> {
        self.inner.store.delete_response(id).await
    }
}
