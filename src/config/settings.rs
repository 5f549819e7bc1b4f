//! The one table of settings. The raw file, the example and the reference page are made from it;
//! what a value means is checked in `check.rs`.

use toml::de::DeValue;

/// A setting as a person meets it in the file.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    /// `integer`, `text` or `true or false`.
    pub kind: &'static str,
    pub default: Preset,
    /// The manual: sentences.
    pub manual: &'static str,
}

/// What holds when a setting is not given.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    /// This value, as it would stand in the file.
    Value(&'static str),
    /// What these words say; the second is an example of a value.
    Said(&'static str, &'static str),
}

/// A value from the file, and the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    pub value: T,
    pub line: usize,
}

/// Why a key was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    UnknownKey,
    WrongType { expected: &'static str },
}

/// A type that a setting can have in the file.
pub trait FromToml: Sized {
    const KIND: &'static str;
    fn from_toml(value: &DeValue<'_>) -> Option<Self>;
}

macro_rules! settings {
    ($(
        $section:ident . $key:ident => $field:ident: $type:ty = $default:expr, $manual:literal;
    )*) => {
        /// Exactly what stands in the file: nothing is checked but the types.
        #[derive(Debug, Default, PartialEq, Eq)]
        pub struct File {
            $( #[doc = $manual] pub $field: Option<Given<$type>>, )*
        }

        pub const SETTINGS: &[Setting] = &[
            $( Setting {
                section: stringify!($section),
                key: stringify!($key),
                kind: <$type as FromToml>::KIND,
                default: $default,
                manual: $manual,
            }, )*
        ];

        impl File {
            /// Takes one key of the file.
            pub(super) fn take(
                &mut self,
                section: &str,
                key: &str,
                value: &DeValue<'_>,
                line: usize,
            ) -> Result<(), Refusal> {
                match (section, key) {
                    $( (stringify!($section), stringify!($key)) => {
                        let Some(value) = <$type>::from_toml(value) else {
                            return Err(Refusal::WrongType { expected: <$type>::KIND });
                        };
                        self.$field = Some(Given { value, line });
                        Ok(())
                    } )*
                    _ => Err(Refusal::UnknownKey),
                }
            }
        }
    };
}

use Preset::{Said, Value};

settings! {
    node.id => node_id: i64 = Value("1"),
        "The number of this node in its cluster, from 1 to 65535. No two nodes of a cluster share \
         one, and a node keeps its number for life.";

    node.data_folder => node_data_folder: String = Value("\"pollux-data\""),
        "Where the node keeps everything durable: its log, its tables, a self-signed certificate. \
         Made at the first start. One node, one folder. A relative path begins at the folder of \
         this file.";

    node.threads => node_threads: i64 = Said("as many as the machine has cores", "4"),
        "On how many threads users and rooms live, from 1 to 256. Hashing of passwords and \
         writing to disk have threads of their own.";

    xmpp.domain => xmpp_domain: String = Value("\"localhost\""),
        "The part behind the @ of your users' addresses. A name with other letters than a to z is \
         written in its xn-- form.";

    xmpp.listen => xmpp_listen: String = Value("\"127.0.0.1:5222\""),
        "Where clients connect, as address and port. \"0.0.0.0:5222\" or \"[::]:5222\" is every \
         address of the machine. Port 0 takes any free port, which the log then names.";

    xmpp.direct_tls_listen => xmpp_direct_tls_listen: String = Value("\"127.0.0.1:5223\""),
        "Where clients connect that begin with TLS (XEP-0368), as address and port; in the DNS, \
         the record _xmpps-client._tcp of the domain. \"off\" listens for them nowhere.";

    xmpp.address => xmpp_address: String =
        Said("the address of `listen`", "\"castor.example.org:5222\""),
        "Where clients reach this node, as host and port: what a client of the other node is told \
         for the case that it has to come back.";

    xmpp.certificate => xmpp_certificate: String =
        Said("a self-signed one, made in the data folder", "\"/etc/pollux/tls/fullchain.pem\""),
        "The certificate chain for the domain, in PEM, the server's own certificate first. Goes \
         together with `key`. When both files have changed, new streams get the new one; a \
         restart is not needed.";

    xmpp.key => xmpp_key: String =
        Said("the key of the self-signed certificate", "\"/etc/pollux/tls/privkey.pem\""),
        "The private key of the certificate, in PEM. Goes together with `certificate`.";

    xmpp.client_ca => xmpp_client_ca: String =
        Said("clients are not asked for certificates", "\"/etc/pollux/tls/clients.pem\""),
        "Whoever signs certificates of clients, in PEM. A client that shows one with its address \
         (id-on-xmppAddr) may sign in by it (SASL EXTERNAL, XEP-0178); one that shows another is \
         refused. What the machine trusts besides does not count. Read again when it changes.";

    xmpp.allow_plaintext => xmpp_allow_plaintext: bool = Value("false"),
        "Lets clients sign in without TLS. Everybody on the way can then read and change what \
         they send. For measurements on one machine.";

    cluster.listen => cluster_listen: String = Value("\"127.0.0.1:7222\""),
        "Where other nodes of the cluster connect, as address and port. Only nodes with a \
         certificate of the cluster are heard. A node that is alone does not listen.";

    cluster.address => cluster_address: String =
        Said("the address of `listen`", "\"castor.example.org:7222\""),
        "Where other nodes reach this node, as host and port. Said to the cluster when the node \
         joins.";

    cluster.name => cluster_name: String =
        Said("`node` and the node's number", "\"castor\""),
        "What people call this node. Said to the cluster when the node joins.";

    cluster.site => cluster_site: String = Said("nobody has said", "\"north\""),
        "Where this node stands: a word of your own for a room, a building, a town. Nodes of one \
         site may be lost together, and so the cluster prefers a witness of another site than \
         both nodes of a pair. A change counts from the next start.";

    cluster.snapshot_entries => cluster_snapshot_entries: i64 = Value("10000"),
        "Log entries after which a snapshot is taken, from 100 to 1000000; a tenth as many are \
         kept behind it. A node that was away for longer than these gets the snapshot. Fewer take \
         less room on the disk and make snapshots more often.";

    delivery.deliver => delivery_deliver: String = Value("\"committed\""),
        "\"committed\" writes a message to its receiver after its commit, a flush later. \
         \"early\" writes it at once, and only the sender's acknowledgement waits: a message may \
         then be said twice after a fault, but is never lost.";

    delivery.durability => delivery_durability: String = Value("\"disk\""),
        "\"disk\" waits for the disk before anything is acknowledged: it survives a power cut. \
         \"memory\" waits for the operating system, which gives it to the disk a little later: it \
         survives the death of any process, but a node of several whose machine lost power has to \
         be joined again. What was acknowledged is then with its twin and their witness, if their \
         machines still run.";

    control.socket => control_socket: String =
        Said("control.sock in the data folder", "\"/run/pollux/control.sock\""),
        "The local socket on which `pollux ctl` reaches the node. Only the user who runs the node \
         may open it. The whole path has at most 107 bytes.";

    metrics.listen => metrics_listen: String = Value("\"127.0.0.1:9280\""),
        "Where /metrics, /healthz and /readyz are served, without a password: a loopback address. \
         \"off\" serves them nowhere.";

    admin.listen => admin_listen: String = Value("\"off\""),
        "Where administrators find the pages and REST, as address and port, such as \
         \"0.0.0.0:9443\". With TLS and the certificate of [xmpp]; without TLS on a loopback \
         address, where a browser on the machine or a proxy comes. \"off\" serves them nowhere.";

    log.format => log_format: String = Value("\"text\""),
        "\"text\" for people, \"json\" for a collector: one object a line. The log goes to \
         standard error.";

    log.filter => log_filter: String =
        Value("\"info,openraft=off,actix_server=warn,rustls=error\""),
        "What is logged: a level (error, warn, info, debug, trace), or levels for parts, such as \
         \"info,pollux_actors=debug\". The environment variable POLLUX_LOG goes before it.";
}

/// The sections in the order of the table, with what each is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("node", "This node: its number, its folder, its threads."),
    ("xmpp", "The ports for XMPP clients."),
    (
        "cluster",
        "The port between nodes; see `pollux cluster --help`.",
    ),
    (
        "delivery",
        "What a message waits for before it is written, and before it is acknowledged.",
    ),
    ("control", "The local socket for `pollux ctl`."),
    (
        "metrics",
        "Numbers and health for a monitoring system on this machine.",
    ),
    (
        "admin",
        "Pages and REST for administrators; see `pollux ctl administrator --help`.",
    ),
    ("log", "What the node writes about itself."),
];

impl FromToml for i64 {
    const KIND: &'static str = "integer";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let integer = value.as_integer()?;
        Self::from_str_radix(integer.as_str(), integer.radix()).ok()
    }
}

impl FromToml for String {
    const KIND: &'static str = "text";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromToml for bool {
    const KIND: &'static str = "true or false";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_stands_in_a_section_that_is_described() {
        for setting in SETTINGS {
            let sections = SECTIONS.iter().filter(|(name, _)| *name == setting.section);
            assert_eq!(sections.count(), 1, "{}.{}", setting.section, setting.key);
            assert!(
                setting.manual.ends_with('.'),
                "{}.{}",
                setting.section,
                setting.key
            );
        }
    }
}
