//! The checked configuration as a table for a person: what will hold, key by key. Not a file to
//! read back: `render.rs` writes those.

use std::net::SocketAddr;

use super::values::{Certificate, Config};

/// Key path and value, in the order of the file.
pub fn effective(config: &Config) -> Vec<(&'static str, String)> {
    let (certificate, key) = match &config.xmpp.certificate {
        Certificate::SelfSigned => ("self-signed".to_owned(), "self-signed".to_owned()),
        Certificate::Files { certificate, key } => {
            (certificate.display().to_string(), key.display().to_string())
        }
    };
    let client_ca = config.xmpp.client_ca.as_ref();
    let client_ca = client_ca.map_or("none".to_owned(), |path| path.display().to_string());
    let or_none = |text: Option<&String>| text.map_or("none".to_owned(), Clone::clone);
    let or_off =
        |listen: Option<SocketAddr>| listen.map_or("off".to_owned(), |address| address.to_string());
    vec![
        ("node.id", config.node.id.to_string()),
        (
            "node.data_folder",
            config.node.data_folder.display().to_string(),
        ),
        ("node.threads", config.node.threads.to_string()),
        ("xmpp.domain", config.xmpp.domain.to_string()),
        ("xmpp.listen", config.xmpp.listen.to_string()),
        (
            "xmpp.direct_tls_listen",
            or_off(config.xmpp.direct_tls_listen),
        ),
        ("xmpp.address", config.xmpp.address.clone()),
        ("xmpp.certificate", certificate),
        ("xmpp.key", key),
        ("xmpp.client_ca", client_ca),
        (
            "xmpp.allow_plaintext",
            config.xmpp.allow_plaintext.to_string(),
        ),
        ("cluster.listen", config.cluster.listen.to_string()),
        ("cluster.address", config.cluster.address.clone()),
        ("cluster.name", config.cluster.name.clone()),
        ("cluster.site", or_none(config.cluster.site.as_ref())),
        (
            "cluster.snapshot_entries",
            config.cluster.snapshot_entries.to_string(),
        ),
        ("delivery.deliver", config.delivery.deliver.to_string()),
        (
            "delivery.durability",
            config.delivery.durability.to_string(),
        ),
        (
            "control.socket",
            config.control.socket.display().to_string(),
        ),
        ("metrics.listen", or_off(config.metrics.listen)),
        ("admin.listen", or_off(config.admin.listen)),
        ("log.format", config.log.format.to_string()),
        ("log.filter", config.log.filter.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::settings::SETTINGS;
    use super::*;

    #[test]
    fn every_setting_is_shown_once() {
        let config = Config::load(None).unwrap();
        let shown: Vec<&str> = effective(&config).iter().map(|(path, _)| *path).collect();
        let settings: Vec<String> = SETTINGS
            .iter()
            .map(|setting| format!("{}.{}", setting.section, setting.key))
            .collect();
        assert_eq!(shown, settings);
    }
}
