//! A server on a thread of its own, from its start to its end. Not for what it serves.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt::System;

/// The running server. Stops when it is dropped.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens: with the port, where the operating system was to choose one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and waits for the server's thread.
    pub fn stop(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent by the call; the thread's end says that it was followed.
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(name = self.name, "the thread of a server has panicked");
        }
    }
}

type Started = io::Result<(SocketAddr, ServerHandle)>;

/// Runs the server that `make` makes on a thread with this name, and returns when it listens.
pub(crate) fn launch<M>(name: &'static str, make: M) -> io::Result<Running>
where
    M: FnOnce() -> io::Result<(SocketAddr, Server)> + Send + 'static,
{
    let (tell, told) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || System::new().block_on(serve(name, make, tell)))?;
    let started = told
        .recv()
        .map_err(|_| io::Error::other("the server's thread has ended"))?;
    let (address, handle) = started?;
    Ok(Running {
        name,
        address,
        handle,
        thread: Some(thread),
    })
}

async fn serve<M>(name: &'static str, make: M, tell: SyncSender<Started>)
where
    M: FnOnce() -> io::Result<(SocketAddr, Server)>,
{
    let (address, server) = match make() {
        Ok(made) => made,
        Err(error) => {
            let _gone = tell.send(Err(error));
            return;
        }
    };
    if tell.send(Ok((address, server.handle()))).is_err() {
        return;
    }
    if let Err(error) = server.await {
        tracing::error!(name, %error, "failed to serve");
    }
}
