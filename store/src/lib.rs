//! Everything durable that belongs to one node.
