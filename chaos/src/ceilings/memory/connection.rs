//! One connection from its first byte to its end: header, STARTTLS, SASL, binding (RFC 6120, 4 to
//! 7). What a bound session says is for stanzas.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConnection;

use super::accounts::Exchange;
use super::people::{Session, State};
use super::stanzas;
use super::wire::Wire;
use crate::client::{Element, Frame, Scanner, escape};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// How far the client has come.
enum Stage {
    Fresh,
    Challenged(Box<Exchange>),
    SignedIn(String),
    Bound(Rc<Session>),
}

/// What follows from a stanza.
enum Next {
    Go(Stage),
    /// A new stream begins on the same connection.
    Restart(Stage),
    End,
}

pub async fn serve(wire: Rc<Wire>, state: Rc<State>) {
    let mut stage = Stage::Fresh;
    talk(&wire, &state, &mut stage).await;
    if let Stage::Bound(session) = stage {
        state.leave(&session);
    }
}

async fn talk(wire: &Rc<Wire>, state: &State, stage: &mut Stage) {
    let mut scanner = Scanner::default();
    loop {
        if !matches!(wire.read(scanner.feed()).await, Ok(read) if read > 0) {
            return;
        }
        while let Ok(frame) = scanner.cut() {
            let range = match frame {
                None => break,
                Some(Frame::Open(_)) => {
                    wire.send(&[header(wire, state, stage).as_bytes()]);
                    continue;
                }
                Some(Frame::Stanza(range)) => range,
                Some(Frame::Close) => return wire.send(&[b"</stream:stream>"]),
            };
            let Ok(text) = scanner.text(range) else {
                return;
            };
            if let Stage::Bound(session) = stage {
                stanzas::take(state, session, Element::new(text));
                continue;
            }
            let now = std::mem::replace(stage, Stage::Fresh);
            match negotiate(wire, state, now, Element::new(text)) {
                Some(Next::Go(next)) => *stage = next,
                Some(Next::Restart(next)) => {
                    *stage = next;
                    scanner.restart();
                }
                Some(Next::End) | None => return,
            }
        }
    }
}

fn header(wire: &Wire, state: &State, stage: &Stage) -> String {
    let features = match stage {
        Stage::SignedIn(_) => format!("<bind xmlns='{BIND}'/>"),
        _ => {
            let tls = match wire.is_secured() {
                true => String::new(),
                false => format!("<starttls xmlns='{TLS}'/>"),
            };
            format!(
                "{tls}<mechanisms xmlns='{SASL}'><mechanism>SCRAM-SHA-1</mechanism></mechanisms>"
            )
        }
    };
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' id='{}' from='{}' version='1.0'>\
         <stream:features>{features}</stream:features>",
        state.word(),
        state.domain
    )
}

/// `None` where the client is not as it must be.
fn negotiate(wire: &Rc<Wire>, state: &State, stage: Stage, element: Element<'_>) -> Option<Next> {
    match (element.name(), stage) {
        ("starttls", Stage::Fresh) if !wire.is_secured() => {
            wire.send(&[format!("<proceed xmlns='{TLS}'/>").as_bytes()]);
            wire.secure(ServerConnection::new(state.tls.clone()).ok()?);
            Some(Next::Restart(Stage::Fresh))
        }
        ("auth", Stage::Fresh) => {
            let exchange = Exchange::new(&decoded(element)?, &state.accounts, &state.word());
            let Some(exchange) = exchange else {
                return refuse(wire);
            };
            let challenge = STANDARD.encode(exchange.challenge());
            let text = format!("<challenge xmlns='{SASL}'>{challenge}</challenge>");
            wire.send(&[text.as_bytes()]);
            Some(Next::Go(Stage::Challenged(Box::new(exchange))))
        }
        ("response", Stage::Challenged(exchange)) => {
            let Some(signature) = exchange.verify(&decoded(element)?) else {
                return refuse(wire);
            };
            let signature = STANDARD.encode(signature);
            wire.send(&[format!("<success xmlns='{SASL}'>{signature}</success>").as_bytes()]);
            Some(Next::Restart(Stage::SignedIn(exchange.user)))
        }
        ("iq", Stage::SignedIn(user)) => bind(wire, state, &user, element),
        _ => None,
    }
}

fn refuse(wire: &Wire) -> Option<Next> {
    wire.send(&[format!("<failure xmlns='{SASL}'><not-authorized/></failure>").as_bytes()]);
    Some(Next::End)
}

fn bind(wire: &Rc<Wire>, state: &State, user: &str, iq: Element<'_>) -> Option<Next> {
    let asked = iq.child("bind")?.child("resource");
    let asked = asked.map(|resource| resource.text().into_owned());
    // Addresses are put into stanzas as they are.
    let plain = |text: &String| !text.is_empty() && *escape(text) == **text;
    let resource = asked.filter(plain).unwrap_or_else(|| state.word());
    let session = state.enter(user, &resource, wire.clone());
    let id = iq.attribute("id")?;
    let answer = format!(
        "<iq type='result' id='{}'><bind xmlns='{BIND}'><jid>{}</jid></bind></iq>",
        escape(&id),
        session.jid
    );
    wire.send(&[answer.as_bytes()]);
    Some(Next::Go(Stage::Bound(session)))
}

fn decoded(element: Element<'_>) -> Option<String> {
    let bytes = STANDARD.decode(element.text().as_bytes()).ok()?;
    String::from_utf8(bytes).ok()
}
