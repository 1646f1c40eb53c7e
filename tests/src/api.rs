//! A client of the API and of the control routes.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The API of one host.
#[derive(Clone)]
pub struct Api {
    pub url: String,
    client: HttpClient,
}

/// One answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` when there is none.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as JSON, if the status is `status`.
    pub fn expect(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        self.json()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Api {
    pub fn new(url: String) -> Self {
        Self { url, client: client(RootCertStore::empty()) }
    }

    /// The same, for an API that may be anywhere: it is believed whom this machine's authorities vouch for.
    pub fn anywhere(url: String) -> Self {
        let mut trusted = RootCertStore::empty();
        let (added, _) = trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        assert!(added > 0 || !url.starts_with("https:"), "this machine has no root certificates");
        Self { url, client: client(trusted) }
    }

    /// The same API, for one whose presigned URLs lead to an endpoint with a certificate of its own `authority` (PEM).
    pub fn trusting(url: String, authority: &str) -> Self {
        let mut trusted = RootCertStore::empty();
        trusted
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM"))
            .expect("a certificate");
        Self { url, client: client(trusted) }
    }

    /// Sends one request to a path of this API or to a whole URL; fails when no answer comes.
    pub async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let url =
            if target.starts_with("http") { target.to_owned() } else { format!("{}{target}", self.url) };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?)
            .uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(Duration::from_secs(90), exchange)
            .await
            .map_err(|_| "no answer in time".to_owned())?
    }

    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, target, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    /// Someone who calls the API with a token.
    pub async fn caller(&self, subject: &str) -> Caller {
        let email = format!("{subject}@example.com");
        let answer = self.get(&format!("/_local/token?sub={subject}&email={email}")).await;
        assert_eq!(answer.status, 200);
        let token = String::from_utf8_lossy(&answer.body).into_owned();
        Caller { api: self.clone(), subject: subject.to_owned(), token }
    }

    /// Returns when nothing is queued, in flight or due.
    pub async fn idle(&self) -> Value {
        self.get("/_local/idle?timeout=60").await.expect(200)
    }

    /// Moves the clock forward and waits until all that came due is done.
    pub async fn advance(&self, seconds: u64) -> Value {
        let body = json!({ "advance_seconds": seconds }).to_string();
        self.send("POST", "/_local/clock", &[], body).await.expect(200);
        self.idle().await
    }

    /// Sets the clock to a moment, in RFC 3339.
    pub async fn set_clock(&self, to: &str) {
        let body = json!({ "set": to }).to_string();
        self.send("POST", "/_local/clock", &[], body).await.expect(200);
    }

    /// Moves the clock to whatever is waited for next, again and again, until nothing is.
    pub async fn run_until_nothing_is_due(&self) {
        for _ in 0..100 {
            let Some(next) = self.idle().await["next_due"].as_str().map(ToOwned::to_owned) else { return };
            self.set_clock(&next).await;
        }
        panic!("something is due for ever");
    }

    /// Sent e-mails, newest first.
    pub async fn mail(&self) -> Vec<Value> {
        let mail = self.get("/_local/mail").await.expect(200);
        mail.as_array().expect("a list").clone()
    }

    /// Messages in the queue whose name ends so.
    pub async fn messages(&self, queue: &str) -> Vec<Value> {
        let name = self.queue_name(queue).await;
        let messages = self.get(&format!("/_local/queues/{name}/messages")).await.expect(200);
        messages.as_array().expect("a list").clone()
    }

    /// The full name of the queue whose name ends so.
    pub async fn queue_name(&self, queue: &str) -> String {
        self.queue(queue, "name").await
    }

    /// The URL of the queue whose name ends so.
    pub async fn queue_url(&self, queue: &str) -> String {
        self.queue(queue, "url").await
    }

    async fn queue(&self, queue: &str, told: &str) -> String {
        let queues = self.get("/_local/queues").await.expect(200);
        let is_meant = |one: &&Value| one["name"].as_str().is_some_and(|name| name.ends_with(queue));
        let found = queues.as_array().expect("a list").iter().find(is_meant).expect("the queue exists");
        found[told].as_str().expect("a text").to_owned()
    }

    /// Adds a fault to the embedded data services.
    pub async fn fault(&self, fault: Value) {
        self.send("POST", "/_local/faults", &[], fault.to_string()).await.expect(204);
    }
}

fn client(trusted: RootCertStore) -> HttpClient {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Someone with a token.
#[derive(Clone)]
pub struct Caller {
    pub api: Api,
    /// Who it is, as the token has it.
    pub subject: String,
    pub token: String,
}

impl Caller {
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let answer = self.try_send(method, target, headers, &body).await;
        answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// The same; fails when no answer comes.
    pub async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, String> {
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        let body = if body.is_null() {
            String::new()
        } else {
            all.push(("content-type", "application/json"));
            body.to_string()
        };
        all.extend_from_slice(headers);
        self.api.try_send(method, target, &all, body).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], Value::Null).await
    }

    pub async fn post(&self, target: &str, body: Value) -> Answer {
        self.send("POST", target, &[], body).await
    }

    /// Creates a note and returns it.
    pub async fn create(&self, body: Value) -> Value {
        self.post("/notes", body).await.expect(201)
    }

    /// Attaches a file to a note: asks for the URL, uploads as told, and returns the attachment as it then stands.
    pub async fn attach(&self, note: &str, filename: &str, content_type: &str, content: Vec<u8>) -> Value {
        let wanted = json!({ "filename": filename, "content_type": content_type, "size": content.len() });
        let created = self.post(&format!("/notes/{note}/attachments"), wanted).await.expect(201);
        let answer = self.upload(&created["upload"], content).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        created["attachment"].clone()
    }

    /// Carries out a presigned upload.
    pub async fn upload(&self, upload: &Value, content: Vec<u8>) -> Answer {
        self.try_upload(upload, content).await.unwrap_or_else(|error| panic!("an upload: {error}"))
    }

    /// The same; fails when no answer comes.
    pub async fn try_upload(&self, upload: &Value, content: Vec<u8>) -> Result<Answer, String> {
        let headers: Vec<(&str, &str)> = upload["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
            .filter(|(name, _)| !["host", "content-length"].contains(name))
            .collect();
        let (method, url) =
            (upload["method"].as_str().expect("a method"), upload["url"].as_str().expect("a URL"));
        self.api.try_send(method, url, &headers, content).await
    }
}
