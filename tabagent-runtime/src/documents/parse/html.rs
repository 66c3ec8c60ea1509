//! HTML: read by the tokenizer of html5ever, as browsers read it, and without a tree.
//!
//! Scripts, styles, navigation, forms and what is hidden are left out. Elements are followed on a stack of their names: an
//! end tag closes what is open within it, so that one that is missing harms no more than its parent.

use std::cell::RefCell;

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

use super::{BlockKind, Parsed, Patience, writer::Writer};
use crate::error::Result;

/// Elements that may be open, one in the other; those further in are followed no more.
const DEEPEST: usize = 512;
/// Bytes in which a page says its character set, as browsers look for it.
const HEAD: usize = 1024;
/// Bytes between two looks whether anybody still waits. The tokenizer compares each attribute of a tag with all before it, so
/// that a tag of many takes long.
const PIECE: usize = 4096;

/// The character set that a page names in its head.
pub(super) fn charset(content: &[u8]) -> Option<String> {
    let head = content.get(..HEAD).unwrap_or(content).to_ascii_lowercase();
    let after = memchr::memmem::find(&head, b"charset=")? + "charset=".len();
    let name: Vec<u8> = head[after..]
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b'"' | b'\'' | b' '))
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':'))
        .collect();
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// # Errors
/// Those of [`Patience::check`].
pub(super) fn parse(text: &str, patience: &Patience<'_>) -> Result<Parsed> {
    let input = BufferQueue::default();
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        patience.check()?;
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        input.push_back(StrTendril::from_slice(piece));
        // Nothing of a script is run, so the tokenizer has no reason to stop.
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
    }
    tokenizer.end();
    let mut reader = tokenizer.sink.0.into_inner();
    reader.flush();
    Ok(reader.writer.finish(Some(reader.title)))
}

#[derive(Default)]
struct Sink(RefCell<Reader>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => reader.text(&text),
            Token::TagToken(tag) => return reader.tag(&tag),
            Token::NullCharacterToken
            | Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Reader {
    writer: Writer,
    title: String,
    open: Vec<Open>,
    text: String,
}

/// An element that is open.
struct Open {
    name: String,
    /// Whether nothing in it is read.
    skipped: bool,
    /// Whether it is in code, or is code itself.
    code: bool,
    /// Whether blocks in it are parts of it, or of an element around it.
    whole: bool,
    /// The kind of block that its text is.
    block: Option<BlockKind>,
}

/// What an element is to the text.
enum Role {
    /// Its text is a block of this kind.
    Block(BlockKind),
    /// It parts blocks.
    Parts,
    /// It is passed over with all that is in it.
    Skipped,
    /// A part of a text.
    Inline,
}

fn role(name: &str) -> Role {
    match name {
        "h1" => Role::Block(BlockKind::Heading(1)),
        "h2" => Role::Block(BlockKind::Heading(2)),
        "h3" => Role::Block(BlockKind::Heading(3)),
        "h4" => Role::Block(BlockKind::Heading(4)),
        "h5" => Role::Block(BlockKind::Heading(5)),
        "h6" => Role::Block(BlockKind::Heading(6)),
        "li" | "dd" | "dt" => Role::Block(BlockKind::Item),
        "pre" | "listing" | "xmp" => Role::Block(BlockKind::Code),
        "table" => Role::Block(BlockKind::Table),
        "p" | "blockquote" | "figcaption" | "caption" | "address" => Role::Block(BlockKind::Paragraph),
        "div" | "section" | "article" | "main" | "body" | "html" | "header" | "ul" | "ol" | "dl" | "hr"
        | "figure" | "details" | "summary" | "center" | "fieldset" | "hgroup" => Role::Parts,
        "script" | "style" | "nav" | "noscript" | "template" | "svg" | "math" | "iframe" | "object"
        | "form" | "button" | "select" | "textarea" | "footer" | "aside" | "dialog" | "canvas" | "audio"
        | "video" | "noframes" | "noembed" | "rustdoc-search" | "rustdoc-toolbar" => Role::Skipped,
        _ => Role::Inline,
    }
}

/// Elements that have no end tag.
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
    )
}

impl Reader {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        match tag.kind {
            TagKind::StartTag => self.start(tag),
            TagKind::EndTag => {
                self.end(&tag.name);
                TokenSinkResult::Continue
            }
        }
    }

    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        // What cannot stand within its like closes that, as browsers have it.
        if matches!(name, "li" | "dd" | "dt" | "p" | "option" | "tr" | "td" | "th") {
            self.close_like(name);
        }
        let role = role(name);
        let hidden = tag.attrs.iter().any(|attribute| match &*attribute.name.local {
            "hidden" => true,
            "aria-hidden" => &*attribute.value == "true",
            "role" => matches!(&*attribute.value, "navigation" | "search" | "contentinfo"),
            _ => false,
        });
        let skipped = self.skips() || hidden || matches!(role, Role::Skipped);
        match name {
            "br" if self.in_code() => self.text.push('\n'),
            "br" => self.text.push(' '),
            "td" | "th" if !self.text.is_empty() && !self.text.ends_with('\n') => self.text.push_str(" | "),
            "tr" if !self.text.is_empty() && !self.text.ends_with('\n') => self.text.push('\n'),
            "img" if !skipped => {
                if let Some(alt) = tag.attrs.iter().find(|attribute| &*attribute.name.local == "alt") {
                    self.text(&alt.value);
                }
            }
            _ => {}
        }
        // Within a table and within code everything is a part of it.
        if !matches!(role, Role::Inline) && !self.skips() && !self.in_whole() {
            self.flush();
        }
        if is_void(name) || tag.self_closing && matches!(role, Role::Skipped) {
            return TokenSinkResult::Continue;
        }
        if self.open.len() < DEEPEST {
            let block = match role {
                Role::Block(kind) => Some(kind),
                _ => self.block(),
            };
            let code = self.in_code() || matches!(role, Role::Block(BlockKind::Code));
            let whole = self.in_whole() || is_whole(name);
            self.open.push(Open { name: name.to_owned(), skipped, code, whole, block });
        }
        match name {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" | "noembed" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn end(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|open| open.name == name) else { return };
        let parts = !matches!(role(name), Role::Inline) && !self.skips();
        let whole = at.checked_sub(1).and_then(|around| self.open.get(around)).is_some_and(|open| open.whole);
        if parts && !whole {
            self.flush();
        }
        if name == "tr" && self.in_whole() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.open.truncate(at);
    }

    /// Closes the innermost element of a name, unless something stands between that holds such elements.
    fn close_like(&mut self, name: &str) {
        let holds = |open: &str| {
            // What is passed over is passed over whole, whatever is open around it.
            matches!(role(open), Role::Skipped)
                || matches!(
                    open,
                    "ul" | "ol"
                        | "dl"
                        | "table"
                        | "div"
                        | "section"
                        | "article"
                        | "header"
                        | "main"
                        | "figure"
                        | "details"
                        | "fieldset"
                        | "body"
                        | "blockquote"
                )
        };
        for at in (0..self.open.len()).rev() {
            let open = self.open[at].name.as_str();
            let like = open == name
                || matches!((name, open), ("dd", "dt") | ("dt", "dd") | ("td", "th") | ("th", "td"));
            if like {
                let open = open.to_owned();
                return self.end(&open);
            }
            if holds(open) {
                return;
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.open.last().is_some_and(|open| open.name == "title") && !self.in_whole() {
            let in_svg = self.open.iter().any(|open| open.name == "svg");
            if !in_svg {
                self.title.push_str(text);
            }
        } else if !self.skips() {
            if self.in_code() {
                self.text.push_str(text);
            } else {
                // Lines of the source mean nothing; those of a table's rows are made here.
                self.text
                    .extend(text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }));
            }
        }
    }

    /// Ends the block that is being read.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let kind = self.block().unwrap_or(BlockKind::Paragraph);
        if kind == BlockKind::Table {
            let rows = text.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "));
            let rows: Vec<String> = rows.filter(|row| !row.is_empty() && row != "|").collect();
            self.writer.add_as_it_is(kind, &rows.join("\n"));
        } else {
            self.writer.add(kind, &text);
        }
    }

    fn skips(&self) -> bool {
        self.open.last().is_some_and(|open| open.skipped)
    }

    fn in_code(&self) -> bool {
        self.open.last().is_some_and(|open| open.code)
    }

    fn in_whole(&self) -> bool {
        self.open.last().is_some_and(|open| open.whole)
    }

    /// The kind of block that a text is which stands here.
    fn block(&self) -> Option<BlockKind> {
        self.open.last().and_then(|open| open.block)
    }
}

/// Whether blocks in an element are parts of it.
fn is_whole(name: &str) -> bool {
    matches!(name, "pre" | "listing" | "xmp" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::AbandonOnDrop;

    fn parse(text: &str) -> Parsed {
        super::parse(text, &Patience::new("data", &AbandonOnDrop::default().flag())).unwrap()
    }

    fn blocks(text: &str) -> Vec<(BlockKind, String)> {
        let parsed = parse(text);
        parsed
            .blocks
            .iter()
            .map(|block| (block.kind, parsed.text[block.start..block.end].to_owned()))
            .collect()
    }

    #[test]
    fn the_text_stays_and_what_is_around_it_goes() {
        let page = concat!(
            "<!DOCTYPE html><html><head><title>A\n page</title><style>p { color: red }</style>",
            "<script>if (a < b) document.write('<p>no</p>')</script></head><body>",
            "<nav><ul><li>Home</li></ul></nav><h1>One <em>two</em></h1><p>First &amp; <b>last</b><br>line",
            "<p>Next<ul><li>a<li>b<ul><li>c</ul></ul><pre><code>x {\n\n  y\n}</code></pre>",
            "<table><tr><th>a<th>b<tr><td><p>c</p><td>d</table>Loose<div hidden>Hidden</div><footer>Foot</footer>",
            "</body></html>",
        );
        let expected = [
            (BlockKind::Heading(1), "One two"),
            (BlockKind::Paragraph, "First & last line"),
            (BlockKind::Paragraph, "Next"),
            (BlockKind::Item, "a"),
            (BlockKind::Item, "b"),
            (BlockKind::Item, "c"),
            (BlockKind::Code, "x {\n\n  y\n}"),
            (BlockKind::Table, "a | b\nc | d"),
            (BlockKind::Paragraph, "Loose"),
        ];
        assert_eq!(blocks(page), expected.map(|(kind, text)| (kind, text.to_owned())));
        assert_eq!(parse(page).title.as_deref(), Some("A page"));
    }

    #[test]
    fn an_element_that_is_never_closed_takes_no_more_than_its_parent() {
        let page = "<div><nav><a>Home</div><p>Text<div><p>More";
        let paragraph = |text: &str| (BlockKind::Paragraph, text.to_owned());
        assert_eq!(blocks(page), [paragraph("Text"), paragraph("More")]);
    }

    #[test]
    fn a_page_says_its_character_set() {
        assert_eq!(charset(b"<meta charset=\"ISO-8859-1\">").as_deref(), Some("iso-8859-1"));
        let long = b"<meta http-equiv=content-type content='text/html; charset=utf-8'>";
        assert_eq!(charset(long).as_deref(), Some("utf-8"));
        assert_eq!(charset(b"<p>none</p>"), None);
    }

    #[test]
    fn depth_is_bounded() {
        let page = format!("{}deep{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
        assert_eq!(blocks(&page), [(BlockKind::Paragraph, "deep".to_owned())]);
    }
}
