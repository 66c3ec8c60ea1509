//! A response as it grows: events of the generation in, events of the response out.

mod call;

use tabagent_runtime::{FinishReason, Markup, MarkupParser, Piece};

use self::call::OpenCall;
use super::events::{AnswerPart, ResponseEvent};
use super::items::{Item, ItemContent, ItemPart, ItemRole, ItemStatus, ReasoningPart, new_id};
use super::response::{
    IncompleteDetails, InputTokensDetails, OutputTokensDetails, Response, ResponseFailure, ResponseStatus,
    ResponseUsage,
};
use crate::framework::problem::{Problem, ProblemReport};
use crate::routes::chat::TokenLogprob;
use crate::routes::generation::now;

/// Every item has one part.
const PART: usize = 0;

/// A response that is being generated.
pub(super) struct Answer {
    response: Response,
    parser: MarkupParser,
    open: Option<Open>,
    /// The call that grows; then no other item does.
    call: Option<OpenCall>,
    /// Log probabilities of tokens whose text is held back.
    held: Vec<TokenLogprob>,
    input_tokens: usize,
    /// Number of the next event.
    sequence: u64,
    events: Vec<ResponseEvent>,
}

/// The item that grows.
struct Open {
    kind: Kind,
    id: String,
    text: String,
    logprobs: Vec<TokenLogprob>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Reasoning,
}

impl Answer {
    pub(super) fn new(response: Response, markup: Markup, input_tokens: usize) -> Self {
        Self {
            response,
            parser: MarkupParser::new(markup),
            open: None,
            call: None,
            held: Vec::new(),
            input_tokens,
            sequence: 0,
            events: Vec::new(),
        }
    }

    /// The events since the last call.
    pub(super) fn events(&mut self) -> Vec<ResponseEvent> {
        std::mem::take(&mut self.events)
    }

    /// The response as it is.
    pub(super) fn response(&self) -> &Response {
        &self.response
    }

    pub(super) fn into_response(self) -> Response {
        self.response
    }

    /// Tells that it begins.
    pub(super) fn begin(&mut self) {
        let response = Box::new(self.response.clone());
        self.tell(|sequence_number| ResponseEvent::Created { sequence_number, response });
        let response = Box::new(self.response.clone());
        self.tell(|sequence_number| ResponseEvent::InProgress { sequence_number, response });
    }

    /// Takes text and the tokens that it came of; `logprobs` are theirs, where they are asked for.
    pub(super) fn take(&mut self, text: &str, tokens: usize, logprobs: Vec<TokenLogprob>) {
        let pieces = self.parser.push(text, tokens);
        self.held.extend(logprobs);
        self.take_pieces(pieces);
    }

    /// Ends it; what is told afterwards is that it is whole.
    pub(super) fn end(&mut self, reason: FinishReason, output_tokens: usize, cached_tokens: usize) {
        let cut = reason == FinishReason::Length;
        let rest = self.parser.finish(cut);
        self.take_pieces(rest);
        if self.open.is_none() && self.response.output.is_empty() {
            // The model said nothing, in as many words.
            self.open(Kind::Message);
        }
        self.close(if cut { ItemStatus::Incomplete } else { ItemStatus::Completed });
        let (input_tokens, output_tokens) = (self.input_tokens as u64, output_tokens as u64);
        self.response.usage = Some(ResponseUsage {
            input_tokens,
            input_tokens_details: InputTokensDetails {
                cached_tokens: cached_tokens as u64,
                ..InputTokensDetails::default()
            },
            output_tokens,
            output_tokens_details: OutputTokensDetails {
                reasoning_tokens: self.parser.thought_tokens() as u64,
            },
            total_tokens: input_tokens + output_tokens,
        });
        if cut {
            self.response.status = ResponseStatus::Incomplete;
            self.response.incomplete_details =
                Some(IncompleteDetails { reason: "max_output_tokens".to_owned() });
        } else {
            self.response.status = ResponseStatus::Completed;
            self.response.completed_at = Some(now());
        }
    }

    /// Tells that it ended.
    pub(super) fn tell_end(&mut self) {
        let response = Box::new(self.response.clone());
        let cut = self.response.status == ResponseStatus::Incomplete;
        self.tell(|sequence_number| {
            if cut {
                ResponseEvent::Incomplete { sequence_number, response }
            } else {
                ResponseEvent::Completed { sequence_number, response }
            }
        });
    }

    /// Tells that it broke off.
    pub(super) fn fail(&mut self, problem: &impl Problem) {
        let code = if problem.kind().status == 429 { "rate_limit_exceeded" } else { "server_error" };
        let message = ProblemReport::of(problem).body("").error.message;
        self.response.status = ResponseStatus::Failed;
        self.response.completed_at = None;
        self.response.error = Some(ResponseFailure { code: code.to_owned(), message });
        let response = Box::new(self.response.clone());
        self.tell(|sequence_number| ResponseEvent::Failed { sequence_number, response });
    }

    fn tell(&mut self, event: impl FnOnce(u64) -> ResponseEvent) {
        self.events.push(event(self.sequence));
        self.sequence += 1;
    }

    fn take_pieces(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.grow(Kind::Message, text),
                Piece::Thought(text) => self.grow(Kind::Reasoning, text),
                Piece::CallBegun { name } => self.begin_call(name),
                Piece::Arguments(delta) => self.grow_call(delta),
                Piece::CallEnd { whole } => self.end_call(whole),
            }
        }
    }

    /// Adds text to the item of its kind, which is begun where another one is open.
    fn grow(&mut self, kind: Kind, delta: String) {
        // Those of a thought are not told.
        let logprobs = std::mem::take(&mut self.held);
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            self.close(ItemStatus::Completed);
            self.open(kind);
        }
        let output_index = self.response.output.len();
        let Some(open) = &mut self.open else { return };
        open.text.push_str(&delta);
        let (item_id, content_index) = (open.id.clone(), PART);
        match kind {
            Kind::Message => {
                open.logprobs.extend_from_slice(&logprobs);
                self.tell(|sequence_number| ResponseEvent::OutputTextDelta {
                    sequence_number,
                    item_id,
                    output_index,
                    content_index,
                    delta,
                    logprobs,
                });
            }
            Kind::Reasoning => self.tell(|sequence_number| ResponseEvent::ReasoningTextDelta {
                sequence_number,
                item_id,
                output_index,
                content_index,
                delta,
            }),
        }
    }

    /// Begins an item.
    fn open(&mut self, kind: Kind) {
        let id = new_id(if kind == Kind::Message { "msg" } else { "rs" });
        let open = Open { kind, id: id.clone(), text: String::new(), logprobs: Vec::new() };
        let (output_index, item) = (self.response.output.len(), open.begun());
        self.tell(|sequence_number| ResponseEvent::OutputItemAdded { sequence_number, output_index, item });
        let part = open.part();
        self.tell(|sequence_number| ResponseEvent::ContentPartAdded {
            sequence_number,
            item_id: id,
            output_index,
            content_index: PART,
            part,
        });
        self.open = Some(open);
    }

    /// Ends the item that is open, if one is.
    fn close(&mut self, status: ItemStatus) {
        let Some(mut open) = self.open.take() else { return };
        if open.kind == Kind::Message {
            // Tokens without text of their own at the end.
            open.logprobs.append(&mut self.held);
        }
        let (output_index, content_index) = (self.response.output.len(), PART);
        let (item_id, text, logprobs) = (open.id.clone(), open.text.clone(), open.logprobs.clone());
        self.tell(|sequence_number| match open.kind {
            Kind::Message => ResponseEvent::OutputTextDone {
                sequence_number,
                item_id,
                output_index,
                content_index,
                text,
                logprobs,
            },
            Kind::Reasoning => ResponseEvent::ReasoningTextDone {
                sequence_number,
                item_id,
                output_index,
                content_index,
                text,
            },
        });
        let (item_id, part) = (open.id.clone(), open.part());
        self.tell(|sequence_number| ResponseEvent::ContentPartDone {
            sequence_number,
            item_id,
            output_index,
            content_index,
            part,
        });
        self.done(open.whole(status));
    }

    fn done(&mut self, item: Item) {
        let output_index = self.response.output.len();
        self.response.output.push(item.clone());
        self.tell(|sequence_number| ResponseEvent::OutputItemDone { sequence_number, output_index, item });
    }
}

impl Open {
    /// The item as it begins: without its part.
    fn begun(&self) -> Item {
        self.item(ItemStatus::InProgress, Vec::new(), Vec::new())
    }

    fn whole(self, status: ItemStatus) -> Item {
        let text = self.text.clone();
        let said = ItemPart::OutputText {
            text: text.clone(),
            annotations: Vec::new(),
            logprobs: Some(self.logprobs.clone()),
        };
        self.item(status, vec![said], vec![ReasoningPart::ReasoningText { text }])
    }

    fn item(&self, status: ItemStatus, said: Vec<ItemPart>, thought: Vec<ReasoningPart>) -> Item {
        let (id, status) = (Some(self.id.clone()), Some(status));
        match self.kind {
            Kind::Message => {
                Item::Message { id, status, role: ItemRole::Assistant, content: ItemContent::Parts(said) }
            }
            Kind::Reasoning => Item::Reasoning {
                id,
                status,
                summary: Vec::new(),
                content: Some(thought),
                encrypted_content: None,
            },
        }
    }

    /// The part as it is.
    fn part(&self) -> AnswerPart {
        let text = self.text.clone();
        match self.kind {
            Kind::Message => {
                AnswerPart::OutputText { text, annotations: Vec::new(), logprobs: self.logprobs.clone() }
            }
            Kind::Reasoning => AnswerPart::ReasoningText { text },
        }
    }
}

#[cfg(test)]
mod tests;
