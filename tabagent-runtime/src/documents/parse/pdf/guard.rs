//! What a PDF must not hold, since its reader has no bounds of its own: streams that unpack to more than memory has, and
//! objects that refer to themselves, on which it would recurse until the stack ends, and the process with it.

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::{Cursor, Read},
};

use flate2::read::{DeflateDecoder, ZlibDecoder};
use memchr::memmem;
use pdf_extract::{Dictionary, Document, LoadOptions, Object, ObjectId};

/// Bytes that one stream may unpack to.
const STREAM: u64 = 64 << 20;
/// Bytes that all streams of a document may unpack to together.
const ALL: u64 = 512 << 20;
/// Layers of compression that are looked through.
const LAYERS: usize = 4;
/// Bytes of a stream that is packed with LZW, which unpacks to some 2,500 times as many at most.
const LZW: usize = 64 << 10;
/// Pages of pages, and forms within forms.
const DEEPEST: usize = 32;
/// Forms of a page, one in the other, that are drawn at most.
const MOST_FORMS: usize = 10_000;

thread_local! {
    /// Whether a stream was refused while a document was loaded on this thread.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Loads a document whose streams were looked at before they are unpacked.
///
/// # Errors
/// What is wrong with it.
pub(super) fn load(content: &[u8]) -> Result<Document, String> {
    // Their streams could only be looked at once they are decrypted, which the reader does while it unpacks them.
    if memmem::find(content, b"/Encrypt").is_some() {
        return Err(ENCRYPTED.to_owned());
    }
    unpacks_within_bounds(content)?;
    REFUSED.set(false);
    let options = LoadOptions { filter: Some(admitted), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(content, options)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if document.trailer.get(b"Encrypt").is_ok() {
        return Err(ENCRYPTED.to_owned());
    }
    // The length of a stream may stand elsewhere; then it is read after the filter saw it.
    let mut objects = document.objects.values();
    if REFUSED.get() || !objects.all(is_admitted) {
        return Err("one of its streams is packed in a way that unpacks to far too much".to_owned());
    }
    Ok(document)
}

const ENCRYPTED: &str = "it is encrypted; save it without protection";

/// Looks at all that may be a packed stream in the bytes of a file.
fn unpacks_within_bounds(content: &[u8]) -> Result<(), String> {
    let mut all = 0;
    for at in memmem::find_iter(content, b"stream") {
        let rest = &content[at + b"stream".len()..];
        let ([b'\r', b'\n', packed @ ..] | [b'\n' | b'\r', packed @ ..]) = rest else { continue };
        all += unpacked(packed, LAYERS)?;
        if all > ALL {
            return Err(format!("its streams unpack to more than {ALL} bytes"));
        }
    }
    Ok(())
}

/// How many bytes the beginning of `packed` unpacks to, layer by layer; 0 where it is not packed.
fn unpacked(packed: &[u8], layers: usize) -> Result<u64, String> {
    let mut plain = Vec::new();
    // What is wrong further on does not matter: its reader keeps what came before that.
    ZlibDecoder::new(Cursor::new(packed)).take(STREAM + 1).read_to_end(&mut plain).ok();
    if plain.is_empty()
        && let Some(raw) = packed.get(2..)
    {
        DeflateDecoder::new(Cursor::new(raw)).take(STREAM + 1).read_to_end(&mut plain).ok();
    }
    let size = plain.len() as u64;
    if size > STREAM {
        return Err(format!("one of its streams unpacks to more than {STREAM} bytes"));
    }
    // What is no stream may look packed for a few bytes.
    if layers == 0 || size < 64 {
        return Ok(size);
    }
    Ok(size + unpacked(&plain, layers - 1)?)
}

/// The filter of the reader: `None` leaves an object out.
fn admitted(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    if is_admitted(object) {
        // The reader looks only whether there is an answer, for objects of the file; for those out of a stream it takes it.
        return Some((id, object.clone()));
    }
    REFUSED.set(true);
    None
}

fn is_admitted(object: &Object) -> bool {
    let Ok(stream) = object.as_stream() else { return true };
    let Ok(filters) = stream.filters() else { return true };
    let is_lzw = |filter: &&&[u8]| **filter == b"LZWDecode" || **filter == b"LZW";
    let lzw = filters.iter().filter(is_lzw).count();
    filters.len() <= LAYERS && (lzw == 0 || (filters.len() == 1 && stream.content.len() <= LZW))
}

/// Whether what a page is drawn with ends: the pages above it, and the forms in it.
pub(super) fn ends(document: &Document, page: ObjectId) -> bool {
    let mut above = page;
    let mut seen = BTreeSet::new();
    loop {
        if !seen.insert(above) || seen.len() > DEEPEST {
            return false;
        }
        let parent = document.get_dictionary(above).and_then(|page| page.get(b"Parent"));
        match parent.and_then(Object::as_reference) {
            Ok(parent) => above = parent,
            Err(_) => break,
        }
    }
    let mut drawn = 0;
    seen.into_iter().all(|id| {
        let Ok(page) = document.get_dictionary(id) else { return true };
        forms_end(document, page, &mut Vec::new(), &mut drawn)
    })
}

/// `open`: the forms around this one. `drawn`: how many there were, each as often as it is reached.
fn forms_end(document: &Document, owner: &Dictionary, open: &mut Vec<ObjectId>, drawn: &mut usize) -> bool {
    let resources = owner.get(b"Resources").ok().and_then(|found| dictionary(document, found));
    let forms = resources.and_then(|found| dictionary(document, found.get(b"XObject").ok()?));
    let Some(forms) = forms else { return true };
    forms.iter().all(|(_, form)| {
        let Ok(id) = form.as_reference() else { return true };
        let Some(stream) = document.get_object(id).ok().and_then(|found| found.as_stream().ok()) else {
            return true;
        };
        // An image is no form, and is not drawn.
        if stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Image") {
            return true;
        }
        *drawn += 1;
        if open.contains(&id) || open.len() >= DEEPEST || *drawn > MOST_FORMS {
            return false;
        }
        open.push(id);
        // A form without resources has those of what it is drawn in.
        let within = stream.dict.get(b"Resources").map_or(owner, |_| &stream.dict);
        let ends = forms_end(document, within, open, drawn);
        open.pop();
        ends
    })
}

fn dictionary<'a>(document: &'a Document, object: &'a Object) -> Option<&'a Dictionary> {
    document.dereference(object).ok()?.1.as_dict().ok()
}
