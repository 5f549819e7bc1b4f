//! Turns the raw file into the checked configuration, or into every mistake in it. The whole truth
//! about what a value may be stands here and nowhere else.

mod delivery;
mod xmpp;

use std::net::SocketAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use pollux_domain::limits;
use tracing_subscriber::EnvFilter;

use super::Mistake;
use super::file::{File, Given};
use super::values::{
    AdminConfig, ClusterConfig, Config, ControlConfig, LogConfig, LogFormat, MetricsConfig,
    NodeConfig, Origin, XmppConfig,
};

/// What holds for every setting that is not given. The table of settings says the same in words,
/// and a test compares the two.
pub const DEFAULTS: Defaults = Defaults {
    node_id: NonZero::<u16>::MIN,
    data_folder: "pollux-data",
    domain: "localhost",
    listen: "127.0.0.1:5222",
    direct_tls_listen: "127.0.0.1:5223",
    cluster_listen: "127.0.0.1:7222",
    snapshot_entries: limits::SNAPSHOT_ENTRIES,
    metrics_listen: "127.0.0.1:9280",
    admin_listen: "off",
    control_socket_name: "control.sock",
    log_format: "text",
    log_filter: "info,openraft=off,actix_server=warn,rustls=error",
};

pub const LIMITS: Limits = Limits {
    threads_max: 256,
    socket_path_bytes_max: 107,
    name_bytes_max: 64,
    snapshot_entries: 100..=1_000_000,
};

pub struct Defaults {
    pub node_id: NonZero<u16>,
    pub data_folder: &'static str,
    pub domain: &'static str,
    pub listen: &'static str,
    pub direct_tls_listen: &'static str,
    pub cluster_listen: &'static str,
    pub snapshot_entries: u64,
    pub metrics_listen: &'static str,
    pub admin_listen: &'static str,
    pub control_socket_name: &'static str,
    pub log_format: &'static str,
    pub log_filter: &'static str,
}

pub struct Limits {
    pub threads_max: usize,
    /// unix(7): `sun_path` has 108 bytes, the last of them zero.
    pub socket_path_bytes_max: usize,
    pub name_bytes_max: usize,
    pub snapshot_entries: RangeInclusive<u64>,
}

/// What a file is checked against besides itself.
pub struct Surroundings<'a> {
    pub origin: Origin,
    /// Where relative paths begin.
    pub folder: &'a Path,
    pub cores: NonZero<usize>,
    /// Whether a file that is named can be opened.
    pub readable: &'a dyn Fn(&Path) -> Result<(), String>,
}

/// `mistakes` are those of reading; those of checking come in addition, so that one start tells
/// all.
pub fn check(
    file: File,
    mistakes: Vec<Mistake>,
    around: &Surroundings<'_>,
) -> Result<Config, Vec<Mistake>> {
    let mut check = Check { around, mistakes };
    let node = check.node(&file);
    let xmpp = check.xmpp(&file);
    let cluster = check.cluster(&file, &node);
    let delivery = check.delivery(&file);
    let control = check.control(&file, &node);
    let metrics = check.metrics(&file, &xmpp);
    let admin = check.admin(&file, &xmpp, &metrics);
    let log = check.log(&file);
    if !check.mistakes.is_empty() {
        check
            .mistakes
            .sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        return Err(check.mistakes);
    }
    Ok(Config {
        origin: around.origin.clone(),
        node,
        xmpp,
        cluster,
        delivery,
        control,
        metrics,
        admin,
        log,
    })
}

/// Collects mistakes; after one, a default stands in so that checking goes on.
struct Check<'a> {
    around: &'a Surroundings<'a>,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn node(&mut self, file: &File) -> NodeConfig {
        let id = self.value(&file.node_id, "node.id", DEFAULTS.node_id, |id| {
            let id = u16::try_from(*id).ok().and_then(NonZero::new);
            id.ok_or("out of range; write a number from 1 to 65535".to_owned())
        });
        let threads = self.value(
            &file.node_threads,
            "node.threads",
            self.around.cores,
            |count| {
                let count = usize::try_from(*count).ok().and_then(NonZero::new);
                count
                    .filter(|count| count.get() <= LIMITS.threads_max)
                    .ok_or(format!(
                        "out of range; write a number from 1 to {}",
                        LIMITS.threads_max
                    ))
            },
        );
        let data_folder = self
            .path(&file.node_data_folder, "node.data_folder")
            .unwrap_or_else(|| self.around.folder.join(DEFAULTS.data_folder));
        NodeConfig {
            id,
            data_folder,
            threads,
        }
    }

    fn cluster(&mut self, file: &File, node: &NodeConfig) -> ClusterConfig {
        let default = DEFAULTS.cluster_listen;
        let listen = self.text(&file.cluster_listen, "cluster.listen", default, address);
        let name = self.value(
            &file.cluster_name,
            "cluster.name",
            format!("node{}", node.id),
            |name| match name.is_empty() || name.len() > LIMITS.name_bytes_max {
                true => Err(format!("write 1 to {} bytes", LIMITS.name_bytes_max)),
                false => Ok(name.clone()),
            },
        );
        let site = self.value(&file.cluster_site, "cluster.site", None, |site| {
            match site.is_empty() || site.len() > LIMITS.name_bytes_max {
                true => Err(format!("write 1 to {} bytes", LIMITS.name_bytes_max)),
                false => Ok(Some(site.clone())),
            }
        });
        let snapshot_entries = self.value(
            &file.cluster_snapshot_entries,
            "cluster.snapshot_entries",
            DEFAULTS.snapshot_entries,
            |count| {
                let range = &LIMITS.snapshot_entries;
                let count = u64::try_from(*count).ok();
                count.filter(|count| range.contains(count)).ok_or_else(|| {
                    let (least, most) = (range.start(), range.end());
                    format!("out of range; write a number from {least} to {most}")
                })
            },
        );
        ClusterConfig {
            listen,
            address: self.host_port(&file.cluster_address, "cluster.address", listen),
            name,
            site,
            snapshot_entries,
        }
    }

    /// A name or an address, with a port.
    fn host_port(
        &mut self,
        given: &Option<Given<String>>,
        path: &str,
        listen: SocketAddr,
    ) -> String {
        self.value(given, path, listen.to_string(), |text| {
            let parts = text.rsplit_once(':');
            let right = parts.is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            match right {
                true => Ok(text.clone()),
                false => Err(format!(
                    "`{text}` is not a host and port; write for example \"castor.example.org:7222\""
                )),
            }
        })
    }

    fn control(&mut self, file: &File, node: &NodeConfig) -> ControlConfig {
        let given = self.path(&file.control_socket, "control.socket");
        let socket = given.unwrap_or_else(|| node.data_folder.join(DEFAULTS.control_socket_name));
        let length = socket.as_os_str().len();
        if length > LIMITS.socket_path_bytes_max {
            let text = format!(
                "{} has {length} bytes, a socket's path at most {}; write a shorter one",
                socket.display(),
                LIMITS.socket_path_bytes_max,
            );
            // The default grows with the data folder, so the line to look at may be that one's.
            let line = file
                .control_socket
                .as_ref()
                .or(file.node_data_folder.as_ref());
            let line = line.map(|given| given.line);
            self.mistakes.push(Mistake {
                line,
                path: "control.socket".to_owned(),
                text,
            });
        }
        ControlConfig { socket }
    }

    fn metrics(&mut self, file: &File, xmpp: &XmppConfig) -> MetricsConfig {
        let default = DEFAULTS.metrics_listen;
        let listen = self.text(&file.metrics_listen, "metrics.listen", default, |text| {
            let Some(listen) = or_off(text)? else {
                return Ok(None);
            };
            if !listen.ip().is_loopback() {
                let advice =
                    "there is no password on this port; write \"127.0.0.1:9280\" or \"off\"";
                return Err(format!(
                    "{} is not a loopback address; {advice}",
                    listen.ip()
                ));
            }
            another(listen, xmpp.listen, "xmpp.listen")?;
            match xmpp.direct_tls_listen {
                Some(taken) => another(listen, taken, "xmpp.direct_tls_listen"),
                None => Ok(Some(listen)),
            }
        });
        MetricsConfig { listen }
    }

    fn admin(&mut self, file: &File, xmpp: &XmppConfig, metrics: &MetricsConfig) -> AdminConfig {
        let taken = [
            (Some(xmpp.listen), "xmpp.listen"),
            (xmpp.direct_tls_listen, "xmpp.direct_tls_listen"),
            (metrics.listen, "metrics.listen"),
        ];
        let default = DEFAULTS.admin_listen;
        let listen = self.text(&file.admin_listen, "admin.listen", default, |text| {
            let Some(listen) = or_off(text)? else {
                return Ok(None);
            };
            for (taken, setting) in taken {
                if let Some(taken) = taken {
                    another(listen, taken, setting)?;
                }
            }
            Ok(Some(listen))
        });
        AdminConfig { listen }
    }

    fn log(&mut self, file: &File) -> LogConfig {
        let format = self.text(
            &file.log_format,
            "log.format",
            DEFAULTS.log_format,
            |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err(format!(
                    "`{text}` is not a format; write \"text\" or \"json\""
                )),
            },
        );
        let filter = self.text(
            &file.log_filter,
            "log.filter",
            DEFAULTS.log_filter,
            |text| {
                EnvFilter::try_new(text)
                    .map(|_| text.to_owned())
                    .map_err(|error| {
                        format!("{error}; write for example \"info,pollux_actors=debug\"")
                    })
            },
        );
        LogConfig { format, filter }
    }

    // === one value ===

    fn value<T, V>(
        &mut self,
        given: &Option<Given<T>>,
        path: &str,
        default: V,
        parse: impl Fn(&T) -> Result<V, String>,
    ) -> V {
        let Some(given) = given else { return default };
        match parse(&given.value) {
            Ok(value) => value,
            Err(text) => {
                self.note(given.line, path, text);
                default
            }
        }
    }

    /// Like `value`, for a default that is written as in the file.
    fn text<V>(
        &mut self,
        given: &Option<Given<String>>,
        path: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<V, String>,
    ) -> V {
        let default = parse(default).expect("a test checks that every default is right");
        self.value(given, path, default, |text| parse(text))
    }

    fn path(&mut self, given: &Option<Given<String>>, path: &str) -> Option<PathBuf> {
        let given = given.as_ref()?;
        if given.value.is_empty() || given.value.contains('\0') {
            self.note(
                given.line,
                path,
                "not a path; write one, or remove the key".to_owned(),
            );
            return None;
        }
        Some(self.around.folder.join(&given.value))
    }

    fn existing(&mut self, given: &Option<Given<String>>, path: &str) -> Option<PathBuf> {
        let full = self.path(given, path)?;
        if let Err(reason) = (self.around.readable)(&full) {
            let line = given.as_ref().map(|given| given.line);
            let text = format!("cannot open {}: {reason}", full.display());
            self.mistakes.push(Mistake {
                line,
                path: path.to_owned(),
                text,
            });
        }
        Some(full)
    }

    fn note(&mut self, line: usize, path: &str, text: String) {
        self.mistakes.push(Mistake {
            line: Some(line),
            path: path.to_owned(),
            text,
        });
    }
}

/// An address, or none.
fn or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "off" => Ok(None),
        _ => address(text)
            .map(Some)
            .map_err(|wrong| format!("{wrong}, or \"off\"")),
    }
}

/// A port has one listener; port 0 is always another one.
fn another(
    listen: SocketAddr,
    taken: SocketAddr,
    setting: &str,
) -> Result<Option<SocketAddr>, String> {
    match listen.port() != 0 && listen == taken {
        true => Err(format!("the same address as {setting}; write another port")),
        false => Ok(Some(listen)),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not an address and port; write for example \"127.0.0.1:5222\"")
    })
}

#[cfg(test)]
#[path = "check_test.rs"]
mod tests;
