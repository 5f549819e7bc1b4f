//! Who may see a user and write to it without being asked about: a policy for users of the own
//! domain and one for all others, with exceptions. Not for what follows: the state machine of the
//! group sees to that.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::blocking::AddressSet;
use crate::jid::Jid;
use crate::limits;
use crate::settings::{Form, Mistake};

/// What becomes of those of whom nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// May see the user at once.
    Allow,
    /// May ask.
    Ask,
    /// See the user as away and reach nobody.
    Block,
}

/// What one user has decided. Nothing decided: whoever asks to see the user is asked about, and
/// everybody may write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    /// Of users of the own domain.
    pub internal: Option<Policy>,
    /// Of all others.
    pub external: Option<Policy>,
    /// May see the user, whatever the policies say.
    pub allowed: AddressSet,
}

/// What it comes to for one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Ask,
    Deny,
}

/// One line of what a user has decided, as a face shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyRow {
    pub name: &'static str,
    pub value: String,
    pub default: &'static str,
    pub form: &'static str,
    pub meaning: &'static str,
}

impl Privacy {
    /// `blocked`: whom the user has blocked, which goes before all else. `listed`: the address is
    /// in the contact list, which goes before a policy.
    pub fn verdict(
        &self,
        blocked: &AddressSet,
        domain: &str,
        other: &Jid,
        listed: bool,
    ) -> Verdict {
        if blocked.matches(other) {
            return Verdict::Deny;
        }
        if self.allowed.matches(other) {
            return Verdict::Allow;
        }
        let policy = match other.domain() == domain {
            true => self.internal,
            false => self.external,
        };
        match policy {
            None => Verdict::Ask,
            Some(_) if listed => Verdict::Allow,
            Some(Policy::Allow) => Verdict::Allow,
            Some(Policy::Ask) => Verdict::Ask,
            Some(Policy::Block) => Verdict::Deny,
        }
    }

    /// Whether anybody is denied without having been named.
    pub fn has_block(&self) -> bool {
        self.internal == Some(Policy::Block) || self.external == Some(Policy::Block)
    }

    /// All that may be set, as it is.
    pub fn rows(&self, blocked: &AddressSet) -> Vec<PrivacyRow> {
        let rows = [
            (
                INTERNAL,
                shown(self.internal),
                "default",
                INTERNAL_FORM,
                INTERNAL_MEANING,
            ),
            (
                EXTERNAL,
                shown(self.external),
                "default",
                EXTERNAL_FORM,
                EXTERNAL_MEANING,
            ),
            (
                ALLOWED,
                list(&self.allowed),
                "none",
                LIST_FORM,
                ALLOWED_MEANING,
            ),
            (BLOCKED, list(blocked), "none", LIST_FORM, BLOCKED_MEANING),
        ];
        let rows = rows.map(|(name, value, default, form, meaning)| PrivacyRow {
            name,
            value,
            default,
            form,
            meaning,
        });
        rows.into()
    }

    /// Sets several, or says everything that is wrong with them and sets none. Without text one is
    /// as at the beginning.
    pub fn set_all<'a>(
        &mut self,
        blocked: &mut AddressSet,
        wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<(), Vec<Mistake>> {
        let (mut privacy, mut entries) = (self.clone(), blocked.clone());
        let mut mistakes = Vec::new();
        for (name, text) in wanted {
            let set = match name {
                INTERNAL => policy(text, true).map(|policy| privacy.internal = policy),
                EXTERNAL => policy(text, false).map(|policy| privacy.external = policy),
                ALLOWED => addresses(text).map(|list| privacy.allowed = list),
                BLOCKED => addresses(text).map(|list| entries = list),
                _ => Err(format!(
                    "there is nothing of that name; write {INTERNAL}, {EXTERNAL}, {ALLOWED} or \
                     {BLOCKED}"
                )),
            };
            if let Err(text) = set {
                let name = name.to_owned();
                mistakes.push(Mistake { name, text });
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        (*self, *blocked) = (privacy, entries);
        Ok(())
    }
}

const INTERNAL: &str = "internal";
const EXTERNAL: &str = "external";
const ALLOWED: &str = "allowed";
const BLOCKED: &str = "blocked";

const INTERNAL_FORM: &str = "allow, ask, block or default";
const EXTERNAL_FORM: &str = "ask, block or default";
const LIST_FORM: &str = "none, or addresses with commas between";

const INTERNAL_MEANING: &str = "What becomes of users of the own domain who are not in the \
    contact list: they may see the user at once, may ask, or see the user as away and reach \
    nobody. Those in the contact list may see the user, whichever it is.";
const EXTERNAL_MEANING: &str = "The same of all others, whom nothing is allowed unasked.";
const ALLOWED_MEANING: &str = "Accounts and domains that may see the user, whatever is set.";
const BLOCKED_MEANING: &str = "Accounts and domains that see the user as away and reach nobody; \
    also what clients call the block list.";

/// None: nothing is decided.
fn policy(text: Option<&str>, internal: bool) -> Result<Option<Policy>, String> {
    match text {
        None | Some("default") => Ok(None),
        Some(text) => match Policy::read(text)? {
            Policy::Allow if !internal => {
                let why = "strangers are allowed nothing unasked";
                Err(format!("{why}; write {EXTERNAL_FORM}"))
            }
            policy => Ok(Some(policy)),
        },
    }
}

fn addresses(text: Option<&str>) -> Result<AddressSet, String> {
    let text = match text {
        None | Some("none") => return Ok(AddressSet::default()),
        Some(text) => text,
    };
    let (mut jids, mut wrong) = (Vec::new(), Vec::new());
    for one in text.split(',').map(str::trim) {
        match Jid::parse(one) {
            Ok(jid) => jids.push(jid),
            Err(error) => wrong.push(format!("`{one}` is no address: {error}")),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let most = limits::BLOCKED_MAX;
    AddressSet::new(jids).ok_or_else(|| format!("more than {most} addresses"))
}

fn shown(policy: Option<Policy>) -> String {
    policy.map_or_else(|| "default".to_owned(), |policy| policy.to_string())
}

fn list(entries: &AddressSet) -> String {
    if entries.is_empty() {
        return "none".to_owned();
    }
    let entries = entries.entries().map(Jid::as_str);
    entries.collect::<Vec<_>>().join(",")
}

impl Form for Policy {
    fn words() -> String {
        INTERNAL_FORM.to_owned()
    }

    fn read(text: &str) -> Result<Policy, String> {
        match text {
            "allow" => Ok(Policy::Allow),
            "ask" => Ok(Policy::Ask),
            "block" => Ok(Policy::Block),
            _ => Err(format!("`{text}` is none of them; write {INTERNAL_FORM}")),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Policy::Allow => "allow",
            Policy::Ask => "ask",
            Policy::Block => "block",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::parse(text).unwrap()
    }

    fn privacy(internal: &str, external: &str) -> (Privacy, AddressSet) {
        let (mut privacy, mut blocked) = Default::default();
        let wanted = [
            ("internal", Some(internal)),
            ("external", Some(external)),
            ("allowed", Some("friend@x.org,partner.net")),
            ("blocked", Some("foe@x.org, foe@partner.net")),
        ];
        let set = Privacy::set_all(&mut privacy, &mut blocked, wanted);
        assert_eq!(set, Ok(()));
        (privacy, blocked)
    }

    #[test]
    fn what_it_comes_to() {
        use Verdict::{Allow, Ask, Deny};
        let check = |policies: (&str, &str), other: &str, listed: bool, expected: Verdict| {
            let (privacy, blocked) = privacy(policies.0, policies.1);
            let verdict = privacy.verdict(&blocked, "x.org", &jid(other), listed);
            assert_eq!(verdict, expected, "{policies:?}: {other}, listed: {listed}");
        };
        for (internal, expected) in [
            ("allow", Allow),
            ("ask", Ask),
            ("block", Deny),
            ("default", Ask),
        ] {
            check((internal, "block"), "a@x.org", false, expected);
        }
        for (external, expected) in [("ask", Ask), ("block", Deny), ("default", Ask)] {
            check(("allow", external), "a@y.org/d", false, expected);
        }
        // The contact list goes before a policy; nothing decided is no policy.
        check(("block", "block"), "a@x.org", true, Allow);
        check(("block", "block"), "a@y.org", true, Allow);
        check(("ask", "ask"), "a@x.org", true, Allow);
        check(("default", "default"), "a@x.org", true, Ask);
        // Exceptions go before both, and who is blocked before all.
        check(("block", "block"), "friend@x.org/d", false, Allow);
        check(("block", "block"), "b@partner.net", false, Allow);
        check(("allow", "ask"), "foe@x.org", true, Deny);
        check(("allow", "ask"), "foe@partner.net", false, Deny);
    }

    #[test]
    fn every_mistake_is_named_and_nothing_set() {
        let (mut privacy, mut blocked) = privacy("block", "ask");
        let before = (privacy.clone(), blocked.clone());
        let mistakes = privacy.set_all(
            &mut blocked,
            [
                ("internal", Some("maybe")),
                ("external", Some("allow")),
                ("allowed", Some("a@x.org,@")),
                ("colour", None),
                ("blocked", None),
            ],
        );
        let lines: Vec<String> = mistakes
            .unwrap_err()
            .iter()
            .map(Mistake::to_string)
            .collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("internal: `maybe` is none of them; write allow"));
        assert!(lines[1].contains("write ask, block or default"));
        assert!(lines[2].contains("`@` is no address"));
        assert!(lines[3].contains("nothing of that name"));
        assert_eq!((privacy, blocked), before);
    }

    #[test]
    fn what_is_shown_can_be_set() {
        let (privacy, blocked) = privacy("block", "ask");
        let rows = privacy.rows(&blocked);
        let values: Vec<&str> = rows.iter().map(|row| row.value.as_str()).collect();
        let expected = [
            "block",
            "ask",
            "friend@x.org,partner.net",
            "foe@partner.net,foe@x.org",
        ];
        assert_eq!(values, expected);
        let (mut again, mut entries) = Default::default();
        let wanted = rows.iter().map(|row| (row.name, Some(row.value.as_str())));
        assert_eq!(Privacy::set_all(&mut again, &mut entries, wanted), Ok(()));
        assert_eq!((again, entries), (privacy, blocked));
    }
}
