//! What the laptop cloud knowingly does nothing about. Everything else is either carried out or an error.

/// Resource types that are right in a template and have no effect here, each with the reason. A name that ends with
/// `::` stands for all types below it.
const TYPES_WITHOUT_EFFECT: [(&str, &str); 20] = [
    ("AWS::ApplicationAutoScaling::", "there is no capacity to scale"),
    ("AWS::Budgets::", "nothing costs anything"),
    ("AWS::CloudFront::", "there is no edge in front of one process"),
    ("AWS::CloudWatch::", "alarms and dashboards are for the deployed system"),
    ("AWS::Cognito::", "the host is its own identity provider"),
    ("AWS::IAM::InstanceProfile", "there are no instances"),
    ("AWS::KMS::", "nothing is encrypted at rest on a laptop"),
    ("AWS::Lambda::Alias", "there is one version: the one that was just built"),
    ("AWS::Lambda::Permission", "the host's own callers are all trusted"),
    ("AWS::Lambda::Version", "there is one version: the one that was just built"),
    ("AWS::Logs::", "logs go to the terminal"),
    ("AWS::Route53::", "there are no domains"),
    ("AWS::S3::BucketPolicy", "the host's own callers are all trusted"),
    ("AWS::SES::ReceiptRule", "no e-mail is received"),
    ("AWS::SNS::TopicPolicy", "the host's own callers are all trusted"),
    ("AWS::SQS::QueuePolicy", "the host's own callers are all trusted"),
    ("AWS::SSM::", "there is no Systems Manager"),
    ("AWS::ServiceCatalogAppRegistry::", "it is paperwork"),
    ("AWS::WAFv2::", "nobody attacks a loopback address"),
    ("AWS::XRay::", "traces are for the deployed system"),
];

/// The types that are carried out.
pub(super) const TYPES: [&str; 14] = [
    "AWS::DynamoDB::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::S3::Bucket",
    "AWS::SES::ConfigurationSet",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SES::EmailIdentity",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::SimpleTable",
];

/// Why a type has no effect here; `None` when it has, or is not known at all.
pub(super) fn reason_without_effect(kind: &str) -> Option<&'static str> {
    TYPES_WITHOUT_EFFECT
        .iter()
        .find(|(name, _)| *name == kind || (name.ends_with("::") && kind.starts_with(name)))
        .map(|(_, reason)| *reason)
}

/// Properties without effect here, by type. What they are about: rights of others than functions, encryption and
/// backups (a laptop has its own), capacity and cost, telemetry (logs go to the terminal), and labels for people.
pub(super) mod without_effect {
    pub(crate) const TABLE: [&str; 14] = [
        "BillingMode",
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "KinesisStreamSpecification",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "ProvisionedThroughput",
        "ResourcePolicy",
        "SSESpecification",
        "TableClass",
        "TableName",
        "Tags",
        "WarmThroughput",
        "Replicas",
    ];
    pub(crate) const INDEX: [&str; 4] =
        ["ContributorInsightsSpecification", "OnDemandThroughput", "ProvisionedThroughput", "WarmThroughput"];
    pub(crate) const SIMPLE_TABLE: [&str; 5] = [
        "PointInTimeRecoverySpecification",
        "ProvisionedThroughput",
        "SSESpecification",
        "TableName",
        "Tags",
    ];
    pub(crate) const QUEUE: [&str; 5] =
        ["KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "QueueName", "SqsManagedSseEnabled", "Tags"];
    pub(crate) const BUCKET: [&str; 13] = [
        "AccelerateConfiguration",
        "AccessControl",
        "AnalyticsConfigurations",
        "BucketEncryption",
        "BucketName",
        "IntelligentTieringConfigurations",
        "InventoryConfigurations",
        // Objects do not age here: what expires by rule in the cloud stays on the laptop.
        "LifecycleConfiguration",
        "LoggingConfiguration",
        "MetricsConfigurations",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
    ];
    pub(crate) const TOPIC: [&str; 8] = [
        "DataProtectionPolicy",
        "DeliveryStatusLogging",
        "DisplayName",
        "KmsMasterKeyId",
        "SignatureVersion",
        "Tags",
        "TopicName",
        "TracingConfig",
    ];
    pub(crate) const SUBSCRIPTION: [&str; 2] = ["Region", "SubscriptionRoleArn"];
    /// Whether mail can be verified, and how it looks to strangers' servers, has no meaning in a local mailbox.
    pub(crate) const EMAIL_IDENTITY: [&str; 6] = [
        "ConfigurationSetAttributes",
        "DkimAttributes",
        "DkimSigningAttributes",
        "FeedbackAttributes",
        "MailFromAttributes",
        "Tags",
    ];
    pub(crate) const CONFIGURATION_SET: [&str; 8] = [
        "DeliveryOptions",
        "Name",
        "ReputationOptions",
        "SendingOptions",
        "SuppressionOptions",
        "Tags",
        "TrackingOptions",
        "VdmOptions",
    ];
    pub(crate) const SECRET: [&str; 5] = ["Description", "KmsKeyId", "Name", "ReplicaRegions", "Tags"];
    pub(crate) const FUNCTION: [&str; 20] = [
        "Architectures",
        "AssumeRolePolicyDocument",
        "AutoPublishAlias",
        "AutoPublishAliasAllProperties",
        "AutoPublishCodeSha256",
        "CodeSigningConfigArn",
        "DeploymentPreference",
        "Description",
        "EphemeralStorage",
        // The logical id is the name here: two stacks cannot collide.
        "FunctionName",
        "KmsKeyArn",
        "LoggingConfig",
        "PermissionsBoundary",
        "ProvisionedConcurrencyConfig",
        "RecursiveLoop",
        // The pool has its own limit: there is no account to share with.
        "ReservedConcurrentExecutions",
        "RolePath",
        "Tags",
        "Tracing",
        "VpcConfig",
    ];
    pub(crate) const EVENT_SOURCE: [&str; 2] = ["KmsKeyArn", "MetricsConfig"];
    pub(crate) const SCHEDULE: [&str; 6] =
        ["Description", "GroupName", "Name", "OmitName", "PermissionsBoundary", "RoleArn"];
    pub(crate) const HTTP_API: [&str; 6] =
        ["AccessLogSettings", "Description", "DisableExecuteApiEndpoint", "Name", "PropagateTags", "Tags"];
    pub(crate) const ROUTE_SETTINGS: [&str; 3] =
        ["DataTraceEnabled", "DetailedMetricsEnabled", "LoggingLevel"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_name_or_family() {
        assert!(reason_without_effect("AWS::SQS::QueuePolicy").is_some());
        assert!(reason_without_effect("AWS::WAFv2::WebACL").is_some());
        assert!(reason_without_effect("AWS::SQS::QueuePolic").is_none());
        assert!(TYPES.iter().all(|kind| reason_without_effect(kind).is_none()));
    }
}
