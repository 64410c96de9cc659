//! The manifest as JSON Schema, for editors.

use crate::{common, duration, outside, sections, words};
use bfd_kinds::{Field, KindSpec, Type};
use serde_json::{Map, Value, json};

/// JSON Schema (draft 7) of the whole manifest: what TOML editors read.
///
/// Whatever an editor can know is in it; references, links and what needs more
/// than one field are for `bfd validate`.
pub fn schema(kinds: &[&'static KindSpec]) -> Value {
    let mut properties = Map::new();
    let extends = json!({ "type": "string", "description": sections::EXTENDS });
    properties.insert("extends".to_owned(), extends);
    for section in sections::ALL {
        properties.insert(section.name.to_owned(), table(section.doc, section.fields));
    }
    properties.insert("vars".to_owned(), variables());
    let assembly =
        named(sections::ASSEMBLY.doc, &table(sections::ASSEMBLY.doc, sections::ASSEMBLY.fields));
    properties.insert(sections::ASSEMBLY.name.to_owned(), assembly);
    for spec in kinds {
        let fields: Vec<Field> = spec.fields.iter().chain(common::FIELDS).copied().collect();
        let one = table(spec.doc, &fields);
        let schema = if spec.singleton { one } else { named(spec.doc, &one) };
        properties.insert(spec.name.to_owned(), schema);
    }
    // Not required here: a file may extend one that has the rest.
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bfd manifest",
        "description": "One environment of container services on AWS.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "anyOf": [{ "required": ["environment"] }, { "required": ["extends"] }],
        "definitions": {
            "filled_in": {
                "type": "string",
                "pattern": "\\$\\{",
                "description": "Text with `${var.NAME}`, `${environment.name}` or a reference in it.",
            },
        },
    })
}

/// Tables with names. What lies over a resource of an assembly, `[stack."app/network"]`, has
/// its required fields from there.
fn named(doc: &str, one: &Value) -> Value {
    let mut partial = one.clone();
    if let Some(partial) = partial.as_object_mut() {
        partial.remove("required");
    }
    json!({
        "type": "object",
        "description": doc,
        "propertyNames": { "pattern": "^[a-zA-Z0-9_/-]+$" },
        "patternProperties": { "/": partial },
        "additionalProperties": one,
    })
}

fn table(doc: &str, fields: &[Field]) -> Value {
    let mut schema = object(fields);
    schema["description"] = doc.into();
    schema
}

fn object(fields: &[Field]) -> Value {
    let property = |field: &Field| (field.name.to_owned(), described(field));
    let mut schema = json!({
        "type": "object",
        "properties": fields.iter().map(property).collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn described(field: &Field) -> Value {
    let mut schema = of(&field.ty);
    let effect = words::effect(field.effect);
    let effect = effect.map_or_else(String::new, |effect| format!(" A change {effect}."));
    schema["description"] = format!("{}{effect}", field.doc).into();
    // Defaults are written in TOML; those that editors use are JSON as well.
    if let Some(default) = field.default.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        schema["default"] = default;
    }
    schema
}

fn of(ty: &Type) -> Value {
    match ty {
        Type::Text | Type::Link(_) | Type::File | Type::Path => json!({ "type": "string" }),
        Type::Name { min, max, pattern } => {
            let mut name = json!({ "type": "string", "minLength": min, "maxLength": max });
            if !pattern.regex.is_empty() {
                name["pattern"] = pattern.regex.into();
            }
            or_filled_in(&name)
        }
        Type::OneOf(allowed) => or_filled_in(&json!({ "type": "string", "enum": allowed })),
        Type::Integer { min, max } => {
            let mut integer = json!({ "type": "integer", "minimum": min });
            if *max != i64::MAX {
                integer["maximum"] = (*max).into();
            }
            or_filled_in(&integer)
        }
        Type::Bool => or_filled_in(&json!({ "type": "boolean" })),
        Type::Duration { .. } => {
            or_filled_in(&json!({ "type": "string", "pattern": duration::REGEX }))
        }
        Type::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Type::SecretSource => {
            let mut source = object(outside::SECRET);
            source["minProperties"] = 1.into();
            source["maxProperties"] = 1.into();
            source
        }
        Type::List(item) => or_filled_in(&json!({ "type": "array", "items": of(item) })),
        Type::Map(value) => json!({ "type": "object", "additionalProperties": of(value) }),
        Type::Table(fields) => object(fields),
        Type::Tables(fields) => {
            json!({ "type": "object", "additionalProperties": object(fields) })
        }
        Type::Either(one, other) => json!({ "anyOf": [of(one), of(other)] }),
        Type::Any => json!({}),
    }
}

/// What is no text may still be written as `"${var.NAME}"`.
fn or_filled_in(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "$ref": "#/definitions/filled_in" }] })
}

fn variables() -> Value {
    let scalar = json!({ "type": ["string", "number", "boolean"] });
    let list = json!({ "type": "array", "items": scalar });
    let plain = json!({ "anyOf": [scalar, list] });
    json!({
        "type": "object",
        "description": sections::VARS,
        "additionalProperties": {
            "anyOf": [
                scalar,
                list,
                {
                    "type": "object",
                    "properties": {
                        "env": {
                            "type": "string",
                            "description": "The environment variable that gives the value.",
                        },
                        "default": plain,
                    },
                    "additionalProperties": false,
                },
            ],
        },
    })
}
