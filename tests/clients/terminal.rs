//! The terminal client: Profanity from Debian in a tmux of its own, with a home of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::common::deadline::wait_for;
use crate::common::node::{DOMAIN, PASSWORD, TestNode};

/// See the module.
pub struct Terminal {
    /// The socket of the tmux server, in the test's folder.
    socket: PathBuf,
}

impl Terminal {
    #[track_caller]
    pub fn sign_in(node: &TestNode, user: &str) -> Terminal {
        let terminal = Terminal {
            socket: node.path("tmux"),
        };
        let home = node.path("home");
        std::fs::create_dir_all(&home).expect("a home can be made");
        let home = home.display();
        let environment = format!(
            "env HOME={home} XDG_CONFIG_HOME={home}/config XDG_DATA_HOME={home}/data \
             LANG=C.UTF-8 TERM=screen profanity"
        );
        terminal.tmux(&["new-session", "-d", "-x", "160", "-y", "45", &environment]);
        terminal.shows("Profanity");
        terminal.connects(node, user);
        terminal
    }

    /// Signs in where the node is now, trusting its certificate.
    #[track_caller]
    pub fn connects(&self, node: &TestNode, user: &str) {
        let port = node.address().port();
        self.types("/win 1");
        self.types("/disconnect");
        self.types("/clear");
        let line = format!("/connect {user}@{DOMAIN} server 127.0.0.1 port {port} tls trust");
        self.types(&line);
        self.shows("Enter password:");
        self.types(PASSWORD);
        self.shows("logged in successfully");
    }

    /// Types a line and Enter.
    #[track_caller]
    pub fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Waits until the screen has this text somewhere.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        wait_for(&format!("{text:?} on the screen"), || {
            let screen = self.tmux(&["capture-pane", "-p"]);
            String::from_utf8_lossy(&screen.stdout)
                .contains(text)
                .then_some(())
        });
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let tmux = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .output();
        tmux.expect("tmux is installed")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
