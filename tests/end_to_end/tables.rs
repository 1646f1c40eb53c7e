//! A look into the tables, past the handlers.

use aws_credential_types::Credentials;
use end_to_end::Host;
use local::clients::Clients;
use local::credentials::DEVELOPER;
use local::host::REGION;

/// The sort keys of one partition of the table whose name ends so.
pub(crate) async fn sort_keys(host: &Host, table: &str, partition: &str) -> Vec<String> {
    let client = Clients::new(&host.endpoint, REGION, Credentials::from_keys(DEVELOPER, DEVELOPER, None))
        .expect("an endpoint")
        .dynamodb;
    let tables = client.list_tables().send().await.expect("a list").table_names.unwrap_or_default();
    let output = client
        .query()
        .table_name(tables.into_iter().find(|name| name.ends_with(table)).expect("the table exists"))
        .key_condition_expression("pk = :partition")
        .expression_attribute_values(
            ":partition",
            aws_sdk_dynamodb::types::AttributeValue::S(partition.to_owned()),
        )
        .send()
        .await
        .expect("a page");
    output.items().iter().map(|item| item["sk"].as_s().expect("a text").clone()).collect()
}
