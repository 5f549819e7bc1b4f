//! The pages in a real browser: Chromium signs in, looks on while a node dies, and sends its users
//! home by the button.

mod chat;
mod driver;
mod guarded;

use std::path::PathBuf;
use std::time::Duration;

use super::administration::{add_administrator, with_admin};
use super::common::deadline::{found, wait_for};
use super::common::node::PASSWORD;
use super::ports::free_address;
use super::site::{Member, pair_of};
use chat::{CHATTERS, Chat, add_users};
use driver::Driver;

/// Issue 6: a death is seen so soon.
const SEEN: Duration = Duration::from_secs(2);
/// Where pictures of the pages are put, if anywhere: `cargo xtask screenshots`.
const PICTURES: &str = "POLLUX_SCREENSHOTS";

/// Wide, narrow and dark.
fn pictured(driver: &Driver, name: &str) {
    let Some(folder) = std::env::var_os(PICTURES) else {
        return;
    };
    let folder = PathBuf::from(folder);
    for (look, width, height, scheme) in [
        ("wide", 1280, 1100, "light"),
        ("narrow", 400, 1900, "light"),
        ("dark", 1280, 1100, "dark"),
    ] {
        driver.resizes(width, height);
        driver.likes(scheme);
        driver.pictures(&folder.join(format!("{name}-{look}.png")));
    }
    driver.resizes(1280, 1100);
    driver.likes("light");
}

/// The pair, of which Pollux has the pages, and where they are.
#[track_caller]
fn pair_with_pages() -> ([Member; 3], String) {
    let address = free_address();
    let pair = pair_of(Member::first("castor"), with_admin("pollux", address));
    (pair, format!("http://{address}"))
}

#[track_caller]
fn signs_in(driver: &Driver, pages: &str, name: &str) {
    driver.goes_to(pages);
    driver.shows("Password");
    driver.types("#name", name);
    driver.types("#password", PASSWORD);
    driver.clicks("button");
    driver.shows("System topology");
}

#[test]
fn a_dead_node_is_seen_without_a_reload_and_its_users_go_home_by_a_button() {
    let ([mut castor, pollux, _witness], pages) = pair_with_pages();
    add_administrator(&castor, "ann", "operator");
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    alice.all_acknowledged();

    let driver = Driver::start();
    driver.goes_to(&pages);
    driver.shows("Sign in");
    pictured(&driver, "sign-in");
    signs_in(&driver, &pages, "ann");
    for words in [
        "castor",
        "pollux",
        "witness",
        "high availability on",
        "1 session",
    ] {
        driver.shows(words);
    }
    pictured(&driver, "topology");
    // Where the machine was too slow for a lease, somebody is not at home yet.
    castor.fall_back();
    castor.wait_served(&[(1, 1), (2, 2)]);
    wait_for("the page to show everybody at home", || {
        let (first, second) = (driver.text_of("#node-1"), driver.text_of("#node-2"));
        let at_home = first.contains("the users of castor") && !first.contains("and pollux");
        (at_home && second.contains("the users of pollux")).then_some(())
    });
    // A sign that is lost if the page is loaded again.
    driver.evaluates("window.unloaded = 'not yet'");

    castor.kill();
    let is_bad = "return document.querySelector('#node-1.bad') !== null";
    let seen = found(SEEN, || (driver.evaluates(is_bad) == true).then_some(()));
    assert!(
        seen.is_some(),
        "not seen within {SEEN:?}: {}",
        driver.text()
    );
    wait_for("the page to show the takeover", || {
        let (first, second) = (driver.text_of("#node-1"), driver.text_of("#node-2"));
        let is_taken = second.contains("the users of castor and pollux");
        (is_taken && first.contains("nobody")).then_some(())
    });
    driver.shows("not protected");
    assert_eq!(driver.evaluates("return window.unloaded"), "not yet");
    pictured(&driver, "takeover");
    alice.resume(pollux.clients());

    castor.begin();
    pollux.wait_protected();
    let fallback = "a[href^='/confirm?operation=subcluster.fallback']";
    driver.shows("Fallback");
    driver.clicks(fallback);
    driver.shows("will go home to castor");
    driver.shows("The sessions of those users move");
    pictured(&driver, "confirm");
    driver.clicks("form[action='/operate'] button");
    driver.shows("all users: served by their home nodes");
    castor.wait_served(&[(1, 1), (2, 2)]);
    wait_for("the page to show it", || {
        let at_home = driver.text_of("#node-1").contains("the users of castor");
        (at_home && driver.text().contains("protected:")).then_some(())
    });
    pictured(&driver, "fallback");

    // What has happened, in words and as a picture.
    driver.clicks("nav a[href='/takeovers']");
    driver.shows("Subcluster 1");
    driver.clicks("a[href='/takeovers?span=hour']");
    driver.shows("last hour, now at the right");
    driver.shows("Peer Down");
    driver.shows("On Admin Request");
    let away = "return document.querySelectorAll('svg g.away rect').length";
    assert_eq!(driver.evaluates(away), 1);
    pictured(&driver, "takeovers");
    driver.clicks("nav a[href='/topology']");
    // What is told later changes nothing that is as it was: who has the focus keeps it.
    driver.evaluates(
        "document.querySelector('#node-1 h3 a').focus(); window.focused = document.activeElement",
    );
    castor.add_user("carol");
    wait_for("the page to show another user", || {
        driver.text_of("#node-1").contains("2 users").then_some(())
    });
    let kept = driver.evaluates("return window.focused === document.activeElement");
    assert_eq!(kept, true);
    driver.clicks("#node-1 h3 a");
    driver.shows("Replicated groups");
    driver.shows("Metrics of castor");
    pictured(&driver, "node");
    driver.clicks("a[href='/metrics?node=1']");
    driver.shows("Memory of the process");
    pictured(&driver, "metrics");
    // Castor says it, by the way of the node that made the page.
    let lines = "return document.querySelectorAll('figure.chart path.stroke').length";
    assert_eq!(driver.evaluates(lines), 12);
    assert_eq!(driver.complaints(), [""; 0]);
}

#[test]
fn users_go_home_by_a_button_while_two_hundred_chat() {
    let ([castor, pollux, _witness], pages) = pair_with_pages();
    add_administrator(&castor, "ann", "operator");
    let address = pages.trim_start_matches("http://");
    add_users(&pollux, address.parse().expect("an address"));
    let driver = Driver::start();
    signs_in(&driver, &pages, "ann");
    let chat = Chat::begin(&castor);
    wait_for("everybody to be signed in", || {
        let status = castor.ctl(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).ok()?;
        (status["session_count"] == CHATTERS).then_some(())
    });
    driver.clicks("a[href^='/confirm?operation=subcluster.failover&node=1']");
    driver.shows("pollux will serve them");
    driver.clicks("form[action='/operate'] button");
    driver.shows("node 1: relieved");
    castor.wait_served(&[(1, 2), (2, 2)]);
    wait_for("the page to show it", || {
        let served = driver.text_of("#node-2");
        served
            .contains("the users of castor and pollux")
            .then_some(())
    });
    driver.clicks("a[href^='/confirm?operation=subcluster.fallback']");
    driver.shows("will go home to castor");
    driver.clicks("form[action='/operate'] button");
    driver.shows("all users: served by their home nodes");
    castor.wait_served(&[(1, 1), (2, 2)]);
    let account = chat.end();
    for promise in ["lost", "twice", "out_of_order", "not_resumed"] {
        assert_eq!(account["verdict"][promise], 0, "{promise}: {account}");
    }
    let moved = &account["verdict"]["resumptions"];
    assert!(moved.as_u64() >= Some(1), "nobody moved: {account}");
}

#[test]
fn what_the_cluster_does_not_allow_is_said_in_its_words() {
    let address = free_address();
    let castor = with_admin("castor", address).founds();
    let _pollux = castor.invite("pollux", &[]);
    add_administrator(&castor, "ann", "operator");
    let driver = Driver::start();
    signs_in(&driver, &format!("http://{address}"), "ann");
    driver.clicks("a[href^='/confirm?operation=subcluster.set-high-availability&on=true']");
    driver.shows("its twin takes its users over by itself");
    driver.clicks("form[action='/operate'] button");
    driver.shows("Not done");
    driver.shows("high availability needs two nodes and a witness");
    pictured(&driver, "refused");
    let asked = ["ctl", "--config", "pollux.toml", "subcluster", "ha", "on"];
    let refused = castor.run(&asked);
    let words = "high availability needs two nodes and a witness";
    assert!(refused.err.contains(words), "{}", refused.err);
}

#[test]
fn a_service_that_is_stopped_by_a_button_sends_the_users_to_the_twin() {
    let ([castor, pollux, _witness], pages) = pair_with_pages();
    add_administrator(&castor, "ann", "operator");
    add_administrator(&castor, "ida", "auditor");
    castor.add_user("alice");
    castor.ctl(&["settings", "set", "services.down-seconds=1"]);
    let mut alice = castor.client("alice");
    alice.all_acknowledged();
    let driver = Driver::start();
    signs_in(&driver, &pages, "ann");
    driver.clicks("#node-1 h3 a");
    driver.shows("the port for clients");
    driver.clicks("a[href='/node?node=1&self-test=1#self-test']");
    driver.shows("Look again");
    pictured(&driver, "services");
    driver.clicks("#service-clients a[href^='/confirm?operation=service.stop']");
    driver.shows("Nobody new gets in by a port that is stopped");
    driver.clicks("form[action='/operate'] button");
    driver.shows("clients: stopped");
    pollux.wait_served(&[(1, 2), (2, 2)]);
    driver.clicks("nav a[href='/topology']");
    driver.shows("Failed Over with Critical Services Not Running");
    driver.shows("Critical Service Down");
    pictured(&driver, "service-down");
    alice.resume(pollux.clients());
    driver.clicks("#node-1 h3 a");
    driver.clicks("#service-clients a[href^='/confirm?operation=service.start']");
    driver.clicks("form[action='/operate'] button");
    driver.shows("clients: started");
    driver.clicks("nav a[href='/topology']");
    driver.clicks("a[href^='/confirm?operation=subcluster.fallback']");
    driver.clicks("form[action='/operate'] button");
    driver.shows("all users: served by their home nodes");
    castor.wait_served(&[(1, 1), (2, 2)]);
    alice.resume(castor.clients());
    // What the command line can do, a form can.
    driver.clicks("nav a[href='/operations']");
    pictured(&driver, "operations");
    driver.clicks("a[href='/operation?name=subcluster.verify']");
    pictured(&driver, "operation");
    driver.clicks("form.fields button");
    driver.shows("Done");
    driver.shows("Digests");
    pictured(&driver, "outcome");
    // Who did it, for whoever may ask.
    driver.clicks("form[action='/sign-out'] button");
    signs_in(&driver, &pages, "ida");
    driver.clicks("nav a[href='/audit']");
    driver.shows("service.stop");
    driver.shows("ann");
    pictured(&driver, "audit");
    assert_eq!(driver.complaints(), [""; 0]);
}
