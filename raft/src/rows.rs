//! Rows, which hold the parcels of stored messages and the documents of users: how they stand in
//! the tables, and how they are read.

use std::io;

use bytes::Bytes;
use pollux_domain::contract::{Parcel, RowWrite};
use pollux_domain::ids::StanzaId;
use pollux_store::codec;
use pollux_store::tables::{TableWrite, Tables};

/// Version of a parcel in the tables.
const ROW_VERSION: u16 = 1;
/// Version of a document in the tables: another number than that of a parcel, so that none is taken
/// for the other.
const DOCUMENT_VERSION: u16 = 1_001;

/// What is written to the tables.
pub fn table_write(row: &RowWrite) -> io::Result<TableWrite> {
    Ok(match row {
        RowWrite::Put { row, parcel } => {
            let value = Bytes::from(codec::encode(ROW_VERSION, parcel)?);
            TableWrite::Put { key: row.0, value }
        }
        RowWrite::Keep { row, document } => {
            let value = Bytes::from(codec::encode(DOCUMENT_VERSION, document)?);
            TableWrite::Put { key: row.0, value }
        }
        RowWrite::Delete { row } => TableWrite::Delete { key: row.0 },
    })
}

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
