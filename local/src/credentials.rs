//! Credentials of the laptop cloud: one key for the host, one for people, one for each function.

use crate::state::{State, StateError};
use aws_credential_types::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key that people give to their AWS tools; known to all, and good for the loopback alone.
pub const DEVELOPER: &str = "local";
const HOST: &str = "host";

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

    pub fn of_function(&self, name: &str) -> Keys {
        self.keys(name)
    }

    fn keys(&self, id: &str) -> Keys {
        self.foreign.clone().unwrap_or_else(|| Keys {
            access_key_id: id.to_owned(),
            secret_access_key: secret_of(&self.master, id),
            session_token: None,
        })
    }

    /// What the embedded services look secrets up by.
    pub fn resolver(&self) -> emulator::Credentials {
        let master = self.master.clone();
        Arc::new(move |id| {
            let secret = if id == DEVELOPER { DEVELOPER.to_owned() } else { secret_of(&master, id) };
            Some(emulator::Key::to_everything(secret))
        })
    }
}

fn secret_of(master: &str, id: &str) -> String {
    // HMAC takes keys of any length.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(master.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(id.as_bytes());
    mac.finalize().into_bytes()[..20].iter().map(|byte| format!("{byte:02x}")).collect()
}
