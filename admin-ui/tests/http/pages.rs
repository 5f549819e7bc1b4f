//! The pages, as a browser asks for them and as somebody with bad intentions would.

use std::time::Duration;

use pollux_admin_ui::{AdminParts, start_admin};
use pollux_domain::operations::{
    Caller, DESCRIPTIONS, ErrorKind, Face, Operation, OperationError, Role,
};

use super::client::{self, Answer, loopback};
use super::stage::{FAILURES_MAX, PASSWORD, Stage, name_of};

const FAILOVER: &str = "operation=subcluster.failover&confirm=subcluster.failover&node=1";

#[track_caller]
fn is_at(answer: &Answer, place: &str) {
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, place),
        "{}",
        answer.body
    );
}

#[test]
fn each_reply_is_closed_to_what_is_not_ours() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Administrator);
    for path in [
        "/topology",
        "/audit",
        "/sign-in",
        "/nowhere",
        "/assets/pollux.css",
        "/assets/pollux.js",
        "/assets/pollux.svg",
        "/api/v1/openapi.json",
        "/confirm?operation=subcluster.failover&node=1",
    ] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "deny", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(
            kept == "no-store",
            !path.starts_with("/assets/"),
            "{path}: {kept}"
        );
        if answer.header("content-type").starts_with("text/html") {
            for inline in ["<style", "style=", "onclick", "<script>", "javascript:"] {
                assert!(!answer.body.contains(inline), "{path}: {inline}");
            }
        }
    }
}

#[test]
fn who_has_not_signed_in_sees_nothing() {
    let stage = Stage::start();
    let mut stranger = stage.stranger();
    is_at(&stranger.get("/"), "/topology");
    for path in [
        "/topology",
        "/audit",
        "/confirm?operation=subcluster.fallback",
    ] {
        is_at(&stranger.get(path), "/sign-in");
    }
    for path in ["/operate", "/sign-out"] {
        is_at(&stranger.post(path, FAILOVER), "/sign-in");
    }
    assert_eq!(stranger.get("/topology/").status, 404);
    assert!(stage.node.done.lock().unwrap().is_empty());
}

#[test]
fn a_cookie_is_for_this_host_alone() {
    let stage = Stage::start();
    let mut browser = stage.stranger();
    let answer = browser.signs_in("viewer", PASSWORD);
    is_at(&answer, "/topology");
    let cookie = answer
        .cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-pollux="));
    let cookie = cookie.unwrap();
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(answer.cookie("__Host-pollux").unwrap().len(), 64);
    let page = browser.get("/topology");
    assert_eq!(page.status, 200);
    for words in [
        "castor",
        "pollux",
        "3 users",
        "high availability on",
        "viewer",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
}

#[test]
fn a_wrong_password_says_no_more_than_a_wrong_name_and_too_many_are_not_looked_at() {
    let stage = Stage::start();
    let mut browser = stage.stranger();
    let mut pages = Vec::new();
    for name in ["viewer", "nobody", "<b>", ""] {
        let answer = browser.signs_in(name, "wrong");
        assert_eq!(answer.status, 401);
        assert!(
            answer.body.contains("the name or the password is wrong"),
            "{}",
            answer.body
        );
        assert!(!answer.body.contains("<b>\"") && answer.cookie("__Host-pollux").is_none());
        pages.push(answer.body.len());
    }
    // The same page, but for the name in its field.
    assert_eq!(pages[0], pages[1]);
    for _ in pages.len() as u64..FAILURES_MAX {
        browser.signs_in("viewer", "wrong");
    }
    let answer = browser.signs_in("viewer", PASSWORD);
    assert_eq!(answer.status, 429);
    let words = "too many failed attempts; the next counts in 2 min";
    assert!(answer.body.contains(words), "{}", answer.body);
    is_at(&browser.get("/topology"), "/sign-in");
}

#[test]
fn nobody_can_be_given_a_session_or_go_on_with_an_old_one() {
    let stage = Stage::start();
    let mut browser = stage.stranger();
    // Somebody has put one into the browser.
    let planted = "0".repeat(64);
    browser
        .cookies
        .insert("__Host-pollux".to_owned(), planted.clone());
    is_at(&browser.signs_in("viewer", PASSWORD), "/topology");
    let first = browser.cookies["__Host-pollux"].clone();
    assert_ne!(first, planted);
    // Signing in again is another session, and ends the one before.
    is_at(&browser.signs_in("operator", PASSWORD), "/topology");
    let second = browser.cookies["__Host-pollux"].clone();
    assert_ne!(second, first);
    assert_eq!(browser.get("/topology").status, 200);
    let form = browser.form_token();
    is_at(
        &browser.post("/sign-out", &format!("form={form}")),
        "/sign-in",
    );
    for old in [planted, first, second] {
        let mut thief = stage.stranger();
        thief.cookies.insert("__Host-pollux".to_owned(), old);
        is_at(&thief.get("/topology"), "/sign-in");
    }
}

#[test]
fn a_form_that_is_not_ours_does_nothing() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Operator);
    let others = stage.browser(Role::Operator).form_token();
    for form in ["", "form=", &format!("form={others}"), "form=00"] {
        for path in ["/operate", "/sign-out"] {
            let answer = browser.post(path, &format!("{form}&{FAILOVER}"));
            assert_eq!(answer.status, 403, "{path} {form}: {}", answer.body);
        }
    }
    assert_eq!(stage.node.changes(), []);
    assert_eq!(browser.get("/topology").status, 200);
    // Nor does one for the sign-in that was made for another browser, or for none.
    let mut stranger = stage.stranger();
    stranger.get("/sign-in");
    let body = format!("form={others}&name=viewer&password=open+sesame");
    assert_eq!(stranger.post("/sign-in", &body).status, 403);
    let mut without = stage.stranger();
    assert_eq!(without.post("/sign-in", &body).status, 403);
    let empty = "form=&name=viewer&password=open+sesame";
    assert_eq!(without.post("/sign-in", empty).status, 403);
    // Nor one of JSON, which another page could send.
    let cookies = browser.cookie_header();
    let headers = [
        ("Cookie", cookies.as_str()),
        ("Content-Type", "application/json"),
    ];
    let form = browser.form_token();
    let body = format!("form={form}&{FAILOVER}");
    let answer = client::post(stage.address(), "/operate", &headers, &body);
    assert_eq!(answer.status, 403);
    assert_eq!(stage.node.changes(), []);
}

#[test]
fn a_button_leads_to_a_page_that_says_what_it_will_do_to_whom() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Operator);
    let path = "/confirm?operation=subcluster.failover&amp;node=1";
    let page = browser.get("/topology").body.replace("&#38;", "&amp;");
    assert!(page.contains(path), "{page}");
    let page = browser.get("/confirm?operation=subcluster.failover&node=1");
    for words in [
        "Failover of castor",
        "castor serves 3 users with 1 session now; pollux will serve them.",
        "The sessions of its users move to its twin",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert_eq!(stage.node.changes(), []);
    let form = browser.form_token();
    is_at(
        &browser.post("/operate", &format!("form={form}&{FAILOVER}")),
        "/topology",
    );
    let caller = Caller::Administrator {
        name: name_of(Role::Operator),
        role: Role::Operator,
        face: Face::Pages,
    };
    let operation = Operation::SubclusterFailover { node: 1 };
    assert_eq!(stage.node.changes(), [(caller, operation)]);
    let done = "node 1: relieved; its twin serves its users";
    assert!(browser.get("/topology").body.contains(done));
    assert!(
        !browser.get("/topology").body.contains(done),
        "it is said once"
    );
}

#[test]
fn a_refusal_is_said_in_the_words_of_the_node() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Operator);
    let message = "high availability needs two nodes & a witness";
    *stage.node.refusal.lock().unwrap() = Some(OperationError::new(ErrorKind::Invalid, message));
    let form = browser.form_token();
    let name = "subcluster.set-high-availability";
    let body = format!("form={form}&operation={name}&confirm={name}&on=true");
    is_at(&browser.post("/operate", &body), "/topology");
    let page = browser.get("/topology").body;
    assert!(
        page.contains("<b>Not done</b>") && page.contains("two nodes &#38; a witness"),
        "{page}"
    );
    // Without the second word, too.
    let body = format!("form={form}&operation={name}&on=true");
    is_at(&browser.post("/operate", &body), "/topology");
    assert!(browser.get("/topology").body.contains("To confirm"));
}

#[test]
fn each_role_has_its_buttons_and_no_way_around_them() {
    for role in Role::ALL {
        let stage = Stage::start();
        let mut browser = stage.browser(role);
        let may_move = matches!(role, Role::Operator | Role::Administrator);
        let may_audit = matches!(role, Role::Auditor | Role::Administrator);
        let page = browser.get("/topology").body;
        assert_eq!(page.contains("/confirm?"), may_move, "{role}");
        assert_eq!(page.contains("href=\"/audit\""), may_audit, "{role}");
        let audit = browser.get("/audit");
        assert_eq!(audit.status, if may_audit { 200 } else { 403 }, "{role}");
        let confirm = browser.get("/confirm?operation=subcluster.failover&node=1");
        assert_eq!(confirm.status, if may_move { 200 } else { 303 }, "{role}");
        let form = browser.form_token();
        is_at(
            &browser.post("/operate", &format!("form={form}&{FAILOVER}")),
            "/topology",
        );
        assert_eq!(stage.node.changes().len(), usize::from(may_move), "{role}");
    }
}

#[test]
fn what_the_state_does_not_allow_is_not_offered() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Operator);
    is_at(
        &browser.get("/confirm?operation=subcluster.fallback"),
        "/topology",
    );
    let page = browser.get("/topology").body;
    assert!(page.contains("does not allow this now"), "{page}");
    for odd in [
        "/confirm",
        "/confirm?operation=user.remove&user=ann",
        "/confirm?operation=subcluster.failover&node=9",
        "/confirm?operation=%3Cscript%3E",
    ] {
        is_at(&browser.get(odd), "/topology");
    }
}

#[test]
fn markup_in_names_is_text() {
    let stage = Stage::start();
    let name = "<script>alert(1)</script>\"'&";
    *stage.node.first_name.lock().unwrap() = name.to_owned();
    let mut browser = stage.browser(Role::Administrator);
    for path in [
        "/topology",
        "/confirm?operation=subcluster.failover&node=1",
        "/confirm?operation=subcluster.failover&node=2",
        "/audit",
    ] {
        let page = browser.get(path);
        assert_eq!(page.status, 200, "{path}");
        for tag in ["<script>", "</script>\"", "<i>"] {
            assert!(!page.body.contains(tag), "{path}: {tag}");
        }
        let escaped = ["&#60;script&#62;alert(1)", "&#60;i&#62;ann"];
        assert!(
            escaped.iter().any(|text| page.body.contains(text)),
            "{path}: {}",
            page.body
        );
    }
    let page = browser.signs_in("\"><script>x", "wrong").body;
    assert!(!page.contains("<script>x"), "{page}");
}

#[test]
fn who_is_removed_or_has_another_password_is_out_and_another_role_holds_at_once() {
    let stage = Stage::start();
    let mut gone = stage.browser(Role::Viewer);
    let mut changed = stage.browser(Role::Auditor);
    let mut promoted = stage.browser(Role::Operator);
    stage.node.remove(Role::Viewer);
    stage
        .node
        .change(Role::Auditor, |known| known.password_version = 2);
    stage
        .node
        .change(Role::Operator, |known| known.role = Role::Viewer);
    is_at(&gone.get("/topology"), "/sign-in");
    is_at(&changed.get("/topology"), "/sign-in");
    let page = promoted.get("/topology");
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("/confirm?"), "{}", page.body);
}

#[test]
fn a_session_that_is_left_alone_ends() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Viewer);
    stage.node.advance(Duration::from_secs(29 * 60));
    assert_eq!(browser.get("/topology").status, 200);
    stage.node.advance(Duration::from_secs(30 * 60));
    is_at(&browser.get("/topology"), "/sign-in");
}

#[test]
fn the_audit_goes_on_on_the_next_page() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Auditor);
    let page = browser.get("/audit").body;
    assert!(page.contains("/audit?before=8"), "{page}");
    assert!(
        browser
            .get("/audit?before=8")
            .body
            .contains("/audit?before=7")
    );
    assert_eq!(browser.get("/audit?before=x").status, 200);
}

#[test]
fn a_port_for_others_has_tls_or_is_not_opened() {
    let stage = Stage::start();
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let parts = AdminParts {
            address: address.parse().unwrap(),
            tls: None,
            administration: stage.node.clone(),
        };
        let error = start_admin(parts).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{address}");
    }
    assert!(stage.address().ip() == loopback().ip());
}

#[test]
fn what_the_command_line_can_do_a_form_can() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Administrator);
    let page = browser.get("/operations").body;
    for one in DESCRIPTIONS {
        let link = format!("href=\"/operation?name={}\"", one.name);
        assert!(page.contains(&link), "{}", one.name);
        let form = browser.get(&format!("/operation?name={}", one.name));
        assert_eq!(form.status, 200, "{}", one.name);
        for field in one.fields {
            let input = format!("name=\"{}\"", field.name);
            assert!(form.body.contains(&input), "{} {}", one.name, field.name);
        }
        let asks = form.body.contains("name=\"confirm\"");
        assert_eq!(asks, one.danger.is_some(), "{}", one.name);
    }
    let form = browser.form_token();
    let wanted = "operation=user.add&user=ann&password=open+sesame&at=2";
    let done = browser.post("/operation", &format!("form={form}&{wanted}"));
    assert_eq!(done.status, 200);
    assert!(done.body.contains("<b>Done</b>"), "{}", done.body);
    assert!(!done.body.contains("open sesame"));
    let [(_, added)] = &stage.node.changes()[..] else {
        panic!("{:?}", stage.node.changes())
    };
    assert_eq!(added.name(), "user.add");
    let wanted = "operation=cluster.nodes";
    let listed = browser.post("/operation", &format!("form={form}&{wanted}"));
    assert!(
        listed.body.contains("<caption>Nodes</caption>"),
        "{}",
        listed.body
    );
    assert!(listed.body.contains("<td data-label=\"name\">castor</td>"));
}

#[test]
fn a_form_that_is_refused_says_why_and_keeps_what_was_written() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Administrator);
    let form = browser.form_token();
    // Without the second word.
    let wanted = "operation=user.remove&user=%3Cann%3E";
    let refused = browser.post("/operation", &format!("form={form}&{wanted}"));
    assert_eq!(refused.status, 428, "{}", refused.body);
    assert!(refused.body.contains("<b>Not done</b>"));
    assert!(
        refused.body.contains("value=\"&#60;ann&#62;\""),
        "{}",
        refused.body
    );
    assert_eq!(stage.node.changes(), []);
    let wanted = "operation=token.add&token=a&role=root&days=9";
    let refused = browser.post("/operation", &format!("form={form}&{wanted}"));
    assert!(
        refused.body.contains("there is no such role"),
        "{}",
        refused.body
    );
    let wanted = "operation=user.add&user=ann&password=%0A";
    let refused = browser.post("/operation", &format!("form={form}&{wanted}"));
    assert!(
        refused
            .body
            .contains("the password has a control character")
    );
    for odd in [
        "/operation",
        "/operation?name=node.fly",
        "/operation?name=%3Cb%3E",
    ] {
        assert_eq!(browser.get(odd).status, 404, "{odd}");
    }
    // A form of another site does nothing, and a role may no more here than anywhere.
    let wanted = "operation=user.disable&user=ann";
    assert_eq!(
        browser
            .post("/operation", &format!("form=1&{wanted}"))
            .status,
        403
    );
    let mut viewer = stage.browser(Role::Viewer);
    assert!(!viewer.get("/operations").body.contains("user.disable"));
    let form = viewer.form_token();
    let refused = viewer.post("/operation", &format!("form={form}&{wanted}"));
    assert_eq!(refused.status, 403);
    assert!(
        refused.body.contains("the role may not do this"),
        "{}",
        refused.body
    );
    assert_eq!(stage.node.changes(), []);
}

#[test]
fn the_pages_of_a_node_and_of_what_has_happened_stand() {
    let stage = Stage::start();
    let mut browser = stage.browser(Role::Viewer);
    for (path, words) in [
        (
            "/node?node=1",
            "The node does not say anything of itself now.",
        ),
        ("/node?node=2", "Replicated groups"),
        ("/node?node=2", "port &#60;i&#62;taken&#60;/i&#62;"),
        ("/node?node=2", "Look now"),
        ("/node?node=2&self-test=1", "add some"),
        ("/node?node=1&self-test=1", "the node is busy"),
        ("/node", "Metrics of pollux"),
        ("/node?node=9", "There is no node 9 in this cluster"),
        ("/takeovers", "There was none yet."),
        ("/metrics", "a point each 10 s"),
        ("/metrics?node=1", "the node is busy"),
    ] {
        let page = browser.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains(words), "{path}: {}", page.body);
    }
    // The buttons of a service lead back to its node, and are not for everybody.
    let stop = "operation=service.stop&service=clients&at=2";
    is_at(&browser.get(&format!("/confirm?{stop}")), "/topology");
    let mut operator = stage.browser(Role::Operator);
    let page = operator.get(&format!("/confirm?{stop}"));
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("It is about the port for clients."),
        "{}",
        page.body
    );
    assert!(page.body.contains("Nobody new gets in"), "{}", page.body);
    assert!(page.body.contains("href=\"/node?node=2\""), "{}", page.body);
    let form = operator.form_token();
    let stop = format!("form={form}&{stop}&confirm=service.stop");
    is_at(&operator.post("/operate", &stop), "/node?node=2");
    let done = operator.get("/node?node=2").body;
    assert!(done.contains("clients: stopped"), "{done}");
    for odd in [
        "/node?node=castor",
        "/metrics?node=-1",
        "/node/events?node=x",
    ] {
        assert_eq!(browser.get(odd).status, 404, "{odd}");
    }
}
