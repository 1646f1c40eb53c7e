//! A look into the tables, past the handlers.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::{Place, Target};
use local::clients::{Clients, of_aws};
use local::credentials::DEVELOPER;
use local::host::REGION;

/// The tables' client.
pub(crate) async fn client(target: &Target) -> Client {
    match &target.place {
        Place::Own(host) => {
            let developer = Credentials::from_keys(DEVELOPER, DEVELOPER, None);
            Clients::new(&host.endpoint, REGION, developer).expect("an endpoint").dynamodb
        }
        Place::Deployed(_) => Client::new(&of_aws().await.expect("a configuration")),
    }
}

/// The full name of a table of the template's.
pub(crate) async fn name(target: &Target, table: &str) -> String {
    match &target.place {
        Place::Own(_) => {
            let tables = client(target).await.list_tables().send().await.expect("a list").table_names;
            let mut tables = tables.unwrap_or_default().into_iter();
            tables.find(|name| name.ends_with(table)).expect("the table exists")
        }
        Place::Deployed(stack) => stack.tables.get(table).expect("the table is named").clone(),
    }
}

/// The sort keys of one partition of a table of the template's.
pub(crate) async fn sort_keys(target: &Target, table: &str, partition: &str) -> Vec<String> {
    let request = client(target).await.query().table_name(name(target, table).await);
    let output = request
        .key_condition_expression("pk = :partition")
        .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
        .send()
        .await
        .expect("a page");
    output.items().iter().map(|item| item["sk"].as_s().expect("a text").clone()).collect()
}
