//! What the stanzas of a bound session do: routed by one look at the start tag, with `from` put in.
//! Not for what comes before binding.

use std::rc::Rc;

use super::people::{Session, State};
use crate::client::{Element, escape};

pub fn take(state: &State, session: &Rc<Session>, stanza: Element<'_>) {
    match stanza.name() {
        "message" => message(state, session, stanza),
        "presence" => presence(state, session, stanza),
        "iq" => iq(state, session, stanza),
        // Nothing else was offered.
        _ => session.wire.cut(),
    }
}

/// The stanza as others get it: the name, `from`, and the rest as it came.
fn stamped<'a>(session: &'a Session, stanza: Element<'a>) -> [&'a [u8]; 5] {
    let (name, text) = (stanza.name(), stanza.as_str());
    let (head, rest) = text.split_at(1 + name.len());
    let pieces = [head, " from='", &session.jid, "'", rest];
    pieces.map(str::as_bytes)
}

fn message(state: &State, session: &Rc<Session>, stanza: Element<'_>) {
    let to = stanza.attribute("to");
    let to = to.as_deref().unwrap_or(session.bare());
    let pieces = stamped(session, stanza);
    if state.deliver(to, &pieces) > 0 || stanza.kind() == "error" {
        return;
    }
    let bare = to.split('/').next().unwrap_or(to);
    let sent_on = bare.len() < to.len() && state.deliver(bare, &pieces) > 0;
    let text = || String::from_utf8_lossy(&pieces.concat()).into_owned();
    if !sent_on && !state.keep(bare, text()) {
        refuse(session, stanza, to);
    }
}

fn presence(state: &State, session: &Rc<Session>, stanza: Element<'_>) {
    let text = String::from_utf8_lossy(&stamped(session, stanza).concat()).into_owned();
    let to = stanza.attribute("to");
    match (&*stanza.kind(), to.as_deref()) {
        ("", None) => {
            let first = session
                .presence
                .replace(Some(text.as_str().into()))
                .is_none();
            state.announce(session, &text);
            if first {
                state.welcome(session);
            }
        }
        ("unavailable", None) => {
            state.announce(session, &text);
            session.presence.take();
        }
        ("subscribe", Some(to)) => state.subscribe(session.bare(), to),
        ("subscribed", Some(to)) => state.subscribed(session, to),
        (_, Some(to)) => drop(state.deliver(to, &[text.as_bytes()])),
        (_, None) => {}
    }
}

fn iq(state: &State, session: &Rc<Session>, stanza: Element<'_>) {
    let to = stanza.attribute("to");
    if let Some(to) = to.as_deref().filter(|to| to.contains('/')) {
        if state.deliver(to, &stamped(session, stanza)) == 0 {
            refuse(session, stanza, to);
        }
        return;
    }
    if !matches!(&*stanza.kind(), "get" | "set") {
        return;
    }
    let id = stanza.attribute("id").unwrap_or_default();
    let id = escape(&id);
    let to = to.as_deref().unwrap_or(session.bare());
    let child = stanza.children().next();
    let namespace = child.and_then(|one| one.namespace());
    let answer = match namespace.as_deref() {
        Some("jabber:iq:roster") if stanza.kind() == "set" => {
            let item = child.and_then(|query| query.child("item"));
            let removed =
                item.filter(|item| item.attribute("subscription").as_deref() == Some("remove"));
            let jid = removed.and_then(|item| item.attribute("jid"));
            let Some(jid) = jid.filter(|jid| *escape(jid) == **jid) else {
                // Names and groups are kept by nobody here.
                return refuse(session, stanza, to);
            };
            state.remove(session.bare(), &jid);
            format!("<iq type='result' id='{id}'/>")
        }
        Some("jabber:iq:roster") => {
            let items = state.items(session.bare());
            format!(
                "<iq type='result' id='{id}'><query xmlns='jabber:iq:roster'>{items}</query></iq>"
            )
        }
        Some("urn:xmpp:ping") => format!("<iq type='result' id='{id}' from='{}'/>", escape(to)),
        _ => return refuse(session, stanza, to),
    };
    session.wire.send(&[answer.as_bytes()]);
}

/// The sender is told that nobody took it.
fn refuse(session: &Session, stanza: Element<'_>, to: &str) {
    if matches!(&*stanza.kind(), "error" | "result") {
        return;
    }
    let id = stanza.attribute("id").unwrap_or_default();
    let error = format!(
        "<{name} type='error' id='{id}' from='{to}'><error type='cancel'><service-unavailable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{name}>",
        name = stanza.name(),
        id = escape(&id),
        to = escape(to),
    );
    session.wire.send(&[error.as_bytes()]);
}
