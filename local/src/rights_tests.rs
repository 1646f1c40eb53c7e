//! Every function of the own template tries, with its own key and over HTTP, what there is to try.

use crate::clients::Clients;
use crate::credentials::{Issuer, Keys};
use crate::state::State;
use crate::{provision, template};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use emulator::access::{Asked, Verdict, judge};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const ACCOUNT: &str = "000000000000";

struct World {
    _directory: tempfile::TempDir,
    issuer: Issuer,
    emulator: emulator::Emulator,
    url: String,
}

impl World {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(&State::open(directory.path()).unwrap(), false).unwrap();
        let emulator = emulator::Emulator::open(emulator::Options {
            directory: directory.path().to_owned(),
            region: "us-east-1".to_owned(),
            account: ACCOUNT.to_owned(),
            clock: emulator::Clock::default(),
            credentials: issuer.resolver(),
        })
        .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(emulator.clone().serve(listener, std::future::pending()));
        Self { _directory: directory, issuer, emulator, url }
    }

    fn clients(&self, keys: Keys) -> Clients {
        Clients::new(&self.url, "us-east-1", keys.for_sdk()).unwrap()
    }

    /// Of the host itself.
    fn host(&self) -> Clients {
        self.clients(self.issuer.host())
    }

    /// Of an environment of a function.
    fn function(&self, name: &str) -> Clients {
        self.clients(self.issuer.of_environment(name))
    }
}

/// Whether a call was refused for want of the right to it; every other failure is beside the point.
fn refused<T, E: ProvideErrorMetadata>(result: &Result<T, E>) -> bool {
    let code = result.as_ref().err().and_then(|error| error.code());
    code.is_some_and(|code| matches!(code, "AccessDenied" | "AccessDeniedException" | "AuthorizationError"))
}

/// The code and the HTTP status of an error.
fn error<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (String, u16) {
    let error = result.unwrap_err();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (error.code().unwrap_or_default().to_owned(), status)
}

/// The actions on a resource that this key was let in for, out of those tried.
async fn let_in(clients: &Clients, resource: &str) -> BTreeSet<&'static str> {
    let name = resource.rsplit([':', '/']).next().unwrap_or_default();
    let tried = if resource.contains(":dynamodb:") {
        table(clients, resource).await
    } else if resource.contains(":sqs:") {
        let url = format!("http://localhost/{ACCOUNT}/{name}");
        let sqs = &clients.sqs;
        vec![
            ("sqs:SendMessage", refused(&sqs.send_message().queue_url(&url).message_body("x").send().await)),
            ("sqs:ReceiveMessage", refused(&sqs.receive_message().queue_url(&url).send().await)),
            (
                "sqs:DeleteMessage",
                refused(&sqs.delete_message().queue_url(&url).receipt_handle("x").send().await),
            ),
            ("sqs:PurgeQueue", refused(&sqs.purge_queue().queue_url(&url).send().await)),
        ]
    } else {
        let bucket = resource.trim_start_matches("arn:aws:s3:::").trim_end_matches("/*");
        let s3 = &clients.s3;
        vec![
            ("s3:PutObject", refused(&s3.put_object().bucket(bucket).key("k").send().await)),
            ("s3:GetObject", refused(&s3.get_object().bucket(bucket).key("k").send().await)),
            ("s3:DeleteObject", refused(&s3.delete_object().bucket(bucket).key("other").send().await)),
        ]
    };
    tried.into_iter().filter(|(_, refused)| !refused).map(|(action, _)| action).collect()
}

async fn table(clients: &Clients, arn: &str) -> Vec<(&'static str, bool)> {
    let (db, text) = (&clients.dynamodb, || AttributeValue::S("x".to_owned()));
    let get = db.get_item().table_name(arn).key("pk", text()).key("sk", text()).send().await;
    let put = db.put_item().table_name(arn).item("pk", text()).item("sk", text()).send().await;
    let delete = db.delete_item().table_name(arn).key("pk", text()).key("sk", text()).send().await;
    let update = db.update_item().table_name(arn).key("pk", text()).key("sk", text()).send().await;
    let query = db
        .query()
        .table_name(arn)
        .key_condition_expression("pk = :x")
        .expression_attribute_values(":x", text())
        .send()
        .await;
    vec![
        ("dynamodb:GetItem", refused(&get)),
        ("dynamodb:PutItem", refused(&put)),
        ("dynamodb:DeleteItem", refused(&delete)),
        ("dynamodb:Query", refused(&query)),
        ("dynamodb:UpdateItem", refused(&update)),
        ("dynamodb:Scan", refused(&db.scan().table_name(arn).send().await)),
        ("dynamodb:DeleteTable", refused(&db.delete_table().table_name(arn).send().await)),
    ]
}

/// What no function needs.
static NOBODYS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| ["dynamodb:DeleteTable", "dynamodb:Scan", "sqs:PurgeQueue"].into());

const TRIED: [&str; 14] = [
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:DeleteItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateItem",
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:PurgeQueue",
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_function_is_let_in_where_the_template_says_and_nowhere_else() {
    let world = World::start().await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let app = template::load(&path, &template::testing::settings()).unwrap();
    let host = world.host();
    provision::provision(&app, &host).await.unwrap();
    assert!(
        refused(&world.function("HelloFunction").dynamodb.list_tables().send().await),
        "roles come first"
    );
    // So that what is missing does not look like what is forbidden.
    for bucket in &app.buckets {
        host.s3.put_object().bucket(&bucket.name).key("k").send().await.unwrap();
    }
    let roles = app.functions.iter().map(|function| (function.name.clone(), function.policies.clone()));
    world.emulator.enforce(roles.collect());
    let tables = app.tables.iter().map(|table| table.arn.clone());
    let queues = app.queues.iter().map(|queue| queue.arn.clone());
    let buckets = app.buckets.iter().map(|bucket| format!("arn:aws:s3:::{}/*", bucket.name));
    let resources: Vec<String> = tables.chain(queues).chain(buckets).collect();
    let mut allowed = 0;
    for function in &app.functions {
        let clients = world.function(&function.name);
        for resource in &resources {
            let may = |action: &&str| {
                judge(&function.policies, &Asked::new(*action, resource.as_str())) == Verdict::Allowed
            };
            let expected: BTreeSet<&str> = TRIED.into_iter().filter(may).collect();
            allowed += expected.len();
            let let_in = let_in(&clients, resource).await;
            assert_eq!(let_in, expected, "{} on {resource}", function.name);
            assert!(let_in.is_disjoint(&NOBODYS), "{} on {resource}: {let_in:?}", function.name);
        }
    }
    // Few enough that a policy for everything would be seen here.
    assert!((30..80).contains(&allowed), "{allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_url_is_worth_the_rights_of_whose_key_signed_it() {
    let world = World::start().await;
    let host = world.host();
    host.s3.create_bucket().bucket("bucket").send().await.unwrap();
    host.s3.put_object().bucket("bucket").key("open/a").send().await.unwrap();
    host.s3.put_object().bucket("bucket").key("shut/a").send().await.unwrap();
    let own = emulator::access::Statement::allow(
        vec!["s3:GetObject".to_owned()],
        vec!["arn:aws:s3:::bucket/open/*".to_owned()],
    );
    world.emulator.enforce([("F".to_owned(), vec![own])].into());
    let function = world.function("F");
    let status = async |key: &str| {
        let expiry =
            aws_sdk_s3::presigning::PresigningConfig::expires_in(std::time::Duration::from_secs(60)).unwrap();
        let url = function.s3.get_object().bucket("bucket").key(key).presigned(expiry).await.unwrap();
        let request = http::Uri::try_from(url.uri()).unwrap();
        get(&request).await
    };
    assert_eq!(status("open/a").await, 200);
    assert_eq!(status("shut/a").await, 403);
    // Without the right to list, what is missing is not told from what is forbidden.
    assert_eq!(status("open/missing").await, 403);
    let copy =
        function.s3.copy_object().bucket("bucket").key("open/b").copy_source("bucket/shut/a").send().await;
    assert!(refused(&copy));
    let identifier = aws_sdk_s3::types::ObjectIdentifier::builder().key("open/a").build().unwrap();
    let delete = aws_sdk_s3::types::Delete::builder().objects(identifier).build().unwrap();
    assert!(refused(&function.s3.delete_objects().bucket("bucket").delete(delete).send().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_refuses_in_its_own_words() {
    let world = World::start().await;
    world.emulator.enforce([("F".to_owned(), Vec::new())].into());
    let function = world.function("F");
    let queue = format!("http://localhost/{ACCOUNT}/Q");
    let dynamodb = function.dynamodb.get_item().table_name("T").key("k", AttributeValue::S("x".to_owned()));
    assert_eq!(error(dynamodb.send().await), ("AccessDeniedException".to_owned(), 400));
    let sqs = function.sqs.send_message().queue_url(queue).message_body("x").send().await;
    let said = sqs.as_ref().unwrap_err().message().unwrap_or_default().to_owned();
    let told = "not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:us-east-1:000000000000:Q because no \
                identity-based policy allows the sqs:sendmessage action";
    assert!(said.contains(":assumed-role/F/F.") && said.contains(told), "{said}");
    assert_eq!(error(sqs), ("AccessDenied".to_owned(), 403));
    let s3 = function.s3.get_object().bucket("bucket").key("k").send().await;
    assert_eq!(error(s3), ("AccessDenied".to_owned(), 403));
    let ses = function.ses.verify_email_identity().email_address("a@example.com").send().await;
    assert_eq!(error(ses), ("AccessDenied".to_owned(), 403));
    let sns =
        function.sns.publish().topic_arn("arn:aws:sns:us-east-1:000000000000:T").message("x").send().await;
    assert_eq!(error(sns), ("AuthorizationError".to_owned(), 403));
    let lambda = function.lambda.invoke().function_name("G").send().await;
    assert_eq!(error(lambda), ("AccessDeniedException".to_owned(), 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_key_without_its_token_is_no_key() {
    let world = World::start().await;
    for session_token in [None, Some("another".to_owned())] {
        let stolen = world.clients(Keys { session_token, ..world.issuer.of_environment("F") });
        let dynamodb = stolen.dynamodb.list_tables().send().await;
        assert_eq!(error(dynamodb), ("UnrecognizedClientException".to_owned(), 400));
        assert_eq!(error(stolen.s3.list_buckets().send().await), ("InvalidToken".to_owned(), 400));
    }
}

/// The status that a plain GET is answered with.
async fn get(uri: &http::Uri) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = uri.authority().unwrap().as_str();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let path = uri.path_and_query().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
}
