//! A small client of HTTP: one request on a connection, and its answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::common::tls::{Socket, Tcp, trust};

/// For which a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: String,
}

/// `request`: method and path. Headers end with a line end each.
pub fn ask(address: SocketAddr, request: &str, headers: &str, body: &str) -> io::Result<Answer> {
    exchange(Socket::Plain(connect(address)?), request, headers, body)
}

/// The same over TLS, with a server that has this certificate for `localhost`.
pub fn ask_by_tls(
    address: SocketAddr,
    certificate: &Path,
    request: &str,
    headers: &str,
) -> io::Result<Answer> {
    let mut socket = Socket::Plain(connect(address)?);
    socket.encrypt(&trust(&[certificate]), "localhost");
    exchange(socket, request, headers, "")
}

fn connect(address: SocketAddr) -> io::Result<Tcp> {
    let tcp = Tcp::connect(address)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    Ok(tcp)
}

fn exchange(mut socket: Socket, request: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    socket.write_all(head.as_bytes())?;
    socket.write_all(body.as_bytes())?;
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let length = { head.lines() }.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length
            .then(|| value.trim().parse::<usize>().ok())
            .flatten()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Answer {
        status: status.ok_or_else(broken)?,
        head,
        body: String::from_utf8(body).map_err(|_| broken())?,
    })
}
