//! XML streams: cuts complete frames under limits, parses and writes elements. Knows nothing of XMPP.
