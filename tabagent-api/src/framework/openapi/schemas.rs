//! The schemas of a document: by name, each with the Rust type that claims it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::framework::registry::StartError;

/// Extension with which `#[derive(Schema)]` marks a schema; it never reaches the document.
const TYPE_MARK: &str = "x-rust-type";

/// Named schemas.
#[derive(Debug, Default)]
pub struct Schemas {
    by_name: BTreeMap<String, (String, Value)>,
    duplicates: Vec<StartError>,
}

impl Schemas {
    /// Adds what `T` refers to, and not `T` itself.
    pub fn add_parts<T: ToSchema>(&mut self) {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        for (name, schema) in parts {
            self.insert(name, schema_value_marked(schema), "a type without #[derive(Schema)]");
        }
    }

    /// Adds `T` and all that it refers to; the schema to put where a `T` stands.
    pub fn add<T: ToSchema>(&mut self) -> Value {
        self.add_parts::<T>();
        let own = schema_value_marked(T::schema());
        if own.get("$ref").is_some() || !is_named(&own) {
            return strip(own);
        }
        let name = T::name().into_owned();
        self.insert(name.clone(), own, std::any::type_name::<T>());
        serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn insert(&mut self, name: String, mut schema: Value, fallback: &str) {
        let marked = schema.as_object_mut().and_then(|object| object.remove(TYPE_MARK));
        let owner = match marked {
            Some(Value::String(owner)) => owner,
            _ => fallback.to_owned(),
        };
        let schema = strip(schema);
        match self.by_name.get(&name) {
            Some((_, known)) if *known == schema => {}
            Some((first, _)) => {
                let duplicate = StartError::SchemaDuplicate { name, first: first.clone(), second: owner };
                if !self.duplicates.contains(&duplicate) {
                    self.duplicates.push(duplicate);
                }
            }
            None => {
                self.by_name.insert(name, (owner, schema));
            }
        }
    }

    /// The `components.schemas` object, or every name that two types claim.
    pub(crate) fn finish(self) -> (Map<String, Value>, Vec<StartError>) {
        (self.by_name.into_iter().map(|(name, (_, schema))| (name, schema)).collect(), self.duplicates)
    }
}

/// Objects, enums and compositions are named; a bare string, number, array or anything stands where it is used.
fn is_named(schema: &Value) -> bool {
    schema.get(TYPE_MARK).is_some()
        || ["properties", "oneOf", "anyOf", "allOf", "enum"].iter().any(|key| schema.get(key).is_some())
}

fn schema_value_marked(schema: RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or(Value::Bool(true))
}

/// A schema as JSON, for where it stands without a name.
pub fn schema_value(schema: RefOr<Schema>) -> Value {
    strip(schema_value_marked(schema))
}

/// Removes the type marks, at every depth.
fn strip(mut schema: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove(TYPE_MARK);
                object.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut schema);
    schema
}
