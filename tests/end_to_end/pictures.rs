//! Attachments: real photographs, and files that only pretend to be.

use end_to_end::{Caller, Target};
use serde_json::{Value, json};
use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;

/// A real photograph of the package that `photographs.sh` fetches.
pub(crate) fn photograph(name: &str) -> Vec<u8> {
    let script = end_to_end::workspace().join("tests/photographs.sh");
    let status = Command::new(script).status().expect("a shell");
    assert!(status.success(), "the photographs' package could not be fetched");
    let path: PathBuf = end_to_end::workspace().join("target/photographs").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same JPEG with an EXIF segment that says how to turn it, as a camera held upright writes.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

pub(crate) async fn attachment(caller: &Caller, note: &str, attachment: &Value) -> Value {
    let id = attachment["id"].as_str().unwrap();
    caller.get(&format!("/notes/{note}/attachments/{id}")).await.expect(200)
}

/// The attachment once it has come to this status.
async fn settled(target: &Target, caller: &Caller, note: &str, created: &Value, status: &str) -> Value {
    target.comes_to(status, async || attachment(caller, note, created).await["status"].clone()).await;
    attachment(caller, note, created).await
}

#[tokio::test]
async fn a_photograph_becomes_ready_with_upright_thumbnails() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Trip" })).await;
    let note = note["id"].as_str().unwrap();
    let plain = photograph("Wine_by_Jakkub_Mede.jpg");
    let (width, height) = {
        let picture = image::load_from_memory(&plain).unwrap();
        (picture.width(), picture.height())
    };

    // Orientation 6: the picture is to be turned by a quarter, so that sides change places.
    let created = anna.attach(note, "wine glass.jpg", "image/jpeg", with_orientation(&plain, 6)).await;
    assert_eq!(created["status"], "pending");
    let ready = settled(&target, &anna, note, &created, "ready").await;
    assert_eq!((&ready["width"], &ready["height"]), (&json!(height), &json!(width)));
    assert_eq!(anna.get(&format!("/notes/{note}")).await.expect(200)["attachments"], 1);

    let thumbnails = ready["thumbnails"].as_array().unwrap();
    assert_eq!(thumbnails.len(), 3);
    for thumbnail in thumbnails {
        let answer = target.api.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!(answer.status, 200);
        let picture = decode(&answer.body);
        assert_eq!(
            (&json!(picture.width()), &json!(picture.height())),
            (&thumbnail["width"], &thumbnail["height"])
        );
        assert_eq!(
            picture.width().max(picture.height()),
            u32::try_from(thumbnail["size"].as_u64().unwrap()).unwrap()
        );
        assert!(!answer.body.windows(4).any(|window| window == b"Exif"), "metadata is gone");
        if thumbnail["size"] == 160 {
            let turned = image::load_from_memory(&plain).unwrap().rotate90();
            let expected =
                turned.resize_exact(picture.width(), picture.height(), image::imageops::FilterType::Triangle);
            let difference = mean_difference(&picture, &expected.to_rgb8());
            assert!(difference < 12.0, "it is not the photograph turned upright: {difference}");
        }
    }
    let download = target.api.get(ready["download_url"].as_str().unwrap()).await;
    assert_eq!(download.body, with_orientation(&plain, 6));
    assert!(download.header("content-disposition").unwrap().starts_with("attachment"));
}

fn decode(webp: &[u8]) -> image::RgbImage {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(webp)).expect("a WebP");
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; decoder.output_buffer_size().expect("a size")];
    decoder.read_image(&mut pixels).expect("a picture");
    image::RgbImage::from_raw(width, height, pixels).expect("three bytes a pixel")
}

fn mean_difference(one: &image::RgbImage, other: &image::RgbImage) -> f64 {
    let sum: u64 = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.as_raw().len() as f64
}

#[tokio::test]
async fn a_text_that_calls_itself_a_picture_fails_for_a_reason_its_owner_can_read() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Trick" })).await;
    let note = note["id"].as_str().unwrap();
    let fake = anna.attach(note, "photo.jpg", "image/jpeg", b"just words".to_vec()).await;
    let text = anna.attach(note, "list.txt", "text/plain", b"milk".to_vec()).await;
    let failed = settled(&target, &anna, note, &fake, "failed").await;
    assert!(failed["reason"].as_str().unwrap().contains("picture"), "{failed}");
    let ready = settled(&target, &anna, note, &text, "ready").await;
    assert_eq!(ready["thumbnails"], json!([]));
}

#[tokio::test]
async fn an_upload_takes_exactly_the_declared_body() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Exact" })).await;
    let path = format!("/notes/{}/attachments", note["id"].as_str().unwrap());
    let wanted = json!({ "filename": "a.txt", "content_type": "text/plain", "size": 4,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" });
    let created = anna.post(&path, wanted).await.expect(201);
    for wrong in [&b"tests"[..], b"tes", b"TEST"] {
        assert!(anna.upload(&created["upload"], wrong.to_vec()).await.status.is_client_error());
    }
    assert_eq!(anna.upload(&created["upload"], b"test".to_vec()).await.status, 200);
}

#[tokio::test]
async fn a_deleted_attachment_takes_its_objects_along() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Gone" })).await;
    let note = note["id"].as_str().unwrap();
    let picture = photograph("Wine_by_Jakkub_Mede.jpg");
    let created = anna.attach(note, "a.jpg", "image/jpeg", picture).await;
    let ready = settled(&target, &anna, note, &created, "ready").await;
    let thumbnails = ready["thumbnails"].as_array().unwrap().iter().map(|thumbnail| &thumbnail["url"]);
    let urls: Vec<&str> =
        thumbnails.chain([&ready["download_url"]]).map(|url| url.as_str().unwrap()).collect();
    for url in &urls {
        assert_eq!(target.api.get(url).await.status, 200);
    }
    let id = created["id"].as_str().unwrap();
    assert_eq!(
        anna.send("DELETE", &format!("/notes/{note}/attachments/{id}"), &[], Value::Null).await.status,
        204
    );
    for url in &urls {
        // Without the right to list a bucket, S3 answers "forbidden" for what is not there.
        target.comes_to(true, async || target.api.get(url).await.status.is_client_error()).await;
    }
    assert_eq!(anna.get(&format!("/notes/{note}")).await.expect(200)["attachments"], 0);
}

/// Announces a text with this name: its record, and where it is to be put.
async fn announce(caller: &Caller, note: &str, filename: &str) -> Value {
    let wanted = json!({ "filename": filename, "content_type": "text/plain", "size": 4 });
    caller.post(&format!("/notes/{note}/attachments"), wanted).await.expect(201)
}

fn path(url: &Value) -> &str {
    url.as_str().unwrap().split('?').next().unwrap()
}

#[tokio::test]
async fn files_that_are_uploaded_at_once_all_become_ready() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Album" })).await;
    let note = note["id"].as_str().unwrap();
    let picture = photograph("Wine_by_Jakkub_Mede.jpg");
    let text = |name, content: &str| anna.attach(note, name, "text/plain", content.into());
    let attached: [Value; 6] = tokio::join!(
        anna.attach(note, "a.jpg", "image/jpeg", picture.clone()),
        anna.attach(note, "b.jpg", "image/jpeg", picture.clone()),
        text("c.txt", "one"),
        text("d.txt", "another"),
        // A name is nobody's alone.
        text("d.txt", "a third"),
        text("e.txt", "the last"),
    )
    .into();
    for created in &attached {
        let ready = settled(&target, &anna, note, created, "ready").await;
        assert_eq!(ready["filename"], created["filename"]);
        let download = target.api.get(ready["download_url"].as_str().unwrap()).await;
        assert_eq!(download.body.len() as u64, ready["size"].as_u64().unwrap());
    }
    assert_eq!(anna.get(&format!("/notes/{note}")).await.expect(200)["attachments"], attached.len());
}

#[tokio::test]
async fn a_files_name_is_told_as_it_was_and_leads_nowhere() {
    let target = Target::start().await;
    let anna = target.caller("anna").await;
    let note = anna.create(json!({ "title": "Names" })).await;
    let note = note["id"].as_str().unwrap();
    // The longest, in letters of two bytes.
    let (long, dashes, bytes) = ("é".repeat(251), "_".repeat(251), "%C3%A9".repeat(251));
    // Each name, and both its forms in the header.
    let names = [
        ("a \"quoted\"; x=y.txt", "a _quoted__ x_y.txt", "a%20%22quoted%22%3B%20x%3Dy.txt"),
        ("naïve 日本.txt", "na_ve __.txt", "na%C3%AFve%20%E6%97%A5%E6%9C%AC.txt"),
        ("bill\u{202e}fdp.exe", "bill_fdp.exe", "bill%E2%80%AEfdp.exe"),
        ("..%2F..%2Fx", ".._2F.._2Fx", "..%252F..%252Fx"),
        (long.as_str(), dashes.as_str(), bytes.as_str()),
    ];
    for (name, plain, encoded) in names {
        let created = announce(&anna, note, name).await;
        assert_eq!(created["attachment"]["filename"], name);
        let place = format!("/{note}/{}", created["attachment"]["id"].as_str().unwrap());
        assert!(path(&created["upload"]["url"]).ends_with(&place), "{created}");
        assert_eq!(anna.upload(&created["upload"], b"text".to_vec()).await.status, 200);
        let ready = settled(&target, &anna, note, &created["attachment"], "ready").await;
        assert_eq!(ready["filename"], name);
        assert!(path(&ready["download_url"]).ends_with(&place), "{ready}");
        let download = target.api.get(ready["download_url"].as_str().unwrap()).await;
        let expected = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
        assert_eq!((download.status.as_u16(), &download.body[..]), (200, &b"text"[..]));
        assert_eq!(download.header("content-disposition"), Some(expected.as_str()));
    }

    for name in ["../../x", "..\\..\\x", "/etc/passwd", "..", "a\r\nb: c", &"x".repeat(256)] {
        let wanted = json!({ "filename": name, "content_type": "text/plain", "size": 4 });
        let refused = anna.post(&format!("/notes/{note}/attachments"), wanted).await.expect(422);
        assert_eq!(refused["errors"][0]["field"], "filename", "{refused}");
    }
}
