//! The directives of transcripts that arrange something: mailboxes, mail, settings.

use crate::support::{Api, Mailbox, Server};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// What the directives of one transcript have made.
pub struct Fixtures {
    operator: Api,
    domains: HashSet<String>,
    mailboxes: HashMap<String, Mailbox>,
    suspensions: HashMap<String, String>,
}

impl Fixtures {
    pub fn new(operator: Api) -> Self {
        Self { operator, domains: HashSet::new(), mailboxes: HashMap::new(), suspensions: HashMap::new() }
    }

    /// Carries out one directive.
    pub fn directive(&mut self, server: &Server, words: &[&str], body: &[&str]) -> Result<(), String> {
        match words {
            ["mailbox", address, settings @ ..] => self.mailbox(address, settings)?,
            ["alias", address, targets] => {
                self.domain_of(address);
                let targets: Vec<&str> = targets.split(',').collect();
                self.operator.make("/v1/aliases", &json!({"address": address, "targets": targets}));
            }
            ["deliver", address, file] => {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages").join(file);
                let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                deliver(server, address, &text)?;
            }
            ["deliver", address] => deliver(server, address, &(body.join("\n") + "\n"))?,
            ["protocol", address, protocol, state] => {
                self.operator.protocol(self.known(address)?, protocol, state);
            }
            ["suspend", address, scope] => {
                let path = format!("/v1/mailboxes/{}/suspensions", self.known(address)?.id);
                let made = self.operator.make(&path, &json!({"scope": scope, "reason": "transcript"}));
                self.suspensions.insert((*address).to_owned(), format!("{path}/{}", crate::support::api::id(&made)));
            }
            ["unsuspend", address] => {
                let path = self.suspensions.remove(*address).ok_or("it is not suspended")?;
                let answer = self.operator.delete(&path);
                assert!(matches!(answer.status, 200 | 204), "lift the suspension: {}", answer.text());
            }
            ["password", address, new] => {
                let path = format!("/v1/mailboxes/{}", self.known(address)?.id);
                self.operator.change(&path, &json!({"password": new}));
            }
            _ => return Err("no directive of this form".to_owned()),
        }
        Ok(())
    }

    fn known(&self, address: &str) -> Result<&Mailbox, String> {
        self.mailboxes.get(address).ok_or_else(|| format!("no @mailbox {address} above"))
    }

    fn domain_of(&mut self, address: &str) {
        let domain = address.rsplit('@').next().unwrap_or_default().to_owned();
        if self.domains.insert(domain.clone()) {
            self.operator.domain(&domain);
        }
    }

    fn mailbox(&mut self, address: &str, settings: &[&str]) -> Result<(), String> {
        self.domain_of(address);
        let mut fields = json!({});
        for setting in settings {
            let (key, value) = setting.split_once('=').ok_or("a setting is key=value")?;
            match key {
                "password" => fields["password"] = json!(value),
                "quota_bytes" => fields["quota"]["bytes"] = number(value)?,
                "quota_messages" => fields["quota"]["messages"] = number(value)?,
                "imap" | "pop3" | "submission" => fields["protocols"][key]["state"] = json!(value),
                "on_delete" => fields["protocols"]["pop3"]["policy"]["on_delete"] = json!(value),
                _ => return Err(format!("no setting {key}")),
            }
        }
        self.mailboxes.insert(address.to_owned(), self.operator.mailbox_with(address, fields));
        Ok(())
    }
}

fn number(text: &str) -> Result<Value, String> {
    text.parse::<u64>().map(|number| json!(number)).map_err(|error| error.to_string())
}

fn deliver(server: &Server, address: &str, text: &str) -> Result<(), String> {
    let reply = server.mx().deliver("grace@remote.example", &[address], text);
    if reply.starts_with("250") { Ok(()) } else { Err(format!("delivery: {reply}")) }
}
