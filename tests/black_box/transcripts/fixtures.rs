//! The directives of transcripts that arrange something: mailboxes, mail, settings.

use crate::support::{Api, Mailbox, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the directives of one transcript have made.
pub struct Fixtures {
    operator: Api,
    domains: HashMap<String, String>,
    aliases: HashMap<String, String>,
    mailboxes: HashMap<String, Mailbox>,
    suspensions: HashMap<String, String>,
}

impl Fixtures {
    pub fn new(operator: Api) -> Self {
        Self {
            operator,
            domains: HashMap::new(),
            aliases: HashMap::new(),
            mailboxes: HashMap::new(),
            suspensions: HashMap::new(),
        }
    }

    /// Carries out one directive.
    pub fn directive(&mut self, server: &Server, words: &[&str], body: &[&str]) -> Result<(), String> {
        match words {
            ["mailbox", address, settings @ ..] => self.mailbox(address, settings)?,
            ["domain", name, settings @ ..] => self.domain(name, settings)?,
            ["alias", address, targets, settings @ ..] => self.alias(address, targets, settings)?,
            ["expire", address] => self.expire(server, address)?,
            ["delete", address, settings @ ..] => {
                let query = settings.first().map(|setting| format!("?{setting}")).unwrap_or_default();
                let answer = self.operator.delete(&format!("/v1/mailboxes/{}{query}", self.known(address)?.id));
                assert!(matches!(answer.status, 200 | 204), "delete {address}: {}", answer.text());
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
        if !self.domains.contains_key(&domain) {
            let id = self.operator.domain(&domain);
            self.domains.insert(domain, id);
        }
    }

    fn domain(&mut self, name: &str, settings: &[&str]) -> Result<(), String> {
        let mut fields = json!({});
        for setting in settings {
            match setting.split_once('=').ok_or("a setting is key=value")? {
                ("alias_of", other) => {
                    let other = self.domains.get(other).ok_or_else(|| format!("no domain {other} above"))?;
                    let made = self.operator.make("/v1/domains", &json!({"name": name, "alias_of": other}));
                    self.domains.insert(name.to_owned(), crate::support::api::id(&made));
                }
                (key @ ("catch_all" | "reserved_to"), value) => fields[key] = nothing_or(value),
                ("separator", value) => fields["subaddress_separator"] = nothing_or(value),
                (key, _) => return Err(format!("no setting {key}")),
            }
        }
        self.domain_of(name);
        if fields != json!({}) {
            self.operator.change(&format!("/v1/domains/{}", self.domains[name]), &fields);
        }
        Ok(())
    }

    fn alias(&mut self, address: &str, targets: &str, settings: &[&str]) -> Result<(), String> {
        self.domain_of(address);
        let mut fields = json!({"address": address, "targets": targets.split(',').collect::<Vec<_>>()});
        for setting in settings {
            match setting.split_once('=').ok_or("a setting is key=value")? {
                ("who_may_post", value) => fields["who_may_post"] = json!(value),
                ("posters", value) => fields["posters"] = json!(value.split(',').collect::<Vec<_>>()),
                (key, _) => return Err(format!("no setting {key}")),
            }
        }
        let made = self.operator.make("/v1/aliases", &fields);
        self.aliases.insert(address.to_owned(), crate::support::api::id(&made));
        Ok(())
    }

    /// Lets a mailbox or an alias end, and waits until mail for it is refused.
    fn expire(&mut self, server: &Server, address: &str) -> Result<(), String> {
        let path = match self.aliases.get(address) {
            Some(id) => format!("/v1/aliases/{id}"),
            None => format!("/v1/mailboxes/{}", self.known(address)?.id),
        };
        let soon = jiff::Timestamp::now() + Duration::from_secs(1);
        self.operator.change(&path, &json!({"expires_at": soon.to_string()}));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            let mut mx = server.mx();
            mx.ok("MAIL FROM:<grace@remote.example>");
            if mx.command(&format!("RCPT TO:<{address}>")).starts_with("550 5.1.1") {
                return Ok(());
            }
        }
        Err("it does not end".to_owned())
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
                "mode" => fields["mode"] = json!(value),
                "on_delete" => fields["protocols"]["pop3"]["policy"]["on_delete"] = json!(value),
                _ => return Err(format!("no setting {key}")),
            }
        }
        self.mailboxes.insert(address.to_owned(), self.operator.mailbox_with(address, fields));
        Ok(())
    }
}

/// `none` takes a setting away.
fn nothing_or(value: &str) -> Value {
    if value == "none" { Value::Null } else { json!(value) }
}

fn number(text: &str) -> Result<Value, String> {
    text.parse::<u64>().map(|number| json!(number)).map_err(|error| error.to_string())
}

fn deliver(server: &Server, address: &str, text: &str) -> Result<(), String> {
    let reply = server.mx().deliver("grace@remote.example", &[address], text);
    if reply.starts_with("250") { Ok(()) } else { Err(format!("delivery: {reply}")) }
}
