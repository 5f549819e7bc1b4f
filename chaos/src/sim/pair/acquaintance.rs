//! What a person has with somebody else than the partner: a subscription each way, which is asked
//! for, granted, given up and cancelled while faults come. Not for judging it.

use pollux_domain::jid::BareJid;
use pollux_domain::subscription::SubscriptionRequest;

use super::person::{Driven, Person};
use super::plan::PairPlan;
use crate::client::{Element, Error};
use crate::sim::history::{Fact, Phase};
use crate::sim::people::account;

/// What a person says of its own accord in a run, at most: each is open to the checker until it is
/// acknowledged, in another group for ever.
const SAID_MAX: u64 = 6;

/// See the module.
#[derive(Debug, Default)]
pub struct Acquaintance {
    /// Nobody where people close their streams: what they have not got acknowledged stays open.
    pub who: Option<usize>,
    /// The number of the last word.
    number: u64,
    /// Words of the own accord.
    said: u64,
    /// The faults are over, and the last word is said.
    settled: bool,
}

/// The acquaintance of a person: of the own group where there is one pair, of the other where there
/// are two.
pub fn of(plan: PairPlan, who: usize) -> Option<usize> {
    let other = match plan.pairs {
        1 => who ^ 2,
        _ => who ^ 3,
    };
    let both = who.max(other) < plan.people.min(4);
    (both && !plan.leaves).then_some(other)
}

impl Acquaintance {
    pub fn of(plan: PairPlan, who: usize) -> Acquaintance {
        Acquaintance {
            who: of(plan, who),
            ..Acquaintance::default()
        }
    }
}

impl Person {
    /// Something new about the acquaintance, while there are faults.
    pub fn change_mind(&mut self, client: &mut Driven) -> Result<(), Error> {
        if SAID_MAX <= self.acquaintance.said {
            return Ok(());
        }
        self.acquaintance.said += 1;
        let request = match self.seed.below(5) {
            0 => SubscriptionRequest::Unsubscribe,
            1 => SubscriptionRequest::Unsubscribed,
            _ => SubscriptionRequest::Subscribe,
        };
        self.say(client, request)
    }

    /// After the faults everybody wants to see the acquaintance.
    pub fn settle(&mut self, client: &mut Driven) -> Result<(), Error> {
        if std::mem::replace(&mut self.acquaintance.settled, true) {
            return Ok(());
        }
        self.say(client, SubscriptionRequest::Subscribe)
    }

    /// A request is granted; a refusal after the faults crossed with the last word, which is said
    /// again.
    pub fn answer(&mut self, client: &mut Driven, from: &str, kind: &str) -> Result<(), Error> {
        let acquaintance = self.acquaintance.who.map(|who| account(who).bare_jid());
        let is_acquaintance = acquaintance.as_deref() == Some(from);
        match kind {
            "subscribe" if is_acquaintance => self.say(client, SubscriptionRequest::Subscribed),
            "subscribe" => client.presence(from, "subscribed"),
            "unsubscribed" if is_acquaintance && self.acquaintance.settled => {
                self.say(client, SubscriptionRequest::Subscribe)
            }
            _ => Ok(()),
        }
    }

    fn say(&mut self, client: &mut Driven, request: SubscriptionRequest) -> Result<(), Error> {
        let Some(to) = self.acquaintance.who else {
            return Ok(());
        };
        self.acquaintance.number += 1;
        let id = format!("s{}-{}", self.who, self.acquaintance.number);
        let kind = match request {
            SubscriptionRequest::Subscribe => "subscribe",
            SubscriptionRequest::Subscribed => "subscribed",
            SubscriptionRequest::Unsubscribe => "unsubscribe",
            SubscriptionRequest::Unsubscribed => "unsubscribed",
        };
        let jid = account(to).bare_jid();
        self.history.borrow_mut().add(Fact::Said {
            who: self.who,
            to,
            id: id.clone(),
            request,
            abroad: self.plan.pair_of(self.who) != self.plan.pair_of(to),
        });
        client.send(&format!("<presence id='{id}' to='{jid}' type='{kind}'/>"))
    }

    /// What a contact list says of the acquaintance.
    pub fn read_relation(&self, id: &str, iq: Element<'_>) {
        let Some(of) = self.acquaintance.who else {
            return;
        };
        let item = contact(iq, &account(of).bare_jid());
        let says = |name: &str| {
            let value = item.and_then(|item| item.attribute(name));
            value.unwrap_or_default().into_owned()
        };
        let subscription = says("subscription");
        self.history.borrow_mut().add(Fact::Relation {
            who: self.who,
            of,
            id: id.to_owned(),
            sees: matches!(subscription.as_str(), "to" | "both"),
            has_asked: says("ask") == "subscribe",
            is_seen: matches!(subscription.as_str(), "from" | "both"),
        });
    }

    /// The faults are over.
    pub fn is_healing(&self) -> bool {
        Phase::Healing <= self.phase.get()
    }
}

/// The item of a contact in the answer to a request for the list.
pub fn contact<'a>(iq: Element<'a>, jid: &str) -> Option<Element<'a>> {
    let mut items = iq.child("query")?.children();
    items.find(|item| item.attribute("jid").as_deref() == Some(jid))
}

/// The address of a person.
pub fn address(who: usize) -> Option<BareJid> {
    BareJid::parse(&account(who).bare_jid()).ok()
}
