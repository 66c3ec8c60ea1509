//! `#[derive(Problem)]`: each variant of an error enum states its status, its title and what to do next.

mod attribute;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, Variant};

use crate::diagnostics::Sink;
use crate::route::signature::description;
use attribute::{Container, FieldRole, VariantAttribute};

/// The error type.
pub(crate) struct Problem {
    pub(crate) input: DeriveInput,
    pub(crate) container: Container,
    pub(crate) variants: Vec<ProblemVariant>,
}

/// One of its variants.
pub(crate) struct ProblemVariant {
    pub(crate) ident: Ident,
    pub(crate) fields: Fields,
    pub(crate) roles: Vec<(usize, FieldRole)>,
    pub(crate) attribute: VariantAttribute,
    pub(crate) description: TokenStream,
}

/// The expansion: the impl, or every error beside an impl that keeps later code quiet.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut sink = Sink::default();
    let container = attribute::container(&input.attrs, &mut sink);
    let Data::Enum(data) = &input.data else {
        let help = "write an enum with one variant for each way to fail";
        sink.report("problem-not-enum", &input.ident, format!("`{}` is not an enum", input.ident), help);
        return with_fallback(&input, &container, sink);
    };
    if !input.generics.params.is_empty() {
        let help = "a problem has one name in the document; name the types";
        sink.report("problem-not-enum", &input.generics, "a problem type is not generic", help);
    }
    let variants = variants(data, &mut sink);
    if !sink.is_empty() {
        return with_fallback(&input, &container, sink);
    }
    expand::expand(&Problem { variants, container, input: input.clone() })
}

fn variants(data: &DataEnum, sink: &mut Sink) -> Vec<ProblemVariant> {
    data.variants.iter().map(|variant| read_variant(variant, sink)).collect()
}

fn read_variant(variant: &Variant, sink: &mut Sink) -> ProblemVariant {
    let before = sink.count();
    let attribute = attribute::variant(variant, sink);
    let readable = sink.count() == before;
    let roles = attribute::roles(&variant.fields, sink);
    if readable {
        judge(variant, &attribute, &roles, sink);
    }
    ProblemVariant {
        ident: variant.ident.clone(),
        fields: variant.fields.clone(),
        roles,
        attribute,
        description: description(&variant.attrs),
    }
}

/// The rules of one variant.
fn judge(variant: &Variant, attribute: &VariantAttribute, roles: &[(usize, FieldRole)], sink: &mut Sink) {
    let name = &variant.ident;
    if let Some(transparent) = &attribute.transparent {
        if variant.fields.len() != 1 {
            let help = "wrap the one problem: `Runtime(#[from] RuntimeProblem)`";
            sink.report_at(
                "problem-attribute-unknown",
                *transparent,
                "`transparent` is for a variant of one field",
                help,
            );
        }
        let own = attribute.status.is_some() || attribute.title.is_some() || attribute.hint.is_some();
        if own {
            let help = "remove `transparent`, or status, title and hint: the wrapped problem has its own";
            sink.report_at(
                "problem-attribute-unknown",
                *transparent,
                "a transparent variant states nothing itself",
                help,
            );
        }
        return;
    }
    let example =
        "`#[problem(status = 404, title = \"Model not found\", hint = \"GET /v1/models lists the models\")]`";
    match attribute.status {
        None => {
            let help = format!("add {example}");
            sink.report("problem-status-missing", name, format!("`{name}` states no status"), help);
        }
        Some((code, span)) if !(400..600).contains(&code) => {
            let help = "a problem is 4xx (the request is at fault) or 5xx (the server is)";
            sink.report_at(
                "problem-status-invalid",
                span,
                format!("{code} is not the status of a problem"),
                help,
            );
        }
        Some((code @ (429 | 503), span)) => {
            let has_field = roles.iter().any(|(_, role)| matches!(role, FieldRole::RetryAfter));
            if attribute.retry_after.is_none() && !has_field {
                let wrong =
                    format!("a client that gets {code} is told when to try again, and `{name}` does not say");
                let help =
                    "add `retry_after = 5` (seconds), or mark a `Duration` field `#[problem(retry_after)]`";
                sink.report_at("problem-retry-after-missing", span, wrong, help);
            }
        }
        Some(_) => {}
    }
    if attribute.title.is_none() {
        let help = format!("add a short name that is the same for every occurrence: {example}");
        sink.report("problem-title-missing", name, format!("`{name}` has no title"), help);
    }
    if attribute.hint.is_none() {
        let help = format!("say what its reader does next: {example}");
        sink.report("problem-hint-missing", name, format!("`{name}` has no hint"), help);
    }
}

/// The errors, and an impl all the same: routes that return the type are not told that it is no problem.
fn with_fallback(input: &DeriveInput, container: &Container, sink: Sink) -> TokenStream {
    let errors = sink.into_compile_errors();
    let facade = container.facade();
    let ident = &input.ident;
    let name = ident.unraw().to_string();
    let (impls, types, clause) = input.generics.split_for_impl();
    let variants: Vec<String> = match &input.data {
        Data::Enum(data) => data.variants.iter().map(|variant| variant.ident.unraw().to_string()).collect(),
        _ => Vec::new(),
    };
    let kind = expand::fallback_kind();
    let body = quote! { const KIND: __t::ProblemKind = #kind; &KIND };
    let span = input.ident.span();
    let implementation = quote::quote_spanned! { span => impl #impls __t::Problem for #ident #types #clause };
    quote! {
        #errors
        #[allow(unused)]
        const _: () = {
            use #facade::__private as __t;
            #[automatically_derived]
            #implementation {
                const NAME: &'static str = #name;
                const VARIANTS: &'static [__t::ProblemVariant] = &[
                    #(__t::ProblemVariant { name: #variants, kinds: __t::ProblemKinds::Own(#kind) }),*
                ];
                fn kind(&self) -> &'static __t::ProblemKind { #body }
            }
        };
    }
}

/// The span of a field, for roles.
fn field_span(fields: &Fields, index: usize) -> proc_macro2::Span {
    fields.iter().nth(index).map_or_else(proc_macro2::Span::call_site, Spanned::span)
}
