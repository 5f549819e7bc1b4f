//! The items of a part, encoded once: they are written to the disk and to two wires, and what came
//! by a wire is written as it came.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use bytes::Bytes;
use pollux_store::codec;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use super::entry::Item;

/// See the module.
#[derive(Debug, Clone)]
pub struct Items<C> {
    items: Vec<Item<C>>,
    /// As they are written, once somebody needed that.
    bytes: OnceLock<Bytes>,
}

impl<C> Items<C> {
    /// Without the first `count` of them.
    pub fn behind(mut self, count: usize) -> Items<C> {
        self.items
            .drain(..count.min(self.items.len()))
            .for_each(drop);
        self.items.into()
    }
}

impl<C> From<Vec<Item<C>>> for Items<C> {
    fn from(items: Vec<Item<C>>) -> Items<C> {
        Items {
            items,
            bytes: OnceLock::new(),
        }
    }
}

impl<C> Deref for Items<C> {
    type Target = [Item<C>];

    fn deref(&self) -> &[Item<C>] {
        &self.items
    }
}

impl<C: Serialize> Serialize for Items<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(bytes) = self.bytes.get() {
            return serializer.serialize_bytes(bytes);
        }
        let bytes = codec::encode_within(&self.items).map_err(S::Error::custom)?;
        serializer.serialize_bytes(self.bytes.get_or_init(|| bytes.into()))
    }
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for Items<C> {
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
        let items = codec::decode_within(&bytes).map_err(D::Error::custom)?;
        Ok(Items {
            items,
            bytes: OnceLock::from(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn items() -> Items<String> {
        let command = |text: &str| Item::Command(Arc::new(text.to_owned()));
        vec![command("one"), Item::Barrier, command("two")].into()
    }

    fn said(items: &Items<String>) -> Vec<Option<&str>> {
        let said = items.iter().map(|item| item.command().map(String::as_str));
        said.collect()
    }

    #[test]
    fn what_came_by_a_wire_is_written_as_it_came() {
        let sent = items();
        let record = codec::encode(1, &sent).unwrap();
        let came: Items<String> = codec::decode(1, &record).unwrap();
        assert_eq!(said(&came), [Some("one"), None, Some("two")]);
        let kept = came.bytes.get().expect("they are kept").clone();
        assert_eq!(codec::encode(1, &came).unwrap(), record);
        assert_eq!(
            came.bytes.get().map(|bytes| bytes.as_ptr()),
            Some(kept.as_ptr())
        );
    }

    #[test]
    fn what_is_cut_is_written_anew() {
        let sent = items();
        let record = codec::encode(1, &sent).unwrap();
        let rest = sent.behind(2);
        assert_eq!(said(&rest), [Some("two")]);
        let other = codec::encode(1, &rest).unwrap();
        assert!(other.len() < record.len());
        let came: Items<String> = codec::decode(1, &other).unwrap();
        assert_eq!(said(&came), [Some("two")]);
        assert_eq!(said(&items().behind(9)), []);
    }

    #[test]
    fn bytes_that_are_no_items_are_refused() {
        let record = codec::encode(1, &serde_bytes_of(&[9, 9, 9])).unwrap();
        codec::decode::<Items<String>>(1, &record).unwrap_err();
    }

    /// As the bytes of items are written.
    fn serde_bytes_of(bytes: &'static [u8]) -> Items<String> {
        Items {
            items: Vec::new(),
            bytes: OnceLock::from(Bytes::from_static(bytes)),
        }
    }
}
