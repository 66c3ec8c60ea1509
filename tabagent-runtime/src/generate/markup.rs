//! What a chat model marks in its text: its thoughts, and calls of tools.
//!
//! Known are `<think>..</think>`, as DeepSeek, Qwen and others write it, and `<tool_call>{"name": .., "arguments": ..}
//! </tool_call>` of Hermes and Qwen. Whether a model uses them is known from its chat template. A thought comes first or
//! not at all. Everything is told as soon as it is known what it is, the arguments of a call among it.

mod call;

use call::{CallReader, Progress};

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

/// A piece of an answer. Between the beginning of a call and its end there are nothing but its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text for the reader.
    Text(String),
    /// A thought.
    Thought(String),
    /// A call of a tool begins.
    CallBegun {
        /// Name of the function.
        name: String,
    },
    /// A part of the arguments of the call that was begun, as the model wrote them: an object as JSON text, if the model
    /// made no mistake.
    Arguments(String),
    /// The call ends.
    CallEnd {
        /// Whether it was written to its end.
        whole: bool,
    },
}

/// Parts the text of one answer as it comes.
#[derive(Debug)]
pub struct MarkupParser {
    markup: Markup,
    state: State,
    /// Text that may be the beginning of a mark, or white space in front of one.
    held: String,
    /// The call that is read.
    call: CallReader,
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
        Self {
            markup,
            state,
            held: String::new(),
            call: CallReader::default(),
            trims: markup.thinking,
            thought_tokens: 0,
            undecided: 0,
        }
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
        while self.state == State::Call {
            let progress = self.call.finish(cut, &mut pieces);
            self.leave_call(progress, &mut pieces);
            while self.step(&mut pieces) {}
        }
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
            // No call is left.
            State::Call => {}
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
                let Markup { thoughts, calls, .. } = self.markup;
                if calls && begun.starts_with(CALL) {
                    self.enter_call(self.held.len() - begun.len());
                } else if thoughts && begun.starts_with(THINK) {
                    self.held = begun[THINK.len()..].to_owned();
                    (self.state, self.trims) = (State::Thought, true);
                } else if calls && CALL.starts_with(begun) || thoughts && THINK.starts_with(begun) {
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
                let end = self.held[..at].trim_end().len();
                let rest = self.held.split_off(end);
                give(pieces, Piece::Text(std::mem::replace(&mut self.held, rest)));
                self.enter_call(at - end);
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
                let progress = self.call.push(&std::mem::take(&mut self.held), pieces);
                self.leave_call(progress, pieces)
            }
        }
    }

    /// Goes on within a call, whose mark stands at a place of what is held.
    fn enter_call(&mut self, at: usize) {
        let rest = self.held.split_off(at + CALL.len());
        self.call = CallReader::new(std::mem::replace(&mut self.held, rest));
        self.state = State::Call;
    }

    /// Goes on after a call, or after what turned out to be none; `false` where it goes on itself.
    fn leave_call(&mut self, progress: Progress, pieces: &mut Vec<Piece>) -> bool {
        match progress {
            Progress::Open => return false,
            Progress::Over(rest) => (self.held, self.trims) = (rest, true),
            Progress::None { text, rest } => {
                give(pieces, Piece::Text(text));
                (self.held, self.trims) = (rest, false);
                self.markup.calls &= !self.markup.leading;
            }
        }
        self.state = State::Text;
        true
    }

    /// Gives the text that can be no part of a mark, nor white space in front of one.
    fn give_all_but_marks(&mut self, pieces: &mut Vec<Piece>) {
        let kept = if self.markup.calls { held_back(&self.held, CALL) } else { 0 };
        let rest = self.held.split_off(self.held.len() - kept);
        give(pieces, Piece::Text(std::mem::replace(&mut self.held, rest)));
    }
}

fn give(pieces: &mut Vec<Piece>, piece: Piece) {
    if !matches!(&piece, Piece::Text(text) | Piece::Thought(text) | Piece::Arguments(text) if text.is_empty())
    {
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

#[cfg(test)]
mod tests;
