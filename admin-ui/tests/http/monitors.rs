//! What monitors are told, and what a nuisance is.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pollux_admin_ui::{Running, Vitals, start};
use pollux_domain::metrics::Sample;

use super::client;

#[derive(Default)]
struct Node {
    failed: AtomicBool,
    serves: AtomicBool,
}

impl Vitals for Node {
    fn samples(&self) -> Vec<Sample> {
        vec![Sample::counter(
            "pollux_stanzas_total",
            "Stanzas of clients.",
            12,
        )]
    }

    fn healthy(&self) -> Result<(), String> {
        if self.failed.load(Ordering::Relaxed) {
            Err("the log's disk is full".to_owned())
        } else {
            Ok(())
        }
    }

    fn ready(&self) -> Result<(), String> {
        if self.serves.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("no lease yet".to_owned())
        }
    }
}

fn running() -> (Running, Arc<Node>) {
    let node = Arc::new(Node::default());
    (start(client::loopback(), node.clone()).unwrap(), node)
}

fn ask(server: &Running, request: &str) -> String {
    client::ask(server.address(), request)
}

fn get(server: &Running, path: &str) -> (String, String) {
    let answer = client::get(server.address(), path, &[]);
    (answer.head, answer.body)
}

#[test]
fn metrics_are_in_the_format_of_prometheus() {
    let (server, _) = running();
    let (head, body) = get(&server, "/metrics");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        !head.contains("server:") && !head.contains("actix"),
        "{head}"
    );
    let want = "# HELP pollux_stanzas_total Stanzas of clients.\n\
                # TYPE pollux_stanzas_total counter\npollux_stanzas_total 12\n";
    assert_eq!(body, want);
}

#[test]
fn health_and_readiness_follow_the_node() {
    let (server, node) = running();
    let check = |path: &str, status: &str, body: &str| {
        let (head, told) = get(&server, path);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert_eq!(told, body);
    };
    check("/healthz", "200", "ok\n");
    check("/readyz", "503", "no lease yet\n");
    node.serves.store(true, Ordering::Relaxed);
    check("/readyz", "200", "ok\n");
    node.failed.store(true, Ordering::Relaxed);
    check("/healthz", "503", "the log's disk is full\n");
}

#[test]
fn head_has_no_body() {
    let (server, _) = running();
    let answer = ask(
        &server,
        "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn nothing_but_questions_is_taken() {
    let (server, _) = running();
    let check = |request: &str, status: &str| {
        let answer = ask(&server, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:.60}: {answer}"
        );
    };
    check(
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        "405",
    );
    check("DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "405");
    check(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",
        "413",
    );
    check(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "413",
    );
    check(
        "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "404",
    );
    check("nonsense\r\n\r\n", "400");
    let long = "a".repeat(300_000);
    check(&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), "431");
}

/// Nothing before, behind or between makes one page of another.
#[test]
fn no_path_is_taken_for_another() {
    let (server, _) = running();
    for path in [
        "//metrics",
        "/metrics/",
        "/./metrics",
        "/healthz/../metrics",
        "/healthz/..;/metrics",
        "/healthz;/metrics",
        "/healthz%2f..%2fmetrics",
        "/healthz/%2e%2e/metrics",
        "/healthz/%u002e%u002e/metrics",
        "/..%5cmetrics",
        "/METRICS",
        "/metrics%00",
    ] {
        let (head, body) = get(&server, path);
        assert!(!head.starts_with("http/1.1 200 "), "{path}: {head}");
        assert!(!body.contains("pollux_"), "{path}: {body}");
    }
}

#[test]
fn who_says_nothing_more_is_let_go() {
    let (server, _) = running();
    let answer = ask(&server, "GET /healthz HTTP/1.1\r\nHost: ");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn only_a_loopback_address_is_served() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0", "[2001:db8::1]:0"] {
        let error = start(address.parse().unwrap(), Arc::new(Node::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{address}");
    }
}

#[test]
fn a_port_in_use_is_said() {
    let taken = TcpListener::bind(client::loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = start(address, Arc::new(Node::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_stopped_server_frees_its_port_and_another_may_run_beside() {
    let (first, _) = running();
    let (second, _) = running();
    assert_ne!(first.address(), second.address());
    let address = first.address();
    first.stop();
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(get(&second, "/healthz").1, "ok\n");
    let again = start(address, Arc::new(Node::default())).unwrap();
    assert_eq!(get(&again, "/healthz").1, "ok\n");
}
