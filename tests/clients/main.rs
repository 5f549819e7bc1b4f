//! Two unmodified clients of different make chat through a node: Profanity, driven in a terminal,
//! and slixmpp, a library. Then the node is killed, and they go on.

#[path = "../common/mod.rs"]
mod common;
mod library;
mod terminal;

use common::node::{Plaintext, TestNode};
use library::Library;
use terminal::Terminal;

#[test]
fn a_terminal_client_and_a_library_chat_and_go_on_after_a_kill() {
    let mut node = TestNode::start(Plaintext::Refused);
    // This slixmpp binds to what only TLS before 1.3 has, and knows no way back.
    node.set_cluster(&["sign-in.channel-binding=off"]);
    node.add_user("alice");
    node.add_user("bob");
    let mut library = Library::sign_in(&node, "bob");
    let terminal = Terminal::sign_in(&node, "alice");

    terminal.types("/msg bob@localhost good morning from a terminal");
    library.hears("got alice@localhost good morning from a terminal");
    library.says("alice@localhost", "and a good day from a library");
    terminal.shows("and a good day from a library");

    node.kill();
    library.hears("lost");
    node.begin();
    library.comes_back(node.address().port());
    library.hears("resumed");
    // The terminal client is told where the node is now; what was said meanwhile waits for it.
    library.says("alice@localhost", "still here");
    terminal.connects(&node, "alice");
    terminal.types("/msg bob@localhost so am I");
    library.hears("got alice@localhost so am I");
    terminal.shows("still here");
}
