//! Plain text: paragraphs are what empty lines part. Lines stay as they are.

use super::{BlockKind, Parsed, writer::Writer};

pub(super) fn parse(text: &str) -> Parsed {
    let mut writer = Writer::default();
    let mut paragraph = String::new();
    for line in text.lines() {
        // A form feed parts pages, and paragraphs with them.
        if line.trim().is_empty() {
            writer.add_as_it_is(BlockKind::Paragraph, &paragraph);
            paragraph.clear();
            continue;
        }
        paragraph.push_str(line.trim_end());
        paragraph.push('\n');
    }
    writer.add_as_it_is(BlockKind::Paragraph, &paragraph);
    writer.finish(None)
}
