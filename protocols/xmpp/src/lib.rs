//! The wire grammar of XMPP: bytes in, values out. No sockets, no clock.
