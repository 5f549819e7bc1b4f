//! Tells the service manager how the node is, by datagrams to the socket that it names
//! (sd_notify(3)). Where nobody wants to know, nothing is said. Not for when to say what.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub struct Notifier {
    /// Connected; none where the node was not started by a service manager.
    socket: Option<UnixDatagram>,
    /// Within which the manager wants to hear that the node moves.
    watchdog: Option<Duration>,
}

impl Notifier {
    pub fn from_environment() -> Notifier {
        let watchdog = watchdog(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        Notifier::new(std::env::var_os("NOTIFY_SOCKET"), watchdog)
    }

    fn new(name: Option<OsString>, watchdog: Option<Duration>) -> Notifier {
        let socket = name.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "service manager cannot be told anything");
                None
            }
        });
        Notifier { socket, watchdog }
    }

    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// How often to say that the node moves: twice as often as is wanted.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        self.watchdog.map(|within| within / 2)
    }

    pub fn ready(&self) {
        self.say("READY=1");
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    pub fn moves(&self) {
        self.say("WATCHDOG=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={text}"));
    }

    fn say(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        // A manager that does not listen is no reason to stop.
        if let Err(error) = socket.send(words.as_bytes()) {
            tracing::debug!(%error, "service manager was not told");
        }
    }
}

/// A path, or behind `@` a name that is in no file system.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A full queue of the manager must not stop the node.
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// As sd_watchdog_enabled(3) reads its variables: for this process, or for whoever comes.
fn watchdog(within: Option<&str>, process: Option<&str>, own: u32) -> Option<Duration> {
    let is_meant = process.is_none_or(|process| process.parse() == Ok(own));
    let within = within?.parse().ok().filter(|within| 0 < *within)?;
    is_meant.then_some(Duration::from_micros(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hears(socket: &UnixDatagram, expected: &str) {
        let mut bytes = [0; 256];
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let count = socket.recv(&mut bytes).unwrap();
        assert_eq!(std::str::from_utf8(&bytes[..count]), Ok(expected));
    }

    #[track_caller]
    fn check(manager: &UnixDatagram, name: OsString) {
        let notifier = Notifier::new(Some(name), Some(Duration::from_secs(4)));
        assert_eq!(notifier.watchdog_interval(), Some(Duration::from_secs(2)));
        notifier.ready();
        notifier.status("serves 3 sessions");
        notifier.moves();
        notifier.stopping();
        for expected in [
            "READY=1",
            "STATUS=serves 3 sessions",
            "WATCHDOG=1",
            "STOPPING=1",
        ] {
            hears(manager, expected);
        }
    }

    #[test]
    fn a_socket_in_the_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        check(&manager, path.into());
    }

    #[test]
    fn a_socket_that_is_in_no_file_system() {
        let name = format!("pollux-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        check(&manager, format!("@{name}").into());
    }

    #[test]
    fn nobody_who_listens_is_no_trouble() {
        let within = Some(Duration::from_secs(4));
        for name in [None, Some("/nonexistent/notify".into())] {
            let notifier = Notifier::new(name, within);
            notifier.ready();
            assert_eq!(notifier.watchdog_interval(), None);
        }
    }

    #[test]
    fn the_watchdog_is_meant_for_one_process() {
        let second = Some(Duration::from_secs(1));
        for (within, process, expected) in [
            (Some("1000000"), None, second),
            (Some("1000000"), Some("7"), second),
            (Some("1000000"), Some("8"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("often"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(
                watchdog(within, process, 7),
                expected,
                "{within:?} {process:?}"
            );
        }
    }
}
