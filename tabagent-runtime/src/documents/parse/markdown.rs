//! Markdown, as CommonMark has it with tables, footnotes and front matter.

use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::{BlockKind, Parsed, Patience, html, writer::Writer};
use crate::error::Result;

/// Events between two looks whether anybody still waits.
const LOOK: usize = 1024;

/// # Errors
/// Those of [`Patience::check`].
pub(super) fn parse(text: &str, patience: &Patience<'_>) -> Result<Parsed> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for (count, event) in Parser::new_ext(text, options).enumerate() {
        if count % LOOK == 0 {
            patience.check()?;
        }
        match event {
            Event::End(TagEnd::HtmlBlock) => reader.html(patience)?,
            event => reader.event(event),
        }
    }
    reader.flush();
    Ok(reader.writer.finish(reader.title))
}

#[derive(Default)]
struct Reader {
    writer: Writer,
    title: Option<String>,
    /// Text of the block that is being read.
    text: String,
    kind: Option<BlockKind>,
    /// Items that are open, one in the other.
    items: usize,
    front_matter: bool,
    /// HTML that stands as a block.
    markup: String,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.front_matter => self.front_matter(&text),
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Html(markup) => self.markup.push_str(&markup),
            Event::Rule => self.flush(),
            // Marks that say how a text looks.
            Event::InlineHtml(_) | Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.begin(BlockKind::Heading(*level as u8)),
            // The first one in an item is what the item begins with.
            Tag::Paragraph if self.items > 0 && self.kind.is_some() => {}
            Tag::Paragraph if self.items > 0 => self.begin(BlockKind::Item),
            Tag::Paragraph | Tag::FootnoteDefinition(_) => self.begin(BlockKind::Paragraph),
            Tag::Item => {
                self.items += 1;
                self.begin(BlockKind::Item);
            }
            // The language of a listing is no part of it.
            Tag::CodeBlock(_) => self.begin(BlockKind::Code),
            Tag::Table(_) => self.begin(BlockKind::Table),
            Tag::TableCell if !self.text.is_empty() && !self.text.ends_with('\n') => {
                self.text.push_str(" | ");
            }
            Tag::HtmlBlock => self.flush(),
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle) => self.front_matter = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::CodeBlock
            | TagEnd::Table
            | TagEnd::FootnoteDefinition => self.flush(),
            TagEnd::Item => {
                self.flush();
                self.items = self.items.saturating_sub(1);
            }
            TagEnd::TableHead | TagEnd::TableRow => self.text.push('\n'),
            TagEnd::MetadataBlock(_) => self.front_matter = false,
            _ => {}
        }
    }

    /// The end of a block of HTML.
    fn html(&mut self, patience: &Patience<'_>) -> Result<()> {
        let markup = std::mem::take(&mut self.markup);
        let parsed = html::parse(&markup, patience)?;
        for block in parsed.blocks {
            self.writer.add(block.kind, &parsed.text[block.start..block.end]);
        }
        Ok(())
    }

    fn begin(&mut self, kind: BlockKind) {
        self.flush();
        self.kind = Some(kind);
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let inside = if self.items > 0 { BlockKind::Item } else { BlockKind::Paragraph };
        self.writer.add(self.kind.take().unwrap_or(inside), &text);
    }

    /// The title of front matter; the rest of it is for programs.
    fn front_matter(&mut self, text: &str) {
        let title = text.lines().find_map(|line| line.strip_prefix("title:"));
        if let Some(title) = title {
            self.title = Some(title.trim().trim_matches(['"', '\'']).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::AbandonOnDrop;

    fn parse(text: &str) -> Parsed {
        super::parse(text, &Patience::new("data", &AbandonOnDrop::default().flag())).unwrap()
    }

    #[test]
    fn blocks_come_with_their_kinds_and_without_their_marks() {
        let parsed = parse(concat!(
            "---\ntitle: \"The guide\"\n---\n",
            "# One *two*\n\nA [link](http://a.b) and\na `word`.\n\n",
            "- first\n- second\n\n  more of it\n  - inner\n\n",
            "```rust\nfn a() {\n\n    b();\n}\n```\n\n",
            "| a | b |\n|---|---|\n| c | d |\n\n<p align=center>In <b>HTML</b></p>\n\n## End ##\n",
        ));
        let blocks: Vec<(BlockKind, &str)> =
            parsed.blocks.iter().map(|block| (block.kind, &parsed.text[block.start..block.end])).collect();
        let expected = [
            (BlockKind::Heading(1), "One two"),
            (BlockKind::Paragraph, "A link and a word."),
            (BlockKind::Item, "first"),
            (BlockKind::Item, "second"),
            (BlockKind::Item, "more of it"),
            (BlockKind::Item, "inner"),
            (BlockKind::Code, "fn a() {\n\n    b();\n}"),
            (BlockKind::Table, "a | b\nc | d"),
            (BlockKind::Paragraph, "In HTML"),
            (BlockKind::Heading(2), "End"),
        ];
        assert_eq!(blocks, expected);
        assert_eq!(parsed.title.as_deref(), Some("The guide"));
        assert_eq!(parse("# Of the heading\n").title.as_deref(), Some("Of the heading"));
    }
}
