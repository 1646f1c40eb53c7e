//! Whole templates: the repository's own, and one for each kind of mistake.

use super::testing::{load, settings};
use crate::app::{App, BucketNotification, BucketSource, Build, StartingPosition};
use std::path::Path;
use std::time::Duration;

fn own() -> App {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    super::load(&path, &settings()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn environment<'a>(app: &'a App, function: &str, name: &str) -> &'a str {
    let function = app.functions.iter().find(|candidate| candidate.name == function).unwrap();
    &function.environment[name]
}

#[test]
fn the_own_template_has_its_functions() {
    let app = own();
    assert_eq!(app.functions.len(), 14);
    let thumbnails = app.functions.iter().find(|function| function.name == "ThumbnailsFunction").unwrap();
    assert_eq!(thumbnails.memory_megabytes, 1024);
    assert_eq!(thumbnails.timeout, Duration::from_secs(60));
    assert!(matches!(&thumbnails.build, Build::Cargo { binary, .. } if binary == "thumbnails"));
    assert_eq!(environment(&app, "HelloFunction", "NOTES_TABLE"), "test-NotesTable");
    assert_eq!(
        environment(&app, "AttachmentsFunction", "UPLOADS_BUCKET"),
        "test-uploads-000000000000-us-east-1"
    );
    assert_eq!(environment(&app, "SendEmailFunction", "API_URL"), "http://localhost:3000");
    assert_eq!(environment(&app, "SendEmailFunction", "CONFIGURATION_SET"), "test-mail");
    let key = environment(&app, "SendEmailFunction", "SIGNING_KEYS");
    assert_eq!(key.len(), 64);
    assert_eq!(environment(&app, "GetNotesFunction", "SIGNING_KEYS"), key);
    let report = app.functions.iter().find(|function| function.name == "DailyReportFunction").unwrap();
    assert_eq!(
        report.asynchronous.on_failure.as_deref(),
        Some("arn:aws:sqs:us-east-1:000000000000:test-ParkingQueue")
    );
    assert_eq!(app.outputs["ApiUrl"], "http://localhost:3000");
    assert_eq!(app.outputs["ParkingQueueUrl"], "http://localhost:4566/000000000000/test-ParkingQueue");
}

#[test]
fn the_own_template_has_its_api() {
    let api = own().http_api.unwrap();
    let caller = &api.authorizers["Caller"];
    assert_eq!(caller.issuer, "http://localhost:3000/_local");
    assert_eq!(caller.audience, ["notes"]);
    let authorizer = |method: &str, path: &str| {
        let route = api.routes.iter().find(|route| route.method == method && route.path == path).unwrap();
        route.authorizer.clone()
    };
    assert_eq!(authorizer("GET", "/hello"), None);
    assert_eq!(authorizer("POST", "/unsubscribe"), None);
    assert_eq!(authorizer("PATCH", "/notes/{id}").as_deref(), Some("Caller"));
    let cors = api.cors.unwrap();
    assert_eq!(cors.allow_origins, ["http://localhost:3000"]);
    assert_eq!(cors.max_age, Some(3600));
    assert_eq!(api.throttle.map(|throttle| throttle.burst), Some(2000));
}

#[test]
fn the_own_template_has_its_event_sources() {
    let app = own();
    let [stream] = app.stream_sources.as_slice() else { panic!("{:?}", app.stream_sources) };
    assert_eq!(stream.id, "NoteEventsFunction.Changes");
    assert_eq!(stream.table, "test-NotesTable");
    assert_eq!(stream.starting_position, StartingPosition::TrimHorizon);
    assert_eq!(stream.maximum_retry_attempts, Some(5));
    assert_eq!(stream.maximum_record_age, Some(Duration::from_secs(43_200)));
    assert!(stream.bisect_on_error && stream.report_batch_item_failures);
    assert_eq!(stream.filters.len(), 1);
    assert_eq!(app.queue_sources.len(), 6);
    let jobs = app.queue_sources.iter().find(|source| source.id == "SendEmailFunction.Jobs").unwrap();
    assert_eq!((jobs.queue_name.as_str(), jobs.maximum_concurrency), ("test-EmailQueue", Some(10)));
    assert_eq!(app.schedules.len(), 2);
    let morning = &app.schedules[0];
    assert_eq!(morning.name, "DailyReportFunction.EveryMorning");
    assert_eq!((morning.time_zone.as_str(), morning.maximum_retry_attempts), ("UTC", 3));
    assert_eq!(morning.maximum_event_age, Duration::from_secs(3600));
    assert!(morning.input.as_ref().unwrap().contains("<aws.scheduler.scheduled-time>"));
}

#[test]
fn the_own_template_has_its_data() {
    let app = own();
    let notes = app.tables.iter().find(|table| table.name == "test-NotesTable").unwrap();
    assert_eq!(notes.create["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(notes.create["GlobalSecondaryIndexes"].as_array().unwrap().len(), 2);
    let ledger = app.tables.iter().find(|table| table.name == "test-LedgerTable").unwrap();
    assert_eq!(ledger.ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(app.queues.len(), 7);
    let email = app.queues.iter().find(|queue| queue.name == "test-EmailQueue").unwrap();
    assert_eq!(email.attributes["VisibilityTimeout"], "180");
    assert_eq!(
        email.attributes["RedrivePolicy"],
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:test-DeadLettersQueue","maxReceiveCount":6}"#
    );
    let uploads = app.buckets.iter().find(|bucket| bucket.name.contains("uploads")).unwrap();
    assert_eq!(uploads.notifications[0].event, "s3:ObjectCreated:*");
    assert_eq!(uploads.cors_rules[0].allowed_methods, ["GET", "PUT"]);
    assert_eq!(app.identities, ["notes@example.com"]);
    let mail = &app.configuration_sets[0];
    assert_eq!((mail.name.as_str(), mail.destinations[0].name.as_str()), ("test-mail", "feedback"));
    assert_eq!(mail.destinations[0].topic_arn, app.topics[0].arn);
    assert!(app.subscriptions[0].raw_message_delivery);
}

/// A function `F` with more properties, after the resources it needs.
fn with_function(resources: &str, properties: &str) -> String {
    format!(
        "Resources:\n{resources}\n  F: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: f, Runtime: provided.al2023, {properties}}}}}\n"
    )
}

#[test]
fn functions_have_the_defaults_of_aws() {
    let app = load(&with_function(
        "  Q: {Type: AWS::SQS::Queue}
  T: {Type: AWS::Serverless::SimpleTable}",
        "Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}, B: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes)}}, C: {Type: HttpApi}}",
    ))
    .unwrap();
    let function = &app.functions[0];
    assert_eq!((function.timeout, function.memory_megabytes), (Duration::from_secs(3), 128));
    assert_eq!(function.arn, "arn:aws:lambda:us-east-1:000000000000:function:F");
    assert_eq!(function.build, Build::Prebuilt { bootstrap: "app/f/bootstrap".into() });
    assert_eq!(function.asynchronous.maximum_retry_attempts, 2);
    let source = &app.queue_sources[0];
    assert_eq!(
        (source.batch_size, source.window, source.report_batch_item_failures),
        (10, Duration::ZERO, false)
    );
    let schedule = &app.schedules[0];
    assert_eq!((schedule.maximum_retry_attempts, schedule.maximum_event_age.as_secs()), (185, 86_400));
    assert_eq!(schedule.input, None);
    let api = app.http_api.unwrap();
    assert_eq!((api.id.as_str(), api.routes[0].path.as_str()), ("serverlesshttpapi", "$default"));
    assert_eq!(app.tables[0].create["KeySchema"][0]["AttributeName"], "id");
}

#[test]
fn a_function_says_what_becomes_of_its_failed_events() {
    let app = load(&with_function(
        "  Q: {Type: AWS::SQS::Queue}
  D: {Type: AWS::SQS::Queue}",
        "DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt D.Arn}, EventInvokeConfig: {MaximumRetryAttempts: 0, \
         MaximumEventAgeInSeconds: 60, DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}}, \
         Events: {A: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes), \
         StartDate: '2030-01-01T00:00:00Z', EndDate: '2031-01-01T00:00:00+01:00', \
         FlexibleTimeWindow: {Mode: FLEXIBLE, MaximumWindowInMinutes: 15}}}}",
    ))
    .unwrap();
    let rules = &app.functions[0].asynchronous;
    assert_eq!((rules.maximum_retry_attempts, rules.maximum_event_age), (0, Duration::from_secs(60)));
    assert_eq!(rules.on_failure.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:test-Q"));
    assert_eq!(rules.dead_letter_queue.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:test-D"));
    let date = |date: Option<chrono::DateTime<chrono::Utc>>| date.unwrap().to_rfc3339();
    assert_eq!(date(app.schedules[0].start), "2030-01-01T00:00:00+00:00");
    assert_eq!(date(app.schedules[0].end), "2030-12-31T23:00:00+00:00");
}

#[test]
fn between_a_bucket_and_a_function_that_it_calls_stands_a_queue() {
    let event = "Events: {E: {Type: S3, Properties: {Bucket: !Ref B, Events: ['s3:ObjectCreated:*', \
                 's3:ObjectRemoved:*'], Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}]}}}}}";
    let app = load(&with_function("  B: {Type: AWS::S3::Bucket}", event)).unwrap();
    let source = |source: &BucketSource| (source.function.clone(), source.queue_name.clone());
    let queue = "test-F-notifications".to_owned();
    assert_eq!(app.bucket_sources.iter().map(source).collect::<Vec<_>>(), [("F".to_owned(), queue.clone())]);
    assert_eq!(app.queues.iter().map(|queue| &queue.name).collect::<Vec<_>>(), [&queue]);
    let told = |event: &str| BucketNotification {
        event: event.to_owned(),
        queue_arn: app.queues[0].arn.clone(),
        prefix: Some("in/".to_owned()),
        suffix: None,
    };
    assert_eq!(app.buckets[0].notifications, [told("s3:ObjectCreated:*"), told("s3:ObjectRemoved:*")]);

    let bucket = "  B:
    Type: AWS::S3::Bucket
    Properties:
      NotificationConfiguration:
        LambdaConfigurations: [{Event: 's3:ObjectCreated:Put', Function: !GetAtt F.Arn}]";
    let same = load(&with_function(bucket, "")).unwrap();
    assert_eq!(same.bucket_sources, app.bucket_sources);
    assert_eq!(same.buckets[0].notifications[0].event, "s3:ObjectCreated:Put");

    // As in CloudFormation: the bucket's configuration needs the function, and the function the bucket's name.
    let circle = format!("Environment: {{Variables: {{B: !Ref B}}}}, {event}");
    let errors = load(&with_function("  B: {Type: AWS::S3::Bucket}", &circle)).unwrap_err();
    assert!(errors.messages()[0].contains("circular dependency: B → F → B"), "{errors}");
}

#[test]
fn notifications_of_a_bucket_that_overlap_are_refused() {
    let errors = |rules: &[(&str, &str, &str)]| {
        let rule = |(event, prefix, suffix): &(&str, &str, &str)| {
            let filter = format!(
                "{{S3Key: {{Rules: [{{Name: prefix, Value: '{prefix}'}}, {{Name: suffix, Value: '{suffix}'}}]}}}}"
            );
            format!("{{Event: '{event}', Function: !GetAtt F.Arn, Filter: {filter}}}")
        };
        let rules = rules.iter().map(rule).collect::<Vec<_>>().join(", ");
        let bucket = format!(
            "  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      NotificationConfiguration:\n        \
             LambdaConfigurations: [{rules}]"
        );
        load(&with_function(&bucket, "")).map_or_else(|errors| errors.messages().to_vec(), |_| Vec::new())
    };
    let (created, put) = ("s3:ObjectCreated:*", "s3:ObjectCreated:Put");
    for apart in [
        [(created, "in/", ".jpg"), (created, "out/", ".jpg")],
        [(created, "in/", ".jpg"), (created, "in/", ".png")],
        [(created, "in/", ".jpg"), ("s3:ObjectRemoved:*", "in/", ".jpg")],
        [(put, "in/", ".jpg"), ("s3:ObjectCreated:Post", "in/", ".jpg")],
    ] {
        assert_eq!(errors(&apart), [""; 0], "{apart:?}");
    }
    for together in [
        [(created, "in/", ".jpg"), (put, "in/", ".jpg")],
        [(created, "in/", ".jpg"), (created, "in/new/", ".jpg")],
        [(put, "in/", "s.jpg"), (put, "in/", ".jpg")],
    ] {
        let errors = errors(&together);
        assert!(matches!(&errors[..], [error] if error.contains("overlap, which S3 refuses")), "{errors:?}");
    }
    let named = errors(&[(created, "in/", ".jpg"), (put, "in/", ".jpg")]);
    assert!(
        named[0].contains("s3:ObjectCreated:* of in/….jpg and s3:ObjectCreated:Put of in/….jpg"),
        "{named:?}"
    );
}

#[test]
fn every_resource_mistake_is_told() {
    let cases = [
        (
            "{Type: AWS::SQS::Queue, Properties: {VisiblityTimeout: 3}}",
            r#"resource R (AWS::SQS::Queue): unknown property "VisiblityTimeout" — did you mean VisibilityTimeout?"#,
        ),
        (
            "{Type: AWS::SQS::Queu}",
            "resource R (AWS::SQS::Queu): the laptop cloud does not know resources of type AWS::SQS::Queu — did you mean AWS::SQS::Queue?",
        ),
        (
            "{Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 50000}}",
            "resource R (AWS::SQS::Queue), VisibilityTimeout: 50000 is not within 0–43200",
        ),
        (
            "{Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: x, maxReceiveCount: 3}}}",
            r#"queue test-R, RedrivePolicy: "x" is no ARN of a queue of this template"#,
        ),
        (
            "{Type: AWS::SQS::Queue, DependsOn: Nothing}",
            r#"resource R (AWS::SQS::Queue): DependsOn: "Nothing" is no resource"#,
        ),
        (
            "{Type: AWS::SQS::Queue, Properties: {DelaySeconds: ~}}",
            "the template, Resources.R.Properties.DelaySeconds: there is no value here (null)",
        ),
        (
            "{Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, KeySchema: [{AttributeName: a, KeyType: HASH}], AttributeDefinitions: [{AttributeName: a, AttributeType: S}, {AttributeName: b, AttributeType: S}]}}",
            "resource R (AWS::DynamoDB::Table), AttributeDefinitions: b is defined and no key uses it",
        ),
        (
            "{Type: AWS::S3::Bucket, Properties: {BucketName: Big_Bucket}}",
            r#"resource R (AWS::S3::Bucket), BucketName: "Big_Bucket" is no bucket name: 3–63 lower-case letters, digits, dots and hyphens"#,
        ),
        (
            "{Type: AWS::S3::Bucket, Properties: {VersioningConfiguration: {Status: Enabled}}}",
            "resource R (AWS::S3::Bucket), VersioningConfiguration: not supported by the laptop cloud: objects have one version",
        ),
        (
            "{Type: AWS::Serverless::HttpApi, Properties: {StageName: prod}}",
            "resource R (AWS::Serverless::HttpApi), StageName: stage prod is not supported: there is only $default",
        ),
    ];
    for (resource, expected) in cases {
        let errors = load(&format!("Resources: {{R: {resource}}}")).unwrap_err();
        assert_eq!(errors.messages(), [expected]);
    }
}

#[test]
fn every_function_mistake_is_told() {
    let resources = "  Q: {Type: AWS::SQS::Queue}
  Fifo: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Topic: {Type: AWS::SNS::Topic}
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: a, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: a, AttributeType: S}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}";
    let stream = |more: &str| {
        format!(
            "Events: {{E: {{Type: DynamoDB, Properties: {{Stream: !GetAtt T.StreamArn, StartingPosition: LATEST, {more}}}}}}}"
        )
    };
    let sqs =
        |more: &str| format!("Events: {{E: {{Type: SQS, Properties: {{Queue: !GetAtt Q.Arn, {more}}}}}}}");
    let v2 = |more: &str| {
        format!(
            "Events: {{E: {{Type: ScheduleV2, Properties: {{ScheduleExpression: rate(1 hour), {more}}}}}}}"
        )
    };
    let cases = [
        ("Timeout: 901".to_owned(), ", Timeout: 901 is not within 1–900"),
        (sqs("BatchSize: 11"), "BatchSize: more than 10 needs a MaximumBatchingWindowInSeconds of at least 1"),
        (
            sqs("FilterCriteria: {Filters: [{Pattern: '{'}]}"),
            "FilterCriteria.Filters[0].Pattern: it is not JSON: EOF",
        ),
        (
            format!("Timeout: 31, {}", sqs("BatchSize: 1")),
            "queue test-Q has a VisibilityTimeout of 30 s, less than the function's Timeout of 31 s",
        ),
        (
            v2("RetryPolicy: {MaximumRetryAttempts: 186}"),
            "RetryPolicy.MaximumRetryAttempts: 186 is not within 0–185",
        ),
        (
            v2("RetryPolcy: {}"),
            r#"unknown property "Events.E.Properties.RetryPolcy" — did you mean RetryPolicy?"#,
        ),
        (
            "Events: {E: {Type: S3, Properties: {Bucket: x, Events: 's3:ObjectCreated:*'}}}".to_owned(),
            "Events.E.Properties.Bucket: \"x\" is no bucket of this template",
        ),
        (
            "Events: {E: {Type: S3, Properties: {Bucket: x, Events: 's3:TestEvent'}}}".to_owned(),
            "Events.E.Properties.Events: \"s3:TestEvent\" is no event that buckets tell here",
        ),
        ("Events: {E: {Type: Sqs}}".to_owned(), r#"Events.E.Type: unknown event type "Sqs""#),
        (
            "Events: {A: {Type: HttpApi, Properties: {Path: '/x/{a}', Method: get}}, B: {Type: HttpApi, Properties: {Path: '/x/{b}', Method: GET}}}".to_owned(),
            "Events.B.Properties: GET /x/{b} is a route of F already",
        ),
        (
            "Events: {A: {Type: HttpApi, Properties: {Path: /x, Method: GET, Auth: {Authorizer: Who}}}}".to_owned(),
            r#"Auth.Authorizer: "Who" is no authorizer of the API"#,
        ),
        (
            "EventInvokeConfig: {MaximumRetryAttempts: 3}".to_owned(),
            "EventInvokeConfig.MaximumRetryAttempts: 3 is not within 0–2",
        ),
        (
            sqs(&format!("FilterCriteria: {{Filters: [{{Pattern: '{{\"a\":[\"{}\"]}}'}}]}}", "x".repeat(4090))),
            "FilterCriteria.Filters[0].Pattern: it has more than 4096 characters",
        ),
        (
            "DeadLetterQueue: {Type: SNS, TargetArn: !GetAtt Q.Arn}".to_owned(),
            "DeadLetterQueue.Type: SNS is not supported by the laptop cloud: send failures to a queue",
        ),
        (
            "EventInvokeConfig: {DestinationConfig: {OnSuccess: {Type: SQS, Destination: !GetAtt Q.Arn}}}".to_owned(),
            "DestinationConfig.OnSuccess: not supported by the laptop cloud: only failures have a destination",
        ),
        (
            "DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Fifo.Arn}".to_owned(),
            "test-Fifo.fifo\" is a FIFO queue; it must be a standard one",
        ),
        (
            "EventInvokeConfig: {DestinationConfig: {OnFailure: {Destination: !Ref Topic}}}".to_owned(),
            "topics are not supported here by the laptop cloud: name a queue",
        ),
        (v2("StartDate: tomorrow"), r#"StartDate: "tomorrow" is no date like 2030-01-31T12:00:00Z"#),
        (
            v2("StartDate: '2030-01-02T00:00:00Z', EndDate: '2030-01-01T00:00:00Z'"),
            "EndDate: it must be later than StartDate",
        ),
        (
            v2("FlexibleTimeWindow: {Mode: FLEXIBLE}"),
            "FlexibleTimeWindow: property MaximumWindowInMinutes is required",
        ),
        (
            v2("FlexibleTimeWindow: {Mode: 'OFF', MaximumWindowInMinutes: 5}"),
            "MaximumWindowInMinutes: only a window of mode FLEXIBLE has it",
        ),
        (stream("TumblingWindowInSeconds: 5"), "TumblingWindowInSeconds: not supported by the laptop cloud"),
        (
            stream("DestinationConfig: {OnFailure: {Type: S3, Destination: !GetAtt Q.Arn}}"),
            "DestinationConfig.OnFailure.Type: S3 is not supported by the laptop cloud",
        ),
        (stream("MaximumRecordAgeInSeconds: 30"), "30 is neither -1 nor within 60–604800"),
        ("Environment: {Variables: {A: !Ref F}}".to_owned(), "circular dependency: F → F"),
    ];
    for (properties, expected) in cases {
        let errors = load(&with_function(resources, &properties)).unwrap_err();
        assert_eq!(errors.messages().len(), 1, "{errors}");
        assert!(errors.messages()[0].contains(expected), "{errors}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = load(
        "Resources:
  A: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1000, VisibilityTimeout: !Ref Nothing}}
  B: {Type: AWS::Nothing::Here}
",
    )
    .unwrap_err();
    assert_eq!(errors.messages().len(), 3, "{errors}");
}

#[test]
fn an_issuer_that_is_left_open_is_the_hosts() {
    let api = |parameter: &str| {
        let template = format!(
            "Parameters: {{Issuer: {{Type: String{parameter}}}}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {{Auth: {{Authorizers: {{Jwt: {{JwtConfiguration: {{issuer: !Ref Issuer, audience: [x]}}}}}}}}}}
"
        );
        load(&template).unwrap().http_api.unwrap().authorizers["Jwt"].issuer.clone()
    };
    assert_eq!(api(""), "http://localhost:3000/_local");
    assert_eq!(api(", Default: 'https://id.example.com'"), "https://id.example.com");
}

#[test]
fn a_resource_whose_condition_is_false_is_not_there() {
    let app = load(
        "Conditions: {Never: !Equals [a, b]}
Resources:
  A: {Type: AWS::SQS::Queue, Condition: Never, Properties: {Nonsense: 1}}
  B: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !If [Never, 5, !Ref 'AWS::NoValue']}}
",
    )
    .unwrap();
    assert_eq!(app.queues.len(), 1);
    assert!(app.queues[0].attributes.is_empty());
}
