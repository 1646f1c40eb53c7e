//! Puts the laptop cloud together, runs it, and takes it down.

use crate::app::App;
use crate::cli::HostOptions;
use crate::clients::{self, Clients};
use crate::control::{self, Control};
use crate::http_api::{Gateway, Verifier};
use crate::identity::Identity;
use crate::lambda::{self, Lambda};
use crate::ready::{self, Ready};
use crate::sources::{self, SdkQueues, SdkStreams, Sources};
use crate::state::State;
use crate::{build, credentials, greeting, log, provision, template};
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use chrono::TimeDelta;
use emulator::access::{Record, Roles};
use emulator::{Clock, Emulator};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The account that everything local belongs to, as emulators commonly have it.
pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";
/// The name of the one stack. Nothing is derived from the template's own name or place, so that it can be moved.
const STACK: &str = "local";

/// Why the host does not run. The texts are for people at a terminal.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A directory that is the host's alone, and gone with it when it is ephemeral.
struct Data {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
    _lock: std::fs::File,
}

impl Data {
    fn open(cli: &HostOptions) -> Result<Self, Error> {
        let temporary = if cli.ephemeral { Some(tempfile::tempdir()?) } else { None };
        let path =
            temporary.as_ref().map_or_else(|| cli.data.clone(), |directory| directory.path().to_owned());
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let lock = std::fs::File::create(path.join(ready::LOCK))?;
        lock.try_lock().map_err(|_| {
            format!("{} is in use by another host; stop it, or choose --data", path.display())
        })?;
        // Of a host that was killed: it must not be taken for this one's.
        match std::fs::remove_file(path.join(ready::FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(Self { path: std::path::absolute(&path)?, _temporary: temporary, _lock: lock })
    }
}

/// The data services: embedded, or whatever answers at `--endpoint`.
struct DataServices {
    url: String,
    emulator: Option<Emulator>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(cli: HostOptions) -> Result<(), Error> {
    log::start();
    let data = Data::open(&cli)?;
    let state = State::open(&data.path)?;
    let offset: i64 = state.get(control::CLOCK.0, control::CLOCK.1)?.unwrap_or_default();
    let clock = Clock::with_offset(TimeDelta::milliseconds(offset));

    let listener = listen(cli.port).await?;
    let address = listener.local_addr()?;
    let api_url = format!("http://127.0.0.1:{}", address.port());
    let issuer = format!("{api_url}/_local/identity");

    let credentials = credentials::Issuer::open(&state, cli.endpoint.is_some())?;
    let (stop_services, services_stopped) = watch::channel(false);
    let services =
        start_services(&cli, &data.path, address.port(), &clock, &credentials, services_stopped).await?;

    let clients = Clients::new(&services.url, REGION, credentials.host().for_sdk())?;
    let mut app = load(&cli, &state, &services.url, &issuer, &api_url)?;
    welcome_the_page(&mut app, address.port());
    let executables =
        build::build(&app.functions, &cli.handler_profile, &data.path.join("artifacts")).await?;
    let provisioned = provision::provision(&app, &clients).await?;
    greeting::warn_of_lacking(&provisioned.lacking);
    let record = cli.record_rights.as_deref().map(|path| record(&app, path)).transpose()?;
    provisioned.substitute(&mut app);
    if let Some(emulator) = &services.emulator {
        emulator.enforce(roles(&app));
        record.into_iter().for_each(|record| emulator.record(record));
    }

    let endpoint = Endpoint { url: services.url.clone(), ca_bundle: clients::ca_bundle()? };
    let lambda = start_lambda(&app, executables, endpoint, &credentials, &clock, &data.path, &cli);
    let identity = Arc::new(Identity::open(&state, issuer, clock.clone())?);
    let sources = Arc::new(Sources::start(
        &app,
        sources::Context {
            invoke: Arc::new(lambda.clone()),
            streams: Arc::new(SdkStreams(clients.streams.clone())),
            queues: Arc::new(SdkQueues(clients.sqs.clone())),
            queue_urls: provisioned.queue_urls.clone(),
            stream_arns: provisioned.stream_arns.clone(),
            clock: clock.clone(),
            state: state.clone(),
            hints: services.emulator.clone().map(|emulator| Arc::new(emulator) as Arc<dyn sources::Hints>),
            mishaps: services
                .emulator
                .clone()
                .map(|emulator| Arc::new(emulator) as Arc<dyn sources::Mishaps>),
            seed: cli.seed,
        },
    )?);

    let functions = Arc::downgrade(&(sources.clone() as Arc<dyn emulator::lambda::Functions>));
    let functions_url = match &services.emulator {
        Some(emulator) => {
            emulator.invoke_by(functions);
            services.url.clone()
        }
        None => format!("{api_url}/_local/lambda"),
    };
    let gateway = match &app.http_api {
        Some(api) => {
            let verifier = Verifier::new(identity.clone(), clock.clone());
            Some(Gateway::new(api.clone(), lambda.clone(), verifier, clock.clone())?)
        }
        None => None,
    };
    let control = Arc::new(Control {
        lambda: lambda.clone(),
        sources: sources.clone(),
        identity,
        emulator: services.emulator.clone(),
        clients: clients.with_functions_at(&functions_url),
        clock,
        state,
        api_url: api_url.clone(),
        endpoint_url: services.url.clone(),
        app,
    });
    let (stop_api, api_stopped) = watch::channel(false);
    let server = tokio::spawn(serve(listener, control.clone(), gateway, api_stopped));

    let ready = Ready {
        api: api_url,
        endpoint: services.url,
        functions: functions_url,
        region: REGION.to_owned(),
        pid: std::process::id(),
        is_embedded: services.emulator.is_some(),
        dead_letter_queues: control.app.dead_letter_queues(),
    };
    ready.write(&data.path.join(ready::FILE))?;
    if let Some(path) = &cli.ready_file {
        ready.write(path)?;
    }
    greeting::print(&control, &data.path, cli.ephemeral);

    interrupted().await?;
    greeting::stopping();
    // From the outside in: no new requests, no new events, no invocations, then the data.
    stop_api.send_replace(true);
    // Event streams to open pages never end by themselves, so this is bounded.
    let drained = tokio::time::timeout(std::time::Duration::from_secs(2), server).await;
    tracing::debug!(in_time = drained.is_ok(), "requests drained");
    sources.shutdown().await;
    lambda.shutdown().await;
    stop_services.send_replace(true);
    if let Some(server) = services.server {
        let stopped = tokio::time::timeout(std::time::Duration::from_secs(2), server).await;
        tracing::debug!(in_time = stopped.is_ok(), "data services stopped");
    }
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("port {port} cannot be had: {error}; choose another with --port").into())
}

async fn start_services(
    cli: &HostOptions,
    data: &Path,
    api_port: u16,
    clock: &Clock,
    credentials: &credentials::Issuer,
    mut stopped: watch::Receiver<bool>,
) -> Result<DataServices, Error> {
    if let Some(url) = &cli.endpoint {
        return Ok(DataServices { url: url.clone(), emulator: None, server: None });
    }
    // Next to the API where that is free, so that the address is the same tomorrow.
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, api_port.wrapping_add(1))).await {
        Ok(listener) if cli.port != 0 => listener,
        _ => listen(0).await?,
    };
    let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let emulator = Emulator::open(emulator::Options {
        directory: data.to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        clock: clock.clone(),
        credentials: credentials.resolver(),
    })?;
    emulator.faults().reseed(cli.seed);
    let server = tokio::spawn(emulator.clone().serve(listener, async move {
        // An error means that the host is gone, which is a reason to stop too.
        let result = stopped.wait_for(|stop| *stop).await;
        tracing::debug!(ordered = result.is_ok(), "data services stop");
    }));
    Ok(DataServices { url, emulator: Some(emulator), server: Some(server) })
}

fn load(cli: &HostOptions, state: &State, endpoint: &str, issuer: &str, api_url: &str) -> Result<App, Error> {
    let settings = template::Settings {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        stack_name: STACK.to_owned(),
        endpoint: endpoint.to_owned(),
        parameters: cli.parameters(),
        local_issuer: issuer.to_owned(),
        api_url: api_url.to_owned(),
        secret: &|id, spec| spec.persisted(id, state),
    };
    Ok(template::load(&cli.template, &settings)?)
}

/// The host's own page uploads to buckets from the API's origin, which no template can know.
fn welcome_the_page(app: &mut App, port: u16) {
    let origins = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}"));
    for rule in app.buckets.iter_mut().flat_map(|bucket| &mut bucket.cors_rules) {
        rule.allowed_origins.extend(origins.clone());
        rule.allowed_origins.dedup();
    }
}

/// Where functions find the data services, and whose certificates they trust there.
struct Endpoint {
    url: String,
    ca_bundle: Option<PathBuf>,
}

impl Endpoint {
    fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), self.url.clone())]);
        if let Some(path) = &self.ca_bundle {
            variables.insert(clients::CA_BUNDLE.to_owned(), path.to_string_lossy().into_owned());
        }
        variables
    }
}

/// What each function may do.
fn roles(app: &App) -> Roles {
    app.functions.iter().map(|function| (function.name.clone(), function.policies.clone())).collect()
}

/// Begins the record of used rights. Lambda's own checks use what they ask for: without it the host does not start.
fn record(app: &App, path: &Path) -> Result<Record, Error> {
    let roles = roles(app);
    let record = Record::open(path, &roles).map_err(|error| format!("{}: {error}", path.display()))?;
    for (_, function, _, asked) in template::asked_by_lambda(app) {
        if let Some(statements) = roles.get(function) {
            record.used(function, statements, &asked);
        }
    }
    Ok(record)
}

fn start_lambda(
    app: &App,
    mut executables: BTreeMap<String, PathBuf>,
    endpoint: Endpoint,
    credentials: &credentials::Issuer,
    clock: &Clock,
    data: &Path,
    cli: &HostOptions,
) -> Lambda {
    let functions = app
        .functions
        .iter()
        .filter_map(|function| Some((function.clone(), executables.remove(&function.name)?)))
        .collect();
    let credentials = credentials.clone();
    let environment = move |function: &crate::app::Function| {
        let mut variables = endpoint.variables();
        variables.extend(credentials.of_environment(&function.name).variables());
        variables
    };
    Lambda::new(
        functions,
        lambda::Options {
            clock: clock.clone(),
            region: REGION.to_owned(),
            max_environments: (2 * std::thread::available_parallelism().map_or(2, usize::from)).clamp(4, 16),
            concurrency: cli.concurrency,
            environment: Arc::new(environment),
            log: data.join("logs"),
            seed: cli.seed,
        },
    )
}

async fn serve(
    listener: TcpListener,
    control: Arc<Control>,
    gateway: Option<Gateway>,
    mut stopped: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut router: Router = control::router(control);
    if let Some(gateway) = gateway {
        let gateway = Arc::new(gateway);
        router = router.fallback(move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
            let gateway = gateway.clone();
            async move { gateway.handle(request, peer).await }
        });
    }
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            // Small answers are not held back; without this the page is slow and nothing breaks.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "no TCP_NODELAY");
            }
        }),
        service,
    )
    .with_graceful_shutdown(async move {
        let result = stopped.wait_for(|stop| *stop).await;
        tracing::debug!(ordered = result.is_ok(), "api stops");
    })
    .await
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
