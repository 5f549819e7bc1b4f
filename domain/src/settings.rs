//! What an administrator sets while the cluster runs: one table of names, forms, defaults and
//! meanings (decision 0010). Not for what belongs to a machine: that stands in its file.

mod contacts;
mod external;
mod form;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;
pub use contacts::ServerContacts;
pub use external::{ExternalService, ExternalServices, ServiceKind, Transport};
pub use form::{Conflict, Form, Limit, Number, Switch};

/// One setting as a face shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `sign-in.plain`
    pub name: &'static str,
    /// What may be written.
    pub form: String,
    pub default: String,
    /// What it does, for a person.
    pub meaning: &'static str,
}

/// One wrong thing in what is to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    pub name: String,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

/// Makes the values, their names and their table from one list, so that they cannot differ.
macro_rules! settings {
    ($( $field:ident: $type:ty = $default:expr, $name:literal, $meaning:literal; )*) => {
        /// The value of each setting.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Settings {
            $( #[doc = $meaning] pub $field: $type, )*
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $( $field: $default, )* }
            }
        }

        /// Every setting, in the order in which a person reads them.
        pub fn descriptions() -> Vec<Description> {
            let known = Settings::default();
            vec![$( Description {
                name: $name,
                form: <$type as Form>::words(),
                default: known.$field.to_string(),
                meaning: $meaning,
            }, )*]
        }

        impl Settings {
            /// Sets one by its name, as a person writes it; nothing else changes. Without text it
            /// is as it was at the beginning.
            pub fn set(&mut self, name: &str, text: Option<&str>) -> Result<(), Mistake> {
                let result = match (name, text) {
                    $(
                        ($name, Some(text)) => <$type as Form>::read(text)
                            .map(|value| self.$field = value),
                        ($name, None) => {
                            self.$field = Settings::default().$field;
                            Ok(())
                        }
                    )*
                    _ => Err(NO_SUCH.to_owned()),
                };
                result.map_err(|text| Mistake { name: name.to_owned(), text })
            }

            /// All values as a person writes them, in the order of [`descriptions`].
            pub fn shown(&self) -> Vec<String> {
                vec![$( self.$field.to_string(), )*]
            }
        }
    };
}

const NO_SUCH: &str = "there is no such setting; `pollux ctl settings list` shows all";

settings! {
    channel_binding: Switch = Switch(true), "sign-in.channel-binding",
        "Offers to bind a sign-in to the TLS that it goes through (SCRAM-SHA-…-PLUS, XEP-0440), so \
         that a client notices who stands in between. Some older clients believe that they can and \
         cannot with TLS 1.3 (slixmpp 1.8): off lets them in.";

    plain: Switch = Switch(false), "sign-in.plain",
        "Lets clients send the password itself (SASL PLAIN), in TLS alone. For clients that cannot \
         do SCRAM; whoever has taken over the server or its certificate then reads the passwords.";

    lockout_account_failures: Limit<3, 1_000_000> = Limit(Some(limits::LOCKOUT_ACCOUNT_FAILURES)),
        "sign-in.lockout-account-failures",
        "After so many failed attempts to sign in to one account within ten minutes a node lets \
         nobody try for five. The network from which its user has signed in last counts for \
         itself, so that strangers who guess do not keep the user out.";

    lockout_address_failures: Limit<3, 1_000_000> = Limit(Some(limits::LOCKOUT_ADDRESS_FAILURES)),
        "sign-in.lockout-address-failures",
        "The same for failed attempts from one address (of IPv6, from its first 64 bits), whatever \
         the accounts. A company may be behind one address; where all clients come through a \
         proxy, write unlimited.";

    tokens: Switch = Switch(true), "sign-in.tokens",
        "Gives clients that ask for it a token, by which they sign in again at once and need not \
         keep the password (XEP-0484). Off: nobody is given one, and none is good.";

    token_seconds: Number<5, 31_536_000> = Number(limits::TOKEN_SECONDS), "sign-in.token-seconds",
        "For how many seconds a token is good; a client that comes back within that time is given \
         a new one. Holds for tokens that are given out afterwards.";

    client_bytes_a_second: Limit<65_536, 1_073_741_824>
        = Limit(Some(limits::CLIENT_BYTES_A_SECOND)),
        "client.bytes-a-second",
        "How many bytes one client may say in a second; what is shorter than 128 bytes counts as \
         so many. A client that says more is read a little later and loses nothing; half a \
         second's worth may come at once. Without limit one client can take a core, and slow the \
         others. Holds for sessions that get a stream afterwards.";

    client_stanzas_a_second: Limit<10, 1_000_000> = Limit(Some(limits::CLIENT_STANZAS_A_SECOND)),
        "client.stanzas-a-second",
        "The same in stanzas: messages, requests, changes of availability.";

    sessions_max: Number<1, 100> = Number(limits::SESSIONS_PER_USER_MAX as u64),
        "client.sessions-max",
        "How many sessions one user may have at a time, with a stream or waiting to be resumed. \
         One more is refused; those that are there stay.";

    conflict: Conflict = Conflict::Replace, "client.conflict",
        "What happens when a client asks for a resource that another session of its user has: the \
         session ends, or the client has to ask for another resource.";

    client_silence_seconds: Limit<15, 86_400> = Limit(Some(limits::CLIENT_SILENCE_SECONDS)),
        "client.silence-seconds",
        "A client of whom nothing was heard for so many seconds is asked whether it is there, and \
         let go where it says nothing for another minute: under stream management by `<r/>`, and \
         its session waits for it; without by a ping (XEP-0199). It is told of the number \
         (XEP-0478). Holds for sessions that get a stream afterwards.";

    see_other_host: Switch = Switch(false), "client.see-other-host",
        "Sends a client that came to the other node on to the one that serves it (RFC 6120 section \
         4.9.3.19). Off: its stream is relayed, which no client notices. Clients that are relayed \
         already stay so.";

    messages: Switch = Switch(true), "messages.allowed",
        "Users may send messages to each other. Off: every message comes back to its sender as \
         not allowed. What is kept for users who are away is delivered.";

    forking: Switch = Switch(true), "messages.forking",
        "A message to a user with several devices goes to each that is available, until the user \
         replies from one; then to that one only. Off: to the devices of the highest priority.";

    forking_seconds: Number<10, 86_400> = Number(600), "messages.forking-seconds",
        "For how many seconds after a reply messages of that contact go to the device of the reply \
         only. They go to all again earlier where it goes away.";

    offline: Switch = Switch(true), "messages.offline",
        "Keeps messages to users who are away, and delivers them at the next sign-in. Off: they go \
         back to their senders with an error. What is kept already is delivered.";

    offline_max: Number<1, 10_000> = Number(limits::OFFLINE_MAX as u64), "messages.offline-max",
        "How many messages are kept for one user; more go back to their senders with an error.";

    broadcast_max: Number<0, 1_000> = Number(50), "messages.broadcast-max",
        "To how many users one message, or one word of presence, may be addressed (XEP-0033). \
         Nobody may with 0.";

    sharing: Switch = Switch(true), "availability.sharing",
        "Users see the availability of those who let them. Off: everybody sees the own devices \
         alone; all others seem to have gone, whoever was subscribed to them, until it is on \
         again.";

    auto_authorise: Switch = Switch(true), "contacts.auto-authorise",
        "A user of the domain who asks to see another's availability is let in at once, and the \
         other is not asked (RFC 6121 section 3.1.3, rule 1c: what an organisation has agreed with \
         its people). Off: each user is asked. Requests that waited when it was switched on go on \
         waiting.";

    contacts_max: Limit<1, 2_000> = Limit(None), "contacts.max",
        "How many contacts one user may have; one more is refused with an error that says how many \
         there are. Lists that are longer already are kept. Cisco Unified Presence has 200. \
         Unlimited means the product's own limit of 2,000.";

    watchers_max: Limit<1, 2_000> = Limit(None), "contacts.max-watchers",
        "How many may see one user's availability; one more is refused with an error that says how \
         many there are. Those who see it already go on seeing it. Cisco Unified Presence has 200. \
         Unlimited means the product's own limit of 2,000.";

    registration: Switch = Switch(false), "accounts.registration",
        "Strangers may make an account of their own, in TLS alone (XEP-0077). Off: administrators \
         make accounts.";

    registrations_an_hour: Limit<1, 1_000_000> = Limit(Some(limits::REGISTRATIONS_AN_HOUR)),
        "accounts.registrations-an-hour",
        "How many accounts may be asked for from one address (of IPv6, from its first 64 bits) in \
         an hour, names that are taken included. Each node counts for itself.";

    password_change: Switch = Switch(false), "accounts.password-change",
        "Users may change their password with their client, in TLS alone (XEP-0077). The client \
         is not asked for the old one.";

    password_length: Number<1, 64> = Number(8), "accounts.password-length",
        "How many characters a password has at least that a user chooses. Holds for passwords \
         that are chosen afterwards; administrators give what they like.";

    cancellation: Switch = Switch(false), "accounts.cancellation",
        "Users may remove their account with all that is kept of it, with their client \
         (XEP-0077). The accounts of administrators are not removed so.";

    fallback_automatic: Switch = Switch(false), "fallback.automatic",
        "Users whose node has failed, or was stopped, go home by themselves when it has been well \
         for `fallback.stable-seconds`. Off: `pollux ctl subcluster fallback` moves them. Users \
         whom an operator has moved away wait for an operator either way. Without high \
         availability nothing moves by itself.";

    fallback_stable_seconds: Number<1, 86_400> = Number(limits::FALLBACK_STABLE_SECONDS),
        "fallback.stable-seconds",
        "For how many seconds a node must have been well before its users go home by themselves: \
         heard, up to date, and no takeover in its subcluster. Each failure of the same node \
         within a day after the first doubles the time, up to a day. A change of leaders begins \
         it anew.";

    service_delay_seconds: Number<1, 3_600> = Number(limits::SERVICE_DELAY_SECONDS),
        "services.down-seconds",
        "For how many seconds a critical service of a node may be down before its twin takes over \
         its users, where high availability is on and the twin is well. Cisco Unified Presence \
         has 90.";

    server_contacts: ServerContacts = ServerContacts::default(), "server.contacts",
        "Where those who run the server are reached, for clients that ask (XEP-0157).";

    external_services: ExternalServices = ExternalServices::default(), "external.services",
        "Servers beside this one that clients need for calls, told to clients that ask (XEP-0215): \
         STUN, by which a client learns its own address, and TURN, which relays what two clients \
         cannot send each other. TURN servers are given credentials for as soon as the node knows \
         the secret that it shares with them: `pollux ctl external set-secret`.";

    external_seconds: Number<60, 604_800> = Number(limits::EXTERNAL_CREDENTIALS_SECONDS),
        "external.credential-seconds",
        "For how many seconds such credentials are good. A call that lasts longer asks for new \
         ones.";
}

/// What of it the database of a subcluster goes by. Each group has its own copy, so that all its
/// replicas decide alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub forking: bool,
    pub forking_ms: u64,
    /// Sessions of one user.
    pub sessions_max: usize,
    pub conflict: Conflict,
    /// Users may send messages.
    pub messages: bool,
    /// Users see the availability of others.
    pub sharing: bool,
    pub offline: bool,
    /// Messages that are kept for one user.
    pub offline_max: usize,
    /// Requests of users of the same domain are approved without asking.
    pub auto_authorise: bool,
    pub contacts_max: usize,
    pub watchers_max: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Settings::default().rules()
    }
}

impl Settings {
    pub fn rules(&self) -> Rules {
        Rules {
            forking: self.forking.is_on(),
            forking_ms: self.forking_seconds.0 * 1_000,
            sessions_max: self.sessions_max.0 as usize,
            conflict: self.conflict,
            messages: self.messages.is_on(),
            sharing: self.sharing.is_on(),
            offline: self.offline.is_on(),
            offline_max: self.offline_max.0 as usize,
            auto_authorise: self.auto_authorise.is_on(),
            contacts_max: contacts(self.contacts_max),
            watchers_max: contacts(self.watchers_max),
        }
    }

    /// For how long a node is to have been well before its users go home by themselves.
    pub fn fallback_after(&self) -> Option<Duration> {
        let seconds = self.fallback_stable_seconds.0;
        let is_on = self.fallback_automatic.is_on();
        is_on.then(|| Duration::from_secs(seconds))
    }

    /// For how long a critical service may be down before the twin takes over.
    pub fn service_delay(&self) -> Duration {
        Duration::from_secs(self.service_delay_seconds.0)
    }

    /// Sets several, or says everything that is wrong with them and sets none.
    pub fn set_all<'a>(
        &mut self,
        wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<(), Vec<Mistake>> {
        let mut changed = self.clone();
        let mut mistakes = Vec::new();
        for (name, text) in wanted {
            mistakes.extend(changed.set(name, text).err());
        }
        if mistakes.is_empty() {
            *self = changed;
            return Ok(());
        }
        Err(mistakes)
    }
}

/// Whoever is seen or sees is an entry of a contact list.
fn contacts(limit: Limit<1, 2_000>) -> usize {
    let most = limit.most().and_then(|most| usize::try_from(most).ok());
    most.map_or(limits::CONTACTS_MAX, |most| most.min(limits::CONTACTS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_set_and_every_setting_has_its_words() {
        let mut settings = Settings::default();
        let all = descriptions();
        let shown = settings.shown();
        assert_eq!(shown.len(), all.len());
        for (one, value) in all.iter().zip(shown) {
            assert_eq!(one.default, value);
            settings.set(one.name, Some(&value)).unwrap();
            settings.set(one.name, None).unwrap();
            assert!(one.meaning.ends_with('.'), "{}", one.name);
            let named = |c: char| c.is_ascii_lowercase() || c == '.' || c == '-';
            assert!(one.name.chars().all(named), "{}", one.name);
            let same = all.iter().filter(|other| other.name == one.name);
            assert_eq!(same.count(), 1, "{}", one.name);
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_nothing_changes() {
        let mut settings = Settings::default();
        let mistakes = settings.set_all([
            ("sign-in.plain", Some("on")),
            ("sign-in.plain", Some("maybe")),
            ("client.bytes-a-second", Some("12")),
            ("no.such", None),
        ]);
        let mistakes = mistakes.unwrap_err();
        let words: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        assert_eq!(
            words,
            [
                "sign-in.plain: `maybe` is neither; write on or off",
                "client.bytes-a-second: `12` is out of range; write a number from 65536 to \
                 1073741824, or unlimited",
                "no.such: there is no such setting; `pollux ctl settings list` shows all",
            ]
        );
        assert_eq!(settings, Settings::default());
        let right = [
            ("sign-in.plain", Some("on")),
            ("client.bytes-a-second", Some("unlimited")),
        ];
        settings.set_all(right).unwrap();
        assert!(settings.plain.is_on());
        assert_eq!(settings.client_bytes_a_second.most(), None);
        settings.set_all([("sign-in.plain", None)]).unwrap();
        assert!(!settings.plain.is_on());
    }

    #[test]
    fn unlimited_contacts_are_as_many_as_a_list_holds() {
        let mut settings = Settings::default();
        let rules = settings.rules();
        let most = limits::CONTACTS_MAX;
        assert_eq!((rules.contacts_max, rules.watchers_max), (most, most));
        settings.set("contacts.max", Some("200")).unwrap();
        settings.set("contacts.max-watchers", Some("2000")).unwrap();
        let rules = settings.rules();
        assert_eq!((rules.contacts_max, rules.watchers_max), (200, most));
        let beyond = settings.set("contacts.max", Some("2001"));
        assert!(beyond.is_err());
    }
}
