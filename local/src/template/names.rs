//! The names that resources get, and what `Ref` and `Fn::GetAtt` make of them.

use super::problem::{Place, suggestion};
use super::scope::Scope;
use super::source::Resource;
use serde_json::Value;

impl Scope<'_> {
    /// The physical name: the one that the template gives, or `<stack>-<logical id>`.
    pub(super) fn physical_name(&self, id: &str, resource: &Resource) -> Option<String> {
        let property = match resource.kind.as_str() {
            "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => "TableName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::SES::EmailIdentity" => "EmailIdentity",
            "AWS::SES::ConfigurationSet" | "AWS::SecretsManager::Secret" => "Name",
            _ => "",
        };
        let given = resource.properties.get(property);
        let given = match given {
            Some(expression) => self.given_name(id, expression, &resource.place(id).key(property))?,
            None => None,
        };
        Some(given.unwrap_or_else(|| self.generated_name(id, resource)))
    }

    /// `Some(None)` for `AWS::NoValue`; `None` was told.
    fn given_name(&self, id: &str, expression: &Value, place: &Place) -> Option<Option<String>> {
        if self.naming.borrow().iter().any(|name| name == id) {
            return self.wrong(place, "the name refers to itself");
        }
        self.naming.borrow_mut().push(id.to_owned());
        let name = self.resolve(expression, place);
        self.naming.borrow_mut().pop();
        match name {
            None => Some(None),
            Some(Value::String(name)) => Some(Some(name)),
            Some(Value::Null) => None,
            Some(_) => self.wrong(place, "it must be text"),
        }
    }

    fn generated_name(&self, id: &str, resource: &Resource) -> String {
        let name = format!("{}-{id}", self.settings.stack_name);
        match resource.kind.as_str() {
            // The API's id stands in host names, a bucket's name may.
            "AWS::S3::Bucket" => name.to_lowercase(),
            "AWS::Serverless::HttpApi" => id.to_lowercase(),
            "AWS::Serverless::Function" => id.to_owned(),
            "AWS::SQS::Queue" if resource.properties.get("FifoQueue").is_some_and(is_true) => {
                format!("{name}.fifo")
            }
            _ => name,
        }
    }

    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let settings = self.settings;
        format!("arn:{}:{service}:{}:{}:{resource}", settings.partition(), settings.region, settings.account)
    }

    /// The ARN of a resource of a type that this host creates; `None` for one without.
    pub(super) fn arn_of(&self, kind: &str, name: &str) -> Option<String> {
        Some(match kind {
            "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => {
                self.arn("dynamodb", &format!("table/{name}"))
            }
            "AWS::SQS::Queue" => self.arn("sqs", name),
            "AWS::S3::Bucket" => format!("arn:{}:s3:::{name}", self.settings.partition()),
            "AWS::SNS::Topic" => self.arn("sns", name),
            "AWS::Serverless::Function" => self.arn("lambda", &format!("function:{name}")),
            // AWS appends six random characters; something must stand there, so that the name can be told from it.
            "AWS::SecretsManager::Secret" => self.arn("secretsmanager", &format!("secret:{name}-local0")),
            _ => return None,
        })
    }

    /// What `Ref` comes to.
    pub(super) fn reference_of(&self, id: &str, resource: &Resource) -> Option<String> {
        let name = self.physical_name(id, resource)?;
        match resource.kind.as_str() {
            "AWS::SQS::Queue" => Some(self.settings.queue_url(&name)),
            kind @ ("AWS::SNS::Topic" | "AWS::SecretsManager::Secret") => self.arn_of(kind, &name),
            _ => Some(name),
        }
    }

    /// What `Fn::GetAtt` comes to. `None` was told.
    pub(super) fn attribute_of(
        &self,
        id: &str,
        resource: &Resource,
        attribute: &str,
        place: &Place,
    ) -> Option<String> {
        let name = self.physical_name(id, resource)?;
        let kind = resource.kind.as_str();
        let suffix = self.settings.url_suffix();
        let region = &self.settings.region;
        let arn = || self.arn_of(kind, &name);
        let known: &[(&str, Option<String>)] = match kind {
            "AWS::DynamoDB::Table" => {
                if attribute == "StreamArn" && !resource.properties.contains_key("StreamSpecification") {
                    return self
                        .wrong(place, format_args!("{id} has no stream: it has no StreamSpecification"));
                }
                // The real one carries the time the stream began, which is known only after it did.
                &[("Arn", arn()), ("StreamArn", arn().map(|arn| stream_arn(&arn)))]
            }
            "AWS::Serverless::SimpleTable" | "AWS::Serverless::Function" => &[("Arn", arn())],
            "AWS::SQS::Queue" => &[
                ("Arn", arn()),
                ("QueueName", Some(name.clone())),
                ("QueueUrl", Some(self.settings.queue_url(&name))),
            ],
            "AWS::S3::Bucket" => &[
                ("Arn", arn()),
                ("DomainName", Some(format!("{name}.s3.{suffix}"))),
                ("RegionalDomainName", Some(format!("{name}.s3.{region}.{suffix}"))),
                ("DualStackDomainName", Some(format!("{name}.s3.dualstack.{region}.{suffix}"))),
            ],
            "AWS::SNS::Topic" => &[("TopicArn", arn()), ("TopicName", Some(name.clone()))],
            "AWS::SecretsManager::Secret" => &[("Id", arn())],
            "AWS::Serverless::HttpApi" => &[
                ("ApiId", Some(name.clone())),
                ("ApiEndpoint", Some(format!("https://{name}.execute-api.{region}.{suffix}"))),
            ],
            "AWS::SES::EmailIdentity" | "AWS::SES::ConfigurationSet" | "AWS::SNS::Subscription" => &[],
            _ => return Some(self.placeholder(kind, &name, attribute)),
        };
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == attribute) {
            return value.clone();
        }
        let hint = suggestion(attribute, known.iter().map(|(name, _)| *name));
        self.wrong(place, format_args!("{kind} has no attribute {attribute:?}{hint}"))
    }

    /// An attribute of something that is accepted but not run here: unique, and plain to see where it ends up.
    fn placeholder(&self, kind: &str, name: &str, attribute: &str) -> String {
        if attribute == "Arn" {
            let service = kind.split("::").nth(1).unwrap_or_default().to_lowercase();
            return self.arn(&service, name);
        }
        format!("{name}.{attribute}")
    }

    /// `FunctionRole.Arn`: the role that SAM makes for a function that brings none.
    pub(super) fn generated_role(&self, name: &str, attribute: &str) -> Option<String> {
        let resources = &self.template.resources;
        let function = name.strip_suffix("Role").filter(|_| !resources.contains_key(name))?;
        let is_function = resources.get(function)?.kind == "AWS::Serverless::Function";
        let partition = self.settings.partition();
        let account = &self.settings.account;
        (is_function && attribute == "Arn")
            .then(|| format!("arn:{partition}:iam::{account}:role/{}-{name}", self.settings.stack_name))
    }
}

/// What stands for the ARN of a table's stream until the stream is there.
pub(crate) fn stream_arn(table_arn: &str) -> String {
    format!("{table_arn}/stream/local")
}

pub(super) fn is_true(value: &Value) -> bool {
    value == true || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{load, outputs};

    #[test]
    fn references_are_what_cloudformation_makes_them() {
        let outputs = outputs(
            "
Resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Files: {Type: AWS::S3::Bucket}
  News: {Type: AWS::SNS::Topic}
  Key: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: x}}
  Api: {Type: AWS::Serverless::HttpApi}
  Pool: {Type: AWS::Cognito::UserPool}
Outputs:
  Jobs: {Value: !Ref Jobs}
  Files: {Value: !Ref Files}
  FilesDomain: {Value: !GetAtt Files.RegionalDomainName}
  News: {Value: !Ref News}
  Key: {Value: !Ref Key}
  Api: {Value: !Ref Api}
  Pool: {Value: !GetAtt Pool.Arn}
",
        );
        let expected = [
            ("Jobs", "http://localhost:4566/000000000000/test-Jobs.fifo"),
            ("Files", "test-files"),
            ("FilesDomain", "test-files.s3.us-east-1.amazonaws.com"),
            ("News", "arn:aws:sns:us-east-1:000000000000:test-News"),
            ("Key", "arn:aws:secretsmanager:us-east-1:000000000000:secret:test-Key-local0"),
            ("Api", "api"),
            ("Pool", "arn:aws:cognito:us-east-1:000000000000:test-Pool"),
        ];
        for (name, value) in expected {
            assert_eq!(outputs[name], value);
        }
    }

    #[test]
    fn a_name_that_needs_itself_is_told() {
        let errors = load(
            "
Resources:
  A: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub 'x-${B}'}}
  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub 'x-${A}'}}
",
        )
        .unwrap_err()
        .to_string();
        assert!(errors.contains("circular"), "{errors}");
    }
}
