//! The replicated databases.
