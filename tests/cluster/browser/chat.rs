//! Two hundred clients that chat while somebody uses the pages, and the account of it: the tool of
//! `chaos` as a process of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::administration::operate;
use crate::common::node::PASSWORD;
use crate::site::Member;

/// How many chat, in pairs.
pub const CHATTERS: usize = 200;

/// Users for them, in turns at home at both nodes. `asked` has the pages at `address`.
#[track_caller]
pub fn add_users(asked: &Member, address: std::net::SocketAddr) {
    let token = asked.ctl(&["token", "add", "users", "--role", "administrator"]);
    for number in 0..CHATTERS {
        let user = format!("load{number}");
        let home = 1 + number / 2 % 2;
        let fields = json!({ "user": user, "password": PASSWORD, "at": home });
        let added = operate(address, token.trim(), "user.add", &fields);
        assert_eq!(added.status, 200, "{}", added.body);
    }
}

pub struct Chat(Child);

impl Chat {
    #[track_caller]
    pub fn begin(member: &Member) -> Chat {
        let load = Path::new(env!("CARGO_BIN_EXE_pollux")).with_file_name("pollux-load");
        assert!(
            load.exists(),
            "{} is missing: cargo build -p pollux-chaos --bin pollux-load",
            load.display()
        );
        let mut chat = Command::new(load);
        chat.args(["drill", "--rate", "100", "--quiet", "--json"]);
        chat.arg("--pairs").arg((CHATTERS / 2).to_string());
        chat.arg("--address").arg(member.clients().to_string());
        chat.arg("--password-file").arg(member.path("password"));
        let chat = chat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Chat(chat.expect("the clients start"))
    }

    /// They stop, wait for what is promised, and say how it went.
    #[track_caller]
    pub fn end(mut self) -> Value {
        let mut input = self.0.stdin.take().expect("an input");
        input.write_all(b"\n").expect("the clients listen");
        drop(input);
        let mut output = self.0.stdout.take().expect("an output");
        let mut report = String::new();
        std::io::Read::read_to_string(&mut output, &mut report).expect("a report");
        let status = self.0.wait().expect("an end");
        assert!(status.success(), "a promise was broken: {report}");
        serde_json::from_str(&report).expect("the report is JSON")
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
