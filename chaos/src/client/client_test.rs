//! The client against a scripted server in memory: what no well-behaved server would ever send.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::client::{
    Account, Client, Error, Event, Keys, Lines, Mechanism, Options, Outcome, StreamManagement,
};

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='1' from='d'>";
const FEATURES: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
     <sm xmlns='urn:xmpp:sm:3'/></stream:features>";
const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>";

/// The server's end: reads until something was said, then says the next thing.
struct Script {
    stream: DuplexStream,
    heard: String,
}

impl Script {
    /// What the client said up to and with `end`.
    async fn hear(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(end) {
                let rest = self.heard.split_off(at + end.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            let mut bytes = [0; 512];
            let count = self.stream.read(&mut bytes).await.unwrap();
            assert!(
                count > 0,
                "the client left before {end:?}, after {:?}",
                self.heard
            );
            self.heard
                .push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// A whole sign-in; `honest` is whether the server knows the password.
    async fn sign_in(&mut self, honest: bool) {
        self.hear("to='d'>").await;
        let mechanisms = "<mechanisms><mechanism>SCRAM-SHA-1</mechanism></mechanisms>";
        self.say(&format!(
            "{HEADER}<stream:features>{mechanisms}</stream:features>"
        ))
        .await;
        self.hear("mechanism='SCRAM-SHA-1'>").await;
        let first = self.sasl("</auth>").await;
        let bare = first.strip_prefix("n,,").unwrap().to_owned();
        let challenge = format!("{}xyz,s=c2FsdA==,i=4096", &bare[bare.find("r=").unwrap()..]);
        self.say(&format!(
            "<challenge>{}</challenge>",
            STANDARD.encode(&challenge)
        ))
        .await;
        self.hear("xmpp-sasl'>").await;
        let answer = self.sasl("</response>").await;
        let (without_proof, _) = answer.rsplit_once(",p=").unwrap();
        let password = if honest { "secret" } else { "guess" };
        let keys = Keys::derive(Mechanism::ScramSha1, password, b"salt", 4096).unwrap();
        let message = format!("{bare},{challenge},{without_proof}");
        let signature = Mechanism::ScramSha1
            .hmac(&keys.server_key, message.as_bytes())
            .unwrap();
        let last = STANDARD.encode(format!("v={}", STANDARD.encode(signature)));
        self.say(&format!("<success>{last}</success>")).await;
        if honest {
            self.hear("to='d'>").await;
            self.say(&format!("{HEADER}{FEATURES}")).await;
        }
    }

    async fn bind(&mut self) {
        self.hear("id='").await;
        let id = self.hear("'").await;
        self.hear("</iq>").await;
        let bound = "<bind><jid>u@d/r</jid></bind>";
        self.say(&format!("<iq type='result' id='{id}>{bound}</iq>"))
            .await;
    }

    async fn sasl(&mut self, end: &str) -> String {
        let data = self.hear(end).await;
        let data = STANDARD.decode(data.strip_suffix(end).unwrap()).unwrap();
        String::from_utf8(data).unwrap()
    }
}

type TestClient = Client<DuplexStream, Rc<RefCell<Lines>>>;

fn client() -> TestClient {
    let text = |text: &str| text.to_owned();
    let account = Account {
        user: text("u"),
        domain: text("d"),
        password: text("secret"),
        resource: text("r"),
    };
    let options = Options {
        stream_management: StreamManagement::Resumable,
        request_every: 0,
        ..Options::default()
    };
    Client::new(account, options.shared(), 1, Rc::default())
}

fn ends() -> (DuplexStream, Script) {
    let (client, stream) = duplex(64);
    (
        client,
        Script {
            stream,
            heard: String::new(),
        },
    )
}

async fn connected(client: &mut TestClient, early: &str) -> Script {
    let (stream, mut script) = ends();
    let serving = async {
        script.sign_in(true).await;
        script.bind().await;
        script.hear("resume='true'/>").await;
        script.say(&format!("{early}{ENABLED}")).await;
    };
    let (outcome, ()) = tokio::join!(client.connect(stream), serving);
    assert_eq!(outcome.unwrap(), Outcome::Bound);
    script
}

fn noted(client: &TestClient) -> Vec<String> {
    client.journal().borrow().lines.clone()
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_no_server() {
    let (stream, mut script) = ends();
    let mut client = client();
    let (outcome, ()) = tokio::join!(client.connect(stream), script.sign_in(false));
    assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_overtakes_enabled_is_kept_and_not_counted() {
    let mut client = client();
    let mut script = connected(&mut client, "<message id='early' from='a@d'/>").await;
    script
        .say("<message id='later' from='a@d'/><r xmlns='urn:xmpp:sm:3'/>")
        .await;
    for id in ["early", "later"] {
        match client.next().await.unwrap() {
            Event::Message(message) => assert_eq!(message.attribute("id").as_deref(), Some(id)),
            event => panic!("{event:?}"),
        }
    }
    let (heard, _) = tokio::join!(script.hear("/>"), async {
        let reading = client.next();
        tokio::time::timeout(std::time::Duration::from_millis(50), reading)
            .await
            .unwrap_err()
    });
    assert_eq!(heard, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
}

#[tokio::test]
async fn an_impossible_h_ends_the_connection_and_is_noted() {
    let mut client = client();
    let mut script = connected(&mut client, "").await;
    client.message("b@d", "1", "one").unwrap();
    script.say("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    let error = client.next().await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(!client.is_connected());
    assert!(noted(&client).contains(&"HandledAhead { sent: 1, h: 2 }".to_owned()));
}

#[tokio::test]
async fn resumption_sends_again_what_the_server_has_not_handled_in_order() {
    let mut client = client();
    let script = connected(&mut client, "").await;
    for id in ["1", "2", "3"] {
        client.message("b@d", id, "text").unwrap();
    }
    drop(script);
    assert!(client.next().await.is_err());
    let (stream, mut script) = ends();
    let serving = async {
        script.sign_in(true).await;
        assert!(
            script
                .hear("previd='s1'/>")
                .await
                .ends_with("h='0' previd='s1'/>")
        );
        script
            .say("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='s1'/>")
            .await;
    };
    let (outcome, ()) = tokio::join!(client.connect(stream), serving);
    assert_eq!(outcome.unwrap(), Outcome::Resumed { resent: 2 });
    let (heard, flushed) = tokio::join!(script.hear("<r xmlns='urn:xmpp:sm:3'/>"), client.flush());
    flushed.unwrap();
    let ids: Vec<&str> = heard.split("id='").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(ids, ["2", "3"]);
    assert!(noted(&client).contains(&"Acknowledged { id: \"1\" }".to_owned()));
}

#[tokio::test]
async fn a_refused_resumption_may_still_acknowledge() {
    let mut client = client();
    drop(connected(&mut client, "").await);
    client.message("b@d", "1", "text").unwrap();
    client.message("b@d", "2", "text").unwrap();
    let (stream, mut script) = ends();
    let serving = async {
        script.sign_in(true).await;
        script.hear("previd='s1'/>").await;
        script
            .say("<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found/></failed>")
            .await;
        script.bind().await;
        script.hear("resume='true'/>").await;
        script.say(ENABLED).await;
    };
    let (outcome, ()) = tokio::join!(client.connect(stream), serving);
    assert_eq!(outcome.unwrap(), Outcome::Bound);
    let noted = noted(&client);
    for line in [
        "Acknowledged { id: \"1\" }",
        "NotResumed { condition: \"item-not-found\" }",
        "Unknown { id: \"2\" }",
    ] {
        assert!(noted.contains(&line.to_owned()), "{line} in {noted:?}");
    }
    assert_eq!(client.unacknowledged(), 0);
}

/// One seed, one conversation: nothing that the client says depends on a clock or on chance.
#[tokio::test]
async fn one_seed_says_the_same_bytes() {
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut client = client();
        let mut script = connected(&mut client, "").await;
        client.request_roster().unwrap();
        let (heard, flushed) = tokio::join!(script.hear("</iq>"), client.flush());
        flushed.unwrap();
        said.push(heard);
    }
    assert_eq!(said[0], said[1]);
}
