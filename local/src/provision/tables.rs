//! DynamoDB tables.

use super::ProvisionError;
use crate::app::Table;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex,
    Projection, ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(200);
/// Two minutes; in the cloud a table takes some ten seconds, on a laptop none.
const MOST_POLLS: u32 = 600;

pub(super) async fn provision(
    tables: &[Table],
    client: &Client,
) -> Result<BTreeMap<String, String>, ProvisionError> {
    for table in tables {
        if describe(table, client).await?.is_none() {
            create(table, client).await?;
        }
    }
    let mut streams = BTreeMap::new();
    for table in tables {
        let description = active(table, client).await?;
        let stream = description
            .latest_stream_arn()
            .filter(|_| description.stream_specification().is_some_and(StreamSpecification::stream_enabled));
        match stream {
            Some(arn) => {
                streams.insert(table.name.clone(), arn.to_owned());
            }
            None if table.create["StreamSpecification"].is_object() => {
                let problem = "it was made without the stream that the template now wants: delete it, or the data directory";
                return Err(ProvisionError::new(what(table), problem));
            }
            None => {}
        }
        time_to_live(table, client).await?;
    }
    Ok(streams)
}

fn what(table: &Table) -> String {
    format!("table {}", table.name)
}

async fn describe(table: &Table, client: &Client) -> Result<Option<TableDescription>, ProvisionError> {
    match client.describe_table().table_name(&table.name).send().await {
        Ok(output) => Ok(output.table),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {
            Ok(None)
        }
        Err(error) => Err(ProvisionError::sdk(&what(table))(error)),
    }
}

/// Waits until the table can be used.
async fn active(table: &Table, client: &Client) -> Result<TableDescription, ProvisionError> {
    for _ in 0..MOST_POLLS {
        if let Some(description) = describe(table, client).await?
            && description.table_status() == Some(&TableStatus::Active)
        {
            return Ok(description);
        }
        tokio::time::sleep(POLL).await;
    }
    Err(ProvisionError::new(what(table), "it does not become ACTIVE"))
}

async fn create(table: &Table, client: &Client) -> Result<(), ProvisionError> {
    let plan = &table.create;
    let wrong = |error: BuildError| ProvisionError::new(what(table), error.to_string());
    let stream = plan["StreamSpecification"]["StreamViewType"].as_str().map(|view| {
        StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::from(view))
            .build()
    });
    let request = client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys(&plan["KeySchema"]).map_err(wrong)?))
        .set_attribute_definitions(Some(attributes(&plan["AttributeDefinitions"]).map_err(wrong)?))
        .set_global_secondary_indexes(global_indexes(&plan["GlobalSecondaryIndexes"]).map_err(wrong)?)
        .set_local_secondary_indexes(local_indexes(&plan["LocalSecondaryIndexes"]).map_err(wrong)?)
        .set_stream_specification(stream.transpose().map_err(wrong)?);
    match request.send().await {
        Ok(_) => Ok(()),
        // Someone else made it in between.
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(ProvisionError::sdk(&what(table))(error)),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn keys(value: &Value) -> Result<Vec<KeySchemaElement>, BuildError> {
    let key = |key| {
        KeySchemaElement::builder()
            .attribute_name(text(key, "AttributeName"))
            .key_type(KeyType::from(text(key, "KeyType")))
            .build()
    };
    items(value).map(key).collect()
}

fn attributes(value: &Value) -> Result<Vec<AttributeDefinition>, BuildError> {
    let attribute = |attribute| {
        AttributeDefinition::builder()
            .attribute_name(text(attribute, "AttributeName"))
            .attribute_type(ScalarAttributeType::from(text(attribute, "AttributeType")))
            .build()
    };
    items(value).map(attribute).collect()
}

fn projection(value: &Value) -> Projection {
    let attributes = value["NonKeyAttributes"].as_array();
    let attributes =
        attributes.map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    Projection::builder()
        .projection_type(ProjectionType::from(text(value, "ProjectionType")))
        .set_non_key_attributes(attributes)
        .build()
}

/// `None` for none: DynamoDB refuses an empty list.
fn global_indexes(value: &Value) -> Result<Option<Vec<GlobalSecondaryIndex>>, BuildError> {
    let index = |index: &Value| {
        GlobalSecondaryIndex::builder()
            .index_name(text(index, "IndexName"))
            .set_key_schema(Some(keys(&index["KeySchema"])?))
            .projection(projection(&index["Projection"]))
            .build()
    };
    value.is_array().then(|| items(value).map(index).collect()).transpose()
}

fn local_indexes(value: &Value) -> Result<Option<Vec<LocalSecondaryIndex>>, BuildError> {
    let index = |index: &Value| {
        LocalSecondaryIndex::builder()
            .index_name(text(index, "IndexName"))
            .set_key_schema(Some(keys(&index["KeySchema"])?))
            .projection(projection(&index["Projection"]))
            .build()
    };
    value.is_array().then(|| items(value).map(index).collect()).transpose()
}

async fn time_to_live(table: &Table, client: &Client) -> Result<(), ProvisionError> {
    let Some(attribute) = &table.ttl_attribute else {
        return Ok(());
    };
    let what = what(table);
    let current = client.describe_time_to_live().table_name(&table.name).send().await;
    let current = current.map_err(ProvisionError::sdk(&what))?.time_to_live_description;
    let is_on = current.is_some_and(|ttl| {
        let status = ttl.time_to_live_status();
        ttl.attribute_name() == Some(attribute)
            && matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    });
    if is_on {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    let specification = specification.map_err(|error| ProvisionError::new(&what, error.to_string()))?;
    let request =
        client.update_time_to_live().table_name(&table.name).time_to_live_specification(specification);
    request.send().await.map_err(ProvisionError::sdk(&what))?;
    Ok(())
}
