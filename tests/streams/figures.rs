//! What a node measures stands on its page of the reference.

use std::collections::BTreeSet;

use crate::common::client::{Answers, Client};
use crate::common::node::{Plaintext, TestNode};

const PAGE: &str = include_str!("../../docs/reference/metrics.md");

#[test]
fn each_measurement_is_explained() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::connect(node.address(), "alice", None);
    alice.enable(true, Answers::Always);
    alice.send("<message to='alice@localhost'><body>by a quick way</body></message>");
    alice.send("<message to='alice@localhost'><thread/><body>with more</body></message>");
    alice.round_trip();
    let text = node.ctl_done(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let figures = figures.as_object().expect("figures by name");
    let shown: BTreeSet<&str> = figures
        .keys()
        .filter_map(|name| name.split('{').next())
        .collect();
    assert!(shown.contains("pollux_log_unsynced_age_ms"), "{shown:?}");
    assert!(shown.contains("pollux_tables_disk_bytes"), "{shown:?}");
    let unexplained: Vec<&&str> = shown
        .iter()
        .filter(|name| !PAGE.contains(&format!("`{name}`")))
        .collect();
    assert!(
        unexplained.is_empty(),
        "docs/reference/metrics.md lacks {unexplained:?}"
    );
    // What others know by other names.
    for (object, counter, value) in [
        ("Cisco XCP CM", "CmConnectedSockets", 1),
        ("Cisco XCP JSM", "JsmIMSessions", 1),
        ("Cisco XCP JSM", "JsmTotalMessagePackets", 2),
        ("Cisco Presence Engine", "ActiveJsmSessions", 1),
        // Unknown, as long as high availability is off.
        ("Cisco Server Recovery Manager", "SRMState", 0),
    ] {
        let name = format!("pollux_perfmon{{object={object},counter={counter}}}");
        assert_eq!(figures[&name], value, "{name}: {text}");
    }
    // The node has written: something of its log and of its tables is on the disk.
    let of = |name: &str| figures[name].as_u64().expect("a number");
    assert_ne!(of("pollux_log_disk_bytes{group=subcluster}"), 0);
    assert_ne!(of("pollux_tables_disk_bytes"), 0);
}
