//! A mail server that takes everything and keeps it: plain SMTP on loopback, as much of RFC 5321 as a client needs.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A message as it came.
#[derive(Debug)]
pub struct Taken {
    pub from: String,
    pub to: String,
    pub message: Vec<u8>,
}

impl Taken {
    /// The text part.
    pub fn text(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.message).expect("a message");
        message.body_text(0).expect("a text part").into_owned()
    }

    /// The HTML part.
    pub fn html(&self) -> String {
        let message = mail_parser::MessageParser::default().parse(&self.message).expect("a message");
        message.body_html(0).expect("an HTML part").into_owned()
    }
}

/// Listens until the test ends.
pub struct Sink {
    pub address: SocketAddr,
    came: Receiver<Taken>,
}

impl Sink {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, came) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream, &sender));
            }
        });
        Self { address, came }
    }

    /// The next message.
    pub fn next(&self) -> Taken {
        self.came.recv_timeout(PATIENCE).expect("a message in time")
    }

    /// Whether nothing has come that was not taken.
    pub fn is_empty(&self) -> bool {
        self.came.try_recv().is_err()
    }
}

fn serve(stream: TcpStream, sender: &Sender<Taken>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let say = |reader: &mut BufReader<TcpStream>, text: &str| reader.get_mut().write_all(text.as_bytes()).ok();
    say(&mut reader, "220 sink.example\r\n")?;
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let answer = match line.get(..4)?.to_ascii_uppercase().as_str() {
            "MAIL" => {
                from = path();
                "250 2.1.0 OK\r\n"
            }
            "RCPT" => {
                to = path();
                "250 2.1.5 OK\r\n"
            }
            "DATA" => {
                say(&mut reader, "354 go on\r\n")?;
                let message = data(&mut reader)?;
                sender.send(Taken { from: from.clone(), to: to.clone(), message }).ok()?;
                "250 2.0.0 taken\r\n"
            }
            "QUIT" => return say(&mut reader, "221 2.0.0 bye\r\n"),
            _ => "250 sink.example\r\n",
        };
        say(&mut reader, answer)?;
    }
}

/// RFC 5321 §4.5.2.
fn data(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
