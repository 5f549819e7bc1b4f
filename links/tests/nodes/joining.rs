//! A node joins with a token, or does not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::common::{CLUSTER, Ca, Node, ambient, identity, loopback, run, until, version};
use bytes::Bytes;
use pollux_domain::ids::{Incarnation, NodeId};
use pollux_domain::limits;
use pollux_links::authority::NodeKey;
use pollux_links::credentials::Credentials;
use pollux_links::join::{
    Admission, Grant, JoinError, JoinGrant, JoinRefusal, JoinRequest, Verdict, join,
};
use pollux_links::net::SystemNet;
use pollux_links::peers::{Lane, Peers};
use pollux_links::security::Security;
use pollux_links::token::Token;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Knows which secrets were given out.
struct Door {
    ca: Ca,
    secrets: Mutex<BTreeSet<[u8; 16]>>,
    used: Mutex<BTreeSet<[u8; 16]>>,
}

impl Admission for Door {
    fn admit(&self, secret: [u8; 16], request: JoinRequest) -> Verdict {
        let verdict = if self.secrets.lock().unwrap().remove(&secret) {
            self.used.lock().unwrap().insert(secret);
            let node = NodeId(2);
            let signed = self.ca.0.sign_request(node, &request.certificate_request);
            signed
                .map(|certificate| Grant {
                    node,
                    incarnation: Incarnation(1),
                    certificate: certificate.to_vec(),
                    topology: Bytes::from_static(b"topology"),
                })
                .map_err(|_| JoinRefusal::BadRequest)
        } else if self.used.lock().unwrap().contains(&secret) {
            Err(JoinRefusal::UsedToken)
        } else {
            Err(JoinRefusal::UnknownToken)
        };
        Box::pin(async move { verdict })
    }
}

async fn open_door() -> (Node, Arc<Door>, Token) {
    let ca = Ca::make();
    let node = Node::with(identity(1), ca.security(1), loopback()).await;
    let address = node.address.to_string();
    let token = Token::make(CLUSTER, ca.0.certificate(), &address, &*ambient().rand);
    let door = Arc::new(Door {
        ca,
        secrets: Mutex::new([token.secret].into()),
        used: Mutex::default(),
    });
    node.links.set_admission(door.clone());
    (node, door, token)
}

fn request(key: &NodeKey) -> JoinRequest {
    JoinRequest {
        name: "second".to_owned(),
        node_address: "127.0.0.1:7400".to_owned(),
        client_address: "127.0.0.1:5222".to_owned(),
        build: version(),
        site: None,
        certificate_request: key.request().unwrap(),
        backup: None,
        without_backup: false,
    }
}

async fn knock(token: &Token, request: JoinRequest) -> Result<JoinGrant, JoinError> {
    join(&SystemNet, &ambient(), &token.address, token, request).await
}

#[test]
fn a_token_lets_one_node_in_and_it_talks() {
    run(async {
        let (one, _door, token) = open_door().await;
        let token = Token::parse(&token.to_string()).unwrap();
        let key = NodeKey::make().unwrap();
        let grant = knock(&token, request(&key)).await.unwrap();
        assert_eq!((grant.node, grant.cluster), (NodeId(2), CLUSTER));
        assert_eq!(&grant.topology[..], b"topology");

        let credentials = Credentials {
            certificate: grant.certificate,
            key: key.private(),
            authority: grant.authority,
            also: None,
        };
        let security = Security::tls(credentials, grant.cluster, &ambient()).unwrap();
        let two = Node::with(identity(2), security, loopback()).await;
        two.knows(&[(1, one.address)]);
        one.knows(&[(2, two.address)]);
        one.connected(2).await;
        let answer = one.links.ask(
            NodeId(2),
            Lane::Bulk,
            super::common::TOPIC,
            Bytes::from_static(b"a"),
        );
        assert_eq!(answer.await, Ok(Bytes::from_static(b"re: a")));

        let used = knock(&token, request(&key)).await;
        assert!(
            matches!(used, Err(JoinError::Refused(JoinRefusal::UsedToken))),
            "{used:?}"
        );
    });
}

#[test]
fn a_secret_that_nobody_gave_out_is_refused() {
    run(async {
        let (_one, _door, mut token) = open_door().await;
        token.secret[0] ^= 1;
        let refused = knock(&token, request(&NodeKey::make().unwrap())).await;
        let expected = JoinRefusal::UnknownToken;
        assert!(matches!(refused, Err(JoinError::Refused(refusal)) if refusal == expected));
    });
}

#[test]
fn the_secret_is_kept_from_another_authority() {
    run(async {
        let (_one, door, mut token) = open_door().await;
        token.authority[31] ^= 1;
        let refused = knock(&token, request(&NodeKey::make().unwrap())).await;
        assert!(
            matches!(refused, Err(JoinError::WrongAuthority)),
            "{refused:?}"
        );
        assert_eq!(
            door.secrets.lock().unwrap().len(),
            1,
            "it was not even asked"
        );
    });
}

/// Says nothing until it is opened, and then that it cannot decide.
struct SlowDoor {
    knocked: AtomicUsize,
    opens: Arc<Semaphore>,
}

impl Admission for SlowDoor {
    fn admit(&self, _secret: [u8; 16], _request: JoinRequest) -> Verdict {
        self.knocked.fetch_add(1, Ordering::Relaxed);
        let opens = self.opens.clone();
        Box::pin(async move {
            opens.acquire().await.unwrap().forget();
            Err(JoinRefusal::NotReady)
        })
    }
}

async fn refusal(token: &Token) -> JoinRefusal {
    match knock(token, request(&NodeKey::make().unwrap())).await {
        Err(JoinError::Refused(refusal)) => refusal,
        other => panic!("it was to be refused: {other:?}"),
    }
}

#[test]
fn so_many_join_at_once_and_one_more_is_told_to_try_again() {
    run(async {
        let (one, _door, token) = open_door().await;
        let door = Arc::new(SlowDoor {
            knocked: AtomicUsize::new(0),
            opens: Arc::new(Semaphore::new(0)),
        });
        one.links.set_admission(door.clone());
        let mut joining = JoinSet::new();
        for _ in 0..limits::JOINS_MAX {
            let token = token.clone();
            joining.spawn_local(async move { refusal(&token).await });
        }
        until(|| door.knocked.load(Ordering::Relaxed) == limits::JOINS_MAX).await;
        assert_eq!(refusal(&token).await, JoinRefusal::Busy);
        // With each answer there is a place again.
        door.opens.add_permits(limits::JOINS_MAX + 1);
        for refusal in joining.join_all().await {
            assert_eq!(refusal, JoinRefusal::NotReady);
        }
        assert_eq!(refusal(&token).await, JoinRefusal::NotReady);
    });
}

#[test]
fn a_node_that_cannot_decide_says_so() {
    run(async {
        let ca = Ca::make();
        let node = Node::with(identity(1), ca.security(1), loopback()).await;
        let address = node.address.to_string();
        let token = Token::make(CLUSTER, ca.0.certificate(), &address, &*ambient().rand);
        let refused = knock(&token, request(&NodeKey::make().unwrap())).await;
        let expected = JoinRefusal::NotReady;
        assert!(matches!(refused, Err(JoinError::Refused(refusal)) if refusal == expected));
    });
}

#[test]
fn a_wrong_request_is_no_certificate_and_a_long_one_is_not_sent() {
    run(async {
        let (_one, door, token) = open_door().await;
        let key = NodeKey::make().unwrap();
        let mut long = request(&key);
        long.name = "x".repeat(limits::JOIN_REQUEST_BYTES_MAX);
        let refused = knock(&token, long).await;
        assert!(
            matches!(refused, Err(JoinError::Unreachable(_))),
            "{refused:?}"
        );
        assert_eq!(door.secrets.lock().unwrap().len(), 1);
        let mut wrong = request(&key);
        wrong.certificate_request.truncate(20);
        let refused = knock(&token, wrong).await;
        let expected = JoinRefusal::BadRequest;
        assert!(matches!(refused, Err(JoinError::Refused(refusal)) if refusal == expected));
    });
}
