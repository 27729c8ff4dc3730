//! The examples of docs/api.md against the OpenAPI document: each is valid and has no member that
//! the document does not describe.

mod common;

use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/api.md");

/// Returns the texts of the page's blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("\n```{language}\n");
    let parts = PAGE.split(fence.as_str()).skip(1);
    parts
        .map(|part| part.split("\n```").next().unwrap_or_default())
        .collect()
}

/// Reads an example; an ellipsis at the end of a list stands for more of its items.
fn read(example: &str) -> Value {
    let whole = example.replace(",\n  ...]", "]");
    serde_json::from_str(&whole).unwrap_or_else(|e| panic!("{e}: {example}"))
}

/// Returns the operation of a request line: the path's parameters match one segment each.
fn operation<'d>(document: &'d Value, method: &str, target: &str) -> &'d Value {
    let path: Vec<&str> = target
        .split('?')
        .next()
        .unwrap_or_default()
        .split('/')
        .collect();
    let paths = document["paths"].as_object().expect("paths");
    let described = paths.iter().find(|(template, _)| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == path.len()
            && template
                .iter()
                .zip(&path)
                .all(|(wanted, got)| wanted.starts_with('{') || wanted == got)
    });
    let (_, item) = described.unwrap_or_else(|| panic!("no path {target}"));
    &item[method.to_lowercase()]
}

/// Returns the schema of a request's or a response's body.
fn schema(body: &Value) -> &Value {
    let content = body["content"].as_object().expect("a body");
    &content.values().next().expect("a media type")["schema"]
}

/// Returns the members of a value, with their paths, that the schema does not describe.
fn unknown(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let alternatives = variants(document, schema);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}.{name}");
                let open =
                    |s: &&Value| s["properties"].is_null() || s["additionalProperties"].is_object();
                let described = alternatives
                    .iter()
                    .find(|s| s["properties"].get(name).is_some());
                match described {
                    Some(s) => unknown(document, &s["properties"][name], member, &at, found),
                    None if alternatives.iter().any(open) => {}
                    None => found.push(at),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for s in &alternatives {
                    if !s["items"].is_null() {
                        unknown(
                            document,
                            &s["items"],
                            item,
                            &format!("{at}[{index}]"),
                            found,
                        );
                    }
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns a schema, or the alternatives that it lists, without references.
fn variants<'d>(document: &'d Value, schema: &'d Value) -> Vec<&'d Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return variants(document, target.expect("a described schema"));
    }
    let listed = ["oneOf", "anyOf", "allOf"]
        .iter()
        .filter_map(|key| schema[key].as_array())
        .flatten();
    let inner: Vec<_> = listed.flat_map(|s| variants(document, s)).collect();
    if inner.is_empty() || !schema["properties"].is_null() {
        std::iter::once(schema).chain(inner).collect()
    } else {
        inner
    }
}

/// Fails unless the example is valid and described.
fn check(document: &Value, schema: &Value, example: &str) {
    let value = read(example);
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&whole).expect("a schema");
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{example}: {errors:?}");
    let mut found = Vec::new();
    unknown(document, schema, &value, "", &mut found);
    assert!(found.is_empty(), "{example}: not described: {found:?}");
}

#[tokio::test]
async fn requests_and_responses() {
    let document = serde_json::to_value(common::api().1).expect("JSON");
    let mut checked = 0;
    for block in blocks("http") {
        let mut current = &Value::Null;
        for part in block.split("\n\n") {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            let described = if let Some((method, target)) = head.split_once(' ') {
                current = operation(&document, method, target);
                &current["requestBody"]
            } else {
                &current["responses"][head]
            };
            assert!(!current.is_null(), "no operation: {block}");
            if !body.is_empty() {
                check(&document, schema(described), body);
                checked += 1;
            } else if !head.contains(' ') {
                assert!(!described.is_null(), "no response {head}: {block}");
            }
        }
    }
    assert!(checked > 15, "only {checked} bodies");
}

#[tokio::test]
async fn problems_and_readiness() {
    let document = serde_json::to_value(common::api().1).expect("JSON");
    let refused = &document["paths"]["/v1/escalations"]["post"]["responses"]["403"];
    let ready = &document["paths"]["/readyz"]["get"]["responses"]["200"];
    for block in blocks("json") {
        let response = if block.contains("\"code\"") {
            refused
        } else {
            ready
        };
        check(&document, schema(response), block);
    }
}
