//! What a chat model marks in its text: its thoughts, and calls of tools.
//!
//! Known are `<think>..</think>`, as DeepSeek, Qwen and others write it, and `<tool_call>{"name": .., "arguments": ..}
//! </tool_call>` of Hermes and Qwen. Whether a model uses them is known from its chat template. A thought comes first or
//! not at all.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

pub(super) const THINK: &str = "<think>";
pub(super) const THOUGHT: &str = "</think>";
pub(super) const CALL: &str = "<tool_call>";
pub(super) const CALLED: &str = "</tool_call>";

/// Which marks a model uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Markup {
    /// Whether it marks its thoughts.
    pub thoughts: bool,
    /// Whether the prompt ends within a thought.
    pub thinking: bool,
    /// Whether it marks calls of tools.
    pub calls: bool,
    /// Whether calls come first or not at all, after a thought: an answer of a given form may have their mark in its text.
    pub leading: bool,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text for the reader.
    Text(String),
    /// A thought.
    Thought(String),
    /// A call of a tool.
    Call {
        /// Name of the function.
        name: String,
        /// Its arguments, an object as JSON text; the beginning of one where the call is not whole.
        arguments: String,
        /// Whether it was written to its end.
        whole: bool,
    },
}

/// Parts the text of one answer as it comes.
#[derive(Debug)]
pub struct MarkupParser {
    markup: Markup,
    state: State,
    /// Text that may be the beginning of a mark, or white space in front of one; all of a call.
    held: String,
    /// Whether white space at the beginning of what comes is dropped.
    trims: bool,
    /// Tokens of the thought, those of its marks among them.
    thought_tokens: usize,
    /// Tokens of what may be the mark at the beginning of a thought.
    undecided: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing came but white space.
    Start,
    Text,
    Thought,
    Call,
}

impl MarkupParser {
    /// For an answer of a model with these marks.
    pub fn new(markup: Markup) -> Self {
        let state = if markup.thinking { State::Thought } else { State::Start };
        Self { markup, state, held: String::new(), trims: markup.thinking, thought_tokens: 0, undecided: 0 }
    }

    /// Takes text and how many tokens it came of, and gives the pieces that are complete.
    pub fn push(&mut self, text: &str, tokens: usize) -> Vec<Piece> {
        self.held.push_str(text);
        self.undecided += tokens;
        let mut thought = self.state == State::Thought;
        let mut pieces = Vec::new();
        while self.step(&mut pieces) {
            thought |= self.state == State::Thought;
        }
        if thought {
            self.thought_tokens += std::mem::take(&mut self.undecided);
        } else if self.state != State::Start || !text.is_empty() && self.held.trim_start().is_empty() {
            self.undecided = 0;
        }
        pieces
    }

    /// Tokens of the thought so far, those of its marks among them. The mark at its beginning is none of the answer where the
    /// prompt ends with it.
    pub fn thought_tokens(&self) -> usize {
        self.thought_tokens
    }

    /// What was held, once nothing comes any more. Of an answer that was `cut` by its length, a call that was begun is given as
    /// far as it came, and the beginning of a mark is no text.
    pub fn finish(&mut self, cut: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = std::mem::take(&mut self.held);
        match self.state {
            State::Start if cut && !rest.trim().is_empty() => {}
            State::Start => give(&mut pieces, Piece::Text(rest)),
            State::Text => {
                if cut && self.markup.calls {
                    rest.truncate(rest.len() - overlap(&rest, CALL));
                }
                give(&mut pieces, Piece::Text(rest));
            }
            State::Thought => {
                if cut {
                    rest.truncate(rest.len() - overlap(&rest, THOUGHT));
                }
                give(&mut pieces, Piece::Thought(rest));
            }
            State::Call if cut => pieces.extend(begun_call(&rest)),
            State::Call => pieces.push(call(&rest).unwrap_or_else(|| Piece::Text(format!("{CALL}{rest}")))),
        }
        pieces
    }

    /// Goes to the next mark, if there is one.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.trims && self.state != State::Call {
            let kept = self.held.trim_start();
            self.trims = kept.is_empty();
            self.held = kept.to_owned();
        }
        match self.state {
            State::Start => {
                let begun = self.held.trim_start();
                let marks =
                    [(THINK, self.markup.thoughts, State::Thought), (CALL, self.markup.calls, State::Call)];
                let mut used = marks.iter().filter(|(_, used, _)| *used);
                if let Some((mark, _, state)) = used.clone().find(|(mark, ..)| begun.starts_with(mark)) {
                    self.held = begun[mark.len()..].to_owned();
                    (self.state, self.trims) = (*state, true);
                } else if used.any(|(mark, ..)| mark.starts_with(begun)) {
                    return false;
                } else {
                    self.state = State::Text;
                    self.markup.calls &= !self.markup.leading;
                }
                true
            }
            State::Text => {
                let Some(at) = self.held.find(CALL).filter(|_| self.markup.calls) else {
                    self.give_all_but_marks(pieces);
                    return false;
                };
                let text = self.held[..at].trim_end().to_owned();
                self.held.drain(..at + CALL.len());
                give(pieces, Piece::Text(text));
                (self.state, self.trims) = (State::Call, true);
                true
            }
            State::Thought => {
                let Some(at) = self.held.find(THOUGHT) else {
                    let rest = self.held.split_off(self.held.len() - held_back(&self.held, THOUGHT));
                    give(pieces, Piece::Thought(std::mem::replace(&mut self.held, rest)));
                    return false;
                };
                let thought = self.held[..at].trim_end().to_owned();
                self.held.drain(..at + THOUGHT.len());
                give(pieces, Piece::Thought(thought));
                self.markup.thoughts = false;
                (self.state, self.trims) = (State::Start, true);
                true
            }
            State::Call => {
                let Some(at) = end_of_call(&self.held) else { return false };
                let written = self.held[..at].to_owned();
                self.held.drain(..at + CALLED.len());
                pieces
                    .push(call(&written).unwrap_or_else(|| Piece::Text(format!("{CALL}{written}{CALLED}"))));
                (self.state, self.trims) = (State::Text, true);
                true
            }
        }
    }

    /// Gives the text that can be no part of a mark, nor white space in front of one.
    fn give_all_but_marks(&mut self, pieces: &mut Vec<Piece>) {
        let kept = if self.markup.calls { held_back(&self.held, CALL) } else { 0 };
        let rest = self.held.split_off(self.held.len() - kept);
        give(pieces, Piece::Text(std::mem::replace(&mut self.held, rest)));
    }
}

fn give(pieces: &mut Vec<Piece>, piece: Piece) {
    if !matches!(&piece, Piece::Text(text) | Piece::Thought(text) if text.is_empty()) {
        pieces.push(piece);
    }
}

/// Bytes at the end of `text` that may belong to a mark: its beginning, and the white space in front of it.
fn held_back(text: &str, mark: &str) -> usize {
    let begun = overlap(text, mark);
    let before = &text[..text.len() - begun];
    begun + before.len() - before.trim_end().len()
}

/// Bytes at the end of `text` that begin `mark`, which is ASCII.
fn overlap(text: &str, mark: &str) -> usize {
    (1..mark.len().min(text.len() + 1)).rev().find(|length| text.ends_with(&mark[..*length])).unwrap_or(0)
}

/// Where the mark at the end of a call begins. One within a string of JSON is none.
fn end_of_call(text: &str) -> Option<usize> {
    let mut within = false;
    let mut escaped = false;
    text.bytes().enumerate().find_map(|(at, byte)| {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' => escaped = within,
            b'"' => within = !within,
            b'<' if !within && text[at..].starts_with(CALLED) => return Some(at),
            _ => {}
        }
        None
    })
}

/// The call that stands between its marks; `None` where it is none.
fn call(written: &str) -> Option<Piece> {
    #[derive(Deserialize)]
    struct Written<'a> {
        name: String,
        #[serde(default, borrow, alias = "parameters")]
        arguments: Option<&'a RawValue>,
    }
    let call: Written<'_> = serde_json::from_str(written.trim()).ok()?;
    if call.name.is_empty() {
        return None;
    }
    Some(Piece::Call { name: call.name, arguments: arguments(call.arguments)?, whole: true })
}

/// Arguments as the model wrote them: a number may have more digits than ours. `None` for text that is none.
fn arguments(written: Option<&RawValue>) -> Option<String> {
    match written.map_or("null", RawValue::get) {
        "null" => Some("{}".to_owned()),
        // Some models write the arguments as text.
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        other => Some(other.to_owned()),
    }
}

/// What there is of a call that was cut off: `None` before its name is whole.
fn begun_call(written: &str) -> Option<Piece> {
    let mut rest = written.trim_start().strip_prefix('{')?;
    let (mut name, mut given) = (None, String::new());
    let mut whole = false;
    while let Some(key) = value::<String>(&mut rest) {
        rest = rest.trim_start().strip_prefix(':').unwrap_or_default().trim_start();
        let begun = rest;
        match key.as_str() {
            "name" => name = Some(value::<String>(&mut rest)?),
            "arguments" | "parameters" => match value::<&RawValue>(&mut rest) {
                Some(written) => given = arguments(Some(written))?,
                None => {
                    given = begun_arguments(begun);
                    break;
                }
            },
            _ if value::<IgnoredAny>(&mut rest).is_none() => break,
            _ => {}
        }
        rest = rest.trim_start();
        whole = rest.starts_with('}');
        rest = rest.strip_prefix(',').unwrap_or_default();
    }
    if whole && given.is_empty() {
        "{}".clone_into(&mut given);
    }
    Some(Piece::Call { name: name.filter(|name| !name.is_empty())?, arguments: given, whole })
}

/// The JSON that `text` begins with, which is taken from it; `None` where it is not whole.
fn value<'a, T: Deserialize<'a>>(text: &mut &'a str) -> Option<T> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    *text = &text[values.byte_offset()..];
    Some(value)
}

/// Arguments that were cut off, as the model wrote them.
fn begun_arguments(written: &str) -> String {
    if !written.starts_with('"') {
        return written.to_owned();
    }
    // As text: an escape at its end may be cut too, and the longest is that of two halves of a character.
    let ends = written.char_indices().map(|(at, _)| at).chain([written.len()]).rev().take(12);
    let mut whole = ends.filter_map(|end| serde_json::from_str(&format!("{}\"", &written[..end])).ok());
    whole.next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
