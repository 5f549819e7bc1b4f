//! A backup of a subcluster as one file: its database and the configuration as they are at one
//! moment, and the rows that they count on. A cluster of several has a file for each. Every piece
//! has a checksum, and the last one says how many there are. Not for when one is made, nor for what
//! becomes of it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pollux_domain::ids::{ClusterId, StanzaId, SubclusterId};
use pollux_domain::limits;
use pollux_store::codec;
use pollux_store::tables::Tables;
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::machine::Machine;
use crate::state::State;
use crate::version::FORMATS;

/// What every backup begins with.
const MAGIC: &[u8] = b"Pollux backup\n";
/// The form of the pieces.
const VERSION: u16 = 1;
/// How the name of a file ends that is not in its place yet.
const UNPLACED: &str = "new";
/// How often the database is looked at again for rows that came and went while others were read.
const ROUNDS_MAX: usize = 100;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Of the cluster that it was made of.
    pub cluster: ClusterId,
    pub domain: String,
    /// The release that made it.
    pub program: String,
    /// What its cluster wrote in, and it is written in.
    pub format: u16,
    /// As a person reads it, in UTC.
    pub made_at: String,
    /// What files that were made together have in common.
    pub set: SetId,
    /// Whose database it holds.
    pub subcluster: SubclusterId,
    /// How many subclusters the cluster had, each of which has a file in the set.
    pub parts: u16,
}

/// See [`About::set`]. Random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetId(pub [u8; 16]);

#[derive(Serialize, Deserialize)]
enum Piece {
    About(About),
    /// As a record of the subcluster's table of rows.
    Row {
        key: u64,
        value: Bytes,
    },
    /// As records of their machines.
    Configuration(Bytes),
    Subcluster(Bytes),
    /// How many pieces stand before it.
    End {
        pieces: u64,
    },
}

/// Why a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("failed to {step}: {source}")]
    Io {
        step: &'static str,
        source: io::Error,
    },
    #[error("it is no backup of Pollux")]
    NotOne,
    #[error("a newer release made it: {0}; restore it with that release")]
    Newer(String),
    #[error("it is damaged at piece {piece}: {reason}; use another backup")]
    Damaged { piece: u64, reason: String },
    #[error("the database changes faster than its rows are read; try again at a quieter time")]
    Busy,
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::Io { step, source }
}

/// A backup that is being written. It is at its place when it is whole, or never, and readable for
/// its owner only: it holds what users have said and what their passwords are proved by.
pub struct Draft {
    file: Unplaced,
    writer: Writer,
    format: u16,
    /// Rows that it has.
    written: BTreeSet<StanzaId>,
}

impl Draft {
    /// Begins a file beside `path`, which gets that name when it is whole. Err: there is no room,
    /// or the folder cannot be written.
    pub fn begin(path: &Path, about: About) -> Result<Draft, BackupError> {
        let (unplaced, file) = Unplaced::make(path)?;
        let mut draft = Draft {
            file: unplaced,
            writer: Writer {
                file: BufWriter::new(file),
                pieces: 0,
                bytes: 0,
            },
            format: about.format,
            written: BTreeSet::new(),
        };
        draft.writer.raw(MAGIC)?;
        draft.writer.piece(&Piece::About(about))?;
        Ok(draft)
    }

    /// Writes the rows that this state counts on and that are not written yet. Whether all are
    /// there: rows go while others are read.
    pub fn rows(&mut self, tables: &dyn Tables, state: &State) -> Result<bool, BackupError> {
        let mut is_whole = true;
        for row in state.rows_besides(&self.written) {
            match tables.read(row.0).map_err(failed("read a row"))? {
                Some(value) => {
                    self.writer.piece(&Piece::Row { key: row.0, value })?;
                    self.written.insert(row);
                }
                None => is_whole = false,
            }
        }
        Ok(is_whole)
    }

    /// Writes what is missing of the rows until a state has all of its own: the state of that later
    /// moment, whose new rows are few.
    pub fn settle(
        &mut self,
        tables: &dyn Tables,
        subcluster: impl Fn() -> State,
    ) -> Result<State, BackupError> {
        for _ in 0..ROUNDS_MAX {
            let state = subcluster();
            if self.rows(tables, &state)? {
                return Ok(state);
            }
        }
        Err(BackupError::Busy)
    }

    /// Writes what is missing, but for its place. Returns its size in bytes.
    pub fn finish(
        &mut self,
        subcluster: &State,
        configuration: &Configuration,
    ) -> Result<u64, BackupError> {
        let record = codec::encode(self.format, subcluster);
        let record = record.map_err(io::Error::from);
        let record = record.map_err(failed("write the database"))?;
        self.writer.piece(&Piece::Subcluster(record.into()))?;
        // Of a moment later: what it has more of, the subcluster agrees with when it begins.
        let record = codec::encode(self.format, configuration);
        let record = record.map_err(io::Error::from);
        let record = record.map_err(failed("write the configuration"))?;
        self.writer.piece(&Piece::Configuration(record.into()))?;
        let pieces = self.writer.pieces;
        self.writer.piece(&Piece::End { pieces })?;
        self.writer.finish()?;
        Ok(self.writer.bytes)
    }

    /// What stands there of a finished one, as much as fits; nothing is its end.
    pub fn read_at(&self, at: u64, bytes_max: usize) -> Result<Bytes, BackupError> {
        let mut piece = vec![0; bytes_max];
        let mut length = 0;
        while length < piece.len() {
            let from = at.saturating_add(length as u64);
            let read = { self.writer.file.get_ref() }.read_at(&mut piece[length..], from);
            match read.map_err(failed("read the part"))? {
                0 => break,
                read => length += read,
            }
        }
        piece.truncate(length);
        Ok(piece.into())
    }

    /// The finished file, for whoever puts it in its place.
    pub fn leave(self) -> Unplaced {
        self.file
    }
}

/// A file of a backup that is not in its place yet. It goes where it does not come there: half a
/// backup is none.
#[derive(Debug)]
pub struct Unplaced {
    beside: PathBuf,
    place: PathBuf,
    is_placed: bool,
}

impl Unplaced {
    /// An empty one.
    pub fn make(place: &Path) -> Result<(Unplaced, File), BackupError> {
        let beside = place.with_extension(UNPLACED);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.mode(0o600).open(&beside);
        let file = file.map_err(failed("make the file"))?;
        let unplaced = Unplaced {
            beside,
            place: place.to_owned(),
            is_placed: false,
        };
        Ok((unplaced, file))
    }

    /// Looks whether it has come whole, and says what it is.
    pub fn check(&self) -> Result<About, BackupError> {
        let mut about = None;
        let pieces = each_piece(&self.beside, |_, piece| {
            if let Piece::About(found) = piece {
                about = Some(found);
            }
            Ok(())
        })?;
        about.ok_or_else(|| BackupError::Damaged {
            piece: pieces,
            reason: "a part is missing".to_owned(),
        })
    }

    pub fn place(mut self) -> Result<PathBuf, BackupError> {
        fs::rename(&self.beside, &self.place).map_err(failed("put the file in its place"))?;
        self.is_placed = true;
        if let Some(folder) = self.place.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(failed("put the file in its place"))?;
        }
        Ok(self.place.clone())
    }
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        if !self.is_placed {
            let _gone = fs::remove_file(&self.beside);
        }
    }
}

/// Deletes what a process that was killed has left of backups that it made.
pub fn sweep(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == UNPLACED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

struct Writer {
    file: BufWriter<File>,
    pieces: u64,
    bytes: u64,
}

impl Writer {
    fn piece(&mut self, piece: &Piece) -> Result<(), BackupError> {
        let record = codec::encode(VERSION, piece).map_err(io::Error::from);
        let record = record.map_err(failed("write a piece"))?;
        let length = u32::try_from(record.len()).map_err(io::Error::other);
        let length = length.map_err(failed("write a piece"))?;
        self.raw(&length.to_le_bytes())?;
        self.raw(&record)?;
        self.pieces += 1;
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(failed("write"))
    }

    fn finish(&mut self) -> Result<(), BackupError> {
        self.file.flush().map_err(failed("write"))?;
        self.file.get_ref().sync_all().map_err(failed("write"))
    }
}

/// What a backup holds besides its rows.
pub struct Backup {
    pub about: About,
    pub configuration: Configuration,
    pub subcluster: State,
    /// How many rows it has; more than the database counts on may be among them.
    pub rows: u64,
}

/// Reads a whole backup and looks at every piece. Rows are not kept: see [`each_row`].
pub fn read(path: &Path) -> Result<Backup, BackupError> {
    let (mut about, mut configuration, mut subcluster) = (None, None, None);
    let mut rows = 0;
    let pieces = each_piece(path, |number, piece| {
        match piece {
            Piece::About(found) => about = Some(found),
            Piece::Row { .. } => rows += 1,
            Piece::Configuration(record) => {
                configuration = Some(decode::<Configuration>(number, &record)?);
            }
            Piece::Subcluster(record) => subcluster = Some(decode::<State>(number, &record)?),
            Piece::End { .. } => {}
        }
        Ok(())
    })?;
    let whole = about.zip(configuration).zip(subcluster);
    let ((about, configuration), subcluster) = whole.ok_or_else(|| BackupError::Damaged {
        piece: pieces,
        reason: "a part is missing".to_owned(),
    })?;
    Ok(Backup {
        about,
        configuration,
        subcluster,
        rows,
    })
}

/// Gives each row to `take`, in the order of the file.
pub fn each_row(
    path: &Path,
    mut take: impl FnMut(StanzaId, Bytes) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    each_piece(path, |_, piece| match piece {
        Piece::Row { key, value } => take(StanzaId(key), value),
        _ => Ok(()),
    })
    .map(drop)
}

fn decode<M: Machine>(piece: u64, record: &[u8]) -> Result<M, BackupError> {
    codec::decode(FORMATS.newest, record).map_err(|error| broken(piece, error))
}

fn broken(piece: u64, error: codec::CodecError) -> BackupError {
    match error {
        codec::CodecError::Version { .. } => BackupError::Newer(error.to_string()),
        error => BackupError::Damaged {
            piece,
            reason: error.to_string(),
        },
    }
}

/// Gives every piece to `take`, and fails unless the file ends with the last of them. Returns how
/// many there are.
fn each_piece(
    path: &Path,
    mut take: impl FnMut(u64, Piece) -> Result<(), BackupError>,
) -> Result<u64, BackupError> {
    let file = File::open(path).map_err(failed("open the backup"))?;
    let mut file = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BackupError::NotOne,
            _ => failed("read the backup")(error),
        })?;
    if magic != MAGIC {
        return Err(BackupError::NotOne);
    }
    let mut pieces = 0;
    loop {
        let damaged = |reason: &str| BackupError::Damaged {
            piece: pieces,
            reason: reason.to_owned(),
        };
        let cut = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("the file is cut off"),
            _ => failed("read the backup")(error),
        };
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(cut)?;
        let length = u32::from_le_bytes(length);
        if limits::RECORD_BYTES_MAX < length as usize {
            return Err(damaged("a piece is larger than one may be"));
        }
        let mut record = Vec::new();
        let mut body = file.by_ref().take(length.into());
        body.read_to_end(&mut record)
            .map_err(failed("read the backup"))?;
        if record.len() < length as usize {
            return Err(damaged("the file is cut off"));
        }
        let piece = codec::decode(VERSION, &record).map_err(|error| broken(pieces, error))?;
        match piece {
            Piece::End { pieces: count } if count == pieces => {
                let mut more = [0];
                let behind = file.read(&mut more).map_err(failed("read the backup"))?;
                return match behind {
                    0 => Ok(pieces),
                    _ => Err(damaged("something stands behind its end")),
                };
            }
            Piece::End { .. } => return Err(damaged("pieces are missing")),
            piece => take(pieces, piece)?,
        }
        pieces += 1;
    }
}

#[cfg(test)]
#[path = "backup_test.rs"]
mod tests;
