//! What waits for a disk, on a thread of its own: a disk may be slow, and what else the thread of
//! the caller does is not to wait for it.

use std::io;

use tokio::sync::oneshot;

/// Does it there, and returns what it has made. `name`: of the thread.
pub(crate) async fn aside<T, E>(
    name: &str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || drop(tell.send(work())))?;
    told.await
        .map_err(|_| io::Error::other("its thread has ended"))?
}
