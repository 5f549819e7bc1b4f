//! What one session may hold at the most, and what its client sees when it is reached.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::limits;

use crate::stage::{Client, with_node};

/// As many octets as a stanza may well have.
const LONG: usize = 250_000;

async fn says_long(client: &mut Client, id: &str) {
    let body = "x".repeat(LONG);
    let to = "ben@example.org";
    client
        .say(&format!(
            "<message to='{to}' id='{id}'><body>{body}</body></message>"
        ))
        .await;
}

/// Stanzas wait for a disk that is slow: what comes behind them stays in the socket.
#[test]
fn who_has_said_too_much_that_is_not_committed_is_not_read() {
    const SLOW: Duration = Duration::from_millis(900);
    with_node(|stage| async move {
        let mut ann = stage.sign_in("ann").await;
        let clock = stage.node.ambient.clock.clone();
        stage
            .flush_ms
            .store(SLOW.as_millis() as u64, Ordering::Relaxed);
        let begun = clock.now();
        // Room for two, and the one that is read meanwhile.
        let read = limits::IN_FLIGHT_BYTES_MAX.div_ceil(LONG);
        for n in 0..read {
            says_long(&mut ann, &n.to_string()).await;
        }
        assert!(clock.now() - begun < SLOW / 2, "{:?}", clock.now() - begun);
        says_long(&mut ann, "waits").await;
        assert!(SLOW / 2 < clock.now() - begun, "{:?}", clock.now() - begun);
        stage.flush_ms.store(1, Ordering::Relaxed);
        // Nothing was left out.
        let mut ben = stage.sign_in_plain("ben").await;
        ben.say("<presence/>").await;
        let ids = (0..read).map(|n| n.to_string());
        for id in ids.chain(["waits".to_owned()]) {
            ben.hear(&format!("id='{id}'")).await;
        }
    });
}

/// A contact list longer than a write queue is said to the end, but nothing more behind it.
#[test]
fn a_client_that_does_not_read_is_not_told_why_its_stream_ends() {
    const GROUP_BYTES: usize = 1_000;
    const GROUPS: usize = limits::CONTACT_GROUPS_MAX;
    let contacts = 3 * limits::WRITE_QUEUE_BYTES_MAX / 2 / (GROUPS * GROUP_BYTES);
    with_node(|stage| async move {
        let mut ann = stage.sign_in_plain("ann").await;
        for n in 0..contacts {
            let groups = (0..GROUPS).map(|g| format!("<group>{g:0>GROUP_BYTES$}</group>"));
            let groups: String = groups.collect();
            ann.say(&format!(
                "<iq type='set' id='s{n}'><query xmlns='jabber:iq:roster'>\
                 <item jid='c{n}@example.org'>{groups}</item></query></iq>"
            ))
            .await;
            ann.hear(&format!("id='s{n}'")).await;
        }
        ann.say("<iq type='get' id='all'><query xmlns='jabber:iq:roster'/></iq>")
            .await;
        // The answer fills her socket before her other client takes the resource.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let other = stage.sign_in_plain("ann").await;
        let last = ann.last_words().await;
        assert!(last.ends_with("</iq>"), "{}", &last[last.len() - 200..]);
        assert!(!last.contains("<stream:error"), "there was no room for it");
        assert_eq!(last.matches("<item ").count(), contacts);
        drop(other);
    });
}

/// What others are shown as comes faster than it is read.
#[test]
fn a_client_that_reads_late_is_told_what_is_so_and_not_all_that_was() {
    const CHANGES: usize = 2 * limits::ANNOUNCEMENTS_MAX;
    with_node(|stage| async move {
        let mut ann = stage.sign_in_plain("ann").await;
        ann.say("<presence/>").await;
        ann.hear("<presence").await;
        let mut phone = stage.bind("ann", "phone").await;
        let status = |n: usize| format!("<status>{n:0>100}</status>");
        for n in 0..=CHANGES {
            phone
                .say(&format!("<presence>{}</presence>", status(n)))
                .await;
            // Her own device is told, too, and reads it.
            phone.hear(&status(n)).await;
        }
        let heard = ann.hear(&status(CHANGES)).await;
        let told = heard.matches("<presence").count();
        assert!(told < limits::ANNOUNCEMENTS_MAX, "{told} of {CHANGES}");
        ann.say("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        ann.hear("id='p'").await;
    });
}
