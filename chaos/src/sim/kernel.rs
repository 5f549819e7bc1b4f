//! The kernel of a simulated machine: it owns the sockets of the machine's process, and goes on
//! while that process stands still. Not for the network between machines, which is turmoil's.
//!
//! ```text
//!   process ── calls ─► kernel (a host of turmoil) ── turmoil's sockets ── the other machines
//!      └────── pipes ──────┘
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::{mpsc, oneshot};
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use turmoil::net::{TcpListener, TcpStream};

use super::process_net::{Port, ProcessNet, ProcessSocket};

/// Bytes that a socket holds for each direction. Behind a full one the network waits.
const SOCKET_BUFFER: usize = 65_536;
/// What one look at the network takes at most.
const SEGMENT: usize = 16_384;
/// Connections that wait for `accept`, as many as the program asks a real kernel for.
const BACKLOG: usize = 4_096;
/// Calls that the kernel has not seen; a process with more of them waits.
const CALLS: usize = 1_024;

/// What a process asks for.
pub enum Call {
    Listen {
        address: SocketAddr,
        answer: oneshot::Sender<io::Result<Port>>,
    },
    Connect {
        address: String,
        answer: oneshot::Sender<io::Result<ProcessSocket>>,
    },
}

/// See the module. Serves one process.
pub struct Kernel(mpsc::Receiver<Call>);

/// A kernel, and the way to it for its process.
pub fn boot() -> (Kernel, ProcessNet) {
    let (calls, called) = mpsc::channel(CALLS);
    (Kernel(called), ProcessNet::new(calls))
}

impl Kernel {
    /// The software of the host. Lives on after its process, whose last bytes are still to be sent.
    pub async fn run(mut self) -> turmoil::Result {
        while let Some(call) = self.0.recv().await {
            match call {
                Call::Listen { address, answer } => {
                    tokio::task::spawn_local(listen(address, answer));
                }
                Call::Connect { address, answer } => {
                    tokio::task::spawn_local(connect(address, answer));
                }
            }
        }
        std::future::pending().await
    }
}

/// Accepts for the process, whether it looks or not, until it closes the port.
async fn listen(address: SocketAddr, answer: oneshot::Sender<io::Result<Port>>) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let _gone = answer.send(Err(error));
            return;
        }
    };
    let (queue, waiting) = mpsc::channel(BACKLOG);
    let _gone = answer.send(listener.local_addr().map(|local| Port::new(local, waiting)));
    // Ends when the process has closed the port.
    while let Ok(place) = queue.reserve().await {
        let accepted = tokio::select! {
            biased;
            () = queue.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else { return };
        place.send((open(stream), peer));
    }
}

/// Connects for the process, unless it gives up.
async fn connect(address: String, mut answer: oneshot::Sender<io::Result<ProcessSocket>>) {
    let connected = tokio::select! {
        biased;
        () = answer.closed() => return,
        connected = TcpStream::connect(address) => connected,
    };
    let _gone = answer.send(connected.map(open));
}

/// The process's end of a connection; the other end is carried to the network and back.
fn open(stream: TcpStream) -> ProcessSocket {
    let (ours, theirs) = duplex(SOCKET_BUFFER);
    let (open, closed) = oneshot::channel();
    let reset = Arc::new(AtomicBool::new(false));
    let socket = ProcessSocket::new(theirs, reset.clone(), open);
    tokio::task::spawn_local(carry(stream, ours, reset, closed));
    socket
}

/// Carries bytes both ways until both ways have ended, the process has closed the socket and all
/// that it wrote is sent, or the connection is reset.
async fn carry(
    stream: TcpStream,
    pipe: DuplexStream,
    reset: Arc<AtomicBool>,
    closed: oneshot::Receiver<()>,
) {
    let (from_network, to_network) = stream.into_split();
    let (from_process, to_process) = split(pipe);
    let mut sending = pin!(send(from_process, to_network));
    let mut receiving = pin!(receive(from_network, to_process));
    let ended = tokio::select! {
        biased;
        sent = &mut sending => match sent {
            // It has closed one direction, or both.
            Ok(()) => tokio::select! {
                biased;
                received = &mut receiving => received,
                _ = closed => Ok(()),
            },
            Err(error) => Err(error),
        },
        received = &mut receiving => match received {
            Ok(()) => sending.as_mut().await,
            Err(error) => Err(error),
        },
    };
    // Before the pipe ends: the process must not take it for an end in order.
    reset.store(ended.is_err(), Ordering::Relaxed);
}

async fn send(mut process: ReadHalf<DuplexStream>, mut network: OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = vec![0; SEGMENT];
    loop {
        match process.read(&mut bytes).await? {
            0 => return network.shutdown().await,
            count => network.write_all(&bytes[..count]).await?,
        }
    }
}

/// Takes off the network only what the process's side has room for. What comes for a process that
/// has closed the socket stays unread there, so that its sender is told by a reset.
async fn receive(
    mut network: OwnedReadHalf,
    mut process: WriteHalf<DuplexStream>,
) -> io::Result<()> {
    let mut bytes = vec![0; SEGMENT];
    loop {
        match network.peek(&mut bytes).await? {
            0 => return process.shutdown().await,
            count => {
                let taken = process.write(&bytes[..count]).await?;
                network.read_exact(&mut bytes[..taken]).await?;
            }
        }
    }
}
