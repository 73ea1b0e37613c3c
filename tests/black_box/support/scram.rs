//! A SCRAM-SHA-256 client as RFC 5802 §3 writes it down, apart from the server's own code.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

/// One exchange.
pub struct Scram {
    password: String,
    header: String,
    bare: String,
    channel: Vec<u8>,
    server_signature: Vec<u8>,
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

impl Scram {
    /// `header` is that of GS2, such as `n,,` or `p=tls-exporter,,`; `channel` is what it binds to.
    pub fn new(name: &str, password: &str, header: &str, channel: Vec<u8>) -> Self {
        let nonce = STANDARD.encode(rand::random::<[u8; 12]>());
        let bare = format!("n={name},r={nonce}");
        let (password, header) = (password.to_owned(), header.to_owned());
        Self { password, header, bare, channel, server_signature: Vec::new() }
    }

    /// The first message, in base64.
    pub fn first(&self) -> String {
        STANDARD.encode(format!("{}{}", self.header, self.bare))
    }

    /// The answer to the server's first message, both in base64.
    pub fn last(&mut self, challenge: &str) -> String {
        let challenge = String::from_utf8(STANDARD.decode(challenge).expect("base64")).expect("text");
        let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name)).expect("a field");
        let salt = STANDARD.decode(field("s=")).expect("a salt");
        let count = NonZeroU32::new(field("i=").parse().expect("a count")).expect("a count");
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt, self.password.as_bytes(), &mut salted);
        let client = mac(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client);
        let bound = STANDARD.encode([self.header.as_bytes(), &self.channel].concat());
        let without_proof = format!("c={bound},r={}", field("r="));
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let signature = mac(stored.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, octet)| key ^ octet).collect();
        self.server_signature = mac(&mac(&salted, b"Server Key"), signed.as_bytes());
        STANDARD.encode(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// What a challenge says of the salt, without its nonce.
    pub fn salting(&self, challenge: &str) -> String {
        let challenge = String::from_utf8(STANDARD.decode(challenge).expect("base64")).expect("text");
        challenge.split_once(",s=").expect("a salt").1.to_owned()
    }

    /// Whether the server's last message proves that it knows the keys.
    pub fn believes(&self, answer: &str) -> bool {
        STANDARD.decode(answer).expect("base64") == format!("v={}", STANDARD.encode(&self.server_signature)).as_bytes()
    }
}
