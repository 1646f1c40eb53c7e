//! What functions may do: `AWS::IAM::Role`, `AWS::IAM::ManagedPolicy`, and the `Policies` of a function itself.

use super::fields::Fields;
use super::scope::Scope;
use emulator::access::Statement;
use serde_json::Value;
use std::collections::BTreeMap;

/// AWS's own policies that functions have and that concern no service of the laptop cloud.
const TELEMETRY: [&str; 4] = [
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
];

/// A policy template of SAM: its name, its parameter, the actions, and the resources made of `{}`, the parameter's value.
type Template = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[&str] =
    &["arn:{partition}:dynamodb:{place}:table/{}", "arn:{partition}:dynamodb:{place}:table/{}/index/*"];
const QUEUE: &[&str] = &["arn:{partition}:sqs:{place}:{}"];
const BUCKET: &[&str] = &["arn:{partition}:s3:::{}", "arn:{partition}:s3:::{}/*"];

/// SAM's policy templates, as its documentation lists them, as far as they concern services of the laptop cloud.
const TEMPLATES: [Template; 11] = [
    (
        "DynamoDBCrudPolicy",
        "TableName",
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DeleteItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        ],
        TABLE,
    ),
    (
        "DynamoDBReadPolicy",
        "TableName",
        &[
            "dynamodb:BatchGetItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:Scan",
        ],
        TABLE,
    ),
    (
        "DynamoDBWritePolicy",
        "TableName",
        &["dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        TABLE,
    ),
    (
        "S3CrudPolicy",
        "BucketName",
        &[
            "s3:DeleteObject",
            "s3:GetBucketLocation",
            "s3:GetLifecycleConfiguration",
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
            "s3:PutLifecycleConfiguration",
            "s3:PutObject",
            "s3:PutObjectAcl",
        ],
        BUCKET,
    ),
    (
        "S3ReadPolicy",
        "BucketName",
        &[
            "s3:GetBucketLocation",
            "s3:GetLifecycleConfiguration",
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
        ],
        BUCKET,
    ),
    (
        "S3WritePolicy",
        "BucketName",
        &["s3:PutLifecycleConfiguration", "s3:PutObject", "s3:PutObjectAcl"],
        BUCKET,
    ),
    ("SQSSendMessagePolicy", "QueueName", &["sqs:SendMessage*"], QUEUE),
    (
        "SQSPollerPolicy",
        "QueueName",
        &[
            "sqs:ChangeMessageVisibility",
            "sqs:ChangeMessageVisibilityBatch",
            "sqs:DeleteMessage",
            "sqs:DeleteMessageBatch",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        QUEUE,
    ),
    (
        "LambdaInvokePolicy",
        "FunctionName",
        &["lambda:InvokeFunction"],
        &["arn:{partition}:lambda:{place}:function:{}*"],
    ),
    ("SNSPublishMessagePolicy", "TopicName", &["sns:Publish"], &["arn:{partition}:sns:{place}:{}"]),
    (
        "SESCrudPolicy",
        "IdentityName",
        &[
            "ses:GetIdentityVerificationAttributes",
            "ses:SendEmail",
            "ses:SendRawEmail",
            "ses:VerifyEmailIdentity",
        ],
        &["arn:{partition}:ses:{place}:identity/{}"],
    ),
];

/// The roles and managed policies of a template, by what refers to them: a role's ARN, a policy's `Ref`.
#[derive(Default)]
pub(super) struct Roles {
    roles: BTreeMap<String, (Vec<Statement>, Vec<String>)>,
    managed: BTreeMap<String, Vec<Statement>>,
}

impl Roles {
    /// `AWS::IAM::ManagedPolicy`.
    pub(super) fn managed_policy(&mut self, name: String, mut fields: Fields<'_>) {
        fields.require("PolicyDocument");
        let document = fields.take("PolicyDocument");
        let statements = document.map(|document| read(&fields, "PolicyDocument", &document));
        self.managed.insert(name, statements.unwrap_or_default());
    }

    /// `AWS::IAM::Role`.
    pub(super) fn role(&mut self, arn: String, mut fields: Fields<'_>) {
        if fields.has("PermissionsBoundary") {
            fields.wrong::<()>(
                "PermissionsBoundary",
                "not supported by the laptop cloud: say what the role may do",
            );
        }
        let mut statements = Vec::new();
        for mut policy in fields.objects("Policies") {
            policy.require("PolicyDocument");
            if let Some(document) = policy.take("PolicyDocument") {
                statements.extend(read(&policy, "PolicyDocument", &document));
            }
        }
        let managed = fields.texts("ManagedPolicyArns");
        self.roles.insert(arn, (statements, managed));
    }

    /// What a function may do by its own `Role` or, without one, by the role that SAM makes of its `Policies`.
    pub(super) fn of_function(&self, scope: &Scope<'_>, fields: &mut Fields<'_>) -> Vec<Statement> {
        let policies = match fields.take("Policies") {
            None => Vec::new(),
            Some(Value::Array(policies)) => policies,
            Some(policy) => vec![policy],
        };
        let Some(role) = fields.text("Role") else {
            return policies.iter().flat_map(|policy| self.policy(scope, fields, policy)).collect();
        };
        let Some((own, managed)) = self.roles.get(&role) else {
            fields.wrong::<()>(
                "Role",
                format_args!("{role:?} is no role of this template, so nothing is known of its rights"),
            );
            return Vec::new();
        };
        let managed = managed.iter().flat_map(|arn| self.named(fields, "Role", arn));
        own.iter().cloned().chain(managed).collect()
    }

    fn policy(&self, scope: &Scope<'_>, fields: &Fields<'_>, policy: &Value) -> Vec<Statement> {
        match policy {
            Value::String(name) => self.named(fields, "Policies", name),
            Value::Object(document) if document.contains_key("Statement") => read(fields, "Policies", policy),
            Value::Object(template) => {
                let statements = template.iter().map(|(name, arguments)| sam(scope, fields, name, arguments));
                statements.collect()
            }
            _ => Vec::new(),
        }
    }

    fn named(&self, fields: &Fields<'_>, key: &str, name: &str) -> Vec<Statement> {
        if let Some(statements) = self.managed.get(name) {
            return statements.clone();
        }
        if !TELEMETRY.contains(&name.rsplit('/').next().unwrap_or(name)) {
            let message =
                "the laptop cloud does not know what this managed policy allows: write the statements out";
            fields.wrong::<()>(key, format_args!("{name:?}: {message}"));
        }
        Vec::new()
    }
}

fn read(fields: &Fields<'_>, key: &str, document: &Value) -> Vec<Statement> {
    Statement::read(document).unwrap_or_else(|problem| {
        fields.wrong::<()>(key, problem);
        Vec::new()
    })
}

fn sam(scope: &Scope<'_>, fields: &Fields<'_>, name: &str, arguments: &Value) -> Statement {
    let nothing = || Statement::allow(Vec::new(), Vec::new());
    let Some((_, parameter, actions, resources)) = TEMPLATES.iter().find(|(known, ..)| *known == name) else {
        let known = TEMPLATES.map(|(known, ..)| known);
        let hint = super::problem::suggestion(name, known);
        let message = "the laptop cloud does not know this policy template: write the statements out";
        fields.wrong::<()>("Policies", format_args!("{name}: {message}{hint}"));
        return nothing();
    };
    let Some(value) = arguments[*parameter].as_str() else {
        fields.wrong::<()>("Policies", format_args!("{name} takes {parameter}"));
        return nothing();
    };
    let settings = scope.settings;
    let place = format!("{}:{}", settings.region, settings.account);
    let resource = |pattern: &&str| {
        pattern.replace("{partition}", settings.partition()).replace("{place}", &place).replace("{}", value)
    };
    Statement::allow(
        actions.iter().map(|action| (*action).to_owned()).collect(),
        resources.iter().map(resource).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::load;
    use emulator::access::{Asked, Statement, Verdict, judge};

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:test-Q";

    fn template(function: &str, more: &str) -> String {
        format!(
            "
Resources:
  Q: {{Type: AWS::SQS::Queue}}
  F:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: provided.al2023, CodeUri: ., {function}}}
{more}"
        )
    }

    fn rights(function: &str, more: &str) -> Vec<Statement> {
        load(&template(function, more)).unwrap().functions.remove(0).policies
    }

    fn problem(function: &str, more: &str) -> String {
        load(&template(function, more)).unwrap_err().to_string()
    }

    fn may_send(statements: &[Statement]) -> bool {
        judge(statements, &Asked::new("sqs:SendMessage", QUEUE)) == Verdict::Allowed
    }

    const ROLE: &str = "
  Sends:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement: {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Q.Arn}
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      ManagedPolicyArns: [!Ref Sends]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: '2012-10-17'
            Statement: [{Effect: Allow, Action: sqs:PurgeQueue, Resource: !GetAtt Q.Arn}]
";

    #[test]
    fn a_role_is_its_own_policies_and_those_attached_to_it() {
        let statements = rights("Role: !GetAtt R.Arn", ROLE);
        assert!(may_send(&statements));
        assert_eq!(judge(&statements, &Asked::new("sqs:PurgeQueue", QUEUE)), Verdict::Allowed);
        assert_eq!(judge(&statements, &Asked::new("sqs:DeleteQueue", QUEUE)), Verdict::NotAllowed);
    }

    #[test]
    fn a_function_without_a_role_has_what_its_policies_say_and_nothing_without_them() {
        assert!(may_send(&rights("Policies: [SQSSendMessagePolicy: {QueueName: !GetAtt Q.QueueName}]", "")));
        assert!(!may_send(&rights("Policies: [SQSPollerPolicy: {QueueName: !GetAtt Q.QueueName}]", "")));
        assert!(!may_send(&rights("Policies: AWSLambdaBasicExecutionRole", "")));
        assert!(!may_send(&rights("Timeout: 3", "")));
    }

    #[test]
    fn rights_that_are_not_known_are_refused_by_name() {
        let unknown = problem("Policies: [AmazonSQSFullAccess]", "");
        assert!(unknown.contains("\"AmazonSQSFullAccess\": the laptop cloud does not know"), "{unknown}");
        let unknown = problem("Policies: [KMSDecryptPolicy: {KeyId: x}]", "");
        assert!(unknown.contains("KMSDecryptPolicy: the laptop cloud does not know"), "{unknown}");
        let elsewhere = problem("Role: 'arn:aws:iam::000000000000:role/x'", "");
        assert!(elsewhere.contains("is no role of this template"), "{elsewhere}");
        let unread =
            problem("Role: !GetAtt R.Arn", &ROLE.replace("Resource: !GetAtt Q.Arn}]", "NotResource: '*'}]"));
        assert!(unread.contains("NotResource is not supported"), "{unread}");
    }

    #[test]
    fn an_event_source_whose_role_may_not_read_it_is_refused() {
        let function = "Role: !GetAtt R.Arn, Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}";
        let refused = problem(function, ROLE);
        assert!(refused.contains("does not have permissions to call ReceiveMessage on SQS"), "{refused}");
        let reads = "[sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]";
        let may = ROLE.replace("Action: sqs:SendMessage", &format!("Action: {reads}"));
        assert!(load(&template(function, &may)).is_ok());
        // SAM gives what it needs to the role that it makes itself.
        assert!(load(&template("Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}", "")).is_ok());
    }
}
