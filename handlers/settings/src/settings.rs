use crate::page;
use shared::dynamodb::Store;
use shared::email::{self, Suppression, address_hash};
use shared::http::{Caller, Request, Response};
use shared::problem::Problem;
use shared::settings::Settings;
use shared::signing::SigningKeys;
use shared::validate;

/// The handler and what it needs.
pub struct SettingsHandler {
    pub store: Store,
    keys: SigningKeys,
}

impl SettingsHandler {
    pub fn new(store: Store, keys: SigningKeys) -> Self {
        Self { store, keys }
    }

    pub async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match request.route.as_str() {
            "GET /settings" => self.get(request).await,
            "PUT /settings" => self.put(request).await,
            "GET /unsubscribe" => Ok(self.ask(request)),
            "POST /unsubscribe" => self.unsubscribe(request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn get(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let settings = self.store.settings(&caller.owner).await?;
        let settings =
            settings.unwrap_or_else(|| Settings { email: own_address(caller), ..Settings::default() });
        Response::json(200, &settings)
    }

    async fn put(&self, request: &Request) -> Result<Response, Problem> {
        let caller = request.caller()?;
        let settings = request.json::<Settings>()?.checked()?;
        let are_latest = self.store.put_settings(&caller.owner, &settings, request.now).await?;
        if let Some(address) = proven_address(caller, &settings).filter(|_| are_latest) {
            if settings.notifications {
                self.store.lift_suppression(address).await?;
            } else {
                self.store.suppress(&address_hash(address), Suppression::Muted, request.now).await?;
            }
        }
        Response::json(200, &settings)
    }

    /// The page that a link leads to. It changes nothing: mail scanners follow links (RFC 8058, 1).
    fn ask(&self, request: &Request) -> Response {
        match self.address_in_link(request) {
            Some(_) => page::question(),
            None => page::broken_link(),
        }
    }

    /// What the page's button and a mail program's one click (RFC 8058) send; the body says nothing more.
    async fn unsubscribe(&self, request: &Request) -> Result<Response, Problem> {
        let Some(hash) = self.address_in_link(request) else {
            return Ok(page::broken_link());
        };
        self.store.suppress(&hash, Suppression::Unsubscribed, request.now).await?;
        Ok(page::done())
    }

    fn address_in_link(&self, request: &Request) -> Option<String> {
        email::verify_unsubscribe_token(&self.keys, request.query("token")?)
    }
}

/// The caller's address as the token says it, if it is one that we mail.
fn own_address(caller: &Caller) -> Option<String> {
    validate::email_address("email", caller.email.as_deref()?).ok()
}

/// The address of the settings, if the caller's token proves that it is theirs: what others are mailed is not for
/// them to say.
fn proven_address<'a>(caller: &Caller, settings: &'a Settings) -> Option<&'a str> {
    let wanted = settings.email.as_deref()?;
    let own = own_address(caller)?;
    (address_hash(&own) == address_hash(wanted)).then_some(wanted)
}
