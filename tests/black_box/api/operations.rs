//! The operations of the OpenAPI document, with a body that fits each.

use serde_json::{Value, json};

/// One operation of the document.
#[derive(Debug)]
pub struct Operation {
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// The least body that the document allows.
    pub body: Option<Value>,
    /// Whether it needs a caller.
    pub protected: bool,
    /// The names of its query parameters.
    pub query: Vec<String>,
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path item") {
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                body: body(document, operation),
                protected: is_protected(document, operation),
                query: query(operation),
            });
        }
    }
    assert!(found.len() > 20, "the document describes only {} operations", found.len());
    found
}

fn query(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    of_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
}

/// OpenAPI 3.1 §4.8.10: an operation's own `security` overrides the document's; `[]` or `{}` is nobody.
fn is_protected(document: &Value, operation: &Value) -> bool {
    let security = operation.get("security").or_else(|| document.get("security"));
    let choices = security.and_then(Value::as_array);
    choices.is_some_and(|choices| !choices.is_empty() && choices.iter().all(|choice| choice != &json!({})))
}

fn body(document: &Value, operation: &Value) -> Option<Value> {
    let content = operation.get("requestBody")?.get("content")?.as_object()?;
    let media = content.values().next()?;
    if let Some(example) = media.get("example") {
        return Some(example.clone());
    }
    Some(instance(document, media.get("schema")?, 0))
}

/// The least value that a schema allows.
fn instance(document: &Value, schema: &Value, depth: usize) -> Value {
    assert!(depth < 20, "a schema that contains itself: {schema}");
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere");
        return instance(document, target, depth + 1);
    }
    if let Some(example) = schema.get("example").or_else(|| schema.get("default")) {
        return example.clone();
    }
    for key in ["examples", "enum"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|all| all.first()) {
            return first.clone();
        }
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = json!({});
        for part in parts {
            for (key, value) in instance(document, part, depth + 1).as_object().into_iter().flatten() {
                whole[key] = value.clone();
            }
        }
        return whole;
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let choice = choices.iter().find(|choice| choice["type"] != "null").expect("a choice");
            return instance(document, choice, depth + 1);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("array") => json!([instance(document, &schema["items"], depth + 1)]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("string") => json!("text"),
        _ => {
            let mut object = json!({});
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                object[name] = instance(document, &schema["properties"][name], depth + 1);
            }
            object
        }
    }
}
