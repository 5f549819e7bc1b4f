//! What a peer may send at once. Not for rates over time.

/// Checked by the framer while bytes arrive, before anything is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one frame: the prolog with the stream header, or one first-level element.
    pub bytes_max: usize,
    /// Elements in this phase of the stream, its root included; counted from the last `restart` or
    /// `set_limits`.
    pub elements_max: Option<u32>,
    /// Nested elements; a first-level element has depth 1.
    pub depth_max: u16,
    /// Attributes of one tag, namespace declarations not counted.
    pub attributes_max: u16,
    /// Namespace declarations of one tag.
    pub namespaces_max: u16,
}

impl Limits {
    /// Before authentication: RFC 6120 section 13.12 asks for at least 10,000 octets a stanza, and
    /// nothing that a client says before it has signed in needs more.
    pub const STRANGER: Limits = Limits {
        bytes_max: 10_000,
        elements_max: Some(64),
        depth_max: 8,
        attributes_max: 16,
        namespaces_max: 8,
    };

    /// After authentication.
    pub const DEFAULTS: Limits = Limits {
        bytes_max: 256 * 1024,
        elements_max: None,
        depth_max: 64,
        attributes_max: 64,
        namespaces_max: 32,
    };
}
