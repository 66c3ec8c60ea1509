//! The types of the standard library that fields may have: their schemas, and what rules read of them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use garde::Report;
use garde::error::Path;
use serde_json::{Map, Value, json};

use super::enforce::{EmptyValue, ListValue, NumberValue, TextValue, Visit, refuse};
use super::schema::{
    Reach, SAFE_INTEGER, SchemaList, SchemaType, TextFields, is_type, null_schema, tuple_schema,
};

impl<T: TextValue + ?Sized> TextValue for &T {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl<T: TextValue + ?Sized> TextValue for Box<T> {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl<T: TextValue + ?Sized> TextValue for Arc<T> {
    fn text(&self) -> &str {
        (**self).text()
    }
}

impl TextValue for str {
    fn text(&self) -> &str {
        self
    }
}

impl TextValue for String {
    fn text(&self) -> &str {
        self
    }
}

impl TextValue for Cow<'_, str> {
    fn text(&self) -> &str {
        self
    }
}

impl EmptyValue for str {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl EmptyValue for String {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl EmptyValue for Cow<'_, str> {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl<T: EmptyValue + ?Sized> EmptyValue for &T {
    fn is_empty_value(&self) -> bool {
        (**self).is_empty_value()
    }
}

impl<T: EmptyValue + ?Sized> EmptyValue for Box<T> {
    fn is_empty_value(&self) -> bool {
        (**self).is_empty_value()
    }
}

impl<T: EmptyValue + ?Sized> EmptyValue for Arc<T> {
    fn is_empty_value(&self) -> bool {
        (**self).is_empty_value()
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<T, $($generics)*> ListValue for $type {
            type Element = T;

            fn count(&self) -> usize {
                self.len()
            }

            fn visit(&self, at: &mut dyn FnMut() -> Path, visit: Visit<'_, T>) {
                for (index, element) in self.iter().enumerate() {
                    visit(element, &mut || at().join(index));
                }
            }
        }

        impl<T, $($generics)*> EmptyValue for $type {
            fn is_empty_value(&self) -> bool {
                self.len() == 0
            }
        }

        impl<T: SchemaType, $($generics)*> SchemaType for $type {
            const IN_TEXT: bool = false;

            fn usage() -> Value {
                json!({ "type": "array", "items": T::usage() })
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                for (index, element) in self.iter().enumerate() {
                    element.check(&mut || at().join(index), report);
                }
            }
        }
    )*};
}

lists!([] Vec<T>, [] VecDeque<T>, [] BTreeSet<T>, [S: BuildHasher] HashSet<T, S>);

impl<T: SchemaType, const N: usize> SchemaType for [T; N] {
    const IN_TEXT: bool = false;

    fn usage() -> Value {
        json!({ "type": "array", "items": T::usage(), "minItems": N, "maxItems": N })
    }

    fn collect(list: &mut SchemaList) {
        T::collect(list);
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        for (index, element) in self.iter().enumerate() {
            element.check(&mut || at().join(index), report);
        }
    }
}

macro_rules! maps {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<T, $($generics)*> ListValue for $type {
            type Element = T;

            fn count(&self) -> usize {
                self.len()
            }

            fn visit(&self, at: &mut dyn FnMut() -> Path, visit: Visit<'_, T>) {
                for (key, element) in self {
                    visit(element, &mut || at().join(key.as_str()));
                }
            }
        }

        impl<T, $($generics)*> EmptyValue for $type {
            fn is_empty_value(&self) -> bool {
                self.is_empty()
            }
        }

        impl<T: SchemaType, $($generics)*> SchemaType for $type {
            const IN_TEXT: bool = false;

            fn usage() -> Value {
                json!({ "type": "object", "additionalProperties": T::usage() })
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                for (key, element) in self {
                    element.check(&mut || at().join(key.as_str()), report);
                }
            }
        }
    )*};
}

maps!([] BTreeMap<String, T>, [S: BuildHasher] HashMap<String, T, S>);

impl<T: SchemaType> SchemaType for Option<T> {
    const REACH: Reach = T::REACH;
    const IN_TEXT: bool = T::IN_TEXT;

    fn usage() -> Value {
        let mut schema = T::usage();
        if is_type(&schema, "null") || schema == json!({}) {
            return schema;
        }
        let Some(only) = schema.get("type").and_then(Value::as_str) else {
            return json!({ "anyOf": [schema, { "type": "null" }] });
        };
        schema["type"] = json!([only, "null"]);
        schema
    }

    fn collect(list: &mut SchemaList) {
        T::collect(list);
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Some(value) = self {
            value.check(at, report);
        }
    }
}

macro_rules! wrappers {
    ($($type:ident),*) => {$(
        impl<T: SchemaType + ?Sized> SchemaType for $type<T> {
            const REACH: Reach = T::REACH;
            const IN_TEXT: bool = T::IN_TEXT;
            const FIELDS: TextFields = T::FIELDS;

            fn usage() -> Value {
                T::usage()
            }

            fn collect(list: &mut SchemaList) {
                T::collect(list);
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                (**self).check(at, report);
            }
        }
    )*};
}

wrappers!(Box, Arc);

macro_rules! plain {
    ($($type:ty => $schema:tt),* $(,)?) => {$(
        impl SchemaType for $type {
            fn usage() -> Value {
                json!($schema)
            }
        }
    )*};
}

plain! {
    String => { "type": "string" },
    str => { "type": "string" },
    &'static str => { "type": "string" },
    Cow<'static, str> => { "type": "string" },
    char => { "type": "string", "minLength": 1, "maxLength": 1 },
    bool => { "type": "boolean" },
    Value => {},
    f64 => { "type": "number", "format": "double" },
}

impl SchemaType for () {
    const IN_TEXT: bool = false;

    fn usage() -> Value {
        null_schema()
    }
}

impl SchemaType for Map<String, Value> {
    const IN_TEXT: bool = false;

    fn usage() -> Value {
        json!({ "type": "object" })
    }
}

impl SchemaType for f32 {
    const REACH: Reach = Reach::Single;

    fn usage() -> Value {
        json!({ "type": "number", "format": "float" })
    }

    fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
        // serde reads 1e300 into an f32 as infinity.
        if !self.is_finite() {
            refuse(at, report, "must fit a 32-bit floating-point number");
        }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl NumberValue for $type {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "bounds are compared, and wide integers are held within 53 bits")]
            fn compare(&self, bound: f64) -> Option<Ordering> {
                (*self as f64).partial_cmp(&bound)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f64);

impl NumberValue for f32 {
    #[allow(clippy::cast_possible_truncation, reason = "the bound is to lose what the value has lost")]
    fn compare(&self, bound: f64) -> Option<Ordering> {
        // As an `f64` the `f32` that was read from 0.1 is a little more than 0.1.
        self.partial_cmp(&(bound as Self))
    }
}

impl<T: NumberValue> NumberValue for &T {
    fn compare(&self, bound: f64) -> Option<Ordering> {
        (**self).compare(bound)
    }
}

macro_rules! narrow_integers {
    ($($type:ty),*) => {$(
        impl SchemaType for $type {
            #[allow(clippy::cast_lossless, reason = "`From` is not const")]
            const REACH: Reach = Reach::Whole(<$type>::MIN as i64, <$type>::MAX as i64);

            fn usage() -> Value {
                json!({ "type": "integer", "minimum": <$type>::MIN, "maximum": <$type>::MAX })
            }
        }
    )*};
}

narrow_integers!(u8, u16, u32, i8, i16, i32);

macro_rules! wide_integers {
    ($($type:ty => $least:expr),*) => {$(
        impl SchemaType for $type {
            const REACH: Reach = Reach::Whole($least, SAFE_INTEGER);

            fn usage() -> Value {
                let least: i64 = $least;
                json!({ "type": "integer", "minimum": least, "maximum": SAFE_INTEGER })
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                let value = i128::try_from(*self).unwrap_or(i128::MAX);
                if value < i128::from($least) {
                    refuse(at, report, format!("must be at least {}", $least));
                } else if value > i128::from(SAFE_INTEGER) {
                    refuse(at, report, format!("must be at most {SAFE_INTEGER}"));
                }
            }
        }
    )*};
}

wide_integers!(u64 => 0_i64, usize => 0_i64, i64 => -SAFE_INTEGER, isize => -SAFE_INTEGER);

macro_rules! tuples {
    ($(($($name:ident $index:tt),+)),*) => {$(
        impl<$($name: SchemaType),+> SchemaType for ($($name,)+) {
            const IN_TEXT: bool = false;
            const FIELDS: TextFields =
                if true $(&& $name::IN_TEXT)+ { TextFields::Whole } else { TextFields::None };

            fn usage() -> Value {
                tuple_schema(vec![$($name::usage()),+])
            }

            fn collect(list: &mut SchemaList) {
                $($name::collect(list);)+
            }

            fn check(&self, at: &mut dyn FnMut() -> Path, report: &mut Report) {
                $(self.$index.check(&mut || at().join($index as usize), report);)+
            }
        }
    )*};
}

tuples!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));
