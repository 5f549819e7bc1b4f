//! The items of a part, encoded once: they are written to the disk and to two wires, and what came
//! by a wire is written as it came. Decoded they are there from when they are read until they are
//! applied; what stays for those who are behind are the bytes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use pollux_store::codec::{self, CodecError};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use super::entry::Item;

/// Items as they are worked with.
pub(super) type Read<C> = Arc<Vec<Item<C>>>;

/// See the module. One of the two forms is always there.
#[derive(Debug)]
pub struct Items<C> {
    count: usize,
    read: Mutex<Option<Read<C>>>,
    /// As they are written, once somebody needed that.
    bytes: OnceLock<Bytes>,
}

impl<C> Items<C> {
    fn of(read: Read<C>) -> Items<C> {
        Items {
            count: read.len(),
            read: Mutex::new(Some(read)),
            bytes: OnceLock::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn slot(&self) -> MutexGuard<'_, Option<Read<C>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where they are read, and not applied yet.
    pub(super) fn present(&self) -> Option<Read<C>> {
        self.slot().clone()
    }

    /// How many bytes they are written in, where that is known.
    pub(super) fn length(&self) -> Option<usize> {
        self.bytes.get().map(Bytes::len)
    }

    /// They are applied: only the bytes stay.
    pub(super) fn forget(&self) {
        if self.bytes.get().is_some() {
            drop(self.slot().take());
        }
    }

    /// Without the first `count` of them.
    pub(super) fn behind(&self, count: usize) -> Option<Items<C>> {
        let read = self.present()?;
        let rest = read.iter().skip(count).cloned();
        Some(Vec::from_iter(rest).into())
    }
}

impl<C: DeserializeOwned> Items<C> {
    /// As they were written. Not kept: see [`Items::read`].
    pub(super) fn get(&self) -> Result<Read<C>, CodecError> {
        if let Some(read) = self.present() {
            return Ok(read);
        }
        let bytes = self.bytes.get().map_or(&[] as &[u8], |bytes| bytes);
        codec::decode_within(bytes).map(Arc::new)
    }

    /// Makes them present. `known`: the same items, where this process has them.
    pub(super) fn read(&self, known: Option<Read<C>>) -> Result<(), CodecError> {
        let read = match known {
            Some(known) => known,
            None => self.get()?,
        };
        *self.slot() = Some(read);
        Ok(())
    }
}

impl<C> Clone for Items<C> {
    fn clone(&self) -> Items<C> {
        Items {
            count: self.count,
            read: Mutex::new(self.present()),
            bytes: self.bytes.clone(),
        }
    }
}

impl<C> From<Vec<Item<C>>> for Items<C> {
    fn from(items: Vec<Item<C>>) -> Items<C> {
        Items::of(Arc::new(items))
    }
}

impl<C: Serialize> Serialize for Items<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(bytes) = self.bytes.get() {
            return serializer.serialize_bytes(bytes);
        }
        let read = self.present().unwrap_or_default();
        let bytes = codec::encode_within(&*read).map_err(S::Error::custom)?;
        serializer.serialize_bytes(self.bytes.get_or_init(|| bytes.into()))
    }
}

impl<'de, C> Deserialize<'de> for Items<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Items<C>, D::Error> {
        struct Raw;

        impl Visitor<'_> for Raw {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of items")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes::copy_from_slice(bytes))
            }
        }

        let bytes = deserializer.deserialize_bytes(Raw)?;
        Ok(Items {
            count: codec::count_within(&bytes).map_err(D::Error::custom)?,
            read: Mutex::new(None),
            bytes: OnceLock::from(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Items<String> {
        let command = |text: &str| Item::Command(Arc::new(text.to_owned()));
        vec![command("one"), Item::Barrier, command("two")].into()
    }

    fn said(items: &Items<String>) -> Vec<Option<String>> {
        let read = items.get().unwrap();
        assert_eq!(read.len(), items.len());
        read.iter().map(|item| item.command().cloned()).collect()
    }

    fn words(said: [Option<&str>; 3]) -> Vec<Option<String>> {
        said.map(|word| word.map(str::to_owned)).to_vec()
    }

    #[test]
    fn what_came_by_a_wire_is_written_as_it_came() {
        let sent = items();
        let record = codec::encode(1, &sent).unwrap();
        let came: Items<String> = codec::decode(1, &record).unwrap();
        assert_eq!(said(&came), words([Some("one"), None, Some("two")]));
        let kept = came.bytes.get().expect("they are kept").clone();
        assert_eq!(codec::encode(1, &came).unwrap(), record);
        assert_eq!(
            came.bytes.get().map(|bytes| bytes.as_ptr()),
            Some(kept.as_ptr())
        );
    }

    #[test]
    fn they_are_read_when_they_are_needed_and_forgotten_when_they_are_written_somewhere() {
        let sent = items();
        sent.forget();
        assert!(sent.present().is_some(), "there is nothing else of them");
        let record = codec::encode(1, &sent).unwrap();
        sent.forget();
        assert!(sent.present().is_none());
        assert_eq!(said(&sent), words([Some("one"), None, Some("two")]));

        let came: Items<String> = codec::decode(1, &record).unwrap();
        assert!((came.present().is_none(), came.len()) == (true, 3));
        came.read(None).unwrap();
        assert!(came.present().is_some());
        let other: Items<String> = codec::decode(1, &record).unwrap();
        other.read(came.present()).unwrap();
        let pointers = [&came, &other].map(|items| items.present().map(|read| read.as_ptr()));
        assert_eq!(pointers[0], pointers[1], "what is known is not read again");
    }

    #[test]
    fn what_is_cut_is_written_anew() {
        let sent = items();
        let record = codec::encode(1, &sent).unwrap();
        let rest = sent.behind(2).unwrap();
        assert_eq!(said(&rest), [Some("two".to_owned())]);
        let other = codec::encode(1, &rest).unwrap();
        assert!(other.len() < record.len());
        let came: Items<String> = codec::decode(1, &other).unwrap();
        assert_eq!(said(&came), [Some("two".to_owned())]);
        assert_eq!(said(&items().behind(9).unwrap()), []);
    }

    #[test]
    fn bytes_that_are_no_items_are_refused() {
        for bytes in [&[] as &[u8], &[253], &[9, 9, 9]] {
            let written = Items::<String> {
                count: 0,
                read: Mutex::new(None),
                bytes: OnceLock::from(Bytes::copy_from_slice(bytes)),
            };
            let record = codec::encode(1, &written).unwrap();
            let came = codec::decode::<Items<String>>(1, &record);
            let read = came.and_then(|items| items.read(None));
            assert!(read.is_err(), "{bytes:?}");
        }
    }
}
