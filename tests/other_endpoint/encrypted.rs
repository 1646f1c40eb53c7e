//! An endpoint that is spoken to by HTTPS only, with a certificate of its own authority, and that takes no request whose
//! signature is not of the one key that it knows: AWS itself is such a one.

use crate::certificate::encrypt;
use crate::tools::eventually;
use crate::uploads::{assert_thumbnails, picture, settled};
use aws_credential_types::Credentials;
use emulator::{Clock, Emulator};
use end_to_end::{Api, Host, Options};
use local::clients::{CA_BUNDLE, Clients};
use local::host::{ACCOUNT, REGION};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

const KEY: &str = "AKIDOFTHISTEST";
const SECRET: &str = "of this test alone";

/// Our own data services behind HTTPS. They end with the test's runtime.
struct Endpoint {
    url: String,
    authority: String,
    emulator: Emulator,
    directory: tempfile::TempDir,
}

impl Endpoint {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let emulator = Emulator::open(emulator::Options {
            directory: directory.path().join("data"),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            clock: Clock::default(),
            credentials: Arc::new(|key| (key == KEY).then(|| emulator::Key::to_everything(SECRET))),
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, authority) = encrypt(listener.local_addr().unwrap()).await;
        tokio::spawn(emulator.clone().serve(listener, std::future::pending()));
        Self { url: format!("https://{address}"), authority, emulator, directory }
    }

    fn bundle(&self) -> PathBuf {
        let path = self.directory.path().join("authority.pem");
        std::fs::write(&path, &self.authority).unwrap();
        path
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_and_handlers_trust_the_bundle_and_sign_with_the_keys_they_are_given() {
    let endpoint = Endpoint::start().await;
    let variables = [
        (CA_BUNDLE, endpoint.bundle().display().to_string()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ];
    let host = Host::start_with(Options {
        arguments: vec!["--endpoint".to_owned(), endpoint.url.clone()],
        environment: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Options::default()
    })
    .await;
    let api = Api::trusting(host.api.url.clone(), &endpoint.authority);
    let anna = api.caller("anna").await;
    let note = anna.create(json!({ "title": "Sealed", "notify": ["ben@example.com"] })).await;
    // Straight to the bucket, by a URL that a handler signed.
    let file = picture();
    let attachment = anna.attach(note["id"].as_str().unwrap(), "a.jpg", "image/jpeg", file).await;
    let ready = settled(&anna, note["id"].as_str().unwrap(), &attachment).await;
    assert_thumbnails(&anna, &ready).await;
    assert!(ready["download_url"].as_str().unwrap().starts_with(&endpoint.url));
    let mail = eventually("the e-mail", async || endpoint.emulator.mailbox().list(1, None).pop()).await;
    assert_eq!(mail.to, ["ben@example.com"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_secret_or_no_trust_opens_nothing() {
    let endpoint = Endpoint::start().await;
    let bundle = endpoint.bundle();
    let list = async |secret: &str, bundle: Option<&Path>| {
        let credentials = Credentials::from_keys(KEY, secret, None);
        let clients = Clients::trusting(&endpoint.url, REGION, credentials, bundle).unwrap();
        clients.sqs.list_queues().send().await
    };
    list(SECRET, Some(&bundle)).await.unwrap();
    let refused = list("of another test", Some(&bundle)).await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("InvalidSignatureException"), "as it is called in JSON");
    let distrusted = list(SECRET, None).await.unwrap_err();
    let distrusted = format!("{distrusted:?}");
    assert!(distrusted.contains("UnknownIssuer"), "{distrusted}");
}
