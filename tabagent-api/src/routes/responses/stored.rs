//! Responses that are stored: GET and DELETE /v1/responses/{response_id}, GET of their input, and what they add to a
//! conversation.

use serde::Deserialize;
use tabagent_runtime::{BackendError, Runtime, StoredResponse};

use super::items::Item;
use super::response::{DeletedResponse, Response, ResponseItemList};
use super::{InferenceError, ResponseError};
use crate::{ApiError, Component, Json, Path, Problem, Query, Schema, route};

/// Which response.
#[derive(Debug, Deserialize, Schema)]
pub struct ResponsePath {
    /// Its id.
    #[rule(length(min = 1, max = 256))]
    pub response_id: String,
}

/// Why a stored response is not there.
#[derive(Debug, thiserror::Error, Problem)]
pub enum StoredResponseError {
    /// No response of this id is stored.
    #[error("there is no response `{response_id}` here")]
    #[problem(
        status = 404,
        title = "Response not found",
        slug = "response-not-found",
        code = "response_not_found",
        hint = "responses are stored for 30 days unless `store` is false"
    )]
    NotFound {
        /// The id.
        response_id: String,
    },
    /// The item after which the list is to begin is not in it.
    #[error("`{field}`: no item of the input has the id `{after}`")]
    #[problem(
        status = 400,
        title = "Item not found",
        slug = "item-not-found",
        code = "item_not_found",
        hint = "`last_id` of the page before is the id to send"
    )]
    AfterNotFound {
        /// Always `after`.
        #[problem(param)]
        field: &'static str,
        /// The id.
        after: String,
    },
    /// A way of showing a response that there is not here.
    #[error("`{field}`: {reason}")]
    #[problem(
        status = 400,
        title = "Not served for stored responses",
        slug = "stored-response-option",
        code = "unsupported_parameter",
        hint = "a stored response is answered whole, as it was made"
    )]
    NotServed {
        /// The parameter.
        #[problem(param)]
        field: &'static str,
        /// What to do instead.
        reason: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    #[problem(transparent)]
    Runtime(BackendError),
}

impl From<BackendError> for StoredResponseError {
    fn from(error: BackendError) -> Self {
        Self::Runtime(error)
    }
}

/// How a stored response is shown: whole, in one way. OpenAI's other ways are refused.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct RetrieveQuery {
    /// Only `false`: what is stored is whole, and no stream.
    pub stream: Option<bool>,
    /// Not served: it is for streams.
    #[rule(range(min = 0, max = 1_000_000_000))]
    pub starting_after: Option<u64>,
    /// Only `false`: it is for streams.
    pub include_obfuscation: Option<bool>,
    /// Not served: what was asked for when the response was made is shown.
    #[rule(length(max = 256))]
    pub include: Option<String>,
    /// Another name for `include`.
    #[serde(rename = "include[]")]
    #[rule(length(max = 256))]
    pub include_list: Option<String>,
}

impl RetrieveQuery {
    /// Refuses what is not done here.
    fn refuse(&self) -> Result<(), StoredResponseError> {
        let refused = [
            (
                "stream",
                self.stream == Some(true),
                "a stored response is shown whole; leave it out, or send `stream` to POST /v1/responses",
            ),
            ("starting_after", self.starting_after.is_some(), "is for streams; leave it out"),
            ("include_obfuscation", self.include_obfuscation == Some(true), "is for streams; leave it out"),
            (
                "include",
                self.include.is_some() || self.include_list.is_some(),
                "what POST /v1/responses was asked to include is stored and shown; send it there, and leave it out here",
            ),
        ];
        match refused.into_iter().find(|(_, found, _)| *found) {
            Some((field, _, reason)) => Err(StoredResponseError::NotServed { field, reason }),
            None => Ok(()),
        }
    }
}

/// Show a stored response.
///
/// As it was answered, and whole.
#[route(
    GET, "/v1/responses/{response_id}",
    tag = "inference",
    tests = [
        case("stored", path = { response_id: "resp_example" }, status = 200,
            check = |response: &Response| response.id == "resp_example" && !response.output.is_empty()),
        case("without a stream", path = { response_id: "resp_example" }, query = { stream: "false", include_obfuscation: "false" }, status = 200,
            check = |response: &Response| response.id == "resp_example"),
        case("as a stream", path = { response_id: "resp_example" }, query = { stream: "true", starting_after: "3" }, problem = StoredResponseError::NotServed),
        case("a stream that goes on", path = { response_id: "resp_example" }, query = { starting_after: "3" }, problem = StoredResponseError::NotServed),
        case("with more in it", path = { response_id: "resp_example" }, query = { "include[]": "message.output_text.logprobs" }, problem = StoredResponseError::NotServed),
        case("misspelt", path = { response_id: "resp_example" }, query = { steam: "true" }, problem = ApiError::RequestInvalid),
        case("unknown", path = { response_id: "resp_nobody" }, problem = StoredResponseError::NotFound),
        untested(AfterNotFound, "the list of the input has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn retrieve_response(
    runtime: Component<Runtime>,
    Path(ResponsePath { response_id }): Path<ResponsePath>,
    Query(query): Query<RetrieveQuery>,
) -> Result<Json<Response>, StoredResponseError> {
    query.refuse()?;
    let stored = runtime.kept_response(&response_id).await?;
    let stored = stored.ok_or(StoredResponseError::NotFound { response_id })?;
    Ok(Json(read(&stored.id, stored.response)?))
}

/// Delete a stored response.
///
/// Conversations that build on it can no longer be continued by their ids.
#[route(
    DELETE, "/v1/responses/{response_id}",
    tag = "inference",
    tests = [
        case("stored", path = { response_id: "resp_to_delete" }, status = 200,
            check = |deleted: &DeletedResponse| deleted.deleted && deleted.object == "response" && deleted.id == "resp_to_delete"),
        case("unknown", path = { response_id: "resp_nobody" }, problem = StoredResponseError::NotFound),
        untested(AfterNotFound, "the list of the input has it"),
        untested(NotServed, "GET of the response has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn delete_response(
    runtime: Component<Runtime>,
    Path(ResponsePath { response_id }): Path<ResponsePath>,
) -> Result<Json<DeletedResponse>, StoredResponseError> {
    if !runtime.drop_response(&response_id).await? {
        return Err(StoredResponseError::NotFound { response_id });
    }
    Ok(Json(DeletedResponse { id: response_id, object: "response".to_owned(), deleted: true }))
}

/// Which part of a list.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct InputItemsQuery {
    /// Most items; 20 when absent.
    #[rule(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// Which ones come first; the newest when absent.
    pub order: Option<ItemOrder>,
    /// Id of the item after which the list begins.
    #[rule(length(min = 1, max = 256))]
    pub after: Option<String>,
}

/// Which items come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum ItemOrder {
    /// The oldest.
    Asc,
    /// The newest.
    Desc,
}

/// List the input of a stored response.
///
/// What its own request had; the input of the responses that it continues is listed with those.
#[route(
    GET, "/v1/responses/{response_id}/input_items",
    tag = "inference",
    tests = [
        case("all", path = { response_id: "resp_example" }, query = { order: "asc" }, status = 200,
            check = |list: &ResponseItemList| list.data.len() == 2 && !list.has_more && list.first_id.as_deref() == Some("msg_1")),
        case("a page", path = { response_id: "resp_example" }, query = { limit: "1" }, status = 200,
            check = |list: &ResponseItemList| list.has_more && list.last_id.as_deref() == Some("msg_2")),
        case("the next page", path = { response_id: "resp_example" }, query = { after: "msg_2" }, status = 200,
            check = |list: &ResponseItemList| !list.has_more && list.last_id.as_deref() == Some("msg_1")),
        case("after an unknown item", path = { response_id: "resp_example" }, query = { after: "msg_9" }, problem = StoredResponseError::AfterNotFound),
        case("too many", path = { response_id: "resp_example" }, query = { limit: "101" }, problem = ApiError::RequestInvalid),
        case("unknown", path = { response_id: "resp_nobody" }, problem = StoredResponseError::NotFound),
        untested(NotServed, "GET of the response has it"),
        untested(Runtime, "needs a store that fails; the tests of tabagent-runtime have them"),
    ],
)]
pub async fn list_input_items(
    runtime: Component<Runtime>,
    Path(ResponsePath { response_id }): Path<ResponsePath>,
    Query(query): Query<InputItemsQuery>,
) -> Result<Json<ResponseItemList>, StoredResponseError> {
    let stored = runtime.kept_response(&response_id).await?;
    let stored = stored.ok_or(StoredResponseError::NotFound { response_id })?;
    let mut items: Vec<Item> = read(&stored.id, stored.input)?;
    if query.order != Some(ItemOrder::Asc) {
        items.reverse();
    }
    if let Some(after) = query.after {
        let Some(at) = items.iter().position(|item| item.id() == after) else {
            return Err(StoredResponseError::AfterNotFound { field: "after", after });
        };
        items.drain(..=at);
    }
    let limit = query.limit.unwrap_or(20) as usize;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&Item>| item.map(|item| item.id().to_owned());
    Ok(Json(ResponseItemList {
        object: "list".to_owned(),
        first_id: id(items.first()),
        last_id: id(items.last()),
        data: items,
        has_more,
    }))
}

/// What a stored response, and those that it continues, add to a conversation.
///
/// # Errors
/// [`ResponseError::PreviousNotFound`] where one of them is not here.
pub(super) async fn conversation(runtime: &Runtime, id: &str) -> Result<Vec<Item>, ResponseError> {
    let chain = runtime.kept_conversation(id).await.map_err(ResponseError::of)?;
    let Some(first) = chain.first() else {
        return Err(ResponseError::previous(format!("there is no response `{id}` here")));
    };
    if let Some(gone) = &first.previous {
        return Err(ResponseError::previous(format!(
            "`{id}` builds on `{gone}`, which is no longer here, or is too far back"
        )));
    }
    let mut items = Vec::new();
    for StoredResponse { id, input, response, .. } in chain {
        let read = || -> Result<(Vec<Item>, Response), BackendError> {
            Ok((read(&id, input)?, read(&id, response)?))
        };
        let (input, response) = read().map_err(InferenceError::from)?;
        if let Some(session) = &response.conversation {
            let reason = format!(
                "`{id}` was answered in session `{session}`, and what that had before is not in it; send `session_id` instead, \
                 or the whole conversation as `input`",
                session = session.id
            );
            return Err(InferenceError::invalid("previous_response_id", reason).into());
        }
        items.extend(input);
        items.extend(response.output);
    }
    Ok(items)
}

/// A part of a stored response.
fn read<T: serde::de::DeserializeOwned>(id: &str, value: serde_json::Value) -> Result<T, BackendError> {
    serde_json::from_value(value).map_err(|error| {
        BackendError::internal(format!("the stored response `{id}` cannot be read: {error}"))
    })
}
