//! The certificate for clients and its key, as files and as what they say. What a certificate says
//! is read in `pollux_links::certificate`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pollux_actors::system;
use pollux_links::certificate::{Examined, Signer, Unreadable, examine};

use super::is_local;
use super::report::Finding;
use crate::config::Config;
use crate::config::values::{Certificate, Domain};

const CHECK: &str = "certificate";
const KEY: &str = "key";
/// Where Debian and its kin keep the authorities that programs trust.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const DAY: i64 = 86_400;

pub fn look(config: &Config, expiry_days: u32) -> Vec<Finding> {
    let domain = &config.xmpp.domain;
    let (certificate, key) = match &config.xmpp.certificate {
        Certificate::Files { certificate, key } => (certificate.clone(), key.clone()),
        Certificate::SelfSigned => {
            let folder = &config.node.data_folder;
            let own = (folder.join("certificate.pem"), folder.join("key.pem"));
            if !own.0.exists() || !own.1.exists() {
                return vec![to_be_made(domain)];
            }
            own
        }
    };
    let mut findings = vec![permissions(&key)];
    let (chain, secret) = (fs::read(&certificate), fs::read(&key));
    let (chain, secret) = match (chain, secret) {
        (Ok(chain), Ok(secret)) => (chain, secret),
        (chain, secret) => {
            let failures = [(CHECK, certificate, chain.err()), (KEY, key, secret.err())];
            findings.extend(failures.into_iter().filter_map(|(check, path, error)| {
                let finding = format!("cannot read {}: {}", path.display(), error?);
                let advice = "let the user who runs the node read it, or correct the setting";
                Some(Finding::failed(check, finding, advice))
            }));
            return findings;
        }
    };
    let known = fs::read(AUTHORITIES).unwrap_or_default();
    let now = system::ambient().clock.wall().0 / 1_000;
    match examine(&chain, &secret, domain.as_str(), &known, now) {
        Ok(examined) => {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            findings.extend(judge(&examined, domain, now, expiry_days));
        }
        Err(wrong) => findings.push(unreadable(&wrong, &certificate, &key)),
    }
    findings
}

fn to_be_made(domain: &Domain) -> Finding {
    let finding = format!("a self-signed one for {domain} is made at the first start");
    match is_local(domain) {
        true => Finding::passed(CHECK, finding),
        false => Finding::warned(CHECK, finding, advice_for_trust(domain)),
    }
}

fn advice_for_trust(domain: &Domain) -> String {
    format!(
        "clients must be told to trust it. An authority gives one for {domain}, for example by \
         `certbot certonly -d {domain}`: xmpp.certificate is its fullchain.pem, xmpp.key its \
         privkey.pem"
    )
}

fn permissions(key: &Path) -> Finding {
    let shown = key.display();
    let Ok(about) = fs::metadata(key) else {
        let finding = format!("{shown} cannot be looked at");
        return Finding::failed(
            KEY,
            finding,
            "correct xmpp.key, or the folder's permissions",
        );
    };
    let mode = about.permissions().mode() & 0o777;
    let finding = format!("{shown} has the permissions {mode:o}");
    let advice = format!("chmod 600 {shown}, and make the user who runs the node its owner");
    match (mode & 0o007, mode & 0o070) {
        (0, 0) => Finding::passed(KEY, finding),
        (0, _) => Finding::warned(KEY, format!("{finding}: a group may read it"), advice),
        _ => Finding::failed(KEY, format!("{finding}: everybody may read it"), advice),
    }
}

fn unreadable(wrong: &Unreadable, certificate: &Path, key: &Path) -> Finding {
    match wrong {
        Unreadable::Chain(reason) => {
            let finding = format!("{} does not read: {reason}", certificate.display());
            let advice = "it is to hold certificates in PEM, the server's own first";
            Finding::failed(CHECK, finding, advice)
        }
        Unreadable::Key(reason) => {
            let finding = format!("{} does not read: {reason}", key.display());
            Finding::failed(KEY, finding, "it is to hold one private key in PEM")
        }
        Unreadable::KeyEncrypted => {
            let shown = key.display();
            let finding = format!("{shown} is under a password, which a node cannot ask for");
            let advice = format!("openssl pkey -in {shown} -out KEY, and set xmpp.key to it");
            Finding::failed(KEY, finding, advice)
        }
    }
}

fn judge(examined: &Examined, domain: &Domain, now: i64, expiry_days: u32) -> Vec<Finding> {
    vec![
        fits(examined),
        strength(examined),
        names(examined, domain),
        signer(examined, domain),
        time(examined, now, expiry_days),
    ]
}

fn fits(examined: &Examined) -> Finding {
    match examined.key_fits {
        true => Finding::passed(KEY, "it is the certificate's"),
        false => {
            let advice = "set xmpp.key to the key with which the certificate was asked for; the \
                          server's own certificate stands first in its file";
            Finding::failed(KEY, "it is not the certificate's", advice)
        }
    }
}

fn strength(examined: &Examined) -> Finding {
    let strength = examined.strength;
    let advice = "make a new key, RSA with 2048 bits or ECDSA, and ask for a new certificate";
    if strength.is_weak {
        return Finding::failed(KEY, format!("{strength} is too weak"), advice);
    }
    if strength.is_signed_weakly {
        let finding = "the certificate is signed by MD5 or SHA-1, which clients refuse";
        return Finding::failed(CHECK, finding, "ask for a new certificate");
    }
    Finding::passed(KEY, strength.to_string())
}

fn names(examined: &Examined, domain: &Domain) -> Finding {
    let names = match examined.names.is_empty() {
        true => "nobody".to_owned(),
        false => examined.names.join(", "),
    };
    if examined.covers_domain {
        return Finding::passed(CHECK, format!("it is for {names}"));
    }
    // RFC 6120 section 13.7.2.1: the client compares with the domain that it was told to reach.
    let advice = format!(
        "ask for one with the subject alternative name DNS:{domain}: clients compare with the part \
         behind the @, not with the name of the machine"
    );
    Finding::failed(
        CHECK,
        format!("it is for {names}, not for {domain}"),
        advice,
    )
}

fn signer(examined: &Examined, domain: &Domain) -> Finding {
    match &examined.signer {
        Signer::Known => {
            Finding::passed(CHECK, "it leads to an authority that this machine trusts")
        }
        Signer::Itself if is_local(domain) => Finding::passed(CHECK, "it is self-signed"),
        Signer::Itself => Finding::warned(CHECK, "it is self-signed", advice_for_trust(domain)),
        Signer::Unknown(issuer) => {
            let finding = format!("it leads to nobody whom this machine trusts; next is {issuer}");
            let advice = format!(
                "append the certificate of {issuer} to the file (authorities call such a file \
                 fullchain); where it is the authority of your own house, clients must know it"
            );
            Finding::warned(CHECK, finding, advice)
        }
        Signer::Broken(number) => {
            let finding = format!(
                "certificate {number} of the file was not signed by the one that follows it"
            );
            let advice = "the server's own first, then each signed by the next; leave others out";
            Finding::failed(CHECK, finding, advice)
        }
    }
}

fn time(examined: &Examined, now: i64, expiry_days: u32) -> Finding {
    let (from, until) = examined.valid;
    let advice = "renew it; a node that runs serves the new one some seconds after its key is \
                  there too";
    let days = |seconds: i64| seconds / DAY;
    if until <= now {
        let finding = format!("it expired {} days ago", days(now - until));
        return Finding::failed(CHECK, finding, advice);
    }
    if now < from {
        let finding = format!("it is not valid for another {} days", days(from - now));
        let advice = "look at this machine's clock, or wait";
        return Finding::failed(CHECK, finding, advice);
    }
    let finding = match days(until - now) {
        left @ 0..3_653 => format!("it expires in {left} days"),
        left => format!("it expires in {} years", left / 365),
    };
    if until - now < i64::from(expiry_days) * DAY {
        return Finding::warned(CHECK, finding, advice);
    }
    Finding::passed(CHECK, finding)
}

#[cfg(test)]
#[path = "certificate_test.rs"]
mod tests;
