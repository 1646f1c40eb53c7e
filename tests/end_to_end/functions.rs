//! Functions by their names: called past what usually calls them, and how often they were.

use aws_credential_types::Credentials;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use end_to_end::{Host, Place, Target};
use local::clients::{Clients, of_aws};
use local::credentials::DEVELOPER;
use local::host::REGION;
use serde_json::Value;

/// Hands a function of the template's an event, to be worked on in its own time.
pub(crate) async fn invoke(target: &Target, function: &str, event: &Value) {
    let (client, name) = match &target.place {
        Place::Own(host) => {
            let developer = Credentials::from_keys(DEVELOPER, DEVELOPER, None);
            let clients = Clients::new(&host.endpoint, REGION, developer);
            (clients.expect("an endpoint").lambda, function)
        }
        Place::Deployed(stack) => {
            let config = of_aws().await.expect("a configuration");
            (Client::new(&config), stack.functions.get(function).expect("it is named").as_str())
        }
    };
    let request = client.invoke().function_name(name).invocation_type(InvocationType::Event);
    request.payload(Blob::new(event.to_string())).send().await.expect("the event is taken");
}

/// Invocations of a function, and how many of them failed.
pub(crate) async fn invocations(host: &Host, function: &str) -> (u64, u64) {
    let functions = host.api.get("/_local/functions").await.expect(200);
    let found = functions.as_array().unwrap().iter().find(|found| found["name"] == function);
    let found = found.unwrap_or_else(|| panic!("no {function} in {functions}"));
    (found["invocations"].as_u64().unwrap(), found["errors"].as_u64().unwrap())
}
