//! List prices in USD, us-east-1, as secondary sources of 2025 and 2026 have them; AWS's own pages decide.

/// A price, and how much of it everyone has for nothing each month, for ever. (AWS's offers for a first year are left out.)
#[derive(Clone, Copy)]
pub(crate) struct Price {
    pub(crate) each: f64,
    pub(crate) free: f64,
}

const fn each(each: f64) -> Price {
    Price { each, free: 0.0 }
}

const MILLION: f64 = 1e6;

/// HTTP API requests.
pub(crate) const API_REQUEST: Price = each(1.00 / MILLION);
pub(crate) const LAMBDA_REQUEST: Price = Price { each: 0.20 / MILLION, free: MILLION };
/// Of arm64.
pub(crate) const LAMBDA_GB_SECOND: Price = Price { each: 0.000_013_333_4, free: 400_000.0 };
/// On demand.
pub(crate) const WRITE_UNIT: Price = each(0.625 / MILLION);
pub(crate) const READ_UNIT: Price = each(0.125 / MILLION);
pub(crate) const TABLE_GB_MONTH: Price = Price { each: 0.25, free: 25.0 };
/// Recovery to any point in time.
pub(crate) const RECOVERY_GB_MONTH: Price = each(0.20);
/// PUT, COPY, POST and LIST; deletions cost nothing.
pub(crate) const S3_WRITE: Price = each(5.00 / MILLION);
/// GET and all others.
pub(crate) const S3_READ: Price = each(0.40 / MILLION);
pub(crate) const S3_GB_MONTH: Price = each(0.023);
pub(crate) const SQS_REQUEST: Price = Price { each: 0.40 / MILLION, free: MILLION };
pub(crate) const EMAIL: Price = each(100.0 / MILLION);
pub(crate) const LOG_GB: Price = Price { each: 0.50, free: 5.0 };
pub(crate) const ALARM_MONTH: Price = Price { each: 0.10, free: 10.0 };
pub(crate) const DASHBOARD_MONTH: Price = Price { each: 3.00, free: 3.0 };
pub(crate) const TRACE: Price = Price { each: 5.00 / MILLION, free: 100_000.0 };
pub(crate) const SECRET_MONTH: Price = each(0.40);
/// Out to the internet; the first 100 GB of an account are free.
pub(crate) const OUT_GB: Price = Price { each: 0.09, free: 100.0 };
/// An active user of a Cognito pool of the tier Essentials, which a new pool has.
pub(crate) const POOL_USER: Price = Price { each: 0.015, free: 10_000.0 };
/// Custom metrics, and those that services count in detail.
pub(crate) const METRIC_MONTH: Price = Price { each: 0.30, free: 10.0 };
