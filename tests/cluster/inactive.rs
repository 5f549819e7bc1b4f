//! A client that nobody looks at (XEP-0352), over the death of its node.

use pollux_xml::Element;

use super::common::client::{Answers, Client};
use super::common::stream::{Event, xml};
use super::site::pair;

/// What bob is shown as, where that is what came.
fn shown(element: &Element) -> Option<String> {
    let is_bob = element.attribute("from") == Some("bob@localhost/desk");
    let show = element.find("jabber:client", "show")?;
    (is_bob && element.name() == "presence").then(|| show.text_content().to_string())
}

/// Waits until he is shown so.
#[track_caller]
fn sees(client: &mut Client, show: &str) {
    while shown(&client.element()).as_deref() != Some(show) {}
}

/// The state is of the stream (section 5.2): one that is resumed begins active, at the twin as
/// anywhere. So what was held back there is told here, by the database of both.
#[test]
fn what_a_client_was_spared_is_told_at_the_twin() {
    const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut phone = castor.client("alice");
    let mut sofa = Client::connect(castor.clients(), "alice", Some("sofa"));
    sofa.enable(true, Answers::Always);
    sofa.send("<presence/><presence type='subscribe' to='bob@localhost'/>");
    let mut bob = pollux.client("bob");
    let show = |bob: &mut Client, show: &str| {
        bob.send(&format!("<presence><show>{show}</show></presence>"));
        bob.all_acknowledged();
    };
    sofa.all_acknowledged();
    show(&mut bob, "away");
    sees(&mut phone, "away");
    phone.send(INACTIVE);
    // What comes now is told to the device that somebody looks at.
    phone.round_trip();
    phone.send(INACTIVE);
    show(&mut bob, "dnd");
    sees(&mut sofa, "dnd");

    castor.kill();
    loop {
        match phone.next() {
            Event::Element(element) => {
                assert_ne!(shown(&element).as_deref(), Some("dnd"), "{}", xml(&element));
            }
            Event::Closed => {}
            Event::Gone => break,
            other => panic!("waited for the end: {other:?}"),
        }
    }
    pollux.wait_served(&[(1, 2), (2, 2)]);
    phone.resume(pollux.clients());
    sees(&mut phone, "dnd");
    show(&mut bob, "chat");
    sees(&mut phone, "chat");

    // There it can be spared again, and is told before it is answered.
    sofa.resume(pollux.clients());
    phone.round_trip();
    while !phone.waiting().is_empty() {
        phone.element();
    }
    phone.send(INACTIVE);
    phone.all_acknowledged();
    show(&mut bob, "xa");
    sees(&mut sofa, "xa");
    phone.send(
        "<active xmlns='urn:xmpp:csi:0'/>\
         <iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    let mut told = None;
    loop {
        let element = phone.element();
        if element.attribute("id") == Some("p") {
            break;
        }
        told = shown(&element).or(told);
    }
    assert_eq!(told.as_deref(), Some("xa"));
}
