//! What a node shows to people, programs and monitors, over HTTP: metrics and health on a loopback
//! address; REST and pages for administrators. Only this crate knows actix-web and askama. It knows
//! nothing of the parts of a node: they are seen through [`Vitals`] and [`Administration`].

mod admin;
mod administration;
mod prometheus;
mod respond;
mod running;
mod server;
mod vitals;

pub use admin::{AdminParts, start_admin};
pub use administration::{Administration, Administrator, Pending};
pub use running::Running;
pub use server::start;
pub use vitals::Vitals;
