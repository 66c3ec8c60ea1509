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
    Some(Piece::Call { name: name?, arguments: given, whole })
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: Markup = Markup { thoughts: true, thinking: false, calls: true, leading: false };

    /// The pieces of a text that comes in parts, texts and thoughts joined.
    fn parse(markup: Markup, parts: &[&str]) -> Vec<Piece> {
        parse_to_end(markup, parts, false)
    }

    fn parse_to_end(markup: Markup, parts: &[&str], cut: bool) -> Vec<Piece> {
        let mut parser = MarkupParser::new(markup);
        let mut all: Vec<Piece> = parts.iter().flat_map(|part| parser.push(part, 1)).collect();
        all.extend(parser.finish(cut));
        let mut joined: Vec<Piece> = Vec::new();
        for piece in all {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(more))
                | (Some(Piece::Thought(text)), Piece::Thought(more)) => {
                    text.push_str(&more);
                }
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn call(name: &str, arguments: &str) -> Piece {
        Piece::Call { name: name.to_owned(), arguments: arguments.to_owned(), whole: true }
    }

    #[test]
    fn a_call_that_was_cut_off_is_given_as_far_as_it_came() {
        let whole = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": [1, 2]}}\n</tool_call>";
        let arguments = "{\"city\": \"Köln\", \"days\": [1, 2]}";
        for (end, _) in whole.char_indices().skip(1) {
            let pieces = parse_to_end(BOTH, &[&whole[..end]], true);
            let named = whole[..end].contains("\"weather\"");
            match &pieces[..] {
                [] => assert!(!named, "{}", &whole[..end]),
                [Piece::Call { name, arguments: given, whole: done }] => {
                    assert!(named && name == "weather" && arguments.starts_with(given.as_str()), "{given}");
                    assert_eq!(*done, whole[..end].contains("]}}"));
                    assert!(!*done || given == arguments);
                }
                other => panic!("{}: {other:?}", &whole[..end]),
            }
        }
        let cut = |written: &str| parse_to_end(BOTH, &[&format!("Well. <tool_call>{written}")], true);
        let begun = |arguments: &str| {
            let arguments = arguments.to_owned();
            vec![text("Well."), Piece::Call { name: "f".to_owned(), arguments, whole: false }]
        };
        assert_eq!(cut("{\"parameters\": {\"a\": 1}, \"name\": \"f\""), begun("{\"a\": 1}"));
        assert_eq!(cut("{\"arguments\": {\"a\": 1}, \"name\": \"f"), [text("Well.")]);
        // Arguments that are written as text.
        assert_eq!(cut("{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": \\u00"), begun("{\"a\": "));
        assert_eq!(cut("{\"name\": \"f\"}"), [text("Well."), call("f", "{}")]);
        assert_eq!(parse_to_end(BOTH, &["Well. <tool_"], true), [text("Well. ")]);
        assert_eq!(parse_to_end(BOTH, &["<think>So.</th"], true), [Piece::Thought("So.".to_owned())]);
        // A model that ends in the midst of a call wrote none.
        assert_eq!(parse(BOTH, &["<tool_call>{\"name\": \"f\", "]), [text("<tool_call>{\"name\": \"f\", ")]);
    }

    #[test]
    fn thoughts_and_calls() {
        let whole = "<think>\nThe user wants Köln.\n</think>\n\nI shall look.\n<tool_call>\n{\"name\": \"weather\", \
                     \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\"}\n</tool_call>";
        let expected = [
            Piece::Thought("The user wants Köln.".to_owned()),
            text("I shall look."),
            call("weather", "{\"city\": \"Köln\"}"),
            call("now", "{}"),
        ];
        assert_eq!(parse(BOTH, &[whole]), expected);
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        assert_eq!(parse(BOTH, &letters.iter().map(String::as_str).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn what_is_no_call_is_text() {
        let broken = "<tool_call>{\"name\": </tool_call>";
        assert_eq!(parse(BOTH, &[broken]), [text(broken)]);
        assert_eq!(parse(BOTH, &["<tool_call>{\"name\""]), [text("<tool_call>{\"name\"")]);
        assert_eq!(parse(BOTH, &["1 < 2 <too"]), [text("1 < 2 <too")]);
        // A model without marks says what it says.
        let marked = "<think>a</think> <tool_call>{}</tool_call>";
        assert_eq!(parse(Markup::default(), &[marked]), [text(marked)]);
    }

    #[test]
    fn a_prompt_that_ends_within_a_thought() {
        let thinking = Markup { thinking: true, ..BOTH };
        assert_eq!(
            parse(thinking, &["\nSo.", "</thi", "nk>\nYes"]),
            [Piece::Thought("So.".to_owned()), text("Yes")]
        );
    }

    #[test]
    fn marks_within_an_answer_of_a_given_form_are_its_text() {
        let leading = Markup { leading: true, ..BOTH };
        let json = "{\"a\": \"<think>b</think><tool_call>c</tool_call>\"}";
        assert_eq!(parse(leading, &[json]), [text(json)]);
        assert_eq!(
            parse(leading, &["<thi", "nk>so</think>", " ", json]),
            [Piece::Thought("so".to_owned()), text(json)]
        );
        assert_eq!(parse(leading, &["<tool_call>{\"name\": \"f\"}</tool_call>"]), [call("f", "{}")]);
        // A thought that does not come first is none.
        assert_eq!(parse(BOTH, &["I <think> so"]), [text("I <think> so")]);
    }

    #[test]
    fn arguments_are_as_they_were_written() {
        let arguments = "{\"a\":  1e999, \"b\": \"</tool_call> \\\" </tool_call>\"}";
        let written = format!("<tool_call>{{\"name\": \"f\", \"arguments\": {arguments}}}</tool_call>");
        assert_eq!(parse(BOTH, &[&written]), [call("f", arguments)]);
    }

    proptest! {
        /// However the text is cut, the same pieces come out.
        #[test]
        fn cuts_do_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec!["<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\": \"f\"}", " ", "a", "é", "<", "\n"]),
                0..12,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let whole = parts.concat();
            let mut places: Vec<usize> = cuts
                .iter()
                .map(|cut| whole.floor_char_boundary(cut.index(whole.len() + 1)))
                .chain([0, whole.len()])
                .collect();
            places.sort_unstable();
            let cut: Vec<&str> = places.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(parse(BOTH, &cut), parse(BOTH, &[&whole]));
        }
    }
}
