//! Makes the tables, queues, topics, buckets and e-mail identities of an application, wherever its data services are.
//! What is there already stays as it is, with all that it holds; only settings that can change are brought up to date.

mod buckets;
mod mail;
mod queues;
mod tables;

use crate::app::App;
use crate::clients::Clients;
use aws_smithy_types::error::display::DisplayErrorContext;
use std::collections::BTreeMap;

/// What is only known once it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// The ARN of each table's stream, by table name; tables without one are not in it.
    pub stream_arns: BTreeMap<String, String>,
    /// By queue name.
    pub queue_urls: BTreeMap<String, String>,
    /// What the endpoint cannot do and the application can run without, each as a sentence.
    pub lacking: Vec<String>,
}

/// What could not be made, and what the endpoint said.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct ProvisionError {
    what: String,
    problem: String,
}

impl ProvisionError {
    fn new(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { what: what.into(), problem: problem.into() }
    }

    /// For an answer of the SDK.
    fn sdk<E: std::error::Error>(what: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::new(what, DisplayErrorContext(&error).to_string())
    }
}

/// Makes everything that is not there yet. Safe to repeat.
///
/// # Errors
/// The first thing that could not be made.
pub async fn provision(app: &App, clients: &Clients) -> Result<Provisioned, ProvisionError> {
    // Buckets tell queues and topics tell queues, so queues come first.
    let queue_urls = queues::provision(&app.queues, &clients.sqs).await?;
    let stream_arns = tables::provision(&app.tables, &clients.dynamodb).await?;
    mail::topics(app, &clients.sns).await?;
    for bucket in &app.buckets {
        buckets::provision(bucket, &clients.s3).await?;
    }
    let lacking = mail::identities(app, &clients.ses).await?;
    Ok(Provisioned { stream_arns, queue_urls, lacking })
}

impl Provisioned {
    /// Puts the queues' real URLs where the template could only foresee them: in functions' environments and in
    /// outputs. Endpoints differ in how they write them.
    pub fn substitute(&self, app: &mut App) {
        self.substitute_streams(app);
        for queue in &mut app.queues {
            let Some(real) = self.queue_urls.get(&queue.name).filter(|real| **real != queue.url) else {
                continue;
            };
            let environments =
                app.functions.iter_mut().flat_map(|function| function.environment.values_mut());
            for value in environments.chain(app.outputs.values_mut()) {
                // Only whole values: one queue's URL may be the beginning of another's.
                if *value == queue.url {
                    value.clone_from(real);
                }
            }
            queue.url.clone_from(real);
        }
    }

    /// The same for streams, in what functions may do.
    fn substitute_streams(&self, app: &mut App) {
        for table in &app.tables {
            let Some(real) = self.stream_arns.get(&table.name) else { continue };
            let foreseen = crate::template::stream_arn(&table.arn);
            let statements = app.functions.iter_mut().flat_map(|function| &mut function.policies);
            statements.for_each(|statement| statement.rename(&foreseen, real));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreseen_urls_give_way_to_real_ones() {
        let queue = crate::app::Queue {
            name: "q".to_owned(),
            arn: String::new(),
            url: "http://a/1/q".to_owned(),
            attributes: BTreeMap::new(),
        };
        let outputs = BTreeMap::from([("Url".to_owned(), "http://a/1/q".to_owned())]);
        let mut app = App { queues: vec![queue], outputs, ..App::default() };
        let queue_urls = BTreeMap::from([("q".to_owned(), "http://b/2/q".to_owned())]);
        Provisioned { queue_urls, ..Provisioned::default() }.substitute(&mut app);
        assert_eq!(app.outputs["Url"], "http://b/2/q");
    }

    /// The built-in data services in a directory, and clients of them.
    async fn data_services(directory: &std::path::Path) -> Clients {
        let options = emulator::Options {
            directory: directory.to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            clock: emulator::Clock::default(),
            credentials: std::sync::Arc::new(|_| Some(emulator::Key::to_everything("secret"))),
        };
        let emulator = emulator::Emulator::open(options).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(emulator.serve(listener, std::future::pending()));
        let credentials = aws_credential_types::Credentials::from_keys("key", "secret", None);
        Clients::new(&url, "us-east-1", credentials).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_own_template_is_made_once_and_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let clients = data_services(directory.path()).await;
        let template = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        let mut app = crate::template::load(&template, &crate::template::testing::settings()).unwrap();
        let first = provision(&app, &clients).await.unwrap();
        assert_eq!(first.queue_urls.len(), app.queues.len());
        assert!(first.stream_arns["test-NotesTable"].contains(":table/test-NotesTable/stream/"));
        let email = app.queues.iter_mut().find(|queue| queue.name == "test-EmailQueue").unwrap();
        email.attributes.insert("VisibilityTimeout".to_owned(), "77".to_owned());
        assert_eq!(provision(&app, &clients).await.unwrap(), first);
        let attributes = clients
            .sqs
            .get_queue_attributes()
            .queue_url(&first.queue_urls["test-EmailQueue"])
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout)
            .send()
            .await
            .unwrap();
        let attributes = attributes.attributes.unwrap();
        assert_eq!(attributes[&aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout], "77");
    }
}
