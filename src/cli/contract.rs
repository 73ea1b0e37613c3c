//! The API as the command line sees it: read from the OpenAPI document, never written down a second time.
//!
//! Every operation below `/v1` becomes one command, its parameters and body members become flags. This file
//! knows JSON Schema only as far as that document uses it. Invariant: a document that this binary makes is
//! read whole; what cannot be a flag is still reachable as JSON (`Kind::Json`).

use serde_json::Value;
use std::collections::BTreeMap;

/// How deep members of members become flags (`--pop3.policy.on-delete`).
const DEPTH: usize = 4;

/// What a flag takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that must not stand on a command line or screen.
    Secret,
    /// A whole number; octets may carry K, M, G or T.
    Whole,
    /// `true` or `false`.
    Truth,
    /// One of these words.
    Choice(Vec<String>),
    /// Several texts.
    Texts,
    /// The id of an object of this collection (`domains`), or a name that leads to it.
    Object(String),
    /// Anything, as JSON.
    Json,
}

/// A parameter or a member of the body.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its place: member names from the outside in; one name for a parameter.
    pub place: Vec<String>,
    /// What it takes.
    pub kind: Kind,
    /// What the document says of it.
    pub help: String,
    /// Whether the operation cannot do without it.
    pub required: bool,
    /// Whether `none` (JSON `null`) may be said.
    pub nullable: bool,
}

impl Field {
    /// The flag's name: `--pop3.policy.on-delete` without the dashes in front.
    pub fn flag(&self) -> String {
        self.place.join(".").replace('_', "-").to_lowercase()
    }

    /// A shorter name where the last word says nothing new: `--pop3` for `protocols.pop3.state`.
    pub fn short_name(&self) -> Option<&str> {
        match self.place.as_slice() {
            [.., name, last] if last == "state" || last == "bytes" => Some(name),
            _ => None,
        }
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The words that call it: `["mailbox", "protocols", "update"]`.
    pub words: Vec<String>,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its placeholders.
    pub path: String,
    /// The document's summary and description.
    pub about: String,
    /// The objects that the path names, in order.
    pub arguments: Vec<Field>,
    /// Query parameters.
    pub query: Vec<Field>,
    /// Request headers.
    pub headers: Vec<Field>,
    /// Members of the body.
    pub body: Vec<Field>,
    /// Whether it takes a body.
    pub has_body: bool,
    /// Whether it answers with pages.
    pub lists: bool,
}

/// The whole document, as operations and look-ups by name.
#[derive(Debug)]
pub struct Contract {
    /// Every operation that is a command.
    pub operations: Vec<Operation>,
    /// Collection -> path that finds one of its objects by name (`/v1/domains/by-name/{name}`).
    pub look_ups: BTreeMap<String, String>,
}

impl Contract {
    /// Reads an OpenAPI document.
    pub fn read(document: &Value) -> Self {
        let empty = serde_json::Map::new();
        let paths = document["paths"].as_object().unwrap_or(&empty);
        let look_ups = paths.keys().filter_map(|path| look_up(path)).collect();
        let known: Vec<&str> = paths.keys().map(String::as_str).collect();
        let operations = paths
            .iter()
            .filter(|(path, _)| is_command(path))
            .flat_map(|(path, methods)| methods.as_object().into_iter().flatten().map(move |(m, op)| (path, m, op)))
            .map(|(path, method, operation)| Reader { document, known: &known }.operation(path, method, operation))
            .collect();
        Self { operations, look_ups }
    }
}

/// `/v1/domains/by-name/{name}` finds a domain.
fn look_up(path: &str) -> Option<(String, String)> {
    let mut segments = path.strip_prefix("/v1/")?.split('/');
    let (collection, by) = (segments.next()?, segments.next()?);
    by.starts_with("by-").then(|| (collection.to_owned(), path.to_owned()))
}

/// Whether a path's operations are commands: sign-in has commands of its own, look-ups happen by themselves.
fn is_command(path: &str) -> bool {
    path.strip_prefix("/v1/").is_some_and(|rest| !rest.starts_with("sign-") && !rest.contains("/by-"))
}

fn is_placeholder(segment: &str) -> bool {
    segment.starts_with('{')
}

/// `mailboxes` -> `mailbox`, `aliases` -> `alias`.
fn singular(word: &str) -> String {
    ["xes", "ses"]
        .iter()
        .find_map(|end| word.strip_suffix(end).map(|stem| format!("{stem}{}", &end[..1])))
        .unwrap_or_else(|| word.strip_suffix('s').unwrap_or(word).to_owned())
}

struct Reader<'a> {
    document: &'a Value,
    known: &'a [&'a str],
}

impl Reader<'_> {
    fn operation(&self, path: &str, method: &str, operation: &Value) -> Operation {
        let parameters = || operation["parameters"].as_array().into_iter().flatten();
        let of = |place: &'static str| parameters().filter(move |p| p["in"] == place).map(|p| self.parameter(p));
        let schema = self.resolved(&operation["requestBody"]["content"]["application/json"]["schema"]);
        let mut body = Vec::new();
        self.members(&schema, &mut Vec::new(), &mut body);
        let answer = ["200", "201"].iter().find_map(|code| {
            let schema = &operation["responses"][code]["content"]["application/json"]["schema"];
            (!schema.is_null()).then(|| self.resolved(schema))
        });
        let lists = method == "get" && answer.is_some_and(|a| !a["properties"]["next_cursor"].is_null());
        Operation {
            words: self.words(path, method),
            method: method.to_uppercase(),
            path: path.to_owned(),
            about: about(operation),
            arguments: self.arguments(path, parameters().filter(|p| p["in"] == "path")),
            query: of("query").collect(),
            headers: of("header").collect(),
            has_body: operation["requestBody"].is_object(),
            body,
            lists,
        }
    }

    /// What to say to call it: the path's words, and a verb where the path alone does not say what happens.
    fn words(&self, path: &str, method: &str) -> Vec<String> {
        let segments: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let mut words = Vec::new();
        let mut so_far = "/v1".to_owned();
        for segment in &segments {
            so_far = format!("{so_far}/{segment}");
            if !is_placeholder(segment) {
                let (word, action) = segment.split_once(':').map_or((*segment, None), |(w, a)| (w, Some(a)));
                let collection = so_far.split(':').next().unwrap_or_default();
                words.push(if self.is_collection(collection) { singular(word) } else { word.to_owned() });
                words.extend(action.map(str::to_owned));
            }
        }
        let last = segments.last().copied().unwrap_or_default();
        words.extend(self.verb(path, last, method).map(str::to_owned));
        words
    }

    fn verb(&self, path: &str, last: &str, method: &str) -> Option<&'static str> {
        let action = last.contains(':') || (!self.is_collection(path) && !is_placeholder(last));
        match method {
            "patch" | "put" => Some("update"),
            "delete" => Some("delete"),
            "post" if action && !self.has(path, "get") => None,
            "post" => Some("create"),
            "get" if is_placeholder(last) => Some("show"),
            "get" if self.is_collection(path) => Some("list"),
            "get" if ["patch", "put", "post", "delete"].iter().any(|other| self.has(path, other)) => Some("show"),
            _ => None,
        }
    }

    fn has(&self, path: &str, method: &str) -> bool {
        !self.document["paths"][path][method].is_null()
    }

    /// Whether objects stand below the path: `/v1/domains`, because there is `/v1/domains/{id}`.
    fn is_collection(&self, path: &str) -> bool {
        self.known.iter().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.starts_with("/{")))
    }

    fn arguments<'v>(&self, path: &str, parameters: impl Iterator<Item = &'v Value>) -> Vec<Field> {
        let mut named: BTreeMap<String, Field> =
            parameters.map(|p| (p["name"].as_str().unwrap_or_default().to_owned(), self.parameter(p))).collect();
        let segments: Vec<&str> = path.split('/').collect();
        let mut arguments = Vec::new();
        for pair in segments.windows(2).filter(|pair| is_placeholder(pair[1])) {
            let name = pair[1].trim_matches(['{', '}']);
            let help = format!("the {}", singular(pair[0]));
            let mut field = named.remove(name).unwrap_or(Field {
                place: vec![name.to_owned()],
                kind: Kind::Text,
                help: String::new(),
                required: true,
                nullable: false,
            });
            field.place = vec![singular(pair[0])];
            field.help = help;
            field.kind = Kind::Object(pair[0].to_owned());
            field.required = true;
            arguments.push(field);
        }
        arguments
    }

    fn parameter(&self, parameter: &Value) -> Field {
        let schema = &parameter["schema"];
        Field {
            place: vec![parameter["name"].as_str().unwrap_or_default().to_owned()],
            kind: self.kind(schema, ""),
            help: parameter["description"].as_str().unwrap_or_default().to_owned(),
            required: parameter["required"] == true,
            nullable: false,
        }
    }

    /// Adds a flag for every member, and for members of members.
    fn members(&self, schema: &Value, place: &mut Vec<String>, into: &mut Vec<Field>) {
        let required = |name: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|n| n == name));
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let resolved = self.resolved(member);
            place.push(name.clone());
            if resolved["properties"].is_object() && place.len() < DEPTH {
                self.members(&resolved, place, into);
            } else {
                into.push(Field {
                    place: place.clone(),
                    kind: self.kind(member, name),
                    help: description(member, &resolved),
                    required: place.len() == 1 && required(name),
                    nullable: is_nullable(member),
                });
            }
            place.pop();
        }
    }

    fn kind(&self, schema: &Value, name: &str) -> Kind {
        if let Some(object) = schema["$ref"].as_str().and_then(object_of) {
            return Kind::Object(object);
        }
        let schema = self.resolved(schema);
        let words = |values: &Value| {
            values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let type_of = schema["type"].as_str().or_else(|| schema["type"].as_array().and_then(|t| t.first()?.as_str()));
        match type_of {
            Some("string") if schema["enum"].is_array() => Kind::Choice(words(&schema["enum"])),
            Some("string") if ["password", "current_password", "secret"].contains(&name) => Kind::Secret,
            Some("string") => Kind::Text,
            Some("integer") => Kind::Whole,
            Some("boolean") => Kind::Truth,
            Some("array") if self.resolved(&schema["items"])["type"] == "string" => Kind::Texts,
            _ => Kind::Json,
        }
    }

    /// The schema behind references; the first that is not null of a choice; all parts of a whole as one.
    fn resolved(&self, schema: &Value) -> Value {
        let mut now = schema.clone();
        // A document of ours nests a few references; the bound keeps a circle from holding us.
        for _ in 0..8 {
            if let Some(name) = now["$ref"].as_str() {
                now = self.document.pointer(name.trim_start_matches('#')).cloned().unwrap_or(Value::Null);
            } else if let Some(choice) = now["oneOf"].as_array().or_else(|| now["anyOf"].as_array()) {
                match choice.iter().find(|s| s["type"] != "null") {
                    Some(first) if choice.len() <= 2 => now = first.clone(),
                    _ => return now,
                }
            } else if let Some(parts) = now["allOf"].as_array() {
                return self.joined(parts);
            } else {
                return now;
            }
        }
        now
    }

    fn joined(&self, parts: &[Value]) -> Value {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for part in parts {
            let part = self.resolved(part);
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        serde_json::json!({"type": "object", "properties": properties, "required": required})
    }
}

/// `#/components/schemas/DomainId` -> `domains`.
fn object_of(reference: &str) -> Option<String> {
    let stem = reference.rsplit('/').next()?.strip_suffix("Id")?.to_lowercase();
    Some(if stem.ends_with('x') || stem.ends_with('s') { format!("{stem}es") } else { format!("{stem}s") })
}

fn is_nullable(schema: &Value) -> bool {
    let null = |list: &Value| list.as_array().is_some_and(|l| l.iter().any(|s| s == "null" || s["type"] == "null"));
    null(&schema["type"]) || null(&schema["oneOf"])
}

fn description(member: &Value, resolved: &Value) -> String {
    let inner = member["oneOf"].as_array().and_then(|choice| choice.iter().find_map(|s| s["description"].as_str()));
    let text = member["description"].as_str().or(inner).or(resolved["description"].as_str());
    text.unwrap_or_default().trim_end_matches('.').to_owned()
}

fn about(operation: &Value) -> String {
    let part = |name: &str| operation[name].as_str().unwrap_or_default().trim().to_owned();
    match (part("summary"), part("description")) {
        (summary, detail) if detail.is_empty() || detail == summary => summary,
        (summary, detail) => format!("{summary}\n\n{detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        Contract::read(&serde_json::from_str(&crate::api::openapi_json()).unwrap())
    }

    fn operation(words: &str) -> Operation {
        let contract = contract();
        let found = contract.operations.iter().find(|o| o.words.join(" ") == words).cloned();
        found.unwrap_or_else(|| {
            panic!(
                "{words} is no command: {:?}",
                contract.operations.iter().map(|o| o.words.join(" ")).collect::<Vec<_>>()
            )
        })
    }

    #[test]
    fn paths_become_words() {
        for (words, method, path) in [
            ("mailbox list", "GET", "/v1/mailboxes"),
            ("mailbox create", "POST", "/v1/mailboxes"),
            ("alias show", "GET", "/v1/aliases/{id}"),
            ("domain delete", "DELETE", "/v1/domains/{id}"),
            ("mailbox protocols show", "GET", "/v1/mailboxes/{id}/protocols"),
            ("mailbox protocols update", "PATCH", "/v1/mailboxes/{id}/protocols"),
            ("mailbox suspension create", "POST", "/v1/mailboxes/{id}/suspensions"),
            ("mailbox suspension delete", "DELETE", "/v1/mailboxes/{id}/suspensions/{suspension}"),
            ("mailbox session list", "GET", "/v1/mailboxes/{id}/sessions"),
            ("mailbox usage", "GET", "/v1/mailboxes/{id}/usage"),
            ("revision list", "GET", "/v1/revisions"),
        ] {
            let found = operation(words);
            assert_eq!((found.method.as_str(), found.path.as_str()), (method, path), "{words}");
        }
    }

    #[test]
    fn no_two_operations_have_the_same_words() {
        let contract = contract();
        let mut words: Vec<String> = contract.operations.iter().map(|o| o.words.join(" ")).collect();
        words.sort();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    #[test]
    fn members_become_flags() {
        let create = operation("mailbox create");
        let field = |flag: &str| create.body.iter().find(|f| f.flag() == flag).unwrap_or_else(|| panic!("no {flag}"));
        assert!(field("address").required);
        assert_eq!(field("password").kind, Kind::Secret);
        assert_eq!(field("quota.bytes").kind, Kind::Whole);
        let Kind::Choice(words) = &field("protocols.pop3.state").kind else { panic!("a choice") };
        assert_eq!(words, &["inherit", "enabled", "disabled"]);
        assert!(
            operation("alias create").body.iter().any(|field| field.flag() == "targets" && field.kind == Kind::Texts)
        );
        assert_eq!(
            operation("mailbox list").query.iter().find(|f| f.flag() == "domain").unwrap().kind,
            Kind::Object("domains".into())
        );
        assert!(operation("mailbox list").lists && !operation("mailbox show").lists);
    }

    #[test]
    fn names_lead_to_objects() {
        assert_eq!(contract().look_ups["mailboxes"], "/v1/mailboxes/by-address/{address}");
        assert_eq!(contract().look_ups["domains"], "/v1/domains/by-name/{name}");
    }
}
