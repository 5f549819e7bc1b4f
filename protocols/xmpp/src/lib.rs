//! The wire grammar of XMPP: bytes and elements in, values out, and back. Not for sockets, time,
//! randomness or routing.
//!
//! A first-level element is a [`Stanza`], a stream-management element ([`sm`]) or a part of the
//! negotiation ([`stream_header`], [`features`], [`starttls`], [`sasl`], [`sasl2`], [`bind`]). What
//! is wrong with it is a value to be answered: a [`StanzaError`], a [`StreamError`], a failure of
//! SASL.

mod names;

pub mod addresses;
pub mod bind;
pub mod bind2;
pub mod blocking;
pub mod caps;
pub mod carbons;
pub mod chat_states;
pub mod claims;
pub mod client_state;
pub mod data_form;
pub mod delay;
pub mod disco;
pub mod external_services;
pub mod fast;
pub mod features;
pub mod hints;
pub mod last_activity;
pub mod ns;
pub mod ping;
pub mod pre_approval;
pub mod private_data;
pub mod registration;
pub mod roster;
pub mod roster_versions;
pub mod sasl;
pub mod sasl2;
pub mod server_contacts;
pub mod session;
pub mod sm;
pub mod stanza;
pub mod starttls;
pub mod stream_error;
pub mod stream_header;
pub mod stream_limits;
pub mod time;
pub mod upgrades;
pub mod vcard;
pub mod version;

#[cfg(any(test, fuzzing))]
pub mod properties;

pub use pollux_xml::{Element, Text};
pub use stanza::{
    ErrorCondition, ErrorType, IqType, MessageType, PresenceType, Show, Stanza, StanzaError,
    StanzaKind, StanzaProblem,
};
pub use stream_error::{StreamCondition, StreamError};
pub use stream_header::StreamHeader;
