//! Where ministack passes e-mails on to: a mail server that takes everything and keeps it (RFC 5321, as much of it as a
//! client needs that has nothing to negotiate).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long the e-mails that are waited for may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// An e-mail as it was handed over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    /// The addresses of the envelope.
    pub(crate) to: Vec<String>,
    pub(crate) mime: Vec<u8>,
}

/// The server. Clones show the same e-mails; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Post {
    address: SocketAddr,
    delivered: Arc<Mutex<Vec<Delivered>>>,
    count: watch::Receiver<usize>,
}

impl Post {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (counter, count) = watch::channel(0);
        let post = Self { address: listener.local_addr().unwrap(), delivered: Arc::default(), count };
        let delivered = post.delivered.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (delivered, counter) = (delivered.clone(), counter.clone());
                tokio::spawn(async move {
                    if let Err(error) = converse(connection, &delivered, &counter).await {
                        eprintln!("a client of the mail server went: {error}");
                    }
                });
            }
        });
        post
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().unwrap().clone()
    }

    /// Returns all e-mails as soon as `enough` says that they are.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&[Delivered]) -> bool) -> Vec<Delivered> {
        let mut count = self.count.clone();
        let come = count.wait_for(|_| enough(&self.delivered()));
        let result = tokio::time::timeout(PATIENCE, come).await.map(|come| come.map(drop));
        let delivered = self.delivered();
        assert!(matches!(result, Ok(Ok(()))), "{what}: only {} e-mails came", delivered.len());
        delivered
    }
}

async fn converse(
    connection: TcpStream,
    delivered: &Mutex<Vec<Delivered>>,
    counter: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let mut connection = BufStream::new(connection);
    let mut mail = Delivered::default();
    reply(&mut connection, "220 ready").await?;
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        let command = line.trim_end().to_ascii_uppercase();
        if let Some(path) = line.get(..8).filter(|verb| verb.eq_ignore_ascii_case("RCPT TO:")) {
            mail.to.push(line[path.len()..].trim().trim_matches(['<', '>']).to_owned());
        }
        match command.as_str() {
            "DATA" => {
                reply(&mut connection, "354 go on").await?;
                mail.mime = content(&mut connection).await?;
                delivered.lock().unwrap().push(std::mem::take(&mut mail));
                counter.send_modify(|count| *count += 1);
                reply(&mut connection, "250 taken").await?;
            }
            "QUIT" => return reply(&mut connection, "221 bye").await,
            _ => reply(&mut connection, "250 fine").await?,
        }
        line.clear();
    }
    Ok(())
}

async fn reply(connection: &mut BufStream<TcpStream>, line: &str) -> std::io::Result<()> {
    connection.write_all(format!("{line}\r\n").as_bytes()).await?;
    connection.flush().await
}

/// The lines up to the one that is a dot; of a line that begins with a dot the first is not the message's.
async fn content(connection: &mut BufStream<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if connection.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(content);
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
