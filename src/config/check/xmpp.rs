//! The settings of the ports for XMPP clients.

use super::{Check, DEFAULTS, address, another, or_off};
use crate::config::file::File;
use crate::config::values::{Certificate, Domain, XmppConfig};

impl Check<'_> {
    pub(super) fn xmpp(&mut self, file: &File) -> XmppConfig {
        let domain = self.text(&file.xmpp_domain, "xmpp.domain", DEFAULTS.domain, |text| {
            Domain::new(text).map_err(|reason| {
                let text = text.escape_debug();
                format!("`{text}` is not a domain: {reason}; write for example \"example.org\"")
            })
        });
        let listen = self.text(&file.xmpp_listen, "xmpp.listen", DEFAULTS.listen, address);
        let path = "xmpp.direct_tls_listen";
        let given = &file.xmpp_direct_tls_listen;
        let default = or_off(DEFAULTS.direct_tls_listen).unwrap_or_default();
        if let (None, Some(taken)) = (given, &file.xmpp_listen)
            && default == Some(listen)
        {
            let text = format!("the address that {path} has by default; write that one, too");
            self.note(taken.line, "xmpp.listen", text);
        }
        let direct_tls_listen = self.value(given, path, default, |text| {
            or_off(text)?.map_or(Ok(None), |direct| another(direct, listen, "xmpp.listen"))
        });
        let certificate = self.certificate(file);
        let allow_plaintext = file
            .xmpp_allow_plaintext
            .as_ref()
            .is_some_and(|given| given.value);
        XmppConfig {
            domain,
            listen,
            direct_tls_listen,
            address: self.host_port(&file.xmpp_address, "xmpp.address", listen),
            certificate,
            client_ca: self.existing(&file.xmpp_client_ca, "xmpp.client_ca"),
            allow_plaintext,
        }
    }

    fn certificate(&mut self, file: &File) -> Certificate {
        let certificate = self.existing(&file.xmpp_certificate, "xmpp.certificate");
        let key = self.existing(&file.xmpp_key, "xmpp.key");
        match (&file.xmpp_certificate, &file.xmpp_key) {
            (Some(given), None) => {
                let text = "a certificate without its key; add `key`, or remove `certificate`";
                self.note(given.line, "xmpp.certificate", text.to_owned());
            }
            (None, Some(given)) => {
                let text = "a key without its certificate; add `certificate`, or remove `key`";
                self.note(given.line, "xmpp.key", text.to_owned());
            }
            _ => {}
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => Certificate::Files { certificate, key },
            _ => Certificate::SelfSigned,
        }
    }
}
