//! What topology and membership do not allow is refused with the same words, whoever asks: on the
//! command line, over REST, and by a form of the pages.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::administration::{add_administrator, operate, sign_in, with_admin};
use super::common::node::PASSWORD;
use super::http::ask;
use super::ports::free_address;
use pollux_domain::limits::INVITATIONS_MAX;

/// A browser that has signed in.
struct Browser {
    address: SocketAddr,
    cookie: String,
    /// By which its forms are known.
    form: String,
}

impl Browser {
    #[track_caller]
    fn signs_in(address: SocketAddr, name: &str) -> Browser {
        let answer = sign_in(address, name, PASSWORD);
        let begin = "__Host-pollux=";
        let (_, rest) = answer.head.split_once(begin).expect("a cookie");
        let value = rest.split(';').next().expect("a value");
        let cookie = format!("{begin}{value}");
        let headers = format!("Cookie: {cookie}\r\n");
        let page = ask(address, "GET /operations", &headers, "").expect("a page");
        let (_, rest) = { page.body }
            .split_once("name=\"form\" value=\"")
            .map(|(before, rest)| (before.to_owned(), rest.to_owned()))
            .expect("a form");
        Browser {
            address,
            cookie,
            form: rest[..64].to_owned(),
        }
    }

    /// What the page says that a form leads to, as text.
    fn sends(&self, operation: &str, fields: &Value) -> String {
        let headers = format!(
            "Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            self.cookie
        );
        let fields = fields.as_object().expect("fields").iter();
        let fields: String = fields
            .map(|(name, value)| match value {
                Value::String(text) => format!("&{name}={text}"),
                other => format!("&{name}={other}"),
            })
            .collect();
        let body = format!("form={}&operation={operation}{fields}", self.form);
        let answer = ask(self.address, "POST /operation", &headers, &body).expect("an answer");
        answer.body.replace("&#39;", "'").replace("&#38;", "&")
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "another program of the machine")]
fn each_refusal_has_the_same_words_on_every_face() {
    let address = free_address();
    let castor = with_admin("castor", address).founds();
    add_administrator(&castor, "ann", "administrator");
    let token = castor.ctl(&["token", "add", "rest", "--role", "administrator"]);
    let browser = Browser::signs_in(address, "ann");
    castor.ctl(&["service", "stop", "clients-tls"]);
    let _thief = std::net::TcpListener::bind(castor.direct_tls()).expect("the port is free");
    for _ in 0..INVITATIONS_MAX {
        let invitation = json!({ "witness": false });
        let answer = operate(address, token.trim(), "cluster.invite", &invitation);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let confirm = |operation: &str, fields: Value| {
        let mut fields = fields;
        fields["confirm"] = Value::from(operation);
        fields
    };
    let cases: [(&str, Value, &[&str], &str); 15] = [
        (
            "cluster.invite",
            json!({ "witness": false, "subcluster": 0 }),
            &["cluster", "invite", "--subcluster", "0"],
            "subclusters are numbered from 1",
        ),
        (
            "cluster.invite",
            json!({ "witness": false, "replaces": 9 }),
            &["cluster", "invite", "--replaces", "9"],
            "there is no such node in this subcluster",
        ),
        (
            "cluster.invite",
            json!({ "witness": false }),
            &["cluster", "invite"],
            "as many invitations wait as may: use one of them",
        ),
        (
            "cluster.remove",
            json!({ "node": 1 }),
            &["cluster", "remove", "1"],
            "a node does not remove itself; ask another one",
        ),
        (
            "cluster.remove",
            json!({ "node": 9 }),
            &["cluster", "remove", "9"],
            "there is no node 9; `pollux ctl cluster nodes` lists those there are",
        ),
        (
            "node.drain",
            json!({ "node": 1 }),
            &["node", "drain", "1"],
            "node 1 has no twin",
        ),
        (
            "node.undrain",
            json!({ "node": 1 }),
            &["node", "undrain", "1"],
            "node 1 is not drained",
        ),
        (
            "subcluster.move-witness",
            json!({ "to": 9 }),
            &["subcluster", "witness", "move", "--to", "9"],
            "subcluster 1 is not a pair: invite its second node first",
        ),
        (
            "cluster.finish-upgrade",
            json!({}),
            &["cluster", "finish-upgrade"],
            "there is nothing to finish",
        ),
        (
            "service.stop",
            json!({ "service": "store" }),
            &["service", "stop", "store"],
            "a node without its store is none",
        ),
        (
            "service.start",
            json!({ "service": "clients-tls" }),
            &["service", "start", "clients-tls"],
            "the service clients-tls does not run: failed to listen on",
        ),
        (
            "subcluster.set-high-availability",
            json!({ "on": true }),
            &["subcluster", "ha", "on"],
            "high availability needs two nodes and a witness",
        ),
        (
            "subcluster.failover",
            json!({ "node": 1 }),
            &["subcluster", "failover", "1"],
            "node 1 has no twin in this subcluster",
        ),
        (
            "subcluster.failover",
            json!({ "node": 9 }),
            &["subcluster", "failover", "9"],
            "node 9 has no twin in this subcluster",
        ),
        (
            "node.status",
            json!({ "at": 9 }),
            &["status", "--at", "9"],
            "there is no node 9 in this cluster",
        ),
    ];
    for (operation, fields, arguments, words) in cases {
        let fields = confirm(operation, fields);
        let said = castor.run(&[&["ctl", "--config", "pollux.toml"][..], arguments].concat());
        assert_ne!(said.code, Some(0), "{operation}");
        assert!(said.err.contains(words), "{operation}: {}", said.err);
        let answer = operate(address, token.trim(), operation, &fields);
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{operation}: {answer}");
        let page = browser.sends(operation, &fields);
        assert!(page.contains(message), "{operation}: {message}: {page}");
        assert!(said.err.contains(message), "{operation}: {}", said.err);
    }
}
