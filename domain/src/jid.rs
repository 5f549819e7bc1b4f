//! XMPP addresses (RFC 7622). Not for routing decisions.
