//! Reads of rows, which hold the parcels of stored messages and the documents of users.

use std::io;

use bytes::Bytes;
use pollux_domain::contract::Parcel;
use pollux_domain::ids::StanzaId;
use pollux_store::codec;
use pollux_store::tables::Tables;

use crate::group::{DOCUMENT_VERSION, ROW_VERSION};

/// The parcel of a stored message, unless it was delivered meanwhile.
pub fn read(tables: &dyn Tables, row: StanzaId) -> io::Result<Option<Parcel>> {
    let Some(record) = tables.read(row.0)? else {
        return Ok(None);
    };
    Ok(Some(codec::decode(ROW_VERSION, &record)?))
}

/// What a user keeps, unless it was replaced meanwhile.
pub fn read_document(tables: &dyn Tables, row: StanzaId) -> io::Result<Option<Bytes>> {
    let Some(record) = tables.read(row.0)? else {
        return Ok(None);
    };
    Ok(Some(codec::decode(DOCUMENT_VERSION, &record)?))
}

/// Rows that the state counts on and the tables do not have, or have damaged.
pub fn missing(tables: &dyn Tables, wanted: &[StanzaId]) -> io::Result<Vec<StanzaId>> {
    let mut missing = Vec::new();
    for row in wanted {
        let parcel = matches!(read(tables, *row), Ok(Some(_)));
        if !parcel && !matches!(read_document(tables, *row), Ok(Some(_))) {
            missing.push(*row);
        }
    }
    Ok(missing)
}
