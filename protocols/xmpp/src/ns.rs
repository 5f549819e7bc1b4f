//! Namespaces, each with its source. Not for names within them.

/// RFC 6120 section 4.8.3.
pub const CLIENT: &str = "jabber:client";
pub const SERVER: &str = "jabber:server";
/// RFC 6120 section 4.8.1.
pub const STREAMS: &str = pollux_xml::STREAM_NAMESPACE;
/// RFC 6120 section 4.9.2.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// RFC 6120 section 8.3.2.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// RFC 6120 section 4.9.3.14: conditions that explain a policy violation.
pub const ERRORS: &str = "urn:xmpp:errors";
/// RFC 6120 section 5.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// RFC 6120 section 6.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// XEP-0440.
pub const SASL_CB: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0388.
pub const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0480, of the tasks, and of those of SCRAM.
pub const SASL_UPGRADE: &str = "urn:xmpp:sasl:upgrade:0";
pub const SCRAM_UPGRADE: &str = "urn:xmpp:scram-upgrade:0";
/// XEP-0386.
pub const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0484.
pub const FAST: &str = "urn:xmpp:fast:0";
/// RFC 6120 section 7.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// RFC 3921 section 3, of which RFC 6120 only says that old clients ask for it.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// RFC 6121 section 2.
pub const ROSTER: &str = "jabber:iq:roster";
/// XEP-0237, RFC 6121 section 2.6.1.
pub const ROSTER_VERSIONS: &str = "urn:xmpp:features:rosterver";
/// RFC 6121 section 3.4.
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// XEP-0049.
pub const PRIVATE: &str = "jabber:iq:private";
/// XEP-0054.
pub const VCARD: &str = "vcard-temp";
/// XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0478.
pub const STREAM_LIMITS: &str = "urn:xmpp:stream-limits:0";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0077.
pub const REGISTER: &str = "jabber:iq:register";
/// XEP-0077 section 8.
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// XEP-0202.
pub const TIME: &str = "urn:xmpp:time";
/// XEP-0012.
pub const LAST_ACTIVITY: &str = "jabber:iq:last";
/// XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0184.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0333.
pub const CHAT_MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0249.
pub const DIRECT_INVITATION: &str = "jabber:x:conference";
/// XEP-0045, of members of a room.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0297.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0085.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0004.
pub const DATA_FORM: &str = "jabber:x:data";
/// XEP-0157.
pub const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";
/// XEP-0033.
pub const ADDRESS: &str = "http://jabber.org/protocol/address";
/// XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0160, which names a feature and no namespace.
pub const OFFLINE: &str = "msgoffline";
/// XEP-0215.
pub const EXTERNAL_SERVICES: &str = "urn:xmpp:extdisco:2";
/// XEP-0191.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0191, of what is refused.
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// XEP-0352.
pub const CLIENT_STATE: &str = "urn:xmpp:csi:0";
/// XEP-0359.
pub const STANZA_ID: &str = "urn:xmpp:sid:0";
/// XEP-0280.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
