//! A snapshot on its way to a voter that is far behind: the image in checked chunks, then the rows
//! that it counts on, then the word to install it. Not for making or reading snapshots.

use std::io;

use bytes::Bytes;
use openraft::Snapshot;
use openraft::raft::SnapshotResponse;
use pollux_domain::limits;
use pollux_links::peers::{Lane, LinkError};
use pollux_store::codec;
use pollux_store::tables::{TableWrite, Tables};
use serde::{Deserialize, Serialize};

use super::network::{LinkNetwork, LogRequest};
use super::types::{Image, Types, Vote};
use crate::machine::{Kind, Machine};
use crate::version::FORMATS;

/// Bytes of one chunk of the image, or of the rows in one message.
const CHUNK_BYTES: usize = 1024 * 1024;

/// One message of a transfer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SnapshotPart {
    /// Bytes of the image from `offset` on; at 0 a new transfer begins.
    Chunk {
        id: String,
        offset: u64,
        bytes: Bytes,
    },
    /// Rows that the image counts on.
    Rows { id: String, rows: Vec<(u64, Bytes)> },
    /// The image is whole.
    Install {
        id: String,
        vote: Vote,
        length: u64,
        digest: u32,
    },
}

/// What the receiver says to each part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SnapshotReceipt {
    Taken,
    Installed(SnapshotResponse<u64>),
}

/// Sends a whole snapshot and waits until it is installed.
pub(super) async fn send<G: Kind>(
    network: &LinkNetwork,
    vote: Vote,
    snapshot: Snapshot<Types<G>>,
) -> Result<SnapshotResponse<u64>, LinkError> {
    let id = snapshot.meta.snapshot_id.clone();
    let image = Bytes::from(snapshot.snapshot.into_inner());
    let mut offset = 0;
    loop {
        let end = (offset + CHUNK_BYTES).min(image.len());
        let part = SnapshotPart::Chunk {
            id: id.clone(),
            offset: offset as u64,
            bytes: image.slice(offset..end),
        };
        say::<G>(network, part).await?;
        offset = end;
        if offset == image.len() {
            break;
        }
    }
    send_rows::<G>(network, &id, &image).await?;
    let install = SnapshotPart::Install {
        id,
        vote,
        length: image.len() as u64,
        digest: codec::checksum(&image),
    };
    match say::<G>(network, install).await? {
        SnapshotReceipt::Installed(response) => Ok(response),
        SnapshotReceipt::Taken => Err(network.nonsense("it has not installed the snapshot")),
    }
}

async fn say<G: Kind>(
    network: &LinkNetwork,
    part: SnapshotPart,
) -> Result<SnapshotReceipt, LinkError> {
    network
        .ask::<G, _>(Lane::Bulk, LogRequest::Snapshot(part))
        .await
}

/// Rows that are gone meanwhile were deleted by the log that follows the snapshot.
async fn send_rows<G: Kind>(
    network: &LinkNetwork,
    id: &str,
    image: &[u8],
) -> Result<(), LinkError> {
    let image: Image<G::Machine> = codec::decode(FORMATS.newest, image)
        .map_err(|error| network.nonsense(&error.to_string()))?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    for key in image.machine.row_keys() {
        let Ok(Some(row)) = network.tables().read(key) else {
            continue;
        };
        bytes += row.len();
        rows.push((key, row));
        if CHUNK_BYTES <= bytes {
            let rows = std::mem::take(&mut rows);
            bytes = 0;
            let id = id.to_owned();
            say::<G>(network, SnapshotPart::Rows { id, rows }).await?;
        }
    }
    if !rows.is_empty() {
        let id = id.to_owned();
        say::<G>(network, SnapshotPart::Rows { id, rows }).await?;
    }
    Ok(())
}

/// What has come of one transfer so far.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    id: String,
    image: Vec<u8>,
}

impl Incoming {
    /// Takes bytes of the image; refuses what does not follow.
    pub(super) fn take_chunk(
        &mut self,
        id: String,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), String> {
        if offset == 0 {
            *self = Incoming {
                id,
                image: Vec::new(),
            };
        } else if id != self.id || offset != self.image.len() as u64 {
            return Err("the chunk does not follow the one before".to_owned());
        }
        if limits::RECORD_BYTES_MAX < self.image.len() + bytes.len() {
            return Err("the snapshot is longer than a record may be".to_owned());
        }
        self.image.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn take_rows(
        &self,
        id: &str,
        rows: Vec<(u64, Bytes)>,
        tables: &dyn Tables,
    ) -> io::Result<()> {
        if id != self.id {
            return Err(io::Error::other("the rows are of another snapshot"));
        }
        let writes: Vec<TableWrite> = rows
            .into_iter()
            .map(|(key, value)| TableWrite::Put { key, value })
            .collect();
        tables.put(&writes)
    }

    /// The image, if it is whole.
    pub(super) fn finish(&mut self, id: &str, length: u64, digest: u32) -> Result<Vec<u8>, String> {
        let incoming = std::mem::take(self);
        if incoming.id != id || incoming.image.len() as u64 != length {
            let have = incoming.image.len();
            return Err(format!(
                "the snapshot is truncated: {have} of {length} bytes"
            ));
        }
        if codec::checksum(&incoming.image) != digest {
            return Err("the snapshot's checksum does not fit".to_owned());
        }
        Ok(incoming.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_whole_or_refused() {
        let image = vec![7u8; 100];
        let digest = codec::checksum(&image);
        let mut incoming = Incoming::default();
        incoming
            .take_chunk("a".to_owned(), 0, &image[..60])
            .unwrap();
        assert!(
            incoming
                .take_chunk("a".to_owned(), 50, &image[50..])
                .is_err()
        );
        assert!(
            incoming
                .take_chunk("b".to_owned(), 60, &image[60..])
                .is_err()
        );
        let error = incoming.finish("a", 100, digest).unwrap_err();
        assert_eq!(error, "the snapshot is truncated: 60 of 100 bytes");
        incoming
            .take_chunk("a".to_owned(), 0, &image[..60])
            .unwrap();
        incoming
            .take_chunk("a".to_owned(), 60, &image[60..])
            .unwrap();
        assert!(incoming.finish("a", 100, digest + 1).is_err());
        incoming.take_chunk("a".to_owned(), 0, &image).unwrap();
        assert_eq!(incoming.finish("a", 100, digest).unwrap(), image);
    }
}
