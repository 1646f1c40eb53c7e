"""Mistakes, each a small change of the real template and the name of the check that must catch it."""
from .reading import many

STREAM = "NoteEventsFunction", "Events/Changes/Properties/"
JOBS = "SendEmailFunction", "Events/Jobs/Properties/"
MORNING = "DailyReportFunction", "Events/EveryMorning/Properties/"


def change(resource, path, value):
    """Puts a value at a path below a resource's properties; `@` before the first key is below the resource."""

    def apply(template):
        holder, key = place(template, resource, path)
        assert (key < len(holder) if isinstance(holder, list) else True)
        assert not isinstance(holder, dict) or holder.get(key) != value, f"{resource} {path} is {value!r} already"
        holder[key] = value

    return apply


def remove(resource, path):
    """Takes away what is at a path; it must be there."""

    def apply(template):
        holder, key = place(template, resource, path)
        del holder[key]

    return apply


def drop(resource):
    """Takes a whole resource away."""

    def apply(template):
        del template["Resources"][resource]

    return apply


def copy(resource, name):
    """Another resource like one that is there."""

    def apply(template):
        template["Resources"][name] = dict(template["Resources"][resource])

    return apply


def setting(section, path, value):
    """Puts a value outside the resources; `None` takes it away."""

    def apply(template):
        holder = template[section]
        *way, last = path.split("/")
        for key in way:
            holder = holder[key]
        if value is None:
            del holder[last]
        else:
            holder[last] = value

    return apply


def replace(resource, path, old, new):
    """Another text within the one at a path; it must be there."""

    def apply(template):
        holder, key = place(template, resource, path)
        assert old in holder[key], f"{resource} {path} has no {old}"
        holder[key] = holder[key].replace(old, new)

    return apply


def rename(section, old, new):
    """Another name outside the resources."""

    def apply(template):
        template[section][new] = template[section].pop(old)

    return apply


def both(*changes):
    def apply(template):
        for one in changes:
            one(template)

    return apply


def place(template, resource, path):
    holder = template["Resources"][resource]
    if not path.startswith("@"):
        holder = holder["Properties"]
    *way, last = path.removeprefix("@").split("/")
    for key in way:
        holder = holder[position(holder, key)]
    return holder, position(holder, last)


def position(holder, key):
    """In a list: a number, or `[ACTION]` for the statement that allows it."""
    if not isinstance(holder, list):
        return key
    if key.startswith("["):
        return next(i for i, statement in enumerate(holder) if key[1:-1] in many(statement["Action"]))
    return int(key)


OWN = "Policies/0/PolicyDocument/Statement/"

MISTAKES = [
    # Sources
    ("visibility-timeout", "a queue hides a message as long as its reader may run", change("UploadsQueue", "VisibilityTimeout", 60)),
    ("visibility-timeout", "somebody gave a reader more time, and forgot its queue", change("EmailFeedbackFunction", "Timeout", 30)),
    ("partial-batch-response", "a queue's handler reports failures that nobody reads", remove(JOBS[0], JOBS[1] + "FunctionResponseTypes")),
    ("partial-batch-response", "a stream's handler reports failures that nobody reads", remove(STREAM[0], STREAM[1] + "FunctionResponseTypes")),
    ("batch-window", "a hundred messages at once, without a window", change(JOBS[0], JOBS[1] + "BatchSize", 100)),
    ("queue-concurrency", "a full queue may take every execution of the account", remove(JOBS[0], JOBS[1] + "ScalingConfig")),
    ("stream-failure-destination", "a poison record is dropped without a trace", remove(STREAM[0], STREAM[1] + "DestinationConfig")),
    ("stream-bounds", "a poison record blocks its shard for a day", remove(STREAM[0], STREAM[1] + "MaximumRetryAttempts")),
    ("stream-bounds", "a record is given up when it can no longer be looked up", change(STREAM[0], STREAM[1] + "MaximumRecordAgeInSeconds", 86400)),
    ("stream-bisect", "a poison record takes its whole batch with it", remove(STREAM[0], STREAM[1] + "BisectBatchOnFunctionError")),
    ("filter-pattern", "a filter that is not JSON", change(STREAM[0], STREAM[1] + "FilterCriteria/Filters/0/Pattern", '{"dynamodb":{"Keys":}')),
    ("filter-pattern", "a filter whose value is no list, which matches nothing", change(STREAM[0], STREAM[1] + "FilterCriteria/Filters/0/Pattern", '{"eventName":"INSERT"}')),
    ("filter-pattern", "a filter with an operator that does not exist", change(STREAM[0], STREAM[1] + "FilterCriteria/Filters/0/Pattern", '{"eventName":[{"starts-with":"I"}]}')),
    ("queue-dead-letters", "a queue that tries for ever", remove("EmailQueue", "RedrivePolicy")),
    ("queue-dead-letters", "dead letters in a circle", change("DeadLettersQueue", "RedrivePolicy/deadLetterTargetArn", {"Fn::GetAtt": ["DeadLettersQueue", "Arn"]})),
    ("queue-receives", "one throttle makes a dead letter", change("FeedbackQueue", "RedrivePolicy/maxReceiveCount", 1)),
    ("queue-retention", "dead letters expire sooner than live ones", change("DeadLettersQueue", "MessageRetentionPeriod", 86400)),
    ("bucket-notification-access", "a bucket may not tell its queue", change("UploadsQueuePolicy", "PolicyDocument/Statement/0/Principal/Service", "sns.amazonaws.com")),
    ("bucket-notification-access", "a bucket may be made before it may tell its queue", remove("UploadsBucket", "@DependsOn")),
    ("bucket-loop", "thumbnails are written where uploads are told", change("ThumbnailsRole", OWN + "[s3:PutObject]/Resource", {"Fn::Sub": "arn:${AWS::Partition}:s3:::${AWS::StackName}-uploads-${AWS::AccountId}-${AWS::Region}/*"})),
    ("subscription-access", "a topic may not send to its queue", drop("FeedbackQueuePolicy")),
    # Schedules
    ("schedule-name", "two stacks fight over one schedule", remove(MORNING[0], MORNING[1] + "OmitName")),
    ("schedule-expression", "a cron of five fields, as crontab has it", change(MORNING[0], MORNING[1] + "ScheduleExpression", "cron(0 6 * * ?)")),
    ("schedule-expression", "a cron with both days given", change(MORNING[0], MORNING[1] + "ScheduleExpression", "cron(0 6 * * * *)")),
    ("schedule-time-zone", "six o'clock somewhere", remove(MORNING[0], MORNING[1] + "ScheduleExpressionTimezone")),
    ("schedule-input", "an input that is not JSON", change(MORNING[0], MORNING[1] + "Input", "{schedule: daily-report}")),
    ("schedule-input", "a late run takes today for yesterday", change(MORNING[0], MORNING[1] + "Input", '{"schedule":"daily-report"}')),
    ("schedule-dead-letters", "a run that cannot start leaves no trace", remove(MORNING[0], MORNING[1] + "DeadLetterConfig")),
    ("schedule-dead-letters", "Scheduler may not send to its dead-letter queue", drop("ParkingQueuePolicy")),
    ("schedule-dead-letters", "a run is retried for a day, into the next", remove(MORNING[0], MORNING[1] + "RetryPolicy")),
    ("asynchronous-failure-destination", "a failed run is dropped after its retries", remove("NightlyCleanupFunction", "EventInvokeConfig/DestinationConfig")),
    # Functions
    ("log-retention", "access logs are kept for ever", remove("AccessLogs", "RetentionInDays")),
    ("log-retention", "functions log where Lambda likes, for ever", setting("Globals", "Function/LoggingConfig/LogGroup", None)),
    ("json-logs", "logs as text", setting("Globals", "Function/LoggingConfig/LogFormat", "Text")),
    ("tracing", "one function is missing in every trace", change("SendEmailFunction", "Tracing", "PassThrough")),
    ("architecture", "the dearer processor by default", setting("Parameters", "Architecture/Default", "x86_64")),
    ("request-timeout", "a function works on when the API has given up", change("GetNotesFunction", "Timeout", 60)),
    ("deployment-access", "CodeDeploy may not move the traffic", change("DeploymentRole", "ManagedPolicyArns", [])),
    ("gradual-deployment", "a new version takes everything at once", change("HelloFunction", "DeploymentPreference", {"Enabled": False})),
    ("gradual-deployment", "a deployment watches another function's alarm", change("SaveNoteFunction", "DeploymentPreference/Alarms", [{"Ref": "HelloErrors"}])),
    ("concurrency-parameters", "reserved concurrency that small accounts refuse", change("SendEmailFunction", "ReservedConcurrentExecutions", 10)),
    ("concurrency-parameters", "provisioned concurrency that is always paid for", change("HelloFunction", "ProvisionedConcurrencyConfig", {"ProvisionedConcurrentExecutions": 1})),
    # Access
    ("wildcard-action", "everything DynamoDB can do", change("SaveNoteRole", OWN + "0/Action", "dynamodb:*")),
    ("wildcard-resource", "every table of the account", change("SaveNoteRole", OWN + "0/Resource", "*")),
    ("wildcard-resource", "every index, where one is meant", change("GetNotesRole", OWN + "1/Resource", {"Fn::Sub": "${NotesTable.Arn}/index/*"})),
    ("managed-policy", "AWS's own policy, good for every queue", change("RetryRole", "ManagedPolicyArns", [{"Ref": "Telemetry"}, "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"])),
    ("managed-policy", "SAM makes the role, with AWS's own policies", both(remove("RetryFunction", "Role"), change("RetryFunction", "Policies", []))),
    ("role-per-function", "two functions share a role", change("DeleteNoteFunction", "Role", {"Fn::GetAtt": ["SaveNoteRole", "Arn"]})),
    ("role-trust", "anybody of the account may take a function's role", change("SaveNoteRole", "AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"})),
    ("polling-access", "the queue cannot be read, so nothing ever comes", change("EmailFeedbackRole", OWN + "[sqs:ReceiveMessage]/Action", ["sqs:DeleteMessage", "sqs:GetQueueAttributes"])),
    ("polling-access", "the stream cannot be read, so nothing ever comes", change("NoteEventsRole", OWN + "[dynamodb:GetRecords]/Action", ["dynamodb:DescribeStream", "dynamodb:GetShardIterator"])),
    ("destination-access", "failures may not be sent where they should go", change("NightlyCleanupRole", OWN + "[sqs:SendMessage]/Resource", {"Fn::GetAtt": ["EmailQueue", "Arn"]})),
    ("telemetry-access", "a function that cannot log", remove("HelloRole", "ManagedPolicyArns")),
    ("telemetry-access", "nobody can send traces", remove("Telemetry", "PolicyDocument/Statement/1")),
    ("resource-policy", "everybody may publish", change("OperatorsTopicPolicy", "PolicyDocument/Statement/0/Principal", "*")),
    ("resource-policy", "any account's Scheduler may send", remove("ParkingQueuePolicy", "PolicyDocument/Statement/0/Condition")),
    # API and e-mail
    ("cors-origins", "an intrinsic as the list, which takes the whole block away", change("Api", "CorsConfiguration/AllowOrigins", {"Fn::Split": [",", {"Ref": "AppOrigin"}]})),
    ("cors-origins", "every page may call", change("Api", "CorsConfiguration/AllowOrigins", ["*"])),
    ("cors-headers", "a browser cannot read the version it must send", change("Api", "CorsConfiguration/ExposeHeaders", ["accept", "allow", "location", "retry-after"])),
    ("route-authorizer", "a route without a token", change("GetReportFunction", "Events/Get/Properties/Auth", {"Authorizer": "NONE"})),
    ("transform", "no authorizer by default", remove("Api", "Auth/DefaultAuthorizer")),
    ("transform", "a function without a runtime", setting("Globals", "Function/Runtime", None)),
    ("throttling", "no limit at the door", remove("Api", "DefaultRouteSettings")),
    ("access-log", "requests leave no log", remove("Api", "AccessLogSettings")),
    ("access-log", "the log shows who was where", change("Api", "AccessLogSettings/Format", '{"ip":"$context.identity.sourceIp"}')),
    ("email-feedback", "complaints are not heard", change("FeedbackDestination", "EventDestination/MatchingEventTypes", ["bounce"])),
    ("email-feedback", "SES may not publish what it should tell", drop("FeedbackTopicPolicy")),
    ("email-transport", "e-mail in the clear", remove("MailConfiguration", "DeliveryOptions")),
    ("email-transport", "mail to those who refused it", remove("MailConfiguration", "SuppressionOptions")),
    # Storage
    ("point-in-time-recovery", "yesterday is gone", remove("NotesTable", "PointInTimeRecoverySpecification")),
    ("deletion-protection", "a table deleted by mistake", remove("LedgerTable", "DeletionProtectionEnabled")),
    ("retained", "deleting the stack deletes the notes", remove("NotesTable", "@DeletionPolicy")),
    ("retained", "renaming a bucket deletes its pictures", remove("UploadsBucket", "@UpdateReplacePolicy")),
    ("encryption", "a table in the clear", remove("NotesTable", "SSESpecification")),
    ("encryption", "a queue in the clear", change("EmailQueue", "SqsManagedSseEnabled", False)),
    ("on-demand", "capacity that is paid for at night", change("NotesTable", "BillingMode", "PROVISIONED")),
    ("time-to-live", "records pile up", remove("LedgerTable", "TimeToLiveSpecification")),
    ("time-to-live", "expiry starts events", change("NotesTable", "TimeToLiveSpecification", {"AttributeName": "expires_at", "Enabled": True})),
    ("bucket-private", "a picture can be made public", change("UploadsBucket", "PublicAccessBlockConfiguration/BlockPublicPolicy", False)),
    ("bucket-tls", "pictures over plain HTTP", drop("ThumbnailsBucketPolicy")),
    ("bucket-tls", "TLS for the bucket, and not for what is in it", change("UploadsBucketPolicy", "PolicyDocument/Statement/0/Resource", {"Fn::GetAtt": ["UploadsBucket", "Arn"]})),
    ("bucket-lifecycle", "parts of given-up uploads stay", remove("UploadsBucket", "LifecycleConfiguration")),
    ("bucket-cors", "every page may use an upload address", change("UploadsBucket", "CorsConfiguration/CorsRules/0/AllowedOrigins", ["*"])),
    ("stack-names", "one environment keeps the other out", change("UploadsBucket", "BucketName", "notes-uploads")),
    # Alarms
    ("alarm-subject", "an alarm on a function that is gone", change("SaveNoteErrors", "Dimensions/0/Value", "save-note")),
    ("alarm-subject", "an alarm on a metric that does not exist", change("StreamBehind", "MetricName", "IteratorAgeMilliseconds")),
    ("alarm-subject", "an alarm on a queue's URL in place of its name", change("EmailWaiting", "Dimensions/0/Value", {"Ref": "Api"})),
    ("alarm-expression", "a sum that leaves one function out", change("ApiThrottles", "Metrics/0/Expression", "SUM([m1, m2, m3, m4, m5, m6])")),
    ("alarm-tells", "an alarm that nobody hears", change("ParkingNotEmpty", "AlarmActions", [])),
    ("alarm-tells", "a topic that takes no alarms", drop("OperatorsTopicPolicy")),
    ("alarm-missing-data", "an alarm that is unsure every quiet night", remove("ApiServerErrors", "TreatMissingData")),
    ("alarm-window", "more than CloudWatch looks at", change("DailyReportMissing", "EvaluationPeriods", 2)),
    ("function-alarms", "a function whose errors nobody counts", change("ThumbnailsErrors", "Dimensions/0/Value", {"Ref": "SendEmailFunction"})),
    ("timeout-alarms", "somebody gave a function more time, and forgot its alarm", both(change("ThumbnailsFunction", "Timeout", 90), change("UploadsQueue", "VisibilityTimeout", 540))),
    ("queue-alarms", "a queue that nobody watches", drop("ReplaysWaiting")),
    ("queue-alarms", "parked messages that nobody sees", drop("ParkingNotEmpty")),
    ("service-alarms", "bounces up to where SES closes the account", change("BounceRate", "Threshold", 0.1)),
    ("service-alarms", "failures at the door that nobody counts", drop("ApiServerErrors")),
    ("alarm-subject", "an alarm on a metric that nothing counts", change("EmailsUnrecorded", "MetricName", "EmailsUnwritten")),
    ("alarm-subject", "an alarm on another stack's e-mails", change("EmailsUnrecorded", "Dimensions/0/Value", {"Ref": "NotesTable"})),
    ("dashboard", "a metric that is counted, and nobody sees it", replace("Dashboard", "DashboardBody/Fn::Sub", '"Notes","Parked"', '"Notes","Replayed"')),
    ("dashboard", "a dashboard that is not JSON", change("Dashboard", "DashboardBody", {"Fn::Sub": '{"widgets":[}'})),
    ("dashboard", "a dashboard of something that is gone", change("Dashboard", "DashboardBody", {"Fn::Sub": '{"widgets":[{"properties":{"metrics":[["AWS/SQS","ApproximateAgeOfOldestMessage","QueueName","email"]]}}]}'})),
    ("dashboard", "a queue that the dashboard does not show", replace("Dashboard", "DashboardBody/Fn::Sub", "${ParkingQueue.QueueName}", "${EmailQueue.QueueName}")),
    ("dashboard", "a search of metrics, whose quotes make it match nothing", change("Dashboard", "DashboardBody", {"Fn::Sub": """{"widgets":[{"properties":{"metrics":[[{"expression":"SEARCH('{AWS/Lambda,FunctionName} FunctionName=\\"notes\\"', 'Sum')"}]]}}]}"""})),
    ("operations-document", "an alarm that nobody knows what to do about", copy("StreamBehind", "StreamFarBehind")),
    ("operations-document", "advice for an alarm that is no more", drop("StreamBehind")),
    ("environments", "a value that is gone, and an environment still sets it", setting("Parameters", "Deployment/AllowedValues", ["AllAtOnce"])),
    ("environments", "a parameter of another name, and environments still set the old one", rename("Parameters", "AlarmAddress", "AlarmsTo")),
    # Linters
    ("lint-written", "a property that does not exist", change("EmailQueue", "VisibilityTimeOut", 180)),
    ("lint-written", "a retention that CloudWatch does not have", change("AccessLogs", "RetentionInDays", 31)),
    ("lint-deployed", "a reference to nothing", change("EmailFeedbackRole", OWN + "0/Resource", {"Fn::GetAtt": ["LedgrTable", "Arn"]})),
    ("lint-deployed", "an attribute that does not exist", change("EmailFeedbackRole", OWN + "0/Resource", {"Fn::GetAtt": ["LedgerTable", "Arm"]})),
    ("lint-deployed", "an action that IAM does not have", change("EmailFeedbackRole", OWN + "0/Action", "dynamodb:PutItems")),
    ("lint-deployed", "a bucket and its reader in a circle", change("UploadsQueuePolicy", "PolicyDocument/Statement/0/Condition/ArnLike/aws:SourceArn", {"Fn::GetAtt": ["UploadsBucket", "Arn"]})),
    ("policy", "a bucket without a block on public policies", remove("ThumbnailsBucket", "PublicAccessBlockConfiguration")),
    ("policy", "a role that may write to everything", change("SaveNoteRole", OWN + "0", {"Effect": "Allow", "Action": "*", "Resource": "*"})),
]
