//! Pages about the routes: the document, and a page for each kind of problem at the URI that its `type` names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header;

use super::ApiError;
use super::problem::ProblemKind;

/// Every kind of problem of an app, by slug, with the routes that can answer it.
pub(crate) type Catalogue = BTreeMap<&'static str, (&'static ProblemKind, Vec<String>)>;

/// Routes of the pages. They are not in the document, which is about the API.
pub(crate) fn router(document: Bytes, catalogue: Catalogue) -> Router {
    let catalogue = Arc::new(catalogue);
    let listed = Arc::clone(&catalogue);
    Router::new()
        .route(
            "/openapi.json",
            get(move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], document.clone()))),
        )
        .route("/problems", get(move || std::future::ready(Html(index(&listed)))))
        .route(
            "/problems/{slug}",
            get(move |Path(slug): Path<String>| std::future::ready(page(&catalogue, &slug))),
        )
}

fn index(catalogue: &Catalogue) -> String {
    let mut list = String::new();
    for (slug, (kind, _)) in catalogue {
        let _ = writeln!(
            list,
            "<li><a href=\"/problems/{slug}\">{}</a> <code>{}</code></li>",
            escape(kind.title),
            kind.status
        );
    }
    html("Problems", &format!("<ul>\n{list}</ul>"))
}

fn page(catalogue: &Catalogue, slug: &str) -> Response {
    let Some((kind, routes)) = catalogue.get(slug) else {
        return ApiError::RouteNotFound { path: format!("/problems/{slug}") }.into_response();
    };
    let mut body =
        format!("<p>Status <code>{}</code>, code <code>{}</code></p>\n", kind.status, escape(kind.code));
    if !kind.description.is_empty() {
        let _ = writeln!(body, "<p>{}</p>", escape(kind.description));
    }
    if !kind.hint.is_empty() {
        let _ = writeln!(body, "<h2>What to do</h2>\n<p>{}</p>", escape(kind.hint));
    }
    if routes.is_empty() {
        body.push_str("<p>Any route can answer this.</p>");
    } else {
        body.push_str("<h2>Routes that can answer this</h2>\n<ul>\n");
        for route in routes {
            let _ = writeln!(body, "<li><code>{}</code></li>", escape(route));
        }
        body.push_str("</ul>");
    }
    Html(html(kind.title, &body)).into_response()
}

fn html(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>body{{font:16px/1.5 system-ui;max-width:45rem;margin:3rem auto;padding:0 1rem}}</style>\n\
         <h1>{title}</h1>\n{body}\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
