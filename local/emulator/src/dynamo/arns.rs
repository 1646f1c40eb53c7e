//! The engine names its own region and account in ARNs; callers are shown the configured ones.

use crate::Shared;
use dynoxide::actions::TableDescription;
use dynoxide::actions::create_table::CreateTableResponse;
use dynoxide::actions::delete_table::DeleteTableResponse;
use dynoxide::actions::describe_table::DescribeTableResponse;
use dynoxide::actions::list_streams::ListStreamsResponse;
use dynoxide::actions::update_table::UpdateTableResponse;
use dynoxide::streams::{LOCAL_ACCOUNT, LOCAL_REGION};

/// A response that says where things are. Only its own fields are touched, never an item.
pub(super) trait Located {
    fn locate(&mut self, shared: &Shared);
}

/// Makes an ARN that a caller gave one that the engine knows.
pub(super) fn to_engine(arn: &mut Option<String>, shared: &Shared) {
    if let Some(arn) = arn {
        *arn = arn.replacen(&place(&shared.region, &shared.account), &place(LOCAL_REGION, LOCAL_ACCOUNT), 1);
    }
}

fn to_caller(arn: &mut String, shared: &Shared) {
    *arn = arn.replacen(&place(LOCAL_REGION, LOCAL_ACCOUNT), &place(&shared.region, &shared.account), 1);
}

fn place(region: &str, account: &str) -> String {
    format!(":{region}:{account}:")
}

fn locate_table(table: &mut TableDescription, shared: &Shared) {
    to_caller(&mut table.table_arn, shared);
    let global = table.global_secondary_indexes.iter_mut().flatten().map(|index| &mut index.index_arn);
    let local = table.local_secondary_indexes.iter_mut().flatten().map(|index| &mut index.index_arn);
    let vector = table.vector_indexes.iter_mut().flatten().map(|index| &mut index.index_arn);
    let key = table.sse_description.iter_mut().filter_map(|sse| sse.kms_master_key_arn.as_mut());
    for arn in global.chain(local).chain(vector).chain(key).chain(&mut table.latest_stream_arn) {
        to_caller(arn, shared);
    }
}

impl Located for CreateTableResponse {
    fn locate(&mut self, shared: &Shared) {
        locate_table(&mut self.table_description, shared);
    }
}

impl Located for UpdateTableResponse {
    fn locate(&mut self, shared: &Shared) {
        locate_table(&mut self.table_description, shared);
    }
}

impl Located for DeleteTableResponse {
    fn locate(&mut self, shared: &Shared) {
        locate_table(&mut self.table_description, shared);
    }
}

impl Located for DescribeTableResponse {
    fn locate(&mut self, shared: &Shared) {
        locate_table(&mut self.table, shared);
    }
}

impl Located for ListStreamsResponse {
    fn locate(&mut self, shared: &Shared) {
        for arn in self.streams.iter_mut().map(|stream| &mut stream.stream_arn) {
            to_caller(arn, shared);
        }
        if let Some(arn) = &mut self.last_evaluated_stream_arn {
            to_caller(arn, shared);
        }
    }
}
