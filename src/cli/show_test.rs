//! How each result looks, letter by letter, and that programs can read it.

use pollux_domain::node_state::NodeState;
use pollux_domain::operations::{
    GroupRow, HomeRow, ListenerRow, MemberRow, NodeStateRow, SessionRef, UserName,
};
use pollux_domain::services::{Observed, Service, Wish};
use pollux_domain::takeovers::TakeoverCause;
use pollux_domain::version::Formats;

use super::*;

/// As JSON: one line, which a program reads.
#[track_caller]
fn read(shown: &Shown) -> Value {
    let text = json(shown);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.ends_with('\n'), "{text}");
    serde_json::from_str(&text).unwrap()
}

fn user(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

const FORMATS: Formats = Formats {
    oldest: 1,
    newest: 1,
};

#[test]
fn a_list_of_users() {
    let alice = UserRow {
        user: user("alice@localhost"),
        is_administrator: true,
        is_disabled: false,
        availability: "away".to_owned(),
        session_count: 2,
        offline_count: 0,
    };
    let other = UserRow {
        user: user("Ährenfeld.the.longest.name@localhost"),
        is_administrator: false,
        is_disabled: true,
        availability: "unavailable".to_owned(),
        session_count: 0,
        offline_count: 1_000,
    };
    let shown = Shown::Users(vec![alice, other]);
    let expected = "\
USER                                  ROLE           AVAILABILITY  SESSIONS  OFFLINE
alice@localhost                       administrator  away          2         0
Ährenfeld.the.longest.name@localhost  user           disabled      0         1000
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value[0]["session_count"], 2);
    assert_eq!(value[1]["is_disabled"], true);
    let none = Shown::Users(Vec::new());
    assert_eq!(text(&none), "USER  ROLE  AVAILABILITY  SESSIONS  OFFLINE\n");
    assert_eq!(read(&none), json!([]));
}

#[test]
fn a_list_of_sessions() {
    let row = |resource: &str, peer: Option<&str>, slot_count| SessionRow {
        session: SessionRef::new(format!("alice@localhost/{resource}")).unwrap(),
        user: user("alice@localhost"),
        resource: resource.to_owned(),
        peer: peer.map(str::to_owned),
        availability: "do not disturb".to_owned(),
        has_stream_management: peer.is_none(),
        slot_count,
    };
    let shown = Shown::Sessions(vec![
        row("My phone/2f\"", Some("[2001:db8::1]:50123"), 0),
        row("x", None, 500),
    ]);
    let expected = "\
SESSION                       AVAILABILITY    PEER                 ACKNOWLEDGES  UNACKNOWLEDGED
alice@localhost/My phone/2f\"  do not disturb  [2001:db8::1]:50123  no            0
alice@localhost/x             do not disturb  waits to resume      yes           500
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value[0]["resource"], "My phone/2f\"");
    assert_eq!(value[1]["peer"], Value::Null);
    let none = Shown::Sessions(Vec::new());
    let expected = "SESSION  AVAILABILITY  PEER  ACKNOWLEDGES  UNACKNOWLEDGED\n";
    assert_eq!(text(&none), expected);
    assert_eq!(read(&none), json!([]));
}

#[test]
fn the_nodes_of_a_cluster() {
    let row = |node, name: &str, role: &str, state: &str| ClusterNodeRow {
        node,
        name: name.to_owned(),
        role: role.to_owned(),
        subcluster: 1,
        incarnation: 12,
        address: format!("{name}.example.org:7222"),
        version: "0.1.0".to_owned(),
        formats: FORMATS,
        format: 1,
        site: (node == 1).then(|| "north".to_owned()),
        witness_of: if node == 1 { vec![2, 3] } else { Vec::new() },
        is_drained: node == 1,
        state: state.to_owned(),
    };
    let shown = Shown::Nodes(vec![
        row(1, "castor", "node", "this node"),
        row(10, "a-longer-name", "witness", "not connected"),
    ]);
    let expected = "\
NODE  NAME           ROLE     SUBCLUSTER  INCARNATION  ADDRESS                         VERSION  \
SITE   STATE               WITNESS OF
1     castor         node     1           12           castor.example.org:7222         0.1.0    \
north  this node, drained  2, 3
10    a-longer-name  witness  1           12           a-longer-name.example.org:7222  0.1.0    \
-      not connected       -
";
    assert_eq!(text(&shown), expected);
    assert_eq!(read(&shown)[1]["state"], "not connected");
    let none = Shown::Nodes(Vec::new());
    let expected = "NODE  NAME  ROLE  SUBCLUSTER  INCARNATION  ADDRESS  VERSION  SITE  STATE  \
                    WITNESS OF\n";
    assert_eq!(text(&none), expected);
    assert_eq!(read(&none), json!([]));
}

fn subcluster(leader: Option<u16>, homes: Vec<HomeRow>, members: Vec<MemberRow>) -> Shown {
    Shown::Subcluster(SubclusterStatus {
        subcluster: 2,
        high_availability: leader.is_some(),
        is_protected: leader.is_some(),
        exposure: leader.is_none().then(|| "it has no witness".to_owned()),
        leader,
        term: 40,
        homes,
        members,
        nodes: Vec::new(),
    })
}

#[test]
fn the_state_of_a_subcluster() {
    let home = |home, serving, is_held_here| HomeRow {
        home,
        serving,
        epoch: 7,
        users: 25_000,
        sessions: 3,
        is_held_here,
    };
    let member = |node, votes, matched_index| MemberRow {
        node,
        incarnation: 1,
        votes,
        matched_index,
    };
    let shown = subcluster(
        Some(3),
        vec![home(3, Some(4), false), home(4, None, true)],
        vec![member(3, true, Some(123_456)), member(5, false, None)],
    );
    let expected = "\
subcluster 2: high availability on, protected yes, leader 3, term 40

NODE  NAME  STATE  REASON

HOME  SERVED BY  EPOCH  USERS  SESSIONS  LEASE HELD HERE
3     4          7      25000  3         no
4     -          7      25000  3         yes

REPLICA  INCARNATION  VOTES  HAS
3        1            yes    123456
5        1            no     -
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value["homes"][1]["serving"], Value::Null);
    assert_eq!(value["members"][0]["matched_index"], 123_456);
    let none = subcluster(None, Vec::new(), Vec::new());
    let expected = "\
subcluster 2: high availability off, protected no (it has no witness), leader -, term 40

NODE  NAME  STATE  REASON

HOME  SERVED BY  EPOCH  USERS  SESSIONS  LEASE HELD HERE

REPLICA  INCARNATION  VOTES  HAS
";
    assert_eq!(text(&none), expected);
    assert_eq!(read(&none)["leader"], Value::Null);
}

#[test]
fn the_digests_of_replicas() {
    let row = |node, index, digest| DigestRow {
        node,
        index,
        digest,
    };
    for (second, word, verdict) in [
        (Some(0xa), "0000000a", "all replicas are equal"),
        (None, "no answer", "not all replicas answered"),
        (
            Some(0xffff_ffff),
            "ffffffff",
            "THE REPLICAS DIFFER: stop the subcluster and ask for help",
        ),
    ] {
        let shown = Shown::Digests(vec![row(1, 9, Some(0xa)), row(12, 1_000_000, second)]);
        let expected = format!(
            "\
NODE  INDEX    DIGEST
1     9        0000000a
12    1000000  {word}

{verdict}
"
        );
        assert_eq!(text(&shown), expected);
        assert_eq!(read(&shown)[1]["digest"], json!(second));
    }
}

#[test]
fn statistics() {
    let figure = |name: &str, value| Figure {
        name: name.to_owned(),
        value,
    };
    let shown = Shown::Statistics(vec![
        figure("pollux_sessions", 7),
        figure("pollux_streams_given_up_total{why=silent}", u64::MAX),
    ]);
    let expected = "\
NAME                                       VALUE
pollux_sessions                            7
pollux_streams_given_up_total{why=silent}  18446744073709551615
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value["pollux_sessions"], 7);
    let name = "pollux_streams_given_up_total{why=silent}";
    assert_eq!(value[name], u64::MAX);
    let none = Shown::Statistics(Vec::new());
    assert_eq!(text(&none), "NAME  VALUE\n");
    assert_eq!(read(&none), json!({}));
}

#[test]
fn settings_of_the_cluster() {
    let row = |name: &str, value: &str| SettingRow {
        name: name.to_owned(),
        value: value.to_owned(),
        default: "off".to_owned(),
        form: "on or off".to_owned(),
        meaning: "It does.".to_owned(),
    };
    let rows = vec![
        row("sign-in.plain", "on"),
        row("accounts.registrations-an-hour", "off"),
    ];
    let shown = Shown::Settings(rows);
    let expected = "  \
  SETTING                         VALUE  DEFAULT  MAY BE
* sign-in.plain                   on     off      on or off
  accounts.registrations-an-hour  off    off      on or off
";
    assert_eq!(text(&shown), expected);
    assert_eq!(read(&shown)[0]["value"], "on");
    let none = Shown::Settings(Vec::new());
    assert_eq!(text(&none), "  SETTING  VALUE  DEFAULT  MAY BE\n");
    assert_eq!(read(&none), json!([]));
    let one = Shown::Setting(row("sign-in.plain", "on"));
    let expected = "sign-in.plain = on\ndefault: off\nmay be: on or off\n\nIt does.\n";
    assert_eq!(text(&one), expected);
    assert_eq!(read(&one)["name"], "sign-in.plain");
}

#[test]
fn the_status_of_a_node() {
    let status = NodeStatus {
        node_id: 1,
        version: "0.1.0".into(),
        formats: FORMATS,
        format: 1,
        domain: "localhost".into(),
        state: "serving".into(),
        uptime_seconds: 3_725,
        flush_ms: Some(2.5),
        user_count: 4,
        session_count: 2,
        listeners: vec![ListenerRow {
            protocol: "xmpp".into(),
            address: "[::1]:5222".into(),
        }],
        groups: vec![GroupRow {
            group: "subcluster 1".into(),
            role: "leader".into(),
            term: 3,
            applied_index: 9,
            voter_count: 1,
        }],
        relogin: ReloginHint {
            users: 7_500,
            sign_ins_a_second: 400,
            is_measured: true,
            spread: Spread {
                lower_seconds: 5,
                upper_seconds: 24,
            },
            by_cisco: Some(Spread {
                lower_seconds: 120,
                upper_seconds: 620,
            }),
        },
    };
    let shown = Shown::Status(status);
    let expected = "\
WHAT                      VALUE
node                      1
version                   0.1.0
cluster format            1, speaks 1
domain                    localhost
state                     serving
up                        1 h 2 min
disk flush                99 of 100 within 2.5 ms, in the last minute
users                     4
sessions                  2
listens (xmpp)            [::1]:5222
clients come back within  5 to 24 s (7500 users, 400 sign-ins a second, measured)
by Cisco's tables         120 to 620 s
group subcluster 1        leader, term 3, applied 9, voters 1
";
    assert_eq!(text(&shown), expected);
    assert_eq!(read(&shown)["listeners"][0]["protocol"], "xmpp");
}

#[test]
fn what_was_done() {
    let shown = Shown::Done {
        what: "removed",
        subject: "alice".to_owned(),
    };
    assert_eq!(text(&shown), "alice: removed\n");
    assert_eq!(read(&shown), json!({ "done": true, "subject": "alice" }));
    // Alone on their lines, so that a script can take them.
    let token = Shown::Token("pollux-1".to_owned());
    assert_eq!(text(&token), "pollux-1\n");
    assert_eq!(read(&token), json!({ "token": "pollux-1" }));
    let secret = Shown::Secret(Secret::new("abc".to_owned()).unwrap());
    assert_eq!(text(&secret), "abc\n");
    assert_eq!(read(&secret), json!({ "secret": "abc" }));
}

#[test]
fn a_generated_password_is_shown_once_and_said_to_be() {
    let shown = Shown::Generated {
        what: "added",
        subject: "alice".to_owned(),
        password: Secret::new("abc".to_owned()).unwrap(),
    };
    let expected = "alice: added\npassword: abc\nIt is not kept and not shown again.\n";
    assert_eq!(text(&shown), expected);
    let expected = json!({ "done": true, "subject": "alice", "password": "abc" });
    assert_eq!(read(&shown), expected);
}

#[test]
fn the_states_of_a_pair() {
    let node = |node, name: &str, state: NodeState, reason: &str| NodeStateRow {
        node,
        name: name.to_owned(),
        state,
        number: state.number(),
        reason: reason.to_owned(),
    };
    let shown = Shown::Subcluster(SubclusterStatus {
        subcluster: 1,
        high_availability: true,
        is_protected: true,
        exposure: None,
        leader: Some(2),
        term: 3,
        homes: Vec::new(),
        members: Vec::new(),
        nodes: vec![
            node(1, "castor", NodeState::Idle, "On Admin Request"),
            node(
                2,
                "pollux",
                NodeState::RunningInBackupMode,
                "On Admin Request",
            ),
        ],
    });
    let expected = "subcluster 1: high availability on, protected yes, leader 2, term 3\n\n\
                    NODE  NAME    STATE                   REASON\n\
                    1     castor  Idle                    On Admin Request\n\
                    2     pollux  Running in Backup Mode  On Admin Request\n\n";
    let text = text(&shown);
    assert!(text.starts_with(expected), "{text}");
    let value: Value = serde_json::from_str(&json(&shown)).unwrap();
    assert_eq!(value["nodes"][0]["state"], "idle");
    assert_eq!(value["nodes"][1]["number"], 4);
}

#[test]
fn the_history_of_takeovers() {
    let row = |from, to, epoch, cause: TakeoverCause| TakeoverRow {
        home: 1,
        from,
        to,
        epoch,
        cause,
        reason: cause.to_string(),
        at: "2026-11-29T16:22:53.123Z".to_owned(),
        wall_ms: 1_796_055_773_123,
        group_ms: 7,
    };
    let shown = Shown::Takeovers(vec![
        row(Some(1), 2, 2, TakeoverCause::Silent),
        row(None, 1, 1, TakeoverCause::First),
    ]);
    let expected = "TIME                      HOME  FROM  TO  EPOCH  REASON\n\
                    2026-11-29T16:22:53.123Z  1     1     2   2      Peer Down\n\
                    2026-11-29T16:22:53.123Z  1     -     1   1      Initialization\n";
    assert_eq!(text(&shown), expected);
    let value: Value = serde_json::from_str(&json(&shown)).unwrap();
    assert_eq!(value[0]["cause"], "silent");
    assert_eq!(value[1]["from"], Value::Null);
}

#[test]
fn the_services_of_a_node() {
    let row = |service, wanted, state, for_seconds, reason: Option<&str>| ServiceRow {
        service,
        is_critical: service != Service::Links,
        can_stop: service != Service::Store,
        wanted,
        state,
        for_seconds,
        reason: reason.map(str::to_owned),
        meaning: service.meaning().to_owned(),
    };
    let shown = Shown::Services(vec![
        row(Service::Clients, Wish::Stopped, Observed::Stopped, 5, None),
        row(
            Service::DirectTls,
            Wish::Running,
            Observed::Failed,
            3_700,
            Some("failed to listen"),
        ),
        row(
            Service::Links,
            Wish::Running,
            Observed::Running,
            90_061,
            None,
        ),
    ]);
    let expected = "\
SERVICE      WANTED   STATE    FOR        CRITICAL  WHAT
clients      stopped  stopped  5 s        yes       the port for clients
clients-tls  running  failed   1 h 1 min  yes       failed to listen
links        running  running  1 d 1 h    no        the port between nodes and its connections
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value[1]["state"], "failed");
    assert_eq!(value[1]["service"], "clients-tls");
    let none = Shown::Services(Vec::new());
    assert_eq!(text(&none), "SERVICE  WANTED  STATE  FOR  CRITICAL  WHAT\n");
    assert_eq!(read(&none), json!([]));
}

#[test]
fn what_a_node_finds_of_itself() {
    let shown = Shown::SelfTest(vec![
        Finding::passed("memory", "2048 MiB can be had"),
        Finding::warned(
            "version of node 2 (pollux)",
            "another",
            "upgrade:\nthe older one",
        ),
        Finding::failed("service store", "the disk is full", "make room"),
    ]);
    let expected = "\
RESULT  TEST                        FINDING, AND WHAT TO DO
passed  memory                      2048 MiB can be had
WARNED  version of node 2 (pollux)  another
                                      upgrade:
                                      the older one
FAILED  service store               the disk is full
                                      make room

1 passed, 1 warned, 1 failed
";
    assert_eq!(text(&shown), expected);
    let value = read(&shown);
    assert_eq!(value[1]["verdict"], "warned");
    assert_eq!(value[0]["cure"], Value::Null);
}
