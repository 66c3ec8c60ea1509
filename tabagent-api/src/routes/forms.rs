//! Values of several forms, told apart by how they begin. serde's own way tries one form after the other, and its error says
//! no more than that none fits; this one names what is wrong, and where.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A text, or a list of `E`.
pub(super) enum TextOrList<E> {
    Text(String),
    List(Vec<E>),
}

impl<'de, E: Deserialize<'de>> Deserialize<'de> for TextOrList<E> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(Forms(PhantomData))
    }
}

struct Forms<E>(PhantomData<E>);

impl<'de, E: Deserialize<'de>> Visitor<'de> for Forms<E> {
    type Value = TextOrList<E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<Self::Value, X> {
        Ok(TextOrList::Text(text.to_owned()))
    }

    fn visit_string<X: Error>(self, text: String) -> Result<Self::Value, X> {
        Ok(TextOrList::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(TextOrList::List)
    }
}
