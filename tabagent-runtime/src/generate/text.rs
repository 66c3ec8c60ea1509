//! From tokens to text as it comes: never half a character, and never past a stop string.

use tokenizers::{Tokenizer, tokenizer::step_decode_stream};

use crate::error::{BackendError, Result};

/// Decodes the tokens of one sequence, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// State of the tokenizers crate: the tokens that the next text depends on, and what they gave so far.
    ids: Vec<u32>,
    prefix: String,
    prefix_index: usize,
}

impl Assembler {
    /// The text that a token completes; empty while a character is incomplete.
    ///
    /// # Errors
    /// Where the tokenizer does not know the token.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Result<String> {
        step_decode_stream(
            tokenizer,
            vec![token],
            true,
            &mut self.ids,
            &mut self.prefix,
            &mut self.prefix_index,
        )
        .map(Option::unwrap_or_default)
        .map_err(|error| BackendError::internal(format!("token {token} cannot be decoded: {error}")))
    }

    /// What is left of a character that never became complete, as replacement characters.
    pub(crate) fn finish(&mut self, tokenizer: &Tokenizer) -> String {
        let rest = tokenizer.decode(&self.ids, true).unwrap_or_default();
        self.ids.clear();
        rest.strip_prefix(self.prefix.as_str()).unwrap_or_default().to_owned()
    }
}

/// Finds stop strings in text that comes in pieces.
#[derive(Debug)]
pub(crate) struct Stops {
    strings: Vec<String>,
    /// The end of the text that may be the beginning of a stop string.
    held: String,
}

/// What a piece of text came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Text that can be sent.
    pub(crate) text: String,
    /// Whether a stop string came after it.
    pub(crate) stopped: bool,
}

impl Stops {
    /// Empty strings would stop before the first token, and are left out.
    pub(crate) fn new(strings: Vec<String>) -> Self {
        Self { strings: strings.into_iter().filter(|text| !text.is_empty()).collect(), held: String::new() }
    }

    /// Takes a piece, and gives what can be no part of a stop string any more.
    pub(crate) fn push(&mut self, piece: &str) -> Passed {
        if self.strings.is_empty() {
            return Passed { text: piece.to_owned(), stopped: false };
        }
        self.held.push_str(piece);
        if let Some((_, at)) = first(&self.held, &self.strings) {
            self.held.truncate(at);
            return Passed { text: std::mem::take(&mut self.held), stopped: true };
        }
        let kept = self.strings.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - kept);
        Passed { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held, once nothing comes any more.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// End and start of the stop string that is complete first, the longest of those that end together. So it does not matter
/// how the text is cut: nothing waits for a longer stop string once one is there.
fn first(text: &str, stops: &[String]) -> Option<(usize, usize)> {
    stops.iter().filter_map(|stop| text.find(stop.as_str()).map(|at| (at + stop.len(), at))).min()
}

/// Bytes at the end of `text` that begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len().min(text.len() + 1))
        .rev()
        .find(|length| stop.is_char_boundary(*length) && text.ends_with(&stop[..*length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stop_string_across_pieces() {
        let mut stops = Stops::new(vec!["END".to_owned(), String::new()]);
        let pass = |text: &str, stopped| Passed { text: text.to_owned(), stopped };
        assert_eq!(stops.push("the E"), pass("the ", false));
        assert_eq!(stops.push("N"), pass("", false));
        assert_eq!(stops.push("X EN"), pass("ENX ", false));
        assert_eq!(stops.push("D of it"), pass("", true));
    }

    #[test]
    fn what_was_held_is_given_at_the_end() {
        let mut stops = Stops::new(vec!["\n\n".to_owned()]);
        assert_eq!(stops.push("line\n").text, "line");
        assert_eq!(stops.finish(), "\n");
    }

    proptest! {
        /// However the text is cut, what comes out is the text up to the first stop string.
        #[test]
        fn pieces_do_not_matter(
            text in "[abé]{0,40}",
            stops in prop::collection::vec("[abé]{1,4}", 0..3),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let first = first(&text, &stops);
            let expected = first.map_or(text.as_str(), |(_, at)| &text[..at]);
            let mut places: Vec<usize> = cuts
                .iter()
                .map(|cut| text.floor_char_boundary(cut.index(text.len() + 1)))
                .chain([0, text.len()])
                .collect();
            places.sort_unstable();
            let mut matcher = Stops::new(stops);
            let mut found = String::new();
            let mut stopped = false;
            for pair in places.windows(2) {
                let passed = matcher.push(&text[pair[0]..pair[1]]);
                found.push_str(&passed.text);
                if passed.stopped {
                    stopped = true;
                    break;
                }
            }
            if !stopped {
                found.push_str(&matcher.finish());
            }
            prop_assert_eq!(stopped, first.is_some());
            prop_assert_eq!(found.as_str(), expected);
        }
    }
}
