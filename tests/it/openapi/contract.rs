//! docs/openapi.yaml, compiled: which answers it allows.

use crate::app::Answer;
use crate::architecture::root;
use http::{HeaderMap, Method};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, OnceLock};

/// The file's path in the repository.
pub(super) const FILE: &str = "docs/openapi.yaml";

/// Headers of the connection, which the document does not name, and the type, which it names in another way.
const UNNAMED_HEADERS: [&str; 4] = ["connection", "content-length", "content-type", "date"];

/// The one content type of all answers.
const JSON: &str = "application/json; charset=utf-8";

/// The document, and what it allows.
pub(super) struct Contract {
    pub(super) document: Document,
    pub(super) operations: Vec<Operation>,
    /// What any path that is not in the document answers, by status.
    unknown: BTreeMap<u16, Arc<Response>>,
    method_not_allowed: Arc<Response>,
}

/// The document as JSON.
pub(super) struct Document(pub(super) Value);

/// An operation.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: Method,
    /// The path, with parameters in braces.
    pub(super) path: String,
    /// Where the operation is in the document.
    pub(super) pointer: String,
    responses: BTreeMap<u16, Arc<Response>>,
}

/// What an answer of one status must be.
struct Response {
    headers: BTreeMap<String, Header>,
    /// The body; `None` if there is none.
    body: Option<Validator>,
}

struct Header {
    value: Validator,
    is_number: bool,
}

/// An answer as the document sees it: operation, status and the code of an error. `none` stands for no operation and no code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) operation: String,
    pub(super) status: u16,
    pub(super) code: String,
}

impl Document {
    fn read() -> Self {
        let text = fs::read_to_string(root().join(FILE)).unwrap();
        Self(serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{FILE}: {error}")))
    }

    /// The node at a JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{FILE} has nothing at {pointer}"))
    }

    /// Where the node at a pointer really is.
    pub(super) fn resolved(&self, pointer: String) -> String {
        match self.at(&pointer)["$ref"].as_str() {
            Some(reference) => self.resolved(reference.strip_prefix('#').unwrap().to_owned()),
            None => pointer,
        }
    }

    /// A validator of the schema at a pointer.
    pub(super) fn validator(&self, pointer: &str) -> Validator {
        let mut schema = self.at(pointer).clone();
        // Where its references lead.
        schema["components"] = self.at("/components").clone();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).unwrap_or_else(|error| panic!("{FILE}, {pointer}: {error}"))
    }

    fn response(&self, pointer: &str) -> Response {
        let response = self.at(pointer);
        let headers = response["headers"].as_object().into_iter().flatten().map(|(name, _)| {
            let pointer = self.resolved(format!("{pointer}/headers/{name}"));
            assert_eq!(self.at(&pointer)["required"], true, "{pointer}");
            let schema = format!("{pointer}/schema");
            let is_number = self.at(&schema)["type"] == "integer";
            (name.clone(), Header { value: self.validator(&schema), is_number })
        });
        let body = response.get("content").map(|content| {
            assert_eq!(
                content.as_object().unwrap().keys().collect::<Vec<_>>(),
                ["application/json"],
                "{pointer}"
            );
            self.validator(&format!("{pointer}/content/application~1json/schema"))
        });
        Response { headers: headers.collect(), body }
    }

    /// The codes of errors that a schema allows, wherever it composes them.
    pub(super) fn codes(&self, pointer: String) -> BTreeSet<String> {
        let pointer = self.resolved(pointer);
        let schema = self.at(&pointer);
        let code = &schema["properties"]["code"];
        let named = code["enum"].as_array().into_iter().flatten().chain(code.get("const"));
        let mut codes: BTreeSet<String> = named.map(|code| code.as_str().unwrap().to_owned()).collect();
        for keyword in ["allOf", "oneOf", "anyOf"] {
            for n in 0..schema[keyword].as_array().map_or(0, Vec::len) {
                codes.extend(self.codes(format!("{pointer}/{keyword}/{n}")));
            }
        }
        codes
    }
}

impl Contract {
    /// The contract, compiled once.
    pub(super) fn get() -> &'static Self {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(Self::compile)
    }

    fn compile() -> Self {
        let document = Document::read();
        let mut compiled: BTreeMap<String, Arc<Response>> = BTreeMap::new();
        let mut response = |pointer: String| {
            let pointer = document.resolved(pointer);
            let compile = || Arc::new(document.response(&pointer));
            Arc::clone(compiled.entry(pointer.clone()).or_insert_with(compile))
        };
        let mut operations = Vec::new();
        for (path, item) in document.at("/paths").as_object().unwrap() {
            for (verb, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters")
            {
                let pointer = format!("/paths/{}/{verb}", path.replace('~', "~0").replace('/', "~1"));
                let statuses = operation["responses"].as_object().unwrap().keys();
                let responses = statuses
                    .map(|status| {
                        (status.parse().unwrap(), response(format!("{pointer}/responses/{status}")))
                    })
                    .collect();
                operations.push(Operation {
                    id: operation["operationId"].as_str().unwrap().to_owned(),
                    method: verb.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    pointer,
                    responses,
                });
            }
        }
        let mut shared = |name: &str| response(format!("/components/responses/{name}"));
        let unknown = BTreeMap::from([(403, shared("Forbidden")), (404, shared("NotFound"))]);
        let method_not_allowed = shared("MethodNotAllowed");
        Self { document, operations, unknown, method_not_allowed }
    }

    /// Every answer that the document names.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for operation in &self.operations {
            for status in operation.responses.keys().copied() {
                let response = self.document.resolved(format!("{}/responses/{status}", operation.pointer));
                let codes = if status < 400 {
                    BTreeSet::from(["none".to_owned()])
                } else {
                    self.document.codes(format!("{response}/content/application~1json/schema"))
                };
                kinds.extend(codes.into_iter().map(|code| Kind {
                    operation: operation.id.clone(),
                    status,
                    code,
                }));
            }
        }
        kinds
    }

    /// The operation of a request: of paths that match, the one with the fewest parameters.
    pub(super) fn operation(&self, method: &Method, path: &str) -> Option<&Operation> {
        let asked = if method == Method::HEAD { &Method::GET } else { method };
        let matching = self.operations.iter().filter(|operation| operation.matches(path));
        matching.filter(|operation| operation.method == asked).min_by_key(|operation| operation.parameters())
    }

    /// Which of the answers it allows this is.
    ///
    /// The reason why it is none of them names places, never what is there: bodies hold codes, secrets and keys.
    pub(super) fn kind(&self, method: &Method, path: &str, answer: &Answer) -> Result<Kind, String> {
        let operation = self.operation(method, path);
        let is_known = self.operations.iter().any(|operation| operation.matches(path));
        let (id, response) = match operation {
            Some(operation) => (operation.id.as_str(), operation.responses.get(&answer.status)),
            None if is_known && answer.status == 405 => ("none", Some(&self.method_not_allowed)),
            None => ("none", self.unknown.get(&answer.status)),
        };
        let wrong = |reason: String| format!("{FILE} does not allow it: {id}, {}: {reason}", answer.status);
        let response = response.ok_or_else(|| wrong("the status is not documented".to_owned()))?;
        let code = response.check(method, answer).map_err(wrong)?;
        if operation.is_none() && answer.status == 404 && code != "route_not_found" {
            return Err(wrong("an unknown route is not `route_not_found`".to_owned()));
        }
        let is_text = percent_decode_str(path).decode_utf8().is_ok();
        if operation.is_some() && code == "route_not_found" && is_text {
            return Err(wrong("the route is missing".to_owned()));
        }
        Ok(Kind { operation: id.to_owned(), status: answer.status, code })
    }
}

impl Operation {
    fn matches(&self, path: &str) -> bool {
        let (template, path): (Vec<_>, Vec<_>) = (self.path.split('/').collect(), path.split('/').collect());
        let same = |(part, segment): (&&str, &&str)| {
            if part.starts_with('{') { !segment.is_empty() } else { part == segment }
        };
        template.len() == path.len() && template.iter().zip(&path).all(same)
    }

    fn parameters(&self) -> usize {
        self.path.matches('{').count()
    }
}

impl Response {
    /// The code of the error; `none` for a success.
    fn check(&self, method: &Method, answer: &Answer) -> Result<String, String> {
        self.check_headers(&answer.headers)?;
        let types: Vec<_> = answer.headers.get_all("content-type").iter().collect();
        let expected: &[&str] = if self.body.is_some() { &[JSON] } else { &[] };
        if types != expected {
            return Err(format!("the content type is {types:?}, not {expected:?}"));
        }
        let Some(body) = self.body.as_ref().filter(|_| method != Method::HEAD) else {
            return if answer.text.is_empty() {
                Ok("none".to_owned())
            } else {
                Err("there is a body".to_owned())
            };
        };
        let json: Value =
            serde_json::from_str(&answer.text).map_err(|_| "the body is not JSON".to_owned())?;
        let errors = body.iter_errors(&json).take(3);
        let errors: Vec<String> = errors
            .map(|error| {
                format!("at `{}`: {} ({})", error.instance_path(), error.masked(), error.schema_path())
            })
            .collect();
        if !errors.is_empty() {
            return Err(errors.join("; "));
        }
        let code = json["code"].as_str().filter(|_| answer.status >= 400);
        Ok(code.unwrap_or("none").to_owned())
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), String> {
        for (name, documented) in &self.headers {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            let [value] = values[..] else {
                return Err(format!("header {name} is there {} times", values.len()));
            };
            let text = value.to_str().map_err(|_| format!("header {name} is not text"))?;
            let value = if documented.is_number {
                text.parse::<i64>().map_or(json!(text), Value::from)
            } else {
                json!(text)
            };
            if !documented.value.is_valid(&value) {
                return Err(format!("header {name} has another value"));
            }
        }
        let unnamed = |name: &str| !UNNAMED_HEADERS.contains(&name) && !self.headers.contains_key(name);
        match headers.keys().find(|name| unnamed(name.as_str())) {
            Some(name) => Err(format!("header {name} is not documented")),
            None => Ok(()),
        }
    }
}
