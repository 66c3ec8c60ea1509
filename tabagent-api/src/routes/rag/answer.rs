//! The answer of a query with `generate`: what it says, and what it cites.

use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tabagent_runtime::{
    BackendError, FinishReason, Generation, GenerationEvent, MarkupParser, PassageAnswer, Piece, cited,
};

use super::RagError;
use super::query::{RagResponse, RagResult};
use crate::routes::generation::{EndReason, GenerationUsage};
use crate::{Schema, StreamEvent};

/// An answer from the results.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagAnswer {
    /// Id of the model that wrote it.
    pub model: String,
    /// What it says. Numbers in brackets cite results, the first one as `[1]`.
    pub text: String,
    /// The results that it cites, in the order in which they come.
    pub citations: Vec<RagCitation>,
    /// Numbers that it cites and that no result has: what stands before them is from nowhere.
    pub unknown_citations: Vec<usize>,
    /// How many of the results the model was given: the first ones, as many as it takes.
    pub results_used: usize,
    /// Why it ended.
    pub finish_reason: EndReason,
    /// Tokens that were read and generated.
    pub usage: GenerationUsage,
}

/// A result that an answer cites.
#[derive(Debug, Clone, Serialize, Deserialize, Schema)]
pub struct RagCitation {
    /// Its number in the answer, from 1.
    pub number: usize,
    /// Id of the result.
    pub result_id: String,
    /// Id of its document.
    pub document_id: String,
}

/// A part of an answer that is streamed: first the results, then the text as it comes, at the end all of it.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct RagEvent {
    /// What was found; in the first event, which is named `sources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<RagResponse>,
    /// Text that came; in events named `delta`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// The whole answer; in the last event, which is named `complete`. Absent where nothing was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<RagAnswer>,
}

impl RagEvent {
    const NOTHING: Self = Self { sources: None, delta: None, answer: None };
}

/// Reads an answer as it comes.
struct Reader {
    generation: Generation,
    parser: MarkupParser,
    text: String,
    usage: GenerationUsage,
    used: usize,
    /// The ids of the results that the model was given, and of their documents.
    given: Vec<(String, String)>,
}

/// What came of an answer.
enum Part {
    Text(String),
    End(FinishReason),
}

impl Reader {
    fn new(answer: PassageAnswer, results: &[RagResult]) -> Self {
        let PassageAnswer { generation, used } = answer;
        Self {
            parser: MarkupParser::new(generation.markup),
            usage: GenerationUsage::of_prompt(generation.prompt_tokens),
            generation,
            text: String::new(),
            used,
            given: results
                .iter()
                .take(used)
                .map(|result| (result.id.clone(), result.document_id.clone()))
                .collect(),
        }
    }

    async fn next(&mut self) -> Result<Part, RagError> {
        match self.generation.next().await {
            Some(Ok(GenerationEvent::Delta { text, tokens, .. })) => {
                let pieces = self.parser.push(&text, tokens.len());
                Ok(Part::Text(self.take(pieces)))
            }
            Some(Ok(GenerationEvent::End { reason, completion_tokens, cached_tokens, .. })) => {
                let pieces = self.parser.finish(reason == FinishReason::Length);
                self.take(pieces);
                self.usage.add(0, completion_tokens, cached_tokens);
                self.usage.add_thought(self.parser.thought_tokens());
                Ok(Part::End(reason))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(BackendError::internal("an answer ended without its end").into()),
        }
    }

    /// The text among what came; thoughts are not told.
    fn take(&mut self, pieces: Vec<Piece>) -> String {
        let mut came = String::new();
        for piece in pieces {
            if let Piece::Text(text) = piece {
                came.push_str(&text);
            }
        }
        self.text.push_str(&came);
        came
    }

    fn answer(self, reason: FinishReason) -> RagAnswer {
        let (mut citations, mut unknown_citations) = (Vec::new(), Vec::new());
        for number in cited(&self.text) {
            match number.checked_sub(1).and_then(|place| self.given.get(place)) {
                Some((result_id, document_id)) => citations.push(RagCitation {
                    number,
                    result_id: result_id.clone(),
                    document_id: document_id.clone(),
                }),
                None => unknown_citations.push(number),
            }
        }
        RagAnswer {
            model: self.generation.model.clone(),
            text: self.text,
            citations,
            unknown_citations,
            results_used: self.used,
            finish_reason: reason.into(),
            usage: self.usage,
        }
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// What the engine failed with.
pub(super) async fn whole(answer: PassageAnswer, results: &[RagResult]) -> Result<RagAnswer, RagError> {
    let mut reader = Reader::new(answer, results);
    loop {
        if let Part::End(reason) = reader.next().await? {
            return Ok(reader.answer(reason));
        }
    }
}

/// The events of an answer; without one, what was found alone.
pub(super) fn events(
    found: RagResponse,
    answer: Option<PassageAnswer>,
) -> impl Stream<Item = Result<StreamEvent<RagEvent>, RagError>> + Send {
    let reader = answer.map(|answer| Reader::new(answer, &found.results));
    let sources = RagEvent { sources: Some(found), ..RagEvent::NOTHING };
    let first = StreamEvent { name: Some("sources"), data: sources };
    let complete =
        |answer| StreamEvent { name: Some("complete"), data: RagEvent { answer, ..RagEvent::NOTHING } };
    stream::unfold((Some(first), Some(reader)), move |(first, state)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (None, state)));
        }
        let Some(mut reader) = state? else { return Some((Ok(complete(None)), (None, None))) };
        let told = reader.text.len();
        loop {
            match reader.next().await {
                Ok(Part::Text(text)) if text.is_empty() => {}
                Ok(Part::Text(text)) => {
                    let data = RagEvent { delta: Some(text), ..RagEvent::NOTHING };
                    let event = StreamEvent { name: Some("delta"), data };
                    return Some((Ok(event), (None, Some(Some(reader)))));
                }
                Ok(Part::End(reason)) => {
                    // What was held back until the end is text as well.
                    let rest = reader.text.get(told..).unwrap_or_default().to_owned();
                    let last = complete(Some(reader.answer(reason)));
                    if rest.is_empty() {
                        return Some((Ok(last), (None, None)));
                    }
                    let data = RagEvent { delta: Some(rest), ..RagEvent::NOTHING };
                    return Some((Ok(StreamEvent { name: Some("delta"), data }), (Some(last), None)));
                }
                Err(error) => return Some((Err(error), (None, None))),
            }
        }
    })
}
