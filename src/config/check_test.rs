//! What may stand in a configuration file and what may not. Not for its syntax: see `file.rs`.

use super::super::values::{Certificate, DeliveryConfig};
use super::*;
use pollux_domain::delivery::{Deliver, Durability};

fn parse(text: &str) -> Result<Config, Vec<Mistake>> {
    let readable = |path: &Path| {
        let missing = path.ends_with("missing.pem");
        if missing {
            Err("no such file".to_owned())
        } else {
            Ok(())
        }
    };
    let around = Surroundings {
        origin: Origin::EmbeddedDefault,
        folder: Path::new("/etc/pollux"),
        cores: NonZero::new(3).unwrap(),
        readable: &readable,
    };
    let (file, mistakes) = File::parse(text);
    check(file, mistakes, &around)
}

/// Each expected mistake as line, key path, and a part of the text.
#[track_caller]
fn wrong(text: &str, expected: &[(usize, &str, &str)]) {
    let mistakes = parse(text).unwrap_err();
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, (line, path, part)) in mistakes.iter().zip(expected) {
        assert_eq!(
            (mistake.line, mistake.path.as_str()),
            (Some(*line), *path),
            "{mistake:?}"
        );
        assert!(
            mistake.text.contains(part),
            "{mistake:?} does not contain {part}"
        );
    }
}

#[test]
fn an_empty_file_is_the_default() {
    let config = parse("").unwrap();
    assert_eq!(config.node.id.get(), 1);
    assert_eq!(config.node.threads.get(), 3);
    assert_eq!(
        config.node.data_folder,
        Path::new("/etc/pollux/pollux-data")
    );
    assert_eq!(
        config.control.socket,
        Path::new("/etc/pollux/pollux-data/control.sock")
    );
    assert_eq!(config.xmpp.certificate, Certificate::SelfSigned);
    assert_eq!(config.xmpp.client_ca, None);
    assert!(!config.xmpp.allow_plaintext);
    assert_eq!(
        config.metrics.listen,
        Some("127.0.0.1:9280".parse().unwrap())
    );
    let delivery = DeliveryConfig {
        deliver: Deliver::Committed,
        durability: Durability::Disk,
    };
    assert_eq!(config.delivery, delivery);
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn a_full_file_is_taken() {
    let config = parse(
        "[node]\nid = 7\ndata_folder = \"/var/lib/pollux\"\nthreads = 2\n\
         [xmpp]\ndomain = \"Example.org\"\nlisten = \"[::]:5222\"\n\
         certificate = \"tls/c.pem\"\nkey = \"/k.pem\"\nclient_ca = \"ca.pem\"\n\
         allow_plaintext = true\n\
         [delivery]\ndeliver = \"early\"\ndurability = \"memory\"\n\
         [control]\nsocket = \"/run/p.sock\"\n[metrics]\nlisten = \"off\"\n\
         [log]\nformat = \"json\"\nfilter = \"warn,pollux=debug\"\n",
    )
    .unwrap();
    assert_eq!(config.node.id.get(), 7);
    assert_eq!(config.xmpp.domain.as_str(), "example.org");
    let certificate = Certificate::Files {
        certificate: "/etc/pollux/tls/c.pem".into(),
        key: "/k.pem".into(),
    };
    assert_eq!(config.xmpp.certificate, certificate);
    let client_ca = Path::new("/etc/pollux/ca.pem");
    assert_eq!(config.xmpp.client_ca.as_deref(), Some(client_ca));
    let delivery = DeliveryConfig {
        deliver: Deliver::Early,
        durability: Durability::Memory,
    };
    assert_eq!(config.delivery, delivery);
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn numbers_have_a_range() {
    for id in ["0", "-1", "65536"] {
        wrong(
            &format!("[node]\nid = {id}\n"),
            &[(2, "node.id", "from 1 to 65535")],
        );
    }
    for entries in ["99", "1000001", "-1"] {
        wrong(
            &format!("[cluster]\nsnapshot_entries = {entries}\n"),
            &[(2, "cluster.snapshot_entries", "from 100 to 1000000")],
        );
    }
    let long = "x".repeat(65);
    for site in ["", long.as_str()] {
        wrong(
            &format!("[cluster]\nsite = \"{site}\"\n"),
            &[(2, "cluster.site", "write 1 to 64 bytes")],
        );
    }
    for threads in ["0", "257"] {
        wrong(
            &format!("[node]\nthreads = {threads}\n"),
            &[(2, "node.threads", "from 1 to 256")],
        );
    }
}

#[test]
fn addresses() {
    for text in ["", "localhost:5222", "127.0.0.1", "5222", "::1:5222"] {
        let file = format!("[xmpp]\nlisten = \"{text}\"\n");
        wrong(&file, &[(2, "xmpp.listen", "is not an address and port")]);
    }
    assert!(parse("[xmpp]\nlisten = \"0.0.0.0:0\"\n").is_ok());
    // The other port's default: the second node of the demo has it, and names its own.
    let taken = "[xmpp]\nlisten = \"127.0.0.1:5223\"\n";
    wrong(
        taken,
        &[(2, "xmpp.listen", "by default; write that one, too")],
    );
    assert!(parse(&format!("{taken}direct_tls_listen = \"127.0.0.1:5226\"\n")).is_ok());
}

#[test]
fn the_metrics_stay_on_the_machine() {
    wrong(
        "[metrics]\nlisten = \"0.0.0.0:9280\"\n",
        &[(2, "metrics.listen", "not a loopback")],
    );
    wrong(
        "[metrics]\nlisten = \"on\"\n",
        &[(2, "metrics.listen", "or \"off\"")],
    );
    wrong(
        "[metrics]\nlisten = \"127.0.0.1:5222\"\n",
        &[(2, "metrics.listen", "another port")],
    );
    assert!(parse("[metrics]\nlisten = \"[::1]:9280\"\n").is_ok());
}

#[test]
fn administrators_have_a_port_of_their_own_or_none() {
    assert_eq!(parse("").unwrap().admin.listen, None);
    let listen = parse("[admin]\nlisten = \"0.0.0.0:9443\"\n")
        .unwrap()
        .admin
        .listen;
    assert_eq!(listen, Some("0.0.0.0:9443".parse().unwrap()));
    let path = "admin.listen";
    wrong("[admin]\nlisten = \"on\"\n", &[(2, path, "or \"off\"")]);
    for (port, other) in [
        (5222, "xmpp.listen"),
        (5223, "xmpp.direct_tls_listen"),
        (9280, "metrics.listen"),
    ] {
        let text = format!("the same address as {other}");
        let file = format!("[admin]\nlisten = \"127.0.0.1:{port}\"\n");
        wrong(&file, &[(2, path, &text)]);
    }
}

#[test]
fn direct_tls_has_a_port_of_its_own_or_none() {
    let listen = |text: &str| parse(text).unwrap().xmpp.direct_tls_listen;
    assert_eq!(listen(""), Some("127.0.0.1:5223".parse().unwrap()));
    assert_eq!(listen("[xmpp]\ndirect_tls_listen = \"off\"\n"), None);
    let any = "[xmpp]\nlisten = \"[::]:0\"\ndirect_tls_listen = \"[::]:0\"\n";
    assert_eq!(listen(any), Some("[::]:0".parse().unwrap()));
    let path = "xmpp.direct_tls_listen";
    wrong(
        "[xmpp]\ndirect_tls_listen = \"5223\"\n",
        &[(2, path, "or \"off\"")],
    );
    wrong(
        "[xmpp]\ndirect_tls_listen = \"127.0.0.1:5222\"\n",
        &[(2, path, "the same address as xmpp.listen")],
    );
    wrong(
        "[metrics]\nlisten = \"127.0.0.1:5223\"\n",
        &[(2, "metrics.listen", "the same address as xmpp.direct_tls")],
    );
}

#[test]
fn a_certificate_and_its_key_go_together() {
    wrong(
        "[xmpp]\ncertificate = \"c.pem\"\n",
        &[(2, "xmpp.certificate", "without its key")],
    );
    wrong(
        "[xmpp]\nkey = \"k.pem\"\n",
        &[(2, "xmpp.key", "without its certificate")],
    );
    wrong(
        "[xmpp]\ncertificate = \"missing.pem\"\nkey = \"k.pem\"\n",
        &[(
            2,
            "xmpp.certificate",
            "cannot open /etc/pollux/missing.pem: no such file",
        )],
    );
}

#[test]
fn paths() {
    wrong(
        "[node]\ndata_folder = \"\"\n",
        &[(2, "node.data_folder", "not a path")],
    );
    let long = "x".repeat(200);
    wrong(
        &format!("[control]\nsocket = \"/{long}\"\n"),
        &[(2, "control.socket", "at most 107")],
    );
    wrong(
        &format!("[node]\ndata_folder = \"/{long}\"\n"),
        &[(2, "control.socket", "at most 107")],
    );
}

#[test]
fn the_modes_of_delivery_have_names() {
    // Of the other key, in other letters, and something else altogether.
    for text in ["disk", "Early", ""] {
        wrong(
            &format!("[delivery]\ndeliver = \"{text}\"\n"),
            &[(2, "delivery.deliver", "\"committed\" or \"early\"")],
        );
    }
    for text in ["early", "Memory", "none"] {
        wrong(
            &format!("[delivery]\ndurability = \"{text}\"\n"),
            &[(2, "delivery.durability", "\"disk\" or \"memory\"")],
        );
    }
}

#[test]
fn the_log() {
    wrong(
        "[log]\nformat = \"xml\"\n",
        &[(2, "log.format", "\"text\" or \"json\"")],
    );
    wrong(
        "[log]\nfilter = \"pollux=loud\"\n",
        &[(2, "log.filter", "write for example")],
    );
}

#[test]
fn mistakes_of_reading_and_of_checking_come_together_in_the_order_of_the_file() {
    wrong(
        "[node]\nid = 0\nthreads = \"two\"\n[xmpp]\ndomain = \"a b\"\nlisten = 5222\n\
         [log]\nlevel = \"info\"\nformat = \"xml\"\n",
        &[
            (2, "node.id", "out of range"),
            (3, "node.threads", "write an integer"),
            (5, "xmpp.domain", "not a domain"),
            (6, "xmpp.listen", "write text in quotes"),
            (8, "log.level", "[log] has format, filter"),
            (9, "log.format", "not a format"),
        ],
    );
}
