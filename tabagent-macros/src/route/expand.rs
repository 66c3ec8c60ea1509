//! The registration of a route that broke no rule the macro can see: checks that need types, then the record.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit};

use super::cases::{Case, CaseBody, Expectation};
use super::dedup;
use super::model::{Check, Method, Route};
use super::path::RoutePath;
use super::signature::{Output, generic_of};
use super::values::Pair;
use crate::rules;

/// A route with all that a registration needs.
pub(crate) struct Ready<'a> {
    pub(crate) route: &'a Route,
    pub(crate) method: Method,
    pub(crate) method_span: Span,
    pub(crate) path: &'a RoutePath,
    /// Type of a success, as tokens of the author's.
    pub(crate) ok: TokenStream,
    /// Type of a failure.
    pub(crate) err: TokenStream,
    /// Where messages about the success type point.
    pub(crate) ok_span: Span,
    /// Where messages about the error type point.
    pub(crate) err_span: Span,
    /// Status of a success, as a const expression: as given, or what the response type stands for.
    pub(crate) status: TokenStream,
}

impl<'a> Ready<'a> {
    /// The route, if nothing is missing.
    pub(crate) fn of(route: &'a Route) -> Option<Self> {
        let (method, written) = route.attribute.method.as_ref()?;
        let path = route.attribute.path.as_ref()?;
        let (ok, err, ok_span, err_span) = match &route.handler.output {
            Output::Result { ok, err } => {
                (ok.to_token_stream(), err.to_token_stream(), whole(ok), whole(err))
            }
            Output::Alias(ty) => {
                let span = whole(ty);
                let projected = |name: &str| {
                    let name = Ident::new(name, span);
                    quote_spanned! { span => <#ty as __t::HandlerResult>::#name }
                };
                (projected("Success"), projected("Failure"), span, span)
            }
            Output::Other => return None,
        };
        let method_span = written.span();
        let status = match route.attribute.status {
            Some(status) => status.code.to_token_stream(),
            None => quote! { <__t::Probe<#ok>>::STATUS },
        };
        Some(Self { route, method: *method, method_span, path, ok, err, ok_span, err_span, status })
    }

    /// Everything that is generated beside the fn.
    pub(crate) fn expand(&self) -> TokenStream {
        let attribute = &self.route.attribute;
        let handler = &self.route.handler;
        let cfgs: Vec<_> = handler.cfgs().collect();
        let facade = match &attribute.facade {
            Some(path) => path.to_token_stream(),
            None => quote! { ::tabagent_api },
        };
        let claims = self.claims();
        let free = rules::handler_has_self::name_of_a_free_fn(self.route);
        let named = Ident::new(&format!("__route_{}", handler.plain_name()), handler.name().span());
        let docs = handler.computed_docs().map(|text| quote! { const __DOCS: &str = #text; });
        let symbols = self.symbols();
        let assertions = rules::assertions(self);
        let describe = self.describe();
        let call = self.call();
        let record = self.record();
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(dead_code, non_upper_case_globals)]
            const #free: () = { #claims };
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(
                dead_code, deprecated, non_upper_case_globals, unused_imports, unused_mut, unused_variables, clippy::all,
                clippy::pedantic
            )]
            const #named: () = {
                fn __is_free() { #free }
                use #facade::__private as __t;
                use __t::{
                    CheckFits as _, CheckMisfits as _, CheckOfNothing as _, LastOfBody as _, LastOfHead as _, Unless as _, UnlessHead as _,
                    UnlessLast as _, UnlessParsed as _, UnlessResult as _,
                };
                #docs
                #symbols
                #assertions
                #describe
                #call
                #record
            };
        }
    }

    /// The paths that the route claims, with the tokens to point at.
    fn all_paths(&self) -> impl Iterator<Item = &RoutePath> {
        std::iter::once(self.path).chain(self.route.attribute.aliases.iter().map(|alias| &alias.path))
    }

    /// A macro name for each path: two of one name in a crate are E0428, which shows both places.
    fn claims(&self) -> TokenStream {
        self.all_paths()
            .map(|path| {
                let name = dedup::macro_name(self.method.as_str(), &path.value());
                let span = path.literal.span();
                let name = Ident::new(&name, span);
                quote_spanned! { span =>
                    #[doc(hidden)]
                    #[macro_export]
                    #[allow(non_local_definitions, unused_macros)]
                    macro_rules! #name { () => {}; }
                }
            })
            .collect()
    }

    /// A symbol for each path: two of one name in a program do not link, and the linker prints the name.
    fn symbols(&self) -> TokenStream {
        self.all_paths()
            .enumerate()
            .map(|(index, path)| {
                let name = format_ident!("__ROUTE_{index}");
                let symbol = dedup::symbol(self.method.as_str(), &path.value());
                quote! {
                    #[unsafe(export_name = #symbol)]
                    #[used]
                    static #name: u8 = 0;
                }
            })
            .collect()
    }

    fn describe(&self) -> TokenStream {
        let types = self.route.handler.arguments.iter().map(|argument| &argument.ty).collect::<Vec<_>>();
        let (ok, err) = (&self.ok, &self.err);
        quote! {
            fn __describe(__operation: &mut __t::OperationBuilder) {
                #(<__t::Probe<#types>>::describe_input(__operation);)*
                <__t::Probe<#ok>>::describe_output(__operation);
                <__t::Probe<#err>>::describe_problems(__operation);
            }
            fn __components(__list: &mut ::std::vec::Vec<__t::ComponentRequirement>) {
                #(<__t::Probe<#types>>::components(__list);)*
            }
        }
    }

    /// The fn that axum calls: takes the arguments in order, then calls the handler.
    fn call(&self) -> TokenStream {
        let arguments = &self.route.handler.arguments;
        let names: Vec<_> = (0..arguments.len()).map(|index| format_ident!("__a{index}")).collect();
        let last = arguments.len().checked_sub(1);
        // Of one span wherever they stand: the fn's name, whose span the signature has, may come from another macro.
        let (request, state) = (format_ident!("__request"), format_ident!("__state"));
        // The last argument gets the request whole; it is taken apart only for others before it.
        let (split, whole_request) = if arguments.len() > 1 {
            (
                quote! { let (mut __parts, __body) = #request.into_parts(); },
                quote! { __t::Request::from_parts(__parts, __body) },
            )
        } else {
            (TokenStream::new(), quote! { #request })
        };
        let takes = arguments.iter().zip(&names).enumerate().map(|(index, (argument, name))| {
            let ty = &argument.ty;
            let taken = if Some(index) == last {
                quote! {
                    (&&__t::Last::<#ty>::NEW).extract(#whole_request, &#state).await
                }
            } else {
                quote! { <__t::Probe<#ty>>::extract(&mut __parts, &#state).await }
            };
            quote! {
                let #name: #ty = match #taken {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(response) => return response,
                };
            }
        });
        let handler = self.route.handler.name();
        let status = &self.status;
        let (ok, err) = (&self.ok, &self.err);
        // Spanned at the fn's name: there the compiler says that its future is not `Send`, and at which await.
        let signature = quote_spanned! { handler.span() =>
            fn __call(
                __t::State(#state): __t::State<__t::AppState>,
                #request: __t::Request,
            ) -> impl ::core::future::Future<Output = __t::Response> + ::core::marker::Send + 'static
        };
        quote! {
            #signature {
                async move {
                    #split
                    #(#takes)*
                    <__t::Probe<::core::result::Result<#ok, #err>>>::respond(#handler(#(#names),*).await, #status)
                }
            }
        }
    }

    fn record(&self) -> TokenStream {
        let attribute = &self.route.attribute;
        let handler = &self.route.handler;
        let method = Ident::new(self.method.variant(), Span::call_site());
        let path = self.path.value();
        let aliases = attribute.aliases.iter().map(|alias| {
            let (path, deprecated) = (alias.path.value(), alias.deprecated);
            quote! { __t::RouteAlias { path: #path, deprecated: #deprecated } }
        });
        let operation_id =
            attribute.operation_id.as_ref().map_or_else(|| handler.plain_name(), syn::LitStr::value);
        let (summary, description) = if handler.computed_docs().is_some() {
            (quote! { __t::doc_summary(__DOCS) }, quote! { __t::doc_description(__DOCS) })
        } else {
            let docs = handler.docs();
            let summary = docs.first().cloned().unwrap_or_default();
            let description = docs.get(1..).unwrap_or_default().join("\n").trim().to_owned();
            (summary.to_token_stream(), description.to_token_stream())
        };
        let tag = attribute.tag.as_ref().map_or_else(|| "api".to_owned(), syn::LitStr::value);
        let deprecated = attribute.deprecated || handler.is_deprecated();
        let (status, stream) = (&self.status, attribute.stream);
        let auth = if attribute.public {
            quote! { Public }
        } else {
            quote! { Key }
        };
        let timeout = option(attribute.timeout_ms);
        let bytes = option(attribute.body_bytes);
        let line = quote_spanned! { self.method_span => ::core::line!() };
        let cases = attribute.cases.iter().map(|case| self.case(case));
        let err = &self.err;
        let waived = attribute.waivers.iter().map(|waiver| {
            let (variant, reason) = (waiver.variant.unraw().to_string(), &waiver.reason);
            quote! { (#variant, #reason) }
        });
        quote! {
            __t::inventory::submit! {
                __t::RouteMetadata {
                    method: __t::Method::#method,
                    path: #path,
                    aliases: &[#(#aliases),*],
                    operation_id: #operation_id,
                    summary: #summary,
                    description: #description,
                    tag: #tag,
                    deprecated: #deprecated,
                    status: #status,
                    stream: #stream,
                    auth: __t::Auth::#auth,
                    limits: __t::RouteLimits { timeout_ms: #timeout, body_bytes: #bytes },
                    source: __t::Source {
                        module: ::core::module_path!(),
                        file: ::core::file!(),
                        line: #line,
                    },
                    describe: __describe,
                    components: __components,
                    handler: || __t::handler(__t::Method::#method, __call),
                    cases: &[#(#cases),*],
                    problems: <__t::Probe<#err>>::VARIANTS,
                    waived: &[#(#waived),*],
                }
            }
        }
    }

    fn case(&self, case: &Case) -> TokenStream {
        let name = &case.name;
        let line = quote_spanned! { case.name.span() => ::core::line!() };
        let path = pairs(case.path.as_ref().map_or(&[], |(_, pairs)| pairs.as_slice()));
        let query = pairs(&case.query);
        let headers = pairs(&case.headers);
        let body = body(&case.body);
        let expect = self.expectation(&case.expectation);
        quote! {
            __t::TestCase {
                name: #name,
                line: #line,
                path: &[#path],
                query: &[#query],
                headers: &[#headers],
                body: #body,
                expect: #expect,
            }
        }
    }

    fn expectation(&self, expectation: &Expectation) -> TokenStream {
        let ok = &self.ok;
        match expectation {
            Expectation::Success { status, check } => {
                let code = status.code;
                let check = match check {
                    Check::None => quote! { __t::check_no_body },
                    Check::Expression(check) => {
                        // The type stands in the signature, so that the closure's argument has it even where the
                        // response breaks a rule.
                        let typed = match self.body_type() {
                            Some(body) => {
                                quote_spanned! { check.span() => __t::check_of::<#body, _, _>(#check) }
                            }
                            None => check.to_token_stream(),
                        };
                        quote_spanned! { check.span() =>
                            |__response| <__t::Probe<#ok>>::run_check(__response, #typed)
                        }
                    }
                    Check::Function(check) => quote_spanned! { check.span() =>
                    |__response| __t::check_outcome((&&&__t::CheckFn::<#ok, _>::new(#check)).run(__response))
                                        },
                };
                quote! { __t::Expectation::Success { status: #code, check: #check } }
            }
            Expectation::Problem { variant } => {
                let (of, name) = rules::case_type_mismatch::split(variant);
                quote! {
                    __t::Expectation::Problem { of: <__t::Probe<#of>>::VARIANTS, variant: #name }
                }
            }
            Expectation::Unreadable => quote! {},
        }
    }
}

impl Ready<'_> {
    /// What checks of the response take, where the response is written out.
    fn body_type(&self) -> Option<TokenStream> {
        let ok = self.route.handler.output.ok()?;
        if let Some(body) = generic_of(ok, "Json") {
            let body = &body[0];
            return Some(quote! { #body });
        }
        let event = generic_of(ok, "EventStream")?;
        let event = &event[0];
        Some(quote! { ::std::vec::Vec<#event> })
    }
}

/// A span that covers a whole type where the compiler can join spans, and its first token where it cannot.
pub(crate) fn whole(tokens: &impl Spanned) -> Span {
    tokens.span()
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote! { ::core::option::Option::Some(#value) },
        None => quote! { ::core::option::Option::None },
    }
}

fn pairs(pairs: &[Pair]) -> TokenStream {
    let pairs = pairs.iter().map(|pair| {
        let (key, value) = (&pair.key, &pair.value);
        quote! { (#key, #value) }
    });
    quote! { #(#pairs),* }
}

fn body(body: &CaseBody) -> TokenStream {
    match body {
        CaseBody::None => quote! { __t::CaseBody::None },
        CaseBody::Json { text, .. } => quote! { __t::CaseBody::Json(#text) },
        CaseBody::Raw { bytes, content_type, .. } => {
            let content_type = option(content_type.as_ref());
            let bytes = match &**bytes {
                Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)) => quote! { #bytes.as_bytes() },
                other => other.to_token_stream(),
            };
            quote! { __t::CaseBody::Raw { bytes: #bytes, content_type: #content_type } }
        }
    }
}
