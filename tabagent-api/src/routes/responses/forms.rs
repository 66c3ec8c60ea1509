//! The forms of the input and of its items, told apart by how they begin.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::items::{InputItem, Item, ItemContent, PlainMessage, ResponseInput};
use crate::routes::forms::TextOrList;

impl<'de> Deserialize<'de> for ResponseInput {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Ok(match TextOrList::deserialize(value)? {
            TextOrList::Text(text) => Self::Text(text),
            TextOrList::List(items) => Self::Items(items),
        })
    }
}

impl<'de> Deserialize<'de> for ItemContent {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Ok(match TextOrList::deserialize(value)? {
            TextOrList::Text(text) => Self::Text(text),
            TextOrList::List(parts) => Self::Parts(parts),
        })
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
