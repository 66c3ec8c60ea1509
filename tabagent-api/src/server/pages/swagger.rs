//! Swagger UI: the document for people, from vendored files, without a request to any other host.

use std::io::Read;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, header};

use crate::framework::{ApiError, Pages};

/// What a browser may load for the page: its own files and nothing else. The viewer writes styles of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file of the viewer.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    /// Whether `bytes` are compressed with gzip.
    compressed: bool,
}

const ASSETS: &[Asset] = &[
    Asset {
        path: "/swagger-ui/",
        content_type: "text/html; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/index.html"),
        compressed: false,
    },
    Asset {
        path: "/swagger-ui/start.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/start.js"),
        compressed: false,
    },
    Asset {
        path: "/swagger-ui/swagger-ui-bundle.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
        compressed: true,
    },
    Asset {
        path: "/swagger-ui/swagger-ui.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"),
        compressed: true,
    },
];

/// The pages of the viewer. They show the document, which is public, and hold no key.
pub fn pages() -> Pages {
    let pages = Pages::new()
        .route("/swagger-ui", get(async || Redirect::permanent("/swagger-ui/")))
        .route("/", get(async || Redirect::temporary("/swagger-ui/")));
    ASSETS.iter().fold(pages, |pages, asset| {
        pages.route(asset.path, get(move |headers: HeaderMap| std::future::ready(answer(asset, &headers))))
    })
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let gzip = asset.compressed && accepts_gzip(headers);
    let body = if asset.compressed && !gzip {
        let mut inflated = Vec::new();
        match GzDecoder::new(asset.bytes).read_to_end(&mut inflated) {
            Ok(_) => Bytes::from(inflated),
            Err(error) => {
                let reason = format!("the file {} cannot be inflated: {error}", asset.path);
                return ApiError::Internal { reason }.into_response();
            }
        }
    } else {
        Bytes::from_static(asset.bytes)
    };
    let mut response = body.into_response();
    let fields = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "max-age=3600"),
        (header::VARY, "accept-encoding"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether `accept-encoding` takes gzip, by name or by `*`, with a weight above zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let weights: Vec<(String, bool)> = codings
        .flat_map(|text| text.split(','))
        .map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            (name, weight.is_none_or(|weight| weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)))
        })
        .collect();
    let weight_of = |name: &str| weights.iter().find(|(given, _)| given == name).map(|(_, wanted)| *wanted);
    weight_of("gzip").or_else(|| weight_of("*")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))])
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        for text in ["gzip", "br, GZIP;q=0.5", "*", "deflate, *;q=0.1"] {
            assert!(accepts_gzip(&accepting(text)), "{text}");
        }
        for text in ["", "br", "gzip;q=0", "gzip; q=0, *", "identity"] {
            assert!(!accepts_gzip(&accepting(text)), "{text}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn every_file_is_whole_whether_compressed_or_not() {
        for asset in ASSETS {
            let plain = answer(asset, &HeaderMap::new());
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            let plain = axum::body::to_bytes(plain.into_body(), usize::MAX).await.unwrap();
            let sent = answer(asset, &accepting("gzip"));
            let gzip = sent.headers().get(header::CONTENT_ENCODING).is_some();
            let types = sent.headers().get_all(header::CONTENT_TYPE);
            let types: Vec<String> = types.iter().map(|value| value.to_str().unwrap().to_owned()).collect();
            let sent = axum::body::to_bytes(sent.into_body(), usize::MAX).await.unwrap();
            assert_eq!(gzip, asset.compressed);
            // A browser that is told not to guess refuses a file with two types.
            assert_eq!(types, [asset.content_type]);
            let mut inflated = Vec::new();
            if gzip {
                GzDecoder::new(&sent[..]).read_to_end(&mut inflated).unwrap();
            } else {
                inflated = sent.to_vec();
            }
            assert!(!plain.is_empty() && inflated == plain, "{}", asset.path);
        }
    }

    #[test]
    fn the_page_names_only_files_that_are_there_and_no_other_host() {
        let page = std::str::from_utf8(ASSETS[0].bytes).unwrap();
        let start = std::str::from_utf8(ASSETS[1].bytes).unwrap();
        for asset in &ASSETS[1..] {
            let name = asset.path.rsplit('/').next().unwrap();
            assert!(page.contains(&format!("\"{name}\"")), "{name}");
        }
        assert!(!page.contains("//") && !start.contains("://"));
        assert!(start.contains("validatorUrl: null"), "the viewer must not ask a validator on the web");
    }
}
