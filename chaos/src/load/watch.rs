//! Whom each client sees: partners who watch each other must never see the other go while it stays,
//! and must see it go when it goes.

use crate::client::Element;

/// What every client is shown of its partner, by flow.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Vec<bool>,
    /// While this holds nobody goes: whoever is shown to go is not gone.
    is_everybody_here: bool,
    /// How often somebody was shown to go who had not gone.
    pub false_unavailable: u64,
}

impl Watch {
    pub fn new(flows: usize) -> Self {
        Watch {
            seen: vec![false; flows],
            ..Watch::default()
        }
    }

    /// From now on a partner who is shown to go has not gone.
    pub fn everybody_is_here(&mut self, is: bool) {
        self.is_everybody_here = is;
    }

    /// A presence of `partner` came to `flow`; others are of no interest. Whether it asks for
    /// something, namely to be allowed to watch.
    pub fn note(&mut self, flow: u32, partner: &str, presence: Element<'_>) -> bool {
        let from = presence.attribute("from").unwrap_or_default();
        let bare = from.split('/').next().unwrap_or_default();
        let kind = presence.kind();
        if bare != partner {
            return false;
        }
        let seen = self.seen.get_mut(flow as usize);
        match (&*kind, seen) {
            ("", Some(seen)) => *seen = true,
            ("unavailable", Some(seen)) => {
                self.false_unavailable += u64::from(*seen && self.is_everybody_here);
                *seen = false;
            }
            _ => {}
        }
        kind == "subscribe"
    }

    /// How many of the clients that `who` picks see their partner.
    pub fn seeing(&self, who: impl Fn(usize) -> bool) -> usize {
        let seen = self.seen.iter().enumerate();
        seen.filter(|(flow, seen)| **seen && who(*flow)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_who_was_here_goes_wrongly() {
        let mut watch = Watch::new(2);
        let mut note = |kind: &str| {
            let text = format!("<presence from='a@x/y'{kind}/>");
            watch.everybody_is_here(true);
            (
                watch.note(1, "a@x", Element::new(&text)),
                watch.false_unavailable,
                watch.seeing(|_| true),
            )
        };
        assert_eq!(note(" type='unavailable'"), (false, 0, 0), "was never here");
        assert_eq!(note(" type='subscribe'"), (true, 0, 0));
        assert_eq!(note(""), (false, 0, 1));
        assert_eq!(note(" type='unavailable'"), (false, 1, 0));
        assert_eq!(note(""), (false, 1, 1));
        assert!(!watch.note(0, "b@x", Element::new("<presence from='c@x'/>")));
        assert_eq!(watch.seeing(|flow| flow == 1), 1);
    }
}
