//! POST /v1/rag/documents: a document comes in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tabagent_runtime::store::PutOutcome;
use tabagent_runtime::{DocumentContent, IngestProgress, IngestRequest, IngestStage, Ingested, Runtime};
use tokio::sync::watch;

use super::RagError;
use super::documents::Document;
use crate::framework::stream::JsonOrEvents;
use crate::{
    ApiError, Component, EventStream, FormFile, FormRequest, JsonOrForm, JsonOrStream, Schema, StreamEvent,
    route,
};

/// A document to keep.
#[derive(Debug, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
pub struct DocumentRequest {
    /// The text of the document.
    #[rule(length(min = 1, max = 33_554_432))]
    pub text: Option<String>,
    /// The bytes of a file in base64, in place of `text`: a PDF, or text in any character set.
    #[rule(length(min = 1, max = 44_739_244))]
    pub data: Option<String>,
    /// What it is: `text/plain` and other text, `text/markdown`, `text/html` or `application/pdf`. Told by `file_name` and by
    /// the first bytes when absent.
    #[rule(length(min = 1, max = 256))]
    pub media_type: Option<String>,
    /// Name of its file.
    #[rule(length(min = 1, max = 1024))]
    pub file_name: Option<String>,
    /// Its id. What is kept under it is replaced. One made of the content when absent.
    #[rule(length(max = 128), pattern("^[A-Za-z0-9][A-Za-z0-9._:-]*$"))]
    pub id: Option<String>,
    /// Its title; when absent what the document says itself, or else the name of its file.
    #[rule(length(min = 1, max = 1024))]
    pub title: Option<String>,
    /// Where it is from, such as a path or an address; the name of its file when absent.
    #[rule(length(min = 1, max = 4096))]
    pub source: Option<String>,
    /// What else is to be known of it, for filters and for those who read results; when absent what was said of the one that is
    /// kept under its id.
    #[rule(custom(is_small), any("what it is said of is the client's to say; its size is bounded"))]
    pub metadata: Option<Map<String, Value>>,
    /// Whether the answer is a stream of events: `progress`, and at the end `complete`.
    pub stream: Option<bool>,
    /// The file of a form.
    #[serde(skip)]
    pub file: Option<FormFile>,
}

impl FormRequest for DocumentRequest {
    const FILE: &'static str = "file";

    fn attach(&mut self, file: FormFile) {
        self.file = Some(file);
    }
}

/// Most bytes of the metadata of a document.
const METADATA: usize = 64 << 10;

fn is_small(metadata: &Map<String, Value>) -> Result<(), String> {
    let size = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if size <= METADATA {
        return Ok(());
    }
    Err(format!("has {size} bytes and {METADATA} are kept of a document"))
}

/// What became of a document.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct IngestResponse {
    /// Always `ingest`.
    pub object: String,
    /// Whether it was not there before.
    pub created: bool,
    /// What was done.
    pub outcome: IngestOutcome,
    /// The document, as it is kept.
    pub document: Document,
}

/// What was done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum IngestOutcome {
    /// It was not there before.
    Created,
    /// Its content took the place of another one.
    Replaced,
    /// It was there; what is said of it was changed where the request said so.
    Unchanged,
}

/// An event of a document that comes in.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct IngestEvent {
    /// What is being done.
    pub stage: IngestStep,
    /// Chunks that are embedded.
    pub done: usize,
    /// All chunks; 0 until they are known.
    pub total: usize,
    /// What became of it, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<IngestResponse>,
}

/// What is being done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum IngestStep {
    /// It waits for others.
    Waiting,
    /// Its text is read.
    Reading,
    /// Its chunks are embedded.
    Embedding,
    /// It is stored.
    Storing,
    /// It is kept, and found.
    Complete,
}

/// Keep a document.
///
/// Its text is read, cut into chunks along its headings, paragraphs and sentences, embedded, and kept: when the answer comes
/// it is found by POST /v1/rag/query. The same content again is not kept twice; it changes what is said of it. A client that
/// leaves before the end cancels. A form has the same fields and the part `file`. With `stream` the answer is a stream of events, which tells how far a long document is.
#[route(
    POST, "/v1/rag/documents",
    tag = "retrieval",
    stream,
    body_limit = "64MiB",
    timeout = "30m",
    tests = [
        case("a text", json = { "text": "Cats sleep sixteen hours a day.", "source": "cats.txt", "metadata": { "about": "cats" } }, status = 200, check = is_kept),
        case("Markdown", json = {
            "id": "guide", "media_type": "text/markdown", "title": "The guide",
            "text": "# Install\n\nUnpack the archive.\n\n# Use\n\nAsk it anything.",
        }, status = 200, check = is_kept),
        case("a file", json = { "data": "PGgxPlRyYWluczwvaDE+PHA+VHJhaW5zIGxlYXZlIGF0IG5vb24uPC9wPg==", "file_name": "trains.html" }, status = 200, check = is_kept),
        case("a form", body = b"--x\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{\"kind\": \"note\"}\r\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"note.md\"\r\ncontent-type: text/markdown\r\n\r\n# Boats\n\nBoats float.\r\n--x--\r\n",
            content_type = "multipart/form-data; boundary=x", status = 200, check = is_the_note),
        case("a form without its end", body = b"--x\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\na", content_type = "multipart/form-data; boundary=x", problem = ApiError::BodyMalformed),
        case("a form with another field", body = b"--x\r\ncontent-disposition: form-data; name=\"txt\"\r\n\r\na\r\n--x--\r\n", content_type = "multipart/form-data; boundary=x", problem = ApiError::RequestInvalid),
        case("as a stream", json = { "text": "Interest rates rose in autumn.", "stream": true }, status = 200, check = ends_complete),
        case("fields that are null", json = { "text": "Tea is best at ninety degrees.", "data": null, "media_type": null, "metadata": null, "stream": null }, status = 200, check = is_kept),
        case("nothing", json = {}, problem = RagError::Invalid),
        case("blank", json = { "text": "  " }, problem = RagError::Invalid),
        case("two contents", json = { "text": "a", "data": "YQ==" }, problem = RagError::Invalid),
        case("not base64", json = { "data": "a b" }, problem = RagError::Invalid),
        case("a damaged PDF", json = { "data": "JVBERi0xLjQK" }, problem = RagError::Invalid),
        case("an image", json = { "data": "iVBORw0KGgo=", "media_type": "image/png" }, problem = RagError::Invalid),
        case("an id that cannot be", json = { "text": "a", "id": "../a" }, problem = ApiError::RequestInvalid),
        case("misspelt", json = { "txt": "a" }, problem = ApiError::RequestInvalid),
        untested(NotFound, "GET of a document has it"),
        untested(ModelNotFound, "POST /v1/rag/query has it"),
        untested(Runtime, "needs a full queue or a store that fails; the journeys in tests/ have them"),
    ],
)]
pub async fn ingest_document(
    runtime: Component<Runtime>,
    JsonOrForm(request): JsonOrForm<DocumentRequest>,
) -> Result<JsonOrStream<IngestResponse, IngestEvent>, RagError> {
    let streams = request.stream == Some(true);
    let request = request.into_ingest()?;
    if !streams {
        let ingested = runtime.ingest(request, |_| {}).await?;
        return Ok(JsonOrStream::Json(ingested.into()));
    }
    let runtime = Runtime::clone(&runtime);
    let (tell, told) = watch::channel(IngestProgress::default());
    let work = async move {
        runtime
            .ingest(request, |progress| {
                tell.send_replace(progress);
            })
            .await
    };
    let events = stream::unfold(Some((Box::pin(work), told)), |state| async move {
        let (mut work, mut told) = state?;
        tokio::select! {
            biased;
            outcome = &mut work => {
                let done = *told.borrow();
                let item = outcome.map_err(RagError::from).map(|ingested| StreamEvent {
                    name: Some("complete"),
                    data: IngestEvent {
                        stage: IngestStep::Complete, done: done.done, total: done.total, result: Some(ingested.into()),
                    },
                });
                Some((item, None))
            }
            Ok(()) = told.changed() => {
                let progress = *told.borrow_and_update();
                let item = Ok(StreamEvent { name: Some("progress"), data: progress.into() });
                Some((item, Some((work, told))))
            }
        }
    });
    Ok(JsonOrStream::Stream(EventStream::new(events)))
}

impl DocumentRequest {
    fn into_ingest(self) -> Result<IngestRequest, RagError> {
        let (is_file, file) = (self.file.is_some(), self.file.unwrap_or_default());
        let content = match (self.text, self.data) {
            (None, None) if is_file => {
                if file.content.is_empty() {
                    return Err(RagError::invalid("file", "is empty; send one with content"));
                }
                DocumentContent::Bytes(file.content.into(), "file")
            }
            (Some(text), None) if !is_file => DocumentContent::Text(text),
            (None, Some(data)) if !is_file => {
                let bytes = STANDARD.decode(data.as_bytes());
                let bytes =
                    bytes.map_err(|error| RagError::invalid("data", format!("is no base64: {error}")))?;
                DocumentContent::Bytes(bytes, "data")
            }
            (None, None) => {
                return Err(RagError::invalid("text", "is missing; send `text`, `data`, or a file"));
            }
            _ => {
                let field = if is_file { "file" } else { "data" };
                let reason = "is there beside another content; send one of `text`, `data` and a file";
                return Err(RagError::invalid(field, reason));
            }
        };
        Ok(IngestRequest {
            id: self.id,
            content,
            media_type: self.media_type.or(file.media_type),
            file_name: self.file_name.or(file.name),
            title: self.title,
            source: self.source,
            metadata: self.metadata,
        })
    }
}

impl From<Ingested> for IngestResponse {
    fn from(Ingested { document, outcome }: Ingested) -> Self {
        Self {
            object: "ingest".to_owned(),
            created: outcome == PutOutcome::Created,
            outcome: match outcome {
                PutOutcome::Created => IngestOutcome::Created,
                PutOutcome::Replaced => IngestOutcome::Replaced,
                PutOutcome::Unchanged => IngestOutcome::Unchanged,
            },
            document: document.into(),
        }
    }
}

impl From<IngestProgress> for IngestEvent {
    fn from(IngestProgress { stage, done, total }: IngestProgress) -> Self {
        let stage = match stage {
            IngestStage::Waiting => IngestStep::Waiting,
            IngestStage::Reading => IngestStep::Reading,
            IngestStage::Embedding => IngestStep::Embedding,
            IngestStage::Storing => IngestStep::Storing,
        };
        Self { stage, done, total, result: None }
    }
}

fn is_kept(body: &JsonOrEvents<IngestResponse, IngestEvent>) -> bool {
    matches!(body, JsonOrEvents::Json(IngestResponse { document, .. }) if document.chunks > 0 && document.sha256.len() == 64)
}

fn is_the_note(body: &JsonOrEvents<IngestResponse, IngestEvent>) -> bool {
    let JsonOrEvents::Json(IngestResponse { document, .. }) = body else { return false };
    document.source.as_deref() == Some("note.md")
        && document.title.as_deref() == Some("Boats")
        && document.metadata.get("kind").is_some_and(|kind| kind == "note")
}

fn ends_complete(body: &JsonOrEvents<IngestResponse, IngestEvent>) -> bool {
    let JsonOrEvents::Events(events) = body else { return false };
    events.last().is_some_and(|last| last.stage == IngestStep::Complete && last.result.is_some())
}
