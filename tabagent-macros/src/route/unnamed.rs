//! Types of the standard library in the place of a type with a schema of its own: what each is, and the way out.
//!
//! They have a schema as a field, which may have rules, and no name in the document; deriving is not open to them.

use quote::ToTokens as _;
use syn::Type;

use super::signature::{generic_of, last_ident, written};

/// What a type is that no one can derive `Schema` for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unnamed {
    List,
    Map,
    Text,
    Optional,
    Pointer,
    Plain,
}

impl Unnamed {
    /// The kind of `ty`, where it is written out as a type of the standard library.
    pub(crate) fn of(ty: &Type) -> Option<Self> {
        if matches!(ty, Type::Tuple(_) | Type::Array(_)) {
            return Some(Self::Plain);
        }
        Some(match last_ident(ty)?.to_string().as_str() {
            "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => Self::List,
            "HashMap" | "BTreeMap" => Self::Map,
            "String" | "Cow" => Self::Text,
            "Option" => Self::Optional,
            "Box" | "Arc" | "Rc" => Self::Pointer,
            "bool" | "char" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32"
            | "i64" | "i128" | "isize" | "f32" | "f64" => Self::Plain,
            _ => return None,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Self::List => "a list",
            Self::Map => "a map",
            Self::Text => "text",
            Self::Optional => "a value that may be absent",
            Self::Pointer => "a pointer",
            Self::Plain => "a value without a name",
        }
    }

    /// What is wrong with `ty` as the `part` of a route, and the way out.
    pub(crate) fn sentence(self, part: &str, ty: &Type) -> (String, String) {
        let (ty_words, words) = (written(ty), self.words());
        let wrong = match part {
            "path" => format!("`{ty_words}` is {words}, and a path is not read into one"),
            "response" => {
                format!("`{ty_words}` is {words}, and the response of a route has a schema of its own")
            }
            _ => format!(
                "`{ty_words}` is {words}, and the {part} of a route has a schema of its own, with rules"
            ),
        };
        (wrong, self.help(part, ty))
    }

    fn help(self, part: &str, ty: &Type) -> String {
        let inner = last_ident(ty)
            .and_then(|name| generic_of(ty, &name.to_string()))
            .and_then(|types| types.last().map(|inner| written(inner.to_token_stream())))
            .unwrap_or_default();
        match (part, self) {
            (_, Self::Pointer) => format!("write `{inner}` itself"),
            ("path", Self::Optional) => format!("a parameter is always there: take `Path<{inner}>`"),
            ("path", Self::List) => "take `Path<String>`, also of a `{*rest}`, and split it".to_owned(),
            ("path", _) => "a path is read into `String`, `bool`, integers of up to 64 bits, tuples of these, and types \
                            that derive `tabagent_api::Schema`: structs with a field for each parameter, structs of one \
                            value, enums of names"
                .to_owned(),
            ("query", Self::Optional) => {
                format!("take `Query<{inner}>`, and make each field that may be absent an `Option`")
            }
            ("query", _) => {
                "take a struct that derives `tabagent_api::Schema`, with a field for each parameter".to_owned()
            }
            _ => {
                let (name, rule) = match self {
                    Self::List | Self::Map => ("Items", "#[rule(items(max = 100))] "),
                    Self::Text => ("Text", "#[rule(length(max = 1000))] "),
                    _ => ("Value", ""),
                };
                let rule = if part == "response" { "" } else { rule };
                format!(
                    "wrap it: `struct {name}({rule}{});`, which derives `tabagent_api::Schema` and looks the same on the \
                     wire, or make it a field of a struct",
                    written(ty)
                )
            }
        }
    }
}
