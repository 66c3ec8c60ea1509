//! From tokens to text as it comes: never half a character, and never past a stop string.

use crate::tokenizer::Tokenizer;

/// Decodes the tokens of one sequence, one after the other, by their bytes: whatever a model generates, the text is what
/// the bytes of all tokens are in UTF-8, with a replacement character for each part that is none.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// Bytes of a character that is not complete.
    held: Vec<u8>,
    /// Whether a token has come.
    begun: bool,
}

impl Assembler {
    /// For a text that keeps the space in front of it, even where the tokenizer is one that puts it there.
    pub(crate) fn with_space() -> Self {
        Self { begun: true, ..Self::default() }
    }

    /// The text that a token completes; empty while a character is incomplete.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> String {
        let bytes = tokenizer.text_bytes(token);
        let first = !std::mem::replace(&mut self.begun, true);
        let strip = first && tokenizer.strips_space() && bytes.first() == Some(&b' ');
        self.take(&bytes[usize::from(strip)..])
    }

    fn take(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.held.utf8_chunks() {
            let end = done + chunk.valid().len() + chunk.invalid().len();
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            if chunk.invalid().is_empty() {
                continue;
            }
            // What ends the bytes may be the beginning of a character; anything else is none.
            if end == self.held.len() && begins_character(chunk.invalid()) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            done = end;
        }
        self.held.drain(..done);
        text
    }

    /// What is left of a character that never became complete.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}

/// Whether more bytes can make a character of these.
fn begins_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
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

    proptest! {
        /// However the bytes come, the text is theirs.
        #[test]
        fn bytes_in_parts_are_the_text_of_the_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..12)) {
            let mut assembler = Assembler::default();
            let mut text: String = parts.iter().map(|part| assembler.take(part)).collect();
            text.push_str(&assembler.finish());
            let whole = parts.concat();
            prop_assert_eq!(text, String::from_utf8_lossy(&whole));
        }

        /// Characters are never cut, and come as soon as they are complete.
        #[test]
        fn characters_come_whole(text in "[a-zé机😀]{0,12}") {
            let mut assembler = Assembler::default();
            let mut seen = Vec::new();
            for byte in text.bytes() {
                seen.push(byte);
                let complete = std::str::from_utf8(&seen).is_ok();
                let given = assembler.take(&[byte]);
                prop_assert_eq!(complete, !given.is_empty());
            }
        }
    }

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
