//! Functions called by their names, past what usually calls them.

use aws_credential_types::Credentials;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use end_to_end::{Place, Target};
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
