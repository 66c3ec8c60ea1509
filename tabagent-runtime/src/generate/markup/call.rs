//! One call of a tool as it is written: a JSON object between two marks, which is read once, byte by byte.
//!
//! It is told from where its name and the beginning of its arguments are known. What was told stays, so arguments that turn
//! out to be no JSON are told all the same, as OpenAI's models do it; the end of the call is then the next mark. JSON's
//! grammar is held as far as it tells strings from what is around them.

use serde_json::value::RawValue;

use super::{CALL, CALLED, Piece, give};

/// Reads a call.
#[derive(Debug, Default)]
pub(super) struct CallReader {
    /// What is not told yet: all of it, from the white space in front of its mark on, until the call is begun.
    text: String,
    /// How much of the text was read.
    read: usize,
    phase: Phase,
    /// Objects and lists that are open.
    depth: usize,
    /// The last byte that is neither white space nor within a string; of a string its first quote.
    last: u8,
    /// Whether a string is open.
    within: bool,
    /// Whether the next byte of the string is escaped.
    escaped: bool,
    /// A mark within the last string. It ends the call if the string turns out to be no part of JSON.
    doubtful: Option<usize>,
    /// Where the key that is read begins, then its value. Of the call's own members, until the call is begun.
    from: usize,
    /// The key of the value that is read.
    key: Option<Key>,
    name: Option<String>,
    /// Arguments that are whole and wait for the name.
    arguments: Option<String>,
    begun: bool,
    /// Where the part of the arguments begins that is told next, while they are told as they come.
    open: Option<usize>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The object is not whole.
    #[default]
    Object,
    /// It is whole.
    Closed,
    /// It is no JSON.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Name,
    Arguments,
    Other,
}

/// How far a call is.
#[derive(Debug)]
pub(super) enum Progress {
    /// It goes on.
    Open,
    /// It ended, and this follows.
    Over(String),
    /// It is no call.
    None {
        /// What it is instead.
        text: String,
        /// What follows.
        rest: String,
    },
}

impl CallReader {
    /// For a call that begins with this mark; white space may stand in front of it.
    pub(super) fn new(mark: String) -> Self {
        Self { read: mark.len(), text: mark, ..Self::default() }
    }

    /// Takes text, and gives the pieces that it completes.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) -> Progress {
        self.text.push_str(text);
        while let Some(&byte) = self.text.as_bytes().get(self.read) {
            if byte == b'<' {
                let rest = &self.text[self.read..];
                if rest.starts_with(CALLED) {
                    if !self.within {
                        return self.end(self.read, CALLED.len(), true, pieces);
                    }
                    self.doubtful.get_or_insert(self.read);
                } else if !self.within && rest.starts_with(CALL) {
                    // The next call begins; the mark at the end of this one is missing.
                    return self.end(self.read, 0, self.phase == Phase::Closed, pieces);
                } else if CALLED.starts_with(rest) || !self.within && CALL.starts_with(rest) {
                    break;
                }
            }
            match self.phase {
                Phase::Object => {
                    if !self.take(byte, pieces) {
                        if let Some(mark) = self.doubtful {
                            return self.end(mark, CALLED.len(), true, pieces);
                        }
                        if !self.begun {
                            return self.end(self.read, 0, false, pieces);
                        }
                        self.phase = Phase::Broken;
                    }
                }
                // One brace too many is not rare.
                Phase::Closed if byte.is_ascii_whitespace() || byte == b'}' => {}
                Phase::Closed => return self.end(self.read, 0, true, pieces),
                Phase::Broken => {}
            }
            self.read += 1;
        }
        if self.begun {
            let known = self.doubtful.unwrap_or(self.read);
            self.tell(known, pieces);
            self.text.drain(..known);
            self.read -= known;
            self.open = self.open.map(|_| 0);
            self.doubtful = self.doubtful.map(|_| 0);
        }
        Progress::Open
    }

    /// Ends it where nothing comes any more. Of an answer that was `cut` by its length, a call whose name is known is told as
    /// far as it came, and another one is dropped.
    pub(super) fn finish(&mut self, cut: bool, pieces: &mut Vec<Piece>) -> Progress {
        if let Some(mark) = self.doubtful.filter(|_| !cut) {
            return self.end(mark, CALLED.len(), true, pieces);
        }
        // What may be the beginning of a mark is a part of a string, and of nothing else.
        let end = if self.within { self.text.len() } else { self.read };
        if cut && !self.begun {
            self.begin_cut(end, pieces);
        } else if !self.begun {
            return self.end(self.text.len(), 0, false, pieces);
        }
        if self.begun {
            self.end(end, 0, self.phase == Phase::Closed, pieces);
        }
        Progress::Over(String::new())
    }

    /// Ends it at a place of the text, where a mark of so many bytes stands.
    fn end(&mut self, at: usize, mark: usize, whole: bool, pieces: &mut Vec<Piece>) -> Progress {
        if self.begun {
            self.tell(at, pieces);
            pieces.push(Piece::CallEnd { whole });
            return Progress::Over(self.text.split_off(at + mark));
        }
        // White space may stand in front of another call.
        let rest = self.text.split_off(self.text[..at].trim_end().len());
        Progress::None { text: std::mem::take(&mut self.text), rest }
    }

    /// Tells the arguments up to a place of the text.
    fn tell(&mut self, end: usize, pieces: &mut Vec<Piece>) {
        if let Some(begin) = &mut self.open {
            give(pieces, Piece::Arguments(self.text[*begin..end].to_owned()));
            *begin = end;
        }
    }

    /// Takes a byte of the object; `false` where that is no JSON, or no call.
    fn take(&mut self, byte: u8, pieces: &mut Vec<Piece>) -> bool {
        if self.within {
            match byte {
                _ if std::mem::take(&mut self.escaped) => {}
                b'\\' => self.escaped = true,
                b'"' => self.within = false,
                _ => {}
            }
            return true;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return true;
        }
        // Whether a value may begin. The members of the call have keys; deeper there may be lists.
        let value = match self.last {
            b':' => true,
            b'[' | b',' => self.depth > 1,
            _ => false,
        };
        if self.depth == 1 && (value || byte == b'"') {
            self.from = self.read;
        }
        let fits = match byte {
            b'"' => value || matches!(self.last, b'{' | b','),
            b'{' if self.depth == 0 => self.last == 0,
            b'{' | b'[' => value,
            b'}' => self.depth > 0,
            b']' => self.depth > 1,
            b':' => self.last == b'"' && (self.depth > 1 || self.take_key()),
            b',' => self.depth > 1 || self.take_member(pieces),
            _ => is_scalar(byte) && (value || is_scalar(self.last)),
        };
        if !fits {
            return false;
        }
        match byte {
            b'"' => self.within = true,
            b'{' | b'[' => {
                if self.depth == 1 && byte == b'{' && self.key == Some(Key::Arguments) && self.begin(pieces) {
                    self.open = Some(self.read);
                }
                self.depth += 1;
            }
            b'}' | b']' if self.depth > 1 => {
                self.depth -= 1;
                if self.depth == 1 {
                    self.tell(self.read + 1, pieces);
                    self.open = None;
                }
            }
            b'}' if !self.close(pieces) => return false,
            _ => {}
        }
        (self.last, self.doubtful) = (byte, None);
        true
    }

    /// Takes the key that ends here.
    fn take_key(&mut self) -> bool {
        if self.begun {
            return true;
        }
        let Ok(key) = serde_json::from_str::<String>(&self.text[self.from..self.read]) else { return false };
        let key = match key.as_str() {
            "name" if self.name.is_none() => Key::Name,
            "arguments" | "parameters" if self.arguments.is_none() => Key::Arguments,
            _ => Key::Other,
        };
        // A value that is followed by a colon is no key.
        self.key.replace(key).is_none()
    }

    /// Takes the member of the call that ends here.
    fn take_member(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.begun {
            return true;
        }
        let value = &self.text[self.from..self.read];
        match self.key.take().filter(|_| self.last != b':') {
            Some(Key::Name) => {
                self.name = whole_name(value);
                if self.name.is_none() {
                    return false;
                }
            }
            Some(Key::Arguments) => {
                self.arguments = whole_arguments(value);
                if self.arguments.is_none() {
                    return false;
                }
            }
            Some(Key::Other) => {}
            None => return false,
        }
        if self.arguments.is_some() {
            self.begin(pieces);
        }
        true
    }

    /// Takes the brace that ends the call.
    fn close(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if !matches!(self.last, b'{' | b',') && !self.take_member(pieces) {
            return false;
        }
        if !self.begun {
            self.arguments.get_or_insert_with(|| "{}".to_owned());
            self.begin(pieces);
        }
        self.phase = Phase::Closed;
        self.begun
    }

    /// Tells that the call begins, with the arguments that wait; `false` where it has no name, or was begun before.
    fn begin(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(name) = self.name.take() else { return false };
        self.begun = true;
        pieces.push(Piece::CallBegun { name });
        give(pieces, Piece::Arguments(self.arguments.take().unwrap_or_default()));
        true
    }

    /// Tells a call that was cut off here, if its name is known.
    fn begin_cut(&mut self, end: usize, pieces: &mut Vec<Piece>) {
        let value = &self.text[self.from..end];
        match self.key.filter(|_| self.last != b':' || self.depth > 1) {
            Some(Key::Name) => self.name = whole_name(value),
            Some(Key::Arguments) => self.arguments = Some(begun_arguments(value)),
            Some(Key::Other) | None => {}
        }
        self.begin(pieces);
    }
}

/// Whether a byte is of a number, `true`, `false` or `null`.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// The name of a function; `None` for what is none.
fn whole_name(written: &str) -> Option<String> {
    serde_json::from_str(written).ok().filter(|name: &String| !name.is_empty())
}

/// Arguments as the model wrote them: a number may have more digits than ours. `None` for what is no JSON.
fn whole_arguments(written: &str) -> Option<String> {
    let written: &RawValue = serde_json::from_str(written).ok()?;
    match written.get() {
        "null" => Some("{}".to_owned()),
        // Some models write the arguments as text.
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        other => Some(other.to_owned()),
    }
}

/// Arguments that were cut off, as the model wrote them.
fn begun_arguments(written: &str) -> String {
    if "null".starts_with(written) {
        return String::new();
    }
    if !written.starts_with('"') {
        return written.to_owned();
    }
    // As text: an escape at its end may be cut too, and the longest is that of two halves of a character.
    let ends = written.char_indices().map(|(at, _)| at).chain([written.len()]).rev().take(12);
    let mut whole = ends.filter_map(|end| serde_json::from_str(&format!("{}\"", &written[..end])).ok());
    whole.next().unwrap_or_default()
}
