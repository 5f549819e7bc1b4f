//! Streams, sessions and the router they call.
