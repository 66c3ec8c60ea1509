//! Documents that mean harm take no more than the time and memory that one document may have, and nothing of it from others.

use serde_json::json;
use tabagent_tests::http::{Connection, request};
use tabagent_tests::problem::assert_problem;
use tabagent_tests::process::until;
use tabagent_tests::server::Server;

use super::{DOCUMENTS, file_of, ok, pdf, query, upload};

fn stream(dictionary: &str, content: &str) -> String {
    format!("<< {dictionary} /Length {} >>\nstream\n{content}\nendstream", content.len())
}

/// A PDF of one page with this content; objects that `resources` name begin at 5.
fn page(content: &str, resources: &str, more: &[String]) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << {resources} >> >>"
        ),
        stream("", content),
    ];
    objects.extend_from_slice(more);
    file_of(&objects)
}

/// A page whose content is the same 20 MB three hundred times.
fn takes_all_memory() -> Vec<u8> {
    let contents = format!("/Contents [{}]", "4 0 R ".repeat(300));
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {contents} >>"),
        stream("", &" ".repeat(20 << 20)),
    ];
    file_of(&objects)
}

/// A page that draws a form which draws another one twice, and so on: 2 to the power of 28 times the last one.
fn never_ends() -> Vec<u8> {
    let forms = 28;
    let form = |number: usize| match number {
        last if last == forms - 1 => {
            stream("/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << >>", "q Q")
        }
        number => {
            let next = format!("/Resources << /XObject << /X {} 0 R >> >>", 6 + number);
            stream(&format!("/Type /XObject /Subtype /Form /BBox [0 0 1 1] {next}"), "/X Do /X Do")
        }
    };
    page("/X Do", "/XObject << /X 5 0 R >>", &(0..forms).map(form).collect::<Vec<_>>())
}

#[test]
fn a_pdf_that_takes_all_memory_takes_that_of_its_own_process_alone() {
    let server = Server::start(&[]);
    let refused = upload(&server, "memory.pdf", "application/pdf", &takes_all_memory(), &[]);
    assert_problem(&refused, 400, "rag-invalid");
    assert!(refused.text().contains("bytes of memory"), "{}", refused.text());
    ok(upload(&server, "paper.pdf", "application/pdf", &pdf(&["Penguins swim."]), &[]));
    assert_eq!(query(&server, json!({ "query": "penguins" })).len(), 1);
}

/// The processes that a server has begun and that run.
#[cfg(target_os = "linux")]
fn processes_of(server: &Server) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let of_thread = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children"));
    threads
        .flatten()
        .filter_map(|thread| of_thread(thread).ok())
        .map(|own| own.split_whitespace().count())
        .sum()
}

#[cfg(target_os = "linux")]
#[test]
fn a_pdf_that_never_ends_ends_with_its_client_and_leaves_its_place_to_others() {
    let server = Server::start(&[]);
    // One more than are read at the same time.
    for _ in 0..5 {
        let form = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n";
        let body = [form.as_bytes(), &never_ends(), b"\r\n--edge--\r\n"].concat();
        let mut leaves = Connection::open(server.address);
        let head = [("content-type", "multipart/form-data; boundary=edge")];
        leaves.send(&request("POST", DOCUMENTS, &head, &body));
        until("the PDF is being read", || processes_of(&server) == 1);
        // A text is read beside it.
        ok(server.post(DOCUMENTS, &json!({ "text": "Trains leave at noon." })));
        drop(leaves);
        until("the process is gone", || processes_of(&server) == 0);
    }
    ok(upload(&server, "paper.pdf", "application/pdf", &pdf(&["Penguins swim."]), &[]));
}

#[test]
fn a_page_of_a_tag_without_end_and_a_gap_without_end_hold_nobody_up() {
    let server = Server::start(&[]);
    let tag: String = (0..600_000).map(|number| format!(" a{number}")).collect();
    let body = json!({ "text": format!("<p{tag}>text</p>"), "media_type": "text/html" }).to_string();
    let mut leaves = Connection::open(server.address);
    leaves.send(&request("POST", DOCUMENTS, &[("content-type", "application/json")], body.as_bytes()));
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(leaves);
    let gap = format!("Trains leave.{}At noon.", " ".repeat(300_000));
    ok(server.post(DOCUMENTS, &json!({ "text": gap, "media_type": "text/plain" })));
    assert_eq!(query(&server, json!({ "query": "trains", "mode": "keyword" })).len(), 1);
}
