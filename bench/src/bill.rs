//! What the operations come to in a month.

use crate::cost::Cost;
use crate::operations::Operations;
use crate::prices::{self, Price};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(crate) const USERS: [f64; 3] = [50.0, 50_000.0, 1_000_000.0];

const DAYS: f64 = 365.25 / 12.0;
/// What a user has after a year of the use that is assumed: notes with their versions and activity; photographs.
const TABLE_GB: f64 = 0.6e-3;
const OBJECTS_GB: f64 = 36.0 * 1.6e-3;
/// Queues that a function is called for, each looked at by five of Lambda's pollers, at most every 20 seconds.
const POLLED_QUEUES: f64 = 6.0;
const POLLS: f64 = POLLED_QUEUES * 5.0 * 3.0 * 60.0 * 24.0 * DAYS;
/// X-Ray takes one trace a second, and a twentieth of the others.
const TRACED: f64 = 0.05;
/// Metrics that API Gateway keeps of each route when details are on.
const METRICS_OF_A_ROUTE: usize = 6;

/// What the stack has, whoever uses it.
pub(crate) struct Stack {
    alarms: usize,
    dashboards: usize,
    detailed_routes: usize,
}

impl Stack {
    /// Counts in the text of the template.
    pub(crate) fn of(template: &str) -> Self {
        let count = |text: &str| template.matches(text).count();
        let has_details = template.contains("DetailedMetricsEnabled: true");
        Self {
            alarms: count("Type: AWS::CloudWatch::Alarm"),
            dashboards: count("Type: AWS::CloudWatch::Dashboard"),
            detailed_routes: if has_details { count("Type: HttpApi") } else { 0 },
        }
    }
}

/// One line of a bill.
struct Line {
    service: &'static str,
    quantity: f64,
    price: Price,
}

impl Line {
    fn listed(&self) -> f64 {
        self.quantity * self.price.each
    }

    fn paid(&self) -> f64 {
        (self.quantity - self.price.free).max(0.0) * self.price.each
    }
}

/// A month's bill of so many users.
fn bill(operations: &Operations, stack: &Stack, users: f64) -> Vec<Line> {
    let each = operations.all.iter().map(|operation| operation.cost * operation.monthly);
    let month: Cost = each.fold(operations.empty_day * (DAYS / users), |sum, cost| sum + cost) * users;
    let dynamodb = month.dynamodb();
    let seconds = DAYS * 86_400.0;
    let traces = month.invocations.min(seconds) + (month.invocations - seconds).max(0.0) * TRACED;
    let line = |service, quantity, price| Line { service, quantity, price };
    vec![
        line("API Gateway", month.api_requests, prices::API_REQUEST),
        line("Lambda", month.invocations, prices::LAMBDA_REQUEST),
        line("Lambda", month.gb_seconds, prices::LAMBDA_GB_SECOND),
        line("DynamoDB: reads", dynamodb.read_units, prices::READ_UNIT),
        line("DynamoDB: writes", dynamodb.write_units, prices::WRITE_UNIT),
        line("DynamoDB: storage, with recovery", users * TABLE_GB, prices::TABLE_GB_MONTH),
        line("DynamoDB: storage, with recovery", users * TABLE_GB, prices::RECOVERY_GB_MONTH),
        line("S3", month.s3_writes, prices::S3_WRITE),
        line("S3", month.s3_reads, prices::S3_READ),
        line("S3", users * OBJECTS_GB, prices::S3_GB_MONTH),
        line("SQS", month.sqs_requests + POLLS, prices::SQS_REQUEST),
        line("SES", month.emails, prices::EMAIL),
        line("CloudWatch: logs", month.log_bytes / 1e9, prices::LOG_GB),
        line("CloudWatch: alarms, dashboard, metrics", stack.alarms as f64, prices::ALARM_MONTH),
        line("CloudWatch: alarms, dashboard, metrics", stack.dashboards as f64, prices::DASHBOARD_MONTH),
        line(
            "CloudWatch: alarms, dashboard, metrics",
            (stack.detailed_routes * METRICS_OF_A_ROUTE) as f64,
            prices::METRIC_MONTH,
        ),
        line("X-Ray", traces, prices::TRACE),
        line("Secrets Manager", 1.0, prices::SECRET_MONTH),
        line("Data out", month.bytes_out / 1e9, prices::OUT_GB),
    ]
}

/// The bills beside each other, as a Markdown table.
pub(crate) fn table(operations: &Operations, stack: &Stack) -> String {
    let bills = USERS.map(|users| bill(operations, stack, users));
    let mut services: BTreeMap<usize, (&str, [f64; 3])> = BTreeMap::new();
    for (column, bill) in bills.iter().enumerate() {
        for line in bill {
            let first = bill.iter().position(|other| other.service == line.service).unwrap_or_default();
            services.entry(first).or_insert((line.service, [0.0; 3])).1[column] += line.listed();
        }
    }
    let mut table =
        String::from("| USD a month | 50 users | 50,000 users | 1,000,000 users |\n|---|---|---|---|\n");
    let mut row = |name: &str, values: [f64; 3], digits: usize| {
        let [few, more, most] = values;
        // Writing into a String cannot fail.
        let _infallible = writeln!(table, "| {name} | {few:.digits$} | {more:.digits$} | {most:.digits$} |");
    };
    for (service, values) in services.values() {
        row(service, *values, 2);
    }
    let sum = |of: fn(&Line) -> f64| bills.each_ref().map(|bill| bill.iter().map(of).sum::<f64>());
    let (listed, paid) = (sum(Line::listed), sum(Line::paid));
    row("**at list prices**", listed, 2);
    row("**less what is always free**", paid, 2);
    row(
        "for each user, less what is always free",
        std::array::from_fn(|column| paid[column] / USERS[column]),
        5,
    );
    let pool =
        USERS.map(|users| Line { service: "Cognito", quantity: users, price: prices::POOL_USER }.paid());
    row("besides, where the user pool is the stack's own", pool, 2);
    table
}
