//! S3: `s3s` speaks the protocol and checks signatures; objects are files beside SQLite metadata.

mod blobs;
mod convert;
mod cors;
mod list;
mod meta;
mod multipart;
mod notify;
mod objects;
mod service;
mod settings;
#[cfg(test)]
mod tests;

use crate::access::{self, Asked};
use crate::sigv4::SESSION_TOKEN;
use crate::sqs::{Attributes, Sqs};
use crate::wire::ServiceError;
use crate::{Credentials, Fault, OpenError, Shared, lock};
use axum::body::Body;
use axum::response::Response;
use blobs::Blobs;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use meta::{Committed, Meta, Notice};
use objects::Conditions;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CORSRule, CopyObjectInput, CopySource, DeleteObjectsInput, UploadPartCopyInput};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// Buckets and objects.
pub(super) struct Store {
    meta: Mutex<Meta>,
    blobs: Blobs,
    sqs: Arc<Sqs>,
    shared: Arc<Shared>,
}

impl Store {
    fn open(directory: &Path, shared: Arc<Shared>, sqs: Arc<Sqs>) -> Result<Self, OpenError> {
        let meta = Meta::open(directory)?;
        let blobs = Blobs::open(blobs::directory(directory), &meta.blobs()?)?;
        let undelivered = meta.undelivered()?;
        let store = Self { meta: Mutex::new(meta), blobs, sqs, shared };
        // A process that was killed between a commit and its delivery: at least once, so once more.
        store.deliver(&undelivered);
        Ok(store)
    }

    fn meta(&self) -> MutexGuard<'_, Meta> {
        lock(&self.meta)
    }

    /// Removes what a commit left over and notifies of it.
    fn settle(&self, committed: &Committed) {
        self.blobs.remove(&committed.orphans);
        self.deliver(&committed.notices);
    }

    fn deliver(&self, notices: &[Notice]) {
        for notice in notices {
            if let Err(error) =
                self.sqs.deliver("s3", &notice.queue, notice.body.clone(), Attributes::new(), None)
            {
                if error.status >= 500 {
                    // It stays in the outbox for the next start.
                    tracing::error!(queue = notice.queue, %error, "a notification could not be delivered");
                    continue;
                }
                tracing::warn!(queue = notice.queue, %error, "a notification was refused");
            }
            if let Err(error) = self.meta().delivered(notice.id) {
                tracing::error!(%error, "a delivered notification stays in the outbox");
            }
        }
    }
}

/// The HTTP side of S3.
pub(crate) struct Front {
    service: S3Service,
    store: Arc<Store>,
}

impl Front {
    pub(crate) fn open(
        directory: &Path,
        shared: Arc<Shared>,
        sqs: Arc<Sqs>,
        credentials: Credentials,
    ) -> Result<Self, OpenError> {
        let store = Arc::new(Store::open(directory, shared.clone(), sqs)?);
        let mut builder = S3ServiceBuilder::new(service::Service(store.clone()));
        builder.set_auth(Keys(credentials));
        builder.set_access(Gate { shared, store: store.clone() });
        Ok(Self { service: builder.build(), store })
    }

    /// Answers a request of S3's REST protocol, a browser's preflight included.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response {
        let from_browser = request.headers().contains_key(http::header::ORIGIN);
        let rules = if from_browser { self.cors_rules(request.uri().path()) } else { Vec::new() };
        if request.method() == Method::OPTIONS {
            return cors::preflight(&rules, request.headers());
        }
        let cross = cors::actual(&rules, request.method().as_str(), request.headers());
        let lost = Lost::default();
        let mut request = request.map(s3s::Body::http_body_unsync);
        request.extensions_mut().insert(lost.clone());
        let mut response = match self.service.call(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(?error, "an S3 request failed");
                error_xml("InternalError", "We encountered an internal error.")
            }
        };
        if let Some(fault) = lock(&lost.0).take() {
            response = error_xml(&fault.error, &fault.message());
            *response.status_mut() =
                StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        }
        response.headers_mut().extend(cross);
        if let Ok(id) = HeaderValue::try_from(crate::wire::request_id()) {
            response.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), id);
        }
        response
    }

    fn cors_rules(&self, path: &str) -> Vec<CORSRule> {
        let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        // A bucket that does not exist, or has no rules, allows nothing.
        self.store.cors_rules(bucket).ok().flatten().unwrap_or_default()
    }
}

fn error_xml(code: &str, message: &str) -> Response {
    let (code, message) = (crate::wire::escape(code), crate::wire::escape(message));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

struct Keys(Credentials);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || {
            s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.")
        };
        (self.0)(access_key).map(|key| SecretKey::from(key.secret)).ok_or_else(unknown)
    }
}

/// The fault that a request carried out is to be answered with.
#[derive(Clone, Default)]
struct Lost(Arc<Mutex<Option<Fault>>>);

/// Lets in signed requests of those who have the right to them, and injects faults where the operation is known.
struct Gate {
    shared: Arc<Shared>,
    store: Arc<Store>,
}

impl Gate {
    fn may(&self, key_id: &str, needed: impl FnOnce() -> Vec<Asked>) -> S3Result<()> {
        let refused = |refused: Box<access::Refused>| {
            S3Error::from(refused.error("AccessDenied", 403, &self.shared.account))
        };
        self.shared.guard.check(key_id, needed).map_err(refused)
    }

    /// A temporary key is shown with its token, in a header or in a presigned URL.
    fn is_current(&self, context: &S3AccessContext<'_>, key_id: &str) -> S3Result<()> {
        let header = context.headers().get(SESSION_TOKEN).and_then(|value| value.to_str().ok());
        let query = form_urlencoded::parse(context.uri().query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case(SESSION_TOKEN));
        let shown = header.or_else(|| query.as_ref().map(|(_, value)| &**value));
        match self.shared.guard.key(key_id).and_then(|key| key.session_token) {
            Some(token) if shown != Some(token.as_str()) => {
                Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."))
            }
            _ => Ok(()),
        }
    }

    /// To those who may not list a bucket, S3 does not tell that an object is missing.
    fn may_know(
        &self,
        context: &S3AccessContext<'_>,
        key_id: &str,
        (operation, bucket, key): (&str, &str, &str),
    ) -> S3Result<()> {
        let is_limited = || self.shared.guard.key(key_id).is_some_and(|key| key.role.is_some());
        if !matches!(operation, "GetObject" | "HeadObject") || !is_limited() {
            return Ok(());
        }
        let listing = || access::s3_operation("ListObjectsV2", bucket, None, false);
        match self.store.find(bucket, key, &Conditions::default(), None) {
            Err(error) if *error.code() == S3ErrorCode::NoSuchKey => {}
            _ => return Ok(()),
        }
        if context.headers().contains_key(AUTHORIZATION) {
            return self.may(key_id, listing);
        }
        // A presigned URL that came too late: nothing that the function lacks, and nothing to warn of.
        self.shared.guard.check(key_id, listing).map_err(|refused| {
            S3Error::with_message(S3ErrorCode::AccessDenied, refused.message(&self.shared.account))
        })
    }

    fn may_authorize(&self, context: &S3AccessContext<'_>, key_id: &str) -> S3Result<()> {
        let (operation, path) = (context.s3_op().name(), context.s3_path());
        let (bucket, key) = (path.get_bucket_name().unwrap_or_default(), path.get_object_key());
        let query = context.uri().query().unwrap_or_default();
        let of_version = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "versionId");
        self.may(key_id, || access::s3_operation(operation, bucket, key, of_version))?;
        key.map_or(Ok(()), |key| self.may_know(context, key_id, (operation, bucket, key)))
    }

    fn may_copy(&self, caller: Option<&s3s::auth::Credentials>, source: &CopySource) -> S3Result<()> {
        match (caller, source) {
            (Some(caller), CopySource::Bucket { bucket, key, version_id }) => {
                self.may(&caller.access_key, || access::s3_copied(bucket, key, version_id.is_some()))
            }
            _ => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }
}

impl From<ServiceError> for S3Error {
    fn from(error: ServiceError) -> Self {
        let code = S3ErrorCode::from_bytes(error.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut converted = Self::with_message(code, error.message);
        converted.set_status_code(status);
        converted
    }
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(caller) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        };
        self.is_current(context, &caller.access_key)?;
        self.may_authorize(context, &caller.access_key)?;
        let Some(fault) = self.shared.faults.strike("s3", context.s3_op().name()).await else {
            return Ok(());
        };
        if fault.after {
            if let Some(lost) = context.extensions_mut().get::<Lost>() {
                *lock(&lost.0) = Some(fault);
            }
            return Ok(());
        }
        Err(ServiceError::injected(&fault).into())
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        self.may_copy(request.credentials.as_ref(), &request.input.copy_source)
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.may_copy(request.credentials.as_ref(), &request.input.copy_source)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let Some(caller) = &request.credentials else {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        };
        let input = &request.input;
        let needed =
            input.delete.objects.iter().flat_map(|object| {
                access::s3_deleted(&input.bucket, &object.key, object.version_id.is_some())
            });
        self.may(&caller.access_key, || needed.collect())
    }
}
