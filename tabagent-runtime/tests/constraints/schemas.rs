//! Random JSON Schemas: a seed gives the same one on every machine.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde_json::{Map, Value, json};

/// Names of properties, with what has to be escaped.
const NAMES: [&str; 8] = ["id", "name", "größe", "tags", "a b", "quo\"te", "back\\slash", "$ref"];
const PATTERNS: [&str; 6] =
    ["^[a-z]{1,4}$", "^[A-Z]\\d{2}(-x)?$", "^(foo|bar){1,2}$", "^.{2,3}$", "^é?[^\"\\\\]$", "^\\w+-[0-9]$"];
/// Without times: in these llguidance lets any minute have a leap second, and RFC 3339 does not.
const FORMATS: [&str; 5] = ["date", "uuid", "ipv4", "email", "hostname"];

/// The schema of this seed.
pub(crate) fn schema(seed: u64) -> Value {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let mut schema = match draw.below(4) {
        0 => draw.any(3),
        1 => draw.array(3),
        _ => draw.object(3),
    };
    // A list whose rest has the same form, among what references can name.
    let definitions = json!({
        "leaf": draw.leaf(),
        "pair": draw.object(1),
        "list": {
            "type": "object",
            "properties": { "value": { "$ref": "#/$defs/leaf" }, "rest": { "$ref": "#/$defs/list" } },
            "required": ["value"],
            "additionalProperties": false,
        },
    });
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$defs".to_owned(), definitions);
    }
    schema
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn number(&mut self, span: i64) -> i64 {
        self.below(2 * span as usize + 1) as i64 - span
    }

    fn any(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 12 }) {
            0..=4 => self.leaf(),
            5 | 6 => self.object(depth - 1),
            7 | 8 => self.array(depth - 1),
            9 => json!({ "anyOf": [self.leaf(), self.any(depth - 1), { "type": "null" }] }),
            10 => json!({ "$ref": self.of(&["#/$defs/leaf", "#/$defs/pair", "#/$defs/list"]) }),
            _ => json!({ "allOf": [self.object(0)], "description": "a part" }),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut names = NAMES.to_vec();
        let mut properties = Map::new();
        let mut required = Vec::new();
        for _ in 0..1 + self.below(4) {
            let name = names.swap_remove(self.below(names.len()));
            let schema = if depth == 0 { self.leaf() } else { self.any(depth - 1) };
            properties.insert(name.to_owned(), schema);
            if self.below(3) > 0 {
                required.push(name);
            }
        }
        let mut schema = json!({ "type": "object", "properties": properties, "required": required });
        schema["additionalProperties"] = match self.below(6) {
            0 => json!({ "type": "integer", "minimum": 0, "maximum": 9 }),
            _ => json!(false),
        };
        schema
    }

    fn array(&mut self, depth: usize) -> Value {
        let least = self.below(3);
        let mut schema = json!({ "type": "array", "minItems": least, "maxItems": least + self.below(3) });
        if self.below(4) == 0 {
            schema["prefixItems"] = json!([self.leaf(), self.leaf()]);
        }
        schema["items"] = self.any(depth);
        schema
    }

    fn leaf(&mut self) -> Value {
        match self.below(12) {
            0 => json!({ "type": "boolean" }),
            1 => json!({ "const": self.of(&["yes", "a \"quote\"", "line\nbreak", "π"]) }),
            2 => json!({ "enum": ["red", 7, -1.5, null, true, { "k": ["v"] }] }),
            3 | 4 => {
                let least = self.number(500);
                json!({ "type": "integer", "minimum": least, "maximum": least + 1 + self.number(400).abs() })
            }
            5 => {
                json!({ "type": "integer", "exclusiveMinimum": -9, "exclusiveMaximum": 99, "multipleOf": 3 })
            }
            6 => {
                let least = self.number(50) as f64 / 4.0;
                json!({ "type": "number", "minimum": least, "maximum": least + 7.25 })
            }
            7 => json!({ "type": ["string", "null"], "maxLength": 1 + self.below(6) }),
            8 => json!({ "type": "string", "pattern": self.of(&PATTERNS) }),
            // Of the formats llguidance holds the form, and not every length.
            9 => json!({ "type": "string", "format": self.of(&FORMATS), "maxLength": 40 }),
            10 => {
                let least = self.below(4);
                json!({ "type": "string", "minLength": least, "maxLength": least + self.below(5) })
            }
            _ => json!({ "type": ["integer", "boolean"], "minimum": 0, "maximum": 12 }),
        }
    }
}
