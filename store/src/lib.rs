//! Everything durable that belongs to one node: the record codec, the tables, files that are set
//! aside. Only this crate knows bincode and sled. Not for the Raft log, which lives in raft.

pub mod codec;
pub mod damage;
pub mod tables;
