//! Checks the section `[delivery]`: two choices, each by its name. Not for what they mean: see
//! `pollux_domain::delivery`.

use pollux_domain::delivery::{Deliver, Durability};

use super::Check;
use crate::config::file::File;
use crate::config::values::DeliveryConfig;

impl Check<'_> {
    pub(super) fn delivery(&mut self, file: &File) -> DeliveryConfig {
        let deliver = self.value(
            &file.delivery_deliver,
            "delivery.deliver",
            Deliver::default(),
            |text| one_of(text, Deliver::ALL.map(|mode| (mode.name(), mode))),
        );
        let durability = self.value(
            &file.delivery_durability,
            "delivery.durability",
            Durability::default(),
            |text| one_of(text, Durability::ALL.map(|mode| (mode.name(), mode))),
        );
        DeliveryConfig {
            deliver,
            durability,
        }
    }
}

fn one_of<T: Copy>(text: &str, [first, second]: [(&str, T); 2]) -> Result<T, String> {
    let found = [first, second].into_iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| value).ok_or_else(|| {
        format!(
            "`{text}` is not one of its values; write \"{}\" or \"{}\"",
            first.0, second.0
        )
    })
}
