//! Values of several forms, told apart by how they begin. serde's own way tries one form after the other, and its error
//! says no more than that none fits; these name what is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::items::{InputItem, Item, ItemContent, PlainMessage, ResponseInput};

impl<'de> Deserialize<'de> for ResponseInput {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(TextOrList { text: Self::Text, list: Self::Items, of: PhantomData })
    }
}

impl<'de> Deserialize<'de> for ItemContent {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(TextOrList { text: Self::Text, list: Self::Parts, of: PhantomData })
    }
}

impl<'de> Deserialize<'de> for InputItem {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(value)?;
        let typed = fields.contains_key("type");
        let item = Value::Object(fields);
        if typed {
            Item::deserialize(item).map(Self::Typed).map_err(D::Error::custom)
        } else {
            PlainMessage::deserialize(item).map(Self::Message).map_err(D::Error::custom)
        }
    }
}

/// Makes a `T` of a text, or of a list of `E`.
struct TextOrList<T, E> {
    text: fn(String) -> T,
    list: fn(Vec<E>) -> T,
    of: PhantomData<E>,
}

impl<'de, T, E: Deserialize<'de>> Visitor<'de> for TextOrList<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<T, X> {
        Ok((self.text)(text.to_owned()))
    }

    fn visit_string<X: Error>(self, text: String) -> Result<T, X> {
        Ok((self.text)(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_named() {
        let wrong = |input: Value| serde_json::from_value::<ResponseInput>(input).unwrap_err().to_string();
        let reference = wrong(serde_json::json!([{ "type": "item_reference", "id": "msg_1" }]));
        assert!(
            reference.contains("unknown variant `item_reference`, expected one of `message`"),
            "{reference}"
        );
        let image = [serde_json::json!({ "type": "input_image", "image_url": "https://example.org/a.png" })];
        for message in [
            serde_json::json!({ "role": "user", "content": image }),
            serde_json::json!({ "type": "message", "role": "user", "content": image }),
        ] {
            let image = wrong(serde_json::json!([message]));
            assert!(image.contains("unknown variant `input_image`, expected one of `input_text`"), "{image}");
        }
        let unnamed = wrong(serde_json::json!([{ "role": "user" }]));
        assert!(unnamed.contains("missing field `content`"), "{unnamed}");
        assert!(wrong(serde_json::json!(5)).contains("expected a text or a list"));
    }
}
