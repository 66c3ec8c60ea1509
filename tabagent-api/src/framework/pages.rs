//! Pages about the routes: the document, and a page for each kind of problem at the URI that its `type` names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::header;

use super::ApiError;
use super::problem::ProblemKind;

/// Every kind of problem of an app, by slug, with the routes that can answer it.
pub(crate) type Catalogue = BTreeMap<&'static str, (&'static ProblemKind, Vec<String>)>;

const DOCUMENT: &str = "/openapi.json";
const INDEX: &str = "/problems";
const PROBLEM: &str = "/problems/{slug}";

/// Paths of the pages that every app has.
pub(crate) const PATHS: [&str; 3] = [DOCUMENT, INDEX, PROBLEM];

/// Pages beside the API, with their paths, so that an overlap with a route is found before axum panics over it.
#[derive(Debug, Clone, Default)]
pub struct Pages(Vec<(String, MethodRouter)>);

impl Pages {
    /// No pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a page at a path in axum's form.
    #[must_use]
    pub fn route(mut self, path: &str, page: MethodRouter) -> Self {
        self.0.push((path.to_owned(), page));
        self
    }

    /// Adds the pages of another list.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.iter().map(|(path, _)| path.clone()).collect()
    }
}

impl From<Pages> for Router {
    fn from(pages: Pages) -> Self {
        pages.0.into_iter().fold(Self::new(), |router, (path, page)| router.route(&path, page))
    }
}

/// Routes of the pages. They are not in the document, which is about the API.
pub(crate) fn router(document: Bytes, catalogue: Catalogue) -> Router {
    let catalogue = Arc::new(catalogue);
    let listed = Arc::clone(&catalogue);
    Router::new()
        .route(
            DOCUMENT,
            get(move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], document.clone()))),
        )
        .route(INDEX, get(move || std::future::ready(Html(index(&listed)))))
        .route(PROBLEM, get(move |Path(slug): Path<String>| std::future::ready(page(&catalogue, &slug))))
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
