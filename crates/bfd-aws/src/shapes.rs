//! AWS's own JSON spelling to and from the SDK's types, through the schemas that the SDK ships.
//!
//! Only ECS needs it here, and only this module knows the schema crates, which are young.

use aws_smithy_json::codec::{JsonCodec, JsonCodecSettings};
use aws_smithy_schema::{
    Schema,
    codec::Codec,
    serde::{SerdeError, SerializableStruct, ShapeDeserializer, ShapeSerializer},
};
use aws_smithy_types::date_time::Format;
use bfd_core::Value;
use thiserror::Error;

/// Why JSON is not the shape it was taken for.
#[derive(Debug, Error)]
pub(crate) enum ShapeError {
    #[error("{0}")]
    Wrong(#[from] SerdeError),
    #[error("AWS has no field `{0}` here")]
    UnknownField(String),
    #[error("the SDK wrote what is not JSON")]
    NotJson(#[from] serde_json::Error),
}

fn codec() -> JsonCodec {
    // What the protocol `awsJson1_1` uses.
    let settings = JsonCodecSettings::builder()
        .use_json_name(false)
        .default_timestamp_format(Format::EpochSeconds)
        .build();
    JsonCodec::new(settings)
}

/// Reads a shape of the SDK and refuses fields that it does not have.
///
/// The SDK passes over unknown fields, and so does AWS: a misspelled one would be lost
/// without a word.
pub(crate) fn read<T: SerializableStruct>(
    value: &Value,
    schema: &Schema<'_>,
    read: fn(&mut dyn ShapeDeserializer) -> Result<T, SerdeError>,
) -> Result<T, ShapeError> {
    let text = value.to_string();
    let shape = read(&mut codec().create_deserializer(text.as_bytes()))?;
    let understood = write(schema, &shape)?;
    match lost(value, &understood) {
        Some(path) => Err(ShapeError::UnknownField(path)),
        None => Ok(shape),
    }
}

/// Writes a shape of the SDK in AWS's spelling.
pub(crate) fn write(
    schema: &Schema<'_>,
    shape: &dyn SerializableStruct,
) -> Result<Value, ShapeError> {
    let mut serializer = codec().create_serializer();
    serializer.write_struct(schema, shape)?;
    Ok(serde_json::from_slice(&serializer.finish())?)
}

/// The first field of `asked` that `understood` lacks, as a dotted path.
fn lost(asked: &Value, understood: &Value) -> Option<String> {
    match (asked, understood) {
        (Value::Object(asked), Value::Object(understood)) => {
            asked.iter().filter(|(_, value)| !is_nothing(value)).find_map(|(name, value)| {
                let Some(known) = understood.get(name) else { return Some(name.clone()) };
                lost(value, known).map(|path| format!("{name}.{path}"))
            })
        }
        (Value::Array(asked), Value::Array(understood)) => {
            asked.iter().zip(understood).find_map(|(asked, understood)| lost(asked, understood))
        }
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionInput as Input;
    use serde_json::json;

    fn register(value: &Value) -> Result<Input, ShapeError> {
        read(value, Input::SCHEMA, Input::deserialize)
    }

    #[test]
    fn a_shape_reads_back_as_written() {
        let definition = json!({
            "family": "web",
            "cpu": "256",
            "containerDefinitions": [{
                "name": "web",
                "image": "web:1",
                "essential": true,
                "environment": [{ "name": "A", "value": "1" }],
                "portMappings": [{ "containerPort": 3000, "protocol": "tcp" }],
                "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "/a" } },
                "dockerLabels": { "Any.Name": "x" },
            }],
        });
        let shape = register(&definition).unwrap();
        assert_eq!(
            shape.container_definitions()[0].port_mappings()[0].container_port(),
            Some(3000)
        );
        let mut written = write(Input::SCHEMA, &shape).unwrap();
        // A number that AWS always has.
        written["containerDefinitions"][0].as_object_mut().unwrap().remove("cpu");
        assert_eq!(written, definition);
    }

    #[test]
    fn a_field_that_aws_does_not_have_is_named() {
        let definition = json!({
            "family": "web",
            "containerDefinitions": [{ "name": "web", "healthCheck": { "comand": ["true"] } }],
        });
        let error = register(&definition).unwrap_err();
        assert_eq!(
            error.to_string(),
            "AWS has no field `containerDefinitions.healthCheck.comand` here"
        );
    }
}
