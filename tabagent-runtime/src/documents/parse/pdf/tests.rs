//! PDFs that are whole, and PDFs that mean harm. They are written here, object by object.

use std::io::Write;

use super::*;
use crate::compute::AbandonOnDrop;

/// A file of these objects, numbered from 1; the first is the catalogue.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.5\n".to_vec();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(file.len());
        writeln!(file, "{number} 0 obj").unwrap();
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let begin = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for place in places {
        writeln!(file, "{place:010} 00000 n ").unwrap();
    }
    let size = objects.len() + 1;
    write!(file, "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n").unwrap();
    file
}

fn stream(dictionary: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("<< {dictionary} /Length {} >>\nstream\n", content.len());
    [head.as_bytes(), content, b"\nendstream"].concat()
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// A document with a page for each content, in Helvetica; `resources` are added to those of every page.
fn pages(contents: &[Vec<u8>], resources: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let first = 4 + more.len();
    let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", first + page * 2)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), kids.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    objects.extend_from_slice(more);
    for (page, content) in contents.iter().enumerate() {
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R
                 /Resources << /Font << /F1 3 0 R >> {resources} >> >>",
                first + page * 2 + 1
            )
            .into_bytes(),
        );
        objects.push(stream("/Filter /FlateDecode", &packed(content)));
    }
    pdf(&objects)
}

fn text(lines: &[(u32, &str)]) -> Vec<u8> {
    let shown = lines.iter().map(|(y, line)| format!("1 0 0 1 50 {y} Tm ({line}) Tj\n")).collect::<String>();
    format!("BT /F1 12 Tf\n{shown}ET").into_bytes()
}

fn read_it(content: &[u8]) -> Result<Parsed> {
    let guard = AbandonOnDrop::default();
    parse("data", content, None, &guard.flag())
}

/// The reason why a document is not read.
fn refused(content: &[u8]) -> String {
    match read_it(content) {
        Err(BackendError::InvalidInput { field, reason, .. }) if field == "data" => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_become_paragraphs_with_their_numbers() {
    let first = text(&[(700, "The first para-"), (686, "graph has two lines."), (600, "The second.")]);
    let parsed = read_it(&pages(&[first, text(&[(700, "On the next page.")])], "", &[])).unwrap();
    let blocks: Vec<(&str, Option<u32>)> =
        parsed.blocks.iter().map(|block| (&parsed.text[block.start..block.end], block.page)).collect();
    let expected = [
        ("The first paragraph has two lines.", Some(1)),
        ("The second.", Some(1)),
        ("On the next page.", Some(2)),
    ];
    assert_eq!((blocks.as_slice(), parsed.pages), (expected.as_slice(), Some(2)));
}

#[test]
fn damage_is_told_and_nothing_panics() {
    let whole = pages(&[text(&[(700, "Whole.")])], "", &[]);
    assert!(refused(b"%PDF-1.4\n").contains("cannot be read"));
    // Every cut is an answer: mostly a refusal, and never a panic that is not caught.
    for end in (0..whole.len()).step_by(7) {
        read_it(&whole[..end]).ok();
    }
    assert!(refused(&pdf(&[b"<< /Type /Catalog /Pages 2 0 R >>".to_vec()])).contains("0 pages"));
    let encrypted = String::from_utf8_lossy(&whole).replace("/Root", "/Encrypt 1 0 R /Root").into_bytes();
    assert!(refused(&encrypted).contains("encrypted"));
}

#[test]
fn streams_that_unpack_to_more_than_memory_has_are_refused() {
    let bomb = packed(&vec![b' '; 65 << 20]);
    let one = stream("/Filter /FlateDecode", &bomb);
    let twice = stream("/Filter [/FlateDecode /FlateDecode]", &packed(&bomb));
    let objects = stream("/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode", &bomb);
    let lzw = stream("/Filter /LZWDecode", &vec![0x80; 65 << 10]);
    for harm in [one, twice, objects, lzw] {
        let reason = refused(&pages(&[text(&[(700, "Text.")])], "", &[harm]));
        assert!(reason.contains("unpack"), "{reason}");
    }
}

#[test]
fn what_refers_to_itself_is_refused() {
    // A form that draws itself.
    let form = stream("/Type /XObject /Subtype /Form /Resources << /XObject << /X 4 0 R >> >>", b"/X Do");
    let draws = |more: &[Vec<u8>]| pages(&[b"/X Do".to_vec()], "/XObject << /X 4 0 R >>", more);
    assert!(refused(&draws(&[form])).contains("page 1"));
    // Each form draws the next one ten times: a million characters for a kilobyte.
    let many: Vec<Vec<u8>> = (0..6)
        .map(|level| {
            let names: Vec<String> = (0..10).map(|name| format!("/X{name} {} 0 R", 5 + level)).collect();
            let content: String = (0..10).map(|name| format!("/X{name} Do ")).collect();
            let head = format!("/Subtype /Form /Resources << /XObject << {} >> >>", names.join(" "));
            stream(&head, content.as_bytes())
        })
        .collect();
    assert!(refused(&draws(&many)).contains("page 1"));
    // Pages that are their own parents.
    let circle = pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /Parent 3 0 R >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R >>".to_vec(),
    ]);
    assert!(refused(&circle).contains("page 1"));
}

#[test]
fn a_reader_that_nobody_waits_for_ends() {
    let guard = AbandonOnDrop::default();
    let flag = guard.flag();
    drop(guard);
    assert!(parse("data", &pages(&[text(&[(700, "Text.")])], "", &[]), None, &flag).is_err());
}
