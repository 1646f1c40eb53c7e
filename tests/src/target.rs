//! What an end-to-end test runs against: a host that it starts for itself, or the one deployed stack that the environment
//! names (`tests/deployed` deploys one and describes it).
//!
//! A test that needs what not every target has says so first, by name: `needs!(Clock);`. Where its need is not met it does
//! nothing, and tells so past the test harness, which knows no such outcome and counts it as passed. `tests/deployed` sets
//! that right.

use crate::api::{Api, Caller};
use crate::host::Host;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Names a JSON file that describes a deployed [`Stack`]. How to speak to its tables is in the variables of AWS's own tools.
const VARIABLE: &str = "NOTES_TARGET";
/// How long a stack may take over what a request leads to; and how often one looks.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What a test may need, and not every target has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Time that can be moved.
    Clock,
    /// A look at what was mailed.
    Mailbox,
    /// Services that fail when they are told to.
    Faults,
    /// Hosts to be started, looked into and killed.
    Hosts,
    /// Functions whose invocations and logs can be looked at.
    Functions,
    /// An issuer that makes any token one asks for.
    Issuer,
    /// An HTTP server that is ours, down to the bytes.
    Gateway,
    /// An address from which e-mail comes back.
    Bounces,
    /// Schedules that can be run for another day, which concerns everybody's notes.
    LaterRuns,
    /// An answer to browsers of the app's origin, and none to others.
    Cors,
}

impl Need {
    /// Why no deployed stack has it; nothing where each should.
    fn lacked_by_all(self) -> Option<&'static str> {
        match self {
            Self::Clock => Some("the time of a deployed stack cannot be moved"),
            Self::Faults => Some("its services cannot be told to fail"),
            Self::Hosts => Some("its processes are not for a test to start and kill"),
            Self::Functions => Some("what its functions did and said is not shown at the API"),
            Self::Issuer => Some("its issuer makes tokens for people who signed in, and no others"),
            Self::Gateway => Some("the HTTP server is its provider's"),
            Self::Mailbox | Self::Bounces | Self::LaterRuns | Self::Cors => None,
        }
    }
}

/// A deployed stack.
#[derive(Deserialize)]
pub struct Stack {
    /// Where the API answers.
    api: String,
    /// The tables' names, by their names in the template.
    pub tables: BTreeMap<String, String>,
    /// The functions' names, by their names in the template.
    pub functions: BTreeMap<String, String>,
    /// What was mailed, in the shape of the laptop cloud's `/_local/mail`; or nobody can tell.
    mailbox: Option<String>,
    /// People that nobody else uses, each enough for one part in one test.
    people: Vec<Person>,
    /// What it cannot do though others can, and why.
    #[serde(default)]
    lacks: BTreeMap<Need, String>,
}

#[derive(Deserialize)]
struct Person {
    subject: String,
    token: String,
}

impl Stack {
    /// The one that the environment names.
    pub(crate) fn named() -> Option<&'static Self> {
        static STACK: OnceLock<Option<Stack>> = OnceLock::new();
        let read = || {
            let path = std::env::var_os(VARIABLE)?;
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}")))
        };
        STACK.get_or_init(read).as_ref()
    }

    fn lacks(&self, need: Need) -> Option<&str> {
        if need == Need::Mailbox && self.mailbox.is_none() {
            return Some("its e-mails are in other people's mailboxes");
        }
        need.lacked_by_all().or_else(|| self.lacks.get(&need).map(String::as_str))
    }

    /// Somebody whom no test has met.
    fn stranger(&self) -> &Person {
        static MET: AtomicUsize = AtomicUsize::new(0);
        let people = &self.people;
        let next = MET.fetch_add(1, Ordering::Relaxed);
        people
            .get(next)
            .unwrap_or_else(|| panic!("{VARIABLE} names {} people, and tests need more", people.len()))
    }
}

/// Whether the target lacks something of these. Tells it then.
pub fn lacks(needs: &[Need]) -> bool {
    let reason = Stack::named().and_then(|stack| needs.iter().find_map(|need| stack.lacks(*need)));
    if let Some(reason) = reason {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Not by a macro: what those print, a test that passes keeps to itself.
        let line = format!("\nskipped {test}: {reason}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error");
    }
    reason.is_some()
}

/// Ends the test here where the target lacks what it needs.
#[macro_export]
macro_rules! needs {
    ($($need:ident),+) => {
        if $crate::lacks(&[$($crate::Need::$need),+]) {
            return;
        }
    };
}

/// What one test runs against.
pub struct Target {
    pub api: Api,
    pub place: Place,
    /// Held until the test ends.
    _turn: Option<Turn>,
}

/// At a stack that tests share, some must not meet another.
static TURNS: RwLock<()> = RwLock::const_new(());

enum Turn {
    WithOthers(#[expect(dead_code, reason = "it is held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "it is held")] RwLockWriteGuard<'static, ()>),
}

pub enum Place {
    Own(Box<Host>),
    Deployed(&'static Stack),
}

impl Target {
    /// The deployed stack, or a host that keeps nothing and ends with the test.
    pub async fn start() -> Self {
        match Stack::named() {
            Some(stack) => Self::deployed(stack, Turn::WithOthers(TURNS.read().await)),
            None => Self::own().await,
        }
    }

    /// The same, while no other test runs against the stack.
    pub async fn start_alone() -> Self {
        match Stack::named() {
            Some(stack) => Self::deployed(stack, Turn::Alone(TURNS.write().await)),
            None => Self::own().await,
        }
    }

    fn deployed(stack: &'static Stack, turn: Turn) -> Self {
        Self { api: Api::anywhere(stack.api.clone()), place: Place::Deployed(stack), _turn: Some(turn) }
    }

    async fn own() -> Self {
        let host = Host::start().await;
        Self { api: host.api.clone(), place: Place::Own(Box::new(host)), _turn: None }
    }

    /// Someone who calls the API. At a deployed stack it is a person of another name, whom no other test meets.
    pub async fn caller(&self, subject: &str) -> Caller {
        match &self.place {
            Place::Own(_) => self.api.caller(subject).await,
            Place::Deployed(stack) => {
                let Person { subject, token } = stack.stranger();
                Caller { api: self.api.clone(), subject: subject.clone(), token: token.clone() }
            }
        }
    }

    /// An address for somebody of that name. At a deployed stack no other test knows it.
    pub fn address(&self, name: &str) -> String {
        match &self.place {
            Place::Own(_) => format!("{name}@example.com"),
            Place::Deployed(stack) => format!("{name}-{}@example.com", stack.stranger().subject),
        }
    }

    /// What was mailed to an address, newest first. For tests with `needs!(Mailbox)`.
    pub async fn mail_to(&self, address: &str) -> Vec<Value> {
        let mut mail = match &self.place {
            Place::Own(host) => host.api.mail().await,
            Place::Deployed(stack) => {
                let mailbox = stack.mailbox.as_deref().expect("the test needs a mailbox");
                self.api.get(mailbox).await.expect(200).as_array().expect("a list").clone()
            }
        };
        mail.retain(|mail| mail["to"].as_array().is_some_and(|to| to.iter().any(|to| to == address)));
        mail
    }

    /// Sees to it that `look` gives what is `expected` once all that earlier requests lead to is done. A host tells when that
    /// is, and one look must do. At a deployed stack one looks again until it is so, or patience ends.
    pub async fn comes_to<T, E>(&self, expected: E, look: impl AsyncFn() -> T)
    where
        T: PartialEq<E> + Debug,
        E: Debug,
    {
        let deadline = match &self.place {
            Place::Own(host) => {
                host.api.idle().await;
                Instant::now()
            }
            Place::Deployed(_) => Instant::now() + PATIENCE,
        };
        loop {
            let seen = look().await;
            if seen == expected {
                return;
            }
            assert!(Instant::now() < deadline, "seen: {seen:?}, expected: {expected:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stack(mailbox: Option<&str>, lacks: &Value) -> Stack {
        let described = json!({
            "api": "https://api", "tables": {}, "functions": {}, "people": [], "mailbox": mailbox, "lacks": lacks,
        });
        serde_json::from_value(described).expect("a stack")
    }

    #[test]
    fn a_stack_lacks_what_all_do_and_what_it_is_said_to() {
        let stack = stack(None, &json!({ "cors": "it says yes to all" }));
        assert_eq!(stack.lacks(Need::Cors), Some("it says yes to all"));
        assert_eq!(stack.lacks(Need::Bounces), None);
        for need in [Need::Clock, Need::Faults, Need::Hosts, Need::Functions, Need::Issuer, Need::Gateway] {
            assert!(stack.lacks(need).is_some(), "{need:?}");
        }
    }

    #[test]
    fn a_stack_has_a_mailbox_if_somebody_says_where() {
        assert!(stack(None, &json!({})).lacks(Need::Mailbox).is_some());
        assert_eq!(stack(Some("http://mailbox"), &json!({})).lacks(Need::Mailbox), None);
    }
}
