//! Sending, as a caller sees it.

use super::*;
use crate::Clock;
use crate::sql::tests::Scratch;
use crate::sqs::Sqs;
use crate::wire::Form;
use serde_json::{Value, json};

struct Fixture {
    ses: Ses,
    sns: Arc<Sns>,
    sqs: Arc<Sqs>,
    shared: Arc<Shared>,
    _directory: Scratch,
}

fn form(pairs: &[(&str, &str)]) -> Form {
    Form::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
}

impl Fixture {
    fn new() -> Self {
        let directory = Scratch::new();
        let shared = Shared::for_tests(Clock::default());
        let sqs = Arc::new(Sqs::open(directory.path(), shared.clone()).unwrap());
        let sns = Arc::new(Sns::open(directory.path(), shared.clone(), sqs.clone()).unwrap());
        let ses = Ses::open(directory.path(), shared.clone(), sns.clone()).unwrap();
        Self { ses, sns, sqs, shared, _directory: directory }
    }

    fn send(&self, from: &str, to: &str, set: Option<&str>) -> Result<String> {
        let mut pairs = vec![
            ("Source", from),
            ("Destination.ToAddresses.member.1", to),
            ("Message.Subject.Data", "s"),
            ("Message.Body.Text.Data", "t"),
        ];
        pairs.extend(set.map(|set| ("ConfigurationSetName", set)));
        self.ses.query("SendEmail", &form(&pairs))
    }

    /// A configuration set whose bounces and complaints reach the queue `feedback`.
    fn with_feedback(self) -> Self {
        self.sqs.make_queue("feedback");
        self.sns.query("CreateTopic", &form(&[("Name", "events")])).unwrap();
        let (topic, queue) = (self.shared.arn("sns", "events"), self.shared.arn("sqs", "feedback"));
        let subscription = [("TopicArn", topic.as_str()), ("Protocol", "sqs"), ("Endpoint", &queue)];
        self.sns.query("Subscribe", &form(&subscription)).unwrap();
        self.ses.query("CreateConfigurationSet", &form(&[("ConfigurationSet.Name", "set")])).unwrap();
        let destination = [
            ("ConfigurationSetName", "set"),
            ("EventDestination.Name", "d"),
            ("EventDestination.Enabled", "true"),
            ("EventDestination.MatchingEventTypes.member.1", "bounce"),
            ("EventDestination.MatchingEventTypes.member.2", "complaint"),
            ("EventDestination.SNSDestination.TopicARN", &topic),
        ];
        self.ses.query("CreateConfigurationSetEventDestination", &form(&destination)).unwrap();
        self
    }
}

#[test]
fn only_verified_identities_send() {
    let fixture = Fixture::new();
    assert_eq!(fixture.send("me@ok.test", "a@b.test", None).unwrap_err().code, "MessageRejected");
    fixture.ses.query("VerifyDomainIdentity", &form(&[("Domain", "ok.test")])).unwrap();
    fixture.send("Me <me@mail.ok.test>", "a@b.test", None).unwrap();
    assert_eq!(fixture.send("me@notok.test", "a@b.test", None).unwrap_err().code, "MessageRejected");
    assert_eq!(fixture.send("me@ok.test", "nonsense", None).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(
        fixture.send("me@ok.test", "a@b.test", Some("none")).unwrap_err().code,
        "ConfigurationSetDoesNotExist"
    );
    let mails = fixture.ses.mailbox.list(10, None);
    assert_eq!((mails.len(), mails[0].subject.as_str(), mails[0].text.as_deref()), (1, "s", Some("t")));
    assert_eq!(fixture.ses.mailbox.get(&mails[0].id).as_ref(), Some(&mails[0]));
}

#[test]
fn simulator_addresses_bounce_and_complain_into_the_subscribed_queue() {
    let fixture = Fixture::new().with_feedback();
    fixture.ses.query("VerifyEmailIdentity", &form(&[("EmailAddress", "me@ok.test")])).unwrap();
    for to in [
        "success@simulator.amazonses.com",
        "bounce+1@simulator.amazonses.com",
        "complaint@simulator.amazonses.com",
    ] {
        fixture.send("me@ok.test", to, Some("set")).unwrap();
    }
    let event = |message: &crate::PeekedMessage| {
        let envelope: Value = serde_json::from_str(&message.body).unwrap();
        serde_json::from_str::<Value>(envelope["Message"].as_str().unwrap()).unwrap()
    };
    let events: Vec<_> = fixture.sqs.peek("feedback", 10).iter().map(event).collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["eventType"], "Bounce");
    assert_eq!(
        events[0]["bounce"]["bouncedRecipients"][0]["emailAddress"],
        "bounce+1@simulator.amazonses.com"
    );
    assert_eq!(events[0]["mail"]["tags"]["ses:configuration-set"], json!(["set"]));
    assert_eq!(events[1]["complaint"]["complaintFeedbackType"], "abuse");
}
