//! Golden expansions: `tests/expand/*.rs` against `*.expanded.rs` beside them.
//!
//! `UPDATE_EXPANSIONS=1 cargo test -p tabagent-macros` writes what the macros give now; read the difference.

use std::path::Path;

use proc_macro2::TokenStream;
use syn::{Attribute, Item};

/// Expands the one item of a file that carries one of our macros.
fn expanded(source: &str) -> String {
    let file = syn::parse_file(source).unwrap();
    let tokens: TokenStream = file.items.iter().map(expand_item).collect();
    prettyplease::unparse(&syn::parse2(tokens).unwrap())
}

fn expand_item(item: &Item) -> TokenStream {
    use quote::ToTokens as _;
    match item {
        Item::Fn(function) => {
            let is_route = |attribute: &Attribute| attribute.path().is_ident("route");
            let mut rest = function.clone();
            let attribute = rest.attrs.iter().position(is_route).map(|at| rest.attrs.remove(at));
            let arguments = attribute.unwrap().meta.require_list().unwrap().tokens.clone();
            crate::route::expand(arguments, rest.into_token_stream())
        }
        Item::Enum(item) if derives(&item.attrs, "Problem") => {
            crate::problem::expand(item.into_token_stream())
        }
        other => crate::schema::expand(other.into_token_stream()),
    }
}

fn derives(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .any(|attribute| attribute.meta.require_list().unwrap().tokens.to_string().contains(name))
}

#[test]
fn expansions_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let update = std::env::var_os("UPDATE_EXPANSIONS").is_some();
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".expanded.rs") {
            continue;
        }
        seen += 1;
        let found = expanded(&std::fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("expanded.rs");
        if update {
            std::fs::write(&golden, &found).unwrap();
        }
        let recorded = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(recorded, found, "{name}: UPDATE_EXPANSIONS=1 records the new expansion");
    }
    assert!(seen >= 5, "{seen} golden expansions");
}

#[test]
fn a_facade_replaces_every_path_to_the_framework() {
    let source = "/// Answer.\n#[route(GET, \"/x\", crate = my_facade, tests = [case(\"one\", status = 200, check = f)])]\n\
                  async fn answer() -> Result<Json<u8>, Infallible> { Ok(Json(1)) }";
    let text = expanded(source);
    assert!(!text.contains("::tabagent_api"), "{text}");
    assert!(text.contains("use my_facade::__private as __t;"));
}

#[test]
fn a_wrong_route_keeps_its_fn_and_shows_every_error() {
    let source = "#[route(GTE, \"v1\", tga = 1)] fn answer(&self) { x.unwrap() }";
    let text = expanded(source);
    assert!(text.contains("fn answer(&self)"));
    let ids = [
        "method-unknown",
        "path-malformed",
        "attribute-unknown",
        "docs-missing",
        "tests-missing",
        "handler-has-self",
        "handler-not-async",
        "handler-not-result",
        "handler-panics",
    ];
    for id in ids {
        assert!(text.contains(&format!("[route::{id}]")), "{id} in {text}");
    }
    assert!(!text.contains("inventory"));
}

#[test]
fn a_half_typed_body_is_kept() {
    let body: TokenStream =
        "/// Answer.\n async fn answer() -> Result<Json<u8>, Infallible> { let x = y. ; }".parse().unwrap();
    let arguments: TokenStream =
        "GET, \"/x\", tests = [case(\"one\", status = 200, check = f)]".parse().unwrap();
    let text = crate::route::expand(arguments, body).to_string();
    assert!(text.contains("let x = y . ;"));
    assert!(text.contains("inventory"));
}

#[test]
fn cfg_below_the_attribute_goes_on_everything() {
    let source = "/// Answer.\n#[route(GET, \"/x\", tests = [case(\"one\", status = 200, check = f)])]\n\
                  #[cfg(feature = \"extra\")] async fn answer() -> Result<Json<u8>, Infallible> { Ok(Json(1)) }";
    let text = expanded(source);
    assert_eq!(text.matches("#[cfg(feature = \"extra\")]").count(), 3, "fn, claim and registration: {text}");
}
