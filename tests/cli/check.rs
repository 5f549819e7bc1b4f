//! `pollux check` beside the things that it looks at: certificates as openssl makes them, a DNS
//! server, ports that somebody holds, a node that runs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::deadline::wait_for;
use crate::common::node::{Plaintext, TestNode};
use crate::common::program::Process;
use crate::common::tls::Tcp;
use crate::ports;

/// What one check found, and what the program ended with.
struct Looked {
    code: Option<i32>,
    findings: Vec<Value>,
}

fn look(node: &TestNode, more: &[&str]) -> Looked {
    let settings = node.settings();
    let settings = settings.to_str().expect("the folder has a plain name");
    let ended = node.run(&[&["check", "--json", "--config", settings], more].concat());
    let report: Value = serde_json::from_str(&ended.out).expect("one object of JSON");
    let findings = report["findings"].as_array().expect("a list").clone();
    for result in ["passed", "warned", "failed"] {
        let count = findings.iter().filter(|one| one["result"] == result);
        assert_eq!(report[result], count.count());
    }
    Looked {
        code: ended.code,
        findings,
    }
}

impl Looked {
    /// Some finding of this check is this one.
    #[track_caller]
    fn says(&self, check: &str, result: &str, part: &str) -> &Value {
        let mut findings = self.findings.iter();
        let found = findings.find(|one| {
            let text = one["finding"].as_str().unwrap_or_default();
            one["check"] == check && one["result"] == result && text.contains(part)
        });
        let found = found.unwrap_or_else(|| {
            panic!("no {result} {check} with {part:?}: {:#?}", self.findings);
        });
        assert_eq!(found["advice"].is_null(), result == "passed", "{found}");
        found
    }

    #[track_caller]
    fn is_silent_about(&self, check: &str) {
        let said = self.findings.iter().any(|one| one["check"] == check);
        assert!(!said, "{:#?}", self.findings);
    }
}

/// A node with other settings than those of the tests.
fn node(settings: &str) -> TestNode {
    let node = TestNode::prepare(Plaintext::Refused);
    std::fs::write(node.settings(), settings).expect("the settings can be written");
    node
}

#[track_caller]
fn openssl(folder: &Path, arguments: &str) {
    let ended = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "openssl {arguments}: {said}");
}

const SERVED: &str = "[xmpp]\ndomain = \"example.test\"\nlisten = \"127.0.0.1:0\"\n\
     direct_tls_listen = \"off\"\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n\
     [metrics]\nlisten = \"off\"\n";

/// RFC 6120 section 13.7.1.2.
#[test]
fn certificates_of_openssl() {
    let node = node(SERVED);
    let folder = node.folder();
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 99 -subj /CN=House",
    );
    for (name, days, alternative) in [
        ("good", "90", "DNS:example.test"),
        ("short", "3", "DNS:example.test"),
        ("other", "90", "DNS:mail.example.test"),
    ] {
        let (key, asked) = (format!("{name}.key"), format!("{name}.csr"));
        openssl(
            folder,
            &format!(
                "req -newkey rsa:2048 -nodes -keyout {key} -out {asked} -subj /CN={name} -addext \
                 subjectAltName={alternative}"
            ),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {asked} -CA ca.pem -CAkey ca.key -copy_extensions copy -days {days} \
                 -out {name}.pem"
            ),
        );
    }
    let place = |from: &str, to: &str| {
        std::fs::copy(folder.join(from), folder.join(to)).expect("a copy");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.join(to), mode).expect("a file of ours");
    };
    place("good.pem", "chain.pem");
    place("good.key", "key.pem");
    let good = look(&node, &[]);
    good.says("certificate", "passed", "it is for example.test");
    good.says("certificate", "passed", "it expires in ");
    good.says("certificate", "warned", "next is CN=House");
    good.says("key", "passed", "it is the certificate's");
    good.says("key", "passed", "RSA 2048");
    look(&node, &["--expiry-days", "100"]).says("certificate", "warned", "it expires in ");

    place("short.pem", "chain.pem");
    place("short.key", "key.pem");
    look(&node, &[]).says("certificate", "warned", "it expires in ");

    place("other.pem", "chain.pem");
    let other = look(&node, &[]);
    other.says("key", "failed", "it is not the certificate's");
    let named = other.says(
        "certificate",
        "failed",
        "mail.example.test, not for example.test",
    );
    let advice = named["advice"].as_str().unwrap_or_default();
    assert!(advice.contains("DNS:example.test"), "{advice}");
    assert_eq!(other.code, Some(78));

    // Under a password, and open to all.
    openssl(
        folder,
        "pkcs8 -topk8 -in good.key -out key.pem -passout pass:secret -v2 aes256",
    );
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.join("key.pem"), mode).expect("a file of ours");
    let locked = look(&node, &[]);
    locked.says("key", "failed", "under a password");
    locked.says("key", "failed", "everybody may read it");
}

/// dnsmasq with these options and nothing of the machine's.
struct Names {
    _process: Process,
    address: String,
}

fn names(folder: &Path, options: &[&str]) -> Names {
    let address = ports::free_address();
    let mut command = Command::new("/usr/sbin/dnsmasq");
    command
        .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"])
        .args(["--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces"])
        .arg(format!("--port={}", address.port()))
        // What it does not know is not there.
        .arg("--local=/example.org/")
        .args(options);
    let process = Process::start(&mut command, &folder.join("dnsmasq.log"));
    wait_for("dnsmasq", || Tcp::connect(address).ok());
    Names {
        _process: process,
        address: address.to_string(),
    }
}

const FOUND: &str = "[xmpp]\ndomain = \"example.org\"\nlisten = \"127.0.0.1:20922\"\n\
     direct_tls_listen = \"127.0.0.1:20923\"\naddress = \"castor.example.org:20922\"\n\
     [metrics]\nlisten = \"off\"\n";

/// RFC 6120 section 3.2, XEP-0368 section 4.
#[test]
fn records_of_a_dns_server() {
    let node = node(FOUND);
    let folder = node.folder();
    let looked = |options: &[&str]| {
        let names = names(folder, options);
        look(&node, &["--dns-server", &names.address])
    };
    let castor = "--host-record=castor.example.org,127.0.0.1";
    let client = "--srv-host=_xmpp-client._tcp.example.org,castor.example.org,20922";
    let direct = "--srv-host=_xmpps-client._tcp.example.org,castor.example.org,20923";
    let good = looked(&[castor, client, direct]);
    good.says(
        "dns",
        "passed",
        "_xmpp-client._tcp.example.org leads to castor",
    );
    good.says(
        "dns",
        "passed",
        "_xmpps-client._tcp.example.org leads to castor",
    );

    let half = looked(&[castor, client]);
    let missing = half.says("dns", "warned", "there is no _xmpps-client");
    let line = "_xmpps-client._tcp.example.org. 3600 IN SRV 0 5 20923 castor.example.org.";
    assert!(
        missing["advice"]
            .as_str()
            .is_some_and(|advice| advice.ends_with(line))
    );

    let lost = looked(&[client, direct]);
    lost.says("dns", "failed", "castor.example.org has no address");
    let elsewhere = looked(&[
        "--host-record=im.example.org,192.0.2.1",
        "--srv-host=_xmpp-client._tcp.example.org,im.example.org,20922",
        "--srv-host=_xmpps-client._tcp.example.org",
    ]);
    elsewhere.says(
        "dns",
        "warned",
        "none of these is an address of this machine",
    );
    elsewhere.says("dns", "failed", "the service is not offered");

    // More than a datagram takes: the rest is asked for by TCP.
    let many: Vec<String> = (0..40)
        .map(|number| {
            format!(
                "--srv-host=_xmpp-client._tcp.example.org,castor.example.org,{}",
                20_900 + number
            )
        })
        .collect();
    let mut options: Vec<&str> = many.iter().map(String::as_str).collect();
    options.push(castor);
    let many = looked(&options);
    many.says("dns", "passed", "castor.example.org:20939");
}

#[test]
fn a_dns_server_that_does_not_answer_is_a_warning() {
    let node = node(FOUND);
    let nobody = ports::free_address().to_string();
    let looked = look(&node, &["--dns-server", &nobody]);
    let said = looked.says("dns", "warned", "does not answer");
    let advice = said["advice"].as_str().unwrap_or_default();
    for service in ["_xmpp-client", "_xmpps-client"] {
        assert!(
            advice.contains(&format!("\n{service}._tcp.example.org.")),
            "{advice}"
        );
    }
}

fn on_ports(client: SocketAddr, direct: SocketAddr) -> String {
    format!(
        "[node]\ndata_folder = \"data\"\n[xmpp]\nlisten = \"{client}\"\n\
         direct_tls_listen = \"{direct}\"\n[control]\nsocket = \"control.sock\"\n\
         [metrics]\nlisten = \"off\"\n"
    )
}

#[test]
#[expect(clippy::disallowed_types, reason = "a port that this process holds")]
fn ports_that_are_free_and_ports_that_are_held() {
    let first = ports::row(2);
    let [client, direct] = [first, first + 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut node = node(&on_ports(client, direct));
    let free = look(&node, &[]);
    free.says(
        "ports",
        "passed",
        &format!("{client} (xmpp.listen) is free"),
    );
    free.says(
        "ports",
        "passed",
        &format!("{direct} (xmpp.direct_tls_listen) is free"),
    );
    free.says("dns", "passed", "no records are needed");
    free.says("certificate", "passed", "made at the first start");
    free.is_silent_about("cluster");

    let held = std::net::TcpListener::bind(client).expect("it was free");
    let looked = look(&node, &[]);
    let own = format!("(process {})", std::process::id());
    looked.says("ports", "failed", &own);
    assert_eq!(looked.code, Some(78));
    drop(held);

    node.begin();
    let running = look(&node, &[]);
    let own = format!("is the running node's (process {})", node.id());
    running.says("ports", "passed", &format!("{client} (xmpp.listen) {own}"));
    running.says(
        "ports",
        "passed",
        &format!("{direct} (xmpp.direct_tls_listen) {own}"),
    );
    running.says("certificate", "passed", "it is self-signed");
    running.says("files", "passed", "the running node may open");
    running.says("data folder", "passed", "can be written");
    let crowd = look(&node, &["--clients", "4000000000"]);
    let files = crowd.says("files", "failed", "are to come");
    let advice = files["advice"].as_str().unwrap_or_default();
    assert!(advice.starts_with("LimitNOFILE=4000003000"), "{advice}");
}

#[test]
fn mistakes_of_the_file_are_told_at_once() {
    let node = node("[node]\nid = 0\n[xmpp]\nlissten = \"\"\ncertificate = \"none.pem\"\n");
    let looked = look(&node, &[]);
    assert_eq!(looked.code, Some(64));
    for part in [":2: node.id", ":4: xmpp.lissten", ":5: xmpp.certificate"] {
        looked.says("configuration", "failed", part);
    }
    // What does not depend on it is looked at all the same.
    assert!(looked.findings.iter().any(|one| one["check"] == "clock"));
    looked.is_silent_about("ports");
    let ended = node.run(&["check", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, Some(66));
    assert!(
        ended.err.contains("cannot read nowhere.toml"),
        "{}",
        ended.err
    );
}
