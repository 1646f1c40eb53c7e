//! A look into the tables, past the handlers.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::Host;
use local::clients::Clients;
use local::credentials::DEVELOPER;
use local::host::REGION;

/// The tables' client.
pub(crate) fn client(host: &Host) -> Client {
    Clients::new(&host.endpoint, REGION, Credentials::from_keys(DEVELOPER, DEVELOPER, None))
        .expect("an endpoint")
        .dynamodb
}

/// The full name of the table whose name ends so.
pub(crate) async fn name(host: &Host, table: &str) -> String {
    let tables = client(host).list_tables().send().await.expect("a list").table_names.unwrap_or_default();
    tables.into_iter().find(|name| name.ends_with(table)).expect("the table exists")
}

/// The sort keys of one partition of the table whose name ends so.
pub(crate) async fn sort_keys(host: &Host, table: &str, partition: &str) -> Vec<String> {
    let output = client(host)
        .query()
        .table_name(name(host, table).await)
        .key_condition_expression("pk = :partition")
        .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
        .send()
        .await
        .expect("a page");
    output.items().iter().map(|item| item["sk"].as_s().expect("a text").clone()).collect()
}
