//! Credentials of the laptop cloud: a key for the host, one for people, and a temporary one for each environment of a
//! function.

use crate::state::{State, StateError};
use aws_credential_types::Credentials;
use emulator::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key that people give to their AWS tools; known to all, and good for the loopback alone.
pub const DEVELOPER: &str = "local";
const HOST: &str = "host";
/// Between the function and the session in an environment's key id; no name of a function has it.
const SESSION: char = '.';

/// An access key and its secret.
#[derive(Clone, Debug)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

impl Keys {
    /// Those that people have.
    pub fn developer() -> Self {
        Self {
            access_key_id: DEVELOPER.to_owned(),
            secret_access_key: DEVELOPER.to_owned(),
            session_token: None,
        }
    }

    /// Those of the usual environment variables. Without them those that people have: another laptop cloud wants just
    /// these, and other emulators take any.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key_id), Some(secret_access_key)) => {
                Self { access_key_id, secret_access_key, session_token: variable("AWS_SESSION_TOKEN") }
            }
            _ => Self::developer(),
        }
    }

    /// As an environment has them.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID".to_owned(), self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), self.secret_access_key.clone()),
        ]);
        if let Some(token) = &self.session_token {
            variables.insert("AWS_SESSION_TOKEN".to_owned(), token.clone());
        }
        variables
    }

    /// As the SDK's clients take them.
    pub fn for_sdk(self) -> Credentials {
        Credentials::new(self.access_key_id, self.secret_access_key, self.session_token, None, "host")
    }
}

/// Gives out keys whose secrets follow from their ids, so that nothing is to be stored for each.
#[derive(Clone)]
pub struct Issuer {
    master: Arc<str>,
    /// With another endpoint its own credentials go to everyone.
    foreign: Option<Keys>,
}

impl Issuer {
    /// Reads or makes the master secret; for another endpoint, reads the usual environment variables.
    pub fn open(state: &State, for_another_endpoint: bool) -> Result<Self, StateError> {
        let master = match state.get::<String>("secret", "credentials")? {
            Some(master) => master,
            None => {
                let master = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
                state.put("secret", "credentials", &master)?;
                master
            }
        };
        Ok(Self { master: master.into(), foreign: for_another_endpoint.then(Keys::from_environment) })
    }

    pub fn host(&self) -> Keys {
        self.keys(HOST)
    }

    /// New ones for an environment of a function, with the function's rights.
    pub fn of_environment(&self, function: &str) -> Keys {
        self.keys(&format!("{function}{SESSION}{}", uuid::Uuid::new_v4().simple()))
    }

    fn keys(&self, id: &str) -> Keys {
        self.foreign.clone().unwrap_or_else(|| {
            let Key { secret, session_token, .. } = key_of(&self.master, id);
            Keys { access_key_id: id.to_owned(), secret_access_key: secret, session_token }
        })
    }

    /// What the embedded services look keys up by.
    pub fn resolver(&self) -> emulator::Credentials {
        let master = self.master.clone();
        Arc::new(move |id| {
            Some(if id == DEVELOPER { Key::to_everything(DEVELOPER) } else { key_of(&master, id) })
        })
    }
}

/// The id tells what it is a key of: `host`, or `FUNCTION.SESSION`.
fn key_of(master: &str, id: &str) -> Key {
    let role = id.split_once(SESSION).map(|(function, _)| function.to_owned());
    let session_token = role.is_some().then(|| derived(master, &format!("token of {id}")));
    Key { secret: derived(master, id), session_token, role }
}

fn derived(master: &str, of: &str) -> String {
    // HMAC takes keys of any length.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(master.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(of.as_bytes());
    mac.finalize().into_bytes()[..20].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        Issuer { master: "master".into(), foreign: None }
    }

    #[test]
    fn each_environment_has_keys_of_its_own_with_the_rights_of_its_function() {
        let issuer = issuer();
        let (one, other) = (issuer.of_environment("F"), issuer.of_environment("F"));
        assert_ne!(one.access_key_id, other.access_key_id);
        assert_ne!(one.session_token, other.session_token);
        assert_eq!(one.variables()["AWS_SESSION_TOKEN"], one.session_token.clone().unwrap());
        let key = issuer.resolver()(&one.access_key_id).unwrap();
        assert_eq!((key.secret, key.session_token), (one.secret_access_key, one.session_token));
        assert_eq!(key.role.as_deref(), Some("F"));
    }

    #[test]
    fn the_hosts_and_peoples_keys_are_good_for_everything() {
        let issuer = issuer();
        for keys in [issuer.host(), Keys::developer()] {
            let key = issuer.resolver()(&keys.access_key_id).unwrap();
            assert_eq!(key, Key::to_everything(keys.secret_access_key));
        }
    }
}
