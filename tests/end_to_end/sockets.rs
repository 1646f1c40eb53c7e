//! What no well-behaved client sends, byte by byte through a socket: each is answered once, in API Gateway's way.

use end_to_end::{Host, needs};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `request` and reads until the host closes.
async fn exchange(host: &Host, request: &[u8]) -> String {
    let address = host.api.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let both = async {
        // The host may have answered and closed before it was sent whole.
        let _ = tokio::join!(writer.write_all(request), reader.read_to_end(&mut answer));
    };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("an answer, and the end of it");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status and body of the one answer to `request`.
async fn answer(host: &Host, request: impl AsRef<[u8]>) -> (u16, String) {
    let request = request.as_ref();
    let told = String::from_utf8_lossy(&request[..request.len().min(120)]).into_owned();
    let answer = exchange(host, request).await;
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{told}: {answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{told}: {answer}"));
    (head[9..12].parse().unwrap(), body.to_owned())
}

const NOT_FOUND: &str = r#"{"status":404,"title":"There is nothing here","type":"/problems/not-found"}"#;

/// A request whose connection ends with it.
fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn what_is_too_long_is_refused_in_the_gateways_words() {
    needs!(Gateway);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let long = |length: usize| "y".repeat(length);
    let get = |query: usize, header: usize| {
        request(&format!("GET /hello?{}", long(query)), &format!("x: {}\r\n", long(header)), "")
    };
    for (query, header, status, message) in [
        (8_000, 1_000, 200, "Hello, world!"),
        (9_000, 0, 414, "URI Too Long"),
        (10, 10_300, 431, "Request Header Fields Too Large"),
        (8_000, 8_000, 431, "Request Header Fields Too Large"),
        (10, 200_000, 431, "Request Header Fields Too Large"),
    ] {
        let expected = (status, format!(r#"{{"message":"{message}"}}"#));
        assert_eq!(answer(&host, get(query, header)).await, expected, "{query} {header}");
    }
    // Beyond what the server itself reads there are no words.
    assert_eq!(answer(&host, get(70_000, 0)).await.0, 414);
    assert_eq!(answer(&host, get(0, 1_000_000)).await.0, 431);

    let post = |headers: String, body: &str| {
        let headers =
            format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n{headers}", anna.token);
        request("POST /notes", &headers, body)
    };
    let sized = |length: usize| post(format!("content-length: {length}\r\n"), &long(length));
    let (status, problem) = answer(&host, sized(600_000)).await;
    assert!(status == 413 && problem.contains("/problems/too-large"), "{problem}");
    let too_large = (413, r#"{"message":"Request Entity Too Large"}"#.to_owned());
    assert_eq!(answer(&host, sized(8_000_000)).await, too_large, "more than a function takes");
    assert_eq!(answer(&host, sized(11_000_000)).await, too_large);
    let chunk = format!("10000\r\n{}\r\n", long(0x10000));
    let chunked = post("transfer-encoding: chunked\r\n".into(), &(chunk.repeat(170) + "0\r\n\r\n"));
    assert_eq!(answer(&host, chunked).await, too_large);
}

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_is_refused_or_read_in_one() {
    needs!(Gateway);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let post = |headers: &str, body: &str| {
        let headers =
            format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n{headers}", anna.token);
        request("POST /notes", &headers, body)
    };
    let hidden = request("GET /hello", "", "");
    let refused = [
        post("content-length: 2\r\ncontent-length: 20\r\n", &format!("{{}}{hidden}")),
        post("content-length: 2, 20\r\n", "{}"),
        post("content-length: +2\r\n", "{}"),
        post("content-length: -2\r\n", "{}"),
        post("content-length: 0x2\r\n", "{}"),
        post("content-length: 99999999999999999999999\r\n", "{}"),
        post("transfer-encoding: gzip\r\ncontent-length: 2\r\n", "{}"),
        post("transfer-encoding: xchunked\r\ncontent-length: 2\r\n", "{}"),
        post("transfer-encoding: identity\r\ncontent-length: 2\r\n", "{}"),
        post("transfer-encoding: chunked, identity\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding : chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n{}"),
        post(" content-length: 2\r\n", "{}"),
        post("x: a\r\n b\r\ncontent-length: 2\r\n", "{}"),
        request("GET /hello", "host: other\r\n", ""),
        request("GET /hello", "", "").replace("host: api\r\n", ""),
        request("GET /hello", "x\r\n", ""),
        request("GET /hello", "x y: z\r\n", ""),
        request("GET /hello", "x: \0\r\n", ""),
        request("GET /hello extra", "", ""),
        request("G\0T /hello", "", ""),
        "GET /hello\r\n\r\n".to_owned(),
        "GET /hello HTTP/2.0\r\nhost: api\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\r\n\r\n".to_owned(),
    ];
    for request in refused {
        assert_eq!(answer(&host, &request).await.0, 400, "{request}");
    }
    // Chunks win over a length (RFC 9112, 6.3), in either order; what the length would have added is not looked at.
    let note = r#"{"title":"chunked"}"#;
    let body = format!("{:x}\r\n{note}\r\n0\r\n\r\n{hidden}", note.len());
    let (chunked, length) = ("transfer-encoding: chunked\r\n", "content-length: 5\r\n");
    for headers in [[chunked, length].concat(), [length, chunked].concat()] {
        let (status, created) = answer(&host, post(&headers, &body)).await;
        assert!(status == 201 && created.contains("chunked"), "{created}");
    }
    let twice = post(&format!("content-length: {0}\r\ncontent-length: {0}\r\n", note.len()), note);
    assert_eq!(answer(&host, twice).await.0, 201);
    let listed = anna.get("/notes").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn odd_paths_lead_nowhere_and_no_header_changes_the_route() {
    needs!(Gateway);
    let host = Host::start().await;
    let anna = host.api.caller("anna").await;
    let note = anna.create(serde_json::json!({ "title": "kept" })).await;
    let id = note["id"].as_str().unwrap();
    let authorization = format!("authorization: Bearer {}\r\n", anna.token);
    let get = |target: &str, headers: &str| {
        request(&format!("GET {target}"), &format!("{authorization}{headers}"), "")
    };
    for target in [
        "/notes/%",
        "/notes/%zz",
        "/notes/%00",
        "/notes/%ff",
        "/notes/%c0%af",
        "/notes/a%2Fb",
        "/notes/..%2fhello",
        "/notes/../hello",
        "/notes/%2e%2e/hello",
        "/./hello",
        "//notes",
        "//hello",
        "/notes/",
        "/notes//",
        "//",
        "*",
        "hello",
        "/HELLO",
        "/hello;x",
        "/hello%00",
        "/hello%2f",
        "/notes\\x",
        "/notes/{id}",
        "http://evil.example/nowhere",
    ] {
        assert_eq!(answer(&host, get(target, "")).await, (404, NOT_FOUND.to_owned()), "{target}");
    }
    for target in [
        format!("/notes/{id}%00"),
        format!("/notes/%20{id}"),
        format!("/notes/{id}%2Fversions"),
        format!("/notes/{id}%2f"),
        format!("/notes/{id}/versions/1%00"),
        format!("/notes/{id}/versions/%2b1"),
        format!("//notes/{id}"),
        format!("/notes//{id}"),
        format!("/notes/{}", id.replace('-', "")),
        format!("/notes/%7B{id}%7D"),
    ] {
        assert_eq!(answer(&host, get(&target, "")).await, (404, NOT_FOUND.to_owned()), "{target}");
    }
    for target in ["/notes/\0", "/notes?tag=\u{1}", "/notes?q=<b>"] {
        assert_eq!(answer(&host, get(target, "")).await.0, 400, "{target}");
    }
    // The host's name in a target is no part of the path; a letter may be spelt by its number.
    for target in ["http://evil.example/hello", "/%68ello", "/hello?%", "/hello?%zz=%", "/hello#x"] {
        assert_eq!(answer(&host, get(target, "")).await.0, 200, "{target}");
    }
    for method in ["TRACE", "CONNECT", "PROPFIND", "get", "HEAD", "OPTIONS"] {
        let status = answer(&host, request(&format!("{method} /notes"), &authorization, "")).await.0;
        assert!([400, 404, 405].contains(&status), "{method}: {status}");
    }
    for header in [
        "x-http-method-override: DELETE",
        "x-http-method: DELETE",
        "x-method-override: DELETE",
        "x-original-url: /hello",
        "x-rewrite-url: /hello",
        "x-forwarded-host: evil.example",
        "x-forwarded-prefix: /hello",
        "connection: authorization",
        "upgrade: h2c",
        "x-amzn-request-context: {}",
        "x-amz-invocation-type: Event",
        "range: bytes=0-1",
        "te: trailers",
        "expect: nothing",
    ] {
        let (status, body) = answer(&host, get(&format!("/notes/{id}"), &format!("{header}\r\n"))).await;
        assert!(status == 200 && body.contains("kept"), "{header}: {status} {body}");
    }
    assert_eq!(anna.get(&format!("/notes/{id}")).await.expect(200), note);
}

/// A page that lets its own name lead to loopback, and one that posts across origins.
#[tokio::test]
async fn the_control_routes_answer_to_no_web_page_from_elsewhere() {
    needs!(Gateway);
    let host = Host::start().await;
    let address = host.api.url.strip_prefix("http://").unwrap().to_owned();
    let ask = |line: &str, name: &str, origin: &str| {
        format!("{line} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n{origin}content-length: 0\r\n\r\n")
    };
    let page = format!("origin: http://{address}\r\n");
    for origin in ["", page.as_str()] {
        assert_eq!(answer(&host, ask("GET /_local/clock", &address, origin)).await.0, 200);
    }
    for (name, origin) in [("evil.example", ""), (address.as_str(), "origin: https://evil.example\r\n")] {
        for line in
            ["GET /_local/token?sub=anna", "POST /_local/schedules/DailyReportFunction/run", "GET /_local/"]
        {
            assert_eq!(answer(&host, ask(line, name, origin)).await.0, 403, "{line} {name} {origin}");
        }
    }
}
