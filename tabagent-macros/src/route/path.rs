//! The grammar of a path, axum 0.8's: `/literal/{parameter}/{*rest}`.
//!
//! `Literal::subspan` gives nothing on stable, so a fault inside the literal is drawn in the message:
//! the path on one line, carets under the fault on the next.

use syn::LitStr;

/// A path literal and what was read from it.
pub(crate) struct RoutePath {
    pub(crate) literal: LitStr,
    pub(crate) captures: Vec<Capture>,
    pub(crate) faults: Vec<Fault>,
}

/// A `{name}` or `{*name}`.
pub(crate) struct Capture {
    pub(crate) name: String,
    /// Where it stands in the literal's value, in characters, braces included.
    pub(crate) at: usize,
    pub(crate) length: usize,
}

/// Something that axum would refuse, or that would never match what its author meant.
pub(crate) struct Fault {
    at: usize,
    length: usize,
    wrong: String,
    help: String,
}

impl RoutePath {
    /// Reads a path literal; what is wrong with it is kept in `faults`.
    pub(crate) fn parse(literal: LitStr) -> Self {
        let mut reader = Reader { characters: literal.value().chars().collect(), ..Reader::default() };
        reader.read();
        Self { literal, captures: reader.captures, faults: reader.faults }
    }

    /// The path as text.
    pub(crate) fn value(&self) -> String {
        self.literal.value()
    }

    /// The names of the parameters, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.captures.iter().map(|capture| capture.name.clone()).collect()
    }

    /// The path with carets under a capture.
    pub(crate) fn marked(&self, capture: &Capture, remark: &str) -> String {
        drawing(&self.value(), capture.at, capture.length, remark)
    }

    /// What is wrong with the path, drawn, each with its way out.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = (String, &str)> {
        self.faults.iter().map(|fault| {
            (
                format!("{}\n{}", fault.wrong, drawing(&self.value(), fault.at, fault.length, "")),
                fault.help.as_str(),
            )
        })
    }
}

/// A line of text and, below it, carets under a part.
fn drawing(text: &str, at: usize, length: usize, remark: &str) -> String {
    let carets = "^".repeat(length.max(1));
    format!("\n    {text}\n    {blank}{carets} {remark}", blank = " ".repeat(at)).trim_end().to_owned()
}

#[derive(Default)]
struct Reader {
    characters: Vec<char>,
    captures: Vec<Capture>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, at: usize, length: usize, wrong: impl Into<String>, help: impl Into<String>) {
        self.faults.push(Fault { at, length, wrong: wrong.into(), help: help.into() });
    }

    fn text(&self, from: usize, to: usize) -> String {
        self.characters[from..to].iter().collect()
    }

    fn read(&mut self) {
        if self.characters.first() != Some(&'/') {
            let whole = self.text(0, self.characters.len());
            self.fault(0, 1, "a path begins with `/`", format!("write `/{whole}`"));
            return;
        }
        for at in 0..self.characters.len() {
            let character = self.characters[at];
            if matches!(character, '?' | '#') {
                let help = if character == '?' {
                    "take what follows `?` with an argument `Query<T>`"
                } else {
                    "remove it: what follows `#` stays with the client and never comes to a server"
                };
                self.fault(at, 1, format!("`{character}` is not part of a path"), help);
                return;
            }
            // Clients send these percent-encoded (RFC 3986, 3.3), which is another path.
            let is_encoded = matches!(character, '"' | '<' | '>' | '\\' | '^' | '`' | '|');
            if is_encoded || character.is_whitespace() || character.is_control() || !character.is_ascii() {
                let help = "use ASCII letters, digits, `-`, `_`, `.` and `~`";
                self.fault(at, 1, format!("{character:?} cannot stand in a path"), help);
            }
        }
        let mut start = 1;
        let length = self.characters.len();
        while start <= length {
            let end = (start..length).find(|at| self.characters[*at] == '/').unwrap_or(length);
            let last = end == length;
            self.segment(start, end, last);
            start = end + 1;
        }
    }

    fn segment(&mut self, start: usize, end: usize, last: bool) {
        if start == end {
            let is_root = self.characters.len() == 1;
            if last && !is_root {
                self.fault(
                    start - 1,
                    1,
                    "a trailing slash makes another path, which clients do not ask for",
                    "remove the last `/`",
                );
            } else if !last {
                self.fault(start - 1, 2, "an empty segment", "write one `/` between segments");
            }
            return;
        }
        let text = self.text(start, end);
        if text == "." || text == ".." {
            let wrong = format!("clients resolve `{text}` before they ask, and never send it");
            return self.fault(start, end - start, wrong, "write the path that is meant, without it");
        }
        match self.characters[start] {
            ':' => {
                let help = format!("write `{{{}}}`", &text[1..]);
                return self.fault(
                    start,
                    end - start,
                    "`:name` was axum 0.7's way to write a parameter",
                    help,
                );
            }
            '*' => {
                let help = format!("write `{{*{}}}`", &text[1..]);
                return self.fault(
                    start,
                    end - start,
                    "`*name` was axum 0.7's way to take the rest of a path",
                    help,
                );
            }
            _ => {}
        }
        let Some(open) = (start..end).find(|at| matches!(self.characters[*at], '{' | '}')) else { return };
        if self.characters[open] == '}' {
            return self.fault(open, 1, "a `}` without its `{`", "remove it, or open the parameter");
        }
        let Some(close) = (open..end).find(|at| self.characters[*at] == '}') else {
            return self.fault(
                open,
                end - open,
                "a parameter that is never closed",
                format!("write `{}}}`", self.text(open, end)),
            );
        };
        if open != start || close + 1 != end {
            let help =
                "give the parameter a segment of its own, and take prefix or suffix off in the handler";
            return self.fault(start, end - start, "a parameter is a whole segment", help);
        }
        self.capture(open, close, last);
    }

    fn capture(&mut self, open: usize, close: usize, last: bool) {
        let length = close + 1 - open;
        let inner = self.text(open + 1, close);
        let (rest, name) = match inner.strip_prefix('*') {
            Some(name) => (true, name),
            None => (false, inner.as_str()),
        };
        if name.is_empty() {
            return self.fault(open, length, "a parameter without a name", "write `{id}`");
        }
        let mut characters = name.chars();
        let plain = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && characters.all(|next| next.is_ascii_alphanumeric() || next == '_');
        if !plain {
            let mended: String =
                name.chars().map(|next| if next.is_ascii_alphanumeric() { next } else { '_' }).collect();
            let help = format!("a name is a Rust identifier: `{{{}{mended}}}`", if rest { "*" } else { "" });
            return self.fault(open, length, format!("`{name}` cannot name a parameter"), help);
        }
        if rest && !last {
            let help = "move it to the end, or take one segment with `{name}`";
            self.fault(
                open,
                length,
                format!("`{{*{name}}}` takes the rest of the path and must stand last"),
                help,
            );
        }
        if self.captures.iter().any(|known| known.name == name) {
            self.fault(
                open,
                length,
                format!("the parameter `{name}` stands twice"),
                "give each its own name",
            );
            return;
        }
        self.captures.push(Capture { name: name.to_owned(), at: open, length });
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(path: &str) -> RoutePath {
        RoutePath::parse(LitStr::new(path, Span::call_site()))
    }

    #[test]
    fn parameters_are_read_in_order() {
        let path = read("/v1/sessions/{session_id}/files/{*file}");
        assert_eq!(path.names(), ["session_id", "file"]);
        assert!(path.faults.is_empty());
        assert!(read("/").faults.is_empty());
        assert!(read("/.well-known/a:b@c/%7Ed/e...f").faults.is_empty());
        assert_eq!(read("/a<b>\"").faults.len(), 3);
    }

    #[test]
    fn what_axum_refuses_is_a_fault() {
        for path in [
            "",
            "v1",
            "/v1/",
            "/a//b",
            "/:id",
            "/*rest",
            "/{id",
            "/id}",
            "/{}",
            "/{*rest}/x",
            "/{a}/{a}",
            "/x-{id}",
            "/{model-id}",
            "/x?y=1",
            "/a b",
            "/{*}",
            "/{1a}",
            "/v1/../x",
            "/v1/./b",
            "/..",
            "/a\\b",
            "/a|b",
            "/x#y",
        ] {
            assert_eq!(read(path).faults.len(), 1, "{path}");
        }
    }

    #[test]
    fn the_fault_is_drawn_below_its_place() {
        let path = read("/v1/{id}/:old");
        let (wrong, help) = path.complaints().next().unwrap();
        assert!(wrong.ends_with("\n    /v1/{id}/:old\n             ^^^^"), "{wrong}");
        assert_eq!(help, "write `{old}`");
    }
}
