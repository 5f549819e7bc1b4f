//! The replicated databases.

pub mod state;
