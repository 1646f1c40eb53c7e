//! Files by presigned URLs, told of by the endpoint's own notifications.

use crate::ministack::Ministack;
use crate::tools::eventually;
use end_to_end::{Caller, Host};
use serde_json::{Value, json};
use std::io::Cursor;

/// A small JPEG with something to see in it.
pub(crate) fn picture() -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([(x / 2) as u8, (y / 2) as u8, ((x ^ y) & 0xff) as u8]);
    let mut jpeg = Cursor::new(Vec::new());
    image::RgbImage::from_fn(480, 320, pixel).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    jpeg.into_inner()
}

/// The attachment when it is through, for better or worse.
pub(crate) async fn settled(caller: &Caller, note: &str, attachment: &Value) -> Value {
    let path = format!("/notes/{note}/attachments/{}", attachment["id"].as_str().unwrap());
    eventually("the end of an upload's processing", async || {
        let attachment = caller.get(&path).await.expect(200);
        (attachment["status"] != "pending").then_some(attachment)
    })
    .await
}

/// Whether there is a picture behind every thumbnail's URL.
pub(crate) async fn assert_thumbnails(caller: &Caller, attachment: &Value) {
    assert_eq!(attachment["status"], "ready", "{attachment}");
    assert_eq!((&attachment["width"], &attachment["height"]), (&json!(480), &json!(320)));
    let thumbnails = attachment["thumbnails"].as_array().unwrap();
    assert_eq!(thumbnails.len(), 3);
    for thumbnail in thumbnails {
        let answer = caller.api.get(thumbnail["url"].as_str().unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("image/webp")));
        let picture = image_webp::WebPDecoder::new(Cursor::new(&answer.body[..])).unwrap();
        let (width, height) = picture.dimensions();
        assert_eq!((&json!(width), &json!(height)), (&thumbnail["width"], &thumbnail["height"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_becomes_ready_and_what_only_pretends_fails() {
    let ministack = Ministack::start().await;
    let host = Host::start_with(ministack.options()).await;
    let anna = host.api.caller("anna").await;
    let note = anna.create(json!({ "title": "Trip" })).await;
    let note = note["id"].as_str().unwrap();
    let file = picture();
    let real = anna.attach(note, "lake & boats.jpg", "image/jpeg", file.clone()).await;
    let fake = anna.attach(note, "photo.jpg", "image/jpeg", b"just words".to_vec()).await;

    let ready = settled(&anna, note, &real).await;
    assert_thumbnails(&anna, &ready).await;
    let download = host.api.get(ready["download_url"].as_str().unwrap()).await;
    assert_eq!(download.body, file);
    assert!(download.header("content-disposition").unwrap().starts_with("attachment"));

    let failed = settled(&anna, note, &fake).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["reason"].as_str().unwrap().contains("picture"), "{failed}");
    host.api.idle().await;
    assert_eq!(anna.get(&format!("/notes/{note}")).await.expect(200)["attachments"], 2);
    assert!(host.api.messages("DeadLettersQueue").await.is_empty());
}
