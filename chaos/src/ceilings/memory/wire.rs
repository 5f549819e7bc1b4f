//! One connection's bytes: written at once where the socket takes them, kept where it does not, in
//! TLS or without. Knows no XML.
#![expect(
    clippy::disallowed_types,
    reason = "a process of its own that is measured on real sockets"
)]

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::rc::Rc;

use rustls::ServerConnection;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::Notify;

/// One read takes at most this much.
const READ_BYTES: usize = 16 * 1024;
/// What may wait for a client that does not read; with more it is cut off.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Buffers that all connections use in turn, so that an idle one has none.
pub struct Desk {
    read: RefCell<Box<[u8]>>,
    write: RefCell<Vec<u8>>,
}

impl Default for Desk {
    fn default() -> Self {
        Desk {
            read: RefCell::new(vec![0; READ_BYTES].into()),
            write: RefCell::default(),
        }
    }
}

pub struct Wire {
    stream: TcpStream,
    desk: Rc<Desk>,
    tls: RefCell<Option<Box<ServerConnection>>>,
    waiting: RefCell<Vec<u8>>,
    is_cut: Cell<bool>,
    wake: Notify,
}

impl Wire {
    pub fn new(stream: TcpStream, desk: Rc<Desk>) -> Self {
        Wire {
            stream,
            desk,
            tls: RefCell::new(None),
            waiting: RefCell::default(),
            is_cut: Cell::new(false),
            wake: Notify::new(),
        }
    }

    /// What is sent and read from here on is in TLS.
    pub fn secure(&self, tls: ServerConnection) {
        *self.tls.borrow_mut() = Some(Box::new(tls));
    }

    pub fn is_secured(&self) -> bool {
        self.tls.borrow().is_some()
    }

    /// Ends the connection, whatever waits.
    pub fn cut(&self) {
        self.is_cut.set(true);
        self.wake.notify_one();
    }

    /// Sends pieces as one.
    pub fn send(&self, pieces: &[&[u8]]) {
        let mut desk = self.desk.write.borrow_mut();
        desk.clear();
        match self.tls.borrow_mut().as_deref_mut() {
            None => pieces
                .iter()
                .for_each(|piece| desk.extend_from_slice(piece)),
            Some(tls) => {
                let pieces = pieces.iter().flat_map(|piece| piece.chunks(READ_BYTES));
                for piece in pieces {
                    if tls.writer().write_all(piece).is_err() || drain(tls, &mut desk).is_err() {
                        return self.cut();
                    }
                }
            }
        }
        self.push(&desk);
    }

    fn push(&self, bytes: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        let written = match waiting.is_empty() {
            false => 0,
            true => match self.stream.try_write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return self.cut(),
            },
        };
        if written < bytes.len() {
            waiting.extend_from_slice(&bytes[written..]);
            if waiting.len() > WAITING_BYTES_MAX {
                self.is_cut.set(true);
            }
            self.wake.notify_one();
        }
    }

    /// Waits for bytes and appends them; what waits to be written goes meanwhile. 0 at the end.
    pub async fn read(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            if self.is_cut.get() {
                return Ok(0);
            }
            let interest = match self.waiting.borrow().is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let ready = select! {
                biased;
                ready = self.stream.ready(interest) => ready?,
                () = self.wake.notified() => continue,
            };
            if ready.is_writable() {
                self.flush()?;
            }
            if ready.is_readable() || ready.is_read_closed() {
                match self.try_read(into) {
                    Ok(Some(read)) => return Ok(read),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    fn flush(&self) -> io::Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return Ok(());
        }
        match self.stream.try_write(&waiting) {
            Ok(written) if written == waiting.len() => *waiting = Vec::new(),
            Ok(written) => drop(waiting.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// `None` where all that came belongs to TLS itself.
    fn try_read(&self, into: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let mut desk = self.desk.read.borrow_mut();
        let read = self.stream.try_read(&mut desk)?;
        let mut tls = self.tls.borrow_mut();
        let Some(tls) = tls.as_deref_mut().filter(|_| read > 0) else {
            into.extend_from_slice(&desk[..read]);
            return Ok(Some(read));
        };
        let (before, mut bytes) = (into.len(), &desk[..read]);
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let fresh = into.len();
            into.resize(fresh + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut into[fresh..])?;
        }
        let mut answer = Vec::new();
        drain(tls, &mut answer)?;
        if !answer.is_empty() {
            self.push(&answer);
        }
        Ok(Some(into.len() - before).filter(|&read| read > 0))
    }
}

/// What TLS has to send.
fn drain(tls: &mut ServerConnection, into: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(into)?;
    }
    Ok(())
}
