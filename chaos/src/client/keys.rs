//! SCRAM keys computed once for each (password, salt, iterations) and shared by the clients of a
//! thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::Error;
use super::scram::Mechanism;

/// Beyond this the cache starts again: it saves time, nothing depends on it.
const CACHED_MAX: usize = 100_000;

#[derive(Debug)]
pub struct Keys {
    pub client_key: Vec<u8>,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}

impl Keys {
    pub fn derive(
        mechanism: Mechanism,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, Error> {
        let password = stringprep::saslprep(password).map_err(|_| Error::Unsendable("password"))?;
        let salted = mechanism.salted(password.as_bytes(), salt, iterations);
        let client_key = mechanism.hmac(&salted, b"Client Key")?;
        let stored_key = mechanism.hash(&client_key);
        let server_key = mechanism.hmac(&salted, b"Server Key")?;
        Ok(Keys {
            client_key,
            stored_key,
            server_key,
        })
    }
}

type Derivation = (Mechanism, String, Vec<u8>, u32);

/// Cloning shares the cache.
#[derive(Debug, Clone, Default)]
pub struct KeyCache(Rc<RefCell<BTreeMap<Derivation, Rc<Keys>>>>);

impl KeyCache {
    pub fn keys(
        &self,
        mechanism: Mechanism,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Rc<Keys>, Error> {
        let derivation = (mechanism, password.to_owned(), salt.to_vec(), iterations);
        let mut cached = self.0.borrow_mut();
        if let Some(keys) = cached.get(&derivation) {
            return Ok(keys.clone());
        }
        let keys = Rc::new(Keys::derive(mechanism, password, salt, iterations)?);
        if cached.len() == CACHED_MAX {
            cached.clear();
        }
        cached.insert(derivation, keys.clone());
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{KeyCache, Mechanism};

    #[test]
    fn computes_once_for_each_derivation() {
        let cache = KeyCache::default();
        let keys = |salt: &[u8]| cache.keys(Mechanism::ScramSha1, "p", salt, 4096).unwrap();
        let first = keys(b"one");
        assert!(Rc::ptr_eq(&first, &keys(b"one")));
        assert!(!Rc::ptr_eq(&first, &keys(b"two")));
        assert_ne!(first.client_key, keys(b"two").client_key);
    }
}
