//! Keys that an account lacks, from a client that has just proved its password: the tasks of
//! XEP-0480, before `<success/>`, at the node that the client came to. Not for what is offered: see
//! `negotiate`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::limits;
use pollux_xml::Element;
use pollux_xmpp::sasl::scram::{ScramHash, ScramKeys};
use pollux_xmpp::sasl::{SaslCondition, SaslFailure, Secret, Sent};
use pollux_xmpp::sasl2::{Authenticate, Continue, Sasl2Element};
use pollux_xmpp::stream_error::StreamCondition;
use pollux_xmpp::upgrades::{self, Salt};

use super::mechanisms::{Offered, Proved};
use super::wire::{Broken, Wire};
use crate::keys;

/// For so long a client waits for its keys to be kept; then it is told to come without them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what the client has asked for of what was offered, one after the other (XEP-0480 section
/// 2.2). Who has proved itself by a token or a certificate could set a password of its own by it,
/// and is not asked.
pub async fn upgrade(
    wire: &mut Wire,
    proved: &mut Proved,
    authenticate: &Authenticate,
    offered: &Offered,
) -> Result<Result<(), SaslFailure>, Broken> {
    if !proved.by_password {
        return Ok(Ok(()));
    }
    for hash in upgrades::named(&authenticate.inline) {
        let is_due = offered.upgrades.contains(&hash) && !keys::has(&wire.node, &proved.user, hash);
        if !is_due {
            continue;
        }
        if let Err(failure) = task(wire, proved, hash).await? {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}

/// XEP-0480 sections 2.3 and 3; XEP-0388 section 2.6.3.
async fn task(
    wire: &mut Wire,
    proved: &mut Proved,
    hash: ScramHash,
) -> Result<Result<(), SaslFailure>, Broken> {
    let next = Continue {
        additional: proved.last.take(),
        tasks: vec![upgrades::task(hash).into()],
    };
    wire.send(&Sasl2Element::Continue(next).to_element())
        .await?;
    match said(wire).await? {
        Ok(Sasl2Element::Next(task)) if task.as_str() == upgrades::task(hash) => {}
        Ok(Sasl2Element::Next(_)) => return Ok(Err(malformed("this task was not offered"))),
        Ok(other) => return unexpected(&other),
        Err(failure) => return Ok(Err(failure)),
    }
    let mut octets = vec![0; limits::SALT_BYTES];
    wire.node.ambient.rand.fill(&mut octets);
    let salt = Salt {
        octets,
        iterations: wire.node.settings.scram_iterations,
    };
    let data = Sasl2Element::TaskData(vec![salt.to_element()]);
    wire.send(&data.to_element()).await?;
    let salted = match said(wire).await? {
        Ok(Sasl2Element::TaskData(data)) => salted(&data),
        Ok(other) => return unexpected(&other),
        Err(failure) => Err(failure),
    };
    let keys = salted.and_then(|salted| {
        let keys = ScramKeys::of_salted(hash, &salted, &salt.octets, salt.iterations);
        keys.map_err(|_| malformed("the password was not salted as it was asked for"))
    });
    let keys = match keys {
        Ok(keys) => keys,
        Err(failure) => return Ok(Err(failure)),
    };
    let kept = keys::add(&wire.node, &proved.user, proved.password_version, keys);
    Ok(match tokio::time::timeout(PATIENCE, kept).await {
        Ok(Ok(())) => {
            wire.node.metrics.keys_added.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        failed => {
            tracing::debug!(?failed, "keys of a client were not kept");
            let failure = SaslFailure::new(SaslCondition::TemporaryAuthFailure);
            Err(failure.with_text("the keys were not kept: sign in without the task"))
        }
    })
}

/// Nothing else may be said meanwhile (XEP-0388 section 2.4).
async fn said(wire: &mut Wire) -> Result<Result<Sasl2Element, SaslFailure>, Broken> {
    let element = wire.element_at_once().await?;
    let said = Sasl2Element::from_element(&element, Sent::ByInitiator);
    said.ok_or(StreamCondition::NotAuthorized.into())
}

fn unexpected(said: &Sasl2Element) -> Result<Result<(), SaslFailure>, Broken> {
    match said {
        Sasl2Element::Abort => Ok(Err(SaslCondition::Aborted.into())),
        _ => Err(StreamCondition::NotAuthorized.into()),
    }
}

fn salted(data: &[Element]) -> Result<Secret, SaslFailure> {
    let salted = data.iter().find_map(upgrades::read_salted);
    salted.unwrap_or_else(|| Err(malformed("the salted password is missing")))
}

fn malformed(text: &'static str) -> SaslFailure {
    SaslFailure::new(SaslCondition::MalformedRequest).with_text(text)
}
