//! Sentences about the parameters of a path and the argument that reads them.

use super::sentence::{Sentence, contains, nearest, same};
use crate::framework::extract::PathShape;

/// `path-param-unused`: parameters (name, drawing) that the type does not read.
pub const fn path_param_unused(parameters: &[(&str, &str)], shape: Option<PathShape>) -> Sentence {
    let read = match shape {
        // Not a path type: `request-undocumented` speaks.
        None => return Sentence::SILENT,
        Some(PathShape::Named(fields)) => return unread_names(parameters, fields),
        Some(PathShape::Scalar) => 1,
        Some(PathShape::Tuple(count)) => count,
    };
    if read >= parameters.len() {
        return Sentence::SILENT;
    }
    let (name, drawing) = parameters[read];
    Sentence::SILENT
        .and("[route::path-param-unused] no argument reads `{")
        .and(name)
        .and("}`: the path has ")
        .integer(parameters.len() as i64)
        .and(" parameters, the argument takes ")
        .integer(read as i64)
        .and(drawing)
        .and("\n  help: take a tuple of as many values, or a struct that derives `Schema` with a field for each")
}

/// That nothing reads the parameters of a path, whatever the names of the arguments' types.
pub const fn path_unread(parameters: &[(&str, &str)], arguments: &[Option<PathShape>]) -> Sentence {
    let mut at = 0;
    while at < arguments.len() {
        if arguments[at].is_some() {
            return Sentence::SILENT;
        }
        at += 1;
    }
    if parameters.is_empty() {
        return Sentence::SILENT;
    }
    let (name, drawing) = parameters[0];
    Sentence::SILENT
        .and("[route::path-param-unused] no argument reads `{")
        .and(name)
        .and("}`")
        .and(drawing)
        .and("\n  help: take it with an argument `Path(")
        .and(name)
        .and("): Path<String>`, or remove it from the path")
}

const fn unread_names(parameters: &[(&str, &str)], fields: &[&str]) -> Sentence {
    let mut at = 0;
    while at < parameters.len() {
        let (name, drawing) = parameters[at];
        if !contains(fields, name) {
            let say = Sentence::SILENT
                .and("[route::path-param-unused] no field reads `{")
                .and(name)
                .and("}`")
                .and(drawing)
                .and("\n  help: ");
            let near = nearest(name, fields);
            return if near.is_empty() {
                say.and("add a field ")
                    .quoted(name)
                    .and(" to the argument's type, or remove it from the path")
            } else {
                say.and("did you mean `{").and(near).and("}`?")
            };
        }
        at += 1;
    }
    Sentence::SILENT
}

/// `path-param-unknown`: what the type reads and the path does not have.
pub const fn path_param_unknown(
    path: &str,
    parameters: &[(&str, &str)],
    shape: Option<PathShape>,
) -> Sentence {
    let read = match shape {
        None => return Sentence::SILENT,
        Some(PathShape::Named(fields)) => return unknown_fields(path, parameters, fields),
        Some(PathShape::Scalar) => 1,
        Some(PathShape::Tuple(count)) => count,
    };
    if read <= parameters.len() {
        return Sentence::SILENT;
    }
    Sentence::SILENT
        .and("[route::path-param-unknown] the argument reads ")
        .integer(read as i64)
        .and(" values, and `")
        .and(path)
        .and("` has ")
        .integer(parameters.len() as i64)
        .and("\n  help: take as many values as the path has parameters")
}

const fn unknown_fields(path: &str, parameters: &[(&str, &str)], fields: &[&str]) -> Sentence {
    let mut at = 0;
    while at < fields.len() {
        if !has_parameter(parameters, fields[at]) {
            return Sentence::SILENT
                .and("[route::path-param-unknown] no `{")
                .and(fields[at])
                .and("}` in `")
                .and(path)
                .and("` fills the field ")
                .quoted(fields[at])
                .and("\n  help: add the parameter to the path, rename the field, or remove it");
        }
        at += 1;
    }
    Sentence::SILENT
}

const fn has_parameter(parameters: &[(&str, &str)], name: &str) -> bool {
    let mut at = 0;
    while at < parameters.len() {
        if same(parameters[at].0, name) {
            return true;
        }
        at += 1;
    }
    false
}
