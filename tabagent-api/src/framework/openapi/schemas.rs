//! The schemas of a document: by name, each with the Rust type that claims it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::framework::registry::StartError;
use crate::framework::validation::schema::{DEFAULTS_MARK, SchemaList, TYPE_MARK};

/// Named schemas.
#[derive(Debug, Default)]
pub struct Schemas {
    by_name: BTreeMap<String, (String, Value)>,
    errors: Vec<StartError>,
}

impl Schemas {
    /// Adds what `T` refers to, and not `T` itself.
    pub fn add_parts<T: ToSchema>(&mut self) {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        self.add_list(parts);
    }

    /// Adds named schemas.
    pub fn add_list(&mut self, parts: SchemaList) {
        for (name, schema) in parts {
            self.insert(name, schema_value_marked(schema), "a type without #[derive(Schema)]");
        }
    }

    /// Adds what `T` refers to, and not `T` itself; its schema.
    pub fn add_unnamed<T: ToSchema>(&mut self) -> Value {
        self.add_parts::<T>();
        let mut own = schema_value_marked(T::schema());
        self.look_at_defaults(&mut own, std::any::type_name::<T>());
        strip(own)
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
        self.look_at_defaults(&mut schema, &owner);
        let schema = strip(schema);
        match self.by_name.get(&name) {
            Some((_, known)) if *known == schema => {}
            Some((first, _)) => {
                let duplicate = StartError::SchemaDuplicate { name, first: first.clone(), second: owner };
                self.report(duplicate);
            }
            None => {
                self.by_name.insert(name, (owner, schema));
            }
        }
    }

    /// Reports the defaults that break a rule, which are marked in the schema of their type.
    fn look_at_defaults(&mut self, schema: &mut Value, owner: &str) {
        let marked = schema.as_object_mut().and_then(|object| object.remove(DEFAULTS_MARK));
        let Some(Value::Array(broken)) = marked else { return };
        for pair in broken {
            let text = |at: usize| pair[at].as_str().unwrap_or_default().to_owned();
            let (field, message) = (text(0), text(1));
            self.report(StartError::DefaultInvalid { type_name: owner.to_owned(), field, message });
        }
    }

    fn report(&mut self, error: StartError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// The `components.schemas` object, and every name that two types claim and default that breaks its rule.
    pub(crate) fn finish(self) -> (Map<String, Value>, Vec<StartError>) {
        (self.by_name.into_iter().map(|(name, (_, schema))| (name, schema)).collect(), self.errors)
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

/// Removes the marks, at every depth.
fn strip(mut schema: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove(TYPE_MARK);
                object.remove(DEFAULTS_MARK);
                object.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut schema);
    schema
}
