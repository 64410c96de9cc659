use bfd_kinds::{Field, Type};
use bfd_manifest::{reference, schema};

#[test]
fn every_field_is_in_the_schema_and_in_the_reference() {
    let schema = schema(bfd_kinds::all());
    let page = reference(bfd_kinds::all());
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    for section in ["extends", "environment", "provider", "state", "rollback", "guard", "vars"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    for spec in bfd_kinds::all() {
        let kind = &schema["properties"][spec.name];
        let table = if spec.singleton { kind } else { &kind["additionalProperties"] };
        assert_eq!(table["additionalProperties"], false, "{}", spec.name);
        assert!(table["properties"]["depends_on"].is_object());
        check(spec.fields, table, &page);
        for action in spec.actions {
            assert!(page.contains(&format!("`{action}`")), "{action}");
        }
        for output in spec.outputs {
            assert!(page.contains(&format!("| `{}`", output.name)), "{}", output.name);
        }
    }
}

fn check(fields: &[Field], table: &serde_json::Value, page: &str) {
    for field in fields {
        let described = &table["properties"][field.name];
        let doc = described["description"].as_str().expect("every field has a description");
        assert!(doc.starts_with(field.doc), "{}", field.name);
        assert!(page.contains(&format!("| `{}` |", field.name)), "{}", field.name);
        let required = table["required"].as_array().into_iter().flatten();
        assert_eq!(required.into_iter().any(|name| name == field.name), field.required);
        match field.ty {
            Type::Table(inner) => check(inner, described, page),
            Type::Tables(inner) => check(inner, &described["additionalProperties"], page),
            _ => {}
        }
    }
}

#[test]
fn the_sections_of_the_reference_read_like_this() {
    let page = reference(bfd_kinds::all());
    let end = page.find("## coordinator").expect("kinds follow the sections");
    insta::assert_snapshot!(&page[..end]);
    let cluster = page.find("## cluster").expect("a cluster is a kind");
    let next = page[cluster + 3..].find("\n## ").map_or(page.len(), |at| cluster + 3 + at);
    insta::assert_snapshot!(&page[cluster..next]);
}
