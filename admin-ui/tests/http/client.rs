//! A client that says bytes and takes what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What a server has answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
    /// As they were set, name and value and attributes.
    pub cookies: Vec<String>,
}

impl Answer {
    /// The value of a header; empty: it is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines();
        let values = lines.filter_map(|line| line.split_once(": "));
        let mut values = values.filter(|(known, _)| *known == name);
        values.next().map_or("", |(_, value)| value)
    }

    /// The value of a cookie that was set.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self
            .cookies
            .iter()
            .filter_map(|cookie| cookie.split_once('='));
        let mut values = pairs.filter(|(known, _)| *known == name);
        values
            .next()
            .map(|(_, rest)| rest.split(';').next().unwrap())
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// Everything that the server says until it closes.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    let said = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    // A server that closes before it has read everything may reset the connection after its answer.
    match stream.read_to_string(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}: {answer}"),
        _ => {}
    }
    assert!(said.is_ok() || !answer.is_empty(), "{said:?}");
    answer
}

pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    asked(address, &format!("GET {path}"), headers, "")
}

pub fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    asked(address, &format!("POST {path}"), headers, body)
}

fn asked(address: SocketAddr, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    let length = match body.is_empty() {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}");
    parsed(&ask(address, &format!("{head}\r\n{body}")))
}

fn parsed(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let cookies = { head.lines() }
        .filter(|line| line.to_lowercase().starts_with("set-cookie: "))
        .map(|line| line["set-cookie: ".len()..].to_owned());
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        cookies: cookies.collect(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
