//! The API as a caller sees it, one client a role, and the fixtures made with it.
//!
//! Paths and shapes are those of `openapi/facteur.json`; only this file and the API's own
//! tests know them.

use super::http::{self, Answer};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The password of every mailbox in tests.
pub const PASSWORD: &str = "open-sesame-7";

/// A caller of the API.
#[derive(Debug, Clone)]
pub struct Api {
    address: SocketAddr,
    token: Option<String>,
}

/// A mailbox made for a test.
#[derive(Debug, Clone)]
pub struct Mailbox {
    pub id: String,
    pub address: String,
}

impl Api {
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { address, token }
    }

    /// The same server, seen by the user who signs in.
    pub fn sign_in(&self, name: &str, password: &str) -> Self {
        let answer = self.post("/v1/sign-in", &json!({"name": name, "password": password}));
        assert!(matches!(answer.status, 200 | 201), "sign in: {answer:?}");
        let token = answer.json()["access_token"].as_str().expect("an access token").to_owned();
        Self { address: self.address, token: Some(token) }
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = headers.to_vec();
        headers.extend(bearer.as_deref().map(|value| ("Authorization", value)));
        http::request(self.address, method, path, &headers, body)
    }

    /// Sends a document of another kind than JSON.
    pub fn send(&self, path: &str, media: &str, document: &str) -> Answer {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.as_deref().map(|value| ("Authorization", value)).into_iter().collect();
        http::request_as(self.address, "POST", path, &headers, media, document)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[], Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.request("PATCH", path, &[], Some(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, &[], None)
    }

    /// Makes something that must be made, and returns the answer's body.
    pub fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 201, "POST {path} {body}: {}", answer.text());
        answer.json()
    }

    /// A change that must succeed; returns the answer's body.
    pub fn change(&self, path: &str, body: &Value) -> Value {
        let answer = self.patch(path, body);
        assert_eq!(answer.status, 200, "PATCH {path} {body}: {}", answer.text());
        answer.json()
    }

    pub fn domain(&self, name: &str) -> String {
        id(&self.make("/v1/domains", &json!({"name": name})))
    }

    /// A mailbox in a domain that exists.
    pub fn mailbox(&self, address: &str) -> Mailbox {
        self.mailbox_with(address, json!({}))
    }

    /// A mailbox with further fields of its creation.
    pub fn mailbox_with(&self, address: &str, mut fields: Value) -> Mailbox {
        fields["address"] = json!(address);
        if fields.get("password").is_none() {
            fields["password"] = json!(PASSWORD);
        }
        Mailbox { id: id(&self.make("/v1/mailboxes", &fields)), address: address.to_owned() }
    }

    /// Sets one protocol of a mailbox; the answer's body.
    pub fn protocol(&self, mailbox: &Mailbox, protocol: &str, state: &str) -> Value {
        self.change(&format!("/v1/mailboxes/{}/protocols", mailbox.id), &json!({protocol: {"state": state}}))
    }

    /// The live sessions of a mailbox.
    pub fn sessions(&self, mailbox: &Mailbox) -> Vec<Value> {
        let answer = self.get(&format!("/v1/mailboxes/{}/sessions", mailbox.id));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].as_array().expect("a list").clone()
    }
}

/// The id of what an answer shows.
pub fn id(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}
