//! Putting a text together from its blocks.

use super::{Block, BlockKind, Parsed};

/// Most bytes of a title: every chunk of the document has it.
const TITLE: usize = 1024;

/// Collects blocks, with an empty line between them.
#[derive(Debug, Default)]
pub(super) struct Writer {
    parsed: Parsed,
    page: Option<u32>,
}

impl Writer {
    /// Blocks from here on are on this page.
    pub(super) fn page(&mut self, page: u32) {
        self.page = Some(page);
        self.parsed.pages = Some(page);
    }

    /// Adds a block; a blank one is left out. White space within it is one space, but in code and tables.
    pub(super) fn add(&mut self, kind: BlockKind, text: &str) {
        match kind {
            BlockKind::Code | BlockKind::Table => self.add_as_it_is(kind, text),
            _ => {
                let words: Vec<&str> = text.split_whitespace().collect();
                self.add_as_it_is(kind, &words.join(" "));
            }
        }
    }

    /// Adds a block with its white space.
    pub(super) fn add_as_it_is(&mut self, kind: BlockKind, text: &str) {
        // SQLite's texts may hold a NUL and its functions end there.
        let text = text.replace('\0', "");
        let text = text.trim_matches(['\n', '\r']).trim_end();
        if text.trim_start().is_empty() {
            return;
        }
        let written = &mut self.parsed.text;
        if !written.is_empty() {
            // Items of one list, and what stands below another item, follow each other without an empty line.
            let tight = kind == BlockKind::Item
                && self.parsed.blocks.last().map(|last| last.kind) == Some(BlockKind::Item);
            written.push_str(if tight { "\n" } else { "\n\n" });
        }
        let start = written.len();
        written.push_str(text);
        self.parsed.blocks.push(Block { kind, start, end: written.len(), page: self.page });
    }

    /// What was collected. Without a title of its own the document has that of its first heading of the first level.
    pub(super) fn finish(mut self, title: Option<String>) -> Parsed {
        let heading = || {
            let first = self.parsed.blocks.iter().find(|block| block.kind == BlockKind::Heading(1))?;
            Some(self.parsed.text[first.start..first.end].to_owned())
        };
        let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
        let title = title.filter(|title| !title.is_empty()).or_else(heading);
        self.parsed.title = title.map(|mut title| {
            title.truncate(title.floor_char_boundary(TITLE));
            title
        });
        self.parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_nothing_but_nuls_and_white_space_is_none() {
        let mut writer = Writer::default();
        writer.add(BlockKind::Paragraph, " \0 ");
        writer.add_as_it_is(BlockKind::Code, "  \0\n\0");
        writer.add(BlockKind::Paragraph, "a\0b");
        let parsed = writer.finish(None);
        assert_eq!((parsed.text.as_str(), parsed.blocks.len()), ("ab", 1));
    }

    #[test]
    fn a_title_that_is_a_book_is_cut_between_characters() {
        let mut writer = Writer::default();
        writer.add(BlockKind::Paragraph, "text");
        let title = writer.finish(Some("\u{65e5}".repeat(100_000))).title.unwrap();
        assert!(title.len() <= TITLE && title.len() > TITLE - 3, "{}", title.len());
    }
}
