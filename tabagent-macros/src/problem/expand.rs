//! The `Problem` impl of an error enum.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Fields, LitStr};

use super::attribute::FieldRole;
use super::{Problem, ProblemVariant, field_span};

/// The impl.
pub(crate) fn expand(problem: &Problem) -> TokenStream {
    let facade = problem.container.facade();
    let ident = &problem.input.ident;
    let name = ident.unraw().to_string();
    let own =
        problem.variants.iter().enumerate().filter(|(_, variant)| variant.attribute.transparent.is_none());
    let kinds = own.map(|(index, variant)| {
        let constant = kind_name(index);
        let kind = kind(&name, variant);
        quote! { const #constant: __t::ProblemKind = #kind; }
    });
    let variants = problem.variants.iter().enumerate().map(|(index, variant)| {
        let name = variant.ident.unraw().to_string();
        let kinds = match variant.fields.iter().next() {
            Some(field) if variant.attribute.transparent.is_some() => {
                let ty = &field.ty;
                quote_spanned! { field_span(&variant.fields, 0) =>
                    __t::ProblemKinds::Transparent(<#ty as __t::Problem>::VARIANTS)
                }
            }
            _ => {
                let constant = kind_name(index);
                quote! { __t::ProblemKinds::Own(#constant) }
            }
        };
        quote! { __t::ProblemVariant { name: #name, kinds: #kinds } }
    });
    let kind_arms = problem.variants.iter().enumerate().map(|(index, variant)| {
        let constant = kind_name(index);
        arm(variant, &quote! { kind }, &quote! { &#constant })
    });
    let methods = [
        Method {
            name: quote! { fields },
            output: quote! { ::std::vec::Vec<__t::FieldError> },
            otherwise: quote! { ::std::vec::Vec::new() },
            value: fields_value,
        },
        Method {
            name: quote! { param },
            output: quote! { ::core::option::Option<::std::string::String> },
            otherwise: quote! { self.fields().into_iter().next().map(|__error| __error.field) },
            value: param_value,
        },
        Method {
            name: quote! { retry_after },
            output: quote! { ::core::option::Option<::core::time::Duration> },
            otherwise: quote! {
                self.kind().retry_after.map(|__s| ::core::time::Duration::from_secs(::core::convert::Into::into(__s)))
            },
            value: retry_value,
        },
    ];
    let methods = methods.iter().filter_map(|method| method.expand(problem));
    // An enum without variants has no value to match on.
    let subject = if problem.variants.is_empty() {
        quote! { *self }
    } else {
        quote! { self }
    };
    quote! {
        #[allow(unused_variables, clippy::all, clippy::pedantic)]
        const _: () = {
            use #facade::__private as __t;
            #(#kinds)*
            #[automatically_derived]
            impl __t::Problem for #ident {
                const NAME: &'static str = #name;
                const VARIANTS: &'static [__t::ProblemVariant] = &[#(#variants),*];
                fn kind(&self) -> &'static __t::ProblemKind {
                    match #subject { #(#kind_arms)* }
                }
                #(#methods)*
            }
        };
    }
}

/// A method of the trait that is written only when a variant has something to say in it.
struct Method {
    name: TokenStream,
    output: TokenStream,
    otherwise: TokenStream,
    value: fn(&ProblemVariant) -> Option<TokenStream>,
}

impl Method {
    fn expand(&self, problem: &Problem) -> Option<TokenStream> {
        let arms: Vec<TokenStream> = problem
            .variants
            .iter()
            .filter_map(|variant| {
                let transparent = variant.attribute.transparent.is_some();
                let value = if transparent { TokenStream::new() } else { (self.value)(variant)? };
                Some(arm(variant, &self.name, &value))
            })
            .collect();
        if arms.is_empty() {
            return None;
        }
        let (name, output, otherwise) = (&self.name, &self.output, &self.otherwise);
        let rest = (arms.len() < problem.variants.len()).then(|| quote! { _ => #otherwise, });
        Some(quote! { fn #name(&self) -> #output { match self { #(#arms)* #rest } } })
    }
}

/// One arm: a transparent variant asks the problem that it wraps.
fn arm(variant: &ProblemVariant, method: &TokenStream, value: &TokenStream) -> TokenStream {
    let ident = &variant.ident;
    if variant.attribute.transparent.is_some() {
        let pattern = match &variant.fields {
            Fields::Named(named) => {
                let field = named.named.iter().filter_map(|field| field.ident.as_ref());
                quote! { Self::#ident { #(#field: __inner),* } }
            }
            _ => quote! { Self::#ident(__inner) },
        };
        return quote! { #pattern => __t::Problem::#method(__inner), };
    }
    let names = variant.fields.iter().enumerate().map(|(index, field)| {
        let bound = bound(index);
        field.ident.as_ref().map_or_else(|| bound.to_token_stream(), |name| quote! { #name: #bound })
    });
    let pattern = match &variant.fields {
        Fields::Named(_) => quote! { Self::#ident { #(#names),* } },
        Fields::Unnamed(_) => quote! { Self::#ident(#(#names),*) },
        Fields::Unit => quote! { Self::#ident },
    };
    quote! { #pattern => #value, }
}

fn bound(index: usize) -> syn::Ident {
    format_ident!("__f{index}")
}

fn kind_name(index: usize) -> syn::Ident {
    format_ident!("__KIND_{index}")
}

fn role(variant: &ProblemVariant, wanted: FieldRole) -> Option<syn::Ident> {
    variant.roles.iter().find(|(_, role)| *role == wanted).map(|(index, _)| bound(*index))
}

fn fields_value(variant: &ProblemVariant) -> Option<TokenStream> {
    if let Some(errors) = role(variant, FieldRole::Errors) {
        return Some(quote! { ::core::clone::Clone::clone(#errors) });
    }
    let param = role(variant, FieldRole::Param)?;
    Some(quote! {
        ::std::vec![__t::FieldError::of(
            ::std::string::ToString::to_string(#param),
            &::std::string::ToString::to_string(self),
        )]
    })
}

fn param_value(variant: &ProblemVariant) -> Option<TokenStream> {
    let param = role(variant, FieldRole::Param)?;
    Some(quote! { ::core::option::Option::Some(::std::string::ToString::to_string(#param)) })
}

fn retry_value(variant: &ProblemVariant) -> Option<TokenStream> {
    let after = role(variant, FieldRole::RetryAfter)?;
    Some(quote! { ::core::convert::Into::into(*#after) })
}

/// The kind of a variant, as a const.
fn kind(owner: &str, variant: &ProblemVariant) -> TokenStream {
    let attribute = &variant.attribute;
    let name = variant.ident.unraw().to_string();
    let owner = owner.strip_suffix("Error").filter(|rest| !rest.is_empty()).unwrap_or(owner);
    let slug = attribute
        .slug
        .as_ref()
        .map_or_else(|| format!("{}-{}", words(owner, '-'), words(&name, '-')), LitStr::value);
    let code = attribute.code.as_ref().map_or_else(|| words(&name, '_'), LitStr::value);
    let status = attribute.status.map_or(500, |(code, _)| code);
    let title = attribute.title.as_ref().map(LitStr::value).unwrap_or_default();
    let hint = attribute.hint.as_ref().map(LitStr::value).unwrap_or_default();
    let description = &variant.description;
    let retry_after = option(attribute.retry_after);
    let retry = option(attribute.retry);
    quote! {
        __t::ProblemKind {
            slug: #slug,
            code: #code,
            status: #status,
            title: #title,
            hint: #hint,
            description: #description,
            retry_after: #retry_after,
            retry: #retry,
        }
    }
}

/// A kind for an enum that has errors, so that the compiler stops at those.
pub(crate) fn fallback_kind() -> TokenStream {
    quote! {
        __t::ProblemKind {
            slug: "", code: "", status: 500, title: "", hint: "", description: "",
            retry_after: ::core::option::Option::None,
            retry: ::core::option::Option::None,
        }
    }
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or_else(
        || quote! { ::core::option::Option::None },
        |value| quote! { ::core::option::Option::Some(#value) },
    )
}

/// `ModelNotFound` as `model-not-found`; runs of capitals stay together: `HTTPError` is `http-error`.
fn words(name: &str, joint: char) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, character) in characters.iter().enumerate() {
        let starts = character.is_uppercase()
            && at > 0
            && (!characters[at - 1].is_uppercase()
                || characters.get(at + 1).is_some_and(|next| next.is_lowercase()));
        if starts && !out.ends_with(joint) {
            out.push(joint);
        }
        if *character == '_' {
            if !out.ends_with(joint) {
                out.push(joint);
            }
        } else {
            out.extend(character.to_lowercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_words() {
        assert_eq!(super::words("ModelNotFound", '-'), "model-not-found");
        assert_eq!(super::words("HTTPError2", '_'), "http_error2");
    }
}
