//! Three unmodified clients of different make chat through a node: Profanity, driven in a terminal,
//! slixmpp, a library, and Pidgin, in a window. Under two of them the node is killed, and they go
//! on. A TURN server of other make takes the credentials that the node has given.

#[path = "../common/mod.rs"]
mod common;
mod library;
mod terminal;
mod turn;
mod window;

use common::client::{CLIENT, Client};
use common::node::{Plaintext, TestNode};
use common::stream::xml;
use library::Library;
use pollux_xml::Element;
use terminal::Terminal;
use turn::TurnServer;
use window::Window;

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

#[test]
fn a_client_in_a_window_shows_who_is_there_and_chats() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    node.add_user("bob");
    let certificate = node.path("data/certificate.pem");
    let mut bob = Client::sign_in(node.address(), "bob", Some(&certificate));
    bob.bind(Some("desk"));
    bob.send("<presence/><presence type='subscribe' to='alice@localhost'/>");

    let window = Window::sign_in(&node, "alice");
    hears(&mut bob, "presence", None);
    window.adds("bob@localhost");
    window.chooses("bob@localhost");
    bob.send("<presence><show>away</show></presence>");
    window.shows("bob@localhost", "bob@localhost has gone away.");
    bob.send("<presence/>");
    window.shows("bob@localhost", "bob@localhost is no longer away.");

    bob.send(
        "<message type='chat' to='alice@localhost'><body>good morning, window</body></message>",
    );
    window.shows("bob@localhost", "bob@localhost: good morning, window");
    window.types("bob@localhost", "and a good day, whoever you are");
    let answer = hears(&mut bob, "message", Some("chat"));
    let body = answer.find(CLIENT, "body").map(Element::text_content);
    assert_eq!(body.as_deref(), Some("and a good day, whoever you are"));
    window.shows("bob@localhost", "and a good day, whoever you are");

    window.quits();
    hears(&mut bob, "presence", Some("unavailable"));
}

/// The next with this name and type that comes from alice's window.
#[track_caller]
fn hears(client: &mut Client, name: &str, kind: Option<&str>) -> Element {
    loop {
        let element = client.element();
        let from = element.attribute("from");
        let said = element.is(CLIENT, name) && element.attribute("type") == kind;
        if said && from == Some("alice@localhost/window") {
            return element;
        }
    }
}

#[test]
fn a_turn_server_takes_the_credentials_that_a_client_was_given() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let secret = node.ctl_done(&["external", "set-secret"]);
    let server = TurnServer::start(node.folder(), secret.trim());
    let port = server.port;
    node.set_cluster(&[&format!("external.services=turn:127.0.0.1:{port}")]);
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    alice.send(&format!(
        "<iq type='get' id='c1' to='localhost'><credentials xmlns='urn:xmpp:extdisco:2'>\
         <service type='turn' host='127.0.0.1' port='{port}'/></credentials></iq>"
    ));
    let answer = alice.element();
    let service = answer
        .find("urn:xmpp:extdisco:2", "credentials")
        .and_then(|credentials| credentials.elements().next());
    let service = service.unwrap_or_else(|| panic!("no credentials: {}", xml(&answer)));
    let attribute = |name| service.attribute(name).unwrap_or_default();
    let (username, password) = (attribute("username"), attribute("password"));
    assert!(server.relays(username, password), "{}", xml(&answer));
    // With another password, and at another time, it relays nothing.
    assert!(!server.relays(username, "bm8gcGFzc3dvcmQgYXQgYWxsIQ=="));
    let (_, name) = username.split_once(':').expect("until when, and a name");
    assert!(!server.relays(&format!("1:{name}"), password));
}
