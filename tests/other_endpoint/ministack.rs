//! A ministack for one test: installed from its package where it is not there yet, started on a free port, gone with the
//! test.

use crate::smtp::Post;
use crate::tools::eventually;
use aws_credential_types::Credentials;
use end_to_end::{Api, Options, workspace};
use local::clients::Clients;
use local::host::REGION;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Between choosing a port and using it another process may take it.
const TRIES: usize = 3;
/// Access key and secret.
const KEY: &str = "test";

/// A running ministack. Dropping it ends it.
pub(crate) struct Ministack {
    pub(crate) url: String,
    /// The e-mails that it passes on.
    pub(crate) post: Post,
    child: Child,
    directory: tempfile::TempDir,
}

impl Ministack {
    pub(crate) async fn start() -> Self {
        let post = Post::open().await;
        for _ in 0..TRIES {
            let directory = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = spawn(directory.path(), port, &post);
            let url = format!("http://127.0.0.1:{port}");
            let mut ministack = Self { url, post: post.clone(), child, directory };
            if ministack.is_ready().await {
                return ministack;
            }
        }
        panic!("ministack does not start");
    }

    /// False when it ended instead.
    async fn is_ready(&mut self) -> bool {
        let api = Api::new(self.url.clone());
        eventually("ministack's being ready", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                eprintln!("ministack ended with {status}:\n{}", self.log());
                return Some(false);
            }
            let answer = api.try_send("GET", "/_ministack/ready", &[], "").await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(true)
        })
        .await
    }

    /// A host that keeps nothing and has its data here.
    pub(crate) fn options(&self) -> Options {
        let arguments = vec!["--endpoint".to_owned(), self.url.clone()];
        // The one key that it takes in presigned URLs.
        let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY)];
        let environment = keys.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Options { arguments, environment, ..Options::default() }
    }

    /// Clients of it, as its users have them.
    pub(crate) fn clients(&self) -> Clients {
        let credentials = Credentials::from_keys(KEY, KEY, None);
        Clients::new(&self.url, REGION, credentials).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // It keeps nothing that would have to be put in order.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- ministack said ---\n{}", self.log());
        }
    }
}

fn spawn(directory: &Path, port: u16, post: &Post) -> Child {
    let log = File::create(directory.join("log")).unwrap();
    Command::new(installed().join("bin/python"))
        .arg(workspace().join("tests/other_endpoint/ministack_server.py"))
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([("HOME", directory), ("TMPDIR", directory), ("S3_DATA_DIR", directory)])
        .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
        .env("SMTP_HOST", post.address())
        // Listeners that nobody here needs.
        .envs([("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")])
        // Its writing end goes when this process goes.
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("Python of the environment that pip made")
}

/// The environment with ministack in it.
fn installed() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let installer = workspace().join(".ci/python/install");
        let output = Command::new(installer).arg("ministack").stderr(Stdio::inherit()).output();
        let output = output.expect("Python 3 is needed for ministack");
        assert!(output.status.success(), "ministack could not be installed from its Python package");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
    })
}
