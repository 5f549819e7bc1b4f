//! Links on a simulated network, on one thread and from one seed: the same program, cut and healed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::common::sim::{SeededRand, SimulatedNet, VirtualClock};
use super::common::{Notes, TOPIC, identity, version};
use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::seams::Ambient;
use pollux_links::PeerAddress;
use pollux_links::in_use::InUse;
use pollux_links::links::{LinkParts, Links};
use pollux_links::net::Net;
use pollux_links::peers::{Desks, Lane, LinkError, Peers};
use pollux_links::security::Security;

const PORT: u16 = 7_400;

type Trace = Rc<RefCell<Vec<String>>>;

fn links(node: u16, seed: u64) -> Links {
    let desks = Arc::new(Desks::default());
    desks.open(TOPIC, Arc::<Notes>::default());
    let links = Links::new(LinkParts {
        identity: identity(node),
        build: version(),
        in_use: InUse::default(),
        address: None,
        security: Security::Plain,
        net: Arc::new(SimulatedNet),
        ambient: Ambient {
            clock: Arc::new(VirtualClock),
            rand: Arc::new(SeededRand(Mutex::new(seed + u64::from(node)))),
        },
        desks,
        visitors: Arc::<super::common::Guests>::default(),
    });
    let place = |node: u16| PeerAddress {
        node: NodeId(node),
        incarnation: None,
        address: format!("node{node}:{PORT}"),
    };
    links.set_peers(vec![place(1), place(2), place(3)]);
    links
}

/// Runs both lanes, and asks the next node on each lane every 50 ms.
async fn live(node: u16, seed: u64, trace: Trace) -> turmoil::Result {
    let links = links(node, seed);
    let listener = SimulatedNet.listen(([0, 0, 0, 0], PORT).into()).await?;
    let asking = async {
        let other = NodeId(node % 3 + 1);
        loop {
            for lane in Lane::ALL {
                let answer = links
                    .ask(other, lane, TOPIC, Bytes::from_static(b"a"))
                    .await;
                let at = turmoil::sim_elapsed().unwrap_or_default();
                trace
                    .borrow_mut()
                    .push(format!("{at:?} {node} {lane:?} {answer:?}"));
                if matches!(answer, Err(LinkError::NoSuchTopic(_))) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(links.run_control(), links.run_bulk(listener), asking);
    Ok(())
}

/// Six seconds: whole, then node 1 without the others, then whole.
fn run(seed: u64) -> Vec<String> {
    let trace = Trace::default();
    let mut world = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(60))
        .tick_duration(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(5))
        .build();
    for node in 1..=3 {
        let kept = trace.clone();
        world.host(format!("node{node}"), move || {
            live(node, seed, kept.clone())
        });
    }
    world.client("faults", async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        for other in ["node2", "node3"] {
            turmoil::partition("node1", other);
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        for other in ["node2", "node3"] {
            turmoil::repair("node1", other);
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    });
    world.run().unwrap();
    trace.take()
}

fn count(trace: &[String], words: &str) -> usize {
    trace.iter().filter(|line| line.contains(words)).count()
}

#[test]
fn a_cut_is_found_and_healed_and_one_seed_is_one_trace() {
    let seed = 20_251;
    println!("seed {seed}");
    let trace = run(seed);
    for lane in Lane::ALL {
        // Node 1's question was lost, then there was nobody, and in the end there were answers.
        assert!(
            0 < count(&trace, &format!(" 1 {lane:?} Err(Lost")),
            "{lane:?}"
        );
        assert!(
            0 < count(&trace, &format!(" 1 {lane:?} Err(NotConnected")),
            "{lane:?}"
        );
        for node in 1..=3 {
            let last = trace
                .iter()
                .rfind(|line| line.contains(&format!(" {node} {lane:?} ")));
            assert!(last.unwrap().contains("Ok("), "{last:?}");
        }
        // The link between the others stood all the time.
        assert_eq!(count(&trace, &format!(" 2 {lane:?} Err(Lost")), 0);
    }
    assert_eq!(trace, run(seed));
}
