use crate::get_report::GetReport;
use serde_json::json;
use shared::fake::{Answer, FakeAws};
use shared::sample::{Answered, HttpEvent, item};

async fn answer(aws: &FakeAws, event: HttpEvent) -> Answered {
    let handler = GetReport::new(aws.store());
    event.answer(async |request| handler.answer(request).await).await
}

#[tokio::test]
async fn the_sample_event_reads_the_callers_report() {
    let mut hours = vec![0; 24];
    hours[8] = 2;
    let record = json!({
        "pk": "REPORT#auth0|ada", "sk": "2026-11-22", "expires_at": 1_800_000_000,
        "report": {
            "date": "2026-11-22",
            "counts": {
                "created": 1, "updated": 0, "trashed": 0, "restored": 0, "purged": 0, "attached": 1, "detached": 0,
            },
            "hours": hours,
        },
    });
    let aws = FakeAws::with([("GetItem", Answer::json(json!({ "Item": item(&record) })))]);
    let answered = answer(&aws, HttpEvent::of("get-report")).await;
    assert_eq!(answered.status, 200);
    insta::assert_json_snapshot!(answered.json());
    let key = &aws.sent("GetItem")[0]["Key"];
    assert_eq!(*key, json!({ "pk": { "S": "REPORT#auth0|ada" }, "sk": { "S": "2026-11-22" } }));
}

#[tokio::test]
async fn a_day_without_a_report_is_not_found() {
    assert_eq!(answer(&FakeAws::default(), HttpEvent::of("get-report")).await.status, 404);
}

#[tokio::test]
async fn what_is_no_day_is_named() {
    for text in ["yesterday", "2026-1-2", "2026-02-30", "+2026-11-22", "2026-11-22T00:00:00Z", "20261122", ""]
    {
        let aws = FakeAws::default();
        let answered =
            answer(&aws, HttpEvent::of("get-report").route("GET /reports/{date}", &[("date", text)])).await;
        assert_eq!((answered.status, answered.wrong_fields()), (422, vec!["date".to_owned()]), "{text}");
        assert!(aws.calls().is_empty());
    }
}
