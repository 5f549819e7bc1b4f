//! The node as monitors see it: joins `admin-ui` to what `actors` measures. Not for what is
//! measured.

use std::sync::{Arc, PoisonError};

use pollux_actors::node::Node;
use pollux_admin_ui::Vitals;
use pollux_domain::metrics::Sample;

/// See the module.
pub struct NodeVitals(pub Arc<Node>);

impl Vitals for NodeVitals {
    fn samples(&self) -> Vec<Sample> {
        self.0.samples()
    }

    fn healthy(&self) -> Result<(), String> {
        self.0.check_groups()
    }

    fn ready(&self) -> Result<(), String> {
        self.healthy()?;
        if self.0.is_stopping() {
            return Err("the node stops".to_owned());
        }
        let listeners = self
            .0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match listeners.is_empty() && !self.0.settings.is_witness {
            true => Err("the client port is not open yet".to_owned()),
            false => Ok(()),
        }
    }
}
