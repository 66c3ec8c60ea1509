//! What the metadata of documents says, by path and value, so that a filter looks it up and reads no document.

use rusqlite::{Connection, functions::FunctionFlags};
use serde_json::{Map, Value, json};

/// The table, and what keeps it true. It is filled with the documents that there are.
pub(in crate::store::sqlite) const STEP: &str = "
    CREATE TABLE document_values (
        -- The names that lead there, a JSON list.
        path TEXT NOT NULL,
        -- 'number', 'text', 'boolean', and without a value 'list' and 'object'. What is null is not here. Of a list each number,
        -- text and boolean is here as well.
        type TEXT NOT NULL,
        value ANY NOT NULL,
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        PRIMARY KEY (path, type, value, document)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX values_of_document ON document_values (document);
    CREATE TRIGGER document_comes AFTER INSERT ON documents BEGIN
        INSERT INTO document_values (path, type, value, document)
        SELECT DISTINCT value ->> 0, value ->> 1, value ->> 2, new.number FROM json_each(metadata_values(new.metadata));
    END;
    CREATE TRIGGER metadata_changes AFTER UPDATE OF metadata ON documents BEGIN
        DELETE FROM document_values WHERE document = new.number;
        INSERT INTO document_values (path, type, value, document)
        SELECT DISTINCT value ->> 0, value ->> 1, value ->> 2, new.number FROM json_each(metadata_values(new.metadata));
    END;
    INSERT INTO document_values (path, type, value, document)
    SELECT DISTINCT e.value ->> 0, e.value ->> 1, e.value ->> 2, d.number
    FROM documents AS d, json_each(metadata_values(d.metadata)) AS e;
";

/// Gives a connection `metadata_values`: a JSON list of the rows of a metadata object, each a list of its path, type and value.
/// Where it makes others of it than before, a step has to fill the table anew.
pub(super) fn add_function(connection: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("metadata_values", 1, flags, |context| {
        let metadata: Map<String, Value> = serde_json::from_str(context.get_raw(0).as_str()?)
            .map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
        let mut rows = Vec::new();
        add(&metadata, &mut Vec::new(), &mut rows);
        Ok(Value::Array(rows).to_string())
    })
}

/// Names as the path of a row.
pub(super) fn path<Name: AsRef<str>>(names: &[Name]) -> String {
    Value::from(names.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string()
}

fn add<'a>(object: &'a Map<String, Value>, names: &mut Vec<&'a str>, rows: &mut Vec<Value>) {
    for (name, value) in object {
        names.push(name);
        let path = path(names);
        let mut row = |value: &Value| match value {
            Value::Number(_) => rows.push(json!([path, "number", value])),
            Value::String(_) => rows.push(json!([path, "text", value])),
            Value::Bool(value) => rows.push(json!([path, "boolean", i64::from(*value)])),
            _ => {}
        };
        match value {
            Value::Array(elements) => {
                elements.iter().for_each(&mut row);
                rows.push(json!([path, "list", 0]));
            }
            Value::Object(inner) => {
                rows.push(json!([path, "object", 0]));
                add(inner, names, rows);
            }
            value => row(value),
        }
        names.pop();
    }
}
