//! A receiver of webhooks: plain HTTP on loopback, answering what it is told, keeping what came.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::sync::{Arc, Mutex, MutexGuard};

/// A delivery as it came.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Delivered {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Listens until the test ends.
pub struct Receiver {
    pub address: SocketAddr,
    status: Arc<Mutex<u16>>,
    gate: Arc<Mutex<()>>,
    came: Channel<Delivered>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let status = Arc::new(Mutex::new(204));
        let (sender, came) = channel();
        let gate = Arc::new(Mutex::new(()));
        let (told, open) = (status.clone(), gate.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let Some(delivered) = read(&mut reader) else { continue };
                let status = *told.lock().expect("no panic holds it");
                if sender.send(delivered).is_err() {
                    return;
                }
                drop(open.lock().expect("no panic holds it"));
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { address, status, gate, came }
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16) {
        *self.status.lock().expect("no panic holds it") = status;
    }

    /// Keeps all answers back until it is dropped.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().expect("no panic holds it")
    }

    /// The next delivery.
    pub fn next(&self) -> Delivered {
        self.came.recv_timeout(PATIENCE).expect("a delivery in time")
    }
}

fn read(reader: &mut impl BufRead) -> Option<Delivered> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Delivered { path, headers, body })
}
