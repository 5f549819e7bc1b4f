//! The thread of the groups and of the lane by which their entries travel: what the one has to say,
//! the other has at once, without waking a thread. Not for what either does.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use pollux_links::links::Links;
use pollux_links::net::{Listener, Net, SystemNet};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

type Job = Box<dyn FnOnce() + Send>;

/// See the module. The thread ends with it.
pub struct Groups {
    handle: Handle,
    /// What is to be started there and may not leave the thread.
    jobs: mpsc::Sender<Job>,
}

impl Groups {
    pub fn start() -> io::Result<Groups> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (jobs, mut wanted) = mpsc::channel::<Job>(1);
        std::thread::Builder::new()
            .name("groups".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, async move {
                    while let Some(job) = wanted.recv().await {
                        job();
                    }
                });
            })?;
        Ok(Groups { handle, jobs })
    }

    /// Waits on this thread for what runs on that one.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    /// The bulk lane: entries, snapshots, commands; and whoever comes to the port between nodes.
    /// Returns when the port is open, unless the links are stopped.
    pub fn start_bulk(&self, links: Links, listen: SocketAddr) -> io::Result<()> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let work = move || async move {
            if !links.is_open() {
                let _gone = tell.send(Ok(()));
                return links.keep_bulk(None, listen).await;
            }
            let opened = SystemNet.listen(listen).await;
            let opened = opened.and_then(|listener| Ok((listener.local_address()?, listener)));
            match opened {
                Ok((address, listener)) => {
                    tracing::info!(%address, "port between nodes is open");
                    let _gone = tell.send(Ok(()));
                    links
                        .keep_bulk(Some(listener as Box<dyn Listener>), address)
                        .await;
                }
                Err(error) => {
                    let _gone = tell.send(Err(error));
                }
            }
        };
        let begin = move || {
            tokio::task::spawn_local(work());
        };
        let begun = self.jobs.blocking_send(Box::new(begin));
        begun.map_err(|_ended| io::ErrorKind::BrokenPipe)?;
        told.recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }
}
